"""What wrongly set scanners make of codes: the corpus, and every wiring of three keyboards over codes at random."""

import json
import re
from pathlib import Path

import pytest
from gs1_codes import GS, LETTERS_AND_DIGITS, SET_82, TODAY, Scanned, as_fields, scanned
from gs1_keyboards import Wiring, typed
from hypothesis import example, given, settings
from hypothesis import strategies as st

from theriac.medicine import gs1
from theriac.medicine.packid import PackCode, Scheme, is_cut
from theriac.medicine.wedge import (
    SELF_TEST,
    Reading,
    ScannerCause,
    diagnose,
    diagnose_self_test,
    variants,
)

VECTORS = Path(__file__).parents[1] / "vectors" / "gs1"
CORPUS = json.loads((VECTORS / "scanner.json").read_text(encoding="ascii"))
WELL_FORMED = json.loads((VECTORS / "well_formed.json").read_text(encoding="ascii"))
MALFORMED = json.loads((VECTORS / "malformed.json").read_text(encoding="ascii"))

GTIN = "03400930000014"

NAMES = ("us", "qwertz", "azerty")
WIRINGS = [
    Wiring(scanner, host, caps, keypad)
    for scanner in NAMES
    for host in NAMES
    for caps in ("off", "letters", "all")
    for keypad in (False, True)
    if (scanner != host or caps != "off") and not (host == "us" and caps == "all")
]


def _kind(reading: Reading) -> str:
    if reading.code is None:
        return "unclear"
    return "repaired" if reading.causes else "as-is"


@pytest.mark.parametrize("name", CORPUS)
def test_diagnose__garbled_code_of_the_corpus(name: str) -> None:
    # given
    vector = CORPUS[name]

    # when
    reading = diagnose(vector["raw"], today=TODAY)

    # then
    causes = [cause.value for cause in reading.causes]
    assert _kind(reading) == vector["reads"]
    if vector["reads"] == "repaired":
        assert (as_fields(reading.code), causes) == (vector["code"], vector["causes"])
    elif vector["reads"] == "unclear":
        assert set(vector["causes"]) <= set(causes)


@pytest.mark.parametrize("name", CORPUS)
def test_variants__true_code_of_the_corpus(name: str) -> None:
    # given
    vector = CORPUS[name]

    # when
    found = [variant for variant in variants(vector["raw"], today=TODAY) if as_fields(variant.code) == vector["code"]]

    # then
    assert [[cause.value for cause in variant.causes] for variant in found] == [vector["causes"]]


@pytest.mark.parametrize("name", CORPUS)
def test_diagnose__no_garbled_code_is_taken_for_a_pack_alone(name: str) -> None:
    # given
    vector = CORPUS[name]

    # when
    reading, possible = diagnose(vector["raw"], today=TODAY), variants(vector["raw"], today=TODAY)

    # then
    assert vector["code"] in [as_fields(reading.code), *(as_fields(variant.code) for variant in possible)]


@pytest.mark.parametrize("name", WELL_FORMED)
def test_diagnose__no_well_formed_code_is_called_garbled(name: str) -> None:
    # given a code that is as well that of a false pack: nothing tells them apart
    vector = WELL_FORMED[name]

    # when
    reading = diagnose(vector["raw"], today=TODAY)

    # then
    assert (as_fields(reading.code), reading.cause, reading.certain) == (vector["code"], None, True)


@pytest.mark.parametrize("name", [name for name, vector in MALFORMED.items() if "check-digit" in vector["cause"]])
def test_diagnose__wrong_check_digit_is_no_fault_of_the_scanner(name: str) -> None:
    # when
    reading = diagnose(MALFORMED[name]["raw"], today=TODAY)

    # then
    assert (reading.code, reading.cause, reading.fault and reading.fault.cause) == (None, None, "check-digit-wrong")


def test_corpus__has_80_cases_and_more() -> None:
    # when, then
    assert len(CORPUS) + len(WELL_FORMED) + len(MALFORMED) >= 80


@given(scanned())
@settings(max_examples=200, deadline=None)
def test_diagnose__clean_code(scan: Scanned) -> None:
    # when, then
    assert diagnose(scan.raw, today=TODAY) == Reading(scan.code)


def _possible(raw: str) -> list[PackCode | None]:
    return [diagnose(raw, today=TODAY).code, *(variant.code for variant in variants(raw, today=TODAY))]


# The key of < and > types what another key types as well where the host has a US keyboard.
@given(
    scanned(alphabet=SET_82.replace("<", "").replace(">", "")),
    st.sampled_from([wiring for wiring in WIRINGS if not wiring.keypad]),
    st.booleans(),
)
@settings(max_examples=250, deadline=None)
def test_variants__any_code_through_any_wiring(scan: Scanned, wiring: Wiring, separators: bool) -> None:
    # given
    arrived = typed(scan.raw, wiring)

    # when
    possible = _possible(arrived if separators else arrived.replace(GS, ""))

    # then
    assert scan.code in possible


@given(scanned(alphabet=LETTERS_AND_DIGITS), st.sampled_from(WIRINGS), st.booleans())
@settings(max_examples=150, deadline=None)
def test_variants__any_code_through_any_wiring_with_a_keypad(scan: Scanned, wiring: Wiring, separators: bool) -> None:
    # given
    arrived = typed(scan.raw, wiring)

    # when
    possible = _possible(arrived if separators else arrived.replace(GS, ""))

    # then
    assert scan.code in possible


MARKS = ["<GS>", "{GS}", "[GS]", "␝", "^]", "\\x1d", "\\u001d", "~1", "~d029", "|", "#", "@", "↔", "<F8>", "{F8}", " "]


@given(scanned(), st.sampled_from(["", *MARKS]))
@settings(max_examples=150, deadline=None)
def test_variants__separator_lost_or_visible(scan: Scanned, mark: str) -> None:
    # given
    arrived = scan.raw.replace(GS, mark)

    # when
    possible = _possible(arrived)

    # then
    assert scan.code in possible


@given(scanned(), st.sampled_from(["\r", "\n", "\r\n", "\t", " "]), st.sampled_from(["", "\x02", " ", "]d2]d2"]))
@settings(max_examples=100, deadline=None)
def test_variants__what_stands_around(scan: Scanned, end: str, start: str) -> None:
    # given
    arrived = start + scan.raw + end

    # when
    possible = _possible(arrived)

    # then
    assert scan.code in possible


@given(scanned(), st.sampled_from(["", "\t", "\r\n", ";"]))
@settings(max_examples=100, deadline=None)
def test_variants__scanned_twice(scan: Scanned, between: str) -> None:
    # when
    possible = _possible(scan.raw + between + scan.raw)

    # then
    assert scan.code in possible


@given(scanned(), st.data())
@settings(max_examples=200, deadline=None)
def test_diagnose__code_that_breaks_off(scan: Scanned, data: st.DataObject) -> None:
    # given
    arrived = scan.raw[: data.draw(st.integers(1, len(scan.raw) - 1))]

    # when
    reading = diagnose(arrived, today=TODAY)

    # then what reads as a code is one that misses something, for who knows the whole
    assert reading.code in (None, scan.code) or is_cut(reading.code, whole=scan.code)


def test_diagnose__digits_of_a_cut_code_that_look_like_chinas() -> None:
    # given a code that broke off inside of its GTIN: its last twenty digits begin with 8
    arrived = "17080101010000000000000"

    # when
    reading = diagnose(arrived, today=TODAY)

    # then
    assert reading.code is None
    assert reading.cause is ScannerCause.CUT_SHORT


@given(st.text(max_size=100) | st.text(SET_82 + "\x1d\x1e\x04[]#{}|^", max_size=100) | st.binary(max_size=100))
@example("01" * 256)
@example("10" * 256)
@example("]d2" * 100)
@settings(max_examples=800, deadline=None)
def test_diagnose__raises_nothing(raw: str | bytes) -> None:
    # when
    reading = diagnose(raw, today=TODAY)

    # then
    assert (reading.code is None) == (reading.repaired is None) or not reading.causes


@pytest.mark.parametrize(
    "raw",
    [
        f"01{GTIN}2110101010101010101010101010101010101010",
        "01" + GTIN + "21" + "1721" * 5 + "17" + "101010" * 3 + "10" * 10,
        "]d201" + GTIN + "21" + "10717" * 12,
        f"01{GTIN}" + "21A;'[]-=" * 30,
    ],
)
def test_variants__are_bounded(raw: str) -> None:
    # when
    found = variants(raw, today=TODAY)

    # then
    assert len(found) <= 512


def test_variants__each_is_a_text_that_reads_as_its_code() -> None:
    # given
    found = variants(CORPUS["azerty_and_separator_lost"]["raw"], today=TODAY)

    # when
    read = [gs1.parse(variant.repaired, today=TODAY) for variant in found]

    # then
    assert read == [variant.code for variant in found] != []


def test_variants__of_a_serial_of_digits_are_no_other_codes() -> None:
    # given a code that no keyboard garbles but one without separators
    raw = f"01{GTIN}2134567"

    # when, then
    assert variants(raw, today=TODAY) == ()


def test_advice__is_a_sentence_for_every_cause() -> None:
    # when
    advice = [cause.advice for cause in ScannerCause]

    # then
    assert all(re.fullmatch(r"[A-Z].{20,}\.", sentence) for sentence in advice)


@pytest.mark.parametrize("wiring", WIRINGS, ids=str)
def test_self_test__names_the_wiring_or_cannot_tell(wiring: Wiring) -> None:
    # given
    arrived = typed(SELF_TEST, wiring)

    # when
    causes = diagnose_self_test(arrived)

    # then
    assert causes is not None
    assert {cause.value for cause in causes} == set(wiring.causes)


@pytest.mark.parametrize(
    ("arrived", "causes"),
    [
        (SELF_TEST, frozenset()),
        ("]d1" + SELF_TEST + "\r", frozenset()),
        (SELF_TEST.replace(GS, ""), frozenset({ScannerCause.SEPARATOR_LOST})),
        (SELF_TEST.replace(GS, "<GS>"), frozenset({ScannerCause.SEPARATOR_VISIBLE})),
        ("something else", None),
    ],
)
def test_self_test__separators(arrived: str, causes: frozenset[ScannerCause] | None) -> None:
    # when, then
    assert diagnose_self_test(arrived) == causes


def test_reading__of_an_unknown_pack_is_only_what_it_says() -> None:
    # given a serial nobody gave out
    reading = diagnose(f"01{GTIN}21FALSE99", today=TODAY)

    # when, then
    assert reading == Reading(PackCode(Scheme.GTIN, GTIN, "FALSE99"))

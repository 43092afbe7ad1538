"""Reading and writing codes of packs: the vectors, and properties over codes at random."""

import json
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from biip.gs1_messages import GS1Message
from gs1_codes import SET_82, TODAY, Scanned, as_fields, scanned
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from theriac.errors import (
    BadCode,
    CodeCutShort,
    ElementTwice,
    ForeignCharacter,
    NoSerial,
    NotAPackCode,
    UnknownIdentifier,
    WrongCheckDigit,
    WrongDate,
    WrongElement,
    WrongEnvelope,
)
from theriac.medicine import gs1
from theriac.medicine.packid import (
    Element,
    PackCode,
    PackStrings,
    Scheme,
    gtin_check_digit,
    is_cut,
    ppn_check_digits,
    pzn_check_digit,
    read_date,
)

VECTORS = Path(__file__).parents[1] / "vectors" / "gs1"
WELL_FORMED = json.loads((VECTORS / "well_formed.json").read_text(encoding="ascii"))
MALFORMED = json.loads((VECTORS / "malformed.json").read_text(encoding="ascii"))

GTIN = "03400930000014"


@pytest.mark.parametrize("name", WELL_FORMED)
def test_parse__well_formed_vector(name: str) -> None:
    # given
    vector = WELL_FORMED[name]

    # when
    code = gs1.parse(vector["raw"], today=TODAY)

    # then
    assert as_fields(code) == vector["code"]


@pytest.mark.parametrize("name", MALFORMED)
def test_parse__malformed_vector(name: str) -> None:
    # given
    vector = MALFORMED[name]

    # when
    with pytest.raises(BadCode) as raised:
        gs1.parse(vector["raw"], today=TODAY)

    # then
    assert raised.value.cause == vector["cause"]


@pytest.mark.parametrize(
    ("raw", "error", "facts"),
    [
        ("0103400930000015", WrongCheckDigit, {"kind": "GTIN", "number": "03400930000015", "expected": "4"}),
        (f"01{GTIN}21A\x1d17271301", WrongDate, {"date": "271301"}),
        (f"01{GTIN}21A\x1d1027\x1d10A", ElementTwice, {"identifier": "10", "first": "27", "second": "A"}),
        (f"01{GTIN}21A\x1d0599", UnknownIdentifier, {"found": "0599", "position": 20}),
        (f"01{GTIN}21A\u00e9", ForeignCharacter, {"character": "\u00e9", "position": 19}),
        (f"01{GTIN}2", CodeCutShort, {"inside": "an identifier"}),
        (f"01{GTIN}17", CodeCutShort, {"inside": "element 17"}),
        (f"01{GTIN}10L", NoSerial, {"product": GTIN}),
        ("00340123450000000000", NotAPackCode, {"found": "00"}),
    ],
)
def test_parse__error_holds_the_facts(raw: str, error: type[BadCode], facts: dict[str, object]) -> None:
    # when
    with pytest.raises(error) as raised:
        gs1.parse(raw, today=TODAY)

    # then
    assert vars(raised.value) == facts


def test_parse__keeps_elements_that_do_not_name_the_pack() -> None:
    # when
    code = gs1.parse(f"01{GTIN}21A\x1d71003752864\x1d11250101", today=TODAY)

    # then
    assert code.also == (Element("710", "03752864"), Element("11", "250101"))


def test_parse__other_elements_count_for_nothing_when_codes_are_compared() -> None:
    # when
    code, other = (gs1.parse(f"01{GTIN}1727{rest}21A", today=TODAY) for rest in ("1200", "1231"))

    # then
    assert (code, code.whole_month, other.whole_month) == (other, True, False)


def test_elements__of_a_case() -> None:
    # when
    elements = gs1.elements("]C1003401234500000000001027A\x1d37120")

    # then
    assert elements == (Element("00", "340123450000000000"), Element("10", "27A"), Element("37", "120"))


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        ("00340123450000000001", WrongCheckDigit),
        ("4103400930000015", WrongCheckDigit),
        ("8017340123450000000001", WrongCheckDigit),
        ("11251331", WrongElement),
        ("11250431", WrongDate),
        ("422A12", WrongElement),
        ("42212\x1d21A", WrongElement),
        ("4221234", WrongElement),
        ("7003260231120", WrongElement),
        ("310312345", CodeCutShort),
    ],
)
def test_elements__not_as_the_identifier_demands(raw: str, error: type[BadCode]) -> None:
    # when, then
    with pytest.raises(error):
        gs1.elements(raw)


@pytest.mark.parametrize("character", ["\n", "\t", " ", "\u00e9", "\udcff"])
def test_parse__link_with_a_character_that_no_link_has(character: str) -> None:
    # when, then
    with pytest.raises(ForeignCharacter):
        gs1.parse(f"https://example.org/01/{GTIN}/21/A{character}B")


@pytest.mark.parametrize("element", ["00340123450000000000", "11250101", "2001", "3103001500", "4103400930000014"])
def test_elements__of_predefined_length_need_no_separator(element: str) -> None:
    # when
    (first, second) = gs1.elements(f"{element}01{GTIN}")

    # then
    assert (first.identifier + first.value, second) == (element, Element("01", GTIN))


@pytest.mark.parametrize("element", ["422250", "70032601010930", "3712", "240AB", "8005001500"])
def test_elements__of_other_identifiers_reach_to_the_separator(element: str) -> None:
    # when
    (first, second) = gs1.elements(f"{element}\x1d01{GTIN}")

    # then
    assert (first.identifier + first.value, second) == (element, Element("01", GTIN))


@given(scanned())
@settings(max_examples=150, deadline=None)
def test_parse__any_code_and_order(scan: Scanned) -> None:
    # when
    code = gs1.parse(scan.raw, today=TODAY)

    # then
    assert code == scan.code


@given(scanned())
@settings(max_examples=100, deadline=None)
def test_parse__agrees_with_biip(scan: Scanned) -> None:
    # given
    message = GS1Message.parse(scan.raw.removeprefix("]d2").removeprefix("]C1"))
    theirs = {element.ai.ai: element.value for element in message.element_strings}

    # when
    code = gs1.parse(scan.raw, today=TODAY)

    # then
    mine = {"01": code.product, "21": code.serial, "10": code.lot, "17": code.expiry and code.expiry.strftime("%y%m%d")}
    assert {name: value for name, value in mine.items() if value is not None} == theirs


@given(scanned(prefixes=("",)), st.data())
@settings(max_examples=300, deadline=None)
def test_parse__accepts_nothing_that_biip_refuses(scan: Scanned, data: st.DataObject) -> None:
    # given a code with one character altered, added or taken away
    at = data.draw(st.integers(0, len(scan.raw)))
    cut = data.draw(st.integers(0, 1))
    raw = scan.raw[:at] + data.draw(st.text(SET_82 + "\x1d#$\u0663", max_size=1)) + scan.raw[at + cut :]
    try:
        elements = gs1.elements(raw)
    except BadCode:
        assume(False)

    # when
    message = GS1Message.parse(raw)

    # then all that stands in ours stands there, in order, unless it stood there twice
    theirs = [Element(element.ai.ai, element.value) for element in message.element_strings]
    assert list(dict.fromkeys(theirs)) == list(elements)
    assert all(element.gtin_error is None for element in message.element_strings)


@given(scanned())
@settings(max_examples=100, deadline=None)
def test_write__is_read_again(scan: Scanned) -> None:
    # when
    written = gs1.write(scan.code, today=TODAY), gs1.write_link(scan.code, today=TODAY)

    # then
    assert [gs1.parse(text, today=TODAY) for text in written] == [scan.code] * 2


@given(scanned(alphabet=SET_82.replace("(", "").replace(")", "")))
@settings(max_examples=50, deadline=None)
def test_write_hri__is_read_again(scan: Scanned) -> None:
    # when
    printed = gs1.write_hri(scan.code, today=TODAY)

    # then
    assert gs1.parse(printed, today=TODAY) == scan.code


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (gs1.write, f"01{GTIN}17271200" + "21A/1\x1d10L2\x1d71003752864"),
        (gs1.write_hri, f"(01){GTIN}(17)271200(21)A/1(10)L2(710)03752864"),
        (gs1.write_link, f"https://id.gs1.org/01/{GTIN}/10/L2/21/A%2F1?17=271200&710=03752864"),
    ],
)
def test_write__whole_text(write: object, text: str) -> None:
    # given
    code = PackCode(
        Scheme.GTIN,
        GTIN,
        "A/1",
        lot="L2",
        expiry=date(2027, 12, 31),
        whole_month=True,
        also=(Element("710", "03752864"),),
    )

    # when, then
    assert callable(write)
    assert write(code, today=TODAY) == text


def test_write__ppn() -> None:
    # given
    code = PackCode(Scheme.PPN, "110375286414", "Q-1", lot="L_2", expiry=date(2027, 12, 31))

    # when, then
    assert gs1.write(code) == "[)>\x1e06\x1d9N110375286414\x1d1TL_2\x1dD271231\x1dSQ-1\x1e\x04"


def test_write_link__ppn_has_none() -> None:
    # given
    code = PackCode(Scheme.PPN, "110375286414", "Q1")

    # when, then
    with pytest.raises(WrongEnvelope):
        gs1.write_link(code)


def test_write__expiry_that_two_digits_cannot_say() -> None:
    # given
    code = PackCode(Scheme.GTIN, GTIN, "A", expiry=date(2077, 1, 31))

    # when, then
    with pytest.raises(WrongDate):
        gs1.write(code, today=TODAY)


@pytest.mark.parametrize(
    ("scheme", "product", "serial", "more", "error"),
    [
        (Scheme.GTIN, "03400930000015", "A", {}, WrongCheckDigit),
        (Scheme.GTIN, "4012345123456", "A", {}, WrongElement),
        (Scheme.GTIN, GTIN, "", {}, WrongElement),
        (Scheme.GTIN, GTIN, "A\n", {}, ForeignCharacter),
        (Scheme.GTIN, GTIN, "A", {"lot": "B\x1d"}, ForeignCharacter),
        (Scheme.GTIN, GTIN, "A", {"expiry": date(2027, 12, 30), "whole_month": True}, WrongDate),
        (Scheme.PPN, "110375286415", "A", {}, WrongCheckDigit),
        (Scheme.PPN, "110375286414", "A/B", {}, ForeignCharacter),
        (Scheme.CHINA, "7301234", "5678901234567", {}, WrongElement),
        (Scheme.CHINA, "8301234", "567890123456", {}, WrongElement),
        (Scheme.CHINA, "8301234", "5678901234567", {"lot": "A"}, WrongElement),
    ],
)
def test_pack_code__that_could_not_be_printed(
    scheme: Scheme, product: str, serial: str, more: dict[str, object], error: type[BadCode]
) -> None:
    # when, then
    with pytest.raises(error):
        PackCode(scheme, product, serial, **more)  # type: ignore[arg-type]


def test_strings__month_only_and_last_day_are_one() -> None:
    # given
    codes = [gs1.parse(f"01{GTIN}1727{rest}21A\x1d10B", today=TODAY) for rest in ("1200", "1231")]

    # when, then
    assert [code.strings() for code in codes] == [PackStrings(product=GTIN, lot="B", expiry="271231", serial="A")] * 2


def test_strings__what_is_not_there_is_empty() -> None:
    # when, then
    assert gs1.parse("83012345678901234567").strings() == PackStrings(
        product="8301234", lot="", expiry="", serial="5678901234567"
    )


@pytest.mark.parametrize(
    ("raw", "pzn"),
    [
        ("010415003752864321A", "03752864"),
        ("[)>\x1e06\x1d9N110375286414\x1dSA\x1e\x04", "03752864"),
        (f"01{GTIN}21A", None),
    ],
)
def test_pzn__of_ntin_and_ppn(raw: str, pzn: str | None) -> None:
    # when, then
    assert gs1.parse(raw).pzn == pzn


# The first is the GTIN-13 of the General Specifications, then the PPN and PZN of IFA's own specification.
def test_check_digits__published_examples() -> None:
    # when, then
    assert (gtin_check_digit("629104150021"), ppn_check_digits("1103752864"), pzn_check_digit("0375286")) == (
        "3",
        "14",
        "4",
    )


def test_pzn_check_digit__remainder_ten_is_never_issued() -> None:
    # given 1*1 + 3*3 = 10
    digits = "1030000"

    # when, then
    assert pzn_check_digit(digits) is None


@pytest.mark.parametrize(
    ("this_year", "text", "year"),
    [(2026, "76", 2076), (2026, "77", 1977), (2049, "99", 2099), (2050, "00", 2100), (2051, "01", 2101)],
)
def test_read_date__century(this_year: int, text: str, year: int) -> None:
    # when, then
    assert read_date(text + "0101", this_year=this_year).day == date(year, 1, 1)


@pytest.mark.parametrize(
    ("code", "cut"),
    [
        ({"serial": "ABCD", "lot": "L1"}, False),
        ({"serial": "ABCD", "lot": None}, True),
        ({"serial": "ABCD", "lot": "L"}, True),
        ({"serial": "ABC", "lot": None}, True),
        ({"serial": "ABC", "lot": "L"}, False),
        ({"serial": "ABX", "lot": "L1"}, False),
        ({"serial": "ABCDE", "lot": "L1"}, False),
    ],
)
def test_is_cut__of_a_known_pack(code: dict[str, str], cut: bool) -> None:
    # given
    whole = PackCode(Scheme.GTIN, GTIN, "ABCD", lot="L1")

    # when, then
    assert is_cut(PackCode(Scheme.GTIN, GTIN, code["serial"], lot=code["lot"]), whole=whole) is cut


def _only_bad_codes(raw: str | bytes) -> None:
    for read in (gs1.parse, gs1.elements):
        with suppress(BadCode):
            read(raw)


@given(st.text(max_size=120) | st.text(SET_82 + "\x1d\x1e\x04[]#", max_size=120))
@example("[)>\x1e06\x1d\x1e\x04")
@example("https://[/01/")
@example("(01)" * 200)
@settings(max_examples=800, deadline=None)
def test_parse__any_text_gives_a_code_or_its_error(raw: str) -> None:
    # when, then
    _only_bad_codes(raw)


@given(
    st.sampled_from(["]d2", "01" + GTIN, "01" + GTIN + "21", "(01)", "[)>\x1e06\x1d", "https://a/01/" + GTIN, "8"]),
    st.text(max_size=40) | st.text("0123456789\x1d(/?=&%", max_size=40),
    st.sampled_from(["", "\x1e\x04"]),
)
@settings(max_examples=800, deadline=None)
def test_parse__any_text_after_a_good_start(start: str, rest: str, end: str) -> None:
    # when, then
    _only_bad_codes(start + rest + end)


@given(st.binary(max_size=120))
@settings(max_examples=400, deadline=None)
def test_parse__any_bytes(raw: bytes) -> None:
    # when, then
    _only_bad_codes(raw)

"""Verdicts on scans: every cause, no garbled code taken for a false pack, and no false pack for a garbled code."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from gs1_keyboards import Wiring, typed
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scan_world import CASES, NOW, WORLD, Known, scanner, world

from theriac.medicine import gs1, wedge
from theriac.medicine.packid import PackCode, Scheme, is_cut
from theriac.medicine.packs import Product
from theriac.medicine.scanner import Cause, Scanner
from theriac.medicine.wedge import ScannerCause

GS1 = Path(__file__).parents[1] / "vectors" / "gs1"
MALFORMED = json.loads((GS1 / "malformed.json").read_text(encoding="ascii"))
GARBLED = json.loads((GS1 / "scanner.json").read_text(encoding="ascii"))

PRODUCT = Product("03400930000014", "LOT_5Z", date(2027, 12, 31))
MINE = ("HandedOver", {"node": 1, "from": 1, "to": 3, "missing": [], "back": False, "rejoined": False})


@pytest.fixture(scope="module")
def pharmacy() -> Scanner:
    return scanner(world(), waiting=[(name, index) for name, index in WORLD["waiting"]])


def knowing_all(*serials: str, product: Product = PRODUCT) -> Scanner:
    """A pharmacy that was given a whole batch, so that a pack that is not of it is called false."""
    packs = dict(enumerate(serials))
    return scanner([Known("whole", product, packs, events=(MINE,))])


# -- the corpus ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_scan__case_of_the_corpus(pharmacy: Scanner, name: str) -> None:
    verdict = pharmacy.scan(CASES[name]["raw"], now=NOW)

    assert verdict.cause.value == CASES[name]["cause"]


def test_scan__corpus__every_cause_is_in_it() -> None:
    # A clone comes to light only where somebody else's scan is known too.
    assert {case["cause"] for case in CASES.values()} == {cause.value for cause in Cause} - {Cause.CLONED.value}


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("garbled_")])
def test_scan__garbled_code_of_the_corpus__what_to_mend_is_said(pharmacy: Scanner, name: str) -> None:
    verdict = pharmacy.scan(CASES[name]["raw"], now=NOW)

    assert not verdict.cause.is_alarm
    assert verdict.scanner
    assert verdict.sentence == f"{Cause.SCANNER.sentence} {verdict.scanner[0].advice}"


@pytest.mark.parametrize("name", MALFORMED)
def test_scan__malformed_code__nothing_is_said_of_a_pack(pharmacy: Scanner, name: str) -> None:
    assert pharmacy.scan(MALFORMED[name]["raw"], now=NOW).cause in (Cause.NO_CODE, Cause.SCANNER)


@pytest.mark.parametrize("name", GARBLED)
def test_scan__every_garbling_known_of_codes__never_held_against_the_pack(name: str) -> None:
    # given: the pack that was scanned, and all of its batch, so that any other serial would be called false
    values = GARBLED[name]["code"]
    if values is None:
        values = {"product": PRODUCT.code, "serial": "SN1", "lot": None, "expiry": None}
    expiry = date.fromisoformat(values["expiry"]) if values["expiry"] else None
    product = Product(values["product"], values["lot"] or "", expiry)
    pharmacy = knowing_all(values["serial"], "AAAAAAAAAA", product=product)

    # when
    verdict = pharmacy.scan(GARBLED[name]["raw"], now=NOW)

    # then
    assert verdict.cause is Cause.SCANNER


def test_scan__genuine__all_that_is_known_of_it(pharmacy: Scanner) -> None:
    verdict = pharmacy.scan(CASES["genuine"]["raw"], now=NOW)

    assert verdict.pack is not None
    assert (verdict.code, verdict.pack.index, verdict.holder, verdict.scanner) == (
        PackCode(Scheme.GTIN, PRODUCT.code, "YZ8Q-000m4aW", lot=PRODUCT.lot, expiry=PRODUCT.expiry),
        0,
        3,
        (),
    )
    assert verdict.may_be_dispensed


def test_scan__only_genuine_packs_may_be_dispensed(pharmacy: Scanner) -> None:
    found = {name for name, case in CASES.items() if pharmacy.scan(case["raw"], now=NOW).may_be_dispensed}

    assert found == {name for name in CASES if name.startswith("genuine")}


@pytest.mark.parametrize("days", [0, 1])
def test_scan__expiry__ends_with_its_last_day(pharmacy: Scanner, days: int) -> None:
    raw = CASES["genuine_on_its_last_day"]["raw"]

    verdict = pharmacy.scan(raw, now=NOW.replace(hour=23, minute=59, second=59) + timedelta(seconds=days))

    assert verdict.cause is (Cause.EXPIRED if days else Cause.GENUINE)


def test_cause__each_has_a_sentence_and_says_what_to_do() -> None:
    assert all(cause.sentence.endswith(".") for cause in Cause)
    assert not Cause.SCANNER.is_alarm
    assert not Cause.NO_CODE.is_alarm
    assert not Cause.UNKNOWN_HERE.is_alarm
    assert Cause.FALSE.is_alarm


def test_scan__code_cut_in_the_serial_of_a_batch_known_whole__the_scanner() -> None:
    # given: without a look at the shelf, the shorter serial would be a false one
    pharmacy = knowing_all("SN0000001", "SN0000002")

    # when
    verdict = pharmacy.scan(f"01{PRODUCT.code}1727123110{PRODUCT.lot}\x1d21SN00000", now=NOW)

    # then
    assert (verdict.cause, verdict.scanner) == (Cause.SCANNER, (ScannerCause.CUT_SHORT,))


def test_scan__serial_that_two_lots_have_and_a_code_without_its_lot__cut_short() -> None:
    # given
    other = Product(PRODUCT.code, "OTHER", PRODUCT.expiry)
    pharmacy = scanner(
        [Known("one", PRODUCT, {0: "SN1"}, events=(MINE,)), Known("two", other, {0: "SN1"}, events=(MINE,))]
    )

    # when, then: nobody can tell which of the two it is, and neither is suspect
    assert pharmacy.scan(f"01{PRODUCT.code}1727123121SN1", now=NOW).cause is Cause.SCANNER
    assert pharmacy.scan(f"01{PRODUCT.code}1727123121SN1\x1d10OTHER", now=NOW).cause is Cause.GENUINE


@pytest.mark.parametrize("name", CASES)
def test_scan__case_of_the_corpus_where_the_chain_was_not_followed__none_is_false_and_the_others_stay(
    name: str,
) -> None:
    # given: a batch that was commissioned meanwhile is not known, and could hold any of its lot
    pharmacy = scanner(world(), waiting=[(name, index) for name, index in WORLD["waiting"]], is_current=False)

    # when
    verdict = pharmacy.scan(CASES[name]["raw"], now=NOW)

    # then
    cause = CASES[name]["cause"]
    assert verdict.cause.value == (Cause.UNKNOWN_HERE.value if cause == Cause.FALSE.value else cause)


# -- any garbling, any false pack ------------------------------------------------------------------------------------

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_/.,:;!?()"
_KEYBOARDS = ("us", "qwertz", "azerty")
_MARKS = ("", "<GS>", "{GS}", "[GS]", "^]", "\\x1d", "\u241d", "|", "#", "~1", "{F8}", "<FNC1>", "%1D", " ")


@st.composite
def code_(draw: st.DrawFn, serial: st.SearchStrategy[str]) -> PackCode:
    return PackCode(Scheme.GTIN, PRODUCT.code, draw(serial), lot=PRODUCT.lot, expiry=PRODUCT.expiry)


@st.composite
def garbling(draw: st.DrawFn, raw: str) -> str:
    """What may become of a code between the scanner and the program: one fault after the other, up to three."""
    for fault in draw(st.lists(st.sampled_from(("keys", "separator", "prefix", "twice", "around", "cut")), max_size=3)):
        if fault == "keys":
            scanner_, host = draw(st.sampled_from(_KEYBOARDS)), draw(st.sampled_from(_KEYBOARDS))
            raw = typed(raw, Wiring(scanner_, host, draw(st.sampled_from(("off", "letters", "all"))), False))
        elif fault == "separator":
            raw = raw.replace("\x1d", draw(st.sampled_from(_MARKS)))
        elif fault == "prefix":
            raw = draw(st.sampled_from(("]d2", "]C1", "d2", "\x02", "x"))) + raw
        elif fault == "twice":
            raw = raw + draw(st.sampled_from(("", "\t", " "))) + raw
        elif fault == "around":
            raw = draw(st.sampled_from(("", " ", "\x1d"))) + raw + draw(st.sampled_from(("", "\r\n", "\t", "  ")))
        else:
            raw = raw[: draw(st.integers(0, len(raw)))]
    return raw


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data(), serial=st.text(_LETTERS, min_size=6, max_size=20))
def test_scan__any_garbling_of_a_genuine_pack__no_alarm(data: Any, serial: str) -> None:
    # given: a pharmacy that knows every pack of the batch, the sternest judge of what it does not know
    pharmacy = knowing_all(serial, "0" * 19)
    code = PackCode(Scheme.GTIN, PRODUCT.code, serial, lot=PRODUCT.lot, expiry=PRODUCT.expiry)
    sent = data.draw(st.sampled_from(("", "]d2"))) + gs1.write(code, today=NOW.date())

    # when
    raw = data.draw(garbling(sent))
    verdict = pharmacy.scan(raw, now=NOW)

    # then
    assert not verdict.cause.is_alarm, (sent, raw, verdict)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    code=code_(st.text(_LETTERS, min_size=1, max_size=20)), serials=st.sets(st.text(_LETTERS, min_size=6, max_size=20))
)
def test_scan__any_well_formed_false_pack__called_false(code: PackCode, serials: set[str]) -> None:
    """Only where the code of a known pack would look like this through a wrongly set scanner is it the scanner: then
    nobody can tell the two apart by looking, and the pack is handed out in neither case.
    """
    # given
    assume(code.serial not in serials)
    pharmacy = knowing_all(*sorted(serials), "0" * 19)
    raw = "]d2" + gs1.write(code, today=NOW.date())

    # when
    verdict = pharmacy.scan(raw, now=NOW)

    # then
    genuine = [
        PackCode(Scheme.GTIN, PRODUCT.code, serial, lot=PRODUCT.lot, expiry=PRODUCT.expiry)
        for serial in (*serials, "0" * 19)
    ]
    garbled = {variant.code for variant in wedge.variants(raw, today=NOW.date())} & set(genuine)
    cut = [each for each in genuine if is_cut(code, whole=each)]
    assert verdict.cause is (Cause.SCANNER if garbled or cut else Cause.FALSE)


@settings(max_examples=200, deadline=None)
@given(raw=st.text(max_size=80) | st.binary(max_size=80))
def test_scan__anything_at_all__raises_nothing_and_alarms_nobody(raw: str | bytes) -> None:
    assert not _FEW.scan(raw, now=NOW).cause.is_alarm


_FEW = scanner(world())

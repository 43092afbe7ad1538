"""Reading and writing codes of packs: the vectors, and properties over codes at random."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from biip.gs1_messages import GS1Message
from gs1_codes import SET_82, TODAY, Scanned, as_fields, scanned
from gs1_keyboards import check_digit
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from theriac.errors import (
    BadCode,
    CodeCutShort,
    CodeTooLong,
    ElementTwice,
    EmptyCode,
    ForeignCharacter,
    NoSerial,
    NotAPackCode,
    UnknownIdentifier,
    WrongCheckDigit,
    WrongDate,
    WrongElement,
    WrongEnvelope,
    WrongLink,
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
        (f"01{GTIN}21A\x1d05123", UnknownIdentifier, {"found": "0512", "position": 20}),
        (f"01{GTIN}21A\x1d05", UnknownIdentifier, {"found": "05", "position": 20}),
        (f"01{GTIN}21A\x1d422A12", WrongElement, {"identifier": "422", "value": "A12", "fault": "its form is N3+N3"}),
        (f"({GTIN}(21)A", UnknownIdentifier, {"found": "(03400", "position": 0}),
        (f"(05)0{GTIN}(21)A", UnknownIdentifier, {"found": "(05)00", "position": 0}),
        ("]", UnknownIdentifier, {"found": "]", "position": 0}),
        ("]##01", UnknownIdentifier, {"found": "]##", "position": 0}),
        ("]Y301", UnknownIdentifier, {"found": "]Y3", "position": 0}),
        ("0" * 2049, CodeTooLong, {"length": 2049, "limit": 2048}),
        ("0" * 2048, CodeCutShort, {"inside": "element 00"}),
        (
            f"https://example.org/01/{GTIN}/21/A B",
            ForeignCharacter,
            {"character": " ", "position": len(f"https://example.org/01/{GTIN}/21/A")},
        ),
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


def test_parse__keeps_elements_beside_an_expiry() -> None:
    # when
    code = gs1.parse(f"01{GTIN}17271231222A\x1d21A\x1d71003752864", today=TODAY)

    # then
    assert code.also == (Element("22", "2A"), Element("710", "03752864"))


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


def test_elements__as_printed() -> None:
    # when
    elements = gs1.elements("(00) 340123450000000000 (10) 27A (37) 120")

    # then
    assert elements == (Element("00", "340123450000000000"), Element("10", "27A"), Element("37", "120"))


@pytest.mark.parametrize("flag", ["]d2", "]d1"])
def test_elements__flag_alone(flag: str) -> None:
    # when, then
    with pytest.raises(EmptyCode):
        gs1.elements(flag)


# The flags of ISO/IEC 15424 that say GS1 (General Specifications 5.1.2), and some that do not.
@pytest.mark.parametrize(
    ("flag", "gs1s"),
    [
        *((flag, True) for flag in ("]C1", "]d2", "]e0", "]e1", "]e2", "]J1", "]Q3", "]z1")),
        *((flag, False) for flag in ("]C0", "]d1", "]e3", "]E0", "]A0", "]I1", "]J0", "]L2", "]z0", "]X0", "]F0")),
        *((flag, False) for flag in ("]Q1", "]C2", "]d9")),
    ],
)
def test_parse__flag_of_gs1_is_followed_by_an_element_string_only(flag: str, gs1s: bool) -> None:
    # given twenty digits that are China's where nothing says GS1
    digits = "83012345678901234567"

    # when, then
    if gs1s:
        with pytest.raises(UnknownIdentifier) as raised:
            gs1.parse(flag + digits)
        assert vars(raised.value) == {"found": "8301", "position": 0}
    else:
        assert gs1.parse(flag + digits).scheme is Scheme.CHINA
    assert gs1.parse(f"{flag}01{GTIN}21A").serial == "A"


# How many digits of a value are a key (7.9.1), and whether others may follow.
KEYS = [
    *(("00", 18, False, "SSCC"), ("01", 14, False, "GTIN"), ("02", 14, False, "GTIN"), ("03", 14, False, "GTIN")),
    *(("253", 13, True, "GS1 key"), ("255", 13, True, "GS1 key"), ("402", 17, False, "GS1 key")),
    *((str(identifier), 13, False, "GLN") for identifier in range(410, 418)),
    *(("8003", 14, True, "GS1 key"), ("8006", 14, True, "GTIN"), ("8017", 18, False, "GS1 key")),
    *(("8018", 18, False, "GS1 key"), ("8026", 14, True, "GTIN")),
]


@pytest.mark.parametrize(("identifier", "length", "more", "kind"), KEYS)
def test_elements__key_ends_in_its_check_digit(identifier: str, length: int, more: bool, kind: str) -> None:
    # given what follows the key makes it none with one digit more
    body = "012345678901234567"[: length - 1]
    right = check_digit(body)
    rest = f"{(int(check_digit(body + right)) + 1) % 10}101" if more else ""
    wrong = body + str((int(right) + 1) % 10)

    # when
    elements = gs1.elements(identifier + body + right + rest)
    with pytest.raises(WrongCheckDigit) as raised:
        gs1.elements(identifier + wrong + rest)

    # then
    assert elements == (Element(identifier, body + right + rest),)
    assert vars(raised.value) == {"kind": kind, "number": wrong, "expected": right}


@pytest.mark.parametrize("identifier", ["11", "12", "13", "15", "16", "17", "7007"])
def test_elements__day_is_one_of_the_calendar(identifier: str) -> None:
    # when, then
    assert gs1.elements(identifier + "250430") == (Element(identifier, "250430"),)
    with pytest.raises(WrongDate) as raised:
        gs1.elements(identifier + "250431")
    assert vars(raised.value) == {"date": "250431"}


def test_elements__harvest_from_one_day_to_another() -> None:
    # when, then: the second is a day, and no time of day
    assert gs1.elements("7007260101260115") == (Element("7007", "260101260115"),)
    with pytest.raises(WrongDate) as raised:
        gs1.elements("7007260101235959")
    assert vars(raised.value) == {"date": "235959"}


@pytest.mark.parametrize(
    ("identifier", "right", "wrong"),
    [
        ("4324", "2504302359", "2504312359"),
        ("4324", "2504309999", "2504302460"),
        ("4325", "2504302359", "2504312359"),
        ("4326", "250430", "250431"),
        ("7003", "2504302359", "2504302400"),
        ("7006", "250430", "250431"),
        ("7011", "250430", "250431"),
        ("7011", "2504302359", "2504302360"),
        ("8008", "25043023", "25043123"),
        ("8008", "250430235959", "250431235959"),
    ],
)
def test_elements__time_is_one_of_the_calendar(identifier: str, right: str, wrong: str) -> None:
    # when
    elements = gs1.elements(identifier + right)
    with pytest.raises(WrongElement) as raised:
        gs1.elements(identifier + wrong)

    # then
    assert elements == (Element(identifier, right),)
    assert vars(raised.value) == {"identifier": identifier, "value": wrong, "fault": "it is no date or time"}


def test_parse__digits_of_another_script_are_none() -> None:
    # when
    with pytest.raises(WrongElement) as raised:
        gs1.parse(f"(01){GTIN}(21)A(37)\u0661\u0662", today=TODAY)

    # then
    assert raised.value.identifier == "37"


# GTINs of 8, 12, 13 and 14 digits; what they begin with decides where they are looked at.
@pytest.mark.parametrize("first", ["0", "1", "4", "8"])
@pytest.mark.parametrize("length", [8, 12, 13, 14])
def test_parse__bar_code_of_any_length_names_its_product(length: int, first: str) -> None:
    # given
    body = (first + "012345678901")[: length - 1]
    typed = body + check_digit(body)

    # when
    with pytest.raises(NoSerial) as raised:
        gs1.parse(typed)

    # then
    assert raised.value.product == "0" * (14 - length) + typed


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


LINK = f"https://example.org/01/{GTIN}"
IN_ITS_ORDER = "after the product only 22, 10 and 21 may follow in its path, once each, in this order"


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ("https://[/01/", "it is no web address"),
        (f"https:///01/{GTIN}/21/A", "it has no host"),
        (f"{LINK}/21", "its path ends after an identifier"),
        (f"{LINK}/21/A/10", "its path ends after an identifier"),
        (f"{LINK}/21/A/10/B", IN_ITS_ORDER),
        (f"{LINK}/21/A/21/A", IN_ITS_ORDER),
        (f"{LINK}/21/A/710/03752864", IN_ITS_ORDER),
        (f"{LINK}/21/A?05=1", "05 is no identifier"),
        (f"{LINK}/21/A%2", "a percent sign is not followed by two digits"),
        (f"{LINK}/21/A?240=%G0", "a percent sign is not followed by two digits"),
        (f"{LINK}/21/A%FF", "an escaped character is not UTF-8"),
    ],
)
def test_parse__link_says_what_is_wrong_of_it(link: str, fault: str) -> None:
    # when
    with pytest.raises(WrongLink) as raised:
        gs1.parse(link, today=TODAY)

    # then
    assert raised.value.fault == fault


@pytest.mark.parametrize(
    ("link", "serial", "lot", "also"),
    [
        (f"{LINK}/21/A/", "A", None, ()),
        (f"{LINK}/10/B/21/A/?lang=de", "A", "B", ()),
        (f"{LINK}/22/2A/10/B/21/A", "A", "B", (Element("22", "2A"),)),
        (f"{LINK}/10/4012345123456/21/40123455", "40123455", "4012345123456", ()),
        (f"{LINK}/21/01", "01", None, ()),
        (f"{LINK}/21/A%2fB%2FC", "A/B/C", None, ()),
        (f"{LINK}/21/A?lang=de&240=X=Y;37=5", "A", None, (Element("240", "X=Y"), Element("37", "5"))),
        (f"HTTP://example.org/01/{GTIN}/21/A", "A", None, ()),
    ],
)
def test_parse__link(link: str, serial: str, lot: str | None, also: tuple[Element, ...]) -> None:
    # when
    code = gs1.parse(link, today=TODAY)

    # then
    assert (code.product, code.serial, code.lot, code.also) == (GTIN, serial, lot, also)


def test_parse__century_is_that_of_today() -> None:
    # given
    raw, today = f"01{GTIN}1730010121A", date(2090, 1, 1)

    # when, then
    assert gs1.parse(raw, today=today).expiry == date(2130, 1, 1)
    assert gs1.parse(f"01{GTIN}17{date.today():%y%m%d}21A").expiry == date.today()


@pytest.mark.parametrize("write", [gs1.write, gs1.write_hri, gs1.write_link])
def test_write__century_is_that_of_today(write: Callable[..., str]) -> None:
    # given
    today = date(2090, 1, 1)
    late = PackCode(Scheme.GTIN, GTIN, "A", expiry=date(2130, 1, 1))
    now = PackCode(Scheme.GTIN, GTIN, "A", expiry=date.today())

    # when, then
    assert gs1.parse(write(late, today=today), today=today) == late
    assert gs1.parse(write(now)) == now
    with pytest.raises(WrongDate):
        write(late)


@pytest.mark.parametrize(
    "element",
    [
        *("00340123450000000000", f"02{GTIN}", f"03{GTIN}", "2001", "4103400930000014", "4173400930000014"),
        *(f"{identifier}250101" for identifier in (11, 12, 13, 15, 16, 17)),
        *(f"{identifier}3001500" for identifier in (310, 320, 330, 340, 350, 360)),
    ],
)
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

    # when
    with pytest.raises(WrongEnvelope) as raised:
        gs1.write_link(code)

    # then
    assert raised.value.fault == "only a code with a GTIN can be written as a Digital Link"


@pytest.mark.parametrize(
    ("write", "text"), [(gs1.write, "83012345678901234567"), (gs1.write_hri, "83012345678901234567")]
)
def test_write__china(write: Callable[[PackCode], str], text: str) -> None:
    # when, then
    assert write(PackCode(Scheme.CHINA, "8301234", "5678901234567")) == text


def test_write__weight_needs_no_separator() -> None:
    # given
    code = PackCode(Scheme.GTIN, GTIN, "A", also=(Element("3103", "001500"), Element("37", "5")))

    # when, then
    assert gs1.write(code) == f"01{GTIN}21A\x1d3103001500375"


def test_write_hri__ppn() -> None:
    # given
    code = PackCode(Scheme.PPN, "110375286414", "Q1", lot="L")

    # when, then
    assert gs1.write_hri(code) == "(9N)110375286414(1T)L(S)Q1"


def test_write_link__variant_stands_in_its_path() -> None:
    # given
    code = PackCode(Scheme.GTIN, GTIN, "A", lot="B", also=(Element("22", "2A"), Element("37", "5")))

    # when, then
    assert gs1.write_link(code) == f"https://id.gs1.org/01/{GTIN}/22/2A/10/B/21/A?37=5"


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

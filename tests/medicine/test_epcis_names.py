"""GS1 keys in URNs and Digital Links: the same key has one form, and what is wrong is said."""

from decimal import Decimal

import pytest
from epcis_world import LETTERS, PALLET, SUBSTANCE, TABLET
from hypothesis import given, settings
from hypothesis import strategies as st

from theriac.errors import BadIdentifier
from theriac.medicine.epcis_names import (
    Container,
    Lot,
    Pack,
    canonical,
    check_digit,
    device_of,
    device_uri,
    escape,
    gln_of,
    item_of,
    lot_of,
    party_uri,
    place_uri,
)

QUICK = settings(max_examples=100, deadline=None)
texts = st.text(LETTERS, min_size=1, max_size=20)


# -- check digits and forms -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("digits", "expected"),
    # Examples that GS1 prints: GTIN-13 and SSCC in the General Specifications, GTIN-14, GLN of GS1's own office.
    [("629104150021", "3"), ("37610425002123456", "9"), ("950600013435", "2")],
)
def test_check_digit__published(digits: str, expected: str) -> None:
    assert check_digit(digits) == expected


@QUICK
@given(prefix=st.integers(6, 12), digits=st.text("0123456789", min_size=13, max_size=13), serial=texts)
def test_item_of__a_urn_wherever_the_company_prefix_ends(prefix: int, digits: str, serial: str) -> None:
    # given: a GTIN, cut after `prefix` digits of the company's
    gtin = digits + check_digit(digits)
    urn_serial = "".join(f"%{ord(each):02X}" if each in '"%&/<>?' else each for each in serial)

    urn = f"urn:epc:id:sgtin:{digits[1 : prefix + 1]}.{digits[0]}{digits[prefix + 1 :]}.{urn_serial}"

    assert item_of(urn) == Pack(gtin, serial)


@QUICK
@given(prefix=st.integers(6, 12), digits=st.text("0123456789", min_size=17, max_size=17))
def test_item_of__a_urn_of_a_container(prefix: int, digits: str) -> None:
    urn = f"urn:epc:id:sscc:{digits[1 : prefix + 1]}.{digits[0]}{digits[prefix + 1 :]}"

    assert item_of(urn) == Container(digits + check_digit(digits))


@QUICK
@given(serial=texts)
def test_item_of__its_own_uri(serial: str) -> None:
    pack = Pack(TABLET, serial)

    assert (item_of(pack.uri), canonical(pack.uri)) == (pack, pack.uri)


@QUICK
@given(lot=texts.filter(lambda text: "quantity=" not in text))
def test_lot_of__its_own_uri(lot: str) -> None:
    raw = Lot(gtin=SUBSTANCE, lot=lot, quantity=Decimal(3), unit="KGM")

    assert lot_of(raw.uri, quantity=Decimal(3), unit="KGM") == raw


# Each key once, with the value that GS1's URI syntax gives for it; check digits computed by hand.
FORMS = {
    "urn:epc:id:sgtin:9520001.010101.A%2FB": "https://id.gs1.org/01/09520001101014/21/A%2FB",
    "https://example.com/some/gtin/9520001101014/ser/A%2fB?17=280229": "https://id.gs1.org/01/09520001101014/21/A%2FB",
    "https://id.gs1.org/01/09520001101014/22/2A/10/L1/21/S": "https://id.gs1.org/01/09520001101014/21/S",
    "http://id.gs1.org/01/09520001101014/10/L1/": "https://id.gs1.org/01/09520001101014/10/L1",
    "urn:epc:class:lgtin:9520001.010101.L(1)": "https://id.gs1.org/01/09520001101014/10/L%281%29",
    "urn:epc:idpat:sgtin:9520001.010101.*": "https://id.gs1.org/01/09520001101014",
    "urn:epc:id:upui:9520001.010101.TPX": "https://id.gs1.org/01/09520001101014/235/TPX",
    "urn:epc:id:itip:9520001.010101.01.02.S.1": "https://id.gs1.org/8006/095200011010140102/21/S.1",
    "urn:epc:id:sscc:9520001.1234567890": "https://id.gs1.org/00/195200012345678906",
    "urn:epc:id:sgln:9520001.10001.0": "https://id.gs1.org/414/9520001100017",
    "urn:epc:id:sgln:9520001.10001.D-2": "https://id.gs1.org/414/9520001100017/254/D-2",
    "urn:epc:id:pgln:952000110001.": "https://id.gs1.org/417/9520001100017",
    "urn:epc:id:giai:9520001.LOGGER-5": "https://id.gs1.org/8004/9520001LOGGER-5",
    "urn:epc:id:grai:9520001.10001.7": "https://id.gs1.org/8003/095200011000177",
    "urn:epc:id:gdti:9520001.10001.7": "https://id.gs1.org/253/95200011000177",
    "urn:epc:id:sgcn:9520001.10001.7": "https://id.gs1.org/255/95200011000177",
    "urn:epc:id:cpi:9520001.P%23%2F1.12": "https://id.gs1.org/8010/9520001P%23%2F1/8011/12",
    "urn:epc:id:ginc:9520001.xyz": "https://id.gs1.org/401/9520001xyz",
    "urn:epc:id:gsin:9520001.123456789": "https://id.gs1.org/402/95200011234567898",
    "urn:epc:id:gsrn:9520001.1234567890": "https://id.gs1.org/8018/952000112345678904",
    "urn:epc:id:gsrnp:9520001.1234567890": "https://id.gs1.org/8017/952000112345678904",
}


@pytest.mark.parametrize("uri", FORMS)
def test_canonical__of_every_scheme(uri: str) -> None:
    assert canonical(uri) == FORMS[uri]


# The reference implementation does not know a Digital Link with escapes, nor one that ends with a stroke.
@pytest.mark.parametrize("uri", [uri for uri in FORMS if "%2fB?" not in uri and not uri.endswith("/")])
def test_canonical__as_the_reference_implementation(uri: str) -> None:
    reference = pytest.importorskip("epcis_event_hash_generator.dl_normaliser")

    assert canonical(uri) == reference.normaliser(uri)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "L1.2",
        "urn:epc:id:sgtin:9520001.010101",
        "urn:epc:id:sgtin:95200.01010101.A",
        "urn:epc:id:sgtin:9520001.01010.A",
        "urn:epc:id:sgtin:9520001.010101.A%2",
        "urn:epc:id:sgtin:9520001.010101.ä",
        "urn:epc:id:sgtin:٩520001.010101.A",
        "urn:epc:id:sgtin:9520001.010101." + "A" * 21,
        "urn:epc:id:nothing:9520001.010101.A",
        "urn:epc:id",
        "https://example.com/po/00/12",
        "https://[id.gs1.org/01/09520001101014/21/A",
        "https://id.gs1.org/01/09520001101014/21/%FF",
        "https://id.gs1.org/01/09520001101014/99/x/21/A",
        "https://id.gs1.org/01/09520001101014/21/" + "A" * 600,
    ],
)
def test_canonical__what_is_no_key(text: str) -> None:
    assert canonical(text) == text


def test_canonical__a_serial_that_is_the_name_of_a_key() -> None:
    pack = Pack(TABLET, "sscc")

    assert canonical(f"https://example.com/gtin/{TABLET}/ser/sscc") == pack.uri


# -- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        (lambda: Pack("9520001101014", "A"), "it must have 14 digits"),
        (lambda: Pack("٠9520001101014", "A"), "it must have 14 digits"),
        (lambda: Pack("09520001101015", "A"), "its check digit should be 4"),
        (lambda: Pack(TABLET, ""), "it must have 1 to 20 characters of GS1's set"),
        (lambda: Pack(TABLET, "A" * 21), "it must have 1 to 20 characters of GS1's set"),
        (lambda: Pack(TABLET, "A B"), "it must have 1 to 20 characters of GS1's set"),
        (lambda: Pack(TABLET, "A\n"), "it must have 1 to 20 characters of GS1's set"),
        (lambda: Container("095200011000000010"), "its check digit should be 7"),
        (lambda: Lot(gtin=TABLET, lot="X", quantity=Decimal(0)), "it must be more than 0, below 10^15"),
        (lambda: Lot(gtin=TABLET, lot="X", quantity=Decimal("NaN")), "it must be more than 0, below 10^15"),
        (lambda: Lot(gtin=TABLET, lot="X", unit="KGM"), "it must be 2 or 3 characters after a quantity"),
        (lambda: Lot(gtin=TABLET, lot="Xquantity=5"), "it looks like an amount in an event's hash"),
    ],
)
def test_names__refused(made: object, fault: str) -> None:
    with pytest.raises(BadIdentifier) as raised:
        made()  # type: ignore[operator]

    assert raised.value.fault == fault


@pytest.mark.parametrize("ask", [item_of, lot_of, gln_of, device_of])
def test_names__of_another_kind(ask: object) -> None:
    with pytest.raises(BadIdentifier):
        ask("https://id.gs1.org/8018/952000112345678904")  # type: ignore[operator]


def test_item_of__a_wrong_check_digit() -> None:
    with pytest.raises(BadIdentifier) as raised:
        item_of(f"https://id.gs1.org/01/{TABLET[:-1]}5/21/A")

    assert raised.value.fault == "its check digit should be 4"


def test_gln_of__places_and_parties() -> None:
    gln = "9520001100017"

    found = [gln_of(uri) for uri in (place_uri(gln), party_uri(gln), "urn:epc:id:sgln:9520001.10001.D-2")]

    assert found == [gln, gln, gln]


def test_device_of__its_own_uri() -> None:
    assert device_of(device_uri("9520001LOGGER/5")) == "9520001LOGGER/5"


def test_escape__what_reads_as_a_path() -> None:
    assert Pack(TABLET, "../00/" + "1").uri == f"https://id.gs1.org/01/{TABLET}/21/..%2F00%2F1"
    assert escape("a/b?c#d") == "a%2Fb%3Fc%23d"
    assert Container(PALLET).uri == f"https://id.gs1.org/00/{PALLET}"

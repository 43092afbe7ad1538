"""Codes of packs, read strictly and written: GS1 element strings, their printed form, Digital Links, PPN, China's.

`parse` takes whatever a scanner that is set right delivers, with or without the symbology identifier of ISO/IEC 15424,
and what people type. It forgives nothing: what a wrongly set scanner makes of a code is the matter of
`theriac.medicine.wedge`. Section numbers are those of the GS1 General Specifications.
"""

import re
from collections.abc import Iterator
from datetime import date
from functools import cache
from urllib.parse import quote, unquote, urlsplit

from biip import ParseError
from biip.gs1_application_identifiers import _GS1_APPLICATION_IDENTIFIERS as _KNOWN
from biip.gs1_element_strings import GS1ElementString

from theriac.errors import (
    CodeCutShort,
    CodeTooLong,
    ElementTwice,
    EmptyCode,
    ForeignCharacter,
    NoSerial,
    NotAPackCode,
    UnknownIdentifier,
    WrongCheckDigit,
    WrongElement,
    WrongEnvelope,
    WrongLink,
)
from theriac.medicine import national
from theriac.medicine.packid import (
    Element,
    PackCode,
    Scheme,
    check_gtin,
    foreign,
    gtin_check_digit,
    one_of_each,
    read_date,
    write_date,
)

GS = "\x1d"
LONGEST = 2048
"""Characters of the longest code that is read: a long link; a pack's element string has some sixty."""

_ALLOWED = re.compile(r"[!\"#%-?A-Z_a-z\x1d]*")
_SYMBOLOGY = re.compile(r"\](?:([CdQeEAIJLzXF])([0-9]))?")
_GS1_SYMBOLS = frozenset({"]C1", "]d2", "]e0", "]e1", "]e2", "]J1", "]Q3", "]z1"})
_TYPED_GTIN = re.compile(r"[0-9]{8}|[0-9]{12,14}")
_PRINTED_IDENTIFIER = re.compile(r"\(([0-9]{2,4})\)")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_IN_LINK = re.compile(r"[!-~]+")
_LINK_SCHEMES = ("http://", "https://")

_PREDEFINED = (
    {"00": 20, "01": 16, "02": 16, "03": 16, "04": 18, "20": 4, "41": 16}
    | {str(ai): 8 for ai in range(11, 20)}
    | {str(ai): 10 for ai in range(31, 37)}
)
"""Lengths with the identifier of the elements that need no separator, by the first two digits (figure 7.8.5-2)."""

_KEYS = (
    {"00": 18, "02": 14, "03": 14, "253": 13, "255": 13, "402": 17}
    | {str(ai): 13 for ai in range(410, 418)}
    | {"8003": 14, "8006": 14, "8017": 18, "8018": 18, "8026": 14}
)
"""How many digits of a value, the check digit last, are a GS1 key (7.9.1). A pack's GTIN is checked with its PZN."""

_DAYS = frozenset({"11", "12", "13", "15", "16", "17", "7007"})
"""Whose value is a day, or two: a harvest took from one to another."""

_TIMES = frozenset({"4324", "4325", "4326", "7003", "7006", "7011", "8008"})

_KEY_NAMES = {"00": "SSCC", "02": "GTIN", "03": "GTIN", "8006": "GTIN", "8026": "GTIN"} | {
    str(ai): "GLN" for ai in range(410, 418)
}


def parse(raw: str | bytes, *, today: date | None = None) -> PackCode:
    """The pack that a code names. `today` decides the century of a two-digit year; it is the clock's if not given.

    :raises BadCode: the code is not well-formed, or names no single pack (NoSerial, NotAPackCode).
    """
    text = _text(raw)
    year = (today or date.today()).year

    flagged = False
    if text[0] == "]":
        flagged = _is_gs1_symbol(text)
        text = text[3:]
        if not text:
            raise EmptyCode
    if flagged or text[0] in "01":
        return _gtin_pack(_split(text), year) if not _TYPED_GTIN.fullmatch(text) else _no_serial(text)
    return _other_carrier(text, year)


def elements(raw: str | bytes) -> tuple[Element, ...]:
    """The elements of any GS1 element string, as of a case's SSCC, each checked on its own, in their order.

    :raises BadCode: it is no well-formed element string.
    """
    text = _text(raw)
    if text[0] == "]":
        _is_gs1_symbol(text)
        text = text[3:]
        if not text:
            raise EmptyCode
    values = _split(text) if text[0] != "(" else one_of_each(_printed(text))
    for identifier, value in values.items():
        _check(identifier, value)
    return tuple(map(Element, values.keys(), values.values()))


def _text(raw: str | bytes) -> str:
    if not raw:
        raise EmptyCode
    if len(raw) > LONGEST:
        raise CodeTooLong(length=len(raw), limit=LONGEST)
    return raw if isinstance(raw, str) else raw.decode("latin-1")


def _is_gs1_symbol(text: str) -> bool:
    match = _SYMBOLOGY.match(text)
    if match is None or match[1] is None:
        raise UnknownIdentifier(found=text[:3], position=0)
    return match[0] in _GS1_SYMBOLS


def _other_carrier(text: str, year: int) -> PackCode:
    if text[0] == "(":
        return _gtin_pack(one_of_each(_printed(text)), year)
    if text[0] == "[":
        return national.read_envelope(text)
    if text[:8].lower().startswith(_LINK_SCHEMES):
        return _link_pack(text, year)
    if national.is_china(text):
        return national.read_china(text)
    if _TYPED_GTIN.fullmatch(text):
        return _no_serial(text)
    return _gtin_pack(_split(text), year)


def _no_serial(digits: str) -> PackCode:
    """The bar code beside the square one was scanned: a product's number alone."""
    gtin = digits.zfill(14)
    check_gtin(gtin)
    raise NoSerial(product=gtin)


# -- element strings ----------------------------------------------------------------------------------------------


def _split(text: str) -> dict[str, str]:
    """Values by identifier. Only lengths and identifiers are looked at: a pack's four elements are checked by PackCode.

    A value of variable length reaches to the next separator or to the end, never less far: what does not fit then is
    refused, for it has lost a separator (7.8.6).
    """
    if not _ALLOWED.fullmatch(text):
        position = _ALLOWED.match(text).end()  # type: ignore[union-attr]
        raise ForeignCharacter(character=text[position], position=position)

    values: dict[str, str] = {}
    at, end = 0, len(text)
    while at < end:
        identifier = text[at : at + 2]
        if identifier == "21" or identifier == "10":
            stop = text.find(GS, at)
            stop = stop if stop >= 0 else end
        elif identifier == "01" or identifier == "17":
            stop = at + _PREDEFINED[identifier]
        else:
            identifier = _identifier(text, at)
            stop = _stop(text, at, identifier)
        if stop > end or at + len(identifier) == end:
            raise CodeCutShort(inside=f"element {identifier}")

        value = text[at + len(identifier) : stop]
        if values.setdefault(identifier, value) != value:
            raise ElementTwice(identifier=identifier, first=values[identifier], second=value)
        # A separator is allowed after every element, needed or not, and after the last one.
        at = stop + 1 if text[stop : stop + 1] == GS else stop
    return values


def _identifier(text: str, at: int) -> str:
    for length in (2, 3, 4):
        if text[at : at + length] in _KNOWN:
            return text[at : at + length]
    rest = text[at:]
    if len(rest) < 4 and any(known.startswith(rest) for known in _KNOWN):
        raise CodeCutShort(inside="an identifier")
    raise UnknownIdentifier(found=text[at : at + 4], position=at)


def _stop(text: str, at: int, identifier: str) -> int:
    length = _PREDEFINED.get(identifier[:2])
    if length is not None:
        return at + length
    stop = text.find(GS, at)
    return stop if stop >= 0 else len(text)


def _gtin_pack(values: dict[str, str], year: int) -> PackCode:
    product = values.pop("01", None)
    if product is None:
        raise NotAPackCode(found=", ".join(values))
    serial = values.pop("21", None)
    if serial is None:
        check_gtin(product)
        raise NoSerial(product=product)

    lot, expiry = values.pop("10", None), values.pop("17", None)
    for identifier, value in values.items():
        _check(identifier, value)
    also = tuple(map(Element, values.keys(), values.values())) if values else ()
    if expiry is None:
        return PackCode(Scheme.GTIN, product, serial, lot=lot, also=also)

    read = read_date(expiry, this_year=year)
    return PackCode(Scheme.GTIN, product, serial, lot=lot, expiry=read.day, whole_month=read.whole_month, also=also)


def _check(identifier: str, value: str) -> None:
    known = _KNOWN[identifier]
    if not _pattern(known.pattern).fullmatch(identifier + value):
        raise WrongElement(identifier=identifier, value=value, fault=f"its form is {known.format}")

    digits = value[: _KEYS.get(identifier, 0)]
    if digits and digits[-1] != gtin_check_digit(digits[:-1]):
        raise WrongCheckDigit(
            kind=_KEY_NAMES.get(identifier, "GS1 key"), number=digits, expected=gtin_check_digit(digits[:-1])
        )
    if identifier == "01":
        check_gtin(value)
    elif identifier in _DAYS:
        for at in range(0, len(value), 6):
            read_date(value[at : at + 6], this_year=None)
    elif identifier in _TIMES:
        _check_time(identifier, value)


def _check_time(identifier: str, value: str) -> None:
    try:
        GS1ElementString.parse(identifier + value)
    except (ParseError, ValueError):
        raise WrongElement(identifier=identifier, value=value, fault="it is no date or time") from None


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.ASCII)


def _printed(text: str) -> Iterator[Element]:
    """The elements of the human-readable form, `(01)...(21)...`; white space is where the printer broke the line.

    A number in brackets that is no identifier belongs to the value: brackets may stand in serials.
    """
    text = "".join(text.split())
    starts = [match for match in _PRINTED_IDENTIFIER.finditer(text) if match[1] in _KNOWN]
    if not starts or starts[0].start():
        raise UnknownIdentifier(found=text[:6], position=0)
    for match, stop in zip(starts, [*(after.start() for after in starts[1:]), len(text)], strict=True):
        yield Element(identifier=match[1], value=text[match.end() : stop])


# -- links --------------------------------------------------------------------------------------------------------


def _link_pack(link: str, year: int) -> PackCode:
    """GS1 Digital Link URI Syntax, uncompressed: `/01/` and its qualifiers 22, 10, 21 in the path, others after `?`."""
    # Python's own splitting drops line ends and tabs wherever they stand.
    if not _IN_LINK.fullmatch(link):
        raise foreign(link, _IN_LINK)
    try:
        parts = urlsplit(link)
        host = parts.hostname
    except ValueError:
        raise WrongLink(fault="it is no web address") from None
    if not host:
        raise WrongLink(fault="it has no host")

    segments = parts.path.split("/")
    if "01" not in segments:
        return national.read_china_link(link)
    return _gtin_pack(one_of_each([*_path_elements(segments), *_query_elements(parts.query)]), year)


def _path_elements(segments: list[str]) -> Iterator[Element]:
    start = segments.index("01")
    keyed = segments[start:] if segments[-1] else segments[start:-1]
    identifiers = keyed[::2]
    if len(keyed) % 2:
        raise WrongLink(fault="its path ends after an identifier")
    if identifiers != [name for name in ("01", "22", "10", "21") if name in identifiers]:
        raise WrongLink(fault="after the product only 22, 10 and 21 may follow in its path, once each, in this order")
    for identifier, value in zip(identifiers, keyed[1::2], strict=True):
        plain = _unescaped(value)
        # Links of the first version of the standard write a short GTIN without its zeros.
        yield Element(identifier, plain.zfill(14) if identifier == "01" and _TYPED_GTIN.fullmatch(plain) else plain)


def _query_elements(query: str) -> Iterator[Element]:
    """Names that are no numbers are for the server that resolves the link."""
    for pair in re.split("[&;]", query):
        name, _, value = pair.partition("=")
        if not (name.isascii() and name.isdecimal()):
            continue
        if name not in _KNOWN:
            raise WrongLink(fault=f"{name} is no identifier")
        yield Element(identifier=name, value=_unescaped(value))


def _unescaped(text: str) -> str:
    if _ESCAPE.search(text):
        raise WrongLink(fault="a percent sign is not followed by two digits")
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise WrongLink(fault="an escaped character is not UTF-8") from None


# -- writing ------------------------------------------------------------------------------------------------------


def pack_elements(code: PackCode, *, today: date | None = None) -> list[Element]:
    """What a label says of a pack, in the order it is written: a broken-off reading shall lose the lot's end first.

    :raises WrongDate: two digits cannot say the year of the expiry.
    """
    if code.scheme is Scheme.PPN:
        return national.elements_of(code)
    if code.scheme is Scheme.CHINA:
        return [Element("", code.product + code.serial)]

    found = [Element("01", code.product)]
    if code.expiry is not None:
        found.append(Element("17", write_date(code, this_year=(today or date.today()).year)))
    found.append(Element("21", code.serial))
    if code.lot is not None:
        found.append(Element("10", code.lot))
    return [*found, *code.also]


def write(code: PackCode, *, today: date | None = None) -> str:
    """The text of a pack's symbol: an element string without symbology identifier, a PPN's envelope, twenty digits."""
    if code.scheme is Scheme.PPN:
        return national.write_envelope(code)
    found = pack_elements(code, today=today)
    return "".join(
        element.identifier + element.value + ("" if last or element.identifier[:2] in _PREDEFINED else GS)
        for element, last in zip(found, [*[False] * (len(found) - 1), True], strict=True)
    )


def write_hri(code: PackCode, *, today: date | None = None) -> str:
    """The line for people below a symbol, identifiers in brackets (4.14). A China code is its digits."""
    return "".join(
        f"({element.identifier}){element.value}" if element.identifier else element.value
        for element in pack_elements(code, today=today)
    )


def write_link(code: PackCode, *, base: str = "https://id.gs1.org", today: date | None = None) -> str:
    """A GTIN code as an uncompressed GS1 Digital Link under `base`, an address without a slash at its end.

    :raises WrongEnvelope: a PPN or a China code has no such link.
    """
    if code.scheme is not Scheme.GTIN:
        raise WrongEnvelope(fault="only a code with a GTIN can be written as a Digital Link")

    values = {element.identifier: quote(element.value, safe="") for element in pack_elements(code, today=today)}
    path = "".join(f"/{name}/{values.pop(name)}" for name in ("01", "22", "10", "21") if name in values)
    query = "&".join(f"{name}={value}" for name, value in values.items())
    return base + path + (f"?{query}" if query else "")

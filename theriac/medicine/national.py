"""The two codes of packs that are not GS1's: Germany's PPN by IFA, and China's number of twenty digits.

A PPN travels in the envelope of ISO/IEC 15434, format 06, with the data identifiers of ANSI MH10.8.2.

Of China's code (NMPAB/T 1002-2019, one of the two kinds it allows) this is public: twenty digits, of which the first
seven name holder, product, strength and pack size; the rest tells one pack from another. The last four are said to be
a check that only the issuing platform can compute. Nothing here verifies them: a mistyped digit is another pack's
number. That all begin with 8 is how they are issued, and is what sets them apart from a GS1 code of digits.
"""

import re
from dataclasses import replace

from theriac.errors import (
    CodeCutShort,
    ForeignCharacter,
    NoSerial,
    NotAPackCode,
    UnknownIdentifier,
    WrongElement,
    WrongEnvelope,
    WrongLink,
)
from theriac.medicine.packid import (
    Element,
    PackCode,
    Scheme,
    check_gtin,
    check_ppn,
    one_of_each,
    read_date,
    write_date,
)

GS, RS, EOT = "\x1d", "\x1e", "\x04"
HEAD = f"[)>{RS}06{GS}"
TAIL = f"{RS}{EOT}"

_DATA_IDENTIFIER = re.compile(r"9N|1T|16D|8P|27Q|D|S|Q")
_IN_ENVELOPE = re.compile(r"[ -~]")
_MADE_ON = re.compile(r"20[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])")
_CHINA = re.compile(r"8[0-9]{19}")
_CHINA_IN_LINK = re.compile(r"(?<=[=/])8[0-9]{19}(?![0-9A-Za-z])")


def is_china(text: str) -> bool:
    return _CHINA.fullmatch(text) is not None


def read_china(text: str) -> PackCode:
    """The pack that twenty digits name, the first of them 8."""
    return PackCode(Scheme.CHINA, product=text[:7], serial=text[7:])


def read_china_link(link: str) -> PackCode:
    """The pack whose twenty digits are one path segment or query value of a web address, whoever's address it is.

    :raises WrongLink: there is none, or more than one.
    """
    numbers = set(_CHINA_IN_LINK.findall(link))
    if len(numbers) != 1:
        raise WrongLink(fault=f"it holds {len(numbers) or 'no'} numbers of packs")
    return read_china(numbers.pop())


def read_envelope(text: str) -> PackCode:
    """The pack of a PPN code: `[)>` RS `06` GS `9N`..., GS between the elements, RS EOT at the end.

    :raises BadCode: anything is not as IFA's and ISO/IEC 15434's rules have it.
    """
    if not text.startswith(HEAD):
        if HEAD.startswith(text):
            raise CodeCutShort(inside="its envelope")
        raise WrongEnvelope(fault="it does not start as format 06 does")
    if not text.endswith(TAIL):
        raise CodeCutShort(inside="its envelope")

    values = one_of_each(_element(part, text) for part in text[len(HEAD) : -len(TAIL)].split(GS))
    return _pack(values)


def _element(part: str, text: str) -> Element:
    match = _DATA_IDENTIFIER.match(part)
    if not match:
        raise UnknownIdentifier(found=part[:4], position=text.index(part))
    for position, character in enumerate(part):
        if not _IN_ENVELOPE.fullmatch(character):
            raise ForeignCharacter(character=character, position=text.index(part) + position)
    return Element(identifier=match[0], value=part[match.end() :])


def _pack(values: dict[str, str]) -> PackCode:
    product = values.pop("9N", None)
    if product is None:
        raise NotAPackCode(found=", ".join(values))
    check_ppn(product)
    serial = values.pop("S", None)
    if serial is None:
        raise NoSerial(product=product)

    lot, expiry = values.pop("1T", None), values.pop("D", None)
    for identifier, value in values.items():
        _check_other(identifier, value)
    code = PackCode(Scheme.PPN, product, serial, lot=lot, also=tuple(map(Element, values.keys(), values.values())))
    if expiry is None:
        return code

    read = read_date(expiry, this_year=None)
    return replace(code, expiry=read.day, whole_month=read.whole_month)


def _check_other(identifier: str, value: str) -> None:
    if identifier == "8P":
        check_gtin(value.zfill(14))
    elif identifier == "16D" and not _MADE_ON.fullmatch(value):
        raise WrongElement(identifier=identifier, value=value, fault="a date of manufacture is YYYYMMDD")
    elif not value:
        raise WrongElement(identifier=identifier, value=value, fault="it is empty")


def elements_of(code: PackCode) -> list[Element]:
    """The elements of a PPN code in the order in which they are written."""
    elements = [Element("9N", code.product)]
    if code.lot is not None:
        elements.append(Element("1T", code.lot))
    if code.expiry is not None:
        elements.append(Element("D", write_date(code, this_year=None)))
    return [*elements, Element("S", code.serial), *code.also]


def write_envelope(code: PackCode) -> str:
    """The text of a PPN code's symbol, envelope and control characters included."""
    return HEAD + GS.join(element.identifier + element.value for element in elements_of(code)) + TAIL

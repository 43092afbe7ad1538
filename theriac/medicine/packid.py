"""What names one pack of a medicine: a product number, a serial, and mostly a lot and an expiry date.

Three schemes carry these. A GTIN with GS1 application identifiers is the code of the European Union's Falsified
Medicines Directive and of the United States' DSCSA; Germany has its PPN by IFA beside it; China has a number of twenty
digits. A `PackCode` that exists is well-formed: whoever makes one, from a scan or for a label, meets the same checks.
"""

import re
from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from enum import Enum, unique
from functools import lru_cache

from theriac.errors import ElementTwice, ForeignCharacter, WrongCheckDigit, WrongDate, WrongElement

_GTIN = re.compile(r"[0-9]{14}")
_PPN = re.compile(r"11[0-9]{10}")
_CHINA = re.compile(r"8[0-9]{6}")
_CHINA_SERIAL = re.compile(r"[0-9]{13}")
_SET_82 = re.compile(r"[!\"%-?A-Z_a-z]{1,20}")
_IFA = re.compile(r"[-0-9A-Z_a-z]{1,20}")
_SIX_DIGITS = re.compile(r"[0-9]{6}")

IFA_GTINS = "04150"
"""GTINs that start so are NTINs: IFA's prefix 4150, the eight digits of a PZN, a check digit."""


@unique
class Scheme(Enum):
    """Whose numbers a code has."""

    GTIN = "gtin"
    PPN = "ppn"
    CHINA = "china"


@dataclass(frozen=True, slots=True)
class Element:
    """One part of a code: a GS1 application identifier or an ASC data identifier, and its value as it stands there."""

    identifier: str
    value: str


@dataclass(frozen=True, slots=True)
class PackStrings:
    """What a pack's hash is made of, each as text; what a code does not say is empty.

    Two codes of one pack give the same strings in whatever order and carrier they came: the expiry is YYMMDD with the
    day written out, for printers and databases disagree whether a month's end is `00`, `30` or `31`.
    """

    product: str
    lot: str
    expiry: str
    serial: str


@dataclass(frozen=True, slots=True)
class PackCode:
    """The code of one pack.

    `product` is a GTIN of 14 digits, a PPN of 12 or the 7 digits that name a product in China; `serial` and `lot` have
    1 to 20 characters, capital and small letters apart. `whole_month` says that the code writes the expiry with day 00;
    `also` holds the elements that do not name the pack. Those two do not count when codes are compared.

    :raises WrongCheckDigit: of GTIN, PZN or PPN.
    :raises WrongElement, ForeignCharacter, WrongDate: a part is not what its scheme allows.
    """

    scheme: Scheme
    product: str
    serial: str
    lot: str | None = field(default=None, kw_only=True)
    expiry: date | None = field(default=None, kw_only=True)
    whole_month: bool = field(default=False, kw_only=True, compare=False)
    also: tuple[Element, ...] = field(default=(), kw_only=True, compare=False)

    def __post_init__(self) -> None:
        if self.scheme is Scheme.GTIN:
            check_gtin(self.product)
            _check_text("21", self.serial, _SET_82)
            if self.lot is not None:
                _check_text("10", self.lot, _SET_82)
        elif self.scheme is Scheme.PPN:
            check_ppn(self.product)
            _check_text("S", self.serial, _IFA)
            if self.lot is not None:
                _check_text("1T", self.lot, _IFA)
        else:
            self._check_china()
        if self.whole_month and (self.expiry is None or self.expiry != month_end(self.expiry)):
            raise WrongDate(date=str(self.expiry))

    def _check_china(self) -> None:
        if not _CHINA.fullmatch(self.product):
            raise WrongElement(identifier="product", value=self.product, fault="it has 7 digits and starts with 8")
        if not _CHINA_SERIAL.fullmatch(self.serial):
            raise WrongElement(identifier="serial", value=self.serial, fault="it has 13 digits")
        if self.lot is not None or self.expiry is not None:
            raise WrongElement(identifier="lot", value=self.lot or "", fault="such a code has neither lot nor expiry")

    @property
    def pzn(self) -> str | None:
        """The eight digits of Germany's Pharmazentralnummer where product is a PPN or an NTIN."""
        if self.scheme is Scheme.PPN:
            return self.product[2:10]
        return self.product[5:13] if self.product.startswith(IFA_GTINS) else None

    def strings(self) -> PackStrings:
        """The texts that the pack's hash takes."""
        expiry = "" if self.expiry is None else self.expiry.strftime("%y%m%d")
        return PackStrings(product=self.product, lot=self.lot or "", expiry=expiry, serial=self.serial)


def is_cut(code: PackCode, *, whole: PackCode) -> bool:
    """Whether `code` may be a reading of `whole` that broke off: one text is a beginning, and others are missing.

    A code that loses the end of its last lot or serial is still well-formed; only who knows the pack can tell.
    """
    if code == whole or (code.scheme, code.product) != (whole.scheme, whole.product):
        return False

    begun = code.serial != whole.serial, code.lot not in (None, whole.lot)
    return (
        sum(begun) <= 1
        and code.expiry in (None, whole.expiry)
        and whole.serial.startswith(code.serial)
        and (whole.lot or "").startswith(code.lot or "")
    )


def gtin_check_digit(digits: str) -> str:
    """The last digit of a GTIN, SSCC or GLN whose other digits are given (GS1 General Specifications 7.9.1)."""
    tripled = sum(map(int, digits[::-1][::2]))
    return str(-(3 * tripled + sum(map(int, digits[::-1][1::2]))) % 10)


def pzn_check_digit(digits: str) -> str | None:
    """The last digit of a PZN whose first seven are given, modulo 11; None where it would be 10: no such PZN exists."""
    rest = sum(weight * int(digit) for weight, digit in enumerate(digits, start=1)) % 11
    return None if rest == 10 else str(rest)


def ppn_check_digits(text: str) -> str:
    """The last two digits of a PPN whose other characters are given: their ASCII codes weighted from 2, modulo 97."""
    return f"{sum(weight * ord(character) for weight, character in enumerate(text, start=2)) % 97:02}"


def check_gtin(gtin: str) -> None:
    """Raise WrongElement unless `gtin` has 14 digits, WrongCheckDigit unless its last, and its PZN's, is right."""
    if not _GTIN.fullmatch(gtin):
        raise WrongElement(identifier="01", value=gtin, fault="a GTIN has 14 digits here")
    ascii_digits = gtin.encode()
    if (3 * sum(ascii_digits[::2]) + sum(ascii_digits[1::2]) - 28 * 48) % 10:
        raise WrongCheckDigit(kind="GTIN", number=gtin, expected=gtin_check_digit(gtin[:13]))
    if gtin.startswith(IFA_GTINS):
        _check_pzn(gtin[5:13])


def check_ppn(ppn: str) -> None:
    """Raise WrongElement unless `ppn` is 11, a PZN and two digits, WrongCheckDigit unless both checks are right."""
    if not _PPN.fullmatch(ppn):
        raise WrongElement(identifier="9N", value=ppn, fault="a PPN of a German pack is 11 and ten more digits")
    if ppn[10:] != ppn_check_digits(ppn[:10]):
        raise WrongCheckDigit(kind="PPN", number=ppn, expected=ppn_check_digits(ppn[:10]))
    _check_pzn(ppn[2:10])


def _check_pzn(pzn: str) -> None:
    expected = pzn_check_digit(pzn[:7])
    if expected != pzn[7]:
        raise WrongCheckDigit(kind="PZN", number=pzn, expected=expected or "no digit at all")


def _check_text(identifier: str, value: str, allowed: re.Pattern[str]) -> None:
    if allowed.fullmatch(value):
        return
    if not 1 <= len(value) <= 20:
        raise WrongElement(
            identifier=identifier, value=value, fault=f"it has {len(value)} characters, and 1 to 20 are allowed"
        )
    raise foreign(value, allowed)


def foreign(text: str, allowed: re.Pattern[str]) -> ForeignCharacter:
    """The error for the first character of `text` that is not among the allowed ones."""
    return next(
        ForeignCharacter(character=character, position=position)
        for position, character in enumerate(text)
        if not allowed.fullmatch(character)
    )


def month_end(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


@dataclass(frozen=True, slots=True)
class CodeDate:
    """A date of a code, and whether the code gives only its month."""

    day: date
    whole_month: bool


@lru_cache(maxsize=4096)
def read_date(text: str, *, this_year: int | None) -> CodeDate:
    """The date that YYMMDD stands for; day 00 is the last of the month (GS1 General Specifications 3.4 and 7.12).

    The century is the one that puts the year from 49 years before `this_year` to 50 years after. IFA's dates pass None:
    they are all of this century.

    :raises WrongDate: no such day.
    """
    if not _SIX_DIGITS.fullmatch(text):
        raise WrongDate(date=text)
    year = _full_year(int(text[:2]), this_year)
    try:
        day = date(year, int(text[2:4]), int(text[4:]) or 1)
    except ValueError:
        raise WrongDate(date=text) from None
    return CodeDate(day=day, whole_month=False) if text[4:] != "00" else CodeDate(day=month_end(day), whole_month=True)


def _full_year(two_digits: int, this_year: int | None) -> int:
    if this_year is None:
        return 2000 + two_digits
    ahead = two_digits - this_year % 100
    century = this_year - this_year % 100
    if ahead > 50:
        return century - 100 + two_digits
    return century + 100 + two_digits if ahead < -49 else century + two_digits


def write_date(code: PackCode, *, this_year: int | None) -> str:
    """YYMMDD of a code's expiry, as a reader of this year reads it back.

    :raises WrongDate: two digits cannot say this year.
    """
    day = code.expiry
    if day is None or _full_year(day.year % 100, this_year) != day.year:
        raise WrongDate(date=str(day))
    return day.strftime("%y%m") + ("00" if code.whole_month else f"{day.day:02}")


def one_of_each(elements: Iterable[Element]) -> dict[str, str]:
    """Values by identifier; what stands twice with one value counts once.

    :raises ElementTwice: with two values.
    """
    values: dict[str, str] = {}
    for element in elements:
        if values.setdefault(element.identifier, element.value) != element.value:
            raise ElementTwice(identifier=element.identifier, first=values[element.identifier], second=element.value)
    return values

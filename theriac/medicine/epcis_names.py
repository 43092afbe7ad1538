"""Things and places as EPCIS names them: EPC URNs and GS1 Digital Link URIs, and the plain values inside.

Theriac writes canonical GS1 Digital Link URIs (GS1 Digital Link: URI Syntax 1.2, section 4.11). An EPC URN says where
the company prefix ends, which no bar code tells; a Digital Link URI needs only what is printed on the pack, EPCIS 2.0
prefers it, and the event hash of CBV 2.0 is made over it anyway. Both are read.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from theriac.errors import BadIdentifier

RESOLVER: Final = "https://id.gs1.org"

# The characters of GS1's general text (GS1 General Specifications, figure 7.11-1, "character set 82").
_TEXT = re.compile(r"[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]+")
# Those of part references ("character set 39", figure 7.11-2).
_COMPONENT = re.compile(r"[#\-/0-9A-Z]+")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# What a canonical URI leaves as it is; everything else of the character set is escaped.
_PLAIN: Final = "'-.;=_"
_UNIT = re.compile(r"[A-Z0-9]{2,3}")
_LONGEST: Final = 512


@dataclass(frozen=True, slots=True)
class Pack:
    """One serialised trade item: a GTIN of 14 digits and a serial of at most 20 characters."""

    gtin: str
    serial: str

    def __post_init__(self) -> None:
        check_gtin(self.gtin)
        check_text(self.serial, kind="serial", longest=20)

    @property
    def uri(self) -> str:
        return f"{RESOLVER}/01/{self.gtin}/21/{escape(self.serial)}"


@dataclass(frozen=True, slots=True)
class Container:
    """A logistic unit, a case or a pallet: an SSCC of 18 digits."""

    sscc: str

    def __post_init__(self) -> None:
        _check_digits(self.sscc, "SSCC", 18)

    @property
    def uri(self) -> str:
        return f"{RESOLVER}/00/{self.sscc}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """An amount of a lot, or with `lot` None of a product of any lot.

    `quantity` None is all there is of it. `unit` is a code of UN/ECE Recommendation 20 (KGM, LTR), None for pieces.
    """

    gtin: str
    lot: str | None = None
    quantity: Decimal | None = None
    unit: str | None = None

    def __post_init__(self) -> None:
        check_gtin(self.gtin)
        if self.lot is not None:
            check_text(self.lot, kind="lot", longest=20)
            if "quantity=" in self.lot:
                # CBV's hash sets no mark between a lot and its amount.
                raise BadIdentifier(kind="lot", value=self.lot, fault="it looks like an amount in an event's hash")
        if self.quantity is not None and not (self.quantity.is_finite() and 0 < self.quantity < 10**15):
            raise BadIdentifier(kind="quantity", value=str(self.quantity), fault="it must be more than 0, below 10^15")
        if self.unit is not None and (self.quantity is None or not _UNIT.fullmatch(self.unit)):
            raise BadIdentifier(kind="unit", value=self.unit, fault="it must be 2 or 3 characters after a quantity")

    @property
    def name(self) -> "Lot":
        """The lot without an amount."""
        return Lot(gtin=self.gtin, lot=self.lot)

    @property
    def uri(self) -> str:
        return f"{RESOLVER}/01/{self.gtin}" + ("" if self.lot is None else f"/10/{escape(self.lot)}")


Item = Pack | Container


def place_uri(gln: str) -> str:
    """The URI of a physical place (AI 414)."""
    return f"{RESOLVER}/414/{gln}"


def party_uri(gln: str) -> str:
    """The URI of a party (AI 417)."""
    return f"{RESOLVER}/417/{gln}"


def device_uri(giai: str) -> str:
    """The URI of an asset, here a logger (AI 8004)."""
    return f"{RESOLVER}/8004/{escape(giai)}"


def item_of(uri: str) -> Item:
    """The pack or container that a URI names. Raises BadIdentifier."""
    match _parts(uri):
        case ["01", gtin, "21", serial]:
            return Pack(gtin, serial)
        case ["00", sscc]:
            return Container(sscc)
    raise BadIdentifier(kind="pack or container", value=uri, fault="it names neither a serial nor an SSCC")


def lot_of(uri: str, *, quantity: Decimal | None = None, unit: str | None = None) -> Lot:
    """The lot, or the product, that a URI of a class names. Raises BadIdentifier."""
    match _parts(uri):
        case ["01", gtin, "10", lot]:
            return Lot(gtin=gtin, lot=lot, quantity=quantity, unit=unit)
        case ["01", gtin]:
            return Lot(gtin=gtin, quantity=quantity, unit=unit)
    raise BadIdentifier(kind="lot", value=uri, fault="it names neither a lot nor a product")


def gln_of(uri: str) -> str:
    """The GLN of the place or the party that a URI names, without a place's extension. Raises BadIdentifier."""
    match _parts(uri):
        case ["414" | "417", gln, *_]:
            check_gln(gln)
            return gln
    raise BadIdentifier(kind="place or party", value=uri, fault="it names no GLN")


def device_of(uri: str) -> str:
    """The GIAI of the device that a URI names. Raises BadIdentifier."""
    match _parts(uri):
        case ["8004", giai]:
            check_giai(giai)
            return giai
    raise BadIdentifier(kind="device", value=uri, fault="it names no GIAI")


@lru_cache(maxsize=4096)
def check_gtin(gtin: str) -> None:
    """Raises BadIdentifier unless this is a GTIN of 14 digits with the right check digit."""
    _check_digits(gtin, "GTIN", 14)


@lru_cache(maxsize=4096)
def check_gln(gln: str) -> None:
    """Raises BadIdentifier unless this is a GLN of 13 digits with the right check digit."""
    _check_digits(gln, "GLN", 13)


def check_giai(giai: str) -> None:
    """Raises BadIdentifier unless this is a GIAI: a company prefix, then a reference, 30 characters at most."""
    check_text(giai, kind="GIAI", longest=30)
    if not _KEYS["8004"][0].fullmatch(giai):
        raise BadIdentifier(kind="GIAI", value=giai, fault="it must start with a company prefix")


def check_text(text: str, *, kind: str, longest: int) -> None:
    """Raises BadIdentifier unless the text is of GS1's character set 82, not empty and not too long."""
    if not 0 < len(text) <= longest or not _TEXT.fullmatch(text):
        fault = f"it must have 1 to {longest} characters of GS1's set"
        raise BadIdentifier(kind=kind, value=text, fault=fault)


def check_digit(digits: str) -> str:
    """The check digit that belongs after these digits (GS1 General Specifications, section 7.9.1)."""
    odd = sum(map(int, digits[-1::-2]))
    even = sum(map(int, digits[-2::-2]))
    return str(-(3 * odd + even) % 10)


def escape(text: str) -> str:
    """The text as a segment of a canonical Digital Link URI."""
    return quote(text, safe=_PLAIN)


def shown(text: str, *, longest: int = 40) -> str:
    """A foreign text fit for a sentence on somebody's screen: short, and nothing in it that moves a cursor."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:longest])


# -- one form for every URI -------------------------------------------------------------------------------------------

_CANONICAL = re.compile(r"https://id\.gs1\.org/(?:01/\d{14}/21/[A-Za-z0-9\-._';=]{1,20}|00/\d{18})", re.ASCII)

_SHORT_NAMES: Final = {
    "gtin": "01",
    "itip": "8006",
    "cpid": "8010",
    "gln": "414",
    "party": "417",
    "gsrnp": "8017",
    "gsrn": "8018",
    "gcn": "255",
    "sscc": "00",
    "gdti": "253",
    "ginc": "401",
    "gsin": "402",
    "grai": "8003",
    "giai": "8004",
    "cpv": "22",
    "lot": "10",
    "ser": "21",
    "tpx": "235",
    "glnx": "254",
    "cpsn": "8011",
    "srin": "8019",
}

# A primary key's form, and its qualifiers in the order in which one of them is kept: the finest first.
_KEYS: Final[Mapping[str, tuple[re.Pattern[str], tuple[str, ...]]]] = {
    key: (re.compile(form, re.ASCII), tuple(qualifiers.split()))
    for key, form, qualifiers in (
        ("00", r"\d{18}", ""),
        ("01", r"\d{8}|\d{12,14}", "21 235 10"),
        ("253", r"\d{13}.{0,17}", ""),
        ("255", r"\d{13,25}", ""),
        ("401", r"\d{4}.{1,26}", ""),
        ("402", r"\d{17}", ""),
        ("414", r"\d{13}", "254"),
        ("417", r"\d{13}", ""),
        ("8003", r"\d{14}.{0,16}", ""),
        ("8004", r"\d{4}.{1,26}", ""),
        ("8006", r"\d{18}", "21 10"),
        ("8010", r"\d{4}.{1,26}", "8011"),
        ("8017", r"\d{18}", ""),
        ("8018", r"\d{18}", ""),
    )
}
# Qualifiers that may stand in a URI and name nothing finer that an event would be about.
_DROPPED: Final = {"22", "8019"}


def canonical(uri: str) -> str:
    """The canonical Digital Link URI of a GS1 key, at its finest level; any other text comes back as it is.

    EPC, EPC class and EPC pattern URNs and Digital Link URIs of any domain are taken. Check digits are not verified:
    the event hash has to be made of documents as they are.
    """
    if len(uri) > _LONGEST or _CANONICAL.fullmatch(uri):
        return uri
    try:
        if uri.startswith("urn:epc:"):
            return _join(_of_urn(uri))
        if uri.startswith(("https://", "http://")):
            return _join(_of_link(uri))
    except ValueError:
        pass
    return uri


def _parts(uri: str) -> list[str]:
    """Keys and values in turn: ["01", "09506000134352", "21", "A1"]; empty for what is no GS1 key."""
    try:
        if len(uri) > _LONGEST:
            return []
        return _of_urn(uri) if uri.startswith("urn:epc:") else _of_link(uri)
    except ValueError:
        return []


def _join(parts: list[str]) -> str:
    return RESOLVER + "".join(f"/{escape(part)}" for part in parts)


def _of_link(uri: str) -> list[str]:
    address = urlsplit(uri)
    if address.scheme not in ("http", "https"):
        raise ValueError("no web address")
    segments = [_unescaped(segment) for segment in address.path.rstrip("/").split("/")]
    for start in range(len(segments) - 1):
        names = [_SHORT_NAMES.get(name, name) for name in segments[start::2]]
        values = segments[start + 1 :: 2]
        key = names[0]
        if key not in _KEYS or len(names) != len(values):
            continue
        form, qualifiers = _KEYS[key]
        if not form.fullmatch(values[0]) or not {*names[1:]} <= {*qualifiers, *_DROPPED}:
            continue
        value = values[0].zfill(14) if key == "01" else values[0]
        finer = dict(zip(names[1:], values[1:], strict=True))
        kept = next(([name, finer[name]] for name in qualifiers if name in finer), [])
        return [key, value, *kept]
    raise ValueError("no GS1 key")


def _unescaped(text: str) -> str:
    if _BAD_ESCAPE.search(text):
        raise ValueError("a bad escape")
    return unquote(text, errors="strict")


def _of_urn(uri: str) -> list[str]:
    kind, scheme, body = uri.removeprefix("urn:epc:").split(":", 2)
    if f"{kind}:{scheme}" not in _SCHEMES:
        raise ValueError("no scheme of GS1")
    make, fields = _SCHEMES[f"{kind}:{scheme}"]
    parts = body.split(".", fields - 1)
    prefix = parts[0]
    if len(parts) != fields or not 6 <= len(prefix) <= 12 or not _digits(prefix):
        raise ValueError("not of its scheme")
    return make(*parts)


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _tail(text: str, *, longest: int, of: re.Pattern[str] = _TEXT) -> str:
    plain = _unescaped(text)
    if not 0 < len(plain) <= longest or not of.fullmatch(plain):
        raise ValueError("not of its scheme")
    return plain


def _numbered(prefix: str, reference: str, *, length: int) -> str:
    """A key of digits with its check digit; `length` counts the digits before it."""
    digits = prefix + reference
    if len(digits) != length or (reference and not _digits(reference)):
        raise ValueError("not of its scheme")
    return digits + check_digit(digits)


def _indicated(prefix: str, reference: str, *, length: int) -> str:
    """The same for a key whose first digit stands before the company prefix, and in a URN after it."""
    if not reference:
        raise ValueError("not of its scheme")
    return _numbered(reference[0] + prefix, reference[1:], length=length)


def _gtin(prefix: str, reference: str) -> str:
    return _indicated(prefix, reference, length=13)


def _piece(piece: str, total: str) -> str:
    if not (_digits(piece + total) and len(piece) == len(total) == 2):
        raise ValueError("not of its scheme")
    return piece + total


def _sgln(prefix: str, reference: str, extension: str) -> list[str]:
    gln = _numbered(prefix, reference, length=12)
    return ["414", gln] if extension == "0" else ["414", gln, "254", _tail(extension, longest=20)]


def _component(prefix: str, reference: str) -> list[str]:
    return ["8010", prefix + _tail(reference, longest=30 - len(prefix), of=_COMPONENT)]


def _any(star: str, parts: list[str]) -> list[str]:
    if star != "*":
        raise ValueError("not of its scheme")
    return parts


_SCHEMES: Final[Mapping[str, tuple[Callable[..., list[str]], int]]] = {
    "id:sgtin": (lambda p, r, s: ["01", _gtin(p, r), "21", _tail(s, longest=20)], 3),
    "id:sscc": (lambda p, r: ["00", _indicated(p, r, length=17)], 2),
    "id:sgln": (_sgln, 3),
    "id:pgln": (lambda p, r: ["417", _numbered(p, r, length=12)], 2),
    "id:grai": (lambda p, r, s: ["8003", _numbered("0" + p, r, length=13) + _tail(s, longest=16)], 3),
    "id:giai": (lambda p, r: ["8004", p + _tail(r, longest=30 - len(p))], 2),
    "id:gsrn": (lambda p, r: ["8018", _numbered(p, r, length=17)], 2),
    "id:gsrnp": (lambda p, r: ["8017", _numbered(p, r, length=17)], 2),
    "id:gdti": (lambda p, r, s: ["253", _numbered(p, r, length=12) + _tail(s, longest=17)], 3),
    "id:cpi": (lambda p, r, s: [*_component(p, r), "8011", _tail(s, longest=12)], 3),
    "id:sgcn": (lambda p, r, s: ["255", _numbered(p, r, length=12) + _tail(s, longest=12)], 3),
    "id:ginc": (lambda p, r: ["401", p + _tail(r, longest=30 - len(p))], 2),
    "id:gsin": (lambda p, r: ["402", _numbered(p, r, length=16)], 2),
    "id:itip": (lambda p, r, n, t, s: ["8006", _gtin(p, r) + _piece(n, t), "21", _tail(s, longest=20)], 5),
    "id:upui": (lambda p, r, s: ["01", _gtin(p, r), "235", _tail(s, longest=28)], 3),
    "class:lgtin": (lambda p, r, s: ["01", _gtin(p, r), "10", _tail(s, longest=20)], 3),
    "idpat:sgtin": (lambda p, r, s: _any(s, ["01", _gtin(p, r)]), 3),
    "idpat:grai": (lambda p, r, s: _any(s, ["8003", _numbered("0" + p, r, length=13)]), 3),
    "idpat:gdti": (lambda p, r, s: _any(s, ["253", _numbered(p, r, length=12)]), 3),
    "idpat:sgcn": (lambda p, r, s: _any(s, ["255", _numbered(p, r, length=12)]), 3),
    "idpat:cpi": (lambda p, r, s: _any(s, _component(p, r)), 3),
    "idpat:itip": (lambda p, r, n, t, s: _any(s, ["8006", _gtin(p, r) + _piece(n, t)]), 5),
    "idpat:upui": (lambda p, r, s: _any(s, ["01", _gtin(p, r)]), 3),
}


def _check_digits(text: str, kind: str, length: int) -> None:
    if len(text) != length or not _digits(text):
        raise BadIdentifier(kind=kind, value=text, fault=f"it must have {length} digits")
    if check_digit(text[:-1]) != text[-1]:
        raise BadIdentifier(kind=kind, value=text, fault=f"its check digit should be {check_digit(text[:-1])}")

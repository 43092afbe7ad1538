"""Codes of packs for the tests: drawn at random, put together without the code under test."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from gs1_keyboards import check_digit
from hypothesis import strategies as st

from theriac.medicine.packid import PackCode, Scheme

GS = "\x1d"
TODAY = date(2026, 6, 1)
SET_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
LETTERS_AND_DIGITS = "".join(filter(str.isalnum, SET_82))


@dataclass(frozen=True)
class Scanned:
    """A code as a scanner that is set right sends it, and what it says."""

    raw: str
    code: PackCode


@st.composite
def scanned(draw: st.DrawFn, alphabet: str = SET_82, prefixes: tuple[str, ...] = ("", "]d2", "]C1")) -> Scanned:
    """A GTIN code: serial always, lot and expiry mostly, in any order."""
    body = draw(st.text("0123456789", min_size=13, max_size=13).filter(lambda text: not text.startswith("04150")))
    gtin = body + check_digit(body)
    serial = draw(st.text(alphabet, min_size=1, max_size=20))
    lot = draw(st.none() | st.text(alphabet, min_size=1, max_size=20))
    expiry = draw(st.none() | st.dates(date(1990, 1, 1), date(2070, 12, 31)))

    parts = {"01": gtin, "21": serial}
    parts |= {} if lot is None else {"10": lot}
    parts |= {} if expiry is None else {"17": expiry.strftime("%y%m%d")}
    raw = draw(st.sampled_from(prefixes))
    order = draw(st.permutations(list(parts)))
    for place, name in enumerate(order, start=1):
        raw += name + parts[name] + (GS if name in ("10", "21") and place < len(order) else "")
    return Scanned(raw=raw, code=PackCode(Scheme.GTIN, gtin, serial, lot=lot, expiry=expiry))


def as_fields(code: PackCode | None) -> dict[str, Any] | None:
    """A code as the vectors write it."""
    if code is None:
        return None
    expiry = None if code.expiry is None else code.expiry.isoformat()
    return {
        "scheme": code.scheme.value,
        "product": code.product,
        "serial": code.serial,
        "lot": code.lot,
        "expiry": expiry,
    }

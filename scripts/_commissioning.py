"""From a list of packs to batches: read, checked and cut into what one tree has room for."""

import csv
import json
import os
import secrets
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from scripts._cli import Failure, check_out
from theriac.errors import BadCode
from theriac.medicine.depot import Order
from theriac.medicine.packid import PackCode, Scheme, read_date
from theriac.medicine.packs import Case, Product
from theriac.medicine.placed import Texts
from theriac.medicine.shelf import KnownPack, Shelf
from theriac.medicine.tree import CAPACITY, DEPTH, Shape

if TYPE_CHECKING:
    from _csv import _reader

COLUMNS = ("gtin", "lot", "expiry", "serial")
ALSO = ("case", "pallet")
DELIMITERS = ",;\t|"

SHORTEST_SERIAL = 12
"""Of drawn serials: where a product has a million packs, one guess in 10^12 is right; 10^4 is asked for."""

_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_LONGEST_SERIAL = 20
_NONE = 0xFFFFFFFF
_AT_ONCE = 500


@dataclass
class Lot:
    """The packs of one product, lot and expiry, in the order of their list.

    `expiry` is their last day, also where their codes carry none and the product has none. `cases` and `pallets` number
    the labels; `case_of` and `pallet_of` say by number where a pack lies, `stands` on which pallet a case does, `lines`
    where each pack was read, `letters` what its serials are made of.
    """

    product: Product
    scheme: Scheme
    expiry: date
    serials: Texts = field(default_factory=Texts)
    lines: "array[int]" = field(default_factory=lambda: array("I"))
    case_of: "array[int]" = field(default_factory=lambda: array("I"))
    pallet_of: "array[int]" = field(default_factory=lambda: array("I"))
    cases: dict[str, int] = field(default_factory=dict)
    pallets: dict[str, int] = field(default_factory=dict)
    stands: dict[int, int] = field(default_factory=dict)
    letters: set[str] = field(default_factory=set)

    def labels(self) -> Iterator[tuple[str, str]]:
        """Case and pallet of each pack as they were called, empty where there is none."""
        cases, pallets = [*self.cases, ""], [*self.pallets, ""]
        for case, pallet in zip(self.case_of, self.pallet_of, strict=True):
            yield cases[case if case != _NONE else -1], pallets[pallet if pallet != _NONE else -1]


def product_code(text: str) -> tuple[str, Scheme]:
    """A product's number as it is hashed: a GTIN of 14 digits, a PPN, China's seven digits."""
    text = text.strip()
    if len(text) in (8, 13):
        text = text.zfill(14)
    return text, {12: Scheme.PPN, 7: Scheme.CHINA}.get(len(text), Scheme.GTIN)


def product_of(code: str, scheme: Scheme, *, lot: str, expiry: date) -> Product:
    """What the packs' hashes say of the product: no more than their codes carry. Only China's codes have no lot."""
    if scheme is Scheme.CHINA:
        return Product(code, "", None)
    if not lot:
        raise Failure("It has no lot, and every pack with a GTIN or a PPN is of one; give the lot printed on it.")
    return Product(code, lot, expiry)


def expiry_of(text: str) -> date:
    """2031-06-30, 310630 or, for the end of a month, 310600."""
    text = text.strip()
    if len(text) == 6 and text.isdecimal():
        return read_date(text, this_year=datetime.now(UTC).year).day
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Failure(f"{text[:40]!r} is no expiry; write it like 2031-06-30 or 310630.") from None


# -- reading ---------------------------------------------------------------------------------------------------------


def lots_in(path: Path) -> list[Lot]:
    """The packs in a CSV file, lot by lot. Every fault names its line; nothing was sent then."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _Reader(path, file).lots()
    except UnicodeDecodeError:
        raise Failure(f"{path} is not UTF-8; save it as UTF-8 and try again.") from None


class _Reader:
    def __init__(self, path: Path, file: TextIO) -> None:
        self._path = path
        first = file.readline()
        if not first.strip():
            raise Failure(f"{path} is empty; its first line names the columns {', '.join(COLUMNS)}.")
        self._delimiter = max(DELIMITERS, key=first.count)
        # Strict: a quote that never ends would take all lines below it for one field.
        heads = csv.reader([first], delimiter=self._delimiter, strict=True)
        names = [name.strip().lower() for _, row in self._read(heads, before=0) for name in row]
        if missing := [name for name in COLUMNS if name not in names]:
            raise Failure(
                f"Line 1 of {path} names no column {', '.join(missing)}; it needs {', '.join(COLUMNS)} and may have "
                f"{', '.join(ALSO)}."
            )
        if twice := [name for name in (*COLUMNS, *ALSO) if names.count(name) > 1]:
            raise Failure(f"Line 1 of {path} names the column {twice[0]} twice.")
        self._at = [names.index(name) for name in COLUMNS]
        self._also = [names.index(name) if name in names else -1 for name in ALSO]
        self._width = len(names)
        self._rows = csv.reader(file, delimiter=self._delimiter, strict=True)
        self._lots: dict[tuple[str, ...], Lot] = {}

    def lots(self) -> list[Lot]:
        gtin, lot_at, expiry, serial_at = self._at
        lot: Lot | None = None
        last: tuple[str, ...] = ()
        number = stand = _NONE
        for line, row in self._read(self._rows, before=1):
            if not any(row):
                continue
            if len(row) != self._width:
                raise self._fault(line, f"has {len(row)} columns, and line 1 has {self._width}")
            serial = row[serial_at].strip()
            # Packs of a case mostly stand together: what is the same as a line before is not looked at again.
            here = (row[gtin], row[lot_at], row[expiry], *(row[place] for place in self._also if place >= 0))
            if lot is None or here != last:
                found = self._lots.get(here[:3]) or self._begun(here[0], here[1], here[2], serial, line)
                number, stand = self._packed(found, row, line)
                lot, last = found, here
            if not (lot.letters.issuperset(serial) and 0 < len(serial) <= _LONGEST_SERIAL):
                self._check_serial(lot, serial, line)
            lot.serials.append(serial)
            lot.lines.append(line)
            lot.case_of.append(number)
            lot.pallet_of.append(stand)
        if not self._lots:
            raise Failure(f"{self._path} names no pack below its first line.")
        lots = list({id(lot): lot for lot in self._lots.values()}.values())
        for code in {lot.product.code for lot in lots}:
            self._check_once([lot for lot in lots if lot.product.code == code])
        return lots

    def _read(self, rows: "_reader", *, before: int) -> Iterator[tuple[int, list[str]]]:
        """The rows and the lines on which they end. A fault names the line on which its row begins."""
        begins = before + 1
        try:
            for row in rows:
                yield before + rows.line_num, row
                begins = before + rows.line_num + 1
        except csv.Error as fault:
            raise self._fault(begins, f"cannot be read as CSV ({fault}); mend its quotes and try again") from None

    def _check_once(self, lots: list[Lot]) -> None:
        """A serial is given once for a product, whatever the lot."""
        if len({serial for lot in lots for serial in lot.serials.each()}) == sum(len(lot.serials) for lot in lots):
            return
        seen: dict[bytes, int] = {}
        for lot in lots:
            for serial, line in zip(lot.serials.each(), lot.lines, strict=True):
                if (first := seen.setdefault(serial, line)) != line:
                    raise self._fault(max(first, line), f"has the serial of line {min(first, line)} again")

    def _begun(self, gtin: str, lot: str, expiry: str, serial: str, line: int) -> Lot:
        key, lot = (gtin, lot, expiry), lot.strip()
        try:
            code, scheme = product_code(gtin)
            day = expiry_of(expiry)
            product = product_of(code, scheme, lot=lot, expiry=day)
            PackCode(scheme, code, serial, lot=product.lot or None, expiry=product.expiry)
        except (BadCode, Failure) as fault:
            raise self._fault(line, f"is no pack: {str(fault).rstrip('.')}") from None
        alike = (each for each in self._lots.values() if (each.product, each.expiry) == (product, day))
        found = next(alike, None) or Lot(product, scheme, day)
        self._lots[key] = found
        return found

    def _check_serial(self, lot: Lot, serial: str, line: int) -> None:
        try:
            PackCode(lot.scheme, lot.product.code, serial)
        except BadCode as fault:
            raise self._fault(line, f"has a serial that no code can carry: {str(fault).rstrip('.')}") from None
        if lot.scheme is not Scheme.CHINA:
            # A serial is any row of letters that are allowed; only China's have a form.
            lot.letters.update(serial)

    def _packed(self, lot: Lot, row: list[str], line: int) -> tuple[int, int]:
        """The numbers of the case and the pallet that a line names."""
        case, pallet = (row[place].strip() if place >= 0 else "" for place in self._also)
        if lot.lines and (not case) != (not lot.cases):
            raise self._fault(line, "says otherwise than those before it whether packs are in cases; give all a case")
        if lot.lines and (not pallet) != (not lot.pallets):
            raise self._fault(line, "says otherwise than those before it whether there are pallets; give all a pallet")
        number = lot.cases.setdefault(case, len(lot.cases)) if case else _NONE
        stand = lot.pallets.setdefault(pallet, len(lot.pallets)) if pallet else _NONE
        if case and lot.stands.setdefault(number, stand) != stand:
            raise self._fault(line, f"puts case {case[:40]!r} on another pallet than a line before it")
        return number, stand

    def _fault(self, line: int, text: str) -> Failure:
        return Failure(f"Line {line} of {self._path} {text}.")


# -- drawing ---------------------------------------------------------------------------------------------------------


def drawn_serial(length: int) -> str:
    """A serial that nobody can guess, of characters that nobody confuses."""
    return "".join(_ALPHABET[byte & 31] for byte in secrets.token_bytes(length))


def check_product(gtin: str, lot: str, day: date) -> None:
    """Refuses what no code can carry, before a serial is drawn for it."""
    try:
        code, scheme = product_code(gtin)
        product = product_of(code, scheme, lot=lot.strip(), expiry=day)
        if scheme is Scheme.CHINA:
            raise Failure("China's codes are given out with their serials; commission a file of them.")
        PackCode(scheme, code, "1" * 20, lot=product.lot or None, expiry=product.expiry)
    except BadCode as fault:
        raise Failure(f"No pack can have this --gtin and --lot: {str(fault).partition(';')[0].rstrip('.')}.") from None


def write_drawn(
    file: TextIO, *, gtin: str, lot: str, expiry: date, count: int, length: int, case: int, pallet: int
) -> None:
    """A list of packs with drawn serials: `case` packs a case, `pallet` cases (without cases: packs) a pallet, or 0."""
    writer = csv.writer(file, lineterminator="\n")
    also = [name for name, size in zip(ALSO, (case, pallet), strict=True) if size]
    writer.writerow([*COLUMNS, *also])
    seen: set[str] = set()
    for number in range(count):
        while (serial := drawn_serial(length)) in seen:
            continue
        seen.add(serial)
        unit = number // case if case else number
        places = [f"C{unit + 1}"] if case else []
        places += [f"P{unit // pallet + 1}"] if pallet else []
        writer.writerow([gtin, lot, expiry.isoformat(), serial, *places])


# -- cutting ---------------------------------------------------------------------------------------------------------


def new_packs(lot: Lot, shelf: Shelf) -> "array[int]":
    """The numbers of the packs of a lot that were not commissioned before.

    What an interrupted run has done is recognised by its serials. A case of which a part is known is refused: nothing
    can be added to a case.
    """
    known: set[str] = set()
    for serial, pack in shelf.find_many(lot.product.code, lot.serials):
        there = shelf.batch(pack.batch).product
        if there != lot.product:
            raise Failure(
                f"Serial {serial} of {there.code} was commissioned before with lot {there.lot} and expiry "
                f"{there.expiry}; a serial is given once for a product.",
                3,
            )
        known.add(serial)
    if not known:
        return array("I", range(len(lot.serials)))
    new = array("I", (number for number, serial in enumerate(lot.serials) if serial not in known))
    if lot.cases:
        begun = {lot.case_of[number] for number, serial in enumerate(lot.serials) if serial in known}
        for number in new:
            if lot.case_of[number] in begun:
                label = list(lot.cases)[lot.case_of[number]]
                raise Failure(
                    f"Line {lot.lines[number]}: case {label[:40]!r} was commissioned before without this pack, and "
                    "nothing can be added to a case; give it a case of its own.",
                    3,
                )
    return new


def shape_of(lot: Lot, *, case_bits: int | None, pallet_bits: int | None) -> Shape:
    """The smallest sizes that the lot's fullest case and pallet fit into, or those that were asked for."""
    if not lot.cases and case_bits is not None:
        raise Failure("These packs are in no case; leave --case-bits away, or give their cases.")
    if not lot.pallets and pallet_bits is not None:
        raise Failure("These packs are on no pallet; leave --pallet-bits away, or give their pallets.")
    cases = _most(lot.case_of) if lot.cases else 1
    in_case = cases_bits = _bits(cases)
    if case_bits is not None:
        in_case = case_bits
    if in_case < cases_bits:
        raise Failure(f"A case of {cases} packs needs --case-bits {cases_bits}.")
    if lot.pallets:
        units = _most(array("I", lot.stands.values())) if lot.cases else _most(lot.pallet_of)
        needed = in_case + _bits(units)
    else:
        # Without pallets a case is the largest thing that moves as one; without cases the batch is.
        needed = in_case if lot.cases else DEPTH
    chosen = needed if pallet_bits is None else pallet_bits
    if chosen < needed or chosen > DEPTH:
        raise Failure(
            f"Pallets need 2^{needed} places for cases of 2^{in_case} packs, and there is room for "
            f"2^{min(chosen, DEPTH)}; pack less together, or give other sizes with --case-bits and --pallet-bits."
        )
    return Shape(chosen, in_case)


def _most(numbers: "array[int]") -> int:
    counts = array("I", bytes(4 * (max(numbers) + 1)))
    for number in numbers:
        counts[number] += 1
    return max(counts)


def _bits(count: int) -> int:
    return max(count - 1, 0).bit_length()


def orders_of(lot: Lot, new: "array[int]", shape: Shape, *, room: int | None = None) -> Iterator[Order]:
    """The batches of the new packs of a lot: whole pallets, as many as one tree has room for."""
    pallets_fit = 1 << (DEPTH - shape.pallet_bits)
    packs_fit = min(room or CAPACITY, CAPACITY)
    chosen: array[int] = array("I")
    cases: list[Case] = []
    count = 0
    for pallet in _pallets(lot, new, shape):
        packs = sum(case.packs for case in pallet.cases)
        if chosen and (count == pallets_fit or len(chosen) + packs > packs_fit):
            yield _order(lot, chosen, cases, shape)
            chosen, cases, count = array("I"), [], 0
        cases += [Case(count, case.packs) for case in pallet.cases] if count else pallet.cases
        chosen.extend(pallet.packs)
        count += 1
    if chosen:
        yield _order(lot, chosen, cases, shape)


@dataclass
class _Pallet:
    packs: "array[int]"
    cases: list[Case]


def _pallets(lot: Lot, new: "array[int]", shape: Shape) -> Iterator[_Pallet]:
    """The packs pallet by pallet and case by case; the smallest things that must stay in one batch."""
    if not lot.cases and not lot.pallets:
        room = 1 << shape.pallet_bits
        for start in range(0, len(new), room):
            some = new[start : start + room]
            yield _Pallet(some, [Case(0, 1)] * len(some))
        return

    def place(number: int) -> tuple[int, int]:
        return (lot.pallet_of[number], lot.case_of[number])

    ordered = new if _is_sorted(map(place, new)) else array("I", sorted(new, key=place))
    packs: array[int] = array("I")
    cases: list[Case] = []
    in_case, last = 0, (-1, -1)
    by_pallet = bool(lot.pallets)
    for number in ordered:
        here = place(number)
        new_case = not lot.cases or here != last
        if packs and new_case:
            cases.append(Case(0, in_case))
            in_case = 0
            if not by_pallet or here[0] != last[0]:
                yield _Pallet(packs, cases)
                packs, cases = array("I"), []
        packs.append(number)
        in_case += 1
        last = here
    if packs:
        cases.append(Case(0, in_case))
        yield _Pallet(packs, cases)


def _is_sorted(places: Iterable[tuple[int, int]]) -> bool:
    last = (-1, -1)
    for place in places:
        if place < last:
            return False
        last = place
    return True


def _order(lot: Lot, chosen: "array[int]", cases: list[Case], shape: Shape) -> Order:
    whole = len(chosen) == len(lot.serials) and all(place == number for place, number in enumerate(chosen))
    serials = lot.serials if whole else Texts(lot.serials[number] for number in chosen)
    return Order(lot.product, shape, cases, serials, lot.expiry)


# -- what came of it -------------------------------------------------------------------------------------------------


def placed_rows(lots: Iterable[Lot], shelf: Shelf) -> Iterator[dict[str, Any]]:
    """Where each pack lies now, in the order of the list."""
    for lot in lots:
        labels = lot.labels()
        for start in range(0, len(lot.serials), _AT_ONCE):
            serials = lot.serials[start : start + _AT_ONCE]
            found = dict(shelf.find_many(lot.product.code, serials))
            for serial, (case, pallet) in zip(serials, labels, strict=False):
                yield _row(lot, serial, case, pallet, found[serial], shelf)


def _row(lot: Lot, serial: str, case: str, pallet: str, pack: KnownPack, shelf: Shelf) -> dict[str, Any]:
    shape, node = shelf.batch(pack.batch).shape, CAPACITY | pack.index
    return {
        "gtin": lot.product.code,
        "lot": lot.product.lot,
        "expiry": lot.expiry.isoformat(),
        "serial": serial,
        "case": case,
        "pallet": pallet,
        "batch": pack.batch.hex(),
        "index": pack.index,
        "case node": node >> shape.case_bits if shape.case_bits else "",
        "pallet node": node >> shape.pallet_bits if shape.case_bits < shape.pallet_bits < DEPTH else "",
    }


def write_placed(out: Path, lots: Iterable[Lot], shelf: Shelf) -> None:
    """Writes where each pack lies: JSON where the file's name ends so, else CSV. Whole or not at all."""
    check_out(str(out))
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=out.absolute().parent, prefix=".theriac-")
    try:
        with open(handle, "w", encoding="utf-8", newline="") as file:
            _write_rows(file, placed_rows(lots, shelf), as_json=out.suffix.lower() == ".json")
        os.replace(draft, out)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _write_rows(file: TextIO, rows: Iterator[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        for number, row in enumerate(rows):
            file.write(("[\n" if number == 0 else ",\n") + json.dumps(row, ensure_ascii=False))
        file.write("\n]\n")
        return
    first = next(rows)
    writer = csv.DictWriter(file, fieldnames=list(first), lineterminator="\n")
    writer.writeheader()
    writer.writerow(first)
    writer.writerows(rows)

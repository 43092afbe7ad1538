"""How fast a pharmacy is told what a pack is: from strings of a scanner and from pictures of labels.

Beside each figure stands what the machine can do at best: keccak-256 of a word for strings, and the bare decoder for
pictures, both in the same run.
"""

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import zxingcpp
from PIL import Image
from rich.table import Table

from theriac.medicine import gs1, symbols
from theriac.medicine.packid import PackCode, Scheme
from theriac.medicine.packs import BatchKey, Product, cases_of, places
from theriac.medicine.scanner import Cause, Scanner
from theriac.medicine.sheets import Sheet
from theriac.medicine.shelf import Shelf
from theriac.medicine.state import BatchState
from theriac.medicine.tree import BATCH, Shape, keccak

PACKS, PICTURES, REPEATS = 20_000, 60, 3
PHARMACY = 3
PRODUCT = Product("04150123456782", "L42A", date(2031, 6, 30))
SHAPE = Shape(pallet_bits=14, case_bits=6)
NOW = datetime(2030, 1, 7, 9, tzinfo=UTC)


@dataclass(frozen=True)
class Rate:
    """How long single acts took, in seconds."""

    what: str
    seconds: Sequence[float]

    @property
    def per_second(self) -> float:
        return len(self.seconds) / sum(self.seconds)

    def quantile(self, share: float) -> float:
        """The time within which this share of the acts was done."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measured(what: str, acts: Sequence[Callable[[], object]]) -> Rate:
    """Each act timed by itself."""
    seconds = []
    for act in acts:
        begun = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - begun)
    return Rate(what, seconds)


def stocked() -> tuple[Scanner, list[str]]:
    """A pharmacy's scanner with so many packs on its shelf, and what their codes say."""
    key = BatchKey(bytes(range(32)))
    serials = [f"A{number:09d}{number * 7919 % 997:03d}Q" for number in range(PACKS)]
    at = places(cases_of(PACKS, SHAPE), SHAPE, key=key)
    sheet = Sheet(PHARMACY, key, PRODUCT, SHAPE, BATCH, dict(zip(at, serials, strict=True)), ())
    batch = sheet.batch()
    shelf = Shelf(None)
    shelf.add(sheet, batch=batch)
    told = {
        "batch": batch,
        "maker": PHARMACY,
        "expiry": int(datetime(2031, 7, 1, tzinfo=UTC).timestamp()),
        "palletBits": SHAPE.pallet_bits,
        "caseBits": SHAPE.case_bits,
        **dict.fromkeys(("root", "tag", "product", "lot", "manifest"), bytes(32)),
        "keyNumber": 1,
    }
    state = BatchState.commissioned(told)
    scanner = Scanner(member=PHARMACY, shelf=shelf, states={batch: state}.get)
    return scanner, [gs1.write(code_of(serial), today=NOW.date()) for serial in serials]


def code_of(serial: str) -> PackCode:
    return PackCode(Scheme.GTIN, PRODUCT.code, serial, lot=PRODUCT.lot, expiry=PRODUCT.expiry)


def strings(scanner: Scanner, codes: Sequence[str]) -> list[Rate]:
    """Verdicts on strings, every code once, in an order that no cache foresees."""
    shuffled = [codes[number * 7919 % len(codes)] for number in range(len(codes))]
    verdicts = [scanner.scan(code, now=NOW) for code in shuffled[:100]]
    assert {verdict.cause for verdict in verdicts} == {Cause.GENUINE}
    words = [code.encode().ljust(64, b"\0") for code in shuffled]
    return [
        measured("verdict on a string", [lambda code=code: scanner.scan(code, now=NOW) for code in shuffled]),
        measured("keccak-256 alone", [lambda word=word: keccak(word) for word in words]),
    ]


def pictures(scanner: Scanner, codes: Sequence[str]) -> list[Rate]:
    """Verdicts on pictures of labels, beside the decoder alone on the same pictures already in memory."""
    labels = [symbols.write_symbol(gs1.parse(code, today=NOW.date()), today=NOW.date()) for code in codes[:PICTURES]]
    images = [Image.open(io.BytesIO(label)).convert("L") for label in labels]
    formats = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.DataMatrix, zxingcpp.BarcodeFormat.QRCode])
    assert all(judged(scanner, label) is Cause.GENUINE for label in labels)
    return [
        measured("verdict on a picture", [lambda label=label: judged(scanner, label) for label in labels * REPEATS]),
        measured(
            "zxing-cpp alone",
            [lambda image=image: zxingcpp.read_barcodes(image, formats=formats) for image in images * REPEATS],
        ),
    ]


def judged(scanner: Scanner, label: bytes) -> Cause:
    [text] = symbols.read_symbols(label)
    return scanner.scan(text, now=NOW).cause


def table() -> Table:
    """Measures, and lays the figures out."""
    scanner, codes = stocked()
    found = Table("scanning, one core", "a second", "p50 µs", "p95 µs", "times the time beside it")
    for pair in (strings(scanner, codes), pictures(scanner, codes)):
        for rate in pair:
            ratio = rate.quantile(0.5) / pair[1].quantile(0.5)
            p50, p95 = (f"{rate.quantile(share) * 1e6:,.1f}" for share in (0.5, 0.95))
            found.add_row(rate.what, f"{rate.per_second:,.0f}", p50, p95, f"{ratio:.2f}" if rate is pair[0] else "")
    return found

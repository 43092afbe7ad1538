"""How fast a pharmacy is told what a pack is: from strings of a scanner and from pictures of labels."""

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime
from functools import cache
from multiprocessing import get_context

import zxingcpp
from PIL import Image

from benches.figures import Bars, Better, Figure, Run, Section
from benches.timing import Effort, each_of, quantile, seconds
from theriac.medicine import gs1, symbols
from theriac.medicine.packid import PackCode, Scheme
from theriac.medicine.packs import BatchKey, Product, cases_of, places
from theriac.medicine.scanner import Cause, Scanner
from theriac.medicine.sheets import Sheet
from theriac.medicine.shelf import Shelf
from theriac.medicine.state import BatchState
from theriac.medicine.tree import BATCH, Shape, keccak
from theriac.store.cid import CORES

PACKS, PICTURES = 20_000, 60
PHARMACY = 3
PRODUCT = Product("04150123456782", "L42A", date(2031, 6, 30))
SHAPE = Shape(pallet_bits=14, case_bits=6)
NOW = datetime(2030, 1, 7, 9, tzinfo=UTC)


PROSE = f"""
A pharmacy's scanner with {PACKS:,} packs on its shelf says of each what it is: of the string that a hand scanner types,
every code once, in an order that no cache foresees; and of the picture of a label, which has to be decoded before. Each
is timed by itself. Beside a string stands keccak-256 of one word, which is the least that a serial must be looked up
by, and beside a picture the bare decoder, zxing-cpp, on the same picture already in memory. *On two cores* two
processes scan at the same time, beside one of them alone.
"""


def measure(effort: Effort) -> Section:
    packs = 200 if effort.small else PACKS
    scanner, codes = stocked(packs)
    figures = [
        *_quantiles("string", "verdict on a string", "keccak-256 of a word", lambda: strings(scanner, codes), effort),
        *_quantiles("picture", "verdict on a picture", "zxing-cpp alone", lambda: pictures(scanner, codes), effort),
    ]
    if not effort.small and CORES > 1:
        figures += _on_two_cores(effort)
    bars = tuple((each.what, each.key) for each in figures if each.unit == "s")
    chart = Bars("scanning", "Scanning", "share of what stands beside each", bars)
    return Section("scanning", "Scanning", PROSE, tuple(figures), charts=(chart,))


def _quantiles(
    key: str, what: str, beside: str, scan: Callable[[], tuple[Sequence[float], Sequence[float]]], effort: Effort
) -> Iterator[Figure]:
    rounds = [scan() for _ in range(min(effort.runs, 5))]
    for name, share in (("p50", 0.5), ("p95", 0.95)):
        runs = tuple(Run(quantile(own, share), quantile(alone, share)) for own, alone in rounds)
        yield Figure(f"scanning/{key}/{name}", f"{what}, {name}", "s", beside, runs)


def _on_two_cores(effort: Effort) -> Iterator[Figure]:
    for key, what, work in (("strings", "strings", _strings_a_second), ("pictures", "pictures", _pictures_a_second)):
        runs = []
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
            list(processes.map(work, range(2)))
            for _ in range(min(effort.runs, 5)):
                [alone] = processes.map(work, range(1))
                runs.append(Run(sum(processes.map(work, range(2))), alone))
        what = f"{what} on two cores"
        yield Figure(f"scanning/two/{key}", what, "a second", "on one", tuple(runs), better=Better.MORE)


_stock = cache(lambda: stocked(PACKS))


def _strings_a_second(_: int) -> float:
    scanner, codes = _stock()
    return len(codes) / seconds(lambda: [scanner.scan(code, now=NOW) for code in codes])


def _pictures_a_second(_: int) -> float:
    scanner, codes = _stock()
    labels = _labels(codes)
    return len(labels) / seconds(lambda: [judged(scanner, label) for label in labels])


def stocked(packs: int) -> tuple[Scanner, list[str]]:
    """A pharmacy's scanner with so many packs on its shelf, and what their codes say."""
    key = BatchKey(bytes(range(32)))
    serials = [f"A{number:09d}{number * 7919 % 997:03d}Q" for number in range(packs)]
    at = places(cases_of(packs, SHAPE), SHAPE, key=key)
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


def strings(scanner: Scanner, codes: Sequence[str]) -> tuple[list[float], list[float]]:
    """How long verdicts took, and bare hashes."""
    shuffled = [codes[number * 7919 % len(codes)] for number in range(len(codes))]
    assert {scanner.scan(code, now=NOW).cause for code in shuffled[:100]} == {Cause.GENUINE}
    words = [code.encode().ljust(64, b"\0") for code in shuffled]
    return (
        each_of([lambda code=code: scanner.scan(code, now=NOW) for code in shuffled]),
        each_of([lambda word=word: keccak(word) for word in words]),
    )


def pictures(scanner: Scanner, codes: Sequence[str]) -> tuple[list[float], list[float]]:
    """How long verdicts on pictures of labels took, and the decoder alone."""
    labels = _labels(codes)
    images = [Image.open(io.BytesIO(label)).convert("L") for label in labels]
    formats = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.DataMatrix, zxingcpp.BarcodeFormat.QRCode])
    assert all(judged(scanner, label) is Cause.GENUINE for label in labels)
    return (
        each_of([lambda label=label: judged(scanner, label) for label in labels]),
        each_of([lambda image=image: zxingcpp.read_barcodes(image, formats=formats) for image in images]),
    )


def _labels(codes: Sequence[str]) -> list[bytes]:
    return [symbols.write_symbol(gs1.parse(code, today=NOW.date()), today=NOW.date()) for code in codes[:PICTURES]]


def judged(scanner: Scanner, label: bytes) -> Cause:
    [text] = symbols.read_symbols(label)
    return scanner.scan(text, now=NOW).cause

"""Labels of packs as pictures, one a pack or sheets of them to print, which only their owner reads."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from scripts._cli import Failure, write_file
from theriac.medicine.packid import PackCode, Scheme
from theriac.medicine.symbols import Symbology, write_symbol

if TYPE_CHECKING:
    from scripts._goods import Goods
    from scripts._handing import Piece

_SCHEMES = {12: Scheme.PPN, 7: Scheme.CHINA}


@dataclass(frozen=True)
class Label:
    """A pack's code and what its picture is called."""

    code: PackCode
    name: str


def labels_of(goods: "Goods", pieces: Iterable["Piece"]) -> Iterator[Label]:
    """The packs of goods whose serials are known here, by place."""
    for piece in pieces:
        product = goods.depot.shelf.batch(piece.batch).product
        scheme = _SCHEMES.get(len(product.code), Scheme.GTIN)
        for index, serial in goods.depot.shelf.serials(piece.batch, piece.node).rows():
            code = PackCode(scheme, product.code, serial, lot=product.lot or None, expiry=product.expiry)
            # A serial may hold characters that no file's name can.
            safe = "".join(letter if letter.isalnum() else "_" for letter in serial)
            yield Label(code, f"{piece.batch.hex()[:8]}-{index:07d}-{safe}.png")


def picture_of(label: Label, *, symbology: Symbology, module: int) -> bytes:
    """The label as a PNG: the symbol, and the elements in words below it."""
    return write_symbol(label.code, symbology=symbology, module=module)


def write_labels(labels: Iterable[Label], folder: Path, *, symbology: Symbology, module: int) -> Iterator[Path]:
    """A file a pack."""
    folder.mkdir(parents=True, exist_ok=True)
    for label in labels:
        path = folder / label.name
        write_file(str(path), picture_of(label, symbology=symbology, module=module))
        yield path


def write_sheets(
    labels: Iterable[Label], folder: Path, *, columns: int, rows: int, symbology: Symbology, module: int
) -> Iterator[Path]:
    """Pages of labels, `columns` by `rows`."""
    folder.mkdir(parents=True, exist_ok=True)
    page: list[Image.Image] = []
    number = 0
    for label in labels:
        page.append(Image.open(io.BytesIO(picture_of(label, symbology=symbology, module=module))))
        if len(page) == columns * rows:
            number += 1
            yield _write_page(page, folder / f"sheet-{number:04d}.png", columns)
            page = []
    if page:
        yield _write_page(page, folder / f"sheet-{number + 1:04d}.png", columns)


def _write_page(labels: list[Image.Image], path: Path, columns: int) -> Path:
    width = max(label.width for label in labels)
    height = max(label.height for label in labels)
    lines = -(-len(labels) // columns)
    if width * columns * height * lines > 1 << 28:
        raise Failure(
            "A sheet of so many labels is too large a picture; give fewer --columns, --rows or a less --module."
        )
    sheet = Image.new("L", (width * min(columns, len(labels)), height * lines), color=255)
    for number, label in enumerate(labels):
        sheet.paste(label, (width * (number % columns), height * (number // columns)))
    picture = io.BytesIO()
    sheet.save(picture, format="PNG", optimize=True)
    write_file(str(path), picture.getvalue())
    return path

"""The square codes themselves: DataMatrix and QR symbols as PNG, and out of pictures.

Reading gives texts for `gs1.parse`, each with its symbology identifier. The bytes of a symbol are taken, not the text
that the decoder shows to people: that one writes the group separator as a word.
"""

import io
import warnings
from collections.abc import Sequence
from datetime import date
from enum import Enum, unique
from pathlib import Path

import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from theriac.errors import CodeTooLong, ImageTooLarge, NotAnImage
from theriac.medicine import gs1
from theriac.medicine.packid import PackCode, Scheme

MOST_PIXELS = 64_000_000
"""Of a picture that is decoded, more than a telephone's camera takes by default; four seconds of one core."""

MOST_BYTES = 64 * 1024 * 1024
"""Of a picture's file."""

_LONGEST_QR = 4296
"""Letters and digits in a QR symbol at most (ISO/IEC 18004, table 7)."""

_FILE_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM")
_GRAY = ("L", "1")
_WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")


@unique
class Symbology(Enum):
    """A kind of square code."""

    DATAMATRIX = "datamatrix"
    QR = "qr"


_FORMAT = {
    Symbology.DATAMATRIX: zxingcpp.BarcodeFormat.DataMatrix,
    Symbology.QR: zxingcpp.BarcodeFormat.QRCode,
}
_FORMATS = zxingcpp.BarcodeFormats(list(_FORMAT.values()))
_PREFIX = {zxingcpp.BarcodeFormat.DataMatrix: "]d1", zxingcpp.BarcodeFormat.QRCode: "]Q1"}
_GS1_PREFIX = {zxingcpp.BarcodeFormat.DataMatrix: "]d2", zxingcpp.BarcodeFormat.QRCode: "]Q3"}


def write_symbol(
    code: PackCode, *, symbology: Symbology = Symbology.DATAMATRIX, module: int = 8, today: date | None = None
) -> bytes:
    """A label as a PNG of 8-bit gray: the symbol, `module` pixels a module, and below it a line an element for people.

    GTIN codes become GS1 symbols with FNC1 in front, a PPN is written with its envelope, China's code as digits.

    :raises CodeTooLong: the elements do not fit a symbol.
    :raises WrongDate: two digits cannot say the year of the expiry.
    """
    elements = gs1.pack_elements(code, today=today)
    is_gs1 = code.scheme is Scheme.GTIN
    # Square brackets mark identifiers for the encoder: they may not stand in values, as round ones may.
    content = "".join(f"[{e.identifier}]{e.value}" for e in elements) if is_gs1 else gs1.write(code, today=today)
    try:
        barcode = zxingcpp.create_barcode(content, _FORMAT[symbology], gs1=is_gs1, force_square=True)
    except ValueError:
        raise CodeTooLong(length=len(content), limit=gs1.LONGEST) from None

    symbol = Image.fromarray(barcode.to_image(scale=module, add_quiet_zones=True))
    lines = [f"({e.identifier}) {e.value}" if e.identifier else e.value for e in elements]
    return _png(_label(symbol, lines, module))


def write_paper(text: str, lines: Sequence[str], *, pdf: bool, module: int = 6) -> bytes:
    """A sheet of paper with a QR symbol of any text, and lines for people below it: a PDF of one page, or a PNG.

    The text has to be of the letters and digits that such a symbol packs tightly. Raises CodeTooLong.
    """
    try:
        barcode = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode)
    except ValueError:
        raise CodeTooLong(length=len(text), limit=_LONGEST_QR) from None
    page = _label(Image.fromarray(barcode.to_image(scale=module, add_quiet_zones=True)), lines, module)
    if not pdf:
        return _png(page)
    out = io.BytesIO()
    page.save(out, format="PDF", resolution=150.0)
    return out.getvalue()


def _label(symbol: Image.Image, lines: Sequence[str], module: int) -> Image.Image:
    font = ImageFont.load_default(size=max(8, 2 * module))
    text = "\n".join(lines)
    left, top, right, bottom = ImageDraw.Draw(symbol).multiline_textbbox((0, 0), text, font=font)
    margin = 2 * module

    width = max(symbol.width, int(right - left)) + 2 * margin
    label = Image.new("L", (width, symbol.height + int(bottom - top) + 3 * margin), color=255)
    label.paste(symbol, (margin, margin))
    ImageDraw.Draw(label).multiline_text((margin - left, symbol.height + 2 * margin - top), text, fill=0, font=font)
    return label


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, format="PNG", optimize=True)
    return out.getvalue()


def read_symbols(source: bytes | Path) -> tuple[str, ...]:
    """The texts of all DataMatrix and QR symbols in a picture, given as its bytes or its file's path.

    Each starts with its symbology identifier, `]d2` and `]Q3` for GS1 symbols. Any turn and white-on-black are read.

    :raises NotAnImage: there is no such file, or it is no whole picture of a known kind.
    :raises ImageTooLarge: it has more than `MOST_BYTES` or `MOST_PIXELS`.
    """
    found = zxingcpp.read_barcodes(_opened(source), formats=_FORMATS)
    return tuple(_text(barcode) for barcode in found)


def _text(barcode: zxingcpp.Barcode) -> str:
    prefixes = _GS1_PREFIX if barcode.content_type == zxingcpp.ContentType.GS1 else _PREFIX
    return prefixes[barcode.symbology] + barcode.bytes.decode("latin-1")


def _opened(source: bytes | Path) -> Image.Image:
    """The picture in shades of gray, white where it is transparent."""
    name = "The picture" if isinstance(source, bytes) else str(source)
    data = _data(source, name)
    if len(data) > MOST_BYTES:
        raise ImageTooLarge(source=name, size=len(data), limit=MOST_BYTES, unit="bytes")
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures at a bound of its own; ours is below and an error.
            warnings.simplefilter("ignore")
            image: Image.Image = Image.open(io.BytesIO(data), formats=_FILE_FORMATS)
            _check_size(image, name)
            # A JPEG's brightness is stored apart, and is all that is needed.
            image.draft("L", image.size)
            image.load()
            return _gray(image)
    except ImageTooLarge:
        raise
    except Image.DecompressionBombError:
        raise NotAnImage(source=name, fault="its size cannot be") from None
    # What a hostile file makes a decoder raise is not a closed list; no other code runs in here.
    except Exception as error:
        raise NotAnImage(source=name, fault=type(error).__name__) from error


def _data(source: bytes | Path, name: str) -> bytes:
    if isinstance(source, bytes):
        return source
    try:
        with source.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise NotAnImage(source=name, fault=error.strerror or type(error).__name__) from None


def _check_size(image: Image.Image, name: str) -> None:
    pixels = image.width * image.height
    if pixels > MOST_PIXELS:
        raise ImageTooLarge(source=name, size=pixels, limit=MOST_PIXELS, unit="pixels")


def _gray(image: Image.Image) -> Image.Image:
    if image.mode in _GRAY:
        return image
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("L")
    if image.mode.startswith("I"):
        # Pillow cuts brighter values off instead of scaling them.
        return image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    return image.convert("L")

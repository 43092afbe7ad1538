"""Square codes written to PNG and read from pictures of every kind, whole, damaged and hostile."""

import io
import struct
import zlib
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import zxingcpp
from PIL import Image

from theriac.errors import CodeTooLong, ImageTooLarge, NotAnImage
from theriac.medicine import gs1, symbols
from theriac.medicine.packid import Element, PackCode, Scheme
from theriac.medicine.symbols import Symbology, read_symbols, write_symbol

GTIN = "03400930000014"
GTIN_CODE = PackCode(Scheme.GTIN, GTIN, "A(B)C%/7", lot="L_5", expiry=date(2027, 12, 31))
GTIN_TEXT = f"01{GTIN}17271231" + "21A(B)C%/7\x1d10L_5"
PPN_CODE = PackCode(Scheme.PPN, "110375286414", "QZ48Y77", lot="A1B2C3", expiry=date(2027, 12, 31))
PPN_TEXT = "[)>\x1e06\x1d9N110375286414\x1d1TA1B2C3\x1dD271231\x1dSQZ48Y77\x1e\x04"
CHINA_CODE = PackCode(Scheme.CHINA, "8301234", "5678901234567")


def _label(code: PackCode = GTIN_CODE) -> Image.Image:
    return Image.open(io.BytesIO(write_symbol(code)))


def _bytes(image: Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, format=kind)
    return out.getvalue()


@pytest.mark.parametrize(
    ("code", "symbology", "text"),
    [
        (GTIN_CODE, Symbology.DATAMATRIX, "]d2" + GTIN_TEXT),
        (GTIN_CODE, Symbology.QR, "]Q3" + GTIN_TEXT),
        (PPN_CODE, Symbology.DATAMATRIX, "]d1" + PPN_TEXT),
        (PPN_CODE, Symbology.QR, "]Q1" + PPN_TEXT),
        (CHINA_CODE, Symbology.DATAMATRIX, "]d183012345678901234567"),
        (CHINA_CODE, Symbology.QR, "]Q183012345678901234567"),
    ],
)
def test_read_symbols__what_was_written(code: PackCode, symbology: Symbology, text: str) -> None:
    # given
    picture = write_symbol(code, symbology=symbology)

    # when
    texts = read_symbols(picture)

    # then
    assert (texts, gs1.parse(texts[0])) == ((text,), code)


def test_write_symbol__every_sign_of_the_character_set() -> None:
    # given
    code = PackCode(Scheme.GTIN, GTIN, "!\"%&'()*+,-./:;<=>?", lot="_()")

    # when
    (text,) = read_symbols(write_symbol(code))

    # then
    assert gs1.parse(text) == code


def test_write_symbol__is_square_and_has_lines_for_people_below() -> None:
    # given
    picture = np.asarray(_label())

    # when the rows and columns with ink are taken apart
    rows = np.flatnonzero((picture < 128).any(axis=1))
    breaks = np.flatnonzero(np.diff(rows) > 1)
    symbol = picture[rows[0] : rows[breaks[0]] + 1]
    columns = np.flatnonzero((symbol < 128).any(axis=0))

    # then there is a square, and at least a line for each of the four elements
    assert symbol.shape[0] == columns[-1] - columns[0] + 1
    assert len(breaks) >= 4


def test_write_symbol__too_much_to_say() -> None:
    # given
    also = tuple(Element(str(identifier), "x" * 90) for identifier in range(91, 100))
    also += tuple(Element(str(identifier), "x" * 30) for identifier in (240, 241, 250, 251))
    code = PackCode(Scheme.GTIN, GTIN, "A", also=also * 3)

    # when, then
    with pytest.raises(CodeTooLong):
        write_symbol(code)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_read_symbols__modes_of_png(mode: str) -> None:
    # given
    gray = _label().convert("L")
    deep = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)

    # when
    texts = read_symbols(_bytes(deep if mode == "I;16" else gray.convert(mode)))

    # then
    assert texts == ("]d2" + GTIN_TEXT,)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM"])
def test_read_symbols__kinds_of_files(kind: str) -> None:
    # when
    texts = read_symbols(_bytes(_label().convert("RGB"), kind))

    # then
    assert texts == ("]d2" + GTIN_TEXT,)


def test_read_symbols__black_on_transparent() -> None:
    # given
    ink = np.asarray(_label().convert("L")) < 128
    pixels = np.zeros((*ink.shape, 4), dtype=np.uint8)
    pixels[..., 3] = ink * 255

    # when
    texts = read_symbols(_bytes(Image.fromarray(pixels)))

    # then
    assert texts == ("]d2" + GTIN_TEXT,)


@pytest.mark.parametrize("degrees", [0, 17, 90, 180, 270])
def test_read_symbols__turned(degrees: int) -> None:
    # given
    turned = _label().convert("L").rotate(degrees, expand=True, fillcolor=255, resample=Image.Resampling.BICUBIC)

    # when
    texts = read_symbols(_bytes(turned))

    # then
    assert texts == ("]d2" + GTIN_TEXT,)


def test_read_symbols__white_on_black() -> None:
    # given
    inverted = _label().convert("L").point(lambda value: 255 - value)

    # when
    texts = read_symbols(_bytes(inverted))

    # then
    assert texts == ("]d2" + GTIN_TEXT,)


def test_read_symbols__several_in_one_picture() -> None:
    # given
    labels = [_label(code).convert("L") for code in (GTIN_CODE, PPN_CODE, CHINA_CODE)]
    shelf = Image.new("L", (sum(label.width for label in labels) + 200, 500), color=255)
    for place, label in enumerate(labels):
        shelf.paste(label, (50 + sum(before.width for before in labels[:place]) + 40 * place, 50))

    # when
    texts = read_symbols(_bytes(shelf))

    # then
    assert sorted(texts) == sorted(["]d2" + GTIN_TEXT, "]d1" + PPN_TEXT, "]d183012345678901234567"])


def test_read_symbols__none_there() -> None:
    # when, then
    assert read_symbols(_bytes(Image.new("L", (200, 200), color=255))) == ()


def test_read_symbols__from_a_file(tmp_path: Path) -> None:
    # given
    path = tmp_path / "label.png"
    path.write_bytes(write_symbol(GTIN_CODE))

    # when, then
    assert read_symbols(path) == ("]d2" + GTIN_TEXT,)


def test_read_symbols__no_such_file(tmp_path: Path) -> None:
    # when
    with pytest.raises(NotAnImage) as raised:
        read_symbols(tmp_path / "none.png")

    # then
    assert vars(raised.value) == {"source": str(tmp_path / "none.png"), "fault": "No such file or directory"}


def test_read_symbols__a_folder(tmp_path: Path) -> None:
    # when, then
    with pytest.raises(NotAnImage):
        read_symbols(tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a picture",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        b"\x89PNG\r\n\x1a\n",
        b"BM" + b"\0" * 60,
    ],
)
def test_read_symbols__not_an_image(data: bytes) -> None:
    # when, then
    with pytest.raises(NotAnImage):
        read_symbols(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP"])
def test_read_symbols__cut_short_or_altered_anywhere(kind: str) -> None:
    # given
    whole = _bytes(_label().convert("RGB"), kind)
    places = range(1, len(whole), max(1, len(whole) // 40))
    damaged = [whole[:place] for place in places]
    damaged += [whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :] for place in places]

    # when
    outcomes = [_outcome(data) for data in damaged]

    # then each is read, or refused in one way
    assert set(outcomes) <= {"read", "NotAnImage", "ImageTooLarge"}


def _outcome(data: bytes) -> str:
    try:
        read_symbols(data)
    except (NotAnImage, ImageTooLarge) as error:
        return type(error).__name__
    return "read"


def _png_that_says(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("width", "height", "error"),
    [(8001, 8001, ImageTooLarge), (60_000, 60_000, (ImageTooLarge, NotAnImage)), (2**31 - 1, 2**31 - 1, NotAnImage)],
)
def test_read_symbols__more_pixels_than_are_decoded(width: int, height: int, error: type[Exception]) -> None:
    # given
    bomb = _png_that_says(width, height)

    # when, then
    with pytest.raises(error):
        read_symbols(bomb)


def test_read_symbols__facts_of_a_bomb() -> None:
    # when
    with pytest.raises(ImageTooLarge) as raised:
        read_symbols(_png_that_says(10_000, 7_000))

    # then
    assert vars(raised.value) == {
        "source": "The picture",
        "size": 70_000_000,
        "limit": 64_000_000,
        "unit": "pixels",
    }


def test_read_symbols__file_larger_than_is_read(tmp_path: Path) -> None:
    # given a file with a hole in it
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(symbols.MOST_BYTES + 1)

    # when
    with pytest.raises(ImageTooLarge) as raised:
        read_symbols(path)

    # then
    assert raised.value.unit == "bytes"


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_read_symbols__decodes_the_picture_as_it_is(mode: str) -> None:
    # given a picture with grain, as a camera gives it
    label = _label().convert("L")
    sheet = Image.new("L", (600, 500), color=230)
    sheet.paste(label, (150, 60))
    grain = np.random.default_rng(7).integers(-9, 10, (500, 600))
    picture = Image.fromarray(np.clip(np.asarray(sheet).astype(int) + grain, 0, 255).astype(np.uint8)).convert(mode)

    # when
    bare = [barcode.bytes.decode("latin-1") for barcode in zxingcpp.read_barcodes(picture)]

    # then
    assert read_symbols(_bytes(picture)) == tuple("]d2" + text for text in bare) == ("]d2" + GTIN_TEXT,)

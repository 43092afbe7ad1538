"""A DICOM frame as a picture: its pixels in the window of the file, and what cannot be shown is said."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from theriac.errors import NoPicture
from theriac.health import pictures
from theriac.health.pictures import picture

GRADIENT = Path(__file__).resolve().parent.parent.parent / "examples" / "dicom" / "gradient.dcm"


def changed(**values: object) -> bytes:
    """The gradient with other elements."""
    dataset = pydicom.dcmread(GRADIENT)
    for name, value in values.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    sink = io.BytesIO()
    dataset.save_as(sink, enforce_file_format=True)
    return sink.getvalue()


def shades(content: bytes, *, frame: int = 1) -> "np.ndarray":
    return np.asarray(Image.open(io.BytesIO(picture(content, frame=frame).png)))


def pixels() -> "np.ndarray":
    return pydicom.dcmread(GRADIENT).pixel_array.astype(float)


def test_picture__keeps_size_and_order_of_greys():
    found = picture(GRADIENT.read_bytes())
    raw, seen = pixels(), shades(GRADIENT.read_bytes()).astype(float)

    assert (found.width, found.height, found.frame, found.frames) == (64, 64, 1, 1)
    assert seen.min() == 0
    assert seen.max() == 255
    assert np.abs(seen - (raw - raw.min()) * 255 / (raw.max() - raw.min())).max() <= 0.5


def test_picture__monochrome_1__is_light_where_the_value_is_low():
    plain, inverted = shades(GRADIENT.read_bytes()), shades(changed(PhotometricInterpretation="MONOCHROME1"))

    assert (inverted == 255 - plain).all()


def test_picture__in_a_window__shows_nothing_beside_it():
    raw = pixels()
    low, high = float(np.quantile(raw, 0.4)), float(np.quantile(raw, 0.6))

    seen = shades(changed(WindowCenter=(low + high) / 2, WindowWidth=high - low))

    assert (seen[raw < low - 1] == 0).all()
    assert (seen[raw > high + 1] == 255).all()


def test_picture__of_several_frames__the_one_that_is_asked_for():
    dataset = pydicom.dcmread(GRADIENT)
    raw = dataset.pixel_array
    dataset.NumberOfFrames = 2
    dataset.PixelData = raw.tobytes() + raw[::-1].tobytes()
    sink = io.BytesIO()
    dataset.save_as(sink, enforce_file_format=True)

    first, second = (shades(sink.getvalue(), frame=number) for number in (1, 2))

    assert (second == first[::-1]).all()
    with pytest.raises(NoPicture, match="it has 2 frames, and frame 3 was asked for"):
        picture(sink.getvalue(), frame=3)


def test_picture__compressed__is_the_same():
    dataset = pydicom.dcmread(GRADIENT)
    dataset.compress(RLELossless)
    sink = io.BytesIO()
    dataset.save_as(sink, enforce_file_format=True)

    assert (shades(sink.getvalue()) == shades(GRADIENT.read_bytes())).all()


def test_picture__deflated__is_refused_before_it_is_inflated():
    dataset = pydicom.dcmread(GRADIENT)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    sink = io.BytesIO()
    dataset.save_as(sink, enforce_file_format=True)

    with pytest.raises(NoPicture, match="it is deflated"):
        picture(sink.getvalue())


def lengthened(tag: bytes) -> bytes:
    """The gradient with a byte too many in an element of whole numbers of 16 bits."""
    head, found, rest = GRADIENT.read_bytes().partition(tag + b"US\x02\x00")
    assert found
    return head + tag + b"US\x03\x00" + rest[:2] + b"\x00" + rest[2:]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "no whole DICOM file"),
        (b"%PDF-1.4", "no whole DICOM file"),
        (GRADIENT.read_bytes()[:400], "no whole DICOM file"),
        (changed(PixelData=None), "it has no pixels"),
        (changed(Rows=65535, Columns=65535), "its 65535 by 65535 pixels are too many"),
        (changed(Rows=2000, Columns=2000), "its pixels cannot be decoded"),
        (changed(BitsAllocated=7), "its pixels cannot be decoded"),
        (lengthened(b"\x28\x00\x10\x00"), "it has no pixels"),
        (lengthened(b"\x28\x00\x02\x00"), "its pixels cannot be decoded"),
    ],
    ids=["empty", "pdf", "cut", "no_pixels", "huge", "too_few_pixels", "bits", "rows_of_3_bytes", "samples_of_3_bytes"],
)
def test_picture__what_cannot_be_shown__one_sentence(content, fault):
    with pytest.raises(NoPicture, match=fault) as refused:
        picture(content)
    assert refused.value.exit_code == 3
    assert "save it and open it" in str(refused.value)


def test_picture__out_of_memory__one_sentence(monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(pictures, "pixel_array", full)

    with pytest.raises(NoPicture, match="more memory"):
        picture(GRADIENT.read_bytes())

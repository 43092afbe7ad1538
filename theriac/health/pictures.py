"""A frame of a DICOM file as a picture that any screen shows (PS3.3 C.11, Look Up Tables and Presentation States).

It is for looking at, not for a diagnosis: a picture of eight bits has lost most of what a film has.
"""

import io
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.pixels.utils import pixel_array

from theriac.errors import NoPicture, TheriacError
from theriac.health.dicom import open_dicom

_DEFLATED = "1.2.840.10008.1.2.1.99"
MOST_PIXELS = 32 << 20
"""Pixels of one frame; a larger one, such as a whole slide, is for a viewer of its own."""


@dataclass(frozen=True)
class Picture:
    """A frame as a PNG; `frame` counts from 1 up to `frames`."""

    png: bytes
    width: int
    height: int
    frame: int
    frames: int


def picture(content: bytes, *, frame: int = 1) -> Picture:
    """A frame of a DICOM file, in the window that the file asks for.

    :raises NoPicture: it has none, or one that cannot be shown here.
    """
    dataset = _read(content)
    rows, columns = _number(dataset, "Rows", 0), _number(dataset, "Columns", 0)
    frames = _number(dataset, "NumberOfFrames", 1)
    if "PixelData" not in dataset or not rows or not columns:
        raise NoPicture(fault="it has no pixels")
    if rows * columns > MOST_PIXELS:
        raise NoPicture(fault=f"its {columns} by {rows} pixels are too many")
    if not 1 <= frame <= frames:
        raise NoPicture(fault=f"it has {frames} frames, and frame {frame} was asked for")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pixels = _shades(dataset, pixel_array(dataset, index=frame - 1))
        sink = io.BytesIO()
        Image.fromarray(pixels).save(sink, "PNG", compress_level=3)
    except MemoryError:
        raise NoPicture(fault="it needs more memory than there is") from None
    except Exception as fault:
        # Decoders of half a dozen libraries are behind this, each with errors of its own.
        raise NoPicture(fault=f"its pixels cannot be decoded ({type(fault).__name__})") from None
    return Picture(sink.getvalue(), columns, rows, frame, frames)


def _read(content: bytes) -> Dataset:
    try:
        syntax = open_dicom(io.BytesIO(content)).facts.transfer_syntax
    except TheriacError as fault:
        raise NoPicture(fault=f"it is no whole DICOM file ({type(fault).__name__})") from None
    if syntax == _DEFLATED:
        # The library inflates all of it at once, and a megabyte can hold a gigabyte.
        raise NoPicture(fault="it is deflated")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return dcmread(io.BytesIO(content))
    except Exception as fault:
        raise NoPicture(fault=f"it is no whole DICOM file ({type(fault).__name__})") from None


def _number(dataset: Dataset, name: str, default: int) -> int:
    try:
        return int(dataset.get(name, default) or default)
    except Exception:
        # An element is decoded when it is asked for, and what is wrong with it comes in the library's own errors.
        return default


def _shades(dataset: Dataset, pixels: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Eight bits: colours as they are, grey values through modality and window, light where the file says so."""
    if _number(dataset, "SamplesPerPixel", 1) > 1:
        return pixels if pixels.dtype == np.uint8 else _stretched(pixels)
    windowed = _stretched(apply_voi_lut(apply_modality_lut(pixels, dataset), dataset))
    return 255 - windowed if dataset.get("PhotometricInterpretation") == "MONOCHROME1" else windowed


def _stretched(pixels: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    values = pixels.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) * (255 / (high - low)) if high > low else np.zeros_like(values)
    return scaled.round().astype(np.uint8)

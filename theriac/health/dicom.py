"""A DICOM file as an imaging record: its facts for the manifest, its bytes unchanged (DICOM PS3.10).

A slide can have gigabytes, and may come through a pipe. So the file is walked element by element as it flows past, by
lengths alone: that finds the few elements at the beginning that a manifest needs, and at the end tells a whole file
from a truncated one. Pixel data is never held.
"""

import datetime
import io
import re
import struct
import warnings
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from pydicom.config import IGNORE
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag
from pydicom.uid import UID

from theriac.errors import DamagedDicom, NoDicomIds, NotDicom, TruncatedDicom
from theriac.fhir import MAX_CODES, MAX_TEXT, Code
from theriac.health.scope import UNSORTED, Category, Classified, KeyClass, Level

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

HEAD_LIMIT = 64 * 1024 * 1024
"""Bytes that may stand before the patient, study and series are known; real files need some kilobytes."""

_CHUNK = 256 * 1024
_NO_BEGINNING = "study and series are not near its beginning"


@dataclass(frozen=True)
class ImagingFacts:
    """What the manifest of an imaging record says, by the names of DICOM PS3.3.

    :param study: Study Instance UID; `series` and `instance` likewise. `instance` is the SOP Instance UID.
    :param sop_class: SOP Class UID.
    :param modality: such as `CT` or `MR`.
    :param day: of the study, else of the series, the acquisition or the content, as the file says it.
    :param body_part: Body Part Examined.
    :param description: Study Description.
    :param procedures: Procedure Code Sequence, with the systems' FHIR names.
    """

    study: str
    series: str
    instance: str
    sop_class: str
    transfer_syntax: str
    modality: str | None
    day: datetime.date | None
    body_part: str | None
    description: str | None
    procedures: tuple[Code, ...]


@dataclass(frozen=True)
class ImagingRecord:
    """A DICOM file on its way to be sealed.

    :param content: all bytes of the file, to be read once. At its end it raises `TruncatedDicom` or
        `DamagedDicom` if the file was not whole, so that nothing of it is anchored.
    """

    facts: ImagingFacts
    classified: Classified
    content: BinaryIO


def open_dicom(stream: BinaryIO) -> ImagingRecord:
    """Read the facts from the beginning of a DICOM file and hand on all of it.

    :param stream: from its first byte; need not be seekable.
    :raises NotDicom: no DICOM file of PS3.10.
    :raises TruncatedDicom: it ends before its facts, or in an element of them.
    :raises DamagedDicom: its structure cannot be followed.
    :raises NoDicomIds: it has no study, series and instance, such as a DICOMDIR.
    """
    walk = _Walk()
    read = bytearray()
    while not walk.head_is_whole:
        chunk = stream.read(_CHUNK)
        if not chunk:
            walk.end()
            break
        read += chunk
        walk.feed(chunk)
        if len(read) > HEAD_LIMIT and not walk.head_is_whole:
            raise DamagedDicom(position=len(read), problem=_NO_BEGINNING)

    dataset = _dataset_of(walk)
    facts = _facts_of(dataset, walk.transfer_syntax)
    # A file cut between two elements has a sound structure; an image without pixels still gives it away.
    walk.needs_pixels = "Image Storage" in UID(facts.sop_class, IGNORE).name
    content = io.BufferedReader(_Checked(bytes(read), stream, walk), _CHUNK)
    return ImagingRecord(facts, _classify(dataset), cast(BinaryIO, content))


class _Checked(io.RawIOBase):
    """A file that flows past its walk: what was read already, then the rest."""

    def __init__(self, read: bytes, rest: BinaryIO, walk: "_Walk") -> None:
        self._read = memoryview(read)
        self._rest = rest
        self._walk = walk

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        target = memoryview(buffer)
        if self._read:
            chunk = self._read[: len(target)]
            self._read = self._read[len(chunk) :]
        else:
            chunk = memoryview(self._rest.read(len(target)))
            if chunk:
                self._walk.feed(chunk)
            else:
                self._walk.end()
        target[: len(chunk)] = chunk
        return len(chunk)


# -- walking through a file ------------------------------------------------------------------------------------------

_PREAMBLE = 132
_UNDEFINED = 0xFFFFFFFF
_DEEPEST = 64
_LONG_FORM = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_SHORT_FORM = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS"}
    | {b"LO", b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
)
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_TRANSFER_SYNTAX = 0x00020010
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010, 0x00287FE0)
_LAST_FACT = 0x00403001

_IMPLICIT = "1.2.840.10008.1.2"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_DEFLATED = "1.2.840.10008.1.2.1.99"


@dataclass(frozen=True)
class _Take:
    """The walk asks for so many bytes.

    :param at_end: whether the file may end instead.
    :param peek: whether the bytes are to be met again.
    """

    size: int
    at_end: bool = False
    peek: bool = False


@dataclass(frozen=True)
class _Skip:
    """The walk passes over so many bytes."""

    size: int


_Steps = Generator[_Take | _Skip, bytes, None]


class _Walk:
    """Follows the structure of a file that is fed to it in pieces of any size.

    :ivar transfer_syntax: as the file's meta information says it.
    :ivar head: the data set as far as facts reach, inflated if the file is deflated.
    :ivar head_is_whole: whether all facts there are have been passed.
    :ivar needs_pixels: whether a whole file has pixel data.
    """

    def __init__(self) -> None:
        self.transfer_syntax = ""
        self.head = bytearray()
        self.head_is_whole = False
        self.needs_pixels = False
        self._has_pixels = False
        self._in_dataset = False
        self._inflate: zlib._Decompress | None = None
        self._position = 0
        self._buffer = bytearray()
        self._skipped = 0
        self._steps = self._file()
        self._step: _Take | _Skip = next(self._steps)

    def feed(self, data: bytes | memoryview) -> None:
        """Follow the next bytes of the file.

        :raises NotDicom: it does not begin like a DICOM file.
        :raises DamagedDicom: the structure breaks here.
        """
        rest = memoryview(data)
        while rest and not self._inflate:
            rest = self._advance(rest)
        while rest and self._inflate and not self._inflate.eof:
            try:
                inflated = memoryview(self._inflate.decompress(rest, _CHUNK))
            except zlib.error:
                raise DamagedDicom(position=self._position, problem="the compression breaks off") from None
            rest = memoryview(self._inflate.unconsumed_tail)
            while inflated:
                inflated = self._advance(inflated)

    def end(self) -> None:
        """Be told that the file ends here.

        :raises NotDicom: it is too short to be a DICOM file.
        :raises TruncatedDicom: it may not end here.
        """
        if self._position < _PREAMBLE:
            raise NotDicom
        step = self._step
        whole = isinstance(step, _Take) and step.at_end and not self._buffer
        whole = whole and (self._has_pixels or not self.needs_pixels)
        if not whole or (self._inflate and not self._inflate.eof):
            raise TruncatedDicom(position=self._position + len(self._buffer))
        self.head_is_whole = True

    def _advance(self, data: memoryview) -> memoryview:
        step = self._step
        if isinstance(step, _Skip):
            passed = data[: step.size - self._skipped]
            self._consume(passed)
            self._skipped += len(passed)
            if self._skipped == step.size:
                self._skipped = 0
                self._next(b"")
            return data[len(passed) :]

        part = data[: step.size - len(self._buffer)]
        rest = data[len(part) :]
        self._buffer += part
        if len(self._buffer) < step.size:
            return rest
        taken = bytes(self._buffer)
        self._buffer.clear()
        if step.peek:
            rest = memoryview(taken + rest)
        else:
            self._consume(taken)
        self._next(taken)
        return rest

    def _next(self, taken: bytes) -> None:
        self._step = self._steps.send(taken)
        while self._step == _Skip(0):
            self._step = self._steps.send(b"")

    def _consume(self, data: bytes | memoryview) -> None:
        self._position += len(data)
        if self._in_dataset and not self.head_is_whole:
            self.head += data
            if len(self.head) > HEAD_LIMIT:
                raise DamagedDicom(position=self._position, problem=_NO_BEGINNING)

    def _broken(self, problem: str) -> DamagedDicom:
        return DamagedDicom(position=self._position, problem=problem)

    def _file(self) -> _Steps:
        """PS3.10 section 7.1: preamble, prefix, meta information in explicit little endian, data set."""
        if (yield _Take(_PREAMBLE))[128:] != b"DICM":
            raise NotDicom
        while (yield _Take(2, at_end=True, peek=True)) == b"\x02\x00":
            group, element, vr, length = struct.unpack("<HH2sH", (yield _Take(8)))
            if vr in _LONG_FORM:
                (length,) = struct.unpack("<I", (yield _Take(4)))
            elif vr not in _SHORT_FORM:
                raise self._broken("a value of unknown kind in its meta information")
            if group << 16 | element == _TRANSFER_SYNTAX:
                self.transfer_syntax = (yield _Take(length)).decode("latin-1").strip("\0 ")
            else:
                yield _Skip(length)
        if not self.transfer_syntax:
            raise self._broken("its meta information names no transfer syntax")

        self._in_dataset = True
        if self.transfer_syntax == _DEFLATED:
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        yield from self._dataset()

    def _dataset(self) -> _Steps:
        """PS3.5 section 7: elements by their lengths; only what has no length of its own is entered."""
        order = ">" if self.transfer_syntax == _BIG_ENDIAN else "<"
        explicit = self.transfer_syntax != _IMPLICIT
        within: list[tuple[int, bool]] = []
        while True:
            start = yield _Take(8, at_end=not within)
            group, element, length = struct.unpack(f"{order}HHI", start)
            tag = group << 16 | element
            if not within and tag > _LAST_FACT and not self.head_is_whole:
                del self.head[-len(start) :]
                self.head_is_whole = True

            self._has_pixels |= not within and tag in _PIXELS
            inside = within[-1][0] if within else None
            if tag in (_ITEM_END, _SEQUENCE_END):
                if inside != tag:
                    raise self._broken("an end without its beginning")
                _, explicit = within.pop()
                continue
            if (tag == _ITEM) != (inside == _SEQUENCE_END):
                raise self._broken("an item outside of a sequence, or something else inside")

            undefined_as = _SEQUENCE_END
            vr = b""
            if tag == _ITEM:
                undefined_as = _ITEM_END
            elif explicit:
                vr = start[4:6]
                if vr in _LONG_FORM:
                    (length,) = struct.unpack(f"{order}I", (yield _Take(4)))
                elif vr in _SHORT_FORM:
                    (length,) = struct.unpack(f"{order}H", start[6:])
                else:
                    raise self._broken("a value of unknown kind")
            if length != _UNDEFINED:
                yield _Skip(length)
                continue
            if len(within) == _DEEPEST:
                raise self._broken("sequences lie too deep in each other")
            within.append((undefined_as, explicit))
            # PS3.5 section 6.2.2: an unknown value of undefined length is a sequence in implicit little endian.
            explicit = explicit and vr != b"UN"


# -- facts -----------------------------------------------------------------------------------------------------------

_UID = re.compile(r"[0-9][0-9.]{0,63}", re.ASCII)
_DAY = re.compile(r"(\d{4})\.?(\d\d)\.?(\d\d)", re.ASCII)
_DAY_FIELDS = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")
_LABEL_FIELDS = ("ConfidentialityCode", "ConfidentialityConstraintOnPatientDataDescription")
_TEXT_FIELDS = ("Modality", "BodyPartExamined", "StudyDescription")
_UID_FIELDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
_FIELDS = ("SpecificCharacterSet", "ProcedureCodeSequence", *_DAY_FIELDS, *_LABEL_FIELDS, *_TEXT_FIELDS, *_UID_FIELDS)

_SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "LN": "http://loinc.org",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
}

_ENCAPSULATED = ("1.2.840.10008.5.1.4.1.1.104.1", "1.2.840.10008.5.1.4.1.1.104.2")


def _dataset_of(walk: _Walk) -> Dataset:
    implicit = walk.transfer_syntax == _IMPLICIT
    little = walk.transfer_syntax != _BIG_ENDIAN
    with _foreign_bytes():
        return read_dataset(io.BytesIO(walk.head), implicit, little, specific_tags=[Tag(field) for field in _FIELDS])
    raise DamagedDicom(position=None, problem="its beginning cannot be read")


@contextmanager
def _foreign_bytes() -> Iterator[None]:
    """Let the parser make what it can of bytes from anywhere. Whatever it warns of or raises, it has read nothing."""
    with warnings.catch_warnings(), suppress(Exception):
        warnings.simplefilter("ignore")
        yield


def _facts_of(dataset: Dataset, transfer_syntax: str) -> ImagingFacts:
    uids = [uid if (uid := _text(dataset, field)) and _UID.fullmatch(uid) else None for field in _UID_FIELDS]
    study, series, instance, sop_class = uids
    if not (study and series and instance and sop_class):
        raise NoDicomIds
    return ImagingFacts(
        study=study,
        series=series,
        instance=instance,
        sop_class=sop_class,
        transfer_syntax=transfer_syntax,
        modality=_text(dataset, "Modality"),
        day=next((day for field in _DAY_FIELDS if (day := _day(_text(dataset, field)))), None),
        body_part=_text(dataset, "BodyPartExamined"),
        description=_text(dataset, "StudyDescription"),
        procedures=_procedures(dataset),
    )


def _text(dataset: Dataset, field: str) -> str | None:
    with _foreign_bytes():
        value = dataset.get(field)
        first = value[0] if isinstance(value, MultiValue) and value else value
        return str(first).strip("\0 ")[:MAX_TEXT] or None if first else None
    return None


def _day(text: str | None) -> datetime.date | None:
    match = _DAY.fullmatch(text or "")
    if not match:
        return None
    year, month, day = map(int, match.groups())
    try:
        return datetime.date(year, month, day)
    except ValueError:
        return None


def _procedures(dataset: Dataset) -> tuple[Code, ...]:
    with _foreign_bytes():
        items = list(dataset.get("ProcedureCodeSequence") or ())[:MAX_CODES]
        return tuple(
            Code(_SYSTEMS.get(scheme or "", scheme), code, _text(item, "CodeMeaning"))
            for item in items
            if (code := _text(item, "CodeValue")) and (scheme := _text(item, "CodingSchemeDesignator"))
        )
    return ()


def _classify(dataset: Dataset) -> Classified:
    """A DICOM file is an image at level N, unless it names a constraint or is a document in an image's clothes."""
    if any(_text(dataset, field) for field in _LABEL_FIELDS):
        return Classified(UNSORTED, "it names a confidentiality that no table knows", certain=False)
    if _text(dataset, "SOPClassUID") in _ENCAPSULATED:
        return Classified(UNSORTED, "it is a document of any kind in a DICOM file", certain=False)
    return Classified(KeyClass(Category.IMAGING, Level.N), "a DICOM file", certain=True)

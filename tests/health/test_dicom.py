"""A DICOM file gives its facts from its first bytes, comes through unchanged, and is refused if it is not whole."""

import datetime
import importlib.util
import io
import tracemalloc
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EncapsulatedPDFStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from theriac.errors import DamagedDicom, NoDicomIds, NotDicom, TheriacError, TruncatedDicom
from theriac.fhir import Code
from theriac.health.dicom import ImagingFacts, open_dicom
from theriac.health.scope import UNSORTED, Classified, KeyClass

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "dicom"
IMAGE = (EXAMPLES / "gradient.dcm").read_bytes()
PIXELS = 64 * 64
FACTS = ImagingFacts(
    study="2.25.197563145612345678901234567890123456",
    series="2.25.197563145612345678901234567890123457",
    instance="2.25.197563145612345678901234567890123458",
    sop_class="1.2.840.10008.5.1.4.1.1.7",
    transfer_syntax=ExplicitVRLittleEndian,
    modality="CR",
    day=datetime.date(2024, 2, 29),
    body_part="ANKLE",
    description="Ankle, two views",
    procedures=(Code("http://snomed.info/sct", "19490002", "Ankle X-ray"),),
)


class Pipe(io.RawIOBase):
    """A stream that cannot seek and gives at most `most` bytes at a time."""

    def __init__(self, data: bytes, *, most: int) -> None:
        self._source = io.BytesIO(data)
        self._most = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        piece = self._source.read(min(self._most, len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


class Slide(io.RawIOBase):
    """A file of `head` and `size` zeros, made as they are read; without a head, the example with so many pixels."""

    def __init__(self, size: int, *, head: bytes = b"") -> None:
        self._head = head or IMAGE[: -PIXELS - 4] + size.to_bytes(4, "little")
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        piece = self._head[: len(buffer)] or bytes(min(len(buffer), self._left))
        self._left -= 0 if self._head else len(piece)
        self._head = self._head[len(piece) :]
        buffer[: len(piece)] = piece
        return len(piece)


def image(**fields: object) -> Dataset:
    """The example, with some elements set or, by None, left out."""
    dataset = dcmread(io.BytesIO(IMAGE))
    for name, value in fields.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    return dataset


def written(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    file = io.BytesIO()
    dataset.file_meta.TransferSyntaxUID = syntax
    dcmwrite(file, dataset, enforce_file_format=True, implicit_vr=None, little_endian=None)
    return file.getvalue()


def opened(data: bytes) -> tuple[ImagingFacts, bytes]:
    record = open_dicom(io.BytesIO(data))
    return record.facts, record.content.read()


def test_example__is_what_its_maker_makes() -> None:
    spec = importlib.util.spec_from_file_location("make", EXAMPLES / "make.py")
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)

    assert make.image() == IMAGE


def test_open_dicom__gives_facts_and_class_and_all_bytes() -> None:
    record = open_dicom(io.BytesIO(IMAGE))

    assert record.facts == FACTS
    assert record.classified == Classified(KeyClass.parse("imaging/N"), "a DICOM file", certain=True)
    assert record.content.read() == IMAGE


@pytest.mark.parametrize("most", [1, 7, 4096])
def test_open_dicom__from_a_pipe__is_the_same(most: int) -> None:
    record = open_dicom(cast(BinaryIO, Pipe(IMAGE, most=most)))

    assert record.facts == FACTS
    assert record.content.read() == IMAGE


def test_open_dicom__of_a_large_slide__holds_next_to_nothing() -> None:
    size = 192 * 1024 * 1024
    tracemalloc.start()

    record = open_dicom(cast(BinaryIO, Slide(size)))
    read = sum(len(piece) for piece in iter(lambda: record.content.read(1 << 20), b""))

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert record.facts == FACTS
    assert read == len(IMAGE) - PIXELS + size
    assert peak < 8 * 1024 * 1024


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian], ids=lambda each: each.name
)
def test_open_dicom__in_each_transfer_syntax__finds_facts_and_the_end(syntax: str) -> None:
    source = dcmread(io.BytesIO(IMAGE))
    source.file_meta.TransferSyntaxUID = syntax
    file = io.BytesIO()
    dcmwrite(file, source, force_encoding=False)
    data = file.getvalue()

    facts, content = opened(data)

    assert facts.transfer_syntax == syntax
    assert (facts.study, facts.day, facts.body_part, facts.procedures) == (
        FACTS.study,
        FACTS.day,
        FACTS.body_part,
        FACTS.procedures,
    )
    assert content == data
    with pytest.raises(TruncatedDicom):
        opened(data[: -PIXELS // 2] if syntax != DeflatedExplicitVRLittleEndian else data[:-8])


def test_open_dicom__with_compressed_pixels__follows_the_fragments() -> None:
    pixels = encapsulate([b"\xff\xd8" + bytes(1000) + b"\xff\xd9", b"\xff\xd8\xff\xd9"])
    data = written(image(PixelData=pixels), JPEGBaseline8Bit)

    facts, content = opened(data)

    assert facts.transfer_syntax == JPEGBaseline8Bit
    assert content == data
    with pytest.raises(TruncatedDicom):
        opened(data[:-8])


SEQUENCE = bytes.fromhex("09001010") + b"UN" + bytes.fromhex("0000ffffffff")
ITEM = (
    bytes.fromhex("feff00e0ffffffff") + bytes.fromhex("0900011004000000") + b"abcd" + bytes.fromhex("feff0de000000000")
)
END = bytes.fromhex("feffdde000000000")


def with_private(element: bytes) -> bytes:
    """The example with a private element in group 0009, before all that has a higher number."""
    place = IMAGE.index(b"\x10\x00\x10\x00PN")
    return IMAGE[:place] + element + IMAGE[place:]


def test_open_dicom__with_an_unknown_sequence__reads_it_as_implicit_and_goes_on() -> None:
    data = with_private(SEQUENCE + ITEM + ITEM + END)

    assert opened(data) == (FACTS, data)


@pytest.mark.parametrize(
    ("element", "problem"),
    [
        (END, "an end without its beginning"),
        (ITEM, "an item outside of a sequence, or something else inside"),
        (SEQUENCE + ITEM[:-8] + END, "an end without its beginning"),
        (
            SEQUENCE + bytes.fromhex("0900011004000000") + b"abcd" + END,
            "an item outside of a sequence, or something else inside",
        ),
        (
            SEQUENCE + bytes.fromhex("feff00e0ffffffff09001010ffffffff") * 40,
            "sequences lie too deep in each other",
        ),
        (b"\x09\x00\x10\x10??\x00\x00", "a value of unknown kind"),
        (bytes(8), "a value of unknown kind"),
    ],
    ids=["end alone", "item alone", "item not ended", "no item", "too deep", "unknown kind", "zeros"],
)
def test_open_dicom__of_a_broken_structure__says_what_is_wrong(element: bytes, problem: str) -> None:
    with pytest.raises(DamagedDicom) as caught:
        opened(with_private(element))

    assert caught.value.problem == problem


def test_open_dicom__with_a_beginning_without_end__is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theriac.health.dicom.HEAD_LIMIT", 1000)
    data = with_private(b"\x09\x00\x10\x10OB\x00\x00" + (2000).to_bytes(4, "little") + bytes(2000))

    with pytest.raises(DamagedDicom) as caught:
        opened(data)

    assert caught.value.problem == "study and series are not near its beginning"


def test_open_dicom__with_endless_meta_information__is_refused_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theriac.health.dicom.HEAD_LIMIT", 1 << 20)
    start = IMAGE[:132] + b"\x02\x00\x10\x00UN\x00\x00\xff\xff\xff\x7f"
    tracemalloc.start()

    with pytest.raises(DamagedDicom):
        open_dicom(cast(BinaryIO, Slide(32 * 1024 * 1024, head=start)))

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 1024 * 1024


def test_open_dicom__with_a_deflated_stream_that_never_ends__is_truncated() -> None:
    deflated = dcmread(io.BytesIO(IMAGE))
    deflated.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    file = io.BytesIO()
    dcmwrite(file, deflated, force_encoding=False)
    meta = file.getvalue()[: 132 + 12 + int.from_bytes(file.getvalue()[140:144], "little")]
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    dataset = IMAGE[132 + 12 + int.from_bytes(IMAGE[140:144], "little") :]
    endless = meta + squeeze.compress(dataset) + squeeze.flush(zlib.Z_SYNC_FLUSH)

    with pytest.raises(TruncatedDicom):
        opened(endless)

    assert opened(endless + squeeze.flush())[0].study == FACTS.study


@pytest.mark.parametrize(
    "data",
    [b"", b"DICM", bytes(128), bytes(128) + b"DIC", bytes(200), b"%PDF-1.7" * 50, IMAGE[128:]],
    ids=["empty", "prefix alone", "preamble alone", "cut prefix", "zeros", "another format", "no preamble"],
)
def test_open_dicom__of_another_file__is_refused(data: bytes) -> None:
    with pytest.raises(NotDicom):
        opened(data)


def test_open_dicom__cut_anywhere__is_refused() -> None:
    cuts = [*range(0, 1000, 7), *range(len(IMAGE) - PIXELS - 12, len(IMAGE), 509), len(IMAGE) - 1]

    for cut in cuts:
        with pytest.raises((NotDicom, TruncatedDicom, NoDicomIds)):
            opened(IMAGE[:cut])


def test_open_dicom__cut_in_its_pixels__says_so_at_the_end_and_not_before() -> None:
    record = open_dicom(io.BytesIO(IMAGE[:-100]))
    first = record.content.read(len(IMAGE) - 200)

    with pytest.raises(TruncatedDicom) as caught:
        record.content.read()

    assert first == IMAGE[:-200]
    assert caught.value.position == len(IMAGE) - 100


def test_open_dicom__of_an_image_without_pixels__is_refused() -> None:
    with pytest.raises(TruncatedDicom):
        opened(written(image(PixelData=None)))


@pytest.mark.parametrize("field", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"])
def test_open_dicom__without_its_ids__is_refused(field: str) -> None:
    place = IMAGE.rindex(getattr(image(), field).encode())
    nameless = bytearray(IMAGE)
    nameless[place : place + 4] = b"none"

    with pytest.raises(NoDicomIds):
        opened(bytes(nameless))


def test_open_dicom__of_a_file_without_meta_information__is_damaged() -> None:
    with pytest.raises(DamagedDicom):
        opened(bytes(128) + b"DICM" + b"\x08\x00\x16\x00UI\x02\x001\x00")


def test_open_dicom__with_optional_facts_missing_or_senseless__leaves_them_out() -> None:
    bare = image(StudyDate="", BodyPartExamined=None, Modality=None, StudyDescription=None, ProcedureCodeSequence=None)
    bare.ContentDate = ""
    dates = written(image()).replace(b"20240229", b"20230229")

    assert opened(written(bare))[0] == ImagingFacts(
        FACTS.study, FACTS.series, FACTS.instance, FACTS.sop_class, ExplicitVRLittleEndian, None, None, None, None, ()
    )
    assert opened(dates)[0].day is None


def test_open_dicom__takes_the_next_date_where_the_study_has_none() -> None:
    facts, _ = opened(written(image(StudyDate="", SeriesDate="20240301")))

    assert facts.day == datetime.date(2024, 3, 1)


def test_open_dicom__with_a_name_in_another_script__reads_it() -> None:
    facts, _ = opened(written(image(StudyDescription="足関節", SpecificCharacterSet="ISO_IR 192")))

    assert facts.description == "足関節"


@pytest.mark.parametrize("field", ["ConfidentialityCode", "ConfidentialityConstraintOnPatientDataDescription"])
def test_open_dicom__with_a_confidentiality__is_unsorted(field: str) -> None:
    record = open_dicom(io.BytesIO(written(image(**{field: "psychiatric"}))))

    assert record.classified == Classified(UNSORTED, "it names a confidentiality that no table knows", certain=False)


def test_open_dicom__of_a_document__is_unsorted() -> None:
    document = image(SOPClassUID=EncapsulatedPDFStorage, PixelData=None)
    document.file_meta.MediaStorageSOPClassUID = EncapsulatedPDFStorage

    record = open_dicom(io.BytesIO(written(document)))

    assert record.classified == Classified(UNSORTED, "it is a document of any kind in a DICOM file", certain=False)
    assert record.facts.sop_class == EncapsulatedPDFStorage


@pytest.mark.filterwarnings("error")
@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 1000), st.binary(min_size=1, max_size=8)), max_size=3), st.integers(0, 200))
def test_open_dicom__of_any_damage__gives_all_bytes_or_an_error_of_ours(
    damages: list[tuple[int, bytes]], cut: int
) -> None:
    data = bytearray(IMAGE)
    for place, damage in damages:
        data[place : place + len(damage)] = damage
    del data[len(data) - cut :]

    try:
        _, content = opened(bytes(data))
    except TheriacError:
        return
    assert content == data

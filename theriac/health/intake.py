"""From files to records: what a FHIR document, a DICOM object or any other file becomes before it is sealed."""

import io
import mimetypes
import tempfile
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from theriac import fhir
from theriac.errors import EmptyDocument
from theriac.health.records import Manifest
from theriac.health.scope import UNSORTED, Classified, FhirRecord, KeyClass, records_of

FHIR_TYPE = "application/fhir+json"
ENVELOPE_TYPE = "application/vnd.theriac.envelope+json"
DICOM_TYPE = "application/dicom"

_IN_MEMORY = 8 << 20


@dataclass(frozen=True)
class Piece:
    """One record to be: its class, its content, which can be read again, and what its manifest says."""

    classified: Classified
    content: BinaryIO
    manifest: Manifest

    @property
    def cls(self) -> KeyClass:
        return self.classified.cls


def from_fhir(data: bytes, *, place: str = "") -> list[Piece]:
    """The records of a FHIR resource or bundle, the bundle's envelope last.

    :raises BadInput: no FHIR JSON; one of `theriac.errors`, with what is wrong.
    """
    found = records_of(fhir.parse(data))
    bundle = uuid.uuid4().hex if found.envelope is not None else ""
    pieces = [_from_resource(each, bundle=bundle, place=place) for each in found.resources]
    if found.envelope is not None:
        manifest = _manifest(found.envelope.classified, ENVELOPE_TYPE, title="Bundle", details={"bundle": bundle})
        pieces.append(Piece(found.envelope.classified, io.BytesIO(found.envelope.content), manifest))
    return pieces


def _from_resource(record: FhirRecord, *, bundle: str, place: str) -> Piece:
    facts = record.facts
    assert facts is not None
    codes = tuple(str(code) for code in facts.codes)
    shown = next((code.display for code in facts.codes if code.display), "")
    details = {"resource": facts.type} | ({"bundle": bundle, "tag": record.tag} if bundle else {})
    manifest = _manifest(
        record.classified,
        FHIR_TYPE,
        title=f"{facts.type}: {shown}" if shown else facts.type,
        date=facts.date or "",
        codes=codes,
        place=place,
        details=details,
    )
    return Piece(record.classified, io.BytesIO(record.content), manifest)


def from_dicom(stream: BinaryIO, *, place: str = "") -> Piece:
    """A DICOM object as an imaging record, its bytes unchanged.

    :raises BadInput: no whole DICOM file; one of `theriac.errors`, with what is wrong.
    """
    # Most who seal or read have no image; what reads them takes a fifth of a second to load.
    from theriac.health import dicom

    record = dicom.open_dicom(stream)
    content = _spooled(record.content)
    facts = record.facts
    manifest = _manifest(
        record.classified,
        DICOM_TYPE,
        title=" ".join(part for part in (facts.modality, facts.body_part, facts.description) if part),
        date=facts.day.isoformat() if facts.day else "",
        codes=tuple(str(code) for code in facts.procedures),
        place=place,
        details={
            "study": facts.study,
            "series": facts.series,
            "instance": facts.instance,
            "sopClass": facts.sop_class,
            "modality": facts.modality or "",
        },
    )
    return Piece(record.classified, content, manifest)


def from_file(path: Path, *, cls: KeyClass | None = None, place: str = "") -> list[Piece]:
    """The records of a file by what is in it: FHIR JSON, DICOM, or anything else in the class that is named.

    Without a class, what cannot be classed goes into the most restrictive one.
    """
    with path.open("rb") as file:
        head = file.read(132)
        file.seek(0)
        if not head:
            raise EmptyDocument()
        if head[128:132] == b"DICM":
            return [from_dicom(file, place=place)]
        if path.suffix.lower() in (".json", ".fhir"):
            return from_fhir(file.read(), place=place)
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        classified = Classified(cls or UNSORTED, "named by hand" if cls else "nothing says its class", cls is not None)
        manifest = _manifest(classified, kind, title=path.name, place=place)
        return [Piece(classified, _spooled(file), manifest)]


def rejoin(opened: Iterable[tuple[Manifest, bytes]]) -> bytes:
    """The bundle that `from_fhir` took apart, equal to what came in.

    :raises BadInput: the envelope or some of its resources are missing.
    """
    envelope = b""
    contents: dict[str, bytes] = {}
    for manifest, content in opened:
        if manifest.type == ENVELOPE_TYPE:
            envelope = content
        elif "tag" in manifest.details:
            contents[str(manifest.details["tag"])] = content
    return fhir.rejoin(fhir.Envelope.from_bytes(envelope), contents)


def _spooled(stream: BinaryIO) -> BinaryIO:
    """A copy that can be read more than once, on disk where it is large."""
    # The piece that is made of it closes it.
    spool = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115
    while chunk := stream.read(1 << 20):
        spool.write(chunk)
    spool.seek(0)
    return spool


def _manifest(
    classified: Classified,
    kind: str,
    *,
    title: str,
    date: str = "",
    codes: tuple[str, ...] = (),
    place: str = "",
    details: Mapping[str, Any] | None = None,
) -> Manifest:
    """A manifest as far as the file says it; the writer adds whose it is and signs."""
    return Manifest(
        pseudonym="",
        cls=str(classified.cls),
        type=kind,
        size=0,
        digest="",
        member=0,
        account="",
        title=title[:200],
        date=date,
        codes=codes,
        place=place,
        details=details or {},
    )

"""A patient's records, opened, in a folder of hers."""

import json
import mimetypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts._cli import write_out
from scripts._progress import counted
from theriac.errors import TheriacError
from theriac.health.intake import DICOM_TYPE, ENVELOPE_TYPE, FHIR_TYPE, rejoin
from theriac.health.patient import Patient
from theriac.health.records import Manifest
from theriac.health.vault import Entry

_ENDINGS = {FHIR_TYPE: ".json", ENVELOPE_TYPE: ".envelope.json", DICOM_TYPE: ".dcm"}


@dataclass(frozen=True)
class Exported:
    """How many records were written, and how many bundles could be put together again."""

    records: int
    bundles: int


def export(patient: Patient, folder: Path, *, shown: Callable[[Entry], dict[str, Any]]) -> Exported:
    """Every record under its digest. One that does not open is listed with the reason, and the others go on."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    listed: list[dict[str, Any]] = []
    bundles: dict[str, list[tuple[Manifest, Path]]] = {}
    entries = patient.vault.listed()
    for entry in counted(entries, "Exporting", total=len(entries)):
        path = folder / f"{entry.digest}{_ending(str(entry.summary.get('type', '')))}"
        try:
            opened = patient.open(entry)
            opened.check_author(digest=entry.digest)
            write_out(opened, str(path))
        except TheriacError as fault:
            listed.append({**shown(entry), "file": None, "fault": str(fault)})
            continue
        listed.append({**shown(entry), "file": path.name})
        if bundle := str(opened.manifest.details.get("bundle", "")):
            bundles.setdefault(bundle, []).append((opened.manifest, path))
    whole = sum(_joined(folder, name, parts) for name, parts in bundles.items())
    (folder / "index.json").write_text(json.dumps(listed, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return Exported(sum(each["file"] is not None for each in listed), whole)


def _joined(folder: Path, name: str, parts: list[tuple[Manifest, Path]]) -> bool:
    try:
        joined = rejoin((manifest, path.read_bytes()) for manifest, path in parts)
    except TheriacError:
        return False
    (folder / f"bundle-{name[:16]}.json").write_bytes(joined)
    return True


def _ending(kind: str) -> str:
    return _ENDINGS.get(kind) or mimetypes.guess_extension(kind) or ".bin"

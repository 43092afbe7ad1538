"""Every resource of the public bundles goes in at a desk and comes back equal at a reader."""

import json
import os
from pathlib import Path

import pytest
from health_world import TREAT, HealthWorld, register

from theriac.health import intake
from theriac.health.records import Manifest
from theriac.health.scope import ALL_CLASSES

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("THERIAC_DATA", ROOT.parent / "shared" / "data")) / "fhir"
NAMES = ("synthea-r4-a.json", "synthea-r4-b.json", "synthea-r4-c.json")


def found(name: str) -> Path:
    path = DATA / name
    return path if path.exists() else ROOT / "examples" / "fhir" / name


@pytest.mark.parametrize("name", NAMES)
def test_write__a_public_bundle__comes_back_equal(world: HealthWorld, name: str) -> None:
    path = found(name)
    if not path.exists():
        pytest.skip(f"{name} is not here; set THERIAC_DATA to the folder that has fhir/{name}.")
    # given a patient whose desk took a bundle in, and a doctor who was granted every class
    data = path.read_bytes()
    pieces = intake.from_fhir(data)
    classes = tuple(cls for cls in ALL_CLASSES if cls in {piece.cls for piece in pieces})
    patient, clinic = world.patient(single=True, classes=classes), world.writer(world.clinic)
    desk = register(patient, clinic)
    written = list(clinic.write(desk, pieces))
    patient.watch()
    granted = patient.grant(world.doctor.address, classes=classes, purpose=TREAT, end=world.in_days(30)).pseudonym
    doctor = world.reader(world.doctor, "doctor")
    doctor.learn(granted)

    # when the doctor opens everything on its list
    opened: list[tuple[Manifest, bytes]] = []
    for each in doctor.listed(granted, purpose=TREAT):
        record = doctor.open(granted, each.digest, purpose=TREAT)
        opened.append((record.manifest, record.read()))

    # then every resource is there as it was, and together they are the bundle
    resources = [json.loads(content) for manifest, content in opened if manifest.type == "application/fhir+json"]
    came = [entry["resource"] for entry in json.loads(data)["entry"]]
    assert not [each for each in written if each.inbox]
    assert sorted(map(json.dumps, resources)) == sorted(map(json.dumps, came))
    assert intake.rejoin(opened) == data

"""Readings as FHIR AuditEvents: valid R4, and as the patterns of IHE BALP ask for.

What the patterns ask for is written here from their profiles (ITI BALP 1.1): PatientRead, and PrivacyDisclosure.Source.
"""

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from fhir.resources.R4B.bundle import Bundle

from theriac.health.accesslog import Log
from theriac.health.auditevents import audit_event, audit_events
from theriac.health.flow import decode_disclosure
from theriac.health.looked import Fault, Reading
from theriac.health.receipts import Receipt

VECTORS = Path(__file__).resolve().parent.parent.parent / "docs" / "protocol" / "vectors" / "readings.json"
DICOM, TERMINOLOGY = "http://dicom.nema.org/resources/ontology/DCM", "http://terminology.hl7.org/CodeSystem/"
BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."


@pytest.fixture
def readings() -> list[Reading]:
    """An opening, an export and a key that was handed on; the last was never logged."""
    written = json.loads(VECTORS.read_text(encoding="utf-8"))
    [proof] = decode_disclosure(written["disclosure"].encode())
    log = Log(proof.root, proof.receipt.reader, 1, proof.leaves, proof.receipt.time + 60, 7)
    receipts = [Receipt.decode(each["document"].encode()) for each in written["receipts"]]
    found = [Reading(replace(proof, receipt=receipt), log) for receipt in receipts]
    return [*found[:2], replace(found[2], log=None, faults=(Fault.NOT_LOGGED,))]


def codes(concept: Any) -> set[tuple[str, str]]:
    codings = concept.get("coding", [concept])
    return {(each["system"], each["code"]) for each in codings}


def slices(event: dict[str, Any], element: str, system: str, code: str) -> list[dict[str, Any]]:
    """The agents or entities of a type."""
    return [each for each in event[element] if (system, code) in codes(each["type"])]


def test_audit_events__are_valid_fhir(readings: list[Reading]) -> None:
    bundle = audit_events(readings, chain_id=1, name_of=lambda _: "Dr Lin")

    read = Bundle.model_validate_json(json.dumps(bundle))

    assert [type(each.resource) for each in read.entry] == [AuditEvent] * 3
    assert len({each.fullUrl for each in read.entry}) == 3


def test_audit_event__of_an_opening__is_a_patient_read(readings: list[Reading]) -> None:
    event = audit_event(readings[0], chain_id=5, name="Dr Lin")

    assert event["meta"]["profile"] == [BALP + "PatientRead"]
    assert codes(event["type"]) == {(TERMINOLOGY + "audit-event-type", "rest")}
    assert [codes(each) for each in event["subtype"]] == [{("http://hl7.org/fhir/restful-interaction", "read")}]
    assert (event["action"], event["outcome"], event["recorded"]) == ("R", "0", "2030-01-01T01:00:00Z")
    _check_both(event, readings[0])

    # the pseudonym is the source, the reader the destination and the user
    receipt = readings[0].receipt
    [client] = slices(event, "agent", DICOM, "110152")
    [server] = slices(event, "agent", DICOM, "110153")
    assert client["who"]["identifier"]["value"] == f"did:pkh:eip155:5:{receipt.reader}"
    assert server["who"]["identifier"]["value"] == f"did:pkh:eip155:5:{receipt.pseudonym}"
    [data] = slices(event, "entity", TERMINOLOGY + "audit-entity-type", "2")
    assert codes(data["role"]) <= {(TERMINOLOGY + "object-role", code) for code in ("4", "3", "20")}


@pytest.mark.parametrize("place", [1, 2], ids=["export", "hand to staff"])
def test_audit_event__of_a_disclosure__is_recorded_by_its_source(readings: list[Reading], place: int) -> None:
    event = audit_event(readings[place], chain_id=5, name="Dr Lin")

    assert event["meta"]["profile"] == [BALP + "PrivacyDisclosure.Source"]
    assert codes(event["type"]) == {(DICOM, "110106")}
    assert {(TERMINOLOGY + "iso-21089-lifecycle", "disclose")} in [codes(each) for each in event["subtype"]]
    assert (event["action"], event["outcome"]) == ("R", "0")
    _check_both(event, readings[place])

    # the profile's invariant: the audit source is the agent that discloses
    [source] = slices(event, "agent", DICOM, "110153")
    assert source["who"] == event["source"]["observer"]
    [recipient] = slices(event, "agent", DICOM, "110152")
    to = readings[place].receipt.to
    assert (recipient["who"].get("identifier") is not None) == (int(to, 16) != 0)


def _check_both(event: dict[str, Any], reading: Reading) -> None:
    """What both patterns ask for, and what proves the reading."""
    receipt = reading.receipt
    assert event["id"].isalnum()
    assert len(event["id"]) <= 64
    for code in ("110152", "110153"):
        [agent] = slices(event, "agent", DICOM, code)
        assert agent["requestor"] is False
        assert agent["who"]
        assert agent["network"]["address"]
        assert agent["network"]["type"] == "5"
    [user] = slices(event, "agent", TERMINOLOGY + "v3-ParticipationType", "IRCP")
    assert (user["requestor"], user["name"], "network" in user) == (True, "Dr Lin", False)
    why = {(TERMINOLOGY + "v3-ActReason", receipt.purpose)}
    assert [codes(each) for each in user["purposeOfUse"]] == [why]
    assert [codes(each) for each in event["purposeOfEvent"]] == [why]

    [patient] = slices(event, "entity", TERMINOLOGY + "audit-entity-type", "1")
    assert codes(patient["role"]) == {(TERMINOLOGY + "object-role", "1")}
    assert patient["what"]["type"] == "Patient"
    [data] = slices(event, "entity", TERMINOLOGY + "audit-entity-type", "2")
    digest = base64.urlsafe_b64encode(bytes.fromhex(receipt.record)).decode().rstrip("=")
    assert data["what"]["identifier"]["value"] == f"ni:///sha-256;{digest}"
    assert codes(data["securityLabel"][0]) == {(TERMINOLOGY + "v3-Confidentiality", receipt.cls[-1])}

    [evidence] = slices(event, "entity", TERMINOLOGY + "audit-entity-type", "4")
    details = {each["type"]: each.get("valueString", each.get("valueBase64Binary")) for each in evidence["detail"]}
    assert Receipt.decode(base64.b64decode(details["receipt"])) == receipt
    assert ("root" in details, details.get("fault 1")) == (
        reading.log is not None,
        str(reading.faults[0]) if reading.faults else None,
    )

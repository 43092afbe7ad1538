"""Readings as FHIR R4 AuditEvents, in the patterns of IHE BALP (Basic Audit Log Patterns).

Opening is a PatientRead; what leaves the reader's hands (an export, a key to staff, a referral) is a PrivacyDisclosure
as its source records it. Accounts are named by did:pkh, records and receipts by their SHA-256 (RFC 6920). The slices of
both patterns are open: what proves a reading stands in an entity of its own.
"""

import base64
import hashlib
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from theriac.health.looked import Fault, Reading
from theriac.health.receipts import NOBODY, Act, Receipt
from theriac.health.scope import KeyClass, Purpose

PROFILES = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/"
PATIENT_READ = PROFILES + "IHE.BasicAudit.PatientRead"
DISCLOSURE = PROFILES + "IHE.BasicAudit.PrivacyDisclosure.Source"

_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_DISCLOSED = (Act.EXPORT, Act.HAND, Act.REFER)


def audit_events(
    readings: Iterable[Reading], *, chain_id: int, name_of: Callable[[str], str] = lambda account: ""
) -> dict[str, Any]:
    """A Bundle with an AuditEvent for each reading; `name_of` gives the name of an account, or nothing."""
    events = [audit_event(reading, chain_id=chain_id, name=name_of(reading.receipt.reader)) for reading in readings]
    entries = [
        {"fullUrl": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, event['id'])}", "resource": event} for event in events
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def audit_event(reading: Reading, *, chain_id: int, name: str = "") -> dict[str, Any]:
    """One reading. A receipt whose signature is not the reader's never becomes one."""
    receipt = reading.receipt
    disclosed = receipt.act in _DISCLOSED
    reader, patient = _account(receipt.reader, chain_id), _account(receipt.pseudonym, chain_id)
    why = [{"coding": [_coding("v3-ActReason", receipt.purpose, Purpose.parse(receipt.purpose).words)]}]
    encoded = hashlib.sha256(receipt.encode()).digest()
    event: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": encoded.hex(),
        "meta": {"profile": [DISCLOSURE if disclosed else PATIENT_READ]},
        "type": _dicom("110106", "Export") if disclosed else _coding("audit-event-type", "rest", "Restful Operation"),
        "subtype": [{"system": "http://hl7.org/fhir/restful-interaction", "code": "read", "display": "read"}],
        "action": "R",
        "recorded": receipt.moment.isoformat().replace("+00:00", "Z"),
        "outcome": "0",
        "purposeOfEvent": why,
        "agent": [*_agents(receipt, chain_id), _user(receipt, reader, name, why)],
        "source": {"observer": reader, "type": [_coding("security-source-type", "1", "User Device")]},
        "entity": [
            {
                "what": {"type": "Patient", **patient},
                "type": _coding("audit-entity-type", "1", "Person"),
                "role": _coding("object-role", "1", "Patient"),
            },
            {
                "what": _named(bytes.fromhex(receipt.record)),
                "type": _coding("audit-entity-type", "2", "System Object"),
                "role": _coding("object-role", "4", "Domain Resource"),
                "securityLabel": [_coding("v3-Confidentiality", KeyClass.parse(receipt.cls).level.name, "")],
            },
            _evidence(reading, encoded),
        ],
    }
    if disclosed:
        event["subtype"].insert(0, _coding("iso-21089-lifecycle", "disclose", "Disclose Record Lifecycle Event"))
    return event


def _agents(receipt: Receipt, chain_id: int) -> list[dict[str, Any]]:
    """Where the data came from and where it went, under the roles that DICOM and so BALP give them."""
    reader = _account(receipt.reader, chain_id)
    if receipt.act in _DISCLOSED:
        to = _account(receipt.to, chain_id) if receipt.to != NOBODY else {"display": "outside of the reader's records"}
        where = did(receipt.to, chain_id) if receipt.to != NOBODY else did(receipt.reader, chain_id)
        return [
            _agent("110153", "Source Role ID", reader, did(receipt.reader, chain_id)),
            _agent("110152", "Destination Role ID", to, where),
        ]
    sealed = _named(bytes.fromhex(receipt.record))
    return [
        _agent("110153", "Source Role ID", _account(receipt.pseudonym, chain_id), sealed["identifier"]["value"]),
        _agent("110152", "Destination Role ID", reader, did(receipt.reader, chain_id)),
    ]


def _agent(code: str, display: str, who: dict[str, Any], address: str) -> dict[str, Any]:
    return {
        "type": {"coding": [_dicom(code, display)]},
        "who": who,
        "requestor": False,
        "network": {"address": address, "type": "5"},
    }


def _user(receipt: Receipt, who: dict[str, Any], name: str, why: list[dict[str, Any]]) -> dict[str, Any]:
    recipient = _coding("v3-ParticipationType", "IRCP", "information recipient")
    user: dict[str, Any] = {"type": {"coding": [recipient]}, "who": who, "requestor": True, "purposeOfUse": why}
    if receipt.member:
        user["role"] = [{"text": f"of member {receipt.member}"}]
    return {**user, "name": name} if name else user


def _evidence(reading: Reading, encoded: bytes) -> dict[str, Any]:
    """The receipt itself, and what holds it: whoever has a node can check both."""
    receipt, log = reading.receipt, reading.log
    details = {"number": str(receipt.number), "class": receipt.cls, "rule": receipt.rule, "act": receipt.act}
    if log is not None:
        details |= {
            "root": log.root,
            "logged by": log.by,
            "logged at": str(log.time),
            "place": str(reading.proof.place),
        }
    details |= {f"fault {number}": str(Fault(fault)) for number, fault in enumerate(reading.faults, start=1)}
    return {
        "what": _named(encoded),
        "type": _coding("audit-entity-type", "4", "Other"),
        "role": _coding("object-role", "13", "Security Resource"),
        "detail": [
            *({"type": kind, "valueString": text} for kind, text in details.items()),
            {"type": "receipt", "valueBase64Binary": base64.b64encode(receipt.encode()).decode()},
        ],
    }


def did(account: str, chain_id: int) -> str:
    """An account as a decentralized identifier (did:pkh, CAIP-10)."""
    return f"did:pkh:eip155:{chain_id}:{account}"


def _account(account: str, chain_id: int) -> dict[str, Any]:
    return {"identifier": {"system": "urn:ietf:rfc:3986", "value": did(account, chain_id)}}


def _named(digest: bytes) -> dict[str, Any]:
    """A thing by its SHA-256 (RFC 6920)."""
    text = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return {"identifier": {"system": "urn:ietf:rfc:3986", "value": f"ni:///sha-256;{text}"}}


def _dicom(code: str, display: str) -> dict[str, str]:
    return {"system": _DICOM, "code": code, "display": display}


def _coding(system: str, code: str, display: str) -> dict[str, str]:
    coding = {"system": _TERMINOLOGY + system, "code": code}
    return {**coding, "display": display} if display else coding

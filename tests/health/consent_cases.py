"""Consents of the tests, and a reading of PCF's provisions of their own, point by point.

`Rulebook.permits` answers for one question at a time (who, why, which record, written when, asked when) and shares no
code with the package. It takes PCF's words as they stand: elements of a provision are joined by and, repetitions by or;
a nested permit adds to the root's and a nested denial takes away wherever it applies; a purpose lies under those above.
"""

import copy
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from theriac import fhir
from theriac.health.consents import Ledger
from theriac.health.provisions import Circumstances, Reading, read

FIXTURES = Path(__file__).parents[1] / "fixtures" / "consents"
NOW = datetime(2031, 3, 10, 10, 20, tzinfo=UTC)
UNTIL = datetime(2031, 6, 1, tzinfo=UTC)
LEDGER = Ledger(31, "0x" + "5" * 40, "0x" + "6" * 40)
ANN = "0x" + "1" * 40
BEN, CAT, DAN = "0x" + "2" * 40, "0x" + "3" * 40, "0x" + "4" * 40
STAFF = {BEN: 1, CAT: 2, DAN: 0}
"""Accounts and the members they belong to."""

REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONF = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
CLASS = "urn:theriac:key-class"
PCF = "https://profiles.ihe.net/ITI/PCF"


def member(number: int) -> str:
    return f"0x{number:040x}"


def reference(account: str) -> dict[str, Any]:
    """How a Consent names an account or a member of this ledger."""
    number = int(account, 16)
    if number < 1000:
        return {"identifier": {"system": "urn:theriac:member", "value": f"eip155:31:{LEDGER.consortium}/{number}"}}
    return {"identifier": {"system": "urn:theriac:account", "value": f"eip155:31:{account}"}}


def actor(account: str) -> dict[str, Any]:
    role = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]}
    return {"role": role, "reference": reference(account)}


def basic() -> dict[str, Any]:
    """A plain Consent of PCF: the clinic may read for treatment until the end of April."""
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]
        },
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": reference(ANN),
        "dateTime": "2031-03-01",
        "performer": [reference(ANN)],
        "organization": [{"reference": "Organization/records"}],
        "sourceReference": {"reference": "DocumentReference/signed"},
        "policy": [{"uri": f"{PCF}/Policy-all-normal"}],
        "provision": {
            "type": "permit",
            "period": {"start": "2031-03-01", "end": "2031-04-30"},
            "actor": [actor(member(1))],
            "purpose": [{"system": REASON, "code": "TREAT"}],
        },
    }


def changed(path: str, value: Any, start: dict[str, Any] | None = None) -> dict[str, Any]:
    """A Consent with one element changed, such as `provision.period.end`; None takes it away."""
    whole = copy.deepcopy(start or basic())
    at: Any = whole
    *way, last = path.split(".")
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
    if value is None:
        del at[last]
    else:
        at[last] = value
    return whole


def resource(value: dict[str, Any]) -> fhir.Resource:
    return fhir.parse(json.dumps(value).encode())


def circumstances(**changes: Any) -> Circumstances:
    values: dict[str, Any] = {"ledger": LEDGER, "pseudonyms": (ANN,), "now": NOW, "until": UNTIL, "recipients": {}}
    return Circumstances(**{**values, **changes})


def read_in(value: dict[str, Any], **changes: Any) -> Reading:
    return read(resource(value), circumstances(**changes))


# -- PCF, point by point ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """May this account read this record for this purpose now? `labels` are the record's own."""

    account: str
    purpose: str
    cls: str
    labels: frozenset[str]
    written: datetime
    at: datetime


PARENT = {
    "ETREAT": "TREAT",
    "BTG": "ETREAT",
    "ERTREAT": "ETREAT",
    "COC": "TREAT",
    "CAREMGT": "HOPERAT",
    "COVERAGE": "HPAYMT",
    "CLMATTCH": "HPAYMT",
    "HQUALIMP": "HOPERAT",
    "FAMRQT": "PATRQT",
    "PWATRNY": "PATRQT",
}
ORDER = "ULMNRV"
"""Levels of confidentiality, the least first."""

_SENSITIVE = {"mental-health": "PSY", "substance-use": "ETH", "sexual-health": "HIV", "genomics": "GDIS"}


def records_of(cls: str) -> list[frozenset[str]]:
    """Label sets that records of a class can bear."""
    category, level = cls.split("/")
    plain = [frozenset(level)]
    if level == "N":
        plain += [frozenset("L"), frozenset("U")]
    if category in _SENSITIVE:
        plain.append(frozenset({level, _SENSITIVE[category]}))
        plain += [frozenset({level, "MH"}), frozenset({level, "COGN"})] if category == "mental-health" else []
    if category in ("mixed", "unsorted") and level == "V":
        plain.append(frozenset({"V", "PSY", "HIV"}))
    return plain


class Rulebook:
    """What a Consent permits, for days as they are counted at one place of the world."""

    def __init__(self, consent: dict[str, Any], *, zone: timedelta) -> None:
        self._root = consent["provision"]
        self._zone = zone
        self._treatment_only = any(each["uri"].endswith("Policy-basic-normal") for each in consent["policy"])

    def permits(self, asked: Question) -> bool:
        if self._treatment_only and "TREAT" not in _and_above(asked.purpose):
            return False
        nested = self._root.get("provision", [])
        if any(each["type"] == "deny" and self._concerns(each, asked, denies=True) for each in nested):
            return False
        if self._root["type"] == "permit" and self._concerns(self._root, asked, denies=False):
            return True
        inherited = {name: self._root[name] for name in ("actor", "purpose", "securityLabel") if name in self._root}
        whole = {name: self._root[name] for name in ("period", "dataPeriod") if name in self._root}
        return any(
            self._concerns({**inherited, **each}, asked, denies=False) and self._concerns(whole, asked, denies=False)
            for each in nested
            if each["type"] == "permit"
        )

    def _concerns(self, rule: dict[str, Any], asked: Question, *, denies: bool) -> bool:
        if "actor" in rule and not any(_names(each, asked.account) for each in rule["actor"]):
            return False
        if "purpose" in rule and not {each["code"] for each in rule["purpose"]} & _and_above(asked.purpose):
            return False
        if "securityLabel" in rule and not any(_bears(asked, each, denies) for each in rule["securityLabel"]):
            return False
        return self._in(rule.get("period"), asked.at) and self._in(rule.get("dataPeriod"), asked.written)

    def _in(self, period: dict[str, str] | None, time: datetime) -> bool:
        if period is None:
            return True
        started = "start" not in period or self._span(period["start"])[0] <= time
        return started and ("end" not in period or time < self._span(period["end"])[1])

    def _span(self, text: str) -> tuple[datetime, datetime]:
        """All moments that a text stands for."""
        if "T" in text:
            moment = datetime.fromisoformat(text)
            return moment, moment + timedelta(seconds=1)
        if text.startswith("9999"):
            return datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
        year, month, day = (*map(int, text.split("-")), 0, 0)[:3]
        first = datetime(year, month or 1, day or 1, tzinfo=UTC) - self._zone
        if day:
            return first, first + timedelta(days=1)
        following = datetime(year + (month in (0, 12)), month % 12 + 1 if month else 1, 1, tzinfo=UTC)
        return first, following - self._zone


def _names(named: dict[str, Any], account: str) -> bool:
    value = named["reference"]["identifier"]["value"]
    return str(value).endswith((account, f"/{STAFF[account]}"))


def _and_above(purpose: str) -> set[str]:
    found = {purpose}
    while purpose in PARENT:
        purpose = PARENT[purpose]
        found.add(purpose)
    return found


def _bears(asked: Question, label: dict[str, str], denies: bool) -> bool:
    if label["system"] == CLASS:
        return asked.cls == label["code"]
    if label["system"] == CONF:
        [level] = asked.labels & set(ORDER)
        own, named = ORDER.index(level), ORDER.index(label["code"])
        # N is the highest of the ordinary ones; R and V are meant as such, and a denial means what is above them too.
        return own >= named if denies else own == named or own < named == ORDER.index("N")
    return label["code"] in asked.labels

"""The patient's own summary: an International Patient Summary (HL7 IPS, FHIR R4) from her opened records.

Each line keeps its source: a Provenance names the member that anchored the record, when, and the record's digest. What
two members wrote is two lines, unless it is the same to the letter. A resource stays the JSON that came, but for three
things: references lead to what is in the document, or say no more than a name; its narrative is left out, as those of
the sections are made here; and what IPS asks for and a resource does not say is marked as unknown.
"""

import json
import re
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape

from theriac import fhir
from theriac.errors import BadInput, NoSummary
from theriac.health.consents import Ledger
from theriac.health.messages import member_address
from theriac.health.scope import LOINC, KeyClass, Level

IPS = "http://hl7.org/fhir/uv/ips"
ABSENT = f"{IPS}/CodeSystem/absent-unknown-uv-ips"
SNOMED = "http://snomed.info/sct"
EMPTY_REASON = "http://terminology.hl7.org/CodeSystem/list-empty-reason"
RECORD = "urn:theriac:record"
_UNKNOWN: fhir.Object = {
    "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
}
_NAMES = uuid.UUID("6f3e8a52-9f2c-4d0b-8a37-3a52b3a0c9f1")
NEWEST = 3
"""How many of each kind of result or measurement each member's lines show."""


@dataclass(frozen=True)
class Source:
    """An opened record and where it comes from.

    :param member: the number of the member that anchored it, 0 for the patient; `name` what it calls itself.
    :param anchored: when; `bundle` the upload that it came with, if any; `corrects` the digest of what it puts right.
    """

    digest: str
    member: int
    name: str
    anchored: datetime
    cls: KeyClass
    content: bytes
    bundle: str = ""
    corrects: str = ""


@dataclass(frozen=True)
class Line:
    """One line of a section, as people read it."""

    what: str
    date: str
    details: str
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Section:
    """A section of the summary; `empty` says why it has no line: `unavailable` or `withheld`."""

    name: str
    code: str
    display: str
    title: str
    lines: tuple[Line, ...]
    empty: str = ""
    more: int = 0


@dataclass(frozen=True)
class Summary:
    """The document, its sections as people read them, and what was left out, one sentence each."""

    bundle: fhir.Object
    patient: str
    sections: tuple[Section, ...]
    told: tuple[str, ...]
    made: datetime

    def encode(self) -> bytes:
        return (_written(self.bundle) + "\n").encode()


@dataclass(frozen=True)
class _Kind:
    """A section of IPS: which resources it takes; `cls` the class whose absence withholds it."""

    name: str
    code: str
    display: str
    title: str
    cls: str
    required: bool = False
    newest: int = 0


KINDS = (
    _Kind(
        "allergies",
        "48765-2",
        "Allergies and adverse reactions Document",
        "Allergies and Intolerances",
        "allergies/N",
        required=True,
    ),
    _Kind(
        "medications",
        "10160-0",
        "History of Medication use Narrative",
        "Medication Summary",
        "medications/N",
        required=True,
    ),
    _Kind("problems", "11450-4", "Problem list - Reported", "Problem List", "conditions/N", required=True),
    _Kind("immunizations", "11369-6", "History of Immunization note", "Immunizations", "immunizations/N"),
    _Kind(
        "results", "30954-2", "Relevant diagnostic tests/laboratory data note", "Results", "laboratory/N", newest=NEWEST
    ),
    _Kind("procedures", "47519-4", "History of Procedures Document", "History of Procedures", "procedures/N"),
    _Kind("devices", "46264-8", "History of medical device use", "Medical Devices", "vitals/N"),
    _Kind("directives", "42348-3", "Advance healthcare directives", "Advance Directives", "documents/N"),
    _Kind("alerts", "104605-1", "Alert", "Alerts", "conditions/N"),
    _Kind("past-problems", "11348-0", "History of Past illness note", "History of Past Illness", "conditions/N"),
    _Kind("pregnancy", "10162-6", "History of pregnancies Narrative", "History of Pregnancy", "sexual-health/R"),
    _Kind("plans", "18776-5", "Plan of care note", "Plan of Care", "care-plans/N"),
    _Kind("social-history", "29762-2", "Social history note", "Social History", "social-history/N", newest=NEWEST),
    _Kind("vitals", "8716-3", "Vital signs note", "Vital Signs", "vitals/N", newest=NEWEST),
)

_PREGNANCY = {"82810-3", "11778-8", "11779-6", "11780-4", "11636-8", "11637-6", "11638-4", "11639-2", "11640-0"}
_BY_TYPE = {
    "AllergyIntolerance": "allergies",
    "MedicationRequest": "medications",
    "MedicationStatement": "medications",
    "Immunization": "immunizations",
    "Procedure": "procedures",
    "DeviceUseStatement": "devices",
    "Flag": "alerts",
    "CarePlan": "plans",
    "ImmunizationRecommendation": "plans",
    "DiagnosticReport": "results",
}
_BY_CATEGORY = {
    "laboratory": "results",
    "imaging": "results",
    "vital-signs": "vitals",
    "social-history": "social-history",
}
_SUPPORT = {
    *("Practitioner", "PractitionerRole", "Organization", "Medication", "Specimen", "Device", "Substance"),
    *("Observation", "CareTeam"),
}
_MUST: dict[str, tuple[str, ...]] = {
    "AllergyIntolerance": ("code",),
    "Condition": ("code",),
    "Procedure": ("code", "performed"),
    "Immunization": ("vaccineCode", "occurrence"),
    "MedicationStatement": ("effective",),
    "DiagnosticReport": ("code", "effective"),
    "Observation": ("code", "effective"),
}
_CHOICES = ("performed", "occurrence", "effective")
ABSENT_CODES = {
    "allergies": ("no-allergy-info", "No information about allergies"),
    "medications": ("no-medication-info", "No information about medications"),
    "problems": ("no-problem-info", "No information about problems"),
}


def summary(
    sources: Sequence[Source], *, classes: Sequence[KeyClass], ledger: Ledger, now: datetime, digests: bool = True
) -> Summary:
    """The summary of records of these classes.

    :param sources: opened records of any kind; those of other classes are left out unread.
    :param digests: whether sources are named by record and second, by which whoever has the summary finds them on the
        chain, and so which pseudonyms are one person's; else by member and day.
    :raises NoSummary: what came out is no document of IPS.
    """
    made = _Maker(sources, classes=classes, ledger=ledger, now=now, digests=digests).make()
    if faults := faults_of(made.bundle):
        raise NoSummary(fault=f"the records do not make a document of IPS, since {faults[0]}")
    return made


@dataclass(eq=False)
class _Item:
    """A resource and all the records that say it to the letter."""

    value: fhir.Object
    resource: fhir.Resource
    sources: list[Source] = field(default_factory=list)

    @property
    def type(self) -> str:
        return self.resource.type

    @property
    def source(self) -> Source:
        return self.sources[0]

    @property
    def url(self) -> str:
        return f"urn:uuid:{uuid.uuid5(_NAMES, self.source.digest)}"


class _Maker:
    def __init__(
        self, sources: Sequence[Source], *, classes: Sequence[KeyClass], ledger: Ledger, now: datetime, digests: bool
    ) -> None:
        self._classes = {*classes}
        self._ledger = ledger
        self._now = now
        self._digests = digests
        self._told: list[str] = []
        self._items = self._read([each for each in sources if each.cls in self._classes])
        self._index = _index(self._items)
        self._others = {id(each) for each in self._items if each.type == "Patient"}
        self._patient = self._chosen_patient()
        self._included: dict[int, _Item] = {}
        self._waiting: list[_Item] = []

    # -- reading -----------------------------------------------------------------------------------------------------

    def _read(self, sources: Sequence[Source]) -> list[_Item]:
        replaced = {(each.member, each.corrects) for each in sources if each.corrects}
        found: dict[str, _Item] = {}
        newest: dict[tuple[int, str, str], _Item] = {}
        older = 0
        for source in sorted(sources, key=lambda each: (each.anchored, each.digest), reverse=True):
            if (source.member, source.digest) in replaced:
                continue
            try:
                resource = fhir.parse(source.content)
            except BadInput as fault:
                self._told.append(f"Record {source.digest[:16]} is left out: {fault}")
                continue
            said = _written(resource.value, ordered=True)
            if said in found:
                found[said].sources.append(source)
                continue
            item = _Item(resource.value, resource, [source])
            name = str(resource.value.get("id", ""))
            place = (source.member, resource.type, name)
            if _UUID.fullmatch(name) and place in newest:
                older += 1
                continue
            newest[place] = found[said] = item
        if older:
            self._told.append(f"{older} earlier versions of what the same member wrote again are left out.")
        return list(found.values())

    def _chosen_patient(self) -> _Item | None:
        """Her description: her own, else the one that most members agree with, else the newest.

        A description is of somebody else only where its author describes her too: one clinic's mistake, or malice, must
        not make another's lines disappear.
        """
        people = [each for each in self._items if each.type == "Patient"]
        whole = [each for each in people if each.value.get("name") and each.value.get("birthDate")] or people
        if not whole:
            return None

        def agreeing(item: _Item) -> int:
            return len({source.member for each in people if _alike(each, item) for source in each.sources})

        # The newest come first, and `max` takes the first of equals.
        chosen = max(whole, key=lambda each: (any(not one.member for one in each.sources), agreeing(each)))
        describing = {source.member for each in people if _alike(each, chosen) for source in each.sources}
        for each in people:
            authors = {source.member for source in each.sources}
            if _alike(each, chosen) or not authors & describing:
                self._others.discard(id(each))
            if not _alike(each, chosen) and not authors & describing:
                self._told.append(
                    f"Member {min(authors)} gives another birth date or sex; its lines are in nevertheless."
                )
        return chosen

    # -- making ------------------------------------------------------------------------------------------------------

    def make(self) -> Summary:
        chosen: dict[str, list[_Item]] = defaultdict(list)
        unplaced = 0
        for item in self._items:
            name = _section_of(item)
            if name == "":
                unplaced += item.type == "Observation"
            elif self._about_her(item):
                chosen[name].append(item)
            else:
                self._told.append(
                    f"Record {item.source.digest[:16]} is left out: it is about somebody or something else."
                )
        if unplaced:
            self._told.append(f"{unplaced} observations of other kinds are in no section.")

        sections: list[Section] = []
        parts: list[fhir.Json] = []
        entries: list[fhir.Object] = []
        for kind in KINDS:
            items, more = _newest(chosen[kind.name], each=kind.newest)
            if not items and not kind.required:
                continue
            withheld = kind.cls not in {str(each) for each in self._classes}
            lines = tuple(sorted((_line(each) for each in items), key=lambda line: line.date, reverse=True))
            empty = "" if items else "withheld" if withheld else "unavailable"
            section = Section(kind.name, kind.code, kind.display, kind.title, lines, empty, more)
            references: list[fhir.Json] = [{"reference": self._include(each)} for each in items]
            if empty == "unavailable":
                absent = self._absent(kind.name)
                entries.append(absent)
                references = [{"reference": str(absent["fullUrl"])}]
            sections.append(section)
            parts.append(self._section(section, references))
        return self._document(sections, parts, entries)

    def _document(self, sections: Sequence[Section], parts: list[fhir.Json], absent: list[fhir.Object]) -> Summary:
        entries: list[fhir.Object] = [{"fullUrl": self._her_url, "resource": self._her_resource()}]
        if self._patient is not None:
            self._included[id(self._patient)] = self._patient
        while self._waiting:
            item = self._waiting.pop()
            entries.append({"fullUrl": item.url, "resource": self._rewritten(item)})
        entries += absent
        entries += self._provenance()
        level = max((each.level for each in self._classes), default=Level.N)
        stamp = self._now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        device = f"urn:uuid:{uuid.uuid4()}"
        name = f"urn:uuid:{uuid.uuid4()}"
        composition: fhir.Object = {
            "resourceType": "Composition",
            "meta": {"profile": [f"{IPS}/StructureDefinition/Composition-uv-ips"]},
            "identifier": {"system": "urn:ietf:rfc:3986", "value": name},
            "status": "final",
            "type": {"coding": [{"system": LOINC, "code": "60591-5", "display": "Patient summary Document"}]},
            "subject": {"reference": self._her_url},
            "date": stamp,
            "author": [{"reference": device}],
            "title": "International Patient Summary",
            "confidentiality": level.name,
            "section": parts,
        }
        maker: fhir.Object = {
            "resourceType": "Device",
            "deviceName": [{"name": "Theriac, the patient's client", "type": "manufacturer-name"}],
        }
        first: list[fhir.Json] = [
            {"fullUrl": f"urn:uuid:{uuid.uuid4()}", "resource": composition},
            *entries,
            {"fullUrl": device, "resource": maker},
        ]
        bundle: fhir.Object = {
            "resourceType": "Bundle",
            "meta": {"profile": [f"{IPS}/StructureDefinition/Bundle-uv-ips"]},
            "identifier": {"system": "urn:ietf:rfc:3986", "value": name},
            "type": "document",
            "timestamp": stamp,
            "entry": first,
        }
        return Summary(bundle, self._her_name(), tuple(sections), tuple(self._told), self._now)

    def _section(self, section: Section, references: list[fhir.Json]) -> fhir.Object:
        made: fhir.Object = {
            "title": section.title,
            "code": {"coding": [{"system": LOINC, "code": section.code, "display": section.display}]},
            "text": {"status": "generated", "div": _narrative(section, digests=self._digests)},
        }
        if section.empty == "withheld":
            made["emptyReason"] = {
                "coding": [{"system": EMPTY_REASON, "code": "withheld", "display": "Information Withheld"}]
            }
        else:
            made["entry"] = references
        return made

    def _absent(self, name: str) -> fhir.Object:
        """What says that nothing is known, by the code of IPS 1 and by that of IPS 2."""
        code, display = ABSENT_CODES[name]
        said: fhir.Json = {
            "coding": [
                {"system": ABSENT, "code": code, "display": display},
                {"system": SNOMED, "code": "1287211007", "display": "No information available"},
            ]
        }
        her: fhir.Json = {"reference": self._her_url}
        active = "http://terminology.hl7.org/CodeSystem/"
        resource: fhir.Object
        status: fhir.Json
        if name == "medications":
            resource = {
                "resourceType": "MedicationStatement",
                "status": "unknown",
                "medicationCodeableConcept": said,
                "subject": her,
                "_effectiveDateTime": dict(_UNKNOWN),
            }
        elif name == "allergies":
            status = {"coding": [{"system": f"{active}allergyintolerance-clinical", "code": "active"}]}
            resource = {"resourceType": "AllergyIntolerance", "clinicalStatus": status, "code": said, "patient": her}
        else:
            status = {"coding": [{"system": f"{active}condition-clinical", "code": "active"}]}
            resource = {"resourceType": "Condition", "clinicalStatus": status, "code": said, "subject": her}
        return {"fullUrl": f"urn:uuid:{uuid.uuid4()}", "resource": resource}

    # -- the patient -------------------------------------------------------------------------------------------------

    @property
    def _her_url(self) -> str:
        return self._patient.url if self._patient is not None else f"urn:uuid:{uuid.uuid5(_NAMES, 'patient')}"

    def _her_resource(self) -> fhir.Object:
        made: fhir.Object = {"resourceType": "Patient"}
        if self._patient is not None:
            made = self._rewritten(self._patient)
        names = made.get("name")
        said = [each for each in names if isinstance(each, dict)] if isinstance(names, list) else []
        if not any(each.get(part) for each in said for part in ("family", "given", "text")):
            made["name"] = [{"_text": dict(_UNKNOWN)}]
        if "birthDate" not in made and "_birthDate" not in made:
            made["_birthDate"] = dict(_UNKNOWN)
        return made

    def _her_name(self) -> str:
        names = self._patient.value.get("name") if self._patient is not None else None
        for each in names if isinstance(names, list) else []:
            if isinstance(each, dict):
                given = each.get("given")
                parts = [*(given if isinstance(given, list) else []), each.get("family")]
                said = each.get("text") or " ".join(str(part) for part in parts if part)
                if said:
                    return str(said)
        return ""

    def _about_her(self, item: _Item) -> bool:
        for name in ("subject", "patient"):
            reference = fhir.reference_of(item.value.get(name))
            if reference is None:
                continue
            target = self._find(item, reference.text)
            kind = target.type if target is not None else reference.text.rsplit("/", 2)[-2:][0]
            if target is not None and id(target) in self._others:
                return False
            if kind in ("Group", "Device", "Location", "Practitioner", "Organization"):
                return False
        return True

    # -- references --------------------------------------------------------------------------------------------------

    def _find(self, item: _Item, text: str) -> _Item | None:
        plain = text.split("/_history/")[0]
        for name in (plain, "/".join(plain.rsplit("/", 2)[-2:])):
            for source in item.sources:
                for place in ((source.member, source.bundle, name), (source.member, "", name)):
                    if place in self._index:
                        return self._index[place]
        return None

    def _include(self, item: _Item) -> str:
        if id(item) not in self._included:
            self._included[id(item)] = item
            self._waiting.append(item)
        return item.url

    def _rewritten(self, item: _Item) -> fhir.Object:
        made = self._without_narrative(item.value)
        copied = self._copied(item, made)
        assert isinstance(copied, dict)
        for name in ("subject", "patient"):
            said = fhir.reference_of(item.value.get(name))
            if said is not None and self._find(item, said.text) is None and item.type != "Patient":
                # It stands under her pseudonym, so it is about her, whatever the member calls her.
                copied[name] = {"reference": self._her_url}
        for name in _MUST.get(item.type, ()):
            if name in _CHOICES:
                if not any(key.lstrip("_").startswith(name) for key in copied):
                    copied[f"_{name}DateTime"] = dict(_UNKNOWN)
            elif not copied.get(name):
                copied[name] = dict(_UNKNOWN)
        return copied

    def _without_narrative(self, value: fhir.Object) -> fhir.Object:
        made = {name: each for name, each in value.items() if name not in ("text", "_text")}
        contained = made.get("contained")
        if isinstance(contained, list):
            made["contained"] = [
                {name: inner for name, inner in each.items() if name != "text"} if isinstance(each, dict) else each
                for each in contained
            ]
        return made

    def _copied(self, item: _Item, value: fhir.Json) -> fhir.Json:
        if isinstance(value, list):
            return [self._copied(item, each) for each in value]
        if not isinstance(value, dict):
            return value
        made = {name: self._copied(item, each) for name, each in value.items()}
        reference = fhir.reference_of(value)
        if reference is None or reference.text.startswith("#"):
            return made
        target = self._find(item, reference.text)
        if (target is not None and target.type == "Patient" and id(target) not in self._others) or (
            target is None and reference.text.rsplit("/", 2)[-2:][0] == "Patient"
        ):
            made["reference"] = self._her_url
        elif target is not None and (target.type in _SUPPORT or id(target) in self._included):
            made["reference"] = self._include(target)
        else:
            del made["reference"]
            if not made.keys() & {"display", "identifier"}:
                made["display"] = "not in this summary"
        return made

    # -- sources -----------------------------------------------------------------------------------------------------

    def _provenance(self) -> list[fhir.Object]:
        members: dict[int, str] = {}
        entries: list[fhir.Object] = []
        made: list[fhir.Object] = []
        for item in self._included.values():
            for source in item.sources:
                who = self._her_url
                if source.member:
                    if source.member not in members:
                        members[source.member] = f"urn:uuid:{uuid.uuid5(_NAMES, f'member/{source.member}')}"
                        entries.append(self._organization(source, url=members[source.member]))
                    who = members[source.member]
                made.append({"fullUrl": f"urn:uuid:{uuid.uuid4()}", "resource": self._source(item, source, who=who)})
        return entries + made

    def _organization(self, source: Source, *, url: str) -> fhir.Object:
        identifier: fhir.Json = [dict(self._ledger.name_of(member_address(source.member)))]
        name = source.name or f"Member {source.member}"
        return {"fullUrl": url, "resource": {"resourceType": "Organization", "identifier": identifier, "name": name}}

    def _source(self, item: _Item, source: Source, *, who: str) -> fhir.Object:
        roles = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
        anchored = source.anchored.astimezone(UTC)
        if not self._digests:
            anchored = anchored.replace(hour=0, minute=0, second=0, microsecond=0)
        made: fhir.Object = {
            "resourceType": "Provenance",
            "target": [{"reference": item.url}],
            "recorded": anchored.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "agent": [{"type": {"coding": [{"system": roles, "code": "author"}]}, "who": {"reference": who}}],
        }
        if self._digests:
            what: fhir.Json = {"identifier": {"system": RECORD, "value": source.digest}, "display": "A sealed record"}
            made["entity"] = [{"role": "source", "what": what}]
        return made


_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


def _alike(one: _Item, other: _Item) -> bool:
    """Whether two descriptions can be of one person."""
    pairs = [(one.value.get(name), other.value.get(name)) for name in ("birthDate", "gender")]
    return all(None in pair or pair[0] == pair[1] for pair in pairs)


def _index(items: Sequence[_Item]) -> dict[tuple[int, str, str], _Item]:
    """Where references lead: within an upload, else within what a member wrote, the newest first."""
    index: dict[tuple[int, str, str], _Item] = {}
    for item in items:
        own = item.value.get("id")
        if not isinstance(own, str):
            continue
        for source in item.sources:
            for bundle in (source.bundle, ""):
                for name in (f"{item.type}/{own}", f"urn:uuid:{own}"):
                    index.setdefault((source.member, bundle, name), item)
    return index


# -- what goes where, in words ---------------------------------------------------------------------------------------


def _section_of(item: _Item) -> str:
    """The section of a resource, or nothing."""
    value = item.value
    if value.get("status") == "entered-in-error" or value.get("doNotPerform") is True:
        return ""
    if "entered-in-error" in {each.code for each in fhir.codes_of(value.get("verificationStatus"))}:
        return ""
    if item.type == "Condition":
        past = {each.code for each in fhir.codes_of(value.get("clinicalStatus"))} & {
            "inactive",
            "remission",
            "resolved",
        }
        return "past-problems" if past else "problems"
    if item.type == "Observation":
        if any(each.system == LOINC and each.code in _PREGNANCY for each in fhir.codes_of(value.get("code"))):
            return "pregnancy"
        for code in fhir.codes_of(value.get("category")):
            if (code.system or "").endswith("observation-category") and code.code in _BY_CATEGORY:
                return _BY_CATEGORY[code.code]
        return ""
    if item.type == "Consent":
        return "directives" if {"adr"} & {each.code for each in fhir.codes_of(value.get("scope"))} else ""
    return _BY_TYPE.get(item.type, "")


def _newest(items: Sequence[_Item], *, each: int) -> tuple[list[_Item], int]:
    """The newest of each code of each member, and how many more there are; all of them where `each` is zero."""
    if not each:
        return list(items), 0
    counted: dict[tuple[int, str], int] = defaultdict(int)
    kept = []
    for item in sorted(items, key=lambda one: _line(one).date, reverse=True):
        codes = fhir.codes_of(item.value.get("code"))
        place = (item.source.member, str(codes[0]) + (codes[0].display or "") if codes else item.source.digest)
        counted[place] += 1
        if counted[place] <= each:
            kept.append(item)
    return kept, len(items) - len(kept)


def _line(item: _Item) -> Line:
    value = item.value
    facts = fhir.facts_of(item.resource)
    return Line(_what(value), facts.date or "", "; ".join(_details(value)), tuple(item.sources))


def _what(value: fhir.Object) -> str:
    for name in ("code", "vaccineCode", "medicationCodeableConcept", "title", "scope", "device", "medicationReference"):
        if said := _said(value.get(name)):
            return said
    return _said(value.get("category")) or str(value.get("resourceType"))


def _said(value: fhir.Json) -> str:
    """The words of a concept, a reference or a text."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and isinstance(value.get("text"), str) and value["text"]:
        return str(value["text"])
    if isinstance(value, dict) and isinstance(value.get("display"), str):
        return str(value["display"])
    codes = fhir.codes_of(value)
    return next((each.display for each in codes if each.display), "") or next(
        (each.code for each in codes if each.code), ""
    )


def _details(value: fhir.Object) -> Iterator[str]:
    if quantity := _quantity(value):
        yield quantity
    components = value.get("component")
    for each in components if isinstance(components, list) else []:
        if isinstance(each, dict) and (quantity := _quantity(each)):
            yield f"{_said(each.get('code'))} {quantity}"
    reactions = value.get("reaction")
    for each in reactions if isinstance(reactions, list) else []:
        if isinstance(each, dict):
            yield from filter(None, [_said(each.get("manifestation")), _said(each.get("severity"))])
    for name in ("dosageInstruction", "dosage"):
        doses = value.get(name)
        for each in doses if isinstance(doses, list) else []:
            if isinstance(each, dict) and (said := _said(each.get("text"))):
                yield said
    for name in ("criticality", "clinicalStatus", "verificationStatus", "status"):
        if said := _said(value.get(name)):
            yield said


def _quantity(value: fhir.Object) -> str:
    quantity = value.get("valueQuantity")
    if isinstance(quantity, dict):
        number = quantity.get("value")
        parts = (
            quantity.get("comparator"),
            number.text if isinstance(number, fhir.Number) else "",
            quantity.get("unit"),
        )
        return " ".join(str(part) for part in parts if part)
    for name in ("valueCodeableConcept", "valueString"):
        if said := _said(value.get(name)):
            return said
    return ""


def source_in_words(source: Source, *, digests: bool = True) -> str:
    """Who anchored a record and when."""
    who = "the patient" if not source.member else f"{source.name or 'member'} (member {source.member})"
    anchored = source.anchored.astimezone(UTC)
    return f"{who}, {anchored:%Y-%m-%d %H:%M} UTC, {source.digest[:16]}" if digests else f"{who}, {anchored:%Y-%m-%d}"


def _narrative(section: Section, *, digests: bool) -> str:
    body = f"<p>{'Withheld by the patient.' if section.empty == 'withheld' else 'No information.'}</p>"
    if section.lines:
        rows = "".join(
            "<tr>"
            + "".join(
                f"<td>{_xhtml(cell)}</td>"
                for cell in (
                    line.what,
                    line.date,
                    line.details,
                    "; ".join(source_in_words(each, digests=digests) for each in line.sources),
                )
            )
            + "</tr>"
            for line in section.lines
        )
        heads = "".join(f"<th>{each}</th>" for each in ("What", "When", "Details", "Source"))
        body = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    if section.more:
        body += f"<p>{section.more} earlier ones of the same kinds are left out.</p>"
    return f'<div xmlns="http://www.w3.org/1999/xhtml">{body}</div>'


def _xhtml(text: str) -> str:
    """A stranger's words: no markup, and nothing that XML does not allow."""
    return escape("".join(letter if letter.isprintable() else " " for letter in text))


# -- what a document of IPS must have --------------------------------------------------------------------------------

_ALLOWED: Mapping[str, tuple[str, ...]] = {
    "48765-2": ("AllergyIntolerance",),
    "10160-0": ("MedicationStatement", "MedicationRequest", "MedicationAdministration", "MedicationDispense"),
    "11450-4": ("Condition",),
    "11348-0": ("Condition",),
    "11369-6": ("Immunization",),
    "30954-2": ("Observation", "DiagnosticReport"),
    "47519-4": ("Procedure",),
    "46264-8": ("DeviceUseStatement",),
    "42348-3": ("Consent",),
    "104605-1": ("Flag",),
    "10162-6": ("Observation",),
    "18776-5": ("CarePlan", "ImmunizationRecommendation"),
    "29762-2": ("Observation",),
    "8716-3": ("Observation",),
}


def faults_of(bundle: fhir.Object) -> list[str]:
    """What a document lacks of what IPS asks for, one half-sentence each; none where it has all."""
    entries = [each for each in _list(bundle.get("entry")) if isinstance(each, dict)]
    resources = {str(each.get("fullUrl")): _dict(each.get("resource")) for each in entries}
    types = [str(each.get("resourceType")) for each in resources.values()]
    faults = [
        *(["it is no document"] if bundle.get("type") != "document" else []),
        *(f"the document has no {name}" for name in ("identifier", "timestamp") if not bundle.get(name)),
        *(["two entries have one fullUrl"] if len(resources) < len(entries) else []),
        *(["its first entry is no Composition"] if types[:1] != ["Composition"] else []),
        *(f"it has {types.count(each)} of {each}" for each in ("Composition", "Patient") if types.count(each) != 1),
    ]
    if faults:
        return faults
    composition = next(iter(resources.values()))
    faults += _faults_of_composition(composition, resources)
    for url, resource in resources.items():
        faults += [f"{url} refers to {each}, which is not in it" for each in _dangling(resource, resources)]
        faults += _faults_of_resource(resource)
    return faults


def _faults_of_composition(composition: fhir.Object, resources: Mapping[str, fhir.Object]) -> list[str]:
    faults = []
    if [each.code for each in fhir.codes_of(composition.get("type"))] != ["60591-5"]:
        faults.append("its Composition is no patient summary")
    subject = fhir.reference_of(composition.get("subject"))
    if subject is None or resources.get(subject.text, {}).get("resourceType") != "Patient":
        faults.append("its Composition is about no Patient in it")
    faults += [
        f"its Composition has no {name}" for name in ("status", "date", "author", "title") if not composition.get(name)
    ]
    codes = []
    for section in map(_dict, _list(composition.get("section"))):
        code = next((each.code or "" for each in fhir.codes_of(section.get("code"))), "")
        codes.append(code)
        if not (section.get("title") and _dict(section.get("text")).get("div")):
            faults.append(f"section {code} has no title or no text")
        entries = [fhir.reference_of(each) for each in _list(section.get("entry"))]
        if bool(entries) == bool(section.get("emptyReason")):
            faults.append(f"section {code} has both or neither of entries and a reason for having none")
        for each in entries:
            kind = str(resources.get(each.text if each else "", {}).get("resourceType"))
            if kind not in _ALLOWED.get(code, ()):
                faults.append(f"section {code} has a {kind}")
    faults += [f"section {each} is not there" for each in ("48765-2", "10160-0", "11450-4") if codes.count(each) != 1]
    return faults + [f"section {each} is there twice" for each in set(codes) if codes.count(each) > 1]


def _faults_of_resource(resource: fhir.Object) -> list[str]:
    kind = str(resource.get("resourceType"))
    missing = [
        name
        for name in _MUST.get(kind, ())
        if not any(key.lstrip("_").startswith(name) if name in _CHOICES else key == name for key in resource)
    ]
    if kind == "Patient":
        names = [_dict(each) for each in _list(resource.get("name"))]
        parts = ("family", "given", "text", "_text")
        missing += [] if any(each.get(part) for each in names for part in parts) else ["name"]
        missing += [] if resource.get("birthDate") or resource.get("_birthDate") else ["birthDate"]
    return [f"a {kind} has no {name}" for name in missing]


def _dangling(resource: fhir.Object, resources: Mapping[str, fhir.Object]) -> list[str]:
    inside = {f"#{_dict(each).get('id')}" for each in _list(resource.get("contained"))}
    return [each for each in _references(resource) if each not in resources and each not in inside and each != "#"]


def _references(value: fhir.Json) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _references(each)
    elif isinstance(value, dict):
        if reference := fhir.reference_of(value):
            yield reference.text
        for each in value.values():
            yield from _references(each)


def _list(value: fhir.Json) -> list[fhir.Json]:
    return value if isinstance(value, list) else []


def _dict(value: fhir.Json) -> fhir.Object:
    return value if isinstance(value, dict) else {}


# -- JSON, numbers as they came --------------------------------------------------------------------------------------


def _written(value: fhir.Json, *, ordered: bool = False) -> str:
    """JSON with each number as it was written."""
    write: Callable[[fhir.Json], str] = lambda each: _written(each, ordered=ordered)  # noqa: E731
    if isinstance(value, fhir.Number):
        return value.text
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    if isinstance(value, dict):
        items = sorted(value.items()) if ordered else value.items()
        return "{" + ",".join(f"{json.dumps(name, ensure_ascii=False)}:{write(each)}" for name, each in items) + "}"
    return json.dumps(value, ensure_ascii=False)

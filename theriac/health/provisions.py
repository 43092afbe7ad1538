"""A PCF Consent read into the terms of grants, where a grant can say it; refused with the reason where not.

What comes out permits a subset of what the Consent permits, whichever way its words can be read. A permit is read as
narrowly as it can be, a denial as widely: a permit's label counts for records that bear just that label, a denied R for
V too; a day without a time zone begins late and ends early for a permit, and the other way round for a denial. What is
left out on the way is told. What a grant cannot honour (single resources, authors, past data of a period) is refused.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from theriac import fhir
from theriac.errors import BadConsent, UnknownClass
from theriac.health.consents import (
    ALL_NORMAL,
    CONSENT_SCOPE,
    KEY_CLASS,
    PARTICIPATION,
    PCF,
    POLICY,
    Ledger,
    Option,
    Terms,
)
from theriac.health.hours import EPOCH
from theriac.health.scope import (
    ACT_REASON,
    ALIASES,
    ALL_CLASSES,
    CONFIDENTIALITY,
    LABELS,
    PURPOSES,
    Category,
    KeyClass,
    Level,
    Purpose,
)

LARGEST = 1 << 20
"""Bytes of a Consent that are read."""

MOST_TERMS = 50

BASIC_NORMAL = f"{PCF}/Policy-basic-normal"
DENYING = (f"{PCF}/Policy-deny", f"{PCF}/Policy-break-glass-only")

ABOVE: dict[str, tuple[str, ...]] = {
    "TREAT": (),
    "ETREAT": ("TREAT",),
    "CAREMGT": ("HOPERAT", "TREAT"),
    "COC": ("TREAT", "HOPERAT"),
    "HPAYMT": (),
    "COVERAGE": ("HPAYMT",),
    "CLMATTCH": ("HPAYMT",),
    "PUBHLTH": (),
    "HQUALIMP": ("HOPERAT",),
    "FAMRQT": ("PATRQT",),
    "PATRQT": (),
    "PWATRNY": ("PATRQT",),
}
"""By purpose, the codes above it in PurposeOfUse: whoever denies one of these denies it too."""


@dataclass(frozen=True)
class Circumstances:
    """What reading needs to know that stands in no Consent.

    :param pseudonyms: the patient's; a Consent about anybody else is refused.
    :param recipients: what the patient says that a recipient's reference or `system|value` means, as an account.
    :param patients: references or `system|value` that the patient says are she.
    :param policies: overarching policies that the patient says she knows; their Consents concern level N.
    :param until: no grant ends later.
    :param purpose: which of all purposes to take where a Consent names none.
    """

    ledger: Ledger
    pseudonyms: Collection[str]
    now: datetime
    until: datetime
    recipients: Mapping[str, str]
    patients: Collection[str] = ()
    policies: Collection[str] = ()
    purpose: Purpose = PURPOSES[0]


@dataclass(frozen=True)
class Reading:
    """The terms of the grants that a Consent becomes, and what of it they leave out, one sentence each."""

    terms: tuple[Terms, ...]
    told: tuple[str, ...]
    option: Option


def read(consent: fhir.Resource, circumstances: Circumstances) -> Reading:
    """The grants that a Consent becomes.

    :raises BadConsent: it is no Consent of PCF for this patient in force, or says what no grant can say.
    """
    value = consent.value
    if len(consent.text) > LARGEST:
        raise BadConsent(fault=f"it has more than {LARGEST >> 10} KiB")
    if consent.type != "Consent":
        raise BadConsent(fault=f"it is a {consent.type[:40]}, and no Consent")
    _refuse_modifiers(value)
    if problems := fhir.problems_of(consent, limit=1):
        raise BadConsent(fault=f"it is no valid Consent of FHIR R4 ({problems[0][:200]})")
    _check_root(value, circumstances)
    return _Reader(value, circumstances).read()


# -- what a Consent must be ------------------------------------------------------------------------------------------


def _refuse_modifiers(root: fhir.Object) -> None:
    stack: list[fhir.Json] = [root]
    while stack:
        each = stack.pop()
        if each is None or each == [] or each == {}:
            raise BadConsent(fault="something in it is empty, which FHIR does not allow")
        if isinstance(each, dict):
            for name in ("modifierExtension", "implicitRules", "_implicitRules"):
                if name in each:
                    raise BadConsent(fault=f"it has {name.lstrip('_')}, which may change what all else means")
            stack.extend(each.values())
        elif isinstance(each, list):
            stack.extend(each)


_PARTS = {"SUBSETTED", "REDACTED", "MASKED", "ABSTRED", "AGGRED", "ANONYED", "PSEUDED"}
"""Marks (v3 ObservationValue) of a resource out of which something was taken."""

_REQUIRED = ("scope", "category", "patient", "dateTime", "performer", "organization", "policy", "provision")


def _check_root(value: fhir.Object, circumstances: Circumstances) -> None:
    if value.get("status") != "active":
        raise BadConsent(fault=f"its status is {str(value.get('status'))[:40]!r}, and only an active one counts")
    missing = [name for name in _REQUIRED if not value.get(name)]
    if not value.get("sourceReference") and not value.get("sourceAttachment"):
        missing.append("source[x]")
    if missing:
        raise BadConsent(fault=f"it lacks {', '.join(missing)}, which PCF asks for")
    if "verification" in value:
        raise BadConsent(fault="it has a verification, which PCF does not allow")
    if "policyRule" in value:
        raise BadConsent(fault="it has a policyRule, and what that adds is not known here")
    codes = [each.code for each in fhir.codes_of(value.get("scope")) if each.system == CONSENT_SCOPE]
    if codes != ["patient-privacy"]:
        raise BadConsent(fault="its scope is not patient-privacy")
    meta = _under(value, "meta")
    marks = {each.code for name in ("security", "tag") for each in fhir.codes_of(meta.get(name))}
    if "HTEST" in marks:
        raise BadConsent(fault="it is marked as test data")
    if marks & _PARTS:
        raise BadConsent(fault="it is marked as a part of a Consent, and what it denies may be in the rest")
    if not _is_patient(_under(value, "patient"), circumstances):
        raise BadConsent(
            fault="it is about another patient, or about one that is not known here; --me says who you are"
        )
    for performer in _objects(value, "performer"):
        if performer != value["patient"] and not _is_patient(performer, circumstances):
            raise BadConsent(fault="somebody else than the patient made it")


def _is_patient(reference: fhir.Object, circumstances: Circumstances) -> bool:
    names = _names_of(reference)
    accounts = {circumstances.ledger.account_of(*name.split("|", 1)) for name in names if "|" in name}
    hers = set(circumstances.pseudonyms)
    return bool(names & set(circumstances.patients)) or bool(accounts & hers)


def _names_of(reference: fhir.Object) -> set[str]:
    """A reference's text, and its identifier as `system|value`."""
    identifier = _under(reference, "identifier")
    names = {str(reference["reference"])} if isinstance(reference.get("reference"), str) else set()
    system, value = identifier.get("system"), identifier.get("value")
    if isinstance(system, str) and isinstance(value, str):
        names.add(f"{system}|{value}")
    return names


# -- provisions ------------------------------------------------------------------------------------------------------

_ELEMENTS = {
    "type",
    "period",
    "actor",
    "purpose",
    "securityLabel",
    "dataPeriod",
    "data",
    "provision",
    "id",
    "extension",
}
_NOT_PCF = {"action": "actions", "class": "kinds of content", "code": "codes of content"}


@dataclass(frozen=True)
class _Window:
    """[start, end), either open; what lies outside of the hours that there are is open, too."""

    start: datetime | None = None
    end: datetime | None = None

    def common(self, other: "_Window") -> "_Window":
        starts = [each for each in (self.start, other.start) if each is not None]
        ends = [each for each in (self.end, other.end) if each is not None]
        return _Window(max(starts, default=None), min(ends, default=None))


@dataclass(frozen=True)
class _Rule:
    """One provision; None where an element is not there and so limits nothing."""

    permit: bool
    actors: tuple[str, ...] | None
    purposes: tuple[fhir.Code, ...] | None
    labels: tuple[fhir.Code, ...] | None
    period: _Window
    data: _Window

    def within(self, root: "_Rule") -> "_Rule":
        """A permit beside the root's: what it does not say is as the root says it; times are within the root's."""
        return replace(
            self,
            actors=root.actors if self.actors is None else self.actors,
            purposes=root.purposes if self.purposes is None else self.purposes,
            labels=root.labels if self.labels is None else self.labels,
            period=self.period.common(root.period),
            data=self.data.common(root.data),
        )


class _Reader:
    def __init__(self, value: fhir.Object, circumstances: Circumstances) -> None:
        self._value = value
        self._about = circumstances
        self._told: list[str] = []

    def read(self) -> Reading:
        base, only = self._policies()
        provision = _under(self._value, "provision")
        root = self._rule(provision, root=True)
        nested = [self._rule(each) for each in _objects(provision, "provision")]
        for each in _objects(provision, "provision"):
            if each.get("provision"):
                raise BadConsent(fault="it has exceptions of exceptions, which PCF does not allow")
        permits = [root] if root.permit else []
        permits += [each.within(root) for each in nested if each.permit]
        denials = [each for each in nested if not each.permit]
        if not permits:
            raise BadConsent(fault="it only denies; 'patient revoke' ends what was granted")

        terms = [each for permit in permits for each in self._terms(permit, base=base, only=only)]
        for denial in denials:
            terms = [left for each in terms if (left := self._less(each, denial)) is not None]
        merged = self._merged([each for each in terms if self._opens_something(each)])
        if not merged:
            raise BadConsent(fault=self._told[-1] if self._told else "nothing that it permits is left")
        if len(merged) > MOST_TERMS:
            raise BadConsent(fault=f"it would be {len(merged)} grants, more than {MOST_TERMS}")
        return Reading(tuple(merged), tuple(dict.fromkeys(self._told)), self._option(provision))

    def _option(self, provision: fhir.Object) -> Option:
        every = [provision, *_objects(provision, "provision")]
        if any("securityLabel" in each for each in every):
            return Option.ADVANCED
        if len(every) > 1 or any(name in each for each in every for name in ("dataPeriod", "data")):
            return Option.INTERMEDIATE
        return Option.BASIC

    def _tell(self, sentence: str) -> None:
        self._told.append(sentence)

    def _policies(self) -> tuple[tuple[KeyClass, ...], tuple[str, ...] | None]:
        """The classes of a provision without labels, and the purposes that all policies let through."""
        base, only = ALL_CLASSES, None
        uris = [str(each.get("uri", "")) for each in _objects(self._value, "policy")]
        for uri in uris:
            if uri in DENYING:
                raise BadConsent(fault="its policy denies everything but break-glass, which is no grant here")
            if uri not in (POLICY, ALL_NORMAL, BASIC_NORMAL, *self._about.policies):
                raise BadConsent(
                    fault=f"what its policy {uri[:120]!r} permits is not known here; --policy says that you know it"
                )
            if uri == BASIC_NORMAL:
                only = ("TREAT",)
        if POLICY not in uris or set(uris) - {POLICY, ALL_NORMAL}:
            base = tuple(each for each in ALL_CLASSES if each.level is Level.N)
        return base, only

    def _rule(self, provision: fhir.Object, *, root: bool = False) -> _Rule:
        for name, words in _NOT_PCF.items():
            if name in provision:
                raise BadConsent(fault=f"it depends on {words} (provision.{name}), which PCF does not allow")
        if unknown := sorted(provision.keys() - _ELEMENTS):
            raise BadConsent(fault=f"a provision has {unknown[0][:40]!r}, which is not known here")
        if "data" in provision:
            raise BadConsent(fault="it is about single resources, encounters or authors, and a grant is about classes")
        kind = provision.get("type")
        if kind not in ("permit", "deny"):
            raise BadConsent(fault="a provision neither permits nor denies")
        permit = kind == "permit"
        if not permit and "dataPeriod" in provision:
            raise BadConsent(fault="it denies data of a period, which a grant cannot leave out")
        return _Rule(
            permit,
            self._actors(provision) if "actor" in provision else None,
            tuple(_codings(provision, "purpose")) if "purpose" in provision else None,
            tuple(_codings(provision, "securityLabel")) if "securityLabel" in provision else None,
            # The root's period bounds what is permitted beside it, also where the root itself denies.
            _window(provision.get("period"), permit=permit or root),
            _window(provision.get("dataPeriod"), permit=True),
        )

    # -- who ---------------------------------------------------------------------------------------------------------

    def _actors(self, provision: fhir.Object) -> tuple[str, ...]:
        found = []
        for actor in _objects(provision, "actor"):
            roles = [(each.system, each.code) for each in fhir.codes_of(actor.get("role"))]
            if roles != [(PARTICIPATION, "IRCP")]:
                raise BadConsent(fault="an actor has another role than that of information recipient (IRCP)")
            found.append(self._account(_under(actor, "reference")))
        return tuple(dict.fromkeys(found))

    def _account(self, reference: fhir.Object) -> str:
        names = _names_of(reference)
        text = reference.get("reference")
        if isinstance(text, str) and text.startswith("#"):
            for each in _objects(self._value, "contained"):
                if each.get("id") == text[1:]:
                    names |= {
                        name for inner in _objects(each, "identifier") for name in _names_of({"identifier": inner})
                    }
        said = {self._about.recipients[name] for name in names if name in self._about.recipients}
        named = {self._about.ledger.account_of(*name.split("|", 1)) for name in names if "|" in name}
        accounts = said | {each for each in named if each}
        if len(accounts) != 1:
            shown = sorted(names)[0][:80] if names else "without a name"
            what = "means more than one reader" if accounts else "is nobody known on this ledger"
            raise BadConsent(fault=f"the recipient {shown!r} {what}; --recipient says whom it means")
        return accounts.pop()

    # -- what is permitted -------------------------------------------------------------------------------------------

    def _terms(self, permit: _Rule, *, base: tuple[KeyClass, ...], only: tuple[str, ...] | None) -> Iterator[Terms]:
        if not permit.actors:
            self._tell("it permits everybody something, and a grant names who may read")
            return
        if permit.labels is None and base != ALL_CLASSES:
            self._tell("it names no confidentiality, and the grant is of level N alone")
        classes = base if permit.labels is None else self._permitted(permit.labels)
        purposes = self._purposes(permit.purposes, only=only)
        start, end, since = permit.period.start, self._end(permit), permit.data.start
        if end <= max(start or self._about.now, self._about.now):
            self._tell("its time is over, or is shorter than a full hour")
            return
        if since is not None and since <= EPOCH:
            # Nothing was recorded here before.
            since = None
        if classes:
            for reader in permit.actors:
                for purpose in purposes:
                    yield Terms(
                        reader, purpose, classes, since, start if start and start > self._about.now else None, end
                    )

    def _opens_something(self, terms: Terms) -> bool:
        empty = terms.since is not None and terms.since >= terms.end
        if empty:
            self._tell("its data begins only when the grant is over")
        return not empty

    def _end(self, permit: _Rule) -> datetime:
        ends = [each for each in (permit.period.end, permit.data.end) if each is not None]
        if not ends or min(ends) > self._about.until:
            self._tell(f"it goes on after {self._about.until:%Y-%m-%d %H:%M} UTC, where the grant ends")
        if permit.data.end is not None and (permit.period.end is None or permit.data.end < permit.period.end):
            self._tell("its data ends earlier than its period, so the grant ends there")
        return min([*ends, self._about.until])

    def _permitted(self, labels: Sequence[fhir.Code]) -> tuple[KeyClass, ...]:
        found: set[KeyClass] = set()
        for label in labels:
            system = _canonical(label.system)
            if system == CONFIDENTIALITY and label.code in Level.__members__:
                found |= {each for each in ALL_CLASSES if each.level.name == label.code}
            elif system == KEY_CLASS and (cls := _class(label)) is not None:
                found.add(cls)
            else:
                self._tell(f"no class here has just the records labelled {_shown(label)}")
        return tuple(each for each in ALL_CLASSES if each in found)

    def _purposes(self, purposes: tuple[fhir.Code, ...] | None, *, only: tuple[str, ...] | None) -> list[Purpose]:
        if purposes is None:
            self._tell(f"it is for any purpose, and the grant is for {self._about.purpose.code}")
            found = [self._about.purpose]
        else:
            known = {each.code: each for each in PURPOSES}
            found = []
            for code in purposes:
                if _canonical(code.system) == ACT_REASON and code.code in known:
                    found.append(known[code.code])
                else:
                    self._tell(f"nothing is granted here for the purpose {_shown(code)}")
        if only is not None and any(each.code not in only for each in found):
            self._tell(f"its policy is for {', '.join(only)} alone")
            found = [each for each in found if each.code in only]
        return list(dict.fromkeys(found))

    # -- what is denied ----------------------------------------------------------------------------------------------

    def _less(self, terms: Terms, denial: _Rule) -> Terms | None:
        """What of terms a denial leaves, or None."""
        start = terms.start or self._about.now
        if denial.actors is not None and not any(_may_be(each, terms.reader) for each in denial.actors):
            return terms
        if not self._denies_purpose(denial, terms.purpose):
            return terms
        before = denial.period.start is not None and denial.period.start >= terms.end
        after = denial.period.end is not None and denial.period.end <= start
        if before or after:
            return terms
        denied = set(ALL_CLASSES) if denial.labels is None else self._denied(denial.labels)
        left = tuple(each for each in terms.classes if each not in denied)
        if left == terms.classes:
            return terms
        if left:
            self._tell("what it denies of some classes is left out of the grant for all of its time")
            return replace(terms, classes=left)
        return self._cut(terms, denial.period, start=start)

    def _cut(self, terms: Terms, denied: _Window, *, start: datetime) -> Terms | None:
        """The first stretch of a window that a denied period leaves."""
        if denied.start is not None and denied.start > start:
            self._tell("the grant ends where what is denied begins")
            return replace(terms, end=denied.start)
        if denied.end is not None and denied.end < terms.end:
            self._tell("the grant begins where what is denied ends")
            return replace(terms, start=denied.end)
        self._tell("it denies all that it permits")
        return None

    def _denies_purpose(self, denial: _Rule, purpose: Purpose) -> bool:
        if denial.purposes is None:
            return True
        for code in denial.purposes:
            if _canonical(code.system) != ACT_REASON or code.code not in _KNOWN_REASONS:
                raise BadConsent(fault=f"it denies the purpose {_shown(code)}, which is not known here")
        return any(code.code in (purpose.code, *ABOVE[purpose.code]) for code in denial.purposes)

    def _denied(self, labels: Sequence[fhir.Code]) -> set[KeyClass]:
        return {cls for label in labels for cls in ALL_CLASSES if self._touches(label)(cls)}

    def _touches(self, label: fhir.Code) -> Callable[[KeyClass], bool]:
        """Whether records of a class can bear a label, or one above it."""
        system = _canonical(label.system)
        if system == KEY_CLASS and (named := _class(label)) is not None:
            return lambda cls: cls == named
        for (level, category), codes in LABELS.get(system, {}).items():
            if label.code in codes.split():
                wide = (category, Category.MIXED, Category.UNSORTED)
                return lambda cls: cls.level >= level and (category is None or cls.category in wide)
        raise BadConsent(fault=f"it denies what is labelled {_shown(label)}, which is not known here")

    # -- putting together --------------------------------------------------------------------------------------------

    def _merged(self, terms: Sequence[Terms]) -> list[Terms]:
        """One grant for each reader and purpose: the chain keeps no more."""
        found: dict[tuple[str, int], Terms] = {}
        for each in terms:
            place = (each.reader, each.purpose.number)
            known = found.get(place)
            if known is None:
                found[place] = each
                continue
            if (known.since, known.start, known.end) != (each.since, each.start, each.end):
                raise BadConsent(
                    fault="it permits one reader different times for one purpose, and a grant has one window"
                )
            both = {*known.classes, *each.classes}
            found[place] = replace(known, classes=tuple(cls for cls in ALL_CLASSES if cls in both))
        return list(found.values())


_KNOWN_REASONS = {code for codes in LABELS[ACT_REASON].values() for code in codes.split()}


def _may_be(denied: str, reader: str) -> bool:
    """Whether who is denied may read by a grant to the reader: staff read by their member's grants."""
    one, other = int(denied, 16), int(reader, 16)
    return one == other or (one < 1 << 32) != (other < 1 << 32)


def _class(label: fhir.Code) -> KeyClass | None:
    try:
        return KeyClass.parse(label.code or "")
    except UnknownClass:
        return None


def _canonical(system: str | None) -> str:
    return ALIASES.get(system or "", system or "")


def _shown(code: fhir.Code) -> str:
    return repr(f"{(code.system or '').rsplit('/', 1)[-1]}|{code.code or ''}"[:80])


# -- times -----------------------------------------------------------------------------------------------------------

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d{1,9}))?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_EAST, _WEST = timedelta(hours=14), timedelta(hours=12)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def _window(value: fhir.Json, *, permit: bool) -> _Window:
    """A Period, as short as it can mean for a permit and as long as it can for a denial, of full hours."""
    if value is None:
        return _Window()
    if not isinstance(value, dict) or value.keys() - {"start", "end", "id", "extension"}:
        raise BadConsent(fault="one of its periods is broken")
    start, end = value.get("start"), value.get("end")
    if isinstance(end, str) and end.startswith("9999"):
        end = None
    opens = None if start is None else _start(start, late=permit)
    closes = None if end is None else _end(end, late=not permit)
    if opens is not None and closes is not None and start == end and "T" in str(start):
        raise BadConsent(fault="one of its periods is a single moment")
    if opens is not None and closes is not None and _end(end, late=True) <= _start(start, late=False):
        raise BadConsent(fault="one of its periods ends before it begins")
    return _Window(opens, closes)


def _start(value: fhir.Json, *, late: bool) -> datetime:
    earliest, latest, _, _ = _bounds(value)
    return _ceiled(latest, _HOUR) if late else _floored(earliest, _HOUR)


def _end(value: fhir.Json, *, late: bool) -> datetime:
    _, _, earliest, latest = _bounds(value)
    if late:
        return _ceiled(latest, _HOUR)
    return _floored(earliest, _HOUR if "T" in str(value) else _DAY)


def _bounds(value: fhir.Json) -> tuple[datetime, datetime, datetime, datetime]:
    """The earliest and the latest moment at which a FHIR dateTime begins, and at which it is over."""
    text = value if isinstance(value, str) else ""
    try:
        if match := _DATE.fullmatch(text):
            year, month, day = (int(part) if part else None for part in match.groups())
            first = datetime(year or 0, month or 1, day or 1, tzinfo=UTC)
            if day:
                over = first + _DAY
            elif month:
                over = datetime(first.year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
            else:
                over = datetime(first.year + 1, 1, 1, tzinfo=UTC)
            return first - _EAST, first + _WEST, over - _EAST, over + _WEST
        if match := _TIME.fullmatch(text):
            moment = datetime.fromisoformat(text).astimezone(UTC)
            last = timedelta(0) if match[1] else timedelta(seconds=1)
            return moment, moment + timedelta(seconds=1) - last, moment + last, moment + timedelta(seconds=1)
    except (ValueError, OverflowError):
        pass
    raise BadConsent(fault=f"{text[:40]!r} in one of its periods is no date, or has no time zone")


def _floored(time: datetime, unit: timedelta) -> datetime:
    return EPOCH + (time - EPOCH) // unit * unit


def _ceiled(time: datetime, unit: timedelta) -> datetime:
    return EPOCH - (EPOCH - time) // unit * unit


# -- the shape of JSON -----------------------------------------------------------------------------------------------


def _under(value: fhir.Object, name: str) -> fhir.Object:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _objects(value: fhir.Object, name: str) -> list[fhir.Object]:
    found = value.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise BadConsent(fault=f"its {name} is no list")
    return [each for each in found if isinstance(each, dict)]


def _codings(provision: fhir.Object, name: str) -> list[fhir.Code]:
    return [
        fhir.Code(str(each["system"]) if "system" in each else None, str(each["code"]) if "code" in each else None)
        for each in _objects(provision, name)
    ]

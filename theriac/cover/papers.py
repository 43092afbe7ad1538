"""What insurers, patients and providers hand each other beside the chain: offers, enrolments, cards, claims, consents.

Each is a document (RFC 8785) in a file. An offer and a card carry the plan's schedule, so whoever has one can tell the
services of that plan year: they are for the patient and for those who treat her.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from eth_utils.address import to_checksum_address

from theriac.cover.messages import NONE, Claim, Enrol, Line
from theriac.cover.schedule import Schedule
from theriac.crypto import age
from theriac.crypto.recipients import Identity, Recipient
from theriac.errors import BadDocument, BadSchedule
from theriac.fhir import Json, Number
from theriac.health import documents

MOST_DAYS = 366
"""A policy year has at most so many days."""

MOST_DAYS_OVER = 14
"""A policy ends up to so many days after its last day: the chain tells the end, and is not to tell the origin."""

_EARLIEST, _LATEST = 1_000, 30_000
# No day of a policy that begins until then is beyond the calendar's last.
_LAST_YEAR = 9_800
_OPENING = "claim opening"


@dataclass(frozen=True)
class Year:
    """A policy year. Days on the chain are counted from `origin`, which is secret: day zero.

    Services are covered from day `first` to day `last`; goods, whose time everyone sees, until the second `ends`.
    """

    origin: date
    first: int
    last: int
    ends: int

    @classmethod
    def of(cls, first: date, last: date) -> "Year":
        """A year under a new origin. Raises ValueError where it has no days or too many."""
        if not 0 <= (last - first).days < MOST_DAYS:
            raise ValueError(f"a policy year has 1 to {MOST_DAYS} days")
        number = _EARLIEST + secrets.randbelow(_LATEST - _EARLIEST)
        over = secrets.randbelow(MOST_DAYS_OVER + 1)
        end = datetime.combine(last + timedelta(days=1 + over), time(), UTC)
        return cls(first - timedelta(days=number), number, number + (last - first).days, int(end.timestamp()))

    def ends_in_time(self) -> bool:
        """Whether it ends at a midnight after its last day, and not long after."""
        over = self.ends - int(datetime.combine(self.day(self.last + 1), time(), UTC).timestamp())
        return over % 86_400 == 0 and 0 <= over <= MOST_DAYS_OVER * 86_400

    def number(self, day: date) -> int:
        """A day as the chain counts it; zero, which is no day of a service, for one that cannot be told."""
        found = (day - self.origin).days
        return found if 0 < found < 2**16 else 0

    def day(self, number: int) -> date:
        return self.origin + timedelta(days=number)


@dataclass(frozen=True)
class Offer:
    """What an insurer offers one person for one policy year."""

    plan: bytes
    insurer: str
    schedule: Schedule
    year: Year
    family: int
    lifetime: int
    underwriter: str

    def enrol(self, pseudonym: str, *, era: int, deadline: int) -> Enrol:
        """What she signs."""
        return Enrol(
            pseudonym=pseudonym,
            plan=self.plan,
            family=self.family,
            first=self.year.first,
            last=self.year.last,
            ends=self.year.ends,
            lifetime=self.lifetime,
            underwriter=self.underwriter,
            era=era,
            deadline=deadline,
        )

    def card(self, pseudonym: str) -> "Card":
        return Card(self.plan, self.insurer, self.schedule, self.year, pseudonym)

    def encode(self) -> bytes:
        told = {
            **_common(self.plan, self.insurer, self.schedule, self.year),
            "family": self.family.to_bytes(12, "big").hex(),
            "lifetime": self.lifetime,
            "underwriter": self.underwriter,
        }
        return documents.encode("policy offer", told)

    @classmethod
    def decode(cls, data: bytes) -> "Offer":
        """Raises BadDocument."""
        told = _decoded("policy offer", data)
        try:
            family = int.from_bytes(bytes.fromhex(told["family"]))
            rest = (
                _value("uint96", family),
                _value("uint64", told["lifetime"]),
                _value("address", told["underwriter"]),
            )
            found = cls(*_from_common(told), *rest)
        except (KeyError, TypeError, ValueError, BadSchedule):
            raise _broken("policy offer") from None
        return documents.as_written("policy offer", found, data)


@dataclass(frozen=True)
class Enrolment:
    """What a patient signed, for the insurer to sign too and to bring to the chain."""

    terms: Enrol
    signature: bytes

    def encode(self) -> bytes:
        told = _plain(self.terms.values())
        return documents.encode("enrolment", {"terms": told, "signature": self.signature.hex()})

    @classmethod
    def decode(cls, data: bytes) -> "Enrolment":
        """Raises BadDocument."""
        told = _decoded("enrolment", data)
        try:
            terms = {name: _value(kind, told["terms"][name]) for kind, name in Enrol.FIELDS}
            found = cls(Enrol(**terms), bytes.fromhex(told["signature"]))
        except (KeyError, TypeError, ValueError):
            raise _broken("enrolment") from None
        return documents.as_written("enrolment", found, data)


@dataclass(frozen=True)
class Card:
    """What a patient shows a provider, so that it can claim under her policy with her consent."""

    plan: bytes
    insurer: str
    schedule: Schedule
    year: Year
    pseudonym: str

    def encode(self) -> bytes:
        told = {**_common(self.plan, self.insurer, self.schedule, self.year), "pseudonym": self.pseudonym}
        return documents.encode("policy card", told)

    @classmethod
    def decode(cls, data: bytes) -> "Card":
        """Raises BadDocument."""
        told = _decoded("policy card", data)
        try:
            found = cls(*_from_common(told), _value("address", told["pseudonym"]))
        except (KeyError, TypeError, ValueError, BadSchedule):
            raise _broken("policy card") from None
        return documents.as_written("policy card", found, data)


@dataclass(frozen=True)
class Words:
    """A line of a claim for people."""

    code: str
    display: str
    day: str


@dataclass(frozen=True)
class Request:
    """A claim that waits for the patient's consent, with what its lines are."""

    claim: Claim
    words: tuple[Words, ...]
    provider: str

    def encode(self) -> bytes:
        told = {
            "claim": _plain(self.claim.values()),
            "words": [vars(each) for each in self.words],
            "provider": self.provider,
        }
        return documents.encode("claim request", told)

    @classmethod
    def decode(cls, data: bytes) -> "Request":
        """Raises BadDocument."""
        told = _decoded("claim request", data)
        try:
            words = tuple(Words(*(str(each[name]) for name in ("code", "display", "day"))) for each in told["words"])
            found = cls(_claim(told["claim"]), words, str(told["provider"]))
        except (KeyError, TypeError, ValueError):
            raise _broken("claim request") from None
        if len(words) != len(found.claim.lines):
            raise _broken("claim request")
        return documents.as_written("claim request", found, data)


def words_of(lines: Sequence[Line], schedule: Schedule, year: Year) -> tuple[Words, ...]:
    """What lines are by a plan's schedule, and on which day; goods have none. Raises BadDocument."""
    found = []
    for line in lines:
        entry = schedule.entry(line.service)
        if entry is None:
            raise BadDocument(kind="claim request", fault="a line of it is of no service of this plan")
        day = year.day(line.day).isoformat() if line.day else ""
        found.append(Words(entry.service.code, entry.service.display, day))
    return tuple(found)


@dataclass(frozen=True)
class Consent:
    """The patient's signature that a claim may be made; `deadline` is the last second at which it counts."""

    claim: bytes
    deadline: int
    signature: bytes

    def encode(self) -> bytes:
        told = {"claim": self.claim.hex(), "deadline": self.deadline, "signature": self.signature.hex()}
        return documents.encode("claim consent", told)

    @classmethod
    def decode(cls, data: bytes) -> "Consent":
        """Raises BadDocument."""
        told = _decoded("claim consent", data)
        try:
            deadline = _value("uint40", told["deadline"])
            found = cls(_word(told["claim"]), deadline, bytes.fromhex(told["signature"]))
        except (KeyError, TypeError, ValueError):
            raise _broken("claim consent") from None
        return documents.as_written("claim consent", found, data)


def new_claim(
    card: Card, *, provider: int, evidence: bytes, lines: Sequence[Line], era: int, deadline: int, primary: bytes = NONE
) -> Claim:
    """A claim under a card, unlike any other by its salt."""
    return Claim(
        pseudonym=card.pseudonym,
        plan=card.plan,
        provider=provider,
        evidence=evidence,
        primary=primary,
        lines=tuple(lines),
        salt=secrets.token_bytes(32),
        era=era,
        deadline=deadline,
    )


def until(claim: Claim, deadline: int) -> Claim:
    """The same claim with another end of the consent."""
    return replace(claim, deadline=deadline)


# -- openings --------------------------------------------------------------------------------------------------------


def seal_opening(told: Mapping[str, Json], *, to: Sequence[Recipient]) -> bytes:
    """What a claim's evidence is, sealed to those who may see it: the insurer, and the provider itself."""
    document = documents.encode(_OPENING, {name: _unnumbered(value) for name, value in told.items()})
    framed = len(document).to_bytes(4, "big") + document
    return age.seal_bytes(framed.ljust(documents.padme(len(framed)), b"\0"), to=list(to))


def open_opening(sealed: bytes, identities: Sequence[Identity]) -> dict[str, Any]:
    """What a claim's evidence is. Raises NoMatchingIdentity, BadDocument."""
    return documents.decode(_OPENING, documents.open_(sealed, identities=identities))


def _unnumbered(value: Json) -> Any:
    """A value with its numbers as texts, exactly as they were written."""
    match value:
        case Number(text):
            return text
        case list():
            return [_unnumbered(each) for each in value]
        case dict():
            return {name: _unnumbered(each) for name, each in value.items()}
    return value


# -- reading and writing ---------------------------------------------------------------------------------------------


def _common(plan: bytes, insurer: str, schedule: Schedule, year: Year) -> dict[str, Any]:
    return {
        "plan": plan.hex(),
        "insurer": insurer,
        "schedule": schedule.encode().decode(),
        "origin": year.origin.isoformat(),
        "first": year.first,
        "last": year.last,
        "ends": year.ends,
    }


def _from_common(told: Mapping[str, Any]) -> tuple[bytes, str, Schedule, Year]:
    numbers = [_value(kind, told[name]) for kind, name in (("uint16", "first"), ("uint16", "last"), ("uint40", "ends"))]
    year = Year(date.fromisoformat(told["origin"]), *numbers)
    if not 0 < year.first <= year.last or year.origin.year > _LAST_YEAR:
        raise ValueError("has no days of a policy year")
    return _word(told["plan"]), str(told["insurer"]), Schedule.decode(str(told["schedule"]).encode()), year


def _claim(told: Mapping[str, Any]) -> Claim:
    values = {name: _value(kind, told[name]) for kind, name in Claim.FIELDS if kind != "Line[]"}
    lines = [{name: _value(kind, each[name]) for kind, name in Claim.NESTED["Line"]} for each in told["lines"]]
    return Claim(**values, lines=tuple(Line(**each) for each in lines))


def _value(kind: str, told: Any) -> Any:
    """A field of a message, by its type."""
    if kind == "bytes32":
        return _word(told)
    if kind == "address":
        return to_checksum_address(str(told))
    found = int(told)
    if isinstance(told, bool) or found < 0 or found >> int(kind.removeprefix("uint")):
        raise ValueError(f"is no {kind}")
    return found


def _plain(value: Any) -> Any:
    """Bytes in hexadecimal, and numbers beyond 2^53 as texts."""
    match value:
        case bytes():
            return value.hex()
        case bool() | str():
            return value
        case int():
            return value if abs(value) < 2**53 else str(value)
        case Mapping():
            return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value]


def _word(text: Any) -> bytes:
    found = bytes.fromhex(text)
    if len(found) != 32:
        raise ValueError("is not 32 bytes")
    return found


def _decoded(kind: str, data: bytes) -> dict[str, Any]:
    return documents.decode(kind, data.strip())


def _broken(kind: str) -> BadDocument:
    return BadDocument(kind=kind, fault="a part of it is missing or broken")

"""Programmes: screening and chronic care as a signed document of steps, who does them, and by when.

A patient takes part by a parent on the chain that stands for the document; her team's grant ends with it. Each step
done is a sealed note from the team to the patient, so that both can tell who was lost on the way.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from eth_account import Account as EthAccount
from eth_account.messages import SignableMessage, encode_defunct
from eth_utils.address import is_checksum_address

from theriac.crypto.recipients import HybridIdentity
from theriac.errors import BadDocument, TheriacError, UnknownClass, UnknownMandate, UnknownPurpose
from theriac.health import documents
from theriac.health.hours import HOURS, time_of
from theriac.health.keystore import write_private
from theriac.health.scope import KeyClass, Purpose
from theriac.ledger.signer import Signer

_DAY = 24
_SALT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Step:
    """One step: its short name, what it is, who does it, and in how many days after what.

    :param after: the step that it follows; empty for the enrolment. Until that is done, this is not due.
    :param optional: only for some, such as a referral: it is due once somebody said that it is needed.
    """

    name: str
    title: str
    role: str
    days: int
    after: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Programme:
    """What a member offers: steps, the classes its team reads, for which purpose; signed by the member's account."""

    name: str
    member: int
    account: str
    purpose: str
    classes: tuple[str, ...]
    steps: tuple[Step, ...]
    signature: str = ""

    def __post_init__(self) -> None:
        known: set[str] = set()
        for step in self.steps:
            if not step.name or step.name in known or not 0 < step.days <= 3650:
                raise BadDocument(
                    kind="programme", fault=f"step {step.name[:40]!r} is twice there, or its days are none"
                )
            if step.after and step.after not in known:
                raise BadDocument(
                    kind="programme", fault=f"step {step.name[:40]!r} follows one that does not come before"
                )
            known.add(step.name)
        if not self.steps or not self.classes:
            raise BadDocument(kind="programme", fault="it has no steps or no classes")

    def _values(self) -> dict[str, Any]:
        return asdict(self) | {"classes": list(self.classes), "steps": [asdict(step) for step in self.steps]}

    def message(self) -> SignableMessage:
        """What the member's account signs (EIP-191): the programme without its signature."""
        unsigned = documents.encode("programme", {**self._values(), "signature": ""})
        return encode_defunct(primitive=b"Theriac programme\n" + unsigned)

    def signed(self, signer: Signer) -> "Programme":
        return replace(self, signature=signer.sign_message(self.message()).hex())

    def encode(self) -> bytes:
        return documents.encode("programme", self._values())

    @classmethod
    def decode(cls, data: bytes) -> "Programme":
        """:raises BadDocument: no programme, or not signed by the account that it names."""
        values = documents.decode("programme", data.strip())
        found = cls.of(values)
        try:
            signer = EthAccount.recover_message(found.message(), signature=bytes.fromhex(found.signature))
        except Exception:
            # Whatever a library makes of a malformed signature, it is nobody's.
            signer = ""
        if signer != found.account:
            raise BadDocument(kind="programme", fault="it is not signed by the account that it names")
        return documents.as_written("programme", found, data)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Programme":
        """:raises BadDocument: a part of it is missing or broken."""
        try:
            return cls(
                name=str(values["name"]),
                member=int(values["member"]),
                account=str(values["account"]),
                purpose=Purpose.parse(str(values["purpose"])).code,
                classes=tuple(str(KeyClass.parse(name)) for name in values["classes"]),
                steps=tuple(
                    Step(
                        str(each["name"]),
                        str(each["title"]),
                        str(each["role"]),
                        int(each["days"]),
                        str(each.get("after", "")),
                        bool(each.get("optional", False)),
                    )
                    for each in values["steps"]
                ),
                signature=str(values.get("signature", "")),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, UnknownClass, UnknownPurpose):
            raise BadDocument(kind="programme", fault="a part of it is missing or broken") from None


@dataclass(frozen=True)
class Taken:
    """What a patient hands to the team when she takes part: under which pseudonym and number, and since when."""

    pseudonym: str
    by: int
    salt: str = field(repr=False)
    start: int
    end: int

    def encode(self) -> bytes:
        return documents.encode("enrolment", asdict(self))

    @classmethod
    def decode(cls, data: bytes) -> "Taken":
        """:raises BadDocument: no enrolment."""
        values = documents.decode("enrolment", data.strip())
        try:
            start, end = int(values["start"]), int(values["end"])
            found = cls(str(values["pseudonym"]), int(values["by"]), str(values["salt"]), start, end)
        except (KeyError, TypeError, ValueError):
            raise BadDocument(kind="enrolment", fault="a part of it is missing or broken") from None
        if not 0 <= found.start <= found.end <= HOURS:
            raise BadDocument(kind="enrolment", fault="an hour in it is none, or it ends before it starts")
        if not (is_checksum_address(found.pseudonym) and 0 < found.by < 1 << 16 and _SALT.fullmatch(found.salt)):
            raise BadDocument(kind="enrolment", fault="it names no place on the chain")
        return documents.as_written("enrolment", found, data)


@dataclass(frozen=True)
class Note:
    """A step that was done, or that is `needed` now: what the team tells the patient, sealed.

    :param hour: when; `reason` is for the patient to read.
    """

    pseudonym: str
    by: int
    step: str
    hour: int
    needed: bool = False
    reason: str = ""

    def encode(self) -> bytes:
        return documents.encode("step", asdict(self))

    @classmethod
    def decode(cls, data: bytes) -> "Note":
        """:raises BadDocument: no note of a step."""
        values = documents.decode("step", data)
        try:
            found = cls(
                str(values["pseudonym"]),
                int(values["by"]),
                str(values["step"]),
                int(values["hour"]),
                bool(values["needed"]),
                str(values["reason"]),
            )
        except (KeyError, TypeError, ValueError):
            raise BadDocument(kind="step", fault="a part of it is missing or broken") from None
        if not 0 <= found.hour < HOURS:
            raise BadDocument(kind="step", fault="its hour is none")
        return documents.as_written("step", found, data)


class Team:
    """What a programme's team keeps of those who take part: sealed to itself, one file a person."""

    def __init__(self, folder: Path, *, identity: HybridIdentity) -> None:
        self._folder = folder
        self._identity = identity
        self._opened: dict[Path, Member] = {}

    def enrol(self, taken: Taken, programme: Programme, *, name: str) -> None:
        """Takes somebody in, or goes on with who was."""
        known = {(each.taken.pseudonym, each.taken.by): each for each in self.everyone()}
        notes = known[taken.pseudonym, taken.by].notes if (taken.pseudonym, taken.by) in known else ()
        self._save(Member(name, taken, programme, notes))

    def everyone(self) -> list["Member"]:
        return [self._open(path) for path in sorted(self._folder.glob("*.member"))]

    def member(self, name: str) -> "Member":
        """:raises UnknownMandate: nobody here has this name, or more than one has."""
        found = [each for each in self.everyone() if name in (each.name, each.taken.pseudonym)]
        if len(found) != 1:
            raise UnknownMandate(name=name)
        return found[0]

    def note(self, member: "Member", note: Note) -> None:
        """Writes down what the patient is told."""
        if note.step not in {step.name for step in member.programme.steps}:
            raise UnknownMandate(name=note.step)
        self._save(replace(member, notes=(note, *member.notes)))

    def _save(self, member: "Member") -> None:
        values = {
            "name": member.name,
            "taken": asdict(member.taken),
            "programme": member.programme.encode().decode(),
            "notes": [asdict(note) for note in member.notes],
        }
        sealed = documents.seal(documents.encode("member", values), to=self._identity.recipient)
        path = self._folder / f"{member.taken.pseudonym}-{member.taken.by}.member"
        write_private(path, sealed)
        self._opened[path] = member

    def _open(self, path: Path) -> "Member":
        """What is in a file, opened once: only one command at a time works in a folder."""
        if path not in self._opened:
            self._opened[path] = self._read(path)
        return self._opened[path]

    def _read(self, path: Path) -> "Member":
        try:
            values = documents.decode("member", documents.open_(path.read_bytes(), identities=[self._identity]))
            notes = tuple(Note(**each) for each in values["notes"])
            programme = Programme.decode(str(values["programme"]).encode())
            return Member(str(values["name"]), Taken(**values["taken"]), programme, notes)
        except (TheriacError, KeyError, TypeError, ValueError):
            raise BadDocument(kind="programme's notes", fault=f"{path.name} is damaged") from None


@dataclass(frozen=True)
class Member:
    """Somebody who takes part, under the team's own name for her, and what was noted, the latest first."""

    name: str
    taken: Taken
    programme: Programme
    notes: tuple[Note, ...] = ()

    def standing(self, now: int) -> list["Standing"]:
        return standing(self.programme, self.notes, start=self.taken.start, now=now)


@dataclass(frozen=True)
class Standing:
    """Where a patient is at one step: `state` is done, due, lost, or not due."""

    step: Step
    state: str
    due: int | None

    def sentence(self) -> str:
        if self.due is None:
            return f"{self.step.title}: {self.state}"
        return f"{self.step.title}: {self.state}, by {time_of(self.due):%Y-%m-%d}"


def standing(programme: Programme, notes: Iterable[Note], *, start: int, now: int) -> list[Standing]:
    """Where somebody stands: a step that is not done in its days is lost, and so far nothing after it is due."""
    told = list(notes)
    done = {note.step: note.hour for note in reversed(told) if not note.needed}
    needed = {note.step: note.hour for note in reversed(told) if note.needed}
    found = []
    for step in programme.steps:
        begun = done.get(step.after) if step.after else start
        if step.optional:
            begun = needed.get(step.name)
        due = min(begun + step.days * _DAY, HOURS) if begun is not None else None
        if step.name in done:
            state = "done"
        elif due is None:
            state = "not due"
        else:
            state = "lost" if now >= due else "due"
        found.append(Standing(step, state, due))
    return found

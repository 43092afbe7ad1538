"""What a patient signs: every act of a pseudonym as an EIP-712 message, with the call that carries it.

Each message carries what makes it count once: a nonce, a version or the digest itself; the pseudonym's era; and a
deadline at most an hour ahead. `docs/protocol/health.md` lists the types and who checks which field.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from theriac.health.scope import Purpose, words_of
from theriac.ledger.typed import Message, fields

LONGEST_WINDOW = 3600
"""How many seconds ahead a deadline may lie."""


def member_address(number: int) -> str:
    """A member as a reader: its number as an address."""
    return f"0x{number:040x}"


@dataclass(frozen=True)
class Freshness:
    """What makes a signature of a grant count once and not for long. The deadline is in seconds since 1970, UTC."""

    nonce: int
    era: int
    deadline: int

    def values(self) -> dict[str, int]:
        return {"nonce": self.nonce, "era": self.era, "deadline": self.deadline}

    def tuple(self) -> tuple[int, int, int]:
        return (self.nonce, self.era, self.deadline)


# -- keys ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Publish(Message):
    """The next version of a pseudonym's document, signed by its controller or its publisher."""

    pseudonym: str
    version: int
    bundle: bytes
    era: int
    deadline: int

    CONTRACT: ClassVar[str] = "Keys"
    FUNCTION: ClassVar[str] = "publishBySig"
    TYPE: ClassVar[str] = "Publish"
    FIELDS: ClassVar = fields("address pseudonym,uint32 version,bytes32 bundle,uint32 era,uint40 deadline")


@dataclass(frozen=True)
class Rotate(Message):
    """The next version together with a new publisher, signed by the controller."""

    pseudonym: str
    version: int
    bundle: bytes
    publisher: str
    nonce: int
    era: int
    deadline: int

    CONTRACT: ClassVar[str] = "Keys"
    FUNCTION: ClassVar[str] = "rotateBySig"
    TYPE: ClassVar[str] = "Rotate"
    FIELDS: ClassVar = fields(
        "address pseudonym,uint32 version,bytes32 bundle,address publisher,uint32 nonce,uint32 era,uint40 deadline"
    )


@dataclass(frozen=True)
class SetPublisher(Message):
    """Who may publish the next versions, signed by the controller; the zero address for nobody else."""

    pseudonym: str
    publisher: str
    nonce: int
    era: int
    deadline: int

    CONTRACT: ClassVar[str] = "Keys"
    FUNCTION: ClassVar[str] = "setPublisherBySig"
    TYPE: ClassVar[str] = "SetPublisher"
    FIELDS: ClassVar = fields("address pseudonym,address publisher,uint32 nonce,uint32 era,uint40 deadline")


@dataclass(frozen=True)
class RevokeEverything(Message):
    """The end of everything signed or granted so far: the era is raised."""

    pseudonym: str
    era: int
    deadline: int

    CONTRACT: ClassVar[str] = "Keys"
    FUNCTION: ClassVar[str] = "raiseEraBySig"
    TYPE: ClassVar[str] = "RevokeEverything"
    FIELDS: ClassVar = fields("address pseudonym,uint32 era,uint40 deadline")


@dataclass(frozen=True)
class HandOver(Message):
    """The planned change to another wallet, signed by the old controller and by the new one."""

    pseudonym: str
    controller: str
    publisher: str
    keep_grants: bool
    nonce: int
    era: int
    deadline: int

    CONTRACT: ClassVar[str] = "Keys"
    FUNCTION: ClassVar[str] = "handOver"
    TYPE: ClassVar[str] = "HandOver"
    FIELDS: ClassVar = fields(
        "address pseudonym,address controller,address publisher,bool keepGrants,uint32 nonce,uint32 era,uint40 deadline"
    )


# -- grants ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Grant(Message):
    """Who may read which classes, for which purpose, in the window [start, expiry) of full hours."""

    pseudonym: str
    reader: str
    purpose: Purpose
    scope: int
    start: int
    expiry: int
    freshness: Freshness
    by: int = 0

    CONTRACT: ClassVar[str] = "Grants"
    FUNCTION: ClassVar[str] = "grantBySig"
    TYPE: ClassVar[str] = "Grant"
    FIELDS: ClassVar = fields(
        "address pseudonym,address reader,string purpose,string[] classes,uint40 start,uint40 expiry,uint16 by,"
        "uint32 nonce,uint32 era,uint40 deadline"
    )

    def values(self) -> dict[str, Any]:
        return {
            "pseudonym": self.pseudonym,
            "reader": self.reader,
            "purpose": self.purpose.words,
            "classes": words_of(self.scope),
            "start": self.start,
            "expiry": self.expiry,
            "by": self.by,
            **self.freshness.values(),
        }

    def terms(self) -> tuple[Any, ...]:
        """The terms as `Grants.grant` takes them directly."""
        return (self.pseudonym, self.reader, self.purpose.number, self.scope, self.start, self.expiry, self.by)

    def arguments(self, *signatures: bytes) -> tuple[Any, ...]:
        return (self.terms(), self.freshness.tuple(), *signatures)


@dataclass(frozen=True)
class Narrow(Message):
    """A grant loses classes or time."""

    pseudonym: str
    reader: str
    purpose: Purpose
    scope: int
    expiry: int
    freshness: Freshness

    CONTRACT: ClassVar[str] = "Grants"
    FUNCTION: ClassVar[str] = "narrowBySig"
    TYPE: ClassVar[str] = "Narrow"
    FIELDS: ClassVar = fields(
        "address pseudonym,address reader,string purpose,string[] classes,uint40 expiry,"
        "uint32 nonce,uint32 era,uint40 deadline"
    )

    def values(self) -> dict[str, Any]:
        return {
            "pseudonym": self.pseudonym,
            "reader": self.reader,
            "purpose": self.purpose.words,
            "classes": words_of(self.scope),
            "expiry": self.expiry,
            **self.freshness.values(),
        }

    def arguments(self, *signatures: bytes) -> tuple[Any, ...]:
        terms = (self.pseudonym, self.reader, self.purpose.number, self.scope, 0, self.expiry, 0)
        return (terms, self.freshness.tuple(), *signatures)


@dataclass(frozen=True)
class Revoke(Message):
    """A grant ends, and every signature for it that was not sent yet."""

    pseudonym: str
    reader: str
    purpose: Purpose
    freshness: Freshness

    CONTRACT: ClassVar[str] = "Grants"
    FUNCTION: ClassVar[str] = "revokeBySig"
    TYPE: ClassVar[str] = "Revoke"
    FIELDS: ClassVar = fields("address pseudonym,address reader,string purpose,uint32 nonce,uint32 era,uint40 deadline")

    def values(self) -> dict[str, Any]:
        return {
            "pseudonym": self.pseudonym,
            "reader": self.reader,
            "purpose": self.purpose.words,
            **self.freshness.values(),
        }

    def arguments(self, *signatures: bytes) -> tuple[Any, ...]:
        return (self.pseudonym, self.reader, self.purpose.number, self.freshness.tuple(), *signatures)


@dataclass(frozen=True)
class SetParent(Message):
    """A parent of grants is appointed, or ended with expiry zero. The freshness's nonce is the parent's generation."""

    pseudonym: str
    by: int
    holder: str
    expiry: int
    freshness: Freshness

    CONTRACT: ClassVar[str] = "Grants"
    FUNCTION: ClassVar[str] = "setParentBySig"
    TYPE: ClassVar[str] = "SetParent"
    FIELDS: ClassVar = fields(
        "address pseudonym,uint16 by,address holder,uint40 expiry,uint32 generation,uint32 era,uint40 deadline"
    )

    def values(self) -> dict[str, Any]:
        return {
            "pseudonym": self.pseudonym,
            "by": self.by,
            "holder": self.holder,
            "expiry": self.expiry,
            "generation": self.freshness.nonce,
            "era": self.freshness.era,
            "deadline": self.freshness.deadline,
        }

    def arguments(self, *signatures: bytes) -> tuple[Any, ...]:
        return (self.pseudonym, self.by, self.holder, self.expiry, self.freshness.tuple(), *signatures)


# -- records ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Report(Message):
    """What a patient reports of herself."""

    pseudonym: str
    digests: Sequence[bytes]
    version: int
    before: int
    era: int
    deadline: int

    CONTRACT: ClassVar[str] = "Records"
    FUNCTION: ClassVar[str] = "reportBySig"
    TYPE: ClassVar[str] = "Report"
    FIELDS: ClassVar = fields(
        "address pseudonym,bytes32[] digests,uint32 version,uint40 before,uint32 era,uint40 deadline"
    )


@dataclass(frozen=True)
class Resealing:
    """A record and the file it was sealed into anew; `anchored_by` is a member's number, or zero for the patient."""

    anchored_by: int
    old: bytes
    digest: bytes


@dataclass(frozen=True)
class Reseal(Message):
    """Records that a patient sealed anew."""

    pseudonym: str
    records: Sequence[Resealing]
    version: int
    before: int
    era: int
    deadline: int

    CONTRACT: ClassVar[str] = "Records"
    FUNCTION: ClassVar[str] = "resealBySig"
    TYPE: ClassVar[str] = "Reseal"
    FIELDS: ClassVar = fields(
        "address pseudonym,Resealing[] records,uint32 version,uint40 before,uint32 era,uint40 deadline"
    )
    NESTED: ClassVar = {"Resealing": fields("uint32 anchoredBy,bytes32 old,bytes32 digest")}

    def values(self) -> dict[str, Any]:
        return {
            "pseudonym": self.pseudonym,
            "records": [
                {"anchoredBy": each.anchored_by, "old": each.old, "digest": each.digest} for each in self.records
            ],
            "version": self.version,
            "before": self.before,
            "era": self.era,
            "deadline": self.deadline,
        }

    def rows(self) -> list[tuple[int, bytes, bytes]]:
        """The records as `Records.reseal` takes them."""
        return [(each.anchored_by, each.old, each.digest) for each in self.records]

    def arguments(self, *signatures: bytes) -> tuple[Any, ...]:
        return ((self.pseudonym, self.rows(), self.version, self.before, self.era, self.deadline), *signatures)


SUPERSEDE, CORRECT, DISOWN = 2, 3, 4
ACTS = {SUPERSEDE: "supersede", CORRECT: "correct", DISOWN: "disown"}


@dataclass(frozen=True)
class Amend(Message):
    """What a patient does to what she reported: `act` is SUPERSEDE, CORRECT or DISOWN (then `digest` is zero)."""

    pseudonym: str
    act: int
    old: bytes
    digest: bytes
    era: int
    deadline: int

    CONTRACT: ClassVar[str] = "Records"
    FUNCTION: ClassVar[str] = "amendBySig"
    TYPE: ClassVar[str] = "Amend"
    FIELDS: ClassVar = fields("address pseudonym,string act,bytes32 old,bytes32 digest,uint32 era,uint40 deadline")

    def values(self) -> dict[str, Any]:
        return {
            "pseudonym": self.pseudonym,
            "act": ACTS[self.act],
            "old": self.old,
            "digest": self.digest,
            "era": self.era,
            "deadline": self.deadline,
        }

    def arguments(self, *signatures: bytes) -> tuple[Any, ...]:
        return ((self.pseudonym, self.act, self.old, self.digest, self.era, self.deadline), *signatures)


# -- letters ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Letter(Message):
    """A sealed document waits for `to`; `letter` is the digest of its CID."""

    sender: str
    to: str
    letter: bytes
    nonce: int
    era: int
    deadline: int

    CONTRACT: ClassVar[str] = "Letters"
    FUNCTION: ClassVar[str] = "sendBySig"
    TYPE: ClassVar[str] = "Letter"
    FIELDS: ClassVar = fields("address from,address to,bytes32 letter,uint32 nonce,uint32 era,uint40 deadline")


# -- emergencies -----------------------------------------------------------------------------------------------------

SANCTIONED, JUSTIFIED = 3, 4
VERDICTS = {SANCTIONED: "sanctioned", JUSTIFIED: "justified"}


@dataclass(frozen=True)
class Review(Message):
    """What a patient says of an emergency: `verdict` is JUSTIFIED (then `barred_until` is zero) or SANCTIONED."""

    pseudonym: str
    number: int
    verdict: int
    barred_until: int
    era: int
    deadline: int

    CONTRACT: ClassVar[str] = "Emergencies"
    FUNCTION: ClassVar[str] = "reviewBySig"
    TYPE: ClassVar[str] = "Review"
    FIELDS: ClassVar = fields(
        "address pseudonym,uint64 number,string verdict,uint40 barredUntil,uint32 era,uint40 deadline"
    )

    def values(self) -> dict[str, Any]:
        return {
            "pseudonym": self.pseudonym,
            "number": self.number,
            "verdict": VERDICTS[self.verdict],
            "barredUntil": self.barred_until,
            "era": self.era,
            "deadline": self.deadline,
        }

    def arguments(self, *signatures: bytes) -> tuple[Any, ...]:
        terms = (self.pseudonym, self.number, self.verdict, self.barred_until, self.era, self.deadline)
        return (terms, *signatures)

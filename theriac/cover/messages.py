"""What is signed about cover: policies, consents to claims, appeals, rulings, and what is paid by outcome."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from theriac.ledger.typed import Message, fields

ENROL_WINDOW = 31 * 24 * 3600
"""How many seconds ahead the deadline of an enrolment, or of an agreement, may lie."""

RULING_WINDOW = 7 * 24 * 3600
"""How many seconds ahead the deadline of a ruling, or of an outcome, may lie."""

MOST_LINES = 32
"""How many lines a claim has at most."""

MOST_CHARGED = 2**56
"""A line's charge is below this."""


@dataclass(frozen=True)
class Enrol(Message):
    """What a patient and an insurer agree on.

    `first` and `last` are days, counted from the policy's secret origin; `ends` is the second at which the policy year
    is over; `lifetime` what was paid under earlier policies; `underwriter` the insurer's account that signs.
    """

    pseudonym: str
    plan: bytes
    family: int
    first: int
    last: int
    ends: int
    lifetime: int
    underwriter: str
    era: int
    deadline: int

    CONTRACT: ClassVar[str] = "Policies"
    FUNCTION: ClassVar[str] = "enrolBySig"
    TYPE: ClassVar[str] = "Enrol"
    FIELDS: ClassVar = fields(
        "address pseudonym,bytes32 plan,uint96 family,uint16 first,uint16 last,uint40 ends,uint64 lifetime,"
        "address underwriter,uint32 era,uint40 deadline"
    )


@dataclass(frozen=True)
class EndPolicy(Message):
    """What a patient signs to end a policy."""

    pseudonym: str
    plan: bytes
    era: int
    deadline: int

    CONTRACT: ClassVar[str] = "Policies"
    FUNCTION: ClassVar[str] = "endPolicyBySig"
    TYPE: ClassVar[str] = "EndPolicy"
    FIELDS: ClassVar = fields("address pseudonym,bytes32 plan,uint32 era,uint40 deadline")


_LINE = "bytes32 service,uint16 day,uint16 units,uint64 charged,bytes32 authorization"
_LINE_TYPE = keccak(text=f"Line({_LINE})")

NONE = bytes(32)
"""No authorization, and no earlier claim."""


@dataclass(frozen=True)
class Line:
    """A line of a claim: `charged` for all its units, in the token's smallest unit; `day` is zero for goods."""

    service: bytes
    day: int
    units: int
    charged: int
    authorization: bytes = NONE

    def values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for _, name in fields(_LINE)}

    @property
    def hash(self) -> bytes:
        """Its EIP-712 hash (`hashStruct`)."""
        kinds = ["bytes32", *(kind for kind, _ in fields(_LINE))]
        return keccak(encode(kinds, [_LINE_TYPE, *self.values().values()]))


_CLAIM = (
    "address pseudonym,bytes32 plan,uint32 provider,bytes32 evidence,bytes32 primary,Line[] lines,bytes32 salt,"
    "uint32 era,uint40 deadline"
)


@dataclass(frozen=True)
class Claim(Message):
    """A claim, as the patient consents to it.

    `evidence` is the digest of the encounter that the provider anchored under the pseudonym, or for goods what
    `evidence_of` makes of the prescription's line; `primary` the number of an earlier payer's claim, or `NONE`.
    """

    pseudonym: str
    plan: bytes
    provider: int
    evidence: bytes
    primary: bytes
    lines: Sequence[Line]
    salt: bytes
    era: int
    deadline: int

    CONTRACT: ClassVar[str] = "Claims"
    FUNCTION: ClassVar[str] = "submit"
    TYPE: ClassVar[str] = "Claim"
    FIELDS: ClassVar = fields(_CLAIM)
    NESTED: ClassVar = {"Line": fields(_LINE)}

    def values(self) -> dict[str, Any]:
        return {**super().values(), "lines": [line.values() for line in self.lines]}

    @property
    def content(self) -> bytes:
        """Its EIP-712 hash (`hashStruct`)."""
        lines = keccak(b"".join(line.hash for line in self.lines))
        values = {**super().values(), "lines": lines}
        kinds = ["bytes32", *("bytes32" if kind == "Line[]" else kind for kind, _ in self.FIELDS)]
        return keccak(encode(kinds, [keccak(text=f"Claim({_CLAIM})Line({_LINE})"), *values.values()]))

    @property
    def id(self) -> bytes:
        """Its number on the chain."""
        return keccak(self.plan + self.content)

    def terms(self) -> tuple[Any, ...]:
        """The claim as the contracts take it."""
        return tuple({**super().values(), "lines": [tuple(line.values().values()) for line in self.lines]}.values())

    def arguments(self, *signatures: bytes, rows: Sequence[Any] = (), least: int = 0) -> tuple[Any, ...]:
        """What `Claims.submit` is called with; `rows` are the schedule's rows of the lines."""
        return (self.terms(), list(rows), least, *signatures)


def evidence_of(prescription: bytes, line: int) -> bytes:
    """What a claim for goods names as its evidence: the line of the prescription that is filled."""
    return keccak(encode(["bytes32", "uint8"], [prescription, line]))


@dataclass(frozen=True)
class Appeal(Message):
    """What a patient signs to appeal; `document` is the digest of the sealed reasons."""

    pseudonym: str
    claim: bytes
    document: bytes
    era: int
    deadline: int

    CONTRACT: ClassVar[str] = "Appeals"
    FUNCTION: ClassVar[str] = "appealBySig"
    TYPE: ClassVar[str] = "Appeal"
    FIELDS: ClassVar = fields("address pseudonym,bytes32 claim,bytes32 document,uint32 era,uint40 deadline")


@dataclass(frozen=True)
class Ruling(Message):
    """What an arbiter signs about a claim that the insurer refuted."""

    claim: bytes
    openings: bytes
    for_insurer: bool
    arbiter: str
    deadline: int

    CONTRACT: ClassVar[str] = "Appeals"
    FUNCTION: ClassVar[str] = "ruleBySig"
    TYPE: ClassVar[str] = "Ruling"
    FIELDS: ClassVar = fields("bytes32 claim,bytes32 openings,bool forInsurer,address arbiter,uint40 deadline")


@dataclass(frozen=True)
class Agreement(Message):
    """What is paid by outcome, as an insurer offers it and a provider and a patient sign it."""

    plan: bytes
    pseudonym: str
    provider: int
    signer: str
    assessor: int
    price: int
    withheld: int
    ends: int
    document: bytes
    era: int
    deadline: int

    CONTRACT: ClassVar[str] = "Episodes"
    FUNCTION: ClassVar[str] = "open"
    TYPE: ClassVar[str] = "Agreement"
    FIELDS: ClassVar = fields(
        "bytes32 plan,address pseudonym,uint32 provider,address signer,uint32 assessor,uint64 price,uint64 withheld,"
        "uint40 ends,bytes32 document,uint32 era,uint40 deadline"
    )


@dataclass(frozen=True)
class Outcome(Message):
    """What an assessor signs; `achieved` is in hundredths of a percent."""

    episode: bytes
    observation: bytes
    achieved: int
    assessor: str
    deadline: int

    CONTRACT: ClassVar[str] = "Episodes"
    FUNCTION: ClassVar[str] = "assessBySig"
    TYPE: ClassVar[str] = "Outcome"
    FIELDS: ClassVar = fields("bytes32 episode,bytes32 observation,uint16 achieved,address assessor,uint40 deadline")

"""Delegates and quorums: what appoints them, what they sign, and what stands for a group.

A delegate signs what a patient would sign, for another contract, whose domain differs: what one signed, the other never
did. `docs/protocol/delegations.md` lists the types.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from theriac.health.messages import Freshness, Grant, Narrow, Revoke
from theriac.health.scope import PURPOSES, Purpose, words_of
from theriac.ledger.typed import Message, fields

REFERRED = 0xFFFF
"""A grant's `by` where it stands under another grant: a referral."""


def mask_of_purposes(purposes: Iterable[Purpose]) -> int:
    """A set of purposes as a mandate has it: a bit for each number."""
    return sum(1 << number for number in {purpose.number for purpose in purposes})


def purposes_of(mask: int) -> tuple[Purpose, ...]:
    """The purposes of a mandate, by number."""
    return tuple(purpose for purpose in PURPOSES if mask >> purpose.number & 1)


@dataclass(frozen=True)
class Appoint(Message):
    """A delegate, or a quorum, may grant classes for purposes until `expiry`, under the number `by`.

    The freshness's nonce is the number's generation. `threshold` is zero for a single account.
    """

    pseudonym: str
    by: int
    holder: str
    scope: int
    purposes: int
    threshold: int
    expiry: int
    freshness: Freshness

    CONTRACT: ClassVar[str] = "Delegations"
    FUNCTION: ClassVar[str] = "appointBySig"
    TYPE: ClassVar[str] = "Appoint"
    FIELDS: ClassVar = fields(
        "address pseudonym,uint16 by,address holder,string[] purposes,string[] classes,uint8 threshold,uint40 expiry,"
        "uint32 generation,uint32 era,uint40 deadline"
    )

    def values(self) -> dict[str, Any]:
        return {
            "pseudonym": self.pseudonym,
            "by": self.by,
            "holder": self.holder,
            "purposes": [purpose.words for purpose in purposes_of(self.purposes)],
            "classes": words_of(self.scope),
            "threshold": self.threshold,
            "expiry": self.expiry,
            "generation": self.freshness.nonce,
            "era": self.freshness.era,
            "deadline": self.freshness.deadline,
        }

    def terms(self) -> tuple[Any, ...]:
        """The terms as `Delegations.appoint` takes them directly."""
        return (self.pseudonym, self.by, self.holder, self.scope, self.purposes, self.threshold, self.expiry)

    def arguments(self, *signatures: bytes) -> tuple[Any, ...]:
        return (self.terms(), self.freshness.tuple(), *signatures)


@dataclass(frozen=True)
class DelegatedGrant(Grant):
    """What a delegate grants, under its own number."""

    CONTRACT: ClassVar[str] = "Delegations"


@dataclass(frozen=True)
class DelegatedNarrow(Narrow):
    """A delegate takes classes or time from what stands under its number."""

    CONTRACT: ClassVar[str] = "Delegations"


@dataclass(frozen=True)
class DelegatedRevoke(Revoke):
    """A delegate ends what stands under its number."""

    CONTRACT: ClassVar[str] = "Delegations"


@dataclass(frozen=True)
class Quorum:
    """A group of which enough must sign. Its accounts are used for one pseudonym alone, its salt is random."""

    pseudonym: str
    salt: bytes = field(repr=False)
    members: tuple[str, ...]
    threshold: int

    def __post_init__(self) -> None:
        ascending = tuple(sorted({to_checksum_address(each) for each in self.members}, key=str.lower))
        object.__setattr__(self, "members", ascending)

    @property
    def holder(self) -> str:
        """What the chain has in the place of an account until the group acts: 20 bytes of a salted commitment."""
        packed = encode(["address", "bytes32", "address[]"], [self.pseudonym, self.salt, self.members])
        return str(to_checksum_address(keccak(packed)[12:]))

    def proof(self, signatures: Mapping[str, bytes]) -> bytes:
        """What stands where one account's signature would: the group, and what each signed."""
        signed: Sequence[bytes] = [signatures.get(member, b"") for member in self.members]
        return encode(["(bytes32,address[],bytes[])"], [(self.salt, self.members, signed)])


def commitment(document: bytes, *, salt: bytes) -> str:
    """What stands as the holder of a programme's parent: 20 bytes of a salted commitment to its digest."""
    return str(to_checksum_address(keccak(b"Theriac programme\n" + salt + document)[12:]))

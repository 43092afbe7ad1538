"""What is signed about medicine: offers of goods, a logger's readings, prescriptions and what their bearers allow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from theriac.ledger.typed import Message, fields

OFFER_WINDOW = 30 * 24 * 3600
"""How many seconds ahead an offer may end."""


@dataclass(frozen=True)
class Handoff(Message):
    """An offer of a node, signed by an account of the member that holds it; `moves` is `Place.moves` of the node."""

    batch: bytes
    node: int
    by: str
    to: int
    moves: int
    sheet: bytes
    deadline: int

    CONTRACT: ClassVar[str] = "Batches"
    FUNCTION: ClassVar[str] = "acceptBySig"
    TYPE: ClassVar[str] = "Handoff"
    FIELDS: ClassVar = fields(
        "bytes32 batch,uint32 node,address by,uint32 to,uint32 moves,bytes32 sheet,uint40 deadline"
    )

    def arguments(self, *signatures: bytes, missing: Sequence[int] = ()) -> tuple[Any, ...]:
        """What `Batches.acceptBySig` is called with; the receiver says which nodes were missing."""
        return (tuple(self.values().values()), list(missing), *signatures)


@dataclass(frozen=True)
class Goods:
    """A node that lay beside a logger."""

    batch: bytes
    node: int


@dataclass(frozen=True)
class Readings(Message):
    """What a logger signs, so that anyone can carry its report to the chain.

    `root` is the Merkle root of the readings, `readings` the digest of their sealed file, `verdict` what they say,
    packed as contracts/types/Verdict.sol has it; `goods` lay beside the logger and are judged.
    """

    logger: str
    root: bytes
    readings: bytes
    verdict: int
    goods: Sequence[Goods]

    CONTRACT: ClassVar[str] = "ColdChain"
    FUNCTION: ClassVar[str] = "logBySig"
    TYPE: ClassVar[str] = "Readings"
    FIELDS: ClassVar = fields("address logger,bytes32 root,bytes32 readings,uint256 verdict,Goods[] goods")
    NESTED: ClassVar = {"Goods": fields("bytes32 batch,uint32 node")}

    def values(self) -> dict[str, Any]:
        goods = [{"batch": each.batch, "node": each.node} for each in self.goods]
        return {**super().values(), "goods": goods}

    def arguments(self, *signatures: bytes) -> tuple[Any, ...]:
        goods = [(each.batch, each.node) for each in self.goods]
        return (self.logger, (self.root, self.readings, self.verdict), goods, *signatures)


_LINE = "bytes32 item,uint16 quantity,uint8 refills,uint16 interval,uint40 earliest,uint40 latest"
_LINE_TYPE = keccak(text=f"Line({_LINE})")

MOST_LINES = 32
"""How many lines a prescription has at most."""


@dataclass(frozen=True)
class Line:
    """One thing that is prescribed, as the chain sees it once it is filled.

    `item` is the salted commitment to what it is; `quantity` may be given once and again with each of `refills`, the
    next of which falls due every `interval` days, all at once where that is zero; it may be filled in [earliest,
    latest), in seconds since 1970.
    """

    item: bytes
    quantity: int
    refills: int
    interval: int
    earliest: int
    latest: int

    @property
    def hash(self) -> bytes:
        """Its EIP-712 hash (`hashStruct`), which stands for it as long as it is not filled."""
        kinds = ["bytes32", *(kind for kind, _ in fields(_LINE))]
        return keccak(encode(kinds, [_LINE_TYPE, *self.values().values()]))

    def values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for _, name in fields(_LINE)}

    def due(self, now: int) -> int:
        """How many units may have been given by the second `now`; zero outside of [earliest, latest)."""
        if not self.earliest <= now < self.latest:
            return 0
        refills = self.refills
        if self.interval:
            refills = min(refills, (now - self.earliest) // (self.interval * 24 * 3600))
        return min(self.quantity * (refills + 1), 2**16 - 1)


def hash_of(lines: Sequence[Line]) -> bytes:
    """The hash of lines, as EIP-712 hashes an array of structs."""
    return keccak(b"".join(line.hash for line in lines))


@dataclass(frozen=True)
class Terms:
    """What a prescription's number is the hash of."""

    prescriber: str
    bearer: str
    lines: bytes
    file: bytes

    @property
    def id(self) -> bytes:
        """The prescription's number (`Prescriptions.idOf`)."""
        return keccak(encode(["address", "address", "bytes32", "bytes32"], self.tuple))

    @property
    def tuple(self) -> tuple[str, str, bytes, bytes]:
        """As the contract takes it."""
        return (self.prescriber, self.bearer, self.lines, self.file)


@dataclass(frozen=True)
class Prescribe(Message):
    """What a prescriber signs. A wallet shows the lines; the chain is given their hash."""

    prescriber: str
    bearer: str
    lines: Sequence[Line]
    file: bytes
    deadline: int

    CONTRACT: ClassVar[str] = "Prescriptions"
    FUNCTION: ClassVar[str] = "prescribeBySig"
    TYPE: ClassVar[str] = "Prescribe"
    FIELDS: ClassVar = fields("address prescriber,address bearer,Line[] lines,bytes32 file,uint40 deadline")
    NESTED: ClassVar = {"Line": fields(_LINE)}

    @property
    def terms(self) -> Terms:
        return Terms(self.prescriber, self.bearer, hash_of(self.lines), self.file)

    def values(self) -> dict[str, Any]:
        return {**super().values(), "lines": [line.values() for line in self.lines]}

    def arguments(self, *signatures: bytes) -> tuple[Any, ...]:
        return ((self.terms.tuple, self.deadline), *signatures)


@dataclass(frozen=True)
class Take(Message):
    """The bearer's word that the member `to` may hold lines (bit i is line i), which the member `giver` gives up."""

    terms: Terms
    lines: int
    giver: int
    to: int
    nonce: int
    deadline: int

    CONTRACT: ClassVar[str] = "Prescriptions"
    FUNCTION: ClassVar[str] = "take"
    TYPE: ClassVar[str] = "Take"
    FIELDS: ClassVar = fields("bytes32 prescription,uint32 lines,uint32 from,uint32 to,uint32 nonce,uint40 deadline")

    def values(self) -> dict[str, Any]:
        return {**super().values(), "prescription": self.terms.id}

    def arguments(self, *signatures: bytes) -> tuple[Any, ...]:
        return ((self.terms.tuple, self.lines, self.giver, self.nonce, self.deadline), *signatures)


@dataclass(frozen=True)
class Cancel(Message):
    """The bearer's word that lines (bit i is line i) are filled no more."""

    terms: Terms
    lines: int
    nonce: int
    deadline: int

    CONTRACT: ClassVar[str] = "Prescriptions"
    FUNCTION: ClassVar[str] = "cancelBySig"
    TYPE: ClassVar[str] = "Cancel"
    FIELDS: ClassVar = fields("bytes32 prescription,uint32 lines,uint32 nonce,uint40 deadline")

    def values(self) -> dict[str, Any]:
        return {**super().values(), "prescription": self.terms.id}

    def arguments(self, *signatures: bytes) -> tuple[Any, ...]:
        return ((self.terms.tuple, self.lines, self.nonce, self.deadline), *signatures)

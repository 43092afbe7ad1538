"""What members sign about goods: an offer that its receiver brings, and a logger's readings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

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

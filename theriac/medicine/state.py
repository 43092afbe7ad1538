"""What a batch's events come to: who holds each pack, what became of it, what keeps it from going on.

The same rules as contracts/medicine/Batches.sol, applied to what happened instead of to what is asked for, so that a
scanner can answer without the chain. A test holds the two together over random histories.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import Enum, IntEnum, IntFlag
from typing import Any

from theriac.errors import NoSuchPlace
from theriac.medicine.tree import BATCH, CAPACITY, DEPTH, Shape, height_of, indexes_of, is_below

UNDO_DAYS = 10
"""How long a dispensed pack can be taken back (Regulation (EU) 2016/161, article 13)."""


class Block(IntFlag):
    """Why goods may not go on; the bits of contracts/types/Blocks.sol."""

    BY_HOLDER = 1 << 0
    BY_MAKER = 1 << 1
    BY_REGULATOR = 1 << 2
    EXCURSION = 1 << 3
    RECALL = 1 << 4


NO_BLOCK = Block(0)
OF_HOLDER = Block.BY_HOLDER | Block.EXCURSION


class End(IntEnum):
    """How a pack can end but by being dispensed."""

    EXPORTED = 0
    SAMPLED = 1
    DESTROYED = 2
    STOLEN = 3
    RETURNED = 4


class PackStatus(Enum):
    """What became of a pack."""

    IN_STOCK = "in stock"
    DISPENSED = "dispensed"
    ENDED = "ended"


@dataclass
class Node:
    """A node's own slot: what was said of it alone. Without a holder `moves` is the difference to the node above."""

    holder: int = 0
    giver: int = 0
    moves: int = 0
    blocks: Block = NO_BLOCK
    opened: bool = False
    offered_to: int = 0
    offer_ends: int = 0
    offered_at: int = 0


_EMPTY = Node()
"""Of a node that nothing was said of; read, never written."""


@dataclass(frozen=True)
class Place:
    """Where a node stands, with all that lies above it.

    `moves` counts how often it, or what carried it at the time, was handed on; `moves_above` is the same of the node
    above. `offered_to` is the member that an open offer of it, or of what carries it, is for; zero for none. `rejoins`
    is the holder of the node above, `carried` what the holder said of what carries the node.
    """

    holder: int
    giver: int
    moves: int
    moves_above: int
    blocks: Block
    offered_to: int
    rejoins: int
    carried: Block


@dataclass
class BatchState:
    """A batch as its events say it is; `expiry` is the first day on which its packs are expired."""

    batch: bytes
    maker: int
    expiry: date
    shape: Shape
    root: bytes
    tag: bytes
    key_number: int
    product: bytes
    lot: bytes
    manifest: bytes
    nodes: dict[int, Node] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    apart: set[int] = field(default_factory=set)
    ended: dict[int, End] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._heights = self.shape.heights[::-1]

    @classmethod
    def commissioned(cls, told: Mapping[str, Any]) -> "BatchState":
        """The batch that a `Commissioned` event begins."""
        maker = int(told["maker"])
        return cls(
            batch=bytes(told["batch"]),
            maker=maker,
            expiry=datetime.fromtimestamp(int(told["expiry"]), UTC).date(),
            shape=Shape(int(told["palletBits"]), int(told["caseBits"])),
            root=bytes(told["root"]),
            tag=bytes(told["tag"]),
            key_number=int(told["keyNumber"]),
            product=bytes(told["product"]),
            lot=bytes(told["lot"]),
            manifest=bytes(told["manifest"]),
            nodes={BATCH: Node(holder=maker, giver=maker)},
        )

    # -- asking ------------------------------------------------------------------------------------------------------

    def place(self, node: int, *, now: int) -> Place:
        """Where a node stands at the second `now`. Raises NoSuchPlace where goods cannot be held there."""
        height = height_of(node)
        if height not in self._heights:
            raise NoSuchPlace(node=node)
        own = _EMPTY
        holder = giver = moves = above = moves_above = offered = 0
        blocks = carried = NO_BLOCK
        for each in [node >> (upper - height) for upper in self._heights if upper >= height]:
            above, moves_above = holder, moves
            # Every scan comes here, and mostly nothing is blocked: operations on flags are slow.
            if own.blocks:
                carried |= own.blocks & OF_HOLDER
            own = self._slot(each)
            if own.holder:
                holder, giver, moves = own.holder, own.giver, own.moves
                blocks = blocks & ~OF_HOLDER if blocks else NO_BLOCK
                carried, offered = NO_BLOCK, 0
            else:
                moves += own.moves
            if own.blocks:
                blocks |= own.blocks
            if own.offered_to and now < own.offer_ends and own.offered_at == moves:
                offered = own.offered_to
        return Place(holder, giver, moves, moves_above, blocks, offered, above, carried)

    def carrier(self, node: int) -> int:
        """The node that `node` changes hands with: the deepest on its path that has a holder of its own."""
        return [each for each in self.shape.path_of(node) if self._slot(each).holder][-1]

    def status(self, index: int) -> PackStatus:
        """What became of the pack at an index."""
        if index not in self.gone:
            return PackStatus.IN_STOCK
        alone = self.shape.case_bits == 0 or index in self.apart
        if alone and not self._slot(CAPACITY | index).opened:
            return PackStatus.ENDED
        return PackStatus.DISPENSED

    def holds(self, member: int, node: int) -> bool:
        """Whether a member holds a node under the node's own name; a single pack only as long as it is in stock.

        What it says of such a node as its holder concerns no other node that has a holder of its own.
        """
        if self._slot(node).holder != member:
            return False
        return height_of(node) != 0 or self.status(node - CAPACITY) is PackStatus.IN_STOCK

    def held_by(self, member: int, node: int) -> bytearray:
        """One byte for each place below a node: 1 where a pack, if there is one, is in stock and `member` holds it."""
        mine = self.place(node, now=0).holder == member
        return self._painted(node, mine, lambda holder: holder == member)

    def goes_with(self, node: int) -> bytearray:
        """One byte for each place below a node: 1 where a pack, if there is one, is in stock and changes hands with it.

        What was blocked or opened has a holder of its own and stays, also where that is the holder of the node.
        """
        return self._painted(node, True, lambda _: False)

    def _painted(self, node: int, whole: bool, own: Callable[[int], bool]) -> bytearray:
        """A million places cost no more than the nodes among them that have a holder of their own."""
        below = indexes_of(node)
        found = bytearray([whole]) * len(below)
        nodes = ((height_of(each), each) for each in self.nodes if each != node and is_below(each, node))
        for height, each in sorted(nodes, reverse=True):
            if holder := self._slot(each).holder:
                first = indexes_of(each).start - below.start
                found[first : first + (1 << height)] = bytearray([own(holder)]) * (1 << height)
        for index in self.gone:
            if index in below:
                found[index - below.start] = 0
        return found

    def is_expired(self, now: int) -> bool:
        """Whether its packs are expired at the second `now`."""
        return datetime.fromtimestamp(now, UTC).date() >= self.expiry

    @property
    def last_day(self) -> date:
        """The last day on which its packs may be used."""
        return self.expiry - timedelta(days=1)

    def _slot(self, node: int) -> Node:
        if node >= CAPACITY and self.shape.case_bits != 0 and node - CAPACITY not in self.apart:
            return _EMPTY
        return self.nodes.get(node, _EMPTY)

    # -- what happened -----------------------------------------------------------------------------------------------

    def apply(self, name: str, told: Mapping[str, Any]) -> None:
        """Takes in one event of this batch, in the order of the chain. Events that change no place are passed over."""
        match name:
            case "Offered":
                self._offered(int(told["node"]), to=int(told["to"]), ends=int(told["ends"]))
            case "Rejected" | "Withdrawn":
                self._offer_over(self._own(int(told["node"])))
            case "HandedOver":
                self._handed_over(told)
            case "Dispensed":
                self.gone.add(int(told["index"]))
                self._open(CAPACITY | int(told["index"]))
            case "DispensedMany":
                indexes = indexes_in(int(told["word"]), int(told["mask"]))
                self.gone.update(indexes)
                self._open(CAPACITY | indexes[0])
            case "Undone":
                self._undone(int(told["index"]))
            case "Ended":
                for index in indexes_in(int(told["word"]), int(told["mask"])):
                    self.gone.add(index)
                    self.apart.add(index)
                    self.ended[index] = End(int(told["end"]))
            case "Blocked":
                self._blocked(int(told["node"]), Block(int(told["block_"])))
            case "Released":
                self._own(int(told["node"])).blocks &= ~Block(int(told["block_"]))

    def _own(self, node: int) -> Node:
        if height_of(node) == 0 and self.shape.case_bits != 0:
            self.apart.add(node - CAPACITY)
        return self.nodes.setdefault(node, Node())

    def _offered(self, node: int, *, to: int, ends: int) -> None:
        moves = self.place(node, now=0).moves
        own = self._own(node)
        own.offered_to, own.offer_ends, own.offered_at = to, ends, moves

    def _offer_over(self, own: Node) -> None:
        own.moves += 1
        own.offered_to = own.offer_ends = own.offered_at = 0

    def _handed_over(self, told: Mapping[str, Any]) -> None:
        node, giver = int(told["node"]), int(told["from"])
        place = self.place(node, now=0)
        for missing in told["missing"]:
            stays = self.place(int(missing), now=0)
            self._moved(int(missing), stays, holder=giver, giver=stays.giver)
        self._moved(
            node,
            place,
            holder=0 if told["rejoined"] else int(told["to"]),
            giver=0 if told["back"] else giver,
        )

    def _moved(self, node: int, place: Place, *, holder: int, giver: int) -> None:
        own = self._own(node)
        own.blocks |= place.carried
        own.holder = holder
        own.giver = self.maker if height_of(node) == DEPTH else giver
        self._offer_over(own)
        own.moves = place.moves + 1 - (0 if holder else place.moves_above)

    def _blocked(self, node: int, block: Block) -> None:
        place = self.place(node, now=0)
        own = self._own(node)
        own.blocks |= place.carried | block
        self._stays(own, place)

    def _stays(self, own: Node, place: Place) -> None:
        """It stays with its holder under its own name, whatever becomes of what carried it."""
        if not own.holder:
            own.holder, own.giver, own.moves = place.holder, place.giver, place.moves

    def _open(self, node: int) -> None:
        place = self.place(node, now=0)
        alone = self.shape.case_bits == 0 or node - CAPACITY in self.apart
        own = self._own(node) if alone else self.nodes.setdefault(node >> self.shape.case_bits, Node())
        self._stays(own, place)
        own.opened = True

    def _undone(self, index: int) -> None:
        self.gone.discard(index)
        if self.shape.case_bits == 0 or index in self.apart:
            self._own(CAPACITY | index).opened = False


def indexes_in(word: int, mask: int) -> list[int]:
    """The indexes that a mask over a word of 256 packs stands for."""
    return [word << 8 | bit for bit in range(256) if mask >> bit & 1]

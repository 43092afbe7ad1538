"""The tree of a batch: which pack lies at which place, and the proof of it.

A binary tree of depth 20 whose leaves are packs, as contracts/libraries/Positions.sol reads it. A leaf is the
keccak-256 of a pack's commitment, an inner node that of its two children side by side, and an empty place is 32 zero
bytes, which nothing hashes to. A node is a number: 1 is the batch, the children of n are 2n and 2n + 1, the pack at
index i is 2^20 + i. So a part of the batch is named by its place, and a proof counts at its own place only.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sha3 import keccak_256

from theriac.errors import NoSuchPlace, WrongShape

DEPTH = 20
CAPACITY = 1 << DEPTH
BATCH = 1
EMPTY = bytes(32)


def keccak(data: bytes | bytearray | memoryview) -> bytes:
    """The keccak-256 of some bytes, as Ethereum has it; five times as fast as the one that web3 brings."""
    digest: bytes = keccak_256(data).digest()
    return digest


def leaf(commitment: bytes) -> bytes:
    """The leaf of a pack's commitment of 32 bytes."""
    return keccak(commitment)


def node_of(index: int, bits: int = 0) -> int:
    """The node that holds the pack at `index`, `bits` levels above it: 0 for the pack itself."""
    if not 0 <= index < CAPACITY:
        raise NoSuchPlace(node=CAPACITY + index)
    return (CAPACITY | index) >> bits


def height_of(node: int) -> int:
    """How many levels lie below a node: 0 for a pack, 20 for the batch."""
    if not 0 < node < 2 * CAPACITY:
        raise NoSuchPlace(node=node)
    return DEPTH + 1 - node.bit_length()


def indexes_of(node: int) -> range:
    """The indexes of the places below a node."""
    height = height_of(node)
    first = (node << height) & (CAPACITY - 1)
    return range(first, first + (1 << height))


def is_below(node: int, other: int) -> bool:
    """Whether `node` lies below `other`, or is it."""
    return height_of(node) <= height_of(other) and node >> (height_of(other) - height_of(node)) == other


def root_of(index: int, commitment: bytes, siblings: Sequence[bytes]) -> bytes:
    """The root that a pack has with these siblings, lowest first."""
    node = leaf(commitment)
    for level, sibling in enumerate(siblings):
        node = keccak(sibling + node if index >> level & 1 else node + sibling)
    return node


def _empties() -> tuple[bytes, ...]:
    found = [EMPTY]
    for _ in range(DEPTH):
        found.append(keccak(found[-1] + found[-1]))
    return tuple(found)


EMPTY_AT = _empties()
"""The node above nothing but empty places, by its height."""


@dataclass(frozen=True)
class Shape:
    """How a batch is packed: a pallet has room for 2^pallet_bits packs, a case for 2^case_bits; 0 for no cases."""

    pallet_bits: int
    case_bits: int

    def __post_init__(self) -> None:
        if not 0 <= self.case_bits <= self.pallet_bits <= DEPTH:
            raise WrongShape(pallet_bits=self.pallet_bits, case_bits=self.case_bits)

    @property
    def heights(self) -> tuple[int, ...]:
        """The heights at which goods can be held, lowest first, each once: pack, case, pallet, batch."""
        return tuple(sorted({0, self.case_bits, self.pallet_bits, DEPTH}))

    def name_of(self, node: int) -> str:
        """`batch`, `pallet`, `case` or `pack`; the largest word where one node is several.

        :raises NoSuchPlace: none of the four.
        """
        height = height_of(node)
        names = {0: "pack", self.case_bits: "case", self.pallet_bits: "pallet", DEPTH: "batch"}
        if height not in names:
            raise NoSuchPlace(node=node)
        return "pack" if height == 0 else names[height]

    def path_of(self, node: int) -> list[int]:
        """The nodes from the batch down to this one that can be held."""
        height = height_of(node)
        if height not in self.heights:
            raise NoSuchPlace(node=node)
        return [node >> (above - height) for above in reversed(self.heights) if above >= height]


class _Level:
    """The occupied nodes of one height, in order: their places, and 32 bytes each."""

    __slots__ = ("hashes", "places")

    def __init__(self, places: "array[int]", hashes: bytearray) -> None:
        self.places = places
        self.hashes = hashes

    def at(self, place: int) -> bytes | None:
        found = bisect_left(self.places, place)
        if found == len(self.places) or self.places[found] != place:
            return None
        return bytes(self.hashes[32 * found : 32 * found + 32])

    def add(self, leaves: "_Level", floor: int) -> None:
        """Adds the node at the height `floor` that is above leaves."""
        for height in range(floor):
            leaves = leaves.above(EMPTY_AT[height])
        self.places += leaves.places
        self.hashes += leaves.hashes

    def above(self, empty: bytes) -> "_Level":
        count = len(self.places)
        hashes = bytearray()
        view = memoryview(self.hashes)
        if self.places[-1] - self.places[0] == count - 1 and not self.places[0] & 1 and not count & 1:
            # Every place is taken, as in a full batch: nothing has to be looked at but the hashes.
            for start in range(0, 32 * count, 64):
                hashes += keccak_256(view[start : start + 64]).digest()
            return _Level(array("I", range(self.places[0] >> 1, (self.places[-1] >> 1) + 1)), hashes)

        places = array("I")
        position = 0
        while position < count:
            place = self.places[position]
            own = view[32 * position : 32 * position + 32]
            if place & 1:
                pair = empty + own
            elif position + 1 < count and self.places[position + 1] == place + 1:
                position += 1
                pair = bytes(own) + view[32 * position : 32 * position + 32]
            else:
                pair = bytes(own) + empty
            hashes += keccak(pair)
            places.append(place >> 1)
            position += 1
        return _Level(places, hashes)


class Tree:
    """All nodes of a batch's tree, or of the part of it below one node.

    About 72 bytes a pack are kept, however the packs are spread.
    """

    def __init__(self, leaves: Iterable[tuple[int, bytes]], *, top: int = BATCH, floor: int = 0) -> None:
        """`leaves` are index and leaf, in ascending order of the index, all below the node `top`.

        Of the nodes below the height `floor` none is kept; `top` itself always is.

        :raises NoSuchPlace: an index is beyond the tree, not below `top`, or out of order.
        """
        self.top = top
        self.floor = min(floor, height_of(top))
        self._levels = [_floor_of(leaves, indexes_of(top), self.floor)]
        for height in range(self.floor, height_of(top)):
            lower = self._levels[-1]
            self._levels.append(lower.above(EMPTY_AT[height]) if lower.places else lower)

    @property
    def root(self) -> bytes:
        """The hash of the node `top`."""
        return self.node(self.top)

    def node(self, node: int) -> bytes:
        """The hash of a node that lies below `top`."""
        height = height_of(node)
        if height < self.floor or not is_below(node, self.top):
            raise NoSuchPlace(node=node)
        place = node - (1 << (DEPTH - height))
        return self._levels[height - self.floor].at(place) or EMPTY_AT[height]

    def occupied(self, *, floor: int = 0) -> Iterator[tuple[int, bytes]]:
        """The nodes that are kept, from a height on, and not empty: number and hash."""
        for height, level in enumerate(self._levels, start=self.floor):
            if height >= min(floor, height_of(self.top)):
                for number, place in enumerate(level.places):
                    yield (1 << (DEPTH - height)) + place, bytes(level.hashes[32 * number : 32 * number + 32])

    def siblings(self, node: int) -> list[bytes]:
        """The nodes beside the way from a node up to `top`, lowest first."""
        found = []
        while node != self.top:
            found.append(self.node(node ^ 1))
            node >>= 1
        return found


def _floor_of(leaves: Iterable[tuple[int, bytes]], below: range, floor: int) -> _Level:
    """The occupied nodes of the lowest level that is kept. What lies below is hashed as it comes, a node at a time."""
    kept = _Level(array("I"), bytearray())
    part = kept if floor == 0 else _Level(array("I"), bytearray())
    last, first, after, shift = -1, below.start, below.stop, floor
    for index, value in leaves:
        if not first <= index < after or index <= last:
            raise NoSuchPlace(node=CAPACITY + index)
        if shift and part.places and index >> shift != last >> shift:
            kept.add(part, floor)
            part = _Level(array("I"), bytearray())
        part.places.append(index)
        part.hashes += value
        last = index
    if shift and part.places:
        kept.add(part, floor)
    return kept


def tree_of(commitments: Mapping[int, bytes]) -> Tree:
    """The tree of packs by index."""
    return Tree((index, leaf(commitments[index])) for index in sorted(commitments))

"""The tree of a batch, written out once more from the contracts' words alone, so that the package is no witness for
itself: depth 20, a leaf is keccak256 of a pack's 32 bytes, a node of its two children, an empty place is 32 zero bytes.
"""

from collections.abc import Mapping, Sequence
from functools import cache

from eth_utils import keccak

DEPTH = 20
PACKS = 1 << DEPTH
"""Room for that many packs, and the number of the first one's node."""

BATCH = 1
"""The node of the whole batch."""


def pack(name: object) -> bytes:
    """The commitment to a pack of that name: 32 bytes that stand for salt, product, lot, expiry and serial."""
    return keccak(text=f"theriac test: pack {name}")


def above(index: int, bits: int) -> int:
    """The node `bits` levels above the pack at an index; 0 for the pack itself."""
    return (PACKS | index) >> bits


@cache
def empty(height: int) -> bytes:
    """A node with nothing below it."""
    return bytes(32) if height == 0 else keccak(empty(height - 1) * 2)


def root_above(index: int, commitment: bytes, siblings: Sequence[bytes]) -> bytes:
    """What a pack at an index comes to with these nodes beside its way up, lowest first."""
    node = keccak(commitment)
    for level, sibling in enumerate(siblings):
        node = keccak(sibling + node) if (index >> level) & 1 else keccak(node + sibling)
    return node


class Tree:
    """The tree of some packs, by their indexes; the other places are empty."""

    def __init__(self, packs: Mapping[int, bytes]) -> None:
        self.packs = dict(packs)
        self._levels = [{PACKS | index: keccak(each) for index, each in packs.items()}]
        for height in range(DEPTH):
            below = self._levels[height]
            beside = {
                node: below.get(node, empty(height))
                for pair in {n >> 1 for n in below}
                for node in (2 * pair, 2 * pair + 1)
            }
            self._levels.append(
                {pair: keccak(beside[2 * pair] + beside[2 * pair + 1]) for pair in {n >> 1 for n in below}}
            )

    @property
    def root(self) -> bytes:
        return self._levels[DEPTH][BATCH]

    def node(self, node: int) -> bytes:
        """The digest of a node."""
        height = DEPTH + 1 - node.bit_length()
        return self._levels[height].get(node, empty(height))

    def siblings(self, index: int, *, start: int = 0) -> list[bytes]:
        """The nodes beside the way up from the pack at an index, or from the node `start` levels above it."""
        return [self.node(above(index, level) ^ 1) for level in range(start, DEPTH)]

"""The tree of a batch, from its description alone: an independent reference for the tests.

Depth 20. A pack is a 32-byte commitment, its leaf keccak256 of that one word, a node keccak256(left, right). A place
without a pack has a leaf of 32 zero bytes, which nothing is known to hash to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from eth_utils import keccak

DEPTH = 20
PADDING = bytes(32)


def _empty() -> tuple[bytes, ...]:
    """The root of a subtree without packs, by its height."""
    roots = [PADDING]
    for _ in range(DEPTH):
        roots.append(keccak(roots[-1] + roots[-1]))
    return tuple(roots)


EMPTY = _empty()


@dataclass(frozen=True)
class PackTree:
    """A batch of few packs at any indices below 2^20."""

    packs: Mapping[int, bytes]

    @cached_property
    def _levels(self) -> list[dict[int, bytes]]:
        """The nodes that are not empty, by height and by their place at that height."""
        levels = [{index: keccak(pack) for index, pack in self.packs.items()}]
        for height in range(DEPTH):
            below, empty = levels[height], EMPTY[height]
            places = {place // 2 for place in below}
            levels.append({p: keccak(below.get(2 * p, empty) + below.get(2 * p + 1, empty)) for p in places})
        return levels

    @property
    def root(self) -> bytes:
        return self._levels[DEPTH].get(0, EMPTY[DEPTH])

    def siblings(self, index: int) -> tuple[bytes, ...]:
        """The nodes beside the path of an index, lowest first."""
        return tuple(self._levels[h].get((index >> h) ^ 1, EMPTY[h]) for h in range(DEPTH))

"""Merkle trees as RFC 9162 has them (certificate transparency), with SHA-256: a root, and paths to it.

A leaf is told from an inner node by a byte in front, so neither passes for the other, and the size of a tree fixes the
shape of every path: a path proves a leaf at one place in a tree of one size, and a log of so many leaves holds no more.
"""

import hashlib
from collections.abc import Sequence

LONGEST_PATH = 64
"""More nodes than any path has: of a tree of 2^64 leaves."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree over the hashes of leaves, in their order."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._levels = [list(leaves)]
        while len(level := self._levels[-1]) > 1:
            paired = [_node(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
            self._levels.append(paired + level[-1:] if len(level) % 2 else paired)

    @property
    def root(self) -> bytes:
        """The root; of no leaves, the hash of nothing."""
        return self._levels[-1][0] if self._levels[-1] else hashlib.sha256(b"").digest()

    def path(self, place: int) -> tuple[bytes, ...]:
        """The siblings of the leaf at a place, counted from zero, on the way up."""
        found = []
        for level in self._levels[:-1]:
            # The last of an odd number stands one level higher as it is.
            if place ^ 1 < len(level):
                found.append(level[place ^ 1])
            place >>= 1
        return tuple(found)


def root_of(leaf: bytes, *, place: int, size: int, siblings: Sequence[bytes]) -> bytes | None:
    """The root of a tree of `size` leaves that has this one at a place; None where the path has another shape."""
    if not 0 <= place < size or len(siblings) > LONGEST_PATH:
        return None
    node, index, last = leaf, place, size - 1
    for sibling in siblings:
        if last == 0:
            return None
        if index % 2 or index == last:
            node = _node(sibling, node)
            while index % 2 == 0 and index:
                index, last = index >> 1, last >> 1
        else:
            node = _node(node, sibling)
        index, last = index >> 1, last >> 1
    return node if last == 0 else None

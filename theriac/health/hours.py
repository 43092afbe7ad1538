"""Time as a tree of keys: who holds a few nodes opens exactly the hours under them.

A seed is the root of a binary tree of depth 20 over the hours since 2020-01-01 00:00 UTC; a child is
HMAC-SHA256(node, bit), the bit as one byte (the construction of Goldreich, Goldwasser and Micali; used for streams of
readings by TimeCrypt, NSDI 2020). A leaf is the key of one hour. Nodes that cover [since, end) say nothing of any other
hour. `docs/protocol/health.md` has vectors.
"""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from theriac.crypto.recipients import HybridIdentity
from theriac.errors import BadHour, BadNodes

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
DEPTH = 20
HOURS = 1 << DEPTH
"""How many hours the tree has: until August 2139."""

_INTERVAL_INFO = b"theriac/v1/interval"


def hour_at(time: datetime) -> int:
    """The number of the hour that `time`, with a time zone, lies in.

    :raises BadHour: the tree has no such hour.
    """
    hour = (time - EPOCH) // timedelta(hours=1)
    return _checked(hour)


def time_of(hour: int) -> datetime:
    """The first moment of an hour, UTC. `HOURS` itself is the end of the last."""
    if hour == HOURS:
        return EPOCH + timedelta(hours=HOURS)
    return EPOCH + timedelta(hours=_checked(hour))


def seconds_of(hour: int) -> int:
    """The first second of an hour since 1970, as the chain counts."""
    return int(time_of(hour).timestamp())


def hour_of_seconds(seconds: int) -> int:
    """The hour that a second since 1970 lies in.

    :raises BadHour: the tree has no such hour, as of a second that no calendar has.
    """
    return _checked((seconds - int(EPOCH.timestamp())) // 3600)


def midnight_after(hour: int) -> int:
    """The hour at which the next UTC day begins."""
    return (hour // 24 + 1) * 24


REFERRAL_WEEKS = 5
"""How many Mondays ahead rows split where a reader may refer on: ends that hold while the patient's phone is off."""


def mondays_after(hour: int) -> tuple[int, ...]:
    """The hours at which the next weeks begin, UTC: the same for everybody, so they tell nothing of anyone."""
    # 2020-01-01 was a Wednesday, so the first Monday began 5 days later.
    week = 7 * 24
    first = hour + week - (hour - 5 * 24) % week
    return tuple(first + number * week for number in range(REFERRAL_WEEKS))


def _checked(hour: int) -> int:
    if not 0 <= hour < HOURS:
        raise BadHour(hour=hour)
    return hour


@dataclass(frozen=True)
class Node:
    """A node of the tree: `depth` edges below the root, the `index`-th from the left; `key` has 32 bytes."""

    depth: int
    index: int
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not (0 <= self.depth <= DEPTH and 0 <= self.index < 1 << self.depth and len(self.key) == 32):
            raise BadNodes(fault="a node lies outside of the tree")

    @property
    def hours(self) -> range:
        """The hours under the node."""
        width = 1 << (DEPTH - self.depth)
        return range(self.index * width, (self.index + 1) * width)

    def leaf(self, hour: int) -> bytes:
        """The key of one hour under the node."""
        if hour not in self.hours:
            raise BadHour(hour=hour)
        key = self.key
        for level in reversed(range(DEPTH - self.depth)):
            key = _child(key, hour >> level & 1)
        return key

    def values(self) -> list[Any]:
        return [self.depth, self.index, self.key.hex()]


def _child(key: bytes, bit: int) -> bytes:
    return hmac.digest(key, bytes([bit]), "sha256")


def root(seed: bytes) -> Node:
    """The whole tree of a 32-byte seed."""
    return Node(depth=0, index=0, key=seed)


def cover(seed: bytes, *, since: int, end: int) -> tuple[Node, ...]:
    """The fewest nodes that cover exactly the hours [since, end); none where that is empty.

    :raises BadHour: the window leaves the tree.
    """
    if not 0 <= since <= HOURS or not 0 <= end <= HOURS:
        raise BadHour(hour=since if not 0 <= since <= HOURS else end)
    return _within(root(seed), since=since, end=end)


def _within(top: Node, *, since: int, end: int) -> tuple[Node, ...]:
    """The fewest nodes under one that cover exactly those of its hours that lie in [since, end)."""
    found: list[Node] = []
    pending = [top]
    while pending:
        node = pending.pop()
        hours = node.hours
        if hours.stop <= since or end <= hours.start:
            continue
        if since <= hours.start and hours.stop <= end:
            found.append(node)
            continue
        for bit in (1, 0):
            pending.append(Node(depth=node.depth + 1, index=node.index * 2 + bit, key=_child(node.key, bit)))
    return tuple(found)


@dataclass(frozen=True)
class Nodes:
    """The nodes that a reader holds of one tree."""

    nodes: tuple[Node, ...]

    def leaf(self, hour: int) -> bytes | None:
        """The key of an hour, or None where no node covers it."""
        for node in self.nodes:
            if hour in node.hours:
                return node.leaf(hour)
        return None

    def identity(self, hour: int) -> HybridIdentity | None:
        """What opens files sealed to the interval that begins with this hour, or None."""
        leaf = self.leaf(hour)
        return None if leaf is None else identity_of(leaf)

    def covers(self, hour: int) -> bool:
        return any(hour in node.hours for node in self.nodes)

    def clipped(self, *, since: int, end: int) -> "Nodes":
        """The same for the hours [since, end) alone: what is left of each node, in the fewest pieces."""
        return Nodes(tuple(piece for node in self.nodes for piece in _within(node, since=since, end=end)))

    def values(self) -> list[list[Any]]:
        return [node.values() for node in self.nodes]

    @classmethod
    def of(cls, values: Sequence[Sequence[Any]]) -> "Nodes":
        """:raises BadNodes: the values are no nodes."""
        try:
            return cls(tuple(Node(depth=int(d), index=int(i), key=bytes.fromhex(k)) for d, i, k in values))
        except (TypeError, ValueError, OverflowError) as fault:
            raise BadNodes(fault=str(fault)) from None

    @classmethod
    def covering(cls, seed: bytes, windows: Iterable[tuple[int, int]]) -> "Nodes":
        return cls(tuple(node for since, end in windows for node in cover(seed, since=since, end=end)))


@lru_cache(maxsize=8192)
def identity_of(leaf: bytes) -> HybridIdentity:
    """The post-quantum identity of an interval, from the leaf of its first hour (HKDF-SHA256, RFC 5869)."""
    return HybridIdentity.from_seed(HKDF(SHA256(), 32, None, _INTERVAL_INFO).derive(leaf))

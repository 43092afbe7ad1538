"""Content identifiers, and the one way in which a file becomes blocks.

A file is cut into leaves of 1 MiB. One leaf alone is the file. More than one hang below nodes of at most 1,024 links,
all leaves at the same depth, every node of a depth full but the last: the balanced layout of Kubo's `unixfs-v1-2025`
profile. So the size of a file fixes the whole shape of its tree, a file has exactly one identifier, and a tree of any
other shape is refused.

Standards: CIDv1 (multiformats), DAG-PB (IPLD), UnixFS (IPFS), IPIP-499 for the profile.
"""

import base64
import binascii
import hashlib
import io
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO, Self, TypeVar

from theriac.errors import BadBlock, BadCid

CHUNK_BYTES = 1 << 20
"""Bytes in a leaf; only a file's last leaf is shorter."""

MAX_LINKS = 1024
"""Links in a node; only the last node of a depth has fewer."""

MAX_DEPTH = 3
"""Nodes between a file and its leaves, its root included: enough for a pebibyte. A deeper tree is refused."""

MAX_NODE_BYTES = 128 << 10
"""A node of 1,024 links is smaller: a link takes 54 bytes at most, and its size another 9."""

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
"""How many cores this process may use."""

THREADS = max(1, min(2, CORES - 1))
"""How many threads hash leaves beside whoever seals or opens them, which takes as long as half of the hashing."""

_Read = TypeVar("_Read", bytes, int)

_DIGEST_BYTES = 32
_SHA2_256 = b"\x12\x20"


# -- identifiers -----------------------------------------------------------------------------------------------------


class Codec(IntEnum):
    """What a block is, by its multicodec number."""

    RAW = 0x55
    DAG_PB = 0x70


@dataclass(frozen=True, slots=True)
class Cid:
    """The identifier of a block, and so of the file below it: a codec and the sha2-256 of the block's bytes."""

    codec: Codec
    digest: bytes

    def __post_init__(self) -> None:
        if len(self.digest) != _DIGEST_BYTES:
            raise BadCid(fault=f"a digest has {_DIGEST_BYTES} bytes, not {len(self.digest)}")

    def __bytes__(self) -> bytes:
        return b"\x01" + bytes([self.codec]) + _SHA2_256 + self.digest

    def __str__(self) -> str:
        return "b" + base64.b32encode(bytes(self)).decode("ascii").rstrip("=").lower()

    @staticmethod
    def raw(digest: bytes) -> "Cid":
        """The identifier of a leaf, or of a file of one leaf, whose bytes have this sha2-256 `digest`."""
        return Cid(Codec.RAW, digest)

    @staticmethod
    def dag(digest: bytes) -> "Cid":
        """The identifier of a node, or of a file of many leaves, whose root has this sha2-256 `digest`."""
        return Cid(Codec.DAG_PB, digest)

    @staticmethod
    def parse(text: str) -> "Cid":
        """The identifier that `str()` writes as `text`. Raises BadCid for every other text."""
        try:
            binary = base64.b32decode(text[1:].upper() + "=" * (-(len(text) - 1) % 8))
        except (binascii.Error, ValueError):
            raise BadCid(fault="it is not in base32") from None

        cid = _cid_of(binary)
        # Base32 knows two cases and leaves spare bits, so one identifier could be written in many ways.
        if str(cid) != text:
            raise BadCid(fault="it is not in its one form")
        return cid


def _cid_of(binary: bytes) -> Cid:
    if len(binary) != 4 + _DIGEST_BYTES or binary[0] != 1:
        raise BadCid(fault="it is not version 1 with a digest of 32 bytes")
    if binary[2:4] != _SHA2_256:
        raise BadCid(fault="its digest is not a sha2-256")
    if binary[1] not in tuple(Codec):
        raise BadCid(fault=f"its codec {binary[1]:#x} is neither raw nor dag-pb")
    return Cid(Codec(binary[1]), binary[4:])


# -- nodes -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Link:
    """What a node says of `cid`: from it down are `size` bytes of the file and `weight` bytes of blocks (Tsize)."""

    cid: Cid
    size: int
    weight: int


@dataclass(frozen=True, slots=True)
class Node:
    """An inner block of a file: a DAG-PB node with links and no content of its own."""

    links: tuple[Link, ...]

    @property
    def size(self) -> int:
        """Bytes of the file below this node."""
        return sum(link.size for link in self.links)

    def encode(self) -> bytes:
        """The node's one form: links first, as DAG-PB has it; then type, size and the sizes below, as UnixFS has it."""
        links = b"".join(_field(0x12, _encode_link(link)) for link in self.links)
        sizes = b"".join(b"\x20" + _varint(link.size) for link in self.links)
        return links + _field(0x0A, b"\x08\x02\x18" + _varint(self.size) + sizes)


def decode_root(block: bytes, *, cid: Cid) -> Node:
    """The node at the top of a file of more than one leaf. Raises BadBlock unless `Tree` makes the very same block."""
    node = _decode(block, cid=cid)
    depth = depth_of(node.size)
    if not 1 <= depth <= MAX_DEPTH:
        raise BadBlock(cid=str(cid), fault=f"a tree of depth {depth}, for {node.size} bytes")
    _check_shape(node, size=node.size, depth=depth, cid=cid)
    return node


def decode_inner(block: bytes, *, link: Link, depth: int) -> Node:
    """The node that `link` of a checked parent promises, `depth` above the leaves. Raises BadBlock if it is another."""
    node = _decode(block, cid=link.cid)
    _check_shape(node, size=link.size, depth=depth, cid=link.cid)
    if _weight(block, node) != link.weight:
        raise BadBlock(cid=str(link.cid), fault=f"{_weight(block, node)} bytes of blocks instead of {link.weight}")
    return node


def depth_of(size: int) -> int:
    """Nodes above each leaf in the tree of a file of `size` bytes."""
    depth = 0
    while size > span_of(depth):
        depth += 1
    return depth


def span_of(depth: int) -> int:
    """Bytes of the file below a full node, `depth` above the leaves; at depth 0 those of a leaf."""
    return int(CHUNK_BYTES * MAX_LINKS**depth)


def _check_shape(node: Node, *, size: int, depth: int, cid: Cid) -> None:
    span = span_of(depth - 1)
    full, rest = divmod(size, span)
    sizes = [span] * min(full, MAX_LINKS + 1) + [rest] * bool(rest)
    codec, word = (Codec.RAW, "raw") if depth == 1 else (Codec.DAG_PB, "dag-pb")

    if [link.size for link in node.links] != sizes:
        raise BadBlock(cid=str(cid), fault=f"its {len(node.links)} parts are not those of {size} bytes")
    if any(link.cid.codec != codec for link in node.links):
        raise BadBlock(cid=str(cid), fault=f"a part is no {word} block, {depth} above the leaves")
    if depth == 1 and any(link.weight != link.size for link in node.links):
        raise BadBlock(cid=str(cid), fault="a leaf weighs other than its bytes")


def _weight(block: bytes, node: Node) -> int:
    return len(block) + sum(link.weight for link in node.links)


# -- bytes of a node -------------------------------------------------------------------------------------------------


class _Malformed(Exception):
    """The bytes stop being a node at some point; becomes a BadBlock where the block's name is known."""


def _decode(block: bytes, *, cid: Cid) -> Node:
    try:
        node = _read_node(_Bytes(block))
    except _Malformed as fault:
        raise BadBlock(cid=str(cid), fault=str(fault)) from None
    # A field written twice, left out, or a number with spare bytes: nothing but the one form comes out equal.
    if node.encode() != block:
        raise BadBlock(cid=str(cid), fault="it is not in its one form")
    return node


def _read_node(block: "_Bytes") -> Node:
    if block.left() > MAX_NODE_BYTES:
        raise _Malformed(f"a node of {block.left()} bytes")

    parts: list[tuple[Cid, int]] = []
    while block.next_is(0x12):
        if len(parts) == MAX_LINKS:
            raise _Malformed(f"more than {MAX_LINKS} links")
        parts.append(_read_link(_Bytes(block.field(0x12))))

    data = _Bytes(block.field(0x0A))
    for expected in (0x08, 0x02, 0x18):
        data.byte(expected)
    data.varint()
    links = []
    for cid, weight in parts:
        data.byte(0x20)
        links.append(Link(cid=cid, size=data.varint(), weight=weight))
    return Node(tuple(links))


def _read_link(link: "_Bytes") -> tuple[Cid, int]:
    try:
        cid = _cid_of(link.field(0x0A))
    except BadCid as error:
        raise _Malformed(f"a link of another kind: {error.fault}") from None
    if link.field(0x12):
        raise _Malformed("a link with a name")
    link.byte(0x18)
    return cid, link.varint()


def _encode_link(link: Link) -> bytes:
    return _field(0x0A, bytes(link.cid)) + _field(0x12, b"") + b"\x18" + _varint(link.weight)


def _field(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


class _Bytes:
    """Reads protobuf from its start to its end and never past it."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def left(self) -> int:
        return len(self._content) - self._at

    def next_is(self, expected: int) -> bool:
        return self.left() > 0 and self._content[self._at] == expected

    def byte(self, expected: int) -> None:
        if not self.next_is(expected):
            raise _Malformed(f"byte {self._at} is not {expected:#04x}")
        self._at += 1

    def field(self, tag: int) -> bytes:
        self.byte(tag)
        length = self.varint()
        if length > self.left():
            raise _Malformed(f"a field of {length} bytes where {self.left()} are left")
        self._at += length
        return self._content[self._at - length : self._at]

    def varint(self) -> int:
        number = 0
        for shift in range(0, 63, 7):
            if not self.left():
                raise _Malformed("it ends inside a number")
            byte = self._content[self._at]
            self._at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
        raise _Malformed("a number of more than 63 bits")


# -- from a stream to blocks -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a file on its way into a store: its identifier, its bytes, its height above the leaves.

    The bytes of a leaf may stand in memory that the next one takes: whoever wants them longer copies them.
    """

    cid: Cid
    content: bytes | memoryview
    height: int


class Tree:
    """Cuts what is written to it into blocks and hands each to `keep`, every block before the node that links to it.

    Leaves beyond the first are hashed and kept by threads of the tree's own while the next is being made, and where
    they fall behind by whoever makes them. So `keep` is called for some blocks at once, for leaves in any order, and
    what it raises comes out of a later `write` or of `finish`. Written to within a context, which no thread outlives.

    Holds five leaves and at most 1,024 links of each height, whatever the size of the file.
    """

    def __init__(self, keep: Callable[[Block], None]) -> None:
        self._keep = keep
        self._pending = bytearray()
        self._open: list[list[Link]] = [[]]
        self._threads: ThreadPoolExecutor | None = None
        self._coming: deque[Future[Link]] = deque()
        self._free: list[bytearray] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=kind is not None)

    def write(self, content: bytes) -> None:
        """Add `content`, of any length, to the end of the file."""
        self._write(content)

    def take(self, stream: BinaryIO) -> None:
        """Add what is left of `stream` to the end of the file. Raises BlockingIOError where it does not block."""
        content: bytes | memoryview = blocking(stream.read(CHUNK_BYTES))
        while content:
            self._write(content)
            content = self._read(stream)

    def finish(self) -> Cid:
        """End the file, hand over what is left, and give its identifier. Nothing may be written afterwards."""
        if self._pending or self._open == [[]]:
            self._leaf(bytes(self._pending))
        while self._coming:
            self._link(self._coming.popleft().result(), height=0)

        height = 0
        while height < len(self._open) - 1 or len(self._open[height]) > 1:
            if self._open[height]:
                self._close(height)
            height += 1
        return self._open[height][0].cid

    def _write(self, content: bytes | memoryview) -> None:
        if not self._pending and len(content) == CHUNK_BYTES:
            self._leaf(content)  # The common case, without a copy.
        else:
            self._collect(content)
            self._release(content)

    def _read(self, stream: BinaryIO) -> bytes | memoryview:
        if self._threads is None or not isinstance(stream, io.BufferedReader):
            return blocking(stream.read(CHUNK_BYTES))
        # Of a large file, memory of its own for each leaf would go to the system and come back, which can take as long
        # as hashing.
        buffer = self._free.pop() if self._free else bytearray(CHUNK_BYTES)
        return memoryview(buffer)[: blocking(stream.readinto(buffer))]

    def _release(self, content: bytes | memoryview) -> None:
        if isinstance(content, memoryview) and isinstance(content.obj, bytearray):
            self._free.append(content.obj)

    def _collect(self, content: bytes | memoryview) -> None:
        self._pending += content
        while len(self._pending) >= CHUNK_BYTES:
            self._leaf(bytes(memoryview(self._pending)[:CHUNK_BYTES]))
            del self._pending[:CHUNK_BYTES]

    def _leaf(self, content: bytes | memoryview) -> None:
        if self._open == [[]]:
            # It may be the only one, for which no thread need start.
            self._link(self._kept(content), height=0)
            return
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS)
        if sum(not leaf.done() for leaf in self._coming) <= THREADS:
            self._coming.append(self._threads.submit(self._kept, content))
        else:
            # The threads are behind, so whoever makes the leaves helps instead of waiting for them.
            self._coming.append(Future())
            self._coming[-1].set_result(self._kept(content))
        while self._coming and (self._coming[0].done() or len(self._coming) > MAX_LINKS):
            self._link(self._coming.popleft().result(), height=0)

    def _kept(self, content: bytes | memoryview) -> Link:
        cid = Cid.raw(hashlib.sha256(content).digest())
        self._keep(Block(cid, content, 0))
        self._release(content)
        return Link(cid, size=len(content), weight=len(content))

    def _link(self, link: Link, *, height: int) -> None:
        if height == len(self._open):
            self._open.append([])
        self._open[height].append(link)
        if len(self._open[height]) == MAX_LINKS:
            self._close(height)

    def _close(self, height: int) -> None:
        node = Node(tuple(self._open[height]))
        content = node.encode()
        cid = Cid.dag(hashlib.sha256(content).digest())

        self._open[height] = []
        self._keep(Block(cid, content, height + 1))
        self._link(Link(cid, size=node.size, weight=_weight(content, node)), height=height + 1)


def blocking(read: _Read | None) -> _Read:
    """What was read. A stream that does not block says None where it has nothing yet, which is not its end."""
    if read is None:
        raise BlockingIOError("the source must block")
    return read


def compute(stream: BinaryIO) -> Cid:
    """The identifier that every store gives to what is left of `stream`, in constant memory, keeping nothing."""
    with Tree(keep=lambda block: None) as tree:
        tree.take(stream)
        return tree.finish()

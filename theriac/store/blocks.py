"""Reading a file out of blocks that nobody is trusted for: no byte is released before its block has the right digest.

A file is read in three steps, from whatever holds the blocks:
    (1) the block's bytes have the digest in its identifier, else WrongBytes;
    (2) the block is what `put` makes at that place of a file of that size, else BadBlock;
    (3) only then is a byte of it handed out.
"""

import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, ClassVar

from theriac.errors import BadBlock, TheriacError, WrongBytes
from theriac.store.cid import (
    CHUNK_BYTES,
    MAX_LINKS,
    MAX_NODE_BYTES,
    THREADS,
    Cid,
    Codec,
    Link,
    Node,
    decode_inner,
    decode_root,
    depth_of,
)

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


_AHEAD = 3
"""How many leaves beyond the one at hand are fetched meanwhile: some are read while others are hashed."""


class Blocks(ABC):
    """Something that holds blocks under their digests, and files made of them."""

    READS_AHEAD: ClassVar[bool] = False
    """Whether a file that is read from its start on is fetched ahead, by threads of its reader's own."""

    @property
    @abstractmethod
    def place(self) -> str:
        """Where the blocks are, for a person: a folder or an address."""

    @abstractmethod
    def fetch(self, cid: Cid, *, limit: int) -> bytes:
        """The block's bytes as they are found, unverified, and no more than `limit` + 1 of them.

        The codec of `cid` does not matter: a block is found by its digest. Raises NotStored.
        """

    def fetch_into(self, cid: Cid, room: memoryview) -> int:
        """The same at the start of `room`: how many bytes, and never more than there is room for."""
        block = self.fetch(cid, limit=len(room) - 1)
        room[: len(block)] = block
        return len(block)

    def get(self, cid: Cid) -> BinaryIO:
        """A seekable reader of the file `cid`; it holds five leaves and one node a depth, and reads what it is asked
        for, or three leaves ahead of that.

        Raises NotStored, WrongBytes, BadBlock, here for the file's first block and while reading for those below.
        """
        return _FileReader(self, cid)

    def resolve(self, digest: bytes) -> Cid:
        """The identifier of the file whose root has this sha2-256 `digest`: all that the chain keeps of it.

        The block's bytes decide, not what the store holds: blocks lie under their digests alone, so the root of a
        large file can be asked for as a leaf too. Where the bytes are the root of a file, the file is meant. Nothing
        that is anchored is such bytes itself: a sealed file and a document begin with other ones.
        """
        block = self.verified(Cid.raw(digest))
        try:
            decode_root(block, cid=Cid.dag(digest))
        except BadBlock:
            return Cid.raw(digest)
        return Cid.dag(digest)

    def get_digest(self, digest: bytes) -> BinaryIO:
        """A reader of the file whose root has this sha2-256 `digest`, as `resolve` and `get` do."""
        return self.get(self.resolve(digest))

    def verified(self, cid: Cid) -> bytes:
        """A block's bytes, whose digest was checked. Raises NotStored, WrongBytes, BadBlock."""
        limit = MAX_NODE_BYTES if cid.codec is Codec.DAG_PB else CHUNK_BYTES
        block = self.fetch(cid, limit=limit)
        self._check(block, cid=cid, limit=limit)
        return block

    def _check(self, block: bytes | memoryview, *, cid: Cid, limit: int) -> None:
        if len(block) > limit:
            raise BadBlock(cid=str(cid), fault=f"a block of more than {limit} bytes")
        if hashlib.sha256(block).digest() != cid.digest:  # (1)
            raise WrongBytes(cid=str(cid), store=self.place)

    def tree(self, cid: Cid) -> Iterator[Cid]:
        """Every block of the file `cid`, from its root down; nodes are read and checked, leaves are only named.

        A node that comes again is not entered again, so the work is bounded by the blocks that exist.
        """
        yield cid
        if cid.codec is Codec.RAW:
            return

        root = decode_root(self.verified(cid), cid=cid)  # (2)
        entered: set[bytes] = set()
        rest = [(root, depth_of(root.size))]
        while rest:
            node, depth = rest.pop()
            for link in node.links:
                if depth > 1 and link.cid.digest in entered:
                    continue
                yield link.cid
                if depth > 1:
                    entered.add(link.cid.digest)
                    rest.append((self.inner(link, depth=depth - 1), depth - 1))

    def inner(self, link: Link, *, depth: int) -> Node:
        """The checked node that a checked node's `link` names, `depth` above the leaves."""
        return decode_inner(self.verified(link.cid), link=link, depth=depth)  # (2)

    def leaf(self, link: Link) -> bytes:
        """The checked leaf that a checked node's `link` names."""
        leaf = self.verified(link.cid)
        _check_size(leaf, link)
        return leaf

    def leaf_into(self, link: Link, room: bytearray) -> memoryview:
        """The same in `room`, which has one byte more than a full leaf."""
        view = memoryview(room)
        leaf = view[: self.fetch_into(link.cid, view)]
        self._check(leaf, cid=link.cid, limit=CHUNK_BYTES)
        _check_size(leaf, link)
        return leaf


def _check_size(leaf: bytes | memoryview, link: Link) -> None:
    if len(leaf) != link.size:  # (2)
        raise BadBlock(cid=str(link.cid), fault=f"a leaf of {len(leaf)} bytes instead of {link.size}")


class _FileReader(io.BufferedIOBase, BinaryIO):
    """One file, read leaf by leaf. The position moves freely; a leaf is fetched when a byte of it is asked for."""

    def __init__(self, blocks: Blocks, cid: Cid) -> None:
        self._blocks = blocks
        self._position = 0
        self._leaf_index = 0
        self._leaf = memoryview(b"")
        # The node last read at each depth, and which of its depth it is.
        self._nodes: dict[int, tuple[int, Node]] = {}
        self._threads: ThreadPoolExecutor | None = None
        self._ahead: dict[int, Future[memoryview]] = {}
        self._free: list[bytearray] = []

        root = blocks.verified(cid)
        if cid.codec is Codec.RAW:
            self._leaf, self._size, self._depth = memoryview(root), len(root), 0
        else:
            node = decode_root(root, cid=cid)
            self._size, self._depth = node.size, depth_of(node.size)
            self._nodes[self._depth] = (0, node)
            self._leaf_index = -1

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("a position before the start of the file")
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        left = max(self._size - self._position, 0)
        wanted = left if size is None or size < 0 else min(size, left)
        with self._whole():
            piece = self._piece(wanted)
            if len(piece) == wanted:
                return bytes(piece)
            content = bytearray(piece)
            while len(content) < wanted:
                content += self._piece(wanted - len(content))
        return bytes(content)

    def read1(self, size: int = -1) -> bytes:
        return bytes(self._piece(CHUNK_BYTES if size < 0 else size))

    def readinto(self, buffer: "WriteableBuffer") -> int:
        room = memoryview(buffer).cast("B")
        filled = 0
        with self._whole():
            while filled < len(room) and (piece := self._piece(len(room) - filled)):
                room[filled : filled + len(piece)] = piece
                filled += len(piece)
        return filled

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """A read that fails in its middle is as if it had not been begun."""
        start = self._position
        try:
            yield
        except BaseException:
            self._position = start
            raise

    def _piece(self, limit: int) -> memoryview:
        """At most `limit` bytes, which end where a leaf does, and none only at the end."""
        if self.closed:
            raise ValueError("I/O operation on closed file")
        if not limit or self._position >= self._size:
            return memoryview(b"")
        index, offset = divmod(self._position, CHUNK_BYTES)
        self._turn_to(index)
        piece = memoryview(self._leaf)[offset : offset + limit]  # (3)
        self._position += len(piece)
        return piece

    def _turn_to(self, index: int) -> None:
        if index == self._leaf_index:
            return
        in_order = index == self._leaf_index + 1 and index > 0
        # What was read ahead and is not wanted keeps its room: a thread may still write there.
        ahead, self._ahead = self._ahead, {}
        leaf = self._taken(index, ahead) if index in ahead else self._alone(index)
        if isinstance(self._leaf.obj, bytearray):
            self._free.append(self._leaf.obj)
        self._leaf, self._leaf_index = leaf, index
        if in_order and self._blocks.READS_AHEAD:
            self._ahead = ahead
            for following in range(index + 1, index + 1 + _AHEAD):
                self._read_ahead(following)

    def _read_ahead(self, index: int) -> None:
        """Has a thread fetch and check a leaf. It is asked for below the node at hand alone: what is wrong with
        another node is no matter of the bytes before it.
        """
        above, place = divmod(index, MAX_LINKS)
        known = self._nodes.get(1)
        if index in self._ahead or known is None or known[0] != above or place >= len(known[1].links):
            return
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS)
        self._ahead[index] = self._threads.submit(self._fetched, known[1].links[place])

    def _taken(self, index: int, ahead: dict[int, Future[memoryview]]) -> memoryview:
        """The leaf that is fetched ahead. Where the threads are behind, those that they have not begun are fetched here
        instead of waiting for them.
        """
        coming = ahead.pop(index)
        if coming.cancel():
            return self._fetched(self._link_to(index, depth=0))
        for other in sorted(ahead):
            if coming.done():
                break
            if ahead[other].cancel():
                ahead[other] = Future()
                try:
                    ahead[other].set_result(self._fetched(self._link_to(other, depth=0)))
                except TheriacError as error:
                    ahead[other].set_exception(error)
        return coming.result()

    def _alone(self, index: int) -> memoryview:
        return memoryview(self._blocks.leaf(self._link_to(index, depth=0)))

    def _fetched(self, link: Link) -> memoryview:
        # Of a large file, memory of its own for each leaf would go to the system and come back, which can take as long
        # as hashing.
        try:
            room = self._free.pop()
        except IndexError:
            room = bytearray(CHUNK_BYTES + 1)
        return self._blocks.leaf_into(link, room)

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        super().close()

    def _link_to(self, index: int, *, depth: int) -> Link:
        # The `index`-th block of its depth hangs in the node `above` as its link number `place`.
        above, place = divmod(index, MAX_LINKS)
        return self._node(above, depth=depth + 1).links[place]

    def _node(self, index: int, *, depth: int) -> Node:
        known = self._nodes.get(depth)
        if known is not None and known[0] == index:
            return known[1]
        node = self._blocks.inner(self._link_to(index, depth=depth), depth=depth)
        self._nodes[depth] = (index, node)
        return node

"""Targets of theriac.store: identifiers, nodes of a file's tree, whole files out of blocks that a peer made up."""

import hashlib
from typing import Any

from fuzz.targets import Target, text
from theriac.errors import BadBlock, BadCid, NotStored
from theriac.store.blocks import Blocks
from theriac.store.cid import Cid, Link, Node, decode_inner, decode_root


def _root(data: bytes) -> Node:
    return decode_root(data, cid=Cid.dag(hashlib.sha256(data).digest()))


def _inner(data: bytes) -> Node:
    """A node under a parent that promises three mebibytes below it, in three leaves, or deeper where it is even."""
    cid = Cid.dag(hashlib.sha256(data).digest())
    size = 3 << 20
    return decode_inner(data, link=Link(cid=cid, size=size, weight=size + len(data)), depth=2 - len(data) % 2)


class _MadeUp(Blocks):
    """The blocks that an input holds, each behind its length; the last one is asked for. A peer's answers."""

    def __init__(self, data: bytes) -> None:
        self.found: dict[bytes, bytes] = {}
        self.last = b""
        at = 0
        while at < len(data) and len(self.found) < 64:
            size = int.from_bytes(data[at : at + 2], "big")
            self.last = data[at + 2 : at + 2 + size]
            self.found[hashlib.sha256(self.last).digest()] = self.last
            at += 2 + size

    @property
    def place(self) -> str:
        return "an input"

    def fetch(self, cid: Cid, *, limit: int) -> bytes:
        if cid.digest not in self.found:
            raise NotStored(cid=str(cid), store=self.place)
        return self.found[cid.digest]


def _file(data: bytes) -> Any:
    blocks = _MadeUp(data)
    digest = hashlib.sha256(blocks.last).digest()
    read = b""
    for cid in (Cid.raw(digest), Cid.dag(digest)):
        try:
            with blocks.get(cid) as stream:
                read += stream.read(1 << 20)
                stream.seek(0)
                read += stream.read(10)
        except (BadBlock, NotStored):
            continue
    return read


TARGETS = [
    Target(
        name="cid",
        entry="theriac.store.cid:Cid.parse",
        read=lambda data: Cid.parse(text(data)),
        write=lambda read: str(read).encode(),
        may=(BadCid,),
        limit="59 characters",
        words=(b"bafk", b"bafy", b"=", b"\xc4\xb1"),
    ),
    Target(
        name="dag-root",
        entry="theriac.store.cid:decode_root",
        read=_root,
        write=lambda read: bytes(read.encode()),
        may=(BadBlock,),
        limit="128 KiB, 1,024 links, three nodes above a leaf",
        words=(b"\x12", b"\x0a", b"\x08\x02\x18", b"\x20", b"\xff" * 9),
    ),
    Target(
        name="dag-inner",
        entry="theriac.store.cid:decode_inner",
        read=_inner,
        write=lambda read: bytes(read.encode()),
        may=(BadBlock,),
        limit="as above",
        words=(b"\x12", b"\x0a", b"\x08\x02\x18", b"\x20", b"\xff" * 9),
    ),
    Target(
        name="blocks",
        entry="theriac.store.blocks:Blocks.get",
        read=_file,
        may=(BadBlock, NotStored, BadCid),
        limit="a node and a leaf at a time",
        words=(b"\x12", b"\x0a", b"\x08\x02\x18", b"\x20"),
    ),
]

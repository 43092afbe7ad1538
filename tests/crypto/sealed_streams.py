"""Streams with one property each, and a reader that notes what it was given: the tools of the tests of age files."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from theriac.crypto.age import CHUNK
from theriac.errors import TheriacError

TAG = 16
NONCE = 16
SEALED_CHUNK = CHUNK + TAG


class Trickle(io.RawIOBase):
    """A source that cannot seek and gives at most `most` bytes at a time."""

    def __init__(self, data: bytes, *, most: int) -> None:
        self._source = io.BytesIO(data)
        self._most = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        piece = self._source.read(min(self._most, len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


class Failing(io.RawIOBase):
    """A source that breaks once after `good` bytes, loses what it was asked for, and then goes on as if nothing was."""

    def __init__(self, data: bytes, *, good: int) -> None:
        self._good = io.BytesIO(data[:good])
        self._rest = io.BytesIO(data[good:])
        self._broke = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        if count := self._good.readinto(buffer):
            return count
        if not self._broke:
            self._broke = True
            self._rest.seek(len(buffer))
            raise OSError("the line went dead")
        return self._rest.readinto(buffer)


class Repeating(io.RawIOBase):
    """A pattern repeated up to `size` bytes, which are never in memory together. Counts what was taken."""

    def __init__(self, pattern: bytes, *, size: int) -> None:
        self._pattern = pattern
        self._size = size
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        start = self.taken % len(self._pattern)
        piece = self._pattern[start : start + min(len(buffer), self._size - self.taken)]
        buffer[: len(piece)] = piece
        self.taken += len(piece)
        return len(piece)


@dataclass(frozen=True)
class Drained:
    """All a reader gave until its end or its error, and the error's type."""

    plain: bytes
    error: type[TheriacError] | None


def drain(reader: BinaryIO) -> Drained:
    """Read to the end as a careless caller would: keep everything that came before an error."""
    pieces: list[bytes] = []
    try:
        while piece := reader.read(CHUNK):
            pieces.append(piece)
    except TheriacError as error:
        return Drained(plain=b"".join(pieces), error=type(error))
    return Drained(plain=b"".join(pieces), error=None)


@dataclass(frozen=True)
class Parts:
    """A sealed file cut at its seams."""

    header: bytes
    nonce: bytes
    chunks: list[bytes]

    def join(self, *chunks: bytes) -> bytes:
        """The same header and nonce with other chunks."""
        return self.header + self.nonce + b"".join(chunks)


def cut(sealed: bytes) -> Parts:
    """Cut at the end of the MAC line, after the nonce, and after every sealed chunk."""
    mac = sealed.index(b"\n--- ") + 1
    end = sealed.index(b"\n", mac) + 1
    payload = sealed[end + NONCE :]
    return Parts(header=sealed[:end], nonce=sealed[end : end + NONCE], chunks=list(_chunks(payload)))


def _chunks(payload: bytes) -> Iterator[bytes]:
    for at in range(0, len(payload), SEALED_CHUNK):
        yield payload[at : at + SEALED_CHUNK]

"""Streams of any size that hold nothing, and blocks in memory, for the tests of the store."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from theriac.errors import NotStored
from theriac.store.blocks import Blocks
from theriac.store.cid import Cid


class Keystream:
    """`size` bytes of the ChaCha20 key stream under the sha2-256 of `seed`: Kubo's own test data."""

    def __init__(self, seed: str, size: int) -> None:
        key = hashlib.sha256(seed.encode()).digest()
        self._stream = Cipher(ChaCha20(key, bytes(16)), mode=None).encryptor()
        self._left = size

    def read(self, count: int = -1) -> bytes:
        count = self._left if count < 0 else min(count, self._left)
        self._left -= count
        return self._stream.update(bytes(count))


def keystream(seed: str, size: int) -> BinaryIO:
    stream: BinaryIO = Keystream(seed, size)  # type: ignore[assignment]
    return stream


def sample(size: int) -> bytes:
    return keystream("sample", size).read()


class MemoryBlocks(Blocks):
    """Blocks under their digests, as anyone may hand them out; counts what is fetched."""

    def __init__(self) -> None:
        self.blocks: dict[bytes, bytes] = {}
        self.fetched: list[Cid] = []

    @property
    def place(self) -> str:
        return "memory"

    def fetch(self, cid: Cid, *, limit: int) -> bytes:
        self.fetched.append(cid)
        if cid.digest not in self.blocks:
            raise NotStored(cid=str(cid), store=self.place)
        return self.blocks[cid.digest][: limit + 1]

    def add_leaf(self, content: bytes) -> Cid:
        return Cid.raw(self._add(content))

    def add_node(self, content: bytes) -> Cid:
        return Cid.dag(self._add(content))

    def _add(self, content: bytes) -> bytes:
        digest = hashlib.sha256(content).digest()
        self.blocks[digest] = content
        return digest


def run_alone(program: str) -> str:
    """What a Python program prints that runs in a process of its own, with these tests' folder on its path.

    A shell stands between: `getrusage` would else count the memory of pytest, out of which the process is started.
    """
    command = ["sh", "-c", '"$0" "$@"; exit $?', sys.executable, "-c", program]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout

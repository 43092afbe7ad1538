"""A store that is a folder: no server, one file a block, safe under a killed process and among several of them.

    FOLDER/blocks/<two letters>/<cid>   a block; the file's name says what its bytes must hash to
    FOLDER/pins/<cid>                   an empty file for each file that must stay
    FOLDER/writing/<random>/<height>/   the blocks of a put under way
    FOLDER/writing/<random>/lock        locked by that put while it lives
    FOLDER/lock                         locked by whoever publishes, pins, unpins or collects

What holds, after any kill at any time:
    1  a block under blocks/ was whole and on the disk before it got its name;
    2  blocks get their names leaves first and the root last, and a pin comes after its root;
    3  a collector sees a put either not at all or pinned: it waits while blocks move, and a put that still writes has
       its blocks elsewhere;
    4  a put that failed took its blocks away again; what a killed one left is removed by the next put or collection.
"""

import errno
import fcntl
import io
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from theriac.errors import BadCid, NotAStore, NotStored, StoreFull, StoreUnusable, Tampered
from theriac.store.blocks import Blocks
from theriac.store.cid import Block, Cid, Codec, Tree

_PRIVATE_FOLDER = 0o700
_PRIVATE_FILE = 0o600
_SYNCED = 8
"""How many files the disk is waited for at once."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection removed: how many blocks, and how many bytes they had."""

    blocks: int
    size: int


class LocalStore(Blocks):
    """The folder `folder` as a store, made where it is missing. Any number of processes and threads may share it.

    Raises NotAStore where the folder holds something else, StoreUnusable where the operating system refuses it.
    """

    READS_AHEAD = True

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder).absolute()
        self._blocks = self._folder / "blocks"
        self._pins = self._folder / "pins"
        self._writing = self._folder / "writing"
        self._prepare()

    @property
    def place(self) -> str:
        return str(self._folder)

    def put(self, stream: BinaryIO) -> Cid:
        """Store what is left of `stream`, in constant memory, and pin it. On return it is on the disk.

        Raises StoreFull, StoreUnusable, and whatever `stream` raises; the store is then as it was.
        """
        with self._writer() as folder:
            with Tree(keep=lambda block: self._write(block, folder)) as tree:
                tree.take(stream)
                cid = tree.finish()

            self._sync(folder)
            with self._alone():
                self._publish(folder, cid)
        return cid

    def pin(self, cid: Cid) -> None:
        """Keep the file `cid` until it is unpinned. Raises NotStored, WrongBytes, BadBlock unless all of it is here."""
        with self._alone():
            for part in self.tree(cid):
                if self._find(part) is None:
                    raise NotStored(cid=str(part), store=self.place)
            self._set_pin(cid, new=[])

    def unpin(self, cid: Cid) -> None:
        """Let the next collection remove what only the file `cid` needs. A file that is not pinned stays so."""
        with self._alone():
            (self._pins / str(cid)).unlink(missing_ok=True)
            _sync_path(self._pins)

    def has(self, cid: Cid) -> bool:
        """Whether all blocks of the file `cid` are here. Leaves are looked for, not read: reading verifies them."""
        try:
            return all(self._find(part) is not None for part in self.tree(cid))
        except (NotStored, Tampered):
            return False

    def pins(self) -> Iterator[Cid]:
        """The files that must stay, in no order."""
        with self._disk():
            names = os.listdir(self._pins)
        for name in names:
            cid = _cid_named(name)
            if cid is not None:
                yield cid

    def collect_garbage(self) -> Collected:
        """Remove every block that no pinned file needs, and what killed writers left.

        Raises NotStored, WrongBytes or BadBlock, and removes no block, where a node of a pinned file is missing or
        damaged: nobody could say any more what that file needs.
        """
        with self._alone():
            self._remove_leftovers()
            needed = {part.digest for cid in self.pins() for part in self.tree(cid)}

            # Nodes go before leaves, so that a collector killed between them leaves no file that begins and breaks off.
            nodes = self._remove_blocks(Codec.DAG_PB, needed)
            leaves = self._remove_blocks(Codec.RAW, needed)
        return Collected(blocks=nodes.blocks + leaves.blocks, size=nodes.size + leaves.size)

    def fetch(self, cid: Cid, *, limit: int) -> bytes:
        with self._opened(cid) as file:
            return _read_up_to(file, limit + 1)

    def fetch_into(self, cid: Cid, room: memoryview) -> int:
        with self._opened(cid) as file:
            filled = 0
            while filled < len(room) and (count := file.readinto(room[filled:])):
                filled += count
            return filled

    @contextmanager
    def _opened(self, cid: Cid) -> Iterator[io.FileIO]:
        with self._disk():
            path = self._find(cid)
            try:
                handle = os.open(path, os.O_RDONLY) if path is not None else None
            except FileNotFoundError:
                handle = None  # A collector was faster.
            if handle is None:
                raise NotStored(cid=str(cid), store=self.place)
            with os.fdopen(handle, "rb", buffering=0) as file:
                yield file

    # -- writing -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _writer(self) -> Iterator[Path]:
        """A locked folder for one put's blocks, gone when the put ends."""
        with self._alone():
            self._remove_leftovers()
            folder = self._writing / secrets.token_hex(16)
            folder.mkdir(_PRIVATE_FOLDER)
            lock = _lock(folder / "lock")
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            _unlock(lock)

    def _write(self, block: Block, folder: Path) -> None:
        with self._disk():
            path = folder / str(block.height) / str(block.cid)
            path.parent.mkdir(_PRIVATE_FOLDER, exist_ok=True)
            try:
                file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
            except FileExistsError:
                return  # A file may hold the same leaf many times.
            with os.fdopen(file, "wb", buffering=0) as out:
                _write_all(out, block.content)
                _begin_sync(out)

    def _sync(self, folder: Path) -> None:
        """Wait until all of a put's blocks are on the disk."""
        with self._disk():
            _sync_paths([path for height in _folders_in(folder) for path in height.iterdir()])

    def _publish(self, folder: Path, cid: Cid) -> None:
        """Move a put's blocks to their places, the root last, and pin it; or leave the store as it was."""
        new: list[Path] = []
        try:
            for height in sorted(_folders_in(folder), key=lambda path: int(path.name)):
                self._move(height, new)
            self._set_pin(cid, new)
        except BaseException:
            for path in reversed(new):
                path.unlink(missing_ok=True)
            raise

    def _move(self, height: Path, new: list[Path]) -> None:
        shards: set[Path] = set()
        for name in os.listdir(height):
            path = self._path(name)
            if path.parent not in shards:
                path.parent.mkdir(_PRIVATE_FOLDER, exist_ok=True)
                shards.add(path.parent)
            if not path.exists():
                new.append(path)
            os.replace(height / name, path)  # An older block is replaced: its bytes may have rotted.

        _sync_paths([*shards, self._blocks])

    def _set_pin(self, cid: Cid, new: list[Path]) -> None:
        path = self._pins / str(cid)
        if not path.exists():
            new.append(path)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, _PRIVATE_FILE))
        _sync_path(self._pins)

    # -- removing ----------------------------------------------------------------------------------------------------

    def _remove_leftovers(self) -> None:
        for folder in _folders_in(self._writing):
            try:
                lock = _lock(folder / "lock", wait=False)
            except (BlockingIOError, FileNotFoundError):
                continue  # Its writer lives, or has just ended.
            shutil.rmtree(folder, ignore_errors=True)
            _unlock(lock)

    def _remove_blocks(self, codec: Codec, needed: set[bytes]) -> Collected:
        blocks = size = 0
        for shard in _folders_in(self._blocks):
            for name in os.listdir(shard):
                cid = _cid_named(name)
                if cid is None or cid.codec is not codec or cid.digest in needed:
                    continue
                path = shard / name
                blocks, size = blocks + 1, size + path.stat().st_size
                path.unlink()
        return Collected(blocks=blocks, size=size)

    # -- the folder --------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        with self._disk():
            if self._folder.exists() and not self._folder.is_dir():
                raise NotAStore(folder=self.place)
            self._folder.mkdir(_PRIVATE_FOLDER, parents=True, exist_ok=True)
            if any(self._folder.iterdir()) and not self._blocks.is_dir():
                raise NotAStore(folder=self.place)
            for folder in (self._blocks, self._pins, self._writing):
                folder.mkdir(_PRIVATE_FOLDER, exist_ok=True)

    def _path(self, name: str) -> Path:
        # The two letters before the last are spread evenly; the first ones say the kind, the last one has spare bits.
        return self._blocks / name[-3:-1] / name

    def _find(self, cid: Cid) -> Path | None:
        """The file with the block's bytes, whichever codec it was put under: they are the same bytes."""
        with self._disk():
            paths = (self._path(str(name)) for name in (cid, Cid.raw(cid.digest), Cid.dag(cid.digest)))
            return next((path for path in paths if path.exists()), None)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else moves, pins or removes blocks meanwhile, in this process or another."""
        with self._disk():
            lock = _lock(self._folder / "lock")
            try:
                yield
            finally:
                _unlock(lock)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """The operating system's refusals, in the words of a store."""
        try:
            yield
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise StoreFull(folder=self.place) from error
            raise StoreUnusable(folder=self.place, fault=error.strerror or str(error)) from error


def _cid_named(name: str) -> Cid | None:
    try:
        return Cid.parse(name)
    except BadCid:
        return None


def _read_up_to(file: io.FileIO, count: int) -> bytes:
    whole = file.read(count)
    if len(whole) == count or not (part := file.read(count - len(whole))):
        return whole
    content = bytearray(whole + part)
    while len(content) < count and (part := file.read(count - len(content))):
        content += part
    return bytes(content)


def _write_all(file: io.FileIO, content: bytes | memoryview) -> None:
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]


def _folders_in(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()]


def _begin_sync(file: io.FileIO) -> None:
    """Have the disk take the file's bytes in the background: waiting for each block would halve the speed."""
    # On Linux this advice starts the writing and waits for nothing; elsewhere there may be no such advice.
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _sync_path(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_paths(paths: Sequence[Path]) -> None:
    """Wait until all are on the disk; of many, some at once, as a disk writes what several wait for at one go."""
    if len(paths) <= _SYNCED:
        _sync_each(paths)
    else:
        with ThreadPoolExecutor(_SYNCED) as threads:
            for synced in [threads.submit(_sync_each, paths[at::_SYNCED]) for at in range(_SYNCED)]:
                synced.result()


def _sync_each(paths: Sequence[Path]) -> None:
    for path in paths:
        _sync_path(path)


def _lock(path: Path, *, wait: bool = True) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, _PRIVATE_FILE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _unlock(handle: int) -> None:
    # Closing alone would leave the lock to a process forked meanwhile.
    fcntl.flock(handle, fcntl.LOCK_UN)
    os.close(handle)

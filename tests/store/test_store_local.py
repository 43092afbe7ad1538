"""The folder of blocks: what it keeps, what it refuses, and that no kill, full disk or neighbour harms it."""

import hashlib
import io
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pytest
from store_streams import sample

from theriac.errors import BadBlock, NotAStore, NotStored, StoreFull, StoreUnusable, Tampered, TheriacError, WrongBytes
from theriac.store import Cid, Collected, LocalStore, Store, compute
from theriac.store.cid import CHUNK_BYTES, Link, Node

MIB = 1 << 20
SMALL = b"a sealed file"
LARGE = sample(2 * MIB + 100)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(folder: Path) -> LocalStore:
    return LocalStore(folder)


def put(store: LocalStore, content: bytes) -> Cid:
    return store.put(io.BytesIO(content))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a store with its bytes; the lock, which says nothing, left out."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def file_of(folder: Path, cid: Cid) -> Path:
    (found,) = (folder / "blocks").glob(f"*/{cid}")
    return found


def leaf_of(content: bytes, number: int) -> Cid:
    return Cid.raw(hashlib.sha256(content[number * MIB : (number + 1) * MIB]).digest())


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Interrupted(io.BytesIO):
    """A stream that does something before its second leaf is read."""

    def __init__(self, content: bytes, then: Callable[[], object]) -> None:
        super().__init__(content)
        self._then = then
        self._reads = 0

    def read(self, count: int | None = -1) -> bytes:
        self._reads += 1
        if self._reads == 2:
            self._then()
        return super().read(count)


# -- keeping ---------------------------------------------------------------------------------------------------------


def test_local_store__is_a_store(store: LocalStore) -> None:
    kept: Store = store

    assert kept.has(kept.put(io.BytesIO(SMALL)))


@pytest.mark.parametrize("size", [0, 1, 262_145, MIB, MIB + 1, 3 * MIB])
def test_put__comes_back_under_its_identifier(store: LocalStore, size: int) -> None:
    # given
    content = sample(size)

    # when
    cid = put(store, content)

    # then
    assert cid == compute(io.BytesIO(content))
    assert store.get(cid).read() == content
    assert store.get_digest(cid.digest).read() == content
    assert store.resolve(cid.digest) == cid


def test_put__the_same_leaf_many_times(store: LocalStore, folder: Path) -> None:
    # given
    content = bytes(3 * MIB)

    # when
    cid = put(store, content)

    # then
    assert store.get(cid).read() == content
    assert {path.name for path in folder.glob("blocks/*/*")} == {str(cid), str(leaf_of(content, 0))}


def test_put__takes_what_is_left_of_the_stream(store: LocalStore) -> None:
    # given
    stream = io.BytesIO(b"header" + SMALL)
    stream.seek(6)

    # when
    cid = store.put(stream)

    # then
    assert store.get(cid).read() == SMALL


def test_put__the_same_twice_is_kept_once(store: LocalStore, folder: Path) -> None:
    # given
    first = put(store, LARGE)
    before = contents(folder)

    # when
    second = put(store, LARGE)

    # then
    assert second == first
    assert contents(folder) == before


def test_local_store__stays_where_it_was_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.chdir(tmp_path)
    store = LocalStore("store")
    monkeypatch.chdir("/")

    # when
    cid = put(store, SMALL)

    # then
    assert file_of(tmp_path / "store", cid).read_bytes() == SMALL


def test_put__another_process_sees_it(store: LocalStore, folder: Path) -> None:
    # given
    cid = put(store, LARGE)

    # when
    content = LocalStore(folder).get(cid).read()

    # then
    assert content == LARGE


def test_put__stream_that_fails_leaves_nothing(store: LocalStore, folder: Path) -> None:
    # given
    def fail() -> None:
        raise Tampered("the source was altered")

    # when
    with pytest.raises(Tampered, match="the source was altered"):
        store.put(Interrupted(LARGE, fail))

    # then
    assert contents(folder) == {}
    assert list((folder / "writing").iterdir()) == []


def test_put__an_error_of_the_stream_is_not_taken_for_one_of_the_disk(store: LocalStore) -> None:
    # given
    def fail() -> None:
        raise FileNotFoundError("the patient's own disk")

    # then
    with pytest.raises(FileNotFoundError, match="the patient's own disk"):
        store.put(Interrupted(LARGE, fail))


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_folder__says_nothing_but_identifiers_and_is_private(folder: Path) -> None:
    # given
    store = LocalStore(folder)
    cids = {put(store, SMALL), put(store, LARGE)}

    # when
    paths = list(folder.rglob("*"))

    # then
    blocks = {leaf_of(LARGE, number) for number in range(3)} | cids
    assert {path.name for path in paths if path.is_file()} == {"lock"} | {str(cid) for cid in blocks}
    assert {path.name for path in (folder / "pins").iterdir()} == {str(cid) for cid in cids}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o700 for path in [folder, *paths] if path.is_dir())
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in paths if path.is_file())


def test_has__only_what_is_whole(store: LocalStore, folder: Path) -> None:
    # given
    cid = put(store, LARGE)
    broken = put(store, LARGE[::-1])
    file_of(folder, leaf_of(LARGE[::-1], 1)).unlink()

    # then
    assert store.has(cid) is True
    assert store.has(broken) is False
    assert store.has(compute(io.BytesIO(b"never put"))) is False
    assert store.has(Cid.dag(cid.digest[::-1])) is False


def test_has__damaged_node(store: LocalStore, folder: Path) -> None:
    # given
    cid = put(store, LARGE)
    file_of(folder, cid).write_bytes(b"no node")

    # then
    assert store.has(cid) is False


def test_resolve__root_that_was_also_put_as_a_file(store: LocalStore, folder: Path) -> None:
    # given
    cid = put(store, LARGE)
    as_file = put(store, file_of(folder, cid).read_bytes())

    # then
    assert as_file == Cid.raw(cid.digest)
    assert store.get_digest(cid.digest).read() == LARGE


# -- refusing --------------------------------------------------------------------------------------------------------


def test_get__never_stored(store: LocalStore, folder: Path) -> None:
    # given
    cid = compute(io.BytesIO(b"never put"))

    # when
    with pytest.raises(NotStored) as refused:
        store.get(cid)

    # then
    assert (refused.value.cid, refused.value.store) == (str(cid), str(folder))


@pytest.mark.parametrize(
    ("harm", "error"),
    [
        pytest.param(lambda path: path.write_bytes(b"\x00" + path.read_bytes()[1:]), WrongBytes, id="flipped_bits"),
        pytest.param(lambda path: os.truncate(path, 50), WrongBytes, id="cut_short"),
        pytest.param(lambda path: os.truncate(path, 0), WrongBytes, id="emptied"),
        pytest.param(lambda path: os.truncate(path, MIB), WrongBytes, id="longer"),
        pytest.param(lambda path: os.truncate(path, 2**40), BadBlock, id="a_tebibyte"),
        pytest.param(lambda path: path.unlink(), NotStored, id="missing"),
    ],
)
def test_get__harmed_block(
    store: LocalStore, folder: Path, harm: Callable[[Path], object], error: type[TheriacError]
) -> None:
    # given
    cid = put(store, LARGE)
    last = leaf_of(LARGE, 2)
    harm(file_of(folder, last))
    reader = store.get(cid)
    released = reader.read(2 * MIB)

    # when
    with pytest.raises(error) as refused:
        reader.read(1)

    # then
    assert released == LARGE[: 2 * MIB]
    assert refused.value.cid == str(last)  # type: ignore[attr-defined]


def test_put__heals_a_harmed_block(store: LocalStore, folder: Path) -> None:
    # given
    cid = put(store, LARGE)
    file_of(folder, leaf_of(LARGE, 0)).write_bytes(b"rot")

    # when
    put(store, LARGE)

    # then
    assert store.get(cid).read() == LARGE


def test_local_store__folder_with_other_files(folder: Path) -> None:
    # given
    folder.mkdir()
    (folder / "letter.txt").write_text("mine")

    # when
    with pytest.raises(NotAStore) as refused:
        LocalStore(folder)

    # then
    assert refused.value.folder == str(folder)
    assert contents(folder) == {"letter.txt": b"mine"}


def test_local_store__a_file_is_no_folder(folder: Path) -> None:
    # given
    folder.write_text("mine")

    # then
    with pytest.raises(NotAStore):
        LocalStore(folder)


def test_local_store__folder_that_cannot_be_made() -> None:
    with pytest.raises(StoreUnusable) as refused:
        LocalStore("/proc/theriac")

    assert refused.value.folder == "/proc/theriac"


def test_put__files_that_are_not_ours_are_left_alone(store: LocalStore, folder: Path) -> None:
    # given
    strangers = [folder / "pins" / ".DS_Store", folder / "blocks" / ".DS_Store", folder / "writing" / ".DS_Store"]
    for stranger in strangers:
        stranger.write_text("left by a file manager")
    cid = put(store, SMALL)
    store.unpin(cid)

    # when
    collected = store.collect_garbage()

    # then
    assert collected == Collected(blocks=1, size=len(SMALL))
    assert all(stranger.exists() for stranger in strangers)


# -- pinning and collecting ------------------------------------------------------------------------------------------


def test_collect_garbage__removes_only_what_no_pin_needs(store: LocalStore) -> None:
    # given: two files that share their first leaf
    kept, dropped = put(store, LARGE), put(store, LARGE[:MIB] + b"another end")
    store.unpin(dropped)

    # when
    collected = store.collect_garbage()

    # then
    root = len(Node((Link(kept, MIB, MIB), Link(kept, 11, 11))).encode())
    assert collected == Collected(blocks=2, size=root + len(b"another end"))
    assert store.get(kept).read() == LARGE
    assert store.has(dropped) is False
    assert set(store.pins()) == {kept}


def test_collect_garbage__nothing_to_do(store: LocalStore, folder: Path) -> None:
    # given
    put(store, LARGE)
    before = contents(folder)

    # when
    collected = store.collect_garbage()

    # then
    assert collected == Collected(blocks=0, size=0)
    assert contents(folder) == before


def test_pin__keeps_what_was_unpinned(store: LocalStore) -> None:
    # given
    cid = put(store, LARGE)
    store.unpin(cid)

    # when
    store.pin(cid)

    # then
    assert store.collect_garbage() == Collected(blocks=0, size=0)
    assert store.get(cid).read() == LARGE


def test_unpin__pins_do_not_count(store: LocalStore) -> None:
    # given
    cid = put(store, SMALL)
    put(store, SMALL)
    store.pin(cid)

    # when
    store.unpin(cid)

    # then
    assert list(store.pins()) == []


def test_unpin__what_was_never_there(store: LocalStore) -> None:
    store.unpin(compute(io.BytesIO(b"never put")))

    assert list(store.pins()) == []


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_pin__refuses_a_file_with_a_missing_leaf(store: LocalStore, folder: Path, missing: int) -> None:
    # given
    cid = put(store, LARGE)
    store.unpin(cid)
    file_of(folder, leaf_of(LARGE, missing)).unlink()

    # when
    with pytest.raises(NotStored) as refused:
        store.pin(cid)

    # then
    assert refused.value.cid == str(leaf_of(LARGE, missing))
    assert list(store.pins()) == []


@pytest.mark.parametrize(
    ("harm", "error"),
    [
        pytest.param(lambda path: path.unlink(), NotStored, id="missing"),
        pytest.param(lambda path: path.write_bytes(b"rot"), WrongBytes, id="damaged"),
    ],
)
def test_collect_garbage__stops_where_a_pinned_node_is_harmed(
    store: LocalStore, folder: Path, harm: Callable[[Path], object], error: type[TheriacError]
) -> None:
    # given
    cid = put(store, LARGE)
    garbage = put(store, SMALL)
    store.unpin(garbage)
    harm(file_of(folder, cid))
    before = contents(folder)

    # when
    with pytest.raises(error):
        store.collect_garbage()

    # then: nothing went, and putting the file again heals it
    assert contents(folder) == before
    put(store, LARGE)
    assert store.collect_garbage() == Collected(blocks=1, size=len(SMALL))
    assert store.get(cid).read() == LARGE


# -- several at once -------------------------------------------------------------------------------------------------


def test_collect_garbage__in_the_middle_of_a_put(store: LocalStore, folder: Path) -> None:
    # given
    put_by_neighbour = LocalStore(folder)

    # when
    cid = store.put(Interrupted(LARGE, put_by_neighbour.collect_garbage))

    # then
    assert store.get(cid).read() == LARGE


def test_put__in_the_middle_of_another_put_of_the_same(store: LocalStore, folder: Path) -> None:
    # given
    neighbour = LocalStore(folder)

    # when
    cid = store.put(Interrupted(LARGE, lambda: put(neighbour, LARGE)))

    # then
    assert store.get(cid).read() == LARGE
    assert list((folder / "writing").iterdir()) == []


def test_put__is_not_seen_before_it_ends(store: LocalStore, folder: Path) -> None:
    # given
    seen: list[object] = []
    cid = compute(io.BytesIO(LARGE))

    # when
    store.put(
        Interrupted(LARGE, lambda: seen.extend([store.has(cid), list(store.pins()), contents(folder / "blocks")]))
    )

    # then
    assert seen == [False, [], {}]


def test_get__reader_goes_on_while_another_put_replaces_its_blocks(store: LocalStore) -> None:
    # given
    reader = store.get(put(store, LARGE))
    start = reader.read(10)

    # when
    put(store, LARGE)

    # then
    assert start + reader.read() == LARGE


def test_get__reader_of_a_collected_file(store: LocalStore) -> None:
    # given
    cid = put(store, LARGE)
    reader = store.get(cid)
    reader.read(10)
    store.unpin(cid)
    store.collect_garbage()
    reader.seek(MIB)

    # then
    with pytest.raises(NotStored):
        reader.read(1)


def test_collect_garbage__while_processes_put_and_unpin(store: LocalStore, folder: Path) -> None:
    # given: three processes that each put eight files and unpin every third
    writers = [fork(partial(put_many, folder, number)) for number in range(3)]

    # when
    while any(os.waitpid(writer, os.WNOHANG)[0] == 0 for writer in writers[:1]):
        store.collect_garbage()
    endings = [os.waitpid(writer, 0)[1] for writer in writers[1:]]
    store.collect_garbage()

    # then
    expected = [file_number(writer, number) for writer in range(3) for number in range(8) if number % 3]
    assert endings == [0, 0]
    assert set(store.pins()) == {compute(io.BytesIO(content)) for content in expected}
    assert all(store.get(compute(io.BytesIO(content))).read() == content for content in expected)


def file_number(writer: int, number: int) -> bytes:
    # All files share their first leaf: each writer's unpinned files want to take it away from the others'.
    return LARGE[:MIB] + f"{writer}/{number}".encode()


def put_many(folder: Path, writer: int) -> None:
    store = LocalStore(folder)
    for number in range(8):
        cid = put(store, file_number(writer, number))
        if number % 3 == 0:
            store.unpin(cid)


def test_put__from_threads_that_share_the_store(store: LocalStore) -> None:
    # given
    files = [LARGE[:MIB] + bytes([number]) for number in range(6)]
    threads = [threading.Thread(target=put, args=(store, content)) for content in files]

    # when
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # then
    assert [store.get(compute(io.BytesIO(content))).read() for content in files] == files


# -- killed ----------------------------------------------------------------------------------------------------------


def fork(act: Callable[[], object]) -> int:
    """Run `act` in a process of its own, which ends with 0, or with 1 where `act` raises."""
    child = os.fork()
    if child:
        return child
    try:
        act()
        os._exit(0)
    except BaseException:
        os._exit(1)


def ending(child: int) -> int:
    """The exit code of a process, or the negative number of the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at(step: int, act: Callable[[], object]) -> int:
    """Run `act` and kill its process, as `kill -9` does, at its `step`-th call to the operating system's files."""

    def in_child() -> None:
        left = step

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            if event.split(".")[0] in ("open", "os", "fcntl", "shutil"):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        act()

    return ending(fork(in_child))


@pytest.fixture
def memory_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a kill, unlike a power cut, loses nothing that was written."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def test_put__killed_at_every_step(memory_disk: Path) -> None:
    other, content = SMALL, LARGE[: MIB + 7]
    cid, step, code = compute(io.BytesIO(content)), 0, -signal.SIGKILL

    while code == -signal.SIGKILL:
        # given
        step += 1
        folder = memory_disk / str(step)
        store = LocalStore(folder)
        kept = put(store, other)

        # when
        code = killed_at(step, partial(put, store, content))

        # then: what was there is there, the new file is whole or not there, and the store goes on
        assert store.get(kept).read() == other
        assert list(folder.glob(f"blocks/*/{cid}")) == [] or store.get(cid).read() == content
        assert cid not in set(store.pins()) or store.has(cid)
        if cid not in set(store.pins()):
            store.collect_garbage()
            assert set(contents(folder)) == {f"pins/{kept}", str(file_of(folder, kept).relative_to(folder))}
        assert put(store, content) == cid
        assert store.get(cid).read() == content
        assert list((folder / "writing").iterdir()) == []

    assert code == 0
    assert step > 30


def test_collect_garbage__killed_at_every_step(memory_disk: Path) -> None:
    step, code = 0, -signal.SIGKILL

    while code == -signal.SIGKILL:
        # given
        step += 1
        folder = memory_disk / str(step)
        store = LocalStore(folder)
        kept, dropped = put(store, SMALL), put(store, LARGE[: MIB + 7])
        store.unpin(dropped)

        # when
        code = killed_at(step, store.collect_garbage)

        # then
        assert store.get(kept).read() == SMALL
        assert store.has(dropped) is False or store.get(dropped).read() == LARGE[: MIB + 7]
        store.collect_garbage()
        assert store.has(dropped) is False

    assert code == 0
    assert step > 10


def test_put__process_killed_while_it_waits_for_its_stream(store: LocalStore, folder: Path) -> None:
    # given: another program, in the middle of a put
    program = (
        "import sys; from theriac.store import LocalStore\n"
        "class Slow:\n"
        "    def read(self, count):\n"
        "        print('read', flush=True)\n"
        "        return sys.stdin.buffer.read(count)\n"
        f"LocalStore({str(folder)!r}).put(Slow())"
    )
    writer = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdin.write(LARGE)
    writer.stdin.flush()
    for _ in range(3):
        writer.stdout.readline()
    # The second leaf may still be on its way there.
    wait_until(lambda: len(list(folder.glob("writing/*/0/*"))) == 2)
    during = sorted(path.name for path in folder.glob("writing/*/0/*"))

    # when
    writer.kill()
    writer.communicate()
    kept = put(store, SMALL)

    # then
    assert during == sorted(str(leaf_of(LARGE, number)) for number in range(2))
    assert set(contents(folder)) == {f"pins/{kept}", str(file_of(folder, kept).relative_to(folder))}
    assert list((folder / "writing").iterdir()) == []


# -- full ------------------------------------------------------------------------------------------------------------


def test_put__largest_file_size_used_up(store: LocalStore, folder: Path) -> None:
    # given
    kept = put(store, SMALL)
    before = contents(folder)

    def put_with_little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (CHUNK_BYTES // 2, CHUNK_BYTES // 2))
        with pytest.raises(StoreFull) as refused:
            put(store, LARGE)
        assert refused.value.folder == str(folder)

    # when
    code = ending(fork(put_with_little_room))

    # then
    assert code == 0
    assert contents(folder) == before
    assert store.get(kept).read() == SMALL


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB; only root may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,nr_inodes=64", "none", disk], capture_output=True)
    if done.returncode:
        pytest.skip("a tiny disk to fill can only be mounted by root; run this test in a container as root")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.parametrize("free", [0, 1, MIB // 2, MIB, 2 * MIB])
def test_put__full_disk(tiny_disk: Path, free: int) -> None:
    # given
    folder = tiny_disk / "store"
    store = LocalStore(folder)
    kept = put(store, SMALL)
    before = contents(folder)
    ballast = fill(tiny_disk, free)

    # when
    with pytest.raises(StoreFull) as refused:
        put(store, LARGE)

    # then: the store is as it was, and goes on once there is room
    assert refused.value.folder == str(folder)
    assert contents(folder) == before
    assert store.get(kept).read() == SMALL
    ballast.unlink()
    assert store.get(put(store, LARGE)).read() == LARGE


@pytest.mark.parametrize("spare", range(11))
def test_put__no_room_for_another_file_at_any_step(tiny_disk: Path, spare: int) -> None:
    # given: eleven files and folders are made by a put of two leaves into new places
    folder = tiny_disk / "store"
    store = LocalStore(folder)
    kept = put(store, SMALL)
    before = contents(folder)
    strangers = take_inodes(tiny_disk, leave=spare)

    # when
    with pytest.raises(StoreFull):
        put(store, LARGE[: MIB + 7])

    # then
    assert contents(folder) == before
    assert store.get(kept).read() == SMALL
    for stranger in strangers:
        stranger.unlink()
    assert store.get(put(store, LARGE)).read() == LARGE


def test_collect_garbage__on_a_full_disk(tiny_disk: Path) -> None:
    # given
    store = LocalStore(tiny_disk / "store")
    cid = put(store, LARGE)
    fill(tiny_disk, 0)
    store.unpin(cid)

    # when
    collected = store.collect_garbage()

    # then
    assert collected.blocks == 4


def fill(disk: Path, free: int) -> Path:
    """Take all room on `disk` but `free` bytes, rounded down to its pages."""
    ballast = disk / "ballast"
    space = os.statvfs(disk)
    with open(ballast, "wb") as file:
        file.write(bytes(max(space.f_bavail * space.f_bsize - free, 0)))
    return ballast


def take_inodes(disk: Path, *, leave: int) -> list[Path]:
    strangers = [disk / f"stranger-{number}" for number in range(os.statvfs(disk).f_ffree - leave)]
    for stranger in strangers:
        stranger.touch()
    return strangers


# -- not ours to write -----------------------------------------------------------------------------------------------


def test_put__reads_and_writes_nothing_outside(store: LocalStore, folder: Path, tmp_path: Path) -> None:
    # when
    put(store, LARGE)

    # then
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_get__is_a_stream_for_everything_that_takes_one(store: LocalStore) -> None:
    # given
    stream: BinaryIO = store.get(put(store, LARGE))

    # then
    assert compute(stream) == compute(io.BytesIO(LARGE))
    assert stream.readable()
    assert stream.seekable()
    assert not stream.writable()

"""Identifiers and nodes: one form each, and nothing else is read."""

import base64
import hashlib
import io
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_streams import keystream, sample

from theriac.errors import BadBlock, BadCid
from theriac.store import Cid, compute
from theriac.store.cid import (
    CHUNK_BYTES,
    MAX_LINKS,
    MAX_NODE_BYTES,
    Block,
    Link,
    Node,
    Tree,
    decode_inner,
    decode_root,
    depth_of,
)

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MIB = 1 << 20
LEAF = Cid.raw(bytes(range(32)))
INNER = Cid.dag(bytes(range(32, 64)))


class Bytes(io.RawIOBase):
    """An unbuffered stream of `content`."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        return self._content.readinto(buffer)


def varint(number: int) -> bytes:
    """Protobuf's base 128, written here once more so that the product's own is not its judge."""
    groups = [number >> shift & 0x7F for shift in range(0, max(number.bit_length(), 1), 7)]
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


def field(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + varint(len(content)) + content


def link(*, cid: bytes = bytes(LEAF), name: bytes = b"", weight: int = MIB) -> bytes:
    return field(0x12, field(0x0A, cid) + field(0x12, name) + b"\x18" + varint(weight))


def data(*sizes: int, kind: int = 2, total: int | None = None) -> bytes:
    parts = b"".join(b"\x20" + varint(size) for size in sizes)
    return field(0x0A, b"\x08" + bytes([kind]) + b"\x18" + varint(sum(sizes) if total is None else total) + parts)


GOOD = link() + link(weight=1) + data(MIB, 1)


# -- identifiers -----------------------------------------------------------------------------------------------------


def test_str__raw() -> None:
    # given
    digest = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")

    # when
    text = str(Cid.raw(digest))

    # then
    by_hand = base64.b32encode(bytes.fromhex("01551220") + digest).decode()
    assert text == "b" + by_hand.lower().rstrip("=") == "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"


@pytest.mark.parametrize("cid", [LEAF, INNER, Cid.raw(bytes(32)), Cid.dag(b"\xff" * 32)])
def test_parse__what_str_wrote(cid: Cid) -> None:
    assert Cid.parse(str(cid)) == cid


def _other(binary: bytes) -> str:
    return "b" + base64.b32encode(binary).decode().lower().rstrip("=")


NOT_BASE32 = "it is not in base32"
NOT_OURS = "it is not version 1 with a digest of 32 bytes"
NOT_ITS_FORM = "it is not in its one form"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("", NOT_BASE32, id="empty"),
        pytest.param("b", NOT_OURS, id="only_a_base"),
        pytest.param("QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n", NOT_BASE32, id="version_0"),
        pytest.param(str(LEAF).upper(), NOT_ITS_FORM, id="upper_case"),
        pytest.param(str(LEAF) + "=", NOT_ITS_FORM, id="padding"),
        pytest.param(str(LEAF)[:-1], NOT_BASE32, id="cut_short"),
        pytest.param(str(LEAF) + "a", NOT_BASE32, id="too_long"),
        pytest.param(str(LEAF) + "\n", NOT_BASE32, id="newline"),
        pytest.param(" " + str(LEAF), NOT_BASE32, id="space"),
        pytest.param("z" + str(LEAF)[1:], NOT_ITS_FORM, id="other_base"),
        pytest.param(str(LEAF)[:-1] + chr(ord(str(LEAF)[-1]) + 1), NOT_ITS_FORM, id="spare_bits"),
        pytest.param(str(LEAF).replace("i", "ı"), NOT_ITS_FORM, id="letter_that_becomes_another"),
        pytest.param("/ipfs/" + str(LEAF), NOT_BASE32, id="path"),
        pytest.param("../" * 20 + "etc", NOT_BASE32, id="way_out_of_the_folder"),
        pytest.param(_other(b"\x01\x71" + bytes(LEAF)[2:]), "its codec 0x71 is neither raw nor dag-pb", id="dag_cbor"),
        pytest.param(_other(b"\x02" + bytes(LEAF)[1:]), NOT_OURS, id="version_2"),
        pytest.param(_other(b"\x01\x55\x13\x20" + bytes(32)), "its digest is not a sha2-256", id="sha2_512"),
        pytest.param(_other(b"\x01\x55\x00\x20" + bytes(32)), "its digest is not a sha2-256", id="identity_hash"),
        pytest.param(_other(b"\x01\x55\x12\x1f" + bytes(31)), NOT_OURS, id="short_digest"),
        pytest.param(_other(b"\x01\x55\x12\x20" + bytes(31)), NOT_OURS, id="digest_shorter_than_it_says"),
        pytest.param(_other(b"\x01\x55\x12\x20" + bytes(33)), NOT_OURS, id="digest_longer_than_it_says"),
        pytest.param("b" * 1_000_000, NOT_OURS, id="a_million_letters"),
    ],
)
def test_parse__refuses(text: str, fault: str) -> None:
    with pytest.raises(BadCid) as refused:
        Cid.parse(text)

    assert refused.value.fault == fault


@pytest.mark.parametrize("length", [0, 20, 31, 33, 64])
def test_cid__digest_of_another_length(length: int) -> None:
    with pytest.raises(BadCid) as refused:
        Cid.raw(bytes(length))

    assert refused.value.fault == f"a digest has 32 bytes, not {length}"


# -- from a stream to an identifier ----------------------------------------------------------------------------------


# Vectors that Kubo's own tests publish for the profile unixfs-v1-2025 (test/cli/cid_profiles_test.go, v0.42.0).
def test_compute__hello_world() -> None:
    cid = compute(io.BytesIO(b"hello world"))

    assert str(cid) == "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (MIB, "bafkreiacndfy443ter6qr2tmbbdhadvxxheowwf75s6zehscklu6ezxmta"),
        (MIB + 1, "bafybeigmix7t42i6jacydtquhet7srwvgpizfg7gjbq7627d35mjomtu64"),
    ],
)
def test_compute__kubo_vectors(size: int, expected: str) -> None:
    cid = compute(keystream("chunk-v1-seed", size))

    assert str(cid) == expected


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1024 * MIB, "bafybeihmf37wcuvtx4hpu7he5zl5qaf2ineo2lqlfrapokkm5zzw7zyhvm"),
        (1024 * MIB + 1, "bafybeibdsi225ugbkmpbdohnxioyab6jsqrmkts3twhpvfnzp77xtzpyhe"),
    ],
)
def test_compute__kubo_vectors_around_1024_links(size: int, expected: str) -> None:
    cid = compute(keystream("v1-2025-seed", size))

    assert str(cid) == expected


def test_compute__empty_file_is_the_empty_leaf() -> None:
    assert compute(io.BytesIO()) == Cid.raw(hashlib.sha256().digest())


# Sizes around those at which a number in a node takes one more byte.
@pytest.mark.parametrize("last", [1, 127, 128, 129, 16_383, 16_384])
def test_compute__two_leaves_by_hand(last: int) -> None:
    # given
    content = sample(MIB + last)
    first, second = (Cid.raw(hashlib.sha256(part).digest()) for part in (content[:MIB], content[MIB:]))

    # when
    cid = compute(io.BytesIO(content))

    # then
    root = link(cid=bytes(first)) + link(cid=bytes(second), weight=last) + data(MIB, last)
    assert cid == Cid.dag(hashlib.sha256(root).digest())


Part = tuple[Block, int, int]
"""A block, and how many bytes of the file and how many bytes of blocks are below it, its own among them."""


def blocks_by_hand(content: bytes) -> list[Part]:
    """All blocks of a file whose leaves have 8 bytes and whose nodes 3 links, storey after storey, the root last."""
    leaves = [content[at : at + 8] for at in range(0, len(content), 8)] or [b""]
    storey: list[Part] = [
        (Block(Cid.raw(hashlib.sha256(leaf).digest()), leaf, 0), len(leaf), len(leaf)) for leaf in leaves
    ]
    built, height = list(storey), 0
    while len(storey) > 1:
        height += 1
        below = [storey[at : at + 3] for at in range(0, len(storey), 3)]
        storey = []
        for parts in below:
            links = b"".join(link(cid=bytes(block.cid), weight=weight) for block, _, weight in parts)
            node = links + data(*(size for _, size, _ in parts))
            block = Block(Cid.dag(hashlib.sha256(node).digest()), node, height)
            storey.append((block, sum(part[1] for part in parts), len(node) + sum(part[2] for part in parts)))
        built += storey
    return built


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trees of several storeys out of a few bytes."""
    monkeypatch.setattr("theriac.store.cid.CHUNK_BYTES", 8)
    monkeypatch.setattr("theriac.store.cid.MAX_LINKS", 3)


@pytest.mark.usefixtures("small")
def test_tree__of_any_number_of_leaves_is_the_one_built_by_hand() -> None:
    # given: no two leaves are the same
    content = sample(8 * 3**3)

    for size in {0, *(8 * leaves + more for leaves in range(3**3) for more in (1, 8))}:
        kept: list[Block] = []

        # when
        with Tree(keep=kept.append) as tree:
            tree.take(io.BytesIO(content[:size]))
            root = tree.finish()

        # then
        built = blocks_by_hand(content[:size])
        assert root == kept[-1].cid == built[-1][0].cid
        assert sorted(kept, key=lambda block: bytes(block.cid)) == sorted(
            (block for block, _, _ in built), key=lambda block: bytes(block.cid)
        )


@pytest.mark.usefixtures("small")
def test_decode__whatever_a_tree_makes_is_read_and_promises_what_is_below_it() -> None:
    # given
    content = sample(8 * 3**3)

    for size in range(9, len(content) + 1):
        *inner, (root, _, _) = [part for part in blocks_by_hand(content[:size]) if part[0].height]

        # when
        node = decode_root(bytes(root.content), cid=root.cid)

        # then
        assert (node.size, depth_of(size)) == (size, root.height)
        for block, below, weight in inner:
            promise = Link(block.cid, size=below, weight=weight)
            assert decode_inner(bytes(block.content), link=promise, depth=block.height).size == below


@pytest.mark.parametrize("step", [1, 65_537, MIB - 1, MIB + 1, 3 * MIB])
def test_compute__the_same_however_the_stream_comes(step: int) -> None:
    # given
    content = sample(2 * MIB + 3 if step > 1 else 5_000)

    class Trickle(io.BytesIO):
        def read(self, count: int | None = -1) -> bytes:
            return super().read(step)

    # when
    cid = compute(Trickle(content))

    # then
    assert cid == compute(io.BytesIO(content))


@pytest.mark.parametrize("size", [0, 5, MIB, MIB + 1, 9 * MIB + 3])
@pytest.mark.parametrize("step", [MIB, 65_537])
@pytest.mark.parametrize("threads", [1, 2])
def test_compute__buffered_file_whose_memory_is_used_again_the_same(
    size: int, step: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setattr("theriac.store.cid.THREADS", threads)

    class Slow(Bytes):
        def readinto(self, buffer: "WriteableBuffer") -> int:
            return super().readinto(memoryview(buffer)[:step])

    content = sample(size)
    kept: dict[Cid, bytes] = {}

    # when
    with Tree(keep=lambda block: kept.update({block.cid: bytes(block.content)})) as tree:
        tree.take(io.BufferedReader(Slow(content)))
        cid = tree.finish()

    # then
    assert cid == compute(io.BytesIO(content))
    assert {Cid.raw(hashlib.sha256(content[at : at + MIB]).digest()) for at in range(0, size, MIB)} <= set(kept)
    assert all(hashlib.sha256(block).digest() == cid.digest for cid, block in kept.items())


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("before", [0, 2])
def test_compute__source_that_has_nothing_yet_is_not_taken_to_end(before: int, buffered: bool) -> None:
    # given
    class Waiting(Bytes):
        left = before

        def readinto(self, buffer: "WriteableBuffer") -> int | None:  # type: ignore[override]
            self.left -= 1
            return super().readinto(memoryview(buffer)[:MIB]) if self.left >= 0 else None

    raw = Waiting(sample(3 * MIB))
    source = io.BufferedReader(raw) if buffered else raw

    # then
    with pytest.raises(BlockingIOError, match="the source must block"):
        compute(cast(BinaryIO, source))


class Watched(io.BufferedReader):
    """A buffered reader that remembers into whose memory it read, and how much it was asked for without any."""

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__(raw)
        self.rooms: list[object] = []
        self.asked: list[int | None] = []

    def read(self, count: int | None = -1) -> bytes:
        self.asked.append(count)
        return super().read(count)

    def readinto(self, room: "WriteableBuffer") -> int:
        self.rooms.append(room)
        return super().readinto(room)


def is_of(block: Block, content: bytes) -> bool:
    return block.cid == Cid.raw(hashlib.sha256(content).digest())


@pytest.mark.parametrize("threads", [1, 2])
def test_tree__whoever_writes_helps_threads_that_are_behind(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.setattr("theriac.store.cid.THREADS", threads)
    helped = threading.Event()
    content = sample(6 * MIB)
    others = set()

    def keep(block: Block) -> None:
        if threading.current_thread() is not threading.main_thread():
            others.add(threading.current_thread())
            assert helped.wait(timeout=60)
        elif not is_of(block, content[:MIB]):
            helped.set()

    # when
    with Tree(keep=keep) as tree:
        tree.take(io.BytesIO(content))
        cid = tree.finish()

    # then
    assert helped.is_set()
    assert len(others) == threads
    assert cid == compute(io.BytesIO(content))


@pytest.mark.parametrize("threads", [1, 2])
def test_tree__holds_few_leaves_however_far_its_threads_are_behind(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setattr("theriac.store.cid.THREADS", threads)
    read = threading.Event()
    content = sample(9 * MIB)
    source = Watched(Bytes(content))

    def keep(block: Block) -> None:
        if threading.current_thread() is not threading.main_thread():
            assert read.wait(timeout=60)
        elif is_of(block, content[8 * MIB :]):
            read.set()

    # when
    with Tree(keep=keep) as tree:
        tree.take(source)
        tree.finish()

    # then: two are read without memory given, and the second is with a thread; those of other threads, the one that
    # waits and the one at hand take turns
    assert source.asked == [MIB, MIB]
    assert len({id(room) for room in source.rooms}) == threads + 1


def test_tree__reads_the_end_into_the_memory_of_a_leaf_that_was_copied() -> None:
    # given
    source = Watched(Bytes(sample(2 * MIB + 5)))

    # when
    compute(source)

    # then
    assert len(source.rooms) == 2
    assert len({id(room) for room in source.rooms}) == 1


def test_tree__asks_a_stream_that_is_not_buffered_for_one_leaf_at_a_time() -> None:
    # given
    asked = []

    class Watching(io.BytesIO):
        def read(self, count: int | None = -1) -> bytes:
            asked.append(count)
            return super().read(count)

    # when
    compute(Watching(sample(2 * MIB)))

    # then
    assert asked == [MIB] * 3


@pytest.mark.parametrize("size", [0, 5, MIB])
def test_tree__of_one_leaf_starts_no_thread(size: int) -> None:
    # given
    keepers = []

    # when
    with Tree(keep=lambda block: keepers.append(threading.current_thread())) as tree:
        tree.write(sample(size))
        tree.finish()

    # then
    assert keepers == [threading.main_thread()]


@pytest.mark.usefixtures("small")
def test_tree__waits_for_a_leaf_that_holds_up_the_links_of_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    # given: leaves of 8 bytes; the second stalls in the thread, the third waits there
    monkeypatch.setattr("theriac.store.cid.THREADS", 1)
    go_on, enough, more = (threading.Event() for _ in range(3))
    content = sample(8 * 7)

    def keep(block: Block) -> None:
        if is_of(block, content[8:16]):
            assert go_on.wait(timeout=60)

    def write() -> None:
        for leaf in range(4):
            tree.write(content[8 * leaf : 8 * leaf + 8])
        enough.set()
        tree.write(content[32:40])
        more.set()
        tree.write(content[40:])

    with Tree(keep=keep) as tree:
        # when
        writer = threading.Thread(target=write)
        writer.start()

        # then: three links wait for the second leaf, a fourth is one too many
        assert enough.wait(timeout=60)
        assert not more.wait(timeout=0.5)
        go_on.set()
        writer.join()
        root = tree.finish()

    assert root == blocks_by_hand(content)[-1][0].cid


def test_tree__that_is_given_up_keeps_no_leaf_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    # given: the thread goes on once the tree has told it what to give up
    told = threading.Event()
    shutdown = ThreadPoolExecutor.shutdown

    def slow(self: ThreadPoolExecutor, wait: bool = True, *, cancel_futures: bool = False) -> None:
        shutdown(self, wait=False, cancel_futures=cancel_futures)
        told.set()
        shutdown(self, wait=wait)

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", slow)
    content = sample(3 * MIB)
    kept = []
    second = threading.Event()

    def keep(block: Block) -> None:
        kept.append(block.cid)
        if is_of(block, content[MIB : 2 * MIB]):
            second.set()
            assert told.wait(timeout=60)

    def give_up() -> None:
        with Tree(keep=keep) as tree:
            tree.take(io.BytesIO(content))
            assert second.wait(timeout=60)
            raise KeyError

    # when
    with pytest.raises(KeyError):
        give_up()

    # then
    assert kept == [Cid.raw(hashlib.sha256(content[at : at + MIB]).digest()) for at in (0, MIB)]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("last", [0, 3, 8])
def test_tree__the_same_however_it_is_written(last: int) -> None:
    content = sample(60)

    for first, second in itertools.product(range(19), repeat=2):
        # when
        with Tree(keep=lambda block: None) as tree:
            tree.write(content[:first])
            tree.write(content[first : first + second])
            tree.write(content[first + second : first + second + last])
            root = tree.finish()

        # then
        assert root == blocks_by_hand(content[: first + second + last])[-1][0].cid


def test_tree__keeps_a_leaf_as_soon_as_it_is_whole() -> None:
    # given
    kept: list[Block] = []

    with Tree(keep=kept.append) as tree:
        # when
        for _ in range(2):
            tree.write(bytes(MIB // 2))

        # then
        assert [(block.cid, block.height) for block in kept] == [(tree.finish(), 0)]


def test_tree__hands_over_every_block_before_the_node_that_links_to_it() -> None:
    # given
    kept: list[Block] = []

    # when
    with Tree(keep=kept.append) as tree:
        tree.write(sample(2 * MIB + 1))
        root = tree.finish()

    # then
    assert [(block.height, len(block.content)) for block in kept[:3]] == [(0, MIB), (0, MIB), (0, 1)]
    assert [(block.height, block.cid) for block in kept[3:]] == [(1, root)]


@pytest.mark.parametrize(
    ("size", "depth"),
    [
        (0, 0),
        (1, 0),
        (CHUNK_BYTES, 0),
        (CHUNK_BYTES + 1, 1),
        (CHUNK_BYTES * MAX_LINKS, 1),
        (CHUNK_BYTES * MAX_LINKS + 1, 2),
        (CHUNK_BYTES * MAX_LINKS**2, 2),
        (CHUNK_BYTES * MAX_LINKS**2 + 1, 3),
    ],
)
def test_depth_of(size: int, depth: int) -> None:
    assert depth_of(size) == depth


# -- nodes -----------------------------------------------------------------------------------------------------------


def test_decode_root__as_written_by_hand() -> None:
    node = decode_root(GOOD, cid=INNER)

    assert node == Node((Link(LEAF, size=MIB, weight=MIB), Link(LEAF, size=1, weight=1)))
    assert node.encode() == GOOD


def test_max_node_bytes__holds_the_largest_node() -> None:
    # given
    largest = Node((Link(INNER, size=CHUNK_BYTES * MAX_LINKS**2, weight=2**62),) * MAX_LINKS)

    # then
    assert len(largest.encode()) <= MAX_NODE_BYTES


@pytest.mark.parametrize(
    ("block", "fault"),
    [
        pytest.param(b"", "byte 0 is not 0x0a", id="empty"),
        pytest.param(data(), "a tree of depth 0, for 0 bytes", id="no_links"),
        pytest.param(data(0), NOT_ITS_FORM, id="a_size_without_a_link"),
        pytest.param(GOOD + b"\x00", NOT_ITS_FORM, id="trailing_byte"),
        pytest.param(GOOD + data(MIB, 1), NOT_ITS_FORM, id="data_twice"),
        pytest.param(GOOD + link(), NOT_ITS_FORM, id="link_after_data"),
        pytest.param(data(MIB, 1) + link() + link(weight=1), NOT_ITS_FORM, id="data_before_links"),
        pytest.param(link() + link(weight=1), f"byte {len(link() + link(weight=1))} is not 0x0a", id="no_data"),
        pytest.param(link() + b"\x12", "it ends inside a number", id="tag_at_the_end"),
        pytest.param(link(name=b"x") + link(weight=1) + data(MIB, 1), "a link with a name", id="named_link"),
        pytest.param(link() + link(weight=1) + data(MIB, 1, kind=1), "byte 1 is not 0x02", id="directory"),
        pytest.param(link() + link(weight=1) + data(MIB, 1, kind=5), "byte 1 is not 0x02", id="sharded_directory"),
        pytest.param(link() + link(weight=1) + data(MIB, 1, total=MIB), NOT_ITS_FORM, id="total_too_small"),
        pytest.param(link() + link(weight=1) + data(MIB, 1, total=2**62), NOT_ITS_FORM, id="total_too_large"),
        pytest.param(link() + link(weight=1) + data(MIB), "byte 10 is not 0x20", id="a_size_too_few"),
        pytest.param(link() + link(weight=1) + data(MIB, 1, 1), NOT_ITS_FORM, id="a_size_too_many"),
        pytest.param(
            link(weight=1) + link() + data(1, MIB),
            f"its 2 parts are not those of {MIB + 1} bytes",
            id="short_leaf_first",
        ),
        pytest.param(link(weight=1) + data(1), "a tree of depth 0, for 1 bytes", id="one_leaf_under_a_root"),
        pytest.param(link() + data(MIB), f"a tree of depth 0, for {MIB} bytes", id="one_full_leaf_under_a_root"),
        pytest.param(link() + link(weight=0) + data(MIB, 0), f"a tree of depth 0, for {MIB} bytes", id="empty_leaf"),
        pytest.param(
            link(weight=2 * MIB) * 2 + data(2 * MIB, 2 * MIB),
            f"its 2 parts are not those of {4 * MIB} bytes",
            id="leaves_of_2_mib",
        ),
        pytest.param(
            link(weight=262_144) * 5 + data(*[262_144] * 5),
            f"its 5 parts are not those of {5 * 262_144} bytes",
            id="leaves_of_256_kib",
        ),
        pytest.param(
            link() + link(weight=2) + data(MIB, 1), "a leaf weighs other than its bytes", id="leaf_that_weighs_more"
        ),
        pytest.param(
            link(cid=bytes(INNER)) + link(weight=1) + data(MIB, 1),
            "a part is no raw block, 1 above the leaves",
            id="node_where_a_leaf_belongs",
        ),
        pytest.param(
            link(cid=b"\x12\x20" + bytes(32)) + link(weight=1) + data(MIB, 1),
            f"a link of another kind: {NOT_OURS}",
            id="version_0_link",
        ),
        pytest.param(
            link(cid=b"\x01\x55\x00\x01x") + link(weight=1) + data(MIB, 1),
            f"a link of another kind: {NOT_OURS}",
            id="inlined_leaf",
        ),
        pytest.param(link() * 1025 + data(*[MIB] * 1025), "more than 1024 links", id="1025_links"),
        pytest.param(
            link() * 200_000 + data(*[MIB] * 200_000),
            f"a node of {200_000 * len(link()) + len(data(*[MIB] * 200_000))} bytes",
            id="200000_links",
        ),
        pytest.param(
            link(cid=bytes(LEAF), weight=2**40) * 2 + data(2**40, 1),
            "a part is no dag-pb block, 3 above the leaves",
            id="leaves_where_nodes_belong",
        ),
        pytest.param(
            link(cid=bytes(INNER), weight=2**60) * 2 + data(2**50, 2**50),
            f"a tree of depth 4, for {2**51} bytes",
            id="depth_4",
        ),
        pytest.param(
            link(cid=bytes(INNER), weight=1) * 2 + data(2**62, 2**62),
            "a number of more than 63 bits",
            id="size_of_64_bits",
        ),
        pytest.param(
            link(cid=bytes(INNER), weight=1) * 2 + data(2**60, 2**60),
            f"a tree of depth 5, for {2**61} bytes",
            id="depth_5",
        ),
        pytest.param(
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
            f"a field of {2**63 - 1} bytes where 0 are left",
            id="field_longer_than_the_world",
        ),
        pytest.param(b"\x12" + b"\xff" * 11, "a number of more than 63 bits", id="number_without_end"),
        pytest.param(b"\x12" + b"\x80" * 9 + b"\x01", "a number of more than 63 bits", id="number_of_64_bits"),
        pytest.param(b"\x92\x00" + GOOD[1:], "byte 0 is not 0x0a", id="tag_in_two_bytes"),
        pytest.param(
            GOOD.replace(b"\x18\x01", b"\x18\x81\x00"), "it ends inside a number", id="number_in_too_many_bytes"
        ),
        pytest.param(GOOD[:-2] + b"\x28\x01\x20\x01", "byte 10 is not 0x20", id="hash_type"),
        pytest.param(b"\x00" * MAX_NODE_BYTES, "byte 0 is not 0x0a", id="zeros"),
        pytest.param(b"\x00" * (MAX_NODE_BYTES + 1), f"a node of {128 * 1024 + 1} bytes", id="one_zero_more"),
    ],
)
def test_decode_root__refuses(block: bytes, fault: str) -> None:
    with pytest.raises(BadBlock) as refused:
        decode_root(block, cid=INNER)

    assert (refused.value.cid, refused.value.fault) == (str(INNER), fault)


def test_decode_root__cut_short_anywhere() -> None:
    for length in range(len(GOOD)):
        with pytest.raises(BadBlock):
            decode_root(GOOD[:length], cid=INNER)


def test_decode_root__a_flipped_bit_is_refused_or_names_another_leaf() -> None:
    for place in range(len(GOOD) * 8):
        block = bytearray(GOOD)
        block[place // 8] ^= 1 << place % 8
        try:
            node = decode_root(bytes(block), cid=INNER)
        except BadBlock:
            continue
        assert [(part.size, part.weight) for part in node.links] == [(MIB, MIB), (1, 1)]
        assert node != decode_root(GOOD, cid=INNER)


@given(st.binary(max_size=400) | st.binary(max_size=200).map(lambda tail: GOOD[:60] + tail))
def test_decode_root__any_bytes_are_a_node_or_a_bad_block(block: bytes) -> None:
    try:
        node = decode_root(block, cid=INNER)
    except BadBlock:
        return
    assert node.encode() == block


def test_decode_inner__as_promised() -> None:
    # given
    block = link(weight=1) + data(1)
    promise = Link(INNER, size=1, weight=len(block) + 1)

    # when
    node = decode_inner(block, link=promise, depth=1)

    # then
    assert node == Node((Link(LEAF, size=1, weight=1),))


@pytest.mark.parametrize(
    ("size", "weight", "depth", "fault"),
    [
        pytest.param(2, 1, 1, "its 1 parts are not those of 2 bytes", id="other_size"),
        pytest.param(1, 0, 1, "{0} bytes of blocks instead of {1}", id="other_weight"),
        pytest.param(1, 1, 2, "a part is no dag-pb block, 2 above the leaves", id="other_depth"),
    ],
)
def test_decode_inner__not_as_promised(size: int, weight: int, depth: int, fault: str) -> None:
    # given
    block = link(weight=1) + data(1)
    promise = Link(INNER, size=size, weight=len(block) + weight)

    # when
    with pytest.raises(BadBlock) as refused:
        decode_inner(block, link=promise, depth=depth)

    # then
    expected = fault.format(len(block) + 1, len(block) + weight)
    assert (refused.value.cid, refused.value.fault) == (str(INNER), expected)


@pytest.mark.parametrize("block", [b"", link(weight=1) + data(1) + b"\x00"])
def test_decode_inner__no_node_at_all(block: bytes) -> None:
    # given
    promise = Link(INNER, size=1, weight=len(block) + 1)

    # when
    with pytest.raises(BadBlock) as refused:
        decode_inner(block, link=promise, depth=1)

    # then
    assert refused.value.cid == str(INNER)

"""Identifiers and nodes: one form each, and nothing else is read."""

import base64
import hashlib
import io
import threading
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


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("b", id="only_a_base"),
        pytest.param("QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n", id="version_0"),
        pytest.param(str(LEAF).upper(), id="upper_case"),
        pytest.param(str(LEAF) + "=", id="padding"),
        pytest.param(str(LEAF)[:-1], id="cut_short"),
        pytest.param(str(LEAF) + "a", id="too_long"),
        pytest.param(str(LEAF) + "\n", id="newline"),
        pytest.param(" " + str(LEAF), id="space"),
        pytest.param("z" + str(LEAF)[1:], id="other_base"),
        pytest.param(str(LEAF)[:-1] + chr(ord(str(LEAF)[-1]) + 1), id="spare_bits"),
        pytest.param(str(LEAF).replace("i", "ı"), id="letter_that_becomes_another"),
        pytest.param("/ipfs/" + str(LEAF), id="path"),
        pytest.param("../" * 20 + "etc", id="way_out_of_the_folder"),
        pytest.param(_other(b"\x01\x71" + bytes(LEAF)[2:]), id="dag_cbor"),
        pytest.param(_other(b"\x02" + bytes(LEAF)[1:]), id="version_2"),
        pytest.param(_other(b"\x01\x55\x13\x20" + bytes(32)), id="sha2_512"),
        pytest.param(_other(b"\x01\x55\x00\x20" + bytes(32)), id="identity_hash"),
        pytest.param(_other(b"\x01\x55\x12\x1f" + bytes(31)), id="short_digest"),
        pytest.param("b" * 1_000_000, id="a_million_letters"),
    ],
)
def test_parse__refuses(text: str) -> None:
    with pytest.raises(BadCid):
        Cid.parse(text)


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


def test_compute__two_leaves_by_hand() -> None:
    # given
    content = sample(MIB + 1)
    first, second = (Cid.raw(hashlib.sha256(part).digest()) for part in (content[:MIB], content[MIB:]))

    # when
    cid = compute(io.BytesIO(content))

    # then
    root = link(cid=bytes(first)) + link(cid=bytes(second), weight=1) + data(MIB, 1)
    assert cid == Cid.dag(hashlib.sha256(root).digest())


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


@pytest.mark.parametrize("threads", [1, 2])
def test_tree__whoever_writes_helps_threads_that_are_behind(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.setattr("theriac.store.cid.THREADS", threads)
    helped = threading.Event()
    content = sample(6 * MIB)

    def keep(block: Block) -> None:
        if threading.current_thread() is not threading.main_thread():
            assert helped.wait(timeout=60)
        elif block.cid != Cid.raw(hashlib.sha256(content[:MIB]).digest()):
            helped.set()

    # when
    with Tree(keep=keep) as tree:
        tree.take(io.BytesIO(content))
        cid = tree.finish()

    # then
    assert helped.is_set()
    assert cid == compute(io.BytesIO(content))


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
    "block",
    [
        pytest.param(b"", id="empty"),
        pytest.param(data(), id="no_links"),
        pytest.param(data(0), id="a_size_without_a_link"),
        pytest.param(GOOD + b"\x00", id="trailing_byte"),
        pytest.param(GOOD + data(MIB, 1), id="data_twice"),
        pytest.param(GOOD + link(), id="link_after_data"),
        pytest.param(data(MIB, 1) + link() + link(weight=1), id="data_before_links"),
        pytest.param(link() + link(weight=1), id="no_data"),
        pytest.param(link(name=b"x") + link(weight=1) + data(MIB, 1), id="named_link"),
        pytest.param(link() + link(weight=1) + data(MIB, 1, kind=1), id="directory"),
        pytest.param(link() + link(weight=1) + data(MIB, 1, kind=5), id="sharded_directory"),
        pytest.param(link() + link(weight=1) + data(MIB, 1, total=MIB), id="total_too_small"),
        pytest.param(link() + link(weight=1) + data(MIB, 1, total=2**62), id="total_too_large"),
        pytest.param(link() + link(weight=1) + data(MIB), id="a_size_too_few"),
        pytest.param(link() + link(weight=1) + data(MIB, 1, 1), id="a_size_too_many"),
        pytest.param(link(weight=1) + link() + data(1, MIB), id="short_leaf_first"),
        pytest.param(link(weight=1) + data(1), id="one_leaf_under_a_root"),
        pytest.param(link() + data(MIB), id="one_full_leaf_under_a_root"),
        pytest.param(link() + link(weight=0) + data(MIB, 0), id="empty_leaf"),
        pytest.param(link(weight=2 * MIB) * 2 + data(2 * MIB, 2 * MIB), id="leaves_of_2_mib"),
        pytest.param(link(weight=262_144) * 5 + data(*[262_144] * 5), id="leaves_of_256_kib"),
        pytest.param(link() + link(weight=2) + data(MIB, 1), id="leaf_that_weighs_more"),
        pytest.param(link(cid=bytes(INNER)) + link(weight=1) + data(MIB, 1), id="node_where_a_leaf_belongs"),
        pytest.param(link(cid=b"\x12\x20" + bytes(32)) + link(weight=1) + data(MIB, 1), id="version_0_link"),
        pytest.param(link(cid=b"\x01\x55\x00\x01x") + link(weight=1) + data(MIB, 1), id="inlined_leaf"),
        pytest.param(link() * 1025 + data(*[MIB] * 1025), id="1025_links"),
        pytest.param(link() * 200_000 + data(*[MIB] * 200_000), id="200000_links"),
        pytest.param(link(cid=bytes(LEAF), weight=2**40) * 2 + data(2**40, 1), id="leaves_where_nodes_belong"),
        pytest.param(link(cid=bytes(INNER), weight=2**60) * 2 + data(2**50, 2**50), id="depth_4"),
        pytest.param(link(cid=bytes(INNER), weight=1) * 2 + data(2**62, 2**62), id="depth_5"),
        pytest.param(b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f", id="field_longer_than_the_world"),
        pytest.param(b"\x12" + b"\xff" * 11, id="number_without_end"),
        pytest.param(b"\x92\x00" + GOOD[1:], id="tag_in_two_bytes"),
        pytest.param(GOOD.replace(b"\x18\x01", b"\x18\x81\x00"), id="number_in_too_many_bytes"),
        pytest.param(GOOD[:-2] + b"\x28\x01\x20\x01", id="hash_type"),
        pytest.param(b"\x00" * MAX_NODE_BYTES, id="zeros"),
    ],
)
def test_decode_root__refuses(block: bytes) -> None:
    with pytest.raises(BadBlock) as refused:
        decode_root(block, cid=INNER)

    assert refused.value.cid == str(INNER)


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
    ("size", "weight", "depth"),
    [
        pytest.param(2, 1, 1, id="other_size"),
        pytest.param(1, 0, 1, id="other_weight"),
        pytest.param(1, 1, 2, id="other_depth"),
    ],
)
def test_decode_inner__not_as_promised(size: int, weight: int, depth: int) -> None:
    # given
    block = link(weight=1) + data(1)
    promise = Link(INNER, size=size, weight=len(block) + weight)

    # then
    with pytest.raises(BadBlock):
        decode_inner(block, link=promise, depth=depth)

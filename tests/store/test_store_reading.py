"""A file comes out of blocks that nobody is trusted for, and only what was verified comes out."""

import io
import re
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_streams import MemoryBlocks, sample

from theriac.errors import BadBlock, NotStored, TheriacError, WrongBytes
from theriac.store.cid import MAX_LINKS, Cid, Link, Node, Tree

MIB = 1 << 20
GIB = 1 << 30
CONTENT = sample(2 * MIB + 100)


class Ahead(MemoryBlocks):
    """Blocks of which a leaf is fetched ahead."""

    READS_AHEAD = True


def stored(content: bytes, blocks: MemoryBlocks | None = None) -> tuple[MemoryBlocks, Cid]:
    blocks = MemoryBlocks() if blocks is None else blocks
    with Tree(keep=lambda block: blocks.blocks.update({block.cid.digest: bytes(block.content)})) as tree:
        tree.write(content)
        return blocks, tree.finish()


def node_over(blocks: MemoryBlocks, *links: Link) -> Link:
    """The node over `links`, put among the blocks, as a link to it."""
    node = Node(links)
    block = node.encode()
    weight = len(block) + sum(link.weight for link in links)
    return Link(blocks.add_node(block), size=node.size, weight=weight)


def leaf(blocks: MemoryBlocks, content: bytes) -> Link:
    return Link(blocks.add_leaf(content), size=len(content), weight=len(content))


def two_storeys() -> tuple[MemoryBlocks, Cid]:
    """A file of 1 GiB and 5 bytes out of six blocks: its first 1,024 leaves are the same."""
    blocks = MemoryBlocks()
    full = node_over(blocks, *[leaf(blocks, b"\x2a" * MIB)] * MAX_LINKS)
    return blocks, node_over(blocks, full, node_over(blocks, leaf(blocks, b"hello"))).cid


# -- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB + 100])
def test_get__what_was_stored(size: int) -> None:
    # given
    blocks, cid = stored(CONTENT[:size])

    # when
    content = blocks.get(cid).read()

    # then
    assert content == CONTENT[:size]


def test_get__listing_fetches_the_root_and_the_first_leaf() -> None:
    # given
    blocks, cid = stored(CONTENT)

    # when
    start = blocks.get(cid).read(1000)

    # then
    assert start == CONTENT[:1000]
    assert blocks.fetched == [cid, Cid.raw(stored(CONTENT[:MIB])[1].digest)]


def test_get__each_leaf_is_fetched_once_when_read_from_start_to_end() -> None:
    # given
    blocks, cid = stored(CONTENT)
    reader = blocks.get(cid)

    # when
    while reader.read(10_000):
        pass

    # then
    assert len(blocks.fetched) == len(set(blocks.fetched)) == 4


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, len(CONTENT) + 50), st.integers(0, 2 * MIB)), max_size=6))
def test_get__seeking_reads_what_a_file_in_memory_reads(steps: list[tuple[int, int]]) -> None:
    # given
    blocks, cid = stored(CONTENT)
    reader, model = blocks.get(cid), io.BytesIO(CONTENT)

    for position, count in steps:
        # when
        reader.seek(position), model.seek(position)

        # then
        assert reader.read(count) == model.read(count)
        assert reader.tell() == model.tell()


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, len(CONTENT) + 50), st.integers(0, 2 * MIB)), max_size=6))
def test_get__seeking_where_leaves_are_read_ahead_reads_the_same(steps: list[tuple[int, int]]) -> None:
    # given
    blocks, cid = stored(CONTENT, Ahead())
    reader, model = blocks.get(cid), io.BytesIO(CONTENT)

    for position, count in steps:
        # when
        reader.seek(position), model.seek(position)

        # then
        assert reader.read(count) == model.read(count)
    reader.close()


def test_get__where_leaves_are_read_ahead_each_is_still_fetched_once() -> None:
    # given
    blocks, cid = stored(CONTENT, Ahead())

    # when
    content = blocks.get(cid).read()

    # then
    assert content == CONTENT
    assert len(blocks.fetched) == len(set(blocks.fetched)) == 4


def test_get__where_leaves_are_read_ahead_the_first_is_fetched_alone() -> None:
    # given
    blocks, cid = stored(CONTENT, Ahead())

    # when
    blocks.get(cid).read(MIB)

    # then
    assert len(blocks.fetched) == 2


@pytest.mark.parametrize("threads", [1, 2])
def test_get__whoever_reads_fetches_what_no_thread_has_begun(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.setattr("theriac.store.blocks.THREADS", threads)

    class Slow(Ahead):
        def __init__(self) -> None:
            super().__init__()
            self.helped = threading.Event()

        def fetch(self, cid: Cid, *, limit: int) -> bytes:
            if threading.current_thread() is not threading.main_thread():
                assert self.helped.wait(timeout=60)
            elif len(self.fetched) >= 3:
                self.helped.set()
            return super().fetch(cid, limit=limit)

    content = sample(6 * MIB + 1)
    blocks, cid = stored(content, Slow())
    with blocks.get(cid) as reader:
        released = reader.read(2 * MIB)
        fetched = list(blocks.fetched)

        # when: every thread waits at its leaf until a later one is fetched
        rest = reader.read()

    # then
    assert released + rest == content
    assert len(fetched) <= 3
    assert len(blocks.fetched) == len(set(blocks.fetched)) == 8


def test_read1__gives_what_is_at_hand() -> None:
    # given
    blocks, cid = stored(CONTENT)
    reader = io.TextIOWrapper(blocks.get(cid), encoding="latin-1", newline="")

    # then
    assert reader.read() == CONTENT.decode("latin-1")


def test_read__closed_reader_is_refused() -> None:
    # given
    blocks, cid = stored(CONTENT)
    reader = blocks.get(cid)
    reader.close()

    # then
    with pytest.raises(ValueError, match="closed file"):
        reader.read(1)


def test_get__across_two_storeys() -> None:
    # given
    blocks, cid = two_storeys()
    reader = blocks.get(cid)

    # when
    size = reader.seek(0, io.SEEK_END)
    reader.seek(GIB - 3)

    # then
    assert size == GIB + 5
    assert reader.read() == b"\x2a\x2a\x2ahello"


def test_tree__enters_a_node_once_however_often_it_is_linked() -> None:
    # given
    blocks = MemoryBlocks()
    storey = leaf(blocks, bytes(MIB))
    for _ in range(3):
        storey = node_over(blocks, *[storey] * MAX_LINKS)

    # when
    parts = list(blocks.tree(storey.cid))

    # then
    assert len(set(parts)) == 4
    assert len(blocks.fetched) == 3


# -- wrong bytes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda block: bytes([block[0] ^ 1]) + block[1:], id="flipped_bit"),
        pytest.param(lambda block: block[:-1] + bytes([block[-1] ^ 0x80]), id="flipped_last_bit"),
        pytest.param(lambda block: block[:-1], id="cut_short"),
        pytest.param(lambda block: b"", id="emptied"),
        pytest.param(lambda block: block[::-1], id="other_bytes"),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_read__wrong_leaf_releases_no_byte_of_it(harm: Callable[[bytes], bytes], place: int) -> None:
    # given
    blocks, cid = stored(CONTENT)
    digest = stored(CONTENT[place * MIB : (place + 1) * MIB])[1].digest
    blocks.blocks[digest] = harm(blocks.blocks[digest])
    reader = blocks.get(cid)
    released = reader.read(place * MIB)

    # when
    with pytest.raises(WrongBytes) as refused:
        reader.read(1)

    # then
    assert released == CONTENT[: place * MIB]
    assert (refused.value.cid, refused.value.store) == (str(Cid.raw(digest)), "memory")


def test_read__wrong_leaf_read_ahead_keeps_nothing_back_that_comes_before_it() -> None:
    # given
    blocks, cid = stored(CONTENT, Ahead())
    digest = stored(CONTENT[2 * MIB :])[1].digest
    blocks.blocks[digest] = bytes(100)
    reader = blocks.get(cid)

    # when: the second leaf is read, the third is being fetched
    released = reader.read(2 * MIB)
    with pytest.raises(WrongBytes) as refused:
        reader.read(1)

    # then
    assert released == CONTENT[: 2 * MIB]
    assert refused.value.cid == str(Cid.raw(digest))


@pytest.mark.parametrize("into", [True, False])
def test_read__that_fails_in_its_middle_may_be_asked_again_from_its_start(into: bool) -> None:
    # given
    blocks, cid = stored(CONTENT)
    digest = stored(CONTENT[MIB : 2 * MIB])[1].digest
    second = blocks.blocks.pop(digest)
    reader = blocks.get(cid)
    room = bytearray(len(CONTENT))
    reader.seek(5)
    with pytest.raises(NotStored):
        reader.readinto(room) if into else reader.read()  # type: ignore[attr-defined]

    # when
    blocks.blocks[digest] = second

    # then
    assert reader.tell() == 5
    assert reader.read() == CONTENT[5:]


def test_read__leaf_missing_when_it_was_read_ahead_is_asked_for_again() -> None:
    # given
    blocks, cid = stored(CONTENT, Ahead())
    digest = stored(CONTENT[2 * MIB :])[1].digest
    last = blocks.blocks.pop(digest)
    reader = blocks.get(cid)
    reader.read(2 * MIB)
    with pytest.raises(NotStored):
        reader.read(1)

    # when
    blocks.blocks[digest] = last

    # then
    assert reader.read() == CONTENT[2 * MIB :]


def test_read__wrong_leaf_leaves_the_buffer_of_the_reader_as_it_was() -> None:
    # given
    blocks, cid = stored(CONTENT)
    digest = stored(CONTENT[:MIB])[1].digest
    blocks.blocks[digest] = CONTENT[:5] + b"\x00" + CONTENT[6:MIB]
    buffer = bytearray(100)

    # when
    with pytest.raises(WrongBytes):
        blocks.get(cid).readinto(buffer)  # type: ignore[attr-defined]

    # then
    assert buffer == bytes(100)


@pytest.mark.parametrize("size", [5, 2 * MIB])
def test_get__wrong_root(size: int) -> None:
    # given
    blocks, cid = stored(CONTENT[:size])
    blocks.blocks[cid.digest] = b"\x00" + blocks.blocks[cid.digest][1:]

    # then
    with pytest.raises(WrongBytes):
        blocks.get(cid)


def test_get__block_longer_than_any_of_ours() -> None:
    # given
    blocks = MemoryBlocks()
    cid = blocks.add_leaf(bytes(MIB + 1))

    # when
    with pytest.raises(BadBlock) as refused:
        blocks.get(cid)

    # then
    assert refused.value.fault == f"a block of more than {MIB} bytes"


def test_get__node_read_as_a_leaf_is_its_bytes() -> None:
    # given
    blocks, cid = stored(CONTENT)

    # when
    content = blocks.get(Cid.raw(cid.digest)).read()

    # then
    assert content == blocks.blocks[cid.digest]


def test_get__leaf_read_as_a_node() -> None:
    # given
    blocks, cid = stored(b"no node at all")

    # then
    with pytest.raises(BadBlock):
        blocks.get(Cid.dag(cid.digest))


def test_read__missing_leaf() -> None:
    # given
    blocks, cid = stored(CONTENT)
    missing = stored(CONTENT[MIB : 2 * MIB])[1]
    del blocks.blocks[missing.digest]
    reader = blocks.get(cid)
    reader.seek(MIB)

    # when
    with pytest.raises(NotStored) as refused:
        reader.read(1)

    # then
    assert (refused.value.cid, refused.value.store) == (str(missing), "memory")


# -- hostile trees: every digest is right, and the tree is not one that `put` makes ----------------------------------


def hostile_short_leaf(blocks: MemoryBlocks) -> Link:
    short = replace(leaf(blocks, b"short"), size=MIB, weight=MIB)
    return node_over(blocks, short, leaf(blocks, b"end"))


def hostile_long_leaf(blocks: MemoryBlocks) -> Link:
    long = replace(leaf(blocks, b"longer than it says"), size=1, weight=1)
    return node_over(blocks, leaf(blocks, bytes(MIB)), long)


def hostile_inner_node_of_another_size(blocks: MemoryBlocks) -> Link:
    small = node_over(blocks, leaf(blocks, b"small"))
    return node_over(blocks, replace(small, size=GIB), small)


def hostile_inner_node_of_another_depth(blocks: MemoryBlocks) -> Link:
    full = node_over(blocks, *[leaf(blocks, bytes(MIB))] * MAX_LINKS)
    deeper = node_over(blocks, full)
    return node_over(blocks, deeper, replace(full, size=5))


def hostile_inner_node_of_another_weight(blocks: MemoryBlocks) -> Link:
    full = node_over(blocks, *[leaf(blocks, bytes(MIB))] * MAX_LINKS)
    last = node_over(blocks, leaf(blocks, b"last"))
    return node_over(blocks, replace(full, weight=full.weight - 1), last)


def hostile_depth(blocks: MemoryBlocks) -> Link:
    storey = leaf(blocks, bytes(MIB))
    for _ in range(4):
        storey = node_over(blocks, *[storey] * MAX_LINKS)
    return storey


def hostile_chain(blocks: MemoryBlocks) -> Link:
    storey = leaf(blocks, b"at the bottom of a well")
    for _ in range(2000):
        storey = node_over(blocks, storey)
    return storey


def read_both_ends(blocks: MemoryBlocks, cid: Cid) -> None:
    reader = blocks.get(cid)
    reader.read(1)
    reader.seek(-1, io.SEEK_END)
    reader.read(1)


@pytest.mark.parametrize(
    ("build", "fault"),
    [
        (hostile_short_leaf, "a leaf of 5 bytes instead of 1048576"),
        (hostile_long_leaf, "a leaf of 19 bytes instead of 1"),
        (hostile_inner_node_of_another_size, "its 1 parts are not those of 1073741824 bytes"),
        (hostile_inner_node_of_another_depth, "its 1 parts are not those of 1073741824 bytes"),
        (hostile_inner_node_of_another_weight, r"(\d+) bytes of blocks instead of \d+"),
        (hostile_depth, "a tree of depth 4, for 1152921504606846976 bytes"),
        (hostile_chain, "a tree of depth 0, for 23 bytes"),
    ],
)
def test_read__hostile_tree(build: Callable[[MemoryBlocks], Link], fault: str) -> None:
    # given
    blocks = MemoryBlocks()
    root = build(blocks)

    # when
    with pytest.raises(BadBlock) as refused:
        read_both_ends(blocks, root.cid)

    # then
    assert re.fullmatch(fault, refused.value.fault)
    assert len(blocks.fetched) <= 6


# -- a digest alone --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 100, MIB, 2 * MIB])
def test_resolve__finds_the_kind_of_the_file(size: int) -> None:
    # given
    blocks, cid = stored(CONTENT[:size])

    # then
    assert blocks.resolve(cid.digest) == cid
    assert blocks.get_digest(cid.digest).read() == CONTENT[:size]


def test_resolve__wrong_bytes() -> None:
    # given
    blocks, cid = stored(b"a document")
    blocks.blocks[cid.digest] = b"a forgery!"

    # then
    with pytest.raises(WrongBytes):
        blocks.resolve(cid.digest)


@pytest.mark.parametrize("digest", [b"", bytes(31), bytes(33)])
def test_resolve__no_digest(digest: bytes) -> None:
    with pytest.raises(TheriacError, match="a digest has 32 bytes"):
        MemoryBlocks().resolve(digest)


def test_resolve__a_tree_that_put_does_not_make_is_only_bytes() -> None:
    # given
    blocks = MemoryBlocks()
    inner = node_over(blocks, leaf(blocks, b"no root: a file this small is one leaf"))

    # then
    assert blocks.resolve(inner.cid.digest) == Cid.raw(inner.cid.digest)

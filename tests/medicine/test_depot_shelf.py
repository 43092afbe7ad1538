"""The shelf: what sheets told is found, proven and told on, whichever parts came in whichever order."""

import hmac
import tracemalloc
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theriac.crypto import age
from theriac.crypto.recipients import HybridIdentity
from theriac.errors import BadSheet, NoMatchingIdentity, NoSuchPlace, NotOnTheShelf, SheetDoesNotFit, WrongPack
from theriac.medicine.packs import BatchKey, Product, cases_of, places
from theriac.medicine.placed import Leaves, Serials, Texts
from theriac.medicine.sheets import Sheet, batch_id
from theriac.medicine.shelf import KnownPack, Shelf, WantedSheet
from theriac.medicine.tree import BATCH, CAPACITY, EMPTY, Shape, Tree, keccak, leaf, node_of, root_of

KEY = BatchKey(bytes(range(32)))
PRODUCT = Product("04150123456782", "L42A", date(2031, 6, 30))
MAKER = 7
SHAPE = Shape(8, 4)


def whole(count: int = 60, *, shape: Shape = SHAPE, case: int | None = 10) -> Sheet:
    """The sheet of a batch whose serials are numbers."""
    cases = cases_of(count, shape, case=case, pallet=4 if case else None)
    serials = (f"SN{number:05d}" for number in range(count))
    return Sheet(MAKER, KEY, PRODUCT, shape, BATCH, dict(zip(places(cases, shape, key=KEY), serials, strict=True)), ())


def part(sheet: Sheet, node: int, *, without: tuple[int, ...] = ()) -> Sheet:
    return sheet.part(node, sheet.tree(), without=without)


def root_by_proof(shelf: Shelf, pack: KnownPack, serial: str) -> bytes:
    known = shelf.batch(pack.batch)
    commitment = known.key.committer(known.product).commitment(serial)
    return batch_id(known.maker, root_of(pack.index, commitment, shelf.proof(pack)))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf.db")


# -- finding ---------------------------------------------------------------------------------------------------------


def test_find__by_product_and_serial(shelf: Shelf) -> None:
    sheet = whole()
    shelf.add(sheet, batch=sheet.batch())

    found = {serial: shelf.find(PRODUCT.code, serial) for serial in ("SN00000", "SN00059", "SN00060", "sn00000")}

    index = {serial: place for place, serial in sheet.serials.items()}
    assert found == {
        "SN00000": [KnownPack(sheet.batch(), index["SN00000"])],
        "SN00059": [KnownPack(sheet.batch(), index["SN00059"])],
        "SN00060": [],
        "sn00000": [],
    }
    assert shelf.find("04012345000016", "SN00000") == []


def test_find__a_serial_that_was_given_twice_is_found_twice(shelf: Shelf) -> None:
    first = whole()
    second = Sheet(MAKER, BatchKey(bytes(32)), PRODUCT, SHAPE, BATCH, {5: "SN00000"}, ())
    for sheet in (first, second):
        shelf.add(sheet, batch=sheet.batch())

    assert {pack.batch for pack in shelf.find(PRODUCT.code, "SN00000")} == {first.batch(), second.batch()}


def test_find_many__finds_what_is_known_of_more_than_one_statement_holds(shelf: Shelf) -> None:
    sheet = whole(1200, shape=Shape(12, 6), case=None)
    shelf.add(sheet, batch=sheet.batch())

    found = dict(shelf.find_many(PRODUCT.code, [f"SN{number:05d}" for number in range(1100, 1300)] * 6))

    assert sorted(found) == [f"SN{number:05d}" for number in range(1100, 1200)]
    assert all(sheet.serials[pack.index] == serial for serial, pack in found.items())


def test_shelf__is_there_again_after_it_was_closed(tmp_path: Path) -> None:
    sheet = whole()
    shelf = Shelf(tmp_path / "shelf.db")
    shelf.add(sheet, batch=sheet.batch(), digest=b"d" * 32)
    shelf.close()

    again = Shelf(tmp_path / "shelf.db")

    assert again.sheet(sheet.batch(), BATCH) == sheet
    assert (again.has_sheet(b"d" * 32), again.has_sheet(b"e" * 32)) == (True, False)
    assert again.manifest(sheet.batch()) == b"d" * 32
    assert again.root(sheet.batch()) == sheet.tree().root


def test_add__a_sheet_of_another_batch_leaves_nothing(shelf: Shelf) -> None:
    sheet = whole()

    with pytest.raises(SheetDoesNotFit):
        shelf.add(sheet, batch=b"x" * 32)

    assert (shelf.batches(), shelf.find(PRODUCT.code, "SN00000")) == ([], [])


def test_batch__unknown_is_refused(shelf: Shelf) -> None:
    for ask in (lambda: shelf.batch(b"x" * 32), lambda: shelf.serials(b"x" * 32, 1), lambda: shelf.forget(b"x" * 32)):
        with pytest.raises(NotOnTheShelf):
            ask()


# -- proving ---------------------------------------------------------------------------------------------------------

SHAPES = [Shape(8, 4), Shape(20, 0), Shape(4, 4), Shape(20, 20), Shape(12, 10), Shape(9, 0), Shape(20, 8)]


@settings(max_examples=60, deadline=None)
@given(
    shape=st.sampled_from(SHAPES),
    at=st.sets(st.one_of(st.integers(0, 40), st.integers(0, CAPACITY - 1)), min_size=1, max_size=40),
    data=st.data(),
)
def test_proof__leads_to_the_batch_from_whichever_sheets_came(shape: Shape, at: set[int], data: st.DataObject) -> None:
    # given: parts of a batch that came in any order, some of their packs as hashes alone
    sheet = Sheet(MAKER, KEY, PRODUCT, shape, BATCH, {index: f"SN{index}" for index in at}, ())
    nodes = sorted({node_of(index, height) for index in at for height in shape.heights})
    told = data.draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=5))
    shelf, tree, batch = Shelf(None), sheet.tree(), sheet.batch()
    for node in told:
        hidden = data.draw(st.sets(st.sampled_from(sorted(at)), max_size=2))
        shelf.add(sheet.part(node, tree, without=hidden), batch=batch)

    # then: every pack that was told is proven, and every node below a sheet can be told on
    for index in at:
        for pack in shelf.find(PRODUCT.code, f"SN{index}"):
            assert shelf.proof(pack) == tree.siblings(CAPACITY | index)
    for node in nodes:
        above = [each for each in told if node >> max(node.bit_length() - each.bit_length(), 0) == each]
        if above:
            assert shelf.sheet(batch, node).batch() == batch
        else:
            with pytest.raises(NotOnTheShelf):
                shelf.sheet(batch, node)


def test_proof__of_a_pack_that_no_sheet_told_of_is_refused(shelf: Shelf) -> None:
    sheet = whole()
    first, second = sorted(sheet.serials)[0], sorted(sheet.serials)[-1]
    shelf.add(part(sheet, node_of(first)), batch=sheet.batch())

    with pytest.raises(NotOnTheShelf):
        shelf.proof(KnownPack(sheet.batch(), second))


def test_sheet__of_a_case_from_the_whole_is_what_a_part_is(shelf: Shelf) -> None:
    sheet = whole()
    shelf.add(sheet, batch=sheet.batch())

    for node in {node_of(index, height) for index in sheet.serials for height in (0, 4, 8)}:
        assert shelf.sheet(sheet.batch(), node) == part(sheet, node)


def test_sheet__what_was_hidden_and_told_later_is_told(shelf: Shelf) -> None:
    sheet = whole()
    index = sorted(sheet.serials)[0]
    case = node_of(index, 4)
    shelf.add(part(sheet, case, without=(index,)), batch=sheet.batch())
    assert (shelf.find(PRODUCT.code, sheet.serials[index]), len(shelf.sheet(sheet.batch(), case).hidden)) == ([], 1)

    shelf.add(part(sheet, node_of(index)), batch=sheet.batch())

    assert shelf.sheet(sheet.batch(), case) == part(sheet, case)
    assert root_by_proof(shelf, KnownPack(sheet.batch(), index), sheet.serials[index]) == sheet.batch()


def test_sheet__what_was_told_stays_told_when_it_comes_hidden(shelf: Shelf) -> None:
    sheet = whole()
    index = sorted(sheet.serials)[0]
    case = node_of(index, 4)
    shelf.add(sheet, batch=sheet.batch())

    shelf.add(part(sheet, case, without=(index,)), batch=sheet.batch())

    assert shelf.sheet(sheet.batch(), case) == part(sheet, case)
    assert shelf.knows_whole(sheet.batch())


def test_knows_whole__only_with_every_pack_of_the_batch(shelf: Shelf) -> None:
    sheet = whole()
    first, last, batch = min(sheet.serials), max(sheet.serials), sheet.batch()
    shelf.add(part(sheet, node_of(first, 8)), batch=batch)
    assert not shelf.knows_whole(batch)

    shelf.add(sheet.without([last]), batch=batch)
    assert not shelf.knows_whole(batch)

    shelf.add(part(sheet, node_of(last)), batch=batch)
    assert shelf.knows_whole(batch)
    assert not shelf.knows_whole(b"x" * 32)


def test_add__many_packs_are_written_and_proven_without_reading_all(tmp_path: Path) -> None:
    # given: more than the shelf takes as a large sheet
    sheet = whole(1 << 15, shape=Shape(12, 6), case=None)
    batch, shelf = sheet.batch(), Shelf(tmp_path / "shelf.db")
    shelf.add(sheet, batch=batch)
    read: list[str] = []
    shelf._database._connection.set_trace_callback(read.append)

    # when
    [pack] = shelf.find(PRODUCT.code, "SN12345")
    proof = shelf.proof(pack)

    # then
    shelf._database._connection.set_trace_callback(None)
    assert proof == sheet.tree().siblings(CAPACITY | pack.index)
    ranges = [line for line in read if "place >=" in line]
    assert ranges, "the packs beside it were read"
    for line in ranges:
        low, high = (int(line.partition(sign)[2].split()[0]) for sign in ("place >= ", "place < "))
        assert high - low == 256


# -- what is under way -----------------------------------------------------------------------------------------------


def test_drafts__are_kept_until_they_land_or_are_forgotten(shelf: Shelf) -> None:
    first, second = whole(), whole(70)
    for number, sheet in enumerate((first, second)):
        shelf.add(sheet, batch=sheet.batch(), digest=bytes([number]) * 32, draft={"expiry": f"203{number}-06-30"})
    assert shelf.drafts() == {first.batch(): {"expiry": "2030-06-30"}, second.batch(): {"expiry": "2031-06-30"}}

    shelf.landed(first.batch())
    shelf.forget(second.batch())

    assert shelf.drafts() == {}
    assert [each.batch for each in shelf.batches()] == [first.batch()]
    assert [pack.batch for pack in shelf.find(PRODUCT.code, "SN00000")] == [first.batch()]
    assert shelf.find(PRODUCT.code, "SN00065") == []
    assert root_by_proof(shelf, shelf.find(PRODUCT.code, "SN00000")[0], "SN00000") == first.batch()


def test_wanted__is_there_until_the_sheet_is(shelf: Shelf) -> None:
    sheet = whole()
    wanted = WantedSheet(sheet.batch(), BATCH, b"d" * 32)
    shelf.want([wanted, wanted, WantedSheet(b"y" * 32, 5, b"e" * 32)])

    shelf.add(sheet, batch=sheet.batch(), digest=b"d" * 32)

    assert shelf.wanted() == [WantedSheet(b"y" * 32, 5, b"e" * 32)]


def test_followed__begins_before_the_first_block(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf.db")
    before = shelf.followed
    shelf.followed = 41
    shelf.followed = 42
    shelf.close()

    assert (before, Shelf(tmp_path / "shelf.db").followed) == (-1, 42)


# -- sheets as bytes -------------------------------------------------------------------------------------------------


def test_sheet__comes_back_from_its_bytes_with_told_and_hidden_packs() -> None:
    sheet = whole().without(sorted(whole().serials)[3:9])

    again = Sheet.decode(sheet.encode())

    assert (again, len(again.hidden)) == (sheet, 6)
    assert again.batch() == whole().batch()


def test_sheet__opens_for_its_receiver_and_nobody_else() -> None:
    receiver, stranger = HybridIdentity.generate(), HybridIdentity.generate()
    sealed = whole().seal(to=receiver.recipient)

    assert Sheet.open_(sealed, identities=[receiver]) == whole()
    with pytest.raises(NoMatchingIdentity):
        Sheet.open_(sealed, identities=[stranger])


def test_sheet__its_length_does_not_tell_one_pack_more_or_less() -> None:
    receiver = HybridIdentity.generate().recipient

    assert len(whole(40).seal(to=receiver)) == len(whole(41).seal(to=receiver))


LINES = whole(3, case=None).encode().splitlines(keepends=True)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{}\n", id="no fields"),
        pytest.param(LINES[0] + LINES[1] + LINES[1], id="a place twice"),
        pytest.param(LINES[0] + LINES[2] + LINES[1], id="out of order"),
        pytest.param(LINES[0] + b"1048576 /X\n", id="beyond the tree"),
        pytest.param(LINES[0] + b"-1 /X\n", id="before the tree"),
        pytest.param(LINES[0] + b"x /X\n", id="no number"),
        pytest.param(LINES[0] + b"5 /\n", id="no serial"),
        pytest.param(LINES[0] + b"5 /" + b"X" * 256 + b"\n", id="a serial too long"),
        pytest.param(LINES[0] + b"5 /\xff\n", id="no text"),
        pytest.param(LINES[0] + b"5 =" + b"00" * 32 + b"\n", id="an empty leaf"),
        pytest.param(LINES[0] + b"5 =abcd\n", id="a short leaf"),
        pytest.param(LINES[0] + b"5 =" + b"zz" * 32 + b"\n", id="no leaf"),
        pytest.param(LINES[0] + b"5 X\n", id="neither serial nor leaf"),
        pytest.param(LINES[0].replace(b'"node":1', b'"node":0'), id="no node"),
        pytest.param(LINES[0].replace(b'"node":1', b'"node":2'), id="another way to the root"),
        pytest.param(LINES[0].replace(b'"node":1', b'"node":"x"'), id="a node in words"),
        pytest.param(LINES[0].replace(b'"node":1', b'"node":1e400'), id="a node without end"),
        pytest.param(LINES[0].replace(b'"maker":7', b'"maker":-7'), id="no member"),
        pytest.param(LINES[0].replace(b'"maker":7', b'"maker":1e400'), id="a member without end"),
        pytest.param(LINES[0].replace(b'"maker":7', b'"maker":' + b"9" * 80), id="a member too large"),
        pytest.param(LINES[0].replace(b'"caseBits":4', b'"caseBits":21'), id="no shape"),
        pytest.param(LINES[0].replace(b'"lot":"L42A"', b'"lot":"' + b"L" * 300 + b'"'), id="a lot too long"),
        pytest.param(LINES[0].replace(b"2031-06-30", b"2031-06-31"), id="no day"),
        pytest.param(LINES[0].replace(b'"kind":"sheet"', b'"kind":"offer"'), id="another kind"),
        pytest.param(b"[" * 70_000, id="a head without end"),
    ],
)
def test_sheet__what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(BadSheet):
        Sheet.decode(data)


def test_sheet__a_serial_of_two_lines_cannot_be_written() -> None:
    sheet = Sheet(MAKER, KEY, PRODUCT, SHAPE, BATCH, {5: "SN\n6 /SN2"}, ())

    with pytest.raises(WrongPack):
        sheet.encode()


def test_sheet__cut_short_is_refused() -> None:
    identity = HybridIdentity.generate()
    sealed = age.seal_bytes((10_000).to_bytes(4, "big") + b"x" * 100, to=[identity.recipient])

    with pytest.raises(BadSheet):
        Sheet.open_(sealed, identities=[identity])


# -- rows ------------------------------------------------------------------------------------------------------------


def test_salts__are_hmacs_of_the_serial() -> None:
    salt = hmac.digest(KEY.secret, b"salt\0SN1", "sha256")

    assert KEY.salt("SN1") == salt
    assert KEY.committer(PRODUCT).commitment("SN1") == keccak(salt + PRODUCT.encoded() + b"\x03SN1")


def test_serials__are_a_mapping_in_order() -> None:
    values = {9: "nine", 3: "drei", 4: "четыре"}

    found = Serials.of(values)

    assert (found, list(found), list(found.rows())) == (values, [3, 4, 9], [(3, "drei"), (4, "четыре"), (9, "nine")])
    assert (3 in found, 5 in found, found.get(5)) == (True, False, None)
    with pytest.raises(KeyError):
        found[5]


@pytest.mark.parametrize("pairs", [[(3, "a"), (3, "b")], [(3, "a"), (2, "b")], [(-1, "a")], [(CAPACITY, "a")]])
def test_serials__out_of_order_are_refused(pairs: list[tuple[int, str]]) -> None:
    with pytest.raises(NoSuchPlace):
        Serials(pairs)


def test_leaves__are_a_mapping_in_order() -> None:
    values = {9: b"9" * 32, 3: b"3" * 32}

    found = Leaves.of(values)

    assert (found, list(found.pairs())) == (values, [(3, b"3" * 32), (9, b"9" * 32)])
    with pytest.raises(NoSuchPlace):
        Leaves([(3, b"short")])


@given(st.lists(st.text(max_size=8)))
def test_texts__are_a_sequence(texts: list[str]) -> None:
    found = Texts(text.encode("utf-8", "replace").decode() for text in texts)
    wanted = [text.encode("utf-8", "replace").decode() for text in texts]

    assert (list(found), [found[number] for number in range(len(found))]) == (wanted, wanted)
    assert list(found[1:3]) == wanted[1:3]
    assert not wanted or found[-1] == wanted[-1]


@settings(max_examples=40, deadline=None)
@given(
    at=st.sets(st.one_of(st.integers(0, 600), st.integers(0, CAPACITY - 1)), min_size=1, max_size=60),
    floor=st.integers(0, 20),
)
def test_tree__with_a_floor_has_the_nodes_of_one_without(at: set[int], floor: int) -> None:
    leaves = [(index, leaf(index.to_bytes(32, "big"))) for index in sorted(at)]

    low, high = Tree(leaves), Tree(leaves, floor=floor)

    assert high.root == low.root
    for index in at:
        for height in range(floor, 21):
            assert high.node(node_of(index, height)) == low.node(node_of(index, height))
    assert dict(high.occupied()) == dict(low.occupied(floor=floor))
    if floor:
        with pytest.raises(NoSuchPlace):
            high.node(CAPACITY)
    assert EMPTY not in dict(high.occupied()).values()


def test_sheet__that_says_it_is_long_and_is_not__takes_no_room() -> None:
    # given a file of a few bytes whose framing says 128 MiB
    identity = HybridIdentity.generate()
    sealed = age.seal_bytes((128 << 20).to_bytes(4, "big") + b"{}", to=[identity.recipient])

    # when
    tracemalloc.start()
    with pytest.raises(BadSheet, match="too early"):
        Sheet.open_(sealed, identities=[identity])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    # then
    assert peak < 8 << 20

"""Dispensing by proof and by mask, and what proves nothing."""

from dataclasses import replace

import pytest
from batches_depot import (
    BY_HOLDER,
    BY_MAKER,
    CASE,
    DAY,
    DISPENSE_FOR,
    DISPENSED,
    ENDED,
    EXPORTED,
    FILL_FOR,
    FULL,
    HAULIER,
    IN_STOCK,
    MAKER,
    NEXT_CASE,
    NOBODY,
    PACK,
    PALLET,
    PHARMACY,
    REASON,
    RECALL,
    RIVAL,
    STOLEN,
    WHOLESALER,
    Depot,
    Goods,
    Node,
    Place,
    error,
)
from eth_utils import keccak
from pack_tree import BATCH, DEPTH, PACKS, Tree, above, empty, pack
from signature_cases import Event
from signature_stage import Refusal

NO_PHARMACIST = ["maker", "wholesaler", "agency", "hospital", "clerk", "logger", "stranger"]


@pytest.fixture
def stocked(depot: Depot) -> Depot:
    """The depot where the pharmacy holds the first pallet."""
    depot.hand("maker", PALLET, "pharmacy")
    return depot


def refusal(depot: Depot, index: int = 0, *, who: str = "pharmacist") -> Refusal | None:
    return depot.refusal(who, "dispense", *depot.goods.proof(index))


# -- by proof --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("node", [BATCH, PALLET, CASE])
def test_dispense__tells_and_opens_the_case(depot: Depot, node: int) -> None:
    # given
    depot.hand("maker", node, "pharmacy")
    moves = depot.node(CASE).moves

    # when
    told = depot.dispense("pharmacist", 3)

    # then the case stays with who opened it
    actor = depot.address("pharmacist")
    assert told == [Event("Dispensed", {"batch": depot.batch, "member": PHARMACY, "actor": actor, "index": 3})]
    today = depot.midnight(0)
    assert depot.node(CASE) == Node(PHARMACY, MAKER, moves=1, last_dispensed=today, opened=True)
    assert depot.place(CASE) == depot.place(PACK) == Place(PHARMACY, MAKER, moves=1)
    assert (depot.word(), depot.status(3), depot.claimed(3)) == ((0b1000, 0), DISPENSED, NOBODY)
    assert [depot.status(index) for index in (0, 2, 4)] == [IN_STOCK] * 3
    assert moves in (0, 1)


def test_dispense__next_day__keeps_the_last_day(stocked: Depot) -> None:
    # given
    stocked.dispense("pharmacist", 3)
    stocked.chain.at(stocked.midnight(5))

    # when
    stocked.dispense("pharmacist", 4)

    # then
    assert stocked.node(CASE) == Node(PHARMACY, MAKER, moves=1, last_dispensed=stocked.midnight(0), opened=True)
    assert stocked.word() == (0b11000, 0)


def test_dispense__a_pack_that_came_by_itself__opens_no_case(depot: Depot) -> None:
    # given
    depot.hand("maker", PACK, "pharmacy")

    # when
    depot.dispense("pharmacist", 0)

    # then
    assert depot.node(PACK) == Node(PHARMACY, MAKER, moves=1, last_dispensed=depot.midnight(0), opened=True)
    assert depot.node(CASE) == Node()
    assert (depot.word(), depot.status(0)) == ((1, 1), DISPENSED)
    assert depot.place(CASE) == Place(MAKER, MAKER)


def test_dispense__the_last_pack_of_all(depot: Depot) -> None:
    # given
    depot.hand("maker", BATCH, "pharmacy")

    # when
    depot.dispense("pharmacist", PACKS - 1)
    depot.dispense("pharmacist", 255)
    depot.dispense("pharmacist", 256)

    # then
    assert [depot.word(number) for number in (0, 1, 4095)] == [(1 << 255, 0), (1, 0), (1 << 255, 0)]


@pytest.mark.parametrize("who", NO_PHARMACIST)
def test_dispense__by_no_pharmacist(stocked: Depot, who: str) -> None:
    assert refusal(stocked, PACKS - 1, who=who) == error("NoStanding", account=stocked.address(who))


def test_dispense__by_a_pharmacist_out_of_standing(stocked: Depot) -> None:
    # given
    stocked.send("board", "Consortium", "suspend", PHARMACY, 1)

    for who in ("pharmacist", "pharmacy"):
        assert refusal(stocked, who=who) == error("NoStanding", account=stocked.address(who))


@pytest.mark.parametrize("index", [PACKS, 2 * PACKS - 1, 2**32 - 1])
def test_dispense__beyond_the_tree(stocked: Depot, index: int) -> None:
    # given the pack's own place, with bits above it
    _, commitment, siblings = stocked.goods.proof(0)

    # when
    refused = stocked.refusal("pharmacist", "dispense", index, commitment, siblings)

    # then
    assert refused == error("NoSuchIndex", index=index)
    assert stocked.refused("rival", "Batches", "statusOf", stocked.batch, index) == error("NoSuchIndex", index=index)


def test_dispense__of_no_batch(stocked: Depot) -> None:
    nothing = keccak(b"no batch")

    refused = stocked.refused("pharmacist", "Batches", "dispense", nothing, *stocked.goods.proof(0))

    assert refused == error("NoSuchBatch", batch=nothing)


def test_dispense__by_staff_of_another_pharmacy(stocked: Depot) -> None:
    # given a rival that knows the very same proof
    refused = error("NotTheHolder", batch=stocked.batch, node=PACK, member=RIVAL, holder=PHARMACY)

    assert refusal(stocked, who="rival") == refused
    masked = stocked.refusal("rival", "dispenseMany", CASE, 0, 1)
    assert masked == error("NotTheHolder", batch=stocked.batch, node=CASE, member=RIVAL, holder=PHARMACY)


def test_dispense__twice(stocked: Depot) -> None:
    # given
    stocked.dispense("pharmacist", 0)

    # when
    again = refusal(stocked)

    # then
    assert again == error("WrongStatus", batch=stocked.batch, index=0, status=DISPENSED)


def test_dispense__what_ended(stocked: Depot) -> None:
    # given
    stocked.do("pharmacist", "end", 0, STOLEN)

    # when
    refused = refusal(stocked)

    # then
    assert refused == error("WrongStatus", batch=stocked.batch, index=0, status=ENDED)


def test_dispense__what_is_blocked_or_expired(stocked: Depot) -> None:
    # given a block at each level, and then no more time
    for node in (PACK, CASE, PALLET, BATCH):
        with stocked.chain.undone():
            stocked.do("maker", "recall", node, REASON)
            assert refusal(stocked) == error("IsBlocked", batch=stocked.batch, blocks=RECALL)
    stocked.chain.at(stocked.goods.expiry - 1)
    assert refusal(stocked) is None

    # when
    stocked.chain.at(stocked.goods.expiry)

    # then
    expired = error("IsExpired", batch=stocked.batch, expiry=stocked.goods.expiry)
    assert refusal(stocked) == expired
    assert stocked.refusal("pharmacist", "dispenseMany", CASE, 0, 1) == expired


# -- what proves nothing ---------------------------------------------------------------------------------------------


def wrong_proof(depot: Depot, index: int) -> Refusal:
    return error("WrongProof", batch=depot.batch, index=index)


@pytest.mark.parametrize("index", [1, 2, 8, 9, 23, 63])
def test_proof__of_a_pack_under_another_index(stocked: Depot, index: int) -> None:
    # given a pack, with its own nodes beside its way or with those of the place it is said to be at
    _, commitment, siblings = stocked.goods.proof(0)

    for beside in (siblings, stocked.goods.tree.siblings(index)):
        refused = stocked.refusal("pharmacist", "dispense", index, commitment, beside)
        assert refused == wrong_proof(stocked, index)


@pytest.mark.parametrize("case", range(1, 8))
def test_proof__of_a_case_s_sub_root_under_another_index(stocked: Depot, case: int) -> None:
    # given the pharmacy's first case, said to be at another case's place: every pack keeps its place in it
    _, commitment, siblings = stocked.goods.proof(5)
    index = 8 * case + 5

    for beside in (siblings, [*siblings[:3], *stocked.goods.tree.siblings(index)[3:]]):
        refused = stocked.refusal("pharmacist", "dispense", index, commitment, beside)
        assert refused == wrong_proof(stocked, index)


def test_proof__of_a_padding_position(stocked: Depot) -> None:
    # given an empty place: its leaf is 32 zero bytes, and nothing that anyone knows hashes to that
    index = 24
    siblings = stocked.goods.tree.siblings(index)
    assert stocked.goods.tree.node(above(index, 0)) == bytes(32)

    for commitment in (bytes(32), keccak(b""), keccak(bytes(32)), empty(1), stocked.goods.tree.root):
        refused = stocked.refusal("pharmacist", "dispense", index, commitment, siblings)
        assert refused == wrong_proof(stocked, index)


def test_proof__of_an_internal_node_as_a_leaf(stocked: Depot) -> None:
    # given a tree that is shorter by a level or more: a node in a pack's place, with what is beside its way above it
    tree = stocked.goods.tree
    for height in (1, 2, 3, 6):
        node = tree.node(above(0, height))
        beside = tree.siblings(0, start=height)
        for padded in ([*beside, *[bytes(32)] * height], [*[bytes(32)] * height, *beside]):
            refused = stocked.refusal("pharmacist", "dispense", 0, node, padded)
            assert refused == wrong_proof(stocked, 0)

    # and the two leaves of a node in the places of a pack and its sibling
    left, right = tree.node(PACK), tree.node(PACK + 1)
    refused = stocked.refusal("pharmacist", "dispense", 0, left, [right, *tree.siblings(0)[1:]])
    assert refused == wrong_proof(stocked, 0)


def test_proof__of_another_batch(stocked: Depot) -> None:
    # given another batch of the same maker, held by the same pharmacy
    tree = Tree({index: pack(f"of another batch, {index}") for index in range(8)})
    other = stocked.commission(replace(stocked.goods, tree=tree))
    other.hand("maker", PALLET, "pharmacy")

    # when
    refused = stocked.refusal("pharmacist", "dispense", *other.goods.proof(0))

    # then
    assert refused == wrong_proof(stocked, 0)
    assert other.refusal("pharmacist", "dispense", *other.goods.proof(0)) is None


def test_proof__of_the_same_root_under_another_maker(stocked: Depot) -> None:
    # given a batch that copies the maker's root: its packs are dispensed in it, and never in the maker's
    copied = stocked.commission(Goods("copycat", stocked.goods.tree, 6, 3, stocked.goods.expiry))
    copied.hand("copycat", PALLET, "pharmacy")
    copied.dispense("pharmacist", 0)

    # then
    assert (copied.status(0), stocked.status(0)) == (DISPENSED, IN_STOCK)
    assert refusal(stocked) is None


@pytest.mark.parametrize("level", range(DEPTH))
def test_proof__with_a_wrong_node_at_a_level(stocked: Depot, level: int) -> None:
    # given
    index, commitment, siblings = stocked.goods.proof(5)
    siblings[level] = keccak(siblings[level])

    # when
    refused = stocked.refusal("pharmacist", "dispense", index, commitment, siblings)

    # then
    assert refused == wrong_proof(stocked, index)


# -- for a pharmacist, through a contract ----------------------------------------------------------------------------


def through(depot: Depot, function: str, *arguments: object) -> tuple[str, bytes]:
    """A call as the carrier makes it, which stands for a contract that adjudicates."""
    call = depot.call("Batches", function, *arguments)
    return call.address, depot.data(call)


def for_pharmacist(depot: Depot, index: int = 0, who: str = "pharmacist") -> tuple[str, bytes]:
    return through(depot, "dispenseFor", depot.address(who), depot.batch, *depot.goods.proof(index))


def test_dispense_for__tells_who_did_it_and_claims_the_pack(stocked: Depot) -> None:
    # given
    carrier = stocked.contracts.carrier.address
    stocked.let("pharmacy", carrier, DISPENSE_FOR | FILL_FOR)

    # when
    told = stocked.send("stranger", "Carrier", "carry", [for_pharmacist(stocked)])

    # then
    dispensed = {"batch": stocked.batch, "member": PHARMACY, "actor": carrier, "index": 0}
    assert told == [Event("Dispensed", dispensed)]
    assert (stocked.status(0), stocked.claimed(0), stocked.claimed(1)) == (DISPENSED, carrier, NOBODY)


def test_dispense_for__by_who_is_no_operator(stocked: Depot) -> None:
    # given the pharmacist herself, the pharmacy, and a contract that may do something else
    arguments = (stocked.address("pharmacist"), stocked.batch, *stocked.goods.proof(0))
    for who in ("pharmacist", "pharmacy", "stranger"):
        refused = stocked.refused(who, "Batches", "dispenseFor", *arguments)
        assert refused == error("NotAnOperator", sender=stocked.address(who), member=PHARMACY)

    carrier = stocked.contracts.carrier.address
    stocked.let("pharmacy", carrier, 0xFF ^ DISPENSE_FOR)
    refused = stocked.refused("stranger", "Carrier", "carry", [for_pharmacist(stocked)])
    assert refused is not None
    assert stocked.read("Batches", refused.facts["reason"]) == error("NotAnOperator", sender=carrier, member=PHARMACY)


def test_dispense_for__for_who_is_no_pharmacist_or_another_s(stocked: Depot) -> None:
    # given an operator of both pharmacies
    for member in ("pharmacy", "rival"):
        stocked.let(member, stocked.contracts.carrier.address, DISPENSE_FOR)

    for who, reason in (
        ("clerk", error("NoStanding", account=stocked.address("clerk"))),
        ("stranger", error("NoStanding", account=stocked.address("stranger"))),
        ("rival", error("NotTheHolder", batch=stocked.batch, node=PACK, member=RIVAL, holder=PHARMACY)),
    ):
        refused = stocked.refused("stranger", "Carrier", "carry", [for_pharmacist(stocked, who=who)])
        assert refused is not None
        assert stocked.read("Batches", refused.facts["reason"]) == reason


# -- by mask ---------------------------------------------------------------------------------------------------------


def test_dispense_many__tells_and_opens_the_case(stocked: Depot) -> None:
    # when
    told = stocked.do("pharmacist", "dispenseMany", NEXT_CASE, 0, 0b1010_0001_0000_0000)

    # then
    arguments = {"batch": stocked.batch, "member": PHARMACY, "word": 0, "mask": 0b1010_0001_0000_0000}
    assert told == [Event("DispensedMany", arguments)]
    assert stocked.word() == (0b1010_0001_0000_0000, 0)
    assert stocked.node(NEXT_CASE) == Node(PHARMACY, MAKER, moves=1, last_dispensed=stocked.midnight(0), opened=True)
    assert stocked.node(CASE) == Node()
    assert [stocked.status(index) for index in (7, 8, 9, 13, 15)] == [IN_STOCK, DISPENSED, IN_STOCK] + [DISPENSED] * 2
    assert stocked.claimed(8) == NOBODY


@pytest.mark.parametrize("who", NO_PHARMACIST)
def test_dispense_many__by_no_pharmacist(stocked: Depot, who: str) -> None:
    refused = stocked.refusal(who, "dispenseMany", 0, 9, 0)

    assert refused == error("NoStanding", account=stocked.address(who))


@pytest.mark.parametrize("function", ["dispenseMany", "endMany"])
@pytest.mark.parametrize("node", [BATCH, PALLET, PACK])
def test_mask__of_what_is_no_case(depot: Depot, node: int, function: str) -> None:
    # given
    depot.hand("maker", BATCH, "pharmacy")
    rest = () if function == "dispenseMany" else (STOLEN,)

    # when
    refused = depot.refusal("pharmacist", function, node, 0, 1, *rest)

    # then
    assert refused == error("NoSuchNode", batch=depot.batch, node=node)


@pytest.mark.parametrize(
    ("case", "word", "mask", "possible"),
    [
        (CASE, 0, 0, FULL),
        (CASE, 0, 0x100, FULL),
        (CASE, 0, 0x1FF, FULL),
        (CASE, 0, 2**256 - 1, FULL),
        (NEXT_CASE, 0, 1, FULL << 8),
        (CASE + 7, 0, 1 << 64, FULL << 56),
        (CASE, 1, 1, 0),
        (CASE, 2**32 - 1, 1, 0),
        (CASE, 0, 1 << 255, FULL),
    ],
)
def test_mask__across_cases(stocked: Depot, case: int, word: int, mask: int, possible: int) -> None:
    # property D3
    # given a mask that is empty, or reaches to another case, or lies in another word
    refused = error("WrongMask", batch=stocked.batch, case_=case, mask=mask, possible=possible)

    assert stocked.refusal("pharmacist", "dispenseMany", case, word, mask) == refused
    assert stocked.refusal("pharmacist", "endMany", case, word, mask, STOLEN) == refused


@pytest.mark.parametrize(("bits", "case", "words"), [(8, 0, [0]), (9, 0, [0, 1]), (9, 1, [2, 3]), (10, 0, range(4))])
def test_mask__across_cases_of_whole_words(depot: Depot, bits: int, case: int, words: list[int]) -> None:
    # property D3
    # given cases of 256 packs and more
    other = depot.of_sizes(12, bits)
    other.hand("copycat", BATCH, "pharmacy")
    node, everything = above(case << bits, bits), 2**256 - 1

    for word in range(6):
        refused = other.refusal("pharmacist", "dispenseMany", node, word, everything)
        if word in words:
            assert refused is None
        else:
            assert refused == error("WrongMask", batch=other.batch, case_=node, mask=everything, possible=0)


def test_mask__with_what_is_gone_or_stands_apart(stocked: Depot) -> None:
    # given a pack dispensed, one ended, one moved on, one offered, one blocked once, one missing
    stocked.dispense("pharmacist", 0)
    stocked.do("pharmacist", "end", 1, EXPORTED)
    stocked.hand("pharmacist", above(2, 0), "haulier")
    stocked.offer("pharmacist", above(3, 0), "haulier")
    stocked.block("maker", above(4, 0), BY_MAKER)
    stocked.do("maker", "release", above(4, 0), BY_MAKER, REASON)
    possible = 0b1110_0000

    for index in range(5):
        mask = 1 << index | 0b1000_0000
        refused = error("WrongMask", batch=stocked.batch, case_=CASE, mask=mask, possible=possible)
        assert stocked.refusal("pharmacist", "dispenseMany", CASE, 0, mask) == refused
        assert stocked.refusal("pharmacist", "endMany", CASE, 0, mask, STOLEN) == refused

    # and those that are left go by mask
    assert stocked.word() == (0b11, 0b11110)
    stocked.do("pharmacist", "dispenseMany", CASE, 0, possible)
    assert stocked.word() == (0b1110_0011, 0b11110)


def test_mask__of_what_is_blocked(stocked: Depot) -> None:
    # given
    stocked.block("pharmacist", PALLET, BY_HOLDER)

    # when
    dispensed = stocked.refusal("pharmacist", "dispenseMany", CASE, 0, 1)
    exported = stocked.refusal("pharmacist", "endMany", CASE, 0, 1, EXPORTED)
    stolen = stocked.refusal("pharmacist", "endMany", CASE, 0, 1, STOLEN)

    # then
    assert dispensed == exported == error("IsBlocked", batch=stocked.batch, blocks=BY_HOLDER)
    assert stolen is None


# -- an opened case --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("carrying", [BATCH, PALLET])
@pytest.mark.parametrize("by_mask", [False, True])
def test_opened_case__is_not_carried_off_with_its_pallet(depot: Depot, carrying: int, by_mask: bool) -> None:
    # given
    depot.hand("maker", BATCH, "pharmacy")
    if by_mask:
        depot.do("pharmacist", "dispenseMany", CASE, 0, 1)
    else:
        depot.dispense("pharmacist", 0)

    # when
    depot.hand("pharmacist", carrying, "wholesaler")

    # then
    assert depot.place(NEXT_CASE) == Place(WHOLESALER, MAKER if carrying == BATCH else PHARMACY, moves=2)
    assert depot.place(CASE) == depot.place(above(7, 0)) == Place(PHARMACY, MAKER, moves=1)
    assert refusal(depot, 7) is None
    assert depot.refusal("pharmacist", "undo", 0) is None


def test_opened_case__is_not_carried_off_where_it_was_all_taken_back(stocked: Depot) -> None:
    # given
    stocked.dispense("pharmacist", 0)
    stocked.do("pharmacist", "undo", 0)

    # when
    stocked.hand("pharmacist", PALLET, "wholesaler")

    # then
    assert stocked.place(PACK) == Place(PHARMACY, MAKER, moves=1)
    stocked.hand("pharmacist", PACK, "haulier")
    assert stocked.place(PACK) == Place(HAULIER, PHARMACY, moves=2)


def test_opened_case__leaves_a_dispensed_pack_that_stood_apart_with_who_dispensed_it(stocked: Depot) -> None:
    # given a pack that was blocked by itself, released and dispensed: the case is closed still
    stocked.block("pharmacist", PACK, BY_HOLDER)
    stocked.do("pharmacist", "release", PACK, BY_HOLDER, REASON)
    stocked.dispense("pharmacist", 0)
    stocked.chain.at(stocked.chain.now() + DAY)

    # when
    stocked.hand("pharmacist", CASE, "wholesaler")

    # then
    assert stocked.place(CASE) == Place(WHOLESALER, PHARMACY, moves=2)
    assert stocked.place(PACK) == Place(PHARMACY, MAKER, moves=1)
    assert stocked.refusal("pharmacist", "undo", 0) is None

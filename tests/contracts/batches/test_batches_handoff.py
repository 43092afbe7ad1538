"""Handoffs in two steps: offers, what they lock, and how they end."""

import pytest
from batches_depot import (
    BY_HOLDER,
    BY_MAKER,
    BY_REGULATOR,
    CASE,
    DISPENSED,
    EXPORTED,
    HAULIER,
    MAKER,
    NEXT_CASE,
    NO_SHEET,
    OFFER_WINDOW,
    PACK,
    PALLET,
    PHARMACY,
    REASON,
    SHEET,
    WHOLESALER,
    Depot,
    Node,
    Place,
    digest,
    error,
)
from pack_tree import BATCH, PACKS, above
from signature_cases import Event
from signature_stage import Refusal

NO_GOODS = ["agency", "hospital", "clerk", "logger", "stranger"]
"""Who has nothing to do with goods: by its licence, by its role there, or belonging to nobody."""

NO_NODES = [0, 2, 3, 4, PALLET >> 1, PALLET << 1, CASE >> 1, CASE << 1, PACK << 1, 2**32 - 1]
"""Numbers that are neither batch, pallet, case nor pack of the depot's batch."""


def refusal_of_offer(depot: Depot, who: str, node: int, to: int = WHOLESALER, *, ends: int = 0) -> Refusal | None:
    return depot.refusal(who, "offer", node, to, ends or depot.midnight(8), SHEET)


# -- offers ----------------------------------------------------------------------------------------------------------


def test_offer__tells_and_locks(depot: Depot) -> None:
    # given
    ends = depot.midnight(8)

    # when
    told = depot.do("packer", "offer", PALLET, WHOLESALER, ends, SHEET)

    # then the maker holds it still
    arguments = {
        "batch": depot.batch,
        "from": MAKER,
        "to": WHOLESALER,
        "node": PALLET,
        "ends": ends,
        "sheet": SHEET,
    }
    assert told == [Event("Offered", arguments)]
    assert depot.node(PALLET) == Node(offered_to=WHOLESALER, offer_ends=ends)
    assert depot.place(PALLET) == depot.place(CASE) == depot.place(PACK) == Place(MAKER, MAKER, offered=True)
    assert depot.place(BATCH) == depot.place(PALLET + 1) == Place(MAKER, MAKER)


@pytest.mark.parametrize("who", NO_GOODS)
def test_offer__by_who_has_nothing_to_do_with_goods(depot: Depot, who: str) -> None:
    assert refusal_of_offer(depot, who, 0, 0) == error("NoStanding", account=depot.address(who))


def test_offer__to_nobody_or_oneself(depot: Depot) -> None:
    for to in (0, MAKER):
        assert refusal_of_offer(depot, "maker", 0, to, ends=1) == error("WrongReceiver", to=to)


def test_offer__with_an_end_too_soon_or_too_late(depot: Depot) -> None:
    # given
    now = depot.chain.now()
    latest = now + OFFER_WINDOW

    for ends in (1, now, latest + 1):
        assert refusal_of_offer(depot, "maker", 0, ends=ends) == error("WrongEnd", ends=ends, latest=latest)
    for ends in (now + 1, latest):
        assert refusal_of_offer(depot, "maker", PALLET, ends=ends) is None


def test_offer__of_no_batch(depot: Depot) -> None:
    # given
    nothing = digest("no batch")
    arguments = (nothing, 0, WHOLESALER, depot.midnight(8), SHEET)

    # when
    refusal = depot.refused("maker", "Batches", "offer", *arguments)

    # then
    assert refusal == error("NoSuchBatch", batch=nothing)


@pytest.mark.parametrize("node", NO_NODES)
def test_offer__of_no_node(depot: Depot, node: int) -> None:
    assert refusal_of_offer(depot, "wholesaler", node, MAKER) == error("NoSuchNode", batch=depot.batch, node=node)


@pytest.mark.parametrize("node", [BATCH, PALLET, CASE, PACK])
def test_offer__by_another_than_the_holder(depot: Depot, node: int) -> None:
    for who, number in (("wholesaler", WHOLESALER), ("copycat", 2)):
        expected = error("NotTheHolder", batch=depot.batch, node=node, member=number, holder=MAKER)
        assert refusal_of_offer(depot, who, node, PHARMACY) == expected


@pytest.mark.parametrize("node", [BATCH, PALLET, CASE, PACK])
def test_offer__twice(depot: Depot, node: int) -> None:
    # given
    depot.offer("maker", node, "wholesaler")

    for to in (WHOLESALER, HAULIER):
        assert refusal_of_offer(depot, "maker", node, to) == error("UnderOffer", batch=depot.batch, node=node)


def test_offer__of_a_part_while_the_whole_is_under_offer(depot: Depot) -> None:
    for whole, parts in ((BATCH, (PALLET, CASE, PACK)), (PALLET, (CASE, PACK)), (CASE, (PACK,))):
        with depot.chain.undone():
            depot.offer("maker", whole, "wholesaler")
            for part in parts:
                refused = error("UnderOffer", batch=depot.batch, node=part)
                assert refusal_of_offer(depot, "maker", part, HAULIER) == refused


def test_offer__of_the_whole_while_a_part_is_under_offer__ends_the_part_s_when_it_is_accepted(depot: Depot) -> None:
    # given
    depot.offer("maker", CASE, "haulier")
    depot.offer("maker", PALLET, "wholesaler")

    # when the part's offer is taken up first: what carries it is locked
    first = depot.refusal("haulier", "accept", CASE, [])
    depot.accept("wholesaler", PALLET)
    second = depot.refusal("haulier", "accept", CASE, [])

    # then
    assert first == error("UnderOffer", batch=depot.batch, node=CASE)
    assert second == error("NotOffered", batch=depot.batch, node=CASE, member=HAULIER)
    assert depot.place(CASE) == Place(WHOLESALER, MAKER, moves=1)


def test_offer__of_a_pack_that_is_gone(depot: Depot) -> None:
    # given
    depot.hand("maker", CASE, "pharmacy")
    depot.dispense("pharmacist", 0)
    depot.do("pharmacist", "end", 1, EXPORTED)

    for index, status in ((0, DISPENSED), (1, 2)):
        expected = error("WrongStatus", batch=depot.batch, index=index, status=status)
        assert refusal_of_offer(depot, "pharmacist", above(index, 0)) == expected


def test_offer__of_an_opened_case(depot: Depot) -> None:
    # given
    depot.hand("maker", CASE, "pharmacy")
    depot.dispense("pharmacist", 0)

    # when it is to go on, or even back
    refusals = [refusal_of_offer(depot, "pharmacist", CASE, to) for to in (WHOLESALER, MAKER)]

    # then
    assert refusals == [error("IsOpened", batch=depot.batch, node=CASE)] * 2


def test_offer__of_a_batch_some_of_whose_packs_are_gone(depot: Depot) -> None:
    # given that the pack whose index is the batch's number is gone
    depot.hand("maker", CASE, "pharmacy")
    depot.dispense("pharmacist", BATCH)

    # when
    depot.hand("maker", BATCH, "wholesaler")
    depot.block("wholesaler", BATCH, BY_HOLDER)

    # then
    assert depot.place(PALLET) == Place(WHOLESALER, MAKER, moves=1, blocks=BY_HOLDER)
    assert depot.place(CASE) == Place(PHARMACY, MAKER, moves=1)


def test_offer__of_what_is_blocked(depot: Depot) -> None:
    # given
    depot.hand("maker", PALLET, "wholesaler")
    depot.block("agency", PALLET, BY_REGULATOR)
    depot.block("maker", CASE, BY_MAKER)

    for node, blocks in ((PALLET, BY_REGULATOR), (CASE, BY_REGULATOR | BY_MAKER), (NEXT_CASE, BY_REGULATOR)):
        refused = error("IsBlocked", batch=depot.batch, blocks=blocks)
        assert refusal_of_offer(depot, "wholesaler", node, HAULIER) == refused
        assert refusal_of_offer(depot, "wholesaler", node, MAKER) is None


def test_offer__of_what_is_expired(depot: Depot) -> None:
    # given
    depot.hand("maker", PALLET, "wholesaler")
    depot.chain.at(depot.goods.expiry - 1)
    before = refusal_of_offer(depot, "wholesaler", PALLET, HAULIER)

    # when
    depot.chain.at(depot.goods.expiry)

    # then
    refused = error("IsExpired", batch=depot.batch, expiry=depot.goods.expiry)
    assert before is None
    assert refusal_of_offer(depot, "wholesaler", PALLET, HAULIER) == refused
    assert refusal_of_offer(depot, "wholesaler", PALLET, MAKER) is None
    assert depot.place(PALLET) == Place(WHOLESALER, MAKER, moves=1, expired=True)


# -- what an offer locks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("node", [BATCH, PALLET, CASE, PACK])
def test_offer__locks_what_is_under_it(depot: Depot, node: int) -> None:
    # given a pharmacy that holds the whole batch and offers a part
    depot.hand("maker", BATCH, "pharmacy")
    depot.offer("pharmacist", node, "wholesaler")

    # when
    dispensed = depot.refusal("pharmacist", "dispense", *depot.goods.proof(0))
    ended = depot.refusal("pharmacist", "end", 0, EXPORTED)

    # then
    assert dispensed == ended == error("UnderOffer", batch=depot.batch, node=PACK)


@pytest.mark.parametrize("node", [BATCH, PALLET, CASE])
def test_offer__locks_masks(depot: Depot, node: int) -> None:
    # given
    depot.hand("maker", BATCH, "pharmacy")
    depot.offer("pharmacist", node, "wholesaler")

    # when
    dispensed = depot.refusal("pharmacist", "dispenseMany", CASE, 0, 1)
    ended = depot.refusal("pharmacist", "endMany", CASE, 0, 1, EXPORTED)

    # then
    assert dispensed == ended == error("UnderOffer", batch=depot.batch, node=CASE)


def test_offer__of_the_whole__locks_nothing_that_went_its_own_way(depot: Depot) -> None:
    # given
    depot.hand("maker", CASE, "pharmacy")
    depot.offer("maker", BATCH, "wholesaler")

    # when
    refused = depot.refusal("pharmacist", "dispense", *depot.goods.proof(0))

    # then
    assert refused is None
    assert depot.place(CASE) == Place(PHARMACY, MAKER, moves=1)
    assert depot.place(NEXT_CASE) == Place(MAKER, MAKER, offered=True)


def test_offer__locks_nothing_beside_it_and_nothing_after_its_end(depot: Depot) -> None:
    # given
    depot.hand("maker", BATCH, "pharmacy")
    depot.offer("pharmacist", CASE, "wholesaler", days=8)

    # when
    beside = depot.refusal("pharmacist", "dispense", *depot.goods.proof(8))
    depot.chain.at(depot.midnight(8))
    after = depot.refusal("pharmacist", "dispense", *depot.goods.proof(0))

    # then
    assert (beside, after) == (None, None)


# -- acceptance ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("node", [BATCH, PALLET, CASE, PACK])
def test_accept__tells_and_hands_over(depot: Depot, node: int) -> None:
    # given
    depot.offer("maker", node, "wholesaler")

    # when
    told = depot.accept("wholesaler", node)

    # then
    arguments = {
        "batch": depot.batch,
        "from": MAKER,
        "to": WHOLESALER,
        "node": node,
        "back": False,
        "rejoined": False,
        "sheet": NO_SHEET,
        "missing": [],
    }
    assert told == [Event("HandedOver", arguments)]
    assert depot.node(node) == Node(holder=WHOLESALER, giver=MAKER, moves=1)
    assert depot.place(node) == depot.place(PACK) == Place(WHOLESALER, MAKER, moves=1)
    assert depot.word() == (0, 1 if node == PACK else 0)


def test_accept__leaves_what_lies_beside(depot: Depot) -> None:
    # given
    depot.hand("maker", CASE, "wholesaler")

    for node in (BATCH, PALLET, NEXT_CASE, above(8, 0), PALLET + 1):
        assert depot.place(node) == Place(MAKER, MAKER)


@pytest.mark.parametrize("who", NO_GOODS)
def test_accept__by_who_has_nothing_to_do_with_goods(depot: Depot, who: str) -> None:
    assert depot.refusal(who, "accept", 0, []) == error("NoStanding", account=depot.address(who))


def test_accept__of_no_node(depot: Depot) -> None:
    assert depot.refusal("haulier", "accept", 2, []) == error("NoSuchNode", batch=depot.batch, node=2)


def test_accept__of_what_was_offered_to_another_or_not_at_all(depot: Depot) -> None:
    # given
    depot.offer("maker", PALLET, "wholesaler")

    for who, number, node in (("haulier", HAULIER, PALLET), ("wholesaler", WHOLESALER, CASE), ("maker", MAKER, PALLET)):
        refused = error("NotOffered", batch=depot.batch, node=node, member=number)
        assert depot.refusal(who, "accept", node, []) == depot.refusal(who, "reject", node) == refused


def test_accept__late(depot: Depot) -> None:
    # given
    depot.offer("maker", PALLET, "wholesaler", days=8)
    ends = depot.midnight(8)
    refused = error("NotOffered", batch=depot.batch, node=PALLET, member=WHOLESALER)

    # when
    depot.chain.at(ends - 1)
    in_time = depot.refusal("wholesaler", "accept", PALLET, [])
    depot.chain.at(ends)
    late = depot.refusal("wholesaler", "accept", PALLET, [])
    rejected = depot.refusal("wholesaler", "reject", PALLET)

    # then
    assert (in_time, late, rejected) == (None, refused, refused)


def test_accept__twice(depot: Depot) -> None:
    # given
    depot.hand("maker", PALLET, "wholesaler")

    # when
    again = depot.refusal("wholesaler", "accept", PALLET, [])

    # then
    assert again == error("NotOffered", batch=depot.batch, node=PALLET, member=WHOLESALER)


def test_accept__from_a_giver_out_of_standing(depot: Depot) -> None:
    # given
    depot.offer("maker", PALLET, "wholesaler")
    depot.send("board", "Consortium", "suspend", MAKER, 1)

    # when
    refused = depot.refusal("wholesaler", "accept", PALLET, [])
    rejected = depot.refusal("wholesaler", "reject", PALLET)

    # then
    assert refused == error("GiverNotInStanding", giver=MAKER)
    assert rejected is None


def test_accept__by_a_receiver_out_of_standing(depot: Depot) -> None:
    # given
    depot.offer("maker", PALLET, "wholesaler")
    depot.send("board", "Consortium", "suspend", WHOLESALER, 1)

    # when
    refused = depot.refusal("wholesaler", "accept", PALLET, [])

    # then
    assert refused == error("NoStanding", account=depot.address("wholesaler"))


def test_accept__of_what_was_blocked_or_expired_meanwhile(depot: Depot) -> None:
    # given
    depot.offer("maker", PALLET, "wholesaler", days=20)

    # when
    with depot.chain.undone():
        depot.do("maker", "recall", PALLET, REASON)
        blocked = depot.refusal("wholesaler", "accept", PALLET, [])
    depot.chain.at(depot.goods.expiry - 9)
    depot.do("maker", "offer", PALLET + 1, WHOLESALER, depot.goods.expiry + 9, SHEET)
    depot.chain.at(depot.goods.expiry)
    expired = depot.refusal("wholesaler", "accept", PALLET + 1, [])

    # then
    assert blocked == error("IsBlocked", batch=depot.batch, blocks=16)
    assert expired == error("IsExpired", batch=depot.batch, expiry=depot.goods.expiry)


# -- rejection and withdrawal ----------------------------------------------------------------------------------------


def test_reject__tells_and_unlocks(depot: Depot) -> None:
    # given
    depot.offer("maker", PALLET, "wholesaler")

    # when
    told = depot.do("wholesaler", "reject", PALLET)

    # then the maker can offer it again, and the offer of before is over
    assert told == [Event("Rejected", {"batch": depot.batch, "to": WHOLESALER, "node": PALLET})]
    assert depot.node(PALLET) == Node(moves=1)
    assert depot.place(PACK) == Place(MAKER, MAKER, moves=1)
    refused = error("NotOffered", batch=depot.batch, node=PALLET, member=WHOLESALER)
    assert depot.refusal("wholesaler", "accept", PALLET, []) == refused
    assert refusal_of_offer(depot, "maker", PALLET, HAULIER) is None


@pytest.mark.parametrize("who", NO_GOODS)
def test_reject__by_who_has_nothing_to_do_with_goods(depot: Depot, who: str) -> None:
    assert depot.refusal(who, "reject", 0) == error("NoStanding", account=depot.address(who))


def test_withdraw__tells_and_unlocks(depot: Depot) -> None:
    # given
    depot.offer("maker", PALLET, "wholesaler")

    # when
    told = depot.do("packer", "withdraw", PALLET)

    # then
    assert told == [Event("Withdrawn", {"batch": depot.batch, "from": MAKER, "node": PALLET})]
    assert depot.node(PALLET) == Node(moves=1)
    refused = error("NotOffered", batch=depot.batch, node=PALLET, member=WHOLESALER)
    assert depot.refusal("wholesaler", "accept", PALLET, []) == refused


@pytest.mark.parametrize("who", NO_GOODS)
def test_withdraw__by_who_has_nothing_to_do_with_goods(depot: Depot, who: str) -> None:
    assert depot.refusal(who, "withdraw", 0) == error("NoStanding", account=depot.address(who))


def test_withdraw__by_another_than_the_holder(depot: Depot) -> None:
    # given
    depot.offer("maker", PALLET, "wholesaler")

    # when
    refused = depot.refusal("wholesaler", "withdraw", PALLET)

    # then
    assert refused == error("NotTheHolder", batch=depot.batch, node=PALLET, member=WHOLESALER, holder=MAKER)


def test_withdraw__of_a_pack_that_is_gone__is_refused(depot: Depot) -> None:
    # given: else a dispensed pack would stand apart from then on, as only an ended one does
    depot.hand("maker", CASE, "pharmacy")
    depot.dispense("pharmacist", 0)
    depot.do("pharmacist", "end", 1, EXPORTED)

    for index, status in ((0, DISPENSED), (1, 2)):
        refused = error("WrongStatus", batch=depot.batch, index=index, status=status)
        assert depot.refusal("pharmacist", "withdraw", above(index, 0)) == refused


def test_withdraw__of_a_single_pack__takes_it_out_of_masks_only(depot: Depot) -> None:
    # given
    depot.hand("maker", CASE, "pharmacy")

    # when
    depot.do("pharmacist", "withdraw", PACK)

    # then
    assert depot.word() == (0, 1)
    assert depot.place(PACK) == Place(PHARMACY, MAKER, moves=2)
    assert depot.refusal("pharmacist", "dispense", *depot.goods.proof(0)) is None


def test_withdraw__of_what_no_longer_carries_it__leaves_others_offers(depot: Depot) -> None:
    # given a case that went on from the wholesaler's pallet, and the last pack of all from the maker's batch
    last = above(PACKS - 1, 0)
    depot.hand("maker", PALLET, "wholesaler")
    depot.hand("wholesaler", CASE, "haulier")
    depot.hand("maker", last, "haulier")
    depot.offer("haulier", CASE, "pharmacy")
    depot.offer("haulier", last, "pharmacy")
    signed = depot.signed_offer("haulier", PACK, "pharmacy")

    # when those who held it do what they can with what they hold still
    depot.do("wholesaler", "withdraw", PALLET)
    depot.hand("wholesaler", PALLET, "pharmacy")
    depot.do("maker", "withdraw", BATCH)
    depot.hand("maker", BATCH, "wholesaler")

    # then the haulier's offers stand
    assert depot.place(CASE) == Place(HAULIER, WHOLESALER, moves=2, offered=True)
    assert depot.refusal("pharmacist", "accept", CASE, []) is None
    assert depot.refusal("pharmacist", "accept", last, []) is None
    depot.do("haulier", "withdraw", CASE)
    assert depot.refusal_of_signed("pharmacist", signed) == error("WrongMoves", moves=2, current=3)

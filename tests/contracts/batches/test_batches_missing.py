"""Partial acceptance: what was missing stays with the giver under its own name."""

import pytest
from batches_depot import (
    BY_HOLDER,
    CASE,
    DISPENSED,
    HAULIER,
    MAKER,
    NEXT_CASE,
    NEXT_PALLET,
    NO_SHEET,
    PACK,
    PALLET,
    PHARMACY,
    WHOLESALER,
    Depot,
    Node,
    Place,
    error,
)
from pack_tree import BATCH, above
from signature_cases import Event


def test_missing__stays_with_the_giver(depot: Depot) -> None:
    # given
    depot.hand("maker", PALLET, "wholesaler")
    depot.offer("wholesaler", PALLET, "haulier")
    lost = above(9, 0)

    # when a case and a pack of another case do not arrive
    told = depot.accept("haulier", PALLET, [CASE, lost])

    # then
    arguments = {
        "batch": depot.batch,
        "from": WHOLESALER,
        "to": HAULIER,
        "node": PALLET,
        "back": False,
        "rejoined": False,
        "sheet": NO_SHEET,
        "missing": [CASE, lost],
    }
    assert told == [Event("HandedOver", arguments)]
    assert depot.node(PALLET) == Node(holder=HAULIER, giver=WHOLESALER, moves=2)
    assert depot.node(CASE) == depot.node(lost) == Node(holder=WHOLESALER, giver=MAKER, moves=2)
    assert depot.place(CASE) == depot.place(PACK) == depot.place(lost) == Place(WHOLESALER, MAKER, moves=2)
    assert depot.place(NEXT_CASE) == depot.place(above(8, 0)) == Place(HAULIER, WHOLESALER, moves=2)
    assert depot.word() == (0, 1 << 9)


def test_missing__by_a_signed_offer(depot: Depot) -> None:
    # given
    signed = depot.signed_offer("maker", PALLET, "wholesaler")

    # when
    (told,) = depot.accept_signed("wholesaler", signed, missing=[CASE])

    # then
    assert told.arguments["missing"] == [CASE]
    assert depot.place(CASE) == Place(MAKER, MAKER, moves=1)
    assert depot.place(NEXT_CASE) == Place(WHOLESALER, MAKER, moves=1)


@pytest.mark.parametrize("index", [0, 3, 7])
def test_missing__a_pack_of_the_very_case_that_is_handed_over(depot: Depot, index: int) -> None:
    # given: the case's slot says that one of its packs has a slot, and is itself written anew
    lost = above(index, 0)
    depot.offer("maker", CASE, "pharmacy")

    # when
    depot.accept("pharmacist", CASE, [lost])

    # then the pack did not go along, and no mask of the receiver's takes it
    assert depot.place(lost) == Place(MAKER, MAKER, moves=1)
    assert depot.place(CASE) == Place(PHARMACY, MAKER, moves=1)
    refused = error("WrongMask", batch=depot.batch, case_=CASE, mask=0xFF, possible=0xFF ^ 1 << index)
    assert depot.refusal("pharmacist", "dispenseMany", CASE, 0, 0xFF) == refused
    refused = error("NotTheHolder", batch=depot.batch, node=lost, member=PHARMACY, holder=MAKER)
    assert depot.refusal("pharmacist", "dispense", *depot.goods.proof(index)) == refused


def test_missing__turns_up_later(depot: Depot) -> None:
    # given
    depot.hand("maker", PALLET, "wholesaler", missing=[CASE])

    # when
    depot.hand("maker", CASE, "wholesaler")

    # then
    assert depot.place(CASE) == Place(WHOLESALER, MAKER, moves=2)


@pytest.mark.parametrize(
    "node",
    [0, 1, PALLET, NEXT_PALLET, above(64, 3), above(64, 0), PALLET >> 1, PALLET << 1, CASE << 1, PACK << 1, 2**32 - 1],
)
def test_missing__what_lies_not_below_it(depot: Depot, node: int) -> None:
    # given: nothing, the batch, the pallet itself, another pallet, its case and pack, and what is no node
    depot.offer("maker", PALLET, "wholesaler")

    # when
    refused = depot.refusal("wholesaler", "accept", PALLET, [CASE, node])

    # then
    assert refused == error("NoSuchNode", batch=depot.batch, node=node)


def test_missing__of_a_single_pack(depot: Depot) -> None:
    # given
    depot.offer("maker", PACK, "wholesaler")

    for node in (PACK, PACK << 1, CASE):
        refused = error("NoSuchNode", batch=depot.batch, node=node)
        assert depot.refusal("wholesaler", "accept", PACK, [node]) == refused


def test_missing__what_somebody_else_holds(depot: Depot) -> None:
    # given a case that had left the pallet before
    depot.hand("maker", CASE, "haulier")
    depot.offer("maker", PALLET, "wholesaler")

    for node in (CASE, PACK):
        refused = error("NotTheHolder", batch=depot.batch, node=node, member=MAKER, holder=HAULIER)
        assert depot.refusal("wholesaler", "accept", PALLET, [node]) == refused


def test_missing__a_pack_that_is_gone(depot: Depot) -> None:
    # given
    depot.hand("maker", PALLET, "pharmacy")
    depot.dispense("pharmacist", 0)
    depot.offer("pharmacist", PALLET, "haulier")

    # when
    refused = depot.refusal("haulier", "accept", PALLET, [PACK])

    # then
    assert refused == error("WrongStatus", batch=depot.batch, index=0, status=DISPENSED)


def test_missing__what_was_under_an_offer_of_its_own__ends_it(depot: Depot) -> None:
    # given
    depot.offer("maker", CASE, "haulier")
    depot.offer("maker", PALLET, "wholesaler")

    # when
    depot.accept("wholesaler", PALLET, [CASE])

    # then
    refused = error("NotOffered", batch=depot.batch, node=CASE, member=HAULIER)
    assert depot.refusal("haulier", "accept", CASE, []) == refused


def test_missing__takes_the_holder_s_block_along(depot: Depot) -> None:
    # given goods that go back blocked, out of which a case is missing
    depot.hand("maker", PALLET, "wholesaler")
    depot.block("wholesaler", PALLET, BY_HOLDER)

    # when
    depot.hand("wholesaler", PALLET, "maker", missing=[CASE])

    # then
    assert depot.place(CASE) == Place(WHOLESALER, MAKER, moves=2, blocks=BY_HOLDER)
    assert depot.place(NEXT_CASE) == Place(MAKER, 0, moves=2, blocks=BY_HOLDER)


def test_missing__twice_the_same(depot: Depot) -> None:
    # given
    depot.hand("maker", BATCH, "wholesaler", missing=[CASE, CASE, PACK])

    # then
    assert depot.place(CASE) == Place(MAKER, MAKER, moves=2)
    assert depot.place(PACK) == Place(MAKER, MAKER, moves=3)
    assert depot.place(PALLET) == Place(WHOLESALER, MAKER, moves=1)

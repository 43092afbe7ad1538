"""Goods that go back: to who gave them, or to the maker; and what they take along."""

import pytest
from batches_depot import (
    BY_HOLDER,
    BY_MAKER,
    BY_REGULATOR,
    CASE,
    EXCURSION,
    HAULIER,
    MAKER,
    NEXT_CASE,
    NO_SHEET,
    PACK,
    PALLET,
    PHARMACY,
    REASON,
    RECALL,
    REPORT_EXCURSION_FOR,
    RIVAL,
    WHOLESALER,
    Depot,
    Node,
    Place,
    error,
)
from pack_tree import BATCH
from signature_cases import Event


def out_to_pharmacy(depot: Depot) -> None:
    """A pallet to the wholesaler, a case of it to the pharmacy."""
    depot.hand("maker", PALLET, "wholesaler")
    depot.hand("wholesaler", CASE, "pharmacy")


def test_back__to_the_giver__goes_with_what_it_was_taken_from(depot: Depot) -> None:
    # given
    out_to_pharmacy(depot)

    # when
    told = depot.hand("pharmacist", CASE, "wholesaler")

    # then
    arguments = {
        "batch": depot.batch,
        "from": PHARMACY,
        "to": WHOLESALER,
        "node": CASE,
        "back": True,
        "rejoined": True,
        "sheet": NO_SHEET,
        "missing": [],
    }
    assert told == [Event("HandedOver", arguments)]
    assert depot.node(CASE) == Node(moves=2)
    assert depot.place(CASE) == Place(WHOLESALER, MAKER, moves=3)
    depot.hand("wholesaler", PALLET, "haulier")
    assert depot.place(PACK) == Place(HAULIER, WHOLESALER, moves=4)


def test_back__to_the_giver__who_passed_the_rest_on(depot: Depot) -> None:
    # given
    out_to_pharmacy(depot)
    depot.hand("wholesaler", PALLET, "haulier")

    # when
    (told,) = depot.hand("pharmacist", CASE, "wholesaler")

    # then it has the case in its own name, and nobody but the maker to give it back to
    assert (told.arguments["back"], told.arguments["rejoined"]) == (True, False)
    assert depot.place(CASE) == Place(WHOLESALER, 0, moves=3)
    depot.block("agency", CASE, BY_REGULATOR)
    refused = error("IsBlocked", batch=depot.batch, blocks=BY_REGULATOR)
    for to in (PHARMACY, HAULIER):
        assert depot.refusal("wholesaler", "offer", CASE, to, depot.midnight(3), NO_SHEET) == refused
    assert depot.refusal("wholesaler", "offer", CASE, MAKER, depot.midnight(3), NO_SHEET) is None


def test_back__to_the_maker__past_the_giver(depot: Depot) -> None:
    # given
    out_to_pharmacy(depot)

    # when
    (told,) = depot.hand("pharmacist", CASE, "maker")

    # then
    assert (told.arguments["back"], told.arguments["rejoined"]) == (True, False)
    assert depot.place(CASE) == Place(MAKER, 0, moves=3)


@pytest.mark.parametrize("node", [PALLET, CASE, PACK])
def test_back__to_the_maker_who_holds_the_rest(depot: Depot, node: int) -> None:
    # given
    depot.hand("maker", node, "wholesaler")

    # when
    depot.hand("wholesaler", node, "maker")

    # then
    assert depot.node(node) == Node(moves=2)
    assert depot.place(node) == Place(MAKER, MAKER, moves=2)


def test_back__of_a_whole_batch(depot: Depot) -> None:
    # given a batch has its maker in the giver's place, whoever gave it
    depot.hand("maker", BATCH, "wholesaler")
    depot.hand("wholesaler", BATCH, "haulier")
    assert depot.place(BATCH) == Place(HAULIER, MAKER, moves=2)
    depot.block("agency", BATCH, BY_REGULATOR)

    # when
    refused = depot.refusal("haulier", "offer", BATCH, WHOLESALER, depot.midnight(3), NO_SHEET)
    depot.hand("haulier", BATCH, "maker")

    # then
    assert refused == error("IsBlocked", batch=depot.batch, blocks=BY_REGULATOR)
    assert depot.node(BATCH) == Node(holder=MAKER, giver=MAKER, moves=3, blocks=BY_REGULATOR)


@pytest.mark.parametrize("blocks", [BY_HOLDER, BY_MAKER, BY_REGULATOR, EXCURSION, RECALL])
def test_back__lifts_no_block_of_the_goods_themselves(depot: Depot, blocks: int) -> None:
    # given
    out_to_pharmacy(depot)
    block(depot, CASE, blocks)

    # when
    (told,) = depot.hand("pharmacist", CASE, "wholesaler")

    # then it is the giver's again, but stays by itself: what it lay in can go on, and it cannot
    assert (told.arguments["back"], told.arguments["rejoined"]) == (True, False)
    assert depot.place(CASE) == Place(WHOLESALER, 0, moves=3, blocks=blocks)
    depot.hand("wholesaler", PALLET, "haulier")
    assert depot.place(NEXT_CASE) == Place(HAULIER, WHOLESALER, moves=2)
    assert depot.place(CASE) == Place(WHOLESALER, 0, moves=3, blocks=blocks)


@pytest.mark.parametrize("blocks", [BY_HOLDER, EXCURSION])
@pytest.mark.parametrize("part", [CASE, PACK])
def test_back__of_a_part__takes_the_holder_s_block_of_the_whole_along(depot: Depot, part: int, blocks: int) -> None:
    # given a pharmacy that blocked its pallet
    depot.hand("maker", PALLET, "wholesaler")
    depot.hand("wholesaler", PALLET, "pharmacy")
    block(depot, PALLET, blocks)

    # when a part of it goes back
    depot.hand("pharmacist", part, "wholesaler")

    # then it is blocked there too
    assert depot.place(part) == Place(WHOLESALER, 0, moves=3, blocks=blocks)
    refused = error("IsBlocked", batch=depot.batch, blocks=blocks)
    assert depot.refusal("wholesaler", "offer", part, RIVAL, depot.midnight(3), NO_SHEET) == refused


def test_back__of_a_part__rejoins_nothing_that_would_hide_its_block(depot: Depot) -> None:
    # given a pack out of a case of the pharmacy, blocked by its holder, and the case under offer to another
    out_to_pharmacy(depot)
    depot.hand("pharmacist", PACK, "rival")
    depot.block("rival", PACK, BY_HOLDER)
    depot.offer("rival", PACK, "pharmacy")
    depot.offer("pharmacist", CASE, "haulier")

    # when
    depot.accept("pharmacist", PACK)
    depot.accept("haulier", CASE)

    # then
    assert depot.place(PACK) == Place(PHARMACY, 0, moves=4, blocks=BY_HOLDER)
    assert depot.place(CASE) == Place(HAULIER, PHARMACY, moves=3)


def block(depot: Depot, node: int, blocks: int) -> None:
    """Blocks a node of the pharmacy's by the authority for it."""
    match blocks:
        case 1:
            depot.block("pharmacist", node, blocks)
        case 2:
            depot.block("maker", node, blocks)
        case 4:
            depot.block("agency", node, blocks)
        case 8:
            depot.let("pharmacy", depot.contracts.carrier.address, REPORT_EXCURSION_FOR)
            call = depot.call("Batches", "reportExcursion", PHARMACY, depot.batch, node, REASON)
            depot.send("stranger", "Carrier", "carry", [(call.address, depot.data(call))])
        case 16:
            depot.do("agency", "recall", node, REASON)

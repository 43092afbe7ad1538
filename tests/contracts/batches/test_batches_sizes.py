"""Batches of other shapes: no cases, cases that are pallets, a pallet or a case that is the whole batch."""

import pytest
from batches_depot import (
    COPYCAT,
    DISPENSED,
    ENDED,
    IN_STOCK,
    PHARMACY,
    REASON,
    RECALL,
    RIVAL,
    STOLEN,
    WHOLESALER,
    Depot,
    Node,
    Place,
    error,
)
from pack_tree import BATCH, DEPTH, PACKS, above

SHAPES = [(0, 0), (3, 0), (20, 0), (3, 3), (8, 8), (12, 8), (20, 3), (20, 20), (10, 9), (1, 1)]
INDEX = 5


def heights(pallet_bits: int, case_bits: int) -> list[int]:
    """The heights at which goods are held, from the batch down to the pack."""
    return sorted({DEPTH, pallet_bits, case_bits, 0}, reverse=True)


@pytest.mark.parametrize(("pallet_bits", "case_bits"), SHAPES)
def test_shape__has_these_nodes_and_no_others(depot: Depot, pallet_bits: int, case_bits: int) -> None:
    # given
    other = depot.of_sizes(pallet_bits, case_bits)

    for height in range(DEPTH + 1):
        node = above(PACKS - 1, height)
        refused = other.refused("stranger", "Batches", "placeOf", other.batch, node)
        if height in heights(pallet_bits, case_bits):
            assert refused is None
        else:
            assert refused == error("NoSuchNode", batch=other.batch, node=node)


@pytest.mark.parametrize(("pallet_bits", "case_bits"), SHAPES)
def test_shape__goes_apart_level_by_level(depot: Depot, pallet_bits: int, case_bits: int) -> None:
    # given each level handed on by another member, from the batch down to the pack
    other = depot.of_sizes(pallet_bits, case_bits)
    ways = ["copycat", "wholesaler", "haulier", "pharmacy", "rival"]
    nodes = [above(INDEX, height) for height in heights(pallet_bits, case_bits)]
    for node, giver, to in zip(nodes, ways, ways[1:], strict=False):
        other.hand(giver, node, to)

    # then each has its own holder, and what lies beside it that of what carries it
    numbers = [COPYCAT, WHOLESALER, 4, PHARMACY, RIVAL]
    for place, node in enumerate(nodes):
        giver = COPYCAT if node == BATCH else numbers[place]
        assert other.place(node) == Place(numbers[place + 1], giver, moves=place + 1)
        if node != BATCH:
            assert other.place(node ^ 1) == other.place(nodes[place - 1])


@pytest.mark.parametrize(("pallet_bits", "case_bits"), SHAPES)
def test_shape__dispenses_undoes_and_ends(depot: Depot, pallet_bits: int, case_bits: int) -> None:
    # given
    other = depot.of_sizes(pallet_bits, case_bits)
    other.hand("copycat", BATCH, "pharmacy")
    case, today = above(INDEX, case_bits), other.midnight(0)

    # when
    other.dispense("pharmacist", INDEX)

    # then the case was opened, whatever that is
    opened = Node(PHARMACY, COPYCAT, moves=1, last_dispensed=today, opened=True)
    assert other.node(case) == opened
    assert (other.status(INDEX), other.word()) == (DISPENSED, (1 << INDEX, 0))
    twice = error("WrongStatus", batch=other.batch, index=INDEX, status=DISPENSED)
    assert other.refusal("pharmacist", "dispense", *other.goods.proof(INDEX)) == twice

    # when
    other.do("pharmacist", "undo", INDEX)
    again = other.status(INDEX)
    other.do("pharmacist", "end", INDEX, STOLEN)

    # then
    assert (again, other.status(INDEX)) == (IN_STOCK, ENDED)
    assert other.word() == (1 << INDEX, 0 if case_bits == 0 else 1 << INDEX)
    final = error("WrongStatus", batch=other.batch, index=INDEX, status=ENDED)
    assert other.refusal("pharmacist", "undo", INDEX) == final
    assert other.refusal("pharmacist", "dispense", *other.goods.proof(INDEX)) == final


@pytest.mark.parametrize(("pallet_bits", "case_bits"), SHAPES)
def test_shape__dispenses_by_mask_within_a_case(depot: Depot, pallet_bits: int, case_bits: int) -> None:
    # given
    other = depot.of_sizes(pallet_bits, case_bits)
    other.hand("copycat", BATCH, "pharmacy")
    case = above(INDEX, case_bits)
    first = INDEX >> case_bits << case_bits
    full = ((1 << min(256, 1 << case_bits)) - 1) << first

    # when
    more = other.refusal("pharmacist", "dispenseMany", case, 0, full << 1 | full) if full >> 255 == 0 else None
    other.do("pharmacist", "dispenseMany", case, 0, full)

    # then
    if more is not None:
        mask = full << 1 | full
        assert more == error("WrongMask", batch=other.batch, case_=case, mask=mask, possible=full)
    assert other.word() == (full, 0)
    assert other.status(INDEX) == DISPENSED
    none_left = error("WrongMask", batch=other.batch, case_=case, mask=1 << INDEX, possible=0)
    assert other.refusal("pharmacist", "dispenseMany", case, 0, 1 << INDEX) == none_left


@pytest.mark.parametrize(("pallet_bits", "case_bits"), SHAPES)
def test_shape__blocks_from_every_level(depot: Depot, pallet_bits: int, case_bits: int) -> None:
    # given
    other = depot.of_sizes(pallet_bits, case_bits)
    other.hand("copycat", BATCH, "pharmacy")

    for height in heights(pallet_bits, case_bits):
        with other.chain.undone():
            other.do("agency", "recall", above(INDEX, height), REASON)
            blocked = error("IsBlocked", batch=other.batch, blocks=RECALL)
            assert other.refusal("pharmacist", "dispense", *other.goods.proof(INDEX)) == blocked
            beside = other.refusal("pharmacist", "dispense", *other.goods.proof(PACKS - 1))
            assert beside == (blocked if height == DEPTH else None)


@pytest.mark.parametrize("pallet_bits", [0, 3, 20])
def test_no_cases__a_pack_that_was_opened_moves_no_more(depot: Depot, pallet_bits: int) -> None:
    # given packs that are in no case
    other = depot.of_sizes(pallet_bits, 0)
    other.hand("copycat", BATCH, "pharmacy")
    other.dispense("pharmacist", INDEX)

    # when the batch moves on
    other.hand("pharmacist", BATCH, "wholesaler")

    # then it stays with who dispensed it, who alone takes it back
    assert other.place(above(INDEX, 0)) == Place(PHARMACY, COPYCAT, moves=1)
    assert other.place(above(INDEX + 1, 0)) == Place(WHOLESALER, COPYCAT, moves=2)
    assert other.refusal("pharmacist", "undo", INDEX) is None


def test_case_of_the_whole_batch__once_opened_moves_pack_by_pack(depot: Depot) -> None:
    # given
    other = depot.of_sizes(20, 20)
    other.hand("copycat", BATCH, "pharmacy")
    other.dispense("pharmacist", INDEX)

    # when
    refused = other.refusal("pharmacist", "offer", BATCH, COPYCAT, other.midnight(3), bytes(32))
    other.hand("pharmacist", above(0, 0), "rival")

    # then
    assert refused == error("IsOpened", batch=other.batch, node=BATCH)
    assert other.place(above(0, 0)) == Place(RIVAL, PHARMACY, moves=2)
    assert other.place(BATCH) == Place(PHARMACY, COPYCAT, moves=1)


def test_case_of_the_whole_batch__keeps_its_facts_through_everything(depot: Depot) -> None:
    # given a batch whose own slot is also its case's, with flags and a day
    other = depot.of_sizes(20, 20)
    facts = other.ask("batchOf", other.batch)

    # when
    other.hand("copycat", BATCH, "pharmacy", missing=[above(7, 0)])
    other.block("pharmacist", BATCH, 1)
    other.do("pharmacist", "release", BATCH, 1, REASON)
    other.offer("pharmacist", BATCH, "rival")
    other.do("rival", "reject", BATCH)
    other.do("pharmacist", "endMany", BATCH, 0, 0b11, STOLEN)
    other.dispense("pharmacist", INDEX)
    other.do("pharmacist", "undo", INDEX)

    # then
    assert other.ask("batchOf", other.batch) == facts == (COPYCAT, other.goods.expiry, 20, 20)
    today = other.midnight(0)
    assert other.node(BATCH) == Node(PHARMACY, COPYCAT, moves=2, last_dispensed=today, opened=True)
    assert other.place(above(7, 0)) == Place(COPYCAT, COPYCAT, moves=1)
    assert other.word() == (0b11, 0b1000_0011)

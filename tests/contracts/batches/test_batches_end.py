"""How packs end but by being dispensed."""

import pytest
from batches_depot import (
    BY_HOLDER,
    CASE,
    DESTROYED,
    DISPENSED,
    ENDED,
    EXPORTED,
    IN_STOCK,
    MAKER,
    NEXT_CASE,
    PACK,
    PALLET,
    PHARMACY,
    RETURNED,
    SAMPLED,
    STOLEN,
    WHOLESALER,
    Depot,
    Node,
    Place,
    error,
)
from pack_tree import PACKS, above
from signature_cases import Event

ENDS = [EXPORTED, SAMPLED, DESTROYED, STOLEN, RETURNED]


@pytest.fixture
def stocked(depot: Depot) -> Depot:
    """The depot where the pharmacy holds the first pallet."""
    depot.hand("maker", PALLET, "pharmacy")
    return depot


@pytest.mark.parametrize("kind", ENDS)
def test_end__tells_and_is_final(stocked: Depot, kind: int) -> None:
    # when
    told = stocked.do("pharmacist", "end", 9, kind)

    # then
    arguments = {"batch": stocked.batch, "member": PHARMACY, "word": 0, "mask": 1 << 9, "end": kind}
    assert told == [Event("Ended", arguments)]
    assert (stocked.status(9), stocked.word()) == (ENDED, (1 << 9, 1 << 9))
    assert stocked.node(above(9, 0)) == Node()
    assert stocked.node(NEXT_CASE) == Node()
    gone = error("WrongStatus", batch=stocked.batch, index=9, status=ENDED)
    assert stocked.refusal("pharmacist", "dispense", *stocked.goods.proof(9)) == gone
    assert stocked.refusal("pharmacist", "undo", 9) == gone
    assert stocked.refusal("pharmacist", "end", 9, STOLEN) == gone


@pytest.mark.parametrize("who", ["agency", "hospital", "clerk", "logger", "stranger"])
def test_end__by_who_has_nothing_to_do_with_goods(stocked: Depot, who: str) -> None:
    refused = error("NoStanding", account=stocked.address(who))

    assert stocked.refusal(who, "end", PACKS, STOLEN) == refused
    assert stocked.refusal(who, "endMany", 0, 0, 0, STOLEN) == refused


def test_end__beyond_the_tree(stocked: Depot) -> None:
    assert stocked.refusal("pharmacist", "end", PACKS, STOLEN) == error("NoSuchIndex", index=PACKS)


def test_end__by_another_than_the_holder(stocked: Depot) -> None:
    for who, number in (("maker", MAKER), ("wholesaler", WHOLESALER)):
        facts = {"batch": stocked.batch, "member": number, "holder": PHARMACY}
        assert stocked.refusal(who, "end", 0, STOLEN) == error("NotTheHolder", node=PACK, **facts)
        assert stocked.refusal(who, "endMany", CASE, 0, 1, STOLEN) == error("NotTheHolder", node=CASE, **facts)


def test_end__of_what_is_dispensed(stocked: Depot) -> None:
    # given
    stocked.dispense("pharmacist", 0)

    # when
    refused = stocked.refusal("pharmacist", "end", 0, STOLEN)

    # then
    assert refused == error("WrongStatus", batch=stocked.batch, index=0, status=DISPENSED)


@pytest.mark.parametrize("kind", ENDS)
def test_end__of_what_is_blocked_or_expired__but_for_export(stocked: Depot, kind: int) -> None:
    # given
    with stocked.chain.undone():
        stocked.block("pharmacist", CASE, BY_HOLDER)
        blocked = stocked.refusal("pharmacist", "end", 0, kind)
    stocked.chain.at(stocked.goods.expiry)
    expired = stocked.refusal("pharmacist", "end", 0, kind)
    masked = stocked.refusal("pharmacist", "endMany", CASE, 0, 1, kind)

    # then
    exporting = kind == EXPORTED
    assert blocked == (error("IsBlocked", batch=stocked.batch, blocks=BY_HOLDER) if exporting else None)
    assert (
        expired
        == masked
        == (error("IsExpired", batch=stocked.batch, expiry=stocked.goods.expiry) if exporting else None)
    )


@pytest.mark.parametrize("kind", ENDS)
def test_end_many__tells_and_is_final(stocked: Depot, kind: int) -> None:
    # when
    told = stocked.do("pharmacist", "endMany", NEXT_CASE, 0, 0b101 << 8, kind)

    # then
    arguments = {"batch": stocked.batch, "member": PHARMACY, "word": 0, "mask": 0b101 << 8, "end": kind}
    assert told == [Event("Ended", arguments)]
    assert stocked.word() == (0b101 << 8, 0b101 << 8)
    assert [stocked.status(index) for index in (8, 9, 10)] == [ENDED, IN_STOCK, ENDED]
    refused = error("WrongMask", batch=stocked.batch, case_=NEXT_CASE, mask=1 << 8, possible=0b1111_1010 << 8)
    assert stocked.refusal("pharmacist", "dispenseMany", NEXT_CASE, 0, 1 << 8) == refused


def test_end__opens_no_case(stocked: Depot) -> None:
    # given packs that ended one by one and by mask
    stocked.do("pharmacist", "end", 0, SAMPLED)
    stocked.do("pharmacist", "endMany", CASE, 0, 0b10, DESTROYED)

    # when
    stocked.hand("pharmacist", CASE, "wholesaler")

    # then the case moves on, and those stay ended
    assert stocked.place(CASE) == Place(WHOLESALER, PHARMACY, moves=2)
    assert [stocked.status(index) for index in (0, 1, 2)] == [ENDED, ENDED, IN_STOCK]


def test_end__of_a_pack_that_came_by_itself(depot: Depot) -> None:
    # given
    depot.hand("maker", PACK, "pharmacy")

    # when
    depot.do("pharmacist", "end", 0, RETURNED)

    # then
    assert (depot.status(0), depot.word()) == (ENDED, (1, 1))
    assert depot.node(PACK) == Node(PHARMACY, MAKER, moves=1)


def test_anchor_events__tells(depot: Depot) -> None:
    # when
    told = depot.send("pharmacist", "Batches", "anchorEvents", bytes([1]) * 32)

    # then
    assert told == [Event("EventsAnchored", {"member": PHARMACY, "root": bytes([1]) * 32})]


def test_anchor_events__refused(depot: Depot) -> None:
    for who in ("agency", "clerk", "stranger"):
        refused = depot.refused(who, "Batches", "anchorEvents", bytes(32))
        assert refused == error("NoStanding", account=depot.address(who))
    assert depot.refused("maker", "Batches", "anchorEvents", bytes(32)) == error("NoRoot")

"""Taking a dispensed pack back into stock: by whom, how long, and what stands in the way."""

import pytest
from batches_depot import (
    BY_HOLDER,
    BY_MAKER,
    CASE,
    DAY,
    DISPENSE_FOR,
    DISPENSED,
    ENDED,
    FILL_FOR,
    IN_STOCK,
    MAKER,
    NOBODY,
    PACK,
    PALLET,
    PHARMACY,
    REASON,
    RIVAL,
    STOLEN,
    WHOLESALER,
    Depot,
    Node,
    error,
)
from pack_tree import BATCH, PACKS
from signature_cases import Event
from signature_stage import Refusal


@pytest.fixture
def dispensed(depot: Depot) -> Depot:
    """The depot where the pharmacy holds the first pallet and dispensed its first pack."""
    depot.hand("maker", PALLET, "pharmacy")
    depot.dispense("pharmacist", 0)
    return depot


def test_undo__tells_and_puts_the_pack_back(dispensed: Depot) -> None:
    # when someone else of the same pharmacy takes it back
    told = dispensed.do("pharmacy", "undo", 0)

    # then
    actor = dispensed.address("pharmacy")
    assert told == [Event("Undone", {"batch": dispensed.batch, "member": PHARMACY, "actor": actor, "index": 0})]
    assert (dispensed.status(0), dispensed.word()) == (IN_STOCK, (0, 0))
    assert dispensed.node(CASE).opened
    dispensed.dispense("pharmacist", 0)
    assert dispensed.status(0) == DISPENSED


def test_undo__of_a_pack_by_itself(depot: Depot) -> None:
    # given
    depot.hand("maker", PACK, "pharmacy")
    depot.dispense("pharmacist", 0)

    # when
    depot.do("pharmacist", "undo", 0)

    # then it can end like any other, which is not to be mistaken for having been dispensed
    assert depot.node(PACK) == Node(PHARMACY, MAKER, moves=1, last_dispensed=depot.midnight(0))
    assert depot.status(0) == IN_STOCK
    depot.do("pharmacist", "end", 0, STOLEN)
    assert depot.status(0) == ENDED


def test_undo__of_a_pack_that_was_taken_back_and_ended(depot: Depot) -> None:
    # given a pack by itself, whose last day of dispensing still stands in its slot
    depot.hand("maker", PACK, "pharmacy")
    depot.dispense("pharmacist", 0)
    depot.do("pharmacist", "undo", 0)
    depot.do("pharmacist", "end", 0, STOLEN)

    # when, then
    refused = error("WrongStatus", batch=depot.batch, index=0, status=ENDED)
    assert depot.refusal("pharmacist", "undo", 0) == refused


def test_undo__of_a_pack_that_went_by_mask(depot: Depot) -> None:
    # given
    depot.hand("maker", CASE, "pharmacy")
    depot.do("pharmacist", "dispenseMany", CASE, 0, 0b1111)

    # when
    depot.do("pharmacist", "undo", 2)

    # then
    assert depot.word() == (0b1011, 0)


@pytest.mark.parametrize("who", ["maker", "wholesaler", "agency", "hospital", "clerk", "stranger"])
def test_undo__by_no_pharmacist(dispensed: Depot, who: str) -> None:
    assert dispensed.refusal(who, "undo", PACKS) == error("NoStanding", account=dispensed.address(who))


def test_undo__beyond_the_tree(dispensed: Depot) -> None:
    assert dispensed.refusal("pharmacist", "undo", PACKS) == error("NoSuchIndex", index=PACKS)


def test_undo__by_another_pharmacy(dispensed: Depot) -> None:
    refused = error("NotTheHolder", batch=dispensed.batch, node=PACK, member=RIVAL, holder=PHARMACY)

    assert dispensed.refusal("rival", "undo", 0) == refused


def test_undo__after_a_handoff__by_who_took_the_rest(dispensed: Depot) -> None:
    # given the rest of the pallet went to another pharmacy, and then the rest of the opened case, pack by pack
    dispensed.hand("pharmacist", PALLET, "rival")
    dispensed.hand("pharmacist", PACK + 1, "rival")

    # when
    by_rival = dispensed.refusal("rival", "undo", 0)
    of_moved = dispensed.refusal("rival", "undo", 1)

    # then
    assert by_rival == error("NotTheHolder", batch=dispensed.batch, node=PACK, member=RIVAL, holder=PHARMACY)
    assert of_moved == error("WrongStatus", batch=dispensed.batch, index=1, status=IN_STOCK)
    assert dispensed.refusal("pharmacist", "undo", 0) is None


def test_undo__after_a_handoff__a_pack_taken_back_and_given_on_is_no_longer_the_pharmacy_s(dispensed: Depot) -> None:
    # given
    dispensed.do("pharmacist", "undo", 0)
    dispensed.hand("pharmacist", PACK, "rival")
    dispensed.dispense("rival", 0)

    # when
    refused = dispensed.refusal("pharmacist", "undo", 0)

    # then
    assert refused == error("NotTheHolder", batch=dispensed.batch, node=PACK, member=PHARMACY, holder=RIVAL)


def test_undo__of_what_was_not_dispensed(dispensed: Depot) -> None:
    # given
    dispensed.do("pharmacist", "end", 1, STOLEN)

    for index, status in ((1, ENDED), (2, IN_STOCK)):
        refused = error("WrongStatus", batch=dispensed.batch, index=index, status=status)
        assert dispensed.refusal("pharmacist", "undo", index) == refused


def test_undo__twice(dispensed: Depot) -> None:
    # given
    dispensed.do("pharmacist", "undo", 0)

    # when
    refused = dispensed.refusal("pharmacist", "undo", 0)

    # then
    assert refused == error("WrongStatus", batch=dispensed.batch, index=0, status=IN_STOCK)


@pytest.mark.parametrize("node", [BATCH, PALLET, CASE])
def test_undo__of_what_was_blocked_meanwhile(dispensed: Depot, node: int) -> None:
    # given
    dispensed.block("maker", node, BY_MAKER)

    # when
    refused = dispensed.refusal("pharmacist", "undo", 0)

    # then
    assert refused == error("IsBlocked", batch=dispensed.batch, blocks=BY_MAKER)


def test_undo__of_what_expired_meanwhile(depot: Depot) -> None:
    # given
    depot.hand("maker", PALLET, "pharmacy")
    depot.chain.at(depot.goods.expiry - DAY)
    depot.dispense("pharmacist", 0)

    # when
    depot.chain.at(depot.goods.expiry)

    # then
    assert depot.refusal("pharmacist", "undo", 0) == error("IsExpired", batch=depot.batch, expiry=depot.goods.expiry)


@pytest.mark.parametrize("node", [PALLET, PACK])
def test_undo__until_the_tenth_day_after(depot: Depot, node: int) -> None:
    # given a pack out of a case, or by itself, and the first second that is too late: ten whole days after its own
    depot.hand("maker", node, "pharmacy")
    depot.dispense("pharmacist", 0)
    until = depot.midnight(11)

    # when
    depot.chain.at(until - 1)
    last = depot.refusal("pharmacist", "undo", 0)
    depot.chain.at(until)
    late = depot.refusal("pharmacist", "undo", 0)

    # then
    assert (last, late) == (None, error("TooLate", batch=depot.batch, index=0, until=until))


def test_undo__counts_from_the_last_day_of_the_case(dispensed: Depot) -> None:
    # given: a case has one day for all of its packs
    dispensed.chain.at(dispensed.midnight(9))
    dispensed.dispense("pharmacist", 1)
    until = dispensed.midnight(11)

    # when
    dispensed.chain.at(until - 1)

    # then
    assert dispensed.refusal("pharmacist", "undo", 0) is None
    dispensed.chain.at(until)
    assert dispensed.refusal("pharmacist", "undo", 0) == error("TooLate", batch=dispensed.batch, index=0, until=until)


# -- what was dispensed through a contract ---------------------------------------------------------------------------


@pytest.fixture
def claimed(depot: Depot) -> Depot:
    """The depot where the carrier, which stands for a contract that adjudicates, dispensed the first pack."""
    depot.hand("maker", PALLET, "pharmacy")
    depot.let("pharmacy", depot.contracts.carrier.address, DISPENSE_FOR)
    carry(depot, "dispenseFor", depot.address("pharmacist"), depot.batch, *depot.goods.proof(0))
    return depot


def carry(depot: Depot, function: str, *arguments: object) -> list[Event]:
    call = depot.call("Batches", function, *arguments)
    return depot.send("stranger", "Carrier", "carry", [(call.address, depot.data(call))])


def refusal_through(depot: Depot, function: str, *arguments: object) -> Refusal | None:
    """By what error of Batches the carrier is refused."""
    call = depot.call("Batches", function, *arguments)
    refused = depot.refused("stranger", "Carrier", "carry", [(call.address, depot.data(call))])
    return refused and depot.read("Batches", refused.facts["reason"])


def test_claimed__is_taken_back_by_its_operator(claimed: Depot) -> None:
    # when
    told = carry(claimed, "undoFor", claimed.address("pharmacist"), claimed.batch, 0)

    # then it is claimed no more
    carrier = claimed.contracts.carrier.address
    assert told == [Event("Undone", {"batch": claimed.batch, "member": PHARMACY, "actor": carrier, "index": 0})]
    assert (claimed.status(0), claimed.claimed(0)) == (IN_STOCK, NOBODY)
    claimed.dispense("pharmacist", 0)
    assert claimed.claimed(0) == NOBODY
    assert claimed.refusal("pharmacist", "undo", 0) is None


@pytest.mark.parametrize("who", ["pharmacist", "pharmacy", "rival"])
def test_claimed__is_undone_by_no_pharmacist(claimed: Depot, who: str) -> None:
    carrier = claimed.contracts.carrier.address

    assert claimed.refusal(who, "undo", 0) == error("IsClaimed", batch=claimed.batch, index=0, operator=carrier)


def test_claimed__is_undone_by_no_other_operator(claimed: Depot) -> None:
    # given another contract that the pharmacy lets dispense: the cold chain's address, asked from
    other = claimed.contracts.coldchain.address
    claimed.let("pharmacy", other, DISPENSE_FOR)
    carrier = claimed.contracts.carrier.address
    arguments = (claimed.address("pharmacist"), claimed.batch, 0)

    # when
    refused = claimed.refused_from(other, "Batches", "undoFor", *arguments)

    # then
    assert refused == error("IsClaimed", batch=claimed.batch, index=0, operator=carrier)


def test_claimed__what_was_not_is_not_undone_by_an_operator(claimed: Depot) -> None:
    # given
    claimed.dispense("pharmacist", 1)

    # when
    refused = refusal_through(claimed, "undoFor", claimed.address("pharmacist"), claimed.batch, 1)

    # then
    assert refused == error("IsClaimed", batch=claimed.batch, index=1, operator=NOBODY)


def test_undo_for__by_who_is_no_operator(claimed: Depot) -> None:
    # given
    pharmacist, carrier = claimed.address("pharmacist"), claimed.contracts.carrier.address
    for who in ("pharmacist", "pharmacy", "stranger"):
        refused = claimed.refused(who, "Batches", "undoFor", pharmacist, claimed.batch, 0)
        assert refused == error("NotAnOperator", sender=claimed.address(who), member=PHARMACY)

    # when the pharmacy lets the carrier do other things only
    claimed.let("pharmacy", carrier, FILL_FOR)

    # then
    refused = refusal_through(claimed, "undoFor", pharmacist, claimed.batch, 0)
    assert refused == error("NotAnOperator", sender=carrier, member=PHARMACY)


def test_undo_for__for_another_pharmacy_s_pharmacist(claimed: Depot) -> None:
    # given
    claimed.let("rival", claimed.contracts.carrier.address, DISPENSE_FOR)

    # when
    refused = refusal_through(claimed, "undoFor", claimed.address("rival"), claimed.batch, 0)
    nobody = refusal_through(claimed, "undoFor", claimed.address("clerk"), claimed.batch, 0)

    # then
    assert refused == error("NotTheHolder", batch=claimed.batch, node=PACK, member=RIVAL, holder=PHARMACY)
    assert nobody == error("NoStanding", account=claimed.address("clerk"))


def test_claimed__stays_a_dispensed_pack_whatever_its_holder_does(claimed: Depot) -> None:
    # given
    refused = error("WrongStatus", batch=claimed.batch, index=0, status=DISPENSED)

    # then
    for function, rest in (
        ("offer", (PACK, WHOLESALER, claimed.midnight(3), bytes(32))),
        ("withdraw", (PACK,)),
        ("quarantine", (PACK, BY_HOLDER, REASON)),
        ("end", (0, STOLEN)),
        ("dispense", claimed.goods.proof(0)),
    ):
        assert claimed.refusal("pharmacist", function, *rest) == refused

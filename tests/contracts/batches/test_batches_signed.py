"""Handoffs by the giver's signed offer; the signatures themselves are tested with all others (test_signatures.py)."""

from dataclasses import replace

import pytest
from batches_depot import (
    BY_MAKER,
    CASE,
    DAY,
    HAULIER,
    MAKER,
    NEXT_CASE,
    OFFER_WINDOW,
    PACK,
    PALLET,
    PHARMACY,
    SHEET,
    WHOLESALER,
    Depot,
    Node,
    Place,
    digest,
    error,
)
from pack_tree import BATCH
from signature_cases import Event


@pytest.mark.parametrize("node", [BATCH, PALLET, CASE, PACK])
def test_accept_by_sig__tells_and_hands_over(depot: Depot, node: int) -> None:
    # given an offer by someone of the maker's staff
    signed = depot.signed_offer("packer", node, "wholesaler")

    # when
    told = depot.accept_signed("wholesaler", signed)

    # then
    arguments = {
        "batch": depot.batch,
        "from": MAKER,
        "to": WHOLESALER,
        "node": node,
        "back": False,
        "rejoined": False,
        "sheet": SHEET,
        "missing": [],
    }
    assert told == [Event("HandedOver", arguments)]
    assert depot.node(node) == Node(holder=WHOLESALER, giver=MAKER, moves=1)
    assert depot.place(PACK) == Place(WHOLESALER, MAKER, moves=1)


@pytest.mark.parametrize("who", ["agency", "hospital", "clerk", "stranger"])
def test_accept_by_sig__by_who_has_nothing_to_do_with_goods(depot: Depot, who: str) -> None:
    signed = depot.signed_offer("maker", PALLET, "wholesaler", deadline=1)

    assert depot.refusal_of_signed(who, signed) == error("NoStanding", account=depot.address(who))


def test_accept_by_sig__by_another_than_it_is_for(depot: Depot) -> None:
    signed = depot.signed_offer("maker", PALLET, "wholesaler", deadline=1)

    refused = error("NotOffered", batch=depot.batch, node=PALLET, member=HAULIER)
    assert depot.refusal_of_signed("haulier", signed) == refused


def test_accept_by_sig__past_its_deadline_or_with_one_too_far(depot: Depot) -> None:
    # given
    now = depot.chain.now()
    latest = now + OFFER_WINDOW
    terms, _ = depot.signed_offer("maker", PALLET, "wholesaler")

    def refusal(deadline: int) -> object:
        changed = replace(terms, deadline=deadline)
        return depot.refusal_of_signed("wholesaler", (changed, depot.signature(changed, "stranger")))

    # then both are looked at before the signature
    assert refusal(now - 1) == error("SignatureExpired", deadline=now - 1)
    assert refusal(latest + 1) == error("DeadlineTooFar", deadline=latest + 1, latest=latest)
    assert refusal(now) == refusal(latest) == error("WrongSignature", signer=depot.address("maker"))


def test_accept_by_sig__signed_by_another(depot: Depot) -> None:
    # given
    terms, _ = depot.signed_offer("maker", PALLET, "wholesaler")
    forged = (terms, depot.signature(terms, "wholesaler"))

    # when
    refused = depot.refusal_of_signed("wholesaler", forged)

    # then
    assert refused == error("WrongSignature", signer=depot.address("maker"))


@pytest.mark.parametrize("who", ["clerk", "logger", "stranger"])
def test_accept_by_sig__signed_by_who_may_give_nothing(depot: Depot, who: str) -> None:
    # given staff of the holder that has nothing to do with goods, and nobody
    depot.hand("maker", PALLET, "pharmacy")
    signed = depot.signed_offer(who, PALLET, "wholesaler")

    # when
    refused = depot.refusal_of_signed("wholesaler", signed)

    # then
    assert refused == error("NoStanding", account=depot.address(who))


def test_accept_by_sig__from_a_giver_out_of_standing(depot: Depot) -> None:
    # given
    signed = depot.signed_offer("maker", PALLET, "wholesaler")
    depot.send("board", "Consortium", "suspend", MAKER, 1)

    # when
    refused = depot.refusal_of_signed("wholesaler", signed)

    # then
    assert refused == error("NoStanding", account=depot.address("maker"))


def test_accept_by_sig__to_oneself(depot: Depot) -> None:
    signed = depot.signed_offer("packer", PALLET, "maker")

    assert depot.refusal_of_signed("maker", signed) == error("WrongReceiver", to=MAKER)


def test_accept_by_sig__of_nothing(depot: Depot) -> None:
    # given
    nothing = digest("no batch")
    terms, _ = depot.signed_offer("maker", PALLET, "wholesaler")

    for changed, refused in (
        (replace(terms, batch=nothing), error("NoSuchBatch", batch=nothing)),
        (replace(terms, node=2), error("NoSuchNode", batch=depot.batch, node=2)),
    ):
        assert depot.refusal_of_signed("wholesaler", (changed, depot.signature(changed, "maker"))) == refused


def test_accept_by_sig__from_another_than_the_holder(depot: Depot) -> None:
    # given
    depot.hand("maker", PALLET, "haulier")
    signed = depot.signed_offer("maker", CASE, "wholesaler")

    # when
    refused = depot.refusal_of_signed("wholesaler", signed)

    # then
    assert refused == error("NotTheHolder", batch=depot.batch, node=CASE, member=MAKER, holder=HAULIER)


@pytest.mark.parametrize("moves", [0, 2, 2**32 - 1])
def test_accept_by_sig__for_another_count(depot: Depot, moves: int) -> None:
    # given
    depot.do("maker", "withdraw", PALLET)
    signed = depot.signed_offer("maker", PALLET, "wholesaler", moves=moves)

    # when
    refused = depot.refusal_of_signed("wholesaler", signed)

    # then
    assert refused == error("WrongMoves", moves=moves, current=1)


def test_accept_by_sig__while_it_is_offered_to_another(depot: Depot) -> None:
    # given
    signed = depot.signed_offer("maker", PALLET, "wholesaler")
    depot.offer("maker", PALLET, "haulier")

    # when
    refused = depot.refusal_of_signed("wholesaler", signed)

    # then, once that offer ended, the signed one counts still
    assert refused == error("UnderOffer", batch=depot.batch, node=PALLET)
    later = depot.signed_offer("maker", PALLET, "wholesaler", deadline=depot.chain.now() + 20 * DAY)
    depot.chain.at(depot.midnight(8))
    assert depot.refusal_of_signed("wholesaler", later) is None


def test_accept_by_sig__while_it_is_offered_to_the_same(depot: Depot) -> None:
    # given
    signed = depot.signed_offer("maker", PALLET, "wholesaler")
    depot.offer("maker", PALLET, "wholesaler")

    # when
    depot.accept_signed("wholesaler", signed)

    # then the other offer is over
    refused = error("NotOffered", batch=depot.batch, node=PALLET, member=WHOLESALER)
    assert depot.refusal("wholesaler", "accept", PALLET, []) == refused


@pytest.mark.parametrize("carrying", [BATCH, PALLET])
def test_accept_by_sig__while_what_carries_it_is_under_offer(depot: Depot, carrying: int) -> None:
    # given
    signed = depot.signed_offer("maker", CASE, "wholesaler")
    depot.offer("maker", carrying, "wholesaler")

    # when
    refused = depot.refusal_of_signed("wholesaler", signed)

    # then
    assert refused == error("UnderOffer", batch=depot.batch, node=CASE)


def test_accept_by_sig__of_what_may_not_go_on(depot: Depot) -> None:
    # given a case that was opened, and one that is blocked
    depot.hand("maker", PALLET, "pharmacy")
    depot.dispense("pharmacist", 0)
    depot.block("maker", NEXT_CASE, BY_MAKER)

    for node, refused in (
        (CASE, error("IsOpened", batch=depot.batch, node=CASE)),
        (PACK, error("WrongStatus", batch=depot.batch, index=0, status=1)),
        (NEXT_CASE, error("IsBlocked", batch=depot.batch, blocks=BY_MAKER)),
    ):
        signed = depot.signed_offer("pharmacist", node, "haulier")
        assert depot.refusal_of_signed("haulier", signed) == refused


def test_accept_by_sig__of_expired_goods__only_back(depot: Depot) -> None:
    # given
    depot.hand("maker", PALLET, "wholesaler")
    depot.chain.at(depot.goods.expiry)

    # when
    sideways = depot.refusal_of_signed("haulier", depot.signed_offer("wholesaler", PALLET, "haulier"))
    back = depot.refusal_of_signed("maker", depot.signed_offer("wholesaler", PALLET, "maker"))

    # then
    assert sideways == error("IsExpired", batch=depot.batch, expiry=depot.goods.expiry)
    assert back is None


# -- worth nothing any more ------------------------------------------------------------------------------------------


def test_signed_offer__twice(depot: Depot) -> None:
    # given
    signed = depot.signed_offer("maker", PALLET, "wholesaler")
    depot.accept_signed("wholesaler", signed)

    # when
    refused = depot.refusal_of_signed("wholesaler", signed)

    # then
    assert refused == error("NotTheHolder", batch=depot.batch, node=PALLET, member=MAKER, holder=WHOLESALER)


@pytest.mark.parametrize("node", [PALLET, CASE, PACK])
def test_signed_offer__replayed_after_a_give_back(depot: Depot, node: int) -> None:
    # given goods that went out by a signed offer, and came back
    signed = depot.signed_offer("maker", node, "wholesaler")
    depot.accept_signed("wholesaler", signed)
    depot.hand("wholesaler", node, "maker")

    # when
    refused = depot.refusal_of_signed("wholesaler", signed)

    # then
    assert refused == error("WrongMoves", moves=0, current=2)


def test_signed_offer__of_a_part_replayed_after_the_whole_went_and_came_back(depot: Depot) -> None:
    # given
    signed = depot.signed_offer("maker", CASE, "wholesaler")
    depot.hand("maker", PALLET, "haulier")
    gone = depot.refusal_of_signed("wholesaler", signed)

    # when
    depot.hand("haulier", PALLET, "maker")

    # then
    assert gone == error("NotTheHolder", batch=depot.batch, node=CASE, member=MAKER, holder=HAULIER)
    assert depot.refusal_of_signed("wholesaler", signed) == error("WrongMoves", moves=0, current=2)


def test_signed_offer__of_a_part_that_left_and_rejoined_what_had_moved(depot: Depot) -> None:
    # given a wholesaler's case that went to the haulier and back, by which its count must not come to an old one
    depot.hand("maker", PALLET, "wholesaler")
    used = depot.signed_offer("wholesaler", CASE, "haulier")
    depot.accept_signed("haulier", used)
    depot.hand("haulier", CASE, "wholesaler")
    assert depot.place(CASE) == Place(WHOLESALER, MAKER, moves=3)

    # when
    counts = [depot.place(CASE).moves]
    for _ in range(3):
        depot.do("wholesaler", "withdraw", PALLET)
        counts.append(depot.place(CASE).moves)
        depot.hand("wholesaler", CASE, "haulier")
        counts.append(depot.place(CASE).moves)
        depot.hand("haulier", CASE, "wholesaler")
        counts.append(depot.place(CASE).moves)

    # then it counts on by one at a time, and the offer stays used up
    assert counts == list(range(3, 13))
    assert depot.refusal_of_signed("haulier", used) == error("WrongMoves", moves=1, current=12)


@pytest.mark.parametrize("node", [BATCH, PALLET, CASE])
def test_signed_offer__withdrawn(depot: Depot, node: int) -> None:
    # given
    signed = depot.signed_offer("maker", CASE, "wholesaler")

    # when the holder takes back what it offered of the case, or of what carries it
    depot.do("maker", "withdraw", node)

    # then
    assert depot.refusal_of_signed("wholesaler", signed) == error("WrongMoves", moves=0, current=1)


def test_signed_offer__stands_while_packs_beside_are_dispensed(depot: Depot) -> None:
    # given a pack that the pharmacy offers out of its case
    depot.hand("maker", PALLET, "pharmacy")
    signed = depot.signed_offer("pharmacist", PACK, "haulier")

    # when it opens the case for others
    depot.dispense("pharmacist", 1)
    depot.do("pharmacist", "dispenseMany", CASE, 0, 0b1100)

    # then
    assert depot.place(PACK) == Place(PHARMACY, MAKER, moves=1)
    assert depot.refusal_of_signed("haulier", signed) is None

"""Quarantines, excursions and recalls: who sets them, who lifts them, what they concern, and that nothing carries
blocked goods on."""

import pytest
from batches_depot import (
    AGENCY,
    BY_HOLDER,
    BY_MAKER,
    BY_REGULATOR,
    CASE,
    COPYCAT,
    DISPENSED,
    EXCURSION,
    HAULIER,
    MAKER,
    NEXT_CASE,
    NEXT_PALLET,
    NO_SHEET,
    PACK,
    PALLET,
    PHARMACY,
    REASON,
    RECALL,
    REPORT_EXCURSION_FOR,
    RIVAL,
    STOLEN,
    WHOLESALER,
    Depot,
    Node,
    Place,
    digest,
    error,
)
from pack_tree import BATCH, PACKS, above
from signature_cases import Event

WHO = {BY_HOLDER: "pharmacist", BY_MAKER: "packer", BY_REGULATOR: "agency"}
MEMBER = {BY_HOLDER: PHARMACY, BY_MAKER: MAKER, BY_REGULATOR: AGENCY}


@pytest.fixture
def stocked(depot: Depot) -> Depot:
    """The depot where the pharmacy holds the first pallet, by way of the wholesaler."""
    depot.hand("maker", PALLET, "wholesaler")
    depot.hand("wholesaler", PALLET, "pharmacy")
    return depot


def report(depot: Depot, member: int, node: int) -> list[Event]:
    """What a contract does that the member lets report excursions."""
    call = depot.call("Batches", "reportExcursion", member, depot.batch, node, REASON)
    return depot.send("stranger", "Carrier", "carry", [(call.address, depot.data(call))])


def let_report(depot: Depot, member: str = "pharmacy") -> None:
    depot.let(member, depot.contracts.carrier.address, REPORT_EXCURSION_FOR)


# -- quarantine and release ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("node", [PALLET, CASE, PACK])
@pytest.mark.parametrize("block", WHO)
def test_quarantine__tells_and_blocks_all_below(stocked: Depot, block: int, node: int) -> None:
    # when
    told = stocked.block(WHO[block], node, block)

    # then the part stays with its holder under its own name
    arguments = {
        "batch": stocked.batch,
        "member": MEMBER[block],
        "node": node,
        "block_": block,
        "reason": REASON,
    }
    assert told == [Event("Blocked", arguments)]
    assert stocked.node(node) == Node(PHARMACY, WHOLESALER, moves=2, blocks=block)
    assert stocked.place(node) == stocked.place(PACK) == Place(PHARMACY, WHOLESALER, moves=2, blocks=block)
    assert stocked.place(above(63, 0)).blocks == (block if node == PALLET else 0)
    assert stocked.place(NEXT_PALLET) == stocked.place(BATCH) == Place(MAKER, MAKER)
    assert stocked.word() == (0, 1 if node == PACK else 0)


@pytest.mark.parametrize("node", [PALLET, CASE, PACK])
@pytest.mark.parametrize("block", WHO)
def test_release__tells_and_unblocks(stocked: Depot, block: int, node: int) -> None:
    # given
    stocked.block(WHO[block], node, block)

    # when
    told = stocked.do(WHO[block], "release", node, block, 9)

    # then
    arguments = {"batch": stocked.batch, "member": MEMBER[block], "node": node, "block_": block, "reason": 9}
    assert told == [Event("Released", arguments)]
    assert stocked.node(node) == Node(PHARMACY, WHOLESALER, moves=2)
    assert stocked.refusal("pharmacist", "dispense", *stocked.goods.proof(0)) is None


@pytest.mark.parametrize("block", [0, EXCURSION, RECALL, BY_HOLDER | BY_MAKER, 1 << 5, 1 << 7, 0xFF])
def test_quarantine__with_what_is_not_one_block_for_it(depot: Depot, block: int) -> None:
    refused = error("WrongBlock", block_=block)

    assert depot.refusal("maker", "quarantine", 0, block, REASON) == refused
    if block != EXCURSION:
        assert depot.refusal("maker", "release", 0, block, REASON) == refused


@pytest.mark.parametrize("function", ["quarantine", "release"])
def test_block__of_nothing(depot: Depot, function: str) -> None:
    # given
    nothing = digest("no batch")

    # when
    no_batch = depot.refused("stranger", "Batches", function, nothing, 1, BY_MAKER, REASON)
    no_node = depot.refusal("stranger", function, 2, BY_MAKER, REASON)

    # then
    assert no_batch == error("NoSuchBatch", batch=nothing)
    assert no_node == error("NoSuchNode", batch=depot.batch, node=2)


@pytest.mark.parametrize("function", ["quarantine", "release"])
def test_block__by_each_authority_only(stocked: Depot, function: str) -> None:
    # given each block set already, so that only the authority is in question
    for block, who in WHO.items():
        stocked.block(who, CASE, block)
    batch = stocked.batch

    for who, number in (("maker", MAKER), ("wholesaler", WHOLESALER), ("rival", RIVAL)):
        refused = error("NotTheHolder", batch=batch, node=CASE, member=number, holder=PHARMACY)
        assert stocked.refusal(who, function, CASE, BY_HOLDER, REASON) == refused
    for who in ("agency", "clerk", "logger", "stranger"):
        refused = error("NoStanding", account=stocked.address(who))
        assert stocked.refusal(who, function, CASE, BY_HOLDER, REASON) == refused
    for who in ("pharmacist", "wholesaler", "copycat", "agency", "stranger"):
        refused = error("NotTheMaker", batch=batch, account=stocked.address(who), maker=MAKER)
        assert stocked.refusal(who, function, CASE, BY_MAKER, REASON) == refused
    for who in ("pharmacist", "wholesaler", "maker", "copycat", "hospital", "stranger"):
        refused = error("NoStanding", account=stocked.address(who))
        assert stocked.refusal(who, function, CASE, BY_REGULATOR, REASON) == refused


def test_release__each_its_own_and_no_other(stocked: Depot) -> None:
    # given
    for block, who in WHO.items():
        stocked.block(who, CASE, block)

    # when
    stocked.do("maker", "release", CASE, BY_MAKER, REASON)

    # then
    assert stocked.place(CASE).blocks == BY_HOLDER | BY_REGULATOR
    assert stocked.refusal("maker", "release", CASE, BY_MAKER, REASON) == error("WrongBlock", block_=BY_MAKER)


def test_release__of_what_is_blocked_above_only(stocked: Depot) -> None:
    # given
    stocked.block("pharmacist", PALLET, BY_HOLDER)

    # when
    refused = stocked.refusal("pharmacist", "release", CASE, BY_HOLDER, REASON)

    # then
    assert refused == error("WrongBlock", block_=BY_HOLDER)


def test_quarantine__of_a_pack_that_is_gone(stocked: Depot) -> None:
    # given
    stocked.dispense("pharmacist", 0)
    stocked.do("pharmacist", "end", 1, STOLEN)
    let_report(stocked)

    for index, status in ((0, DISPENSED), (1, 2)):
        node, refused = above(index, 0), error("WrongStatus", batch=stocked.batch, index=index, status=status)
        assert stocked.refusal("agency", "quarantine", node, BY_REGULATOR, REASON) == refused
        assert stocked.refusal("maker", "recall", node, REASON) == refused
        carrier = stocked.contracts.carrier.address
        arguments = (PHARMACY, stocked.batch, node, REASON)
        assert stocked.refused_from(carrier, "Batches", "reportExcursion", *arguments) == refused


# -- excursions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("node", [PALLET, CASE, PACK])
def test_report_excursion__tells_and_blocks(stocked: Depot, node: int) -> None:
    # given
    let_report(stocked)

    # when
    told = report(stocked, PHARMACY, node)

    # then
    arguments = {
        "batch": stocked.batch,
        "member": PHARMACY,
        "node": node,
        "block_": EXCURSION,
        "reason": REASON,
    }
    assert told == [Event("Blocked", arguments)]
    assert stocked.place(node) == Place(PHARMACY, WHOLESALER, moves=2, blocks=EXCURSION)


def test_report_excursion__by_who_is_no_operator(stocked: Depot) -> None:
    # given the pharmacy's own people, the cold chain that was let do nothing, and a contract let do something else
    carrier, coldchain = stocked.contracts.carrier.address, stocked.contracts.coldchain.address
    stocked.let("pharmacy", carrier, 0xFF ^ REPORT_EXCURSION_FOR)
    arguments = (PHARMACY, stocked.batch, 0, REASON)

    for address in (*map(stocked.address, ("pharmacist", "pharmacy", "logger", "stranger")), carrier, coldchain):
        refused = error("NotAnOperator", sender=address, member=PHARMACY)
        assert stocked.refused_from(address, "Batches", "reportExcursion", *arguments) == refused


def test_report_excursion__for_a_member_out_of_standing(stocked: Depot) -> None:
    # given
    let_report(stocked)
    stocked.send("board", "Consortium", "suspend", PHARMACY, 1)
    carrier = stocked.contracts.carrier.address

    # when
    refused = stocked.refused_from(carrier, "Batches", "reportExcursion", PHARMACY, stocked.batch, CASE, REASON)

    # then
    assert refused == error("NotAnOperator", sender=carrier, member=PHARMACY)


def test_report_excursion__of_what_the_member_does_not_hold(stocked: Depot) -> None:
    # given
    let_report(stocked, "rival")
    carrier = stocked.contracts.carrier.address

    # when
    refused = stocked.refused_from(carrier, "Batches", "reportExcursion", RIVAL, stocked.batch, CASE, REASON)

    # then
    assert refused == error("NotTheHolder", batch=stocked.batch, node=CASE, member=RIVAL, holder=PHARMACY)


def test_excursion__is_cleared_by_the_maker_alone(stocked: Depot) -> None:
    # given
    let_report(stocked)
    report(stocked, PHARMACY, CASE)

    for who in ("pharmacist", "wholesaler", "copycat", "agency", "stranger"):
        refused = error("NotTheMaker", batch=stocked.batch, account=stocked.address(who), maker=MAKER)
        assert stocked.refusal(who, "release", CASE, EXCURSION, REASON) == refused

    stocked.do("maker", "release", CASE, EXCURSION, REASON)
    assert stocked.place(CASE) == Place(PHARMACY, WHOLESALER, moves=2)


# -- recalls ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "member"), [("packer", MAKER), ("agency", AGENCY)])
@pytest.mark.parametrize("node", [BATCH, PALLET, CASE, PACK])
def test_recall__tells_and_concerns_all_below_whoever_holds_it(
    stocked: Depot, node: int, who: str, member: int
) -> None:
    # given a case and a pack that went on to others
    stocked.hand("pharmacist", NEXT_CASE, "rival")
    stocked.hand("pharmacist", PACK, "haulier")

    # when
    told = stocked.do(who, "recall", node, REASON)

    # then
    arguments = {"batch": stocked.batch, "member": member, "node": node, "block_": RECALL, "reason": REASON}
    assert told == [Event("Blocked", arguments)]
    assert stocked.place(PACK) == Place(HAULIER, PHARMACY, moves=3, blocks=RECALL)
    assert stocked.place(CASE).blocks == (0 if node == PACK else RECALL)
    assert stocked.place(NEXT_CASE).blocks == (0 if node in (CASE, PACK) else RECALL)
    assert stocked.place(above(64, 0)).blocks == (RECALL if node == BATCH else 0)


@pytest.mark.parametrize("who", ["pharmacist", "wholesaler", "copycat", "hospital", "clerk", "stranger"])
def test_recall__by_neither_its_maker_nor_a_regulator(stocked: Depot, who: str) -> None:
    refused = error("NoStanding", account=stocked.address(who))

    assert stocked.refusal(who, "recall", BATCH, REASON) == refused


def test_recall__of_nothing(depot: Depot) -> None:
    # given
    nothing = digest("no batch")

    for function in ("recall", "liftRecall"):
        refused = depot.refused("agency", "Batches", function, nothing, BATCH, REASON)
        assert refused == error("NoSuchBatch", batch=nothing)
        assert depot.refusal("agency", function, 3, REASON) == error("NoSuchNode", batch=depot.batch, node=3)


@pytest.mark.parametrize("node", [BATCH, PALLET, CASE, PACK])
def test_lift_recall__tells_and_lifts(stocked: Depot, node: int) -> None:
    # given
    stocked.do("maker", "recall", node, REASON)

    # when
    told = stocked.do("agency", "liftRecall", node, 9)

    # then
    arguments = {"batch": stocked.batch, "member": AGENCY, "node": node, "block_": RECALL, "reason": 9}
    assert told == [Event("Released", arguments)]
    assert stocked.place(PACK).blocks == 0


@pytest.mark.parametrize("who", ["wholesaler", "pharmacist", "maker", "copycat", "haulier", "stranger"])
def test_lift_recall__by_a_distributor_or_any_other_than_a_regulator(depot: Depot, who: str) -> None:
    # given goods that a distributor holds
    depot.hand("maker", PALLET, "wholesaler")
    depot.do("maker", "recall", PALLET, REASON)
    refused = error("NoStanding", account=depot.address(who))

    # then neither by the act for it nor by releasing
    assert depot.refusal(who, "liftRecall", PALLET, REASON) == refused
    assert depot.refusal(who, "release", PALLET, RECALL, REASON) == error("WrongBlock", block_=RECALL)


def test_lift_recall__of_what_is_not_recalled(depot: Depot) -> None:
    # given
    depot.block("agency", CASE, BY_REGULATOR)

    assert depot.refusal("agency", "liftRecall", CASE, REASON) == error("WrongBlock", block_=RECALL)


def test_recall__is_lifted_by_no_way_that_goods_take(stocked: Depot) -> None:
    # given a recalled case
    stocked.do("maker", "recall", CASE, REASON)

    # when it goes back to the giver, to the maker, with a pack missing, with the pack after it
    stocked.hand("pharmacist", CASE, "wholesaler", missing=[above(1, 0)])
    stocked.hand("wholesaler", CASE, "maker")
    stocked.hand("pharmacist", above(1, 0), "maker")

    # then
    assert stocked.place(CASE) == Place(MAKER, 0, moves=4, blocks=RECALL)
    assert [stocked.place(above(index, 0)).blocks for index in range(8)] == [RECALL] * 8
    for index in (0, 1):
        refused = error("IsBlocked", batch=stocked.batch, blocks=RECALL)
        offered = stocked.refusal("maker", "offer", above(index, 0), WHOLESALER, stocked.midnight(3), NO_SHEET)
        assert offered == refused


# -- what a holder's word concerns -----------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [BY_HOLDER, EXCURSION])
@pytest.mark.parametrize("node", [BATCH, PALLET])
def test_holder_s_block__touches_no_case_that_left_before(depot: Depot, node: int, block: int) -> None:
    # given
    depot.hand("maker", BATCH, "wholesaler")
    depot.hand("wholesaler", CASE, "pharmacy")
    depot.hand("wholesaler", above(8, 0), "pharmacy")

    # when
    if block == BY_HOLDER:
        depot.block("wholesaler", node, block)
    else:
        let_report(depot, "wholesaler")
        report(depot, WHOLESALER, node)

    # then
    assert depot.place(CASE) == depot.place(PACK) == Place(PHARMACY, WHOLESALER, moves=2)
    assert depot.place(above(8, 0)) == Place(PHARMACY, WHOLESALER, moves=2)
    assert depot.place(above(9, 0)) == Place(WHOLESALER, MAKER, moves=1, blocks=block)


def test_holder_s_block__of_a_case_touches_no_pack_that_left_before(stocked: Depot) -> None:
    # given
    stocked.hand("pharmacist", PACK, "rival")

    # when
    stocked.block("pharmacist", CASE, BY_HOLDER)

    # then
    assert stocked.place(PACK) == Place(RIVAL, PHARMACY, moves=3)
    assert stocked.refusal("rival", "dispense", *stocked.goods.proof(0)) is None


def test_holder_s_block__concerns_what_is_opened_only_by_its_own_name(stocked: Depot) -> None:
    # given a pallet with an opened case
    stocked.dispense("pharmacist", 0)

    # when
    stocked.block("pharmacist", PALLET, BY_HOLDER)
    by_pallet = stocked.place(CASE).blocks
    stocked.block("pharmacist", CASE, BY_HOLDER)

    # then
    assert (by_pallet, stocked.place(CASE).blocks) == (0, BY_HOLDER)


@pytest.mark.parametrize("block", [BY_HOLDER, EXCURSION])
def test_holder_s_block__goes_along_where_a_part_is_blocked_by_another(stocked: Depot, block: int) -> None:
    # given a part that takes its own name because the maker blocks it
    let_report(stocked)
    if block == BY_HOLDER:
        stocked.block("pharmacist", PALLET, block)
    else:
        report(stocked, PHARMACY, PALLET)

    # when
    stocked.block("maker", CASE, BY_MAKER)
    stocked.do("maker", "release", CASE, BY_MAKER, REASON)

    # then
    assert stocked.place(CASE) == Place(PHARMACY, WHOLESALER, moves=2, blocks=block)


# -- nothing blocked is carried on -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("whole", "part"), [(BATCH, PALLET), (BATCH, CASE), (BATCH, PACK), (PALLET, CASE), (PALLET, PACK), (CASE, PACK)]
)
def test_blocked__is_not_carried_on_by_what_it_lies_in(depot: Depot, part: int, whole: int) -> None:
    # given a part of what the wholesaler holds, recalled before or after the whole was offered
    for first in (True, False):
        with depot.chain.undone():
            depot.hand("maker", BATCH, "wholesaler")
            if first:
                depot.do("agency", "recall", part, REASON)
            depot.offer("wholesaler", whole, "haulier")
            if not first:
                depot.do("agency", "recall", part, REASON)

            # when
            depot.accept("haulier", whole)

            # then
            assert depot.place(whole).holder == HAULIER
            assert depot.place(part) == Place(WHOLESALER, MAKER, moves=1, blocks=RECALL)


def test_blocked__is_not_carried_on_where_it_was_released_since(stocked: Depot) -> None:
    # given a case that was set apart for a day
    stocked.block("pharmacist", CASE, BY_HOLDER)
    stocked.do("pharmacist", "release", CASE, BY_HOLDER, REASON)

    # when
    stocked.hand("pharmacist", PALLET, "haulier")
    stocked.hand("pharmacist", CASE, "haulier")

    # then it goes on by itself
    assert stocked.place(CASE) == Place(HAULIER, PHARMACY, moves=3)


def test_blocked__an_offer_of_before_counts_again_once_it_is_released(stocked: Depot) -> None:
    # given
    stocked.offer("pharmacist", CASE, "haulier")
    stocked.block("maker", CASE, BY_MAKER)
    refused = stocked.refusal("haulier", "accept", CASE, [])

    # when
    stocked.do("maker", "release", CASE, BY_MAKER, REASON)

    # then
    assert refused == error("IsBlocked", batch=stocked.batch, blocks=BY_MAKER)
    assert stocked.refusal("haulier", "accept", CASE, []) is None


@pytest.mark.parametrize("node", [CASE, PACK])
def test_quarantine__by_the_holder_of_a_part_of_what_it_offers(stocked: Depot, node: int) -> None:
    # given: what is blocked stays behind, and could be released and go elsewhere before the receiver answers
    stocked.offer("pharmacist", PALLET, "haulier")
    refused = stocked.refusal("pharmacist", "quarantine", node, BY_HOLDER, REASON)

    # when
    stocked.do("pharmacist", "withdraw", PALLET)

    # then
    assert refused == error("UnderOffer", batch=stocked.batch, node=node)
    assert stocked.refusal("pharmacist", "quarantine", node, BY_HOLDER, REASON) is None


def test_quarantine__by_the_maker_of_a_part_of_what_it_offers(depot: Depot) -> None:
    # given
    depot.offer("maker", PALLET, "haulier")

    for block in (BY_MAKER, BY_HOLDER):
        refused = depot.refusal("maker", "quarantine", CASE, block, REASON)
        assert refused == error("UnderOffer", batch=depot.batch, node=CASE)
    assert depot.refusal("agency", "quarantine", CASE, BY_REGULATOR, REASON) is None
    assert depot.refusal("maker", "recall", CASE, REASON) is None


def test_quarantine__by_the_maker_of_a_part_of_what_another_offers(stocked: Depot) -> None:
    # given
    stocked.offer("pharmacist", PALLET, "haulier")

    # when
    stocked.block("maker", CASE, BY_MAKER)
    stocked.accept("haulier", PALLET)

    # then it stays behind
    assert stocked.place(CASE) == Place(PHARMACY, WHOLESALER, moves=2, blocks=BY_MAKER)
    assert stocked.place(NEXT_CASE).holder == HAULIER


@pytest.mark.parametrize("node", [PALLET, CASE, PACK])
def test_quarantine__by_the_holder_of_what_it_offers_itself(stocked: Depot, node: int) -> None:
    # given: the offer of the part itself goes on, and cannot be taken
    stocked.offer("pharmacist", node, "haulier")

    # when
    stocked.block("pharmacist", node, BY_HOLDER)

    # then
    assert stocked.refusal("haulier", "accept", node, []) == error("IsBlocked", batch=stocked.batch, blocks=BY_HOLDER)


@pytest.mark.parametrize("node", [PALLET, CASE, PACK])
def test_sideways__what_is_blocked_goes_to_no_one_but_the_giver_and_the_maker(stocked: Depot, node: int) -> None:
    # given
    stocked.do("agency", "recall", node, REASON)
    refused = error("IsBlocked", batch=stocked.batch, blocks=RECALL)

    # when
    outcomes = {
        to: stocked.refusal("pharmacist", "offer", node, to, stocked.midnight(3), NO_SHEET)
        for to in (MAKER, COPYCAT, WHOLESALER, HAULIER, RIVAL, AGENCY, 99)
    }

    # then
    assert outcomes == {to: None if to in (MAKER, WHOLESALER) else refused for to in outcomes}


@pytest.mark.parametrize("node", [PALLET, CASE, PACK])
def test_sideways__what_was_given_back_does_not_go_out_again(stocked: Depot, node: int) -> None:
    # given
    stocked.do("agency", "recall", node, REASON)
    stocked.hand("pharmacist", node, "wholesaler")

    # when it holds it, whom may the wholesaler give it to
    outcomes = {
        to: stocked.refusal("wholesaler", "offer", node, to, stocked.midnight(3), NO_SHEET)
        for to in (MAKER, PHARMACY, HAULIER)
    }

    # then
    refused = error("IsBlocked", batch=stocked.batch, blocks=RECALL)
    assert outcomes == {MAKER: None, PHARMACY: refused, HAULIER: refused}


def test_sideways__what_is_expired_is_not_taken_under_another_giver(stocked: Depot) -> None:
    # given expired goods that went back once
    stocked.chain.at(stocked.goods.expiry)
    stocked.hand("pharmacist", CASE, "wholesaler")

    # when
    refused = stocked.refusal("wholesaler", "offer", CASE, PHARMACY, stocked.midnight(3), NO_SHEET)

    # then
    assert refused == error("IsExpired", batch=stocked.batch, expiry=stocked.goods.expiry)


def test_blocked__last_pack_of_all(depot: Depot) -> None:
    # given
    last = above(PACKS - 1, 0)

    # when
    depot.do("maker", "recall", last, REASON)

    # then
    assert depot.place(last).blocks == RECALL
    assert depot.place(last - 1).blocks == 0
    assert depot.word(4095) == (0, 1 << 255)

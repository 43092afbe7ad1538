"""A pharmacy's claim: one transaction takes the line, dispenses the pack, fills the line, decides and pays, or none."""

from dataclasses import replace

import pytest
from claims_desk import (
    NONE_USED,
    Counter,
    again,
    assessed,
    credited,
    decided,
    dispensing,
    later,
    paid,
    pended,
    query,
    resume,
    review,
    submitted,
    taken_back,
    unused,
    was_reversed,
)
from counting_house import (
    DAY,
    DECIDED,
    DISPENSE_FOR,
    FILL_FOR,
    FUNDS,
    INFUSION,
    NUMBERS,
    ODD,
    PILLS,
    REVERSED,
    REVIEW,
    SHOT,
    WIG,
    Covered,
    House,
    digest,
    error,
)
from pack_tree import PACKS
from real_anvil import BOARD, encoded
from signature_cases import Event

from theriac.cover.messages import Line, evidence_of
from theriac.medicine.messages import Take

PHARMACY, RIVAL = NUMBERS["pharmacy"], NUMBERS["rival"]
DISPENSED = 1
BEFORE_COVER, AFTER_COVER = 1 << 2, 1 << 3
HELD_FOR = DAY


@pytest.fixture
def counter(covered: Covered) -> Counter:
    return Counter(covered)


def broke(house: House) -> Counter:
    """A counter where the plan has no money."""
    plan = house.plan()
    house.publish(plan)
    house.enrol(plan.id)
    return Counter(Covered(house, plan))


def given(counter: Counter, index: int = 0, units: int = 1) -> list[Event]:
    """What is told of a pack that is given for the line."""
    house, claims = counter.house, counter.house.contract("Claims").address
    filled = {
        "prescription": counter.terms.id,
        "member": PHARMACY,
        "by": claims,
        "line": 0,
        "units": units,
        "evidence": digest("what was given"),
    }
    dispensed = {"batch": house.batch, "member": PHARMACY, "actor": claims, "index": index}
    return [Event("Dispensed", dispensed), Event("Filled", filled)]


def taken_back_into_stock(counter: Counter, index: int = 0, units: int = 1) -> list[Event]:
    house, claims = counter.house, counter.house.contract("Claims").address
    undone = {"batch": house.batch, "member": PHARMACY, "actor": claims, "index": index}
    unfilled = {"prescription": counter.terms.id, "member": PHARMACY, "by": claims, "line": 0, "units": units}
    return [Event("Undone", undone), Event("Unfilled", unfilled)]


# -- one transaction -------------------------------------------------------------------------------------------------


def test_dispense__all_in_one_transaction(counter: Counter) -> None:
    # given
    house, claim = counter.house, counter.claim()
    # when
    told = house.send("pharmacist", "Claims", "dispense", *dispensing(house, claim, counter.goods(), least=2_500))
    # then of 3,000 the patient pays the copay of 500
    taken = {"prescription": counter.terms.id, "member": PHARMACY, "lines": 1, "from": 0}
    assert told == [
        Event("Taken", {**taken, "ends": house.chain.now() + HELD_FOR}),
        *given(counter),
        submitted(claim, batch=house.batch),
        assessed(claim, [(0, 3_000, 0, 500, 0, 0, 2_500)], (0, 500, 2_500, 2_500), (0, 500, 2_500, 0)),
        decided(claim, 2_500, 500),
        paid(counter.plan, "pharmacy", 2_500),
        credited(house, "pharmacy", 2_500),
    ]
    assert (counter.is_in_stock(), counter.filled()) == (False, 1)


def test_dispense__a_line_that_the_pharmacy_holds__needs_no_word(counter: Counter) -> None:
    # given
    house, goods = counter.house, counter.goods()
    take, word = goods[4], goods[5]
    house.send("pharmacist", "Prescriptions", "take", take, word)
    # when
    settled = counter.dispense(counter.claim(), word=b"")
    # then
    assert house.state(settled.id)["paid"] == 2_500


def test_dispense__what_is_refused_at_the_end__leaves_nothing_behind(counter: Counter) -> None:
    # given a claim that gets less than the pharmacy accepts
    house, claim = counter.house, counter.claim()
    arguments = dispensing(house, claim, counter.goods(), least=2_501)
    assert house.refusal("pharmacist", "Claims", "dispense", *arguments) == error("BelowLeast", paid=2_500, least=2_501)
    # when
    call = house.contract("Claims").functions["dispense"](*arguments)
    receipt = house.chain.transact(house.account("pharmacist"), {"to": call.address, "data": encoded(call)})
    # then
    assert (receipt["status"], receipt["logs"]) == (0, [])
    assert (counter.is_in_stock(), counter.filled()) == (True, 0)
    assert house.ask("Prescriptions", "lineOf", counter.terms.id, 0)[1] == 0
    assert house.state(claim.id)["status"] == 0


# -- each part refused -----------------------------------------------------------------------------------------------


def test_dispense__by_no_pharmacist(counter: Counter) -> None:
    refused = counter.refusal(counter.claim(), counter.goods(), by="doctor")

    assert refused == error("NoStanding", account=counter.house.address("doctor"))


def test_dispense__for_another_pharmacy(counter: Counter) -> None:
    refused = counter.refusal(counter.claim(), counter.goods(), by="competitor")

    assert refused == error("NotTheProvider", member=RIVAL, provider=PHARMACY)


def test_dispense__with_an_earlier_payer(counter: Counter) -> None:
    refused = counter.refusal(counter.claim(primary=digest("primary")), counter.goods())

    assert refused == error("WrongPrimary", primary=digest("primary"))


@pytest.mark.parametrize(
    "lines",
    [(Line(PILLS.service, 0, 1, 3_000),) * 2, (Line(PILLS.service, 1005, 1, 3_000),)],
    ids=["two lines", "a day"],
)
def test_dispense__one_line_and_no_day(counter: Counter, lines: tuple[Line, ...]) -> None:
    refused = counter.refusal(replace(counter.claim(), lines=lines), counter.goods())

    assert refused == error("WrongLines", count=len(lines))


def test_dispense__another_line_than_was_filled(counter: Counter) -> None:
    # given a claim for the second line of the prescription
    claim = replace(counter.claim(), evidence=evidence_of(counter.terms.id, 1))
    # when
    refused = counter.refusal(claim, counter.goods())
    # then
    assert refused == error("WrongEvidence", evidence=evidence_of(counter.terms.id, 0))


def test_dispense__other_units_than_were_given(counter: Counter) -> None:
    refused = counter.refusal(counter.claim(units=2), counter.goods(units=1))

    assert refused == error("WrongLines", count=1)


def test_dispense__a_line_that_nobody_let_the_pharmacy_have(counter: Counter) -> None:
    refused = counter.refusal(counter.claim(), counter.goods(word=b""))

    assert refused == error("NotTheHolder", prescription=counter.terms.id, line=0, member=PHARMACY, holder=0)


def test_dispense__with_the_word_of_another(counter: Counter) -> None:
    # given
    house = counter.house
    take = Take(counter.terms, 1, 0, PHARMACY, 0, house.soon)
    # when
    refused = counter.refusal(counter.claim(), counter.goods(word=house.signature(take, "patient")))
    # then
    assert refused == error("WrongSignature", signer=house.address("bearer"))


def test_dispense__a_word_counts_once(counter: Counter) -> None:
    # given
    counter.dispense(counter.claim())
    # when
    refused = counter.refusal(again(counter.claim(), "again"), counter.goods(1, nonce=0))
    # then
    assert refused == error("WrongNonce", nonce=0, current=1)


def test_dispense__a_pack_that_another_holds(covered: Covered) -> None:
    # given a rival that has the line, and lets the contract act for it
    counter, house = Counter(covered), covered.house
    house.let("rival", "Claims", DISPENSE_FOR | FILL_FOR)
    take = Take(counter.terms, 1, 0, RIVAL, 0, house.soon)
    word = house.signature(take, "bearer")
    goods = counter.goods(take=(counter.terms.tuple, 1, 0, 0, take.deadline), word=word)
    # when
    refused = counter.refusal(counter.claim(provider=RIVAL), goods, by="competitor")
    # then
    assert refused == error("NotTheHolder", batch=house.batch, node=PACKS, member=RIVAL, holder=PHARMACY)


def test_dispense__a_pack_that_was_dispensed(counter: Counter) -> None:
    # given
    counter.dispense(counter.claim())
    # when
    refused = counter.refusal(again(counter.claim(), "again"), counter.goods(0, nonce=1))
    # then
    assert refused == error("WrongStatus", batch=counter.house.batch, index=0, status=DISPENSED)


def test_dispense__the_same_claim_again(counter: Counter) -> None:
    # given
    claim = counter.claim()
    counter.dispense(claim)
    # when
    refused = counter.refusal(claim, counter.goods(1, nonce=1))
    # then
    assert refused == error("WrongStatus", claim=claim.id, status=DECIDED)


def test_dispense__a_pack_that_is_not_of_the_batch(counter: Counter) -> None:
    refused = counter.refusal(counter.claim(), counter.goods(pack=digest("false pack")))

    assert refused == error("WrongProof", batch=counter.house.batch, index=0)


def test_dispense__a_line_that_was_cancelled(counter: Counter) -> None:
    # given a pharmacy that holds the line
    house, goods = counter.house, counter.goods()
    house.send("pharmacist", "Prescriptions", "take", goods[4], goods[5])
    house.send("doctor", "Prescriptions", "cancel", counter.terms.id, 1)
    # when
    refused = counter.refusal(counter.claim(), counter.goods(word=b""))
    # then
    assert refused == error("IsCancelled", prescription=counter.terms.id, line=0)


def test_dispense__a_word_for_a_line_that_was_cancelled(counter: Counter) -> None:
    # given
    counter.house.send("doctor", "Prescriptions", "cancel", counter.terms.id, 1)
    # when
    refused = counter.refusal(counter.claim(), counter.goods())
    # then
    assert refused == error("WrongLines", lines=1, cancelled=1)


@pytest.mark.parametrize(("days", "name"), [(10, "TooEarly"), (-100, "TooLate")])
def test_dispense__only_while_the_line_may_be_filled(covered: Covered, days: int, name: str) -> None:
    # given a line of 90 days that begins in ten days, and one that began a hundred days ago
    counter, house = Counter(covered), covered.house
    first = counter.lines[0]
    counter.lines = (replace(first, earliest=first.earliest + days * DAY, latest=first.latest + days * DAY),)
    counter.terms = house.prescribe(counter.lines, "another")
    # when
    refused = counter.refusal(counter.claim(), counter.goods())
    # then
    bound = {"earliest": counter.lines[0].earliest} if days > 0 else {"latest": counter.lines[0].latest}
    assert refused == error(name, prescription=counter.terms.id, line=0, **bound)


def test_dispense__more_than_was_prescribed(covered: Covered) -> None:
    # given
    counter = Counter(covered, quantity=1)
    # when
    refused = counter.refusal(counter.claim(units=2), counter.goods(units=2))
    # then
    assert refused == error("TooMany", prescription=counter.terms.id, line=0, units=2, left=1)


def test_dispense__without_leave_to_take_and_fill(counter: Counter) -> None:
    # given
    house = counter.house
    house.let("pharmacy", "Claims", DISPENSE_FOR)
    # when
    refused = counter.refusal(counter.claim(), counter.goods())
    # then
    assert refused == error("NotAnOperator", sender=house.contract("Claims").address, member=PHARMACY)


def test_dispense__without_leave_to_dispense(counter: Counter) -> None:
    # given
    house = counter.house
    house.let("pharmacy", "Claims", FILL_FOR)
    # when
    refused = counter.refusal(counter.claim(), counter.goods())
    # then
    assert refused == error("NotAnOperator", sender=house.contract("Claims").address, member=PHARMACY)


def test_dispense__for_a_prescriber_who_was_suspended(counter: Counter) -> None:
    # given
    house = counter.house
    house.chain.send(BOARD, house.contracts.consortium.functions.suspend(NUMBERS["hospital"], 1))
    # when
    refused = counter.refusal(counter.claim(), counter.goods())
    # then
    assert refused == error("PrescriberNotInStanding", member=NUMBERS["hospital"])


def test_dispense__with_the_row_of_another_service(counter: Counter) -> None:
    # given
    house, claim = counter.house, counter.claim()
    _, _, *rest = dispensing(house, claim, counter.goods())
    # when
    arguments = (claim.terms(), [house.schedule.row(ODD)], *rest)
    refused = house.refusal("pharmacist", "Claims", "dispense", *arguments)
    # then
    assert refused == error("WrongRow", service=PILLS.service)


# -- not paid at once ------------------------------------------------------------------------------------------------


def test_dispense__leaves_its_evidence_to_a_service(counter: Counter) -> None:
    # given a line of a prescription that a record has the digest of, too
    house, evidence = counter.house, evidence_of(counter.terms.id, 0)
    house.send("doctor", "Records", "anchorInbox", house.address("patient"), [evidence])
    counter.dispense(counter.claim())

    # when
    settled = house.submit(house.claim(counter.plan, evidence, Line(SHOT.service, 1005, 1, 2_500)))

    # then
    assert house.state(settled.id)["paid"] == 2_500


def test_dispense__without_money__stands_and_is_paid_later(house: House) -> None:
    # given
    counter = broke(house)
    claim = counter.claim()
    # when
    told = house.send("pharmacist", "Claims", "dispense", *dispensing(house, claim, counter.goods(), least=2_500))
    # then
    assert told[1:] == [*given(counter), submitted(claim, batch=house.batch), pended(claim, FUNDS)]
    assert (counter.is_in_stock(), counter.filled()) == (False, 1)
    # when the money has come
    house.fund(counter.plan, 2_500)
    told = house.send("pharmacist", "Claims", "resume", *resume(house, claim, least=2_500, batch=house.batch))
    # then
    assert told[1:3] == [decided(claim, 2_500, 500), paid(counter.plan, "pharmacy", 2_500)]


def test_resume__with_another_pack(house: House) -> None:
    # given
    counter = broke(house)
    claim = counter.claim()
    counter.dispense(claim)
    # when
    refused = house.refusal("pharmacist", "Claims", "resume", *resume(house, claim, batch=house.batch, index=1))
    # then
    assert refused == error("WrongFacts", claim=claim.id)


def test_dispense__for_a_reviewer__stands_and_is_paid_once_agreed(counter: Counter) -> None:
    # given
    house = counter.house
    claim = replace(counter.claim(), lines=(Line(INFUSION.service, 0, 1, 20_000),))
    # when
    told = house.send("pharmacist", "Claims", "dispense", *dispensing(house, claim, counter.goods()))
    # then
    assert told[1:] == [*given(counter), submitted(claim, batch=house.batch), pended(claim, REVIEW)]
    # when
    told = house.send("reviewer", "Claims", "review", *review(house, claim, True, batch=house.batch))
    # then
    assert told[2:4] == [decided(claim, 20_000, 0), paid(counter.plan, "pharmacy", 20_000)]


def test_dispense__denied_with_no_least__stands(counter: Counter) -> None:
    # given something that the plan does not cover
    claim = replace(counter.claim(), lines=(Line(WIG.service, 0, 1, 3_000),))
    # when
    settled = counter.dispense(claim)
    # then
    assert settled.outcomes == ((1, 0, 0, 0, 0, 0, 0),)
    assert counter.house.state(claim.id)["status"] == DECIDED
    assert (counter.is_in_stock(), counter.filled()) == (False, 1)


@pytest.mark.parametrize(
    ("bound", "second", "found"),
    [(1, -1, BEFORE_COVER), (1, 0, 0), (2, -1, 0), (2, 0, AFTER_COVER), (2, 100 * DAY, AFTER_COVER)],
)
def test_quote__goods_are_covered_while_the_policy_lasts_to_the_second(
    counter: Counter, bound: int, second: int, found: int
) -> None:
    # given: from the second at which it began, to the one before it ends; nothing is filed later
    house, claim = counter.house, counter.claim()
    policy = house.ask("Policies", "policyOf", counter.plan, house.address("patient"))
    # when
    asked = query(claim, policy[bound] + second, is_goods=True)
    _, decision, _ = house.ask("Benefits", "quote", claim.terms(), house.rows(claim), asked)
    # then
    assert [outcome[0] for outcome in decision[0]] == [found]


def test_dispense__waiting_days_count_from_when_the_policy_began(counter: Counter) -> None:
    """Goods have no day of their own: they are covered from the second at which the policy began."""
    # given what is covered after 90 days of cover
    house = counter.house
    crown = Line(digest("brace"), 0, 1, 50_000)
    since = house.ask("Policies", "policyOf", counter.plan, house.address("patient"))[1]
    # when
    house.chain.at(since + 89 * DAY)
    early = counter.refusal(replace(counter.claim(), lines=(crown,)), counter.goods(), least=1)
    # then
    assert early == error("BelowLeast", paid=0, least=1)
    # when
    house.chain.at(since + 90 * DAY - 1)
    house.prescribed()
    counter.lines = house.prescribed()
    counter.terms = house.prescribe(counter.lines, "another")
    settled = counter.dispense(replace(counter.claim(), lines=(crown,)))
    # then half of 50,000
    assert settled.outcomes == ((0, 50_000, 0, 0, 25_000, 0, 25_000),)


# -- reversed --------------------------------------------------------------------------------------------------------


def test_reverse__and_the_pack_comes_back(counter: Counter) -> None:
    # given
    house, settled = counter.house, counter.dispense(counter.claim())
    # when
    told = house.send("pharmacist", "Claims", "reverse", settled.tuple, counter.terms.id, 0)
    # then
    assert told == [
        was_reversed(settled.claim, 2_500),
        unused(settled.claim),
        *taken_back_into_stock(counter),
        taken_back(counter.plan, "pharmacy", 2_500),
    ]
    assert (counter.is_in_stock(), counter.filled()) == (True, 0)
    assert house.used(counter.plan) == (NONE_USED, NONE_USED)
    assert (house.credit("pharmacy"), house.balance(counter.plan)) == (0, 10_000_000)


def test_reverse__and_the_goods_stay_given(counter: Counter) -> None:
    # given
    house, settled = counter.house, counter.dispense(counter.claim())
    # when
    told = house.send("pharmacist", "Claims", "reverse", settled.tuple, bytes(32), 0)
    # then
    assert told == [
        was_reversed(settled.claim, 2_500),
        unused(settled.claim),
        taken_back(counter.plan, "pharmacy", 2_500),
    ]
    assert (counter.is_in_stock(), counter.filled()) == (False, 1)


def test_reverse__then_the_pack_is_dispensed_and_claimed_again(counter: Counter) -> None:
    # given
    house, settled = counter.house, counter.dispense(counter.claim())
    house.send("pharmacist", "Claims", "reverse", settled.tuple, counter.terms.id, 0)
    # when
    second = counter.dispense(again(counter.claim(), "again"), nonce=1)
    # then
    assert house.state(second.id)["paid"] == 2_500
    assert house.state(settled.id)["status"] == REVERSED
    assert house.credit("pharmacy") == 2_500


def test_undo__only_through_the_claim(counter: Counter) -> None:
    # given
    house = counter.house
    counter.dispense(counter.claim())
    # when
    undone = house.refusal("pharmacist", "Batches", "undo", house.batch, 0)
    unfilled = house.refusal("pharmacist", "Prescriptions", "unfill", counter.terms.id, 0)
    # then
    assert undone == error("IsClaimed", batch=house.batch, index=0, operator=house.contract("Claims").address)
    assert unfilled == error("NotTheFiller", prescription=counter.terms.id, line=0, filler=PHARMACY)


def test_reverse__with_another_prescription(counter: Counter) -> None:
    # given
    house, settled = counter.house, counter.dispense(counter.claim())
    # when
    another = house.refusal("pharmacist", "Claims", "reverse", settled.tuple, digest("another"), 0)
    beside = house.refusal("pharmacist", "Claims", "reverse", settled.tuple, counter.terms.id, 1)
    # then
    assert another == beside == error("WrongEvidence", evidence=settled.claim.evidence)


@pytest.mark.parametrize(("second", "late"), [(0, False), (1, True)])
def test_reverse__the_pack_comes_back_within_ten_days(counter: Counter, second: int, late: bool) -> None:
    # given
    house, settled = counter.house, counter.dispense(counter.claim())
    # when
    latest = house.chain.now() + 10 * DAY
    house.chain.at(latest + second)
    refused = house.refusal("pharmacist", "Claims", "reverse", settled.tuple, counter.terms.id, 0)
    # then
    named = {"prescription": counter.terms.id, "line": 0, "latest": latest}
    assert refused == (error("TooLate", **named) if late else None)


def test_reverse__after_ten_days__the_money_still_goes_back(counter: Counter) -> None:
    # given
    house, settled = counter.house, counter.dispense(counter.claim())
    later(house, 11)
    # when
    house.send("pharmacist", "Claims", "reverse", settled.tuple, bytes(32), 0)
    # then
    assert house.balance(counter.plan) == 10_000_000


def test_reverse__what_is_pended__takes_the_pack_back(house: House) -> None:
    """A pack that came back must not stay ended because its claim was never decided."""
    # given
    counter = broke(house)
    claim = counter.claim()
    settled = replace(counter.dispense(claim), benefits=(), outcomes=())
    # when
    told = house.send("pharmacist", "Claims", "reverse", settled.tuple, counter.terms.id, 0)
    # then
    assert told == [was_reversed(claim, 0), unused(claim), *taken_back_into_stock(counter)]
    assert (counter.is_in_stock(), counter.filled()) == (True, 0)
    refused = house.refusal("pharmacist", "Claims", "resume", *resume(house, claim, batch=house.batch))
    assert refused == error("WrongStatus", claim=claim.id, status=REVERSED)


def test_reverse__what_was_pended_and_paid_later__takes_its_own_pack_back(house: House) -> None:
    # given the second pack, given while the plan had no money
    counter = broke(house)
    claim = counter.claim()
    counter.dispense(claim, 1)
    house.fund(counter.plan, 2_500)
    told = house.send("pharmacist", "Claims", "resume", *resume(house, claim, batch=house.batch, index=1))
    # when
    settled = house.settled(claim, told, batch=house.batch, index=1)
    told = house.send("pharmacist", "Claims", "reverse", settled.tuple, counter.terms.id, 0)
    # then
    assert told[2:4] == taken_back_into_stock(counter, 1)
    assert (counter.is_in_stock(1), counter.filled()) == (True, 0)


def test_reverse__what_is_pended__nothing_else_can_be_shown_of_it(house: House) -> None:
    # given
    counter = broke(house)
    claim = counter.claim()
    settled = counter.dispense(claim)
    # when the rows, other outcomes, and another pack are shown
    outcome = (0, 3_000, 0, 500, 0, 0, 2_500)
    shown = [replace(settled, outcomes=(outcome,)), replace(settled, benefits=(), index=1)]
    told = [house.refusal("pharmacist", "Claims", "reverse", each.tuple, bytes(32), 0) for each in shown]
    # then
    assert told == [error("WrongFacts", claim=claim.id)] * 2


# -- what would take more than was given ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        (Line(PILLS.service, 0, 2, 6_000),),
        (Line(PILLS.service, 0, 1, 3_000), Line(ODD.service, 0, 1, 20_000)),
        (Line(PILLS.service, 1005, 1, 3_000),),
    ],
    ids=["more units", "more lines", "a day"],
)
def test_adjust__a_pharmacy_claims_no_more_than_it_gave(counter: Counter, lines: tuple[Line, ...]) -> None:
    # given
    house, settled = counter.house, counter.dispense(counter.claim())
    claim = again(replace(settled.claim, lines=lines), "more")
    # when
    arguments = (settled.tuple, claim.terms(), house.rows(claim), 0, house.signature(claim, "patient"))
    refused = house.refusal("pharmacist", "Claims", "adjust", *arguments)
    # then
    assert refused == error("WrongLines", count=len(lines))


def test_adjust__another_price_for_the_same_pack(counter: Counter) -> None:
    # given
    house, settled = counter.house, counter.dispense(counter.claim())
    claim = again(counter.claim(charged=2_000), "cheaper")
    # when
    arguments = (settled.tuple, claim.terms(), house.rows(claim), 0, house.signature(claim, "patient"))
    told = house.send("pharmacist", "Claims", "adjust", *arguments)
    # then 1,500 are paid instead of 2,500, and the pack stays the new claim's
    assert told[2] == submitted(claim, batch=house.batch)
    assert told[4:] == [decided(claim, 1_500, 500), taken_back(counter.plan, "pharmacy", 1_000)]
    house.send(
        "pharmacist", "Claims", "reverse", house.settled(claim, told, batch=house.batch).tuple, counter.terms.id, 0
    )
    assert (counter.is_in_stock(), house.credit("pharmacy")) == (True, 0)


def test_reverse__a_smaller_part_does_not_take_a_larger_one_off_the_line(counter: Counter) -> None:
    """The line forgets what was given last: one unit that comes back must not make room for two."""
    # given one unit, and then two, for a line of three
    house = counter.house
    first = counter.dispense(counter.claim())
    counter.dispense(again(counter.claim(units=2, charged=6_000), "rest"), 1, units=2, nonce=1)
    # when
    refused = house.refusal("pharmacist", "Claims", "reverse", first.tuple, counter.terms.id, 0)
    # then
    assert refused == error("WrongEvidence", evidence=first.claim.evidence)
    assert house.refusal("pharmacist", "Claims", "reverse", first.tuple, bytes(32), 0) is None


def test_resume__after_the_policy_was_reinstated__is_decided(house: House) -> None:
    """What was given before a policy was taken up again is covered as it was then."""
    # given a plan with premiums and no money, a pended claim, and a policy that lapsed and was taken up again
    plan = house.plan(premium=1_000, premium_days=30)
    house.publish(plan)
    house.enrol(plan.id)
    house.mint("patient", 1_000)
    house.chain.send(house.account("patient"), house.coin.functions.approve(house.contract("Policies").address, 1_000))
    house.send("patient", "Policies", "payPremium", plan.id, house.address("patient"), 1)
    counter = Counter(Covered(house, plan))
    claim = counter.claim()
    counter.dispense(claim)
    later(house, 50)
    house.send("adjuster", "Policies", "reinstate", plan.id, house.address("patient"))
    house.fund(plan.id, 10_000)
    # when
    told = house.send("pharmacist", "Claims", "resume", *resume(house, claim, batch=house.batch))
    # then
    assert told[1:3] == [decided(claim, 2_500, 500), paid(plan.id, "pharmacy", 2_500)]

"""What comes after a decision: reversal, adjustment, a second payer, and the patient's share."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from claims_desk import (
    NONE_USED,
    Counter,
    adjustment,
    again,
    assessed,
    coordination,
    credited,
    decided,
    later,
    paid,
    query,
    second_plan,
    submitted,
    taken_back,
    unused,
    visit,
    was_reversed,
)
from counting_house import (
    CREAM,
    CROWN,
    DAY,
    DECIDED,
    FUNDS,
    MAJOR,
    NUMBERS,
    ODD,
    PANEL,
    PENDED,
    REVERSED,
    REVIEW,
    SCAN,
    SHOT,
    VISIT,
    Covered,
    House,
    Settled,
    digest,
    error,
)
from real_anvil import BOARD
from signature_cases import Event

from theriac.cover.messages import NONE, Claim, Line

HOSPITAL, CLINIC = NUMBERS["hospital"], NUMBERS["clinic"]
DUPLICATE, OTHER_PAYER = 1 << 6, 1 << 18


def refused_reversal(house: House, settled: Settled, by: str = "doctor") -> Any:
    return house.refusal(by, "Claims", "reverse", settled.tuple, bytes(32), 0)


def reverse(house: House, settled: Settled, by: str = "doctor") -> list[Event]:
    return house.send(by, "Claims", "reverse", settled.tuple, bytes(32), 0)


@pytest.fixture
def panel(covered: Covered) -> Settled:
    """A panel for which 5,000 were charged and paid."""
    house = covered.house
    return house.submit(house.claim(covered.plan, house.encounter("panel"), Line(PANEL.service, 1005, 1, 5_000)))


@pytest.fixture
def seen(covered: Covered) -> Settled:
    """A visit of which the patient owes 10,000: the copay and the deductible."""
    return covered.house.submit(visit(covered, 1005))


# -- reversal --------------------------------------------------------------------------------------------------------


def test_reverse__gives_everything_back(covered: Covered, panel: Settled) -> None:
    # when
    told = reverse(covered.house, panel)
    # then
    assert told == [was_reversed(panel.claim, 5_000), unused(panel.claim), taken_back(covered.plan, "hospital", 5_000)]
    assert (covered.house.credit("hospital"), covered.house.balance(covered.plan)) == (0, 10_000_000)
    state = covered.house.state(panel.id)
    assert (state["status"], state["paid"], state["share"]) == (REVERSED, 0, 0)


def everything(covered: Covered, authorization: bytes, evidence: bytes) -> list[Any]:
    """All that is counted of a policy."""
    house, who = covered.house, covered.house.address("patient")
    keys = [VISIT.service, SHOT.service, PANEL.bundle, SCAN.service]
    return [
        house.used(covered.plan),
        [house.ask("Benefits", "daysOf", covered.plan, who, key, 1005 >> 8) for key in keys],
        [house.ask("Benefits", "unitsOf", covered.plan, who, key) for key in keys],
        house.ask("Benefits", "isClaimed", covered.plan, who, evidence),
        house.ask("Benefits", "usedBy", authorization),
    ]


def authorized(covered: Covered, units: int = 1, amount: int = 0) -> bytes:
    """A scan that the insurer has authorized."""
    house = covered.house
    asked = (covered.plan, house.address("patient"), SCAN.service, units, digest("reasons"))
    house.send("doctor", "Authorizations", "request", asked)
    authorization: bytes = house.ask("Authorizations", "idOf", asked, HOSPITAL)
    limits = (units, amount, house.chain.now() + 100 * DAY)
    house.send("adjuster", "Authorizations", "approve", authorization, *limits)
    return authorization


def test_reverse__is_the_inverse_of_a_decision(house: House) -> None:
    # given a family's policy of which a visit and a shot were used before
    plan = house.plan()
    house.publish(plan)
    house.fund(plan.id, 10_000_000)
    house.enrol(plan.id, family=7)
    covered = Covered(house, plan)
    authorization = authorized(covered)
    house.submit(visit(covered, 1001))
    house.submit(house.claim(plan.id, house.encounter("first shot"), Line(SHOT.service, 1001, 1, 2_500)))
    evidence = house.encounter("everything")
    before = everything(covered, authorization, evidence)
    # when
    lines = (
        Line(VISIT.service, 1005, 1, 10_000),
        Line(SHOT.service, 1005, 1, 2_500),
        Line(PANEL.service, 1005, 1, 6_000),
        Line(SCAN.service, 1005, 1, 40_000, authorization),
    )
    settled = house.submit(house.claim(plan.id, evidence, *lines))
    # then the rest is 1,000 and 9,000; nothing; nothing; 15 of a hundred of 40,000
    person = (18_000, 26_000, 45_000, 45_000)
    bit = 1 << (1005 & 0xFF)
    assert everything(covered, authorization, evidence) == [
        (person, (*person[:3], 0)),
        [bit | 1 << (1001 & 0xFF), bit | 1 << (1001 & 0xFF), bit, bit],
        [0, 2, 0, 0],
        True,
        settled.id,
    ]
    # when
    reverse(house, settled)
    # then
    assert everything(covered, authorization, evidence) == before


def test_reverse__of_the_first__leaves_what_was_decided_since(covered: Covered) -> None:
    # given two visits that use 18,000 of the deductible of 20,000, and a third that uses the rest
    house = covered.house
    first, _, third = (house.submit(visit(covered, day)) for day in (1001, 1002, 1003))
    assert third.outcomes == ((0, 10_000, 2_000, 1_000, 1_400, 0, 5_600),)
    # when
    reverse(house, first)
    # then 9,000 of it are open again, and the third stays as it was decided
    assert house.used(covered.plan)[0] == (11_000, 14_400, 5_600, 5_600)
    fourth = house.submit(visit(covered, 1004))
    assert fourth.outcomes == ((0, 10_000, 9_000, 1_000, 0, 0, 0),)
    # when all is reversed
    for each in (third, fourth):
        reverse(house, each)
    # then the second is left
    assert house.used(covered.plan)[0] == (9_000, 10_000, 0, 0)


def test_reverse__then_the_evidence_is_free(covered: Covered, panel: Settled) -> None:
    # given
    reverse(covered.house, panel)
    # when
    settled = covered.house.submit(again(panel.claim, "again"))
    # then
    assert settled.outcomes == panel.outcomes


def test_reverse__wrong(covered: Covered, panel: Settled) -> None:
    # given
    house = covered.house
    more = replace(panel, outcomes=((0, 6_000, 0, 0, 0, 0, 6_000),))
    dearer = replace(panel, benefits=(replace(PANEL, price=7_000),))
    unknown = replace(panel, claim=again(panel.claim, "unknown"))
    # when
    told = [
        refused_reversal(house, panel, by="patient"),
        refused_reversal(house, panel, by="colleague"),
        refused_reversal(house, unknown),
        refused_reversal(house, more),
        refused_reversal(house, dearer),
        refused_reversal(house, replace(panel, outcomes=())),
        refused_reversal(house, replace(panel, batch=digest("batch"))),
        house.refusal("doctor", "Claims", "reverse", panel.tuple, digest("prescription"), 0),
    ]
    # then
    assert told == [
        error("NoStanding", account=house.address("patient")),
        error("NotTheProvider", member=CLINIC, provider=HOSPITAL),
        error("WrongStatus", claim=unknown.id, status=0),
        error("WrongFacts", claim=panel.id),
        error("WrongFacts", claim=panel.id),
        error("WrongFacts", claim=panel.id),
        error("WrongFacts", claim=panel.id),
        error("WrongEvidence", evidence=panel.claim.evidence),
    ]


def test_reverse__twice(covered: Covered, panel: Settled) -> None:
    # given
    reverse(covered.house, panel)
    # when
    refused = refused_reversal(covered.house, panel)
    # then
    assert refused == error("WrongStatus", claim=panel.id, status=REVERSED)


@pytest.mark.parametrize(("second", "late"), [(0, False), (1, True)])
def test_reverse__within_thirty_days(covered: Covered, panel: Settled, second: int, late: bool) -> None:
    # given
    latest = covered.house.chain.now() + 30 * DAY
    # when
    covered.house.chain.at(latest + second)
    refused = refused_reversal(covered.house, panel)
    # then
    assert refused == (error("TooLate", claim=panel.id, latest=latest) if late else None)


def test_reverse__what_was_withdrawn__comes_from_who_answers_for_it(covered: Covered, panel: Settled) -> None:
    # given
    house = covered.house
    house.send("hospital", "Escrow", "withdraw", house.coin.address, house.address("hospital"))
    house.send("hospital", "Escrow", "setPayout", HOSPITAL, house.address("hospital"), False)
    house.mint("hospital", 1)
    # when
    reverse(house, panel)
    # then
    assert (house.coins("hospital"), house.balance(covered.plan)) == (1, 10_000_000)


def test_reverse__what_was_withdrawn_and_spent__is_refused(covered: Covered, panel: Settled) -> None:
    # given
    house = covered.house
    house.send("hospital", "Escrow", "withdraw", house.coin.address, house.address("friend"))
    # when
    refused = refused_reversal(house, panel)
    # then
    assert refused == error("NobodyAnswers", member=HOSPITAL)
    assert house.state(panel.id)["status"] == DECIDED


def test_reverse__nobody_pays_for_who_only_named_them(covered: Covered, panel: Settled) -> None:
    """A provider that has spent its money names as its payee somebody whose coins the escrow may collect."""
    # given a friend with coins and a credit, whom the hospital never asked
    house = covered.house
    house.mint("friend", 50_000)
    house.send("hospital", "Escrow", "withdraw", house.coin.address, house.address("accomplice"))
    house.send("hospital", "Escrow", "setPayout", HOSPITAL, house.address("friend"), False)
    # when
    refused = refused_reversal(house, panel)
    # then
    assert refused == error("NobodyAnswers", member=HOSPITAL)
    # when the hospital answers for itself, and has the money
    house.send("hospital", "Escrow", "setPayout", HOSPITAL, house.address("hospital"), False)
    house.mint("hospital", 5_000)
    reverse(house, panel)
    # then
    assert (house.coins("friend"), house.coins("hospital")) == (50_000, 0)


def test_refund_share__nobody_pays_for_who_only_named_them(covered: Covered, seen: Settled) -> None:
    """An accomplice pays the share, the hospital spends it and names somebody else, and the share is refunded."""
    # given
    house = covered.house
    house.mint("accomplice", 10_000)
    house.send("accomplice", "Escrow", "payShare", covered.plan, seen.claim.content, 10_000)
    house.send("hospital", "Escrow", "withdraw", house.coin.address, house.address("accomplice"))
    house.mint("friend", 50_000)
    house.send("hospital", "Escrow", "setPayout", HOSPITAL, house.address("friend"), False)
    # when
    refused = refused_reversal(house, seen)
    # then
    assert refused == error("NobodyAnswers", member=HOSPITAL)


def test_reverse__what_is_pended__lets_nothing_be_decided_of_it(covered: Covered) -> None:
    # given
    house = covered.house
    claim = house.claim(covered.plan, house.encounter("odd"), Line(ODD.service, 1005, 1, 20_000))
    house.submit(claim)
    # when
    told = reverse(house, Settled(claim, (), ()))
    # then
    assert told == [was_reversed(claim, 0), unused(claim)]
    refused = house.refusal("reviewer", "Claims", "review", claim.terms(), house.rows(claim), NONE, 0, True)
    assert refused == error("WrongStatus", claim=claim.id, status=REVERSED)


def test_reverse__after_the_policy_was_ended(covered: Covered, panel: Settled) -> None:
    # given
    house = covered.house
    house.send("adjuster", "Policies", "endPolicy", covered.plan, house.address("patient"))
    # when
    reverse(house, panel)
    # then
    assert house.used(covered.plan) == (NONE_USED, NONE_USED)
    assert house.balance(covered.plan) == 10_000_000


def test_reverse__by_a_suspended_member(covered: Covered, panel: Settled) -> None:
    # given
    house = covered.house
    house.chain.send(BOARD, house.contracts.consortium.functions.suspend(HOSPITAL, 1))
    # when
    refused = refused_reversal(house, panel)
    # then
    assert refused == error("NoStanding", account=house.address("doctor"))


@pytest.mark.parametrize("function", ["decide", "redecide", "undo"])
def test_benefits__only_the_plans_adjudicator(covered: Covered, panel: Settled, function: str) -> None:
    # given
    house, claim = covered.house, panel.claim
    benefits, asked = [PANEL.tuple], query(claim, house.chain.now())
    arguments: dict[str, tuple[Any, ...]] = {
        "decide": (house.rows(claim), asked),
        "redecide": (benefits, [0], asked),
        "undo": (benefits, list(panel.outcomes), asked),
    }
    # when
    refused = house.refusal("adjuster", "Benefits", function, claim.terms(), *arguments[function])
    # then
    named = {"sender": house.address("adjuster"), "adjudicator": house.contract("Claims").address}
    assert refused == error("NotTheAdjudicator", **named)


# -- adjustment ------------------------------------------------------------------------------------------------------


def test_adjust__the_difference_is_paid(covered: Covered, panel: Settled) -> None:
    # given 6,000 instead of 5,000, for the same day and by the same evidence
    house = covered.house
    claim = again(replace(panel.claim, lines=(Line(PANEL.service, 1005, 1, 6_000),)), "more")
    # when
    told = house.send("doctor", "Claims", "adjust", *adjustment(house, panel, claim, least=6_000))
    # then
    assert told == [
        was_reversed(panel.claim, 5_000),
        unused(panel.claim),
        submitted(claim),
        assessed(claim, [(0, 6_000, 0, 0, 0, 0, 6_000)], (0, 0, 6_000, 6_000), (0, 0, 6_000, 0)),
        decided(claim, 6_000, 0),
        paid(covered.plan, "hospital", 1_000),
        credited(house, "hospital", 1_000),
    ]
    assert house.state(panel.id)["status"] == REVERSED


def test_adjust__the_difference_is_taken(covered: Covered, panel: Settled) -> None:
    # given
    house = covered.house
    claim = again(replace(panel.claim, lines=(Line(PANEL.service, 1005, 1, 3_000),)), "less")
    # when
    told = house.send("doctor", "Claims", "adjust", *adjustment(house, panel, claim))
    # then
    assert told[4:] == [decided(claim, 3_000, 0), taken_back(covered.plan, "hospital", 2_000)]
    assert (house.credit("hospital"), house.balance(covered.plan)) == (3_000, 10_000_000 - 3_000)


def test_adjust__keeps_the_time_of_the_first(covered: Covered, panel: Settled) -> None:
    """Evidence of a claim that was written in time is not late for what puts it right."""
    # given
    house, time = covered.house, covered.house.state(panel.id)["time"]
    later(house, 29)
    claim = again(panel.claim, "later", deadline=house.soon)
    # when
    house.send("doctor", "Claims", "adjust", *adjustment(house, panel, claim))
    # then
    assert house.state(claim.id)["time"] == time


def test_adjust__to_nothing__takes_all_and_uses_nothing(covered: Covered, panel: Settled) -> None:
    # given a day before cover
    house = covered.house
    claim = again(replace(panel.claim, lines=(Line(PANEL.service, 999, 1, 5_000),)), "before")
    # when
    house.send("doctor", "Claims", "adjust", *adjustment(house, panel, claim))
    # then
    assert house.used(covered.plan) == (NONE_USED, NONE_USED)
    assert house.credit("hospital") == 0
    assert house.ask("Benefits", "isClaimed", covered.plan, claim.pseudonym, claim.evidence) is False


@pytest.mark.parametrize(("charged", "refused"), [(5_000, None), (5_001, error("StillMissing", missing=FUNDS))])
def test_adjust__what_was_paid_before_is_there_to_pay_from(house: House, charged: int, refused: object) -> None:
    # given an escrow that has paid all it had
    plan = house.plan()
    house.publish(plan)
    house.fund(plan.id, 5_000)
    house.enrol(plan.id)
    settled = house.submit(house.claim(plan.id, house.encounter("panel"), Line(PANEL.service, 1005, 1, 5_000)))
    # when
    claim = again(replace(settled.claim, lines=(Line(PANEL.service, 1005, 1, charged),)), "other")
    # then
    assert house.refusal("doctor", "Claims", "adjust", *adjustment(house, settled, claim)) == refused


def test_adjust__wrong(covered: Covered, panel: Settled) -> None:
    # given
    house = covered.house
    other_plan = replace(panel.claim, plan=second_plan(house).id)
    least = error("BelowLeast", paid=5_000, least=5_001)
    odd = replace(panel.claim, lines=(Line(ODD.service, 1005, 1, 5_000),))
    cases: list[tuple[Claim, int, Any]] = [
        (again(panel.claim, "evidence", evidence=house.encounter("another")), 0, error("WrongPrimary", primary=NONE)),
        (other_plan, 0, error("WrongPrimary", primary=NONE)),
        (again(panel.claim, "primary", primary=panel.id), 0, error("WrongPrimary", primary=panel.id)),
        (panel.claim, 0, error("WrongStatus", claim=panel.id, status=DECIDED)),
        (again(panel.claim, "least"), 5_001, least),
        (again(odd, "odd"), 0, error("StillMissing", missing=REVIEW)),
    ]
    # when
    told = [
        house.refusal("doctor", "Claims", "adjust", *adjustment(house, panel, claim, least=amount))
        for claim, amount, _ in cases
    ]
    # then
    assert told == [expected for _, _, expected in cases]


def test_adjust__by_another_provider(covered: Covered, panel: Settled) -> None:
    # given a consent for the clinic
    house = covered.house
    claim = again(panel.claim, "clinic", provider=CLINIC)
    # when
    refused = house.refusal("colleague", "Claims", "adjust", *adjustment(house, panel, claim))
    # then
    assert refused == error("WrongPrimary", primary=NONE)


def test_adjust__twice__only_the_last(covered: Covered, panel: Settled) -> None:
    # given
    house = covered.house
    house.send("doctor", "Claims", "adjust", *adjustment(house, panel, again(panel.claim, "second")))
    # when
    refused = house.refusal("doctor", "Claims", "adjust", *adjustment(house, panel, again(panel.claim, "third")))
    # then
    assert refused == error("WrongStatus", claim=panel.id, status=REVERSED)


def test_adjust__too_late(covered: Covered, panel: Settled) -> None:
    # given
    house = covered.house
    latest = house.chain.now() + 30 * DAY
    house.chain.at(latest + 1)
    claim = again(panel.claim, "late", deadline=house.soon)
    # when
    refused = house.refusal("doctor", "Claims", "adjust", *adjustment(house, panel, claim))
    # then
    assert refused == error("TooLate", claim=panel.id, latest=latest)


def test_adjust__a_share_that_was_paid__goes_back_to_who_paid_it(covered: Covered, seen: Settled) -> None:
    # given
    house = covered.house
    house.mint("friend", 10_000)
    house.send("friend", "Escrow", "payShare", covered.plan, seen.claim.content, 10_000)
    claim = again(replace(seen.claim, lines=(Line(VISIT.service, 1005, 1, 8_000),)), "less")
    # when
    told = house.send("doctor", "Claims", "adjust", *adjustment(house, seen, claim))
    # then
    refund = {"plan": covered.plan, "claim": seen.id, "payer": house.address("friend"), "amount": 10_000}
    assert told[4:] == [decided(claim, 0, 8_000), Event("ShareRefunded", refund)]
    assert (house.credit("friend"), house.credit("hospital")) == (10_000, 0)


def test_adjust__a_share_that_was_received__counts_for_the_new_claim(covered: Covered, seen: Settled) -> None:
    # given a patient who paid 10,000 at the desk
    house = covered.house
    house.send("doctor", "Claims", "receiveShare", covered.plan, seen.claim.content)
    claim = again(replace(seen.claim, lines=(*seen.claim.lines, Line(CROWN.service, 1100, 1, 4_000))), "more")
    # when
    house.send("doctor", "Claims", "adjust", *adjustment(house, seen, claim))
    # then the patient owes half of the 4,000 that came in addition
    assert house.state(claim.id)["share"] == 2_000


def test_adjust__a_pended_claim__is_put_right(covered: Covered) -> None:
    # given
    house = covered.house
    claim = house.claim(covered.plan, house.encounter("odd"), Line(ODD.service, 1005, 1, 20_000))
    house.submit(claim)
    right = again(replace(claim, lines=(Line(PANEL.service, 1005, 1, 6_000),)), "right")
    # when
    house.send("doctor", "Claims", "adjust", *adjustment(house, Settled(claim, (), ()), right))
    # then
    assert house.state(claim.id)["status"] == REVERSED
    assert house.credit("hospital") == 6_000


# -- two payers in order ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Twice:
    """A patient with two plans, and a crown of 50,000 of which the first has paid half."""

    covered: Covered
    second: Covered
    first: Settled

    @property
    def house(self) -> House:
        return self.covered.house

    def claim(self, service: bytes = MAJOR.service, **other: Any) -> Claim:
        """What the second plan, where it is called something else, is asked for: all of 50,000."""
        claim = replace(self.first.claim, plan=self.second.plan, primary=self.first.id)
        return replace(claim, lines=(Line(service, 1100, 1, 50_000),), **other)

    def coordinate(self, claim: Claim) -> Settled:
        told = self.house.send("doctor", "Claims", "coordinate", *coordination(self.house, claim, self.first))
        return self.house.settled(claim, told)

    def refusal(self, claim: Claim, primary: Settled | None = None, *, least: int = 0) -> Any:
        asked = coordination(self.house, claim, primary or self.first, least=least)
        return self.house.refusal("doctor", "Claims", "coordinate", *asked)

    def owed(self) -> int:
        return int(self.house.state(self.first.id)["share"])


@pytest.fixture
def twice(covered: Covered) -> Twice:
    house = covered.house
    second = second_plan(house)
    claim = house.claim(covered.plan, house.encounter("crown"), Line(CROWN.service, 1100, 1, 50_000))
    first = house.submit(claim)
    assert first.outcomes == ((0, 50_000, 0, 0, 25_000, 0, 25_000),)
    return Twice(covered, Covered(house, second), first)


def test_coordinate__pays_what_the_patient_owes_and_no_more(twice: Twice) -> None:
    # given a second plan that would pay all of 50,000
    house, claim = twice.house, twice.claim()
    # when
    told = house.send("doctor", "Claims", "coordinate", *coordination(house, claim, twice.first, least=25_000))
    # then
    outcome = (OTHER_PAYER, 50_000, 0, 0, 0, 25_000, 25_000)
    assert told == [
        submitted(claim),
        assessed(claim, [outcome], (0, 0, 25_000, 25_000), (0, 0, 25_000, 0)),
        decided(claim, 25_000, 0),
        paid(twice.second.plan, "hospital", 25_000),
        credited(house, "hospital", 25_000),
    ]
    assert (twice.owed(), house.credit("hospital")) == (0, 50_000)


def test_coordinate__what_it_does_not_pay__the_patient_owes(twice: Twice) -> None:
    # given a second plan that pays 6,000 at most
    twice.coordinate(twice.claim(PANEL.service))
    # then
    assert twice.owed() == 25_000 - 6_000


def test_coordinate__denied__leaves_the_patient_what_it_owes(twice: Twice) -> None:
    # given a day that the second plan waits for
    claim = replace(twice.claim(), lines=(Line(MAJOR.service, 999, 1, 50_000),))
    # when
    twice.coordinate(claim)
    # then
    assert twice.owed() == 25_000


def test_coordinate__wrong(twice: Twice) -> None:
    # given
    house, claim = twice.house, twice.claim()
    wrong = error("WrongPrimary", primary=twice.first.id)
    cases: list[tuple[Claim, Any]] = [
        (replace(claim, plan=twice.covered.plan), wrong),
        (replace(claim, evidence=house.encounter("another")), wrong),
        (replace(claim, lines=(Line(MAJOR.service, 1100, 1, 49_999),)), wrong),
        (replace(claim, lines=(Line(MAJOR.service, 1100, 2, 50_000),)), wrong),
        (replace(claim, lines=claim.lines * 2), wrong),
        (replace(claim, primary=NONE), error("WrongStatus", claim=NONE, status=0)),
        (replace(claim, lines=(Line(ODD.service, 1100, 1, 50_000),)), error("StillMissing", missing=REVIEW)),
    ]
    # when
    told = [twice.refusal(each) for each, _ in cases]
    # then
    assert told == [expected for _, expected in cases]
    assert twice.refusal(claim, least=25_001) == error("BelowLeast", paid=25_000, least=25_001)
    shown = replace(twice.first, outcomes=((0, 50_000, 0, 0, 50_000, 0, 0),))
    assert twice.refusal(claim, shown) == error("WrongFacts", claim=twice.first.id)


def test_coordinate__without_money__is_refused(twice: Twice) -> None:
    # given
    house = twice.house
    house.send("mutual", "Escrow", "drain", twice.second.plan, 10_000_000 - 24_999, house.address("mutual"))
    # when
    refused = twice.refusal(twice.claim())
    # then
    assert refused == error("StillMissing", missing=FUNDS)


def test_coordinate__a_claim_of_which_nothing_is_owed(twice: Twice) -> None:
    # given a share that was received
    twice.house.send("doctor", "Claims", "receiveShare", twice.covered.plan, twice.first.claim.content)
    # when
    refused = twice.refusal(twice.claim())
    # then
    assert refused == error("WrongPrimary", primary=twice.first.id)


def test_coordinate__a_second_time(twice: Twice) -> None:
    # given a second payer that left something
    twice.coordinate(twice.claim(PANEL.service))
    # when
    refused = twice.refusal(again(twice.claim(), "again"))
    # then
    assert refused == error("WrongPrimary", primary=twice.first.id)


def test_coordinate__with_a_second_payers_claim(twice: Twice) -> None:
    # given a third plan
    house, secondary = twice.house, twice.coordinate(twice.claim(PANEL.service))
    third = house.plan(document=digest("third plan"))
    house.publish(third)
    house.enrol(third.id)
    claim = replace(secondary.claim, plan=third.id, primary=secondary.id)
    # when
    refused = twice.refusal(claim, secondary)
    # then
    assert refused == error("WrongPrimary", primary=secondary.id)


def test_reverse__what_has_a_second_payer(twice: Twice) -> None:
    # given
    twice.coordinate(twice.claim())
    has = error("HasSecondary", claim=twice.first.id)
    # then
    assert refused_reversal(twice.house, twice.first) == has
    changed = adjustment(twice.house, twice.first, again(twice.first.claim, "other"))
    assert twice.house.refusal("doctor", "Claims", "adjust", *changed) == has


def test_reverse__the_second_payers_then_the_firsts(twice: Twice) -> None:
    # given
    house, secondary = twice.house, twice.coordinate(twice.claim())
    # when
    reverse(house, secondary)
    # then
    assert twice.owed() == 25_000
    assert house.balance(twice.second.plan) == 10_000_000
    # when
    reverse(house, twice.first)
    # then
    assert (house.balance(twice.covered.plan), house.credit("hospital")) == (10_000_000, 0)


def test_reverse__the_second_payers__then_another_second_payers(twice: Twice) -> None:
    # given
    reverse(twice.house, twice.coordinate(twice.claim()))
    # when
    twice.coordinate(again(twice.claim(PANEL.service), "again"))
    # then
    assert twice.owed() == 19_000


def test_adjust__a_second_payers(twice: Twice) -> None:
    # given
    secondary = twice.coordinate(twice.claim())
    claim = again(secondary.claim, "other")
    # when
    refused = twice.house.refusal("doctor", "Claims", "adjust", *adjustment(twice.house, secondary, claim))
    # then
    assert refused == error("WrongPrimary", primary=twice.first.id)


def test_reverse__the_second_payers_while_the_firsts_is_disputed__owes_it_again(twice: Twice) -> None:
    # given
    house, secondary = twice.house, twice.coordinate(twice.claim())
    house.send("adjuster", "Appeals", "refute", twice.first.tuple, 1, digest("openings"))
    reverse(house, secondary)
    # when
    house.send("arbiter", "Appeals", "rule", twice.first.tuple, digest("openings"), False)
    # then
    assert twice.owed() == 25_000


def test_rule__against_the_first_payers__leaves_the_seconds_alone(twice: Twice) -> None:
    # given
    house, secondary = twice.house, twice.coordinate(twice.claim())
    house.send("adjuster", "Appeals", "refute", twice.first.tuple, 1, digest("openings"))
    house.send("arbiter", "Appeals", "rule", twice.first.tuple, digest("openings"), True)
    # when
    reverse(house, secondary)
    # then the patient owes nothing of a claim that is no more
    assert twice.owed() == 0
    assert house.state(twice.first.id)["status"] == REVERSED


def test_submit__one_visit_to_two_first_payers(twice: Twice) -> None:
    # given the same evidence, as though nobody had paid before
    claim = replace(twice.claim(), primary=NONE)
    # when
    settled = twice.house.submit(claim)
    # then
    assert settled.outcomes == ((DUPLICATE, 0, 0, 0, 0, 0, 0),)
    assert twice.house.ask("Benefits", "isClaimed", twice.second.plan, claim.pseudonym, claim.evidence) is True


def test_submit__to_the_second_payer_after_the_first_denied_it(covered: Covered) -> None:
    # given a crown within the waiting days of the first plan
    house, plan = covered.house, second_plan(covered.house)
    claim = house.claim(covered.plan, house.encounter("crown"), Line(CROWN.service, 1001, 1, 50_000))
    house.submit(claim)
    # when
    second = replace(claim, plan=plan.id, lines=(Line(MAJOR.service, 1001, 1, 50_000),))
    # then
    assert house.submit(second).outcomes == ((0, 50_000, 0, 0, 0, 0, 50_000),)


def test_reverse__a_second_payers__takes_no_pack_back(covered: Covered) -> None:
    """Else a pack that the first has paid could be dispensed and paid again."""
    # given a pack that cost 3,000, of which the second payer has paid the copay of 500
    house, second = covered.house, second_plan(covered.house)
    counter = Counter(covered)
    first = counter.dispense(counter.claim())
    claim = replace(first.claim, plan=second.id, primary=first.id, lines=(Line(CREAM.service, 0, 1, 3_000),))
    told = house.send("pharmacist", "Claims", "coordinate", *coordination(house, claim, first))
    secondary = house.settled(claim, told, batch=house.batch)
    assert house.state(claim.id)["paid"] == 500
    # when
    refused = house.refusal("pharmacist", "Claims", "reverse", secondary.tuple, counter.terms.id, 0)
    # then
    assert refused == error("WrongPrimary", primary=first.id)
    # when
    reverse(house, secondary, by="pharmacist")
    house.send("pharmacist", "Claims", "reverse", first.tuple, counter.terms.id, 0)
    # then
    assert (counter.is_in_stock(), counter.filled()) == (True, 0)


# -- the patient's share ---------------------------------------------------------------------------------------------


def test_pay_share__by_a_friend(covered: Covered, seen: Settled) -> None:
    # given
    house = covered.house
    house.mint("friend", 10_000)
    # when
    told = house.send("friend", "Escrow", "payShare", covered.plan, seen.claim.content, 10_000)
    # then
    named = {"plan": covered.plan, "claim": seen.id, "payer": house.address("friend")}
    share = Event("SharePaid", {**named, "member": HOSPITAL, "amount": 10_000})
    assert [each for each in told if each.name != "Transfer"] == [share, credited(house, "hospital", 10_000)]
    assert house.state(seen.id)["share"] == 0


def test_pay_share__once(covered: Covered, seen: Settled) -> None:
    # given
    house = covered.house
    house.mint("friend", 20_000)
    house.send("friend", "Escrow", "payShare", covered.plan, seen.claim.content, 10_000)
    # when
    refused = house.refusal("friend", "Escrow", "payShare", covered.plan, seen.claim.content, 10_000)
    # then
    assert refused == error("NothingDue", claim=seen.id)
    received = house.refusal("doctor", "Claims", "receiveShare", covered.plan, seen.claim.content)
    assert received == error("NothingDue", claim=seen.id)


def test_pay_share__no_more_than_the_payer_wants(covered: Covered, seen: Settled) -> None:
    # given
    covered.house.mint("friend", 10_000)
    # when
    refused = covered.house.refusal("friend", "Escrow", "payShare", covered.plan, seen.claim.content, 9_999)
    # then
    assert refused == error("ShareIsMore", share=10_000, most=9_999)


@pytest.mark.parametrize("status", [PENDED, REVERSED, 0])
def test_pay_share__only_of_what_is_decided(covered: Covered, status: int) -> None:
    # given
    house = covered.house
    claim = visit(covered, 1005)
    if status == PENDED:
        claim = replace(claim, evidence=digest("later"))
        house.submit(claim)
    elif status == REVERSED:
        reverse(house, house.submit(claim))
    # when
    refused = house.refusal("friend", "Escrow", "payShare", covered.plan, claim.content, 10_000)
    # then
    assert (refused.error, [*refused.facts.values()]) == ("WrongStatus", [claim.id, status])


def test_receive_share__by_its_provider(covered: Covered, seen: Settled) -> None:
    # when
    told = covered.house.send("doctor", "Claims", "receiveShare", covered.plan, seen.claim.content)
    # then
    assert told == [Event("ShareReceived", {"claim": seen.id, "amount": 10_000})]
    assert covered.house.state(seen.id)["share"] == 0


def test_receive_share__by_others(covered: Covered, seen: Settled) -> None:
    # given
    house = covered.house
    # when
    told = [
        house.refusal(who, "Claims", "receiveShare", covered.plan, seen.claim.content)
        for who in ("patient", "colleague")
    ]
    # then
    assert told == [
        error("NoStanding", account=house.address("patient")),
        error("NotTheProvider", member=CLINIC, provider=HOSPITAL),
    ]


def test_settle_share__only_the_escrow(covered: Covered, seen: Settled) -> None:
    # when
    refused = covered.house.refusal("friend", "Claims", "settleShare", covered.plan, seen.claim.content)
    # then
    assert refused == error("NotTheEscrow", sender=covered.house.address("friend"))


@pytest.mark.parametrize("function", ["redecide", "withhold", "conclude"])
def test_claims__what_only_the_contract_for_appeals_does(covered: Covered, panel: Settled, function: str) -> None:
    # given
    house = covered.house
    more: dict[str, tuple[Any, ...]] = {"redecide": ([0],), "withhold": (), "conclude": (True,)}
    # when
    refused = house.refusal("adjuster", "Claims", function, panel.tuple, *more[function])
    # then
    appeals = house.contract("Appeals").address
    assert refused == error("NotTheAppeals", sender=house.address("adjuster"), appeals=appeals)

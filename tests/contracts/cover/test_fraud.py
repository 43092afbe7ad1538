"""What fraud tries, each by its name, with what comes of it and by which code."""

from dataclasses import replace
from typing import Any

import pytest
from claims_desk import Counter, again, dispensing, later, unused, visit, was_reversed
from counting_house import (
    CROWN,
    DAY,
    DECIDED,
    EVIDENCE,
    MAJOR,
    NUMBERS,
    PANEL,
    PART,
    PENDED,
    PHYSIO,
    PILLS,
    REVERSED,
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

from theriac.cover.messages import Claim, Line

HOSPITAL, CLINIC, PHARMACY = (NUMBERS[name] for name in ("hospital", "clinic", "pharmacy"))
BEFORE, AFTER, WAITING, LATE, DUPLICATE, BUNDLED, GRADE = (1 << bit for bit in range(2, 9))
NOT_COVERED = 1
UNAUTHORIZED, BEYOND, QUANTITY, FREQUENCY = (1 << bit for bit in range(9, 13))


def denied(reasons: int) -> tuple[int, ...]:
    return (reasons, 0, 0, 0, 0, 0, 0)


def of(covered: Covered, *lines: Line, name: str = "encounter", **other: Any) -> Claim:
    """A claim of the hospital's by an encounter of its own."""
    return covered.house.claim(covered.plan, covered.house.encounter(name), *lines, **other)


def reasons(settled: Settled) -> list[int]:
    return [outcome[0] for outcome in settled.outcomes]


def pended_for_evidence(covered: Covered, claim: Claim, by: str = "doctor") -> bool:
    covered.house.submit(claim, by)
    state = covered.house.state(claim.id)
    return bool((state["status"], state["missing"], state["paid"]) == (PENDED, EVIDENCE, 0))


# -- twice -----------------------------------------------------------------------------------------------------------


def test_duplicate__by_pack(covered: Covered) -> None:
    # given
    counter = Counter(covered)
    counter.dispense(counter.claim())
    # when
    refused = counter.refusal(again(counter.claim(), "again"), counter.goods(0, nonce=1))
    # then
    assert refused == error("WrongStatus", batch=covered.house.batch, index=0, status=1)


def test_duplicate__by_service_and_day__in_one_claim(covered: Covered) -> None:
    # when
    settled = covered.house.submit(of(covered, *[Line(SHOT.service, 1005, 1, 2_500)] * 2))
    # then
    assert settled.outcomes == ((0, 2_500, 0, 0, 0, 0, 2_500), denied(DUPLICATE))


def test_duplicate__by_service_and_day__in_two_claims(covered: Covered) -> None:
    # given two encounters of a day
    covered.house.submit(of(covered, Line(SHOT.service, 1005, 1, 2_500), name="first"))
    # when
    settled = covered.house.submit(of(covered, Line(SHOT.service, 1005, 1, 2_500), name="second"))
    # then
    assert settled.outcomes == (denied(DUPLICATE),)


def test_duplicate__by_service_and_day__by_another_provider(covered: Covered) -> None:
    # given
    house = covered.house
    house.submit(of(covered, Line(SHOT.service, 1005, 1, 2_500)))
    # when
    evidence = house.encounter("elsewhere", by="colleague")
    claim = house.claim(covered.plan, evidence, Line(SHOT.service, 1005, 1, 2_500), provider=CLINIC)
    # then
    assert house.submit(claim, "colleague").outcomes == (denied(DUPLICATE),)


def test_duplicate__by_evidence(covered: Covered) -> None:
    # given an encounter for which a shot was paid
    first = of(covered, Line(SHOT.service, 1005, 1, 2_500))
    covered.house.submit(first)
    # when another service of another day is claimed by it
    settled = covered.house.submit(replace(first, lines=(Line(PANEL.service, 1006, 1, 6_000),)))
    # then
    assert settled.outcomes == (denied(DUPLICATE),)


def test_duplicate__of_a_pended_claim__counts_once_it_is_paid(covered: Covered) -> None:
    # given a claim that waits for its encounter, and the same claim once more
    house = covered.house
    first = house.claim(covered.plan, digest("late"), Line(SHOT.service, 1005, 1, 2_500))
    house.submit(first)
    house.encounter("late")
    house.submit(again(first, "again"))
    # when
    told = house.send("doctor", "Claims", "resume", first.terms(), house.rows(first), bytes(32), 0, 0)
    # then
    assert house.settled(first, told).outcomes == (denied(DUPLICATE),)


def test_duplicate__what_was_denied__keeps_nobody_out(covered: Covered) -> None:
    """A claim that is denied, or pended, takes neither the day nor the evidence from one that is right."""
    # given an encounter, and a claim by it that is denied
    claim = of(covered, Line(SHOT.service, 999, 1, 2_500))
    covered.house.submit(claim)
    # when
    settled = covered.house.submit(replace(claim, lines=(Line(SHOT.service, 1005, 1, 2_500),)))
    # then
    assert reasons(settled) == [0]


def test_consent__replayed(covered: Covered) -> None:
    # given
    house = covered.house
    claim = visit(covered, 1005)
    house.submit(claim)
    # when
    refused = house.refusal("doctor", "Claims", "submit", *house.submission(claim))
    # then
    assert refused == error("WrongStatus", claim=claim.id, status=DECIDED)


def test_consent__replayed_after_a_reversal(covered: Covered) -> None:
    # given
    house = covered.house
    settled = house.submit(visit(covered, 1005))
    house.send("doctor", "Claims", "reverse", settled.tuple, bytes(32), 0)
    # when
    refused = house.refusal("doctor", "Claims", "submit", *house.submission(settled.claim))
    # then
    assert refused == error("WrongStatus", claim=settled.id, status=REVERSED)


def test_consent__to_another_plan(covered: Covered) -> None:
    # given another plan in which the patient is enrolled
    house = covered.house
    other = house.plan(document=digest("other"))
    house.publish(other)
    house.enrol(other.id)
    claim = visit(covered, 1005)
    moved = replace(claim, plan=other.id)
    # when
    signature = house.signature(claim, "patient")
    refused = house.refusal("doctor", "Claims", "submit", *moved.arguments(signature, rows=house.rows(moved)))
    # then
    assert refused == error("NoConsent", controller=house.address("patient"))


# -- phantoms --------------------------------------------------------------------------------------------------------

LINE = Line(SHOT.service, 1005, 1, 2_500)


def test_phantom__no_encounter(covered: Covered) -> None:
    claim = covered.house.claim(covered.plan, digest("phantom"), LINE)

    assert pended_for_evidence(covered, claim)


def test_phantom__an_encounter_of_another_provider(covered: Covered) -> None:
    # given
    evidence = covered.house.encounter("elsewhere", by="colleague")
    # then
    assert pended_for_evidence(covered, covered.house.claim(covered.plan, evidence, LINE))


def test_phantom__an_encounter_of_another_patient(covered: Covered) -> None:
    # given
    evidence = covered.house.encounter("of another", who="neighbour")
    # then
    assert pended_for_evidence(covered, covered.house.claim(covered.plan, evidence, LINE))


def test_phantom__what_the_patient_reports(covered: Covered) -> None:
    # given
    house = covered.house
    patient, reported = house.address("patient"), digest("reported")
    house.send("patient", "Keys", "publish", patient, 1, digest("bundle"))
    house.send("patient", "Records", "report", patient, [reported], 1, house.chain.now() + DAY // 24)
    # then
    assert pended_for_evidence(covered, house.claim(covered.plan, reported, LINE))


@pytest.mark.parametrize("word", ["disown", "supersede"])
def test_phantom__an_encounter_that_its_author_took_back(covered: Covered, word: str) -> None:
    # given
    house = covered.house
    evidence = house.encounter("taken back")
    more = () if word == "disown" else (house.encounter("newer"),)
    house.send("doctor", "Records", word, house.address("patient"), evidence, *more)
    # then
    assert pended_for_evidence(covered, house.claim(covered.plan, evidence, LINE))


def test_evidence__disowned_after_it_was_paid__is_refuted(covered: Covered) -> None:
    # given
    house = covered.house
    settled = house.submit(of(covered, LINE))
    house.send("doctor", "Records", "disown", house.address("patient"), settled.claim.evidence)
    # when
    house.send("adjuster", "Appeals", "refute", settled.tuple, 2, digest("openings"))
    told = house.send("arbiter", "Appeals", "rule", settled.tuple, digest("openings"), True)
    # then
    assert told[2:4] == [was_reversed(settled.claim, 2_500), unused(settled.claim)]
    assert (house.balance(covered.plan), house.credit("hospital")) == (10_000_000, 0)
    # and the same encounter is claimed for no more
    assert pended_for_evidence(covered, again(settled.claim, "again"))


# -- taken apart, and graded up --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"), [(PANEL, PART), (PART, PANEL)], ids=["the part after the whole", "the whole after the part"]
)
@pytest.mark.parametrize("claims", [1, 2])
def test_unbundled(covered: Covered, first: Any, second: Any, claims: int) -> None:
    # given a panel and a part of it, of the same day
    lines = [Line(each.service, 1005, 1, each.price) for each in (first, second)]
    # when
    if claims == 1:
        found = reasons(covered.house.submit(of(covered, *lines)))
    else:
        found = [
            reason
            for place, line in enumerate(lines)
            for reason in reasons(covered.house.submit(of(covered, line, name=f"encounter {place}")))
        ]
    # then
    assert found == [0, BUNDLED]


def test_unbundled__on_two_days__is_paid(covered: Covered) -> None:
    # when
    lines = (Line(PANEL.service, 1005, 1, 6_000), Line(PART.service, 1006, 1, 2_000))
    # then
    assert reasons(covered.house.submit(of(covered, *lines))) == [0, 0]


def test_upcoded__beyond_the_providers_grade(covered: Covered) -> None:
    # given a clinic of grade 1, and a service for which the schedule wants 3
    house = covered.house
    evidence = house.encounter("surgery", by="colleague")
    claim = house.claim(covered.plan, evidence, Line(MAJOR.service, 1005, 1, 900_000), provider=CLINIC)
    # when
    settled = house.submit(claim, "colleague")
    # then
    assert settled.outcomes == (denied(GRADE),)
    # and the hospital of grade 3 is paid
    assert house.state(house.submit(of(covered, Line(MAJOR.service, 1005, 1, 900_000))).id)["paid"] == 900_000


def test_price__above_the_schedule(covered: Covered) -> None:
    # when
    settled = covered.house.submit(of(covered, Line(SHOT.service, 1005, 2, 99_000)))
    # then two shots are 5,000, whatever is asked
    assert settled.outcomes == ((0, 5_000, 0, 0, 0, 0, 5_000),)
    assert covered.house.state(settled.id)["share"] == 0


# -- goods -----------------------------------------------------------------------------------------------------------


def test_drug__other_units_than_were_given(covered: Covered) -> None:
    # given
    counter = Counter(covered)
    # when
    refused = counter.refusal(counter.claim(units=2, charged=6_000), counter.goods(units=1))
    # then
    assert refused == error("WrongLines", count=1)


def test_drug__on_the_wrong_line(covered: Covered) -> None:
    # given a claim for a line of another prescription
    counter = Counter(covered)
    other = covered.house.prescribe(counter.lines, "other")
    claim = covered.house.claim_for(covered.plan, other)
    # when
    refused = counter.refusal(claim, counter.goods())
    # then
    assert refused == error("WrongEvidence", evidence=counter.claim().evidence)


def test_drug__that_is_not_what_was_prescribed__is_refuted(covered: Covered) -> None:
    """The chain does not see it: the insurer reads the sealed openings."""
    # given
    counter, house = Counter(covered), covered.house
    settled = counter.dispense(counter.claim())
    house.send("adjuster", "Appeals", "refute", settled.tuple, 1, digest("openings"))
    # when
    house.send("arbiter", "Appeals", "rule", settled.tuple, digest("openings"), True)
    # then the money is back, and the pack is not
    assert house.state(settled.id)["status"] == REVERSED
    assert (house.balance(covered.plan), counter.is_in_stock()) == (10_000_000, False)


# -- around limits ---------------------------------------------------------------------------------------------------


def test_split__around_the_quantity_of_a_line__in_one_claim(covered: Covered) -> None:
    # given four units, of which a line may have two
    lines = [Line(PHYSIO.service, 1005, 2, 6_000)] * 2
    # then
    assert reasons(covered.house.submit(of(covered, *lines))) == [0, DUPLICATE]


def test_goods__claimed_as_a_service__without_a_pack(covered: Covered) -> None:
    # given an encounter that is none: nothing was dispensed
    assert reasons(covered.house.submit(of(covered, Line(PILLS.service, 1005, 1, 3_000)))) == [NOT_COVERED]


def test_split__around_the_quantity_of_a_line__is_denied_whole(covered: Covered) -> None:
    assert reasons(covered.house.submit(of(covered, Line(PHYSIO.service, 1005, 3, 9_000)))) == [QUANTITY]


def test_split__around_the_year__in_one_claim(covered: Covered) -> None:
    # given two a year
    lines = [Line(SHOT.service, day, 1, 2_500) for day in (1005, 1006, 1007)]
    # then
    assert reasons(covered.house.submit(of(covered, *lines))) == [0, 0, FREQUENCY]


def test_split__around_the_year__in_three_claims(covered: Covered) -> None:
    # when
    found = [
        reasons(covered.house.submit(of(covered, Line(SHOT.service, day, 1, 2_500), name=f"shot {day}")))
        for day in (1005, 1006, 1007)
    ]
    # then
    assert found == [[0], [0], [FREQUENCY]]


def test_split__around_the_year__a_denied_line_takes_no_units(covered: Covered) -> None:
    # given three units at once, which are too many
    lines = (Line(SHOT.service, 1005, 3, 7_500), Line(SHOT.service, 1006, 2, 5_000))
    # then
    assert reasons(covered.house.submit(of(covered, *lines))) == [FREQUENCY, 0]


def enrolled(house: House, limits: dict[int, int], *who: str, family: int = 7) -> Covered:
    """People of a family in a plan with other limits, by their places."""
    usual = house.plan().limits
    plan = house.plan(limits=tuple(limits.get(place, amount) for place, amount in enumerate(usual)))
    house.publish(plan)
    house.fund(plan.id, 10_000_000)
    for each in who:
        house.enrol(plan.id, each, family=family)
    return Covered(house, plan)


def panel_of(covered: Covered, who: str, day: int) -> Settled:
    evidence = covered.house.encounter(f"panel of {who} on {day}", who=who)
    claim = covered.house.claim(covered.plan, evidence, Line(PANEL.service, day, 1, 6_000), who=who)
    return covered.house.submit(claim, who=who)


def test_limit__of_a_family__used_by_two(house: House) -> None:
    # given 8,000 a year for a family
    covered = enrolled(house, {5: 8_000}, "patient", "daughter")
    # when
    first, second, third = (
        panel_of(covered, who, 1005 + day) for day, who in enumerate(("patient", "daughter", "patient"))
    )
    # then
    assert first.outcomes == ((0, 6_000, 0, 0, 0, 0, 6_000),)
    assert second.outcomes == ((1 << 17, 6_000, 0, 0, 0, 4_000, 2_000),)
    assert third.outcomes == ((1 << 17, 6_000, 0, 0, 0, 6_000, 0),)


def test_limit__of_a_family__given_back_by_one__is_there_for_the_other(house: House) -> None:
    # given
    covered = enrolled(house, {5: 8_000}, "patient", "daughter")
    first = panel_of(covered, "patient", 1005)
    panel_of(covered, "daughter", 1005)
    # when
    house.send("doctor", "Claims", "reverse", first.tuple, bytes(32), 0)
    # then 6,000 are left of it
    assert house.used(covered.plan, "daughter")[1] == (0, 0, 2_000, 0)
    assert panel_of(covered, "daughter", 1006).outcomes == ((0, 6_000, 0, 0, 0, 0, 6_000),)


def test_limit__of_a_lifetime__counts_what_earlier_policies_paid(house: House) -> None:
    # given a lifetime of 100,000, of which 97,000 were paid before
    usual = house.plan().limits
    plan = house.plan(limits=(*usual[:6], 100_000))
    house.publish(plan)
    house.fund(plan.id, 10_000_000)
    house.enrol(plan.id, lifetime=97_000)
    covered = Covered(house, plan)
    # when
    settled = panel_of(covered, "patient", 1005)
    # then
    assert settled.outcomes == ((1 << 16, 6_000, 0, 0, 0, 3_000, 3_000),)
    # when it is reversed
    house.send("doctor", "Claims", "reverse", settled.tuple, bytes(32), 0)
    # then what was paid before stays paid
    assert house.used(plan.id)[0] == (0, 0, 0, 97_000)


# -- out of time -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "reason"),
    [(999, BEFORE), (1000, 0), (1364, 0), (1365, AFTER)],
    ids=["before the first day", "on the first", "on the last", "after the last day"],
)
def test_day__within_the_policy_year(covered: Covered, day: int, reason: int) -> None:
    assert reasons(covered.house.submit(of(covered, Line(PANEL.service, day, 1, 6_000)))) == [reason]


@pytest.mark.parametrize(("day", "reason"), [(1089, WAITING), (1090, 0)])
def test_day__within_the_waiting_days(covered: Covered, day: int, reason: int) -> None:
    assert reasons(covered.house.submit(of(covered, Line(CROWN.service, day, 1, 50_000)))) == [reason]


def test_encounter__before_the_policy_began(house: House) -> None:
    # given an encounter that was anchored before anyone was covered
    evidence = house.encounter("early")
    plan = house.plan()
    house.publish(plan)
    house.fund(plan.id, 10_000)
    house.enrol(plan.id)
    # then
    assert reasons(house.submit(house.claim(plan.id, evidence, LINE))) == [BEFORE]


def test_encounter__after_the_policy_was_ended(covered: Covered) -> None:
    # given
    house = covered.house
    before = of(covered, LINE)
    house.send("patient", "Policies", "endPolicy", covered.plan, house.address("patient"))
    after = of(covered, Line(SHOT.service, 1006, 1, 2_500), name="after")
    # then what was before stays covered
    assert reasons(house.submit(after)) == [AFTER]
    assert reasons(house.submit(before)) == [0]


def test_encounter__after_a_lapse(house: House) -> None:
    # given a premium that covers thirty days
    plan = house.plan(premium=1_000, premium_days=30)
    house.publish(plan)
    house.fund(plan.id, 10_000)
    house.enrol(plan.id)
    house.mint("patient", 1_000)
    approve = house.coin.functions.approve(house.contract("Policies").address, 1_000)
    house.chain.send(house.account("patient"), approve)
    house.send("patient", "Policies", "payPremium", plan.id, house.address("patient"), 1)
    covered = Covered(house, plan)
    # when
    later(house, 31)
    # then
    assert reasons(house.submit(of(covered, LINE))) == [AFTER]
    counter = Counter(covered)
    assert counter.dispense(counter.claim()).outcomes == (denied(AFTER),)


@pytest.mark.parametrize(("second", "reason"), [(0, 0), (1, LATE)])
def test_encounter__older_than_ninety_days(covered: Covered, second: int, reason: int) -> None:
    # given a claim whose transaction comes at the last second, or one later
    house = covered.house
    evidence = house.encounter("old")
    house.chain.at(house.chain.now() + 90 * DAY - 1 + second)
    # then
    assert reasons(house.submit(house.claim(covered.plan, evidence, LINE))) == [reason]


@pytest.mark.parametrize("lost", ["suspended", "expired"])
def test_licence__lost(covered: Covered, lost: str) -> None:
    # given
    house = covered.house
    claim = of(covered, LINE)
    consortium = house.contracts.consortium.functions
    if lost == "suspended":
        house.chain.send(BOARD, consortium.suspend(HOSPITAL, 1))
    else:
        expiry = house.chain.now() + DAY // 24
        house.chain.send(BOARD, consortium.renew(HOSPITAL, 1, 3, expiry))
        house.chain.at(expiry)
        claim = replace(claim, deadline=house.soon)
    # then
    refused = house.refusal("doctor", "Claims", "submit", *house.submission(claim))
    assert refused == error("NoStanding", account=house.address("doctor"))


def test_licence__of_a_pharmacy__lost(covered: Covered) -> None:
    # given
    counter, house = Counter(covered), covered.house
    house.chain.send(BOARD, house.contracts.consortium.functions.suspend(PHARMACY, 1))
    # when
    arguments = dispensing(house, counter.claim(), counter.goods())
    refused = house.refusal("pharmacist", "Claims", "dispense", *arguments)
    # then
    assert refused == error("NoStanding", account=house.address("pharmacist"))


def test_plan__that_another_contract_decides(house: House) -> None:
    # given
    another = house.contract("Episodes").address
    plan = house.plan(adjudicator=another)
    house.publish(plan)
    house.enrol(plan.id)
    claim = house.claim(plan.id, house.encounter("shot"), LINE)
    # when
    refused = house.refusal("doctor", "Claims", "submit", *house.submission(claim))
    # then
    assert refused == error("NotTheAdjudicator", sender=house.contract("Claims").address, adjudicator=another)


# -- authorizations --------------------------------------------------------------------------------------------------


def authorized(covered: Covered, *, units: int = 1, amount: int = 0, days: int = 30) -> bytes:
    """A scan that the insurer authorized for the hospital."""
    house = covered.house
    asked = (covered.plan, house.address("patient"), SCAN.service, 4, digest("reasons"))
    house.send("doctor", "Authorizations", "request", asked)
    authorization: bytes = house.ask("Authorizations", "idOf", asked, HOSPITAL)
    limits = (units, amount, house.chain.now() + days * DAY)
    house.send("adjuster", "Authorizations", "approve", authorization, *limits)
    return authorization


def scan(authorization: bytes, day: int = 1005, units: int = 1) -> Line:
    return Line(SCAN.service, day, units, 40_000 * units, authorization)


def test_authorization__none(covered: Covered) -> None:
    assert reasons(covered.house.submit(of(covered, Line(SCAN.service, 1005, 1, 40_000)))) == [UNAUTHORIZED]


def test_authorization__twice__in_one_claim(covered: Covered) -> None:
    # given
    authorization = authorized(covered)
    # then
    settled = covered.house.submit(of(covered, scan(authorization), scan(authorization, 1006)))
    assert reasons(settled) == [0, UNAUTHORIZED]
    assert covered.house.ask("Benefits", "usedBy", authorization) == settled.id


def test_authorization__twice__in_two_claims(covered: Covered) -> None:
    # given
    authorization = authorized(covered)
    covered.house.submit(of(covered, scan(authorization)))
    # then
    settled = covered.house.submit(of(covered, scan(authorization, 1006), name="second"))
    assert reasons(settled) == [UNAUTHORIZED]


def test_authorization__again_after_a_reversal(covered: Covered) -> None:
    # given
    house, authorization = covered.house, authorized(covered)
    settled = house.submit(of(covered, scan(authorization)))
    house.send("doctor", "Claims", "reverse", settled.tuple, bytes(32), 0)
    # then
    assert reasons(house.submit(of(covered, scan(authorization, 1006), name="second"))) == [0]


def test_authorization__beyond_its_units(covered: Covered) -> None:
    # given
    authorization = authorized(covered, units=2)
    # then
    assert reasons(covered.house.submit(of(covered, scan(authorization, units=3)))) == [BEYOND]


def test_authorization__beyond_its_amount(covered: Covered) -> None:
    # given 30,000 for a scan of 40,000
    authorization = authorized(covered, amount=30_000)
    # when
    settled = covered.house.submit(of(covered, scan(authorization)))
    # then 15 of a hundred of 30,000
    assert settled.outcomes == ((0, 30_000, 0, 0, 4_500, 0, 25_500),)


def test_authorization__run_out(covered: Covered) -> None:
    # given
    authorization = authorized(covered, days=1)
    later(covered.house, 2)
    # then
    assert reasons(covered.house.submit(of(covered, scan(authorization)))) == [UNAUTHORIZED]


def test_authorization__of_another_provider(covered: Covered) -> None:
    # given
    house, authorization = covered.house, authorized(covered)
    evidence = house.encounter("scan", by="colleague")
    claim = house.claim(covered.plan, evidence, scan(authorization), provider=CLINIC)
    # then
    assert reasons(house.submit(claim, "colleague")) == [UNAUTHORIZED]


def test_authorization__for_another_patient(covered: Covered) -> None:
    # given
    house, authorization = covered.house, authorized(covered)
    house.enrol(covered.plan, "neighbour")
    claim = house.claim(covered.plan, house.encounter("scan", who="neighbour"), scan(authorization), who="neighbour")
    # then
    assert reasons(house.submit(claim, who="neighbour")) == [UNAUTHORIZED]


# -- what deductibles are turned into --------------------------------------------------------------------------------


def test_deductible__met_by_a_claim_that_is_reversed__does_not_stay_met(covered: Covered) -> None:
    # given two visits that meet 18,000 of 20,000
    house = covered.house
    first, second = (house.submit(visit(covered, day)) for day in (1001, 1002))
    for each in (first, second):
        house.send("doctor", "Claims", "reverse", each.tuple, bytes(32), 0)
    # when
    third = house.submit(visit(covered, 1003))
    # then
    assert third.outcomes == ((0, 10_000, 9_000, 1_000, 0, 0, 0),)


def test_deductible__of_one_visit_claimed_by_turns(covered: Covered) -> None:
    """Who adjusts again and again keeps no deductible of what it reversed."""
    # given
    house = covered.house
    settled = house.submit(visit(covered, 1001))
    # when
    for turn in range(3):
        claim = again(settled.claim, f"turn {turn}")
        arguments = (settled.tuple, claim.terms(), house.rows(claim), 0, house.signature(claim, "patient"))
        settled = house.settled(claim, house.send("doctor", "Claims", "adjust", *arguments))
    # then
    assert house.used(covered.plan)[0] == (9_000, 10_000, 0, 0)
    assert house.ask("Benefits", "unitsOf", covered.plan, house.address("patient"), VISIT.service) == 0

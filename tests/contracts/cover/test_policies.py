"""Plans that insurers publish and close; policies that begin, are paid for, lapse, are taken up again, and end."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from counting_house import (
    DAY,
    DECIDED,
    FIRST,
    HOUR,
    LAST,
    NUMBERS,
    SHOT,
    ZERO,
    Covered,
    Event,
    House,
    Plan,
    Refusal,
    digest,
    error,
)

from theriac.cover.messages import ENROL_WINDOW, EndPolicy, Enrol, Line

INSURER, MUTUAL = NUMBERS["insurer"], NUMBERS["mutual"]
MONTH = 30 * DAY
AFTER_COVER, BEFORE_COVER = 1 << 3, 1 << 2


def no_standing(house: House, who: str) -> Refusal:
    return error("NoStanding", account=house.address(who))


# -- publishing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["insurer", "adjuster", "reviewer"])
def test_publish__by_the_insurer(house: House, who: str) -> None:
    # given
    plan = house.plan(premium=500, premium_days=30)

    # when
    told = house.send(who, "Policies", "publish", plan.tuple)

    # then
    published = {"plan": plan.id, "insurer": INSURER, "document": digest("plan")}
    assert told == [Event("PlanPublished", published)]
    assert house.ask("Policies", "idOf", plan.tuple) == plan.id
    assert house.ask("Policies", "planOf", plan.id) == plan.tuple
    assert house.ask("Policies", "moneyOf", plan.id) == [plan.token, plan.adjudicator, INSURER]
    assert house.ask("Policies", "disputesOf", plan.id) == [plan.appeals, INSURER, plan.arbiter, 30, 60, 30]


@pytest.mark.parametrize("who", ["doctor", "arbiter", "stranger"])
def test_publish__by_no_insurer(house: House, who: str) -> None:
    assert house.refusal(who, "Policies", "publish", house.plan().tuple) == no_standing(house, who)


def test_publish__by_a_suspended_insurer(house: House) -> None:
    # given
    house.suspend("insurer")

    # then
    assert house.refusal("adjuster", "Policies", "publish", house.plan().tuple) == no_standing(house, "adjuster")


def test_publish__in_the_name_of_another_insurer(house: House) -> None:
    # given
    plan = house.plan()

    # when
    refused = house.refusal("actuary", "Policies", "publish", plan.tuple)

    # then
    assert refused == error("NotTheInsurer", plan=plan.id, member=MUTUAL, insurer=INSURER)


@pytest.mark.parametrize(
    "lacking",
    [
        {"schedule": bytes(32)},
        {"document": bytes(32)},
        {"filing_days": 0},
        {"refute_days": 0},
        {"appeal_days": 0},
        {"reversal_days": 0},
        {"premium": 500},
        {"premium_days": 30},
        {"adjudicator": ZERO},
        {"appeals": ZERO},
    ],
    ids=lambda lacking: next(iter(lacking)),
)
def test_publish__what_lacks_something(house: House, lacking: dict[str, Any]) -> None:
    assert house.refusal("adjuster", "Policies", "publish", house.plan(**lacking).tuple) == error("EmptyPlan")


@pytest.mark.parametrize("field", ["adjudicator", "appeals"])
def test_publish__with_an_account_where_a_contract_decides(house: House, field: str) -> None:
    # given
    plan = house.plan(**{field: house.address("adjuster")})

    # then
    assert house.refusal("adjuster", "Policies", "publish", plan.tuple) == error("EmptyPlan")


@pytest.mark.parametrize("arbiter", [INSURER, 0, 99], ids=["the insurer", "nobody", "no member"])
def test_publish__with_an_arbiter_who_is_none(house: House, arbiter: int) -> None:
    refused = house.refusal("adjuster", "Policies", "publish", house.plan(arbiter=arbiter).tuple)

    assert refused == error("WrongArbiter", arbiter=arbiter)


def test_publish__with_a_suspended_arbiter(house: House) -> None:
    # given
    house.suspend("authority")

    # when
    refused = house.refusal("adjuster", "Policies", "publish", house.plan().tuple)

    # then
    assert refused == error("WrongArbiter", arbiter=NUMBERS["authority"])


def test_publish__twice(house: House) -> None:
    # given
    plan = house.plan()
    house.publish(plan)

    # when
    refused = house.refusal("reviewer", "Policies", "publish", plan.tuple)

    # then
    assert refused == error("AlreadyPublished", plan=plan.id)


# -- closing ---------------------------------------------------------------------------------------------------------


def test_close__takes_nobody_in_and_lets_nobody_go(covered: Covered) -> None:
    # given
    house, plan = covered.house, covered.plan
    before = house.ask("Policies", "policyOf", plan, house.address("patient"))

    # when
    told = house.send("reviewer", "Policies", "close", plan)

    # then
    assert told == [Event("PlanClosed", {"plan": plan})]
    assert house.ask("Policies", "isClosed", plan) is True
    assert house.ask("Policies", "policyOf", plan, house.address("patient")) == before
    claim = house.claim(plan, house.encounter("shot"), Line(SHOT.service, FIRST, 1, 2_500))
    house.submit(claim)
    assert house.state(claim.id)["paid"] == 2_500


def test_close__by_others(covered: Covered) -> None:
    house, plan = covered.house, covered.plan

    assert house.refusal("patient", "Policies", "close", plan) == no_standing(house, "patient")
    other = error("NotTheInsurer", plan=plan, member=MUTUAL, insurer=INSURER)
    assert house.refusal("actuary", "Policies", "close", plan) == other


def test_close__what_is_not_there_or_is_closed(covered: Covered) -> None:
    # given
    house, plan = covered.house, covered.plan
    house.send("adjuster", "Policies", "close", plan)

    # then
    assert house.refusal("adjuster", "Policies", "close", plan) == error("PlanIsClosed", plan=plan)
    nowhere = digest("no plan")
    assert house.refusal("adjuster", "Policies", "close", nowhere) == error("NoSuchPlan", plan=nowhere)
    assert house.refusal("adjuster", "Policies", "publish", covered.terms.tuple) == error("AlreadyPublished", plan=plan)


# -- enrolling -------------------------------------------------------------------------------------------------------


class Desk:
    """Where a patient is enrolled, in one of two ways."""

    def __init__(self, house: House, plan: Plan, way: str) -> None:
        self.house, self.plan, self.way = house, plan.id, way

    def call(self, terms: Enrol, *, underwriter: str = "adjuster", patient: str = "patient") -> tuple[Any, ...]:
        underwriting = self.house.signature(terms, underwriter)
        if self.way == "direct":
            return (patient, "Policies", "enrol", tuple(terms.values().values()), underwriting)
        signature = self.house.signature(terms, patient)
        return ("relayer", "Policies", "enrolBySig", *terms.arguments(underwriting, signature))

    def refusal(self, terms: Enrol | None = None, **who: str) -> Refusal | None:
        return self.house.refusal(*self.call(terms or self.terms(), **who))

    def terms(self, **other: Any) -> Enrol:
        return self.house.enrolment(self.plan, **other)


@pytest.fixture(params=["direct", "by signature"])
def desk(house: House, request: pytest.FixtureRequest) -> Desk:
    plan = house.plan()
    house.publish(plan)
    return Desk(house, plan, request.param)


def test_enrol__by_both_words(desk: Desk) -> None:
    # given
    house = desk.house
    terms = desk.terms(family=7, lifetime=123)

    # when
    told = house.send(*desk.call(terms))

    # then: there is no premium, and it lasts a year
    ends = terms.ends
    begun = {"plan": desk.plan, "pseudonym": terms.pseudonym, "family": 7, "until": ends, "ends": ends}
    assert told == [Event("Enrolled", begun)]
    policy = house.ask("Policies", "policyOf", desk.plan, terms.pseudonym)
    assert policy == (7, house.chain.now(), ends, ends, FIRST, LAST, False)
    assert house.ask("Policies", "lifetimeOf", desk.plan, terms.pseudonym) == 123
    assert house.used(desk.plan) == ((0, 0, 0, 123), (0, 0, 0, 0))


def test_enrol__without_the_patient(desk: Desk) -> None:
    # given
    stranger, patient = desk.house.address("stranger"), desk.house.address("patient")

    # when
    refused = desk.refusal(patient="stranger")

    # then
    if desk.way == "direct":
        assert refused == error("NotTheController", sender=stranger, controller=patient)
    else:
        assert refused == error("WrongSignature", signer=patient)


def test_enrol__in_a_former_era(desk: Desk) -> None:
    # given
    terms = desk.terms()
    desk.house.send("patient", "Keys", "raiseEra", desk.house.address("patient"))

    # then
    assert desk.refusal(terms) == error("WrongEra", era=0, current=1)
    assert desk.refusal(replace(terms, era=1)) is None


def test_enrol__while_a_recovery_is_pending(desk: Desk) -> None:
    # given
    desk.house.freeze("patient")

    # then
    assert desk.refusal() == error("Frozen", pseudonym=desk.house.address("patient"))


def test_enrol__within_31_days(desk: Desk) -> None:
    # given
    now = desk.house.chain.now()

    # then: a question is asked in the block that was made last
    assert desk.refusal(desk.terms(deadline=now - 1)) == error("SignatureExpired", deadline=now - 1)
    assert desk.refusal(desk.terms(deadline=now)) is None
    latest = now + ENROL_WINDOW
    assert desk.refusal(desk.terms(deadline=latest)) is None
    assert desk.refusal(desk.terms(deadline=latest + 1)) == error("DeadlineTooFar", deadline=latest + 1, latest=latest)


def test_enrol__in_no_plan_or_in_a_closed_one(desk: Desk) -> None:
    # given
    nowhere = digest("no plan")
    desk.house.send("adjuster", "Policies", "close", desk.plan)

    # then
    assert desk.refusal(replace(desk.terms(), plan=nowhere)) == error("NoSuchPlan", plan=nowhere)
    assert desk.refusal() == error("PlanIsClosed", plan=desk.plan)


def test_enrol__by_an_underwriter_of_nobody_s_or_of_another_insurer(desk: Desk) -> None:
    # given
    house = desk.house

    def by(who: str) -> Refusal | None:
        return desk.refusal(desk.terms(underwriter=house.address(who)), underwriter=who)

    # then
    assert by("stranger") == no_standing(house, "stranger")
    assert by("actuary") == error("NotTheInsurer", plan=desk.plan, member=MUTUAL, insurer=INSURER)
    assert by("reviewer") is None


def test_enrol__without_the_underwriter_s_word(desk: Desk) -> None:
    # when
    refused = desk.refusal(underwriter="reviewer")

    # then
    assert refused == error("WrongSignature", signer=desk.house.address("adjuster"))


@pytest.mark.parametrize(("first", "last"), [(0, 100), (11, 10), (1, 367), (60_000, 65_535)], ids=str)
def test_enrol__for_days_that_are_no_year(desk: Desk, first: int, last: int) -> None:
    assert desk.refusal(desk.terms(first=first, last=last)) == error("WrongDays", first=first, last=last)


@pytest.mark.parametrize(("first", "last"), [(1, 1), (1, 366), (65_170, 65_535)], ids=str)
def test_enrol__for_a_day_or_for_a_year(desk: Desk, first: int, last: int) -> None:
    assert desk.refusal(desk.terms(first=first, last=last)) is None


def test_enrol__until_within_400_days(desk: Desk) -> None:
    # given
    now = desk.house.chain.now()
    latest = now + 400 * DAY

    # then
    assert desk.refusal(desk.terms(ends=now)) == error("WrongEnd", ends=now, latest=latest)
    assert desk.refusal(desk.terms(ends=now + 1)) is None
    assert desk.refusal(desk.terms(ends=latest)) is None
    assert desk.refusal(desk.terms(ends=latest + 1)) == error("WrongEnd", ends=latest + 1, latest=latest)


def test_enrol__once_for_a_plan(desk: Desk) -> None:
    # given
    house, patient = desk.house, desk.house.address("patient")
    house.send(*desk.call(desk.terms()))
    house.send("patient", "Policies", "endPolicy", desk.plan, patient)

    # then: also after it has ended
    assert desk.refusal() == error("AlreadyEnrolled", plan=desk.plan, pseudonym=patient)
    other = house.plan(document=digest("another plan"))
    house.publish(other)
    assert desk.refusal(replace(desk.terms(), plan=other.id)) is None


# -- premiums --------------------------------------------------------------------------------------------------------


@pytest.fixture
def monthly(house: House) -> Covered:
    """A plan with a premium of 500 for 30 days, ten days of grace, and a patient who has not paid yet."""
    plan = house.plan(premium=500, premium_days=30)
    house.publish(plan)
    house.fund(plan.id, 1_000_000)
    house.mint("friend", 100_000)
    house.chain.send(house.account("friend"), house.coin.functions.approve(house.contracts.policies.address, 100_000))
    house.enrol(plan.id)
    return Covered(house, plan)


def until(covered: Covered) -> int:
    policy = covered.house.ask("Policies", "policyOf", covered.plan, covered.house.address("patient"))
    return int(policy[2])


def premium(covered: Covered, periods: int = 1) -> tuple[Any, ...]:
    return ("friend", "Policies", "payPremium", covered.plan, covered.house.address("patient"), periods)


def reasons(covered: Covered, name: str) -> int:
    """What a shot that is claimed now, for an encounter of now, is denied for."""
    house = covered.house
    day = FIRST + int.from_bytes(digest(name)[:1], "big")
    settled = house.submit(house.claim(covered.plan, house.encounter(name), Line(SHOT.service, day, 1, 100)))
    return int(settled.outcomes[0][0])


def test_premium__goes_to_the_insurer_and_covers(monthly: Covered) -> None:
    # given: nothing is covered before
    house, begun = monthly.house, until(monthly)
    assert reasons(monthly, "before") == AFTER_COVER
    had = house.coins("insurer")

    # when
    told = house.send(*premium(monthly, 2))

    # then
    paid = {"plan": monthly.plan, "pseudonym": house.address("patient"), "payer": house.address("friend")}
    assert told[0] == Event("PremiumPaid", {**paid, "amount": 1_000, "until": begun + 2 * MONTH})
    assert until(monthly) == begun + 2 * MONTH
    assert (house.coins("insurer"), house.coins("friend")) == (had + 1_000, 99_000)
    assert reasons(monthly, "after") == 0


def test_premium__covers_until_its_last_second(monthly: Covered) -> None:
    # given
    house = monthly.house
    house.send(*premium(monthly))
    house.encounter("last second")

    # when
    house.chain.at(until(monthly) - 3)
    last = reasons(monthly, "in time")
    house.chain.at(until(monthly))
    late = reasons(monthly, "too late")

    # then
    assert (last, late) == (0, AFTER_COVER)


def test_premium__in_grace_covers_what_was_in_between(monthly: Covered) -> None:
    # given
    house = monthly.house
    house.send(*premium(monthly))
    lapsed = until(monthly)
    house.chain.at(lapsed + 5 * DAY)
    assert reasons(monthly, "in grace") == AFTER_COVER

    # when
    house.chain.at(lapsed + 10 * DAY - 1)
    house.send(*premium(monthly))

    # then: at the last second of grace, and from where it had lapsed
    assert house.chain.now() == lapsed + 10 * DAY
    assert until(monthly) == lapsed + MONTH
    again = house.claim(monthly.plan, digest("in grace"), Line(SHOT.service, FIRST + 300, 1, 100))
    assert house.submit(again).outcomes[0][0] == 0


def test_premium__after_grace(monthly: Covered) -> None:
    # given
    house = monthly.house
    lapsed = until(monthly)
    house.chain.at(lapsed + 10 * DAY)
    assert house.refusal(*premium(monthly)) is None
    house.chain.at(lapsed + 10 * DAY + 1)

    # when
    refused = house.refusal(*premium(monthly))

    # then
    assert refused == error("Lapsed", plan=monthly.plan, pseudonym=house.address("patient"), until=lapsed)


def test_premium__never_covers_beyond_the_year(monthly: Covered) -> None:
    # given: the 13th month is cut short
    house = monthly.house
    ends = house.ask("Policies", "policyOf", monthly.plan, house.address("patient"))[3]
    nothing = error("NothingDue", plan=monthly.plan, pseudonym=house.address("patient"))
    assert house.refusal(*premium(monthly, 14)) == nothing

    # when
    house.send(*premium(monthly, 13))

    # then
    assert until(monthly) == ends
    assert house.refusal(*premium(monthly)) == nothing


def test_premium__of_no_period_or_of_no_policy(monthly: Covered) -> None:
    house, plan = monthly.house, monthly.plan
    stranger, nowhere = house.address("stranger"), digest("no plan")

    none = error("NothingDue", plan=plan, pseudonym=house.address("patient"))
    assert house.refusal(*premium(monthly, 0)) == none
    not_enrolled = house.refusal("friend", "Policies", "payPremium", plan, stranger, 1)
    assert not_enrolled == error("NoSuchPolicy", plan=plan, pseudonym=stranger)
    assert house.refusal("friend", "Policies", "payPremium", nowhere, stranger, 1) == error("NoSuchPlan", plan=nowhere)


def test_premium__of_a_plan_without_one(covered: Covered) -> None:
    nothing = error("NothingDue", plan=covered.plan, pseudonym=covered.house.address("patient"))

    assert covered.house.refusal(*premium(covered)) == nothing


def test_premium__that_the_payer_does_not_have(monthly: Covered) -> None:
    # when
    refused = monthly.house.refusal("stranger", *premium(monthly)[1:])

    # then
    assert refused is not None
    assert refused.error == "ERC20InsufficientAllowance"


def test_premium__of_a_whole_year_with_long_grace(house: House) -> None:
    # given: more days than a product of small numbers holds
    plan = house.plan(premium=500, premium_days=365, grace_days=365)
    house.publish(plan)
    house.mint("friend", 500)
    house.chain.send(house.account("friend"), house.coin.functions.approve(house.contracts.policies.address, 500))
    house.enrol(plan.id, ends=house.chain.now() + 399 * DAY)
    yearly = Covered(house, plan)
    begun = until(yearly)

    # when
    house.chain.at(begun + 365 * DAY - 1)
    house.send(*premium(yearly))

    # then
    assert until(yearly) == begun + 365 * DAY


# -- reinstatement ---------------------------------------------------------------------------------------------------


def test_reinstate__begins_anew_as_far_as_a_premium_reaches(monthly: Covered) -> None:
    # given
    house, patient = monthly.house, monthly.house.address("patient")
    house.send(*premium(monthly))
    house.chain.at(until(monthly) + 2 * MONTH)
    house.encounter("in the gap")

    # when
    told = house.send("adjuster", "Policies", "reinstate", monthly.plan, patient)

    # then
    now = house.chain.now()
    assert told == [Event("Reinstated", {"plan": monthly.plan, "pseudonym": patient, "until": now + MONTH})]
    policy = house.ask("Policies", "policyOf", monthly.plan, patient)
    assert (policy[1], policy[2]) == (now, now + MONTH)
    claim = house.claim(monthly.plan, digest("in the gap"), Line(SHOT.service, FIRST, 1, 100))
    assert house.submit(claim).outcomes[0][0] == BEFORE_COVER
    assert reasons(monthly, "afterwards") == 0


def test_reinstate__what_was_covered_stays_covered(monthly: Covered) -> None:
    # given: an encounter before it lapsed, which is claimed for within its 90 days
    house, patient = monthly.house, monthly.house.address("patient")
    house.send(*premium(monthly))
    house.encounter("covered")
    policy = house.ask("Policies", "policyOf", monthly.plan, patient)
    house.chain.at(until(monthly) + 11 * DAY)

    # when
    house.send("adjuster", "Policies", "reinstate", monthly.plan, patient)

    # then
    assert house.ask("Policies", "formerOf", monthly.plan, patient) == [policy[1], policy[2]]
    claim = house.claim(monthly.plan, digest("covered"), Line(SHOT.service, FIRST, 1, 100))
    assert house.submit(claim).outcomes[0][0] == 0


def test_reinstate__goods_that_were_given_before_it_lapsed(monthly: Covered) -> None:
    # given
    house, patient = monthly.house, monthly.house.address("patient")
    house.send(*premium(monthly))
    house.chain.at(until(monthly) - 5 * DAY)
    house.stock()
    lines = house.prescribed()
    terms = house.prescribe(lines)
    settled = house.dispense(house.claim_for(monthly.plan, terms, charged=2_000), house.goods(terms, lines, 0))
    house.chain.at(until(monthly) + 11 * DAY)
    house.send("adjuster", "Policies", "reinstate", monthly.plan, patient)

    # when: what it charged too little for is adjusted
    more = house.claim_for(monthly.plan, terms, salt=digest("more"))
    adjusted = (settled.tuple, more.terms(), house.rows(more), 0, house.signature(more, "patient"))
    told = house.send("pharmacist", "Claims", "adjust", *adjusted)

    # then
    assert house.settled(more, told).outcomes == ((0, 3_000, 0, 500, 0, 0, 2_500),)


def test_reinstate__for_a_year(house: House) -> None:
    # given: more days than a product of small numbers holds
    plan = house.plan(premium=500, premium_days=365)
    house.publish(plan)
    house.enrol(plan.id)
    yearly = Covered(house, plan)
    house.chain.at(until(yearly) + 11 * DAY)

    # when
    house.send("adjuster", "Policies", "reinstate", plan.id, house.address("patient"))

    # then: until the policy year's end at most
    assert until(yearly) == house.ask("Policies", "policyOf", plan.id, house.address("patient"))[3]


def test_reinstate__by_others(monthly: Covered) -> None:
    # given
    house, plan = monthly.house, monthly.plan
    house.chain.at(until(monthly) + 11 * DAY)
    call = ("Policies", "reinstate", plan, house.address("patient"))

    # then
    assert house.refusal("patient", *call) == no_standing(house, "patient")
    assert house.refusal("actuary", *call) == error("NotTheInsurer", plan=plan, member=MUTUAL, insurer=INSURER)


def test_reinstate__what_has_not_lapsed_or_is_over(monthly: Covered) -> None:
    # given
    house, plan, patient = monthly.house, monthly.plan, monthly.house.address("patient")
    call = ("adjuster", "Policies", "reinstate", plan)
    lapsed, stranger = until(monthly), house.address("stranger")
    not_lapsed = error("NotLapsed", plan=plan, pseudonym=patient, until=lapsed)
    ends = house.ask("Policies", "policyOf", plan, patient)[3]

    # then
    assert house.refusal(*call, stranger) == error("NoSuchPolicy", plan=plan, pseudonym=stranger)
    house.chain.at(lapsed + 10 * DAY)
    assert house.refusal(*call, patient) == not_lapsed
    house.chain.at(lapsed + 10 * DAY + 1)
    assert house.refusal(*call, patient) is None
    house.chain.at(ends)
    assert house.refusal(*call, patient) == not_lapsed


def test_reinstate__what_was_ended(monthly: Covered) -> None:
    # given
    house, plan, patient = monthly.house, monthly.plan, monthly.house.address("patient")
    lapsed = until(monthly)
    house.send("patient", "Policies", "endPolicy", plan, patient)

    # when
    house.chain.at(lapsed + 11 * DAY)

    # then
    refused = house.refusal("adjuster", "Policies", "reinstate", plan, patient)
    assert refused == error("NotLapsed", plan=plan, pseudonym=patient, until=lapsed)


# -- ending ----------------------------------------------------------------------------------------------------------


def ended(covered: Covered, member: int) -> Event:
    patient = covered.house.address("patient")
    return Event("PolicyEnded", {"plan": covered.plan, "pseudonym": patient, "member": member})


def end_by_signature(covered: Covered, by: str = "patient", **other: Any) -> tuple[Any, ...]:
    house = covered.house
    usual = EndPolicy(pseudonym=house.address("patient"), plan=covered.plan, era=0, deadline=house.soon)
    terms = replace(usual, **other)
    return ("relayer", "Policies", "endPolicyBySig", *terms.arguments(house.signature(terms, by)))


ENDINGS: dict[str, tuple[Callable[[Covered], tuple[Any, ...]], int]] = {
    "by the patient": (lambda c: ("patient", "Policies", "endPolicy", c.plan, c.house.address("patient")), 0),
    "by signature": (end_by_signature, 0),
    "by the insurer": (lambda c: ("reviewer", "Policies", "endPolicy", c.plan, c.house.address("patient")), INSURER),
}


@pytest.mark.parametrize("way", ENDINGS)
def test_end__what_was_covered_stays_covered(covered: Covered, way: str) -> None:
    # given
    house = covered.house
    call, member = ENDINGS[way]
    visit = house.claim(covered.plan, house.encounter("before"), Line(SHOT.service, FIRST, 1, 2_500))

    # when
    told = house.send(*call(covered))

    # then
    now = house.chain.now()
    assert told == [ended(covered, member)]
    policy = house.ask("Policies", "policyOf", covered.plan, house.address("patient"))
    assert policy[2:4] + policy[6:] == (now, now, True)
    assert house.submit(visit).outcomes[0][0] == 0
    assert reasons(covered, "after") == AFTER_COVER


def test_end__by_others(covered: Covered) -> None:
    # given
    house, plan = covered.house, covered.plan
    call = ("Policies", "endPolicy", plan, house.address("patient"))

    # then
    assert house.refusal("doctor", *call) == no_standing(house, "doctor")
    assert house.refusal("actuary", *call) == error("NotTheInsurer", plan=plan, member=MUTUAL, insurer=INSURER)
    nowhere = digest("no plan")
    assert house.refusal("patient", *call[:2], nowhere, call[3]) == error("NoSuchPlan", plan=nowhere)


def test_end__twice_or_what_never_began(covered: Covered) -> None:
    # given
    house, plan, patient = covered.house, covered.plan, covered.house.address("patient")
    house.send("patient", "Policies", "endPolicy", plan, patient)

    # then
    again = house.refusal("patient", "Policies", "endPolicy", plan, patient)
    assert again == error("NothingDue", plan=plan, pseudonym=patient)
    stranger = house.address("stranger")
    never = house.refusal("stranger", "Policies", "endPolicy", plan, stranger)
    assert never == error("NoSuchPolicy", plan=plan, pseudonym=stranger)


def test_end__by_the_patient_while_a_recovery_is_pending(covered: Covered) -> None:
    # given
    house, patient = covered.house, covered.house.address("patient")
    house.freeze("patient")

    # then: the insurer still can
    frozen = error("Frozen", pseudonym=patient)
    assert house.refusal("patient", "Policies", "endPolicy", covered.plan, patient) == frozen
    assert house.refusal(*end_by_signature(covered)) == frozen
    assert house.refusal("adjuster", "Policies", "endPolicy", covered.plan, patient) is None


def test_end__by_a_signature_that_does_not_count(covered: Covered) -> None:
    house, patient = covered.house, covered.house.address("patient")
    now = house.chain.now()

    expired = house.refusal(*end_by_signature(covered, deadline=now - 1))
    far = house.refusal(*end_by_signature(covered, deadline=now + HOUR + 1))
    era = house.refusal(*end_by_signature(covered, era=1))
    forged = house.refusal(*end_by_signature(covered, by="adjuster"))

    assert expired == error("SignatureExpired", deadline=now - 1)
    assert far == error("DeadlineTooFar", deadline=now + HOUR + 1, latest=now + HOUR)
    assert era == error("WrongEra", era=1, current=0)
    assert forged == error("WrongSignature", signer=patient)


def test_end__a_premium_afterwards_is_not_taken(monthly: Covered) -> None:
    # given
    house, patient = monthly.house, monthly.house.address("patient")
    house.send(*premium(monthly))
    house.send("patient", "Policies", "endPolicy", monthly.plan, patient)

    # when
    refused = house.refusal(*premium(monthly))

    # then
    assert refused == error("NothingDue", plan=monthly.plan, pseudonym=patient)


def test_cover__of_a_year_that_ran_its_course_leaves_time_to_write_of_its_last_days(covered: Covered) -> None:
    # given
    house = covered.house
    house.chain.at(until(covered) + 89 * DAY)

    # when
    claim = house.claim(covered.plan, house.encounter("written late"), Line(SHOT.service, LAST, 1, 2_500))
    house.submit(claim)

    # then
    assert house.state(claim.id)["status"] == DECIDED
    assert house.state(claim.id)["paid"] == 2_500
    house.chain.at(until(covered) + 90 * DAY)
    assert reasons(covered, "too late") == AFTER_COVER

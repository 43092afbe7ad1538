"""What the rules decide, worked out by hand: amounts, reasons, and what is used then.

Each example is asked of the reference and of the contract.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rules_cases import Case

from theriac.cover.rules import (
    DENIALS,
    NO_REASON,
    NONE,
    Adjustment,
    Benefit,
    Decision,
    Group,
    Item,
    Kind,
    Limits,
    Outcome,
    Reason,
    Used,
    adjustments,
)
from theriac.errors import WrongCoinsurance

Decide = Callable[..., Decision]

VISIT, X_RAY, CAST = (bytes([number]) * 32 for number in (1, 2, 3))
LIMB = bytes([9]) * 32
FIRST, SECOND = b"\1" * 32, b"\2" * 32
EVERYTHING = Reason(2**32 - 1)

FREE = Benefit(VISIT, price=100)


@pytest.fixture(params=["reference", "contract"])
def decide(request: pytest.FixtureRequest) -> Decide:
    """One or the other, asked for a claim's lines."""
    stage = request.getfixturevalue("stage") if request.param == "contract" else None

    def decided(*items: Item, **facts: Any) -> Decision:
        case = Case(items, **facts)
        return stage.decide(case) if stage else case.decision

    return decided


def line(benefit: Benefit = FREE, **facts: Any) -> Item:
    """A line of one unit on the first day, charged at 100."""
    return replace(Item(benefit, day=1, charged=100), **facts)


def benefit(**facts: Any) -> Benefit:
    return replace(FREE, **facts)


# -- what is allowed -------------------------------------------------------------------------------------------------


def test_decide__no_line__nothing(decide: Decide) -> None:
    # given
    person, family = Used(1, 2, 3, 4), Used(5, 6, 7, 8)

    # then
    assert decide(person=person, family=family) == Decision((), person, family, paid=0, share=0)


def test_decide__covered_in_full__paid_as_charged(decide: Decide) -> None:
    assert decide(line()) == Decision(
        outcomes=(Outcome(allowed=100, paid=100),),
        person=Used(paid=100, lifetime=100),
        family=Used(paid=100),
        paid=100,
        share=0,
    )


@pytest.mark.parametrize(
    ("units", "charged", "allowed"),
    [(1, 99, 99), (1, 100, 100), (1, 101, 100), (3, 299, 299), (3, 1000, 300), (0, 100, 0), (1, 0, 0)],
)
def test_decide__price_and_charge__the_lower_is_allowed(decide: Decide, units: int, charged: int, allowed: int) -> None:
    assert decide(line(units=units, charged=charged)).outcomes == (Outcome(allowed=allowed, paid=allowed),)


def test_decide__price_of_all_units_beyond_64_bits__as_charged(decide: Decide) -> None:
    assert decide(line(benefit(price=2**64 - 1), units=65535, charged=7)).paid == 7


@pytest.mark.parametrize(("amount", "allowed"), [(0, 100), (60, 60), (100, 100), (101, 100)])
def test_decide__amount_authorized__no_more_is_allowed(decide: Decide, amount: int, allowed: int) -> None:
    # given
    needing = benefit(authorization=True)
    authorized = {"authorization": FIRST, "authorized_units": 1, "authorized_amount": amount}

    # then
    assert decide(line(needing, **authorized)).paid == allowed
    assert decide(line(**authorized)).paid == 100  # where none is needed, none bounds


# -- copay, deductible, coinsurance ----------------------------------------------------------------------------------


def test_decide__all_three__each_of_what_the_one_before_left(decide: Decide) -> None:
    # given
    shared = benefit(copay=10, deductible=True, coinsurance=2500)

    # when
    decision = decide(line(shared), limits=Limits(deductible=50))

    # then: 100 - 10 = 90; 90 - 50 = 40; a quarter of 40 is 10
    assert decision == Decision(
        outcomes=(Outcome(allowed=100, copay=10, deductible=50, coinsurance=10, paid=30),),
        person=Used(deductible=50, out_of_pocket=70, paid=30, lifetime=30),
        family=Used(deductible=50, out_of_pocket=70, paid=30),
        paid=30,
        share=70,
    )


def test_decide__copay_above_what_is_allowed__all_of_it(decide: Decide) -> None:
    # given
    shared = benefit(copay=101, deductible=True, coinsurance=5000)

    # then
    (outcome,) = decide(line(shared), limits=Limits(deductible=50)).outcomes
    assert outcome == Outcome(allowed=100, copay=100)


@pytest.mark.parametrize(
    ("used", "deductible"),
    [(0, 100), (30, 100), (70, 80), (149, 1), (150, 0), (151, 0)],
)
def test_decide__deductible_met_in_part__only_what_is_left(decide: Decide, used: int, deductible: int) -> None:
    # when
    decision = decide(
        line(benefit(deductible=True)), limits=Limits(deductible=150), person=Used(used), family=Used(used)
    )

    # then
    assert decision.outcomes == (Outcome(allowed=100, deductible=deductible, paid=100 - deductible),)
    assert (decision.person.deductible, decision.family.deductible) == (used + deductible, used + deductible)


def test_decide__family_met_first__the_person_pays_no_more_of_it(decide: Decide) -> None:
    # given: the person has 40 to go, the family 25
    limits = Limits(deductible=50, family_deductible=90)

    # when
    decision = decide(line(benefit(deductible=True)), limits=limits, person=Used(10), family=Used(65))

    # then
    assert decision.outcomes == (Outcome(allowed=100, deductible=25, paid=75),)
    assert (decision.person.deductible, decision.family.deductible) == (35, 90)


def test_decide__person_met_first__though_the_family_is_not(decide: Decide) -> None:
    limits = Limits(deductible=50, family_deductible=900)

    (outcome,) = decide(line(benefit(deductible=True)), limits=limits, person=Used(45), family=Used(45)).outcomes

    assert outcome == Outcome(allowed=100, deductible=5, paid=95)


def test_decide__deductible_does_not_come_first__none(decide: Decide) -> None:
    assert decide(line(), limits=Limits(deductible=50)).paid == 100


def test_decide__two_lines__the_second_finds_the_deductible_met(decide: Decide) -> None:
    # given
    visit, x_ray = benefit(deductible=True), benefit(service=X_RAY, deductible=True)

    # when
    decision = decide(line(visit), line(x_ray), limits=Limits(deductible=130))

    # then
    assert decision.outcomes == (
        Outcome(allowed=100, deductible=100),
        Outcome(allowed=100, deductible=30, paid=70),
    )


@pytest.mark.parametrize(
    ("charged", "coinsurance", "share"),
    [
        (99, 5000, 49),  # 49.5
        (1, 9999, 0),  # 0.9999
        (1, 10_000, 1),
        (7, 3333, 2),  # 2.3331
        (100, 3333, 33),  # 33.33
        (100, 1, 0),  # 0.01
        (100, 100, 1),
        (99, 100, 0),  # 0.99
    ],
)
def test_decide__coinsurance__rounded_down(decide: Decide, charged: int, coinsurance: int, share: int) -> None:
    decision = decide(line(benefit(coinsurance=coinsurance), charged=charged))

    assert decision.outcomes == (Outcome(allowed=charged, coinsurance=share, paid=charged - share),)
    assert decision.share == share


def test_decide__coinsurance_above_the_whole__said_which() -> None:
    with pytest.raises(WrongCoinsurance) as raised:
        _ = Case((line(), line(benefit(coinsurance=10_001)))).decision

    assert raised.value.coinsurance == 10_001


# -- out of pocket ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "copay", "deductible", "coinsurance"),
    [(0, 0, 0, 0), (9, 9, 0, 0), (10, 10, 0, 0), (35, 10, 25, 0), (60, 10, 50, 0), (63, 10, 50, 3), (70, 10, 50, 10)],
)
@pytest.mark.parametrize("whose", ["person", "family"])
def test_decide__little_left_out_of_pocket__copay_then_deductible_then_coinsurance(
    decide: Decide, whose: str, left: int, copay: int, deductible: int, coinsurance: int
) -> None:
    # given: 10, 50 and 10 without it
    shared = benefit(copay=10, deductible=True, coinsurance=2500)
    limits = {
        "person": Limits(deductible=50, out_of_pocket=200 + left, family_out_of_pocket=1000),
        "family": Limits(deductible=50, out_of_pocket=1000, family_out_of_pocket=200 + left),
    }[whose]

    # when
    decision = decide(line(shared), limits=limits, person=Used(out_of_pocket=200), family=Used(out_of_pocket=200))

    # then
    expected = Outcome(
        allowed=100, copay=copay, deductible=deductible, coinsurance=coinsurance, paid=100 - min(left, 70)
    )
    assert decision.outcomes == (expected,)
    assert decision.person == Used(deductible, 200 + min(left, 70), expected.paid, expected.paid)
    assert decision.family == Used(deductible, 200 + min(left, 70), expected.paid)


def test_decide__more_borne_than_the_most__nothing_more(decide: Decide) -> None:
    decision = decide(line(benefit(copay=10)), limits=Limits(out_of_pocket=50), person=Used(out_of_pocket=60))

    assert (decision.paid, decision.person.out_of_pocket) == (100, 60)


# -- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(annual=560), Reason.ANNUAL_LIMIT),
        (Limits(annual=570, family_annual=760), Reason.ANNUAL_LIMIT),
        (Limits(lifetime=9060), Reason.LIFETIME_LIMIT),
        (Limits(lifetime=9060, annual=561), Reason.LIFETIME_LIMIT),
        (Limits(lifetime=9061, annual=560), Reason.ANNUAL_LIMIT),
        (Limits(lifetime=9060, annual=560), Reason.LIFETIME_LIMIT),
        (Limits(lifetime=9060, annual=560, family_annual=760), Reason.LIFETIME_LIMIT),
    ],
)
def test_decide__sixty_left__the_rest_is_the_patients(decide: Decide, limits: Limits, reason: Reason) -> None:
    # given
    person, family = Used(paid=500, lifetime=9000), Used(paid=700)

    # when
    decision = decide(line(benefit(copay=10)), limits=limits, person=person, family=family)

    # then: 90 would be paid
    assert decision == Decision(
        outcomes=(Outcome(reasons=reason, allowed=100, copay=10, over=30, paid=60),),
        person=Used(out_of_pocket=10, paid=560, lifetime=9060),
        family=Used(out_of_pocket=10, paid=760),
        paid=60,
        share=40,
    )


@pytest.mark.parametrize("limits", [Limits(annual=100), Limits(family_annual=100), Limits(lifetime=100)])
def test_decide__exactly_what_is_left__no_reason(decide: Decide, limits: Limits) -> None:
    assert decide(line(), limits=limits).outcomes == (Outcome(allowed=100, paid=100),)


@pytest.mark.parametrize("limits", [Limits(annual=50), Limits(family_annual=50), Limits(lifetime=50)])
def test_decide__more_used_than_a_limit__nothing_is_paid(decide: Decide, limits: Limits) -> None:
    used = Used(paid=51, lifetime=51)

    decision = decide(line(), limits=limits, person=used, family=used)

    assert (decision.paid, decision.share, decision.person) == (0, 100, used)


def test_decide__lines_around_a_limit__the_second_has_what_the_first_left(decide: Decide) -> None:
    # when
    decision = decide(line(), line(day=2), line(day=3), limits=Limits(annual=130))

    # then
    assert decision.outcomes == (
        Outcome(allowed=100, paid=100),
        Outcome(reasons=Reason.ANNUAL_LIMIT, allowed=100, over=70, paid=30),
        Outcome(reasons=Reason.ANNUAL_LIMIT, allowed=100, over=100),
    )
    assert (decision.paid, decision.share) == (130, 170)


def test_decide__what_a_limit_left__counts_for_nothing_out_of_pocket(decide: Decide) -> None:
    decision = decide(line(), limits=Limits(annual=0, out_of_pocket=50))

    assert (decision.share, decision.person.out_of_pocket) == (100, 0)


# -- an earlier payer ------------------------------------------------------------------------------------------------


def test_decide__earlier_payer_left_less_than_is_due__it_is_paid_and_nothing_owed(decide: Decide) -> None:
    # given: 80 would be paid
    shared = benefit(coinsurance=2000)

    # when
    decision = decide(line(shared), most=60)

    # then
    assert decision == Decision(
        outcomes=(Outcome(reasons=Reason.OTHER_PAYER, allowed=100, coinsurance=20, over=20, paid=60),),
        person=Used(out_of_pocket=20, paid=60, lifetime=60),
        family=Used(out_of_pocket=20, paid=60),
        paid=60,
        share=0,
    )


@pytest.mark.parametrize(("most", "share"), [(80, 0), (90, 10), (100, 20), (101, 20)])
def test_decide__earlier_payer_left_enough__the_patient_owes_the_rest_of_that(
    decide: Decide, most: int, share: int
) -> None:
    decision = decide(line(benefit(coinsurance=2000)), most=most)

    assert (decision.outcomes[0].reasons, decision.paid, decision.share) == (NO_REASON, 80, share)


def test_decide__limit_below_what_an_earlier_payer_left__no_more_is_owed_than_that(decide: Decide) -> None:
    # when
    decision = decide(line(benefit(coinsurance=2000)), limits=Limits(annual=10), most=60)

    # then: 20 and 70 are unpaid of what is allowed, but the earlier payer left only 60
    assert decision.outcomes == (Outcome(reasons=Reason.ANNUAL_LIMIT, allowed=100, coinsurance=20, over=70, paid=10),)
    assert (decision.paid, decision.share) == (10, 50)


def test_decide__earlier_payer_and_two_lines__the_insurer_pays_before_the_patient(decide: Decide) -> None:
    # when
    shared = benefit(coinsurance=2000)
    decision = decide(line(shared), line(shared, day=2), line(shared, day=3), most=100)

    # then
    assert [outcome.paid for outcome in decision.outcomes] == [80, 20, 0]
    assert [outcome.reasons for outcome in decision.outcomes] == [NO_REASON, Reason.OTHER_PAYER, Reason.OTHER_PAYER]
    assert (decision.paid, decision.share) == (100, 0)


def test_decide__earlier_payer_left_as_much_as_every_limit__it_is_told_first(decide: Decide) -> None:
    decision = decide(line(), limits=Limits(annual=60, lifetime=60), most=60)

    assert decision.outcomes[0].reasons == Reason.OTHER_PAYER
    assert (decision.paid, decision.share) == (60, 0)


def test_decide__earlier_payer_left_nothing__nothing_is_paid_nor_owed(decide: Decide) -> None:
    decision = decide(line(benefit(copay=10)), most=0)

    assert (decision.paid, decision.share) == (0, 0)


# -- denials ---------------------------------------------------------------------------------------------------------

DENIED = {
    Reason.NOT_COVERED: line(benefit(kind=Kind.NOT_COVERED)),
    Reason.EXCLUDED: line(benefit(kind=Kind.EXCLUDED)),
    Reason.BEFORE_COVER: line(found=Reason.BEFORE_COVER),
    Reason.AFTER_COVER: line(found=Reason.AFTER_COVER),
    Reason.WAITING: line(benefit(waiting_days=30), waited=29),
    Reason.LATE: line(found=Reason.LATE),
    Reason.DUPLICATE: line(found=Reason.DUPLICATE),
    Reason.BUNDLED: line(found=Reason.BUNDLED),
    Reason.GRADE: line(benefit(grade=2), tier=1),
    Reason.UNAUTHORIZED: line(benefit(authorization=True)),
    Reason.BEYOND_AUTHORIZATION: line(benefit(authorization=True), authorization=FIRST, authorized_units=1, units=2),
    Reason.QUANTITY: line(benefit(most_units=2), units=3),
    Reason.FREQUENCY: line(benefit(yearly_units=3), used_units=2, units=2),
    Reason.REVIEWED: line(found=Reason.REVIEWED),
}
"""For each reason a line that is denied for it alone."""

PAID = {
    Reason.WAITING: line(benefit(waiting_days=30), waited=30),
    Reason.GRADE: line(benefit(grade=2), tier=2),
    Reason.UNAUTHORIZED: line(benefit(authorization=True), authorization=FIRST, authorized_units=1),
    Reason.BEYOND_AUTHORIZATION: line(benefit(authorization=True), authorization=FIRST, authorized_units=2, units=2),
    Reason.QUANTITY: line(benefit(most_units=2), units=2),
    Reason.FREQUENCY: line(benefit(yearly_units=3), used_units=1, units=2),
}
"""For each reason that has an edge the line that is just paid."""

APPEALABLE = {
    *(Reason.AFTER_COVER, Reason.WAITING, Reason.LATE, Reason.GRADE, Reason.UNAUTHORIZED),
    *(Reason.BEYOND_AUTHORIZATION, Reason.QUANTITY, Reason.FREQUENCY, Reason.REVIEWED),
}
"""Never what was paid before, nor what has no price."""


def test_denied__every_reason_for_which_a_line_is() -> None:
    assert set(DENIED) == {reason for reason in Reason if reason in DENIALS}


@pytest.mark.parametrize("reason", DENIED, ids=lambda reason: reason.name)
def test_decide__denied__all_amounts_are_zero_and_nothing_is_used(decide: Decide, reason: Reason) -> None:
    # given
    used = Used(1, 2, 3, 4)

    # then
    assert decide(DENIED[reason], person=used, family=used) == Decision((Outcome(reason),), used, used, 0, 0)


@pytest.mark.parametrize("reason", PAID, ids=lambda reason: reason.name)
def test_decide__just_within__paid(decide: Decide, reason: Reason) -> None:
    assert decide(PAID[reason]).paid == 100


@pytest.mark.parametrize("reason", DENIED, ids=lambda reason: reason.name)
def test_decide__set_aside_by_an_appeal__paid_where_it_can_be(decide: Decide, reason: Reason) -> None:
    # given
    appealed, beside = (replace(DENIED[reason], waived=waived) for waived in (reason, EVERYTHING & ~reason))

    # then
    assert decide(appealed).outcomes[0].reasons == (NO_REASON if reason in APPEALABLE else reason)
    assert decide(beside).outcomes[0].reasons == reason


def test_decide__an_appeal_that_won__no_limit_is_set_aside(decide: Decide) -> None:
    # given
    appealed = replace(DENIED[Reason.WAITING], waived=EVERYTHING)

    # then
    assert decide(appealed, limits=Limits(annual=60)).outcomes == (
        Outcome(Reason.ANNUAL_LIMIT, allowed=100, over=40, paid=60),
    )


def test_decide__everything_at_once__all_reasons_and_told_by_the_lowest(decide: Decide) -> None:
    # given
    worst = benefit(
        kind=Kind.EXCLUDED,
        waiting_days=1,
        grade=1,
        authorization=True,
        most_units=1,
        yearly_units=1,
        coinsurance=10_000,
    )

    # when
    (outcome,) = decide(line(worst, units=2, found=Reason.REVIEWED | Reason.LATE)).outcomes

    # then
    assert outcome == Outcome(
        Reason.EXCLUDED
        | Reason.WAITING
        | Reason.LATE
        | Reason.GRADE
        | Reason.UNAUTHORIZED
        | Reason.QUANTITY
        | Reason.FREQUENCY
        | Reason.REVIEWED
    )
    assert outcome.reasons.first is Reason.EXCLUDED


def test_decide__what_is_no_denial__is_not_found(decide: Decide) -> None:
    found = Reason.LIFETIME_LIMIT | Reason.ANNUAL_LIMIT | Reason.OTHER_PAYER

    assert decide(line(found=found)).outcomes == (Outcome(allowed=100, paid=100),)


def test_decide__to_be_reviewed__is_not_the_rules_to_say(decide: Decide) -> None:
    assert decide(line(benefit(review=True))).paid == 100


# -- lines among each other ------------------------------------------------------------------------------------------


def reasons(decision: Decision) -> list[Reason]:
    return [outcome.reasons for outcome in decision.outcomes]


def test_decide__service_twice_a_day__once(decide: Decide) -> None:
    assert reasons(decide(line(), line(), line(day=2))) == [NO_REASON, Reason.DUPLICATE, NO_REASON]


def test_decide__goods_twice_in_a_claim__once(decide: Decide) -> None:
    assert reasons(decide(line(day=0), line(day=0))) == [NO_REASON, Reason.DUPLICATE]


def test_decide__service_twice_a_day_at_another_price__once(decide: Decide) -> None:
    assert reasons(decide(line(), line(benefit(price=5)))) == [NO_REASON, Reason.DUPLICATE]


def test_decide__two_of_a_bundle_in_a_day__the_first(decide: Decide) -> None:
    # given
    x_ray, cast = benefit(service=X_RAY, bundle=LIMB), benefit(service=CAST, bundle=LIMB)
    apart = benefit(service=VISIT)

    # then
    assert reasons(decide(line(x_ray), line(apart), line(cast))) == [NO_REASON, NO_REASON, Reason.BUNDLED]
    assert reasons(decide(line(x_ray), line(cast, day=2))) == [NO_REASON, NO_REASON]
    assert reasons(decide(line(x_ray), line(x_ray))) == [NO_REASON, Reason.DUPLICATE]
    assert reasons(decide(line(benefit(service=X_RAY)), line(benefit(service=CAST)))) == [NO_REASON, NO_REASON]


@pytest.mark.parametrize("again", [benefit(service=X_RAY, authorization=True), benefit(service=X_RAY)])
def test_decide__authorization_twice__once(decide: Decide, again: Benefit) -> None:
    # given
    authorized = {"authorization": FIRST, "authorized_units": 5}
    first = line(benefit(authorization=True), **authorized)

    # then
    assert reasons(decide(first, line(again, **authorized))) == [NO_REASON, Reason.UNAUTHORIZED]
    assert reasons(decide(first, line(again, **authorized | {"authorization": SECOND}))) == [NO_REASON, NO_REASON]
    assert reasons(decide(first, line(again, **authorized, waived=Reason.UNAUTHORIZED))) == [NO_REASON, NO_REASON]


def test_decide__no_authorization_twice__where_none_is_needed(decide: Decide) -> None:
    assert reasons(decide(line(authorization=NONE), line(day=2, authorization=NONE))) == [NO_REASON, NO_REASON]


def test_decide__units_of_a_year__add_up_over_the_lines(decide: Decide) -> None:
    # given
    rare = benefit(yearly_units=5)
    once, twice = {"units": 1, "used_units": 2}, {"units": 2, "used_units": 2}

    # when
    decision = decide(
        line(rare, day=1, **twice),  # 4 of 5
        line(rare, day=2, **twice),  # would be 6
        line(benefit(service=X_RAY, yearly_units=5), day=2, **twice),
        line(rare, day=3, **once),  # 5 of 5
        line(rare, day=4, **once),
    )

    # then
    assert reasons(decision) == [NO_REASON, Reason.FREQUENCY, NO_REASON, NO_REASON, Reason.FREQUENCY]


def test_decide__a_denied_line__counts_for_no_other(decide: Decide) -> None:
    # given: refused by the reviewer, otherwise like the next
    pack = benefit(bundle=LIMB, yearly_units=1, authorization=True)
    facts = {"authorization": FIRST, "authorized_units": 1}
    refused = line(pack, **facts, found=Reason.REVIEWED)

    # then
    assert reasons(decide(refused, line(pack, **facts))) == [Reason.REVIEWED, NO_REASON]
    assert reasons(decide(refused, line(benefit(service=CAST, bundle=LIMB)))) == [Reason.REVIEWED, NO_REASON]


def test_decide__a_line_that_a_limit_left_unpaid__counts(decide: Decide) -> None:
    limits = Limits(annual=0)

    assert reasons(decide(line(), line(), limits=limits)) == [Reason.ANNUAL_LIMIT, Reason.DUPLICATE]


# -- as a remittance tells it ----------------------------------------------------------------------------------------


def test_adjustments__every_amount__by_its_code() -> None:
    # given
    outcome = Outcome(Reason.LIFETIME_LIMIT, allowed=100, copay=10, deductible=50, coinsurance=8, over=12, paid=20)

    # then
    assert adjustments(outcome, 130) == [
        Adjustment(Group.PROVIDER, "45", 30),
        Adjustment(Group.PATIENT, "3", 10),
        Adjustment(Group.PATIENT, "1", 50),
        Adjustment(Group.PATIENT, "2", 8),
        Adjustment(Group.PATIENT, "35", 12),
    ]


def test_adjustments__paid_as_charged__none() -> None:
    assert adjustments(Outcome(allowed=100, paid=100), 100) == []


def test_adjustments__denied__the_whole_charge_by_the_first_reason() -> None:
    outcome = Outcome(Reason.GRADE | Reason.WAITING)

    assert adjustments(outcome, 130) == [Adjustment(Group.PATIENT, "179", 130)]


@pytest.mark.parametrize(
    ("reason", "group", "carc"),
    [
        (Reason.NOT_COVERED, "PR", "204"),
        (Reason.EXCLUDED, "PR", "96"),
        (Reason.BEFORE_COVER, "PR", "26"),
        (Reason.AFTER_COVER, "PR", "27"),
        (Reason.WAITING, "PR", "179"),
        (Reason.LATE, "CO", "29"),
        (Reason.DUPLICATE, "OA", "18"),
        (Reason.BUNDLED, "CO", "97"),
        (Reason.GRADE, "CO", "170"),
        (Reason.UNAUTHORIZED, "CO", "197"),
        (Reason.BEYOND_AUTHORIZATION, "CO", "198"),
        (Reason.QUANTITY, "CO", "222"),
        (Reason.FREQUENCY, "PR", "119"),
        (Reason.REVIEWED, "CO", "50"),
        (Reason.LIFETIME_LIMIT, "PR", "35"),
        (Reason.ANNUAL_LIMIT, "PR", "119"),
        (Reason.OTHER_PAYER, "OA", "23"),
    ],
)
def test_reason__code_and_group_of_x12(reason: Reason, group: str, carc: str) -> None:
    assert (reason.group, reason.carc) == (group, carc)


def test_reason__sentences__one_each() -> None:
    sentences = [reason.sentence for reason in Reason]

    assert len(set(sentences)) == len(sentences)
    assert all(sentence.endswith(".") for sentence in sentences)

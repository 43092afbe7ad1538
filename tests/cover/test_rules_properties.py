"""What must hold of every decision (docs/properties.md, R1 to R13), tried on the reference.

The contract decides as the reference does: see test_rules_differential.py.
"""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from rules_cases import Case

from theriac.cover.rules import (
    DENIALS,
    NO_LIMIT,
    NO_REASON,
    NONE,
    WHOLE,
    Adjustment,
    Benefit,
    Group,
    Item,
    Kind,
    Limits,
    Outcome,
    Reason,
    Used,
    adjustments,
)

EXAMPLES = 150
EVERYTHING = Reason(2**32 - 1)


def ids(*numbers: int) -> st.SearchStrategy[bytes]:
    return st.sampled_from([bytes([number]) * 32 for number in numbers])


def mostly(usual: object, other: st.SearchStrategy) -> st.SearchStrategy:
    """The usual value three times of four."""
    return st.integers(0, 3).flatmap(lambda chance: other if chance == 3 else st.just(usual))


AMOUNTS = st.integers(0, 20) | st.integers(0, 1000) | st.integers(0, 2**56 - 1)
LIMITS = AMOUNTS | st.just(NO_LIMIT)
UNITS = st.integers(0, 5) | st.integers(0, 2**16 - 1)
REASONS = st.integers(0, 2**14 - 1).map(Reason) | st.sampled_from(Reason)

BENEFITS = st.builds(
    Benefit,
    service=ids(1, 2, 3),
    bundle=ids(0, 1, 2),
    kind=mostly(Kind.COVERED, st.sampled_from(Kind)),
    price=AMOUNTS,
    copay=mostly(0, AMOUNTS),
    coinsurance=st.integers(0, WHOLE),
    deductible=st.booleans(),
    authorization=st.booleans(),
    waiting_days=mostly(0, st.integers(0, 40)),
    most_units=mostly(0, UNITS),
    yearly_units=mostly(0, UNITS),
    grade=mostly(0, st.integers(0, 3)),
)
ITEMS = st.builds(
    Item,
    benefit=BENEFITS,
    day=st.integers(0, 4),
    units=mostly(1, UNITS),
    charged=AMOUNTS,
    waited=st.integers(0, 50),
    tier=st.integers(0, 3),
    used_units=mostly(0, UNITS),
    authorization=ids(0, 1, 2, 3),
    authorized_units=mostly(2**16, UNITS),
    authorized_amount=mostly(0, AMOUNTS),
    found=mostly(NO_REASON, REASONS),
    waived=mostly(NO_REASON, REASONS),
)
CASES = st.builds(
    Case,
    items=st.lists(ITEMS, max_size=6).map(tuple),
    limits=st.builds(Limits, *[LIMITS] * 7),
    person=st.builds(Used, *[AMOUNTS] * 4),
    family=st.builds(Used, *[AMOUNTS] * 3),
    most=mostly(NO_LIMIT, AMOUNTS),
)


@given(CASES)
@settings(max_examples=EXAMPLES)
def test_property__amounts_of_a_line(case: Case) -> None:
    for item, outcome in zip(case.items, case.decision.outcomes, strict=True):
        # property R1
        assert 0 <= outcome.paid <= outcome.allowed <= min(item.charged, item.benefit.price * item.units)
        parts = (outcome.deductible, outcome.copay, outcome.coinsurance, outcome.over, outcome.paid)
        assert outcome.allowed == sum(parts)
        assert min(parts) >= 0

        # property R2
        if outcome.is_denied:
            assert outcome == Outcome(outcome.reasons)
            assert outcome.reasons in DENIALS

        # property R3
        told = adjustments(outcome, item.charged)
        assert sum(each.amount for each in told) == item.charged - outcome.paid
        assert all(each.amount > 0 for each in told)


@given(CASES)
@settings(max_examples=EXAMPLES)
def test_property__what_is_used(case: Case) -> None:
    decision, limits = case.decision, case.limits
    deductible = sum(outcome.deductible for outcome in decision.outcomes)
    borne = sum(outcome.borne for outcome in decision.outcomes)
    paid = sum(outcome.paid for outcome in decision.outcomes)

    # property R4
    for before, after, lifetime in ((case.person, decision.person, paid), (case.family, decision.family, 0)):
        assert after == Used(
            before.deductible + deductible, before.out_of_pocket + borne, before.paid + paid, before.lifetime + lifetime
        )

    # property R5
    for before, after, own in (
        (case.person, decision.person, (limits.deductible, limits.out_of_pocket, limits.annual, limits.lifetime)),
        (
            case.family,
            decision.family,
            (limits.family_deductible, limits.family_out_of_pocket, limits.family_annual, NO_LIMIT),
        ),
    ):
        for was, now, limit in zip(before.as_tuple(), after.as_tuple(), own, strict=True):
            assert now <= max(was, limit)


@given(CASES)
@settings(max_examples=EXAMPLES)
def test_property__what_is_paid_and_owed(case: Case) -> None:
    decision = case.decision
    allowed = sum(outcome.allowed for outcome in decision.outcomes)

    # property R6
    assert decision.paid == sum(outcome.paid for outcome in decision.outcomes)
    assert decision.paid + decision.share == min(allowed, case.most)


@given(CASES)
@settings(max_examples=EXAMPLES)
def test_property__what_a_limit_leaves_unpaid(case: Case) -> None:
    # property R7
    for count, outcome in enumerate(case.decision.outcomes, 1):
        assert bool(outcome.over) == bool(outcome.reasons & ~DENIALS)
        if outcome.over:
            then, limits = replace(case, items=case.items[:count]).decision, case.limits
            annual = then.person.paid >= limits.annual or then.family.paid >= limits.family_annual
            assert {
                Reason.OTHER_PAYER: then.paid == case.most,
                Reason.LIFETIME_LIMIT: then.person.lifetime >= limits.lifetime,
                Reason.ANNUAL_LIMIT: annual,
            }[outcome.reasons]


@given(CASES, st.integers(0, 6))
@settings(max_examples=EXAMPLES)
def test_property__a_line_does_not_depend_on_later_ones(case: Case, count: int) -> None:
    # property R8
    assert replace(case, items=case.items[:count]).decision.outcomes == case.decision.outcomes[:count]


@given(CASES)
@settings(max_examples=EXAMPLES)
def test_property__denied_lines_could_be_left_out(case: Case) -> None:
    # given
    kept = [index for index, outcome in enumerate(case.decision.outcomes) if not outcome.is_denied]

    # when
    without = replace(case, items=tuple(case.items[index] for index in kept)).decision

    # then
    # property R9
    assert without == replace(case.decision, outcomes=tuple(case.decision.outcomes[index] for index in kept))


@given(CASES, st.integers(0, 6))
@settings(max_examples=EXAMPLES)
def test_property__two_claims_come_to_the_same_as_one(case: Case, count: int) -> None:
    # given
    first = replace(case, items=case.items[:count])
    then = first.decision
    counted = [item for item, outcome in zip(first.items, then.outcomes, strict=True) if not outcome.is_denied]

    # when: the chain's state tells the second claim of the first
    later = tuple(_after(item, counted) for item in case.items[count:])
    second = Case(later, case.limits, then.person, then.family, case.most - then.paid).decision

    # then
    # property R10
    assert then.outcomes + second.outcomes == case.decision.outcomes
    assert (second.person, second.family) == (case.decision.person, case.decision.family)
    assert then.paid + second.paid == case.decision.paid


def _after(item: Item, counted: list[Item]) -> Item:
    """The line as a later claim has it, when the lines `counted` were not denied."""
    found, used = item.found, item.used_units
    for other in counted:
        is_same = other.benefit.service == item.benefit.service
        if is_same:
            used += other.units
        if other.day == item.day:
            if is_same:
                found |= Reason.DUPLICATE
            elif item.benefit.bundle != NONE and other.benefit.bundle == item.benefit.bundle:
                found |= Reason.BUNDLED
        if item.authorization != NONE and other.authorization == item.authorization:
            found |= Reason.UNAUTHORIZED
    return replace(item, found=found, used_units=used)


@given(CASES, st.integers(1, 2**32))
@settings(max_examples=EXAMPLES)
def test_property__what_is_charged_above_the_price_changes_nothing_else(case: Case, more: int) -> None:
    # given
    full = [replace(item, charged=max(item.charged, item.benefit.price * item.units)) for item in case.items]
    dear = [replace(item, charged=item.charged + more) for item in full]

    # when
    plain, raised = (replace(case, items=tuple(items)).decision for items in (full, dear))

    # then
    # property R11
    assert raised == plain
    for outcome, item in zip(plain.outcomes, full, strict=True):
        if not outcome.is_denied:
            above = item.charged - outcome.allowed
            others = [each for each in adjustments(outcome, item.charged) if each.carc != "45"]
            assert adjustments(outcome, item.charged + more) == [
                Adjustment(Group.PROVIDER, "45", above + more),
                *others,
            ]


@given(CASES, AMOUNTS, st.sampled_from(["annual", "family_annual", "lifetime"]))
@settings(max_examples=EXAMPLES)
def test_property__a_higher_limit_never_pays_less(case: Case, more: int, name: str) -> None:
    # given
    higher = replace(case.limits, **{name: min(getattr(case.limits, name) + more, NO_LIMIT)})

    # then
    # property R12
    assert replace(case, limits=higher).decision.paid >= case.decision.paid
    assert replace(case, most=min(case.most + more, NO_LIMIT)).decision.paid >= case.decision.paid


@given(CASES)
@settings(max_examples=EXAMPLES)
def test_property__whether_a_line_is_denied_does_not_depend_on_amounts(case: Case) -> None:
    # property R13
    free = Case(case.items).decision
    assert [outcome.reasons & DENIALS for outcome in free.outcomes] == [
        outcome.reasons & DENIALS for outcome in case.decision.outcomes
    ]

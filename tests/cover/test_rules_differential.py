"""The contract and the reference decide every case alike, to the last unit and reason.

The cases are the same at each run and lie near every boundary; `THERIAC_EXAMPLES=20` has twenty times as many. The
bytes of the contract's answer are compared with those of the reference's decision.
"""

import os
from collections import Counter
from collections.abc import Iterator

import pytest
from eth_abi import encode
from rules_cases import Case, Maker, smallest
from rules_stage import Stage

from theriac.cover.rules import NO_LIMIT, WHOLE, Benefit, Decision, Item, Reason, Used
from theriac.errors import WrongCoinsurance

TIMES = int(os.environ.get("THERIAC_EXAMPLES", "1"))
BATCHES, BATCH = 100 * TIMES, 250

SERVICE = bytes([7]) * 32

# What the cases must come to, each of them often; a case may come to many.
MARKS = {
    *(reason.name for reason in Reason),
    *("deductible", "family_deductible", "out_of_pocket", "family_out_of_pocket"),
    *("annual", "family_annual", "lifetime"),
    *("copay above allowed", "rounded down", "charged below price", "charged above price", "authorized amount"),
    *("waived and paid", "several reasons", "less owed than unpaid", "paid whole", "no line"),
}


def marks(case: Case) -> Iterator[str]:
    """What a case comes to."""
    decision = case.decision
    yield from (reason.name or "" for outcome in decision.outcomes for reason in outcome.reasons)
    before, after, limits = (case.person, case.family), (decision.person, decision.family), case.limits
    for name in ("deductible", "out_of_pocket", "annual"):
        used = "paid" if name == "annual" else name
        for prefix, was, now in zip(("", "family_"), before, after, strict=True):
            if getattr(was, used) < getattr(now, used) == getattr(limits, prefix + name):
                yield prefix + name
    if case.person.lifetime < decision.person.lifetime == limits.lifetime:
        yield "lifetime"
    if decision.share < sum(outcome.allowed - outcome.paid for outcome in decision.outcomes):
        yield "less owed than unpaid"
    if not case.items:
        yield "no line"
    for item, outcome in zip(case.items, decision.outcomes, strict=True):
        if outcome.is_denied:
            if len(list(outcome.reasons)) > 1:
                yield "several reasons"
            continue
        benefit, full = item.benefit, item.benefit.price * item.units
        if 0 < outcome.allowed < benefit.copay:
            yield "copay above allowed"
        if (outcome.allowed - outcome.copay - outcome.deductible) * benefit.coinsurance % WHOLE:
            yield "rounded down"
        if item.charged != full:
            yield "charged below price" if item.charged < full else "charged above price"
        if outcome.allowed < min(item.charged, full):
            yield "authorized amount"
        if item.waived & item.found:
            yield "waived and paid"
        if outcome.paid == item.charged > 0:
            yield "paid whole"


def test_decide__every_case__as_the_reference(stage: Stage) -> None:
    # given
    counts: Counter[str] = Counter()

    for seed in range(BATCHES):
        maker = Maker(seed)
        cases = [maker.case() for _ in range(BATCH)]

        # when
        answers = stage.answers(cases)

        # then
        for case, answer in zip(cases, answers, strict=True):
            if answer != case.answer():
                pytest.fail(disagreement(stage, case))
            counts.update(set(marks(case)))

    # then
    rare = {mark: counts[mark] for mark in MARKS if counts[mark] < 100 * TIMES}
    assert rare == {}
    assert set(counts) <= MARKS


def disagreement(stage: Stage, case: Case) -> str:
    """The smallest case like it that the two decide differently, and both decisions."""

    def differs(case: Case) -> bool:
        return stage.answers([case]) != [case.answer()]

    found = smallest(case, differs)
    (answer,) = stage.answers([found])
    contract = answer if isinstance(answer, str) else Decision.of(stage.decoded(answer))
    return f"{found}\n  the reference: {found.decision}\n  the contract:  {contract}"


def test_case__its_bytes__are_those_of_the_abi(stage: Stage) -> None:
    maker = Maker(1)
    for case in [maker.case() for _ in range(20)]:
        amounts = [case.limits.as_tuple(), case.person.as_tuple(), case.family.as_tuple()]
        assert case.encoded() == encode(stage.takes, [*amounts, [item.as_tuple() for item in case.items], case.most])
        assert case.answer() == encode(stage.gives, [case.decision.as_tuple()])


def test_decide__through_web3__the_same_decision(stage: Stage) -> None:
    maker = Maker(2)
    for case in [maker.case() for _ in range(20)]:
        assert stage.decide(case) == case.decision


def test_decide__more_than_the_whole__neither_decides(stage: Stage) -> None:
    # given
    whole = Case((Item(Benefit(SERVICE, price=9, coinsurance=WHOLE), charged=9),))
    above = Case((*whole.items, Item(Benefit(SERVICE, coinsurance=WHOLE + 1))))

    # then
    assert stage.answers([whole]) == [whole.answer()]
    (answer,) = stage.answers([above])
    assert isinstance(answer, str)
    assert stage.error("WrongCoinsurance", WHOLE + 1) in answer
    with pytest.raises(WrongCoinsurance) as refused:
        _ = above.decision
    assert refused.value.coinsurance == WHOLE + 1


@pytest.mark.parametrize(
    "full",
    [
        {"person": Used(paid=NO_LIMIT)},
        {"person": Used(lifetime=NO_LIMIT)},
        {"family": Used(paid=NO_LIMIT)},
    ],
)
def test_decide__sum_beyond_64_bits__the_contract_reverts(stage: Stage, full: dict[str, Used]) -> None:
    # given: where there is no limit, only the number's own end is left
    line = Item(Benefit(SERVICE, price=1), charged=1)
    last = Case((line,), person=Used(paid=NO_LIMIT - 1))

    # then
    assert stage.answers([last]) == [last.answer()]
    (answer,) = stage.answers([Case((line,), **full)])
    assert isinstance(answer, str)
    assert "overflow" in answer

"""What is said against a decision: appeals by who claims and for whom, refutations by who pays, and who hears them."""

from dataclasses import replace
from typing import Any

import pytest
from claims_desk import (
    again,
    assessed,
    coordination,
    credited,
    decided,
    freeze,
    paid,
    review,
    second_plan,
    unused,
    visit,
    was_reversed,
)
from counting_house import (
    CROWN,
    DAY,
    DECIDED,
    DISPUTED,
    FUNDS,
    HOUR,
    MAJOR,
    NUMBERS,
    ODD,
    PANEL,
    REVERSED,
    SHOT,
    SPA,
    Covered,
    House,
    Settled,
    digest,
    error,
)
from real_anvil import BOARD
from signature_cases import Event

from theriac.consortium import Join, Role
from theriac.cover.messages import Appeal, Line, Ruling

HOSPITAL, CLINIC, INSURER, AUTHORITY = (NUMBERS[name] for name in ("hospital", "clinic", "insurer", "authority"))
EXCLUDED, BEFORE, WAITING, DUPLICATE, FREQUENCY, REVIEWED = (1 << bit for bit in (1, 2, 4, 6, 12, 13))
OPEN, DISMISSED, GRANTED, CLOSED = range(1, 5)
UPHELD, REJECTED = 2, 3
REASONS, ANSWER, OPENINGS = digest("reasons"), digest("answer"), digest("openings")


@pytest.fixture
def early(covered: Covered) -> Settled:
    """A crown of 50,000 within its waiting days, and a panel of 6,000 that was paid."""
    house = covered.house
    lines = (Line(CROWN.service, 1005, 1, 50_000), Line(PANEL.service, 1005, 1, 6_000))
    settled = house.submit(house.claim(covered.plan, house.encounter("crown"), *lines))
    assert settled.outcomes == ((WAITING, 0, 0, 0, 0, 0, 0), (0, 6_000, 0, 0, 0, 0, 6_000))
    return settled


@pytest.fixture
def appealed(covered: Covered, early: Settled) -> Settled:
    covered.house.send("doctor", "Appeals", "appeal", early.claim.terms(), REASONS)
    return early


def answer(settled: Settled, granted: bool, *waived: int, document: bytes = ANSWER) -> tuple[Any, ...]:
    """What `Appeals.answer` is called with: the waiting days are set aside where nothing else is said."""
    usual = (WAITING, 0) if granted else (0, 0)
    return (settled.tuple, list(waived or usual), granted, document)


def appeal_of(house: House, settled: Settled) -> int:
    return int(house.ask("Appeals", "appealOf", settled.id)[0])


def told_of(settled: Settled, member: int, granted: bool) -> Event:
    return Event("Answered", {"claim": settled.id, "member": member, "granted": granted, "document": ANSWER})


# -- who appeals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "member"), [("doctor", HOSPITAL), ("patient", 0)])
def test_appeal__by_a_party(covered: Covered, early: Settled, who: str, member: int) -> None:
    # when
    told = covered.house.send(who, "Appeals", "appeal", early.claim.terms(), REASONS)
    # then
    assert told == [Event("Appealed", {"claim": early.id, "member": member, "document": REASONS})]
    assert covered.house.ask("Appeals", "appealOf", early.id) == (OPEN, covered.house.chain.now())


def signed(house: House, settled: Settled, by: str = "patient", **other: Any) -> tuple[Any, ...]:
    usual = Appeal(house.address("patient"), settled.id, REASONS, 0, house.soon)
    terms = replace(usual, **other)
    return (settled.claim.terms(), tuple(terms.values().values()), house.signature(terms, by))


def test_appeal_by_sig__anyone_carries_it(covered: Covered, early: Settled) -> None:
    # when
    told = covered.house.send("relayer", "Appeals", "appealBySig", *signed(covered.house, early))
    # then
    assert told == [Event("Appealed", {"claim": early.id, "member": 0, "document": REASONS})]


def test_appeal_by_sig__wrong(covered: Covered, early: Settled) -> None:
    # given
    house = covered.house
    now, patient, stranger = house.chain.now(), house.address("patient"), house.address("stranger")
    cases: list[tuple[tuple[Any, ...], Any]] = [
        (signed(house, early, claim=digest("another")), error("WrongClaim", claim=digest("another"), shown=early.id)),
        (signed(house, early, pseudonym=stranger), error("WrongClaim", claim=early.id, shown=early.id)),
        (signed(house, early, deadline=now - 1), error("SignatureExpired", deadline=now - 1)),
        (signed(house, early, era=1), error("WrongEra", era=1, current=0)),
        (signed(house, early, by="doctor"), error("WrongSignature", signer=patient)),
        (signed(house, early, document=bytes(32)), error("WrongDocument", document=bytes(32))),
    ]
    # when
    told = [house.refusal("relayer", "Appeals", "appealBySig", *arguments) for arguments, _ in cases]
    # then
    assert told == [expected for _, expected in cases]
    far = house.refusal("relayer", "Appeals", "appealBySig", *signed(house, early, deadline=now + 2 * HOUR))
    assert far is not None
    assert far.error == "DeadlineTooFar"


def test_appeal__of_a_frozen_pseudonym(covered: Covered, early: Settled) -> None:
    # given
    house = covered.house
    freeze(house, "patient")
    refused = error("Frozen", pseudonym=house.address("patient"))
    # then
    assert house.refusal("patient", "Appeals", "appeal", early.claim.terms(), REASONS) == refused
    assert house.refusal("relayer", "Appeals", "appealBySig", *signed(house, early)) == refused
    assert house.refusal("doctor", "Appeals", "appeal", early.claim.terms(), REASONS) is None


def test_appeal__by_others(covered: Covered, early: Settled) -> None:
    # given
    house = covered.house
    # when
    told = [house.refusal(who, "Appeals", "appeal", early.claim.terms(), REASONS) for who in ("adjuster", "colleague")]
    # then
    assert told == [
        error("NoStanding", account=house.address("adjuster")),
        error("NotAParty", claim=early.id, member=CLINIC),
    ]


def test_appeal__without_reasons(covered: Covered, early: Settled) -> None:
    refused = covered.house.refusal("doctor", "Appeals", "appeal", early.claim.terms(), bytes(32))

    assert refused == error("WrongDocument", document=bytes(32))


def test_appeal__twice(covered: Covered, appealed: Settled) -> None:
    refused = covered.house.refusal("patient", "Appeals", "appeal", appealed.claim.terms(), REASONS)

    assert refused == error("WrongStatus", claim=appealed.id, status=OPEN)


def test_appeal__what_is_not_decided(covered: Covered, early: Settled) -> None:
    # given what was never submitted, and what was reversed
    house = covered.house
    unknown = again(early.claim, "unknown")
    house.send("doctor", "Claims", "reverse", early.tuple, bytes(32), 0)
    # when
    told = [house.refusal("doctor", "Appeals", "appeal", claim.terms(), REASONS) for claim in (unknown, early.claim)]
    # then
    assert told == [error("NotDecided", claim=unknown.id), error("NotDecided", claim=early.id)]


@pytest.mark.parametrize(("second", "late"), [(0, False), (1, True)])
def test_appeal__within_sixty_days(covered: Covered, early: Settled, second: int, late: bool) -> None:
    # given
    latest = covered.house.chain.now() + 60 * DAY
    # when
    covered.house.chain.at(latest + second)
    refused = covered.house.refusal("doctor", "Appeals", "appeal", early.claim.terms(), REASONS)
    # then
    assert refused == (error("TooLate", claim=early.id, latest=latest) if late else None)


# -- who answers -----------------------------------------------------------------------------------------------------


def test_answer__granted__pays_the_difference_alone(covered: Covered, appealed: Settled) -> None:
    # when
    told = covered.house.send("adjuster", "Appeals", "answer", *answer(appealed, True))
    # then half of the crown, which is 25,000, beside the panel's 6,000 that were paid
    outcomes = [(0, 50_000, 0, 0, 25_000, 0, 25_000), (0, 6_000, 0, 0, 0, 0, 6_000)]
    assert told == [
        told_of(appealed, INSURER, True),
        was_reversed(appealed.claim, 6_000),
        unused(appealed.claim),
        assessed(appealed.claim, outcomes, (0, 25_000, 31_000, 31_000), (0, 25_000, 31_000, 0)),
        decided(appealed.claim, 31_000, 25_000),
        paid(covered.plan, "hospital", 25_000),
        credited(covered.house, "hospital", 25_000),
    ]
    assert appeal_of(covered.house, appealed) == GRANTED


def test_answer__dismissed_then_granted_by_the_arbiter(covered: Covered, appealed: Settled) -> None:
    # given
    house = covered.house
    told = house.send("adjuster", "Appeals", "answer", *answer(appealed, False))
    assert told == [told_of(appealed, INSURER, False)]
    assert appeal_of(house, appealed) == DISMISSED
    # when
    told = house.send("arbiter", "Appeals", "answer", *answer(appealed, True))
    # then
    assert told[0] == told_of(appealed, AUTHORITY, True)
    assert house.state(appealed.id)["paid"] == 31_000


def test_answer__twice_dismissed__is_closed(covered: Covered, appealed: Settled) -> None:
    # given
    house = covered.house
    house.send("adjuster", "Appeals", "answer", *answer(appealed, False))
    house.send("arbiter", "Appeals", "answer", *answer(appealed, False))
    # then
    closed = error("WrongStatus", claim=appealed.id, status=CLOSED)
    assert appeal_of(house, appealed) == CLOSED
    assert house.refusal("arbiter", "Appeals", "answer", *answer(appealed, True)) == closed
    assert house.refusal("patient", "Appeals", "appeal", appealed.claim.terms(), REASONS) == closed


def test_answer__twice_granted(covered: Covered, appealed: Settled) -> None:
    # given
    house = covered.house
    house.send("adjuster", "Appeals", "answer", *answer(appealed, True))
    # when
    refused = house.refusal("adjuster", "Appeals", "answer", *answer(appealed, True))
    # then
    assert refused == error("WrongStatus", claim=appealed.id, status=GRANTED)


def test_answer__the_arbiter_once_the_insurer_is_late(covered: Covered, appealed: Settled) -> None:
    # given
    house, latest = covered.house, covered.house.chain.now() + 60 * DAY
    asked = answer(appealed, True)
    # when the last second has come
    house.chain.at(latest)
    # then
    assert house.refusal("adjuster", "Appeals", "answer", *asked) is None
    assert house.refusal("arbiter", "Appeals", "answer", *asked) == error(
        "NoStanding", account=house.address("arbiter")
    )
    # when it has passed
    house.chain.at(latest + 1)
    # then
    assert house.refusal("adjuster", "Appeals", "answer", *asked) == error(
        "NoStanding", account=house.address("adjuster")
    )
    house.send("arbiter", "Appeals", "answer", *asked)
    assert house.state(appealed.id)["paid"] == 31_000


def test_answer__the_arbiter_has_its_days_too(covered: Covered, appealed: Settled) -> None:
    # given
    house = covered.house
    house.send("adjuster", "Appeals", "answer", *answer(appealed, False))
    latest = house.chain.now() + 60 * DAY
    # when
    house.chain.at(latest)
    in_time = house.refusal("arbiter", "Appeals", "answer", *answer(appealed, True))
    house.chain.at(latest + 1)
    late = house.refusal("arbiter", "Appeals", "answer", *answer(appealed, True))
    # then
    assert in_time is None
    assert late == error("WrongStatus", claim=appealed.id, status=DISMISSED)


def test_answer__by_others(covered: Covered, appealed: Settled) -> None:
    # given
    house, asked = covered.house, answer(appealed, True)
    # when
    told = [house.refusal(who, "Appeals", "answer", *asked) for who in ("patient", "arbiter", "actuary")]
    # then
    assert told == [
        error("NoStanding", account=house.address("patient")),
        error("NoStanding", account=house.address("arbiter")),
        error("NotAParty", claim=appealed.id, member=NUMBERS["mutual"]),
    ]


def test_answer__wrong(covered: Covered, appealed: Settled) -> None:
    # given
    house = covered.house
    shown = replace(appealed, outcomes=(appealed.outcomes[1], appealed.outcomes[0]))
    unknown = replace(appealed, claim=again(appealed.claim, "unknown"))
    cases: list[tuple[tuple[Any, ...], Any]] = [
        (answer(appealed, True, document=bytes(32)), error("WrongDocument", document=bytes(32))),
        (answer(unknown, True), error("WrongStatus", claim=unknown.id, status=0)),
        (answer(shown, True), error("WrongFacts", claim=appealed.id)),
        (answer(appealed, True, WAITING), error("LengthsDiffer", lines=2, others=1)),
        (answer(appealed, True, 0, 0), error("NothingGained", paid=6_000, before=6_000)),
    ]
    # when
    told = [house.refusal("adjuster", "Appeals", "answer", *arguments) for arguments, _ in cases]
    # then
    assert told == [expected for _, expected in cases]


def test_answer__by_the_account_that_reviewed(covered: Covered) -> None:
    # given what a reviewer has refused
    house = covered.house
    claim = house.claim(covered.plan, house.encounter("odd"), Line(ODD.service, 1005, 1, 20_000))
    house.submit(claim)
    refused = house.settled(claim, house.send("reviewer", "Claims", "review", *review(house, claim, False)))
    house.send("patient", "Appeals", "appeal", claim.terms(), REASONS)
    # when
    same = house.refusal("reviewer", "Appeals", "answer", *answer(refused, True, REVIEWED))
    # then
    assert same == error("SameReviewer", account=house.address("reviewer"))
    # when another account of the insurer's answers
    house.send("adjuster", "Appeals", "answer", *answer(refused, True, REVIEWED))
    # then
    assert house.state(claim.id)["paid"] == 20_000


def test_answer__what_a_reviewer_refused__is_set_aside_only_where_that_is_said(covered: Covered) -> None:
    # given two lines that a reviewer has refused
    house = covered.house
    lines = tuple(Line(ODD.service, day, 1, 20_000) for day in (1005, 1006))
    claim = house.claim(covered.plan, house.encounter("odd"), *lines)
    house.submit(claim)
    refused = house.settled(claim, house.send("reviewer", "Claims", "review", *review(house, claim, False)))
    house.send("doctor", "Appeals", "appeal", claim.terms(), REASONS)
    # when
    told = house.send("adjuster", "Appeals", "answer", *answer(refused, True, 0, REVIEWED))
    # then
    assert house.settled(claim, told).outcomes == (
        (REVIEWED, 0, 0, 0, 0, 0, 0),
        (0, 20_000, 0, 0, 0, 0, 20_000),
    )


def test_answer__without_money__is_refused(covered: Covered, appealed: Settled) -> None:
    # given one unit less than the difference
    house = covered.house
    house.send(
        "insurer", "Escrow", "drain", covered.plan, house.balance(covered.plan) - 24_999, house.address("insurer")
    )
    # when
    refused = house.refusal("adjuster", "Appeals", "answer", *answer(appealed, True))
    # then
    assert refused == error("StillMissing", missing=FUNDS)


def test_answer__after_the_claim_was_reversed(covered: Covered, appealed: Settled) -> None:
    # given
    house = covered.house
    house.send("doctor", "Claims", "reverse", appealed.tuple, bytes(32), 0)
    # when
    refused = house.refusal("adjuster", "Appeals", "answer", *answer(appealed, True))
    # then
    assert refused == error("WrongStatus", claim=appealed.id, status=REVERSED)


def test_answer__a_refused_consent_to_evidence(covered: Covered, appealed: Settled) -> None:
    """An encounter that its author disowned is no evidence for an appeal."""
    # given
    house = covered.house
    house.send("doctor", "Records", "disown", house.address("patient"), appealed.claim.evidence)
    # when
    refused = house.refusal("adjuster", "Appeals", "answer", *answer(appealed, True))
    # then
    assert refused == error("StillMissing", missing=1)


# -- what is set aside -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (Line(SPA.service, 1005, 1, 5_000), EXCLUDED),
        (Line(SHOT.service, 999, 1, 2_500), BEFORE),
    ],
    ids=["excluded", "before cover"],
)
def test_answer__what_no_appeal_sets_aside(covered: Covered, line: Line, reason: int) -> None:
    # given
    house = covered.house
    settled = house.submit(house.claim(covered.plan, house.encounter("denied"), line))
    assert settled.outcomes == ((reason, 0, 0, 0, 0, 0, 0),)
    house.send("patient", "Appeals", "appeal", settled.claim.terms(), REASONS)
    # when
    refused = house.refusal("adjuster", "Appeals", "answer", *answer(settled, True, 2**32 - 1))
    # then
    assert refused == error("NothingGained", paid=0, before=0)


def test_answer__a_duplicate_is_not_set_aside(covered: Covered) -> None:
    # given
    house = covered.house
    evidence = house.encounter("shot")
    first = house.claim(covered.plan, evidence, Line(SHOT.service, 1005, 1, 2_500))
    house.submit(first)
    second = house.submit(again(first, "again"))
    assert second.outcomes == ((DUPLICATE, 0, 0, 0, 0, 0, 0),)
    house.send("doctor", "Appeals", "appeal", second.claim.terms(), REASONS)
    # when
    refused = house.refusal("adjuster", "Appeals", "answer", *answer(second, True, 2**32 - 1))
    # then
    assert refused == error("NothingGained", paid=0, before=0)


def test_answer__a_share_that_was_paid_and_is_less_now__goes_back(house: House) -> None:
    """Nobody is paid twice: what the patient paid in place of a limit goes back once the limit does not bind."""
    # given a plan of 5,000 a year, which two shots have used
    usual = house.plan()
    plan = house.plan(limits=(*usual.limits[:4], 5_000, *usual.limits[5:]))
    house.publish(plan)
    house.fund(plan.id, 100_000)
    house.enrol(plan.id)
    shots = house.submit(house.claim(plan.id, house.encounter("shots"), Line(SHOT.service, 1001, 2, 5_000)))
    # and a panel of 6,000 that the patient paid, beside a third shot that is one too many
    lines = (Line(PANEL.service, 1005, 1, 6_000), Line(SHOT.service, 1005, 1, 2_500))
    settled = house.submit(house.claim(plan.id, house.encounter("panel"), *lines))
    assert settled.outcomes == ((1 << 17, 6_000, 0, 0, 0, 6_000, 0), (FREQUENCY, 0, 0, 0, 0, 0, 0))
    house.mint("friend", 6_000)
    house.send("friend", "Escrow", "payShare", plan.id, settled.claim.content, 6_000)
    # when the shots are reversed, and the appeal is granted
    house.send("doctor", "Claims", "reverse", shots.tuple, bytes(32), 0)
    house.send("doctor", "Appeals", "appeal", settled.claim.terms(), REASONS)
    told = house.send("adjuster", "Appeals", "answer", *answer(settled, True, 0, FREQUENCY))
    # then 5,000 of the panel are paid, and 1,000 of it are owed; the shot's 2,500 were not denied any more
    state = house.state(settled.id)
    assert (state["paid"], house.credit("friend")) == (5_000, 6_000)
    assert house.settled(settled.claim, told).outcomes[0] == (1 << 17, 6_000, 0, 0, 0, 1_000, 5_000)
    assert state["share"] == house.settled(settled.claim, told).outcomes[1][5] + 1_000
    assert house.credit("hospital") == 5_000


# -- a second payer's decision ---------------------------------------------------------------------------------------


@pytest.fixture
def second(covered: Covered) -> tuple[Settled, Settled]:
    """A crown of which the first plan has paid half, and the second nothing, since its waiting days were not over."""
    house, plan = covered.house, second_plan(covered.house)
    line = Line(CROWN.service, 1100, 1, 50_000)
    first = house.submit(house.claim(covered.plan, house.encounter("crown"), line))
    claim = replace(first.claim, plan=plan.id, primary=first.id, lines=(replace(line, day=1005),))
    told = house.send("doctor", "Claims", "coordinate", *coordination(house, claim, first))
    secondary = house.settled(claim, told)
    assert secondary.outcomes == ((WAITING, 0, 0, 0, 0, 0, 0),)
    house.send("patient", "Appeals", "appeal", claim.terms(), REASONS)
    return first, secondary


def test_answer__a_second_payers__pays_what_the_patient_owes(covered: Covered, second: tuple[Settled, Settled]) -> None:
    # given 25,000 that the patient owes
    (first, secondary), house = second, covered.house
    # when
    told = house.send("actuary", "Appeals", "answer", *answer(secondary, True, WAITING))
    # then half of 50,000 is paid by the second too
    assert house.settled(secondary.claim, told).outcomes == ((0, 50_000, 0, 0, 25_000, 0, 25_000),)
    assert house.state(first.id)["share"] == 0


def test_answer__a_second_payers__of_which_the_patient_owes_nothing_more(
    covered: Covered, second: tuple[Settled, Settled]
) -> None:
    # given a patient who has paid meanwhile
    (first, secondary), house = second, covered.house
    house.send("doctor", "Claims", "receiveShare", covered.plan, first.claim.content)
    # when
    refused = house.refusal("actuary", "Appeals", "answer", *answer(secondary, True, WAITING))
    # then
    assert refused == error("NothingGained", paid=0, before=0)


def test_answer__a_second_payers__while_the_firsts_is_disputed(
    covered: Covered, second: tuple[Settled, Settled]
) -> None:
    # given
    (first, secondary), house = second, covered.house
    house.send("adjuster", "Appeals", "refute", first.tuple, 1, OPENINGS)
    # when
    house.send("actuary", "Appeals", "answer", *answer(secondary, True, WAITING))
    house.send("arbiter", "Appeals", "rule", first.tuple, OPENINGS, False)
    # then
    assert (house.state(first.id)["share"], house.state(secondary.id)["paid"]) == (0, 25_000)


def test_answer__a_first_payers__that_has_a_second(covered: Covered, second: tuple[Settled, Settled]) -> None:
    # given
    (first, _), house = second, covered.house
    house.send("doctor", "Appeals", "appeal", first.claim.terms(), REASONS)
    # when
    refused = house.refusal("adjuster", "Appeals", "answer", *answer(first, True, 0))
    # then
    assert refused == error("HasSecondary", claim=first.id)


# -- refutation ------------------------------------------------------------------------------------------------------


@pytest.fixture
def panel(covered: Covered) -> Settled:
    """A panel of 6,000 that was paid."""
    house = covered.house
    return house.submit(house.claim(covered.plan, house.encounter("panel"), Line(PANEL.service, 1005, 1, 6_000)))


@pytest.fixture
def refuted(covered: Covered, panel: Settled) -> Settled:
    covered.house.send("adjuster", "Appeals", "refute", panel.tuple, 1, OPENINGS)
    return panel


def account(covered: Covered) -> tuple[int, ...]:
    """What the hospital received under the plan, what of it is disputed and withheld, and what it owes."""
    return tuple(covered.house.ask("Escrow", "accountOf", covered.plan, HOSPITAL))


def concluded(covered: Covered, returned: int, owed: int, released: int) -> Event:
    told = {"plan": covered.plan, "member": HOSPITAL, "returned": returned, "owed": owed, "released": released}
    return Event("Concluded", told)


def ended(covered: Covered, settled: Settled, for_insurer: bool, by: str = "arbiter") -> list[Event]:
    arbiter = covered.house.address(by) if by else f"0x{0:040x}"
    return [
        Event("RefutationEnded", {"claim": settled.id, "arbiter": arbiter, "forInsurer": for_insurer}),
        Event("Ruled", {"claim": settled.id, "forInsurer": for_insurer}),
    ]


def test_refute__withholds_what_the_provider_has_coming(covered: Covered, panel: Settled) -> None:
    # when
    told = covered.house.send("adjuster", "Appeals", "refute", panel.tuple, 7, OPENINGS)
    # then
    assert told == [
        Event("Refuted", {"claim": panel.id, "insurer": INSURER, "ground": 7, "openings": OPENINGS}),
        Event("Withheld", {"claim": panel.id, "paid": 6_000}),
        Event("Disputed", {"plan": covered.plan, "member": HOSPITAL, "amount": 6_000, "withheld": 6_000}),
    ]
    assert covered.house.credit("hospital") == 0
    assert account(covered) == (6_000, 6_000, 6_000, 0)
    assert covered.house.state(panel.id)["status"] == DISPUTED


def test_refute__what_was_withdrawn__is_withheld_from_what_comes(covered: Covered, panel: Settled) -> None:
    # given
    house = covered.house
    house.send("hospital", "Escrow", "withdraw", house.coin.address, house.address("hospital"))
    house.send("adjuster", "Appeals", "refute", panel.tuple, 1, OPENINGS)
    assert account(covered) == (6_000, 6_000, 0, 0)
    # when 2,500 come, and then 900,000
    for name, line in (("shot", Line(SHOT.service, 1006, 1, 2_500)), ("major", Line(MAJOR.service, 1006, 1, 900_000))):
        house.submit(house.claim(covered.plan, house.encounter(name), line))
    # then
    assert account(covered) == (908_500, 6_000, 6_000, 0)
    assert house.credit("hospital") == 2_500 + 900_000 - 6_000


def test_rule__for_the_insurer__returns_what_is_withheld(covered: Covered, refuted: Settled) -> None:
    # when
    told = covered.house.send("arbiter", "Appeals", "rule", refuted.tuple, OPENINGS, True)
    # then
    assert told == [
        *ended(covered, refuted, True),
        was_reversed(refuted.claim, 6_000),
        unused(refuted.claim),
        concluded(covered, 6_000, 0, 0),
    ]
    assert (covered.house.balance(covered.plan), account(covered)) == (10_000_000, (0, 0, 0, 0))
    state = covered.house.state(refuted.id)
    assert (state["status"], state["paid"], state["share"]) == (REVERSED, 0, 0)
    assert covered.house.ask("Appeals", "refutationOf", refuted.id)[0] == UPHELD


def test_rule__for_the_insurer__what_was_spent_is_owed(covered: Covered, panel: Settled) -> None:
    # given
    house = covered.house
    house.send("hospital", "Escrow", "withdraw", house.coin.address, house.address("hospital"))
    house.send("adjuster", "Appeals", "refute", panel.tuple, 1, OPENINGS)
    # when
    told = house.send("arbiter", "Appeals", "rule", panel.tuple, OPENINGS, True)
    # then
    assert told[-1] == concluded(covered, 0, 6_000, 0)
    assert account(covered) == (0, 0, 0, 6_000)
    # when a later payment comes
    claim = house.claim(covered.plan, house.encounter("major"), Line(MAJOR.service, 1006, 1, 900_000))
    told = house.send("doctor", "Claims", "submit", *house.submission(claim))
    # then
    assert told[-2:] == [
        paid(covered.plan, "hospital", 900_000, repaid=6_000),
        credited(house, "hospital", 894_000),
    ]
    assert house.balance(covered.plan) == 10_000_000 - 900_000


def test_rule__for_the_provider__releases_what_is_withheld(covered: Covered, refuted: Settled) -> None:
    # when
    told = covered.house.send("arbiter", "Appeals", "rule", refuted.tuple, OPENINGS, False)
    # then
    assert told == [
        *ended(covered, refuted, False),
        concluded(covered, 0, 0, 6_000),
        credited(covered.house, "hospital", 6_000),
    ]
    assert account(covered) == (6_000, 0, 0, 0)
    state = covered.house.state(refuted.id)
    assert (state["status"], state["paid"]) == (DECIDED, 6_000)
    assert covered.house.ask("Appeals", "refutationOf", refuted.id)[0] == REJECTED


def ruling(house: House, settled: Settled, by: str = "arbiter", **other: Any) -> tuple[Any, ...]:
    usual = Ruling(settled.id, OPENINGS, True, house.address("arbiter"), house.chain.now() + 7 * DAY)
    terms = replace(usual, **other)
    return (settled.tuple, tuple(terms.values().values()), house.signature(terms, by))


def test_rule_by_sig__anyone_carries_it(covered: Covered, refuted: Settled) -> None:
    # when
    told = covered.house.send("relayer", "Appeals", "ruleBySig", *ruling(covered.house, refuted))
    # then
    assert told[:2] == ended(covered, refuted, True)


def test_rule_by_sig__wrong(covered: Covered, refuted: Settled) -> None:
    # given
    house = covered.house
    now, adjuster = house.chain.now(), house.address("adjuster")
    another, other = digest("another"), digest("other openings")
    cases: list[tuple[tuple[Any, ...], Any]] = [
        (
            ruling(house, refuted, claim=another),
            error("WrongClaim", claim=another, shown=refuted.id),
        ),
        (ruling(house, refuted, deadline=now - 1), error("SignatureExpired", deadline=now - 1)),
        (ruling(house, refuted, by="adjuster"), error("WrongSignature", signer=house.address("arbiter"))),
        (ruling(house, refuted, by="adjuster", arbiter=adjuster), error("NoStanding", account=adjuster)),
        (ruling(house, refuted, openings=other), error("WrongDocument", document=other)),
    ]
    # when
    told = [house.refusal("relayer", "Appeals", "ruleBySig", *arguments) for arguments, _ in cases]
    # then
    assert told == [expected for _, expected in cases]
    far = house.refusal("relayer", "Appeals", "ruleBySig", *ruling(house, refuted, deadline=now + 8 * DAY))
    assert far is not None
    assert far.error == "DeadlineTooFar"


def test_rule_by_sig__counts_once(covered: Covered, refuted: Settled) -> None:
    # given
    house = covered.house
    asked = ruling(house, refuted)
    house.send("relayer", "Appeals", "ruleBySig", *asked)
    # when
    refused = house.refusal("relayer", "Appeals", "ruleBySig", *asked)
    # then
    assert refused == error("WrongRefutation", claim=refuted.id, status=UPHELD)


def test_rule__by_others(covered: Covered, refuted: Settled) -> None:
    # given
    house = covered.house
    # when
    told = [
        house.refusal(who, "Appeals", "rule", refuted.tuple, OPENINGS, True)
        for who in ("adjuster", "doctor", "patient")
    ]
    # then
    assert told == [error("NoStanding", account=house.address(who)) for who in ("adjuster", "doctor", "patient")]


def test_rule__on_other_openings(covered: Covered, refuted: Settled) -> None:
    refused = covered.house.refusal("arbiter", "Appeals", "rule", refuted.tuple, digest("other"), True)

    assert refused == error("WrongDocument", document=digest("other"))


def test_rule__of_what_nobody_refuted(covered: Covered, panel: Settled) -> None:
    refused = covered.house.refusal("arbiter", "Appeals", "rule", panel.tuple, OPENINGS, True)

    assert refused == error("WrongRefutation", claim=panel.id, status=0)


@pytest.mark.parametrize(("second", "late"), [(0, False), (1, True)])
def test_rule__within_sixty_days__and_lapse_after(covered: Covered, refuted: Settled, second: int, late: bool) -> None:
    # given
    house, latest = covered.house, covered.house.chain.now() + 60 * DAY
    # when
    house.chain.at(latest + second)
    ruled = house.refusal("arbiter", "Appeals", "rule", refuted.tuple, OPENINGS, True)
    lapsed = house.refusal("friend", "Appeals", "lapse", refuted.tuple)
    # then
    assert ruled == (error("TooLate", claim=refuted.id, latest=latest) if late else None)
    assert lapsed == (None if late else error("TooEarly", claim=refuted.id, earliest=latest + 1))


def test_lapse__the_provider_is_right(covered: Covered, refuted: Settled) -> None:
    # given
    house = covered.house
    house.chain.at(house.chain.now() + 60 * DAY + 1)
    # when
    told = house.send("friend", "Appeals", "lapse", refuted.tuple)
    # then
    assert told == [
        *ended(covered, refuted, False, by=""),
        concluded(covered, 0, 0, 6_000),
        credited(house, "hospital", 6_000),
    ]


def test_refute__wrong(covered: Covered, panel: Settled) -> None:
    # given
    house = covered.house
    unpaid = house.submit(visit(covered, 1006))
    unknown = replace(panel, claim=again(panel.claim, "unknown"))
    shown = replace(panel, outcomes=((0, 9_000, 0, 0, 0, 0, 9_000),))
    cases: list[tuple[str, Settled, bytes, Any]] = [
        ("doctor", panel, OPENINGS, error("NoStanding", account=house.address("doctor"))),
        ("actuary", panel, OPENINGS, error("NotAParty", claim=panel.id, member=NUMBERS["mutual"])),
        ("adjuster", panel, bytes(32), error("WrongDocument", document=bytes(32))),
        ("adjuster", unknown, OPENINGS, error("NotDecided", claim=unknown.id)),
        ("adjuster", unpaid, OPENINGS, error("NotDecided", claim=unpaid.id)),
        ("adjuster", shown, OPENINGS, error("WrongFacts", claim=panel.id)),
    ]
    # when
    told = [house.refusal(who, "Appeals", "refute", settled.tuple, 1, openings) for who, settled, openings, _ in cases]
    # then
    assert told == [expected for *_, expected in cases]


def test_refute__once(covered: Covered, refuted: Settled) -> None:
    # given what the arbiter found to be right
    house = covered.house
    open_still = house.refusal("adjuster", "Appeals", "refute", refuted.tuple, 1, OPENINGS)
    house.send("arbiter", "Appeals", "rule", refuted.tuple, OPENINGS, False)
    # when
    refused = house.refusal("adjuster", "Appeals", "refute", refuted.tuple, 1, digest("more"))
    # then
    assert open_still == error("WrongRefutation", claim=refuted.id, status=OPEN)
    assert refused == error("WrongRefutation", claim=refuted.id, status=REJECTED)


@pytest.mark.parametrize(("second", "late"), [(0, False), (1, True)])
def test_refute__within_thirty_days(covered: Covered, panel: Settled, second: int, late: bool) -> None:
    # given
    latest = covered.house.chain.now() + 30 * DAY
    # when
    covered.house.chain.at(latest + second)
    refused = covered.house.refusal("adjuster", "Appeals", "refute", panel.tuple, 1, OPENINGS)
    # then
    assert refused == (error("TooLate", claim=panel.id, latest=latest) if late else None)


def test_reverse__what_is_disputed(covered: Covered, refuted: Settled) -> None:
    """A provider cannot reverse what it is about to lose, nor put another claim in its place."""
    refused = covered.house.refusal("doctor", "Claims", "reverse", refuted.tuple, bytes(32), 0)

    assert refused == error("WrongStatus", claim=refuted.id, status=DISPUTED)


def test_appeal__what_is_disputed(covered: Covered, refuted: Settled) -> None:
    refused = covered.house.refusal("doctor", "Appeals", "appeal", refuted.claim.terms(), REASONS)

    assert refused == error("NotDecided", claim=refuted.id)


def test_answer__while_it_is_disputed(covered: Covered, appealed: Settled) -> None:
    # given
    house = covered.house
    house.send("adjuster", "Appeals", "refute", appealed.tuple, 1, OPENINGS)
    # when
    refused = house.refusal("adjuster", "Appeals", "answer", *answer(appealed, True))
    # then
    assert refused == error("WrongStatus", claim=appealed.id, status=DISPUTED)
    # when the arbiter has ruled for the provider
    house.send("arbiter", "Appeals", "rule", appealed.tuple, OPENINGS, False)
    # then
    assert house.refusal("adjuster", "Appeals", "answer", *answer(appealed, True)) is None


# -- an arbiter that is a party --------------------------------------------------------------------------------------


@pytest.fixture
def partial(house: House) -> tuple[Covered, Settled]:
    """A plan whose arbiter treats patients too, and a claim of its own: a crown too early, and a panel."""
    expiry = house.ask("Consortium", "memberOf", AUTHORITY)[2]
    roles = int(Role.AUDITOR | Role.REGULATOR | Role.CLINICIAN)
    house.chain.send(BOARD, house.contracts.consortium.functions.renew(AUTHORITY, roles, 1, expiry))
    join = Join(house.address("inspector"), AUTHORITY, Role.CLINICIAN, 0, house.soon)
    house.send("authority", "Consortium", "join", *join.arguments(house.signature(join, "inspector")))
    plan = house.plan()
    house.publish(plan)
    house.fund(plan.id, 10_000_000)
    house.enrol(plan.id)
    lines = (Line(CROWN.service, 1005, 1, 50_000), Line(PANEL.service, 1005, 1, 6_000))
    evidence = house.encounter("crown", by="inspector")
    settled = house.submit(house.claim(plan.id, evidence, *lines, provider=AUTHORITY), by="inspector")
    return Covered(house, plan), settled


def test_rule__about_the_arbiters_own_claim(partial: tuple[Covered, Settled]) -> None:
    # given
    covered, settled = partial
    house = covered.house
    house.send("adjuster", "Appeals", "refute", settled.tuple, 1, OPENINGS)
    # when
    refused = house.refusal("arbiter", "Appeals", "rule", settled.tuple, OPENINGS, False)
    # then
    assert refused == error("NotAParty", claim=settled.id, member=AUTHORITY)
    assert house.refusal("relayer", "Appeals", "ruleBySig", *ruling(house, settled)) == refused


def test_answer__about_the_arbiters_own_claim(partial: tuple[Covered, Settled]) -> None:
    # given
    covered, settled = partial
    house = covered.house
    house.send("inspector", "Appeals", "appeal", settled.claim.terms(), REASONS)
    house.send("adjuster", "Appeals", "answer", *answer(settled, False))
    # when
    refused = house.refusal("arbiter", "Appeals", "answer", *answer(settled, True))
    # then
    assert refused == error("NotAParty", claim=settled.id, member=AUTHORITY)

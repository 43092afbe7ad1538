"""A claim for services: who consents, who claims, what is shown, and what is decided, pended, reviewed and resumed."""

from dataclasses import replace

import pytest
from claims_desk import (
    NONE_USED,
    again,
    assessed,
    credited,
    decided,
    freeze,
    paid,
    pended,
    query,
    resume,
    review,
    submitted,
    visit,
)
from counting_house import (
    DECIDED,
    EVIDENCE,
    FUNDS,
    NUMBERS,
    ODD,
    PENDED,
    REVIEW,
    SERVICES,
    SHOT,
    SPA,
    VISIT,
    Covered,
    House,
    Schedule,
    digest,
    error,
)
from real_anvil import BOARD
from signature_cases import Event

from theriac.consortium import Role
from theriac.cover.messages import MOST_CHARGED, MOST_LINES, Claim, Line

HOSPITAL, CLINIC = NUMBERS["hospital"], NUMBERS["clinic"]
REVIEWED = 1 << 13


@pytest.fixture
def shot(covered: Covered) -> Claim:
    """A vaccination of the hospital's: 2,500, all of it paid."""
    house = covered.house
    return house.claim(covered.plan, house.encounter("shot"), Line(SHOT.service, 1005, 1, 2_500))


@pytest.fixture
def odd(covered: Covered) -> Claim:
    """Something for 20,000 that the schedule leaves to a reviewer."""
    house = covered.house
    return house.claim(covered.plan, house.encounter("odd"), Line(ODD.service, 1005, 1, 20_000))


# -- consent ---------------------------------------------------------------------------------------------------------


def test_submit__by_signature__is_decided_and_paid(covered: Covered, shot: Claim) -> None:
    # when
    told = covered.house.send("doctor", "Claims", "submit", *covered.house.submission(shot))
    # then
    assert told == [
        submitted(shot),
        assessed(shot, [(0, 2_500, 0, 0, 0, 0, 2_500)], (0, 0, 2_500, 2_500), (0, 0, 2_500, 0)),
        decided(shot, 2_500, 0),
        paid(covered.plan, "hospital", 2_500),
        credited(covered.house, "hospital", 2_500),
    ]


def test_submit__after_a_consent_by_transaction(covered: Covered, shot: Claim) -> None:
    house = covered.house
    # when
    told = house.send("patient", "Claims", "consent", shot.terms())
    # then
    named = {"claim": shot.id, "plan": covered.plan, "pseudonym": house.address("patient")}
    assert told == [Event("Consented", named)]
    house.send("doctor", "Claims", "submit", *shot.arguments(b"", rows=house.rows(shot)))
    assert house.state(shot.id)["status"] == DECIDED


def test_consent__by_another(covered: Covered, shot: Claim) -> None:
    refused = covered.house.refusal("doctor", "Claims", "consent", shot.terms())

    assert refused == error("NoConsent", controller=covered.house.address("patient"))


def test_submit__without_consent(covered: Covered, shot: Claim) -> None:
    house = covered.house

    refused = house.refusal("doctor", "Claims", "submit", *shot.arguments(b"", rows=house.rows(shot)))

    assert refused == error("NoConsent", controller=house.address("patient"))


def test_submit__with_the_signature_of_another(covered: Covered, shot: Claim) -> None:
    refused = covered.house.refusal("doctor", "Claims", "submit", *covered.house.submission(shot, who="doctor"))

    assert refused == error("NoConsent", controller=covered.house.address("patient"))


def test_submit__with_a_consent_to_another_charge(covered: Covered, shot: Claim) -> None:
    # given
    house = covered.house
    more = replace(shot, lines=(replace(shot.lines[0], charged=2_600),))
    # when
    signature = house.signature(shot, "patient")
    refused = house.refusal("doctor", "Claims", "submit", *more.arguments(signature, rows=house.rows(more)))
    # then
    assert refused == error("NoConsent", controller=house.address("patient"))


@pytest.mark.parametrize(("second", "late"), [(0, False), (1, True)])
def test_submit__until_the_deadline(covered: Covered, shot: Claim, second: int, late: bool) -> None:
    # given
    house = covered.house
    house.chain.at(shot.deadline + second)
    # when
    refused = house.refusal("doctor", "Claims", "submit", *house.submission(shot))
    # then
    assert refused == (error("ConsentExpired", deadline=shot.deadline) if late else None)


def test_submit__after_the_era_was_raised(covered: Covered, shot: Claim) -> None:
    # given a consent of each kind
    house = covered.house
    house.send("patient", "Claims", "consent", shot.terms())
    house.send("patient", "Keys", "raiseEra", house.address("patient"))
    # when
    by_signature = house.refusal("doctor", "Claims", "submit", *house.submission(shot))
    by_transaction = house.refusal("doctor", "Claims", "submit", *shot.arguments(b"", rows=house.rows(shot)))
    # then
    assert by_signature == by_transaction == error("WrongEra", era=0, current=1)


def test_submit__of_a_frozen_pseudonym(covered: Covered, shot: Claim) -> None:
    # given
    house = covered.house
    freeze(house, "patient")
    # then
    refused = error("Frozen", pseudonym=house.address("patient"))
    assert house.refusal("doctor", "Claims", "submit", *house.submission(shot)) == refused
    assert house.refusal("patient", "Claims", "consent", shot.terms()) == refused


def test_submit__a_consent_counts_once(covered: Covered, shot: Claim) -> None:
    # given
    house = covered.house
    house.submit(shot)
    # when
    refused = house.refusal("doctor", "Claims", "submit", *house.submission(shot))
    # then
    assert refused == error("WrongStatus", claim=shot.id, status=DECIDED)


def test_submit__while_it_is_pended(covered: Covered, odd: Claim) -> None:
    # given
    covered.house.submit(odd)
    # when
    refused = covered.house.refusal("doctor", "Claims", "submit", *covered.house.submission(odd))
    # then
    assert refused == error("WrongStatus", claim=odd.id, status=PENDED)


# -- who claims ------------------------------------------------------------------------------------------------------


def test_submit__by_the_staff_of_another_member(covered: Covered, shot: Claim) -> None:
    refused = covered.house.refusal("colleague", "Claims", "submit", *covered.house.submission(shot))

    assert refused == error("NotTheProvider", member=CLINIC, provider=HOSPITAL)


@pytest.mark.parametrize("who", ["patient", "adjuster", "arbiter", "maker"])
def test_submit__by_no_provider(covered: Covered, shot: Claim, who: str) -> None:
    refused = covered.house.refusal(who, "Claims", "submit", *covered.house.submission(shot))

    assert refused == error("NoStanding", account=covered.house.address(who))


def test_submit__by_a_laboratory__is_decided(covered: Covered, shot: Claim) -> None:
    covered.house.submit(shot, by="chemist")

    assert covered.house.state(shot.id)["status"] == DECIDED


def test_submit__by_a_suspended_member(covered: Covered, shot: Claim) -> None:
    # given
    house = covered.house
    house.chain.send(BOARD, house.contracts.consortium.functions.suspend(HOSPITAL, 1))
    # when
    refused = house.refusal("doctor", "Claims", "submit", *house.submission(shot))
    # then
    assert refused == error("NoStanding", account=house.address("doctor"))


def test_resume__after_the_licence_was_lost(covered: Covered) -> None:
    # given a claim that was submitted by a clinician
    house = covered.house
    claim = house.claim(covered.plan, digest("later"), Line(SHOT.service, 1005, 1, 2_500))
    house.submit(claim)
    house.encounter("later")
    # when
    expiry = house.ask("Consortium", "memberOf", HOSPITAL)[2]
    assert expiry > house.chain.now()
    renew = house.contracts.consortium.functions.renew(HOSPITAL, int(Role.PRESCRIBER), 3, expiry)
    house.chain.send(BOARD, renew)
    # then
    refused = house.refusal("doctor", "Claims", "resume", *resume(house, claim))
    assert refused == error("NoStanding", account=house.address("doctor"))


# -- what is shown ---------------------------------------------------------------------------------------------------

LINE = Line(SHOT.service, 1005, 1, 2_500)


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (LINE,) * (MOST_LINES + 1),
        (LINE, replace(LINE, units=0)),
        (replace(LINE, charged=0),),
        (LINE, replace(LINE, charged=MOST_CHARGED)),
    ],
    ids=["none", "too many", "no units", "nothing charged", "too much charged"],
)
def test_submit__wrong_lines(covered: Covered, shot: Claim, lines: tuple[Line, ...]) -> None:
    # given
    claim = replace(shot, lines=lines)
    # when
    refused = covered.house.refusal("doctor", "Claims", "submit", *covered.house.submission(claim))
    # then
    assert refused == error("WrongLines", count=len(lines))


def test_submit__as_many_lines_and_as_large_a_charge_as_may_be(covered: Covered, shot: Claim) -> None:
    # given the same service on 32 days, of which the schedule allows two a year
    days = range(1000, 1000 + MOST_LINES)
    claim = replace(shot, lines=tuple(Line(SHOT.service, day, 1, MOST_CHARGED - 1) for day in days))
    # when
    settled = covered.house.submit(claim)
    # then
    assert settled.outcomes[:2] == ((0, 2_500, 0, 0, 0, 0, 2_500),) * 2
    assert settled.outcomes[2:] == ((1 << 12, 0, 0, 0, 0, 0, 0),) * 30


def test_submit__a_row_for_each_line(covered: Covered, shot: Claim) -> None:
    house = covered.house

    refused = house.refusal("doctor", "Claims", "submit", *shot.arguments(house.signature(shot, "patient"), rows=[]))

    assert refused == error("LengthsDiffer", lines=1, others=0)


def test_submit__with_the_row_of_another_service(covered: Covered, shot: Claim) -> None:
    # given
    house = covered.house
    rows = [house.schedule.row(VISIT)]
    # when
    refused = house.refusal("doctor", "Claims", "submit", *shot.arguments(house.signature(shot, "patient"), rows=rows))
    # then
    assert refused == error("WrongRow", service=SHOT.service)


def test_submit__with_a_row_of_another_plan(covered: Covered, shot: Claim) -> None:
    # given a schedule that pays twice as much
    house = covered.house
    dearer = replace(SHOT, price=5_000)
    rows = [Schedule([dearer if each is SHOT else each for each in SERVICES]).row(dearer)]
    # when
    refused = house.refusal("doctor", "Claims", "submit", *shot.arguments(house.signature(shot, "patient"), rows=rows))
    # then
    assert refused == error("WrongRow", service=SHOT.service)


def test_submit__with_a_row_that_was_changed(covered: Covered, shot: Claim) -> None:
    # given the right proof for another price
    house = covered.house
    _, proof = house.schedule.row(SHOT)
    rows = [(replace(SHOT, price=5_000).tuple, proof)]
    # when
    refused = house.refusal("doctor", "Claims", "submit", *shot.arguments(house.signature(shot, "patient"), rows=rows))
    # then
    assert refused == error("WrongRow", service=SHOT.service)


def test_submit__with_an_earlier_payer(covered: Covered, shot: Claim) -> None:
    # given
    claim = replace(shot, primary=digest("primary"))
    # when
    refused = covered.house.refusal("doctor", "Claims", "submit", *covered.house.submission(claim))
    # then
    assert refused == error("WrongPrimary", primary=digest("primary"))


def test_submit__without_a_policy(covered: Covered, shot: Claim) -> None:
    # given
    house = covered.house
    claim = replace(shot, pseudonym=house.address("stranger"))
    # when
    refused = house.refusal("doctor", "Claims", "submit", *house.submission(claim, who="stranger"))
    # then
    assert refused == error("NoSuchPolicy", plan=covered.plan, pseudonym=house.address("stranger"))


def test_submit__everything_wrong_is_told_in_order(covered: Covered, shot: Claim) -> None:
    """Standing, the provider, the lines, the status, the deadline, the era, the consent, the primary, the rows."""
    # given a claim of which everything is wrong, and what is right of it one after the other
    house = covered.house
    wrong = replace(shot, lines=(), deadline=house.chain.now() - 1, era=1, primary=digest("primary"))
    lined = replace(wrong, lines=shot.lines)
    timely = replace(lined, deadline=shot.deadline)
    # when
    told = [
        house.refusal(who, "Claims", "submit", *claim.arguments(b"", rows=[]))
        for who, claim in (
            ("patient", wrong),
            ("colleague", wrong),
            ("doctor", wrong),
            ("doctor", lined),
            ("doctor", timely),
            ("doctor", replace(timely, era=0)),
        )
    ]
    agreed = replace(timely, era=0)
    told.append(house.refusal("doctor", "Claims", "submit", *agreed.arguments(house.signature(agreed, "patient"))))
    # then
    assert [refused.error for refused in told if refused] == [
        "NoStanding",
        "NotTheProvider",
        "WrongLines",
        "ConsentExpired",
        "WrongEra",
        "NoConsent",
        "WrongPrimary",
    ]


# -- evidence --------------------------------------------------------------------------------------------------------


def test_submit__before_the_encounter_is_anchored__waits_for_it(covered: Covered) -> None:
    # given
    house = covered.house
    claim = house.claim(covered.plan, digest("shot"), LINE)
    # when
    told = house.send("doctor", "Claims", "submit", *house.submission(claim, least=2_500))
    # then
    assert told == [submitted(claim), pended(claim, EVIDENCE)]
    assert house.used(covered.plan) == (NONE_USED, NONE_USED)


def test_resume__once_the_encounter_is_anchored(covered: Covered) -> None:
    # given
    house = covered.house
    claim = house.claim(covered.plan, digest("shot"), LINE)
    house.submit(claim)
    submitted_at = house.state(claim.id)["time"]
    house.encounter("shot")
    # when
    told = house.send("doctor", "Claims", "resume", *resume(house, claim, least=2_500))
    # then
    assert told[1:3] == [decided(claim, 2_500, 0), paid(covered.plan, "hospital", 2_500)]
    assert house.state(claim.id)["time"] == submitted_at


def test_resume__what_still_waits__still_waits(covered: Covered) -> None:
    # given
    house = covered.house
    claim = house.claim(covered.plan, digest("shot"), LINE)
    house.submit(claim)
    # when
    told = house.send("doctor", "Claims", "resume", *resume(house, claim))
    # then
    assert told == [pended(claim, EVIDENCE)]


def test_resume__wrong(covered: Covered, shot: Claim) -> None:
    # given
    house = covered.house
    claim = house.claim(covered.plan, digest("later"), LINE)
    house.submit(claim)
    house.encounter("later")
    unknown = again(claim, "unknown")
    # when
    told = [
        house.refusal("patient", "Claims", "resume", *resume(house, claim)),
        house.refusal("colleague", "Claims", "resume", *resume(house, claim)),
        house.refusal("doctor", "Claims", "resume", *resume(house, unknown)),
        house.refusal("doctor", "Claims", "resume", *resume(house, claim, batch=digest("batch"))),
        house.refusal("doctor", "Claims", "resume", *resume(house, claim, index=1)),
        house.refusal("doctor", "Claims", "resume", *resume(house, claim, least=2_501)),
    ]
    # then
    assert told == [
        error("NoStanding", account=house.address("patient")),
        error("NotTheProvider", member=CLINIC, provider=HOSPITAL),
        error("WrongStatus", claim=unknown.id, status=0),
        error("WrongFacts", claim=claim.id),
        error("WrongFacts", claim=claim.id),
        error("BelowLeast", paid=2_500, least=2_501),
    ]


def test_resume__what_is_decided(covered: Covered, shot: Claim) -> None:
    # given
    covered.house.submit(shot)
    # when
    refused = covered.house.refusal("doctor", "Claims", "resume", *resume(covered.house, shot))
    # then
    assert refused == error("WrongStatus", claim=shot.id, status=DECIDED)


# -- review ----------------------------------------------------------------------------------------------------------


def test_submit__what_the_schedule_leaves_to_a_reviewer__waits(covered: Covered, odd: Claim) -> None:
    told = covered.house.send("doctor", "Claims", "submit", *covered.house.submission(odd, least=20_000))

    assert told == [submitted(odd), pended(odd, REVIEW)]


def test_review__agreed(covered: Covered, odd: Claim) -> None:
    # given
    house = covered.house
    house.submit(odd)
    # when
    told = house.send("reviewer", "Claims", "review", *review(house, odd, True))
    # then
    assert told == [
        Event("Reviewed", {"claim": odd.id, "reviewer": house.address("reviewer"), "agreed": True}),
        assessed(odd, [(0, 20_000, 0, 0, 0, 0, 20_000)], (0, 0, 20_000, 20_000), (0, 0, 20_000, 0)),
        decided(odd, 20_000, 0),
        paid(covered.plan, "hospital", 20_000),
        credited(house, "hospital", 20_000),
    ]
    assert house.ask("Claims", "reviewerOf", odd.id) == house.address("reviewer")


def test_review__refused(covered: Covered, odd: Claim) -> None:
    # given
    house = covered.house
    house.submit(odd)
    # when
    told = house.send("reviewer", "Claims", "review", *review(house, odd, False))
    # then
    assert told == [
        Event("Reviewed", {"claim": odd.id, "reviewer": house.address("reviewer"), "agreed": False}),
        assessed(odd, [(REVIEWED, 0, 0, 0, 0, 0, 0)], NONE_USED),
        decided(odd, 0, 0),
    ]


def test_review__agreed_and_no_money__waits_for_that(house: House) -> None:
    # given a plan with one unit too little
    plan = house.plan()
    house.publish(plan)
    house.enrol(plan.id)
    house.fund(plan.id, 19_999)
    claim = house.claim(plan.id, house.encounter("odd"), Line(ODD.service, 1005, 1, 20_000))
    house.submit(claim)
    # when
    told = house.send("reviewer", "Claims", "review", *review(house, claim, True))
    # then
    assert told[1:] == [pended(claim, FUNDS)]
    assert house.balance(plan.id) == 19_999
    # when the money is there
    house.fund(plan.id, 1)
    told = house.send("doctor", "Claims", "resume", *resume(house, claim, least=20_000))
    # then it is paid without another review
    assert told[1:3] == [decided(claim, 20_000, 0), paid(plan.id, "hospital", 20_000)]


def test_review__by_another_insurer(covered: Covered, odd: Claim) -> None:
    # given
    covered.house.submit(odd)
    # when
    refused = covered.house.refusal("actuary", "Claims", "review", *review(covered.house, odd, True))
    # then
    assert refused == error("NotTheInsurer", member=NUMBERS["mutual"], insurer=NUMBERS["insurer"])


def test_review__by_no_insurer(covered: Covered, odd: Claim) -> None:
    # given
    covered.house.submit(odd)
    # when
    refused = covered.house.refusal("doctor", "Claims", "review", *review(covered.house, odd, True))
    # then
    assert refused == error("NoStanding", account=covered.house.address("doctor"))


def test_review__twice(covered: Covered, odd: Claim) -> None:
    # given
    covered.house.submit(odd)
    covered.house.send("reviewer", "Claims", "review", *review(covered.house, odd, False))
    # when
    refused = covered.house.refusal("reviewer", "Claims", "review", *review(covered.house, odd, True))
    # then
    assert refused == error("WrongStatus", claim=odd.id, status=DECIDED)


def test_review__of_what_waits_for_something_else(covered: Covered) -> None:
    # given
    house = covered.house
    claim = house.claim(covered.plan, digest("odd"), Line(ODD.service, 1005, 1, 20_000))
    house.submit(claim)
    # when
    refused = house.refusal("reviewer", "Claims", "review", *review(house, claim, True))
    # then
    assert refused == error("NotForReview", claim=claim.id, missing=EVIDENCE)


def test_review__only_of_what_nothing_else_denies(covered: Covered) -> None:
    # given a line for a reviewer, of a service before the first day of cover
    house = covered.house
    claim = house.claim(covered.plan, house.encounter("odd"), Line(ODD.service, 999, 1, 20_000))
    # when
    settled = house.submit(claim)
    # then
    assert settled.outcomes == ((1 << 2, 0, 0, 0, 0, 0, 0),)


# -- money -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [1, 0])
def test_submit__all_or_nothing_of_the_escrow(house: House, missing: int) -> None:
    # given
    plan = house.plan()
    house.publish(plan)
    house.enrol(plan.id)
    house.fund(plan.id, 2_500 - missing)
    claim = house.claim(plan.id, house.encounter("shot"), LINE)
    # when
    house.submit(claim, least=2_500)
    # then
    state = house.state(claim.id)
    assert (state["status"], state["missing"]) == ((PENDED, FUNDS) if missing else (DECIDED, 0))
    assert house.balance(plan.id) == (2_499 if missing else 0)


@pytest.mark.parametrize(("least", "refused"), [(2_500, None), (2_501, error("BelowLeast", paid=2_500, least=2_501))])
def test_submit__no_less_than_the_provider_accepts(covered: Covered, shot: Claim, least: int, refused: object) -> None:
    assert covered.house.refusal("doctor", "Claims", "submit", *covered.house.submission(shot, least=least)) == refused


def test_submit__denied_with_no_least__is_decided_and_told(covered: Covered, shot: Claim) -> None:
    # given
    claim = replace(shot, lines=(Line(SPA.service, 1005, 1, 5_000),))
    # when
    settled = covered.house.submit(claim)
    # then
    assert settled.outcomes == ((1 << 1, 0, 0, 0, 0, 0, 0),)
    assert covered.house.ask("Benefits", "isClaimed", covered.plan, claim.pseudonym, claim.evidence) is False


def test_quote__is_what_is_decided_then(covered: Covered) -> None:
    # given the deductible of 20,000 used but for 2,000, and a claim of three lines
    house = covered.house
    for day in (1001, 1002):
        house.submit(visit(covered, day))
    lines = (Line(VISIT.service, 1003, 1, 10_000), Line(SHOT.service, 1003, 2, 9_000), Line(SPA.service, 1003, 1, 1))
    claim = house.claim(covered.plan, house.encounter("three"), *lines)
    # when
    asked = query(claim, house.chain.now() + 1)
    items, decision, missing = house.ask("Benefits", "quote", claim.terms(), house.rows(claim), asked)
    told = house.send("doctor", "Claims", "submit", *house.submission(claim))
    # then 1,000 copay, 2,000 deductible, a fifth of 7,000; two shots of 2,500; nothing
    outcomes, person, family, whole, share = decision
    assert missing == 0
    assert [item[0] for item in items] == [benefit.tuple for benefit in house.benefits(claim)]
    assert outcomes == [
        (0, 10_000, 2_000, 1_000, 1_400, 0, 5_600),
        (0, 5_000, 0, 0, 0, 0, 5_000),
        (1 << 1, 0, 0, 0, 0, 0, 0),
    ]
    assert person == (20_000, 24_400, 10_600, 10_600)
    assert told[1:3] == [assessed(claim, outcomes, person, family), decided(claim, whole, share)]
    assert (whole, share) == (10_600, 4_400)

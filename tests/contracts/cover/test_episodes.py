"""Payment by outcome: agreed on by three, delivered by one, assessed by another; what is held is paid or goes back."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from counting_house import (
    DAY,
    DISPENSE_FOR,
    FIRST,
    HOLD_FOR,
    NUMBERS,
    PANEL,
    Covered,
    Event,
    House,
    Refusal,
    digest,
    error,
)

from theriac.cover.messages import ENROL_WINDOW, RULING_WINDOW, Agreement, Line, Outcome

FUNDS, PRICE, WITHHELD = 10_000_000, 90_000, 30_001
HOSPITAL, CLINIC, INSURER = NUMBERS["hospital"], NUMBERS["clinic"], NUMBERS["insurer"]
NEW, OPEN, DELIVERED, SETTLED, EXPIRED = range(5)


# -- what is agreed on -----------------------------------------------------------------------------------------------


@pytest.fixture
def letting(covered: Covered) -> Covered:
    """The house where the insurer lets the contract hold its money."""
    covered.house.let("insurer", "Episodes", HOLD_FOR)
    return covered


def agreement(covered: Covered, **other: Any) -> Agreement:
    """A new hip of the hospital's, of which a third is paid if the clinic sees the patient walk."""
    house = covered.house
    usual = Agreement(
        plan=covered.plan,
        pseudonym=house.address("patient"),
        provider=HOSPITAL,
        signer=house.address("doctor"),
        assessor=CLINIC,
        price=PRICE,
        withheld=WITHHELD,
        ends=house.chain.now() + 100 * DAY,
        document=digest("new hip"),
        era=0,
        deadline=house.soon,
    )
    return replace(usual, **other)


def opening(
    covered: Covered, terms: Agreement, by: str = "adjuster", provider: str = "doctor", patient: str = "patient"
) -> tuple[Any, ...]:
    signatures = (covered.house.signature(terms, provider), covered.house.signature(terms, patient))
    return (by, "Episodes", "open", *terms.arguments(*signatures))


def id_of(covered: Covered, terms: Agreement) -> bytes:
    return bytes(covered.house.ask("Episodes", "idOf", terms.arguments()[0]))


def refusal(
    covered: Covered, by: str = "adjuster", provider: str = "doctor", patient: str = "patient", **other: Any
) -> Any:
    """By what error an agreement that is other than usual would be refused."""
    return covered.house.refusal(*opening(covered, agreement(covered, **other), by, provider, patient))


def opened(covered: Covered, **other: Any) -> bytes:
    terms = agreement(covered, **other)
    covered.house.send(*opening(covered, terms))
    return id_of(covered, terms)


def status(covered: Covered, id_: bytes) -> int:
    return int(covered.house.ask("Episodes", "episodeOf", id_)[0])


def held(covered: Covered) -> int:
    house = covered.house
    return int(house.ask("Escrow", "heldBy", house.contracts.episodes.address, covered.plan))


def wrong_status(id_: bytes, status_: int) -> Refusal:
    return error("WrongStatus", episode=id_, status=status_)


def released(covered: Covered, member: int, amount: int) -> list[Event]:
    """What the escrow tells of what it was told to release."""
    house = covered.house
    facts = {"plan": covered.plan, "member": member, "amount": amount}
    told = [Event("Released", {**facts, "holder": house.contracts.episodes.address})]
    if member:
        hospital, coin = house.address("hospital"), house.coin.address
        told.append(Event("Paid", {**facts, "repaid": 0, "withheld": 0}))
        told.append(Event("Credited", {"token": coin, "to": hospital, "amount": amount, "failed": False}))
    return told


# -- opening ---------------------------------------------------------------------------------------------------------


def test_open__holds_the_price(letting: Covered) -> None:
    # given
    house, terms = letting.house, agreement(letting)

    # when
    told = house.send(*opening(letting, terms))

    # then
    id_, patient = id_of(letting, terms), house.address("patient")
    facts = {"episode": id_, "plan": letting.plan, "pseudonym": patient, "provider": HOSPITAL, "price": PRICE}
    hold = {"plan": letting.plan, "holder": house.contracts.episodes.address, "amount": PRICE}
    assert told == [Event("Opened", facts), Event("Held", hold)]
    terms_kept = (terms.ends, PRICE, WITHHELD, patient, letting.plan)
    episode = house.ask("Episodes", "episodeOf", id_)
    assert episode == (OPEN, HOSPITAL, CLINIC, house.chain.now(), *terms_kept)
    assert (held(letting), house.balance(letting.plan)) == (PRICE, FUNDS - PRICE)
    house.solvent()


def test_open__by_no_insurer_or_another(letting: Covered) -> None:
    # given
    house, terms = letting.house, agreement(letting)

    # then
    for who in ("doctor", "patient", "stranger"):
        refused = house.refusal(*opening(letting, terms, by=who))
        assert refused == error("NoStanding", account=house.address(who))
    other = house.refusal(*opening(letting, terms, by="actuary"))
    assert other == error("NotAParty", episode=id_of(letting, terms), member=NUMBERS["mutual"])


def test_open__for_a_signer_without_standing(letting: Covered) -> None:
    # given
    stranger = letting.house.address("stranger")

    # then
    assert refusal(letting, signer=stranger, provider="stranger") == error("NoStanding", account=stranger)


WRONG: dict[str, Callable[[House], dict[str, Any]]] = {
    "signed by another provider": lambda house: {"signer": house.address("colleague")},
    "no price": lambda house: {"price": 0, "withheld": 0},
    "more withheld than the price": lambda house: {"withheld": PRICE + 1},
    "assessed by nobody": lambda house: {"assessor": 0},
    "assessed by the provider": lambda house: {"assessor": HOSPITAL},
    "assessed by the insurer": lambda house: {"assessor": INSURER},
    "over already": lambda house: {"ends": house.chain.now()},
    "longer than 400 days": lambda house: {"ends": house.chain.now() + 400 * DAY + 1},
    "no document": lambda house: {"document": bytes(32)},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_open__what_cannot_be_agreed_on(letting: Covered, wrong: str) -> None:
    # given
    house = letting.house
    terms = agreement(letting, **WRONG[wrong](house))

    # when
    refused = house.refusal(*opening(letting, terms))

    # then
    assert refused == error("WrongAgreement", episode=id_of(letting, terms))


def test_open__just_what_can_be_agreed_on(letting: Covered) -> None:
    now = letting.house.chain.now()

    assert refusal(letting, withheld=PRICE, ends=now + 1) is None
    assert refusal(letting, withheld=0, ends=now + 400 * DAY) is None


def test_open__for_who_is_not_covered(letting: Covered) -> None:
    # given
    house, patient, stranger = letting.house, letting.house.address("patient"), letting.house.address("stranger")
    never = refusal(letting, pseudonym=stranger, patient="stranger")
    house.send("patient", "Policies", "endPolicy", letting.plan, patient)

    # then
    assert never == error("NotCovered", plan=letting.plan, pseudonym=stranger)
    assert refusal(letting) == error("NotCovered", plan=letting.plan, pseudonym=patient)


def test_open__within_31_days(letting: Covered) -> None:
    # given
    now = letting.house.chain.now()
    latest = now + ENROL_WINDOW

    # then
    assert refusal(letting, deadline=now - 1) == error("SignatureExpired", deadline=now - 1)
    assert refusal(letting, deadline=now) is None
    assert refusal(letting, deadline=latest) is None
    far = error("DeadlineTooFar", deadline=latest + 1, latest=latest)
    assert refusal(letting, deadline=latest + 1) == far


def test_open__without_the_provider_or_the_patient(letting: Covered) -> None:
    house = letting.house

    assert refusal(letting, provider="hospital") == error("WrongSignature", signer=house.address("doctor"))
    assert refusal(letting, patient="doctor") == error("WrongSignature", signer=house.address("patient"))


def test_open__in_another_era_or_while_a_recovery_is_pending(letting: Covered) -> None:
    # given
    era = refusal(letting, era=1)
    letting.house.freeze("patient")

    # then
    assert era == error("WrongEra", era=1, current=0)
    assert refusal(letting) == error("Frozen", pseudonym=letting.house.address("patient"))


def test_open__once(letting: Covered) -> None:
    # given
    house, terms = letting.house, agreement(letting)
    call = opening(letting, terms)
    house.send(*call)
    id_ = id_of(letting, terms)

    # then: also after it is over
    assert house.refusal(*call) == wrong_status(id_, OPEN)


def test_open__by_an_insurer_that_does_not_let_it_hold_or_has_too_little(covered: Covered) -> None:
    # given
    house, holder = covered.house, covered.house.contracts.episodes.address
    house.let("insurer", "Episodes", DISPENSE_FOR)
    not_let = refusal(covered)
    house.let("insurer", "Episodes", HOLD_FOR)

    # then
    assert not_let == error("NotAnOperator", sender=holder, member=INSURER)
    short = error("EscrowShort", plan=covered.plan, amount=FUNDS + 1, balance=FUNDS)
    assert refusal(covered, price=FUNDS + 1) == short


# -- delivering ------------------------------------------------------------------------------------------------------


def test_deliver__pays_what_does_not_depend_on_the_outcome(letting: Covered) -> None:
    # given
    house, id_ = letting.house, opened(letting)
    evidence = house.encounter("operation")

    # when
    told = house.send("hospital", "Episodes", "deliver", id_, evidence)

    # then
    paid = PRICE - WITHHELD
    assert told == [
        Event("Delivered", {"episode": id_, "evidence": evidence, "paid": paid}),
        *released(letting, HOSPITAL, paid),
    ]
    assert (status(letting, id_), held(letting), house.credit("hospital")) == (DELIVERED, WITHHELD, paid)
    house.solvent()


def test_deliver__where_all_depends_on_the_outcome(letting: Covered) -> None:
    # given
    house, id_ = letting.house, opened(letting, withheld=PRICE)
    evidence = house.encounter("operation")

    # when
    told = house.send("doctor", "Episodes", "deliver", id_, evidence)

    # then
    assert told == [Event("Delivered", {"episode": id_, "evidence": evidence, "paid": 0})]
    assert held(letting) == PRICE


def test_deliver__by_others(letting: Covered) -> None:
    # given
    house, id_ = letting.house, opened(letting)
    evidence = house.encounter("operation", by="colleague")
    call = ("Episodes", "deliver", id_, evidence)

    # then
    assert house.refusal("adjuster", *call) == error("NoStanding", account=house.address("adjuster"))
    assert house.refusal("colleague", *call) == error("NotAParty", episode=id_, member=CLINIC)
    nothing = digest("nothing")
    assert house.refusal("doctor", "Episodes", "deliver", nothing, evidence) == error(
        "NotAParty", episode=nothing, member=HOSPITAL
    )


def test_deliver__twice(letting: Covered) -> None:
    # given
    house, id_ = letting.house, delivered(letting)

    # then
    again = house.refusal("doctor", "Episodes", "deliver", id_, house.encounter("again"))
    assert again == wrong_status(id_, DELIVERED)


def test_deliver__until_its_end(letting: Covered) -> None:
    # given
    house, id_ = letting.house, opened(letting)
    evidence = house.encounter("operation")
    ends = house.ask("Episodes", "episodeOf", id_)[4]
    call = ("doctor", "Episodes", "deliver", id_, evidence)

    # then
    house.chain.at(ends - 1)
    assert house.refusal(*call) is None
    house.chain.at(ends)
    assert house.refusal(*call) == error("TooLate", episode=id_, ends=ends)


def wrong_evidence(house: House, kind: str) -> bytes:
    """What the hospital cannot deliver with; the patient's own word is one of them."""
    if kind == "another member's":
        return house.encounter("theirs", by="colleague")
    if kind == "of another patient":
        return house.encounter("another", who="daughter")
    if kind == "disowned":
        evidence = house.encounter("mistaken")
        house.send("doctor", "Records", "disown", house.address("patient"), evidence)
        return evidence
    if kind == "the patient's":
        house.send("patient", "Records", "anchorInbox", house.address("patient"), [digest("mine")])
        return digest("mine")
    return digest("never anchored")


@pytest.mark.parametrize("kind", ["never anchored", "another member's", "of another patient", "disowned"])
def test_deliver__with_evidence_that_does_not_count(letting: Covered, kind: str) -> None:
    # given
    house, id_ = letting.house, opened(letting)
    evidence = wrong_evidence(house, kind)

    # when
    refused = house.refusal("doctor", "Episodes", "deliver", id_, evidence)

    # then
    assert refused == error("WrongEvidence", evidence=evidence)


def test_deliver__with_evidence_from_before(letting: Covered) -> None:
    # given
    house = letting.house
    before = house.encounter("before")
    id_ = opened(letting)

    # then
    refused = house.refusal("doctor", "Episodes", "deliver", id_, before)
    assert refused == error("WrongEvidence", evidence=before)


def test_deliver__two_episodes_with_the_same_evidence(letting: Covered) -> None:
    # given: two that were agreed on, and one operation
    house = letting.house
    first, second = opened(letting), opened(letting, document=digest("another hip"))
    evidence = house.encounter("operation")
    house.send("doctor", "Episodes", "deliver", first, evidence)

    # when
    refused = house.refusal("doctor", "Episodes", "deliver", second, evidence)

    # then
    assert refused == error("WrongEvidence", evidence=evidence)
    assert house.refusal("doctor", "Episodes", "deliver", second, house.encounter("another operation")) is None


# -- assessing -------------------------------------------------------------------------------------------------------


def delivered(covered: Covered, **other: Any) -> bytes:
    id_ = opened(covered, **other)
    covered.house.send("doctor", "Episodes", "deliver", id_, covered.house.encounter(f"operation {id_.hex()}"))
    return id_


class Assessor:
    """How the clinic says what came of it, in one of two ways."""

    def __init__(self, way: str) -> None:
        self.way = way

    def call(self, covered: Covered, id_: bytes, seen: bytes, achieved: int, by: str = "colleague") -> tuple[Any, ...]:
        house = covered.house
        if self.way == "direct":
            return (by, "Episodes", "assess", id_, seen, achieved)
        terms = Outcome(id_, seen, achieved, house.address(by), house.soon)
        return ("relayer", "Episodes", "assessBySig", *terms.arguments(house.signature(terms, by)))


@pytest.fixture(params=["direct", "by signature"])
def assessor(request: pytest.FixtureRequest) -> Assessor:
    return Assessor(request.param)


@pytest.mark.parametrize(
    ("achieved", "gets"), [(0, 0), (1, 3), (5_000, 15_000), (9_999, 29_997), (10_000, WITHHELD)], ids=str
)
def test_assess__releases_what_was_achieved_and_returns_the_rest(
    letting: Covered, assessor: Assessor, achieved: int, gets: int
) -> None:
    # given
    house, id_ = letting.house, delivered(letting)
    seen = house.encounter("walking", by="colleague")

    # when
    told = house.send(*assessor.call(letting, id_, seen, achieved))

    # then
    back = WITHHELD - gets
    facts = {"episode": id_, "observation": seen, "achieved": achieved, "released": gets, "returned": back}
    to_provider = released(letting, HOSPITAL, gets) if gets else []
    assert told == [Event("Assessed", facts), *to_provider, *(released(letting, 0, back) if back else [])]
    assert (status(letting, id_), held(letting)) == (SETTLED, 0)
    assert house.credit("hospital") == PRICE - WITHHELD + gets
    assert house.balance(letting.plan) == FUNDS - PRICE + back
    house.solvent()


def test_assess__by_others(letting: Covered, assessor: Assessor) -> None:
    # given
    house, id_ = letting.house, delivered(letting)
    seen = house.encounter("walking", by="doctor")

    # then: neither the provider, nor the insurer, nor the patient
    provider = house.refusal(*assessor.call(letting, id_, seen, 10_000, by="doctor"))
    assert provider == error("NotAParty", episode=id_, member=HOSPITAL)
    for who in ("adjuster", "patient"):
        refused = house.refusal(*assessor.call(letting, id_, seen, 0, by=who))
        assert refused == error("NoStanding", account=house.address(who))


def test_assess__before_it_is_delivered_or_twice(letting: Covered, assessor: Assessor) -> None:
    # given
    house, id_, other = letting.house, opened(letting), delivered(letting, document=digest("another"))
    seen = house.encounter("walking", by="colleague")
    early = house.refusal(*assessor.call(letting, id_, seen, 10_000))
    house.send(*assessor.call(letting, other, seen, 5_000))

    # then
    assert early == wrong_status(id_, OPEN)
    assert house.refusal(*assessor.call(letting, other, seen, 10_000)) == wrong_status(other, SETTLED)


def test_assess__until_its_end(letting: Covered, assessor: Assessor) -> None:
    # given
    house, id_ = letting.house, delivered(letting)
    seen = house.encounter("walking", by="colleague")
    ends = house.ask("Episodes", "episodeOf", id_)[4]

    # then
    house.chain.at(ends - 1)
    assert house.refusal(*assessor.call(letting, id_, seen, 1)) is None
    house.chain.at(ends)
    assert house.refusal(*assessor.call(letting, id_, seen, 1)) == error("TooLate", episode=id_, ends=ends)


def test_assess__more_than_the_whole(letting: Covered, assessor: Assessor) -> None:
    # given
    house, id_ = letting.house, delivered(letting)
    seen = house.encounter("walking", by="colleague")

    # then
    refused = house.refusal(*assessor.call(letting, id_, seen, 10_001))
    assert refused == error("WrongShare", achieved=10_001)


def test_assess__by_what_it_did_not_see_or_saw_before(letting: Covered, assessor: Assessor) -> None:
    # given
    house = letting.house
    before = house.encounter("before", by="colleague")
    id_ = delivered(letting)
    theirs = house.encounter("theirs", by="doctor")

    # then
    for seen in (before, theirs, digest("never anchored")):
        refused = house.refusal(*assessor.call(letting, id_, seen, 10_000))
        assert refused == error("WrongEvidence", evidence=seen)


def test_assess__by_a_signature_that_does_not_count(letting: Covered) -> None:
    # given
    house, id_ = letting.house, delivered(letting)
    seen, now = house.encounter("walking", by="colleague"), house.chain.now() + 1
    colleague = house.address("colleague")
    house.chain.at(now)

    def refused(deadline: int, by: str = "colleague") -> Refusal | None:
        terms = Outcome(id_, seen, 10_000, colleague, deadline)
        return house.refusal("relayer", "Episodes", "assessBySig", *terms.arguments(house.signature(terms, by)))

    # then
    latest = now + RULING_WINDOW
    assert refused(now - 1) == error("SignatureExpired", deadline=now - 1)
    assert refused(now) is None
    assert refused(latest) is None
    assert refused(latest + 1) == error("DeadlineTooFar", deadline=latest + 1, latest=latest)
    assert refused(now, by="clinic") == error("WrongSignature", signer=colleague)


# -- expiring --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("reached", "returned"), [("open", PRICE), ("delivered", WITHHELD)])
def test_expire__returns_what_is_held_still(letting: Covered, reached: str, returned: int) -> None:
    # given
    house = letting.house
    id_ = opened(letting) if reached == "open" else delivered(letting)
    ends = house.ask("Episodes", "episodeOf", id_)[4]
    house.chain.at(ends - 1)
    early = house.refusal("stranger", "Episodes", "expire", id_)

    # when
    told = house.send("stranger", "Episodes", "expire", id_)

    # then: anyone may, at its end
    assert early == error("TooEarly", episode=id_, ends=ends)
    expired = Event("Expired", {"episode": id_, "returned": returned})
    assert told == [expired, *released(letting, 0, returned)]
    assert (status(letting, id_), held(letting)) == (EXPIRED, 0)
    assert house.balance(letting.plan) == FUNDS - PRICE + returned
    house.solvent()


def test_expire__with_nothing_withheld(letting: Covered) -> None:
    # given
    house, id_ = letting.house, delivered(letting, withheld=0)
    house.chain.at(house.ask("Episodes", "episodeOf", id_)[4])

    # when
    told = house.send("stranger", "Episodes", "expire", id_)

    # then
    assert told == [Event("Expired", {"episode": id_, "returned": 0})]


def test_expire__once_and_not_what_is_settled_or_never_was(letting: Covered) -> None:
    # given
    house = letting.house
    open_, settled = opened(letting), delivered(letting, document=digest("another"))
    seen = house.encounter("walking", by="colleague")
    house.send("colleague", "Episodes", "assess", settled, seen, 10_000)
    house.chain.at(house.ask("Episodes", "episodeOf", open_)[4] + DAY)
    house.send("stranger", "Episodes", "expire", open_)

    # then
    for id_, status_ in ((open_, EXPIRED), (settled, SETTLED), (digest("nothing"), NEW)):
        assert house.refusal("stranger", "Episodes", "expire", id_) == wrong_status(id_, status_)
    late = house.refusal("doctor", "Episodes", "deliver", open_, house.encounter("late"))
    assert late == wrong_status(open_, EXPIRED)


# -- together with the rest ------------------------------------------------------------------------------------------


def test_held__is_nobody_else_s(letting: Covered) -> None:
    # given: all of the plan's money is held
    house = letting.house
    id_ = opened(letting, price=FUNDS, withheld=0)

    # then: neither the insurer's nor a claim's
    drain = house.refusal("insurer", "Escrow", "drain", letting.plan, 1, house.address("insurer"))
    assert drain == error("EscrowShort", plan=letting.plan, amount=1, balance=0)
    claim = house.claim(letting.plan, house.encounter("panel"), Line(PANEL.service, FIRST, 1, 6_000))
    assert house.submit(claim).outcomes == ()
    house.send("doctor", "Episodes", "deliver", id_, house.encounter("operation"))
    assert house.credit("hospital") == FUNDS
    house.solvent()


def test_held__is_released_though_the_insurer_lets_it_hold_no_more(letting: Covered) -> None:
    # given
    house, id_ = letting.house, opened(letting)
    house.let("insurer", "Episodes", 0)
    house.suspend("insurer")

    # when
    house.send("doctor", "Episodes", "deliver", id_, house.encounter("operation"))

    # then
    assert house.credit("hospital") == PRICE - WITHHELD


def test_held__of_many_episodes__is_released_or_returned(letting: Covered) -> None:
    # given: one of each kind
    house, achieved = letting.house, (0, 3_333, 10_000)
    ids = [delivered(letting, document=digest(f"episode {i}"), withheld=10_001 + i) for i in range(3)]
    left = opened(letting, document=digest("left")), delivered(letting, document=digest("unseen"))
    for id_, share in zip(ids, achieved, strict=True):
        seen = house.encounter(f"seen {share}", by="colleague")
        house.send("colleague", "Episodes", "assess", id_, seen, share)
    assert held(letting) == PRICE + WITHHELD

    # when
    house.chain.at(house.chain.now() + 101 * DAY)
    for id_ in left:
        house.send("stranger", "Episodes", "expire", id_)

    # then
    assert held(letting) == 0
    assert house.balance(letting.plan) + house.credit("hospital") == FUNDS
    house.solvent()

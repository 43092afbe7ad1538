"""What an insurer allows before it is done: asked for, completed, allowed or refused, and used once by a claim."""

from typing import Any

import pytest
from counting_house import (
    DAY,
    DECIDED,
    FIRST,
    HOUR,
    NUMBERS,
    PANEL,
    SCAN,
    SHOT,
    Benefit,
    Covered,
    Event,
    House,
    Schedule,
    Settled,
    digest,
    error,
)
from eth_abi import encode
from eth_utils import keccak
from real_anvil import encoded

from theriac.cover.messages import NONE, Line

HOSPITAL, CLINIC, INSURER = NUMBERS["hospital"], NUMBERS["clinic"], NUMBERS["insurer"]
UNKNOWN, REQUESTED, PENDED, APPROVED, REFUSED = range(5)
UNAUTHORIZED, BEYOND = 1 << 9, 1 << 10
REASONS, LACKING = digest("reasons"), digest("what is lacking")

PRICE = 40_000
PAID = (0, PRICE, 0, 0, 6_000, 0, 34_000)
"""A scan that is allowed: 15 percent are the patient's."""


# -- what is asked for -----------------------------------------------------------------------------------------------


def asked(covered: Covered, **other: Any) -> tuple[Any, ...]:
    """Two scans for the patient, or something else."""
    usual = {
        "plan": covered.plan,
        "pseudonym": covered.house.address("patient"),
        "service": SCAN.service,
        "units": 2,
        "document": REASONS,
    }
    return tuple({**usual, **other}.values())


def id_of(request: tuple[Any, ...], provider: int = HOSPITAL) -> bytes:
    return keccak(encode(["bytes32", "address", "bytes32", "uint16", "bytes32", "uint32"], [*request, provider]))


def request(covered: Covered, by: str = "doctor", **other: Any) -> bytes:
    """The number of what was asked for."""
    terms = asked(covered, **other)
    covered.house.send(by, "Authorizations", "request", terms)
    return id_of(terms, CLINIC if by == "colleague" else HOSPITAL)


def approve(covered: Covered, id_: bytes, units: int = 1, amount: int = 0, days: int = 30) -> None:
    expiry = covered.house.chain.now() + days * DAY
    covered.house.send("adjuster", "Authorizations", "approve", id_, units, amount, expiry)


def approved(covered: Covered, units: int = 1, amount: int = 0, days: int = 30, **other: Any) -> bytes:
    id_ = request(covered, **other)
    approve(covered, id_, units, amount, days)
    return id_


def status(covered: Covered, id_: bytes) -> int:
    return int(covered.house.ask("Authorizations", "authorizationOf", id_)[1])


def refusal(covered: Covered, who: str, function: str, *arguments: Any) -> Any:
    return covered.house.refusal(who, "Authorizations", function, *arguments)


def wrong_status(id_: bytes, status_: int) -> Any:
    return error("WrongStatus", authorization=id_, status=status_)


# -- asking ----------------------------------------------------------------------------------------------------------


def test_request__by_a_provider(covered: Covered) -> None:
    # given
    house, terms = covered.house, asked(covered)

    # when
    told = house.send("doctor", "Authorizations", "request", terms)

    # then
    id_, patient = id_of(terms), house.address("patient")
    facts = {"authorization": id_, "plan": covered.plan, "pseudonym": patient, "provider": HOSPITAL}
    assert told == [Event("Requested", facts)]
    assert house.ask("Authorizations", "idOf", terms, HOSPITAL) == id_
    subject = keccak(
        encode(["bytes32", "address", "uint32", "bytes32"], [covered.plan, patient, HOSPITAL, SCAN.service])
    )
    assert house.ask("Authorizations", "authorizationOf", id_) == (subject, REQUESTED, HOSPITAL, 2, 0, 0)


@pytest.mark.parametrize("who", ["adjuster", "arbiter", "patient", "stranger"])
def test_request__by_no_provider(covered: Covered, who: str) -> None:
    refused = refusal(covered, who, "request", asked(covered))

    assert refused == error("NoStanding", account=covered.house.address(who))


@pytest.mark.parametrize(
    "lacking", [{"service": NONE}, {"units": 0}, {"document": NONE}], ids=lambda it: next(iter(it))
)
def test_request__of_nothing(covered: Covered, lacking: dict[str, Any]) -> None:
    assert refusal(covered, "doctor", "request", asked(covered, **lacking)) == error("EmptyRequest")


def test_request__for_who_has_no_policy(covered: Covered) -> None:
    # given
    stranger, nowhere = covered.house.address("stranger"), digest("no plan")

    # when
    no_policy = refusal(covered, "doctor", "request", asked(covered, pseudonym=stranger))
    no_plan = refusal(covered, "doctor", "request", asked(covered, plan=nowhere))

    # then
    assert no_policy == error("NoSuchPolicy", plan=covered.plan, pseudonym=stranger)
    assert no_plan == error("NoSuchPolicy", plan=nowhere, pseudonym=covered.house.address("patient"))


def test_request__once_by_each_provider(covered: Covered) -> None:
    # given
    id_ = request(covered)

    # then: nobody takes another's place
    assert refusal(covered, "hospital", "request", asked(covered)) == wrong_status(id_, REQUESTED)
    assert refusal(covered, "colleague", "request", asked(covered)) is None
    assert refusal(covered, "doctor", "request", asked(covered, document=digest("others"))) is None


# -- what is missing -------------------------------------------------------------------------------------------------


def test_pend__and_complete(covered: Covered) -> None:
    # given
    house, id_ = covered.house, request(covered)

    # when
    pended = house.send("reviewer", "Authorizations", "pend", id_, LACKING)
    meanwhile = status(covered, id_)
    completed = house.send("hospital", "Authorizations", "complete", id_, REASONS)

    # then
    assert pended == [Event("Pended", {"authorization": id_, "document": LACKING})]
    assert completed == [Event("Completed", {"authorization": id_, "document": REASONS})]
    assert (meanwhile, status(covered, id_)) == (PENDED, REQUESTED)


def test_complete__by_others_or_what_lacks_nothing(covered: Covered) -> None:
    # given
    house, id_ = covered.house, request(covered)
    nothing = refusal(covered, "doctor", "complete", id_, REASONS)
    house.send("adjuster", "Authorizations", "pend", id_, LACKING)

    # then
    assert nothing == wrong_status(id_, REQUESTED)
    assert refusal(covered, "patient", "complete", id_, REASONS) == error(
        "NoStanding", account=house.address("patient")
    )
    other = error("NotTheProvider", authorization=id_, member=CLINIC, provider=HOSPITAL)
    assert refusal(covered, "colleague", "complete", id_, REASONS) == other


# -- deciding --------------------------------------------------------------------------------------------------------


def deciding(covered: Covered, id_: bytes) -> dict[str, tuple[Any, ...]]:
    expiry = covered.house.chain.now() + DAY
    return {"pend": (id_, LACKING), "approve": (id_, 1, 0, expiry), "refuse": (id_, REASONS)}


@pytest.mark.parametrize("after", ["asked", "pended"])
def test_approve__within_limits(covered: Covered, after: str) -> None:
    # given
    house, id_ = covered.house, request(covered)
    if after == "pended":
        house.send("adjuster", "Authorizations", "pend", id_, LACKING)
    expiry = house.chain.now() + DAY

    # when
    told = house.send("reviewer", "Authorizations", "approve", id_, 2, 30_000, expiry)

    # then
    limits = {"units": 2, "amount": 30_000, "expiry": expiry}
    assert told == [Event("Approved", {"authorization": id_, **limits})]
    assert tuple(house.ask("Authorizations", "authorizationOf", id_)[1:]) == (APPROVED, HOSPITAL, *limits.values())


def test_approve__beyond_what_was_asked_for_none_or_what_is_over(covered: Covered) -> None:
    # given
    id_, now = request(covered), covered.house.chain.now()

    for units, expiry in ((0, now + 1), (3, now + 1), (2, now)):
        # when
        refused = refusal(covered, "adjuster", "approve", id_, units, 0, expiry)

        # then
        assert refused == error("WrongLimits", units=units, asked=2, expiry=expiry)
    assert refusal(covered, "adjuster", "approve", id_, 2, 0, now + 1) is None


def test_refuse__and_nothing_is_allowed(covered: Covered) -> None:
    # given
    house, id_ = covered.house, request(covered)

    # when
    told = house.send("adjuster", "Authorizations", "refuse", id_, REASONS)

    # then
    assert told == [Event("Refused", {"authorization": id_, "document": REASONS})]
    assert status(covered, id_) == REFUSED
    assert scan(covered, id_).outcomes[0][0] == UNAUTHORIZED


@pytest.mark.parametrize("function", ["pend", "approve", "refuse"])
@pytest.mark.parametrize("first", ["approve", "refuse"])
def test_decided__once(covered: Covered, first: str, function: str) -> None:
    # given
    id_ = request(covered)
    acts = deciding(covered, id_)
    covered.house.send("adjuster", "Authorizations", first, *acts[first])

    # then
    refused = refusal(covered, "reviewer", function, *acts[function])
    assert refused == wrong_status(id_, APPROVED if first == "approve" else REFUSED)


@pytest.mark.parametrize("function", ["pend", "approve", "refuse"])
def test_decided__by_others(covered: Covered, function: str) -> None:
    # given
    id_ = request(covered)
    arguments = deciding(covered, id_)[function]

    # then
    for who in ("doctor", "patient", "stranger"):
        refused = refusal(covered, who, function, *arguments)
        assert refused == error("NoStanding", account=covered.house.address(who))
    other = error("NotTheInsurer", authorization=id_, member=NUMBERS["mutual"], insurer=INSURER)
    assert refusal(covered, "actuary", function, *arguments) == other


@pytest.mark.parametrize("function", ["pend", "approve", "refuse"])
def test_decided__what_was_never_asked_for(covered: Covered, function: str) -> None:
    # given
    nothing = digest("nothing")

    # when
    refused = refusal(covered, "adjuster", function, *deciding(covered, nothing)[function])

    # then
    assert refused == error("NotTheInsurer", authorization=nothing, member=INSURER, insurer=0)


# -- using it --------------------------------------------------------------------------------------------------------


def scan(
    covered: Covered, authorization: bytes, name: str = "scan", *, day: int = FIRST, units: int = 1, **other: Any
) -> Settled:
    """A claim for scans."""
    house = covered.house
    line = Line(SCAN.service, day, units, PRICE * units, authorization)
    by = "colleague" if other.get("provider") == CLINIC else "doctor"
    return house.submit(house.claim(covered.plan, house.encounter(name, by=by), line, **other), by=by)


def test_used__by_a_claim(covered: Covered) -> None:
    # given
    id_ = approved(covered)

    # when
    settled = scan(covered, id_)

    # then
    assert settled.outcomes == (PAID,)
    assert covered.house.ask("Benefits", "usedBy", id_) == settled.id
    assert covered.house.credit("hospital") == 34_000


def test_used__none(covered: Covered) -> None:
    # then
    for id_ in (NONE, digest("made up"), request(covered)):
        assert scan(covered, id_, f"scan {id_.hex()}").outcomes == ((UNAUTHORIZED, 0, 0, 0, 0, 0, 0),)


def test_used__once(covered: Covered) -> None:
    # given
    id_ = approved(covered, units=2)
    first = scan(covered, id_)

    # when
    second = scan(covered, id_, "another scan", day=FIRST + 1)

    # then: also where units are left
    assert second.outcomes[0][0] == UNAUTHORIZED
    assert covered.house.ask("Benefits", "usedBy", id_) == first.id


def test_used__by_two_lines_of_a_claim(covered: Covered) -> None:
    # given
    house, id_ = covered.house, approved(covered, units=2)
    lines = [Line(SCAN.service, day, 1, PRICE, id_) for day in (FIRST, FIRST + 1)]

    # when
    settled = house.submit(house.claim(covered.plan, house.encounter("scans"), *lines))

    # then
    assert settled.outcomes == (PAID, (UNAUTHORIZED, 0, 0, 0, 0, 0, 0))


def test_used__for_all_units_and_no_more(covered: Covered) -> None:
    # given
    id_ = approved(covered, units=2)

    # then
    assert scan(covered, id_, units=3).outcomes[0][0] == BEYOND
    assert scan(covered, id_, "two", units=2).outcomes[0][-1] == 68_000


def test_used__for_the_amount_that_was_allowed(covered: Covered) -> None:
    # given
    id_ = approved(covered, amount=30_000)

    # then: 15 percent of it are the patient's
    assert scan(covered, id_).outcomes == ((0, 30_000, 0, 0, 4_500, 0, 25_500),)


def test_used__before_it_expires(covered: Covered) -> None:
    # given
    house, id_, other = covered.house, approved(covered, days=1), approved(covered, days=1, document=digest("other"))
    expiry = house.ask("Authorizations", "authorizationOf", id_)[5]

    # when
    house.chain.at(expiry - 3)
    last = scan(covered, id_)
    house.chain.at(expiry + DAY)
    late = scan(covered, other, "late", day=FIRST + 1)

    # then
    assert house.state(last.id)["time"] == expiry - 1
    assert (last.outcomes[0][0], late.outcomes[0][0]) == (0, UNAUTHORIZED)


def test_used__what_another_was_allowed(covered: Covered) -> None:
    # given: another patient, another provider, another service, the other plan
    house = covered.house
    house.enrol(covered.plan, "daughter")
    other = house.plan(document=digest("other plan"))
    house.publish(other)
    house.enrol(other.id)
    ids = {
        "patient": approved(covered, pseudonym=house.address("daughter")),
        "provider": approved(covered, by="colleague"),
        "service": approved(covered, service=SHOT.service),
        "plan": approved(covered, plan=other.id),
    }

    # then
    for whose, id_ in ids.items():
        assert scan(covered, id_, whose).outcomes[0][0] == UNAUTHORIZED
        assert house.ask("Benefits", "usedBy", id_) == NONE


def test_used__is_given_back_by_a_reversal(covered: Covered) -> None:
    # given
    house, id_ = covered.house, approved(covered)
    settled = scan(covered, id_)

    # when
    house.send("doctor", "Claims", "reverse", settled.tuple, NONE, 0)

    # then
    assert house.ask("Benefits", "usedBy", id_) == NONE
    again = scan(covered, id_, "again")
    assert again.outcomes == (PAID,)
    assert house.ask("Benefits", "usedBy", id_) == again.id


def test_used__what_was_denied_uses_nothing(covered: Covered) -> None:
    # given: two units where one is allowed
    id_ = approved(covered)
    scan(covered, id_, units=2)

    # then
    assert scan(covered, id_, "again").outcomes == (PAID,)


def test_used__where_none_is_needed(covered: Covered) -> None:
    # given
    house, id_ = covered.house, approved(covered, service=SHOT.service)
    line = Line(SHOT.service, FIRST, 1, 2_500, id_)

    # when
    settled = house.submit(house.claim(covered.plan, house.encounter("shot"), line))

    # then
    assert house.state(settled.id)["status"] == DECIDED
    assert house.ask("Benefits", "usedBy", id_) == NONE


def test_used__another_plan_s_adjudicator_does_not_give_it_back(covered: Covered) -> None:
    # given: a plan of another insurer's with the same patient, whose adjudicator does what anyone wants
    house, id_ = covered.house, approved(covered)
    settled = scan(covered, id_)
    house.others["Loose"] = house.chain.deploy("LooseAdjudicator")
    row: Benefit = PANEL
    loose = house.plan(
        insurer=NUMBERS["mutual"], adjudicator=house.contract("Loose").address, schedule=Schedule([row]).root
    )
    house.publish(loose, by="actuary")
    house.enrol(loose.id, by="actuary")

    # when: it undoes a claim that never was, by the number of the one that used the authorization
    claim = house.claim(loose.id, digest("never"), Line(SCAN.service, FIRST, 1, 1, id_))
    query = (settled.id, house.chain.now(), False, False, False, 0, 0)
    undo = house.contracts.benefits.functions.undo(claim.terms(), [row.tuple], [(0,) * 7], query)
    house.send("stranger", "Loose", "act", undo.address, encoded(undo))

    # then
    assert house.ask("Benefits", "usedBy", id_) == settled.id
    assert scan(covered, id_, "again", day=FIRST + 1).outcomes[0][0] == UNAUTHORIZED


def test_allowance__half_open(covered: Covered) -> None:
    # given
    house: House = covered.house
    id_ = approved(covered, units=2, amount=7)
    expiry = house.ask("Authorizations", "authorizationOf", id_)[5]
    subject = (covered.plan, house.address("patient"), HOSPITAL, SCAN.service)

    # then
    assert house.ask("Authorizations", "allowanceOf", id_, *subject, expiry - 1) == [2, 7]
    assert house.ask("Authorizations", "allowanceOf", id_, *subject, expiry) == [0, 0]
    assert house.ask("Authorizations", "allowanceOf", id_, *subject, house.chain.now() - HOUR) == [2, 7]

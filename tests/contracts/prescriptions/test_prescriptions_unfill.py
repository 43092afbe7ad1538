"""What was given last is taken back by who gave it, for ten days, once; what a contract did, by that contract only."""

import pytest
from prescriptions_desk import ANY_TIME, DAY, FILL_FOR, NUMBERS, ONCE, WEEKLY, Desk, Event, State, error
from real_anvil import BOARD

PHARMACY, RIVAL = NUMBERS["pharmacy"], NUMBERS["rival"]


@pytest.fixture
def given(desk: Desk) -> Desk:
    """The desk where the pharmacy filled the first line."""
    desk.take("pharmacist", "pharmacy", ONCE)
    desk.fill("pharmacist", ONCE, 3)
    return desk


def unfilled(desk: Desk, *, by: str) -> list[Event]:
    told = {"prescription": desk.id, "member": PHARMACY, "by": by, "line": ONCE, "units": 3}
    return [Event("Unfilled", told)]


def not_the_filler(desk: Desk, filler: int, line: int = ONCE) -> object:
    return error("NotTheFiller", prescription=desk.id, line=line, filler=filler)


def test_unfill__may_be_filled_again(given: Desk) -> None:
    # when
    told = given.send("pharmacist", "unfill", given.id, ONCE)

    # then
    assert told == unfilled(given, by=given.address("pharmacist"))
    assert given.line(ONCE) == State()
    given.take("rival", "rival", ONCE)
    assert given.refusal("rival", "fill", given.filling(ONCE, 3)) is None


def test_unfill__twice(given: Desk) -> None:
    # given
    given.send("pharmacist", "unfill", given.id, ONCE)

    # when
    refused = given.refusal("pharmacist", "unfill", given.id, ONCE)

    # then
    assert refused == not_the_filler(given, 0)


def test_unfill__only_what_was_given_last(desk: Desk) -> None:
    # given: two parts
    for units in (4, 5):
        desk.take("pharmacist", "pharmacy", ANY_TIME)
        desk.fill("pharmacist", ANY_TIME, units)

    # when
    desk.send("pharmacist", "unfill", desk.id, ANY_TIME)

    # then
    assert desk.line(ANY_TIME).filled == 4
    assert desk.refusal("pharmacist", "unfill", desk.id, ANY_TIME) == not_the_filler(desk, 0, ANY_TIME)


def test_unfill__while_another_holds_the_line__leaves_it_there(desk: Desk) -> None:
    # given
    desk.take("pharmacist", "pharmacy", WEEKLY)
    desk.fill("pharmacist", WEEKLY, 1)
    desk.take("rival", "rival", WEEKLY)
    held = desk.line(WEEKLY)

    # when
    desk.send("pharmacist", "unfill", desk.id, WEEKLY)

    # then
    assert desk.line(WEEKLY) == State(holder=RIVAL, hold_ends=held.hold_ends)


def test_unfill__after_another_gave_the_rest(desk: Desk) -> None:
    # given
    desk.take("pharmacist", "pharmacy", ANY_TIME)
    desk.fill("pharmacist", ANY_TIME, 10)
    desk.take("rival", "rival", ANY_TIME)
    desk.fill("rival", ANY_TIME, 10)

    # then
    assert desk.refusal("pharmacist", "unfill", desk.id, ANY_TIME) == not_the_filler(desk, RIVAL, ANY_TIME)


@pytest.mark.parametrize(("who", "member"), [("rival", RIVAL), ("hospital", NUMBERS["hospital"])])
def test_unfill__by_another_pharmacy(given: Desk, who: str, member: int) -> None:
    assert given.refusal(who, "unfill", given.id, ONCE) == not_the_filler(given, PHARMACY)


@pytest.mark.parametrize("who", ["doctor", "clerk", "bearer"])
def test_unfill__by_no_pharmacist(given: Desk, who: str) -> None:
    assert given.refusal(who, "unfill", given.id, ONCE) == error("NoStanding", account=given.address(who))


@pytest.mark.parametrize(("second", "late"), [(0, False), (1, True)])
def test_unfill__within_ten_days(given: Desk, second: int, late: bool) -> None:
    # given
    latest = given.chain.now() + 10 * DAY

    # when
    given.chain.at(latest + second)
    refused = given.refusal("pharmacist", "unfill", given.id, ONCE)

    # then
    assert refused == (error("TooLate", prescription=given.id, line=ONCE, latest=latest) if late else None)


def test_unfill__of_a_cancelled_line__stays_cancelled(given: Desk) -> None:
    # given
    given.send("doctor", "cancel", given.id, 1 << ONCE)

    # when
    given.send("pharmacist", "unfill", given.id, ONCE)

    # then
    refused = given.refusal("rival", "take", *given.word("rival", ONCE))
    assert refused == error("WrongLines", lines=1, cancelled=1)


# -- through a contract ----------------------------------------------------------------------------------------------


def test_unfill__of_what_a_contract_filled__only_through_it(desk: Desk) -> None:
    # given: a pharmacy that was paid through one contract, and names another that is its own
    carrier, pharmacist = desk.contracts.carrier.address, desk.address("pharmacist")
    own = desk.contracts.letters.address
    desk.let("pharmacy", carrier, FILL_FOR)
    desk.let("pharmacy", own, FILL_FOR)
    desk.take("pharmacist", "pharmacy", ONCE)
    desk.carried("fillFor", pharmacist, desk.filling(ONCE, 3))

    # when
    directly = desk.refusal("pharmacist", "unfill", desk.id, ONCE)
    otherwise = desk.refused_from(own, "unfillFor", pharmacist, desk.id, ONCE)
    told = desk.carried("unfillFor", pharmacist, desk.id, ONCE)

    # then
    assert directly == otherwise == not_the_filler(desk, PHARMACY)
    assert told == unfilled(desk, by=carrier)
    assert desk.line(ONCE) == State()


def test_unfill_for__what_the_pharmacy_filled_itself(given: Desk) -> None:
    # given
    carrier = given.contracts.carrier.address
    given.let("pharmacy", carrier, FILL_FOR)

    # when
    refused = given.refused_from(carrier, "unfillFor", given.address("pharmacist"), given.id, ONCE)

    # then
    assert refused == not_the_filler(given, PHARMACY)


def test_unfill_for__by_who_is_no_operator(given: Desk) -> None:
    refused = given.refusal("stranger", "unfillFor", given.address("pharmacist"), given.id, ONCE)

    assert refused == error("NotAnOperator", operator=given.address("stranger"), member=PHARMACY)


def test_unfill__by_a_pharmacy_out_of_standing(given: Desk) -> None:
    # given
    given.chain.send(BOARD, given.contracts.consortium.functions.suspend(PHARMACY, 1))

    # when
    refused = given.refusal("pharmacist", "unfill", given.id, ONCE)

    # then
    assert refused == error("NoStanding", account=given.address("pharmacist"))

"""What is given for a line: what was prescribed, when it is due, once."""

from dataclasses import replace

import pytest
from prescriptions_desk import (
    ANY_TIME,
    DAY,
    EVIDENCE,
    FILL_FOR,
    NUMBERS,
    ONCE,
    WEEKLY,
    Desk,
    Event,
    State,
    digest,
    error,
)
from real_anvil import BOARD

PHARMACY, RIVAL = NUMBERS["pharmacy"], NUMBERS["rival"]


def filled(desk: Desk, line: int, units: int, *, by: str) -> list[Event]:
    told = {"prescription": desk.id, "member": PHARMACY, "by": by, "line": line, "units": units}
    return [Event("Filled", {**told, "evidence": EVIDENCE})]


@pytest.fixture
def held(desk: Desk) -> Desk:
    """The desk where the pharmacy holds every line."""
    desk.take("pharmacist", "pharmacy", ONCE, WEEKLY, ANY_TIME)
    return desk


def too_many(desk: Desk, line: int, units: int, left: int) -> object:
    return error("TooMany", prescription=desk.id, line=line, units=units, left=left)


def test_fill__tells_and_ends_the_hold(held: Desk) -> None:
    # when
    told = held.fill("pharmacist", ONCE, 3)

    # then
    assert told == filled(held, ONCE, 3, by=held.address("pharmacist"))
    assert held.line(ONCE) == State(filled=3, filler=PHARMACY, units=3, time=held.chain.now())
    assert held.line(WEEKLY).holder == PHARMACY


def test_fill__in_parts__each_taken_anew_and_never_more_than_was_prescribed(held: Desk) -> None:
    # given
    held.fill("pharmacist", ONCE, 2)
    again = held.refusal("pharmacist", "fill", held.filling(ONCE, 1))

    # when: the rest elsewhere
    held.take("rival", "rival", ONCE)
    more = held.refusal("rival", "fill", held.filling(ONCE, 2))
    held.fill("rival", ONCE, 1)

    # then
    assert again == error("NotTheHolder", prescription=held.id, line=ONCE, member=PHARMACY, holder=0)
    assert more == too_many(held, ONCE, 2, 1)
    held.take("rival", "rival", ONCE)
    assert held.refusal("rival", "fill", held.filling(ONCE, 1)) == too_many(held, ONCE, 1, 0)


@pytest.mark.parametrize(("day", "due"), [(0, 2), (6, 2), (7, 4), (13, 4), (14, 6), (21, 8), (28, 8), (89, 8)], ids=str)
def test_fill__refills_fall_due_one_by_one(desk: Desk, day: int, due: int) -> None:
    # given
    desk.chain.at(desk.lines[WEEKLY].earliest + max(day * DAY, 3601))
    desk.take("pharmacist", "pharmacy", WEEKLY)

    # then
    assert desk.refusal("pharmacist", "fill", desk.filling(WEEKLY, due)) is None
    assert desk.refusal("pharmacist", "fill", desk.filling(WEEKLY, due + 1)) == too_many(desk, WEEKLY, due + 1, due)
    assert desk.lines[WEEKLY].due(desk.chain.now()) == due


def test_fill__refills_without_an_interval_are_due_at_once(held: Desk) -> None:
    assert held.refusal("pharmacist", "fill", held.filling(ANY_TIME, 30)) is None
    assert held.refusal("pharmacist", "fill", held.filling(ANY_TIME, 31)) == too_many(held, ANY_TIME, 31, 30)


@pytest.mark.parametrize(("second", "refusal"), [(-1, "TooEarly"), (0, ""), (28 * DAY - 1, ""), (28 * DAY, "TooLate")])
def test_fill__from_its_first_second_until_its_last(empty: Desk, second: int, refusal: str) -> None:
    # given: lines that begin the day after tomorrow
    lines = tuple(replace(line, earliest=line.earliest + 2 * DAY, latest=line.latest + 2 * DAY) for line in empty.lines)
    desk = replace(empty, lines=lines)
    desk.prescribe()
    desk.chain.at(lines[ONCE].earliest + second - 10)
    desk.take("pharmacist", "pharmacy", ONCE)

    # when
    desk.chain.at(lines[ONCE].earliest + second)
    refused = desk.refusal("pharmacist", "fill", desk.filling(ONCE, 3))

    # then: a question is asked in the block that was made last
    assert (refused.error if refused else "") == refusal


def test_fill__more_than_can_be_counted(empty: Desk) -> None:
    # given
    huge = replace(empty.lines[ANY_TIME], quantity=2**16 - 1, refills=255)
    desk = replace(empty, lines=(huge,))
    desk.prescribe()
    desk.take("pharmacist", "pharmacy", 0)

    # when
    desk.fill("pharmacist", 0, 2**16 - 1)

    # then
    desk.take("pharmacist", "pharmacy", 0)
    assert desk.refusal("pharmacist", "fill", desk.filling(0, 1)) == too_many(desk, 0, 1, 0)


@pytest.mark.parametrize(("units", "evidence"), [(0, EVIDENCE), (1, bytes(32))], ids=["nothing", "no evidence"])
def test_fill__of_nothing_or_without_evidence(held: Desk, units: int, evidence: bytes) -> None:
    refused = held.refusal("pharmacist", "fill", held.filling(ONCE, units, evidence=evidence))

    assert refused == error("EmptyFilling")


def test_fill__by_who_holds_nothing(desk: Desk) -> None:
    refused = desk.refusal("pharmacist", "fill", desk.filling(ONCE, 1))

    assert refused == error("NotTheHolder", prescription=desk.id, line=ONCE, member=PHARMACY, holder=0)


@pytest.mark.parametrize("who", ["doctor", "clerk", "bearer", "stranger"])
def test_fill__by_no_pharmacist(held: Desk, who: str) -> None:
    assert held.refusal(who, "fill", held.filling(ONCE, 1)) == error("NoStanding", account=held.address(who))


def test_fill__of_what_was_never_prescribed(empty: Desk) -> None:
    # given: nobody can hold it either
    refused = empty.refusal("pharmacist", "fill", empty.filling(ONCE, 1))

    assert refused == error("NotTheHolder", prescription=empty.id, line=ONCE, member=PHARMACY, holder=0)


# -- another line than was prescribed --------------------------------------------------------------------------------


@pytest.mark.parametrize("field", range(6), ids=["item", "quantity", "refills", "interval", "earliest", "latest"])
def test_fill__of_a_line_that_was_changed(held: Desk, field: int) -> None:
    # given
    opened = list(held.lines[ONCE].values().values())
    opened[field] = digest("stronger stuff") if field == 0 else opened[field] + 1

    # when
    refused = held.refusal("pharmacist", "fill", held.filling(ONCE, 1, opened=tuple(opened)))

    # then
    assert refused == error("WrongLine", prescription=held.id, line=ONCE)


def test_fill__of_a_line_under_another_s_number(held: Desk) -> None:
    # given: the line of ten units where three are allowed
    opened = tuple(held.lines[ANY_TIME].values().values())

    # when
    refused = held.refusal("pharmacist", "fill", held.filling(ONCE, 10, opened=opened))

    # then
    assert refused == error("WrongLine", prescription=held.id, line=ONCE)


@pytest.mark.parametrize("change", ["one less", "one more", "turned round", "none", "thirty-three"])
def test_fill__with_other_hashes(held: Desk, change: str) -> None:
    # given
    right = [line.hash for line in held.lines]
    wrong = {
        "one less": right[:-1],
        "one more": [*right, digest("more")],
        "turned round": right[::-1],
        "none": [],
        "thirty-three": [right[0]] * 33,
    }[change]

    # when
    refused = held.refusal("pharmacist", "fill", held.filling(ONCE, 1, hashes=wrong))

    # then
    assert refused == error("WrongLine", prescription=held.id, line=ONCE)


def test_fill__beyond_the_last_line(held: Desk) -> None:
    refused = held.refusal("pharmacist", "fill", held.filling(3, 1))

    assert refused == error("WrongLine", prescription=held.id, line=3)


# -- who prescribed it -----------------------------------------------------------------------------------------------


def test_fill__of_what_a_suspended_member_prescribed(held: Desk) -> None:
    # given
    held.chain.send(BOARD, held.contracts.consortium.functions.suspend(NUMBERS["surgery"], 1))
    refused = held.refusal("pharmacist", "fill", held.filling(ONCE, 1))

    # when
    held.chain.send(BOARD, held.contracts.consortium.functions.reinstate(NUMBERS["surgery"]))

    # then
    assert refused == error("PrescriberNotInStanding", member=NUMBERS["surgery"])
    assert held.refusal("pharmacist", "fill", held.filling(ONCE, 1)) is None


# -- through a contract ----------------------------------------------------------------------------------------------


def test_fill_for__by_a_contract_that_the_pharmacy_lets(held: Desk) -> None:
    # given
    carrier, pharmacist = held.contracts.carrier.address, held.address("pharmacist")
    filling = held.filling(ONCE, 3)
    before = held.refused_from(carrier, "fillFor", pharmacist, filling)
    held.let("pharmacy", carrier, 0xFF ^ FILL_FOR)
    others = held.refused_from(carrier, "fillFor", pharmacist, filling)
    held.let("pharmacy", carrier, FILL_FOR)

    # when
    told = held.carried("fillFor", pharmacist, filling)

    # then
    assert before == others == error("NotAnOperator", operator=carrier, member=PHARMACY)
    assert told == filled(held, ONCE, 3, by=carrier)
    assert held.line(ONCE).operator == int(carrier, 16) & (2**96 - 1)


def test_fill_for__who_is_no_pharmacist(held: Desk) -> None:
    # given
    carrier = held.contracts.carrier.address
    held.let("pharmacy", carrier, FILL_FOR)

    for who in ("clerk", "doctor", "stranger"):
        refused = held.refused_from(carrier, "fillFor", held.address(who), held.filling(ONCE, 1))
        assert refused == error("NoStanding", account=held.address(who))


def test_fill_for__a_pharmacy_that_let_it_do_so_before_it_was_suspended(held: Desk) -> None:
    # given
    carrier = held.contracts.carrier.address
    held.let("pharmacy", carrier, FILL_FOR)
    held.chain.send(BOARD, held.contracts.consortium.functions.suspend(PHARMACY, 1))

    # when
    refused = held.refused_from(carrier, "fillFor", held.address("pharmacist"), held.filling(ONCE, 1))

    # then
    assert refused == error("NoStanding", account=held.address("pharmacist"))

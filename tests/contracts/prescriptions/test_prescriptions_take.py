"""Who holds a line: by the bearer's word alone, one pharmacy at a time, a day at most."""

import pytest
from prescriptions_desk import ANY_TIME, DAY, HOUR, NUMBERS, ONCE, WEEKLY, Desk, Event, State, digest, error
from real_anvil import BOARD

from theriac.medicine.messages import Take

PHARMACY, RIVAL = NUMBERS["pharmacy"], NUMBERS["rival"]


def taken(desk: Desk, member: int, lines: int, *, giver: int = 0) -> list[Event]:
    told = {"prescription": desk.id, "member": member, "lines": lines, "from": giver, "ends": desk.chain.now() + DAY}
    return [Event("Taken", told)]


def test_take__holds_the_lines_that_are_named(desk: Desk) -> None:
    # when
    told = desk.take("pharmacist", "pharmacy", ONCE, ANY_TIME)

    # then
    held = State(holder=PHARMACY, hold_ends=desk.chain.now() + DAY)
    assert told == taken(desk, PHARMACY, 0b101)
    assert [desk.line(line) for line in (ONCE, WEEKLY, ANY_TIME)] == [held, State(), held]
    assert desk.nonce == 1


def test_take_for__by_a_contract_that_the_pharmacy_lets(desk: Desk) -> None:
    # given
    carrier = desk.contracts.carrier.address
    pharmacist, word = desk.address("pharmacist"), desk.word("pharmacy", ONCE)
    before = desk.refused_from(carrier, "takeFor", pharmacist, *word)
    desk.let("pharmacy", carrier, 0xFF ^ 2)
    others = desk.refused_from(carrier, "takeFor", pharmacist, *word)
    desk.let("pharmacy", carrier, 2)

    # when
    told = desk.carried("takeFor", pharmacist, *word)

    # then
    assert before == others == error("NotAnOperator", operator=carrier, member=PHARMACY)
    assert told == taken(desk, PHARMACY, 1)


@pytest.mark.parametrize("who", ["doctor", "clerk", "bearer", "stranger"])
def test_take__by_no_pharmacist(desk: Desk, who: str) -> None:
    refused = desk.refusal(who, "take", *desk.word("pharmacy", ONCE))

    assert refused == error("NoStanding", account=desk.address(who))


def test_take__of_what_was_never_prescribed(empty: Desk) -> None:
    refused = empty.refusal("pharmacist", "take", *empty.word("pharmacy", ONCE))

    assert refused == error("NoSuchPrescription", prescription=empty.id)


def test_take__by_a_pharmacy_that_the_word_does_not_name(desk: Desk) -> None:
    refused = desk.refusal("rival", "take", *desk.word("pharmacy", ONCE))

    assert refused == error("WrongSignature", signer=desk.terms.bearer)


@pytest.mark.parametrize("who", ["pharmacist", "doctor", "nobody"])
def test_take__without_the_bearer(desk: Desk, who: str) -> None:
    # given: everything that the chain tells of the prescription, and a signature of whoever wants it
    terms, _ = desk.word("pharmacy", ONCE)
    take = Take(desk.terms, 1, 0, PHARMACY, 0, terms[-1])
    signature = b"" if who == "nobody" else desk.signature(take, who)

    # when
    refused = desk.refusal("pharmacist", "take", terms, signature)

    # then
    assert refused == error("WrongSignature", signer=desk.terms.bearer)


@pytest.mark.parametrize("place", ["lines", "from"])
def test_take__of_other_lines_than_the_word_names(desk: Desk, place: str) -> None:
    # given
    (terms, lines, giver, nonce, deadline), signature = desk.word("pharmacy", ONCE)
    changed = (terms, 3, giver, nonce, deadline) if place == "lines" else (terms, lines, RIVAL, nonce, deadline)

    # when
    refused = desk.refusal("pharmacist", "take", changed, signature)

    # then
    assert refused == error("WrongSignature", signer=desk.terms.bearer)


def test_take__of_no_lines(desk: Desk) -> None:
    refused = desk.refusal("pharmacist", "take", *desk.word("pharmacy"))

    assert refused == error("WrongLines", lines=0, cancelled=0)


def test_take__with_a_word_that_was_used(desk: Desk) -> None:
    # given: a pharmacy that filled what it was allowed, and would like the next refill too
    word = desk.word("pharmacy", ANY_TIME)
    desk.send("pharmacist", "take", *word)
    desk.fill("pharmacist", ANY_TIME, 10)

    # when
    refused = desk.refusal("pharmacist", "take", *word)

    # then
    assert refused == error("WrongNonce", nonce=0, current=1)


def test_take__with_a_word_from_before_another(desk: Desk) -> None:
    # given
    earlier = desk.word("rival", WEEKLY)
    desk.take("pharmacist", "pharmacy", ONCE)

    # when
    refused = desk.refusal("rival", "take", *earlier)

    # then
    assert refused == error("WrongNonce", nonce=0, current=1)


def test_take__out_of_the_word_s_window(desk: Desk) -> None:
    now = desk.chain.now()

    late = desk.refusal("pharmacist", "take", *desk.word("pharmacy", ONCE, deadline=now - 1))
    early = desk.refusal("pharmacist", "take", *desk.word("pharmacy", ONCE, deadline=now + 2 * HOUR))

    assert late == error("SignatureExpired", deadline=now - 1)
    assert early is not None
    assert (early.error, early.facts["deadline"]) == ("DeadlineTooFar", now + 2 * HOUR)


def test_take__of_another_prescription_of_the_same_bearer(desk: Desk) -> None:
    # given
    desk.send("colleague", "prescribe", desk.terms.bearer, desk.terms.lines, desk.terms.file)
    other = (desk.address("colleague"), *desk.terms.tuple[1:])
    (_, *rest), signature = desk.word("pharmacy", ONCE)

    # when
    refused = desk.refusal("pharmacist", "take", (other, *rest), signature)

    # then
    assert refused == error("WrongSignature", signer=desk.terms.bearer)


# -- one pharmacy at a time ------------------------------------------------------------------------------------------


def test_take__of_what_another_holds(desk: Desk) -> None:
    # given
    desk.take("pharmacist", "pharmacy", ONCE)

    # when
    refused = desk.refusal("rival", "take", *desk.word("rival", WEEKLY, ONCE))

    # then
    assert refused == error("NotTheHolder", prescription=desk.id, line=ONCE, member=0, holder=PHARMACY)


def test_take__from_who_holds_it(desk: Desk) -> None:
    # given
    desk.take("pharmacist", "pharmacy", ONCE)

    # when: the bearer goes elsewhere
    told = desk.take("rival", "rival", ONCE, giver="pharmacy")

    # then
    assert told == taken(desk, RIVAL, 1, giver=PHARMACY)
    assert desk.refusal("pharmacist", "fill", desk.filling(ONCE, 1)) == error(
        "NotTheHolder", prescription=desk.id, line=ONCE, member=PHARMACY, holder=RIVAL
    )


def test_take__from_who_does_not_hold_it(desk: Desk) -> None:
    refused = desk.refusal("rival", "take", *desk.word("rival", ONCE, giver="pharmacy"))

    assert refused == error("NotTheHolder", prescription=desk.id, line=ONCE, member=PHARMACY, holder=0)


@pytest.mark.parametrize(("after", "holder"), [(DAY - 1, PHARMACY), (DAY, 0)])
def test_take__ends_by_itself_after_a_day(desk: Desk, after: int, holder: int) -> None:
    # given
    desk.take("pharmacist", "pharmacy", ONCE)

    # when
    desk.chain.at(desk.chain.now() + after)

    # then
    refused = desk.refusal("rival", "take", *desk.word("rival", ONCE))
    held = error("NotTheHolder", prescription=desk.id, line=ONCE, member=0, holder=holder)
    assert refused == (held if holder else None)
    assert (desk.refusal("pharmacist", "fill", desk.filling(ONCE, 1)) is None) == bool(holder)


# -- giving back -----------------------------------------------------------------------------------------------------


def test_give_back__some_of_what_is_held(desk: Desk) -> None:
    # given
    desk.take("pharmacist", "pharmacy", ONCE, WEEKLY)

    # when
    told = desk.send("pharmacist", "giveBack", desk.id, 1 << WEEKLY)

    # then
    assert told == [Event("GivenBack", {"prescription": desk.id, "member": PHARMACY, "lines": 1 << WEEKLY})]
    assert [desk.line(line).holder for line in (ONCE, WEEKLY)] == [PHARMACY, 0]
    assert desk.refusal("rival", "take", *desk.word("rival", WEEKLY)) is None


@pytest.mark.parametrize(("who", "member"), [("rival", RIVAL), ("hospital", NUMBERS["hospital"])])
def test_give_back__of_what_another_holds(desk: Desk, who: str, member: int) -> None:
    # given
    desk.take("pharmacist", "pharmacy", ONCE)

    # when
    refused = desk.refusal(who, "giveBack", desk.id, 1)

    # then
    assert refused == error("NotTheHolder", prescription=desk.id, line=ONCE, member=member, holder=PHARMACY)


def test_give_back__of_what_is_held_no_more(desk: Desk) -> None:
    # given
    desk.take("pharmacist", "pharmacy", ONCE)
    desk.chain.at(desk.chain.now() + DAY)

    # when
    refused = desk.refusal("pharmacist", "giveBack", desk.id, 1)

    # then
    assert refused == error("NotTheHolder", prescription=desk.id, line=ONCE, member=PHARMACY, holder=0)


def test_give_back__of_no_lines(desk: Desk) -> None:
    assert desk.refusal("pharmacist", "giveBack", desk.id, 0) == error("WrongLines", lines=0, cancelled=0)


def test_give_back__by_no_pharmacist(desk: Desk) -> None:
    refused = desk.refusal("doctor", "giveBack", digest("any"), 1)

    assert refused == error("NoStanding", account=desk.address("doctor"))


def test_take__by_a_pharmacy_out_of_standing(desk: Desk) -> None:
    # given
    desk.take("pharmacist", "pharmacy", ONCE)
    desk.chain.send(BOARD, desk.contracts.consortium.functions.suspend(PHARMACY, 1))

    # when
    refused = [
        desk.refusal("pharmacist", "take", *desk.word("pharmacy", WEEKLY)),
        desk.refusal("pharmacist", "fill", desk.filling(ONCE, 1)),
        desk.refusal("pharmacist", "giveBack", desk.id, 1),
    ]

    # then: the bearer can still go elsewhere
    assert refused == [error("NoStanding", account=desk.address("pharmacist"))] * 3
    assert desk.refusal("rival", "take", *desk.word("rival", ONCE, giver="pharmacy")) is None

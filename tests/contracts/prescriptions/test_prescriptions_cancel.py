"""Lines are cancelled for good, by who prescribed them or by the bearer's word."""

import pytest
from prescriptions_desk import ANY_TIME, HOUR, NUMBERS, ONCE, WEEKLY, Desk, Event, error

SURGERY, PHARMACY = NUMBERS["surgery"], NUMBERS["pharmacy"]


def cancelled(desk: Desk, member: int, lines: int) -> list[Event]:
    return [Event("Cancelled", {"prescription": desk.id, "member": member, "lines": lines})]


@pytest.mark.parametrize("who", ["doctor", "colleague", "surgery"])
def test_cancel__by_any_prescriber_of_the_member(desk: Desk, who: str) -> None:
    # when
    told = desk.send(who, "cancel", desk.id, 0b101)

    # then
    assert told == cancelled(desk, SURGERY, 0b101)
    assert desk.ask("prescriptionOf", desk.id)[3] == 0b101
    assert desk.refusal("pharmacist", "take", *desk.word("pharmacy", ONCE)) == error(
        "WrongLines", lines=1, cancelled=0b101
    )
    assert desk.refusal("pharmacist", "take", *desk.word("pharmacy", WEEKLY)) is None


def test_cancel__of_what_a_pharmacy_holds__it_cannot_fill_it(desk: Desk) -> None:
    # given
    desk.take("pharmacist", "pharmacy", ONCE, WEEKLY)

    # when
    desk.send("doctor", "cancel", desk.id, 1 << ONCE)

    # then
    refused = desk.refusal("pharmacist", "fill", desk.filling(ONCE, 1))
    assert refused == error("IsCancelled", prescription=desk.id, line=ONCE)
    assert desk.refusal("pharmacist", "fill", desk.filling(WEEKLY, 1)) is None


def test_cancel__of_what_was_given_in_part__what_was_given_stays(desk: Desk) -> None:
    # given
    desk.take("pharmacist", "pharmacy", ANY_TIME)
    desk.fill("pharmacist", ANY_TIME, 4)

    # when
    desk.send("doctor", "cancel", desk.id, 1 << ANY_TIME)

    # then
    assert desk.line(ANY_TIME).filled == 4


def test_cancel__by_a_prescriber_of_another_member(desk: Desk) -> None:
    refused = desk.refusal("hospital", "cancel", desk.id, 1)

    assert refused == error("NotThePrescriber", prescription=desk.id, member=NUMBERS["hospital"], prescriber=SURGERY)


@pytest.mark.parametrize("who", ["pharmacist", "bearer", "stranger"])
def test_cancel__by_no_prescriber(desk: Desk, who: str) -> None:
    assert desk.refusal(who, "cancel", desk.id, 1) == error("NoStanding", account=desk.address(who))


def test_cancel__of_what_was_never_prescribed(empty: Desk) -> None:
    refused = [
        empty.refusal("doctor", "cancel", empty.id, 1),
        empty.refusal("relayer", "cancelBySig", *empty.word_to_cancel(ONCE)),
    ]

    assert refused == [error("NoSuchPrescription", prescription=empty.id)] * 2


@pytest.mark.parametrize("lines", [0, 0b10, 0b11])
def test_cancel__of_no_lines_or_of_cancelled_ones(desk: Desk, lines: int) -> None:
    # given
    desk.send("doctor", "cancel", desk.id, 0b10)

    # when
    refused = desk.refusal("doctor", "cancel", desk.id, lines)

    # then
    assert refused == error("WrongLines", lines=lines, cancelled=0b10)


# -- by the bearer ---------------------------------------------------------------------------------------------------


def test_cancel_by_sig__tells_that_it_was_the_bearer(desk: Desk) -> None:
    # when
    told = desk.send("relayer", "cancelBySig", *desk.word_to_cancel(ONCE, WEEKLY))

    # then
    assert told == cancelled(desk, 0, 0b11)
    assert desk.ask("prescriptionOf", desk.id)[2:] == (1, 0b11)


def test_cancel_by_sig__voids_the_words_that_are_under_way(desk: Desk) -> None:
    # given
    word = desk.word("pharmacy", ANY_TIME)
    desk.send("relayer", "cancelBySig", *desk.word_to_cancel(ONCE))

    # when
    refused = desk.refusal("pharmacist", "take", *word)

    # then
    assert refused == error("WrongNonce", nonce=0, current=1)


def test_cancel_by_sig__by_another_s_word(desk: Desk) -> None:
    # given
    terms, _ = desk.word_to_cancel(ONCE)
    taking = desk.word("pharmacy", ONCE)[1]

    for signature in (b"", taking):
        refused = desk.refusal("relayer", "cancelBySig", terms, signature)
        assert refused == error("WrongSignature", signer=desk.terms.bearer)


def test_cancel_by_sig__of_other_lines_than_the_word_names(desk: Desk) -> None:
    # given
    (terms, _, nonce, deadline), signature = desk.word_to_cancel(ONCE)

    # when
    refused = desk.refusal("relayer", "cancelBySig", (terms, 0b111, nonce, deadline), signature)

    # then
    assert refused == error("WrongSignature", signer=desk.terms.bearer)


def test_cancel_by_sig__out_of_its_window_or_its_turn(desk: Desk) -> None:
    now = desk.chain.now()

    late = desk.refusal("relayer", "cancelBySig", *desk.word_to_cancel(ONCE, deadline=now - 1))
    early = desk.refusal("relayer", "cancelBySig", *desk.word_to_cancel(ONCE, deadline=now + 2 * HOUR))
    turn = desk.refusal("relayer", "cancelBySig", *desk.word_to_cancel(ONCE, nonce=1))

    assert late == error("SignatureExpired", deadline=now - 1)
    assert early is not None
    assert (early.error, early.facts["deadline"]) == ("DeadlineTooFar", now + 2 * HOUR)
    assert turn == error("WrongNonce", nonce=1, current=0)

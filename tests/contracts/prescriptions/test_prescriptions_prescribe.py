"""What is prescribed: by whom, once, and what the chain then knows."""

import pytest
from prescriptions_desk import HOUR, NUMBERS, Desk, Event, digest, error
from real_anvil import BOARD

from theriac.medicine.messages import Line, hash_of

ZERO = f"0x{0:040x}"


def prescribed(desk: Desk) -> list[Event]:
    """What is told when the prescription comes onto the chain."""
    terms = desk.terms
    told = {"prescriber": terms.prescriber, "bearer": terms.bearer, "lines": terms.lines, "file": terms.file}
    return [Event("Prescribed", {"prescription": terms.id, "member": NUMBERS["surgery"], **told})]


def test_prescribe__tells_and_is_known(empty: Desk) -> None:
    # when
    told = empty.prescribe()

    # then
    assert told == prescribed(empty)
    assert empty.ask("prescriptionOf", empty.id) == (NUMBERS["surgery"], empty.chain.now(), 0, 0)
    assert empty.ask("idOf", empty.terms.tuple) == empty.id


def test_prescribe_by_sig__tells_the_same(empty: Desk) -> None:
    assert empty.send("relayer", "prescribeBySig", *empty.signed()) == prescribed(empty)


def test_prescribe_by_sig__after_it_was_prescribed_directly(desk: Desk) -> None:
    refused = desk.refusal("relayer", "prescribeBySig", *desk.signed())

    assert refused == error("AlreadyPrescribed", prescription=desk.id)


def test_prescribe__twice(desk: Desk) -> None:
    refused = desk.refusal("doctor", "prescribe", desk.terms.bearer, desk.terms.lines, desk.terms.file)

    assert refused == error("AlreadyPrescribed", prescription=desk.id)


def test_prescribe__by_another_with_the_same_words__is_another_prescription(empty: Desk) -> None:
    # given: somebody who saw the transaction before it was in a block
    empty.prescribe("colleague")

    # when
    told = empty.prescribe()

    # then
    assert told == prescribed(empty)


@pytest.mark.parametrize("who", ["pharmacist", "pharmacy", "clerk", "bearer", "stranger"])
def test_prescribe__by_no_prescriber(empty: Desk, who: str) -> None:
    refused = empty.refusal(who, "prescribe", empty.terms.bearer, empty.terms.lines, empty.terms.file)

    assert refused == error("NoStanding", account=empty.address(who))


def test_prescribe__by_a_member_out_of_standing(empty: Desk) -> None:
    # given
    empty.chain.send(BOARD, empty.contracts.consortium.functions.suspend(NUMBERS["surgery"], 1))

    # when
    refused = [
        empty.refusal("doctor", "prescribe", empty.terms.bearer, empty.terms.lines, empty.terms.file),
        empty.refusal("relayer", "prescribeBySig", *empty.signed()),
    ]

    # then
    assert refused == [error("NoStanding", account=empty.address("doctor"))] * 2


@pytest.mark.parametrize("missing", ["bearer", "lines", "file"])
def test_prescribe__without_a_part(empty: Desk, missing: str) -> None:
    words = {"bearer": empty.terms.bearer, "lines": empty.terms.lines, "file": empty.terms.file}
    words[missing] = ZERO if missing == "bearer" else bytes(32)

    assert empty.refusal("doctor", "prescribe", *words.values()) == error("EmptyPrescription")


@pytest.mark.parametrize(
    "changed",
    [{"lines": ()}, {"file": digest("another file")}, {"bearer": f"0x{1:040x}"}],
    ids=["lines", "file", "bearer"],
)
def test_prescribe_by_sig__with_other_words_than_were_signed(empty: Desk, changed: dict[str, object]) -> None:
    # given
    (_, deadline), _ = empty.signed()
    _, signature = empty.signed(**changed)

    # when
    refused = empty.refusal("relayer", "prescribeBySig", (empty.terms.tuple, deadline), signature)

    # then
    assert refused == error("WrongSignature", signer=empty.address("doctor"))


@pytest.mark.parametrize("by", ["colleague", "bearer", "surgery"])
def test_prescribe_by_sig__signed_by_another(empty: Desk, by: str) -> None:
    refused = empty.refusal("relayer", "prescribeBySig", *empty.signed(by))

    assert refused == error("WrongSignature", signer=empty.address("doctor"))


def test_prescribe_by_sig__out_of_its_window(empty: Desk) -> None:
    now = empty.chain.now()

    late = empty.refusal("relayer", "prescribeBySig", *empty.signed(deadline=now - 1))
    early = empty.refusal("relayer", "prescribeBySig", *empty.signed(deadline=now + 2 * HOUR))

    assert late == error("SignatureExpired", deadline=now - 1)
    assert early is not None
    assert (early.error, early.facts["deadline"]) == ("DeadlineTooFar", now + 2 * HOUR)


def test_prescribe_by_sig__to_the_last_second_of_its_window(empty: Desk) -> None:
    # given
    now = empty.chain.now()
    signed, longer = empty.signed(deadline=now + HOUR), empty.signed(deadline=now + HOUR + 1)

    # when
    refusals = [empty.refusal("relayer", "prescribeBySig", *each) for each in (signed, longer)]
    for moment in (now + HOUR, now + HOUR + 1):
        empty.chain.at(moment)
        refusals.append(empty.refusal("relayer", "prescribeBySig", *signed))

    # then
    too_far = error("DeadlineTooFar", deadline=now + HOUR + 1, latest=now + HOUR)
    assert refusals == [None, too_far, None, error("SignatureExpired", deadline=now + HOUR)]


def test_hash_of__lines__is_what_a_wallet_signs(empty: Desk) -> None:
    # given: a line more, which only the signature over the lines themselves can tell
    more = (*empty.lines, Line(digest("item 4"), 1, 0, 0, 0, 1))

    # when
    (terms, deadline), signature = empty.signed(lines=more)

    # then
    assert terms[2] == hash_of(more)
    assert empty.refusal("relayer", "prescribeBySig", (terms, deadline), signature) is None

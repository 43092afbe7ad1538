"""Letters: an event tells an account that a sealed document waits for it."""

from dataclasses import replace

import pytest
from contracts_world import HOUR, NOTHING, ZERO, digest, refused

from theriac.health.messages import Letter

ASK = digest("may I read")


@pytest.fixture
def letter(patient, doctor, clock):
    """From the patient to the doctor."""
    return Letter(patient.address, doctor.address, ASK, nonce=0, era=0, deadline=clock.soon())


# property T4
def test_send__tells_whom_and_from_whom(letters, way, letter, patient, doctor):
    receipt = way.do(letter, by=patient)

    assert receipt.events == [letters.Sent(doctor, patient, ASK)]


def test_send__a_direct_letter_is_not_counted(letters, letter, patient, doctor):
    letters.send(patient, doctor, ASK, sender=patient)
    letters.send(patient, doctor, ASK, sender=patient)

    assert letters.nonceOf(patient) == 0


def test_send_by_sig__is_counted(world, letters, sign, letter, patient, relayer):
    for nonce in (0, 1):
        message = replace(letter, nonce=nonce)
        world.send(message, sign(message, by=patient), sender=relayer)

    assert letters.nonceOf(patient) == 2


def test_send__by_someone_without_a_member_or_a_bundle(letters, way, letter, stranger, doctor):
    receipt = way.do(replace(letter, sender=stranger.address), by=stranger)

    assert receipt.events == [letters.Sent(doctor, stranger, ASK)]


def test_send__to_itself(letters, way, letter, patient):
    receipt = way.do(replace(letter, to=patient.address), by=patient)

    assert receipt.events == [letters.Sent(patient, patient, ASK)]


def test_send__by_the_wallet_that_it_was_handed_to(letters, keys, way, letter, patient, new_phone, doctor, recovery):
    keys.recover(patient, new_phone, sender=recovery)

    receipt = way.do(replace(letter, era=1), by=new_phone)

    assert receipt.events == [letters.Sent(doctor, patient, ASK)]
    with refused(letters.NotTheController, sender=patient, controller=new_phone):
        letters.send.call(patient, doctor, ASK, sender=patient)


# property T4
def test_send__refuses_in_the_order_of_its_checks(letters, keys, patient, stranger, doctor, recovery):
    keys.setFrozen(patient, True, sender=recovery)
    call = letters.send.call

    with refused(letters.NotTheController, sender=stranger, controller=patient):
        call(patient, ZERO, NOTHING, sender=stranger)
    with refused(letters.Frozen, pseudonym=patient):
        call(patient, ZERO, NOTHING, sender=patient)
    keys.setFrozen(patient, False, sender=recovery)
    with refused(letters.EmptyLetter, to=ZERO, letter=NOTHING):
        call(patient, ZERO, NOTHING, sender=patient)
    with refused(letters.EmptyLetter, to=doctor, letter=NOTHING):
        call(patient, doctor, NOTHING, sender=patient)
    with refused(letters.EmptyLetter, to=ZERO, letter=ASK):
        call(patient, ZERO, ASK, sender=patient)


def test_send_by_sig__refuses_in_the_order_of_its_checks(
    world, letters, keys, sign, letter, patient, stranger, recovery, clock
):
    keys.setFrozen(patient, True, sender=recovery)
    wrong = replace(letter, to=ZERO, nonce=5, era=7, deadline=clock.now - 1)
    signature = sign(letter, by=patient)

    def attempt(message):
        return world.try_sending(message, signature, sender=stranger)

    with refused(letters.SignatureExpired, deadline=wrong.deadline):
        attempt(wrong)
    with refused(letters.DeadlineTooFar, deadline=clock.hour(2), latest=clock.now + HOUR):
        attempt(replace(wrong, deadline=clock.hour(2)))
    with refused(letters.WrongEra, era=7, current=0):
        attempt(wrong := replace(wrong, deadline=clock.soon()))
    with refused(letters.WrongSignature, signer=patient):
        attempt(wrong := replace(wrong, era=0))
    signature = sign(wrong, by=patient)
    with refused(letters.Frozen, pseudonym=patient):
        attempt(wrong)
    keys.setFrozen(patient, False, sender=recovery)
    with refused(letters.WrongNonce, nonce=5, current=0):
        attempt(wrong)
    wrong = replace(wrong, nonce=0)
    signature = sign(wrong, by=patient)
    with refused(letters.EmptyLetter, to=ZERO, letter=ASK):
        attempt(wrong)


# property T5
def test_send_by_sig__a_second_time(world, letters, sign, letter, patient, relayer):
    signature = sign(letter, by=patient)
    world.send(letter, signature, sender=relayer)

    with refused(letters.WrongNonce, nonce=0, current=1):
        world.try_sending(letter, signature, sender=relayer)


# property T4
def test_send_by_sig__another_letter_than_was_signed(world, letters, sign, letter, patient, relayer):
    with refused(letters.WrongSignature, signer=patient):
        world.try_sending(replace(letter, letter=digest("another")), sign(letter, by=patient), sender=relayer)


def test_send_many__tells_each(letters, patient, doctor, nurse):
    receipt = letters.sendMany(patient, [(doctor, ASK), (nurse, digest("another"))], sender=patient)

    assert receipt.events == [letters.Sent(doctor, patient, ASK), letters.Sent(nurse, patient, digest("another"))]
    assert letters.nonceOf(patient) == 0


# property T5
def test_send_many__one_that_is_empty__refuses_all(letters, patient, doctor):
    with refused(letters.EmptyLetter, to=doctor, letter=NOTHING):
        letters.sendMany.call(patient, [(doctor, ASK), (doctor, NOTHING)], sender=patient)


def test_send_many__refuses_in_the_order_of_its_checks(letters, keys, patient, stranger, recovery):
    keys.setFrozen(patient, True, sender=recovery)

    with refused(letters.NotTheController, sender=stranger, controller=patient):
        letters.sendMany.call(patient, [(ZERO, NOTHING)], sender=stranger)
    with refused(letters.Frozen, pseudonym=patient):
        letters.sendMany.call(patient, [(ZERO, NOTHING)], sender=patient)
    keys.setFrozen(patient, False, sender=recovery)
    with refused(letters.EmptyLetter, to=ZERO, letter=NOTHING):
        letters.sendMany.call(patient, [(ZERO, NOTHING)], sender=patient)

"""Handing a pseudonym to another wallet: both sign, anyone sends, and what the old wallet signed is void."""

from dataclasses import replace

import pytest
from contracts_world import HOUR, NOTHING, ZERO, digest, refused

from theriac.health.messages import Freshness, Grant, HandOver, Publish
from theriac.health.scope import Purpose

TREAT = Purpose.parse("TREAT")


@pytest.fixture
def move(patient, new_phone, publisher, clock):
    """From the patient's wallet to her new phone, her grants kept."""
    return HandOver(
        patient.address, new_phone.address, publisher.address, keep_grants=True, nonce=0, era=0, deadline=clock.soon()
    )


@pytest.fixture
def hand_over(world, sign, relayer):
    """Hands over with both signatures, sent by the relayer."""

    def hand_over(move, old, new):
        return world.send(move, sign(move, by=old), sign(move, by=new), sender=relayer)

    return hand_over


# property K4
def test_hand_over__gives_the_pseudonym_to_the_new_wallet(keys, hand_over, move, patient, new_phone, publisher):
    receipt = hand_over(move, patient, new_phone)

    assert receipt.events == [
        keys.PublisherSet(patient, publisher),
        keys.HandedOver(patient, new_phone, patient),
    ]
    assert keys.authorityOf(patient) == (new_phone, 0, 0, False)
    assert keys.publisherOf(patient) == (publisher, 1)


def test_hand_over__without_the_grants(keys, grants, hand_over, move, patient, new_phone, publisher, stranger, clock):
    grants.grant((patient, stranger, 10, 1, clock.start, clock.day(1), 0), sender=patient)
    assert grants.allowed(patient, stranger, 1, 10)

    receipt = hand_over(replace(move, keep_grants=False), patient, new_phone)

    assert receipt.events == [
        keys.EraRaised(patient, 1),
        keys.PublisherSet(patient, publisher),
        keys.HandedOver(patient, new_phone, patient),
    ]
    assert keys.authorityOf(patient) == (new_phone, 1, 0, False)
    assert keys.publisherOf(patient) == (publisher, 2)
    assert not grants.allowed(patient, stranger, 1, 10)


def test_hand_over__with_the_grants(grants, hand_over, move, patient, new_phone, stranger, clock):
    grants.grant((patient, stranger, 10, 1, clock.start, clock.day(1), 0), sender=patient)

    hand_over(move, patient, new_phone)

    assert grants.allowed(patient, stranger, 1, 10)


def test_hand_over__keeps_the_document(keys, hand_over, move, patient, new_phone):
    keys.publish(patient, 1, digest("bundle"), sender=patient)

    hand_over(move, patient, new_phone)

    assert keys.versionOf(patient) == 1
    assert keys.digestOf(patient) == digest("bundle")
    keys.publish(patient, 2, digest("next bundle"), sender=new_phone)


def test_hand_over__replaces_the_publisher(keys, hand_over, move, patient, new_phone, publisher, stranger):
    keys.setPublisher(patient, stranger, sender=patient)

    hand_over(replace(move, publisher=ZERO, nonce=1), patient, new_phone)

    assert keys.publisherOf(patient) == (ZERO, 2)
    with refused(keys.NotThePublisher, sender=stranger, publisher=ZERO):
        keys.publish.call(patient, 1, digest("bundle"), sender=stranger)


# property K5
def test_hand_over__takes_everything_from_the_old_wallet(keys, hand_over, move, patient, new_phone, publisher):
    hand_over(move, patient, new_phone)

    with refused(keys.NotThePublisher, sender=patient, publisher=publisher):
        keys.publish.call(patient, 1, digest("bundle"), sender=patient)
    with refused(keys.NotTheController, sender=patient, controller=new_phone):
        keys.raiseEra.call(patient, sender=patient)


# property K5
def test_hand_over__voids_what_the_old_wallet_signed(
    world, keys, grants, sign, hand_over, move, patient, new_phone, stranger, relayer, clock
):
    fresh = Freshness(nonce=0, era=0, deadline=clock.soon())
    grant = Grant(patient.address, stranger.address, TREAT, 1, clock.start, clock.day(1), fresh)
    publication = Publish(patient.address, 1, digest("bundle"), era=0, deadline=clock.soon())
    signatures = [(message, sign(message, by=patient)) for message in (grant, publication)]

    hand_over(move, patient, new_phone)

    for message, signature in signatures:
        with refused(world.contract(message.CONTRACT).WrongSignature, signer=new_phone):
            world.try_sending(message, signature, sender=relayer)
    world.try_sending(grant, sign(grant, by=new_phone), sender=relayer)


def test_hand_over__back_again(keys, hand_over, move, patient, new_phone):
    hand_over(move, patient, new_phone)

    receipt = hand_over(replace(move, controller=patient.address, publisher=ZERO, nonce=1), new_phone, patient)

    assert receipt.events == [keys.PublisherSet(patient, ZERO), keys.HandedOver(patient, patient, new_phone)]
    assert keys.authorityOf(patient).controller == patient


# property K4
def test_hand_over__refuses_in_the_order_of_its_checks(
    world, keys, sign, move, patient, new_phone, recovery, stranger, clock
):
    keys.setFrozen(patient, True, sender=recovery)
    wrong = replace(move, controller=patient.address, nonce=5, era=7, deadline=clock.now - 1)
    signatures = [sign(move, by=stranger), sign(move, by=stranger)]

    def attempt(message):
        return world.try_sending(message, *signatures, sender=stranger)

    with refused(keys.SignatureExpired, deadline=wrong.deadline):
        attempt(wrong)
    with refused(keys.DeadlineTooFar, deadline=clock.hour(2), latest=clock.now + HOUR):
        attempt(replace(wrong, deadline=clock.hour(2)))
    with refused(keys.WrongEra, era=7, current=0):
        attempt(wrong := replace(wrong, deadline=clock.soon()))
    with refused(keys.WrongSignature, signer=patient):
        attempt(wrong := replace(wrong, era=0))
    wrong = replace(wrong, controller=new_phone.address)
    signatures = [sign(wrong, by=patient), sign(wrong, by=stranger)]
    with refused(keys.WrongSignature, signer=new_phone):
        attempt(wrong)
    wrong = replace(wrong, controller=patient.address)
    signatures = [sign(wrong, by=patient), sign(wrong, by=patient)]
    with refused(keys.WrongNonce, nonce=5, current=0):
        attempt(wrong)
    wrong = replace(wrong, nonce=0)
    signatures = [sign(wrong, by=patient), sign(wrong, by=patient)]
    with refused(keys.WrongController, controller=patient):
        attempt(wrong)
    wrong = replace(wrong, controller=new_phone.address)
    signatures = [sign(wrong, by=patient), sign(wrong, by=new_phone)]
    with refused(keys.Frozen, pseudonym=patient):
        attempt(wrong)


@pytest.mark.parametrize("keep_grants", [True, False])
def test_hand_over__while_frozen(world, keys, sign, move, patient, new_phone, recovery, relayer, keep_grants):
    keys.setFrozen(patient, True, sender=recovery)
    move = replace(move, keep_grants=keep_grants)

    with refused(keys.Frozen, pseudonym=patient):
        world.try_sending(move, sign(move, by=patient), sign(move, by=new_phone), sender=relayer)


def test_hand_over__to_nobody(world, keys, sign, move, patient, relayer):
    move = replace(move, controller=ZERO)

    with refused(keys.WrongSignature, signer=ZERO):
        world.try_sending(move, sign(move, by=patient), NOTHING + NOTHING + b"\x1b", sender=relayer)


def test_hand_over__with_the_signatures_exchanged(world, keys, sign, move, patient, new_phone, relayer):
    with refused(keys.WrongSignature, signer=patient):
        world.try_sending(move, sign(move, by=new_phone), sign(move, by=patient), sender=relayer)


def test_hand_over__with_another_publisher_than_was_accepted(
    world, keys, sign, move, patient, new_phone, stranger, relayer
):
    accepted = sign(move, by=new_phone)
    changed = replace(move, publisher=stranger.address)

    with refused(keys.WrongSignature, signer=new_phone):
        world.try_sending(changed, sign(changed, by=patient), accepted, sender=relayer)


def test_hand_over__a_second_time(world, keys, sign, hand_over, move, patient, new_phone, relayer):
    signatures = (sign(move, by=patient), sign(move, by=new_phone))
    world.send(move, *signatures, sender=relayer)

    with refused(keys.WrongSignature, signer=new_phone):
        world.try_sending(move, *signatures, sender=relayer)

    hand_over(replace(move, controller=patient.address, nonce=1), new_phone, patient)
    with refused(keys.WrongNonce, nonce=0, current=2):
        world.try_sending(move, *signatures, sender=relayer)

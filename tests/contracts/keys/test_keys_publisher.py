"""The publisher: appointed alone or together with a version, with a nonce of its own."""

from dataclasses import replace

import pytest
from contracts_world import HOUR, NOTHING, ZERO, digest, refused

from theriac.health.messages import Publish, Rotate, SetPublisher


@pytest.fixture
def rotation(patient, publisher, clock):
    """The patient's first version together with a publisher."""
    return Rotate(patient.address, 1, digest("bundle"), publisher.address, nonce=0, era=0, deadline=clock.soon())


@pytest.fixture
def appointment(patient, publisher, clock):
    """The patient's first publisher."""
    return SetPublisher(patient.address, publisher.address, nonce=0, era=0, deadline=clock.soon())


# -- setPublisher ----------------------------------------------------------------------------------------------------


def test_set_publisher__appoints(keys, way, appointment, patient, publisher):
    receipt = way.do(appointment, by=patient)

    assert receipt.events == [keys.PublisherSet(patient, publisher)]
    assert keys.publisherOf(patient) == (publisher, 1)
    assert keys.versionOf(patient) == 0


# property K2
def test_set_publisher__nobody_takes_the_right_away(keys, way, appointment, patient, publisher):
    keys.setPublisher(patient, publisher, sender=patient)

    receipt = way.do(replace(appointment, publisher=ZERO, nonce=1), by=patient)

    assert receipt.events == [keys.PublisherSet(patient, ZERO)]
    assert keys.publisherOf(patient) == (ZERO, 2)
    with refused(keys.NotThePublisher, sender=publisher, publisher=ZERO):
        keys.publish.call(patient, 1, digest("bundle"), sender=publisher)


# property K8
def test_set_publisher__whatever_a_thief_of_the_publisher_publishes(
    keys, world, appointment, sign, patient, publisher, stranger, relayer
):
    keys.setPublisher(patient, publisher, sender=patient)
    replacement = replace(appointment, publisher=stranger.address, nonce=1)
    signature = sign(replacement, by=patient)
    for version in (1, 2, 3):
        keys.publish(patient, version, digest(f"the thief's {version}"), sender=publisher)

    world.send(replacement, signature, sender=relayer)

    assert keys.publisherOf(patient) == (stranger, 2)


def test_set_publisher_by_sig__refuses_in_the_order_of_its_checks(
    world, keys, appointment, sign, patient, stranger, clock
):
    wrong = replace(appointment, nonce=5, era=7, deadline=clock.now - 1)
    signature = sign(appointment, by=stranger)

    def attempt(message):
        return world.try_sending(message, signature, sender=stranger)

    with refused(keys.SignatureExpired, deadline=wrong.deadline):
        attempt(wrong)
    with refused(keys.DeadlineTooFar, deadline=clock.hour(2), latest=clock.now + HOUR):
        attempt(replace(wrong, deadline=clock.hour(2)))
    with refused(keys.WrongEra, era=7, current=0):
        attempt(wrong := replace(wrong, deadline=clock.soon()))
    with refused(keys.WrongSignature, signer=patient):
        attempt(wrong := replace(wrong, era=0))
    signature = sign(wrong, by=patient)
    with refused(keys.WrongNonce, nonce=5, current=0):
        attempt(wrong)


def test_set_publisher_by_sig__a_second_time(world, keys, appointment, sign, patient, relayer):
    signature = sign(appointment, by=patient)
    world.send(appointment, signature, sender=relayer)

    with refused(keys.WrongNonce, nonce=0, current=1):
        world.try_sending(appointment, signature, sender=relayer)


# -- rotate ----------------------------------------------------------------------------------------------------------


def test_rotate__publishes_and_appoints(keys, way, rotation, patient, publisher):
    receipt = way.do(rotation, by=patient)

    assert receipt.events == [
        keys.Published(patient, 1, digest("bundle"), patient),
        keys.PublisherSet(patient, publisher),
    ]
    assert keys.authorityOf(patient) == (patient, 0, 1, False)
    assert keys.digestOf(patient) == digest("bundle")
    assert keys.publisherOf(patient) == (publisher, 1)


# property K2
def test_rotate__by_the_publisher(keys, patient, publisher):
    keys.setPublisher(patient, publisher, sender=patient)

    with refused(keys.NotTheController, sender=publisher, controller=patient):
        keys.rotate.call(patient, 1, digest("bundle"), publisher, sender=publisher)


def test_rotate__refuses_in_the_order_of_its_checks(keys, recovery, patient, stranger, publisher):
    keys.setFrozen(patient, True, sender=recovery)
    call = keys.rotate.call

    with refused(keys.NotTheController, sender=stranger, controller=patient):
        call(patient, 9, NOTHING, publisher, sender=stranger)
    with refused(keys.NoDigest):
        call(patient, 9, NOTHING, publisher, sender=patient)
    with refused(keys.WrongVersion, version=9, current=0):
        call(patient, 9, digest("bundle"), publisher, sender=patient)
    with refused(keys.Frozen, pseudonym=patient):
        call(patient, 1, digest("bundle"), publisher, sender=patient)


def test_rotate_by_sig__refuses_in_the_order_of_its_checks(
    world, keys, rotation, sign, patient, stranger, publisher, clock
):
    keys.setPublisher(patient, publisher, sender=patient)
    wrong = replace(rotation, version=9, bundle=NOTHING, nonce=5, era=7, deadline=clock.now - 1)
    signature = sign(rotation, by=publisher)

    def attempt(message):
        return world.try_sending(message, signature, sender=stranger)

    with refused(keys.SignatureExpired, deadline=wrong.deadline):
        attempt(wrong)
    with refused(keys.DeadlineTooFar, deadline=clock.hour(2), latest=clock.now + HOUR):
        attempt(replace(wrong, deadline=clock.hour(2)))
    with refused(keys.WrongEra, era=7, current=0):
        attempt(wrong := replace(wrong, deadline=clock.soon()))
    with refused(keys.WrongSignature, signer=patient):
        attempt(wrong := replace(wrong, era=0))
    signature = sign(wrong, by=patient)
    with refused(keys.WrongNonce, nonce=5, current=1):
        attempt(wrong)
    wrong = replace(wrong, nonce=1)
    signature = sign(wrong, by=patient)
    with refused(keys.NoDigest):
        attempt(wrong)
    wrong = replace(wrong, bundle=digest("bundle"))
    signature = sign(wrong, by=patient)
    with refused(keys.WrongVersion, version=9, current=0):
        attempt(wrong)


def test_rotate_by_sig__after_the_publisher_was_set(world, keys, rotation, sign, patient, relayer, stranger):
    signature = sign(rotation, by=patient)
    keys.setPublisher(patient, stranger, sender=patient)

    with refused(keys.WrongNonce, nonce=0, current=1):
        world.try_sending(rotation, signature, sender=relayer)


def test_rotate_by_sig__a_publication_does_not_void_it_but_takes_its_version(
    world, keys, rotation, sign, patient, relayer
):
    signature = sign(rotation, by=patient)
    first = Publish(patient.address, 1, digest("another bundle"), era=0, deadline=rotation.deadline)
    world.send(first, sign(first, by=patient), sender=relayer)

    with refused(keys.WrongVersion, version=1, current=1):
        world.try_sending(rotation, signature, sender=relayer)

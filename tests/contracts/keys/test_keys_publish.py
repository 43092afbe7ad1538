"""Publishing: the next version by the controller or the publisher, and nobody else."""

from dataclasses import replace

import pytest
from contracts_world import HOUR, NOTHING, ZERO, digest, refused

from theriac.health.messages import Publish, Rotate


@pytest.fixture
def first(patient, clock):
    """The patient's first version."""
    return Publish(patient.address, 1, digest("first bundle"), era=0, deadline=clock.soon())


@pytest.fixture
def appointed(keys, patient, publisher):
    """The publisher, appointed by the patient."""
    keys.setPublisher(patient, publisher, sender=patient)
    return publisher


def test_publish__by_the_controller(keys, way, first, patient):
    receipt = way.do(first, by=patient)

    assert receipt.events == [keys.Published(patient, 1, digest("first bundle"), patient)]
    assert keys.versionOf(patient) == 1
    assert keys.digestOf(patient) == digest("first bundle")
    assert keys.authorityOf(patient) == (patient, 0, 1, False)


def test_publish__by_the_publisher(keys, way, first, patient, appointed):
    receipt = way.do(first, by=appointed)

    assert receipt.events == [keys.Published(patient, 1, digest("first bundle"), appointed)]
    assert keys.versionOf(patient) == 1
    assert keys.publisherOf(patient) == (appointed, 1)


# property K1
def test_publish__versions_grow_by_one(keys, way, first, patient):
    for version in (1, 2, 3):
        way.do(replace(first, version=version, bundle=digest(f"bundle {version}")), by=patient)

    assert keys.versionOf(patient) == 3
    assert keys.digestOf(patient) == digest("bundle 3")


# property K1
@pytest.mark.parametrize("version", [0, 1, 2, 4, 2**32 - 1])
def test_publish__another_version_than_the_next(keys, way, first, patient, version):
    way.do(first, by=patient)
    way.do(replace(first, version=2), by=patient)

    with refused(keys.WrongVersion, version=version, current=2):
        way.attempt(replace(first, version=version), by=patient)


@pytest.mark.parametrize("version", [0, 2])
def test_publish__a_first_version_that_is_not_one(keys, way, first, patient, version):
    with refused(keys.WrongVersion, version=version, current=0):
        way.attempt(replace(first, version=version), by=patient)


# property K7
def test_publish__under_another_pseudonym_stays_apart(keys, way, first, patient, sibling):
    way.do(first, by=patient)

    way.do(replace(first, pseudonym=sibling.address, bundle=digest("hers")), by=sibling)

    assert keys.digestOf(patient) == digest("first bundle")
    assert keys.digestOf(sibling) == digest("hers")


def test_publish__refuses_in_the_order_of_its_checks(keys, patient, stranger):
    call = keys.publish.call

    with refused(keys.NotThePublisher, sender=stranger, publisher=ZERO):
        call(patient, 9, NOTHING, sender=stranger)
    with refused(keys.NoDigest):
        call(patient, 9, NOTHING, sender=patient)
    with refused(keys.WrongVersion, version=9, current=0):
        call(patient, 9, digest("bundle"), sender=patient)


# property K2
def test_publish__by_a_stranger_beside_a_publisher(keys, patient, stranger, appointed):
    with refused(keys.NotThePublisher, sender=stranger, publisher=appointed):
        keys.publish.call(patient, 1, digest("bundle"), sender=stranger)


def test_publish_by_sig__refuses_in_the_order_of_its_checks(world, keys, first, sign, patient, stranger, clock):
    wrong = replace(first, version=9, bundle=NOTHING, era=7, deadline=clock.now - 1)
    signature = sign(first, by=patient)

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
    with refused(keys.NoDigest):
        attempt(wrong)
    wrong = replace(wrong, bundle=digest("bundle"))
    signature = sign(wrong, by=patient)
    with refused(keys.WrongVersion, version=9, current=0):
        attempt(wrong)


def test_publish_by_sig__to_the_last_second_of_the_deadline(world, keys, first, sign, patient, relayer, clock):
    message = replace(first, deadline=clock.now + HOUR)
    signature = sign(message, by=patient)

    world.try_sending(message, signature, sender=relayer)
    clock.travel(to=message.deadline)
    world.try_sending(message, signature, sender=relayer)
    clock.travel(to=message.deadline + 1)
    with refused(keys.SignatureExpired, deadline=message.deadline):
        world.try_sending(message, signature, sender=relayer)


def test_publish_by_sig__with_a_deadline_a_second_beyond_an_hour(world, keys, first, sign, patient, relayer, clock):
    message = replace(first, deadline=clock.now + HOUR + 1)

    with refused(keys.DeadlineTooFar, deadline=message.deadline, latest=clock.now + HOUR):
        world.try_sending(message, sign(message, by=patient), sender=relayer)


def test_publish_by_sig__a_second_time(world, keys, first, sign, patient, relayer):
    signature = sign(first, by=patient)
    world.send(first, signature, sender=relayer)

    with refused(keys.WrongVersion, version=1, current=1):
        world.try_sending(first, signature, sender=relayer)


def test_publish_by_sig__with_a_signature_to_rotate(world, keys, first, sign, patient, relayer):
    rotation = Rotate(patient.address, 1, first.bundle, ZERO, nonce=0, era=0, deadline=first.deadline)

    with refused(keys.WrongSignature, signer=patient):
        world.try_sending(first, sign(rotation, by=patient), sender=relayer)


def test_publish_by_sig__by_a_publisher_that_was_replaced(world, keys, first, sign, patient, appointed, stranger):
    signature = sign(first, by=appointed)
    keys.setPublisher(patient, stranger, sender=patient)

    with refused(keys.WrongSignature, signer=patient):
        world.try_sending(first, signature, sender=stranger)
    with refused(keys.NotThePublisher, sender=appointed, publisher=stranger):
        keys.publish.call(patient, 1, digest("bundle"), sender=appointed)


def test_authority_of__a_pseudonym_that_never_acted(keys, stranger):
    assert keys.authorityOf(stranger) == (stranger, 0, 0, False)
    assert keys.eraOf(stranger) == 0
    assert keys.versionOf(stranger) == 0
    assert keys.publisherOf(stranger) == (ZERO, 0)
    assert keys.digestOf(stranger) == NOTHING

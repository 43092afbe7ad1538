"""The era: raised, it voids every signature, every grant and the publisher that came before."""

from dataclasses import replace

import pytest
from contracts_world import HOUR, NOTHING, ZERO, digest, refused

from theriac.health.messages import (
    DISOWN,
    Amend,
    Freshness,
    Grant,
    HandOver,
    Letter,
    Narrow,
    Publish,
    Report,
    Reseal,
    Resealing,
    Revoke,
    RevokeEverything,
    Rotate,
    SetParent,
    SetPublisher,
)
from theriac.health.scope import Purpose

TREAT = Purpose.parse("TREAT")


@pytest.fixture
def end(patient, clock):
    """The end of the patient's first era."""
    return RevokeEverything(patient.address, era=0, deadline=clock.soon())


# property K3
def test_raise_era__counts_up_and_takes_the_publisher(keys, way, end, patient, publisher):
    keys.setPublisher(patient, publisher, sender=patient)

    receipt = way.do(end, by=patient)

    assert receipt.events == [keys.EraRaised(patient, 1)]
    assert keys.eraOf(patient) == 1
    assert keys.authorityOf(patient) == (patient, 1, 0, False)
    assert keys.publisherOf(patient) == (ZERO, 2)
    with refused(keys.NotThePublisher, sender=publisher, publisher=ZERO):
        keys.publish.call(patient, 1, digest("bundle"), sender=publisher)


def test_raise_era__keeps_version_and_digest(keys, way, end, patient):
    keys.publish(patient, 1, digest("bundle"), sender=patient)

    way.do(end, by=patient)

    assert keys.versionOf(patient) == 1
    assert keys.digestOf(patient) == digest("bundle")


# properties K3, K7
def test_raise_era__voids_every_grant(keys, grants, way, end, patient, sibling, doctor, stranger, members, clock):
    start, expiry = clock.start, clock.day(30)
    for reader, purpose in ((doctor.address, 1), (f"0x{members.hospital:040x}", 1), (stranger.address, 10)):
        grants.grant((patient, reader, purpose, 1, start, expiry, 0), sender=patient)
    grants.grant((sibling, doctor, 1, 1, start, expiry, 0), sender=sibling)
    assert grants.allowed(patient, doctor, 1, 1)
    assert grants.allowed(patient, stranger, 1, 10)

    way.do(end, by=patient)

    assert not grants.allowed(patient, doctor, 1, 1)
    assert not grants.allowed(patient, stranger, 1, 10)
    assert grants.allowed(sibling, doctor, 1, 1)


def test_raise_era__a_grant_made_after_it_counts(keys, grants, way, end, patient, doctor, clock):
    grants.grant((patient, doctor, 1, 1, clock.start, clock.day(1), 0), sender=patient)
    way.do(end, by=patient)

    grants.grant((patient, doctor, 1, 1, clock.start, clock.day(1), 0), sender=patient)

    assert grants.allowed(patient, doctor, 1, 1)
    assert grants.grantOf(patient, doctor, 1) == (1, clock.start, clock.day(1), 2, 1, 0, 0)


def test_raise_era_by_sig__refuses_in_the_order_of_its_checks(world, keys, end, sign, patient, stranger, clock):
    wrong = replace(end, era=7, deadline=clock.now - 1)
    signature = sign(end, by=stranger)

    def attempt(message):
        return world.try_sending(message, signature, sender=stranger)

    with refused(keys.SignatureExpired, deadline=wrong.deadline):
        attempt(wrong)
    with refused(keys.DeadlineTooFar, deadline=clock.hour(2), latest=clock.now + HOUR):
        attempt(replace(wrong, deadline=clock.hour(2)))
    with refused(keys.WrongEra, era=7, current=0):
        attempt(wrong := replace(wrong, deadline=clock.soon()))
    with refused(keys.WrongSignature, signer=patient):
        attempt(replace(wrong, era=0))


def test_raise_era_by_sig__a_second_time(world, keys, end, sign, patient, relayer):
    signature = sign(end, by=patient)
    world.send(end, signature, sender=relayer)

    with refused(keys.WrongEra, era=0, current=1):
        world.try_sending(end, signature, sender=relayer)


def every_message(patient, doctor, publisher, new_phone, clock):
    """One message of each type that a pseudonym signs, all of era 0."""
    me, deadline, before = patient.address, clock.soon(), clock.hour(1)
    fresh = Freshness(nonce=0, era=0, deadline=deadline)
    return [
        Publish(me, 1, digest("bundle"), 0, deadline),
        Rotate(me, 1, digest("bundle"), publisher.address, 1, 0, deadline),
        SetPublisher(me, publisher.address, 1, 0, deadline),
        RevokeEverything(me, 0, deadline),
        HandOver(me, new_phone.address, publisher.address, True, 1, 0, deadline),
        Grant(me, doctor.address, TREAT, 1, clock.start, clock.day(1), fresh),
        Narrow(me, doctor.address, TREAT, 1, clock.day(1), fresh),
        Revoke(me, doctor.address, TREAT, fresh),
        SetParent(me, 1, doctor.address, clock.day(1), fresh),
        Report(me, [digest("record")], 1, before, 0, deadline),
        Reseal(me, [Resealing(0, digest("old"), digest("new"))], 1, before, 0, deadline),
        Amend(me, DISOWN, digest("record"), NOTHING, 0, deadline),
        Letter(me, doctor.address, digest("letter"), 0, 0, deadline),
    ]


# property K3
def test_raise_era__voids_every_signature(world, keys, sign, people, patient, relayer, clock):
    messages = every_message(patient, people["doctor"], people["publisher"], people["new_phone"], clock)
    signatures = [
        [sign(message, by=patient)] + [sign(message, by=people["new_phone"])] * isinstance(message, HandOver)
        for message in messages
    ]

    keys.raiseEra(patient, sender=patient)

    for message, signed in zip(messages, signatures, strict=True):
        contract = world.contract(message.CONTRACT)
        with refused(contract.WrongEra, era=0, current=1):
            world.try_sending(message, *signed, sender=relayer)


def test_every_message__takes_in_each_function_that_asks_for_a_signature(world, people, patient, clock):
    messages = every_message(patient, people["doctor"], people["publisher"], people["new_phone"], clock)
    functions = {
        (name, method.name)
        for name in ("Keys", "Grants", "Records", "Letters")
        for method in world.contract(name).contract_type.mutable_methods
        if any(given.name == "signature" for given in method.inputs)
    }

    assert {(message.CONTRACT, message.FUNCTION) for message in messages} == functions

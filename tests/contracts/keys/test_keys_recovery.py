"""What the recovery contract may do, and what is left to a pseudonym while its recovery is pending."""

from dataclasses import replace
from typing import Any

import ape
import pytest
from contracts_world import HOUR, NOTHING, ZERO, Way, digest, refused

from theriac.health.messages import (
    CORRECT,
    DISOWN,
    SUPERSEDE,
    Amend,
    Freshness,
    Grant,
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
OLD, NEW, ANOTHER = digest("old record"), digest("new record"), digest("another record")


@pytest.fixture
def busy_patient(keys, records, grants, patient, doctor, publisher, clock):
    """The patient with a document, a publisher, a grant and three records of her own."""
    keys.rotate(patient, 1, digest("bundle"), publisher, sender=patient)
    grants.grant((patient, doctor, TREAT.number, 3, clock.start, clock.day(30), 0), sender=patient)
    records.report(patient, [OLD, NEW, ANOTHER], 1, clock.hour(1), sender=patient)
    return patient


# -- what the recovery contract does ---------------------------------------------------------------------------------


def test_deploy__keeps_the_recovery(keys, recovery):
    assert keys.recovery() == recovery


def test_set_frozen__is_told_and_ends(keys, recovery, patient):
    frozen = keys.setFrozen(patient, True, sender=recovery)
    assert keys.authorityOf(patient) == (patient, 0, 0, True)
    thawed = keys.setFrozen(patient, False, sender=recovery)

    assert frozen.events == [keys.FrozenSet(patient, True)]
    assert thawed.events == [keys.FrozenSet(patient, False)]
    assert keys.authorityOf(patient) == (patient, 0, 0, False)


# property K4
def test_recover__gives_the_pseudonym_to_another_wallet(keys, recovery, busy_patient, new_phone):
    keys.setFrozen(busy_patient, True, sender=recovery)

    receipt = keys.recover(busy_patient, new_phone, sender=recovery)

    assert receipt.events == [
        keys.FrozenSet(busy_patient, False),
        keys.EraRaised(busy_patient, 1),
        keys.HandedOver(busy_patient, new_phone, busy_patient),
    ]
    assert keys.authorityOf(busy_patient) == (new_phone, 1, 1, False)
    assert keys.publisherOf(busy_patient) == (ZERO, 2)
    assert keys.digestOf(busy_patient) == digest("bundle")


# property K5
def test_recover__voids_the_grants(keys, grants, recovery, busy_patient, doctor, new_phone):
    assert grants.allowed(busy_patient, doctor, 3, TREAT.number)

    keys.recover(busy_patient, new_phone, sender=recovery)

    assert not grants.allowed(busy_patient, doctor, 3, TREAT.number)


def test_recover__to_nobody_or_to_who_has_it(keys, recovery, patient):
    for controller in (ZERO, patient):
        with refused(keys.WrongController, controller=controller):
            keys.recover.call(patient, controller, sender=recovery)


def test_recover__without_a_recovery_contract(recovery, patient, new_phone, relayer):
    keys = ape.project.Keys.deploy(ZERO, sender=relayer)

    assert keys.recovery() == ZERO
    with refused(keys.NotTheRecovery, sender=recovery, recovery=ZERO):
        keys.setFrozen.call(patient, True, sender=recovery)
    with refused(keys.NotTheRecovery, sender=recovery, recovery=ZERO):
        keys.recover.call(patient, new_phone, sender=recovery)


# -- what is left while it is pending --------------------------------------------------------------------------------


def acts(patient, doctor, publisher, clock) -> dict[str, tuple[Any, bool]]:
    """One act of each kind that a pseudonym can do, and whether it is left to it while a recovery is pending."""
    me, deadline, before = patient.address, clock.soon(), clock.hour(1)
    fresh = Freshness(nonce=1, era=0, deadline=deadline)
    unwritten = replace(fresh, nonce=0)
    return {
        "publish": (Publish(me, 2, digest("next bundle"), 0, deadline), True),
        "raise the era": (RevokeEverything(me, 0, deadline), True),
        "revoke": (Revoke(me, doctor.address, TREAT, fresh), True),
        "rotate": (Rotate(me, 2, digest("next bundle"), publisher.address, 1, 0, deadline), False),
        "set the publisher": (SetPublisher(me, ZERO, 1, 0, deadline), False),
        "grant": (Grant(me, doctor.address, TREAT, 1, clock.start, clock.day(1), fresh), False),
        "narrow": (Narrow(me, doctor.address, TREAT, 1, clock.day(1), fresh), False),
        "set a parent": (SetParent(me, 1, doctor.address, clock.day(1), unwritten), False),
        "report": (Report(me, [digest("a fourth")], 1, before, 0, deadline), False),
        "reseal": (Reseal(me, [Resealing(0, OLD, digest("resealed"))], 1, before, 0, deadline), False),
        "supersede": (Amend(me, SUPERSEDE, OLD, NEW, 0, deadline), False),
        "correct": (Amend(me, CORRECT, OLD, NEW, 0, deadline), False),
        "disown": (Amend(me, DISOWN, OLD, NOTHING, 0, deadline), False),
        "send a letter": (Letter(me, doctor.address, digest("letter"), 0, 0, deadline), False),
    }


# property K6
def test_frozen__exactly_revoke_raise_era_and_publish_are_left(
    world, keys, recovery, busy_patient, doctor, publisher, clock
):
    possible = acts(busy_patient, doctor, publisher, clock)
    ways = [Way(world, signed=False), Way(world, signed=True)]
    for message, _ in possible.values():
        for way in ways:
            way.attempt(message, by=busy_patient)

    keys.setFrozen(busy_patient, True, sender=recovery)

    for message, left in possible.values():
        for way in ways:
            if left:
                way.attempt(message, by=busy_patient)
            else:
                with refused(world.contract(message.CONTRACT).Frozen, pseudonym=busy_patient):
                    way.attempt(message, by=busy_patient)


def test_frozen__the_publisher_still_publishes(world, keys, way, recovery, busy_patient, publisher, clock):
    keys.setFrozen(busy_patient, True, sender=recovery)
    message = Publish(busy_patient.address, 2, digest("next bundle"), era=0, deadline=clock.soon())

    receipt = way.do(message, by=publisher)

    assert receipt.events == [keys.Published(busy_patient, 2, digest("next bundle"), publisher)]


# property K6
def test_frozen__a_member_still_anchors(records, keys, recovery, busy_patient, doctor, members, clock):
    keys.setFrozen(busy_patient, True, sender=recovery)

    receipt = records.anchor(busy_patient, digest("finding"), 1, clock.now + HOUR, sender=doctor)

    assert receipt.events == [records.Anchored(busy_patient, members.hospital, digest("finding"))]


# property K6
def test_frozen__who_was_granted_still_reads(keys, grants, recovery, busy_patient, doctor):
    keys.setFrozen(busy_patient, True, sender=recovery)

    assert grants.allowed(busy_patient, doctor, 3, TREAT.number)


# property K6
def test_frozen__a_raised_era_stays_frozen(keys, recovery, busy_patient):
    keys.setFrozen(busy_patient, True, sender=recovery)

    keys.raiseEra(busy_patient, sender=busy_patient)

    assert keys.authorityOf(busy_patient) == (busy_patient, 1, 1, True)


# property K7
def test_frozen__another_pseudonym_is_not(keys, recovery, busy_patient, sibling, publisher):
    keys.setFrozen(busy_patient, True, sender=recovery)

    receipt = keys.setPublisher(sibling, publisher, sender=sibling)

    assert receipt.events == [keys.PublisherSet(sibling, publisher)]


def test_frozen__thawed_it_has_everything_back(world, keys, recovery, busy_patient, doctor, publisher, clock):
    possible = acts(busy_patient, doctor, publisher, clock)
    keys.setFrozen(busy_patient, True, sender=recovery)

    keys.setFrozen(busy_patient, False, sender=recovery)

    for message, _ in possible.values():
        Way(world, signed=False).attempt(message, by=busy_patient)

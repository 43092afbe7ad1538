"""Narrowing: classes or time go, and nothing comes."""

from dataclasses import replace

import pytest
from contracts_world import HOUR, refused
from grants_terms import ALLERGIES, KNOWN, LABORATORY, MEDICATIONS, TREAT, a_grant

from theriac.health.messages import Freshness, Narrow
from theriac.health.scope import PURPOSES, Purpose

BOTH = ALLERGIES | LABORATORY


def narrowing(patient, doctor, clock, **changes):
    """To allergies alone and half the time, unless changed."""
    fresh = {"nonce": 1, "era": 0, "deadline": clock.soon()}
    fresh |= {name: changes.pop(name) for name in fresh.keys() & changes.keys()}
    terms = {"purpose": TREAT, "scope": ALLERGIES, "expiry": clock.day(15)} | changes
    return Narrow(patient.address, doctor.address, freshness=Freshness(**fresh), **terms)


# property D2
def test_narrow__takes_classes_and_time(grants, give, way, patient, doctor, clock):
    give(patient, doctor)

    receipt = way.do(narrowing(patient, doctor, clock), by=patient)

    assert receipt.events == [grants.Narrowed(patient, doctor, TREAT.number, ALLERGIES, clock.day(15))]
    assert grants.grantOf(patient, doctor, TREAT.number) == (
        ALLERGIES,
        clock.hour(1),
        clock.day(15),
        2,
        0,
        0,
        0,
    )


@pytest.mark.parametrize("change", [{"scope": BOTH}, {"expiry": 30}], ids=["time alone", "classes alone"])
def test_narrow__one_of_the_two(grants, give, way, patient, doctor, clock, change):
    give(patient, doctor)
    if "expiry" in change:
        change = {"expiry": clock.day(30)}
    message = narrowing(patient, doctor, clock, **change)

    way.do(message, by=patient)

    kept = grants.grantOf(patient, doctor, TREAT.number)
    assert (kept.scope, kept.expiry, kept.nonce) == (message.scope, message.expiry, 2)


# property D2
def test_narrow__keeps_the_parent(grants, give, way, patient, doctor, stranger, clock):
    grants.setParent(patient, 7, stranger, clock.day(40), sender=patient)
    give(patient, doctor, by=7)

    way.do(narrowing(patient, doctor, clock), by=patient)

    kept = grants.grantOf(patient, doctor, TREAT.number)
    assert (kept.by, kept.generation) == (7, 1)


# property H10
def test_narrow__a_signature_to_grant_dies_with_it(world, grants, give, sign, patient, doctor, relayer, clock):
    give(patient, doctor)
    in_flight = a_grant(patient, doctor, clock, scope=KNOWN, nonce=1)
    signature = sign(in_flight, by=patient)

    grants.narrow(patient, doctor, TREAT.number, ALLERGIES, clock.day(15), sender=patient)

    with refused(grants.WrongNonce, nonce=1, current=2):
        world.try_sending(in_flight, signature, sender=relayer)


def test_narrow__refuses_in_the_order_of_its_checks(grants, keys, give, way, patient, doctor, recovery, clock):
    give(patient, doctor)
    keys.setFrozen(patient, True, sender=recovery)
    unknown = Purpose(13, "", PURPOSES[-1].words, 0)
    uneven = clock.hour(1) + 1
    wrong = narrowing(patient, doctor, clock, purpose=unknown, scope=0, expiry=uneven, nonce=0)

    with refused(grants.Frozen, pseudonym=patient):
        way.attempt(wrong, by=patient)
    keys.setFrozen(patient, False, sender=recovery)
    with refused(grants.NotGranted, pseudonym=patient, reader=doctor, purpose=13):
        way.attempt(wrong, by=patient)
    wrong = narrowing(patient, doctor, clock, scope=0, expiry=uneven)
    with refused(grants.WrongScope, scope=0, known=KNOWN):
        way.attempt(wrong, by=patient)
    wrong = replace(wrong, scope=MEDICATIONS)
    with refused(grants.NotAFullHour, time=uneven):
        way.attempt(wrong, by=patient)
    wrong = replace(wrong, expiry=clock.hour(1))
    with refused(grants.WrongWindow, start=clock.hour(1), expiry=clock.hour(1)):
        way.attempt(wrong, by=patient)
    wrong = replace(wrong, expiry=clock.hour(2))
    with refused(grants.Wider, scope=MEDICATIONS, granted=BOTH, expiry=clock.hour(2), grantedUntil=clock.day(30)):
        way.attempt(wrong, by=patient)


def test_narrow__to_more_time(grants, give, way, patient, doctor, clock):
    give(patient, doctor)

    with refused(
        grants.Wider,
        scope=ALLERGIES,
        granted=BOTH,
        expiry=clock.day(30) + HOUR,
        grantedUntil=clock.day(30),
    ):
        way.attempt(narrowing(patient, doctor, clock, expiry=clock.day(30) + HOUR), by=patient)


def test_narrow__to_an_end_that_has_passed(grants, give, way, patient, doctor, clock):
    give(patient, doctor)
    clock.travel(to=clock.hour(4))

    with refused(grants.WrongWindow, start=clock.hour(1), expiry=clock.hour(4)):
        way.attempt(narrowing(patient, doctor, clock, expiry=clock.hour(4)), by=patient)


def test_narrow__to_the_last_second_of_the_grant(grants, give, way, patient, doctor, clock):
    give(patient, doctor, expiry=clock.hour(2))

    clock.travel(to=clock.hour(2) - 1)
    way.attempt(narrowing(patient, doctor, clock, expiry=clock.hour(2)), by=patient)
    clock.travel(to=clock.hour(2))
    with refused(grants.NotGranted, pseudonym=patient, reader=doctor, purpose=TREAT.number):
        way.attempt(narrowing(patient, doctor, clock, expiry=clock.hour(2)), by=patient)


@pytest.mark.parametrize("gone", ["never granted", "revoked", "of an earlier era"])
def test_narrow__what_is_not_granted(grants, keys, give, way, patient, doctor, clock, gone):
    nonce = era = 0
    match gone:
        case "revoked":
            give(patient, doctor)
            grants.revoke(patient, doctor, TREAT.number, sender=patient)
            nonce = 2
        case "of an earlier era":
            give(patient, doctor)
            keys.raiseEra(patient, sender=patient)
            nonce, era = 1, 1

    with refused(grants.NotGranted, pseudonym=patient, reader=doctor, purpose=TREAT.number):
        way.attempt(narrowing(patient, doctor, clock, nonce=nonce, era=era), by=patient)


def test_narrow_by_sig__refuses_in_the_order_of_its_checks(world, grants, give, sign, patient, doctor, stranger, clock):
    give(patient, doctor)
    right = narrowing(patient, doctor, clock)
    wrong = narrowing(patient, doctor, clock, scope=0, nonce=5, era=7, deadline=clock.now - 1)
    signature = sign(right, by=stranger)

    def changed(**changes):
        return replace(wrong, freshness=replace(wrong.freshness, **changes))

    def attempt(message):
        return world.try_sending(message, signature, sender=stranger)

    with refused(grants.SignatureExpired, deadline=clock.now - 1):
        attempt(wrong)
    with refused(grants.DeadlineTooFar, deadline=clock.hour(2), latest=clock.now + HOUR):
        attempt(changed(deadline=clock.hour(2)))
    with refused(grants.WrongEra, era=7, current=0):
        attempt(wrong := changed(deadline=clock.soon()))
    with refused(grants.WrongSignature, signer=patient):
        attempt(wrong := changed(era=0))
    signature = sign(wrong, by=patient)
    with refused(grants.WrongNonce, nonce=5, current=1):
        attempt(wrong)
    wrong = changed(nonce=1)
    signature = sign(wrong, by=patient)
    with refused(grants.WrongScope, scope=0, known=KNOWN):
        attempt(wrong)


def test_narrow_by_sig__with_a_start_or_a_parent_that_nobody_signed(
    grants, give, sign, patient, doctor, relayer, clock
):
    give(patient, doctor)
    message = narrowing(patient, doctor, clock)
    terms, freshness, signature = message.arguments(sign(message, by=patient))
    *first, _, expiry, _ = terms

    with refused(grants.NotAFullHour, time=clock.hour(1)):
        grants.narrowBySig.call((*first, clock.hour(1), expiry, 0), freshness, signature, sender=relayer)
    with refused(grants.WrongParent, by=1, expiry=expiry):
        grants.narrowBySig.call((*first, 0, expiry, 1), freshness, signature, sender=relayer)


def test_narrow_by_sig__a_second_time(world, grants, give, sign, patient, doctor, relayer, clock):
    give(patient, doctor)
    message = narrowing(patient, doctor, clock)
    signature = sign(message, by=patient)
    world.send(message, signature, sender=relayer)

    with refused(grants.WrongNonce, nonce=1, current=2):
        world.try_sending(message, signature, sender=relayer)

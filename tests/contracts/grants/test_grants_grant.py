"""Granting: what is kept and told, what is replaced, what is refused."""

from dataclasses import replace

import pytest
from contracts_world import HOUR, ZERO, ask, refused
from grants_terms import ALLERGIES, FAMILY, KNOWN, LABORATORY, MEDICATIONS, TREAT, a_grant

from theriac.health.messages import member_address
from theriac.health.scope import PURPOSES, Purpose

BOTH = ALLERGIES | LABORATORY


# property D1
def test_grant__keeps_the_terms(grants, way, patient, doctor, clock):
    receipt = way.do(a_grant(patient, doctor, clock), by=patient)

    window = (clock.hour(1), clock.day(30))
    assert receipt.events == [grants.Granted(patient, doctor, TREAT.number, BOTH, *window, 0)]
    assert grants.grantOf(patient, doctor, TREAT.number) == (BOTH, *window, 1, 0, 0, 0)


@pytest.mark.parametrize("purpose", PURPOSES, ids=lambda purpose: purpose.code)
def test_grant__every_purpose_stands_alone(grants, questions, give, patient, doctor, purpose):
    give(patient, doctor, purpose=purpose)

    asked = [grants.grantOf.encode_input(patient, doctor, each.number) for each in PURPOSES]
    written = [number != 0 for number in ask(questions, grants, asked)]
    assert written == [each == purpose for each in PURPOSES]


def test_grant__every_class_there_is(grants, way, patient, doctor, clock):
    way.do(a_grant(patient, doctor, clock, scope=KNOWN), by=patient)

    assert grants.grantOf(patient, doctor, TREAT.number).scope == KNOWN


# property D1
def test_grant__the_farthest_end(grants, way, patient, doctor, clock):
    farthest = (2**40 - 1) // HOUR * HOUR

    way.do(a_grant(patient, doctor, clock, start=0, expiry=farthest), by=patient)

    assert grants.grantOf(patient, doctor, TREAT.number) == (BOTH, 0, farthest, 1, 0, 0, 0)


def test_grant__replaces_the_grant_before(grants, give, way, patient, doctor, clock):
    give(patient, doctor)

    wider = a_grant(patient, doctor, clock, scope=KNOWN, start=0, expiry=clock.day(60), nonce=1)
    receipt = way.do(wider, by=patient)

    assert receipt.events == [grants.Granted(patient, doctor, TREAT.number, KNOWN, 0, clock.day(60), 0)]
    assert grants.grantOf(patient, doctor, TREAT.number) == (KNOWN, 0, clock.day(60), 2, 0, 0, 0)


# property H6
def test_grant__leaves_other_readers_and_other_pseudonyms(grants, give, patient, sibling, doctor, nurse):
    give(patient, doctor)

    assert grants.grantOf(patient, nurse, TREAT.number) == (0, 0, 0, 0, 0, 0, 0)
    assert grants.grantOf(sibling, doctor, TREAT.number) == (0, 0, 0, 0, 0, 0, 0)


def test_grant__to_a_member(grants, way, patient, members, clock):
    receipt = way.do(a_grant(patient, members.hospital, clock), by=patient)

    reader = member_address(members.hospital)
    assert receipt.events == [grants.Granted(patient, reader, TREAT.number, BOTH, clock.hour(1), clock.day(30), 0)]


def test_grant__remembers_the_era(grants, keys, way, patient, doctor, clock):
    keys.raiseEra(patient, sender=patient)

    way.do(a_grant(patient, doctor, clock, era=1), by=patient)

    assert grants.grantOf(patient, doctor, TREAT.number).era == 1


def test_grant__by_the_wallet_that_it_was_handed_to(grants, keys, recovery, way, patient, new_phone, doctor, clock):
    keys.recover(patient, new_phone, sender=recovery)

    receipt = way.do(a_grant(patient, doctor, clock, era=1), by=new_phone)

    assert [event.event_name for event in receipt.events] == ["Granted"]
    with refused(grants.NotTheController, sender=patient, controller=new_phone):
        grants.grant.call(a_grant(patient, doctor, clock).terms(), sender=patient)


def test_grant__refuses_in_the_order_of_its_checks(grants, keys, way, patient, recovery, clock):
    keys.setFrozen(patient, True, sender=recovery)
    wrong = a_grant(
        patient,
        ZERO,
        clock,
        purpose=Purpose(13, "", PURPOSES[-1].words, 0),
        scope=0,
        start=clock.hour(1) + 1,
        expiry=clock.now,
        by=3,
    )

    with refused(grants.Frozen, pseudonym=patient):
        way.attempt(wrong, by=patient)
    keys.setFrozen(patient, False, sender=recovery)
    wrong = replace(wrong, expiry=clock.now)
    with refused(grants.NoSuchPurpose, purpose=13):
        way.attempt(wrong, by=patient)
    wrong = replace(wrong, purpose=TREAT)
    with refused(grants.WrongReader, reader=ZERO):
        way.attempt(wrong, by=patient)
    wrong = replace(wrong, reader=member_address(1))
    with refused(grants.WrongScope, scope=0, known=KNOWN):
        way.attempt(wrong, by=patient)
    wrong = replace(wrong, scope=ALLERGIES)
    with refused(grants.NotAFullHour, time=clock.hour(1) + 1):
        way.attempt(wrong, by=patient)
    wrong = replace(wrong, start=clock.hour(1))
    with refused(grants.NotAFullHour, time=wrong.expiry):
        way.attempt(wrong, by=patient)
    wrong = replace(wrong, expiry=clock.hour(1))
    with refused(grants.WrongWindow, start=clock.hour(1), expiry=clock.hour(1)):
        way.attempt(wrong, by=patient)
    wrong = replace(wrong, expiry=clock.hour(2))
    with refused(grants.WrongParent, by=3, expiry=0):
        way.attempt(wrong, by=patient)
    way.attempt(replace(wrong, by=0), by=patient)


def test_grant_by_sig__refuses_in_the_order_of_its_checks(
    world, grants, keys, sign, patient, doctor, recovery, stranger, clock
):
    keys.setFrozen(patient, True, sender=recovery)
    right = a_grant(patient, doctor, clock)
    wrong = a_grant(patient, ZERO, clock, nonce=5, era=7, deadline=clock.now - 1)
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
        attempt(wrong := changed(deadline=clock.hour(1)))
    with refused(grants.WrongSignature, signer=patient):
        attempt(wrong := changed(era=0))
    signature = sign(wrong, by=patient)
    with refused(grants.Frozen, pseudonym=patient):
        attempt(wrong)
    keys.setFrozen(patient, False, sender=recovery)
    with refused(grants.WrongNonce, nonce=5, current=0):
        attempt(wrong)
    wrong = changed(nonce=0)
    signature = sign(wrong, by=patient)
    with refused(grants.WrongReader, reader=ZERO):
        attempt(wrong)


@pytest.mark.parametrize("number", [0, 13, 255])
def test_grant__for_no_purpose(grants, patient, doctor, clock, number):
    terms = list(a_grant(patient, doctor, clock).terms())
    terms[2] = number

    with refused(grants.NoSuchPurpose, purpose=number):
        grants.grant.call(tuple(terms), sender=patient)


@pytest.mark.parametrize("bit", [17, 30, 59])
def test_grant__of_a_class_that_does_not_exist(grants, patient, doctor, clock, bit):
    scope = ALLERGIES | 1 << bit

    with refused(grants.WrongScope, scope=scope, known=KNOWN):
        grants.grant.call(a_grant(patient, doctor, clock, scope=scope).terms(), sender=patient)


def test_grant_by_sig__of_classes_that_no_word_showed(world, grants, sign, patient, doctor, relayer, clock):
    """The words of an unknown bit are none, so that the signature still fits; the contract must look at the bits."""
    shown = a_grant(patient, doctor, clock, scope=ALLERGIES)
    terms = list(shown.terms())
    terms[3] = ALLERGIES | 1 << 59

    with refused(grants.WrongScope, scope=terms[3], known=KNOWN):
        grants.grantBySig.call(tuple(terms), shown.freshness.tuple(), sign(shown, by=patient), sender=relayer)


def test_grant_by_sig__for_a_purpose_that_no_word_showed(world, grants, sign, patient, doctor, relayer, clock):
    shown = a_grant(patient, doctor, clock, purpose=PURPOSES[-1])
    terms = list(shown.terms())
    terms[2] = 99

    with refused(grants.NoSuchPurpose, purpose=99):
        grants.grantBySig.call(tuple(terms), shown.freshness.tuple(), sign(shown, by=patient), sender=relayer)


def test_grant__to_the_pseudonym_itself(grants, way, patient, clock):
    with refused(grants.WrongReader, reader=patient):
        way.attempt(a_grant(patient, patient, clock, purpose=FAMILY), by=patient)


@pytest.mark.parametrize("minutes", [1, 30, 59])
def test_grant__within_an_hour(grants, way, patient, doctor, clock, minutes):
    uneven = clock.hour(5) + minutes * 60

    with refused(grants.NotAFullHour, time=uneven):
        way.attempt(a_grant(patient, doctor, clock, start=uneven), by=patient)
    with refused(grants.NotAFullHour, time=uneven):
        way.attempt(a_grant(patient, doctor, clock, expiry=uneven), by=patient)


def test_grant__whose_end_is_the_blocks_second(grants, patient, doctor, clock):
    terms = a_grant(patient, doctor, clock, start=0, expiry=clock.hour(2)).terms()

    clock.travel(to=clock.hour(2) - 1)
    grants.grant.call(terms, sender=patient)
    clock.travel(to=clock.hour(2))
    with refused(grants.WrongWindow, start=0, expiry=clock.hour(2)):
        grants.grant.call(terms, sender=patient)


def test_grant__that_ends_before_it_begins(grants, way, patient, doctor, clock):
    with refused(grants.WrongWindow, start=clock.hour(3), expiry=clock.hour(2)):
        way.attempt(a_grant(patient, doctor, clock, start=clock.hour(3), expiry=clock.hour(2)), by=patient)


def test_grant__of_what_began_long_ago(way, patient, doctor, clock):
    way.attempt(a_grant(patient, doctor, clock, start=0), by=patient)


def test_grant_by_sig__a_second_time(world, grants, sign, patient, doctor, relayer, clock):
    grant = a_grant(patient, doctor, clock)
    signature = sign(grant, by=patient)
    world.send(grant, signature, sender=relayer)

    with refused(grants.WrongNonce, nonce=0, current=1):
        world.try_sending(grant, signature, sender=relayer)


def test_grant_by_sig__of_two_that_were_signed_only_one_counts(world, grants, sign, patient, doctor, relayer, clock):
    narrow, wide = a_grant(patient, doctor, clock), a_grant(patient, doctor, clock, scope=KNOWN)
    signatures = [sign(narrow, by=patient), sign(wide, by=patient)]

    world.send(narrow, signatures[0], sender=relayer)

    with refused(grants.WrongNonce, nonce=0, current=1):
        world.try_sending(wide, signatures[1], sender=relayer)


@pytest.mark.parametrize(
    "change",
    [
        {"scope": BOTH | MEDICATIONS},
        {"expiry": "later"},
        {"start": 0},
        {"purpose": FAMILY},
        {"by": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_grant_by_sig__other_terms_than_were_signed(world, grants, sign, patient, doctor, relayer, clock, change):
    signed = a_grant(patient, doctor, clock)
    if change == {"expiry": "later"}:
        change = {"expiry": clock.day(31)}

    with refused(grants.WrongSignature, signer=patient):
        world.try_sending(replace(signed, **change), sign(signed, by=patient), sender=relayer)

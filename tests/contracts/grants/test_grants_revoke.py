"""Revoking: the grant ends, and so does every signature for it that was not sent yet."""

from dataclasses import replace

import pytest
from contracts_world import HOUR, refused
from grants_terms import TREAT, Refusal, a_grant

from theriac.health.messages import Freshness, Revoke, member_address
from theriac.health.scope import PURPOSES, Purpose


def revocation(patient, reader, clock, **changes):
    """The end of what was granted for treatment."""
    fresh = {"nonce": 1, "era": 0, "deadline": clock.soon()}
    fresh |= {name: changes.pop(name) for name in fresh.keys() & changes.keys()}
    address = getattr(reader, "address", reader)
    return Revoke(patient.address, address, changes.pop("purpose", TREAT), Freshness(**fresh))


def test_revoke__ends_the_grant(grants, give, way, patient, doctor, clock):
    grant = give(patient, doctor, start=0)
    assert grants.allowed(patient, doctor, grant.scope, TREAT.number)

    receipt = way.do(revocation(patient, doctor, clock), by=patient)

    assert receipt.events == [grants.Revoked(patient, doctor, TREAT.number)]
    assert grants.grantOf(patient, doctor, TREAT.number) == (0, 0, 0, 2, 0, 0, 0)
    assert grants.explain(patient, doctor, grant.scope, TREAT.number) == Refusal.NO_GRANT


def test_revoke__a_member(grants, give, way, patient, doctor, members, clock):
    grant = give(patient, members.hospital, start=0)
    assert grants.allowed(patient, doctor, grant.scope, TREAT.number)

    way.do(revocation(patient, member_address(members.hospital), clock), by=patient)

    assert not grants.allowed(patient, doctor, grant.scope, TREAT.number)


# property H6
def test_revoke__leaves_other_purposes_and_readers(grants, give, way, patient, doctor, nurse, clock):
    grant = give(patient, doctor, start=0)
    give(patient, nurse, start=0)
    give(patient, doctor, start=0, purpose=PURPOSES[1])

    way.do(revocation(patient, doctor, clock), by=patient)

    assert grants.allowed(patient, nurse, grant.scope, TREAT.number)
    assert grants.allowed(patient, doctor, grant.scope, PURPOSES[1].number)


# property H10
@pytest.mark.parametrize("nonce", [0, 1])
def test_revoke__kills_a_signature_in_flight(world, grants, give, way, sign, patient, doctor, relayer, clock, nonce):
    """Also where nothing was ever granted: the patient thought better of it before the relayer sent."""
    for _ in range(nonce):
        give(patient, doctor)
    in_flight = a_grant(patient, doctor, clock, nonce=nonce)
    signature = sign(in_flight, by=patient)

    receipt = way.do(revocation(patient, doctor, clock, nonce=nonce), by=patient)

    assert receipt.events == [grants.Revoked(patient, doctor, TREAT.number)]
    with refused(grants.WrongNonce, nonce=nonce, current=nonce + 1):
        world.try_sending(in_flight, signature, sender=relayer)


def test_revoke__and_grant_again(grants, give, way, patient, doctor, clock):
    grant = give(patient, doctor, start=0)
    way.do(revocation(patient, doctor, clock), by=patient)

    way.do(replace(grant, freshness=replace(grant.freshness, nonce=2)), by=patient)

    assert grants.allowed(patient, doctor, grant.scope, TREAT.number)


@pytest.mark.parametrize("number", [0, 13, 255])
def test_revoke__for_no_purpose(grants, way, patient, doctor, clock, number):
    unknown = Purpose(number, "", PURPOSES[-1].words, 0)

    with refused(grants.NoSuchPurpose, purpose=number):
        way.attempt(revocation(patient, doctor, clock, purpose=unknown, nonce=0), by=patient)


def test_revoke__by_the_reader(grants, give, patient, doctor):
    give(patient, doctor)

    with refused(grants.NotTheController, sender=doctor, controller=patient):
        grants.revoke.call(patient, doctor, TREAT.number, sender=doctor)


def test_revoke_by_sig__refuses_in_the_order_of_its_checks(world, grants, sign, patient, doctor, stranger, clock):
    unknown = Purpose(13, "", PURPOSES[-1].words, 0)
    right = revocation(patient, doctor, clock, nonce=0)
    wrong = revocation(patient, doctor, clock, purpose=unknown, nonce=5, era=7, deadline=clock.now - 1)
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
    with refused(grants.WrongNonce, nonce=5, current=0):
        attempt(wrong)
    wrong = changed(nonce=0)
    signature = sign(wrong, by=patient)
    with refused(grants.NoSuchPurpose, purpose=13):
        attempt(wrong)


def test_revoke_by_sig__a_second_time(world, grants, give, sign, patient, doctor, relayer, clock):
    give(patient, doctor)
    message = revocation(patient, doctor, clock)
    signature = sign(message, by=patient)
    world.send(message, signature, sender=relayer)

    with refused(grants.WrongNonce, nonce=1, current=2):
        world.try_sending(message, signature, sender=relayer)

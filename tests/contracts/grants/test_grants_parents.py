"""Parents: what a grant can stand under, and what ends with them."""

from dataclasses import replace

import pytest
from contracts_world import HOUR, ZERO, refused
from grants_terms import TREAT, Refusal, a_grant

from theriac.health.messages import Freshness, SetParent

DELEGATE = 7


def appointment(patient, holder, clock, **changes):
    """A delegate for forty days, unless changed; `generation`, `era` and `deadline` change the freshness."""
    fresh = Freshness(changes.pop("generation", 0), changes.pop("era", 0), changes.pop("deadline", clock.soon()))
    terms = {"by": DELEGATE, "holder": holder.address, "expiry": clock.day(40)} | changes
    return SetParent(patient.address, freshness=fresh, **terms)


def explained(grants, grant):
    """Which rule refuses what was granted; `allowed` must agree."""
    asked = (grant.pseudonym, grant.reader, grant.scope, grant.purpose.number)
    refusal = grants.explain(*asked)
    assert grants.allowed(*asked) == (refusal == Refusal.NONE)
    return refusal


@pytest.fixture
def delegated(grants, give, patient, stranger, doctor, clock):
    """A delegate, and what was granted under it, running."""
    grants.setParent(patient, DELEGATE, stranger, clock.day(40), sender=patient)
    return give(patient, doctor, start=0, by=DELEGATE)


def test_set_parent__appoints(grants, way, patient, stranger, clock):
    receipt = way.do(appointment(patient, stranger, clock), by=patient)

    assert receipt.events == [grants.ParentSet(patient, DELEGATE, stranger, 1, clock.day(40))]
    assert grants.parentOf(patient, DELEGATE) == (stranger, 1, clock.day(40))
    assert grants.parentOf(patient, DELEGATE + 1) == (ZERO, 0, 0)


def test_set_parent__ends(grants, way, delegated, patient, stranger, clock):
    receipt = way.do(appointment(patient, stranger, clock, expiry=0, generation=1), by=patient)

    assert receipt.events == [grants.ParentSet(patient, DELEGATE, stranger, 2, 0)]
    assert grants.parentOf(patient, DELEGATE) == (stranger, 2, 0)


def test_set_parent__refuses_in_the_order_of_its_checks(grants, keys, way, patient, recovery, stranger, clock):
    keys.setFrozen(patient, True, sender=recovery)
    wrong = appointment(patient, stranger, clock, by=0, expiry=clock.now)

    with refused(grants.Frozen, pseudonym=patient):
        way.attempt(wrong, by=patient)
    keys.setFrozen(patient, False, sender=recovery)
    with refused(grants.WrongParent, by=0, expiry=wrong.expiry):
        way.attempt(wrong, by=patient)
    with refused(grants.WrongParent, by=DELEGATE, expiry=wrong.expiry):
        way.attempt(replace(wrong, by=DELEGATE), by=patient)


def test_set_parent__whose_end_is_the_blocks_second(grants, way, patient, stranger, clock):
    way.attempt(appointment(patient, stranger, clock, expiry=clock.now + 1), by=patient)
    with refused(grants.WrongParent, by=DELEGATE, expiry=clock.now):
        way.attempt(appointment(patient, stranger, clock, expiry=clock.now), by=patient)


def test_set_parent_by_sig__refuses_in_the_order_of_its_checks(world, grants, sign, patient, doctor, stranger, clock):
    right = appointment(patient, doctor, clock)
    wrong = appointment(patient, doctor, clock, by=0, generation=5, era=7, deadline=clock.now - 1)
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
    with refused(grants.WrongParent, by=0, expiry=wrong.expiry):
        attempt(wrong)


def test_set_parent_by_sig__a_second_time(world, grants, sign, patient, stranger, relayer, clock):
    message = appointment(patient, stranger, clock)
    signature = sign(message, by=patient)
    world.send(message, signature, sender=relayer)

    with refused(grants.WrongNonce, nonce=0, current=1):
        world.try_sending(message, signature, sender=relayer)


# -- granting under a parent -----------------------------------------------------------------------------------------


def test_grant__under_a_parent_remembers_its_generation(grants, delegated, patient, doctor):
    kept = grants.grantOf(patient, doctor, TREAT.number)

    assert (kept.by, kept.generation) == (DELEGATE, 1)
    assert explained(grants, delegated) == Refusal.NONE


def test_grant__under_a_parent_to_its_last_second(grants, way, patient, stranger, doctor, clock):
    way.do(appointment(patient, stranger, clock), by=patient)

    way.attempt(a_grant(patient, doctor, clock, by=DELEGATE, expiry=clock.day(40)), by=patient)
    with refused(grants.WrongParent, by=DELEGATE, expiry=clock.day(40)):
        way.attempt(a_grant(patient, doctor, clock, by=DELEGATE, expiry=clock.day(40) + HOUR), by=patient)


@pytest.mark.parametrize("gone", ["never appointed", "ended", "run out", "of another pseudonym"])
def test_grant__under_a_parent_that_is_not_there(grants, way, patient, sibling, stranger, doctor, clock, gone):
    expiry = 0
    match gone:
        case "ended":
            grants.setParent(patient, DELEGATE, stranger, clock.day(40), sender=patient)
            grants.setParent(patient, DELEGATE, stranger, 0, sender=patient)
        case "run out":
            expiry = clock.hour(3)
            grants.setParent(patient, DELEGATE, stranger, expiry, sender=patient)
            clock.travel(to=expiry)
        case "of another pseudonym":
            grants.setParent(sibling, DELEGATE, stranger, clock.day(40), sender=sibling)

    with refused(grants.WrongParent, by=DELEGATE, expiry=expiry):
        way.attempt(a_grant(patient, doctor, clock, by=DELEGATE), by=patient)


# -- what a parent ends ----------------------------------------------------------------------------------------------


def test_parent__its_end_ends_what_stood_under_it(grants, delegated, patient, stranger):
    grants.setParent(patient, DELEGATE, stranger, 0, sender=patient)

    assert explained(grants, delegated) == Refusal.PARENT_ENDED


def test_parent__its_renewal_ends_what_stood_under_it(grants, delegated, patient, stranger, clock):
    grants.setParent(patient, DELEGATE, stranger, clock.day(40), sender=patient)

    assert explained(grants, delegated) == Refusal.PARENT_ENDED


def test_parent__another_one_leaves_it(grants, delegated, patient, stranger, clock):
    grants.setParent(patient, DELEGATE + 1, stranger, clock.day(40), sender=patient)
    grants.setParent(patient, DELEGATE + 1, stranger, 0, sender=patient)

    assert explained(grants, delegated) == Refusal.NONE


def test_parent__a_grant_made_after_the_renewal_counts(grants, give, delegated, patient, stranger, doctor, clock):
    grants.setParent(patient, DELEGATE, stranger, clock.day(50), sender=patient)

    again = give(patient, doctor, start=0, by=DELEGATE)

    assert explained(grants, again) == Refusal.NONE


def test_parent__to_the_last_second(grants, give, patient, stranger, doctor, clock):
    grants.setParent(patient, DELEGATE, stranger, clock.hour(2), sender=patient)
    grant = give(patient, doctor, start=0, expiry=clock.hour(2), by=DELEGATE)

    clock.travel(to=clock.hour(2) - 1)
    assert explained(grants, grant) == Refusal.NONE
    clock.travel(to=clock.hour(2))
    assert explained(grants, grant) == Refusal.PARENT_ENDED


def test_parent__ends_a_grant_to_a_member_too(grants, give, patient, stranger, doctor, members, clock):
    grants.setParent(patient, DELEGATE, stranger, clock.day(40), sender=patient)
    grant = replace(give(patient, members.hospital, start=0, by=DELEGATE), reader=doctor.address)
    assert explained(grants, grant) == Refusal.NONE

    grants.setParent(patient, DELEGATE, stranger, 0, sender=patient)

    assert explained(grants, grant) == Refusal.PARENT_ENDED

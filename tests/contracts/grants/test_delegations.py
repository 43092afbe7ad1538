"""Delegates and quorums: who may grant besides the controller, within what, and what ends it."""

from dataclasses import replace

import pytest
from ape.exceptions import ContractLogicError
from contracts_world import HOUR, NOTHING, ZERO, domain_of, refused
from eth_account import Account
from eth_utils import keccak
from grants_terms import (
    ALLERGIES,
    CLASSES,
    FAMILY,
    LABORATORY,
    MEDICATIONS,
    PAYMENT,
    REFERRAL,
    TREAT,
    Refusal,
    a_grant,
)

from theriac.health.delegations import (
    Appoint,
    DelegatedGrant,
    DelegatedNarrow,
    DelegatedRevoke,
    Quorum,
    mask_of_purposes,
)
from theriac.health.messages import Freshness
from theriac.health.scope import PURPOSES

DELEGATE = 7
SCOPE, FOR_TREATMENT = ALLERGIES | LABORATORY, mask_of_purposes([TREAT, FAMILY])


def appointment(patient, holder, clock, **changes):
    """A delegate for forty days, for allergies and laboratory results, unless changed."""
    fresh = Freshness(changes.pop("generation", 0), changes.pop("era", 0), changes.pop("deadline", clock.soon()))
    terms = {
        "by": DELEGATE,
        "holder": getattr(holder, "address", holder),
        "scope": SCOPE,
        "purposes": FOR_TREATMENT,
        "threshold": 0,
        "expiry": clock.day(40),
    }
    return Appoint(patient.address, freshness=fresh, **terms | changes)


def delegated(grant):
    """The same grant, for the contract that takes it from delegates."""
    return DelegatedGrant(**vars(grant))


@pytest.fixture
def delegate(delegations, patient, stranger, clock):
    """Who was appointed: somebody who belongs to no member."""
    delegations.appoint(appointment(patient, stranger, clock).terms(), sender=patient)
    return stranger


@pytest.fixture
def granted(delegations, delegate, patient, doctor, clock):
    """What the delegate granted, running."""
    grant = a_grant(patient, doctor, clock, start=0, by=DELEGATE)
    delegations.grant(grant.terms(), sender=delegate)
    return grant


def explained(grants, grant):
    return grants.explain(grant.pseudonym, grant.reader, grant.scope, grant.purpose.number)


# -- appointing ------------------------------------------------------------------------------------------------------


def test_appoint__a_delegate(grants, delegations, way, patient, stranger, clock):
    receipt = way.do(appointment(patient, stranger, clock), by=patient)

    assert receipt.events == [
        grants.ParentSet(patient, DELEGATE, stranger, 1, clock.day(40)),
        delegations.MandateSet(patient, DELEGATE, SCOPE, FOR_TREATMENT, 0),
    ]
    assert grants.parentOf(patient, DELEGATE) == (stranger, 1, clock.day(40))
    assert delegations.mandateOf(patient, DELEGATE) == (SCOPE, FOR_TREATMENT, 0, 1, 0)


def test_appoint__for_every_purpose_and_class_there_is(delegations, way, patient, stranger, clock):
    every = mask_of_purposes(PURPOSES)

    way.do(appointment(patient, stranger, clock, scope=CLASSES, purposes=every), by=patient)

    assert every == 2**13 - 2
    assert delegations.mandateOf(patient, DELEGATE) == (CLASSES, every, 0, 1, 0)


def test_appoint__refuses_in_the_order_of_its_checks(grants, delegations, keys, way, patient, recovery, clock):
    keys.setFrozen(patient, True, sender=recovery)
    wrong = appointment(patient, ZERO, clock, by=0, scope=0, purposes=1)
    holder = patient.address

    with refused(delegations.Frozen, pseudonym=patient):
        way.attempt(wrong, by=patient)
    keys.setFrozen(patient, False, sender=recovery)
    with refused(delegations.WrongHolder, holder=ZERO, expiry=clock.day(40)):
        way.attempt(wrong, by=patient)
    with refused(delegations.WrongHolder, holder=holder, expiry=0):
        way.attempt(replace(wrong, holder=holder, expiry=0), by=patient)
    with refused(delegations.NoSuchPurposes, purposes=1):
        way.attempt(wrong := replace(wrong, holder=holder), by=patient)
    with refused(delegations.NoSuchPurposes, purposes=1 << 13):
        way.attempt(replace(wrong, purposes=1 << 13), by=patient) if not way.signed else delegations.appoint.call(
            replace(wrong, purposes=1 << 13).terms(), sender=patient
        )
    with refused(delegations.WrongScope, scope=0, known=CLASSES):
        way.attempt(wrong := replace(wrong, purposes=FOR_TREATMENT), by=patient)
    with refused(delegations.WrongScope, scope=SCOPE | REFERRAL, known=CLASSES):
        way.attempt(replace(wrong, scope=SCOPE | REFERRAL), by=patient)
    for by in (0, 0xFFFF):
        with refused(delegations.WrongParent, by=by, expiry=clock.day(40)):
            way.attempt(replace(wrong, scope=SCOPE, by=by), by=patient)


def test_appoint_by_sig__a_second_time(world, grants, sign, patient, stranger, relayer, clock):
    message = appointment(patient, stranger, clock)
    signature = sign(message, by=patient)
    world.send(message, signature, sender=relayer)

    with refused(world.delegations.WrongNonce, nonce=0, current=1):
        world.try_sending(message, signature, sender=relayer)


# -- granting --------------------------------------------------------------------------------------------------------


def test_grant__by_a_delegate(grants, delegations, delegate, patient, doctor, clock):
    grant = a_grant(patient, doctor, clock, start=0, by=DELEGATE)

    receipt = delegations.grant(grant.terms(), sender=delegate)

    assert receipt.events == [
        grants.Granted(patient, doctor, TREAT.number, grant.scope, 0, grant.expiry, DELEGATE),
    ]
    assert explained(grants, grant) == Refusal.NONE


def test_grant__by_a_delegates_signature(world, grants, sign, delegate, patient, doctor, relayer, clock):
    grant = delegated(a_grant(patient, doctor, clock, start=0, by=DELEGATE))

    world.send(grant, sign(grant, by=delegate), sender=relayer)

    assert explained(grants, grant) == Refusal.NONE
    with refused(world.delegations.WrongNonce, nonce=0, current=1):
        world.try_sending(grant, sign(grant, by=delegate), sender=relayer)


@pytest.mark.parametrize("who", ["patient", "doctor", "sibling"])
def test_grant__by_another_than_the_delegate(world, delegations, delegate, sign, people, patient, doctor, clock, who):
    grant = delegated(a_grant(patient, doctor, clock, by=DELEGATE))

    with refused(delegations.NotTheDelegate, sender=people[who], holder=delegate):
        delegations.grant.call(grant.terms(), sender=people[who])
    with refused(delegations.WrongSignature, signer=delegate):
        world.try_sending(grant, sign(grant, by=people[who]), sender=people[who])


def test_grant__what_a_delegate_signed_for_grants_itself(world, grants, sign, delegate, patient, doctor, clock):
    # given the same words, signed for the contract in which only the controller grants
    grant = a_grant(patient, doctor, clock, by=DELEGATE)

    with refused(grants.WrongSignature, signer=patient):
        world.try_sending(grant, sign(grant, by=delegate), sender=delegate)
    with refused(grants.WrongSignature, signer=patient):
        world.try_sending(grant, sign(delegated(grant), by=delegate), sender=delegate)


# property G6
@pytest.mark.parametrize("beyond", ["a class", "a purpose", "the right to refer", "time"])
def test_grant__beyond_the_mandate(grants, delegations, delegate, patient, doctor, clock, beyond):
    changes = {
        "a class": {"scope": SCOPE | MEDICATIONS},
        "a purpose": {"purpose": PAYMENT},
        "the right to refer": {"scope": SCOPE | REFERRAL},
        "time": {"expiry": clock.day(40) + HOUR},
    }[beyond]
    grant = a_grant(patient, doctor, clock, by=DELEGATE, **changes)
    asked = {"scope": grant.scope, "mandated": SCOPE, "purpose": grant.purpose.number, "purposes": FOR_TREATMENT}

    if beyond == "time":
        with refused(delegations.WrongParent, by=DELEGATE, expiry=clock.day(40)):
            delegations.grant.call(grant.terms(), sender=delegate)
        return
    with refused(delegations.BeyondMandate, **asked):
        delegations.grant.call(grant.terms(), sender=delegate)


@pytest.mark.parametrize("by", [0, DELEGATE + 1, 0xFFFF])
def test_grant__under_another_number(delegations, delegate, patient, doctor, clock, by):
    with refused(delegations.NotTheDelegate, sender=delegate, holder=ZERO):
        delegations.grant.call(a_grant(patient, doctor, clock, by=by).terms(), sender=delegate)


# property G7
def test_grant__in_the_place_of_what_the_patient_granted(grants, give, delegations, delegate, patient, doctor, clock):
    give(patient, doctor, start=0)

    with pytest.raises(ContractLogicError, match=keccak(text="Occupied(address,uint16)")[:4].hex()):
        delegations.grant.call(a_grant(patient, doctor, clock, by=DELEGATE).terms(), sender=delegate)
    clock.travel(to=clock.day(30))
    later = a_grant(patient, doctor, clock, by=DELEGATE, start=0, expiry=clock.day(39))
    delegations.grant(later.terms(), sender=delegate)
    assert explained(grants, later) == Refusal.NONE


def test_grant__of_another_pseudonym(delegations, delegate, sibling, doctor, clock):
    with refused(delegations.NotTheDelegate, sender=delegate, holder=ZERO):
        delegations.grant.call(a_grant(sibling, doctor, clock, by=DELEGATE).terms(), sender=delegate)


@pytest.mark.parametrize("ended", ["ended", "run out", "era raised", "given to another", "a parent without a mandate"])
def test_grant__once_the_delegate_ended(grants, delegations, keys, patient, delegate, doctor, nurse, clock, ended):
    match ended:
        case "ended":
            grants.setParent(patient, DELEGATE, ZERO, 0, sender=patient)
        case "run out":
            clock.travel(to=clock.day(40))
        case "era raised":
            keys.raiseEra(patient, sender=patient)
        case "given to another":
            terms = appointment(patient, nurse, clock).terms()
            delegations.appoint(terms, sender=patient)
        case "a parent without a mandate":
            grants.setParent(patient, DELEGATE, delegate, clock.day(40), sender=patient)
    grant = a_grant(patient, doctor, clock, start=0, by=DELEGATE, expiry=clock.day(45))
    holder = nurse if ended == "given to another" else ZERO

    with refused(delegations.NotTheDelegate, sender=delegate, holder=holder):
        delegations.grant.call(grant.terms(), sender=delegate)


def test_grant__while_a_recovery_is_pending(
    delegations, keys, granted, delegate, patient, doctor, nurse, recovery, clock
):
    keys.setFrozen(patient, True, sender=recovery)

    with refused(delegations.Frozen, pseudonym=patient):
        delegations.grant.call(a_grant(patient, nurse, clock, by=DELEGATE).terms(), sender=delegate)
    with refused(delegations.Frozen, pseudonym=patient):
        delegations.narrow.call(patient, doctor, TREAT.number, ALLERGIES, clock.day(2), sender=delegate)
    delegations.revoke(patient, doctor, TREAT.number, sender=delegate)


# property G6
def test_delegate__appoints_nobody_and_refers_nothing(grants, delegations, granted, delegate, patient, nurse, clock):
    with refused(delegations.NotTheController, sender=delegate, controller=patient):
        delegations.appoint.call(appointment(patient, nurse, clock, by=8).terms(), sender=delegate)
    with refused(grants.NotTheController, sender=delegate, controller=patient):
        grants.setParent.call(patient, DELEGATE, nurse, clock.day(80), sender=delegate)
    with refused(grants.NotTheReader, sender=delegate, reader=granted.reader):
        grants.refer.call(a_grant(patient, nurse, clock).terms(), granted.reader, sender=delegate)


# -- narrowing and ending --------------------------------------------------------------------------------------------


def test_narrow_and_revoke__by_the_delegate(grants, delegations, granted, delegate, patient, doctor, clock):
    receipt = delegations.narrow(patient, doctor, TREAT.number, ALLERGIES, clock.day(9), sender=delegate)
    assert receipt.events == [grants.Narrowed(patient, doctor, TREAT.number, ALLERGIES, clock.day(9))]

    receipt = delegations.revoke(patient, doctor, TREAT.number, sender=delegate)
    assert receipt.events == [grants.Revoked(patient, doctor, TREAT.number)]
    assert explained(grants, granted) == Refusal.NO_GRANT


def test_narrow_and_revoke__by_the_delegates_signature(
    world, grants, sign, granted, delegate, patient, doctor, relayer, clock
):
    fresh = Freshness(1, 0, clock.soon())
    narrow = DelegatedNarrow(patient.address, doctor.address, TREAT, ALLERGIES, clock.day(9), fresh)
    world.send(narrow, sign(narrow, by=delegate), sender=relayer)
    revoke = DelegatedRevoke(patient.address, doctor.address, TREAT, replace(fresh, nonce=2))
    world.send(revoke, sign(revoke, by=delegate), sender=relayer)

    assert explained(grants, granted) == Refusal.NO_GRANT


def test_narrow_and_revoke__what_the_patient_granted(give, delegations, delegate, patient, doctor, clock):
    give(patient, doctor, start=0)

    with refused(delegations.NotTheDelegate, sender=delegate, holder=ZERO):
        delegations.narrow.call(patient, doctor, TREAT.number, ALLERGIES, clock.day(9), sender=delegate)
    with refused(delegations.NotTheDelegate, sender=delegate, holder=ZERO):
        delegations.revoke.call(patient, doctor, TREAT.number, sender=delegate)


def test_delegates_end__ends_what_it_granted(grants, granted, patient):
    grants.setParent(patient, DELEGATE, ZERO, 0, sender=patient)

    assert explained(grants, granted) == Refusal.PARENT_ENDED


def test_patient__revokes_what_a_delegate_granted(grants, granted, patient, doctor):
    grants.revoke(patient, doctor, TREAT.number, sender=patient)

    assert explained(grants, granted) == Refusal.NO_GRANT


@pytest.mark.parametrize("function", ["setParentFor", "grantFor", "narrowFor", "revokeFor"])
def test_grants__for_others__only_through_delegations(grants, delegations, delegate, patient, doctor, clock, function):
    terms = a_grant(patient, doctor, clock, by=DELEGATE).terms()
    arguments = {
        "setParentFor": (patient, DELEGATE, doctor, clock.day(4)),
        "grantFor": (terms, 0),
        "narrowFor": (terms, 0),
        "revokeFor": (patient, doctor, TREAT.number),
    }[function]

    for sender in (delegate, patient, doctor):
        with refused(grants.NotDelegations, sender=sender, delegations=delegations):
            getattr(grants, function).call(*arguments, sender=sender)


# -- quorums ---------------------------------------------------------------------------------------------------------


KEYS = [Account.from_key(bytes([number]) * 32) for number in (1, 2, 3)]


@pytest.fixture
def quorum(delegations, patient, clock):
    """Two of three relatives."""
    quorum = Quorum(patient.address, b"\x05" * 32, tuple(key.address for key in KEYS), 2)
    terms = appointment(patient, quorum.holder, clock, threshold=2).terms()
    delegations.appoint(terms, sender=patient)
    return quorum


def signed_by(world, message, *keys):
    signable = message.signable(domain_of(world.delegations))
    return {key.address: bytes(key.sign_message(signable).signature) for key in keys}


def test_quorum__enough_of_it(world, grants, quorum, patient, doctor, relayer, clock):
    grant = delegated(a_grant(patient, doctor, clock, start=0, by=DELEGATE))
    for pair in (KEYS[:2], KEYS[1:], KEYS):
        world.try_sending(grant, quorum.proof(signed_by(world, grant, *pair)), sender=relayer)

    world.send(grant, quorum.proof(signed_by(world, grant, KEYS[0], KEYS[2])), sender=relayer)

    assert explained(grants, grant) == Refusal.NONE


# property G8
@pytest.mark.parametrize("fault", ["one", "one twice", "another salt", "another list", "a stranger", "not ascending"])
def test_quorum__not_enough_of_it(world, delegations, quorum, patient, doctor, relayer, clock, fault):
    grant = delegated(a_grant(patient, doctor, clock, by=DELEGATE))
    first, second, _ = KEYS
    signatures = signed_by(world, grant, first, second)
    stranger = Account.from_key(b"\x09" * 32)
    tried = quorum
    match fault:
        case "one":
            signatures = signed_by(world, grant, first)
        case "one twice":
            signatures = {first.address: signatures[first.address], second.address: signatures[first.address]}
        case "another salt":
            tried = replace(quorum, salt=NOTHING)
        case "another list":
            tried = replace(quorum, members=(first.address, second.address))
        case "a stranger":
            signatures = signed_by(world, grant, first) | {
                second.address: signed_by(world, grant, stranger)[stranger.address]
            }
        case "not ascending":
            object.__setattr__(tried, "members", tuple(reversed(quorum.members)))

    with refused(delegations.WrongSignature, signer=grants_holder(quorum, fault, patient)):
        world.try_sending(grant, tried.proof(signatures), sender=relayer)


def grants_holder(quorum, fault, patient):
    """Who should have signed: the commitment that the chain has."""
    return Quorum(patient.address, b"\x05" * 32, tuple(key.address for key in KEYS), 2).holder


# property G8
def test_quorum__with_a_member_who_stands_in_it_twice(world, delegations, patient, doctor, relayer, clock):
    # given a group that was made to have one relative count as two
    key = KEYS[0]
    quorum = Quorum(patient.address, b"\x05" * 32, (key.address, KEYS[1].address), 2)
    object.__setattr__(quorum, "members", (key.address, key.address))
    terms = appointment(patient, quorum.holder, clock, threshold=2).terms()
    delegations.appoint(terms, sender=patient)
    grant = delegated(a_grant(patient, doctor, clock, by=DELEGATE))

    with refused(delegations.WrongSignature, signer=quorum.holder):
        world.try_sending(grant, quorum.proof(signed_by(world, grant, key)), sender=relayer)


# property G8
def test_quorum__a_member_alone(world, delegations, quorum, patient, doctor, relayer, clock):
    grant = delegated(a_grant(patient, doctor, clock, by=DELEGATE))
    [signature] = signed_by(world, grant, KEYS[0]).values()

    with refused(delegations.WrongSignature, signer=quorum.holder):
        world.try_sending(grant, signature, sender=relayer)


@pytest.mark.parametrize("proof", [b"", b"\xff" * 32, b"\x00" * 31 + b"\x20", bytes(640)])
def test_quorum__what_is_no_proof(world, quorum, patient, doctor, relayer, clock, proof):
    grant = delegated(a_grant(patient, doctor, clock, by=DELEGATE))

    with pytest.raises(ContractLogicError):
        world.try_sending(grant, proof, sender=relayer)


# property G11
def test_quorum__of_another_pseudonym(quorum, sibling):
    # given the same group and salt under another pseudonym
    other = replace(quorum, pseudonym=sibling.address)

    assert other.holder != quorum.holder

"""Referrals: a reader passes its grant on, one hop, within what it has, until anything changes it."""

import pytest
from contracts_world import HOUR, ZERO, refused
from grants_terms import ALLERGIES, FAMILY, LABORATORY, MEDICATIONS, PAYMENT, REFERRAL, TREAT, Refusal, a_grant

from theriac.health.delegations import REFERRED, mask_of_purposes
from theriac.health.messages import member_address

PROGRAMME = 9


@pytest.fixture
def referable(give, patient, doctor):
    """What the doctor may pass on, running."""
    return give(patient, doctor, start=0, scope=ALLERGIES | LABORATORY | REFERRAL)


@pytest.fixture
def referred(grants, referable, patient, doctor, colleague, clock):
    """The doctor's referral to a colleague at the clinic."""
    terms = a_grant(patient, colleague, clock, start=0, scope=LABORATORY, expiry=clock.day(10))
    grants.refer(terms.terms(), doctor, sender=doctor)
    return terms


def explained(grants, grant):
    """Which rule refuses what was granted; `allowed` must agree."""
    asked = (grant.pseudonym, grant.reader, grant.scope, grant.purpose.number)
    refusal = grants.explain(*asked)
    assert grants.allowed(*asked) == (refusal == Refusal.NONE)
    return refusal


def test_refer__passes_a_grant_on(grants, referable, patient, doctor, colleague, clock):
    terms = a_grant(patient, colleague, clock, start=0, scope=LABORATORY, expiry=clock.day(10))

    receipt = grants.refer(terms.terms(), doctor, sender=doctor)

    assert receipt.events == [
        grants.Granted(patient, colleague, TREAT.number, LABORATORY, 0, clock.day(10), REFERRED),
        grants.Referred(patient, colleague, doctor, TREAT.number, doctor),
    ]
    assert explained(grants, terms) == Refusal.NONE
    assert grants.referrerOf(patient, colleague, TREAT.number) == doctor
    kept = grants.grantOf(patient, colleague, TREAT.number)
    assert (kept.by, kept.generation) == (REFERRED, grants.grantOf(patient, doctor, TREAT.number).nonce)


def test_refer__by_a_clinician_of_the_member_that_was_granted(grants, give, patient, nurse, colleague, members, clock):
    give(patient, members.hospital, start=0, scope=LABORATORY | REFERRAL)
    terms = a_grant(patient, members.clinic, clock, start=0, scope=LABORATORY, expiry=clock.day(10))

    grants.refer(terms.terms(), member_address(members.hospital), sender=nurse)

    assert grants.allowed(patient, colleague, LABORATORY, TREAT.number)


# property G5
@pytest.mark.parametrize("who", ["patient", "stranger", "technician", "clerk", "colleague", "nurse", "adjuster"])
def test_refer__by_somebody_else(grants, referable, people, patient, doctor, clock, who, members):
    terms = a_grant(patient, members.clinic, clock, start=0, scope=LABORATORY)

    with refused(grants.NotTheReader, sender=people[who], reader=doctor):
        grants.refer.call(terms.terms(), doctor, sender=people[who])


@pytest.mark.parametrize("who", ["technician", "clerk", "colleague"])
def test_refer__for_the_member_by_who_is_no_clinician_of_it(grants, give, people, patient, members, clock, who):
    give(patient, members.hospital, start=0, scope=LABORATORY | REFERRAL)
    from_ = member_address(members.hospital)
    terms = a_grant(patient, members.clinic, clock, start=0, scope=LABORATORY)

    with refused(grants.NotTheReader, sender=people[who], reader=from_):
        grants.refer.call(terms.terms(), from_, sender=people[who])


# property G5
def test_refer__by_who_lost_its_standing(
    grants, consortium, referable, board, patient, doctor, colleague, members, clock
):
    consortium.suspend(members.hospital, 0, sender=board)

    with refused(grants.NotTheReader, sender=doctor, reader=doctor):
        grants.refer.call(a_grant(patient, colleague, clock, scope=LABORATORY).terms(), doctor, sender=doctor)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"scope": LABORATORY | MEDICATIONS}, Refusal.OUT_OF_SCOPE),
        ({"scope": MEDICATIONS}, Refusal.OUT_OF_SCOPE),
    ],
)
def test_refer__wider(grants, referable, patient, doctor, colleague, clock, changes, refusal):
    with refused(grants.MayNotRefer, **{"from": doctor, "refusal": refusal}):
        grants.refer.call(a_grant(patient, colleague, clock, **changes).terms(), doctor, sender=doctor)


def test_refer__longer_or_again(grants, referable, patient, doctor, colleague, clock):
    mine = {"granted": referable.scope, "grantedUntil": clock.day(30)}
    for scope, expiry in ((LABORATORY, clock.day(30) + HOUR), (LABORATORY | REFERRAL, clock.day(30))):
        with refused(grants.Wider, scope=scope, expiry=expiry, **mine):
            terms = a_grant(patient, colleague, clock, scope=scope, expiry=expiry)
            grants.refer.call(terms.terms(), doctor, sender=doctor)


# property G5
def test_refer__what_was_not_marked_for_it(grants, give, patient, doctor, colleague, clock):
    give(patient, doctor, start=0, scope=LABORATORY)

    with refused(grants.MayNotRefer, **{"from": doctor, "refusal": Refusal.OUT_OF_SCOPE}):
        grants.refer.call(a_grant(patient, colleague, clock, scope=LABORATORY).terms(), doctor, sender=doctor)


def test_refer__a_referral(grants, referred, patient, colleague, nurse, clock):
    with refused(grants.MayNotRefer, **{"from": colleague, "refusal": Refusal.OUT_OF_SCOPE}):
        terms = a_grant(patient, nurse, clock, scope=LABORATORY, expiry=clock.day(9))
        grants.refer.call(terms.terms(), colleague, sender=colleague)


@pytest.mark.parametrize("purpose", [PAYMENT, FAMILY])
def test_refer__for_what_nobody_refers(grants, patient, doctor, colleague, clock, purpose):
    with refused(grants.NoSuchPurpose, purpose=purpose.number):
        terms = a_grant(patient, colleague, clock, scope=LABORATORY, purpose=purpose)
        grants.refer.call(terms.terms(), doctor, sender=doctor)


def test_refer__to_nobody_or_to_who_has_it(grants, referable, patient, doctor, clock):
    for reader in (ZERO, patient.address, doctor.address):
        with refused(grants.WrongReader, reader=reader):
            grants.refer.call(a_grant(patient, reader, clock, scope=LABORATORY).terms(), doctor, sender=doctor)


def test_refer__under_a_number_or_with_a_wrong_window(grants, referable, patient, doctor, colleague, clock):
    def attempt(**changes):
        terms = a_grant(patient, colleague, clock, scope=LABORATORY, **changes)
        grants.refer.call(terms.terms(), doctor, sender=doctor)

    with refused(grants.WrongParent, by=7, expiry=clock.day(30)):
        attempt(by=7)
    with refused(grants.NotAFullHour, time=clock.hour(2) + 1):
        attempt(expiry=clock.hour(2) + 1)
    with refused(grants.NotAFullHour, time=clock.hour(2) + 1):
        attempt(start=clock.hour(2) + 1)
    with refused(grants.WrongWindow, start=clock.hour(3), expiry=clock.hour(3)):
        attempt(start=clock.hour(3), expiry=clock.hour(3))
    with refused(grants.WrongScope, scope=0, known=KNOWN):
        terms = a_grant(patient, colleague, clock, scope=0)
        grants.refer.call(terms.terms(), doctor, sender=doctor)


KNOWN = (1 << 17) - 1 | 0b1111 << 60


def test_refer__while_a_recovery_is_pending(grants, keys, referable, patient, recovery, doctor, colleague, clock):
    keys.setFrozen(patient, True, sender=recovery)

    with refused(grants.Frozen, pseudonym=patient):
        grants.refer.call(a_grant(patient, colleague, clock, scope=LABORATORY).terms(), doctor, sender=doctor)


# -- in whose place --------------------------------------------------------------------------------------------------


# property G7
def test_refer__in_the_place_of_what_the_patient_granted(grants, give, referable, patient, doctor, colleague, clock):
    give(patient, colleague, start=0)

    with refused(grants.Occupied, reader=colleague, by=0):
        grants.refer.call(a_grant(patient, colleague, clock, scope=LABORATORY).terms(), doctor, sender=doctor)


def test_refer__in_the_place_of_what_ends__from_the_second_of_its_end(
    grants, give, referable, patient, doctor, colleague, clock
):
    give(patient, colleague, start=0, expiry=clock.hour(2))
    terms = a_grant(patient, colleague, clock, start=0, scope=LABORATORY, expiry=clock.day(10)).terms()

    clock.travel(clock.hour(2) - 1)
    with refused(grants.Occupied, reader=colleague, by=0):
        grants.refer.call(terms, doctor, sender=doctor)
    clock.travel(clock.hour(2))
    grants.refer.call(terms, doctor, sender=doctor)


# property G7
def test_refer__again_after_the_patient_revoked_it(grants, referred, patient, doctor, colleague):
    grants.revoke(patient, colleague, TREAT.number, sender=patient)
    assert explained(grants, referred) == Refusal.NO_GRANT

    with refused(grants.Occupied, reader=colleague, by=0):
        grants.refer.call(referred.terms(), doctor, sender=doctor)


# property G7
def test_refer__in_the_place_of_anothers_referral(grants, give, referred, patient, nurse, colleague, clock):
    give(patient, nurse, start=0, scope=LABORATORY | REFERRAL)

    with refused(grants.Occupied, reader=colleague, by=REFERRED):
        grants.refer.call(a_grant(patient, colleague, clock, scope=LABORATORY).terms(), nurse, sender=nurse)


def test_refer__again_by_the_same__replaces_it(grants, referred, patient, doctor, colleague, clock):
    shorter = a_grant(patient, colleague, clock, start=0, scope=LABORATORY, expiry=clock.day(5))

    grants.refer(shorter.terms(), doctor, sender=doctor)

    assert grants.grantOf(patient, colleague, TREAT.number).expiry == clock.day(5)


# -- what ends it ----------------------------------------------------------------------------------------------------


# property G4
@pytest.mark.parametrize(
    "change", ["revoked", "narrowed", "replaced by the same", "expired", "era raised", "withdrawn", "revoked alone"]
)
def test_referral__ends_with(grants, keys, referred, give, patient, doctor, colleague, clock, change):
    expected = Refusal.PARENT_ENDED
    assert explained(grants, referred) == Refusal.NONE
    match change:
        case "revoked":
            grants.revoke(patient, doctor, TREAT.number, sender=patient)
        case "narrowed":
            terms = (patient, doctor, TREAT.number, LABORATORY | REFERRAL, clock.day(30))
            grants.narrow(*terms, sender=patient)
        case "replaced by the same":
            give(patient, doctor, start=0, scope=ALLERGIES | LABORATORY | REFERRAL)
        case "expired":
            clock.travel(to=clock.day(10))
            expected = Refusal.EXPIRED
        case "era raised":
            keys.raiseEra(patient, sender=patient)
            expected = Refusal.ERA_RAISED
        case "withdrawn":
            receipt = grants.withdraw(patient, colleague, TREAT.number, sender=doctor)
            assert receipt.events == [grants.Revoked(patient, colleague, TREAT.number)]
            expected = Refusal.EXPIRED
        case "revoked alone":
            grants.revoke(patient, colleague, TREAT.number, sender=patient)
            expected = Refusal.NO_GRANT

    assert explained(grants, referred) == expected
    if change in ("withdrawn", "revoked alone"):
        assert grants.allowed(patient, doctor, LABORATORY, TREAT.number)


def test_referral__ends_with_the_programme_of_its_parent(grants, give, patient, doctor, colleague, clock):
    # given a grant to a programme's team, which may refer
    grants.setParent(patient, PROGRAMME, "0x" + "77" * 20, clock.day(60), sender=patient)
    give(patient, doctor, start=0, scope=LABORATORY | REFERRAL, by=PROGRAMME)
    terms = a_grant(patient, colleague, clock, start=0, scope=LABORATORY, expiry=clock.day(10))
    grants.refer(terms.terms(), doctor, sender=doctor)
    assert explained(grants, terms) == Refusal.NONE

    grants.setParent(patient, PROGRAMME, ZERO, 0, sender=patient)

    assert explained(grants, terms) == Refusal.PARENT_ENDED


def test_referral__of_what_a_delegate_granted(grants, delegations, patient, stranger, doctor, colleague, clock):
    # given a delegate's grant, which no mandate lets be referred on
    mandate = (patient, 7, stranger, LABORATORY, mask_of_purposes([TREAT]), 0, clock.day(40))
    delegations.appoint(mandate, sender=patient)
    terms = a_grant(patient, doctor, clock, start=0, scope=LABORATORY, by=7)
    delegations.grant(terms.terms(), sender=stranger)

    with refused(grants.MayNotRefer, **{"from": doctor, "refusal": Refusal.OUT_OF_SCOPE}):
        grants.refer.call(a_grant(patient, colleague, clock, scope=LABORATORY).terms(), doctor, sender=doctor)


@pytest.mark.parametrize("who", ["patient", "colleague", "nurse", "stranger"])
def test_withdraw__by_somebody_else(grants, referred, people, patient, doctor, colleague, who):
    with refused(grants.NotTheReader, sender=people[who], reader=doctor):
        grants.withdraw.call(patient, colleague, TREAT.number, sender=people[who])


def test_withdraw__what_is_no_referral(grants, give, patient, doctor, colleague):
    give(patient, colleague, start=0)

    with refused(grants.NotGranted, pseudonym=patient, reader=colleague, purpose=TREAT.number):
        grants.withdraw.call(patient, colleague, TREAT.number, sender=doctor)


def test_withdraw__then_refer_again(grants, referred, patient, doctor, colleague):
    grants.withdraw(patient, colleague, TREAT.number, sender=doctor)

    grants.refer(referred.terms(), doctor, sender=doctor)

    assert explained(grants, referred) == Refusal.NONE


def test_set_parent__with_the_number_of_referrals(grants, patient, stranger, clock):
    with refused(grants.WrongParent, by=REFERRED, expiry=clock.day(1)):
        grants.setParent.call(patient, REFERRED, stranger, clock.day(1), sender=patient)


def test_grant__under_the_number_of_referrals(grants, patient, doctor, clock):
    with refused(grants.WrongParent, by=REFERRED, expiry=0):
        grants.grant.call(a_grant(patient, doctor, clock, by=REFERRED).terms(), sender=patient)

"""Emergencies: the patient or an auditor of another member closes a case; a sanction bars until its day or a pardon."""

import pytest
from contracts_world import DAY, MEMBERS, digest, refused

from theriac.health.messages import JUSTIFIED, SANCTIONED, Review

CANNOT_BE_ASKED, OPEN, WITHDRAWN = 1, 1, 2
PATIENTS_OWN, BY_PATIENT, BY_AUDITOR = 3 * DAY, 30 * DAY, 365 * DAY
WORDS = digest("words")


@pytest.fixture
def bar(clock):
    """Until when a sanction of ten days bars."""
    return clock.now + 10 * DAY


def message(number, patient, clock, *, verdict=JUSTIFIED, until=0):
    return Review(patient.address, number, verdict, until, 0, clock.soon())


def test_review__by_the_patient__justified(emergencies, way, opened, patient, published, doctor, clock):
    receipt = way.do(message(opened, patient, clock), by=patient)

    assert receipt.events == [emergencies.Reviewed(opened, doctor, JUSTIFIED, 0, patient, 0)]
    emergencies.open(published, 1, CANNOT_BE_ASKED, WORDS, sender=doctor)


def test_review__by_the_patient__sanctioned(emergencies, way, opened, patient, published, doctor, clock, bar):
    receipt = way.do(message(opened, patient, clock, verdict=SANCTIONED, until=bar), by=patient)

    assert receipt.events == [emergencies.Reviewed(opened, doctor, SANCTIONED, bar, patient, 0)]
    with refused(emergencies.Barred, clinician=doctor, until=bar):
        emergencies.open.call(published, 1, CANNOT_BE_ASKED, WORDS, sender=doctor)
    clock.travel(to=bar)
    emergencies.open(published, 1, CANNOT_BE_ASKED, WORDS, sender=doctor)


def test_review__by_the_wallet_that_the_pseudonym_was_handed_to(
    emergencies, keys, opened, patient, new_phone, recovery, clock
):
    keys.recover(patient, new_phone, sender=recovery)

    emergencies.review(opened, JUSTIFIED, 0, sender=new_phone)
    assert emergencies.caseOf(opened).status == JUSTIFIED


def test_review__by_the_patient__long_after_it_lapsed(emergencies, opened, patient, clock, doctor):
    clock.travel(to=clock.day(60))
    until = clock.now + 5 * DAY

    emergencies.review(opened, SANCTIONED, until, sender=patient)

    assert emergencies.conductOf(doctor).barredUntil == until


# property E9
def test_review__by_an_auditor__after_the_patients_days(emergencies, opened, auditor, doctor, clock):
    opens = emergencies.caseOf(opened).opened + PATIENTS_OWN
    clock.travel(to=opens - 1)
    with refused(emergencies.TooEarly, number=opened, **{"from": opens}):
        emergencies.review.call(opened, JUSTIFIED, 0, sender=auditor)
    clock.travel(to=opens)

    receipt = emergencies.review(opened, SANCTIONED, opens + 300 * DAY, sender=auditor)

    expected = emergencies.Reviewed(opened, doctor, SANCTIONED, opens + 300 * DAY, auditor, MEMBERS.authority)
    assert receipt.events == [expected]


# property E9
def test_review__by_an_auditor_of_the_same_member(emergencies, opened, house_auditor, clock):
    clock.travel(to=clock.day(5))

    with refused(emergencies.OwnMember, number=opened, member=MEMBERS.hospital):
        emergencies.review.call(opened, JUSTIFIED, 0, sender=house_auditor)


# property E9
def test_review__by_who_may_not(emergencies, opened, doctor, hospital, stranger, auditor, clock):
    clock.travel(to=clock.day(5))

    for sender in (doctor, hospital, stranger):
        with refused(emergencies.NotAReviewer, sender=sender):
            emergencies.review.call(opened, JUSTIFIED, 0, sender=sender)
    with refused(emergencies.WrongStatus, number=9, status=0):
        emergencies.review.call(9, JUSTIFIED, 0, sender=auditor)


def test_review__while_a_recovery_is_pending(emergencies, keys, sign, world, opened, patient, recovery, relayer, clock):
    keys.setFrozen(patient, True, sender=recovery)
    signed = message(opened, patient, clock)

    with refused(emergencies.Frozen, pseudonym=patient):
        emergencies.review.call(opened, JUSTIFIED, 0, sender=patient)
    with refused(emergencies.Frozen, pseudonym=patient):
        emergencies.reviewBySig.call(*signed.arguments(sign(signed, by=patient)), sender=relayer)


@pytest.mark.parametrize("verdict", [OPEN, WITHDRAWN])
def test_review__what_is_no_verdict(emergencies, opened, patient, verdict):
    with refused(emergencies.WrongVerdict, verdict=verdict):
        emergencies.review.call(opened, verdict, 0, sender=patient)


def test_review__a_bar_that_cannot_be(emergencies, opened, patient, auditor, clock):
    now = clock.now

    with refused(emergencies.WrongBar, barredUntil=now + DAY, latest=0):
        emergencies.review.call(opened, JUSTIFIED, now + DAY, sender=patient)
    for until in (0, now, now + BY_PATIENT + 1):
        with refused(emergencies.WrongBar, barredUntil=until, latest=now + BY_PATIENT):
            emergencies.review.call(opened, SANCTIONED, until, sender=patient)
    clock.travel(to=clock.day(5))
    latest = clock.now + BY_AUDITOR
    with refused(emergencies.WrongBar, barredUntil=latest + 1, latest=latest):
        emergencies.review.call(opened, SANCTIONED, latest + 1, sender=auditor)


# property E9
def test_review__twice(emergencies, opened, patient, bar):
    emergencies.review(opened, JUSTIFIED, 0, sender=patient)

    with refused(emergencies.WrongStatus, number=opened, status=JUSTIFIED):
        emergencies.review.call(opened, SANCTIONED, bar, sender=patient)


def test_review__a_later_sanction_shortens_no_bar(emergencies, published, opened, patient, doctor, clock, bar):
    # given two cases, of which the first had lapsed
    clock.travel(to=clock.day(20))
    emergencies.open(published, 1, CANNOT_BE_ASKED, WORDS, sender=doctor)
    late, soon = clock.now + 20 * DAY, clock.now + DAY

    # when
    emergencies.review(opened + 1, SANCTIONED, late, sender=patient)
    emergencies.review(opened, SANCTIONED, soon, sender=patient)

    # then
    assert emergencies.conductOf(doctor).barredUntil == late


def test_review_by_sig__of_another_pseudonyms_case(emergencies, sign, opened, patient, sibling, relayer, clock):
    foreign = message(opened, sibling, clock)

    with refused(emergencies.WrongPseudonym, number=opened, pseudonym=patient):
        emergencies.reviewBySig.call(*foreign.arguments(sign(foreign, by=sibling)), sender=relayer)


def test_clear__by_the_board(emergencies, published, opened, patient, doctor, board, stranger, bar):
    emergencies.review(opened, SANCTIONED, bar, sender=patient)
    with refused(emergencies.NotTheBoard, sender=stranger, board=board):
        emergencies.clear.call(doctor, sender=stranger)

    receipt = emergencies.clear(doctor, sender=board)

    assert receipt.events == [emergencies.Cleared(doctor)]
    emergencies.open(published, 1, CANNOT_BE_ASKED, WORDS, sender=doctor)

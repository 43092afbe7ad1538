"""Emergencies: a clinician states one, custodians release, and how long all of that counts."""

import pytest
from contracts_world import DAY, HOUR, MEMBERS, NOTHING, digest, refused

from theriac.health.messages import JUSTIFIED

CANNOT_BE_ASKED, NO_REASON = 1, 0
WINDOW, LAPSE, RATE = 24 * HOUR, 14 * DAY, 3
WORDS, SHARE = digest("words"), digest("share")
LAB, VERY_RESTRICTED, SINGLE = 1 << 4, 1 << 61, 1 << 62
NONE, EMPTY, NO_CASE, CLOSED, NO_STANDING, ERA_RAISED, WINDOW_OVER, OUT_OF_SCOPE = range(8)


# -- opening ---------------------------------------------------------------------------------------------------------


def test_open__tells_who_for_whom_and_why(emergencies, published, doctor, clock):
    receipt = emergencies.open(published, 1, CANNOT_BE_ASKED, WORDS, sender=doctor)

    case = emergencies.caseOf(1)
    assert receipt.events == [emergencies.Opened(1, published, doctor, MEMBERS.hospital, 1, CANNOT_BE_ASKED, WORDS)]
    assert (case.clinician, case.member, case.status, case.reason) == (doctor, MEMBERS.hospital, 1, CANNOT_BE_ASKED)
    assert (case.pseudonym, case.version, case.era, case.releases) == (published, 1, 0, 0)
    assert case.opened == clock.now


def test_open__refuses_in_the_order_of_its_checks(emergencies, published, doctor, stranger):
    call = emergencies.open.call

    with refused(emergencies.NotAClinician, sender=stranger):
        call(published, 9, NO_REASON, NOTHING, sender=stranger)
    with refused(emergencies.NoReason):
        call(published, 9, NO_REASON, NOTHING, sender=doctor)
    with refused(emergencies.NoDigest):
        call(published, 9, CANNOT_BE_ASKED, NOTHING, sender=doctor)
    with refused(emergencies.StaleVersion, pseudonym=published, version=9, current=1):
        call(published, 9, CANNOT_BE_ASKED, WORDS, sender=doctor)
    with refused(emergencies.StaleVersion, pseudonym=stranger, version=0, current=0):
        call(stranger, 0, CANNOT_BE_ASKED, WORDS, sender=doctor)


@pytest.mark.parametrize("after", [0, LAPSE - 1])
def test_open__while_the_latest_waits_for_its_review(emergencies, published, opened, doctor, clock, after):
    lapses = emergencies.caseOf(opened).opened + LAPSE
    if after:
        clock.travel(to=lapses - 1)

    with refused(emergencies.Unreviewed, number=opened, lapses=lapses):
        emergencies.open.call(published, 1, CANNOT_BE_ASKED, WORDS, sender=doctor)


# property E10
def test_open__once_the_latest_has_lapsed(emergencies, published, opened, doctor, clock):
    clock.travel(to=emergencies.caseOf(opened).opened + LAPSE)

    emergencies.open(published, 1, CANNOT_BE_ASKED, WORDS, sender=doctor)

    assert emergencies.conductOf(doctor).latest == opened + 1


def test_open__more_than_a_day_allows__though_all_were_justified(emergencies, published, patient, doctor, clock):
    # given three that were reviewed at once
    for number in range(1, RATE + 1):
        emergencies.open(published, 1, CANNOT_BE_ASKED, WORDS, sender=doctor)
        emergencies.review(number, JUSTIFIED, 0, sender=patient)
    begun = emergencies.conductOf(doctor).since

    # when, then
    with refused(emergencies.TooMany, opened=RATE, until=begun + DAY):
        emergencies.open.call(published, 1, CANNOT_BE_ASKED, WORDS, sender=doctor)
    clock.travel(to=begun + DAY)
    emergencies.open(published, 1, CANNOT_BE_ASKED, WORDS, sender=doctor)


def test_open__by_a_colleague__is_another_case(emergencies, published, opened, colleague):
    receipt = emergencies.open(published, 1, CANNOT_BE_ASKED, WORDS, sender=colleague)

    assert [event.number for event in receipt.events] == [opened + 1]


def test_open__while_a_recovery_is_pending(emergencies, keys, published, doctor, recovery):
    keys.setFrozen(published, True, sender=recovery)

    emergencies.open(published, 1, CANNOT_BE_ASKED, WORDS, sender=doctor)


# -- releasing -------------------------------------------------------------------------------------------------------


def test_release__tells_and_counts(emergencies, opened, keeper):
    receipt = emergencies.release(opened, SHARE, sender=keeper)

    assert receipt.events == [emergencies.Released(opened, 5, keeper, SHARE)]
    assert (emergencies.caseOf(opened).releases, emergencies.isReleased(opened, 5)) == (1, True)


# property E7
def test_release__refuses_in_the_order_of_its_checks(
    emergencies, keys, consortium, board, published, opened, keeper, stranger, clock
):
    call = emergencies.release.call

    with refused(emergencies.NotACustodian, sender=stranger):
        call(9, NOTHING, sender=stranger)
    with refused(emergencies.NoDigest):
        call(9, NOTHING, sender=keeper)
    with refused(emergencies.WrongStatus, number=9, status=0):
        call(9, SHARE, sender=keeper)
    consortium.suspend(MEMBERS.hospital, 0, sender=board)
    with refused(emergencies.NoStanding, clinician=emergencies.caseOf(opened).clinician, member=MEMBERS.hospital):
        call(opened, SHARE, sender=keeper)
    keys.publish(published, 2, digest("next bundle"), sender=published)
    with refused(emergencies.StaleVersion, pseudonym=published, version=1, current=2):
        call(opened, SHARE, sender=keeper)
    keys.raiseEra(published, sender=published)
    with refused(emergencies.EraRaised, number=opened, era=0, current=1):
        call(opened, SHARE, sender=keeper)
    ends = emergencies.caseOf(opened).opened + WINDOW
    clock.travel(to=ends)
    with refused(emergencies.WindowOver, number=opened, ended=ends):
        call(opened, SHARE, sender=keeper)


# property E6
def test_release__twice(emergencies, opened, keeper):
    emergencies.release(opened, SHARE, sender=keeper)

    with refused(emergencies.AlreadyReleased, number=opened, member=5):
        emergencies.release.call(opened, digest("another"), sender=keeper)


def test_release__in_the_last_second_of_the_window(emergencies, opened, keeper, clock):
    clock.next(at=emergencies.caseOf(opened).opened + WINDOW - 1)

    emergencies.release(opened, SHARE, sender=keeper)


# -- taking back -----------------------------------------------------------------------------------------------------


def test_withdraw__frees_the_clinician(emergencies, published, opened, doctor):
    receipt = emergencies.withdraw(opened, sender=doctor)

    assert receipt.events == [emergencies.Withdrawn(opened)]
    emergencies.open(published, 1, CANNOT_BE_ASKED, WORDS, sender=doctor)


# property E9
def test_withdraw__refuses_in_the_order_of_its_checks(emergencies, opened, doctor, colleague, patient, keeper):
    with refused(emergencies.NotTheClinician, sender=colleague, clinician=doctor):
        emergencies.withdraw.call(opened, sender=colleague)
    emergencies.release(opened, SHARE, sender=keeper)
    with refused(emergencies.HasReleases, number=opened, releases=1):
        emergencies.withdraw.call(opened, sender=doctor)


def test_withdraw__what_was_reviewed(emergencies, opened, doctor, patient):
    emergencies.review(opened, JUSTIFIED, 0, sender=patient)

    with refused(emergencies.WrongStatus, number=opened, status=JUSTIFIED):
        emergencies.withdraw.call(opened, sender=doctor)


# -- who may read ----------------------------------------------------------------------------------------------------


def test_explain__names_the_rule_and_agrees_with_allowed(
    emergencies, keys, consortium, board, published, opened, doctor, colleague, stranger, clock
):
    def asked(scope=LAB, reader=doctor, pseudonym=published):
        found = emergencies.explain(pseudonym, reader, scope)
        assert emergencies.allowed(pseudonym, reader, scope) == (found == NONE)
        return found

    assert asked() == NONE
    assert asked(LAB | VERY_RESTRICTED) == NONE
    assert asked(0) == EMPTY
    assert asked(SINGLE) == OUT_OF_SCOPE
    assert asked(1 << 17) == OUT_OF_SCOPE
    assert (asked(reader=colleague), asked(pseudonym=stranger)) == (NO_CASE, NO_CASE)
    consortium.suspend(MEMBERS.hospital, 0, sender=board)
    assert asked() == NO_STANDING
    consortium.reinstate(MEMBERS.hospital, sender=board)
    clock.travel(to=emergencies.caseOf(opened).opened + WINDOW - 1)
    assert asked() == NONE
    clock.travel(to=emergencies.caseOf(opened).opened + WINDOW)
    assert asked() == WINDOW_OVER
    keys.raiseEra(published, sender=published)
    assert asked() == ERA_RAISED


def test_explain__once_it_was_reviewed_or_taken_back(emergencies, published, opened, doctor, patient):
    emergencies.review(opened, JUSTIFIED, 0, sender=patient)
    assert emergencies.explain(published, doctor, LAB) == CLOSED

    emergencies.open(published, 1, CANNOT_BE_ASKED, WORDS, sender=doctor)
    assert emergencies.explain(published, doctor, LAB) == NONE
    emergencies.withdraw(opened + 1, sender=doctor)
    assert emergencies.explain(published, doctor, LAB) == CLOSED


def test_explain__a_doctor_who_went_to_another_member(
    emergencies, consortium, published, opened, world, sign, doctor, hospital, clinic
):
    # given
    from theriac.consortium import Join, Role

    consortium.dismiss(doctor, sender=hospital)
    join = Join(doctor.address, MEMBERS.clinic, Role.CLINICIAN, 2, world.clock.soon())
    world.send(join, sign(join, by=doctor), sender=clinic)

    # when, then
    assert emergencies.explain(published, doctor, LAB) == NO_STANDING

"""What a patient seals anew: it keeps author, time and status, and stands in the patient's own place."""

from dataclasses import replace

import pytest
from contracts_world import HOUR, NOTHING, digest, refused
from records_marks import NO_RECORD, PATIENT, Marks, Status

from theriac.health.messages import Reseal, Resealing

FINDING, INBOX, DIARY = digest("finding"), digest("inbox"), digest("diary")
NEW_FINDING, NEW_INBOX, NEW_DIARY = digest("new finding"), digest("new inbox"), digest("new diary")


@pytest.fixture
def anchored(records, published, before, patient, technician, clock):
    """A finding, one in the inbox, and one of the patient's own; the time of each by digest. An hour has passed."""
    times = {
        FINDING: records.anchor(patient, FINDING, published, before, sender=technician).timestamp,
        INBOX: records.anchorInbox(patient, [INBOX], sender=technician).timestamp,
        DIARY: records.report(patient, [DIARY], published, before, sender=patient).timestamp,
    }
    clock.travel(to=clock.hour(1))
    return times


@pytest.fixture
def anew(keys, anchored, before, patient, members, clock):
    """The three records sealed anew under a fourth bundle."""
    keys.publish(patient, 4, digest("bundle 4"), sender=patient)
    pairs = [
        Resealing(members.hospital, FINDING, NEW_FINDING),
        Resealing(members.hospital, INBOX, NEW_INBOX),
        Resealing(PATIENT, DIARY, NEW_DIARY),
    ]
    return Reseal(patient.address, pairs, 4, before, era=0, deadline=clock.soon())


# property H14
def test_reseal__keeps_author_time_and_status(records, way, anew, anchored, patient, members):
    receipt = way.do(anew, by=patient)

    hospital = members.hospital
    assert receipt.events == [
        records.Resealed(patient, hospital, 4, hospital, FINDING, NEW_FINDING),
        records.Resealed(patient, hospital, 4, hospital, INBOX, NEW_INBOX),
        records.Resealed(patient, PATIENT, 4, PATIENT, DIARY, NEW_DIARY),
    ]
    resealed = [records.recordOf(patient, PATIENT, each) for each in (NEW_FINDING, NEW_INBOX, NEW_DIARY)]
    assert resealed == [
        (anchored[FINDING], 4, hospital, Status.CURRENT, Marks.RESEALED),
        (anchored[INBOX], 4, hospital, Status.CURRENT, Marks.RESEALED | Marks.INBOX),
        (anchored[DIARY], 4, PATIENT, Status.CURRENT, Marks.RESEALED | Marks.REPORTED),
    ]


# property H14
def test_reseal__leaves_the_old_record(records, way, anew, anchored, published, patient, members):
    way.do(anew, by=patient)

    assert records.recordOf(patient, members.hospital, FINDING) == (
        anchored[FINDING],
        published,
        members.hospital,
        Status.CURRENT,
        Marks.FILED,
    )
    assert records.recordOf(patient, members.hospital, NEW_FINDING) == NO_RECORD


@pytest.mark.parametrize("status", [Status.SUPERSEDED, Status.CORRECTED, Status.DISOWNED], ids=str)
def test_reseal__keeps_what_became_of_it(records, way, anew, patient, technician, members, status):
    match status:
        case Status.SUPERSEDED:
            records.supersede(patient, FINDING, INBOX, sender=technician)
        case Status.CORRECTED:
            records.correct(patient, FINDING, INBOX, sender=technician)
        case Status.DISOWNED:
            records.disown(patient, FINDING, sender=technician)

    way.do(anew, by=patient)

    assert records.recordOf(patient, PATIENT, NEW_FINDING).status == status


def test_reseal__what_was_sealed_anew_before(records, way, anew, anchored, patient, members):
    way.do(anew, by=patient)
    again = replace(anew, records=[Resealing(PATIENT, NEW_FINDING, digest("newest finding"))])

    receipt = way.do(again, by=patient)

    assert receipt.events == [
        records.Resealed(patient, members.hospital, 4, PATIENT, NEW_FINDING, digest("newest finding"))
    ]
    assert records.recordOf(patient, PATIENT, digest("newest finding")) == (
        anchored[FINDING],
        4,
        members.hospital,
        Status.CURRENT,
        Marks.RESEALED,
    )


def test_reseal__refuses_in_the_order_of_its_checks(records, keys, way, anew, patient, recovery, members, clock):
    keys.setFrozen(patient, True, sender=recovery)
    unknown = Resealing(members.clinic, FINDING, NOTHING)
    wrong = replace(anew, records=[], version=3, before=clock.now)

    with refused(records.Frozen, pseudonym=patient):
        way.attempt(wrong, by=patient)
    keys.setFrozen(patient, False, sender=recovery)
    wrong = replace(wrong, before=clock.now)
    with refused(records.TooLate, before=wrong.before):
        way.attempt(wrong, by=patient)
    wrong = replace(wrong, before=anew.before)
    with refused(records.StaleVersion, pseudonym=patient, version=3, current=4):
        way.attempt(wrong, by=patient)
    wrong = replace(wrong, version=4)
    with refused(records.NoDigest):
        way.attempt(wrong, by=patient)
    with refused(records.NotAnchored, pseudonym=patient, author=members.clinic, digest=FINDING):
        way.attempt(replace(wrong, records=[unknown]), by=patient)
    with refused(records.NoDigest):
        way.attempt(replace(wrong, records=[Resealing(members.hospital, FINDING, NOTHING)]), by=patient)
    with refused(records.AlreadyAnchored, pseudonym=patient, author=PATIENT, digest=DIARY):
        way.attempt(replace(wrong, records=[Resealing(members.hospital, FINDING, DIARY)]), by=patient)


def test_reseal__one_that_fails_stops_all(records, way, anew, patient, members):
    missing = Resealing(members.hospital, digest("missing"), digest("new missing"))

    with refused(records.NotAnchored, pseudonym=patient, author=members.hospital, digest=digest("missing")):
        way.attempt(replace(anew, records=[*anew.records, missing]), by=patient)


def test_reseal__what_the_patient_did_not_report(records, way, anew, patient):
    """A member's record does not become the patient's own by being named so."""
    with refused(records.NotAnchored, pseudonym=patient, author=PATIENT, digest=FINDING):
        way.attempt(replace(anew, records=[Resealing(PATIENT, FINDING, NEW_FINDING)]), by=patient)


def test_reseal__a_record_under_another_pseudonym(records, keys, way, anew, sibling, members):
    keys.publish(sibling, 1, digest("her bundle"), sender=sibling)
    hers = replace(anew, pseudonym=sibling.address, version=1)

    with refused(records.NotAnchored, pseudonym=sibling, author=members.hospital, digest=FINDING):
        way.attempt(hers, by=sibling)


def test_reseal__by_the_author(records, anew, patient, technician):
    with refused(records.NotTheController, sender=technician, controller=patient):
        records.reseal.call(patient, anew.rows(), 4, anew.before, sender=technician)


def test_reseal__to_the_last_second_before_the_rows_end(records, way, anew, patient, clock):
    clock.travel(to=anew.before - 1)
    way.attempt(replace(anew, deadline=clock.soon()), by=patient)

    clock.travel(to=anew.before)
    with refused(records.TooLate, before=anew.before):
        way.attempt(replace(anew, deadline=clock.soon()), by=patient)


def test_reseal_by_sig__refuses_in_the_order_of_its_checks(world, records, anew, sign, patient, stranger, clock):
    wrong = replace(anew, records=[], version=3, before=clock.now, era=7, deadline=clock.now - 1)
    signature = sign(anew, by=patient)

    def attempt(message):
        return world.try_sending(message, signature, sender=stranger)

    with refused(records.SignatureExpired, deadline=wrong.deadline):
        attempt(wrong)
    with refused(records.DeadlineTooFar, deadline=clock.hour(3), latest=clock.now + HOUR):
        attempt(replace(wrong, deadline=clock.hour(3)))
    with refused(records.WrongEra, era=7, current=0):
        attempt(wrong := replace(wrong, deadline=clock.soon()))
    with refused(records.WrongSignature, signer=patient):
        attempt(wrong := replace(wrong, era=0))
    signature = sign(wrong, by=patient)
    with refused(records.TooLate, before=wrong.before):
        attempt(wrong)


def test_reseal_by_sig__a_second_time(world, records, anew, sign, patient, relayer):
    signature = sign(anew, by=patient)
    world.send(anew, signature, sender=relayer)

    with refused(records.AlreadyAnchored, pseudonym=patient, author=PATIENT, digest=NEW_FINDING):
        world.try_sending(anew, signature, sender=relayer)


def test_reseal_by_sig__another_author_than_was_signed(world, records, anew, sign, patient, relayer, members):
    other = [replace(anew.records[0], anchored_by=members.clinic), *anew.records[1:]]

    with refused(records.WrongSignature, signer=patient):
        world.try_sending(replace(anew, records=other), sign(anew, by=patient), sender=relayer)

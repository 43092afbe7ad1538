"""What a patient reports of herself: under her own pseudonym only, and marked."""

from dataclasses import replace

import pytest
from contracts_world import HOUR, NOTHING, digest, refused
from records_marks import NO_RECORD, PATIENT, Marks, Status

from theriac.health.messages import Report

DIARY, PHOTO = digest("diary"), digest("photo")


@pytest.fixture
def own(published, before, patient, clock):
    """Two records of the patient's own."""
    return Report(patient.address, [DIARY, PHOTO], published, before, era=0, deadline=clock.soon())


# property H12
def test_report__is_marked(records, way, own, published, patient, members):
    receipt = way.do(own, by=patient)

    assert receipt.events == [records.AnchoredMany(patient, PATIENT, published, [DIARY, PHOTO])]
    kept = (receipt.timestamp, published, PATIENT, Status.CURRENT, Marks.REPORTED)
    assert [records.recordOf(patient, PATIENT, each) for each in (DIARY, PHOTO)] == [kept] * 2
    assert records.recordOf(patient, members.hospital, DIARY) == NO_RECORD


def test_report__by_a_clinician_of_herself_is_marked_too(records, keys, way, own, doctor, members):
    keys.publish(doctor, 1, digest("the doctor's bundle"), sender=doctor)
    own = replace(own, pseudonym=doctor.address, version=1)

    way.do(own, by=doctor)

    assert records.recordOf(doctor, PATIENT, DIARY).marks == Marks.REPORTED
    assert records.recordOf(doctor, members.hospital, DIARY) == NO_RECORD


# property H12
def test_report__under_another_pseudonym(records, keys, own, patient, sibling):
    keys.publish(sibling, 1, digest("her bundle"), sender=sibling)

    with refused(records.NotTheController, sender=patient, controller=sibling):
        records.report.call(sibling, own.digests, 1, own.before, sender=patient)


def test_report_by_sig__under_another_pseudonym(world, records, keys, own, sign, patient, sibling, relayer):
    keys.publish(sibling, 1, digest("her bundle"), sender=sibling)
    hers = replace(own, pseudonym=sibling.address, version=1)

    with refused(records.WrongSignature, signer=sibling):
        world.try_sending(hers, sign(hers, by=patient), sender=relayer)


def test_report__refuses_in_the_order_of_its_checks(records, keys, way, own, published, patient, recovery, clock):
    way.do(replace(own, digests=[DIARY]), by=patient)
    keys.setFrozen(patient, True, sender=recovery)
    wrong = replace(own, digests=[], version=2, before=clock.now)

    with refused(records.Frozen, pseudonym=patient):
        way.attempt(wrong, by=patient)
    keys.setFrozen(patient, False, sender=recovery)
    wrong = replace(wrong, before=clock.now)
    with refused(records.TooLate, before=wrong.before):
        way.attempt(wrong, by=patient)
    wrong = replace(wrong, before=own.before)
    with refused(records.StaleVersion, pseudonym=patient, version=2, current=published):
        way.attempt(wrong, by=patient)
    wrong = replace(wrong, version=published)
    with refused(records.NoDigest):
        way.attempt(wrong, by=patient)
    with refused(records.NoDigest):
        way.attempt(replace(wrong, digests=[PHOTO, NOTHING]), by=patient)
    with refused(records.AlreadyAnchored, pseudonym=patient, author=PATIENT, digest=DIARY):
        way.attempt(own, by=patient)


def test_report__to_the_last_second_before_the_rows_end(records, way, own, patient, clock):
    clock.travel(to=own.before - 1)
    way.attempt(replace(own, deadline=clock.soon()), by=patient)

    clock.travel(to=own.before)
    with refused(records.TooLate, before=own.before):
        way.attempt(replace(own, deadline=clock.soon()), by=patient)


def test_report_by_sig__refuses_in_the_order_of_its_checks(world, records, own, sign, patient, stranger, clock):
    wrong = replace(own, digests=[], version=2, before=clock.now, era=7, deadline=clock.now - 1)
    signature = sign(own, by=patient)

    def attempt(message):
        return world.try_sending(message, signature, sender=stranger)

    with refused(records.SignatureExpired, deadline=wrong.deadline):
        attempt(wrong)
    with refused(records.DeadlineTooFar, deadline=clock.hour(2), latest=clock.now + HOUR):
        attempt(replace(wrong, deadline=clock.hour(2)))
    with refused(records.WrongEra, era=7, current=0):
        attempt(wrong := replace(wrong, deadline=clock.soon()))
    with refused(records.WrongSignature, signer=patient):
        attempt(wrong := replace(wrong, era=0))
    signature = sign(wrong, by=patient)
    with refused(records.TooLate, before=wrong.before):
        attempt(wrong)


def test_report_by_sig__a_second_time(world, records, own, sign, patient, relayer):
    signature = sign(own, by=patient)
    world.send(own, signature, sender=relayer)

    with refused(records.AlreadyAnchored, pseudonym=patient, author=PATIENT, digest=DIARY):
        world.try_sending(own, signature, sender=relayer)


@pytest.mark.parametrize(
    "digests", [[], [DIARY], [PHOTO, DIARY], [DIARY, PHOTO, PHOTO]], ids=["none", "fewer", "another order", "more"]
)
def test_report_by_sig__other_records_than_were_signed(world, records, own, sign, patient, relayer, digests):
    with refused(records.WrongSignature, signer=patient):
        world.try_sending(replace(own, digests=digests), sign(own, by=patient), sender=relayer)

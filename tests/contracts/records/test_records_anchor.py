"""What members anchor: one record, many of a patient, and what was sealed to an inbox."""

import pytest
from contracts_world import NOTHING, digest, refused
from records_marks import NO_RECORD, PATIENT, Marks, Status

FINDING, SECOND, THIRD = digest("finding"), digest("second"), digest("third")
WRITERS = ("hospital", "doctor", "nurse", "technician", "clinic", "colleague", "insurer", "adjuster")
OTHERS = ("clerk", "authority", "auditor", "board", "stranger", "patient")


# -- anchor ----------------------------------------------------------------------------------------------------------


def test_anchor__keeps_time_version_and_author(records, published, before, patient, doctor, members):
    receipt = records.anchor(patient, FINDING, published, before, sender=doctor)

    assert receipt.events == [records.Anchored(patient, members.hospital, FINDING)]
    assert records.recordOf(patient, members.hospital, FINDING) == (
        receipt.timestamp,
        published,
        members.hospital,
        Status.CURRENT,
        Marks.FILED,
    )
    assert records.recordOf(patient, PATIENT, FINDING) == NO_RECORD


@pytest.mark.parametrize("name", WRITERS)
def test_anchor__by_every_writing_role(records, published, before, patient, people, name):
    records.anchor.call(patient, FINDING, published, before, sender=people[name])


# property H12
@pytest.mark.parametrize("name", OTHERS)
def test_anchor__by_who_does_not_write(records, published, before, patient, people, name):
    with refused(records.NotAWriter, sender=people[name]):
        records.anchor.call(patient, FINDING, published, before, sender=people[name])


def test_anchor__refuses_in_the_order_of_its_checks(records, published, before, patient, doctor, clerk, members, clock):
    records.anchor(patient, FINDING, published, before, sender=doctor)
    call = records.anchor.call

    with refused(records.NotAWriter, sender=clerk):
        call(patient, NOTHING, 2, clock.now, sender=clerk)
    with refused(records.TooLate, before=clock.now):
        call(patient, NOTHING, 2, clock.now, sender=doctor)
    with refused(records.StaleVersion, pseudonym=patient, version=2, current=published):
        call(patient, NOTHING, 2, before, sender=doctor)
    with refused(records.NoDigest):
        call(patient, NOTHING, published, before, sender=doctor)
    with refused(records.AlreadyAnchored, pseudonym=patient, author=members.hospital, digest=FINDING):
        call(patient, FINDING, published, before, sender=doctor)


# property H13
def test_anchor__to_the_last_second_before_the_rows_end(records, published, before, patient, doctor, clock):
    clock.travel(to=before - 1)
    records.anchor.call(patient, FINDING, published, before, sender=doctor)

    clock.travel(to=before)
    with refused(records.TooLate, before=before):
        records.anchor.call(patient, FINDING, published, before, sender=doctor)


# property H13
@pytest.mark.parametrize("version", [0, 2, 4, 2**32 - 1])
def test_anchor__under_another_version_than_the_current(records, published, before, patient, doctor, version):
    with refused(records.StaleVersion, pseudonym=patient, version=version, current=published):
        records.anchor.call(patient, FINDING, version, before, sender=doctor)


@pytest.mark.parametrize("version", [0, 1])
def test_anchor__where_nothing_is_published(records, before, sibling, doctor, version):
    with refused(records.StaleVersion, pseudonym=sibling, version=version, current=0):
        records.anchor.call(sibling, FINDING, version, before, sender=doctor)


def test_anchor__what_a_colleague_has_anchored(records, published, before, patient, doctor, nurse, members):
    records.anchor(patient, FINDING, published, before, sender=doctor)

    with refused(records.AlreadyAnchored, pseudonym=patient, author=members.hospital, digest=FINDING):
        records.anchor.call(patient, FINDING, published, before, sender=nurse)


# property H14
def test_anchor__nobody_can_anchor_first_what_another_was_about_to(
    records, published, before, patient, doctor, colleague, adjuster, members
):
    """Whoever saw a digest on its way and was faster occupied a place of its own."""
    records.anchor(patient, FINDING, published, before, sender=colleague)
    records.anchorInbox(patient, [FINDING], sender=adjuster)
    records.report(patient, [FINDING], published, before, sender=patient)

    receipt = records.anchor(patient, FINDING, published, before, sender=doctor)

    assert receipt.events == [records.Anchored(patient, members.hospital, FINDING)]
    authors = {
        number: records.recordOf(patient, number, FINDING).author
        for number in (PATIENT, members.hospital, members.clinic, members.insurer)
    }
    assert authors == {number: number for number in authors}


def test_anchor__a_reseal_occupies_no_members_place(records, published, before, patient, doctor, members):
    records.report(patient, [SECOND], published, before, sender=patient)
    records.reseal(patient, [(PATIENT, SECOND, FINDING)], published, before, sender=patient)

    receipt = records.anchor(patient, FINDING, published, before, sender=doctor)

    assert receipt.events == [records.Anchored(patient, members.hospital, FINDING)]


def test_anchor__the_same_digest_under_two_pseudonyms(
    records, keys, published, before, patient, sibling, doctor, members
):
    keys.publish(sibling, 1, digest("her bundle"), sender=sibling)
    records.anchor(patient, FINDING, published, before, sender=doctor)

    receipt = records.anchor(sibling, FINDING, 1, before, sender=doctor)

    assert receipt.events == [records.Anchored(sibling, members.hospital, FINDING)]


# property H13
def test_anchor__under_the_bundle_of_the_block_before(records, keys, published, before, patient, doctor):
    keys.publish(patient, 4, digest("bundle 4"), sender=patient)

    with refused(records.StaleVersion, pseudonym=patient, version=published, current=4):
        records.anchor.call(patient, FINDING, published, before, sender=doctor)


# -- anchorMany ------------------------------------------------------------------------------------------------------


def test_anchor_many__keeps_each(records, published, before, patient, doctor, members):
    receipt = records.anchorMany(patient, [FINDING, SECOND, THIRD], published, before, sender=doctor)

    assert receipt.events == [records.AnchoredMany(patient, members.hospital, published, [FINDING, SECOND, THIRD])]
    kept = (receipt.timestamp, published, members.hospital, Status.CURRENT, Marks.FILED)
    assert [records.recordOf(patient, members.hospital, each) for each in (FINDING, SECOND, THIRD)] == [kept] * 3


def test_anchor_many__refuses_in_the_order_of_its_checks(
    records, published, before, patient, doctor, clerk, members, clock
):
    records.anchor(patient, FINDING, published, before, sender=doctor)
    call = records.anchorMany.call

    with refused(records.NotAWriter, sender=clerk):
        call(patient, [], 2, clock.now, sender=clerk)
    with refused(records.TooLate, before=clock.now):
        call(patient, [], 2, clock.now, sender=doctor)
    with refused(records.StaleVersion, pseudonym=patient, version=2, current=published):
        call(patient, [], 2, before, sender=doctor)
    with refused(records.NoDigest):
        call(patient, [], published, before, sender=doctor)
    with refused(records.NoDigest):
        call(patient, [SECOND, NOTHING], published, before, sender=doctor)
    with refused(records.AlreadyAnchored, pseudonym=patient, author=members.hospital, digest=FINDING):
        call(patient, [SECOND, FINDING], published, before, sender=doctor)


def test_anchor_many__one_record_twice(records, published, before, patient, doctor, members):
    with refused(records.AlreadyAnchored, pseudonym=patient, author=members.hospital, digest=SECOND):
        records.anchorMany.call(patient, [SECOND, SECOND], published, before, sender=doctor)


# -- anchorInbox -----------------------------------------------------------------------------------------------------


# property H17
def test_anchor_inbox__needs_no_bundle(records, sibling, doctor, members):
    receipt = records.anchorInbox(sibling, [FINDING, SECOND], sender=doctor)

    assert receipt.events == [records.AnchoredMany(sibling, members.hospital, 0, [FINDING, SECOND])]
    kept = (receipt.timestamp, 0, members.hospital, Status.CURRENT, Marks.INBOX)
    assert [records.recordOf(sibling, members.hospital, each) for each in (FINDING, SECOND)] == [kept] * 2


# property H17
def test_anchor_inbox__beside_a_bundle_names_no_version(records, published, patient, doctor, members):
    records.anchorInbox(patient, [FINDING], sender=doctor)

    assert records.recordOf(patient, members.hospital, FINDING).version == 0


def test_anchor_inbox__refuses_in_the_order_of_its_checks(records, sibling, doctor, clerk, members):
    records.anchorInbox(sibling, [FINDING], sender=doctor)
    call = records.anchorInbox.call

    with refused(records.NotAWriter, sender=clerk):
        call(sibling, [], sender=clerk)
    with refused(records.NoDigest):
        call(sibling, [], sender=doctor)
    with refused(records.NoDigest):
        call(sibling, [NOTHING], sender=doctor)
    with refused(records.AlreadyAnchored, pseudonym=sibling, author=members.hospital, digest=FINDING):
        call(sibling, [FINDING], sender=doctor)


# -- the loss of standing --------------------------------------------------------------------------------------------


# property H12
@pytest.mark.parametrize("loss", ["suspended", "removed", "expired", "dismissed", "fewer roles", "left"])
def test_anchor__by_who_lost_its_standing(
    records, consortium, published, patient, board, hospital, technician, members, world, clock, loss
):
    match loss:
        case "suspended":
            consortium.suspend(members.hospital, 0, sender=board)
        case "removed":
            consortium.remove(members.hospital, 0, sender=board)
        case "expired":
            clock.travel(to=world.licence_expiry)
        case "dismissed":
            consortium.dismiss(technician, sender=hospital)
        case "fewer roles":
            consortium.renew(members.hospital, 1, 1, world.licence_expiry, sender=board)
        case "left":
            consortium.leave(sender=technician)
    late = clock.now + 3600

    with refused(records.NotAWriter, sender=technician):
        records.anchor.call(patient, FINDING, published, late, sender=technician)
    with refused(records.NotAWriter, sender=technician):
        records.anchorMany.call(patient, [FINDING], published, late, sender=technician)
    with refused(records.NotAWriter, sender=technician):
        records.anchorInbox.call(patient, [FINDING], sender=technician)
    with refused(records.NotAWriter, sender=technician):
        records.anchorDay.call(digest("root"), late, [], sender=technician)

"""A day's root: many patients' records in one call, with a row for each patient."""

import pytest
from contracts_world import NOTHING, ZERO, digest, refused

ROOT, PROOFS, HER_PROOFS = digest("root"), digest("proofs"), digest("her proofs")


def test_anchor_day__tells_each_row(records, keys, published, before, patient, sibling, technician, members):
    keys.publish(sibling, 1, digest("her bundle"), sender=sibling)
    rows = [(patient, published, PROOFS), (sibling, 1, HER_PROOFS)]

    receipt = records.anchorDay(ROOT, before, rows, sender=technician)

    assert receipt.events == [
        records.DayAnchored(members.hospital, ROOT),
        records.RowAnchored(patient, members.hospital, published, ROOT, PROOFS),
        records.RowAnchored(sibling, members.hospital, 1, ROOT, HER_PROOFS),
    ]
    assert records.dayOf(members.hospital, ROOT) == receipt.timestamp
    assert records.dayOf(members.clinic, ROOT) == 0


# property H13
@pytest.mark.parametrize("stale", [0, 2, 4])
def test_anchor_day__a_stale_row_refuses_itself_only(
    records, keys, published, before, patient, sibling, technician, members, stale
):
    keys.publish(sibling, 1, digest("her bundle"), sender=sibling)
    rows = [(patient, stale, PROOFS), (sibling, 1, HER_PROOFS), (patient, published, PROOFS)]

    receipt = records.anchorDay(ROOT, before, rows, sender=technician)

    assert receipt.events == [
        records.DayAnchored(members.hospital, ROOT),
        records.RowRefused(patient, members.hospital, stale, published, ROOT),
        records.RowAnchored(sibling, members.hospital, 1, ROOT, HER_PROOFS),
        records.RowAnchored(patient, members.hospital, published, ROOT, PROOFS),
    ]


def test_anchor_day__a_patient_without_a_bundle(records, before, sibling, technician, members):
    receipt = records.anchorDay(ROOT, before, [(sibling, 0, PROOFS)], sender=technician)

    assert receipt.events == [
        records.DayAnchored(members.hospital, ROOT),
        records.RowRefused(sibling, members.hospital, 0, 0, ROOT),
    ]


def test_anchor_day__without_rows(records, before, technician, members):
    receipt = records.anchorDay(ROOT, before, [], sender=technician)

    assert receipt.events == [records.DayAnchored(members.hospital, ROOT)]


def test_anchor_day__the_same_root_by_another_member(records, before, technician, colleague, members):
    first = records.anchorDay(ROOT, before, [], sender=technician)

    second = records.anchorDay(ROOT, before, [], sender=colleague)

    assert second.events == [records.DayAnchored(members.clinic, ROOT)]
    assert records.dayOf(members.hospital, ROOT) == first.timestamp
    assert records.dayOf(members.clinic, ROOT) == second.timestamp


def test_anchor_day__refuses_in_the_order_of_its_checks(
    records, published, before, patient, technician, clerk, members, clock
):
    records.anchorDay(ROOT, before, [], sender=technician)
    without_proofs = [(patient, published, PROOFS), (patient, 2, NOTHING)]
    call = records.anchorDay.call

    with refused(records.NotAWriter, sender=clerk):
        call(NOTHING, clock.now, without_proofs, sender=clerk)
    with refused(records.TooLate, before=clock.now):
        call(NOTHING, clock.now, without_proofs, sender=technician)
    with refused(records.NoDigest):
        call(NOTHING, before, without_proofs, sender=technician)
    with refused(records.AlreadyAnchored, pseudonym=ZERO, author=members.hospital, digest=ROOT):
        call(ROOT, before, without_proofs, sender=technician)
    with refused(records.NoDigest):
        call(digest("another root"), before, without_proofs, sender=technician)


def test_anchor_day__to_the_last_second_before_the_rows_end(records, before, technician, clock):
    clock.travel(to=before - 1)
    records.anchorDay.call(ROOT, before, [], sender=technician)

    clock.travel(to=before)
    with refused(records.TooLate, before=before):
        records.anchorDay.call(ROOT, before, [], sender=technician)

"""The lock-out, by bytes: who can open what after a grant, a revoke, an expiry."""

import pytest
from health_world import LAB, MENTAL, TREAT, VITALS, HealthWorld, register, write

from theriac.errors import NotGranted, NotOpened, UnknownRecord
from theriac.health.vault import Vault


# properties H4, H6
@pytest.mark.parametrize("single", [False, True], ids=["one a counterparty", "one pseudonym"])
def test_revoke__old_reader_cannot_open_the_next_record(world: HealthWorld, single: bool) -> None:
    # given a clinic that writes for a patient, and two readers with history
    patient = world.patient(single=single)
    clinic = world.writer(world.clinic)
    desk = register(patient, clinic)
    first = write(clinic, desk, b"before the grant")
    patient.watch()
    doctor, colleague = world.reader(world.doctor, "doctor"), world.reader(world.colleague, "colleague")
    granted = patient.grant(world.doctor.address, classes=[LAB], purpose=TREAT, end=world.in_days(30))
    kept = patient.grant(world.colleague.address, classes=[LAB, VITALS], purpose=TREAT, end=world.in_days(30))
    doctor.learn(granted.pseudonym)
    colleague.learn(kept.pseudonym)
    assert doctor.open(granted.pseudonym, first, purpose=TREAT).read() == b"before the grant"

    # when the patient revokes the doctor's grant and the clinic writes on
    patient.revoke(world.doctor.address, purpose=TREAT)
    second = write(clinic, desk, b"after the revoke")
    patient.watch()

    # then the doctor, with everything it ever received and all it can fetch, opens the old and not the new
    doctor.learn(granted.pseudonym)
    with pytest.raises(NotGranted):
        doctor.open(granted.pseudonym, second, purpose=TREAT)
    assert doctor.unsafe_try(granted.pseudonym, first).read() == b"before the grant"
    with pytest.raises(NotOpened):
        doctor.unsafe_try(granted.pseudonym, second)

    # and the colleague opens both, by its own index
    colleague.learn(kept.pseudonym)
    assert colleague.open(kept.pseudonym, first, purpose=TREAT).read() == b"before the grant"
    assert colleague.open(kept.pseudonym, second, purpose=TREAT).read() == b"after the revoke"
    assert {each.digest for each in colleague.listed(kept.pseudonym, purpose=TREAT)} == {first, second}


# properties H5, H6
@pytest.mark.parametrize("single", [False, True], ids=["one a counterparty", "one pseudonym"])
def test_expiry__locks_out_with_the_patients_client_off(world: HealthWorld, single: bool) -> None:
    # given two readers, one of them until the day after tomorrow's midnight
    patient = world.patient(single=single)
    clinic = world.writer(world.clinic)
    desk = register(patient, clinic)
    doctor, colleague = world.reader(world.doctor, "doctor"), world.reader(world.colleague, "colleague")
    short = patient.grant(world.doctor.address, classes=[LAB], purpose=TREAT, end=world.in_days(1))
    long = patient.grant(world.colleague.address, classes=[LAB], purpose=TREAT, end=world.in_days(60))
    doctor.learn(short.pseudonym)
    colleague.learn(long.pseudonym)
    during = write(clinic, desk, b"in time")

    # when the window ends and nobody publishes anything
    world.travel(3 * 24 * 3600)
    after = write(clinic, desk, b"too late for the doctor")

    # then the doctor opens what was written in its window, and not the next record
    doctor.learn(short.pseudonym)
    assert doctor.unsafe_try(short.pseudonym, during).read() == b"in time"
    with pytest.raises(NotOpened):
        doctor.unsafe_try(short.pseudonym, after)
    assert colleague.open(long.pseudonym, after, purpose=TREAT).read() == b"too late for the doctor"


# property H3
def test_open__outside_the_class(world: HealthWorld) -> None:
    patient = world.patient()
    clinic = world.writer(world.clinic)
    desk = register(patient, clinic)
    other = write(clinic, desk, b"a therapy session", cls=MENTAL)
    patient.watch()
    granted = patient.grant(world.doctor.address, classes=[LAB, VITALS], purpose=TREAT, end=world.in_days(30))
    doctor = world.reader(world.doctor, "doctor")

    doctor.learn(granted.pseudonym)

    assert doctor.listed(granted.pseudonym, purpose=TREAT) == []
    with pytest.raises(NotOpened):
        doctor.open(granted.pseudonym, other, purpose=TREAT)
    with pytest.raises(NotOpened):
        doctor.unsafe_try(granted.pseudonym, other)


# property H7
def test_restore__of_a_grant_that_was_changed_since_the_backup__gives_nothing(world: HealthWorld) -> None:
    """The chain does not tell since when history may be read."""
    # given a grant with history, a backup, and then the same grant from now on
    patient = world.patient()
    clinic = world.writer(world.clinic)
    desk = register(patient, clinic)
    first = write(clinic, desk, b"before")
    patient.watch()
    until = world.in_days(30)
    granted = patient.grant(world.doctor.address, classes=[LAB], purpose=TREAT, end=until)
    patient.watch()
    backup = Vault.decode(patient.vault.encode())
    patient.grant(world.doctor.address, classes=[LAB], purpose=TREAT, end=until, history=False)

    # when the phone is lost and restored from that backup
    patient.vault = backup
    restored = world.same_patient(patient, "another phone")
    restored.recover()
    restored.watch()

    # then a new device of the doctor's opens nothing of before
    doctor = world.reader(world.doctor, "doctor")
    doctor.learn(granted.pseudonym)
    assert [each for each in restored.vault.sharings if each.reader == world.doctor.address] == []
    with pytest.raises((NotOpened, UnknownRecord)):
        doctor.unsafe_try(granted.pseudonym, first)

"""Listing reads sealed indexes and no record: here none of the records was ever stored."""

from datetime import timedelta

from health_world import LAB, TREAT, VITALS, HealthWorld

from theriac.health.hours import hour_of_seconds
from theriac.health.patient import Patient
from theriac.health.vault import Entry

RECORDS = 10_000
GLUCOSE = "http://loinc.org|2339-0 Glucose"


def test_listed__ten_thousand_records_without_fetching_one(world: HealthWorld) -> None:
    # given a patient with ten thousand filed laboratory results, a glucose among every hundred, one a day
    patient = world.patient()
    fill(patient, world.now())
    granted = patient.grant(world.doctor.address, classes=[LAB, VITALS], purpose=TREAT, end=world.in_days(30))
    doctor = world.reader(world.doctor, "doctor")
    doctor.learn(granted.pseudonym)

    # when the doctor lists them, and asks for the same examination within 90 days
    every = doctor.listed(granted.pseudonym, purpose=TREAT)
    recent = doctor.listed(granted.pseudonym, purpose=TREAT, code="2339-0", within=timedelta(days=90))

    # then all are there, and those of the last 90 days are found, the latest first
    assert len(every) == RECORDS
    assert [each.summary["title"] for each in recent] == [f"Result {number}" for number in range(91)]


def fill(patient: Patient, now: int) -> None:
    account = patient.vault.own()
    first = account.publications[-1].hour
    for number in range(RECORDS):
        # A little later than the full days, so that what is 90 days old is still within 90 days.
        day = now - (number * 24 - 1) * 3600 if number < 100 else now - 200 * 24 * 3600
        code = GLUCOSE if number < 100 else "http://loinc.org|718-7 Hemoglobin"
        summary = {"title": f"Result {number}", "date": "", "codes": [code], "type": "text/plain", "place": ""}
        digest = f"{number:064x}"
        patient.vault.add(Entry(account.pseudonym, digest, 0, str(LAB), 1, first, day, summary))
    assert hour_of_seconds(now) >= first
    patient.watch()

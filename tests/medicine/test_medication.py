"""What a MedicationRequest allows, and what of it cannot be prescribed."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from fhir.resources.R4B.medicationdispense import MedicationDispense

from theriac import fhir
from theriac.errors import BadRequest
from theriac.medicine.medication import Allowed, Unsaid, allowed, codes_in, dispensed, name_of

TODAY = date(2031, 5, 4)
UNSAID = Unsaid(TODAY)
AMOXICILLIN = {
    "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "308182", "display": "Amoxicillin"}],
    "text": "Amoxicillin 250 mg capsules",
}


def request(**changes: Any) -> fhir.Resource:
    values = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": AMOXICILLIN,
        "subject": {"reference": "Patient/1"},
        "dispenseRequest": {"quantity": {"value": 2}},
        **changes,
    }
    kept = {name: value for name, value in values.items() if value is not None}
    return fhir.parse(json.dumps(kept).encode())


def of_dispense(**told: Any) -> fhir.Resource:
    return request(dispenseRequest={"quantity": {"value": 2}, **told})


def test_allowed__what_the_request_says() -> None:
    # given
    asked = of_dispense(
        numberOfRepeatsAllowed=3,
        dispenseInterval={"value": 4, "unit": "weeks", "code": "wk"},
        validityPeriod={"start": "2031-06-01", "end": "2031-12-31"},
    )

    # then
    found = allowed(asked, UNSAID)
    assert found == Allowed(2, 3, 28, date(2031, 6, 1), date(2031, 12, 31))
    assert found.earliest == int(datetime(2031, 6, 1, tzinfo=UTC).timestamp())
    assert found.latest == int(datetime(2032, 1, 1, tzinfo=UTC).timestamp())


def test_allowed__what_it_leaves_open() -> None:
    assert allowed(of_dispense(), UNSAID) == Allowed(2, 0, 0, TODAY, date(2031, 5, 31))
    assert allowed(request(dispenseRequest=None), Unsaid(TODAY, days=1, quantity=5)) == Allowed(5, 0, 0, TODAY, TODAY)


def test_allowed__begins_later_than_today__as_many_days_from_then() -> None:
    found = allowed(of_dispense(validityPeriod={"start": "2031-07-01"}), UNSAID)

    assert (found.first, found.last) == (date(2031, 7, 1), date(2031, 7, 28))


@pytest.mark.parametrize("number", ["2", "2.0", "2e0"])
def test_allowed__a_whole_number__however_it_is_written(number: str) -> None:
    text = request().text.replace('{"value": 2}', f'{{"value": {number}}}')

    assert allowed(fhir.parse(text.encode()), UNSAID).quantity == 2


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        (request(resourceType="Patient"), "the file"),
        (request(status="stopped"), "status"),
        (request(status=None), "status"),
        (request(intent="proposal"), "intent"),
        (request(doNotPerform=True), "doNotPerform"),
        (request(medicationCodeableConcept=None), "medication[x]"),
        (request(medicationCodeableConcept={"text": "  "}), "medication[x]"),
        (request(dispenseRequest=None), "dispenseRequest.quantity"),
        (request(dispenseRequest="much"), "dispenseRequest.quantity"),
        (request(dispenseRequest={"quantity": {"value": 0}}), "dispenseRequest.quantity"),
        (request(dispenseRequest={"quantity": {"value": 1.5}}), "dispenseRequest.quantity"),
        (request(dispenseRequest={"quantity": {"value": -1}}), "dispenseRequest.quantity"),
        (request(dispenseRequest={"quantity": {"value": "2"}}), "dispenseRequest.quantity"),
        (request(dispenseRequest={"quantity": {"value": 65536}}), "dispenseRequest.quantity"),
        (request(dispenseRequest={"quantity": {"value": 40000}, "numberOfRepeatsAllowed": 1}), "quantity"),
        (of_dispense(numberOfRepeatsAllowed=256), "numberOfRepeatsAllowed"),
        (of_dispense(numberOfRepeatsAllowed=0.5), "numberOfRepeatsAllowed"),
        (of_dispense(dispenseInterval={"value": 1, "code": "mo"}), "dispenseInterval"),
        (of_dispense(dispenseInterval={"code": "d"}), "dispenseInterval"),
        (of_dispense(dispenseInterval="weekly"), "dispenseInterval"),
        (of_dispense(dispenseInterval={"value": 65535, "code": "wk"}), "dispenseInterval"),
        (of_dispense(validityPeriod={"start": "soon"}), "validityPeriod.start"),
        (of_dispense(validityPeriod={"start": "2031"}), "validityPeriod.start"),
        (of_dispense(validityPeriod={"start": "2031-06-02", "end": "2031-06-01"}), "validityPeriod"),
        (of_dispense(validityPeriod={"start": "2031-01-01", "end": "2031-05-03"}), "validityPeriod"),
    ],
)
def test_allowed__what_cannot_be_prescribed__says_where(asked: fhir.Resource, where: str) -> None:
    with pytest.raises(BadRequest) as refused:
        allowed(asked, UNSAID)

    assert refused.value.where == where


@pytest.mark.parametrize(
    ("medication", "name"),
    [
        ({"medicationCodeableConcept": AMOXICILLIN}, "Amoxicillin 250 mg capsules"),
        ({"medicationCodeableConcept": {"coding": AMOXICILLIN["coding"]}}, "Amoxicillin"),
        ({"medicationCodeableConcept": {"coding": [{"code": "308182"}]}}, "308182"),
        ({"medicationReference": {"display": "Amoxicillin"}}, "Amoxicillin"),
        ({"medicationReference": {"reference": "Medication/7"}}, "Medication/7"),
        ({"medicationCodeableConcept": {"coding": "none"}}, ""),
        ({}, ""),
    ],
)
def test_name_of__what_a_person_reads(medication: dict[str, Any], name: str) -> None:
    assert name_of(medication) == name


def test_codes_in__systems_and_codes() -> None:
    assert codes_in(request().value) == {("http://www.nlm.nih.gov/research/umls/rxnorm", "308182")}
    assert codes_in({"medicationCodeableConcept": {"coding": ["x", {"system": "s"}]}}) == frozenset()


def test_dispensed__is_a_medication_dispense() -> None:
    # when
    made = dispensed(
        request().value,
        prescription=bytes(32),
        line=1,
        units=2,
        at=datetime(2031, 5, 5, 9, 30, tzinfo=UTC),
        pharmacy="Corner Pharmacy",
        product="04150123456782",
    )

    # then
    found = MedicationDispense.model_validate_json(made)
    assert (found.status, found.quantity.value) == ("completed", 2)
    assert found.medicationCodeableConcept.text == "Amoxicillin 250 mg capsules"
    assert found.authorizingPrescription[0].identifier.value == f"{bytes(32).hex()}/1"

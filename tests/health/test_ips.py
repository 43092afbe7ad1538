"""A patient's summary: a document that IPS and the published models accept, each line with its source."""

import hashlib
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from consent_cases import LEDGER
from test_consents import HOSTILE, Tags

from theriac import fhir
from theriac.health.intake import FHIR_TYPE, from_fhir
from theriac.health.ips import Source, Summary, faults_of, summary
from theriac.health.readable import LANGUAGES, summary_page
from theriac.health.scope import ALL_CLASSES, KeyClass, Level

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("THERIAC_DATA", ROOT.parent / "shared" / "data")) / "fhir"
EXAMPLES = ROOT / "examples" / "fhir"
NOW = datetime(2031, 3, 1, tzinfo=UTC)
NORMAL = tuple(each for each in ALL_CLASSES if each.level is Level.N)
NORTH, SOUTH = (1, "North Clinic"), (2, "South Hospital")


def source(value: dict[str, Any] | bytes, cls: str, who: tuple[int, str] = NORTH, **facts: Any) -> Source:
    """An opened record; a digest of its own for each author."""
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    anchored = NOW - timedelta(days=facts.pop("days", 1))
    digest = hashlib.sha256(f"{who}{anchored}{facts}".encode() + content).hexdigest()
    return Source(digest, who[0], who[1], anchored, KeyClass.parse(cls), content, **facts)


def concept(text: str, code: str = "") -> dict[str, Any]:
    return {"coding": [{"system": "http://loinc.org", "code": code, "display": text}]} if code else {"text": text}


PATIENT = {
    "resourceType": "Patient",
    "id": "ann",
    "name": [{"given": ["Ann"], "family": "Lee"}],
    "birthDate": "1980-02-03",
    "gender": "female",
}
PILL = {
    "resourceType": "MedicationRequest",
    "id": "1",
    "status": "active",
    "intent": "order",
    "medicationCodeableConcept": concept("Metformin 500 mg"),
    "subject": {"reference": "Patient/ann"},
    "authoredOn": "2030-01-01",
}
ALLERGY = {
    "resourceType": "AllergyIntolerance",
    "id": "1",
    "clinicalStatus": {
        "coding": [{"code": "active", "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"}]
    },
    "code": concept("Penicillin"),
    "patient": {"reference": "Patient/ann"},
}


def made(*sources: Source, classes: tuple[KeyClass, ...] = NORMAL, **more: Any) -> Summary:
    found = summary(sources, classes=classes, ledger=LEDGER, now=NOW, **more)
    # Whatever goes in, what comes out is valid by the published models and by the must-haves of IPS.
    assert fhir.problems_of(fhir.parse(found.encode())) == []
    assert faults_of(found.bundle) == []
    return found


def resources(found: Summary, kind: str) -> list[Any]:
    entries = json.loads(found.encode())["entry"]
    return [each["resource"] for each in entries if each["resource"]["resourceType"] == kind]


def lines(found: Summary, name: str) -> list[str]:
    return [line.what for section in found.sections if section.name == name for line in section.lines]


# -- real records ----------------------------------------------------------------------------------------------------


def opened(path: Path, who: tuple[int, str], **facts: Any) -> list[Source]:
    return [
        source(piece.content.read(), str(piece.cls), who, bundle=str(piece.manifest.details["bundle"]), **facts)
        for piece in from_fhir(path.read_bytes())
        if piece.manifest.type == FHIR_TYPE
    ]


FILES = sorted({each.name: each for each in (*EXAMPLES.glob("synthea*.json"), *DATA.glob("*.json"))}.values())


@pytest.mark.parametrize("path", FILES, ids=lambda each: each.stem)
def test_summary__of_public_records__has_every_line_and_its_source(path: Path) -> None:
    # property S4
    sources = opened(path, NORTH)

    found = made(*sources)

    kinds = {"AllergyIntolerance": "allergies", "MedicationRequest": "medications", "Immunization": "immunizations"}
    for kind, name in kinds.items():
        came = [each for each in sources if json.loads(each.content)["resourceType"] == kind and each.cls in NORMAL]
        assert len(lines(found, name)) == len(came)
    targets = {each["target"][0]["reference"] for each in resources(found, "Provenance")}
    for section in resources(found, "Composition")[0]["section"]:
        absent = any(each.code == section["code"]["coding"][0]["code"] and each.empty for each in found.sections)
        assert absent or {each["reference"] for each in section["entry"]} <= targets


def test_summary__numbers_and_unknown_fields__stay_as_they_came() -> None:
    weight = (
        b'{"resourceType":"Observation","status":"final","code":{"text":"Weight"},"subject":{"reference":"Patient/ann"},'
        b'"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category",'
        b'"code":"vital-signs"}]}],"effectiveDateTime":"2031","valueQuantity":{"value":70.500,"unit":"kg"}}'
    )

    found = made(source(weight, "vitals/N"))

    assert b'"value":70.500' in found.encode()
    assert "70.500 kg" in [line.details.split(";")[0] for each in found.sections for line in each.lines]


# -- across clinics --------------------------------------------------------------------------------------------------


def test_summary__one_medication_of_two_clinics__is_two_lines_with_their_sources() -> None:
    other = {**PILL, "id": "77", "subject": {"reference": "Patient/4711"}}
    one, two = source(PILL, "medications/N"), source(other, "medications/N", SOUTH)

    found = made(one, two, source(PATIENT, "administrative/N"))

    assert lines(found, "medications") == ["Metformin 500 mg"] * 2
    [section] = [each for each in found.sections if each.name == "medications"]
    assert {line.sources for line in section.lines} == {(one,), (two,)}
    her = next(
        each["fullUrl"] for each in json.loads(found.encode())["entry"] if each["resource"]["resourceType"] == "Patient"
    )
    assert {each["subject"]["reference"] for each in resources(found, "MedicationRequest")} == {her}


def test_summary__what_two_clinics_say_to_the_letter__is_one_line_with_two_sources() -> None:
    one, two = source(PILL, "medications/N"), source(PILL, "medications/N", SOUTH)

    found = made(one, two)

    [section] = [each for each in found.sections if each.name == "medications"]
    assert [set(line.sources) for line in section.lines] == [{one, two}]
    digests = {each["entity"][0]["what"]["identifier"]["value"] for each in resources(found, "Provenance")}
    assert digests == {one.digest, two.digest}


def test_summary__sources__name_member_time_and_record() -> None:
    pill = source(PILL, "medications/N")

    found = made(pill)

    [provenance], [clinic] = resources(found, "Provenance"), resources(found, "Organization")
    assert provenance["recorded"] == "2031-02-28T00:00:00Z"
    assert provenance["entity"] == [
        {
            "role": "source",
            "what": {
                "identifier": {"system": "urn:theriac:record", "value": pill.digest},
                "display": "A sealed record",
            },
        }
    ]
    assert (clinic["name"], clinic["identifier"][0]["value"]) == (
        "North Clinic",
        f"eip155:31:{LEDGER.consortium}/1",
    )


def test_summary__without_digests__names_no_record_and_no_second() -> None:
    pill = replace(source(PILL, "medications/N"), anchored=datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC))

    found = made(pill, digests=False)

    text = found.encode().decode() + summary_page(found, language="en", digests=False)
    assert pill.digest[:16] not in text
    assert "04:05" not in text
    assert resources(found, "Provenance")[0]["recorded"] == "2031-02-03T00:00:00Z"


def test_summary__what_she_reported_herself__has_her_as_its_source() -> None:
    found = made(source(ALLERGY, "allergies/N", (0, "")), source(PATIENT, "administrative/N"))

    entries = json.loads(found.encode())["entry"]
    urls = {each["resource"]["resourceType"]: each["fullUrl"] for each in entries}
    authors = {
        each["target"][0]["reference"]: each["agent"][0]["who"]["reference"] for each in resources(found, "Provenance")
    }
    assert authors == {urls["AllergyIntolerance"]: urls["Patient"], urls["Patient"]: urls["Organization"]}


def test_summary__equal_ids_of_two_clinics__are_never_mixed_up() -> None:
    def written(who: tuple[int, str], drug: str) -> list[Source]:
        drugged = {"resourceType": "Medication", "id": "9", "code": concept(drug)}
        pill = {**PILL, "medicationReference": {"reference": "Medication/9"}, "dosageInstruction": [{"text": drug}]}
        del pill["medicationCodeableConcept"]
        return [source(drugged, "medications/N", who), source(pill, "medications/N", who)]

    found = made(*written(NORTH, "Warfarin"), *written(SOUTH, "Aspirin"))

    entries = {each["fullUrl"]: each["resource"] for each in json.loads(found.encode())["entry"]}
    pairs = {
        (each["dosageInstruction"][0]["text"], entries[each["medicationReference"]["reference"]]["code"]["text"])
        for each in resources(found, "MedicationRequest")
    }
    assert pairs == {("Warfarin", "Warfarin"), ("Aspirin", "Aspirin")}


def test_summary__a_correction__takes_the_place_of_what_it_puts_right() -> None:
    wrong = source(ALLERGY, "allergies/N", days=9)
    right = source({**ALLERGY, "code": concept("Latex")}, "allergies/N", corrects=wrong.digest)
    strangers = source({**ALLERGY, "code": concept("Nuts")}, "allergies/N", SOUTH, corrects=right.digest)

    found = made(wrong, right, strangers)

    assert sorted(lines(found, "allergies")) == ["Latex", "Nuts"]


def test_summary__about_somebody_else__is_left_out_and_told() -> None:
    child = {**PATIENT, "id": "baby", "birthDate": "2030-05-05"}
    hers = {**ALLERGY, "id": "2", "code": concept("Milk"), "patient": {"reference": "Patient/baby"}}

    found = made(
        source(PATIENT, "administrative/N"),
        source(child, "administrative/N", days=5),
        source(hers, "allergies/N"),
        source(ALLERGY, "allergies/N"),
    )

    assert lines(found, "allergies") == ["Penicillin"]
    assert len(found.told) == 1
    assert found.told[0].endswith("is left out: it is about somebody or something else.")


def test_summary__a_clinic_that_describes_another_person__makes_no_line_of_others_disappear() -> None:
    stranger = {**PATIENT, "id": "x", "birthDate": "1911-01-01", "name": [{"text": "Nobody"}]}
    pill = {**PILL, "subject": {"reference": "Patient/x"}}

    found = made(
        source(PATIENT, "administrative/N", days=9),
        source(ALLERGY, "allergies/N", days=9),
        source({**PATIENT, "id": "ann-2"}, "administrative/N", (3, "East"), days=8),
        source(stranger, "administrative/N", SOUTH, days=1),
        source(pill, "medications/N", SOUTH, days=1),
    )

    assert (lines(found, "allergies"), lines(found, "medications")) == (["Penicillin"], ["Metformin 500 mg"])
    assert found.patient == "Ann Lee"
    assert found.told == ("Member 2 gives another birth date or sex; its lines are in nevertheless.",)


def test_summary__her_own_description__counts_before_any_clinics() -> None:
    hers = {**PATIENT, "id": "me", "name": [{"text": "Ann Own"}]}

    found = made(
        source(hers, "administrative/N", (0, ""), days=9),
        source(PATIENT, "administrative/N"),
        source(PATIENT, "administrative/N", SOUTH),
    )

    assert found.patient == "Ann Own"


def test_summary__entered_in_error__is_left_out() -> None:
    wrong = {
        "coding": [
            {
                "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification",
                "code": "entered-in-error",
            }
        ]
    }
    error = {**ALLERGY, "verificationStatus": wrong}
    del error["clinicalStatus"]

    assert lines(made(source(error, "allergies/N")), "allergies") == []


# -- classes ---------------------------------------------------------------------------------------------------------


def test_summary__other_classes__are_only_in_where_the_patient_says_so() -> None:
    # property S5
    sad = {"resourceType": "Condition", "code": concept("Depression"), "subject": {"reference": "Patient/ann"}}
    sources = (source(sad, "mental-health/R"), source(ALLERGY, "allergies/N"))

    plain = made(*sources)
    whole = made(*sources, classes=(*NORMAL, KeyClass.parse("mental-health/R")))

    assert b"Depression" not in plain.encode()
    assert lines(whole, "problems") == ["Depression"]
    assert resources(plain, "Composition")[0]["confidentiality"] == "N"
    assert resources(whole, "Composition")[0]["confidentiality"] == "R"


def test_summary__of_nothing__says_that_nothing_is_known() -> None:
    found = made()

    codes = {
        each["code"]["coding"][0]["code"] if "code" in each else each["medicationCodeableConcept"]["coding"][0]["code"]
        for kind in ("AllergyIntolerance", "MedicationStatement", "Condition")
        for each in resources(found, kind)
    }
    assert codes == {"no-allergy-info", "no-medication-info", "no-problem-info"}
    [patient] = resources(found, "Patient")
    assert patient["_birthDate"]["extension"][0]["valueCode"] == "unknown"


def test_summary__a_class_that_was_not_chosen__is_withheld_and_not_unknown() -> None:
    found = made(source(PILL, "medications/N"), classes=(KeyClass.parse("allergies/N"),))

    reasons = {
        each["code"]["coding"][0]["code"]: each["emptyReason"]["coding"][0]["code"]
        for each in resources(found, "Composition")[0]["section"]
        if "emptyReason" in each
    }
    assert reasons == {"10160-0": "withheld", "11450-4": "withheld"}
    assert b"Metformin" not in found.encode()


# -- strangers' words ------------------------------------------------------------------------------------------------


def test_summary__what_a_clinic_wrote__is_text_wherever_it_stands() -> None:
    hostile = {
        **ALLERGY,
        "code": concept(HOSTILE),
        "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{HOSTILE}</div>'},
        "reaction": [{"manifestation": [concept(HOSTILE)]}],
    }

    found = made(source(hostile, "allergies/N", (1, HOSTILE)))

    for section in resources(found, "Composition")[0]["section"]:
        tags = {each.tag.rsplit("}", 1)[-1] for each in ElementTree.fromstring(section["text"]["div"]).iter()}
        assert tags <= {"div", "table", "thead", "tbody", "tr", "th", "td", "p"}
    assert "text" not in resources(found, "AllergyIntolerance")[0]
    for language in LANGUAGES:
        page = Tags(summary_page(found, language=language))
        assert not page.tags & {"script", "img", "link", "a", "iframe"}
        assert page.attributes <= {"lang", "charset", "http-equiv", "content", "name", "class"}


def test_summary__a_record_that_is_no_fhir__is_left_out_and_told() -> None:
    found = made(source(b"no json", "allergies/N"), source(ALLERGY, "allergies/N"))

    assert lines(found, "allergies") == ["Penicillin"]
    assert len(found.told) == 1
    assert found.told[0].endswith("export it again.")


ODD: list[Any] = [
    [],
    {},
    "x",
    7,
    None,
    True,
    [None],
    [[]],
    {"reference": 3},
    {"coding": "x"},
    {"coding": [{"code": 5}]},
]


@pytest.mark.parametrize(
    "field", ["code", "subject", "category", "reaction", "component", "status", "valueQuantity", "id"]
)
def test_summary__fields_of_other_shapes__raise_nothing(field: str) -> None:
    for odd in ODD:
        for kind, cls in (("Observation", "laboratory/N"), ("AllergyIntolerance", "allergies/N")):
            found = summary(
                [source({"resourceType": kind, field: odd}, cls), source(PATIENT | {"name": odd}, "administrative/N")],
                classes=NORMAL,
                ledger=LEDGER,
                now=NOW,
            )
            assert summary_page(found, language="en")


# -- the checker -----------------------------------------------------------------------------------------------------


def test_faults_of__each_must_have_that_is_missing__is_found() -> None:
    whole = made(source(PILL, "medications/N"), source(ALLERGY, "allergies/N"), source(PATIENT, "administrative/N"))

    def broken(change: Any) -> list[str]:
        bundle = fhir.parse(whole.encode()).value
        change(bundle)
        return faults_of(bundle)

    def composition(bundle: Any) -> Any:
        return bundle["entry"][0]["resource"]

    def by(kind: str) -> Any:
        return lambda bundle: next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind)

    assert broken(lambda b: b.update(type="collection")) == ["it is no document"]
    assert broken(lambda b: b.pop("timestamp")) == ["the document has no timestamp"]
    assert broken(lambda b: b.pop("identifier")) == ["the document has no identifier"]
    assert "its first entry is no Composition" in broken(lambda b: b["entry"].reverse())
    assert broken(lambda b: b["entry"].append(b["entry"][1]))[0] == "two entries have one fullUrl"
    assert broken(lambda b: composition(b).pop("title")) == ["its Composition has no title"]
    assert broken(lambda b: composition(b)["section"].pop(0)) == ["section 48765-2 is not there"]
    assert broken(lambda b: composition(b)["section"][0].pop("text")) == ["section 48765-2 has no title or no text"]
    assert "section 48765-2 has a None" in broken(
        lambda b: composition(b)["section"][0]["entry"][0].update(reference="x")
    )
    assert broken(lambda b: composition(b)["section"][0].update(emptyReason={"text": "x"}))[0].startswith(
        "section 48765-2 has both"
    )
    assert broken(lambda b: by("AllergyIntolerance")(b).pop("code")) == ["a AllergyIntolerance has no code"]
    assert broken(lambda b: by("Patient")(b).pop("birthDate")) == ["a Patient has no birthDate"]
    assert broken(lambda b: by("Patient")(b).pop("name")) == ["a Patient has no name"]
    assert any(
        "which is not in it" in each
        for each in broken(lambda b: by("MedicationRequest")(b)["subject"].update(reference="Patient/1"))
    )

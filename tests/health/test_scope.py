"""Every record has one class, never a laxer one than its labels say, and nothing of a bundle is lost on the way."""

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from theriac import fhir
from theriac.errors import BrokenBundle, UnknownClass, UnknownPurpose, UnknownScope
from theriac.health import scope
from theriac.health.scope import ALL_CLASSES, PURPOSES, WORDS_OF_BIT, Category, Classified, KeyClass, Level, Purpose

ROOT = Path(__file__).parent.parent.parent
FIXTURES = ROOT / "tests" / "fixtures" / "fhir"
SHARED = Path(os.environ.get("THERIAC_DATA", ROOT.parent / "shared" / "data")) / "fhir"
CONFIDENTIALITY = fhir.CONFIDENTIALITY


def resource(**fields: object) -> fhir.Resource:
    return fhir.parse(json.dumps(fields).encode())


def labelled(code: str, system: str = CONFIDENTIALITY) -> dict[str, object]:
    return {"security": [{"system": system, "code": code}]}


def class_of(**fields: object) -> str:
    return str(scope.classify(resource(**fields)).cls)


# -- classes, bits, words --------------------------------------------------------------------------------------------


def test_all_classes__have_every_level_but_the_lax_ones_of_sensitive_categories() -> None:
    assert len(ALL_CLASSES) == 17 * 3 + 4 * 2 + 2 + 1
    assert len(set(ALL_CLASSES)) == len(ALL_CLASSES)
    assert [str(each) for each in ALL_CLASSES if each.category.value == "genomics"] == ["genomics/R", "genomics/V"]
    assert [str(each) for each in ALL_CLASSES if each.category.value == "mixed"] == ["mixed/R", "mixed/V"]
    assert [str(each) for each in ALL_CLASSES if each.category.value == "unsorted"] == ["unsorted/V"]


@pytest.mark.parametrize("cls", ALL_CLASSES, ids=str)
def test_parse__of_a_class_as_written__gives_the_class(cls: KeyClass) -> None:
    assert KeyClass.parse(str(cls)) == cls


@pytest.mark.parametrize(
    "text",
    ["genomics/N", "mixed/N", "unsorted/R", "laboratory", "laboratory/n", "Laboratory/N", " laboratory/N", "/", ""],
)
def test_parse__of_no_class__is_refused(text: str) -> None:
    with pytest.raises(UnknownClass) as caught:
        KeyClass.parse(text)

    assert caught.value.text == text


@pytest.mark.parametrize("category", ["genomics", "mental-health", "substance-use", "sexual-health", "mixed"])
def test_key_class__sensitive_at_level_n__cannot_be(category: str) -> None:
    with pytest.raises(UnknownClass):
        KeyClass(Category(category), Level.N)


def test_bit_of__an_n_class_has_its_own__all_r_and_all_v_share() -> None:
    bits = {level: [scope.bit_of(each) for each in ALL_CLASSES if each.level is level] for level in Level}

    assert bits[Level.N] == list(range(17))
    assert set(bits[Level.R]) == {60}
    assert set(bits[Level.V]) == {61}


def test_mask_of__classes__joins_their_bits() -> None:
    classes = [KeyClass.parse(text) for text in ("laboratory/N", "mental-health/R", "genomics/R", "unsorted/V")]

    assert scope.mask_of(classes) == 1 << 4 | 1 << 60 | 1 << 61
    assert scope.mask_of([]) == 0


def test_words_of__a_mask__go_by_ascending_bit() -> None:
    assert scope.words_of(1 << 62 | 1 << 60 | 1 << 16 | 1) == [
        "allergies",
        "social history",
        "restricted",
        "single records",
    ]
    assert scope.words_of(0) == []


@pytest.mark.parametrize("mask", [1 << 17, 1 << 59, 1 << 64, -1])
def test_words_of__a_bit_without_meaning__is_refused(mask: int) -> None:
    with pytest.raises(UnknownScope) as caught:
        scope.words_of(mask)

    assert caught.value.mask == mask


def test_words__are_lower_case_and_fit_a_word_of_the_chain() -> None:
    words = [*WORDS_OF_BIT.values(), *(purpose.words for purpose in PURPOSES)]

    assert len(set(words)) == len(words)
    assert all(re.fullmatch(r"[a-z ]{1,31}", each) for each in words)


def test_purpose__of_a_code_of_hl7() -> None:
    assert Purpose.parse("HPAYMT") == Purpose(5, "HPAYMT", "payment", 1 << 5)


@pytest.mark.parametrize("code", ["HRESCH", "treat", "", "TREAT "])
def test_purpose__of_another_code__is_refused(code: str) -> None:
    with pytest.raises(UnknownPurpose) as caught:
        Purpose.parse(code)

    assert caught.value.code == code


# -- the page and the module are equal -------------------------------------------------------------------------------


def page(heading: str) -> list[list[str]]:
    """The rows of the table under a heading of docs/scopes.md, backticks left out."""
    text = (ROOT / "docs" / "scopes.md").read_text()
    section = text.split(f"# {heading}\n", 1)[1].split("\n#", 1)[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.replace("`", "").strip() for cell in row] for row in rows[2:]]


def test_page__classes_and_bits__are_the_modules() -> None:
    classes = [[str(each), str(scope.bit_of(each)), WORDS_OF_BIT[scope.bit_of(each)]] for each in ALL_CLASSES]

    more = [["one record, to one reader", "62", "single records"]]
    more += [["the right to pass it on for a referral", "63", "may be referred on"]]
    assert page("Classes") == [*classes, *more]


def test_page__purposes__are_the_modules() -> None:
    roles = {0: ["none", ""], 1 << 0: ["clinician", "0"], 1 << 5: ["insurer", "5"]} | {
        1 << 6: ["regulator", "6"],
        1 << 7: ["auditor", "7"],
    }

    assert page("Purposes") == [[str(each.number), each.code, each.words, *roles[each.role]] for each in PURPOSES]


def test_page__types__are_the_modules() -> None:
    assert page("By type") == [[category.value, names] for category, names in scope.TYPES.items()]


@pytest.mark.parametrize(
    ("heading", "table"),
    [
        ("By code", scope.CODES),
        ("Sensitive codes", scope.SENSITIVE_CODES),
        ("Sensitive beginnings of codes", scope.SENSITIVE_PREFIXES),
    ],
)
def test_page__codes__are_the_modules(heading: str, table: dict[str, dict[Category | None, str]]) -> None:
    rows = [
        [system, category.value if category else "none", codes]
        for system, meanings in table.items()
        for category, codes in meanings.items()
    ]

    assert page(heading) == rows


def test_page__labels__are_the_modules() -> None:
    rows = [
        [system, level.name, category.value if category else "", codes]
        for system, meanings in scope.LABELS.items()
        for (level, category), codes in meanings.items()
    ]

    assert page("Labels") == rows


def test_page__other_names__are_the_modules() -> None:
    assert page("Other names of code systems") == [list(pair) for pair in scope.ALIASES.items()]


def test_tables__name_no_type_and_no_code_twice() -> None:
    types = " ".join(scope.TYPES.values()).split() + list(scope.CODED)
    codes = [
        (system, code)
        for table in (scope.CODES, scope.SENSITIVE_CODES)
        for system, meanings in table.items()
        for text in meanings.values()
        for code in text.split()
    ]
    labels = [
        (system, code)
        for system, meanings in scope.LABELS.items()
        for text in meanings.values()
        for code in text.split()
    ]

    for names in (types, codes, labels):
        assert len(set(names)) == len(names)


# -- one resource ----------------------------------------------------------------------------------------------------


def test_classify__by_type_alone() -> None:
    condition = resource(resourceType="Condition")

    assert scope.classify(condition) == Classified(KeyClass.parse("conditions/N"), "type Condition", certain=True)


@pytest.mark.parametrize(
    ("category", "cls"),
    [
        ("laboratory", "laboratory/N"),
        ("vital-signs", "vitals/N"),
        ("activity", "vitals/N"),
        ("imaging", "imaging/N"),
        ("procedure", "procedures/N"),
        ("therapy", "procedures/N"),
        ("exam", "checkups/N"),
        ("survey", "checkups/N"),
        ("social-history", "social-history/N"),
        ("LABORATORY", "unsorted/V"),
        ("weather", "unsorted/V"),
    ],
)
def test_classify__an_observation__by_its_category(category: str, cls: str) -> None:
    coding = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": category}

    assert class_of(resourceType="Observation", category=[{"coding": [coding]}]) == cls


def test_classify__an_observation__by_the_first_category_that_is_known() -> None:
    local = {"system": "https://clinic.example/categories", "code": "lab"}
    known = {"system": "http://hl7.org/fhir/observation-category", "code": "laboratory"}

    assert class_of(resourceType="Observation", category=[{"coding": [local, known]}]) == "laboratory/N"


def test_classify__a_category_without_a_system__says_nothing() -> None:
    found = scope.classify(resource(resourceType="Observation", category=[{"coding": [{"code": "laboratory"}]}]))

    assert found == Classified(scope.UNSORTED, "nothing says what it is", certain=False)


@pytest.mark.parametrize(
    ("service", "cls"),
    [
        ("LAB", "laboratory/N"),
        ("RAD", "imaging/N"),
        ("GE", "genomics/R"),
        ("TX", "substance-use/R"),
        ("OUS", "sexual-health/R"),
        ("OTH", "unsorted/V"),
    ],
)
def test_classify__a_report__by_its_service_section(service: str, cls: str) -> None:
    coding = {"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": service}

    assert class_of(resourceType="DiagnosticReport", category=[{"coding": [coding]}]) == cls


@pytest.mark.parametrize(
    ("fields", "cls"),
    [
        ({"resourceType": "DocumentReference"}, "unsorted/V"),
        ({"resourceType": "MolecularSequence"}, "genomics/R"),
        ({"resourceType": "Parameters", "parameter": [{"name": "x", "valueString": "anything"}]}, "unsorted/V"),
        ({"resourceType": "Spell"}, "unsorted/V"),
        ({"resourceType": "patient"}, "unsorted/V"),
        ({"resourceType": "Bundle"}, "unsorted/V"),
        ({"resourceType": "QuestionnaireResponse"}, "unsorted/V"),
        ({"resourceType": "QuestionnaireResponse", "source": {"reference": "Patient/1"}}, "patient-reported/N"),
        (
            {
                "resourceType": "QuestionnaireResponse",
                "source": {"reference": "https://c.example/RelatedPerson/1/_history/2"},
            },
            "patient-reported/N",
        ),
        ({"resourceType": "QuestionnaireResponse", "author": {"reference": "Practitioner?name=x"}}, "checkups/N"),
        (
            {"resourceType": "QuestionnaireResponse", "source": {"reference": "urn:uuid:1", "type": "Patient"}},
            "patient-reported/N",
        ),
        ({"resourceType": "QuestionnaireResponse", "source": {"reference": "urn:uuid:1"}}, "unsorted/V"),
    ],
)
def test_classify__other_types(fields: dict[str, object], cls: str) -> None:
    assert class_of(**fields) == cls


@pytest.mark.parametrize(
    ("system", "code", "cls"),
    [
        ("http://hl7.org/fhir/sid/icd-10-cm", "F32.1", "mental-health/R"),
        ("http://hl7.org/fhir/sid/icd-10", "f10.2", "substance-use/R"),
        ("http://hl7.org/fhir/sid/icd-10", "F17.2", "conditions/N"),
        ("http://hl7.org/fhir/sid/icd-10", "F52.0", "sexual-health/R"),
        ("http://hl7.org/fhir/sid/icd-10", "B20", "sexual-health/R"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "O80", "sexual-health/R"),
        ("http://hl7.org/fhir/sid/icd-10", "Q90.9", "genomics/R"),
        ("http://hl7.org/fhir/sid/icd-10", "J45.0", "conditions/N"),
        ("http://www.whocc.no/atc", "N06AB03", "mental-health/R"),
        ("http://www.whocc.no/atc", "N02BE01", "conditions/N"),
        ("http://loinc.org", "44261-6", "mental-health/R"),
        ("http://snomed.info/sct", "F32.1", "conditions/N"),
    ],
)
def test_classify__a_sensitive_code__wherever_it_stands(system: str, code: str, cls: str) -> None:
    coding = {"system": system, "code": code}

    assert class_of(resourceType="Condition", code={"coding": [coding]}) == cls
    assert class_of(resourceType="Condition", evidence=[{"detail": {"deep": [[{"coding": [coding]}]]}}]) == cls


def expected(text: str) -> dict[str, str]:
    return dict(line.split() for line in text.strip().splitlines())


LABELLED = expected(
    """
    nobody                    administrative/N
    level-u                   conditions/N
    level-l                   conditions/N
    level-m                   conditions/N
    level-n                   conditions/N
    level-r                   conditions/R
    level-v                   conditions/V
    sensitive-eth             substance-use/R
    sensitive-psy             mental-health/R
    sensitive-psythpn         mental-health/V
    sensitive-hiv             sexual-health/R
    sensitive-sdv             sexual-health/V
    sensitive-gdis            genomics/R
    sensitive-cel             conditions/R
    sensitive-tboo            conditions/V
    sensitive-noauth          conditions/R
    two-levels                conditions/V
    normal-but-psychiatric    mental-health/R
    very-restricted-and-hiv   sexual-health/V
    two-sensitivities         mixed/V
    old-name-of-the-system    conditions/R
    test-data                 conditions/N
    part-of-a-resource        conditions/N
    label-of-a-clinic         unsorted/V
    label-in-small-letters    unsorted/V
    label-without-system      unsorted/V
    label-without-code        unsorted/V
    label-as-text             unsorted/V
    label-as-object           conditions/R
    label-null                unsorted/V
    meta-as-list              unsorted/V
    label-on-an-element       conditions/V
    label-without-a-place     conditions/R
    label-of-a-document       encounters/R
    label-of-a-composition    encounters/V
    """
)

WRAPPED = expected(
    """
    nobody                      administrative/R
    somebody                    administrative/N
    at-the-psychiatrist         mental-health/R
    blood-pressure              vitals/N
    claim-for-the-visit         mental-health/R
    hiv-test                    sexual-health/R
    report-of-the-test          sexual-health/R
    because-of-the-report       sexual-health/R
    cholesterol                 laboratory/N
    glucose                     laboratory/N
    of-laboratory               laboratory/N
    of-anything                 mixed/R
    of-lists                    laboratory/N
    of-what-is-elsewhere        unsorted/V
    of-the-unknown              unsorted/V
    without-category            unsorted/V
    of-the-test                 sexual-health/R
    of-the-practitioner         administrative/N
    holds-a-genetic-order       genomics/R
    holds-a-plain-result        laboratory/N
    holds-the-unknown           unsorted/V
    holds-no-resource           unsorted/V
    of-one-class                laboratory/N
    of-two-classes              mixed/R
    of-a-bundle                 laboratory/V
    of-no-resource              unsorted/V
    of-a-scan                   imaging/N
    scan                        imaging/N
    alone                       unsorted/V
    second-version              allergies/V
    """
)


def classes_in(name: str) -> list[tuple[str | None, str]]:
    records = scope.records_of(fhir.parse((FIXTURES / f"{name}.json").read_bytes())).resources
    return [(record.facts and record.facts.id, str(record.classified.cls)) for record in records]


def test_records_of__labelled_resources__stand_where_their_labels_say() -> None:
    assert classes_in("labelled") == list(LABELLED.items())


def test_records_of__resources_about_others__are_as_restricted_as_those() -> None:
    found = classes_in("wrapped")

    # Two resources share an id on purpose: a Provenance and a Binary of one test, two versions of an allergy.
    assert set(found) == set(WRAPPED.items())
    assert len(found) == len(WRAPPED) + 2


def test_classify__a_malformed_label__says_so() -> None:
    assert scope.classify(resource(resourceType="Condition", meta={"security": [{"code": "R"}]})) == Classified(
        scope.UNSORTED, "one of its security labels is malformed", certain=False
    )


@pytest.mark.parametrize(
    ("fields", "cls"),
    [
        ({"extension": [{"url": "urn:x", "valueMeta": labelled("V")}]}, "conditions/V"),
        ({"extension": [{"url": "urn:x", "valueMeta": labelled("secret")}]}, "unsorted/V"),
        ({"securityLabel": [{"coding": [{"system": CONFIDENTIALITY, "code": "V"}]}]}, "conditions/V"),
        ({"securityLabel": [{"coding": [], "text": "for her eyes only"}]}, "unsorted/V"),
        ({"securityLabel": [{"text": "for her eyes only"}]}, "unsorted/V"),
        (
            {
                "securityLabel": {
                    "coding": [{"system": CONFIDENTIALITY, "code": "N"}],
                    "system": CONFIDENTIALITY,
                    "code": "secret",
                }
            },
            "unsorted/V",
        ),
    ],
)
def test_classify__a_label_in_an_odd_place__counts(fields: dict[str, object], cls: str) -> None:
    assert class_of(resourceType="Condition", **fields) == cls


def test_classify__a_list_alone__cannot_know_what_it_lists() -> None:
    found = scope.classify(resource(resourceType="List", entry=[{"item": {"reference": "Condition/1"}}]))

    assert found == Classified(scope.UNSORTED, "it is about something that did not come along", certain=False)


# -- records of a bundle ---------------------------------------------------------------------------------------------


def bundle(*entries: dict[str, object], **fields: object) -> fhir.Resource:
    return resource(resourceType="Bundle", entry=list(entries), **fields)


def classes_of(document: fhir.Resource) -> list[str]:
    return [str(record.classified.cls) for record in scope.records_of(document).resources]


CONDITION: dict[str, object] = {"resource": {"resourceType": "Condition"}}


def test_records_of__a_single_resource__is_one_record() -> None:
    patient = resource(resourceType="Patient", id="p1")

    records = scope.records_of(patient)

    assert records.envelope is None
    assert records.resources == (
        scope.FhirRecord(patient.content, scope.classify(patient), fhir.facts_of(patient), None),
    )


def test_records_of__the_bundles_label__counts_for_who_has_none() -> None:
    normal = {"resource": {"resourceType": "Condition", "meta": labelled("N")}}
    partial = {"resource": {"resourceType": "Condition", "meta": labelled("SUBSETTED", scope.OBSERVATION_VALUE)}}

    assert classes_of(bundle(CONDITION, normal, partial, meta=labelled("V"))) == [
        "conditions/V",
        "conditions/N",
        "conditions/V",
    ]


def test_records_of__an_unknown_label_of_the_bundle__sorts_nothing() -> None:
    assert classes_of(bundle(CONDITION, meta=labelled("secret"))) == ["unsorted/V"]


@pytest.mark.parametrize(("kind", "cls"), [("document", "conditions/R"), ("collection", "conditions/N")])
def test_records_of__a_compositions_label__counts_for_its_document(kind: str, cls: str) -> None:
    composition = {"resource": {"resourceType": "Composition", "confidentiality": "R"}}

    assert classes_of(bundle(composition, CONDITION, type=kind))[1] == cls


@pytest.mark.parametrize(
    ("document", "cls"),
    [
        (bundle(), "mixed/R"),
        (bundle(CONDITION), "mixed/R"),
        (bundle({"resource": {"resourceType": "Condition", "meta": labelled("V")}}), "mixed/V"),
        (bundle({"resource": {"resourceType": "Condition", "meta": labelled("R")}}), "mixed/R"),
        (bundle({"resource": {"resourceType": "Condition", "meta": labelled("HIV", scope.ACT_CODE)}}), "mixed/V"),
        (bundle({"resource": {"resourceType": "Spell"}}), "mixed/V"),
        (bundle(meta=labelled("V")), "mixed/V"),
        (bundle(meta=labelled("secret")), "mixed/V"),
        (
            bundle({"response": {"outcome": {"resourceType": "OperationOutcome", "meta": labelled("V")}}}),
            "mixed/V",
        ),
        (bundle({"response": {"outcome": {"resourceType": "OperationOutcome"}}}), "mixed/R"),
    ],
)
def test_records_of__a_bundle__has_an_envelope_as_restricted_as_its_strictest(
    document: fhir.Resource, cls: str
) -> None:
    envelope = scope.records_of(document).envelope

    assert envelope is not None
    assert str(envelope.classified.cls) == cls


def test_records_of__a_bundle_within__with_something_unknown__is_unsorted() -> None:
    inner = {"resourceType": "Bundle", "entry": [CONDITION, {"resource": {"resourceType": "Observation"}}]}

    assert classes_of(bundle({"resource": inner})) == ["unsorted/V"]


def test_records_of__what_is_about_a_restricted_person_too__is_restricted() -> None:
    patient = {"resource": {"resourceType": "Patient", "id": "p", "meta": labelled("R")}}
    condition = {"resource": {"resourceType": "Condition", "id": "c"}}
    provenance = {
        "resource": {
            "resourceType": "Provenance",
            "target": [{"reference": "Condition/c"}, {"reference": "Patient/p"}],
        }
    }

    assert classes_of(bundle(provenance, condition, patient)) == ["conditions/R", "conditions/N", "administrative/R"]


def test_records_of__lists_of_lists_of_the_unknown__are_all_unsorted() -> None:
    unknown = {"resource": {"resourceType": "Observation", "id": "0"}}
    lists: list[dict[str, object]] = [
        {"resource": {"resourceType": "List", "id": str(n), "entry": [{"item": {"reference": f"List/{n - 1}"}}]}}
        for n in (3, 2)
    ]
    first = {"resource": {"resourceType": "List", "id": "1", "entry": [{"item": {"reference": "Observation/0"}}]}}

    assert classes_of(bundle(*lists, first, unknown)) == ["unsorted/V"] * 4


def test_records_of__a_list_of_a_list_of_the_known_and_the_unknown__is_unsorted() -> None:
    def listed(name: str, *targets: str) -> dict[str, object]:
        items = [{"item": {"reference": target}} for target in targets]
        return {"resource": {"resourceType": "List", "id": name, "entry": items}}

    unknown = {"resource": {"resourceType": "Observation", "id": "o"}}
    known = {"resource": {"resourceType": "Condition", "id": "c"}}

    assert classes_of(bundle(listed("2", "List/1"), listed("1", "Observation/o", "Condition/c"), known, unknown)) == [
        "unsorted/V",
        "unsorted/V",
        "conditions/N",
        "unsorted/V",
    ]


def test_records_of__a_document_of_a_restricted_binary__is_as_restricted() -> None:
    note = {"coding": [{"system": "http://loinc.org", "code": "11506-3"}]}
    document = {
        "resource": {
            "resourceType": "DocumentReference",
            "type": note,
            "content": [{"attachment": {"url": "Binary/b"}}],
        }
    }
    binary = {"resource": {"resourceType": "Binary", "id": "b", "meta": labelled("V")}}

    assert classes_of(bundle(document, binary)) == ["encounters/V", "encounters/V"]


@pytest.mark.parametrize("strict", [0, 1])
def test_records_of__two_versions__are_both_as_restricted_as_the_stricter(strict: int) -> None:
    versions: list[dict[str, object]] = [
        {"resource": {"resourceType": "Condition", "id": "c", "meta": labelled("V" if number == strict else "N")}}
        for number in range(2)
    ]

    assert classes_of(bundle(*versions)) == ["conditions/V", "conditions/V"]


def test_records_of__a_reference_to_what_nobody_knows__restricts_nothing() -> None:
    unknown = {"resource": {"resourceType": "Spell", "id": "s"}}
    procedure = {"resource": {"resourceType": "Procedure", "reasonReference": [{"reference": "Spell/s"}]}}

    assert classes_of(bundle(unknown, procedure)) == ["unsorted/V", "procedures/N"]


def test_records_of__a_reference_to_a_version__finds_the_resource() -> None:
    strict = {"fullUrl": "urn:x:1/_history/7", "resource": {"resourceType": "Condition", "meta": labelled("V")}}
    referring = {"resource": {"resourceType": "Procedure", "reasonReference": [{"reference": "urn:x:1/_history/8"}]}}

    assert classes_of(bundle(strict, referring)) == ["conditions/V", "procedures/V"]


def test_records_of__what_cannot_be_classed__is_listed() -> None:
    records = scope.records_of(bundle(CONDITION, {"resource": {"resourceType": "Spell", "id": "s"}}))

    assert [record.facts and record.facts.id for record in records.uncertain] == ["s"]
    assert records.uncertain[0].classified == Classified(scope.UNSORTED, "type Spell has no class", certain=False)


def test_records_of__a_broken_bundle__is_refused() -> None:
    with pytest.raises(BrokenBundle):
        scope.records_of(resource(resourceType="Bundle", entry=7))


def sample(name: str) -> Path:
    path = SHARED / name
    return path if path.exists() else ROOT / "examples" / "fhir" / name


@pytest.mark.parametrize(
    ("name", "count", "categories"),
    [
        (
            "synthea-r4-a.json",
            170,
            "administrative care-plans checkups claims conditions encounters imaging immunizations laboratory "
            "medications procedures vitals",
        ),
        (
            "synthea-r4-b.json",
            182,
            "administrative allergies care-plans checkups claims conditions encounters immunizations laboratory "
            "medications procedures vitals",
        ),
        (
            "synthea-r4-c.json",
            138,
            "administrative allergies care-plans checkups claims conditions encounters immunizations laboratory "
            "medications procedures vitals",
        ),
    ],
)
def test_records_of__a_public_bundle__go_in_and_come_back_equal(name: str, count: int, categories: str) -> None:
    path = sample(name)
    if not path.exists():
        pytest.skip(f"{name} is not here; set THERIAC_DATA to the folder that has fhir/{name}.")
    data = path.read_bytes()

    records = scope.records_of(fhir.parse(data))
    joined = together(records)

    assert joined == data
    assert len(records.resources) == count
    assert records.uncertain == ()
    assert {str(record.classified.cls) for record in records.resources} == {f"{each}/N" for each in categories.split()}
    assert [json.loads(record.content) for record in records.resources] == [
        entry["resource"] for entry in json.loads(data)["entry"]
    ]


def together(records: scope.FhirRecords) -> bytes:
    assert records.envelope is not None
    envelope = fhir.Envelope.from_bytes(records.envelope.content)
    return fhir.rejoin(envelope, {record.tag: record.content for record in records.resources if record.tag})


# -- properties ------------------------------------------------------------------------------------------------------

# A busy machine is no reason to fail.
calmly = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

TYPES = st.sampled_from(
    [
        "Condition",
        "Observation",
        "List",
        "Bundle",
        "Binary",
        "Provenance",
        "Claim",
        "Patient",
        "Composition",
        "Spell",
        "",
    ]
)
SYSTEMS = st.sampled_from([*scope.LABELS, scope.ICD_10, scope.LOINC, scope.OBSERVATION_CATEGORY, "urn:other"])
CODES = st.sampled_from(["U", "N", "R", "V", "HIV", "PSY", "TREAT", "F32", "laboratory", "44261-6", "n", ""])
CODINGS = st.fixed_dictionaries({}, optional={"system": SYSTEMS, "code": CODES, "display": st.text(max_size=3)})
REFERENCES = st.builds(
    lambda name, number: {"reference": f"{name}/{number}"},
    st.sampled_from(["Condition", "List", "Patient"]),
    st.integers(0, 4),
)
NAMES = st.sampled_from(
    ["meta", "security", "contained", "entry", "resource", "item", "code", "coding", "category", "url"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | CODINGS | REFERENCES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def resources(draw: st.DrawFn) -> dict[str, object]:
    fields = draw(st.dictionaries(NAMES, JSON, max_size=4))
    labels = draw(st.none() | st.lists(CODINGS, max_size=3))
    fixed: dict[str, object] = {"resourceType": draw(TYPES), "id": str(draw(st.integers(0, 4)))}
    return fields | fixed | ({} if labels is None else {"meta": {"security": labels}})


def labels_of(value: dict[str, object]) -> list[object]:
    meta = value.get("meta")
    security = meta.get("security") if isinstance(meta, dict) else None
    return security if isinstance(security, list) else []


def with_label(value: dict[str, object], label: dict[str, str]) -> dict[str, object]:
    """The resource with one label more and all else as it was."""
    meta = value.get("meta")
    return value | {"meta": {**(meta if isinstance(meta, dict) else {}), "security": [*labels_of(value), label]}}


def classified(value: dict[str, object]) -> Classified:
    """The class of a resource that has perhaps no type, as entries of bundles may be."""
    entry = bundle({"resource": value})
    return scope.classify(fhir.split(entry).parts[0].resource)


@calmly
@given(resources())
def test_classify__of_anything__gives_a_class_and_is_certain_unless_unsorted(value: dict[str, object]) -> None:
    found = classified(value)

    assert found.cls in ALL_CLASSES
    assert found.certain == (found.cls != scope.UNSORTED)


@calmly
@given(resources())
def test_classify__with_label_v__is_never_below_v(value: dict[str, object]) -> None:
    strict = with_label(value, {"system": CONFIDENTIALITY, "code": "V"})
    holder = {"resourceType": "Condition", "contained": [strict]}
    wrapper = {
        "resourceType": "Bundle",
        "entry": [{"resource": {"resourceType": "Bundle", "entry": [{"resource": strict}]}}],
    }

    assert [classified(each).cls.level for each in (strict, holder, wrapper)] == [Level.V] * 3


@calmly
@given(resources(), CODINGS)
def test_classify__of_what_is_known__with_a_further_label__is_never_laxer(
    value: dict[str, object], label: dict[str, str]
) -> None:
    before = classified(value)

    after = classified(with_label(value, label))

    assert after.cls.level >= before.cls.level or not before.certain


@calmly
@given(
    resources(), st.sampled_from(["urn:other", CONFIDENTIALITY, scope.ACT_CODE, ""]), st.sampled_from(["n", "", "X"])
)
def test_classify__with_a_label_that_nobody_knows__is_unsorted(
    value: dict[str, object], system: str, code: str
) -> None:
    strange = with_label(value, {"system": system, "code": code})

    assert classified(strange).cls == scope.UNSORTED


@calmly
@given(st.lists(resources(), max_size=6), st.lists(CODINGS, max_size=1))
def test_records_of__any_bundle__lose_nothing_and_lift_no_label(
    values: list[dict[str, object]], labels: Iterable[object]
) -> None:
    document = bundle(
        *({"resource": each, "request": {"url": "x"}} for each in values), meta={"security": list(labels)}
    )

    records = scope.records_of(document)

    assert together(records) == document.content
    assert [json.loads(record.content) for record in records.resources] == values
    assert records.envelope is not None
    levels = [record.classified.cls.level for record in records.resources]
    assert all(level is Level.V for level, value in zip(levels, values, strict=True) if _strict(value))
    assert records.envelope.classified.cls.level >= max(levels, default=Level.R)


def _strict(value: dict[str, object]) -> bool:
    return any(label == {"system": CONFIDENTIALITY, "code": "V"} for label in labels_of(value))


@calmly
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=24), st.integers(0, 7))
def test_records_of__a_tangle_of_references__restricts_all_that_lead_to_the_strict_one(
    references: list[tuple[int, int]], strict: int
) -> None:
    values: list[dict[str, object]] = [
        {
            "resourceType": "Condition",
            "id": str(number),
            "evidence": [{"reference": f"Condition/{to}"} for source, to in references if source == number],
            "meta": labelled("V" if number == strict else "N"),
        }
        for number in range(8)
    ]
    leading = {strict}
    while more := {source for source, to in references if to in leading} - leading:
        leading |= more

    found = classes_of(bundle(*({"resource": value} for value in values)))

    assert found == [f"conditions/{'V' if number in leading else 'N'}" for number in range(8)]

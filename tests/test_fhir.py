"""FHIR is read strictly, and a bundle that was taken apart is put together to the very bytes that came."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from theriac import fhir
from theriac.errors import (
    BrokenBundle,
    DuplicateKey,
    EmptyDocument,
    EnvelopeMismatch,
    HalfCharacter,
    MissingParts,
    NoResourceType,
    NotAnEnvelope,
    NotJson,
    NotUtf8,
    TheriacError,
    TooDeep,
)
from theriac.fhir import Code, Facts, Number

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "tests" / "fixtures" / "fhir"
EXAMPLE = ROOT / "examples" / "fhir" / "synthea-r4-a.json"
LOINC = "http://loinc.org"


def resource(**fields: object) -> fhir.Resource:
    return fhir.parse(json.dumps(fields).encode())


def test_parse__keeps_text_and_numbers_as_written() -> None:
    text = '{"resourceType": "Observation",\n "valueDecimal": 1.0, "other": [1, 1e2, -0]}'

    read = fhir.parse(text.encode())

    assert read.content == text.encode()
    assert read.value == {
        "resourceType": "Observation",
        "valueDecimal": Number("1.0"),
        "other": [Number("1"), Number("1e2"), Number("-0")],
    }


def test_parse__a_number_of_ten_thousand_digits__stays_as_written() -> None:
    digits = "9" * 10_000

    read = fhir.parse(f'{{"resourceType": "Observation", "value": {digits}}}'.encode())

    assert read.value["value"] == Number(digits)


def test_parse__a_byte_order_mark__is_borne_and_kept() -> None:
    data = b'\xef\xbb\xbf{"resourceType": "Patient"}'

    assert fhir.parse(data).content == data


@pytest.mark.parametrize(
    ("name", "error", "facts"),
    [
        ("empty", EmptyDocument, {}),
        ("white_space", EmptyDocument, {}),
        ("not_utf8", NotUtf8, {"position": 41}),
        ("too_deep", TooDeep, {"limit": 200}),
        ("not_json", NotJson, {"line": 1, "column": 1, "problem": "Expecting value"}),
        ("cut_short", NotJson, {"line": 1, "column": 50, "problem": "Expecting value"}),
        ("two_documents", NotJson, {"line": 2, "column": 1, "problem": "Extra data"}),
        ("not_a_number", NotJson, {"line": None, "column": None, "problem": "NaN is no number"}),
        ("infinite", NotJson, {"line": None, "column": None, "problem": "-Infinity is no number"}),
        ("duplicate_key", DuplicateKey, {"key": "type"}),
        ("lone_surrogate", HalfCharacter, {}),
        ("no_resource_type", NoResourceType, {}),
        ("list_of_resources", NoResourceType, {}),
    ],
)
def test_parse__of_a_broken_document__says_what_is_wrong(
    name: str, error: type[TheriacError], facts: dict[str, object]
) -> None:
    data = (FIXTURES / "broken" / f"{name}.json").read_bytes()

    with pytest.raises(error) as caught:
        fhir.parse(data)

    assert vars(caught.value) == facts
    assert "\n" not in str(caught.value)


def test_parse__a_trailing_comma__is_refused() -> None:
    with pytest.raises(NotJson):
        fhir.parse((FIXTURES / "broken" / "trailing_comma.json").read_bytes())


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("bundle_of_another_type", "the resource is no Bundle"),
        ("bundle_entry_no_list", "entry is no list"),
        ("bundle_entry_no_object", "an entry is no object"),
        ("bundle_resource_no_object", "an entry's resource is no object"),
    ],
)
def test_split__of_a_broken_bundle__says_what_is_wrong(name: str, problem: str) -> None:
    bundle = fhir.parse((FIXTURES / "broken" / f"{name}.json").read_bytes())

    with pytest.raises(BrokenBundle) as caught:
        fhir.split(bundle)

    assert caught.value.problem == problem


def test_split__gives_each_resource_as_it_stood_in_the_bundle() -> None:
    first = '{"id": "1",  "resourceType":"Patient", "x":1.50}'
    second = '{ "resourceType" : "Patient" }'
    bundle = fhir.parse(
        f'{{"entry":[ {{"resource":{first},"fullUrl":"urn:uuid:1"}},{{}},\n{{"resource": {second}}}],'
        '"resourceType":"Bundle"}'.encode()
    )

    split = fhir.split(bundle)

    assert [(part.resource.text, part.full_url) for part in split.parts] == [(first, "urn:uuid:1"), (second, None)]
    assert [part.resource.type for part in split.parts] == ["Patient", "Patient"]
    assert split.envelope.pieces == (
        '{"entry":[ {"resource":',
        ',"fullUrl":"urn:uuid:1"},{},\n{"resource": ',
        '}],"resourceType":"Bundle"}',
    )


def test_split__names_resources_by_chance_and_not_by_content() -> None:
    bundle = fhir.parse(b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient"}}]}')

    first, second = fhir.split(bundle).envelope, fhir.split(bundle).envelope

    assert first.pieces == second.pieces
    assert first.tags != second.tags


@pytest.mark.parametrize(
    "path",
    [EXAMPLE, *(FIXTURES / f"{name}.json" for name in ("odd", "labelled", "wrapped"))],
    ids=lambda path: path.name,
)
def test_rejoin__gives_the_bytes_that_came(path: Path) -> None:
    data = path.read_bytes()
    split = fhir.split(fhir.parse(data))
    envelope = split.envelope.to_bytes()
    contents = {part.tag: part.resource.content for part in reversed(split.parts)}

    joined = fhir.rejoin(fhir.Envelope.from_bytes(envelope), contents)

    entries = json.loads(data.decode("utf-8-sig"))["entry"]
    assert joined == data
    assert len(contents) == sum("resource" in entry for entry in entries)


def test_rejoin__with_a_resource_missing__counts_them() -> None:
    split = fhir.split(fhir.parse(EXAMPLE.read_bytes()))
    contents = {part.tag: part.resource.content for part in split.parts[2:]}

    with pytest.raises(MissingParts) as caught:
        fhir.rejoin(split.envelope, contents)

    assert vars(caught.value) == {"missing": 2, "total": 170}


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b'{"resourceType":"Patient"', b'{"resourceType":"Patient"},"x":{}', b"{}}, {{}", b"{} "],
)
def test_rejoin__of_what_is_no_resource__is_noticed(content: bytes) -> None:
    split = fhir.split(fhir.parse(b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient"}}]}'))

    with pytest.raises(EnvelopeMismatch):
        fhir.rejoin(split.envelope, {split.parts[0].tag: content})


def test_rejoin__with_a_piece_that_ends_in_half_a_character__is_noticed() -> None:
    envelope = fhir.Envelope(("\ud83d", ""), ("a",))

    with pytest.raises(EnvelopeMismatch):
        fhir.rejoin(envelope, {"a": b"{}"})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        b'{"kind":"fhir-envelope","version":2,"pieces":[""],"tags":[]}',
        b'{"kind":"letter","version":1,"pieces":[""],"tags":[]}',
        b'{"kind":"fhir-envelope","version":1,"pieces":[""],"tags":["a"]}',
        b'{"kind":"fhir-envelope","version":1,"pieces":["","",""],"tags":["a","a"]}',
        b'{"kind":"fhir-envelope","version":1,"pieces":[1],"tags":[]}',
        b'{"kind":"fhir-envelope","version":1,"pieces":"","tags":null}',
        b'{"kind":"fhir-envelope","more":1,"pieces":[""],"tags":[],"version":1}',
        b'{"kind":"fhir-envelope","pieces":[""],"tags":[],"version":1.0}',
        b'{"kind":"fhir-envelope", "pieces":[""],"tags":[],"version":1}',
        b'{"kind":"fhir-envelope","pieces":["\\ud83d"],"tags":[],"version":1}',
    ],
)
def test_envelope__of_another_kind_or_damaged__is_refused(data: bytes) -> None:
    with pytest.raises(NotAnEnvelope):
        fhir.Envelope.from_bytes(data)


def test_facts_of__an_observation() -> None:
    observation = resource(
        resourceType="Observation",
        id="o1",
        status="final",
        meta={"security": [{"system": fhir.CONFIDENTIALITY, "code": "R"}]},
        category=[{"coding": [{"system": "urn:categories", "code": "laboratory"}]}],
        code={"coding": [{"system": LOINC, "code": "2093-3", "display": "Cholesterol"}], "text": "Cholesterol, total"},
        subject={"reference": "Patient/p1"},
        effectiveDateTime="2024-02-29T08:30:00+01:00",
        issued="2024-03-02T09:00:00Z",
    )

    assert fhir.facts_of(observation) == Facts(
        type="Observation",
        id="o1",
        subject="Patient/p1",
        date="2024-02-29T08:30:00+01:00",
        codes=(Code(LOINC, "2093-3", "Cholesterol"),),
        categories=(Code("urn:categories", "laboratory"),),
        labels=(Code(fhir.CONFIDENTIALITY, "R"),),
    )


def test_facts_of__what_has_no_sense__leave_it_out() -> None:
    odd = resource(
        resourceType="Condition", id=[], subject="p1", code=7, category=[None, {}], onsetDateTime="2024-02-30"
    )

    assert fhir.facts_of(odd) == Facts("Condition", None, None, None, (), (), ())


def test_facts_of__what_is_too_long_or_too_much__stay_small() -> None:
    coding = {"system": LOINC, "code": "1", "display": "x" * 10_000}
    big = resource(resourceType="Condition", id="i" * 257, code={"coding": [coding] * 100})

    assert fhir.facts_of(big) == Facts("Condition", None, None, None, (Code(LOINC, "1", "x" * 256),) * 16, (), ())


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024", "2024-01-01"),
        ("2024-02", "2024-02-01"),
        ("2024-02-29", "2024-02-29"),
        ("2024-02-29T23:59:59.123-11:00", "2024-02-29"),
        ("2023-02-29", None),
        ("2024-02-29T", None),
        ("29.2.2024", None),
        ("0000", None),
        ("٢٠٢٤", None),
    ],
)
def test_facts_of__a_date__name_the_first_day_it_can_mean(text: str, day: str | None) -> None:
    found = fhir.facts_of(resource(resourceType="Procedure", performedDateTime=text)).day

    assert (found and found.isoformat()) == day


def test_problems_of__a_valid_resource__are_none() -> None:
    parts = fhir.split(fhir.parse(EXAMPLE.read_bytes())).parts

    assert [problem for part in parts for problem in fhir.problems_of(part.resource)] == []


def test_problems_of__an_invalid_resource__name_places_and_never_values() -> None:
    patient = resource(resourceType="Patient", birthDate="secret", gender=["very secret"])

    problems = fhir.problems_of(patient)

    assert sorted(problem.split(":")[0] for problem in problems) == ["birthDate", "gender"]
    assert "secret" not in " ".join(problems)


def test_problems_of__an_unknown_type() -> None:
    assert fhir.problems_of(resource(resourceType="Spell")) == ["'Spell' is no resource type of FHIR R4"]


def test_problems_of__a_number_beyond_counting() -> None:
    counted = fhir.parse(b'{"resourceType": "Patient", "multipleBirthInteger": ' + b"9" * 5000 + b"}")

    assert fhir.problems_of(counted) == ["a number is larger than any machine counts"]


# -- properties ------------------------------------------------------------------------------------------------------

# A busy machine is no reason to fail.
calmly = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
SPACE = st.text(" \t\n\r", max_size=2)
NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
STRINGS = st.builds(
    lambda text, escape: json.dumps(text, ensure_ascii=escape),
    st.text(st.characters(codec="utf-8"), max_size=6),
    st.booleans(),
)


def lists(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda each, space: f"[{space}{f'{space},'.join(each)}{space}]", st.lists(texts, max_size=3), SPACE
    )


def objects(texts: st.SearchStrategy[str], **fixed: str) -> st.SearchStrategy[str]:
    """Texts of JSON objects with these fields and others, in any order and with any spaces."""
    names = st.text("abyz\u00e4\U0001f642", min_size=1, max_size=3)
    fields = st.dictionaries(names, texts, max_size=3).map(lambda others: list({**others, **fixed}.items()))
    return st.builds(
        lambda pairs, space: (
            "{"
            + f"{space},{space}".join(f"{json.dumps(name)}{space}:{space}{text}" for name, text in pairs)
            + f"{space}}}"
        ),
        fields.flatmap(st.permutations),
        SPACE,
    )


VALUES = st.recursive(
    st.sampled_from(["null", "true", "false"]) | NUMBERS | STRINGS,
    lambda inner: lists(inner) | objects(inner),
    max_leaves=6,
)
RESOURCES = st.sampled_from(["Patient", "Bundle", "Strange"]).flatmap(
    lambda name: objects(VALUES, resourceType=json.dumps(name))
)
ENTRIES = objects(VALUES) | RESOURCES.flatmap(lambda text: objects(VALUES, resource=text))


@st.composite
def bundles(draw: st.DrawFn) -> tuple[str, int]:
    """The text of a bundle and how many of its entries have a resource."""
    entries = draw(st.lists(ENTRIES, max_size=4))
    space = draw(SPACE)
    listed = f"[{f'{space},'.join(entries)}{space}]"
    text = draw(objects(VALUES, resourceType='"Bundle"', entry=listed))
    return space + text + space, sum("resource" in json.loads(entry) for entry in entries)


@calmly
@given(bundles())
def test_rejoin__of_any_bundle__gives_the_bytes_that_came(bundle: tuple[str, int]) -> None:
    text, resources = bundle

    split = fhir.split(fhir.parse(text.encode()))
    joined = fhir.rejoin(split.envelope, {part.tag: part.resource.content for part in split.parts})

    assert joined == text.encode()
    assert len(split.parts) == resources
    assert all(fhir.parse(part.resource.content).value == part.resource.value for part in split.parts)


@calmly
@given(st.binary(max_size=40) | VALUES.map(str.encode) | bundles().map(lambda each: each[0].encode()[:-3]))
def test_parse__of_any_bytes__gives_a_resource_or_an_error_of_ours(data: bytes) -> None:
    try:
        read = fhir.parse(data)
    except TheriacError:
        return
    assert read.content == data


@calmly
@given(RESOURCES)
def test_facts_and_problems__of_any_resource__are_told_without_failing(text: str) -> None:
    read = fhir.parse(text.encode())

    assert fhir.facts_of(read).type == read.type
    assert isinstance(fhir.problems_of(read), list)

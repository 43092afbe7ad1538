"""FHIR as text: what stands in a resource can be read, and what could mislead is told."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theriac.fhir import parse
from theriac.health.legible import LONGEST, MOST_ROWS, Legible, Row, legible

ROOT = Path(__file__).resolve().parent.parent.parent
SHARED = ROOT.parent / "shared" / "data"
BUNDLES = sorted([*(ROOT / "examples" / "fhir").glob("*.json"), *SHARED.glob("**/*.json")])


def shown(**values: Any) -> Legible:
    return legible(parse(json.dumps({"resourceType": "Observation", **values}).encode()))


def pairs(rows: tuple[Row, ...]) -> list[tuple[str, Any]]:
    return [(row.name, row.text or pairs(row.rows)) for row in rows]


def texts(rows: tuple[Row, ...]) -> set[str]:
    return {text for row in rows for text in ({row.text} | texts(row.rows))}


@pytest.mark.parametrize(
    ("element", "value", "expected"),
    [
        ("valueQuantity", {"value": 5.6, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"}, "5.6 %"),
        ("valueQuantity", {"value": 3, "comparator": "<=", "code": "mg/L"}, "≤ 3 mg/L"),
        ("valueCodeableConcept", {"coding": [{"system": "s", "code": "c", "display": "Positive"}]}, "Positive"),
        ("valueCodeableConcept", {"coding": [{"code": "c"}], "text": "As the author says"}, "As the author says"),
        ("valueCodeableConcept", {"coding": [{"system": "s", "code": "260385009"}]}, "260385009"),
        ("valueRange", {"low": {"value": 1, "unit": "g"}, "high": {"value": 2, "unit": "g"}}, "1 g – 2 g"),
        ("valueRatio", {"numerator": {"value": 1}, "denominator": {"value": 128}}, "1 / 128"),
        ("valuePeriod", {"start": "2030-01-01"}, "2030-01-01 – …"),
        ("valueBoolean", False, "no"),
        ("valueString", "two\nlines", "two\nlines"),
        ("valueDateTime", "2030-01-07T09:00:00Z", "2030-01-07T09:00:00Z"),
    ],
)
def test_legible__a_value__in_a_line(element, value, expected):
    assert pairs(shown(**{element: value}).rows) == [("value", expected)]


def test_legible__a_number__as_it_was_written():
    resource = parse(b'{"resourceType": "Observation", "valueQuantity": {"value": 5.60, "unit": "mg"}}')

    assert pairs(legible(resource).rows) == [("value", "5.60 mg")]


def test_legible__people_places_notes_and_references():
    found = shown(
        performer=[{"reference": "urn:uuid:1", "display": "Dr. Lee"}, {"reference": "Organization/7"}],
        subject={"reference": "urn:uuid:2"},
        note=[{"text": "Fasting", "authorString": "Nurse Kim", "time": "2030-01-07"}],
        contact={"name": {"family": "Ng", "given": ["Ana", "B."]}, "address": {"line": ["1 High St"], "city": "Ely"}},
    )

    assert pairs(found.rows) == [
        ("performer", "Dr. Lee"),
        ("performer", "Organization/7"),
        ("note", "Fasting · Nurse Kim · 2030-01-07"),
        ("contact", [("name", "Ana B. Ng"), ("address", "1 High St, Ely")]),
    ]


def test_legible__what_matters_comes_first():
    found = shown(issued="2030-01-07", valueString="x", code={"text": "A test"}, status="final")

    assert [row.name for row in found.rows] == ["status", "code", "issued", "value"]


def test_legible__a_note_in_plain_text__is_read_and_a_picture_is_not():
    words = base64.b64encode(b"The wound heals.").decode()
    found = shown(
        content=[
            {"attachment": {"contentType": "text/plain; charset=utf-8", "data": words}},
            {"attachment": {"contentType": "image/png", "data": words, "title": "Wound"}},
        ]
    )

    assert pairs(found.rows) == [
        ("content", [("attachment", "The wound heals.")]),
        ("content", [("attachment", "Wound, image/png, 16 bytes")]),
    ]


@pytest.mark.parametrize("place", ["top", "inside", "contained"])
def test_legible__a_modifier_extension__is_told(place):
    modifier = {"modifierExtension": [{"url": "http://example.org/refuted", "valueBoolean": True}]}
    values = {
        "top": modifier,
        "inside": {"component": [{"code": {"text": "a"}, **modifier}]},
        "contained": {"contained": [{"resourceType": "Condition", "code": {"text": "b"}, **modifier}]},
    }[place]

    assert shown(status="final", **values).cautions == ("modifier",)


@pytest.mark.parametrize(
    "values",
    [{"status": "entered-in-error"}, {"verificationStatus": {"coding": [{"code": "entered-in-error"}]}}],
)
def test_legible__entered_in_error__is_told(values):
    assert shown(**values).cautions == ("entered-in-error",)


def test_legible__a_narrative_that_adds_something__without_a_tag():
    div = '<div><p>Seen &amp; <b onclick="x()">well</b></p><p>a<i>b</i></p><table><tr><td>c</td></tr></table></div>'

    found = shown(text={"status": "additional", "div": div})
    generated = shown(text={"status": "generated", "div": div})

    assert pairs(found.rows) == [("narrative", "Seen & well\nab\nc")]
    assert generated.rows == ()


def test_legible__too_much__is_cut_and_says_so():
    many = shown(component=[{"valueString": str(number)} for number in range(MOST_ROWS)])
    long = shown(valueString="a" * (LONGEST + 1))
    deep: dict[str, Any] = {"valueString": "end"}
    for _ in range(40):
        deep = {"component": [deep]}

    assert many.cautions == long.cautions == shown(**deep).cautions == ("cut",)
    assert len(texts(many.rows)) <= MOST_ROWS
    assert max(map(len, texts(long.rows))) == LONGEST + 1


def test_legible__security_labels__are_shown():
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R", "display": "restricted"}

    assert pairs(shown(meta={"security": [label]}).rows) == [("security", "restricted")]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
        max_leaves=30,
    )
)
def test_legible__whatever_json__is_rows_and_no_error(value):
    rows = shown(thing=value, code=value, value=value, text=value, meta=value, status=value).rows

    assert all(isinstance(text, str) for text in texts(rows))


@pytest.mark.skipif(not BUNDLES, reason="needs FHIR bundles: examples/fhir has them")
def test_legible__every_code_of_real_bundles__can_be_read():
    read = 0
    for path in BUNDLES[:6]:
        for entry in json.loads(path.read_bytes()).get("entry", []):
            resource = entry.get("resource", {})
            code = resource.get("code")
            if not isinstance(code, dict):
                continue
            found = legible(parse(json.dumps(resource).encode()))
            wanted = code.get("text") or code["coding"][0].get("display") or code["coding"][0]["code"]
            assert wanted in texts(found.rows), (path.name, resource["resourceType"])
            assert found.cautions == ()
            read += 1
    assert read > 20

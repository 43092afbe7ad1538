"""A grant as SMART v2 scopes: what a server that searches by them would give out is of the granted classes."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from theriac import fhir
from theriac.health.scope import ALL_CLASSES, SENSITIVE, TYPES, Category, KeyClass, Level, classify
from theriac.health.smart import of_class, scopes_of, why_not

ROOT = Path(__file__).parents[2]
SCOPE = re.compile(r"patient/(\*|[A-Z][A-Za-z]+)\.rs\?([^ ]+)")
CONF = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
OBSERVATION = "http://terminology.hl7.org/CodeSystem/observation-category"


def found(scope: str, resource: dict[str, Any]) -> bool:
    """Whether a server gives out a resource by a scope: parameters are joined by and, values by or."""
    match = SCOPE.fullmatch(scope)
    assert match, scope
    if match[1] not in ("*", resource["resourceType"]):
        return False
    labels = {f"{each['system']}|{each['code']}" for each in resource["meta"]["security"]}
    categories = {
        f"{each['system']}|{each['code']}" for concept in resource.get("category", []) for each in concept["coding"]
    }
    borne = {"_security": labels, "category": categories}
    return all(borne[name] & set(values.split(",")) for name, values in parse_qsl(match[2], separator="&"))


def resources() -> list[dict[str, Any]]:
    """A resource of each type and each category, at each level, with and without a sensitive label."""
    made = [{"resourceType": name} for names in TYPES.values() for name in names.split()]
    codes = ("laboratory", "imaging", "procedure", "vital-signs", "exam", "social-history", "activity")
    made += [
        {"resourceType": name, "category": [{"coding": [{"system": OBSERVATION, "code": code}]}]}
        for name in ("Observation", "DiagnosticReport")
        for code in codes
    ]
    made += [{"resourceType": "QuestionnaireResponse", "source": {"reference": "Patient/1"}}, {"resourceType": "Basic"}]
    labelled = []
    for each in made:
        for sensitive in ((), ("PSY",), ("HIV",), ("ETH",), ("PSYTHPN",), ("PSY", "HIV")):
            for level in Level:
                security = [{"system": ACT, "code": code} for code in sensitive]
                whole = {**each, "meta": {"security": [{"system": CONF, "code": level.name}, *security]}}
                own = classify(fhir.parse(json.dumps(whole).encode())).cls
                if own.level is level:
                    # A server whose labels are those of the key class.
                    labelled.append(whole)
    return labelled


RESOURCES = [(each, classify(fhir.parse(json.dumps(each).encode())).cls) for each in resources()]


@pytest.mark.parametrize("cls", ALL_CLASSES, ids=str)
def test_scopes__of_a_class__reach_nothing_of_another(cls: KeyClass) -> None:
    # property S3
    scopes = scopes_of([cls]).scopes

    reached = {str(own) for resource, own in RESOURCES for scope in scopes if found(scope, resource)}
    assert reached <= {str(cls)}


@pytest.mark.parametrize("level", list(Level), ids=lambda level: level.name)
def test_scopes__of_a_whole_level__are_one(level: Level) -> None:
    classes = [each for each in ALL_CLASSES if each.level is level]

    said = scopes_of(classes)

    assert said.scopes == (f"patient/*.rs?_security={CONF}|{level.name}",)
    assert said.told == ()


def test_scopes__reach_what_a_category_says() -> None:
    scopes = scopes_of([KeyClass.parse("laboratory/N"), KeyClass.parse("mental-health/R")]).scopes

    reached = {str(own) for resource, own in RESOURCES for scope in scopes if found(scope, resource)}
    assert reached == {"laboratory/N", "mental-health/R"}


def test_scopes__what_none_can_say__is_told() -> None:
    said = scopes_of([KeyClass.parse("imaging/R"), KeyClass.parse("unsorted/V"), KeyClass.parse("allergies/N")])

    assert said.told[:2] == (
        "imaging/R: restricted records of this category cannot be told from sensitive ones by a search",
        "unsorted/V: no search says that nothing is known of a record",
    )
    assert said.scopes[0] == f"patient/AllergyIntolerance.rs?_security={CONF}|N"


def test_scopes__by_labels__are_exact() -> None:
    said = scopes_of([KeyClass.parse("imaging/R")], labels=True)

    assert (said.scopes, said.told) == (("patient/*.rs?_security=urn:theriac:key-class|imaging/R",), ())


def test_page__scopes__are_the_modules() -> None:
    text = (ROOT / "docs" / "protocol" / "consents.md").read_text(encoding="utf-8")
    section = text.split("## SMART scopes\n", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if "| `" in line]

    assert [[row[0].strip("` "), row[1].replace("`", "").strip()] for row in rows] == [
        [str(cls), shown(cls)] for cls in ALL_CLASSES if cls.level is Level.N or cls.category in OF_THEIR_OWN
    ]


OF_THEIR_OWN = SENSITIVE | {Category.MIXED, Category.UNSORTED}
"""Categories that have no level N. R and V of the others have no scope, which the page says once."""


def shown(cls: KeyClass) -> str:
    """Scopes as the page writes them: systems by their last part, commas between types."""
    if reason := why_not(cls):
        return f"none: {reason}"
    return "<br>".join(re.sub(r"http://[^| ]*/", "", scope).replace("|", "¦") for scope in of_class(cls))

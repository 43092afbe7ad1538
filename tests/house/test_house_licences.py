"""The list of dependencies is that of the locks, each has a licence that may be used, and silence is no clean bill."""

import json
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from tools import audit, licences

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def python() -> list[licences.Package]:
    return list(licences.python_packages(ROOT))


@pytest.fixture(scope="module")
def npm() -> list[licences.Package]:
    return list(licences.npm_packages(ROOT))


@pytest.fixture(scope="module")
def provers() -> list[licences.Package]:
    return list(licences.prover_packages(ROOT))


def said(**fields: str | list[str]) -> Message:
    message = Message()
    for name, values in fields.items():
        for value in [values] if isinstance(values, str) else values:
            message[name.replace("_", "-")] = value
    return message


def test_page__is_what_the_locks_say(
    python: list[licences.Package], npm: list[licences.Package], provers: list[licences.Package]
) -> None:
    written = (ROOT / licences.PAGE).read_text(encoding="utf-8")

    text = licences.page(python, npm, provers, list(licences.engines(ROOT)))

    assert written == text, "make licences writes it anew"


def test_packages__are_all_that_is_locked(
    python: list[licences.Package], npm: list[licences.Package], provers: list[licences.Package]
) -> None:
    proof = (ROOT / licences.PROOF_LOCK).read_text(encoding="utf-8").splitlines()
    lines = "".join((ROOT / lock).read_text(encoding="utf-8") for lock in licences.LOCKS).splitlines()
    names = {line.partition("==")[0] for line in lines if "==" in line}
    locked = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]

    assert {each.name for each in python} == names
    assert {each.name for each in npm} == {path.rpartition("node_modules/")[2] for path in locked if path}
    assert {each.name for each in provers} == {line.partition("==")[0] for line in proof if "==" in line}


def test_packages__each_has_a_licence_that_is_allowed_or_explained(
    python: list[licences.Package], npm: list[licences.Package], provers: list[licences.Package]
) -> None:
    assert list(licences.complaints([*python, *npm, *provers], licences.engines(ROOT))) == []


def stripped(folder: Path, page: str) -> Path:
    """A machine on which no prover is installed: the page, and the provers' lock."""
    (folder / "docs").mkdir()
    (folder / licences.PAGE).write_text(page, encoding="utf-8")
    (folder / licences.PROOF_LOCK).write_bytes((ROOT / licences.PROOF_LOCK).read_bytes())
    return folder


def test_provers__that_are_not_installed__are_what_the_page_says(
    provers: list[licences.Package], tmp_path: Path
) -> None:
    page = (ROOT / licences.PAGE).read_text(encoding="utf-8")

    assert list(licences.prover_packages(stripped(tmp_path, page))) == provers


def test_provers__of_a_version_that_is_neither_installed_nor_on_the_page__are_not_passed_over(tmp_path: Path) -> None:
    page = (ROOT / licences.PAGE).read_text(encoding="utf-8")
    [row] = [line for line in page.splitlines() if line.startswith("| z3-solver ")]
    version = row.split(" | ")[1]

    found = list(licences.prover_packages(stripped(tmp_path, page.replace(row, row.replace(version, "0.1")))))

    assert list(licences.complaints(found, [])) == [
        f"z3-solver {version}: nothing is known of it here: run `make provers`, then `make licences`."
    ]


def test_npm__the_lock_says_what_is_installed(npm: list[licences.Package]) -> None:
    wrong = {}
    for each in npm:
        file = ROOT / "node_modules" / each.name / "package.json"
        found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        if found.get("version") == each.version and isinstance(found.get("license"), str):
            wrong |= {each.name: found["license"]} if found["license"].strip("()") != each.licence else {}

    assert wrong == {}


def test_explained__each_is_still_needed(
    python: list[licences.Package], npm: list[licences.Package], provers: list[licences.Package]
) -> None:
    needed = {each.name for each in (*python, *npm, *provers) if not licences.is_allowed(each.licence)}

    assert needed == set(licences.EXPLAINED)


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("MIT OR GPL-3.0-only", True),
        ("Apache-2.0 AND MIT", True),
        ("(Apache-2.0 WITH LLVM-exception)", True),
        ("MPL-2.0 AND MIT", False),
        ("LGPL-3.0-only", False),
        ("Proprietary", False),
        ("", False),
    ],
)
def test_is_allowed__all_of_an_and_one_of_an_or(licence: str, allowed: bool) -> None:
    assert licences.is_allowed(licence) == allowed


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ({"License_Expression": "BSD-3-Clause AND ISC", "License": "see there"}, "BSD-3-Clause AND ISC"),
        ({"License": "Apache 2.0"}, "Apache-2.0"),
        ({"License": "CC0-1.0 OR Apache-2.0"}, "CC0-1.0 OR Apache-2.0"),
        ({"License": "Copyright somebody", "Classifier": "License :: OSI Approved :: MIT License"}, "MIT"),
        (
            {"Classifier": ["License :: OSI Approved :: MIT License", "License :: OSI Approved :: BSD License"]},
            "MIT OR BSD",
        ),
        ({"License": "ask us"}, ""),
        ({"License": "GPL-3.0-only"}, ""),
        ({}, ""),
    ],
)
def test_licence_of__what_metadata_say(fields: dict[str, Any], licence: str) -> None:
    assert licences.licence_of("some-package", said(**fields)) == licence


def test_complaints__name_what_is_not_understood_copyleft_or_not_listed() -> None:
    some = [
        licences.Package("a", "1", "MIT", "package"),
        licences.Package("b", "1", "", "package"),
        licences.Package("c", "1", "AGPL-3.0-only", "package"),
    ]

    assert list(licences.complaints(some, [("kubo", "v1"), ("new", "")])) == [
        "b: its licence is not understood; say it in SAID_OTHERWISE of tools/licences.py.",
        "c is under AGPL-3.0-only: explain it in EXPLAINED of tools/licences.py, or do without.",
        "engines/new: name its module and licence in ENGINES of tools/licences.py.",
    ]


# -- known vulnerabilities -------------------------------------------------------------------------------------------

CLEAN = {"name": "a", "version": "1", "vulns": []}
SKIPPED = {"name": "b", "skip_reason": "Dependency not found on PyPI"}
ILL = {"name": "c", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"], "aliases": []}]}


@pytest.mark.parametrize(
    ("packages", "told", "code"),
    [
        ([CLEAN], ["Python: nothing is known against 1 locked packages."], 0),
        ([CLEAN, SKIPPED], ["Python: not checked: b."], 4),
        (
            [SKIPPED],
            [
                "Python: not checked, since the registry answers no questions about vulnerabilities. "
                "Ask where one does, by the same command."
            ],
            4,
        ),
        ([CLEAN, ILL], ["Python: c 2: PYSEC-1, mended in 3."], 3),
        ([ILL, SKIPPED], ["Python: c 2: PYSEC-1, mended in 3.", "Python: not checked: b."], 3),
    ],
)
def test_audit__of_python__skipped_is_not_healthy(packages: list[Any], told: list[str], code: int) -> None:
    answer = audit.of_pip_audit({"dependencies": packages, "fixes": []})

    assert (audit.sentences(answer), audit.code([answer])) == (told, code)


def test_audit__of_the_provers__says_whom_it_is_about() -> None:
    answer = audit.of_pip_audit({"dependencies": [ILL], "fixes": []}, "Provers")

    assert audit.sentences(answer) == ["Provers: c 2: PYSEC-1, mended in 3."]


@pytest.mark.parametrize(
    ("report", "told", "code"),
    [
        ({"vulnerabilities": {}}, "npm: nothing is known against 9 locked packages.", 0),
        (
            {"vulnerabilities": {"x": {"range": "<2", "severity": "high"}}},
            "npm: x <2: high.",
            3,
        ),
        (
            {"message": "405 Method Not Allowed - POST https://somewhere/", "error": {"summary": ""}},
            "npm: not checked, since the registry answers 405 Method Not Allowed. "
            "Ask where one does, by the same command.",
            4,
        ),
        (
            {"error": {"code": "ENOAUDIT", "summary": "no"}},
            "npm: not checked, since the registry answers no. Ask where one does, by the same command.",
            4,
        ),
    ],
)
def test_audit__of_npm__an_error_is_not_healthy(report: dict[str, Any], told: str, code: int) -> None:
    answer = audit.of_npm_audit(report, 9)

    assert (audit.sentences(answer), audit.code([answer])) == ([told], code)

"""The documents name the tests that show what they say, and those tests are there."""

import re

import pytest
from real_anvil import ROOT

WRITTEN = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
THERE = set(re.findall(r"^(?:async )?def (test_\w+)", WRITTEN, re.MULTILINE))
MODULES = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
PAGES = sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page__names_only_tests_that_are_there(page):
    named = set(re.findall(r"`(test_\w+)(?:\[[^`]*)?`", page.read_text(encoding="utf-8")))

    assert sorted(named - THERE - MODULES) == []


def test_threat_model__names_many():
    text = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")

    assert len(set(re.findall(r"`(test_\w+)", text))) > 200

"""The threat model is complete: each row of its tables has a test that there is, or is accepted with a reason."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "threat-model.md"
WRITTEN = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
THERE = set(re.findall(r"^(?:async )?def (test_\w+)", WRITTEN, re.MULTILINE))
ACCEPTED = re.compile(r"\*accepted\*: \S.{20,}", re.DOTALL)


@dataclass(frozen=True)
class Row:
    """A line of a table: in which line of the page, under which heading, its cells."""

    line: int
    heading: str
    cells: tuple[str, ...]

    @property
    def tests(self) -> list[str]:
        return re.findall(r"`(test_\w+)`", self.cells[-1])

    @property
    def is_shown(self) -> bool:
        return bool(self.tests) and all(each in THERE for each in self.tests)

    @property
    def is_accepted(self) -> bool:
        return any(ACCEPTED.search(each) for each in self.cells[1:])


def rows(text: str) -> Iterator[Row]:
    """The rows of all tables whose last column says what shows it.

    :raises AssertionError: a line looks like a row and belongs to no table, so that it is shown as text.
    """
    heading, columns, former = "", 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        if not line.startswith("|"):
            columns = 0
        elif re.fullmatch(r"[|: -]+", line):
            names = [each.strip() for each in former.strip("|").split("|")]
            columns = len(names)
            assert names[-1] == "shown by", f"line {number}: the table does not say by what each row is shown"
        elif columns:
            cells = tuple(each.strip() for each in re.split(r"(?<!\\)\|", line.strip().strip("|")))
            assert len(cells) == columns, f"line {number} has {len(cells)} cells of {columns}"
            yield Row(number, heading, cells)
        else:
            following = text.splitlines()[number] if number < len(text.splitlines()) else ""
            assert re.fullmatch(r"[|: -]+", following), f"line {number} is a row of no table"
        former = line


ROWS = list(rows(PAGE.read_text(encoding="utf-8")))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.line} {row.cells[0][:40]}")
def test_row__has_a_test_or_is_accepted_with_a_reason(row: Row) -> None:
    assert row.is_shown or row.is_accepted, (row.heading, row.cells)


def test_rows__are_many() -> None:
    assert len(ROWS) > 200
    assert len({row.heading for row in ROWS}) > 20


def test_sections__with_a_table_or_a_story__each_say_what_is_accepted() -> None:
    """A section without a word of what is left open would claim that nothing is."""
    text = PAGE.read_text(encoding="utf-8")
    sections = {part.partition("\n")[0]: part for part in text.split("\n## ")[1:]}

    silent = [name for name, part in sections.items() if "ccepted" not in part]

    assert silent == ["At a glance", "What is guarded"]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("| read | it cannot | |", "neither"),
        ("| read | it cannot | `test_that_is_nowhere` |", "neither"),
        ("| read | it cannot | later |", "neither"),
        ("| read | *accepted*: so | |", "neither"),
        ("| read | *accepted*: who can do that is the administrator anyway | |", ""),
        ("| read | it cannot | `test_rows__are_many` |", ""),
        ("| read | it cannot | `test_rows__are_many`, `test_that_is_nowhere` |", "neither"),
    ],
)
def test_row__that_shows_nothing__is_found(row: str, fault: str) -> None:
    [found] = rows(f"## A\n\n| wants | what stops it | shown by |\n|---|---|---|\n{row}\n")

    assert (found.is_shown or found.is_accepted) == (not fault)


@pytest.mark.parametrize(
    "text",
    [
        "| wants | what stops it | shown by |\n|---|---|---|\n| a | b | c |\n\n| d | e | f |\n",
        "| wants | what stops it | shown by |\n|---|---|---|\n| a | b |\n",
        "| wants | what stops it |\n|---|---|\n| a | b |\n",
    ],
)
def test_rows__of_a_broken_table__are_named(text: str) -> None:
    with pytest.raises(AssertionError, match="line "):
        list(rows(text))


# -- SECURITY.md -----------------------------------------------------------------------------------------------------


def sentences(heading: str) -> list[str]:
    """The numbered sentences below a heading of SECURITY.md."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    [part] = [each for each in text.split("\n## ") if each.startswith(f"{heading}\n")]
    return re.findall(r"^([0-9]+\. .+(?:\n   .+)*)", part, re.MULTILINE)


@pytest.mark.parametrize("heading", ["What must hold", "What is assumed"])
def test_security__its_sentences_are_numbered_without_a_gap(heading: str) -> None:
    found = sentences(heading)

    assert len(found) >= 10
    assert [int(each.partition(".")[0]) for each in found] == list(range(1, len(found) + 1))
    assert [each for each in found if not each.endswith(".")] == []


def test_security__what_must_hold__names_properties_that_there_are() -> None:
    page = (ROOT / "docs" / "properties.md").read_text(encoding="utf-8")
    there = set(re.findall(r"^- \*\*([A-Z][0-9]+)\*\*", page, re.MULTILINE))

    named = {each: re.findall(r"\b[A-Z][1-9][0-9]*\b", each.rpartition("(")[2]) for each in sentences("What must hold")}

    assert [each for each, numbers in named.items() if not numbers or not set(numbers) <= there] == []

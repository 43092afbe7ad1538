"""What is changed in Python to see whether a test notices, and what the page says of changes that none can."""

import os
import threading
import time
from pathlib import Path

import pytest

from tools import mutants_python
from tools.mutants_python import PAGE, PIECES, Mutant, explained, mutants_of, path_of, table_row

SOURCE = '''"""A till: what is paid into it."""

from dataclasses import dataclass
from typing import Final

MOST: Final = 7

@dataclass(frozen=True)
class Till:
    """The coins."""

    coins: int = 0

    def fits(self, more: int, name: str) -> bool:
        if not name.encode("ascii"):
            raise ValueError("the name is empty")
        return more > 0 and self.coins | more < MOST
'''


@pytest.fixture
def till(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Mutant]:
    """The changes of a module that has something of every kind."""
    (tmp_path / "till.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.setattr(mutants_python, "path_of", lambda module: tmp_path / f"{module}.py")
    return mutants_of("till")


def test_mutants_of__every_kind__in_and_out_of_functions(till: list[Mutant]) -> None:
    # given
    changes = {(each.where, each.new) for each in till}

    # then
    assert {
        ("the module", "MOST: Final = 8"),
        ("Till", "coins: int = 1"),
        ("Till.fits", 'if name.encode("ascii"):'),
        ("Till.fits", "return more >= 0 and self.coins | more < MOST"),
        ("Till.fits", "return more > 0 or self.coins | more < MOST"),
        ("Till.fits", "return more > 0 and self.coins & more < MOST"),
    } <= changes


def test_mutants_of__what_no_program_does_differently__is_left_alone(till: list[Mutant]) -> None:
    # given
    left_alone = ('"""', "import", "@dataclass", "class ", "def ")

    # then
    assert not [each for each in till if each.old.startswith(left_alone)]
    assert not [each for each in till if "ASCII" in each.new or "XXthe name" in each.new]
    assert len({each.source for each in till}) == len(till)


def test_table_row__on_the_page__explains_that_mutant_only(till: list[Mutant]) -> None:
    # given a row with a bar in its code, which divides the cells of a table
    first, *others = [each for each in till if "|" in each.old]

    # when
    known = explained(f"# Page\n\n| function | code | mutant | why |\n|---|---|---|---|\n{table_row(first)}\n")

    # then
    assert known == {first.row}
    assert not known & {each.row for each in others}


def test_page__each_row__is_about_code_that_stands_there() -> None:
    # given
    modules = {module.rpartition(".")[2]: module for piece in PIECES.values() for module in piece.modules}
    rows = explained(PAGE.read_text(encoding="utf-8"))

    # when
    sources = {name: path_of(module).read_text(encoding="utf-8") for name, module in modules.items()}
    code = {name: " ".join(line.strip() for line in source.splitlines()) for name, source in sources.items()}

    # then
    assert rows
    assert [(where, old) for where, old, _ in rows if old not in code[where.partition(".")[0]]] == []


@pytest.mark.parametrize(("waits", "fate"), [(True, "timeout"), (False, "survived")])
def test_confine__process_that_waits_for_ever__is_ended_and_one_that_works_is_not(
    waits: bool, fate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setattr(mutants_python, "_IDLE", 1.0)
    monkeypatch.setattr(mutants_python, "_BUSY", 0.001)
    end = time.monotonic() + 3.5

    # when
    child = os.fork()
    if child == 0:
        mutants_python._confine(60)
        while not waits and time.monotonic() < end:
            pass
        threading.Event().wait(30 if waits else 0)
        os._exit(0)
    _, status = os.waitpid(child, 0)

    # then
    assert mutants_python._fate(status) == fate

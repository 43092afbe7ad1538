"""What the tools write stays in the repository, also where make is not used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import environment

ROOT = Path(__file__).resolve().parents[2]


def run(code: str, **variables: str) -> str:
    """What a Python of the virtual environment prints that was started with these variables alone."""
    answer = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    return answer.stdout.strip()


def test_folders__all_lie_in_the_repository() -> None:
    assert [folder for folder in environment.folders(ROOT).values() if not folder.is_relative_to(ROOT)] == []


@pytest.mark.parametrize("name", sorted(environment.folders(ROOT)))
def test_python__started_without_make__knows_the_folder(name: str) -> None:
    printed = run(f"import os; print(os.environ[{name!r}])")

    assert Path(printed) == environment.folders(ROOT)[name]


def test_python__folder_named_by_the_caller__leaves_it(tmp_path: Path) -> None:
    printed = run("import os; print(os.environ['APE_DATA_FOLDER'])", APE_DATA_FOLDER=str(tmp_path))

    assert Path(printed) == tmp_path


def test_set_up__is_of_the_committed_file() -> None:
    installed = run(f"import {environment.MODULE} as module; print(module.__file__)")

    assert Path(installed).read_text(encoding="utf-8") == Path(environment.__file__).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "command",
    [
        [".venv/bin/ape", "accounts", "list", "--all"],
        [".venv/bin/mypy", "--version"],
        [".venv/bin/pip", "cache", "dir"],
    ],
    ids=lambda command: Path(command[0]).name + " " + command[1],
)
def test_command__leaves_nothing_at_home(tmp_path: Path, command: list[str]) -> None:
    variables = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}

    subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, check=True)

    assert [path.name for path in tmp_path.iterdir()] == []

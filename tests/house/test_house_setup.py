"""Set-up finds a Python that works, and says in a sentence what a machine lacks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

NO_PYTHON = (
    "Theriac needs Python 3.11 or 3.12 with its venv module: install one (on Debian: python3.12 python3.12-venv), "
    "or name it with 'make PYTHON=/path/to/python'.\n"
)
NO_NODE = (
    "Theriac needs Node 20 or newer with npm, for the Solidity compiler and OpenZeppelin's contracts: "
    "install it and run make again.\n"
)


def place(folder: Path, name: str, script: str) -> None:
    """Puts an executable of that name into the folder."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def run(tool: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs one of our tools with that folder as the whole PATH, and an empty home."""
    return subprocess.run(
        ["/bin/sh", ROOT / "tools" / tool],
        env={"PATH": str(folder), "HOME": str(folder), **variables},
        capture_output=True,
        text=True,
    )


def test_find_python__shim_that_fails__takes_the_next(tmp_path: Path) -> None:
    place(tmp_path, "python3.12", "echo 'python3.12: command not found' >&2; exit 127")
    place(tmp_path, "python3.11", f'exec "{sys.executable}" "$@"')

    answer = run("find-python", tmp_path)

    assert (answer.returncode, answer.stderr) == (0, "")
    assert os.path.samefile(answer.stdout.strip(), sys.executable)


def test_find_python__version_that_does_not_fit__is_passed_over(tmp_path: Path) -> None:
    # A Python 3.13 answers the question with exit code 1 and no word.
    place(tmp_path, "python3", "exit 1")
    place(tmp_path, "python", f'exec "{sys.executable}" "$@"')

    answer = run("find-python", tmp_path)

    assert os.path.samefile(answer.stdout.strip(), sys.executable)


def test_find_python__one_named_by_the_caller__is_asked_first(tmp_path: Path) -> None:
    place(tmp_path, "python3.12", "echo /the/wrong/one")
    place(tmp_path, "my python", f'exec "{sys.executable}" "$@"')

    answer = run("find-python", tmp_path, PYTHON=str(tmp_path / "my python"))

    assert os.path.samefile(answer.stdout.strip(), sys.executable)


def test_find_python__none_that_fits__says_what_to_do(tmp_path: Path) -> None:
    place(tmp_path, "python3.12", "exit 127")

    answer = run("find-python", tmp_path)

    assert (answer.returncode, answer.stdout, answer.stderr) == (1, "", NO_PYTHON)


@pytest.mark.parametrize("major", ["20", "22", "100"])
def test_need_node__new_enough__is_silent(tmp_path: Path, major: str) -> None:
    place(tmp_path, "node", f"echo {major}")
    place(tmp_path, "npm", "echo 10.0.0")

    answer = run("need-node", tmp_path)

    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("node", "npm"),
    [
        ("echo 18", "echo 10.0.0"),
        ("exit 127", "echo 10.0.0"),
        ("echo undefined", "echo 10.0.0"),
        ("echo 20", "exit 127"),
    ],
    ids=["old", "absent", "odd", "without npm"],
)
def test_need_node__lacking__says_what_to_do(tmp_path: Path, node: str, npm: str) -> None:
    place(tmp_path, "node", node)
    place(tmp_path, "npm", npm)

    answer = run("need-node", tmp_path)

    assert (answer.returncode, answer.stdout, answer.stderr) == (1, "", NO_NODE)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "2 passed, 2 skipped"),
        (["-m", "engine"], "1 passed, 3 deselected"),
        (["-m", "engine or heavy"], "2 passed, 2 deselected"),
        (["-m", "not engine"], "2 passed, 1 skipped, 1 deselected"),
    ],
)
def test_marks__run_only_where_they_are_asked_for(tmp_path: Path, arguments: list[str], line: str) -> None:
    (tmp_path / "conftest.py").write_text(
        (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "test_marked.py").write_text(
        "import pytest\n"
        "def test_plain(): pass\n"
        "def test_heavy_by_name_only(): pass\n"
        "@pytest.mark.engine\ndef test_of_an_engine(): pass\n"
        "@pytest.mark.heavy\ndef test_of_much_data(): pass\n",
        encoding="utf-8",
    )

    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
    )

    assert answer.stdout.splitlines()[-1].startswith(line)

"""The compiler's stand-in behaves as the native compiler does, and set-up chooses between the two."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from solcx import install
from solcx.wrapper import get_solc_version

from tools import compiler, contracts

STAND_IN = compiler.STAND_IN


def run(arguments: list[str], cwd: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([STAND_IN, *arguments], cwd=cwd, input=text, capture_output=True, text=True)


def importing(path: str) -> str:
    """A standard JSON input of one source that imports `path`."""
    source = f'// SPDX-License-Identifier: Apache-2.0\npragma solidity 0.8.30;\nimport "{path}";\ncontract Main {{}}\n'
    return json.dumps(
        {
            "language": "Solidity",
            "sources": {"Main.sol": {"content": source}},
            "settings": {"outputSelection": {"*": {"*": ["evm.bytecode.object"]}}},
        }
    )


def compiled(answer: subprocess.CompletedProcess[str]) -> set[str]:
    """The names of the sources that came out; fails where the compiler complained."""
    output: dict[str, Any] = json.loads(answer.stdout)
    assert [message["formattedMessage"] for message in output.get("errors", [])] == []
    return set(output["contracts"])


def complaint(answer: subprocess.CompletedProcess[str]) -> str:
    (message,) = json.loads(answer.stdout)["errors"]
    return str(message["message"])


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A project folder and a library folder beside it, each with a source."""
    for name in ("project", "library"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.sol").write_text(
            f"// SPDX-License-Identifier: Apache-2.0\npragma solidity 0.8.30;\ncontract C{name} {{}}\n",
            encoding="utf-8",
        )
    return tmp_path


def test_version__is_read_by_py_solc_x() -> None:
    assert str(get_solc_version(STAND_IN)) == contracts.compiler_version()


def test_standard_json__base_path_given__reads_imports_from_it(sources: Path) -> None:
    answer = run(["--standard-json", "--base-path", str(sources / "project")], Path("/"), importing("project.sol"))

    assert compiled(answer) == {"Main.sol", "project.sol"}


def test_standard_json__relative_paths__are_relative_to_the_caller(sources: Path) -> None:
    arguments = ["--standard-json", "--base-path=project", "--include-path=library"]

    answer = run(arguments, sources, importing("library.sol"))

    assert compiled(answer) == {"Main.sol", "library.sol"}


def test_standard_json__no_base_path__reads_imports_from_the_working_directory(sources: Path) -> None:
    answer = run(["--standard-json"], sources / "project", importing("project.sol"))

    assert compiled(answer) == {"Main.sol", "project.sol"}


def test_standard_json__input_in_a_file__is_read(sources: Path) -> None:
    (sources / "input.json").write_text(importing("project.sol"), encoding="utf-8")

    answer = run(["--base-path", "project", "--standard-json", "input.json"], sources)

    assert compiled(answer) == {"Main.sol", "project.sol"}


def test_standard_json__import_that_is_nowhere__is_the_compilers_error(sources: Path) -> None:
    answer = run(["--standard-json"], sources, importing("nowhere.sol"))

    assert answer.returncode == 0
    assert "File not found" in complaint(answer)


def test_standard_json__import_in_two_places__is_ambiguous(sources: Path) -> None:
    shutil.copy(sources / "library" / "library.sol", sources / "project" / "library.sol")
    arguments = ["--standard-json", "--base-path", "project", "--include-path", "library"]

    answer = run(arguments, sources, importing("library.sol"))

    assert "Ambiguous import" in complaint(answer)


@pytest.mark.parametrize("path", ["absolute", "climbing", "linked"])
def test_standard_json__import_from_outside__is_refused(sources: Path, path: str) -> None:
    (sources / "project" / "linked.sol").symlink_to(sources / "library" / "library.sol")
    wanted = {"absolute": str(sources / "library" / "library.sol"), "climbing": "../library/library.sol"}

    answer = run(["--standard-json"], sources / "project", importing(wanted.get(path, "linked.sol")))

    # A path that climbs is cut off at the base path by the compiler itself, before it asks for the file.
    assert {"climbing": "File not found"}.get(path, "File outside of allowed directories") in complaint(answer)


def test_standard_json__outside_folder_allowed__reads_from_it(sources: Path) -> None:
    library = sources / "library"

    answer = run(
        ["--standard-json", "--allow-paths", f"/nowhere,{library}"],
        sources / "project",
        importing(f"{library}/library.sol"),
    )

    assert compiled(answer) == {"Main.sol", f"{library}/library.sol"}


def test_standard_json__input_that_is_no_json__is_the_compilers_error(tmp_path: Path) -> None:
    answer = run(["--standard-json"], tmp_path, "{")

    assert answer.returncode == 0
    assert json.loads(answer.stdout)["errors"][0]["type"] == "JSONError"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--optimise"], "unrecognised option '--optimise'\n"),
        (["--base-path"], "the required argument for option '--base-path' is missing\n"),
        (["--standard-json", "a", "b"], "Too many input files for --standard-json. Please provide at most one.\n"),
        (["--standard-json", "nowhere.json"], '"nowhere.json" is not found.\n'),
        (["--include-path", "a", "--standard-json"], "--include-path option requires a non-empty base path.\n"),
        (["a.sol"], "this compiler comes from npm and knows only --version and --standard-json.\n"),
    ],
)
def test_arguments__not_understood__are_refused_in_a_sentence(
    tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    answer = run(arguments, tmp_path)

    assert (answer.returncode, answer.stdout, answer.stderr) == (1, "", sentence)


def test_forge__takes_the_stand_in(sources: Path) -> None:
    project = sources / "project"
    (project / "foundry.toml").write_text('[profile.default]\nsrc = "."\nout = "out"\n', encoding="utf-8")
    forge = contracts.ROOT / "node_modules" / ".bin" / "forge"
    home = {**os.environ, "HOME": str(sources), "FOUNDRY_OFFLINE": "true"}

    answer = subprocess.run(
        [forge, "build", "--use", compiler.compiler_path(contracts.compiler_version())],
        cwd=project,
        env=home,
        capture_output=True,
        text=True,
    )

    assert answer.returncode == 0, answer.stderr
    assert (project / "out" / "project.sol" / "Cproject.json").exists()


def test_place__download_host_out_of_reach__takes_the_stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Port 9 of this machine refuses connections, as a network without the host does.
    monkeypatch.setattr(install, "BINARY_DOWNLOAD_BASE", "http://127.0.0.1:9/{}/{}")
    destination = tmp_path / "solcx" / "solc-v0.8.30"

    line = compiler.place("0.8.30", destination, "")

    assert line == (
        "Solidity 0.8.30: from npm, since the native compiler is out of reach (its download host cannot be reached)."
    )
    assert destination.resolve() == STAND_IN


def test_place__native_asked_and_out_of_reach__says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(install, "BINARY_DOWNLOAD_BASE", "http://127.0.0.1:9/{}/{}")
    destination = tmp_path / "solc-v0.8.30"

    with pytest.raises(SystemExit) as refusal:
        compiler.place("0.8.30", destination, "native")

    assert refusal.value.code == (
        "The native Solidity compiler cannot be had: its download host cannot be reached. "
        "Leave THERIAC_SOLC unset to use npm's."
    )
    assert not destination.exists()


def test_place__npm_asked__replaces_what_was_there(tmp_path: Path) -> None:
    destination = tmp_path / "solc-v0.8.30"
    destination.write_text("another compiler", encoding="utf-8")

    compiler.place("0.8.30", destination, "npm")

    assert destination.resolve() == STAND_IN


def test_bytecode__is_the_same_from_the_native_compiler(tmp_path: Path) -> None:
    version = contracts.compiler_version()
    native = contracts.compiler_path(version)
    if not compiler.is_native(native, version):
        native = tmp_path / f"solc-v{version}"
        try:
            compiler.download_native(version, native)
        except compiler.NoNativeCompilerError as reason:
            pytest.skip(
                f"the native compiler cannot be had here ({reason}): run where its download host can be reached"
            )

    wanted = contracts.standard_input()

    assert contracts.run_compiler(native, wanted)["contracts"] == contracts.run_compiler(STAND_IN, wanted)["contracts"]

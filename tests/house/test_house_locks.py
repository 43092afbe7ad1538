"""The locks: everything pinned by digest, one version of each tool everywhere, and no registry's address."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from engines.kaia.network import CHAIN_ID

ROOT = Path(__file__).resolve().parents[2]

PINNED = re.compile(
    r"^[a-z0-9][a-z0-9._-]*==[^ ;\\]+(?: ; [^\\]+)? \\(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?)+$",
    re.IGNORECASE,
)


def requirements(name: str) -> list[str]:
    """The requirements of a lock, each joined to one line."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.sub(r"\\\n", r"\\", text).splitlines()


def urls(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths in a JSON value at which an address stands."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from urls(inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            yield from urls(inner, path)
    elif isinstance(value, str) and "://" in value:
        yield path


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-build.lock", "requirements-proof.lock"])
def test_python_lock__pins_every_package_by_digest(name: str) -> None:
    lines = requirements(name)

    assert lines
    assert [line[:60] for line in lines if not PINNED.match(line)] == []


@pytest.mark.parametrize(
    "name", ["requirements.lock", "requirements-build.lock", "requirements-proof.lock", ".npmrc", "pyproject.toml"]
)
def test_lock__names_no_address(name: str) -> None:
    assert "://" not in (ROOT / name).read_text(encoding="utf-8")


def test_npm_lock__says_nowhere_where_a_package_comes_from() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]

    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [path for path in urls(packages) if "funding" not in path] == []


def test_npm_lock__has_a_digest_of_every_package() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]

    without = {name for name, package in packages.items() if name and not package.get("integrity")}

    # Foundry's builds for these systems could not be looked up where the lock was made: npm takes the version
    # that the lock names, and no digest is compared. `npm install` on a machine that finds them adds theirs.
    systems = ("darwin-amd64", "darwin-arm64", "linux-arm64", "win32-amd64")
    tools = ("anvil", "cast", "forge")
    assert without <= {f"node_modules/@foundry-rs/{tool}-{system}" for tool in tools for system in systems}


def test_openzeppelin__is_one_version_everywhere() -> None:
    pinned = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["dependencies"]["@openzeppelin/contracts"]
    config = yaml.safe_load((ROOT / "ape-config.yaml").read_text(encoding="utf-8"))

    assert [dependency["version"] for dependency in config["dependencies"]] == [pinned]
    assert config["solidity"]["import_remapping"] == [f"@openzeppelin/contracts=openzeppelin/{pinned}"]


def test_solidity__is_one_version_everywhere() -> None:
    config = yaml.safe_load((ROOT / "ape-config.yaml").read_text(encoding="utf-8"))
    pinned = config["solidity"]["version"]
    package = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    sources = [path for path in (ROOT / "contracts").rglob("*.sol") if ".cache" not in path.parts]

    assert package["devDependencies"]["solc"] == pinned
    assert {
        match
        for path in sources
        for match in re.findall(r"^pragma solidity (.+);$", path.read_text(encoding="utf-8"), re.MULTILINE)
    } == {pinned}


def test_chains__each_has_one_id_everywhere_and_it_is_its_own() -> None:
    config = yaml.safe_load((ROOT / "ape-config.yaml").read_text(encoding="utf-8"))
    ids = {each["name"]: each["chain_id"] for each in config["networks"]["custom"]}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert re.findall(r"^CHAIN_ID := (\d+)$", makefile, re.MULTILINE) == [str(ids["dev"])]
    assert ids == {"dev": ids["dev"], "consortium": CHAIN_ID}
    # The ids of every developer's chain: a signature made for one of them is good on all.
    assert not {1337, 31337} & set(ids.values())
    assert len(set(ids.values())) == len(ids)

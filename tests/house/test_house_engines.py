"""Engines are built by one command each, which says in a sentence what a machine lacks."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from real_anvil import ROOT, anvil
from web3 import HTTPProvider, Web3

from engines.anvil.node import AnvilNode

ENGINES = ("kubo", "cluster", "geth", "kaia")
TARGETS = ("engines", *(f"engine-{name}" for name in ENGINES), "test-on", "engines-table", "demo")

# What a script may count on where there is no Go.
TOOLS = ("sh", "dirname", "cat", "cksum", "sha256sum", "mkdir", "sed", "grep", "rm", "mv")


def test_make_help__shows_the_engines_targets() -> None:
    told = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True)

    shown = {line.split()[1] for line in told.stdout.splitlines() if line.startswith("  make ")}
    assert set(TARGETS) - shown == set()


@pytest.fixture
def without_go(tmp_path: Path) -> Path:
    """A copy of what engines are built from, nothing built yet, and a PATH with no Go on it."""
    shutil.copytree(ROOT / "engines", tmp_path / "engines", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, tool
        (tmp_path / "bin" / tool).symlink_to(found)
    return tmp_path


def build(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["sh", folder / "engines" / "build.sh", *words],
        env={"PATH": str(folder / "bin"), "HOME": str(folder)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", ENGINES)
def test_build__without_go__says_so_and_ends_with_6(name: str, without_go: Path) -> None:
    told = build(without_go, name)

    assert told.stderr == (
        f"{name} is built with Go, which is not on the PATH; install Go 1.26 (https://go.dev/dl) and run this again.\n"
    )
    assert (told.returncode, told.stdout) == (6, "")


@pytest.mark.parametrize("words", [(), ("besu",), ("../kubo",), ("",)])
def test_build__of_what_is_no_engine__says_which_there_are(words: tuple[str, ...], without_go: Path) -> None:
    told = build(without_go, *words)

    assert told.stderr == "Name the engine to build: kubo, cluster, geth, kaia or medusa.\n"
    assert told.returncode == 2


def test_build__what_was_built_and_changed_since__is_not_taken_for_built(without_go: Path) -> None:
    # given a program as build.sh leaves one
    out = without_go / ".build" / "engines" / "kubo"
    (out / "bin").mkdir(parents=True)
    (out / "bin" / "ipfs").write_text("a program")
    engines = without_go / "engines"
    sources = [engines / each for each in ("build.sh", "shift.go", "kubo/go.mod", "kubo/go.sum")]
    whole = b"".join(each.read_bytes() for each in sources)
    sums = subprocess.run(["cksum"], input=whole, capture_output=True).stdout
    (out / "built-from").write_bytes(sums)
    listed = subprocess.run(["sha256sum", "ipfs"], cwd=out / "bin", capture_output=True).stdout
    (out / "SHA256SUMS").write_bytes(listed)
    kept = build(without_go, "kubo")

    # when
    (out / "bin" / "ipfs").write_text("another program")
    changed = build(without_go, "kubo")

    # then
    assert (kept.returncode, kept.stdout) == (0, "kubo is built.\n")
    assert changed.returncode == 6


def test_readme__names_every_engine_with_its_locked_version() -> None:
    text = (ROOT / "engines" / "README.md").read_text()
    modules = {
        "geth": "github.com/ethereum/go-ethereum",
        "kaia": "github.com/kaiachain/kaia",
        "kubo": "github.com/ipfs/kubo",
        "cluster": "github.com/ipfs-cluster/ipfs-cluster",
    }
    for name, module in modules.items():
        locked = (ROOT / "engines" / name / "go.mod").read_text().split(f"{module} v", 1)[1].split()[0]
        [row] = [line for line in text.splitlines() if f"`make engine-{name}`" in line]
        assert f"| {locked} |" in row, name
    assert os.access(ROOT / "engines" / "build.sh", os.X_OK)


@contextmanager
def of_the_tests(folder: Path) -> Iterator[Web3]:
    with anvil(hardfork="cancun") as chain:
        yield chain.web3


@contextmanager
def of_the_ledger(folder: Path) -> Iterator[Web3]:
    from ledger_chains import anvil_chain

    with anvil_chain() as chain:
        yield chain.web3


@contextmanager
def of_the_engines(folder: Path) -> Iterator[Web3]:
    with AnvilNode(folder, chain_id=8437422, begun=1_900_000_000) as node:
        yield Web3(HTTPProvider(node.url))


@pytest.mark.parametrize("start", [of_the_tests, of_the_ledger, of_the_engines])
def test_anvil__of_many_blocks__writes_nothing_into_the_home_folder(
    start: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.syspath_prepend(ROOT / "tests" / "ledger")

    # More blocks than whose states it keeps in memory.
    with start(tmp_path / "node") as web3:
        web3.provider.make_request("anvil_mine", [1500])

    assert [path for path in home.rglob("*") if path.is_file()] == []

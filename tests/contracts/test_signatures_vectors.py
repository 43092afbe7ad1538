"""Signatures that viem and ethers made are frozen in tests/vectors/signatures; the package and the contracts take them.

The frozen messages name the addresses that the contracts have on a real anvil of a fixed chain id, where a fixed key
deploys them first of all, and deadlines near the time at which that chain begins.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account
from eth_utils import keccak
from real_anvil import ROOT
from signature_cases import NAMES
from signature_stage import Stage, open_stage

VECTORS = ROOT / "tests" / "vectors" / "signatures"
LIBRARIES = ("viem", "ethers")


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The table, ready, for tests that send nothing."""
    with open_stage() as stage:
        yield stage


@pytest.fixture
def acting(stage: Stage) -> Iterator[Stage]:
    """The same for tests that send; what they did is undone after them."""
    with stage.chain.undone():
        yield stage


def frozen(library: str) -> dict[str, Any]:
    """The messages that this library signed, by the name of the table's row."""
    messages: dict[str, Any] = json.loads((VECTORS / f"{library}.json").read_text(encoding="utf-8"))["messages"]
    return messages


def signatures_of(vector: dict[str, Any]) -> list[bytes]:
    return [bytes.fromhex(each["signature"][2:]) for each in vector["signatures"]]


def as_json(value: Any) -> Any:
    """The same with bytes and long numbers as JSON has them."""
    match value:
        case bytes():
            return "0x" + value.hex()
        case int() if value > 2**53:
            return str(value)
        case dict():
            return {name: as_json(each) for name, each in value.items()}
        case list() | tuple():
            return [as_json(each) for each in value]
    return value


@pytest.mark.parametrize("library", LIBRARIES)
def test_vectors__hold_every_message_of_the_table(library: str) -> None:
    assert set(frozen(library)) == set(NAMES)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", NAMES)
def test_vectors__the_package_asks_a_wallet_for_the_same(stage: Stage, name: str, library: str) -> None:
    # given
    message = stage.table[name].message

    # when
    asked = as_json(message.full(stage.domains[message.CONTRACT]))

    # then
    assert asked == frozen(library)[name]["typed"]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", NAMES)
def test_vectors__the_package_finds_the_same_digest_and_signers(stage: Stage, name: str, library: str) -> None:
    # given
    vector, message = frozen(library)[name], stage.table[name].message

    # when
    signable = message.signable(stage.domains[message.CONTRACT])
    digest = keccak(b"\x19" + signable.version + signable.header + signable.body)
    signers = [Account.recover_message(signable, signature=each) for each in signatures_of(vector)]

    # then
    assert "0x" + digest.hex() == vector["digest"]
    assert signers == [each["signer"] for each in vector["signatures"]]
    assert signers == [getattr(stage.cast, signer) for signer in stage.table[name].signers]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", NAMES)
def test_vectors__the_same_key_makes_the_same_signature(stage: Stage, name: str, library: str) -> None:
    assert list(stage.signatures(name)) == signatures_of(frozen(library)[name])


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", NAMES)
def test_vectors__the_contracts_take_them(acting: Stage, name: str, library: str) -> None:
    told = acting.send(name, *signatures_of(frozen(library)[name]))

    assert told == list(acting.table[name].events)


def test_vectors__are_what_their_script_makes() -> None:
    # given
    node = shutil.which("node")
    if node is None or not all((ROOT / "node_modules" / library).exists() for library in LIBRARIES):
        pytest.skip("viem and ethers from npm are missing: run 'make setup' (Node 20 or newer) and try again.")

    # when
    done = subprocess.run([node, VECTORS / "make.mjs", "--print"], capture_output=True, timeout=120)

    # then
    assert done.returncode == 0, done.stderr.decode()
    made = json.loads(done.stdout)
    assert {library: made[library]["messages"] for library in made} == {each: frozen(each) for each in LIBRARIES}

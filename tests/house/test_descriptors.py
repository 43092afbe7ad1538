"""What wallets show: the descriptors of docs/erc7730 fit the messages, the ABIs and the standard's schema."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_abi import encode
from eth_utils import keccak
from eth_utils.abi import function_abi_to_4byte_selector

from theriac.health.bundle import inbox_message
from theriac.health.keystore import wrap_message
from theriac.health.receipts import Receipt
from theriac.ledger.contracts import abi
from theriac.ledger.typed import Domain
from tools import descriptors
from tools.check_descriptors import example
from tools.contracts import PUBLISHED, ROOT

SIGNED = json.loads((ROOT / "tests" / "vectors" / "signatures" / "ethers.json").read_text(encoding="utf-8"))["messages"]
PATIENT = "0x" + "11" * 20

TIMES = {"barredUntil", "start", "expiry", "deadline", "before", "ends", "earliest", "latest", "time"}

# Functions that contracts call, and nobody signs a transaction for.
CALLED_BY_CONTRACTS = {
    *("Carrier.carryGroup", "Keys.setFrozen", "Keys.recover"),
    *("Grants.setParentFor", "Grants.grantFor", "Grants.narrowFor", "Grants.revokeFor"),
    *("Batches.dispenseFor", "Batches.undoFor", "Batches.reportExcursion"),
    *("Prescriptions.takeFor", "Prescriptions.fillFor", "Prescriptions.unfillFor"),
    *("Benefits.decide", "Benefits.redecide", "Benefits.undo"),
    *("Claims.redecide", "Claims.withhold", "Claims.conclude", "Claims.settleShare"),
    *("Escrow.pay", "Escrow.takeBack", "Escrow.refundShare", "Escrow.dispute", "Escrow.conclude"),
    *("Escrow.hold", "Escrow.release", "Escrow.push"),
}

# Contracts that only contracts call.
FOR_CONTRACTS = {"Benefits", "Rules"}
SIGNED_FOR = [contract for contract in PUBLISHED if contract not in FOR_CONTRACTS]

# What a schedule says of a service, and what was decided about a line: the chain has the hash of it before.
IS_KNOWN = re.compile(r"(^|\.)(benefit|benefits\.\[\]|outcomes\.\[\])\.\w+$")

# The words a wallet shows for this purpose are the signed ones, and longer than a device likes.
TOO_LONG = {"coverage under policy"}

# The formats of ERC-7730, version 2, that are used, with the parameters that each must have.
FORMATS = {
    "raw": set(),
    "addressName": {"types"},
    "date": {"encoding"},
    "enum": {"$ref"},
    "calldata": {"calleePath"},
}


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((descriptors.FOLDER / name).read_text(encoding="utf-8"))
    return content


FILES = sorted(path.name for path in descriptors.FOLDER.glob("*.json"))
ALL_FORMATS = [
    pytest.param(file, key, id=f"{file.removesuffix('.json')}-{shown['$id']}")
    for file in FILES
    for key, shown in read(file)["display"]["formats"].items()
]


def leaves(value: Any, before: str = "") -> Iterator[str]:
    """The paths of the single values in a message."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from leaves(each, f"{before}.{name}".removeprefix("."))
    elif isinstance(value, list):
        yield from leaves(value[0], f"{before}.[]")
    else:
        yield before


def encoded(typed: dict[str, Any]) -> str:
    """The type of a signed message as EIP-712 encodes it."""
    others = sorted(set(typed["types"]) - {"EIP712Domain", typed["primaryType"]})
    text = ""
    for name in (typed["primaryType"], *others):
        parts = (f"{each['type']} {each['name']}" for each in typed["types"][name])
        text += f"{name}({','.join(parts)})"
    return text


# -- made from what there is -----------------------------------------------------------------------------------------


def test_descriptors__are_what_the_tool_makes() -> None:
    assert descriptors.differing(descriptors.texts()) == []


def test_descriptors__tool_finds_what_is_stale_missing_or_foreign(tmp_path: Path) -> None:
    # given
    wanted = descriptors.texts()
    descriptors.write(wanted, tmp_path)
    (tmp_path / "eip712-keys.json").write_text("{}")
    (tmp_path / "eip712-grants.json").unlink()
    (tmp_path / "eip712-insurance.json").write_text("{}")

    # when
    found = descriptors.differing(wanted, tmp_path)

    # then
    assert found == ["eip712-grants.json", "eip712-insurance.json", "eip712-keys.json"]
    assert descriptors.write(wanted, tmp_path) == found
    assert descriptors.differing(wanted, tmp_path) == []


@pytest.mark.parametrize("name", SIGNED)
def test_descriptors__every_signed_message_has_one(name: str) -> None:
    # given the message as another library was asked to sign it
    typed = SIGNED[name]["typed"]
    contract = typed["domain"]["name"].removeprefix("Theriac ")
    descriptor = read(f"eip712-{contract.lower()}.json")

    # when
    shown = descriptor["display"]["formats"][encoded(typed)]

    # then every value is shown once
    domain = {"name": typed["domain"]["name"], "version": typed["domain"]["version"]}
    assert descriptor["context"]["eip712"]["domain"] == domain
    assert sorted(each["path"] for each in shown["fields"]) == sorted(set(leaves(typed["message"])))


@pytest.mark.parametrize("contract", PUBLISHED)
def test_descriptors__every_function_that_is_signed_for_has_one(contract: str) -> None:
    # given the selectors of all functions that change something
    functions = [each for each in abi(contract) if each["type"] == "function"]
    changing = [each for each in functions if each["stateMutability"] not in ("view", "pure")]
    wanted = {
        function_abi_to_4byte_selector(each)
        for each in changing
        if f"{contract}.{each['name']}" not in CALLED_BY_CONTRACTS
    }

    # when a wallet strips the names from the fragments
    file = f"calldata-{contract.lower()}.json"
    fragments = read(file)["display"]["formats"] if contract in SIGNED_FOR else {}
    bare = (re.sub(r" \w+", "", fragment) for fragment in fragments)

    # then
    assert {keccak(text=each)[:4] for each in bare} == wanted
    assert (file in FILES) == bool(wanted)


def test_descriptors__of_inboxes__bound_by_what_is_signed() -> None:
    # given
    message = inbox_message(PATIENT, {"N": "age1a", "R": "age1b", "V": "age1c"}, 7)
    descriptor = read("eip712-inboxes.json")
    (key,) = descriptor["display"]["formats"]

    # when
    values = [bytes(12) + bytes.fromhex(PATIENT[2:]), *(keccak(text=f"age1{each}") for each in "abc")]
    struct = keccak(keccak(text=key) + b"".join(values) + (7).to_bytes(32, "big"))

    # then
    assert struct == message.body
    assert descriptor["context"]["eip712"]["domainSeparator"] == "0x" + message.header.hex()


def test_descriptors__of_the_backup__bound_by_what_is_signed() -> None:
    # given
    message = wrap_message(PATIENT, 7)
    descriptor = read("eip712-backup.json")
    (key,) = descriptor["display"]["formats"]

    # when
    warning = "Sign this only in Theriac on your own device: whoever has this signature can open your backup."
    values = keccak(text=warning) + bytes(12) + bytes.fromhex(PATIENT[2:]) + (7).to_bytes(32, "big")

    # then
    assert keccak(keccak(text=key) + values) == message.body
    assert descriptor["context"]["eip712"]["domainSeparator"] == "0x" + message.header.hex()


def test_descriptors__of_a_reading__is_the_type_that_readers_sign() -> None:
    # given a receipt, and the type and the domain's name that the descriptor shows
    descriptor = read("eip712-accesslog.json")
    (key,) = descriptor["display"]["formats"]
    other = "0x" + "22" * 20
    words = ("laboratory/N", "TREAT", "own grant", "open")
    receipt = Receipt(PATIENT, 3, other, 7, "01" * 32, "02" * 32, *words, PATIENT, 1_900_000_000, "03" * 32)
    named = descriptor["context"]["eip712"]["domain"]

    # when
    message = receipt.signable(Domain(named["name"], named["version"], 5, other))
    fields = [PATIENT, 3, other, 7, b"\1" * 32, b"\2" * 32, *(keccak(text=word) for word in words)]
    values = encode(
        ["address", "uint32", "address", "uint64", *["bytes32"] * 6, "address", "uint40", "bytes32"],
        [*fields, PATIENT, 1_900_000_000, b"\3" * 32],
    )

    # then
    assert keccak(keccak(text=key) + values) == message.body


# -- shown so that a patient understands -----------------------------------------------------------------------------


def kinds(key: str) -> dict[str, set[str]]:
    """The types in a descriptor's key, by the name of the field."""
    found: dict[str, set[str]] = {}
    for kind, name in re.findall(r"([a-z0-9]+)(?:\[\d*\])? (\w+)", key):
        found.setdefault(name, set()).add(kind)
    return found


@pytest.mark.parametrize(("file", "key"), ALL_FORMATS)
def test_descriptors__show_accounts_as_names_and_times_as_dates(file: str, key: str) -> None:
    types = kinds(key)

    for field in read(file)["display"]["formats"][key]["fields"]:
        name = field["path"].removesuffix(".[]").rpartition(".")[2]
        if types[name] == {"address"}:
            assert field["format"] == "addressName"
        elif name in TIMES and field.get("visible") != {"mustMatch": [0]}:
            assert (field["format"], field["params"]) == ("date", {"encoding": "timestamp"})
        else:
            assert field["format"] in ("raw", "enum", "calldata")


@pytest.mark.parametrize(("file", "key"), ALL_FORMATS)
def test_descriptors__fit_on_a_device(file: str, key: str) -> None:
    shown = read(file)["display"]["formats"][key]

    assert 0 < len(shown["intent"]) <= descriptors.LONGEST_INTENT
    assert all(0 < len(field["label"]) <= descriptors.LONGEST_LABEL for field in shown["fields"])


@pytest.mark.parametrize(("file", "key"), ALL_FORMATS)
def test_descriptors__hide_nothing_that_matters(file: str, key: str) -> None:
    # given what a device may leave out, or never shows
    fields = read(file)["display"]["formats"][key]["fields"]
    optional = (field["path"].removesuffix(".[]") for field in fields if field.get("visible") == "optional")
    left_out = {path.rpartition(".")[2] for path in optional if not IS_KNOWN.search(path)}
    hidden = {field["path"].removesuffix(".[]") for field in fields if field.get("visible") == "never"}

    # then
    assert left_out <= {"nonce", "era", "generation", "moves", "siblings", "hashes", "salt", "proof"}
    assert hidden <= {"signature", "signatures", "acceptance", "underwriting", "provider", "patient", "goods.word"}


def test_descriptors__words_for_numbers_fit_on_a_device() -> None:
    words = {
        word for file in FILES for enum in read(file)["metadata"].get("enums", {}).values() for word in enum.values()
    }

    assert {word for word in words if len(word) > descriptors.LONGEST_ENUM} == TOO_LONG


# -- as the standard has it ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", FILES)
def test_descriptors__have_the_parts_of_the_standard(file: str) -> None:
    # given
    descriptor = read(file)
    kind = "contract" if file.startswith("calldata-") else "eip712"

    # then
    assert set(descriptor) == {"$schema", "context", "metadata", "display"}
    assert descriptor["$schema"] == "https://eips.ethereum.org/assets/eip-7730/erc7730-v2.schema.json"
    assert set(descriptor["context"]) == {"$id", kind}
    assert set(descriptor["context"][kind]) <= {"deployments", "domain", "domainSeparator"}
    assert set(descriptor["metadata"]) <= {"owner", "contractName", "enums"}
    assert set(descriptor["display"]) == {"formats"}


@pytest.mark.parametrize(("file", "key"), ALL_FORMATS)
def test_descriptors__have_formats_of_the_standard(file: str, key: str) -> None:
    # given
    descriptor = read(file)
    shown = descriptor["display"]["formats"][key]

    # then
    assert set(shown) == {"$id", "intent", "fields"}
    for field in shown["fields"]:
        assert {"path", "label", "format"} <= set(field) <= {"path", "label", "format", "params", "visible"}
        assert set(field.get("params", {})) == FORMATS[field["format"]]
        match field.get("visible", "always"):
            case str(rule):
                assert rule in ("always", "never", "optional")
            case rule:
                assert list(rule) in (["ifNotIn"], ["mustMatch"])
        if field["format"] == "enum":
            assert field["params"]["$ref"].removeprefix("$.metadata.enums.") in descriptor["metadata"]["enums"]
        if field["format"] == "calldata":
            assert field["params"]["calleePath"] in {other["path"] for other in shown["fields"]}


# -- for a network ---------------------------------------------------------------------------------------------------


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["descriptors", *map(str, arguments)])
    descriptors.main()


def test_descriptors__for_a_network__name_its_contracts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # given
    deployment = example()
    file = deployment.save(tmp_path)

    # when
    run(monkeypatch, "--deployment", file, "--into", tmp_path / "bound")

    # then
    for contract in SIGNED_FOR:
        bound = json.loads((tmp_path / "bound" / f"calldata-{contract.lower()}.json").read_text())
        named = [{"chainId": deployment.chain_id, "address": deployment[contract].address}]
        assert bound["context"]["contract"] == {"deployments": named}
    bound = json.loads((tmp_path / "bound" / "eip712-grants.json").read_text())
    named = [{"chainId": deployment.chain_id, "address": deployment["Grants"].address}]
    assert bound["context"]["eip712"] == {"domain": {"name": "Theriac Grants", "version": "1"}, "deployments": named}


def test_descriptors__for_a_network_that_has_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, "--deployment", tmp_path / "none.json", "--into", tmp_path / "bound")

    assert "none" in str(stopped.value.code)
    assert not (tmp_path / "bound").exists()


def test_descriptors__for_a_network_do_not_replace_those_of_the_docs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # given
    file = example().save(tmp_path)

    # when
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, "--deployment", file)

    # then
    assert stopped.value.code == 2
    assert descriptors.differing(descriptors.texts()) == []


def test_descriptors__no_words_for_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.delitem(descriptors.FIELDS, "reader")

    # when
    with pytest.raises(SystemExit) as stopped:
        descriptors.texts()

    # then
    sentence = "tools/descriptors.py has no words for the field reader of Grant: add them to FIELDS."
    assert stopped.value.code == sentence

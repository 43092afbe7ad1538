"""For each function that changes state, every kind of account that must be refused is refused, with the named error.

The rows are in `authorisation_rows.py` and the other modules of that name, the kinds of accounts in
`authorisation_cast.py`. A new external function without a row fails here. Functions that change nothing need no rows:
each is asked by several kinds of account and must answer all alike. docs/authorisation.md is written from this.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import ape
import authorisation_access_rows as access
import authorisation_cover_rows as cover
import authorisation_delegations_rows as delegations
import authorisation_emergencies_rows as emergencies
import authorisation_limits_rows as limits
import authorisation_recovery_rows as recovery
import authorisation_rows
import pytest
from authorisation_cast import ACCEPTED, Cast, answer, gathered
from authorisation_page import PAGE, page
from authorisation_rows import SIGNERS, Row, SignedRow
from eth_abi import encode
from eth_utils import keccak
from ethpm_types import ContractType

ROWS = (
    *(*authorisation_rows.ROWS, *cover.ROWS, *access.ROWS, *emergencies.ROWS),
    *(*recovery.ROWS, *delegations.ROWS, *limits.ROWS),
)
SIGNED = (
    *(*authorisation_rows.SIGNED, *cover.SIGNED, *access.SIGNED, *emergencies.SIGNED),
    *(*recovery.SIGNED, *delegations.SIGNED),
)

# What a function calls the signatures that it takes; some are named after who signed.
NAMES = ("signature", "underwriting", "provider", "patient")

NOT_DEPLOYED = ("contracts/interfaces/", "contracts/libraries/", "contracts/types/", "contracts/test/")


@pytest.fixture(scope="module")
def cast(world, accounts) -> Cast:
    """Everyone by kind."""
    cast = gathered(world, accounts, before=recovery.begin_recoveries, after=recovery.go_on_with_recoveries)
    delegations.let_others_act(cast)
    limits.freeze(cast)
    return cast


def functions(contracts: Iterable[ContractType]) -> list[tuple[str, str]]:
    """Every external function that changes state: two of one name, which differ in what they take, are both there."""
    return [(str(contract.name), function.name) for contract in contracts for function in contract.mutable_methods]


def without_a_row(contracts: Iterable[ContractType]) -> list[tuple[str, str]]:
    """The functions that no row tries. A row names no types, so the second function of a name has none."""
    return sorted((Counter(functions(contracts)) - Counter({(row.contract, row.function) for row in ROWS})).elements())


def test_rows__every_function_has_one_and_every_row_a_function(world):
    contracts = deployed().values()

    assert without_a_row(contracts) == []
    assert {(row.contract, row.function) for row in ROWS} == set(functions(contracts))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"name": "seize", "stateMutability": "nonpayable"}, id="a new one"),
        pytest.param({"name": "seize", "stateMutability": "payable"}, id="one that takes coins"),
        pytest.param({"inputs": [{"name": "all", "type": "bool"}]}, id="another of the same name"),
    ],
)
def test_rows__a_function_that_a_contract_gains__is_named(world, change: dict[str, Any]):
    # given
    contracts = deployed()
    before = contracts["Consortium"]
    gained = before.mutable_methods[0].model_copy(update={"inputs": []}).model_dump() | change

    # when
    after = ContractType.model_validate(before.model_dump() | {"abi": [*before.model_dump()["abi"], gained]})

    # then
    assert len(after.mutable_methods) == len(before.mutable_methods) + 1
    assert without_a_row((contracts | {"Consortium": after}).values()) == [("Consortium", gained["name"])]


def test_views__one_that_a_contract_gains__is_asked_too(world):
    before = deployed()["Consortium"]
    gained = before.view_methods[0].model_dump() | {"name": "peek", "inputs": []}

    after = ContractType.model_validate(before.model_dump() | {"abi": [*before.model_dump()["abi"], gained]})

    assert "peek" in {each.name for each in views({"Consortium": after})["Consortium"]}


ASKING = (
    "stranger",
    "board",
    "insurer",
    "doctor",
    "suspended member",
    "patient",
    "pseudonym that moved away",
    "recovery",
)
"""Who asks what changes nothing."""


def views(contracts: Mapping[str, ContractType]) -> dict[str, list[Any]]:
    """Every external function that changes nothing, by contract."""
    return {
        name: list(contract.view_methods)
        for name, contract in contracts.items()
        if contract.view_methods and len(contract.runtime_bytecode.bytecode) > 2
    }


def some(kind: str, parts: Any, cast: Cast, *, zero: bool) -> Any:
    """A value of a type of an ABI: nothing, or something that is in the cast's world."""
    if kind.endswith("]"):
        inner, _, size = kind[:-1].rpartition("[")
        return [some(inner, parts, cast, zero=zero)] * int(size or 0)
    if kind.startswith("tuple"):
        return tuple(some(str(each.type), each.components, cast, zero=zero) for each in parts)
    if kind == "address":
        return "0x" + "00" * 20 if zero else cast.address("patient")
    if kind.startswith(("uint", "int")):
        return 0 if zero else 1
    if kind == "bool":
        return not zero
    if kind == "string":
        return ""
    return (b"\0" if zero else b"\1") * int(kind.removeprefix("bytes") or 0)


def test_views__answer_alike_whoever_asks(cast: Cast):
    asked = 0
    for name, functions in views(deployed()).items():
        contract = cast.world.contract(name)
        for function in functions:
            for zero in (True, False):
                arguments = [some(str(each.type), each.components, cast, zero=zero) for each in function.inputs]
                data = keccak(text=function.selector)[:4] + encode(
                    [each.canonical_type for each in function.inputs], arguments
                )
                answers = {answer(contract, data, cast.address(kind)) for kind in ASKING}
                assert len(answers) == 1, (name, function.selector, zero)
                asked += 1
    assert asked > 150


def test_contracts__take_nothing_but_what_their_functions_take(world):
    kinds = {(name, each.type) for name, contract in deployed().items() for each in contract.abi}

    assert [each for each in sorted(kinds) if each[1] in ("receive", "fallback")] == []


def test_page__says_what_was_tried(cast: Cast):
    told = page(
        cast,
        ROWS,
        SIGNED,
        {name: [each.name for each in found] for name, found in views(deployed()).items()},
        len(ASKING),
    )
    if os.environ.get("THERIAC_AUTHORISATION") == "write":
        PAGE.write_text(told)

    assert PAGE.read_text() == told


def test_signed_rows__every_function_that_takes_a_signature_has_one(world):
    signed = {
        (contract, function.name)
        for contract in {contract for contract, _ in functions(deployed().values())}
        for function in world.contract(contract).contract_type.mutable_methods
        if any(given.name in NAMES and given.canonical_type == "bytes" for given in function.inputs)
    }

    assert {(row.type.CONTRACT, row.type.FUNCTION) for row in SIGNED} == signed


# properties B7, B9
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_authorisation__each_kind_of_account(cast: Cast, row: Row):
    contract, arguments = cast.world.contract(row.contract), row.arguments(cast)
    kinds = row.kinds or cast.kinds

    outcomes = {kind: cast.outcome(contract, row.function, arguments, kind) for kind in kinds}

    assert outcomes == {kind: row.rule(cast, kind) for kind in kinds}


@pytest.mark.parametrize("row", SIGNED, ids=lambda row: row.name)
def test_authorisation__each_kind_of_signer(cast: Cast, row: SignedRow):
    contract, function = cast.world.contract(row.type.CONTRACT), row.type.FUNCTION
    right = row.signers[row.place]
    signers = (*SIGNERS, right)

    outcomes = {
        kind: cast.outcome(contract, function, row.arguments(cast, signer=kind), row.sender) for kind in signers
    }

    assert outcomes == {kind: ACCEPTED if kind in (right, row.also) else row.refusal(cast) for kind in signers}


# Opcodes by which a contract's code or its place could become another's (Yellow Paper, appendix H).
REPLACING = {0xF2: "CALLCODE", 0xF4: "DELEGATECALL", 0xFF: "SELFDESTRUCT"}
FORBIDDEN = re.compile(r"pause|upgrade|owner|admin|initiali[sz]e|implementation|proxy", re.IGNORECASE)


def deployed() -> dict[str, ContractType]:
    return {
        contract.name: contract
        for contract in ape.project.manifest.contract_types.values()
        if not contract.source_id.startswith(NOT_DEPLOYED) and Path(ape.project.path, contract.source_id).exists()
    }


def opcodes(code: bytes) -> set[int]:
    """Those of a contract, without what is pushed and without the metadata at its end."""
    found, place, end = set(), 0, len(code) - 2 - int.from_bytes(code[-2:])
    while place < end:
        found.add(code[place])
        place += 1 + max(0, code[place] - 0x5F) * (0x5F < code[place] < 0x80)
    return found


def test_contracts__none_can_be_paused_or_replaced(world):
    names = deployed()
    assert len(names) > 20

    codes = {
        name: opcodes(bytes.fromhex(contract.runtime_bytecode.bytecode.removeprefix("0x")))
        for name, contract in names.items()
    }

    assert {name: code & REPLACING.keys() for name, code in codes.items() if code & REPLACING.keys()} == {}
    functions = {(name, each.name) for name, contract in names.items() for each in contract.mutable_methods}
    assert [each for each in sorted(functions) if FORBIDDEN.search(each[1])] == []


def test_opcodes__finds_what_replaces_and_no_data():
    metadata = bytes.fromhex("a0") + (1).to_bytes(2)

    assert opcodes(bytes.fromhex("60ff7ff4" + "00" * 31 + "f4") + metadata) & REPLACING.keys() == {0xF4}
    assert opcodes(bytes.fromhex("61f2ff00") + metadata) & REPLACING.keys() == set()

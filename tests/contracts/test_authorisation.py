"""For each function that changes state, every kind of account that must be refused is refused, with the named error.

The rows are in `authorisation_rows.py` and the other modules of that name, the kinds of accounts in
`authorisation_cast.py`. A new external function without a row fails here.
"""

from pathlib import Path

import ape
import authorisation_access_rows as access
import authorisation_cover_rows as cover
import authorisation_delegations_rows as delegations
import authorisation_emergencies_rows as emergencies
import authorisation_recovery_rows as recovery
import authorisation_rows
import pytest
from authorisation_cast import ACCEPTED, Cast, gathered
from authorisation_rows import SIGNERS, Row, SignedRow

ROWS = (
    *(*authorisation_rows.ROWS, *cover.ROWS, *access.ROWS, *emergencies.ROWS),
    *(*recovery.ROWS, *delegations.ROWS),
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
    return cast


def functions() -> set[tuple[str, str]]:
    """Every external function that changes state, of every contract that is deployed."""
    return {
        (contract.name, function.name)
        for contract in ape.project.manifest.contract_types.values()
        if not contract.source_id.startswith(NOT_DEPLOYED)
        if Path(ape.project.path, contract.source_id).exists()
        for function in contract.mutable_methods
    }


def test_rows__every_function_has_one_and_every_row_a_function(world):
    assert {(row.contract, row.function) for row in ROWS} == functions()


def test_signed_rows__every_function_that_takes_a_signature_has_one(world):
    signed = {
        (contract, function.name)
        for contract in {contract for contract, _ in functions()}
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

"""One file a network says what is deployed where, and is believed only where the chain agrees."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak
from ledger_chains import Chain
from web3.contract import Contract

from theriac.errors import (
    BadDeployment,
    ChainSilent,
    DevelopmentChain,
    LedgerFileBroken,
    NotDeployed,
    WrongChain,
    WrongCode,
)
from theriac.ledger.deployment import Deployed, Deployment

GRANTS = Deployed(
    address="0x00000000000000000000000000000000000000AA",
    block=12,
    code_hash="0x" + "11" * 32,
    arguments=("0x00000000000000000000000000000000000000bB", 2**255, True, ["a", [1]]),
)
CLINIC_NET = Deployment(
    network="clinic-net",
    chain_id=8217,
    genesis="0x" + "22" * 32,
    depth=3,
    lasting=True,
    contracts={"Grants": GRANTS, "Consortium": replace(GRANTS, block=7, arguments=())},
)


def text_with(**changes: Any) -> str:
    return json.dumps({**json.loads(CLINIC_NET.to_json()), **changes})


def contract_with(**changes: Any) -> dict[str, Any]:
    return {"Grants": {**json.loads(CLINIC_NET.to_json())["contracts"]["Grants"], **changes}}


# -- the file --------------------------------------------------------------------------------------------------------


def test_load__what_was_saved__is_equal(tmp_path: Path) -> None:
    path = CLINIC_NET.save(tmp_path / "deployments")

    assert path == tmp_path / "deployments" / "clinic-net.json"
    assert Deployment.load(path) == CLINIC_NET
    assert os.listdir(path.parent) == ["clinic-net.json"]


def test_save__twice__writes_the_same_bytes_whatever_the_order_of_contracts(tmp_path: Path) -> None:
    reversed_order = replace(CLINIC_NET, contracts=dict(reversed(CLINIC_NET.contracts.items())))

    first = CLINIC_NET.save(tmp_path).read_bytes()
    second = reversed_order.save(tmp_path).read_bytes()

    assert first == second


def test_deployment__first_block__is_that_of_its_earliest_contract() -> None:
    assert CLINIC_NET.first_block == 7


def test_deployment__changed_by_a_caller__is_not_possible() -> None:
    with pytest.raises(TypeError):
        CLINIC_NET.contracts["Keys"] = GRANTS  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", ""),
        ("{", ""),
        ("[" * 100_000, ""),
        ("[]", ""),
        ('{"version": 1, "version": 1}', ""),
        (text_with(depth=1.5), ""),
        (text_with(depth=float("nan")), ""),
        (text_with(more=1), ""),
        (text_with(version=2), "version"),
        (text_with(network="Clinic Net"), "network"),
        (text_with(network="../clinic-net"), "network"),
        (text_with(network="other-net"), "network"),
        (text_with(lasting="yes"), "lasting"),
        (text_with(chain_id=0), "chain_id"),
        (text_with(chain_id="8217"), "chain_id"),
        (text_with(chain_id=True), "chain_id"),
        (text_with(genesis="0x22"), "genesis"),
        (text_with(genesis="0x" + "AA" * 32), "genesis"),
        (text_with(depth=-1), "depth"),
        (text_with(contracts=[]), "contracts"),
        (text_with(contracts={"": contract_with()["Grants"]}), "contracts"),
        (text_with(contracts={"Grants": {}}), "contracts.Grants"),
        (text_with(contracts=contract_with(address="0x" + "aa" * 20)), "contracts.Grants.address"),
        (text_with(contracts=contract_with(address="0xAA")), "contracts.Grants.address"),
        (text_with(contracts=contract_with(block=-1)), "contracts.Grants.block"),
        (text_with(contracts=contract_with(code_hash="")), "contracts.Grants.code_hash"),
        (text_with(contracts=contract_with(arguments={})), "contracts.Grants.arguments"),
        (text_with(contracts=contract_with(arguments=[None])), "contracts.Grants.arguments"),
    ],
)
def test_load__a_fault__names_the_field(tmp_path: Path, text: str, field: str) -> None:
    path = tmp_path / "clinic-net.json"
    path.write_text(text)

    with pytest.raises(BadDeployment) as refused:
        Deployment.load(path)

    assert (refused.value.source, refused.value.field) == (str(path), field)


def test_load__bytes_that_are_no_text__says_so(tmp_path: Path) -> None:
    path = tmp_path / "clinic-net.json"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(BadDeployment, match="it is not JSON"):
        Deployment.load(path)


def test_load__no_file__says_to_deploy(tmp_path: Path) -> None:
    with pytest.raises(NotDeployed, match="ape run deploy"):
        Deployment.load(tmp_path / "clinic-net.json")


def test_load__a_folder_in_its_place__is_broken(tmp_path: Path) -> None:
    (tmp_path / "clinic-net.json").mkdir()

    with pytest.raises(LedgerFileBroken):
        Deployment.load(tmp_path / "clinic-net.json")


def test_save__arguments_that_are_no_json__leaves_the_old_file(tmp_path: Path) -> None:
    path = CLINIC_NET.save(tmp_path)
    before = path.read_bytes()

    with pytest.raises(BadDeployment):
        replace(CLINIC_NET, contracts={"Grants": replace(GRANTS, arguments=(1.5,))}).save(tmp_path)

    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["clinic-net.json"]


def test_save__into_a_file__is_broken(tmp_path: Path) -> None:
    (tmp_path / "deployments").write_text("")

    with pytest.raises(LedgerFileBroken):
        CLINIC_NET.save(tmp_path / "deployments")


@pytest.mark.parametrize("network", ["", "..", "a/b", "A", "x" * 65, ".hidden"])
def test_path__what_is_no_network__is_refused(tmp_path: Path, network: str) -> None:
    with pytest.raises(BadDeployment):
        Deployment.path(tmp_path, network)


@pytest.mark.parametrize("chain_id", [1337, 31337])
def test_deployment__lasting_with_a_development_chain_id__is_refused(tmp_path: Path, chain_id: int) -> None:
    path = tmp_path / "clinic-net.json"
    path.write_text(text_with(chain_id=chain_id))

    with pytest.raises(DevelopmentChain) as constructed:
        replace(CLINIC_NET, chain_id=chain_id)
    with pytest.raises(DevelopmentChain) as loaded:
        Deployment.load(path)

    assert constructed.value.chain_id == loaded.value.chain_id == chain_id


# -- the chain -------------------------------------------------------------------------------------------------------


@pytest.fixture
def deployment(chain: Chain, emitter: Contract) -> Deployment:
    empty = Deployment.of(chain.web3, network="here", depth=0, lasting=False)
    return empty.with_contract(chain.web3, "Emitter", emitter.address, block=1, arguments=(10_000,))


def test_with_contract__hashes_the_code_on_the_chain(chain: Chain, emitter: Contract, deployment: Deployment) -> None:
    code = bytes(chain.web3.eth.get_code(emitter.address))

    assert deployment["Emitter"] == Deployed(
        address=emitter.address, block=1, code_hash="0x" + keccak(code).hex(), arguments=(10_000,)
    )


def test_with_contract__no_code_there__is_refused(chain: Chain, deployment: Deployment) -> None:
    with pytest.raises(NotDeployed):
        deployment.with_contract(chain.web3, "Keys", GRANTS.address, block=1)


def test_getitem__unknown_contract__is_refused(deployment: Deployment) -> None:
    with pytest.raises(NotDeployed) as refused:
        deployment["Keys"]

    assert (refused.value.contract, refused.value.network) == ("Keys", "here")


def test_verify__as_deployed__passes(chain: Chain, deployment: Deployment) -> None:
    deployment.verify(chain.web3)


def test_verify__another_chain_id__says_which(chain: Chain, deployment: Deployment) -> None:
    with pytest.raises(WrongChain) as refused:
        replace(deployment, chain_id=8217).verify(chain.web3)

    assert (refused.value.what, refused.value.written, refused.value.found) == (
        "chain id",
        "8217",
        str(deployment.chain_id),
    )


def test_verify__another_first_block__says_which(chain: Chain, deployment: Deployment) -> None:
    other = "0x" + "33" * 32

    with pytest.raises(WrongChain) as refused:
        replace(deployment, genesis=other).verify(chain.web3)

    assert (refused.value.what, refused.value.written, refused.value.found) == (
        "first block",
        other,
        deployment.genesis,
    )


def test_verify__other_code__says_where(chain: Chain, deployment: Deployment) -> None:
    written = replace(deployment["Emitter"], code_hash="0x" + "44" * 32)

    with pytest.raises(WrongCode) as refused:
        replace(deployment, contracts={"Emitter": written}).verify(chain.web3)

    assert refused.value.contract == "Emitter"
    assert refused.value.found == deployment["Emitter"].code_hash


def test_verify__nothing_at_an_address__says_to_deploy(chain: Chain, deployment: Deployment) -> None:
    with pytest.raises(NotDeployed) as refused:
        replace(deployment, contracts={**deployment.contracts, "Keys": GRANTS}).verify(chain.web3)

    assert refused.value.contract == "Keys"


def test_verify__no_chain__says_so(deployment: Deployment) -> None:
    from web3 import HTTPProvider, Web3

    with pytest.raises(ChainSilent):
        deployment.verify(Web3(HTTPProvider("http://127.0.0.1:1")))

"""Deploying: each contract once, in the order in which they need each other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from scripts._accounts import address_of
from scripts._cli import Failure
from scripts._progress import working
from scripts._site import Site
from theriac.errors import NotDeployed
from theriac.ledger.deployment import Deployment

ORDER = {
    "Consortium": ("board",),
    "Recovery": (),
    "Keys": ("Recovery",),
    "Records": ("Consortium", "Keys"),
    "Grants": ("Consortium", "Keys"),
    "Delegations": ("Grants", "Keys"),
    "Letters": ("Keys",),
    "AccessLog": ("Consortium",),
    "Carrier": (),
    "Batches": ("Consortium",),
    "ColdChain": ("Consortium", "Batches"),
    "Prescriptions": ("Consortium",),
    "Policies": ("Consortium", "Keys"),
    "Rules": (),
    "Authorizations": ("Consortium", "Policies"),
    "Escrow": ("Consortium", "Policies"),
    "Benefits": ("Consortium", "Records", "Policies", "Rules", "Authorizations"),
    "Claims": ("Consortium", "Keys", "Batches", "Prescriptions", "Policies", "Benefits", "Escrow"),
    "Appeals": ("Consortium", "Keys", "Policies", "Claims"),
    "Episodes": ("Consortium", "Keys", "Records", "Policies", "Escrow"),
    "Emergencies": ("Consortium", "Keys"),
}
"""Each contract and what its constructor is given. Some are made by another one's constructor."""

MADE_BY = {"Keys": "Recovery", "Delegations": "Grants"}
"""Contracts that another one makes in its constructor, and names by a function of their name."""


@dataclass(frozen=True)
class Done:
    """What stands on the network now, the file that says so, and what this run added for how much gas."""

    deployment: Deployment
    path: Path
    deployed: tuple[str, ...]
    gas: int


def deploy(site: Site, *, account: str | None, board: str | None, depth: int | None, anew: bool) -> Done:
    """Deploys what is missing. What stands there already is compared with the chain, by address and code."""
    path = Deployment.path(site.deployments, site.name)
    if anew and path.exists():
        path.rename(path.with_name(f"{path.name}.{Deployment.load(path).genesis[2:10]}"))
    deployment = _begun(site, path, depth)
    deployment.verify(site.web3)
    if "Keys" in deployment.contracts and "Recovery" not in deployment.contracts:
        raise Failure(f"What is deployed on {site.name} knows no recovery; give --anew to deploy everything again.", 3)
    missing = [name for name in ORDER if name not in deployment.contracts]
    if not missing:
        return Done(deployment, path, (), 0)

    alias = site.alias(account)
    sender = site.sender(alias)
    given: dict[str, Any] = {"board": address_of(board, play=site.play) if board else sender.address}
    gas = 0
    with working("Compiling the contracts"):
        kinds = _compiled()
    for name in missing:
        with working(f"Deploying {name}"):
            arguments = tuple(given[each] if each in given else deployment[each].address for each in ORDER[name])
            if name in MADE_BY:
                deployment = _made(site, deployment, name, arguments)
                continue
            contract = site.web3.eth.contract(abi=kinds[name]["abi"], bytecode=kinds[name]["code"])
            call = contract.constructor(*arguments)
            mark = keccak(hexstr=call.data_in_transaction).hex()[:16]
            receipt = sender.send(call, intent=f"deploy {name} {mark}")
        if receipt.contract is None:
            raise NotDeployed(contract=name, network=site.name)
        gas += receipt.gas_used
        deployment = deployment.with_contract(
            site.web3, name, receipt.contract, block=receipt.block, arguments=arguments
        )
        deployment.save(site.deployments)
    return Done(deployment, path, tuple(missing), gas)


def _made(site: Site, deployment: Deployment, name: str, arguments: tuple[Any, ...]) -> Deployment:
    """Notes where a contract stands that another one made."""
    maker = deployment[MADE_BY[name]]
    function = site.web3.eth.contract(address=maker.address, abi=compiled(MADE_BY[name])["abi"]).functions
    address = function[name.lower()]().call()
    noted = deployment.with_contract(site.web3, name, address, block=maker.block, arguments=arguments)
    noted.save(site.deployments)
    return noted


def _begun(site: Site, path: Path, depth: int | None) -> Deployment:
    try:
        return Deployment.load(path)
    except NotDeployed:
        blocks = site.depth if depth is None else depth
        return Deployment.of(site.web3, network=site.name, depth=blocks, lasting=site.lasting)


def _compiled() -> dict[str, dict[str, Any]]:
    """ABIs and creation code of all contracts, as Ape compiles them."""
    return {name: compiled(name) for name in ORDER}


def compiled(name: str) -> dict[str, Any]:
    """A contract's ABI and creation code, as Ape compiles it."""
    from ape import project

    kind = getattr(project, name).contract_type
    return {
        "abi": [part.model_dump(by_alias=True) for part in kind.abi],
        "code": kind.deployment_bytecode.bytecode,
    }

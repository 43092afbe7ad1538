"""Deploying many contracts in few blocks, for the demo and for tests."""

from typing import Any

from web3 import Web3
from web3.contract import Contract

from scripts._deploying import MADE_BY, ORDER, compiled
from theriac.errors import NotDeployed
from theriac.ledger.deployment import Deployment
from theriac.ledger.sender import Sender


def deploy(web3: Web3, sender: Sender, known: Deployment, *names: str) -> Deployment:
    """The deployment with these contracts added, which the sender deploys and governs.

    Those that do not need each other are sent together, so that they can share a block.
    """
    waiting = list(names)
    while waiting:
        ready = [name for name in waiting if set(ORDER[name]) - {"board"} <= known.contracts.keys()]
        if not ready:
            raise NotDeployed(contract=waiting[0], network=known.network)
        arguments = {
            name: tuple(sender.address if each == "board" else known[each].address for each in ORDER[name])
            for name in ready
        }
        sent = {name: _submit(web3, sender, name, arguments[name]) for name in ready if name not in MADE_BY}
        for name in ready:
            if name in MADE_BY:
                maker = known[MADE_BY[name]]
                address, block = _made(web3, name, str(maker.address)), maker.block
            else:
                receipt = sender.wait(sent[name])
                address, block = str(receipt.contract), receipt.block
            known = known.with_contract(web3, name, address, block=block, arguments=arguments[name])
        waiting = [name for name in waiting if name not in ready]
    return known


def deploy_other(web3: Web3, sender: Sender, name: str, *arguments: Any) -> Contract:
    """A contract that is no part of a deployment, such as play money."""
    receipt = sender.wait(_submit(web3, sender, name, arguments))
    return web3.eth.contract(address=receipt.contract, abi=compiled(name)["abi"])


def _submit(web3: Web3, sender: Sender, name: str, arguments: tuple[Any, ...]) -> str:
    kind = compiled(name)
    return sender.submit(web3.eth.contract(abi=kind["abi"], bytecode=kind["code"]).constructor(*arguments))


def _made(web3: Web3, name: str, maker: str) -> str:
    """Where a contract stands that another one made."""
    functions = web3.eth.contract(address=maker, abi=compiled(MADE_BY[name])["abi"]).functions  # type: ignore[call-overload]
    return str(functions[name.lower()]().call())

"""Real engines to test on: a Kaia network whose validators can be killed, and a geth; both with the tests' contract."""

import itertools
import json
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak
from ledger_chains import EMITTER
from ledger_solidity import compiled
from quiet_server import NoAnswer, Served, answering_json
from web3 import HTTPProvider, Web3
from web3.contract import Contract

from engines.geth.node import BINARY as GETH
from engines.geth.node import GethNode
from engines.kaia.network import BINARY as KAIA
from engines.kaia.network import KaiaNetwork
from engines.process import EngineError
from theriac.ledger.sender import Intent, Sender
from theriac.ledger.signer import KeySigner

_seeds = itertools.count(time.time_ns())

RICH = KeySigner(keccak(text="theriac test: who has ether on geth"))


def need(binary: Path, engine: str) -> None:
    if not binary.exists():
        pytest.skip(f"{engine} is not built; run 'make engine-{engine}' (it needs Go) and try again.")


def stranger() -> KeySigner:
    """An account that was never used and owns nothing."""
    return KeySigner(keccak(next(_seeds).to_bytes(16, "big")))


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def emitter_on(url: str, *, by: KeySigner | None = None) -> Contract:
    """A new Emitter."""
    web3, code = Web3(HTTPProvider(url)), compiled(EMITTER, "Emitter")
    blank = web3.eth.contract(abi=code.abi, bytecode=code.bytecode)
    with Sender(web3, by or stranger(), outbox=None) as sender:
        receipt = sender.send(blank.constructor(10**9))
    return web3.eth.contract(address=receipt.contract, abi=code.abi)  # type: ignore[call-overload, no-any-return]


def notes(emitter: Contract, signer: KeySigner, numbers: Sequence[int]) -> list[Intent]:
    """One intent for each number, which the contract counts: done twice would show."""
    return [Intent(emitter.functions.note(signer.address, key(n), n, ""), f"note {n}") for n in numbers]


def times(emitter: Contract, numbers: Sequence[int]) -> list[int]:
    """How often each was done."""
    return [emitter.functions.timesOf(key(number)).call() for number in numbers]


@dataclass
class Kaia:
    """A network of four validators with the tests' contract on it."""

    network: KaiaNetwork
    _emitter: Contract | None = None

    @property
    def url(self) -> str:
        return self.network.url

    def web3(self, node: int = 0) -> Web3:
        return Web3(HTTPProvider(self.network.nodes[node].url))

    def emitter(self, node: int = 0) -> Contract:
        if self._emitter is None:
            self._emitter = emitter_on(self.network.url)
        return self.web3(node).eth.contract(address=self._emitter.address, abi=self._emitter.abi)

    def sender(self, signer: KeySigner, outbox: Path | None = None, *, node: int = 0, **options: Any) -> Sender:
        return Sender(self.web3(node), signer, outbox=outbox, **options)

    def heal(self) -> None:
        """Starts what is down, and waits until all four agree on new blocks."""
        for node in self.network.nodes:
            node.daemon.resume()
            node.start(wait=False)
        for node in self.network.nodes:
            node.daemon.wait(lambda node=node: node.height() >= 0, seconds=60)  # type: ignore[misc]
        self.agree()

    def agree(self, *, seconds: float = 150) -> None:
        """Waits until blocks come at all nodes, and asserts that they have the same ones: no fork."""
        height = max(node.height() for node in self.network.nodes) + 1
        self.network.wait(height, seconds=seconds)
        hashes = [node.ask("eth_getBlockByNumber", hex(height), False)["hash"] for node in self.network.nodes]
        assert len(set(hashes)) == 1, hashes


@contextmanager
def kaia_network(folder: Path, **options: Any) -> Iterator[Kaia]:
    """Four validators for as long as the block lasts."""
    need(KAIA, "kaia")
    with KaiaNetwork(folder, **options) as network:
        yield Kaia(network)


@contextmanager
def geth_node(folder: Path, **options: Any) -> Iterator[GethNode]:
    """A geth for as long as the block lasts, on which RICH has ether."""
    need(GETH, "geth")
    with GethNode(folder, rich=[RICH.address], **options) as node:
        yield node


def send_error(node: Any, raw: bytes) -> str:
    """In what words a node refuses a transaction; nothing where it takes it."""
    try:
        node.ask("eth_sendRawTransaction", "0x" + raw.hex())
    except EngineError as refused:
        return str(refused).removeprefix("eth_sendRawTransaction: ")
    return ""


def took(act: Callable[[], object]) -> float:
    """How many seconds something takes."""
    begun = time.monotonic()
    act()
    return time.monotonic() - begun


def tell(fault: str, **seconds: float) -> None:
    """Prints what was measured, for docs/faults.md; `pytest -rP` shows it."""
    print(fault + ": " + ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items()))


# -- a node that cannot be trusted -----------------------------------------------------------------------------------

Answer = dict[str, Any]
Meddle = Callable[[Callable[[], Answer], str, list[Any]], Answer]


@dataclass
class Proxy:
    """Stands in front of a node: every request, of a group too, goes through `meddle` with the way to ask on."""

    url: str
    meddle: Meddle = field(default=lambda ask, method, parameters: ask())
    asked: list[str] = field(default_factory=list)
    groups: bool = True
    """Whether it takes several requests at one go."""

    def _answer(self, request: Answer, node: str) -> Answer:
        def ask() -> Answer:
            return _post(node, request)

        self.asked.append(request["method"])
        return {**self.meddle(ask, request["method"], request["params"]), "id": request["id"]}


@contextmanager
def proxy_of(node: str) -> Iterator[Proxy]:
    """A proxy in front of the node at this URL."""
    proxy = Proxy("")

    def answer(asked: Any) -> Any:
        many = isinstance(asked, list)
        if many and not proxy.groups:
            raise NoAnswer(400)
        answers = [proxy._answer(each, node) for each in (asked if many else [asked])]
        return answers if many else answers[0]

    server = Served(answering_json(answer))
    proxy.url = server.url
    try:
        yield proxy
    finally:
        server.stop()


def _post(url: str, asked: Answer) -> Answer:
    request = urllib.request.Request(url, json.dumps(asked).encode(), headers={"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        told: Answer = json.load(answer)
    return told

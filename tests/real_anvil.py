"""A real anvil with this project's contracts on it. Its chain id, time, keys and addresses are the same at every run.

For tests that need more than Ape's embedded chain: gas that is the same to the unit, transactions of other types, and
signatures that were made long ago for these addresses.
"""

import http.client
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlparse

import pytest
from ape import project
from compiling import compile_if_changed
from eth_abi import encode
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from eth_utils import keccak
from eth_utils.abi import function_abi_to_4byte_selector, get_abi_input_types
from hexbytes import HexBytes
from requests import Session
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.types import RPCEndpoint, TxReceipt

ROOT = Path(__file__).resolve().parent.parent
ANVIL = ROOT / "node_modules" / ".bin" / "anvil"
CHAIN_ID = 8437422
START = int(datetime(2030, 1, 7, 9, 0, tzinfo=UTC).timestamp())
"""The time of the first block; every later block comes a second after the one before."""

# How long anvil may take to start, and to answer.
STARTED_WITHIN, ANSWERED_WITHIN = 60.0, 60.0

# Runs a command, and ends it with everything it started once nobody holds this shell's input open any more.
WATCHED = 'exec 3<&0; (cat <&3 >/dev/null; kill -9 0) & "$@" & wait $!'

# More than any transaction of these tests uses; a block holds as much.
GAS = 30_000_000


PEOPLE: set[str] = set()
"""Everybody who was named so far, in this process."""


def person(name: str) -> LocalAccount:
    """The account of someone in a test, always the same for the same name."""
    account = Account.from_key(keccak(text=f"theriac test: {name}"))
    PEOPLE.add(account.address)
    return account


DEPLOYER = person("deployer")
BOARD = person("board")
RELAYER = person("relayer")


def encoded(call: ContractFunction) -> bytes:
    """A call's data. What web3 itself would do takes ten times as long."""
    types = get_abi_input_types(call.abi)
    return function_abi_to_4byte_selector(call.abi) + encode(types, call.arguments)


class Wire:
    """One connection to a chain that is kept open: thousands of requests, in as few words as possible."""

    def __init__(self, uri: str) -> None:
        self._url = urlparse(uri)
        self._count = itertools.count()
        self._kept = threading.local()

    def request(self, method: str, *parameters: Any) -> Any:
        answer = self.answer(method, parameters)
        assert "error" not in answer, answer
        return answer["result"]

    def answer(self, method: str, parameters: Sequence[Any]) -> Any:
        """What the chain answers, be it a result or an error."""
        return self._say({"jsonrpc": "2.0", "id": next(self._count), "method": method, "params": list(parameters)})

    def calls(self, asked: Sequence[tuple[str, bytes]]) -> list[bytes]:
        """What contracts answer to these calls, all in one request."""
        bodies = [
            {
                "jsonrpc": "2.0",
                "id": at,
                "method": "eth_call",
                "params": [{"to": to, "data": f"0x{data.hex()}"}, "latest"],
            }
            for at, (to, data) in enumerate(asked)
        ]
        answers = {answer["id"]: answer for answer in self._say(bodies)}
        return [bytes.fromhex(answers[at]["result"][2:]) for at in range(len(asked))]

    def say(self, body: bytes) -> bytes:
        """What the chain answers to these bytes."""
        try:
            return self._exchanged(body)
        except (ConnectionError, http.client.RemoteDisconnected):
            # Some nodes hang up where nothing was asked for a while.
            return self._exchanged(body)

    def _say(self, body: object) -> Any:
        return json.loads(self.say(json.dumps(body).encode()))

    def _exchanged(self, body: bytes) -> bytes:
        kept = self._kept
        # A process that was forked off has to speak on a connection of its own, as each thread has.
        if getattr(kept, "process", None) != os.getpid():
            kept.process = os.getpid()
            kept.http = http.client.HTTPConnection(self._url.hostname or "", self._url.port, timeout=ANSWERED_WITHIN)
        try:
            kept.http.request("POST", "/", body, {"Content-Type": "application/json"})
            return bytes(kept.http.getresponse().read())
        except BaseException:
            # Half of an answer must not be read as one to the next question.
            kept.http.close()
            raise


@dataclass(frozen=True)
class Chain:
    """A running anvil."""

    web3: Web3

    @cached_property
    def wire(self) -> Wire:
        """For what is asked thousands of times: web3 takes ten times as long."""
        return Wire(str(self.web3.provider.endpoint_uri))  # type: ignore[attr-defined]

    def ask(self, method: str, *parameters: Any) -> Any:
        """What anvil answers to a request of its own, such as `evm_snapshot`."""
        return self.wire.request(method, *parameters)

    def now(self) -> int:
        """The time of the latest block."""
        return int(self.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def at(self, moment: int) -> None:
        """Mines a block of that time; those that follow come a second after each other."""
        self.ask("evm_setNextBlockTimestamp", moment)
        self.ask("evm_mine")

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Takes back whatever happens inside."""
        snapshot = self.ask("evm_snapshot")
        try:
            yield
        finally:
            self.back(snapshot)

    def back(self, snapshot: Any) -> None:
        """Takes back whatever happened since a snapshot, which is used up by that."""
        assert self.ask("evm_revert", snapshot) is True
        # A receipt is there a moment before its transaction has left the pool; there it would be in the way of the next
        # transaction with its nonce.
        self.ask("anvil_dropAllTransactions")

    def transact(self, sender: LocalAccount, transaction: Mapping[str, Any]) -> TxReceipt:
        """Signs and sends a transaction, and returns its receipt whether it failed or not."""
        filled = {
            "chainId": CHAIN_ID,
            "nonce": int(self.ask("eth_getTransactionCount", sender.address, "latest"), 16),
            "gas": GAS,
            "value": 0,
            **({} if "type" in transaction else {"gasPrice": 0}),
            **transaction,
        }
        signed = sender.sign_transaction(filled).raw_transaction
        answer = self.wire.answer("eth_sendRawTransaction", [signed.to_0x_hex()])
        # A refusal is raised as web3 raises it.
        sent = HexBytes(answer["result"]) if "result" in answer else self.web3.eth.send_raw_transaction(signed)
        return self.web3.eth.wait_for_transaction_receipt(sent, timeout=ANSWERED_WITHIN, poll_latency=0.005)

    def send(self, sender: LocalAccount, call: ContractFunction) -> TxReceipt:
        """Sends a call that must succeed. Where it fails, the contract's own error is raised."""
        receipt = self.transact(sender, {"to": call.address, "data": encoded(call)})
        if receipt["status"] == 0:
            call.call({"from": sender.address, "gas": GAS})
            raise AssertionError(f"{call.fn_name} failed as a transaction, and yet not as a call")
        return receipt

    def at_address(self, name: str, address: str) -> Contract:
        """A contract of this project that another one made."""
        abi = [entry.model_dump(by_alias=True) for entry in getattr(project, name).contract_type.abi]
        return self.web3.eth.contract(address=address, abi=abi)

    def deploy(self, name: str, *arguments: Any, sender: LocalAccount = DEPLOYER) -> Contract:
        """Deploys a contract of this project, as Ape compiles it."""
        kind = getattr(project, name).contract_type
        blank = self.web3.eth.contract(
            abi=[entry.model_dump(by_alias=True) for entry in kind.abi],
            bytecode=kind.deployment_bytecode.bytecode,
        )
        receipt = self.transact(sender, {"data": blank.constructor(*arguments).data_in_transaction})
        assert receipt["status"] == 1, f"{name} could not be deployed"
        return self.web3.eth.contract(address=receipt["contractAddress"], abi=blank.abi)

    def made(self, name: str, address: ChecksumAddress) -> Contract:
        """A contract that another one made."""
        abi = [entry.model_dump(by_alias=True) for entry in getattr(project, name).contract_type.abi]
        return self.web3.eth.contract(address=address, abi=abi)


_NAMES = {"coldchain": "ColdChain", "accesslog": "AccessLog"}


@dataclass(frozen=True)
class Contracts:
    """The project's contracts, deployed by DEPLOYER in this order; BOARD is the consortium's board."""

    consortium: Contract
    recovery: Contract
    keys: Contract
    records: Contract
    grants: Contract
    delegations: Contract
    letters: Contract
    carrier: Contract
    batches: Contract
    coldchain: Contract
    prescriptions: Contract
    policies: Contract
    rules: Contract
    authorizations: Contract
    escrow: Contract
    benefits: Contract
    claims: Contract
    appeals: Contract
    episodes: Contract
    accesslog: Contract
    emergencies: Contract

    @property
    def by_name(self) -> dict[str, Contract]:
        """Every contract by the name that its source has."""
        return {_NAMES.get(name, name.capitalize()): each for name, each in vars(self).items()}

    @classmethod
    def deploy(cls, chain: Chain) -> "Contracts":
        compile_if_changed()
        consortium = chain.deploy("Consortium", BOARD.address)
        recovery = chain.deploy("Recovery")
        keys = chain.at_address("Keys", recovery.functions.keys().call())
        records = chain.deploy("Records", consortium.address, keys.address)
        grants = chain.deploy("Grants", consortium.address, keys.address)
        delegations = chain.made("Delegations", grants.functions.delegations().call())
        letters = chain.deploy("Letters", keys.address)
        carrier = chain.deploy("Carrier")
        batches = chain.deploy("Batches", consortium.address)
        coldchain = chain.deploy("ColdChain", consortium.address, batches.address)
        prescriptions = chain.deploy("Prescriptions", consortium.address)
        policies = chain.deploy("Policies", consortium.address, keys.address)
        rules = chain.deploy("Rules")
        authorizations = chain.deploy("Authorizations", consortium.address, policies.address)
        escrow = chain.deploy("Escrow", consortium.address, policies.address)
        of_benefits = (consortium, records, policies, rules, authorizations)
        benefits = chain.deploy("Benefits", *(each.address for each in of_benefits))
        of_claims = (consortium, keys, batches, prescriptions, policies, benefits, escrow)
        claims = chain.deploy("Claims", *(each.address for each in of_claims))
        of_episodes = (consortium, keys, records, policies, escrow)
        return cls(
            consortium=consortium,
            recovery=recovery,
            keys=keys,
            records=records,
            grants=grants,
            delegations=delegations,
            letters=letters,
            carrier=carrier,
            batches=batches,
            coldchain=coldchain,
            prescriptions=prescriptions,
            policies=policies,
            rules=rules,
            authorizations=authorizations,
            escrow=escrow,
            benefits=benefits,
            claims=claims,
            appeals=chain.deploy("Appeals", consortium.address, keys.address, policies.address, claims.address),
            episodes=chain.deploy("Episodes", *(each.address for each in of_episodes)),
            # By an account of its own: the frozen signatures name the places where the deployer's contracts stand.
            accesslog=chain.deploy("AccessLog", consortium.address, sender=person("deployer of the access log")),
            emergencies=chain.deploy("Emergencies", consortium.address, keys.address),
        )


@contextmanager
def kept_states() -> Iterator[str]:
    """A folder for the states that anvil writes down: by itself it puts gigabytes into the home folder, and leaves them
    there when it is killed."""
    within = ROOT / ".cache" / "tmp"
    within.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="anvil-", dir=within, ignore_cleanup_errors=True) as folder:
        yield folder


@contextmanager
def anvil(*, hardfork: str) -> Iterator[Chain]:
    """An anvil of its own on a free port, with blocks a second apart and transactions that cost nothing.

    Where `pytest --engine` names another engine, a chain of that.
    """
    import elsewhere

    if elsewhere.is_elsewhere():
        with elsewhere.chain(hardfork=hardfork) as chain:
            yield chain
        return
    if not ANVIL.exists() or shutil.which("node") is None:
        pytest.skip("anvil from npm is missing: run 'make setup' (Node 20 or newer) and try again.")
    options = {
        "--port": 0,
        "--hardfork": hardfork,
        "--chain-id": CHAIN_ID,
        "--timestamp": START,
        "--gas-limit": GAS,
        "--base-fee": 0,
        "--gas-price": 0,
    }
    command = [str(ANVIL), "--disable-min-priority-fee", *(str(part) for pair in options.items() for part in pair)]
    # anvil tells every transaction on its output; a pipe that nobody empties would stop it. Its input is a pipe that
    # only the tests hold, so that it ends with them also where they are killed.
    with tempfile.TemporaryFile() as printed, kept_states() as states:
        command += ["--cache-path", states]
        process = subprocess.Popen(
            ["sh", "-c", WATCHED, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            # web3 asks for the chain's number at every call; it never changes.
            provider = HTTPProvider(
                _url_of(process, printed),
                {"timeout": ANSWERED_WITHIN},
                session=_session(),
                cache_allowed_requests=True,
                cacheable_requests={RPCEndpoint("eth_chainId")},
            )
            chain = Chain(Web3(provider))
            # It stays a provider like any other, and what goes through web3 takes the wire too.
            provider._make_request = lambda method, data: chain.wire.say(data)  # type: ignore[method-assign]
            chain.ask("anvil_setBlockTimestampInterval", 1)
            yield chain
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def _session() -> Session:
    """A session that asks no proxy for what is on this machine."""
    session = Session()
    session.trust_env = False
    return session


def _url_of(process: "subprocess.Popen[bytes]", printed: BinaryIO) -> str:
    """Where anvil listens, as it prints it."""
    deadline = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(rb"Listening on (\S+)\n", os.pread(printed.fileno(), 65536, 0)):
            return f"http://{found.group(1).decode()}"
        time.sleep(0.02)
    raise AssertionError(f"anvil did not start: {os.pread(printed.fileno(), 65536, 0).decode(errors='replace')[-500:]}")

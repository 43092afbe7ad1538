"""Chains to test on: one embedded in the process, and anvil as a process of its own."""

import itertools
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_utils.crypto import keccak
from ledger_solidity import compiled
from real_anvil import kept_states
from web3 import EthereumTesterProvider, HTTPProvider, Web3
from web3.contract import Contract

from theriac.ledger.signer import KeySigner
from tools.foundry import program

EMITTER = "contracts/test/Emitter.sol"

# The first keys that both chains give ether to.
EMBEDDED_KEYS = tuple(number.to_bytes(32, "big") for number in range(1, 6))
ANVIL_KEYS = tuple(
    bytes.fromhex(key)
    for key in (
        "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
        "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
        "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    )
)

_seeds = itertools.count(1)


@dataclass
class Chain:
    """A chain, a connection to it, and keys with ether on it."""

    web3: Web3
    keys: tuple[bytes, ...]
    url: str = ""
    process: "subprocess.Popen[bytes] | None" = None

    def ask(self, method: str, *parameters: Any) -> Any:
        """What the chain answers to a request of its own, such as `evm_mine`."""
        answer = self.web3.provider.make_request(method, list(parameters))
        assert "error" not in answer, answer
        return answer["result"]

    def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            if self.process is None:
                self.web3.provider.ethereum_tester.mine_block()
            else:
                self.ask("evm_mine")

    def emitter(self, ceiling: int = 10_000) -> Contract:
        """A new Emitter, which lets itself be ticked `ceiling` times."""
        code = compiled(EMITTER, "Emitter")
        owner = Account.from_key(self.keys[-1])
        blank = self.web3.eth.contract(abi=code.abi, bytecode=code.bytecode)
        transaction = blank.constructor(ceiling).build_transaction(
            {"from": owner.address, "nonce": self.web3.eth.get_transaction_count(owner.address)}
        )
        sent = self.web3.eth.send_raw_transaction(owner.sign_transaction(transaction).raw_transaction)
        receipt = self.web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.02)
        return self.web3.eth.contract(address=receipt["contractAddress"], abi=code.abi)

    def account(self, *, ether: int = 10) -> KeySigner:
        """A new account with that much ether."""
        signer = KeySigner(keccak(next(_seeds).to_bytes(4, "big")))
        if ether:
            rich = Account.from_key(self.keys[-2])
            transaction = {
                "to": signer.address,
                "value": ether * 10**18,
                "nonce": self.web3.eth.get_transaction_count(rich.address),
                "gas": 21_000,
                "gasPrice": 4 * 10**9,
                "chainId": self.web3.eth.chain_id,
            }
            sent = self.web3.eth.send_raw_transaction(rich.sign_transaction(transaction).raw_transaction)
            self.web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.02)
        return signer

    def end(self) -> None:
        """Ends the chain as a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop_answering(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def go_on(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


def embedded_chain() -> Chain:
    return Chain(web3=Web3(EthereumTesterProvider()), keys=EMBEDDED_KEYS)


@contextmanager
def anvil_chain(*options: str, port: int = 0) -> Iterator[Chain]:
    """An anvil for as long as the block lasts, on a free port unless one is named."""
    anvil = program("anvil")
    if not anvil.exists():
        pytest.skip("anvil from npm is missing: run `npm ci` and try again.")
    with tempfile.NamedTemporaryFile("w") as log, kept_states() as states:
        command = [anvil, "--port", str(port), "--cache-path", states, *options]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            url = _url_in(Path(log.name), process)
            yield Chain(web3=Web3(HTTPProvider(url)), keys=ANVIL_KEYS, url=url, process=process)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _url_in(log: Path, process: "subprocess.Popen[bytes]") -> str:
    """Where anvil says that it listens."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"Listening on (\S+)\n", log.read_text())
        if found:
            return f"http://{found.group(1)}"
        time.sleep(0.02)
    raise AssertionError(f"anvil does not listen: {log.read_text()[-500:]}")

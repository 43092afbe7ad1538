"""What the sender makes of a node's own rate: the same transactions through it, and signed before and sent bare."""

import json
import time
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from web3 import HTTPProvider, Web3

from benches.figures import Better, Figure, Run, Section, Table
from benches.profiling import profiled
from benches.timing import Effort, memory_folder, seconds
from engines.anvil.node import BINARY, AnvilNode
from theriac.ledger.contracts import Call
from theriac.ledger.sender import Intent, Sender
from theriac.ledger.signer import KeySigner

CHAIN_ID = 8437422
BEGUN = 1_900_000_000
BATCH = 200
COUNT = 1_000
OPEN = 1_024
REACH = 0.5

# A contract that sets the slot that its calldata names, and the code that makes it.
ONE_SLOT = bytes.fromhex("666001600035550060005260076019f3")
GAS = 100_000

PROSE = f"""
{COUNT:,} transactions that write one slot each, by one account, on an anvil of this run that makes a block for each.
Through `ledger.sender` every one is simulated, signed, checked, kept on disk before it is sent, and followed to its
receipt and its block's header. *Bare*, in turns with it, they are signed before the clock starts, given in JSON-RPC
batches of {BATCH}, and only the account's nonce is waited for: the node's own rate for them. A simulation is as much
work for the node as the transaction itself, so that half of the bare rate, which is asked, leaves the sender little.
[throughput.md](../throughput.md) has what four validators of a consortium take.
"""


def measure(effort: Effort) -> Section:
    if not BINARY.exists():
        skipped = ("the sender beside a node's own rate: run `make setup`, which installs anvil from npm.",)
        return Section("sending", "Sending", PROSE, (), skipped=skipped)
    count = 20 if effort.small else COUNT
    with (
        TemporaryDirectory(prefix="theriac-bench-", dir=memory_folder(1 << 30)) as name,
        AnvilNode(Path(name, "anvil"), chain_id=CHAIN_ID, begun=BEGUN, history=256) as node,
    ):
        folder, numbers = Path(name), iter(range(1 << 30))
        slot = _deployed(node.url)
        runs = []
        for turn in range(max(1, effort.runs - 2)):
            acts = {
                "sender": lambda: _through_sender(node.url, slot, count, next(numbers), folder),
                "bare": lambda: _bare(node.url, slot, count, next(numbers)),
            }
            order = ("sender", "bare") if turn % 2 else ("bare", "sender")
            took = {way: acts[way]() for way in order}
            runs.append(Run(count / took["sender"], count / took["bare"]))
        what = "transactions simulated, signed, kept, sent and followed, by one account"
        beside = "the same signed before, in batches"
        figure = Figure(
            *("sending/anvil", what, "a second", beside, tuple(runs)),
            better=Better.MORE,
            reach=None if effort.small else REACH,
        )
        tables: list[Table] = []
        if not effort.small:
            number = next(numbers)
            act = f"{count:,} transactions through the sender"
            tables.append(profiled(act, lambda: _through_sender(node.url, slot, count, number, folder)))
    return Section("sending", "Sending", PROSE, (figure,), tables=tuple(tables))


def _account(number: int) -> LocalAccount:
    account: LocalAccount = Account.from_key(keccak(text=f"theriac bench: sender {number}"))
    return account


def _signed(account: LocalAccount, nonce: int, *, to: str | None, data: bytes) -> str:
    fields = {"nonce": nonce, "gas": GAS, "gasPrice": 0, "value": 0, "chainId": CHAIN_ID, "data": "0x" + data.hex()}
    return "0x" + bytes(account.sign_transaction(fields | ({"to": to} if to else {})).raw_transaction).hex()


def _deployed(url: str) -> str:
    account = _account(-1)
    [made] = _asked(url, [("eth_sendRawTransaction", [_signed(account, 0, to=None, data=ONE_SLOT)])])
    while (receipt := _asked(url, [("eth_getTransactionReceipt", [made])])[0]) is None:
        time.sleep(0.01)
    return str(Web3.to_checksum_address(receipt["contractAddress"]))


def _through_sender(url: str, slot: str, count: int, number: int, folder: Path) -> float:
    web3, account = Web3(HTTPProvider(url)), _account(number)
    outbox = folder / f"{number}.sqlite"
    calls = [Call(to=slot, data=place) for place in _places(number, count)]
    patience = timedelta(minutes=5)
    with Sender(web3, KeySigner(bytes(account.key)), outbox=outbox, limit=OPEN, timeout=patience) as sender:
        # The first question finds out what network it is.
        sender.simulate(calls[0])

        def send() -> None:
            for outcome in sender.send_all(Intent(call) for call in calls):
                if outcome.receipt is None:
                    raise outcome.error or RuntimeError("a transaction without a receipt")

        took = seconds(send)
    _check(url, account, slot, count, number)
    return took


def _bare(url: str, slot: str, count: int, number: int) -> float:
    account = _account(number)
    raw = [_signed(account, nonce, to=slot, data=place) for nonce, place in enumerate(_places(number, count))]

    def send() -> None:
        for at in range(0, count, BATCH):
            _asked(url, [("eth_sendRawTransaction", [each]) for each in raw[at : at + BATCH]])
        while int(_asked(url, [("eth_getTransactionCount", [account.address, "latest"])])[0], 16) < count:
            pass

    took = seconds(send)
    _check(url, account, slot, count, number)
    return took


def _places(number: int, count: int) -> Iterator[bytes]:
    return (keccak(text=f"{number} {place}") for place in range(count))


def _check(url: str, account: LocalAccount, slot: str, count: int, number: int) -> None:
    """All were carried out, once each."""
    places = ["0x" + place.hex() for place in _places(number, count)]
    [nonce, *written] = _asked(
        url,
        [
            ("eth_getTransactionCount", [account.address, "latest"]),
            *(("eth_getStorageAt", [slot, place, "latest"]) for place in places),
        ],
    )
    assert int(nonce, 16) == count
    assert all(int(each, 16) == 1 for each in written)


def _asked(url: str, asked: list[tuple[str, list[Any]]]) -> list[Any]:
    """A batch of requests, and what was answered to each."""
    body = [
        {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
        for number, (method, parameters) in enumerate(asked)
    ]
    request = urllib.request.Request(url, json.dumps(body).encode(), headers={"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
        answers = sorted(json.load(answer), key=lambda each: int(each["id"]))
    refused = [each["error"] for each in answers if "error" in each]
    if refused:
        raise RuntimeError(f"the node refused {len(refused)} of {len(asked)}: {refused[0]}")
    return [each["result"] for each in answers]

"""What the sender makes of a node's own rate: the same transactions through it, and signed before and sent bare."""

import json
import time
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from web3 import HTTPProvider, Web3

from benches.figures import Better, Figure, Run, Section, Table
from benches.profiling import profiled
from benches.timing import Effort, memory_folder, seconds
from engines.anvil.node import BINARY, AnvilNode
from theriac.errors import NotSettled
from theriac.ledger.contracts import Call
from theriac.ledger.sender import Intent, Sender
from theriac.ledger.signer import KeySigner

_T = TypeVar("_T")

CHAIN_ID = 8437422
BEGUN = 1_900_000_000
BATCH = 200
COUNT = 1_000
OPEN = 1_024
REACH = 0.5

# So many runs may be lost to anvil: it looks no more at a transaction that came while the one before it was mined.
_BORNE = 5
_PATIENCE = timedelta(seconds=15)

# The code that makes a contract that counts up in the slot that its calldata names. More slots would make each block of
# anvil dearer than the one before: it goes through all of its state for a block's root.
COUNTER = bytes.fromhex("695f3580546001019055005f52600a6016f3")
GAS = 100_000

PROSE = f"""
{COUNT:,} transactions that count up in one slot, by one account, on an anvil of this run that mines as they come.
Through `ledger.sender` every one is simulated, signed, checked, kept on disk before it is sent, and followed to its
receipt and its block's header. *Bare*, in turns with it, they are signed before the clock starts, given in JSON-RPC
batches of {BATCH}, and only the account's nonce is waited for: the node's own rate for them. A simulation is as much
work for the node as the transaction itself, so that half of the bare rate, which is asked, leaves the sender little.
Anvil at times lets a transaction lie that came while the one before it was mined; such a run is made again.
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
        lost = 0

        def borne(act: Callable[[], _T]) -> _T:
            """What an act gives, done again where anvil lost it."""
            nonlocal lost
            while True:
                try:
                    return act()
                except (NotSettled, TimeoutError):
                    lost += 1
                    if lost > _BORNE:
                        raise

        def through_sender() -> float:
            return _through_sender(node.url, slot, count, next(numbers), folder)

        def measured(turn: int) -> Run:
            acts = {"sender": through_sender, "bare": lambda: _bare(node.url, slot, count, next(numbers))}
            took = {way: acts[way]() for way in (("sender", "bare") if turn % 2 else ("bare", "sender"))}
            return Run(count / took["sender"], count / took["bare"])

        runs = [borne(lambda turn=turn: measured(turn)) for turn in range(max(1, effort.runs - 2))]  # type: ignore[misc]
        what = "transactions simulated, signed, kept, sent and followed, by one account"
        beside = "the same signed before, in batches"
        figure = Figure(
            *("sending/anvil", what, "a second", beside, tuple(runs)),
            better=Better.MORE,
            reach=None if effort.small else REACH,
        )
        tables: list[Table] = []
        if not effort.small:
            title = f"{count:,} transactions through the sender"
            tables.append(borne(lambda: profiled(title, through_sender)))
    told = (f"{lost} runs in which anvil left a transaction lying; they were made again.",) if lost else ()
    return Section("sending", "Sending", PROSE, (figure,), tables=tuple(tables), skipped=told)


def _account(number: int) -> LocalAccount:
    account: LocalAccount = Account.from_key(keccak(text=f"theriac bench: sender {number}"))
    return account


def _signed(account: LocalAccount, nonce: int, *, to: str | None, data: bytes) -> str:
    fields = {"nonce": nonce, "gas": GAS, "gasPrice": 0, "value": 0, "chainId": CHAIN_ID, "data": "0x" + data.hex()}
    return "0x" + bytes(account.sign_transaction(fields | ({"to": to} if to else {})).raw_transaction).hex()


def _deployed(url: str) -> str:
    account = _account(-1)
    [made] = _asked(url, [("eth_sendRawTransaction", [_signed(account, 0, to=None, data=COUNTER)])])
    while (receipt := _asked(url, [("eth_getTransactionReceipt", [made])])[0]) is None:
        time.sleep(0.01)
    return str(Web3.to_checksum_address(receipt["contractAddress"]))


def _through_sender(url: str, slot: str, count: int, number: int, folder: Path) -> float:
    web3, account = Web3(HTTPProvider(url)), _account(number)
    outbox = folder / f"{number}.sqlite"
    call = Call(to=slot, data=_place(number))
    with Sender(web3, KeySigner(bytes(account.key)), outbox=outbox, limit=OPEN, timeout=_PATIENCE) as sender:
        # The first question finds out what network it is.
        sender.simulate(call)

        def send() -> None:
            for outcome in sender.send_all(Intent(call) for _ in range(count)):
                if outcome.receipt is None:
                    raise outcome.error or RuntimeError("a transaction without a receipt")

        took = seconds(send)
    _check(url, account, slot, count, number)
    return took


def _bare(url: str, slot: str, count: int, number: int) -> float:
    account = _account(number)
    raw = [_signed(account, nonce, to=slot, data=_place(number)) for nonce in range(count)]

    def send() -> None:
        for at in range(0, count, BATCH):
            _asked(url, [("eth_sendRawTransaction", [each]) for each in raw[at : at + BATCH]])
        deadline = time.monotonic() + _PATIENCE.total_seconds()
        while int(_asked(url, [("eth_getTransactionCount", [account.address, "latest"])])[0], 16) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the chain counts fewer than {count} transactions of {account.address}")

    took = seconds(send)
    _check(url, account, slot, count, number)
    return took


def _place(number: int) -> bytes:
    return keccak(text=f"theriac bench: counter {number}")


def _check(url: str, account: LocalAccount, slot: str, count: int, number: int) -> None:
    """All were carried out, once each."""
    [nonce, counted] = _asked(
        url,
        [
            ("eth_getTransactionCount", [account.address, "latest"]),
            ("eth_getStorageAt", [slot, "0x" + _place(number).hex(), "latest"]),
        ],
    )
    assert int(nonce, 16) == int(counted, 16) == count


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

"""A sender that is killed at any moment, and started again, has done each intent exactly once."""

import json
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_chains import Chain, anvil_chain
from ready_python import Started, file
from web3.contract import Contract

from theriac.errors import OutboxBusy
from theriac.ledger.sender import Sender
from theriac.ledger.signer import KeySigner

SCRIPT = Path(__file__).with_name("killed_sender.py")


@pytest.fixture(scope="module")
def blocks() -> Iterator[Chain]:
    """A chain that makes a block now and then, so that transactions are under way when a process dies."""
    with anvil_chain("--block-time", "0.3") as chain:
        yield chain


@pytest.fixture(scope="module")
def emitter(blocks: Chain) -> Contract:
    return blocks.emitter()


@pytest.fixture
def payer(blocks: Chain) -> KeySigner:
    signer = blocks.account(ether=0)
    blocks.ask("anvil_setBalance", signer.address, hex(10**20))
    return signer


def start(
    chain: Chain, outbox: Path, payer: KeySigner, emitter: Contract, keys: range, moment: str = "never", count: int = 1
) -> Started:
    arguments = [chain.url, outbox, payer._account.key.hex(), emitter.address, keys[0], keys[-1], moment, count]
    return Started(file(SCRIPT), arguments, text=True)


def ended(process: Started) -> int:
    process.communicate(timeout=60)
    return process.wait()


def transactions(process: Started) -> list[str]:
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return json.loads(printed.splitlines()[-1])


@pytest.mark.parametrize(
    ("moment", "count", "keys"),
    [
        ("before eth_sendRawTransaction", 1, range(100, 103)),
        ("after eth_sendRawTransaction", 1, range(200, 203)),
        ("after eth_sendRawTransaction", 3, range(300, 303)),
        ("after eth_getTransactionReceipt", 2, range(400, 403)),
    ],
    ids=["kept_not_sent", "sent_not_heard", "all_sent", "one_receipt"],
)
def test_send__killed_and_started_again__happened_once(
    blocks: Chain, emitter: Contract, payer: KeySigner, tmp_path: Path, moment: str, count: int, keys: range
) -> None:
    killed = start(blocks, tmp_path / "outbox", payer, emitter, keys, moment, count)
    assert ended(killed) == -signal.SIGKILL

    again = transactions(start(blocks, tmp_path / "outbox", payer, emitter, keys))

    assert [emitter.functions.timesOf(n.to_bytes(32, "big")).call() for n in keys] == [1, 1, 1]
    assert blocks.web3.eth.get_transaction_count(payer.address) == 3
    assert len(set(again)) == 3


def test_resume__killed_before_it_was_sent_and_nobody_asks_again__is_sent(
    blocks: Chain, emitter: Contract, payer: KeySigner, tmp_path: Path
) -> None:
    keys = range(500, 501)
    killed = start(blocks, tmp_path / "outbox", payer, emitter, keys, "before eth_sendRawTransaction")
    assert ended(killed) == -signal.SIGKILL
    assert blocks.web3.eth.get_transaction_count(payer.address, "pending") == 0

    with Sender(blocks.web3, payer, outbox=tmp_path / "outbox") as sender:
        outcomes = sender.resume()

    assert [(outcome.intent, outcome.error) for outcome in outcomes] == [("note 500", None)]
    assert emitter.functions.timesOf(keys[0].to_bytes(32, "big")).call() == 1


def test_send__killed_at_random_until_it_is_done__happened_once(
    blocks: Chain, emitter: Contract, payer: KeySigner, tmp_path: Path
) -> None:
    keys = range(600, 620)
    chance = random.Random(7)
    for _ in range(4):
        process = start(blocks, tmp_path / "outbox", payer, emitter, keys)
        assert process.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0, 0.6))
        process.kill()
        process.communicate()

    done = transactions(start(blocks, tmp_path / "outbox", payer, emitter, keys))

    assert [emitter.functions.timesOf(n.to_bytes(32, "big")).call() for n in keys] == [1] * 20
    assert blocks.web3.eth.get_transaction_count(payer.address) == len(set(done)) == 20


def test_sender__while_another_process_has_the_outbox__is_refused(
    blocks: Chain, emitter: Contract, payer: KeySigner, tmp_path: Path
) -> None:
    blocks.stop_answering()
    process = start(blocks, tmp_path / "outbox", payer, emitter, range(700, 701))
    try:
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(OutboxBusy):
            Sender(blocks.web3, payer, outbox=tmp_path / "outbox")
    finally:
        process.kill()
        process.communicate()
        blocks.go_on()

    Sender(blocks.web3, payer, outbox=tmp_path / "outbox").close()


def test_send__the_disk_is_full__sends_nothing(
    blocks: Chain, emitter: Contract, payer: KeySigner, tmp_path: Path
) -> None:
    # A limit to the size of files stands in for the disk; the log of SQLite is the first to reach it.
    program = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from pathlib import Path
from web3 import HTTPProvider, Web3
from theriac.errors import LedgerFileBroken
from theriac.ledger.contracts import Call
from theriac.ledger.sender import Sender
from theriac.ledger.signer import KeySigner
signer = KeySigner(bytes.fromhex("{payer._account.key.hex()}"))
with Sender(Web3(HTTPProvider("{blocks.url}")), signer, outbox=Path("{tmp_path}/outbox")) as sender:
    sender.simulate(Call(to=signer.address, data=b""))
    size = Path("{tmp_path}/outbox-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    try:
        sender.send(Call(to=signer.address, data=b""), intent="never")
    except LedgerFileBroken as broken:
        print("refused:", broken)
    print(sender.open())
"""
    process = Started(program, text=True)
    out, err = process.communicate(timeout=60)

    assert err == ""
    assert out.startswith(f"refused: The file {tmp_path}/outbox cannot be used")
    assert out.endswith("()\n")
    assert blocks.web3.eth.get_transaction_count(payer.address, "pending") == 0

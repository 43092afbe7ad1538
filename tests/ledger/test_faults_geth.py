"""What befalls a geth: it forgets, is set back, begins anew, wants more than was offered; each intent happens once."""

import shutil
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ledger_engines import RICH, emitter_on, geth_node, key, notes, send_error, stranger, tell, times
from ledger_notes import dump, index_of
from web3 import HTTPProvider, Web3
from web3.contract import Contract

from engines.geth.node import GethNode
from theriac.errors import NotSettled, WrongChain
from theriac.ledger.contracts import Call
from theriac.ledger.fees import Fate, fate_of
from theriac.ledger.sender import Intent, Sender
from theriac.ledger.signer import KeySigner

PATIENCE = timedelta(seconds=1)
SOON = timedelta(seconds=3)

pytestmark = pytest.mark.engine

Start = Callable[..., GethNode]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a geth of the test's own; more options are geth's, and take the place of the usual ones."""
    running: list[Any] = []

    def begin(*options: str, name: str = "geth", **how: Any) -> GethNode:
        context = geth_node(tmp_path / name, **how)
        node = context.__enter__()
        running.append(context)
        if options:
            node.stop()
            give(node, *options)
            node.start()
        return node

    yield begin
    for context in running:
        context.__exit__(None, None, None)


def give(node: GethNode, *options: str) -> None:
    """Changes what a node is started with."""
    command = node.daemon.command
    for name, value in zip(options[::2], options[1::2], strict=True):
        if name in command:
            command[command.index(name) + 1] = value
        else:
            command.extend((name, value))


def web3_of(node: GethNode) -> Web3:
    return Web3(HTTPProvider(node.url))


def pay(node: GethNode, *accounts: KeySigner, ether: int = 10) -> None:
    """Gives accounts ether."""
    with Sender(web3_of(node), RICH, outbox=None) as sender:
        gifts = [Intent(Call(to=each.address, data=b"", value=ether * 10**18)) for each in accounts]
        assert [outcome.error for outcome in sender.send_all(gifts)] == [None] * len(accounts)


def mine(node: GethNode, emitter: Contract, blocks: int) -> None:
    """Makes blocks by transactions of somebody else."""
    with Sender(web3_of(node), RICH, outbox=None) as sender:
        for _ in range(blocks):
            sender.send(emitter.functions.tick())


# -- a chain that is set back ----------------------------------------------------------------------------------------


def test_reorganisation__deeper_than_the_depth__sender_and_index_are_right_afterwards(
    start: Start, tmp_path: Path
) -> None:
    node = start()
    emitter, payer = emitter_on(node.url, by=RICH), stranger()
    pay(node, payer)
    web3, numbers = web3_of(node), range(4)
    before = node.height()
    with (
        Sender(web3, payer, outbox=tmp_path / "outbox", patience=PATIENCE) as sender,
        index_of(tmp_path / "index", web3, emitter) as index,
    ):
        first = [outcome.receipt for outcome in sender.send_all(notes(emitter, payer, numbers))]
        index.sync()
        told = dump(index)["notes"]
        node.ask("debug_setHead", hex(before))
        lost = web3.eth.get_transaction_count(payer.address)
        begun = time.monotonic()

        # Another chain grows where the old one was, and the next intent finds the nonces before it unused.
        mine(node, emitter, 2)
        sender.send(emitter.functions.note(payer.address, key(4), 4, ""), intent="note 4")
        tell("geth set back below final blocks", sender_goes_on=time.monotonic() - begun)
        again = [sender.send(each.call, intent=each.name) for each in notes(emitter, payer, numbers)]
        mine(node, emitter, 1)
        progress = index.sync()
        anew = index_of(tmp_path / "anew", web3, emitter)
        anew.sync()

        assert lost == 0
        assert [receipt.intent for receipt in first if receipt] == [receipt.intent for receipt in again]
        assert len(told) == 4
        assert progress.undone > 0
        assert dump(index) == dump(anew)
        anew.close()
        assert times(emitter, [4]) == [1]


@pytest.mark.heavy
def test_reorganisation__within_the_depth__what_it_undid_is_sent_again(start: Start, tmp_path: Path) -> None:
    node = start()
    emitter, payer = emitter_on(node.url, by=RICH), stranger()
    pay(node, payer)
    web3, numbers, before = web3_of(node), range(10, 14), node.height()
    with Sender(web3, payer, outbox=tmp_path / "outbox", depth=2, patience=PATIENCE) as sender:
        for each in notes(emitter, payer, numbers):
            sender.submit(each.call, intent=each.name)
        with pytest.raises(NotSettled):
            sender.wait("note 13", timeout=timedelta(seconds=0.5))
        node.ask("debug_setHead", hex(before))
        assert web3.eth.get_transaction_count(payer.address) == 0
        mine(node, emitter, 1)

        with pytest.raises(NotSettled):
            sender.wait("note 13", timeout=SOON)
        mine(node, emitter, 3)
        receipts = [sender.wait(each.name or "") for each in notes(emitter, payer, numbers)]

    assert times(emitter, numbers) == [1] * 4
    assert web3.eth.get_transaction_count(payer.address) == 4
    for receipt in receipts:
        assert web3.eth.get_block(receipt.block)["hash"].to_0x_hex() == receipt.block_hash


def test_reset__another_genesis_at_the_same_address__is_told_by_sender_and_index(start: Start, tmp_path: Path) -> None:
    node = start()
    port = int(node.url.rpartition(":")[2])
    emitter, web3 = emitter_on(node.url, by=RICH), web3_of(node)
    with Sender(web3, RICH, outbox=tmp_path / "outbox") as sender:
        sender.send(emitter.functions.tick(), intent="tick")
    with index_of(tmp_path / "index", web3, emitter) as index:
        index.sync()
    node.stop()
    shutil.rmtree(node.folder)
    time.sleep(1)
    start(port=port, name="another")

    with (
        Sender(web3, RICH, outbox=tmp_path / "outbox") as sender,
        pytest.raises(WrongChain, match="start anew on this one"),
    ):
        sender.send(emitter.functions.tick(), intent="next")
    with index_of(tmp_path / "index", web3, emitter) as index, pytest.raises(WrongChain):
        index.sync()


def test_reset__while_the_sender_runs__sends_nothing_to_the_new_chain(start: Start, tmp_path: Path) -> None:
    node = start()
    port = int(node.url.rpartition(":")[2])
    emitter, web3 = emitter_on(node.url, by=RICH), web3_of(node)
    with Sender(web3, RICH, outbox=tmp_path / "outbox", patience=PATIENCE) as sender:
        sender.send(emitter.functions.tick(), intent="tick")
        node.stop()
        shutil.rmtree(node.folder)
        time.sleep(1)
        another = start(port=port, name="another")
        emitter_on(another.url, by=RICH)

        with pytest.raises(WrongChain):
            sender.send(emitter.functions.tick(), intent="next")

    assert web3.eth.get_transaction_count(RICH.address) == 1


# -- a node that forgets ---------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_send__the_node_restarts_and_has_lost_its_pool__is_given_again(start: Start, tmp_path: Path) -> None:
    node = start("--dev.period", "3600")
    payer, web3 = RICH, web3_of(node)
    with Sender(web3, payer, outbox=tmp_path / "outbox", patience=PATIENCE) as sender:
        for number in range(5):
            sender.submit(Call(to=stranger().address, data=b"", value=1), intent=f"gift {number}")
        pooled = int(node.ask("txpool_status")["pending"], 16)
        node.kill()
        give(node, "--dev.period", "1", "--txpool.journal", "")
        shutil.rmtree(node.folder / "geth" / "transactions.rlp", ignore_errors=True)
        node.start()
        begun = time.monotonic()

        receipts = [sender.wait(f"gift {number}") for number in range(5)]
        tell("geth killed with its pool", until_all_done=time.monotonic() - begun)

    assert pooled == 5
    assert len({receipt.transaction for receipt in receipts}) == 5
    assert web3.eth.get_transaction_count(payer.address) == 5


@pytest.mark.heavy
def test_send__thrown_out_of_a_full_pool_by_dearer_ones__is_done_once_there_is_room(
    start: Start, tmp_path: Path
) -> None:
    small = ("--txpool.globalslots", "8", "--txpool.accountslots", "1", "--txpool.globalqueue", "1")
    node = start()
    emitter, payer, web3 = emitter_on(node.url, by=RICH), stranger(), web3_of(node)
    rivals = [stranger() for _ in range(12)]
    pay(node, payer, *rivals)
    node.stop()
    give(node, *small, "--dev.period", "2")
    node.start()
    with Sender(web3, payer, outbox=tmp_path / "outbox", patience=PATIENCE, limit=4) as sender:
        for each in notes(emitter, payer, range(4)):
            sender.submit(each.call, intent=each.name)
        refused = [send_error(node, transfer(rival, nonce, price=50 * 10**9)) for rival in rivals for nonce in range(2)]
        begun = time.monotonic()

        receipts = [sender.wait(f"note {number}") for number in range(4)]
        tell("geth's pool is full of dearer transactions", until_all_done=time.monotonic() - begun)

    assert len({receipt.transaction for receipt in receipts}) == 4
    assert times(emitter, range(4)) == [1] * 4
    assert {fate_of(each) for each in refused if each} <= {Fate.FULL, Fate.TOO_CHEAP}


# -- a node that wants more ------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_send__the_miner_asks_for_more_than_was_offered__is_replaced_at_its_nonce(start: Start, tmp_path: Path) -> None:
    node = start("--dev.period", "1")
    emitter, payer, web3 = emitter_on(node.url, by=RICH), stranger(), web3_of(node)
    pay(node, payer)
    with Sender(web3, payer, outbox=tmp_path / "outbox", patience=timedelta(seconds=0.2)) as sender:
        node.ask("miner_setGasPrice", hex(10**9))
        sender.submit(emitter.functions.tick(), intent="tick")
        offered = sender._outbox.signed_for("tick")
        begun = time.monotonic()

        receipt = sender.wait("tick")
        tell("geth's floor price rises a thousand times, patience 0.2 s", until_done=time.monotonic() - begun)
        signed = sender._outbox.signed_for("tick")

    assert offered[0].fees.tip is not None
    assert offered[0].fees.tip < 10**9
    assert signed[-1].fees.tip is not None
    assert signed[-1].fees.tip < 3 * 10**9
    assert len(signed) > 1
    assert {each.nonce for each in signed} == {offered[0].nonce}
    assert receipt.transaction == signed[-1].hash
    assert emitter.functions.count().call() == 1


@pytest.mark.heavy
def test_send__while_the_base_fee_rises__happens_once(start: Start, tmp_path: Path) -> None:
    node = start("--dev.period", "1", "--dev.gaslimit", "2000000")
    emitter, payer, web3 = emitter_on(node.url, by=RICH), stranger(), web3_of(node)
    pay(node, payer)
    count = 40
    with Sender(web3, payer, outbox=tmp_path / "outbox", patience=PATIENCE) as sender:
        outcomes = list(sender.send_all(notes(emitter, payer, range(count))))

    assert [outcome.error for outcome in outcomes] == [None] * count
    assert times(emitter, range(count)) == [1] * count
    assert web3.eth.get_transaction_count(payer.address) == count


# -- geth's words ----------------------------------------------------------------------------------------------------


def transfer(by: KeySigner, nonce: int, *, price: int, **fields: Any) -> bytes:
    usual = {"chainId": 8437424, "nonce": nonce, "gas": 21_000, "to": by.address, "value": 0, "data": "0x", "type": 2}
    return by.sign_transaction({**usual, "maxFeePerGas": price, "maxPriorityFeePerGas": price, **fields})


def test_fate_of__what_geth_says__is_understood(start: Start) -> None:
    node = start("--dev.period", "3600", "--txpool.pricelimit", "1000")
    gwei, poor = 10**9, stranger()
    assert send_error(node, transfer(RICH, 1, price=gwei)) == ""
    assert send_error(node, transfer(RICH, 0, price=gwei)) == ""

    said = {
        "known": send_error(node, transfer(RICH, 1, price=gwei)),
        "replaced for no more": send_error(node, transfer(RICH, 1, price=gwei + 1)),
        "below the floor": send_error(node, transfer(stranger(), 0, price=1)),
        "poor": send_error(node, transfer(poor, 0, price=gwei)),
        "little gas": send_error(node, transfer(RICH, 2, price=gwei, gas=20_000)),
        "much gas": send_error(node, transfer(RICH, 2, price=gwei, gas=200_000_000)),
        "another chain": send_error(node, transfer(RICH, 2, price=gwei, chainId=1)),
        "long": send_error(node, transfer(RICH, 2, price=gwei, gas=30_000_000, data="0x" + "00" * 140_000)),
        "tip above": send_error(node, transfer(RICH, 2, price=gwei, maxPriorityFeePerGas=2 * gwei)),
        "made by too long code": send_error(
            node, transfer(RICH, 2, price=gwei, gas=30_000_000, to="", data="0x" + "00" * 60_000)
        ),
    }

    assert {name: fate_of(each) for name, each in said.items()} == {
        "known": Fate.TAKEN,
        "replaced for no more": Fate.TOO_CHEAP,
        "below the floor": Fate.TOO_CHEAP,
        "poor": Fate.CANNOT_PAY,
        "little gas": Fate.NEVER,
        "much gas": Fate.NEVER,
        "another chain": Fate.NEVER,
        "long": Fate.NEVER,
        "tip above": Fate.NEVER,
        "made by too long code": Fate.NEVER,
    }, said


def test_fate_of__a_nonce_that_geth_has_used__is_old(start: Start) -> None:
    node = start()
    pay(node, stranger())

    said = send_error(node, transfer(RICH, 0, price=10**9))

    assert (fate_of(said), said.split(":")[0]) == (Fate.OLD_NONCE, "nonce too low")

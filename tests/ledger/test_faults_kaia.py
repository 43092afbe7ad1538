"""What befalls a Kaia network of four validators: each intent still happens once, and who waits is told so."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ledger_engines import Kaia, emitter_on, kaia_network, key, notes, proxy_of, send_error, stranger, tell, times, took

from theriac.errors import ChainSilent, NotSettled
from theriac.ledger.contracts import Call
from theriac.ledger.fees import Fate, Fees, fate_of
from theriac.ledger.sender import Intent, Sender
from theriac.ledger.signer import KeySigner

SCRIPT = Path(__file__).with_name("killed_sender.py")
ROOT = SCRIPT.parents[2]
QUICK = {"patience": timedelta(seconds=2), "node_timeout": timedelta(seconds=3)}
SOON = timedelta(seconds=4)

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kaia]:
    with kaia_network(tmp_path_factory.mktemp("kaia"), own_clocks=True) as kaia:
        yield kaia


@pytest.fixture
def kaia(running: Kaia) -> Iterator[Kaia]:
    """All four run, before and after."""
    running.emitter()
    yield running
    for node in running.network.nodes:
        if node.clock is not None:
            node.clock.shift(0)
    running.heal()


# -- validators that die ---------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_validators__one_of_four_is_killed__goes_on(kaia: Kaia, tmp_path: Path) -> None:
    payer, emitter, numbers = stranger(), kaia.emitter(), range(1000, 1010)
    with kaia.sender(payer, tmp_path / "outbox", **QUICK) as sender:
        sender.send(emitter.functions.tick())
        kaia.network.nodes[3].kill()

        first = took(lambda: sender.send(emitter.functions.tick()))
        outcomes = list(sender.send_all(notes(emitter, payer, numbers)))

    assert [outcome.error for outcome in outcomes] == [None] * len(numbers)
    assert times(emitter, numbers) == [1] * len(numbers)
    back = took(kaia.heal)
    tell("one of four killed", first=first, all_four_again=back)


def test_validators__two_of_four_are_killed__all_waits_and_is_done_once_when_they_are_back(
    kaia: Kaia, tmp_path: Path
) -> None:
    payer, emitter, numbers = stranger(), kaia.emitter(), range(1100, 1110)
    with kaia.sender(payer, tmp_path / "outbox", **QUICK) as sender:
        sender.send(emitter.functions.tick())
        for node in kaia.network.nodes[2:]:
            node.kill()
        # What was under way may still make one block.
        time.sleep(2)
        stopped_at = kaia.network.nodes[0].height()

        outcomes = list(sender.send_all(notes(emitter, payer, numbers), timeout=timedelta(seconds=1)))
        told = {type(outcome.error) for outcome in outcomes}
        sentence = str(outcomes[0].error)
        waiting = sender.open()
        height = kaia.network.nodes[0].height()
        begun = time.monotonic()
        kaia.heal()
        again = list(sender.send_all(notes(emitter, payer, numbers)))
        tell("two of four killed", back_until_all_done=time.monotonic() - begun)

    assert height == stopped_at
    assert told == {NotSettled}
    assert "it is not lost: ask again for the same intent" in sentence
    assert waiting == tuple(f"note {number}" for number in numbers)
    assert [outcome.error for outcome in again] == [None] * len(numbers)
    assert times(emitter, numbers) == [1] * len(numbers)
    assert kaia.web3().eth.get_transaction_count(payer.address) == len(numbers) + 1


@pytest.mark.heavy
def test_validators__all_four_are_killed_at_once__nothing_confirmed_is_lost_and_the_rest_is_done_once(
    kaia: Kaia, tmp_path: Path
) -> None:
    payer, emitter = stranger(), kaia.emitter()
    done, pending = range(1200, 1205), range(1205, 1215)
    sender = kaia.sender(payer, tmp_path / "outbox", **QUICK)
    receipts = [outcome.receipt for outcome in sender.send_all(notes(emitter, payer, done))]
    for intent in notes(emitter, payer, pending):
        sender.submit(intent.call, intent=intent.name)
    for node in kaia.network.nodes:
        node.kill()

    with pytest.raises((NotSettled, ChainSilent)) as silent:
        sender.wait("note 1214", timeout=timedelta(seconds=1))
    begun = time.monotonic()
    kaia.heal()
    running = time.monotonic() - begun
    again = list(sender.send_all(notes(emitter, payer, [*done, *pending])))
    tell("all four killed", back_until_blocks_come=running, until_all_done=time.monotonic() - begun)
    sender.close()

    assert "again" in str(silent.value)
    assert [outcome.receipt for outcome in again[: len(done)]] == receipts
    for receipt in receipts:
        assert receipt is not None
        assert kaia.web3(1).eth.get_transaction_receipt(receipt.transaction)["blockNumber"] == receipt.block
    assert times(emitter, [*done, *pending]) == [1] * 15


# -- a node that is slow, lies or forgets ----------------------------------------------------------------------------


def test_send__a_node_that_is_suspended__says_so_in_time_and_goes_on_later(kaia: Kaia, tmp_path: Path) -> None:
    payer, emitter, numbers = stranger(), kaia.emitter(), range(1300, 1303)
    with kaia.sender(payer, tmp_path / "outbox", **{**QUICK, "node_timeout": timedelta(seconds=1)}) as sender:
        sender.send(emitter.functions.tick())
        kaia.network.nodes[0].daemon.suspend()

        begun = time.monotonic()
        # The signal to stop may come after the broadcast: then it is the waiting that ends.
        with pytest.raises((ChainSilent, NotSettled), match="again"):
            sender.send(emitter.functions.tick(), intent="tick", timeout=SOON)
        silent = time.monotonic() - begun
        kaia.network.nodes[0].daemon.resume()
        # It first catches up with what the others did meanwhile.
        kaia.agree()
        outcomes = list(sender.send_all(notes(emitter, payer, numbers)))

    assert silent < 10
    assert [outcome.error for outcome in outcomes] == [None] * 3
    assert times(emitter, numbers) == [1] * 3


def test_send__every_answer_is_late__happens_once(kaia: Kaia, tmp_path: Path) -> None:
    payer, emitter, numbers = stranger(), kaia.emitter(), range(1310, 1314)
    sent = []

    def late(ask: Callable[[], dict[str, Any]], method: str, parameters: list[Any]) -> dict[str, Any]:
        answer = ask()
        if method == "eth_sendRawTransaction":
            # Taken, but whoever asked has given up before it hears so; the first time.
            time.sleep(1.5 if not sent else 0)
            sent.append(parameters[0])
        return answer

    with proxy_of(kaia.url) as proxy:
        proxy.meddle = late
        web3 = kaia.web3()
        web3.provider.endpoint_uri = proxy.url  # type: ignore[attr-defined]
        options = {**QUICK, "node_timeout": timedelta(seconds=1)}
        with Sender(web3, payer, outbox=tmp_path / "outbox", **options) as sender:  # type: ignore[arg-type]
            outcomes = list(sender.send_all(notes(emitter, payer, numbers)))

    assert [outcome.error for outcome in outcomes] == [None] * 4
    assert times(emitter, numbers) == [1] * 4
    assert kaia.web3().eth.get_transaction_count(payer.address) == 4


@pytest.mark.parametrize("shift", [-3, 100], ids=["holds_blocks_back", "boasts_of_blocks"])
def test_send__a_node_that_lies_about_the_height__happens_once_and_is_as_deep_as_told(
    kaia: Kaia, tmp_path: Path, shift: int
) -> None:
    payer, emitter, numbers = stranger(), kaia.emitter(), range(1320 + shift, 1322 + shift)

    def shifted(ask: Callable[[], dict[str, Any]], method: str, parameters: list[Any]) -> dict[str, Any]:
        answer = ask()
        if method == "eth_blockNumber":
            answer["result"] = hex(int(answer["result"], 16) + shift)
        elif method == "eth_getBlockByNumber" and parameters[0] == "latest":
            answer["result"]["number"] = hex(int(answer["result"]["number"], 16) + shift)
        return answer

    with proxy_of(kaia.url) as proxy:
        proxy.meddle = shifted
        web3 = kaia.web3()
        web3.provider.endpoint_uri = proxy.url  # type: ignore[attr-defined]
        with Sender(web3, payer, outbox=tmp_path / "outbox", depth=1, **QUICK) as sender:  # type: ignore[arg-type]
            outcomes = list(sender.send_all(notes(emitter, payer, numbers)))

    assert [outcome.error for outcome in outcomes] == [None] * 2
    assert times(emitter, numbers) == [1] * 2


def test_send__a_node_that_forgets_what_it_took__is_given_it_again(kaia: Kaia, tmp_path: Path) -> None:
    payer, emitter, numbers = stranger(), kaia.emitter(), range(1330, 1340)
    forgotten = []

    def forget(ask: Callable[[], dict[str, Any]], method: str, parameters: list[Any]) -> dict[str, Any]:
        if method == "eth_sendRawTransaction" and len(forgotten) < 7:
            forgotten.append(parameters[0])
            hash_ = "0x" + bytes(kaia.web3().keccak(hexstr=parameters[0])).hex()
            return {"jsonrpc": "2.0", "result": hash_}
        return ask()

    with proxy_of(kaia.url) as proxy:
        proxy.meddle = forget
        web3 = kaia.web3()
        web3.provider.endpoint_uri = proxy.url  # type: ignore[attr-defined]
        with Sender(web3, payer, outbox=tmp_path / "outbox", **QUICK) as sender:  # type: ignore[arg-type]
            begun = time.monotonic()
            outcomes = list(sender.send_all(notes(emitter, payer, numbers)))
            tell("a node forgets seven transactions, with a patience of 2 s", all_done=time.monotonic() - begun)

    assert len(forgotten) == 7
    assert [outcome.error for outcome in outcomes] == [None] * 10
    assert times(emitter, numbers) == [1] * 10


# -- Kaia's words ----------------------------------------------------------------------------------------------------


def signed(kaia: Kaia, by: KeySigner, **fields: Any) -> bytes:
    usual = {"chainId": kaia.network.chain_id, "nonce": 0, "gas": 100_000, "to": by.address, "value": 0, "data": "0x"}
    return by.sign_transaction({**usual, **Fees(0, 0).fields(), **fields})


@pytest.mark.parametrize(
    ("fields", "fate"),
    [
        ({"value": 1}, Fate.CANNOT_PAY),
        ({"gas": 20_000}, Fate.NEVER),
        ({"chainId": 1}, Fate.NEVER),
        ({"data": "0x" + "00" * 140_000, "gas": 30_000_000}, Fate.NEVER),
    ],
    ids=["no_money", "too_little_gas", "another_chain", "too_long"],
)
def test_fate_of__what_kaia_refuses__is_understood(kaia: Kaia, fields: dict[str, Any], fate: Fate) -> None:
    said = send_error(kaia.network.nodes[0], signed(kaia, stranger(), **fields))

    assert (fate_of(said), said) == (fate, said)


def test_fate_of__what_kaia_says_of_a_transaction_that_it_has__is_understood(kaia: Kaia) -> None:
    payer, node = stranger(), kaia.network.nodes[0]
    # Behind a gap, so that it stays where it is.
    first = signed(kaia, payer, nonce=1)
    assert send_error(node, first) == ""

    again = send_error(node, first)
    other = send_error(node, signed(kaia, payer, nonce=1, gas=200_000))
    dearer = send_error(node, signed(kaia, payer, nonce=1, gas=200_000, maxFeePerGas=10**9, maxPriorityFeePerGas=10**9))
    fills = send_error(node, signed(kaia, payer, nonce=0))
    kaia.network.wait(node.height() + 2)
    late = send_error(node, signed(kaia, payer, nonce=0, gas=150_000))

    assert (fate_of(again), again.split(":")[0]) == (Fate.TAKEN, "known transaction")
    assert (fate_of(other), other) == (Fate.TOO_CHEAP, other)
    # Without ether nobody can offer more, and Kaia replaces nothing anyhow.
    assert fate_of(dearer) in (Fate.TOO_CHEAP, Fate.CANNOT_PAY)
    assert fills == ""
    assert (fate_of(late), late) == (Fate.OLD_NONCE, late)


def test_abandon__what_kaia_holds__is_never_replaced_and_its_own_receipt_comes(kaia: Kaia) -> None:
    payer, emitter = stranger(), kaia.emitter()
    with kaia.sender(payer, **QUICK) as sender:
        sender.send(emitter.functions.tick())
        sender.submit(emitter.functions.note(payer.address, key(1400), 1, ""), intent="note")

        receipt = sender.abandon("note")

    assert receipt is not None
    assert times(emitter, [1400]) == [1]


# -- a sender that dies ----------------------------------------------------------------------------------------------


def start(
    kaia: Kaia, outbox: Path, payer: KeySigner, keys: range, moment: str = "never", count: int = 1
) -> "subprocess.Popen[str]":
    arguments = [kaia.url, outbox, payer._account.key.hex(), kaia.emitter().address, keys[0], keys[-1], moment, count]
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{SCRIPT.parent}"},
    )


STEPS = [
    ("after", "eth_chainId", 1),
    ("after", "eth_estimateGas", 3),
    ("before", "eth_sendRawTransaction", 1),
    ("after", "eth_sendRawTransaction", 1),
    ("after", "eth_sendRawTransaction", 3),
    ("before", "eth_getTransactionReceipt", 1),
    ("after", "eth_getTransactionReceipt", 2),
    ("after", "eth_getTransactionReceipt", 3),
    # The outbox is made, claimed, holds what was signed, and closes it.
    ("before", "COMMIT", 3),
    ("after", "COMMIT", 3),
    ("before", "COMMIT", 4),
    ("after", "COMMIT", 4),
]
"""The steps of a sender at which it can die: the requests, and the writes of its outbox."""


@pytest.mark.parametrize(
    ("when", "step", "count"),
    [
        pytest.param(*each, marks=[] if each == ("after", "eth_sendRawTransaction", 1) else [pytest.mark.heavy])
        for each in STEPS
    ],
    ids=["_".join(map(str, each)) for each in STEPS],
)
def test_send__killed_at_a_step_and_started_again__happened_once(
    kaia: Kaia, tmp_path: Path, when: str, step: str, count: int
) -> None:
    payer, first = stranger(), 2000 + 10 * STEPS.index((when, step, count))
    keys = range(first, first + 3)
    killed = start(kaia, tmp_path / "outbox", payer, keys, f"{when} {step}", count)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL

    begun = time.monotonic()
    again = start(kaia, tmp_path / "outbox", payer, keys)
    printed, _ = again.communicate(timeout=60)
    tell(f"sender killed {when} {step} {count}", until_all_done=time.monotonic() - begun)

    assert again.returncode == 0
    assert len(set(json.loads(printed.splitlines()[-1]))) == 3
    assert times(kaia.emitter(), keys) == [1, 1, 1]
    assert kaia.web3().eth.get_transaction_count(payer.address) == 3


# -- clocks that disagree --------------------------------------------------------------------------------------------


@pytest.mark.heavy
@pytest.mark.parametrize("shifts", [(60,), (-60,), (60, -60)], ids=["ahead", "behind", "ahead_and_behind"])
def test_clocks__a_minute_wrong__blocks_keep_true_time_and_all_is_done_once(
    kaia: Kaia, tmp_path: Path, shifts: tuple[int, ...]
) -> None:
    payer, emitter, node = stranger(), kaia.emitter(), kaia.network.nodes[0]
    first = 3000 + 100 * len(shifts) + shifts[0]
    numbers = range(first, first + 5)
    for place, shift in enumerate(shifts, start=2):
        clock = kaia.network.nodes[place].clock
        assert clock is not None
        clock.shift(shift)
    begun, before = time.monotonic(), node.height()
    latest: list[float] = []

    with kaia.sender(payer, tmp_path / "outbox", timeout=timedelta(minutes=5), **QUICK) as sender:
        waits = [
            took(lambda intent=intent: sender.send(intent.call, intent=intent.name))
            for intent in notes(emitter, payer, numbers)
        ]  # type: ignore[misc]
    blocks = node.height() - before
    span = time.monotonic() - begun
    for number in range(before + 1, node.height() + 1):
        latest.append(int(node.ask("eth_getBlockByNumber", hex(number), False)["timestamp"], 16))
    tell(f"clocks wrong by {shifts}", a_block=span / max(blocks, 1), longest_wait=max(waits))

    assert times(emitter, numbers) == [1] * 5
    assert latest == sorted(latest)
    # A validator waits with a block that is more than a second ahead of its clock.
    assert latest[-1] <= time.time() + 1


# -- a pool that is full ---------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_send__the_pool_is_full__waits_until_it_has_room(tmp_path: Path) -> None:
    with kaia_network(tmp_path / "network", validators=1) as kaia:
        node = kaia.network.nodes[0]
        node.stop()
        command = node.daemon.command
        for option in ("--txpool.exec-slots.all", "--txpool.nonexec-slots.all"):
            command[command.index(option) + 1] = "8"
        node.start()
        emitter, payer, other = emitter_on(kaia.url), stranger(), stranger()
        # Behind a gap, so that they stay in the pool and leave one place.
        assert [send_error(node, signed(kaia, other, nonce=1 + number)) for number in range(15)] == [""] * 15

        # One stranger takes that place until the next block, the next one is refused.
        said = [told for _ in range(20) if (told := send_error(node, signed(kaia, stranger())))]

        with kaia.sender(payer, tmp_path / "outbox", **QUICK) as sender:
            begun = time.monotonic()
            done = [outcome.error for outcome in sender.send_all(notes(emitter, payer, range(10)))]
            tell("a pool of 16 with one place left, 10 to send", until_all_done=time.monotonic() - begun)
            assert send_error(node, signed(kaia, other, nonce=0)) == ""
            begun = time.monotonic()
            done += [outcome.error for outcome in sender.send_all(notes(emitter, payer, range(10, 100)))]
            tell("a pool of 16, 90 to send", until_all_done=time.monotonic() - begun)

        assert said
        assert {fate_of(each) for each in said} == {Fate.FULL}
        assert all(each.startswith("txpool is full") for each in said)
        assert done == [None] * 100
        assert times(emitter, range(100)) == [1] * 100


# -- very many -------------------------------------------------------------------------------------------------------


def resident() -> int:
    """This process's memory, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.heavy
def test_send_all__ten_thousand_intents__in_flat_memory(kaia: Kaia, tmp_path: Path) -> None:
    payer, emitter, count = stranger(), kaia.emitter(), 10_000
    subject, blank = payer.address, emitter.encode_abi("note", args=[payer.address, bytes(32), 0, ""])[2:]
    data = bytes.fromhex(blank)

    def intents() -> Iterator[Intent]:
        for number in range(count):
            noted = data[:36] + key(100_000 + number) + data[68:]
            yield Intent(Call(to=emitter.address, data=noted), f"note {number}")

    sizes: list[int] = []
    most = 0
    begun = time.monotonic()
    with kaia.sender(payer, tmp_path / "outbox", limit=256, timeout=timedelta(minutes=5)) as sender:
        for number, outcome in enumerate(sender.send_all(intents())):
            assert outcome.error is None
            if number % 500 == 499:
                sizes.append(resident())
                most = max(most, len(sender.open()))
    print(f"10,000 intents: {count / (time.monotonic() - begun):.0f} a second, resident {[s >> 20 for s in sizes]} MiB")

    assert subject == payer.address
    assert most <= 256
    # The first thousands fill caches; after them nothing grows.
    assert max(sizes[10:]) - sizes[4] < 8 << 20
    assert kaia.web3().eth.get_transaction_count(payer.address) == count
    sample = [100_000 + number for number in range(0, count, 500)]
    assert times(emitter, sample) == [1] * len(sample)

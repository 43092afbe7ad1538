"""Chains that stop, forget, fork, lose answers or take another wallet's transaction: each intent still happens once."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from ledger_chains import Chain
from ledger_engines import proxy_of
from ledger_meddling import Ask, altered, meddled, refused
from web3 import HTTPProvider, Web3
from web3.contract import Contract

from theriac.errors import CannotPay, ChainLied, ChainRefused, ChainSilent, IntentAbandoned, NotSettled, Reverted
from theriac.ledger.contracts import Call
from theriac.ledger.outbox import Outbox
from theriac.ledger.sender import Intent, Sender
from theriac.ledger.signer import KeySigner

AT_ONCE = timedelta(0)
SOON = timedelta(seconds=0.3)
RAW = "eth_sendRawTransaction"

Start = Callable[..., Chain]


@pytest.fixture
def manual(anvil: Chain) -> Iterator[Chain]:
    """A chain that makes a block only when it is told to."""
    anvil.ask("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    anvil.mine()
    anvil.ask("evm_setAutomine", False)
    yield anvil
    anvil.go_on()
    anvil.ask("anvil_dropAllTransactions")
    anvil.ask("evm_setAutomine", True)


@pytest.fixture
def emitter(anvil: Chain) -> Contract:
    return anvil.emitter()


@pytest.fixture
def payer(anvil: Chain) -> KeySigner:
    signer = anvil.account(ether=0)
    anvil.ask("anvil_setBalance", signer.address, hex(1000 * 10**18))
    return signer


@pytest.fixture
def rival(anvil: Chain) -> Sender:
    """Sends for another account, and is always first in a block of the same price."""
    signer = anvil.account(ether=0)
    anvil.ask("anvil_setBalance", signer.address, hex(1000 * 10**18))
    return Sender(anvil.web3, signer, outbox=None)


@pytest.fixture
def last_tick(anvil: Chain) -> Contract:
    """An emitter that lets itself be ticked once."""
    return anvil.emitter(1)


def pooled(chain: Chain) -> list[dict[str, Any]]:
    """The transactions that the node holds and no block does."""
    content = chain.ask("txpool_content")
    return [entry for part in ("pending", "queued") for group in content[part].values() for entry in group.values()]


def by_another_wallet(chain: Chain, payer: KeySigner, nonce: int, *, gwei: int) -> str:
    """Sends ether to nobody with the account's key, as a second wallet of its owner would."""
    transaction = {
        "to": "0x00000000000000000000000000000000000000AA",
        "value": 1,
        "nonce": nonce,
        "gas": 21_000,
        "maxFeePerGas": gwei * 10**9,
        "maxPriorityFeePerGas": gwei * 10**9,
        "chainId": 31337,
    }
    return chain.web3.eth.send_raw_transaction(payer.sign_transaction(transaction)).to_0x_hex()


def looked_after(sender: Sender, intent: str, until: Callable[[], bool]) -> None:
    """Has a sender look after an intent that no block takes, until it did something about it."""
    deadline = time.monotonic() + 30
    while not until():
        assert time.monotonic() < deadline
        with pytest.raises(NotSettled):
            sender.wait(intent, timeout=timedelta(seconds=0.05))


# -- a chain that stops ----------------------------------------------------------------------------------------------


def test_send__a_chain_that_stopped__says_so_in_time_and_keeps_nothing(
    emitter: Contract, payer: KeySigner, manual: Chain
) -> None:
    sender = Sender(manual.web3, payer, outbox=None, node_timeout=SOON)
    manual.stop_answering()

    with pytest.raises(ChainSilent):
        sender.send(emitter.functions.tick(), intent="tick")

    assert sender.open() == ()


def test_wait__a_chain_that_stopped__says_so_in_time_and_goes_on_later(
    emitter: Contract, payer: KeySigner, manual: Chain
) -> None:
    sender = Sender(manual.web3, payer, outbox=None, node_timeout=SOON)
    sender.submit(emitter.functions.tick(), intent="tick")
    manual.stop_answering()

    with pytest.raises(NotSettled, match="did not answer"):
        sender.wait("tick", timeout=SOON)
    manual.go_on()
    manual.mine()
    sender.wait("tick")

    assert emitter.functions.count().call() == 1


def test_submit__a_chain_that_stops_at_the_broadcast__has_it_kept_and_sends_it_later(
    emitter: Contract, payer: KeySigner, manual: Chain
) -> None:
    def stop_before(ask: Ask, method: str, params: Any) -> Any:
        if method == RAW and not stopped:
            stopped.append(True)
            manual.stop_answering()
        return ask(method, params)

    stopped: list[bool] = []
    sender = Sender(meddled(manual, stop_before), payer, outbox=None, node_timeout=SOON)

    sender.submit(emitter.functions.tick(), intent="tick")
    manual.go_on()
    sender_open = sender.open()
    looked_after(sender, "tick", lambda: bool(pooled(manual)))
    manual.mine()
    sender.wait("tick")

    assert sender_open == ("tick",)
    assert emitter.functions.count().call() == 1


# -- answers and questions that are lost -----------------------------------------------------------------------------


@pytest.mark.parametrize("arrives", [True, False], ids=["answer_lost", "question_lost"])
def test_send__the_broadcast_is_lost__happens_once(
    anvil: Chain, emitter: Contract, payer: KeySigner, arrives: bool
) -> None:
    lost = [True, True]

    def lose(ask: Ask, method: str, params: Any) -> Any:
        if method == RAW and lost:
            lost.pop()
            if arrives:
                ask(method, params)
            raise requests.ConnectionError("gone")
        return ask(method, params)

    sender = Sender(meddled(anvil, lose), payer, outbox=None, node_timeout=SOON)

    receipt = sender.send(emitter.functions.tick(), intent="tick")

    assert emitter.functions.count().call() == 1
    assert sender.send(emitter.functions.tick(), intent="tick") == receipt


def test_send__dropped_by_the_node__is_given_again(emitter: Contract, payer: KeySigner, manual: Chain) -> None:
    sender = Sender(manual.web3, payer, outbox=None, patience=SOON)
    sender.submit(emitter.functions.tick(), intent="tick")
    manual.ask("anvil_dropAllTransactions")
    assert pooled(manual) == []

    looked_after(sender, "tick", lambda: bool(pooled(manual)))
    manual.mine()
    sender.wait("tick")

    assert emitter.functions.count().call() == 1


@pytest.mark.parametrize("message", ["txpool is full", "internal error", "nonce too high"])
def test_send__refused_for_a_while__is_given_again(
    anvil: Chain, emitter: Contract, payer: KeySigner, message: str
) -> None:
    web3 = meddled(anvil, refused(RAW, message, times=2))
    sender = Sender(web3, payer, outbox=None, patience=timedelta(seconds=0.1))

    sender.send(emitter.functions.tick())

    assert emitter.functions.count().call() == 1


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("exceeds block gas limit", ChainRefused),
        ("tx fee (2.00 ether) exceeds the configured cap (1.00 ether)", ChainRefused),
        ("insufficient funds for gas * price + value", CannotPay),
    ],
)
def test_send__refused_for_good__frees_its_nonce(
    anvil: Chain, emitter: Contract, payer: KeySigner, message: str, error: type[Exception]
) -> None:
    sender = Sender(meddled(anvil, refused(RAW, message, times=1)), payer, outbox=None, patience=SOON)

    with pytest.raises(error):
        sender.send(emitter.functions.tick(), intent="tick")
    assert sender.open() == ()
    sender.send(emitter.functions.tick(), intent="tick")

    assert emitter.functions.count().call() == 1
    assert anvil.web3.eth.get_transaction_count(sender.address) == 1


# -- waiting too long ------------------------------------------------------------------------------------------------


def test_send__too_cheap_for_the_next_block__is_replaced_at_its_nonce(
    emitter: Contract, payer: KeySigner, manual: Chain
) -> None:
    sender = Sender(manual.web3, payer, outbox=None, patience=SOON)
    sender.submit(emitter.functions.tick(), intent="tick")
    (first,) = pooled(manual)
    price = 10 * int(first["maxFeePerGas"], 16)
    manual.ask("anvil_setNextBlockBaseFeePerGas", hex(price))
    manual.mine()
    assert emitter.functions.count().call() == 0

    looked_after(sender, "tick", lambda: any(int(each["maxFeePerGas"], 16) > price for each in pooled(manual)))
    (second,) = pooled(manual)
    manual.mine()
    receipt = sender.wait("tick")

    assert (second["nonce"], second["input"]) == (first["nonce"], first["input"])
    assert receipt.transaction == second["hash"] != first["hash"]
    assert emitter.functions.count().call() == 1


def test_send__replaced_up_to_the_ceiling__and_no_further(emitter: Contract, payer: KeySigner, manual: Chain) -> None:
    ceiling = 3 * 10**9
    sender = Sender(manual.web3, payer, outbox=None, patience=timedelta(seconds=0.05), fee_ceiling=ceiling)
    sender.submit(emitter.functions.tick(), intent="tick")

    def prices() -> list[int]:
        return [int(entry["maxFeePerGas"], 16) for entry in pooled(manual)]

    looked_after(sender, "tick", lambda: prices() == [ceiling])
    with pytest.raises(NotSettled):
        sender.wait("tick", timeout=timedelta(seconds=0.6))

    assert prices() == [ceiling]


def test_send__two_prices_of_one_intent__count_whichever_the_chain_takes(
    emitter: Contract, payer: KeySigner, manual: Chain
) -> None:
    first: list[str] = []

    def keep_the_first(ask: Ask, method: str, params: Any) -> Any:
        if method == RAW:
            first.append(params[0])
            if len(first) > 1:
                return {"jsonrpc": "2.0", "id": 1, "result": Web3.keccak(hexstr=params[0]).to_0x_hex()}
        return ask(method, params)

    sender = Sender(meddled(manual, keep_the_first), payer, outbox=None, patience=SOON)
    sender.submit(emitter.functions.tick(), intent="tick")
    looked_after(sender, "tick", lambda: len(set(first)) > 1)
    manual.mine()

    receipt = sender.wait("tick")

    assert len(set(first)) > 1
    assert receipt.transaction == Web3.keccak(hexstr=first[0]).to_0x_hex()


def test_abandon__before_a_block_takes_it__spends_the_nonce_on_nothing(
    emitter: Contract, payer: KeySigner, manual: Chain
) -> None:
    sender = Sender(manual.web3, payer, outbox=None, timeout=SOON)
    sender.submit(emitter.functions.tick(), intent="first")
    sender.submit(emitter.functions.note(payer.address, bytes(32), 1, ""), intent="second")
    with pytest.raises(NotSettled):
        sender.abandon("first")
    manual.mine()

    assert sender.abandon("first") is None
    with pytest.raises(IntentAbandoned):
        sender.wait("first")
    assert sender.wait("second").block == manual.web3.eth.block_number
    assert emitter.functions.count().call() == 0


def test_abandon__when_it_is_done__gives_its_receipt(anvil: Chain, emitter: Contract, payer: KeySigner) -> None:
    sender = Sender(anvil.web3, payer, outbox=None)
    receipt = sender.send(emitter.functions.tick(), intent="tick")

    assert sender.abandon("tick") == receipt


# -- other wallets and forks -----------------------------------------------------------------------------------------


def test_send__the_nonce_is_taken_by_another_wallet__goes_on_with_the_next(
    emitter: Contract, payer: KeySigner, manual: Chain
) -> None:
    sender = Sender(manual.web3, payer, outbox=None, depth=1)
    sender.submit(emitter.functions.tick(), intent="tick")
    by_another_wallet(manual, payer, 0, gwei=50)
    manual.mine()
    with pytest.raises(NotSettled, match="not known yet by what"):
        sender.wait("tick", timeout=AT_ONCE)
    manual.mine()
    with pytest.raises(NotSettled):
        sender.wait("tick", timeout=AT_ONCE)
    manual.mine(2)

    sender.wait("tick")

    assert emitter.functions.count().call() == 1
    assert manual.web3.eth.get_transaction_count(payer.address) == 2


def test_wait__the_nonce_is_used_and_the_receipt_is_withheld__is_not_sent_again(
    anvil: Chain, emitter: Contract, payer: KeySigner
) -> None:
    withheld = altered("eth_getTransactionReceipt", lambda _: None, times=5)
    web3 = meddled(anvil, withheld)
    sender = Sender(web3, payer, outbox=None, patience=timedelta(seconds=0.01))

    sender.send(emitter.functions.tick())

    assert web3.provider.asked.count(RAW) == 1
    assert emitter.functions.count().call() == 1


def test_send__behind_a_nonce_that_another_wallet_lost__fills_the_gap(
    emitter: Contract, payer: KeySigner, manual: Chain
) -> None:
    foreign = by_another_wallet(manual, payer, 0, gwei=5)
    sender = Sender(manual.web3, payer, outbox=None, patience=SOON)
    sender.submit(emitter.functions.tick(), intent="tick")
    assert sorted(int(entry["nonce"], 16) for entry in pooled(manual)) == [0, 1]
    manual.ask("anvil_dropTransaction", foreign)

    looked_after(sender, "tick", lambda: len(pooled(manual)) == 2)
    manual.mine()
    sender.wait("tick")

    assert emitter.functions.count().call() == 1
    assert manual.web3.eth.get_transaction_count(payer.address) == 2
    assert sender.open() == ()


def test_send__its_block_is_replaced_by_one_without_it__is_given_again(own_anvil: Start) -> None:
    chain = own_anvil()
    emitter, payer = chain.emitter(), KeySigner(chain.keys[0])
    chain.ask("evm_setAutomine", False)
    sender = Sender(chain.web3, payer, outbox=None, depth=2, patience=SOON)
    sender.submit(emitter.functions.tick(), intent="tick")
    chain.mine()
    with pytest.raises(NotSettled, match="0 of 2"):
        sender.wait("tick", timeout=AT_ONCE)
    chain.ask("anvil_reorg", 1, [])
    chain.ask("anvil_dropAllTransactions")
    assert emitter.functions.count().call() == 0

    looked_after(sender, "tick", lambda: bool(pooled(chain)))
    chain.mine(3)
    receipt = sender.wait("tick")

    assert emitter.functions.count().call() == 1
    assert chain.web3.eth.get_block(receipt.block)["hash"].to_0x_hex() == receipt.block_hash


def test_send__on_a_chain_that_was_set_back__takes_the_nonce_of_the_chain(own_anvil: Start) -> None:
    chain = own_anvil()
    emitter, payer = chain.emitter(), KeySigner(chain.keys[0])
    sender = Sender(chain.web3, payer, outbox=None)
    before = chain.ask("evm_snapshot")
    for _ in range(3):
        sender.send(emitter.functions.tick())
    chain.ask("evm_revert", before)

    sender.send(emitter.functions.tick())

    assert emitter.functions.count().call() == 1
    assert chain.web3.eth.get_transaction_count(sender.address) == 1


def test_send__what_a_deep_fork_undid__is_sent_again_before_what_is_behind_it(own_anvil: Start) -> None:
    chain = own_anvil()
    emitter, payer = chain.emitter(), KeySigner(chain.keys[0])
    chain.ask("evm_setAutomine", False)
    sender = Sender(chain.web3, payer, outbox=None, patience=SOON)
    before = chain.ask("evm_snapshot")
    sender.submit(emitter.functions.note(payer.address, bytes(32), 1, ""), intent="first")
    chain.mine()
    sender.wait("first")
    sender.submit(emitter.functions.note(payer.address, bytes(32), 2, ""), intent="second")
    chain.ask("evm_revert", before)
    chain.ask("anvil_dropAllTransactions")
    assert chain.web3.eth.get_transaction_count(payer.address) == 0

    looked_after(sender, "second", lambda: len(pooled(chain)) == 2)
    chain.mine()
    sender.wait("second")
    sender.wait("first")

    assert emitter.functions.timesOf(bytes(32)).call() == 2


def test_send__a_node_that_counts_late__does_not_use_a_nonce_twice(
    anvil: Chain, emitter: Contract, payer: KeySigner
) -> None:
    late = [0]

    def count_late(ask: Ask, method: str, params: Any) -> Any:
        answer = ask(method, params)
        if method == "eth_getTransactionCount" and late[0]:
            late[0] -= 1
            return {**answer, "result": hex(int(answer["result"], 16) - 1)}
        return answer

    web3 = meddled(anvil, count_late)
    sender = Sender(web3, payer, outbox=None)
    sender.send(emitter.functions.tick())
    late[0] = 2

    second = sender.send(emitter.functions.tick())

    assert anvil.web3.eth.get_transaction(second.transaction)["nonce"] == 1
    assert web3.provider.asked.count(RAW) == 2


def test_send__the_nonce_is_used_up_by_a_delegation__goes_on_with_the_next(
    emitter: Contract, payer: KeySigner, rival: Sender, manual: Chain
) -> None:
    sender = Sender(manual.web3, payer, outbox=None, depth=1)
    sender.submit(emitter.functions.tick(), intent="tick")
    authorization = payer._account.sign_authorization({"chainId": 31337, "address": emitter.address, "nonce": 0})
    delegating = rival._signer._account.sign_transaction(
        {
            "type": 4,
            "chainId": 31337,
            "nonce": 0,
            "to": rival.address,
            "value": 0,
            "gas": 100_000,
            "maxFeePerGas": 50 * 10**9,
            "maxPriorityFeePerGas": 50 * 10**9,
            "authorizationList": [authorization],
        }
    )
    manual.web3.eth.send_raw_transaction(delegating.raw_transaction)
    manual.mine()
    assert manual.web3.eth.get_transaction_count(payer.address) == 1
    with pytest.raises(NotSettled, match="not known yet by what"):
        sender.wait("tick", timeout=AT_ONCE)
    manual.mine()
    with pytest.raises(NotSettled):
        sender.wait("tick", timeout=AT_ONCE)
    manual.mine(2)

    receipt = sender.wait("tick")

    assert emitter.functions.count().call() == 1
    assert manual.web3.eth.get_transaction(receipt.transaction)["nonce"] == 1


# -- refused in the block --------------------------------------------------------------------------------------------


def test_wait__refused_in_its_block__says_why_each_time_it_is_asked(
    last_tick: Contract, payer: KeySigner, rival: Sender, manual: Chain
) -> None:
    emitter = last_tick
    sender = Sender(manual.web3, payer, outbox=None)
    rival.submit(emitter.functions.tick(), intent="tick")
    sender.submit(emitter.functions.tick(), intent="tick", gas=100_000)
    manual.mine()
    rival.wait("tick")

    errors = []
    for _ in range(2):
        with pytest.raises(Reverted) as refused_in_block:
            sender.send(emitter.functions.tick(), intent="tick")
        errors.append((refused_in_block.value.error, refused_in_block.value.arguments))

    assert errors == [("0x4e77b316", errors[0][1])] * 2
    assert manual.web3.eth.get_transaction_count(payer.address) == 1


def test_wait__out_of_gas_in_its_block__says_so(
    emitter: Contract, payer: KeySigner, rival: Sender, manual: Chain
) -> None:
    sender = Sender(manual.web3, payer, outbox=None)
    leave_open = emitter.functions.setClosed(False)
    just_enough = leave_open.estimate_gas({"from": payer.address})
    rival.submit(emitter.functions.setClosed(True))
    sender.submit(leave_open, intent="open", gas=just_enough)
    manual.mine()

    with pytest.raises(Reverted, match="it ran out of gas"):
        sender.wait("open")


# -- a chain where gas costs nothing ---------------------------------------------------------------------------------


def test_send__on_a_chain_without_fees__needs_no_ether(own_anvil: Start) -> None:
    chain = own_anvil("--base-fee", "0", "--gas-price", "0", "--disable-min-priority-fee")
    emitter = chain.emitter()
    poor = KeySigner(b"\x42" * 32)
    sender = Sender(chain.web3, poor, outbox=None, zero_fee=True)

    receipt = sender.send(emitter.functions.tick())

    assert chain.web3.eth.get_balance(poor.address) == 0
    assert receipt.gas_price == 0


def test_send__a_chain_that_says_that_gas_costs_nothing__is_believed(own_anvil: Start) -> None:
    chain = own_anvil("--base-fee", "0", "--gas-price", "0", "--disable-min-priority-fee")
    emitter = chain.emitter()
    web3 = meddled(chain, altered("eth_gasPrice", lambda _: "0x0"))

    receipt = Sender(web3, KeySigner(b"\x42" * 32), outbox=None).send(emitter.functions.tick())

    assert receipt.gas_price == 0


def test_send__on_a_chain_that_knows_one_price_only__uses_it(anvil: Chain, emitter: Contract, payer: KeySigner) -> None:

    def without_base_fee(block: Any) -> Any:
        return {name: value for name, value in block.items() if name != "baseFeePerGas"}

    sender = Sender(meddled(anvil, altered("eth_getBlockByNumber", without_base_fee)), payer, outbox=None)

    receipt = sender.send(emitter.functions.tick())

    assert anvil.web3.eth.get_transaction(receipt.transaction)["type"] == 0


# -- a node that lies ------------------------------------------------------------------------------------------------


def test_send__another_transactions_hash__is_a_lie_and_the_intent_is_kept(
    anvil: Chain, emitter: Contract, payer: KeySigner
) -> None:
    web3 = meddled(anvil, altered(RAW, lambda _: "0x" + "ab" * 32, times=1))
    sender = Sender(web3, payer, outbox=None)

    with pytest.raises(ChainLied):
        sender.send(emitter.functions.tick(), intent="tick")
    sender.send(emitter.functions.tick(), intent="tick")

    assert emitter.functions.count().call() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"transactionHash": "0x" + "ab" * 32},
        {"blockHash": "0x12"},
        {"status": None},
        {"gasUsed": "many"},
        {"logs": [{}]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_wait__a_receipt_that_makes_no_sense__is_a_lie(
    anvil: Chain, emitter: Contract, payer: KeySigner, change: dict[str, Any]
) -> None:
    web3 = meddled(anvil, altered("eth_getTransactionReceipt", lambda receipt: {**receipt, **change}, times=1))
    sender = Sender(web3, payer, outbox=None)

    with pytest.raises(ChainLied):
        sender.send(emitter.functions.tick(), intent="tick")

    assert sender.send(emitter.functions.tick(), intent="tick").block > 0


def test_wait__a_receipt_of_a_block_that_the_chain_has_not__is_not_believed(
    anvil: Chain, emitter: Contract, payer: KeySigner
) -> None:

    def elsewhere(receipt: Any) -> Any:
        other = "0x" + "ab" * 32
        return {**receipt, "blockHash": other, "logs": [{**log, "blockHash": other} for log in receipt["logs"]]}

    web3 = meddled(anvil, altered("eth_getTransactionReceipt", elsewhere))
    sender = Sender(web3, payer, outbox=None)

    with pytest.raises(NotSettled, match="being replaced"):
        sender.send(emitter.functions.tick(), timeout=SOON)


def test_simulate__a_call_in_the_air__is_built_upon(emitter: Contract, payer: KeySigner, manual: Chain) -> None:
    sender = Sender(manual.web3, payer, outbox=None)
    sender.submit(emitter.functions.setClosed(True))

    with pytest.raises(Reverted):
        sender.simulate(Call(to=emitter.address, data=note_data(emitter, payer)))


def note_data(emitter: Contract, payer: KeySigner) -> bytes:
    return bytes.fromhex(emitter.encode_abi("note", args=[payer.address, bytes(32), 1, ""])[2:])


# -- asked again after a restart -------------------------------------------------------------------------------------


def test_send__without_a_name_after_a_restart__waits_for_the_same_call_that_was_left_open(
    emitter: Contract, payer: KeySigner, manual: Chain, tmp_path: Path
) -> None:
    tick = emitter.functions.tick()
    with Sender(manual.web3, payer, outbox=tmp_path / "outbox") as sender, pytest.raises(NotSettled) as first:
        sender.send(tick, timeout=AT_ONCE)
    with Sender(manual.web3, payer, outbox=tmp_path / "outbox") as sender:
        with pytest.raises(NotSettled) as second:
            sender.send(tick, timeout=AT_ONCE)
        manual.mine()
        sender.resume()
        with pytest.raises(NotSettled) as third:
            # What it waited for is told; the next asking is another one.
            sender.send(tick, timeout=AT_ONCE)
        manual.mine()
        sender.resume()

    assert first.value.transaction == second.value.transaction != third.value.transaction
    assert "do the same again, and it is waited for, not sent twice" in str(first.value)
    assert "unnamed" not in str(first.value)
    assert emitter.functions.count().call() == 2


def test_send_all__a_refusal_for_good_in_the_middle_of_a_group__spends_its_nonce_on_nothing(
    anvil: Chain, emitter: Contract, payer: KeySigner
) -> None:
    given: list[str] = []

    def refuse_the_second(ask: Ask, method: str, params: Any) -> Any:
        if method == RAW:
            given.append(params[0])
            if len(given) == 2:
                return {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "oversized data"}}
        return ask(method, params)

    sender = Sender(meddled(anvil, refuse_the_second), payer, outbox=None, patience=SOON)
    intents = [Intent(emitter.functions.tick(), f"tick {number}") for number in range(4)]

    outcomes = list(sender.send_all(intents))
    again = sender.send(emitter.functions.tick(), intent="tick 1")

    assert [type(outcome.error) for outcome in outcomes] == [type(None), ChainRefused, type(None), type(None)]
    assert again.intent == "tick 1"
    assert emitter.functions.count().call() == 4
    assert anvil.web3.eth.get_transaction_count(payer.address) == 5


def test_send_all__one_builds_on_the_one_before__is_done_in_order(
    anvil: Chain, emitter: Contract, payer: KeySigner
) -> None:
    sender = Sender(anvil.web3, payer, outbox=None)
    sender.send(emitter.functions.setClosed(True))
    note = emitter.functions.note(payer.address, bytes(32), 1, "")
    intents = [
        Intent(emitter.functions.setClosed(False), "open"),
        Intent(note, "note"),
        Intent(emitter.functions.setClosed(True), "close"),
        Intent(note, "late"),
    ]

    outcomes = {outcome.intent: outcome for outcome in sender.send_all(intents)}

    assert [outcomes[name].error for name in ("open", "note", "close")] == [None] * 3
    assert isinstance(outcomes["late"].error, Reverted)
    assert emitter.functions.timesOf(bytes(32)).call() == 1
    assert emitter.functions.closed().call() is True


def test_send_all__a_node_that_takes_one_request_at_a_time__is_asked_so(emitter: Contract, payer: KeySigner) -> None:
    with proxy_of(emitter.w3.provider.endpoint_uri) as proxy:  # type: ignore[attr-defined]
        proxy.groups = False
        sender = Sender(Web3(HTTPProvider(proxy.url)), payer, outbox=None)

        outcomes = list(sender.send_all(Intent(emitter.functions.tick(), f"tick {number}") for number in range(20)))

    assert [outcome.error for outcome in outcomes] == [None] * 20
    assert emitter.functions.count().call() == 20


@pytest.mark.parametrize("fault", [PermissionError("the holder pressed No"), KeyboardInterrupt()], ids=["no", "stop"])
def test_send_all__a_signer_that_stops_in_the_middle__what_it_signed_is_done_once(
    anvil: Chain, emitter: Contract, payer: KeySigner, tmp_path: Path, fault: BaseException
) -> None:
    # given 60 acts, of which the first two pieces and half of the third are signed
    class Tired(KeySigner):
        __slots__ = ()
        signed = 0

        def sign_transaction(self, transaction: Any) -> bytes:
            if Tired.signed == 40:
                raise fault
            Tired.signed += 1
            return super().sign_transaction(transaction)

    acts = [Intent(emitter.functions.tick(), f"tick {number}") for number in range(60)]

    # when
    with (
        Sender(anvil.web3, Tired(payer._account), outbox=tmp_path / "outbox") as sender,
        pytest.raises(type(fault)),
    ):
        list(sender.send_all(acts))

    # then whoever asks again has all of them done, each once
    with Sender(anvil.web3, payer, outbox=tmp_path / "outbox", patience=SOON) as sender:
        outcomes = list(sender.send_all(acts))
    assert [outcome.error for outcome in outcomes] == [None] * 60
    assert emitter.functions.count().call() == 60


def test_send_all__the_disk_fills_up_in_the_middle__what_is_not_kept_is_not_given(
    anvil: Chain, emitter: Contract, payer: KeySigner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given an outbox that keeps twenty acts and then no more
    kept: list[str] = []
    launch = Outbox.launch

    def keep(self: Outbox, name: str, *rest: Any) -> None:
        if len(kept) == 20:
            raise OSError("no space left on device")
        launch(self, name, *rest)
        kept.append(name)

    acts = [Intent(emitter.functions.tick(), f"tick {number}") for number in range(60)]

    # when
    with Sender(anvil.web3, payer, outbox=tmp_path / "outbox") as sender:
        with monkeypatch.context() as full:
            full.setattr(Outbox, "launch", keep)
            with pytest.raises(OSError, match="no space left"):
                list(sender.send_all(acts))
        given = sender.open()
        sender.resume()
        counted = emitter.functions.count().call()

        # then the first piece is on its way, nothing of the second is, and all is done once when there is room again
        assert given == tuple(f"tick {number}" for number in range(len(given)))
        assert counted == len(given) < 20
        assert [outcome.error for outcome in sender.send_all(acts)] == [None] * 60
    assert emitter.functions.count().call() == 60

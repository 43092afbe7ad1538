"""A sender does each intent once, and says by name why it did not."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from eth_abi import encode
from ledger_chains import EMITTER, Chain
from ledger_solidity import compiled
from web3.contract import Contract

from theriac.errors import (
    CannotPay,
    IntentChanged,
    LedgerFileBroken,
    NotSettled,
    OutboxBusy,
    OutboxOfAnother,
    Reverted,
    UnknownIntent,
    WrongChain,
    WrongSignature,
)
from theriac.ledger.contracts import Call, Receipt
from theriac.ledger.fees import Fate, Fees, fate_of
from theriac.ledger.node import Log
from theriac.ledger.sender import Intent, Sender
from theriac.ledger.signer import KeySigner

AT_ONCE = timedelta(0)


@pytest.fixture
def sender(chain: Chain, payer: KeySigner) -> Sender:
    return Sender(chain.web3, payer, outbox=None)


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def used(chain: Chain, payer: KeySigner) -> int:
    """How many transactions of the account are in the chain."""
    return chain.web3.eth.get_transaction_count(payer.address)


# -- one intent ------------------------------------------------------------------------------------------------------


def test_send__gives_the_receipt_of_the_chain(
    chain: Chain, sender: Sender, emitter: Contract, payer: KeySigner
) -> None:
    receipt = sender.send(emitter.functions.tick(), intent="tick")

    seen = chain.web3.eth.get_transaction_receipt(receipt.transaction)
    log = seen["logs"][0]
    assert receipt == Receipt(
        intent="tick",
        transaction=receipt.transaction,
        block=seen["blockNumber"],
        block_hash="0x" + seen["blockHash"].hex(),
        gas_used=seen["gasUsed"],
        gas_price=seen["effectiveGasPrice"],
        contract=None,
        logs=(
            Log(
                address=emitter.address,
                topics=tuple(bytes(topic) for topic in log["topics"]),
                data=encode(["uint256"], [1]),
                index=0,
            ),
        ),
    )
    assert seen["from"] == payer.address


def test_send__the_same_intent_again__gives_the_same_and_sends_nothing(
    chain: Chain, sender: Sender, emitter: Contract, payer: KeySigner
) -> None:
    first = sender.send(emitter.functions.tick(), intent="tick")
    second = sender.send(emitter.functions.tick(), intent="tick")

    assert first == second
    assert used(chain, payer) == 1


def test_send__without_a_name__is_another_intent_each_time(
    chain: Chain, sender: Sender, emitter: Contract, payer: KeySigner
) -> None:
    names = {sender.send(emitter.functions.tick()).intent for _ in range(2)}

    assert len(names) == 2
    assert used(chain, payer) == 2


def test_send__a_name_for_another_call__is_refused(sender: Sender, emitter: Contract) -> None:
    sender.send(emitter.functions.tick(), intent="tick")

    with pytest.raises(IntentChanged):
        sender.send(emitter.functions.setClosed(True), intent="tick")


def test_send__refused_by_the_contract__sends_nothing(
    chain: Chain, sender: Sender, emitter: Contract, payer: KeySigner
) -> None:
    with pytest.raises(Reverted) as refused:
        sender.send(emitter.functions.refuse(7, [key(1)]), intent="refused")

    assert (refused.value.contract, refused.value.error) == (emitter.address, "NotPermitted")
    assert refused.value.arguments == {"caller": payer.address, "asked": 7, "missing": (key(1),)}
    assert used(chain, payer) == 0
    with pytest.raises(UnknownIntent):
        sender.wait("refused")


def test_send__refused_before_and_allowed_now__is_done(sender: Sender, emitter: Contract, payer: KeySigner) -> None:
    note = emitter.functions.note(payer.address, key(1), 1, "")
    sender.send(emitter.functions.setClosed(True))
    with pytest.raises(Reverted, match="Closed"):
        sender.send(note, intent="note")
    sender.send(emitter.functions.setClosed(False))

    sender.send(note, intent="note")

    assert emitter.functions.timesOf(key(1)).call() == 1


def test_send__with_a_gas_limit_of_the_callers__is_refused_before_it_is_sent(
    chain: Chain, sender: Sender, emitter: Contract, payer: KeySigner
) -> None:
    with pytest.raises(Reverted):
        sender.send(emitter.functions.refuse(1, []), gas=200_000)

    assert used(chain, payer) == 0


def test_send__a_constructor__makes_a_contract(chain: Chain, sender: Sender) -> None:
    code = compiled(EMITTER, "Emitter")
    blank = chain.web3.eth.contract(abi=code.abi, bytecode=code.bytecode)

    receipt = sender.send(blank.constructor(77))

    assert receipt.contract is not None
    assert chain.web3.eth.contract(address=receipt.contract, abi=code.abi).functions.ceiling().call() == 77


def test_send__with_value__carries_it(chain: Chain, sender: Sender, emitter: Contract) -> None:
    tick = bytes.fromhex(emitter.encode_abi("tick")[2:])

    sender.send(Call(to=emitter.address, data=tick, value=5))

    assert chain.web3.eth.get_balance(emitter.address) == 5


def test_wait__for_what_was_never_sent__says_so(sender: Sender) -> None:
    with pytest.raises(UnknownIntent):
        sender.wait("nothing")


def test_simulate__tells_and_changes_nothing(chain: Chain, sender: Sender, emitter: Contract, payer: KeySigner) -> None:
    simulation = sender.simulate(emitter.functions.look(3))

    assert simulation.returned.endswith(bytes(64))
    with pytest.raises(Reverted):
        sender.simulate(emitter.functions.refuse(1, []))
    assert used(chain, payer) == 0


def test_simulate__the_gas_limit__is_what_it_takes_with_a_margin(anvil: Chain) -> None:
    emitter, payer = anvil.emitter(), anvil.account()
    look = emitter.functions.look(3)

    simulation = Sender(anvil.web3, payer, outbox=None, margin=2).simulate(look)

    assert simulation.gas == 2 * look.estimate_gas({"from": payer.address})


def test_send__an_account_without_ether__cannot_pay(chain: Chain, emitter: Contract) -> None:
    poor = chain.account(ether=0)
    sender = Sender(chain.web3, poor, outbox=None)

    with pytest.raises(CannotPay) as refused:
        sender.send(emitter.functions.tick(), intent="tick")

    assert refused.value.address == poor.address
    assert sender.open() == ()


# -- many ------------------------------------------------------------------------------------------------------------


def test_send_all__some_refused__stops_no_other(sender: Sender, emitter: Contract, payer: KeySigner) -> None:
    intents = [
        Intent(
            emitter.functions.refuse(n, []) if n == 2 else emitter.functions.note(payer.address, key(n), n, ""), str(n)
        )
        for n in range(5)
    ]

    outcomes = list(sender.send_all(intents))

    assert [(outcome.intent, outcome.receipt is not None, type(outcome.error)) for outcome in outcomes] == [
        ("0", True, type(None)),
        ("1", True, type(None)),
        ("2", False, Reverted),
        ("3", True, type(None)),
        ("4", True, type(None)),
    ]


def test_send__from_many_threads__does_each_name_once(
    chain: Chain, sender: Sender, emitter: Contract, payer: KeySigner
) -> None:
    receipts: list[Receipt] = []

    def work() -> None:
        for n in range(6):
            receipts.append(sender.send(emitter.functions.note(payer.address, key(100 + n), n, ""), intent=str(n)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(receipts) == 24
    assert len({receipt.transaction for receipt in receipts}) == 6
    assert [emitter.functions.timesOf(key(100 + n)).call() for n in range(6)] == [1] * 6
    assert used(chain, payer) == 6


def test_submit__more_than_the_limit__waits_for_room(own_anvil: Callable[..., Chain]) -> None:
    chain = own_anvil()
    emitter, payer = chain.emitter(), chain.account()
    chain.ask("evm_setAutomine", False)
    sender = Sender(chain.web3, payer, outbox=None, limit=2, timeout=timedelta(seconds=0.3))
    sender.submit(emitter.functions.tick(), intent="first")
    sender.submit(emitter.functions.tick(), intent="second")

    with pytest.raises(NotSettled) as full:
        sender.submit(emitter.functions.tick(), intent="third")
    chain.mine()
    sender.submit(emitter.functions.tick(), intent="third")

    assert full.value.intent == "first"
    assert sender.open() == ("third",)


# -- depth -----------------------------------------------------------------------------------------------------------


def test_wait__at_a_depth__settles_when_so_many_blocks_stand_on_it(
    chain: Chain, emitter: Contract, payer: KeySigner
) -> None:
    sender = Sender(chain.web3, payer, outbox=None, depth=2)
    sender.submit(emitter.functions.tick(), intent="tick")
    # A node that makes blocks by itself takes its time.
    deadline = time.monotonic() + 30
    while not used(chain, payer) and time.monotonic() < deadline:
        time.sleep(0.01)

    with pytest.raises(NotSettled) as at_zero:
        sender.wait("tick", timeout=AT_ONCE)
    chain.mine()
    with pytest.raises(NotSettled) as at_one:
        sender.wait("tick", timeout=AT_ONCE)
    chain.mine()
    receipt = sender.wait("tick", timeout=AT_ONCE)

    assert [at_zero.value.reason, at_one.value.reason] == [
        "0 of 2 blocks stand on it",
        "1 of 2 blocks stand on it",
    ]
    assert chain.web3.eth.block_number == receipt.block + 2


# -- the outbox ------------------------------------------------------------------------------------------------------


def test_send__after_a_restart__gives_the_same_receipt(
    chain: Chain, emitter: Contract, payer: KeySigner, tmp_path: Path
) -> None:
    with Sender(chain.web3, payer, outbox=tmp_path / "outbox") as sender:
        first = sender.send(emitter.functions.tick(), intent="tick")
    with Sender(chain.web3, payer, outbox=tmp_path / "outbox") as sender:
        second = sender.send(emitter.functions.tick(), intent="tick")

    assert first == second
    assert used(chain, payer) == 1


def test_resume__what_an_earlier_sender_left__goes_on(own_anvil: Callable[..., Chain], tmp_path: Path) -> None:
    chain = own_anvil()
    emitter, payer = chain.emitter(), chain.account()
    chain.ask("evm_setAutomine", False)
    with Sender(chain.web3, payer, outbox=tmp_path / "outbox") as sender:
        names = [sender.submit(emitter.functions.tick(), intent=name) for name in ("a", "b")]
    chain.mine()

    with Sender(chain.web3, payer, outbox=tmp_path / "outbox") as sender:
        assert sender.open() == tuple(names)
        outcomes = sender.resume()

    assert [(outcome.intent, outcome.error) for outcome in outcomes] == [("a", None), ("b", None)]
    assert emitter.functions.count().call() == 2


def test_sender__a_second_one_on_an_outbox__is_refused(chain: Chain, payer: KeySigner, tmp_path: Path) -> None:
    with Sender(chain.web3, payer, outbox=tmp_path / "outbox"), pytest.raises(OutboxBusy):
        Sender(chain.web3, payer, outbox=tmp_path / "outbox")

    Sender(chain.web3, payer, outbox=tmp_path / "outbox").close()


def test_send__with_the_outbox_of_another_account__is_refused(
    chain: Chain, emitter: Contract, payer: KeySigner, tmp_path: Path
) -> None:
    with Sender(chain.web3, payer, outbox=tmp_path / "outbox") as sender:
        sender.send(emitter.functions.tick())

    with Sender(chain.web3, chain.account(), outbox=tmp_path / "outbox") as sender, pytest.raises(OutboxOfAnother):
        sender.send(emitter.functions.tick())


def test_send__with_the_outbox_of_another_chain__is_refused(own_anvil: Callable[..., Chain], tmp_path: Path) -> None:
    first, second = own_anvil(), own_anvil("--timestamp", "1700000000")
    payer = KeySigner(first.keys[0])
    with Sender(first.web3, payer, outbox=tmp_path / "outbox") as sender:
        sender.send(first.emitter().functions.tick())

    with Sender(second.web3, payer, outbox=tmp_path / "outbox") as sender, pytest.raises(WrongChain) as refused:
        sender.send(Call(to=payer.address, data=b""))

    assert refused.value.what == "first block"


@pytest.mark.parametrize(
    "content", [b"not a database at all, but long enough to have a header " * 40, b"SQLite format 3\0"]
)
def test_sender__a_damaged_outbox__is_broken(chain: Chain, payer: KeySigner, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "outbox").write_bytes(content)

    with pytest.raises(LedgerFileBroken):
        Sender(chain.web3, payer, outbox=tmp_path / "outbox")


def test_sender__an_outbox_where_none_can_be__is_broken(chain: Chain, payer: KeySigner, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(LedgerFileBroken):
        Sender(chain.web3, payer, outbox=tmp_path / "file" / "outbox")


def test_sender__its_files__are_for_the_owner_alone(chain: Chain, payer: KeySigner, tmp_path: Path) -> None:
    with Sender(chain.web3, payer, outbox=tmp_path / "outbox") as sender:
        sender.send(Call(to=payer.address, data=b""))

        assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


# -- signers that do something else ----------------------------------------------------------------------------------


class Unfaithful(KeySigner):
    """Signs what it was asked to, but for one thing."""

    __slots__ = ("changes",)

    def __init__(self, key: bytes, **changes: Any) -> None:
        super().__init__(key)
        self.changes = changes

    def sign_transaction(self, transaction: Any) -> bytes:
        return super().sign_transaction({**transaction, **self.changes})


class Impostor(KeySigner):
    """Signs with another key than that of its address."""

    __slots__ = ()

    @property
    def address(self) -> Any:
        return KeySigner(b"\x77" * 32).address


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": 9},
        {"chainId": 1},
        {"value": 1},
        {"to": "0x00000000000000000000000000000000000000AA"},
        {"gas": 21_001},
        {"data": "0x01"},
        {"maxFeePerGas": 10**12},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_send__a_signer_that_signs_something_else__sends_nothing(chain: Chain, changes: dict[str, Any]) -> None:
    signer = Unfaithful(chain.keys[0], **changes)
    before = used(chain, signer)
    sender = Sender(chain.web3, signer, outbox=None)

    with pytest.raises(WrongSignature):
        sender.send(Call(to=signer.address, data=b""))

    assert used(chain, signer) == before
    assert sender.open() == ()


def test_send__a_signer_with_another_key__sends_nothing(own_anvil: Callable[..., Chain]) -> None:
    chain = own_anvil()
    signer = Impostor(chain.keys[0])
    chain.ask("anvil_setBalance", signer.address, hex(10**18))

    with pytest.raises(WrongSignature, match="signed by"):
        Sender(chain.web3, signer, outbox=None).send(Call(to=signer.address, data=b""))


def test_send__a_signer_that_says_no__sends_nothing_and_can_be_asked_again(chain: Chain, payer: KeySigner) -> None:
    class Shy(KeySigner):
        __slots__ = ()
        asked = 0

        def sign_transaction(self, transaction: Any) -> bytes:
            Shy.asked += 1
            if Shy.asked == 1:
                raise PermissionError("the holder pressed No")
            return super().sign_transaction(transaction)

    sender = Sender(chain.web3, Shy(payer._account), outbox=None)

    with pytest.raises(PermissionError):
        sender.send(Call(to=payer.address, data=b""), intent="once")
    sender.send(Call(to=payer.address, data=b""), intent="once")

    assert used(chain, payer) == 1


# -- fees ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fees", "market", "expected"),
    [
        (Fees(price=100, tip=8), Fees(price=50, tip=1), Fees(price=113, tip=10)),
        (Fees(price=100, tip=8), Fees(price=500, tip=40), Fees(price=500, tip=40)),
        (Fees(price=100, tip=None), Fees(price=50, tip=None), Fees(price=113, tip=None)),
        (Fees(price=0, tip=0), Fees(price=0, tip=0), Fees(price=1, tip=1)),
    ],
)
def test_raised__is_an_eighth_more_or_the_market(fees: Fees, market: Fees, expected: Fees) -> None:
    assert fees.raised(market) == expected


def test_capped__price_and_tip_stay_below_the_ceiling() -> None:
    assert Fees(price=100, tip=80).capped(50) == Fees(price=50, tip=50)
    assert Fees(price=100, tip=None).capped(None) == Fees(price=100, tip=None)


@pytest.mark.parametrize(
    ("reason", "fate"),
    [
        ("already known", Fate.TAKEN),
        ("Known transaction", Fate.TAKEN),
        ("transaction already imported", Fate.TAKEN),
        ("nonce too low: next nonce 5, tx nonce 4", Fate.OLD_NONCE),
        ("Invalid transaction nonce: Expected 1, but got 0", Fate.OLD_NONCE),
        ("replacement transaction underpriced", Fate.TOO_CHEAP),
        ("max fee per gas less than block base fee", Fate.TOO_CHEAP),
        ("there is another tx which has the same nonce in the tx pool", Fate.TOO_CHEAP),
        ("Gas price below configured minimum gas price", Fate.TOO_CHEAP),
        ("transaction gas price below minimum: gas tip cap 0, minimum needed 1", Fate.TOO_CHEAP),
        ("insufficient funds for gas * price + value: balance 0", Fate.CANNOT_PAY),
        ("Upfront cost exceeds account balance", Fate.CANNOT_PAY),
        ("intrinsic gas too low", Fate.NEVER),
        ("exceeds block gas limit", Fate.NEVER),
        ("tx fee (2.00 ether) exceeds the configured cap (1.00 ether)", Fate.NEVER),
        ("invalid chain id for signer", Fate.NEVER),
        ("invalid gas fee cap. It must be set to value greater than or equal to baseFee", Fate.TOO_CHEAP),
        ("invalid transaction v, r, s values of the sender", Fate.NEVER),
        ("insufficient gas for floor data gas cost: gas 21000, minimum needed 40000", Fate.NEVER),
        ("txpool is full: 16", Fate.FULL),
        ("txpool is full and the new tx does not have missing nonce: 16", Fate.FULL),
        ("in-flight transaction limit reached for delegated accounts", Fate.FULL),
        ("internal error", Fate.UNCLEAR),
        ("", Fate.UNCLEAR),
    ],
)
def test_fate_of__in_the_words_of_several_nodes(reason: str, fate: Fate) -> None:
    assert fate_of(reason) is fate

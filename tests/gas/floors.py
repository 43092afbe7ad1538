"""What acts can hardly cost less than: the same transaction at floors, contracts that leave the same effects and check
almost nothing, and the bare price of those effects.

A floor (contracts/test/floors) takes the place of the contract that it is the floor of: its code, where that one's was.
So the very same transaction, signed by the same key with the same bytes, is sent twice in the same state of the chain,
and what it leaves can be compared to the byte.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from ape import project
from eth_account.signers.local import LocalAccount
from real_anvil import Chain, Contracts
from web3.types import TxReceipt

# What the Cancun rules take, in gas.
TRANSACTION, ZERO_BYTE, OTHER_BYTE = 21_000, 4, 16
COLD_SLOT, WARM_SLOT, COLD_ACCOUNT = 2_100, 100, 2_600
NEW_WORD, CHANGED_WORD = 20_000, 2_900
CLEARED = 4_800
LOG, TOPIC, LOGGED_BYTE = 375, 375, 8
RECOVERY = 3_000
"""One key recovered from a signature."""

Slots = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Effects:
    """What a transaction left: every slot that changed, with its word before and after, and every event, in order."""

    before: Slots
    after: Slots
    events: tuple[tuple[str, tuple[str, ...], str], ...]

    @property
    def slots(self) -> int:
        """How many slots changed."""
        return sum(1 for _ in self._changes())

    @property
    def logged(self) -> int:
        """How many bytes of data the events have, without their topics."""
        return sum(len(data) // 2 - 1 for _, _, data in self.events)

    def price(self, to: str) -> int:
        """What a chain asks for these effects alone, of a transaction to that address: each slot written once, each
        event told once, each further contract that does either called once."""
        gas = sum(_price_of_change(old, new) for old, new in self._changes())
        for _, topics, data in self.events:
            gas += LOG + TOPIC * len(topics) + LOGGED_BYTE * (len(data) // 2 - 1)
        others = {*self.before, *self.after, *(address for address, _, _ in self.events)} - {to}
        return gas + COLD_ACCOUNT * len(others)

    @property
    def returned(self) -> int:
        """What is given back for slots that were emptied."""
        return sum(CLEARED for old, new in self._changes() if new == 0)

    def _changes(self) -> Iterator[tuple[int, int]]:
        for address in {**self.before, **self.after}:
            old, new = self.before.get(address, {}), self.after.get(address, {})
            for slot in {**old, **new}:
                yield int(old.get(slot, "0x0"), 16), int(new.get(slot, "0x0"), 16)


def _price_of_change(old: int, new: int) -> int:
    return COLD_SLOT + (NEW_WORD if old == 0 else CHANGED_WORD)


def price_of_calldata(data: bytes) -> int:
    """What a transaction costs before any code runs."""
    zeros = data.count(0)
    return TRANSACTION + ZERO_BYTE * zeros + OTHER_BYTE * (len(data) - zeros)


@dataclass(frozen=True)
class Sent:
    """A transaction that went through: what it cost and what it left."""

    gas: int
    data: bytes
    to: str
    answer: str
    effects: Effects

    @property
    def bare(self) -> int:
        """What the transaction and its effects cost, whatever code makes them. A fifth at most is given back."""
        gas = price_of_calldata(self.data) + self.effects.price(self.to)
        return gas - min(self.effects.returned, gas // 5)


@dataclass(frozen=True)
class WatchedChain(Chain):
    """A chain that remembers what was sent, and can put other code under the contracts before a transaction."""

    receipts: list[TxReceipt] = field(default_factory=list)
    before: list[Callable[[int], None]] = field(default_factory=list)

    def transact(self, sender: LocalAccount, transaction: Mapping[str, Any]) -> TxReceipt:
        for call in self.before:
            call(len(self.receipts))
        receipt = super().transact(sender, transaction)
        self.receipts.append(receipt)
        return receipt

    def forget(self) -> None:
        self.receipts.clear()

    def effects(self, receipt: TxReceipt) -> Sent:
        """What that transaction left."""
        number = "0x" + bytes(receipt["transactionHash"]).hex()
        options = {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}}
        found = self.ask("debug_traceTransaction", number, options)
        sides = ({address.lower(): each for address, each in found[side].items()} for side in ("pre", "post"))
        before, after = ({at: each["storage"] for at, each in side.items() if each.get("storage")} for side in sides)
        events = tuple(
            (log["address"].lower(), tuple("0x" + bytes(topic).hex() for topic in log["topics"]), _hex(log["data"]))
            for log in receipt["logs"]
        )
        call = self.ask("debug_traceTransaction", number, {"tracer": "callTracer"})
        effects = Effects(before, after, events)
        data, answer = bytes.fromhex(call["input"][2:]), call.get("output", "0x")
        return Sent(receipt["gasUsed"], data, str(receipt["to"]).lower(), answer, effects)

    @contextmanager
    def floored_from(self, number: int, floors: Mapping[str, str]) -> Iterator[None]:
        """Puts the floors in the contracts' places before the transaction of that number."""

        def replace(sent: int) -> None:
            if sent == number:
                for address, code in floors.items():
                    self.ask("anvil_setCode", address, code)

        self.before.append(replace)
        try:
            yield
        finally:
            self.before.remove(replace)


def _hex(data: bytes) -> str:
    return "0x" + bytes(data).hex()


def floors_of(chain: Chain, contracts: Contracts) -> dict[str, str]:
    """The code of each contract's floor, by the address of the contract."""
    at = {name: each.address for name, each in contracts.by_name.items()}
    found: dict[str, str] = {}
    for name, asked in {
        "Consortium": (),
        "Keys": (),
        "Grants": ("Consortium", "Keys"),
        "Records": ("Consortium", "Keys"),
        "Letters": ("Keys",),
        "Batches": ("Consortium",),
        "ColdChain": ("Consortium",),
        "Prescriptions": ("Consortium",),
        "Policies": ("Consortium", "Keys"),
        "Authorizations": ("Consortium", "Policies"),
        "Escrow": ("Consortium", "Policies"),
        "Episodes": ("Consortium", "Keys", "Records", "Policies", "Escrow"),
        "Benefits": ("Records", "Policies"),
        "Claims": ("Consortium", "Keys", "Batches", "Prescriptions", "Benefits", "Escrow"),
        "Appeals": ("Consortium", "Keys", "Claims"),
    }.items():
        found[at[name]] = _code_of(chain, f"{name}Floor", at[name], *(at[each] for each in asked))
    found[at["AccessLog"]] = _code_of(chain, "AccessLogFloor", at["Consortium"])
    found[at["Carrier"]] = _code_of(chain, "CarrierFloor")
    return found


def _code_of(chain: Chain, name: str, *arguments: Any) -> str:
    """The code that a contract would have once deployed; nothing is."""
    kind = getattr(project, name).contract_type
    blank = chain.web3.eth.contract(
        abi=[entry.model_dump(by_alias=True) for entry in kind.abi], bytecode=kind.deployment_bytecode.bytecode
    )
    answer: str = chain.ask("eth_call", {"data": blank.constructor(*arguments).data_in_transaction}, "latest")
    return answer


STEPS = {"in two steps": 2, "prescription to paid claim": 2}
"""What an act's name begins or goes on with where it is more than one transaction."""


def steps_of(words: str) -> int:
    """How many transactions an act is, the last that its measure sends."""
    return next((steps for part, steps in STEPS.items() if part in words), 1)


def parts_of(words: str) -> int:
    """By how many an act's gas is divided: one of many in a transaction."""
    found = re.search(r"each of (\d+)|of (\d+) rows, each", words)
    return int(found.group(1) or found.group(2)) if found else 1


@dataclass(frozen=True)
class Compared:
    """An act's transactions as they are, and the same at floors where there are any."""

    words: str
    act: Sequence[Sent]
    floor: Sequence[Sent] = ()

    @property
    def gas(self) -> int:
        return self._each(each.gas for each in self.act)

    @property
    def floor_gas(self) -> int:
        return self._each(each.gas for each in self.floor)

    @property
    def bare(self) -> int:
        return self._each(each.bare for each in self.act)

    def _each(self, gas: Iterable[int]) -> int:
        """One part of it, rounded up, as the table says it."""
        return ceil(sum(gas) / parts_of(self.words))


def compare(
    chain: WatchedChain, words: str, act: Callable[[], object], floors: Mapping[str, str] | None = None
) -> Compared:
    """Does an act, looks at what it left, takes it back, and does it at floors."""
    with chain.undone():
        first = len(chain.receipts)
        act()
        receipts = chain.receipts[-steps_of(words) :]
        count = len(chain.receipts) - first
        done = [chain.effects(receipt) for receipt in receipts]
    if floors is None:
        return Compared(words, done)
    with chain.undone(), chain.floored_from(len(chain.receipts) + count - len(receipts), floors):
        act()
        return Compared(words, done, [chain.effects(receipt) for receipt in chain.receipts[-len(receipts) :]])

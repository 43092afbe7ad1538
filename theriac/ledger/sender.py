"""Sends transactions so that each happens once, whatever dies in between.

Every transaction carries out an intent, which has a name. The signed transaction is in the outbox before any node sees
it, and keeps its nonce until the chain itself shows that nonce used: whoever asks again under the same name, after a
crash, a lost answer or a silent node, is given the same receipt, and nothing is sent a second time.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

from eth_typing import ChecksumAddress, HexStr
from web3 import Web3
from web3.contract.contract import ContractConstructor, ContractFunction

from theriac.errors import (
    UNNAMED,
    CannotPay,
    ChainRefused,
    IntentAbandoned,
    IntentChanged,
    LedgerFileBroken,
    NotSettled,
    Refused,
    Reverted,
    TheriacError,
    Unavailable,
    WrongSignature,
)
from theriac.ledger.contracts import Call, Receipt, Reverts, call_of, packaged
from theriac.ledger.fees import Fate, Fees, fate_of
from theriac.ledger.node import CallFailed, Header, Landed, Node
from theriac.ledger.outbox import Failure, Flight, Outbox, Signed
from theriac.ledger.signer import Signer
from theriac.ledger.transactions import fault_of, keccak

Sendable = Call | ContractFunction | ContractConstructor
_T = TypeVar("_T")

_RAW = "eth_sendRawTransaction"

# How long what a node said of its head and its prices is good for, in seconds.
_FRESH = 2.0

# For how long nobody asks whether it is still the same chain, in seconds.
_SURE = 60.0

# How soon a transaction that no node clearly has is given again, in seconds.
_SOON = 1.0

# How long to wait at most between two looks at the chain, in seconds: a fraction of what a fast block takes.
_LOOK = 0.25

# A price is raised by so many eighths at most at one time, each on top of the one before: it doubles.
_STEPS = 6

# So many intents are simulated, signed and given together. What is open or in the same group may be unseen by a
# simulation: the gas for filling two slots that it empties is added.
_GROUP = 512
_UNSEEN_GAS = 40_000

# So many transactions are given to a node at one go.
_GIVEN = 16

# For so many kinds of call the gas limit is remembered.
_KINDS = 256

# How far before the block seen at signing another's transaction with our nonce is looked for: nodes can lag.
_LAG = 128


@dataclass(frozen=True)
class Intent:
    """Something to be done once, under a name that its owner can ask for again; without one, once per asking."""

    call: Sendable
    name: str | None = None
    gas: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of an intent: a receipt, or the error that says why there is none."""

    intent: str
    receipt: Receipt | None = None
    error: TheriacError | None = None


@dataclass(frozen=True)
class Simulation:
    """What a call would do in the next block: the bytes it returns, and the gas limit it would be sent with."""

    returned: bytes
    gas: int


@dataclass(frozen=True)
class _Wanted:
    """An intent that is about to be signed."""

    name: str
    call: Call
    gas: int


@dataclass
class _Watch:
    """What this process saw of a flight: when a node was last given it (a monotonic clock) and what came of that, what
    it waits for, and up to which block its nonce was traced."""

    given: float | None = None
    fate: Fate = Fate.UNCLEAR
    reason: str = "no block holds it yet"
    traced: int = -1


class _Giving:
    """Gives the pieces of a group to the node in their order, each while the next one is signed; then their fates.

    Where that is interrupted, the pieces that were not given yet lie in the outbox, and are given from there.
    """

    def __init__(self, give: Callable[[Sequence[tuple[str, Signed]]], list[Fate]], *, aside: bool) -> None:
        self.fates: list[Fate] = []
        self._give = give
        self._aside = ThreadPoolExecutor(max_workers=1) if aside else None
        self._coming: list[Future[list[Fate]]] = []

    def __call__(self, piece: Sequence[tuple[str, Signed]]) -> None:
        if self._aside is None:
            self.fates += self._give(piece)
        else:
            self._coming.append(self._aside.submit(self._give, piece))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._aside is None:
            return
        self._aside.shutdown(cancel_futures=kind is not None)
        if kind is None:
            for each in self._coming:
                self.fates += each.result()


class Sender:
    """Sends the transactions of one account through one outbox.

    Safe to use from many threads; one process has an outbox at a time. No thread of its own outlives a call: whoever
    waits drives all that is open. After a restart everything open goes on as soon as something is waited for, or by
    `resume`.
    """

    def __init__(
        self,
        web3: Web3,
        signer: Signer,
        *,
        outbox: Path | None,
        depth: int = 0,
        reverts: Reverts | None = None,
        limit: int = 64,
        patience: timedelta = timedelta(seconds=30),
        timeout: timedelta = timedelta(minutes=2),
        node_timeout: timedelta = timedelta(seconds=10),
        margin: float = 1.25,
        fee_ceiling: int | None = None,
        zero_fee: bool | None = None,
    ) -> None:
        """`outbox` None keeps everything in memory: safe from lost answers, not from a lost process.

        `depth` is how many blocks must stand on a transaction's before it counts as done. `reverts` gives refusals
        their names (by default the package's ABIs do). At most `limit` transactions are open at once. One that waits
        longer than `patience` is given to the node again, at a higher price if it is the first in the queue, up to
        `fee_ceiling` wei a unit of gas. `timeout` bounds a wait and `node_timeout` one request. `margin` times the
        node's estimate is the gas limit. `zero_fee` says whether gas costs nothing; None asks the chain.

        Raises OutboxBusy, LedgerFileBroken. The chain is first asked when something is sent.
        """
        self.address: ChecksumAddress = signer.address
        self._signer = signer
        self._node = Node(web3, timeout=node_timeout)
        self._depth = depth
        self._reverts = reverts if reverts is not None else Reverts(packaged())
        self._limit = limit
        self._patience = patience.total_seconds()
        self._timeout = timeout.total_seconds()
        self._margin = margin
        self._ceiling = fee_ceiling
        self._zero_fee = zero_fee

        self._chain_id: int | None = None
        self._sure_until = 0.0
        self._head: tuple[float, Header] | None = None
        self._market: tuple[float, Fees] | None = None
        self._watches: dict[str, _Watch] = {}
        self._kinds: dict[tuple[ChecksumAddress | None, bytes, int], int] = {}
        self._trouble = ""
        self._gap_since: float | None = None
        self._driving = threading.Lock()
        self._changed = threading.Condition()
        self._outbox = Outbox(outbox)
        try:
            flights = self._outbox.flights()
        except LedgerFileBroken:
            self._outbox.close()
            raise
        self._left = [(flight.call, flight.name) for flight in flights if flight.name.startswith(UNNAMED)]

    # -- what callers do ---------------------------------------------------------------------------------------------

    def simulate(self, call: Sendable, *, gas: int | None = None) -> Simulation:
        """What a call would do if it were sent now. Raises Reverted, CannotPay, and what a chain can raise."""
        wanted, reverts = call_of(call), self._reverts_of(call)
        self._ready()
        limit = self._gas_limit(wanted, gas, reverts)
        return Simulation(returned=self._call(wanted, limit, reverts), gas=limit)

    def send(
        self, call: Sendable, *, intent: str | None = None, gas: int | None = None, timeout: timedelta | None = None
    ) -> Receipt:
        """Does the call once and waits until it is as deep in the chain as the network demands.

        The same `intent` again gives the same receipt, or the same refusal of a contract in the chain; what was refused
        before it was sent may be tried again. A call without a name is done once for each asking; but where an earlier
        process left the same call open, asking again is to wait for that one. Raises Reverted, CannotPay,
        IntentChanged, NotSettled (it goes on), and what a chain can raise, after which nothing is lost.
        """
        return self.wait(self.submit(call, intent=intent, gas=gas), timeout=timeout)

    def submit(self, call: Sendable, *, intent: str | None = None, gas: int | None = None) -> str:
        """Simulates, signs, keeps and sends, without waiting. Gives the intent's name for `wait`."""
        wanted = call_of(call)
        name = intent if intent is not None else self._unnamed(wanted)
        if self._knows(name, wanted):
            return name
        self._ready()
        try:
            limit = self._gas_limit(wanted, gas, self._reverts_of(call))
        except Reverted:
            # Another thread may have done it in the meantime: then it is refused because it is done.
            if self._knows(name, wanted):
                return name
            raise
        while True:
            self._make_room()
            with self._outbox.lock:
                if self._knows(name, wanted):
                    return name
                if self._outbox.open_count() < self._limit:
                    (refused,) = self._launch([_Wanted(name, wanted, limit)])
                    if refused is not None:
                        raise refused
                    return name

    def wait(self, intent: str, *, timeout: timedelta | None = None) -> Receipt:
        """Waits for what was submitted. Raises UnknownIntent, Reverted, IntentAbandoned, NotSettled."""
        allowed = timeout.total_seconds() if timeout is not None else self._timeout
        receipt: Receipt | None = None

        def settled() -> bool:
            nonlocal receipt
            receipt = self._outcome(intent)
            return receipt is not None

        self._drive_until(settled, intent, allowed)
        if receipt is None:
            raise self._not_settled(intent, allowed)
        return receipt

    def send_all(self, intents: Iterable[Intent], *, timeout: timedelta | None = None) -> Iterator[Outcome]:
        """Sends many, a bounded number at a time, and gives their outcomes in order.

        A refusal or a delay of one is its outcome and stops none of the others. Intents are taken in groups, which cost
        a node a few requests together, so they should be ready when they are asked for; what trickles in is for `send`.
        One that only another of its group makes fail is refused in the chain instead of before.
        """
        window: deque[Outcome] = deque()
        coming = iter(intents)
        while True:
            room = min(self._limit - len(window), _GROUP)
            group = list(islice(coming, room))
            self._submit_all(group, window)
            if len(group) == room and len(window) < self._limit:
                continue
            if not window:
                return
            yield self._finished(window.popleft(), timeout)
            while window and (finished := self._at_hand(window[0])) is not None:
                window.popleft()
                yield finished

    def resume(self, *, timeout: timedelta | None = None) -> tuple[Outcome, ...]:
        """Goes on with all that an earlier process left open, and waits for it."""
        self._ready()
        return tuple(self._finished(Outcome(name), timeout) for name in self.open())

    def open(self) -> tuple[str, ...]:
        """The names of the intents on their way, in the order of their nonces. Asks no chain."""
        return self._outbox.open()

    def abandon(self, intent: str, *, timeout: timedelta | None = None) -> Receipt | None:
        """Gives an intent up: its nonce is spent on nothing, at a higher price, so that what is behind it can go on.

        None once that is settled; the intent's own receipt where it was faster. Raises as `wait` does.
        """
        self._ready()
        with self._outbox.lock:
            flight = self._outbox.flight(intent)
            if flight is not None:
                fees = flight.transactions[-1].fees.raised(self._fees()).capped(self._ceiling)
                void = self._sign(self._nothing, self._nothing_costs(), flight.nonce, fees, void=True)
                self._outbox.keep(intent, void)
                self._give([(intent, void)])
        try:
            return self.wait(intent, timeout=timeout)
        except IntentAbandoned:
            return None

    def close(self) -> None:
        """Gives the outbox back. What is open stays in it."""
        self._outbox.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- before sending ----------------------------------------------------------------------------------------------

    def _ready(self) -> None:
        """This outbox belongs to this account on this chain: asked now and then, since a chain can be begun anew."""
        with self._outbox.lock:
            if self._sure_until > time.monotonic():
                return
            chain_id = self._node.chain_id()
            self._outbox.claim(self.address, chain_id=chain_id, genesis=self._node.genesis())
            self._sure_until = time.monotonic() + _SURE
            if self._zero_fee is None:
                self._zero_fee = not self._node.head().base_fee and self._node.gas_price() == 0
            self._chain_id = chain_id

    def _unnamed(self, call: Call) -> str:
        """A name for what has none: that of the same call where an earlier process left one open, which asks again."""
        with self._outbox.lock:
            for left in self._left:
                if left[0] == call:
                    self._left.remove(left)
                    return left[1]
        return f"{UNNAMED} {uuid4()}"

    def _knows(self, name: str, call: Call) -> bool:
        """Whether the intent is in the outbox. Raises IntentChanged where it stands for another call."""
        kept = self._outbox.call(name)
        if kept is not None and kept != call:
            raise IntentChanged(intent=name)
        return kept is not None

    def _reverts_of(self, call: Sendable) -> Reverts:
        """A function brings the errors of its own contract."""
        if isinstance(call, ContractFunction) and call.contract_abi:
            return self._reverts.knowing(self._reverts.name(call.address), call.contract_abi)
        return self._reverts

    def _gas_limit(self, call: Call, gas: int | None, reverts: Reverts) -> int:
        """The gas to send a call with, found by running it. Raises Reverted, CannotPay."""
        if gas is not None:
            self._call(call, gas, reverts)
            return gas
        block_limit = self._recent_head().gas_limit
        if self._node.embedded:
            # The embedded chain estimates by a dozen full runs, and nobody else wants room in its blocks.
            self._call(call, block_limit, reverts)
            return block_limit
        remembered = self._remembered(call)
        if remembered is not None:
            try:
                self._call(call, self._without_margin(remembered), reverts)
            except (Reverted, ChainRefused):
                # The estimate says whether it only takes more.
                self._kinds.pop(_kind(call), None)
            else:
                return remembered
        try:
            estimate = self._estimate(call, block_limit)
        except CallFailed as failed:
            if not failed.data:
                # Some nodes keep from an estimate the reason that they give in a call.
                self._call(call, block_limit, reverts)
            raise reverts.refusal(failed.data, to=call.to, reason=failed.reason) from None
        except ChainRefused as refused:
            raise self._refused(refused) from None
        return self._with_margin(call, estimate, block_limit)

    def _estimate(self, call: Call, block_limit: int) -> int:
        """Raises CallFailed, ChainRefused."""
        if not self._zero_fee or not self._outbox.open_count():
            return self._ahead(lambda block: self._node.estimate(self._asked(call), block=block))
        try:
            return self._node.estimate(self._asked(call))
        except CallFailed:
            # One run tells whether it builds on what is open, before an estimate makes dozens.
            self._ahead(lambda block: self._node.call(self._asked(call, block_limit), block=block or "latest"))
        return self._node.estimate(self._asked(call), block="pending")

    def _with_margin(self, call: Call, estimate: int, block_limit: int) -> int:
        limit = max(min(int(estimate * self._margin), block_limit), estimate)
        if self._zero_fee:
            limit = max(limit, min(limit + _UNSEEN_GAS, block_limit))
            if len(self._kinds) >= _KINDS:
                self._kinds.clear()
            self._kinds[_kind(call)] = limit
        return limit

    def _without_margin(self, limit: int) -> int:
        return int(limit / self._margin)

    def _remembered(self, call: Call) -> int | None:
        """The gas limit of a call of the same kind, where gas that is not used costs nothing.

        One run shows whether it is enough; an estimate takes some forty where the block's limit is as high as Kaia's.
        """
        return self._kinds.get(_kind(call)) if self._zero_fee else None

    def _quick_limits(self, group: Sequence[tuple[Call, int | None]]) -> list[int | None]:
        """Gas limits found by groups of requests; None for what has to be looked at by itself."""
        found: list[int | None] = [None] * len(group)
        if self._node.embedded:
            return found
        block_limit = self._recent_head().gas_limit
        block = "pending" if self._outbox.open_count() and not self._zero_fee else "latest"
        limits = [gas if gas is not None else self._remembered(call) for call, gas in group]

        tried = [at for at, limit in enumerate(limits) if limit is not None]
        asked: list[tuple[str, list[Any]]] = []
        for at in tried:
            (call, gas), limit = group[at], limits[at] or 0
            trying = limit if gas is not None else self._without_margin(limit)
            asked.append(("eth_call", [self._asked(call, trying), block]))
        for at, answer in zip(tried, self._node.requests(asked), strict=True):
            if not isinstance(answer, Exception):
                found[at] = limits[at]

        # What takes more than its like did is estimated; what fails with the gas that its caller names is not.
        rest = [at for at, (_, gas) in enumerate(group) if gas is None and found[at] is None]
        estimates = self._node.requests([("eth_estimateGas", [self._asked(group[at][0]), block]) for at in rest])
        for at, answer in zip(rest, estimates, strict=True):
            if not isinstance(answer, Exception):
                estimate = self._node.number(answer, what="gas estimate")
                limit = self._with_margin(group[at][0], estimate, block_limit)
                found[at] = max(limit, min(limit + (0 if self._zero_fee else _UNSEEN_GAS), block_limit))
        return found

    def _call(self, call: Call, gas: int, reverts: Reverts) -> bytes:
        try:
            return self._ahead(lambda block: self._node.call(self._asked(call, gas), block=block or "latest"))
        except CallFailed as failed:
            raise reverts.refusal(failed.data, to=call.to, reason=failed.reason) from None
        except ChainRefused as refused:
            raise self._refused(refused) from None

    def _refused(self, refused: ChainRefused) -> Refused | Unavailable:
        if fate_of(refused.reason) is Fate.CANNOT_PAY:
            return CannotPay(address=self.address, needed=None, balance=None)
        return refused

    def _ahead(self, ask: Callable[[str | None], _T]) -> _T:
        """Asks on top of what is open where the node can, so that one intent may build on another.

        Where gas costs nothing it costs nothing either to be refused in a block, and the block that is being made is
        looked at only by what the last block refuses: Kaia takes half a second to show it.
        """
        if self._node.embedded or not self._outbox.open_count():
            return ask(None)
        if self._zero_fee:
            with suppress(CallFailed):
                return ask(None)
        try:
            return ask("pending")
        except ChainRefused:
            return ask(None)

    def _asked(self, call: Call, gas: int | None = None) -> dict[str, Any]:
        asked: dict[str, Any] = {"from": self.address, "data": "0x" + call.data.hex()}
        if call.to is not None:
            asked["to"] = call.to
        if call.value:
            asked["value"] = hex(call.value)
        if gas is not None:
            asked["gas"] = hex(gas)
        return asked

    def _recent_head(self) -> Header:
        if self._head is None or time.monotonic() - self._head[0] > _FRESH:
            return self._look()
        return self._head[1]

    def _look(self) -> Header:
        """The chain's head now. Raises WrongChain where it is lower than before because the chain was begun anew."""
        before, head = self._head, self._node.head()
        self._head = (time.monotonic(), head)
        if before is not None and head.number <= before[1].number and head.hash != before[1].hash:
            self._sure_until = 0.0
            self._ready()
        return head

    def _fees(self) -> Fees:
        """What a transaction has to offer now."""
        if self._market is None or time.monotonic() - self._market[0] > _FRESH:
            self._market = (time.monotonic(), self._asked_fees().capped(self._ceiling))
        return self._market[1]

    def _asked_fees(self) -> Fees:
        base_fee = self._recent_head().base_fee
        if self._zero_fee:
            return Fees(price=0, tip=None if base_fee is None else 0)
        if base_fee is None:
            return Fees(price=self._node.gas_price(), tip=None)
        try:
            tip = self._node.number(self._node.request("eth_maxPriorityFeePerGas", []), what="priority fee")
        except ChainRefused:
            tip = max(self._node.gas_price() - base_fee, 0)
        # Twice the base fee stays enough for five full blocks in a row.
        return Fees(price=2 * base_fee + tip, tip=tip)

    @property
    def _nothing(self) -> Call:
        return Call(to=self.address, data=b"")

    def _nothing_costs(self) -> int:
        """The gas of a transaction to oneself, which runs code where the account is delegated (EIP-7702)."""
        try:
            return int(self._node.estimate(self._asked(self._nothing)) * self._margin)
        except CallFailed:
            return 100_000

    # -- sending -----------------------------------------------------------------------------------------------------

    def _submit_all(self, group: Sequence[Intent], window: deque[Outcome]) -> None:
        """Submits a group in its order and appends to the window what became of each. Raises as `submit` does."""
        calls = [call_of(each.call) for each in group]
        names = [
            each.name if each.name is not None else self._unnamed(call) for each, call in zip(group, calls, strict=True)
        ]
        limits: list[int | None] = [None] * len(group)
        if len(group) > 1:
            self._ready()
            fresh = [at for at, name in enumerate(names) if not self._knows(name, calls[at])]
            found = self._quick_limits([(calls[at], group[at].gas) for at in fresh])
            for at, limit in zip(fresh, found, strict=True):
                limits[at] = limit

        at = 0
        while at < len(group):
            together: list[_Wanted] = []
            for limit in limits[at : at + _GROUP]:
                if limit is None:
                    break
                place = at + len(together)
                together.append(_Wanted(names[place], calls[place], limit))
            if together:
                done = self._submit_ready(together)
                window.extend(done)
                at += len(done)
                continue
            if self._knows(names[at], calls[at]):
                window.append(Outcome(names[at]))
                at += 1
                continue
            try:
                window.append(Outcome(self.submit(group[at].call, intent=names[at], gas=group[at].gas)))
                # It was refused as long as those before it were not there: what comes after is simulated anew as well.
                limits = [None] * len(group)
            except Refused as error:
                window.append(Outcome(group[at].name or "", error=error))
            at += 1

    def _submit_ready(self, group: Sequence[_Wanted]) -> list[Outcome]:
        """Submits as many of a group's first as there is room for, at least one."""
        while True:
            self._make_room()
            with self._outbox.lock:
                room = self._limit - self._outbox.open_count()
                if room <= 0:
                    continue
                outcomes: list[Outcome] = []
                fresh: dict[str, _Wanted] = {}
                for wanted in group[:room]:
                    outcomes.append(Outcome(wanted.name))
                    if wanted.name in fresh and fresh[wanted.name].call != wanted.call:
                        raise IntentChanged(intent=wanted.name)
                    if not self._knows(wanted.name, wanted.call):
                        fresh[wanted.name] = wanted
                refusals = dict(zip(fresh, self._launch(list(fresh.values())), strict=True))
                return [replace(each, error=refusals.get(each.intent)) for each in outcomes]

    def _launch(self, group: Sequence[_Wanted]) -> list[Refused | Unavailable | None]:
        """Signs with the next nonces, keeps, then sends; the error of each that was refused for good.

        Under the outbox's lock, so that nonces leave in order.
        """
        if not group:
            return []
        fees = self._fees()
        needed = [each.gas * fees.price + each.call.value for each in group]
        balance = self._node.balance(self.address) if any(needed) else 0
        refusals: dict[str, Refused | Unavailable | None] = {
            each.name: CannotPay(address=self.address, needed=sum_, balance=balance) if sum_ > balance else None
            for each, sum_ in zip(group, needed, strict=True)
        }
        going = [each for each in group if refusals[each.name] is None]
        signed: list[Signed] = []
        trouble: Exception | None = None
        nonce = self._next_nonce() if going else 0
        # The embedded chain runs in this process, and two threads would only wait for each other.
        with _Giving(self._give_or_hold, aside=len(going) > _GIVEN and not self._node.embedded) as give:
            while len(signed) < len(going) and trouble is None:
                at = len(signed)
                piece, trouble = self._sign_and_keep(going[at : at + _GIVEN], nonce + at, fees)
                give([(each.name, transaction) for each, transaction in zip(going[at:], piece, strict=False)])
                signed += piece
        fates = give.fates
        last = True
        for each, transaction, fate in reversed(list(zip(going, signed, fates, strict=False))):
            if fate not in (Fate.CANNOT_PAY, Fate.NEVER):
                last = False
                continue
            reason = self._watches.pop(each.name).reason
            # The only node that ever saw it has refused it for good: with nothing behind it its nonce is free.
            self._outbox.withdraw(each.name)
            if not last:
                self._fill(transaction.nonce)
            refusals[each.name] = self._refused(
                ChainRefused(endpoint=self._node.endpoint, method="eth_sendRawTransaction", reason=reason)
            )
        if trouble is not None:
            raise trouble
        return [refusals[each.name] for each in group]

    def _sign_and_keep(self, group: Sequence[_Wanted], nonce: int, fees: Fees) -> tuple[list[Signed], Exception | None]:
        """As many of the group's first as can be signed and kept, and what kept the others from it."""
        signed: list[Signed] = []
        trouble: Exception | None = None
        for place, each in enumerate(group):
            try:
                signed.append(self._sign(each.call, each.gas, nonce + place, fees))
            except Exception as fault:
                # A signer may be gone or say no: what it has signed is sent all the same.
                trouble = fault
                break
        try:
            with self._outbox.together():
                for each, transaction in zip(group, signed, strict=False):
                    self._outbox.launch(each.name, each.call, each.gas, transaction)
        except Exception as fault:
            return [], fault
        return signed, trouble

    def _next_nonce(self) -> int:
        """The nonce after all that are open; with nothing open the chain's word counts, after a reorganisation too."""
        last_open = self._outbox.last_open_nonce()
        if last_open is not None:
            return last_open + 1
        free = max(self._node.count(self.address), self._node.count(self.address, block="pending"))
        # A node that lags has the receipt of what it does not count yet; a chain that was set back has not.
        used = self._outbox.signed_from(free)
        return next((nonce + 1 for nonce, hash_ in used if self._node.landed(hash_) is not None), free)

    def _sign(self, call: Call, gas: int, nonce: int, fees: Fees, *, void: bool = False) -> Signed:
        """Raises WrongSignature where the signer signs anything else."""
        head = self._recent_head().number
        fields = {
            "chainId": self._chain_id,
            "nonce": nonce,
            "gas": gas,
            "value": call.value,
            "data": "0x" + call.data.hex(),
            **({"to": call.to} if call.to is not None else {}),
            **fees.fields(),
        }
        raw = bytes(self._signer.sign_transaction(fields))
        fault = fault_of(raw, fields, self.address)
        if fault:
            raise WrongSignature(address=self.address, fault=fault)
        hash_ = HexStr("0x" + keccak(raw).hex())
        return Signed(hash=hash_, nonce=nonce, raw=raw, fees=fees, void=void, signed=time.time(), head=head)

    def _give(self, given: Sequence[tuple[str, Signed]]) -> list[Fate]:
        """Gives kept transactions to the node, in order. Whatever comes of it, they stay in the outbox.

        A pool that fills up, and is emptied by a block in the middle, would take the last of them without those before,
        and be full of what waits for what it refuses: so few go together, and none after a refusal for want of room.
        """
        fates: list[Fate] = []
        for at in range(0, len(given), _GIVEN):
            fates += self._give_together(given[at : at + _GIVEN])
            if Fate.FULL in fates:
                break
        return fates + self._hold(given[len(fates) :])

    def _hold(self, given: Sequence[tuple[str, Signed]]) -> list[Fate]:
        """Keeps back what the node's pool has no room for now."""
        for name, _ in given:
            self._watches[name] = _Watch(fate=Fate.FULL, reason="the node's pool is full")
        return [Fate.FULL] * len(given)

    def _give_together(self, given: Sequence[tuple[str, Signed]]) -> list[Fate]:
        watches = [self._watches.setdefault(name, _Watch()) for name, _ in given]
        for watch in watches:
            watch.given, watch.fate = time.monotonic(), Fate.UNCLEAR
        try:
            answers = self._node.requests([(_RAW, ["0x" + signed.raw.hex()]) for _, signed in given])
        except Unavailable as silent:
            for watch in watches:
                watch.reason = str(silent)
            return [watch.fate for watch in watches]
        strange = ""
        for watch, (_, signed), answer in zip(watches, given, answers, strict=True):
            if isinstance(answer, ChainRefused | CallFailed):
                # It decides over a nonce, so it counts only where the node is believed.
                watch.fate = Fate.UNCLEAR if self._node.proving else fate_of(answer.reason)
                watch.reason = answer.reason
                if watch.fate is Fate.UNCLEAR and self._node.embedded:
                    # The embedded chain decides at once, and keeps nothing that it refuses.
                    watch.fate = Fate.NEVER
            elif self._node.word(answer, what="transaction hash") != signed.hash:
                strange = f"it was given transaction {signed.hash} and speaks of {answer}"
            else:
                watch.fate = Fate.TAKEN
            if watch.fate is Fate.TAKEN:
                watch.reason = "no block holds it yet"
        if strange:
            self._node.lied(strange)
        return [watch.fate for watch in watches]

    def _give_or_hold(self, given: Sequence[tuple[str, Signed]]) -> list[Fate]:
        """Gives what is new, unless something before it waits for room in the node's pool."""
        if not any(watch.fate is Fate.FULL for watch in list(self._watches.values())):
            return self._give(given)
        return self._hold(given)

    def _make_room(self) -> None:
        """Waits until fewer than the limit are open. Raises NotSettled for the one that holds the others up."""
        if self._outbox.open_count() < self._limit:
            return
        first = self.open()[0]
        self._drive_until(lambda: self._outbox.open_count() < self._limit, first, self._timeout)
        if self._outbox.open_count() >= self._limit:
            raise self._not_settled(first, self._timeout)

    # -- looking after what is open ----------------------------------------------------------------------------------

    def _drive_until(self, done: Callable[[], bool], intent: str, allowed: float) -> None:
        """Drives, or lets another thread drive, until something is done or the time is up."""
        deadline = time.monotonic() + allowed
        pause = 0.01
        while not done():
            # However short the time, it is enough to look once.
            self._drive(max(deadline, time.monotonic() + _FRESH))
            if done() or time.monotonic() >= deadline:
                return
            with self._changed:
                self._changed.wait(min(pause, max(deadline - time.monotonic(), 0)))
            pause = min(1.5 * pause, _LOOK)

    def _drive(self, deadline: float) -> None:
        """Looks after all that is open, unless another thread is at it; a slow node only until the time is up."""
        if not self._driving.acquire(blocking=False):
            return
        try:
            self._ready()
            self._advance(deadline)
            self._trouble = ""
        except Unavailable as trouble:
            self._trouble = str(trouble)
        finally:
            self._driving.release()
            with self._changed:
                self._changed.notify_all()

    def _advance(self, deadline: float) -> None:
        flights = self._outbox.flights()
        if not flights:
            return
        head = self._look().number
        count = self._node.count(self.address)
        self._close_gap(count, flights[0].nonce)
        passed = [flight for flight in flights if flight.nonce < count]
        waiting = flights[len(passed) :]
        for at in range(0, len(passed), _GROUP):
            if at and time.monotonic() >= deadline:
                return
            self._settle(passed[at : at + _GROUP], head, deadline)
        self._push(waiting, count, head)

    def _settle(self, flights: Sequence[Flight], head: int, deadline: float) -> None:
        """Closes the flights of which a transaction is deep enough."""
        found = self._landed(flights)
        deep: list[tuple[Flight, Signed, Landed]] = []
        for flight in flights:
            if flight.name not in found:
                continue
            signed, landed = found[flight.name]
            above = head - landed.block
            if above < self._depth:
                self._watch(flight).reason = f"{max(above, 0)} of {self._depth} blocks stand on it"
            else:
                deep.append((flight, signed, landed))

        numbers = sorted({landed.block for _, _, landed in deep})
        headers = dict(zip(numbers, self._node.headers(numbers), strict=True))
        failed = {flight.name: self._why(flight, landed) for flight, _, landed in deep if not landed.succeeded}
        with self._outbox.together():
            for flight, signed, landed in deep:
                header = headers[landed.block]
                if header is None or header.hash != landed.block_hash:
                    self._watch(flight).reason = "its block is being replaced"
                    continue
                if signed.void:
                    self._outbox.abandon(flight.name)
                elif landed.succeeded:
                    self._outbox.settle(flight.name, landed, signed.fees)
                else:
                    self._outbox.revert(flight.name, failed[flight.name])
                self._watches.pop(flight.name, None)

        for place, flight in enumerate(flight for flight in flights if flight.name not in found):
            if place and time.monotonic() >= deadline:
                return
            self._trace(flight, head - self._depth, deadline)

    def _landed(self, flights: Sequence[Flight]) -> dict[str, tuple[Signed, Landed]]:
        """The transactions of flights that are in the chain, by the intent's name; one at most of each."""
        signed = [(flight.name, each) for flight in flights for each in reversed(flight.transactions)]
        answers = self._node.all_landed([each.hash for _, each in signed])
        found: dict[str, tuple[Signed, Landed]] = {}
        for (name, each), landed in zip(signed, answers, strict=True):
            if landed is not None:
                found.setdefault(name, (each, landed))
        return found

    def _why(self, flight: Flight, landed: Landed) -> CallFailed:
        """Why a transaction failed in its block: the same call again, before the block and after it."""
        if landed.gas_used >= flight.gas:
            return CallFailed(data=b"", reason="it ran out of gas")
        asked = self._asked(flight.call, flight.gas)
        for block in (max(landed.block - 1, 0), landed.block):
            try:
                self._node.call(asked, block=hex(block))
            except CallFailed as failed:
                return failed
            except ChainRefused:
                continue
        return CallFailed(data=b"", reason="it does not fail when it is tried again")

    def _push(self, flights: Sequence[Flight], count: int, head: int) -> None:
        """Gives transactions again that no block takes; at a better price where the price may be the reason."""
        due: list[Flight] = []
        for flight in flights:
            watch = self._watch(flight)
            if self._is_due(watch):
                due.append(flight)
            elif watch.fate is Fate.FULL:
                break
        at = 0
        while at < len(due):
            # Where there is little room, what is behind must not take the place of what it waits for: one by one.
            size = 1 if self._watch(due[at]).fate is Fate.FULL else _GROUP
            if Fate.FULL in self._push_group(due[at : at + size], count, head):
                return
            at += size

    def _push_group(self, flights: Sequence[Flight], count: int, head: int) -> list[Fate]:
        with self._outbox.lock:
            given: list[tuple[str, Signed]] = []
            for flight in flights:
                if not self._outbox.is_open(flight.name):
                    continue
                watch, newest = self._watch(flight), flight.transactions[-1]
                first = flight.nonce == count and watch.given is not None
                slow = first and time.time() - newest.signed >= self._patience
                # A chain that has stopped takes nothing at any price: after a few prices it is blocks that count.
                slow = slow and (len(flight.transactions) <= _STEPS or head > newest.head)
                if slow or watch.fate is Fate.TOO_CHEAP:
                    newest = self._repriced(flight, newest) or newest
                given.append((flight.name, newest))
            return self._give(given)

    def _is_due(self, watch: _Watch) -> bool:
        """Whether it is time to give a transaction again."""
        if watch.given is None:
            return True
        wait = self._patience if watch.fate is Fate.TAKEN else min(_SOON, self._patience)
        return time.monotonic() - watch.given >= wait

    def _repriced(self, flight: Flight, newest: Signed) -> Signed | None:
        """The same with the same nonce, signed and kept at a price that replaces it; None where there is none."""
        self._look()
        self._market = None
        market, fees = self._fees(), newest.fees
        # A node that calls it too cheap again and again has a floor that is far away: up to twice as much at a time.
        again = len(flight.transactions) if self._watch(flight).fate is Fate.TOO_CHEAP else 1
        for _ in range(min(again, _STEPS)):
            fees = fees.raised(market)
        fees = fees.capped(self._ceiling)
        if self._zero_fee or fees.price <= newest.fees.price:
            return None
        call, gas = (self._nothing, self._nothing_costs()) if newest.void else (flight.call, flight.gas)
        try:
            signed = self._sign(call, gas, flight.nonce, fees, void=newest.void)
        except (Unavailable, LedgerFileBroken):
            raise
        except Exception as trouble:
            # A signer may be gone or say no; what it signed before is still good.
            self._watch(flight).reason = f"the signer does not sign a better price: {trouble}"
            return None
        self._outbox.keep(flight.name, signed)
        return signed

    def _trace(self, flight: Flight, last: int, deadline: float) -> None:
        """The nonce is used, but no receipt says by one of ours: looks for what used it.

        That no receipt was found proves nothing, and sending again on that would do it twice. What frees the intent for
        a new nonce is another's transaction in a block that counts as final; or that no block up to one that counts as
        final holds one of ours, and the nonce is used there all the same: a delegation uses one up (EIP-7702).
        """
        watch = self._watch(flight)
        watch.reason = f"nonce {flight.nonce} is used, and it is not known yet by what"
        seen = min(signed.head for signed in flight.transactions if signed.nonce == flight.nonce)
        for number in range(max(watch.traced + 1, seen - _LAG, 0), last + 1):
            if time.monotonic() >= deadline:
                return
            for passage in self._node.passages(number):
                if passage.hash in {signed.hash for signed in flight.transactions}:
                    return
                if passage.sender == self.address and passage.nonce == flight.nonce:
                    self._move(flight)
                    return
            watch.traced = number
        if watch.traced >= last >= 0 and self._node.count(self.address, block=hex(last)) > flight.nonce:
            self._move(flight)

    def _move(self, flight: Flight) -> None:
        """Signs an intent anew whose nonce another wallet of the account has used."""
        with self._outbox.lock:
            if not self._outbox.is_open(flight.name):
                return
            nonce = max(self._next_nonce(), self._node.count(self.address))
            signed = self._sign(flight.call, flight.gas, nonce, self._fees())
            self._outbox.keep(flight.name, signed)
            self._watches[flight.name] = _Watch()
            self._give([(flight.name, signed)])

    def _close_gap(self, count: int, lowest: int) -> None:
        """Fills nonces that nothing uses and that all behind them wait for.

        A deep reorganisation leaves such a gap, or a transaction of another wallet that was dropped. What has the nonce
        in the outbox is opened and sent again; else the nonce is spent on nothing.
        """
        free = max(count, self._node.count(self.address, block="pending")) if lowest > count else lowest
        if free >= lowest:
            self._gap_since = None
            return
        if self._gap_since is None:
            self._gap_since = time.monotonic()
        if time.monotonic() - self._gap_since < self._patience:
            return
        self._gap_since = None
        with self._outbox.lock:
            for nonce in range(free, lowest):
                if not self._outbox.reopen(nonce):
                    self._fill(nonce)

    def _fill(self, nonce: int) -> None:
        """Spends a nonce on nothing."""
        gas = self._nothing_costs()
        signed = self._sign(self._nothing, gas, nonce, self._fees())
        name = f"gap at nonce {nonce} {uuid4()}"
        self._outbox.launch(name, self._nothing, gas, signed)
        self._give([(name, signed)])

    # -- what is told ------------------------------------------------------------------------------------------------

    def _outcome(self, name: str) -> Receipt | None:
        """The receipt of an intent, None while it is open. Raises UnknownIntent, Reverted, IntentAbandoned."""
        outcome = self._outbox.outcome(name)
        if isinstance(outcome, Failure):
            raise self._reverts.refusal(outcome.data, to=outcome.to, reason=outcome.reason)
        return outcome

    def _at_hand(self, outcome: Outcome) -> Outcome | None:
        """What became of it, unless that is still open."""
        if outcome.error is not None:
            return outcome
        try:
            receipt = self._outcome(outcome.intent)
        except Refused as error:
            return replace(outcome, error=error)
        return None if receipt is None else replace(outcome, receipt=receipt)

    def _finished(self, outcome: Outcome, timeout: timedelta | None) -> Outcome:
        if outcome.error is not None:
            return outcome
        try:
            return replace(outcome, receipt=self.wait(outcome.intent, timeout=timeout))
        except (Refused, Unavailable) as error:
            return replace(outcome, error=error)

    def _watch(self, flight: Flight) -> _Watch:
        return self._watches.setdefault(flight.name, _Watch())

    def _not_settled(self, name: str, seconds: float) -> NotSettled:
        signed = self._outbox.signed_for(name)
        reason = self._trouble or self._watches.get(name, _Watch()).reason
        return NotSettled(intent=name, transaction=signed[-1].hash if signed else "", seconds=seconds, reason=reason)


def _kind(call: Call) -> tuple[ChecksumAddress | None, bytes, int]:
    """Calls that take much the same gas: of the same function, with arguments of the same length."""
    return call.to, call.data[:4], len(call.data)

"""A relayer: takes groups of signed messages, pays for them, and can do nothing with them but carry or delay.

What it takes on is in its journal before it answers, what it sends in the sender's outbox before any node sees it, so
that after a crash at any moment each group is carried once or refused. `docs/protocol/relayer.md` says how it is asked;
`theriac.health.relayer_http` listens.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

from theriac.errors import (
    BadVoucher,
    CannotPay,
    IntentAbandoned,
    NoProfile,
    NotSettled,
    Refused,
    RelayBusy,
    RelayRefused,
    Reverted,
    TheriacError,
    Unavailable,
    UnknownIntent,
)
from theriac.health.bundle import Profile
from theriac.health.chain import Chain
from theriac.health.groups import MOST_CALLS, Group, Item, Lane, State, check_documents, item_of
from theriac.health.journal import Journal, Limit, Status, Waiting
from theriac.health.messages import member_address
from theriac.health.vouchers import VOUCHER_KEY, BlankKey, Realm, Voucher
from theriac.ledger.contracts import Call, Contracts, Receipt, call_of
from theriac.ledger.node import CallFailed, Node
from theriac.ledger.sender import Sender
from theriac.store import Cid, Store, compute

_DAY = 24 * 3600

# How many times as much is free for those that a member has vouched for here: each revoke publishes every pseudonym.
_KNOWN = 4

# What a punishment uses up of what is free.
_ALL = 1 << 20

# How many revokes are free together.
_REVOKES = 4

# How long a reason may be that is kept and told: it may be a stranger's.
_LONGEST_REASON = 240

# A group that has come through a simulation and then failed in a batch so often has no luck.
_TRIES = 4

# What is refused is remembered for this many seconds, for this many requests, so that a replay costs a look.
_REMEMBERED, _REMEMBERED_FOR = 4096, 30.0


@dataclass(frozen=True)
class Policy:
    """What a relayer lets itself be asked for. Numbers are a day's, UTC, unless they say otherwise.

    :param members: whose vouchers count; every member's in standing where it is empty.
    :param free_ends: revokes of a pseudonym that need no voucher, `free_keys` publications.
    :param ends_gas: what all free revokes together may cost of pseudonyms that no member has vouched for here;
        `keys_gas` the same for publications.
    :param voucher_acts: the most that a voucher is believed to allow, and `voucher_gas`; `member_gas` for all vouchers
        and blanks of a member together.
    :param blank_acts: how many acts a blank is good for, ever, `blank_gas` for how much gas, and for how many days.
    :param group_gas: the most that one group may use; `batch_gas` and `batch_groups` bound a transaction.
    :param waiting: how many requests may be on their way; half as many more where they end access. `of_one`: of one
        pseudonym.
    :param body: the longest request in bytes; `stored` is what a pseudonym may have pinned, `strangers_stored` all of
        those together that no member has vouched for.
    :param asks: questions a minute of all who show no voucher, twice: for what ends access, and for the rest;
        `asks_of_one` of a pseudonym that shows one.
    :param patience: seconds that groups wait for others to share a transaction; those that end access do not wait.
    :param notice: seconds that a signature must still count when it is taken on.
    """

    members: tuple[int, ...] = ()
    free_ends: int = 12
    free_keys: int = 4
    ends_gas: int = 30_000_000
    keys_gas: int = 10_000_000
    voucher_acts: int = 100
    voucher_gas: int = 20_000_000
    member_gas: int = 200_000_000
    blank_acts: int = 24
    blank_gas: int = 12_000_000
    blank_days: int = 90
    group_gas: int = 4_000_000
    batch_gas: int = 10_000_000
    batch_groups: int = 16
    waiting: int = 256
    of_one: int = 4
    body: int = 16 << 20
    stored: int = 128 << 20
    strangers_stored: int = 512 << 20
    asks: int = 1200
    asks_of_one: int = 30
    patience: float = 1.0
    notice: int = 60

    def values(self) -> dict[str, Any]:
        return {**vars(self), "members": list(self.members)}


@dataclass(frozen=True)
class _Fare:
    """Who answers for a group: what it is charged to, in order, and whether a member vouches for it."""

    limits: tuple[Limit, ...]
    blank: str = ""
    vouched: bool = False


class _Bucket:
    """So many a minute, and as many at once."""

    def __init__(self, rate: int, clock: Callable[[], float]) -> None:
        self._rate, self._clock = rate, clock
        self._left, self._at = float(rate), clock()

    def take(self) -> bool:
        now = self._clock()
        self._left = min(float(self._rate), self._left + (now - self._at) * self._rate / 60)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Relayer:
    """Takes groups on from any number of threads; `step`, called by one of them, brings them to the chain."""

    def __init__(
        self,
        *,
        chain: Chain,
        sender: Sender,
        store: Store,
        journal: Path | None,
        policy: Policy | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`sender` pays, from an outbox of its own; its address is the relayer's name. Raises LedgerFileBroken."""
        self.policy = policy if policy is not None else Policy()
        self.address = str(sender.address)
        self.trouble = ""
        self._chain = chain
        self.contracts: Contracts = chain.contracts
        self._node = Node(chain.web3)
        self._sender = sender
        self._store = store
        self._clock = clock
        self._journal = Journal(journal)
        self._refused: OrderedDict[str, tuple[float, TheriacError]] = OrderedDict()
        self._strangers = _Bucket(self.policy.asks, clock)
        self._ends = _Bucket(self.policy.asks, clock)
        self._keys: dict[int, Profile] = {}
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._guard = threading.Lock()
        self._profiles: dict[bytes, Profile] = {}
        self._woken = threading.Event()
        self._resting = 0.0
        self._broke = False
        deployment = self.contracts.deployment
        self.realm = Realm(deployment.chain_id, str(deployment["Carrier"].address))
        for id_ in self._journal.arriving():
            self._unpin(id_)
            self._journal.drop(id_)

    def close(self) -> None:
        self._journal.close()

    # -- asking ------------------------------------------------------------------------------------------------------

    def info(self) -> dict[str, Any]:
        """What anybody may know: who pays, on which chain, for how much."""
        return {
            "kind": "relayer",
            "format": 1,
            "relayer": self.address,
            "chain": self.realm.chain_id,
            "carrier": self.realm.carrier,
            "calls": MOST_CALLS,
            "policy": self.policy.values(),
            "waiting": self._journal.count(),
            # What it is, with the addresses of its node, is for whoever runs it.
            "trouble": "it cannot send at the moment" if self.trouble else "",
        }

    def status(self, id_: str) -> Status | None:
        """What became of a request."""
        return self._journal.status(id_)

    def accept(self, group: Group) -> Status:
        """Takes a group on, or says what became of it.

        The checks go from cheap to dear. Raises RelayRefused, RelayBusy, BadGroup, BadVoucher, and what a chain or a
        store can raise; then nothing was taken on.
        """
        # (1) it was asked before: the same answer, for the price of a look
        known = self._journal.status(group.id)
        if known is not None:
            return known
        self._recall(group.id)
        try:
            return self._accept(group)
        except (RelayRefused, BadVoucher) as refusal:
            self._remember(group.id, refusal)
            raise

    def _accept(self, group: Group) -> Status:
        # (2) there is room, more for what ends access
        policy, now = self.policy, self._clock()
        room = policy.waiting + (policy.waiting // 2 if group.lane is Lane.ENDS else 0)
        if self._broke and self._clock() < self._resting + 60:
            raise RelayBusy(reason="it has nothing left to pay with", seconds=60)
        if self._journal.count() >= room:
            raise RelayBusy(reason="too much is waiting", seconds=30)
        if self._journal.count_of(group.pseudonym) >= policy.of_one:
            raise RelayBusy(reason="others of this pseudonym are on their way", seconds=5, status=429)
        self._take_turn(group)

        # (3) what it still has to do, on the chain's own word
        state = State(self.contracts)
        left = state.undone(group.items)
        if not left:
            return Status(group.id, "done")
        if group.deadline < self._time() + policy.notice:
            raise RelayRefused(code="too-late", reason="its deadline is over or too near; sign it anew")

        # (4) who answers for it, before the simulation costs anything
        rest = Group(tuple(left), group.documents, group.voucher, group.blank)
        fare = self._fare(rest, state)
        self._check_room(fare)

        # (5) it would be done if it were sent now
        gas = self._simulate(left)
        if gas > policy.group_gas:
            raise RelayRefused(code="too-dear", reason=f"it takes {gas:,} gas, and {policy.group_gas:,} is the most")

        # (6) what comes along is named by it
        files = check_documents(group)

        # (7) written down, charged, pinned, and only then queued
        size = sum(map(len, files.values()))
        waiting = Waiting(
            id=group.id,
            pseudonym=group.pseudonym,
            lane=rest.lane,
            received=now,
            deadline=rest.deadline,
            calls=tuple((each.contract, each.call.data.hex()) for each in group.items),
            gas=gas,
            charges=(),
            tries=0,
        )
        return self._take_on(waiting, fare, files, size)

    def _take_on(self, waiting: Waiting, fare: _Fare, files: dict[bytes, bytes], size: int) -> Status:
        with self._journal.lock:
            known = self._journal.status(waiting.id)
            if known is not None:
                return known
            if waiting.id in self._journal.arriving():
                raise RelayBusy(reason="the same is being taken on", seconds=1, status=429)
            try:
                self._journal.take(waiting, limits=fare.limits, size=size, blank=fare.blank, known=fare.vouched)
            except RelayRefused as refusal:
                raise self._tomorrow(refusal) from None
        try:
            self._keep(waiting, files)
        except BaseException:
            self._unpin(waiting.id)
            self._journal.drop(waiting.id)
            raise
        self._journal.queue(waiting.id)
        self.wake()
        return Status(waiting.id, "queued")

    def _take_turn(self, group: Group) -> None:
        """Bounds how often the chain is asked.

        Who shows what a member has signed has a bucket of its own, which nobody else can empty: a voucher is known to
        its owner, its member and this relayer. All others share one, and another for what ends access. There is none
        for a pseudonym by its name alone, which anybody can say.
        """
        shown = self._is_vouched(group)
        with self._guard:
            if shown:
                bucket = self._buckets.pop(group.pseudonym, None) or _Bucket(self.policy.asks_of_one, self._clock)
                self._buckets[group.pseudonym] = bucket
                while len(self._buckets) > 4 * _REMEMBERED:
                    self._buckets.popitem(last=False)
            else:
                bucket = self._ends if group.lane is Lane.ENDS else self._strangers
            if not bucket.take():
                raise RelayBusy(reason="too many questions", seconds=10, status=429)

    def _is_vouched(self, group: Group) -> bool:
        """Whether what came with a group is signed by a key that its member was last seen with. Asks no chain."""
        voucher, blank = group.voucher, group.blank
        try:
            if voucher is not None and voucher.member in self._keys:
                key = self._keys[voucher.member].endpoints.get(VOUCHER_KEY, "")
                named = (voucher.relayer, voucher.pseudonym) == (self.address, group.pseudonym)
                return named and voucher.signer(self.realm).lower() == key.lower()
        except BadVoucher:
            return False
        if blank is not None and blank.member in self._keys:
            public = BlankKey.of(self._keys[blank.member])
            signed = public is not None and blank.relayer == self.address and blank.is_signed(public.public)
            return signed and blank.is_for(group.pseudonym)
        return False

    def _recall(self, id_: str) -> None:
        with self._guard:
            kept = self._refused.get(id_)
        if kept is not None and self._clock() - kept[0] < _REMEMBERED_FOR:
            raise kept[1]

    def _remember(self, id_: str, refusal: TheriacError) -> None:
        # Without a voucher, the same messages may come again with one.
        if isinstance(refusal, RelayRefused) and refusal.code in ("reverted", "too-dear", "too-late"):
            with self._guard:
                self._refused[id_] = (self._clock(), refusal)
                while len(self._refused) > _REMEMBERED:
                    self._refused.popitem(last=False)

    def _time(self) -> int:
        """The second of the latest block, which contracts hold deadlines against."""
        return self._chain.time()

    # -- who pays ----------------------------------------------------------------------------------------------------

    def _fare(self, group: Group, state: State) -> _Fare:
        """What lets a group be carried: that it is free, a voucher, or a blank.

        Free is a revoke that ends a live grant, the end of an era, and the next version of keys that the chain knows
        already: a fresh account has none of them. Raises RelayRefused, BadVoucher.
        """
        free = self._free(group, state)
        if free is not None and self._has_room(free):
            return free
        if group.voucher is not None:
            return self._by_voucher(group, group.voucher)
        if group.blank is not None:
            return self._by_blank(group)
        if free is not None:
            raise self._tomorrow(RelayRefused(code="used-up", reason="what is free for it today is used up"))
        raise RelayRefused(code="no-voucher", reason="it is not free, and no voucher came with it")

    def _free(self, group: Group, state: State) -> _Fare | None:
        pseudonym, today, policy = group.pseudonym, self._today(), self.policy
        if group.lane is Lane.REST or not state.version(pseudonym):
            return None
        # One act's worth: each revoke ends another grant, and of all else there is one.
        revokes = [each for each in group.items if each.function == "revokeBySig"]
        others = [each.function for each in group.items if each.function != "revokeBySig"]
        published = [each for each in group.items if each.names]
        if len(set(others)) < len(others) or len(published) > 1 or len(revokes) > _REVOKES:
            return None
        # A grant can be narrowed for ever: that is no end.
        if "narrowBySig" in others:
            return None
        if not all(state.has_live_grant(each, now=self._time()) for each in revokes):
            return None
        ends_something = bool(revokes)
        name, acts = ("free-ends", policy.free_ends) if ends_something else ("free-keys", policy.free_keys)
        known = self._journal.is_known(pseudonym)
        acts *= _KNOWN if known else 1
        limits = [Limit(f"{name}:{pseudonym}", today, acts=acts), self._stored_limit(pseudonym)]
        if not known:
            pot = (
                Limit("ends", today, gas=policy.ends_gas)
                if ends_something
                else Limit("keys", today, gas=policy.keys_gas)
            )
            limits += [pot, Limit("stored", today, size=policy.strangers_stored)]
        return _Fare(tuple(limits))

    def _stored_limit(self, pseudonym: str) -> Limit:
        return Limit(f"stored:{pseudonym}", self._today(), size=self.policy.stored)

    def _by_voucher(self, group: Group, voucher: Voucher) -> _Fare:
        policy = self.policy
        if voucher.relayer != self.address:
            raise RelayRefused(code="voucher-of-another", reason=f"its voucher is for the relayer {voucher.relayer}")
        if voucher.pseudonym != group.pseudonym:
            raise RelayRefused(code="voucher-of-another", reason="its voucher is another pseudonym's")
        if voucher.expiry <= self._time():
            raise RelayRefused(code="voucher-expired", reason="its voucher has expired; ask the desk for another")
        key = self._profile(voucher.member).endpoints.get(VOUCHER_KEY, "")
        if not key or voucher.signer(self.realm).lower() != key.lower():
            raise RelayRefused(code="voucher-forged", reason=f"its voucher is not signed by member {voucher.member}")
        subject = f"voucher:{voucher.member}:{voucher.pseudonym}"
        acts, gas = min(voucher.acts, policy.voucher_acts), min(voucher.gas, policy.voucher_gas)
        own = Limit(subject, self._today(), acts=acts, gas=gas)
        return _Fare((own, self._member_limit(voucher.member), self._stored_limit(group.pseudonym)), vouched=True)

    def _by_blank(self, group: Group) -> _Fare:
        blank, policy = group.blank, self.policy
        assert blank is not None
        if blank.relayer != self.address:
            raise RelayRefused(
                code="voucher-of-another", reason=f"its blank voucher is for the relayer {blank.relayer}"
            )
        key = BlankKey.of(self._profile(blank.member))
        if key is None or not blank.is_signed(key.public):
            raise RelayRefused(code="voucher-forged", reason=f"its blank is not signed by member {blank.member}")
        since = self._journal.blank_since(blank.id)
        if since is None and key.until <= self._time():
            raise RelayRefused(code="voucher-expired", reason="its blank voucher has expired; ask the desk for another")
        if since is not None and since + policy.blank_days * _DAY <= self._clock():
            raise RelayRefused(code="voucher-expired", reason="its blank voucher has been in use for too long")
        if not blank.is_for(group.pseudonym):
            raise RelayRefused(code="voucher-forged", reason="its blank is not given to this pseudonym by its holder")
        if self._journal.user_of(blank.id) not in (None, group.pseudonym):
            raise RelayRefused(code="voucher-used", reason="its blank voucher is used by another pseudonym")
        own = Limit(f"blank:{blank.id}", 0, acts=policy.blank_acts, gas=policy.blank_gas)
        limits = (own, self._member_limit(blank.member), self._stored_limit(group.pseudonym))
        return _Fare(limits, blank=blank.id, vouched=True)

    def _member_limit(self, member: int) -> Limit:
        return Limit(f"member:{member}", self._today(), gas=self.policy.member_gas)

    def _profile(self, member: int) -> Profile:
        """What a member in standing publishes of itself, as the chain names it now."""
        if self.policy.members and member not in self.policy.members:
            raise RelayRefused(code="member", reason=f"this relayer takes no vouchers of member {member}")
        standing = self.contracts.Consortium.functions.inStanding(member)
        if not self.contracts.call(standing):
            raise RelayRefused(code="member", reason=f"member {member} is not in standing")
        digest = self._chain.digest(self._chain.member_account(member))
        if digest not in self._profiles:
            try:
                self._profiles[digest] = self._chain.profile(member_address(member), self._store)
            except NoProfile as fault:
                raise RelayRefused(code="member", reason=str(fault)) from None
        self._keys[member] = self._profiles[digest]
        return self._profiles[digest]

    def _check_room(self, fare: _Fare) -> None:
        if not self._has_room(fare):
            subject = next(each.subject for each in fare.limits if not self._fits(each))
            refusal = RelayRefused(code="used-up", reason=f"the limit of {subject.partition(':')[0]} is used up")
            raise self._tomorrow(refusal)

    def _has_room(self, fare: _Fare) -> bool:
        return all(self._fits(each) for each in fare.limits)

    def _fits(self, limit: Limit) -> bool:
        acts, gas, size = self._journal.used(limit.subject, limit.day)
        pairs = ((acts, limit.acts), (gas, limit.gas), (size, limit.size))
        return all(most is None or amount < most for amount, most in pairs)

    def _today(self) -> int:
        return int(self._clock() // _DAY)

    def _tomorrow(self, refusal: RelayRefused) -> RelayRefused:
        """A limit that is used up comes back at midnight; a blank's never does."""
        if refusal.code != "used-up" or "blank" in refusal.reason:
            return refusal
        return RelayRefused(code="used-up", reason=refusal.reason, seconds=int(_DAY - self._clock() % _DAY) + 1)

    # -- what comes along --------------------------------------------------------------------------------------------

    def _keep(self, waiting: Waiting, files: dict[bytes, bytes]) -> None:
        for document in files.values():
            cid = _cid_of(document)
            # What is here already is kept by somebody else, who also ends that.
            if not self._store.has(cid):
                self._journal.pin(str(cid), request=waiting.id, pseudonym=waiting.pseudonym)
            self._store.put(BytesIO(document))

    def _unpin(self, request: str) -> None:
        for cid in self._journal.unpin(request):
            with suppress(TheriacError):
                self._store.unpin(Cid.parse(cid))

    def _unpin_superseded(self, done: Waiting) -> None:
        """With the next version on the chain, the files of earlier ones are needed by nobody."""
        if any(item.function in ("publishBySig", "rotateBySig") for item in self._items(done)):
            for request in self._journal.pinned_by(done.pseudonym):
                if request != done.id:
                    self._unpin(request)

    # -- the chain ---------------------------------------------------------------------------------------------------

    def _simulate(self, items: Sequence[Item]) -> int:
        """The gas to allow a group, found by running it on its own. Raises RelayRefused."""
        call = self._carrying(items)
        asked = {"from": self.address, "to": call.to, "data": "0x" + call.data.hex()}
        try:
            estimate = self._node.estimate(asked)
        except CallFailed as failed:
            if not failed.data:
                # Some nodes keep from an estimate the reason that they give in a call.
                try:
                    self._node.call(asked)
                except CallFailed as again:
                    failed = again
            refusal = self.contracts.reverts.refusal(failed.data, to=call.to, reason=failed.reason)
            raise RelayRefused(code="reverted", reason=_bounded(_innermost(refusal))) from None
        return estimate + estimate // 5

    def _carrying(self, items: Sequence[Item]) -> Call:
        calls = [(each.call.to, each.call.data) for each in items]
        return call_of(self.contracts.Carrier.functions.carry(calls))

    def _items(self, waiting: Waiting) -> list[Item]:
        return [item_of(self.contracts, contract, bytes.fromhex(data)) for contract, data in waiting.calls]

    # -- bringing ----------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Has `run` look at once: there is something to bring, or to end for."""
        self._woken.set()

    def run(self, stop: threading.Event) -> None:
        """Steps until it is told to stop."""
        forgot = 0.0
        while not stop.is_set():
            self._woken.clear()
            try:
                if self._clock() - forgot > _DAY / 24:
                    self.forget()
                    forgot = self._clock()
                busy = self.step()
            except Exception as trouble:
                # Whatever it is, what waits must not wait for ever because this thread is gone.
                self.trouble, busy = str(trouble) or type(trouble).__name__, False
                stop.wait(1.0)
            if not busy:
                self._woken.wait(0.2)

    def step(self, *, wait: bool = False) -> bool:
        """One turn: batches that are done are told, and the next one is sent. Whether anything is on its way.

        `wait` sends what is queued at once, and does not let groups wait for each other.
        """
        for name, _, _ in self._journal.batches():
            self._look_after(name)
        if self._clock() >= self._resting:
            self._send_next(at_once=wait)
        return bool(self._journal.batches())

    def _look_after(self, name: str) -> None:
        try:
            receipt = self._sender.wait(name, timeout=timedelta(milliseconds=50))
        except NotSettled as waiting:
            self.trouble = waiting.reason if waiting.seconds > 60 else ""
            return
        except (UnknownIntent, IntentAbandoned):
            # Killed before the sender had it, or refused for good by the only node that saw it.
            self._journal.put_back(name)
            return
        except Refused:
            # The transaction as a whole did nothing, which a batch of tries does only where it had too little gas.
            self._journal.put_back(name)
            return
        self._settle(name, receipt)

    def _settle(self, name: str, receipt: Receipt) -> None:
        """Gives each group of a batch its outcome."""
        told = [each for each in self.contracts.events(receipt) if each.name == "GroupFailed"]
        failed = {each.arguments["index"]: bytes(each.arguments["reason"]) for each in told}
        for place, waiting in enumerate(self._journal.in_batch(name)):
            if place in failed:
                self._failed(waiting, failed[place])
            else:
                self._journal.finish(waiting.id, hash_=receipt.transaction, block=receipt.block)
                self._unpin_superseded(waiting)
        self._journal.close_batch(name)
        self.trouble = ""

    def _failed(self, waiting: Waiting, reason: bytes) -> None:
        """A group that passed its simulation and failed on the chain stays charged, whoever did it by now."""
        if not State(self.contracts).undone(self._items(waiting)):
            self._journal.finish(waiting.id)
            return
        for subject, day, _, _ in waiting.charges:
            if subject.startswith("free-"):
                # What is free is not for those whose acts fail when they are paid for.
                self._journal.punish(subject, day, acts=_ALL)
        refusal = self.contracts.reverts.refusal(reason, to=self.contracts.Carrier.address)
        self._journal.refuse(waiting.id, code="failed", reason=_bounded(_innermost(refusal)), refund=False)
        self._unpin(waiting.id)

    def _send_next(self, *, at_once: bool) -> None:
        chosen = self._chosen(at_once=at_once)
        if not chosen:
            return
        groups = self._prepared(chosen)
        groups = self._agreeing(groups)
        if not groups:
            return
        call = self._batch(groups)
        name = f"batch {uuid4()}"
        gas = self._gas_of(call, [waiting for waiting, _ in groups])
        self._journal.send(name, call, gas=gas, ids=[waiting.id for waiting, _ in groups])
        try:
            self._sender.submit(call, intent=name, gas=gas)
            self._broke = False
        except (Unavailable, CannotPay, Reverted) as trouble:
            # Whether the sender has it is asked at the next turn.
            self.trouble = str(trouble)
            self._broke = isinstance(trouble, CannotPay)
            self._resting = self._clock() + 2.0

    def _chosen(self, *, at_once: bool) -> list[Waiting]:
        """What goes into the next transaction: what ends access first, one of a pseudonym, within what it may use."""
        queued = self._journal.waiting()
        if not queued:
            return []
        oldest = min(each.received for each in queued)
        ends = any(each.lane is Lane.ENDS for each in queued)
        full = len(queued) >= self.policy.batch_groups
        if not (at_once or ends or full or self._clock() - oldest >= self.policy.patience):
            return []
        busy, chosen, gas = self._journal.busy(), list[Waiting](), 0
        for waiting in queued:
            if waiting.pseudonym in busy and waiting.lane is not Lane.ENDS:
                continue
            if any(waiting.pseudonym == each.pseudonym for each in chosen):
                continue
            if chosen and gas + waiting.gas > self.policy.batch_gas:
                continue
            chosen.append(waiting)
            gas += waiting.gas
            if len(chosen) == self.policy.batch_groups:
                break
        return chosen

    def _prepared(self, chosen: Sequence[Waiting]) -> list[tuple[Waiting, list[Item]]]:
        """What of each group is still to be done; those that are done, too late or out of luck are told so."""
        state, now, ready = State(self.contracts), self._time(), []
        for waiting in chosen:
            left = state.undone(self._items(waiting))
            if not left:
                self._journal.finish(waiting.id)
                self._unpin_superseded(waiting)
            elif min(each.deadline for each in left) <= now:
                self._refuse(waiting, "too-late", "its deadline passed before it could be sent; sign it anew")
            elif waiting.tries >= _TRIES:
                self._refuse(waiting, "failed", "it could not be sent here; ask another relayer")
            else:
                ready.append((waiting, left))
        return ready

    def _agreeing(self, groups: list[tuple[Waiting, list[Item]]]) -> list[tuple[Waiting, list[Item]]]:
        """Those that would be done if they were sent now, together. The others are told, or wait."""
        while groups:
            call = self._batch(groups)
            gas = self._gas_of(call, [waiting for waiting, _ in groups])
            function = self.contracts.Carrier.functions.carryEach(self._groups(groups))
            done = self._done(function, gas)
            if all(done):
                return groups
            for (waiting, left), good in zip(groups, done, strict=True):
                if not good:
                    self._examine(waiting, left)
            groups = [pair for pair, good in zip(groups, done, strict=True) if good]
        return groups

    def _done(self, function: Any, gas: int) -> Sequence[bool]:
        call = call_of(function)
        asked = {"from": self.address, "to": call.to, "data": "0x" + call.data.hex(), "gas": hex(gas)}
        returned = self._node.call(asked)
        return [bool(int.from_bytes(returned[at : at + 32], "big")) for at in range(64, len(returned), 32)]

    def _examine(self, waiting: Waiting, left: Sequence[Item]) -> None:
        """A group that would fail now: for good, or only beside the others."""
        try:
            self._simulate(left)
        except RelayRefused as refusal:
            if State(self.contracts).undone(left):
                self._refuse(waiting, "overtaken", refusal.reason)
            else:
                self._journal.finish(waiting.id)
            return
        self._journal.tried(waiting.id)

    def _refuse(self, waiting: Waiting, code: str, reason: str) -> None:
        self._journal.refuse(waiting.id, code=code, reason=_bounded(reason), refund=True)
        self._unpin(waiting.id)

    def _groups(self, groups: Sequence[tuple[Waiting, Sequence[Item]]]) -> list[tuple[int, list[tuple[Any, bytes]]]]:
        return [(waiting.gas, [(each.call.to, each.call.data) for each in left]) for waiting, left in groups]

    def _batch(self, groups: Sequence[tuple[Waiting, Sequence[Item]]]) -> Call:
        return call_of(self.contracts.Carrier.functions.carryEach(self._groups(groups)))

    def _gas_of(self, call: Call, chosen: Sequence[Waiting]) -> int:
        """Enough for each to have all the gas it may use; what is not used costs nothing."""
        limits = sum(each.gas + each.gas // 63 + 30_000 for each in chosen)
        return 21_000 + 20 * len(call.data) + max(limits, 20 * len(call.data))

    def forget(self, *, days: int = 2) -> None:
        """Drops what no signature can bring back any more."""
        self._journal.forget(before=self._clock() - days * _DAY, day=self._today() - days)


def _innermost(refusal: Reverted) -> str:
    """What the contract said that refused, not what carried it."""
    while refusal.inner is not None:
        refusal = refusal.inner
    return str(refusal)


def _bounded(text: str) -> str:
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return shown if len(shown) <= _LONGEST_REASON else shown[: _LONGEST_REASON - 1] + "…"


def _cid_of(document: bytes) -> Cid:
    return compute(BytesIO(document))

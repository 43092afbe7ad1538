"""A patient's way to relayers: she gives one what she signed, looks at her own node, and asks the next if it is late.

Nothing a relayer says is believed but the promise that it was not taken on. That something was done is read from the
chain, as deep as the network demands. The same signed messages go to the next relayer: they count once, whoever comes
first.
"""

import json
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from eth_typing import HexStr

from theriac.errors import (
    BadGroup,
    NotCarried,
    NotStored,
    NoVoucher,
    RelayBusy,
    RelayRefused,
    RelaySilent,
    Reverted,
    TheriacError,
)
from theriac.health import documents
from theriac.health.chain import Relay, Signed
from theriac.health.groups import INFO, PATH, Group, Item, State, item_signed
from theriac.health.vouchers import Blank, Purse, Voucher
from theriac.ledger.codec import parse_json
from theriac.ledger.contracts import Contracts, Receipt
from theriac.ledger.node import Landed, Node, PlacedLog
from theriac.store import Store

_LARGEST_ANSWER = 64 * 1024
_LARGEST_BODY = 12 << 20
_FREE_CODES = ("no-voucher", "used-up")
_ZERO = HexStr("0x" + "00" * 32)


@dataclass(frozen=True)
class About:
    """What a relayer says of itself, where it fits the chain that the patient is on."""

    url: str
    relayer: str


@dataclass
class _Try:
    """A relayer in one round: what it was given, and what came of it."""

    about: About
    id: str
    since: float
    hint: str = ""
    told: float | None = None
    asked: float = 0.0


@dataclass
class HttpRelay:
    """A relay over relayers that are asked in the order of `urls`. Its `carry` is that of `theriac.health.chain.Relay`.

    :param purse: vouchers and blanks; without one only what is free is carried.
    :param store: where the documents lie that messages name; they travel along. Without one they do not.
    :param jitter: the longest random pause before another pseudonym than the last is sent, so that times say less.
    :param patience: how long one relayer has until the next is asked; `timeout` bounds all of it.
    :param tell: hears what a person should know: that a relayer refused, was late, or lied.
    """

    urls: Sequence[str]
    contracts: Contracts
    node: Node
    purse: Purse | None = None
    store: Store | None = None
    jitter: timedelta = timedelta(0)
    patience: timedelta = timedelta(seconds=60)
    timeout: timedelta = timedelta(minutes=5)
    tell: Callable[[str], Any] = lambda sentence: None
    receipts: list[Receipt] = field(default_factory=list)
    _last: str = ""

    def carry(self, *signed: Signed) -> Receipt:
        """All of it, in one transaction where the relayer is honest, and waits for the network's depth.

        A dishonest relayer can send some of the messages without the others, since each is signed for itself: then the
        rest goes to the next one. Raises Reverted, NoVoucher, NotCarried.
        """
        items = tuple(item_signed(self.contracts, each) for each in signed)
        start = self.contracts.head()
        self._check(items)
        self._pause(items[0].pseudonym)
        receipt = self._carry(items, start=start)
        self.receipts.append(receipt)
        return receipt

    def _check(self, items: Sequence[Item]) -> None:
        """What the contracts would refuse is refused here, with their own words, and no relayer hears of it."""
        left = State(self.contracts).undone(items)
        if not left:
            return
        calls = [(each.call.to, each.call.data) for each in left]
        try:
            self.contracts.call(self.contracts.Carrier.functions.carry(calls))
        except Reverted:
            if State(self.contracts).undone(items):
                raise

    def _pause(self, pseudonym: str) -> None:
        longest = self.jitter.total_seconds()
        if longest and self._last not in ("", pseudonym):
            time.sleep(secrets.randbelow(int(longest * 1000) + 1) / 1000)
        self._last = pseudonym

    def _carry(self, items: Sequence[Item], *, start: int) -> Receipt:
        until = time.monotonic() + self.timeout.total_seconds()
        reasons: dict[str, str] = {}
        unpaid: set[str] = set()
        earlier: list[_Try] = []
        while True:
            # Whether asking again can help: a relayer has it, or asks to come back.
            hope, pause = False, 0.0
            for url in self.urls:
                left = State(self.contracts).undone(items)
                try:
                    attempt = self._give(url, tuple(left), items) if left else None
                    reason = ""
                except RelayBusy as busy:
                    reasons[url], pause, hope = busy.reason, max(pause, float(busy.seconds)), True
                    continue
                except (RelayRefused, RelaySilent) as trouble:
                    attempt, reason = None, trouble.reason
                    if isinstance(trouble, RelayRefused) and trouble.code in _FREE_CODES:
                        unpaid.add(url)
                if attempt is not None:
                    earlier.append(attempt)
                    unpaid.discard(url)
                    hope = True
                if not reason:
                    reason = self._wait(items, attempt, until)
                if not reason or self._is_done(items):
                    return self._receipt(items, earlier, start=start)
                reasons[url] = reason
                self.tell(f"{url}: {reason}")
            if self._is_done(items):
                return self._receipt(items, earlier, start=start)
            if self.urls and unpaid == set(self.urls):
                raise NoVoucher(reasons=reasons)
            over = min(each.deadline for each in items) <= int(self.node.head().time.timestamp())
            pause = min(pause, 30.0)
            if not hope or over or time.monotonic() + pause >= until:
                raise NotCarried(reasons=reasons)
            time.sleep(pause)

    # -- one relayer -------------------------------------------------------------------------------------------------

    def _give(self, url: str, left: tuple[Item, ...], items: Sequence[Item]) -> _Try:
        """Gives a relayer what is still to be done; with a blank only where it says that it wants one."""
        about = self._about(url)
        pseudonym, now = left[0].pseudonym, int(self.node.head().time.timestamp())
        purse = self.purse
        voucher = purse.voucher(pseudonym, relayer=about.relayer, now=now) if purse else None
        blank = purse.blank(pseudonym, relayer=about.relayer) if purse and voucher is None else None
        files = self._documents(items)
        try:
            return self._post(about, left, files, voucher, blank)
        except RelayRefused as refused:
            wanted = refused.code in (*_FREE_CODES, "voucher-expired", "voucher-forged")
            fresh = purse.take(pseudonym, relayer=about.relayer) if purse and wanted else None
            if fresh is None:
                raise
        return self._post(about, left, files, None, fresh)

    def _about(self, url: str) -> About:
        values = self._ask("GET", url, INFO)
        deployment = self.contracts.deployment
        here = (deployment.chain_id, str(deployment["Carrier"].address))
        if (values.get("chain"), values.get("carrier")) != here:
            raise RelaySilent(url=url, reason="it relays to another chain")
        return About(url, str(values.get("relayer")))

    def _post(
        self,
        about: About,
        left: tuple[Item, ...],
        files: tuple[bytes, ...],
        voucher: Voucher | None,
        blank: Blank | None,
    ) -> _Try:
        group = Group(left, files, voucher, blank)
        values = self._ask("POST", about.url, PATH, group.encode())
        attempt = _Try(about, group.id, time.monotonic())
        self._note(attempt, values)
        return attempt

    def _note(self, attempt: _Try, values: dict[str, Any]) -> None:
        """What a relayer says became of it. That it refuses counts; that it is done is only where to look."""
        if values.get("state") == "refused":
            raise RelayRefused(code=_words(values.get("code")), reason=_words(values.get("reason")))
        if values.get("state") == "done" and attempt.told is None:
            attempt.told = time.monotonic()
        if isinstance(hash_ := values.get("transaction"), str) and len(hash_) == 66:
            attempt.hint = hash_

    def _wait(self, items: Sequence[Item], attempt: _Try | None, until: float) -> str:
        """Nothing once it is done as deep as the network demands; else why another relayer is asked."""
        patience = self.patience.total_seconds()
        begun, pause = time.monotonic(), 0.05
        while True:
            if self._is_done(items):
                return ""
            now = time.monotonic()
            # What is in the chain, and only not deep enough, is waited for.
            if State(self.contracts).undone(items):
                if attempt is None or now - begun >= patience:
                    lied = attempt is not None and attempt.told is not None
                    return "it says that it is done, and it is not" if lied else "it is late"
                if attempt.told is not None and now - attempt.told >= patience / 4:
                    return "it says that it is done, and it is not"
            if now >= until:
                return "it is not deep enough in the chain yet"
            if attempt is not None and now - attempt.asked >= max(1.0, patience / 30):
                attempt.asked = now
                try:
                    self._note(attempt, self._ask("GET", attempt.about.url, f"{PATH}/{attempt.id}"))
                except RelayRefused as refused:
                    return refused.reason
                except (RelaySilent, RelayBusy):
                    # It has taken it on; whether it brings it is seen on the chain.
                    pass
            time.sleep(pause)
            pause = min(1.5 * pause, 1.0)

    def _ask(self, method: str, url: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        """One question over a connection of its own. Raises RelaySilent, RelayBusy, RelayRefused."""
        address = address_of(url) + path
        headers = {"User-Agent": "theriac", "Accept-Encoding": "identity", "Connection": "close"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        within = min(30.0, max(5.0, self.patience.total_seconds()))
        deadline = time.monotonic() + within
        received = bytearray()
        try:
            with requests.Session() as session:
                asked = requests.Request(method, address, data=body, headers=headers)
                settings = session.merge_environment_settings(address, {}, True, None, None)
                with session.send(
                    session.prepare_request(asked), timeout=within, allow_redirects=False, **settings
                ) as answer:
                    while part := answer.raw.read1(1 << 14):
                        received += part
                        if len(received) > _LARGEST_ANSWER or time.monotonic() > deadline:
                            raise RelaySilent(url=url, reason="an answer without end")
                    status, later = answer.status_code, answer.headers.get("Retry-After", "")
        except (requests.RequestException, OSError) as trouble:
            raise RelaySilent(url=url, reason=type(trouble).__name__) from None
        if not (status in (200, 202, 503) or 400 <= status < 500):
            raise RelaySilent(url=url, reason=f"HTTP status {status}")
        try:
            values = parse_json(bytes(received))
        except (ValueError, RecursionError):
            raise RelaySilent(url=url, reason="its answer is not JSON") from None
        if not isinstance(values, dict):
            raise RelaySilent(url=url, reason="its answer is none")
        if status in (200, 202):
            return values
        seconds = min(int(later), 86_400) if later.isascii() and later.isdecimal() and len(later) < 9 else 5
        code, reason = _words(values.get("code")), _words(values.get("reason"))
        if status == 503 or (status == 429 and code != "used-up"):
            raise RelayBusy(reason=reason, seconds=seconds)
        raise RelayRefused(code=code, reason=reason, seconds=seconds if status == 429 else 0)

    # -- what goes along ---------------------------------------------------------------------------------------------

    def _documents(self, items: Sequence[Item]) -> tuple[bytes, ...]:
        """The documents that the messages name, and what a bundle among them names: as many as one request takes."""
        if self.store is None:
            return ()
        found: list[bytes] = []
        wanted = [each.names for each in items if each.names]
        room = _LARGEST_BODY * 3 // 4
        while wanted:
            document = self._fetched(wanted.pop(0), room)
            if document is None or len(document) > room or len(found) >= 256:
                continue
            room -= len(document)
            found.append(document)
            wanted += _named_in(document)
        return tuple(found)

    def _fetched(self, digest: bytes, most: int) -> bytes | None:
        assert self.store is not None
        try:
            with self.store.get_digest(digest) as stream:
                return stream.read(most + 1)
        except (NotStored, TheriacError):
            return None

    # -- the chain ---------------------------------------------------------------------------------------------------

    def _is_done(self, items: Sequence[Item]) -> bool:
        depth = self.contracts.deployment.depth
        if not depth:
            return not State(self.contracts).undone(items)
        if State(self.contracts).undone(items):
            return False
        block = self.contracts.head() - depth
        return block >= 0 and not State(self.contracts, block=block).undone(items)

    def _receipt(self, items: Sequence[Item], tries: Sequence[_Try], *, start: int) -> Receipt:
        """The transaction that did it, as her own node has it; one that did part of it where there are two."""
        intent = sha256(b"".join(each.call.data for each in items)).hexdigest()
        for each in reversed(tries):
            if each.hint:
                with suppress(TheriacError):
                    landed = self.node.landed(HexStr(each.hint))
                    if landed is not None and landed.succeeded and self._is_of(landed.logs, items):
                        return _receipt_of(intent, landed)
        for log in reversed(self._logged(items, start)):
            landed = self.node.landed(log.transaction)
            if landed is not None:
                return _receipt_of(intent, landed)
        head = self.node.head()
        return Receipt(intent, _ZERO, head.number, head.hash, 0, 0, None, ())

    def _logged(self, items: Sequence[Item], start: int) -> list[PlacedLog]:
        """What the contracts said of the pseudonym since; the node is asked for all, so that it learns of none."""
        found: list[PlacedLog] = []
        for contract in {each.contract for each in items}:
            logs = self.contracts.logs(contract, start=start - self.contracts.deployment.depth - 1)
            found += [each for each in logs if self._is_of([each.log], items)]
        return sorted(found, key=lambda each: (each.block, each.log.index))

    def _is_of(self, logs: Sequence[Any], items: Sequence[Item]) -> bool:
        word = bytes.fromhex(items[0].pseudonym[2:]).rjust(32, b"\0")
        contracts = {each.call.to for each in items}
        return any(log.address in contracts and (word in log.topics or word in log.data) for log in logs)


class FirstRelay:
    """Relays that are tried in order: the next one where no relayer carried it."""

    def __init__(self, relays: Sequence[Relay]) -> None:
        self._relays = tuple(relays)

    def carry(self, *signed: Signed) -> Receipt:
        """Raises what the last one raises."""
        for relay in self._relays[:-1]:
            # What nobody's signature alone carries, such as the end of a recovery, is for the one that pays.
            with suppress(NotCarried, NoVoucher, BadGroup):
                return relay.carry(*signed)
        return self._relays[-1].carry(*signed)


def _receipt_of(intent: str, landed: Landed) -> Receipt:
    return Receipt(
        intent=intent,
        transaction=landed.transaction,
        block=landed.block,
        block_hash=landed.block_hash,
        gas_used=landed.gas_used,
        gas_price=landed.gas_price or 0,
        contract=None,
        logs=landed.logs,
    )


def about(url: str, *, timeout: float = 10.0) -> dict[str, Any]:
    """What a relayer says of itself. Raises RelaySilent, RelayBusy."""
    asking = HttpRelay([url], cast(Contracts, None), cast(Node, None), patience=timedelta(seconds=timeout))
    return asking._ask("GET", url, INFO)


def address_of(url: str) -> str:
    """The address that a relayer is asked at. Raises RelaySilent for what is no web address."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or parts.username is not None:
        raise RelaySilent(url=url[:80], reason="it is no web address")
    return url.rstrip("/")


def _named_in(document: bytes) -> list[bytes]:
    try:
        values = documents.decode("bundle", document)
        return [bytes.fromhex(each) for each in (*values["classes"], values["backup"]) if each]
    except (TheriacError, KeyError, TypeError, ValueError):
        return []


def _words(value: Any) -> str:
    """What a relayer says, as far as it can be shown: a stranger's words."""
    text = value if isinstance(value, str) else json.dumps(value)[:40]
    return "".join(letter if letter.isprintable() else " " for letter in text)[:240].rstrip(".")

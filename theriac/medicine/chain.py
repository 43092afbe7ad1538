"""What a medicine client asks of the chain, and the events it follows so that it need not ask."""

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from web3 import Web3

from theriac.consortium import Role
from theriac.ledger.codec import to_json
from theriac.ledger.contracts import Contracts, Event
from theriac.ledger.index import Handler, Index, Progress, Table
from theriac.ledger.node import Node
from theriac.ledger.typed import Domain
from theriac.medicine.state import BatchState, Place
from theriac.medicine.tree import height_of, is_below

CURRENT = timedelta(minutes=1)
"""For how long what was followed counts as all that there is: no pack is commissioned and at a counter so soon."""

OF_A_BATCH = (
    "Commissioned",
    "Offered",
    "Rejected",
    "Withdrawn",
    "HandedOver",
    "Dispensed",
    "DispensedMany",
    "Undone",
    "Ended",
    "Blocked",
    "Released",
)
"""The events of one batch. Everyone follows those of all: a question about one batch would tell which."""

FOLLOWED: Mapping[str, tuple[str, ...]] = {
    "Batches": (*OF_A_BATCH, "EventsAnchored"),
    "ColdChain": ("LimitSet", "Logged", "Exceeded"),
    "Consortium": (
        *("KeyRenewed", "Admitted", "Suspended", "Reinstated", "Removed"),
        *("Joined", "Left", "AccountReplaced"),
    ),
}

_GOODS = Table(
    "goods",
    {"batch": "BLOB NOT NULL", "name": "TEXT NOT NULL", "told": "TEXT NOT NULL"},
    (("batch", "block", "log_index"),),
)
_TAGS = Table("tags", {"tag": "BLOB NOT NULL", "batch": "BLOB NOT NULL"}, (("tag",),))


def _goods(event: Event) -> Iterator[Mapping[str, Any]]:
    told = json.dumps(to_json(dict(event.arguments)))
    yield {"batch": event.arguments["batch"], "name": event.name, "told": told}


def _tags(event: Event) -> Iterator[Mapping[str, Any]]:
    yield {"tag": event.arguments["tag"], "batch": event.arguments["batch"]}


@dataclass(frozen=True)
class OpenOffer:
    """Goods that were offered and wait for an answer until `ends`."""

    batch: bytes
    node: int
    giver: int
    to: int
    ends: datetime
    sheet: bytes


@dataclass(frozen=True)
class Landing:
    """Which account did something, in which transaction, and whether that is as deep as the network asks."""

    account: str
    transaction: str
    is_deep: bool


@dataclass(frozen=True)
class _Read:
    """The event of a batch that was read last."""

    block: int
    log_index: int
    block_hash: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "_Read":
        return cls(int(row["block"]), int(row["log_index"]), str(row["block_hash"]))


_NOTHING_READ = _Read(-1, -1, "")


class Chain:
    """The chain as a medicine client sees it; what it followed stays when the chain is out of reach."""

    def __init__(
        self, web3: Web3, contracts: Contracts, *, index: Path, timeout: timedelta = timedelta(seconds=20)
    ) -> None:
        """`index` is the file that events are followed into; `timeout` bounds each question that following asks."""
        self.web3 = web3
        self.contracts = contracts
        self._node = Node(web3, timeout=min(timeout, timedelta(seconds=10)))
        self._domain: Domain | None = None
        handlers = [
            Handler.of(contracts, contract, event)
            for contract, events in FOLLOWED.items()
            for event in events
            if contract != "Batches" or event not in OF_A_BATCH
        ]
        handlers += [Handler.of(contracts, "Batches", event, table=_GOODS, rows=_goods) for event in OF_A_BATCH]
        handlers.append(Handler.of(contracts, "Batches", "Commissioned", table=_TAGS, rows=_tags))
        deployment = contracts.deployment
        index.parent.mkdir(parents=True, exist_ok=True)
        self.index = Index(
            index, web3, handlers=handlers, start_block=deployment.first_block, depth=deployment.depth, timeout=timeout
        )
        self._states: dict[bytes, BatchState] = {}
        self._read: dict[bytes, _Read] = {}
        self._touched = self.index.touched()
        self._followed = 0.0

    def close(self) -> None:
        self.index.close()

    # -- following ---------------------------------------------------------------------------------------------------

    def sync(self, *, report: Callable[[Progress], None] | None = None) -> Progress:
        """Follows the chain to its head, and tells `report` on the way.

        Raises ChainSilent where it is out of reach; what is known stays.
        """
        self._followed = 0.0
        try:
            progress = self.index.sync(report=report)
        finally:
            self._read_on()
        self._followed = time.time()
        return progress

    def is_current(self) -> bool:
        """Whether the chain answered when it was followed last, and that was a short while ago."""
        return 0 <= time.time() - self._followed < CURRENT.total_seconds()

    def is_followed_elsewhere(self, answered: bool) -> None:
        """Says that another connection of this process follows into the same file, and whether the chain answered."""
        self._followed = time.time() if answered else 0.0

    def state(self, batch: bytes) -> BatchState | None:
        """What the batch's events come to, as far as they were followed; None for no such batch.

        What another process follows into the same file counts at once.
        """
        if self.index.touched() != self._touched:
            self._read_on()
        if batch not in self._states:
            self._catch_up(batch)
        return self._states.get(batch)

    def _read_on(self) -> None:
        self._touched = self.index.touched()
        for batch in list(self._states):
            self._catch_up(batch)

    def _catch_up(self, batch: bytes) -> None:
        last = self._read.get(batch, _NOTHING_READ)
        rows = self._goods_since(batch, last)
        if last != _NOTHING_READ and (not rows or _Read.of(rows[0]) != last):
            # What was read last is gone: the chain took it back.
            del self._states[batch], self._read[batch]
            last, rows = _NOTHING_READ, self._goods_since(batch, _NOTHING_READ)
        for row in rows if last == _NOTHING_READ else rows[1:]:
            name, told = str(row["name"]), _told(str(row["told"]))
            if name == "Commissioned":
                self._states[batch] = BatchState.commissioned(told)
            else:
                self._states[batch].apply(name, told)
        if rows:
            self._read[batch] = _Read.of(rows[-1])

    def _goods_since(self, batch: bytes, last: "_Read") -> list[dict[str, Any]]:
        """The events of a batch from the one read last on, that one too."""
        return self.index.query(
            "SELECT block, log_index, block_hash, goods.name, told FROM goods JOIN events USING (block, log_index) "
            "WHERE batch = ? AND (block, log_index) >= (?, ?) ORDER BY block, log_index",
            (batch, last.block, last.log_index),
        )

    def batches_tagged(self, tag: bytes) -> list[bytes]:
        """The batches that were commissioned under a tag, oldest first."""
        rows = self.index.query("SELECT batch FROM tags WHERE tag = ? ORDER BY block, log_index", (tag,))
        return [_bytes(row["batch"]) for row in rows]

    def batches_under_others(self, keys: Collection[int]) -> list[bytes]:
        """The batches that were commissioned under other keys of the consortium than those with these numbers."""
        renewed = {int(event.arguments["number"]) for event in self.index.events("Consortium", "KeyRenewed")}
        return [
            bytes(event.arguments["batch"])
            for number in sorted(renewed - set(keys))
            for event in self.index.events("Batches", "Commissioned", where={"keyNumber": number})
        ]

    def batches_of(self, maker: int) -> list[bytes]:
        """The batches that a member commissioned, oldest first."""
        made = self.index.events("Batches", "Commissioned", where={"maker": maker})
        return [bytes(event.arguments["batch"]) for event in made]

    def history(self, batch: bytes) -> Iterator[Event]:
        """The events of a batch, in the order of the chain."""
        rows = self.index.query(
            "SELECT block, log_index FROM goods WHERE batch = ? ORDER BY block, log_index", (batch,)
        )
        wanted = {(row["block"], row["log_index"]) for row in rows}
        for block in sorted({int(block or 0) for block, _ in wanted}):
            for event in self.index.events("Batches", since=block, until=block):
                if (event.block, event.index) in wanted:
                    yield event

    def last_dispense(self, batch: bytes, index: int) -> Landing | None:
        """The last dispense of a pack by proof, as far as the chain was followed."""
        where = {"batch": batch, "index": index}
        for event in self.index.events("Batches", "Dispensed", where=where, newest_first=True, limit=1):
            is_deep = event.block <= self.index.progress().settled
            return Landing(str(event.arguments["actor"]), event.transaction, is_deep)
        return None

    def undone(self) -> set[tuple[bytes, int, str]]:
        """Dispenses by proof that were taken back, by batch, index and transaction, as far as it was followed."""
        found: set[tuple[bytes, int, str]] = set()
        for event in self.index.events("Batches", "Undone"):
            batch, index = bytes(event.arguments["batch"]), int(event.arguments["index"])
            where = {"batch": batch, "index": index}
            for made in self.index.events("Batches", "Dispensed", where=where, until=event.block, newest_first=True):
                if (made.block, made.index) < (event.block, event.index):
                    found.add((batch, index, made.transaction))
                    break
        return found

    def sheet_offered(self, batch: bytes, node: int, *, to: int, until: int) -> bytes:
        """The digest of the sheet of the last offer of a node to a member, up to a block; empty for none."""
        for row in self.index.query(
            "SELECT told FROM goods WHERE batch = ? AND name = 'Offered' AND block <= ? "
            "ORDER BY block DESC, log_index DESC",
            (batch, until),
        ):
            told = _told(str(row["told"]))
            if (told["node"], told["to"]) == (node, to):
                return bytes(told["sheet"])
        return b""

    def open_offers(self, *, to: int | None = None, giver: int | None = None, now: int) -> list[OpenOffer]:
        """The offers that stand at the second `now`."""
        found: dict[tuple[bytes, int], OpenOffer] = {}
        parties = {name: member for name, member in (("to", to), ("from", giver)) if member is not None}
        for event in self.index.events("Batches", "Offered", where=parties):
            told = event.arguments
            if now >= told["ends"]:
                continue
            found[told["batch"], told["node"]] = OpenOffer(
                batch=told["batch"],
                node=told["node"],
                giver=told["from"],
                to=told["to"],
                ends=datetime.fromtimestamp(told["ends"], UTC),
                sheet=told["sheet"],
            )
        return [offer for offer in found.values() if self._stands(offer, now)]

    def _stands(self, offer: OpenOffer, now: int) -> bool:
        state = self.state(offer.batch)
        node = state.nodes.get(offer.node) if state else None
        if state is None or node is None or node.offered_to != offer.to:
            return False
        place = state.place(offer.node, now=now)
        return node.offered_at == place.moves and now < node.offer_ends and place.holder == offer.giver

    # -- asking ------------------------------------------------------------------------------------------------------

    def time(self) -> int:
        """The second of the latest block. Raises ChainSilent."""
        return int(self._node.head().time.timestamp())

    def time_of(self, block: int) -> datetime | None:
        """When a block was made; None where the node has it no longer."""
        header = self._node.header(block)
        return header.time if header else None

    def domain(self, contract: str = "Batches") -> Domain:
        """Where signatures for a contract count, as the contract says itself."""
        named = self.contracts.call(self.contracts[contract].functions.eip712Domain())
        return Domain(named["name"], named["version"], named["chainId"], named["verifyingContract"])

    def member_of(self, account: str) -> int:
        """The number of the member that an account belongs to, in standing or not; zero for none."""
        return int(self._call("Consortium", "affiliationOf", account)["member"])

    def standing(self, account: str, roles: int) -> int:
        """The number of the member for which the account holds one of the roles now; zero for none."""
        return int(self._call("Consortium", "standing", account, roles))

    def member_at(self, account: str, moment: datetime) -> int:
        """The number of the member that an account belonged to at a time, in standing or not; zero for none.

        From the events that were followed, so that it can be told when the account has left.
        """
        member = 0
        for event in self.index.events("Consortium"):
            found = _affiliated(event, account)
            if found is None:
                continue
            time = self.time_of(event.block)
            if time is None or time > moment:
                break
            member = found
        return member

    def member_account(self, number: int) -> str:
        """The account that acts for a member."""
        return str(self._call("Consortium", "memberOf", number)["account"])

    def only_looks(self, number: int) -> bool:
        """Whether a member is a regulator that handles no goods: it sees packs where others hold them."""
        roles = Role(int(self._call("Consortium", "memberOf", number)["roles"]))
        return Role.REGULATOR in roles and not roles & (Role.MAKER | Role.DISTRIBUTOR | Role.PHARMACIST)

    def key_number(self) -> int:
        """The number of the consortium's current key."""
        return int(self._call("Consortium", "keyNumber"))

    def place(self, batch: bytes, node: int) -> dict[str, Any]:
        """Where a node stands, as the contract says (`Batches.placeOf`)."""
        return dict(self._call("Batches", "placeOf", batch, node))

    def _call(self, contract: str, function: str, *arguments: Any) -> Any:
        return self.contracts.call(self.contracts[contract].functions[function](*arguments))


def place_of(state: BatchState, index: int, *, now: int) -> Place:
    """Where a single pack stands."""
    return state.place(1 << 20 | index, now=now)


def parts_of(state: BatchState, node: int) -> list[int]:
    """The nodes below `node` that have a place of their own, lowest number first."""
    return sorted(
        each for each in state.nodes if each != node and is_below(each, node) and height_of(each) < height_of(node)
    )


def _affiliated(event: Event, account: str) -> int | None:
    """The member that an account belongs to after an event; None where the event is not about it."""
    told = event.arguments
    if told.get("account") == account:
        return {"Admitted": told["member"], "Joined": told["member"], "AccountReplaced": told["member"], "Left": 0}.get(
            event.name
        )
    return 0 if event.name == "AccountReplaced" and told["replaced"] == account else None


def _told(text: str) -> dict[str, Any]:
    """The arguments of an event of a batch: all that is text is bytes in hexadecimal or a large integer."""
    told: dict[str, Any] = json.loads(text)
    return {name: _value(value) for name, value in told.items()}


def _value(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("0x"):
        return bytes.fromhex(value[2:])
    return int(value) if isinstance(value, str) else value


def _bytes(value: Any) -> bytes:
    return bytes(value)

"""The way of one pack, from its commissioning to now, out of the events of its batch.

Of the events of a batch only those count that touched this pack: that were about it, or about what it went along with
at the time. A case that is handed on carries the packs in it, but for those that were missing, blocked or taken out.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, unique
from typing import Any

from theriac.errors import NotOnTheShelf
from theriac.ledger.contracts import Event
from theriac.medicine.state import NO_BLOCK, OF_HOLDER, BatchState, Block, End, PackStatus, indexes_in
from theriac.medicine.tree import BATCH, Shape, is_below, node_of


@unique
class Act(Enum):
    """What happened to a pack; the value is for programs and people."""

    COMMISSIONED = "commissioned"
    OFFERED = "offered"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    HANDED_OVER = "handed over"
    GIVEN_BACK = "given back"
    MISSING = "missing"
    DISPENSED = "dispensed"
    UNDONE = "undone"
    ENDED = "ended"
    BLOCKED = "blocked"
    RELEASED = "released"
    RECALLED = "recalled"
    RECALL_LIFTED = "recall lifted"


@dataclass(frozen=True)
class Step:
    """One act that touched the pack, and where the pack stood after it.

    `node` is what the act was about: the batch, a pallet, a case or the pack itself. `by` is the member that acted,
    `to` the member that goods were offered or handed to, zero for none. `detail` says more where there is more: how it
    ended, what blocks it and why. `at` is None where the node no longer has the block.
    """

    act: Act
    at: datetime | None
    node: int
    by: int
    to: int
    detail: str
    holder: int
    status: PackStatus
    blocks: Block
    transaction: str
    block: int
    position: int


@dataclass(frozen=True)
class Trace:
    """The way of the pack at an index of a batch; at least its commissioning."""

    batch: bytes
    index: int
    maker: int
    shape: Shape
    steps: tuple[Step, ...]

    @property
    def holder(self) -> int:
        """Who holds it now, or held it when it was dispensed or ended."""
        return self.steps[-1].holder

    @property
    def members(self) -> list[int]:
        """Every member on the way, in the order in which they come up."""
        return [each for each in dict.fromkeys(one for step in self.steps for one in (step.by, step.to)) if each]

    def place_name(self, step: Step) -> str:
        """`batch`, `pallet`, `case` or `pack`: what a step was about."""
        return self.shape.name_of(step.node)


def trace(events: Iterable[Event], index: int, *, time_of: Callable[[int], datetime | None]) -> Trace:
    """The way of the pack at an index. `events` are those of its batch, in the order of the chain.

    :raises NotOnTheShelf: there is no such batch.
    :raises NoSuchPlace: the index is beyond the tree.
    """
    way = _Way(index)
    steps: list[Step] = []
    times: dict[int, datetime | None] = {}
    for event in events:
        told = way.take(event.name, event.arguments)
        if told is None:
            continue
        if event.block not in times:
            times[event.block] = time_of(event.block)
        steps.append(_step(way, told, event, times[event.block]))
    if way.state is None:
        raise NotOnTheShelf(what="this batch")
    state = way.state
    return Trace(batch=state.batch, index=index, maker=state.maker, shape=state.shape, steps=tuple(steps))


@dataclass(frozen=True)
class _Told:
    """What an event says of the pack."""

    act: Act
    node: int
    by: int
    to: int = 0
    detail: str = ""


def _step(way: "_Way", told: _Told, event: Event, at: datetime | None) -> Step:
    assert way.state is not None
    place = way.state.place(way.pack, now=0)
    return Step(
        act=told.act,
        at=at,
        node=told.node,
        by=told.by,
        to=told.to,
        detail=told.detail,
        holder=place.holder,
        status=way.state.status(way.index),
        blocks=place.blocks,
        transaction=event.transaction,
        block=event.block,
        position=event.index,
    )


class _Way:
    """A batch's state as far as it concerns one pack."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.pack = node_of(index)
        self.state: BatchState | None = None
        self._path: frozenset[int] = frozenset()

    def take(self, name: str, told: Mapping[str, Any]) -> _Told | None:
        """Takes one event in; what it says of the pack, None where it is about other packs."""
        if self.state is None:
            if name != "Commissioned":
                return None
            self.state = BatchState.commissioned(told)
            self._path = frozenset(self.state.shape.path_of(self.pack))
            return _Told(Act.COMMISSIONED, node=BATCH, by=self.state.maker)
        carrier = self.state.carrier(self.pack)
        blocks = self.state.place(self.pack, now=0).blocks
        if not self._bears_on_path(name, told):
            return None
        self.state.apply(name, told)
        return self._said(name, told, carrier=carrier, blocks=blocks)

    def _bears_on_path(self, name: str, told: Mapping[str, Any]) -> bool:
        """Whether anything on the pack's path may change: events of other cases are passed over unread."""
        assert self.state is not None
        bits = self.state.shape.case_bits
        match name:
            case "HandedOver":
                return told["node"] in self._path or not self._path.isdisjoint(told["missing"])
            case "Dispensed" | "Undone":
                return bool(told["index"] >> bits == self.index >> bits)
            case "DispensedMany":
                return any(index >> bits == self.index >> bits for index in indexes_in(told["word"], told["mask"]))
            case "Ended":
                return self._is_among(told)
        return told["node"] in self._path

    def _is_among(self, told: Mapping[str, Any]) -> bool:
        return bool(told["word"] == self.index >> 8 and told["mask"] >> (self.index & 0xFF) & 1)

    def _said(self, name: str, told: Mapping[str, Any], *, carrier: int, blocks: Block) -> _Told | None:
        match name:
            case "Offered" | "Rejected" | "Withdrawn" | "HandedOver":
                return self._moved(name, told, carrier=carrier)
            case "Blocked" | "Released":
                return self._blocked(name, told, carrier=carrier, blocks=blocks)
            case "Ended" if self._is_among(told):
                detail = End(told["end"]).name.lower()
                return _Told(Act.ENDED, node=self.pack, by=told["member"], detail=detail)
            case "Dispensed" | "Undone" if told["index"] == self.index:
                act = Act.DISPENSED if name == "Dispensed" else Act.UNDONE
                return _Told(act, node=self.pack, by=told["member"])
            case "DispensedMany" if self._is_among(told):
                return _Told(Act.DISPENSED, node=self.pack, by=told["member"])
        return None

    def _moved(self, name: str, told: Mapping[str, Any], *, carrier: int) -> _Told | None:
        giver, to, node = told.get("from", 0), told.get("to", 0), told["node"]
        if name == "HandedOver":
            for missing in told["missing"]:
                if missing in self._path and is_below(missing, carrier):
                    return _Told(Act.MISSING, node=missing, by=to, detail=f"stays with member {giver}")
        if node not in self._path or not is_below(node, carrier):
            return None
        match name:
            case "Offered":
                return _Told(Act.OFFERED, node=node, by=giver, to=to)
            case "Rejected":
                return _Told(Act.REJECTED, node=node, by=to)
            case "Withdrawn":
                return _Told(Act.WITHDRAWN, node=node, by=giver)
        return _Told(Act.GIVEN_BACK if told["back"] else Act.HANDED_OVER, node=node, by=giver, to=to)

    def _blocked(self, name: str, told: Mapping[str, Any], *, carrier: int, blocks: Block) -> _Told | None:
        assert self.state is not None
        block = Block(told["block_"])
        changed = self.state.place(self.pack, now=0).blocks != blocks
        if not changed and block & OF_HOLDER and not is_below(told["node"], carrier):
            return None
        if block is Block.RECALL:
            act = Act.RECALLED if name == "Blocked" else Act.RECALL_LIFTED
            words = [f"reason {told['reason']}"]
        else:
            act = Act.BLOCKED if name == "Blocked" else Act.RELEASED
            words = [words_of(block), f"reason {told['reason']}"]
        return _Told(act, node=told["node"], by=told["member"], detail=", ".join(words))


_WORDS = {
    Block.BY_HOLDER: "in quarantine of its holder",
    Block.BY_MAKER: "in quarantine of its maker",
    Block.BY_REGULATOR: "in quarantine of a regulator",
    Block.EXCURSION: "too warm or too cold",
    Block.RECALL: "recalled",
}


def words_of(blocks: Block) -> str:
    """What blocks goods, in words; empty for nothing."""
    return ", ".join(words for block, words in _WORDS.items() if block in blocks)


def standing_of(trace: Trace) -> str:
    """Where a pack stands now, in a few words, such as `in stock, recalled`."""
    last = trace.steps[-1]
    words = [last.status.value]
    if last.status is PackStatus.ENDED:
        words = [f"ended as {step.detail}" for step in trace.steps if step.act is Act.ENDED][-1:]
    if last.blocks != NO_BLOCK:
        words.append(words_of(last.blocks))
    return ", ".join(words)

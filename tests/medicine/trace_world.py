"""Histories of a batch as a chain would tell them: events that the contract could have emitted, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from theriac.ledger.contracts import Event
from theriac.medicine.sheets import batch_id
from theriac.medicine.state import OF_HOLDER, BatchState, Block, End, PackStatus
from theriac.medicine.tree import CAPACITY, Shape, height_of, is_below

MAKER, WHOLESALER, PHARMACY, OTHER = 1, 2, 3, 4
REGULATOR = 9
ROOT = b"\x11" * 32
START = datetime(2030, 1, 7, 9, tzinfo=UTC)


def time_of(block: int) -> datetime:
    """A block a minute."""
    return START + timedelta(minutes=block)


@dataclass
class History:
    """What happened to a batch so far, and the state that it came to."""

    shape: Shape
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        told = {
            "batch": batch_id(MAKER, ROOT),
            "maker": MAKER,
            "tag": b"\x22" * 32,
            "keyNumber": 1,
            "root": ROOT,
            "product": b"\x33" * 32,
            "lot": b"\x44" * 32,
            "manifest": b"\x55" * 32,
            "expiry": int(datetime(2040, 7, 1, tzinfo=UTC).timestamp()),
            "palletBits": self.shape.pallet_bits,
            "caseBits": self.shape.case_bits,
        }
        self.state = BatchState.commissioned(told)
        self._tell("Commissioned", told)

    def _tell(self, name: str, told: Mapping[str, Any]) -> None:
        number = len(self.events)
        self.events.append(
            Event("Batches", name, told, number, f"0x{number:064x}", f"0xab{number:062x}", number)  # type: ignore[arg-type]
        )

    def _happen(self, name: str, **told: Any) -> None:
        self.state.apply(name, told)
        self._tell(name, told)

    # -- acts: each says whether the contract lets it happen ---------------------------------------------------------

    def holder(self, node: int) -> int:
        return self.state.place(node, now=0).holder

    def _in_stock(self, node: int) -> bool:
        return height_of(node) != 0 or self.state.status(node - CAPACITY) is PackStatus.IN_STOCK

    def offer(self, node: int, to: int) -> bool:
        place = self.state.place(node, now=0)
        opened = height_of(node) and self.state.nodes.get(node) and self.state.nodes[node].opened
        back = to in (self.state.maker, place.giver)
        if place.holder == to or place.offered_to or not self._in_stock(node) or opened or (place.blocks and not back):
            return False
        self._happen("Offered", **{"node": node, "from": place.holder, "to": to, "ends": 1 << 39, "sheet": bytes(32)})
        return True

    def withdraw(self, node: int) -> bool:
        if not self._in_stock(node):
            return False
        self._happen("Withdrawn", **{"node": node, "from": self.holder(node)})
        return True

    def reject(self, node: int) -> bool:
        to = self.offered_itself(node)
        if to:
            self._happen("Rejected", node=node, to=to)
        return bool(to)

    def accept(self, node: int, missing: list[int]) -> bool:
        to = self.offered_itself(node)
        place = self.state.place(node, now=0)
        left = [each for each in missing if each != node and is_below(each, node)]
        if not to or any(self.holder(each) != place.holder or not self._in_stock(each) for each in left):
            return False
        own = self.state.nodes.get(node)
        back = to in (self.state.maker, place.giver)
        blocked = bool(place.carried or (own and own.blocks))
        rejoined = back and to == place.rejoins and not blocked
        self._happen(
            "HandedOver",
            **{"node": node, "from": place.holder, "to": to, "back": back, "rejoined": rejoined},
            sheet=bytes(32),
            missing=left,
        )
        return True

    def offered_itself(self, node: int) -> int:
        own = self.state.nodes.get(node)
        if own is None or not own.offered_to or own.offered_at != self.state.place(node, now=0).moves:
            return 0
        return own.offered_to

    def dispense(self, index: int) -> bool:
        place = self.state.place(CAPACITY | index, now=0)
        if not self._in_stock(CAPACITY | index) or place.blocks or place.offered_to:
            return False
        self._happen("Dispensed", member=place.holder, actor="0x", index=index)
        return True

    def dispense_many(self, indexes: list[int]) -> bool:
        """Packs of one case and word, none of them apart."""
        first = indexes[0]
        bits = self.shape.case_bits
        case = (CAPACITY | first) >> bits
        place = self.state.place(case, now=0)
        fine = [
            index
            for index in indexes
            if (index >> 8, (CAPACITY | index) >> bits) == (first >> 8, case)
            and index not in self.state.apart
            and index not in self.state.gone
        ]
        if not bits or not fine or place.blocks or place.offered_to:
            return False
        mask = sum(1 << (index & 0xFF) for index in set(fine))
        self._happen("DispensedMany", member=place.holder, word=first >> 8, mask=mask)
        return True

    def undo(self, index: int) -> bool:
        if self.state.status(index) is not PackStatus.DISPENSED or self.state.place(CAPACITY | index, now=0).blocks:
            return False
        self._happen("Undone", member=self.holder(CAPACITY | index), actor="0x", index=index)
        return True

    def end(self, index: int, kind: End) -> bool:
        place = self.state.place(CAPACITY | index, now=0)
        if not self._in_stock(CAPACITY | index) or place.offered_to:
            return False
        self._happen("Ended", member=place.holder, word=index >> 8, mask=1 << (index & 0xFF), end=int(kind))
        return True

    def block(self, node: int, block: Block) -> bool:
        if not self._in_stock(node):
            return False
        by = self.holder(node) if block & OF_HOLDER else REGULATOR
        self._happen("Blocked", node=node, member=by, block_=int(block), reason=7)
        return True

    def release(self, node: int, block: Block) -> bool:
        own = self.state.nodes.get(node)
        apart = node < CAPACITY or not self.shape.case_bits or node - CAPACITY in self.state.apart
        if own is None or not own.blocks & block or not apart:
            return False
        by = self.holder(node) if block & OF_HOLDER else REGULATOR
        self._happen("Released", node=node, member=by, block_=int(block), reason=0)
        return True

"""The properties of medicine in docs/properties.md, held against what a chain says before an act and after it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import fields as fields_of

from batch_trees import DEPTH
from pack_model import (
    DAY,
    HANDLERS,
    OF_HOLDER,
    UNDO_DAYS,
    Batch,
    Block,
    End,
    Model,
    Person,
    Status,
    is_in,
)
from pack_stage import LICENCES, REGULATOR, Sight, Sights

from theriac.consortium import Role


@dataclass(frozen=True)
class Paper:
    """An offer that was signed, or that somebody pretends was signed."""

    batch: bytes
    node: int
    giver: Person
    to: int
    moves: int
    deadline: int
    forged: bool
    sheet: bytes
    signature: bytes

    def __repr__(self) -> str:
        return f"{'a forged' if self.forged else 'a'} paper of {self.giver} for {self.to} at {self.moves}"


@dataclass(frozen=True)
class Act:
    """What was said to Batches, by whom, and of what.

    `member` is for whom a sensor spoke, `pharmacist` for whom a contract acted, `proven` whether a proof is one.
    """

    name: str
    sender: Person
    batch: bytes
    node: int
    member: int = 0
    to: int = 0
    missing: tuple[int, ...] = ()
    indices: frozenset[int] = frozenset()
    ends: int = 0
    block: Block = Block.NONE
    kind: End | None = None
    pharmacist: Person | None = None
    paper: Paper | None = None
    proven: bool = True

    def __repr__(self) -> str:
        facts = (f"{fact.name}={getattr(self, fact.name)}" for fact in fields_of(self)[4:] if getattr(self, fact.name))
        return " ".join((f"{self.name} of {self.node} in {self.batch[:2].hex()} by {self.sender}", *facts))


HANDOFFS = ("accept", "acceptBySig")
BLOCKINGS = ("quarantine", "recall", "reportExcursion")

# Every way in which a pack's status may change, and the acts that change it so.
CHANGES = {
    (Status.IN_STOCK, Status.DISPENSED): ("dispense", "dispenseFor", "dispenseMany"),
    (Status.DISPENSED, Status.IN_STOCK): ("undo", "undoFor"),
    (Status.IN_STOCK, Status.ENDED): ("end", "endMany"),
}


@dataclass(frozen=True)
class Promise:
    """An offer, as it was when the chain took it."""

    to: int
    ends: int
    moves: int


@dataclass
class Watch:
    """Holds the properties of docs/properties.md against what the chain shows before an act and after it.

    It knows no rule of the contract: what it needs of the past it wrote down when the chain showed it. Of the model it
    uses the clock, who is in standing, and what goes with what.
    """

    model: Model
    offers: dict[tuple[bytes, int], Promise] = field(default_factory=dict)
    opened: dict[tuple[bytes, int], int] = field(default_factory=dict)
    dispensers: dict[tuple[bytes, int], int] = field(default_factory=dict)
    papers: set[bytes] = field(default_factory=set)

    def done(self, act: Act, batch: Batch, before: Sights, after: Sights, rides: Mapping[int, int]) -> None:
        """The act was done: what it may have changed, and what not."""
        self._standing(act)
        # property M24
        assert act.proven
        for node, seen in before.items():
            self._place(act, batch, node, seen, after[node], before[act.node].holder)
        if act.name in HANDOFFS:
            self._handoff(act, batch, before, after, rides)
        if act.name in BLOCKINGS:
            self._blocking(act, batch, before, after, rides)
        for pack in batch.packs:
            held = any(self._is_held(batch, node, before) for node in _way(batch, pack.node, rides))
            self._pack(act, batch, pack.node, before[pack.node], after[pack.node], held=held)
        if act.name == "offer":
            self.offers[batch.id, act.node] = Promise(act.to, act.ends, after[act.node].moves)

    def refused(self, before: Sights, after: Sights) -> None:
        # property M22
        assert _lasting(after) == _lasting(before)

    def _standing(self, act: Act) -> None:
        # property M21
        member = act.member or (act.pharmacist or act.sender).member
        assert self.model.in_standing(member)

    def _place(self, act: Act, batch: Batch, node: int, before: Sight, after: Sight, holder: int) -> None:
        # property M1
        assert after.holder in LICENCES
        # property M14
        assert after.moves >= before.moves
        if after.holder != before.holder:
            # property M2
            assert act.name in HANDOFFS
            assert (before.holder, after.holder) == (holder, act.sender.member)
            # property M4
            assert is_in(node, act.node)
            # property M14
            assert after.moves > before.moves
        lost = Block(before.blocks & ~after.blocks)
        if lost:
            # property M12
            assert act.name == ("liftRecall" if lost == Block.RECALL else "release")
            assert act.block == lost
            assert is_in(node, act.node)
            assert act.sender.member == authority(lost, holder, batch.maker)
        gained = Block(after.blocks & ~before.blocks)
        if gained:
            # property M13
            assert is_in(node, act.node)
            assert gained == act.block if act.name in BLOCKINGS else gained in OF_HOLDER and act.name in HANDOFFS

    def _handoff(self, act: Act, batch: Batch, before: Sights, after: Sights, rides: Mapping[int, int]) -> None:
        named, to = before[act.node], act.sender.member
        if act.paper is None:
            # property M15
            promise = self.offers.pop((batch.id, act.node))
            assert (promise.to, promise.moves) == (to, named.moves)
            assert self.model.now < promise.ends
        else:
            # property M16
            assert not act.paper.forged
            assert act.paper.signature not in self.papers
            signed = (act.paper.to, act.paper.moves, act.paper.giver.member)
            assert signed == (to, named.moves, named.holder)
            assert self.model.now <= act.paper.deadline
            self.papers.add(act.paper.signature)
        # property M17
        own, *above = (self._open_offer(batch, node, before) for node in _way(batch, act.node, rides))
        assert own in (None, to)
        assert above == [None] * len(above)
        # property M21
        assert self.model.in_standing(named.holder)
        for node, seen in before.items():
            goes = is_in(node, act.node) and rides[node] <= act.node
            goes = goes and not any(is_in(node, missing) for missing in act.missing)
            # property M3
            assert after[node].holder == (to if goes else seen.holder)
            if goes:
                # property M18
                assert (batch.id, node) not in self.opened
                # property M11
                if seen.blocks or self.model.now >= batch.expiry:
                    assert to in (batch.maker, seen.giver)
            else:
                # property M5
                assert after[node].giver == seen.giver

    def _open_offer(self, batch: Batch, node: int, before: Sights) -> int | None:
        """Whom a node is offered to now."""
        promise = self.offers.get((batch.id, node))
        if promise is None or self.model.now >= promise.ends or before[node].moves != promise.moves:
            return None
        return promise.to

    def _is_held(self, batch: Batch, node: int, before: Sights) -> bool:
        return self._open_offer(batch, node, before) is not None

    def _blocking(self, act: Act, batch: Batch, before: Sights, after: Sights, rides: Mapping[int, int]) -> None:
        # property M17
        if act.name == "quarantine" and act.sender.member == before[act.node].holder:
            _, *above = (self._open_offer(batch, node, before) for node in _way(batch, act.node, rides))
            assert above == [None] * len(above)
        for node in before:
            # property M13
            concerned = is_in(node, act.node) and (act.block not in OF_HOLDER or rides[node] <= act.node)
            assert not concerned or act.block in Block(after[node].blocks)

    def _pack(self, act: Act, batch: Batch, node: int, before: Sight, after: Sight, *, held: bool) -> None:
        case = node >> batch.sizes.case_bits
        named = node - (1 << DEPTH) in act.indices
        change = (Status(before.status), Status(after.status))
        # property M7
        assert named == (change[0] != change[1])
        if before.status == Status.DISPENSED:
            # property M8
            assert before.holder == after.holder
        if not named:
            # property M19
            assert before.operator == after.operator
            return

        # property M6
        assert act.name in CHANGES[change]
        # property M9
        actor = act.pharmacist or act.sender
        roles = HANDLERS if change[1] == Status.ENDED else Role.PHARMACIST
        assert self.model.standing(actor, roles) == before.holder == after.holder
        if change[1] != Status.ENDED or act.kind == End.EXPORTED:
            # property M10
            assert not before.blocks
            assert self.model.now < batch.expiry
        operator = int(act.sender.address, 16) if act.pharmacist else 0
        if change[1] == Status.IN_STOCK:
            # property M19
            assert (before.operator, after.operator) == (operator, 0)
            # property M20
            assert before.holder == self.dispensers.pop((batch.id, node))
            last = max(self.opened.pop((batch.id, node)), self.opened.get((batch.id, case), 0))
            assert self.model.now // DAY <= last + UNDO_DAYS
            return

        # property M17
        assert not held
        if change[1] == Status.DISPENSED:
            # property M19
            assert after.operator == operator
            self.dispensers[batch.id, node] = after.holder
            out_of = (node,) if before.apart or not batch.sizes.case_bits else (node, case)
            self.opened |= {(batch.id, opened): self.model.now // DAY for opened in out_of}


def authority(block: Block, holder: int, maker: int) -> int:
    """Who alone takes a block back."""
    if block == Block.BY_HOLDER:
        return holder
    return maker if block in (Block.BY_MAKER, Block.EXCURSION) else REGULATOR


def _way(batch: Batch, node: int, rides: Mapping[int, int]) -> list[int]:
    """A node and what it goes with, upwards."""
    around = (part.node for part in batch.around(batch.parts[node]))
    return [node, *(other for other in around if other >= rides[node])]


def _lasting(sights: Sights) -> dict[int, Sight]:
    """What time alone does not change."""
    return {node: sight._replace(offered=False, expired=False) for node, sight in sights.items()}

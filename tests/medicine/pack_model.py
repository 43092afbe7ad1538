"""What Batches must do, as a plain model: an object for each pack, and one for each case, pallet and batch.

Written from the sentences of IBatches and the design. Where the contract looks a fact up on the way from the batch
down to a pack, this model has told it to every pack beforehand: who holds it, who gave it, what blocks it, what it goes
with.

An act answers with the names of all the rules that forbid it; where there is none, it was done.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from functools import cached_property

from batch_trees import DEPTH, PackTree

from theriac.consortium import Role

DAY = 24 * 3600
NO_ROLE = Role(0)
OFFER_WINDOW = 30 * DAY
UNDO_DAYS = 10
HANDLERS = Role.MAKER | Role.DISTRIBUTOR | Role.PHARMACIST

# What a member lets a contract do for it.
DISPENSE_FOR, FILL_FOR, REPORT_EXCURSION_FOR = 1, 2, 4

Reasons = frozenset[str]


class Status(IntEnum):
    IN_STOCK = 0
    DISPENSED = 1
    ENDED = 2


class End(IntEnum):
    EXPORTED = 0
    SAMPLED = 1
    DESTROYED = 2
    STOLEN = 3
    RETURNED = 4


class Block(IntFlag):
    NONE = 0
    BY_HOLDER = 1
    BY_MAKER = 2
    BY_REGULATOR = 4
    EXCURSION = 8
    RECALL = 16


OF_HOLDER = Block.BY_HOLDER | Block.EXCURSION
QUARANTINES = (Block.BY_HOLDER, Block.BY_MAKER, Block.BY_REGULATOR)


@dataclass
class Member:
    number: int
    roles: Role
    expiry: int
    suspended: bool = False


@dataclass(frozen=True, repr=False)
class Person:
    """An account; `member` is zero where it belongs to none."""

    name: str
    address: str
    member: int = 0
    roles: Role = NO_ROLE

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Mark:
    """A block and the node on which it was set."""

    block: Block
    at: int


@dataclass(frozen=True)
class Offer:
    to: int
    ends: int


@dataclass(eq=False, repr=False)
class Part:
    """A pack, or what carries packs. `rides` is the node whose way it shares: its own once it goes its own way."""

    node: int
    height: int
    holder: int
    giver: int
    rides: int
    moves: int = 0
    offer: Offer | None = None
    marks: set[Mark] = field(default_factory=set)
    opened: bool = False
    day: int = 0

    def __repr__(self) -> str:
        return f"{self.node} (height {self.height}) held by {self.holder}"

    @property
    def blocks(self) -> Block:
        blocks = Block.NONE
        for mark in self.marks:
            blocks |= mark.block
        return blocks


@dataclass(eq=False, repr=False)
class Pack(Part):
    """A single pack. `apart`: something was once said of it alone, or it ended."""

    status: Status = Status.IN_STOCK
    apart: bool = False
    operator: str = ""

    @property
    def index(self) -> int:
        return self.node - (1 << DEPTH)


@dataclass(frozen=True)
class Sizes:
    case_bits: int
    pallet_bits: int


@dataclass(eq=False, repr=False)
class Batch:
    """A batch with those of its places that the test looks at; some of them hold no pack, which nobody can see."""

    id: bytes
    maker: int
    expiry: int
    sizes: Sizes
    tree: PackTree
    parts: dict[int, Part]

    def __repr__(self) -> str:
        return f"batch {self.id.hex()[:4]}"

    @cached_property
    def packs(self) -> list[Pack]:
        return [part for part in self.parts.values() if isinstance(part, Pack)]

    @property
    def whole(self) -> Part:
        return self.parts[1]

    @cached_property
    def cases(self) -> list[Part]:
        return [part for part in self.parts.values() if part.height == self.sizes.case_bits]

    @cached_property
    def _inside(self) -> dict[int, list[Part]]:
        return {node: [part for part in self.parts.values() if is_in(part.node, node)] for node in self.parts}

    @cached_property
    def _outside(self) -> dict[int, list[Part]]:
        upwards = sorted(self.parts.values(), key=lambda part: part.height)
        return {node: [p for p in upwards if p.node != node and is_in(node, p.node)] for node in self.parts}

    def within(self, part: Part) -> list[Part]:
        """A part and everything in it."""
        return self._inside[part.node]

    def around(self, part: Part) -> list[Part]:
        """What a part is in, the nearest first."""
        return self._outside[part.node]

    def case_of(self, pack: Pack) -> Part:
        return self.parts[pack.node >> self.sizes.case_bits]

    def alone(self, pack: Pack) -> bool:
        """Whether what is dispensed here is dispensed out of no case."""
        return self.sizes.case_bits == 0 or pack.apart


def is_in(node: int, other: int) -> bool:
    """Whether a node is another or lies in it."""
    return node >= other and node >> (node.bit_length() - other.bit_length()) == other


def heights(sizes: Sizes) -> set[int]:
    """How high a batch, a pallet, a case and a pack are."""
    return {DEPTH, sizes.pallet_bits, sizes.case_bits, 0}


class Model:
    """Everything that can be said to Batches, and what must come of it. `now` is the second in which it is said."""

    def __init__(self, members: Iterable[Member], *, now: int, operators: dict[tuple[int, str], int]) -> None:
        self.members = {member.number: member for member in members}
        self.operators = operators
        self.now = now
        self.key_number = 1
        self.batches: dict[bytes, Batch] = {}

    # Who may

    def in_standing(self, number: int) -> bool:
        member = self.members.get(number)
        return member is not None and not member.suspended and self.now < member.expiry

    def standing(self, person: Person, roles: Role) -> int:
        """For which member a person holds one of the roles now; zero for none."""
        if not self.in_standing(person.member):
            return 0
        return person.member if person.roles & self.members[person.member].roles & roles else 0

    def lets(self, member: int, operator: Person, operation: int) -> bool:
        return self.in_standing(member) and bool(self.operators.get((member, operator.address), 0) & operation)

    # What is

    def is_offered(self, part: Part) -> bool:
        return part.offer is not None and self.now < part.offer.ends

    def is_locked(self, batch: Batch, part: Part) -> bool:
        """Whether something that it goes with is under an offer."""
        return any(self.is_offered(other) for other in batch.around(part) if other.node >= part.rides)

    def is_expired(self, batch: Batch) -> bool:
        return self.now >= batch.expiry

    def _unusable(self, batch: Batch, part: Part) -> Iterator[str]:
        if part.blocks:
            yield "IsBlocked"
        if self.is_expired(batch):
            yield "IsExpired"

    def _kept(self, batch: Batch, part: Part, to: int) -> Iterator[str]:
        """Why a part cannot go to a member."""
        if self.is_locked(batch, part):
            yield "UnderOffer"
        yield from _gone(part)
        if part.height and part.opened:
            yield "IsOpened"
        if not self._is_back(batch, part, to):
            yield from self._unusable(batch, part)

    @staticmethod
    def _is_back(batch: Batch, part: Part, to: int) -> bool:
        return to == batch.maker or to == part.giver != 0

    def _part(self, batch: bytes, node: int) -> tuple[Batch, Part] | Reasons:
        """The part, or why there is none. The test names no node of a batch's sizes that it does not look at."""
        found = self.batches.get(batch)
        if found is None:
            return frozenset({"NoSuchBatch"})
        part = found.parts.get(node)
        return (found, part) if part is not None else frozenset({"NoSuchNode"})

    def _pack(self, batch: bytes, index: int) -> tuple[Batch, Pack] | Reasons:
        if index >= 1 << DEPTH:
            return frozenset({"NoSuchIndex"})
        found = self._part(batch, (1 << DEPTH) | index)
        if isinstance(found, frozenset):
            return found
        whole, part = found
        assert isinstance(part, Pack)
        return whole, part

    # How things change

    @staticmethod
    def _riders(batch: Batch, part: Part) -> list[Part]:
        """The part and all in it that shares its way."""
        return [other for other in batch.within(part) if other.rides <= part.node]

    def _own_way(self, batch: Batch, part: Part) -> list[Part]:
        """A part goes its own way, with all that shares it. What its holder said of what carried it goes along."""
        riders = self._riders(batch, part)
        for rider in riders:
            rider.marks = {
                Mark(mark.block, part.node) if mark.at < part.node and mark.block in OF_HOLDER else mark
                for mark in rider.marks
            }
            rider.rides = part.node
        if isinstance(part, Pack):
            part.apart |= batch.sizes.case_bits != 0
        return riders

    def _stir(self, batch: Batch, part: Part) -> None:
        """A move, or a word taken back, counts for the part and what goes with it, and ends every offer of them."""
        for rider in self._riders(batch, part):
            rider.moves += 1
            rider.offer = None

    def _hand_over(self, batch: Batch, part: Part, to: int, missing: Sequence[int]) -> None:
        for node in missing:
            left = batch.parts[node]
            self._own_way(batch, left)
            self._stir(batch, left)

        back, giver = self._is_back(batch, part, to), part.holder
        riders = self._own_way(batch, part)
        self._stir(batch, part)
        for rider in riders:
            rider.holder = to
            rider.giver = batch.maker if part.height == DEPTH else 0 if back else giver
        # Goods that are given back to who holds what they came in are in it again. What is blocked by itself is not:
        # it would go on with what carries it.
        above = next(iter(batch.around(part)), None)
        blocked = any(mark.at == part.node for mark in part.marks)
        if back and above is not None and above.holder == to and not blocked:
            for rider in riders:
                rider.rides = above.rides
                rider.giver = above.giver
                rider.marks |= {mark for mark in above.marks if mark.block in OF_HOLDER}

    def _missing(self, batch: Batch, part: Part, missing: Sequence[int]) -> Iterator[str]:
        for node in missing:
            left = batch.parts.get(node)
            if left is None or left is part or not is_in(node, part.node):
                yield "NoSuchNode"
                continue
            if left.holder != part.holder:
                yield "NotTheHolder"
            yield from _gone(left)

    def _mark(self, batch: Batch, part: Part, block: Block) -> None:
        """What is blocked by itself goes its own way, so that nothing carries it off."""
        riders = self._own_way(batch, part)
        concerned = riders if block in OF_HOLDER else batch.within(part)
        for other in concerned:
            other.marks.add(Mark(block, part.node))

    def _unmark(self, batch: Batch, part: Part, block: Block) -> None:
        for other in batch.within(part):
            other.marks.discard(Mark(block, part.node))

    def _dispense(self, batch: Batch, packs: Iterable[Pack]) -> None:
        for pack in packs:
            pack.status = Status.DISPENSED
            out_of = pack if batch.alone(pack) else batch.case_of(pack)
            out_of.opened, out_of.day = True, self.now // DAY
            for rider in self._riders(batch, out_of):
                rider.rides = out_of.node

    # What can be said

    def commission(self, person: Person, *, sizes: Sizes, expiry: int, key_number: int, batch: Batch) -> Reasons:
        """A new batch, of which `sizes` and `expiry` are said."""
        why = set()
        if not self.standing(person, Role.MAKER):
            why.add("NoStanding")
        if not 0 <= sizes.case_bits <= sizes.pallet_bits <= DEPTH:
            why.add("WrongSizes")
        if expiry <= self.now or expiry % DAY or expiry > 0xFFFF * DAY:
            why.add("WrongExpiry")
        if key_number != self.key_number:
            why.add("WrongKey")
        if batch.id in self.batches:
            why.add("AlreadyCommissioned")
        if not why:
            self.batches[batch.id] = batch
        return frozenset(why)

    def anchor_events(self, person: Person, root: bytes) -> Reasons:
        """What is anchored concerns no batch."""
        why = set()
        if not self.standing(person, HANDLERS):
            why.add("NoStanding")
        if not any(root):
            why.add("NoRoot")
        return frozenset(why)

    def offer(self, person: Person, batch: bytes, node: int, to: int, ends: int) -> Reasons:
        why = set()
        giver = self.standing(person, HANDLERS)
        if not giver:
            why.add("NoStanding")
        if to in (0, giver):
            why.add("WrongReceiver")
        if not self.now < ends <= self.now + OFFER_WINDOW:
            why.add("WrongEnd")
        found = self._part(batch, node)
        if isinstance(found, frozenset):
            return found | why
        whole, part = found
        if part.holder != giver:
            why.add("NotTheHolder")
        if self.is_offered(part):
            why.add("UnderOffer")
        why.update(self._kept(whole, part, to))
        if not why:
            part.offer = Offer(to, ends)
            _say_of(whole, part)
        return frozenset(why)

    def withdraw(self, person: Person, batch: bytes, node: int) -> Reasons:
        why = set()
        giver = self.standing(person, HANDLERS)
        if not giver:
            why.add("NoStanding")
        found = self._part(batch, node)
        if isinstance(found, frozenset):
            return found | why
        whole, part = found
        if part.holder != giver:
            why.add("NotTheHolder")
        why.update(_gone(part))
        if not why:
            self._stir(whole, part)
            _say_of(whole, part)
        return frozenset(why)

    def reject(self, person: Person, batch: bytes, node: int) -> Reasons:
        why = set()
        to = self.standing(person, HANDLERS)
        if not to:
            why.add("NoStanding")
        found = self._part(batch, node)
        if isinstance(found, frozenset):
            return found | why
        whole, part = found
        why.update(self._unasked(part, to))
        if not why:
            self._stir(whole, part)
        return frozenset(why)

    def _unasked(self, part: Part, to: int) -> Iterator[str]:
        if not self.is_offered(part) or part.offer is None or part.offer.to != to:
            yield "NotOffered"

    def accept(self, person: Person, batch: bytes, node: int, missing: Sequence[int]) -> Reasons:
        why = set()
        to = self.standing(person, HANDLERS)
        if not to:
            why.add("NoStanding")
        found = self._part(batch, node)
        if isinstance(found, frozenset):
            return found | why
        whole, part = found
        why.update(self._unasked(part, to))
        if not self.in_standing(part.holder):
            why.add("GiverNotInStanding")
        why.update(self._kept(whole, part, to))
        why.update(self._missing(whole, part, missing))
        if not why:
            self._hand_over(whole, part, to, missing)
        return frozenset(why)

    def accept_by_sig(
        self,
        person: Person,
        batch: bytes,
        node: int,
        missing: Sequence[int],
        *,
        giver: Person,
        to: int,
        moves: int,
        deadline: int,
        forged: bool,
    ) -> Reasons:
        why = set()
        receiver, from_ = self.standing(person, HANDLERS), self.standing(giver, HANDLERS)
        if not receiver or not from_:
            why.add("NoStanding")
        if to != receiver:
            why.add("NotOffered")
        if self.now > deadline:
            why.add("SignatureExpired")
        if deadline > self.now + OFFER_WINDOW:
            why.add("DeadlineTooFar")
        if forged:
            why.add("WrongSignature")
        if to == from_:
            why.add("WrongReceiver")
        found = self._part(batch, node)
        if isinstance(found, frozenset):
            return found | why
        whole, part = found
        if part.holder != from_:
            why.add("NotTheHolder")
        if moves != part.moves:
            why.add("WrongMoves")
        if self.is_offered(part) and part.offer is not None and part.offer.to != to:
            why.add("UnderOffer")
        why.update(self._kept(whole, part, to))
        why.update(self._missing(whole, part, missing))
        if not why:
            self._hand_over(whole, part, to, missing)
        return frozenset(why)

    def dispense(self, person: Person, batch: bytes, index: int, *, proven: bool) -> Reasons:
        why, found = self._at_counter(person, batch, index)
        return self._give_out(why, found, proven=proven, operator="")

    def dispense_for(self, operator: Person, pharmacist: Person, batch: bytes, index: int, *, proven: bool) -> Reasons:
        why, found = self._at_counter(pharmacist, batch, index)
        if not self.lets(self.standing(pharmacist, Role.PHARMACIST), operator, DISPENSE_FOR):
            why.add("NotAnOperator")
        return self._give_out(why, found, proven=proven, operator=operator.address)

    def _give_out(self, why: set[str], found: tuple[Batch, Pack] | None, *, proven: bool, operator: str) -> Reasons:
        if found is None:
            return frozenset(why)
        whole, pack = found
        if not proven:
            why.add("WrongProof")
        if self.is_offered(pack) or self.is_locked(whole, pack):
            why.add("UnderOffer")
        why.update(_gone(pack))
        if not why:
            self._dispense(whole, [pack])
            pack.operator = operator
        return frozenset(why)

    def undo(self, person: Person, batch: bytes, index: int) -> Reasons:
        why, found = self._at_counter(person, batch, index)
        return self._take_back(why, found, operator="")

    def undo_for(self, operator: Person, pharmacist: Person, batch: bytes, index: int) -> Reasons:
        why, found = self._at_counter(pharmacist, batch, index)
        if not self.lets(self.standing(pharmacist, Role.PHARMACIST), operator, DISPENSE_FOR):
            why.add("NotAnOperator")
        return self._take_back(why, found, operator=operator.address)

    def _take_back(self, why: set[str], found: tuple[Batch, Pack] | None, *, operator: str) -> Reasons:
        if found is None:
            return frozenset(why | {"IsClaimed"} if operator else why)
        whole, pack = found
        if pack.operator != operator:
            why.add("IsClaimed")
        if pack.status != Status.DISPENSED:
            why.add("WrongStatus")
        out_of = pack if whole.alone(pack) else whole.case_of(pack)
        if self.now >= (out_of.day + UNDO_DAYS + 1) * DAY:
            why.add("TooLate")
        if not why:
            pack.status = Status.IN_STOCK
            pack.operator = ""
        return frozenset(why)

    def _at_counter(self, pharmacist: Person, batch: bytes, index: int) -> tuple[set[str], tuple[Batch, Pack] | None]:
        """What dispensing and taking back have in common."""
        why = set()
        member = self.standing(pharmacist, Role.PHARMACIST)
        if not member:
            why.add("NoStanding")
        found = self._pack(batch, index)
        if isinstance(found, frozenset):
            return why | found, None
        whole, pack = found
        if pack.holder != member:
            why.add("NotTheHolder")
        why.update(self._unusable(whole, pack))
        return why, found

    def dispense_many(self, person: Person, batch: bytes, case: int, word: int, mask: int) -> Reasons:
        why, found = self._of_case(self.standing(person, Role.PHARMACIST), batch, case, word, mask)
        if found is None:
            return frozenset(why)
        whole, part, packs = found
        why.update(self._unusable(whole, part))
        if not why:
            self._dispense(whole, packs)
        return frozenset(why)

    def end(self, person: Person, batch: bytes, index: int, kind: End) -> Reasons:
        why = set()
        member = self.standing(person, HANDLERS)
        if not member:
            why.add("NoStanding")
        found = self._pack(batch, index)
        if isinstance(found, frozenset):
            return found | why
        whole, pack = found
        if pack.holder != member:
            why.add("NotTheHolder")
        if self.is_offered(pack) or self.is_locked(whole, pack):
            why.add("UnderOffer")
        if kind == End.EXPORTED:
            why.update(self._unusable(whole, pack))
        why.update(_gone(pack))
        if not why:
            pack.status, pack.apart = Status.ENDED, True
        return frozenset(why)

    def end_many(self, person: Person, batch: bytes, case: int, word: int, mask: int, kind: End) -> Reasons:
        why, found = self._of_case(self.standing(person, HANDLERS), batch, case, word, mask)
        if found is None:
            return frozenset(why)
        whole, part, packs = found
        if kind == End.EXPORTED:
            why.update(self._unusable(whole, part))
        if not why:
            for pack in packs:
                pack.status, pack.apart = Status.ENDED, True
        return frozenset(why)

    def _of_case(
        self, member: int, batch: bytes, case: int, word: int, mask: int
    ) -> tuple[set[str], tuple[Batch, Part, list[Pack]] | None]:
        """The packs of a mask, all in one case, each still as it came."""
        why = set()
        if not member:
            why.add("NoStanding")
        found = self._part(batch, case)
        if isinstance(found, frozenset):
            return why | found, None
        whole, part = found
        if part.height != whole.sizes.case_bits:
            return why | {"NoSuchNode"}, None
        if part.holder != member:
            why.add("NotTheHolder")
        if self.is_offered(part) or self.is_locked(whole, part):
            why.add("UnderOffer")
        packs = []
        for bit in (bit for bit in range(256) if mask >> bit & 1):
            pack = whole.parts.get((1 << DEPTH) + 256 * word + bit)
            if isinstance(pack, Pack) and is_in(pack.node, case) and pack.status == Status.IN_STOCK and not pack.apart:
                packs.append(pack)
            else:
                why.add("WrongMask")
        if not packs:
            why.add("WrongMask")
        return why, (whole, part, packs)

    def quarantine(self, person: Person, batch: bytes, node: int, block: Block) -> Reasons:
        if block not in QUARANTINES:
            return frozenset({"WrongBlock"})
        found = self._part(batch, node)
        if isinstance(found, frozenset):
            return found
        whole, part = found
        why = set(self._no_authority(person, whole, part, block))
        why.update(_gone(part))
        if part.holder == person.member and self.is_locked(whole, part):
            why.add("UnderOffer")
        if not why:
            self._mark(whole, part, block)
        return frozenset(why)

    def release(self, person: Person, batch: bytes, node: int, block: Block) -> Reasons:
        if block not in (*QUARANTINES, Block.EXCURSION):
            return frozenset({"WrongBlock"})
        found = self._part(batch, node)
        if isinstance(found, frozenset):
            return found
        whole, part = found
        why = set(self._no_authority(person, whole, part, block))
        if Mark(block, node) not in part.marks:
            why.add("WrongBlock")
        if not why:
            self._unmark(whole, part, block)
        return frozenset(why)

    def _no_authority(self, person: Person, batch: Batch, part: Part, block: Block) -> Iterator[str]:
        if block == Block.BY_REGULATOR and not self.standing(person, Role.REGULATOR):
            yield "NoStanding"
        if block == Block.BY_HOLDER:
            member = self.standing(person, HANDLERS)
            if not member:
                yield "NoStanding"
            if member != part.holder:
                yield "NotTheHolder"
        if block in (Block.BY_MAKER, Block.EXCURSION) and self.standing(person, Role.MAKER) != batch.maker:
            yield "NotTheMaker"

    def report_excursion(self, operator: Person, member: int, batch: bytes, node: int) -> Reasons:
        why = set()
        if not self.lets(member, operator, REPORT_EXCURSION_FOR):
            why.add("NotAnOperator")
        found = self._part(batch, node)
        if isinstance(found, frozenset):
            return found | why
        whole, part = found
        if part.holder != member:
            why.add("NotTheHolder")
        why.update(_gone(part))
        if not why:
            self._mark(whole, part, Block.EXCURSION)
        return frozenset(why)

    def recall(self, person: Person, batch: bytes, node: int) -> Reasons:
        found = self._part(batch, node)
        if isinstance(found, frozenset):
            return found
        whole, part = found
        why = set(_gone(part))
        if self.standing(person, Role.MAKER) != whole.maker and not self.standing(person, Role.REGULATOR):
            why.add("NoStanding")
        if not why:
            self._mark(whole, part, Block.RECALL)
        return frozenset(why)

    def lift_recall(self, person: Person, batch: bytes, node: int) -> Reasons:
        why = set()
        if not self.standing(person, Role.REGULATOR):
            why.add("NoStanding")
        found = self._part(batch, node)
        if isinstance(found, frozenset):
            return found | why
        whole, part = found
        if Mark(Block.RECALL, node) not in part.marks:
            why.add("WrongBlock")
        if not why:
            self._unmark(whole, part, Block.RECALL)
        return frozenset(why)


def _gone(part: Part) -> Iterator[str]:
    """Only a single pack is gone; a case with some of its packs gone is still a case."""
    if isinstance(part, Pack) and part.status != Status.IN_STOCK:
        yield "WrongStatus"


def _say_of(batch: Batch, part: Part) -> None:
    if isinstance(part, Pack) and batch.sizes.case_bits:
        part.apart = True

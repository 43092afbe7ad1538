"""What Prescriptions must do, as a plain model: an object for each word, each hold and each filling that there was.

Written from the sentences of IPrescriptions and the design. Where the contract keeps a sum, a holder and what was given
last, this model keeps the whole history and looks the answer up in it.

An act answers with the names of all the rules that forbid it; where there is none, it was done.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pack_model import DAY, FILL_FOR, Member, Person, Reasons

from theriac.consortium import Role
from theriac.medicine.messages import Line, Terms, hash_of

HOUR = 3600
HOLD = DAY
UNDO_WINDOW = 10 * DAY
WORD_WINDOW = HOUR
LAST_UNIT = 2**16 - 1
"""What a line can say as given at most."""

LAST_BITS = 2**96 - 1
"""Of a contract that fills, as much is written down."""

TAKE, CANCEL = "Take", "Cancel"


@dataclass(frozen=True)
class Word:
    """What a bearer may say: that the member `to` has lines, which `giver` gives up, or that they are cancelled."""

    kind: str
    prescription: bytes
    lines: frozenset[int]
    giver: int
    to: int
    nonce: int
    deadline: int


@dataclass(frozen=True)
class Paper:
    """A word as somebody signed it."""

    word: Word
    signer: Person
    signature: bytes

    def __repr__(self) -> str:
        lines = sorted(self.word.lines)
        return f"{self.word.kind} {self.word.nonce} of {lines} to {self.word.to} signed by {self.signer}"


@dataclass(frozen=True)
class Opening:
    """A line as it is shown to be filled. `line` is its place."""

    terms: Terms
    hashes: tuple[bytes, ...]
    line: int
    opened: Line
    units: int
    evidence: bytes


@dataclass(frozen=True)
class Hold:
    member: int
    ends: int


@dataclass
class Filling:
    units: int
    member: int
    at: int
    through: Person | None
    taken_back: bool = False


@dataclass(eq=False, repr=False)
class Prescription:
    """A prescription, which is on the chain or only written. It is on the chain once `member` is that of somebody."""

    terms: Terms
    bearer: Person
    lines: tuple[Line, ...]
    member: int = 0
    time: int = 0
    words: list[Word] = field(default_factory=list)
    cancelled: set[int] = field(default_factory=set)
    holds: dict[int, Hold] = field(default_factory=dict)
    fillings: dict[int, list[Filling]] = field(default_factory=lambda: defaultdict(list))

    def __repr__(self) -> str:
        return f"prescription {self.terms.id.hex()[:4]}"

    @property
    def watched(self) -> list[int]:
        """The lines that are looked at: the first ones, one more than there is, and the edges of a mask."""
        return sorted({*range(min(len(self.lines), 4) + 1), 31, 32})

    def given(self, line: int) -> int:
        return sum(filling.units for filling in self.fillings[line] if not filling.taken_back)

    def last(self, line: int) -> Filling | None:
        """What was given last, unless that was taken back."""
        last = self.fillings[line][-1] if self.fillings[line] else None
        return last if last is not None and not last.taken_back else None


class LineSight(NamedTuple):
    """What the chain says of a line."""

    filled: int = 0
    holder: int = 0
    hold_ends: int = 0
    filler: int = 0
    units: int = 0
    time: int = 0
    operator: int = 0

    def holder_at(self, second: int) -> int:
        return self.holder if second < self.hold_ends else 0


class Sight(NamedTuple):
    """What the chain says of a prescription, and of those of its lines that are looked at."""

    member: int
    time: int
    nonce: int
    cancelled: frozenset[int]
    lines: dict[int, LineSight]


def due(line: Line, now: int) -> int:
    """How much has fallen due: the quantity at once, and again with each refill whose day has come."""
    days = (line.earliest + refill * line.interval * DAY for refill in range(line.refills + 1))
    return min(sum(line.quantity for day in days if day <= now), LAST_UNIT)


def expected(prescription: Prescription) -> Sight:
    """What the chain must say of a prescription."""
    lines = {}
    for line in prescription.watched:
        hold, last = prescription.holds.get(line), prescription.last(line)
        sight = LineSight(filled=prescription.given(line))
        if hold is not None:
            sight = sight._replace(holder=hold.member, hold_ends=hold.ends)
        if last is not None:
            operator = int(last.through.address, 16) & LAST_BITS if last.through else 0
            sight = sight._replace(filler=last.member, units=last.units, time=last.at, operator=operator)
        lines[line] = sight
    words, cancelled = len(prescription.words), frozenset(prescription.cancelled)
    return Sight(prescription.member, prescription.time, words, cancelled, lines)


class Model:
    """What can be said to Prescriptions, and what must come of it. `now` is the second in which it is said."""

    def __init__(self, members: Iterable[Member], *, now: int, operators: dict[tuple[int, str], int]) -> None:
        self.members = {member.number: member for member in members}
        self.operators = dict(operators)
        self.now = now
        self.prescriptions: dict[bytes, Prescription] = {}

    # Who may

    def in_standing(self, number: int) -> bool:
        member = self.members.get(number)
        return member is not None and not member.suspended and self.now < member.expiry

    def standing(self, person: Person, roles: Role) -> int:
        """For which member a person holds one of the roles now; zero for none."""
        if not self.in_standing(person.member):
            return 0
        return person.member if person.roles & self.members[person.member].roles & roles else 0

    def lets(self, member: int, operator: Person) -> bool:
        return bool(self.operators.get((member, operator.address), 0) & FILL_FOR)

    def _pharmacist(self, person: Person, through: Person | None) -> Iterator[str]:
        """Why a person, or a contract for it, may do nothing for a pharmacy."""
        if not self.standing(person, Role.PHARMACIST):
            yield "NoStanding"
        if through is not None and not self.lets(person.member, through):
            yield "NotAnOperator"

    # What is

    def known(self, prescription: bytes) -> Prescription | None:
        """A prescription that is on the chain."""
        found = self.prescriptions.get(prescription)
        return found if found is not None and found.member else None

    def holder(self, prescription: Prescription, line: int) -> int:
        hold = prescription.holds.get(line)
        return hold.member if hold is not None and self.now < hold.ends else 0

    def left(self, prescription: Prescription, line: int) -> int:
        """How much of a line may be given now, if it is held."""
        opened = prescription.lines[line]
        if not opened.earliest <= self.now < opened.latest:
            return 0
        return due(opened, self.now) - prescription.given(line)

    def _out_of_window(self, deadline: int) -> Iterator[str]:
        if deadline < self.now:
            yield "SignatureExpired"
        if deadline > self.now + WORD_WINDOW:
            yield "DeadlineTooFar"

    def _no_word(self, prescription: Prescription, brought: Word, paper: Paper) -> Iterator[str]:
        """Why what was brought is no word of the bearer for now."""
        yield from self._out_of_window(brought.deadline)
        if brought.nonce != len(prescription.words):
            yield "WrongNonce"
        if paper.word != brought or paper.signer.address != prescription.bearer.address:
            yield "WrongSignature"
        yield from self._no_lines(prescription, brought.lines)

    @staticmethod
    def _no_lines(prescription: Prescription, lines: frozenset[int]) -> Iterator[str]:
        if not lines or lines & prescription.cancelled:
            yield "WrongLines"

    # What can be said

    def prescribe(self, person: Person, terms: Terms) -> Reasons:
        why = set()
        member = self.standing(person, Role.PRESCRIBER)
        if not member:
            why.add("NoStanding")
        if int(terms.bearer, 16) == 0 or not any(terms.lines) or not any(terms.file):
            why.add("EmptyPrescription")
        if self.known(terms.id) is not None:
            why.add("AlreadyPrescribed")
        if not why:
            prescription = self.prescriptions[terms.id]
            prescription.member, prescription.time = member, self.now
        return frozenset(why)

    def prescribe_by_sig(self, person: Person, terms: Terms, deadline: int, *, signed: bool) -> Reasons:
        """What a person prescribes by its signature, if that is one."""
        why = set(self._out_of_window(deadline))
        if not signed:
            why.add("WrongSignature")
        return frozenset(why) or self.prescribe(person, terms)

    def take(self, person: Person, through: Person | None, brought: Word, paper: Paper) -> Reasons:
        why = set(self._pharmacist(person, through))
        prescription = self.known(brought.prescription)
        if prescription is None:
            return frozenset(why | {"NoSuchPrescription"})
        why.update(self._no_word(prescription, brought, paper))
        if any(self.holder(prescription, line) != brought.giver for line in brought.lines):
            why.add("NotTheHolder")
        if not why:
            prescription.words.append(brought)
            for line in brought.lines:
                prescription.holds[line] = Hold(person.member, self.now + HOLD)
        return frozenset(why)

    def give_back(self, person: Person, id_: bytes, lines: frozenset[int]) -> Reasons:
        why = set(self._pharmacist(person, None))
        if not lines:
            why.add("WrongLines")
        prescription = self.known(id_)
        if prescription is None or any(self.holder(prescription, line) != person.member for line in lines):
            why.add("NotTheHolder")
        if not why and prescription is not None:
            for line in lines:
                del prescription.holds[line]
        return frozenset(why)

    def fill(self, person: Person, through: Person | None, opening: Opening) -> Reasons:
        why = set(self._pharmacist(person, through))
        prescription = self.known(opening.terms.id)
        if prescription is None:
            return frozenset(why | {"NoSuchPrescription", "NotTheHolder", "WrongLine"})
        if not is_shown(prescription.lines, opening):
            return frozenset(why | {"WrongLine"})
        if self.holder(prescription, opening.line) != person.member:
            why.add("NotTheHolder")
        if opening.line in prescription.cancelled:
            why.add("IsCancelled")
        if not self.in_standing(prescription.member):
            why.add("PrescriberNotInStanding")
        if opening.units == 0 or not any(opening.evidence):
            why.add("EmptyFilling")
        if self.now < opening.opened.earliest:
            why.add("TooEarly")
        if self.now >= opening.opened.latest:
            why.add("TooLate")
        if prescription.given(opening.line) + opening.units > due(opening.opened, self.now):
            why.add("TooMany")
        if not why:
            del prescription.holds[opening.line]
            filling = Filling(opening.units, person.member, self.now, through)
            prescription.fillings[opening.line].append(filling)
        return frozenset(why)

    def unfill(self, person: Person, through: Person | None, id_: bytes, line: int) -> Reasons:
        why = set(self._pharmacist(person, through))
        prescription = self.known(id_)
        last = prescription.last(line) if prescription is not None else None
        if last is None:
            return frozenset(why | {"NotTheFiller"})
        if last.member != person.member or last.through != through:
            why.add("NotTheFiller")
        if self.now > last.at + UNDO_WINDOW:
            why.add("TooLate")
        if not why:
            last.taken_back = True
        return frozenset(why)

    def cancel(self, person: Person, id_: bytes, lines: frozenset[int]) -> Reasons:
        why = set()
        member = self.standing(person, Role.PRESCRIBER)
        if not member:
            why.add("NoStanding")
        prescription = self.known(id_)
        if prescription is None:
            return frozenset(why | {"NoSuchPrescription"})
        if member != prescription.member:
            why.add("NotThePrescriber")
        why.update(self._no_lines(prescription, lines))
        if not why:
            prescription.cancelled |= lines
        return frozenset(why)

    def cancel_by_sig(self, brought: Word, paper: Paper) -> Reasons:
        prescription = self.known(brought.prescription)
        if prescription is None:
            return frozenset({"NoSuchPrescription"})
        why = frozenset(self._no_word(prescription, brought, paper))
        if not why:
            prescription.words.append(brought)
            prescription.cancelled |= brought.lines
        return why


def is_shown(lines: Sequence[Line], opening: Opening) -> bool:
    """Whether what is opened is one of the lines, at its place."""
    if opening.terms.lines != hash_of(lines) or opening.hashes != tuple(line.hash for line in lines):
        return False
    return len(lines) <= 32 and opening.line < len(lines) and opening.opened == lines[opening.line]

"""The properties of prescriptions in docs/properties.md, held against what a chain says before an act and after it."""

from collections import Counter
from dataclasses import dataclass, field
from dataclasses import fields as fields_of

from pack_model import DAY, Person
from prescription_model import (
    CANCEL,
    HOLD,
    LAST_BITS,
    TAKE,
    UNDO_WINDOW,
    WORD_WINDOW,
    LineSight,
    Model,
    Opening,
    Paper,
    Prescription,
    Sight,
    Word,
)
from prescription_stage import mask
from random_lives import Event

from theriac.consortium import Role
from theriac.medicine.messages import Line, Terms


@dataclass(frozen=True)
class Signed:
    """A prescription as somebody signed it."""

    terms: Terms
    deadline: int
    signer: Person
    signature: bytes


@dataclass(frozen=True)
class Act:
    """What was said to Prescriptions, of what, and by whom: `by` is the account for which it counts.

    `sender` sent the transaction, `through` is the contract, or whoever else, that said to act for `by`.
    """

    name: str
    by: Person
    sender: Person
    prescription: bytes
    lines: frozenset[int] = frozenset()
    through: Person | None = None
    brought: Word | None = None
    paper: Paper | None = None
    opening: Opening | None = None
    signed: Signed | None = None

    def __repr__(self) -> str:
        through = f" through {self.through}" if self.through else ""
        facts = (f"{fact.name}={getattr(self, fact.name)}" for fact in fields_of(self)[6:] if getattr(self, fact.name))
        head = f"{self.name} of {sorted(self.lines)} in {self.prescription[:2].hex()} by {self.by}{through}"
        return " ".join((head, *facts))


PRESCRIBING = ("prescribe", "prescribeBySig")
TAKING = ("take", "takeFor")
FILLING = ("fill", "fillFor")
UNFILLING = ("unfill", "unfillFor")
CANCELLING = ("cancel", "cancelBySig")
BY_WORD = (*TAKING, "cancelBySig")

Place = tuple[bytes, int]


@dataclass(frozen=True)
class Last:
    """What was given last of a line, as it was told."""

    units: int
    member: int
    by: str
    at: int


@dataclass
class Watch:
    """Holds the properties of docs/properties.md against what the chain shows and tells.

    It knows no rule of the contract: what it needs of the past it wrote down when the chain told it. Of the model it
    uses the clock and who is in standing.
    """

    model: Model
    given: Counter[Place] = field(default_factory=Counter)
    last: dict[Place, Last] = field(default_factory=dict)
    holds: dict[Place, tuple[int, int]] = field(default_factory=dict)
    words: set[bytes] = field(default_factory=set)

    def done(self, act: Act, prescription: Prescription, before: Sight, after: Sight, told: list[Event]) -> None:
        """The act was done: what it may have changed, and what not."""
        self._standing(act)
        # property P20
        (event,) = told
        assert event.facts["prescription"] == act.prescription
        self._prescription(act, before, after, event)
        if act.name in BY_WORD:
            self._word(act, prescription, before, after)
        else:
            # property P11
            assert after.nonce == before.nonce
        for line in act.lines - before.lines.keys():
            self._tell(act, line, event)
        for line, seen in before.lines.items():
            if line in act.lines:
                self._tell(act, line, event)
                self._line(act, prescription, line, seen, after.lines[line])
            else:
                # property P19
                assert after.lines[line] == seen
            self._always(prescription, line, after.lines[line])

    def refused(self, act: Act, told: list[Event]) -> None:
        """The act was refused. What it would have changed is looked at by `untouched`."""
        # property P18
        assert told == []

    def untouched(self, before: Sight, after: Sight) -> None:
        """An act was refused or of something else, or time passed."""
        # properties P18, P19
        assert after == before

    def _standing(self, act: Act) -> None:
        if act.name == "cancelBySig":
            return
        # property P17
        assert self.model.standing(act.by, Role.PRESCRIBER if act.name in (*PRESCRIBING, "cancel") else Role.PHARMACIST)
        assert act.name.endswith("For") == (act.through is not None)
        if act.through is not None:
            assert self.model.lets(act.by.member, act.through)
        elif act.name != "prescribeBySig":
            assert act.sender == act.by

    def _prescription(self, act: Act, before: Sight, after: Sight, event: Event) -> None:
        told = event.facts
        if act.name in PRESCRIBING:
            # property P2
            assert before == Sight(0, 0, 0, frozenset(), dict.fromkeys(before.lines, LineSight()))
            assert after == before._replace(member=act.by.member, time=self.model.now)
            # property P20
            terms = Terms(told["prescriber"], told["bearer"], told["lines"], told["file"])
            assert (event.name, told["member"], terms.id) == ("Prescribed", act.by.member, act.prescription)
            # property P1
            assert terms.prescriber.lower() == act.by.address.lower()
            if act.signed is not None:
                assert (act.signed.signer, act.signed.terms.id) == (act.by, act.prescription)
                assert self.model.now <= act.signed.deadline <= self.model.now + WORD_WINDOW
            return

        # property P2
        assert before.member
        assert (after.member, after.time) == (before.member, before.time)
        if act.name in CANCELLING:
            # property P15
            assert act.lines
            assert after.cancelled == before.cancelled | act.lines
            by_word = act.name == "cancelBySig"
            assert by_word or act.by.member == before.member
            # property P20
            assert (event.name, told["lines"]) == ("Cancelled", mask(act.lines))
            assert told["member"] == (0 if by_word else act.by.member)
        else:
            # property P15
            assert after.cancelled == before.cancelled

    def _word(self, act: Act, prescription: Prescription, before: Sight, after: Sight) -> None:
        paper = act.paper
        assert paper is not None
        # property P11
        assert (before.nonce, after.nonce) == (paper.word.nonce, paper.word.nonce + 1)
        assert paper.signature not in self.words
        assert self.model.now <= paper.word.deadline <= self.model.now + WORD_WINDOW
        assert paper.word.kind == (TAKE if act.name in TAKING else CANCEL)
        # properties P10, P15
        assert paper.signer == prescription.bearer
        assert (paper.word.prescription, paper.word.lines) == (act.prescription, act.lines)
        # property P16
        assert not act.lines & before.cancelled
        if act.name in TAKING:
            # property P10
            assert act.lines
            assert paper.word.to == act.by.member
        self.words.add(paper.signature)

    def _tell(self, act: Act, line: int, event: Event) -> None:
        """What was told of a line is written down."""
        told, place = event.facts, (act.prescription, line)
        if act.name in (*PRESCRIBING, *CANCELLING):
            return
        # property P20
        assert told["member"] == act.by.member
        if act.name in TAKING:
            assert (event.name, told["lines"]) == ("Taken", mask(act.lines))
            # property P10
            member, ends = self.holds.pop(place, (0, 0))
            assert told["from"] == (member if self.model.now < ends else 0)
            # property P12
            assert told["ends"] == self.model.now + HOLD
            self.holds[place] = (told["member"], told["ends"])
        elif act.name == "giveBack":
            assert (event.name, told["lines"]) == ("GivenBack", mask(act.lines))
            # property P12
            member, ends = self.holds.pop(place)
            assert member == act.by.member
            assert self.model.now < ends
        else:
            assert told["line"] == line
            assert told["by"].lower() == (act.through or act.by).address.lower()
            self._tell_units(act, place, event)

    def _tell_units(self, act: Act, place: Place, event: Event) -> None:
        told = event.facts
        if act.name in FILLING:
            assert act.opening is not None
            assert (event.name, told["units"], told["evidence"]) == ("Filled", act.opening.units, act.opening.evidence)
            # property P8
            member, ends = self.holds.pop(place)
            assert member == act.by.member
            assert self.model.now < ends
            self.given[place] += told["units"]
            self.last[place] = Last(told["units"], told["member"], told["by"], self.model.now)
        else:
            assert event.name == "Unfilled"
            # property P13
            last = self.last.pop(place)
            assert (last.member, last.units) == (told["member"], told["units"])
            assert last.by.lower() == told["by"].lower() or not act.through
            assert self.model.now <= last.at + UNDO_WINDOW
            self.given[place] -= told["units"]

    def _line(self, act: Act, prescription: Prescription, line: int, before: LineSight, after: LineSight) -> None:
        """A line that is named changes only in what the act is about."""
        if act.name in CANCELLING:
            # property P15
            assert after == before
        elif act.name in TAKING:
            assert after == before._replace(holder=act.by.member, hold_ends=self.model.now + HOLD)
        elif act.name == "giveBack":
            assert after == before._replace(holder=0, hold_ends=0)
        elif act.name in FILLING:
            self._filling(act, prescription, before, after)
        elif act.name in UNFILLING:
            # property P13
            assert (before.filler, before.operator) == (act.by.member, _operator(act))
            assert self.model.now <= before.time + UNDO_WINDOW
            # property P14
            assert after == LineSight(before.filled - before.units, before.holder, before.hold_ends)

    def _filling(self, act: Act, prescription: Prescription, before: LineSight, after: LineSight) -> None:
        opening, now = act.opening, self.model.now
        assert opening is not None
        # property P5
        assert opening.opened == prescription.lines[opening.line]
        assert opening.line < 32
        assert opening.units
        assert any(opening.evidence)
        # property P6
        assert opening.opened.earliest <= now < opening.opened.latest
        # property P7
        assert opening.line not in prescription.cancelled
        assert self.model.in_standing(prescription.member)
        # property P8
        assert before.holder_at(now) == act.by.member
        given = LineSight(filler=act.by.member, units=opening.units, time=now, operator=_operator(act))
        assert after == given._replace(filled=before.filled + opening.units)
        # property P3
        assert after.filled <= opening.opened.due(now)

    def _always(self, prescription: Prescription, line: int, seen: LineSight) -> None:
        place = (prescription.terms.id, line)
        # property P4
        assert seen.filled == self.given[place]
        # property P9
        member, ends = self.holds.get(place, (0, 0))
        assert seen.holder_at(self.model.now) == (member if self.model.now < ends else 0)
        # property P3
        due = _due(prescription.lines[line], self.model.now) if line < len(prescription.lines) else 0
        assert seen.filled <= due


def _operator(act: Act) -> int:
    return int(act.through.address, 16) & LAST_BITS if act.through else 0


def _due(line: Line, now: int) -> int:
    """How much has fallen due, also when it is too late to be given."""
    if now < line.earliest:
        return 0
    refills = min(line.refills, (now - line.earliest) // (line.interval * DAY)) if line.interval else line.refills
    return line.quantity * (1 + refills)

"""Prescriptions against a plain model, over random sequences of everything that can be said to it.

Each step is one transaction on an anvil of its own, by a likely or an unlikely person with likely or unlikely facts.
The model says whether it must succeed, and if not, for which reasons it may be refused; the chain must agree.
Afterwards everything that can be asked about all prescriptions equals the model, and the properties of
docs/properties.md hold between what the chain said before the step and what it says after it. `THERIAC_FUZZ_STEPS` asks
for that many steps.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any, ClassVar

import pytest
from eth_utils import keccak
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from pack_model import DAY, DISPENSE_FOR, FILL_FOR, Member, Person, Reasons
from prescription_model import (
    CANCEL,
    HOUR,
    TAKE,
    UNDO_WINDOW,
    WORD_WINDOW,
    Model,
    Opening,
    Paper,
    Prescription,
    Sight,
    Word,
    expected,
)
from prescription_properties import Act, Signed, Watch
from prescription_stage import LICENCES, PEOPLE, PHARMACIES, PRESCRIBING, Stage, digest, mask
from random_lives import live
from real_anvil import BOARD, anvil, person

from theriac.consortium import Role
from theriac.medicine.messages import Cancel, Line, Prescribe, Take, Terms, hash_of

STEPS = int(os.environ.get("THERIAC_FUZZ_STEPS", "600"))

# What becomes of a few prescriptions, in acts; about as many transactions come of them.
LIFE = 60

# How many prescriptions are looked at.
MOST_WATCHED = 4

ACTS = {
    *("prescribe", "prescribeBySig", "take", "takeFor", "giveBack"),
    *("fill", "fillFor", "unfill", "unfillFor", "cancel", "cancelBySig"),
}

MOST = 9
"""Of ten choices, how many are likely ones."""

LIKELY = {
    "prescribe": 3,
    "prescribe_by_sig": 3,
    "wait": 6,
    "judge": 4,
    "let": 3,
    "take": 17,
    "sign": 3,
    "bring": 4,
    "give_back": 3,
    "fill": 12,
    "unfill": 10,
    "cancel": 1,
    "cancel_by_sig": 1,
}
"""How often each thing happens, by the method that does it."""

BEARERS = tuple(Person(f"bearer {number}", person(f"bearer {number}").address) for number in range(4))

LIBRARY_ERRORS = {"InvalidShortString", "StringTooLong"}
"""What only the name of the signatures' domain could cause."""

NOBODY = f"0x{0:040x}"


class Senseless(Exception):
    """There is nothing at the moment of which this could be said with any sense."""


class Surgery(RuleBasedStateMachine):
    """What becomes of a few prescriptions among four members, with every act of Prescriptions."""

    stage: ClassVar[Stage]
    seen: ClassVar[Counter[tuple[str, str]]]

    @initialize(seed=st.binary(min_size=8, max_size=8))
    def found(self, seed: bytes) -> None:
        now = self.stage.anew()
        members = [Member(number, roles, self.stage.licence) for number, roles in LICENCES.items()]
        self.model = Model(members, now=now, operators=self.stage.operators)
        self.watch = Watch(self.model)
        self.sights: dict[bytes, Sight] = {}
        self.papers: list[Paper] = []
        self.used: Counter[bytes] = Counter()
        self.prescribe(Random(seed))

    @rule(seed=st.binary(min_size=8, max_size=8))
    def step(self, seed: bytes) -> None:
        """Something happens. Hypothesis chooses how much and leaves steps out; the dice fall evenly."""
        self.used[seed] += 1
        dice = Random(seed + bytes([self.used[seed] % 256]))
        # Nobody is out of standing for long.
        if dice.randint(0, 2) == 0 and not all(map(self.model.in_standing, LICENCES)):
            self.judge(dice)
        acts = dice.choices(list(LIKELY), weights=list(LIKELY.values()), k=20)
        # What a pharmacy holds it fills, often before anything else happens.
        if dice.randint(0, 1):
            acts.insert(0, "fill")
        for act in dict.fromkeys(acts):
            with suppress(Senseless):
                getattr(self, act)(dice)
                break

    # How an act is said, and what is asked afterwards

    def say(self, act: Act, *arguments: Any, reasons: Callable[[], Reasons]) -> bool:
        """Says something to Prescriptions, and to the model; whether it was done."""
        self.model.now += 1
        answer = self.stage.say(act.sender.address, act.name, *arguments, at=self.model.now, through=act.through)
        why = reasons()
        self.seen[act.name, answer.error or "done"] += 1
        note(f"{self.model.now}: {act}: {answer.error or 'done'}")
        # property P21
        if answer.error is None:
            assert not why, f"{act} was done, though {sorted(why)}"
        else:
            assert answer.error in why, f"{act} was refused by {answer.error}, not by one of {sorted(why)}"
            self.watch.refused(act, answer.told)
        before = dict(self.sights)
        self._look(act)
        for id_, prescription in self.model.prescriptions.items():
            if answer.error is None and id_ == act.prescription:
                self.watch.done(act, prescription, before[id_], self.sights[id_], answer.told)
            else:
                self.watch.untouched(before[id_], self.sights[id_])
        return answer.error is None

    def _look(self, after: object) -> None:
        for id_, prescription in self.model.prescriptions.items():
            seen, wanted = self.stage.look(prescription), expected(prescription)
            # property P21
            assert seen == wanted, f"after {after} the chain says {seen} of {prescription}, and the model {wanted}"
            self.sights[id_] = seen

    # What is chosen: mostly something likely

    def _choose(self, dice: Random, likely: Sequence[Any], every: Sequence[Any]) -> Any:
        good = bool(likely) and dice.randint(0, 9) < MOST
        return dice.choice(likely if good else every)

    def _of(self, dice: Random, member: int, role: Role) -> Person:
        """Somebody, mostly of a member and able to do what it does."""
        able = [one for one in PEOPLE if one.member == member and one.roles & role]
        return dice.choice(able if able and dice.randint(0, 14) else PEOPLE)

    def _line(self, dice: Random, likely: Callable[[Prescription, int], object]) -> tuple[Prescription, int]:
        """A line, mostly one for which something makes sense."""
        sensible = [
            (prescription, line)
            for prescription in self.model.prescriptions.values()
            for line in prescription.watched
            if line < min(len(prescription.lines), 32) and likely(prescription, line)
        ]
        if not sensible:
            raise Senseless
        if dice.randint(0, 9) < MOST:
            return dice.choice(sensible)
        prescription = dice.choice(list(self.model.prescriptions.values()))
        return prescription, dice.choice([line for line in prescription.watched if line < 32])

    def _more(
        self, dice: Random, prescription: Prescription, line: int, like: Callable[[int], object]
    ) -> frozenset[int]:
        """A line and mostly only such as may be named with it; seldom none at all."""
        if not dice.randint(0, 40):
            return frozenset()
        others = [other for other in prescription.watched if other < 32 and like(other)]
        every = [other for other in prescription.watched if other < 32]
        more = (self._choose(dice, others, every) for _ in range(dice.choice((0, 0, 1, 2))))
        return frozenset({line, *more})

    def _number(self, dice: Random, prescription: Prescription) -> bytes:
        """A prescription's number; seldom one that there is not."""
        return prescription.terms.id if dice.randint(0, 40) else digest("no prescription")

    def _deadline(self, dice: Random) -> int:
        now = self.model.now + 1
        likely = [now + HOUR // 2, now + HOUR // 2, now, now + WORD_WINDOW]
        return self._choose(dice, likely, [now - 1, now + WORD_WINDOW + 1, 2**40 - 1, 0])

    def _through(self, dice: Random, member: int) -> Person | None:
        """Through what somebody acts: nothing, or mostly a contract that the member lets."""
        if dice.randint(0, 2):
            return None
        able = [contract for contract in self.stage.contracts if self.model.lets(member, contract)]
        return dice.choice(able if able and dice.randint(0, 14) else [*self.stage.contracts, dice.choice(PEOPLE)])

    def _acts(self, dice: Random, by: Person, through: Person | None) -> tuple[Person, str, tuple[str, ...]]:
        """Who sends a transaction, what its function's name ends with, and the first argument for a contract."""
        if through is None:
            return by, "", ()
        sender = dice.choice(PEOPLE) if through in self.stage.contracts else through
        return sender, "For", (by.address,)

    # Time, standing, operators

    def wait(self, dice: Random) -> None:
        now = self.model.now
        # Just before something begins or ends, so that the next act is in its last second or in the first one after it.
        edges = [end - dice.choice([1, 2]) for end in sorted(self._edges()) if now + 2 < end < now + 100 * DAY]
        likely = [now + 60, now + HOUR, *edges[:3], *edges[:3], *edges[3:9:3]]
        self._wait_until(self._choose(dice, likely, [now + 1, now + DAY, now + 11 * DAY]))

    def _wait_until(self, moment: int) -> None:
        self.model.now = moment
        self.stage.request("evm_setNextBlockTimestamp", self.model.now)
        self.stage.request("evm_mine")
        before = dict(self.sights)
        self._look("a while")
        for id_, sight in self.sights.items():
            self.watch.untouched(before[id_], sight)

    def _hesitate(self, dice: Random, edges: Sequence[int]) -> None:
        """Now and then somebody waits for the second before something begins or ends, or for the one after it."""
        near = [edge for edge in edges if self.model.now + 2 < edge < self.model.now + 12 * DAY]
        if near and dice.randint(0, 1):
            self._wait_until(dice.choice(near) - dice.choice([1, 2]))

    def _edges(self) -> list[int]:
        """When lines fall due and end, holds end, what was given may be taken back no more, and words end."""
        edges = [paper.word.deadline + 1 for paper in self.papers]
        for prescription in self.model.prescriptions.values():
            for line in prescription.lines[:4]:
                edges += self._of_line(line)
            edges += [hold.ends for hold in prescription.holds.values()]
            lasts = (prescription.last(line) for line in prescription.watched)
            edges += [last.at + UNDO_WINDOW + 1 for last in lasts if last is not None]
        return edges

    def _of_line(self, line: Line) -> list[int]:
        """When a line begins, ends, and has its next refill."""
        edges = [line.earliest, line.latest]
        if line.interval:
            refill = max(self.model.now - line.earliest, 0) // (line.interval * DAY) + 1
            edges.append(line.earliest + refill * line.interval * DAY)
        return edges

    def judge(self, dice: Random) -> None:
        """The board suspends a member, or takes it back, or shortens a licence."""
        out = [member for member in self.model.members.values() if not self.model.in_standing(member.number)]
        member = dice.choice(out or list(self.model.members.values()))
        self.model.now += 1
        if member.suspended:
            function, arguments = "reinstate", (member.number,)
            member.suspended = False
        elif out or dice.random() < 0.5:
            member.expiry = self.stage.licence if out else self.model.now + dice.choice([60, HOUR, DAY])
            function, arguments = "renew", (member.number, int(member.roles), 1, member.expiry)
        else:
            function, arguments = "suspend", (member.number, 1)
            member.suspended = True
        self._settle(BOARD.address, function, *arguments)

    def let(self, dice: Random) -> None:
        """A pharmacy says what a contract may do for it: mostly filling."""
        # Also after the contract filled something, which could then be taken back by nobody.
        used = [
            (last.member, last.through)
            for each in self.model.prescriptions.values()
            for last in map(each.last, each.watched)
            if last is not None and last.through is not None
        ]
        every = [(number, contract) for number in PHARMACIES for contract in self.stage.contracts]
        number, contract = dice.choice(used * 2 + every)
        operations = dice.choice([FILL_FOR, FILL_FOR | DISPENSE_FOR, FILL_FOR, 0xFF ^ FILL_FOR, 0])
        self.model.now += 1
        self.model.operators[number, contract.address] = operations
        self._settle(PEOPLE[number - 1].address, "setOperator", contract.address, operations)

    def _settle(self, sender: str, function: str, *arguments: Any) -> None:
        """Says something to the consortium that counts."""
        to, before = self.stage.consortium.address, dict(self.sights)
        answer = self.stage.send(sender, to, function, *arguments, at=self.model.now)
        assert answer == (None, [])
        self._look(function)
        for id_, sight in self.sights.items():
            self.watch.untouched(before[id_], sight)

    # Prescribing

    def _written(self, dice: Random) -> Prescription:
        """A prescription that is not on the chain, mostly, and is written if there is none."""
        written = [each for each in self.model.prescriptions.values() if not each.member]
        if len(self.model.prescriptions) == MOST_WATCHED or (written and dice.randint(0, 1)):
            spent = list(self.model.prescriptions.values()) if not dice.randint(0, 4) else []
            if not written + spent:
                raise Senseless
            return dice.choice(written or spent)
        able = [one for one in PEOPLE if one.member in PRESCRIBING and one.roles & Role.PRESCRIBER]
        prescriber, bearer = dice.choice(able), dice.choice(BEARERS)
        now, count = self.model.now, dice.choice((1, 2, 3, 4))
        lines = [_new_line(dice, now, number) for number in range(count)]
        # More than a mask has bits.
        if not dice.randint(0, 11):
            lines = [replace(lines[0], item=digest(f"item {number}")) for number in range(33)]
        file = digest(f"file {len(self.model.prescriptions)}")
        terms = Terms(prescriber.address, bearer.address, hash_of(lines), file)
        prescription = Prescription(terms, bearer, tuple(lines))
        self.model.prescriptions[terms.id] = prescription
        self.sights[terms.id] = self.stage.look(prescription)
        return prescription

    def prescribe(self, dice: Random) -> None:
        terms = self._written(dice).terms
        (prescriber,) = (one for one in PEOPLE if one.address == terms.prescriber)
        by = (
            prescriber
            if dice.randint(0, 9)
            else dice.choice([one for one in PEOPLE if not one.roles & Role.PRESCRIBER])
        )
        terms = replace(terms, prescriber=by.address)
        if not dice.randint(0, 4):
            terms = replace(terms, **dice.choice([{"bearer": NOBODY}, {"lines": bytes(32)}, {"file": bytes(32)}]))
        self.say(
            Act("prescribe", by, by, terms.id),
            terms.bearer,
            terms.lines,
            terms.file,
            reasons=lambda: self.model.prescribe(by, terms),
        )

    def prescribe_by_sig(self, dice: Random) -> None:
        """Somebody brings what a prescriber signed, or changes it on the way."""
        prescription = self._written(dice)
        terms, deadline = prescription.terms, self._deadline(dice)
        (by,) = (one for one in PEOPLE if one.address == terms.prescriber)
        signer = self._choose(dice, [by] * 4, PEOPLE)
        message = Prescribe(terms.prescriber, terms.bearer, prescription.lines, terms.file, deadline)
        signed = Signed(terms, deadline, signer, self.stage.sign(message, signer))
        told, until = terms, deadline
        if not dice.randint(0, 9):
            until = self._deadline(dice)
            told = replace(
                terms,
                **dice.choice(
                    [
                        {},
                        {"bearer": NOBODY},
                        {"bearer": BEARERS[0].address},
                        {"lines": digest("lines")},
                        {"file": digest("")},
                    ]
                ),
            )
        sender = dice.choice(PEOPLE)
        true = (told, until) == (terms, deadline) and signer == by
        self.say(
            Act("prescribeBySig", by, sender, told.id, signed=signed),
            (told.tuple, until),
            signed.signature,
            reasons=lambda: self.model.prescribe_by_sig(by, told, until, signed=true),
        )

    # Words of the bearer

    def _is_open(self, prescription: Prescription, line: int) -> bool:
        """Whether a pharmacy could make something of the line."""
        return bool(prescription.member) and line not in prescription.cancelled

    def _wanted(self, dice: Random) -> Callable[[Prescription, int], bool]:
        """What is taken: mostly what can be filled and nobody holds."""
        any_of, held = not dice.randint(0, 3), not dice.randint(0, 4)

        def likely(prescription: Prescription, line: int) -> bool:
            fillable = any_of or self.model.left(prescription, line) > 0
            return (
                self._is_open(prescription, line) and fillable and held == bool(self.model.holder(prescription, line))
            )

        return likely

    def _paper(self, dice: Random, kind: str) -> Paper:
        prescription, line = self._line(dice, self._wanted(dice) if kind == TAKE else self._is_open)
        id_, holder = prescription.terms.id, self.model.holder(prescription, line)
        lines = self._more(
            dice,
            prescription,
            line,
            lambda other: other not in prescription.cancelled and self.model.holder(prescription, other) == holder,
        )
        count = len(prescription.words)
        nonce = self._choose(dice, [count] * 3, [count, count + 1, max(count, 1) - 1])
        giver, to = 0, 0
        if kind == TAKE:
            giver = self._choose(dice, [holder] * 3, [0, *PHARMACIES])
            able = [pharmacy for pharmacy in PHARMACIES if self.model.in_standing(pharmacy)]
            to = dice.choice(able if able and dice.randint(0, 20) else [0, 1, 99, *PHARMACIES])
        return self._signed(dice, Word(kind, id_, lines, giver, to, nonce, self._deadline(dice)))

    def _signed(self, dice: Random, word: Word) -> Paper:
        prescription = self.model.prescriptions[word.prescription]
        signer = prescription.bearer if dice.randint(0, 20) else dice.choice([*PEOPLE, *BEARERS])
        terms, lines = prescription.terms, mask(word.lines)
        message: Take | Cancel = Cancel(terms, lines, word.nonce, word.deadline)
        if word.kind == TAKE:
            message = Take(terms, lines, word.giver, word.to, word.nonce, word.deadline)
        paper = Paper(word, signer, self.stage.sign(message, signer))
        self.papers.append(paper)
        return paper

    def _brought(self, dice: Random, paper: Paper, *, to: int) -> Word:
        """What somebody says that a paper says; seldom something else, such as what would make an old one count."""
        brought = replace(paper.word, to=to)
        if dice.randint(0, 9):
            return brought
        prescription = self.model.prescriptions[paper.word.prescription]
        others = [other.terms.id for other in self.model.prescriptions.values()]
        return replace(
            brought,
            **dice.choice(
                [
                    {"nonce": len(prescription.words)},
                    {"deadline": self.model.now + HOUR // 2},
                    {"lines": brought.lines ^ {dice.choice([0, 1, 31])}},
                    {"giver": dice.choice([0, *PHARMACIES])},
                    {"prescription": dice.choice(others)},
                ]
            ),
        )

    def take(self, dice: Random) -> None:
        """The bearer gives its word, and a pharmacy takes the lines at once."""
        self._bring(dice, self._paper(dice, TAKE))

    def cancel_by_sig(self, dice: Random) -> None:
        self._bring(dice, self._paper(dice, CANCEL))

    def sign(self, dice: Random) -> None:
        """A word is given and kept."""
        self._paper(dice, dice.choice([TAKE, TAKE, TAKE, CANCEL]))

    def bring(self, dice: Random) -> None:
        """A word is brought: a kept one, a used one, one that counts no more."""
        if not self.papers:
            raise Senseless
        self._bring(dice, self._choose(dice, [paper for paper in self.papers if self._counts(paper)], self.papers))

    def _counts(self, paper: Paper) -> bool:
        """Whether it is at least the bearer's next word, or was the last one."""
        count = len(self.model.prescriptions[paper.word.prescription].words)
        return paper.word.deadline > self.model.now and paper.word.nonce in (count, count - 1)

    def _bring(self, dice: Random, paper: Paper) -> None:
        takes = (paper.word.kind == TAKE) == bool(dice.randint(0, 30))
        if not takes:
            self._bring_to_cancel(dice, paper)
            return
        by = self._of(dice, paper.word.to, Role.PHARMACIST)
        through = self._through(dice, by.member)
        sender, ending, first = self._acts(dice, by, through)
        word = replace(self._brought(dice, paper, to=by.member), kind=TAKE)
        terms = self.model.prescriptions[word.prescription].terms
        self.say(
            Act(f"take{ending}", by, sender, terms.id, word.lines, through, word, paper),
            *first,
            (terms.tuple, mask(word.lines), word.giver, word.nonce, word.deadline),
            paper.signature,
            reasons=lambda: self.model.take(by, through, word, paper),
        )

    def _bring_to_cancel(self, dice: Random, paper: Paper) -> None:
        word, sender = self._brought(dice, paper, to=0), dice.choice(PEOPLE)
        word = replace(word, kind=CANCEL, giver=0)
        terms = self.model.prescriptions[word.prescription].terms
        self.say(
            Act("cancelBySig", sender, sender, terms.id, word.lines, None, word, paper),
            (terms.tuple, mask(word.lines), word.nonce, word.deadline),
            paper.signature,
            reasons=lambda: self.model.cancel_by_sig(word, paper),
        )

    # Giving back, filling, taking back, cancelling

    def give_back(self, dice: Random) -> None:
        prescription, line = self._line(dice, self.model.holder)
        id_, holder = self._number(dice, prescription), self.model.holder(prescription, line)
        lines = self._more(dice, prescription, line, lambda other: self.model.holder(prescription, other) == holder)
        by = self._of(dice, dice.choice([holder] * 6 + [*PHARMACIES]), Role.PHARMACIST)
        self.say(
            Act("giveBack", by, by, id_, lines),
            id_,
            mask(lines),
            reasons=lambda: self.model.give_back(by, id_, lines),
        )

    def _fillable(self, dice: Random) -> Callable[[Prescription, int], bool]:
        """What is filled: mostly what is held and due; now and then something that lacks one of that."""
        lacking, astray = not dice.randint(0, 4), not dice.randint(0, 49)

        def likely(prescription: Prescription, line: int) -> bool:
            due = self.model.left(prescription, line) > 0
            held = self.model.holder(prescription, line) != 0
            return bool(prescription.member) and held != astray and due != lacking

        return likely

    def fill(self, dice: Random) -> None:
        prescription, line = self._line(dice, self._fillable(dice))
        holder = self.model.holder(prescription, line) or dice.choice(PHARMACIES)
        if line in prescription.holds and line < len(prescription.lines):
            ends = prescription.holds[line].ends
            within = [edge for edge in self._of_line(prescription.lines[line]) if edge < ends]
            self._hesitate(dice, within if dice.randint(0, 7) else [ends])
        opening = self._opening(dice, prescription, line)
        by = self._of(dice, dice.choice([holder] * 40 + [*PHARMACIES]), Role.PHARMACIST)
        through = self._through(dice, by.member)
        sender, ending, first = self._acts(dice, by, through)
        self.say(
            Act(f"fill{ending}", by, sender, opening.terms.id, frozenset({line}), through, opening=opening),
            *first,
            (
                opening.terms.tuple,
                opening.hashes,
                line,
                tuple(opening.opened.values().values()),
                opening.units,
                opening.evidence,
            ),
            reasons=lambda: self.model.fill(by, through, opening),
        )

    def _opening(self, dice: Random, prescription: Prescription, line: int) -> Opening:
        lines = prescription.lines
        opened = lines[line] if line < len(lines) else lines[0]
        left = max(self.model.left(prescription, line), 0) if line < len(lines) else 1
        likely = [left, left, *range(1, left + 1)[:3]] if left else [1]
        units = dice.choice(likely if dice.randint(0, 5) else [0, left + 1, left + 1, opened.quantity, 2**16 - 1])
        evidence = digest("what was given") if dice.randint(0, 20) else bytes(32)
        opening = Opening(
            prescription.terms, tuple(each.hash for each in lines), line, opened, min(units, 2**16 - 1), evidence
        )
        if dice.randint(0, 12):
            return opening
        return replace(opening, **dice.choice(_false_openings(opening, lines)))

    def unfill(self, dice: Random) -> None:
        recent = self.model.now - UNDO_WINDOW - 10 if dice.randint(0, 5) else 0
        prescription, line = self._line(dice, lambda each, line: (last := each.last(line)) and last.at > recent)
        if not dice.randint(0, 20):
            line = dice.choice([31, 32])
        id_, last = self._number(dice, prescription), prescription.last(line)
        self._hesitate(dice, [last.at + UNDO_WINDOW, last.at + UNDO_WINDOW + 1] if last else [])
        filler = last.member if last else 3
        by = self._of(dice, dice.choice([filler] * 8 + [*PHARMACIES]), Role.PHARMACIST)
        through = self._choose(dice, [last.through] if last else [], [None, *self.stage.contracts, dice.choice(PEOPLE)])
        sender, ending, first = self._acts(dice, by, through)
        self.say(
            Act(f"unfill{ending}", by, sender, id_, frozenset({line}), through),
            *first,
            id_,
            line,
            reasons=lambda: self.model.unfill(by, through, id_, line),
        )

    def cancel(self, dice: Random) -> None:
        prescription, line = self._line(dice, self._is_open)
        id_ = self._number(dice, prescription)
        lines = self._more(dice, prescription, line, lambda other: other not in prescription.cancelled)
        by = self._of(dice, dice.choice([prescription.member] * 3 + [*PRESCRIBING]), Role.PRESCRIBER)
        self.say(Act("cancel", by, by, id_, lines), id_, mask(lines), reasons=lambda: self.model.cancel(by, id_, lines))


def _new_line(dice: Random, now: int, number: int) -> Line:
    """A line as it is prescribed, mostly such as can be filled soon."""
    midnight = now // DAY * DAY
    earliest = dice.choice([0, midnight, midnight - 8 * DAY, now + HOUR, now + HOUR, now + DAY])
    latest = dice.choice([midnight + 30 * DAY, midnight + 90 * DAY, midnight + 3 * DAY, now + 6 * HOUR, 2**40 - 1])
    quantity, refills, interval = dice.choice(
        [
            (3, 0, 0),
            (2, 3, 7),
            (5, 255, 1),
            (10, 2, 0),
            (1, 4, 2),
            (2**16 - 1, 0, 30),
            (40_000, 1, 1),
            (300, 255, 0),
            (1, 255, 2**16 - 1),
        ]
    )
    if not dice.randint(0, 19):
        quantity, latest = dice.choice([(0, latest), (quantity, earliest)])
    return Line(digest(f"item {number}"), quantity, refills, interval, earliest, latest)


def _false_openings(opening: Opening, lines: Sequence[Line]) -> list[dict[str, Any]]:
    """What else somebody could show who wants more than was prescribed."""
    opened, hashes = opening.opened, opening.hashes
    more = replace(opened, quantity=opened.quantity ^ 1)
    at = opening.line % len(hashes)
    forged = (*hashes[:at], more.hash, *hashes[at + 1 :])
    return [
        {"opened": more},
        {"opened": replace(opened, latest=opened.latest ^ 1)},
        {"opened": lines[-1 - at]},
        {"opened": more, "hashes": forged},
        {"opened": more, "hashes": forged, "terms": replace(opening.terms, lines=_hash(forged))},
        {"hashes": hashes[:-1]},
        {"hashes": hashes[::-1]},
        {"hashes": ()},
        {"terms": replace(opening.terms, bearer=BEARERS[0].address)},
        {"terms": replace(opening.terms, file=digest("another file"))},
    ]


def _hash(hashes: Sequence[bytes]) -> bytes:
    return keccak(b"".join(hashes))


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with anvil(hardfork="cancun") as chain:
        yield Stage(chain)


def test_prescriptions__over_random_lives__are_what_the_model_says(stage: Stage) -> None:
    # given
    class Lives(Surgery):
        pass

    Lives.stage, Lives.seen = stage, Counter()

    # when
    live(Lives, steps=STEPS, life=LIFE)

    # then: every act was done, and was refused; in many steps for every reason that there is.
    done = {name for name, answer in Lives.seen if answer == "done"}
    refused = {name for name, answer in Lives.seen if answer != "done"}
    assert done == refused == ACTS
    if STEPS >= 5000:
        own = set(stage.errors.values()) - LIBRARY_ERRORS
        assert {answer for _, answer in Lives.seen} == {"done", *own}

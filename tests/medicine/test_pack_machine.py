"""Batches against a plain model of packs, over random sequences of everything that can be said to it.

Each step is one transaction on an anvil of its own, by a likely or an unlikely person with likely or unlikely facts.
The model says whether it must succeed, and if not, for which reasons it may be refused; the chain must agree.
Afterwards everything that can be asked about the batch equals the model, and the properties of docs/properties.md hold
between what the chain said before the step and what it says after it. `THERIAC_FUZZ_STEPS` asks for that many steps.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import Any, ClassVar

import pytest
from batch_trees import DEPTH
from eth_utils import keccak
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from pack_model import (
    DAY,
    DISPENSE_FOR,
    OF_HOLDER,
    OFFER_WINDOW,
    REPORT_EXCURSION_FOR,
    UNDO_DAYS,
    Batch,
    Block,
    End,
    Member,
    Model,
    Pack,
    Part,
    Person,
    Reasons,
    Sizes,
    Status,
    heights,
    is_in,
)
from pack_properties import Act, Paper, Watch, authority
from pack_stage import (
    LICENCES,
    OPERATORS,
    PEOPLE,
    PHARMACIES,
    REGULATOR,
    SENSOR,
    SIZES,
    TILL,
    Handoff,
    Sights,
    Stage,
    expected,
    new_batch,
)
from random_lives import live
from real_anvil import BOARD, anvil, person

STEPS = int(os.environ.get("THERIAC_FUZZ_STEPS", "2000"))

# A life of a consortium's goods, in acts; about as many transactions come of them.
LIFE = 70

ACTS = {
    *("commission", "anchorEvents", "offer", "accept", "acceptBySig", "reject", "withdraw"),
    *("dispense", "dispenseFor", "dispenseMany", "undo", "undoFor", "end", "endMany"),
    *("quarantine", "reportExcursion", "release", "recall", "liftRecall"),
}

MOST = 9
"""Of ten choices, how many are likely ones."""

LIKELY = {
    "commission": 2,
    "anchor_events": 1,
    "wait": 4,
    "judge": 4,
    "offer": 8,
    "accept": 8,
    "reject": 2,
    "withdraw": 2,
    "sign": 4,
    "hand_over": 12,
    "hand_back": 4,
    "bring": 6,
    "dispense": 8,
    "dispense_for": 6,
    "undo": 4,
    "undo_for": 4,
    "dispense_many": 5,
    "end": 3,
    "end_many": 3,
    "quarantine": 5,
    "report_excursion": 3,
    "release": 6,
    "recall": 3,
    "lift_recall": 4,
}
"""How often each thing happens, by the method that does it."""

FAR = (1 << DEPTH) + 0x100000
"""A number beyond the tree."""


class Senseless(Exception):
    """There is nothing at the moment of which this could be said with any sense."""


class Goods(RuleBasedStateMachine):
    """Lives of a few batches among nine kinds of people, with every act of Batches."""

    stage: ClassVar[Stage]
    seen: ClassVar[Counter[tuple[str, str]]]

    @initialize(seed=st.binary(min_size=8, max_size=8))
    def found(self, seed: bytes) -> None:
        now = self.stage.anew()
        members = [Member(number, roles, self.stage.licence) for number, roles in LICENCES.items()]
        self.model = Model(members, now=now, operators=OPERATORS)
        self.watch = Watch(self.model)
        self.sights: dict[bytes, Sights] = {}
        self.papers: list[Paper] = []
        self.made: list[tuple[int, int, Sizes]] = []
        self.used: Counter[bytes] = Counter()
        self.settled = True
        self.commission(Random(seed))

    @rule(seed=st.binary(min_size=8, max_size=8))
    def step(self, seed: bytes) -> None:
        """Something happens. Hypothesis chooses how much and leaves steps out; the dice fall evenly."""
        self.used[seed] += 1
        dice, self.settled = Random(seed + bytes([self.used[seed] % 256])), False
        # Nobody is out of standing for long.
        if dice.randint(0, 4) == 0 and not all(map(self.model.in_standing, LICENCES)):
            self.judge(dice)
        for act in dice.choices(list(LIKELY), weights=list(LIKELY.values()), k=20):
            with suppress(Senseless):
                getattr(self, act)(dice)
                break
        self.settled = True

    def teardown(self) -> None:
        if not self.settled:
            return
        # property M22
        for batch in self.model.batches.values():
            assert self.stage.look(batch) == expected(self.model, batch)

    # How an act is said, and what is asked afterwards

    def say(self, act: Act, function: str, *arguments: Any, reasons: Callable[[], Reasons]) -> bool:
        """Says something to Batches, and to the model; whether it was done."""
        self.model.now += 1
        batch = self.model.batches.get(act.batch)
        rides = {part.node: part.rides for part in batch.parts.values()} if batch else {}
        refused = self.stage.send(act.sender.address, self.stage.batches, function, *arguments, at=self.model.now)
        why = reasons()
        self.seen[act.name, refused.error if refused else "done"] += 1
        note(f"{self.model.now}: {act}: {refused.error if refused else 'done'}")
        # property M25
        if refused is None:
            assert not why, f"{act} was done, though {sorted(why)}"
        else:
            assert refused.error in why, f"{act} was refused by {refused.error}, not by one of {sorted(why)}"
        if batch is not None:
            self._compare(act, batch, rides, done=refused is None)
        return refused is None

    def _compare(self, act: Act, batch: Batch, rides: Mapping[int, int], *, done: bool) -> None:
        before, after = self.sights[batch.id], self.stage.look(batch)
        # property M25
        wanted = expected(self.model, batch)
        wrong = {node: (after[node], wanted[node]) for node in wanted if after[node] != wanted[node]}
        assert not wrong, f"after {act} the chain and the model differ: {wrong}"
        if done:
            self.watch.done(act, batch, before, after, rides)
        else:
            self.watch.refused(before, after)
        self.sights[batch.id] = after

    # What is chosen: mostly something likely

    def _choose(self, dice: Random, likely: Sequence[Any], every: Sequence[Any]) -> Any:
        good = bool(likely) and dice.randint(0, 9) < MOST
        return dice.choice(likely if good else every)

    def _batch(self, dice: Random) -> Batch:
        return dice.choice(list(self.model.batches.values()))

    def _part(
        self, dice: Random, likely: Callable[[Batch, Part], object], *, among: str = "parts"
    ) -> tuple[Batch, Any]:
        """A part of any height, mostly one for which something makes sense."""
        if dice.randint(0, 9) < MOST:
            sensible: dict[tuple[bytes, int], list[tuple[Batch, Part]]] = {}
            for batch in self.model.batches.values():
                for part in _listed(batch, among):
                    if likely(batch, part):
                        sensible.setdefault((batch.id, part.height), []).append((batch, part))
            if not sensible:
                raise Senseless
            return dice.choice(dice.choice(list(sensible.values())))
        batch = self._batch(dice)
        return batch, dice.choice(_listed(batch, among))

    def _place(self, dice: Random, batch: Batch, node: int) -> tuple[bytes, int]:
        """The part as it is named to the chain: seldom a batch or a node that there is not."""
        slip = dice.randint(0, 60)
        if slip == 0:
            return keccak(b"no batch"), node
        if slip == 1:
            low = next(height for height in range(1, DEPTH + 1) if height not in heights(batch.sizes))
            return batch.id, dice.choice([0, FAR, 1 << 31, 1 << (DEPTH - low)])
        return batch.id, node

    def _of(self, dice: Random, member: int) -> Person:
        """Somebody, mostly of a member and able to do what it does."""
        able = [one for one in PEOPLE if one.member == member and one.name != "logger"]
        return self._choose(dice, able, PEOPLE)

    def _missing(self, dice: Random, batch: Batch, part: Part) -> tuple[int, ...]:
        inside = [other.node for other in batch.within(part) if other is not part and other.holder == part.holder]
        if not dice.randint(0, 12):
            return (dice.choice([part.node, *(other.node for other in batch.within(part)), FAR]),)
        return tuple(dice.choices(inside, k=dice.choice((0, 0, 0, 1, 1, 2, 3)))) if inside else ()

    def _receiver(self, dice: Random, batch: Batch, part: Part) -> int:
        back = [part.giver, batch.maker, *(other.holder for other in batch.around(part)[:1])]
        likely = [to for to in (*back, 3, 4, 5, 6, 7, 5, 7) if to not in (0, part.holder)]
        return self._choose(dice, likely, [0, part.holder, REGULATOR, 99])

    # Commissioning, time, standing

    def commission(self, dice: Random) -> None:
        if len(self.model.batches) == 3:
            raise Senseless
        first = not self.model.batches
        number, maker, sizes = len(self.made), dice.choice([1, 2]), dice.choice(list(SIZES))
        if self.made and not dice.randint(0, 5):
            number, maker, sizes = dice.choice(self.made)
        midnight = (self.model.now // DAY + dice.choice([3, 15, 60])) * DAY
        expiry = midnight if first else self._choose(dice, [midnight], [midnight + 1, self.model.now // DAY * DAY])
        sender = PEOPLE[maker - 1] if first else self._of(dice, maker)
        batch = new_batch(sender.member, number, sizes, expiry)
        named = sizes if first else self._choose(dice, [sizes], [Sizes(4, 3), Sizes(0, 21)])
        key = 1 if first else self._choose(dice, [1], [0, 2])
        salted = [keccak(text=f"{word} {number}") for word in ("product", "lot", "tag")]
        terms = (batch.tree.root, *salted, key, salted[0], expiry, named.pallet_bits, named.case_bits)
        known = self.model.batches.get(batch.id)
        act = Act("commission", sender, batch.id if known else b"", 1)
        if self.say(
            act,
            "commission",
            terms,
            reasons=lambda: self.model.commission(sender, sizes=named, expiry=expiry, key_number=key, batch=batch),
        ):
            # property M23
            assert known is None
            self.made.append((number, maker, sizes))
            self.sights[batch.id] = self.stage.look(batch)
            assert self.sights[batch.id] == expected(self.model, batch)

    def anchor_events(self, dice: Random) -> None:
        sender, root = dice.choice(PEOPLE), self._choose(dice, [keccak(b"events")], [bytes(32)])
        batch = self._batch(dice)
        self.say(
            Act("anchorEvents", sender, batch.id, 1),
            "anchorEvents",
            root,
            reasons=lambda: self.model.anchor_events(sender, root),
        )

    def wait(self, dice: Random) -> None:
        now = self.model.now
        # Just before something ends, so that the next act is in its last second or in the first one after it.
        edges = [end - dice.choice([1, 2]) for end in self._ends() if end > now + 2]
        self.model.now = self._choose(
            dice, [now + 60, now + 3600, now + DAY, *edges], [now + 1, now + 3 * DAY, now + 11 * DAY]
        )
        self.stage.request("evm_setNextBlockTimestamp", self.model.now)
        self.stage.request("evm_mine")
        for batch in self.model.batches.values():
            after = self.stage.look(batch)
            assert after == expected(self.model, batch)
            # property M22
            self.watch.refused(self.sights[batch.id], after)
            self.sights[batch.id] = after

    def _ends(self) -> list[int]:
        """When offers, the time to take packs back, and batches end."""
        ends = []
        for batch in self.model.batches.values():
            ends.append(batch.expiry)
            for part in batch.parts.values():
                if part.offer is not None:
                    ends.append(part.offer.ends)
                if part.opened:
                    ends.append((part.day + UNDO_DAYS + 1) * DAY)
        return ends

    def judge(self, dice: Random) -> None:
        """The board suspends a member, or takes it back, or shortens a licence."""
        out = [member for member in self.model.members.values() if not self.model.in_standing(member.number)]
        giving = [
            self.model.members[part.holder]
            for batch in self.model.batches.values()
            for part in batch.parts.values()
            if self.model.is_offered(part)
        ]
        member = dice.choice(out or giving or list(self.model.members.values()))
        self.model.now += 1
        if member.suspended:
            function, arguments = "reinstate", (member.number,)
            member.suspended = False
        elif out or dice.random() < 0.5:
            member.expiry = self.stage.licence if out else self.model.now + 2 * DAY
            function, arguments = "renew", (member.number, int(member.roles), 1, member.expiry)
        else:
            function, arguments = "suspend", (member.number, 1)
            member.suspended = True
        assert self.stage.send(BOARD.address, self.stage.consortium, function, *arguments, at=self.model.now) is None

    # Handing over

    def _is_free(self, batch: Batch, part: Part) -> bool:
        """Whether hardly anything keeps it where it is."""
        gone = isinstance(part, Pack) and part.status != Status.IN_STOCK
        held = self.model.is_offered(part) or self.model.is_locked(batch, part)
        return not (gone or held or part.blocks)

    def offer(self, dice: Random) -> None:
        batch, part = self._part(dice, self._is_free)
        place = self._place(dice, batch, part.node)
        sender = self._of(dice, part.holder)
        to = self._receiver(dice, batch, part)
        now = self.model.now + 1
        ends = self._choose(
            dice, [now + 5, now + 3600, now + DAY, now + OFFER_WINDOW], [now + 1, now, now + OFFER_WINDOW + 1]
        )
        self.say(
            Act("offer", sender, *place, to=to, ends=ends),
            "offer",
            *place,
            to,
            ends,
            bytes(32),
            reasons=lambda: self.model.offer(sender, *place, to, ends),
        )

    def accept(self, dice: Random) -> None:
        batch, part = self._offered(dice)
        place = self._place(dice, batch, part.node)
        sender = self._of(dice, part.offer.to if part.offer else 5)
        missing = self._missing(dice, batch, part)
        self.say(
            Act("accept", sender, *place, missing=missing),
            "accept",
            *place,
            missing,
            reasons=lambda: self.model.accept(sender, *place, missing),
        )

    def _offered(self, dice: Random) -> tuple[Batch, Part]:
        """Mostly something that is under an offer."""
        return self._part(dice, lambda _, part: self.model.is_offered(part))

    def reject(self, dice: Random) -> None:
        batch, part = self._offered(dice)
        place = self._place(dice, batch, part.node)
        sender = self._of(dice, part.offer.to if part.offer else 5)
        self.say(Act("reject", sender, *place), "reject", *place, reasons=lambda: self.model.reject(sender, *place))

    def withdraw(self, dice: Random) -> None:
        batch, part = self._part(dice, lambda _, part: part.offer is not None or _is_dispensed(part))
        place = self._place(dice, batch, part.node)
        sender = self._of(dice, part.holder)
        self.say(
            Act("withdraw", sender, *place), "withdraw", *place, reasons=lambda: self.model.withdraw(sender, *place)
        )

    def sign(self, dice: Random) -> None:
        """An offer is signed and kept, also of what is under an open offer."""
        likely = dice.choice([self._is_free, lambda _, part: self.model.is_offered(part)])
        self.papers.append(self._signed(dice, likely))

    def hand_over(self, dice: Random) -> None:
        """An offer is signed and brought at once."""
        paper = self._signed(dice, self._is_free)
        self.papers.append(paper)
        self._bring(dice, paper)

    def hand_back(self, dice: Random) -> None:
        """Something is handed to who gave it."""
        paper = self._signed(dice, lambda _, part: part.giver not in (0, part.holder), back=True)
        self.papers.append(paper)
        self._bring(dice, paper)

    def bring(self, dice: Random) -> None:
        """A signed offer is brought: a kept one, a used one, one that counts no more."""
        if not self.papers:
            raise Senseless
        self._bring(dice, self._choose(dice, [paper for paper in self.papers if self._counts(paper)], self.papers))

    def _counts(self, paper: Paper) -> bool:
        part = self.model.batches[paper.batch].parts.get(paper.node)
        return part is not None and paper.moves == part.moves and paper.giver.member == part.holder

    def _signed(self, dice: Random, likely: Callable[[Batch, Part], bool], *, back: bool = False) -> Paper:
        batch, part = self._part(dice, likely)
        node = self._choose(dice, [part.node] * 5, [part.node, FAR])
        giver = self._of(dice, part.holder)
        to = part.giver if back and part.giver else self._receiver(dice, batch, part)
        moves = self._choose(dice, [part.moves] * 3, [part.moves, part.moves + 1, max(part.moves, 1) - 1])
        now = self.model.now + 1
        deadline = self._choose(
            dice, [now + DAY, now + OFFER_WINDOW], [now, now + 3600, now - 1, now + OFFER_WINDOW + 1]
        )
        forged = dice.randint(0, 30) == 30
        sheet = keccak(text=f"sheet {len(self.papers)}")
        terms = Handoff(batch.id, node, giver.address, to, moves, sheet, deadline)
        signature = self.stage.sign(terms, person("stranger" if forged and giver.member else giver.name))
        forged = forged and giver.member != 0
        return Paper(batch.id, node, giver, to, moves, deadline, forged, sheet, signature)

    def _bring(self, dice: Random, paper: Paper) -> None:
        sender = self._of(dice, paper.to)
        batch = self.model.batches[paper.batch]
        part = batch.parts.get(paper.node)
        missing = self._missing(dice, batch, part) if part else ()
        terms = (paper.batch, paper.node, paper.giver.address, paper.to, paper.moves, paper.sheet, paper.deadline)
        self.say(
            Act("acceptBySig", sender, paper.batch, paper.node, missing=missing, paper=paper),
            "acceptBySig",
            terms,
            missing,
            paper.signature,
            reasons=lambda: self.model.accept_by_sig(
                sender,
                paper.batch,
                paper.node,
                missing,
                giver=paper.giver,
                to=paper.to,
                moves=paper.moves,
                deadline=paper.deadline,
                forged=paper.forged,
            ),
        )

    # Dispensing, taking back, ending

    def _sellable(self, dice: Random) -> Callable[[Batch, Part], bool]:
        """What a pharmacy would dispense; now and then something that is under an offer."""
        promised = not dice.randint(0, 4)

        def likely(batch: Batch, pack: Part) -> bool:
            assert isinstance(pack, Pack)
            here = pack.holder in PHARMACIES and pack.status == Status.IN_STOCK and not pack.blocks
            offered = self.model.is_offered(pack) or self.model.is_locked(batch, pack)
            return here and offered == promised and pack.index in batch.tree.packs

        return likely

    def _proof(self, dice: Random, batch: Batch, pack: Pack) -> tuple[bool, bytes, tuple[bytes, ...]]:
        """Whether it proves that this pack is at its place, the pack, and its siblings."""
        index, tree = pack.index, batch.tree
        lie = dice.randint(0, 15)
        if lie == 0:
            other = dice.choice([one for one in tree.packs if one != index])
            return False, tree.packs[other], tree.siblings(other)
        if lie == 1:
            return False, tree.siblings(index)[0], tree.siblings(index)
        if index not in tree.packs:
            return False, bytes(32), tree.siblings(index)
        return True, tree.packs[index], tree.siblings(index)

    def dispense(self, dice: Random) -> None:
        batch, pack = self._part(dice, self._sellable(dice), among="packs")
        (id_, node), proof = self._place(dice, batch, pack.node), self._proof(dice, batch, pack)
        index = self._index(node)
        sender = self._of(dice, pack.holder)
        proven, commitment, siblings = proof
        self.say(
            Act("dispense", sender, id_, pack.node, indices=frozenset({index}), proven=proven),
            "dispense",
            id_,
            index,
            commitment,
            siblings,
            reasons=lambda: self.model.dispense(sender, id_, index, proven=proven),
        )

    @staticmethod
    def _index(node: int) -> int:
        """A pack's index; beyond the tree where the node is no pack's."""
        return node - (1 << DEPTH) if 1 << DEPTH <= node < 2 << DEPTH else (1 << DEPTH) + node % 7

    def dispense_for(self, dice: Random) -> None:
        batch, pack = self._part(dice, self._sellable(dice), among="packs")
        (id_, node), proof = self._place(dice, batch, pack.node), self._proof(dice, batch, pack)
        index = self._index(node)
        pharmacist, operator = self._of(dice, pack.holder), self._operator(dice, pack.holder, DISPENSE_FOR)
        proven, commitment, siblings = proof
        self.say(
            Act(
                "dispenseFor",
                operator,
                id_,
                pack.node,
                indices=frozenset({index}),
                pharmacist=pharmacist,
                proven=proven,
            ),
            "dispenseFor",
            pharmacist.address,
            id_,
            index,
            commitment,
            siblings,
            reasons=lambda: self.model.dispense_for(operator, pharmacist, id_, index, proven=proven),
        )

    def _operator(self, dice: Random, member: int, operation: int) -> Person:
        able = [one for one in (TILL, SENSOR) if OPERATORS.get((member, one.address), 0) & operation]
        return self._choose(dice, able, [TILL, SENSOR, PEOPLE[4], PEOPLE[-1]])

    def undo(self, dice: Random) -> None:
        batch, pack = self._part(dice, lambda _, pack: _was_dispensed(pack), among="packs")
        id_, node = self._place(dice, batch, pack.node)
        index, sender = self._index(node), self._of(dice, pack.holder)
        self.say(
            Act("undo", sender, id_, pack.node, indices=frozenset({index})),
            "undo",
            id_,
            index,
            reasons=lambda: self.model.undo(sender, id_, index),
        )

    def undo_for(self, dice: Random) -> None:
        batch, pack = self._part(dice, lambda _, pack: _is_dispensed(pack) and pack.operator, among="packs")
        id_, node = self._place(dice, batch, pack.node)
        index, pharmacist = self._index(node), self._of(dice, pack.holder)
        theirs = [one for one in (TILL, SENSOR) if one.address == pack.operator]
        operator = self._choose(dice, theirs, [TILL, SENSOR, PEOPLE[4]])
        self.say(
            Act("undoFor", operator, id_, pack.node, indices=frozenset({index}), pharmacist=pharmacist),
            "undoFor",
            pharmacist.address,
            id_,
            index,
            reasons=lambda: self.model.undo_for(operator, pharmacist, id_, index),
        )

    def _mask(self, dice: Random, batch: Batch, case: Part) -> tuple[int, int]:
        """A word of 256 packs and a mask in it: mostly packs of the case that are as they came.

        Now and then those at the same place of another word.
        """
        inside = [pack for pack in batch.packs if is_in(pack.node, case.node)]
        good = [pack for pack in inside if pack.status == Status.IN_STOCK and not pack.apart]
        word = self._choose(dice, [pack.index // 256 for pack in good], [pack.index // 256 for pack in batch.packs])
        # Of a case that is looked at in this word, no pack is named that is not looked at.
        named = [pack for pack in batch.packs if pack.index // 256 == word]
        likely = [1 << pack.index % 256 for pack in good if pack.index // 256 == word]
        twins = [pack for pack in batch.packs if pack not in inside and pack.index % 256 in map(_place_in_word, inside)]
        if twins and not dice.randint(0, 7):
            twin = dice.choice(twins)
            return twin.index // 256, 1 << twin.index % 256
        mask = 0
        for _ in range(dice.randint(1, 3)):
            mask |= self._choose(dice, likely, [0, *(1 << pack.index % 256 for pack in named)])
        return word, mask

    def dispense_many(self, dice: Random) -> None:
        batch, case = self._part(dice, lambda _, case: case.holder in PHARMACIES and not case.blocks, among="cases")
        (id_, node), (word, mask) = self._place(dice, batch, case.node), self._mask(dice, batch, case)
        sender = self._of(dice, case.holder)
        self.say(
            Act("dispenseMany", sender, id_, node, indices=_indices(word, mask)),
            "dispenseMany",
            id_,
            node,
            word,
            mask,
            reasons=lambda: self.model.dispense_many(sender, id_, node, word, mask),
        )

    def end(self, dice: Random) -> None:
        back = not dice.randint(0, 3)

        def likely(_: Batch, pack: Part) -> bool:
            """What is in stock; now and then what was dispensed by itself and is back."""
            return isinstance(pack, Pack) and pack.status == Status.IN_STOCK and pack.opened == back

        batch, pack = self._part(dice, likely, among="packs")
        id_, node = self._place(dice, batch, pack.node)
        index, sender = self._index(node), self._of(dice, pack.holder)
        kind = dice.choice(list(End))
        self.say(
            Act("end", sender, id_, pack.node, indices=frozenset({index}), kind=kind),
            "end",
            id_,
            index,
            int(kind),
            reasons=lambda: self.model.end(sender, id_, index, kind),
        )

    def end_many(self, dice: Random) -> None:
        batch, case = self._part(dice, lambda _, case: True, among="cases")
        (id_, node), (word, mask) = self._place(dice, batch, case.node), self._mask(dice, batch, case)
        sender, kind = self._of(dice, case.holder), dice.choice(list(End))
        self.say(
            Act("endMany", sender, id_, node, indices=_indices(word, mask), kind=kind),
            "endMany",
            id_,
            node,
            word,
            mask,
            int(kind),
            reasons=lambda: self.model.end_many(sender, id_, node, word, mask, kind),
        )

    # Blocks

    def _speaker(self, dice: Random, batch: Batch, part: Part, block: Block) -> Person:
        if block == Block.RECALL:
            return self._of(dice, dice.choice([batch.maker, REGULATOR, 1, 2]))
        return self._of(dice, authority(block, part.holder, batch.maker))

    def quarantine(self, dice: Random) -> None:
        batch, part = self._part(dice, _is_small)
        place = self._place(dice, batch, part.node)
        block = self._choose(
            dice,
            [Block.BY_HOLDER, Block.BY_MAKER, Block.BY_REGULATOR] * 4,
            [Block.NONE, Block.RECALL, Block.EXCURSION, Block.BY_MAKER | Block.BY_HOLDER],
        )
        sender = self._speaker(dice, batch, part, block)
        self.say(
            Act("quarantine", sender, *place, block=block),
            "quarantine",
            *place,
            int(block),
            7,
            reasons=lambda: self.model.quarantine(sender, *place, block),
        )

    def report_excursion(self, dice: Random) -> None:
        # A sensor goes on when its member is suspended.
        able = [number for number in (3, 5, 7) if not self.model.in_standing(number)] or [3, 5, 7]
        batch, part = self._part(dice, lambda _, part: part.holder in able)
        place = self._place(dice, batch, part.node)
        operator = self._operator(dice, part.holder, REPORT_EXCURSION_FOR)
        member = self._choose(dice, [part.holder] * 4, [0, 3, 5, 7])
        self.say(
            Act("reportExcursion", operator, *place, member=member, block=Block.EXCURSION),
            "reportExcursion",
            member,
            *place,
            7,
            reasons=lambda: self.model.report_excursion(operator, member, *place),
        )

    def _blocked(self, dice: Random, lifted: Block) -> tuple[Batch, Part, Block]:
        """Mostly a block where it was set."""
        marks = [
            (batch, part, mark.block)
            for batch in self.model.batches.values()
            for part in batch.parts.values()
            for mark in sorted(part.marks, key=lambda mark: (mark.at, mark.block))
            if mark.at == part.node and mark.block in lifted
        ]
        if marks and dice.randint(0, 9) < MOST:
            return dice.choice(marks)
        batch, part = self._part(dice, lambda _, part: part.blocks)
        return batch, part, dice.choice(list(Block))

    def release(self, dice: Random) -> None:
        batch, part, block = self._blocked(dice, OF_HOLDER | Block.BY_MAKER | Block.BY_REGULATOR)
        place = self._place(dice, batch, part.node)
        sender = self._speaker(dice, batch, part, block)
        self.say(
            Act("release", sender, *place, block=block),
            "release",
            *place,
            int(block),
            7,
            reasons=lambda: self.model.release(sender, *place, block),
        )

    def recall(self, dice: Random) -> None:
        batch, part = self._part(dice, _is_small)
        place = self._place(dice, batch, part.node)
        sender = self._speaker(dice, batch, part, Block.RECALL)
        self.say(
            Act("recall", sender, *place, block=Block.RECALL),
            "recall",
            *place,
            7,
            reasons=lambda: self.model.recall(sender, *place),
        )

    def lift_recall(self, dice: Random) -> None:
        batch, part, _ = self._blocked(dice, Block.RECALL)
        place = self._place(dice, batch, part.node)
        sender = self._of(dice, dice.choice([REGULATOR, REGULATOR, REGULATOR, batch.maker]))
        self.say(
            Act("liftRecall", sender, *place, block=Block.RECALL),
            "liftRecall",
            *place,
            7,
            reasons=lambda: self.model.lift_recall(sender, *place),
        )


def _listed(batch: Batch, among: str) -> list[Part]:
    """The parts of a batch, or its packs, or its cases."""
    return list(batch.parts.values()) if among == "parts" else list(getattr(batch, among))


def _is_small(batch: Batch, part: Part) -> bool:
    """What is blocked most of the time, so that other things can happen too."""
    return part.height < DEPTH and not part.blocks


def _is_dispensed(part: Part) -> bool:
    return isinstance(part, Pack) and part.status == Status.DISPENSED


def _was_dispensed(part: Part) -> bool:
    """Whether it is dispensed, or was, by itself, and has ended since."""
    return _is_dispensed(part) or (isinstance(part, Pack) and part.opened and part.status == Status.ENDED)


def _place_in_word(pack: Pack) -> int:
    return pack.index % 256


def _indices(word: int, mask: int) -> frozenset[int]:
    return frozenset(256 * word + bit for bit in range(256) if mask >> bit & 1)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with anvil(hardfork="cancun") as chain:
        yield Stage(chain)


def test_packs__over_random_lives__are_where_the_model_says(stage: Stage) -> None:
    # given
    class Lives(Goods):
        pass

    Lives.stage, Lives.seen = stage, Counter()

    # when
    live(Lives, steps=STEPS, life=LIFE)

    # then: every act was done, and was refused.
    done = {name for name, answer in Lives.seen if answer == "done"}
    refused = {name for name, answer in Lives.seen if answer != "done"}
    assert done == refused == ACTS

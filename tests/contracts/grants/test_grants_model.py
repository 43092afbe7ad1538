"""Random lives of a pseudonym's grants, delegates, programmes and referrals, against a plain model.

The model keeps who gave what to whom, as objects that point at each other; it is asked by walking upwards. The contract
accepts the same acts, and answers the same about every reader and class, after each of them. Numbers are those of
docs/properties.md. THERIAC_FUZZ_STEPS=2000 takes that many steps, others each time.
"""

import os
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import ape
from ape.exceptions import ContractLogicError
from contracts_world import HOUR, MEMBERS, ZERO, ask
from grants_terms import ALLERGIES, LABORATORY, MEDICATIONS, REFERRAL, TREAT

from theriac.health.delegations import REFERRED
from theriac.health.messages import member_address

READERS = {"doctor": MEMBERS.hospital, "nurse": MEMBERS.hospital, "colleague": MEMBERS.clinic}
GRANTEES = (*READERS, "hospital", "clinic")
CLASSES = (ALLERGIES, LABORATORY, MEDICATIONS)
SCOPES = (ALLERGIES, LABORATORY, ALLERGIES | LABORATORY, LABORATORY | MEDICATIONS)
HOLDERS = ("stranger", "sibling")


@dataclass(frozen=True)
class Number:
    """Whoever stands under a number: a delegate with its scope, or a programme, with none."""

    holder: str
    expiry: int
    scope: int
    era: int


@dataclass(eq=False)
class Given:
    """A grant as an object: what it was given under, be it a number or another grant."""

    scope: int
    expiry: int
    era: int
    by: int = 0
    under: Any = None
    referrer: str = ""


@dataclass
class Model:
    """What should be so."""

    era: int = 0
    grants: dict[str, Given] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    emptied: set[str] = field(default_factory=set)
    numbers: dict[int, Number] = field(default_factory=dict)

    def lives(self, grantee: str, given: Given | None, now: int) -> bool:
        """By walking up: itself, then whatever it was given under, as long as that is still the same."""
        if given is None or given.era != self.era or now >= given.expiry:
            return False
        if given.referrer:
            return self.grants.get(given.referrer) is given.under and self.lives(given.referrer, given.under, now)
        if given.by:
            return self.numbers.get(given.by) is given.under and now < given.under.expiry
        return True

    def allowed(self, reader: str, scope: int, now: int) -> bool:
        member = "hospital" if READERS[reader] == MEMBERS.hospital else "clinic"
        return any(
            self.lives(grantee, given, now) and given.scope & scope == scope
            for grantee in (reader, member)
            if (given := self.grants.get(grantee)) is not None
        )

    # -- acts, which say whether they count --------------------------------------------------------------------------

    def grant(self, grantee: str, scope: int, expiry: int, by: int, now: int) -> bool:
        under = self.numbers.get(by)
        if expiry <= now or (by and (under is None or now >= under.expiry or expiry > under.expiry)):
            return False
        self._put(grantee, Given(scope, expiry, self.era, by, under))
        return True

    def delegate(self, holder: str, grantee: str, scope: int, expiry: int, by: int, now: int) -> bool:
        under = self.numbers.get(by)
        if under is None or under.holder != holder or not under.scope or under.era != self.era or now >= under.expiry:
            return False
        current = self.grants.get(grantee)
        if current is not None and current.by != by and self.lives(grantee, current, now):
            return False
        if scope & ~under.scope:
            return False
        return self.grant(grantee, scope, expiry, by, now)

    def refer(self, who: str, through: str, to: str, scope: int, expiry: int, now: int) -> bool:
        parent, current = self.grants.get(through), self.grants.get(to)
        member = "hospital" if READERS[who] == MEMBERS.hospital else "clinic"
        if through not in (who, member) or to in (who, through) or parent is None:
            return False
        if not self.lives(through, parent, now) or not parent.scope & REFERRAL or scope & ~parent.scope:
            return False
        if scope & REFERRAL or not now < expiry <= parent.expiry or to in self.emptied:
            return False
        mine = current is not None and current.referrer == through
        if current is not None and not mine and self.lives(to, current, now):
            return False
        self._put(to, Given(scope, expiry, self.era, REFERRED, parent, through))
        return True

    def narrow(self, grantee: str, scope: int, expiry: int, now: int) -> bool:
        current = self.grants.get(grantee)
        if current is None or current.era != self.era or now >= current.expiry:
            return False
        if scope & ~current.scope or not now < expiry <= current.expiry:
            return False
        self._put(grantee, replace(current, scope=scope, expiry=expiry))
        return True

    def revoke(self, grantee: str) -> bool:
        self.grants.pop(grantee, None)
        self.touched.add(grantee)
        self.emptied.add(grantee)
        return True

    def appoint(self, by: int, holder: str, scope: int, expiry: int, now: int) -> bool:
        if expiry <= now:
            return False
        self.numbers[by] = Number(holder, expiry, scope, self.era)
        return True

    def _put(self, grantee: str, given: Given) -> None:
        self.grants[grantee] = given
        self.touched.add(grantee)
        self.emptied.discard(grantee)


@dataclass
class Life:
    """One pseudonym, played on the chain and on paper."""

    world: Any
    people: Any
    random: Random
    model: Model = field(default_factory=Model)
    counted: int = 0

    def address(self, grantee: str) -> str:
        number = {"hospital": MEMBERS.hospital, "clinic": MEMBERS.clinic}.get(grantee)
        return member_address(number) if number else self.people[grantee].address

    @property
    def patient(self) -> Any:
        return self.people["patient"]

    def step(self) -> None:
        random, model, grants, delegations = self.random, self.model, self.world.grants, self.world.delegations
        acts = {"grant": 2, "delegate": 2, "refer": 4, "narrow": 1, "revoke": 1, "appoint": 1, "programme": 1}
        acts |= {"end": 1, "time": 1, "era": 1}
        [act] = random.choices(list(acts), weights=list(acts.values()))
        if act == "time":
            self.world.clock.travel(to=self.now + random.choice([1, 3, 9]) * HOUR)
            return
        if act == "era" and random.random() < 0.8:
            return
        # A transaction comes a second after the latest block.
        now, hour = self.now + 1, (self.now // HOUR + random.randint(1, 30)) * HOUR
        grantee, scope = random.choice(GRANTEES), random.choice(SCOPES)
        by = random.choice([1, 2])
        place = (self.patient, self.address(grantee), TREAT.number)
        more = scope | REFERRAL * (random.random() < 0.7)
        before = (dict(model.grants), set(model.touched), set(model.emptied), dict(model.numbers), model.era)
        match act:
            case "grant":
                by = random.choice([0, 0, by])
                expected = model.grant(grantee, more, hour, by, now)
                call, who = grants.grant, self.patient
                arguments: tuple[Any, ...] = ((*place, more, 0, hour, by),)
            case "delegate":
                holder = random.choice(HOLDERS)
                scope = random.choice([scope, scope, more])
                expected = model.delegate(holder, grantee, scope, hour, by, now)
                call, who, arguments = delegations.grant, self.people[holder], ((*place, scope, 0, hour, by),)
            case "refer":
                reader, through = random.choice(list(READERS)), random.choice(GRANTEES)
                if random.random() < 0.6:
                    through = random.choice([reader, "hospital" if READERS[reader] == MEMBERS.hospital else "clinic"])
                scope = random.choice([scope, scope, scope, more])
                expected = model.refer(reader, through, grantee, scope, hour, now)
                call, who = grants.refer, self.people[reader]
                arguments = ((*place, scope, 0, hour, 0), self.address(through))
            case "narrow":
                expected = model.narrow(grantee, scope, hour, now)
                call, who, arguments = grants.narrow, self.patient, (*place, scope, hour)
            case "revoke":
                expected = model.revoke(grantee)
                call, who, arguments = grants.revoke, self.patient, place
            case "appoint":
                holder = random.choice(HOLDERS)
                expected = model.appoint(by, holder, scope, hour, now)
                terms = (self.patient, by, self.people[holder], scope, 1 << TREAT.number, 0, hour)
                call, who, arguments = delegations.appoint, self.patient, (terms,)
            case "programme":
                expected = model.appoint(by, "", 0, hour, now)
                call, who, arguments = grants.setParent, self.patient, (self.patient, by, "0x" + "77" * 20, hour)
            case "end":
                model.numbers.pop(by, None)
                expected = True
                call, who, arguments = grants.setParent, self.patient, (self.patient, by, ZERO, 0)
            case _:
                model.era += 1
                expected = True
                call, who, arguments = self.world.keys.raiseEra, self.patient, (self.patient,)

        try:
            call(*arguments, sender=who)
            happened = True
        except ContractLogicError:
            happened = False
        # property G12
        # A refused one is no block: time stands.
        assert happened == expected, (act, arguments)
        if not happened:
            model.grants, model.touched, model.emptied, model.numbers, model.era = before
        self.counted += happened

    @property
    def now(self) -> int:
        return int(ape.chain.blocks.head.timestamp)

    def check(self) -> None:
        """The chain's answers are the model's, and what the model says keeps to the numbered sentences."""
        model, now = self.model, self.now
        grants, questions = self.world.grants, [(reader, scope) for reader in READERS for scope in CLASSES]
        asked = [
            grants.allowed.encode_input(self.patient, self.address(reader), scope, TREAT.number)
            for reader, scope in questions
        ]
        answers = dict(zip(questions, map(bool, ask(self.world.questions, grants, asked)), strict=True))
        # property G12
        assert answers == {(reader, scope): model.allowed(reader, scope, now) for reader, scope in questions}
        for grantee, given in model.grants.items():
            if not model.lives(grantee, given, now) or not given.by:
                continue
            # property G1
            assert given.expiry <= given.under.expiry
            # property G2
            assert not given.under.scope or given.by in (1, 2) or not given.scope & ~given.under.scope
            # property G3
            assert not given.referrer or not given.under.referrer
            assert not given.referrer or not given.scope & REFERRAL


def test_grants__over_random_lives__are_what_the_model_says(world, people):
    steps = int(os.environ.get("THERIAC_FUZZ_STEPS", "0"))
    life = Life(world, people, Random() if steps else Random(1))

    for _ in range(steps or 60):
        life.step()
        life.check()

    assert life.counted > 15

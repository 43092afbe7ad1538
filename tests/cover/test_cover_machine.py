"""Cover against a plain model, over random sequences of everything that can be said to it.

Each step is one transaction on an anvil of its own, by a likely or an unlikely person with likely or unlikely facts.
The model says whether it must succeed, and if not, for which reasons it may be refused; the chain must agree.
Afterwards everything that can be asked about all claims, policies and money equals the model, and the properties of
docs/properties.md hold between what the chain said before the step and what it says after it. `THERIAC_EXAMPLES=20`
has it try twenty times as many.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any, ClassVar

import pytest
from counting_house import DAY, GOODS, HOUR, NUMBERS, SERVICES, STAFF, Benefit, digest, open_house
from cover_model import (
    DISMISSED,
    HAS_SECONDARY,
    MEMBERS,
    PROVIDERS,
    WHOLE,
    Authorization,
    Episode,
    Giving,
    Missing,
    Model,
    Payout,
    Reasons,
    Scheme,
    Stand,
    Status,
    Told,
)
from cover_properties import Act, Watch
from cover_stage import PACKS_IN_STOCK, PATIENTS, PEOPLE, UNDERWRITERS, Sight, Stage, expected
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from random_lives import live
from real_anvil import BOARD

from theriac.cover.messages import NONE, Agreement, Claim, Line, Ruling, evidence_of
from theriac.cover.rules import WAIVABLE

MANY = int(os.environ.get("THERIAC_EXAMPLES", "1"))
STEPS = 750 * MANY

LIFE = 60
"""What becomes of a few people's cover, in acts."""

PROVIDING = {"doctor": 1, "colleague": 2, "pharmacist": 3}
REVIEWERS = {"silver": ("adjuster", "reviewer"), "golden": ("actuary",)}
PEERS = (
    ("doctor", "colleague", "pharmacist", "hospital", "clinic", "pharmacy"),
    ("adjuster", "reviewer", "actuary", "insurer", "mutual"),
    ("arbiter", "authority", "adjuster", "doctor"),
)
"""Who could do the same for another."""

OFTEN = ("visit", "scan", "crown", "shot", "panel", "part of the panel", "by report")
"""What is claimed most."""

DAYS = (1005, 1006, 1022, 1023, 1024, 1100, 1101, 1102, 1103, 1104, 1105)

LIKELY = {
    "anchor": 4,
    "disown": 1,
    "submit": 22,
    "dispense": 8,
    "coordinate": 10,
    "resume": 6,
    "review": 6,
    "reverse": 9,
    "adjust": 8,
    "consent": 1,
    "pay_share": 8,
    "receive_share": 4,
    "appeal": 7,
    "answer": 7,
    "refute": 6,
    "judge": 10,
    "lapse": 3,
    "deposit": 4,
    "drain": 3,
    "set_payout": 3,
    "answer_for": 2,
    "withdraw": 3,
    "pay_premium": 2,
    "reinstate": 2,
    "end_policy": 1,
    "request": 6,
    "authorize": 7,
    "open": 4,
    "deliver": 5,
    "assess": 8,
    "expire": 3,
    "wait": 6,
    "suspend": 1,
}
"""How often each thing happens, by the method that does it."""

ACTS = {
    *("submit", "dispense", "coordinate", "resume", "review", "reverse", "adjust", "consent"),
    *("payShare", "receiveShare", "appeal", "answer", "refute", "rule", "ruleBySig", "lapse"),
    *("deposit", "drain", "setPayout", "answerFor", "withdraw", "payPremium", "reinstate", "endPolicy"),
    *("request", "approve", "refuse", "open", "deliver", "assess", "expire"),
}


class Senseless(Exception):
    """There is nothing at the moment of which this could be said with any sense."""


class Lives(RuleBasedStateMachine):
    """What becomes of three people's cover with two insurers, at three providers, with every act of cover."""

    stage: ClassVar[Stage]
    seen: ClassVar[Counter[tuple[str, str]]]

    @initialize(seed=st.binary(min_size=8, max_size=8))
    def found(self, seed: bytes) -> None:
        self.model: Model = self.stage.anew()
        self.watch = Watch(self.model)
        self.used: Counter[bytes] = Counter()
        self.count = 0
        self.nonces: Counter[bytes] = Counter()
        self.sight = self._look("the beginning")
        for who in Random(seed).sample(list(PATIENTS["golden"]), 2):
            self._pay_premium("friend", self.model.schemes["golden"], who, 3)

    @rule(seed=st.binary(min_size=8, max_size=8))
    def step(self, seed: bytes) -> None:
        """Something happens. Hypothesis chooses how much and leaves steps out; the dice fall evenly."""
        self.used[seed] += 1
        dice = Random(seed + bytes([self.used[seed] % 256]))
        acts = dice.choices(list(LIKELY), weights=list(LIKELY.values()), k=20)
        # Nobody is out of standing for long.
        if self.model.suspended and dice.randint(0, 1):
            acts.insert(0, "suspend")
        for act in dict.fromkeys(acts):
            with suppress(Senseless):
                getattr(self, act)(dice)
                break

    # How an act is said, and what is asked afterwards

    def say(self, act: Act, contract: str, function: str, *arguments: Any, reasons: Callable[[], Reasons]) -> bool:
        """Says something to a contract, and to the model; whether it was done."""
        self.model.now += 1
        why = reasons()
        answer = self.stage.say(act.by, contract, function, *arguments, at=self.model.now)
        self.seen[function, answer.error or "done"] += 1
        note(f"{self.model.now}: {act}: {answer.error or 'done'}")
        # property C21
        if answer.error is None:
            assert not why, f"{act} was done, though {sorted(why)}"
        else:
            assert answer.error in why, f"{act} was refused by {answer.error}, not by one of {sorted(why)}"
        before, self.sight = self.sight, self._look(act)
        if answer.error is None:
            self.watch.done(act, before, self.sight, answer.told)
        else:
            self.watch.refused(before, self.sight, answer.told)
        return answer.error is None

    def _look(self, after: object) -> Sight:
        wanted = expected(self.model, self.stage)
        seen = self.stage.look(wanted)
        if seen != wanted:
            differ = {key: (seen[key], wanted[key]) for key in wanted if seen[key] != wanted[key]}
            # property C21
            raise AssertionError(f"after {after} the chain says, and the model: {differ}")
        return seen

    # What is chosen: mostly something likely

    def _of(self, dice: Random, *able: str) -> str:
        """Somebody, mostly one who is able; seldom one who is so for another member, or anybody."""
        chance = dice.randint(0, 23)
        peers = [peer for peers in PEERS if able and able[0] in peers for peer in peers]
        return dice.choice(PEOPLE if not able or chance == 0 else peers if peers and chance < 4 else able)

    def _staff(self, dice: Random, member: int) -> str:
        """Somebody, mostly of a member."""
        name = MEMBERS[member]
        return self._of(dice, name, *(who for who, (employer, _) in STAFF.items() if employer == name))

    def _claim(self, dice: Random, likely: Callable[[Told], object]) -> Told:
        """A claim, mostly one for which something makes sense."""
        claims = list(self.model.claims.values())
        sensible = [told for told in claims if likely(told)]
        if not claims or (not sensible and dice.randint(0, 5)):
            raise Senseless
        return dice.choice(sensible if sensible and dice.randint(0, 11) else claims)

    def _shown(self, dice: Random, told: Told) -> tuple[tuple[Any, ...], bool]:
        """A claim as it is shown; seldom otherwise than it was decided."""
        settled = told.shown
        if dice.randint(0, 11):
            return settled.tuple, True
        others = [replace(settled, batch=digest("other batch")), replace(settled, index=settled.index + 1)]
        if settled.outcomes:
            reasons, allowed, *amounts, paid = settled.outcomes[0]
            more = (reasons, allowed, *amounts, paid + 1)
            others += [replace(settled, outcomes=(more, *settled.outcomes[1:]))] * 2
            others.append(replace(settled, outcomes=settled.outcomes[1:] or (more,)))
            dearer = replace(settled.benefits[0], price=settled.benefits[0].price + 1)
            others.append(replace(settled, benefits=(dearer, *settled.benefits[1:])))
        return dice.choice(others).tuple, False

    def _rows(self, dice: Random, told: Told) -> tuple[list[tuple[Any, ...]], bool]:
        """The schedule's rows of a claim's lines; seldom others."""
        rows = [told.scheme.schedule.row(benefit) for benefit in told.benefits]
        if dice.randint(0, 24):
            return rows, True
        (row, proof), *rest = rows
        forged = (replace(told.benefits[0], price=10**6, coinsurance=0).tuple, proof)
        other = dice.choice([row for row in told.scheme.rows.values() if row != told.benefits[0]])
        return dice.choice(
            [[forged, *rest], [told.scheme.schedule.row(other), *rest], rows[1:], [*rows, (row, proof)]]
        ), False

    def _least(self, dice: Random) -> int:
        """The least that a provider accepts: mostly anything."""
        return dice.choice([0] * 12 + [1, 5_000, 10**6])

    def _parties(self, *claims: Told) -> frozenset[str]:
        return frozenset(self.model.money.answerer(told.claim.provider) for told in claims)

    def _scheme(self, dice: Random) -> Scheme:
        return dice.choice([self.model.schemes["silver"]] * 2 + [self.model.schemes["golden"]])

    # Time and standing

    def wait(self, dice: Random) -> None:
        now = self.model.now
        edges = [edge - dice.choice([1, 2]) for edge in sorted(self._edges()) if now + 2 < edge < now + 100 * DAY]
        self._wait_until(dice.choice([now + HOUR, now + DAY, *edges[:4], *edges[4:16:3], now + 5 * DAY]))

    def _wait_until(self, moment: int) -> None:
        self.model.now = moment
        self.stage.wait_until(moment)
        before, self.sight = self.sight, self._look("a while")
        self.watch.waited(before, self.sight)

    def _hesitate(self, dice: Random, moment: int) -> None:
        """Mostly somebody waits for the first second after a moment, now and then for its last."""
        if moment > self.model.now and dice.randint(0, 3):
            self._wait_until(moment - (not dice.randint(0, 4)))

    def _edges(self) -> Iterator[int]:
        """When something may be done no more, or only then."""
        for told in self.model.claims.values():
            terms = told.scheme.terms
            for days in (terms.reversal_days, terms.refute_days, terms.appeal_days):
                yield told.decided + days * DAY + 1
            yield told.appeal[1] + terms.appeal_days * DAY + 1
            yield told.refutation[1] + terms.appeal_days * DAY + 1
        for (plan, _), policy in self.model.policies.items():
            grace = self.model.schemes[plan].terms.grace_days * DAY
            yield from (policy.until, policy.until + grace + 1, policy.ends)
        yield from (asked.expiry for asked in self.model.authorizations.values())
        yield from (episode.terms.ends for episode in self.model.episodes.values())

    def suspend(self, dice: Random) -> None:
        """The board suspends a member, or takes it back."""
        out = sorted(self.model.suspended)
        member = dice.choice(out or [1, 2, 3, 5, 6])
        self.model.now += 1
        consortium = self.stage.contract("Consortium")
        function = consortium.functions.reinstate(member) if out else consortium.functions.suspend(member, 1)
        self.model.suspended ^= {member}
        self.stage.chain.send(BOARD, function)
        self.sight = self._look("judging")

    # Evidence

    def anchor(self, dice: Random, name: str = "", who: str = "", by: str = "") -> bytes:
        """A provider writes what happened; mostly what a claim waits for."""
        missing = [
            told for told in self.model.claims.values() if told.missing is Missing.EVIDENCE and not told.is_goods
        ]
        missing = [told for told in missing if told.status is Status.PENDED]
        evidence = digest(name) if name else self._new("encounter")
        who, by = who or dice.choice(list(PATIENTS["silver"])), by or dice.choice(list(PROVIDING))
        if missing and not name and dice.randint(0, 3):
            told = dice.choice(missing)
            who, evidence = told.who, told.claim.evidence
            by = next(one for one, member in PROVIDING.items() if member == told.claim.provider)
        member = self.model.standing(by, PROVIDERS)
        if not member or (who, member, evidence) in self.model.records:
            raise Senseless
        self.model.now += 1
        self.model.anchor(by, who, evidence)
        answer = self.stage.say(by, "Records", "anchorInbox", self.stage.address(who), [evidence], at=self.model.now)
        assert answer.error is None, answer
        return evidence

    def _new(self, name: str) -> bytes:
        self.count += 1
        return digest(f"{name} {self.count}")

    def disown(self, dice: Random) -> None:
        """A provider does not stand by what it wrote any more."""
        current = [key for key, (_, is_current) in self.model.records.items() if is_current]
        if not current:
            raise Senseless
        who, member, evidence = dice.choice(current)
        by = next(one for one, employer in PROVIDING.items() if employer == member)
        if member in self.model.suspended:
            raise Senseless
        self.model.now += 1
        self.model.records[who, member, evidence] = (self.model.records[who, member, evidence][0], False)
        answer = self.stage.say(by, "Records", "disown", self.stage.address(who), evidence, at=self.model.now)
        assert answer.error is None, answer

    # Claims

    def _signed(self, dice: Random, told: Told) -> tuple[bytes, str | None]:
        """The patient's consent, and who gave it; nothing where it was given by a transaction."""
        if told.id in self.model.consents and dice.randint(0, 2):
            return b"", None
        if not dice.randint(0, 29):
            return b"", None
        signer = told.who if dice.randint(0, 24) else dice.choice(PEOPLE)
        return self.stage.sign(told.claim, signer), signer

    def _told(self, claim: Claim, scheme: Scheme, who: str) -> Told:
        told = Told(claim, scheme, who, tuple(scheme.rows[line.service] for line in claim.lines), 0)
        self.watch.note(claim, who)
        return told

    def _line(self, dice: Random, scheme: Scheme, who: str, provider: int) -> Line:
        rows = list(scheme.rows.values())
        often = [row for row, usual in zip(rows, SERVICES, strict=True) if usual.service in map(digest, OFTEN)]
        row: Benefit = dice.choice(often if dice.randint(0, 4) else rows)
        units = dice.choice([1, 1, 1, 2, 3])
        fair = row.price * units
        charged = max(dice.choice([fair, fair + 2_000, fair // 2 + 1, fair * 3 // 4, 7_777]), 1)
        day = dice.choice(DAYS) if dice.randint(0, 11) else dice.choice([999, 1365])
        authorization = NONE
        fitting = [
            number
            for number, asked in self.model.authorizations.items()
            if (asked.scheme, asked.who, asked.provider) == (scheme, who, provider)
        ]
        if fitting and dice.randint(0, 2):
            authorization = dice.choice(fitting)
            row, units = scheme.rows[self.model.authorizations[authorization].service], dice.choice([1, 1, 2])
            charged = row.price * units
        elif self.model.authorizations and not dice.randint(0, 9):
            authorization = dice.choice(list(self.model.authorizations))
        if dice.randint(0, 30):
            return Line(row.service, day, units, charged, authorization)
        return Line(row.service, day, *dice.choice([(0, charged), (units, 0), (units, 2**56)]), authorization)

    def submit(self, dice: Random) -> None:
        scheme, who = self._scheme(dice), dice.choice(list(PATIENTS["silver"]))
        by = dice.choice(["doctor", "doctor", "colleague", "hospital", "pharmacist"])
        provider = self.model.standing(by, PROVIDERS) or 1
        approved = [asked for asked in self.model.authorizations.values() if asked.expiry > self.model.now]
        if approved and not dice.randint(0, 2):
            asked = dice.choice(approved)
            scheme, who, provider = asked.scheme, asked.who, asked.provider
            by = next(one for one, member in PROVIDING.items() if member == provider)
        if not dice.randint(0, 40):
            who = "friend"
        lines = [self._line(dice, scheme, who, provider) for _ in range(dice.choice([1, 1, 2, 3]))]
        claim = Claim(
            pseudonym=self.stage.address(who),
            plan=scheme.id,
            provider=provider,
            evidence=self._evidence(dice, who, provider),
            primary=NONE if dice.randint(0, 40) else digest("an earlier claim"),
            lines=lines,
            salt=self._new("salt"),
            era=0,
            deadline=self.model.now + (HOUR if dice.randint(0, 30) else -HOUR),
        )
        known = [told for told in self.model.claims.values() if not told.is_goods]
        if known and not dice.randint(0, 7):
            # The same again: another time, under another plan, or word by word.
            old = dice.choice(known)
            again = replace(old.claim, salt=self._new("salt"), deadline=self.model.now + HOUR)
            scheme, who, claim = old.scheme, old.who, dice.choice([again, again, old.claim])
        self._submit(dice, by, self._told(claim, scheme, who))

    def _evidence(self, dice: Random, who: str, provider: int) -> bytes:
        """What a claim names as its evidence: mostly something new, seldom not written yet or claimed."""
        known = [key[2] for key in self.model.records if key[:2] == (who, provider)]
        by = next(one for one, member in PROVIDING.items() if member == provider)
        chance = dice.randint(0, 11)
        if chance == 0 or provider in self.model.suspended:
            return self._new("encounter")
        if known and chance < 4:
            return dice.choice(known)
        self.count += 1
        return self.anchor(dice, f"encounter {self.count}", who, by)

    def _submit(self, dice: Random, by: str, told: Told) -> None:
        by, least = self._of(dice, by), self._least(dice)
        (rows, right), (signature, signer) = self._rows(dice, told), self._signed(dice, told)
        self.say(
            Act("submit", by, frozenset({told.id}), facts=repr(told)),
            *("Claims", "submit"),
            *(told.claim.terms(), rows, least, signature),
            reasons=lambda: self.model.submit(by, told, least, signer, rows=right),
        )

    def consent(self, dice: Random) -> None:
        """A patient consents by a transaction to what is submitted then."""
        scheme, who = self._scheme(dice), dice.choice(list(PATIENTS["silver"]))
        line = self._line(dice, scheme, who, 1)
        evidence = self._evidence(dice, who, 1)
        claim = Claim(
            *(self.stage.address(who), scheme.id, 1, evidence, NONE, [line]),
            *(self._new("salt"), 0, self.model.now + HOUR),
        )
        told, by = self._told(claim, scheme, who), self._of(dice, who)
        done = self.say(
            Act("consent", by, frozenset({told.id})),
            *("Claims", "consent", claim.terms()),
            reasons=lambda: self.model.consent(by, claim, who),
        )
        if done or dice.randint(0, 1):
            self._submit(dice, "doctor", told)

    def dispense(self, dice: Random) -> None:
        scheme, who = self._scheme(dice), dice.choice(["patient", "patient", "loner"])
        prescription = dice.choice(self.stage.prescriptions)
        left = [index for index in range(PACKS_IN_STOCK) if index not in self.model.packs]
        index = dice.choice(left if left and dice.randint(0, 9) else range(PACKS_IN_STOCK))
        units = dice.choice([1, 1, 1, 2, 2, 3])
        row = dice.choice([row for row in scheme.rows.values() if row.kind == GOODS])
        if not dice.randint(0, 14):
            row = dice.choice(list(scheme.rows.values()))
        line = Line(
            row.service, 0 if dice.randint(0, 20) else 1005, units, dice.choice([row.price * units or 1, 4_000, 2_000])
        )
        claim = Claim(
            pseudonym=self.stage.address(who),
            plan=scheme.id,
            provider=NUMBERS["pharmacy"],
            evidence=evidence_of(prescription.id if dice.randint(0, 20) else NONE, 0),
            primary=NONE,
            lines=[line] * (1 if dice.randint(0, 30) else 2),
            salt=self._new("salt"),
            era=0,
            deadline=self.model.now + HOUR,
        )
        told = self._told(claim, scheme, who)
        self.watch.kept[told.id] = replace(self.watch.kept[told.id], batch=self.stage.batch, index=index)
        words = self.nonces[prescription.id]
        nonce, signer = words if dice.randint(0, 20) else words + 1, "bearer" if dice.randint(0, 20) else "stranger"
        given = units if dice.randint(0, 20) else units + 1
        giving = Giving(
            *(self.stage.batch, index, prescription.id, given, self.stage.due(self.model.now + 1)),
            *(nonce, words, signer == "bearer"),
        )
        goods = self.stage.given(
            prescription, index, units=given, nonce=nonce, signer=signer, deadline=self.model.now + HOUR // 2
        )
        by, least = self._of(dice, "pharmacist", "pharmacy"), self._least(dice)
        (rows, right), (signature, signed) = self._rows(dice, told), self._signed(dice, told)
        done = self.say(
            Act("dispense", by, frozenset({told.id}), facts=repr(told)),
            *("Claims", "dispense"),
            *(claim.terms(), rows, goods, least, signature),
            reasons=lambda: self.model.dispense(by, told, least, signed, giving=giving, rows=right),
        )
        if done:
            self.nonces[prescription.id] += 1

    def coordinate(self, dice: Random) -> None:
        first = self._claim(
            dice,
            lambda told: (
                told.status is Status.DECIDED
                and told.share
                and told.claim.primary == NONE
                and not told.marks & HAS_SECONDARY
            ),
        )
        other = self.model.schemes["golden" if first.scheme.name == "silver" else "silver"]
        scheme = other if dice.randint(0, 19) else first.scheme
        services = list(scheme.rows)
        names = list(first.scheme.rows)
        lines = [
            replace(line, service=services[names.index(line.service)], authorization=NONE) for line in first.claim.lines
        ]
        if not dice.randint(0, 14):
            lines[0] = replace(lines[0], units=lines[0].units + 1)
        claim = replace(
            first.claim,
            plan=scheme.id,
            primary=first.id,
            lines=lines,
            salt=self._new("salt"),
            deadline=self.model.now + HOUR,
            evidence=first.claim.evidence if dice.randint(0, 20) else digest("other evidence"),
        )
        told = self._told(claim, scheme, first.who)
        kept = self.watch.kept[told.id]
        self.watch.kept[told.id] = replace(kept, batch=first.batch, index=first.index)
        by, least = self._staff(dice, claim.provider), self._least(dice)
        (rows, right), (signature, signer) = self._rows(dice, told), self._signed(dice, told)
        settled, shown = self._shown(dice, first)
        self.say(
            Act("coordinate", by, frozenset({told.id}), facts=f"{told!r} after {first!r}"),
            *("Claims", "coordinate"),
            *(claim.terms(), rows, settled, least, signature),
            reasons=lambda: self.model.coordinate(by, told, first, least, signer, shown=shown, rows=right),
        )

    def _pended(self, dice: Random, told: Told) -> tuple[bytes, int, bool]:
        """Of which pack a pended claim says that it is."""
        if dice.randint(0, 15):
            return told.batch, told.index, True
        return told.batch, told.index + 1, False

    def resume(self, dice: Random) -> None:
        told = self._claim(dice, lambda told: told.status is Status.PENDED)
        by, least = self._staff(dice, told.claim.provider), self._least(dice)
        (rows, right), (batch, index, shown) = self._rows(dice, told), self._pended(dice, told)
        self.say(
            Act("resume", by, frozenset({told.id}), facts=repr(told)),
            *("Claims", "resume"),
            *(told.claim.terms(), rows, batch, index, least),
            reasons=lambda: self.model.resume(by, told, least, shown=shown, rows=right),
        )

    def review(self, dice: Random) -> None:
        told = self._claim(dice, lambda told: told.status is Status.PENDED and told.missing is Missing.REVIEW)
        by, agreed = self._of(dice, *REVIEWERS[told.scheme.name]), bool(dice.randint(0, 2))
        (rows, right), (batch, index, shown) = self._rows(dice, told), self._pended(dice, told)
        self.say(
            Act("review", by, frozenset({told.id}), facts=f"{told!r} {agreed}"),
            *("Claims", "review"),
            *(told.claim.terms(), rows, batch, index, agreed),
            reasons=lambda: self.model.review(by, told, agreed, shown=shown, rows=right),
        )

    def reverse(self, dice: Random) -> None:
        # Often one of which the share was paid, or a second payer's.
        kinds = (lambda told: told.payments, lambda told: told.claim.primary != NONE, lambda told: True)
        kind = dice.choice(kinds)
        told = self._claim(dice, lambda told: told.status in (Status.PENDED, Status.DECIDED) and kind(told))
        by, prescription = self._staff(dice, told.claim.provider), NONE
        if (told.is_goods and dice.randint(0, 2)) or not dice.randint(0, 30):
            fitting = [each.id for each in self.stage.prescriptions if evidence_of(each.id, 0) == told.claim.evidence]
            prescription = (fitting or [dice.choice(self.stage.prescriptions).id])[0]
        settled, shown = self._shown(dice, told)
        self.say(
            Act("reverse", by, frozenset({told.id}), self._parties(told), repr(told)),
            *("Claims", "reverse", settled, prescription, 0),
            reasons=lambda: self.model.reverse(by, told, prescription, shown=shown),
        )

    def adjust(self, dice: Random) -> None:
        # Often one of which the share was received.
        received = not dice.randint(0, 2)
        old = self._claim(
            dice,
            lambda told: (
                told.status is Status.DECIDED and told.claim.primary == NONE and (told.received or not received)
            ),
        )
        lines = list(old.claim.lines)
        at = dice.randrange(len(lines))
        fair = old.scheme.rows[lines[at].service].price * lines[at].units
        charged = max(dice.choice([lines[at].charged - 3_000, lines[at].charged, fair, fair, fair + 5_000]), 1)
        lines[at] = replace(lines[at], charged=charged)
        if not dice.randint(0, 3):
            lines[at] = replace(lines[at], units=dice.choice([1, 2, 3]))
        if not old.is_goods and not dice.randint(0, 3):
            lines.append(self._line(dice, old.scheme, old.who, old.claim.provider))
        claim = replace(old.claim, lines=lines, salt=self._new("salt"), deadline=self.model.now + HOUR)
        if not dice.randint(0, 19):
            claim = replace(claim, evidence=digest("other evidence"))
        told = self._told(claim, old.scheme, old.who)
        self.watch.kept[told.id] = replace(self.watch.kept[told.id], batch=old.batch, index=old.index)
        by, least = self._staff(dice, claim.provider), self._least(dice)
        (rows, right), (signature, signer) = self._rows(dice, told), self._signed(dice, told)
        settled, shown = self._shown(dice, old)
        self.say(
            Act("adjust", by, frozenset({old.id, told.id}), self._parties(old), f"{told!r} for {old!r}"),
            *("Claims", "adjust"),
            *(settled, claim.terms(), rows, least, signature),
            reasons=lambda: self.model.adjust(by, old, told, least, signer, shown=shown, rows=right),
        )

    # Shares

    def pay_share(self, dice: Random) -> None:
        told = self._claim(dice, lambda told: told.status is Status.DECIDED and told.share)
        by, most = self._of(dice, "friend", "patient", "hospital"), told.share + dice.choice([0, 0, 0, 0, 0, 9, -1])
        most = max(most, 0)
        self.say(
            Act("payShare", by, frozenset({told.id}), facts=repr(told)),
            *("Escrow", "payShare", told.scheme.id, told.claim.content, most),
            reasons=lambda: self.model.pay_share(by, told, most),
        )

    def receive_share(self, dice: Random) -> None:
        told = self._claim(dice, lambda told: told.status is Status.DECIDED and told.share)
        by = self._staff(dice, told.claim.provider)
        self.say(
            Act("receiveShare", by, frozenset({told.id}), facts=repr(told)),
            *("Claims", "receiveShare", told.scheme.id, told.claim.content),
            reasons=lambda: self.model.receive_share(by, told),
        )

    # Appeals and refutations

    def _document(self, dice: Random, right: bytes = b"") -> bytes:
        return (right or digest("a document")) if dice.randint(0, 20) else NONE

    def appeal(self, dice: Random) -> None:
        told = self._claim(
            dice,
            lambda told: (
                told.status is Status.DECIDED
                and not told.appeal[0]
                and told.decision
                and any(outcome.reasons & WAIVABLE for outcome in told.decision.outcomes)
            ),
        )
        by = dice.choice([told.who, self._staff(dice, told.claim.provider)])
        document = self._document(dice)
        self.say(
            Act("appeal", by, frozenset({told.id}), facts=repr(told)),
            *("Appeals", "appeal", told.claim.terms(), document),
            reasons=lambda: self.model.appeal(by, told, document),
        )

    def answer(self, dice: Random) -> None:
        told = self._claim(dice, lambda told: told.appeal[0] in (Stand.OPEN, DISMISSED))
        able = dice.choice([REVIEWERS[told.scheme.name], ("arbiter", "authority")])
        if told.appeal[0] is Stand.OPEN and dice.randint(0, 3):
            able = REVIEWERS[told.scheme.name]
        by, granted, document = self._of(dice, *able), bool(dice.randint(0, 2)), self._document(dice)
        if told.reviewer and not dice.randint(0, 2):
            by = told.reviewer
        reasons = [int(outcome.reasons) for outcome in told.decision.outcomes] if told.decision else []
        waived = dice.choice([reasons, reasons, reasons, [2**32 - 1] * len(reasons), [0] * len(reasons), reasons[1:]])
        settled, shown = self._shown(dice, told)
        self.say(
            Act("answer", by, frozenset({told.id}), self._parties(told), f"{told!r} {granted} {waived}"),
            *("Appeals", "answer", settled, waived, granted, document),
            reasons=lambda: self.model.answer(by, told, waived, granted, document, shown=shown),
        )

    def refute(self, dice: Random) -> None:
        told = self._claim(dice, lambda told: told.status is Status.DECIDED and told.paid and not told.refutation[0])
        by, openings = self._of(dice, *REVIEWERS[told.scheme.name]), self._document(dice)
        settled, shown = self._shown(dice, told)
        self.say(
            Act("refute", by, frozenset({told.id}), self._parties(told), repr(told)),
            *("Appeals", "refute", settled, 1, openings),
            reasons=lambda: self.model.refute(by, told, openings, shown=shown),
        )

    def judge(self, dice: Random) -> None:
        """The arbiter rules, by a transaction or by its signature."""
        told = self._claim(dice, lambda told: told.refutation[0] is Stand.OPEN)
        by, for_insurer = self._of(dice, "arbiter", "authority"), bool(dice.randint(0, 1))
        openings = self._document(dice, digest("a document") if dice.randint(0, 20) else digest("others"))
        settled, shown = self._shown(dice, told)
        if dice.randint(0, 1):
            self.say(
                Act("rule", by, frozenset({told.id}), self._parties(told), f"{told!r} {for_insurer}"),
                *("Appeals", "rule", settled, openings, for_insurer),
                reasons=lambda: self.model.rule(by, told, openings, for_insurer, shown=shown),
            )
            return
        deadline = self.model.now + (DAY if dice.randint(0, 15) else dice.choice([-1, 8 * DAY]))
        ruling = Ruling(told.id, openings, for_insurer, self.stage.address(by), deadline)
        signer, sender = by if dice.randint(0, 12) else dice.choice(PEOPLE), dice.choice(PEOPLE)

        def reasons() -> Reasons:
            why = set() if signer == by else {"WrongSignature"}
            why |= {"SignatureExpired"} if self.model.now > deadline else set()
            why |= {"DeadlineTooFar"} if deadline > self.model.now + 7 * DAY else set()
            return frozenset(why) or self.model.rule(by, told, openings, for_insurer, shown=shown)

        self.say(
            Act("ruleBySig", sender, frozenset({told.id}), self._parties(told), f"{told!r} {for_insurer} by {signer}"),
            *("Appeals", "ruleBySig", settled, tuple(ruling.values().values()), self.stage.sign(ruling, signer)),
            reasons=reasons,
        )

    def lapse(self, dice: Random) -> None:
        told = self._claim(dice, lambda told: told.refutation[0] is Stand.OPEN)
        self._hesitate(dice, told.refutation[1] + told.scheme.terms.appeal_days * DAY)
        by, (settled, shown) = dice.choice(PEOPLE), self._shown(dice, told)
        self.say(
            Act("lapse", by, frozenset({told.id}), facts=repr(told)),
            *("Appeals", "lapse", settled),
            reasons=lambda: self.model.lapse(told, shown=shown),
        )

    # Money

    def deposit(self, dice: Random) -> None:
        scheme, amount = self._scheme(dice), dice.choice([50_000, 20_000, 1, 0])
        waiting = [told for told in self.model.claims.values() if told.missing is Missing.FUNDS]
        waiting = [told for told in waiting if told.status is Status.PENDED]
        if waiting and dice.randint(0, 3):
            # Just as much as a claim waits for, or a unit less.
            told = dice.choice(waiting)
            scheme, balance = told.scheme, self.model.money.balance[told.scheme.name]
            amount = max(self.model.decide(told, funds=0).decision.paid - balance - dice.choice([0, 1]), 0)
        by = self._of(dice, scheme.insurer, "friend")
        self.say(
            Act("deposit", by),
            *("Escrow", "deposit", scheme.id, amount),
            reasons=lambda: self.model.deposit(by, scheme, amount),
        )

    def drain(self, dice: Random) -> None:
        scheme = self._scheme(dice)
        by, balance = self._of(dice, scheme.insurer), self.model.money.balance[scheme.name]
        amount = dice.choice([balance, balance + 1, balance // 2, max(balance - 5_000, 0), 0])
        to = dice.choice(["bank", scheme.insurer])
        self.say(
            Act("drain", by),
            *("Escrow", "drain", scheme.id, amount, self.stage.address(to)),
            reasons=lambda: self.model.drain(by, scheme, amount, to),
        )

    def set_payout(self, dice: Random) -> None:
        member = dice.choice([1, 1, 2, 3])
        by, payee, push = self._of(dice, MEMBERS[member]), self._payee(dice, member), bool(dice.randint(0, 1))
        self.say(
            Act("setPayout", by),
            *("Escrow", "setPayout", member, self.stage.address(payee), push),
            reasons=lambda: self.model.set_payout(by, member, payee, push),
        )

    def _payee(self, dice: Random, member: int) -> str:
        return dice.choice([MEMBERS[member], MEMBERS[member], "bank", "friend", "hospital"])

    def answer_for(self, dice: Random) -> None:
        member = dice.choice([1, 2, 3])
        payee = self.model.money.payouts.get(member, Payout()).payee
        by, answers = self._of(dice, *([payee] if payee else [])), bool(dice.randint(0, 3))
        self.say(
            Act("answerFor", by),
            *("Escrow", "answerFor", member, answers),
            reasons=lambda: self.model.answer_for(by, member, answers),
        )

    def withdraw(self, dice: Random) -> None:
        by = self._of(dice, *(who for who, amount in self.model.money.credit.items() if amount))
        to = dice.choice([by, "bank"])
        self.say(
            Act("withdraw", by),
            *("Escrow", "withdraw", self.stage.coin.address, self.stage.address(to)),
            reasons=lambda: self.model.withdraw(by, to),
        )

    # Policies

    def pay_premium(self, dice: Random) -> None:
        scheme = self.model.schemes["golden" if dice.randint(0, 9) else "silver"]
        who, periods = self._of(dice, *PATIENTS["golden"]), dice.choice([1, 1, 1, 2, 12, 13, 0])
        self._pay_premium(self._of(dice, "friend", "patient"), scheme, who, periods)

    def _pay_premium(self, by: str, scheme: Scheme, who: str, periods: int) -> None:
        self.say(
            Act("payPremium", by),
            *("Policies", "payPremium", scheme.id, self.stage.address(who), periods),
            reasons=lambda: self.model.pay_premium(by, scheme, who, periods),
        )

    def reinstate(self, dice: Random) -> None:
        scheme = self.model.schemes["golden" if dice.randint(0, 9) else "silver"]
        grace, now = scheme.terms.grace_days * DAY, self.model.now
        lapsed = [
            who
            for (plan, who), policy in self.model.policies.items()
            if plan == scheme.name and policy.until + grace < now
        ]
        who, by = self._of(dice, *(lapsed or PATIENTS["golden"])), self._of(dice, UNDERWRITERS[scheme.name])
        self.say(
            Act("reinstate", by),
            *("Policies", "reinstate", scheme.id, self.stage.address(who)),
            reasons=lambda: self.model.reinstate(by, scheme, who),
        )

    def end_policy(self, dice: Random) -> None:
        scheme, who = self._scheme(dice), self._of(dice, *PATIENTS["silver"])
        by = (
            self._of(dice, "stranger", "friend")
            if dice.randint(0, 2)
            else self._of(dice, who, UNDERWRITERS[scheme.name])
        )
        self.say(
            Act("endPolicy", by),
            *("Policies", "endPolicy", scheme.id, self.stage.address(who)),
            reasons=lambda: self.model.end_policy(by, scheme, who),
        )

    # Authorizations

    def request(self, dice: Random) -> None:
        scheme, who = self._scheme(dice), dice.choice(list(PATIENTS["silver"]))
        by = self._of(dice, "doctor", "doctor", "colleague")
        needing = [row.service for row in scheme.rows.values() if row.authorization]
        service = dice.choice(needing if dice.randint(0, 9) else list(scheme.rows))
        units, member = dice.choice([1, 2, 2, 3]) if dice.randint(0, 20) else 0, self.model.standing(by, PROVIDERS)
        terms = (scheme.id, self.stage.address(who), service, units, digest(f"reasons {dice.randint(0, 3)}"))
        number = bytes(self.stage.ask("Authorizations", "idOf", terms, member))
        asked = Authorization(scheme, who, member, service, units)
        self.say(
            Act("request", by),
            *("Authorizations", "request", terms),
            reasons=lambda: self.model.request(by, number, asked),
        )

    def authorize(self, dice: Random) -> None:
        known = self.model.authorizations
        open_ = [number for number, asked in known.items() if asked.status is Stand.OPEN]
        if not known:
            raise Senseless
        number = dice.choice(open_ if open_ and dice.randint(0, 9) else list(known))
        asked = known[number]
        by = self._of(dice, *REVIEWERS[asked.scheme.name])
        if not dice.randint(0, 5):
            self.say(
                Act("refuse", by),
                *("Authorizations", "refuse", number, digest("why")),
                reasons=lambda: self.model.decline(by, number),
            )
            return
        units = asked.units if dice.randint(0, 3) else dice.choice([1, 0, asked.units + 1])
        amount = dice.choice([0, 30_000, 100_000])
        expiry = self.model.now + dice.choice([DAY, 30 * DAY, 90 * DAY] if dice.randint(0, 15) else [0])
        self.say(
            Act("approve", by),
            *("Authorizations", "approve", number, units, amount, expiry),
            reasons=lambda: self.model.authorize(by, number, units, amount, expiry),
        )

    # Episodes

    def open(self, dice: Random) -> None:
        scheme, who = self._scheme(dice), dice.choice(list(PATIENTS["silver"]))
        signer = dice.choice(["doctor", "doctor", "colleague"])
        provider = PROVIDING[signer]
        price = dice.choice([20_000, 15_000, 10**6])
        terms = Agreement(
            plan=scheme.id,
            pseudonym=self.stage.address(who),
            provider=provider,
            signer=self.stage.address(signer),
            assessor=3 - provider if dice.randint(0, 9) else dice.choice([0, provider, 3, scheme.terms.insurer]),
            price=price,
            withheld=dice.choice([5_000, 3_333, 0, price]) if dice.randint(0, 9) else price + 1,
            ends=self.model.now + dice.choice([5 * DAY, 30 * DAY]),
            document=self._new("agreement"),
            era=0,
            deadline=self.model.now + HOUR,
        )
        signers = (signer, who) if dice.randint(0, 12) else (dice.choice(PEOPLE), who)
        by, signatures = self._of(dice, UNDERWRITERS[scheme.name]), [self.stage.sign(terms, each) for each in signers]
        if provider in self.model.suspended:
            raise Senseless
        number = bytes(self.stage.ask("Episodes", "idOf", tuple(terms.values().values())))
        episode = Episode(terms, scheme, who, self.model.now + 1)
        self.say(
            Act("open", by),
            *("Episodes", "open", tuple(terms.values().values()), *signatures),
            reasons=lambda: self.model.open(by, number, episode, signed=signers == (signer, who)),
        )

    def _episode(self, dice: Random, likely: Callable[[Episode], object]) -> tuple[bytes, Episode]:
        known = self.model.episodes
        sensible = [number for number, episode in known.items() if likely(episode)]
        if not known or (not sensible and dice.randint(0, 5)):
            raise Senseless
        number = dice.choice(sensible if sensible and dice.randint(0, 9) else list(known))
        return number, known[number]

    def _written(self, dice: Random, episode: Episode, member: int) -> bytes:
        """What a member wrote under an episode's pseudonym since: mostly something new."""
        by = next((one for one, employer in PROVIDING.items() if employer == member), "doctor")
        known = [key[2] for key in self.model.records if key[:2] == (episode.who, member)]
        if (known and dice.randint(0, 2) == 0) or member in self.model.suspended:
            return dice.choice(known or [digest("nothing")])
        self.count += 1
        return self.anchor(dice, f"note {self.count}", episode.who, by)

    def deliver(self, dice: Random) -> None:
        number, episode = self._episode(dice, lambda episode: episode.status is Stand.OPEN)
        evidence = self._written(dice, episode, episode.terms.provider)
        by = self._staff(dice, episode.terms.provider)
        self.say(
            Act("deliver", by),
            *("Episodes", "deliver", number, evidence),
            reasons=lambda: self.model.deliver(by, number, evidence),
        )

    def assess(self, dice: Random) -> None:
        number, episode = self._episode(dice, lambda episode: episode.status is Stand.SECOND)
        observation = self._written(dice, episode, episode.terms.assessor)
        by = self._staff(dice, episode.terms.assessor)
        achieved = dice.choice([0, 3_333, 5_000, WHOLE]) if dice.randint(0, 15) else WHOLE + 1
        self.say(
            Act("assess", by),
            *("Episodes", "assess", number, observation, achieved),
            reasons=lambda: self.model.assess(by, number, observation, achieved),
        )

    def expire(self, dice: Random) -> None:
        number, episode = self._episode(dice, lambda episode: episode.status in (Stand.OPEN, Stand.SECOND))
        self._hesitate(dice, episode.terms.ends - 1)
        by = dice.choice(PEOPLE)
        self.say(Act("expire", by), *("Episodes", "expire", number), reasons=lambda: self.model.expire(number))


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with open_house(Stage) as house:
        house.found()
        yield house


def test_cover__over_random_lives__is_what_the_model_says(stage: Stage) -> None:
    # given
    class Fresh(Lives):
        pass

    Fresh.stage, Fresh.seen = stage, Counter()

    # when
    live(Fresh, steps=STEPS, life=LIFE, free=MANY > 1)

    # then: nearly every act was done, and in many steps every one.
    done = {name for name, answer in Fresh.seen if answer == "done"}
    assert len(ACTS - done) <= (0 if MANY > 1 else 4), ACTS - done

"""The properties of cover in docs/properties.md, held against what a chain says before an act and after it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from counting_house import DAY, NUMBERS, STAFF
from cover_model import DISMISSED, HAS_SECONDARY, UPHELD, Model, Stand, Status, key_of
from cover_stage import PATIENTS, PEOPLE, Sight
from random_lives import Event

from theriac.cover.messages import NONE, Claim
from theriac.cover.rules import NO_LIMIT, Outcome, Reason


@dataclass(frozen=True)
class Act:
    """What was said, and by whom: `claims` are those it is about, `parties` those whose money it may take."""

    name: str
    by: str
    claims: frozenset[bytes] = frozenset()
    parties: frozenset[str] = frozenset()
    facts: str = ""

    def __repr__(self) -> str:
        about = ", ".join(sorted(each.hex()[:6] for each in self.claims))
        return f"{self.name} by {self.by} of [{about}] {self.facts}"


PROVIDERS_ACTS = ("submit", "dispense", "coordinate", "resume", "reverse", "adjust", "receiveShare")
INSURERS_ACTS = ("review", "refute")
ANYONES_ACTS = ("payShare", "lapse", "consent", "ruleBySig")

MOVES = {
    ("submit", Status.NONE, Status.PENDED),
    ("submit", Status.NONE, Status.DECIDED),
    ("dispense", Status.NONE, Status.PENDED),
    ("dispense", Status.NONE, Status.DECIDED),
    ("coordinate", Status.NONE, Status.DECIDED),
    ("resume", Status.PENDED, Status.PENDED),
    ("resume", Status.PENDED, Status.DECIDED),
    ("review", Status.PENDED, Status.PENDED),
    ("review", Status.PENDED, Status.DECIDED),
    ("adjust", Status.NONE, Status.DECIDED),
    ("adjust", Status.PENDED, Status.REVERSED),
    ("adjust", Status.DECIDED, Status.REVERSED),
    ("reverse", Status.PENDED, Status.REVERSED),
    ("reverse", Status.DECIDED, Status.REVERSED),
    ("answer", Status.DECIDED, Status.DECIDED),
    ("refute", Status.DECIDED, Status.DISPUTED),
    ("rule", Status.DISPUTED, Status.DECIDED),
    ("rule", Status.DISPUTED, Status.REVERSED),
    ("ruleBySig", Status.DISPUTED, Status.DECIDED),
    ("ruleBySig", Status.DISPUTED, Status.REVERSED),
    ("lapse", Status.DISPUTED, Status.DECIDED),
    ("payShare", Status.DECIDED, Status.DECIDED),
    ("receiveShare", Status.DECIDED, Status.DECIDED),
}
"""By which acts a claim goes from where to where."""


@dataclass
class Kept:
    """What the chain told of a claim: its outcomes, and with whose money it was paid."""

    plan: str
    who: str
    claim: Claim
    keys: tuple[bytes, ...]
    limited: tuple[bool, ...]
    authorized: tuple[bool, ...]
    batch: bytes = NONE
    index: int = 0
    outcomes: tuple[Outcome, ...] = ()
    stands: bool = False
    is_rejected: bool = False

    def counted(self) -> Iterator[tuple[int, Outcome]]:
        return ((at, each) for at, each in enumerate(self.outcomes) if not each.is_denied)


@dataclass
class Disputes:
    """Of a provider under a plan: what was kept back for disputes, what became of it, and what it owes."""

    kept: int = 0
    released: int = 0
    returned: int = 0
    owed: int = 0


@dataclass
class Watch:
    """Holds the properties of docs/properties.md against what the chain shows and tells.

    It decides nothing: what it needs of the past it wrote down when the chain told it. Of the model it uses the clock,
    the plans and who is in standing.
    """

    model: Model
    kept: dict[bytes, Kept] = field(default_factory=dict)
    concluded: dict[tuple[str, int], Disputes] = field(default_factory=dict)
    held: Counter[str] = field(default_factory=Counter)
    waived: set[tuple[Any, ...]] = field(default_factory=set)

    def of(self, plan: bytes) -> str:
        return next(name for name, scheme in self.model.schemes.items() if scheme.id == plan)

    def note(self, claim: Claim, who: str, *, batch: bytes = NONE, index: int = 0) -> None:
        """Somebody is about to submit a claim."""
        scheme = next(scheme for scheme in self.model.schemes.values() if scheme.id == claim.plan)
        rows = [scheme.rows[line.service] for line in claim.lines]
        flags = (tuple(bool(row.yearly_units) for row in rows), tuple(row.authorization for row in rows))
        keys = tuple(key_of(row) for row in rows)
        self.kept.setdefault(claim.id, Kept(scheme.name, who, claim, keys, *flags, batch, index))

    # -- after each act ----------------------------------------------------------------------------------------------

    def done(self, act: Act, before: Sight, after: Sight, told: list[Event]) -> None:
        """The act was done: what it may have changed, and what not."""
        self._write_down(told, before, after)
        self._who(act, before)
        self._claims(act, before, after, told)
        self._money(act, before, after, told)
        self._accounts(before, after, told)
        self._episodes(before, after, told)
        self._always(after)

    def refused(self, before: Sight, after: Sight, told: list[Event]) -> None:
        # property C20
        assert told == []
        assert after == before

    def waited(self, before: Sight, after: Sight) -> None:
        # property C20
        assert after == before

    def _write_down(self, told: list[Event], before: Sight, after: Sight) -> None:
        for event in told:
            facts = event.facts
            if event.name == "Assessed" and "outcomes" in facts:
                outcomes = tuple(Outcome(Reason(reasons), *amounts) for reasons, *amounts in facts["outcomes"])
                kept = self.kept[facts["claim"]]
                kept.outcomes, kept.stands = outcomes, True
                self._assessed(kept)
            elif event.name == "Unused":
                self.kept[facts["claim"]].stands = False
            elif event.name == "Ruled":
                self.kept[facts["claim"]].is_rejected = facts["forInsurer"]

    def _assessed(self, kept: Kept) -> None:
        for line, outcome in zip(kept.claim.lines, kept.outcomes, strict=True):
            # property C4
            assert 0 <= outcome.paid <= outcome.allowed <= line.charged
            parts = outcome.deductible + outcome.copay + outcome.coinsurance + outcome.over + outcome.paid
            assert parts == outcome.allowed
            assert not outcome.is_denied or not outcome.allowed

    # -- who ---------------------------------------------------------------------------------------------------------

    def _who(self, act: Act, before: Sight) -> None:
        """The act was its actor's to do."""
        member = NUMBERS.get(STAFF[act.by][0] if act.by in STAFF else act.by, 0)
        for id_ in act.claims:
            kept = self.kept[id_]
            terms = self.model.schemes[kept.plan].terms
            # property C10
            if act.name in PROVIDERS_ACTS:
                assert member == kept.claim.provider
            elif act.name in INSURERS_ACTS:
                assert member == terms.insurer
            elif act.name == "appeal":
                assert act.by == kept.who or member == kept.claim.provider
            elif act.name == "rule":
                assert member == terms.arbiter
            elif act.name == "answer":
                status, time = before["appeal", id_]
                in_time = self.model.now <= time + terms.appeal_days * DAY
                assert in_time or status == Stand.OPEN
                assert member == (terms.insurer if in_time and status == Stand.OPEN else terms.arbiter)
                assert status in (Stand.OPEN, DISMISSED)
            else:
                assert act.name in ANYONES_ACTS, act.name
            # property C11
            assert member not in self.model.suspended or act.name in ANYONES_ACTS or act.name == "appeal"

    # -- claims ------------------------------------------------------------------------------------------------------

    def _claims(self, act: Act, before: Sight, after: Sight, told: list[Event]) -> None:
        decided = {event.facts["claim"] for event in told if event.name == "Decided"}
        for key, state in after.items():
            if key[0] != "claim":
                continue
            id_, was = key[1], before.get(key, (0,) * 9)
            if state == was and id_ not in decided:
                continue
            # property C9
            if id_ not in act.claims:
                self._beside(act, id_, was, state)
                continue
            move = (act.name, Status(was[0]), Status(state[0]))
            assert move in MOVES, move
            # property C12
            provider, time = state[3], state[4]
            assert was[0] == Status.NONE or (provider, time) == (was[3], was[4])
            assert (id_ in decided) == (move[2] is Status.DECIDED and act.name not in _KEEPING)
            if act.name in _KEEPING:
                # property C9
                assert (state[5], state[6], state[8]) == (was[5], was[6], was[8]) or move[2] is Status.REVERSED
            if act.name == "answer":
                kept = self.kept[id_]
                self.waived |= {(kept.plan, kept.who, line.service) for line in kept.claim.lines}
                # property C13
                assert state[6] > was[6]
            if state[0] in (Status.PENDED, Status.REVERSED):
                # property C7
                assert state[6:8] == (0, 0)
                assert not self.kept[id_].stands
            else:
                assert self.kept[id_].stands

    def _beside(self, act: Act, id_: bytes, was: tuple[int, ...], state: tuple[int, ...]) -> None:
        """A first payer's claim, on which a later one was decided: of it only the share and the mark change."""
        # property C14
        after = [self.kept[other] for other in act.claims if self.kept[other].claim.primary == id_]
        assert after, f"{act} changed another claim"
        assert (*state[:2], *state[3:7], state[8]) == (*was[:2], *was[3:7], was[8])
        assert state[2] | HAS_SECONDARY == was[2] | HAS_SECONDARY

    # -- money -------------------------------------------------------------------------------------------------------

    def _money(self, act: Act, before: Sight, after: Sight, told: list[Event]) -> None:
        paid = [event.facts for event in told if event.name == "Paid"]
        for plan, scheme in self.model.schemes.items():
            out = 0
            for facts in paid:
                out += facts["amount"] - facts["repaid"] if facts["plan"] == scheme.id else 0
            for event in told:
                if event.facts.get("plan") != scheme.id:
                    continue
                if event.name in ("Drained", "Held"):
                    out += event.facts["amount"]
                elif event.name in ("Deposited", "TakenBack"):
                    out -= event.facts["amount"]
                elif event.name == "Released":
                    # What was held leaves the plan's money only once.
                    out -= event.facts["amount"]
                elif event.name == "Concluded":
                    out -= event.facts["returned"]
            # property C2
            assert before["balance", plan][0] - after["balance", plan][0] == out
            for event in told:
                if event.name == "Paid" and not any(each.name == "Released" for each in told):
                    # property C2
                    assert act.name in ("submit", "dispense", "coordinate", "resume", "review", "adjust", "answer")
        for who in PEOPLE:
            fell = before["coins", who][0] + before["credit", who][0] > after["coins", who][0] + after["credit", who][0]
            # property C3
            assert not fell or who == act.by or who in act.parties, f"{act} took money from {who}"

    def _accounts(self, before: Sight, after: Sight, told: list[Event]) -> None:
        for event in told:
            facts = event.facts
            if event.name in ("Paid", "Disputed", "Concluded"):
                place = (self.of(facts["plan"]), facts["member"])
                book = self.concluded.setdefault(place, Disputes())
                if event.name == "Disputed":
                    book.kept += facts["withheld"]
                elif event.name == "Concluded":
                    book.released += facts["released"]
                    book.returned += facts["returned"]
                    is_insurers = any(each.name == "Ruled" and each.facts["forInsurer"] for each in told)
                    book.owed += facts["owed"] if is_insurers else -facts["returned"]
                else:
                    book.owed -= facts["repaid"]
                    book.kept += facts["withheld"]
        for key, (received, disputed, withheld, owed) in after.items_of("account"):
            # property C15
            assert withheld <= disputed <= received
            book = self.concluded.get(key, Disputes())
            # property C16
            open_ = sum(after["claim", id_][6] for id_ in self._disputed(after, *key))
            assert disputed == open_
            assert owed == book.owed
            assert withheld == book.kept - book.released - book.returned

    def _disputed(self, after: Sight, plan: str, member: int) -> Iterator[bytes]:
        for id_, kept in self.kept.items():
            state = after.get(("claim", id_))
            if state and state[0] == Status.DISPUTED and (kept.plan, kept.claim.provider) == (plan, member):
                yield id_

    def _episodes(self, before: Sight, after: Sight, told: list[Event]) -> None:
        for event in told:
            plan = event.facts.get("plan")
            if event.name == "Held":
                self.held[self.of(plan)] += event.facts["amount"]
            elif event.name == "Released":
                self.held[self.of(plan)] -= event.facts["amount"]
        for plan in self.model.schemes:
            # property C19
            open_ = 0
            for key, (status, *_, price, withheld, _pseudonym, plan_) in after.items_of("episode"):
                if plan_ == int.from_bytes(self.model.schemes[plan].id, "big"):
                    open_ += {1: price, 2: withheld}.get(status, 0)
                was = before.get(("episode", *key), (0,))[0]
                assert (was, status) in {(0, 1), (1, 2), (2, 3), (1, 4), (2, 4)} or was == status
            assert after["held", plan][0] == self.held[plan] == open_

    # -- always ------------------------------------------------------------------------------------------------------

    def _always(self, after: Sight) -> None:
        # property C1
        owed = sum(value[0] for _, value in after.items_of("balance")) + sum(
            value[0] for _, value in after.items_of("held")
        )
        owed += sum(value[2] for _, value in after.items_of("account"))
        owed += sum(value[0] for _, value in after.items_of("credit"))
        assert after["coins", "escrow"][0] == owed
        for plan, scheme in self.model.schemes.items():
            for who in PATIENTS[plan]:
                self._used(after, plan, who, scheme.limits)
        self._once(after)
        self._shares(after)

    def _used(self, after: Sight, plan: str, who: str, limits: Any) -> None:
        deductible, pocket, paid, lifetime, of_family, familys_pocket, familys_paid, none = after["used", plan, who]
        bounds = (
            (deductible, limits.deductible),
            (pocket, limits.out_of_pocket),
            (paid, limits.annual),
            (lifetime, limits.lifetime),
            (of_family, limits.family_deductible),
            (familys_pocket, limits.family_out_of_pocket),
            (familys_paid, limits.family_annual),
            (none, 0),
        )
        for used, limit in bounds:
            # property C5
            assert used <= limit or limit == NO_LIMIT

        family, earlier = PATIENTS[plan][who]
        own, all_ = self._sum(plan, {who}), (0, 0, 0)
        if family:
            all_ = self._sum(plan, {other for other, (number, _) in PATIENTS[plan].items() if number == family})
        # property C6
        assert (deductible, pocket, paid) == own
        assert lifetime == earlier + own[2]
        assert (of_family, familys_pocket, familys_paid) == all_

    def _sum(self, plan: str, whose: set[str]) -> tuple[int, int, int]:
        deductible = pocket = paid = 0
        for kept in self.kept.values():
            if kept.stands and kept.plan == plan and kept.who in whose:
                for _, outcome in kept.counted():
                    deductible += outcome.deductible
                    pocket += outcome.borne
                    paid += outcome.paid
        return deductible, pocket, paid

    def _once(self, after: Sight) -> None:
        """Nothing is paid twice at a time, and what was used is what the claims that stand use."""
        days: Counter[tuple[Any, ...]] = Counter()
        first: Counter[tuple[Any, ...]] = Counter()
        packs: Counter[tuple[Any, ...]] = Counter()
        used: Counter[bytes] = Counter()
        units: Counter[tuple[Any, ...]] = Counter()
        for id_, kept in self.kept.items():
            is_first = kept.claim.primary == NONE
            if kept.batch == NONE and (kept.stands or kept.is_rejected) and any(kept.counted()):
                first[kept.who, kept.claim.evidence, "" if is_first else kept.plan] += 1
            if not kept.stands or not any(kept.counted()):
                continue
            if kept.batch != NONE and is_first:
                packs[kept.batch, kept.index] += 1
            for at, _ in kept.counted():
                line = kept.claim.lines[at]
                if kept.batch == NONE:
                    days[kept.plan, kept.who, kept.keys[at], line.day] += 1
                if kept.limited[at]:
                    units[kept.plan, kept.who, line.service] += line.units
            named = {line.authorization for line in kept.claim.lines}
            own = int.from_bytes(id_, "big")
            used.update(number for number in named if after.get(("used by", number)) == (own,))
        # property C8
        for counted in (days, first, packs, used):
            assert not counted or max(counted.values()) == 1, counted
        for (plan, who, key, word), (bits,) in after.items_of("days"):
            taken = {day for day in range(256 * word, 256 * word + 256) if bits >> (day & 255) & 1}
            # property C6
            assert taken == {day for (*place, day) in days if place == [plan, who, key] and day >> 8 == word}
        for place, (count,) in after.items_of("units"):
            # property C6
            assert count == units[place]
            row = self.model.schemes[place[0]].rows[place[2]]
            # property C8
            assert count <= row.yearly_units or place in self.waived
        for (number,), (by,) in after.items_of("used by"):
            # property C6
            assert bool(by) == bool(used[number])

    def _shares(self, after: Sight) -> None:
        """What is owed, was paid and was received of a share is what the outcomes say, and no more."""
        for id_, kept in self.kept.items():
            state = after.get(("claim", id_))
            if state is None:
                continue
            share = sum(outcome.allowed - outcome.paid for _, outcome in kept.counted()) if kept.stands else 0
            paid, is_over = after["share", kept.plan, id_][0], after["refutation", id_][0] == UPHELD
            # property C18
            assert state[7] + paid <= share or kept.claim.primary != NONE or is_over
            assert state[7] == 0 or (kept.claim.primary == NONE and kept.stands)
            # property C17
            assert state[6] == (sum(outcome.paid for outcome in kept.outcomes) if kept.stands else 0)


_KEEPING = ("payShare", "receiveShare", "refute", "rule", "ruleBySig", "lapse")
"""The acts that decide nothing anew."""

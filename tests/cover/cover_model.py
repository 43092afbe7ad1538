"""What plans, claims, appeals and the escrow must do, as a plain model.

Written from the sentences of the interfaces. Where the contracts keep sums, bits and flags of what was used, this model
keeps every claim and looks the answer up among those that stand: what a reversal gives back is by that what the claim
had used. What a claim comes to it asks `theriac.cover.rules`.

An act answers with the names of all the rules that forbid it; where there is none, it was done.
"""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum

from counting_house import DAY, FIRST, GOODS, LAST, LICENCES, NUMBERS, STAFF, TIERS, Benefit, Plan, Schedule, Settled
from eth_abi import encode
from eth_utils import keccak

from theriac.consortium import Role
from theriac.cover import rules
from theriac.cover.messages import MOST_CHARGED, MOST_LINES, NONE, Agreement, Claim, Line, evidence_of
from theriac.cover.rules import NO_LIMIT, NO_REASON, Decision, Item, Kind, Limits, Reason, Used

Reasons = frozenset[str]
DONE: Reasons = frozenset()

PROVIDERS = Role.CLINICIAN | Role.PHARMACIST | Role.LABORATORY
ARBITERS = Role.AUDITOR | Role.REGULATOR
RULING_WINDOW = 7 * DAY
UNDO_DAYS = 10
WHOLE = 10_000

HAS_SECONDARY, IS_GOODS, AGREED, REFUSED = 1, 2, 4, 8
"""The marks of a claim."""

ROW = "(bytes32,bytes32,uint8,uint64,uint64,uint16,bool,bool,bool,uint16,uint16,uint16,uint8)[]"
OUTCOME = "(uint32,uint64,uint64,uint64,uint64,uint64,uint64)[]"


class Status(IntEnum):
    """Where a claim stands."""

    NONE = 0
    PENDED = 1
    DECIDED = 2
    DISPUTED = 3
    REVERSED = 4


class Missing(IntEnum):
    """What a claim waits for."""

    NOTHING = 0
    EVIDENCE = 1
    REVIEW = 2
    FUNDS = 3


class Stand(IntEnum):
    """Where an appeal, a refutation, a request or an episode stands; each kind has its own words for the numbers."""

    NONE = 0
    OPEN = 1
    SECOND = 2
    THIRD = 3
    FOURTH = 4


DISMISSED, GRANTED, CLOSED = Stand.SECOND, Stand.THIRD, Stand.FOURTH
UPHELD, REJECTED = Stand.SECOND, Stand.THIRD
APPROVED, DECLINED = Stand.THIRD, Stand.FOURTH
DELIVERED, SETTLED, EXPIRED = Stand.SECOND, Stand.THIRD, Stand.FOURTH


@dataclass
class Scheme:
    """A plan with its rows."""

    name: str
    terms: Plan
    insurer: str
    rows: dict[bytes, Benefit]
    schedule: Schedule
    limits: Limits = field(init=False)

    def __post_init__(self) -> None:
        self.limits = Limits(*self.terms.limits)

    @property
    def id(self) -> bytes:
        return self.terms.id


@dataclass
class Policy:
    since: int
    until: int
    ends: int
    family: int = 0
    lifetime: int = 0
    ended: bool = False
    former: tuple[int, int] = (0, 0)

    def at(self, moment: int) -> tuple[int, int]:
        """The seconds that are covered, [since, until), around a moment: those before it was taken up again, too."""
        if moment < self.since and moment < self.former[1]:
            return self.former
        return self.since, self.until


@dataclass
class Account:
    """A provider's account with a plan."""

    received: int = 0
    disputed: int = 0
    withheld: int = 0
    owed: int = 0


@dataclass(frozen=True)
class Payout:
    payee: str = ""
    push: bool = False
    answers: bool = False


@dataclass(eq=False, repr=False)
class Told:
    """A claim that was submitted, and what became of it."""

    claim: Claim
    scheme: Scheme
    who: str
    benefits: tuple[Benefit, ...]
    time: int
    batch: bytes = NONE
    index: int = 0
    status: Status = Status.NONE
    missing: Missing = Missing.NOTHING
    marks: int = 0
    decided: int = 0
    paid: int = 0
    share: int = 0
    decision: Decision | None = None
    authorizations: frozenset[bytes] = frozenset()
    reviewer: str = ""
    received: int = 0
    payments: list[tuple[str, int]] = field(default_factory=list)
    appeal: tuple[Stand, int] = (Stand.NONE, 0)
    refutation: tuple[Stand, int, bytes] = (Stand.NONE, 0, NONE)
    facts: bytes = NONE

    def __repr__(self) -> str:
        lines = ", ".join(f"{line.service[:2].hex()} x{line.units} on {line.day}" for line in self.claim.lines)
        head = f"{self.status.name} claim {self.id.hex()[:6]} of {self.claim.provider} under {self.scheme.name}"
        return f"{head} for {self.who}: {lines}"

    @property
    def id(self) -> bytes:
        return self.claim.id

    @property
    def is_goods(self) -> bool:
        return bool(self.marks & IS_GOODS)

    @property
    def stands(self) -> bool:
        return self.status in (Status.DECIDED, Status.DISPUTED)

    @property
    def shown(self) -> Settled:
        """As it is shown to the contracts; of one that is pended nothing was decided."""
        if self.decision is None:
            return Settled(self.claim, (), (), self.batch, self.index)
        outcomes = tuple(outcome.as_tuple() for outcome in self.decision.outcomes)
        return Settled(self.claim, self.benefits, outcomes, self.batch, self.index)

    @property
    def outcomes(self) -> tuple[rules.Outcome, ...]:
        return () if self.decision is None else self.decision.outcomes

    def counted(self) -> Iterator[tuple[Line, Benefit, rules.Outcome]]:
        """The lines that use something: those of a claim that stands which were not denied."""
        if not self.stands:
            return
        for line, benefit, outcome in zip(self.claim.lines, self.benefits, self.outcomes, strict=True):
            if not outcome.is_denied:
                yield line, benefit, outcome

    def hashed(self) -> bytes:
        decided = NONE
        if self.decision is not None:
            told = [outcome.as_tuple() for outcome in self.decision.outcomes]
            decided = keccak(encode([ROW, OUTCOME], [[row.tuple for row in self.benefits], told]))
        kinds = ["bytes32", "bytes32", "uint32", "bytes32"]
        return keccak(encode(kinds, [self.claim.content, self.batch, self.index, decided]))


@dataclass
class Authorization:
    scheme: Scheme
    who: str
    provider: int
    service: bytes
    units: int
    amount: int = 0
    expiry: int = 0
    status: Stand = Stand.OPEN


@dataclass
class Episode:
    terms: Agreement
    scheme: Scheme
    who: str
    opened: int
    status: Stand = Stand.OPEN
    released: int = 0
    returned: int = 0

    @property
    def held(self) -> int:
        return self.terms.price - self.released - self.returned


@dataclass
class Money:
    """Who has what, in coins, in credit and in the escrow. An act on it answers with why it cannot be."""

    coins: dict[str, int]
    approve: frozenset[str]
    balance: dict[str, int]
    credit: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    accounts: dict[tuple[str, int], Account] = field(default_factory=dict)
    payouts: dict[int, Payout] = field(default_factory=dict)

    def copied(self) -> "Money":
        other = Money(**{each.name: copy(getattr(self, each.name)) for each in fields(self)})
        other.accounts = {key: copy(account) for key, account in self.accounts.items()}
        return other

    def account(self, plan: str, member: int) -> Account:
        return self.accounts.setdefault((plan, member), Account())

    def collect(self, who: str, amount: int) -> Iterator[str]:
        """Coins go into the escrow."""
        if amount and who not in self.approve:
            yield "ERC20InsufficientAllowance"
        elif self.coins[who] < amount:
            yield "ERC20InsufficientBalance"
        self.coins[who] -= amount

    def send(self, member: int, amount: int) -> None:
        payout = self.payouts.get(member, Payout())
        payee = payout.payee or MEMBERS[member]
        purse = self.coins if payout.push else self.credit
        purse[payee] = purse.get(payee, 0) + amount

    def from_credit(self, member: int, most: int) -> int:
        answerer = self.answerer(member)
        taken = min(self.credit.get(answerer, 0), most)
        self.credit[answerer] = self.credit.get(answerer, 0) - taken
        return taken

    def answerer(self, member: int) -> str:
        payout = self.payouts.get(member, Payout())
        return payout.payee if payout.answers and payout.payee else MEMBERS[member]

    def spend(self, plan: str, amount: int) -> Iterator[str]:
        if amount > self.balance[plan]:
            yield "EscrowShort"
        self.balance[plan] -= amount

    def pay(self, plan: str, member: int, amount: int, *, spent: bool = True) -> None:
        account = self.account(plan, member)
        repaid = min(amount, account.owed)
        kept = min(account.disputed - account.withheld, amount - repaid)
        account.received += amount
        account.owed -= repaid
        account.withheld += kept
        self.balance[plan] += repaid - (amount if spent else 0)
        self.send(member, amount - repaid - kept)

    def give_back(self, plan: str, member: int, amount: int) -> Iterator[str]:
        account = self.account(plan, member)
        if amount > account.received - account.disputed:
            yield "NotReceived"
        account.received -= amount
        taken = self.from_credit(member, amount)
        if taken < amount and not self.payouts.get(member, Payout()).answers:
            yield "NobodyAnswers"
        else:
            yield from self.collect(self.answerer(member), amount - taken)

    def refund(self, told: Told) -> Iterator[str]:
        for payer, amount in told.payments:
            self.credit[payer] = self.credit.get(payer, 0) + amount
            yield from self.give_back(told.scheme.name, told.claim.provider, amount)

    def dispute(self, plan: str, member: int, amount: int) -> Iterator[str]:
        account = self.account(plan, member)
        if amount > account.received - account.disputed:
            yield "NotReceived"
        account.disputed += amount
        account.withheld += self.from_credit(member, account.disputed - account.withheld)

    def conclude(self, plan: str, member: int, amount: int, *, for_insurer: bool) -> None:
        account = self.account(plan, member)
        account.disputed -= amount
        free = max(account.withheld - account.disputed, 0)
        account.withheld -= free
        if for_insurer:
            account.received -= amount
            account.owed += amount - free
            self.balance[plan] += free
        else:
            repaid = min(free, account.owed)
            account.owed -= repaid
            self.balance[plan] += repaid
            self.send(member, free - repaid)


MEMBERS = {number: name for name, number in NUMBERS.items()}


@dataclass
class Verdict:
    missing: Missing
    decision: Decision
    authorizations: frozenset[bytes]


@dataclass
class Model:
    """What can be said about cover, and what must come of it. `now` is the second in which it is said."""

    now: int
    schemes: dict[str, Scheme]
    policies: dict[tuple[str, str], Policy]
    money: Money
    pharmacy_lines: dict[bytes, list["Filling"]]
    claims: dict[bytes, Told] = field(default_factory=dict)
    records: dict[tuple[str, int, bytes], tuple[int, bool]] = field(default_factory=dict)
    authorizations: dict[bytes, Authorization] = field(default_factory=dict)
    episodes: dict[bytes, Episode] = field(default_factory=dict)
    delivered: set[tuple[str, int, bytes]] = field(default_factory=set)
    packs: dict[int, int] = field(default_factory=dict)
    consents: set[bytes] = field(default_factory=set)
    suspended: set[int] = field(default_factory=set)

    # Who may

    def standing(self, who: str, roles: Role) -> int:
        """For which member somebody holds one of the roles; zero for none."""
        member, own = (who, LICENCES[who]) if who in LICENCES else STAFF.get(who, ("", Role(0)))
        if not member or NUMBERS[member] in self.suspended:
            return 0
        return NUMBERS[member] if own & LICENCES[member] & roles else 0

    def _provider(self, who: str, provider: int, roles: Role = PROVIDERS) -> Iterator[str]:
        member = self.standing(who, roles)
        if not member:
            yield "NoStanding"
        elif member != provider:
            yield "NotTheProvider"

    def _insurer(self, who: str, scheme: Scheme, error: str) -> Iterator[str]:
        member = self.standing(who, Role.INSURER)
        if not member:
            yield "NoStanding"
        elif member != scheme.terms.insurer:
            yield error

    # What is used

    def standing_claims(self, plan: str, who: str, *, without: Told | None = None) -> Iterator[Told]:
        for told in self.claims.values():
            if told.scheme.name == plan and told.who == who and told is not without:
                yield told

    def used(self, plan: str, who: str, *, without: Told | None = None) -> tuple[Used, Used]:
        """What was used of a person's limits and of the family's: what the claims that stand say."""
        policy = self.policies[plan, who]
        person, family = Used(lifetime=policy.lifetime), Used()
        for told in self.standing_claims(plan, who, without=without):
            for *_, outcome in told.counted():
                person = person.after(outcome)
        if policy.family:
            for other, terms in self.policies.items():
                if other[0] == plan and terms.family == policy.family:
                    for told in self.standing_claims(*other, without=without):
                        for *_, outcome in told.counted():
                            family = family.after(outcome)
        return person, replace(family, lifetime=0)

    def units(self, plan: str, who: str, service: bytes, *, without: Told | None = None) -> int:
        standing = self.standing_claims(plan, who, without=without)
        lines = (line for told in standing for line, benefit, _ in told.counted() if benefit.yearly_units)
        return sum(line.units for line in lines if line.service == service)

    def days(self, plan: str, who: str, key: bytes, *, without: Told | None = None) -> set[int]:
        standing = self.standing_claims(plan, who, without=without)
        taken = ((line, benefit) for told in standing if not told.is_goods for line, benefit, _ in told.counted())
        return {line.day for line, benefit in taken if key_of(benefit) == key}

    def is_claimed(
        self, plan: str, who: str, evidence: bytes, *, first: bool = True, without: Told | None = None
    ) -> bool:
        """Whether some evidence was paid for, or rejected: by any first payer, or by this plan after another."""
        for told in self.claims.values():
            if told is without or told.is_goods or told.who != who or told.claim.evidence != evidence:
                continue
            is_first = told.claim.primary == NONE
            counts = (is_first and first) or (not is_first and told.scheme.name == plan)
            is_rejected = told.refutation[0] is UPHELD
            if counts and (told.stands or is_rejected) and any(not each.is_denied for each in told.outcomes):
                return True
        return False

    def used_by(self, authorization: bytes, *, without: Told | None = None) -> bytes:
        for told in self.claims.values():
            if told is not without and told.stands and authorization in told.authorizations:
                return told.id
        return NONE

    # How a claim is decided

    def decide(
        self,
        told: Told,
        *,
        funds: int,
        most: int = NO_LIMIT,
        waived: Sequence[int] = (),
        without: Told | None = None,
    ) -> Verdict:
        plan, who, claim = told.scheme.name, told.who, told.claim
        evident = self.evident(told)
        items = [self._item(told, at, waived, without) for at in range(len(claim.lines))]
        person, family = self.used(plan, who, without=without)
        decision = rules.decide(told.scheme.limits, person, family, items, most)
        open_ = [
            item.benefit.review and not outcome.is_denied
            for item, outcome in zip(items, decision.outcomes, strict=True)
        ]
        used = frozenset(
            item.authorization
            for item, outcome in zip(items, decision.outcomes, strict=True)
            if item.authorized_units and not outcome.is_denied
        )
        missing = Missing.NOTHING
        if not told.is_goods and not evident:
            missing = Missing.EVIDENCE
        elif any(open_) and not told.marks & AGREED:
            missing = Missing.REVIEW
        elif decision.paid > funds:
            missing = Missing.FUNDS
        return Verdict(missing, decision, used)

    def evident(self, told: Told) -> int:
        time, is_current = self.records.get((told.who, told.claim.provider, told.claim.evidence), (0, False))
        return time if is_current else 0

    def _item(self, told: Told, at: int, waived: Sequence[int], without: Told | None) -> Item:
        plan, who, claim = told.scheme.name, told.who, told.claim
        line, benefit = claim.lines[at], told.benefits[at]
        policy = self.policies[plan, who]
        found, waited = self._common(told, without), 0
        if told.is_goods:
            waited = max(told.time - policy.at(told.time)[0], 0) // DAY
        else:
            if line.day < FIRST:
                found |= Reason.BEFORE_COVER
            else:
                waited = line.day - FIRST
            if line.day > LAST:
                found |= Reason.AFTER_COVER
            if line.day in self.days(plan, who, key_of(benefit), without=without):
                found |= Reason.DUPLICATE if benefit.bundle == NONE else Reason.BUNDLED
        if told.is_goods != (benefit.kind == GOODS):
            found |= Reason.NOT_COVERED
        if told.is_goods != (benefit.kind == Kind.GOODS):
            found |= Reason.NOT_COVERED
        if benefit.review and told.marks & REFUSED:
            found |= Reason.REVIEWED
        units, amount = self._allowance(told, line, benefit, without)
        return Item(
            benefit=rule_of(benefit),
            day=line.day,
            units=line.units,
            charged=line.charged,
            waited=waited,
            tier=TIERS.get(MEMBERS[claim.provider], 1) if any(row.grade for row in told.benefits) else 0,
            used_units=self.units(plan, who, line.service, without=without),
            authorization=line.authorization,
            authorized_units=units,
            authorized_amount=amount,
            found=found,
            waived=Reason(waived[at]) if waived else NO_REASON,
        )

    def _allowance(self, told: Told, line: Line, benefit: Benefit, without: Told | None) -> tuple[int, int]:
        found = self.authorizations.get(line.authorization)
        if found is None or not benefit.authorization or self.used_by(line.authorization, without=without) != NONE:
            return 0, 0
        subject = (found.scheme.name, found.who, found.provider, found.service)
        counts = found.status is APPROVED and told.time < found.expiry
        if not counts or subject != (told.scheme.name, told.who, told.claim.provider, line.service):
            return 0, 0
        return found.units, found.amount

    def _common(self, told: Told, without: Told | None) -> Reason:
        policy, found = self.policies[told.scheme.name, told.who], NO_REASON
        evident, filing = self.evident(told), told.scheme.terms.filing_days * DAY
        since, until = policy.at(told.time if told.is_goods else evident)
        if told.is_goods:
            if told.time < since:
                found |= Reason.BEFORE_COVER
            if told.time >= until:
                found |= Reason.AFTER_COVER
            return found
        ran_its_course = until == policy.ends and not policy.ended
        if evident < since:
            found |= Reason.BEFORE_COVER
        if evident >= until + (filing if ran_its_course else 0):
            found |= Reason.AFTER_COVER
        if told.time > evident + filing:
            found |= Reason.LATE
        first = told.claim.primary == NONE
        if self.is_claimed(told.scheme.name, told.who, told.claim.evidence, first=first, without=without):
            found |= Reason.DUPLICATE
        return found

    # Claims

    def consent(self, who: str, claim: Claim, patient: str) -> Reasons:
        if who != patient:
            return frozenset({"NoConsent"})
        self.consents.add(claim.id)
        return DONE

    def _begin(self, by: str, told: Told, signer: str | None, roles: Role = PROVIDERS) -> Iterator[str]:
        claim = told.claim
        yield from self._provider(by, claim.provider, roles)
        is_right = 0 < len(claim.lines) <= MOST_LINES
        if not is_right or any(not line.units or not 0 < line.charged < MOST_CHARGED for line in claim.lines):
            yield "WrongLines"
        if claim.id in self.claims:
            yield "WrongStatus"
        if self.now > claim.deadline:
            yield "ConsentExpired"
        if signer != told.who and not (signer is None and claim.id in self.consents):
            yield "NoConsent"
        if (told.scheme.name, told.who) not in self.policies:
            yield "NoSuchPolicy"

    def submit(self, by: str, told: Told, least: int, signer: str | None, *, rows: bool = True) -> Reasons:
        told.time = self.now
        why = set(self._begin(by, told, signer))
        if told.claim.primary != NONE:
            why.add("WrongPrimary")
        return self._first(told, least, why, rows=rows)

    def dispense(
        self, by: str, told: Told, least: int, signer: str | None, *, giving: "Giving", rows: bool = True
    ) -> Reasons:
        told.time, told.marks = self.now, IS_GOODS
        told.batch, told.index = giving.batch, giving.index
        why = set(self._begin(by, told, signer, Role.PHARMACIST))
        line = told.claim.lines[0]
        if told.claim.primary != NONE:
            why.add("WrongPrimary")
        if len(told.claim.lines) != 1 or line.day or line.units != giving.units:
            why.add("WrongLines")
        if told.claim.evidence != evidence_of(giving.prescription, 0):
            why.add("WrongEvidence")
        if NUMBERS["hospital"] in self.suspended:
            why.add("PrescriberNotInStanding")
        if giving.index in self.packs:
            why.add("WrongStatus")
        fillings = self.pharmacy_lines[giving.prescription]
        if giving.units > giving.due - sum(each.units for each in fillings):
            why.add("TooMany")
        if not giving.is_word or giving.nonce != giving.next_nonce:
            why |= {"WrongSignature", "WrongNonce"}
        answer = self._first(told, least, why, rows=rows)
        if not answer:
            self.packs[giving.index] = self.now
            fillings.append(Filling(giving.units, self.now))
        return answer

    def coordinate(
        self, by: str, told: Told, first: Told, least: int, signer: str | None, *, shown: bool, rows: bool = True
    ) -> Reasons:
        told.time, told.marks = first.time, first.marks & IS_GOODS
        told.batch, told.index = first.batch, first.index
        why = set(self._begin(by, told, signer))
        claim, other = told.claim, first.claim
        why |= self._not_shown(first, Status.DECIDED, shown)
        is_same = (told.who, claim.provider, claim.evidence) == (first.who, other.provider, other.evidence)
        is_same = is_same and [(each.units, each.charged) for each in claim.lines] == [
            (each.units, each.charged) for each in other.lines
        ]
        is_open = not first.marks & HAS_SECONDARY and first.share and other.primary == NONE
        if not is_same or not is_open or first.scheme is told.scheme or claim.primary != first.id:
            why.add("WrongPrimary")
        if why:
            return frozenset(why | ({"WrongRow", "LengthsDiffer"} if not rows else set()))
        return self._settle(told, least, most=first.share, at_once=True, rows=rows)

    def _first(self, told: Told, least: int, why: set[str], *, rows: bool) -> Reasons:
        if not rows:
            why |= {"WrongRow", "LengthsDiffer"}
        return frozenset(why) if why else self._settle(told, least)

    def _settle(
        self,
        told: Told,
        least: int,
        *,
        back: int = 0,
        most: int = NO_LIMIT,
        at_once: bool = False,
        waived: Sequence[int] = (),
        without: Told | None = None,
        rows: bool = True,
        gained: bool = False,
    ) -> Reasons:
        """A claim is decided, or pended; `without` is the claim that is reversed for it."""
        if not rows:
            return frozenset({"WrongRow", "LengthsDiffer"})
        plan, provider, money = told.scheme.name, told.claim.provider, self.money.copied()
        funds = money.balance[plan] + back
        verdict = self.decide(told, funds=funds, most=most, waived=waived, without=without)
        paid, share = verdict.decision.paid, verdict.decision.share
        if verdict.missing:
            if at_once:
                return frozenset({"StillMissing"})
            self._pend(told, verdict.missing)
            return DONE
        why = set()
        if paid < least:
            why.add("BelowLeast")
        if gained and paid <= back:
            why.add("NothingGained")

        if paid > back:
            money.pay(plan, provider, paid - back)
        else:
            money.balance[plan] += back - paid
            why |= set(money.give_back(plan, provider, back - paid))
        refunded = None
        received = without.received if without else told.received
        if without is not None and without is not told:
            refunded = without
        elif at_once and told.claim.primary == NONE:
            had = sum(amount for _, amount in told.payments)
            if had > share:
                refunded = told
            else:
                share -= had
        if at_once:
            share = max(share - received, 0)
        if refunded is not None:
            why |= set(money.refund(refunded))
        if why:
            return frozenset(why)

        self.money = money
        if refunded is not None:
            refunded.payments = []
        if without is not None and without is not told:
            without.status, without.paid, without.share = Status.REVERSED, 0, 0
        if told.claim.primary != NONE:
            first = self.claims[told.claim.primary]
            if told.stands:
                first.share += told.paid
            first.share -= paid
            first.marks |= HAS_SECONDARY
            share = 0
        told.status, told.missing, told.decided = Status.DECIDED, Missing.NOTHING, self.now
        told.paid, told.share, told.decision, told.received = paid, share, verdict.decision, received
        told.authorizations = verdict.authorizations
        told.facts = told.hashed()
        self.claims[told.id] = told
        return DONE

    def _pend(self, told: Told, missing: Missing) -> None:
        told.status, told.missing, told.decision = Status.PENDED, missing, None
        told.decided = told.paid = told.share = 0
        told.facts = told.hashed()
        self.claims[told.id] = told

    def _pended(self, told: Told, *, shown: bool) -> Iterator[str]:
        if told.status is not Status.PENDED:
            yield "WrongStatus"
        elif not shown:
            yield "WrongFacts"

    def resume(self, by: str, told: Told, least: int, *, shown: bool = True, rows: bool = True) -> Reasons:
        why = {*self._provider(by, told.claim.provider), *self._pended(told, shown=shown)}
        return frozenset(why) if why else self._settle(told, least, rows=rows)

    def review(self, by: str, told: Told, agreed: bool, *, shown: bool = True, rows: bool = True) -> Reasons:
        why = {*self._insurer(by, told.scheme, "NotTheInsurer"), *self._pended(told, shown=shown)}
        if told.status is Status.PENDED and told.missing is not Missing.REVIEW:
            why.add("NotForReview")
        if why:
            return frozenset(why)
        before = told.marks
        told.marks |= AGREED if agreed else REFUSED
        answer = self._settle(told, 0, rows=rows)
        if answer:
            told.marks = before
        else:
            told.reviewer = by
        return answer

    def _not_shown(self, told: Told, status: Status, shown: bool) -> set[str]:
        if told.status is not status:
            return {"WrongStatus", "WrongFacts"}
        return set() if shown else {"WrongFacts"}

    def _reversible(self, told: Told, shown: bool) -> set[str]:
        if told.status is Status.PENDED:
            return set() if shown else {"WrongFacts"}
        why = self._not_shown(told, Status.DECIDED, shown)
        if told.marks & HAS_SECONDARY:
            why.add("HasSecondary")
        if self.now > told.decided + told.scheme.terms.reversal_days * DAY:
            why.add("TooLate")
        return why

    def reverse(self, by: str, told: Told, prescription: bytes, *, shown: bool) -> Reasons:
        why = {*self._provider(by, told.claim.provider), *self._reversible(told, shown)}
        if prescription != NONE:
            why |= self._not_taken_back(by, told, prescription)
        money = self.money.copied()
        if not why:
            money.balance[told.scheme.name] += told.paid
            if told.paid:
                why |= set(money.give_back(told.scheme.name, told.claim.provider, told.paid))
            why |= set(money.refund(told))
        if why:
            return frozenset(why)
        self.money = money
        if prescription != NONE:
            del self.packs[told.index]
            self.pharmacy_lines[prescription][-1].is_last = False
            self.pharmacy_lines[prescription].pop()
            for filling in self.pharmacy_lines[prescription]:
                filling.is_last = False
        self._undo(told)
        told.payments = []
        return DONE

    def _undo(self, told: Told) -> None:
        if told.claim.primary != NONE:
            first = self.claims[told.claim.primary]
            first.marks &= ~HAS_SECONDARY
            if first.status is not Status.REVERSED:
                first.share += told.paid
        told.status, told.paid, told.share = Status.REVERSED, 0, 0

    def _not_taken_back(self, by: str, told: Told, prescription: bytes) -> set[str]:
        """Why a pack cannot be taken back into stock, nor its line filled again."""
        why = set()
        if told.claim.primary != NONE:
            why.add("WrongPrimary")
        if told.claim.evidence != evidence_of(prescription, 0):
            return why | {"WrongEvidence"}
        if not self.standing(by, Role.PHARMACIST):
            why.add("NoStanding")
        if told.index not in self.packs:
            why.add("IsClaimed")
        elif self.now >= (self.packs[told.index] // DAY + UNDO_DAYS + 1) * DAY:
            why.add("TooLate")
        fillings = self.pharmacy_lines.get(prescription, [])
        if not fillings or not fillings[-1].is_last:
            why.add("NotTheFiller")
        else:
            if self.now > fillings[-1].time + UNDO_DAYS * DAY:
                why.add("TooLate")
            if fillings[-1].units != told.claim.lines[0].units:
                why.add("WrongEvidence")
        return why

    def adjust(
        self, by: str, old: Told, told: Told, least: int, signer: str | None, *, shown: bool, rows: bool = True
    ) -> Reasons:
        told.time, told.marks = old.time, old.marks & IS_GOODS
        told.batch, told.index = old.batch, old.index
        why = {*self._begin(by, told, signer), *self._reversible(old, shown)}
        claim, other = told.claim, old.claim
        is_same = (told.who, claim.provider, claim.evidence) == (old.who, other.provider, other.evidence)
        if not is_same or told.scheme is not old.scheme or claim.primary != NONE or other.primary != NONE:
            why.add("WrongPrimary")
        line = claim.lines[0]
        if old.is_goods and (len(claim.lines) != 1 or line.day or line.units != other.lines[0].units):
            why.add("WrongLines")
        if why:
            return frozenset(why | ({"WrongRow", "LengthsDiffer"} if not rows else set()))
        return self._settle(told, least, back=old.paid, at_once=True, without=old, rows=rows)

    # Shares

    def _due(self, told: Told) -> Iterator[str]:
        if told.status is not Status.DECIDED:
            yield "WrongStatus"
        elif not told.share:
            yield "NothingDue"

    def pay_share(self, by: str, told: Told, most: int) -> Reasons:
        why = set(self._due(told))
        if told.share > most:
            why.add("ShareIsMore")
        money = self.money.copied()
        why |= set(money.collect(by, told.share))
        if why:
            return frozenset(why)
        money.account(told.scheme.name, told.claim.provider).received += told.share
        money.send(told.claim.provider, told.share)
        self.money = money
        told.payments.append((by, told.share))
        told.share = 0
        return DONE

    def receive_share(self, by: str, told: Told) -> Reasons:
        why = {*self._provider(by, told.claim.provider), *self._due(told)}
        if not why:
            told.received += told.share
            told.share = 0
        return frozenset(why)

    # Appeals and refutations

    def appeal(self, by: str, told: Told, document: bytes) -> Reasons:
        why = set()
        if by != told.who:
            member = self.standing(by, PROVIDERS)
            if not member:
                why.add("NoStanding")
            elif member != told.claim.provider:
                why.add("NotAParty")
        if document == NONE:
            why.add("WrongDocument")
        if told.appeal[0]:
            why.add("WrongStatus")
        if told.status is not Status.DECIDED:
            why.add("NotDecided")
        elif self.now > told.decided + told.scheme.terms.appeal_days * DAY:
            why.add("TooLate")
        if not why:
            told.appeal = (Stand.OPEN, self.now)
        return frozenset(why)

    def answer(
        self, by: str, told: Told, waived: Sequence[int], granted: bool, document: bytes, *, shown: bool
    ) -> Reasons:
        why = set()
        if document == NONE:
            why.add("WrongDocument")
        status, time = told.appeal
        in_time = self.now <= time + told.scheme.terms.appeal_days * DAY
        is_insurers = status is Stand.OPEN and in_time
        is_arbiters = (status is DISMISSED and in_time) or (status is Stand.OPEN and not in_time)
        insurer, arbiter = told.scheme.terms.insurer, told.scheme.terms.arbiter
        if not is_insurers and not is_arbiters:
            return frozenset(why | {"WrongStatus"})
        member = self.standing(by, Role.INSURER if is_insurers else ARBITERS)
        if not member:
            why.add("NoStanding")
        elif member != (insurer if is_insurers else arbiter):
            why.add("NotAParty")
        if told.reviewer == by:
            why.add("SameReviewer")
        if granted and not why:
            why |= self._redecide(told, waived, shown)
        if not why:
            told.appeal = (GRANTED if granted else DISMISSED if is_insurers else CLOSED, self.now)
        return frozenset(why)

    def _redecide(self, told: Told, waived: Sequence[int], shown: bool) -> set[str]:
        why = self._not_shown(told, Status.DECIDED, shown)
        if told.marks & HAS_SECONDARY:
            why.add("HasSecondary")
        if len(waived) != len(told.claim.lines):
            why.add("LengthsDiffer")
        if why:
            return why
        before, most = told.marks, NO_LIMIT
        if told.claim.primary != NONE:
            first = self.claims[told.claim.primary]
            most = first.share + told.paid if first.status is not Status.REVERSED else told.paid
        told.marks |= AGREED
        answer = self._settle(
            told, 0, back=told.paid, most=most, at_once=True, waived=waived, without=told, gained=True
        )
        if answer:
            told.marks = before
        return set(answer)

    def refute(self, by: str, told: Told, openings: bytes, *, shown: bool) -> Reasons:
        why = set(self._insurer(by, told.scheme, "NotAParty"))
        if openings == NONE:
            why.add("WrongDocument")
        if told.refutation[0]:
            why.add("WrongRefutation")
        if told.status is not Status.DECIDED or not told.paid:
            why.add("NotDecided")
        elif self.now > told.decided + told.scheme.terms.refute_days * DAY:
            why.add("TooLate")
        if not shown:
            why.add("WrongFacts")
        money = self.money.copied()
        if not why:
            why |= set(money.dispute(told.scheme.name, told.claim.provider, told.paid))
        if not why:
            self.money, told.status = money, Status.DISPUTED
            told.refutation = (Stand.OPEN, self.now, openings)
        return frozenset(why)

    def rule(self, by: str, told: Told, openings: bytes, for_insurer: bool, *, shown: bool) -> Reasons:
        why = set()
        member = self.standing(by, ARBITERS)
        if not member:
            why.add("NoStanding")
        elif member != told.scheme.terms.arbiter or member == told.claim.provider:
            why.add("NotAParty")
        status, time, expected = told.refutation
        if status is not Stand.OPEN:
            return frozenset(why | {"WrongRefutation"})
        if openings != expected:
            why.add("WrongDocument")
        if self.now > time + told.scheme.terms.appeal_days * DAY:
            why.add("TooLate")
        return self._conclude(told, why, for_insurer, shown)

    def lapse(self, told: Told, *, shown: bool) -> Reasons:
        status, time, _ = told.refutation
        if status is not Stand.OPEN:
            return frozenset({"WrongRefutation"})
        why = {"TooEarly"} if self.now <= time + told.scheme.terms.appeal_days * DAY else set()
        return self._conclude(told, why, False, shown)

    def _conclude(self, told: Told, why: set[str], for_insurer: bool, shown: bool) -> Reasons:
        if not shown:
            why.add("WrongFacts")
        if why:
            return frozenset(why)
        if for_insurer:
            # A provider that has nothing to give back cannot stop a ruling.
            money = self.money.copied()
            if not list(money.refund(told)):
                self.money, told.payments = money, []
        self.money.conclude(told.scheme.name, told.claim.provider, told.paid, for_insurer=for_insurer)
        told.refutation = (UPHELD if for_insurer else REJECTED, self.now, told.refutation[2])
        told.status = Status.DECIDED
        if for_insurer:
            self._undo(told)
        return DONE

    # Money

    def deposit(self, by: str, scheme: Scheme, amount: int) -> Reasons:
        money = self.money.copied()
        why = {"NothingToMove"} if not amount else set()
        why |= set(money.collect(by, amount))
        if not why:
            money.balance[scheme.name] += amount
            self.money = money
        return frozenset(why)

    def _acts_for(self, by: str, member: int) -> Iterator[str]:
        if MEMBERS[member] != by or member in self.suspended:
            yield "NotTheMember"

    def drain(self, by: str, scheme: Scheme, amount: int, to: str) -> Reasons:
        money = self.money.copied()
        why = {*self._acts_for(by, scheme.terms.insurer), *money.spend(scheme.name, amount)}
        if not amount:
            why.add("NothingToMove")
        if not why:
            money.coins[to] += amount
            self.money = money
        return frozenset(why)

    def set_payout(self, by: str, member: int, payee: str, push: bool) -> Reasons:
        why = frozenset(self._acts_for(by, member))
        if not why:
            self.money.payouts[member] = Payout(payee, push, payee == by)
        return why

    def answer_for(self, by: str, member: int, answers: bool) -> Reasons:
        payout = self.money.payouts.get(member, Payout())
        if payout.payee != by:
            return frozenset({"NotThePayee"})
        self.money.payouts[member] = replace(payout, answers=answers)
        return DONE

    def withdraw(self, by: str, to: str) -> Reasons:
        amount = self.money.credit.get(by, 0)
        if not amount:
            return frozenset({"NothingToMove"})
        self.money.credit[by] = 0
        self.money.coins[to] += amount
        return DONE

    # Policies

    def pay_premium(self, by: str, scheme: Scheme, who: str, periods: int) -> Reasons:
        policy = self.policies.get((scheme.name, who))
        if policy is None:
            return frozenset({"NoSuchPolicy"})
        amount, period = scheme.terms.premium * periods, scheme.terms.premium_days * DAY
        until = policy.until + period * periods
        why = set()
        if not amount or until - period >= policy.ends:
            why.add("NothingDue")
        if self.now > policy.until + scheme.terms.grace_days * DAY:
            why.add("Lapsed")
        if by == scheme.insurer:
            why.add("WrongTransfer")
        money = self.money.copied()
        why |= set(money.collect(by, amount))
        if not why:
            money.coins[scheme.insurer] += amount
            self.money = money
            policy.until = min(until, policy.ends)
        return frozenset(why)

    def reinstate(self, by: str, scheme: Scheme, who: str) -> Reasons:
        why = set(self._insurer(by, scheme, "NotTheInsurer"))
        policy = self.policies.get((scheme.name, who))
        if policy is None:
            return frozenset(why | {"NoSuchPolicy"})
        if self.now <= policy.until + scheme.terms.grace_days * DAY or self.now >= policy.ends:
            why.add("NotLapsed")
        if not why:
            policy.former, policy.since = (policy.since, policy.until), self.now
            policy.until = min(self.now + scheme.terms.premium_days * DAY, policy.ends)
        return frozenset(why)

    def end_policy(self, by: str, scheme: Scheme, who: str) -> Reasons:
        why = set() if by == who else set(self._insurer(by, scheme, "NotTheInsurer"))
        policy = self.policies.get((scheme.name, who))
        if policy is None:
            return frozenset(why | {"NoSuchPolicy"})
        if policy.ends <= self.now:
            why.add("NothingDue")
        if not why:
            policy.ends, policy.ended = self.now, True
            policy.until = min(policy.until, self.now)
        return frozenset(why)

    # Authorizations

    def request(self, by: str, number: bytes, asked: Authorization) -> Reasons:
        why = set()
        if not self.standing(by, PROVIDERS):
            why.add("NoStanding")
        if not asked.units:
            why.add("EmptyRequest")
        if (asked.scheme.name, asked.who) not in self.policies:
            why.add("NoSuchPolicy")
        if number in self.authorizations:
            why.add("WrongStatus")
        if not why:
            self.authorizations[number] = asked
        return frozenset(why)

    def authorize(self, by: str, number: bytes, units: int, amount: int, expiry: int) -> Reasons:
        asked = self.authorizations[number]
        why = set(self._undecided(by, asked))
        if not 0 < units <= asked.units or expiry <= self.now:
            why.add("WrongLimits")
        if not why:
            asked.status, asked.units, asked.amount, asked.expiry = APPROVED, units, amount, expiry
        return frozenset(why)

    def decline(self, by: str, number: bytes) -> Reasons:
        asked = self.authorizations[number]
        why = frozenset(self._undecided(by, asked))
        if not why:
            asked.status = DECLINED
        return why

    def _undecided(self, by: str, asked: Authorization) -> Iterator[str]:
        yield from self._insurer(by, asked.scheme, "NotTheInsurer")
        if asked.status not in (Stand.OPEN, Stand.SECOND):
            yield "WrongStatus"

    # Evidence

    def anchor(self, by: str, who: str, evidence: bytes) -> bool:
        """Whether somebody can anchor it, which is then done."""
        member = self.standing(by, PROVIDERS)
        if not member or (who, member, evidence) in self.records:
            return False
        self.records[who, member, evidence] = (self.now, True)
        return True

    # Episodes

    def open(self, by: str, number: bytes, episode: Episode, *, signed: bool) -> Reasons:
        terms, scheme = episode.terms, episode.scheme
        why = set(self._insurer(by, scheme, "NotAParty"))
        parties = (terms.provider, scheme.terms.insurer, 0)
        is_right = terms.price and terms.withheld <= terms.price and terms.assessor not in parties
        if not is_right or not self.now < terms.ends:
            why.add("WrongAgreement")
        policy = self.policies.get((scheme.name, episode.who))
        if policy is None or self.now >= policy.until:
            why.add("NotCovered")
        if not signed:
            why.add("WrongSignature")
        if number in self.episodes:
            why.add("WrongStatus")
        money = self.money.copied()
        why |= set(money.spend(scheme.name, terms.price))
        if not why:
            money.held[scheme.name] = money.held.get(scheme.name, 0) + terms.price
            self.money, self.episodes[number] = money, episode
        return frozenset(why)

    def _counts(self, episode: Episode, member: int, evidence: bytes) -> bool:
        time, is_current = self.records.get((episode.who, member, evidence), (0, False))
        return is_current and time >= episode.opened

    def deliver(self, by: str, number: bytes, evidence: bytes) -> Reasons:
        episode = self.episodes[number]
        why = set(self._of_episode(by, episode, episode.terms.provider, Stand.OPEN))
        member = episode.terms.provider
        record = (episode.who, member, evidence)
        if not self._counts(episode, member, evidence) or record in self.delivered:
            why.add("WrongEvidence")
        if not why:
            self.delivered.add(record)
            self._release(episode, episode.terms.price - episode.terms.withheld, 0)
            episode.status = DELIVERED
        return frozenset(why)

    def _of_episode(self, by: str, episode: Episode, member: int, status: Stand) -> Iterator[str]:
        standing = self.standing(by, PROVIDERS)
        if not standing:
            yield "NoStanding"
        elif standing != member:
            yield "NotAParty"
        if episode.status is not status:
            yield "WrongStatus"
        if self.now >= episode.terms.ends:
            yield "TooLate"

    def assess(self, by: str, number: bytes, observation: bytes, achieved: int) -> Reasons:
        episode = self.episodes[number]
        why = set(self._of_episode(by, episode, episode.terms.assessor, DELIVERED))
        if achieved > WHOLE:
            why.add("WrongShare")
        if not self._counts(episode, episode.terms.assessor, observation):
            why.add("WrongEvidence")
        if not why:
            released = episode.terms.withheld * achieved // WHOLE
            self._release(episode, released, episode.terms.withheld - released)
            episode.status = SETTLED
        return frozenset(why)

    def expire(self, number: bytes) -> Reasons:
        episode, why = self.episodes[number], set()
        if episode.status not in (Stand.OPEN, DELIVERED):
            why.add("WrongStatus")
        if self.now < episode.terms.ends:
            why.add("TooEarly")
        if not why:
            self._release(episode, 0, episode.held)
            episode.status = EXPIRED
        return frozenset(why)

    def _release(self, episode: Episode, released: int, returned: int) -> None:
        plan = episode.scheme.name
        self.money.held[plan] -= released + returned
        self.money.balance[plan] += returned
        if released:
            self.money.pay(plan, episode.terms.provider, released, spent=False)
        episode.released += released
        episode.returned += returned


@dataclass
class Filling:
    """What was given of a prescription's line; the last is one that may still be taken back."""

    units: int
    time: int
    is_last: bool = True


@dataclass(frozen=True)
class Giving:
    """A pack that is given for the first line of a prescription, and the bearer's word for it."""

    batch: bytes
    index: int
    prescription: bytes
    units: int
    due: int
    nonce: int
    next_nonce: int
    is_word: bool = True


def key_of(benefit: Benefit) -> bytes:
    return benefit.service if benefit.bundle == NONE else benefit.bundle


def rule_of(benefit: Benefit) -> rules.Benefit:
    values = vars(benefit)
    return rules.Benefit(**{**values, "kind": Kind(values["kind"])})

"""How a claim is decided, for everybody to recompute: the same function as contracts/cover/Rules.sol, to the last unit.

A claim's lines are decided in their order, and a line that was denied counts for nothing that comes after it.

1. A line is denied for everything that speaks against it, except for what an appeal has set aside.
2. Otherwise its price for each unit is allowed, but no more than was charged, nor more than was authorized for it.
3. Of the allowed amount the copay falls to the patient, of the rest what is left of the deductible, and of what is then
   left the coinsurance, rounded down.
4. These fill, in that order, what the patient still has to bear out of pocket. The insurer takes what does not fit.
5. The insurer pays the rest as far as every limit goes: the lifetime's, the policy year's, what an earlier payer left.
6. What the patient bears and the insurer pays is used up, of the person's limits and of the family's.

The patient owes what was allowed and not paid, but never more than an earlier payer left.

Amounts are whole numbers of a token's smallest unit. Where a sum does not fit 64 bits the contract reverts; here it is
only larger.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, IntFlag, StrEnum
from typing import Any, NamedTuple

from theriac.errors import WrongCoinsurance

NO_LIMIT = 2**64 - 1
"""Stands for no limit."""

WHOLE = 10_000
"""A coinsurance of everything: it is told in hundredths of a percent."""

NONE = bytes(32)
"""No bundle, no authorization."""


class Kind(IntEnum):
    """What a schedule says of a service. Goods are covered where a pack was dispensed."""

    COVERED = 0
    NOT_COVERED = 1
    EXCLUDED = 2
    GOODS = 3


class Group(StrEnum):
    """Whom an adjustment concerns, as X12's claim adjustment group codes."""

    PROVIDER = "CO"
    PATIENT = "PR"
    NOBODY = "OA"


class Reason(IntFlag):
    """Why a line is denied, or paid in part; the bits of contracts/types/Reasons.sol."""

    NOT_COVERED = 1 << 0
    EXCLUDED = 1 << 1
    BEFORE_COVER = 1 << 2
    AFTER_COVER = 1 << 3
    WAITING = 1 << 4
    LATE = 1 << 5
    DUPLICATE = 1 << 6
    BUNDLED = 1 << 7
    GRADE = 1 << 8
    UNAUTHORIZED = 1 << 9
    BEYOND_AUTHORIZATION = 1 << 10
    QUANTITY = 1 << 11
    FREQUENCY = 1 << 12
    REVIEWED = 1 << 13

    LIFETIME_LIMIT = 1 << 16
    ANNUAL_LIMIT = 1 << 17
    OTHER_PAYER = 1 << 18

    @property
    def first(self) -> "Reason":
        """The one that a line is told by: the lowest."""
        return next(iter(self))

    @property
    def carc(self) -> str:
        """The first one's code of X12's claim adjustment reason codes."""
        return _TOLD[self.first].carc

    @property
    def group(self) -> Group:
        """Whom the first one concerns."""
        return _TOLD[self.first].group

    @property
    def sentence(self) -> str:
        """The first one, for a person."""
        return _TOLD[self.first].sentence


class _Told(NamedTuple):
    carc: str
    group: Group
    sentence: str


_TOLD = {
    Reason.NOT_COVERED: _Told("204", Group.PATIENT, "The plan does not cover this service."),
    Reason.EXCLUDED: _Told("96", Group.PATIENT, "The plan excludes this service."),
    Reason.BEFORE_COVER: _Told("26", Group.PATIENT, "Cover had not begun on that day."),
    Reason.AFTER_COVER: _Told("27", Group.PATIENT, "Cover had ended or lapsed on that day."),
    Reason.WAITING: _Told("179", Group.PATIENT, "The waiting days for this service were not over."),
    Reason.LATE: _Told("29", Group.PROVIDER, "It was claimed too late."),
    Reason.DUPLICATE: _Told("18", Group.NOBODY, "It was claimed already."),
    Reason.BUNDLED: _Told("97", Group.PROVIDER, "It is part of another service that was paid for that day."),
    Reason.GRADE: _Told("170", Group.PROVIDER, "The plan does not pay a provider of this grade for this service."),
    Reason.UNAUTHORIZED: _Told("197", Group.PROVIDER, "It had to be authorized before, and was not."),
    Reason.BEYOND_AUTHORIZATION: _Told("198", Group.PROVIDER, "It is more than was authorized."),
    Reason.QUANTITY: _Told("222", Group.PROVIDER, "It is more than the plan pays for at once."),
    Reason.FREQUENCY: _Told("119", Group.PATIENT, "It is more than the plan pays for in a policy year."),
    Reason.REVIEWED: _Told("50", Group.PROVIDER, "The insurer's reviewer did not find it necessary."),
    Reason.LIFETIME_LIMIT: _Told("35", Group.PATIENT, "The most that is paid for a person in a lifetime was reached."),
    Reason.ANNUAL_LIMIT: _Told("119", Group.PATIENT, "The most that is paid in a policy year was reached."),
    Reason.OTHER_PAYER: _Told("23", Group.NOBODY, "An earlier payer has paid it."),
}

NO_REASON = Reason(0)

DENIALS = Reason(0xFFFF)
"""The reasons for which a line is denied; the others limit what is paid of it."""

WAIVABLE = (
    Reason.AFTER_COVER
    | Reason.WAITING
    | Reason.LATE
    | Reason.GRADE
    | Reason.UNAUTHORIZED
    | Reason.BEYOND_AUTHORIZATION
    | Reason.QUANTITY
    | Reason.FREQUENCY
    | Reason.REVIEWED
)
"""What an appeal may set aside."""

DEDUCTIBLE, COINSURANCE, COPAY, ABOVE_ALLOWED = "1", "2", "3", "45"
"""The codes of amounts that need no reason: the patient's parts, and what was charged beyond what is allowed."""


@dataclass(frozen=True)
class Limits:
    """The amounts of a plan; NO_LIMIT where there is none. Those of a family are met or reached by all its members."""

    deductible: int = 0
    family_deductible: int = NO_LIMIT
    out_of_pocket: int = NO_LIMIT
    family_out_of_pocket: int = NO_LIMIT
    annual: int = NO_LIMIT
    family_annual: int = NO_LIMIT
    lifetime: int = NO_LIMIT

    def as_tuple(self) -> tuple[int, ...]:
        """As the contract takes it."""
        return tuple(vars(self).values())


@dataclass(frozen=True)
class Used:
    """What was used of a person's limits or a family's; a family has no `lifetime`."""

    deductible: int = 0
    out_of_pocket: int = 0
    paid: int = 0
    lifetime: int = 0

    def after(self, outcome: "Outcome") -> "Used":
        """With a person's line."""
        return Used(
            deductible=self.deductible + outcome.deductible,
            out_of_pocket=self.out_of_pocket + outcome.borne,
            paid=self.paid + outcome.paid,
            lifetime=self.lifetime + outcome.paid,
        )

    def as_tuple(self) -> tuple[int, ...]:
        """As the contract takes it."""
        return tuple(vars(self).values())


@dataclass(frozen=True)
class Benefit:
    """A row of a benefit schedule.

    `coinsurance` is in hundredths of a percent; `most_units` and `yearly_units` bound nothing where they are zero.
    """

    service: bytes
    bundle: bytes = NONE
    kind: Kind = Kind.COVERED
    price: int = 0
    copay: int = 0
    coinsurance: int = 0
    deductible: bool = False
    authorization: bool = False
    review: bool = False
    waiting_days: int = 0
    most_units: int = 0
    yearly_units: int = 0
    grade: int = 0

    def as_tuple(self) -> tuple[Any, ...]:
        """As the contract takes it."""
        return tuple(vars(self).values())


@dataclass(frozen=True)
class Item:
    """A line of a claim, with what the chain knows about it.

    `day` is zero for goods. `authorized_units` is zero where no authorization counts,
    `authorized_amount` where it bounds no amount. `found` is what the chain's state speaks against it with, `waived`
    what an appeal has set aside.
    """

    benefit: Benefit
    day: int = 0
    units: int = 1
    charged: int = 0
    waited: int = 0
    tier: int = 0
    used_units: int = 0
    authorization: bytes = NONE
    authorized_units: int = 0
    authorized_amount: int = 0
    found: Reason = NO_REASON
    waived: Reason = NO_REASON

    def as_tuple(self) -> tuple[Any, ...]:
        """As the contract takes it."""
        _, *facts, found, waived = vars(self).values()
        return (self.benefit.as_tuple(), *facts, int(found), int(waived))


@dataclass(frozen=True)
class Outcome:
    """What was decided about a line: allowed = copay + deductible + coinsurance + over + paid, all zero where denied.

    `over` is what a limit left unpaid.
    """

    reasons: Reason = NO_REASON
    allowed: int = 0
    deductible: int = 0
    copay: int = 0
    coinsurance: int = 0
    over: int = 0
    paid: int = 0

    @property
    def is_denied(self) -> bool:
        return bool(self.reasons & DENIALS)

    @property
    def borne(self) -> int:
        """What counts towards the most that a patient pays out of pocket."""
        return self.copay + self.deductible + self.coinsurance

    def as_tuple(self) -> tuple[int, ...]:
        """As the contract gives it."""
        reasons, *amounts = vars(self).values()
        return (int(reasons), *amounts)


@dataclass(frozen=True)
class Decision:
    """What was decided: each line, what is used then, what the insurer pays and the patient owes."""

    outcomes: tuple[Outcome, ...]
    person: Used
    family: Used
    paid: int
    share: int

    @classmethod
    def of(cls, answer: Sequence[Any]) -> "Decision":
        """From what web3 gives for the contract's answer."""
        outcomes, person, family, paid, share = answer
        told = tuple(Outcome(Reason(reasons), *amounts) for reasons, *amounts in outcomes)
        return cls(told, Used(*person), Used(*family), int(paid), int(share))

    def as_tuple(self) -> tuple[Any, ...]:
        """As the contract gives it."""
        outcomes = [outcome.as_tuple() for outcome in self.outcomes]
        return (outcomes, self.person.as_tuple(), self.family.as_tuple(), self.paid, self.share)


def decide(limits: Limits, person: Used, family: Used, items: Sequence[Item], most: int = NO_LIMIT) -> Decision:
    """Decides a claim.

    `person` and `family` are what was used before. `most` is what an earlier payer left, if there is one. Raises
    WrongCoinsurance where a line's is more than the whole.
    """
    outcomes: list[Outcome] = []
    counted: list[Item] = []
    left = most
    for item in items:
        if item.benefit.coinsurance > WHOLE:
            raise WrongCoinsurance(coinsurance=item.benefit.coinsurance)

        if reasons := _against(item, counted):
            outcomes.append(Outcome(reasons))
            continue
        outcome = _priced(item, limits, person, family, left)
        outcomes.append(outcome)
        counted.append(item)
        left -= outcome.paid
        person = person.after(outcome)
        family = replace(family.after(outcome), lifetime=family.lifetime)

    unpaid = sum(outcome.allowed - outcome.paid for outcome in outcomes)
    return Decision(tuple(outcomes), person, family, paid=most - left, share=min(unpaid, left))


def _against(item: Item, earlier: Sequence[Item]) -> Reason:
    """What speaks against a line, when the lines `earlier` in the claim were not denied."""
    benefit = item.benefit
    same = [each for each in earlier if each.benefit.service == benefit.service]
    others = [each for each in earlier if each.benefit.service != benefit.service]
    years_units = item.used_units + sum(each.units for each in same) + item.units
    is_used_up = item.authorization != NONE and any(each.authorization == item.authorization for each in earlier)
    is_unauthorized = benefit.authorization and item.authorized_units == 0

    speaking = {
        Reason.NOT_COVERED: benefit.kind is Kind.NOT_COVERED,
        Reason.EXCLUDED: benefit.kind is Kind.EXCLUDED,
        Reason.WAITING: item.waited < benefit.waiting_days,
        Reason.DUPLICATE: any(each.day == item.day for each in same),
        Reason.BUNDLED: benefit.bundle != NONE
        and any(each.day == item.day and each.benefit.bundle == benefit.bundle for each in others),
        Reason.GRADE: item.tier < benefit.grade,
        Reason.UNAUTHORIZED: is_unauthorized or is_used_up,
        Reason.BEYOND_AUTHORIZATION: benefit.authorization and 0 < item.authorized_units < item.units,
        Reason.QUANTITY: 0 < benefit.most_units < item.units,
        Reason.FREQUENCY: 0 < benefit.yearly_units < years_units,
    }
    # Most lines have nothing of these, and an operation on flags takes longer than all the comparisons.
    reasons = item.found & DENIALS if item.found else NO_REASON
    for reason, speaks in speaking.items():
        if speaks:
            reasons |= reason
    return reasons & ~(item.waived & WAIVABLE) if item.waived else reasons


def _priced(item: Item, limits: Limits, person: Used, family: Used, most: int) -> Outcome:
    """A line that is not denied; `most` is the most that may be paid of it."""
    benefit = item.benefit
    allowed = min(benefit.price * item.units, item.charged)
    if benefit.authorization and item.authorized_amount:
        allowed = min(allowed, item.authorized_amount)

    copay = min(benefit.copay, allowed)
    deductible = 0
    if benefit.deductible:
        own = _left(limits.deductible, person.deductible)
        deductible = min(allowed - copay, own, _left(limits.family_deductible, family.deductible))
    coinsurance = (allowed - copay - deductible) * benefit.coinsurance // WHOLE

    pocket = min(
        _left(limits.out_of_pocket, person.out_of_pocket),
        _left(limits.family_out_of_pocket, family.out_of_pocket),
    )
    copay = min(copay, pocket)
    deductible = min(deductible, pocket - copay)
    coinsurance = min(coinsurance, pocket - copay - deductible)

    due = allowed - copay - deductible - coinsurance
    bounds = {
        Reason.OTHER_PAYER: most,
        Reason.LIFETIME_LIMIT: _left(limits.lifetime, person.lifetime),
        Reason.ANNUAL_LIMIT: min(_left(limits.annual, person.paid), _left(limits.family_annual, family.paid)),
    }
    bound = min(bounds, key=lambda reason: bounds[reason])
    paid = min(due, bounds[bound])
    return Outcome(
        reasons=bound if paid < due else NO_REASON,
        allowed=allowed,
        deductible=deductible,
        copay=copay,
        coinsurance=coinsurance,
        over=due - paid,
        paid=paid,
    )


def _left(limit: int, used: int) -> int:
    """What is left of a limit; one that is none is never used up."""
    return limit if limit == NO_LIMIT else max(limit - used, 0)


class Adjustment(NamedTuple):
    """A part of what was charged that is not paid, as a remittance tells it."""

    group: Group
    carc: str
    amount: int


def adjustments(outcome: Outcome, charged: int) -> list[Adjustment]:
    """Why a line is not paid as charged; the amounts make up the difference. Amounts of zero are left out.

    A line that is denied is one adjustment, by its first reason. What the patient owes on the chain is only the copay,
    the deductible, the coinsurance and what a limit left, and of a claim no more than an earlier payer left. A denied
    line that is the patient's matter (group PR) is between the patient and the provider.
    """
    if outcome.is_denied:
        told = [Adjustment(outcome.reasons.group, outcome.reasons.carc, charged)]
    else:
        told = [
            Adjustment(Group.PROVIDER, ABOVE_ALLOWED, charged - outcome.allowed),
            Adjustment(Group.PATIENT, COPAY, outcome.copay),
            Adjustment(Group.PATIENT, DEDUCTIBLE, outcome.deductible),
            Adjustment(Group.PATIENT, COINSURANCE, outcome.coinsurance),
        ]
        if outcome.over:
            told.append(Adjustment(outcome.reasons.group, outcome.reasons.carc, outcome.over))
    return [each for each in told if each.amount]

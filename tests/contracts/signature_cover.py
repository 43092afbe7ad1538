"""The rows of the table that are about cover, with the plans, the policies and the claims that they are about."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from eth_abi import encode
from eth_utils import keccak
from pack_tree import Tree, pack
from signature_cast import ZERO, Accompanied, Case, Cast, Event, Signed, digest

from theriac.cover.messages import (
    NONE,
    Agreement,
    Appeal,
    Claim,
    EndPolicy,
    Enrol,
    Line,
    Outcome,
    Ruling,
    evidence_of,
)
from theriac.ledger.typed import Domain
from theriac.medicine.messages import Prescribe

UNLIMITED = 2**64 - 1

# A cent of the play token, in its smallest unit.
CENTS = 10_000

# The one service of every schedule: fifty cents a unit, of which the patient bears a fifth.
SERVICE = digest("service")
PRICE, COINSURANCE = 50 * CENTS, 2000
BENEFIT = (SERVICE, NONE, 0, PRICE, 0, COINSURANCE, False, False, False, 0, 0, 0, 0)
BENEFIT_TYPE = "(bytes32,bytes32,uint8,uint64,uint64,uint16,bool,bool,bool,uint16,uint16,uint16,uint8)"
MEDICINE = keccak(text="theriac test: medicine")
GOODS = (MEDICINE, NONE, 3, *BENEFIT[3:])
LEAF, LEAF_OF_GOODS = (keccak(keccak(encode([BENEFIT_TYPE], [each]))) for each in (BENEFIT, GOODS))
SCHEDULE = keccak(b"".join(sorted((LEAF, LEAF_OF_GOODS))))
ROWS, ROWS_OF_GOODS = [(BENEFIT, [LEAF_OF_GOODS])], [(GOODS, [LEAF])]

PLAN_TYPE = (
    "(address,uint32,uint16,uint16,uint16,uint16,address,uint32,uint16,uint16,address,uint64,bytes32,bytes32,"
    "(uint64,uint64,uint64,uint64,uint64,uint64,uint64))"
)
PLANS = ("cover", "second cover", "ending cover", "new cover")
"""Of the plans the pseudonym has a policy of all but the last; claims under the second come after the first's."""

DECIDED = ("coordinated", "adjusted", "appealed", "refuted")
"""The claims that are decided before, by what becomes of them."""

UNITS, CHARGED = 2, 2 * PRICE
PAID, SHARE = CHARGED * 4 // 5, CHARGED // 5
OTHER_PAYER = 1 << 18

# What the pharmacy has in stock, and which line of a prescription asks for it.
STOCK = Tree({0: pack("in stock")})
LINE_FOR_GOODS = 0

PRICE_BY_OUTCOME, WITHHELD, ACHIEVED = 500 * CENTS, 200 * CENTS, 7500


# -- messages with what they are about -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Submission(Claim, Accompanied):
    """A claim with the schedule's rows."""

    SIGNED: ClassVar[str] = "claim"

    def arguments(self, *signatures: bytes, rows: Sequence[Any] = (), least: int = 0) -> tuple[Any, ...]:
        return super().arguments(*signatures, rows=rows or ROWS, least=least)


@dataclass(frozen=True)
class Dispensing(Submission):
    """A claim for a pack, with the pack and the line that it fills."""

    goods: tuple[Any, ...]

    FUNCTION: ClassVar[str] = "dispense"

    def arguments(self, *signatures: bytes, rows: Sequence[Any] = (), least: int = 0) -> tuple[Any, ...]:
        return (self.terms(), rows or ROWS_OF_GOODS, self.goods, least, *signatures)


@dataclass(frozen=True)
class Coordination(Submission):
    """A claim to a second payer, with what the first decided."""

    first: tuple[Any, ...]

    FUNCTION: ClassVar[str] = "coordinate"

    def arguments(self, *signatures: bytes, rows: Sequence[Any] = (), least: int = 0) -> tuple[Any, ...]:
        return (self.terms(), rows or ROWS, self.first, least, *signatures)


@dataclass(frozen=True)
class Adjustment(Submission):
    """A claim that takes the place of another, with what was decided about that."""

    old: tuple[Any, ...]

    FUNCTION: ClassVar[str] = "adjust"

    def arguments(self, *signatures: bytes, rows: Sequence[Any] = (), least: int = 0) -> tuple[Any, ...]:
        return (self.old, self.terms(), rows or ROWS, least, *signatures)


@dataclass(frozen=True)
class Objection(Appeal, Accompanied):
    """An appeal with the claim that it is about."""

    shown: Claim

    def arguments(self, *signatures: bytes) -> tuple[Any, ...]:
        return (self.shown.terms(), *super().arguments(*signatures))


@dataclass(frozen=True)
class Judgement(Ruling, Accompanied):
    """A ruling with the claim that it is about, as it was decided."""

    settled: tuple[Any, ...]

    def arguments(self, *signatures: bytes) -> tuple[Any, ...]:
        return (self.settled, *super().arguments(*signatures))


# -- what they are about ---------------------------------------------------------------------------------------------


def terms_of_plan(cast: Cast, name: str) -> tuple[Any, ...]:
    """A plan without premium or limits."""
    contracts = cast.contracts
    claims, appeals, coin = (contracts.get(each, ZERO) for each in ("Claims", "Appeals", "Coin"))
    days = 30
    parties = (claims, cast.insurer, 0, 0, 3 * days, days, coin, cast.authority, days, days, appeals)
    return (*parties, 0, SCHEDULE, digest(name), (UNLIMITED,) * 7)


def plan(cast: Cast, name: str) -> bytes:
    """A plan's number."""
    return keccak(encode([PLAN_TYPE], [terms_of_plan(cast, name)]))


def enrolling(cast: Cast, name: str) -> Enrol:
    """What the patient and the insurer sign about a policy year; the family is the pseudonym's own."""
    ends, family = cast.midnight(365), int(cast.pseudonym[-8:], 16)
    terms = (cast.pseudonym, plan(cast, name), family, 1, 365, ends, 0)
    return Enrol(*terms, cast.underwriter, 0, cast.deadline)


def claim(cast: Cast, what: str, *, kind: type[Claim] = Submission, of: str = "cover", **facts: Any) -> Any:
    """A claim for two units of the service on a day of its own, but for what is said otherwise."""
    day = ("new", *DECIDED).index(what) + 10 if what in ("new", *DECIDED) else 0
    values = {
        "provider": cast.member,
        "evidence": digest(f"encounter, {what}"),
        "primary": NONE,
        "lines": [Line(SERVICE, day, UNITS, CHARGED)],
        **facts,
    }
    values |= {"salt": digest(f"salt, {what}"), "era": 0, "deadline": cast.deadline}
    return kind(cast.pseudonym, plan(cast, of), **values)


def settled(claim: Claim) -> tuple[Any, ...]:
    """A claim for services as it was decided before."""
    return (claim.terms(), NONE, 0, [BENEFIT], [(0, CHARGED, 0, 0, SHARE, 0, PAID)])


def for_goods(cast: Cast) -> Prescribe:
    """The prescription that the pharmacy holds and is about to fill."""
    return cast.prescribing("dispensed")


def stock(cast: Cast) -> bytes:
    """The batch that the pharmacy holds."""
    return keccak(cast.maker.to_bytes(32, "big") + STOCK.root)


def goods(cast: Cast) -> tuple[Any, ...]:
    """The pack and the line that it fills. The bearer's word was brought before."""
    prescription = for_goods(cast)
    lines, no_word = prescription.lines, ((ZERO, ZERO, NONE, NONE), 0, 0, 0, 0)
    opened = tuple(lines[LINE_FOR_GOODS].values().values())
    hashes = [line.hash for line in lines]
    filling = (prescription.terms.tuple, hashes, LINE_FOR_GOODS, opened, UNITS, digest("what was given"))
    return (stock(cast), 0, STOCK.packs[0], STOCK.siblings(0), no_word, b"", filling)


def agreement(cast: Cast, what: str) -> Agreement:
    """What the insurer offers for a treatment, and the provider and the patient sign."""
    parties = (plan(cast, "cover"), cast.pseudonym, cast.member, cast.therapist, cast.clinic)
    terms = (PRICE_BY_OUTCOME, WITHHELD, cast.midnight(200), digest(f"agreement, {what}"))
    return Agreement(*parties, *terms, 0, cast.deadline)


def episode(agreement: Agreement) -> bytes:
    """An episode's number: what is signed, without the domain it is signed for."""
    return bytes(agreement.signable(Domain("", "", 1, ZERO)).body)


# -- what comes before -----------------------------------------------------------------------------------------------


def cover_preparation(cast: Cast) -> list[Signed]:
    """What must have been carried before the evidence of claims is anchored."""
    enrolled = [Signed(enrolling(cast, name), ("underwriter", "controller")) for name in PLANS[:-1]]
    return [*enrolled, Signed(agreement(cast, "delivered"), ("therapist", "controller"))]


def encounters(cast: Cast) -> list[bytes]:
    """What the member then anchors: the evidence of the claims, and of the treatment that it was to deliver."""
    return [digest(f"encounter, {what}") for what in ("new", *DECIDED, "delivered")]


OBSERVATION = digest("observation")
"""What the assessing member then anchors."""


def claims_before(cast: Cast) -> list[Signed]:
    """What is then claimed and decided."""
    return [Signed(claim(cast, what), ("controller",)) for what in DECIDED]


# -- what is told ----------------------------------------------------------------------------------------------------


def used(times: int, *, more: tuple[int, int] = (0, 0)) -> dict[str, list[int]]:
    """What a person and her family have used after so many of the claims, and one that came to more."""
    borne, paid = times * SHARE + more[0], times * PAID + more[1]
    return {"person": [0, borne, paid, paid], "family": [0, borne, paid, 0]}


def paid(cast: Cast, of: str, member: int, amount: int) -> tuple[Event, Event]:
    """A payment into a member's credit."""
    told = {"plan": plan(cast, of), "member": member, "amount": amount, "repaid": 0, "withheld": 0}
    return Event("Paid", told), credited(cast, member, amount)


def credited(cast: Cast, member: int, amount: int) -> Event:
    token, payee = cast.contracts.get("Coin", ZERO), cast.accounts.get(member, ZERO)
    return Event("Credited", {"token": token, "to": payee, "amount": amount, "failed": False})


def decided(
    cast: Cast,
    made: Claim,
    outcome: tuple[int, ...],
    after: dict[str, list[int]],
    *,
    share: int,
    batch: bytes = NONE,
) -> list[Event]:
    """A claim that is submitted and decided at once."""
    named = {"claim": made.id, "plan": made.plan, "pseudonym": made.pseudonym, "provider": made.provider}
    shown = {"evidence": made.evidence, "primary": made.primary, "batch": batch, "index": 0}
    return [
        Event("Submitted", named | shown),
        Event("Assessed", {"claim": made.id, "outcomes": [outcome], **after}),
        Event("Decided", {"claim": made.id, "paid": outcome[-1], "share": share}),
    ]


# -- the rows --------------------------------------------------------------------------------------------------------


def cover_cases(cast: Cast) -> dict[str, Case]:
    """The rows that are about cover."""
    return policy_cases(cast) | claim_cases(cast) | appeal_cases(cast) | episode_cases(cast)


def policy_cases(cast: Cast) -> dict[str, Case]:
    enrol, ending = enrolling(cast, "new cover"), plan(cast, "ending cover")
    policy = {"plan": enrol.plan, "pseudonym": cast.pseudonym, "family": enrol.family}
    enrolled = Event("Enrolled", {**policy, "until": enrol.ends, "ends": enrol.ends})
    ended = Event("PolicyEnded", {"plan": ending, "pseudonym": cast.pseudonym, "member": 0})
    return {
        "Enrol": Case(enrol, ("underwriter", "controller"), [enrolled], first=1),
        "EndPolicy": Case(EndPolicy(cast.pseudonym, ending, 0, cast.deadline), ("controller",), [ended]),
    }


def claim_cases(cast: Cast) -> dict[str, Case]:
    by_patient, whole = ("controller",), (0, CHARGED, 0, 0, SHARE, 0, PAID)

    new = claim(cast, "new")
    submitted = decided(cast, new, whole, used(5), share=SHARE)

    filled, sold = for_goods(cast).terms.id, goods(cast)
    given = {
        "provider": cast.pharmacy,
        "evidence": evidence_of(filled, LINE_FOR_GOODS),
        "goods": sold,
        "lines": [Line(MEDICINE, 0, UNITS, CHARGED)],
    }
    dispensing = claim(cast, "goods", kind=Dispensing, **given)
    by = cast.contracts.get("Claims", ZERO)
    held = {"member": cast.pharmacy, "actor": by, "index": 0}
    filling = {"line": LINE_FOR_GOODS, "units": UNITS, "evidence": digest("what was given")}
    dispensed = [
        Event("Dispensed", {"batch": stock(cast), **held}),
        Event("Filled", {"prescription": filled, "member": cast.pharmacy, "by": by, **filling}),
        *decided(cast, dispensing, whole, used(5), share=SHARE, batch=stock(cast)),
    ]

    first = claim(cast, "coordinated")
    same = {"primary": first.id, "evidence": first.evidence, "lines": first.lines, "first": settled(first)}
    second = claim(cast, "coordinated", kind=Coordination, of="second cover", **same)
    rest = (OTHER_PAYER, CHARGED, 0, 0, SHARE, PAID - SHARE, SHARE)
    coordinated = decided(cast, second, rest, used(0, more=(SHARE, SHARE)), share=0)

    old = claim(cast, "adjusted")
    lines = [Line(SERVICE, old.lines[0].day, 2 * UNITS, 2 * CHARGED)]
    adjustment = claim(cast, "adjusted", kind=Adjustment, lines=lines, old=settled(old))
    twice, after = (0, 2 * CHARGED, 0, 0, 2 * SHARE, 0, 2 * PAID), used(3, more=(2 * SHARE, 2 * PAID))
    adjusted = [
        Event("Reversed", {"claim": old.id, "paid": PAID}),
        Event("Unused", {"claim": old.id, **used(3)}),
        *decided(cast, adjustment, twice, after, share=2 * SHARE),
    ]

    return {
        "Claim": Case(new, by_patient, [*submitted, *paid(cast, "cover", cast.member, PAID)]),
        "Claim for goods": Case(dispensing, by_patient, [*dispensed, *paid(cast, "cover", cast.pharmacy, PAID)]),
        "Claim to a second payer": Case(
            second, by_patient, [*coordinated, *paid(cast, "second cover", cast.member, SHARE)]
        ),
        "Claim in another's place": Case(adjustment, by_patient, [*adjusted, *paid(cast, "cover", cast.member, PAID)]),
    }


def appeal_cases(cast: Cast) -> dict[str, Case]:
    appealed, document, openings = claim(cast, "appealed"), digest("reasons"), digest("openings")
    appeal = Objection(cast.pseudonym, appealed.id, document, 0, cast.deadline, shown=appealed)
    told = Event("Appealed", {"claim": appealed.id, "member": 0, "document": document})

    refuted = claim(cast, "refuted")
    ruling = Judgement(refuted.id, openings, False, cast.arbiter, cast.deadline, settled=settled(refuted))
    account = {"plan": refuted.plan, "member": cast.member}
    ruled = [
        Event("RefutationEnded", {"claim": refuted.id, "arbiter": cast.arbiter, "forInsurer": False}),
        Event("Ruled", {"claim": refuted.id, "forInsurer": False}),
        Event("Concluded", {**account, "returned": 0, "owed": 0, "released": PAID}),
        credited(cast, cast.member, PAID),
    ]
    return {
        "Appeal": Case(appeal, ("controller",), [told]),
        "Ruling": Case(ruling, ("arbiter",), ruled),
    }


def episode_cases(cast: Cast) -> dict[str, Case]:
    new, holder = agreement(cast, "new"), cast.contracts.get("Episodes", ZERO)
    provider = {"provider": cast.member, "price": PRICE_BY_OUTCOME}
    opened = {"episode": episode(new), "plan": new.plan, "pseudonym": cast.pseudonym, **provider}
    held = {"plan": new.plan, "holder": holder, "amount": PRICE_BY_OUTCOME}

    delivered = episode(agreement(cast, "delivered"))
    outcome = Outcome(delivered, OBSERVATION, ACHIEVED, cast.assessor, cast.deadline)
    released, returned = WITHHELD * 3 // 4, WITHHELD // 4
    seen = {"episode": delivered, "observation": OBSERVATION, "achieved": ACHIEVED}
    freed = {"plan": new.plan, "holder": holder}
    assessed = [
        Event("Assessed", {**seen, "released": released, "returned": returned}),
        Event("Released", {**freed, "member": cast.member, "amount": released}),
        *paid(cast, "cover", cast.member, released),
        Event("Released", {**freed, "member": 0, "amount": returned}),
    ]
    return {
        "Agreement": Case(new, ("therapist", "controller"), [Event("Opened", opened), Event("Held", held)]),
        "Outcome": Case(outcome, ("assessor",), assessed),
    }

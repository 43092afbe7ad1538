"""What insures the cast: plans, policies, claims in each state, an authorization, appeals, refutations and episodes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from contracts_world import DAY, MEMBERS, digest
from eth_abi import encode
from eth_utils import keccak
from signature_cover import (
    BENEFIT,
    BENEFIT_TYPE,
    CHARGED,
    PAID,
    PLAN_TYPE,
    ROWS,
    SCHEDULE,
    SERVICE,
    SHARE,
    UNITS,
    UNLIMITED,
    Submission,
)

from theriac.cover.messages import NONE, Agreement, Claim, Enrol, Line
from theriac.ledger.typed import Domain

if TYPE_CHECKING:
    from authorisation_cast import Cast

REVIEWED = (*BENEFIT[:8], True, *BENEFIT[9:])
LIMITED = (*BENEFIT[:10], 1, *BENEFIT[11:])
QUANTITY = 1 << 11

COVER, SECOND, PREMIUM, LAPSED, FOR_REVIEW, SHORT, BY_CARRIER, HEARD_BY_CARRIER, NEW, UNPUBLISHED = PLANS = (
    *("cover", "second cover", "with a premium", "lapsed", "with a review", "of a short time", "the carrier's"),
    *("heard by the carrier", "nobody's yet", "not published"),
)
"""The plans by name. The patient is enrolled in all but the last two, the pseudonym that moved away in the first."""

DECIDED, APPEALED, REFUTED = "decided", "appealed", "refuted"
APPEALED_LONG_AGO, REFUTED_LONG_AGO = "appealed long ago", "refuted long ago"
PENDED, DENIED, WITHHELD = "left to a reviewer", "denied", "withheld"
CLAIMS = {
    DECIDED: COVER,
    APPEALED: COVER,
    REFUTED: COVER,
    APPEALED_LONG_AGO: SHORT,
    REFUTED_LONG_AGO: SHORT,
    PENDED: FOR_REVIEW,
    DENIED: HEARD_BY_CARRIER,
    WITHHELD: HEARD_BY_CARRIER,
}
"""The plan under which each claim of the patient's was submitted."""

BENEFITS = {FOR_REVIEW: REVIEWED, HEARD_BY_CARRIER: LIMITED}
"""The one row of a plan's schedule, where it is another than usual."""

OPEN, DELIVERED, OVER = EPISODES = ("open", "delivered", "over")

OPENINGS, OBSERVATION = digest("openings"), digest("observation")
TREATMENT, ANOTHER = digest("treatment"), digest("another treatment")

PAYERS = ("stranger", "board", "doctor", "suspended member", "patient", "pseudonym that moved away")
"""Who has play money and lets the contracts take it, beside the carrier."""

FUNDS, LITTLE = 10**9, 100
HOLD_FOR = 8
FOREVER = 2**40 - 1


def insure(cast: "Cast") -> None:
    """Brings all of it to where each act of the table counts."""
    _publish(cast)
    _enrol(cast)
    _open(cast)
    _anchor(cast)
    _claim(cast)
    _dispute(cast)
    _let_the_carrier(cast)
    _hand_out_money(cast)
    cast.world.clock.travel(to=cast.world.clock.now + 2 * DAY)


def carry(cast: "Cast", contract: Any, function: str, *arguments: Any) -> None:
    """Has the carrier call a contract."""
    data = getattr(contract, function).encode_input(*arguments)
    cast.world.carrier.carry([(contract.address, data)], sender=cast.accounts["stranger"])


def terms_of_plan(cast: "Cast", name: str) -> tuple[Any, ...]:
    """A plan's terms."""
    world = cast.world
    adjudicator = world.carrier if name == BY_CARRIER else world.claims
    appeals = world.carrier if name == HEARD_BY_CARRIER else world.appeals
    premium, grace = {PREMIUM: ((1, 30), 30), LAPSED: ((1, 30), 0)}.get(name, ((0, 0), 0))
    days, claims = (1 if name == SHORT else 90), adjudicator.address
    parties = (claims, MEMBERS.insurer, premium[1], grace, 90, 90, cast.coin.address, MEMBERS.authority, days, 90)
    return (*parties, appeals.address, premium[0], schedule(name), digest(name), (UNLIMITED,) * 7)


def schedule(plan: str) -> bytes:
    """The root of a schedule: of one row where a plan has its own."""
    return keccak(keccak(encode([BENEFIT_TYPE], [BENEFITS[plan]]))) if plan in BENEFITS else SCHEDULE


def rows(plan: str) -> list[Any]:
    """What a claim under a plan is shown with."""
    return [(BENEFITS[plan], [])] if plan in BENEFITS else ROWS


def number(cast: "Cast", name: str) -> bytes:
    """A plan's number."""
    return keccak(encode([PLAN_TYPE], [terms_of_plan(cast, name)]))


def enrolment(cast: "Cast", pseudonym: str, plan: str, *, kind: Callable[..., Enrol] = Enrol) -> Enrol:
    """What is signed for a policy year."""
    clock, family = cast.world.clock, 1 + (pseudonym == "patient")
    terms = (cast.address(pseudonym), number(cast, plan), family, 1, 365, clock.now + 300 * DAY, 0)
    return kind(*terms, cast.address("adjuster"), 0, clock.soon())


def claim(
    cast: "Cast", what: str, pseudonym: str = "patient", *, kind: Callable[..., Claim] = Submission, **facts: Any
) -> Any:
    """A claim of the hospital's, one of CLAIMS or another, but for what is said otherwise."""
    day = list(CLAIMS).index(what) + 1 if what in CLAIMS else len(CLAIMS) + 1
    values = {
        "plan": number(cast, CLAIMS.get(what, COVER)),
        "provider": MEMBERS.hospital,
        "evidence": digest(f"encounter, {what}"),
        "primary": NONE,
        "lines": [Line(SERVICE, day, UNITS, CHARGED)],
        "salt": digest(f"salt, {what}"),
        "era": 0,
        "deadline": FOREVER,
    }
    return kind(cast.address(pseudonym), **(values | facts))


def settled(cast: "Cast", what: str, pseudonym: str = "patient") -> tuple[Any, ...]:
    """One of CLAIMS as it was decided."""
    plan = CLAIMS[what]
    outcome = (QUANTITY, 0, 0, 0, 0, 0, 0) if plan == HEARD_BY_CARRIER else (0, CHARGED, 0, 0, SHARE, 0, PAID)
    return (claim(cast, what, pseudonym).terms(), NONE, 0, [BENEFITS.get(plan, BENEFIT)], [outcome])


def request(cast: "Cast", what: str) -> tuple[Any, ...]:
    """What the hospital asks an authorization for."""
    return (number(cast, COVER), cast.address("patient"), SERVICE, 1, digest(what))


def authorization(cast: "Cast", what: str) -> bytes:
    """The number of what the hospital asked for."""
    asked = request(cast, what)
    return keccak(encode(["(bytes32,address,bytes32,uint16,bytes32)", "uint32"], [asked, MEMBERS.hospital]))


def agreement(cast: "Cast", what: str) -> Agreement:
    """What is paid by outcome: the hospital treats, the clinic assesses."""
    begun = cast.world.clock.day(31)
    ends = begun + (2 if what == OVER else 100) * DAY
    parties = (number(cast, COVER), cast.address("patient"), MEMBERS.hospital, cast.address("doctor"), MEMBERS.clinic)
    return Agreement(*parties, LITTLE, LITTLE // 2, ends, digest(what), 0, begun + 20 * DAY)


def episode(agreement: Agreement) -> bytes:
    """An episode's number: what is signed, without the domain it is signed for."""
    return bytes(agreement.signable(Domain("", "", 1, "0x" + "00" * 20)).body)


def _publish(cast: "Cast") -> None:
    policies, escrow, insurer = cast.world.policies, cast.world.escrow, cast.accounts["insurer"]
    cast.coin.mint(insurer, len(PLANS) * FUNDS, sender=insurer)
    cast.coin.approve(escrow, len(PLANS) * FUNDS, sender=insurer)
    for name in PLANS[:-1]:
        policies.publish(terms_of_plan(cast, name), sender=insurer)
        escrow.deposit(number(cast, name), FUNDS, sender=insurer)


def _enrol(cast: "Cast") -> None:
    moved = ("pseudonym that moved away", "wallet that it moved to")
    places = [("patient", "patient", plan) for plan in PLANS[:-2]] + [(*moved, COVER)]
    for pseudonym, controller, plan in places:
        terms = enrolment(cast, pseudonym, plan)
        signatures = cast.sign(terms, "adjuster"), cast.sign(terms, controller)
        cast.world.send(terms, *signatures, sender=cast.accounts["relayer"])


def _open(cast: "Cast") -> None:
    world, account = cast.world, cast.accounts
    for holder in (world.episodes, world.carrier):
        world.consortium.setOperator(holder, HOLD_FOR, sender=account["insurer"])
    for what in EPISODES:
        terms = agreement(cast, what)
        world.send(terms, cast.sign(terms, "doctor"), cast.sign(terms, "patient"), sender=account["insurer"])
    for what in ("asked", "asked, and incomplete"):
        world.authorizations.request(request(cast, what), sender=account["doctor"])
    incomplete = authorization(cast, "asked, and incomplete")
    world.authorizations.pend(incomplete, digest("what is missing"), sender=account["insurer"])


def _anchor(cast: "Cast") -> None:
    world, account = cast.world, cast.accounts
    patient, moved, before = account["patient"], account["pseudonym that moved away"], world.clock.now + DAY
    encounters = [digest(f"encounter, {what}") for what in (*CLAIMS, "new")]
    world.records.anchorMany(patient, [TREATMENT, ANOTHER, *encounters], 1, before, sender=account["doctor"])
    world.records.anchorMany(moved, encounters, 1, before, sender=account["doctor"])
    world.records.anchor(patient, OBSERVATION, 1, before, sender=account["colleague"])
    world.episodes.deliver(episode(agreement(cast, DELIVERED)), TREATMENT, sender=account["doctor"])


def _claim(cast: "Cast") -> None:
    places = [("patient", "patient", what) for what in CLAIMS]
    places += [("pseudonym that moved away", "wallet that it moved to", DECIDED)]
    for pseudonym, controller, what in places:
        made = claim(cast, what, pseudonym)
        arguments = made.arguments(cast.sign(made, controller), rows=rows(CLAIMS[what]))
        cast.world.claims.submit(*arguments, sender=cast.accounts["doctor"])


def _dispute(cast: "Cast") -> None:
    appeals, account = cast.world.appeals, cast.accounts
    for what in (APPEALED, APPEALED_LONG_AGO):
        appeals.appeal(claim(cast, what).terms(), digest("reasons"), sender=account["patient"])
    for what in (REFUTED, REFUTED_LONG_AGO):
        appeals.refute(settled(cast, what), 1, OPENINGS, sender=account["insurer"])


def _let_the_carrier(cast: "Cast") -> None:
    """Has the carrier do what the contracts do that decide, hear and hold."""
    escrow, plan = cast.world.escrow, number(cast, BY_CARRIER)
    carry(cast, escrow, "pay", plan, MEMBERS.hospital, LITTLE)
    carry(cast, escrow, "dispute", plan, MEMBERS.hospital, LITTLE // 2)
    carry(cast, escrow, "hold", number(cast, COVER), LITTLE)
    carry(cast, cast.world.claims, "withhold", settled(cast, WITHHELD))


def _hand_out_money(cast: "Cast") -> None:
    coin, takers = cast.coin, (cast.world.policies, cast.world.escrow)
    for name in PAYERS:
        coin.mint(cast.accounts[name], FUNDS, sender=cast.accounts[name])
        for taker in takers:
            coin.approve(taker, FUNDS, sender=cast.accounts[name])
    coin.mint(cast.world.carrier, FUNDS, sender=cast.accounts["stranger"])
    for taker in takers:
        carry(cast, coin, "approve", taker, FUNDS)

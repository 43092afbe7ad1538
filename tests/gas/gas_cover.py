"""The acts of cover, for the table of gas.json: plans, policies, claims from submission to ruling, payment by outcome.

They are measured on a chain of their own, in the counting house of the contracts' tests. A schedule has as many rows as
one of a real plan has levels: each row's proof is as long as in a schedule of a thousand.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from counting_house import (
    CROWN,
    DAY,
    HOLD_FOR,
    ODD,
    SCAN,
    SERVICES,
    VISIT,
    Benefit,
    House,
    Plan,
    Schedule,
    Settled,
    digest,
)
from signature_cases import Event

from theriac.cover.messages import Agreement, Appeal, Claim, EndPolicy, Line, Outcome, Ruling

THOUSAND = 1024
TEN = 10
"""Lines of the larger medical claim."""

WHY = digest("a document")

ROWS = [*SERVICES, *(Benefit(digest(f"service {number}"), price=10_000) for number in range(THOUSAND - len(SERVICES)))]
PLAIN = ROWS[len(SERVICES) : len(SERVICES) + TEN]


@dataclass
class Metered(House):
    """The house, which remembers what was sent and what the last transaction used."""

    sent: set[tuple[str, str]] = field(default_factory=set)
    gas: int = 0

    def send(self, who: str, contract: str, function: str, *arguments: Any) -> list[Event]:
        self.sent.add((contract, function))
        events = super().send(who, contract, function, *arguments)
        self.gas = int(self.chain.web3.eth.get_block("latest")["gasUsed"])
        return events

    def benefits(self, claim: Claim) -> tuple[Benefit, ...]:
        known = {benefit.service: benefit for benefit in ROWS}
        return tuple(known[line.service] for line in claim.lines)


Act = Callable[[Metered, Plan], int]
COVER: dict[str, Act] = {}


def act(words: str) -> Callable[[Callable[[Metered, Plan], object]], Act]:
    """Puts an act into the table: the gas of the last transaction that it sends, or what it returns."""

    def put(measure: Callable[[Metered, Plan], object]) -> Act:
        def measured(house: Metered, plan: Plan) -> int:
            found = measure(house, plan)
            return found if isinstance(found, int) else house.gas

        COVER[words] = measured
        return measured

    return put


def prepared(house: Metered) -> Plan:
    """The state that every act starts from: a plan of a thousand rows with money, and a patient in it."""
    house.schedule = Schedule(ROWS)
    plan = house.plan()
    house.publish(plan)
    house.fund(plan.id, 100_000_000)
    house.enrol(plan.id)
    return plan


def measure_all(house: Metered) -> dict[str, int]:
    """Every act's gas."""
    plan = prepared(house)
    figures = {}
    for words, measured in COVER.items():
        with house.chain.undone():
            figures[words] = measured(house, plan)
    return figures


# -- plans and policies ----------------------------------------------------------------------------------------------


@act("publish a plan")
def _(house: Metered, plan: Plan) -> None:
    house.publish(house.plan(document=digest("another plan")))


@act("close a plan")
def _(house: Metered, plan: Plan) -> None:
    house.send("adjuster", "Policies", "close", plan.id)


@act("enrol by signatures")
def _(house: Metered, plan: Plan) -> None:
    house.enrol(plan.id, "sibling")


@act("enrol")
def _(house: Metered, plan: Plan) -> None:
    terms = house.enrolment(plan.id, "sibling")
    house.send("sibling", "Policies", "enrol", *terms.arguments(house.signature(terms, "adjuster")))


def with_premium(house: Metered) -> bytes:
    plan = house.plan(premium=5_000, premium_days=30, document=digest("plan with premiums"))
    house.publish(plan)
    house.enrol(plan.id)
    house.mint("friend", 100_000)
    spender = house.contracts.policies.address
    house.chain.send(house.account("friend"), house.coin.functions.approve(spender, 2**256 - 1))
    return plan.id


@act("pay a premium")
def _(house: Metered, plan: Plan) -> None:
    number = with_premium(house)
    house.send("friend", "Policies", "payPremium", number, house.address("patient"), 1)


@act("reinstate a policy")
def _(house: Metered, plan: Plan) -> None:
    number = with_premium(house)
    house.chain.at(house.chain.now() + 60 * DAY)
    house.send("adjuster", "Policies", "reinstate", number, house.address("patient"))


@act("end a policy")
def _(house: Metered, plan: Plan) -> None:
    house.send("patient", "Policies", "endPolicy", plan.id, house.address("patient"))


@act("end a policy by signature")
def _(house: Metered, plan: Plan) -> None:
    terms = EndPolicy(house.address("patient"), plan.id, 0, house.soon)
    house.send("relayer", "Policies", "endPolicyBySig", *terms.arguments(house.signature(terms, "patient")))


# -- authorizations --------------------------------------------------------------------------------------------------


def asked(house: Metered, plan: Plan) -> bytes:
    terms = (plan.id, house.address("patient"), SCAN.service, 1, WHY)
    house.send("doctor", "Authorizations", "request", terms)
    return bytes(house.ask("Authorizations", "idOf", terms, 1))


@act("ask for an authorization")
def _(house: Metered, plan: Plan) -> None:
    asked(house, plan)


@act("pend a request for authorization")
def _(house: Metered, plan: Plan) -> None:
    house.send("adjuster", "Authorizations", "pend", asked(house, plan), WHY)


@act("complete a request for authorization")
def _(house: Metered, plan: Plan) -> None:
    number = asked(house, plan)
    house.send("adjuster", "Authorizations", "pend", number, WHY)
    house.send("doctor", "Authorizations", "complete", number, WHY)


@act("authorize")
def _(house: Metered, plan: Plan) -> None:
    house.send("adjuster", "Authorizations", "approve", asked(house, plan), 1, 40_000, house.soon)


@act("refuse an authorization")
def _(house: Metered, plan: Plan) -> None:
    house.send("adjuster", "Authorizations", "refuse", asked(house, plan), WHY)


# -- money -----------------------------------------------------------------------------------------------------------


@act("put money into escrow")
def _(house: Metered, plan: Plan) -> None:
    house.fund(plan.id, 1_000)


@act("take money out of escrow")
def _(house: Metered, plan: Plan) -> None:
    house.send("insurer", "Escrow", "drain", plan.id, 1_000, house.address("insurer"))


@act("say where money goes")
def _(house: Metered, plan: Plan) -> None:
    house.send("hospital", "Escrow", "setPayout", 1, house.address("hospital"), True)


@act("answer for a member's money")
def _(house: Metered, plan: Plan) -> None:
    house.send("hospital", "Escrow", "setPayout", 1, house.address("friend"), False)
    house.send("friend", "Escrow", "answerFor", 1, True)


@act("withdraw what was credited")
def _(house: Metered, plan: Plan) -> None:
    visited(house, plan)
    house.send("hospital", "Escrow", "withdraw", house.coin.address, house.address("hospital"))


# -- claims for services ---------------------------------------------------------------------------------------------


def visit(house: Metered, plan: Plan, *, benefit: Benefit = PLAIN[0], count: int = 1, **other: Any) -> Claim:
    rows = [benefit] if count == 1 else PLAIN[:count]
    lines = (Line(row.service, 1_100 + place, 1, 12_000) for place, row in enumerate(rows))
    return house.claim(plan.id, house.encounter("visit"), *lines, **other)


def visited(house: Metered, plan: Plan, **other: Any) -> Settled:
    return house.submit(visit(house, plan, **other))


@act("medical claim of 1 line")
def _(house: Metered, plan: Plan) -> None:
    visited(house, plan)


@act(f"medical claim of {TEN} lines")
def _(house: Metered, plan: Plan) -> None:
    visited(house, plan, count=TEN)


@act("medical claim of 1 line, the provider's second")
def _(house: Metered, plan: Plan) -> None:
    visited(house, plan)
    house.submit(house.claim(plan.id, house.encounter("later"), Line(PLAIN[1].service, 1_101, 1, 12_000)))


@act("consent by a transaction")
def _(house: Metered, plan: Plan) -> None:
    house.send("patient", "Claims", "consent", visit(house, plan).terms())


@act("reverse a claim of 1 line")
def _(house: Metered, plan: Plan) -> None:
    house.send("doctor", "Claims", "reverse", visited(house, plan).tuple, bytes(32), 0)


@act(f"reverse a claim of {TEN} lines")
def _(house: Metered, plan: Plan) -> None:
    house.send("doctor", "Claims", "reverse", visited(house, plan, count=TEN).tuple, bytes(32), 0)


@act("adjust a claim")
def _(house: Metered, plan: Plan) -> None:
    settled = visited(house, plan)
    claim = house.claim(plan.id, settled.claim.evidence, Line(PLAIN[0].service, 1_100, 1, 9_000), salt=digest("anew"))
    signature = house.signature(claim, "patient")
    house.send("doctor", "Claims", "adjust", settled.tuple, claim.terms(), house.rows(claim), 0, signature)


@act("resume a pended claim")
def _(house: Metered, plan: Plan) -> None:
    claim = house.claim(plan.id, digest("visit"), Line(PLAIN[0].service, 1_100, 1, 12_000))
    house.submit(claim)
    house.encounter("visit")
    house.send("doctor", "Claims", "resume", claim.terms(), house.rows(claim), bytes(32), 0, 0)


@act("review a claim")
def _(house: Metered, plan: Plan) -> None:
    claim = visit(house, plan, benefit=ODD)
    house.submit(claim)
    house.send("reviewer", "Claims", "review", claim.terms(), house.rows(claim), bytes(32), 0, True)


@act("coordinate with an earlier payer")
def _(house: Metered, plan: Plan) -> None:
    first = visited(house, plan, benefit=VISIT)
    second = house.plan(insurer=6, document=digest("second plan"))
    house.publish(second, by="actuary")
    house.fund(second.id, 1_000_000, by="mutual")
    house.enrol(second.id, by="actuary")
    line = Line(PLAIN[0].service, 1_100, 1, 12_000)
    claim = house.claim(second.id, first.claim.evidence, line, primary=first.id)
    signature = house.signature(claim, "patient")
    house.send("doctor", "Claims", "coordinate", claim.terms(), house.rows(claim), first.tuple, 0, signature)


@act("pay a patient's share")
def _(house: Metered, plan: Plan) -> None:
    settled = visited(house, plan, benefit=VISIT)
    house.mint("friend", 20_000)
    house.send("friend", "Escrow", "payShare", plan.id, settled.claim.content, 20_000)


@act("say that a share was received")
def _(house: Metered, plan: Plan) -> None:
    settled = visited(house, plan, benefit=VISIT)
    house.send("doctor", "Claims", "receiveShare", plan.id, settled.claim.content)


# -- claims for goods ------------------------------------------------------------------------------------------------


def pharmacy_claim(house: Metered, plan: Plan, index: int, *, name: str = "prescription") -> int:
    """From the prescription to the paid claim, in two transactions; what both use."""
    lines = house.prescribed()
    terms = house.prescribe(lines, name)
    prescribing = house.gas
    house.dispense(house.claim_for(plan.id, terms, salt=digest(name)), house.goods(terms, lines, index))
    return prescribing + house.gas


@act("prescription to paid claim")
def _(house: Metered, plan: Plan) -> int:
    house.stock(case_bits=2)
    pharmacy_claim(house, plan, 0, name="earlier")
    return pharmacy_claim(house, plan, 1)


@act("prescription to paid claim, the first of a pharmacy and of a case")
def _(house: Metered, plan: Plan) -> int:
    house.stock(case_bits=2)
    return pharmacy_claim(house, plan, 0)


@act("dispense, fill and claim in one")
def _(house: Metered, plan: Plan) -> None:
    house.stock(case_bits=2)
    pharmacy_claim(house, plan, 0, name="earlier")
    pharmacy_claim(house, plan, 1)


@act("dispense, fill and claim in one, sent at once")
def _(house: Metered, plan: Plan) -> None:
    house.send("pharmacy", "Escrow", "setPayout", 3, house.address("pharmacy"), True)
    house.stock(case_bits=2)
    pharmacy_claim(house, plan, 0, name="earlier")
    pharmacy_claim(house, plan, 1)


@act("reverse a pharmacy's claim, and take the pack back")
def _(house: Metered, plan: Plan) -> None:
    house.stock(case_bits=2)
    lines = house.prescribed()
    terms = house.prescribe(lines)
    settled = house.dispense(house.claim_for(plan.id, terms), house.goods(terms, lines, 0))
    house.send("pharmacist", "Claims", "reverse", settled.tuple, terms.id, 0)


# -- appeals and refutations -----------------------------------------------------------------------------------------


def refused(house: Metered, plan: Plan) -> Settled:
    """A claim that was denied, since waiting days were not over."""
    line = Line(CROWN.service, 1_005, 1, 50_000)
    return house.submit(house.claim(plan.id, house.encounter("visit"), line))


@act("appeal")
def _(house: Metered, plan: Plan) -> None:
    house.send("doctor", "Appeals", "appeal", refused(house, plan).claim.terms(), WHY)


@act("appeal by signature")
def _(house: Metered, plan: Plan) -> None:
    settled = refused(house, plan)
    terms = Appeal(house.address("patient"), settled.id, WHY, 0, house.soon)
    arguments = terms.arguments(house.signature(terms, "patient"))
    house.send("relayer", "Appeals", "appealBySig", settled.claim.terms(), *arguments)


@act("grant an appeal, and pay")
def _(house: Metered, plan: Plan) -> None:
    settled = refused(house, plan)
    house.send("doctor", "Appeals", "appeal", settled.claim.terms(), WHY)
    house.send("adjuster", "Appeals", "answer", settled.tuple, [1 << 4], True, WHY)


def refuted(house: Metered, plan: Plan) -> Settled:
    settled = visited(house, plan)
    house.send("adjuster", "Appeals", "refute", settled.tuple, 1, WHY)
    return settled


@act("refute a claim")
def _(house: Metered, plan: Plan) -> None:
    refuted(house, plan)


@act("rule for the insurer")
def _(house: Metered, plan: Plan) -> None:
    house.send("arbiter", "Appeals", "rule", refuted(house, plan).tuple, WHY, True)


@act("rule by signature for the provider")
def _(house: Metered, plan: Plan) -> None:
    settled = refuted(house, plan)
    terms = Ruling(settled.id, WHY, False, house.address("arbiter"), house.soon)
    arguments = terms.arguments(house.signature(terms, "arbiter"))
    house.send("relayer", "Appeals", "ruleBySig", settled.tuple, *arguments)


@act("let a refutation lapse")
def _(house: Metered, plan: Plan) -> None:
    settled = refuted(house, plan)
    house.chain.at(house.chain.now() + 61 * DAY)
    house.send("relayer", "Appeals", "lapse", settled.tuple)


# -- payment by outcome ----------------------------------------------------------------------------------------------


def opened(house: Metered, plan: Plan) -> bytes:
    house.let("insurer", "Episodes", HOLD_FOR)
    terms = Agreement(
        plan=plan.id,
        pseudonym=house.address("patient"),
        provider=1,
        signer=house.address("doctor"),
        assessor=2,
        price=900_000,
        withheld=100_000,
        ends=house.chain.now() + 90 * DAY,
        document=WHY,
        era=0,
        deadline=house.soon,
    )
    signatures = (house.signature(terms, "doctor"), house.signature(terms, "patient"))
    house.send("adjuster", "Episodes", "open", *terms.arguments(*signatures))
    return bytes(house.ask("Episodes", "idOf", *terms.arguments()))


def delivered(house: Metered, plan: Plan) -> bytes:
    number = opened(house, plan)
    house.send("doctor", "Episodes", "deliver", number, house.encounter("discharge"))
    return number


@act("open an episode")
def _(house: Metered, plan: Plan) -> None:
    opened(house, plan)


@act("deliver an episode")
def _(house: Metered, plan: Plan) -> None:
    delivered(house, plan)


@act("assess an episode")
def _(house: Metered, plan: Plan) -> None:
    number = delivered(house, plan)
    observed = house.encounter("observation", by="colleague")
    house.send("colleague", "Episodes", "assess", number, observed, 10_000)


@act("assess an episode by signature")
def _(house: Metered, plan: Plan) -> None:
    number = delivered(house, plan)
    observed = house.encounter("observation", by="colleague")
    terms = Outcome(number, observed, 5_000, house.address("colleague"), house.soon)
    house.send("relayer", "Episodes", "assessBySig", *terms.arguments(house.signature(terms, "colleague")))


@act("let an episode expire")
def _(house: Metered, plan: Plan) -> None:
    number = opened(house, plan)
    house.chain.at(house.chain.now() + 91 * DAY)
    house.send("relayer", "Episodes", "expire", number)

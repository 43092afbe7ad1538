"""Every claim of the public bundles goes through a plan of ours, and the contract decides each as the reference does.

A policy year is a calendar year: what was used starts anew with each, what was paid in a lifetime goes on. What the
chain would know of days and units is kept here as the contract Benefits keeps it. `pytest -s` prints the sums.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from rules_cases import Case
from rules_stage import Stage

from theriac import fhir
from theriac.cover import claims, policies
from theriac.cover.claiming import Status
from theriac.cover.claims import Draft, Settlement, explanation
from theriac.cover.messages import Claim
from theriac.cover.policies import Plan
from theriac.cover.rules import NO_LIMIT, NO_REASON, NONE, Benefit, Decision, Item, Reason, Used, adjustments
from theriac.cover.schedule import Schedule

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("THERIAC_DATA", ROOT.parent / "shared" / "data")) / "fhir"
TIER = 1


@dataclass(frozen=True)
class Sums:
    """What a patient's claims come to, in the token's smallest unit; `reasons` counts lines, `diagnoses` items."""

    claims: int
    lines: int
    diagnoses: int
    charged: int
    allowed: int
    paid: int
    share: int
    reasons: dict[str, int]


EXPECTED = {
    "synthea-r4-a.json": Sums(
        claims=18,
        lines=39,
        diagnoses=3,
        charged=7_329_500_000,
        allowed=6_189_860_000,
        paid=4_800_000_000,
        share=1_389_860_000,
        reasons={"UNAUTHORIZED": 1, "ANNUAL_LIMIT": 1, "GRADE": 1, "FREQUENCY": 1, "LIFETIME_LIMIT": 1},
    ),
    "synthea-r4-b.json": Sums(
        claims=26,
        lines=38,
        diagnoses=5,
        charged=9_208_210_000,
        allowed=6_258_640_000,
        paid=3_605_620_000,
        share=2_653_020_000,
        reasons={"NOT_COVERED": 1, "ANNUAL_LIMIT": 5, "FREQUENCY": 1},
    ),
    "synthea-r4-c.json": Sums(
        claims=15,
        lines=29,
        diagnoses=2,
        charged=5_454_350_000,
        allowed=4_742_980_000,
        paid=3_892_820_000,
        share=850_160_000,
        reasons={"EXCLUDED": 1, "WAITING": 1},
    ),
}


@dataclass
class Policy:
    """A patient's policies, one a calendar year, and what was used of them."""

    person: Used = field(default_factory=Used)
    year: int = 0
    taken: set[tuple[bytes, int]] = field(default_factory=set)
    units: Counter[bytes] = field(default_factory=Counter)

    def begin(self, year: int) -> None:
        if year != self.year:
            self.year, self.person = year, Used(lifetime=self.person.lifetime)
            self.taken.clear()
            self.units.clear()

    def items(self, draft: Draft) -> tuple[Item, ...]:
        """The lines with what the chain would know about them."""
        return tuple(
            Item(
                benefit=each.entry.benefit,
                day=each.line.day,
                units=each.line.units,
                charged=each.line.charged,
                waited=(each.day - date(self.year, 1, 1)).days,
                tier=TIER,
                used_units=self.units[each.line.service] if each.entry.benefit.yearly_units else 0,
                authorization=each.line.authorization,
                found=self.found(each.entry.benefit, each.line.day),
            )
            for each in draft.listed
        )

    def found(self, benefit: Benefit, day: int) -> Reason:
        if day == 0 or (key_of(benefit), day) not in self.taken:
            return NO_REASON
        return Reason.DUPLICATE if benefit.bundle == NONE else Reason.BUNDLED

    def use(self, case: Case) -> None:
        self.person = case.decision.person
        for item, outcome in zip(case.items, case.decision.outcomes, strict=True):
            if not outcome.is_denied:
                self.units[item.benefit.service] += item.units
                self.taken.add((key_of(item.benefit), item.day))


def key_of(benefit: Benefit) -> bytes:
    return benefit.service if benefit.bundle == NONE else benefit.bundle


def read(bundle: Path, schedule: Schedule) -> Iterator[tuple[date, Draft, fhir.Resource]]:
    """A bundle's claims in the order of their services."""
    parts = fhir.split(fhir.parse(bundle.read_bytes())).parts
    by_url = {part.full_url: part.resource.value for part in parts if part.full_url}
    found = []
    for part in parts:
        if part.resource.type != "Claim":
            continue
        claim = part.resource
        prescription = claim.value.get("prescription")
        medicine = by_url[prescription["reference"]] if isinstance(prescription, dict) else None
        year = int(claim.value["billablePeriod"]["start"][:4])
        origin = date(year, 1, 1) - timedelta(days=1000)
        draft = claims.from_fhir(claim, schedule, origin=origin, medicine=medicine, encounters=by_url)
        found.append((draft.listed[0].day, draft, claim))
    return iter(sorted(found, key=lambda each: each[0]))


def cases_of(bundle: Path, plan: Plan, schedule: Schedule) -> Iterator[tuple[Case, Draft, fhir.Resource]]:
    """What is asked of the rules, claim by claim, each with what the ones before have used."""
    policy = Policy()
    for day, draft, claim in read(bundle, schedule):
        policy.begin(day.year)
        case = Case(policy.items(draft), limits=plan.limits, person=policy.person)
        policy.use(case)
        yield case, draft, claim


@pytest.fixture(scope="module")
def plan() -> Plan:
    return policies.parse((ROOT / "examples" / "plan-synthea.yaml").read_bytes())


@pytest.fixture(scope="module")
def schedule(plan: Plan) -> Schedule:
    policies.validate(plan).check()
    return Schedule.of(plan, bytes(range(32)))


@pytest.fixture(params=["synthea-r4-a.json", "synthea-r4-b.json", "synthea-r4-c.json"])
def bundle(request: pytest.FixtureRequest) -> Path:
    name = request.param
    path = DATA / name if (DATA / name).exists() else ROOT / "examples" / "fhir" / name
    if not path.exists():
        pytest.skip(f"{name} is not here; set THERIAC_DATA to the folder that has fhir/{name}.")
    return path


def test_claims__of_a_public_bundle__come_to_these_sums(bundle: Path, plan: Plan, schedule: Schedule) -> None:
    # when
    decided = list(cases_of(bundle, plan, schedule))

    # then
    outcomes = [outcome for case, _, _ in decided for outcome in case.decision.outcomes]
    sums = Sums(
        claims=len(decided),
        lines=len(outcomes),
        diagnoses=sum(len(draft.unlisted) for _, draft, _ in decided),
        charged=sum(item.charged for case, _, _ in decided for item in case.items),
        allowed=sum(outcome.allowed for outcome in outcomes),
        paid=sum(outcome.paid for outcome in outcomes),
        share=sum(case.decision.share for case, _, _ in decided),
        reasons=dict(Counter(reason.name or "" for outcome in outcomes for reason in outcome.reasons)),
    )
    print(f"\n{bundle.name}: {sums.claims} claims, {sums.lines} lines and {sums.diagnoses} diagnoses")
    for name in ("charged", "allowed", "paid", "share"):
        print(f"  {name:8} {plan.shown(getattr(sums, name)):>14}")
    for reason, count in sums.reasons.items():
        print(f"  {reason:14} {count}")
    assert sums == EXPECTED[bundle.name]


def test_claims__the_first_year_of_a_patient__as_worked_out_by_hand(plan: Plan, schedule: Schedule) -> None:
    # given: 1. medicine for 255.00: copay 10.00, the deductible's 100.00, 10 % of the other 145.00
    #        2. the visit that day, 125.00: copay 20.00, 10 % of 105.00
    #        3. an outpatient procedure, 125.00: 10 %; an influenza shot, 140.52, paid whole
    #        4. a check-up, 125.00, paid whole
    by_hand = [[130_500_000], [94_500_000], [112_500_000, 140_520_000], [125_000_000]]

    # when
    bundle = ROOT / "examples" / "fhir" / "synthea-r4-a.json"
    cases = [case for case, draft, _ in cases_of(bundle, plan, schedule) if draft.listed[0].day.year == 2011]

    # then
    assert [[outcome.paid for outcome in case.decision.outcomes] for case in cases] == by_hand
    assert [case.decision.share for case in cases] == [124_500_000, 30_500_000, 12_500_000, 0]
    assert cases[-1].decision.person == Used(
        deductible=100_000_000, out_of_pocket=167_500_000, paid=603_020_000, lifetime=603_020_000
    )


def test_claims__of_a_public_bundle__are_read_whole(bundle: Path, plan: Plan, schedule: Schedule) -> None:
    for _, draft, claim in cases_of(bundle, plan, schedule):
        # then what is charged is the claim's own total, where it names no price too
        total = plan.shown(sum(each.asked for each in draft.listed))
        assert total == f"{float(claim.value['total']['value'].text):.2f} USD"

        # then what the schedule does not list is a diagnosis, which costs nothing
        items = {int(item["sequence"].text): item for item in claim.value["item"]}
        for each in draft.unlisted:
            assert "diagnosisSequence" in items[each.sequence]
            assert "net" not in items[each.sequence]


def test_claims__of_a_public_bundle__no_limit_is_passed(bundle: Path, plan: Plan, schedule: Schedule) -> None:
    years: Counter[int] = Counter()
    for case, draft, _ in cases_of(bundle, plan, schedule):
        decision = case.decision
        years[draft.listed[0].day.year] += decision.paid
        for item, outcome in zip(case.items, decision.outcomes, strict=True):
            # then a line's parts are the whole of it
            assert outcome.paid <= outcome.allowed <= item.charged
            assert outcome.allowed == outcome.borne + outcome.over + outcome.paid
            assert item.charged == outcome.paid + sum(each.amount for each in adjustments(outcome, item.charged))

        # then nothing is paid or borne beyond the plan
        assert decision.paid + decision.share == sum(outcome.allowed for outcome in decision.outcomes)
        assert decision.person.out_of_pocket <= plan.limits.out_of_pocket
        assert decision.person.deductible <= plan.limits.deductible
        assert decision.person.paid == years[draft.listed[0].day.year] <= plan.limits.annual
        assert decision.person.lifetime == years.total() <= plan.limits.lifetime


def test_claims__of_a_public_bundle__have_remittances_that_add_up(bundle: Path, plan: Plan, schedule: Schedule) -> None:
    for case, draft, claim in cases_of(bundle, plan, schedule):
        # given
        lines = tuple(each.line for each in draft.listed)
        decision = case.decision
        settlement = Settlement(
            claim=Claim("0x" + "ab" * 20, b"\5" * 32, 2, b"\6" * 32, NONE, lines, b"\7" * 32, 0, 2**31),
            insurer=1,
            status=Status.DECIDED,
            decided=datetime(2031, 5, 12, tzinfo=UTC),
            outcomes=decision.outcomes,
            paid=decision.paid,
            share=decision.share,
        )

        # when
        origin = draft.listed[0].day - timedelta(days=draft.listed[0].line.day or 1)
        told = fhir.parse(explanation(settlement, schedule, origin=origin))

        # then it is valid, has the services and days of the claim, and sums of what was decided
        assert fhir.problems_of(told) == []
        sums = {
            str(fhir.codes_of(each["category"])[0].code): each["amount"]["value"].text for each in told.value["total"]
        }
        assert Decimal(sums["submitted"]) == Decimal(claim.value["total"]["value"].text)
        assert Decimal(sums["benefit"]) * 10**6 == decision.paid
        assert Decimal(sums["memberliability"]) * 10**6 == decision.share
        for each, item in zip(draft.listed, told.value["item"], strict=True):
            assert item["productOrService"]["coding"][0]["code"] == each.entry.service.code
            assert draft.goods or item["servicedDate"] == each.day.isoformat()


def test_claims__of_a_public_bundle__the_contract_decides_alike(
    bundle: Path, plan: Plan, schedule: Schedule, stage: Stage
) -> None:
    # given
    policy = Policy()
    cases = [case for case, _, _ in cases_of(bundle, plan, schedule)]

    # when
    answers = stage.answers(cases)

    # then each decision is the same, and so what the next one begins with
    assert answers == [case.answer() for case in cases]
    for (day, draft, _), case, answer in zip(read(bundle, schedule), cases, answers, strict=True):
        assert isinstance(answer, bytes)
        policy.begin(day.year)
        asked = Case(policy.items(draft), limits=plan.limits, person=policy.person)
        assert asked == case
        policy.use(asked)
        policy.person = Decision.of(stage.decoded(answer)).person


def test_claims__with_what_an_earlier_payer_left__the_contract_decides_alike(
    bundle: Path, plan: Plan, schedule: Schedule, stage: Stage
) -> None:
    # given: the same claims, when an earlier payer has left a fourth of what is owed
    cases = [case for case, _, _ in cases_of(bundle, plan, schedule)]
    second = [replace(case, most=case.decision.share // 4) for case in cases]

    # then
    assert stage.answers(second) == [case.answer() for case in second]
    assert all(case.decision.paid + case.decision.share <= case.most < NO_LIMIT for case in second)

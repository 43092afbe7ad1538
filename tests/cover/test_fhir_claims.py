"""FHIR claims in, remittances out: what becomes a line, what is refused, and that a remittance adds up."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from eth_typing import HexStr

from theriac import fhir
from theriac.cover import claims, policies
from theriac.cover.claiming import Claimed, Missing, State, Status
from theriac.cover.claims import Draft, Settlement, claim_response, explanation
from theriac.cover.messages import NONE, Claim, Line
from theriac.cover.rules import Outcome, Reason
from theriac.cover.schedule import Schedule
from theriac.errors import BadClaim, NotInSchedule
from theriac.ledger.contracts import Event

ROOT = Path(__file__).parents[2]
CLAIMS = ROOT / "tests" / "fixtures" / "claims"
ORIGIN = date(2030, 1, 1)
SECRET = bytes(range(32))
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"

ENCOUNTERS = {"Encounter/1": {"resourceType": "Encounter", "period": {"start": "2031-05-03T23:30:00-05:00"}}}

WRONG_UNITS = "is no whole number of units from 1 to 65535"
WRONG_DAY = "is no day such as 2031-05-04"
REFUSED = {
    "another_resource": ("the file", "is a Coverage"),
    "status_draft": ("status", "is not 'active'"),
    "use_preauthorization": ("use", "is not 'claim'"),
    "no_items": ("item", "is no list of 1 to 32 items"),
    "items_are_no_list": ("item", "is no list of 1 to 32 items"),
    "too_many_items": ("item", "is no list of 1 to 32 items"),
    "sequence_missing": ("item.sequence", "is no number from 1 on"),
    "sequence_zero": ("item.sequence", "is no number from 1 on"),
    "sequence_twice": ("item.sequence", "has 1 twice"),
    "details": ("item 1", "has details; make each of them an item of its own"),
    "two_services_in_one": ("item 1", "has codes of several services of the plan; leave one"),
    "goods_from_a_clinic": ("item 1", "is goods"),
    "pharmacy_of_a_visit": ("item 1", "is no goods"),
    "pharmacy_of_two_items": ("item", "has more than one item, and a pharmacy claims each medicine by itself"),
    "quantity_of_one_and_a_half": ("the quantity of item 1", WRONG_UNITS),
    "quantity_zero": ("the quantity of item 1", WRONG_UNITS),
    "quantity_without_value": ("the quantity of item 1", WRONG_UNITS),
    "quantity_too_large": ("the quantity of item 1", WRONG_UNITS),
    "net_negative": ("the net of item 2", "is no amount such as 12.50"),
    "net_as_text": ("the net of item 2", "says no amount"),
    "net_without_value": ("the net of item 2", "says no amount"),
    "net_of_7_decimals": ("the net of item 2", "has more than the 6 decimals of the token"),
    "net_in_dollars": ("the net of item 2", "is in another currency than the plan's EUR"),
    "net_too_large": ("the net of item 2", "is too large"),
    "net_with_exponent": ("the net of item 2", "says no amount"),
    "factor_negative": ("the factor of item 3", "is no number from 0 on"),
    "day_is_a_month": ("the day of item 2", WRONG_DAY),
    "day_that_never_was": ("the day of item 2", WRONG_DAY),
    "day_in_words": ("the day of item 2", WRONG_DAY),
    "day_long_ago": ("the service day", "is far outside of what the policy can count"),
    "no_day": ("item 4", "has no day, and the claim has no billable period"),
}


@pytest.fixture(scope="module")
def schedule() -> Schedule:
    return Schedule.of(policies.parse((ROOT / "examples" / "plan.yaml").read_bytes()), SECRET)


def read(name: str, schedule: Schedule, **options: Any) -> Draft:
    claim = fhir.parse((CLAIMS / f"{name}.json").read_bytes())
    return claims.from_fhir(claim, schedule, origin=ORIGIN, encounters=ENCOUNTERS, **options)


def number(schedule: Schedule, system: str, code: str) -> bytes:
    entry = schedule.find(system, code)
    assert entry is not None
    return entry.benefit.service


# -- days ------------------------------------------------------------------------------------------------------------


def test_day_of__counts_from_the_origin() -> None:
    assert claims.day_of(date(2030, 1, 2), ORIGIN) == 1
    assert claims.day_of(date(2031, 1, 1), ORIGIN) == 365
    assert claims.day_of(date(2209, 6, 7), ORIGIN) == 2**16 - 1
    assert claims.date_of(365, ORIGIN) == date(2031, 1, 1)


@pytest.mark.parametrize("day", [ORIGIN, date(2029, 12, 31), date(2209, 6, 8), date(1900, 1, 1)])
def test_day_of__a_day_without_a_number__is_refused(day: date) -> None:
    with pytest.raises(BadClaim):
        claims.day_of(day, ORIGIN)


# -- claims in -------------------------------------------------------------------------------------------------------


def test_fixtures__every_file__is_tried() -> None:
    assert {path.stem for path in CLAIMS.glob("*.json")} == {"clinic", "pharmacy", *REFUSED}


@pytest.mark.parametrize("name", ["clinic", "pharmacy"])
def test_fixtures__the_plain_ones__are_valid_fhir(name: str) -> None:
    assert fhir.problems_of(fhir.parse((CLAIMS / f"{name}.json").read_bytes())) == []


def test_from_fhir__a_clinics_claim__lines_with_days_units_and_charges(schedule: Schedule) -> None:
    # when
    draft = read("clinic", schedule)

    # then: the visit on its encounter's day, in the zone it was written in, at the plan's price; the X-ray's own day
    # and net; 3 × 20.25 × 0.5; and therapy, which is sensitive, at no more than the plan's price
    assert draft.lines() == (
        Line(number(schedule, SNOMED, "185345009"), day=487, units=1, charged=90_000_000),
        Line(number(schedule, SNOMED, "19490002"), day=488, units=1, charged=99_500_000),
        Line(number(schedule, SNOMED, "117015009"), day=489, units=3, charged=30_375_000),
        Line(number(schedule, SNOMED, "75516001"), day=485, units=1, charged=80_000_000),
    )
    assert [each.asked for each in draft.listed] == [90_000_000, 99_500_000, 30_375_000, 150_000_000]
    assert [each.day.day for each in draft.listed] == [3, 4, 5, 1]
    assert draft.goods is False


def test_from_fhir__a_sensitive_service_below_its_price__says_that_it_can_be_told(schedule: Schedule) -> None:
    # given: therapy, of which the plan pays 80.00, for 79.99
    told = json.loads((CLAIMS / "clinic.json").read_bytes())
    told["item"][3]["net"]["value"] = 79.99

    # when
    draft = claims.from_fhir(fhir.parse(json.dumps(told).encode()), schedule, origin=ORIGIN)

    # then
    assert [each.is_told_by_charge for each in draft.listed] == [False, False, False, True]
    assert draft.listed[3].line.charged == 79_990_000
    assert not any(each.is_told_by_charge for each in read("clinic", schedule).listed)


def test_from_fhir__without_its_encounter__the_claims_first_day(schedule: Schedule) -> None:
    claim = fhir.parse((CLAIMS / "clinic.json").read_bytes())

    draft = claims.from_fhir(claim, schedule, origin=ORIGIN)

    assert draft.listed[0].day == date(2031, 5, 1)


def test_from_fhir__an_authorization__stands_in_its_line(schedule: Schedule) -> None:
    draft = read("clinic", schedule, authorizations={2: b"\7" * 32})

    assert [line.authorization for line in draft.lines()] == [NONE, b"\7" * 32, NONE, NONE]


def test_from_fhir__a_pharmacys_claim__is_goods_without_a_day(schedule: Schedule) -> None:
    # when
    draft = read("pharmacy", schedule)

    # then: 2 × 5.10
    assert draft.goods is True
    assert draft.lines() == (Line(number(schedule, RXNORM, "310965"), day=0, units=2, charged=10_200_000),)
    assert draft.listed[0].day == date(2031, 5, 1)


@pytest.mark.parametrize(
    "medicine",
    [
        {
            "resourceType": "MedicationRequest",
            "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": "313782"}]},
        },
        {"code": {"coding": [{"system": RXNORM, "code": "313782"}]}},
    ],
)
def test_from_fhir__a_prescription__says_what_the_goods_are(schedule: Schedule, medicine: Any) -> None:
    draft = read("pharmacy", schedule, medicine=medicine)

    assert [each.entry.service.code for each in draft.listed] == ["313782"]


def test_from_fhir__services_that_are_not_listed__are_told(schedule: Schedule) -> None:
    # given
    told = json.loads((CLAIMS / "clinic.json").read_bytes())
    told["item"][1]["productOrService"] = {"coding": [{"system": SNOMED, "code": "1", "display": "Something new"}]}
    told["item"][2]["productOrService"] = {"text": "Words alone"}

    # when
    draft = claims.from_fhir(fhir.parse(json.dumps(told).encode()), schedule, origin=ORIGIN)

    # then
    assert [each.sequence for each in draft.listed] == [1, 4]
    assert [(each.sequence, str(each)) for each in draft.unlisted] == [
        (2, "Something new (item 2)"),
        (3, "Words alone (item 3)"),
    ]
    with pytest.raises(NotInSchedule) as refused:
        draft.lines()
    assert str(refused.value) == (
        "The plan's schedule does not list Something new (item 2), Words alone (item 3); claim it elsewhere or ask the "
        "insurer."
    )


@pytest.mark.parametrize("name", REFUSED)
def test_from_fhir__a_fault__is_told_in_one_sentence(name: str, schedule: Schedule) -> None:
    # given
    where, fault = REFUSED[name]

    # when
    with pytest.raises(BadClaim) as refused:
        read(name, schedule)

    # then
    assert (refused.value.where, refused.value.fault) == (where, fault)
    assert str(refused.value) == f"This claim cannot be used: {where} {fault}; correct it and try again."


# -- remittances out -------------------------------------------------------------------------------------------------


def settled(schedule: Schedule, **changes: Any) -> Settlement:
    """Three lines: paid in part, denied, and cut by a limit.

    1. An X-ray, charged 99.50, allowed 85.00: deductible 25.00, coinsurance 20 % of 60.00, paid 48.00.
    2. Another the same day, a duplicate.
    3. Therapy, charged and allowed 80.00: copay 10.00, 70.00 due and only 30.00 left of the year.
    """
    xray = number(schedule, SNOMED, "19490002")
    lines = (
        Line(xray, 488, 1, 99_500_000),
        Line(xray, 488, 1, 99_500_000),
        Line(number(schedule, SNOMED, "75516001"), 485, 1, 80_000_000),
    )
    claim = Claim("0x" + "ab" * 20, b"\5" * 32, 2, b"\6" * 32, NONE, lines, b"\7" * 32, 0, 2**31)
    outcomes = (
        Outcome(allowed=85_000_000, deductible=25_000_000, coinsurance=12_000_000, paid=48_000_000),
        Outcome(Reason.DUPLICATE),
        Outcome(Reason.ANNUAL_LIMIT, allowed=80_000_000, copay=10_000_000, over=40_000_000, paid=30_000_000),
    )
    plain = Settlement(
        claim=claim,
        insurer=3,
        status=Status.DECIDED,
        decided=datetime(2031, 5, 12, 9, 30, tzinfo=UTC),
        outcomes=outcomes,
        paid=78_000_000,
        share=87_000_000,
    )
    return replace(plain, **changes)


def test_settlement__of_a_claim_on_the_chain__is_what_the_chain_says(schedule: Schedule) -> None:
    # given
    expected = settled(schedule)
    decided = int(expected.decided.timestamp())
    state = State(Status.DECIDED, Missing.NOTHING, 0, 2, decided - 60, decided, 78_000_000, 87_000_000, b"\1" * 32)
    submitted = Event("Claims", "Submitted", {}, 7, HexStr("0x" + "22" * 32), HexStr("0x" + "33" * 32), 0)
    claimed = Claimed(expected.claim, (), b"", NONE, 0, expected.outcomes, state, submitted)

    # then
    assert Settlement.of(claimed, insurer=3) == expected
    pending = replace(claimed, state=replace(state, decided=0), outcomes=())
    assert Settlement.of(pending, insurer=3).decided == datetime(2031, 5, 12, 9, 29, tzinfo=UTC)


def parts(item: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Category, amount and CARC with its group of each adjudication."""
    return [
        (
            each["category"]["coding"][0]["code"],
            each["amount"]["value"],
            *(coding["code"] for coding in each.get("reason", {}).get("coding", [])),
        )
        for each in item["adjudication"]
    ]


ADJUDICATED = [
    [
        ("submitted", 99.5),
        ("eligible", 85),
        ("discount", 14.5, "45", "CO"),
        ("deductible", 25, "1", "PR"),
        ("coinsurance", 12, "2", "PR"),
        ("benefit", 48),
    ],
    [("submitted", 99.5), ("eligible", 0), ("noncovered", 99.5, "18", "OA"), ("benefit", 0)],
    [("submitted", 80), ("eligible", 80), ("copay", 10, "3", "PR"), ("noncovered", 40, "119", "PR"), ("benefit", 30)],
]


def test_explanation__a_decided_claim__tells_services_days_and_amounts(schedule: Schedule) -> None:
    # when
    data = explanation(settled(schedule), schedule, origin=ORIGIN)

    # then
    told = json.loads(data)
    assert rfc8785.dumps(told) == data
    assert fhir.problems_of(fhir.parse(data)) == []
    assert [parts(item) for item in told["item"]] == ADJUDICATED
    assert [item["servicedDate"] for item in told["item"]] == ["2031-05-04", "2031-05-04", "2031-05-01"]
    assert told["item"][2]["productOrService"]["coding"] == [
        {"system": SNOMED, "code": "75516001", "display": "Psychotherapy"}
    ]
    assert told["billablePeriod"] == {"start": "2031-05-01", "end": "2031-05-04"}
    assert told["item"][0]["net"] == {"value": 99.5, "currency": "EUR"}
    assert (told["status"], told["outcome"]) == ("active", "complete")
    assert told["disposition"] == "The patient owes 87.00 EUR."
    assert told["patient"] == {"identifier": {"system": "urn:theriac:pseudonym", "value": "0x" + "ab" * 20}}
    assert told["item"][1]["adjudication"][2]["reason"]["text"] == "It was claimed already."


def test_claim_response__a_decided_claim__the_same_adjudications_and_sums(schedule: Schedule) -> None:
    # when
    settlement = settled(schedule)
    data = claim_response(settlement, schedule)

    # then
    told = json.loads(data)
    assert rfc8785.dumps(told) == data
    assert fhir.problems_of(fhir.parse(data)) == []
    assert [parts(item) for item in told["item"]] == ADJUDICATED
    assert [(each["category"]["coding"][0]["code"], each["amount"]["value"]) for each in told["total"]] == [
        ("submitted", 279),
        ("eligible", 165),
        ("benefit", 78),
        ("memberliability", 87),
    ]
    assert told["payment"]["amount"] == {"value": 78, "currency": "EUR"}
    assert told["identifier"] == [{"system": "urn:theriac:claim", "value": settlement.claim.id.hex()}]
    assert told["created"] == "2031-05-12T09:30:00+00:00"


def test_remittance__what_was_submitted__is_adjusted_to_what_was_paid(schedule: Schedule) -> None:
    told = json.loads(explanation(settled(schedule), schedule, origin=ORIGIN))

    for item in told["item"]:
        amounts = [(name, round(value * 10**6)) for name, value, *_ in parts(item)]
        adjusted = sum(value for name, value in amounts if name not in ("submitted", "eligible", "benefit"))
        submitted, paid = (next(v for n, v in amounts if n == name) for name in ("submitted", "benefit"))
        assert submitted - adjusted == paid


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (
            Missing.EVIDENCE,
            f"The claim waits: {Missing.EVIDENCE.sentence}.",
        ),
        (Missing.REVIEW, "The claim waits: the insurer's reviewer has to decide."),
        (Missing.FUNDS, "The claim waits: the plan's escrow cannot pay it."),
    ],
)
def test_remittance__a_pended_claim__is_queued_and_says_for_what(
    schedule: Schedule, missing: Missing, said: str
) -> None:
    # given
    pended = settled(schedule, status=Status.PENDED, outcomes=(), paid=0, share=0, missing=missing)

    # when
    both = [claim_response(pended, schedule), explanation(pended, schedule, origin=ORIGIN)]

    # then
    for data in both:
        told = json.loads(data)
        assert fhir.problems_of(fhir.parse(data)) == []
        assert (told["status"], told["outcome"], told["disposition"]) == ("active", "queued", said)
        assert not {"payment", "total"} & set(told)


@pytest.mark.parametrize(
    ("status", "word", "said"),
    [
        (Status.REVERSED, "cancelled", "The claim was reversed, and what was paid given back."),
        (
            Status.DISPUTED,
            "active",
            "The insurer disputes the claim; what was paid is withheld until the arbiter rules.",
        ),
    ],
)
def test_remittance__money_that_went_back__is_no_payment(
    schedule: Schedule, status: Status, word: str, said: str
) -> None:
    data = claim_response(settled(schedule, status=status), schedule)

    told = json.loads(data)
    assert fhir.problems_of(fhir.parse(data)) == []
    assert (told["status"], told["disposition"]) == (word, said)
    assert "payment" not in told


def test_remittance__goods__are_a_pharmacys_without_a_day(schedule: Schedule) -> None:
    # given: a pack of 4.80 with a copay of 1.00
    line = Line(number(schedule, RXNORM, "310965"), 0, 1, 4_800_000)
    whole = settled(schedule)
    goods = replace(
        whole,
        claim=replace(whole.claim, lines=(line,)),
        outcomes=(Outcome(allowed=4_800_000, copay=1_000_000, paid=3_800_000),),
        paid=3_800_000,
        share=1_000_000,
    )

    # when
    data = explanation(goods, schedule, origin=ORIGIN)

    # then
    told = json.loads(data)
    assert fhir.problems_of(fhir.parse(data)) == []
    assert told["type"]["coding"][0]["code"] == "pharmacy"
    assert "servicedDate" not in told["item"][0]
    assert "billablePeriod" not in told
    assert parts(told["item"][0]) == [("submitted", 4.8), ("eligible", 4.8), ("copay", 1, "3", "PR"), ("benefit", 3.8)]


@pytest.mark.parametrize("reason", list(Reason))
def test_remittance__every_reason__has_its_code_and_sentence(schedule: Schedule, reason: Reason) -> None:
    # given
    line = Line(number(schedule, SNOMED, "19490002"), 488, 1, 85_000_000)
    outcome = Outcome(reason) if int(reason) < 2**16 else Outcome(reason, allowed=85_000_000, over=85_000_000)
    whole = settled(schedule)
    one = replace(whole, claim=replace(whole.claim, lines=(line,)), outcomes=(outcome,), paid=0, share=0)

    # when
    told = json.loads(claim_response(one, schedule))

    # then
    (reasoned,) = (each["reason"] for each in told["item"][0]["adjudication"] if "reason" in each)
    assert reasoned == {
        "coding": [
            {"system": "https://x12.org/codes/claim-adjustment-reason-codes", "code": reason.carc},
            {"system": "https://x12.org/codes/claim-adjustment-group-codes", "code": reason.group.value},
        ],
        "text": reason.sentence,
    }


def test_remittance__another_plans_schedule__is_refused(schedule: Schedule) -> None:
    other = Schedule.of(policies.parse((ROOT / "examples" / "plan.yaml").read_bytes()), bytes(32))

    with pytest.raises(BadClaim) as refused:
        claim_response(settled(schedule), other)
    assert str(refused.value) == (
        "This claim cannot be used: line 1 is of a service that this schedule does not list; correct it and try again."
    )


def test_remittance__outcomes_of_another_claim__are_refused(schedule: Schedule) -> None:
    with pytest.raises(BadClaim):
        claim_response(settled(schedule, outcomes=settled(schedule).outcomes[:2]), schedule)


def test_remittance__an_amount_that_json_would_change__is_refused(schedule: Schedule) -> None:
    whole = settled(schedule)
    lines = (replace(whole.claim.lines[0], charged=2**56 - 1), *whole.claim.lines[1:])

    with pytest.raises(BadClaim) as refused:
        claim_response(replace(whole, claim=replace(whole.claim, lines=lines)), schedule)
    assert refused.value.fault == "has more digits than JSON keeps"

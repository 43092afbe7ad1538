"""FHIR R4 for claims: a Claim becomes lines of the chain, and what the chain decided becomes a remittance.

A claim's lines come from Claim.item (http://hl7.org/fhir/R4/claim.html). What the chain says of a decision has salted
numbers and counted days; with the schedule and the policy's origin, which are sealed to those who may know, and with
nothing else, it is told as a ClaimResponse and as an ExplanationOfBenefit.

Days are counted from the origin, a secret of the policy: a date's number says nothing to whoever lacks it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from theriac.cover.claiming import Claimed, Missing, Status
from theriac.cover.messages import MOST_CHARGED, MOST_LINES, NONE, Line
from theriac.cover.messages import Claim as Consented
from theriac.cover.policies import plain, whole
from theriac.cover.rules import Adjustment, Outcome, Reason, adjustments
from theriac.cover.schedule import Entry, Schedule
from theriac.errors import BadClaim, NotInSchedule
from theriac.fhir import Code, Json, Number, Object, Resource, codes_of
from theriac.ledger.codec import canonical_json

MOST_UNITS = 2**16 - 1
LAST_DAY = 2**16 - 1

# -- days ------------------------------------------------------------------------------------------------------------


def day_of(day: date, origin: date) -> int:
    """The number of a day. Raises BadClaim for one that a policy of this origin has no number for."""
    number = (day - origin).days
    if not 0 < number <= LAST_DAY:
        raise BadClaim(where="the service day", fault="is far outside of what the policy can count")
    return number


def date_of(day: int, origin: date) -> date:
    """The day that a number stands for."""
    return origin + timedelta(days=day)


# -- a FHIR Claim ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Listed:
    """An item of a Claim that the schedule lists, as a line.

    `day` is when it was done, for goods too, whose lines have none. `asked` is what the provider charges; the line of a
    sensitive service asks for no more than the plan's price, which is paid at most, or its charge would tell it.
    """

    sequence: int
    entry: Entry
    day: date
    asked: int
    line: Line

    @property
    def is_told_by_charge(self) -> bool:
        """Whether a sensitive service is charged below the plan's price: then the chain shows a charge of its own."""
        return self.entry.service.is_sensitive and self.line.charged < self.entry.benefit.price * self.line.units


@dataclass(frozen=True)
class Unlisted:
    """An item of a Claim that the schedule does not list. `codes` is what it is called, `day` when it was done."""

    sequence: int
    codes: tuple[Code, ...]
    day: date

    def __str__(self) -> str:
        code = self.codes[0] if self.codes else Code(None, None)
        return f"{code.display or code.code or 'something without a code'} (item {self.sequence})"


@dataclass(frozen=True)
class Draft:
    """What a FHIR Claim comes to under a plan's schedule."""

    goods: bool
    listed: tuple[Listed, ...]
    unlisted: tuple[Unlisted, ...]

    def lines(self) -> tuple[Line, ...]:
        """The lines, where the schedule lists them all. Raises NotInSchedule."""
        if self.unlisted:
            raise NotInSchedule(services=[str(each) for each in self.unlisted])
        return tuple(each.line for each in self.listed)


def from_fhir(
    claim: Resource,
    schedule: Schedule,
    *,
    origin: date,
    medicine: Mapping[str, Json] | None = None,
    encounters: Mapping[str, Mapping[str, Json]] | None = None,
    authorizations: Mapping[int, bytes] | None = None,
) -> Draft:
    """The lines of a FHIR Claim. Raises BadClaim.

    An item is found in the schedule by its codings. A pharmacy's claim is for goods: its one item is what `medicine`
    names, a MedicationRequest, MedicationDispense or Medication, where that is given. Its day is `servicedDate`, else
    the first of `servicedPeriod`, of its encounter's period (`encounters`, by reference as it is written) or of the
    claim's `billablePeriod`. Its charge is `net`, else `unitPrice` for each unit, else the plan's price.

    Units are whole. A quantity such as 1.5 is refused: rounded up it would be charged without having been given, and
    rounded down given without being paid.

    `authorizations` are the numbers of what was authorized before, by the item's sequence.
    """
    told = claim.value
    _check_kind(claim)
    goods = _is_pharmacys(told)
    items = _objects(told.get("item"))
    if not 0 < len(items) <= MOST_LINES:
        raise BadClaim(where="item", fault=f"is no list of 1 to {MOST_LINES} items")
    if goods and len(items) != 1:
        raise BadClaim(where="item", fault="has more than one item, and a pharmacy claims each medicine by itself")

    listed: list[Listed] = []
    unlisted: list[Unlisted] = []
    seen: set[int] = set()
    for item in items:
        sequence = _sequence(item, seen)
        codes = codes_of(item.get("productOrService"))
        if goods and medicine is not None:
            codes = _medicines(medicine)
        day = _day(item, told, encounters or {}, sequence)
        entry = _entry(codes, schedule, sequence)
        if entry is None:
            unlisted.append(Unlisted(sequence, tuple(codes), day))
            continue
        if entry.service.goods != goods:
            raise BadClaim(where=f"item {sequence}", fault="is goods" if entry.service.goods else "is no goods")
        listed.append(_listed(item, entry, schedule, origin, day, sequence, (authorizations or {}).get(sequence, NONE)))
    return Draft(goods, tuple(listed), tuple(unlisted))


def _check_kind(claim: Resource) -> None:
    if claim.type != "Claim":
        raise BadClaim(where="the file", fault=f"is a {claim.type[:40]}")
    for name, wanted in (("status", "active"), ("use", "claim")):
        if claim.value.get(name) != wanted:
            raise BadClaim(where=name, fault=f"is not '{wanted}'")


def _is_pharmacys(claim: Mapping[str, Json]) -> bool:
    return any(code.code == "pharmacy" for code in codes_of(claim.get("type")))


def _sequence(item: Object, seen: set[int]) -> int:
    told = item.get("sequence")
    if not isinstance(told, Number) or not told.text.isdigit() or not 0 < int(told.text[:9]) < 2**31:
        raise BadClaim(where="item.sequence", fault="is no number from 1 on")
    sequence = int(told.text)
    if sequence in seen:
        raise BadClaim(where="item.sequence", fault=f"has {sequence} twice")
    if item.get("detail"):
        raise BadClaim(where=f"item {sequence}", fault="has details; make each of them an item of its own")
    seen.add(sequence)
    return sequence


def _medicines(medicine: Mapping[str, Json]) -> list[Code]:
    """The codes of a prescription's or a dispense's medicine, or of a Medication."""
    return codes_of(medicine.get("medicationCodeableConcept") or medicine.get("code"))


def _entry(codes: Iterable[Code], schedule: Schedule, sequence: int) -> Entry | None:
    """What the schedule lists of an item's codes, which all say the same thing."""
    pairs = ((code.system, code.code) for code in codes if code.system and code.code)
    found = {pair: entry for pair in pairs if (entry := schedule.find(*pair))}
    if len(found) > 1:
        raise BadClaim(where=f"item {sequence}", fault="has codes of several services of the plan; leave one")
    return next(iter(found.values()), None)


def _listed(
    item: Object, entry: Entry, schedule: Schedule, origin: date, day: date, sequence: int, authorization: bytes
) -> Listed:
    units = _units(item.get("quantity"), sequence)
    price = entry.benefit.price * units
    asked = _asked(item, units, schedule, sequence)
    if asked is None:
        asked = price
    if asked >= MOST_CHARGED:
        raise BadClaim(where=f"item {sequence}", fault="charges more than any claim may")
    line = Line(
        service=entry.benefit.service,
        day=0 if entry.service.goods else day_of(day, origin),
        units=units,
        charged=min(asked, price) if entry.service.is_sensitive else asked,
        authorization=authorization,
    )
    return Listed(sequence, entry, day, asked, line)


def _units(quantity: Json, sequence: int) -> int:
    if quantity is None:
        return 1
    number = _number(quantity.get("value") if isinstance(quantity, dict) else None)
    if number is None or number != number.to_integral_value() or not 0 < number <= MOST_UNITS:
        raise BadClaim(
            where=f"the quantity of item {sequence}", fault=f"is no whole number of units from 1 to {MOST_UNITS}"
        )
    return int(number)


def _asked(item: Object, units: int, schedule: Schedule, sequence: int) -> int | None:
    """What an item charges for all its units, in the token's smallest unit."""
    if item.get("net") is not None:
        return _money(item["net"], Decimal(1), schedule, f"the net of item {sequence}")
    if item.get("unitPrice") is None:
        return None
    factor = Decimal(1) if item.get("factor") is None else _number(item["factor"])
    if factor is None or factor < 0:
        raise BadClaim(where=f"the factor of item {sequence}", fault="is no number from 0 on")
    return _money(item["unitPrice"], factor * units, schedule, f"the unit price of item {sequence}")


def _money(value: Json, times: Decimal, schedule: Schedule, where: str) -> int:
    told = value if isinstance(value, dict) else {}
    if told.get("currency") not in (None, schedule.currency):
        raise BadClaim(where=where, fault=f"is in another currency than the plan's {schedule.currency}")
    number = _number(told.get("value"))
    if number is None:
        raise BadClaim(where=where, fault="says no amount")
    try:
        return whole(_written(number * times), schedule.decimals)
    except ValueError as error:
        raise BadClaim(where=where, fault=str(error)) from None


def _written(number: Decimal) -> str:
    """A number without an exponent, and without zeros at the end of its decimals."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _number(value: Json) -> Decimal | None:
    """A JSON number, where it is one that an amount or a quantity can be."""
    if not isinstance(value, Number) or len(value.text) > 24 or set(value.text) & set("eE"):
        return None
    return Decimal(value.text)


def _day(item: Object, claim: Mapping[str, Json], encounters: Mapping[str, Mapping[str, Json]], sequence: int) -> date:
    references = [each.get("reference") for each in _objects(item.get("encounter"))]
    met = [encounters[each] for each in references if isinstance(each, str) and each in encounters]
    told = [
        item.get("servicedDate"),
        _start(item.get("servicedPeriod")),
        *(_start(encounter.get("period")) for encounter in met),
        _start(claim.get("billablePeriod")),
    ]
    found = next((each for each in told if each is not None), None)
    if found is None:
        raise BadClaim(where=f"item {sequence}", fault="has no day, and the claim has no billable period")
    try:
        if not isinstance(found, str) or found[10:11] not in ("", "T"):
            raise ValueError
        return date.fromisoformat(found[:10])
    except ValueError:
        raise BadClaim(where=f"the day of item {sequence}", fault="is no day such as 2031-05-04") from None


def _start(period: Json) -> Json:
    return period.get("start") if isinstance(period, dict) else None


def _objects(value: Json) -> list[Object]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


# -- a remittance ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settlement:
    """What the chain says of a claim.

    `outcomes` are those of its lines, none while it pends; `share` is what the patient owes still; `decided` is when it
    was decided last, or while it pends when it was submitted.
    """

    claim: Consented
    insurer: int
    status: Status
    decided: datetime
    outcomes: tuple[Outcome, ...] = ()
    paid: int = 0
    share: int = 0
    missing: Missing = Missing.NOTHING

    @classmethod
    def of(cls, claimed: Claimed, *, insurer: int) -> "Settlement":
        """A claim as it was read from the chain."""
        state = claimed.state
        return cls(
            claim=claimed.claim,
            insurer=insurer,
            status=state.status,
            decided=datetime.fromtimestamp(state.decided or state.time, UTC),
            outcomes=claimed.outcomes,
            paid=state.paid,
            share=state.share,
            missing=state.missing,
        )


def claim_response(settlement: Settlement, schedule: Schedule) -> bytes:
    """A ClaimResponse, as canonical JSON (RFC 8785). Raises BadClaim where the schedule is another plan's."""
    lines = _told_lines(settlement, schedule)
    items = [{"itemSequence": number, "adjudication": line.adjudication()} for number, line in enumerate(lines, 1)]
    values = {**_head("ClaimResponse", settlement, schedule), **_sums(lines, settlement, schedule)}
    values["request"] = {"identifier": _identifier("claim", settlement.claim.id.hex())}
    values["requestor"] = {"identifier": _identifier("member", str(settlement.claim.provider))}
    if settlement.outcomes:
        values["item"] = items
    return canonical_json(values)


def explanation(settlement: Settlement, schedule: Schedule, *, origin: date) -> bytes:
    """An ExplanationOfBenefit, as canonical JSON (RFC 8785). Raises BadClaim where the schedule is another plan's."""
    lines = _told_lines(settlement, schedule)
    values = {**_head("ExplanationOfBenefit", settlement, schedule), **_sums(lines, settlement, schedule)}
    values["claim"] = {"identifier": _identifier("claim", settlement.claim.id.hex())}
    values["provider"] = {"identifier": _identifier("member", str(settlement.claim.provider))}
    values["insurance"] = [
        {"focal": True, "coverage": {"identifier": _identifier("plan", settlement.claim.plan.hex())}}
    ]
    values["item"] = [line.item(number, origin) for number, line in enumerate(lines, 1)]
    days = [line.line.day for line in lines if line.line.day]
    if days:
        values["billablePeriod"] = {
            "start": date_of(min(days), origin).isoformat(),
            "end": date_of(max(days), origin).isoformat(),
        }
    return canonical_json(values)


CARC = "https://x12.org/codes/claim-adjustment-reason-codes"
GROUPS = "https://x12.org/codes/claim-adjustment-group-codes"
_ADJUDICATION = "http://terminology.hl7.org/CodeSystem/adjudication"
_BLUE_BUTTON = "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBAdjudication"
_CLAIM_TYPE = "http://terminology.hl7.org/CodeSystem/claim-type"

# An adjustment's code says which part of the line it is; every other is told as not covered.
_PARTS = {
    "1": (_ADJUDICATION, "deductible"),
    "2": (_BLUE_BUTTON, "coinsurance"),
    "3": (_ADJUDICATION, "copay"),
    "23": (_BLUE_BUTTON, "priorpayerpaid"),
    "45": (_BLUE_BUTTON, "discount"),
}
_SAID = {
    "1": "Deductible.",
    "2": "Coinsurance.",
    "3": "Copay.",
    "45": "More was charged than the plan allows.",
}


@dataclass(frozen=True)
class _Told:
    """A line with what it stands for and what was decided about it."""

    line: Line
    entry: Entry
    outcome: Outcome | None
    schedule: Schedule

    def item(self, number: int, origin: date) -> dict[str, Any]:
        service, line = self.entry.service, self.line
        values: dict[str, Any] = {
            "sequence": number,
            "productOrService": {
                "coding": [{"system": service.system, "code": service.code, "display": service.display}]
            },
            "quantity": {"value": line.units},
            "net": _amount(line.charged, self.schedule),
        }
        if line.day:
            values["servicedDate"] = date_of(line.day, origin).isoformat()
        if self.outcome:
            values["adjudication"] = self.adjudication()
        return values

    def adjudication(self) -> list[dict[str, Any]]:
        """Submitted, allowed, each adjustment with its reason, paid; the adjustments are what lies between."""
        if self.outcome is None:
            return []
        parts = [
            self._part(_ADJUDICATION, "submitted", self.line.charged),
            self._part(_ADJUDICATION, "eligible", self.outcome.allowed),
        ]
        for each in adjustments(self.outcome, self.line.charged):
            part = self._part(*_PARTS.get(each.carc, (_BLUE_BUTTON, "noncovered")), each.amount)
            parts.append({**part, "reason": self._reason(each)})
        return [*parts, self._part(_ADJUDICATION, "benefit", self.outcome.paid)]

    def _part(self, system: str, code: str, amount: int) -> dict[str, Any]:
        return {"category": _concept(system, code), "amount": _amount(amount, self.schedule)}

    def _reason(self, adjustment: Adjustment) -> dict[str, Any]:
        reasons = self.outcome.reasons if self.outcome else Reason(0)
        text = _SAID.get(adjustment.carc) or reasons.first.sentence
        return {
            "coding": [{"system": CARC, "code": adjustment.carc}, {"system": GROUPS, "code": adjustment.group.value}],
            "text": text,
        }


def _told_lines(settlement: Settlement, schedule: Schedule) -> list[_Told]:
    lines, outcomes = settlement.claim.lines, settlement.outcomes
    if outcomes and len(outcomes) != len(lines):
        raise BadClaim(where="what was decided", fault="is of another number of lines")
    told = []
    for number, line in enumerate(lines):
        entry = schedule.entry(line.service)
        if entry is None:
            raise BadClaim(where=f"line {number + 1}", fault="is of a service that this schedule does not list")
        told.append(_Told(line, entry, outcomes[number] if outcomes else None, schedule))
    return told


def _head(kind: str, settlement: Settlement, schedule: Schedule) -> dict[str, Any]:
    claim, is_pended = settlement.claim, settlement.status is Status.PENDED
    goods = any(entry.service.goods for line in claim.lines if (entry := schedule.entry(line.service)))
    values: dict[str, Any] = {
        "resourceType": kind,
        "identifier": [_identifier("claim", claim.id.hex())],
        "status": "cancelled" if settlement.status is Status.REVERSED else "active",
        "type": _concept(_CLAIM_TYPE, "pharmacy" if goods else "institutional"),
        "use": "claim",
        "patient": {"identifier": _identifier("pseudonym", claim.pseudonym)},
        "created": settlement.decided.astimezone(UTC).isoformat(timespec="seconds"),
        "insurer": {"identifier": _identifier("member", str(settlement.insurer))},
        "outcome": "queued" if is_pended else "complete",
    }
    if said := _disposition(settlement, schedule):
        values["disposition"] = said
    return values


def _disposition(settlement: Settlement, schedule: Schedule) -> str:
    match settlement.status:
        case Status.PENDED:
            return f"The claim waits: {settlement.missing.sentence}."
        case Status.DISPUTED:
            return "The insurer disputes the claim; what was paid is withheld until the arbiter rules."
        case Status.REVERSED:
            return "The claim was reversed, and what was paid given back."
    return f"The patient owes {plain(settlement.share, schedule.decimals)} {schedule.currency}."


def _sums(lines: Sequence[_Told], settlement: Settlement, schedule: Schedule) -> dict[str, Any]:
    if not settlement.outcomes:
        return {}
    sums = [
        (_ADJUDICATION, "submitted", sum(each.line.charged for each in lines)),
        (_ADJUDICATION, "eligible", sum(each.allowed for each in settlement.outcomes)),
        (_ADJUDICATION, "benefit", sum(each.paid for each in settlement.outcomes)),
        (_BLUE_BUTTON, "memberliability", settlement.share),
    ]
    values: dict[str, Any] = {
        "total": [
            {"category": _concept(system, code), "amount": _amount(amount, schedule)} for system, code, amount in sums
        ]
    }
    if settlement.status is Status.DECIDED:
        values["payment"] = {
            "type": _concept("http://terminology.hl7.org/CodeSystem/ex-paymenttype", "complete"),
            "amount": _amount(settlement.paid, schedule),
        }
    return values


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def _identifier(kind: str, value: str) -> dict[str, str]:
    return {"system": f"urn:theriac:{kind}", "value": value}


def _amount(amount: int, schedule: Schedule) -> dict[str, Any]:
    """A FHIR Money. JSON's numbers keep fifteen digits; one that has more and would be changed is refused."""
    exact = plain(amount, schedule.decimals)
    number = float(exact)
    if Decimal(repr(number)) != exact:
        raise BadClaim(where="an amount of the claim", fault="has more digits than JSON keeps")
    return {"value": int(number) if number.is_integer() else number, "currency": schedule.currency}

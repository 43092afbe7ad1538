"""FHIR R4 for prescriptions: what a MedicationRequest allows, and the MedicationDispense of what was given.

Only `dispenseRequest` (http://hl7.org/fhir/R4/medicationrequest.html) says how much and when; what it leaves open, the
prescriber says. A request is kept as the text that came.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from theriac.errors import BadRequest
from theriac.fhir import Json, Number, Resource
from theriac.ledger.codec import canonical_json

MOST_UNITS = 2**16 - 1
MOST_REFILLS = 2**8 - 1
MOST_DAYS = 2**16 - 1

_DAYS = {"d": 1, "day": 1, "days": 1, "wk": 7, "week": 7, "weeks": 7}
"""Units of UCUM, and how people write them, in days. A month has no number of days."""


@dataclass(frozen=True)
class Allowed:
    """How much of something may be given, and when: `quantity` units and again `refills` times, `interval` days apart
    (zero for at any time), from the beginning of the day `first` to the end of `last`, UTC.
    """

    quantity: int
    refills: int
    interval: int
    first: date
    last: date

    @property
    def earliest(self) -> int:
        """The second from which it may be given."""
        return _midnight(self.first)

    @property
    def latest(self) -> int:
        """The second from which it may be given no more."""
        return _midnight(self.last + timedelta(days=1))


@dataclass(frozen=True)
class Unsaid:
    """What holds where a request says nothing: for how many days from `today`, and how much."""

    today: date
    days: int = 28
    quantity: int | None = None


def allowed(request: Resource, unsaid: Unsaid) -> Allowed:
    """What a MedicationRequest allows. Raises BadRequest."""
    if request.type != "MedicationRequest":
        raise BadRequest(where="the file", fault=f"is a {request.type[:40]}")
    _check_intent(request.value)
    if not name_of(request.value):
        raise BadRequest(where="medication[x]", fault="names nothing")
    asked = request.value.get("dispenseRequest")
    told: Mapping[str, Json] = asked if isinstance(asked, dict) else {}

    first, last = _period(told.get("validityPeriod"), unsaid)
    found = Allowed(
        quantity=_quantity(told.get("quantity"), unsaid),
        refills=_whole(told.get("numberOfRepeatsAllowed"), "numberOfRepeatsAllowed", least=0, most=MOST_REFILLS) or 0,
        interval=_interval(told.get("dispenseInterval")),
        first=first,
        last=last,
    )
    if found.last < unsaid.today:
        raise BadRequest(where="validityPeriod", fault="is over")
    if found.quantity * (found.refills + 1) > MOST_UNITS:
        raise BadRequest(where="quantity", fault=f"comes to more than {MOST_UNITS} units with its refills")
    return found


def name_of(request: Mapping[str, Json]) -> str:
    """What a MedicationRequest calls its medicine: the text, else a coding's display or code; empty for nothing."""
    concept = request.get("medicationCodeableConcept")
    if isinstance(concept, dict):
        codings = concept.get("coding")
        coded = [each for each in codings if isinstance(each, dict)] if isinstance(codings, list) else []
        texts = [concept.get("text"), *(each.get(key) for each in coded for key in ("display", "code"))]
        return next((text for text in texts if isinstance(text, str) and text.strip()), "")
    reference = request.get("medicationReference")
    found = reference.get("display") or reference.get("reference") if isinstance(reference, dict) else None
    return found if isinstance(found, str) else ""


def codes_in(request: Mapping[str, Json]) -> frozenset[tuple[str, str]]:
    """The codings of the medicine: system and code."""
    concept = request.get("medicationCodeableConcept")
    codings = concept.get("coding") if isinstance(concept, dict) else None
    return frozenset(
        (str(each.get("system", "")), str(each["code"]))
        for each in (codings if isinstance(codings, list) else [])
        if isinstance(each, dict) and each.get("code")
    )


def dispensed(
    request: Mapping[str, Json],
    *,
    prescription: bytes,
    line: int,
    units: int,
    at: datetime,
    pharmacy: str,
    product: str,
) -> bytes:
    """A MedicationDispense of what was given, as canonical JSON (RFC 8785).

    `product` is the GTIN or the national number on the pack; `pharmacy` what the pharmacy is called.
    """
    concept: Any = _plain(request.get("medicationCodeableConcept"))
    values: dict[str, Any] = {
        "resourceType": "MedicationDispense",
        "status": "completed",
        "medicationCodeableConcept": concept if isinstance(concept, dict) else {"text": name_of(request)},
        "quantity": {"value": units},
        "whenHandedOver": at.astimezone(UTC).isoformat(timespec="seconds"),
        "performer": [{"actor": {"display": pharmacy}}],
        "authorizingPrescription": [
            {"identifier": {"system": "urn:theriac:prescription", "value": f"{prescription.hex()}/{line}"}}
        ],
        "note": [{"text": f"Dispensed as {product}."}],
    }
    return canonical_json(values)


def _check_intent(request: Mapping[str, Json]) -> None:
    for name, wanted in (("status", ("active",)), ("intent", ("order", "original-order", "instance-order"))):
        if request.get(name) not in wanted:
            raise BadRequest(where=name, fault=f"is not '{wanted[0]}'")
    if request.get("doNotPerform"):
        raise BadRequest(where="doNotPerform", fault="says that it is not to be given")


def _quantity(value: Json, unsaid: Unsaid) -> int:
    asked = value.get("value") if isinstance(value, dict) else None
    found = _whole(asked, "dispenseRequest.quantity", least=1, most=MOST_UNITS)
    if found is None:
        found = unsaid.quantity
    if found is None:
        raise BadRequest(where="dispenseRequest.quantity", fault="says no amount")
    return found


def _interval(value: Json) -> int:
    if value is None:
        return 0
    told = value if isinstance(value, dict) else {}
    unit = _DAYS.get(str(told.get("code") or told.get("unit") or "d").lower())
    count = _whole(told.get("value"), "dispenseInterval", least=1, most=MOST_DAYS)
    if unit is None or count is None or count * unit > MOST_DAYS:
        raise BadRequest(where="dispenseInterval", fault="is no number of days or weeks")
    return count * unit


def _period(value: Json, unsaid: Unsaid) -> tuple[date, date]:
    told = value if isinstance(value, dict) else {}
    first = _day(told.get("start"), "validityPeriod.start") or unsaid.today
    last = _day(told.get("end"), "validityPeriod.end") or max(first, unsaid.today) + timedelta(days=unsaid.days - 1)
    if last < first:
        raise BadRequest(where="validityPeriod", fault="ends before it starts")
    return first, last


def _day(value: Json, where: str) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        raise BadRequest(where=where, fault="is no day such as 2031-05-04") from None


def _whole(value: Json, where: str, *, least: int, most: int) -> int | None:
    if value is None:
        return None
    number = Decimal(value.text) if isinstance(value, Number) else Decimal(-1)
    if number != number.to_integral_value() or not least <= number <= most:
        raise BadRequest(where=where, fault=f"is no whole number from {least} to {most}")
    return int(number)


def _plain(value: Json) -> Any:
    """The value with its numbers as Python's, for JSON that is written anew."""
    match value:
        case Number(text):
            return int(text) if text.lstrip("-").isdigit() else float(text)
        case list():
            return [_plain(each) for each in value]
        case dict():
            return {name: _plain(each) for name, each in value.items()}
    return value


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())

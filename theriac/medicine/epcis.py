"""The steps of a pack's way, each written as one event of EPCIS 2.0 in the words of CBV 2.0 (GS1 standards).

A step holds plain values, checks them when it is made, and gives its event in JSON-LD; `document` puts events together.
Which step becomes which event is the table in docs/protocol/epcis.md. The other direction is `epcis_read`, the check
against GS1's schema `epcis_schema`, the hash that goes on the chain `epcis_hash`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Final

from theriac.errors import BadStep
from theriac.medicine.epcis_hash import EXTENSION, PREFIXES, event_hash, event_id
from theriac.medicine.epcis_names import (
    Item,
    Lot,
    Pack,
    check_giai,
    check_gln,
    check_text,
    device_uri,
    party_uri,
    place_uri,
)

CONTEXT: Final = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
MEAN_KINETIC: Final = EXTENSION + "mean-kinetic-temperature"
MINUTES_OUTSIDE: Final = EXTENSION + "minutes-outside-limits"

_OFFER = re.compile(r"[0-9A-Za-z._\-]{1,128}")
# A URI without what could pass for the next field in the text that is hashed.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:(?:[A-Za-z0-9\-._~:/?#@!$&'()*+,;]|%[0-9A-Fa-f]{2}){1,500}")
_EVENT_ID = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[!-~]{1,500}")
_FARTHEST: Final = timedelta(hours=14)

Event = dict[str, Any]


class End(StrEnum):
    """How a pack leaves the trade without being dispensed."""

    DECOMMISSIONED = "decommissioned"
    DESTROYED = "destroyed"
    SAMPLED = "sampled"
    EXPORTED = "exported"
    STOLEN = "stolen"
    RETURNED = "returned"


class Reason(StrEnum):
    """Why an event is declared an error (CBV 2.0, section 7.5)."""

    DID_NOT_OCCUR = "did_not_occur"
    INCORRECT_DATA = "incorrect_data"


def packs(gtin: str, serials: Iterable[str]) -> tuple[Pack, ...]:
    """Packs of one product by their serials. Raises BadIdentifier."""
    return tuple(Pack(gtin, serial) for serial in serials)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that happened at one time, at one place.

    `time` carries an offset and is cut to milliseconds, which is what an event's hash keeps. `place` is the GLN of
    where it happened. `salt` is 16 to 64 random bytes: an event whose hash goes on the chain needs one, because a time,
    two GLNs and an SSCC can be guessed and tried. Raises BadStep and BadIdentifier.
    """

    time: datetime
    place: str | None = None
    salt: bytes | None = None

    kind: ClassVar[str] = "ObjectEvent"
    action: ClassVar[str | None] = "OBSERVE"
    # Where the things are afterwards: at the place of the step, or on their way.
    stays: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", self._milliseconds(self.time))
        if self.place is not None:
            check_gln(self.place)
        if self.salt is not None and not 16 <= len(self.salt) <= 64:
            raise self._wrong("a salt has 16 to 64 bytes")
        self._check()

    @property
    def digest(self) -> bytes:
        """The hash of the event, 32 bytes: what is anchored on the chain."""
        return event_hash(self._bare())

    @property
    def event(self) -> Event:
        """The event in JSON-LD with its eventID, to stand in a document of `document`."""
        event = self._bare()
        return {"type": event["type"], "eventID": event_id(event), **event}

    def _bare(self) -> Event:
        event: Event = {
            "type": self.kind,
            "eventTime": self.time.isoformat(timespec="milliseconds"),
            "eventTimeZoneOffset": _offset(self.time),
        }
        if self.action is not None:
            event["action"] = self.action
        event |= self._body()
        if self.place is not None:
            event["readPoint"] = {"id": place_uri(self.place)}
            if self.stays:
                event["bizLocation"] = {"id": place_uri(self.place)}
        if self.salt is not None:
            event["theriac:salt"] = "0x" + self.salt.hex()
        return event

    def _check(self) -> None:
        """What a kind of step demands beyond its types."""

    def _body(self) -> Event:
        """The fields of the event that its kind of step fills."""
        raise NotImplementedError

    def _wrong(self, fault: str) -> BadStep:
        return BadStep(step=type(self).__name__, fault=fault)

    def _milliseconds(self, time: datetime) -> datetime:
        offset = time.utcoffset()
        if offset is None or abs(offset) > _FARTHEST or offset % timedelta(minutes=1):
            raise self._wrong("its time needs an offset from UTC in whole minutes, 14 hours at most")
        if not 1900 <= time.year <= 9998:
            raise self._wrong(f"the year {time.year} cannot be meant")
        return time.replace(microsecond=time.microsecond // 1000 * 1000)


@dataclass(frozen=True, kw_only=True)
class ObjectStep(Step):
    """A step that is about things: packs and containers by name, lots by amount."""

    items: tuple[Item, ...] = ()
    lots: tuple[Lot, ...] = ()

    step: ClassVar[str | None] = None
    disposition: ClassVar[str | None] = None

    def _check(self) -> None:
        if not self.items and not self.lots:
            raise self._wrong("it is about nothing: no items and no lots")
        _once(self, self.items)

    def _body(self) -> Event:
        body: Event = _listed(epcList=_uris(self.items), quantityList=_amounts(self.lots))
        if self.step:
            body["bizStep"] = self.step
        if self.disposition:
            body["disposition"] = self.disposition
        return body


@dataclass(frozen=True, kw_only=True)
class Commissioning(ObjectStep):
    """Things get their names: packs of one lot, or containers. `expiry` is the lot's last day."""

    lot: str | None = None
    expiry: date | None = None

    action: ClassVar[str | None] = "ADD"
    step: ClassVar[str | None] = "commissioning"
    disposition: ClassVar[str | None] = "active"

    def _check(self) -> None:
        super()._check()
        _master_data(self, self.lot)

    def _body(self) -> Event:
        return super()._body() | _ilmd(self.lot, self.expiry)


@dataclass(frozen=True, kw_only=True)
class _Aggregation(Step):
    container: Item
    items: tuple[Item, ...] = ()
    lots: tuple[Lot, ...] = ()

    kind: ClassVar[str] = "AggregationEvent"
    step: ClassVar[str] = ""

    def _check(self) -> None:
        _once(self, (self.container, *self.items))

    def _body(self) -> Event:
        inside = _listed(childEPCs=_uris(self.items), childQuantityList=_amounts(self.lots))
        return {"parentID": self.container.uri, **inside, "bizStep": self.step, "disposition": "in_progress"}


@dataclass(frozen=True, kw_only=True)
class Packing(_Aggregation):
    """Things go into a container: packs into a case, cases onto a pallet."""

    action: ClassVar[str | None] = "ADD"
    step: ClassVar[str] = "packing"

    def _check(self) -> None:
        super()._check()
        if not self.items and not self.lots:
            raise self._wrong("nothing goes into the container")


@dataclass(frozen=True, kw_only=True)
class Unpacking(_Aggregation):
    """Things leave a container; without items and lots everything does."""

    action: ClassVar[str | None] = "DELETE"
    step: ClassVar[str] = "unpacking"


@dataclass(frozen=True, kw_only=True)
class _Transfer(ObjectStep):
    giver: str
    receiver: str
    destination: str | None = None
    offer: str | None = None
    returning: bool = False

    transaction: ClassVar[str] = ""
    ordinary: ClassVar[str] = ""

    def _check(self) -> None:
        super()._check()
        for gln in (self.giver, self.receiver, self.destination):
            if gln is not None:
                check_gln(gln)
        if self.giver == self.receiver:
            raise self._wrong("its giver is its receiver")
        if self.offer is not None and not _OFFER.fullmatch(self.offer):
            raise self._wrong("an offer's name has 1 to 128 letters, digits, dots, dashes and underlines")

    def _body(self) -> Event:
        body = super()._body() | {"disposition": "returned" if self.returning else self.ordinary}
        if self.offer is not None:
            # CBV names a transaction by the GLN of who issued it, then its own name.
            name = f"urn:epcglobal:cbv:bt:{self.giver}:{self.offer}"
            body["bizTransactionList"] = [{"type": self.transaction, "bizTransaction": name}]
        body["sourceList"] = [{"type": "possessing_party", "source": party_uri(self.giver)}]
        body["destinationList"] = [{"type": "possessing_party", "destination": party_uri(self.receiver)}]
        if self.destination is not None:
            body["destinationList"].append({"type": "location", "destination": place_uri(self.destination)})
        return body


@dataclass(frozen=True, kw_only=True)
class Shipping(_Transfer):
    """Things leave for their receiver. `giver` and `receiver` are GLNs of parties, `destination` that of a place.

    `offer` is the chain's offer, `returning` says that they go back towards the maker.
    """

    stays: ClassVar[bool] = False
    step: ClassVar[str | None] = "shipping"
    ordinary: ClassVar[str] = "in_transit"
    transaction: ClassVar[str] = "desadv"


@dataclass(frozen=True, kw_only=True)
class Receiving(_Transfer):
    """Things arrive and are taken over: the fields of Shipping, seen from the receiver."""

    step: ClassVar[str | None] = "receiving"
    ordinary: ClassVar[str] = "in_progress"
    transaction: ClassVar[str] = "recadv"


@dataclass(frozen=True, kw_only=True)
class VoidShipping(ObjectStep):
    """Things that were said to be shipped never left: the offer was withdrawn."""

    step: ClassVar[str | None] = "void_shipping"
    disposition: ClassVar[str | None] = "in_progress"


@dataclass(frozen=True, kw_only=True)
class Dispensing(ObjectStep):
    """Packs are handed to a patient. To undo it, declare it an error that did not occur (ErrorDeclaration)."""

    stays: ClassVar[bool] = False
    step: ClassVar[str | None] = "dispensing"
    disposition: ClassVar[str | None] = "dispensed"


@dataclass(frozen=True)
class EndWords:
    """How CBV says an end; `marked` where it has no words of its own and the event carries the end's name besides."""

    action: str
    step: str | None
    disposition: str
    marked: bool = False


ENDS: Final[Mapping[End, EndWords]] = {
    End.DECOMMISSIONED: EndWords("DELETE", "decommissioning", "inactive"),
    End.DESTROYED: EndWords("DELETE", "destroying", "destroyed"),
    End.SAMPLED: EndWords("OBSERVE", "sampling", "non_sellable_other", marked=True),
    End.EXPORTED: EndWords("OBSERVE", "departing", "non_sellable_other", marked=True),
    # No step: nobody who would write it down saw it.
    End.STOLEN: EndWords("OBSERVE", None, "stolen"),
    End.RETURNED: EndWords("OBSERVE", "holding", "returned", marked=True),
}


def words_of(end: End) -> str:
    """An end's mark in an event. The reference implementation of the hash would take a bare word for one of CBV's."""
    return f"as {end}"


@dataclass(frozen=True, kw_only=True)
class Ending(ObjectStep):
    """Things leave the trade without being dispensed, as `end` says."""

    end: End

    def _body(self) -> Event:
        words = ENDS[self.end]
        body = super()._body() | {"action": words.action, "disposition": words.disposition}
        if words.step:
            body["bizStep"] = words.step
        if words.marked:
            body["theriac:ended"] = words_of(self.end)
        if self.end is End.STOLEN:
            body["persistentDisposition"] = {"set": ["stolen"]}
        return body

    def _bare(self) -> Event:
        event = super()._bare()
        if self.end in (End.EXPORTED, End.STOLEN):
            event.pop("bizLocation", None)
        return event


@dataclass(frozen=True, kw_only=True)
class Recall(ObjectStep):
    """A lot or single packs may no longer be sold; with `lifted`, they may again."""

    lifted: bool = False

    def _body(self) -> Event:
        if self.lifted:
            return super()._body() | {"bizStep": "inspecting", "persistentDisposition": {"unset": ["recalled"]}}
        words = {"bizStep": "holding", "disposition": "recalled", "persistentDisposition": {"set": ["recalled"]}}
        return super()._body() | words


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One temperature of a logger, in degrees Celsius."""

    time: datetime
    celsius: Decimal


@dataclass(frozen=True, kw_only=True)
class ColdChain(ObjectStep):
    """What a logger measured beside things from `start` to `end`; temperatures in degrees Celsius.

    `mean_kinetic` is the mean kinetic temperature (ICH Q1A), `minutes_outside` how long the limits were left,
    `exceeded` that it was too long. `device` is the logger's GIAI, `raw` the URI of the signed readings in the store.
    `readings` may repeat some or all of them; they are kept in order of time.
    """

    start: datetime | None = None
    end: datetime | None = None
    device: str | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    mean: Decimal | None = None
    mean_kinetic: Decimal | None = None
    minutes_outside: int | None = None
    exceeded: bool = False
    raw: str | None = None
    readings: tuple[Reading, ...] = ()

    step: ClassVar[str | None] = "sensor_reporting"

    def _check(self) -> None:
        super()._check()
        for name in ("start", "end"):
            if (time := getattr(self, name)) is not None:
                object.__setattr__(self, name, self._milliseconds(time))
        if self.start and self.end and self.end < self.start:
            raise self._wrong("its window ends before it starts")
        if self.device is not None:
            check_giai(self.device)
        if self.raw is not None and not _URI.fullmatch(self.raw):
            raise self._wrong("where its raw data is should be a URI")
        if self.minutes_outside is not None and not 0 <= self.minutes_outside < 2**40:
            raise self._wrong("minutes outside the limits count from 0")
        cut = (Reading(time=self._milliseconds(each.time), celsius=each.celsius) for each in self.readings)
        object.__setattr__(self, "readings", tuple(sorted(cut, key=lambda each: (each.time, each.celsius))))
        if all(report["type"] != "Temperature" for report in self._reports()):
            raise self._wrong("it holds no temperature")

    def _body(self) -> Event:
        times = {"startTime": self.start, "endTime": self.end}
        metadata = {name: time.isoformat(timespec="milliseconds") for name, time in times.items() if time}
        if self.device is not None:
            metadata["deviceID"] = device_uri(self.device)
        if self.raw is not None:
            metadata["rawData"] = self.raw
        element: Event = {"sensorMetadata": metadata} if metadata else {}
        reports = self._reports()
        if self.exceeded:
            reports[0]["exception"] = "ALARM_CONDITION"
        return super()._body() | {"sensorElementList": [element | {"sensorReport": reports}]}

    def _reports(self) -> list[Event]:
        """Temperatures first."""
        temperature: Event = {"type": "Temperature", "uom": "CEL"}
        reports: list[Event] = []
        values = {"minValue": self.minimum, "maxValue": self.maximum, "meanValue": self.mean}
        extremes = {name: self._celsius(value) for name, value in values.items() if value is not None}
        if extremes:
            reports.append(temperature | extremes)
        if self.mean_kinetic is not None:
            value = self._celsius(self.mean_kinetic)
            reports.append(temperature | {"dataProcessingMethod": MEAN_KINETIC, "value": value})
        for reading in self.readings:
            time = reading.time.isoformat(timespec="milliseconds")
            reports.append(temperature | {"time": time, "value": self._celsius(reading.celsius)})
        if self.minutes_outside is not None:
            method = {"type": "Time", "uom": "MIN", "dataProcessingMethod": MINUTES_OUTSIDE}
            reports.append(method | {"value": self.minutes_outside})
        return reports

    def _celsius(self, value: Decimal) -> int | float:
        if not value.is_finite() or not Decimal("-273.15") <= value <= 1000:
            raise self._wrong(f"{value} is no temperature in degrees Celsius")
        return _number(self, value)


@dataclass(frozen=True, kw_only=True)
class Transformation(Step):
    """Raw lots become other lots or packs.

    Parts of one run that were written down separately carry the same `run`, a URI; otherwise both sides are needed.
    `lot` and `expiry` are those of what comes out.
    """

    input_items: tuple[Item, ...] = ()
    input_lots: tuple[Lot, ...] = ()
    items: tuple[Item, ...] = ()
    lots: tuple[Lot, ...] = ()
    lot: str | None = None
    expiry: date | None = None
    run: str | None = None

    kind: ClassVar[str] = "TransformationEvent"
    action: ClassVar[str | None] = None

    def _check(self) -> None:
        sides = (self.input_items or self.input_lots, self.items or self.lots)
        if not all(sides) and not (any(sides) and self.run):
            raise self._wrong("it needs what goes in and what comes out, or a run that ties the two together")
        if self.run is not None and not _URI.fullmatch(self.run):
            raise self._wrong("its run should be a URI")
        _once(self, self.input_items)
        _once(self, self.items)
        _master_data(self, self.lot)

    def _body(self) -> Event:
        body = _listed(
            inputEPCList=_uris(self.input_items),
            inputQuantityList=_amounts(self.input_lots),
            outputEPCList=_uris(self.items),
            outputQuantityList=_amounts(self.lots),
        )
        if self.run is not None:
            body["transformationID"] = self.run
        words = {"bizStep": "commissioning" if self.items else "creating_class_instance", "disposition": "in_progress"}
        return body | words | _ilmd(self.lot, self.expiry)


@dataclass(frozen=True, kw_only=True)
class ErrorDeclaration:
    """A step is declared an error (EPCIS 2.0, section 7.4.1.2): the same event again, with a declaration.

    It has the hash and the eventID of the step it takes back. `corrective` are the eventIDs of what should stand
    instead: where one pack of several is undone, the dispensing of the others.
    """

    step: Step
    declared: datetime
    reason: Reason
    corrective: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "declared", self.step._milliseconds(self.declared))
        if not all(_EVENT_ID.fullmatch(each) for each in self.corrective):
            raise BadStep(step="ErrorDeclaration", fault="eventIDs are URIs")

    @property
    def event(self) -> Event:
        """The event in JSON-LD, to stand in a document of `document`."""
        declaration: Event = {
            "declarationTime": self.declared.isoformat(timespec="milliseconds"),
            "reason": str(self.reason),
        }
        if self.corrective:
            declaration["correctiveEventIDs"] = list(self.corrective)
        return self.step.event | {"errorDeclaration": declaration}


def document(events: Iterable[Step | ErrorDeclaration], *, created: datetime) -> Event:
    """One EPCIS document of these steps in their order, as a value for `json.dumps`. Raises BadStep."""
    if created.utcoffset() is None:
        raise BadStep(step="document", fault="the time of its creation needs an offset from UTC")
    return {
        "@context": [CONTEXT, {name: PREFIXES[name] for name in ("cbvmda", "theriac")}],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": created.isoformat(timespec="milliseconds"),
        "epcisBody": {"eventList": [step.event for step in events]},
    }


def _offset(time: datetime) -> str:
    offset = time.utcoffset() or timedelta()
    minutes = abs(offset) // timedelta(minutes=1)
    return f"{'-' if offset < timedelta() else '+'}{minutes // 60:02}:{minutes % 60:02}"


def _uris(items: tuple[Item, ...]) -> list[str]:
    return [item.uri for item in items]


def _amounts(lots: tuple[Lot, ...]) -> list[Event]:
    return [_amount(lot) for lot in lots]


def _amount(lot: Lot) -> Event:
    amount: Event = {"epcClass": lot.uri}
    if lot.quantity is not None:
        amount["quantity"] = _number(lot, lot.quantity)
    if lot.unit is not None:
        amount["uom"] = lot.unit
    return amount


def _number(holder: object, value: Decimal) -> int | float:
    """The number as JSON carries it to every reader, which is with 15 digits."""
    if value == int(value) and abs(value) < 2**53:
        return int(value)
    number = float(value)
    if Decimal(repr(number)) != value:
        raise BadStep(step=type(holder).__name__, fault=f"{value} has more digits than JSON carries")
    return number


def _listed(**lists: list[Any]) -> Event:
    return {name: values for name, values in lists.items() if values}


def _ilmd(lot: str | None, expiry: date | None) -> Event:
    """Instance or lot master data, in CBV's attributes."""
    ilmd = {}
    if lot is not None:
        ilmd["cbvmda:lotNumber"] = lot
    if expiry is not None:
        ilmd["cbvmda:itemExpirationDate"] = expiry.isoformat()
    return {"ilmd": ilmd} if ilmd else {}


def _master_data(step: Step, lot: str | None) -> None:
    if lot is not None:
        check_text(lot, kind="lot", longest=20)


def _once(step: Step, items: tuple[Item, ...]) -> None:
    if len(set(items)) != len(items):
        raise step._wrong("a thing is in it twice")

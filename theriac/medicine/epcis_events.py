"""One EPCIS event of anybody's as a step, or the reason why it is none.

Names are asked for by what they mean: a bare word, a CBV URN, a web vocabulary URI and a prefixed name are one word, an
EPC URN and a Digital Link one thing. What a step does not hold (other transactions, extensions) is passed over.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

from theriac.errors import BadIdentifier
from theriac.medicine.epcis import (
    ENDS,
    MEAN_KINETIC,
    MINUTES_OUTSIDE,
    ColdChain,
    Commissioning,
    Dispensing,
    End,
    Ending,
    Packing,
    Reading,
    Recall,
    Receiving,
    Shipping,
    Step,
    Transformation,
    Unpacking,
    VoidShipping,
    words_of,
)
from theriac.medicine.epcis_hash import EXTENSION, PREFIXES, expand, parse_time
from theriac.medicine.epcis_names import Item, Lot, device_of, gln_of, item_of, lot_of, shown

_CBV: Final = PREFIXES["cbv"]
_URNS: Final = {"BizStep": "bizstep", "Disp": "disp", "BTT": "btt", "SDT": "sdt", "ER": "er"}
_MASTER: Final = "urn:epcglobal:cbv:mda"
_LOT_NAMES: Final = (f"{_MASTER}:lotNumber", f"{_MASTER}lotNumber", "https://gs1.org/voc/hasBatchLotNumber")
_EXPIRY_NAMES: Final = (
    f"{_MASTER}:itemExpirationDate",
    f"{_MASTER}itemExpirationDate",
    "https://gs1.org/voc/expirationDate",
)
_OFFSET = re.compile(r"[+-]\d\d:\d\d", re.ASCII)
_OFFER = re.compile(r"[0-9A-Za-z._\-]{1,128}")
_DIGITS = re.compile(r"0x((?:[0-9a-f]{2})+)")

_S = TypeVar("_S", bound=Step)


class NoStep(Exception):
    """Why an event becomes no step. Its reader lists it; it never reaches a caller of `read`."""


def step_of(event: Mapping[str, Any], prefixes: Mapping[str, str]) -> Step:
    """The step that an event tells of. Raises NoStep, BadStep and BadIdentifier."""
    return _Event(event, prefixes).step()


def word(text: str, vocabulary: str, prefixes: Mapping[str, str]) -> str:
    """CBV's short word, out of any of the ways to write it; a name of another vocabulary stays whole.

    `vocabulary` is BizStep, Disp, BTT, SDT or ER.
    """
    full = expand(text.strip(), prefixes)
    return full.removeprefix(f"urn:epcglobal:cbv:{_URNS[vocabulary]}:").removeprefix(f"{_CBV}{vocabulary}-")


def time_of(text: Any) -> datetime:
    """A time of an event. Raises NoStep."""
    try:
        return parse_time(text)
    except (AttributeError, ValueError):
        raise NoStep("one of its times cannot be read") from None


class _Event:
    """One event, asked for its fields by what they mean."""

    def __init__(self, event: Mapping[str, Any], prefixes: Mapping[str, str]) -> None:
        self._event = event
        self._prefixes = prefixes

    def step(self) -> Step:
        match self._event.get("type"):
            case "ObjectEvent":
                return self._object()
            case "AggregationEvent":
                return self._aggregation()
            case "TransformationEvent":
                return self._transformation()
        raise NoStep("this type of event says nothing about a pack's way here")

    def _object(self) -> Step:
        action, step, disposition = self._text("action"), self._bizstep(), self._disposition()
        things = {"items": self._items("epcList"), "lots": self._lots("quantityList")}
        sets, unsets = self._persistent("set"), self._persistent("unset")
        match action, step:
            case "ADD", "commissioning":
                return self._make(Commissioning, **things, **self._master_data())
            case "OBSERVE", "shipping":
                return self._transfer(Shipping, things, returning=disposition == "returned")
            case "OBSERVE", "receiving":
                return self._transfer(Receiving, things, returning=disposition == "returned")
            case "OBSERVE", "void_shipping":
                return self._make(VoidShipping, **things)
            case "OBSERVE", "sensor_reporting":
                return self._make(ColdChain, **things, **self._sensors())
            case "OBSERVE" | "DELETE", "dispensing" if disposition in ("dispensed", None):
                return self._make(Dispensing, **things)
        if "recalled" in unsets and action == "OBSERVE":
            return self._make(Recall, **things, lifted=True)
        if ("recalled" in sets or disposition == "recalled") and action == "OBSERVE":
            return self._make(Recall, **things)
        if "stolen" in sets or disposition == "stolen":
            return self._make(Ending, **things, end=End.STOLEN)
        if (end := self._end(action, step)) is not None:
            return self._make(Ending, **things, end=end)
        told = ", ".join(shown(text) for text in (action, step, disposition) if text)
        raise NoStep(f"{told or 'an event without words'} is no step of a pack's way here")

    def _end(self, action: str | None, step: str | None) -> End | None:
        """A sample or goods that came back are no end in themselves: where words are not enough, it must be marked."""
        marks = [value for name, value in self._event.items() if expand(name, self._prefixes) == EXTENSION + "ended"]
        for end, words in ENDS.items():
            told = step is not None and (action, step) == (words.action, words.step)
            if told and (not words.marked or marks == [words_of(end)]):
                return end
        return None

    def _aggregation(self) -> Step:
        items, lots = self._items("childEPCs"), self._lots("childQuantityList")
        parent = self._event.get("parentID")
        if not isinstance(parent, str):
            raise NoStep("it names no container")
        container = item_of(self._full(parent))
        match self._text("action"):
            case "ADD":
                return self._make(Packing, container=container, items=items, lots=lots)
            case "DELETE":
                return self._make(Unpacking, container=container, items=items, lots=lots)
        raise NoStep("it changes nothing in a container")

    def _transformation(self) -> Step:
        run = self._event.get("transformationID")
        return self._make(
            Transformation,
            input_items=self._items("inputEPCList"),
            input_lots=self._lots("inputQuantityList"),
            items=self._items("outputEPCList"),
            lots=self._lots("outputQuantityList"),
            run=self._full(run) if isinstance(run, str) else None,
            **self._master_data(),
        )

    def _make(self, kind: Callable[..., _S], **fields: Any) -> _S:
        return kind(time=self._when(), place=self._place(), salt=self._salt(), **fields)

    def _transfer(self, kind: type[Shipping] | type[Receiving], things: Mapping[str, Any], *, returning: bool) -> Step:
        giver, receiver = self._party("source"), self._party("destination")
        if giver is None or receiver is None:
            raise NoStep(f"it names no {'receiver' if giver else 'giver'} by its GLN")
        return self._make(
            kind,
            **things,
            giver=giver,
            receiver=receiver,
            destination=self._location(),
            offer=self._offer(giver, kind.transaction),
            returning=returning,
        )

    # the fields

    def _text(self, name: str) -> str | None:
        value = self._event.get(name)
        if not isinstance(value, str | None):
            raise NoStep(f"its {name} is no text")
        return None if value is None else value.strip()

    def _bizstep(self) -> str | None:
        text = self._text("bizStep")
        return None if text is None else word(text, "BizStep", self._prefixes)

    def _disposition(self) -> str | None:
        text = self._text("disposition")
        return None if text is None else word(text, "Disp", self._prefixes)

    def _persistent(self, name: str) -> set[str]:
        match self._event.get("persistentDisposition"):
            case Mapping() as words:
                texts = _list(words.get(name), str, "persistentDisposition")
                return {word(text, "Disp", self._prefixes) for text in texts}
        return set()

    def _when(self) -> datetime:
        time, offset = time_of(self._text("eventTime")), self._text("eventTimeZoneOffset")
        if offset is None or not _OFFSET.fullmatch(offset):
            raise NoStep("its eventTimeZoneOffset is no offset")
        # The offset of the place stands by itself; the time may be written in UTC.
        try:
            return time.astimezone(time_of(f"2000-01-02T00:00:00{offset}").tzinfo)
        except OverflowError:
            raise NoStep("its time is out of all bounds") from None

    def _place(self) -> str | None:
        for name in ("readPoint", "bizLocation"):
            match self._event.get(name):
                case {"id": str(uri)} if (gln := self._gln(uri)) is not None:
                    return gln
        return None

    def _salt(self) -> bytes | None:
        for name, value in self._event.items():
            if expand(name, self._prefixes) == EXTENSION + "salt":
                digits = _DIGITS.fullmatch(value) if isinstance(value, str) else None
                if not digits:
                    raise NoStep("its salt is no hexadecimal text")
                return bytes.fromhex(digits[1])
        return None

    def _items(self, name: str) -> tuple[Item, ...]:
        return tuple(item_of(self._full(uri)) for uri in _list(self._event.get(name), str, name))

    def _lots(self, name: str) -> tuple[Lot, ...]:
        return tuple(self._lot(part) for part in _list(self._event.get(name), Mapping, name))

    def _lot(self, part: Mapping[str, Any]) -> Lot:
        uri, unit = part.get("epcClass"), part.get("uom")
        if not isinstance(uri, str) or not isinstance(unit, str | None):
            raise NoStep("an amount names no class")
        return lot_of(self._full(uri), quantity=_decimal(part.get("quantity")), unit=unit)

    def _full(self, name: str) -> str:
        """A name as the hash takes it, so that both speak of the same thing."""
        return expand(name.strip(), self._prefixes)

    def _gln(self, uri: str) -> str | None:
        try:
            return gln_of(self._full(uri))
        except BadIdentifier:
            return None

    def _master_data(self) -> dict[str, Any]:
        ilmd = self._event.get("ilmd")
        if ilmd is None:
            return {}
        if not isinstance(ilmd, Mapping):
            raise NoStep("its ilmd is no object")
        full = {expand(name, self._prefixes): value for name, value in ilmd.items()}
        lot = next((full[name] for name in _LOT_NAMES if name in full), None)
        expiry = next((full[name] for name in _EXPIRY_NAMES if name in full), None)
        if not isinstance(lot, str | None) or not isinstance(expiry, str | None):
            raise NoStep("its lot or its expiry is no text")
        return {"lot": lot, "expiry": None if expiry is None else _day(expiry)}

    def _party(self, side: str) -> str | None:
        """The party that had or gets the things; where only an owner or a place is named, that."""
        parties = self._parties(side)
        return next(
            (parties[kind] for kind in ("possessing_party", "owning_party", "location") if kind in parties), None
        )

    def _location(self) -> str | None:
        parties = self._parties("destination")
        return parties.get("location") if len(parties) > 1 else None

    def _parties(self, side: str) -> dict[str, str]:
        parties: dict[str, str] = {}
        for part in _list(self._event.get(f"{side}List"), Mapping, f"{side}List"):
            kind, uri = part.get("type"), part.get(side)
            if not isinstance(kind, str) or not isinstance(uri, str) or (gln := self._gln(uri)) is None:
                continue
            role = word(kind, "SDT", self._prefixes)
            if parties.setdefault(role, gln) != gln:
                raise NoStep(f"it names two of the kind {shown(role)} as its {side}")
        return parties

    def _offer(self, giver: str, transaction: str) -> str | None:
        """The chain's offer, as a step of ours names it; other transactions are not the chain's."""
        mine = f"urn:epcglobal:cbv:bt:{giver}:"
        for part in _list(self._event.get("bizTransactionList"), Mapping, "bizTransactionList"):
            name, kind = part.get("bizTransaction"), part.get("type")
            if not isinstance(name, str) or not isinstance(kind, str):
                continue
            full = self._full(name)
            offer = full.removeprefix(mine)
            if full.startswith(mine) and word(kind, "BTT", self._prefixes) == transaction and _OFFER.fullmatch(offer):
                return offer
        return None

    def _sensors(self) -> dict[str, Any]:
        elements = _list(self._event.get("sensorElementList"), Mapping, "sensorElementList")
        if len(elements) != 1:
            raise NoStep("one logger's report is read from an event, not several")
        fields = self._metadata(elements[0].get("sensorMetadata"))
        readings = []
        for report in _list(elements[0].get("sensorReport"), Mapping, "sensorReport"):
            method = expand(str(report.get("dataProcessingMethod")), self._prefixes)
            if method == MINUTES_OUTSIDE:
                minutes = _decimal(report.get("value"))
                if minutes is None or minutes % 1:
                    raise NoStep("its minutes outside the limits are no whole number")
                fields["minutes_outside"] = int(minutes)
                continue
            if _voc(report.get("type"), self._prefixes) != "Temperature":
                continue
            if report.get("uom") != "CEL":
                raise NoStep("its temperatures are not in degrees Celsius")
            for name, value in (("minimum", "minValue"), ("maximum", "maxValue"), ("mean", "meanValue")):
                if value in report:
                    fields[name] = _decimal(report[value])
            if _voc(report.get("exception"), self._prefixes) == "ALARM_CONDITION":
                fields["exceeded"] = True
            celsius = _decimal(report.get("value"))
            if method == MEAN_KINETIC:
                fields["mean_kinetic"] = celsius
            elif celsius is not None:
                time = time_of(report["time"]) if "time" in report else self._when()
                readings.append(Reading(time=time, celsius=celsius))
        return fields | {"readings": tuple(readings)}

    def _metadata(self, metadata: Any) -> dict[str, Any]:
        if not isinstance(metadata, Mapping):
            return {}
        fields: dict[str, Any] = {}
        for name, key in (("start", "startTime"), ("end", "endTime")):
            if key in metadata:
                fields[name] = time_of(metadata[key])
        match metadata.get("deviceID"):
            case str(device):
                fields["device"] = device_of(self._full(device))
        match metadata.get("rawData"):
            case str(raw):
                fields["raw"] = self._full(raw)
        return fields


def _voc(text: Any, prefixes: Mapping[str, str]) -> str:
    """The GS1 web vocabulary's short word."""
    return expand(text, prefixes).removeprefix(PREFIXES["gs1"]) if isinstance(text, str) else ""


def _list(value: Any, kind: type[Any], name: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(part, kind) for part in value):
        raise NoStep(f"its {name} is not the list it should be")
    return value


def _decimal(value: Any) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 10**15:
        raise NoStep("an amount is no usable number")
    return Decimal(repr(value))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text[:10]) if "T" in text else date.fromisoformat(text)
    except ValueError:
        raise NoStep("its expiry is no date") from None

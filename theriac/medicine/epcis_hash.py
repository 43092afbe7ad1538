"""The event hash of the Core Business Vocabulary 2.0 (section 8.9): one digest for an event, however it is written.

The standard's text, its worked examples and the programs that compute the hash do not agree in the details. This module
gives what GS1 Germany's reference implementation gives, which is also the hash printed beside the standard's examples:
a type stands before its value, and what is in lists of types, master data and extensions follows everything else in
alphabetical order. It departs from that program in one thing: a text is never taken for a number. The program rounds
the lot "0012" to 12 and 1E3 to 1000, so two lots would have one hash. docs/protocol/epcis.md tells the rest.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from theriac.errors import NotHashable
from theriac.medicine.epcis_names import canonical

# The prefixes that EPCIS 2.0's own JSON-LD context defines, and ours.
EXTENSION: Final = "https://theriac.example/epcis/"
PREFIXES: Final[Mapping[str, str]] = {
    "epcis": "https://ref.gs1.org/epcis/",
    "cbv": "https://ref.gs1.org/cbv/",
    "cbvmda": "urn:epcglobal:cbv:mda:",
    "gs1": "https://gs1.org/voc/",
    "theriac": EXTENSION,
}

_CBV: Final = PREFIXES["cbv"]
_GS1: Final = PREFIXES["gs1"]
_URNS: Final = {
    f"urn:epcglobal:cbv:{urn}:": f"{_CBV}{web}-"
    for urn, web in (("bizstep", "BizStep"), ("disp", "Disp"), ("btt", "BTT"), ("sdt", "SDT"), ("er", "ER"))
}
_BARE_WORD = re.compile(r"[A-Za-z_]+")
_DEEPEST: Final = 64

# What takes no part: who wrote the event down and when, and that it was declared an error.
_LEFT_OUT: Final = {"type", "eventID", "recordTime", "errorDeclaration", "@context"}
_COMMENTS: Final = {"rdfs:comment", "comment"}

_FIRST: Final = ("eventTime", "eventTimeZoneOffset", "certificationInfo", "parentID")
_EPCS: Final = ("epcList", "inputEPCList", "childEPCs")
_QUANTITIES: Final = ("quantityList", "childQuantityList", "inputQuantityList")
_ORDER: Final = (
    *_FIRST,
    *_EPCS,
    *_QUANTITIES,
    "outputEPCList",
    "outputQuantityList",
    "action",
    "transformationID",
    "bizStep",
    "disposition",
    "persistentDisposition",
    "readPoint",
    "bizLocation",
    "sensorElementList",
)
_TYPED: Final = {
    "bizTransactionList": ("bizTransaction", f"{_CBV}BTT-"),
    "sourceList": ("source", f"{_CBV}SDT-"),
    "destinationList": ("destination", f"{_CBV}SDT-"),
}
_METADATA: Final = (
    "time",
    "startTime",
    "endTime",
    "deviceID",
    "deviceMetadata",
    "rawData",
    "dataProcessingMethod",
    "bizRules",
)
_REPORT: Final = (
    "type",
    "exception",
    "deviceID",
    "deviceMetadata",
    "rawData",
    "dataProcessingMethod",
    "time",
    "microorganism",
    "chemicalSubstance",
    "value",
    "component",
    "stringValue",
    "booleanValue",
    "hexBinaryValue",
    "uriValue",
    "minValue",
    "maxValue",
    "meanValue",
    "sDev",
    "percRank",
    "percValue",
    "uom",
    "coordinateReferenceSystem",
)
# Before which web vocabulary a bare word stands, by the field it is in.
_WORDS: Final = {
    "bizStep": f"{_CBV}BizStep-",
    "disposition": f"{_CBV}Disp-",
    "set": f"{_CBV}Disp-",
    "unset": f"{_CBV}Disp-",
}
_REPORT_WORDS: Final = {"type": _GS1, "exception": _GS1, "component": f"{_CBV}Comp-"}
_TIMES: Final = {"eventTime", "time", "startTime", "endTime"}
# Fields whose text is free: no prefix in them is a name's.
_FREE: Final = {"stringValue", "hexBinaryValue", "uom", "action", "eventTimeZoneOffset"}

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII)


def event_hash(event: Mapping[str, Any], *, prefixes: Mapping[str, str] = PREFIXES) -> bytes:
    """The SHA-256 of an event in JSON-LD, 32 bytes. `prefixes` are those of its document's @context.

    Raises NotHashable.
    """
    try:
        return hashlib.sha256(pre_hash(event, prefixes=prefixes).encode()).digest()
    except UnicodeEncodeError:
        raise NotHashable(path="one of its texts", fault="half a character") from None


def event_id(event: Mapping[str, Any], *, prefixes: Mapping[str, str] = PREFIXES) -> str:
    """The hash as an eventID: ni:///sha-256;…?ver=CBV2.0 (RFC 6920, as CBV 2.0 uses it). Raises NotHashable."""
    return id_of(event_hash(event, prefixes=prefixes))


def id_of(digest: bytes) -> str:
    """The eventID that carries a hash."""
    return f"ni:///sha-256;{digest.hex()}?ver=CBV2.0"


def pre_hash(event: Mapping[str, Any], *, prefixes: Mapping[str, str] = PREFIXES) -> str:
    """The text that is hashed. Raises NotHashable."""
    return _PreHash(prefixes).event(event)


def parse_time(text: str) -> datetime:
    """An EPCIS time, rounded half up to milliseconds, in the offset it is written with. Raises ValueError."""
    found = _TIME.fullmatch(text.strip())
    if not found:
        raise ValueError("no time with an offset")
    second, fraction, offset = found.groups()
    whole = datetime.fromisoformat(second + ("+00:00" if offset == "Z" else offset))
    digits = (fraction or "").ljust(4, "0")
    try:
        return whole + timedelta(milliseconds=int(digits[:3]) + (digits[3] >= "5"))
    except OverflowError:
        raise ValueError("the end of time") from None


def expand(name: str, prefixes: Mapping[str, str]) -> str:
    """A name with its prefix replaced, where the prefix is known."""
    prefix, colon, rest = name.partition(":")
    return prefixes[prefix] + rest if colon and prefix in prefixes and not rest.startswith("//") else name


class _PreHash:
    def __init__(self, prefixes: Mapping[str, str]) -> None:
        self._prefixes = prefixes

    def event(self, event: Mapping[str, Any]) -> str:
        ordered = "".join(self._field(name, event[name]) for name in _ORDER if name in event)
        rest = [self._last(name, event[name]) for name in event if name not in _ORDER and name not in _LEFT_OUT]
        return f"eventType={self._value('type', event.get('type', ''))}" + ordered + "".join(sorted(rest))

    def _field(self, name: str, value: Any) -> str:
        if name in (*_EPCS, "outputEPCList"):
            return self._list(name, (self._line("epc", epc) for epc in _many(value)))
        if name in (*_QUANTITIES, "outputQuantityList"):
            parts = (self._ordered("quantityElement", part, ("epcClass", "quantity", "uom")) for part in _many(value))
            return self._list(name, parts)
        if name == "persistentDisposition":
            return self._ordered(name, value, ("set", "unset"))
        if name in ("readPoint", "bizLocation"):
            return self._ordered(name, value, ("id",))
        if name == "sensorElementList":
            return self._list(name, (self._sensor(part) for part in _many(value)))
        return self._list("", (self._line(name, part) for part in _many(value)))

    def _last(self, name: str, value: Any) -> str:
        if name in _TYPED and all(isinstance(part, Mapping) for part in _many(value)):
            return self._list(name, (self._typed(name, part) for part in _many(value)))
        return self._extension(name, value, depth=0)

    def _sensor(self, element: Any) -> str:
        if not isinstance(element, Mapping):
            return self._line("sensorElement", element)
        metadata = self._ordered("sensorMetadata", element.get("sensorMetadata"), _METADATA)
        reports = sorted(
            self._ordered("sensorReport", report, _REPORT, words=_REPORT_WORDS)
            for report in _many(element.get("sensorReport"))
        )
        others = self._extensions(element, ("sensorMetadata", "sensorReport"))
        return _under("sensorElement", metadata + "".join(reports) + others)

    def _typed(self, name: str, part: Mapping[str, Any]) -> str:
        value_name, words = _TYPED[name]
        kind = self._line("type", part["type"], words=words) if "type" in part else ""
        return kind + self._line(value_name, part.get(value_name))

    def _ordered(self, name: str, value: Any, order: Sequence[str], *, words: Mapping[str, str] = _WORDS) -> str:
        if not isinstance(value, Mapping):
            return self._line(name, value)
        lines = (
            "".join(sorted(self._line(field, part, words=words.get(field)) for part in _many(value[field])))
            for field in order
            if field in value
        )
        return _under(name, "".join(lines) + self._extensions(value, order))

    def _extensions(self, value: Mapping[str, Any], known: Sequence[str]) -> str:
        others = (name for name in value if name not in known and ":" in name)
        return "".join(sorted(self._extension(name, value[name], depth=0) for name in others))

    def _extension(self, name: str, value: Any, *, depth: int) -> str:
        """A field of another vocabulary: its full name in braces, and whatever it holds, sorted."""
        if depth > _DEEPEST:
            raise NotHashable(path=name, fault="a nesting too deep")
        if name in _COMMENTS:
            return ""
        full = _braced(name, self._prefixes)
        if isinstance(value, Mapping):
            inner = (self._extension(key, part, depth=depth + 1) for key, part in value.items() if key != "#text")
            text = self._line(full, value["#text"]) if "#text" in value else full
            return text + "".join(sorted(inner))
        if isinstance(value, list):
            return "".join(sorted(self._extension(name, part, depth=depth + 1) for part in value))
        text = self._value(full, value, free=True)
        return f"{full}={text}" if text else full

    def _list(self, name: str, parts: Iterable[str]) -> str:
        return _under(name, "".join(sorted(parts)))

    def _line(self, name: str, value: Any, *, words: str | None = None) -> str:
        text = self._value(name, value, words=words)
        return f"{name}={text}" if text else ""

    def _value(self, name: str, value: Any, *, words: str | None = None, free: bool = False) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return _number(name, value)
        if not isinstance(value, str):
            raise NotHashable(path=name, fault="a list or an object where a value belongs")
        text = value.strip()
        if name in _TIMES and not free:
            return _utc(text)
        words = words or (_WORDS.get(name) if not free else None)
        if words and _BARE_WORD.fullmatch(text):
            return words + text
        if free or name in _FREE:
            return canonical(text)
        for urn, web in _URNS.items():
            if text.startswith(urn):
                return web + text.removeprefix(urn)
        return canonical(expand(text, self._prefixes))


def _many(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _under(name: str, inner: str) -> str:
    """A parent's name stands before its children, and not at all where there are none."""
    return name + inner if inner else ""


def _braced(name: str, prefixes: Mapping[str, str]) -> str:
    prefix, colon, local = name.partition(":")
    return f"{{{prefixes[prefix]}}}{local}" if colon and prefix in prefixes else name


def _number(name: str, value: int | float) -> str:
    """A number without trailing zeros: 1.0 is 1."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotHashable(path=name, fault="a number without end")
        if value == int(value):
            value = int(value)
    try:
        return str(value)
    except ValueError:
        raise NotHashable(path=name, fault="a number of thousands of digits") from None


def _utc(text: str) -> str:
    """The time in UTC with milliseconds; a text that is no time stays as it is."""
    try:
        return parse_time(text).astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    except (ValueError, OverflowError):
        return text

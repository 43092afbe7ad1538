"""A FHIR resource as text that a person reads: rows of a name and what stands there, in an order that helps.

Any resource of R4 can be shown, since a value is told by its shape and not by a list of elements (FHIR R4, 2.24 Data
Types). What is left out: ids, profiles, extensions, and references that
only a machine follows. A modifier extension may turn the meaning of the
whole around (FHIR R4, 2.4.2), so it is never left out in silence.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser

from theriac.fhir import Json, Number, Object, Resource

MOST_ROWS = 2_000
"""Rows that a resource is shown with, those inside of others counted; what comes after them is said to be missing."""

LONGEST = 20_000
"""Characters of one value; a note longer than that is cut, and ends with an ellipsis."""

_DEEPEST = 12

_FIRST = (
    *("status", "clinicalStatus", "verificationStatus", "intent", "category", "code", "medication", "vaccineCode"),
    *("type", "class", "name", "gender", "birthDate", "effective", "onset", "abatement", "occurrence", "performed"),
    *("period", "authoredOn", "recordedDate", "issued", "date", "value", "dataAbsentReason", "interpretation"),
    *("referenceRange", "component", "dosageInstruction", "reason", "reaction", "conclusion", "result"),
)
_LEFT_OUT = {"resourceType", "id", "meta", "text", "implicitRules", "language", "extension", "modifierExtension"}
_CHOICES = re.compile(
    r"(value|effective|onset|abatement|occurrence|performed|medication|deceased|multipleBirth|serviced|reported|allowed"
    r"|asNeeded|rate|dose|timing|scheduled|product|location|identified|born|age|defaultValue|fixed|pattern|used)"
    r"(Quantity|CodeableConcept|Coding|Reference|String|Boolean|Integer|Decimal|DateTime|Date|Time|Instant|Period|Range"
    r"|Ratio|Age|Duration|Timing|SampledData|Attachment|Identifier|Money|Annotation|Address)"
)
_COMPARATORS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥"}


@dataclass(frozen=True)
class Row:
    """An element of a resource: its FHIR name without the type of a choice, and a text or rows of its own."""

    name: str
    text: str = ""
    rows: tuple["Row", ...] = ()


@dataclass(frozen=True)
class Legible:
    """A resource to be read.

    :param type: its resourceType.
    :param cautions: what a reader must know first: `modifier` for a modifier extension, `entered-in-error`, `cut`.
    """

    type: str
    rows: tuple[Row, ...]
    cautions: tuple[str, ...]


@dataclass
class _Reading:
    left: int = MOST_ROWS
    cautions: dict[str, None] = field(default_factory=dict)

    def take(self) -> bool:
        """Whether one more row has room."""
        if not self.left:
            self.cautions["cut"] = None
            return False
        self.left -= 1
        return True


def legible(resource: Resource) -> Legible:
    """The resource in rows. Nothing in it is markup: whoever shows it shows text."""
    reading = _Reading()
    rows = tuple(_resource(resource.value, reading, depth=0))
    return Legible(resource.type, rows, tuple(reading.cautions))


def _resource(value: Object, reading: _Reading, *, depth: int) -> Iterator[Row]:
    if value.get("status") == "entered-in-error" or _codes(value.get("verificationStatus")) & {"entered-in-error"}:
        reading.cautions["entered-in-error"] = None
    yield from _narrative(value.get("text"))
    yield from _rows(value, reading, depth=depth)
    labels = _at(value, "meta", "security")
    if isinstance(labels, list) and labels:
        yield Row("security", ", ".join(filter(None, map(_simple, labels))))


def _rows(value: Object, reading: _Reading, *, depth: int) -> Iterator[Row]:
    if value.get("modifierExtension"):
        reading.cautions["modifier"] = None
    named = [(_name(key), each) for key, each in value.items() if key not in _LEFT_OUT and not key.startswith("_")]
    for name, each in sorted(named, key=lambda pair: _FIRST.index(pair[0]) if pair[0] in _FIRST else len(_FIRST)):
        for one in each if isinstance(each, list) else [each]:
            row = _row(name, one, reading, depth=depth)
            if row is not None:
                yield row


def _row(name: str, value: Json, reading: _Reading, *, depth: int) -> Row | None:
    if value is None or not reading.take():
        return None
    text = _simple(value)
    if text is not None:
        return Row(name, _cut(text, reading)) if text else None
    assert isinstance(value, dict)
    if depth >= _DEEPEST:
        reading.cautions["cut"] = None
        return None
    if isinstance(value.get("resourceType"), str):
        inner = tuple(_resource(value, reading, depth=depth + 1))
        return Row(str(value["resourceType"]), rows=inner)
    inner = tuple(_rows(value, reading, depth=depth + 1))
    return Row(name, rows=inner) if inner else None


def _name(key: str) -> str:
    found = _CHOICES.fullmatch(key)
    return found[1] if found else key


# -- values ----------------------------------------------------------------------------------------------------------


def _simple(value: Json) -> str | None:
    """A value in one line; nothing for what has none to show; None for what takes rows of its own."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Number):
        return value.text
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(text for each in value if (text := _simple(each)))
    if not isinstance(value, dict):
        return ""
    keys = set(value) - {"id", "extension"}
    for shape, write in _SHAPES:
        if keys and keys <= shape:
            return write(value)
    return None


def _concept(value: Object) -> str:
    codings = value.get("coding")
    known = [_coding(each) for each in codings if isinstance(each, dict)] if isinstance(codings, list) else []
    words = _string(value.get("text"))
    return words or next((each for each in known if each), "")


def _coding(value: Object) -> str:
    return _string(value.get("display")) or _string(value.get("code"))


def _quantity(value: Object) -> str:
    comparator = _COMPARATORS.get(_string(value.get("comparator")), "")
    unit = _string(value.get("unit")) or _string(value.get("code")) or _string(value.get("currency"))
    return " ".join(filter(None, (comparator, _simple(value.get("value")), unit)))


def _range(value: Object) -> str:
    return _between(value.get("low"), value.get("high"))


def _period(value: Object) -> str:
    return _between(value.get("start"), value.get("end"))


def _between(first: Json, last: Json) -> str:
    return f"{_simple(first) or '…'} – {_simple(last) or '…'}"


def _ratio(value: Object) -> str:
    return f"{_simple(value.get('numerator')) or '?'} / {_simple(value.get('denominator')) or '?'}"


def _reference(value: Object) -> str:
    """What a person can follow: an address inside of the same bundle says nothing here."""
    words = _string(value.get("display")) or _simple(value.get("identifier")) or ""
    target = _string(value.get("reference"))
    return words or ("" if target.startswith(("urn:", "#")) else target)


def _identifier(value: Object) -> str:
    return _string(value.get("value"))


def _person(value: Object) -> str:
    parts = (value.get(name) for name in ("prefix", "given", "family", "suffix"))
    return _string(value.get("text")) or " ".join(_spaced(part) for part in parts if part)


def _address(value: Object) -> str:
    parts = (value.get(name) for name in ("line", "postalCode", "city", "district", "state", "country"))
    return _string(value.get("text")) or ", ".join(_spaced(part) for part in parts if part)


def _note(value: Object) -> str:
    by = _string(value.get("authorString")) or _simple(value.get("authorReference")) or ""
    return " · ".join(filter(None, (_string(value.get("text")), by, _string(value.get("time")))))


def _attachment(value: Object) -> str:
    kind, title = _string(value.get("contentType")), _string(value.get("title"))
    data = value.get("data")
    held = _decoded(data) if isinstance(data, str) else None
    if held is not None and kind.split(";")[0].strip() == "text/plain":
        return held.decode("utf-8", "replace")
    size = f"{len(held)} bytes" if held is not None else ""
    return ", ".join(filter(None, (title, kind, size, _string(value.get("url")))))


def _decoded(data: str) -> bytes | None:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None


_SHAPES = (
    (frozenset({"coding", "text"}), _concept),
    (frozenset({"system", "version", "code", "display", "userSelected"}), _coding),
    (frozenset({"value", "comparator", "unit", "system", "code"}), _quantity),
    (frozenset({"value", "currency"}), _quantity),
    (frozenset({"low", "high"}), _range),
    (frozenset({"start", "end"}), _period),
    (frozenset({"numerator", "denominator"}), _ratio),
    (frozenset({"reference", "type", "identifier", "display"}), _reference),
    (frozenset({"use", "type", "system", "value", "period", "assigner", "rank"}), _identifier),
    (frozenset({"use", "text", "family", "given", "prefix", "suffix", "period"}), _person),
    (
        frozenset(
            {"use", "type", "text", "line", "city", "district", "state", "postalCode", "country", "period"},
        ),
        _address,
    ),
    (frozenset({"authorReference", "authorString", "time", "text"}), _note),
    (
        frozenset({"contentType", "language", "data", "url", "size", "hash", "title", "creation"}),
        _attachment,
    ),
)
"""The elements of each data type, the first that has all that are there counts, and how it is written in a line."""


# -- narrative -------------------------------------------------------------------------------------------------------


class _Words(HTMLParser):
    """The words of a narrative (FHIR R4, 2.2.15), a line for each block; no tag of it survives."""

    _BLOCKS = frozenset(("p", "div", "br", "tr", "li", "table", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "dt", "dd"))

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.parts.append("\n" if tag in self._BLOCKS else " " if tag in ("td", "th") else "")


def _narrative(value: Json) -> Iterator[Row]:
    """What was written by a person, and stands in no element: a generated narrative only repeats them."""
    if not isinstance(value, Mapping) or value.get("status") not in ("additional", "extensions"):
        return
    words = _Words()
    words.feed(_string(value.get("div"))[: LONGEST * 4])
    lines = (" ".join(line.split()) for line in "".join(words.parts).splitlines())
    text = "\n".join(line for line in lines if line)
    if text:
        yield Row("narrative", text[:LONGEST])


# -- small things ----------------------------------------------------------------------------------------------------


def _cut(text: str, reading: _Reading) -> str:
    if len(text) <= LONGEST:
        return text
    reading.cautions["cut"] = None
    return text[:LONGEST] + "…"


def _string(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _spaced(value: Json) -> str:
    parts: Sequence[Json] = value if isinstance(value, list) else [value]
    return " ".join(each for each in parts if isinstance(each, str))


def _at(value: Json, *path: str) -> Json:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _codes(value: Json) -> set[str]:
    codings = _at(value, "coding")
    found = (_at(each, "code") for each in codings) if isinstance(codings, list) else ()
    return {each for each in found if isinstance(each, str)}

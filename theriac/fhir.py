"""FHIR R4 as the JSON that came: read strictly, cut a bundle into its resources, put it together again.

A resource is kept as the text it arrived in. Models of other libraries only check it (`problems_of`): written out again
they change number text, order and unknown fields, and a sealed record must be what the author wrote. Nothing here knows
what a class of records is.
"""

import datetime
import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import accumulate
from typing import NoReturn, TypeAlias, TypeGuard

import rfc8785

from theriac.errors import (
    BadInput,
    BrokenBundle,
    DuplicateKey,
    EmptyDocument,
    EnvelopeMismatch,
    HalfCharacter,
    MissingParts,
    NoResourceType,
    NotAnEnvelope,
    NotJson,
    NotUtf8,
    TooDeep,
)

MAX_DEPTH = 200
"""How deep arrays and objects may lie in each other; the deepest shared bundle reaches 12."""

MAX_TEXT = 256
"""Characters of a fact. A longer display is cut; a longer id or code is no id or code and is left out."""

MAX_CODES = 16
"""How many codes a fact lists, so that facts always fit into a record's manifest."""


@dataclass(frozen=True)
class Number:
    """A JSON number as it was written: `1.0`, `1` and `1e0` are three different texts."""

    text: str


Json: TypeAlias = "bool | str | Number | list[Json] | dict[str, Json] | None"
Object: TypeAlias = "dict[str, Json]"


# -- reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Resource:
    """One resource as it came.

    :param text: all of its JSON, the white space of a whole file included.
    :param value: the same, parsed; to read, never to change.
    """

    text: str
    value: Object

    @property
    def content(self) -> bytes:
        """The bytes that came, which are the bytes that are sealed."""
        return self.text.encode()

    @property
    def type(self) -> str:
        """Its resourceType, or nothing where an entry of a bundle has none."""
        return _text(self.value.get("resourceType")) or ""

    @cached_property
    def outline(self) -> "Outline":
        return outline_of(self.value)


_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse(data: bytes) -> Resource:
    """Read one FHIR resource, strictly (RFC 8259, and of RFC 7493 unique keys and whole characters).

    :param data: UTF-8; a byte order mark is borne and kept.
    :raises EmptyDocument: nothing but white space.
    :raises NotUtf8: bytes that are no UTF-8.
    :raises TooDeep: arrays and objects lie in each other more than `MAX_DEPTH` deep.
    :raises NotJson: no JSON, or NaN and Infinity, which JSON does not have.
    :raises DuplicateKey: an object names a key twice, so that two readers would see two different records.
    :raises HalfCharacter: an escape stands for half a character, which no UTF-8 can write.
    :raises NoResourceType: JSON, but no FHIR resource.
    """
    text = _decoded(data)
    value = _load(text.removeprefix("\ufeff"))
    if not isinstance(value, dict) or not _text(value.get("resourceType")):
        raise NoResourceType
    return Resource(text, value)


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise NotUtf8(position=error.start) from None


def _load(text: str) -> Json:
    if not text.strip():
        raise EmptyDocument
    # Python's parser recurses, and where a library has raised the recursion limit, a deep text ends the process.
    brackets = _BRACKET.findall(_STRING.sub("", text))
    if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > MAX_DEPTH:
        raise TooDeep(limit=MAX_DEPTH)

    try:
        value: Json = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_float=Number,
            parse_int=Number,
            parse_constant=_no_constant,
        )
    except json.JSONDecodeError as error:
        raise NotJson(line=error.lineno, column=error.colno, problem=error.msg) from None
    if _SURROGATE.search(text):
        _refuse_half_characters(value)
    return value


def _unique(pairs: list[tuple[str, Json]]) -> Object:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise DuplicateKey(key=key)
            seen.add(key)
    return value


def _no_constant(text: str) -> NoReturn:
    raise NotJson(line=None, column=None, problem=f"{text} is no number")


def _refuse_half_characters(value: Json) -> None:
    for each in _everything(value):
        for text in [each] if isinstance(each, str) else each if isinstance(each, dict) else []:
            try:
                text.encode()
            except UnicodeEncodeError:
                raise HalfCharacter from None


def _everything(value: Json) -> Iterator[Json]:
    stack = [value]
    while stack:
        each = stack.pop()
        yield each
        if isinstance(each, dict):
            stack.extend(each.values())
        elif isinstance(each, list):
            stack.extend(each)


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


# -- a bundle and its resources --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Envelope:
    """What is left of a bundle when its resources are taken out: order, full URLs, requests, every other field.

    :param pieces: the text before the first resource, between each two, after the last: one more than `tags`.
    :param tags: a random name for each resource. It is no digest: an envelope must not let its reader
        try guesses at resources that were never opened to him.
    """

    pieces: tuple[str, ...]
    tags: tuple[str, ...]

    def to_bytes(self) -> bytes:
        """The envelope as a document: RFC 8785 JSON with kind and version."""
        return rfc8785.dumps(
            {"kind": _ENVELOPE, "version": _VERSION, "pieces": list(self.pieces), "tags": list(self.tags)}
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Envelope":
        """Read what `to_bytes` wrote.

        :raises NotAnEnvelope: another document, another version, or a damaged one.
        """
        try:
            value = _load(_decoded(data))
        except BadInput:
            raise NotAnEnvelope from None
        if not isinstance(value, dict) or (value.get("kind"), value.get("version")) != (
            _ENVELOPE,
            Number(str(_VERSION)),
        ):
            raise NotAnEnvelope
        pieces, tags = value.get("pieces"), value.get("tags")
        if not _all_text(pieces) or not _all_text(tags):
            raise NotAnEnvelope
        if len(pieces) != len(tags) + 1 or len(set(tags)) != len(tags):
            raise NotAnEnvelope
        found = cls(tuple(pieces), tuple(tags))
        # Fields that nobody asked for, or another form, would be another document of the same envelope.
        if found.to_bytes() != data:
            raise NotAnEnvelope
        return found


_ENVELOPE = "fhir-envelope"
_VERSION = 1


def _all_text(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


@dataclass(frozen=True)
class Part:
    """A resource of a bundle and the tag under which the envelope knows it.

    :param full_url: the entry's fullUrl, by which other resources of the bundle refer to this one.
    """

    tag: str
    full_url: str | None
    resource: Resource


@dataclass(frozen=True)
class Split:
    """A bundle taken apart; `rejoin` puts it together."""

    envelope: Envelope
    parts: tuple[Part, ...]


def split(bundle: Resource) -> Split:
    """Take the resource out of every entry. An entry without one stays in the envelope.

    :raises BrokenBundle: no Bundle, or its entries are no list of objects with objects as resources.
    """
    entries = _entries(bundle.value)
    spans = list(_resource_spans(bundle.text))

    pieces, parts, at = [], [], 0
    for entry, span in zip((each for each in entries if "resource" in each), spans, strict=True):
        value = entry["resource"]
        if not isinstance(value, dict):
            raise BrokenBundle(problem="an entry's resource is no object")
        pieces.append(bundle.text[at : span.start])
        resource = Resource(bundle.text[span.start : span.stop], value)
        parts.append(Part(secrets.token_hex(16), _text(entry.get("fullUrl")), resource))
        at = span.stop
    pieces.append(bundle.text[at:])
    return Split(Envelope(tuple(pieces), tuple(part.tag for part in parts)), tuple(parts))


def rejoin(envelope: Envelope, contents: Mapping[str, bytes]) -> bytes:
    """The bundle, byte by byte as it came.

    :param contents: the resources by tag; others than this bundle's are passed over.
    :raises MissingParts: resources are missing.
    :raises EnvelopeMismatch: what stands under a tag is not what was taken from there.
    """
    missing = sum(tag not in contents for tag in envelope.tags)
    if missing:
        raise MissingParts(missing=missing, total=len(envelope.tags))

    try:
        bundle = envelope.pieces[0].encode()
        bundle += b"".join(contents[t] + p.encode() for t, p in zip(envelope.tags, envelope.pieces[1:], strict=True))
        parts = split(parse(bundle)).parts
    except (BadInput, UnicodeEncodeError):
        raise EnvelopeMismatch from None
    if [part.resource.content for part in parts] != [contents[tag] for tag in envelope.tags]:
        raise EnvelopeMismatch
    return bundle


def _entries(bundle: Object) -> list[Object]:
    if bundle.get("resourceType") != "Bundle":
        raise BrokenBundle(problem="the resource is no Bundle")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise BrokenBundle(problem="entry is no list")
    objects = [entry for entry in entries if isinstance(entry, dict)]
    if len(objects) < len(entries):
        raise BrokenBundle(problem="an entry is no object")
    return objects


# The text was parsed before, so what follows only has to find where values end. Numbers stay text: Python refuses to
# turn thousands of digits into an int.
_ENDS = json.JSONDecoder(parse_int=Number, parse_float=Number)
_SPACE = re.compile(r"[ \t\n\r\ufeff]*")


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _resource_spans(text: str) -> Iterator[slice]:
    for key, span in _children(text, _after_space(text, 0)):
        if key == "entry":
            for _, entry in _children(text, span.start):
                yield from (inner for name, inner in _children(text, entry.start) if name == "resource")


def _children(text: str, at: int) -> Iterator[tuple[str, slice]]:
    """Where the values of the object or array at `at` stand, with their keys (in an array, with none)."""
    in_object = text[at] == "{"
    at = _after_space(text, at + 1)
    while text[at] not in "]}":
        key = ""
        if in_object:
            key, colon = _ENDS.raw_decode(text, at)
            at = _after_space(text, _after_space(text, colon) + 1)
        _, stop = _ENDS.raw_decode(text, at)
        yield key, slice(at, stop)
        at = _after_space(text, stop)
        if text[at] == ",":
            at = _after_space(text, at + 1)


# -- what stands in a resource ---------------------------------------------------------------------------------------

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"

_INLINE_LABEL = "extension-inline-sec-label"
_WRAPPERS = ("Bundle", "Parameters")


@dataclass(frozen=True)
class Code:
    """A Coding's system, code and display, each where it is there."""

    system: str | None
    code: str | None
    display: str | None = None

    def __str__(self) -> str:
        return f"{self.system or ''}|{self.code or ''}"


@dataclass(frozen=True)
class Reference:
    """A reference as written (`Patient/1`, `urn:uuid:...`, `#inside`) and the type it names, if it names one."""

    text: str
    type: str | None


@dataclass(frozen=True)
class Outline:
    """What classing and linking need to know of a resource, wherever in it that stands.

    :param labels: security labels: `meta.security`, any `securityLabel`, inline labels (HL7 FHIR DS4P,
        extension-inline-sec-label), Composition.confidentiality. What is malformed stands as a code without code.
    :param codings: every Coding.
    :param references: every reference, those of embedded resources left out.
    :param links: every `url`, where attachments name a Binary.
    :param embedded: the resources within: contained, those of an inner Bundle, outcomes, parameters.
    """

    labels: tuple[Code, ...]
    codings: tuple[Code, ...]
    references: tuple[Reference, ...]
    links: tuple[str, ...]
    embedded: tuple[Object, ...]


def outline_of(root: Object) -> Outline:
    """Walk a resource once. Never raises: what has no sense is taken for a malformed label, or passed over."""
    labels: list[Code] = []
    codings: list[Code] = []
    references: list[Reference] = []
    links: list[str] = []
    embedded: list[Object] = []
    inner = ("contained", "resource") if root.get("resourceType") in _WRAPPERS else ("contained",)

    stack: list[tuple[str, Json]] = [("", root)]
    while stack:
        key, value = stack.pop()
        if isinstance(value, list):
            stack.extend((key, each) for each in reversed(value))
        elif value is not root and (key in inner or (isinstance(value, dict) and "resourceType" in value)):
            embedded.append(value if isinstance(value, dict) else {})
        elif isinstance(value, dict):
            labels += _labels_in(value, key)
            if _text(value.get("system")) and _text(value.get("code")):
                codings.append(_code(value))
            if reference := reference_of(value):
                references.append(reference)
            if link := _text(value.get("url")):
                links.append(link)
            stack.extend(reversed(value.items()))
    return Outline(tuple(labels), tuple(codings), tuple(references), tuple(links), tuple(embedded))


def _labels_in(value: Object, key: str) -> list[Code]:
    labels: list[Code] = []
    if key in ("meta", "valueMeta") and "security" in value:
        labels += _labels(value["security"])
    if "meta" in value and not isinstance(value["meta"], dict):
        labels.append(_MALFORMED)
    if "securityLabel" in value:
        labels += _labels(value["securityLabel"])
    if (_text(value.get("url")) or "").endswith(_INLINE_LABEL):
        labels += _labels(value.get("valueCoding"))
    if value.get("resourceType") == "Composition" and "confidentiality" in value:
        labels.append(Code(CONFIDENTIALITY, _text(value["confidentiality"])))
    return labels


_MALFORMED = Code(None, None)


def _labels(value: Json) -> list[Code]:
    if isinstance(value, list):
        return [label for each in value for label in _labels(each)]
    if isinstance(value, dict) and "coding" in value:
        own = [_code(value)] if "code" in value else []
        return own + (_labels(value["coding"]) or [_MALFORMED])
    if isinstance(value, dict):
        return [_code(value)]
    return [_MALFORMED]


def reference_of(value: Json) -> Reference | None:
    """The reference that `value` is, if it is one by more than an identifier or a name."""
    target = _text(value.get("reference")) if isinstance(value, dict) else None
    return Reference(target, _text(_at(value, "type"))) if target else None


def _code(coding: Object) -> Code:
    return Code(_text(coding.get("system")), _text(coding.get("code")), _text(coding.get("display")))


# -- facts for an index ----------------------------------------------------------------------------------------------

_CODE_FIELDS = ("code", "vaccineCode", "medicationCodeableConcept", "procedureCode", "type", "serviceType")
_SUBJECT_FIELDS = ("subject", "patient", "beneficiary", "for")
_DATE_FIELDS: tuple[tuple[str, ...], ...] = (
    ("effectiveDateTime",),
    ("effectiveInstant",),
    ("effectivePeriod", "start"),
    ("performedDateTime",),
    ("performedPeriod", "start"),
    ("occurrenceDateTime",),
    ("occurrencePeriod", "start"),
    ("collection", "collectedDateTime"),
    ("started",),
    ("onsetDateTime",),
    ("onsetPeriod", "start"),
    ("billablePeriod", "start"),
    ("period", "start"),
    ("whenHandedOver",),
    ("authoredOn",),
    ("authored",),
    ("recordedDate",),
    ("recorded",),
    ("date",),
    ("dateTime",),
    ("start",),
    ("issued",),
    ("created",),
    ("sent",),
)


@dataclass(frozen=True)
class Facts:
    """What an index says of a resource without opening it.

    :param date: when it happened (else was written), as it came: `2019`, `2019-05` or finer.
    :param codes: what was done, found or given, by the resource's main code.
    :param labels: its security labels.
    """

    type: str
    id: str | None
    subject: str | None
    date: str | None
    codes: tuple[Code, ...]
    categories: tuple[Code, ...]
    labels: tuple[Code, ...]

    @property
    def day(self) -> datetime.date | None:
        """The first day that `date` can mean, in the zone it was written in."""
        return _day(self.date)


def facts_of(resource: Resource) -> Facts:
    """The facts of one resource. Whatever is absent or has no sense is left out, and nothing is raised."""
    value = resource.value
    dates = (_text(_at(value, *path)) for path in _DATE_FIELDS)
    codes = (found for field in _CODE_FIELDS if (found := codes_of(value.get(field))))
    subjects = (_short(_at(value, field, "reference")) for field in _SUBJECT_FIELDS)
    return Facts(
        type=_short(value.get("resourceType")) or "",
        id=_short(value.get("id")),
        subject=next(filter(None, subjects), None),
        date=next((text for text in dates if _day(text)), None),
        codes=_fit(next(codes, [])),
        categories=_fit(codes_of(value.get("category"))),
        labels=_fit(resource.outline.labels),
    )


def _at(value: Json, *path: str) -> Json:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _short(value: Json) -> str | None:
    text = _text(value)
    return text if text and len(text) <= MAX_TEXT else None


def _fit(codes: Sequence[Code]) -> tuple[Code, ...]:
    return tuple(
        Code(_short(each.system), _short(each.code), each.display and each.display[:MAX_TEXT])
        for each in codes[:MAX_CODES]
    )


def codes_of(value: Json) -> list[Code]:
    """The codes of a CodeableConcept, a Coding, a plain code, or a list of such; a text where there is no code."""
    found: list[Code] = []
    for each in value if isinstance(value, list) else [value]:
        if not isinstance(each, dict):
            found += [Code(None, each)] if isinstance(each, str) and each else []
            continue
        inner = each.get("coding")
        codings = inner if isinstance(inner, list) else [each]
        coded = [_code(coding) for coding in codings if isinstance(coding, dict) and _text(coding.get("code"))]
        said = _text(each.get("text"))
        found += coded or ([Code(None, None, said)] if said else [])
    return found


_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T[0-9:.]+(?:Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII)


def _day(text: str | None) -> datetime.date | None:
    match = _DATE.fullmatch(text or "")
    if not match:
        return None
    year, month, day = (int(part or 1) for part in match.groups())
    try:
        return datetime.date(year, month, day)
    except ValueError:
        return None


# -- a check by the published models ---------------------------------------------------------------------------------


def problems_of(resource: Resource, *, limit: int = 10) -> list[str]:
    """What the R4B models of fhir.resources find wrong: places and reasons, never values.

    An empty list means the resource is valid. The models are asked and their answer is reported; what is
    sealed stays the text that came.

    :param limit: the longest list.
    """
    # Loading a model takes half a second, which only those who check should pay.
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    try:
        model = get_fhir_model_class(resource.type)
    except (LookupError, ValueError):
        return [f"{resource.type[:80]!r} is no resource type of FHIR R4"]
    try:
        plain = _plain(resource.value)
    except (ValueError, ArithmeticError):
        return ["a number is larger than any machine counts"]
    try:
        model.model_validate(plain)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        return [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found[:limit]]
    return []


def _plain(value: Json) -> object:
    if isinstance(value, Number):
        return Decimal(value.text) if set(value.text) & set(".eE") else int(value.text)
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value

"""EPCIS documents as steps: those of others become proposed handoffs.

Reading is strict about what is understood and patient with the rest: an event of another kind, or one that lacks what
its step needs, is listed with the reason and harms nothing. Nothing is fetched; a document's @context is only asked for
its own prefixes. An event that comes twice counts once, and one that is declared an error does not count, wherever in
the document its declaration stands.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from theriac.errors import BadIdentifier, BadStep, NotEpcis, NotHashable
from theriac.ledger.codec import parse_json
from theriac.medicine.epcis import Receiving, Shipping, Step, VoidShipping
from theriac.medicine.epcis_events import NoStep, step_of, time_of, word
from theriac.medicine.epcis_hash import PREFIXES, event_hash, id_of
from theriac.medicine.epcis_names import Item, Lot, shown

LARGEST: Final = 256 * 2**20
MOST_EVENTS: Final = 100_000
MOST_NAMES: Final = 2**21
_LONGEST_ID: Final = 512

# What the standard's context defines is protected there (JSON-LD 1.1, section 4.1.11); and schemes are no prefixes, or
# a context could turn the names of things into others.
_FIXED: Final = ({*PREFIXES} - {"theriac"}) | {"urn", "http", "https", "ni"}
_NAME_LISTS: Final = (
    "epcList",
    "childEPCs",
    "inputEPCList",
    "outputEPCList",
    "quantityList",
    "childQuantityList",
    "inputQuantityList",
    "outputQuantityList",
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A step that stands: the event's place in the document from 1, its hash, and the eventID it goes by.

    `whole` says that the event holds the step and nothing else, as an event that Theriac wrote does. Only then does a
    digest on the chain prove the step: CBV's hash sets no marks between fields, so an event with room for foreign text
    can be bent until it has the hash of another. `claimed` tells whether an eventID that is itself such a hash is the
    right one; None where there is no such claim. Programs differ in that hash, so a wrong one is a reason to ask.
    """

    number: int
    step: Step
    event_id: str
    digest: bytes
    whole: bool
    claimed: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Handoff:
    """Things that went, or came, from one party to another: a proposal for the caller to make an offer of."""

    kind: Literal["shipping", "receiving"]
    items: tuple[Item, ...]
    lots: tuple[Lot, ...]
    from_gln: str
    to_gln: str
    time: datetime
    event_id: str
    digest: bytes
    offer: str | None = None
    returning: bool = False


@dataclass(frozen=True, kw_only=True)
class Voided:
    """An event that is declared an error. `digest` is the hash of the event without its declaration."""

    event_id: str
    digest: bytes
    declared: datetime
    reason: str | None
    corrective: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Unread:
    """An event that became no step: its place from 1, its type, and why."""

    number: int
    kind: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Import:
    """What a document says. `repeated` counts events that came again."""

    entries: tuple[Entry, ...]
    voided: tuple[Voided, ...] = ()
    unread: tuple[Unread, ...] = ()
    repeated: int = 0

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(entry.step for entry in self.entries)

    @property
    def handoffs(self) -> tuple[Handoff, ...]:
        """The shippings and receivings that stand, less what a later VoidShipping says never left."""
        voids = [step for step in self.steps if isinstance(step, VoidShipping)]
        return tuple(handoff for entry in self.entries for handoff in _handoffs(entry, voids))


def read(document: Mapping[str, Any] | bytes | str) -> Import:
    """The steps of one EPCIS 2.0 document in JSON, as text or parsed. Raises NotEpcis."""
    parsed = document if isinstance(document, Mapping) else _parse(document)
    events, prefixes = _events(parsed), _prefixes(parsed.get("@context"), PREFIXES)
    return _standing(_Document(events, prefixes).read())


# -- the document -----------------------------------------------------------------------------------------------------


def _parse(text: bytes | str) -> Mapping[str, Any]:
    try:
        data = text.encode() if isinstance(text, str) else text
        if len(data) > LARGEST:
            raise NotEpcis(fault=f"it has more than {LARGEST // 2**20} MiB")
        value = parse_json(data, object_pairs_hook=_unique, parse_constant=_no_number)
    except ValueError as fault:
        raise NotEpcis(fault=f"it is no JSON: {str(fault)[:80]}") from None
    if not isinstance(value, dict):
        raise NotEpcis(fault="it is no object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Readers differ in which of two equal names they take, so a document with two says nothing."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return value


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _events(document: Mapping[str, Any]) -> list[Any]:
    match document:
        case {"type": "EPCISDocument", "epcisBody": {"eventList": list(events)}}:
            pass
        case {"type": "EPCISDocument", "epcisBody": {"event": Mapping() as event}}:
            events = [event]
        case {
            "type": "EPCISQueryDocument",
            "epcisBody": {"queryResults": {"resultsBody": {"eventList": list(events)}}},
        }:
            pass
        case _:
            raise NotEpcis(fault="it has no list of events")
    version = document.get("schemaVersion", "2.0")
    if not isinstance(version, str | int | float) or not str(version).startswith("2"):
        raise NotEpcis(fault="it is not of version 2")
    if len(events) > MOST_EVENTS:
        raise NotEpcis(fault=f"it has more than {MOST_EVENTS} events")
    mappings = (event for event in events if isinstance(event, Mapping))
    lists = (event.get(name) for event in mappings for name in _NAME_LISTS)
    if sum(len(names) for names in lists if isinstance(names, list)) > MOST_NAMES:
        raise NotEpcis(fault=f"it names more than {MOST_NAMES} things")
    return events


def _prefixes(context: Any, known: Mapping[str, str]) -> Mapping[str, str]:
    own: dict[str, str] = {}
    for part in context if isinstance(context, list) else [context]:
        if not isinstance(part, Mapping):
            continue
        for name, meaning in part.items():
            uri = meaning.get("@id") if isinstance(meaning, Mapping) else meaning
            if isinstance(name, str) and isinstance(uri, str) and name not in _FIXED:
                own[name] = uri
    return {**known, **own} if own else known


@dataclass(frozen=True)
class _Found:
    entries: list[Entry]
    voided: list[Voided]
    unread: list[Unread]
    repeated: int


def _standing(found: _Found) -> Import:
    voided = _void_names(found.voided)
    entries = [entry for entry in found.entries if voided.isdisjoint((entry.digest, entry.event_id))]
    return Import(
        entries=tuple(entries),
        voided=tuple(found.voided),
        unread=tuple(found.unread),
        repeated=found.repeated,
    )


def _void_names(voids: Iterable[Voided]) -> set[bytes | str]:
    return {name for void in voids for name in (void.digest, void.event_id)}


class _Document:
    def __init__(self, events: list[Any], prefixes: Mapping[str, str]) -> None:
        self._events = events
        self._prefixes = prefixes
        self._seen: set[bytes] = set()
        self._found = _Found([], [], [], 0)
        self._repeated = 0

    def read(self) -> _Found:
        for number, event in enumerate(self._events, 1):
            if not isinstance(event, Mapping):
                self._found.unread.append(Unread(number=number, kind="", reason="it is no object"))
                continue
            try:
                self._event(number, event)
            except NoStep as skip:
                self._skip(number, event, str(skip))
            except (BadIdentifier, BadStep, NotHashable) as fault:
                self._skip(number, event, str(fault))
        return replace(self._found, repeated=self._repeated)

    def _event(self, number: int, event: Mapping[str, Any]) -> None:
        prefixes = _prefixes(event.get("@context"), self._prefixes)
        digest = event_hash(event, prefixes=prefixes)
        name, claimed = _event_id(event, digest)
        if "errorDeclaration" in event:
            self._found.voided.append(_voided(event, name, digest))
            return
        if digest in self._seen:
            self._repeated += 1
            return
        step = step_of(event, prefixes)
        self._seen.add(digest)
        whole = step.digest == digest
        entry = Entry(number=number, step=step, event_id=name, digest=digest, whole=whole, claimed=claimed)
        self._found.entries.append(entry)

    def _skip(self, number: int, event: Mapping[str, Any], reason: str) -> None:
        kind = event.get("type")
        self._found.unread.append(
            Unread(number=number, kind=shown(kind, longest=80) if isinstance(kind, str) else "", reason=reason),
        )


def _event_id(event: Mapping[str, Any], digest: bytes) -> tuple[str, bool | None]:
    right, given = id_of(digest), event.get("eventID")
    if not isinstance(given, str) or not given.strip():
        return right, None
    if len(given) > _LONGEST_ID:
        raise NoStep("its eventID is too long")
    is_hash = given.startswith("ni:///sha-256;") and given.endswith("?ver=CBV2.0")
    return given.strip(), (given.lower() == right.lower() if is_hash else None)


def _voided(event: Mapping[str, Any], name: str, digest: bytes) -> Voided:
    declaration = event["errorDeclaration"]
    if not isinstance(declaration, Mapping):
        raise NoStep("its error declaration is no object")
    corrective, reason = declaration.get("correctiveEventIDs"), declaration.get("reason")
    if not isinstance(corrective, list | None) or not isinstance(reason, str | None):
        raise NoStep("its error declaration is not of the form it should have")
    return Voided(
        event_id=name,
        digest=digest,
        declared=time_of(declaration.get("declarationTime")),
        reason=None if reason is None else word(reason, "ER", PREFIXES),
        corrective=tuple(each for each in corrective or () if isinstance(each, str) and len(each) <= _LONGEST_ID),
    )


# -- handoffs ---------------------------------------------------------------------------------------------------------


def _handoffs(entry: Entry, voids: list[VoidShipping]) -> Iterator[Handoff]:
    step = entry.step
    if not isinstance(step, Shipping | Receiving):
        return
    items, lots = step.items, step.lots
    if isinstance(step, Shipping):
        later = [void for void in voids if void.time >= step.time]
        gone = {thing for void in later for thing in (*void.items, *(lot.name for lot in void.lots))}
        items = tuple(item for item in items if item not in gone)
        lots = tuple(lot for lot in lots if lot.name not in gone)
    if items or lots:
        yield Handoff(
            kind="shipping" if isinstance(step, Shipping) else "receiving",
            items=items,
            lots=lots,
            from_gln=step.giver,
            to_gln=step.receiver,
            time=step.time,
            event_id=entry.event_id,
            digest=entry.digest,
            offer=step.offer,
            returning=step.returning,
        )

"""The reader's client: learns keys from bundles, lists records without fetching them, opens what was granted.

Two things must say yes: the chain, whose grant names this reader now, and a key that the reader was given. The first is
asked because a reader should know when it may no longer look; the second is what enforces it.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from theriac.crypto import age
from theriac.crypto.recipients import FileKey, Identity, Recipient
from theriac.errors import (
    AuthorNotProven,
    BadDocument,
    BadInput,
    NoBundle,
    NoMatchingIdentity,
    NotGranted,
    NotOpened,
    NotStored,
    Tampered,
    TheriacError,
    UnknownRecord,
)
from theriac.health import documents, records
from theriac.health.accesslog import Book
from theriac.health.bundle import Bundle, Capsule, IndexFile, Opening, RecordKey, read_index
from theriac.health.chain import Chain, Moment, Refusal
from theriac.health.days import MOST, DayRow, Proofs
from theriac.health.hours import HOURS, Nodes, hour_of_seconds, time_of
from theriac.health.keystore import write_private
from theriac.health.messages import member_address
from theriac.health.receipts import NOBODY, Act, Rule
from theriac.health.scope import PURPOSES, SINGLE_RECORDS, KeyClass, Purpose, bit_of
from theriac.health.search import hours_back
from theriac.health.vault import Entry
from theriac.store import Store

_HEAD = 64 * 1024
"""Bytes that surely hold the header of a file with one reader."""


class Answer(Protocol):
    """Which rule says no; false where reading is allowed."""

    @property
    def sentence(self) -> str: ...

    def __bool__(self) -> bool: ...


class Gate(Protocol):
    """Who says on the chain whether a reader may look: grants, or an emergency."""

    def explain(
        self, pseudonym: str, reader: str, scope: int, purpose: Purpose, *, block: int | str = ...
    ) -> Answer: ...


@dataclass(frozen=True)
class Granted:
    """A grant to this reader as it stands on the chain. Times in seconds since 1970."""

    pseudonym: str
    reader: str
    purpose: Purpose
    scope: int
    start: int
    expiry: int
    refusal: Refusal


@dataclass(frozen=True)
class Listed:
    """A record in a reader's list. `filed` tells whether an index says what it is."""

    source: str
    digest: str
    author: int
    anchored: int
    filed: bool
    cls: str = ""
    summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def time(self) -> datetime:
        return datetime.fromtimestamp(self.anchored, UTC)


@dataclass
class _Known:
    """What a reader holds of one patient: everything it ever received.

    `referred` are the pseudonyms that only a referrer said are this patient's; her own client has not said so yet.
    """

    openings: dict[tuple[str, str, int], Opening] = field(default_factory=dict)
    keys: dict[str, RecordKey] = field(default_factory=dict)
    indexes: dict[tuple[str, str], IndexFile] = field(default_factory=dict)
    places: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    referable: int = 0
    referred: set[str] = field(default_factory=set)

    def take(self, opening: Opening) -> None:
        """Adds an opening: two grants can open different hours of one generation, and what was held stays held."""
        place = (opening.source, opening.cls, opening.generation)
        held = self.openings.get(place)
        nodes = (*(held.nodes.nodes if held is not None else ()), *opening.nodes.nodes)
        self.openings[place] = replace(opening, nodes=Nodes(tuple(dict.fromkeys(nodes))))

    def copy(self) -> "_Known":
        """Another one that holds the same, and to which more can be added."""
        return replace(
            self,
            openings=dict(self.openings),
            keys=dict(self.keys),
            indexes=dict(self.indexes),
            places=dict(self.places),
            referred=set(self.referred),
        )

    def size(self) -> int:
        """How many nodes there are: with more of them, an index may say more."""
        return sum(len(opening.nodes.nodes) for opening in self.openings.values())


class Reader:
    """A person or a member's gateway that reads with an identity of its own."""

    def __init__(
        self,
        *,
        account: str,
        identity: Identity,
        book: Book,
        chain: Chain,
        store: Store,
        folder: Path,
        recipient: Recipient,
        gate: Gate | None = None,
    ) -> None:
        """`account` is who asks on the chain, and `book` takes its receipts; `recipient` is what the reader's own notes
        are sealed to; `gate` what says whether it may look, grants unless another is named.
        """
        self.account = account
        self.book = book
        self.chain = chain
        self.store = store
        self._identity = identity
        self._recipient = recipient
        self._folder = folder
        self._gate: Gate = gate if gate is not None else chain
        self._read: dict[tuple[str, int], list[Entry]] = {}
        self._notes: dict[str, tuple[tuple[int, ...], _Known]] = {}
        self._proven: dict[tuple[DayRow, int], Proofs | None] = {}

    # -- grants ------------------------------------------------------------------------------------------------------

    def grants(self) -> list[Granted]:
        """Everyone who ever granted to this reader or to its member, with what the chain says of it now."""
        names = {self.account, member_address(self.chain.member_of(self.account))}
        found: dict[tuple[str, str, int], None] = {}
        for event in self.chain.index.events("Grants", "Granted"):
            if event.arguments["reader"] in names:
                key = (event.arguments["pseudonym"], event.arguments["reader"], event.arguments["purpose"])
                found[key] = None
        numbered = {purpose.number: purpose for purpose in PURPOSES}
        return [self._granted(pseudonym, reader, numbered[number]) for pseudonym, reader, number in found]

    def _granted(self, pseudonym: str, reader: str, purpose: Purpose) -> Granted:
        grant = self.chain.grant(pseudonym, reader, purpose)
        lowest = grant["scope"] & -grant["scope"]
        refusal = self.chain.explain(pseudonym, self.account, lowest or 1, purpose)
        return Granted(pseudonym, reader, purpose, grant["scope"], grant["start"], grant["expiry"], refusal)

    def check(self, pseudonym: str, *, bit: int, purpose: Purpose, wanted: str) -> None:
        """:raises NotGranted: the chain says no, and by which rule."""
        refusal = self.chain.at_head(lambda moment: self._refusal(moment, pseudonym, 1 << bit, purpose))
        if refusal:
            raise NotGranted(reader=self.account, wanted=wanted, rule=refusal.sentence)

    def _refusal(self, moment: Moment, pseudonym: str, scope: int, purpose: Purpose) -> Answer:
        """What the gate says at a moment."""
        return moment.once(self._gate.explain, pseudonym, self.account, scope, purpose)

    def _allowed(self, pseudonym: str, classes: Iterable[str], purpose: Purpose) -> set[str]:
        """Those of the classes, by name, that may be read now."""
        scopes = {cls: 1 << bit_of(KeyClass.parse(cls)) for cls in classes}
        return self.chain.at_head(
            lambda moment: {
                cls for cls, scope in scopes.items() if not self._refusal(moment, pseudonym, scope, purpose)
            }
        )

    # -- learning ----------------------------------------------------------------------------------------------------

    def learn(self, pseudonym: str) -> None:
        """Reads the bundle of who granted, and of every pseudonym that it names; keeps what it finds.

        :raises NoBundle: nothing was published.
        """
        known = self._load(pseudonym)
        self._read_bundles(known, pseudonym)
        self._save(pseudonym, known)

    def _read_bundles(self, known: _Known, pseudonym: str) -> None:
        bundle = self.chain.bundle(pseudonym, self.store)
        capsule = bundle.capsule(self._identity)
        self._take(known, bundle, capsule)
        if capsule is not None and known.referred:
            named = {opening.source for opening in capsule.openings}
            known.openings = {
                place: each for place, each in known.openings.items() if place[0] not in known.referred - named
            }
            known.indexes = {
                place: each for place, each in known.indexes.items() if place[0] not in known.referred - named
            }
            known.referred.clear()
        for source in sorted({opening.source for opening in known.openings.values()} - {pseudonym}):
            try:
                other = self.chain.bundle(source, self.store)
            except (NoBundle, NotStored):
                continue
            self._take(known, other, other.capsule(self._identity))

    def _take(self, known: _Known, bundle: Bundle, capsule: Capsule | None) -> None:
        """Only openings that their own pseudonym's publisher signed count: stolen, it forges for no other."""
        if capsule is None:
            return
        publishers: dict[str, str] = {}
        for opening in capsule.openings:
            source = opening.source
            if source != bundle.pseudonym and source not in publishers:
                publishers[source] = self.chain.publisher(source)[0]
            if source == bundle.pseudonym or opening.signed_by(publishers[source]):
                known.take(opening)
        known.referable = max(known.referable, capsule.referable)
        for key in capsule.keys:
            known.keys[key.digest] = key
        for file in capsule.indexes:
            known.indexes[file.source, file.cls] = file

    # -- referring ---------------------------------------------------------------------------------------------------

    def held(self, pseudonym: str) -> tuple[tuple[Opening, ...], tuple[IndexFile, ...], int]:
        """What this reader holds of a patient, where the indexes lie, and until when her rows split each Monday."""
        return self._parts(self._load(pseudonym))

    def given(self, pseudonym: str) -> tuple[tuple[Opening, ...], tuple[IndexFile, ...], int]:
        """The same of what the patient's bundles give now: nothing that only a former grant gave.

        :raises NoBundle: nothing was published.
        """
        known = _Known()
        self._read_bundles(known, pseudonym)
        return self._parts(known)

    @staticmethod
    def _parts(known: _Known) -> tuple[tuple[Opening, ...], tuple[IndexFile, ...], int]:
        return tuple(known.openings.values()), tuple(known.indexes.values()), known.referable

    def take_over(self, pseudonym: str, openings: Iterable[Opening], indexes: Iterable[IndexFile]) -> None:
        """Keeps what a referrer handed on. An index counts only where its own pseudonym's bundle names it."""
        known = self._load(pseudonym)
        before = {opening.source for opening in known.openings.values()} - known.referred
        for opening in openings:
            known.take(opening)
            known.referred |= {opening.source} - before
        for file in indexes:
            try:
                published = self.chain.bundle(file.source, self.store).classes
            except NoBundle:
                continue
            if file.digest in published:
                known.indexes.setdefault((file.source, file.cls), file)
        self._save(pseudonym, known)

    def unconfirmed(self, pseudonym: str) -> frozenset[str]:
        """The pseudonyms of which only a referrer said that they are this patient's."""
        return frozenset(self._load(pseudonym).referred)

    def opened_by(self, sealed: bytes) -> bytes:
        """What is in a letter to this reader.

        :raises NoMatchingIdentity: it is to somebody else.
        """
        return documents.open_(sealed, identities=[self._identity])

    def sources(self, pseudonym: str) -> set[str]:
        """The pseudonyms under which records stand that this one's grants open, as far as is known here."""
        return {opening.source for opening in self._load(pseudonym).openings.values()}

    def reach(
        self, pseudonym: str, *, purpose: Purpose, classes: Sequence[KeyClass]
    ) -> dict[KeyClass, datetime | None]:
        """Which of the classes may be read now, and since when what was written in them can be; None: from the
        beginning.

        Of a class that is not here nothing is known, which is not the same as that there is nothing. Where records of a
        class stand under several pseudonyms the latest of their beginnings counts.
        """
        known = self._load(pseudonym)
        held = {opening.cls for opening in known.openings.values()} & {str(cls) for cls in classes}
        allowed = self._allowed(pseudonym, held, purpose)
        found: dict[KeyClass, datetime | None] = {}
        for cls in classes:
            oldest: dict[str, Opening] = {}
            for opening in known.openings.values():
                before = oldest.get(opening.source, opening)
                if opening.cls == str(cls) and opening.generation <= before.generation:
                    oldest[opening.source] = opening
            if oldest and str(cls) in allowed:
                begun = [time for opening in oldest.values() if (time := _begun(opening)) is not None]
                found[cls] = max(begun, default=None)
        return found

    # -- listing -----------------------------------------------------------------------------------------------------

    def listed(
        self,
        pseudonym: str,
        *,
        purpose: Purpose,
        classes: Sequence[KeyClass] | None = None,
        code: str = "",
        within: timedelta | None = None,
    ) -> list[Listed]:
        """The records of a patient that this reader's keys reach, the latest first. No record is fetched.

        :param code: only records with this in one of their codes; `within` only those anchored since then.
        """
        known = self._load(pseudonym)
        held = {cls for _, cls in known.indexes}
        wanted = held if classes is None else held & {str(cls) for cls in classes}
        allowed = self._allowed(pseudonym, wanted, purpose)
        found: dict[tuple[str, str], Listed] = {}
        for (source, cls), file in known.indexes.items():
            if cls not in allowed:
                continue
            for entry in self._entries(known, file):
                found[source, entry.digest] = _listed(entry)
        for digest, key in known.keys.items():
            found.setdefault((key.source, digest), Listed(key.source, digest, 0, 0, filed=False))
        now = self.chain.time()
        chosen = [each for each in found.values() if _fits(each, code=code, within=within, now=now)]
        return sorted(chosen, key=lambda each: each.anchored, reverse=True)

    def unfiled(self, pseudonym: str) -> list[Listed]:
        """Records on the chain under a patient's pseudonyms that are in no index yet: perhaps not this reader's."""
        known = self._load(pseudonym)
        filed = {entry.digest for file in known.indexes.values() for entry in self._entries(known, file)}
        sources = {opening.source for opening in known.openings.values()}
        found = []
        unfiled = [each for each in self.chain.anchored_under(sources) if each.digest.hex() not in filed]
        anchors = self.chain.anchors([(each.pseudonym, each.author, each.digest) for each in unfiled])
        for each, anchor in zip(unfiled, anchors, strict=True):
            found.append(Listed(each.pseudonym, each.digest.hex(), each.author, anchor.time, filed=False))
        listed = {entry.proofs for file in known.indexes.values() for entry in self._entries(known, file)}
        for row in self.chain.day_rows(sources):
            proofs = self._proofs(known, row) if row.proofs.hex() not in listed else None
            for digest in proofs.records if proofs is not None else ():
                if digest not in filed:
                    time = self.chain.day(row.author, row.root)
                    found.append(Listed(row.pseudonym, digest, row.author, time, filed=False))
        self._save(pseudonym, known)
        return found

    def proofs(self, pseudonym: str, digest: str) -> tuple[DayRow, Proofs]:
        """What proves that a record was anchored below a day's root, checked against the chain, to show to others.

        :raises UnknownRecord: it was not anchored so, or its proofs are not for this reader.
        """
        known = self._load(pseudonym)
        found = self._on_a_day(known, digest)
        if found is None:
            raise UnknownRecord(digest=digest)
        return found

    def _on_a_day(self, known: _Known, digest: str) -> tuple[DayRow, Proofs] | None:
        """The row of a day and the proofs that a record stands in, of the pseudonyms that this reader knows."""
        sources = {opening.source for opening in known.openings.values()}
        named = {entry.proofs for entry in [self._entry(known, digest)] if entry is not None}
        rows = self.chain.day_rows(sources)
        for row in sorted(rows, key=lambda row: (row.proofs.hex() in named, row.block), reverse=True):
            proofs = self._proofs(known, row)
            if proofs is not None and digest in proofs.records:
                return row, proofs
        return None

    def _proofs(self, known: _Known, row: DayRow) -> Proofs | None:
        """The proofs of a row, checked; None where they are not there, not for this reader, or do not hold."""
        place = (row, known.size())
        if place in self._proven:
            return self._proven[place]
        openings = [each for each in known.openings.values() if each.source == row.pseudonym]
        hour = hour_of_seconds(self.chain.day(row.author, row.root))
        self._proven[place] = None
        try:
            with self._fetch(row.proofs.hex()) as stream:
                cls, generation, first, key = _opened_by(stream.read(_HEAD), openings, hours_back(hour))
            with self._fetch(row.proofs.hex()) as stream:
                sealed = documents.read_at_most(stream, MOST)
            found = Proofs.decode(documents.open_with_key(sealed, file_key=key))
            found.check(row)
        except NotStored:
            # They may come yet.
            del self._proven[place]
            return None
        except (NoMatchingIdentity, Tampered, BadInput):
            return None
        for digest in found.records:
            # They were sealed to the same row of the bundle as their proofs.
            known.places[digest] = (cls, generation, first)
        self._proven[place] = found
        return found

    def _entries(self, known: _Known, file: IndexFile) -> Iterable[Entry]:
        """What an index says, read once for what the reader holds of it."""
        place = (file.digest, known.size())
        if place not in self._read:
            try:
                with self.store.get_digest(bytes.fromhex(file.digest)) as stream:
                    sealed = documents.read_at_most(stream, documents.LARGEST)
                self._read[place] = read_index(sealed, file, tuple(known.openings.values()))
            except (NoMatchingIdentity, NotStored):
                return []
        return self._read[place]

    # -- opening -----------------------------------------------------------------------------------------------------

    def open(
        self, pseudonym: str, digest: str, *, purpose: Purpose, act: str = Act.OPEN, to: str = NOBODY
    ) -> records.Opened:
        """Opens a record, once its receipt is signed and kept.

        :param act: what is done with it, and `to` for whom: both stand in the receipt.
        :raises NotGranted: the chain says no.
        :raises NotOpened: no key of this reader's opens it: it is not filed yet, or not for this reader.
        :raises NotReceipted: the reader's account did not sign the receipt.
        """
        known = self._load(pseudonym)
        entry = self._entry(known, digest)
        if single := digest in known.keys:
            self.check(pseudonym, bit=SINGLE_RECORDS, purpose=purpose, wanted=f"record {digest[:16]}")
            opened = self._open_with_key(digest, bytes.fromhex(known.keys[digest].key))
            cls = opened.manifest.cls
        elif entry is not None:
            cls = entry.cls
            self._check_class(pseudonym, cls, purpose)
            opened = self._open_entry(known, entry)
            _check_origin(opened, source=entry.source, author=entry.author, digest=digest)
        else:
            opened = self._open_unfiled(pseudonym, known, digest, purpose)
            # The class whose key opened it is what was granted, whatever the record calls itself.
            cls, _, _ = known.places.get(digest, (opened.manifest.cls, 0, 0))
        try:
            opened.check_author(digest=digest)
            self._sign_receipt(pseudonym, digest, cls, purpose=purpose, single=single, act=act, to=to)
        except BaseException:
            opened.content.close()
            raise
        return opened

    def _sign_receipt(
        self, pseudonym: str, digest: str, cls: str, *, purpose: Purpose, single: bool, act: str, to: str
    ) -> None:
        bit = SINGLE_RECORDS if single else bit_of(KeyClass.parse(cls))

        def let_in(moment: Moment) -> tuple[Rule, int, int]:
            refusal = self._refusal(moment, pseudonym, 1 << bit, purpose)
            if refusal:
                raise NotGranted(reader=self.account, wanted=f"record {digest[:16]}", rule=refusal.sentence)
            rule = Rule.SINGLE if single else self._rule(moment, pseudonym, bit, purpose)
            return rule, moment.once(self.chain.member_of, self.account), moment.time

        # Asked again, since fetching can take minutes. The receipt names a time at which the chain let this reader in,
        # which the patient checks.
        rule, member, time = self.chain.at_head(let_in)
        self.book.issue(
            pseudonym, record=digest, cls=cls, purpose=purpose, rule=rule, act=act, to=to, time=time, member=member
        )

    def _rule(self, moment: Moment, pseudonym: str, bit: int, purpose: Purpose) -> Rule:
        """Which of the grants that stand let this reader in; what needs no parent first."""
        era = moment.once(self.chain.authority, pseudonym).era
        member = moment.once(self.chain.member_of, self.account)
        holders = ((self.account, Rule.GRANT), (member_address(member), Rule.MEMBER))
        for holder, rule in holders:
            grant = moment.once(self.chain.grant, pseudonym, holder, purpose)
            within = grant["start"] <= moment.time < grant["expiry"] and grant["scope"] >> bit & 1
            if within and grant["era"] == era and not grant["by"]:
                return rule
        return Rule.PARENT

    def unsafe_try(self, pseudonym: str, digest: str) -> records.Opened:
        """Tries every key this reader ever received, whatever the chain says: what a dishonest reader can do.

        :raises NotOpened: none opens it.
        """
        known = self._load(pseudonym)
        if digest in known.keys:
            return self._open_with_key(digest, bytes.fromhex(known.keys[digest].key))
        entry = self._entry(known, digest)
        if entry is not None:
            return self._open_entry(known, entry)
        return self._search(known, digest, known.openings.values())

    def _check_class(self, pseudonym: str, cls: str, purpose: Purpose) -> None:
        self.check(pseudonym, bit=bit_of(KeyClass.parse(cls)), purpose=purpose, wanted=cls)

    def _entry(self, known: _Known, digest: str) -> Entry | None:
        for file in known.indexes.values():
            for entry in self._entries(known, file):
                if entry.digest == digest:
                    return entry
        return None

    def _open_entry(self, known: _Known, entry: Entry) -> records.Opened:
        if entry.key:
            return self._open_with_key(entry.digest, bytes.fromhex(entry.key))
        opening = known.openings.get((entry.source, entry.cls, entry.generation))
        identity = opening.nodes.identity(entry.first) if opening is not None else None
        if identity is None:
            raise NotOpened(digest=entry.digest)
        return records.open_(self._fetch(entry.digest), identities=[identity])

    def _open_with_key(self, digest: str, key: bytes) -> records.Opened:
        return records.open_(self._fetch(digest), file_key=FileKey(key))

    def _open_unfiled(self, pseudonym: str, known: _Known, digest: str, purpose: Purpose) -> records.Opened:
        """A record newer than the index: the classes that the chain allows, at the hours where rows can begin."""
        classes = self._allowed(pseudonym, {opening.cls for opening in known.openings.values()}, purpose)
        allowed = [opening for opening in known.openings.values() if opening.cls in classes]
        if not allowed:
            grants = self.chain.grant(pseudonym, self.account, purpose)
            lowest = grants["scope"] & -grants["scope"]
            refusal = self._gate.explain(pseudonym, self.account, lowest or 1, purpose)
            raise NotGranted(reader=self.account, wanted=f"record {digest[:16]}", rule=refusal.sentence)
        opened = self._search(known, digest, allowed)
        source, author, _ = self._anchored(known, digest)
        _check_origin(opened, source=source, author=author, digest=digest)
        self._save(pseudonym, known)
        return opened

    def _search(self, known: _Known, digest: str, openings: Iterable[Opening]) -> records.Opened:
        """Midnights first, then every hour, back as far as rows reach; what was found is remembered."""
        source, _, seconds = ("", 0, 0) if digest in known.places else self._anchored(known, digest)
        if digest in known.places:
            cls, generation, first = known.places[digest]
            openings = [each for each in openings if (each.cls, each.generation) == (cls, generation)]
            hours: Sequence[int] = (first,)
        else:
            hours = hours_back(hour_of_seconds(seconds))
            openings = [each for each in openings if each.source == source]
        with self._fetch(digest) as stream:
            head = stream.read(_HEAD)
        try:
            cls, generation, first, key = _opened_by(head, list(openings), hours)
        except NoMatchingIdentity:
            raise NotOpened(digest=digest) from None
        known.places[digest] = (cls, generation, first)
        return records.open_(self._fetch(digest), file_key=key)

    def _anchored(self, known: _Known, digest: str) -> tuple[str, int, int]:
        """Under which of the pseudonyms that this reader knows a record was anchored, by whom, and when."""
        sources = {opening.source for opening in known.openings.values()}
        for each in self.chain.anchored(bytes.fromhex(digest)):
            if each.pseudonym in sources:
                return each.pseudonym, each.author, self.chain.anchor(each.pseudonym, each.author, each.digest).time
        on_a_day = self._on_a_day(known, digest)
        if on_a_day is not None:
            row, _ = on_a_day
            return row.pseudonym, row.author, self.chain.day(row.author, row.root)
        raise UnknownRecord(digest=digest)

    def _fetch(self, digest: str) -> Any:
        return self.store.get_digest(bytes.fromhex(digest))

    def file_key(
        self, pseudonym: str, digest: str, *, purpose: Purpose, act: str = Act.HAND, to: str = NOBODY
    ) -> FileKey:
        """The key of one record's file: what a member's gateway hands to one of its staff, the account `to`."""
        self.open(pseudonym, digest, purpose=purpose, act=act, to=to).content.close()
        known = self._load(pseudonym)
        if digest in known.keys:
            return FileKey(bytes.fromhex(known.keys[digest].key))
        entry = self._entry(known, digest)
        if entry is not None and entry.key:
            return FileKey(bytes.fromhex(entry.key))
        place = known.places[digest] if entry is None else (entry.cls, entry.generation, entry.first)
        for opening in known.openings.values():
            identity = opening.nodes.identity(place[2]) if (opening.cls, opening.generation) == place[:2] else None
            if identity is not None:
                try:
                    return age.file_key_of(self._fetch(digest), identities=[identity])
                except NoMatchingIdentity:
                    continue
        raise NotOpened(digest=digest)

    # -- what is kept ------------------------------------------------------------------------------------------------

    def _path(self, pseudonym: str) -> Path:
        return self._folder / f"{pseudonym}.known"

    def _save(self, pseudonym: str, known: _Known) -> None:
        values = {
            "openings": [opening.values() for opening in known.openings.values()],
            "keys": [asdict(key) for key in known.keys.values()],
            "indexes": [asdict(file) for file in known.indexes.values()],
            "places": {digest: list(place) for digest, place in known.places.items()},
            "referable": known.referable,
            "referred": sorted(known.referred),
        }
        sealed = documents.seal(documents.encode("known", values), to=self._recipient)
        write_private(self._path(pseudonym), sealed)

    def _load(self, pseudonym: str) -> _Known:
        path = self._path(pseudonym)
        if not path.exists():
            return _Known()
        status = path.stat()
        # Each writing is another file, so that what another process learned is read anew.
        mark = (status.st_ino, status.st_mtime_ns, status.st_size)
        kept, known = self._notes.get(pseudonym, ((), _Known()))
        if kept != mark:
            known = self._decode(path)
            self._notes[pseudonym] = mark, known
        return known.copy()

    def _decode(self, path: Path) -> _Known:
        try:
            values = documents.decode("known", documents.open_(path.read_bytes(), identities=[self._identity]))
            openings = [Opening.of(each) for each in values["openings"]]
            return _Known(
                openings={(each.source, each.cls, each.generation): each for each in openings},
                keys={each["digest"]: RecordKey(**each) for each in values["keys"]},
                indexes={(each["source"], each["cls"]): IndexFile(**each) for each in values["indexes"]},
                places={digest: (cls, int(gen), int(first)) for digest, (cls, gen, first) in values["places"].items()},
                referable=int(values.get("referable", 0)),
                referred={str(source) for source in values.get("referred", ())},
            )
        except (TheriacError, KeyError, TypeError, ValueError):
            raise BadDocument(kind="reader's notes", fault=f"{path.name} is damaged; delete it to learn anew") from None


def _check_origin(opened: records.Opened, *, source: str, author: int, digest: str) -> None:
    """The manifest must say the same as the chain of whose record it is and which member wrote it."""
    if (opened.manifest.pseudonym, opened.manifest.member) != (source, author):
        raise AuthorNotProven(digest=digest, author=f"member {opened.manifest.member}")


def _opened_by(beginning: bytes, openings: Sequence[Opening], hours: Iterable[int]) -> tuple[str, int, int, FileKey]:
    """By which opening and hour a file opens, from its beginning: class, generation, first hour, the file's key.

    :raises NoMatchingIdentity: by none.
    """
    head, tried = io.BytesIO(beginning), 0
    for first in hours:
        for opening in openings:
            # No row of a generation begins before the generation does.
            identity = opening.nodes.identity(first) if first >= opening.first else None
            if identity is None:
                continue
            head.seek(0)
            tried += 1
            try:
                key = age.file_key_of(head, identities=[identity])
            except NoMatchingIdentity:
                continue
            return opening.cls, opening.generation, first, key
    raise NoMatchingIdentity(tried=tried)


def _begun(opening: Opening) -> datetime | None:
    """Since when a class can be read by its oldest opening; None for from the beginning."""
    begins = min((node.hours.start for node in opening.nodes.nodes), default=HOURS)
    return None if opening.generation == 1 and begins <= opening.first else time_of(begins)


def _listed(entry: Entry) -> Listed:
    return Listed(entry.source, entry.digest, entry.author, entry.anchored, True, entry.cls, entry.summary)


def _fits(listed: Listed, *, code: str, within: timedelta | None, now: int) -> bool:
    if code and not any(code.lower() in each.lower() for each in listed.summary.get("codes", ())):
        return False
    if within is None:
        return True
    happened = _date(str(listed.summary.get("date", ""))) or listed.time
    return happened >= datetime.fromtimestamp(now, UTC) - within


def _date(text: str) -> datetime | None:
    """The day that a FHIR date names, or None where it names none."""
    try:
        day = datetime.fromisoformat(text[:10])
    except ValueError:
        return None
    return day.replace(tzinfo=UTC)

"""The bundle: one document a pseudonym and version, with everybody's keys in it, each sealed to its reader.

In clear stand only the version, three inboxes and sealed files in random order, padded with dummies: one for each
writer (rows to seal to), one for each reader (a capsule of key nodes). Class files, the sealed indexes of records, lie
in the store by digest. `docs/protocol/health.md` describes each document, with vectors.
"""

import base64
import hashlib
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from io import BytesIO
from typing import Any, TypeVar

from eth_account import Account as EthAccount
from eth_account.messages import SignableMessage, encode_defunct
from eth_utils.address import is_checksum_address

from theriac.crypto.recipients import HybridIdentity, HybridRecipient, Identity, Recipient, parse_recipient
from theriac.errors import BadDocument, BadNodes, BadRecipient, NoMatchingIdentity
from theriac.health import documents
from theriac.health.escrow import Escrow, Made, make
from theriac.health.hours import HOURS, Nodes, mondays_after
from theriac.health.scope import KeyClass, Level
from theriac.health.vault import Account, Entry, Publication, Sharing, Vault
from theriac.ledger.codec import LAST_SECOND, canonical_json
from theriac.ledger.typed import Typed
from theriac.store.cid import compute

_CROWD = 8
"""Sealed files and class files come in multiples of this many, so that their number says little."""

_shuffle = random.SystemRandom().shuffle


# -- inboxes ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Inboxes:
    """The three recipients that take a record which fits no row, signed by the controller; `serial` only grows."""

    pseudonym: str
    recipients: Mapping[str, str]
    serial: int
    signature: str

    def message(self) -> SignableMessage:
        return inbox_message(self.pseudonym, self.recipients, self.serial)

    def values(self) -> dict[str, Any]:
        return {**self.recipients, "serial": self.serial, "signature": self.signature}


def inbox_message(pseudonym: str, recipients: Mapping[str, str], serial: int) -> SignableMessage:
    """What the controller signs. It counts off the chain, for whoever seals, so its domain names no contract."""
    fields = [("address", "pseudonym"), ("string", "N"), ("string", "R"), ("string", "V"), ("uint32", "serial")]
    return Typed.of(
        {
            "types": {
                "EIP712Domain": [{"name": "name", "type": "string"}, {"name": "version", "type": "string"}],
                "Inboxes": [{"name": name, "type": kind} for kind, name in fields],
            },
            "primaryType": "Inboxes",
            "domain": {"name": "Theriac Inboxes", "version": "1"},
            "message": {"pseudonym": pseudonym, **recipients, "serial": serial},
        }
    )


def inboxes_of(account: Account) -> Inboxes:
    recipients = {level.name: str(account.inbox(level).recipient) for level in Level}
    return Inboxes(account.pseudonym, recipients, account.inbox_serial, account.certificate)


def inboxes_from(pseudonym: str, values: Mapping[str, Any]) -> Inboxes:
    """Inboxes as a document holds them; each must be a recipient."""
    recipients = {level.name: str(values[level.name]) for level in Level}
    for recipient in recipients.values():
        parse_recipient(recipient)
    return Inboxes(pseudonym, recipients, int(values["serial"]), str(values["signature"]))


# -- rows and capsules -----------------------------------------------------------------------------------------------


_LENGTHS = {"digest": 32, "key": 16, "seed": 32}

Part = TypeVar("Part")


def _from(kind: type[Part], values: Mapping[str, Any]) -> Part:
    """A part of a stranger's document: each field of its type, pseudonyms that are some, hours that the tree has.

    Raises TypeError or ValueError for what is none: whoever reads several must not end at one.
    """
    found = kind(**values)
    if name := documents.mistyped(found):
        raise TypeError(name)
    for name, value in vars(found).items():
        if name == "source" and not is_checksum_address(value):
            raise ValueError(name)
        if name in ("first", "until", "hour", "generation") and not 0 <= value <= HOURS:
            raise ValueError(name)
        if name in _LENGTHS and len(bytes.fromhex(value)) != _LENGTHS[name]:
            raise ValueError(name)
    return found


@dataclass(frozen=True)
class Row:
    """What a writer seals a class to in [first, until), both hours."""

    cls: str
    generation: int
    first: int
    until: int
    recipient: str


@dataclass(frozen=True)
class Opening:
    """What a reader holds of one generation of a class under a pseudonym; signed by that pseudonym's publisher."""

    source: str
    cls: str
    generation: int
    first: int
    nodes: Nodes
    signature: str = ""

    def signable(self) -> SignableMessage:
        values = {**self.values(), "signature": ""}
        return encode_defunct(text="Theriac opening\n" + hashlib.sha256(canonical_json(values)).hexdigest())

    def values(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "cls": self.cls,
            "generation": self.generation,
            "first": self.first,
            "nodes": self.nodes.values(),
            "signature": self.signature,
        }

    def signed_by(self, publisher: str) -> bool:
        try:
            signer = EthAccount.recover_message(self.signable(), signature=bytes.fromhex(self.signature))
        except Exception:
            # Whatever a library makes of a malformed signature, it is nobody's.
            return False
        return bool(signer == publisher)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Opening":
        """Raises TypeError, ValueError, KeyError or BadNodes for what is none."""
        return _from(cls, {**values, "nodes": Nodes.of(values["nodes"])})


@dataclass(frozen=True)
class RecordKey:
    """The file key of a single record."""

    source: str
    digest: str
    key: str = field(repr=False)


@dataclass(frozen=True)
class IndexFile:
    """Where the index of a class lies, and the hour that it is sealed to."""

    source: str
    cls: str
    digest: str
    hour: int

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "IndexFile":
        """Raises TypeError or ValueError for what is none."""
        return _from(cls, values)


@dataclass(frozen=True)
class WriterFile:
    """What a bundle holds for one writer: its rows, and the records of its that the vault has filed since."""

    pseudonym: str
    rows: tuple[Row, ...]
    receipts: tuple[str, ...]

    def row(self, cls: KeyClass, hour: int) -> Row | None:
        """The row of a class that is valid in this hour."""
        for row in self.rows:
            if row.cls == str(cls) and row.first <= hour < row.until:
                return row
        return None


@dataclass(frozen=True)
class InboxKey:
    """The seed of an inbox of level N: what lies there may be opened in an emergency before it is filed."""

    source: str
    seed: str = field(repr=False)


@dataclass(frozen=True)
class Capsule:
    """What a bundle holds for one reader: openings, single records, and where the class files of this pseudonym are.

    The escrow's capsule has no reader, and inboxes.

    :param referable: the hour until which rows split each Monday, so that a referral may end then; zero for none.
    """

    pseudonym: str
    reader: str
    openings: tuple[Opening, ...]
    keys: tuple[RecordKey, ...]
    indexes: tuple[IndexFile, ...]
    inboxes: tuple[InboxKey, ...] = ()
    referable: int = 0


# -- composing -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Composed:
    """A bundle ready to be stored: its document, the class files that go with it, and what the vault notes of it."""

    document: bytes
    digest: bytes
    files: tuple[bytes, ...]
    publication: Publication


def compose(vault: Vault, account: Account, *, hour: int) -> Composed:
    """The next version of an account's bundle, as of `hour`. Nothing in the vault is changed."""
    version = account.version + 1
    indexes = {cls: _class_file(vault, account, cls, hour=hour) for cls in _indexed(vault, account)}
    digests = {cls: _digest(sealed).hex() for cls, (sealed, _) in indexes.items()}

    now = Publication(
        version=version,
        digest="",
        starts=tuple(vault.starts(hour)),
        until=vault.until(hour),
        generations={cls: tree.newest.number for cls, tree in account.trees.items()},
        indexes=digests,
        records=len(vault.listed(source=account.pseudonym)),
    )
    escrow = _escrow(vault, account, version=version)
    capsules = list(_capsules(vault, account, now=now))
    if vault.emergency is not None:
        reader = str(escrow.recipient) if escrow is not None else vault.escrow_reader()
        sharing = vault.emergency.sharing(reader, hour=hour)
        capsules += _escrow_capsule(vault, account, sharing, now=now)
        if escrow is not None:
            now = replace(now, escrow=reader, escrow_end=sharing.end, escrowed=vault.escrowed())
    letters = [*_writer_files(vault, account, hour=hour), *capsules]
    files = [documents.seal(letter, to=parse_recipient(recipient)) for letter, recipient in letters]
    files += _dummies([len(letter) for letter, _ in capsules], beside=len(files))
    _shuffle(files)
    blobs = [sealed for sealed, _ in indexes.values()]
    blobs += _dummies([size for _, size in indexes.values()], beside=len(blobs))
    _shuffle(blobs)

    values = {
        "pseudonym": account.pseudonym,
        "version": version,
        "inboxes": inboxes_of(account).values(),
        "files": [base64.b64encode(sealed).decode() for sealed in files],
        "classes": [_digest(sealed).hex() for sealed in blobs],
        "backup": account.backup,
    }
    if escrow is not None:
        values["escrow"] = escrow.escrow.values()
    document = documents.encode("bundle", values)
    digest = _digest(document)
    return Composed(document, digest, tuple(blobs), replace(now, digest=digest.hex()))


def _writer_files(vault: Vault, account: Account, *, hour: int) -> Iterable[tuple[bytes, str]]:
    for writer in account.writers:
        rows = [row for cls in writer.classes for row in rows_of(vault, account, cls, hour=hour)]
        values = {
            "pseudonym": account.pseudonym,
            "rows": [asdict(row) for row in rows],
            "receipts": account.receipts,
        }
        yield documents.encode("rows", values), writer.recipient


def rows_of(vault: Vault, account: Account, cls: str, *, hour: int) -> list[Row]:
    """The rows of a class from this hour on, split wherever a reader's window or history begins or ends."""
    newest = account.trees[cls].newest
    starts = vault.starts(hour)
    ends = [*starts[1:], vault.until(hour)]
    rows = []
    for first, until in zip(starts, ends, strict=True):
        identity = vault.identity(account.pseudonym, cls, generation=newest.number, hour=first)
        assert identity is not None
        rows.append(Row(cls, newest.number, first, until, str(identity.recipient)))
    return rows


def _capsules(vault: Vault, account: Account, *, now: Publication) -> Iterable[tuple[bytes, str]]:
    """One for each reader: of all sources in the bundle of the account that granted, of this one's in its own."""
    hour = now.hour
    delivered = [each for each in vault.sharings if each.delivered(hour)]
    singles = [each for each in vault.singles if each.pseudonym == account.pseudonym and hour < each.end]
    readers = {(each.pseudonym, each.reader): each.recipient for each in delivered}
    readers |= {(each.pseudonym, each.reader): each.recipient for each in singles}
    for (granted_by, reader), recipient in readers.items():
        sharings = [each for each in delivered if (each.pseudonym, each.reader) == (granted_by, reader)]
        sources = vault.written() if granted_by == account.pseudonym else [account] if account.written else []
        openings = [
            opening
            for source in sources
            for opening in _openings(vault, source, sharings)
            if strong_enough(recipient, opening.cls)
        ]
        keys = [
            {"source": each.source, "digest": each.digest, "key": each.key}
            for each in singles
            if (each.pseudonym, each.reader) == (granted_by, reader)
        ]
        if not openings and not keys:
            continue
        values: dict[str, Any] = {
            "pseudonym": account.pseudonym,
            "reader": reader,
            "openings": [opening.values() for opening in openings],
            "keys": keys,
            "indexes": _indexes(account, sources, openings, now=now),
        }
        if any(each.referable for each in sharings):
            values["referable"] = mondays_after(hour)[-1]
        yield documents.encode("capsule", values), recipient


def _indexes(
    account: Account, sources: Sequence[Account], openings: Sequence[Opening], *, now: Publication
) -> list[dict[str, Any]]:
    """Where the class files lie of what is opened: of this account's next version, of the others' latest."""
    held = {(opening.source, opening.cls) for opening in openings}
    latest = [
        (source, now if source is account else source.publications[-1])
        for source in sources
        if source is account or source.publications
    ]
    return [
        {"source": source.pseudonym, "cls": cls, "digest": digest, "hour": publication.hour}
        for source, publication in latest
        for cls, digest in publication.indexes.items()
        if (source.pseudonym, cls) in held
    ]


def _escrow(vault: Vault, account: Account, *, version: int) -> Made | None:
    """A fresh key in shares where the account is the emergency's."""
    emergency = vault.emergency
    if emergency is None or emergency.pseudonym != account.pseudonym:
        return None
    strong = any(KeyClass.parse(cls).level is Level.V for cls in emergency.classes)
    return make(
        [each.recipient for each in emergency.custodians],
        need=emergency.need,
        pseudonym=account.pseudonym,
        version=version,
        strong=strong,
    )


def _escrow_capsule(
    vault: Vault, account: Account, sharing: Sharing, *, now: Publication
) -> Iterable[tuple[bytes, str]]:
    """The escrow's: of all sources in the bundle that carries it, of this one's in every other, as for any reader."""
    carries = sharing.pseudonym == account.pseudonym
    sources = vault.escrow_sources() if carries else [account] if account.written else []
    openings = [opening for source in sources for opening in _openings(vault, source, [sharing])]
    if not sharing.recipient or not (openings or carries):
        return
    assert vault.emergency is not None
    holds_inboxes = carries and vault.emergency.inbox
    values = {
        "pseudonym": account.pseudonym,
        "reader": "",
        "openings": [opening.values() for opening in openings],
        "keys": [],
        "indexes": _indexes(account, sources, openings, now=now),
        "inboxes": [
            {"source": source.pseudonym, "seed": source.inboxes[Level.N.name].hex()}
            for source in (sources if holds_inboxes else ())
        ],
    }
    yield documents.encode("capsule", values), sharing.recipient


def strong_enough(recipient: str, cls: str) -> bool:
    """Level V is never sealed to a classic recipient: what is pinned today can be opened by tomorrow's computers."""
    return KeyClass.parse(cls).level is not Level.V or isinstance(parse_recipient(recipient), HybridRecipient)


def _openings(vault: Vault, source: Account, sharings: Sequence[Sharing]) -> Iterable[Opening]:
    publisher = vault.publisher(source)
    for sharing in sharings:
        for cls in sharing.classes:
            if cls not in source.trees:
                continue
            for generation, nodes in vault.nodes(source, cls, sharing):
                opening = Opening(source.pseudonym, cls, generation.number, generation.first, nodes)
                signed = publisher.sign_message(opening.signable())
                yield replace(opening, signature=bytes(signed.signature).hex())


def _indexed(vault: Vault, account: Account) -> list[str]:
    held = {entry.cls for entry in vault.entries.values() if entry.source == account.pseudonym}
    return sorted(held & set(account.trees))


def _class_file(vault: Vault, account: Account, cls: str, *, hour: int) -> tuple[bytes, int]:
    """The index of a class, sealed to this hour; inside, a part for each interval, sealed to it. And its length."""
    parts: dict[tuple[int, int], list[Entry]] = {}
    for entry in vault.listed(cls=cls, source=account.pseudonym):
        parts.setdefault((entry.generation, entry.first), []).append(entry)

    sealed = []
    for (generation, first), entries in parts.items():
        identity = vault.identity(account.pseudonym, cls, generation=generation, hour=first)
        if identity is None:
            continue
        part = documents.encode("part", {"entries": [_entry_values(entry) for entry in entries]}, canonical=False)
        blob = documents.seal(part, to=identity.recipient)
        sealed.append({"generation": generation, "first": first, "sealed": base64.b64encode(blob).decode()})

    newest = account.trees[cls].newest
    outer = vault.identity(account.pseudonym, cls, generation=newest.number, hour=hour)
    assert outer is not None
    index = documents.encode("index", {"pseudonym": account.pseudonym, "cls": cls, "parts": sealed}, canonical=False)
    return documents.seal(index, to=outer.recipient), len(index)


def _entry_values(entry: Entry) -> dict[str, Any]:
    """What an index says of a record; its class and pseudonym are said once, by the index."""
    values = {name: value for name, value in vars(entry).items() if name not in ("source", "cls")}
    if not entry.proofs:
        del values["proofs"]
    return values


def _dummies(sizes: Sequence[int], *, beside: int) -> list[bytes]:
    """Files that nobody opens, each as long as one of the real ones, to make the `beside` real ones a full crowd."""
    missing = -beside % _CROWD or (0 if beside else _CROWD)
    chosen = [random.SystemRandom().choice(sizes or [4096]) for _ in range(missing)]
    return [documents.seal(bytes(size), to=HybridIdentity.generate().recipient) for size in chosen]


def _digest(document: bytes) -> bytes:
    return compute(BytesIO(document)).digest


# -- reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bundle:
    """A bundle as whoever fetched it sees it."""

    pseudonym: str
    version: int
    inboxes: Inboxes
    files: tuple[bytes, ...]
    classes: tuple[str, ...]
    backup: str
    escrow: Escrow | None = None

    @classmethod
    def decode(cls, data: bytes, *, pseudonym: str, version: int) -> "Bundle":
        """The bundle of a pseudonym at a version.

        :raises BadDocument: it is another's, another version, or broken.
        """
        values = documents.decode("bundle", data)
        if values.get("pseudonym") != pseudonym or values.get("version") != version:
            raise BadDocument(kind="bundle", fault="it belongs to another pseudonym or version")
        try:
            inboxes = inboxes_from(pseudonym, values["inboxes"])
            return cls(
                pseudonym=pseudonym,
                version=version,
                inboxes=inboxes,
                files=tuple(base64.b64decode(sealed, validate=True) for sealed in values["files"]),
                classes=tuple(str(digest) for digest in values["classes"]),
                backup=str(values["backup"]),
                escrow=Escrow.of(values["escrow"]) if "escrow" in values else None,
            )
        except (KeyError, TypeError, ValueError, BadRecipient) as fault:
            raise BadDocument(
                kind="bundle", fault=f"a part of it is missing or broken ({type(fault).__name__})"
            ) from None

    def writer_file(self, identity: Identity) -> WriterFile | None:
        """The rows sealed to this identity, or None where there are none."""
        values = self._own("rows", identity)
        if values is None:
            return None
        try:
            rows = tuple(_from(Row, each) for each in values["rows"])
            return WriterFile(self.pseudonym, rows, tuple(str(digest) for digest in values["receipts"]))
        except (KeyError, TypeError, ValueError):
            raise BadDocument(kind="rows", fault="a part of them is missing or broken") from None

    def capsule(self, identity: Identity) -> Capsule | None:
        """The capsule sealed to this identity, or None where there is none."""
        values = self._own("capsule", identity)
        if values is None:
            return None
        try:
            return Capsule(
                pseudonym=self.pseudonym,
                reader=str(values["reader"]),
                openings=tuple(Opening.of(each) for each in values["openings"]),
                keys=tuple(_from(RecordKey, each) for each in values["keys"]),
                indexes=tuple(IndexFile.of(each) for each in values["indexes"]),
                inboxes=tuple(_from(InboxKey, each) for each in values.get("inboxes", ())),
                referable=int(values.get("referable", 0)),
            )
        except (KeyError, TypeError, ValueError, AttributeError, BadNodes):
            raise BadDocument(kind="capsule", fault="a part of it is missing or broken") from None

    def _own(self, kind: str, identity: Identity) -> dict[str, Any] | None:
        for sealed in self.files:
            try:
                document = documents.open_(sealed, identities=[identity])
            except NoMatchingIdentity:
                continue
            try:
                values = documents.decode(kind, document)
            except BadDocument:
                # The same identity may be a writer's and a reader's, with a file for each.
                continue
            if values.get("pseudonym") == self.pseudonym:
                return values
        return None


def read_index(sealed: bytes, file: IndexFile, openings: Sequence[Opening]) -> list[Entry]:
    """The entries of a class file that a reader's openings reach.

    :raises BadDocument: it is the index of another class, or broken.
    :raises NoMatchingIdentity: the openings do not reach that hour.
    """
    source, cls = file.source, file.cls
    mine = [opening for opening in openings if opening.source == source and opening.cls == cls]
    outer = [identity for opening in mine if (identity := opening.nodes.identity(file.hour))]
    values = documents.decode("index", documents.open_(sealed, identities=outer), canonical=False)
    if values.get("pseudonym") != source or values.get("cls") != cls:
        raise BadDocument(kind="index", fault="it belongs to another class")
    try:
        return [entry for part in values["parts"] for entry in _read_part(part, mine, source=source, cls=cls)]
    except (KeyError, TypeError, ValueError, OverflowError):
        raise BadDocument(kind="index", fault="a part of it is missing or broken") from None


def _entry(source: str, cls: str, values: Mapping[str, Any]) -> Entry:
    """An entry of a stranger's index. Raises TypeError where a part of it is another thing than what belongs there."""
    entry = Entry(source=source, cls=cls, **values)
    numbers = (entry.author, entry.generation, entry.first, entry.anchored)
    texts = (entry.digest, entry.key, entry.resealed_from, entry.proofs)
    if not all(type(each) is int for each in numbers) or not all(isinstance(each, str) for each in texts):
        raise TypeError
    if not 0 <= entry.anchored < LAST_SECOND or not _is_summary(entry.summary):
        raise TypeError
    return entry


def _is_summary(values: Any) -> bool:
    """Whether it is what a manifest says for lists; a part may be missing."""
    if not isinstance(values, dict) or not isinstance(values.get("codes", []), list):
        return False
    texts = [values.get(name, "") for name in ("type", "title", "date", "place")]
    size = values.get("size", 0)
    return all(isinstance(each, str) for each in (*texts, *values.get("codes", []))) and type(size) is int and size >= 0


def _read_part(part: Mapping[str, Any], mine: Sequence[Opening], *, source: str, cls: str) -> list[Entry]:
    for opening in mine:
        if opening.generation != part["generation"]:
            continue
        identity = opening.nodes.identity(int(part["first"]))
        if identity is not None:
            document = documents.open_(base64.b64decode(part["sealed"]), identities=[identity])
            entries = documents.decode("part", document, canonical=False)["entries"]
            return [_entry(source, cls, values) for values in entries]
    return []


def profile(account: str, *, name: str, recipient: Recipient, endpoints: Mapping[str, str] | None = None) -> bytes:
    """What a member or a reader publishes of itself through Keys, under its own account."""
    return documents.encode(
        "profile",
        {"account": account, "name": name, "recipient": str(recipient), "endpoints": dict(endpoints or {})},
    )


@dataclass(frozen=True)
class Profile:
    """Who somebody says to be, and what to seal to."""

    account: str
    name: str
    recipient: str
    endpoints: Mapping[str, str]

    @classmethod
    def decode(cls, data: bytes, *, account: str) -> "Profile":
        """Raises BadDocument: anyone can publish anything, and others read it."""
        values = documents.decode("profile", data)
        if values.get("account") != account:
            raise BadDocument(kind="profile", fault="it belongs to another account")
        name, recipient, endpoints = (values.get(each) for each in ("name", "recipient", "endpoints"))
        if not (isinstance(name, str) and isinstance(recipient, str) and isinstance(endpoints, dict)):
            raise BadDocument(kind="profile", fault="its name, recipient or endpoints are missing")
        if not all(isinstance(each, str) for each in endpoints.values()):
            raise BadDocument(kind="profile", fault="an endpoint is no text")
        try:
            parse_recipient(recipient)
        except BadRecipient:
            raise BadDocument(kind="profile", fault="its recipient is nothing to seal to") from None
        return cls(account, name, recipient, endpoints)

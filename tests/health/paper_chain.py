"""A chain on paper: what the contracts would keep, in dictionaries, so that many lives can be played through quickly.

It holds no rule about keys; those are what the tests that use it are about. It checks versions, and can lose the line.
"""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

from theriac.crypto.recipients import HybridIdentity, parse_recipient
from theriac.errors import BadDocument, ChainSilent, NoBundle, NoProfile, NotStored, Reverted
from theriac.health import records
from theriac.health.bundle import Bundle, Profile
from theriac.health.chain import Anchor, Anchoring, Authority, Signed
from theriac.health.hours import hour_of_seconds
from theriac.health.messages import (
    Grant,
    Letter,
    Narrow,
    Publish,
    Report,
    Reseal,
    Revoke,
    RevokeEverything,
    Rotate,
    SetPublisher,
)
from theriac.health.scope import KeyClass, Level, Purpose
from theriac.ledger.signer import KeySigner
from theriac.ledger.typed import Domain
from theriac.store.cid import Cid, compute

HOUR = 3600
NOBODY = "0x" + "00" * 20


class PaperStore:
    """A store in memory that forgets nothing, as a reader who copied everything would have it."""

    def __init__(self) -> None:
        self.blobs: dict[bytes, bytes] = {}

    def put(self, stream: BinaryIO) -> Cid:
        data = stream.read()
        cid = compute(io.BytesIO(data))
        self.blobs[cid.digest] = data
        return cid

    def get_digest(self, digest: bytes) -> BinaryIO:
        if digest not in self.blobs:
            raise NotStored(cid=digest.hex(), store="paper")
        return io.BytesIO(self.blobs[digest])

    def get(self, cid: Cid) -> BinaryIO:
        return self.get_digest(cid.digest)

    def resolve(self, digest: bytes) -> Cid:
        return compute(self.get_digest(digest))

    def pin(self, cid: Cid) -> None:
        """Everything is kept."""

    def unpin(self, cid: Cid) -> None:
        """Everything is kept."""

    def has(self, cid: Cid) -> bool:
        return cid.digest in self.blobs


@dataclass(frozen=True)
class _Event:
    number: int
    name: str
    arguments: dict[str, Any]
    seconds: int

    @property
    def block(self) -> int:
        """Each event has a block of its own."""
        return self.number


@dataclass(frozen=True)
class _Progress:
    settled: int


@dataclass
class PaperChain:
    """What `Chain` answers, kept in dictionaries; `seconds` is the time of its latest block."""

    seconds: int
    versions: dict[str, int] = field(default_factory=dict)
    digests: dict[str, bytes] = field(default_factory=dict)
    publishers: dict[str, tuple[str, int]] = field(default_factory=dict)
    eras: dict[str, int] = field(default_factory=dict)
    grants: dict[tuple[str, str, int], dict[str, int]] = field(default_factory=dict)
    kept: dict[tuple[str, int, str], Anchor] = field(default_factory=dict)
    profiles: dict[str, Profile] = field(default_factory=dict)
    members: dict[str, int] = field(default_factory=dict)
    log: list[_Event] = field(default_factory=list)

    def time(self) -> int:
        return self.seconds

    def hour(self) -> int:
        return hour_of_seconds(self.seconds)

    def domain(self, contract: str) -> Domain:
        return Domain(contract, "1", 1, NOBODY)

    def authority(self, pseudonym: str) -> Authority:
        era, version = self.eras.get(pseudonym, 0), self.versions.get(pseudonym, 0)
        return Authority(cast(Any, pseudonym), era, version, False)

    def publisher(self, pseudonym: str) -> tuple[str, int]:
        return self.publishers.get(pseudonym, (NOBODY, 0))

    def digest(self, pseudonym: str) -> bytes:
        return self.digests.get(pseudonym, bytes(32))

    def anchor(self, pseudonym: str, author: int, digest: bytes) -> Anchor:
        return self.kept[pseudonym, author, digest.hex()]

    def anchors(self, places: Sequence[tuple[str, int, bytes]]) -> list[Anchor]:
        return [self.anchor(*place) for place in places]

    def grant(self, pseudonym: str, reader: str, purpose: Purpose) -> dict[str, int]:
        none = {"scope": 0, "start": 0, "expiry": 0, "nonce": 0, "era": 0}
        return self.grants.get((pseudonym, reader, purpose.number), none)

    def grant_nonce(self, pseudonym: str, reader: str, purpose: Purpose) -> int:
        return self.grant(pseudonym, reader, purpose)["nonce"]

    def letter_nonce(self, sender: str) -> int:
        return sum(each.name == "Sent" and each.arguments["from"] == sender for each in self.log)

    def member_of(self, account: str) -> int:
        return self.members.get(account, 0)

    def accepts(self, wallet: str, message: Any, signature: bytes) -> bool:
        """No account has code here."""
        return False

    def profile(self, reader: str, store: PaperStore) -> Profile:
        if reader not in self.profiles:
            raise NoProfile(account=reader)
        return self.profiles[reader]

    def document(self, pseudonym: str, store: PaperStore) -> tuple[bytes, int]:
        if pseudonym not in self.digests:
            raise NoBundle(pseudonym=pseudonym)
        return store.get_digest(self.digests[pseudonym]).read(), self.versions[pseudonym]

    def bundle(self, pseudonym: str, store: PaperStore) -> Bundle:
        data, version = self.document(pseudonym, store)
        return Bundle.decode(data, pseudonym=pseudonym, version=version)

    # -- the index ---------------------------------------------------------------------------------------------------

    @property
    def index(self) -> "PaperChain":
        return self

    def progress(self) -> _Progress:
        return _Progress(len(self.log) - 1)

    def events(
        self,
        contract: str,
        name: str,
        *,
        since: int = 0,
        settled: bool = True,
        newest_first: bool = False,
        where: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> list[_Event]:
        wanted = (where or {}).items()
        found = [each for each in self.log[since:] if each.name == name and wanted <= each.arguments.items()]
        return (found[::-1] if newest_first else found)[:limit]

    def anchored(self, digest: bytes) -> list[Anchoring]:
        return [each for each in self._anchorings(0) if each.digest == digest][::-1]

    def anchored_under(self, pseudonyms: Iterable[str], *, since: int = 0, settled: bool = False) -> list[Anchoring]:
        wanted = set(pseudonyms)
        return [each for each in self._anchorings(since) if each.pseudonym in wanted]

    def _anchorings(self, since: int) -> list[Anchoring]:
        told = [(each.number, each.arguments) for each in self.events("Records", "Anchored", since=since)]
        return [Anchoring(each["pseudonym"], each["author"], each["digest"], number) for number, each in told]

    def day_rows(self, pseudonyms: Iterable[str], *, since: int = 0, settled: bool = False) -> list[Any]:
        """Nobody anchors a day's root here."""
        return []

    def tell(self, name: str, **arguments: Any) -> None:
        """Writes an event down."""
        self.log.append(_Event(len(self.log), name, arguments, self.seconds))

    def note(self, pseudonym: str, author: int, digest: bytes, *, inbox: bool = False) -> None:
        """Anchors a record."""
        version = 0 if inbox else self.versions[pseudonym]
        self.kept[pseudonym, author, digest.hex()] = Anchor(self.seconds, version, author, 1, int(inbox))
        self.tell("Anchored", pseudonym=pseudonym, author=author, digest=digest)


class PaperRelay:
    """Applies what was signed, all or nothing. After `lives` carries the line goes dead, before or after the last."""

    def __init__(self, chain: PaperChain) -> None:
        self._chain = chain
        self.lives: int | None = None
        self.lands = False

    def carry(self, *signed: Signed) -> Any:
        if self.lives == 0 and not self.lands:
            raise ChainSilent(endpoint="paper", seconds=0, reason="the phone is dead")
        for one in signed:
            self._apply(one.message)
        if self.lives == 0:
            raise ChainSilent(endpoint="paper", seconds=0, reason="the phone is dead")
        if self.lives is not None:
            self.lives -= 1

    def _apply(self, message: Any) -> None:
        chain = self._chain
        if isinstance(message, Publish | Rotate):
            if message.version != chain.versions.get(message.pseudonym, 0) + 1:
                raise Reverted(contract="Keys", error="WrongVersion", arguments={})
            chain.versions[message.pseudonym] = message.version
            chain.digests[message.pseudonym] = message.bundle
            chain.tell("Published", pseudonym=message.pseudonym, version=message.version, bundle=message.bundle)
            if isinstance(message, Rotate):
                nonce = chain.publisher(message.pseudonym)[1] + 1
                chain.publishers[message.pseudonym] = (message.publisher, nonce)
        elif isinstance(message, Grant | Narrow | Revoke):
            self._change(message)
        elif isinstance(message, RevokeEverything):
            chain.eras[message.pseudonym] = message.era + 1
        elif isinstance(message, Report):
            for digest in message.digests:
                chain.note(message.pseudonym, 0, digest)
        elif isinstance(message, Reseal):
            for each in message.records:
                chain.tell("Resealed", pseudonym=message.pseudonym, old=each.old, digest=each.digest)
        elif isinstance(message, Letter):
            # `from` is a word of Python's.
            chain.tell("Sent", **{"from": message.sender, "to": message.to, "letter": message.letter})
        elif isinstance(message, SetPublisher):
            chain.publishers[message.pseudonym] = (message.publisher, message.nonce + 1)
        else:
            raise AssertionError(type(message))

    def _change(self, message: Grant | Narrow | Revoke) -> None:
        place = (message.pseudonym, message.reader, message.purpose.number)
        former = self._chain.grant(message.pseudonym, message.reader, message.purpose)
        era = self._chain.eras.get(message.pseudonym, 0)
        changed = {"scope": 0, "start": 0, "expiry": 0, "nonce": former["nonce"] + 1, "era": era}
        if not isinstance(message, Revoke):
            start = message.start if isinstance(message, Grant) else former["start"]
            changed |= {"scope": message.scope, "start": start, "expiry": message.expiry}
        self._chain.grants[place] = changed


@dataclass(frozen=True)
class PaperClinic:
    """A desk that takes the row of the hour, or an inbox."""

    member: int
    signer: KeySigner
    identity: HybridIdentity

    def write(
        self, chain: PaperChain, store: PaperStore, pseudonym: str, cls: KeyClass, *, inbox: bool = False
    ) -> tuple[bytes, int]:
        """Seals one record; its digest, and the hour that its interval began."""
        bundle, hour = chain.bundle(pseudonym, store), chain.hour()
        mine = bundle.writer_file(self.identity)
        row = mine.row(cls, hour) if mine is not None and not inbox else None
        recipient = row.recipient if row is not None else bundle.inboxes.recipients[Level(cls.level).name]
        manifest = records.Manifest(pseudonym, str(cls), "text/plain", 0, "", self.member, "")
        drafted = records.draft(io.BytesIO(b"what was found"), manifest, signer=self.signer)
        sealed = records.seal(drafted, to=parse_recipient(recipient), spool=io.BytesIO())
        chain.note(pseudonym, self.member, sealed.cid.digest, inbox=row is None)
        store.put(sealed.spooled)
        return sealed.cid.digest, row.first if row is not None else hour


def capsules(store: PaperStore, digests: Sequence[bytes], identity: HybridIdentity) -> list[Any]:
    """Every capsule for an identity in these blobs, whether the chain ever named them or not."""
    found = []
    for digest in digests:
        blob = store.blobs[digest]
        if not blob.startswith(b"{"):
            continue
        try:
            said = json.loads(blob)
            bundle = Bundle.decode(blob, pseudonym=said["pseudonym"], version=said["version"])
        except (ValueError, KeyError, BadDocument):
            continue
        capsule = bundle.capsule(identity)
        if capsule is not None:
            found.append(capsule)
    return found

"""Filing: what writers anchored under a patient's pseudonyms finds its place in the index of its class."""

import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from theriac.crypto import age
from theriac.crypto.recipients import FileKey
from theriac.errors import BadRecord, NoMatchingIdentity, TheriacError, Unavailable
from theriac.health import documents, records
from theriac.health.chain import Anchor, Chain
from theriac.health.days import MOST, DayRow, Proofs
from theriac.health.hours import hour_of_seconds
from theriac.health.search import hours_back
from theriac.health.vault import Account, Entry, Vault
from theriac.store import Store

_RECEIPTS = 1000
"""The latest records that a writer is told were filed."""

_ASKED = 64
"""So many places are asked of the chain at one go."""

_HEAD = 64 * 1024
"""Bytes that surely hold the header of a file with one reader."""


@dataclass
class Filed:
    """What was filed, what waits for its bytes or its key, and what was rejected, with the reason."""

    filed: list[Entry] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)


class Filing:
    """Reads what is new on the chain into the vault's index. Only records of introduced members are filed."""

    def __init__(self, vault: Vault, *, chain: Chain, store: Store) -> None:
        self._vault = vault
        self._chain = chain
        self._store = store
        # The trees of a pseudonym that opened something, the latest last.
        self._lately: dict[str, dict[tuple[str, int], None]] = {}

    def file_new(self) -> Filed:
        """Files everything that was anchored since the last time, up to the network's depth."""
        index, found = self._chain.index, Filed()
        settled = index.progress().settled
        unread: list[tuple[str, int, str]] = []
        fresh = self._vault.unknown(dict.fromkeys([*self._vault.unread, *self._anchored()]))
        anchors = self._anchors(fresh)
        for source, author, digest in fresh:
            account = self._vault.accounts[source]
            if author not in {writer.member for writer in account.writers} and not (author == 0 and account.own):
                self._vault.unsolicited[f"{source}/{author}/{digest}"] = "nobody by that number was introduced"
                continue
            try:
                entry = self._file(account, author, digest, anchors.get((source, author, digest)))
            except (Unavailable, NoMatchingIdentity):
                unread.append((source, author, digest))
                found.waiting.append(digest)
                continue
            except TheriacError as fault:
                # One bad record must not keep the others from being filed.
                self._vault.unsolicited[f"{source}/{author}/{digest}"] = str(fault)
                found.rejected.append(digest)
                continue
            self._vault.add(entry)
            account.receipts = [*account.receipts, digest][-_RECEIPTS:]
            found.filed.append(entry)
        self._vault.unread = unread
        self._vault.unread_days = self._file_days(found)
        self._vault.cursor = max(settled, 0)
        return found

    def _anchored(self) -> list[tuple[str, int, str]]:
        fresh = self._chain.anchored_under(self._vault.accounts, since=self._vault.cursor, settled=True)
        return [(each.pseudonym, each.author, each.digest.hex()) for each in fresh]

    def _anchors(self, places: Sequence[tuple[str, int, str]]) -> dict[tuple[str, int, str], Anchor]:
        """What the chain says of many, asked for together; where that fails, each is asked for by itself."""
        found: dict[tuple[str, int, str], Anchor] = {}
        for at in range(0, len(places), _ASKED):
            some = places[at : at + _ASKED]
            with suppress(TheriacError):
                anchors = self._chain.anchors([(source, author, bytes.fromhex(each)) for source, author, each in some])
                found |= dict(zip(some, anchors, strict=True))
        return found

    # -- days --------------------------------------------------------------------------------------------------------

    def _file_days(self, found: Filed) -> list[DayRow]:
        """Files what members anchored below days' roots; the rows of which something is still missing."""
        fresh = self._chain.day_rows(self._vault.accounts, since=self._vault.cursor, settled=True)
        unread = []
        for row in dict.fromkeys([*self._vault.unread_days, *fresh]):
            place = f"{row.pseudonym}/{row.author}/{row.proofs.hex()}"
            account = self._vault.accounts[row.pseudonym]
            if row.author not in {writer.member for writer in account.writers}:
                self._vault.unsolicited[place] = "nobody by that number was introduced"
                continue
            try:
                if not self._file_row(account, row, found):
                    unread.append(row)
            except (Unavailable, NoMatchingIdentity):
                unread.append(row)
                found.waiting.append(row.proofs.hex())
            except TheriacError as fault:
                self._vault.unsolicited[place] = str(fault)
                found.rejected.append(row.proofs.hex())
        return unread

    def _file_row(self, account: Account, row: DayRow, found: Filed) -> bool:
        """Files the records of one row; whether all of them are done with.

        (1) the proofs are opened by a key of this pseudonym, (2) they are of this row and lead to its root, (3) each
        record is opened by the same key, and says the same as the chain.
        """
        time = self._chain.day(row.author, row.root)
        hour = hour_of_seconds(time)
        with self._store.get_digest(row.proofs) as stream:
            sealed = documents.read_at_most(stream, MOST)
        first, cls, generation, key = self._opened_by(account, sealed[:_HEAD], hour, row.version)
        proofs = Proofs.decode(documents.open_with_key(sealed, file_key=key))
        proofs.check(row)
        done = True
        for digest in proofs.records:
            if self._vault.knows(row.pseudonym, row.author, digest):
                continue
            try:
                identity = self._vault.identity(account.pseudonym, cls, generation=generation, hour=first)
                with self._store.get_digest(bytes.fromhex(digest)) as stream:
                    opened = records.open_(stream, identities=[identity] if identity else [])
                    _check(opened, account, row.author, digest)
                    summary = opened.manifest.summary()
            except (Unavailable, NoMatchingIdentity):
                found.waiting.append(digest)
                done = False
                continue
            except TheriacError as fault:
                self._vault.unsolicited[f"{row.pseudonym}/{row.author}/{digest}"] = str(fault)
                found.rejected.append(digest)
                continue
            entry = Entry(
                *(account.pseudonym, digest, row.author, cls, generation, first, time, summary),
                proofs=row.proofs.hex(),
            )
            self._vault.add(entry)
            account.receipts = [*account.receipts, digest][-_RECEIPTS:]
            found.filed.append(entry)
        return done

    # -- records -----------------------------------------------------------------------------------------------------

    def _file(self, account: Account, author: int, digest: str, known: Anchor | None) -> Entry:
        anchor = known or self._chain.anchor(account.pseudonym, author, bytes.fromhex(digest))
        if anchor.inbox:
            return self._from_inbox(account, author, digest, anchor.time)
        return self._from_row(account, author, digest, anchor.time, anchor.version)

    def _from_inbox(self, account: Account, author: int, digest: str, time: int) -> Entry:
        """Refiling: the file key goes into the index of the right class, in the part of the anchoring time."""
        identities = account.all_inboxes()
        with self._store.get_digest(bytes.fromhex(digest)) as stream:
            key = age.file_key_of(stream, identities=identities)
        with self._store.get_digest(bytes.fromhex(digest)) as stream:
            opened = records.open_(stream, file_key=key)
        _check(opened, account, author, digest)
        cls, hour = opened.manifest.cls, hour_of_seconds(time)
        self._vault.grow(account, classes=[cls], hour=hour)
        generation = account.trees[cls].at(hour).number
        summary, secret = opened.manifest.summary(), key.unsafe_export_secret().hex()
        return Entry(account.pseudonym, digest, author, cls, generation, hour, time, summary, key=secret)

    def _from_row(self, account: Account, author: int, digest: str, time: int, version: int) -> Entry:
        with self._store.get_digest(bytes.fromhex(digest)) as stream:
            head = stream.read(_HEAD)
        first, cls, generation, key = self._opened_by(account, head, hour_of_seconds(time), version)
        with self._store.get_digest(bytes.fromhex(digest)) as stream:
            opened = records.open_(stream, file_key=key)
        _check(opened, account, author, digest)
        return Entry(account.pseudonym, digest, author, cls, generation, first, time, opened.manifest.summary())

    def _opened_by(self, account: Account, beginning: bytes, hour: int, version: int) -> tuple[int, str, int, FileKey]:
        """Which row a file anchored in an hour was sealed to: its first hour, class and generation, and the file's key.

        :raises NoMatchingIdentity: to none of this pseudonym.
        """
        published = {each.version: each for each in account.publications}.get(version)
        known = published.start_at(hour) if published is not None else None
        # A vault restored from a backup does not know when rows began, and looks for it as a reader would.
        hours = (known,) if known is not None else hours_back(hour)
        head = io.BytesIO(beginning)
        for first in hours:
            for cls, generation in self._candidates(account, first):
                identity = self._vault.identity(account.pseudonym, cls, generation=generation, hour=first)
                head.seek(0)
                try:
                    key = age.file_key_of(head, identities=[identity] if identity else [])
                except NoMatchingIdentity:
                    continue
                lately = self._lately.setdefault(account.pseudonym, {})
                lately.pop((cls, generation), None)
                lately[cls, generation] = None
                return first, cls, generation, key
        raise NoMatchingIdentity(tried=len(hours) * len(account.trees))

    def _candidates(self, account: Account, first: int) -> list[tuple[str, int]]:
        """The trees to try, those that opened something lately before the others: records of a class come together."""
        lately = list(reversed(self._lately.get(account.pseudonym, {})))
        possible = dict.fromkeys(_trees(account, first))
        return [*(each for each in lately if each in possible), *(each for each in possible if each not in lately)]


def _trees(account: Account, first: int) -> Iterator[tuple[str, int]]:
    """The trees that a row which begins in this hour can be of: no row begins before its generation."""
    for cls, tree in account.trees.items():
        for generation in reversed(tree.generations):
            if generation.first <= first:
                yield cls, generation.number


def _check(opened: records.Opened, account: Account, author: int, digest: str) -> None:
    """The manifest is signed, and says the same as the chain of whose record it is and by whom."""
    opened.check_author(digest=digest)
    if opened.manifest.pseudonym != account.pseudonym:
        raise BadRecord(fault="it was written for another patient")
    if opened.manifest.member != author:
        raise BadRecord(fault="it names another author than the member that anchored it")

"""Filing: what writers anchored under a patient's pseudonyms finds its place in the index of its class."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field

from theriac.crypto import age
from theriac.errors import BadRecord, NoMatchingIdentity, TheriacError, Unavailable
from theriac.health import records
from theriac.health.chain import Chain, digests_of
from theriac.health.hours import hour_of_seconds
from theriac.health.search import hours_back
from theriac.health.vault import Account, Entry, Vault
from theriac.store import Store

_RECEIPTS = 1000
"""The latest records that a writer is told were filed."""


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

    def file_new(self) -> Filed:
        """Files everything that was anchored since the last time, up to the network's depth."""
        index, found = self._chain.index, Filed()
        settled = index.progress().settled
        unread: list[tuple[str, int, str]] = []
        for source, author, digest in dict.fromkeys([*self._vault.unread, *self._anchored()]):
            if self._vault.knows(source, author, digest):
                continue
            account = self._vault.accounts[source]
            if author not in {writer.member for writer in account.writers} and not (author == 0 and account.own):
                self._vault.unsolicited[f"{source}/{author}/{digest}"] = "nobody by that number was introduced"
                continue
            try:
                entry = self._file(account, author, digest)
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
        self._vault.cursor = max(settled, 0)
        return found

    def _anchored(self) -> list[tuple[str, int, str]]:
        fresh = []
        for name in ("Anchored", "AnchoredMany"):
            for event in self._chain.index.events("Records", name, since=self._vault.cursor, settled=True):
                source, author = str(event.arguments["pseudonym"]), int(event.arguments["author"])
                if source in self._vault.accounts:
                    fresh += [(source, author, digest.hex()) for digest in digests_of(event.arguments)]
        return fresh

    def _file(self, account: Account, author: int, digest: str) -> Entry:
        anchor = self._chain.anchor(account.pseudonym, author, bytes.fromhex(digest))
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
        hour = hour_of_seconds(time)
        published = {each.version: each for each in account.publications}.get(version)
        known = published.start_at(hour) if published is not None else None
        # A vault restored from a backup does not know when rows began, and looks for it as a reader would.
        hours = (known,) if known is not None else hours_back(hour)
        with self._store.get_digest(bytes.fromhex(digest)) as stream:
            head = io.BytesIO(stream.read(_HEAD))
        for first in hours:
            for cls, generation in _candidates(account, first):
                identity = self._vault.identity(account.pseudonym, cls, generation=generation, hour=first)
                head.seek(0)
                try:
                    key = age.file_key_of(head, identities=[identity] if identity else [])
                except NoMatchingIdentity:
                    continue
                with self._store.get_digest(bytes.fromhex(digest)) as stream:
                    opened = records.open_(stream, file_key=key)
                _check(opened, account, author, digest)
                return Entry(account.pseudonym, digest, author, cls, generation, first, time, opened.manifest.summary())
        raise NoMatchingIdentity(tried=len(hours) * len(account.trees))


def _candidates(account: Account, first: int) -> Iterator[tuple[str, int]]:
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

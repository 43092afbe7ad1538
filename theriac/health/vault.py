"""The patient's secrets: seeds by pseudonym, class and generation, and the ledger of who was granted what.

A class of records under a pseudonym has a tree of hour keys for each generation (`theriac.health.hours`). A revoke
starts the next generation; its seed was made and backed up before, so that a phone that breaks on the way loses
nothing. The vault is plain data: it speaks to no chain and no store. `theriac.health.bundle` makes documents from it,
`theriac.health.patient` carries them.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from eth_account import Account as EthAccount
from eth_account.signers.local import LocalAccount

from theriac.crypto.recipients import HybridIdentity
from theriac.errors import BadDocument, UnknownGrant
from theriac.health import documents
from theriac.health.days import DayRow
from theriac.health.guardians import Guardian, Guardianship, Guarding, Member
from theriac.health.hours import HOURS, Nodes, cover, identity_of, mondays_after, root
from theriac.health.scope import KeyClass, Level

ROW_DAYS = 90
"""How far ahead rows reach."""

RENEW_DAYS = 30
"""Rows that end sooner than this are published anew."""

ESCROW_STEP = 30 * 24
"""Escrows end at multiples of this for everybody, so that the rows which split there tell nobody apart."""


@dataclass
class Generation:
    """One tree of a class: its seed of 32 bytes, and the hour from which writers seal to it."""

    number: int
    seed: bytes = field(repr=False)
    first: int


@dataclass
class Tree:
    """The generations of a class, oldest first, and the next one's seed; those numbered below `erased` are gone."""

    generations: list[Generation]
    following: bytes = field(default_factory=lambda: os.urandom(32), repr=False)
    erased: int = 0

    @property
    def newest(self) -> Generation:
        return self.generations[-1]

    def lacks(self, other: "Tree") -> bool:
        """Whether it was erased on another device and still stands as before on this one."""
        return self.erased < other.erased

    def at(self, hour: int) -> Generation:
        """The newest generation that was there in this hour; the first one for earlier hours."""
        begun = [each for each in self.generations if each.first <= hour]
        return begun[-1] if begun else self.generations[0]


@dataclass(frozen=True)
class Writer:
    """A member that may write under a pseudonym: its number, its recipient, and the classes it may seal to."""

    member: int
    name: str
    recipient: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Publication:
    """A version of a bundle as it was published.

    :param starts: the first hours of its rows, the publication's own hour first; `until` ends the last one.
    :param generations: by class; `indexes` the digests of its class files, which list so many `records`.
    :param escrow: the recipient of the escrow's key where it carried one, nothing once that was used; `escrow_end` the
        hour at which what it opens ends, `escrowed` what stood in it (`Vault.escrowed`).
    """

    version: int
    digest: str
    starts: tuple[int, ...]
    until: int
    generations: Mapping[str, int]
    indexes: Mapping[str, str] = field(default_factory=dict)
    records: int = 0
    escrow: str = ""
    escrow_end: int = 0
    escrowed: Mapping[str, str] = field(default_factory=dict)

    @property
    def hour(self) -> int:
        """The hour of the publication, which its class files are sealed to."""
        return self.starts[0]

    def start_at(self, hour: int) -> int | None:
        """The first hour of the row that an hour lies in."""
        if hour >= self.until:
            return None
        return max((start for start in self.starts if start <= hour), default=None)


@dataclass
class Account:
    """A pseudonym and what the patient keeps for it.

    :param place: its number in the wallet (m/44'/60'/0'/0/place).
    :param counterparty: whom it is for: `writer:<member>`, `reader:<address>`, `emergency`, or nothing.
    :param home: it carries the backup; `own`: the patient's own records stand under it.
    :param inboxes: a seed for each level, `N`, `R` and `V`.
    :param certificate: the controller's signature over the inboxes, hexadecimal.
    :param publisher_seed: of the publisher's key, once it was made anew; the first is of the vault's secret.
    :param guarding: who guards it; the chain says which of these counts.
    """

    pseudonym: str
    place: int
    counterparty: str = ""
    home: bool = False
    own: bool = False
    writers: list[Writer] = field(default_factory=list)
    inboxes: dict[str, bytes] = field(default_factory=dict, repr=False)
    inbox_serial: int = 0
    former_inboxes: list[bytes] = field(default_factory=list, repr=False)
    certificate: str = ""
    publisher_serial: int = 0
    publisher_seed: bytes = field(default=b"", repr=False)
    guarding: list[Guarding] = field(default_factory=list)
    trees: dict[str, Tree] = field(default_factory=dict)
    publications: list[Publication] = field(default_factory=list)
    pending: Publication | None = None
    receipts: list[str] = field(default_factory=list)
    backup: str = ""

    @property
    def written(self) -> bool:
        """Whether records stand under it."""
        return self.own or bool(self.writers)

    @property
    def version(self) -> int:
        return self.publications[-1].version if self.publications else 0

    def classes(self) -> tuple[str, ...]:
        return tuple(sorted(self.trees))

    def inbox(self, level: Level) -> HybridIdentity:
        return HybridIdentity.from_seed(self.inboxes[level.name])

    def all_inboxes(self) -> list[HybridIdentity]:
        """What opens the inboxes, the present and the former ones."""
        return [HybridIdentity.from_seed(seed) for seed in (*self.inboxes.values(), *self.former_inboxes)]


@dataclass(frozen=True)
class Sharing:
    """What a reader was granted: classes, history from `since` on, in the window [start, end), all in hours.

    :param pseudonym: the account that granted; `reader`: the grantee on the chain; `recipient`: what to seal to.
    :param granted: whether the chain has it; until then rows split for it, and no key goes out.
    :param by: the number of the parent that it stands under, zero for none; `through` the reader whose referral it is.
    :param referable: whether the reader may pass it on; rows then split at each Monday of the next weeks.
    :param nonce: of the chain's grant that it is; zero where that was not kept.
    """

    pseudonym: str
    reader: str
    name: str
    recipient: str
    purpose: str
    classes: tuple[str, ...]
    since: int
    start: int
    end: int
    granted: bool = True
    by: int = 0
    through: str = ""
    referable: bool = False
    nonce: int = 0

    @property
    def place(self) -> tuple[str, str, str]:
        """Where the chain keeps it: one grant for each pseudonym, reader and purpose."""
        return self.pseudonym, self.reader, self.purpose

    def live(self, hour: int) -> bool:
        return hour < self.end

    def delivered(self, hour: int) -> bool:
        """Keys go out when the window opens; before it, only those that open nothing from before it."""
        return self.granted and self.live(hour) and (hour >= self.start or self.since >= self.start)


@dataclass(frozen=True)
class Mandate:
    """Who may grant for the patient under one of her pseudonyms, as she appointed it; hours as in a sharing.

    :param holder: its account under this pseudonym alone, or what stands for a quorum, of which `salt`, `members` and
        `threshold` say who it is.
    :param classes: what its grants open at most: of the classes behind one bit, these.
    :param since: from when on history is read by whom it grants to; zero for all.
    :param recipient: what a single delegate's mandates are sealed to.
    :param ages: the hour beyond which it is never renewed, as a guardian's is; zero for no such hour.
    """

    pseudonym: str
    by: int
    name: str
    holder: str
    classes: tuple[str, ...]
    purposes: tuple[str, ...]
    since: int
    end: int
    ages: int = 0
    threshold: int = 0
    salt: str = field(default="", repr=False)
    members: tuple[str, ...] = ()
    recipient: str = ""


@dataclass(frozen=True)
class Enrolment:
    """A programme that the patient takes part in: the parent `by` under which its team's grant stands."""

    pseudonym: str
    by: int
    reader: str
    purpose: str
    document: str
    salt: str = field(repr=False)
    start: int
    end: int


@dataclass(frozen=True)
class SingleShare:
    """One record for one reader until an hour: its own file key, and no other."""

    pseudonym: str
    reader: str
    name: str
    recipient: str
    source: str
    digest: str
    key: str = field(repr=False)
    end: int


@dataclass(frozen=True)
class Entry:
    """A record in the index of its class.

    :param source: the pseudonym it stands under; `author` the member that wrote it, 0 for the patient.
    :param generation: of the tree that opens it, `first` the first hour of its interval; for a refiled one, of the
        part that it is listed in, and `key` is its file key.
    :param anchored: second of its first anchoring, since 1970.
    :param summary: what its manifest says of it, for lists.
    :param proofs: digest of the sealed proofs, where it was anchored below a day's root.
    """

    source: str
    digest: str
    author: int
    cls: str
    generation: int
    first: int
    anchored: int
    summary: Mapping[str, Any]
    key: str = field(default="", repr=False)
    resealed_from: str = ""
    proofs: str = ""


@dataclass(frozen=True)
class Unpinning:
    """What a member is asked to give up under a pseudonym, and its receipt once it came.

    :param due: the second from which the letter may go out; `letter` its digest, empty before it was sent.
    :param receipt: what the member signed, as `theriac.health.erasure` reads it; empty before it came.
    """

    pseudonym: str
    member: int
    name: str
    digests: tuple[str, ...]
    due: int = 0
    letter: str = ""
    receipt: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Erasure:
    """An erasure, and what of it is still to be done. Which classes it was about is not kept.

    :param begun: second since 1970.
    :param publish: the pseudonyms whose bundles still stand as they were before, home first; none once all are out.
    :param digests: what is to be unpinned in the patient's own store; none once it is, and then `unpinned` is how many.
    :param asks: what members are asked.
    """

    begun: int
    digests: tuple[str, ...]
    publish: tuple[str, ...]
    asks: tuple[Unpinning, ...]
    unpinned: int = 0


@dataclass(frozen=True)
class Custodian:
    """A member that keeps a share of the emergency key: its number, its name, and what its share is sealed to."""

    member: int
    name: str
    recipient: str


@dataclass(frozen=True)
class Emergency:
    """What the patient decided for an emergency.

    :param pseudonym: the account whose bundles carry the escrow; her card names it.
    :param need: so many of the custodians open it, fewer nothing.
    :param inbox: whether it also opens what writers put into the inboxes of level N.
    :param handled: the cases after which the keys were changed, or of which nothing was released.
    :param kept: files that are needed until the window of a case is over, and then unpinned.
    """

    pseudonym: str
    custodians: tuple[Custodian, ...]
    need: int
    classes: tuple[str, ...]
    inbox: bool = True
    handled: tuple[int, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def decided(self) -> tuple[Any, ...]:
        """What was decided, without what happened since."""
        return self.pseudonym, self.custodians, self.need, self.classes, self.inbox

    def sharing(self, recipient: str, *, hour: int) -> Sharing:
        """The escrow as the reader that it is: all history, and until its end what will be written."""
        end = min((hour // ESCROW_STEP + 3) * ESCROW_STEP, HOURS)
        return Sharing(self.pseudonym, "", "", recipient, "ETREAT", self.classes, 0, hour, end)


@dataclass
class Moving:
    """A change of all keys that is under way: what of it is still to be done, so that a crash loses nothing.

    :param how: `recovery`, `hand-over`, `restore` or `guardians`.
    :param left: the pseudonyms that are not published yet; `fresh` those with new seeds.
    :param from_backup: the lost device may have begun one more generation than the backup knows.
    :param asked: the deadline and the round that guardians were asked to sign for, by pseudonym.
    """

    how: str
    left: list[str]
    fresh: list[str] = field(default_factory=list)
    from_backup: bool = False
    wrapped: bool = False
    asked: dict[str, list[int]] = field(default_factory=dict)


@dataclass
class Vault:
    """Everything that a patient's client keeps.

    :param due: by pseudonym, the second from which it may be published for what can wait, and not before. Of those in
        `turning` the next generations begin then.
    :param erased: digests of erased records, which are never filed again.
    :param spares: accounts that wait for a counterparty, so that their seeds are in a backup before they have one.
    :param strays: digests of bundles that were stored and never published, until they are unpinned.
    """

    secret: bytes = field(default_factory=lambda: os.urandom(32), repr=False)
    serial: int = 0
    accounts: dict[str, Account] = field(default_factory=dict)
    sharings: list[Sharing] = field(default_factory=list)
    singles: list[SingleShare] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    unsolicited: dict[str, str] = field(default_factory=dict)
    revoking: list[Sharing] = field(default_factory=list)
    backed_up: list[str] = field(default_factory=list)
    unread: list[tuple[str, int, str]] = field(default_factory=list)
    unread_days: list[DayRow] = field(default_factory=list)
    cursor: int = 0
    purse: dict[str, list[Any]] = field(default_factory=dict, repr=False)
    due: dict[str, int] = field(default_factory=dict)
    turning: list[str] = field(default_factory=list)
    erasures: list[Erasure] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    spares: list[Account] = field(default_factory=list)
    emergency: Emergency | None = None
    guardians: Guardianship | None = None
    moving: Moving | None = None
    mandates: list[Mandate] = field(default_factory=list)
    programmes: list[Enrolment] = field(default_factory=list)

    # -- accounts ----------------------------------------------------------------------------------------------------

    def open_account(self, account: Account, *, classes: Iterable[str], hour: int) -> Account:
        """Adds a pseudonym with fresh inboxes and, where records stand under it, a fresh tree for each class."""
        self.accounts[account.pseudonym] = self._furnished(account, classes=classes, hour=hour)
        return account

    def _furnished(self, account: Account, *, classes: Iterable[str], hour: int) -> Account:
        account.inboxes = {level.name: os.urandom(32) for level in Level}
        account.inbox_serial = 1
        account.publisher_serial = 1
        self.grow(account, classes=classes, hour=hour)
        return account

    def lay_by(self, account: Account, *, classes: Iterable[str], hour: int) -> Account:
        """Adds a spare."""
        self.spares.append(self._furnished(account, classes=classes, hour=hour))
        return account

    def take_spare(self, counterparty: str, *, classes: Iterable[str], hour: int) -> Account | None:
        """A spare whose seeds are all in a stored backup, now with a counterparty; None where there is none.

        Whoever opens a fresh account must publish home with a new backup first, a block before the account itself:
        on the chain that ties every pseudonym to home, and by it to all others.
        """
        account = self.ready_spare()
        if account is None:
            return None
        self.spares.remove(account)
        account.counterparty = counterparty
        account.trees = {cls: account.trees[cls] for cls in classes if cls in account.trees}
        for tree in account.trees.values():
            tree.generations[-1].first = hour
        self.accounts[account.pseudonym] = account
        return account

    def ready_spare(self) -> Account | None:
        """The spare that is taken next."""
        saved = set(self.backed_up)
        return next((account for account in self.spares if _seeds_of([account]) <= saved), None)

    def grow(self, account: Account, *, classes: Iterable[str], hour: int) -> None:
        """Adds trees for classes that the account has none for."""
        for cls in classes:
            if cls not in account.trees:
                account.trees[cls] = Tree([Generation(1, os.urandom(32), hour)])

    def home(self) -> Account:
        return next(account for account in self.accounts.values() if account.home)

    def own(self) -> Account:
        return next(account for account in self.accounts.values() if account.own)

    def written(self) -> list[Account]:
        """The accounts that records stand under."""
        return [account for account in self.accounts.values() if account.written]

    def account_for(self, counterparty: str) -> Account | None:
        """The account that was opened for a counterparty."""
        for account in self.accounts.values():
            if account.counterparty == counterparty:
                return account
        return None

    def next_place(self) -> int:
        return max((account.place for account in (*self.accounts.values(), *self.spares)), default=-1) + 1

    def publisher(self, account: Account) -> LocalAccount:
        """The key that publishes the account's next versions."""
        info = f"theriac/v1/publisher/{account.pseudonym.lower()}/{account.publisher_serial}".encode()
        secret = account.publisher_seed or self.secret
        signer: LocalAccount = EthAccount.from_key(HKDF(SHA256(), 32, None, info).derive(secret))
        return signer

    # -- generations -------------------------------------------------------------------------------------------------

    def rotate(self, account: Account, *, classes: Iterable[str], hour: int) -> None:
        """Starts the next generation of classes; what is written from this hour on is sealed to it."""
        for cls in classes:
            tree = account.trees[cls]
            tree.generations.append(Generation(tree.newest.number + 1, tree.following, hour))
            tree.following = os.urandom(32)

    def refresh(self, account: Account, *, hour: int) -> None:
        """Fresh seeds of every class, inboxes and publisher: after a lost device, a hand-over or a raised era.

        The next seeds stood in a backup that somebody else may have, so they are passed over.
        """
        for tree in account.trees.values():
            tree.following = os.urandom(32)
        self.rotate(account, classes=account.trees, hour=hour)
        # What writers sealed to the former inboxes, and will until they learn of the new ones, is still to be filed.
        account.former_inboxes += account.inboxes.values()
        account.inboxes = {level.name: os.urandom(32) for level in Level}
        account.inbox_serial += 1
        account.publisher_serial += 1
        # Whoever has the vault of before has its secret, and would derive the next publisher from it.
        account.publisher_seed = os.urandom(32)

    def recover(self, account: Account, *, hour: int) -> None:
        """Fresh secrets after a restore from a backup.

        The lost device may have begun one more generation of each class since, with the seed that the backup held in
        advance: it is taken into the history, so that what was written to it opens.
        """
        for tree in account.trees.values():
            tree.generations.append(Generation(tree.newest.number + 1, tree.following, tree.newest.first))
        self.refresh(account, hour=hour)

    def forget_blanks(self) -> None:
        """Drops the blank vouchers that no pseudonym uses, after a restore.

        The lost device may have used them since for one pseudonym; used for another, they would show a relayer that
        both are one patient's.
        """
        self.purse["blanks"] = [each for each in self.purse.get("blanks", []) if each["for"]]
        self.purse.pop("asked", None)

    def forget(self, account: Account, classes: Iterable[str], *, hour: int) -> None:
        """Drops the seeds of classes under a pseudonym, and all by which their records could be found or opened.

        The inboxes go too: a record of the class may have come in through one of them, and what was sealed to it opens
        by its seed for ever. What else came in has its file key in the index.
        """
        names = {cls for cls in classes if cls in account.trees}
        for cls in names:
            number = account.trees[cls].newest.number + 1
            account.trees[cls] = Tree([Generation(number, os.urandom(32), hour)], erased=number)
        gone = {
            key: entry
            for key, entry in self.entries.items()
            if entry.source == account.pseudonym and entry.cls in names
        }
        for key in gone:
            del self.entries[key]
        digests = {digest for entry in gone.values() for digest in (entry.digest, entry.resealed_from) if digest}
        self.erased = sorted({*self.erased, *digests})
        self.singles = [each for each in self.singles if each.source != account.pseudonym or each.digest not in digests]
        account.publications = [
            replace(each, indexes={name: digest for name, digest in each.indexes.items() if name not in names})
            for each in account.publications
        ]
        account.former_inboxes = []
        account.inboxes = {level.name: os.urandom(32) for level in Level}
        account.inbox_serial += 1

    # -- sharing -----------------------------------------------------------------------------------------------------

    def sharing(self, pseudonym: str, reader: str, purpose: str) -> Sharing:
        """:raises UnknownGrant: nothing is granted by this pseudonym to this reader for this purpose."""
        found = [each for each in self.sharings if each.place == (pseudonym, reader, purpose)]
        if not found:
            raise UnknownGrant(reader=reader, purpose=purpose)
        return max(found, key=lambda each: each.granted)

    def share(self, sharing: Sharing) -> None:
        """Writes a grant down.

        One that the chain has takes the place of all earlier ones to the same reader for the same purpose. One that it
        may get stands beside them: rows split for both, whatever becomes of it.
        """
        self.sharings = [
            each for each in self.sharings if each != sharing and not (sharing.granted and each.place == sharing.place)
        ]
        self.sharings.append(sharing)

    def count(self, sharing: Sharing, *, nonce: int) -> Sharing:
        """Notes the nonce by which the chain has a grant."""
        counted = replace(sharing, nonce=nonce)
        self.sharings = [counted if each == sharing else each for each in self.sharings]
        return counted

    def granting(self, sharing: Sharing) -> "Vault":
        """The vault as it will be once the chain has a grant; this one stays as it is."""
        view = replace(self)
        view.share(sharing)
        return view

    def unshare(self, sharing: Sharing, *, hour: int) -> list[Account]:
        """Strikes a grant out and starts a generation of all it held: the accounts to publish now."""
        struck = self.strike(sharing)
        return self.lock(sorted({cls for each in (sharing, *struck) for cls in each.classes}), hour=hour)

    def strike(self, sharing: Sharing) -> list[Sharing]:
        """Strikes out all that a reader was granted for a purpose, and says what that was."""
        struck = [each for each in self.sharings if each.place == sharing.place] + self.referred(sharing)
        self.sharings = [each for each in self.sharings if each not in struck]
        return struck

    def referred(self, sharing: Sharing) -> list[Sharing]:
        """What a reader passed on of a grant: it ends with any change of that."""
        return [
            each
            for each in self.sharings
            if each.through and (each.pseudonym, each.through, each.purpose) == sharing.place
        ]

    def lock(self, classes: Iterable[str], *, hour: int) -> list[Account]:
        """Starts a generation of classes wherever records stand under them: the accounts to publish now."""
        touched = [account for account in self.written() if set(classes) & set(account.trees)]
        for account in touched:
            self.rotate(account, classes=[cls for cls in classes if cls in account.trees], hour=hour)
        return touched

    def unshare_singles(self, pseudonym: str, reader: str) -> None:
        """Strikes out the single records that a reader was given."""
        self.singles = [each for each in self.singles if (each.pseudonym, each.reader) != (pseudonym, reader)]

    def boundaries(self, hour: int, *, until: int) -> list[int]:
        """The hours in (hour, until) at which rows split: every end and every start of history of any reader."""
        hours = {edge for each in self.sharings for edge in (each.since, each.start, each.end)}
        if self.emergency is not None:
            hours.update(range((hour // ESCROW_STEP + 1) * ESCROW_STEP, until, ESCROW_STEP))
        if any(each.referable and each.live(hour) for each in self.sharings):
            hours.update(mondays_after(hour))
        return sorted(edge for edge in hours if hour < edge < until)

    def starts(self, hour: int) -> list[int]:
        """The first hours of the rows published in this hour."""
        return [hour, *self.boundaries(hour, until=self.until(hour))]

    @staticmethod
    def until(hour: int) -> int:
        return min(hour + ROW_DAYS * 24, HOURS)

    def lagging(self, account: Account, hour: int) -> bool:
        """Whether what the account published no longer fits: rows that must split, or that end soon."""
        if self.wrong(account, hour):
            return True
        return account.written and account.publications[-1].until - hour < RENEW_DAYS * 24

    def wrong(self, account: Account, hour: int) -> bool:
        """Whether what the account published lets somebody read too long: rows must split, or a generation is over."""
        if not account.publications:
            return True
        latest = account.publications[-1]
        wanted = self.boundaries(hour, until=latest.until)
        missing = [edge for edge in wanted if edge not in latest.starts]
        behind = any(tree.newest.number != latest.generations.get(cls) for cls, tree in account.trees.items())
        return account.written and (bool(missing) or behind)

    def unlisted(self, account: Account) -> bool:
        """Whether records were added that no published index lists yet."""
        return bool(account.publications) and account.publications[-1].records != len(
            self.listed(source=account.pseudonym)
        )

    def nodes(self, account: Account, cls: str, sharing: Sharing) -> Iterator[tuple[Generation, Nodes]]:
        """What a reader gets of a class: exactly its hours, of every generation that has any of them."""
        generations = account.trees[cls].generations
        for place, generation in enumerate(generations):
            closed = self._closed(account, cls, generations[place + 1 :])
            if closed is None:
                # Writers may still seal to it: a phone can break before the next generation is on the chain.
                found = cover(generation.seed, since=sharing.since, end=sharing.end)
            elif sharing.since == 0:
                found = (root(generation.seed),)
            else:
                last = min(sharing.end, closed)
                found = cover(generation.seed, since=sharing.since, end=max(last, sharing.since))
            if found:
                yield generation, Nodes(found)

    @staticmethod
    def _closed(account: Account, cls: str, later: Sequence[Generation]) -> int | None:
        """The hour from which no row begins in a generation, once a later one was published; None before."""
        for publication in account.publications:
            if later and publication.generations.get(cls, 0) >= later[0].number:
                # A publication is carried within an hour of its own.
                return publication.hour + 2
        return None

    # -- emergencies -------------------------------------------------------------------------------------------------

    def escrow_reader(self) -> str:
        """The recipient of the escrow that was published last; nothing where there is none, or it was used."""
        if self.emergency is None:
            return ""
        account = self.accounts[self.emergency.pseudonym]
        return account.publications[-1].escrow if account.publications else ""

    def void_escrow(self) -> None:
        """From here on nothing is sealed for the key of the published escrow."""
        account = self.accounts[self.emergency.pseudonym] if self.emergency is not None else None
        if account is not None and account.publications:
            account.publications[-1] = replace(account.publications[-1], escrow="", escrowed={})

    def escrow_sources(self) -> list[Account]:
        """The accounts under which records of the emergency classes stand."""
        classes = set(self.emergency.classes if self.emergency is not None else ())
        return [account for account in self.written() if classes & set(account.trees)]

    def escrowed(self) -> dict[str, str]:
        """What an escrow made now would stand for: other values mean that the published one has to be replaced."""
        if self.emergency is None:
            return {}
        found = {"decided": _mark(repr(self.emergency.decided).encode())}
        for account in self.escrow_sources():
            newest = {cls: account.trees[cls].newest.number for cls in self.emergency.classes if cls in account.trees}
            state = (sorted(newest.items()), account.inbox_serial, account.publisher_serial)
            found[account.pseudonym] = _mark(repr(state).encode())
        return found

    def escrow_due(self, hour: int) -> bool:
        """Whether the published escrow is none, was used, ends soon, or stands for what is no longer so."""
        if self.emergency is None:
            return False
        account = self.accounts[self.emergency.pseudonym]
        latest = account.publications[-1] if account.publications else None
        if latest is None or not latest.escrow or latest.escrow_end - hour < RENEW_DAYS * 24:
            return True
        return dict(latest.escrowed) != self.escrowed()

    def renew_inbox(self, account: Account, level: Level) -> None:
        """A fresh inbox of one level; the controller has to sign the three anew. The former one is still opened."""
        account.former_inboxes.append(account.inboxes[level.name])
        account.inboxes[level.name] = os.urandom(32)
        account.inbox_serial += 1

    # -- records -----------------------------------------------------------------------------------------------------

    def identity(self, source: str, cls: str, *, generation: int, hour: int) -> HybridIdentity | None:
        """What opens the interval of a class that begins with this hour; None where the seed is gone."""
        tree = self.accounts[source].trees.get(cls)
        for each in tree.generations if tree else ():
            if each.number == generation:
                return identity_of(root(each.seed).leaf(hour))
        return None

    def add(self, entry: Entry) -> None:
        self.entries[f"{entry.source}/{entry.author}/{entry.digest}"] = entry

    def drop(self, entry: Entry) -> None:
        self.entries.pop(f"{entry.source}/{entry.author}/{entry.digest}", None)

    def knows(self, source: str, author: int, digest: str) -> bool:
        """Whether a record is in the index, as it was anchored or sealed anew."""
        return not self.unknown([(source, author, digest)])

    def unknown(self, places: Iterable[tuple[str, int, str]]) -> list[tuple[str, int, str]]:
        """Those of many that `knows` would say no of, at one look at the index."""
        resealed = {entry.resealed_from for entry in self.entries.values()}
        return [
            (source, author, digest)
            for source, author, digest in places
            if f"{source}/{author}/{digest}" not in self.entries
            and digest not in self.erased
            and digest not in resealed
        ]

    def listed(self, *, cls: str | None = None, source: str | None = None) -> list[Entry]:
        """The indexed records, in the order of their anchoring."""
        chosen = [
            entry
            for entry in self.entries.values()
            if (cls is None or entry.cls == cls) and (source is None or entry.source == source)
        ]
        return sorted(chosen, key=lambda entry: (entry.anchored, entry.digest))

    # -- as a document -----------------------------------------------------------------------------------------------

    def encode(self) -> bytes:
        """The whole vault as a document: it holds every secret, and is only ever written sealed."""
        return documents.encode("vault", vars(self), canonical=False)

    @classmethod
    def decode(cls, data: bytes) -> "Vault":
        """:raises BadDocument: the document is no vault."""
        values = documents.decode("vault", data, canonical=False)
        try:
            return _vault_of(values)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as fault:
            raise BadDocument(
                kind="vault", fault=f"a part of it is missing or broken ({type(fault).__name__})"
            ) from None

    def unsaved_seeds(self) -> set[str]:
        """Marks of the seeds and facts that no stored backup holds yet: rows and inboxes must wait for the seeds'."""
        return self._marks() - set(self.backed_up)

    def mark_backed_up(self, marks: Iterable[str]) -> None:
        """Notes that a backup with these seeds is stored and named on the chain."""
        self.backed_up = sorted(set(marks) & self._marks())

    def used_seeds(self) -> set[str]:
        """Marks of the seeds in use: all but those of the next generations."""
        return _seeds_of(self.accounts.values(), following=False)

    def _sets(self) -> Iterator[bytes]:
        for account in (*self.accounts.values(), *self.spares):
            for guarding in account.guarding:
                yield repr(guarding).encode()

    def unsaved_sets(self) -> bool:
        """Whether guardians were drawn for a pseudonym, and no stored backup knows them."""
        return not {_mark(each) for each in self._sets()} <= set(self.backed_up)

    def _marks(self) -> set[str]:
        return _seeds_of([*self.accounts.values(), *self.spares]) | {_mark(fact) for fact in self._facts()}

    def _facts(self) -> Iterator[bytes]:
        """What the chain does not tell a restored vault: who may write, who was granted what, what was sealed anew."""
        for account in self.accounts.values():
            if not account.publications:
                # The chain does not show that it was taken, and another counterparty must not be given its place.
                yield repr((account.pseudonym, account.counterparty)).encode()
            for writer in account.writers:
                yield repr((account.pseudonym, writer)).encode()
        yield from self._sets()
        for sharing in self.sharings:
            yield repr(replace(sharing, granted=True)).encode()
        for fact in (*self.mandates, *self.programmes):
            yield repr(fact).encode()
        for single in self.singles:
            yield repr(single).encode()
        if self.emergency is not None:
            yield repr(self.emergency.decided).encode()
        if self.guardians is not None:
            yield self.guardians.wrap.encode()
        for entry in self.entries.values():
            if entry.resealed_from:
                yield entry.digest.encode()

    def merge(self, other: "Vault") -> None:
        """Takes over what another device of the same patient knows, before this one publishes.

        The longer history of an account wins; entries and grants of both are kept.
        """
        self.serial = max(self.serial, other.serial)
        for pseudonym, theirs in other.accounts.items():
            ours = self.accounts.get(pseudonym)
            if ours is None:
                self.accounts[pseudonym] = theirs
                continue
            chosen, left = (theirs, ours) if _later(theirs, ours) else (ours, theirs)
            self.accounts[pseudonym] = chosen
            behind = [cls for cls, tree in left.trees.items() if cls in chosen.trees and chosen.trees[cls].lacks(tree)]
            for cls in behind:
                chosen.trees[cls] = left.trees[cls]
            if behind:
                chosen.inboxes, chosen.former_inboxes = left.inboxes, left.former_inboxes
                chosen.inbox_serial, chosen.certificate = left.inbox_serial, left.certificate
        self.erased = sorted({*self.erased, *other.erased})
        self.entries = {
            key: entry
            for key, entry in {**other.entries, **self.entries}.items()
            if entry.digest not in self.erased
            and entry.generation >= self.accounts[entry.source].trees[entry.cls].erased
        }
        known = {(each.pseudonym, each.reader, each.purpose) for each in self.sharings}
        self.sharings += [each for each in other.sharings if (each.pseudonym, each.reader, each.purpose) not in known]
        self.singles += [each for each in other.singles if each not in self.singles]
        for name, others in other.purse.items():
            kept = self.purse.setdefault(name, [])
            kept += [each for each in others if each not in kept]
        # A blank voucher that one device has given to a pseudonym is free on neither.
        blanks = self.purse.get("blanks", [])
        used = [each["blank"] for each in blanks if each["for"]]
        self.purse["blanks"] = [each for each in blanks if each["for"] or each["blank"] not in used]
        self.singles = [each for each in self.singles if each.digest not in self.erased]
        begun = {each.begun for each in self.erasures}
        self.erasures += [each for each in other.erasures if each.begun not in begun]
        if self.emergency is None:
            self.emergency = other.emergency
        if other.guardians and (self.guardians is None or other.guardians.serial > self.guardians.serial):
            self.guardians = other.guardians
        self.mandates += [each for each in other.mandates if each not in self.mandates]
        self.programmes += [each for each in other.programmes if each not in self.programmes]


def _later(theirs: Account, ours: Account) -> bool:
    return (theirs.version, theirs.inbox_serial) > (ours.version, ours.inbox_serial)


def _seeds_of(accounts: Iterable[Account], *, following: bool = True) -> set[str]:
    """Marks of the seeds of accounts, with or without those of the next generations."""
    seeds: set[bytes] = set()
    for account in accounts:
        seeds |= set(account.inboxes.values())
        for tree in account.trees.values():
            seeds |= {each.seed for each in tree.generations} | ({tree.following} if following else set())
    return {_mark(seed) for seed in seeds}


def _mark(seed: bytes) -> str:
    """Tells a seed from others and says nothing of it."""
    return hashlib.sha256(b"theriac/v1/mark" + seed).hexdigest()[:16]


def _vault_of(values: Mapping[str, Any]) -> Vault:
    return Vault(
        secret=bytes.fromhex(values["secret"]),
        serial=values["serial"],
        accounts={name: _account_of(each) for name, each in values["accounts"].items()},
        sharings=[Sharing(**{**each, "classes": tuple(each["classes"])}) for each in values["sharings"]],
        singles=[SingleShare(**each) for each in values["singles"]],
        entries={key: Entry(**each) for key, each in values["entries"].items()},
        unsolicited=dict(values["unsolicited"]),
        revoking=[Sharing(**{**each, "classes": tuple(each["classes"])}) for each in values["revoking"]],
        backed_up=list(values["backed_up"]),
        unread=[(str(source), int(author), str(digest)) for source, author, digest in values["unread"]],
        unread_days=[DayRow.of(each) for each in values.get("unread_days", ())],
        cursor=values["cursor"],
        purse={name: list(each) for name, each in values.get("purse", {}).items()},
        due=dict(values.get("due", {})),
        turning=list(values.get("turning", [])),
        erasures=[_erasure_of(each) for each in values.get("erasures", [])],
        erased=list(values.get("erased", [])),
        strays=list(values.get("strays", [])),
        spares=[_account_of(each) for each in values.get("spares", [])],
        # A vault that was written before there were emergencies has none.
        emergency=_emergency_of(values.get("emergency")),
        guardians=_guardianship_of(values["guardians"]) if values.get("guardians") else None,
        moving=Moving(**values["moving"]) if values.get("moving") else None,
        mandates=[_mandate_of(each) for each in values.get("mandates", ())],
        programmes=[Enrolment(**each) for each in values.get("programmes", ())],
    )


def _erasure_of(values: Mapping[str, Any]) -> Erasure:
    asks = tuple(Unpinning(**{**each, "digests": tuple(each["digests"])}) for each in values["asks"])
    return Erasure(**{**values, "digests": tuple(values["digests"]), "publish": tuple(values["publish"]), "asks": asks})


def _emergency_of(values: Mapping[str, Any] | None) -> Emergency | None:
    if values is None:
        return None
    custodians = tuple(Custodian(**each) for each in values["custodians"])
    lists = {name: tuple(values[name]) for name in ("classes", "handled", "kept")}
    return Emergency(**{**values, **lists, "custodians": custodians})


def _guardianship_of(values: Mapping[str, Any]) -> Guardianship:
    return Guardianship(**{**values, "guardians": tuple(Guardian(**each) for each in values["guardians"])})


def _mandate_of(values: Mapping[str, Any]) -> Mandate:
    lists = {name: tuple(values[name]) for name in ("classes", "purposes", "members")}
    return Mandate(**{**values, **lists})


def _account_of(values: Mapping[str, Any]) -> Account:
    account = Account(values["pseudonym"], values["place"], values["counterparty"])
    return replace(
        account,
        home=values["home"],
        own=values["own"],
        writers=[Writer(**{**each, "classes": tuple(each["classes"])}) for each in values["writers"]],
        inboxes={level: bytes.fromhex(seed) for level, seed in values["inboxes"].items()},
        inbox_serial=values["inbox_serial"],
        former_inboxes=[bytes.fromhex(seed) for seed in values["former_inboxes"]],
        certificate=values["certificate"],
        publisher_serial=values["publisher_serial"],
        publisher_seed=bytes.fromhex(values.get("publisher_seed", "")),
        guarding=[
            Guarding(**{**each, "members": tuple(Member(**member) for member in each["members"])})
            for each in values.get("guarding", ())
        ],
        trees={cls: _tree_of(each) for cls, each in values["trees"].items()},
        publications=[_publication_of(each) for each in values["publications"]],
        pending=_publication_of(values["pending"]) if values["pending"] else None,
        receipts=list(values["receipts"]),
        backup=values["backup"],
    )


def _publication_of(values: Mapping[str, Any]) -> Publication:
    return Publication(**{**values, "starts": tuple(values["starts"])})


def _tree_of(values: Mapping[str, Any]) -> Tree:
    generations = [
        Generation(each["number"], bytes.fromhex(each["seed"]), each["first"]) for each in values["generations"]
    ]
    return Tree(generations, bytes.fromhex(values["following"]), values.get("erased", 0))


def classes_of(names: Iterable[str]) -> tuple[KeyClass, ...]:
    """The classes that a list of names stands for."""
    return tuple(KeyClass.parse(name) for name in names)

"""The patient's client: publishes keys, grants and revokes, files what was written for her.

Every act is signed by a wallet or by a publisher key and carried by a relay; none costs the patient anything. What must
not be half done is written down before it begins: after a crash, `resume` goes on where it stopped.
"""

import io
import secrets
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

from eth_utils.address import to_checksum_address

from theriac.crypto import age
from theriac.crypto.recipients import FileKey, HybridIdentity, parse_recipient
from theriac.errors import (
    BadWindow,
    ForeignPublication,
    NotStored,
    TheriacError,
    TooWeak,
    UnknownRecord,
)
from theriac.health import documents, records
from theriac.health.bundle import Composed, compose, inbox_message, strong_enough
from theriac.health.chain import Chain, Relay, Signed, sign
from theriac.health.filing import Filing
from theriac.health.hours import hour_at, hour_of_seconds, midnight_after, seconds_of, time_of
from theriac.health.introduction import Introduction
from theriac.health.keystore import Keystore, seal
from theriac.health.looked import Letters, Looked
from theriac.health.messages import (
    Freshness,
    Grant,
    Letter,
    Narrow,
    Publish,
    Report,
    Reseal,
    Resealing,
    Revoke,
    RevokeEverything,
    Rotate,
    SetPublisher,
    member_address,
)
from theriac.health.receipts import Receipt
from theriac.health.requests import Answer, Request
from theriac.health.scope import ALL_CLASSES, SINGLE_RECORDS, KeyClass, Level, Purpose, mask_of
from theriac.health.vault import Account, Entry, Publication, Sharing, SingleShare, Vault, Writer, classes_of
from theriac.health.wallet import Wallet
from theriac.ledger.signer import Signer
from theriac.ledger.typed import Message
from theriac.store import Store

_PATIENCE = 1800
"""Seconds that a signature counts at least; a random part comes on top, so that no two pseudonyms share a deadline."""

_RECEIPTS = 1000
"""The latest records that a writer is told were filed."""


@dataclass(frozen=True)
class Watched:
    """What `watch` found and did."""

    filed: tuple[Entry, ...] = ()
    waiting: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    unsolicited: tuple[str, ...] = ()
    published: tuple[str, ...] = ()
    alarms: tuple[ForeignPublication, ...] = ()


class Patient:
    """A patient's client over her vault."""

    def __init__(
        self,
        vault: Vault,
        keystore: Keystore,
        *,
        wallet: Wallet,
        chain: Chain,
        relay: Relay,
        store: Store,
        classes: Sequence[KeyClass] = ALL_CLASSES,
    ) -> None:
        self.vault = vault
        self.chain = chain
        self.store = store
        self._keystore = keystore
        self._wallet = wallet
        self._relay = relay
        self._classes = tuple(str(cls) for cls in classes)
        self._filing = Filing(vault, chain=chain, store=store)

    # -- beginning ---------------------------------------------------------------------------------------------------

    def found(self) -> None:
        """Opens the first accounts: home, which names the backup, and one for the patient's own records."""
        if self.vault.accounts:
            self.resume()
        if not any(account.home for account in self.vault.accounts.values()):
            self._open(home=True, own=self._wallet.single)
        if not any(account.own for account in self.vault.accounts.values()):
            self._open(own=True)
        self._publish_all([account for account in self.vault.accounts.values() if not account.version])

    def _open(self, *, counterparty: str = "", home: bool = False, own: bool = False) -> Account:
        place = self.vault.next_place()
        account = Account(self._wallet.signer(place).address, place, counterparty, home=home, own=own)
        self.vault.open_account(account, classes=self._classes if own else (), hour=self.chain.hour())
        self._certify(account)
        self._save()
        return account

    def _certify(self, account: Account) -> None:
        recipients = {level.name: str(account.inbox(level).recipient) for level in Level}
        message = inbox_message(account.pseudonym, recipients, account.inbox_serial)
        account.certificate = self._signer(account).sign_message(message).hex()

    def introduce(self, member: int, *, classes: Sequence[KeyClass] | None = None, name: str = "") -> Introduction:
        """Lets a member write: opens a pseudonym for it, publishes its rows, and signs what to hand in at the desk."""
        profile = self.chain.profile(member_address(member), self.store)
        wanted = tuple(str(cls) for cls in classes) if classes is not None else self._classes
        if self._wallet.single:
            account = self.vault.home()
        else:
            known = self.vault.account_for(f"writer:{member}")
            account = known if known is not None else self._open(counterparty=f"writer:{member}")
        account.writers = [writer for writer in account.writers if writer.member != member]
        account.writers.append(Writer(member, name or profile.name, profile.recipient, wanted))
        self.vault.grow(account, classes=wanted, hour=self.chain.hour())
        self._save()
        self._publish_all([account])
        return Introduction.sign(account, member=member, signer=self._signer(account))

    def pseudonym_for(self, counterparty: str) -> Account:
        """The pseudonym of something that nobody writes to, such as a policy year; opened where there is none.

        It is in the backup before it is used: whoever restores from an older one would give its place to another.
        """
        if self._wallet.single:
            return self.vault.home()
        account = self.vault.account_for(counterparty) or self._open(counterparty=counterparty)
        if self.vault.unsaved_seeds():
            self._publish(self.vault.home())
        return account

    def sign_as(self, account: Account, message: Message) -> bytes:
        """A pseudonym's signature over a message, for the contract that takes it."""
        return self._signer(account).sign_message(message.signable(self.chain.domain(message.CONTRACT)))

    # -- publishing --------------------------------------------------------------------------------------------------

    def _publish_all(self, accounts: Iterable[Account]) -> None:
        for account in list(accounts):
            self._publish(account)

    def _publish(self, account: Account, *first: Signed, granting: Sharing | None = None) -> None:
        """Publishes the next version of an account, after what else belongs to the same act, such as a grant."""
        self._take_landed(account)
        self._back_up(unless=account)
        backup = account.backup
        marks = self._prepare_backup(account)
        view = self.vault if granting is None else self.vault.granting(granting)
        composed = compose(view, account, hour=self.chain.hour())
        account.pending = composed.publication
        self._save()
        self._put(composed)

        self._relay.carry(*first, self._publication(account, composed))

        former = account.publications[-1] if account.publications else None
        account.publications.append(composed.publication)
        account.pending = None
        if granting is not None:
            self.vault.share(granting)
        if marks is not None:
            self.vault.mark_backed_up(marks)
        self._save()
        if former is not None:
            self._unpin_bundle(former)
        if backup not in ("", account.backup):
            self._unpin(backup)

    def _put(self, composed: Composed) -> None:
        for blob in (*composed.files, composed.document):
            self.store.put(io.BytesIO(blob))

    def _publication(self, account: Account, composed: Composed, *, era: int | None = None) -> Signed:
        """By the publisher where it is appointed; else by the controller, who appoints it in the same act."""
        authority = self.chain.authority(account.pseudonym)
        publisher, nonce = self.chain.publisher(account.pseudonym)
        ours = self.vault.publisher(account)
        deadline = self._deadline()
        version, digest = composed.publication.version, composed.digest
        if publisher == ours.address and era is None:
            message = Publish(account.pseudonym, version, digest, authority.era, deadline)
            signature = ours.sign_message(message.signable(self.chain.domain("Keys")))
            return Signed(message, (bytes(signature.signature),))
        if era is not None:
            # The era is raised in the same transaction, which also counts the publisher's nonce up.
            nonce += 1
        rotation = Rotate(
            account.pseudonym, version, digest, ours.address, nonce, authority.era if era is None else era, deadline
        )
        return sign(self.chain, rotation, self._signer(account))

    def _back_up(self, *, unless: Account) -> None:
        """No row may use a seed that no backup holds: home is published first, unless it is home's own turn."""
        home = self.vault.home()
        if unless is not home and self.vault.unsaved_seeds() & self.vault.used_seeds():
            self._publish(home)

    def _prepare_backup(self, account: Account) -> set[str] | None:
        """Stores the whole vault, sealed, and has home's next version name it."""
        if not account.home or not self.vault.unsaved_seeds():
            return None
        self.vault.serial += 1
        marks = self.vault.unsaved_seeds() | set(self.vault.backed_up)
        sealed = seal(self.vault.encode(), self._keystore.lock)
        account.backup = self.store.put(io.BytesIO(sealed)).digest.hex()
        return marks

    def _unpin_bundle(self, publication: Publication) -> None:
        """Earlier versions are needed by nobody: history is in the newest. Their dummies go too."""
        try:
            with self.store.get_digest(bytes.fromhex(publication.digest)) as stream:
                document = documents.read_at_most(stream, documents.LARGEST)
        except NotStored:
            return
        for digest in (publication.digest, *documents.decode("bundle", document)["classes"]):
            self._unpin(str(digest))

    def _unpin(self, digest: str) -> None:
        try:
            self.store.unpin(self.store.resolve(bytes.fromhex(digest)))
        except NotStored:
            return

    def _save(self) -> None:
        self._keystore.save(self.vault.encode())

    def _deadline(self) -> int:
        return self.chain.time() + _PATIENCE + secrets.randbelow(_PATIENCE // 2)

    def _signer(self, account: Account) -> Signer:
        return self._wallet.signer(account.place)

    def resume(self) -> tuple[ForeignPublication, ...]:
        """Settles what a crash left open, and tells of publications that are not from here."""
        alarms = []
        for account in self.vault.accounts.values():
            self._take_landed(account)
            version, digest = self.chain.authority(account.pseudonym).version, self.chain.digest(account.pseudonym)
            latest = account.publications[-1] if account.publications else None
            if version and (latest is None or (latest.version, latest.digest) != (version, digest.hex())):
                alarms.append(ForeignPublication(pseudonym=account.pseudonym, version=version))
        for sharing in list(self.vault.sharings):
            self._settle(sharing)
        self._save()
        # With a foreign publication on the chain the next version is not ours to count: that comes first.
        for sharing in list(self.vault.revoking) if not alarms else ():
            self._finish_revoke(sharing)
        return tuple(alarms)

    def _take_landed(self, account: Account) -> None:
        """A publication that reached the chain though nobody heard of it counts."""
        pending = account.pending
        if pending is None:
            return
        version, digest = self.chain.authority(account.pseudonym).version, self.chain.digest(account.pseudonym)
        if (pending.version, pending.digest) == (version, digest.hex()):
            account.publications.append(pending)
            account.pending = None

    def _settle(self, sharing: Sharing) -> None:
        """Compares a grant with the chain's.

        Its keys may have reached the reader whatever became of it, so one that the chain never got still splits the
        rows until its end, and one that was revoked by other means is locked out here.
        """
        found = self.chain.grant(sharing.pseudonym, sharing.reader, Purpose.parse(sharing.purpose))
        hour, scope = self.chain.hour(), mask_of(classes_of(sharing.classes))
        window = (seconds_of(sharing.start), seconds_of(sharing.end))
        if sharing.granted:
            lacking = found["scope"] & scope != scope or found["expiry"] < window[1]
            if lacking and sharing.live(hour):
                self.vault.unshare(sharing, hour=hour)
        elif found["scope"] & scope == scope and (found["start"], found["expiry"]) == window:
            self.vault.share(replace(sharing, granted=True))
        elif not sharing.live(hour):
            self.vault.sharings.remove(sharing)

    def recover(self) -> None:
        """After a restore from a backup: fresh seeds, inboxes and publishers, published for every pseudonym."""
        hour = self.chain.hour()
        for account in self.vault.accounts.values():
            self.adopt(account)
            self.vault.recover(account, hour=hour)
            self._certify(account)
        self._save()
        self._publish(self.vault.home())
        self._publish_all(each for each in self.vault.written() if not each.home)
        self._publish_all(each for each in self.vault.accounts.values() if not each.home and not each.written)

    def adopt(self, account: Account) -> None:
        """Takes the chain's version as the one to go on from, before fresh keys are published."""
        version, digest = self.chain.authority(account.pseudonym).version, self.chain.digest(account.pseudonym)
        if version > account.version:
            hour = self.chain.hour()
            account.publications.append(Publication(version, digest.hex(), (hour,), hour, {}))
            self._save()

    def replace_publisher(self, account: Account) -> None:
        """After an alarm: a new publisher first, which no publication of the thief can race; then fresh keys."""
        self.vault.refresh(account, hour=self.chain.hour())
        self._certify(account)
        self._save()
        _, nonce = self.chain.publisher(account.pseudonym)
        era = self.chain.authority(account.pseudonym).era
        ours = self.vault.publisher(account).address
        appointment = SetPublisher(account.pseudonym, ours, nonce, era, self._deadline())
        self._relay.carry(sign(self.chain, appointment, self._signer(account)))
        self.adopt(account)
        self._publish(account)
        # Capsules elsewhere hold openings that the former publisher signed.
        self._publish_remaining(without=account)

    # -- granting ----------------------------------------------------------------------------------------------------

    def grant(
        self,
        reader: str,
        *,
        classes: Sequence[KeyClass],
        purpose: Purpose,
        end: datetime,
        start: datetime | None = None,
        history: bool = True,
        since: datetime | None = None,
        name: str = "",
    ) -> Sharing:
        """Grants classes to a reader until `end`; an earlier grant for the same purpose is replaced.

        :param reader: an account, or a member's number as an address.
        :param start: when the window opens; now, unless said.
        :param history: whether what was written before can be read; `since` limits how far back. Without it the
            window opens at the next full hour.
        :raises NoProfile: the reader has nothing to seal to.
        :raises BadWindow: the window is empty.
        """
        reader = to_checksum_address(reader)
        profile = self.chain.profile(reader, self.store)
        hour = self.chain.hour()
        opens = hour_at(start) if start is not None else hour
        if history:
            begins = hour_at(since) if since is not None else 0
        else:
            opens = max(opens, hour + 1)
            begins = opens
        ends = _full_hour(end)
        if ends <= max(opens, hour):
            raise BadWindow(fault="it ends before it begins, or has ended")

        account = self._account_for_reader(reader)
        names = tuple(str(cls) for cls in classes)
        sharing = Sharing(
            account.pseudonym, reader, name or profile.name, profile.recipient, purpose.code, names, begins, opens, ends
        )
        self._replace(sharing)
        return sharing

    def _account_for_reader(self, reader: str) -> Account:
        if self._wallet.single:
            return self.vault.home()
        known = self.vault.account_for(f"reader:{reader}")
        return known if known is not None else self._open(counterparty=f"reader:{reader}")

    def _replace(self, sharing: Sharing) -> None:
        # (1) what the reader loses is locked first: an end made earlier, a class taken away, a shorter history
        hour = self.chain.hour()
        former = [each for each in self.vault.sharings if each.place == sharing.place]
        lost = {cls for each in former for cls in _lost(each, sharing, hour=hour)}
        if lost:
            standing = next((each for each in former if each.granted), None)
            self._lock_out(sharing, lost=lost, keep=_common(standing, sharing) if standing is not None else None)

        # (2) every pseudonym whose rows must split, seen at depth
        self.vault.share(replace(sharing, granted=False))
        self._save()
        account = self.vault.accounts[sharing.pseudonym]
        hour = self.chain.hour()
        for source in self.vault.written():
            if source is not account and self.vault.lagging(source, hour):
                self._publish(source)

        # (3) the grant and its capsule, in one transaction
        purpose = Purpose.parse(sharing.purpose)
        scope = mask_of(classes_of(sharing.classes)) | self._single_bit(sharing)
        message = Grant(
            sharing.pseudonym,
            sharing.reader,
            purpose,
            scope,
            seconds_of(sharing.start),
            seconds_of(sharing.end),
            self._freshness(sharing.pseudonym, sharing.reader, purpose),
        )
        self._publish(account, sign(self.chain, message, self._signer(account)), granting=sharing)

    def _single_bit(self, sharing: Sharing) -> int:
        shared = any(
            (each.pseudonym, each.reader) == (sharing.pseudonym, sharing.reader) for each in self.vault.singles
        )
        return 1 << SINGLE_RECORDS if shared else 0

    def _freshness(self, pseudonym: str, reader: str, purpose: Purpose) -> Freshness:
        nonce = self.chain.grant_nonce(pseudonym, reader, purpose)
        return Freshness(nonce, self.chain.authority(pseudonym).era, self._deadline())

    def narrow(
        self, sharing: Sharing, *, classes: Sequence[KeyClass] | None = None, end: datetime | None = None
    ) -> Sharing:
        """Takes classes or time from a grant: a revoke of what is taken."""
        names = tuple(str(cls) for cls in classes) if classes is not None else sharing.classes
        kept = tuple(name for name in sharing.classes if name in names)
        narrowed = replace(sharing, classes=kept, end=min(_full_hour(end), sharing.end) if end else sharing.end)
        if not kept or narrowed.end <= self.chain.hour():
            raise BadWindow(fault="nothing would be left; revoke the grant instead")
        self._lock_out(sharing, lost=_lost(sharing, narrowed, hour=self.chain.hour()), keep=narrowed)

        account = self.vault.accounts[sharing.pseudonym]
        purpose = Purpose.parse(sharing.purpose)
        scope = mask_of(classes_of(kept)) | self._single_bit(sharing)
        freshness = self._freshness(sharing.pseudonym, sharing.reader, purpose)
        message = Narrow(sharing.pseudonym, sharing.reader, purpose, scope, seconds_of(narrowed.end), freshness)
        self._publish(account, sign(self.chain, message, self._signer(account)))
        return narrowed

    def share_record(self, digest: str, reader: str, *, purpose: Purpose, end: datetime, name: str = "") -> SingleShare:
        """Gives a reader one record and no other: its own file key.

        :raises TooWeak: the record is at level V, and the reader has only a classic recipient.
        """
        reader = to_checksum_address(reader)
        profile = self.chain.profile(reader, self.store)
        entry = self.entry(digest)
        if not strong_enough(profile.recipient, entry.cls):
            raise TooWeak(reader=reader, wanted=entry.cls)
        key = self.file_key(entry).unsafe_export_secret().hex()
        account = self._account_for_reader(reader)
        standing = [
            each
            for each in self.vault.sharings
            if each.place == (account.pseudonym, reader, purpose.code) and each.granted
        ]
        if any(each.end < _full_hour(end) for each in standing):
            raise BadWindow(
                fault="what is granted to this reader for this purpose ends earlier; choose its end at most"
            )
        share = SingleShare(
            account.pseudonym,
            reader,
            name or profile.name,
            profile.recipient,
            entry.source,
            entry.digest,
            key,
            _full_hour(end),
        )
        self.vault.singles.append(share)

        scope = mask_of(classes_of(name for each in standing for name in each.classes)) | 1 << SINGLE_RECORDS
        start = min((each.start for each in standing), default=self.chain.hour())
        ends = max([share.end, *(each.end for each in standing)])
        freshness = self._freshness(account.pseudonym, reader, purpose)
        message = Grant(account.pseudonym, reader, purpose, scope, seconds_of(start), seconds_of(ends), freshness)
        try:
            self._publish(account, sign(self.chain, message, self._signer(account)))
        except TheriacError:
            self.vault.singles.remove(share)
            self._save()
            raise
        return share

    # -- revoking ----------------------------------------------------------------------------------------------------

    def revoke(self, reader: str, *, purpose: Purpose) -> None:
        """Ends a grant: first the keys, then the grant. What was read stays read; the next record stays shut."""
        reader = to_checksum_address(reader)
        account = self.vault.home() if self._wallet.single else self.vault.account_for(f"reader:{reader}")
        pseudonym = account.pseudonym if account is not None else reader
        singles = [each for each in self.vault.singles if (each.pseudonym, each.reader) == (pseudonym, reader)]
        if singles and all(each.place != (pseudonym, reader, purpose.code) for each in self.vault.sharings):
            hour = self.chain.hour()
            one = singles[0]
            sharing = Sharing(pseudonym, reader, one.name, one.recipient, purpose.code, (), hour, hour, one.end)
        else:
            sharing = self.vault.sharing(pseudonym, reader, purpose.code)
        held = {cls for each in self.vault.sharings if each.place == sharing.place for cls in each.classes}
        self.vault.revoking.append(sharing)
        self.vault.unshare_singles(pseudonym, reader)
        self._lock_out(sharing, lost=held)
        self._finish_revoke(sharing)

    def _lock_out(self, sharing: Sharing, *, lost: Iterable[str], keep: Sharing | None = None) -> None:
        """The next generation of what the reader loses, published for every pseudonym: that is the lock-out."""
        self.vault.strike(sharing)
        touched = self.vault.lock(sorted(lost), hour=self.chain.hour())
        if keep is not None:
            self.vault.share(keep)
        self._save()
        for account in touched:
            # The account that granted is published together with the revoke itself.
            if account.pseudonym != sharing.pseudonym:
                self._publish(account)

    def _finish_revoke(self, sharing: Sharing) -> None:
        hour = self.chain.hour()
        own = self.vault.accounts[sharing.pseudonym]
        for account in self.vault.written():
            if account is not own and self.vault.lagging(account, hour):
                self._publish(account)
        purpose = Purpose.parse(sharing.purpose)
        message = Revoke(
            sharing.pseudonym, sharing.reader, purpose, self._freshness(sharing.pseudonym, sharing.reader, purpose)
        )
        self._publish(own, sign(self.chain, message, self._signer(own)))
        self.vault.revoking = [each for each in self.vault.revoking if each != sharing]
        self._save()
        self._publish_remaining(without=own)

    def _publish_remaining(self, *, without: Account | None = None) -> None:
        """The capsules of the readers who remain, each in the bundle of its own pseudonym."""
        remaining = {each.pseudonym for each in self.vault.sharings if each.live(self.chain.hour())}
        for account in list(self.vault.accounts.values()):
            if account is not without and account.pseudonym in remaining and not account.written:
                self._publish(account)

    def revoke_all(self) -> None:
        """Ends everything that was ever granted or signed: every era is raised, and every key is new."""
        hour = self.chain.hour()
        self.vault.sharings, self.vault.singles, self.vault.revoking = [], [], []
        for account in self.vault.accounts.values():
            self.vault.refresh(account, hour=hour)
            self._certify(account)
        self._save()
        home = self.vault.home()
        for account in [home, *(each for each in self.vault.accounts.values() if each is not home)]:
            self._raise_era(account)

    def _raise_era(self, account: Account) -> None:
        marks = self._prepare_backup(account)
        composed = compose(self.vault, account, hour=self.chain.hour())
        account.pending = composed.publication
        self._save()
        self._put(composed)
        era = self.chain.authority(account.pseudonym).era
        end = RevokeEverything(account.pseudonym, era, self._deadline())
        publication = self._publication(account, composed, era=era + 1)

        self._relay.carry(sign(self.chain, end, self._signer(account)), publication)

        account.publications.append(composed.publication)
        account.pending = None
        if marks is not None:
            self.vault.mark_backed_up(marks)
        self._save()

    def rotate(self, *, rewrite: bool = False) -> None:
        """Starts the next generation of every class; `rewrite` seals the old records to it too and unpins the old."""
        hour = self.chain.hour()
        for account in self.vault.written():
            self.vault.rotate(account, classes=account.trees, hour=hour)
        self._save()
        replaced: list[str] = []
        for account in self.vault.written():
            self._publish(account)
            moved = self._rewrite(account) if rewrite else []
            if moved:
                self._publish(account)
                replaced += moved
        self._publish_remaining()
        if replaced:
            # The old files go only when a stored backup names the new ones.
            self._publish(self.vault.home())
            for digest in replaced:
                self._unpin(digest)

    def erase(self, cls: KeyClass) -> None:
        """Drops the seeds of a class under every pseudonym, and names a backup without them."""
        hour = self.chain.hour()
        for account in self.vault.written():
            if str(cls) in account.trees:
                self.vault.forget(account, str(cls), hour=hour)
        self._save()
        self._publish_all(self.vault.written())

    # -- records -----------------------------------------------------------------------------------------------------

    def add(self, content: BinaryIO, manifest: records.Manifest) -> Entry:
        """Adds a record of the patient's own, marked as reported by her."""
        account = self.vault.own()
        self.vault.grow(account, classes=[manifest.cls], hour=self.chain.hour())
        if self.vault.lagging(account, self.chain.hour()):
            self._publish(account)
        whole = replace(manifest, pseudonym=account.pseudonym, member=0, reported=True)
        draft = records.draft(content, whole, signer=self._signer(account))
        publication, seconds = account.publications[-1], self.chain.time()
        first = publication.start_at(hour_of_seconds(seconds))
        if first is None:
            raise BadWindow(fault="the rows have run out; publish first")
        generation = publication.generations[whole.cls]
        identity = self._identity(account.pseudonym, whole.cls, generation, first)
        with tempfile.SpooledTemporaryFile(max_size=8 << 20) as spool:
            sealed = records.seal(draft, to=identity.recipient, spool=cast(BinaryIO, spool))
            before = _before(publication, first, seconds)
            era = self.chain.authority(account.pseudonym).era
            report = Report(account.pseudonym, (sealed.cid.digest,), publication.version, before, era, self._deadline())
            self._relay.carry(sign(self.chain, report, self._signer(account)))
            self.store.put(cast(BinaryIO, spool))
        anchored = self.chain.anchor(account.pseudonym, 0, sealed.cid.digest).time
        entry = Entry(
            account.pseudonym,
            sealed.cid.digest.hex(),
            0,
            whole.cls,
            generation,
            first,
            anchored,
            draft.manifest.summary(),
        )
        self.vault.add(entry)
        self._save()
        return entry

    def entry(self, digest: str) -> Entry:
        """The record whose digest begins so.

        :raises UnknownRecord: none, or more than one.
        """
        found = [entry for entry in self.vault.entries.values() if entry.digest.startswith(digest.lower())]
        if len(found) != 1 or not digest:
            raise UnknownRecord(digest=digest)
        return found[0]

    def open(self, entry: Entry) -> records.Opened:
        """Opens a record of the patient's."""
        stream = self.store.get_digest(bytes.fromhex(entry.digest))
        if entry.key:
            return records.open_(stream, file_key=FileKey(bytes.fromhex(entry.key)))
        identity = self._identity(entry.source, entry.cls, entry.generation, entry.first)
        return records.open_(stream, identities=[identity])

    def file_key(self, entry: Entry) -> FileKey:
        """The key of one record's file."""
        if entry.key:
            return FileKey(bytes.fromhex(entry.key))
        identity = self._identity(entry.source, entry.cls, entry.generation, entry.first)
        with self.store.get_digest(bytes.fromhex(entry.digest)) as stream:
            return age.file_key_of(stream, identities=[identity])

    def _identity(self, source: str, cls: str, generation: int, first: int) -> HybridIdentity:
        identity = self.vault.identity(source, cls, generation=generation, hour=first)
        if identity is None:
            raise UnknownRecord(digest=f"of class {cls}, which was erased")
        return identity

    def _rewrite(self, account: Account) -> list[str]:
        """Seals old records to the newest generation, at the hour of their first anchoring: nobody gains a day.

        Gives the digests of the files that were replaced.
        """
        moved: list[tuple[Entry, Entry]] = []
        publication, seconds = account.publications[-1], self.chain.time()
        for entry in self.vault.listed(source=account.pseudonym):
            newest = account.trees[entry.cls].newest
            if entry.generation == newest.number and not entry.key:
                continue
            first = hour_of_seconds(entry.anchored)
            identity = self._identity(account.pseudonym, entry.cls, newest.number, first)
            file_key = self.file_key(entry)
            with self.store.get_digest(bytes.fromhex(entry.digest)) as old:
                plain = age.open_with_file_key(old, file_key=file_key)
                cid = self.store.put(cast(BinaryIO, age.sealing_reader(plain, to=[identity.recipient])))
            new = replace(
                entry,
                digest=cid.digest.hex(),
                generation=newest.number,
                first=first,
                key="",
                resealed_from=entry.digest,
            )
            moved.append((entry, new))
        if not moved:
            return []
        rows = [
            Resealing(0 if old.resealed_from else old.author, bytes.fromhex(old.digest), bytes.fromhex(new.digest))
            for old, new in moved
        ]
        era = self.chain.authority(account.pseudonym).era
        before = _before(publication, publication.hour, seconds)
        for some in (rows[at : at + 50] for at in range(0, len(rows), 50)):
            reseal = Reseal(account.pseudonym, some, publication.version, before, era, self._deadline())
            self._relay.carry(sign(self.chain, reseal, self._signer(account)))
        for former, new in moved:
            self.vault.drop(former)
            self.vault.add(new)
        self._reshare_singles(moved)
        self._save()
        return [former.digest for former, _ in moved]

    def _reshare_singles(self, moved: Sequence[tuple[Entry, Entry]]) -> None:
        """Whoever was given a single record is given it as it lies now: the old file is unpinned."""
        anew = {(former.source, former.digest): new for former, new in moved}
        for at, single in enumerate(self.vault.singles):
            new = anew.get((single.source, single.digest))
            if new is not None:
                key = self.file_key(new).unsafe_export_secret().hex()
                self.vault.singles[at] = replace(single, digest=new.digest, key=key)

    # -- watching ----------------------------------------------------------------------------------------------------

    def watch(self) -> Watched:
        """Files what was written, refiles what lies in inboxes, renews and splits rows, and raises alarms."""
        alarms = self.resume()
        found = self._filing.file_new()
        self._save()
        published = self._renew(changed={entry.source for entry in found.filed}, alarmed={a.pseudonym for a in alarms})
        return Watched(
            filed=tuple(found.filed),
            waiting=tuple(found.waiting),
            rejected=tuple(found.rejected),
            unsolicited=tuple(sorted(self.vault.unsolicited)),
            published=tuple(published),
            alarms=alarms,
        )

    def _renew(self, *, changed: set[str], alarmed: set[str]) -> list[str]:
        hour, published = self.chain.hour(), []
        for account in list(self.vault.accounts.values()):
            if account.pseudonym in alarmed:
                continue
            opens = any(
                each.pseudonym == account.pseudonym and each.delivered(hour) and not self._delivered(account, each)
                for each in self.vault.sharings
            )
            unsaved = account.home and bool(self.vault.unsaved_seeds())
            changes = account.pseudonym in changed or self.vault.unlisted(account)
            if changes or opens or unsaved or self.vault.lagging(account, hour):
                self._publish(account)
                published.append(account.pseudonym)
        return published

    def _delivered(self, account: Account, sharing: Sharing) -> bool:
        """Whether a capsule for this grant has gone out: with any publication since it was due."""
        due = sharing.start if sharing.since < sharing.start else 0
        return bool(account.publications) and account.publications[-1].hour >= due

    # -- letters -----------------------------------------------------------------------------------------------------

    def requests(self) -> list[Request]:
        """Who asked for access, and for what; the latest first."""
        found = []
        for event in self.chain.index.events("Letters", "Sent", newest_first=True):
            account = self.vault.accounts.get(event.arguments["to"])
            if account is None:
                continue
            try:
                with self.store.get_digest(event.arguments["letter"]) as stream:
                    sealed = documents.read_at_most(stream, documents.LARGEST)
                letter = documents.open_(sealed, identities=[account.inbox(level) for level in Level])
                request = Request.decode(letter, pseudonym=account.pseudonym, letter=event.arguments["letter"].hex())
            except TheriacError:
                # Anybody can send a letter; one that is no request is nobody's business.
                continue
            if self._speaks_for(event.arguments["from"], request.member):
                found.append(request)
        return found

    def _speaks_for(self, account: str, member: int) -> bool:
        """Whether an account is a member's own or one of its staff: nobody asks in another member's name."""
        return self.chain.member_of(account) == member or self.chain.member_account(member) == account

    def refuse(self, request: Request, *, reason: str = "") -> None:
        """Tells who asked that the answer is no."""
        self.answer(request, granted=False, reason=reason)

    def answer(self, request: Request, *, granted: bool, reason: str = "") -> None:
        """Sends the answer to the member that asked, from the pseudonym that it asked."""
        account = self.vault.accounts[request.pseudonym]
        profile = self.chain.profile(member_address(request.member), self.store)
        answer = Answer(request.pseudonym, request.letter, granted, reason)
        sealed = documents.seal(answer.encode(), to=parse_recipient(profile.recipient))
        digest = self.store.put(io.BytesIO(sealed)).digest
        nonce = int(self.chain.contracts.call(self.chain.contracts.Letters.functions.nonceOf(account.pseudonym)))
        era = self.chain.authority(account.pseudonym).era
        letter = Letter(account.pseudonym, profile.account, digest, nonce, era, self._deadline())
        self._relay.carry(sign(self.chain, letter, self._signer(account)))

    # -- looking -----------------------------------------------------------------------------------------------------

    def looked(self, *, emergency: Callable[[Receipt], bool] = lambda receipt: False) -> Looked:
        """Who looked: every receipted reading, with what is wrong with it.

        :param emergency: whether the chain knows the emergency that a receipt claims as its rule.
        """
        folder = self._keystore.path.parent
        letters = Letters(folder, vault=self.vault, chain=self.chain, store=self.store)
        return letters.looked(emergency=emergency)

    def who_may_read(self, cls: KeyClass) -> list[Sharing]:
        """The grants under which a class can be read now."""
        hour = self.chain.hour()
        return [each for each in self.vault.sharings if str(cls) in each.classes and each.start <= hour < each.end]

    def export(self, sink: Callable[[Entry, records.Opened], Any]) -> int:
        """Opens every record for `sink`; how many."""
        entries = self.vault.listed()
        for entry in entries:
            sink(entry, self.open(entry))
        return len(entries)


def _lost(former: Sharing, sharing: Sharing, *, hour: int) -> tuple[str, ...]:
    """The classes in which a reader loses something when one grant takes the place of another."""
    paused = sharing.start > max(former.start, hour)
    if sharing.end < former.end or sharing.since > former.since or paused:
        return former.classes
    return tuple(cls for cls in former.classes if cls not in sharing.classes)


def _common(former: Sharing, sharing: Sharing) -> Sharing | None:
    """What a reader keeps while one grant takes the place of another, or None."""
    classes = tuple(cls for cls in former.classes if cls in sharing.classes)
    since, start = max(former.since, sharing.since), max(former.start, sharing.start)
    end = min(former.end, sharing.end)
    if not classes or end <= max(since, start):
        return None
    return replace(former, classes=classes, since=since, start=start, end=end)


def _full_hour(time: datetime) -> int:
    """A window ends on a full hour; later moments of the hour are cut off."""
    return hour_at(time)


def _before(publication: Publication, first: int, seconds: int) -> int:
    """The earlier of the row's end and the next UTC midnight, in seconds."""
    later = [start for start in publication.starts if start > first]
    row_end = min([*later, publication.until])
    return seconds_of(min(row_end, midnight_after(hour_of_seconds(seconds))))


def in_words(hour: int) -> str:
    """An hour as people write it, UTC."""
    return time_of(hour).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")

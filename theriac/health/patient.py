"""The patient's client: publishes keys, grants and revokes, files what was written for her.

Every act is signed by a wallet or by a publisher key and carried by a relay; none costs the patient anything. What must
not be half done is written down before it begins: after a crash, `resume` goes on where it stopped.
"""

import io
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

from eth_account import Account as EthAccount
from eth_utils.address import to_checksum_address

from theriac.consortium import Role
from theriac.crypto import age
from theriac.crypto.recipients import FileKey, HybridIdentity, parse_recipient
from theriac.errors import (
    BadCustodians,
    BadDocument,
    BadWindow,
    ErasureRefused,
    ForeignPublication,
    GlassBroken,
    NoCase,
    NoProfile,
    NothingToErase,
    NotStored,
    RecordsWait,
    SameLock,
    StrangeGuardians,
    TheriacError,
    TooWeak,
    UnknownRecord,
)
from theriac.health import documents, records
from theriac.health.bundle import Composed, Profile, compose, inbox_message, strong_enough
from theriac.health.chain import Chain, Relay, Signed, sign
from theriac.health.emergencies import Case, Glass, Release
from theriac.health.erasure import UnpinReceipt, UnpinRequest, asks, concerned, standing
from theriac.health.filing import Filing
from theriac.health.hours import hour_at, hour_of_seconds, midnight_after, seconds_of, time_of
from theriac.health.introduction import Introduction
from theriac.health.keystore import Keystore, Lock, seal, wallet_lock
from theriac.health.letters import letters_to
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
    Review,
    Revoke,
    RevokeEverything,
    Rotate,
    SetPublisher,
    member_address,
)
from theriac.health.others import Others
from theriac.health.recovering import Recovering
from theriac.health.requests import Answer, Request
from theriac.health.scope import ALL_CLASSES, REFERRAL, SINGLE_RECORDS, KeyClass, Level, Purpose, mask_of
from theriac.health.vault import (
    Account,
    Custodian,
    Emergency,
    Entry,
    Erasure,
    Publication,
    Sharing,
    SingleShare,
    Unpinning,
    Vault,
    Writer,
    classes_of,
)
from theriac.health.wallet import Wallet
from theriac.ledger.signer import KeySigner, Signer
from theriac.ledger.typed import Message
from theriac.store import Store, compute

_PATIENCE = 1800
"""Seconds that a signature counts at least; a random part comes on top, so that no two pseudonyms share a deadline."""

_SPARES = 3
"""Pseudonyms that are ready for a counterparty."""
_AFTER_SHARES = 3600
"""Seconds after a custodian's release in which another may still be needed, since a share can be wrong."""

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
    alarms: tuple[ForeignPublication | StrangeGuardians, ...] = ()
    emergencies: tuple[GlassBroken, ...] = ()


@dataclass(frozen=True)
class Received:
    """A letter that lay in an inbox: to which pseudonym, from which account, and what it says."""

    account: Account
    sender: str
    digest: str
    document: bytes


class Patient(Recovering):
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
        former: Wallet | None = None,
    ) -> None:
        """`former` is the wallet that hands over, while that is under way."""
        self.vault = vault
        self.chain = chain
        self.store = store
        self._keystore = keystore
        self._wallet = wallet
        self._former = former
        self._relay = relay
        self._classes = tuple(str(cls) for cls in classes)
        self._filing = Filing(vault, chain=chain, store=store)
        self._glass = Glass(chain)
        self.others = Others(self)

    # -- the lock of the vault ---------------------------------------------------------------------------------------

    @property
    def lock(self) -> Lock:
        return self._keystore.lock

    def next_wallet_lock(self) -> Lock:
        """A new lock by the wallet that locks the vault now. The wallet can still open what the former one locked."""
        serial = int(self.lock.parameters["serial"]) + 1
        return wallet_lock(self._wallet.signer(0), serial=serial, web3=self.chain.web3)

    @property
    def wallet(self) -> Wallet:
        """What signs for the pseudonyms."""
        return self._wallet

    # -- beginning ---------------------------------------------------------------------------------------------------

    def found(self) -> None:
        """Opens the first accounts: home, which names the backup, and one for the patient's own records."""
        if self.vault.accounts:
            self.resume()
        if not any(account.home for account in self.vault.accounts.values()):
            self._open(home=True, own=self._wallet.single)
        if not any(account.own for account in self.vault.accounts.values()):
            self._open(own=True)
        self._stock()
        self._publish_all([account for account in self.vault.accounts.values() if not account.version])

    def _stock(self) -> None:
        """Has some pseudonyms ready, which go into the next backup: taking one needs no publication but its own."""
        while not self._wallet.single and len(self.vault.spares) < _SPARES:
            place = self.vault.next_place()
            account = Account(self._wallet.signer(place).address, place)
            self.vault.lay_by(account, classes=self._classes, hour=self.chain.hour())
        self._name_guardians()
        self._save()

    def _open(
        self, *, counterparty: str = "", home: bool = False, own: bool = False, classes: Sequence[str] = ()
    ) -> Account:
        if counterparty:
            if ready := self.vault.ready_spare():
                # A wallet in a browser may say no, and then it is a spare as before.
                self._certify(ready)
            spare = self.vault.take_spare(counterparty, classes=classes, hour=self.chain.hour())
            if spare is not None:
                self._save()
                self.guard_accounts()
                return spare
        place = self.vault.next_place()
        account = Account(self._wallet.signer(place).address, place, counterparty, home=home, own=own)
        self.vault.open_account(account, classes=self._classes if own else (), hour=self.chain.hour())
        self._certify(account)
        self._save()
        # Before anything stands under it they count at once; later only after 30 days.
        self.guard_accounts()
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
            known = self.vault.account_for(f"writer:{member}") or self._found_again(member)
            account = known if known is not None else self._open(counterparty=f"writer:{member}", classes=wanted)
        account.writers = [writer for writer in account.writers if writer.member != member]
        account.writers.append(Writer(member, name or profile.name, profile.recipient, wanted))
        self.vault.grow(account, classes=wanted, hour=self.chain.hour())
        self._save()
        self._publish_all([account])
        self._renew_escrow()
        return Introduction.sign(account, member=member, signer=self._signer(account))

    def _found_again(self, member: int) -> Account | None:
        """A pseudonym that was taken for this member after the backup from which the vault was restored, if any.

        The backup had it as a spare; the chain tells that it was taken, and who writes under it.
        """
        nameless = {
            each.pseudonym: each
            for each in self.vault.accounts.values()
            if not each.counterparty and not each.home and not each.own
        }
        if nameless:
            written = [(each.block, each.author, each.pseudonym) for each in self.chain.anchored_under(nameless)]
            written += [(each.block, each.author, each.pseudonym) for each in self.chain.day_rows(nameless)]
            for _, author, pseudonym in sorted(written):
                if author == member:
                    account = nameless[pseudonym]
                    account.counterparty = f"writer:{member}"
                    # What it wrote was passed over as unsolicited; it is filed by the next `watch`.
                    self.vault.unsolicited = {
                        place: why
                        for place, why in self.vault.unsolicited.items()
                        if not place.startswith(f"{account.pseudonym}/{member}/")
                    }
                    self.vault.cursor = 0
                    return account
        return None

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

    # -- what those who act beside her need (theriac.health.others) ----------------------------------------------------

    @property
    def single(self) -> bool:
        """Whether one account signs everything."""
        return self._wallet.single

    def publish(self, account: Account, *first: Signed) -> None:
        """Publishes the next version of an account, after what else belongs to the same act."""
        self._publish(account, *first)

    def publish_remaining(self, *, without: Account) -> None:
        """The capsules of the readers who remain, after a lock-out."""
        self._publish_remaining(without=without)

    def lost(self, former: Sharing, sharing: Sharing) -> tuple[str, ...]:
        """The classes in which a reader loses something when one grant takes the place of another."""
        return _lost(former, sharing, hour=self.chain.hour())

    def account_for_reader(self, reader: str) -> Account:
        """The pseudonym that grants to a reader; opened where there is none."""
        return self._account_for_reader(reader)

    def signer(self, account: Account) -> Signer:
        return self._signer(account)

    def deadline(self) -> int:
        return self._deadline()

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
        self._begin(account, composed)
        self._put(composed)

        self._relay.carry(*first, self._publication(account, composed))

        former = account.publications[-1] if account.publications else None
        if former is not None and former.escrow:
            # A recipient is two thousand letters, and only the current one is sealed to.
            account.publications[-1] = replace(former, escrow="", escrowed={})
        account.publications.append(composed.publication)
        account.pending = None
        if granting is not None:
            self.vault.share(granting)
        if marks is not None:
            self.vault.mark_backed_up(marks)
        self._save()
        for digest in (*([former.digest] if former is not None else []), *self.vault.strays):
            self._unpin_bundle(digest)
        self.vault.strays = []
        if backup not in ("", account.backup):
            self._unpin(backup)

    def _begin(self, account: Account, composed: Composed) -> None:
        """Writes down what is about to be stored and published; what was and never landed is unpinned after it."""
        if account.pending is not None:
            self.vault.strays.append(account.pending.digest)
        if account.pseudonym not in self.vault.turning:
            # Whatever waited to be published goes along.
            self.vault.due.pop(account.pseudonym, None)
        account.pending = composed.publication
        self._save()

    def _put(self, composed: Composed) -> None:
        # The document comes first: it names the files, so whatever breaks off leaves nothing that nobody knows of.
        for blob in (composed.document, *composed.files):
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
        sealed = seal(self.vault.encode(), self._keystore.lock, *self._other_locks())
        # Known before it is stored: an erasure must find it, wherever this breaks off.
        account.backup = compute(io.BytesIO(sealed)).digest.hex()
        self._save()
        self.store.put(io.BytesIO(sealed))
        return marks

    def _unpin_bundle(self, digest: str) -> None:
        """Earlier versions are needed by nobody: history is in the newest. Their dummies go too."""
        try:
            with self.store.get_digest(bytes.fromhex(digest)) as stream:
                document = documents.read_at_most(stream, documents.LARGEST)
        except NotStored:
            return
        # What it names goes first: a crash in between leaves the name of what is still to go.
        digests = [*map(str, documents.decode("bundle", document)["classes"]), digest]
        emergency = self.vault.emergency
        if emergency is not None and any(case.lasts(self.chain.time()) for case in self.emergencies()):
            # Whoever treats her now finds what is listed by the indexes that were there when the glass was broken.
            self.vault.emergency = replace(emergency, kept=(*emergency.kept, *digests))
            self._save()
            return
        for each in digests:
            self._unpin(each)

    def _unpin(self, digest: str) -> None:
        try:
            self.store.unpin(self.store.resolve(bytes.fromhex(digest)))
        except NotStored:
            return

    def save(self) -> None:
        """Writes the vault down as it is now."""
        self._keystore.save(self.vault.encode())

    _save = save

    def _deadline(self) -> int:
        return self.chain.time() + _PATIENCE + secrets.randbelow(_PATIENCE // 2)

    def _signer(self, account: Account) -> Signer:
        return self._wallet.signer(account.place)

    def resume(self, *, finish: bool = True) -> tuple[ForeignPublication, ...]:
        """Settles what a crash left open, and tells of publications that are not from here.

        Without `finish` a revoke that was begun waits on: its keys are locked, and ending it needs a signature.
        """
        alarms = []
        for account in self.vault.accounts.values():
            self._take_landed(account)
            version, digest = self.chain.authority(account.pseudonym).version, self.chain.digest(account.pseudonym)
            latest = account.publications[-1] if account.publications else None
            if version and (latest is None or (latest.version, latest.digest) != (version, digest.hex())):
                alarms.append(ForeignPublication(pseudonym=account.pseudonym, version=version))
        # While another wallet takes over, the chain says what a thief may have done, and not what she wants.
        for sharing in list(self.vault.sharings) if self.vault.moving is None else ():
            # What was passed on of a grant is struck out together with it.
            if sharing in self.vault.sharings:
                self._settle(sharing)
        self._save()
        self._go_on()
        # With a foreign publication on the chain the next version is not ours to count: that comes first.
        for sharing in list(self.vault.revoking) if finish and not alarms else ():
            self._finish_revoke(sharing)
        if not alarms:
            self._finish_erasures()
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
            lacking = lacking or not self.others.stands(sharing, found)
            if lacking and sharing.live(hour):
                self.vault.unshare(sharing, hour=hour)
            elif (found["start"], found["expiry"]) == window:
                self.vault.count(sharing, nonce=found["nonce"])
        elif found["scope"] & scope == scope and (found["start"], found["expiry"]) == window:
            self.vault.share(replace(sharing, granted=True))
        elif not sharing.live(hour):
            self.vault.sharings.remove(sharing)

    def _put_spares_by(self) -> None:
        """Before every key is made new: whoever has the lost device or an earlier backup has the spares too."""
        for spare in self.vault.spares:
            if self.chain.authority(spare.pseudonym).version:
                # It was taken since. For whom is found when she is introduced there again.
                self.vault.accounts[spare.pseudonym] = spare
        self.vault.spares = []
        self.vault.forget_blanks()
        self.vault.void_escrow()
        self._stock()

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
        by: int = 0,
        referable: bool = False,
    ) -> Sharing:
        """Grants classes to a reader until `end`; an earlier grant for the same purpose is replaced.

        :param reader: an account, or a member's number as an address.
        :param start: when the window opens; now, unless said.
        :param history: whether what was written before can be read; `since` limits how far back. Without it the
            window opens at the next full hour.
        :param by: the number of a programme's parent that it stands under; `referable` whether the reader may pass it
            on for a referral.
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
            account.pseudonym,
            reader,
            name or profile.name,
            profile.recipient,
            purpose.code,
            names,
            begins,
            opens,
            ends,
            by=by,
            referable=referable,
        )
        return self._replace(sharing)

    def _account_for_reader(self, reader: str) -> Account:
        if self._wallet.single:
            return self.vault.home()
        known = self.vault.account_for(f"reader:{reader}")
        return known if known is not None else self._open(counterparty=f"reader:{reader}")

    def _replace(self, sharing: Sharing) -> Sharing:
        # (1) what the reader loses is locked first: an end made earlier, a class taken away, a shorter history
        hour = self.chain.hour()
        former = [each for each in self.vault.sharings if each.place == sharing.place]
        lost = {cls for each in former for cls in _lost(each, sharing, hour=hour)}
        lost |= {cls for each in self.vault.referred(sharing) for cls in each.classes}
        if lost:
            standing = next((each for each in former if each.granted), None)
            self._lock_out(sharing, lost=lost, keep=_common(standing, sharing) if standing is not None else None)

        # (2) every pseudonym whose rows must split, seen at depth
        purpose = Purpose.parse(sharing.purpose)
        nonce = self.chain.grant_nonce(sharing.pseudonym, sharing.reader, purpose)
        sharing = replace(sharing, nonce=nonce + 1)
        waiting = replace(sharing, granted=False)
        self.vault.share(waiting)
        self._save()
        account = self.vault.accounts[sharing.pseudonym]
        hour = self.chain.hour()
        for source in self.vault.written():
            if source is not account and self.vault.lagging(source, hour):
                self._publish(source)

        # (3) the grant and its capsule, in one transaction
        scope = mask_of(classes_of(sharing.classes)) | self._more_bits(sharing)
        message = Grant(
            sharing.pseudonym,
            sharing.reader,
            purpose,
            scope,
            seconds_of(sharing.start),
            seconds_of(sharing.end),
            self._freshness(sharing.pseudonym, sharing.reader, purpose),
            sharing.by,
        )
        try:
            signed = sign(self.chain, message, self._signer(account))
        except TheriacError:
            # Nothing is signed, so no key has gone out for it and none will.
            self.vault.sharings = [each for each in self.vault.sharings if each != waiting]
            self._save()
            raise
        self._publish(account, signed, granting=sharing)
        self._renew_escrow()
        return sharing

    def _more_bits(self, sharing: Sharing) -> int:
        """What a grant says beside its classes: that there are single records, that it may be referred on."""
        shared = any(
            (each.pseudonym, each.reader) == (sharing.pseudonym, sharing.reader) for each in self.vault.singles
        )
        return shared << SINGLE_RECORDS | sharing.referable << REFERRAL

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
        scope = mask_of(classes_of(kept)) | self._more_bits(sharing)
        freshness = self._freshness(sharing.pseudonym, sharing.reader, purpose)
        message = Narrow(sharing.pseudonym, sharing.reader, purpose, scope, seconds_of(narrowed.end), freshness)
        self._publish(account, sign(self.chain, message, self._signer(account)))
        narrowed = self.vault.count(narrowed, nonce=freshness.nonce + 1)
        self._save()
        self._renew_escrow()
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
        scope |= any(each.referable for each in standing) << REFERRAL
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
        for each in standing:
            self.vault.count(each, nonce=freshness.nonce + 1)
        self._save()
        return share

    # -- revoking ----------------------------------------------------------------------------------------------------

    def revoke(self, reader: str, *, purpose: Purpose, spread: int = 0) -> None:
        """Ends a grant: first the keys, then the grant. What was read stays read; the next record stays shut.

        :param spread: the capsules of the readers who remain, and nothing of the revoke itself, go out at random times
            within so many seconds. They lose nothing meanwhile: every writer's bundle carries their keys too.
        """
        reader = to_checksum_address(reader)
        account = self.vault.home() if self._wallet.single else self.vault.account_for(f"reader:{reader}")
        pseudonym = account.pseudonym if account is not None else reader
        # What others granted to the same reader stands under other pseudonyms: it ends as well.
        beside = [
            each
            for each in self.vault.sharings
            if (each.reader, each.purpose) == (reader, purpose.code) and each.pseudonym != pseudonym and each.by
        ]
        for each in beside:
            self.revoke_sharing(each)
        if beside and all(each.place != (pseudonym, reader, purpose.code) for each in self.vault.sharings):
            return
        singles = [each for each in self.vault.singles if (each.pseudonym, each.reader) == (pseudonym, reader)]
        if singles and all(each.place != (pseudonym, reader, purpose.code) for each in self.vault.sharings):
            hour = self.chain.hour()
            one = singles[0]
            sharing = Sharing(pseudonym, reader, one.name, one.recipient, purpose.code, (), hour, hour, one.end)
        else:
            sharing = self.vault.sharing(pseudonym, reader, purpose.code)
        self.revoke_sharing(sharing, spread=spread)

    def revoke_sharing(self, sharing: Sharing, *, spread: int = 0) -> None:
        """Ends what one pseudonym shares with a reader for a purpose."""
        held = {cls for each in self.vault.sharings if each.place == sharing.place for cls in each.classes}
        self.vault.revoking.append(sharing)
        self.vault.unshare_singles(sharing.pseudonym, sharing.reader)
        self._lock_out(sharing, lost=held)
        self._finish_revoke(sharing, spread=spread)

    def _lock_out(self, sharing: Sharing, *, lost: Iterable[str], keep: Sharing | None = None) -> None:
        """The next generation of what the reader loses, published for every pseudonym: that is the lock-out."""
        struck = self.vault.strike(sharing)
        lost = {*lost, *(cls for each in struck if each.through for cls in each.classes)}
        touched = self.vault.lock(sorted(lost), hour=self.chain.hour())
        if keep is not None:
            self.vault.share(keep)
        self._save()
        for account in touched:
            # The account that granted is published together with the revoke itself.
            if account.pseudonym != sharing.pseudonym:
                self._publish(account)

    def _finish_revoke(self, sharing: Sharing, *, spread: int = 0) -> None:
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
        if spread:
            self._wait([each for each in self._remaining() if each != own.pseudonym], within=spread)
        self._save()
        if not spread:
            self._publish_remaining(without=own)

    def _publish_remaining(self, *, without: Account | None = None) -> None:
        """The capsules of the readers who remain, each in the bundle of its own pseudonym."""
        for pseudonym in self._remaining():
            account = self.vault.accounts[pseudonym]
            if account is not without:
                self._publish(account)
        self._renew_escrow()

    def _remaining(self) -> list[str]:
        """The pseudonyms under which nothing is written and somebody may read."""
        live = {each.pseudonym for each in self.vault.sharings if each.live(self.chain.hour())}
        return [each.pseudonym for each in self.vault.accounts.values() if each.pseudonym in live and not each.written]

    def revoke_all(self) -> None:
        """Ends everything that was ever granted or signed: every era is raised, and every key is new."""
        hour = self.chain.hour()
        self.vault.sharings, self.vault.singles, self.vault.revoking = [], [], []
        self.vault.spares = []
        self.vault.void_escrow()
        self.vault.mandates, self.vault.programmes = [], []
        for account in self.vault.accounts.values():
            self.vault.refresh(account, hour=hour)
            self._certify(account)
        self._stock()
        home = self.vault.home()
        for account in [home, *(each for each in self.vault.accounts.values() if each is not home)]:
            self._raise_era(account)

    def _raise_era(self, account: Account) -> None:
        marks = self._prepare_backup(account)
        composed = compose(self.vault, account, hour=self.chain.hour())
        self._begin(account, composed)
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

    def rotate_later(self, *, within: int) -> None:
        """Has each pseudonym's next generations begin at a time of its own, within so many seconds: `watch` does it.

        Publications at once show everybody who looks at the chain which pseudonyms are one person's.
        """
        written = [account.pseudonym for account in self.vault.written()]
        self.vault.turning = sorted({*self.vault.turning, *written})
        self._wait(written, within=within)
        self._wait(self._remaining(), within=within)
        self._save()

    def _wait(self, pseudonyms: Iterable[str], *, within: int) -> None:
        """Draws a time for each; one that waits already keeps its time."""
        now = self.chain.time()
        for pseudonym in pseudonyms:
            self.vault.due.setdefault(pseudonym, later(now, within))

    def rotate(self, *, rewrite: bool = False) -> None:
        """Starts the next generation of every class; `rewrite` seals the old records to it too and unpins the old."""
        hour = self.chain.hour()
        for account in self.vault.written():
            self.vault.rotate(account, classes=account.trees, hour=hour)
        self.vault.turning = []
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

    # -- erasing -----------------------------------------------------------------------------------------------------

    def erase(
        self, classes: Sequence[KeyClass], *, lock: Lock, despite_waiting: bool = False, spread: int = 0
    ) -> Erasure:
        """Drops the seeds of classes under every pseudonym, and all by which their records could be opened.

        From the first step on they are gone from this device; then a backup without them is named, and everything that
        was stored before is unpinned. What breaks off is finished by `resume`.

        :param lock: what the vault is sealed to from now on. What opened earlier backups must open nothing any more.
        :param spread: the letters to members go out at random times within so many seconds.
        :raises NothingToErase: no pseudonym has keys of these classes.
        :raises RecordsWait: something is not filed yet and would be lost, unless `despite_waiting`.
        :raises ErasureRefused: the chain has a publication that is not from here.
        """
        names = [str(cls) for cls in dict.fromkeys(classes)]
        if lock.recipient == self._keystore.lock.recipient:
            raise SameLock()
        for alarm in self.watch().alarms:
            raise ErasureRefused(pseudonym=alarm.pseudonym)
        touched = [account for account in self.vault.written() if set(names) & set(account.trees)]
        if not touched:
            raise NothingToErase(classes=names)
        sources = {account.pseudonym for account in touched}
        waiting = [digest for source, _, digest in self.vault.unread if source in sources]
        waiting += [row.proofs.hex() for row in self.vault.unread_days if row.pseudonym in sources]
        if waiting and not despite_waiting:
            raise RecordsWait(count=len(waiting))

        # (1) the seeds, in one save with what is still to be done, under the new lock
        found = concerned(self.vault, names, chain=self.chain, store=self.store)
        gone = {digest for digests in found.records.values() for digest in digests}
        now, hour = self.chain.time(), self.chain.hour()
        readers = {each.pseudonym for each in self.vault.singles if each.digest in gone}
        readers |= {
            each.pseudonym for each in self.vault.sharings if each.live(hour) and set(names) & set(each.classes)
        }
        asked = tuple(replace(each, due=later(now, spread)) for each in asks(self.vault, found))
        for account in touched:
            self.vault.forget(account, names, hour=hour)
            self._certify(account)
        self.vault.erased = sorted({*self.vault.erased, *gone})
        self.vault.singles = [each for each in self.vault.singles if each.digest not in gone]
        # Earlier backups hold the seeds of the spares.
        self.vault.spares = []
        home = self.vault.home().pseudonym
        publish = tuple(dict.fromkeys([home, *sorted(sources), *sorted(readers)]))
        self.vault.erasures.append(Erasure(now, found.all(), publish, asked))
        self._keystore.lock = lock
        self._stock()

        self._finish_erasures()
        self._renew_escrow()
        return self.vault.erasures[-1]

    def _finish_erasures(self) -> None:
        for number in range(len(self.vault.erasures)):
            # (2) home, which names the backup without them, then every bundle that held keys of theirs
            for pseudonym in self.vault.erasures[number].publish:
                self._publish(self.vault.accounts[pseudonym])
                self._note_erasure(number, publish=self.vault.erasures[number].publish[1:])

            # (3) what was stored before, here
            erasure = self.vault.erasures[number]
            if erasure.digests:
                kept = standing(self.vault, self.store)
                for digest in erasure.digests:
                    if digest not in kept:
                        self._unpin(digest)
                self._note_erasure(number, digests=(), unpinned=len(set(erasure.digests) - kept))

            # (4) and at the members that wrote it
            for place, asked in enumerate(erasure.asks):
                if not asked.letter and asked.due <= self.chain.time():
                    self._ask_to_unpin(number, place, asked)

    def _ask_to_unpin(self, number: int, place: int, asked: Unpinning) -> None:
        account = self.vault.accounts[asked.pseudonym]
        request = UnpinRequest(asked.pseudonym, asked.member, asked.digests, self.chain.time())
        request = replace(request, signature=self._signer(account).sign_message(request.message()).hex())
        try:
            profile = self.chain.profile(member_address(asked.member), self.store)
        except NoProfile:
            # Nobody can be told; the status says so, and it is tried again.
            return
        letter = self._send_letter(account, profile, request.encode())
        standing_asks = list(self.vault.erasures[number].asks)
        standing_asks[place] = replace(asked, letter=letter)
        self._note_erasure(number, asks=tuple(standing_asks))

    def _note_erasure(self, number: int, **changes: Any) -> None:
        self.vault.erasures[number] = replace(self.vault.erasures[number], **changes)
        self._save()

    def _take_receipts(self) -> None:
        """Notes what members signed about what they were asked to give up."""
        open_ = {asked.pseudonym for each in self.vault.erasures for asked in each.asks if not asked.receipt}
        if not open_:
            return
        receipts = []
        for letter in self.letters():
            if letter.account.pseudonym in open_:
                try:
                    receipts.append(UnpinReceipt.decode(letter.document))
                except BadDocument:
                    continue
        for number, erasure in enumerate(self.vault.erasures):
            taken = tuple(
                next(
                    (replace(asked, receipt=each.values()) for each in receipts if each.answers(asked, self.chain)),
                    asked,
                )
                if asked.letter and not asked.receipt
                else asked
                for asked in erasure.asks
            )
            if taken != erasure.asks:
                self._note_erasure(number, asks=taken)

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
            if entry.proofs:
                # What a day's root anchored has no place of its own on the chain that a new file could be tied to.
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

    def watch(self, *, spread: int = 0) -> Watched:
        """Files what was written, refiles what lies in inboxes, renews and splits rows, and raises alarms.

        :param spread: what can wait is published at a random time within so many seconds, by a later `watch`: lists of
            new records, rows that end soon, and home with its backup. What locks somebody out, and a window that opens,
            cannot.
        """
        alarms = self.resume()
        if not alarms:
            self._heed_emergencies()
            self.others.adopt()
        found = self._filing.file_new()
        self._save()
        self._take_receipts()
        self._stock()
        self.guard_accounts()
        changed, alarmed = {entry.source for entry in found.filed}, {each.pseudonym for each in alarms}
        published = self._renew(changed=changed, alarmed=alarmed, spread=spread)
        return Watched(
            filed=tuple(found.filed),
            waiting=tuple(found.waiting),
            rejected=tuple(found.rejected),
            unsolicited=tuple(sorted(self.vault.unsolicited)),
            published=tuple(published),
            alarms=(*alarms, *self.guardian_alarms()),
            emergencies=self.broken_glass(),
        )

    def _renew(self, *, changed: set[str], alarmed: set[str], spread: int) -> list[str]:
        hour, published = self.chain.hour(), []
        for account in list(self.vault.accounts.values()):
            pseudonym = account.pseudonym
            if pseudonym in alarmed or self._waits(account) or not self._may_publish(account):
                continue
            opens = any(
                each.pseudonym == pseudonym and each.delivered(hour) and not self._delivered(account, each)
                for each in self.vault.sharings
            )
            unsaved = account.home and bool(self.vault.unsaved_seeds())
            changes = pseudonym in changed or self.vault.unlisted(account)
            can_wait = changes or unsaved or self.vault.lagging(account, hour)
            if self._is_due(account) or opens or self.vault.wrong(account, hour):
                self._publish(account)
                published.append(pseudonym)
            elif can_wait and spread:
                self._wait([pseudonym], within=spread)
            elif can_wait and pseudonym not in self.vault.due:
                self._publish(account)
                published.append(pseudonym)
        emergency = self.vault.emergency
        if emergency is not None and emergency.pseudonym not in alarmed and self._renew_escrow():
            published.append(emergency.pseudonym)
        self._save()
        return published

    def _is_due(self, account: Account) -> bool:
        """Whether its time has come; then it waits no more, and its next generations begin where they were to."""
        due = self.vault.due.get(account.pseudonym)
        if due is None or self.chain.time() < due:
            return False
        del self.vault.due[account.pseudonym]
        if account.pseudonym in self.vault.turning:
            self.vault.turning.remove(account.pseudonym)
            self.vault.rotate(account, classes=account.trees, hour=self.chain.hour())
        return True

    def _delivered(self, account: Account, sharing: Sharing) -> bool:
        """Whether a capsule for this grant has gone out: with any publication since it was due."""
        due = sharing.start if sharing.since < sharing.start else 0
        return bool(account.publications) and account.publications[-1].hour >= due

    # -- emergencies -------------------------------------------------------------------------------------------------

    def set_emergency(
        self,
        members: Sequence[int],
        *,
        need: int,
        classes: Sequence[KeyClass],
        inbox: bool = True,
        new_card: bool = False,
    ) -> Emergency:
        """Lets `need` of these members together open classes for a clinician in an emergency.

        Where others could before, or other classes, that ends first, as any reader's grant does.

        :param new_card: under another pseudonym than before, so that the former card opens nothing any more.
        :raises BadCustodians: too few, one of them twice, or no custodian in standing.
        :raises TooWeak: a class is of level V, and a custodian has only a classic recipient.
        """
        if not classes:
            raise BadCustodians(fault="there is no class that they could open; name one")
        if len(set(members)) != len(members):
            raise BadCustodians(fault="one of them is named twice")
        if not 2 <= need <= len(members) <= 16:
            raise BadCustodians(
                fault=f"{need} of {len(members)} is no choice; name 2 to 16, of whom at least 2 are needed, since one "
                "alone could read at any time"
            )
        names = tuple(dict.fromkeys(map(str, classes)))
        custodians = tuple(self._custodian(member, names) for member in members)
        account = self._emergency_account(new=new_card)
        former, wanted = self.vault.emergency, Emergency(account.pseudonym, custodians, need, names, inbox)
        if former is not None and former.decided == wanted.decided:
            self._renew_escrow()
            return former
        if former is not None:
            wanted = replace(wanted, handled=former.handled, kept=former.kept)
        self._change_emergency(wanted)
        return wanted

    def _custodian(self, member: int, classes: Sequence[str]) -> Custodian:
        account = self.chain.member_account(member)
        if self.chain.standing(account, int(Role.CUSTODIAN)) != member:
            raise BadCustodians(fault=f"member {member} is no custodian in standing")
        profile = self.chain.profile(member_address(member), self.store)
        for cls in classes:
            if not strong_enough(profile.recipient, cls):
                raise TooWeak(reader=f"member {member}", wanted=cls)
        return Custodian(member, profile.name, profile.recipient)

    def _emergency_account(self, *, new: bool) -> Account:
        if self._wallet.single:
            if new:
                raise BadCustodians(fault="your wallet has one pseudonym for everything, so there is no other card")
            return self.vault.home()
        known = self.vault.account_for("emergency")
        if known is not None and new:
            known.counterparty = "emergency:former"
        return self._open(counterparty="emergency") if known is None or new else known

    def end_emergency(self) -> None:
        """Nobody may break the glass any more: the classes get new keys, which no escrow holds."""
        if self.vault.emergency is not None:
            self._change_emergency(None)

    def _change_emergency(self, wanted: Emergency | None) -> None:
        """Ends what was decided before, and publishes what is now: first the rows, then the escrow."""
        former = self.vault.emergency
        decided = wanted if wanted is not None else former
        if former is not None:
            self._lock_emergency(former)
        self.vault.emergency = wanted
        self._save()
        if decided is not None:
            self._publish_emergency(self.vault.accounts[decided.pseudonym])
        if former is not None and decided is not None and former.pseudonym != decided.pseudonym:
            self._publish(self.vault.accounts[former.pseudonym])

    def _lock_emergency(self, emergency: Emergency) -> None:
        """The next generation of all that the escrow held, and new inboxes of level N: no key of it opens them."""
        self.vault.void_escrow()
        sources = self.vault.escrow_sources()
        self.vault.lock(emergency.classes, hour=self.chain.hour())
        for source in sources if emergency.inbox else ():
            self.vault.renew_inbox(source, Level.N)
            self._certify(source)

    def _publish_sources(self, *, without: Account) -> None:
        hour = self.chain.hour()
        for source in self.vault.written():
            if source is not without and self.vault.lagging(source, hour):
                self._publish(source)

    def _publish_emergency(self, account: Account) -> None:
        self._publish_sources(without=account)
        self._publish(account)
        if self.vault.unsaved_seeds():
            self._publish(self.vault.home())
        self._publish_remaining(without=account)

    def _renew_escrow(self) -> bool:
        """Seals the escrow anew where it no longer holds what it is to hold; whether it did."""
        emergency = self.vault.emergency
        if emergency is None or not self.vault.escrow_due(self.chain.hour()):
            return False
        account = self.vault.accounts[emergency.pseudonym]
        if self._waits(account):
            return False
        self._publish(account)
        return True

    def _waits(self, account: Account) -> bool:
        """Whether shares of the escrow that an account published are being asked for: another would void them.

        Whoever holds its key meanwhile finds new openings in the bundles of the sources.
        """
        emergency = self.vault.emergency
        if emergency is None or emergency.pseudonym != account.pseudonym:
            return False
        return any(case.version == account.version and self._asks(case, emergency) for case in self.emergencies())

    def _asks(self, case: Case, emergency: Emergency) -> bool:
        """Whether another share may be needed: too few are there, or one that was given out of late may be a lie."""
        shares, now = self._shares(case), self.chain.time()
        if not case.lasts(now) or shares == len(emergency.custodians):
            return False
        return shares < emergency.need or now < self._glass.last_release(case.number) + _AFTER_SHARES

    def _pending(self, case: Case) -> bool:
        """Whether a case is open, within its window, and short of shares."""
        emergency = self.vault.emergency
        assert emergency is not None
        return case.lasts(self.chain.time()) and self._shares(case) < emergency.need

    def _shares(self, case: Case) -> int:
        """How many of her custodians gave a share out; what others say opens nothing."""
        emergency = self.vault.emergency
        chosen = {each.member for each in emergency.custodians} if emergency is not None else set()
        return len({each.member for each in self.releases_of(case)} & chosen)

    def releases_of(self, case: Case) -> list[Release]:
        """What custodians say that they gave out for a case."""
        return self._glass.releases(case.number)

    def _heed_emergencies(self) -> None:
        """An escrow that was used is a revoke: new keys, new inboxes of level N, a new escrow."""
        emergency = self.vault.emergency
        if emergency is None:
            return
        over = [each for each in self.emergencies() if each.number not in emergency.handled and not self._pending(each)]
        if over:
            emergency = replace(emergency, handled=(*emergency.handled, *(each.number for each in over)))
            self.vault.emergency = emergency
            if any(self._shares(case) for case in over):
                self._lock_emergency(emergency)
                self._save()
                # The lock-out is at once. The next escrow may have to wait, for it voids the shares that are to come.
                account = self.vault.accounts[emergency.pseudonym]
                self._publish_sources(without=account)
                if account.written:
                    self._publish(account)
                self._publish_remaining(without=account)
            self._save()
        self._unpin_kept()

    def _unpin_kept(self) -> None:
        """What was kept for the window of a case goes when the last window is over."""
        emergency = self.vault.emergency
        if emergency is None or not emergency.kept or any(each.lasts(self.chain.time()) for each in self.emergencies()):
            return
        for digest in emergency.kept:
            self._unpin(digest)
        self.vault.emergency = replace(emergency, kept=())
        self._save()

    def emergencies(self) -> list[Case]:
        """Every case that was opened under an emergency pseudonym, the latest first."""
        if self._wallet.single:
            return self._glass.of(self.vault.home().pseudonym)
        accounts = [each for each in self.vault.accounts.values() if each.counterparty.startswith("emergency")]
        found = [case for account in accounts for case in self._glass.of(account.pseudonym)]
        return sorted(found, key=lambda case: case.number, reverse=True)

    def broken_glass(self) -> tuple[GlassBroken, ...]:
        """An alarm for each case that waits for the patient's review."""
        return tuple(
            GlassBroken(number=each.number, clinician=each.clinician, member=each.member, releases=self._shares(each))
            for each in self.emergencies()
            if each.is_open
        )

    def words_of(self, case: Case) -> str:
        """What the clinician said of a case; nothing where it cannot be had."""
        account = self.vault.accounts[case.pseudonym]
        return self._glass.words(case, store=self.store, identities=[account.inbox(level) for level in Level])

    def review(self, number: int, *, verdict: int, barred_until: int = 0) -> None:
        """Closes a case, by the controller's signature.

        :raises NoCase: there is no such case under this patient's emergency pseudonym.
        """
        found = [each for each in self.emergencies() if each.number == number]
        if not found:
            raise NoCase(number=number)
        account = self.vault.accounts[found[0].pseudonym]
        era = self.chain.authority(account.pseudonym).era
        review = Review(account.pseudonym, number, verdict, barred_until, era, self._deadline())
        self._relay.carry(sign(self.chain, review, self._signer(account)))

    # -- letters -----------------------------------------------------------------------------------------------------

    def requests(self) -> list[Request]:
        """Who asked for access, and for what; the latest first."""
        found = []
        for letter in self.letters():
            try:
                request = Request.decode(letter.document, pseudonym=letter.account.pseudonym, letter=letter.digest)
            except TheriacError:
                # Anybody can send a letter; one that is no request is nobody's business.
                continue
            if self._speaks_for(letter.sender, request.member):
                found.append(request)
        return found

    def letters(self) -> Iterator[Received]:
        """What lies in the inboxes of all pseudonyms and opens; the latest first."""
        for letter in letters_to(self.chain, self.vault.accounts):
            account = self.vault.accounts[letter.to]
            try:
                sealed = letter.sealed(self.store)
                document = documents.open_(sealed, identities=[account.inbox(level) for level in Level])
            except TheriacError:
                continue
            yield Received(account, letter.sender, letter.digest.hex(), document)

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
        self._send_letter(account, profile, answer.encode())

    def _send_letter(self, account: Account, profile: Profile, document: bytes) -> str:
        """Seals a document to a reader or a member, and tells it from a pseudonym; the letter's digest."""
        sealed = documents.seal(document, to=parse_recipient(profile.recipient))
        digest = self.store.put(io.BytesIO(sealed)).digest
        nonce, era = self.chain.letter_nonce(account.pseudonym), self.chain.authority(account.pseudonym).era
        letter = Letter(account.pseudonym, profile.account, digest, nonce, era, self._deadline())
        self._relay.carry(sign(self.chain, letter, self._signer(account)))
        return digest.hex()

    def send_once(self, to: str, sealed: bytes) -> str:
        """Sends a sealed letter from an account made for it and forgotten, which ties it to nobody; its digest."""
        signer = KeySigner(EthAccount.create())
        digest = self.store.put(io.BytesIO(sealed)).digest
        letter = Letter(str(signer.address), to, digest, 0, 0, self._deadline())
        self._relay.carry(sign(self.chain, letter, signer))
        return digest.hex()

    # -- looking -----------------------------------------------------------------------------------------------------

    def looked(self) -> Looked:
        """Who looked: every receipted reading, with what is wrong with it."""
        folder = self._keystore.path.parent
        letters = Letters(folder, vault=self.vault, chain=self.chain, store=self.store)
        return letters.looked()

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
    """The classes in which a reader loses something when one grant takes the place of another.

    What was referred of a grant ends with any change of it, and her client may not have seen it yet.
    """
    paused = sharing.start > max(former.start, hour)
    if sharing.end < former.end or sharing.since > former.since or paused or former.referable:
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


def later(now: int, spread: int) -> int:
    """A random second within so many from now."""
    return now + secrets.randbelow(spread) if spread else now


def in_words(hour: int) -> str:
    """An hour as people write it, UTC."""
    return time_of(hour).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")

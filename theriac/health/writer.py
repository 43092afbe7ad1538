"""The writer's client: a clinic's desk that seals a patient's records to what her bundle says now.

The order is what keeps the lock: read the bundle, seal to the row of this hour, anchor with the bundle's version and
the row's end, wait for the network's depth, and only then store. What was written is spooled, sealed to the writer
itself, until the patient's vault says that it has filed it.
"""

import io
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

from eth_account.messages import SignableMessage

from theriac.crypto import age
from theriac.crypto.recipients import HybridIdentity, Recipient, parse_recipient
from theriac.errors import (
    BadDocument,
    BadIntroduction,
    BadRecipient,
    InboxChanged,
    NoBundle,
    NoRow,
    NotIntroduced,
    Reverted,
    SpoolFull,
    StaleBundle,
    TheriacError,
)
from theriac.health import documents, records
from theriac.health.bundle import Bundle, Inboxes, inboxes_from
from theriac.health.chain import Chain
from theriac.health.hours import hour_of_seconds, midnight_after, seconds_of
from theriac.health.intake import Piece
from theriac.health.introduction import Introduction
from theriac.health.keystore import write_private
from theriac.health.letters import letters_to
from theriac.health.requests import Answer, Request
from theriac.health.scope import KeyClass, Level
from theriac.ledger.contracts import Receipt
from theriac.ledger.sender import Sender
from theriac.ledger.signer import Signer
from theriac.store import Store

_TRIES = 3

_AHEAD = 900
"""Seconds that the chain's time may be ahead of this machine's."""


@dataclass(frozen=True)
class Registered:
    """A patient as this desk knows her: a name of its own choosing, her pseudonym here, the inboxes she signed."""

    name: str
    pseudonym: str
    inboxes: Inboxes

    def encode(self) -> bytes:
        return documents.encode(
            "registered", {"name": self.name, "pseudonym": self.pseudonym, "inboxes": self.inboxes.values()}
        )

    @classmethod
    def decode(cls, data: bytes) -> "Registered":
        values = documents.decode("registered", data)
        pseudonym = str(values["pseudonym"])
        return cls(str(values["name"]), pseudonym, inboxes_from(pseudonym, values["inboxes"]))


@dataclass(frozen=True)
class Written:
    """A record that was sealed, anchored and stored."""

    digest: str
    cls: str
    title: str
    inbox: bool


@dataclass(frozen=True)
class _Sealed:
    cls: str
    title: str
    sealed: records.Sealed


class Writer:
    """A member's desk."""

    def __init__(
        self,
        *,
        member: int,
        identity: HybridIdentity,
        author: Signer,
        sender: Sender,
        chain: Chain,
        store: Store,
        folder: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`identity` is what the member's profile names; `author` signs the manifests, `sender` sends to the chain.

        `clock` tells the second since 1970 that this machine believes in. A chain that is far ahead of it is not
        believed: a node could name a later hour so that a reader "from now on" opens what was written before.
        """
        self._clock = clock
        self.member = member
        self.chain = chain
        self.store = store
        self.receipts: list[Receipt] = []
        self._identity = identity
        self._author = author
        self._sender = sender
        self._patients = folder / "patients"
        self._spool = folder / "spool"

    # -- patients ----------------------------------------------------------------------------------------------------

    def register(self, introduction: Introduction, *, name: str) -> Registered:
        """Takes a patient in by what she signed. The name is this desk's own; it never leaves it.

        :raises BadIntroduction: not signed by whoever controls the pseudonym, or inboxes that she did not sign.
        """
        controller = self.chain.authority(introduction.pseudonym).controller
        if not self.chain.signed(introduction.message(), introduction.signature, controller):
            raise BadIntroduction(pseudonym=introduction.pseudonym, fault="its signature is not the patient's")
        if not self.chain.signed(introduction.inboxes.message(), introduction.inboxes.signature, controller):
            raise BadIntroduction(pseudonym=introduction.pseudonym, fault="its inboxes are not signed by the patient")
        registered = Registered(name, introduction.pseudonym, introduction.inboxes)
        write_private(self._patients / f"{introduction.pseudonym}.json", registered.encode())
        return registered

    def register_referred(self, pseudonym: str, *, name: str) -> Registered:
        """Takes in a patient who was referred: this desk writes under the pseudonym that referred, into its inboxes
        until the patient's client lets it write to rows.

        :raises BadIntroduction: the bundle's inboxes are not signed by whoever controls the pseudonym.
        """
        bundle = self.chain.bundle(pseudonym, self.store)
        controller = self.chain.authority(pseudonym).controller
        if not self.chain.signed(bundle.inboxes.message(), bundle.inboxes.signature, controller):
            raise BadIntroduction(pseudonym=pseudonym, fault="its inboxes are not signed by the patient")
        registered = Registered(name, pseudonym, bundle.inboxes)
        write_private(self._patients / f"{pseudonym}.json", registered.encode())
        return registered

    def patients(self) -> list[Registered]:
        """Everyone who was registered here."""
        if not self._patients.is_dir():
            return []
        return [Registered.decode(path.read_bytes()) for path in sorted(self._patients.glob("0x*.json"))]

    def patient(self, name: str) -> Registered:
        """:raises NotIntroduced: nobody here has this name or pseudonym, or more than one has."""
        found = [each for each in self.patients() if name in (each.name, each.pseudonym)]
        if len(found) != 1:
            raise NotIntroduced(patient=name)
        return found[0]

    # -- writing -----------------------------------------------------------------------------------------------------

    def write(self, patient: Registered, pieces: Iterable[Piece]) -> Iterator[Written]:
        """Seals records, anchors them and stores them, some hundred at a time.

        No record is refused: what fits no row goes to the inbox of its level.
        """
        batch: list[records.Draft] = []
        for piece in pieces:
            batch.append(self._draft(patient, piece))
            if len(batch) == 100:
                yield from self._write(patient, batch)
                batch = []
        if batch:
            yield from self._write(patient, batch)

    def _draft(self, patient: Registered, piece: Piece) -> records.Draft:
        manifest = replace(piece.manifest, pseudonym=patient.pseudonym, cls=str(piece.cls), member=self.member)
        return records.draft(piece.content, manifest, signer=self._author)

    def _write(self, patient: Registered, drafts: Sequence[records.Draft]) -> Iterator[Written]:
        yield from self._write_kept(patient, drafts, [self._keep(draft) for draft in drafts])

    def _write_kept(
        self, patient: Registered, drafts: Sequence[records.Draft], jobs: Sequence[Path]
    ) -> Iterator[Written]:
        for _ in range(_TRIES):
            try:
                yield from self._write_to_rows(patient, drafts, jobs)
                return
            except StaleBundle:
                continue
            except (NoBundle, NoRow, InboxChanged, BadDocument, BadRecipient):
                # Whatever is wrong with the bundle, the record is not refused.
                break
        yield from self._write_to_inbox(patient, drafts, jobs)

    def _write_to_rows(
        self, patient: Registered, drafts: Sequence[records.Draft], jobs: Sequence[Path]
    ) -> Iterator[Written]:
        # (1) the bundle that the chain names, whole
        bundle = self.chain.bundle(patient.pseudonym, self.store)
        self._check_inboxes(patient, bundle)

        # (2) the row of each class at the latest block's time
        hour = self._hour(patient)
        mine = bundle.writer_file(self._identity)
        rows = []
        for draft in drafts:
            row = mine.row(KeyClass.parse(draft.manifest.cls), hour) if mine is not None else None
            if row is None:
                raise NoRow(pseudonym=patient.pseudonym, wanted=draft.manifest.cls)
            rows.append(row)
        before = min([seconds_of(midnight_after(hour)), *(seconds_of(row.until) for row in rows)])

        # (3) sealed, (4) anchored under that version, (5) stored
        # A post-quantum key is long, and most records of a bundle are sealed to few rows.
        parsed = {each: parse_recipient(each) for each in {row.recipient for row in rows}}
        recipients = [parsed[row.recipient] for row in rows]
        with tempfile.TemporaryDirectory(dir=self._spool_folder()) as folder:
            sealed = self._seal(drafts, recipients, Path(folder))
            digests = [each.sealed.cid.digest for each in sealed]
            self._anchor(patient.pseudonym, digests, bundle.version, before)
            yield from self._store(sealed, jobs, inbox=False)

    def _hour(self, patient: Registered) -> int:
        """The hour of the latest block. Raises NoRow where the chain is far ahead of this machine."""
        seconds = self.chain.time()
        if seconds > self._clock() + _AHEAD:
            raise NoRow(pseudonym=patient.pseudonym, wanted="an hour that has not come")
        return hour_of_seconds(seconds)

    def _anchor(self, pseudonym: str, digests: Sequence[bytes], version: int, before: int) -> None:
        functions = self.chain.contracts.Records.functions
        call = (
            functions.anchor(pseudonym, digests[0], version, before)
            if len(digests) == 1
            else functions.anchorMany(pseudonym, list(digests), version, before)
        )
        try:
            self.receipts.append(self._sender.send(call))
        except Reverted as refused:
            if refused.error in ("StaleVersion", "TooLate"):
                raise StaleBundle(pseudonym=pseudonym, tries=_TRIES) from None
            raise

    def _write_to_inbox(
        self, patient: Registered, drafts: Sequence[records.Draft], jobs: Sequence[Path]
    ) -> Iterator[Written]:
        inboxes = self._inboxes(patient)
        levels = [KeyClass.parse(draft.manifest.cls).level for draft in drafts]
        recipients = [parse_recipient(inboxes.recipients[level.name]) for level in levels]
        with tempfile.TemporaryDirectory(dir=self._spool_folder()) as folder:
            sealed = self._seal(drafts, recipients, Path(folder))
            digests = [each.sealed.cid.digest for each in sealed]
            call = self.chain.contracts.Records.functions.anchorInbox(patient.pseudonym, digests)
            self.receipts.append(self._sender.send(call))
            yield from self._store(sealed, jobs, inbox=True)

    def _seal(self, drafts: Sequence[records.Draft], recipients: Sequence[Recipient], folder: Path) -> list[_Sealed]:
        sealed = []
        for number, (draft, recipient) in enumerate(zip(drafts, recipients, strict=True)):
            try:
                spool = cast(BinaryIO, (folder / str(number)).open("w+b"))
                found = records.seal(draft, to=recipient, spool=spool)
            except OSError as fault:
                raise SpoolFull(path=str(self._spool), fault=fault.strerror or "it cannot be written") from None
            sealed.append(_Sealed(draft.manifest.cls, draft.manifest.title, found))
        return sealed

    def _store(self, sealed: Sequence[_Sealed], jobs: Sequence[Path], *, inbox: bool) -> Iterator[Written]:
        for each, job in zip(sealed, jobs, strict=True):
            with each.sealed.spooled as spooled:
                self.store.put(spooled)
            digest = each.sealed.cid.digest.hex()
            job.rename(job.with_name(f"{digest}.written"))
            yield Written(digest, each.cls, each.title, inbox)

    def _check_inboxes(self, patient: Registered, bundle: Bundle) -> None:
        """Inboxes are pinned at the introduction; a change needs a higher serial and the controller's signature."""
        if bundle.inboxes.recipients == patient.inboxes.recipients:
            return
        controller = self.chain.authority(patient.pseudonym).controller
        newer = bundle.inboxes.serial > patient.inboxes.serial
        if not newer or not self.chain.signed(bundle.inboxes.message(), bundle.inboxes.signature, controller):
            raise InboxChanged(pseudonym=patient.pseudonym)
        pinned = replace(patient, inboxes=bundle.inboxes)
        write_private(self._patients / f"{patient.pseudonym}.json", pinned.encode())

    def _inboxes(self, patient: Registered) -> Inboxes:
        """The inboxes to fall back to: the newest that she signed."""
        try:
            bundle = self.chain.bundle(patient.pseudonym, self.store)
            self._check_inboxes(patient, bundle)
        except TheriacError:
            return patient.inboxes
        return bundle.inboxes

    # -- the spool ---------------------------------------------------------------------------------------------------

    def _spool_folder(self) -> Path:
        self._spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._spool

    def _keep(self, draft: records.Draft) -> Path:
        """A copy sealed to this desk, to seal again from, until the patient's vault has filed the record."""
        # A random name: two patients' records can be the same, and a digest of a short result can be guessed from.
        path = self._spool_folder() / f"{secrets.token_hex(16)}.spooled"
        temporary = path.with_suffix(".part")
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as file:
                age.seal(draft.framed(), file, to=[self._identity.recipient])
            temporary.rename(path)
        except OSError as fault:
            temporary.unlink(missing_ok=True)
            raise SpoolFull(path=str(self._spool), fault=fault.strerror or "it cannot be written") from None
        return path

    def unfinished(self) -> list[tuple[records.Manifest, Path]]:
        """What was taken in and never anchored and stored: a crash, a full disk, a chain that did not answer."""
        found = []
        for path in sorted(self._spool.glob("*.spooled")):
            with path.open("rb") as file:
                found.append((records.open_(file, identities=[self._identity]).manifest, path))
        return found

    def resume(self) -> Iterator[Written]:
        """Writes what an earlier run left unfinished."""
        for manifest, path in self.unfinished():
            yield from self._write_again(self.patient(manifest.pseudonym), path)

    def seal_again(self, patient: Registered) -> Iterator[Written]:
        """Writes once more what the patient's vault has not said it filed.

        For records that were sealed to rows which a thief of her publisher key had published, once she replaced it.
        """
        self.settle()
        for path in sorted(self._spool.glob("*.written")):
            with path.open("rb") as file:
                manifest = records.open_(file, identities=[self._identity]).manifest
            if manifest.pseudonym == patient.pseudonym:
                yield from self._write_again(patient, path)

    def _write_again(self, patient: Registered, path: Path) -> Iterator[Written]:
        with path.open("rb") as file, tempfile.SpooledTemporaryFile(max_size=8 << 20) as plain:
            opened = records.open_(file, identities=[self._identity])
            opened.copy_to(cast(BinaryIO, plain))
            written = list(self._write(patient, [records.Draft(opened.manifest, cast(BinaryIO, plain))]))
        path.unlink(missing_ok=True)
        yield from written

    def settle(self) -> list[str]:
        """Drops from the spool what patients' vaults say they have filed; the digests."""
        filed = []
        for patient in self.patients():
            try:
                mine = self.chain.bundle(patient.pseudonym, self.store).writer_file(self._identity)
            except TheriacError:
                continue
            for digest in mine.receipts if mine is not None else ():
                path = self._spool / f"{digest}.written"
                if path.exists():
                    path.unlink()
                    filed.append(digest)
        return filed

    # -- letters -----------------------------------------------------------------------------------------------------

    def ask(self, patient: Registered, request: Request) -> str:
        """Asks a patient for access, sealed to her inbox; the letter's digest."""
        level = max((KeyClass.parse(name).level for name in request.classes), default=Level.N)
        return self.send(patient.pseudonym, request.encode(), level=level)

    def send(self, pseudonym: str, document: bytes, *, level: Level) -> str:
        """Sends a letter to a registered patient, sealed to her inbox of a level; its digest."""
        inboxes = self._inboxes(self.patient(pseudonym))
        sealed = documents.seal(document, to=parse_recipient(inboxes.recipients[level.name]))
        digest = self.store.put(io.BytesIO(sealed)).digest
        function = self.chain.contracts.Letters.functions.send
        self.receipts.append(self._sender.send(function(self._sender.address, pseudonym, digest)))
        return digest.hex()

    def letters(self) -> Iterator[tuple[str, str, bytes]]:
        """What was sent to this member and opens: the sender, the letter's digest, the document; the latest first."""
        for letter in letters_to(self.chain, {self.chain.member_account(self.member), self._sender.address}):
            try:
                document = documents.open_(letter.sealed(self.store), identities=[self._identity])
            except TheriacError:
                continue
            yield letter.sender, letter.digest.hex(), document

    def answers(self) -> list[Answer]:
        """What patients answered, the latest first."""
        found = []
        for sender, _, document in self.letters():
            try:
                answer = Answer.decode(document)
            except TheriacError:
                # Anybody can send a letter; one that is no answer is nobody's business.
                continue
            if answer.pseudonym == sender:
                found.append(answer)
        return found

    # -- signing -----------------------------------------------------------------------------------------------------

    @property
    def account(self) -> str:
        """The account that signs for this desk."""
        return str(self._author.address)

    def sign(self, message: SignableMessage) -> str:
        return self._author.sign_message(message).hex()

    def signed_by_controller(self, message: SignableMessage, signature: str, pseudonym: str) -> bool:
        """Whether who controls a pseudonym now signed a message, by a key or by code (ERC-1271)."""
        return self.chain.signed(message, signature, self.chain.authority(pseudonym).controller)

    def anchored_on_a_day(self, pseudonym: str, digest: str) -> bool:
        """Whether this desk anchored a record below a day's root; a desk that writes none has none."""
        return False

    def drop(self, digest: str) -> None:
        """Drops the copy of a record that is kept until its patient has filed it."""
        (self._spool / f"{digest}.written").unlink(missing_ok=True)

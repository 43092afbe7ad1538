"""A reader's book of receipts: numbers them, keeps them until they are logged, logs and sends them.

A number is on disk before it is signed, and signed before a record is opened. Whatever happens then, the same receipt
is signed and sent, never another one under its number. A reader whose chain is out of reach keeps what it signed here
and sends it later. A book is for one account on one device: a second one would count from one again, which looks like a
lie.
"""

import fcntl
import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from eth_utils.address import to_checksum_address

from theriac.crypto import merkle
from theriac.crypto.recipients import Identity, Recipient, parse_recipient
from theriac.errors import BadDocument, DamagedKeystore, NoBundle, NotHandedIn, NotReceipted, TheriacError
from theriac.health import documents
from theriac.health.chain import Chain
from theriac.health.receipts import NOBODY, NOTHING, Proof, Receipt, new_salt, signed
from theriac.health.scope import KeyClass, Level, Purpose
from theriac.ledger.contracts import Event
from theriac.ledger.contracts import Receipt as Landed
from theriac.ledger.database import Database
from theriac.ledger.sender import Sender
from theriac.ledger.signer import Signer
from theriac.store import Store

_KIND = 0x54485243  # "THRC"
_SCHEMA = """
CREATE TABLE counts (
    reader TEXT NOT NULL,
    pseudonym TEXT NOT NULL,
    number INTEGER NOT NULL,
    digest TEXT NOT NULL,
    pending BLOB,
    PRIMARY KEY (reader, pseudonym)
);
CREATE TABLE receipts (
    digest TEXT PRIMARY KEY,
    reader TEXT NOT NULL,
    pseudonym TEXT NOT NULL,
    number INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    handed INTEGER NOT NULL DEFAULT 0,
    root TEXT,
    place INTEGER
);
CREATE INDEX receipts_logged ON receipts (root, place);
CREATE TABLE letters (
    root TEXT NOT NULL,
    pseudonym TEXT NOT NULL,
    digest TEXT,
    sent INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (root, pseudonym)
)
"""

AT_ONCE = 4096
"""Receipts in one tree, so that a letter's paths stay short and a batch is soon done."""

_LETTERS_AT_ONCE = 50


@dataclass(frozen=True)
class Sent:
    """What a sending did: receipts logged, letters sent, and the pseudonyms whose letters have to wait."""

    logged: int = 0
    letters: int = 0
    roots: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    receipts: tuple[Landed, ...] = ()

    @property
    def gas(self) -> int:
        return sum(each.gas_used for each in self.receipts)


class Book:
    """The receipts of one account."""

    def __init__(
        self,
        folder: Path,
        *,
        account: str,
        signer: Signer,
        chain: Chain,
        identity: Identity,
        recipient: Recipient,
    ) -> None:
        """`account` is who reads and `signer` signs for it; `recipient` what the book is sealed to, for `identity`."""
        self.account = str(to_checksum_address(account))
        self.chain = chain
        self._signer = signer
        self._identity = identity
        self._recipient = recipient
        self._folder = folder

    # -- signing -----------------------------------------------------------------------------------------------------

    def issue(
        self,
        pseudonym: str,
        *,
        record: str,
        cls: str,
        purpose: Purpose,
        rule: str,
        act: str,
        to: str = NOBODY,
        time: int | None = None,
        member: int | None = None,
    ) -> Receipt:
        """Signs the receipt of a reading and keeps it; only then may the record be shown.

        :param time: the chain's time at which the reader was found to be let in, and `member` the one that it belonged
            to then; those of its latest block unless said.
        :raises NotReceipted: the account did not sign.
        """
        pseudonym = str(to_checksum_address(pseudonym))
        with self._opened() as book:
            self._finish(book, pseudonym)
            number, previous = self._count(book, pseudonym)
            unsigned = Receipt(
                reader=self.account,
                member=self.chain.member_of(self.account) if member is None else member,
                pseudonym=pseudonym,
                number=number + 1,
                previous=previous,
                record=record,
                cls=cls,
                purpose=purpose.code,
                rule=str(rule),
                act=str(act),
                to=str(to_checksum_address(to)) if to != NOBODY else NOBODY,
                time=self.chain.time() if time is None else time,
                salt=new_salt(),
            )
            Receipt.of(unsigned.values())
            with book.transaction():
                book.run(
                    "INSERT INTO counts VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT (reader, pseudonym) DO UPDATE SET pending = excluded.pending",
                    (self.account, pseudonym, number, previous, self._sealed(unsigned)),
                )
            return self._sign(book, unsigned)

    def _finish(self, book: Database, pseudonym: str) -> None:
        """Signs what a crash, or a wallet that said no, left with a number and without a signature."""
        for row in book.rows(
            "SELECT pending FROM counts WHERE (reader, pseudonym) = (?, ?)", (self.account, pseudonym)
        ):
            if row["pending"] is not None:
                self._sign(book, self._open(row["pending"]))

    def _count(self, book: Database, pseudonym: str) -> tuple[int, str]:
        """The last number that was signed, and the digest of its receipt."""
        found = book.rows(
            "SELECT number, digest FROM counts WHERE (reader, pseudonym) = (?, ?)", (self.account, pseudonym)
        )
        return (int(found[0]["number"]), str(found[0]["digest"])) if found else (0, NOTHING)

    def _sign(self, book: Database, unsigned: Receipt) -> Receipt:
        domain = self.chain.domain("AccessLog")
        receipt = signed(unsigned, self._signer.sign_message(unsigned.signable(domain)))
        if not receipt.signed_by_its_reader(self.chain):
            raise NotReceipted(reader=self.account)
        digest = receipt.digest(domain)
        with book.transaction():
            self._keep(book, receipt, digest)
            book.run(
                "UPDATE counts SET number = ?, digest = ?, pending = NULL WHERE (reader, pseudonym) = (?, ?)",
                (receipt.number, digest, *receipt.place),
            )
        return receipt

    def _keep(self, book: Database, receipt: Receipt, digest: str) -> int:
        return book.run(
            "INSERT OR IGNORE INTO receipts (digest, reader, pseudonym, number, sealed) VALUES (?, ?, ?, ?, ?)",
            (digest, *receipt.place, receipt.number, self._sealed(receipt)),
        )

    # -- handing in --------------------------------------------------------------------------------------------------

    def waiting(self) -> int:
        """How many signed receipts were neither logged nor handed in."""
        with self._opened() as book:
            return int(book.rows("SELECT count(*) FROM receipts WHERE root IS NULL AND NOT handed")[0][0])

    def hand_in(self, write: Callable[[bytes], object], *, to: Recipient, again: bool = False) -> int:
        """Writes what waits here, sealed to who logs it with its own: the gateway of the reader's member.

        It counts as handed in once it is written; how many were.

        :param again: also what was handed in before and may have been lost.
        """
        with self._opened() as book:
            rows = book.rows(
                f"SELECT sealed FROM receipts WHERE root IS NULL{'' if again else ' AND NOT handed'} "
                "ORDER BY pseudonym, number"
            )
            receipts = [self._open(row["sealed"]) for row in rows]
            values = {"reader": self.account, "receipts": [receipt.values() for receipt in receipts]}
            write(documents.seal(documents.encode("handed-in receipts", values), to=to))
            with book.transaction():
                book.run("UPDATE receipts SET handed = 1 WHERE root IS NULL")
        return len(receipts)

    def take_in(self, sealed: bytes) -> int:
        """Keeps what a member of staff handed in, to be logged with the book's own; how many were new.

        :raises NotHandedIn: one of them is not signed, or names another member.
        """
        values = documents.decode("handed-in receipts", documents.open_(sealed, identities=[self._identity]))
        listed = values.get("receipts")
        if not isinstance(listed, list):
            raise BadDocument(kind="handed-in receipts", fault="a part of it is missing")
        receipts = [Receipt.of(each) for each in listed]
        member, domain = self.chain.member_of(self.account), self.chain.domain("AccessLog")
        for receipt in receipts:
            ours = receipt.member == member and member != 0
            if not ours or receipt.reader == self.account or not receipt.signed_by_its_reader(self.chain):
                raise NotHandedIn(reader=receipt.reader, number=receipt.number)
        with self._opened() as book, book.transaction():
            return sum(self._keep(book, receipt, receipt.digest(domain)) for receipt in receipts)

    # -- sending -----------------------------------------------------------------------------------------------------

    def send(self, sender: Sender, store: Store) -> Sent:
        """Logs what waits, and sends every pseudonym that granted its receipts with the proofs.

        What an interrupted sending began is finished first. A pseudonym whose inbox cannot be had waits; its receipts
        are logged all the same. Readings go on meanwhile: theirs are for the next time.
        """
        landed: list[Landed] = []
        with self._alone("sending"):
            self._gather()
            with self._opened() as book:
                roots = [row["root"] for row in book.rows("SELECT DISTINCT root FROM letters WHERE NOT sent")]
            logged = sum(self._log(root, sender, landed) for root in roots)
            letters, waiting = 0, []
            for root in roots:
                ready, without = self._letters(root, store)
                letters += self._post(root, ready, sender, landed)
                waiting += without
        return Sent(logged, letters, tuple(roots), tuple(waiting), tuple(landed))

    def _gather(self) -> None:
        """Puts what waits into trees; which receipt is where is on disk before a root is logged."""
        with self._opened() as book:
            rows = book.rows(
                "SELECT digest, pseudonym, sealed FROM receipts WHERE root IS NULL AND NOT handed "
                "ORDER BY pseudonym, reader, number"
            )
            for some in (rows[at : at + AT_ONCE] for at in range(0, len(rows), AT_ONCE)):
                root = merkle.Tree([self._open(row["sealed"]).leaf for row in some]).root.hex()
                with book.transaction():
                    book.run_many(
                        "UPDATE receipts SET root = ?, place = ? WHERE digest = ?",
                        [(root, place, row["digest"]) for place, row in enumerate(some)],
                    )
                    book.run_many(
                        "INSERT INTO letters (root, pseudonym) VALUES (?, ?)",
                        [(root, pseudonym) for pseudonym in sorted({row["pseudonym"] for row in some})],
                    )

    def _log(self, root: str, sender: Sender, landed: list[Landed]) -> int:
        """Logs a root that the chain does not have yet; how many receipts."""
        with self._opened() as book:
            leaves = int(book.rows("SELECT count(*) FROM receipts WHERE root = ?", (root,))[0][0])
        if any(each.leaves == leaves for each in logs_of(self.chain, root, settled=True)):
            return 0
        call = self.chain.contracts.AccessLog.functions.log(bytes.fromhex(root), leaves)
        landed.append(sender.send(call, intent=f"log receipts {root}"))
        return leaves

    def _letters(self, root: str, store: Store) -> tuple[list[tuple[str, str]], list[str]]:
        """The pseudonyms that a root's letters are still to go to, each with its letter's digest; and those without an
        inbox. A letter is made and stored once.
        """
        with self._opened() as book:
            rows = book.rows("SELECT * FROM letters WHERE root = ? AND NOT sent ORDER BY pseudonym", (root,))
            proofs = self._proofs(book, root)
        ready, without = [], []
        for row in rows:
            pseudonym, digest = row["pseudonym"], row["digest"]
            theirs = [proof for proof in proofs if proof.receipt.pseudonym == pseudonym]
            try:
                ready.append((pseudonym, digest or self._letter(root, pseudonym, theirs, store)))
            except NoBundle:
                without.append(pseudonym)
        return ready, without

    def _letter(self, root: str, pseudonym: str, proofs: Sequence[Proof], store: Store) -> str:
        level = max(KeyClass.parse(each.receipt.cls).level for each in proofs)
        sealed = documents.seal(encode_letter(pseudonym, proofs), to=self._inbox(pseudonym, level, store))
        digest = store.put(io.BytesIO(sealed)).digest.hex()
        with self._opened() as book, book.transaction():
            book.run("UPDATE letters SET digest = ? WHERE root = ? AND pseudonym = ?", (digest, root, pseudonym))
        return digest

    def _inbox(self, pseudonym: str, level: Level, store: Store) -> Recipient:
        """The inbox that the pseudonym's controller signed: whoever may publish could name another.

        :raises NoBundle: none can be had, whatever is wrong: one bundle keeps no other patient's letters back.
        """
        try:
            inboxes = self.chain.bundle(pseudonym, store).inboxes
            recipient = parse_recipient(inboxes.recipients[level.name])
        except TheriacError as fault:
            raise NoBundle(pseudonym=pseudonym, fault=str(fault)) from None
        controller = self.chain.authority(pseudonym).controller
        if not self.chain.signed(inboxes.message(), inboxes.signature, controller):
            raise NoBundle(pseudonym=pseudonym, fault="its inboxes are not signed")
        return recipient

    def _post(self, root: str, ready: Sequence[tuple[str, str]], sender: Sender, landed: list[Landed]) -> int:
        for at in range(0, len(ready), _LETTERS_AT_ONCE):
            some = ready[at : at + _LETTERS_AT_ONCE]
            letters = [(pseudonym, bytes.fromhex(digest)) for pseudonym, digest in some]
            mark = hashlib.sha256(b"".join(digest for _, digest in letters)).hexdigest()[:32]
            call = self.chain.contracts.Letters.functions.sendMany(sender.address, letters)
            landed.append(sender.send(call, intent=f"send receipts {mark}"))
            with self._opened() as book, book.transaction():
                book.run_many(
                    "UPDATE letters SET sent = 1 WHERE root = ? AND pseudonym = ?",
                    [(root, pseudonym) for pseudonym, _ in some],
                )
        return len(ready)

    # -- showing -----------------------------------------------------------------------------------------------------

    def roots(self) -> list[str]:
        """The roots of the trees that were made from this book."""
        with self._opened() as book:
            return [row["root"] for row in book.rows("SELECT DISTINCT root FROM receipts WHERE root IS NOT NULL")]

    def proofs(self, *, record: str | None = None) -> list[Proof]:
        """What was put into trees, with the proofs; of one record where it is named."""
        with self._opened() as book:
            roots = [row["root"] for row in book.rows("SELECT DISTINCT root FROM receipts WHERE root IS NOT NULL")]
            found = [proof for root in roots for proof in self._proofs(book, root)]
        return [proof for proof in found if record in (None, proof.receipt.record)]

    def whole(self, root: str) -> list[Receipt]:
        """Every receipt below a root, in the order of its tree: with its number of leaves that is all there is."""
        with self._opened() as book:
            rows = book.rows("SELECT sealed FROM receipts WHERE root = ? ORDER BY place", (root,))
            return [self._open(row["sealed"]) for row in rows]

    def _proofs(self, book: Database, root: str) -> list[Proof]:
        rows = book.rows("SELECT sealed FROM receipts WHERE root = ? ORDER BY place", (root,))
        receipts = [self._open(row["sealed"]) for row in rows]
        tree = merkle.Tree([receipt.leaf for receipt in receipts])
        return [
            Proof(receipt, root, len(receipts), place, tuple(node.hex() for node in tree.path(place)))
            for place, receipt in enumerate(receipts)
        ]

    # -- what is kept ------------------------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """The file of this account on this chain and its contract: another one counts from one by right."""
        deployment = self.chain.contracts.deployment
        place = deployment["AccessLog"].address[2:10].lower()
        return self._folder / f"receipts-{deployment.genesis[2:10]}-{place}-{self.account}.sqlite"

    @contextmanager
    def _opened(self) -> Iterator[Database]:
        """The book, for one at a time: a second process or thread waits."""
        with self._alone("lock"):
            book = Database(self.path, kind=_KIND, version=1, schema=_SCHEMA, durable=True)
            try:
                yield book
            finally:
                book.close()

    @contextmanager
    def _alone(self, what: str) -> Iterator[None]:
        path = self.path.with_suffix(f".{what}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as fault:
            raise DamagedKeystore(path=str(path), fault=fault.strerror or "it cannot be written") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _sealed(self, receipt: Receipt) -> bytes:
        return documents.seal(receipt.encode(), to=self._recipient)

    def _open(self, sealed: bytes) -> Receipt:
        return Receipt.decode(documents.open_(sealed, identities=[self._identity]))


# -- what is on the chain --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Log:
    """A root as it was logged: by whom, of which member, when (in seconds since 1970), over how many leaves."""

    root: str
    by: str
    member: int
    leaves: int
    time: int
    block: int


def logs_of(chain: Chain, root: str, *, settled: bool = False) -> list[Log]:
    """When a root was logged, the first time first; `settled` leaves out what is not at depth."""
    found = chain.index.events("AccessLog", "Logged", where={"root": bytes.fromhex(root)}, settled=settled)
    return [_log_of(chain, event) for event in found]


def logs(chain: Chain, *, member: int | None = None) -> list[Log]:
    """Every root that was logged, or those by a member."""
    where = {"member": member} if member is not None else {}
    return [_log_of(chain, event) for event in chain.index.events("AccessLog", "Logged", where=where)]


def _log_of(chain: Chain, event: Event) -> Log:
    told = event.arguments
    return Log(bytes(told["root"]).hex(), told["by"], told["member"], told["leaves"], chain.time_of(event), event.block)


# -- letters ---------------------------------------------------------------------------------------------------------


def encode_letter(pseudonym: str, proofs: Iterable[Proof]) -> bytes:
    """What a pseudonym is sent: the receipts of readings that it granted, each with its proof."""
    return documents.encode("receipts", {"pseudonym": pseudonym, "proofs": [proof.values() for proof in proofs]})


def decode_letter(data: bytes, *, pseudonym: str) -> list[Proof]:
    """:raises BadDocument: no letter of receipts, or one to somebody else."""
    values = documents.decode("receipts", data)
    if values.get("pseudonym") != pseudonym:
        raise BadDocument(kind="receipts", fault="they are addressed to somebody else")
    if not isinstance(values.get("proofs"), list) or len(values) != 4:
        raise BadDocument(kind="receipts", fault="a part of it is missing or too much")
    return [Proof.of(each) for each in values["proofs"]]

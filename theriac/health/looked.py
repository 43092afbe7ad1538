"""Who looked: receipts of readings held against their signatures, their numbers, the chain's roots and its grants.

Nothing here needs a key but the letters themselves: an auditor who is handed receipts with their proofs examines them
in the same way. What has no receipt is not seen, by anyone: a gap in a reader's numbers is, and two receipts with one
number are.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from theriac.crypto.recipients import HybridIdentity
from theriac.errors import TheriacError, Unavailable
from theriac.health import documents
from theriac.health.accesslog import Log, decode_letter, logs_of
from theriac.health.chain import Chain
from theriac.health.history import History
from theriac.health.receipts import NOTHING, Proof, Receipt, Rule
from theriac.health.vault import Account, Entry, Vault
from theriac.ledger.contracts import Event
from theriac.ledger.database import Database
from theriac.store import Store

LATE = 7 * 24 * 3600
"""Seconds after which a receipt should long have been logged: until then its time is no more than its reader's word."""

TIER_LIMITS = (None, 1000, 100)
"""How many letters one look reads: all of those who were granted something, then of members, then of strangers."""

_LARGEST = (16 << 20, 256 << 10, 256 << 10)
"""Bytes of a letter that are read, by the same tiers."""

_KEPT_OF_ONE = 50
"""Letters with receipts that are kept of a sender who was never granted anything."""

_MISSING_OF_ONE = 20
"""After so many letters of one sender that are not in the store, its others wait for the next look."""

_KIND = 0x54484C4B  # "THLK"
_SCHEMA = """
CREATE TABLE letters (
    pseudonym TEXT NOT NULL,
    digest TEXT NOT NULL,
    sender TEXT NOT NULL,
    sealed BLOB,
    done INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    PRIMARY KEY (pseudonym, digest)
)
"""


class Fault(StrEnum):
    """What is wrong with a receipt that its reader did sign."""

    NOT_LOGGED = "it was never logged"
    NO_GRANT = "nothing let the reader in at that time"
    CHAIN = "it does not name the receipt before it"
    BACKDATED = "its time is before that of an earlier number"
    AHEAD = "its time is after it was logged"
    LATE = "it was logged long after its time, which is only the reader's word"
    TWICE = "its number was used for another reading too"
    UNKNOWN = "it is of no record that is known here"
    OTHER_CLASS = "it names another class than the record's"
    TOO_EARLY = "its time is before the record was there"


@dataclass(frozen=True)
class Reading:
    """A receipted reading, and what is wrong with it; `log` is where its root was logged first."""

    proof: Proof
    log: Log | None
    faults: tuple[Fault, ...] = ()

    @property
    def receipt(self) -> Receipt:
        return self.proof.receipt


@dataclass(frozen=True)
class Gap:
    """Numbers of a reader for a pseudonym that no receipt is there for: [first, last]."""

    reader: str
    pseudonym: str
    first: int
    last: int


@dataclass(frozen=True)
class Double:
    """Two readings under one number, both signed: their reader lied, which these two prove to anybody."""

    first: Proof
    second: Proof


@dataclass(frozen=True)
class Looked:
    """What is known of who looked.

    :param strangers: signed receipts of readers who were never granted anything, by reader; they are no evidence.
    :param forged: receipts that nobody signed, or that were made for another pseudonym; `unread` letters that this look
        left for the next, and `missing` letters of who was granted something, whose bytes are not in the store.
    """

    readings: tuple[Reading, ...] = ()
    gaps: tuple[Gap, ...] = ()
    doubles: tuple[Double, ...] = ()
    strangers: Mapping[str, tuple[Reading, ...]] = field(default_factory=dict)
    forged: int = 0
    unread: int = 0
    missing: int = 0


# -- examining -------------------------------------------------------------------------------------------------------


class Examiner:
    """Holds receipts against the chain."""

    def __init__(self, chain: Chain, *, emergency: Callable[[Receipt], bool] = lambda receipt: False) -> None:
        """`emergency` says whether the chain knows the emergency that a receipt claims; without it none is known."""
        self.chain = chain
        self._emergency = emergency
        self._domain = chain.domain("AccessLog")
        self._histories: dict[str, History] = {}
        self._logs: dict[str, list[Log]] = {}
        self._coded: dict[str, bool] = {}
        self._members: dict[str, int] = {}

    def history(self, pseudonym: str) -> History:
        if pseudonym not in self._histories:
            self._histories[pseudonym] = History(self.chain, pseudonym)
        return self._histories[pseudonym]

    def digest(self, proof: Proof) -> str:
        return proof.receipt.digest(self._domain)

    def examine(self, proofs: Iterable[Proof], *, whole: bool = True) -> Looked:
        """What receipts with their proofs come to.

        :param whole: these are all that there are; else nothing is said of numbers that are not among them.
        """
        genuine: dict[str, Proof] = {}
        forged = 0
        for proof in proofs:
            digest = self.digest(proof)
            if digest in genuine and self.log_of(genuine[digest]) is not None:
                continue
            if not self._signed(proof.receipt):
                forged += 1
                continue
            # A proof that holds counts, and one that does not is no reason to overlook another.
            if digest not in genuine or self.log_of(proof) is not None:
                genuine[digest] = proof

        counted: dict[tuple[str, str], dict[str, Proof]] = {}
        for digest, proof in genuine.items():
            counted.setdefault(proof.receipt.place, {})[digest] = proof
        readings: list[Reading] = []
        doubles: list[Double] = []
        gaps: list[Gap] = []
        strangers: dict[str, tuple[Reading, ...]] = {}
        for (reader, pseudonym), numbered in counted.items():
            found = list(self._series(numbered, whole=whole))
            if not self._concerns(reader, pseudonym, found):
                strangers[reader] = strangers.get(reader, ()) + tuple(found)
                continue
            readings += found
            doubles += _doubles(numbered)
            gaps += _gaps(reader, pseudonym, numbered) if whole else []
        ordered = sorted(readings, key=lambda each: (each.receipt.time, each.receipt.number), reverse=True)
        return Looked(tuple(ordered), tuple(gaps), tuple(doubles), strangers, forged)

    def _signed(self, receipt: Receipt) -> bool:
        if receipt.signed_by_its_key(self._domain):
            return True
        if receipt.reader not in self._coded:
            self._coded[receipt.reader] = self.chain.has_code(receipt.reader)
        return self._coded[receipt.reader] and receipt.signed_by_its_reader(self.chain)

    def member(self, account: str) -> int:
        """The member that an account belongs to now."""
        if account not in self._members:
            self._members[account] = self.chain.member_of(account)
        return self._members[account]

    def _concerns(self, reader: str, pseudonym: str, found: Sequence[Reading]) -> bool:
        """Whether a reader was ever let in: what others say of themselves must not bury what counts."""
        if self.history(pseudonym).knows(reader):
            return True
        return any(Fault.NO_GRANT not in reading.faults for reading in found)

    def _series(self, numbered: Mapping[str, Proof], *, whole: bool) -> Iterator[Reading]:
        """The receipts of one reader for one pseudonym, in the order of their numbers."""
        by_number: dict[int, list[str]] = {}
        for digest, proof in numbered.items():
            by_number.setdefault(proof.receipt.number, []).append(digest)
        latest = 0
        for number in sorted(by_number):
            for digest in by_number[number]:
                proof = numbered[digest]
                receipt, log = proof.receipt, self.log_of(proof)
                before = by_number.get(number - 1, [] if number > 1 else [NOTHING])
                faults = [
                    (Fault.NOT_LOGGED, log is None),
                    (Fault.NO_GRANT, not self._let_in(receipt)),
                    (Fault.CHAIN, bool(before) and receipt.previous not in before),
                    (Fault.BACKDATED, receipt.time < latest),
                    (Fault.AHEAD, log is not None and receipt.time > log.time),
                    (Fault.LATE, log is not None and log.time - receipt.time > LATE),
                    (Fault.TWICE, len(by_number[number]) > 1),
                ]
                yield Reading(proof, log, tuple(fault for fault, wrong in faults if wrong))
            latest = max([latest, *(numbered[digest].receipt.time for digest in by_number[number])])

    def _let_in(self, receipt: Receipt) -> bool:
        if receipt.rule == Rule.EMERGENCY:
            return self._emergency(receipt)
        return self.history(receipt.pseudonym).let_in(receipt)

    def log_of(self, proof: Proof) -> Log | None:
        """Where a proof's root was logged first, over as many leaves as it says; None where it proves nothing."""
        if proof.root not in self._logs:
            self._logs[proof.root] = logs_of(self.chain, proof.root)
        logged = [log for log in self._logs[proof.root] if log.leaves == proof.leaves]
        return logged[0] if logged and proof.fits else None


def _doubles(numbered: Mapping[str, Proof]) -> list[Double]:
    by_number: dict[int, list[Proof]] = {}
    for proof in numbered.values():
        by_number.setdefault(proof.receipt.number, []).append(proof)
    return [Double(same[0], other) for same in by_number.values() for other in same[1:]]


def _gaps(reader: str, pseudonym: str, numbered: Mapping[str, Proof]) -> list[Gap]:
    there = sorted({proof.receipt.number for proof in numbered.values()})
    pairs = zip([0, *there], there, strict=False)
    return [Gap(reader, pseudonym, low + 1, high - 1) for low, high in pairs if high - low > 1]


# -- a patient's letters ---------------------------------------------------------------------------------------------


class Letters:
    """The letters of receipts to a patient, kept once they were read, so that nobody can take them back."""

    def __init__(self, folder: Path, *, vault: Vault, chain: Chain, store: Store) -> None:
        self._path = folder / f"looked-{chain.contracts.deployment.genesis[2:10]}.sqlite"
        self._vault = vault
        self._chain = chain
        self._store = store
        secret = HKDF(SHA256(), 32, None, b"theriac/v1/looked").derive(vault.secret)
        self._identity = HybridIdentity.from_seed(secret)

    def looked(self, *, emergency: Callable[[Receipt], bool] = lambda receipt: False) -> Looked:
        """Reads what letters came, and examines all receipts that ever did."""
        examiner = Examiner(self._chain, emergency=emergency)
        with self._opened() as kept:
            unread, missing = self._read_new(kept, examiner)
            proofs, misaddressed = self._proofs(kept)
        found = examiner.examine(proofs)
        entries = self._entries()
        readings = tuple(_compared(reading, entries) for reading in found.readings)
        forged = found.forged + misaddressed
        return replace(found, readings=readings, forged=forged, unread=unread, missing=missing)

    def _entries(self) -> dict[str, list[Entry]]:
        """The patient's records by each digest that they had."""
        found: dict[str, list[Entry]] = {}
        for entry in self._vault.entries.values():
            for digest in {entry.digest, entry.resealed_from}:
                found.setdefault(digest, []).append(entry)
        return found

    def _read_new(self, kept: Database, examiner: Examiner) -> tuple[int, int]:
        """Reads the letters that were not read yet, those that matter most first; how many are left, and how many of
        the first kind are nowhere.
        """
        left = missing = 0
        for tier, waiting in enumerate(self._waiting(kept, examiner)):
            limit = TIER_LIMITS[tier]
            now = waiting if limit is None else waiting[:limit]
            left += len(waiting) - len(now)
            nowhere: Counter[str] = Counter()
            for account, event in now:
                sender = event.arguments["from"]
                if nowhere[sender] >= _MISSING_OF_ONE or (tier and self._kept_of(kept, sender) >= _KEPT_OF_ONE):
                    left += 1
                elif not self._read(kept, account, event, largest=_LARGEST[tier]):
                    nowhere[sender] += 1
            missing += nowhere.total() if tier == 0 else 0
        return left, missing

    def _waiting(self, kept: Database, examiner: Examiner) -> list[list[tuple[Account, Event]]]:
        """What is not read yet, by tiers; in each, what was tried least comes first."""
        rows = kept.rows("SELECT pseudonym, digest, done, tries FROM letters")
        tried = {(row["pseudonym"], row["digest"]): (row["done"], row["tries"]) for row in rows}
        tiers: list[list[tuple[int, Account, Event]]] = [[] for _ in TIER_LIMITS]
        for event in self._chain.index.events("Letters", "Sent"):
            account = self._vault.accounts.get(event.arguments["to"])
            if account is None:
                continue
            done, tries = tried.get((account.pseudonym, event.arguments["letter"].hex()), (0, 0))
            if not done:
                sender = event.arguments["from"]
                tier = 0 if examiner.history(account.pseudonym).knows(sender) else 1 if examiner.member(sender) else 2
                tiers[tier].append((tries, account, event))
        return [[(account, event) for _, account, event in sorted(tier, key=lambda each: each[0])] for tier in tiers]

    @staticmethod
    def _kept_of(kept: Database, sender: str) -> int:
        statement = "SELECT count(*) FROM letters WHERE sender = ? AND sealed IS NOT NULL"
        return int(kept.rows(statement, (sender,))[0][0])

    def _read(self, kept: Database, account: Account, event: Event, *, largest: int) -> bool:
        """Keeps a letter that holds receipts, and of another that it was read; False where it is not in the store."""
        try:
            with self._store.get_digest(event.arguments["letter"]) as stream:
                sealed = documents.read_at_most(stream, largest)
            letter = documents.open_(sealed, identities=account.all_inboxes())
            decode_letter(letter, pseudonym=account.pseudonym)
        except Unavailable:
            self._keep(kept, account, event, None, done=False)
            return False
        except TheriacError:
            # A request, an answer, or somebody's nonsense.
            letter = None
        self._keep(kept, account, event, letter, done=True)
        return True

    def _keep(self, kept: Database, account: Account, event: Event, letter: bytes | None, *, done: bool) -> None:
        sealed = documents.seal(letter, to=self._identity.recipient) if letter is not None else None
        values = (account.pseudonym, event.arguments["letter"].hex(), event.arguments["from"], sealed, done)
        kept.run(
            "INSERT INTO letters VALUES (?, ?, ?, ?, ?, 1) ON CONFLICT (pseudonym, digest) "
            "DO UPDATE SET sealed = excluded.sealed, done = excluded.done, tries = tries + 1",
            values,
        )

    def _proofs(self, kept: Database) -> tuple[list[Proof], int]:
        """Every receipt that came, and how many were made for another pseudonym than the letter's."""
        proofs: list[Proof] = []
        misaddressed = 0
        for row in kept.rows("SELECT pseudonym, sealed FROM letters WHERE sealed IS NOT NULL"):
            letter = documents.open_(row["sealed"], identities=[self._identity])
            for proof in decode_letter(letter, pseudonym=row["pseudonym"]):
                if proof.receipt.pseudonym == row["pseudonym"]:
                    proofs.append(proof)
                else:
                    misaddressed += 1
        return proofs, misaddressed

    @contextmanager
    def _opened(self) -> Iterator[Database]:
        kept = Database(self._path, kind=_KIND, version=1, schema=_SCHEMA, durable=True)
        try:
            yield kept
        finally:
            kept.close()


def _compared(reading: Reading, entries: Mapping[str, Sequence[Entry]]) -> Reading:
    """Adds what only the patient knows: which records are hers, of which class, since when."""
    receipt = reading.receipt
    hers = entries.get(receipt.record, ())
    faults = list(reading.faults)
    if not hers:
        faults.append(Fault.UNKNOWN)
    elif receipt.cls not in [entry.cls for entry in hers]:
        faults.append(Fault.OTHER_CLASS)
    elif receipt.time < min(entry.anchored for entry in hers):
        faults.append(Fault.TOO_EARLY)
    return replace(reading, faults=tuple(faults))

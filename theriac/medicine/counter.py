"""The counter of a pharmacy: dispenses packs once, also while the chain is out of reach.

A dispense is first written to a file that survives a loss of power, signed by whoever dispensed and with its time, and
then sent. What could not be sent waits; `settle` sends it later, in order, and reports what the chain refused. Nothing
is sent twice: a dispense has a name, and the sender's outbox knows what it has done under that name.
"""

import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, unique
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from eth_account.messages import SignableMessage, encode_defunct

from theriac.errors import AlreadyQueued, CounterBusy, LedgerFileBroken, Reverted, TheriacError, Unavailable
from theriac.ledger.codec import canonical_json
from theriac.ledger.contracts import Contracts
from theriac.ledger.database import Database
from theriac.ledger.sender import Intent, Outcome
from theriac.ledger.signer import Signer
from theriac.medicine.chain import Landing
from theriac.medicine.scans import is_signed_by
from theriac.medicine.shelf import KnownPack
from theriac.medicine.state import Block

_KIND = 0x54_48_43_4F
_SCHEMA = """
CREATE TABLE dispenses (
    number INTEGER PRIMARY KEY,
    batch BLOB NOT NULL,
    place INTEGER NOT NULL,
    commitment BLOB NOT NULL,
    siblings BLOB NOT NULL,
    label TEXT NOT NULL,
    at TEXT NOT NULL,
    mark BLOB NOT NULL,
    account TEXT NOT NULL,
    signature BLOB NOT NULL,
    handed TEXT NOT NULL,
    standing TEXT NOT NULL,
    refusal TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE UNIQUE INDEX dispenses_waiting ON dispenses (batch, place) WHERE standing = 'waiting'
"""

_MARK_SIZE = 16

_AT_ONCE = 64
"""So many are on their way to the chain before it is followed and they are closed."""


@unique
class Standing(Enum):
    """What became of a dispense that was written down."""

    WAITING = "waiting"
    SETTLED = "settled"
    CONFLICT = "conflict"


@unique
class Refusal(Enum):
    """Why the chain did not take a dispense; the value is for programs, `sentence` for people."""

    DISPENSED = "dispensed-meanwhile"
    ENDED = "ended-meanwhile"
    RECALLED = "recalled-meanwhile"
    EXPIRED = "expired-meanwhile"
    QUARANTINED = "quarantined-meanwhile"
    EXCURSION = "excursion-meanwhile"
    NOT_HELD = "not-held"
    OFFERED = "offered-meanwhile"
    NO_STANDING = "no-standing"
    OTHER = "other"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Refusal.DISPENSED: "It was dispensed meanwhile through another device. Look whether there are two packs.",
    Refusal.ENDED: "It was ended meanwhile. Find out how it could be handed out.",
    Refusal.RECALLED: "It was recalled meanwhile. Call back whoever has it.",
    Refusal.EXPIRED: "It was expired when the chain was reached. Look at the date on which it was handed out.",
    Refusal.QUARANTINED: "It was put into quarantine meanwhile. Call back whoever has it, or have it released.",
    Refusal.EXCURSION: "It was found to have been too warm or too cold. Call back whoever has it, or ask its maker.",
    Refusal.NOT_HELD: "It was handed on meanwhile, or never taken over. Ask who holds it.",
    Refusal.OFFERED: "It is under an offer. Withdraw the offer and dispense it again.",
    Refusal.NO_STANDING: "The account may not dispense any more. Let another of the pharmacy dispense it again.",
    Refusal.OTHER: "The chain refused it. Show the reason to whoever runs the consortium.",
}


def refusal_of(refused: Reverted) -> Refusal:
    """What a refusal of the contract comes to for who handed the pack out."""
    match refused.error:
        case "WrongStatus":
            # The contract's statuses, in its order.
            return {1: Refusal.DISPENSED, 2: Refusal.ENDED}.get(_number(refused, "status"), Refusal.OTHER)
        case "IsBlocked":
            blocks = Block(_number(refused, "blocks"))
            if Block.RECALL in blocks:
                return Refusal.RECALLED
            return Refusal.EXCURSION if Block.EXCURSION in blocks else Refusal.QUARANTINED
        case "IsExpired":
            return Refusal.EXPIRED
        case "NotTheHolder":
            return Refusal.NOT_HELD
        case "UnderOffer":
            return Refusal.OFFERED
        case "NoStanding":
            return Refusal.NO_STANDING
    return Refusal.OTHER


def _number(refused: Reverted, name: str) -> int:
    value = refused.arguments.get(name)
    return value if isinstance(value, int) else 0


@dataclass(frozen=True)
class Dispense:
    """A pack that was handed out: where it lies, what proves it, when, by whom, and what the chain made of it.

    `label` is what a person reads, such as product and serial; `mark` is drawn for each, so that a pack that was taken
    back and is dispensed again within the second is another dispense; `handed` are the accounts whose senders were
    given it; `refusal` says why the chain did not take it, None where it did or was not asked; `detail` is the
    transaction or the contract's own words.
    """

    number: int
    pack: KnownPack
    commitment: bytes
    siblings: tuple[bytes, ...]
    label: str
    at: datetime
    mark: bytes
    account: str
    signature: bytes
    handed: tuple[str, ...]
    standing: Standing
    refusal: Refusal | None
    detail: str

    @property
    def is_signed(self) -> bool:
        """Whether the account signed exactly this."""
        message = _signable(self.pack, self.label, self.at, self.mark, self.account)
        return is_signed_by(message, self.signature, self.account)


class Sends(Protocol):
    """What a counter needs of a sender: whose account it is, and that it sends."""

    @property
    def address(self) -> str: ...

    def send_all(self, intents: Iterable[Intent]) -> Iterator[Outcome]: ...


@dataclass(frozen=True)
class Settlement:
    """What a settling came to: `settled` are on the chain, `conflicts` were refused, `waiting` wait on."""

    settled: tuple[Dispense, ...]
    conflicts: tuple[Dispense, ...]
    waiting: tuple[Dispense, ...]


class Counter:
    """The dispenses of one pharmacy. One thread at a time; several processes may share the file."""

    def __init__(self, path: Path | None) -> None:
        """`path` None keeps everything in memory."""
        self._path = path
        self._database = Database(path, kind=_KIND, version=2, schema=_SCHEMA, durable=True)

    def close(self) -> None:
        self._database.close()

    def write(
        self,
        pack: KnownPack,
        *,
        commitment: bytes,
        siblings: list[bytes],
        label: str,
        at: datetime,
        signer: Signer,
    ) -> Dispense:
        """Writes a dispense down, signed; it is on the disk when this returns. Raises AlreadyQueued."""
        if self.is_waiting(pack):
            raise AlreadyQueued(label=label)
        row = _row(pack, commitment, siblings, label, at, signer)
        with self._database.transaction():
            if self.is_waiting(pack):
                raise AlreadyQueued(label=label)
            return self._insert(row, Standing.WAITING, "")

    def note(
        self,
        pack: KnownPack,
        *,
        commitment: bytes,
        siblings: list[bytes],
        label: str,
        at: datetime,
        signer: Signer,
        transaction: str,
    ) -> Dispense:
        """Writes a dispense down, signed, that a contract has done for the pharmacy in a transaction."""
        row = _row(pack, commitment, siblings, label, at, signer)
        with self._database.transaction():
            return self._insert(row, Standing.SETTLED, transaction)

    def _insert(self, row: tuple[Any, ...], standing: Standing, detail: str) -> Dispense:
        self._database.run(
            "INSERT INTO dispenses (batch, place, commitment, siblings, label, at, mark, account, signature, "
            "handed, standing, refusal, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, '', ?)",
            (*row, standing.value, detail),
        )
        [[number]] = self._database.rows("SELECT last_insert_rowid()")
        return self[number]

    def is_waiting(self, pack: KnownPack) -> bool:
        """Whether a dispense of the pack waits to be settled."""
        where = "batch = ? AND place = ? AND standing = 'waiting'"
        return bool(self._database.rows(f"SELECT 1 FROM dispenses WHERE {where}", (pack.batch, pack.index)))

    def __getitem__(self, number: int) -> Dispense:
        [row] = self._database.rows("SELECT * FROM dispenses WHERE number = ?", (number,))
        return _dispense(row)

    def dispenses(self, standing: Standing | None = None) -> list[Dispense]:
        """All dispenses, or those of one standing, oldest first."""
        where, values = ("WHERE standing = ?", [standing.value]) if standing else ("", [])
        return [
            _dispense(row) for row in self._database.rows(f"SELECT * FROM dispenses {where} ORDER BY number", values)
        ]

    def settle(
        self,
        sender: Sends,
        contracts: Contracts,
        *,
        follow: Callable[[], object] = lambda: None,
        landed: Callable[[bytes, int], Landing | None] = lambda batch, index: None,
        report: Callable[[Dispense], None] = lambda dispense: None,
    ) -> Settlement:
        """Sends what waits, oldest first, and writes down what became of each.

        `landed` says what dispensed a pack last, by its batch and index, such as `Chain.last_dispense`: what a
        colleague's account had sent before its process died is settled by that, and is no conflict.

        `follow` follows the chain: a dispense stops to wait only when the events say what became of its pack, so that
        no moment is left in which a scan would find it in stock. A chain that falls silent and an account that cannot
        pay end it, and nothing is lost: call it again later. Raises CounterBusy while another process settles.
        """
        with self._alone():
            done: list[Dispense] = []
            waiting = self.dispenses(Standing.WAITING)
            for start in range(0, len(waiting), _AT_ONCE):
                for closed in self._settle(waiting[start : start + _AT_ONCE], sender, contracts, follow, landed):
                    done.append(closed)
                    report(closed)
        return Settlement(
            settled=tuple(each for each in done if each.standing is Standing.SETTLED),
            conflicts=tuple(each for each in done if each.standing is Standing.CONFLICT),
            waiting=tuple(self.dispenses(Standing.WAITING)),
        )

    def _settle(
        self,
        some: list[Dispense],
        sender: Sends,
        contracts: Contracts,
        follow: Callable[[], object],
        landed: Callable[[bytes, int], Landing | None],
    ) -> Iterator[Dispense]:
        self._hand(some, sender.address)
        heard: list[tuple[Dispense, Outcome]] = []
        trouble: TheriacError | None = None
        try:
            outcomes = sender.send_all(Intent(_call(contracts, each), name=_intent(each)) for each in some)
            for dispense in some:
                heard.append((dispense, next(outcomes)))
        except Unavailable as silent:
            trouble = silent
        follow()
        for dispense, outcome in heard:
            if outcome.receipt is not None:
                yield self._close(dispense, Standing.SETTLED, outcome.receipt.transaction)
            elif isinstance(outcome.error, Reverted):
                refusal = refusal_of(outcome.error)
                found = landed(dispense.pack.batch, dispense.pack.index) if refusal is Refusal.DISPENSED else None
                if found is None or not self._is_of(dispense, found, but=sender.address):
                    yield self._close(dispense, Standing.CONFLICT, str(outcome.error), refusal)
                elif found.is_deep:
                    yield self._close(dispense, Standing.SETTLED, found.transaction)
            else:
                trouble = trouble or outcome.error
        if trouble is not None:
            raise trouble

    def _hand(self, some: list[Dispense], account: str) -> None:
        """Writes down before it is sent by which account a dispense may be on the chain."""
        with self._database.transaction():
            for each in some:
                if account not in each.handed:
                    handed = " ".join((*each.handed, account))
                    self._database.run("UPDATE dispenses SET handed = ? WHERE number = ?", (handed, each.number))

    def _is_of(self, dispense: Dispense, found: Landing, *, but: str) -> bool:
        """Whether what is on the chain is this dispense, sent by another account; its own sender would know it."""
        if found.account == but or found.account not in dispense.handed:
            return False
        return not self._database.rows("SELECT 1 FROM dispenses WHERE detail = ?", (found.transaction,))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time: two accounts that send one dispense would each find the other's and see a conflict."""
        if self._path is None:
            yield
            return
        lock = self._path.with_name(self._path.name + ".settling")
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as trouble:
            raise LedgerFileBroken(path=str(lock), reason=trouble.strerror or str(trouble)) from None
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise CounterBusy(path=str(self._path)) from None
            yield
        finally:
            os.close(handle)

    def _close(self, dispense: Dispense, standing: Standing, detail: str, refusal: Refusal | None = None) -> Dispense:
        with self._database.transaction():
            self._database.run(
                "UPDATE dispenses SET standing = ?, refusal = ?, detail = ? WHERE number = ?",
                (standing.value, refusal.value if refusal else "", detail, dispense.number),
            )
        return self[dispense.number]

    def export(self) -> Iterator[str]:
        """The dispenses as lines of JSON, with their signatures, for an inspector."""
        for dispense in self.dispenses():
            yield json.dumps(
                {
                    "batch": dispense.pack.batch.hex(),
                    "index": dispense.pack.index,
                    "label": dispense.label,
                    "at": dispense.at.isoformat(),
                    "mark": dispense.mark.hex(),
                    "account": dispense.account,
                    "signature": dispense.signature.hex(),
                    "standing": dispense.standing.value,
                    "refusal": dispense.refusal.value if dispense.refusal else "",
                    "detail": dispense.detail,
                }
            )


def _call(contracts: Contracts, dispense: Dispense) -> Any:
    pack = dispense.pack
    return contracts.Batches.functions.dispense(pack.batch, pack.index, dispense.commitment, list(dispense.siblings))


def _intent(dispense: Dispense) -> str:
    """A name that is the same after a restart, and another for every other dispense, of another file too."""
    return f"dispense {sha256(dispense.signature).hexdigest()[:24]}"


def _row(
    pack: KnownPack, commitment: bytes, siblings: list[bytes], label: str, at: datetime, signer: Signer
) -> tuple[Any, ...]:
    """A dispense as it is written down, signed."""
    at, account, mark = at.astimezone(UTC).replace(microsecond=0), str(signer.address), secrets.token_bytes(_MARK_SIZE)
    signature = signer.sign_message(_signable(pack, label, at, mark, account))
    return (pack.batch, pack.index, commitment, b"".join(siblings), label, at.isoformat(), mark, account, signature)


def _signable(pack: KnownPack, label: str, at: datetime, mark: bytes, account: str) -> SignableMessage:
    values: dict[str, Any] = {
        "batch": pack.batch.hex(),
        "index": pack.index,
        "label": label,
        "at": at.isoformat(),
        "mark": mark.hex(),
        "account": account,
    }
    return encode_defunct(text="Theriac dispense\n" + sha256(canonical_json(values)).hexdigest())


def _dispense(row: Any) -> Dispense:
    siblings = row["siblings"]
    return Dispense(
        number=row["number"],
        pack=KnownPack(row["batch"], row["place"]),
        commitment=row["commitment"],
        siblings=tuple(siblings[start : start + 32] for start in range(0, len(siblings), 32)),
        label=row["label"],
        at=datetime.fromisoformat(row["at"]),
        mark=row["mark"],
        account=row["account"],
        signature=row["signature"],
        handed=tuple(row["handed"].split()),
        standing=Standing(row["standing"]),
        refusal=Refusal(row["refusal"]) if row["refusal"] else None,
        detail=row["detail"],
    )

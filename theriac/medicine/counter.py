"""The counter of a pharmacy: dispenses packs once, also while the chain is out of reach.

A dispense is first written to a file that survives a loss of power, signed by whoever dispensed and with its time, and
then sent. What could not be sent waits; `settle` sends it later, in order, and reports what the chain refused. Nothing
is sent twice: a dispense has a name, and the sender's outbox knows what it has done under that name.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, unique
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import rfc8785
from eth_account import Account
from eth_account.messages import SignableMessage, encode_defunct

from theriac.errors import AlreadyQueued, Reverted
from theriac.ledger.contracts import Contracts, Receipt
from theriac.ledger.database import Database
from theriac.ledger.signer import Signer
from theriac.medicine.shelf import KnownPack

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
    account TEXT NOT NULL,
    signature BLOB NOT NULL,
    standing TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE UNIQUE INDEX dispenses_waiting ON dispenses (batch, place) WHERE standing = 'waiting'
"""


@unique
class Standing(Enum):
    """What became of a dispense that was written down."""

    WAITING = "waiting"
    SETTLED = "settled"
    CONFLICT = "conflict"


@dataclass(frozen=True)
class Dispense:
    """A pack that was handed out: where it lies, what proves it, when, by whom, and what the chain made of it.

    `label` is what a person reads, such as product and serial; `detail` the transaction or the refusal.
    """

    number: int
    pack: KnownPack
    commitment: bytes
    siblings: tuple[bytes, ...]
    label: str
    at: datetime
    account: str
    signature: bytes
    standing: Standing
    detail: str

    @property
    def is_signed(self) -> bool:
        """Whether the account signed exactly this."""
        message = _signable(self.pack, self.label, self.at, self.account)
        try:
            return bool(Account.recover_message(message, signature=self.signature) == self.account)
        except Exception:
            # Whatever a library makes of a malformed signature, it is nobody's.
            return False


class Sends(Protocol):
    """What a counter needs of a sender."""

    def send(self, call: Any, *, intent: str | None = None) -> Receipt: ...


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
        self._database = Database(path, kind=_KIND, version=1, schema=_SCHEMA, durable=True)

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
        at = at.astimezone(UTC).replace(microsecond=0)
        account = str(signer.address)
        signature = signer.sign_message(_signable(pack, label, at, account))
        with self._database.transaction():
            if self.is_waiting(pack):
                raise AlreadyQueued(label=label)
            self._database.run(
                "INSERT INTO dispenses (batch, place, commitment, siblings, label, at, account, signature, standing, "
                "detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'waiting', '')",
                (
                    *(pack.batch, pack.index, commitment, b"".join(siblings), label, at.isoformat()),
                    *(account, signature),
                ),
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
        report: Callable[[Dispense], None] = lambda dispense: None,
    ) -> Settlement:
        """Sends what waits, oldest first; each is written down as settled or as a conflict before the next is sent.

        What a chain that is out of reach raises ends it, and nothing is lost: call it again later.
        """
        done: list[Dispense] = []
        for dispense in self.dispenses(Standing.WAITING):
            call = contracts.Batches.functions.dispense(
                dispense.pack.batch, dispense.pack.index, dispense.commitment, list(dispense.siblings)
            )
            try:
                receipt = sender.send(call, intent=self._intent(dispense))
            except Reverted as refused:
                done.append(self._close(dispense, Standing.CONFLICT, str(refused)))
            else:
                done.append(self._close(dispense, Standing.SETTLED, receipt.transaction))
            report(done[-1])
        return Settlement(
            settled=tuple(each for each in done if each.standing is Standing.SETTLED),
            conflicts=tuple(each for each in done if each.standing is Standing.CONFLICT),
            waiting=tuple(self.dispenses(Standing.WAITING)),
        )

    def _intent(self, dispense: Dispense) -> str:
        """A name that is the same after a restart, and another for another file."""
        return f"dispense {sha256(dispense.signature).hexdigest()[:24]}"

    def _close(self, dispense: Dispense, standing: Standing, detail: str) -> Dispense:
        with self._database.transaction():
            self._database.run(
                "UPDATE dispenses SET standing = ?, detail = ? WHERE number = ?",
                (standing.value, detail, dispense.number),
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
                    "account": dispense.account,
                    "signature": dispense.signature.hex(),
                    "standing": dispense.standing.value,
                    "detail": dispense.detail,
                }
            )


def _signable(pack: KnownPack, label: str, at: datetime, account: str) -> SignableMessage:
    values: dict[str, Any] = {
        "batch": pack.batch.hex(),
        "index": pack.index,
        "label": label,
        "at": at.isoformat(),
        "account": account,
    }
    return encode_defunct(text="Theriac dispense\n" + sha256(rfc8785.dumps(values)).hexdigest())


def _dispense(row: Any) -> Dispense:
    siblings = row["siblings"]
    return Dispense(
        number=row["number"],
        pack=KnownPack(row["batch"], row["place"]),
        commitment=row["commitment"],
        siblings=tuple(siblings[start : start + 32] for start in range(0, len(siblings), 32)),
        label=row["label"],
        at=datetime.fromisoformat(row["at"]),
        account=row["account"],
        signature=row["signature"],
        standing=Standing(row["standing"]),
        detail=row["detail"],
    )

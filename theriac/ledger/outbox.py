"""What an account has signed and not yet seen in the chain, on disk before anyone else sees it.

An intent has one row and keeps one nonce; for it there can be several signed transactions, of which the chain takes
one. A lock file keeps a second process out; it is free again when its holder ends, however that ends.
"""

import fcntl
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from eth_typing import ChecksumAddress, HexStr

from theriac.errors import IntentAbandoned, LedgerFileBroken, OutboxBusy, OutboxOfAnother, UnknownIntent, WrongChain
from theriac.ledger.contracts import Call, Receipt
from theriac.ledger.database import Database
from theriac.ledger.fees import Fees
from theriac.ledger.node import CallFailed, Landed, Log

_KIND = 0x54484F42  # "THOB"
_SCHEMA = """
CREATE TABLE owner (address TEXT NOT NULL, chain_id INTEGER NOT NULL, genesis TEXT NOT NULL);
CREATE TABLE intents (
    name TEXT PRIMARY KEY,
    destination TEXT,
    data BLOB NOT NULL,
    value TEXT NOT NULL,
    gas INTEGER NOT NULL,
    nonce INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'settled', 'reverted', 'abandoned')),
    outcome TEXT
);
CREATE INDEX intents_open ON intents (nonce) WHERE state = 'open';
CREATE INDEX intents_at ON intents (nonce);
CREATE TABLE transactions (
    hash TEXT PRIMARY KEY,
    intent TEXT NOT NULL REFERENCES intents,
    nonce INTEGER NOT NULL,
    raw BLOB NOT NULL,
    price INTEGER NOT NULL,
    tip INTEGER,
    void INTEGER NOT NULL,
    signed REAL NOT NULL,
    head INTEGER NOT NULL
);
CREATE INDEX transactions_of ON transactions (intent);
CREATE INDEX transactions_at ON transactions (nonce)
"""


@dataclass(frozen=True)
class Signed:
    """A signed transaction: when (seconds since 1970) and with which block in sight. `void`: it only uses its nonce."""

    hash: HexStr
    nonce: int
    raw: bytes
    fees: Fees
    void: bool
    signed: float
    head: int


@dataclass(frozen=True)
class Flight:
    """An intent on its way, with all that was ever signed for it, the newest last."""

    name: str
    call: Call
    gas: int
    nonce: int
    transactions: tuple[Signed, ...]


@dataclass(frozen=True)
class Failure:
    """An intent whose transaction is in the chain and did nothing, because a contract refused."""

    to: ChecksumAddress | None
    data: bytes
    reason: str


class Outbox:
    """The outbox of one account on one chain. All methods may be called from any thread.

    Who needs several of them to hold together takes `lock` around them.
    """

    def __init__(self, path: Path | None) -> None:
        """In memory where `path` is None. Raises OutboxBusy, LedgerFileBroken."""
        self.lock = threading.RLock()
        self._shown = str(path) if path is not None else "in memory"
        self._lock_file = _locked(path)
        try:
            self._database = Database(path, kind=_KIND, version=1, schema=_SCHEMA, durable=True)
        except BaseException:
            self._unlock()
            raise

    def claim(self, address: ChecksumAddress, *, chain_id: int, genesis: HexStr) -> None:
        """Makes the outbox this account's on this chain, or finds it so. Raises OutboxOfAnother, WrongChain."""
        with self.lock:
            owners = self._database.rows("SELECT address, chain_id, genesis FROM owner")
            if not owners:
                with self._database.transaction():
                    self._database.run("INSERT INTO owner VALUES (?, ?, ?)", (address, chain_id, genesis))
                return
        owner, source = owners[0], f"The outbox {self._shown}"
        if owner["address"] != address:
            raise OutboxOfAnother(path=self._shown, written=owner["address"], found=address)
        if owner["chain_id"] != chain_id:
            raise WrongChain(source=source, what="chain id", written=str(owner["chain_id"]), found=str(chain_id))
        if owner["genesis"] != genesis:
            raise WrongChain(source=source, what="first block", written=owner["genesis"], found=genesis)

    def close(self) -> None:
        with self.lock:
            self._database.close()
            self._unlock()

    # -- reading -----------------------------------------------------------------------------------------------------

    def call(self, name: str) -> Call | None:
        """What an intent stands for; None where there is none of that name."""
        with self.lock:
            rows = self._database.rows("SELECT destination, data, value FROM intents WHERE name = ?", (name,))
        return Call(to=rows[0]["destination"], data=rows[0]["data"], value=int(rows[0]["value"])) if rows else None

    def outcome(self, name: str) -> Receipt | Failure | None:
        """What became of an intent; None while it is open. Raises UnknownIntent, IntentAbandoned."""
        with self.lock:
            rows = self._database.rows("SELECT state, outcome, destination FROM intents WHERE name = ?", (name,))
        if not rows:
            raise UnknownIntent(intent=name)
        state, outcome = rows[0]["state"], rows[0]["outcome"]
        if state == "abandoned":
            raise IntentAbandoned(intent=name)
        if state == "settled":
            return _receipt(name, outcome)
        if state == "reverted":
            kept = json.loads(outcome)
            return Failure(to=rows[0]["destination"], data=bytes.fromhex(kept["data"]), reason=kept["reason"])
        return None

    def open(self) -> tuple[str, ...]:
        """The names of the intents on their way, in the order of their nonces."""
        with self.lock:
            rows = self._database.rows("SELECT name FROM intents WHERE state = 'open' ORDER BY nonce")
        return tuple(row["name"] for row in rows)

    def is_open(self, name: str) -> bool:
        with self.lock:
            return bool(self._database.rows("SELECT 1 FROM intents WHERE name = ? AND state = 'open'", (name,)))

    def open_count(self) -> int:
        with self.lock:
            return int(self._database.rows("SELECT count(*) FROM intents WHERE state = 'open'")[0][0])

    def last_open_nonce(self) -> int | None:
        with self.lock:
            last: int | None = self._database.rows("SELECT max(nonce) FROM intents WHERE state = 'open'")[0][0]
        return last

    def signed_from(self, nonce: int) -> tuple[tuple[int, HexStr], ...]:
        """The nonces and hashes of all transactions ever signed with at least this nonce, the highest first."""
        with self.lock:
            rows = self._database.rows(
                "SELECT nonce, hash FROM transactions WHERE nonce >= ? ORDER BY nonce DESC", (nonce,)
            )
        return tuple((row["nonce"], HexStr(row["hash"])) for row in rows)

    def flight(self, name: str) -> Flight | None:
        """An intent while it is open."""
        with self.lock:
            return next(iter(self._flights("name = ?", (name,))), None)

    def flights(self) -> list[Flight]:
        """All that is open, in the order of the nonces."""
        with self.lock:
            return self._flights()

    def _flights(self, which: str = "1", values: Sequence[str] = ()) -> list[Flight]:
        where = f"intents.state = 'open' AND {which}"
        signed: dict[str, list[Signed]] = {}
        for row in self._database.rows(
            f"SELECT transactions.* FROM transactions JOIN intents ON intents.name = transactions.intent WHERE {where} "
            "ORDER BY transactions.rowid",
            values,
        ):
            signed.setdefault(row["intent"], []).append(_signed(row))
        return [
            Flight(
                name=row["name"],
                call=Call(to=row["destination"], data=row["data"], value=int(row["value"])),
                gas=row["gas"],
                nonce=row["nonce"],
                transactions=tuple(signed.get(row["name"], ())),
            )
            for row in self._database.rows(f"SELECT * FROM intents WHERE {where} ORDER BY nonce", values)
        ]

    def signed_for(self, name: str) -> tuple[Signed, ...]:
        """All that was ever signed for an intent, the newest last."""
        with self.lock:
            rows = self._database.rows("SELECT * FROM transactions WHERE intent = ? ORDER BY rowid", (name,))
        return tuple(_signed(row) for row in rows)

    # -- writing: on disk when a method returns ----------------------------------------------------------------------

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that is written inside is on disk together when the block ends, or nothing of it is."""
        with self.lock, self._database.transaction():
            yield

    def launch(self, name: str, call: Call, gas: int, signed: Signed) -> None:
        """A new intent with its first transaction."""
        with self.lock, self._database.transaction():
            self._database.run(
                "INSERT INTO intents VALUES (?, ?, ?, ?, ?, ?, 'open', NULL)",
                (name, call.to, call.data, str(call.value), gas, signed.nonce),
            )
            self._insert(name, signed)

    def keep(self, name: str, signed: Signed) -> None:
        """One transaction more for an intent, which from now on has its nonce."""
        with self.lock, self._database.transaction():
            self._database.run("UPDATE intents SET nonce = ? WHERE name = ?", (signed.nonce, name))
            self._insert(name, signed)

    def withdraw(self, name: str) -> None:
        """Forgets an intent that no node has taken."""
        with self.lock, self._database.transaction():
            self._database.run("DELETE FROM transactions WHERE intent = ?", (name,))
            self._database.run("DELETE FROM intents WHERE name = ?", (name,))

    def settle(self, name: str, landed: Landed, fees: Fees) -> None:
        self._finish(name, "settled", _kept(landed, fees))

    def revert(self, name: str, failed: CallFailed) -> None:
        self._finish(name, "reverted", json.dumps({"data": failed.data.hex(), "reason": failed.reason}))

    def abandon(self, name: str) -> None:
        self._finish(name, "abandoned", None)

    def reopen(self, nonce: int) -> bool:
        """Opens what has this nonce again, because the chain has lost it; False where nothing has."""
        with self.lock, self._database.transaction():
            return bool(
                self._database.run(
                    "UPDATE intents SET state = 'open', outcome = NULL WHERE nonce = ? "
                    "AND name IN (SELECT intent FROM transactions WHERE nonce = ?)",
                    (nonce, nonce),
                )
            )

    def _finish(self, name: str, state: str, outcome: str | None) -> None:
        with self.lock, self._database.transaction():
            self._database.run("UPDATE intents SET state = ?, outcome = ? WHERE name = ?", (state, outcome, name))

    def _insert(self, name: str, signed: Signed) -> None:
        fees = signed.fees
        # The same transaction can be signed twice only on a chain that was set back; then it is the new intent's.
        self._database.run(
            "INSERT OR REPLACE INTO transactions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(signed.hash, name, signed.nonce, signed.raw),
                *(fees.price, fees.tip, signed.void, signed.signed, signed.head),
            ),
        )

    def _unlock(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None


def _locked(path: Path | None) -> int | None:
    if path is None:
        return None
    lock = path.with_name(path.name + ".lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as trouble:
        raise LedgerFileBroken(path=str(lock), reason=trouble.strerror or str(trouble)) from trouble
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise OutboxBusy(path=str(path)) from None
    return handle


def _signed(row: sqlite3.Row) -> Signed:
    return Signed(
        hash=HexStr(row["hash"]),
        nonce=row["nonce"],
        raw=row["raw"],
        fees=Fees(price=row["price"], tip=row["tip"]),
        void=bool(row["void"]),
        signed=row["signed"],
        head=row["head"],
    )


def _kept(landed: Landed, fees: Fees) -> str:
    """A receipt as it stands in the file."""
    logs = [[log.address, [topic.hex() for topic in log.topics], log.data.hex(), log.index] for log in landed.logs]
    return json.dumps(
        {
            "transaction": landed.transaction,
            "block": landed.block,
            "block_hash": landed.block_hash,
            "gas_used": landed.gas_used,
            "gas_price": landed.gas_price if landed.gas_price is not None else fees.price,
            "contract": landed.contract,
            "logs": logs,
        }
    )


def _receipt(name: str, outcome: str) -> Receipt:
    kept = json.loads(outcome)
    logs = tuple(
        Log(
            address=address,
            topics=tuple(bytes.fromhex(topic) for topic in topics),
            data=bytes.fromhex(data),
            index=index,
        )
        for address, topics, data, index in kept.pop("logs")
    )
    return Receipt(intent=name, logs=logs, **kept)

"""What a relayer has taken on, on disk before it answers: requests, batches, what was used of whose limits, pins."""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_typing import ChecksumAddress

from theriac.errors import RelayRefused
from theriac.health.groups import Lane
from theriac.ledger.contracts import Call
from theriac.ledger.database import Database

_KIND = 0x5448524C  # "THRL"
_SCHEMA = """
CREATE TABLE requests (
    id TEXT PRIMARY KEY,
    pseudonym TEXT NOT NULL,
    lane INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('arriving', 'queued', 'sent', 'done', 'refused')),
    received REAL NOT NULL,
    deadline INTEGER NOT NULL,
    calls TEXT NOT NULL,
    gas INTEGER NOT NULL,
    charges TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    batch TEXT,
    place INTEGER,
    hash TEXT NOT NULL DEFAULT '',
    block INTEGER NOT NULL DEFAULT 0,
    code TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT ''
);
CREATE INDEX requests_waiting ON requests (lane, received) WHERE state = 'queued';
CREATE INDEX requests_of ON requests (batch);
CREATE TABLE batches (name TEXT PRIMARY KEY, destination TEXT NOT NULL, data BLOB NOT NULL, gas INTEGER NOT NULL);
CREATE TABLE used (
    subject TEXT NOT NULL,
    day INTEGER NOT NULL,
    acts INTEGER NOT NULL,
    gas INTEGER NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (subject, day)
);
CREATE TABLE known (pseudonym TEXT PRIMARY KEY);
CREATE TABLE blanks (id TEXT PRIMARY KEY, pseudonym TEXT NOT NULL, since REAL NOT NULL);
CREATE TABLE pins (cid TEXT NOT NULL, request TEXT NOT NULL, pseudonym TEXT NOT NULL, PRIMARY KEY (cid, request))
"""

WAITING = ("queued", "sent")


@dataclass(frozen=True)
class Limit:
    """What may be used under a name on a day (0: ever), None for as much as one likes."""

    subject: str
    day: int
    acts: int | None = None
    gas: int | None = None
    size: int | None = None


@dataclass(frozen=True)
class Status:
    """What became of a request: `queued`, `sent`, `done` or `refused`."""

    id: str
    state: str
    transaction: str = ""
    block: int = 0
    code: str = ""
    reason: str = ""

    def values(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Waiting:
    """A request that is on its way. `calls` are pairs of a contract's name and data in hexadecimal."""

    id: str
    pseudonym: str
    lane: Lane
    received: float
    deadline: int
    calls: tuple[tuple[str, str], ...]
    gas: int
    charges: tuple[tuple[str, int, int, int], ...]
    tries: int


class Journal:
    """The file of a relayer. All methods may be called from any thread."""

    def __init__(self, path: Path | None) -> None:
        """Raises LedgerFileBroken."""
        self.lock = threading.RLock()
        self._database = Database(path, kind=_KIND, version=1, schema=_SCHEMA, durable=True)

    def close(self) -> None:
        with self.lock:
            self._database.close()

    # -- requests ----------------------------------------------------------------------------------------------------

    def status(self, id_: str) -> Status | None:
        """None for a request that was never taken on."""
        with self.lock:
            rows = self._database.rows("SELECT * FROM requests WHERE id = ? AND state != 'arriving'", (id_,))
        if not rows:
            return None
        row = rows[0]
        return Status(id_, row["state"], row["hash"], row["block"], row["code"], row["reason"])

    def count(self) -> int:
        """How many requests are on their way."""
        with self.lock:
            counted = self._database.rows("SELECT count(*) FROM requests WHERE state IN ('arriving', 'queued', 'sent')")
        return int(counted[0][0])

    def count_of(self, pseudonym: str) -> int:
        with self.lock:
            counted = self._database.rows(
                "SELECT count(*) FROM requests WHERE pseudonym = ? AND state IN ('arriving', 'queued', 'sent')",
                (pseudonym,),
            )
        return int(counted[0][0])

    def take(self, waiting: Waiting, *, limits: Sequence[Limit], size: int, blank: str, known: bool) -> None:
        """A new request and what it is charged with, together or not at all. Raises RelayRefused."""
        with self.lock, self._database.transaction():
            if blank:
                self._take_blank(blank, waiting)
            for limit in limits:
                self._charge(limit, gas=waiting.gas, size=size)
            if known:
                self._database.run("INSERT OR IGNORE INTO known VALUES (?)", (waiting.pseudonym,))
            self._database.run(
                "INSERT INTO requests (id, pseudonym, lane, state, received, deadline, calls, gas, charges) "
                "VALUES (?, ?, ?, 'arriving', ?, ?, ?, ?, ?)",
                (
                    *(waiting.id, waiting.pseudonym, int(waiting.lane), waiting.received, waiting.deadline),
                    *(json.dumps(waiting.calls), waiting.gas),
                    json.dumps([[limit.subject, limit.day, waiting.gas, size] for limit in limits]),
                ),
            )

    def _take_blank(self, blank: str, waiting: Waiting) -> None:
        self._database.run(
            "INSERT OR IGNORE INTO blanks VALUES (?, ?, ?)", (blank, waiting.pseudonym, waiting.received)
        )
        if self.user_of(blank) != waiting.pseudonym:
            raise RelayRefused(code="voucher-used", reason="this blank voucher is used by another pseudonym")

    def _charge(self, limit: Limit, *, gas: int, size: int) -> None:
        used = self.used(limit.subject, limit.day)
        wanted = ((used[0] + 1, limit.acts), (used[1] + gas, limit.gas), (used[2] + size, limit.size))
        if any(most is not None and amount > most for amount, most in wanted):
            raise RelayRefused(code="used-up", reason=f"the limit of {limit.subject.partition(':')[0]} is used up")
        self._add(limit.subject, limit.day, 1, gas, size)

    def used(self, subject: str, day: int) -> tuple[int, int, int]:
        """Acts, gas and bytes."""
        with self.lock:
            rows = self._database.rows("SELECT acts, gas, size FROM used WHERE subject = ? AND day = ?", (subject, day))
        return (rows[0]["acts"], rows[0]["gas"], rows[0]["size"]) if rows else (0, 0, 0)

    def punish(self, subject: str, day: int, *, acts: int) -> None:
        """Uses up what is free for somebody whose act the relayer paid for in vain."""
        with self.lock, self._database.transaction():
            self._add(subject, day, acts, 0, 0)

    def _add(self, subject: str, day: int, acts: int, gas: int, size: int) -> None:
        self._database.run(
            "INSERT INTO used VALUES (?, ?, ?, ?, ?) ON CONFLICT (subject, day) DO UPDATE SET "
            "acts = acts + excluded.acts, gas = gas + excluded.gas, size = size + excluded.size",
            (subject, day, acts, gas, size),
        )

    def is_known(self, pseudonym: str) -> bool:
        """Whether a member has ever vouched here for a pseudonym."""
        with self.lock:
            return bool(self._database.rows("SELECT 1 FROM known WHERE pseudonym = ?", (pseudonym,)))

    def user_of(self, blank: str) -> str | None:
        with self.lock:
            rows = self._database.rows("SELECT pseudonym FROM blanks WHERE id = ?", (blank,))
        return str(rows[0]["pseudonym"]) if rows else None

    def blank_since(self, blank: str) -> float | None:
        with self.lock:
            rows = self._database.rows("SELECT since FROM blanks WHERE id = ?", (blank,))
        return float(rows[0]["since"]) if rows else None

    def queue(self, id_: str) -> None:
        """What came along is stored: the request counts from now on."""
        with self.lock, self._database.transaction():
            self._database.run("UPDATE requests SET state = 'queued' WHERE id = ? AND state = 'arriving'", (id_,))

    def drop(self, id_: str) -> None:
        """Takes back a request that nobody was told of, and what it was charged with."""
        with self.lock, self._database.transaction():
            self._refund(id_)
            self._database.run("DELETE FROM requests WHERE id = ? AND state = 'arriving'", (id_,))

    def arriving(self) -> tuple[str, ...]:
        """What a killed process had not answered yet."""
        with self.lock:
            return tuple(row["id"] for row in self._database.rows("SELECT id FROM requests WHERE state = 'arriving'"))

    def waiting(self) -> list[Waiting]:
        """All that is queued: by lane, then by age."""
        with self.lock:
            rows = self._database.rows("SELECT * FROM requests WHERE state = 'queued' ORDER BY lane, received, rowid")
        return [_waiting(row) for row in rows]

    def busy(self) -> set[str]:
        """The pseudonyms of which something is in a batch under way."""
        with self.lock:
            rows = self._database.rows("SELECT DISTINCT pseudonym FROM requests WHERE state = 'sent'")
        return {row["pseudonym"] for row in rows}

    def finish(self, id_: str, *, hash_: str = "", block: int = 0) -> None:
        with self.lock, self._database.transaction():
            self._database.run(
                "UPDATE requests SET state = 'done', hash = ?, block = ? WHERE id = ?", (hash_, block, id_)
            )

    def refuse(self, id_: str, *, code: str, reason: str, refund: bool) -> None:
        with self.lock, self._database.transaction():
            if refund:
                self._refund(id_)
            self._database.run(
                "UPDATE requests SET state = 'refused', code = ?, reason = ? WHERE id = ?", (code, reason, id_)
            )

    def tried(self, id_: str) -> None:
        with self.lock, self._database.transaction():
            self._database.run("UPDATE requests SET tries = tries + 1 WHERE id = ?", (id_,))

    def _refund(self, id_: str) -> None:
        rows = self._database.rows("SELECT charges FROM requests WHERE id = ?", (id_,))
        for subject, day, gas, size in json.loads(rows[0]["charges"]) if rows else ():
            self._database.run(
                "UPDATE used SET acts = acts - 1, gas = gas - ?, size = size - ? WHERE subject = ? AND day = ?",
                (gas, size, subject, day),
            )

    def forget(self, *, before: float, day: int) -> None:
        """Drops what no signature can bring back any more."""
        with self.lock, self._database.transaction():
            self._database.run("DELETE FROM requests WHERE state IN ('done', 'refused') AND received < ?", (before,))
            self._database.run("DELETE FROM used WHERE day != 0 AND day < ?", (day,))

    # -- batches -----------------------------------------------------------------------------------------------------

    def send(self, name: str, call: Call, *, gas: int, ids: Sequence[str]) -> None:
        """A batch, written down before the sender hears of it."""
        with self.lock, self._database.transaction():
            self._database.run("INSERT INTO batches VALUES (?, ?, ?, ?)", (name, call.to, call.data, gas))
            for place, id_ in enumerate(ids):
                self._database.run(
                    "UPDATE requests SET state = 'sent', batch = ?, place = ? WHERE id = ?", (name, place, id_)
                )

    def batches(self) -> list[tuple[str, Call, int]]:
        """The batches that are not finished, oldest first: name, call, gas."""
        with self.lock:
            rows = self._database.rows("SELECT * FROM batches ORDER BY rowid")
        return [
            (row["name"], Call(to=ChecksumAddress(row["destination"]), data=row["data"]), row["gas"]) for row in rows
        ]

    def in_batch(self, name: str) -> list[Waiting]:
        """The requests of a batch, each at its place."""
        with self.lock:
            rows = self._database.rows("SELECT * FROM requests WHERE batch = ? ORDER BY place", (name,))
        return [_waiting(row) for row in rows]

    def put_back(self, name: str) -> None:
        """What was in a batch that no node has seen waits again."""
        with self.lock, self._database.transaction():
            self._database.run(
                "UPDATE requests SET state = 'queued', batch = NULL, place = NULL, tries = tries + 1 "
                "WHERE batch = ? AND state = 'sent'",
                (name,),
            )
            self._database.run("DELETE FROM batches WHERE name = ?", (name,))

    def close_batch(self, name: str) -> None:
        """All that was in a batch has its outcome. Until then a restart gives every one of them its outcome again."""
        with self.lock, self._database.transaction():
            self._database.run("DELETE FROM batches WHERE name = ?", (name,))

    # -- pins --------------------------------------------------------------------------------------------------------

    def pin(self, cid: str, *, request: str, pseudonym: str) -> None:
        with self.lock, self._database.transaction():
            self._database.run("INSERT OR IGNORE INTO pins VALUES (?, ?, ?)", (cid, request, pseudonym))

    def unpin(self, request: str) -> list[str]:
        """Forgets the pins of a request; which files nobody needs any more."""
        with self.lock, self._database.transaction():
            rows = self._database.rows("SELECT cid FROM pins WHERE request = ?", (request,))
            self._database.run("DELETE FROM pins WHERE request = ?", (request,))
            return [
                row["cid"] for row in rows if not self._database.rows("SELECT 1 FROM pins WHERE cid = ?", (row[0],))
            ]

    def pinned_by(self, pseudonym: str) -> list[str]:
        """The requests of a pseudonym that files are kept for."""
        with self.lock:
            rows = self._database.rows("SELECT DISTINCT request FROM pins WHERE pseudonym = ?", (pseudonym,))
        return [row["request"] for row in rows]


def _waiting(row: Any) -> Waiting:
    return Waiting(
        id=row["id"],
        pseudonym=row["pseudonym"],
        lane=Lane(row["lane"]),
        received=row["received"],
        deadline=row["deadline"],
        calls=tuple((contract, data) for contract, data in json.loads(row["calls"])),
        gas=row["gas"],
        charges=tuple((subject, day, gas, size) for subject, day, gas, size in json.loads(row["charges"])),
        tries=row["tries"],
    )

"""How fast an index catches up with a chain, beside keeping as many rows alone."""

import hashlib
import sqlite3
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benches import digests
from benches.figures import Better, Figure, Run, Section
from benches.made_chain import MadeChain, serving, url_of
from benches.timing import Effort, memory_folder, seconds

EVENTS = 20_000

PROSE = f"""
The health clients' index follows a chain that is made up ([scale.md](../scale.md) says how, and what ten million events
are like): {EVENTS:,} events `Records.Anchored` of 100 blocks, served over HTTP by another process; what the index does
for each is its own processor time, so that the process which serves counts for nothing. Beside it stands SQLite alone,
keeping as many rows with as many columns and the same two indices. *Looked up* is one digest among them all, beside one
row by its key.
"""


def measure(effort: Effort) -> Section:
    events, each = (400, 20) if effort.small else (EVENTS, digests.EACH)
    followed, runs, lookups = [], [], []
    for _ in range(max(1, min(effort.runs, 5))):
        with TemporaryDirectory(prefix="theriac-bench-", dir=memory_folder(1 << 30)) as name:
            Path(name, "index").mkdir()
            found = _followed(events, Path(name, "index"), each, effort)
            kept, read = _sqlite(Path(name, "alone.sqlite"), events)
        followed.append(found)
        runs.append(Run(found.events / found.cpu, events / kept))
        lookups.append(Run(found.by_digest[0] / 1e3, read))
    figures = (
        Figure(
            *("index/followed", "events followed, decoded and kept", "a second of one core"),
            *("SQLite alone, keeping as many rows", tuple(runs)),
            better=Better.MORE,
        ),
        Figure("index/lookup", "one digest looked up", "s", "one row by its key", tuple(lookups)),
        Figure(
            *("index/memory", f"peak memory after {events:,} events", "MiB", "of the same before the first"),
            tuple(Run(each.peak, each.at_rest) for each in followed),
        ),
    )
    return Section("index", "Following a chain", PROSE, figures)


def _followed(events: int, folder: Path, each: int, effort: Effort) -> digests.Followed:
    """In a process of its own, so that its memory is its own; but for a small one."""
    if not effort.small:
        return digests.measured(events, folder, each=each)
    made = MadeChain(digests.ADDRESS, blocks=events // each, each=each)
    server = serving(made)
    try:
        return digests.follow(url_of(server), folder, blocks=made.head, each=each, lookups=20)
    finally:
        server.shutdown()


def _sqlite(path: Path, events: int) -> tuple[float, float]:
    """Seconds of a core to keep so many rows, and seconds for one to be read."""
    rows = [
        (number // 200, number % 200, hashlib.sha256(b"%d" % number).digest(), b"\1" * 20, 1, b"\2" * 32, b"\3" * 32)
        for number in range(events)
    ]
    connection = sqlite3.connect(path, isolation_level=None)

    def keep() -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE events (block, place, digest, account, author, hash, transaction_hash)")
        connection.execute("CREATE INDEX by_digest ON events (digest)")
        connection.execute("CREATE INDEX by_account ON events (account)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        connection.execute("COMMIT")

    begun = time.process_time()
    keep()
    kept = time.process_time() - begun
    wanted = rows[events // 2][2]
    read = seconds(lambda: connection.execute("SELECT * FROM events WHERE digest = ?", (wanted,)).fetchall(), 200)
    connection.close()
    return kept, read

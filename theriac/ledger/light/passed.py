"""Which blocks were looked at before, and what they logged in outline: so that no stretch is fetched twice."""

import zlib
from collections.abc import Sequence
from pathlib import Path

from theriac.errors import LedgerFileBroken
from theriac.ledger.database import Database

WINDOW = 256
"""Blocks are remembered so many at a time, from a number that this divides."""

_KIND = 0x54484C50  # "THLP"
_SCHEMA = """
CREATE TABLE windows (number INTEGER PRIMARY KEY);
CREATE TABLE busy (block INTEGER PRIMARY KEY, bloom BLOB NOT NULL)
"""


class Passed:
    """Windows of blocks that were proven, with the blooms of those blocks that logged anything.

    A sealed block is final, so nothing of it is taken back. For one thread at a time; processes may share the file.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._database = self._opened(path)

    def _opened(self, path: Path | None) -> Database:
        try:
            return Database(path, kind=_KIND, version=1, schema=_SCHEMA, durable=False)
        except LedgerFileBroken:
            if path is None:
                raise
            # What it says can be had again, and a broken file must stop nobody.
            path.unlink(missing_ok=True)
            return Database(path, kind=_KIND, version=1, schema=_SCHEMA, durable=False)

    def has(self, window: int) -> bool:
        """Whether all blocks of a window were proven."""
        return bool(self._database.rows("SELECT 1 FROM windows WHERE number = ?", (window,)))

    def busy(self, first: int, last: int) -> list[tuple[int, int]]:
        """The blocks from `first` to `last`, both with, that logged something: their numbers and blooms."""
        rows = self._database.rows(
            "SELECT block, bloom FROM busy WHERE block BETWEEN ? AND ? ORDER BY block", (first, last)
        )
        return [(int(row["block"]), int.from_bytes(zlib.decompress(row["bloom"]), "big")) for row in rows]

    def add(self, window: int, busy: Sequence[tuple[int, bytes]]) -> None:
        """Remembers a window that was proven."""
        with self._database.transaction():
            self._database.run("INSERT OR IGNORE INTO windows VALUES (?)", (window,))
            self._database.run_many(
                "INSERT OR REPLACE INTO busy VALUES (?, ?)", [(block, zlib.compress(bloom)) for block, bloom in busy]
            )

    def close(self) -> None:
        self._database.close()

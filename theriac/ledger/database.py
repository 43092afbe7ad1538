"""A SQLite file of the ledger: opened with care, written in whole transactions, its failures errors by name."""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from theriac.errors import LedgerFileBroken


class Database:
    """A connection to a file, or to memory where `path` is None. It may be handed between threads, never shared.

    `kind` is a number that marks the file as this kind of file and `version` its schema's; a file with others is
    refused. `durable` makes every commit reach the disk before it returns; without it a loss of power may cost the
    latest commits, never their order.
    """

    def __init__(self, path: Path | None, *, kind: int, version: int, schema: str, durable: bool) -> None:
        self.path = path
        self._shown = str(path) if path is not None else "in memory"
        with self._named():
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                # Made here so that nobody but the owner can read it, whatever the umask.
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(
                str(path) if path is not None else ":memory:",
                isolation_level=None,
                check_same_thread=False,
                timeout=30,
            )
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._connection.execute("PRAGMA foreign_keys = ON")
        try:
            self._mark(kind, version, schema)
        except BaseException:
            self._connection.close()
            raise

    def _mark(self, kind: int, version: int, schema: str) -> None:
        with self.transaction():
            found = (self._pragma("application_id"), self._pragma("user_version"))
            if found == (0, 0) and not self.rows("SELECT name FROM sqlite_master"):
                for statement in schema.split(";"):
                    self.run(statement)
                self.run(f"PRAGMA application_id = {kind}")
                self.run(f"PRAGMA user_version = {version}")
            elif found[0] != kind:
                raise LedgerFileBroken(path=self._shown, reason="it is another kind of file")
            elif found[1] != version:
                raise LedgerFileBroken(path=self._shown, reason=f"it has version {found[1]}, this program {version}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is run inside is written together, or nothing of it is; inside another it is a part of that one."""
        if self._connection.in_transaction:
            yield
            return
        self.run("BEGIN IMMEDIATE")
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            # A commit that failed for a full disk has rolled back by itself.
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Runs one statement; how many rows it changed."""
        with self._named():
            return self._connection.execute(statement, values).rowcount

    def run_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Runs one statement for each row of values."""
        with self._named():
            self._connection.executemany(statement, rows)

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        with self._named():
            return self._connection.execute(statement, values).fetchall()

    def each(self, statement: str, values: Sequence[Any] = ()) -> Iterator[sqlite3.Row]:
        """The rows one by one, in constant memory."""
        with self._named():
            yield from self._connection.execute(statement, values)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Nothing that is run inside can write."""
        self.run("PRAGMA query_only = ON")
        try:
            yield
        finally:
            self.run("PRAGMA query_only = OFF")

    def close(self) -> None:
        self._connection.close()

    def _pragma(self, name: str) -> int:
        return int(self.rows(f"PRAGMA {name}")[0][0])

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as trouble:
            raise LedgerFileBroken(path=self._shown, reason=str(trouble)) from trouble

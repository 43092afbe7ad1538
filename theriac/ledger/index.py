"""Follows events into SQLite: resumes where it was, and undoes what the chain takes back.

The index knows no event. A handler names one and says which rows of its own table it becomes. All tables are only ever
appended to, and each row has the block it comes from, so undoing a reorganisation is to delete from a block on. A range
of blocks is written in one transaction together with the place where the next begins: a process that dies leaves the
index as it was before the range.
"""

import json
import re
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from eth_typing import ChecksumAddress, HexStr
from eth_utils.crypto import keccak
from web3 import Web3

from theriac.errors import BadHandler, ChainRefused, ChainSilent, NoAbi, WrongChain
from theriac.ledger.codec import Undecodable, from_json, name_of, to_json
from theriac.ledger.contracts import Contracts, Event, EventType
from theriac.ledger.database import Database
from theriac.ledger.node import Header, Node, PlacedLog

Value = str | int | bytes | None

_KIND = 0x54484958  # "THIX"
_SCHEMA = """
CREATE TABLE position (
    chain_id INTEGER NOT NULL,
    genesis TEXT NOT NULL,
    handlers TEXT NOT NULL,
    start INTEGER NOT NULL,
    next INTEGER NOT NULL,
    head INTEGER NOT NULL
);
CREATE TABLE passed (block INTEGER PRIMARY KEY, hash TEXT NOT NULL);
CREATE TABLE kinds (id INTEGER PRIMARY KEY, contract TEXT NOT NULL, name TEXT NOT NULL);
CREATE TABLE logged (
    block INTEGER NOT NULL,
    log_index INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    block_hash BLOB NOT NULL,
    transaction_hash BLOB NOT NULL,
    arguments TEXT NOT NULL,
    PRIMARY KEY (block, log_index)
) WITHOUT ROWID;
CREATE INDEX logged_by_kind ON logged (kind, block);
CREATE VIEW events AS
    SELECT block, log_index, '0x' || lower(hex(block_hash)) AS block_hash,
        '0x' || lower(hex(transaction_hash)) AS transaction_hash, contract, name, arguments
    FROM logged JOIN kinds ON kinds.id = logged.kind
"""

# Names that the index itself uses in every table.
_OWN_COLUMNS = ("block", "log_index")
_OWN_TABLES = ("position", "passed", "kinds", "logged")
_OWN_NAMES = (*_OWN_TABLES, "events")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_TYPES = ("TEXT", "INTEGER", "BLOB")

# Ends of ranges are remembered for as many blocks back; further back, the blocks of the events themselves serve.
_REMEMBERED = 1024

# A range begins this wide, and is steered towards so many events an answer.
_FIRST_RANGE = 512
_WIDEST_RANGE = 65_536
_EVENTS_WANTED = 5_000

# An answer over several blocks is read no further than this, in bytes: the range is halved instead. What one block can
# hold is bounded by its gas.
_LONGEST_RANGE = 2**24

# So many events at a time become rows, and so many bytes of the file are kept in memory.
_AT_A_TIME = 1_000
_CACHE = 2**25

# How ranges grow, before a node has refused one and after.
_EAGER, _CAREFUL = 2.0, 1.25

# How often in a row the chain may move while it is read.
_RESTLESS = 8

# The first integer that SQLite cannot hold.
_LARGEST = 2**63


@dataclass(frozen=True)
class Table:
    """A table that handlers fill. `columns` maps names to TEXT, INTEGER or BLOB, with NOT NULL where it is meant.

    The index adds `block` and `log_index` to each, and an index in SQLite for each group of columns in `indexes`.
    """

    name: str
    columns: Mapping[str, str]
    indexes: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Handler:
    """An event to follow, and what becomes of it.

    `event` is the event's element of the ABI of `contract`, which stands at `address`. `rows` gives, for each such
    event, the rows of `table` without the columns that the index adds; it must depend on nothing but the event. Every
    event is kept in the index's own `events` too, without a table only there. `version` is to be raised when `rows`
    changes: the index then starts anew.
    """

    contract: str
    address: ChecksumAddress
    event: Mapping[str, Any]
    table: Table | None = None
    rows: Callable[[Event], Iterable[Mapping[str, Value]]] | None = None
    version: int = 1

    @classmethod
    def of(
        cls,
        contracts: Contracts,
        contract: str,
        event: str,
        *,
        table: Table | None = None,
        rows: Callable[[Event], Iterable[Mapping[str, Value]]] | None = None,
        version: int = 1,
    ) -> "Handler":
        """A handler of an event of a deployed contract. Raises NoAbi, NotDeployed."""
        declared = contracts.event(contract, event)
        address = contracts.deployment[contract].address
        return cls(contract=contract, address=address, event=declared, table=table, rows=rows, version=version)


@dataclass(frozen=True)
class Progress:
    """Where an index stands.

    `block` is the last one in it (before the first: none is), `settled` the last one at depth, `head` the chain's last;
    `events` were added and `undone` blocks taken back since the sync began.
    """

    block: int
    settled: int
    head: int
    events: int
    undone: int


class Index:
    """The events of some contracts on disk. An index is for one thread; several processes may share its file."""

    def __init__(
        self,
        path: Path,
        web3: Web3,
        *,
        handlers: Sequence[Handler],
        start_block: int = 0,
        depth: int = 0,
        timeout: timedelta = timedelta(seconds=20),
    ) -> None:
        """`start_block` is the first block that can hold an event, `depth` how many blocks must stand on one before it
        counts as settled; `timeout` bounds each request.

        An index of other handlers, or from another start, is emptied and begins anew. Raises BadHandler,
        LedgerFileBroken. The chain is first asked by `sync`.
        """
        self._node = Node(web3, timeout=timeout)
        self._handlers = tuple(handlers)
        self._start = start_block
        self._depth = depth
        self._types = _checked(self._handlers)
        self._kinds = {
            place: number
            for number, place in enumerate(
                dict.fromkeys(
                    (handler.contract, kind.name) for pairs in self._types.values() for handler, kind in pairs
                ),
                1,
            )
        }
        self._width, self._growth = _FIRST_RANGE, _EAGER
        self._claimed = False
        self._database = Database(
            path, kind=_KIND, version=2, schema=_SCHEMA, durable=False, cache=_CACHE, follows=True
        )
        self._path = path
        self._begin()

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> "Index":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- following the chain -----------------------------------------------------------------------------------------

    def sync(self, to: int | None = None, *, report: Callable[[Progress], None] | None = None) -> Progress:
        """Follows the chain up to block `to`, or to its head, and undoes what it took back. Tells `report` on the way.

        Raises WrongChain, ChainLied, and what a chain can raise; what was read before that stays.
        """
        self._claim()
        added = undone = restless = 0
        while True:
            head = self._node.head()
            undone += self._undo()
            start = self._next()
            last = head.number if to is None else min(to, head.number)
            if start <= last:
                found = self._follow(start, last, head)
                added += found or 0
                restless = restless + 1 if found is None else 0
                if restless > _RESTLESS:
                    self._node.lied(f"its blocks from {start} on are others each time it is asked")
                time.sleep(0.01 * 2**restless if restless else 0)
            with self._database.transaction():
                self._database.run("UPDATE position SET head = ?", (head.number,))
            progress = self._progress(head.number, added, undone)
            if report is not None:
                report(progress)
            if self._next() > last:
                return progress

    def _follow(self, start: int, last: int, head: Header) -> int | None:
        """Adds one range of blocks that begins at `start`; how many events. None where the chain moved meanwhile."""
        end = min(last, start + self._width - 1)
        before = head if end == head.number else self._node.header(end)
        if before is None:
            return None
        try:
            logs = self._logs(start, end)
        except (ChainRefused, ChainSilent):
            if end == start:
                raise
            self._width = (end - start + 1) // 2
            self._growth = _CAREFUL
            return 0

        # (1) the events are of the chain that ends with `before`, if that block stood on both sides of the question
        after = self._node.header(end)
        if after is None or after.hash != before.hash or self._is_gone(start - 1):
            return None
        # (2) they do not contradict each other
        self._check(logs, start, end, before)
        # (3) where forks are possible, each is of a block of that chain: several nodes may answer at one address
        recent = {(log.block, log.block_hash) for log in logs if log.block > head.number - self._depth}
        if any(self._is_gone(*block) for block in recent):
            return None

        found = len(logs)
        if not self._write(start, end, before.hash, logs):
            return 0
        if end - start + 1 == self._width:
            wanted = _EVENTS_WANTED * self._width // max(found, 1)
            self._width = max(1, min(int(self._growth * self._width) + 1, wanted, _WIDEST_RANGE))
        return found

    def _logs(self, start: int, end: int) -> list[PlacedLog]:
        addresses = sorted({handler.address for handler in self._handlers})
        topics = sorted({"0x" + topic.hex() for _, topic in self._types})
        if not addresses:
            return []
        question = {"fromBlock": hex(start), "toBlock": hex(end), "address": addresses, "topics": [topics]}
        longest = _LONGEST_RANGE if end > start else None
        answer = self._node.request("eth_getLogs", [question], longest=longest)
        if not isinstance(answer, list | tuple):
            self._node.lied("its answer to eth_getLogs is no list")
        if any(isinstance(part, Mapping) and part.get("removed") for part in answer):
            self._node.lied("it gives events that it says are removed")
        logs = []
        # Each part is let go of as it is read: a whole block's events are not in memory twice.
        parts = list(answer)[::-1]
        del answer
        while parts:
            log = self._node.placed_log(parts.pop())
            if log.log.address not in addresses:
                self._node.lied("it gives events of contracts that it was not asked about")
            # One contract's topic can be another's that nobody asked for.
            if (log.log.address, (log.log.topics or (b"",))[0]) in self._types:
                logs.append(log)
        return logs

    def _check(self, logs: Sequence[PlacedLog], start: int, end: int, last: Header) -> None:
        """What can be told of a node that lies: events out of the range, twice, or of two blocks of one number."""
        hashes: dict[int, HexStr] = {last.number: last.hash}
        seen: set[tuple[int, int]] = set()
        for log in logs:
            if not start <= log.block <= end:
                self._node.lied(f"asked for events of blocks {start} to {end}, it gives one of {log.block}")
            if hashes.setdefault(log.block, log.block_hash) != log.block_hash:
                self._node.lied(f"it gives events of two blocks of number {log.block}")
            if (log.block, log.log.index) in seen:
                self._node.lied(f"it gives event {log.log.index} of block {log.block} twice")
            seen.add((log.block, log.log.index))

    def _event(self, log: PlacedLog) -> Event:
        handlers = self._types[log.log.address, log.log.topics[0]]
        kind = handlers[0][1]
        try:
            arguments = kind.arguments(log.log)
        except Undecodable as fault:
            self._node.lied(f"event {log.log.index} of block {log.block} does not fit its ABI: {fault}")
        return Event(
            contract=handlers[0][0].contract,
            name=kind.name,
            arguments=arguments,
            block=log.block,
            block_hash=log.block_hash,
            transaction=log.transaction,
            index=log.log.index,
        )

    def _write(self, start: int, end: int, end_hash: HexStr, logs: list[PlacedLog]) -> bool:
        """Writes a range, unless another process was faster; `logs` is used up."""
        logs.reverse()
        with self._database.transaction():
            if self._next() != start:
                return False
            while logs:
                self._add([logs.pop() for _ in range(min(_AT_A_TIME, len(logs)))])
            self._database.run("INSERT OR REPLACE INTO passed VALUES (?, ?)", (end, end_hash))
            self._database.run("DELETE FROM passed WHERE block < ?", (end - _REMEMBERED,))
            self._database.run("UPDATE position SET next = ?", (end + 1,))
        return True

    def _add(self, logs: Sequence[PlacedLog]) -> None:
        """Some events and the rows that they become."""
        kept: list[tuple[Value, ...]] = []
        rows: dict[str, list[tuple[Value, ...]]] = {}
        for log in logs:
            event = self._event(log)
            kept.append(
                (
                    *(event.block, event.index, self._kinds[event.contract, event.name]),
                    *(bytes.fromhex(event.block_hash[2:]), bytes.fromhex(event.transaction[2:])),
                    json.dumps(to_json(dict(event.arguments))),
                )
            )
            for handler, _ in self._types[log.log.address, log.log.topics[0]]:
                if handler.table is not None:
                    rows.setdefault(_insert_into(handler.table), []).extend(_rows_of(handler, event))
        self._database.run_many("INSERT INTO logged VALUES (?, ?, ?, ?, ?, ?)", kept)
        for statement, values in rows.items():
            self._database.run_many(statement, values)

    # -- undoing -----------------------------------------------------------------------------------------------------

    def _undo(self) -> int:
        """Takes back what stands on blocks that the chain no longer has; how many blocks."""
        start = self._next()
        if not self._is_gone(start - 1):
            return 0
        good = self._last_good(start - 1)
        last = self._start - 1 if good is None else good[0]
        with self._database.transaction():
            if self._next() != start:
                return 0
            for table in ("logged", "passed", *self._tables()):
                self._database.run(f"DELETE FROM {table} WHERE block > ?", (last,))
            if good is not None:
                self._database.run("INSERT OR REPLACE INTO passed VALUES (?, ?)", good)
            self._database.run("UPDATE position SET next = ?", (last + 1,))
        return start - 1 - last

    def _last_good(self, below: int) -> tuple[int, HexStr] | None:
        """The last block below that the index remembers and the chain still has; looked for backwards, ever faster.

        A block's hash holds those of all before it: what the chain still has, it has up to one point.
        """
        size = 64
        while rows := self._database.rows(
            "SELECT block, hash FROM passed WHERE block < ? UNION SELECT * FROM "
            "(SELECT DISTINCT block, '0x' || lower(hex(block_hash)) FROM logged WHERE block < ? "
            "ORDER BY block DESC LIMIT ?) ORDER BY block DESC LIMIT ?",
            (below, below, size, size),
        ):
            known = [(int(row["block"]), HexStr(row["hash"])) for row in rows]
            if not self._is_gone(*known[-1]):
                return known[bisect_left(known, True, key=lambda block: not self._is_gone(*block))]
            below, size = known[-1][0], min(2 * size, 4096)
        return None

    def _is_gone(self, block: int, hash_: HexStr | None = None) -> bool:
        """Whether the chain no longer has a block that the index has."""
        if hash_ is None:
            rows = self._database.rows("SELECT hash FROM passed WHERE block = ?", (block,))
            if not rows:
                return False
            hash_ = HexStr(rows[0]["hash"])
        header = self._node.header(block)
        return header is None or header.hash != hash_

    # -- asking ------------------------------------------------------------------------------------------------------

    def progress(self) -> Progress:
        """Where the index stands, without asking the chain."""
        return self._progress(self._database.rows("SELECT head FROM position")[0]["head"], 0, 0)

    def events(
        self,
        contract: str | None = None,
        name: str | None = None,
        *,
        where: Mapping[str, Any] | None = None,
        since: int = 0,
        until: int | None = None,
        settled: bool = False,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> Iterator[Event]:
        """Events in the order of the chain, one by one, from block `since` up to and including `until`.

        `where` names arguments and the values they must have (no structs or arrays); `settled` leaves out what is not
        at depth. Raises BadHandler for an argument that is none.
        """
        kinds = [
            number for (of, named), number in self._kinds.items() if contract in (None, of) and name in (None, named)
        ]
        if not kinds:
            return
        wanted: list[tuple[str, Value]] = [("block >= ?", since)]
        if len(kinds) < len(self._kinds):
            wanted.append((f"kind IN ({', '.join(map(str, kinds))})", None))
        if until is not None:
            wanted.append(("block <= ?", until))
        if settled:
            wanted.append(("block <= ?", self.progress().settled))
        for argument, value in (where or {}).items():
            if not argument.isidentifier():
                raise BadHandler(handler=f"{contract}.{name}", fault=f"{argument[:40]!r} is no argument of an event")
            wanted.append((f"json_extract(arguments, '$.{argument}') IS ?", to_json(value)))
        order = "DESC" if newest_first else "ASC"
        statement = (
            f"SELECT * FROM logged WHERE {' AND '.join(condition for condition, _ in wanted)} "
            f"ORDER BY block {order}, log_index {order} LIMIT ?"
        )
        values = [value for condition, value in wanted if "?" in condition]
        named_by = {number: named for named, number in self._kinds.items()}
        types = {(handler.contract, kind.name): kind for pairs in self._types.values() for handler, kind in pairs}
        for row in self._database.each(statement, [*values, -1 if limit is None else limit]):
            kind = types[named_by[row["kind"]]]
            kept = json.loads(row["arguments"])
            yield Event(
                contract=named_by[row["kind"]][0],
                name=kind.name,
                arguments={
                    name_of(part, place): from_json(part, kept[name_of(part, place)])
                    for place, part in enumerate(kind.parameters)
                },
                block=row["block"],
                block_hash=HexStr("0x" + row["block_hash"].hex()),
                transaction=HexStr("0x" + row["transaction_hash"].hex()),
                index=row["log_index"],
            )

    def query(self, statement: str, values: Sequence[Value] = ()) -> list[dict[str, Value]]:
        """The rows of a SELECT over the tables of the handlers and `events`. Raises LedgerFileBroken if it writes."""
        with self._database.reading():
            return [dict(row) for row in self._database.rows(statement, values)]

    def touched(self) -> int:
        """A number that is another one after somebody else wrote the file; what was read before may then be old."""
        return int(self._database.rows("PRAGMA data_version")[0][0])

    # -- the file ----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Makes the handlers' tables; empties an index that was made by others."""
        made_by = self._fingerprint()
        with self._database.transaction():
            rows = self._database.rows("SELECT handlers FROM position")
            if rows and rows[0]["handlers"] == made_by:
                return
            for row in self._database.rows("SELECT name FROM sqlite_master WHERE type = 'table'"):
                if row["name"] not in _OWN_TABLES:
                    self._database.run(f"DROP TABLE {row['name']}")
            for table in _OWN_TABLES:
                self._database.run(f"DELETE FROM {table}")
            for (contract, name), number in self._kinds.items():
                self._database.run("INSERT INTO kinds VALUES (?, ?, ?)", (number, contract, name))
            for handler in self._handlers:
                if handler.table is not None:
                    self._make(handler.table)
            self._database.run("INSERT INTO position VALUES (0, '', ?, ?, ?, -1)", (made_by, self._start, self._start))

    def _make(self, table: Table) -> None:
        columns = ", ".join(f"{name} {kind}" for name, kind in table.columns.items())
        self._database.run(
            f"CREATE TABLE IF NOT EXISTS {table.name} (block INTEGER NOT NULL, log_index INTEGER NOT NULL, {columns})"
        )
        for place, group in enumerate((("block",), *table.indexes)):
            self._database.run(
                f"CREATE INDEX IF NOT EXISTS {table.name}_by_{place} ON {table.name} ({', '.join(group)})"
            )

    def _fingerprint(self) -> str:
        """Tells apart indexes that would hold other rows."""
        parts = [
            [
                *(handler.contract, handler.address, EventType(handler.event).signature, handler.version),
                [part.get("indexed", False) for part in handler.event["inputs"]],
                None
                if handler.table is None
                else [handler.table.name, dict(handler.table.columns), handler.table.indexes],
            ]
            for handler in self._handlers
        ]
        return keccak(text=json.dumps([self._start, parts])).hex()

    def _claim(self) -> None:
        """Once: the index is of this chain. Raises WrongChain."""
        if self._claimed:
            return
        chain_id, genesis = self._node.chain_id(), self._node.genesis()
        with self._database.transaction():
            found = self._database.rows("SELECT chain_id, genesis FROM position")[0]
            if not found["genesis"]:
                self._database.run("UPDATE position SET chain_id = ?, genesis = ?", (chain_id, genesis))
            elif (found["chain_id"], found["genesis"]) != (chain_id, genesis):
                raise WrongChain(
                    source=f"The index {self._path}",
                    what="first block",
                    written=f"{found['genesis']} (chain id {found['chain_id']})",
                    found=f"{genesis} (chain id {chain_id})",
                )
        self._claimed = True

    def _next(self) -> int:
        return int(self._database.rows("SELECT next FROM position")[0]["next"])

    def _tables(self) -> set[str]:
        return {handler.table.name for handler in self._handlers if handler.table is not None}

    def _progress(self, head: int, added: int, undone: int) -> Progress:
        block = self._next() - 1
        return Progress(block=block, settled=min(block, head - self._depth), head=head, events=added, undone=undone)


def _checked(handlers: Sequence[Handler]) -> dict[tuple[ChecksumAddress, bytes], list[tuple[Handler, EventType]]]:
    """The handlers by the address and topic of what they follow. Raises BadHandler."""
    types: dict[tuple[ChecksumAddress, bytes], list[tuple[Handler, EventType]]] = {}
    addresses: dict[str, ChecksumAddress] = {}
    topics: dict[tuple[str, str], bytes] = {}
    tables: dict[str, Table] = {}
    for handler in handlers:
        try:
            kind = EventType(handler.event)
        except NoAbi:
            raise _bad(handler, "the event is anonymous, and cannot be told from others") from None
        if addresses.setdefault(handler.contract, handler.address) != handler.address:
            raise _bad(handler, "two contracts have this name")
        if topics.setdefault((handler.contract, kind.name), kind.topic) != kind.topic:
            raise _bad(handler, "two events of the contract have this name")
        if (handler.table is None) != (handler.rows is None):
            raise _bad(handler, "a table needs rows, and rows a table")
        if handler.table is not None:
            _check_table(handler, handler.table)
            if tables.setdefault(handler.table.name, handler.table) != handler.table:
                raise _bad(handler, f"two tables are called {handler.table.name}")
        types.setdefault((handler.address, kind.topic), []).append((handler, kind))
    return types


def _check_table(handler: Handler, table: Table) -> None:
    if not _NAME.fullmatch(table.name) or table.name in _OWN_NAMES or table.name.startswith("sqlite_"):
        raise _bad(handler, f"no table can be called {table.name[:40]!r}")
    for name, kind in table.columns.items():
        if not _NAME.fullmatch(name) or name in _OWN_COLUMNS or kind.removesuffix(" NOT NULL") not in _TYPES:
            raise _bad(handler, f"{name[:40]!r} {kind[:40]!r} is no column")
    for group in table.indexes:
        if not group or not set(group) <= {*table.columns, *_OWN_COLUMNS}:
            raise _bad(handler, f"the table has no columns {group}")


def _insert_into(table: Table) -> str:
    columns = (*_OWN_COLUMNS, *table.columns)
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def _rows_of(handler: Handler, event: Event) -> Iterator[tuple[Value, ...]]:
    """What an event becomes in its handler's table. Raises BadHandler."""
    assert handler.table is not None
    assert handler.rows is not None
    columns = handler.table.columns
    for row in handler.rows(event):
        if row.keys() != columns.keys():
            raise _bad(handler, f"a row of it has the columns {sorted(row)}, and the table {sorted(columns)}")
        values = tuple(row[column] for column in columns)
        if not all(_fits(value) for value in values):
            raise _bad(handler, "a value of it is neither a text, bytes, an integer of 64 bits, nor None")
        yield (event.block, event.index, *values)


def _fits(value: object) -> bool:
    if isinstance(value, int):
        return -_LARGEST <= value < _LARGEST
    return value is None or isinstance(value, str | bytes)


def _bad(handler: Handler, fault: str) -> BadHandler:
    return BadHandler(handler=f"{handler.contract}.{handler.event.get('name')}", fault=fault)

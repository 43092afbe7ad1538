"""What a member knows of packs: the sheets it was given, in a file, so that a serial is found in microseconds."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from theriac.errors import NotOnTheShelf
from theriac.ledger.database import Database
from theriac.medicine.packs import BatchKey, Product
from theriac.medicine.placed import Leaves, Serials
from theriac.medicine.sheets import GRAIN, Sheet
from theriac.medicine.tree import BATCH, CAPACITY, EMPTY_AT, Shape, Tree, height_of, indexes_of, is_below

_KIND = 0x54_48_53_48
_SCHEMA = """
CREATE TABLE batches (
    owner INTEGER PRIMARY KEY,
    batch BLOB NOT NULL UNIQUE,
    maker INTEGER NOT NULL,
    key BLOB NOT NULL,
    product TEXT NOT NULL,
    lot TEXT NOT NULL,
    expiry TEXT NOT NULL,
    pallet_bits INTEGER NOT NULL,
    case_bits INTEGER NOT NULL
);
CREATE TABLE packs (owner INTEGER NOT NULL, place INTEGER NOT NULL, serial TEXT NOT NULL, PRIMARY KEY (owner, place))
    WITHOUT ROWID;
CREATE TABLE serials (serial TEXT NOT NULL, owner INTEGER NOT NULL, place INTEGER NOT NULL,
    PRIMARY KEY (serial, owner, place)) WITHOUT ROWID;
CREATE TABLE hidden (owner INTEGER NOT NULL, place INTEGER NOT NULL, leaf BLOB NOT NULL, PRIMARY KEY (owner, place))
    WITHOUT ROWID;
CREATE TABLE nodes (owner INTEGER NOT NULL, node INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (owner, node))
    WITHOUT ROWID;
CREATE TABLE sheets (
    owner INTEGER NOT NULL,
    node INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (owner, node, digest)
) WITHOUT ROWID;
CREATE INDEX sheets_by_digest ON sheets (digest);
CREATE TABLE drafts (owner INTEGER PRIMARY KEY, terms TEXT NOT NULL);
CREATE TABLE wanted (
    batch BLOB NOT NULL,
    node INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (batch, node, digest)
) WITHOUT ROWID;
CREATE TABLE followed (block INTEGER NOT NULL)
"""

# With so many packs a sheet is worth more memory while it is written.
_LARGE = 1 << 14
_PAGES = "PRAGMA cache_size = -{}"
_USUAL_KIB, _LARGE_KIB = 2_000, 64_000

# How many values are asked for in one statement.
_MOST = 500


@dataclass(frozen=True)
class KnownPack:
    """Where a pack lies that a sheet told of."""

    batch: bytes
    index: int


@dataclass(frozen=True)
class KnownBatch:
    """What a sheet told of a batch."""

    batch: bytes
    maker: int
    key: BatchKey
    product: Product
    shape: Shape


@dataclass(frozen=True)
class WantedSheet:
    """A sheet of goods that were handed over to this member, which it does not have."""

    batch: bytes
    node: int
    digest: bytes


class Shelf:
    """The packs that a member knows. One thread at a time; several processes may share the file."""

    def __init__(self, path: Path | None) -> None:
        """`path` None keeps everything in memory."""
        self._database = Database(path, kind=_KIND, version=2, schema=_SCHEMA, durable=True)
        self._batches: dict[bytes, KnownBatch] = {}
        self._owners: dict[bytes, int] = {}

    def close(self) -> None:
        self._database.close()

    # -- taking in ---------------------------------------------------------------------------------------------------

    def add(
        self,
        sheet: Sheet,
        *,
        batch: bytes,
        digest: bytes = b"",
        tree: Tree | None = None,
        draft: Mapping[str, Any] | None = None,
    ) -> None:
        """Takes a sheet in, once it was found to belong to the batch; all of it or nothing.

        `tree` is the sheet's own, where that was made already. `draft` marks the batch as not yet on the chain, with
        what it needs to get there.

        :raises SheetDoesNotFit: it is not of the batch.
        """
        if tree is None:
            tree = sheet.check(batch)
        large = len(sheet.serials) + len(sheet.hidden) >= _LARGE
        if large:
            self._database.run(_PAGES.format(_LARGE_KIB))
        try:
            with self._database.transaction():
                owner = self._own(sheet, batch)
                self._add_rows("packs", ((owner, index, told) for index, told in Serials.of(sheet.serials).rows()))
                self._list_serials(owner, indexes_of(sheet.node))
                self._add_rows("hidden", ((owner, index, leaf) for index, leaf in Leaves.of(sheet.hidden).pairs()))
                self._add_rows("nodes", ((owner, node, found) for node, found in _kept_nodes(sheet, tree)))
                self._database.run(
                    "DELETE FROM hidden WHERE owner = ?1 AND place IN (SELECT place FROM packs WHERE owner = ?1 AND "
                    "place IN (SELECT place FROM hidden WHERE owner = ?1))",
                    (owner,),
                )
                self._database.run("INSERT OR REPLACE INTO sheets VALUES (?, ?, ?)", (owner, sheet.node, digest))
                self._database.run("DELETE FROM wanted WHERE batch = ? AND node = ?", (batch, sheet.node))
                if draft is not None:
                    self._database.run("INSERT OR REPLACE INTO drafts VALUES (?, ?)", (owner, json.dumps(dict(draft))))
        finally:
            if large:
                self._database.run(_PAGES.format(_USUAL_KIB))

    def _own(self, sheet: Sheet, batch: bytes) -> int:
        """The number of a batch in this file."""
        expiry = sheet.product.expiry.isoformat() if sheet.product.expiry else ""
        self._database.run(
            "INSERT OR IGNORE INTO batches (batch, maker, key, product, lot, expiry, pallet_bits, case_bits) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(batch, sheet.maker, sheet.key.secret, sheet.product.code, sheet.product.lot, expiry),
                *(sheet.shape.pallet_bits, sheet.shape.case_bits),
            ),
        )
        return int(self._database.rows("SELECT owner FROM batches WHERE batch = ?", (batch,))[0][0])

    def _list_serials(self, owner: int, below: range) -> None:
        """Packs are kept by place and found by serial. A million are sorted sooner than each is put into its place."""
        self._database.run(
            "INSERT OR IGNORE INTO serials SELECT serial, owner, place FROM packs "
            "WHERE owner = ? AND place >= ? AND place < ? ORDER BY serial, owner, place",
            (owner, below.start, below.stop),
        )

    def _add_rows(self, table: str, rows: Iterable[tuple[object, ...]]) -> None:
        self._database.run_many(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", rows)

    def has_sheet(self, digest: bytes) -> bool:
        """Whether the sheet with this digest was taken in."""
        return bool(self._database.rows("SELECT 1 FROM sheets WHERE digest = ?", (digest,)))

    # -- what is under way -------------------------------------------------------------------------------------------

    def drafts(self) -> dict[bytes, dict[str, Any]]:
        """The batches that were made here and not yet seen on the chain, with what they need to get there."""
        rows = self._database.rows("SELECT batch, terms FROM drafts JOIN batches USING (owner) ORDER BY owner")
        return {row[0]: json.loads(row[1]) for row in rows}

    def landed(self, batch: bytes) -> None:
        """Notes that a batch is on the chain."""
        self._database.run("DELETE FROM drafts WHERE owner IN (SELECT owner FROM batches WHERE batch = ?)", (batch,))

    def forget(self, batch: bytes) -> None:
        """Forgets a batch with all that was known of it, its key too. Raises NotOnTheShelf."""
        owner = self._owner(batch)
        with self._database.transaction():
            for table in ("packs", "serials", "hidden", "nodes", "sheets", "drafts", "batches"):
                self._database.run(f"DELETE FROM {table} WHERE owner = ?", (owner,))
        self._batches.pop(batch, None)
        self._owners.pop(batch, None)

    def want(self, sheets: Iterable[WantedSheet]) -> None:
        """Remembers sheets that are to be had and are not here yet."""
        rows = [(each.batch, each.node, each.digest) for each in sheets]
        with self._database.transaction():
            self._database.run_many("INSERT OR IGNORE INTO wanted VALUES (?, ?, ?)", rows)

    def wanted(self) -> list[WantedSheet]:
        """The sheets that are to be had and are not here yet."""
        return [WantedSheet(*row) for row in self._database.rows("SELECT batch, node, digest FROM wanted")]

    @property
    def followed(self) -> int:
        """The last block whose handoffs were looked at; -1 before the first."""
        rows = self._database.rows("SELECT block FROM followed")
        return int(rows[0][0]) if rows else -1

    @followed.setter
    def followed(self, block: int) -> None:
        with self._database.transaction():
            self._database.run("DELETE FROM followed")
            self._database.run("INSERT INTO followed VALUES (?)", (block,))

    # -- finding -----------------------------------------------------------------------------------------------------

    def find(self, product: str, serial: str) -> list[KnownPack]:
        """Where packs with this product and serial lie: mostly one, none where no sheet told of it."""
        rows = self._database.rows(
            "SELECT batch, place FROM serials CROSS JOIN batches USING (owner) WHERE serial = ? AND product = ?",
            (serial, product),
        )
        return [KnownPack(row[0], row[1]) for row in rows]

    def find_many(self, product: str, serials: Iterable[str]) -> Iterator[tuple[str, KnownPack]]:
        """The serials that are known of a product, and where; in no order."""
        if not self._database.rows("SELECT 1 FROM batches WHERE product = ?", (product,)):
            return
        for some in _chunks(serials, _MOST):
            marks = ", ".join("?" * len(some))
            rows = self._database.rows(
                "SELECT serial, batch, place FROM serials CROSS JOIN batches USING (owner) "
                f"WHERE serial IN ({marks}) AND product = ?",
                (*some, product),
            )
            for row in rows:
                yield row[0], KnownPack(row[1], row[2])

    def going_on(self, product: str, serial: str) -> Iterator[tuple[str, KnownBatch]]:
        """Serials that begin with this one and go on: one of each batch of the product that has such a pack."""
        for owner, batch in self._database.rows("SELECT owner, batch FROM batches WHERE product = ?", (product,)):
            rows = self._database.rows(
                "SELECT serial FROM serials WHERE serial > ? AND serial < ? AND owner = ? LIMIT 1",
                (serial, serial + chr(0x10FFFF), owner),
            )
            if rows:
                yield rows[0][0], self.batch(batch)

    def batch(self, batch: bytes) -> KnownBatch:
        """What is known of a batch. Raises NotOnTheShelf."""
        if batch not in self._batches:
            rows = self._database.rows("SELECT * FROM batches WHERE batch = ?", (batch,))
            if not rows:
                raise NotOnTheShelf(what=f"batch {batch.hex()[:16]}")
            [row] = rows
            expiry = date.fromisoformat(row["expiry"]) if row["expiry"] else None
            self._batches[batch] = KnownBatch(
                batch=batch,
                maker=row["maker"],
                key=BatchKey(row["key"]),
                product=Product(row["product"], row["lot"], expiry),
                shape=Shape(row["pallet_bits"], row["case_bits"]),
            )
            self._owners[batch] = row["owner"]
        return self._batches[batch]

    def _owner(self, batch: bytes) -> int:
        self.batch(batch)
        return self._owners[batch]

    def batches(self) -> list[KnownBatch]:
        """Every batch that a sheet told of."""
        return [self.batch(row[0]) for row in self._database.rows("SELECT batch FROM batches ORDER BY owner")]

    def serials(self, batch: bytes, node: int) -> Serials:
        """The serials below a node, by index. Raises NotOnTheShelf for an unknown batch."""
        return Serials((row[0], row[1]) for row in self._told("packs", "serial", batch, node))

    def _hidden(self, batch: bytes, node: int) -> Leaves:
        return Leaves((row[0], row[1]) for row in self._told("hidden", "leaf", batch, node))

    def _told(self, table: str, column: str, batch: bytes, node: int) -> Iterator[Any]:
        below = indexes_of(node)
        return self._database.each(
            f"SELECT place, {column} FROM {table} WHERE owner = ? AND place >= ? AND place < ? ORDER BY place",
            (self._owner(batch), below.start, below.stop),
        )

    def knows_whole(self, batch: bytes) -> bool:
        """Whether every pack of the batch was told of, so that what is not here does not exist."""
        whole = self._database.rows(
            "SELECT owner FROM sheets JOIN batches USING (owner) WHERE batch = ? AND node = ?", (batch, BATCH)
        )
        return bool(whole) and not self._database.rows(
            "SELECT 1 FROM hidden WHERE owner = ? LIMIT 1", (self._owner(batch),)
        )

    def sheet(self, batch: bytes, node: int) -> Sheet:
        """The sheet of a node, from all sheets that told of it. Raises NotOnTheShelf where a part is unknown."""
        known = self.batch(batch)
        top = self._sheet_above(batch, node)
        return Sheet(
            maker=known.maker,
            key=known.key,
            product=known.product,
            shape=known.shape,
            node=node,
            serials=self.serials(batch, node),
            upper=self._upper(batch, node, top=top),
            hidden=self._hidden(batch, node),
        )

    def proof(self, pack: KnownPack) -> list[bytes]:
        """The 20 nodes beside the way from a pack to the root, lowest first. Raises NotOnTheShelf."""
        node = CAPACITY | pack.index
        return self._upper(pack.batch, node, top=self._sheet_above(pack.batch, node))

    def root(self, batch: bytes) -> bytes:
        """The root of a batch that a sheet of the whole of it told of. Raises NotOnTheShelf."""
        top = self._sheet_above(batch, BATCH)
        return self._kept(batch, [top])[top]

    def manifest(self, batch: bytes) -> bytes:
        """The digest of a sheet of the whole batch. Raises NotOnTheShelf."""
        rows = self._database.rows(
            "SELECT digest FROM sheets WHERE owner = ? AND node = ? ORDER BY digest", (self._owner(batch), BATCH)
        )
        if not rows:
            raise NotOnTheShelf(what=f"batch {batch.hex()[:16]} as a whole")
        return bytes(rows[0][0])

    def _sheet_above(self, batch: bytes, node: int) -> int:
        """The node of a sheet that told of `node`: the highest, since that one knows most."""
        above = [node >> levels for levels in range(node.bit_length())]
        marks = ", ".join("?" * len(above))
        rows = self._database.rows(
            f"SELECT MIN(node) FROM sheets WHERE owner = ? AND node IN ({marks})", (self._owner(batch), *above)
        )
        if rows[0][0] is None:
            raise NotOnTheShelf(what=f"place {node} of batch {batch.hex()[:16]}")
        return int(rows[0][0])

    def _upper(self, batch: bytes, node: int, *, top: int) -> list[bytes]:
        """The nodes beside the way from `node` to the root; those above the grain are kept, those below are hashed."""
        found: list[bytes] = []
        grain = min(GRAIN, height_of(top))
        if height_of(node) < grain:
            base = node >> (grain - height_of(node))
            found = self._tree(batch, base).siblings(node)
            node = base
        beside = [(node >> levels) ^ 1 for levels in range(node.bit_length() - 1)]
        kept = self._kept(batch, beside)
        for each in beside:
            if each not in kept and not is_below(each, top):
                raise NotOnTheShelf(what=f"place {each} of batch {batch.hex()[:16]}")
            found.append(kept.get(each, EMPTY_AT[height_of(each)]))
        return found

    def _tree(self, batch: bytes, node: int) -> Tree:
        known = self.batch(batch)
        return Sheet(
            maker=known.maker,
            key=known.key,
            product=known.product,
            shape=known.shape,
            node=node,
            serials=self.serials(batch, node),
            upper=(),
            hidden=self._hidden(batch, node),
        ).tree()

    def _kept(self, batch: bytes, nodes: Sequence[int]) -> dict[int, bytes]:
        marks = ", ".join("?" * len(nodes))
        rows = self._database.rows(
            f"SELECT node, hash FROM nodes WHERE owner = ? AND node IN ({marks})", (self._owner(batch), *nodes)
        )
        return {row[0]: bytes(row[1]) for row in rows}


def _kept_nodes(sheet: Sheet, tree: Tree) -> Iterator[tuple[int, bytes]]:
    """What is beside the way up, and what is not empty within the sheet, from the grain on."""
    node = sheet.node
    for sibling in sheet.upper:
        yield node ^ 1, sibling
        node >>= 1
    yield from tree.occupied(floor=GRAIN)


def _chunks(values: Iterable[str], size: int) -> Iterator[list[str]]:
    some: list[str] = []
    for value in values:
        some.append(value)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some

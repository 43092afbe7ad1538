"""What a member knows of packs: the sheets it was given, in a file, so that a serial is found in microseconds."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from theriac.errors import NotOnTheShelf
from theriac.ledger.database import Database
from theriac.medicine.packs import BatchKey, Product
from theriac.medicine.sheets import Sheet
from theriac.medicine.tree import CAPACITY, DEPTH, EMPTY_AT, Shape, Tree, height_of, indexes_of, is_below

_KIND = 0x54_48_53_48
_SCHEMA = """
CREATE TABLE batches (
    batch BLOB PRIMARY KEY,
    maker INTEGER NOT NULL,
    key BLOB NOT NULL,
    product TEXT NOT NULL,
    lot TEXT NOT NULL,
    expiry TEXT NOT NULL,
    pallet_bits INTEGER NOT NULL,
    case_bits INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE packs (
    product TEXT NOT NULL,
    serial TEXT NOT NULL,
    batch BLOB NOT NULL,
    place INTEGER NOT NULL,
    PRIMARY KEY (product, serial, batch, place)
) WITHOUT ROWID;
CREATE INDEX packs_placed ON packs (batch, place);
CREATE TABLE hidden (batch BLOB NOT NULL, place INTEGER NOT NULL, leaf BLOB NOT NULL, PRIMARY KEY (batch, place))
    WITHOUT ROWID;
CREATE TABLE nodes (batch BLOB NOT NULL, node INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (batch, node))
    WITHOUT ROWID;
CREATE TABLE sheets (
    batch BLOB NOT NULL,
    node INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (batch, node, digest)
) WITHOUT ROWID
"""


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


class Shelf:
    """The packs that a member knows. One thread at a time; several processes may share the file."""

    def __init__(self, path: Path | None) -> None:
        """`path` None keeps everything in memory."""
        self._database = Database(path, kind=_KIND, version=1, schema=_SCHEMA, durable=True)
        self._batches: dict[bytes, KnownBatch] = {}

    def close(self) -> None:
        self._database.close()

    # -- taking in ---------------------------------------------------------------------------------------------------

    def add(self, sheet: Sheet, *, batch: bytes, digest: bytes = b"", tree: Tree | None = None) -> None:
        """Takes a sheet in, once it was found to belong to the batch; all of it or nothing. `tree` is the sheet's own,
        where that was made already. Raises SheetDoesNotFit.
        """
        if tree is None:
            tree = sheet.check(batch)
        expiry = sheet.product.expiry.isoformat() if sheet.product.expiry else ""
        product = sheet.product.code
        with self._database.transaction():
            self._database.run(
                "INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(batch, sheet.maker, sheet.key.secret, product, sheet.product.lot, expiry),
                    *(sheet.shape.pallet_bits, sheet.shape.case_bits),
                ),
            )
            self._add_rows("packs", 4, ((product, serial, batch, index) for index, serial in sheet.serials.items()))
            self._add_rows("hidden", 3, ((batch, index, leaf) for index, leaf in sheet.hidden.items()))
            self._add_rows("nodes", 3, ((batch, node, found) for node, found in _kept_nodes(sheet, tree)))
            self._database.run(
                "DELETE FROM hidden WHERE batch = ?1 AND place IN (SELECT place FROM packs WHERE batch = ?1)", (batch,)
            )
            self._database.run("INSERT OR REPLACE INTO sheets VALUES (?, ?, ?)", (batch, sheet.node, digest))
        self._batches.pop(batch, None)

    def _add_rows(self, table: str, columns: int, rows: Iterable[tuple[object, ...]]) -> None:
        marks = ", ".join("?" * columns)
        self._database.run_many(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows)

    def has_sheet(self, digest: bytes) -> bool:
        """Whether the sheet with this digest was taken in."""
        return bool(self._database.rows("SELECT 1 FROM sheets WHERE digest = ?", (digest,)))

    # -- finding -----------------------------------------------------------------------------------------------------

    def find(self, product: str, serial: str) -> list[KnownPack]:
        """Where packs with this product and serial lie: mostly one, none where no sheet told of it."""
        rows = self._database.rows("SELECT batch, place FROM packs WHERE product = ? AND serial = ?", (product, serial))
        return [KnownPack(row[0], row[1]) for row in rows]

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
        return self._batches[batch]

    def batches(self) -> list[KnownBatch]:
        """Every batch that a sheet told of."""
        return [self.batch(row[0]) for row in self._database.rows("SELECT batch FROM batches ORDER BY batch")]

    def serials(self, batch: bytes, node: int) -> dict[int, str]:
        """The serials below a node, by index."""
        below = indexes_of(node)
        rows = self._database.rows(
            "SELECT place, serial FROM packs WHERE batch = ? AND place >= ? AND place < ?",
            (batch, below.start, below.stop),
        )
        return {row[0]: row[1] for row in rows}

    def knows_whole(self, batch: bytes) -> bool:
        """Whether every pack of the batch was told of, so that what is not here does not exist."""
        whole = self._database.rows("SELECT 1 FROM sheets WHERE batch = ? AND node = 1", (batch,))
        hidden = self._database.rows("SELECT 1 FROM hidden WHERE batch = ? LIMIT 1", (batch,))
        return bool(whole) and not hidden

    def sheet(self, batch: bytes, node: int) -> Sheet:
        """The sheet of a node, from all sheets that told of it. Raises NotOnTheShelf where a part is unknown."""
        known = self.batch(batch)
        top = self._sheet_above(batch, node)
        below = indexes_of(node)
        rows = self._database.rows(
            "SELECT place, leaf FROM hidden WHERE batch = ? AND place >= ? AND place < ?",
            (batch, below.start, below.stop),
        )
        serials = self.serials(batch, node)
        return Sheet(
            maker=known.maker,
            key=known.key,
            product=known.product,
            shape=known.shape,
            node=node,
            serials=serials,
            upper=self._upper(batch, node, top=top),
            hidden={row[0]: row[1] for row in rows if row[0] not in serials},
        )

    def proof(self, pack: KnownPack) -> list[bytes]:
        """The 20 nodes beside the way from a pack to the root, lowest first. Raises NotOnTheShelf."""
        node = CAPACITY | pack.index
        top = self._sheet_above(pack.batch, node)
        case = min(top, node >> self.batch(pack.batch).shape.case_bits, key=height_of)
        part = self.sheet(pack.batch, case)
        return part.siblings(pack.index, part.tree())

    def _sheet_above(self, batch: bytes, node: int) -> int:
        """The node of a sheet that told of `node`: the highest, since that one knows most."""
        rows = self._database.rows("SELECT DISTINCT node FROM sheets WHERE batch = ? ORDER BY node", (batch,))
        for row in rows:
            if is_below(node, row[0]):
                return int(row[0])
        raise NotOnTheShelf(what=f"place {node} of batch {batch.hex()[:16]}")

    def _upper(self, batch: bytes, node: int, *, top: int) -> list[bytes]:
        found = []
        while node != 1:
            found.append(self._hash(batch, node ^ 1, top=top))
            node >>= 1
        return found

    def _hash(self, batch: bytes, node: int, *, top: int) -> bytes:
        rows = self._database.rows("SELECT hash FROM nodes WHERE batch = ? AND node = ?", (batch, node))
        if rows:
            return bytes(rows[0][0])
        if not is_below(node, top):
            raise NotOnTheShelf(what=f"place {node} of batch {batch.hex()[:16]}")
        case_bits = self.batch(batch).shape.case_bits
        if height_of(node) >= case_bits:
            return EMPTY_AT[height_of(node)]
        part = self.sheet(batch, node >> (case_bits - height_of(node)))
        return part.tree().node(node)


def _kept_nodes(sheet: Sheet, tree: Tree) -> Iterable[tuple[int, bytes]]:
    """What is beside the way up, and within the sheet what is not empty, from cases on; the rest is soon recomputed."""
    node = sheet.node
    for sibling in sheet.upper:
        yield node ^ 1, sibling
        node >>= 1
    height = min(sheet.shape.case_bits, height_of(sheet.node))
    nodes = {(1 << DEPTH | index) >> height for index in (*sheet.serials, *sheet.hidden)}
    for _ in range(height, height_of(sheet.node) + 1):
        for each in nodes:
            yield each, tree.node(each)
        nodes = {each >> 1 for each in nodes}

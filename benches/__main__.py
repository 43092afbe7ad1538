"""Runs every bench and prints a table. Speeds of a shared machine are noise; the ratios are not."""

import hashlib
import io
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from rich.console import Console
from rich.table import Table

from benches import commissioning, scanning
from theriac.crypto import age
from theriac.crypto.recipients import HybridIdentity
from theriac.health.bundle import IndexFile, Opening, compose, read_index
from theriac.health.hours import HOURS, Nodes
from theriac.health.vault import Account, Entry, Vault
from theriac.store import LocalStore, compute

CHUNK = 64 * 1024
SIZES = {"4 KiB": 4 << 10, "1 MiB": 1 << 20, "100 MiB": 100 << 20}
RECORDS = 10_000
CLASS = "laboratory/N"


@dataclass(frozen=True)
class Figure:
    """One measurement: seconds, and what was measured beside it in the same run."""

    what: str
    seconds: float
    beside: str
    seconds_beside: float

    @property
    def ratio(self) -> float:
        """How much of the speed of what stands beside it: 1 is as fast."""
        return self.seconds_beside / self.seconds


def timed(act: Callable[[], object], *, least: float = 0.3) -> float:
    """The fastest of some runs, in seconds; short acts are repeated until they can be measured."""
    best, spent = float("inf"), 0.0
    while spent < least:
        begun = time.perf_counter()
        act()
        took = time.perf_counter() - begun
        best, spent = min(best, took), spent + took
    return best


def sealing(folder: Path) -> list[Figure]:
    """Seal, name and store, then fetch and open, beside the slower of the two primitives alone."""
    store = LocalStore(folder / "store")
    return [figure for name, size in SIZES.items() for figure in _sealing(name, os.urandom(size), store)]


def _sealing(name: str, data: bytes, store: LocalStore) -> list[Figure]:
    identity = HybridIdentity.generate()
    alone = {"ChaCha20-Poly1305 alone": timed(lambda: _encrypt(data)), "SHA-256 alone": timed(lambda: _hash(data))}
    slower = max(alone, key=lambda label: alone[label])
    put = timed(lambda: store.put(age.sealing_reader(io.BytesIO(data), to=[identity.recipient])))
    cid = store.put(age.sealing_reader(io.BytesIO(data), to=[identity.recipient]))
    got = timed(lambda: age.open_(store.get(cid), identities=[identity]).read())
    return [
        Figure(f"seal and store {name}", put, slower, alone[slower]),
        Figure(f"fetch and open {name}", got, slower, alone[slower]),
    ]


def _encrypt(data: bytes) -> None:
    cipher = ChaCha20Poly1305(bytes(32))
    for at in range(0, len(data), CHUNK):
        cipher.encrypt(at.to_bytes(12, "big"), data[at : at + CHUNK], None)


def _hash(data: bytes) -> None:
    hashlib.sha256(data).digest()


def listing() -> list[Figure]:
    """The index of 10,000 records, published and listed, and one code looked up in it."""
    hour = 60_000
    vault = Vault()
    account = vault.open_account(Account("0x" + "11" * 20, 0, home=True, own=True), classes=[CLASS], hour=hour)
    for number in range(RECORDS):
        summary = {"title": f"Result {number}", "date": "2026-01-01", "codes": [f"http://loinc.org|{number}-1"]}
        vault.add(Entry(account.pseudonym, f"{number:064x}", 1, CLASS, 1, hour, hour * 3600 + number, summary))
    composing = timed(lambda: compose(vault, account, hour=hour))
    composed = compose(vault, account, hour=hour)
    tree = account.trees[CLASS].newest
    opening = Opening(account.pseudonym, CLASS, 1, hour, Nodes.covering(tree.seed, [(0, HOURS)]))
    digest = composed.publication.indexes[CLASS]
    sealed = next(blob for blob in composed.files if _names(blob, digest))
    file = IndexFile(account.pseudonym, CLASS, digest, hour)

    found = timed(lambda: [e for e in read_index(sealed, file, [opening]) if "77-1" in str(e.summary["codes"])])
    hashing = timed(lambda: _hash(sealed))
    return [
        Figure(f"publish an index of {RECORDS:,} records", composing, "SHA-256 of it", hashing),
        Figure(f"list {RECORDS:,} records and find a code", found, "SHA-256 of it", hashing),
    ]


def _names(blob: bytes, digest: str) -> bool:
    return compute(io.BytesIO(blob)).digest.hex() == digest


def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory(prefix="theriac-bench-") as folder:
        figures = [*sealing(Path(folder)), *listing()]
    table = Table("what", "ms", "beside", "ms", "ratio")
    for each in figures:
        table.add_row(
            each.what, f"{each.seconds * 1e3:.2f}", each.beside, f"{each.seconds_beside * 1e3:.2f}", f"{each.ratio:.2f}"
        )
    Console().print(table)
    Console().print(scanning.table())
    Console().print(commissioning.table())


if __name__ == "__main__":
    main()

"""The vectors of a day's root, computed a second time from the page alone, and held against the package."""

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

from theriac.health.days import DayRow, Proofs

PATH = Path(__file__).resolve().parents[2] / "docs" / "protocol" / "vectors" / "days.json"
VECTORS: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162, section 2.1.1, as it is written there."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while 2 * half < len(leaves):
        half *= 2
    return hashlib.sha256(b"\x01" + root(leaves[:half]) + root(leaves[half:])).digest()


def entry(values: dict[str, Any]) -> bytes:
    """What a row's leaf is the hash of, as the page says it."""
    records = root([leaf_hash(bytes.fromhex(each)) for each in values["records"]])
    return b"".join(
        (
            b"theriac/v1/day",
            values["member"].to_bytes(4, "big"),
            bytes.fromhex(values["pseudonym"][2:]),
            bytes.fromhex(values["salt"]),
            values["rows"].to_bytes(4, "big"),
            len(values["records"]).to_bytes(4, "big"),
            records,
            values["cls"].encode(),
        )
    )


def test_vectors_of_a_day__are_what_the_package_writes() -> None:
    spec = importlib.util.spec_from_file_location("make_days", PATH.with_name("make_days.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    assert module.vectors() == VECTORS


def test_vectors_of_a_day__from_the_page_alone__are_the_same() -> None:
    documents = [json.loads(row["document"]) for row in VECTORS["rows"]]

    leaves = [leaf_hash(entry(each)) for each in documents]

    assert [each.hex() for each in leaves] == [row["leaf"] for row in VECTORS["rows"]]
    assert root(leaves).hex() == VECTORS["root"]
    assert [each["place"] for each in documents] == [0, 1, 2]


def test_vectors_of_a_day__the_package_takes_them() -> None:
    for row in VECTORS["rows"]:
        proofs = Proofs.decode(row["document"].encode())
        proofs.check(DayRow(proofs.pseudonym, 7, 1, bytes.fromhex(VECTORS["root"]), bytes(32), 1))

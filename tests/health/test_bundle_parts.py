"""What a patient seals for others, of a patient who means ill: rows, capsules and indexes are read as what they are."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from theriac.crypto.recipients import HybridIdentity
from theriac.errors import BadDocument
from theriac.health import documents
from theriac.health.bundle import Bundle, Capsule, Inboxes, IndexFile, Opening, WriterFile, read_index
from theriac.health.hours import HOURS, Nodes, cover

ROOT = Path(__file__).resolve().parent.parent.parent
OPENING = json.loads((ROOT / "docs" / "protocol" / "vectors" / "documents.json").read_bytes())["opening"]["opening"]
PATIENT = OPENING["source"]
READER = HybridIdentity.generate()

ROW = {"cls": "laboratory/N", "generation": 1, "first": 98_000, "until": 98_100, "recipient": str(READER.recipient)}
ROWS = {"pseudonym": PATIENT, "rows": [ROW], "receipts": ["ab" * 32]}
CAPSULE = {
    "pseudonym": PATIENT,
    "reader": PATIENT,
    "openings": [OPENING],
    "keys": [{"source": PATIENT, "digest": "ab" * 32, "key": "07" * 16}],
    "indexes": [{"source": PATIENT, "cls": "laboratory/N", "digest": "ab" * 32, "hour": 98_000}],
    "inboxes": [{"source": PATIENT, "seed": "07" * 32}],
}


def bundle_of(kind: str, values: Mapping[str, Any]) -> Bundle:
    sealed = documents.seal(documents.encode(kind, values), to=READER.recipient)
    return Bundle(PATIENT, 1, Inboxes(PATIENT, {}, 1, ""), (sealed,), (), "")


def capsule(values: Mapping[str, Any]) -> Capsule | None:
    return bundle_of("capsule", values).capsule(READER)


def rows(values: Mapping[str, Any]) -> WriterFile | None:
    return bundle_of("rows", values).writer_file(READER)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("openings", {"source": "somebody"}),
        ("openings", {"first": -1}),
        ("openings", {"first": HOURS + 1}),
        ("openings", {"generation": True}),
        ("openings", {"nodes": "7"}),
        ("openings", {"nodes": [[21, 0, "00" * 32]]}),
        ("openings", {"cls": 7}),
        ("openings", {"more": 7}),
        ("keys", {"source": PATIENT.lower()}),
        ("keys", {"digest": "ab"}),
        ("keys", {"key": "07" * 15}),
        ("keys", {"key": "zz" * 16}),
        ("indexes", {"source": "somebody"}),
        ("indexes", {"hour": "98000"}),
        ("indexes", {"hour": 1 << 52}),
        ("indexes", {"digest": ""}),
        ("inboxes", {"source": ""}),
        ("inboxes", {"seed": "07"}),
    ],
)
def test_capsule__with_what_does_not_belong_there__is_refused(part: str, change: dict[str, Any]) -> None:
    read = capsule(CAPSULE)
    assert read is not None
    assert [read.openings[0].source, read.keys[0].source, read.indexes[0].source, read.inboxes[0].source] == [
        PATIENT
    ] * 4

    with pytest.raises(BadDocument):
        capsule({**CAPSULE, part: [{**CAPSULE[part][0], **change}]})


@pytest.mark.parametrize(
    "change", [{"first": "98000"}, {"first": -1}, {"until": HOURS + 1}, {"generation": 1.5}, {"recipient": 7}, {"x": 1}]
)
def test_rows__with_what_does_not_belong_there__are_refused(change: dict[str, Any]) -> None:
    read = rows(ROWS)
    assert read is not None
    assert [(each.first, each.until) for each in read.rows] == [(98_000, 98_100)]

    with pytest.raises(BadDocument):
        rows({**ROWS, "rows": [{**ROW, **change}]})


def entries(change: Mapping[str, Any]) -> list[Any]:
    """The entries of an index of one, changed."""
    hour = 98_000
    opening = Opening(PATIENT, "laboratory/N", 1, hour - 10, Nodes(cover(b"\7" * 32, since=hour - 10, end=hour + 10)))
    key = opening.nodes.identity(hour)
    assert key is not None
    entry = {"digest": "ab" * 32, "author": 1, "generation": 1, "first": hour, "anchored": 1_900_000_000, "summary": {}}
    part = rfc8785.dumps({"kind": "part", "format": 1, "entries": [{**entry, **change}]})
    sealed = base64.b64encode(documents.seal(part, to=key.recipient)).decode()
    parts = [{"generation": 1, "first": hour, "sealed": sealed}]
    index = documents.encode("index", {"pseudonym": PATIENT, "cls": "laboratory/N", "parts": parts})
    file = IndexFile(PATIENT, "laboratory/N", "00" * 32, hour)
    return read_index(documents.seal(index, to=key.recipient), file, [opening])


@pytest.mark.parametrize(
    "change",
    [
        {"anchored": -1},
        {"anchored": 253_402_300_800},
        {"summary": {"codes": "loinc"}},
        {"summary": {"codes": [7]}},
        {"summary": {"title": 7}},
        {"summary": {"date": ["2031"]}},
        {"summary": {"size": "7"}},
        {"summary": {"size": -1}},
        {"summary": []},
    ],
)
def test_index__with_what_cannot_be_shown__is_refused(change: dict[str, Any]) -> None:
    [read] = entries({"summary": {"title": "Liver values", "codes": ["loinc|1742-6 ALT"], "size": 7}})
    assert read.summary["title"] == "Liver values"

    with pytest.raises(BadDocument):
        entries(change)

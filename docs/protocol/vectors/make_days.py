"""Writes days.json: a day's root over three rows, and what proves each. `python docs/protocol/vectors/make_days.py`

It writes the same bytes every time.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from theriac.crypto.merkle import Tree
from theriac.health.days import Proofs, Row, leaf_of

MEMBER = 7
ROWS = (
    Row("0x" + "0a" * 20, "imaging/N", tuple(hashlib.sha256(b"record %d" % each).hexdigest() for each in range(3))),
    Row("0x" + "0b" * 20, "imaging/V", (hashlib.sha256(b"record 3").hexdigest(),)),
    Row("0x" + "0a" * 20, "laboratory/N", (hashlib.sha256(b"record 4").hexdigest(),)),
)


def vectors() -> dict[str, Any]:
    """The file's content."""
    salts = [hashlib.sha256(b"salt %d" % each).digest() for each in range(len(ROWS))]
    leaves = [leaf_of(MEMBER, row, salt=salt, rows=len(ROWS)) for row, salt in zip(ROWS, salts, strict=True)]
    tree = Tree(leaves)
    proofs = [
        Proofs(
            member=MEMBER,
            pseudonym=row.pseudonym,
            cls=row.cls,
            salt=salt.hex(),
            place=place,
            rows=len(ROWS),
            siblings=tuple(each.hex() for each in tree.path(place)),
            records=row.records,
        )
        for place, (row, salt) in enumerate(zip(ROWS, salts, strict=True))
    ]
    return {
        "root": tree.root.hex(),
        "rows": [
            {"leaf": leaf.hex(), "document": proof.encode().decode()}
            for leaf, proof in zip(leaves, proofs, strict=True)
        ],
    }


if __name__ == "__main__":
    path = Path(__file__).with_name("days.json")
    path.write_text(json.dumps(vectors(), indent=2) + "\n", encoding="utf-8")

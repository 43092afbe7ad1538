"""Writes readings.json, what every client must compute alike of receipts, when it is run as a program.

It writes the same bytes every time. The keys in it are made up and worth nothing.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from theriac.crypto.merkle import Tree
from theriac.health.accesslog import encode_letter
from theriac.health.flow import encode_disclosure
from theriac.health.receipts import NOBODY, NOTHING, Proof, Receipt, signed
from theriac.ledger.signer import KeySigner
from theriac.ledger.typed import Domain

TARGET = Path(__file__).with_name("readings.json")

READER = KeySigner(bytes([0x11]) * 32)
PSEUDONYM = str(KeySigner(bytes([0x22]) * 32).address)
COLLEAGUE = str(KeySigner(bytes([0x33]) * 32).address)
DOMAIN = Domain("Theriac AccessLog", "1", 8_437_422, "0x5FbDB2315678afecb367f032d93F642f64180aa3")
SECOND = 1_893_459_600


def receipts() -> list[Receipt]:
    """Three receipts of one reader: it opens, exports, and hands a key on."""
    first = Receipt(
        reader=str(READER.address),
        member=1,
        pseudonym=PSEUDONYM,
        number=1,
        previous=NOTHING,
        record="aa" * 32,
        cls="laboratory/N",
        purpose="TREAT",
        rule="own grant",
        act="open",
        to=NOBODY,
        time=SECOND,
        salt="01" * 32,
    )
    found = [_signed(first)]
    for act, cls, rule, to in (
        ("export", "mental-health/R", "grant to the member", NOBODY),
        ("hand to staff", "genomics/V", "single record", COLLEAGUE),
    ):
        number = len(found) + 1
        following = replace(
            first,
            number=number,
            previous=found[-1].digest(DOMAIN),
            record=f"{number:02x}" * 32,
            cls=cls,
            rule=rule,
            act=act,
            to=to,
            time=SECOND + 60 * number,
            salt=f"{number:02x}" * 32,
        )
        found.append(_signed(following))
    return found


def _signed(receipt: Receipt) -> Receipt:
    return signed(receipt, READER.sign_message(receipt.signable(DOMAIN)))


def vectors() -> dict[str, Any]:
    """Every vector, inputs beside outputs."""
    listed = receipts()
    tree = Tree([receipt.leaf for receipt in listed])
    proofs = [
        Proof(receipt, tree.root.hex(), len(listed), place, tuple(node.hex() for node in tree.path(place)))
        for place, receipt in enumerate(listed)
    ]
    return {
        "domain": vars(DOMAIN),
        "receipts": [
            {
                "document": receipt.encode().decode(),
                "digest": receipt.digest(DOMAIN),
                "leaf": receipt.leaf.hex(),
                "path": list(proof.path),
            }
            for receipt, proof in zip(listed, proofs, strict=True)
        ],
        "root": tree.root.hex(),
        "letter": encode_letter(PSEUDONYM, proofs).decode(),
        "disclosure": encode_disclosure(proofs[:1]).decode(),
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(vectors(), indent=2) + "\n", encoding="utf-8")

"""Other bytes that say what a document or a signature says: none of them may be read."""

import json
from typing import Any

SECP256K1 = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
HEXADECIMAL = ("nonce", "signature", "batch", "question")


def written(values: dict[str, Any]) -> bytes:
    """Values as RFC 8785 writes them, as far as they are ASCII and whole numbers."""
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()


def other_spellings(data: bytes) -> dict[str, bytes]:
    """A document of kind and format in other spellings, by what is different."""
    values = json.loads(data)
    assert written(values) == data
    name = next(each for each in HEXADECIMAL if any(letter.isalpha() for letter in values.get(each, "")))
    return {
        "spaces": json.dumps(values, sort_keys=True).encode(),
        "another order": json.dumps(dict(reversed(values.items())), separators=(",", ":")).encode(),
        "an escape": data.replace(b'"kind"', b'"\\u006bind"', 1),
        "a field that nobody asked for": written({**values, "note": ""}),
        "capital letters": written({**values, name: values[name].upper()}),
        "a space in a number in hexadecimal": written({**values, name: values[name][:2] + " " + values[name][2:]}),
        "a format that equals one": data.replace(b'"format":1', b'"format":true', 1),
        "another number that equals one": data.replace(b'"format":1', b'"format":1.0', 1),
    }


def other_signatures(signature: bytes) -> list[bytes]:
    """The three that anybody makes of a signature, and by which a library finds the same account."""
    r, s, v = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
    high = (SECP256K1 - s).to_bytes(32, "big")
    return [r + high + bytes([55 - v]), signature[:64] + bytes([v - 27]), r + high + bytes([28 - v])]

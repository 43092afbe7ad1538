"""The vectors of docs/protocol/delegations.md, computed once more from the page and not by the package."""

import hmac
import json
import runpy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import rfc8785
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils import keccak, to_checksum_address

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "protocol" / "vectors"
VECTORS: dict[str, Any] = json.loads((FOLDER / "delegations.json").read_text(encoding="utf-8"))


def word(value: int | bytes) -> bytes:
    return value.to_bytes(32, "big") if isinstance(value, int) else value.rjust(32, b"\0")


def tail(value: bytes) -> bytes:
    """A byte string as the ABI has it: its length, and itself in whole words."""
    return word(len(value)) + value.ljust(-(-len(value) // 32) * 32, b"\0")


def test_vectors__are_what_their_script_makes() -> None:
    assert runpy.run_path(str(FOLDER / "make_delegations.py"))["text"]() == (FOLDER / "delegations.json").read_text()


def test_quorum__its_holder_and_its_proof() -> None:
    vector = VECTORS["quorum"]
    members = [bytes.fromhex(each[2:]) for each in vector["members"]]
    salt = bytes.fromhex(vector["salt"])
    listed = word(len(members)) + b"".join(map(word, members))
    signed = [tail(bytes.fromhex(vector["signatures"].get(each, ""))) for each in vector["members"]]
    offsets = [word(32 * len(signed) + sum(map(len, signed[:place]))) for place in range(len(signed))]
    signatures = word(len(signed)) + b"".join(offsets) + b"".join(signed)

    packed = word(bytes.fromhex(vector["pseudonym"][2:])) + salt + word(96) + listed
    proof = word(32) + salt + word(96) + word(96 + len(listed)) + listed + signatures

    assert members == sorted(members)
    assert vector["holder"] == to_checksum_address(keccak(packed)[12:])
    assert vector["proof"] == proof.hex()


def test_programme__its_signature_and_its_commitment() -> None:
    vector = VECTORS["programme"]
    document = vector["document"].encode()
    values = json.loads(document)

    unsigned = rfc8785.dumps({**values, "signature": ""})
    signed = encode_defunct(primitive=b"Theriac programme\n" + unsigned)

    assert rfc8785.dumps(values) == document
    assert Account.recover_message(signed, signature=bytes.fromhex(values["signature"])) == vector["account"]
    packed = b"Theriac programme\n" + bytes.fromhex(vector["salt"]) + document
    assert vector["commitment"] == to_checksum_address(keccak(packed)[12:])


def test_referral__its_nodes_are_of_just_those_hours() -> None:
    vector = VECTORS["referral"]
    values = json.loads(vector["document"])
    [opening] = values["openings"]

    hours: list[int] = []
    for depth, index, key in opening["nodes"]:
        width = 1 << (20 - depth)
        hours += range(index * width, (index + 1) * width)
        expected = bytes.fromhex(vector["seed"])
        for level in reversed(range(depth)):
            expected = hmac.digest(expected, bytes([index >> level & 1]), "sha256")
        assert key == expected.hex()

    assert hours == list(range(vector["since"], vector["end"]))
    assert rfc8785.dumps(values) == vector["document"].encode()


def test_referred__is_its_fields_in_their_one_order() -> None:
    # given, as the page names them
    vector = VECTORS["referred"]
    fields = ("pseudonym", "reader", "purpose", "classes", "since", "nonce")
    assert set(vector) == {*fields, "document"}

    # when
    parts = [f'"{name}":{json.dumps(vector[name], separators=(",", ":"))}' for name in fields]
    written = "{" + ",".join(sorted([*parts, '"format":1', '"kind":"referred"'])) + "}"

    # then
    assert vector["document"] == written


def test_referred__tells_of_the_grant_of_the_referral() -> None:
    told, letter = VECTORS["referred"], json.loads(VECTORS["referral"]["document"])

    shared = ("pseudonym", "reader", "purpose", "classes")
    assert [told[name] for name in shared] == [letter[name] for name in shared]


def test_mondays__are_the_next_five() -> None:
    for vector in VECTORS["mondays"]:
        days = [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in vector["mondays"]]

        assert [(day.weekday(), day.hour) for day in days] == [(0, 0)] * 5
        assert 0 < vector["mondays"][0] - vector["hour"] <= 168

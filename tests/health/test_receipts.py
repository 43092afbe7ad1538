"""Receipts as docs/protocol/readings.md writes them: computed a second time here, and refused where they are broken."""

import hashlib
import json
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_abi import encode
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from eth_utils.crypto import keccak

from theriac.errors import BadDocument
from theriac.health.accesslog import decode_letter
from theriac.health.flow import decode_disclosure, shares_of
from theriac.health.receipts import Proof, Receipt
from theriac.ledger.typed import Domain

ROOT = Path(__file__).resolve().parent.parent.parent
VECTORS = json.loads((ROOT / "docs" / "protocol" / "vectors" / "readings.json").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs" / "protocol" / "readings.md").read_text(encoding="utf-8")

TYPE = (
    "Reading(address reader,uint32 member,address pseudonym,uint64 number,bytes32 previous,bytes32 record,string class,"
    "string purpose,string rule,string act,address to,uint40 time,bytes32 salt)"
)
DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
FIELDS = (
    *("reader", "member", "pseudonym", "number", "previous", "record"),
    *("cls", "purpose", "rule", "act", "to", "time", "salt"),
)


def digest_of(values: dict[str, Any]) -> bytes:
    """The hash that is signed, from the type on the page alone."""
    kinds = [each.split(" ")[0] for each in TYPE[len("Reading(") : -1].split(",")]
    words = []
    for kind, name in zip(kinds, FIELDS, strict=True):
        value = values[name]
        if kind == "string":
            kind, value = "bytes32", keccak(text=value)
        elif kind == "bytes32":
            value = bytes.fromhex(value)
        words.append(encode([kind], [value]))
    struct = keccak(keccak(text=TYPE) + b"".join(words))
    domain = VECTORS["domain"]
    named = [keccak(text=domain["name"]), keccak(text=domain["version"]), domain["chain_id"], domain["contract"]]
    separator = keccak(keccak(text=DOMAIN_TYPE) + encode(["bytes32", "bytes32", "uint256", "address"], named))
    return keccak(b"\x19\x01" + separator + struct)


def test_vectors__are_what_the_package_computes() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "protocol" / "vectors" / "make_readings.py"))

    assert made["vectors"]() == VECTORS


def test_page__writes_the_type() -> None:
    assert f"`{TYPE}`" in PAGE


def test_receipts__hash_sign_and_follow_each_other_as_the_page_says() -> None:
    before = "00" * 32
    for number, found in enumerate(VECTORS["receipts"], start=1):
        values = json.loads(found["document"])

        assert json.dumps(values, sort_keys=True, separators=(",", ":")) == found["document"]
        assert (values["number"], values["previous"]) == (number, before)
        assert digest_of(values).hex() == found["digest"]
        signer = Account._recover_hash(bytes.fromhex(found["digest"]), signature=bytes.fromhex(values["signature"]))
        assert signer == values["reader"]
        assert hashlib.sha256(b"\x00" + found["document"].encode()).hexdigest() == found["leaf"]
        before = found["digest"]


def test_typed__is_what_a_wallet_signs() -> None:
    domain = Domain(**VECTORS["domain"])
    for found in VECTORS["receipts"]:
        receipt = Receipt.decode(found["document"].encode())

        assert encode_typed_data(full_message=receipt.typed(domain)) == receipt.signable(domain)


def test_root__of_three_leaves_by_hand() -> None:
    first, second, third = (bytes.fromhex(found["leaf"]) for found in VECTORS["receipts"])

    left = hashlib.sha256(b"\x01" + first + second).digest()

    assert hashlib.sha256(b"\x01" + left + third).hexdigest() == VECTORS["root"]
    assert [found["path"] for found in VECTORS["receipts"]] == [
        [second.hex(), third.hex()],
        [first.hex(), third.hex()],
        [left.hex()],
    ]


def test_letter_and_disclosure__hold_the_proofs() -> None:
    pseudonym = json.loads(VECTORS["receipts"][0]["document"])["pseudonym"]
    proofs = decode_letter(VECTORS["letter"].encode(), pseudonym=pseudonym)
    [shown] = decode_disclosure(VECTORS["disclosure"].encode())

    assert [proof.receipt.encode().decode() for proof in proofs] == [each["document"] for each in VECTORS["receipts"]]
    assert all(proof.fits and proof.root == VECTORS["root"] and proof.leaves == 3 for proof in proofs)
    assert shown == proofs[0]
    assert [(share.shown, share.leaves, share.whole) for share in shares_of(proofs)] == [(3, 3, True)]
    assert [(share.shown, share.leaves, share.whole) for share in shares_of([shown, shown])] == [(1, 3, False)]
    with pytest.raises(BadDocument):
        decode_letter(VECTORS["letter"].encode(), pseudonym=proofs[0].receipt.reader)


def first() -> Receipt:
    return Receipt.decode(VECTORS["receipts"][0]["document"].encode())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reader", "0x00"),
        ("reader", "0x19E7E376E7C213B7E7E7E46CC70A5DD086DAFF2A".lower()),
        ("to", "nobody"),
        ("member", -1),
        ("member", 1 << 32),
        ("member", True),
        ("number", 0),
        ("number", 1 << 53),
        ("number", "1"),
        ("previous", "00" * 31),
        ("previous", "AA" * 32),
        ("record", 7),
        ("cls", "genomics/N"),
        ("cls", "laboratory"),
        ("purpose", "treatment"),
        ("rule", ""),
        ("rule", "own grant\u202e"),
        ("act", "open\n\x1b[2J"),
        ("act", "x" * 41),
        ("time", -1),
        ("time", 1 << 34),
        ("time", 253_402_300_800),
        ("time", 1.5),
        ("salt", "zz" * 32),
        ("signature", "0x00"),
        ("signature", "00" * 4097),
        ("signature", None),
    ],
)
def test_receipt__with_what_does_not_belong_there__is_refused(field: str, value: Any) -> None:
    with pytest.raises(BadDocument):
        Receipt.of({**first().values(), field: value})


def test_receipt__too_much_too_little_or_spelled_otherwise__is_refused() -> None:
    values = first().values()
    without = [{name: value for name, value in values.items() if name != left} for left in values]
    for broken in ({**values, "name": "Ann"}, *without, [], None, "receipt"):
        with pytest.raises(BadDocument):
            Receipt.of(broken)
    for document in (b"", b"{}", b" " + first().encode(), first().encode().replace(b'"receipt"', b'"letter"')):
        with pytest.raises(BadDocument):
            Receipt.decode(document)


@pytest.mark.parametrize(
    "change",
    [
        {"leaves": 0},
        {"leaves": 1 << 32},
        {"place": 3},
        {"place": -1},
        {"place": True},
        {"root": "00"},
        {"path": ["00" * 32] * 65},
        {"path": [7]},
        {"path": 7},
        {"path": ""},
        {"path": {}},
        {"receipt": {}},
        {"more": 1},
    ],
)
def test_proof__broken__is_refused(change: dict[str, Any]) -> None:
    [proof] = decode_disclosure(VECTORS["disclosure"].encode())

    with pytest.raises(BadDocument):
        Proof.of({**proof.values(), **change})


@pytest.mark.parametrize("change", [{"more": 1}, {"proofs": {}}, {"proofs": None}])
def test_letter_and_disclosure__with_too_much_or_too_little__are_refused(change: dict[str, Any]) -> None:
    letter, disclosure = ({**json.loads(VECTORS[each]), **change} for each in ("letter", "disclosure"))

    with pytest.raises(BadDocument):
        decode_letter(written(letter), pseudonym=letter["pseudonym"])
    with pytest.raises(BadDocument):
        decode_disclosure(written(disclosure))


def written(values: dict[str, Any]) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()


def test_disclosure__any_part_replaced__is_refused_or_proves_nothing() -> None:
    # given every place of a disclosure, and what a stranger may put there
    whole = json.loads(VECTORS["disclosure"])
    junk: list[Any] = [None, True, -1, 1 << 70, 1.5, "", "\x00", [], {}, [[]], {"a": []}]

    def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        return [path, *(place for key, each in inner for place in places(each, (*path, key)))]

    # then: nothing but an error of ours, or a proof that does not fit
    for place in places(whole)[1:]:
        for value in junk:
            altered = json.loads(VECTORS["disclosure"])
            target = altered
            for key in place[:-1]:
                target = target[key]
            if target[place[-1]] == value:
                continue
            target[place[-1]] = value
            try:
                proofs = decode_disclosure(json.dumps(altered, sort_keys=True, separators=(",", ":")).encode())
            except BadDocument:
                continue
            assert not any(proof.fits for proof in proofs), (place, value)


def test_signature__counts_in_its_domain_in_one_spelling_and_no_other() -> None:
    receipt, domain = first(), Domain(**VECTORS["domain"])
    raw = bytes.fromhex(receipt.signature)
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high = raw[:32] + (order - int.from_bytes(raw[32:64], "big")).to_bytes(32, "big") + bytes([55 - raw[64]])
    personal = Account.from_key(bytes([0x11]) * 32).sign_message(encode_defunct(bytes.fromhex(receipt.digest(domain))))

    assert receipt.signed_by_its_key(domain)
    for other in (high, raw[:64], raw[:64] + bytes([raw[64] - 27]), b"", bytes(65), bytes(personal.signature)):
        assert not replace(receipt, signature=other.hex()).signed_by_its_key(domain)
    assert not receipt.signed_by_its_key(replace(domain, chain_id=1))
    assert not receipt.signed_by_its_key(replace(domain, contract=receipt.pseudonym))
    assert not replace(receipt, number=2).signed_by_its_key(domain)

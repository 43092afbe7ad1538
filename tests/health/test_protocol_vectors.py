"""The vectors of docs/protocol, computed a second time from the page alone, and held against the package.

Nothing of `theriac` is used on the page's side: canonical JSON, EIP-712, EIP-191, HKDF, Bech32, Padmé and the tree are
written here anew, from their standards.
"""

import hashlib
import hmac
import importlib.util
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from eth_abi.abi import encode
from eth_keys import datatypes
from eth_utils.crypto import keccak

ROOT = Path(__file__).resolve().parent.parent.parent
PROTOCOL = ROOT / "docs" / "protocol"
PAGE = (PROTOCOL / "health.md").read_text(encoding="utf-8")
VECTORS: dict[str, Any] = json.loads((PROTOCOL / "vectors" / "documents.json").read_text(encoding="utf-8"))


# -- the standards, written anew -------------------------------------------------------------------------------------


def canonical(value: Any) -> str:
    """RFC 8785, for what documents hold: keys sort by UTF-16 code units."""
    if isinstance(value, dict):
        items = sorted(value.items(), key=lambda item: item[0].encode("utf-16-be"))
        return "{" + ",".join(f"{canonical(key)}:{canonical(each)}" for key, each in items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(canonical(each) for each in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def hkdf(secret: bytes, info: bytes) -> bytes:
    """RFC 5869 with SHA-256, no salt, 32 bytes: one round of expansion."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def personal(message: bytes) -> bytes:
    """EIP-191, version 0x45."""
    return keccak(b"\x19Ethereum Signed Message:\n" + str(len(message)).encode() + message)


def typed(type_text: str, message: dict[str, Any], domain: dict[str, Any]) -> bytes:
    """EIP-712 of a type as encodeType writes it, under a domain of the fields given."""
    kinds = {"name": "string", "version": "string", "chainId": "uint256", "verifyingContract": "address"}
    domain_type = "EIP712Domain(" + ",".join(f"{kinds[name]} {name}" for name in domain) + ")"
    return keccak(b"\x19\x01" + struct_hash(domain_type, domain) + struct_hash(type_text, message))


def struct_hash(type_text: str, message: dict[str, Any]) -> bytes:
    found = re.findall(r"(\w+)\(([^)]*)\)", type_text)
    types = {name: [field.split(" ") for field in fields.split(",")] for name, fields in found}

    def hashed(name: str, values: dict[str, Any]) -> bytes:
        text = type_text if name == found[0][0] else next(f"{n}({f})" for n, f in found if n == name)
        words = [keccak(text.encode())]
        words += [word(kind, values[field]) for kind, field in types[name]]
        return keccak(b"".join(words))

    def word(kind: str, value: Any) -> bytes:
        if kind.endswith("[]"):
            return keccak(b"".join(word(kind[:-2], each) for each in value))
        if kind == "string":
            return keccak(value.encode())
        if kind in types:
            return hashed(kind, value)
        return encode([kind], [bytes.fromhex(value) if kind == "bytes32" else value])

    return hashed(found[0][0], message)


def bech32(prefix: str, data: bytes) -> str:
    """BIP-173, without its limit of length."""
    alphabet, generator = (
        "qpzry9x8gf2tvdw0s3jn54khce6mua7l",
        (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3),
    )
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    values = [int(bits[at : at + 5], 2) for at in range(0, len(bits), 5)]
    checksum = 1
    for value in [*(ord(c) >> 5 for c in prefix), 0, *(ord(c) & 31 for c in prefix), *values, *[0] * 6]:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for place, each in enumerate(generator):
            checksum ^= each if top >> place & 1 else 0
    values += [(checksum ^ 1) >> 5 * (5 - place) & 31 for place in range(6)]
    return prefix + "1" + "".join(alphabet[value] for value in values)


def recipient_of(seed: bytes) -> str:
    """X-Wing's expansion of a seed, and age's text of the two public keys."""
    expanded = hashlib.shake_256(seed).digest(96)
    mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64]).public_key().public_bytes_raw()
    x25519 = X25519PrivateKey.from_private_bytes(expanded[64:]).public_key().public_bytes_raw()
    return bech32("age1pq", mlkem + x25519)


def padme(size: int) -> int:
    """The page's formula, with logarithms where the package has bits."""
    if size < 2:
        return size
    exponent = math.floor(math.log2(size))
    unit: int = 1 << (exponent - math.floor(math.log2(exponent)) - 1)
    return math.ceil(size / unit) * unit


def leaf_of(seed: bytes, hour: int) -> bytes:
    for level in range(19, -1, -1):
        seed = hmac.digest(seed, bytes([hour >> level & 1]), "sha256")
    return seed


def unsigned(values: dict[str, Any]) -> str:
    return canonical({**values, "signature": ""})


def signer_of(hash_: bytes, signature: str) -> str:
    """The account whose key signed, as EIP-55 writes it."""
    raw = bytes.fromhex(signature)
    compact = datatypes.Signature(raw[:64] + bytes([raw[64] - 27]))
    return str(compact.recover_public_key_from_msg_hash(hash_).to_checksum_address())


# -- the vectors -----------------------------------------------------------------------------------------------------


def test_vectors__are_what_the_package_computes() -> None:
    # given
    spec = importlib.util.spec_from_file_location("make_vectors", PROTOCOL / "vectors" / "make.py")
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)

    # when
    written = make.text()

    # then
    assert written == (PROTOCOL / "vectors" / "documents.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(("size", "padded"), VECTORS["padme"])
def test_padme__of_the_page(size: int, padded: int) -> None:
    assert padded == padme(size)


def test_canonical__sorts_by_utf_16() -> None:
    found = VECTORS["canonical"]

    again = canonical({"kind": found["kind"], "format": 1, **found["values"]})

    assert bytes.fromhex(found["bytes"]).decode() == again


def test_interval__from_seed_to_recipient() -> None:
    # given
    found = VECTORS["interval"]

    # when
    leaf = leaf_of(bytes.fromhex(found["seed"]), found["hour"])
    seed = hkdf(leaf, b"theriac/v1/interval")

    # then
    assert (leaf.hex(), bech32("age-secret-key-pq-", seed).upper(), recipient_of(seed)) == (
        found["leaf"],
        found["identity"],
        found["recipient"],
    )


def test_publisher__from_the_vaults_secret() -> None:
    # given
    found = VECTORS["publisher"]
    info = f"theriac/v1/publisher/{found['pseudonym'].lower()}/{found['serial']}".encode()

    # when
    key = datatypes.PrivateKey(hkdf(bytes.fromhex(found["secret"]), info))

    # then
    assert key.public_key.to_checksum_address() == found["address"]


def test_mark__tells_seeds_apart() -> None:
    found = VECTORS["mark"]

    again = hashlib.sha256(b"theriac/v1/mark" + bytes.fromhex(found["seed"])).hexdigest()[:16]

    assert again == found["mark"]


def test_inboxes__are_signed_by_the_controller() -> None:
    # given
    found = VECTORS["inboxes"]
    domain = {"name": "Theriac Inboxes", "version": "1"}

    # when
    hash_ = typed("Inboxes(address pseudonym,string N,string R,string V,uint32 serial)", found, domain)

    # then
    assert (hash_.hex(), signer_of(hash_, found["signature"])) == (found["hash"], found["pseudonym"])


def test_introduction__is_signed_without_its_signature() -> None:
    # given
    found = VECTORS["introduction"]
    values = json.loads(found["document"])

    # when
    hash_ = personal(b"Theriac introduction\n" + unsigned(values).encode())

    # then
    assert found["document"] == canonical(values)
    assert (hash_.hex(), signer_of(hash_, values["signature"])) == (found["hash"], values["pseudonym"])


def test_opening__covers_its_hours_and_is_signed_by_the_publisher() -> None:
    # given
    found = VECTORS["opening"]
    opening, seed = found["opening"], bytes.fromhex(found["seed"])

    # when
    hash_ = personal(b"Theriac opening\n" + hashlib.sha256(unsigned(opening).encode()).hexdigest().encode())
    leaves = {}
    for depth, index, key in opening["nodes"]:
        width = 20 - depth
        for hour in range(index << width, (index + 1) << width):
            node = bytes.fromhex(key)
            for level in range(width - 1, -1, -1):
                node = hmac.digest(node, bytes([hour >> level & 1]), "sha256")
            leaves[hour] = node

    # then
    assert leaves == {hour: leaf_of(seed, hour) for hour in range(found["since"], found["end"])}
    assert (hash_.hex(), signer_of(hash_, opening["signature"])) == (found["hash"], found["publisher"])


def test_manifest__is_signed_and_framed() -> None:
    # given
    found = VECTORS["manifest"]
    values = json.loads(found["document"])

    # when
    hash_ = personal(b"Theriac record\n" + hashlib.sha256(unsigned(values).encode()).hexdigest().encode())
    framed = 4 + len(found["document"].encode()) + len(found["content"])

    # then
    assert values["digest"] == hashlib.sha256(found["content"].encode()).hexdigest()
    assert found["framed_length"] == padme(framed)
    assert (hash_.hex(), signer_of(hash_, values["signature"])) == (found["hash"], values["account"])


def test_backup__lock_from_the_wallets_signature() -> None:
    # given
    found = VECTORS["backup"]
    warning = "Sign this only in Theriac on your own device: whoever has this signature can open your backup."
    message = {"warning": warning, "pseudonym": found["pseudonym"], "serial": found["serial"]}
    domain = {"name": "Theriac Backup", "version": "1"}

    # when
    hash_ = typed("Backup(string warning,address pseudonym,uint32 serial)", message, domain)
    seed = hkdf(bytes.fromhex(found["signature"])[:64], b"theriac/v1/backup")

    # then
    assert signer_of(hash_, found["signature"]) == found["pseudonym"]
    assert (hash_.hex(), recipient_of(seed)) == (found["hash"], found["recipient"])


@pytest.mark.parametrize("found", VECTORS["messages"], ids=lambda found: found["function"])
def test_message__hashes_as_the_page_writes_its_type(found: dict[str, Any]) -> None:
    # given
    [type_text] = re.findall(rf"\| `{re.escape(found['function'])}` \| `([^`]+)` \|", PAGE)

    # when
    hash_ = typed(type_text, found["message"], found["domain"])

    # then
    assert hash_.hex() == found["hash"]


def test_messages__every_type_of_the_page_has_a_vector() -> None:
    on_the_page = re.findall(r"\| `(\w+\.\w+)` \| `\w+\([^`]+` \|", PAGE)

    assert on_the_page == [found["function"] for found in VECTORS["messages"]]


def test_introduction__inboxes_are_those_that_were_signed() -> None:
    found = json.loads(VECTORS["introduction"]["document"])["inboxes"]

    signed = VECTORS["inboxes"]

    assert found == {name: signed[name] for name in ("N", "R", "V", "serial", "signature")}


@pytest.mark.parametrize("contract", ["Keys", "Records", "Grants", "Delegations", "Letters", "AccessLog", "Recovery"])
def test_page__writes_every_event_as_it_is(contract: str) -> None:
    # given
    abi = json.loads((ROOT / "theriac" / "abi" / f"{contract}.json").read_text(encoding="utf-8"))
    events = [each for each in abi if each["type"] == "event" and each["name"] != "EIP712DomainChanged"]

    # when
    written = [
        f"`{event['name']}("
        + ", ".join(f"{each['name']}{' indexed' if each['indexed'] else ''}" for each in event["inputs"])
        + ")`"
        for event in events
    ]

    # then
    assert [event for event in written if event not in PAGE] == []
    assert len(written) > 0

"""Writes documents.json: what every client of health must compute alike. `python docs/protocol/vectors/make.py`

It writes the same bytes every time. All secrets in it are made up and worth nothing.
"""

import json
from pathlib import Path
from typing import Any

from eth_account.messages import SignableMessage, _hash_eip191_message

from theriac.consortium import Join, Leave, Role
from theriac.crypto.recipients import HybridIdentity
from theriac.health import documents, keystore
from theriac.health.bundle import Inboxes, Opening, inbox_message
from theriac.health.guardians import GuardianSet, Object, SetGuardians, TakeOver, Withdraw
from theriac.health.hours import Nodes, identity_of, root
from theriac.health.introduction import Introduction
from theriac.health.messages import (
    CORRECT,
    SANCTIONED,
    Amend,
    Freshness,
    Grant,
    HandOver,
    Letter,
    Narrow,
    Publish,
    Report,
    Reseal,
    Resealing,
    Review,
    Revoke,
    RevokeEverything,
    Rotate,
    SetParent,
    SetPublisher,
)
from theriac.health.records import Manifest
from theriac.health.scope import Purpose
from theriac.health.vault import Account, Vault, _mark
from theriac.ledger.signer import KeySigner
from theriac.ledger.typed import Domain, Message

TARGET = Path(__file__).with_name("documents.json")

WALLET = KeySigner(bytes([0x11]) * 32)
PSEUDONYM = str(WALLET.address)
READER = "0x00000000000000000000000000000000000000Ff"
SEED, SECRET, LEAF = bytes([0x22]) * 32, bytes([0x33]) * 32, bytes([0x44]) * 32
HOUR = 51_000
SECOND = 1_761_436_800
NUMBER = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
GUARDIANS = GuardianSet(bytes(range(32)), 2, tuple(f"0x{number:040x}" for number in (1, 2, 3)))


def vectors() -> dict[str, Any]:
    """Every vector, inputs beside outputs."""
    inboxes = _inboxes()
    return {
        "padme": [[size, documents.padme(size)] for size in (0, 1, 2, 3, 9, 100, 1000, 4096, 65_537, 5_000_000_001)],
        "canonical": _canonical(),
        "interval": _interval(),
        "publisher": _publisher(),
        "mark": {"seed": SEED.hex(), "mark": _mark(SEED)},
        "inboxes": _inboxes_vector(inboxes),
        "introduction": _introduction(inboxes),
        "opening": _opening(),
        "manifest": _manifest(),
        "backup": _backup(),
        "messages": [_message(each) for each in _messages()],
    }


def _canonical() -> dict[str, Any]:
    # Keys sort by UTF-16 code units: the smiling face comes before the letter behind the surrogates.
    values = {
        "name": 'Zoë \u0007 "quoted"',
        "endpoints": {"\ufb33": "b", "\U0001f600": "a", "10": "c", "1": "d"},
        "n": -7,
    }
    return {"kind": "profile", "values": values, "bytes": documents.encode("profile", values).hex()}


def _interval() -> dict[str, Any]:
    leaf = root(SEED).leaf(HOUR)
    identity = identity_of(leaf)
    return {
        "seed": SEED.hex(),
        "hour": HOUR,
        "leaf": leaf.hex(),
        "identity": identity.unsafe_export_secret(),
        "recipient": str(identity.recipient),
    }


def _publisher() -> dict[str, Any]:
    account = Account(PSEUDONYM, 0, publisher_serial=3)
    publisher = Vault(secret=SECRET).publisher(account)
    return {"secret": SECRET.hex(), "pseudonym": PSEUDONYM, "serial": 3, "address": publisher.address}


def _inboxes() -> Inboxes:
    seeds = {"N": 0x51, "R": 0x52, "V": 0x53}
    recipients = {level: str(HybridIdentity.from_seed(bytes([seed]) * 32).recipient) for level, seed in seeds.items()}
    signature = WALLET.sign_message(inbox_message(PSEUDONYM, recipients, 2)).hex()
    return Inboxes(PSEUDONYM, recipients, 2, signature)


def _inboxes_vector(inboxes: Inboxes) -> dict[str, Any]:
    return {"pseudonym": PSEUDONYM, **inboxes.values(), "hash": _hash(inboxes.message())}


def _introduction(inboxes: Inboxes) -> dict[str, Any]:
    unsigned = Introduction(PSEUDONYM, 7, inboxes)
    signature = WALLET.sign_message(unsigned.message()).hex()
    signed = Introduction(PSEUDONYM, 7, inboxes, signature)
    return {"hash": _hash(unsigned.message()), "document": signed.encode().decode()}


def _opening() -> dict[str, Any]:
    account = Account(PSEUDONYM, 0, publisher_serial=3)
    publisher = Vault(secret=SECRET).publisher(account)
    opening = Opening(PSEUDONYM, "laboratory/N", 2, HOUR, Nodes.covering(SEED, [(HOUR, HOUR + 5)]))
    signature = bytes(publisher.sign_message(opening.signable()).signature).hex()
    return {
        "seed": SEED.hex(),
        "since": HOUR,
        "end": HOUR + 5,
        "opening": {**opening.values(), "signature": signature},
        "hash": _hash(opening.signable()),
        "publisher": publisher.address,
    }


def _manifest() -> dict[str, Any]:
    manifest = Manifest(
        PSEUDONYM,
        "laboratory/N",
        "text/plain",
        5,
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        7,
        PSEUDONYM,
        title="HbA1c",
        date="2025-10-26",
        codes=("http://loinc.org|4548-4 HbA1c",),
        place="North Clinic",
        details={"resource": "Observation"},
    )
    signature = WALLET.sign_message(manifest.signable()).hex()
    document = Manifest(**{**vars(manifest), "signature": signature}).encode()
    framed = len(document).to_bytes(4, "big") + document + b"hello"
    return {
        "hash": _hash(manifest.signable()),
        "document": document.decode(),
        "content": "hello",
        "framed_length": documents.padme(len(framed)),
    }


def _backup() -> dict[str, Any]:
    message = keystore.wrap_message(PSEUDONYM, 4)
    signature = WALLET.sign_message(message)
    lock = keystore.wallet_lock(WALLET, serial=4)
    return {
        "pseudonym": PSEUDONYM,
        "serial": 4,
        "hash": _hash(message),
        "signature": signature.hex(),
        "recipient": str(lock.recipient),
    }


def _messages() -> list[Message]:
    treat = Purpose.parse("TREAT")
    fresh = Freshness(5, 1, SECOND)
    one, two = bytes([1]) * 32, bytes([2]) * 32
    scope = 1 << 4 | 1 << 0 | 1 << 60
    return [
        Publish(PSEUDONYM, 9, one, 1, SECOND),
        Rotate(PSEUDONYM, 9, one, READER, 5, 1, SECOND),
        SetPublisher(PSEUDONYM, READER, 5, 1, SECOND),
        RevokeEverything(PSEUDONYM, 1, SECOND),
        HandOver(PSEUDONYM, READER, NUMBER, True, 5, 1, SECOND),
        Grant(PSEUDONYM, READER, treat, scope, 1_761_433_200, 1_764_028_800, fresh),
        Narrow(PSEUDONYM, READER, treat, 1 << 4, 1_761_998_400, fresh),
        Revoke(PSEUDONYM, READER, treat, fresh),
        SetParent(PSEUDONYM, 3, READER, 1_764_028_800, fresh),
        Report(PSEUDONYM, [one, two], 9, SECOND + 60, 1, SECOND),
        Reseal(PSEUDONYM, [Resealing(7, one, two)], 9, SECOND + 60, 1, SECOND),
        Amend(PSEUDONYM, CORRECT, one, two, 1, SECOND),
        Letter(PSEUDONYM, READER, one, 5, 1, SECOND),
        Review(PSEUDONYM, 7, SANCTIONED, SECOND + 60, 1, SECOND),
        SetGuardians(PSEUDONYM, GUARDIANS.hash, 5, 1, SECOND),
        TakeOver(PSEUDONYM, READER, 2, SECOND, GUARDIANS),
        Object(PSEUDONYM, 2, 1, SECOND),
        Withdraw(PSEUDONYM, READER, 2, SECOND, GUARDIANS),
        Join(READER, 7, Role.CLINICIAN | Role.GATEWAY, 5, SECOND),
        Leave(READER, 7, 5, SECOND),
    ]


def _message(message: Message) -> dict[str, Any]:
    domain = Domain(f"Theriac {message.CONTRACT}", "1", 8_437_422, NUMBER)
    return {
        "function": f"{message.CONTRACT}.{message.FUNCTION}",
        "domain": {"name": domain.name, "version": "1", "chainId": domain.chain_id, "verifyingContract": NUMBER},
        "message": _plain(message.values()),
        "hash": _hash(message.signable(domain)),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _hash(message: SignableMessage) -> str:
    return bytes(_hash_eip191_message(message)).hex()


def text() -> str:
    """The file."""
    return json.dumps(vectors(), indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")

"""Secrets at rest: one file, sealed to a lock that a passphrase or a wallet's signature opens.

A lock is a post-quantum recipient; its identity comes from a passphrase by scrypt (RFC 7914), or from a wallet's
signature by HKDF. Saving needs only the recipient, so nobody is asked twice. The same sealed bytes are the backup.
"""

import base64
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from eth_account.messages import SignableMessage
from web3 import Web3

from theriac.crypto.recipients import HybridIdentity, HybridRecipient, parse_recipient
from theriac.errors import (
    BadDocument,
    DamagedKeystore,
    HeaderTampered,
    NoMatchingIdentity,
    TheriacError,
    WalletHasCode,
    WalletNotDeterministic,
    WrongPassphrase,
)
from theriac.health import documents
from theriac.ledger.node import Node
from theriac.ledger.signer import Signer
from theriac.ledger.typed import Typed

_SCRYPT = {"n": 1 << 17, "r": 8, "p": 1}
_SECP256K1_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

WARNING = "Sign this only in Theriac on your own device: whoever has this signature can open your backup."


@dataclass(frozen=True)
class Lock:
    """What a keystore is sealed to, and how its identity is found again; `parameters` hold no secret."""

    recipient: HybridRecipient
    parameters: dict[str, Any]


def passphrase_lock(passphrase: str) -> Lock:
    """A new lock that this passphrase opens. Takes 128 MiB and some tenths of a second, right or wrong."""
    parameters = {"by": "passphrase", "salt": os.urandom(16).hex(), **_SCRYPT}
    return Lock(_by_passphrase(passphrase, parameters).recipient, parameters)


def _by_passphrase(passphrase: str, parameters: dict[str, Any]) -> HybridIdentity:
    salt = bytes.fromhex(parameters["salt"])
    if (parameters["n"], parameters["r"], parameters["p"]) != tuple(_SCRYPT.values()) or len(salt) != 16:
        raise BadDocument(kind="keystore", fault="its scrypt parameters are not ours")
    scrypt = Scrypt(salt=salt, length=32, **_SCRYPT)
    return HybridIdentity.from_seed(scrypt.derive(passphrase.encode()))


def wrap_message(pseudonym: str, serial: int) -> SignableMessage:
    """What a wallet signs to make a lock. Its domain names no chain: the same wallet opens it anywhere."""
    return Typed.of(
        {
            "types": {
                "EIP712Domain": [{"name": "name", "type": "string"}, {"name": "version", "type": "string"}],
                "Backup": [
                    {"name": "warning", "type": "string"},
                    {"name": "pseudonym", "type": "address"},
                    {"name": "serial", "type": "uint32"},
                ],
            },
            "primaryType": "Backup",
            "domain": {"name": "Theriac Backup", "version": "1"},
            "message": {"warning": WARNING, "pseudonym": pseudonym, "serial": serial},
        }
    )


def wallet_lock(wallet: Signer, *, serial: int, web3: Web3 | None = None) -> Lock:
    """A new lock that this wallet's signature opens.

    :raises WalletNotDeterministic: the wallet signs one message in two ways.
    :raises WalletHasCode: the account is a contract or borrows code; its signature proves no secret.
    """
    if web3 is not None and Node(web3).code(wallet.address):
        raise WalletHasCode(account=wallet.address)
    parameters = {"by": "wallet", "pseudonym": wallet.address, "serial": serial}
    return Lock(_by_wallet(wallet, parameters).recipient, parameters)


def _by_wallet(wallet: Signer, parameters: dict[str, Any]) -> HybridIdentity:
    message = wrap_message(str(parameters["pseudonym"]), int(parameters["serial"]))
    first, second = _scalars(wallet.sign_message(message)), _scalars(wallet.sign_message(message))
    if first != second:
        raise WalletNotDeterministic(account=wallet.address)
    return HybridIdentity.from_seed(HKDF(SHA256(), 32, None, b"theriac/v1/backup").derive(first))


def _scalars(signature: bytes) -> bytes:
    """r and the low form of s: wallets differ in v, and some in s."""
    r, s = signature[:32], int.from_bytes(signature[32:64], "big")
    if s > _SECP256K1_HALF_ORDER:
        s = _SECP256K1_ORDER - s
    return r + s.to_bytes(32, "big")


Key = Callable[[dict[str, Any]], HybridIdentity]
"""Finds the identity that opens a lock, from the lock's parameters."""


def by_passphrase(passphrase: str) -> Key:
    return lambda parameters: _by_passphrase(passphrase, parameters)


def by_wallet(wallet: Signer) -> Key:
    return lambda parameters: _by_wallet(wallet, parameters)


def seal(secret: bytes, lock: Lock) -> bytes:
    """The sealed document: a keystore's file, and a backup in the store."""
    sealed = documents.seal(secret, to=lock.recipient)
    values = {"lock": lock.parameters, "recipient": str(lock.recipient), "sealed": base64.b64encode(sealed).decode()}
    return documents.encode("keystore", values)


@dataclass(frozen=True)
class Unlocked:
    """What a sealed document held, and the lock to seal it to again."""

    secret: bytes
    lock: Lock


def unseal(document: bytes, key: Key, *, path: str) -> Unlocked:
    """:raises WrongPassphrase: the key does not open it.
    :raises DamagedKeystore: the document is not whole.
    """
    try:
        values = documents.decode("keystore", document)
        parameters, sealed = dict(values["lock"]), base64.b64decode(values["sealed"], validate=True)
        recipient = parse_recipient(str(values["recipient"]))
        identity = key(parameters)
        if identity.recipient != recipient:
            raise WrongPassphrase(path=path)
        secret = documents.open_(sealed, identities=[identity])
    except (WrongPassphrase, WalletNotDeterministic):
        raise
    except (NoMatchingIdentity, HeaderTampered):
        raise DamagedKeystore(path=path, fault="its seal does not fit its lock") from None
    except (TheriacError, KeyError, TypeError, ValueError, AttributeError) as fault:
        raise DamagedKeystore(path=path, fault=type(fault).__name__) from None
    return Unlocked(secret, Lock(identity.recipient, parameters))


class Keystore:
    """One secret in one file, readable by its owner alone; a save is whole or did not happen."""

    def __init__(self, path: Path, lock: Lock) -> None:
        self.path = path
        self.lock = lock

    @classmethod
    def create(cls, path: Path, secret: bytes, lock: Lock) -> "Keystore":
        keystore = cls(path, lock)
        keystore.save(secret)
        return keystore

    def save(self, secret: bytes) -> bytes:
        """Replaces the file; gives the sealed bytes that are in it now."""
        document = seal(secret, self.lock)
        write_private(self.path, document)
        return document

    @classmethod
    def unlock(cls, path: Path, key: Key) -> tuple["Keystore", bytes]:
        """The keystore at a path and the secret in it."""
        try:
            document = path.read_bytes()
        except OSError as fault:
            raise DamagedKeystore(path=str(path), fault=fault.strerror or "it cannot be read") from None
        unlocked = unseal(document, key, path=str(path))
        return cls(path, unlocked.lock), unlocked.secret


def write_private(path: Path, data: bytes) -> None:
    """Writes a file that only its owner reads, whole or not at all.

    :raises DamagedKeystore: it cannot be written; what was there stays.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    except OSError as fault:
        raise DamagedKeystore(path=str(path), fault=fault.strerror or "it cannot be written") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as fault:
        Path(temporary).unlink(missing_ok=True)
        raise DamagedKeystore(path=str(path), fault=fault.strerror or "it cannot be written") from None
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)

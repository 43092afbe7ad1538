"""Secrets at rest: one file, sealed to a lock that a passphrase, a wallet's signature or guardians' shares open.

A lock is a post-quantum recipient; its identity comes from a passphrase by scrypt (RFC 7914), from a wallet's signature
by HKDF, or from a secret that guardians restore together (SLIP-39). Saving needs only the recipient, so nobody is asked
twice. The same sealed bytes are the backup, which may have a second lock beside the first.
"""

import base64
import os
import random
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from eth_account.messages import SignableMessage
from web3 import Web3

from theriac.crypto import shares
from theriac.crypto.recipients import HybridIdentity, HybridRecipient, Identity, parse_recipient
from theriac.errors import (
    BadDocument,
    BadShare,
    DamagedKeystore,
    HeaderTampered,
    NoMatchingIdentity,
    TheriacError,
    TooFewShares,
    WalletHasCode,
    WalletNotDeterministic,
    WrongPassphrase,
)
from theriac.health import documents
from theriac.ledger.node import Node
from theriac.ledger.signer import HIGHEST_S, ORDER, Signer
from theriac.ledger.typed import Typed

_SCRYPT = {"n": 1 << 17, "r": 8, "p": 1}

WARNING = "Sign this only in Theriac on your own device: whoever has this signature can open your backup."


@dataclass(frozen=True)
class Lock:
    """What a keystore is sealed to, and how its identity is found again; `parameters` hold no secret."""

    recipient: HybridRecipient
    parameters: dict[str, Any]


def passphrase_lock(passphrase: str) -> Lock:
    """A new lock that this passphrase opens. Takes 128 MiB and some tenths of a second, right or wrong."""
    parameters = {"by": "passphrase", "salt": _new_salt().hex(), **_SCRYPT}
    return Lock(_by_passphrase(passphrase, parameters).recipient, parameters)


def _new_salt() -> bytes:
    return os.urandom(16)


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
    if s > HIGHEST_S:
        s = ORDER - s
    return r + s.to_bytes(32, "big")


@dataclass(frozen=True)
class Shared:
    """A new lock that any k of n shares open, and the shares, each a line of words."""

    lock: Lock
    words: tuple[str, ...] = field(repr=False)


def shares_lock(holders: Sequence[HybridRecipient | None], *, k: int, home: str) -> Shared:
    """A new lock that any k of the holders open together.

    The share of a holder with a recipient lies sealed beside the lock, padded with others that nobody opens, so that a
    new lock needs nobody to carry anything; that of a holder without one is for paper.

    :raises BadThreshold: see `theriac.crypto.shares.split`.
    """
    secret = os.urandom(32)
    words = shares.split(secret, k=k, n=len(holders))
    letters = [documents.encode("share", {"home": home, "words": each}) for each in words]
    sealed = [
        documents.seal(letter, to=holder) for holder, letter in zip(holders, letters, strict=True) if holder is not None
    ]
    drawn = random.SystemRandom()
    while len(sealed) < shares.MOST:
        nobody = HybridIdentity.generate().recipient
        sealed.append(documents.seal(bytes(len(drawn.choice(letters))), to=nobody))
    drawn.shuffle(sealed)
    parameters = {"by": "shares", "shares": [base64.b64encode(each).decode() for each in sealed]}
    return Shared(Lock(_by_secret(secret).recipient, parameters), words)


def _by_secret(secret: bytes) -> HybridIdentity:
    return HybridIdentity.from_seed(HKDF(SHA256(), 32, None, b"theriac/v1/backup-by-shares").derive(secret))


def share_in(document: bytes, identities: Sequence[Identity], *, home: str) -> str:
    """The words of the share that a backup holds for one of these identities.

    :raises NoMatchingIdentity: it holds none.
    :raises BadDocument: it is no backup.
    """
    for parameters, _ in _locks(documents.decode("keystore", document)):
        shares = parameters.get("shares", [])
        if not isinstance(shares, list) or not all(isinstance(each, str) for each in shares):
            raise BadDocument(kind="backup", fault="a share in it is broken")
        for sealed in shares:
            try:
                opened = documents.open_(base64.b64decode(sealed, validate=True), identities=identities)
            except NoMatchingIdentity:
                continue
            except ValueError:
                raise BadDocument(kind="backup", fault="a share in it is broken") from None
            values = documents.decode("share", opened)
            # A share of somebody else's would be handed on under her name.
            if values.get("home") == home:
                return str(values.get("words", ""))
    raise NoMatchingIdentity(tried=len(identities))


Key = Callable[[dict[str, Any]], HybridIdentity]
"""Finds the identity that opens a lock, from the lock's parameters."""


def by_passphrase(passphrase: str) -> Key:
    return lambda parameters: _by_passphrase(passphrase, parameters)


def by_wallet(wallet: Signer) -> Key:
    return lambda parameters: _by_wallet(wallet, parameters)


def by_shares(words: Iterable[str]) -> Key:
    """Raises BadShare or TooFewShares where they do not restore the secret."""
    given = tuple(words)
    return lambda parameters: _by_secret(shares.join(given))


def seal(secret: bytes, lock: Lock, *others: Lock) -> bytes:
    """The sealed document: a keystore's file, and a backup in the store, which each of its locks opens alone."""
    sealed = documents.seal(secret, to=lock.recipient, others=[each.recipient for each in others])
    values: dict[str, Any] = {
        "lock": lock.parameters,
        "recipient": str(lock.recipient),
        "sealed": base64.b64encode(sealed).decode(),
    }
    if others:
        values["others"] = [{"lock": each.parameters, "recipient": str(each.recipient)} for each in others]
    return documents.encode("keystore", values)


def _locks(values: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """The parameters and recipients of a document's locks, its own first."""
    try:
        every = [values, *values.get("others", ())]
        return [(dict(each["lock"]), str(each["recipient"])) for each in every]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadDocument(kind="keystore", fault="a lock of it is missing or broken") from None


@dataclass(frozen=True)
class Unlocked:
    """What a sealed document held, and the lock to seal it to again."""

    secret: bytes = field(repr=False)
    lock: Lock


def unseal(document: bytes, key: Key, *, path: str, by: str = "") -> Unlocked:
    """What is in a document, by its own lock, or by the one that is `by` shares.

    :raises WrongPassphrase: the key does not open it.
    :raises BadShare: the shares are not its guardians'. Raises TooFewShares where there are not enough.
    :raises DamagedKeystore: the document is not whole.
    """
    try:
        values = documents.decode("keystore", document)
        sealed = base64.b64decode(values["sealed"], validate=True)
        fitting = [each for each in _locks(values) if not by or each[0].get("by") == by]
        if not fitting:
            raise BadDocument(kind="keystore", fault=f"nothing opens it by {by}")
        parameters, named = fitting[0]
        recipient = parse_recipient(named)
        identity = key(parameters)
        if identity.recipient != recipient:
            raise BadShare(number=0, fault="they open another backup") if by else WrongPassphrase(path=path)
        secret = documents.open_(sealed, identities=[identity])
    except (WrongPassphrase, WalletNotDeterministic, BadShare, TooFewShares):
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

"""Whom an age file is sealed to, and who opens it: the native recipients and identities of the age format.

    kind             recipient      identity                  stanza
    HybridRecipient  age1pq1…       AGE-SECRET-KEY-PQ-1…      mlkem768x25519   post-quantum, the default
    X25519Recipient  age1…          AGE-SECRET-KEY-1…         X25519           where a reader has no other

A recipient is public and prints itself as Bech32. An identity is secret: its text and its repr say nothing, and
`unsafe_export_secret` is the only way to read it. Passphrase (scrypt), tagged and plugin recipients are left out.

C2SP age specification, "Native recipient types"; the key encapsulation is MLKEM768-X25519 (X-Wing) of
draft-ietf-hpke-pq inside HPKE (RFC 9180), and X25519 is RFC 7748. All of it comes from `cryptography`.
"""

import base64
import binascii
import functools
import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final, NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from theriac.crypto import bech32
from theriac.errors import BadFileKey, BadIdentity, BadRecipient, HeaderMalformed, NotBech32

FILE_KEY_LENGTH: Final = 16
_SEED_LENGTH: Final = 32
_X25519_LENGTH: Final = 32
_MLKEM768_LENGTH: Final = 1184
_MLKEM768_SEED_LENGTH: Final = 64
_HYBRID_LENGTH: Final = _MLKEM768_LENGTH + _X25519_LENGTH
_HYBRID_ENC_LENGTH: Final = 1088 + _X25519_LENGTH
_WRAPPED_LENGTH: Final = FILE_KEY_LENGTH + 16
_LONGEST_TEXT: Final = 4096
_X25519_PRIME: Final = 2**255 - 19
_ZERO_NONCE: Final = bytes(12)
_X25519_INFO: Final = b"age-encryption.org/v1/X25519"
_HYBRID_INFO: Final = b"age-encryption.org/mlkem768x25519"
_HYBRID_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


class _Secret:
    """Bytes that no print, log or traceback may show."""

    _bytes: bytes

    def __repr__(self) -> str:
        return f"{type(self).__name__}(secret)"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return hmac.compare_digest(self._bytes, other._bytes)

    def __hash__(self) -> int:
        return hash((type(self), self._bytes))


@dataclass(frozen=True, repr=False, eq=False)
class FileKey(_Secret):
    """The 16 random bytes under which one file, and only that one, is sealed. Raises BadFileKey for another length."""

    _bytes: bytes

    def __post_init__(self) -> None:
        if len(self._bytes) != FILE_KEY_LENGTH:
            raise BadFileKey(length=len(self._bytes))

    @classmethod
    def generate(cls) -> "FileKey":
        return cls(os.urandom(FILE_KEY_LENGTH))

    def unsafe_export_secret(self) -> bytes:
        """The 16 bytes. Whoever has them opens the file."""
        return self._bytes


@dataclass(frozen=True)
class Stanza:
    """One part of an age header: arguments (the first names the kind) and a body. It wraps the file key once."""

    args: tuple[str, ...]
    body: bytes


@dataclass(frozen=True)
class Wrapped:
    """A file key wrapped for one recipient. All recipients of a file must carry equal labels."""

    stanza: Stanza
    labels: frozenset[str]


class Recipient(Protocol):
    """Whom a file can be sealed to."""

    def wrap(self, file_key: FileKey) -> Wrapped:
        """Wrap the file key with fresh randomness."""
        ...


class Identity(Protocol):
    """Who can open a file."""

    def unwrap(self, stanzas: Sequence[Stanza]) -> FileKey | None:
        """The file key, or None where no stanza is for this identity.

        Raises HeaderMalformed for a stanza of this identity's kind that breaks the rules of that kind.
        """
        ...


POSTQUANTUM: Final = frozenset({"postquantum"})
"""The labels of recipients that withstand a quantum computer; age gives the others none."""


@dataclass(frozen=True)
class X25519Recipient:
    """A classic recipient, `age1…`: 32 bytes. Raises BadRecipient for bytes that no identity could have."""

    public_key: bytes
    prefix: ClassVar[str] = "age"

    def __post_init__(self) -> None:
        if len(self.public_key) != _X25519_LENGTH:
            raise BadRecipient(fault=f"its key has {len(self.public_key)} bytes, not {_X25519_LENGTH}")
        _check_x25519(self.public_key)

    def __str__(self) -> str:
        return bech32.encode(self.public_key, prefix=self.prefix)

    def wrap(self, file_key: FileKey) -> Wrapped:
        ephemeral = X25519PrivateKey.generate()
        share = ephemeral.public_key().public_bytes_raw()
        shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(self.public_key))

        key = _x25519_wrap_key(shared, share=share, recipient=self.public_key)
        body = ChaCha20Poly1305(key).encrypt(_ZERO_NONCE, file_key.unsafe_export_secret(), None)
        return Wrapped(stanza=Stanza(args=("X25519", to_base64(share)), body=body), labels=frozenset())


@dataclass(frozen=True)
class HybridRecipient:
    """A post-quantum recipient, `age1pq1…`: an ML-KEM-768 key of 1184 bytes, then an X25519 key of 32.

    Raises BadRecipient for bytes that no identity could have.
    """

    public_key: bytes
    prefix: ClassVar[str] = "age1pq"

    def __post_init__(self) -> None:
        if len(self.public_key) != _HYBRID_LENGTH:
            raise BadRecipient(fault=f"its key has {len(self.public_key)} bytes, not {_HYBRID_LENGTH}")
        try:
            MLKEM768PublicKey.from_public_bytes(self.public_key[:_MLKEM768_LENGTH])
        except ValueError:
            raise BadRecipient(fault="its ML-KEM part is not a key") from None
        _check_x25519(self.public_key[_MLKEM768_LENGTH:])

    def __str__(self) -> str:
        return _hybrid_text(self.public_key)

    def wrap(self, file_key: FileKey) -> Wrapped:
        public_key = MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(self.public_key[:_MLKEM768_LENGTH]),
            X25519PublicKey.from_public_bytes(self.public_key[_MLKEM768_LENGTH:]),
        )
        sealed = _HYBRID_SUITE.encrypt(file_key.unsafe_export_secret(), public_key, info=_HYBRID_INFO)

        enc, body = sealed[:_HYBRID_ENC_LENGTH], sealed[_HYBRID_ENC_LENGTH:]
        return Wrapped(stanza=Stanza(args=("mlkem768x25519", to_base64(enc)), body=body), labels=POSTQUANTUM)


@dataclass(frozen=True, repr=False, eq=False)
class X25519Identity(_Secret):
    """The secret half of an X25519Recipient: 32 bytes. Raises BadIdentity for another length."""

    _bytes: bytes
    prefix: ClassVar[str] = "age-secret-key-"

    def __post_init__(self) -> None:
        _check_seed(self._bytes)

    @classmethod
    def generate(cls) -> "X25519Identity":
        return cls(os.urandom(_SEED_LENGTH))

    @classmethod
    def from_seed(cls, seed: bytes) -> "X25519Identity":
        """The identity whose X25519 scalar is these 32 bytes: the same one each time."""
        return cls(seed)

    @cached_property
    def recipient(self) -> X25519Recipient:
        return X25519Recipient(self._key.public_key().public_bytes_raw())

    def unsafe_export_secret(self) -> str:
        """`AGE-SECRET-KEY-1…`. Whoever has it opens every file sealed to this recipient."""
        return bech32.encode(self._bytes, prefix=self.prefix).upper()

    def unwrap(self, stanzas: Sequence[Stanza]) -> FileKey | None:
        for stanza in stanzas:
            if stanza.args[0] != "X25519":
                continue
            share = _encapsulated(stanza, length=_X25519_LENGTH)
            shared = _exchange(self._key, share)

            key = _x25519_wrap_key(shared, share=share, recipient=self.recipient.public_key)
            try:
                return FileKey(ChaCha20Poly1305(key).decrypt(_ZERO_NONCE, stanza.body, None))
            except InvalidTag:
                continue
        return None

    @cached_property
    def _key(self) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(self._bytes)


class _HybridKeys(NamedTuple):
    mlkem: MLKEM768PrivateKey
    x25519: X25519PrivateKey


@dataclass(frozen=True, repr=False, eq=False)
class HybridIdentity(_Secret):
    """The secret half of a HybridRecipient: a seed of 32 bytes. Raises BadIdentity for another length."""

    _bytes: bytes
    prefix: ClassVar[str] = "age-secret-key-pq-"

    def __post_init__(self) -> None:
        _check_seed(self._bytes)

    @classmethod
    def generate(cls) -> "HybridIdentity":
        return cls(os.urandom(_SEED_LENGTH))

    @classmethod
    def from_seed(cls, seed: bytes) -> "HybridIdentity":
        """The identity whose X-Wing seed is these 32 bytes: the same one each time."""
        return cls(seed)

    @cached_property
    def recipient(self) -> HybridRecipient:
        mlkem = self._keys.mlkem.public_key().public_bytes_raw()
        x25519 = self._keys.x25519.public_key().public_bytes_raw()
        return HybridRecipient(mlkem + x25519)

    def unsafe_export_secret(self) -> str:
        """`AGE-SECRET-KEY-PQ-1…`. Whoever has it opens every file sealed to this recipient."""
        return bech32.encode(self._bytes, prefix=self.prefix).upper()

    def unwrap(self, stanzas: Sequence[Stanza]) -> FileKey | None:
        key = MLKEM768X25519PrivateKey(self._keys.mlkem, self._keys.x25519)
        for stanza in stanzas:
            if stanza.args[0] != "mlkem768x25519":
                continue
            enc = _encapsulated(stanza, length=_HYBRID_ENC_LENGTH)
            # HPKE reports a share of low order like any other mismatch; the format wants the whole file refused.
            _exchange(self._keys.x25519, enc[-_X25519_LENGTH:])

            try:
                return FileKey(_HYBRID_SUITE.decrypt(enc + stanza.body, key, info=_HYBRID_INFO))
            except InvalidTag:
                continue
        return None

    @cached_property
    def _keys(self) -> _HybridKeys:
        """X-Wing's expansion of the seed: 64 bytes for ML-KEM, 32 for X25519."""
        expanded = hashlib.shake_256(self._bytes).digest(_MLKEM768_SEED_LENGTH + _X25519_LENGTH)
        return _HybridKeys(
            mlkem=MLKEM768PrivateKey.from_seed_bytes(expanded[:_MLKEM768_SEED_LENGTH]),
            x25519=X25519PrivateKey.from_private_bytes(expanded[_MLKEM768_SEED_LENGTH:]),
        )


# The same few readers are written to again and again, and their long names each have a sum over all letters.
@functools.lru_cache(maxsize=256)
def parse_recipient(text: str) -> HybridRecipient | X25519Recipient:
    """Read `age1pq1…` or `age1…`, in lower case. Raises BadRecipient."""
    try:
        parsed = _parse(text)
    except NotBech32 as error:
        raise BadRecipient(fault=error.fault) from None

    if parsed.prefix in (HybridIdentity.prefix, X25519Identity.prefix):
        raise BadRecipient(fault="it is a secret identity: keep it to yourself")
    if parsed.upper:
        raise BadRecipient(fault="it is in upper case")
    if parsed.prefix == HybridRecipient.prefix:
        return HybridRecipient(parsed.data)
    if parsed.prefix == X25519Recipient.prefix:
        return X25519Recipient(parsed.data)
    raise BadRecipient(fault="it is of another kind")


def parse_identity(text: str) -> HybridIdentity | X25519Identity:
    """Read `AGE-SECRET-KEY-PQ-1…` or `AGE-SECRET-KEY-1…`, in upper case. Raises BadIdentity."""
    try:
        parsed = _parse(text)
    except NotBech32 as error:
        raise BadIdentity(fault=error.fault) from None

    if parsed.prefix in (HybridRecipient.prefix, X25519Recipient.prefix):
        raise BadIdentity(fault="it is a recipient, which opens nothing")
    if not parsed.upper:
        raise BadIdentity(fault="it is in lower case")
    if parsed.prefix == HybridIdentity.prefix:
        return HybridIdentity(parsed.data)
    if parsed.prefix == X25519Identity.prefix:
        return X25519Identity(parsed.data)
    raise BadIdentity(fault="it is of another kind")


def to_base64(data: bytes) -> str:
    """Standard base64 without padding (RFC 4648, section 4)."""
    return base64.b64encode(data).rstrip(b"=").decode("ascii")


def from_base64(text: str) -> bytes:
    """Read canonical base64 without padding. Raises HeaderMalformed for any other spelling of the same bytes."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise HeaderMalformed(fault="a base64 text has characters or a length that base64 does not know") from None
    if to_base64(data) != text:
        raise HeaderMalformed(fault="a base64 text is not canonical")
    return data


def _parse(text: str) -> bech32.Bech32:
    if len(text) > _LONGEST_TEXT:
        raise NotBech32(fault=f"it is longer than {_LONGEST_TEXT} characters")
    return bech32.decode(text)


@functools.lru_cache(maxsize=256)
def _hybrid_text(public_key: bytes) -> str:
    """A hybrid recipient's text."""
    return bech32.encode(public_key, prefix=HybridRecipient.prefix)


def _check_seed(seed: bytes) -> None:
    if len(seed) != _SEED_LENGTH:
        raise BadIdentity(fault=f"its secret has {len(seed)} bytes, not {_SEED_LENGTH}")


def _check_x25519(public_key: bytes) -> None:
    """Refuse what no identity has: a second spelling of a point, which its identity would not open, or a low order."""
    if int.from_bytes(public_key, "little") >= _X25519_PRIME:
        raise BadRecipient(fault="its X25519 part is not canonical")
    try:
        X25519PrivateKey.from_private_bytes(bytes(_X25519_LENGTH)).exchange(
            X25519PublicKey.from_public_bytes(public_key)
        )
    except ValueError:
        raise BadRecipient(fault="its X25519 part is a point of low order") from None


def _encapsulated(stanza: Stanza, *, length: int) -> bytes:
    """The share of a stanza of a known kind, whose form is checked before anything is decrypted."""
    if len(stanza.args) != 2:
        raise HeaderMalformed(fault=f"a stanza {stanza.args[0]} has {len(stanza.args)} arguments, not 2")
    share = from_base64(stanza.args[1])
    if len(share) != length:
        raise HeaderMalformed(fault=f"the share of a stanza {stanza.args[0]} has {len(share)} bytes, not {length}")
    if len(stanza.body) != _WRAPPED_LENGTH:
        raise HeaderMalformed(
            fault=f"the body of a stanza {stanza.args[0]} has {len(stanza.body)} bytes, not {_WRAPPED_LENGTH}"
        )
    return share


def _exchange(key: X25519PrivateKey, share: bytes) -> bytes:
    try:
        return key.exchange(X25519PublicKey.from_public_bytes(share))
    except ValueError:
        raise HeaderMalformed(fault="the X25519 share of a stanza is a point of low order") from None


def _x25519_wrap_key(shared: bytes, *, share: bytes, recipient: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=share + recipient, info=_X25519_INFO).derive(shared)

"""Targets of theriac.crypto: sealed files, recipients, blind signatures, shares."""

from io import BytesIO
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fuzz.targets import CLASSIC, HYBRID, Target, text
from theriac.crypto import age, bech32, blind, recipients, shares
from theriac.crypto.recipients import FileKey, Stanza, Wrapped
from theriac.errors import (
    BadBlinding,
    BadIdentity,
    BadRecipient,
    BadShare,
    HeaderMalformed,
    HeaderTampered,
    HeaderTooLarge,
    NoMatchingIdentity,
    NotAnAgeFile,
    NotBech32,
    PayloadTampered,
    PayloadTruncated,
    TooFewShares,
    TrailingData,
    WrongFileKey,
)

HEADER = (NotAnAgeFile, HeaderMalformed, HeaderTooLarge)
PAYLOAD = (PayloadTampered, PayloadTruncated, TrailingData)
SEALED = (*HEADER, NoMatchingIdentity, HeaderTampered, *PAYLOAD)

_KEY = FileKey(b"sixteen bytes ..")


class _Trickle(BytesIO):
    """Gives little at a time, and does not seek."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(13, size) if size is not None and size >= 0 else 13)

    def seekable(self) -> bool:
        return False


def _opened(data: bytes) -> bytes:
    """A file opened from a source that seeks, and again from one that does not: both have to come to the same."""
    said: list[Any] = []
    for source in (BytesIO(data), _Trickle(data)):
        try:
            said.append(age.open_(source, identities=[HYBRID, CLASSIC]).read())
        except SEALED as error:
            said.append(error)
    if [str(each) for each in said[:1]] != [str(each) for each in said[1:]]:
        raise AssertionError("a source that trickles gives another answer")
    if isinstance(said[0], Exception):
        raise said[0]
    return bytes(said[0])


class _Listener:
    """An identity that opens every header with the one file key, and remembers its stanzas."""

    def __init__(self) -> None:
        self.stanzas: tuple[Stanza, ...] = ()

    def unwrap(self, stanzas: Any) -> FileKey:
        self.stanzas = tuple(stanzas)
        return _KEY


class _Echo:
    """A recipient whose stanza was made before."""

    def __init__(self, stanza: Stanza) -> None:
        self._stanza = stanza

    def wrap(self, file_key: FileKey) -> Wrapped:
        return Wrapped(stanza=self._stanza, labels=frozenset())


def _signed_header(data: bytes) -> tuple[Stanza, ...]:
    """Stanzas under a right MAC, which nobody without the file key can make: so the way behind it is reached."""
    head = data + b"---"
    key = HKDF(algorithm=SHA256(), length=32, salt=b"", info=b"header").derive(_KEY.unsafe_export_secret())
    mac = HMAC(key, SHA256())
    mac.update(head)
    whole = head + b" " + recipients.to_base64(mac.finalize()).encode() + b"\n"
    listener = _Listener()
    age.file_key_of(BytesIO(whole), identities=[listener])
    return listener.stanzas


def _header_again(stanzas: tuple[Stanza, ...]) -> bytes:
    sealed = age.seal_bytes(b"", to=[_Echo(each) for each in stanzas])
    return sealed.partition(b"\n---")[0] + b"\n"


def _with_key(data: bytes) -> bytes:
    return age.open_with_file_key(BytesIO(data), file_key=_KEY).read()


def _bech32_again(read: bech32.Bech32) -> bytes:
    written = bech32.encode(read.data, prefix=read.prefix)
    return (written.upper() if read.upper else written).encode()


def _joined(data: bytes) -> bytes:
    return shares.join(text(data).splitlines()[:20])


AGE_WORDS = (
    *(b"age-encryption.org/v1\n", b"-> ", b"-> X25519 ", b"-> mlkem768x25519 ", b"-> scrypt ", b"--- ", b"\n"),
    *(b"A" * 64 + b"\n", b"=", b"-> a\n\n", b"\r\n"),
)

TARGETS = [
    Target(
        name="age",
        entry="theriac.crypto.age:open_",
        read=_opened,
        may=SEALED,
        limit="a header of 256 KiB and 128 stanzas; a chunk of 64 KiB at a time",
        words=AGE_WORDS,
    ),
    Target(
        name="age-header",
        entry="theriac.crypto.age:file_key_of",
        read=_signed_header,
        write=_header_again,
        may=(*HEADER, HeaderTampered),
        limit="as above; here the MAC is right",
        words=AGE_WORDS,
    ),
    Target(
        name="age-file-key",
        entry="theriac.crypto.age:open_with_file_key",
        read=_with_key,
        may=(*HEADER, WrongFileKey, *PAYLOAD),
        limit="as above",
        words=AGE_WORDS,
    ),
    Target(
        name="base64",
        entry="theriac.crypto.recipients:from_base64",
        read=lambda data: recipients.from_base64(data.decode("latin-1")),
        write=lambda read: recipients.to_base64(read).encode(),
        may=(HeaderMalformed,),
        limit="as long as the header",
    ),
    Target(
        name="bech32",
        entry="theriac.crypto.bech32:decode",
        read=lambda data: bech32.decode(text(data)),
        write=_bech32_again,
        may=(NotBech32,),
        limit="2,000 characters, by its callers",
    ),
    Target(
        name="recipient",
        entry="theriac.crypto.recipients:parse_recipient",
        read=lambda data: recipients.parse_recipient(text(data)),
        write=lambda read: str(read).encode(),
        may=(BadRecipient,),
        limit="2,000 characters",
        words=(b"age1", b"age1pq1", b"AGE-SECRET-KEY-1", b"1"),
    ),
    Target(
        name="identity",
        entry="theriac.crypto.recipients:parse_identity",
        read=lambda data: recipients.parse_identity(text(data)),
        write=lambda read: read.unsafe_export_secret().encode(),
        may=(BadIdentity,),
        limit="2,000 characters",
        words=(b"AGE-SECRET-KEY-1", b"AGE-SECRET-KEY-PQ-1", b"age1"),
    ),
    Target(
        name="blind-key",
        entry="theriac.crypto.blind:decode_key",
        read=blind.decode_key,
        may=(BadBlinding,),
        limit="a key of one length",
    ),
    Target(
        name="shares",
        entry="theriac.crypto.shares:join",
        read=_joined,
        may=(BadShare, TooFewShares),
        limit="sixteen shares of a secret",
    ),
]

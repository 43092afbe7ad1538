"""A record as a sealed file: uint32 length, manifest, content, zeros to Padmé.

The manifest comes first and has at most 60 KiB, so that listing reads one block of 64 KiB. It is shaped like a FHIR
DocumentReference: type, class, author with signature, date, place, device, size, digest of the content. The content is
sealed as it came, never rewritten.
"""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, BinaryIO, cast

from eth_account import Account as EthAccount
from eth_account.messages import SignableMessage, encode_defunct

from theriac.crypto import age
from theriac.crypto.recipients import FileKey, Identity, Recipient
from theriac.errors import AuthorNotProven, BadDocument, BadRecord, ManifestTooLarge, UnknownClass
from theriac.health import documents
from theriac.health.scope import KeyClass
from theriac.ledger.signer import Signer
from theriac.store.cid import Cid, compute

MANIFEST_LIMIT = 60 * 1024
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Manifest:
    """What a record says of itself, inside its seal.

    :param pseudonym: under which it was written.
    :param cls: its class, such as `laboratory/N`.
    :param type: its media type, such as `application/fhir+json`.
    :param size: of the content in bytes; `digest` its sha2-256, hexadecimal.
    :param member: the number of the member that wrote it, 0 for the patient.
    :param account: the account that signed the manifest; `signature` in hexadecimal.
    :param date: when it happened, as the source says it: `2019`, `2019-05` or finer.
    :param codes: `system|code display`, the main ones.
    :param place: where it was done, in words.
    :param corrects: the digest of the record that this one puts right.
    :param details: what a kind of record adds: the study, series and instance of an image, a tag in a FHIR bundle.
    """

    pseudonym: str
    cls: str
    type: str
    size: int
    digest: str
    member: int
    account: str
    title: str = ""
    date: str = ""
    codes: tuple[str, ...] = ()
    place: str = ""
    device: str = ""
    reported: bool = False
    corrects: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    signature: str = ""

    def signable(self) -> SignableMessage:
        """What the author signs: the manifest without its signature (EIP-191)."""
        unsigned = documents.encode("manifest", _values(replace(self, signature="")))
        return encode_defunct(text="Theriac record\n" + hashlib.sha256(unsigned).hexdigest())

    def signed_by_its_account(self) -> bool:
        try:
            signer = EthAccount.recover_message(self.signable(), signature=bytes.fromhex(self.signature))
        except Exception:
            # Whatever a library makes of a malformed signature, it is nobody's.
            return False
        return bool(signer == self.account)

    def encode(self) -> bytes:
        """:raises ManifestTooLarge: it has more than 60 KiB."""
        encoded = documents.encode("manifest", _values(self))
        if len(encoded) > MANIFEST_LIMIT:
            raise ManifestTooLarge(size=len(encoded), limit=MANIFEST_LIMIT)
        return encoded

    @classmethod
    def decode(cls, data: bytes) -> "Manifest":
        """:raises BadRecord: no manifest, or one with parts missing."""
        try:
            values = documents.decode("manifest", data)
            del values["kind"], values["format"]
            if not isinstance(values["codes"], list):
                raise TypeError
            manifest = cls(**{**values, "codes": tuple(values["codes"])})
            KeyClass.parse(manifest.cls)
        except (BadDocument, KeyError, TypeError, UnknownClass) as fault:
            raise BadRecord(fault=f"its manifest is broken ({type(fault).__name__})") from None
        texts = [getattr(manifest, name) for name, kind in cls.__annotations__.items() if kind is str]
        if not all(isinstance(text, str) for text in (*texts, *manifest.codes)):
            raise BadRecord(fault="its manifest has something else where words belong")
        if not isinstance(manifest.details, dict) or not isinstance(manifest.reported, bool):
            raise BadRecord(fault="its manifest is broken (details)")
        if type(manifest.member) is not int or type(manifest.size) is not int or manifest.size < 0:
            raise BadRecord(fault="its manifest says no size or no author")
        return manifest

    def summary(self) -> dict[str, Any]:
        """What a list shows of the record."""
        return {
            "type": self.type,
            "title": self.title,
            "date": self.date,
            "codes": list(self.codes),
            "place": self.place,
            "size": self.size,
            "reported": self.reported,
            "details": dict(self.details),
        }


def _values(manifest: Manifest) -> dict[str, Any]:
    values = asdict(manifest)
    values["codes"] = list(manifest.codes)
    return values


@dataclass(frozen=True)
class Draft:
    """A record before it is sealed: the signed manifest and the content, which can be read more than once."""

    manifest: Manifest
    content: BinaryIO

    def framed(self) -> BinaryIO:
        """The plaintext of the sealed file, from its first byte."""
        self.content.seek(0)
        return cast(BinaryIO, io.BufferedReader(_Framed(self.manifest, self.content), _CHUNK))


def draft(content: BinaryIO, manifest: Manifest, *, signer: Signer) -> Draft:
    """Measures the content, from its first byte, and signs the manifest. `content` must be seekable."""
    content.seek(0)
    hasher, size = hashlib.sha256(), 0
    while chunk := content.read(_CHUNK):
        hasher.update(chunk)
        size += len(chunk)
    measured = replace(manifest, size=size, digest=hasher.hexdigest(), account=signer.address)
    signature = signer.sign_message(measured.signable())
    signed = replace(measured, signature=signature.hex())
    signed.encode()
    return Draft(signed, content)


class _Framed(io.RawIOBase):
    """Length, manifest, content and padding as one stream, in constant memory."""

    def __init__(self, manifest: Manifest, content: BinaryIO) -> None:
        encoded = manifest.encode()
        self._head = len(encoded).to_bytes(4, "big") + encoded
        self._content = content
        self._left = manifest.size
        framed = len(self._head) + manifest.size
        self._padding = documents.padme(framed) - framed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        if self._head:
            piece, self._head = self._head[: len(view)], self._head[len(view) :]
        elif self._left:
            piece = self._content.read(min(len(view), self._left))
            if not piece:
                raise BadRecord(fault="its content became shorter while it was being sealed")
            self._left -= len(piece)
        else:
            piece = bytes(min(len(view), self._padding))
            self._padding -= len(piece)
        view[: len(piece)] = piece
        return len(piece)


@dataclass(frozen=True)
class Sealed:
    """A sealed record: where it will lie, the key of this one file, and a spooled copy of its bytes."""

    cid: Cid
    file_key: FileKey
    spooled: BinaryIO


def seal(record: Draft, *, to: Recipient, spool: BinaryIO) -> Sealed:
    """Seals a record into `spool`, a seekable file, and says under which identifier it will lie."""
    file_key = age.seal(record.framed(), spool, to=[to])
    spool.seek(0)
    cid = compute(spool)
    spool.seek(0)
    return Sealed(cid, file_key, spool)


@dataclass(frozen=True)
class Opened:
    """An opened record: its manifest, and a stream of exactly its content."""

    manifest: Manifest
    content: BinaryIO

    def read(self) -> bytes:
        """All of the content; raises BadRecord where it is not what the manifest says."""
        data = self.content.read()
        if hashlib.sha256(data).hexdigest() != self.manifest.digest:
            raise BadRecord(fault="its content is not what its manifest says")
        return data

    def copy_to(self, sink: BinaryIO) -> None:
        """The content, streamed; raises BadRecord at the end where it is not what the manifest says."""
        hasher = hashlib.sha256()
        while chunk := self.content.read(_CHUNK):
            hasher.update(chunk)
            sink.write(chunk)
        if hasher.hexdigest() != self.manifest.digest:
            raise BadRecord(fault="its content is not what its manifest says")

    def check_author(self, *, digest: str) -> None:
        """Checks who wrote the record; for a patient's own, the anchor that only her controller can make says it.

        :raises AuthorNotProven: the account that the manifest names did not sign it.
        """
        if self.manifest.member == 0 and self.manifest.reported:
            return
        if not self.manifest.signed_by_its_account():
            raise AuthorNotProven(digest=digest, author=self.manifest.account)


def open_(sealed: BinaryIO, *, identities: Sequence[Identity] = (), file_key: FileKey | None = None) -> Opened:
    """Opens a sealed record by an identity or by its file key; reads no more than the first block.

    :raises NoMatchingIdentity: it is sealed to somebody else.
    :raises BadRecord: its framing or manifest is broken.
    """
    if file_key is not None:
        plain = age.open_with_file_key(sealed, file_key=file_key)
    else:
        plain = age.open_(sealed, identities=identities)
    size = int.from_bytes(_exactly(plain, 4), "big")
    if size > MANIFEST_LIMIT:
        raise BadRecord(fault="its manifest is too long")
    manifest = Manifest.decode(_exactly(plain, size))
    return Opened(manifest, cast(BinaryIO, io.BufferedReader(_Content(plain, manifest.size), _CHUNK)))


class _Content(io.RawIOBase):
    """The content of a record, without what stands around it."""

    def __init__(self, plain: BinaryIO, size: int) -> None:
        self._plain = plain
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self._left)
        if not wanted:
            self._check_end()
            return 0
        piece = self._plain.read(wanted)
        if not piece:
            raise BadRecord(fault="it ends before its content does")
        self._left -= len(piece)
        view[: len(piece)] = piece
        return len(piece)

    def _check_end(self) -> None:
        """What follows the content is zeros, and the file's last chunk is authentic."""
        while padding := self._plain.read(_CHUNK):
            if any(padding):
                raise BadRecord(fault="something stands behind its content")


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise BadRecord(fault="it ends inside its manifest")
    return data

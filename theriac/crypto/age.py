"""Sealed files: the age v1 format (C2SP age specification), written and read as streams in constant memory.

A file is a header, which wraps a random file key once for each recipient and carries a MAC under that key, and a
payload in chunks of 64 KiB, each sealed with ChaCha20-Poly1305 under its number and whether it is the last. Only
this framing is ours: the primitives come from `cryptography`, the recipients from `theriac.crypto.recipients`.

    seal, sealing_reader, seal_bytes           write a file
    open_, open_with_file_key, open_bytes      read one
    file_key_of                                read its header alone

Nothing is given out that was not authenticated, chunk by chunk: who must not act on half a file reads it to the end
first. Passphrases (scrypt) and ASCII armor are left out: Theriac seals to keys, and stores bytes. A header is bounded
here, which the format leaves open: 128 stanzas and 256 KiB.

Sources and sinks must block. They stay open and their own errors pass through. A reader that met an error gives
nothing more: it raises that error again.
"""

import io
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from theriac.crypto.recipients import (
    POSTQUANTUM,
    FileKey,
    Identity,
    Recipient,
    Stanza,
    from_base64,
    to_base64,
)
from theriac.errors import (
    HeaderMalformed,
    HeaderTampered,
    HeaderTooLarge,
    MixedRecipients,
    NoMatchingIdentity,
    NoRecipients,
    NotAnAgeFile,
    PayloadTampered,
    PayloadTruncated,
    TooManyRecipients,
    TrailingData,
    WrongFileKey,
)

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = [
    "CHUNK",
    "MAX_HEADER",
    "MAX_STANZAS",
    "FileKey",
    "SealingReader",
    "file_key_of",
    "open_",
    "open_bytes",
    "open_with_file_key",
    "seal",
    "seal_bytes",
    "sealing_reader",
]

CHUNK: Final = 64 * 1024
"""Plaintext bytes in every chunk but the last."""

MAX_STANZAS: Final = 128
"""How many recipients a file may have."""

MAX_HEADER: Final = 256 * 1024
"""Bytes of the longest header that is read; 128 post-quantum stanzas take 195 KiB."""

_TAG_LENGTH: Final = 16
_SEALED_CHUNK: Final = CHUNK + _TAG_LENGTH
_NONCE_LENGTH: Final = 16
_VERSION_LINE: Final = b"age-encryption.org/v1\n"
_STANZA_LINE: Final = re.compile(rb"-> [!-~]+(?: [!-~]+)*")
_BODY_COLUMNS: Final = 64
_MAC_MARK: Final = b"---"
_MAC_LENGTH: Final = 32
# One read takes in the header and the nonce of a file with one post-quantum recipient.
_HEADER_BLOCK: Final = 2048


# -- streams ---------------------------------------------------------------------------------------------------------


class _Fault:
    """Repeats the first error that was raised inside it: where a source left a gap, no end may seem to be."""

    def __init__(self) -> None:
        self._error: BaseException | None = None

    def __enter__(self) -> None:
        if self._error is not None:
            raise self._error

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._error = error


class _Reader(io.RawIOBase):
    """Hands out pieces of bytes."""

    def __init__(self) -> None:
        self._fault = _Fault()

    def _piece(self, limit: int) -> memoryview:
        """At most `limit` bytes, and none only at the end."""
        raise NotImplementedError

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        target = memoryview(buffer).cast("B")
        with self._fault:
            return self._fill(target)

    def readall(self) -> bytes:
        with self._fault:
            return b"".join(iter(lambda: self._piece(CHUNK), b""))

    def _fill(self, target: memoryview) -> int:
        piece = self._piece(len(target))
        target[: len(piece)] = piece
        return len(piece)


class _SealedPieces(_Reader):
    """A header and the sealed chunks behind it as one stream."""

    def __init__(self, chunks: "_SealedChunks", *, header: bytes) -> None:
        super().__init__()
        self._chunks = chunks
        self._rest = memoryview(header)

    def _piece(self, limit: int) -> memoryview:
        if not self._rest:
            self._rest = memoryview(self._chunks.next())
        piece, self._rest = self._rest[:limit], self._rest[limit:]
        return piece

    def _fill(self, target: memoryview) -> int:
        """Fill all of it: sealed chunks never end where a buffer does, and would be copied once more. Those that fit
        into the target are sealed right there.
        """
        filled = 0
        while room := len(target) - filled:
            if self._rest or room < _SEALED_CHUNK:
                count = super()._fill(target[filled:])
            else:
                count = self._chunks.next_into(target[filled:])
            if not count:
                break
            filled += count
        return filled


# -- writing ---------------------------------------------------------------------------------------------------------


def seal(source: BinaryIO, sink: BinaryIO, *, to: Sequence[Recipient]) -> FileKey:
    """Seal all of `source` into `sink` under a fresh file key, which is returned for single-record shares.

    A sink whose writing was interrupted holds a file that does not open to its end. Raises NoRecipients,
    TooManyRecipients or MixedRecipients before anything is read or written.
    """
    file_key = FileKey.generate()
    header = _header_for(file_key, to=to)

    chunks = _SealedChunks(source, file_key=file_key)
    _write_all(sink, header + chunks.nonce)
    for chunk in iter(chunks.next, b""):
        _write_all(sink, chunk)
    return file_key


class SealingReader(io.BufferedReader):
    """The bytes of an age file, sealed while they are read, with the file key they are sealed under."""

    def __init__(self, source: BinaryIO, *, file_key: FileKey, header: bytes) -> None:
        chunks = _SealedChunks(source, file_key=file_key)
        super().__init__(_SealedPieces(chunks, header=header + chunks.nonce), buffer_size=CHUNK)
        self.file_key = file_key


def sealing_reader(source: BinaryIO, *, to: Sequence[Recipient]) -> SealingReader:
    """Like `seal`, but the sealed bytes are read instead of written: a store can take them without a second file."""
    file_key = FileKey.generate()
    return SealingReader(source, file_key=file_key, header=_header_for(file_key, to=to))


def seal_bytes(data: bytes, *, to: Sequence[Recipient]) -> bytes:
    """Like `seal`, in memory."""
    sink = io.BytesIO()
    seal(io.BytesIO(data), sink, to=to)
    return sink.getvalue()


def _header_for(file_key: FileKey, *, to: Sequence[Recipient]) -> bytes:
    """The whole header, MAC included, for these recipients."""
    if not to:
        raise NoRecipients
    if len(to) > MAX_STANZAS:
        raise TooManyRecipients(count=len(to), limit=MAX_STANZAS)

    wrapped = [recipient.wrap(file_key) for recipient in to]
    if any(each.labels != wrapped[0].labels for each in wrapped):
        postquantum = sum(each.labels == POSTQUANTUM for each in wrapped)
        raise MixedRecipients(postquantum=postquantum, classic=len(wrapped) - postquantum)

    authenticated = _VERSION_LINE + b"".join(_encode_stanza(each.stanza) for each in wrapped) + _MAC_MARK
    mac = to_base64(_header_mac(file_key, authenticated).finalize())
    return authenticated + b" " + mac.encode("ascii") + b"\n"


def _encode_stanza(stanza: Stanza) -> bytes:
    body = to_base64(stanza.body)
    # The last line is shorter than a full one, so a body of full lines ends with an empty one.
    lines = [body[at : at + _BODY_COLUMNS] for at in range(0, len(body) + 1, _BODY_COLUMNS)]
    return "\n".join(["-> " + " ".join(stanza.args), *lines, ""]).encode("ascii")


class _SealedChunks:
    """The chunks of a payload, sealed one after the other; `nonce` stands before them. One is read ahead of what is
    sealed, to know the last.
    """

    def __init__(self, source: BinaryIO, *, file_key: FileKey) -> None:
        self.nonce = os.urandom(_NONCE_LENGTH)
        self._aead = _payload_aead(file_key, self.nonce)
        self._source = source
        self._number = 0
        self._ahead: bytes | None = None
        self._ended = False

    def next(self) -> bytes:
        """The next sealed chunk, and nothing after the last."""
        if self._ended:
            return b""
        nonce, chunk = self._read()
        return self._aead.encrypt(nonce, chunk, None)

    def next_into(self, target: memoryview) -> int:
        """The same at the start of `target`, which has room for a full one; how many bytes."""
        if self._ended:
            return 0
        nonce, chunk = self._read()
        return self._aead.encrypt_into(nonce, chunk, None, target[: len(chunk) + _TAG_LENGTH])

    def _read(self) -> tuple[bytes, bytes]:
        chunk = _read_all(self._source, CHUNK) if self._ahead is None else self._ahead
        self._ahead = _read_all(self._source, CHUNK) if len(chunk) == CHUNK else b""
        self._ended = not self._ahead
        nonce = _chunk_nonce(self._number, final=self._ended)
        self._number += 1
        return nonce, chunk


# -- reading ---------------------------------------------------------------------------------------------------------


def open_(source: BinaryIO, *, identities: Sequence[Identity]) -> BinaryIO:
    """A reader of the plaintext. The file starts where `source` stands and goes to its end.

    The reader seeks if `source` does: to any place at the cost of one chunk, and relatively to the end, or past it,
    only after the last chunk was authenticated. Identities are tried in the order given.

    Raises here NotAnAgeFile, HeaderMalformed, HeaderTooLarge, NoMatchingIdentity, HeaderTampered; while reading
    PayloadTampered, PayloadTruncated, TrailingData.
    """
    feed = _Feed(source)
    header = _read_header(feed)
    return _open_payload(feed, header=header, file_key=_unwrap(header, identities=identities))


def open_with_file_key(source: BinaryIO, *, file_key: FileKey) -> BinaryIO:
    """Like `open_`, for who was given this one file's key. Raises WrongFileKey where the header's MAC denies it."""
    feed = _Feed(source)
    header = _read_header(feed)
    if not header.fits(file_key):
        raise WrongFileKey
    return _open_payload(feed, header=header, file_key=file_key)


def file_key_of(source: BinaryIO, *, identities: Sequence[Identity]) -> FileKey:
    """The file key, from the header alone, which is authenticated. Reads at most 2 KiB further. Raises as `open_`."""
    return _unwrap(_read_header(_Feed(source)), identities=identities)


def open_bytes(data: bytes, *, identities: Sequence[Identity]) -> bytes:
    """Like `open_`, in memory: the whole plaintext, or an error and nothing of it."""
    return open_(io.BytesIO(data), identities=identities).read()


@dataclass(frozen=True)
class _Header:
    stanzas: tuple[Stanza, ...]
    authenticated: bytes
    mac: bytes
    length: int

    def fits(self, file_key: FileKey) -> bool:
        try:
            _header_mac(file_key, self.authenticated).verify(self.mac)
        except InvalidSignature:
            return False
        return True


class _Feed:
    """Reads whole amounts from a stream that may give less at a time, and lines, for which it looks ahead."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._ahead = bytearray()
        self.start = stream.tell() if stream.seekable() else None

    def line(self, *, limit: int) -> bytes:
        """Up to the next line feed, which is taken off. Raises HeaderTooLarge beyond `limit` bytes."""
        searched = 0
        while (end := self._ahead.find(b"\n", searched)) < 0 and (searched := len(self._ahead)) < limit:
            block = _read(self._stream, _HEADER_BLOCK)
            if not block:
                raise HeaderMalformed(fault="it ends in the middle")
            self._ahead += block

        if not 0 <= end < limit:
            raise HeaderTooLarge(limit=MAX_HEADER, of="bytes")
        return self._take(end + 1)[:-1]

    def read(self, size: int) -> bytes:
        """`size` bytes, or fewer at the end of the stream."""
        if not self._ahead:
            return _read_all(self._stream, size)
        taken = self._take(size)
        return taken if len(taken) == size else taken + _read_all(self._stream, size - len(taken))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._ahead.clear()
        return self._stream.seek(offset, whence)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._ahead[:size])
        del self._ahead[:size]
        return taken


def _read_header(feed: _Feed) -> _Header:
    """Read a header by the specification's grammar. Nothing in it is authentic yet."""
    # (1) the version line
    if feed.read(len(_VERSION_LINE)) != _VERSION_LINE:
        raise NotAnAgeFile
    seen = bytearray(_VERSION_LINE)

    def next_line() -> bytes:
        line = feed.line(limit=MAX_HEADER - len(seen))
        seen.extend(line + b"\n")
        return line

    # (2) one stanza or more, each with a body whose last line is short
    stanzas: list[Stanza] = []
    while not (line := next_line()).startswith(_MAC_MARK):
        if len(stanzas) == MAX_STANZAS:
            raise HeaderTooLarge(limit=MAX_STANZAS, of="stanzas")
        if not _STANZA_LINE.fullmatch(line):
            raise HeaderMalformed(fault="a line is neither a stanza's nor the MAC's")
        args = tuple(line.decode("ascii").split(" ")[1:])

        body = bytearray()
        full = True
        while full:
            line = next_line()
            if len(line) > _BODY_COLUMNS:
                raise HeaderMalformed(fault="a line of a stanza's body is too long")
            body += from_base64(line.decode("latin-1"))
            full = len(line) == _BODY_COLUMNS
        stanzas.append(Stanza(args=args, body=bytes(body)))
    if not stanzas:
        raise HeaderMalformed(fault="it has no stanza")

    # (3) the MAC, over everything up to its mark
    mark, _, text = line.partition(b" ")
    mac = from_base64(text.decode("latin-1"))
    if mark != _MAC_MARK or len(mac) != _MAC_LENGTH:
        raise HeaderMalformed(fault="its MAC line is not one MAC")

    authenticated = bytes(seen[: -len(line) - 1]) + _MAC_MARK
    return _Header(stanzas=tuple(stanzas), authenticated=authenticated, mac=mac, length=len(seen))


def _unwrap(header: _Header, *, identities: Sequence[Identity]) -> FileKey:
    """The file key that an identity finds in the header and that the header's MAC confirms."""
    for identity in identities:
        file_key = identity.unwrap(header.stanzas)
        if file_key is None:
            continue
        if not header.fits(file_key):
            raise HeaderTampered
        return file_key
    raise NoMatchingIdentity(tried=len(identities))


def _open_payload(feed: _Feed, *, header: _Header, file_key: FileKey) -> BinaryIO:
    nonce = feed.read(_NONCE_LENGTH)
    if len(nonce) < _NONCE_LENGTH:
        raise HeaderMalformed(fault="the file ends before the payload's nonce")

    start = None if feed.start is None else feed.start + header.length + _NONCE_LENGTH
    return io.BufferedReader(_Payload(feed, aead=_payload_aead(file_key, nonce), start=start), buffer_size=CHUNK)


class _Payload(_Reader):
    """The plaintext of a payload, one authenticated chunk at a time. `start` is where its first chunk stands in a
    source that seeks, else None.
    """

    def __init__(self, feed: _Feed, *, aead: ChaCha20Poly1305, start: int | None) -> None:
        super().__init__()
        self._feed = feed
        self._aead = aead
        self._start = start
        self._position = 0
        # The chunk before which the source stands, the chunk at hand, the final one, and the size, as far as known.
        self._at: int | None = 0
        self._number: int | None = None
        self._plain = b""
        self._final: int | None = None
        self._end: int | None = None

    def seekable(self) -> bool:
        return self._start is not None

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if self._start is None:
            raise io.UnsupportedOperation("the sealed source does not seek")
        if whence == os.SEEK_SET:
            base = 0
        elif whence == os.SEEK_CUR:
            base = self._position
        elif whence == os.SEEK_END:
            with self._fault:
                base = self._authenticate_end()
        else:
            raise ValueError(f"invalid whence ({whence})")

        if base + offset < 0:
            raise ValueError(f"negative seek position {base + offset}")
        self._position = base + offset
        return self._position

    def _piece(self, limit: int) -> memoryview:
        number, skip = divmod(self._position, CHUNK)
        piece = memoryview(self._chunk(number))[skip : skip + limit]
        self._position += len(piece)
        return piece

    def _chunk(self, number: int) -> bytes:
        """Chunk `number`, or nothing where the payload, authentically, ended before it."""
        plain = self._load(number)
        if plain is not None:
            return plain
        if self._start is not None:
            self._authenticate_end()
        elif self._final != number - 1:
            raise PayloadTruncated(chunks=number)
        return b""

    def _authenticate_end(self) -> int:
        """Find the last chunk by the length of the source and authenticate that it is final. Returns the size."""
        if self._end is not None:
            return self._end
        assert self._start is not None
        length = self._feed.seek(0, os.SEEK_END) - self._start
        self._at = None

        last = max(length - 1, 0) // _SEALED_CHUNK
        plain = self._load(last)
        if plain is None or self._final != last:
            raise PayloadTruncated(chunks=max(length, 0) // _SEALED_CHUNK)
        self._end = last * CHUNK + len(plain)
        return self._end

    def _load(self, number: int) -> bytes | None:
        """Read and authenticate chunk `number`, or None where the source has no bytes for it."""
        if number == self._number:
            return self._plain

        # (1) the bytes
        if self._start is not None and number != self._at:
            self._feed.seek(self._start + number * _SEALED_CHUNK)
        sealed = self._feed.read(_SEALED_CHUNK)
        self._at = number + 1

        # (2) there is room for a tag, and only an empty payload has an empty chunk
        if not sealed:
            return None
        if self._final is not None and number > self._final:
            raise TrailingData(chunk=self._final)
        if len(sealed) < _TAG_LENGTH:
            raise PayloadTruncated(chunks=number)
        if len(sealed) == _TAG_LENGTH and number > 0:
            raise PayloadTampered(chunk=number)

        # (3) the tag, under the chunk's number, as one in the middle or as the last, which alone may be short
        plain = self._decrypt(number, sealed, final=False) if len(sealed) == _SEALED_CHUNK else None
        if plain is None:
            plain = self._decrypt(number, sealed, final=True)
            if plain is None:
                raise PayloadTampered(chunk=number)
            if self._final is not None and number < self._final:
                raise TrailingData(chunk=number)
            self._final = number

        self._number, self._plain = number, plain
        return plain

    def _decrypt(self, number: int, sealed: bytes, *, final: bool) -> bytes | None:
        # Never into a caller's memory: `decrypt_into` leaves the plaintext there even where the tag is wrong.
        try:
            return self._aead.decrypt(_chunk_nonce(number, final=final), sealed, None)
        except InvalidTag:
            return None


# -- both ------------------------------------------------------------------------------------------------------------


def _derive(file_key: FileKey, *, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(file_key.unsafe_export_secret())


def _header_mac(file_key: FileKey, authenticated: bytes) -> HMAC:
    mac = HMAC(_derive(file_key, salt=b"", info=b"header"), SHA256())
    mac.update(authenticated)
    return mac


def _payload_aead(file_key: FileKey, nonce: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(_derive(file_key, salt=nonce, info=b"payload"))


def _chunk_nonce(number: int, *, final: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if final else b"\x00")


def _read_all(stream: BinaryIO, size: int) -> bytes:
    """`size` bytes, or fewer at the end of the stream."""
    piece = _read(stream, size)
    if len(piece) == size or not piece:
        return piece

    pieces = [piece]
    missing = size - len(piece)
    while missing and (piece := _read(stream, missing)):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def _read(stream: BinaryIO, size: int) -> bytes:
    """One read. A stream that does not block says None where it has nothing yet, which is not its end."""
    piece: bytes | None = stream.read(size)
    if piece is None:
        raise BlockingIOError("the source must block")
    return piece


def _write_all(sink: BinaryIO, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[sink.write(rest) :]

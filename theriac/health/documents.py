"""Documents: RFC 8785 JSON with a kind and a version, sealed, and padded so that their length says little."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from io import BytesIO
from typing import Any, BinaryIO, Protocol, TypeVar

import rfc8785

from theriac.crypto import age
from theriac.crypto.recipients import FileKey, Identity, Recipient
from theriac.errors import BadDocument
from theriac.ledger.codec import canonical_json, parse_json

FORMAT = 1
LARGEST = 256 * 1024 * 1024
"""No document is read beyond this many bytes."""

_PIECE = 1 << 20


class Written(Protocol):
    def encode(self) -> bytes: ...


Read = TypeVar("Read", bound=Written)


def mistyped(found: Any) -> str:
    """The name of a field of a dataclass that is not of its declared type, or nothing."""
    # A boolean is an int to Python, and none to anybody else.
    return next((each.name for each in fields(found) if type(getattr(found, each.name)) is not each.type), "")


def encode(kind: str, values: Mapping[str, Any], *, canonical: bool = True) -> bytes:
    """The bytes of a document, in canonical form; numbers beyond 2^53 have no place in one.

    Large ones that nobody signs or names by digest may do without `canonical`, which takes twice as long.
    """
    document = {"kind": kind, "format": FORMAT, **values}
    if canonical:
        return canonical_json(document)
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain).encode()


def _plain(value: Any) -> Any:
    """What JSON has no form for: bytes in hexadecimal, a dataclass by its fields, without copying what is in it."""
    if isinstance(value, bytes):
        return value.hex()
    return vars(value)


def decode(kind: str, data: bytes, *, canonical: bool = True) -> dict[str, Any]:
    """The values of a document. Only one that nobody signs or names by digest may be read without `canonical`.

    :raises BadDocument: not canonical JSON, of another kind, or of a format that this version does not know.
    """
    try:
        values = parse_json(data)
    except ValueError:
        raise BadDocument(kind=kind, fault="it is not JSON") from None
    if not isinstance(values, dict) or values.get("kind") != kind:
        raise BadDocument(kind=kind, fault="it is a document of another kind")
    # To Python true is 1, and to nobody else.
    if type(values.get("format")) is not int or values["format"] != FORMAT:
        raise BadDocument(kind=kind, fault=f"its format is {values.get('format')!r}, and only {FORMAT} is known")
    if canonical:
        _check_canonical(kind, values, data)
    return values


def _check_canonical(kind: str, values: dict[str, Any], data: bytes) -> None:
    try:
        expected = canonical_json(values)
    except rfc8785.CanonicalizationError:
        raise BadDocument(kind=kind, fault="it holds what canonical JSON cannot") from None
    if expected != data:
        raise BadDocument(kind=kind, fault="it is not in canonical form (RFC 8785)")


def as_written(kind: str, found: Read, data: bytes) -> Read:
    """What was read of a document, if it is written again as it came, white space around it aside.

    A number in the place of a text, or a field that nobody asked for, would else be read as if it were another one.

    :raises BadDocument: it comes out in another way.
    """
    try:
        is_same = found.encode() == data.strip()
    except (ValueError, TypeError, AttributeError, KeyError):
        is_same = False
    if not is_same:
        raise BadDocument(kind=kind, fault="it is not written as such a document is")
    return found


def padme(size: int) -> int:
    """The length to pad to (Padmé: Nikitin et al., PETS 2019): at most 12 % more, and only O(log log) bits leak."""
    if size < 2:
        return size
    exponent = size.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (size + mask) & ~mask


def seal(document: bytes, *, to: Recipient, others: Sequence[Recipient] = ()) -> bytes:
    """An age file of uint32 length, document, zeros to Padmé; each of the `others` opens it too."""
    framed = len(document).to_bytes(4, "big") + document
    return age.seal_bytes(framed.ljust(padme(len(framed)), b"\0"), to=[to, *others])


def open_(sealed: bytes, *, identities: Sequence[Identity]) -> bytes:
    """The document in a sealed file.

    :raises NoMatchingIdentity: the file is sealed to somebody else.
    :raises BadDocument: the framing is broken.
    """
    return _unframe(age.open_(BytesIO(sealed), identities=identities))


def open_with_key(sealed: bytes, *, file_key: FileKey) -> bytes:
    return _unframe(age.open_with_file_key(BytesIO(sealed), file_key=file_key))


def _unframe(stream: BinaryIO) -> bytes:
    framed = read_at_most(stream, LARGEST)
    size = int.from_bytes(framed[:4], "big")
    document, padding = framed[4 : 4 + size], framed[4 + size :]
    if len(framed) < 4 or len(document) != size or any(padding):
        raise BadDocument(kind="sealed document", fault="its length does not fit what follows")
    return document


def read_at_most(stream: BinaryIO, limit: int) -> bytes:
    """All of a stream, or a refusal where it is longer than `limit` bytes."""
    # Python makes room for as much as it is asked to read, whatever there is.
    pieces: list[bytes] = []
    left = limit + 1
    while left and (piece := stream.read(min(left, _PIECE))):
        pieces.append(piece)
        left -= len(piece)
    if not left:
        raise BadDocument(kind="document", fault=f"it is longer than {limit} bytes")
    return b"".join(pieces)

"""The consortium's key for directory tags: drawn by the board, sealed to each member in standing."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from theriac.crypto import age
from theriac.crypto.recipients import Identity, Recipient
from theriac.errors import BadSheet, NoConsortiumKey, NoMatchingIdentity
from theriac.ledger.codec import canonical_json, parse_json

KEY_SIZE = 32


def new_key() -> bytes:
    """A fresh key of 32 bytes."""
    return secrets.token_bytes(KEY_SIZE)


def sealed_to(key: bytes, recipients: Sequence[Recipient]) -> bytes:
    """The document whose digest `Consortium.renewKey` names: an age file a member, in no order that tells whose."""
    files = sorted(age.seal_bytes(key, to=[recipient]).hex() for recipient in recipients)
    return canonical_json({"kind": "consortium key", "format": 1, "files": list(files)})


def opened(document: bytes, *, number: int, identities: Sequence[Identity]) -> bytes:
    """The key in a document.

    :raises NoConsortiumKey: it was not sealed to any of the identities.
    :raises BadSheet: it is no such document.
    """
    for sealed in _files(document):
        try:
            key = age.open_bytes(sealed, identities=identities)
        except NoMatchingIdentity:
            continue
        if len(key) == KEY_SIZE:
            return key
    raise NoConsortiumKey(number=number)


def _files(document: bytes) -> list[bytes]:
    try:
        values: Mapping[str, Any] = parse_json(document)
        if values["kind"] != "consortium key" or values["format"] != 1:
            raise BadSheet(fault="it is another kind of document")
        return [bytes.fromhex(text) for text in values["files"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadSheet(fault="it is no document of the consortium's key") from None

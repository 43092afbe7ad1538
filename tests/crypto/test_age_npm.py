"""Files exchanged with npm age-encryption, both ways."""

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from theriac.crypto import age
from theriac.crypto.age import CHUNK
from theriac.crypto.recipients import HybridIdentity, X25519Identity, parse_identity, parse_recipient

_SCRIPT = Path(__file__).with_name("npm_age.mjs")
PLAINS = [b"", b"penicillin", os.urandom(CHUNK), os.urandom(2 * CHUNK + 1)]
KINDS = [("hybrid", HybridIdentity), ("x25519", X25519Identity)]


def _npm(jobs: list[dict[str, Any]]) -> list[Any]:
    """Have npm age-encryption do these jobs; npm_age.mjs lists their forms."""
    done = subprocess.run(["node", str(_SCRIPT)], input=json.dumps(jobs).encode(), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_npm__opens_what_we_sealed(name: str, kind: type[HybridIdentity] | type[X25519Identity]) -> None:
    # given files for a reader, alone and as the second of two
    reader, other = kind.generate(), kind.generate()
    sealed = [age.seal_bytes(plain, to=[reader.recipient]) for plain in PLAINS]
    sealed.append(age.seal_bytes(PLAINS[1], to=[other.recipient, reader.recipient]))

    # when
    identity = reader.unsafe_export_secret()
    opened = _npm([{"do": "open", "identity": identity, "sealed": _text(each)} for each in sealed])

    # then
    assert [base64.b64decode(each) for each in opened] == [*PLAINS, PLAINS[1]]


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_open__what_npm_sealed(name: str, kind: type[HybridIdentity] | type[X25519Identity]) -> None:
    # given files that npm sealed for a reader of ours, alone and as the second of two
    reader, other = kind.generate(), kind.generate()
    to = [[str(reader.recipient)]] * len(PLAINS) + [[str(other.recipient), str(reader.recipient)]]
    plains = [*PLAINS, PLAINS[1]]
    sealed = _npm([{"do": "seal", "to": to[at], "plain": _text(plain)} for at, plain in enumerate(plains)])

    # when
    opened = [age.open_bytes(base64.b64decode(each), identities=[reader]) for each in sealed]

    # then
    assert opened == plains


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_npm__has_the_same_recipient_for_an_identity(
    name: str, kind: type[HybridIdentity] | type[X25519Identity]
) -> None:
    # given identities of both sides
    ours = kind.generate()
    answers = _npm([{"do": "generate", "kind": name}, {"do": "recipient", "identity": ours.unsafe_export_secret()}])
    theirs, our_recipient = answers

    # when
    identity = parse_identity(theirs["identity"])

    # then
    assert isinstance(identity, kind)
    assert parse_recipient(theirs["recipient"]) == identity.recipient
    assert our_recipient == str(ours.recipient)

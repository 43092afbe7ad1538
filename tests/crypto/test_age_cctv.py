"""The public vectors of the age format (npm cctv-age), each with exactly the outcome it names."""

import base64
import hashlib
import io
import json
import subprocess
import zlib
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

import pytest
from sealed_streams import Trickle, drain

from theriac.crypto import age
from theriac.crypto.age import FileKey
from theriac.crypto.recipients import Identity, Stanza, Wrapped, parse_identity
from theriac.errors import (
    HeaderMalformed,
    HeaderTampered,
    NoMatchingIdentity,
    NotAnAgeFile,
    PayloadTampered,
    PayloadTruncated,
    TheriacError,
    TrailingData,
)

_SCRIPT = Path(__file__).with_name("cctv_vectors.mjs")
_OUTCOME_OF: dict[type[TheriacError] | None, str] = {
    None: "success",
    NotAnAgeFile: "header failure",
    HeaderMalformed: "header failure",
    NoMatchingIdentity: "no match",
    HeaderTampered: "HMAC failure",
    PayloadTampered: "payload failure",
    PayloadTruncated: "payload failure",
    TrailingData: "payload failure",
}


@dataclass(frozen=True)
class Vector:
    name: str
    expect: str
    kind: str
    payload: str | None
    identities: tuple[str, ...]
    file: bytes


@dataclass(frozen=True)
class Outcome:
    expect: str
    payload: str | None


def _read(name: str, raw: bytes) -> Vector:
    head, _, file = raw.partition(b"\n\n")
    lines = [line.split(": ", 1) for line in head.decode("ascii").splitlines()]
    fields = dict(lines)
    kind = "armor" if "armored" in fields else "scrypt" if "passphrase" in fields else "native"
    return Vector(
        name=name,
        expect=fields["expect"],
        kind=kind,
        payload=fields.get("payload"),
        identities=tuple(value for key, value in lines if key == "identity"),
        file=zlib.decompress(file) if fields.get("compressed") == "zlib" else file,
    )


@cache
def _vectors() -> tuple[Vector, ...]:
    done = subprocess.run(["node", str(_SCRIPT)], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return tuple(_read(name, base64.b64decode(text)) for name, text in json.loads(done.stdout).items())


def _native() -> list[Vector]:
    return [vector for vector in _vectors() if vector.kind == "native"]


def _open(vector: Vector, source: BinaryIO) -> Outcome:
    """What opening the vector comes to: the word of the vectors for it, and the digest of all that was given out."""
    try:
        reader = age.open_(source, identities=[parse_identity(text) for text in vector.identities])
    except TheriacError as error:
        return Outcome(expect=_OUTCOME_OF[type(error)], payload=None)
    drained = drain(reader)
    return Outcome(expect=_OUTCOME_OF[drained.error], payload=hashlib.sha256(drained.plain).hexdigest())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for name, vectors in (
        ("vector", _native()),
        ("parsed_vector", [vector for vector in _native() if vector.expect != "header failure"]),
    ):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, vectors, ids=[vector.name for vector in vectors])


def test_vectors__native_ones_run_and_only_scrypt_and_armor_are_left_out() -> None:
    # given every vector, when they are counted by kind and outcome
    counted = Counter((vector.kind, vector.expect) for vector in _vectors())

    # then
    assert counted == {
        ("native", "success"): 18,
        ("native", "no match"): 8,
        ("native", "header failure"): 40,
        ("native", "HMAC failure"): 1,
        ("native", "payload failure"): 18,
        ("scrypt", "success"): 1,
        ("scrypt", "no match"): 4,
        ("scrypt", "header failure"): 20,
        ("armor", "success"): 7,
        ("armor", "no match"): 1,
        ("armor", "header failure"): 2,
        ("armor", "payload failure"): 1,
        ("armor", "armor failure"): 22,
    }


def test_open__vector(vector: Vector) -> None:
    # given a source that seeks
    source = io.BytesIO(vector.file)

    # when
    outcome = _open(vector, source)

    # then
    assert outcome == Outcome(expect=vector.expect, payload=vector.payload)


def test_open__vector_that_trickles_in(vector: Vector) -> None:
    # given a source that does not seek and stops at odd places
    source = Trickle(vector.file, most=4093)

    # when
    outcome = _open(vector, source)

    # then
    assert outcome == Outcome(expect=vector.expect, payload=vector.payload)


class _Listener:
    """An identity that opens nothing and remembers the stanzas it was shown."""

    def __init__(self) -> None:
        self.stanzas: tuple[Stanza, ...] = ()

    def unwrap(self, stanzas: tuple[Stanza, ...]) -> None:
        self.stanzas = stanzas


@dataclass(frozen=True)
class _Echo:
    """A recipient with a stanza made before."""

    stanza: Stanza

    def wrap(self, file_key: FileKey) -> Wrapped:
        return Wrapped(stanza=self.stanza, labels=frozenset())


def test_seal__header_of_vector_is_written_as_it_was_read(parsed_vector: Vector) -> None:
    # given the stanzas that an identity is shown
    listener = _Listener()
    identities: list[Identity] = [listener]
    with pytest.raises(NoMatchingIdentity):
        age.open_bytes(parsed_vector.file, identities=identities)

    # when they are written again
    sealed = age.seal_bytes(b"", to=[_Echo(stanza) for stanza in listener.stanzas])

    # then all up to the MAC is equal
    assert sealed.partition(b"\n--- ")[0] == parsed_vector.file.partition(b"\n--- ")[0]

"""Our own sealed files, each with the one fault that names it (tests/vectors/age)."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sealed_streams import Trickle

from theriac.crypto import age
from theriac.crypto.recipients import parse_identity
from theriac.errors import TheriacError

VECTORS = Path(__file__).parents[1] / "vectors" / "age"
TABLE = json.loads((VECTORS / "expected.json").read_text(encoding="ascii"))
IDENTITIES = [parse_identity(text) for text in TABLE["identities"]]


@dataclass(frozen=True)
class Outcome:
    error: str | None
    facts: dict[str, Any]
    plain: str


def _outcome(source: io.IOBase) -> Outcome:
    plain = b""
    try:
        opened = age.open_(source, identities=IDENTITIES)
        while piece := opened.read(age.CHUNK):
            plain += piece
    except TheriacError as error:
        return Outcome(error=type(error).__name__, facts=vars(error), plain=plain.decode("ascii"))
    return Outcome(error=None, facts={}, plain=plain.decode("ascii"))


def test_vectors__are_those_of_the_table() -> None:
    # given, when
    files = {path.stem for path in VECTORS.glob("*.age")}

    # then
    assert files == set(TABLE["files"])


@pytest.mark.parametrize("name", TABLE["files"])
def test_open__our_vector(name: str) -> None:
    # given
    data = (VECTORS / f"{name}.age").read_bytes()

    # when it is read from a source that seeks, and from one that does not
    outcomes = [_outcome(io.BytesIO(data)), _outcome(Trickle(data, most=11))]

    # then
    assert outcomes == [Outcome(**TABLE["files"][name])] * 2

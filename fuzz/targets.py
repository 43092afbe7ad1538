"""What a target is, and all of them."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

from theriac.crypto.recipients import HybridIdentity, X25519Identity
from theriac.errors import TheriacError
from theriac.ledger.codec import parse_json

CORPUS = Path(__file__).resolve().parent / "corpus"

HYBRID = HybridIdentity.from_seed(b"a hybrid identity of the fuzzing")
CLASSIC = X25519Identity.from_seed(b"an x25519 identity for fuzzing..")
ACCOUNT = "0x00000000000000000000000000000000000000AA"

Errors = tuple[type[BaseException], ...]


@dataclass(frozen=True)
class Target:
    """An entry point of the package for bytes that a stranger made.

    `may` is what it says that it raises. `write` gives the one spelling of what was read, where a format has only one;
    `slow` is for readers that may take more than a moment, with how many seconds of the processor they may take.
    """

    name: str
    entry: str
    read: Callable[[bytes], Any]
    may: Errors
    write: Callable[[Any], bytes] | None = None
    limit: str = ""
    words: tuple[bytes, ...] = ()
    seconds: float = 2.0
    longest: int = 1 << 16
    typed: bool = field(default=True)

    @property
    def folder(self) -> Path:
        return CORPUS / self.name

    @property
    def raises(self) -> str:
        return ", ".join(f"`{each.__name__}`" for each in self.may)

    def seeds(self) -> list[bytes]:
        """What is kept for it, in the order of its names."""
        return [path.read_bytes() for path in sorted(self.folder.glob("*"))]


def told(data: bytes, name: str, otherwise: Any = ACCOUNT) -> Any:
    """A field of a JSON text: many readers know already whose document they read, and it is the one they are given.

    What they know is of its type, whatever the text says.
    """
    try:
        found = parse_json(data)[name]
    except (ValueError, LookupError, TypeError, RecursionError):
        return otherwise
    return found if type(found) is type(otherwise) else otherwise


def text(data: bytes) -> str:
    """What a scanner or a keyboard makes of bytes."""
    return data.decode("utf-8", errors="replace")


_MODULES = ("crypto", "store", "ledger", "consortium", "health", "medicine", "cover")


@cache
def all_targets() -> dict[str, Target]:
    found = [each for name in _MODULES for each in importlib.import_module(f"fuzz.{name}").TARGETS]
    assert all(issubclass(error, TheriacError) or error.__name__ in _INNER for each in found for error in each.may)
    return {each.name: each for each in found}


def target_named(name: str) -> Target:
    """One target, with no more imported than it needs: reading what is imported for its branches takes seconds."""
    for module in _MODULES:
        for each in importlib.import_module(f"fuzz.{module}").TARGETS:
            if each.name == name:
                return cast(Target, each)
    raise KeyError(name)


_INNER = ("CallFailed", "Lie", "Undecodable", "Strangers", "ValueError", "KeyError", "TypeError")
"""What a part raises whose only caller makes one of the tree's errors of it."""

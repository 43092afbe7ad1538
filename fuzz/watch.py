"""One input, watched: what it raises, how long it takes, what memory it takes, what it would be written as."""

import dataclasses
import enum
import signal
import traceback
import tracemalloc
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from fuzz.targets import Target

ROOM = 32 << 20
"""Bytes that a reader may take beyond what its input explains."""

TIMES = 150
"""How many bytes it may take for each of its input's: a list of one small number takes sixty."""


@dataclasses.dataclass(frozen=True)
class Fault:
    """What is wrong with how an input was read, and where; two of one place are one fault."""

    target: str
    kind: str
    place: str
    told: str = dataclasses.field(compare=False, default="")

    def __str__(self) -> str:
        return f"{self.target}: {self.kind} in {self.place}" + (f" ({self.told[:200]})" if self.told else "")


class Hang(BaseException):
    """An input took too long. No reader may catch it."""


def fault_of(target: Target, data: bytes, *, memory: bool = True) -> Fault | None:
    """What is wrong with how a target reads an input; None where nothing is. In the main thread only."""
    if memory:
        tracemalloc.start()
    try:
        with _limited(target.seconds * (3 if memory else 1)):
            try:
                value = target.read(data)
            except target.may as error:
                # An error that cannot be told is none that a user can be shown.
                str(error)
            else:
                if target.typed and (wrong := mistyped(value)):
                    return Fault(target.name, "a value of another type", wrong)
                # White space around a file is an editor's, and borne by most.
                if target.write is not None and target.write(value).strip() not in (data, data.strip()):
                    return Fault(target.name, "accepted in another spelling", target.entry)
        if memory and (peak := tracemalloc.get_traced_memory()[1]) > ROOM + TIMES * len(data):
            return Fault(target.name, "memory", target.entry, f"{peak} bytes for {len(data)}")
    except Hang as error:
        return Fault(target.name, "hang", _place(error), f"more than {target.seconds} s")
    except Exception as error:
        return Fault(target.name, type(error).__name__, _place(error), str(error))
    finally:
        tracemalloc.stop()
    return None


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """So much time of the processor: that of the clock says nothing on a busy machine."""

    def over(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGVTALRM, over)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 0.5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _place(error: BaseException) -> str:
    """The innermost function of the package that it went through."""
    frames = [each for each in traceback.extract_tb(error.__traceback__) if "/theriac/" in each.filename]
    if not frames:
        return "the fuzzing itself"
    last = frames[-1]
    return f"theriac/{last.filename.rpartition('/theriac/')[2]}:{last.name}"


# -- types -------------------------------------------------------------------------------------------------------------


def mistyped(value: Any) -> str:
    """The field of what was read that is not of the type it says; empty where all are."""
    if isinstance(value, list | tuple):
        return next((wrong for each in value[:50] if (wrong := mistyped(each))), "")
    kind: Any = type(value)
    if not dataclasses.is_dataclass(value) or not kind.__module__.startswith("theriac."):
        return ""
    for each in dataclasses.fields(value):
        found = getattr(value, each.name)
        if not _is(found, _hints(kind).get(each.name, Any)):
            return f"{kind.__module__}.{kind.__name__}.{each.name}"
        if wrong := mistyped(found):
            return wrong
    return ""


@cache
def _hints(kind: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(kind)
    except NameError:
        return {}


def _is(value: Any, hint: Any) -> bool:
    """Whether a value is of a type, as far as the type is a plain one."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_is(value, each) for each in arguments)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return isinstance(value, tuple) and all(_is(each, arguments[0]) for each in value[:50])
    if origin is list:
        return isinstance(value, list) and all(_is(each, arguments[0]) for each in value[:50])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(
            _is(key, arguments[0]) and _is(each, arguments[1]) for key, each in list(value.items())[:50]
        )
    if not isinstance(hint, type) or origin is not None:
        return True
    if hint is int and not issubclass(type(value), enum.Enum):
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in (str, bytes, bool, float):
        return isinstance(value, hint)
    return not dataclasses.is_dataclass(hint) or isinstance(value, hint)

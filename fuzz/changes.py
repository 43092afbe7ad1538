"""Mutations of an input. What is chosen comes from outside: a random number, Hypothesis, or libFuzzer's bytes."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from theriac.ledger.codec import parse_json

Pick = Callable[[int], int]
"""A number below the one given."""

_BYTES = (0, 1, 9, 10, 13, 29, 30, 32, 34, 45, 48, 61, 91, 92, 123, 127, 128, 192, 237, 254, 255)
_SIZES = (0, 1, 15, 16, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 1023, 1024, 4096, 65535, 65536)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 255, 2**31, 2**32, 2**53 - 1, 2**53, 2**63, 2**64, 2**256, 1.5, -0.0, 1e300),
    *(float("inf"), float("-inf"), float("nan"), "", " ", "0", "1", "-1", "0x", "0x00", "00" * 32, "\ud800", "\0", "é"),
    *("\u0661\u0662", "9" * 5000, "A" * 300, "=", "../..", [], {}, [[]], {"": None}, [None] * 40, "true", "1e400"),
    "0x" + "ab" * 20,
)

_SWAPS: tuple[Any, ...] = (None, True, 0, 7, -1, 2**53 - 1, 1.5, "", "7", "00" * 32, [], [7], {}, {"": 7})


def change(data: bytes, pick: Pick, others: Sequence[bytes], words: Sequence[bytes], longest: int) -> bytes:
    """One to four mutations of an input, which `others` and `words` may lend parts to."""
    for _ in range(1 + pick(4)):
        data = _ONE[pick(len(_ONE))](data, pick, others, words)[:longest]
    return data


def _flip(data: bytes, pick: Pick, *_: object) -> bytes:
    if not data:
        return bytes([pick(256)])
    at = pick(len(data))
    return data[:at] + bytes([data[at] ^ (1 << pick(8))]) + data[at + 1 :]


def _put(data: bytes, pick: Pick, *_: object) -> bytes:
    at = pick(len(data) + 1)
    return data[:at] + bytes([_BYTES[pick(len(_BYTES))]]) + data[at + pick(2) :]


def _cut(data: bytes, pick: Pick, *_: object) -> bytes:
    return data[: pick(len(data) + 1)]


def _drop(data: bytes, pick: Pick, *_: object) -> bytes:
    start = pick(len(data) + 1)
    return data[:start] + data[start + 1 + pick(64) :]


def _double(data: bytes, pick: Pick, *_: object) -> bytes:
    start = pick(len(data) + 1)
    part = data[start : start + 1 + pick(64)]
    return data[:start] + part * (1 + pick(3)) + data[start:]


def _many(data: bytes, pick: Pick, others: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """A short part very often: what takes the square of a length shows itself."""
    start = pick(len(data) + 1)
    part = data[start : start + 1 + pick(6)] or b"\\"
    if words and pick(2):
        part = words[pick(len(words))]
    end = pick(len(data) + 1) if pick(2) else start
    return data[:start] + part * _SIZES[pick(len(_SIZES))] + data[end:]


def _splice(data: bytes, pick: Pick, others: Sequence[bytes], *_: object) -> bytes:
    if not others:
        return data
    other = others[pick(len(others))]
    return data[: pick(len(data) + 1)] + other[pick(len(other) + 1) :]


def _length(data: bytes, pick: Pick, *_: object) -> bytes:
    """A number of 1 to 8 bytes in place of others."""
    width = (1, 2, 4, 8)[pick(4)]
    number = (_SIZES[pick(len(_SIZES))], len(data), (1 << 8 * width) - 1, 1 << (8 * width - 1))[pick(4)]
    order: Any = ("big", "little")[pick(2)]
    at = pick(len(data) + 1)
    return data[:at] + (number % (1 << 8 * width)).to_bytes(width, order) + data[at + width :]


def _word(data: bytes, pick: Pick, others: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """A part of what the format is written in."""
    if not words:
        return _digit(data, pick)
    at = pick(len(data) + 1)
    return data[:at] + words[pick(len(words))] + data[at + pick(9) :]


def _digit(data: bytes, pick: Pick, *_: object) -> bytes:
    """Another letter or digit where there is one, so that texts of checked letters stay such texts."""
    places = [at for at, byte in enumerate(data[:4096]) if chr(byte).isalnum()]
    if not places:
        return _put(data, pick)
    at = places[pick(len(places))]
    letters = b"0123456789" if data[at : at + 1].isdigit() else b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return data[:at] + letters[(place := pick(len(letters))) : place + 1] + data[at + 1 :]


def _json(data: bytes, pick: Pick, others: Sequence[bytes], *_: object) -> bytes:
    """Another value, a field less or more somewhere in a JSON text; a first line counts as one, too."""
    head, rest = data, b""
    value = _loaded(data)
    if value is _NONE:
        head, line, rest = data.partition(b"\n")
        rest = line + rest
        value = _loaded(head)
    if value is _NONE:
        return _digit(data, pick)
    places = _places(value)
    owner, key = places[pick(len(places))]
    act = pick(7)
    if owner is None:
        value = _VALUES[pick(len(_VALUES))]
    elif act == 0 and isinstance(owner, dict):
        del owner[key]
    elif act == 1:
        other_owner, other_key = places[pick(len(places))]
        owner[key] = value if other_owner is None else other_owner[other_key]
    elif act == 2 and isinstance(owner, list):
        owner[key:key] = [owner[key]] * (1 + pick(3))
    elif act == 3 and isinstance(owner, dict):
        owner[("more", key + "x", "kind", "")[pick(4)]] = owner[key]
    elif act == 4 and isinstance(owner[key], str):
        owner[key] = _digit(owner[key].encode("utf-8", "replace"), pick).decode("utf-8", "replace")
    elif act == 5 and isinstance(owner[key], str | int):
        owner[key] = str(owner[key]) if isinstance(owner[key], int) else owner[key][: pick(len(owner[key]) + 1)]
    else:
        owner[key] = _VALUES[pick(len(_VALUES))]
    return _written(value) + rest


def swapped(data: bytes) -> Iterator[bytes]:
    """A JSON text with each of its values in turn as one of every other kind, left out, and with a field more in it.

    Chance changes more than one thing at a time in most of what it makes, and then the first check refuses it.
    """
    value = _loaded(data)
    if value is _NONE:
        head, line, rest = data.partition(b"\n")
        if line:
            yield from (each + line + rest for each in swapped(head))
            yield from (head + line + each for each in swapped(rest))
        return
    for owner, key in _places(value):
        inner = value if owner is None else owner[key]
        if isinstance(inner, dict):
            inner["more"] = 7
            yield _written(value)
            del inner["more"]
        if owner is None:
            continue
        for other in _SWAPS:
            if type(other) is not type(inner) or other != inner:
                owner[key] = other
                yield _written(value)
        del owner[key]
        yield _written(value)
        if isinstance(owner, dict):
            owner[key] = inner
        else:
            owner.insert(key, inner)


_NONE = object()


def _loaded(data: bytes) -> Any:
    if data[:1] not in (b"{", b"["):
        return _NONE
    try:
        # As the readers do: beyond some depth, JSON ends a process whose limit to recursion a library has raised.
        return parse_json(data)
    except (ValueError, RecursionError):
        return _NONE


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = [(None, None)]
    waiting = [value]
    while waiting and len(found) < 2000:
        each = waiting.pop()
        if isinstance(each, dict):
            found += [(each, key) for key in each]
            waiting += each.values()
        elif isinstance(each, list):
            found += [(each, place) for place in range(len(each))]
            waiting += each
    return found


def _written(value: Any) -> bytes:
    """In the form that canonical readers want, as far as a value has one."""
    import rfc8785

    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, ValueError, RecursionError):
        pass
    try:
        plain = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return plain.encode("utf-8", "surrogatepass") if "\ud800" not in plain else json.dumps(value).encode()
    except (ValueError, RecursionError):
        return b"{}"


# What changes JSON stands here several times: most formats are JSON, and a bit in one is seldom another value.
_ONE: tuple[Callable[..., bytes], ...] = (
    *(_json, _json, _json, _json, _flip, _put, _cut, _drop, _double, _many, _splice, _length, _word, _word, _digit),
)

"""Values as contracts encode them: from ABI bytes to Python, and to JSON and back; and JSON from strangers.

A value in Python is an int, a bool, a str, bytes, a checksummed address, a tuple for an array, or a dict for a struct.
Values that have no name in the ABI are named by their position, "0", "1" and so on.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import accumulate
from typing import Any

import rfc8785
from eth_abi.codec import ABICodec
from eth_abi.decoding import AddressDecoder, StringDecoder, UnsignedIntegerDecoder
from eth_abi.exceptions import DecodingError
from eth_abi.registry import BaseEquals, registry
from eth_typing import ABIComponent, ChecksumAddress, HexAddress, HexStr
from eth_utils.abi import collapse_if_tuple
from sha3 import keccak_256

_LAST_SHOWN = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())

LAST_SECOND = 1 << 34
"""Documents of strangers name seconds before this one, in 2514: later than 9999 would be none that can be shown."""

# JSON readers other than Python's keep integers exactly only up to here.
_EXACT = 2**53

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@lru_cache(maxsize=4096)
def checksummed(address: bytes) -> ChecksumAddress:
    """An address of 20 bytes as text with its checksum (EIP-55)."""
    text = address.hex()
    told = keccak_256(text.encode()).hexdigest()
    shown = "".join([digit.upper() if mark >= "8" else digit for digit, mark in zip(text, told, strict=False)])
    return ChecksumAddress(HexAddress(HexStr("0x" + shown)))


def shown_moment(seconds: int) -> datetime:
    """The moment of a second since 1970; the last of the year 9999 for a later one.

    Anyone can put a second on the chain that no calendar has, and none may stop a reader.
    """
    return datetime.fromtimestamp(min(seconds, _LAST_SHOWN), UTC)


class _PatientStringDecoder(StringDecoder):
    """A string that is not UTF-8 is shown, not refused: anyone can put one on the chain, and none may stop a reader."""

    def __init__(self) -> None:
        super().__init__(handle_string_errors="backslashreplace")  # type: ignore[no-untyped-call]


class _ChecksummedAddressDecoder(AddressDecoder):
    """Events in bulk repeat a few addresses, and a checksum costs more than all else in an event."""

    decoder_fn = staticmethod(checksummed)


def _codec() -> ABICodec:
    own = registry.copy()  # type: ignore[no-untyped-call]
    decoders = {
        "string": _PatientStringDecoder,
        "address": _ChecksummedAddressDecoder,
        # Where Ape is loaded too, the registry's own decoder of integers takes missing bytes for zeros.
        "uint": UnsignedIntegerDecoder,
    }
    for kind, decoder in decoders.items():
        own.unregister_decoder(kind)
        own.register_decoder(BaseEquals(kind), decoder, label=kind)  # type: ignore[no-untyped-call]
    return ABICodec(own)


_CODEC = _codec()


# Far more than an answer of a node or a file of a network needs.
_DEEPEST = 64
# One that is not closed is taken to its end: to look for another from each quotation mark in it takes the square of its
# length.
_TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ALL_BUT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


class Undecodable(Exception):
    """Bytes that are not what the ABI says. Never leaves this package: the caller knows whose fault it is."""


def parse_json(text: bytes | bytearray, **options: Any) -> Any:
    """The value of a JSON text in UTF-8, with the options of `json.loads`. Raises ValueError, for deep nesting too.

    Programs that embed a chain raise Python's limit to recursion, and beyond the usual one the parser does not raise an
    error for a text of brackets: it takes the process down.
    """
    # Python also reads UTF-16 and UTF-32, where what stands in quotation marks here does not stand in any.
    plain = text.decode("utf-8-sig")
    # Without a backslash, which nodes hardly ever write, a text ends at the next quotation mark whatever it leaves out.
    short = text if b"\\" in text else text.translate(None, _ALL_BUT_STRUCTURE)
    brackets = _TEXTS.sub(b"", short).translate(None, _ALL_BUT_BRACKETS)
    if max(accumulate(_STEPS[bracket] for bracket in brackets), default=0) > _DEEPEST:
        raise ValueError("nested too deep")
    return json.loads(plain, **options)


def canonical_json(value: Any) -> bytes:
    """The canonical form of a JSON value (RFC 8785). Raises rfc8785.CanonicalizationError.

    Of most values Python's own encoder makes the very same bytes, in a tenth of the time.
    """
    if _is_plain(value):
        try:
            return _ENCODER.encode(value).encode()
        except UnicodeEncodeError:
            pass
    return rfc8785.dumps(value)


def _is_plain(value: Any) -> bool:
    """Whether a value has neither fractions, nor numbers beyond 2^53, nor names that UTF-16 would sort otherwise."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        kind = type(each)
        if kind is int:
            if not -_EXACT < each < _EXACT:
                return False
        elif kind is dict:
            if not all(type(name) is str and name.isascii() for name in each):
                return False
            waiting += each.values()
        elif kind is list or kind is tuple:
            waiting += each
        elif not (kind is str or kind is bool or each is None):
            return False
    return True


def decode(parameters: Sequence[ABIComponent], data: bytes) -> dict[str, Any]:
    """The values of `parameters` in `data`, by name. Raises Undecodable."""
    widths = [_WORDS.get(part["type"]) for part in parameters]
    if None not in widths:
        return {
            name_of(part, place): _of_word(part["type"], width or 0, data[32 * place : 32 * place + 32])
            for place, (part, width) in enumerate(zip(parameters, widths, strict=True))
        }
    try:
        values = _CODEC.decode([collapse_if_tuple(part) for part in parameters], data)
    except (DecodingError, OverflowError, ValueError) as fault:
        raise Undecodable(str(fault)) from None
    return _named(parameters, values)


# The types that are one word each, with how many of its bytes count. Events in bulk are of these, and what reads every
# type takes ten times as long for them.
_WORDS = {
    "address": 20,
    "bool": 1,
    **{f"uint{8 * width}": width for width in range(1, 33)},
    **{f"bytes{width}": width for width in range(1, 33)},
}


def _of_word(kind: str, width: int, word: bytes) -> Any:
    """The value of a type in its word: bytes stand in front, all else at the end. Raises Undecodable."""
    if len(word) != 32:
        raise Undecodable(f"a word of {kind} has {len(word)} bytes")
    value, rest = (word[:width], word[width:]) if kind.startswith("bytes") else (word[-width:], word[:-width])
    if any(rest):
        raise Undecodable(f"{word.hex()} is no {kind}")
    if kind.startswith("bytes"):
        return value
    if kind == "address":
        return checksummed(value)
    number = int.from_bytes(value, "big")
    if kind != "bool":
        return number
    if number > 1:
        raise Undecodable(f"{word.hex()} is no bool")
    return number == 1


def name_of(parameter: Mapping[str, Any], position: int) -> str:
    return parameter.get("name") or str(position)


def to_json(value: Any) -> Any:
    """The value in JSON: bytes as 0x-hex, and integers that other readers would round as decimal text."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, dict):
        return {name: to_json(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(part) for part in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _EXACT:
        return str(value)
    return value


def from_json(parameter: Mapping[str, Any], value: Any) -> Any:
    """What `to_json` made of a value of this ABI type, as it was."""
    kind: str = parameter["type"]
    if kind.endswith("]"):
        element = {**parameter, "type": kind[: kind.rindex("[")]}
        return tuple(from_json(element, part) for part in value)
    if kind == "tuple":
        return {
            name_of(part, position): from_json(part, value[name_of(part, position)])
            for position, part in enumerate(parameter["components"])
        }
    if kind.startswith("bytes"):
        return bytes.fromhex(value[2:])
    if kind.startswith(("uint", "int")):
        return int(value)
    return value


def _named(parameters: Sequence[Mapping[str, Any]], values: Sequence[Any]) -> dict[str, Any]:
    return {
        name_of(parameter, position): _shaped(parameter, value)
        for position, (parameter, value) in enumerate(zip(parameters, values, strict=True))
    }


def _shaped(parameter: Mapping[str, Any], value: Any) -> Any:
    kind: str = parameter["type"]
    if kind.endswith("]"):
        element = {**parameter, "type": kind[: kind.rindex("[")]}
        return tuple(_shaped(element, part) for part in value)
    if kind == "tuple":
        return _named(parameter["components"], value)
    return value

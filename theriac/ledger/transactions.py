"""The bytes of a transaction: what is signed of it, and whether a signed one is exactly the one that was asked for.

General libraries look at each field in many ways, for a millisecond; a sender signs and checks one for every act.
"""

from collections.abc import Mapping
from typing import Any

import rlp
from coincurve import PublicKey
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from sha3 import keccak_256

PRICED = ("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas")
"""The numbers that a transaction with two prices (EIP-1559) begins with."""

_NO_ACCESS_LIST = b"\xc0"
_SHORT = 56


def keccak(data: bytes) -> bytes:
    """The keccak-256 of some bytes."""
    digest: bytes = keccak_256(data).digest()
    return digest


def with_two_prices(fields: Mapping[str, Any]) -> bytes:
    """The items up to the signature of a transaction of EIP-1559, one after the other."""
    numbers = b"".join(_number(fields[name]) for name in PRICED)
    return numbers + _rest(fields) + _NO_ACCESS_LIST


def with_one_price(fields: Mapping[str, Any]) -> bytes:
    """The same of a transaction of the old kind."""
    return b"".join(_number(fields[name]) for name in ("nonce", "gasPrice", "gas")) + _rest(fields)


def listed(items: bytes) -> bytes:
    """A list of encoded items."""
    return _head(len(items), 0xC0) + items


def item(content: bytes) -> bytes:
    """An item of bytes."""
    if len(content) == 1 and content[0] < 0x80:
        return content
    return _head(len(content), 0x80) + content


def fault_of(raw: bytes, fields: Mapping[str, Any], address: ChecksumAddress) -> str:
    """What is wrong with a signed transaction; nothing where it is exactly `fields`, signed by `address`."""
    try:
        if "gasPrice" in fields:
            kind, asked = b"", with_one_price(fields)
        else:
            kind, asked = bytes([fields["type"]]), with_two_prices(fields)
        items = _items(raw[len(kind) :])
        if raw[: len(kind)] != kind or not items.startswith(asked):
            return "the transaction is another one"
        told, r, s = (int.from_bytes(each, "big") for each in rlp.decode(listed(items[len(asked) :])))
        signed = kind + listed(asked)
        if not kind:
            if (told - 35) // 2 != fields["chainId"]:
                return "it is for another chain"
            told, signed = (told - 35) % 2, listed(asked + _number(fields["chainId"]) + item(b"") * 2)
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([told])
        key = PublicKey.from_signature_and_message(signature, keccak(signed), hasher=None)
        signed_by = keccak(key.format(compressed=False)[1:])[-20:]
    except Exception as trouble:
        return f"it is no transaction: {type(trouble).__name__}"
    return "" if signed_by == bytes.fromhex(address[2:]) else f"it is signed by {to_checksum_address(signed_by)}"


def _rest(fields: Mapping[str, Any]) -> bytes:
    to = bytes.fromhex(fields["to"][2:]) if "to" in fields else b""
    return item(to) + _number(fields["value"]) + item(bytes.fromhex(fields["data"][2:]))


def _number(value: int) -> bytes:
    return item(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _head(length: int, kind: int) -> bytes:
    if length < _SHORT:
        return bytes([kind + length])
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([kind + _SHORT - 1 + len(size)]) + size


def _items(whole: bytes) -> bytes:
    """What is in a list, which ends where the bytes end. Raises ValueError where it is none, or not in its one form."""
    beyond = whole[0] - 0xC0 - _SHORT + 1
    items = whole[1 + max(beyond, 0) :]
    if listed(items) != whole:
        raise ValueError("it is no list")
    return items

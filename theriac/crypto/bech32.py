"""Bech32 (BIP 173), strict, without its limit of 90 characters: the text form of age recipients and identities.

A text is a prefix, the character `1`, the data and a checksum of 6 characters. Beyond 90 characters the checksum
still finds nearly every slip, but no longer promises to find each one of up to four.
"""

import base64
from dataclasses import dataclass
from typing import Final

from theriac.errors import NotBech32

_CHARACTERS: Final = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BASE32: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_VALUES: Final = bytes(range(32))
_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
# What the generator adds for each of the 32 values that leave the top of the checksum.
_ADDED: Final = tuple(
    (_GENERATOR[0] * (top & 1))
    ^ (_GENERATOR[1] * (top >> 1 & 1))
    ^ (_GENERATOR[2] * (top >> 2 & 1))
    ^ (_GENERATOR[3] * (top >> 3 & 1))
    ^ (_GENERATOR[4] * (top >> 4 & 1))
    for top in range(32)
)
_CHECKSUM_LENGTH: Final = 6
# Values of 5 bits are kept as bytes; the standard library turns 5 bytes into 8 values and back, in its own letters.
_CHARACTERS_OF: Final = bytes.maketrans(_VALUES, _CHARACTERS)
_VALUES_OF: Final = bytes.maketrans(_CHARACTERS, _VALUES)
_BASE32_OF: Final = bytes.maketrans(_VALUES, _BASE32)
_VALUES_OF_BASE32: Final = bytes.maketrans(_BASE32, _VALUES)


@dataclass(frozen=True)
class Bech32:
    """What a Bech32 text says: its prefix in lower case, its bytes, and whether it was written in upper case."""

    prefix: str
    data: bytes
    upper: bool


def encode(data: bytes, *, prefix: str) -> str:
    """Write `data` in lower case. `prefix` is lower-case ASCII and is trusted."""
    values = base64.b32encode(data).rstrip(b"=").translate(_VALUES_OF_BASE32)
    return f"{prefix}1" + (values + _checksum(prefix, values)).translate(_CHARACTERS_OF).decode("ascii")


def decode(text: str) -> Bech32:
    """Read one text. Raises NotBech32 for mixed case, other characters, a wrong checksum or padding with content."""
    # (1) one case only, of ASCII: other alphabets have letters that become ours in lower case
    if not text.isascii():
        raise NotBech32(fault="it has characters that Bech32 does not know")
    lowered = text.lower()
    if text not in (lowered, text.upper()):
        raise NotBech32(fault="it mixes upper and lower case")

    # (2) a prefix, the last '1', and at least a checksum
    prefix, separator, payload = lowered.rpartition("1")
    if not separator or not prefix or len(payload) < _CHECKSUM_LENGTH:
        raise NotBech32(fault="it is too short or has no separator")
    if not all("!" <= character <= "~" for character in prefix):
        raise NotBech32(fault="its prefix has characters that Bech32 does not know")

    # (3) only the 32 characters
    if payload.encode("ascii").translate(None, delete=_CHARACTERS):
        raise NotBech32(fault="it has characters that Bech32 does not know")
    values = payload.encode("ascii").translate(_VALUES_OF)

    # (4) the checksum, over the lower case
    values, checksum = values[:-_CHECKSUM_LENGTH], values[-_CHECKSUM_LENGTH:]
    if checksum != _checksum(prefix, values):
        raise NotBech32(fault="its checksum is wrong, so a character is")

    # (5) whole bytes: less than one value of padding, all zero
    padding = 5 * len(values) % 8
    if padding > 4 or (padding and values[-1] & ((1 << padding) - 1)):
        raise NotBech32(fault="its padding is not zero or too long")
    data = base64.b32decode(values.translate(_BASE32_OF) + b"=" * (-len(values) % 8))

    return Bech32(prefix=prefix, data=data, upper=text != lowered)


def _checksum(prefix: str, values: bytes) -> bytes:
    """The six values that make the polynomial of the whole text equal to 1."""
    letters = prefix.encode("ascii")
    expanded = bytes(letter >> 5 for letter in letters) + b"\0" + bytes(letter & 31 for letter in letters)
    remainder = 1
    for value in expanded + values + bytes(_CHECKSUM_LENGTH):
        remainder = ((remainder & 0x1FFFFFF) << 5) ^ value ^ _ADDED[remainder >> 25]
    remainder ^= 1
    return bytes(remainder >> 5 * (5 - place) & 31 for place in range(_CHECKSUM_LENGTH))

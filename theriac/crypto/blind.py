"""Blind signatures with RSA (RFC 9474, RSABSSA-SHA384-PSS-Deterministic): who signs does not see what.

The result is an ordinary RSASSA-PSS signature, which `cryptography` verifies; ours are the encoding of the message, as
PSS wants it, and two multiplications. Blinding hides perfectly: no computer of the future links a signature to the act
of signing it. Every message must hold at least 32 random bytes of its own, as the RFC asks of this variant.
"""

import hashlib
import math
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from theriac.errors import BadBlinding

BITS = 3072
_SALT = 48
_HASH = hashlib.sha384
_PADDING = padding.PSS(mgf=padding.MGF1(hashes.SHA384()), salt_length=_SALT)


@dataclass(frozen=True)
class Blinded:
    """A message under a blinding: `blinded` is shown to whoever signs, `inverse` is kept."""

    blinded: bytes
    inverse: int


def generate() -> rsa.RSAPrivateKey:
    """A key for blind signatures, and for nothing else: it signs what it does not see."""
    return rsa.generate_private_key(public_exponent=65537, key_size=BITS)


def encode_key(key: rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def decode_key(data: bytes) -> rsa.RSAPublicKey:
    """:raises BadBlinding: no key of RSA with this length."""
    try:
        key = serialization.load_der_public_key(data)
    except Exception:
        # The library raises errors of several kinds for bytes that are no key.
        raise BadBlinding(fault="it is no public key") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size != BITS or key.public_numbers().e != 65537:
        raise BadBlinding(fault=f"it is no RSA key of {BITS} bits with exponent 65537")
    return key


def blind(key: rsa.RSAPublicKey, message: bytes) -> Blinded:
    """Hides a message that is to be signed."""
    n, e = key.public_numbers().n, key.public_numbers().e
    encoded = int.from_bytes(_encode(message, secrets.token_bytes(_SALT)), "big")
    if math.gcd(encoded, n) != 1:
        raise BadBlinding(fault="the message has a factor in common with the key")
    while True:
        factor = secrets.randbelow(n)
        if factor > 1 and math.gcd(factor, n) == 1:
            break
    blinded = encoded * pow(factor, e, n) % n
    return Blinded(blinded.to_bytes(BITS // 8, "big"), pow(factor, -1, n))


def sign_blind(key: rsa.RSAPrivateKey, blinded: bytes) -> bytes:
    """Signs what is hidden.

    :raises BadBlinding: it is no blinded message under this key.
    """
    numbers = key.private_numbers()
    n, e = numbers.public_numbers.n, numbers.public_numbers.e
    hidden = int.from_bytes(blinded, "big")
    if len(blinded) != BITS // 8 or not 1 < hidden < n - 1:
        raise BadBlinding(fault="it is no blinded message for this key")
    # A second blinding, so that the time this takes says nothing of the key.
    factor = secrets.randbelow(n - 2) + 2
    masked = hidden * pow(factor, e, n) % n
    signed = pow(masked, numbers.d, n) * pow(factor, -1, n) % n
    if pow(signed, e, n) != hidden:
        raise BadBlinding(fault="the signature came out wrong")
    return signed.to_bytes(BITS // 8, "big")


def finish(key: rsa.RSAPublicKey, message: bytes, signed: bytes, inverse: int) -> bytes:
    """The signature of a message, from that of its blinded form.

    :raises BadBlinding: whoever signed did not sign this, or not with this key.
    """
    n = key.public_numbers().n
    signature = (int.from_bytes(signed, "big") * inverse % n).to_bytes(BITS // 8, "big")
    if len(signed) != BITS // 8 or not is_signed(key, message, signature):
        raise BadBlinding(fault="it is not signed by the key that its member published")
    return signature


def is_signed(key: rsa.RSAPublicKey, message: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, message, _PADDING, hashes.SHA384())
    except InvalidSignature:
        return False
    return True


def _encode(message: bytes, salt: bytes) -> bytes:
    """EMSA-PSS-ENCODE of RFC 8017, 9.1.1, for a modulus of whole bytes."""
    length, size = BITS // 8, _HASH().digest_size
    digest = _HASH(bytes(8) + _HASH(message).digest() + salt).digest()
    block = bytes(length - _SALT - size - 2) + b"\x01" + salt
    masked = bytearray(a ^ b for a, b in zip(block, _mask(digest, len(block)), strict=True))
    # The number must stay below the modulus, so its highest bit is zero.
    masked[0] &= 0x7F
    return bytes(masked) + digest + b"\xbc"


def _mask(seed: bytes, length: int) -> bytes:
    """MGF1 of RFC 8017, B.2.1."""
    count = -(-length // _HASH().digest_size)
    return b"".join(_HASH(seed + number.to_bytes(4, "big")).digest() for number in range(count))[:length]

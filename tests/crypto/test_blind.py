"""Blind signatures: what comes out is an ordinary PSS signature, and nothing ties it to what was signed."""

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from theriac.crypto import blind
from theriac.errors import BadBlinding

# What is hidden under the smaller modulus can be signed under the larger one, wrongly.
KEY, OTHER = sorted((blind.generate(), blind.generate()), key=lambda key: key.public_key().public_numbers().n)
MESSAGE = bytes(range(64))


def signed(message: bytes = MESSAGE, *, key: rsa.RSAPrivateKey = KEY) -> bytes:
    hidden = blind.blind(key.public_key(), message)
    return blind.finish(key.public_key(), message, blind.sign_blind(key, hidden.blinded), hidden.inverse)


def test_finish__is_what_any_verifier_of_pss_accepts() -> None:
    # given: the parameters of RSABSSA-SHA384-PSS-Deterministic, said anew
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA384()), salt_length=48)

    # then
    for length in (0, 1, 32, 1000):
        message = bytes(length)
        KEY.public_key().verify(signed(message), message, pss, hashes.SHA384())


def test_encode__is_what_the_library_encodes() -> None:
    # given: what the library has signed, opened with the public key: EMSA-PSS of RFC 8017
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA384()), salt_length=48)
    numbers = KEY.public_key().public_numbers()
    signature = int.from_bytes(KEY.sign(MESSAGE, pss, hashes.SHA384()), "big")
    opened = pow(signature, numbers.e, numbers.n).to_bytes(blind.BITS // 8, "big")

    # when: the salt is read out of it
    digest, masked = opened[-49:-1], opened[:-49]
    mask = b"".join(hashlib.sha384(digest + number.to_bytes(4, "big")).digest() for number in range(8))
    salt = bytes(a ^ b for a, b in zip(masked, mask, strict=False))[-48:]

    # then
    assert blind._encode(MESSAGE, salt) == opened


def test_blind__every_signature_fits_every_blinding() -> None:
    # given: two messages, their blinded forms and their signatures
    numbers = KEY.public_key().public_numbers()
    first, second = blind.blind(KEY.public_key(), b"1" * 32), blind.blind(KEY.public_key(), b"2" * 32)
    signatures = [
        blind.finish(KEY.public_key(), message, blind.sign_blind(KEY, hidden.blinded), hidden.inverse)
        for message, hidden in ((b"1" * 32, first), (b"2" * 32, second))
    ]

    # then: for each pair there is a factor that would have made this signature of that blinded form, so that whoever
    # has all keys and all forms can rule no pair out
    for hidden in (first, second):
        for signature in signatures:
            opened = pow(int.from_bytes(signature, "big"), numbers.e, numbers.n)
            factor = pow(
                int.from_bytes(hidden.blinded, "big") * pow(opened, -1, numbers.n) % numbers.n,
                KEY.private_numbers().d,
                numbers.n,
            )
            assert opened * pow(factor, numbers.e, numbers.n) % numbers.n == int.from_bytes(hidden.blinded, "big")


def test_blind__the_same_message_twice__shows_two_forms() -> None:
    assert blind.blind(KEY.public_key(), MESSAGE).blinded != blind.blind(KEY.public_key(), MESSAGE).blinded


def test_finish__signed_by_another_key_or_altered() -> None:
    hidden = blind.blind(KEY.public_key(), MESSAGE)
    good = blind.sign_blind(KEY, hidden.blinded)
    for wrong in (blind.sign_blind(OTHER, hidden.blinded), good[:-1] + bytes([good[-1] ^ 1]), b"", good + b"\0"):
        with pytest.raises(BadBlinding):
            blind.finish(KEY.public_key(), MESSAGE, wrong, hidden.inverse)


def test_is_signed__another_message_or_key() -> None:
    signature = signed()
    assert blind.is_signed(KEY.public_key(), MESSAGE, signature)
    assert not blind.is_signed(KEY.public_key(), MESSAGE + b"\0", signature)
    assert not blind.is_signed(OTHER.public_key(), MESSAGE, signature)
    assert not blind.is_signed(KEY.public_key(), MESSAGE, b"")


@pytest.mark.parametrize("blinded", [b"", bytes(384), (1).to_bytes(384, "big"), b"\xff" * 384, b"\1" * 383])
def test_sign_blind__what_is_no_blinded_message(blinded: bytes) -> None:
    with pytest.raises(BadBlinding):
        blind.sign_blind(KEY, blinded)


def test_decode_key__of_another_kind() -> None:
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    for data in (b"", b"no key", blind.encode_key(small.public_key())):
        with pytest.raises(BadBlinding):
            blind.decode_key(data)
    assert blind.decode_key(blind.encode_key(KEY.public_key())) == KEY.public_key()

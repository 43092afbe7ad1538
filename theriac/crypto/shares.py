"""A secret in n shares of which any k restore it (SLIP-39: Shamir over GF(256), each share a list of words).

The library that computes them says of itself that it is not hardened against who watches its timing or its memory, so
shares are made and joined in an offline client, and nowhere else.
"""

import hashlib
from collections.abc import Iterable

import shamir_mnemonic
from shamir_mnemonic import MnemonicError

from theriac.errors import BadShare, BadThreshold, TooFewShares

MOST = 16
"""SLIP-39 numbers shares with four bits."""

_SALT = b"theriac/v1/share"


def split(secret: bytes, *, k: int, n: int) -> tuple[str, ...]:
    """`n` shares of a secret, each a line of words; any `k` of them restore it, fewer say nothing of it.

    :param secret: an even number of bytes, at least 16.
    :raises BadThreshold: not 1 <= k <= n <= 16, or one of several, which would be copies.
    """
    if not 1 <= k <= n <= MOST or (k == 1 and n > 1):
        raise BadThreshold(k=k, n=n)
    [shares] = shamir_mnemonic.generate_mnemonics(1, [(k, n)], secret, iteration_exponent=0)
    return tuple(shares)


def join(shares: Iterable[str]) -> bytes:
    """The secret that shares were made from. More of them than needed are welcome, and one given twice counts once.

    :raises BadShare: one is no share, or not of the same secret as the first.
    :raises TooFewShares: it takes more of them.
    """
    held: dict[int, shamir_mnemonic.Share] = {}
    for number, words in enumerate(shares, start=1):
        share = _parsed(words, number=number)
        first = next(iter(held.values()), share)
        if share.common_parameters() != first.common_parameters():
            raise BadShare(number=number, fault="it belongs to another secret")
        twin = held.setdefault(share.index, share)
        if twin.value != share.value:
            raise BadShare(number=number, fault="it bears the number of another one")
    if not held:
        raise TooFewShares(given=0, needed=1)
    needed = next(iter(held.values())).member_threshold
    if len(held) < needed:
        raise TooFewShares(given=len(held), needed=needed)
    try:
        return bytes(shamir_mnemonic.combine_mnemonics([share.mnemonic() for share in list(held.values())[:needed]]))
    except MnemonicError:
        # The digest inside of the secret does not fit, so one of the shares was altered with its checksum.
        raise BadShare(number=0, fault="together they give no secret") from None


def needed(share: str) -> int:
    """How many shares restore the secret that this one is of. Raises BadShare."""
    return int(_parsed(share, number=1).member_threshold)


def commitment(share: str, *, salt: bytes) -> bytes:
    """SHA-256 over a salt of 32 bytes and a share: published beside it, so that a wrong share names who gave it."""
    return hashlib.sha256(_SALT + salt + share.encode()).digest()


def _parsed(words: str, *, number: int) -> shamir_mnemonic.Share:
    try:
        return shamir_mnemonic.Share.from_mnemonic(" ".join(words.lower().split()))
    except (MnemonicError, ValueError, IndexError):
        raise BadShare(number=number, fault="its words or their checksum are wrong") from None

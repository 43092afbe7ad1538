"""The emergency escrow: a fresh key in shares, each sealed to a custodian, with a commitment to each.

The key is an identity, and what it opens is the capsule that is sealed to it in the same bundle. A version of the
bundle has a key of its own, so one that was put together once is worth nothing in the next.
`docs/protocol/emergencies.md` has the documents and the steps.
"""

import base64
import hmac
import os
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from theriac.crypto import shares
from theriac.crypto.recipients import HybridIdentity, HybridRecipient, Identity, parse_recipient
from theriac.errors import BadDocument, NoMatchingIdentity
from theriac.health import documents

_INFO = b"theriac/v1/escrow"

_shuffle = random.SystemRandom().shuffle


def identity_of(key: bytes) -> HybridIdentity:
    """What the escrow's capsule is sealed to (HKDF-SHA256, RFC 5869)."""
    return HybridIdentity.from_seed(HKDF(SHA256(), 32, None, _INFO).derive(key))


@dataclass(frozen=True)
class Share:
    """A custodian's share of the key of one version of one bundle; `number` is the place of its commitment.

    `strong` says that the key opens something of level V, so that the share goes to post-quantum recipients alone.
    """

    pseudonym: str
    version: int
    number: int
    words: str = field(repr=False)
    salt: str = field(repr=False)
    strong: bool

    def encode(self) -> bytes:
        return documents.encode("share", asdict(self))

    @classmethod
    def decode(cls, data: bytes) -> "Share":
        """:raises BadDocument: no share."""
        values = documents.decode("share", data)
        pseudonym, version, number = values.get("pseudonym"), values.get("version"), values.get("number")
        words, salt, strong = values.get("words"), values.get("salt"), values.get("strong")
        if not (isinstance(pseudonym, str) and isinstance(words, str) and isinstance(salt, str)):
            raise BadDocument(kind="share", fault="a part of it is missing or broken")
        if type(version) is not int or type(number) is not int or not isinstance(strong, bool):
            raise BadDocument(kind="share", fault="a part of it is missing or broken")
        return documents.as_written("share", cls(pseudonym, version, number, words, salt, strong), data)

    @property
    def commitment(self) -> bytes:
        try:
            salt = bytes.fromhex(self.salt)
        except ValueError:
            raise BadDocument(kind="share", fault="its salt is no hexadecimal number") from None
        return shares.commitment(self.words, salt=salt)


@dataclass(frozen=True)
class Escrow:
    """What a bundle shows of its escrow: sealed shares, and commitments to them in the same order."""

    shares: tuple[bytes, ...]
    commitments: tuple[bytes, ...]

    def values(self) -> dict[str, Any]:
        return {
            "shares": [base64.b64encode(each).decode() for each in self.shares],
            "commitments": [each.hex() for each in self.commitments],
        }

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Escrow":
        """Raises ValueError, KeyError or TypeError where they are none."""
        sealed = tuple(base64.b64decode(each, validate=True) for each in values["shares"])
        commitments = tuple(bytes.fromhex(each) for each in values["commitments"])
        if len(sealed) != len(commitments) or not 1 <= len(sealed) <= shares.MOST:
            raise ValueError("shares and commitments")
        return cls(sealed, commitments)

    def share(self, identity: Identity) -> Share | None:
        """The share that is sealed to this identity, or None where there is none.

        :raises BadDocument: what is sealed to it is no share.
        """
        for sealed in self.shares:
            try:
                return Share.decode(documents.open_(sealed, identities=[identity]))
            except NoMatchingIdentity:
                continue
        return None

    def fault(self, share: Share, *, pseudonym: str, version: int) -> str:
        """Why a share is not one of this escrow; nothing where it is."""
        if (share.pseudonym, share.version) != (pseudonym, version):
            return "it belongs to another bundle"
        if not 0 <= share.number < len(self.commitments):
            return "it names a commitment that is not there"
        try:
            fits = hmac.compare_digest(share.commitment, self.commitments[share.number])
        except BadDocument as trouble:
            return trouble.fault
        return "" if fits else "it is not what the patient committed to"


@dataclass(frozen=True)
class Made:
    """A new escrow, and the recipient that its capsule is to be sealed to. The key itself is kept nowhere."""

    escrow: Escrow
    recipient: HybridRecipient


def make(recipients: Sequence[str], *, need: int, pseudonym: str, version: int, strong: bool) -> Made:
    """A fresh key in a share for each recipient, of which `need` restore it.

    :raises BadThreshold: there is no such splitting.
    """
    key = os.urandom(32)
    words = list(zip(shares.split(key, k=need, n=len(recipients)), recipients, strict=True))
    # Whose share a commitment is about is nobody's business but its custodian's.
    _shuffle(words)
    made = [
        (Share(pseudonym, version, number, each, os.urandom(32).hex(), strong), recipient)
        for number, (each, recipient) in enumerate(words)
    ]
    sealed = tuple(documents.seal(share.encode(), to=parse_recipient(recipient)) for share, recipient in made)
    return Made(Escrow(sealed, tuple(share.commitment for share, _ in made)), identity_of(key).recipient)


def join(found: Iterable[Share]) -> HybridIdentity:
    """The escrow's identity from shares that fit their commitments.

    :raises TooFewShares: it takes more of them.
    """
    return identity_of(shares.join(share.words for share in found))

"""Guardians: who may give a pseudonym to a new wallet together, and what each of them signs.

The chain keeps a salted hash of a set until it is used. A guardian has another account for each pseudonym: it hands
over an extended public key (BIP-32), the patient derives an account at a random place of it, and the guardian, told
the place, derives the key.
"""

import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256, sha512
from typing import Any, ClassVar

from coincurve import PrivateKey, PublicKey
from eth_abi.abi import encode
from eth_account.hdaccount import seed_from_mnemonic
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from theriac.crypto.recipients import HybridRecipient, parse_recipient
from theriac.errors import BadExtendedKey, BadGuardians, BadMnemonic
from theriac.health.keystore import Lock
from theriac.ledger.typed import Message, fields

MOST = 16
"""So many guardians at most: the chain counts them in 16 bits, SLIP-39 its shares in four."""

NOTICE, DELAY, LASTS, REST = (days * 24 * 3600 for days in (30, 14, 28, 80))
"""Seconds: a set counts after NOTICE; a recovery ends after DELAY and is over after LASTS; the same set rests."""

LONGEST = 7 * 24 * 3600
"""How many seconds ahead a guardian's deadline may lie."""

HARDENED = 1 << 31
"""From this number on a place is derived from the private key alone (BIP-32)."""

_PUBLIC_VERSION = bytes.fromhex("0488b21e")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_LETTERS = 111


def raised(size: int) -> int:
    """How many guardians are needed once there was an objection: all, or of more than three all but one."""
    return size - 1 if size > 3 else size


def check_threshold(k: int, n: int) -> None:
    """:raises BadGuardians: fewer than two, or so many that an objection would ask for no more."""
    if not 2 <= k < raised(n) or n > MOST:
        raise BadGuardians(k=k, n=n)


@dataclass(frozen=True)
class GuardianSet:
    """The guardians of one pseudonym, their accounts ascending, with a salt of their own."""

    salt: bytes = field(repr=False)
    threshold: int
    accounts: tuple[str, ...]

    @classmethod
    def of(cls, accounts: Iterable[str], *, threshold: int) -> "GuardianSet":
        """A new set of these accounts. Raises BadGuardians, also where an account is in it twice."""
        chosen = tuple(sorted({to_checksum_address(each) for each in accounts}, key=lambda each: int(each, 16)))
        check_threshold(threshold, len(chosen))
        return cls(secrets.token_bytes(32), threshold, chosen)

    @property
    def terms(self) -> tuple[bytes, int, list[str]]:
        """The set as the contract takes it."""
        return (self.salt, self.threshold, list(self.accounts))

    @property
    def hash(self) -> bytes:
        """What the chain keeps of it."""
        return keccak(encode(["(bytes32,uint8,address[])"], [self.terms]))

    def mask(self, accounts: Iterable[str]) -> int:
        """These accounts as the contract counts them: by their places in the set."""
        return sum(1 << self.accounts.index(each) for each in set(accounts))

    def members(self, mask: int) -> tuple[str, ...]:
        """The accounts that a mask names, in their order."""
        return tuple(each for place, each in enumerate(self.accounts) if mask >> place & 1)


# -- what the vault keeps --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Guardian:
    """Somebody who keeps a share and signs.

    :param recipient: what its share is sealed to; nothing where the share is on paper.
    :param point: of its extended key, hexadecimal, with `chain_code`; or a plain `account`, which everybody sees is the
        same wherever it is used.
    """

    name: str
    recipient: str = ""
    point: str = ""
    chain_code: str = field(default="", repr=False)
    account: str = ""

    def member(self) -> "Member":
        """This guardian for one more pseudonym: at a random place below its key."""
        if self.account:
            return Member(self.name, to_checksum_address(self.account), NO_PLACE)
        place = secrets.randbelow(HARDENED)
        key = ExtendedKey.of(bytes.fromhex(self.point), bytes.fromhex(self.chain_code))
        return Member(self.name, key.child(place).address, place)


NO_PLACE = -1
"""The place of a plain account: it is derived of nothing."""


@dataclass(frozen=True)
class Member:
    """A guardian of one pseudonym: by which account, and at which place its key lies."""

    name: str
    account: str
    place: int


@dataclass(frozen=True)
class Guarding:
    """The guardians of one pseudonym, as its vault keeps them; the chain has the hash."""

    salt: str = field(repr=False)
    threshold: int
    members: tuple[Member, ...]
    serial: int

    @classmethod
    def of(cls, guardianship: "Guardianship") -> "Guarding":
        members = tuple(each.member() for each in guardianship.guardians)
        made = GuardianSet.of([each.account for each in members], threshold=guardianship.threshold)
        return cls(made.salt.hex(), made.threshold, members, guardianship.serial)

    @property
    def set(self) -> GuardianSet:
        accounts = sorted((each.account for each in self.members), key=lambda each: int(each, 16))
        return GuardianSet(bytes.fromhex(self.salt), self.threshold, tuple(accounts))


@dataclass(frozen=True)
class Guardianship:
    """Who guards a vault: so many of them open its backup together, and recover its pseudonyms.

    :param lock: the parameters of the lock that their shares open; `wrap` its recipient.
    :param serial: grows with every new lock.
    """

    guardians: tuple[Guardian, ...]
    threshold: int
    lock: Mapping[str, Any]
    wrap: str
    serial: int = 1

    def check(self) -> None:
        """:raises BadGuardians: too few, or too many are needed, or one is there twice."""
        names = {each.name for each in self.guardians}
        check_threshold(self.threshold, len(names))
        if len(names) != len(self.guardians):
            raise BadGuardians(k=self.threshold, n=len(names))

    @property
    def as_lock(self) -> Lock:
        """The backup's second lock."""
        recipient = parse_recipient(self.wrap)
        assert isinstance(recipient, HybridRecipient)
        return Lock(recipient, dict(self.lock))


# -- what is signed --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SetGuardians(Message):
    """The guardians to come, signed by the controller; zeros for none."""

    pseudonym: str
    guardians: bytes
    nonce: int
    era: int
    deadline: int

    CONTRACT: ClassVar[str] = "Recovery"
    FUNCTION: ClassVar[str] = "setGuardiansBySig"
    TYPE: ClassVar[str] = "SetGuardians"
    FIELDS: ClassVar = fields("address pseudonym,bytes32 guardians,uint32 nonce,uint32 era,uint40 deadline")


@dataclass(frozen=True)
class TakeOver(Message):
    """To whom a pseudonym is to go, signed by each guardian who is for it, and by the new controller.

    It names no era: whoever stole the wallet raises it as often as it likes. Guardians and signers travel along.
    """

    pseudonym: str
    controller: str
    round: int
    deadline: int
    guardians: GuardianSet
    signers: int = 0

    CONTRACT: ClassVar[str] = "Recovery"
    FUNCTION: ClassVar[str] = "start"
    TYPE: ClassVar[str] = "TakeOver"
    FIELDS: ClassVar = fields("address pseudonym,address controller,uint32 round,uint40 deadline")

    def values(self) -> dict[str, Any]:
        return {
            "pseudonym": self.pseudonym,
            "controller": self.controller,
            "round": self.round,
            "deadline": self.deadline,
        }

    def arguments(self, *signatures: bytes) -> tuple[Any, ...]:
        """The new controller's signature is the last one."""
        *guardians, acceptance = signatures
        return (tuple(self.values().values()), self.guardians.terms, self.signers, guardians, acceptance)


@dataclass(frozen=True)
class Confirm(TakeOver):
    """More guardians for a recovery that is pending; they sign the same."""

    FUNCTION: ClassVar[str] = "confirm"

    def arguments(self, *signatures: bytes) -> tuple[Any, ...]:
        return (tuple(self.values().values()), self.guardians.terms, self.signers, list(signatures))


@dataclass(frozen=True)
class Object(Message):
    """That the controller is there and objects, signed by it."""

    pseudonym: str
    round: int
    era: int
    deadline: int

    CONTRACT: ClassVar[str] = "Recovery"
    FUNCTION: ClassVar[str] = "objectBySig"
    TYPE: ClassVar[str] = "Object"
    FIELDS: ClassVar = fields("address pseudonym,uint32 round,uint32 era,uint40 deadline")


@dataclass(frozen=True)
class Withdraw(Message):
    """That a guardian is not for a recovery any more, signed by it. The guardians travel along."""

    pseudonym: str
    guardian: str
    round: int
    deadline: int
    guardians: GuardianSet

    CONTRACT: ClassVar[str] = "Recovery"
    FUNCTION: ClassVar[str] = "withdraw"
    TYPE: ClassVar[str] = "Withdraw"
    FIELDS: ClassVar = fields("address pseudonym,address guardian,uint32 round,uint40 deadline")

    def values(self) -> dict[str, Any]:
        return {
            "pseudonym": self.pseudonym,
            "guardian": self.guardian,
            "round": self.round,
            "deadline": self.deadline,
        }

    def arguments(self, *signatures: bytes) -> tuple[Any, ...]:
        return (tuple(self.values().values()), self.guardians.terms, *signatures)


# -- an account for each pseudonym -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class ExtendedKey:
    """A public key of which others are derived without the private one (BIP-32).

    Whoever has it and one private key below it can derive all of them: a private key below it never leaves its wallet,
    and no two patients get the same one.
    """

    point: bytes
    chain_code: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "ExtendedKey":
        """One as wallets show it, `xpub…`.

        :raises BadExtendedKey: it is none.
        """
        text = text.strip()
        if len(text) != _LETTERS:
            raise BadExtendedKey(fault=f"it has {len(text)} letters, not {_LETTERS}")
        number = 0
        for sign in text:
            place = _BASE58.find(sign)
            if place < 0:
                raise BadExtendedKey(fault="it has signs that none has")
            number = number * 58 + place
        if number >= 1 << 8 * 82:
            raise BadExtendedKey(fault="it is broken or mistyped")
        whole = number.to_bytes(82, "big")
        data, check = whole[:78], whole[78:]
        if sha256(sha256(data).digest()).digest()[:4] != check:
            raise BadExtendedKey(fault="it is broken or mistyped")
        if data[:4] != _PUBLIC_VERSION:
            raise BadExtendedKey(fault="it is no public key of the kind xpub")
        return cls.of(data[45:], data[13:45])

    @classmethod
    def of(cls, point: bytes, chain_code: bytes) -> "ExtendedKey":
        """:raises BadExtendedKey: these are no point of the curve and no 32 bytes."""
        try:
            PublicKey(point)
        except ValueError:
            raise BadExtendedKey(fault="it is no point of the curve") from None
        if len(point) != 33 or len(chain_code) != 32:
            raise BadExtendedKey(fault="its parts have not the right length")
        return cls(point, chain_code)

    def child(self, place: int) -> "ExtendedKey":
        """The key at a place below it (CKDpub). Raises ValueError for a hardened place."""
        if not 0 <= place < HARDENED:
            raise ValueError("a public key has only the places below 2^31 below it")
        left, right = _derived(self.chain_code, self.point + place.to_bytes(4, "big"))
        return ExtendedKey(PublicKey(self.point).add(left).format(), right)

    @property
    def address(self) -> str:
        """The account of this key."""
        return to_checksum_address(keccak(PublicKey(self.point).format(compressed=False)[1:])[-20:])


@dataclass(frozen=True)
class PrivateExtendedKey:
    """The same with the private key: what a guardian keeps."""

    secret: bytes = field(repr=False)
    chain_code: bytes = field(repr=False)

    @classmethod
    def of_mnemonic(cls, mnemonic: str, *path: int) -> "PrivateExtendedKey":
        """The key at a path of a mnemonic's tree (BIP-39); hardened places have HARDENED added.

        :raises BadMnemonic: the words are none.
        """
        try:
            seed = seed_from_mnemonic(mnemonic, "")
        except Exception:
            # The library raises errors of many kinds, some of which repeat the words.
            raise BadMnemonic() from None
        digest = hmac.new(b"Bitcoin seed", seed, sha512).digest()
        key = cls(digest[:32], digest[32:])
        for place in path:
            key = key.child(place)
        return key

    def child(self, place: int) -> "PrivateExtendedKey":
        """The key at a place below it (CKDpriv)."""
        own = PrivateKey(self.secret)
        data = b"\0" + self.secret if place >= HARDENED else own.public_key.format()
        left, right = _derived(self.chain_code, data + place.to_bytes(4, "big"))
        return PrivateExtendedKey(own.add(left).secret, right)

    @property
    def public(self) -> ExtendedKey:
        return ExtendedKey(PrivateKey(self.secret).public_key.format(), self.chain_code)


def _derived(chain_code: bytes, data: bytes) -> tuple[bytes, bytes]:
    """Left and right half. One place in 2^127 has no key; coincurve raises ValueError there."""
    digest = hmac.new(chain_code, data, sha512).digest()
    return digest[:32], digest[32:]


def ward_path(number: int) -> tuple[int, ...]:
    """Where a guardian's key for a patient lies: an account of its own for each (BIP-44), its places below."""
    return (44 + HARDENED, 60 + HARDENED, number + HARDENED, 0)


# -- what anyone may do, and nobody signs ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Finish(Message):
    """Gives a pseudonym to its new controller, once the time to object is over."""

    pseudonym: str

    CONTRACT: ClassVar[str] = "Recovery"
    FUNCTION: ClassVar[str] = "finish"

    def arguments(self, *signatures: bytes) -> tuple[Any, ...]:
        return (self.pseudonym,)


@dataclass(frozen=True)
class Lapse(Finish):
    """Ends a recovery that nobody finished in time."""

    FUNCTION: ClassVar[str] = "lapse"

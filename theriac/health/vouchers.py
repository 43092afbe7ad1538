"""What entitles a pseudonym to be carried by a relayer: a voucher in its name, or a blank one.

A *voucher* names a pseudonym that its member knows anyway. A *blank* is signed blind (`theriac.crypto.blind`): the
member does not see what it signs, so nobody, the member and the relayer together included, can tell which of its
patients uses one. A blank counts for the first pseudonym that shows it. Both name one relayer, so that they are spent
in one place. `docs/protocol/relayer.md` describes the documents.
"""

import base64
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from eth_account import Account
from eth_account.messages import SignableMessage, encode_defunct, encode_typed_data
from eth_utils.address import is_checksum_address

from theriac.crypto import blind
from theriac.errors import BadDocument, BadVoucher
from theriac.health import documents
from theriac.health.bundle import Profile
from theriac.health.vault import Vault
from theriac.ledger.codec import LAST_SECOND
from theriac.ledger.signer import KeySigner, Signer

VOUCHER_KEY, BLANK_KEY = "voucher", "blanks"
"""How a member's profile calls, among its endpoints, the account that signs vouchers and the key that signs blanks."""

MOST_BLANKS = 64
"""How many blanks a desk signs at once."""

LARGEST_FILE = 256 * 1024
"""No file of vouchers is longer."""

# How many blanks one pseudonym comes to use at one relayer.
_MOST_OF_ONE = 4

_FIELDS = "uint32 member,address pseudonym,address relayer,uint32 acts,uint64 gas,uint40 expiry"


@dataclass(frozen=True)
class Realm:
    """Where vouchers count: one chain, and one Carrier on it."""

    chain_id: int
    carrier: str


@dataclass(frozen=True)
class Voucher:
    """A member's word to one relayer for one pseudonym: so many acts and so much gas a day, until a second."""

    member: int
    pseudonym: str
    relayer: str
    acts: int
    gas: int
    expiry: int
    signature: str = ""

    def signable(self, realm: Realm) -> SignableMessage:
        """What the member's voucher key signs (EIP-712)."""
        fields = [{"type": kind, "name": name} for kind, name in (field.split(" ") for field in _FIELDS.split(","))]
        values = self.values()
        del values["signature"]
        return encode_typed_data(
            full_message={
                "types": {
                    "EIP712Domain": [
                        {"name": "name", "type": "string"},
                        {"name": "version", "type": "string"},
                        {"name": "chainId", "type": "uint256"},
                        {"name": "verifyingContract", "type": "address"},
                    ],
                    "Voucher": fields,
                },
                "primaryType": "Voucher",
                "domain": {
                    "name": "Theriac Voucher",
                    "version": "1",
                    "chainId": realm.chain_id,
                    "verifyingContract": realm.carrier,
                },
                "message": values,
            }
        )

    def signed(self, key: Signer, realm: Realm) -> "Voucher":
        return replace(self, signature=key.sign_message(self.signable(realm)).hex())

    def signer(self, realm: Realm) -> str:
        """Whose key signed it. Raises BadVoucher."""
        try:
            return str(Account.recover_message(self.signable(realm), signature=bytes.fromhex(self.signature)))
        except Exception:
            # Whatever a library makes of a malformed signature, it is nobody's.
            raise BadVoucher(fault="its signature is none") from None

    def values(self) -> dict[str, Any]:
        return dict(vars(self))

    def encode(self) -> bytes:
        return documents.encode("voucher", self.values())

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Voucher":
        """Raises BadVoucher."""
        voucher: Voucher = _of(cls, values)
        limits = {"member": 1 << 32, "acts": 1 << 32, "gas": 1 << 53, "expiry": LAST_SECOND}
        if any(not 0 < getattr(voucher, name) < limit for name, limit in limits.items()):
            raise BadVoucher(fault="a number in it is out of range")
        if not all(is_checksum_address(each) for each in (voucher.pseudonym, voucher.relayer)):
            raise BadVoucher(fault="it does not name a pseudonym and a relayer")
        return voucher

    @classmethod
    def decode(cls, data: bytes) -> "Voucher":
        """Raises BadVoucher."""
        values = _opened("voucher", data)
        del values["kind"], values["format"]
        return cls.of(values)


# -- blanks ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Blank:
    """A voucher in nobody's name, signed blind by a member.

    `holder` is a key used once: its `proof` names the pseudonym that the blank is for, so that whoever sees it on its
    way, such as a relayer that poses as another, cannot use it for a pseudonym of its own.
    """

    member: int
    relayer: str
    nonce: str
    holder: str
    signature: str = ""
    proof: str = ""

    def message(self) -> bytes:
        """What is signed blind. The nonce is 32 random bytes."""
        values = {"member": self.member, "relayer": self.relayer, "nonce": self.nonce, "holder": self.holder}
        return documents.encode("blank", values)

    def proving(self, pseudonym: str) -> SignableMessage:
        """What its holder signs (EIP-191)."""
        return encode_defunct(text=f"Theriac blank\n{self.id}\n{pseudonym}")

    def used_by(self, pseudonym: str, secret: str) -> "Blank":
        """The blank for a pseudonym."""
        proof = KeySigner(_bytes(secret)).sign_message(self.proving(pseudonym))
        return replace(self, proof=proof.hex())

    def is_for(self, pseudonym: str) -> bool:
        try:
            found = Account.recover_message(self.proving(pseudonym), signature=_bytes(self.proof))
        except Exception:
            # Whatever a library makes of a malformed signature, it is nobody's.
            return False
        return bool(found == self.holder)

    @property
    def id(self) -> str:
        """Tells blanks apart, whatever their signature looks like."""
        return sha256(self.message()).hexdigest()

    def is_signed(self, key: rsa.RSAPublicKey) -> bool:
        return blind.is_signed(key, self.message(), _bytes(self.signature))

    def values(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Blank":
        """Raises BadVoucher."""
        found: Blank = _of(cls, values)
        if not 0 < found.member < 1 << 32 or len(_bytes(found.nonce)) != 32 or found.nonce != found.nonce.lower():
            raise BadVoucher(fault="it is no blank voucher")
        if not is_checksum_address(found.relayer) or not is_checksum_address(found.holder):
            raise BadVoucher(fault="it names no relayer, or no holder")
        return found


@dataclass(frozen=True)
class BlankKey:
    """The key by which a member signs blanks, and when it ends (seconds), as its profile has it."""

    public: rsa.RSAPublicKey
    until: int

    def encode(self) -> str:
        return f"{self.until}.{base64.b64encode(blind.encode_key(self.public)).decode()}"

    @classmethod
    def of(cls, profile: Profile) -> "BlankKey | None":
        """What a profile names; None where it names nothing that can be used."""
        until, _, encoded = profile.endpoints.get(BLANK_KEY, "").partition(".")
        if not (until.isascii() and until.isdecimal() and len(until) < 13):
            return None
        try:
            return cls(blind.decode_key(base64.b64decode(encoded, validate=True)), int(until))
        except ValueError:
            return None
        except Exception:
            return None


@dataclass(frozen=True)
class Asked:
    """A blank on its way: the patient keeps all of it, and shows `blinded`. `secret` is its holder's key."""

    blank: Blank
    secret: str = field(repr=False)
    blinded: str
    inverse: str

    @classmethod
    def new(cls, *, member: int, relayer: str, key: BlankKey) -> "Asked":
        secret = secrets.token_bytes(32)
        blank = Blank(member, relayer, secrets.token_hex(32), str(KeySigner(secret).address))
        hidden = blind.blind(key.public, blank.message())
        return cls(blank, secret.hex(), hidden.blinded.hex(), f"{hidden.inverse:x}")

    def values(self) -> dict[str, Any]:
        return {**vars(self), "blank": self.blank.values()}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Asked":
        names = ("secret", "blinded", "inverse")
        return cls(Blank.of(values["blank"]), *(str(values[name]) for name in names))


def ask_document(member: int, asked: Sequence[Asked]) -> bytes:
    """What a patient hands in at a desk: it says how many blanks she wants, and nothing else of them."""
    return documents.encode("blanks asked", {"member": member, "blinded": [each.blinded for each in asked]})


def sign_blanks(data: bytes, *, member: int, key: rsa.RSAPrivateKey, most: int = MOST_BLANKS) -> bytes:
    """What a desk hands back. Raises BadVoucher, BadBlinding."""
    values = _opened("blanks asked", data)
    hidden = values.get("blinded")
    if values.get("member") != member:
        raise BadVoucher(fault=f"it is asked of member {str(values.get('member'))[:12]}")
    if not isinstance(hidden, list) or not 0 < len(hidden) <= most:
        raise BadVoucher(fault=f"it asks for none, or for more than {most}")
    signed = [blind.sign_blind(key, _bytes(each)).hex() for each in hidden]
    return documents.encode("blanks signed", {"member": member, "blinded": hidden, "signed": signed})


def _opened(kind: str, data: bytes) -> dict[str, Any]:
    try:
        return documents.decode(kind, data.strip())
    except BadDocument as fault:
        raise BadVoucher(fault=fault.fault) from None


def _bytes(text: Any) -> bytes:
    try:
        return bytes.fromhex(text)
    except (ValueError, TypeError):
        return b""


def _of(kind: Any, values: Mapping[str, Any]) -> Any:
    """A dataclass from JSON, each field of its own type."""
    wanted = kind.__dataclass_fields__
    if not isinstance(values, Mapping):
        raise BadVoucher(fault="it is none")
    if not values.keys() <= wanted.keys():
        raise BadVoucher(fault="there is more in it than belongs there")
    found = kind(**{name: values.get(name) for name in wanted})
    if name := documents.mistyped(found):
        raise BadVoucher(fault=f"its {name} is missing or broken")
    return found


# -- a patient's purse -----------------------------------------------------------------------------------------------


class Purse:
    """The vouchers and blanks of a patient. They lie in her vault: together they say which pseudonyms are hers."""

    def __init__(self, vault: Vault, *, save: Callable[[], Any]) -> None:
        self._vault = vault
        self._save = save

    @property
    def vouchers(self) -> list[Voucher]:
        return [Voucher.of(each) for each in self._vault.purse.get("vouchers", [])]

    @property
    def blanks(self) -> list[tuple[Blank, str]]:
        """Each blank with the pseudonym that uses it; empty where none does yet."""
        return [(Blank.of(each["blank"]), str(each["for"])) for each in self._vault.purse.get("blanks", [])]

    def add(self, voucher: Voucher) -> None:
        """Keeps a voucher; an earlier one for the same pseudonym and relayer goes."""
        place = (voucher.pseudonym, voucher.relayer)
        others = [each for each in self.vouchers if (each.pseudonym, each.relayer) != place]
        self._vault.purse["vouchers"] = [each.values() for each in (*others, voucher)]
        self._save()

    def ask(self, *, member: int, relayer: str, key: BlankKey, count: int) -> list[Asked]:
        """New blanks, to be signed."""
        asked = [Asked.new(member=member, relayer=relayer, key=key) for _ in range(count)]
        self._vault.purse["asked"] = [*self._vault.purse.get("asked", []), *(each.values() for each in asked)]
        self._save()
        return asked

    def receive(self, data: bytes, *, key: BlankKey) -> int:
        """Takes over what a desk signed; how many blanks. Raises BadVoucher, BadBlinding."""
        values = _opened("blanks signed", data)
        hidden, signed = values.get("blinded"), values.get("signed")
        if not isinstance(hidden, list) or not isinstance(signed, list) or len(hidden) != len(signed):
            raise BadVoucher(fault="it holds no signed blanks")
        waiting = {each["blinded"]: Asked.of(each) for each in self._vault.purse.get("asked", [])}
        new = []
        for blinded, signature in zip(hidden, signed, strict=True):
            asked = waiting.pop(blinded, None) if isinstance(blinded, str) else None
            if asked is None:
                continue
            whole = blind.finish(key.public, asked.blank.message(), _bytes(signature), int(asked.inverse, 16))
            signed_blank = replace(asked.blank, signature=whole.hex())
            new.append({"blank": signed_blank.values(), "secret": asked.secret, "for": ""})
        if not new:
            raise BadVoucher(fault="nothing in it was asked for here, or it was added before")
        self._vault.purse["asked"] = [each.values() for each in waiting.values()]
        self._vault.purse["blanks"] = [*self._vault.purse.get("blanks", []), *new]
        self._save()
        return len(new)

    def voucher(self, pseudonym: str, *, relayer: str, now: int) -> Voucher | None:
        found = [each for each in self.vouchers if (each.pseudonym, each.relayer) == (pseudonym, relayer)]
        return next((each for each in found if now < each.expiry), None)

    def blank(self, pseudonym: str, *, relayer: str) -> Blank | None:
        """The blank that this pseudonym uses at this relayer: the newest."""
        for kept in reversed(self._vault.purse.get("blanks", [])):
            blank = Blank.of(kept["blank"])
            if (kept["for"], blank.relayer) == (pseudonym, relayer):
                return blank.used_by(pseudonym, kept["secret"])
        return None

    def take(self, pseudonym: str, *, relayer: str) -> Blank | None:
        """Gives a pseudonym a blank that none uses; on disk before anyone sees it, so that none counts for two.

        None beyond the fourth: who answers at a relayer's address may only pose as it, to have them all spent.
        """
        used = [by for blank, by in self.blanks if blank.relayer == relayer]
        if used.count(pseudonym) >= _MOST_OF_ONE:
            return None
        for kept in self._vault.purse.get("blanks", []):
            blank = Blank.of(kept["blank"])
            if not kept["for"] and blank.relayer == relayer:
                kept["for"] = pseudonym
                self._save()
                return blank.used_by(pseudonym, kept["secret"])
        return None

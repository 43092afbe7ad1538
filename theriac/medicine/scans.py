"""A scan that somebody signed: which code was read, by whom, where and when, and which maker was asked about it.

It is a question to a maker's verify service, and it stays evidence: two of them that cannot be of one pack are what a
report of a clone is made of. Only accounts with a key sign scans; what a wallet contract accepts today it may deny
tomorrow, and evidence must not depend on that.
"""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Protocol, TypeVar

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils.address import is_checksum_address

from theriac.errors import BadScan
from theriac.ledger.codec import LAST_SECOND, canonical_json, parse_json
from theriac.ledger.signer import HIGHEST_S, Signer
from theriac.ledger.typed import Domain
from theriac.medicine.packid import PackCode
from theriac.medicine.packs import BatchKey, Product, commitment_of
from theriac.medicine.sheets import batch_id
from theriac.medicine.tree import CAPACITY, DEPTH, keccak, root_of

LONGEST_PLACE = 80
"""Characters of a place: a GLN of 13 digits, or a text that people know it by."""

LONGEST_TEXT = 20
"""Characters of a product, a lot, a serial: as long as those of GS1 codes can be."""

_LONGEST_TEXT = 64


def domain_of(batches: Domain) -> Domain:
    """Where signed scans count: beside the contract Batches, under a name that no contract has.

    So a scan is never taken by a contract, and counts on one chain and for one deployment only.
    """
    return Domain("Theriac Scans", "1", batches.chain_id, batches.contract)


# -- signing ---------------------------------------------------------------------------------------------------------


def typed(domain: Domain, kind: str, fields: str, values: dict[str, Any]) -> SignableMessage:
    """An EIP-712 message that is carried to no contract; `fields` as its type writes them."""
    pairs = [part.split(" ") for part in fields.split(",")]
    return encode_typed_data(
        full_message={
            "types": {
                "EIP712Domain": [
                    {"name": "name", "type": "string"},
                    {"name": "version", "type": "string"},
                    {"name": "chainId", "type": "uint256"},
                    {"name": "verifyingContract", "type": "address"},
                ],
                kind: [{"name": name, "type": type_} for type_, name in pairs],
            },
            "primaryType": kind,
            "domain": {
                "name": domain.name,
                "version": domain.version,
                "chainId": domain.chain_id,
                "verifyingContract": domain.contract,
            },
            "message": values,
        }
    )


def digest_of(message: SignableMessage) -> bytes:
    """The 32 bytes that are signed (EIP-712)."""
    return keccak(b"\x19" + message.version + message.header + message.body)


def is_signed_by(message: SignableMessage, signature: bytes, account: str) -> bool:
    """Whether an account's key made a signature, and it is spelled as contracts take it: v 27 or 28, a low s."""
    # Of one signature anybody makes three more that recover the same account; one of them is the one that was made.
    if len(signature) != 65 or signature[64] not in (27, 28) or int.from_bytes(signature[32:64], "big") > HIGHEST_S:
        return False
    try:
        return bool(Account.recover_message(message, signature=signature) == account)
    except Exception:
        # Whatever a library makes of a malformed signature, it is nobody's.
        return False


# -- scans -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scan:
    """What was read of a pack, by whom, where and when.

    `product`, `lot`, `expiry` and `serial` are the code's strings, empty where the code does not say it and the expiry
    as YYMMDD; `place` is a GLN or a text; `maker` the member that is asked; `nonce` 32 random bytes.
    """

    product: str
    lot: str
    expiry: str
    serial: str
    member: int
    account: str
    place: str
    time: datetime
    maker: int
    nonce: bytes

    _FIELDS = (
        "string product,string lot,string expiry,string serial,uint32 member,address account,string place,uint40 time,"
        "uint32 maker,bytes32 nonce"
    )

    @classmethod
    def of(cls, code: PackCode, *, member: int, account: str, place: str, time: datetime, maker: int) -> "Scan":
        """A scan of a code. Raises BadScan for a place that is empty or too long."""
        strings = code.strings()
        scan = cls(
            product=strings.product,
            lot=strings.lot,
            expiry=strings.expiry,
            serial=strings.serial,
            member=member,
            account=account,
            place=place_of(place),
            time=time.astimezone(UTC).replace(microsecond=0),
            maker=maker,
            nonce=secrets.token_bytes(32),
        )
        _check(scan)
        return scan

    @property
    def where(self) -> tuple[int, str]:
        """The place as it is compared: of one member, small and capital letters alike."""
        return self.member, self.place.casefold()

    @property
    def pack(self) -> tuple[str, str]:
        """Product and serial."""
        return self.product, self.serial

    @property
    def last_day(self) -> date | None:
        """The expiry that the code says. Raises BadScan."""
        if not self.expiry:
            return None
        try:
            found = datetime.strptime(self.expiry, "%y%m%d").date()
            if found.strftime("%y%m%d") == self.expiry:
                return found
        except ValueError:
            pass
        raise BadScan(kind="scan", fault="its expiry is no date")

    def signable(self, domain: Domain) -> SignableMessage:
        """What the account signs; `domain` is `domain_of` the contract."""
        return typed(domain, "Scan", self._FIELDS, {**self._values(), "nonce": self.nonce})

    def digest(self, domain: Domain) -> bytes:
        """What names this scan."""
        return digest_of(self.signable(domain))

    def _values(self) -> dict[str, Any]:
        return {
            "product": self.product,
            "lot": self.lot,
            "expiry": self.expiry,
            "serial": self.serial,
            "member": self.member,
            "account": self.account,
            "place": self.place,
            "time": int(self.time.timestamp()),
            "maker": self.maker,
            "nonce": self.nonce.hex(),
        }


@dataclass(frozen=True)
class SignedScan:
    """A scan and the signature of the account it names, 65 bytes."""

    scan: Scan
    signature: bytes

    @classmethod
    def sign(cls, scan: Scan, *, signer: Signer, domain: Domain) -> "SignedScan":
        return cls(scan, signer.sign_message(scan.signable(domain)))

    def is_signed(self, domain: Domain) -> bool:
        """Whether the account that the scan names signed exactly this, for this deployment."""
        return is_signed_by(self.scan.signable(domain), self.signature, self.scan.account)

    def values(self) -> dict[str, Any]:
        """The scan as it is written in JSON."""
        return {**self.scan._values(), "signature": self.signature.hex()}

    def encode(self) -> bytes:
        """The scan as a document: what a verify service is asked."""
        return canonical_json({"kind": "scan", "format": 1, **self.values()})

    @classmethod
    def decode(cls, data: bytes) -> "SignedScan":
        """Raises BadScan for anything but what `encode` writes."""
        return as_written("scan", cls.of(document(data, "scan")), data)

    @classmethod
    def of(cls, values: Any) -> "SignedScan":
        """Raises BadScan."""
        try:
            scan = Scan(
                product=text_of(values, "product"),
                lot=text_of(values, "lot"),
                expiry=text_of(values, "expiry"),
                serial=text_of(values, "serial"),
                member=number_of(values, "member", below=1 << 32),
                account=text_of(values, "account"),
                place=text_of(values, "place", longest=LONGEST_PLACE),
                time=moment_of(values, "time"),
                maker=number_of(values, "maker", below=1 << 32),
                nonce=bytes_of(values, "nonce"),
            )
            signature = bytes_of(values, "signature", size=65)
        except (KeyError, TypeError, ValueError) as fault:
            raise BadScan(kind="scan", fault=f"{type(fault).__name__} in one of its parts") from None
        _check(scan)
        return cls(scan, signature)


def place_of(text: str) -> str:
    """A place as scans name it, its spaces single. Raises BadScan for one that no scan can name."""
    place = " ".join(text.split())
    _check_place(place)
    return place


def _check_place(place: str) -> None:
    if not 0 < len(place) <= LONGEST_PLACE or not place.isprintable():
        raise BadScan(
            kind="scan", fault=f"its place is empty, has more than {LONGEST_PLACE} letters or is not printable"
        )
    # Else one counter, written with another space, would be two places: a clone that is none.
    if place != " ".join(place.split()):
        raise BadScan(kind="scan", fault="its place has spaces that are not single")


def _check(scan: Scan) -> None:
    if not is_checksum_address(scan.account):
        raise BadScan(kind="scan", fault="its account is no address")
    _check_place(scan.place)
    if not scan.product or not scan.serial:
        raise BadScan(kind="scan", fault="it names no product or no serial")
    for text in (scan.product, scan.lot, scan.serial):
        if len(text) > LONGEST_TEXT or not (text.isascii() and text.isprintable()):
            raise BadScan(kind="scan", fault="it names what no code of a pack can")
    _ = scan.last_day


# -- proofs ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PackProof:
    """That a product and serial are a pack of a batch, at one place of its tree.

    Whoever knows the batch's number can check it without trusting who gave it: `salt` opens the commitment of this one
    pack, `siblings` are the 20 nodes beside its way to the root. Lot and expiry are those of the batch.
    """

    batch: bytes
    index: int
    lot: str
    expiry: date | None
    salt: bytes = field(repr=False)
    siblings: tuple[bytes, ...]

    @classmethod
    def make(
        cls, *, batch: bytes, index: int, key: BatchKey, product: Product, serial: str, siblings: list[bytes]
    ) -> "PackProof":
        return cls(batch, index, product.lot, product.expiry, key.salt(serial), tuple(siblings))

    def proves(self, scan: Scan, *, maker: int) -> bool:
        """Whether the scanned code is this pack of a batch of the maker; what the code does not say is not compared."""
        if scan.lot not in ("", self.lot) or scan.last_day not in (None, self.expiry):
            return False
        product = Product(scan.product, self.lot, self.expiry)
        root = root_of(self.index, commitment_of(self.salt, product, scan.serial), self.siblings)
        return batch_id(maker, root) == self.batch

    def values(self) -> dict[str, Any]:
        return {
            "batch": self.batch.hex(),
            "index": self.index,
            "lot": self.lot,
            "expiry": self.expiry.isoformat() if self.expiry else "",
            "salt": self.salt.hex(),
            "siblings": [each.hex() for each in self.siblings],
        }

    @classmethod
    def of(cls, values: Any) -> "PackProof":
        """Raises BadScan."""
        try:
            siblings = tuple(bytes.fromhex(each) for each in values["siblings"])
            if len(siblings) != DEPTH or any(len(each) != 32 for each in siblings):
                raise BadScan(kind="proof of a pack", fault="its way to the root is not whole")
            expiry = text_of(values, "expiry")
            return cls(
                batch=bytes_of(values, "batch"),
                index=number_of(values, "index", below=CAPACITY),
                lot=text_of(values, "lot"),
                expiry=date.fromisoformat(expiry) if expiry else None,
                salt=bytes_of(values, "salt"),
                siblings=siblings,
            )
        except (KeyError, TypeError, ValueError) as fault:
            raise BadScan(kind="proof of a pack", fault=f"{type(fault).__name__} in one of its parts") from None


# -- strict reading --------------------------------------------------------------------------------------------------


def document(data: bytes, kind: str) -> dict[str, Any]:
    """The values of a document of a kind. Raises BadScan."""
    try:
        values = parse_json(data)
        found = values["kind"], values["format"]
    except (ValueError, KeyError, TypeError):
        raise BadScan(kind=kind, fault="it is no JSON of this kind") from None
    if found != (kind, 1):
        raise BadScan(kind=kind, fault="it is another kind of document")
    return dict(values)


class _Paper(Protocol):
    def encode(self) -> bytes: ...


Read = TypeVar("Read", bound=_Paper)


def is_as_written(found: _Paper, data: bytes) -> bool:
    """Whether what was read is written again as it came, white space around it aside."""
    return found.encode() == data.strip()


def as_written(kind: str, found: Read, data: bytes) -> Read:
    """What was read of a document, if it is written again as it came, white space around it aside.

    What is signed are the fields: a document in another spelling would be the same evidence, and another file.

    :raises BadScan: it comes out in another way.
    """
    if not is_as_written(found, data):
        raise BadScan(kind=kind, fault="it is not written as such a document is (RFC 8785)")
    return found


def text_of(values: Any, name: str, *, longest: int = _LONGEST_TEXT) -> str:
    value = values[name]
    if not isinstance(value, str) or len(value) > longest:
        raise ValueError(name)
    value.encode()
    return value


def account_of(values: Any, name: str) -> str:
    value = text_of(values, name)
    if not is_checksum_address(value):
        raise ValueError(name)
    return value


def number_of(values: Any, name: str, *, below: int) -> int:
    value = values[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < below:
        raise ValueError(name)
    return value


def moment_of(values: Any, name: str) -> datetime:
    return datetime.fromtimestamp(number_of(values, name, below=LAST_SECOND), UTC)


def bytes_of(values: Any, name: str, *, size: int = 32) -> bytes:
    value = bytes.fromhex(values[name])
    if len(value) != size:
        raise ValueError(name)
    return value

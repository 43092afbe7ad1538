"""Receipts of readings: what a reader signs before it sees a record, so that the patient learns who looked.

A receipt is numbered from one for each reader and pseudonym that granted, without gaps, and names the one before it.
Two receipts with one number prove that their signer lied. What is said here holds for receipts: who has an identity and
a file can also read without signing one.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any

from eth_abi.abi import encode
from eth_account import Account as EthAccount
from eth_account.messages import SignableMessage, _hash_eip191_message
from eth_utils.address import is_checksum_address
from eth_utils.crypto import keccak

from theriac.crypto import merkle
from theriac.errors import BadDocument, TheriacError
from theriac.health import documents
from theriac.health.chain import Chain
from theriac.health.scope import KeyClass, Purpose
from theriac.ledger.codec import LAST_SECOND
from theriac.ledger.typed import Domain, fields

NOBODY = "0x" + "00" * 20
NOTHING = "00" * 32

_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_WORD = re.compile(r"[a-z][a-z' -]{0,39}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SIGNATURE = re.compile(r"(?:[0-9a-f]{2}){0,4096}")

TYPE = "Reading"
FIELDS = fields(
    "address reader,uint32 member,address pseudonym,uint64 number,bytes32 previous,bytes32 record,string class,"
    "string purpose,string rule,string act,address to,uint40 time,bytes32 salt"
)
_DOMAIN = fields("string name,string version,uint256 chainId,address verifyingContract")


def _type_hash(name: str, parts: Sequence[tuple[str, str]]) -> bytes:
    return keccak(text=f"{name}({','.join(f'{kind} {each}' for kind, each in parts)})")


_TYPE_HASH, _DOMAIN_HASH = _type_hash(TYPE, FIELDS), _type_hash("EIP712Domain", _DOMAIN)
_WORDS = tuple("bytes32" if kind == "string" else kind for kind, _ in FIELDS)


@cache
def _separator(domain: Domain) -> bytes:
    named = (keccak(text=domain.name), keccak(text=domain.version), domain.chain_id, domain.contract)
    return keccak(encode(("bytes32", "bytes32", "bytes32", "uint256", "address"), (_DOMAIN_HASH, *named)))


class Act(StrEnum):
    """What is done with a record. Others may be added: who does not know one shows the word."""

    OPEN = "open"
    EXPORT = "export"
    HAND = "hand to staff"
    REFER = "refer"


class Rule(StrEnum):
    """What let the reader in. Others may be added."""

    GRANT = "own grant"
    MEMBER = "grant to the member"
    SINGLE = "single record"
    PARENT = "grant under a parent"
    REFERRAL = "referral"
    EMERGENCY = "emergency"


@dataclass(frozen=True)
class Receipt:
    """One reading.

    :param reader: the account that signs; `member` the number of its member, 0 for none.
    :param pseudonym: which granted, and whose number this is; `previous` is the digest of the number before, zeros for
        the first.
    :param record: the digest of the record, `cls` its class, `purpose` a code of HL7 v3 PurposeOfUse.
    :param rule: what let the reader in, a word of `Rule`; `act` what was done, a word of `Act`, `to` for whom, or
        nobody.
    :param time: of the latest block, in seconds since 1970.
    :param salt: 32 random bytes, so that nobody guesses what a leaf stands for.
    """

    reader: str
    member: int
    pseudonym: str
    number: int
    previous: str
    record: str
    cls: str
    purpose: str
    rule: str
    act: str
    to: str
    time: int
    salt: str
    signature: str = ""

    @property
    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.time, UTC)

    @property
    def place(self) -> tuple[str, str]:
        """Whose count this is: reader and pseudonym."""
        return self.reader, self.pseudonym

    def typed(self, domain: Domain) -> dict[str, Any]:
        """What the reader's account signs, as JSON for `eth_signTypedData_v4`."""
        return {
            "types": {
                "EIP712Domain": [{"name": name, "type": kind} for kind, name in _DOMAIN],
                TYPE: [{"name": name, "type": kind} for kind, name in FIELDS],
            },
            "primaryType": TYPE,
            "domain": {
                "name": domain.name,
                "version": domain.version,
                "chainId": domain.chain_id,
                "verifyingContract": domain.contract,
            },
            "message": {
                name: "0x" + value if kind == "bytes32" else value
                for (kind, name), value in zip(FIELDS, self._signed_values(), strict=True)
            },
        }

    def _signed_values(self) -> list[Any]:
        return [getattr(self, "cls" if name == "class" else name) for _, name in FIELDS]

    def signable(self, domain: Domain) -> SignableMessage:
        """What the reader's account signs (EIP-712), in the domain of AccessLog: on this chain and nowhere else.

        Hashed here, since whoever looks through thousands of receipts would wait for a library that reads types anew.
        """
        words = [
            keccak(text=value) if kind == "string" else bytes.fromhex(value) if kind == "bytes32" else value
            for (kind, _), value in zip(FIELDS, self._signed_values(), strict=True)
        ]
        body = keccak(encode(("bytes32", *_WORDS), (_TYPE_HASH, *words)))
        return SignableMessage(b"\x01", _separator(domain), body)

    def digest(self, domain: Domain) -> str:
        """The hash that is signed: what the next receipt names, and by which two receipts are told apart."""
        return bytes(_hash_eip191_message(self.signable(domain))).hex()

    def signed_by_its_key(self, domain: Domain) -> bool:
        """Whether the reader's key signed it; one signature has one spelling, so that only its maker makes a second."""
        raw = bytes.fromhex(self.signature)
        if len(raw) != 65 or int.from_bytes(raw[32:64], "big") > _HALF_ORDER or raw[64] not in (27, 28):
            return False
        try:
            signer = EthAccount.recover_message(self.signable(domain), signature=raw)
        except Exception:
            # Whatever a library makes of a malformed signature, it is nobody's.
            return False
        return bool(signer == self.reader)

    def signed_by_its_reader(self, chain: Chain) -> bool:
        """Whether the reader signed it, by its key or by its code (ERC-1271)."""
        domain = chain.domain("AccessLog")
        if self.signed_by_its_key(domain):
            return True
        return chain.accepts(self.reader, self.signable(domain), bytes.fromhex(self.signature))

    def values(self) -> dict[str, Any]:
        return asdict(self)

    def encode(self) -> bytes:
        """The document with its signature: what a leaf of a logged tree is made from."""
        return documents.encode("receipt", self.values())

    @property
    def leaf(self) -> bytes:
        """The hash of its leaf in a logged tree."""
        return merkle.leaf_hash(self.encode())

    @classmethod
    def decode(cls, data: bytes) -> "Receipt":
        """:raises BadDocument: no receipt."""
        values = documents.decode("receipt", data)
        del values["kind"], values["format"]
        return cls.of(values)

    @classmethod
    def of(cls, values: Any) -> "Receipt":
        """A receipt from its fields, each of its type and in its bounds.

        :raises BadDocument: no receipt.
        """
        try:
            receipt = cls(**values)
        except TypeError:
            raise BadDocument(kind="receipt", fault="a part of it is missing or too much") from None
        # What is hashed into a tree has its signature: without one it would be read as another document.
        if "signature" not in values:
            raise BadDocument(kind="receipt", fault="a part of it is missing or too much")
        if not all(_fits(receipt)):
            raise BadDocument(kind="receipt", fault="a part of it is not what belongs there")
        return receipt


def _fits(receipt: Receipt) -> list[bool]:
    """Whether each field is of its type and in its bounds."""
    kinds = Receipt.__annotations__
    if not all(type(value) is kinds[name] for name, value in vars(receipt).items()):
        return [False]
    return [
        *(is_checksum_address(address) for address in (receipt.reader, receipt.pseudonym)),
        receipt.to == NOBODY or is_checksum_address(receipt.to),
        *(bool(_DIGEST.fullmatch(text)) for text in (receipt.previous, receipt.record, receipt.salt)),
        *(bool(_WORD.fullmatch(text)) for text in (receipt.rule, receipt.act)),
        _parses(KeyClass.parse, receipt.cls),
        _parses(Purpose.parse, receipt.purpose),
        bool(_SIGNATURE.fullmatch(receipt.signature)),
        0 <= receipt.member < 1 << 32,
        0 < receipt.number < 1 << 53,
        0 <= receipt.time < LAST_SECOND,
    ]


def _parses(parse: Any, text: str) -> bool:
    try:
        parse(text)
    except TheriacError:
        return False
    return True


def new_salt() -> str:
    return os.urandom(32).hex()


# -- proofs ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Proof:
    """A receipt and its path to a logged root: what a patient is sent, and can show to others."""

    receipt: Receipt
    root: str
    leaves: int
    place: int
    path: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether the receipt is at its place below the root."""
        siblings = [bytes.fromhex(node) for node in self.path]
        found = merkle.root_of(self.receipt.leaf, place=self.place, size=self.leaves, siblings=siblings)
        return found is not None and found.hex() == self.root

    def values(self) -> dict[str, Any]:
        return {
            "receipt": self.receipt.values(),
            "root": self.root,
            "leaves": self.leaves,
            "place": self.place,
            "path": list(self.path),
        }

    @classmethod
    def of(cls, values: Any) -> "Proof":
        """:raises BadDocument: no proof."""
        try:
            given: Mapping[str, Any] = {**values, "path": tuple(values["path"])}
            proof = cls(**{**given, "receipt": Receipt.of(values["receipt"])})
        except (KeyError, TypeError):
            raise BadDocument(kind="proof", fault="a part of it is missing or too much") from None
        nodes = (proof.root, *proof.path)
        whole = all(isinstance(node, str) and _DIGEST.fullmatch(node) for node in nodes)
        counted = type(proof.leaves) is int and type(proof.place) is int and 0 <= proof.place < proof.leaves < 1 << 32
        if not whole or not counted or len(proof.path) > merkle.LONGEST_PATH or not isinstance(values["path"], list):
            raise BadDocument(kind="proof", fault="a part of it is not what belongs there")
        return proof


def signed(receipt: Receipt, signature: bytes) -> Receipt:
    return replace(receipt, signature=signature.hex())

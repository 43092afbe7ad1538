"""What Kaia signs and hashes: headers, seals, accounts, transactions and receipts, in its own encodings.

The source is Kaia v1.0.3 (github.com/kaiachain/kaia): blockchain/types/block.go and istanbul.go (the header, its hash,
the extra data), consensus/istanbul/backend/engine.go and core/core.go (who has to seal), blockchain/types/account (the
leaf of an account), receipt.go, transaction.go and tx_internal_data*.go. Its tries are Ethereum's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import rlp
from coincurve import PublicKey
from eth_utils.crypto import keccak

from theriac.ledger.light.faults import Lie, Strangers

EMPTY_ROOT = bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
NO_CODE = keccak(b"")

# No block of Kaia has a limit of gas; this is what its nodes give for one (params.UpperGasLimit).
GAS_LIMIT = 999_999_999_999

_VANITY = 32
_SEAL = 65
_COMMIT = b"\x02"
_LONGEST_DATA = 2**20

# The first byte of a transaction of Ethereum's types; of an account with code, and of one without.
_ENVELOPE = 0x78
_ORDINARY, _CONTRACT = 0x01, 0x02


def recovered(digest: bytes, signature: bytes) -> bytes:
    """The address that signed a digest of 32 bytes, by a signature r, s, v of 65 bytes with v 0 or 1. Raises Lie."""
    try:
        key = PublicKey.from_signature_and_message(signature, digest, hasher=None)
    except Exception:
        raise Lie("a seal of it is no signature") from None
    return keccak(key.format(compressed=False)[1:])[12:]


def quorum(validators: int) -> int:
    """How many of so many validators have to seal a block (RequiredMessageCount): all of three, else two thirds."""
    return validators if validators < 4 else -(-2 * validators // 3)


# -- reading JSON ----------------------------------------------------------------------------------------------------


def number_of(value: Any, what: str, *, bits: int = 256) -> int:
    """A number in hex with 0x. Raises Lie."""
    try:
        if not isinstance(value, str) or not value.startswith("0x") or len(value) > 66:
            raise ValueError
        number = int(value[2:], 16)
    except ValueError:
        raise Lie(f"its {what} is no number") from None
    if not 0 <= number < 2**bits:
        raise Lie(f"its {what} is out of bounds")
    return number


def bytes_of(value: Any, what: str, *, length: int | None = None, most: int = _LONGEST_DATA) -> bytes:
    """Data in hex with 0x, so long where a length is given. Raises Lie."""
    try:
        if not isinstance(value, str) or not value.startswith("0x"):
            raise ValueError
        data = bytes.fromhex(value[2:])
    except ValueError:
        raise Lie(f"its {what} is no data") from None
    if len(data) > most or (length is not None and len(data) != length):
        raise Lie(f"its {what} has {len(data)} bytes")
    return data


def object_of(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Lie(f"its {what} has not the shape it should have")
    return value


def list_of(value: Any, what: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise Lie(f"its {what} is no list")
    return value


def decoded(data: bytes, what: str) -> Any:
    """The value of an RLP encoding, as lists and bytes. Raises Lie."""
    try:
        return rlp.decode(data, strict=True)
    except Exception:
        raise Lie(f"its {what} is not RLP") from None


# -- headers ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seals:
    """The extra data of a header (IstanbulExtra): who validates, the proposer's seal, the seals of who committed."""

    vanity: bytes
    validators: tuple[bytes, ...]
    proposer: bytes
    committed: tuple[bytes, ...]

    @classmethod
    def of(cls, extra: bytes) -> "Seals":
        """Raises Lie."""
        parts = decoded(extra[_VANITY:], "header's extra data")
        if len(extra) < _VANITY or not isinstance(parts, list) or len(parts) != 3:
            raise Lie("its header's extra data is not that of Istanbul")
        validators, proposer, committed = parts
        fits = (
            isinstance(validators, list)
            and all(isinstance(each, bytes) and len(each) == 20 for each in validators)
            and isinstance(proposer, bytes)
            and isinstance(committed, list)
            and all(isinstance(each, bytes) for each in committed)
        )
        if not fits:
            raise Lie("its header's extra data is not that of Istanbul")
        return cls(extra[:_VANITY], tuple(validators), proposer, tuple(committed))

    def encoded(self) -> bytes:
        parts: bytes = rlp.encode([list(self.validators), self.proposer, list(self.committed)])
        return self.vanity + parts

    def cleaned(self, *, proposer: bool) -> bytes:
        """The extra data as it is hashed: round 0, without the committed seals and, if so asked, the proposer's."""
        vanity = self.vanity[:-1] + b"\0"
        return replace(self, vanity=vanity, committed=(), proposer=b"" if proposer else self.proposer).encoded()


@dataclass(frozen=True)
class Header:
    """A block's header, all of it. `time` in seconds since 1970, and hundredths of one; fees in wei."""

    parent: bytes
    reward_base: bytes
    state_root: bytes
    transactions_root: bytes
    receipts_root: bytes
    bloom: bytes
    block_score: int
    number: int
    gas_used: int
    time: int
    time_fraction: int
    extra: bytes
    governance: bytes
    vote: bytes
    base_fee: int | None
    random_reveal: bytes = b""
    mix_hash: bytes = b""

    @classmethod
    def from_json(cls, value: Any) -> "Header":
        """A header as `kaia_getHeaderByNumber` gives it. Raises Lie."""
        told = object_of(value, "header")
        if "baseFeePerGas" in told:
            base_fee: int | None = number_of(told["baseFeePerGas"], "base fee")
        else:
            base_fee = None
        header = cls(
            parent=bytes_of(told.get("parentHash"), "parent's hash", length=32),
            reward_base=bytes_of(told.get("reward"), "reward base", length=20),
            state_root=bytes_of(told.get("stateRoot"), "state root", length=32),
            transactions_root=bytes_of(told.get("transactionsRoot"), "transactions root", length=32),
            receipts_root=bytes_of(told.get("receiptsRoot"), "receipts root", length=32),
            bloom=bytes_of(told.get("logsBloom"), "bloom", length=256),
            block_score=number_of(told.get("blockScore"), "block score"),
            number=number_of(told.get("number"), "block number", bits=63),
            gas_used=number_of(told.get("gasUsed"), "gas used", bits=64),
            time=number_of(told.get("timestamp"), "block time", bits=37),
            time_fraction=number_of(told.get("timestampFoS"), "block time", bits=8),
            extra=bytes_of(told.get("extraData"), "extra data"),
            governance=bytes_of(told.get("governanceData"), "governance data"),
            vote=bytes_of(told.get("voteData", "0x"), "vote"),
            base_fee=base_fee,
            random_reveal=bytes_of(told.get("randomReveal", "0x"), "random reveal"),
            mix_hash=bytes_of(told.get("mixhash", "0x"), "mix hash"),
        )
        # Before the fork of Magma a node shows a base fee of zero that no header has: the hash tells which it is.
        if not base_fee and told.get("hash") != "0x" + header.hash.hex():
            header = replace(header, base_fee=None if base_fee == 0 else 0)
        return header

    @cached_property
    def seals(self) -> Seals:
        return Seals.of(self.extra)

    @cached_property
    def hash(self) -> bytes:
        """The hash of the block: of the header with round 0 and without the seals of who committed."""
        return self._digest(self.seals.cleaned(proposer=False))

    @cached_property
    def proposer(self) -> bytes:
        """Who proposed the block, by the seal. Raises Lie."""
        digest = self._digest(self.seals.cleaned(proposer=True))
        return recovered(keccak(digest), self._seal(self.seals.proposer))

    def _digest(self, extra: bytes) -> bytes:
        fields: list[bytes | int] = [
            *(self.parent, self.reward_base, self.state_root, self.transactions_root, self.receipts_root),
            *(self.bloom, self.block_score, self.number, self.gas_used, self.time, self.time_fraction),
            *(extra, self.governance, self.vote),
        ]
        # What came with a later fork stands at the end, as far as it is there.
        later = [self.base_fee, self.random_reveal or None, self.mix_hash or None]
        while later and later[-1] is None:
            later.pop()
        return keccak(rlp.encode(fields + [each if each is not None else b"" for each in later]))

    def _seal(self, seal: bytes) -> bytes:
        if len(seal) != _SEAL:
            raise Lie(f"a seal of block {self.number} has not {_SEAL} bytes")
        return seal

    def check_sealed(self, validators: Sequence[bytes]) -> None:
        """That enough of exactly these validators sealed the block. Raises Lie, Strangers."""
        # (1) it names these validators and no others
        if sorted(self.seals.validators) != sorted(validators):
            raise Strangers(
                f"block {self.number} names {len(self.seals.validators)} validators that are not the anchor's"
            )
        # (2) one of them proposed it
        if self.proposer not in validators:
            raise Lie(f"block {self.number} was proposed by no validator")
        # (3) each seal is another validator's
        digest = keccak(self.hash + _COMMIT)
        sealed: set[bytes] = set()
        for seal in self.seals.committed:
            signer = recovered(digest, self._seal(seal))
            if signer not in validators:
                raise Lie(f"block {self.number} has a seal of no validator")
            if signer in sealed:
                raise Lie(f"block {self.number} has two seals of one validator")
            sealed.add(signer)
        # (4) they are enough
        if len(sealed) < quorum(len(validators)):
            raise Lie(f"block {self.number} has {len(sealed)} seals of {quorum(len(validators))} that it needs")


def bloom_bits(value: bytes) -> int:
    """The three bits of a log's address or topic in a bloom of 2,048 bits (Ethereum's Yellow Paper, 4.3.1)."""
    digest = keccak(value)
    bits = 0
    for place in (0, 2, 4):
        bits |= 1 << (int.from_bytes(digest[place : place + 2], "big") & 2047)
    return bits


# -- accounts --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Account:
    """An account of the state trie. `storage_root` is that of the empty trie where there is no storage."""

    nonce: int
    balance: int
    storage_root: bytes = EMPTY_ROOT
    code_hash: bytes = NO_CODE

    @classmethod
    def from_leaf(cls, leaf: bytes) -> "Account":
        """The account of a leaf: its type, then RLP ([nonce, balance, readable, key ..], and what a contract has).

        Raises Lie.
        """
        kind, parts = leaf[:1], decoded(leaf[1:], "account")
        if kind == bytes([_CONTRACT]) and isinstance(parts, list) and len(parts) == 4:
            common, storage_root, code_hash, _ = parts
            words = all(isinstance(each, bytes) and len(each) == 32 for each in (storage_root, code_hash))
            if isinstance(common, list) and words:
                empty = storage_root == bytes(32)
                return cls(*_nonce_and_balance(common), EMPTY_ROOT if empty else storage_root, code_hash)
        if kind == bytes([_ORDINARY]) and isinstance(parts, list):
            return cls(*_nonce_and_balance(parts))
        raise Lie("a leaf of its state is no account")


def _nonce_and_balance(common: list[Any]) -> tuple[int, int]:
    if len(common) < 4 or not all(isinstance(each, bytes) for each in common[:2]):
        raise Lie("a leaf of its state is no account")
    return int.from_bytes(common[0], "big"), int.from_bytes(common[1], "big")


# -- transactions and receipts ---------------------------------------------------------------------------------------

# Where the sender stands in a transaction of one of Kaia's own types, without the bits of who pays the fee.
_SENDER_AT = {0x08: 5, 0x10: 5, 0x20: 3, 0x28: 5, 0x30: 5, 0x38: 3, 0x48: 3}
_WITH_DATA = (0x10, 0x28, 0x30)


@dataclass(frozen=True)
class Transaction:
    """A transaction of a block, as far as it is looked at. `price` is the most it pays, in wei a unit of gas."""

    raw: bytes
    hash: bytes
    kind: int
    sender: bytes
    nonce: int
    to: bytes | None
    value: int
    data: bytes
    gas: int
    price: int

    @classmethod
    def from_raw(cls, raw: bytes) -> "Transaction":
        """A transaction as its block's trie holds it. Raises Lie."""
        if not raw:
            raise Lie("a transaction of it is empty")
        try:
            if raw[0] == _ENVELOPE:
                return cls._typed(raw)
            return cls._legacy(raw) if raw[0] >= 0xC0 else cls._own(raw)
        except (IndexError, TypeError, ValueError, AttributeError):
            raise Lie("a transaction of it cannot be read") from None

    @classmethod
    def _typed(cls, raw: bytes) -> "Transaction":
        kind, items = raw[1], decoded(raw[2:], "transaction")
        # EIP-2930 names one price, EIP-1559 a tip before it.
        rest = items[2:] if kind == 1 else items[3:]
        price, gas, to, value, data, access = rest[:6]
        signed, (v, r, s) = [*items[: len(items) - 3]], items[-3:]
        del access
        digest = keccak(bytes([kind]) + rlp.encode(signed))
        sender = recovered(digest, r.rjust(32, b"\0") + s.rjust(32, b"\0") + bytes([int.from_bytes(v, "big")]))
        return cls._made(raw, raw[1:], kind, sender, items[1], to, value, data, gas, price)

    @classmethod
    def _legacy(cls, raw: bytes) -> "Transaction":
        items = decoded(raw, "transaction")
        nonce, price, gas, to, value, data, v, r, s = items
        sign = int.from_bytes(v, "big")
        if sign >= 35:
            signed, parity = [*items[:6], (sign - 35) // 2, b"", b""], (sign - 35) % 2
        else:
            signed, parity = items[:6], sign - 27
        sender = recovered(keccak(rlp.encode(signed)), r.rjust(32, b"\0") + s.rjust(32, b"\0") + bytes([parity]))
        return cls._made(raw, raw, 0, sender, nonce, to, value, data, gas, price)

    @classmethod
    def _own(cls, raw: bytes) -> "Transaction":
        """One of Kaia's own types: its sender stands in it, since any number of keys may sign for an account."""
        items = decoded(raw[1:], "transaction")
        place = _SENDER_AT[raw[0] & ~7] if raw[0] & 7 < 3 and raw[0] & ~7 in _SENDER_AT else -1
        if place < 0:
            raise Lie(f"a transaction of it has the type {raw[0]}, which this program does not know")
        to, value = (items[3], items[4]) if place == 5 else (bytes(20), b"")
        data = items[6] if raw[0] & ~7 in _WITH_DATA else b""
        return cls._made(raw, raw, raw[0], items[place], items[0], to, value, data, items[2], items[1])

    @classmethod
    def _made(
        cls, raw: bytes, hashed: bytes, kind: int, sender: bytes, nonce: bytes, to: bytes, *rest: bytes
    ) -> "Transaction":
        value, data, gas, price = rest
        if len(sender) != 20 or len(to) not in (0, 20):
            raise Lie("a transaction of it cannot be read")
        numbers = [int.from_bytes(each, "big") for each in (nonce, value, gas, price)]
        return cls(
            raw=raw,
            hash=keccak(hashed),
            kind=kind,
            sender=sender,
            nonce=numbers[0],
            to=to or None,
            value=numbers[1],
            data=data,
            gas=numbers[2],
            price=numbers[3],
        )

    @property
    def contract(self) -> bytes | None:
        """The address of the contract that it makes, if it makes one."""
        return None if self.to is not None else keccak(rlp.encode([self.sender, self.nonce]))[12:]


@dataclass(frozen=True)
class LogEntry:
    """A log of a receipt."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True)
class Receipt:
    """What a block's trie of receipts holds of a transaction. `status` is 1 for success, else Kaia's number of why."""

    status: int
    gas_used: int
    bloom: bytes
    logs: tuple[LogEntry, ...]

    @classmethod
    def from_json(cls, value: Any) -> "Receipt":
        """A receipt as `kaia_getBlockReceipts` gives it. Raises Lie."""
        told = object_of(value, "receipt")
        status = number_of(told.get("status"), "status", bits=32)
        # The reason of a failure is part of what is hashed, and stands apart in the answer.
        if status != 1 and "txError" in told:
            status = number_of(told["txError"], "status", bits=32)
        logs = [object_of(each, "log") for each in list_of(told.get("logs"), "logs")]
        return cls(
            status=status,
            gas_used=number_of(told.get("gasUsed"), "gas used", bits=64),
            bloom=bytes_of(told.get("logsBloom"), "bloom", length=256),
            logs=tuple(
                LogEntry(
                    address=bytes_of(each.get("address"), "log's address", length=20),
                    topics=tuple(
                        bytes_of(topic, "topic", length=32) for topic in list_of(each.get("topics"), "log's topics")
                    ),
                    data=bytes_of(each.get("data"), "log's data"),
                )
                for each in logs
            ),
        )

    def encoded(self) -> bytes:
        logs = [[log.address, list(log.topics), log.data] for log in self.logs]
        data: bytes = rlp.encode([self.status, self.gas_used, self.bloom, logs])
        return data

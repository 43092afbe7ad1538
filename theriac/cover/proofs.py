"""Proofs that a contract's storage held something under a block (EIP-1186), checked without a chain.

1. The header's fields have the hash that the verifier trusts (Yellow Paper, section 4.4).
2. The account is in the header's state, by a Merkle-Patricia proof (appendix D).
3. Each slot is in the account's storage, by another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rlp
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak
from rlp.exceptions import DecodingError
from trie import HexaryTrie
from trie.exceptions import BadTrieProof

from theriac.errors import BadProof, TheriacError
from theriac.ledger.node import Node

_HEADER = (
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom", "difficulty"),
    *("number", "gasLimit", "gasUsed", "timestamp", "extraData", "mixHash", "nonce", "baseFeePerGas"),
    *("withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash"),
)
"""The fields of a header in their order; from the base fee on, as far as the chain's fork has them."""

_WORDS = frozenset(
    ("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed", "excessBlobGas")
)
"""The fields that are numbers, which RLP writes without leading zeros."""

_STATE_ROOT = _HEADER.index("stateRoot")
_NUMBER = _HEADER.index("number")


@dataclass(frozen=True)
class StorageProof:
    """What proves slots of one account: a block's header as RLP has it, and the nodes of both trees."""

    header: tuple[bytes, ...]
    account: tuple[bytes, ...]
    slots: Mapping[int, tuple[bytes, ...]]

    @property
    def block_hash(self) -> bytes:
        return keccak(rlp.encode(list(self.header)))

    @property
    def number(self) -> int:
        return int.from_bytes(self.header[_NUMBER], "big")

    def values(self, address: str) -> dict[int, int]:
        """What the account's slots held under this block. Raises BadProof."""
        try:
            account = _proven(self.header[_STATE_ROOT], to_canonical_address(address), self.account)
            _, _, storage, _ = rlp.decode(account)
            return {
                slot: int.from_bytes(rlp.decode(_proven(storage, slot.to_bytes(32, "big"), nodes) or b"\x80"), "big")
                for slot, nodes in self.slots.items()
            }
        except (BadTrieProof, DecodingError, ValueError, TypeError, IndexError):
            raise BadProof(fault="its nodes do not lead from the block's state to the claim") from None

    def told(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "header": [each.hex() for each in self.header],
            "account": [each.hex() for each in self.account],
            "slots": {f"{slot:064x}": [each.hex() for each in nodes] for slot, nodes in self.slots.items()},
        }

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> "StorageProof":
        """Raises KeyError, TypeError, ValueError."""
        return cls(
            header=_bytes(told["header"]),
            account=_bytes(told["account"]),
            slots={int(slot, 16): _bytes(nodes) for slot, nodes in told["slots"].items()},
        )


def storage_proof(node: Node, address: str, slots: Sequence[int], *, block: int) -> StorageProof | None:
    """The proof of slots under a block; None where the node gives none that fits its own header."""
    try:
        found = node.request("eth_getProof", [address, [f"0x{slot:064x}" for slot in slots], hex(block)])
        header = node.request("eth_getBlockByNumber", [hex(block), False])
        proof = StorageProof(
            header=tuple(_field(name, header[name]) for name in _HEADER if header.get(name) is not None),
            account=_bytes(found["accountProof"]),
            slots={slot: _bytes(each["proof"]) for slot, each in zip(slots, found["storageProof"], strict=True)},
        )
        is_whole = proof.block_hash == _plain(header["hash"])
        return proof if is_whole and proof.values(address) else None
    except (TheriacError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _proven(root: bytes, key: bytes, nodes: Sequence[bytes]) -> bytes:
    decoded = [rlp.decode(node) for node in nodes]
    found: bytes = HexaryTrie.get_from_proof(root, keccak(key), decoded)
    return found


def _field(name: str, value: Any) -> bytes:
    data = _plain(value)
    return data.lstrip(b"\0") if name in _WORDS else data


def _bytes(values: Sequence[Any]) -> tuple[bytes, ...]:
    return tuple(_plain(each) for each in values)


def _plain(value: Any) -> bytes:
    if isinstance(value, bytes):
        return bytes(value)
    text = str(value).removeprefix("0x")
    return bytes.fromhex(text if len(text) % 2 == 0 else f"0{text}")

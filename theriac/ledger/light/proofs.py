"""Proofs of a Merkle Patricia trie (Ethereum's Yellow Paper, appendix D; EIP-1186 for their form in JSON)."""

from collections.abc import Sequence

import rlp
from eth_utils.crypto import keccak
from trie import HexaryTrie

from theriac.ledger.light.faults import Lie
from theriac.ledger.light.kaia import EMPTY_ROOT, decoded

# A key has 64 halves of a byte, and each node of a path takes one at least; a node is no longer than its 17 hashes.
_MOST_NODES = 65
_LONGEST_NODE = 1024


def proven(root: bytes, key: bytes, nodes: Sequence[bytes], what: str) -> bytes:
    """What a trie with this root holds under the hash of `key`: nothing where the proof shows that it holds nothing.

    Raises Lie for a proof that does not lead from the root to an end.
    """
    if root == EMPTY_ROOT:
        return b""
    if len(nodes) > _MOST_NODES or any(len(node) > _LONGEST_NODE for node in nodes):
        raise Lie(f"its proof of {what} is longer than one can be")
    try:
        value: bytes = HexaryTrie({keccak(node): node for node in nodes}, root).get(keccak(key))
    except Exception:
        # Nodes of a stranger are decoded inside, and fail there in more ways than can be named.
        raise Lie(f"its proof of {what} does not lead to the block's state") from None
    return value


def proven_word(root: bytes, slot: int, nodes: Sequence[bytes], what: str) -> int:
    """What stands in a slot of a contract's storage; zero where the proof shows that nothing does. Raises Lie."""
    value = proven(root, slot.to_bytes(32, "big"), nodes, what)
    if not value:
        return 0
    word = decoded(value, what)
    if not isinstance(word, bytes) or len(word) > 32:
        raise Lie(f"its proof of {what} holds no word")
    return int.from_bytes(word, "big")


def root_of(items: Sequence[bytes]) -> bytes:
    """The root of a block's transactions or receipts: a trie from the number of each to its encoding."""
    trie = HexaryTrie({}, prune=True)
    for place, item in enumerate(items):
        trie.set(rlp.encode(place), item)
    root: bytes = trie.root_hash
    return root

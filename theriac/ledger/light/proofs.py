"""Proofs of a Merkle Patricia trie (Ethereum's Yellow Paper, appendix D; EIP-1186 for their form in JSON)."""

from collections.abc import Sequence
from typing import Any

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
    """The root of a block's transactions or receipts: a trie from the number of each to its encoding.

    Built from the bottom up, once: to set one after the other takes twenty times as long, and blocks can be full.
    """
    pairs = sorted((_halves(rlp.encode(place)), item) for place, item in enumerate(items))
    if not pairs:
        return EMPTY_ROOT
    return keccak(rlp.encode(_node(pairs, 0)))


def _halves(key: bytes) -> bytes:
    """The halves of the bytes of a key, each as a byte of its own."""
    return bytes(half for byte in key for half in (byte >> 4, byte & 15))


def _node(pairs: Sequence[tuple[bytes, bytes]], depth: int) -> list[Any]:
    """The node above these sorted keys, which all agree in the first `depth` halves."""
    first, last = pairs[0][0], pairs[-1][0]
    if len(pairs) == 1:
        return [_path(first[depth:], ends=True), pairs[0][1]]
    same = depth
    while same < min(len(first), len(last)) and first[same] == last[same]:
        same += 1
    if same > depth:
        return [_path(first[depth:same], ends=False), _reference(_node(pairs, same))]
    branch: list[Any] = [b""] * 17
    if len(first) == depth:
        branch[16], pairs = pairs[0][1], pairs[1:]
    start = 0
    while start < len(pairs):
        half = pairs[start][0][depth]
        end = start
        while end < len(pairs) and pairs[end][0][depth] == half:
            end += 1
        branch[half] = _reference(_node(pairs[start:end], depth + 1))
        start = end
    return branch


def _path(halves: bytes, *, ends: bool) -> bytes:
    """Halves packed into bytes, after the mark of whether they are odd in number and end at a value."""
    mark = 2 * ends + len(halves) % 2
    packed = bytes([mark]) + halves if len(halves) % 2 else bytes([mark, 0]) + halves
    return bytes(16 * high + low for high, low in zip(packed[::2], packed[1::2], strict=True))


def _reference(node: list[Any]) -> Any:
    """How a node stands in the one above it: by its hash, or whole where that is shorter."""
    encoded = rlp.encode(node)
    return node if len(encoded) < 32 else keccak(encoded)

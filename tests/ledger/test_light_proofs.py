"""Proofs of a trie, made by an independent implementation of tries, and accounts in Kaia's encoding."""

from typing import Any

import pytest
import rlp
from eth_utils import keccak
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from theriac.ledger.light.faults import Lie
from theriac.ledger.light.kaia import EMPTY_ROOT, NO_CODE, Account, Transaction
from theriac.ledger.light.proofs import proven, proven_word, root_of


def trie_of(values: dict[bytes, bytes]) -> HexaryTrie:
    trie = HexaryTrie({})
    for key, value in values.items():
        trie[keccak(key)] = value
    return trie


def proof_of(trie: HexaryTrie, key: bytes) -> list[bytes]:
    """The nodes of the way to a key that have a hash; smaller ones stand inside of those above them."""
    nodes = [rlp.encode(node) for node in trie.get_proof(keccak(key))]
    return [node for place, node in enumerate(nodes) if place == 0 or len(node) >= 32]


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


entries = st.dictionaries(
    st.binary(min_size=1, max_size=8), st.binary(min_size=1, max_size=80), min_size=1, max_size=60
)


@settings(max_examples=60)
@given(values=entries, other=st.binary(min_size=9, max_size=9))
def test_proof__of_every_key_and_of_one_that_is_not_there(values: dict[bytes, bytes], other: bytes) -> None:
    trie = trie_of(values)

    for key, value in values.items():
        assert proven(trie.root_hash, key, proof_of(trie, key), "it") == value
    assert proven(trie.root_hash, other, proof_of(trie, other), "it") == b""


@settings(max_examples=60)
@given(values=entries, data=st.data())
def test_proof__with_a_byte_changed_anywhere__proves_nothing(values: dict[bytes, bytes], data: st.DataObject) -> None:
    trie = trie_of(values)
    key = data.draw(st.sampled_from(sorted(values)))
    nodes = proof_of(trie, key)
    which = data.draw(st.integers(0, len(nodes) - 1))
    place = data.draw(st.integers(0, len(nodes[which]) - 1))
    changed = bytearray(nodes[which])
    changed[place] ^= data.draw(st.integers(1, 255))
    nodes[which] = bytes(changed)

    with pytest.raises(Lie):
        proven(trie.root_hash, key, nodes, "it")


@settings(max_examples=60)
@given(values=entries, data=st.data())
def test_proof__cut_short_or_of_another_trie__proves_nothing(values: dict[bytes, bytes], data: st.DataObject) -> None:
    trie = trie_of(values)
    key = data.draw(st.sampled_from(sorted(values)))
    nodes = proof_of(trie, key)

    with pytest.raises(Lie):
        proven(trie.root_hash, key, nodes[:-1], "it")
    with pytest.raises(Lie):
        proven(keccak(trie.root_hash), key, nodes, "it")


@settings(max_examples=200)
@given(nodes=st.lists(st.binary(max_size=120), max_size=5), root=st.binary(min_size=32, max_size=32))
def test_proof__of_noise__proves_nothing(nodes: list[bytes], root: bytes) -> None:
    with pytest.raises(Lie):
        proven(root, b"key", nodes, "it")


@settings(max_examples=200)
@given(node=st.recursive(st.binary(max_size=33), lambda inner: st.lists(inner, max_size=17), max_leaves=40))
def test_proof__whose_root_is_noise_that_is_hashed_well__is_a_lie_or_a_value(node: Any) -> None:
    raw = rlp.encode(node)

    try:
        value = proven(keccak(raw), b"key", [raw], "it")
    except Lie:
        return
    assert isinstance(value, bytes)


def test_proof__longer_than_one_can_be__is_not_looked_at() -> None:
    with pytest.raises(Lie, match="longer than one can be"):
        proven(bytes(32), b"key", [b"x"] * 66, "it")
    with pytest.raises(Lie, match="longer than one can be"):
        proven(bytes(32), b"key", [b"x" * 2000], "it")


def test_word__of_storage() -> None:
    trie = trie_of(
        {word(3): rlp.encode(b"\x01\x02"), word(4): rlp.encode([b"no", b"word"]), word(5): rlp.encode(b"x" * 33)}
    )

    assert proven_word(trie.root_hash, 3, proof_of(trie, word(3)), "it") == 0x0102
    assert proven_word(trie.root_hash, 9, proof_of(trie, word(9)), "it") == 0
    assert proven_word(EMPTY_ROOT, 9, [], "it") == 0
    for slot in (4, 5):
        with pytest.raises(Lie, match="holds no word"):
            proven_word(trie.root_hash, slot, proof_of(trie, word(slot)), "it")


@pytest.mark.parametrize("count", [0, 1, 2, 16, 127, 128, 129, 300])
def test_root__of_a_list(count: int) -> None:
    items = [b"item %d" % number * 5 for number in range(count)]
    trie = HexaryTrie({})
    for number, item in enumerate(items):
        trie[rlp.encode(number)] = item

    assert root_of(items) == trie.root_hash
    assert root_of([]) == EMPTY_ROOT


# -- leaves ----------------------------------------------------------------------------------------------------------

ROOT, CODE = keccak(b"storage"), keccak(b"code")
COMMON = [5, 7, 0, 1, []]


def test_account__of_a_contract() -> None:
    leaf = b"\x02" + rlp.encode([COMMON, ROOT, CODE, b"\x10"])

    assert Account.from_leaf(leaf) == Account(5, 7, ROOT, CODE)


def test_account__of_a_contract_without_storage() -> None:
    leaf = b"\x02" + rlp.encode([COMMON, bytes(32), CODE, b"\x10"])

    assert Account.from_leaf(leaf) == Account(5, 7, EMPTY_ROOT, CODE)


def test_account__of_a_person() -> None:
    """Kaia v1.0.3 gives no proof of such an account; the leaf is read all the same, should a node prove it."""
    assert Account.from_leaf(b"\x01" + rlp.encode(COMMON)) == Account(5, 7, EMPTY_ROOT, NO_CODE)


@pytest.mark.parametrize(
    "leaf",
    [
        b"",
        b"\x01",
        b"\x02",
        b"\x03" + rlp.encode(COMMON),
        b"\x02" + rlp.encode(COMMON),
        b"\x02" + rlp.encode([COMMON, ROOT, CODE]),
        b"\x02" + rlp.encode([COMMON, ROOT[:31], CODE, b""]),
        b"\x02" + rlp.encode([b"5", ROOT, CODE, b""]),
        b"\x02" + rlp.encode([[[], 7, 0, 1, []], ROOT, CODE, b""]),
        b"\x02" + rlp.encode([[5], ROOT, CODE, b""]),
        b"\x02" + rlp.encode([COMMON, [ROOT] * 32, CODE, b""]),
        b"\x01" + rlp.encode(b"text"),
        rlp.encode([5, 7, ROOT, CODE]),
    ],
)
def test_leaf__that_is_no_account_of_kaia(leaf: bytes) -> None:
    with pytest.raises(Lie):
        Account.from_leaf(leaf)


@settings(max_examples=200)
@given(raw=st.binary(max_size=200))
def test_transaction__of_noise__is_a_lie(raw: bytes) -> None:
    with pytest.raises(Lie):
        Transaction.from_raw(raw)


@settings(max_examples=200)
@given(
    head=st.sampled_from([b"", b"\x78\x01", b"\x78\x02", b"\x08", b"\x09", b"\x20", b"\x31"]),
    items=st.lists(st.one_of(st.binary(max_size=40), st.lists(st.binary(max_size=4), max_size=3)), max_size=14),
)
def test_transaction__of_well_formed_noise__is_a_lie_or_read(head: bytes, items: list[Any]) -> None:
    try:
        read = Transaction.from_raw(head + rlp.encode(items))
    except Lie:
        return
    assert len(read.sender) == 20

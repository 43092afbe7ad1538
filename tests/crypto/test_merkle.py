"""Merkle trees of RFC 9162, against the roots that certificate transparency publishes for its eight test entries."""

import hashlib

import pytest

from theriac.crypto.merkle import Tree, leaf_hash, root_of

ENTRIES = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
ENTRIES.append(bytes(range(0x60, 0x70)))

ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(9))
def test_root__is_the_published_one(size: int) -> None:
    assert Tree([leaf_hash(entry) for entry in ENTRIES[:size]]).root.hex() == ROOTS[size]


def test_path__proves_every_leaf_at_its_own_place_in_a_tree_of_its_own_size() -> None:
    for size in (*range(1, 35), 100):
        leaves = [leaf_hash(number.to_bytes(2, "big")) for number in range(size)]
        tree = Tree(leaves)
        for place, leaf in enumerate(leaves):
            path = tree.path(place)

            assert root_of(leaf, place=place, size=size, siblings=path) == tree.root
            if size > 1:
                assert root_of(leaf, place=(place + 1) % size, size=size, siblings=path) != tree.root
                assert root_of(leaf, place=place, size=size, siblings=path[:-1]) != tree.root
            assert root_of(leaf, place=place, size=size, siblings=(*path, tree.root)) != tree.root
            assert root_of(leaf_hash(b"another"), place=place, size=size, siblings=path) != tree.root


def test_root_of__an_inner_node_is_no_leaf() -> None:
    left, right = leaf_hash(b"left"), leaf_hash(b"right")
    inner = hashlib.sha256(b"\x01" + left + right).digest()
    tree = Tree([left, right, leaf_hash(b"third")])

    assert root_of(leaf_hash(left + right), place=0, size=2, siblings=tree.path(2)) != tree.root
    assert root_of(inner, place=0, size=3, siblings=[leaf_hash(b"third")]) is None


@pytest.mark.parametrize(("place", "size"), [(-1, 1), (1, 1), (0, 0), (5, 4)])
def test_root_of__a_place_outside_of_the_tree__is_none(place: int, size: int) -> None:
    assert root_of(leaf_hash(b""), place=place, size=size, siblings=()) is None

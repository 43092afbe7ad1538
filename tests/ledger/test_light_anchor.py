"""What a light client trusts, as it stands in an invitation."""

import json
from pathlib import Path
from typing import Any

import pytest
from light_between import between, instead
from light_paper import Paper, key
from web3 import EthereumTesterProvider, HTTPProvider, Web3

from theriac.errors import BadAnchor, ChainLied, ChainRefused, ChainSilent
from theriac.ledger.light.anchor import Anchor

FOUR = [key(number) for number in range(4)]
PAPER = Paper.of((6, FOUR))
ANCHOR = PAPER.anchor(FOUR, checkpoint=5)
WRITTEN = ANCHOR.to_json()


def test_anchor__there_and_back(tmp_path: Path) -> None:
    ANCHOR.save(tmp_path / "anchor.json")
    (tmp_path / "invitation.json").write_text(json.dumps({"version": 3, "board": "North", "anchor": WRITTEN}))

    assert Anchor.from_json(json.loads(json.dumps(WRITTEN))) == ANCHOR
    assert Anchor.load(tmp_path / "anchor.json") == ANCHOR
    assert Anchor.load(tmp_path / "invitation.json") == ANCHOR
    assert Anchor.from_json({**WRITTEN, "checkpoint": None}) == PAPER.anchor(FOUR)


def test_anchor__of_a_node_of_ones_own() -> None:
    with between(PAPER) as [node]:
        assert Anchor.of(Web3(HTTPProvider(node.uri))) == ANCHOR


def test_anchor__of_a_chain_that_has_only_begun() -> None:
    begun = Paper.of((1, FOUR))

    with between(begun) as [node]:
        assert Anchor.of(Web3(HTTPProvider(node.uri))) == begun.anchor(FOUR)


def test_anchor__of_a_node_whose_newest_block_is_not_sealed__is_not_made() -> None:
    unsealed = Paper([*PAPER.blocks[:-1], {**PAPER.blocks[-1], "extraData": PAPER.blocks[0]["extraData"]}])

    with between(unsealed) as [node], pytest.raises(ChainLied):
        Anchor.of(Web3(HTTPProvider(node.uri)))


def test_anchor__of_another_kind_of_chain__is_not_made() -> None:
    with pytest.raises(BadAnchor, match="it is not reached over HTTP"):
        Anchor.of(Web3(EthereumTesterProvider()))
    with between(PAPER) as [node]:
        node.lies = [instead("kaia_getHeaderByNumber", error="the method kaia_x does not exist/is not available")]
        with pytest.raises(ChainRefused, match="--rpcapi eth,kaia"):
            Anchor.of(Web3(HTTPProvider(node.uri)))
        node.silent = True
        with pytest.raises(ChainSilent):
            Anchor.of(Web3(HTTPProvider(node.uri)))


_OTHER = WRITTEN["validators"]
BAD: dict[str, tuple[Any, str]] = {
    "no object": ([], "exactly the fields"),
    "a field less": ({name: part for name, part in WRITTEN.items() if name != "genesis"}, "exactly the fields"),
    "a field more": ({**WRITTEN, "trusted": True}, "exactly the fields"),
    "a later version": ({**WRITTEN, "version": 2}, "this program reads 1"),
    "true for a version": ({**WRITTEN, "version": True}, "this program reads 1"),
    "another consensus": ({**WRITTEN, "consensus": "qbft"}, "knows 'istanbul' alone"),
    "no chain id": ({**WRITTEN, "chain_id": 0}, "an integer from 1"),
    "a chain id as text": ({**WRITTEN, "chain_id": "77"}, "an integer from 1"),
    "a short genesis": ({**WRITTEN, "genesis": "0x12"}, "32 bytes"),
    "a genesis in capitals": ({**WRITTEN, "genesis": WRITTEN["genesis"].upper()}, "32 bytes"),
    "no validators": ({**WRITTEN, "validators": []}, "a list of addresses"),
    "validators as text": ({**WRITTEN, "validators": "all"}, "a list of addresses"),
    "a validator without checksum": ({**WRITTEN, "validators": [_OTHER[0].lower(), *_OTHER[1:]]}, "checksum"),
    "a validator that is a number": ({**WRITTEN, "validators": [5, *_OTHER[1:]]}, "checksum"),
    "a validator twice": ({**WRITTEN, "validators": [_OTHER[0], *_OTHER]}, "each stand there once"),
    "validators unsorted": ({**WRITTEN, "validators": _OTHER[::-1]}, "sorted"),
    "a checkpoint without a hash": ({**WRITTEN, "checkpoint": {"number": 5}}, "exactly the fields"),
    "a checkpoint at the genesis": ({**WRITTEN, "checkpoint": {**WRITTEN["checkpoint"], "number": 0}}, "from 1"),
    "a checkpoint that is a hash": ({**WRITTEN, "checkpoint": WRITTEN["genesis"]}, "exactly the fields"),
}


@pytest.mark.parametrize("name", BAD)
def test_anchor__that_is_none(name: str) -> None:
    value, said = BAD[name]

    with pytest.raises(BadAnchor, match=said) as refused:
        Anchor.from_json(value, source="north.invitation")

    assert "north.invitation" in str(refused.value)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b'{"version": 1, "version": 1}', "a field stands there twice"),
        (b"{}", "exactly the fields"),
        (b'{"anchor": 5}', "exactly the fields"),
        (b" " * (2**24 + 1), "far too long"),
    ],
    ids=["empty", "not text", "deep", "twice", "nothing", "a number", "long"],
)
def test_file__that_is_no_anchor(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "anchor.json").write_bytes(content)

    with pytest.raises(BadAnchor, match=said):
        Anchor.load(tmp_path / "anchor.json")


def test_file__that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadAnchor, match="No such file"):
        Anchor.load(tmp_path / "nothing.json")

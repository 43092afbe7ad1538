"""Who has to seal a block for a light client to believe it: on chains that the tests seal themselves."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import rlp
from light_between import Answer, between
from light_paper import Paper, address, key, plain, sealed

from theriac.errors import OtherValidators, StaleChain, Unproven
from theriac.ledger.light.anchor import Anchor
from theriac.ledger.light.kaia import Header, quorum
from theriac.ledger.light.provider import LightProvider

FOUR = [key(number) for number in range(4)]
FIVE = [key(number) for number in range(5)]
STRANGERS = [key(number) for number in range(10, 14)]


@contextmanager
def showing(*papers: Paper, anchor: Anchor, now: float | None = None) -> Iterator[LightProvider]:
    """A light client that asks nodes which show these chains."""
    with between(*papers) as proxies:
        moment = papers[0].now if now is None else now
        yield LightProvider(anchor, [each.uri for each in proxies], clock=lambda: moment)


def number(light: LightProvider) -> int:
    answer: Any = light.make_request("eth_blockNumber", [])
    return int(answer["result"], 16)


def with_head(paper: Paper, **how: Any) -> Paper:
    """The chain with one block more, sealed in some other way."""
    how = {"validators": FOUR, **how}
    return Paper([*paper.blocks, sealed(plain(paper.head + 1, paper.blocks[-1]["hash"]), **how)])


def test_own_encoding__is_the_packages() -> None:
    block = Paper.of((3, FOUR)).blocks[2]

    header = Header.from_json(block)

    assert "0x" + header.hash.hex() == block["hash"]
    assert header.proposer == address(FOUR[0])


@pytest.mark.parametrize(("validators", "needed"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 4), (7, 5), (22, 15)])
def test_quorum__is_kaias(validators: int, needed: int) -> None:
    """RequiredMessageCount of consensus/istanbul/core/core.go: all of three, from four on two thirds, rounded up."""
    assert quorum(validators) == needed


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7])
def test_seals__as_many_as_are_needed__and_one_fewer(count: int) -> None:
    validators = [key(each) for each in range(count)]
    needed = quorum(count)
    paper = Paper.of((3, validators))
    anchor = paper.anchor(validators)
    enough = with_head(paper, validators=validators, committed=validators[-needed:])
    few = with_head(paper, validators=validators, committed=validators[: needed - 1])

    with showing(enough, enough, anchor=anchor) as light:
        assert number(light) == 3
    with showing(few, few, anchor=anchor) as light, pytest.raises(Unproven, match=f"{needed - 1} seals of {needed}"):
        number(light)


FORGED: dict[str, tuple[dict[str, Any], str]] = {
    "by strangers": ({"committed": STRANGERS}, "has a seal of no validator"),
    "by two of four and a stranger": ({"committed": [*FOUR[:2], STRANGERS[0]]}, "has a seal of no validator"),
    "by one, four times": ({"committed": [FOUR[1]] * 4}, "has two seals of one validator"),
    "by two, each twice": ({"committed": [*FOUR[:2], *FOUR[:2]]}, "has two seals of one validator"),
    "by nobody": ({"committed": []}, "has 0 seals of 3"),
    "proposed by a stranger": ({"proposer": STRANGERS[0]}, "was proposed by no validator"),
}


@pytest.mark.parametrize("name", FORGED)
def test_newest_block__forged__is_caught_of_both(name: str) -> None:
    how, said = FORGED[name]
    paper = Paper.of((3, FOUR))
    forged = with_head(paper, **how)

    with showing(forged, forged, anchor=paper.anchor(FOUR)) as light, pytest.raises(Unproven) as caught:
        number(light)

    assert len(caught.value.faults) == 2
    assert all(said in fault for fault in caught.value.faults.values())


@pytest.mark.parametrize("name", FORGED)
def test_newest_block__forged_by_one__is_named_and_not_believed(name: str) -> None:
    how, said = FORGED[name]
    paper = Paper.of((3, FOUR))

    with showing(with_head(paper, **how), paper, anchor=paper.anchor(FOUR), now=paper.now) as light:
        assert number(light) == 2
        assert len(light.faults) == 1
        assert said in light.faults[0]


@pytest.mark.parametrize("length", [0, 64, 66])
def test_seal__of_another_length__is_none(length: int) -> None:
    paper = Paper.of((3, FOUR))
    block = paper.blocks[2]
    extra = bytes.fromhex(block["extraData"][2:])
    names, seal, seals = rlp.decode(extra[32:])
    bad = {**block, "extraData": "0x" + (extra[:32] + rlp.encode([names, seal, [bytes(length), *seals[1:]]])).hex()}
    forged = Paper([*paper.blocks[:2], bad])

    with showing(forged, forged, anchor=paper.anchor(FOUR)) as light, pytest.raises(Unproven, match="has not 65 bytes"):
        number(light)


def test_seal__that_no_key_can_have_made__is_none() -> None:
    paper = Paper.of((3, FOUR))
    block = paper.blocks[2]
    extra = bytes.fromhex(block["extraData"][2:])
    names, seal, seals = rlp.decode(extra[32:])
    bad = {**block, "extraData": "0x" + (extra[:32] + rlp.encode([names, seal, [b"\xff" * 65, *seals[1:]]])).hex()}
    forged = Paper([*paper.blocks[:2], bad])

    with showing(forged, forged, anchor=paper.anchor(FOUR)) as light, pytest.raises(Unproven, match="is no signature"):
        number(light)


def test_block_of_a_later_round__is_as_good() -> None:
    paper = with_head(Paper.of((3, FOUR)), round_=2)

    with showing(paper, paper, anchor=paper.anchor(FOUR)) as light:
        assert number(light) == 3


# -- other validators ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("others", [STRANGERS, FIVE, FOUR[:3]], ids=["others", "one more", "one fewer"])
def test_validators__that_are_not_the_anchors__ask_for_a_new_invitation(others: Sequence[Any]) -> None:
    paper = Paper.of((3, FOUR), (1, others))

    with showing(paper, paper, anchor=paper.anchor(FOUR)) as light, pytest.raises(OtherValidators) as caught:
        number(light)

    assert "get a new invitation from the board" in str(caught.value)
    assert caught.value.exit_code == 5


def test_validators__named_as_the_anchors_and_sealed_by_others__are_a_lie() -> None:
    paper = Paper.of((3, FOUR))
    forged = with_head(paper, validators=STRANGERS, named=[address(each) for each in FOUR])

    with showing(forged, forged, anchor=paper.anchor(FOUR)) as light, pytest.raises(Unproven, match="no validator"):
        number(light)


def test_another_chain_of_the_same_validators__is_known_by_its_first_block() -> None:
    paper = Paper.of((3, FOUR))
    other = Paper.of((2, FIVE), (9, FOUR))

    with showing(other, other, anchor=paper.anchor(FOUR)) as light, pytest.raises(Unproven, match="another chain"):
        number(light)


# -- before the checkpoint -------------------------------------------------------------------------------------------


def block_hash(light: LightProvider, of: int) -> Any:
    answer: Any = light.make_request("eth_getBlockByNumber", [hex(of), False])
    return answer["result"]["hash"]


@pytest.mark.parametrize("of", [0, 1, 2, 300, 599, 600, 650, 699])
def test_past__that_others_sealed__is_led_to_the_checkpoint(of: int) -> None:
    paper = Paper.of((600, FOUR), (100, FIVE))

    with showing(paper, paper, anchor=paper.anchor(FIVE, checkpoint=650)) as light:
        assert number(light) == 699
        assert block_hash(light, of) == paper.blocks[of]["hash"]
        assert light.faults == ()


def test_past__in_stretches__is_led_to_the_checkpoint() -> None:
    paper = Paper.of((600, FOUR), (100, FIVE))

    with showing(paper, paper, anchor=paper.anchor(FIVE, checkpoint=650)) as light:
        answer: Any = light.make_request("eth_getLogs", [{"fromBlock": "0x0", "toBlock": hex(699)}])

    assert answer["result"] == []


def test_past__of_former_validators__is_not_rewritten_by_their_keys() -> None:
    """Who validated once has keys that are worth nothing any more: a past that they seal anew leads nowhere."""
    paper = Paper.of((600, FOUR), (100, FIVE))
    rewritten = Paper.of((300, FOUR))
    parent = rewritten.blocks[-1]["hash"]
    for each in range(300, 600):
        rewritten.blocks.append(sealed(plain(each, parent, time=paper.head + each), validators=FOUR))
        parent = rewritten.blocks[-1]["hash"]
    rewritten.blocks += paper.blocks[600:]

    with (
        showing(rewritten, rewritten, anchor=paper.anchor(FIVE, checkpoint=650)) as light,
        pytest.raises(Unproven, match=r"does not (stand on|lead to the anchor's checkpoint)"),
    ):
        block_hash(light, 400)


def test_past__that_others_sealed__without_a_checkpoint__is_not_believed() -> None:
    paper = Paper.of((600, FOUR), (100, FIVE))

    with showing(paper, paper, anchor=paper.anchor(FIVE)) as light:
        assert number(light) == 699
        with pytest.raises(OtherValidators):
            block_hash(light, 400)


# -- two truths ------------------------------------------------------------------------------------------------------


def test_two_blocks_of_one_number__both_sealed__are_told() -> None:
    """Then more than a third of the validators sealed twice: no node is to blame, and nothing may be acted upon."""
    paper = Paper.of((3, FOUR))
    here = with_head(paper)
    there = Paper([*paper.blocks, sealed(plain(3, paper.blocks[-1]["hash"], time=here.now + 1), validators=FOUR)])

    def looking(light: LightProvider) -> None:
        # Whoever answers first is listened to for a moment longer, and no more.
        for _ in range(20):
            light._headers._head = None
            number(light)

    with (
        showing(here, there, anchor=paper.anchor(FOUR)) as light,
        pytest.raises(Unproven, match="two blocks of number 3"),
    ):
        looking(light)


def test_stretch__that_was_proven_once__is_not_fetched_again(tmp_path: Path) -> None:
    paper = Paper.of((600, FOUR))
    every = {"fromBlock": "0x0", "toBlock": "latest"}
    with between(paper, paper) as proxies:
        for _ in range(2):
            # A client of its own each time, as two commands are.
            anchor, uris = paper.anchor(FOUR), [each.uri for each in proxies]
            light = LightProvider(anchor, uris, folder=tmp_path, clock=lambda: paper.now)
            proxies[0].seen = proxies[1].seen = []
            answer: Any = light.make_request("eth_getLogs", [every])
            assert answer["result"] == []
            light.close()

    # Of 600 blocks the last 88 make no whole window of 256; and the newest and the first are asked of both nodes.
    assert 88 <= proxies[0].seen.count("kaia_getHeaderByNumber") <= 88 + 5


@pytest.mark.parametrize("damage", [b"", b"no database at all, and longer than one page of it" * 100])
def test_stretch__remembered_in_a_broken_file__is_fetched_again(tmp_path: Path, damage: bytes) -> None:
    paper = Paper.of((300, FOUR))
    file = tmp_path / f"passed-{paper.blocks[0]['hash'][2:10]}.sqlite"
    file.write_bytes(damage)

    with between(paper, paper) as proxies:
        light = LightProvider(
            paper.anchor(FOUR), [each.uri for each in proxies], folder=tmp_path, clock=lambda: paper.now
        )
        answer: Any = light.make_request("eth_getLogs", [{"fromBlock": "0x0", "toBlock": "latest"}])
        light.close()

    assert answer["result"] == []


def test_chain_that_stands_still__is_not_acted_upon() -> None:
    paper = Paper.of((3, FOUR))

    with showing(paper, paper, anchor=paper.anchor(FOUR), now=paper.now + 181) as light:
        with pytest.raises(StaleChain) as caught:
            number(light)
        assert "the chain stands still" in str(caught.value)


def test_stretch__with_a_block_between_that_is_anothers__is_caught() -> None:
    paper = Paper.of((40, FOUR))
    other = sealed(plain(20, paper.blocks[19]["hash"], time=paper.head + 5), validators=FOUR)
    forged = Paper([*paper.blocks[:20], other, *paper.blocks[21:]])

    with (
        showing(forged, forged, anchor=paper.anchor(FOUR)) as light,
        pytest.raises(Unproven, match="does not stand on"),
    ):
        light.make_request("eth_getLogs", [{"fromBlock": "0x0", "toBlock": "latest"}])


def _lacking(paper: Paper, missing: int) -> Callable[[Sequence[Answer]], list[Answer]]:
    def ask(asked: Sequence[Answer]) -> list[Answer]:
        refused = {"code": -32000, "message": "the header does not exist"}
        return [
            {"jsonrpc": "2.0", "id": each["id"], "error": refused} if each["params"] == [hex(missing)] else answer
            for each, answer in zip(asked, paper(asked), strict=True)
        ]

    return ask


def test_stretch__with_a_block_that_a_node_keeps_back__is_the_other_nodes() -> None:
    paper = Paper.of((40, FOUR))

    with between(_lacking(paper, 20), paper) as proxies:
        light = LightProvider(paper.anchor(FOUR), [each.uri for each in proxies], clock=lambda: paper.now)
        answer: Any = light.make_request("eth_getLogs", [{"fromBlock": "0x0", "toBlock": "latest"}])

    assert answer["result"] == []


def test_stretch__with_a_block_that_both_keep_back__is_no_answer() -> None:
    paper = Paper.of((40, FOUR))

    with between(_lacking(paper, 20), _lacking(paper, 20)) as proxies:
        light = LightProvider(paper.anchor(FOUR), [each.uri for each in proxies], clock=lambda: paper.now)
        answer: Any = light.make_request("eth_getLogs", [{"fromBlock": "0x0", "toBlock": "latest"}])

    assert "the header does not exist" in answer["error"]["message"]

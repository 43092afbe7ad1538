"""A light client gives what a full node gives, from what two nodes prove; and nothing where they prove nothing.

The nodes' answers are those of real ones, recorded; `test_light_kaia.py` asks running ones.
"""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from light_between import HEADER, LIES, PROOF, RAW, RECEIPTS, Lie, flipped, instead, nothing_granted, rewriting
from light_recording import Nodes, recorded, replaying, result
from web3 import Web3

from theriac.errors import ChainSilent, OtherValidators, StaleChain, Unproven
from theriac.ledger.light import headers
from theriac.ledger.light.provider import LightProvider
from theriac.ledger.node import Node

FULL = recorded()["full"]

# What a light client leaves out of a transaction or a receipt: what nothing it asks for needs.
_LEFT_OUT = {"v", "r", "s", "chainId", "accessList", "maxFeePerGas", "maxPriorityFeePerGas"}


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    with replaying() as found:
        yield found


def _plain(value: Any) -> Any:
    """JSON with one spelling of addresses, and without what is left out."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items() if name not in _LEFT_OUT}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value.lower() if isinstance(value, str) else value


@pytest.mark.parametrize(("method", "parameters", "told", "error"), FULL, ids=lambda part: str(part)[:40])
def test_answer__is_the_full_nodes(nodes: Nodes, method: str, parameters: Any, told: Any, error: Any) -> None:
    light = nodes.light()

    answer = light.make_request(method, parameters)

    assert _plain(answer.get("result")) == _plain(told)
    assert answer.get("error", {}).get("data") == (error or {}).get("data")
    assert ("error" in answer) == (error is not None)
    assert light.faults == ()


def test_ledger__reads_through_it_as_through_a_node(nodes: Nodes) -> None:
    node = Node(Web3(nodes.light()))

    for name, hash_ in nodes.happened.transactions.items():
        [told] = [each for method, asked, each, _ in FULL if (method, asked) == ("eth_getTransactionByHash", [hash_])]
        landed = node.landed(hash_)
        assert landed is not None
        assert landed.succeeded is (name != "refused")
        block = node.header(landed.block)
        assert block is not None
        assert block.hash == landed.block_hash == told["blockHash"]
        sent = [each for each in node.passages(landed.block) if each.hash == hash_]
        assert [(each.sender.lower(), each.nonce) for each in sent] == [(told["from"], int(told["nonce"], 16))]
    assert node.chain_id() == nodes.anchor.chain_id
    assert node.genesis() == nodes.anchor.genesis
    assert node.head().number == nodes.head
    assert node.header(nodes.head + 1) is None


def test_many_threads__are_answered_one_by_one(nodes: Nodes) -> None:
    light = nodes.light()
    asked = [(method, parameters, told) for method, parameters, told, _ in FULL if method == "eth_call"][:12]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda each: light.make_request(each[0], each[1]), asked * 3))

    assert [answer.get("result") for answer in answers] == [told for _, _, told in asked * 3]
    assert light.faults == ()


def test_questions__are_of_every_kind() -> None:
    methods = {method for method, *_ in FULL}
    granted = [told for method, parameters, told, _ in FULL if method == "eth_getLogs" and "topics" in parameters[0]]
    truths = [told for method, _, told, _ in FULL if method == "eth_call" and told in (_TRUE, _FALSE)]
    statuses = {told["status"] for method, _, told, _ in FULL if method == "eth_getTransactionReceipt" and told}

    refusals = [error for method, _, _, error in FULL if error is not None]

    assert len(methods) == 9
    assert [len(error["data"]) > 10 for error in refusals] == [True]
    assert [len(logs) for logs in granted] == [1]
    assert truths[:2] == [_TRUE, _FALSE]
    assert statuses == {"0x0", "0x1"}


_TRUE, _FALSE = ("0x" + number.to_bytes(32, "big").hex() for number in (1, 0))


# -- what both lie about, one of them, or a silent one ---------------------------------------------------------------


def _question(name: str) -> tuple[str, Any, Any]:
    """A question of the recording, and the true answer: the first call is whether the doctor is allowed."""
    method, place = {
        "allowed": ("eth_call", 0),
        "not granted": ("eth_call", 4),
        "domain": ("eth_call", 5),
        "code": ("eth_getCode", 0),
        "storage": ("eth_getStorageAt", 0),
        "count": ("eth_getTransactionCount", 1),
        "balance": ("eth_getBalance", 1),
        "refused": ("eth_getTransactionReceipt", 0),
        "made": ("eth_getTransactionReceipt", 4),
        "logs": ("eth_getLogs", 0),
        "granted": ("eth_getLogs", 1),
    }[name]
    found = [(asked, parameters, told) for asked, parameters, told, _ in FULL if asked == method]
    return found[place]


@pytest.mark.parametrize("name", LIES)
def test_two_that_lie_alike__are_caught(nodes: Nodes, name: str) -> None:
    asked, lie, said = LIES[name]
    method, parameters, _ = _question(asked)
    nodes.both(lie)
    light = nodes.light()

    with pytest.raises(Unproven) as caught:
        light.make_request(method, parameters)

    assert set(caught.value.faults) == {each.uri for each in nodes.proxies}
    assert all(said in fault for fault in caught.value.faults.values()), caught.value
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("name", LIES)
def test_one_that_lies__is_named_and_the_other_asked(nodes: Nodes, name: str) -> None:
    asked, lie, said = LIES[name]
    method, parameters, told = _question(asked)
    nodes.one(lie)
    light = nodes.light()

    answer = light.make_request(method, parameters)

    assert _plain(result(answer)) == _plain(told)
    assert len(light.faults) >= 1
    assert all(nodes.proxies[0].uri in fault for fault in light.faults)
    assert said in light.faults[0]


@pytest.mark.parametrize("silent", [0, 1])
def test_one_that_is_silent__and_the_other_is_asked(nodes: Nodes, silent: int) -> None:
    method, parameters, told = _question("allowed")
    nodes.proxies[silent].silent = True
    light = nodes.light()

    assert result(light.make_request(method, parameters)) == told
    assert light.faults == ()


def test_two_that_are_silent__is_said(nodes: Nodes) -> None:
    for each in nodes.proxies:
        each.silent = True
    light = nodes.light()

    with pytest.raises(ChainSilent) as caught:
        light.make_request("eth_blockNumber", [])

    assert all(each.uri in str(caught.value) for each in nodes.proxies)


def test_one_silent_and_one_that_lies__is_caught(nodes: Nodes) -> None:
    method, parameters, _ = _question("allowed")
    nodes.proxies[0].silent = True
    nodes.proxies[1].lies = [rewriting(PROOF, nothing_granted)]
    light = nodes.light()

    with pytest.raises(Unproven):
        light.make_request(method, parameters)


# -- headers ---------------------------------------------------------------------------------------------------------

FIELDS = [
    "parentHash reward stateRoot transactionsRoot receiptsRoot logsBloom blockScore gasUsed timestamp timestampFoS",
    "extraData governanceData voteData baseFeePerGas",
]


@pytest.mark.parametrize("field", " ".join(FIELDS).split())
def test_header__every_field_is_sealed(nodes: Nodes, field: str) -> None:
    def change(header: Any) -> Any:
        before = header[field]
        header[field] = before + "01" if before == "0x" else flipped(before, 100 if field == "extraData" else -1)
        assert header[field] != before
        return header

    nodes.both(rewriting(HEADER, change, when=lambda asked: asked == ["latest"]))
    light = nodes.light()

    with pytest.raises((Unproven, OtherValidators)) as caught:
        light.make_request("eth_getBlockByNumber", ["latest", False])

    assert "block" in str(caught.value) or "header" in str(caught.value)


def test_header__of_another_number(nodes: Nodes) -> None:
    other = json.dumps(["kaia_getHeaderByNumber", ["0x3"]])
    [third] = [answer["result"] for method, asked, answer in recorded()["told"] if json.dumps([method, asked]) == other]
    nodes.both(rewriting(HEADER, lambda _: third, when=lambda asked: asked == ["0x5"]))
    light = nodes.light()

    with pytest.raises(Unproven, match="asked for block 5, it gave block 3"):
        light.make_request("eth_getBlockByNumber", ["0x5", False])


def test_header__above_the_newest__is_not_there_yet(nodes: Nodes) -> None:
    assert result(nodes.light().make_request("eth_getBlockByNumber", [hex(nodes.head + 1), False])) is None


# -- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "said"), [(200, "it is 3 minutes old"), (90_000, "it is 25 hours old"), (-200, "3 minutes ahead")]
)
def test_newest__too_old_or_too_new_by_the_clock__is_not_acted_upon(nodes: Nodes, seconds: int, said: str) -> None:
    light = nodes.light(clock=nodes.now + seconds)

    with pytest.raises(StaleChain, match=said) as caught:
        light.make_request("eth_blockNumber", [])

    assert caught.value.exit_code == 4


@pytest.mark.parametrize("seconds", [60, -60])
def test_newest__clocks_that_disagree_by_a_minute__are_stood(nodes: Nodes, seconds: int) -> None:
    light = nodes.light(clock=nodes.now + seconds)

    assert result(light.make_request("eth_blockNumber", [])) == hex(nodes.head)


def _earlier(nodes: Nodes, blocks: int) -> Lie:
    wanted = json.dumps([HEADER, [hex(nodes.head - blocks)]])
    [header] = [told["result"] for method, asked, told in recorded()["told"] if json.dumps([method, asked]) == wanted]
    return rewriting(HEADER, lambda _: header, when=lambda asked: asked == ["latest"])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asks for a newer block for a moment, not for three seconds."""
    monkeypatch.setattr(headers, "_PATIENCE", 0.3)


@pytest.mark.usefixtures("impatient")
def test_newest__never_goes_back(nodes: Nodes) -> None:
    light = nodes.light()
    assert result(light.make_request("eth_blockNumber", [])) == hex(nodes.head)
    nodes.both(_earlier(nodes, 4))
    light._headers._head = None

    with pytest.raises(StaleChain, match=f"block {nodes.head} has been seen before"):
        light.make_request("eth_blockNumber", [])


@pytest.mark.usefixtures("impatient")
def test_newest__never_goes_back__for_the_next_process_either(nodes: Nodes, tmp_path: Path) -> None:
    first = nodes.light(folder=tmp_path)
    assert result(first.make_request("eth_blockNumber", [])) == hex(nodes.head)
    nodes.both(_earlier(nodes, 4))
    second = nodes.light(folder=tmp_path)

    with pytest.raises(StaleChain, match=f"block {nodes.head} has been seen before"):
        second.make_request("eth_blockNumber", [])


@pytest.mark.parametrize("behind", [0, 1])
def test_newest__one_node_lags__is_that_of_the_other(nodes: Nodes, behind: int) -> None:
    nodes.proxies[behind].lies = [_earlier(nodes, 4)]
    light = nodes.light()

    assert result(light.make_request("eth_blockNumber", [])) == hex(nodes.head)
    assert light.faults == ()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"number": -1, "hash": "0x00"}', '{"number": "x", "hash": 5}'])
def test_mark__damaged__is_made_anew(nodes: Nodes, tmp_path: Path, damage: str) -> None:
    mark = tmp_path / f"newest-{nodes.anchor.genesis[2:10]}.json"
    mark.write_text(damage)

    assert result(nodes.light(folder=tmp_path).make_request("eth_blockNumber", [])) == hex(nodes.head)
    assert json.loads(mark.read_text())["number"] == nodes.head


# -- another chain ---------------------------------------------------------------------------------------------------


def test_another_chains_node__by_its_id__is_told(nodes: Nodes) -> None:
    nodes.both(instead("eth_chainId", "0x1"))

    with pytest.raises(Unproven, match="a node of another chain: its id is 0x1"):
        nodes.light().make_request("eth_blockNumber", [])


def test_another_chains_node__by_its_first_block__is_told(nodes: Nodes) -> None:
    nodes.both(rewriting(HEADER, lambda header: {**header, "timestamp": "0x5"}, when=lambda asked: asked == ["0x0"]))

    with pytest.raises(Unproven, match="a node of another chain: its first block"):
        nodes.light().make_request("eth_blockNumber", [])


# -- what is said in bounds, or not at all ---------------------------------------------------------------------------


def test_price__is_the_base_fee_whatever_nodes_say(nodes: Nodes) -> None:
    nodes.both(instead("eth_gasPrice", hex(10**18)), instead("eth_maxPriorityFeePerGas", hex(10**18)))
    light = nodes.light()

    assert result(light.make_request("eth_gasPrice", [])) == "0x0"
    assert result(light.make_request("eth_maxPriorityFeePerGas", [])) == "0x0"


@pytest.mark.parametrize("said", ["0x0", "0x1", hex(2**63)])
def test_estimate__is_kept_in_bounds(nodes: Nodes, said: str) -> None:
    _, [call, block], _ = _question("allowed")
    nodes.both(instead("eth_estimateGas", said))

    gas = int(result(nodes.light().make_request("eth_estimateGas", [call, block])), 16)

    # More than 21,000 and 100 for each byte of the call, and less than a block would ever take.
    assert 21_000 + 100 * 132 < gas < 1_000_000


def test_contract__said_to_be_none__by_one_that_lies(nodes: Nodes) -> None:
    method, parameters, told = _question("code")
    nodes.one(instead(PROOF, error="given address is not a contract address"))
    light = nodes.light()

    assert result(light.make_request(method, parameters)) == told
    assert any("is no contract, which it is" in fault for fault in light.faults)


def test_contract__said_to_be_none__after_it_was_one(nodes: Nodes) -> None:
    method, parameters, told = _question("code")
    light = nodes.light()
    assert result(light.make_request(method, parameters)) == told
    light._state._accounts._entries.clear()
    nodes.both(instead(PROOF, error="there is no account corresponding to the given address"))

    with pytest.raises(Unproven, match="is no contract, and it was one before"):
        light.make_request(method, parameters)


def test_contract__said_to_be_none__by_both_from_the_first__refuses_and_allows_nothing(nodes: Nodes) -> None:
    """What has no proof at Kaia's nodes: whoever says that the contracts are not there gets nothing but a no."""
    method, parameters, _ = _question("allowed")
    nodes.both(instead(PROOF, error="given address is not a contract address"))

    assert result(nodes.light().make_request(method, parameters)) == "0x"


def test_count__of_who_sent__below_what_was_seen__is_no_answer(nodes: Nodes) -> None:
    made = nodes.happened.transactions["made"]
    light = nodes.light()
    sender = result(light.make_request("eth_getTransactionReceipt", [made]))["from"]
    nodes.both(instead("eth_getTransactionCount", "0x0"), instead("eth_getBalance", "0x0"))

    assert result(light.make_request("eth_getTransactionCount", [sender, "latest"])) == "0x1"
    assert all("forgets transactions" in fault for fault in light.faults)
    assert len(light.faults) == 2


def _counts(said: Callable[[int], int]) -> Lie:
    return rewriting("eth_getTransactionCount", lambda count: hex(said(int(count, 16))))


@pytest.mark.parametrize("liar", [0, 1])
@pytest.mark.parametrize("change", [lambda count: count + 7, lambda count: 0], ids=["more", "fewer"])
def test_count__where_one_lies__is_shown_by_the_other(nodes: Nodes, liar: int, change: Callable[[int], int]) -> None:
    [count] = [told for method, asked, told, _ in FULL if method == "eth_getTransactionCount"][:1]
    assert int(count, 16) > 0
    nodes.proxies[liar].lies = [_counts(change)]
    light = nodes.light()

    assert result(light.make_request("eth_getTransactionCount", [nodes.happened.doctor, hex(nodes.head)])) == count
    assert [nodes.proxies[liar].uri in fault for fault in light.faults] == [True]


def test_count__at_a_block__that_both_say_is_more__is_not_believed(nodes: Nodes) -> None:
    """The sender takes it for a sign that a nonce is used up, and would sign what it sent under it a second time."""
    nodes.both(_counts(lambda count: count + 7))
    light = nodes.light()

    assert result(light.make_request("eth_getTransactionCount", [nodes.happened.doctor, hex(nodes.head)])) == "0x0"


def test_sent__a_node_that_speaks_of_another_transaction__is_named(nodes: Nodes) -> None:
    nodes.both(instead("eth_sendRawTransaction", "0x" + "00" * 32))

    with pytest.raises(Unproven, match="it was given transaction"):
        nodes.light().make_request("eth_sendRawTransaction", ["0x01"])


@pytest.mark.parametrize("method", ["eth_accounts", "eth_sign", "debug_traceCall", "txpool_content", "eth_newFilter"])
def test_other_requests__are_refused_unasked(nodes: Nodes, method: str) -> None:
    answer = nodes.light().make_request(method, [])

    assert answer["error"]["message"] == f"a light client does not answer {method}, which it could not prove"
    assert [each.seen for each in nodes.proxies] == [[], []]


def test_code__that_runs_for_ever__is_stopped_in_time(nodes: Nodes) -> None:
    endless = bytes.fromhex("5b5f56")
    light = nodes.light()

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        light.make_request_within("eth_call", [{"data": "0x" + endless.hex()}, "latest"], within=0.5)

    assert time.monotonic() - began < 2


def test_code__that_runs_for_ever__fails_for_the_ledger_as_silence_does(nodes: Nodes) -> None:
    node = Node(Web3(nodes.light()), timeout=timedelta(seconds=0.5))

    with pytest.raises(ChainSilent):
        node.call({"data": "0x5b5f56"})


def test_pending__is_known_to_nobody(nodes: Nodes) -> None:
    _, [call, _], _ = _question("allowed")

    answer = nodes.light().make_request("eth_call", [call, "pending"])

    assert "knows nothing of what is pending" in answer["error"]["message"]


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("eth_call", []),
        ("eth_call", [{"to": "0x12", "data": "0x"}, "latest"]),
        ("eth_call", [{"to": "zz" * 20}, "latest"]),
        ("eth_call", [5, "latest"]),
        ("eth_getCode", ["0x12", "latest"]),
        ("eth_getBlockByNumber", ["newest", False]),
        ("eth_getBlockByNumber", ["-0x1", False]),
        ("eth_getLogs", [{"address": "0x00", "fromBlock": "0x0"}]),
        ("eth_getTransactionReceipt", ["0x00"]),
    ],
)
def test_bad_questions__are_refused_in_words(nodes: Nodes, method: str, parameters: Any) -> None:
    answer = nodes.light().make_request(method, parameters)

    assert "error" in answer
    assert answer["error"]["message"]


# -- nonsense --------------------------------------------------------------------------------------------------------

NONSENSE: list[Any] = [
    *(None, True, 5, -1, 1.5, "", "0x", "0xzz", "0x" + "f" * 200, [], {}, [[]], [None], {"hash": 5}),
    "0x" + "00" * 70_000,
    json.loads("[" * 40 + "]" * 40),
]


@pytest.mark.parametrize(
    ("asked", "method"),
    [
        ("allowed", HEADER),
        ("allowed", PROOF),
        ("allowed", "eth_getCode"),
        ("refused", RECEIPTS),
        ("refused", RAW),
        ("refused", "eth_getTransactionReceipt"),
    ],
)
def test_nonsense__is_a_lie(nodes: Nodes, asked: str, method: str) -> None:
    question, parameters, _ = _question(asked)
    for each in NONSENSE:
        if method == "eth_getTransactionReceipt" and each is None:
            continue
        nodes.both(instead(method, each))
        with pytest.raises(Unproven):
            nodes.light().make_request(question, parameters)


def test_nonsense_as_a_hint__is_as_good_as_none(nodes: Nodes) -> None:
    question, parameters, told = _question("allowed")
    for each in NONSENSE:
        nodes.both(instead("eth_createAccessList", each))
        light = nodes.light()

        assert result(light.make_request(question, parameters)) == told
        assert light.faults == ()


@pytest.mark.parametrize("part", ["accountProof", "storageProof", "proof"])
def test_nonsense_inside_a_proof__is_a_lie(nodes: Nodes, part: str) -> None:
    def changed(value: Any, nonsense: Any) -> Any:
        if part != "proof":
            return {**value, part: nonsense}
        return {**value, "storageProof": [{**each, "proof": nonsense} for each in value["storageProof"]]}

    method, parameters, _ = _question("allowed")
    for each in NONSENSE:
        nodes.both(rewriting(PROOF, lambda value, each=each: changed(value, each)))
        with pytest.raises(Unproven):
            nodes.light().make_request(method, parameters)


@pytest.mark.parametrize("field", ["logs", "status", "gasUsed", "logsBloom"])
def test_nonsense_inside_a_receipt__is_a_lie(nodes: Nodes, field: str) -> None:
    method, parameters, _ = _question("refused")
    for each in NONSENSE:
        if (field, each) == ("logs", []):
            # That is what this receipt says.
            continue
        nodes.both(rewriting(RECEIPTS, lambda told, each=each: [{**part, field: each} for part in told]))
        with pytest.raises(Unproven):
            nodes.light().make_request(method, parameters)


def test_answers_of_a_batch__that_are_missing__are_a_lie(nodes: Nodes) -> None:
    nodes.both(lambda method, parameters, answer: {**answer, "id": 999_999_999})

    with pytest.raises(Unproven, match="its answer is not JSON-RPC"):
        nodes.light().make_request("eth_blockNumber", [])


def test_believing__is_not_what_a_provider_that_proves_is_for() -> None:
    assert LightProvider.proves is True

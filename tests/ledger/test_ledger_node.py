"""A node is asked in time, and what it answers is believed only as far as it makes sense."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from ledger_chains import Chain
from ledger_meddling import altered, meddled
from web3 import HTTPProvider, Web3

from theriac.errors import ChainLied, ChainRefused, ChainSilent
from theriac.ledger.node import CallFailed, Node

HALF_A_SECOND = timedelta(seconds=0.5)


@contextmanager
def server(answer: Callable[[BaseHTTPRequestHandler, int], None]) -> Iterator[str]:
    """An HTTP server that answers its nth request as told."""
    count = iter(range(10**9))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            answer(self, next(count))

        def log_message(self, *_: Any) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}"
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


def say(handler: BaseHTTPRequestHandler, body: bytes, *, status: int = 200) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def node_at(url: str, *, timeout: timedelta = HALF_A_SECOND) -> Node:
    return Node(Web3(HTTPProvider(url)), timeout=timeout)


# -- in groups -------------------------------------------------------------------------------------------------------

ASKED = [("eth_chainId", []), ("eth_gasPrice", []), ("eth_blockNumber", [])]


@contextmanager
def answering_groups(change: Callable[[list[dict[str, Any]]], Any]) -> Iterator[tuple[str, list[int]]]:
    """A server that answers each request with its method's name, a group after a change; and how long groups were."""
    groups: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if isinstance(asked, dict):
                said: Any = {"jsonrpc": "2.0", "id": asked["id"], "result": f"{asked['method']} alone"}
            else:
                groups.append(len(asked))
                said = change([{"jsonrpc": "2.0", "id": each["id"], "result": each["method"]} for each in asked])
            say(self, json.dumps(said).encode())

        def log_message(self, *_: Any) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}", groups
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


@pytest.mark.parametrize(
    ("change", "results"),
    [
        (lambda told: told, ["eth_chainId", "eth_gasPrice", "eth_blockNumber"]),
        (lambda told: told[::-1], ["eth_chainId", "eth_gasPrice", "eth_blockNumber"]),
        (lambda told: told[:1], ["eth_chainId", "eth_gasPrice alone", "eth_blockNumber alone"]),
        (lambda told: [{**told[0], "id": []}, *told[1:]], ["eth_chainId alone", "eth_gasPrice", "eth_blockNumber"]),
        (lambda told: [7, None, *told[1:]], ["eth_chainId alone", "eth_gasPrice", "eth_blockNumber"]),
        (lambda told: {**told[0], "result": "one"}, [f"{method} alone" for method, _ in ASKED]),
        (lambda told: "no", [f"{method} alone" for method, _ in ASKED]),
    ],
    ids=["in_order", "backwards", "cut_off", "id_of_no_kind", "things", "one_for_all", "a_word"],
)
def test_requests__however_a_group_is_answered__each_has_its_own_answer(
    change: Callable[[list[dict[str, Any]]], Any], results: list[str]
) -> None:
    with answering_groups(change) as (url, _):
        assert node_at(url, timeout=timedelta(seconds=5)).requests(ASKED) == results


def test_requests__one_is_refused__the_others_are_answered() -> None:
    def refuse_the_second(told: list[dict[str, Any]]) -> Any:
        return [told[0], {"id": told[1]["id"], "error": {"code": -32000, "message": "no"}}, told[2]]

    with answering_groups(refuse_the_second) as (url, _):
        first, refused, last = node_at(url).requests(ASKED)

    assert (first, last) == ("eth_chainId", "eth_blockNumber")
    assert isinstance(refused, ChainRefused)
    assert refused.reason == "no"


def test_requests__very_many__go_in_groups_that_nodes_take() -> None:
    with answering_groups(lambda told: told) as (url, groups):
        node_at(url, timeout=timedelta(seconds=5)).requests(ASKED * 70 + [("eth_call", ["0" * 200_000])] * 2)

    assert groups == [100, 100, 11, 1]


# -- in time ---------------------------------------------------------------------------------------------------------


def test_request__nobody_there__is_silent_at_once() -> None:
    start = time.monotonic()

    with pytest.raises(ChainSilent) as silent:
        node_at("http://user:secret@127.0.0.1:1/key/abc?token=x", timeout=timedelta(seconds=20)).chain_id()

    assert silent.value.endpoint == "http://127.0.0.1:1"
    assert "secret" not in str(silent.value)
    assert time.monotonic() - start < 5


def test_request__a_chain_that_stopped__is_silent_in_time(own_anvil: Callable[..., Chain]) -> None:
    chain = own_anvil()
    node = Node(chain.web3, timeout=HALF_A_SECOND)
    node.chain_id()
    chain.stop_answering()
    start = time.monotonic()

    with pytest.raises(ChainSilent) as silent:
        node.chain_id()

    assert 0.4 < time.monotonic() - start < 3
    assert silent.value.seconds == 0.5


def test_request__a_provider_that_waits_for_ever__is_silent_in_time(anvil: Chain) -> None:
    waiting = threading.Event()
    node = Node(meddled(anvil, lambda *_: waiting.wait(30)), timeout=HALF_A_SECOND)

    with pytest.raises(ChainSilent):
        node.chain_id()

    waiting.set()


def test_request__an_answer_byte_by_byte__is_silent_in_time() -> None:
    def trickle(handler: BaseHTTPRequestHandler, _: int) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while True:
            try:
                handler.wfile.write(b" ")
            except OSError:
                return
            time.sleep(0.05)

    with server(trickle) as url:
        start = time.monotonic()
        with pytest.raises(ChainSilent):
            node_at(url).chain_id()

    assert time.monotonic() - start < 3


def test_request__busy_for_a_while__is_asked_again() -> None:
    def busy_twice(handler: BaseHTTPRequestHandler, count: int) -> None:
        if count < 2:
            say(handler, b"later", status=503 if count else 429)
        else:
            say(handler, b'{"jsonrpc": "2.0", "id": 1, "result": "0x5"}')

    with server(busy_twice) as url:
        assert node_at(url, timeout=timedelta(seconds=5)).chain_id() == 5


def test_request__a_node_that_restarts__is_asked_again(own_anvil: Callable[..., Chain]) -> None:
    chain = own_anvil()
    node = Node(chain.web3, timeout=timedelta(seconds=10))
    before = node.chain_id()
    chain.end()
    restart = threading.Timer(0.3, own_anvil, kwargs={"port": int(chain.url.rpartition(":")[2])})
    restart.start()

    after = node.chain_id()

    restart.join()
    assert before == after


def test_request__a_provider_with_headers_and_a_session__has_them_sent() -> None:
    seen: list[tuple[str | None, str | None]] = []

    def note(handler: BaseHTTPRequestHandler, _: int) -> None:
        seen.append((handler.headers["X-Ward"], handler.headers["Authorization"]))
        say(handler, b'{"result": "0x5"}')

    session = requests.Session()
    session.auth = ("clinic", "secret")
    with server(note) as url:
        provider = HTTPProvider(url, request_kwargs={"headers": {"X-Ward": "7"}, "timeout": 60}, session=session)
        Node(Web3(provider)).chain_id()

    assert seen == [("7", "Basic Y2xpbmljOnNlY3JldA==")]


# -- what is no answer -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"<html>", 200, "its answer is not JSON-RPC"),
        (b"", 200, "its answer is not JSON-RPC"),
        (b"[]", 200, "its answer is not JSON-RPC"),
        (b"{}", 200, "its answer is not JSON-RPC"),
        (b"[" * 1_000_000, 200, "its answer is not JSON-RPC"),
        (b"<html>", 404, "HTTP status 404"),
        (b'{"result": "0x5"}', 401, "HTTP status 401"),
        (b'{"error": {"code": -32005, "message": "too many"}}', 400, "too many"),
        (b'{"error": "no"}', 200, "no"),
        (b'{"error": {}}', 200, "an error without a message"),
    ],
)
def test_request__no_answer_of_a_chain__says_what_it_was(body: bytes, status: int, reason: str) -> None:
    with server(lambda handler, _: say(handler, body, status=status)) as url, pytest.raises(ChainRefused) as refused:
        node_at(url).chain_id()

    assert (refused.value.method, refused.value.reason) == ("eth_chainId", reason)


@pytest.mark.parametrize("result", ["null", '"x"', '"0x"', "true", "-1", '"-0x1"', "[]", "1.5"])
def test_chain_id__that_is_no_number__is_a_lie(result: str) -> None:
    body = f'{{"jsonrpc": "2.0", "id": 1, "result": {result}}}'.encode()

    with server(lambda handler, _: say(handler, body)) as url, pytest.raises(ChainLied):
        node_at(url).chain_id()


@pytest.mark.parametrize(
    "change",
    [
        {"hash": "0x12"},
        {"hash": None},
        {"hash": "0x" + "zz" * 32},
        {"number": "0x7"},
        {"timestamp": hex(2**60)},
        {"baseFeePerGas": "-0x1"},
    ],
    ids=str,
)
def test_header__that_makes_no_sense__is_a_lie(anvil: Chain, change: dict[str, Any]) -> None:
    node = Node(meddled(anvil, altered("eth_getBlockByNumber", lambda block: {**block, **change})))

    with pytest.raises(ChainLied):
        node.header(0)


def test_header__with_the_long_extra_data_of_a_consortium__is_read(anvil: Chain) -> None:
    node = Node(
        meddled(anvil, altered("eth_getBlockByNumber", lambda block: {**block, "extraData": "0x" + "00" * 300}))
    )

    assert node.header(0) == Node(anvil.web3).header(0)


def test_header__beyond_the_head__is_none(chain: Chain) -> None:
    assert Node(chain.web3).header(10**6) is None


# -- refusals as nodes word them -------------------------------------------------------------------------------------

DATA = "0xdeadbeef"


@pytest.mark.parametrize(
    "error",
    [
        {"code": 3, "message": "execution reverted", "data": DATA},
        {"code": -32000, "message": "Execution reverted", "data": DATA},
        {"code": -32015, "message": "VM execution error.", "data": f"Reverted {DATA}"},
        {"code": -32603, "message": "Error: VM Exception: reverted", "data": {"message": "x", "data": DATA}},
        {"code": -32000, "message": "VM Exception: revert", "data": {"0xab": {"error": "revert", "return": DATA}}},
    ],
    ids=["geth", "besu", "nethermind", "hardhat", "ganache"],
)
def test_call__refused_in_another_nodes_words__gives_the_data(error: dict[str, Any]) -> None:
    import json

    body = json.dumps({"jsonrpc": "2.0", "id": 1, "error": error}).encode()

    with server(lambda handler, _: say(handler, body)) as url, pytest.raises(CallFailed) as failed:
        node_at(url).call({"to": "0x" + "00" * 20})

    assert failed.value.data == bytes.fromhex(DATA[2:])


def test_call__refused_for_another_reason__is_no_refusal_of_a_contract() -> None:
    body = b'{"error": {"code": -32000, "message": "header not found"}}'

    with server(lambda handler, _: say(handler, body)) as url, pytest.raises(ChainRefused, match="header not found"):
        node_at(url).call({"to": "0x" + "00" * 20})

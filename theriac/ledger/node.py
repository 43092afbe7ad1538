"""One way to a node: every request of the ledger goes through here, in time and with errors by name.

Requests are plain JSON-RPC beneath web3's formatters: these reject the long `extraData` of the chains that consortia
run, and cost more than the request where events are read in bulk.
"""

import ast
import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from queue import Empty, SimpleQueue
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import requests
from eth_abi.abi import encode
from eth_typing import ChecksumAddress, HexStr
from web3 import EthereumTesterProvider, HTTPProvider, Web3
from web3.exceptions import ContractLogicError, Web3Exception
from web3.types import RPCEndpoint

from theriac.errors import ChainLied, ChainRefused, ChainSilent
from theriac.ledger.codec import checksummed, parse_json

# What nodes say when the code itself failed and gave no data.
_FAILED_CALL = ("revert", "out of gas", "gas required exceeds", "oog", "invalid opcode", "evm error", "vm exception")

# How the embedded machine says that it stopped by itself. All else that it says are words of a contract: Error(string).
_FAILED_MACHINE = ("Out of gas", "('", "Invalid opcode 0x", "Invalid Jump", "Stack depth limit")
_ERROR = bytes.fromhex("08c379a0")

# Answers are read in parts of this size, and no further than this, in bytes.
_PART = 2**16
_LONGEST = 2**28

# So many requests, and bytes, go to a node at one go: geth stands a thousand, Kaia half a mebibyte.
_GROUP = 100
_GROUP_BYTES = 300_000

_T = TypeVar("_T")
Asked = tuple[str, Sequence[Any]]

_embedded_locks: WeakKeyDictionary[Any, threading.RLock] = WeakKeyDictionary()
_https: "WeakKeyDictionary[HTTPProvider, Http]" = WeakKeyDictionary()
# A process that was forked off has to speak on connections of its own.
os.register_at_fork(after_in_child=_https.clear)


class CallFailed(Exception):
    """A call ran and failed: `data` is what the contract gave, `reason` what the node said. Stays in the ledger."""

    def __init__(self, *, data: bytes, reason: str) -> None:
        self.data = data
        self.reason = reason
        super().__init__(reason)


class _Unanswered(Exception):
    """One attempt brought no answer; another may. `reached` says whether anything was there at all."""

    def __init__(self, reason: str, *, reached: bool = True) -> None:
        self.reached = reached
        super().__init__(reason)


class _TooLong(ValueError):
    """An answer is longer than was asked for."""


@dataclass(frozen=True)
class Header:
    """A block as far as the ledger looks at it. Fees in wei a unit of gas; None where the chain has no base fee."""

    number: int
    hash: HexStr
    parent: HexStr
    time: datetime
    base_fee: int | None
    gas_limit: int


@dataclass(frozen=True)
class Passage:
    """A transaction in a block: by whom, and which of the account's."""

    hash: HexStr
    sender: ChecksumAddress
    nonce: int


@dataclass(frozen=True)
class Log:
    """An event as the chain has it, not yet understood. `index` is its place in the block."""

    address: ChecksumAddress
    topics: tuple[bytes, ...]
    data: bytes
    index: int


@dataclass(frozen=True)
class PlacedLog:
    """A log with the block and the transaction that it stands in."""

    log: Log
    block: int
    block_hash: HexStr
    transaction: HexStr


@dataclass(frozen=True)
class Landed:
    """A transaction that is in a block, whether it did what it was to do or not. The price is wei a unit of gas."""

    transaction: HexStr
    block: int
    block_hash: HexStr
    succeeded: bool
    gas_used: int
    gas_price: int | None
    contract: ChecksumAddress | None
    logs: tuple[Log, ...]


class Node:
    """A node behind a web3 connection. Safe to use from many threads, also where the chain is embedded in the process.

    `timeout` bounds each request as a whole, with its repetitions.
    """

    def __init__(self, web3: Web3, *, timeout: timedelta = timedelta(seconds=10)) -> None:
        self._web3 = web3
        self._timeout = timeout.total_seconds()
        self._answered = False
        self._grouping = True
        self.embedded = isinstance(web3.provider, EthereumTesterProvider)
        # A provider that proves what it answers: the words of the nodes behind it count for nothing.
        self.proving = bool(getattr(web3.provider, "proves", False))
        if self.embedded:
            self._lock = _embedded_locks.setdefault(web3.provider, threading.RLock())
            self.endpoint = "in this process"
        else:
            self._http = _http_of(web3.provider) if type(web3.provider) is HTTPProvider else None
            self.endpoint = shown_endpoint(web3.provider)

    # -- questions ---------------------------------------------------------------------------------------------------

    def chain_id(self) -> int:
        return self.number(self.request("eth_chainId", []), what="chain id")

    def genesis(self) -> HexStr:
        """The hash of block 0."""
        header = self.header(0)
        if header is None:
            self.lied("it has no block 0")
        return header.hash

    def head(self) -> Header:
        return self._header(self.request("eth_getBlockByNumber", ["latest", False]))

    def header(self, number: int) -> Header | None:
        """The block of that number in the chain as the node sees it now, or None where the chain is shorter."""
        return self._numbered(number, self.request("eth_getBlockByNumber", [hex(number), False]))

    def _numbered(self, number: int, answer: Any) -> Header | None:
        if answer is None:
            return None
        header = self._header(answer)
        if header.number != number:
            self.lied(f"asked for block {number}, it gave block {header.number}")
        return header

    def headers(self, numbers: Sequence[int]) -> list[Header | None]:
        """`header` of several numbers, asked for together."""
        answers = self.results([("eth_getBlockByNumber", [hex(number), False]) for number in numbers])
        return [self._numbered(number, answer) for number, answer in zip(numbers, answers, strict=True)]

    def passages(self, number: int) -> tuple[Passage, ...]:
        """The transactions of a block."""
        answer = self.request("eth_getBlockByNumber", [hex(number), True])
        if answer is None:
            return ()
        return tuple(
            Passage(
                hash=self.word(part["hash"], what="transaction hash"),
                sender=self.address(part["from"], what="sender"),
                nonce=self.number(part["nonce"], what="nonce"),
            )
            for part in self._object(answer).get("transactions", ())
        )

    def count(self, address: ChecksumAddress, *, block: str = "latest") -> int:
        """How many transactions of the account are in the chain: the next free nonce."""
        return self.number(self.request("eth_getTransactionCount", [address, block]), what="transaction count")

    def balance(self, address: ChecksumAddress) -> int:
        return self.number(self.request("eth_getBalance", [address, "latest"]), what="balance")

    def code(self, address: ChecksumAddress) -> bytes:
        return self.data(self.request("eth_getCode", [address, "latest"]), what="code")

    def codes(self, addresses: Sequence[ChecksumAddress]) -> list[bytes]:
        """`code` of several addresses, asked for together."""
        answers = self.results([("eth_getCode", [address, "latest"]) for address in addresses])
        return [self.data(answer, what="code") for answer in answers]

    def landed(self, transaction: HexStr) -> Landed | None:
        """The receipt of a transaction, or None where no block of the chain holds it."""
        return self._landed(transaction, self.request("eth_getTransactionReceipt", [transaction]))

    def all_landed(self, transactions: Sequence[HexStr]) -> list[Landed | None]:
        """`landed` of several transactions, asked for together."""
        answers = self.results([("eth_getTransactionReceipt", [each]) for each in transactions])
        return [self._landed(each, answer) for each, answer in zip(transactions, answers, strict=True)]

    def _landed(self, transaction: HexStr, answer: Any) -> Landed | None:
        if answer is None:
            return None
        receipt = self._object(answer)
        block_hash = self.word(receipt.get("blockHash"), what="block hash")
        price, made = receipt.get("effectiveGasPrice"), receipt.get("contractAddress")
        placed = [self.placed_log(part) for part in receipt.get("logs", ())]
        if self.word(receipt.get("transactionHash"), what="transaction hash") != transaction:
            self.lied(f"asked for the receipt of {transaction}, it gave another's")
        if any(log.block_hash != block_hash or log.transaction != transaction for log in placed):
            self.lied(f"the receipt of {transaction} holds another's events")
        return Landed(
            transaction=transaction,
            block=self.number(receipt.get("blockNumber"), what="block number"),
            block_hash=block_hash,
            succeeded=self.number(receipt.get("status"), what="status") == 1,
            gas_used=self.number(receipt.get("gasUsed"), what="gas used"),
            gas_price=None if price is None else self.number(price, what="gas price"),
            contract=None if made is None else self.address(made, what="contract address"),
            logs=tuple(part.log for part in placed),
        )

    def placed_log(self, value: Any) -> PlacedLog:
        part = self._object(value)
        topics = part.get("topics")
        if not isinstance(topics, list | tuple):
            self.lied("a log of it has no topics")
        return PlacedLog(
            log=Log(
                address=self.address(part.get("address"), what="log's address"),
                topics=tuple(bytes.fromhex(self.word(topic, what="topic")[2:]) for topic in topics),
                data=self.data(part.get("data"), what="log's data"),
                index=self.number(part.get("logIndex"), what="log index"),
            ),
            block=self.number(part.get("blockNumber"), what="block number"),
            block_hash=self.word(part.get("blockHash"), what="block hash"),
            transaction=self.word(part.get("transactionHash"), what="transaction hash"),
        )

    def gas_price(self) -> int:
        return self.number(self.request("eth_gasPrice", []), what="gas price")

    def call(self, transaction: Mapping[str, Any], *, block: str = "latest") -> bytes:
        """What the call returns. Raises CallFailed."""
        if self.embedded:
            transaction = self._with_fees(transaction, block=block)
        return self.data(self.request("eth_call", [dict(transaction), block]), what="returned data")

    def calls(self, transactions: Sequence[Mapping[str, Any]]) -> list[bytes | CallFailed]:
        """What several calls return at the latest block, asked at one go where the node allows it; in the place of one
        that failed, why.
        """
        if self.embedded:
            fees = self._with_fees({})
            transactions = [fees | dict(each) for each in transactions]
        results = self.requests([("eth_call", [dict(each), "latest"]) for each in transactions])
        for result in results:
            if isinstance(result, ChainRefused):
                raise result
        return [each if isinstance(each, CallFailed) else self.data(each, what="returned data") for each in results]

    def estimate(self, transaction: Mapping[str, Any], *, block: str | None = None) -> int:
        """The gas a transaction takes. Names no fee, so that an account without ether can ask. Raises CallFailed."""
        if self.embedded:
            transaction = self._with_fees(transaction)
        parameters: list[Any] = [dict(transaction)] if block is None else [dict(transaction), block]
        return self.number(self.request("eth_estimateGas", parameters), what="gas estimate")

    # -- requests ----------------------------------------------------------------------------------------------------

    def request(self, method: str, parameters: Sequence[Any], *, longest: int | None = None) -> Any:
        """The result of a JSON-RPC request. Raises ChainSilent, ChainRefused, CallFailed.

        An answer over HTTP of more than `longest` bytes is read no further, and counts as a refusal.
        """
        if self.embedded:
            return self._ask_embedded(method, parameters)

        most = longest or _LONGEST
        answer = self._insist(lambda within: self._ask(method, parameters, within=within, longest=most))
        return self._result(method, answer)

    def requests(self, asked: Sequence[Asked]) -> list[Any]:
        """The results of several requests in their order, asked at one go where the node allows it.

        In the place of what was refused stands its ChainRefused or CallFailed. Raises ChainSilent.
        """
        if self.embedded or self._http is None or len(asked) < 2:
            return [self._result_or_refusal(*each) for each in asked]
        results: list[Any] = []
        for group in _grouped(asked):
            answers = self._answers(group)
            for (method, parameters), answer in zip(group, answers, strict=True):
                # A node may cut a group off where its answer grows long: what it left out is asked by itself.
                missing = answer is None
                results.append(
                    self._result_or_refusal(method, parameters) if missing else self._or_refusal(method, answer)
                )
        return results

    def results(self, asked: Sequence[Asked]) -> list[Any]:
        """The same where all must be answered. Raises ChainSilent, ChainRefused, CallFailed."""
        results = self.requests(asked)
        for result in results:
            if isinstance(result, ChainRefused | CallFailed):
                raise result
        return results

    def _answers(self, group: Sequence[Asked]) -> Sequence[Any]:
        """The node's answer to each request of a group; None for what it left out."""
        http = self._http
        if http is None or not self._grouping:
            return [None] * len(group)

        def ask(within: float) -> Sequence[Any]:
            with self._named("a group of requests"):
                return http.ask_all(group, within=within)

        try:
            return self._insist(ask)
        except ChainRefused:
            # What is in front of some nodes takes one request at a time.
            self._grouping = False
            return [None] * len(group)

    def _result_or_refusal(self, method: str, parameters: Sequence[Any]) -> Any:
        try:
            return self.request(method, parameters)
        except (ChainRefused, CallFailed) as refusal:
            return refusal

    def _or_refusal(self, method: str, answer: Any) -> Any:
        try:
            return self._result(method, answer)
        except (ChainRefused, CallFailed) as refusal:
            return refusal

    def _insist(self, ask: Callable[[float], _T]) -> _T:
        """What `ask` gives within the seconds that it is told, tried again as long as there is time."""
        deadline = time.monotonic() + self._timeout
        pause = 0.05
        while True:
            try:
                answer = ask(deadline - time.monotonic())
                break
            except _Unanswered as trouble:
                # A node that was never reached is more likely misspelt than restarting.
                hopeless = not (self._answered or trouble.reached)
                if hopeless or time.monotonic() + pause >= deadline:
                    raise ChainSilent(endpoint=self.endpoint, seconds=self._timeout, reason=str(trouble)) from None
                time.sleep(pause)
                pause = min(2 * pause, 1.0)
        self._answered = True
        return answer

    def _ask(self, method: str, parameters: Sequence[Any], *, within: float, longest: int) -> Any:
        """One attempt."""
        with self._named(method, longest=longest):
            if self._http is not None:
                return self._http.ask(method, parameters, within=within, longest=longest)
            if self.proving:
                return self._web3.provider.make_request_within(  # type: ignore[attr-defined]
                    RPCEndpoint(method), parameters, within=within
                )
            make_request = self._web3.provider.make_request
            return _in_time(lambda: make_request(RPCEndpoint(method), parameters), within)

    @contextmanager
    def _named(self, method: str, *, longest: int = _LONGEST) -> Iterator[None]:
        """Gives what goes wrong with an attempt its name."""
        try:
            yield
        except requests.HTTPError as trouble:
            status = trouble.response.status_code
            if status not in (429, 502, 503, 504):
                raise ChainRefused(endpoint=self.endpoint, method=method, reason=f"HTTP status {status}") from None
            raise _Unanswered(f"HTTP status {status}") from None
        except (requests.Timeout, TimeoutError):
            raise _Unanswered("no answer") from None
        except (requests.RequestException, OSError, Web3Exception):
            raise _Unanswered("no connection", reached=False) from None
        except _TooLong:
            reason = f"its answer has more than {longest >> 20} MiB"
            raise ChainRefused(endpoint=self.endpoint, method=method, reason=reason) from None
        except ValueError:
            raise ChainRefused(endpoint=self.endpoint, method=method, reason="its answer is not JSON-RPC") from None

    def _ask_embedded(self, method: str, parameters: Sequence[Any]) -> Any:
        provider = self._web3.provider
        with self._lock:
            try:
                asked = provider.request_func(self._web3, self._web3.middleware_onion)
                answer = asked(RPCEndpoint(method), list(parameters))
            except Exception as trouble:
                failed = call_failed(trouble)
                if failed is not None:
                    raise failed from None
                raise ChainRefused(endpoint=self.endpoint, method=method, reason=str(trouble)) from trouble
        return self._result(method, answer)

    def _result(self, method: str, answer: Any) -> Any:
        if not isinstance(answer, Mapping) or ("result" not in answer and "error" not in answer):
            raise ChainRefused(endpoint=self.endpoint, method=method, reason="its answer is not JSON-RPC")
        error = answer.get("error")
        if error is None:
            return answer.get("result")
        message = str(error.get("message", "")) if isinstance(error, Mapping) else str(error)
        data = _revert_data(error.get("data")) if isinstance(error, Mapping) else None
        if method in ("eth_call", "eth_estimateGas"):
            asked_back = isinstance(error, Mapping) and error.get("code") == 3
            if data or asked_back or any(phrase in message.lower() for phrase in _FAILED_CALL):
                raise CallFailed(data=data or b"", reason=message)
        raise ChainRefused(endpoint=self.endpoint, method=method, reason=message or "an error without a message")

    # -- strict reading ----------------------------------------------------------------------------------------------

    def number(self, value: Any, *, what: str) -> int:
        try:
            number = value if isinstance(value, int) else int(value, 16)
        except (TypeError, ValueError):
            self.lied(f"its {what} is no number")
        if isinstance(value, bool) or number < 0:
            self.lied(f"its {what} is no number")
        return number

    def data(self, value: Any, *, what: str) -> bytes:
        if isinstance(value, bytes):
            return bytes(value)
        if not isinstance(value, str) or not value.startswith("0x"):
            self.lied(f"its {what} is no hexadecimal data")
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            self.lied(f"its {what} is no hexadecimal data")

    def word(self, value: Any, *, what: str) -> HexStr:
        """A hash: 32 bytes, in lower-case hex."""
        word = self.data(value, what=what)
        if len(word) != 32:
            self.lied(f"its {what} has not 32 bytes")
        return HexStr("0x" + word.hex())

    def address(self, value: Any, *, what: str) -> ChecksumAddress:
        address = self.data(value, what=what)
        if len(address) != 20:
            self.lied(f"its {what} is no address")
        return checksummed(address)

    def lied(self, fault: str) -> NoReturn:
        raise ChainLied(endpoint=self.endpoint, fault=fault)

    def _object(self, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            self.lied("its answer has not the shape it should have")
        return value

    def _header(self, value: Any) -> Header:
        block = self._object(value)
        base_fee = block.get("baseFeePerGas")
        return Header(
            number=self.number(block.get("number"), what="block number"),
            hash=self.word(block.get("hash"), what="block hash"),
            parent=self.word(block.get("parentHash"), what="parent hash"),
            time=self._time(block.get("timestamp")),
            base_fee=None if base_fee is None else self.number(base_fee, what="base fee"),
            gas_limit=self.number(block.get("gasLimit", "0x0"), what="gas limit"),
        )

    def _time(self, value: Any) -> datetime:
        seconds = self.number(value, what="block time")
        if seconds >= 2**37:
            self.lied("its block time is thousands of years away")
        return datetime.fromtimestamp(seconds, UTC)

    def _with_fees(self, transaction: Mapping[str, Any], *, block: str = "latest") -> dict[str, Any]:
        """The embedded chain charges calls as well, and its default fee can be below its own base fee."""
        header = self.header(int(block, 16)) if block.startswith("0x") else self.head()
        fee = 2 * ((header.base_fee if header else 0) or 0)
        return {"from": self._payer, "maxFeePerGas": hex(fee), "maxPriorityFeePerGas": "0x0", **transaction}

    @cached_property
    def _payer(self) -> str:
        """Who pays for calls on the embedded chain, which otherwise looks for one each time, and that takes long."""
        return str(self.request("eth_accounts", [])[0])


def call_failed(trouble: BaseException) -> CallFailed | None:
    """The failure of a call in what web3 or the embedded chain raised for it; None where it is anything else."""
    if isinstance(trouble, ContractLogicError):
        return CallFailed(data=_revert_data(trouble.data) or b"", reason=str(trouble.message or ""))

    module, name = type(trouble).__module__, type(trouble).__name__
    if module.startswith("eth.") and name != "ValidationError":
        return CallFailed(data=b"", reason=name)
    if not (module.startswith("eth_tester") and name == "TransactionFailed"):
        return None

    # The embedded chain keeps the exact data of an estimate in the exception underneath; of a call, only its text.
    for layer in (trouble, trouble.__context__):
        inner = layer.args[0] if layer is not None and layer.args else None
        if isinstance(inner, Exception) and inner.args and isinstance(inner.args[0], bytes):
            return CallFailed(data=inner.args[0], reason="execution reverted")
    text = str(trouble).removeprefix("execution reverted: ")
    if text.startswith(_FAILED_MACHINE):
        return CallFailed(data=b"", reason=text)
    try:
        data = ast.literal_eval(text) if text.startswith(("b'", 'b"')) else _ERROR + encode(["string"], [text])
    except (ValueError, SyntaxError):
        data = _ERROR + encode(["string"], [text])
    return CallFailed(data=data, reason="execution reverted")


def _revert_data(value: Any) -> bytes | None:
    """The data of a refusal, in any of the places where nodes put it."""
    if isinstance(value, Mapping):
        return next((found for part in value.values() if (found := _revert_data(part)) is not None), None)
    if not isinstance(value, str):
        return None
    text = value.removeprefix("Reverted ")
    try:
        return bytes.fromhex(text.removeprefix("0x")) if text.startswith("0x") else None
    except ValueError:
        return None


def shown_endpoint(provider: Any) -> str:
    """Where the node is, without what an address may hold of passwords and keys."""
    parts = urlsplit(str(getattr(provider, "endpoint_uri", None) or ""))
    if not parts.hostname:
        return type(provider).__name__
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


class Http:
    """JSON-RPC over HTTP as a web3 provider is set up for it, but with a limit to the time and the size of an answer.

    The provider itself repeats requests for minutes, and waits for ever for an answer that comes byte by byte.
    """

    def __init__(self, provider: HTTPProvider, *, longest: int = _LONGEST) -> None:
        """`longest` is the most bytes of an answer that are read."""
        self._uri = str(provider.endpoint_uri)
        self._longest = longest
        options: dict[str, Any] = dict(provider.get_request_kwargs())
        options.pop("timeout", None)
        self._how = {name: options.pop(name, None) for name in ("headers", "auth", "cookies", "params")}
        manager = getattr(provider, "_request_session_manager", None)
        self._session: requests.Session = getattr(manager, "_explicit_session", None) or requests.Session()
        # Looked up once: what the environment says of proxies takes longer to find than a near node to answer.
        self._settings = self._session.merge_environment_settings(
            self._uri, options.pop("proxies", None) or {}, True, options.pop("verify", None), options.pop("cert", None)
        )
        self._numbers = itertools.count(1)
        self.requests = self.bytes = 0
        self._blank: requests.PreparedRequest | None = None

    def _request(self, body: str) -> requests.PreparedRequest:
        """A request with this body. All else of it is the same each time, and takes a third of what asking takes."""
        if self._how["auth"] or self._session.auth or self._session.cookies:
            # A signature can be over the body, and a cookie may have come with the last answer.
            return self._session.prepare_request(requests.Request("POST", self._uri, data=body, **self._how))
        if self._blank is None:
            self._blank = self._session.prepare_request(requests.Request("POST", self._uri, **self._how))
        request = self._blank.copy()
        request.prepare_body(body, None)
        return request

    def ask(self, method: str, parameters: Sequence[Any], *, within: float, longest: int | None = None) -> Any:
        return self._exchange(self._question(method, parameters), within=within, longest=longest or self._longest)

    def ask_all(self, group: Sequence[Asked], *, within: float) -> list[Any]:
        """The answers of a group (a batch of JSON-RPC), whatever order they come in; None for what has none.

        Raises ValueError where the node does not answer each for itself.
        """
        asked = [self._question(*each) for each in group]
        answers = self._exchange(asked, within=within, longest=self._longest)
        if not isinstance(answers, list):
            raise ValueError("no answer for each request")
        told = (answer for answer in answers if isinstance(answer, dict) and isinstance(answer.get("id"), int))
        by_number = {answer["id"]: answer for answer in told}
        return [by_number.get(each["id"]) for each in asked]

    def _question(self, method: str, parameters: Sequence[Any]) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": next(self._numbers), "method": method, "params": list(parameters)}

    def _exchange(self, asked: Any, *, within: float, longest: int) -> Any:
        deadline = time.monotonic() + within
        body = json.dumps(asked)
        with self._session.send(self._request(body), timeout=max(within, 0.001), **self._settings) as response:
            received = bytearray()
            while part := response.raw.read1(_PART, decode_content=True):
                received += part
                if len(received) > longest:
                    raise _TooLong
                if time.monotonic() > deadline:
                    raise TimeoutError
        self.requests, self.bytes = self.requests + 1, self.bytes + len(body) + len(received)
        try:
            answer = parse_json(received)
        except ValueError:
            response.raise_for_status()
            raise
        # Some nodes give an error of JSON-RPC an HTTP status of its own.
        if not isinstance(answer, dict) or "error" not in answer:
            response.raise_for_status()
        return answer


def _http_of(provider: HTTPProvider) -> Http:
    """How a provider's node is asked, the same for all who ask it: its connections are used again."""
    found = _https.get(provider)
    return found if found is not None else _https.setdefault(provider, Http(provider))


def _grouped(asked: Sequence[Asked]) -> Iterator[Sequence[Asked]]:
    """The requests in groups that a node takes."""
    group: list[Asked] = []
    size = 0
    for each in asked:
        length = len(json.dumps(each))
        if group and (len(group) == _GROUP or size + length > _GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(each)
        size += length
    if group:
        yield group


def _in_time(work: Callable[[], Any], seconds: float) -> Any:
    """What `work` gives, in a thread of its own: not every provider keeps to a time-out. Raises TimeoutError."""
    outcome: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def attempt() -> None:
        try:
            outcome.put((work(), None))
        except BaseException as trouble:
            outcome.put((None, trouble))

    threading.Thread(target=attempt, daemon=True).start()
    try:
        result, trouble = outcome.get(timeout=max(seconds, 0.001))
    except Empty:
        raise TimeoutError from None
    if trouble is not None:
        raise trouble
    return result

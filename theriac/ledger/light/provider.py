"""A web3 provider that asks two nodes and believes neither: it answers what they prove, by itself where that can be.

It answers what this project asks of a chain and refuses all else. What has no proof, and what a lie about it comes to,
is said at each place and in docs/light-client.md.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from theriac.ledger.codec import checksummed
from theriac.ledger.light.anchor import Anchor
from theriac.ledger.light.blocks import Block, Blocks, Found
from theriac.ledger.light.faults import Lie, Unable
from theriac.ledger.light.headers import Headers
from theriac.ledger.light.kaia import GAS_LIMIT, Header, Transaction, number_of, object_of
from theriac.ledger.light.kept import Kept
from theriac.ledger.light.passed import Passed
from theriac.ledger.light.peers import Answered, Peer, Peers
from theriac.ledger.light.state import State

# How long a request may take where nobody says, in seconds.
_WITHIN = 20.0

# A stretch of blocks that is asked for logs at once: some seconds of work.
WIDEST = 8_192

# How much of gas a node may ask for beyond what the call takes by Ethereum's prices.
_GAS_TIMES, _GAS_MORE = 4, 500_000

_REVERTED, _REFUSED, _UNKNOWN, _BAD = 3, -32000, -32601, -32602


class _Failed(Exception):
    """A call that ran and failed."""

    def __init__(self, message: str, *, code: int, data: bytes) -> None:
        self.message, self.code, self.data = message, code, data
        super().__init__(message)


@dataclass(frozen=True)
class Cost:
    """What asking has cost so far: requests, and bytes there and back."""

    requests: int
    bytes: int


class LightProvider(JSONBaseProvider):
    """For `Web3(LightProvider(...))`. Safe to use from many threads; one is served at a time."""

    proves = True

    def __init__(
        self,
        anchor: Anchor,
        nodes: Sequence[str],
        *,
        folder: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`nodes` are the addresses of two nodes or more; `folder` keeps the newest block seen, code by
        its hash, and which blocks were looked through.

        `clock` tells the seconds since 1970, by which a block is too old to act upon.

        Nothing is asked yet.
        """
        super().__init__()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._anchor = anchor
        self._peers = Peers(nodes)
        mark = folder / f"newest-{anchor.genesis[2:10]}.json" if folder is not None else None
        self._passed = Passed(folder / f"passed-{anchor.genesis[2:10]}.sqlite" if folder is not None else None)
        self._headers = Headers(anchor, self._peers, passed=self._passed, mark=mark, clock=clock)
        self._state = State(self._peers, codes=folder / "code" if folder is not None else None)
        self._blocks = Blocks(self._headers, self._peers)
        self._used: Kept[bytes, tuple[int, int]] = Kept(4096)
        self._lock = threading.Lock()
        self._answers: dict[str, Callable[..., Any]] = {
            "eth_blockNumber": self._block_number,
            "eth_call": self._call,
            "eth_chainId": self._chain_id,
            "eth_estimateGas": self._estimate,
            "eth_gasPrice": self._gas_price,
            "eth_getBalance": self._balance,
            "eth_getBlockByHash": self._block_by_hash,
            "eth_getBlockByNumber": self._block_by_number,
            "eth_getCode": self._code,
            "eth_getLogs": self._logs,
            "eth_getStorageAt": self._storage,
            "eth_getTransactionByHash": self._transaction,
            "eth_getTransactionCount": self._count,
            "eth_getTransactionReceipt": self._receipt,
            "eth_maxPriorityFeePerGas": self._tip,
            "eth_sendRawTransaction": self._send,
        }

    # -- what web3 and the ledger call -------------------------------------------------------------------------------

    @property
    def endpoint_uri(self) -> str:
        """The first node's address, for sentences."""
        return self._peers.all[0].endpoint

    @property
    def faults(self) -> tuple[str, ...]:
        """What a node said that was not true, a sentence each."""
        return tuple(
            f"The node at {peer.endpoint} does not prove what it says ({fault}); another node was asked."
            for peer in self._peers.all
            for fault in peer.faults
        )

    @property
    def cost(self) -> Cost:
        return Cost(
            requests=sum(peer.http.requests for peer in self._peers.all),
            bytes=sum(peer.http.bytes for peer in self._peers.all),
        )

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        return self.make_request_within(method, params, within=_WITHIN)

    def make_request_within(self, method: RPCEndpoint, params: Any, *, within: float) -> RPCResponse:
        """The answer to a JSON-RPC request in so many seconds.

        Raises TimeoutError, ChainSilent, StaleChain, Unproven, OtherValidators.
        """
        if not self._lock.acquire(timeout=max(within, 0.001)):
            raise TimeoutError
        try:
            self._peers.begin(within)
            return self._answer(str(method), params)
        finally:
            self._lock.release()

    def is_connected(self, show_traceback: bool = False) -> bool:
        try:
            self.make_request(RPCEndpoint("eth_blockNumber"), [])
        except Exception:
            if show_traceback:
                raise
            return False
        return True

    def close(self) -> None:
        self._peers.close()
        self._passed.close()

    def _answer(self, method: str, params: Any) -> RPCResponse:
        answer = self._answers.get(method)
        if answer is None:
            return _error(f"a light client does not answer {method[:60]}, which it could not prove", _UNKNOWN)
        try:
            return {"jsonrpc": "2.0", "id": 1, "result": answer(*params)}
        except _Failed as failed:
            return _error(failed.message, failed.code, data="0x" + failed.data.hex())
        except Unable as unable:
            return _error(str(unable), _REFUSED)
        except (TypeError, ValueError, LookupError) as fault:
            return _error(f"{method} was asked with what it cannot be asked with ({type(fault).__name__})", _BAD)

    # -- blocks ------------------------------------------------------------------------------------------------------

    def _chain_id(self) -> str:
        return hex(self._anchor.chain_id)

    def _block_number(self) -> str:
        return hex(self._headers.head().number)

    def _header(self, block: Any) -> Header | None:
        """The header of a block as JSON-RPC names it; None above the newest. Raises Unable for what is in no block."""
        if block == "earliest":
            return self._headers.at(0)
        if block == "pending":
            raise Unable("a light client proves what is in a block, and knows nothing of what is pending")
        head = self._headers.head()
        # A sealed block is final: the newest is as safe as any.
        if block in ("latest", "safe", "finalized", None):
            return head
        number = _number(block)
        if number > head.number:
            head = self._headers.head(anew=True)
        return self._headers.at(number) if number <= head.number else None

    def _present(self, block: Any) -> Header:
        header = self._header(block)
        if header is None:
            raise Unable(f"there is no block {block} yet")
        return header

    def _block_by_number(self, block: Any, whole: bool = False) -> dict[str, Any] | None:
        header = self._header(block)
        return None if header is None else self._block_json(header, whole)

    def _block_by_hash(self, hash_: Any, whole: bool = False) -> dict[str, Any] | None:
        wanted = _bytes(hash_, 32)

        def ask(peer: Peer, within: float) -> Header | None:
            told = peer.ask("eth_getBlockByHash", "0x" + wanted.hex(), False, within=within)
            return (
                None if told is None else self._headers.at(number_of(object_of(told, "block").get("number"), "number"))
            )

        header = self._peers.first(ask)
        return None if header is None or header.hash != wanted else self._block_json(header, whole)

    def _block_json(self, header: Header, whole: bool) -> dict[str, Any]:
        """A block as nodes give it; the hashes of its transactions are left out, as they would have to be fetched."""
        told: dict[str, Any] = {
            "number": hex(header.number),
            "hash": "0x" + header.hash.hex(),
            "parentHash": "0x" + header.parent.hex(),
            "stateRoot": "0x" + header.state_root.hex(),
            "transactionsRoot": "0x" + header.transactions_root.hex(),
            "receiptsRoot": "0x" + header.receipts_root.hex(),
            "logsBloom": "0x" + header.bloom.hex(),
            "miner": checksummed(header.proposer if header.number else bytes(20)),
            "difficulty": hex(header.block_score),
            "extraData": "0x" + header.extra.hex(),
            "gasLimit": hex(GAS_LIMIT),
            "gasUsed": hex(header.gas_used),
            "timestamp": hex(header.time),
            "uncles": [],
        }
        if header.base_fee is not None:
            told["baseFeePerGas"] = hex(header.base_fee)
        if whole:
            block = self._block(header)
            told["transactions"] = [self._transaction_json(block, place) for place in range(len(block.transactions))]
        return told

    def _block(self, header: Header) -> Block:
        block = self._blocks.of([header])[0]
        for transaction in block.transactions:
            self._saw(transaction, header)
        return block

    # -- transactions ------------------------------------------------------------------------------------------------

    def _placed(self, hash_: Any) -> tuple[Block, int] | None:
        """The block that holds a transaction. That none does cannot be proven: it is what all nodes say."""
        wanted = _bytes(hash_, 32)

        def ask(peer: Peer, within: float) -> tuple[Block, int] | None:
            told = peer.ask("eth_getTransactionReceipt", "0x" + wanted.hex(), within=within)
            if told is None:
                return None
            number = number_of(object_of(told, "receipt").get("blockNumber"), "block number", bits=63)
            if number > self._headers.head().number and number > self._headers.head(anew=True).number:
                raise Unable(f"block {number} is not there yet")
            block = self._block(self._headers.at(number))
            place = block.place_of(wanted)
            if place is None:
                raise Lie(f"it says that block {number} holds transaction 0x{wanted.hex()}, which it does not")
            return block, place

        # One node after the other, since what a first one lacks a second one may have.
        answers = []
        for peer in self._peers.order():
            answer = self._peers.tried(peer, ask)
            if answer.value is not None:
                found: tuple[Block, int] = answer.value
                return found
            answers.append(answer)
        if all(answer.trouble is not None for answer in answers):
            raise self._peers.why(answers)
        return None

    def _transaction(self, hash_: Any) -> dict[str, Any] | None:
        placed = self._placed(hash_)
        return None if placed is None else self._transaction_json(*placed)

    def _transaction_json(self, block: Block, place: int) -> dict[str, Any]:
        transaction = block.transactions[place]
        return {
            "hash": "0x" + transaction.hash.hex(),
            "blockHash": "0x" + block.header.hash.hex(),
            "blockNumber": hex(block.header.number),
            "transactionIndex": hex(place),
            "type": hex(transaction.kind if transaction.kind < 3 else 0),
            "from": checksummed(transaction.sender),
            "to": None if transaction.to is None else checksummed(transaction.to),
            "nonce": hex(transaction.nonce),
            "value": hex(transaction.value),
            "gas": hex(transaction.gas),
            "gasPrice": hex(self._price(transaction, block.header)),
            "input": "0x" + transaction.data.hex(),
        }

    def _receipt(self, hash_: Any) -> dict[str, Any] | None:
        placed = self._placed(hash_)
        if placed is None:
            return None
        block, place = placed
        transaction, receipt = block.transactions[place], block.receipts[place]
        index = block.first_log(place)
        made = transaction.contract if receipt.status == 1 else None
        logs = [self._log_json(Found(block, place, index + more, log)) for more, log in enumerate(receipt.logs)]
        return {
            "transactionHash": "0x" + transaction.hash.hex(),
            "transactionIndex": hex(place),
            "blockHash": "0x" + block.header.hash.hex(),
            "blockNumber": hex(block.header.number),
            "from": checksummed(transaction.sender),
            "to": None if transaction.to is None else checksummed(transaction.to),
            "status": "0x1" if receipt.status == 1 else "0x0",
            "gasUsed": hex(receipt.gas_used),
            "cumulativeGasUsed": hex(sum(each.gas_used for each in block.receipts[: place + 1])),
            "effectiveGasPrice": hex(self._price(transaction, block.header)),
            "contractAddress": None if made is None else checksummed(made),
            "logs": logs,
            "logsBloom": "0x" + receipt.bloom.hex(),
            "type": hex(transaction.kind if transaction.kind < 3 else 0),
        }

    def _price(self, transaction: Transaction, header: Header) -> int:
        """What a unit of gas cost: the base fee, with Kaia's fork of that name also a tip, of which no header tells."""
        return transaction.price if header.base_fee is None else header.base_fee

    def _logs(self, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        if not isinstance(asked, Mapping):
            raise TypeError("a filter is an object")
        if asked.get("blockHash") is not None:
            raise Unable("a light client gives logs of blocks by their numbers")
        start = self._present(asked.get("fromBlock", "latest")).number
        last = self._present(asked.get("toBlock", "latest")).number if asked.get("toBlock") != "latest" else None
        end = self._headers.head().number if last is None else last
        # A question that goes up to the newest block is asked once and for all; others can be halved.
        if end - start >= WIDEST and last is not None:
            raise Unable(f"a light client looks through no more than {WIDEST} blocks at once")
        named = asked.get("address") or []
        addresses = [_bytes(each, 20) for each in ([named] if isinstance(named, str | bytes) else named)]
        topics: list[Sequence[bytes] | None] = []
        for choice in asked.get("topics") or []:
            one = [choice] if isinstance(choice, str | bytes) else choice
            topics.append(None if not one else [_bytes(each, 32) for each in one])
        found = self._blocks.logs(start, end, addresses=addresses, topics=topics)
        return [self._log_json(each) for each in found]

    def _log_json(self, found: Found) -> dict[str, Any]:
        header, transaction = found.block.header, found.block.transactions[found.place]
        return {
            "address": checksummed(found.log.address),
            "topics": ["0x" + topic.hex() for topic in found.log.topics],
            "data": "0x" + found.log.data.hex(),
            "blockNumber": hex(header.number),
            "blockHash": "0x" + header.hash.hex(),
            "transactionHash": "0x" + transaction.hash.hex(),
            "transactionIndex": hex(found.place),
            "logIndex": hex(found.index),
            "removed": False,
        }

    # -- state -------------------------------------------------------------------------------------------------------

    def _code(self, address: Any, block: Any = "latest") -> str:
        """The code of an account. That a contract is none gives whoever says so a refusal, and nothing else."""
        return "0x" + self._state.code(self._present(block), _bytes(address, 20)).hex()

    def _storage(self, address: Any, slot: Any, block: Any = "latest") -> str:
        word = self._state.slot(self._present(block), _bytes(address, 20), _number(slot))
        return "0x" + word.to_bytes(32, "big").hex()

    def _balance(self, address: Any, block: Any = "latest") -> str:
        """A contract's balance is proven. Of another account the highest is taken: the chain lets none overdraw."""
        header, account = self._present(block), _bytes(address, 20)
        proven = self._state.account(header, account)
        if proven is not None:
            return hex(proven.balance)
        return hex(max(balance for _, _, balance in self._state.claims(header, account)))

    def _count(self, address: Any, block: Any = "latest") -> str:
        # What is pending is known to nobody; the sender keeps its own account of that.
        header = self._present("latest" if block == "pending" else block)
        named = block in ("latest", "pending", "safe", "finalized")
        return hex(self._nonce(header, _bytes(address, 20), shown=not named))

    def _nonce(self, header: Header, address: bytes, *, shown: bool = False) -> int:
        """How many transactions an account has sent.

        Of an account without code Kaia's nodes prove nothing. What was seen in a block is known. Where the nodes do not
        agree, the one that says more has to show the transaction. If all lie alike a transaction comes to nothing.

        `shown` takes no number that was not shown: whoever asks at one block decides by it that a nonce is used up, and
        signs anew what was sent under it.
        """
        proven = self._state.account(header, address)
        if proven is not None:
            return proven.nonce
        block, used = self._used.get(address) or (0, 0)
        floor = used if block <= header.number else 0
        told = [(count, peer) for peer, count, _ in self._state.claims(header, address)]
        forgets = f"it forgets transactions of {checksummed(address)} that are in the chain"
        for _, peer in [each for each in told if each[0] < floor]:
            self._peers.blame(peer, forgets)
        credible = sorted((each for each in told if each[0] >= floor), key=lambda each: each[0])
        while credible:
            count, peer = credible[-1]
            agreed = credible[0][0] == count
            if count == floor or (agreed and not shown):
                return count
            if self._shown(peer, header, address, count):
                for _, other in [each for each in credible if each[0] < count]:
                    self._peers.blame(other, forgets)
                return count
            if not agreed:
                self._peers.blame(peer, f"it does not show transaction {count - 1} of {checksummed(address)}")
            credible.pop()
        return floor

    def _shown(self, peer: Peer, header: Header, address: bytes, count: int) -> bool:
        """Whether a node can show that an account sent so many: the block that holds the last one."""

        def ask(peer: Peer, within: float) -> bool:
            below, above = 0, header.number
            while above - below > 1:
                middle = (below + above) // 2
                said = peer.ask("eth_getTransactionCount", "0x" + address.hex(), hex(middle), within=within)
                if number_of(said, "transaction count", bits=64) >= count:
                    above = middle
                else:
                    below = middle
            block = self._block(self._headers.at(above))
            return any(each.sender == address and each.nonce == count - 1 for each in block.transactions)

        return self._peers.tried(peer, ask).value is True

    def _saw(self, transaction: Transaction, header: Header) -> None:
        kept = self._used.get(transaction.sender)
        if kept is None or kept[1] <= transaction.nonce:
            self._used.put(transaction.sender, (header.number, transaction.nonce + 1))

    def _call(self, call: Mapping[str, Any], block: Any = "latest") -> str:
        output: bytes = self._ran(call, self._present(block))[1].output
        return "0x" + output.hex()

    def _ran(self, call: Mapping[str, Any], header: Header) -> tuple[Any, Any]:
        if not isinstance(call, Mapping):
            raise TypeError("a call is an object")
        # The machine takes longer to load than many a command to run.
        from theriac.ledger.light import machine

        question = machine.question_of(call)
        nonce = self._nonce(header, question.sender) if question.to is None else 0
        hint = {
            "from": "0x" + question.sender.hex(),
            **({} if question.to is None else {"to": "0x" + question.to.hex()}),
            "data": "0x" + question.data.hex(),
            **({"value": hex(question.value)} if question.value else {}),
        }
        ran = machine.run(
            question,
            state=self._state,
            header=header,
            chain_id=self._anchor.chain_id,
            nonce=nonce,
            block_hash=lambda number: self._headers.at(number).hash,
            hint=lambda: self._state.hinted(header, hint),
            within=self._peers.left,
        )
        if ran.failure:
            code = _REVERTED if ran.reverted else _REFUSED
            raise _Failed(ran.failure, code=code, data=ran.output)
        return question, ran

    def _estimate(self, call: Mapping[str, Any], block: Any = "latest") -> str:
        """The gas of a transaction: whether it goes through is found here, how much it takes is asked for, in bounds.

        Kaia's prices are its own. A node that names too little has the transaction fail, which its receipt shows.
        """
        from theriac.ledger.light import machine

        header = self._present(block)
        question, ran = self._ran(call, header)
        least = machine.least_gas(question, ran)
        asked = {**call, "data": "0x" + question.data.hex()}
        asked.pop("gas", None)

        def ask(peer: Peer, within: float) -> int:
            return number_of(peer.ask("eth_estimateGas", asked, hex(header.number), within=within), "estimate", bits=64)

        told = [each.value for each in self._peers.each(ask, grace=_a_second) if each.trouble is None]
        most = _GAS_TIMES * least + _GAS_MORE
        gas: int = min(max([*told, least]), most) if told else 2 * least
        return hex(gas)

    # -- sending -----------------------------------------------------------------------------------------------------

    def _gas_price(self) -> str:
        """Twice the base fee, which is in the header: no node can name a price of its own."""
        return hex(2 * self._base_fee())

    def _tip(self) -> str:
        """What a node asks for beyond the base fee, and no more than that again."""
        base_fee = self._base_fee()
        if base_fee == 0:
            return "0x0"
        told = self._peers.each(
            lambda peer, within: number_of(peer.ask("eth_maxPriorityFeePerGas", within=within), "fee"), grace=_a_second
        )
        return hex(min([base_fee, *(each.value for each in told if each.trouble is None)]))

    def _base_fee(self) -> int:
        base_fee = self._headers.head().base_fee
        if base_fee is None:
            raise Unable("the chain's headers tell no base fee, and without it no price of gas is proven")
        return base_fee

    def _send(self, raw: Any) -> str:
        """Gives a signed transaction to every node. One that takes it is enough: that it is in a block is proven."""
        given = raw if isinstance(raw, str) else "0x" + bytes(raw).hex()
        hash_ = "0x" + keccak(hexstr=given).hex()

        def ask(peer: Peer, within: float) -> None:
            told = peer.ask("eth_sendRawTransaction", given, within=within)
            if told != hash_:
                raise Lie(f"it was given transaction {hash_} and speaks of {str(told)[:80]}")

        answers = self._peers.each(ask, grace=_a_second)
        if any(each.trouble is None for each in answers):
            return hash_
        raise self._peers.why(answers)


def _a_second(_: Sequence[Answered]) -> float:
    return 1.0


def _error(message: str, code: int, *, data: str | None = None) -> RPCResponse:
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": 1, "error": error}  # type: ignore[typeddict-item]


def _number(value: Any) -> int:
    number = value if isinstance(value, int) and not isinstance(value, bool) else int(str(value), 16)
    if number < 0:
        raise ValueError("a number below zero")
    return number


def _bytes(value: Any, length: int) -> bytes:
    found = bytes(value) if isinstance(value, bytes) else bytes.fromhex(str(value).removeprefix("0x"))
    if len(found) != length:
        raise ValueError(f"{length} bytes are wanted")
    return found

"""A chain to test on, by the name of its engine: everywhere the same accounts, the same number and a clock to turn.

    with devnet("kaia", folder) as net:
        net.web3, net.key(0), net.now(), net.travel(86400)

    local    in this process, by Ape's provider for tests; its clock stands still between blocks
    anvil    a block a transaction, each a second after the one before; its clock stands still between blocks
    geth     a block a transaction; the machine's clock, shifted
    kaia     four validators, a block a second; the machine's clock, shifted on all of them

What was done can be undone everywhere but on Kaia, whose validators would have to go back together.
"""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from eth_account import Account
from requests import Session
from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint

from engines.clock import Clock
from engines.process import EngineError

ENGINES = ("local", "anvil", "geth", "kaia")

CHAIN_ID = 1337
"""That of the chain in the process; signatures are for a chain's number, so that equal ones ask for an equal number."""

ACCOUNTS = 40
_WORDS = "test test test test test test test test test test test junk"

# One request, in seconds.
_ANSWER = 60.0


@cache
def key(number: int) -> bytes:
    """The key of a test account: the same that anvil has, and Ape under TEST::number."""
    Account.enable_unaudited_hdwallet_features()
    return bytes(Account.from_mnemonic(_WORDS, account_path=f"m/44'/60'/0'/0/{number}").key)


@cache
def addresses() -> tuple[str, ...]:
    return tuple(str(Account.from_key(key(number)).address) for number in range(ACCOUNTS))


class Devnet(ABC):
    """A chain, reached by `web3`; `url` is empty where it is in this process."""

    engine: str
    pace = 0.0
    """Seconds between blocks; 0 where each transaction has its own at once."""
    undoable = True

    def __init__(self, web3: Web3, url: str = "") -> None:
        self.web3 = web3
        self.url = url

    @staticmethod
    def key(number: int) -> bytes:
        """The key of an account that can pay for gas, where that costs anything; 0 to 39."""
        return key(number)

    def now(self) -> int:
        """The time of the latest block, in Unix seconds."""
        return int(self.web3.eth.get_block("latest")["timestamp"])

    def travel(self, seconds: int) -> None:
        """Lets so much time pass: there is a block that much later then."""
        self.at(self.now() + seconds)

    @abstractmethod
    def at(self, moment: int) -> None:
        """Has a block of that time; on Kaia, of that time or some seconds later."""

    @abstractmethod
    def mark(self) -> Any:
        """Where the chain is now, for `back`. Raises EngineError where nothing can be undone."""

    @abstractmethod
    def back(self, mark: Any) -> None:
        """Undoes all that came after. Where the machine's clock is shifted, time does not go back."""

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Takes back whatever happens inside."""
        mark = self.mark()
        try:
            yield
        finally:
            self.back(mark)

    def ask(self, method: str, *parameters: Any) -> Any:
        """What the node answers to a request. Raises EngineError."""
        answer = self.web3.provider.make_request(RPCEndpoint(method), list(parameters))
        if "error" in answer:
            raise EngineError(f"{method}: {answer['error']}")
        return answer["result"]


class Embedded(Devnet):
    """The chain in this process, as Ape has it."""

    engine = "local"

    def __init__(self) -> None:
        import ape

        self._chain = ape.chain
        super().__init__(ape.chain.provider.web3)

    def at(self, moment: int) -> None:
        self._chain.pending_timestamp = moment
        self._chain.mine()

    def mark(self) -> Any:
        return self._chain.snapshot()

    def back(self, mark: Any) -> None:
        self._chain.restore(mark)


class Anvil(Devnet):
    engine = "anvil"

    def at(self, moment: int) -> None:
        self.ask("evm_setNextBlockTimestamp", moment)
        self.ask("evm_mine")

    def mark(self) -> Any:
        return self.ask("evm_snapshot")

    def back(self, mark: Any) -> None:
        if self.ask("evm_revert", mark) is not True:
            raise EngineError("anvil has forgotten what it was like before.")


class Geth(Devnet):
    engine = "geth"

    def __init__(self, web3: Web3, url: str, clock: Clock) -> None:
        super().__init__(web3, url)
        self._clock = clock

    def at(self, moment: int) -> None:
        height = self.web3.eth.block_number
        # Whole seconds are shifted; a second that is nearly over could be another one when the block is made.
        if time.time() % 1 > 0.8:
            time.sleep(1 - time.time() % 1)
        self._clock.shift(moment - math.floor(time.time()))
        self._block(height)

    def mark(self) -> Any:
        return self.web3.eth.block_number

    def back(self, mark: Any) -> None:
        if self.web3.eth.block_number == mark:
            return
        self.ask("debug_setHead", hex(mark))
        # It never makes a block that is earlier than one it made. The empty one shows everyone what time it is.
        self._block(mark)

    def _block(self, height: int) -> None:
        """Has an empty block made: geth makes one, without any transaction, for a withdrawal of the beacon chain."""
        nothing = {"index": "0x0", "validatorIndex": "0x0", "address": "0x" + "0" * 40, "amount": "0x0"}
        self.ask("dev_addWithdrawal", nothing)
        _until(lambda: self.web3.eth.block_number > height, f"geth makes no block after {height}")


class Kaia(Devnet):
    engine = "kaia"
    pace = 1.0
    undoable = False

    def __init__(self, web3: Web3, url: str, network: Any) -> None:
        super().__init__(web3, url)
        self.network = network

    def at(self, moment: int) -> None:
        if moment <= self.now():
            raise EngineError("Kaia's blocks do not go back in time.")
        self.network.shift(moment - math.floor(time.time()))
        _until(lambda: self.now() >= moment, "Kaia's blocks do not follow its clock")

    def mark(self) -> Any:
        raise EngineError("Nothing is undone on Kaia.")

    def back(self, mark: Any) -> None:
        raise EngineError("Nothing is undone on Kaia.")


def _until(done: Any, otherwise: str, *, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise EngineError(f"{otherwise}.")
        time.sleep(0.01)


@contextmanager
def devnet(
    engine: str, folder: Path, *, chain_id: int = CHAIN_ID, begun: int | None = None, hardfork: str = "cancun"
) -> Iterator[Devnet]:
    """Runs an engine with all it keeps in `folder`, for as long as the block lasts. `begun` is the time at which its
    blocks begin, in Unix seconds; now, if it is left out.

    Raises EngineError where it is not built, does not start, or has another number than its own chain's.
    """
    if engine not in ENGINES:
        raise EngineError(f"{engine!r} is no engine; name one of {', '.join(ENGINES)}.")
    moment = int(time.time()) if begun is None else begun
    folder = folder / engine
    if engine == "local":
        net: Devnet = Embedded()
        if net.web3.eth.chain_id != chain_id:
            raise EngineError(f"The chain in the process has the number {net.web3.eth.chain_id}, not {chain_id}.")
        if begun is not None:
            net.at(begun)
        yield net
    elif engine == "anvil":
        from engines.anvil.node import AnvilNode

        with AnvilNode(folder, chain_id=chain_id, begun=moment, accounts=ACCOUNTS, hardfork=hardfork) as node:
            yield Anvil(_connection(node.url), node.url)
    elif engine == "geth":
        from engines.geth.node import GethNode

        clock = _clock(folder / "clock", begun)
        with GethNode(folder, chain_id=chain_id, rich=addresses(), clock=clock, hardfork=hardfork) as geth:
            net = Geth(_connection(geth.url), geth.url, clock)
            # Its options allow no less than one wei; from here on an account without ether can send, as elsewhere.
            net.ask("miner_setGasPrice", "0x0")
            net.at(moment)
            yield net
    else:
        from engines.kaia.network import KaiaNetwork

        with KaiaNetwork(folder, chain_id=chain_id) as network:
            web3 = _connection(network.url)
            from web3.middleware import ExtraDataToPOAMiddleware

            # The validators' seals stand where other chains have at most 32 bytes.
            web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
            net = Kaia(web3, network.url, network)
            if begun is not None:
                net.at(begun)
            yield net


def _clock(path: Path, begun: int | None) -> Clock:
    clock = Clock(path)
    clock.shift(0 if begun is None else begun - int(time.time()))
    return clock


def _connection(url: str) -> Web3:
    """A connection that asks no proxy, and asks for the chain's number, which never changes, only once."""
    session = Session()
    session.trust_env = False
    once = {RPCEndpoint("eth_chainId")}
    return Web3(
        HTTPProvider(url, {"timeout": _ANSWER}, session=session, cache_allowed_requests=True, cacheable_requests=once)
    )

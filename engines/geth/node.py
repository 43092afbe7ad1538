"""A geth of our own: one node that makes a block for each transaction, with an own genesis.

    python engines/geth/node.py FOLDER [--port PORT] [--period SECONDS] [--rich ADDRESS ...]

begins the chain in FOLDER where there is none yet, runs it until it is interrupted, and prints its address. From
Python:

    with GethNode(folder, rich=[account]) as node:
        Web3(HTTPProvider(node.url))
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engines.clock import Clock
from engines.process import LOOPBACK, ChainNode, Daemon, EngineError, built, free_port, need, serve

BINARY = built("geth", "geth")
CHAIN_ID = 8437424

_START = 60.0
_GAS_LIMIT = 60_000_000
_ETHER = 10**18

_BLOCK_FORKS = (
    "homestead",
    "eip150",
    "eip155",
    "eip158",
    "byzantium",
    "constantinople",
    "petersburg",
    "istanbul",
    "berlin",
    "london",
)
_TIME_FORKS = ("shanghai", "cancun", "prague")
_BLOBS = {
    "cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3338477},
    "prague": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5007716},
}


def genesis(*, chain_id: int, hardfork: str, rich: Sequence[str], begun: int) -> dict[str, Any]:
    """The first block: `rich` accounts have a thousand ether each, gas costs next to nothing;
    `begun` is in Unix seconds."""
    times = _TIME_FORKS[: _TIME_FORKS.index(hardfork) + 1]
    return {
        "config": {
            "chainId": chain_id,
            **{f"{fork}Block": 0 for fork in _BLOCK_FORKS},
            "terminalTotalDifficulty": 0,
            **{f"{fork}Time": 0 for fork in times},
            "blobSchedule": {fork: _BLOBS[fork] for fork in times if fork in _BLOBS},
        },
        "timestamp": hex(begun),
        "gasLimit": hex(_GAS_LIMIT),
        "difficulty": "0x0",
        "baseFeePerGas": "0x0",
        "alloc": {each.removeprefix("0x"): {"balance": hex(1000 * _ETHER)} for each in rich},
    }


class GethNode(ChainNode):
    """A node with its chain in `folder`. `period` seconds lie between blocks; 0 makes one for each transaction."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        chain_id: int = CHAIN_ID,
        period: int = 0,
        hardfork: str = "cancun",
        rich: Sequence[str] = (),
        clock: Clock | None = None,
        lasting: bool = False,
        binary: Path = BINARY,
    ) -> None:
        self.folder = folder
        self.clock = clock or Clock(folder / "clock")
        self._binary = binary
        self._first = genesis(chain_id=chain_id, hardfork=hardfork, rich=rich, begun=int(time.time()))
        self._port = port or free_port()
        command: list[str | Path] = [
            *(binary, "--dev", "--dev.period", str(period), "--dev.gaslimit", str(_GAS_LIMIT), "--datadir", folder),
            *("--http", "--http.addr", LOOPBACK, "--http.port", str(self._port)),
            *("--http.api", "eth,net,web3,txpool,debug,dev,admin,miner", "--nodiscover", "--maxpeers", "0"),
            *("--ipcdisable", "--gcmode", "archive", "--miner.gasprice", "1", "--gpo.ignoreprice", "2"),
            *("--txpool.pricelimit", "1", "--txpool.accountslots", "4096", "--txpool.globalslots", "16384"),
            *("--txpool.accountqueue", "4096", "--txpool.globalqueue", "16384", "--rpc.txfeecap", "0"),
            *("--cache", "256", "--verbosity", "2"),
        ]
        self.daemon = Daemon(command, name="geth", folder=folder, environment=self.clock.environment, lasting=lasting)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._port}"

    def start(self) -> None:
        """Begins the chain where there is none, runs the node and waits until it answers. Raises EngineError."""
        need(self._binary, engine="geth")
        if not (self.folder / "geth" / "chaindata").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            first = self.folder / "genesis.json"
            first.write_text(json.dumps(self._first, indent=1))
            # The same way of keeping state as the node runs with.
            init: list[str | Path] = [self._binary, "init", "--datadir", self.folder, "--state.scheme", "hash", first]
            done = subprocess.run(init, capture_output=True, text=True)
            if done.returncode:
                raise EngineError(f"geth cannot begin with {first}: {done.stderr.strip().splitlines()[-1]}")
        self.daemon.start()
        self.daemon.wait(lambda: self.height() >= 0, seconds=_START)


def main() -> int:
    parser = argparse.ArgumentParser(description="Run a geth of your own on loopback until it is interrupted.")
    parser.add_argument("folder", type=Path, help="where the node keeps its chain")
    parser.add_argument("--port", type=int, default=0, help="port of its HTTP interface; chosen if left out")
    parser.add_argument("--period", type=int, default=0, help="seconds between blocks; 0: one for each transaction")
    parser.add_argument("--rich", action="append", default=[], help="address of an account that begins with ether")
    asked = parser.parse_args()

    node = GethNode(asked.folder, port=asked.port, period=asked.period, rich=asked.rich)
    return serve(node, lambda running: [running.url])


if __name__ == "__main__":
    sys.exit(main())

"""An anvil of our own, from npm: the development chain that `make chain` runs too.

with AnvilNode(folder) as node:
    Web3(HTTPProvider(node.url))
"""

from collections.abc import Sequence
from pathlib import Path

from engines.process import LOOPBACK, ChainNode, Daemon, EngineError, free_port
from tools.foundry import program

BINARY = program("anvil")
MISSING = "anvil is missing; run `make setup`, which installs it from npm, and try again."

_START = 60.0


class AnvilNode(ChainNode):
    """A chain in memory whose gas costs nothing, with a block for each transaction, each a second after the one before.

    `begun` is the first block's time in Unix seconds. `accounts` of anvil's known words begin with ether.
    """

    def __init__(
        self,
        folder: Path,
        *,
        chain_id: int,
        begun: int,
        hardfork: str = "cancun",
        gas_limit: int = 60_000_000,
        accounts: int = 40,
        port: int = 0,
        lasting: bool = False,
        history: int | None = None,
    ) -> None:
        """`history` is of how many blocks the states are kept; of all, if it is left out, at megabytes each."""
        self._port = port or free_port()
        command: Sequence[str | Path] = [
            *(BINARY, "--host", LOOPBACK, "--port", str(self._port)),
            *("--chain-id", str(chain_id), "--timestamp", str(begun), "--hardfork", hardfork),
            *("--gas-limit", str(gas_limit), "--base-fee", "0", "--gas-price", "0", "--disable-min-priority-fee"),
            *("--accounts", str(accounts), "--silent"),
            # Else it writes old states into the home folder, and leaves them there when it is killed.
            *("--cache-path", folder / "states"),
            *(() if history is None else ("--prune-history", str(history))),
        ]
        self.daemon = Daemon(command, name="anvil", folder=folder, lasting=lasting)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._port}"

    def start(self) -> None:
        """Runs it and waits until it answers. Raises EngineError."""
        if not BINARY.exists():
            raise EngineError(MISSING)
        self.daemon.start()
        self.daemon.wait(lambda: self.height() >= 0, seconds=_START)
        self.ask("anvil_setBlockTimestampInterval", 1)

    def stop(self) -> None:
        # It keeps nothing, and takes its time to end by itself.
        self.daemon.kill()
        self.daemon.stop()

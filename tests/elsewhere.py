"""The engine that `pytest --engine` names: geth or Kaia for anvil, and any of them for the chain in the process.

Which tests: those of health, medicine, cover, scripts and stories that go through a world, which is a chain with the
contracts on it. All others say the same everywhere, and are deselected. What only anvil does (impersonating, setting
code, mining by hand) skips with a sentence, and so do transactions of type 4 on Kaia.
"""

import atexit
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from real_anvil import CHAIN_ID, PEOPLE, START, Chain
from web3.types import TxReceipt

from engines.devnet import Devnet, devnet
from engines.process import EngineError

FOLDERS = ("health", "medicine", "cover", "scripts", "stories")

# The fixtures by which a test of these folders comes to a chain.
WORLDS = {"founded", "relays", "town", "market", "wholesale", "place", "laid", "stage", "insured", "told"}

# Random lives act through addresses that nobody has a key for, at seconds of their own: only anvil lets them.
MACHINES = {"test_state_machine", "test_pack_machine", "test_prescription_machine", "test_cover_machine"}

# What these are about is the chain in the process: its state is looked through in its own memory.
EMBEDDED = {"test_demo"}

RICH = 39
"""The test account that gives others ether; no test is about it."""

# Told at once by what tests ask anvil for, and by what each needs.
NO_UNDOING = "nothing can be undone on Kaia, whose validators would have to go back together"


def chosen() -> str:
    """The engine that the tests run on; "local" where none was named."""
    return os.environ.get("THERIAC_ENGINE", "local")


def is_elsewhere() -> bool:
    """Whether anvil is not what anvil's tests run on."""
    return chosen() in ("geth", "kaia")


def choose(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves the tests that go through a world."""
    wanted = [item for item in items if _goes_through_a_world(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(wanted)])
    items[:] = wanted


def _goes_through_a_world(item: pytest.Item) -> bool:
    folder, module = item.path.parent.name, item.path.stem
    if folder not in FOLDERS or module in EMBEDDED or (module in MACHINES and is_elsewhere()):
        return False
    return module == "test_drill" or not WORLDS.isdisjoint(getattr(item, "fixturenames", ()))


@dataclass(frozen=True)
class Elsewhere(Chain):
    """Another engine that does what tests ask anvil for."""

    net: Devnet
    _rich: set[str] = field(default_factory=set)

    def ask(self, method: str, *parameters: Any) -> Any:
        if method == "evm_snapshot":
            return self.net.mark() if self.net.undoable else pytest.skip(NO_UNDOING)
        if method == "evm_revert":
            self.net.back(*parameters)
            return True
        if method == "evm_mine" and not parameters:
            self.net.travel(1)
            return None
        if method.startswith(("evm_", "anvil_")):
            pytest.skip(f"only anvil does {method}")
        return self.net.ask(method, *parameters)

    def now(self) -> int:
        return self.net.now()

    def at(self, moment: int) -> None:
        self.net.at(max(moment, self.net.now() + 1))

    @contextmanager
    def undone(self) -> Iterator[None]:
        if self.net.undoable:
            with self.net.undone():
                yield
        else:
            # What comes after finds what was done: worlds that have to be alone are founded anew.
            yield

    def transact(self, sender: LocalAccount, transaction: Mapping[str, Any]) -> TxReceipt:
        if transaction.get("type") == 4 and self.net.engine == "kaia":
            pytest.skip("Kaia knows no transactions of type 4 (EIP-7702)")
        self._enrich()
        return super().transact(sender, transaction)

    def _enrich(self) -> None:
        """Gives everybody ether: geth never says that gas costs nothing, and other processes offer a wei."""
        if self.net.engine != "geth":
            return
        rich = Account.from_key(self.net.key(RICH))
        for address in sorted(PEOPLE - self._rich):
            self._rich.add(address)
            super().transact(rich, {"to": address, "value": 10**18})


_lasting = ExitStack()
_kaia: list[Devnet] = []


@contextmanager
def chain(*, hardfork: str) -> Iterator[Chain]:
    """A chain of the engine. A geth is started for each; all share one Kaia network, which takes its time to begin."""
    if hardfork != "cancun" and chosen() == "kaia":
        pytest.skip(f"Kaia runs by the rules of Cancun here, not of {hardfork}")
    if chosen() == "kaia":
        if not _kaia:
            _kaia.append(_started(_lasting, hardfork))
            atexit.register(_lasting.close)
        yield Elsewhere(_kaia[0].web3, _kaia[0])
        return
    with ExitStack() as started:
        net = _started(started, hardfork)
        yield Elsewhere(net.web3, net)


def _started(stack: ExitStack, hardfork: str) -> Devnet:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="theriac-engine-")))
    try:
        return stack.enter_context(devnet(chosen(), folder, chain_id=CHAIN_ID, begun=START, hardfork=hardfork))
    except EngineError as error:
        pytest.skip(str(error))

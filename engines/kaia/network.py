"""A Kaia network of validators of our own (Istanbul BFT), with an own genesis and no fees.

    python engines/kaia/network.py FOLDER [--validators 4]

founds it in FOLDER where it is not yet, runs it until it is interrupted, and prints how to reach each node. From
Python:

    with KaiaNetwork(folder) as network:
        Web3(HTTPProvider(network.nodes[0].url))
"""

import argparse
import json
import os
import secrets
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rlp
from eth_keys.datatypes import PrivateKey
from eth_utils.address import to_checksum_address

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engines.clock import Clock
from engines.process import (
    LOOPBACK,
    ChainNode,
    Daemon,
    Engine,
    EngineError,
    ask_socket,
    built,
    free_port,
    need,
    serve,
    side_by_side,
)

BINARY = built("kaia", "kcn")
FOLLOWER = BINARY.with_name("kpn")
"""Validators refuse others that nobody voted for. Who only follows is a proxy node: each block is brought to it."""

CHAIN_ID = 8437423

# Randao, Kaia and later forks need BLS keys and system contracts; Cancun is all that the contracts ask for.
_FORKS = ("istanbul", "london", "ethTxType", "magma", "kore", "shanghai", "cancun")
_NOBODY = "0x" + "0" * 40
_VANITY, _SEAL = 32, 65

# What a founded network's nodes need of a machine, in seconds.
_START, _PEERS = 60.0, 90.0

APIS = "eth,net,web3,txpool,istanbul,klay,kaia,debug,admin"
PUBLIC_APIS = "eth,net,web3,kaia"
"""What anyone may ask: reads, and transactions that are signed already; nothing that steers a node or wears it out."""


def genesis(validators: Sequence[bytes], *, chain_id: int, begun: int, epoch: int = 3600) -> dict[str, Any]:
    """The first block of a network whose validators have these addresses (20 bytes each); `begun` in Unix seconds."""
    extra = bytes(_VANITY) + rlp.encode([sorted(validators), bytes(_SEAL), []])
    return {
        "config": {
            "chainId": chain_id,
            **{f"{fork}CompatibleBlock": 0 for fork in _FORKS},
            "istanbul": {"epoch": epoch, "policy": 0, "sub": 22},
            "unitPrice": 0,
            "deriveShaImpl": 0,
            "governance": {
                "governingNode": _NOBODY,
                # More than half of the validators decide, and no single one: whom they let in seals blocks with them.
                "governanceMode": "ballot",
                "govParamContract": _NOBODY,
                "reward": {
                    "mintingAmount": 0,
                    "ratio": "100/0/0",
                    "kip82ratio": "0/100",
                    "useGiniCoeff": False,
                    "deferredTxFee": True,
                    "stakingUpdateInterval": 86400,
                    "proposerUpdateInterval": 3600,
                    "minimumStake": 0,
                },
                "kip71": {
                    "lowerboundbasefee": 0,
                    "upperboundbasefee": 0,
                    "gastarget": 30_000_000,
                    "maxblockgasusedforbasefee": 60_000_000,
                    "basefeedenominator": 20,
                },
            },
        },
        "timestamp": hex(begun),
        "extraData": "0x" + extra.hex(),
        "governanceData": None,
        "blockScore": "0x1",
        "alloc": {},
    }


@dataclass(frozen=True)
class Place:
    """Where a node is reached: at `host` by its peers (`port`), at `rpc_host` by its clients (`rpc`).

    Clients are not asked who they are, so they are this machine's own unless another host is named.
    """

    host: str
    port: int
    rpc: int
    rpc_host: str = LOOPBACK

    @classmethod
    def free(cls, host: str = LOOPBACK) -> "Place":
        return cls(host, free_port(host), free_port(host))

    def enode(self, public: bytes) -> str:
        """Its address as Kaia's nodes write it; `public` is the key's 64 bytes."""
        return f"kni://{public.hex()}@{self.host}:{self.port}?discport=0&ntype=cn"


class KaiaNode(ChainNode):
    """One node with its chain and its key in `folder`. It validates if the genesis names its key.

    `validates` is False for a node that follows the chain under a key that no genesis and no vote named. `apis` are
    what its clients may ask, by Kaia's names; those of another machine never more than PUBLIC_APIS. `steered` gives
    whoever may write into its folder a socket in it, for what is never asked over the network, such as votes.
    """

    def __init__(
        self,
        folder: Path,
        *,
        place: Place,
        chain_id: int = CHAIN_ID,
        clock: Clock | None = None,
        validates: bool = True,
        apis: str = APIS,
        steered: bool = False,
        lasting: bool = False,
        prefix: Sequence[str] = (),
        binary: Path | None = None,
    ) -> None:
        self.folder = folder
        self.place = place
        self.clock = clock
        self._binary = binary or (BINARY if validates else FOLLOWER)
        local = place.rpc_host == LOOPBACK
        self.command = [
            str(self._binary),
            *("--datadir", str(folder), "--networkid", str(chain_id), "--port", str(place.port)),
            *("--nodiscover", "--nat", "none", "--maxconnections", "40"),
            # Kaia listens for peers at every address of a machine; from elsewhere nobody gets past the first byte.
            *(("--netrestrict", "127.0.0.0/8") if place.host == LOOPBACK else ()),
            *("--rpc", "--rpcaddr", place.rpc_host, "--rpcport", str(place.rpc)),
            *("--rpcapi", apis if local else PUBLIC_APIS, "--rpcvhosts", "localhost"),
            *(("--ipcpath", str(self.socket)) if steered else ("--ipcdisable",)),
            *(("--rewardbase", "0x" + "0" * 39 + "1") if validates else ()),
            # Every block's state is written: a whole network that loses its power comes back with all it had.
            *("--gcmode", "archive"),
            *("--cache.level", "saving", "--db.leveldb.cache-size", "64", "--db.single", "--snapshot.cache-size", "16"),
            *("--txpool.exec-slots.account", "4096", "--txpool.exec-slots.all", "16384"),
            *("--txpool.nonexec-slots.account", "4096", "--txpool.nonexec-slots.all", "16384"),
            *("--ntp.disable", "--verbosity", "2"),
        ]
        environment = clock.environment if clock else {}
        command = [*prefix, *self.command]
        self.daemon = Daemon(command, name="kcn", folder=folder, environment=environment, lasting=lasting)

    @property
    def url(self) -> str:
        return f"http://{self.place.rpc_host}:{self.place.rpc}"

    @property
    def socket(self) -> Path:
        return self.folder / "node.ipc"

    @property
    def key(self) -> PrivateKey:
        """The key that it seals with, made where it is missing."""
        path = self.folder / "klay" / "nodekey"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_hex(32))
        return PrivateKey(bytes.fromhex(path.read_text()))

    @property
    def address(self) -> str:
        return to_checksum_address(self.key.public_key.to_canonical_address())

    @property
    def enode(self) -> str:
        return self.place.enode(self.key.public_key.to_bytes())

    def found(self, first: Path) -> None:
        """Begins its chain with the genesis in a file, where it has none yet. Raises EngineError."""
        need(self._binary, engine="kaia")
        if (self.folder / "klay" / "chaindata").exists():
            return
        init = Daemon(
            [self._binary, "init", "--datadir", self.folder, "--db.single", first],
            name="init",
            folder=self.folder,
        )
        init.start()
        with suppress(EngineError):
            init.wait(lambda: False, seconds=_START)
        if not (self.folder / "klay" / "chaindata").exists():
            raise EngineError(f"Kaia cannot begin with {first}: {init.said()}")

    def knows(self, enodes: Sequence[str]) -> None:
        """Names the nodes that it stays connected to, from its next start on."""
        path = self.folder / "klay" / "static-nodes.json"
        path.write_text(json.dumps([each for each in enodes if each != self.enode], indent=1))

    def start(self, *, wait: bool = True) -> None:
        """Runs it, and waits until it answers. Raises EngineError."""
        need(self._binary, engine="kaia")
        self.daemon.start()
        if wait:
            self.daemon.wait(lambda: self.height() >= 0, seconds=_START)

    def steer(self, method: str, *parameters: Any, seconds: float = 10.0) -> Any:
        """What it answers at the socket of its owner. Raises EngineError, OSError."""
        return ask_socket(self.socket, method, *parameters, seconds=seconds)

    def peers(self) -> int:
        return int(self.ask("net_peerCount"), 16)


class KaiaNetwork(Engine):
    """Validators on one machine, laid out in `folder` the first time and found again later.

    `clocks` are files that each validator's clock is read from; one is shared unless `own_clocks`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        validators: int = 4,
        chain_id: int = CHAIN_ID,
        places: Sequence[Place] = (),
        lasting: bool = False,
        own_clocks: bool = False,
        prefixes: Sequence[Sequence[str]] = (),
    ) -> None:
        self.folder = folder
        self.chain_id = chain_id
        laid = folder / "places.json"
        if laid.exists():
            places = [Place(**each) for each in json.loads(laid.read_text())]
        elif not places:
            places = [Place.free() for _ in range(validators)]
        shared = Clock(folder / "clock")
        self.nodes = [
            KaiaNode(
                folder / f"n{number}",
                place=place,
                chain_id=chain_id,
                clock=Clock(folder / f"clock-{number}") if own_clocks else shared,
                lasting=lasting,
                prefix=prefixes[number] if prefixes else (),
            )
            for number, place in enumerate(places)
        ]

    @property
    def genesis(self) -> Path:
        return self.folder / "genesis.json"

    @property
    def url(self) -> str:
        return self.nodes[0].url

    @property
    def running(self) -> bool:
        """Whether any node of it runs."""
        return any(node.running for node in self.nodes)

    def found(self) -> None:
        """Draws the keys and writes the genesis, where that is not done yet. Raises EngineError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.genesis.exists():
            addresses = [bytes.fromhex(node.address[2:]) for node in self.nodes]
            made = genesis(addresses, chain_id=self.chain_id, begun=int(time.time()))
            places = [vars(node.place) for node in self.nodes]
            (self.folder / "places.json").write_text(json.dumps(places, indent=1))
            self.genesis.write_text(json.dumps(made, indent=1))
        for node in self.nodes:
            node.found(self.genesis)
            node.knows([each.enode for each in self.nodes])

    def start(self) -> None:
        """Runs all nodes, and waits until blocks come. Raises EngineError."""
        self.found()
        for node in self.nodes:
            node.start(wait=False)
        for node in self.nodes:
            node.daemon.wait(lambda node=node: node.height() >= 0, seconds=_START)  # type: ignore[misc]
        self.wait(self.nodes[0].height() + 1, seconds=_PEERS)

    def stop(self) -> None:
        """Ends all nodes side by side."""
        side_by_side([node.stop for node in self.nodes])

    def wait(self, height: int, *, seconds: float = _PEERS, nodes: Sequence[int] = ()) -> None:
        """Waits until the nodes named by number, or all that run, are at a height. Raises EngineError."""
        chosen = [self.nodes[each] for each in nodes] or [node for node in self.nodes if node.daemon.running]
        deadline = time.monotonic() + seconds
        heights: list[int] = []
        while time.monotonic() < deadline:
            with suppress(OSError, EngineError):
                heights = [node.height() for node in chosen]
                if min(heights) >= height:
                    return
            time.sleep(0.1)
        raise EngineError(f"The network is not at block {height} after {seconds:g} s; its nodes are at {heights}.")

    def shift(self, seconds: int) -> None:
        """Sets the clock of every node by so much ahead of the machine's, and waits for the block that shows it."""
        for node in self.nodes:
            if node.clock is not None:
                node.clock.shift(seconds)
        self.wait(max(node.height() for node in self.nodes if node.daemon.running) + 2)


def main() -> int:
    parser = argparse.ArgumentParser(description="Run a Kaia network of validators on loopback until interrupted.")
    parser.add_argument("folder", type=Path, help="where the nodes keep their keys and chains")
    parser.add_argument("--validators", type=int, default=4, help="how many; at least four stand one that is lost")
    asked = parser.parse_args()

    network = KaiaNetwork(asked.folder, validators=asked.validators)
    return serve(network, lambda running: [f"{node.url}  {node.address}  {node.enode}" for node in running.nodes])


if __name__ == "__main__":
    sys.exit(main())

"""One organisation's nodes in one folder: its node of the chain, its store, and the copies that it keeps for others.

    FOLDER/organisation.json   its name, the address at which its peers reach it, its ports
    FOLDER/genesis.json        the first block of the consortium's chain
    FOLDER/peers.json          the cards of the other organisations
    FOLDER/keeps.json          for whom it keeps copies, and the secrets of their Clusters
    FOLDER/kaia                its node of the chain
    FOLDER/store               the node of its own records
    FOLDER/guests              the node of others' copies
    FOLDER/cluster             the peer that has others keep copies of its records
    FOLDER/keeper-NAME         its peer in the Cluster of each for whom it keeps copies

Nodes listen for their peers at the organisation's address alone, and for clients on loopback alone.

    python -m engines.organisation start|stop|status FOLDER

runs them by hand; on a machine that lasts the units of `engines.units` do.
"""

import argparse
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from engines.cluster.peer import ClusterPeer
from engines.kaia.network import CHAIN_ID, PUBLIC_APIS, KaiaNode, Place
from engines.kubo.node import KuboNode
from engines.process import LOOPBACK, Daemon, EngineError, free_port, side_by_side
from theriac.consortium.peers import Card

NETWORK = "consortium"

# The kernel takes the name of a socket up to 107 bytes.
_LONGEST_SOCKET = 100

_SECRET = "cluster-secret.json"

# What a lost peer kept is kept elsewhere some pulses later, in seconds.
_PULSE = 5.0


@dataclass(frozen=True)
class Ports:
    """Where its nodes listen: `chain`, `store`, `guests` and `cluster` for peers, the rest on loopback for clients."""

    chain: int = 32323
    store: int = 4001
    guests: int = 4002
    cluster: int = 9096
    rpc: int = 8551
    store_api: int = 5001
    guests_api: int = 5002
    cluster_api: int = 9094

    @classmethod
    def near(cls, base: int, host: str = LOOPBACK) -> "Ports":
        """Those from a number on; where somebody listens already, any free one."""
        return cls(**{each.name: _free(base + place, host) for place, each in enumerate(fields(cls))})


@dataclass(frozen=True)
class Kept:
    """One whose records are kept here too: its Cluster by the owner's name, its address, and its secret in hex."""

    name: str
    cluster: str
    secret: str


class Organisation:
    """An organisation's nodes, laid out in `folder` the first time and found again later.

    `lasting` lets them outlive whoever starts them.
    """

    def __init__(self, folder: Path, *, lasting: bool = True) -> None:
        """Raises EngineError where nothing was ever laid out in the folder."""
        # What the nodes are given must hold wherever they are started from.
        self.folder = folder = folder.absolute()
        self._lasting = lasting
        laid = _read(folder / "organisation.json")
        if laid is None:
            raise EngineError(f"{folder} is no organisation's folder; name the one that holds organisation.json.")
        try:
            self.name = str(laid["name"])
            self.host = str(laid["host"])
            self.validates = bool(laid["validates"])
            self.copies = int(laid["copies"])
            names = {each.name for each in fields(Ports)}
            self.ports = Ports(**{name: int(port) for name, port in laid["ports"].items() if name in names})
            has_store = bool(laid["store"])
        except (AttributeError, KeyError, TypeError, ValueError):
            raise EngineError(f"{folder / 'organisation.json'} is damaged; restore it from a backup.") from None
        self.kaia = KaiaNode(
            folder / "kaia",
            place=Place(self.host, self.ports.chain, self.ports.rpc),
            chain_id=CHAIN_ID,
            validates=self.validates,
            apis=f"{PUBLIC_APIS},txpool",
            steered=len(os.fsencode(folder / "kaia" / "node.ipc")) < _LONGEST_SOCKET,
            lasting=lasting,
        )
        self.store = self._kubo("store", self.ports.store_api, self.ports.store) if has_store else None
        # A peer can be made to unpin from the node that it commands, which is never that of own records.
        self.cluster = self._peer("cluster", self.name) if has_store else None
        self.guests = self._kubo("guests", self.ports.guests_api, self.ports.guests) if has_store else None

    @classmethod
    def lay(
        cls,
        folder: Path,
        *,
        name: str,
        host: str = LOOPBACK,
        ports: Ports | None = None,
        store: bool = True,
        validates: bool = False,
        copies: int = 2,
        lasting: bool = True,
    ) -> "Organisation":
        """The organisation of a folder, which is laid out where it is not yet. Raises EngineError.

        `copies` is on how many nodes each of its records is kept, its own among them.
        """
        path = folder / "organisation.json"
        if not path.exists():
            facts = {"name": name, "host": host, "validates": validates, "store": store, "copies": copies}
            write(path, facts | {"ports": asdict(ports or Ports())})
        return cls(folder, lasting=lasting)

    def settle(self, **facts: Any) -> "Organisation":
        """The same with other facts in its file: `validates`, `copies`."""
        path = self.folder / "organisation.json"
        write(path, {**_read(path), **facts})
        return Organisation(self.folder, lasting=self._lasting)

    def share(self, secret: str) -> "Organisation":
        """The same with this as the secret of its own Cluster, in hex."""
        write(self.folder / _SECRET, secret)
        return Organisation(self.folder, lasting=self._lasting)

    # -- founding ----------------------------------------------------------------------------------------------------

    @property
    def genesis(self) -> Path:
        return self.folder / "genesis.json"

    def make_keys(self) -> None:
        """Draws the keys of its nodes, where that is not done yet. Raises EngineError."""
        self.folder.chmod(0o700)
        _ = self.kaia.key
        if self.store is None or self.cluster is None or self.guests is None:
            return
        ports = self.ports
        # Nobody listens at the third: it is kept for a proxy, which is left out.
        wanted = {"swarm": ports.cluster, "api": ports.cluster_api, "proxy": 0}
        if not (self.cluster.folder / "ports.json").exists():
            write(self.cluster.folder / "ports.json", wanted)
        side_by_side([self.store.found, self.guests.found, self.cluster.found])

    @property
    def card(self) -> Card:
        """How others reach its nodes, once their keys are made."""
        if self.store is None or self.cluster is None or self.guests is None:
            return Card(self.name, self.validates, self.kaia.enode)
        return Card(
            self.name,
            self.validates,
            self.kaia.enode,
            _swarm(self.store),
            _swarm(self.guests),
            self.cluster.swarm,
        )

    @property
    def secret(self) -> str:
        """The secret of its own Cluster in hex, made where it is missing: with it one may keep copies, and no more."""
        path = self.folder / _SECRET
        if not path.exists():
            write(path, secrets.token_hex(32))
        return str(_read(path))

    def peers(self) -> list[Card]:
        """The cards of the other organisations that it knows. Raises EngineError."""
        return _listed(self.folder / "peers.json", Card)

    def knows(self, cards: Iterable[Card]) -> None:
        """Names other organisations, for its nodes' next start; whoever is known already is known anew."""
        known = {card.name: card for card in (*self.peers(), *cards) if card.name != self.name}
        write(self.folder / "peers.json", [asdict(card) for card in known.values()])

    def forgets(self, name: str) -> None:
        """Drops another organisation, and the copies kept for it, from its nodes' next start on."""
        write(self.folder / "peers.json", [asdict(card) for card in self.peers() if card.name != name])
        write(self.folder / "keeps.json", [asdict(each) for each in self.kept() if each.name != name])

    def kept(self) -> list[Kept]:
        """For whom it keeps copies. Raises EngineError."""
        return _listed(self.folder / "keeps.json", Kept)

    def keeps(self, kept: Kept) -> None:
        """Keeps copies for another organisation, from its nodes' next start on. Raises EngineError."""
        if self.guests is None:
            raise EngineError(f"{self.name} has no store, and keeps nothing for others.")
        known = {each.name: each for each in (*self.kept(), kept)}
        write(self.folder / "keeps.json", [asdict(each) for each in known.values()])

    def found(self, genesis: Mapping[str, Any]) -> None:
        """Begins its chain with a first block, where it has none yet. Raises EngineError."""
        if not self.genesis.exists():
            write(self.genesis, genesis)
        self.kaia.found(self.genesis)

    def unfound(self) -> None:
        """Leaves the chain that was begun, so that another can be; its node's key stays."""
        self.genesis.unlink(missing_ok=True)
        for name in ("chaindata", "static-nodes.json", "transactions.rlp"):
            path = self.kaia.folder / "klay" / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    # -- running -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Runs its nodes, and waits until they answer. Raises EngineError."""
        try:
            side_by_side([self.start_chain, self.start_store])
        except BaseException:
            self.stop()
            raise

    def start_chain(self) -> None:
        """Runs its node of the chain, and waits until it answers. Raises EngineError."""
        self.configure_chain()
        self.kaia.start()

    def configure_chain(self) -> None:
        self.kaia.found(self.genesis)
        # Who only follows brings itself to those that validate; they need not know it.
        self.kaia.knows([card.chain for card in self.peers() if card.validates])

    def start_store(self) -> None:
        """Runs its store and what it keeps for others, and waits until they answer. Raises EngineError."""
        if self.store is None or self.cluster is None or self.guests is None:
            return
        self.configure_store()
        nodes = [self.store, self.guests]
        side_by_side([node.start for node in nodes])
        side_by_side([peer.start for peer in (self.cluster, *self.keepers())])
        for node in nodes:
            # Who is not there yet comes later, by itself.
            with suppress(OSError):
                node.meet()

    def meets(self, card: Card) -> None:
        """Has its running nodes ask those of another organisation too, without a new start."""
        for node in (self.store, self.guests):
            if node is not None and node.daemon.running:
                for address in (card.store, card.guests):
                    if address:
                        # Who is not there yet is met later, and configured for the next start.
                        with suppress(OSError):
                            node.stay_with(address)

    def configure_store(self) -> None:
        """Tells its nodes and peers of the others, for their next start. Raises EngineError."""
        if self.store is None or self.cluster is None or self.guests is None:
            return
        others = [address for card in self.peers() for address in (card.store, card.guests) if address]
        self.store.peer_with([*others, _swarm(self.guests)])
        self.guests.peer_with([*others, _swarm(self.store)])
        self.cluster.knows([], owners=[self.cluster.id])
        nodes: list[KuboNode | ClusterPeer] = [self.store, self.guests, self.cluster, *self.keepers()]
        for each in nodes:
            each.found()
            if not each.daemon.running:
                each.configure()

    def keepers(self) -> list[ClusterPeer]:
        """Its peers in the Clusters of those for whom it keeps copies."""
        return [self._keeper(each) for each in self.kept()]

    def stop(self) -> None:
        """Ends its nodes, the peers before the nodes that they command."""
        daemons = [daemon for daemon in self.daemons().values() if daemon.running]
        side_by_side([daemon.stop for daemon in daemons if daemon.name == "cluster"])
        side_by_side([daemon.stop for daemon in daemons if daemon.name != "cluster"])

    def daemons(self) -> dict[str, Daemon]:
        """Its programs by what they are: `chain`, `store`, `cluster`, `guests`, `keeper of NAME`."""
        found = {"chain": self.kaia.daemon}
        if self.store is not None and self.cluster is not None and self.guests is not None:
            found |= {"store": self.store.daemon, "guests": self.guests.daemon, "cluster": self.cluster.daemon}
            found |= {f"keeper of {each.name}": self._keeper(each).daemon for each in self.kept()}
        return found

    # -- how to talk to it -------------------------------------------------------------------------------------------

    @property
    def network(self) -> str:
        """Ape's name for the chain as its own node has it."""
        return f"ethereum:{NETWORK}:{self.kaia.url}"

    @property
    def place(self) -> str | None:
        """Its store as `--store` takes it: the node, and the Cluster peer by which others keep copies, where any do."""
        if self.store is None:
            return None
        node, peer = (f"/ip4/{LOOPBACK}/tcp/{port}" for port in (self.ports.store_api, self.ports.cluster_api))
        return f"{node},{peer}" if self.copies > 1 else node

    # -- inside ------------------------------------------------------------------------------------------------------

    def _kubo(self, name: str, api: int, swarm: int) -> KuboNode:
        folder = self.folder / name
        return KuboNode(folder, api_port=api, swarm_port=swarm, host=self.host, lasting=self._lasting)

    def _peer(self, name: str, owner: str, secret: str = "") -> ClusterPeer:
        return ClusterPeer(
            self.folder / name,
            node=f"/ip4/{LOOPBACK}/tcp/{self.ports.guests_api}",
            name=self.name,
            cluster=owner,
            secret=secret or self.secret,
            copies=self.copies,
            elsewhere=True,
            pulse=_PULSE,
            proxied=False,
            host=self.host,
            lasting=self._lasting,
        )

    def _keeper(self, kept: Kept) -> ClusterPeer:
        peer = self._peer(f"keeper-{kept.name}", kept.name, kept.secret)
        peer.knows([kept.cluster], owners=[kept.cluster.rpartition("/")[2]])
        return peer


def write(path: Path, value: Any) -> None:
    """Writes JSON that only its owner reads, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as file:
        json.dump(value, file, indent=1)
    os.replace(draft, path)


def _read(path: Path) -> Any:
    """The JSON in a file, None where there is none. Raises EngineError."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise EngineError(f"{path} is damaged; restore it from a backup.") from None


def _listed(path: Path, kind: Any) -> list[Any]:
    try:
        return [kind(**each) for each in _read(path) or []]
    except TypeError:
        raise EngineError(f"{path} is damaged; restore it from a backup.") from None


def _free(port: int, host: str) -> int:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            return port
        except OSError:
            return free_port(host)


def _swarm(node: KuboNode) -> str:
    """Where a founded node is reached."""
    return f"/ip4/{node.host}/tcp/{node.swarm_port}/p2p/{node.id}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run one organisation's nodes in the background, or end them.")
    parser.add_argument("act", choices=("start", "stop", "status"))
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args(arguments)
    try:
        organisation = Organisation(asked.folder)
        if asked.act == "start":
            organisation.start()
        if asked.act == "stop":
            organisation.stop()
        for name, daemon in organisation.daemons().items():
            print(f"{organisation.name} {name}: {'runs' if daemon.running else 'does not run'}")
    except EngineError as error:
        print(error, file=sys.stderr)
        return 6
    return 0


if __name__ == "__main__":
    sys.exit(main())

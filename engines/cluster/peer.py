"""Starts and stops IPFS Cluster peers: one beside a Kubo node, and the stores of several members together.

    python engines/cluster/peer.py FOLDER [--members 3]

brings up the stores of so many members on this machine, prints how to reach each, and runs until it is interrupted.
From Python:

    with Stores(folder, members=3) as stores:
        ClusterStore(*stores.members[0].addresses)

Each member has a Cluster of its own: its peer alone may change what is pinned there, and the others run a peer in it
that keeps copies. README.md says why.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engines.kubo.node import KuboNode
from engines.process import (
    LOOPBACK,
    Daemon,
    Engine,
    EngineError,
    Node,
    answer_of,
    built,
    free_port,
    need,
    serve,
    side_by_side,
)

BINARY = built("cluster", "ipfs-cluster-service")

_START_SECONDS = 60.0
_MEET_SECONDS = 60.0


class ClusterPeer(Node):
    """A peer with its identity and its pins in `folder`, which commands the Kubo node whose interface is at `node`.

    `host` is the IPv4 address at which other peers reach this one; its interfaces for clients have no password and
    stay on loopback. `copies` is on how many nodes a file is pinned unless the order says it; with `elsewhere` on none
    of an owner's. `pulse` in seconds is how often a peer says that it lives: what a lost one kept is pinned elsewhere
    two to four pulses later. `proxied` has it answer as a Kubo node would, too; unlike Kubo it then takes orders, to
    unpin among them, from any web page that a browser on this machine has open.
    """

    def __init__(
        self,
        folder: Path,
        *,
        node: str,
        name: str = "",
        cluster: str = "theriac",
        secret: str = "",
        copies: int = 2,
        elsewhere: bool = False,
        pulse: float = 15.0,
        proxied: bool = True,
        host: str = LOOPBACK,
        lasting: bool = False,
        prefix: Sequence[str] = (),
        binary: Path = BINARY,
    ) -> None:
        self.folder = folder
        self.name = name or folder.name
        self._node = node
        self._cluster = cluster
        self._secret = secret
        self._copies = copies
        self._elsewhere = elsewhere
        self._pulse = pulse
        self._proxied = proxied
        self._host = host
        self._binary = binary
        self._peers: Sequence[str] = ()
        self._owners: Sequence[str] = ()
        environment = {"IPFS_CLUSTER_PATH": str(folder)}
        # Who is named by --bootstrap would be trusted; the addresses in the settings are enough to meet.
        self.daemon = Daemon(
            [*prefix, binary, "daemon"], name="cluster", folder=folder, environment=environment, lasting=lasting
        )

    @property
    def id(self) -> str:
        """Its name among the peers, once it is founded."""
        return str(json.loads((self.folder / "identity.json").read_text())["id"])

    @property
    def swarm(self) -> str:
        """The multiaddress under which another peer reaches this one."""
        return f"/ip4/{self._host}/tcp/{self._ports['swarm']}/p2p/{self.id}"

    @property
    def api(self) -> str:
        """The multiaddress of its own HTTP interface, for ClusterStore."""
        return f"/ip4/{LOOPBACK}/tcp/{self._ports['api']}"

    @property
    def proxy(self) -> str:
        """The multiaddress at which it answers as a Kubo node would, for KuboStore."""
        return f"/ip4/{LOOPBACK}/tcp/{self._ports['proxy']}"

    @property
    def _ports(self) -> dict[str, int]:
        ports: dict[str, int] = json.loads((self.folder / "ports.json").read_text())
        return ports

    def found(self) -> None:
        """Makes its identity and chooses its ports, where that is not done yet. Raises EngineError."""
        need(self._binary, engine="cluster")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        if not (self.folder / "identity.json").exists():
            # The default, pebble, loses what it wrote last when its process is killed; LevelDB waits for the disk.
            self._run("init", "--consensus", "crdt", "--datastore", "leveldb", "--force")
        if not (self.folder / "ports.json").exists():
            # The host's address may be one of another network namespace, where nothing else listens.
            ports = {"swarm": free_port(), "api": free_port(), "proxy": free_port()}
            (self.folder / "ports.json").write_text(json.dumps(ports))

    def knows(self, peers: Sequence[str], *, owners: Sequence[str] = ()) -> None:
        """From its next start on: where the other peers are (`swarm` of each), and the ids of who may change pins.

        With no owner named only this peer itself may. Peers that do not own keep copies, and change nothing. An owner
        that may start at the same time as its keepers is told of none: they call it.
        """
        self._peers = peers
        self._owners = owners

    def start(self, *, wait: bool = True) -> None:
        """Runs it and waits until it answers. Raises EngineError."""
        if self.daemon.running:
            return
        self.found()
        self._configure()
        self.daemon.start()
        if wait:
            self.wait()

    def wait(self) -> None:
        """Waits until it answers. Raises EngineError."""
        try:
            self.daemon.wait(self._answers, seconds=_START_SECONDS)
        except BaseException:
            self.stop()
            raise

    def ask(self, path: str, *, method: str = "GET", seconds: float = 20.0) -> list[Any]:
        """What its HTTP interface answers, a value a line. Raises OSError."""
        _, _, host, _, port = self.api.split("/")
        request = urllib.request.Request(f"http://{host}:{port}/{path}", method=method)
        return [json.loads(line) for line in answer_of(request, seconds=seconds).splitlines() if line.strip()]

    def met(self) -> set[str]:
        """The ids of the peers that it hears from, itself among them."""
        # A peer is allocated to only once its free space is known too.
        return {each["peer"] for each in self.ask("monitor/metrics/freespace")[0] or () if each["valid"]}

    def _answers(self) -> bool:
        self.ask("version")
        return True

    def configure(self) -> None:
        """Writes what it reads when it starts, for whoever else starts it."""
        self._configure()

    def _configure(self) -> None:
        path = self.folder / "service.json"
        config: dict[str, Any] = json.loads(path.read_text())
        ports = self._ports
        pulse, two_pulses = f"{self._pulse:g}s", f"{2 * self._pulse:g}s"

        config["cluster"] |= {
            "peername": self.name,
            "listen_multiaddress": [f"/ip4/{self._host}/tcp/{ports['swarm']}"],
            "enable_relay_hop": False,
            "mdns_interval": "0s",
            "replication_factor_min": self._copies,
            "replication_factor_max": self._copies,
            "pin_only_on_untrusted_peers": self._elsewhere,
            "disable_repinning": False,
            "monitor_ping_interval": pulse,
            "pin_recover_interval": f"{20 * self._pulse:g}s",
            "state_sync_interval": f"{20 * self._pulse:g}s",
            "peer_addresses": list(self._peers),
        }
        if self._secret:
            config["cluster"]["secret"] = self._secret
        config["cluster"]["pubsub"]["heartbeat_interval"] = f"{min(self._pulse, 1):g}s"
        config["consensus"]["crdt"] |= {
            "cluster_name": self._cluster,
            "trusted_peers": list(self._owners),
            "rebroadcast_interval": pulse,
        }
        config["api"] = {
            "ipfsproxy": config["api"].get("ipfsproxy", {})
            | {"listen_multiaddress": f"/ip4/{LOOPBACK}/tcp/{ports['proxy']}", "node_multiaddress": self._node},
            "restapi": config["api"]["restapi"]
            # Whatever a browser on this machine has open must not speak to it.
            | {"http_listen_multiaddress": f"/ip4/{LOOPBACK}/tcp/{ports['api']}", "cors_allowed_origins": []},
        }
        if not self._peers:
            # What it remembers of an earlier run it would call.
            (self.folder / "peerstore").unlink(missing_ok=True)
        if not self._proxied:
            del config["api"]["ipfsproxy"]
        config["ipfs_connector"]["ipfshttp"] |= {
            "node_multiaddress": self._node,
            "pin_timeout": f"{8 * self._pulse:g}s",
        }
        config["monitor"]["pubsubmon"]["check_interval"] = pulse
        config["allocator"]["balanced"]["allocate_by"] = ["freespace"]
        for informer in config["informer"].values():
            informer["metric_ttl"] = two_pulses
        path.write_text(json.dumps(config, indent=2))
        path.chmod(0o600)

    def _run(self, *arguments: str) -> None:
        environment = os.environ | {"IPFS_CLUSTER_PATH": str(self.folder)}
        if self._secret:
            environment["CLUSTER_SECRET"] = self._secret
        done = subprocess.run([self._binary, *arguments], env=environment, capture_output=True, text=True)
        if done.returncode:
            raise EngineError(f"`ipfs-cluster-service {arguments[0]}` failed: {done.stderr.strip()}")


@dataclass(frozen=True)
class MemberStore:
    """What one member runs: the `node` of its own records, and `guests`, the node for copies of others'.

    No peer commands `node`. `peer` orders the copies of its records; `keepers` are the peers by which others, named by
    number, have it keep theirs.
    """

    node: KuboNode
    peer: ClusterPeer
    guests: KuboNode
    keepers: dict[int, ClusterPeer]

    @property
    def addresses(self) -> tuple[str, str]:
        """Where a client reaches the member's node and its peer."""
        return self.node.api, self.peer.api

    @property
    def place(self) -> str:
        """The store as the commands' `--store` takes it."""
        return ",".join(self.addresses)

    @property
    def kubos(self) -> tuple[KuboNode, KuboNode]:
        return self.node, self.guests

    @property
    def peers(self) -> tuple[ClusterPeer, ...]:
        return self.peer, *self.keepers.values()

    def kill(self) -> None:
        """Loses the machine."""
        for each in (*self.peers, *self.kubos):
            each.kill()


class Stores(Engine):
    """The stores of several members, laid out in `folder` the first time and found again later.

    Each member has a Cluster of its own. In it are its peer and those of `keepers` other members, all others if None.
    """

    def __init__(
        self,
        folder: Path,
        *,
        members: int = 3,
        keepers: int | None = None,
        owners: Sequence[int] | None = None,
        copies: int = 2,
        pulse: float = 15.0,
        hosts: Sequence[str] = (),
        prefixes: Sequence[Sequence[str]] = (),
        lasting: bool = False,
    ) -> None:
        self.folder = folder
        self._owners = list(range(members)) if owners is None else list(owners)
        self._secrets = folder / "secrets.json"
        self.members: list[MemberStore] = []
        keeping = members - 1 if keepers is None else min(keepers, members - 1)

        def kubo(number: int, name: str) -> KuboNode:
            place = folder / f"member-{number}" / name
            ports = _ports(place / "ports.json")
            return KuboNode(
                place,
                api_port=ports["api"],
                swarm_port=ports["swarm"],
                host=hosts[number] if hosts else LOOPBACK,
                prefix=prefixes[number] if prefixes else (),
                lasting=lasting,
            )

        def peer(number: int, owner: int, node: KuboNode) -> ClusterPeer:
            ports = _ports(node.folder / "ports.json")
            return ClusterPeer(
                folder / f"member-{number}" / ("peer" if number == owner else f"keeper-{owner}"),
                node=f"/ip4/{LOOPBACK}/tcp/{ports['api']}",
                name=f"member-{number}",
                cluster=f"member-{owner}",
                secret=self._secret(owner),
                copies=copies,
                elsewhere=True,
                pulse=pulse,
                host=hosts[number] if hosts else LOOPBACK,
                prefix=prefixes[number] if prefixes else (),
                lasting=lasting,
            )

        for number in range(members):
            node, guests = kubo(number, "node"), kubo(number, "guests")
            kept = [owner for owner in self._owners if owner != number and (number - owner) % members <= keeping]
            keep = {owner: peer(number, owner, guests) for owner in kept}
            self.members.append(MemberStore(node, peer(number, number, guests), guests, keep))

    def cluster(self, owner: int) -> list[ClusterPeer]:
        """The peers of one member's Cluster, its own first."""
        keepers = [each.keepers[owner] for each in self.members if owner in each.keepers]
        return [self.members[owner].peer, *keepers]

    @property
    def nodes(self) -> list[KuboNode]:
        """All nodes."""
        return [node for each in self.members for node in each.kubos]

    @property
    def peers(self) -> list[ClusterPeer]:
        return [peer for owner in self._owners for peer in self.cluster(owner)]

    def found(self) -> None:
        """Makes all identities, and tells each node and each peer of the others. Raises EngineError."""
        for node in self.nodes:
            node.found()
        addresses = {node.folder: _swarm(node) for node in self.nodes}
        for node in self.nodes:
            node.peer_with([where for folder, where in addresses.items() if folder != node.folder])
        for peer in self.peers:
            peer.found()
        self._introduce()

    def _introduce(self) -> None:
        for owner in self._owners:
            peers = self.cluster(owner)
            for peer in peers:
                others = [each.swarm for each in peers if each is not peer]
                peer.knows(others, owners=[self.members[owner].peer.id])

    def start(self) -> None:
        """Runs all of it and waits until the peers of each Cluster know each other. Raises EngineError."""
        self.found()
        for node in self.nodes:
            node.start(wait=False)
        for node in self.nodes:
            node.wait()
        # A peer that is called before it is ready never asks the caller for pins: so keepers call, and owners wait.
        owning = [self.members[owner].peer for owner in self._owners]
        for peer in owning:
            peer.knows([], owners=[peer.id])
        for peers in (owning, [peer for peer in self.peers if peer not in owning]):
            for peer in peers:
                peer.start(wait=False)
            for peer in peers:
                peer.wait()
        self._introduce()
        self.meet()

    def meet(self) -> None:
        """Waits until all nodes are connected, and each owner hears of all keepers, of those that run.

        Raises EngineError.
        """
        for node in self.nodes:
            if node.daemon.running:
                with suppress(OSError):
                    node.meet()
        for owner in self._owners:
            running = [peer for peer in self.cluster(owner) if peer.daemon.running]
            ids = {peer.id for peer in running}
            for peer in running[:1]:
                peer.daemon.wait(lambda peer=peer, ids=ids: peer.met() >= ids, seconds=_MEET_SECONDS)  # type: ignore[misc]

    @property
    def running(self) -> bool:
        """Whether any peer or node of it runs."""
        return any(each.running for each in (*self.peers, *self.nodes))

    def stop(self) -> None:
        """Ends all of it, peers before nodes."""
        side_by_side([peer.stop for peer in self.peers])
        side_by_side([node.stop for node in self.nodes])

    def _secret(self, owner: int) -> str:
        """The secret that the peers of one member's Cluster share: 32 bytes in hexadecimal digits."""
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = json.loads(self._secrets.read_text()) if self._secrets.exists() else {}
        if str(owner) not in kept:
            kept[str(owner)] = secrets.token_hex(32)
            handle = os.open(self._secrets, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w") as file:
                json.dump(kept, file)
        return str(kept[str(owner)])


def _ports(path: Path) -> dict[str, int]:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"api": free_port(), "swarm": free_port()}))
    ports: dict[str, int] = json.loads(path.read_text())
    return ports


def _swarm(node: KuboNode) -> str:
    """Where a founded node will be reached, before it runs."""
    return f"/ip4/{node.host}/tcp/{node.swarm_port}/p2p/{node.id}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the stores of several members until interrupted.")
    parser.add_argument("folder", type=Path, help="where they keep their blocks, their pins and their keys")
    parser.add_argument("--members", type=int, default=3, help="how many; two copies stand the loss of one of three")
    parser.add_argument("--keepers", type=int, help="how many other members keep copies for each; all if left out")
    parser.add_argument("--copies", type=int, default=2, help="on how many nodes each record is, its own among them")
    asked = parser.parse_args()

    stores = Stores(asked.folder, members=asked.members, keepers=asked.keepers, copies=asked.copies)
    return serve(
        stores,
        lambda running: [
            f"member {number}  --store {member.place}  proxy {member.peer.proxy}"
            for number, member in enumerate(running.members)
        ],
    )


if __name__ == "__main__":
    sys.exit(main())

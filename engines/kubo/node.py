"""Starts and stops a Kubo node of our own: on loopback only, with no peers but those named, and nothing announced.

    python engines/kubo/node.py FOLDER [--api PORT] [--swarm PORT] [--peer MULTIADDRESS ...]

prints the node's two addresses and runs until it is interrupted. From Python:

    with KuboNode(folder) as node:
        KuboStore(node.api)
"""

import argparse
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engines.process import LOOPBACK, Daemon, EngineError, Node, answer_of, built, need, serve

BINARY = built("kubo", "ipfs")
MISSING = "Kubo is not built; run `make engine-kubo`, which needs Go 1.26."

_START_SECONDS = 60.0
_AT_ONCE = 16


class KuboNode(Node):
    """A node with its repository in `folder`, made where it is missing. Port 0 lets the system choose.

    `peers` are swarm addresses (`.../p2p/<id>`) of the nodes to stay connected to. `host` is the IPv4 address at which
    they reach this one; its interface for clients has no password and stays on loopback.
    """

    def __init__(
        self,
        folder: Path,
        *,
        api_port: int = 0,
        swarm_port: int = 0,
        peers: Sequence[str] = (),
        host: str = LOOPBACK,
        lasting: bool = False,
        prefix: Sequence[str] = (),
        binary: Path = BINARY,
    ) -> None:
        self.folder = folder
        self.host = host
        self.swarm_port = swarm_port
        self._api_port = api_port
        self._peers = peers
        self._binary = binary
        environment = {"IPFS_PATH": str(folder), "IPFS_TELEMETRY": "off"}
        self.daemon = Daemon(
            [*prefix, binary, "daemon"], name="ipfs", folder=folder, environment=environment, lasting=lasting
        )

    @property
    def api(self) -> str:
        """The multiaddress of the HTTP interface, for KuboStore."""
        return (self.folder / "api").read_text().strip()

    @property
    def swarm(self) -> str:
        """The multiaddress under which another node reaches this one."""
        addresses: list[str] = self._ask("id")["Addresses"]
        return addresses[0]

    @property
    def id(self) -> str:
        """Its name among its peers, once its repository is made."""
        return str(json.loads((self.folder / "config").read_text())["Identity"]["PeerID"])

    def found(self) -> None:
        """Makes its repository where it is missing. Raises EngineError."""
        need(self._binary, engine="kubo")
        if not (self.folder / "config").exists():
            self._run("init", "--empty-repo")

    def peer_with(self, peers: Sequence[str]) -> None:
        """Names the nodes that it stays connected to, from its next start on."""
        self._peers = peers

    def start(self, *, wait: bool = True) -> None:
        """Run the daemon and wait until it answers. Raises EngineError."""
        if self.daemon.running:
            return
        self.found()
        self._configure()

        # A daemon that was killed leaves the file in which the next one says where it listens.
        (self.folder / "api").unlink(missing_ok=True)
        self.daemon.start()
        if wait:
            self.wait()

    def wait(self) -> None:
        """Wait until it answers. Raises EngineError."""
        try:
            self.daemon.wait(self._answers, seconds=_START_SECONDS)
        except BaseException:
            self.stop()
            raise

    def meet(self) -> None:
        """Connect to its peers now: by itself it tries again after five seconds, then less often.

        All are tried. Raises OSError where one was not reached.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            tried = [pool.submit(self._ask, f"swarm/connect?arg={quote(address)}") for address in self._peers]
        for each in tried:
            each.result()

    def stay_with(self, address: str) -> None:
        """Stays connected to one more node from now on; `peer_with` has it do so after its next start. Raises OSError.

        Of nodes at public addresses it asks those alone for a block: a connection that another made is not enough.
        """
        self._ask(f"swarm/peering/add?arg={quote(address)}")

    def configure(self) -> None:
        """Writes what it reads when it starts, for whoever else starts it."""
        self._configure()

    def _configure(self) -> None:
        path = self.folder / "config"
        config: dict[str, Any] = json.loads(path.read_text())

        config["Addresses"] |= {
            "API": f"/ip4/{LOOPBACK}/tcp/{self._api_port}",
            "Gateway": [],
            "Swarm": [f"/ip4/{self.host}/tcp/{self.swarm_port}"],
        }
        config["Peering"] = {"Peers": [_peer(address) for address in self._peers]}
        # Nothing here asks or tells anyone who was not named: no lookup, no announcement, no update, no telemetry.
        config["Bootstrap"] = []
        config["Routing"] = {"Type": "none"}
        config["DNS"] = {"Resolvers": {}}
        config["Ipns"]["DelegatedPublishers"] = []
        config["Discovery"]["MDNS"]["Enabled"] = False
        config["Provide"] = {"Enabled": False}
        for service in ("AutoConf", "AutoTLS", "HTTPRetrieval"):
            config[service] = {"Enabled": False}
        config["AutoNAT"] = {"ServiceMode": "disabled"}
        config["Swarm"] |= {
            "DisableNatPortMap": True,
            "RelayClient": {"Enabled": False},
            "RelayService": {"Enabled": False},
            "EnableHolePunching": False,
        }
        config["Version"] = {"SwarmCheckEnabled": False}
        config["Plugins"] = {"Plugins": {"telemetry": {"Disabled": True}}}

        path.write_text(json.dumps(config, indent=2))

    def _answers(self) -> bool:
        self._ask("version")
        return True

    def _ask(self, command: str) -> dict[str, Any]:
        _, _, host, _, port = self.api.split("/")
        request = urllib.request.Request(f"http://{host}:{port}/api/v0/{command}", method="POST")
        found: dict[str, Any] = json.loads(answer_of(request))
        return found

    def _run(self, *arguments: str) -> None:
        environment = os.environ | {"IPFS_PATH": str(self.folder), "IPFS_TELEMETRY": "off"}
        done = subprocess.run([self._binary, *arguments], env=environment, capture_output=True, text=True)
        if done.returncode:
            raise EngineError(f"`ipfs {' '.join(arguments)}` failed: {done.stderr.strip()}")


def _peer(address: str) -> dict[str, Any]:
    where, _, identity = address.rpartition("/p2p/")
    return {"ID": identity, "Addrs": [where]}


def main() -> int:
    parser = argparse.ArgumentParser(description="Run a Kubo node on loopback until it is interrupted.")
    parser.add_argument("folder", type=Path, help="where the node keeps its blocks and its keys")
    parser.add_argument("--api", type=int, default=0, help="port of the HTTP interface; chosen if left out")
    parser.add_argument("--swarm", type=int, default=0, help="port for the peers; chosen if left out")
    parser.add_argument("--peer", action="append", default=[], help="swarm address of another node, with its /p2p/ID")
    asked = parser.parse_args()

    node = KuboNode(asked.folder, api_port=asked.api, swarm_port=asked.swarm, peers=asked.peer)
    return serve(node, lambda running: [f"store  {running.api}", f"swarm  {running.swarm}"])


if __name__ == "__main__":
    sys.exit(main())

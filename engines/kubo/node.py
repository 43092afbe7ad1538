"""Starts and stops a Kubo node of our own: on loopback only, with no peers but those named, and nothing announced.

    python engines/kubo/node.py FOLDER [--api PORT] [--swarm PORT] [--peer MULTIADDRESS ...]

prints the node's two addresses and runs until it is interrupted. From Python:

    with KuboNode(folder) as node:
        KuboStore(node.api)
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

BINARY = Path(__file__).resolve().parents[2] / ".build" / "engines" / "kubo" / "bin" / "ipfs"
MISSING = "Kubo is not built; run `make engine-kubo`, which needs Go 1.26."

_START_SECONDS = 60
_STOP_SECONDS = 30


class KuboError(Exception):
    """The node cannot be had: one sentence."""


class KuboNode:
    """A node with its repository in `folder`, made where it is missing. Port 0 lets the system choose.

    `peers` are swarm addresses (`.../p2p/<id>`) of the nodes to stay connected to.
    """

    def __init__(
        self, folder: Path, *, api_port: int = 0, swarm_port: int = 0, peers: Sequence[str] = (), binary: Path = BINARY
    ) -> None:
        self.folder = folder
        self._api_port = api_port
        self._swarm_port = swarm_port
        self._peers = peers
        self._binary = binary
        self._daemon: subprocess.Popen[bytes] | None = None

    @property
    def api(self) -> str:
        """The multiaddress of the HTTP interface, for KuboStore."""
        return (self.folder / "api").read_text().strip()

    @property
    def swarm(self) -> str:
        """The multiaddress under which another node reaches this one."""
        addresses: list[str] = self._ask("id")["Addresses"]
        return addresses[0]

    def __enter__(self) -> "KuboNode":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Run the daemon and wait until it answers. Raises KuboError."""
        if not os.access(self._binary, os.X_OK):
            raise KuboError(MISSING)
        if not (self.folder / "config").exists():
            self._run("init", "--empty-repo")
        self._configure()

        # A daemon that was killed leaves the file in which the next one says where it listens.
        (self.folder / "api").unlink(missing_ok=True)
        with open(self.folder / "daemon.log", "wb") as log:
            # In a session of its own: an interrupt at the terminal reaches us, and we end it in order.
            self._daemon = subprocess.Popen(
                [self._binary, "daemon"], env=self._environment(), stdout=log, stderr=log, start_new_session=True
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def wait(self) -> None:
        """Return when the daemon ends by itself."""
        if self._daemon is not None:
            self._daemon.wait()

    def kill(self) -> None:
        """End the daemon as a power cut would; `start` runs it again."""
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait()
        self._daemon = None

    def stop(self) -> None:
        """End the daemon, by force where it does not end by itself."""
        if self._daemon is None:
            return
        self._daemon.terminate()
        try:
            self._daemon.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._daemon = None

    def _configure(self) -> None:
        path = self.folder / "config"
        config: dict[str, Any] = json.loads(path.read_text())

        config["Addresses"] |= {
            "API": f"/ip4/127.0.0.1/tcp/{self._api_port}",
            "Gateway": [],
            "Swarm": [f"/ip4/127.0.0.1/tcp/{self._swarm_port}"],
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

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._daemon is None or self._daemon.poll() is not None:
                break
            try:
                self._ask("version")
                return
            except (OSError, urllib.error.URLError):
                time.sleep(0.05)
        last = (self.folder / "daemon.log").read_text(errors="replace").strip().splitlines()[-1:]
        raise KuboError(f"Kubo did not start: {''.join(last) or 'it says nothing'}")

    def _ask(self, command: str) -> dict[str, Any]:
        _, _, host, _, port = self.api.split("/")
        request = urllib.request.Request(f"http://{host}:{port}/api/v0/{command}", method="POST")
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def _run(self, *arguments: str) -> None:
        done = subprocess.run([self._binary, *arguments], env=self._environment(), capture_output=True, text=True)
        if done.returncode:
            raise KuboError(f"`ipfs {' '.join(arguments)}` failed: {done.stderr.strip()}")

    def _environment(self) -> dict[str, str]:
        return os.environ | {"IPFS_PATH": str(self.folder), "IPFS_TELEMETRY": "off"}


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

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with KuboNode(asked.folder, api_port=asked.api, swarm_port=asked.swarm, peers=asked.peer) as node:
            print(f"store  {node.api}\nswarm  {node.swarm}", flush=True)
            node.wait()
    except KeyboardInterrupt:
        return 0
    except KuboError as error:
        print(error, file=sys.stderr)
    return 6


if __name__ == "__main__":
    sys.exit(main())

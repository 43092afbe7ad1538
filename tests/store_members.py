"""What the tests of members' stores ask of real nodes and peers."""

import io
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from engines.cluster.peer import BINARY as CLUSTER
from engines.cluster.peer import ClusterPeer, MemberStore, Stores
from engines.kubo.node import BINARY as KUBO
from engines.kubo.node import KuboNode
from theriac.store import Cid
from theriac.store.cluster import ClusterStore
from theriac.store.kubo import KuboStore

BUILT = CLUSTER.exists() and KUBO.exists()
MISSING = "Kubo and IPFS Cluster are not built; run `make engine-kubo engine-cluster`, which needs Go 1.26."
PULSE = 1.0
PATIENCE = timedelta(seconds=3)


def put(store: KuboStore, content: bytes) -> Cid:
    return store.put(io.BytesIO(content))


@contextmanager
def store_of(member: MemberStore) -> Iterator[ClusterStore]:
    with ClusterStore(*member.addresses, timeout=PATIENCE) as store:
        yield store


def eventually(what: Callable[[], bool], *, seconds: float = 60.0) -> float:
    """Waits until something is so; how many seconds that took."""
    begun = time.monotonic()
    while not what():
        assert time.monotonic() - begun < seconds, f"not so after {seconds:g} s"
        time.sleep(0.1)
    return time.monotonic() - begun


def collect(node: KuboNode) -> None:
    """Has a node remove all that is not pinned."""
    _, _, host, _, port = node.api.split("/")
    request = urllib.request.Request(f"http://{host}:{port}/api/v0/repo/gc", method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


def holders(stores: Stores, cid: Cid) -> set[str]:
    """The nodes that have a whole file themselves once all of them have cleared up, such as `1/guests`."""
    found = set()
    for number, member in enumerate(stores.members):
        for node in member.kubos:
            if not node.daemon.running:
                continue
            collect(node)
            with KuboStore(node.api, timeout=PATIENCE) as store:
                if store.has(cid):
                    found.add(f"{number}/{node.folder.name}")
    return found


def command(peer: ClusterPeer, path: str, method: str) -> tuple[int, Any]:
    """What a peer's operator can have it do: the status of the answer and its text."""
    _, _, host, _, port = peer.api.split("/")
    request = urllib.request.Request(f"http://{host}:{port}/{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def at_peers(store: ClusterStore, cid: Cid) -> tuple[str, ...]:
    """The peers by name that say they have a file."""
    [found] = [each for each in store.copies() if each.cid == str(cid)]
    return found.at


def rot(node: KuboNode, content: bytes) -> None:
    """Changes a byte of the one block with this content on a node's disk."""
    files = (path for path in node.folder.glob("blocks/*/*.data") if path.stat().st_size == len(content))
    (path,) = [path for path in files if path.read_bytes() == content]
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])


def swarm_peers(node: KuboNode) -> list[dict[str, Any]]:
    _, _, host, _, port = node.api.split("/")
    request = urllib.request.Request(f"http://{host}:{port}/api/v0/swarm/peers", method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return list(json.load(answer)["Peers"] or ())

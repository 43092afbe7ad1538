"""How fast files go to a node, to a node with copies elsewhere, and through Cluster's proxy; printed as ratios."""

import hashlib
import io
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from store_members import BUILT, MISSING, collect
from store_streams import keystream

from engines.cluster.peer import Stores
from theriac.store import Cid, compute
from theriac.store.cluster import ClusterStore
from theriac.store.kubo import KuboStore

pytestmark = [pytest.mark.engine, pytest.mark.heavy, pytest.mark.skipif(not BUILT, reason=MISSING)]

MIB = 1 << 20
LARGE = 100 * MIB
ROUNDS = 3


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    with Stores(tmp_path_factory.mktemp("stores"), members=3, owners=[0]) as stores:
        yield stores


def timed_put(store: KuboStore, content: bytes) -> tuple[Cid, float]:
    begun = time.monotonic()
    cid = store.put(io.BytesIO(content))
    return cid, time.monotonic() - begun


def timed_get(store: KuboStore, cid: Cid) -> tuple[bytes, float]:
    begun = time.monotonic()
    digest = hashlib.sha256()
    reader = store.get(cid)
    while content := reader.read(MIB):
        digest.update(content)
    return digest.digest(), time.monotonic() - begun


@pytest.mark.parametrize(("size", "count"), [(LARGE, 1), (100_000, 50)], ids=["100 MiB", "50 of 100 kB"])
def test_speed__put_and_get(stores: Stores, tmp_path: Path, size: int, count: int) -> None:
    member = stores.members[0]
    patience = timedelta(seconds=60)
    ways = {
        "a node": KuboStore(member.node.api, timeout=patience),
        "a node and copies elsewhere": ClusterStore(*member.addresses, timeout=patience),
        "the proxy": KuboStore(member.peer.proxy, timeout=patience),
    }
    best: dict[str, tuple[float, float]] = {}
    for turn in range(ROUNDS):
        for name, store in ways.items():
            puts = gets = 0.0
            cids = []
            for number in range(count):
                content = keystream(f"{name} {turn} {number}", size).read()
                cid, took = timed_put(store, content)
                digest, read = timed_get(store, cid)
                puts, gets = puts + took, gets + read
                cids.append(cid)
                # Whatever the way, it is the same file.
                assert cid == compute(io.BytesIO(content))
                assert digest == hashlib.sha256(content).digest()
            for cid in cids:
                store.unpin(cid)
            best[name] = tuple(min(pair) for pair in zip(best.get(name, (puts, gets)), (puts, gets), strict=True))  # type: ignore[assignment]
        for node in stores.nodes:
            collect(node)
    put, get = best["a node"]
    for name, (puts, gets) in best.items():
        rate = count * size / MIB
        print(f"{name}: put {rate / puts:.0f} MiB/s, {put / puts:.2f} of a node's", end="; ")
        print(f"get {rate / gets:.0f} MiB/s, {get / gets:.2f}")
    for store in ways.values():
        store.close()

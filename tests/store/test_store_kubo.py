"""KuboStore against a real Kubo node, which gives every file the identifier that we compute."""

import hashlib
import io
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import pytest
from store_streams import keystream, run_alone, sample

from engines.kubo.node import BINARY, MISSING, KuboNode
from theriac.errors import BadBlock, NodeUnreachable, NotStored, TheriacError, WrongBytes
from theriac.store import Cid, LocalStore, compute
from theriac.store.kubo import KuboStore

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not BINARY.exists(), reason=MISSING),
]

MIB = 1 << 20
SMALL = b"a sealed file"
LARGE = sample(2 * MIB + 100)
PATIENCE = timedelta(seconds=2)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KuboNode]:
    with KuboNode(tmp_path_factory.mktemp("kubo")) as node:
        yield node


@pytest.fixture
def store(node: KuboNode) -> Iterator[KuboStore]:
    with KuboStore(node.api, timeout=PATIENCE) as store:
        yield store


def put(store: KuboStore, content: bytes) -> Cid:
    return store.put(io.BytesIO(content))


def ask(node: KuboNode, command: str, content: bytes | None = None) -> list[dict[str, str]]:
    """Give the node a command as any other program would."""
    _, _, host, _, port = node.api.split("/")
    request = urllib.request.Request(f"http://{host}:{port}/api/v0/{command}", method="POST")
    if content is not None:
        request.add_header("Content-Type", "multipart/form-data; boundary=cut")
        request.data = (
            b'--cut\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n%b\r\n--cut--\r\n' % content
        )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return [json.loads(line) for line in answer]


def same(first: BinaryIO, second: BinaryIO) -> bool:
    digests = []
    for stream in (first, second):
        digest = hashlib.sha256()
        while content := stream.read(MIB):
            digest.update(content)
        digests.append(digest.digest())
    return digests[0] == digests[1]


class Interrupted(io.BytesIO):
    def __init__(self, content: bytes, then: Callable[[], object]) -> None:
        super().__init__(content)
        self._then = then

    def read(self, count: int | None = -1) -> bytes:
        if self.tell():
            self._then()
        return super().read(count)


# -- the same identifiers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size",
    [
        *(0, 1, 262_145, MIB, MIB + 1, 100 * MIB),
        pytest.param(1025 * MIB, marks=pytest.mark.heavy),
        pytest.param(1024 * MIB, marks=pytest.mark.heavy),
    ],
)
def test_put__equal_identifiers_of_both_stores(node: KuboNode, store: KuboStore, tmp_path: Path, size: int) -> None:
    # given
    local = LocalStore(tmp_path / "store")

    # when
    computed = compute(keystream("same", size))
    at_the_node = store.put(keystream("same", size))
    in_the_folder = local.put(keystream("same", size))

    # then
    assert at_the_node == in_the_folder == computed
    assert same(store.get(computed), keystream("same", size))
    assert same(local.get(computed), keystream("same", size))
    store.unpin(computed)
    collect(node)


def collect(node: KuboNode) -> None:
    """Have the node collect its garbage: all that is not pinned."""
    ask(node, "repo/gc")


@pytest.mark.heavy
def test_put_and_get__1025_mib_in_little_memory(node: KuboNode) -> None:
    # given
    program = f"""
import hashlib, resource
from store_streams import keystream
from theriac.store.kubo import KuboStore

with KuboStore({node.api!r}) as store:
    reader = store.get(store.put(keystream("memory", {1025 * MIB})))
    digest = hashlib.sha256()
    while content := reader.read(1 << 20):
        digest.update(content)
print(digest.hexdigest(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
    expected = hashlib.sha256()
    stream = keystream("memory", 1025 * MIB)
    while content := stream.read(MIB):
        expected.update(content)

    # when
    digest, peak = run_alone(program).split()

    # then
    print(f"peak memory {peak} MiB")
    assert digest == expected.hexdigest()
    assert int(peak) < 200


# -- getting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", SMALL, LARGE])
def test_get_digest__of_a_leaf_and_of_a_tree(store: KuboStore, content: bytes) -> None:
    # given
    cid = put(store, content)

    # then
    assert store.resolve(cid.digest) == cid
    assert store.get_digest(cid.digest).read() == content


def test_get__seeks(store: KuboStore) -> None:
    # given
    reader = store.get(put(store, LARGE))

    # when
    reader.seek(MIB - 2)

    # then
    assert reader.read(4) == LARGE[MIB - 2 : MIB + 2]


@pytest.mark.parametrize(
    "act",
    [KuboStore.get, KuboStore.pin, lambda store, cid: store.get_digest(cid.digest)],
    ids=["get", "pin", "get_digest"],
)
def test_get__what_nobody_has(store: KuboStore, act: Callable[[KuboStore, Cid], object]) -> None:
    # given
    cid = compute(io.BytesIO(b"nobody has this"))
    started = time.monotonic()

    # when
    with pytest.raises(NotStored) as refused:
        act(store, cid)

    # then
    assert (refused.value.cid, refused.value.store) == (str(cid), store.place)
    assert time.monotonic() - started < 3 * PATIENCE.total_seconds()


def test_get__rotten_block_at_the_node(store: KuboStore, node: KuboNode) -> None:
    # given
    content = sample(5000)[::-1]
    cid = put(store, content)
    (block,) = [path for path in node.folder.glob("blocks/*/*.data") if path.read_bytes() == content]
    block.write_bytes(b"\x00" + content[1:])

    # when
    with pytest.raises(WrongBytes) as refused:
        store.get(cid)

    # then
    assert (refused.value.cid, refused.value.store) == (str(cid), store.place)


def test_get__file_that_was_cut_with_other_options(store: KuboStore, node: KuboNode) -> None:
    # given
    ((answer),) = ask(node, "add?cid-version=1&raw-leaves=true&chunker=size-262144", LARGE)
    foreign = Cid.parse(answer["Hash"])

    # then
    with pytest.raises(BadBlock):
        store.get(foreign)
    with pytest.raises(BadBlock):
        store.pin(foreign)


@pytest.mark.parametrize(
    "layout",
    [
        "raw-leaves=false&max-file-links=1024",
        "raw-leaves=true&max-file-links=2",
        "raw-leaves=true&max-file-links=1024&wrap-with-directory=true",
        "max-file-links=1024&mode=0644",
    ],
)
def test_get__other_layouts(store: KuboStore, node: KuboNode, layout: str) -> None:
    # given
    *_, answer = ask(node, f"add?cid-version=1&chunker=size-1048576&{layout}", sample(3 * MIB))

    # then
    with pytest.raises(BadBlock):
        store.get(Cid.parse(answer["Hash"])).read()


# -- pins ------------------------------------------------------------------------------------------------------------


def test_put__is_pinned(store: KuboStore, node: KuboNode) -> None:
    # given
    cid = put(store, LARGE[::-1])

    # when
    collect(node)

    # then
    assert store.has(cid)
    assert ask(node, f"pin/ls?arg={cid}") == [{"Keys": {str(cid): {"Type": "recursive", "Name": ""}}}]


def test_unpin__then_the_node_collects(store: KuboStore, node: KuboNode) -> None:
    # given
    cid = put(store, sample(MIB + 5)[::-1])

    # when
    store.unpin(cid)
    before = store.has(cid)
    collect(node)

    # then
    assert (before, store.has(cid)) == (True, False)


def test_pin__keeps_what_was_unpinned(store: KuboStore, node: KuboNode) -> None:
    # given
    cid = put(store, LARGE[: MIB + 9])
    store.unpin(cid)

    # when
    store.pin(cid)
    store.pin(cid)
    collect(node)

    # then
    assert store.get(cid).read() == LARGE[: MIB + 9]


def test_unpin__what_is_not_pinned(store: KuboStore) -> None:
    cid = compute(io.BytesIO(b"never put"))

    store.unpin(cid)

    assert store.has(cid) is False


def test_has__a_leaf_is_missing(store: KuboStore, node: KuboNode) -> None:
    # given
    content = sample(2 * MIB)[::-1]
    cid = put(store, content)
    leaf = Cid.raw(hashlib.sha256(content[MIB:]).digest())
    store.unpin(cid)
    before = store.has(cid)

    # when
    ask(node, f"block/rm?arg={leaf}")

    # then
    assert (before, store.has(cid)) == (True, False)


# -- nodes that go away ----------------------------------------------------------------------------------------------


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[KuboNode]:
    with KuboNode(tmp_path / "mortal") as node:
        yield node


def test_read__node_that_ends_in_the_middle(mortal: KuboNode) -> None:
    # given
    address = mortal.api
    store = KuboStore(address, timeout=PATIENCE)
    reader = store.get(put(store, LARGE))
    released = reader.read(MIB)
    mortal.stop()

    # when
    with pytest.raises(NodeUnreachable) as refused:
        reader.read(1)

    # then
    assert released == LARGE[:MIB]
    assert refused.value.address == address


def test_put__node_that_ends_in_the_middle_and_comes_back(mortal: KuboNode) -> None:
    # given
    with KuboStore(mortal.api, timeout=PATIENCE) as store, pytest.raises(NodeUnreachable):
        store.put(Interrupted(sample(30 * MIB), mortal.kill))

    # when
    mortal.start()
    with KuboStore(mortal.api, timeout=PATIENCE) as store:
        before = store.has(compute(io.BytesIO(LARGE)))
        cid = put(store, LARGE)

        # then
        assert before is False
        assert store.get(cid).read() == LARGE


def test_get__node_that_came_back_at_the_same_port(mortal: KuboNode) -> None:
    # given
    with KuboStore(mortal.api, timeout=PATIENCE) as store:
        cid = put(store, LARGE)
        port = int(mortal.api.rpartition("/")[2])
        mortal.kill()

        # when
        with KuboNode(mortal.folder, api_port=port):
            content = store.get(cid).read()

    # then
    assert content == LARGE


@pytest.mark.parametrize("act", [KuboStore.get, KuboStore.pin, KuboStore.unpin, KuboStore.has])
def test_any__node_that_does_not_run(act: Callable[[KuboStore, Cid], object]) -> None:
    # given
    store = KuboStore("/ip4/127.0.0.1/tcp/9", timeout=PATIENCE)

    # when
    with pytest.raises(TheriacError) as refused:
        act(store, compute(io.BytesIO(SMALL)))

    # then
    assert str(refused.value) == (
        "The IPFS node at /ip4/127.0.0.1/tcp/9 does not answer (Connection refused); "
        "check that it runs there, then try again."
    )


def wait_for_peer(node: KuboNode) -> None:
    deadline = time.monotonic() + 60
    while ask(node, "swarm/peers") == [{"Peers": None}]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_pin__fetches_from_a_peer_and_keeps(node: KuboNode, store: KuboStore, tmp_path: Path) -> None:
    # given: a second node that knows the first alone
    cid = put(store, LARGE + b"for a peer")
    with KuboNode(tmp_path / "peer", peers=[node.swarm]) as peer, KuboStore(peer.api, timeout=PATIENCE) as other:
        before = other.has(cid)
        wait_for_peer(peer)

        # when
        content = other.get(cid).read()
        other.pin(cid)
        collect(peer)

        # then
        assert before is False
        assert content == LARGE + b"for a peer"
        assert other.has(cid) is True


def test_node__listens_on_loopback_and_knows_nobody(node: KuboNode) -> None:
    # when
    ((identity),) = ask(node, "id")
    peers = ask(node, "swarm/peers")

    # then
    assert all(address.startswith("/ip4/127.0.0.1/tcp/") for address in identity["Addresses"])
    assert peers == [{"Peers": None}]

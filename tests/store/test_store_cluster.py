"""Members' stores on real nodes: copies elsewhere, erasure everywhere, and a member that is hostile."""

import hashlib
import io
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_members import (
    BUILT,
    MISSING,
    PATIENCE,
    PULSE,
    at_peers,
    command,
    eventually,
    holders,
    put,
    rot,
    store_of,
)
from store_streams import keystream, sample

from engines.cluster.peer import Stores
from theriac.errors import (
    BadNodeAddress,
    ClusterFailed,
    ClusterUnreachable,
    CutByProxy,
    NodeUnreachable,
    NotStored,
    SameNode,
    WrongBytes,
)
from theriac.store import compute
from theriac.store.cluster import OWN, ClusterStore
from theriac.store.kubo import KuboStore

pytestmark = [pytest.mark.engine, pytest.mark.skipif(not BUILT, reason=MISSING)]

MIB = 1 << 20
LARGE = sample(2 * MIB + 100)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """Three members. The first two have Clusters, in which the others keep copies."""
    with Stores(tmp_path_factory.mktemp("stores"), members=3, owners=[0, 1], pulse=PULSE) as stores:
        yield stores


@pytest.fixture
def store(stores: Stores) -> Iterator[ClusterStore]:
    with store_of(stores.members[0]) as store:
        yield store


# -- copies ----------------------------------------------------------------------------------------------------------


def test_put__own_node_at_once_and_another_member_soon(stores: Stores, store: ClusterStore) -> None:
    # when
    cid = put(store, LARGE)
    at_once = holders(stores, cid)
    took = eventually(lambda: len(at_peers(store, cid)) == 2)

    # then: no clearing up takes either
    print(f"second copy after {took:.2f} s")
    after = holders(stores, cid)
    assert "0/node" in at_once
    assert len(after) == 2
    assert after - {"0/node"} <= {"1/guests", "2/guests"}
    assert store.lacking == {}


def test_get__from_a_member_that_has_it_not(stores: Stores, store: ClusterStore) -> None:
    # given
    cid = put(store, LARGE + b"for the doctor")
    with KuboStore(stores.members[2].node.api, timeout=PATIENCE) as other:
        before = other.has(cid)

        # then
        assert before is False
        assert other.get_digest(cid.digest).read() == LARGE + b"for the doctor"


def test_unpin__reaches_every_copy(stores: Stores, store: ClusterStore) -> None:
    # given
    cid = put(store, LARGE + b"to erase")
    eventually(lambda: len(at_peers(store, cid)) == 2)

    # when
    store.unpin(cid)

    # then
    took = eventually(lambda: holders(stores, cid) == set())
    print(f"gone everywhere after {took:.2f} s")
    assert str(cid) not in {each.cid for each in store.copies()}


def test_unpin__what_was_never_put(store: ClusterStore) -> None:
    store.unpin(compute(io.BytesIO(b"never put")))


def test_pin__another_members_file__own_node_keeps_it(stores: Stores, store: ClusterStore) -> None:
    # given
    with store_of(stores.members[1]) as other:
        cid = put(other, LARGE + b"of another member")

        # when
        store.pin(cid)
        other.unpin(cid)

        # then
        eventually(lambda: len(at_peers(store, cid)) == 2)
        assert store.get(cid).read() == LARGE + b"of another member"
        assert "0/node" in holders(stores, cid)


# -- peers and machines that go away ---------------------------------------------------------------------------------


@pytest.mark.heavy
def test_unpin__at_a_keeper_that_is_away__when_it_comes_back(stores: Stores, store: ClusterStore) -> None:
    # given
    cid = put(store, LARGE + b"erased while one is away")
    eventually(lambda: len(at_peers(store, cid)) == 2)
    [where] = holders(stores, cid) - {"0/node"}
    keeper = stores.members[int(where[0])].keepers[0]
    keeper.kill()

    # when
    store.unpin(cid)
    while_away = holders(stores, cid)
    keeper.start()

    # then
    took = eventually(lambda: holders(stores, cid) == set())
    print(f"gone {took:.2f} s after the keeper came back")
    assert while_away == {where}
    stores.meet()


def test_lost_keeper__the_copy_is_made_elsewhere(stores: Stores, store: ClusterStore) -> None:
    # given
    cid = put(store, LARGE + b"kept by one that is lost")
    eventually(lambda: len(at_peers(store, cid)) == 2)
    [where] = holders(stores, cid) - {"0/node"}
    lost = stores.members[int(where[0])]
    other = f"{3 - int(where[0])}/guests"

    # when
    lost.keepers[0].kill()
    lost.guests.kill()
    took = eventually(lambda: other in holders(stores, cid))

    # then
    print(f"copied elsewhere {took:.1f} s after the loss, with a pulse of {PULSE:g} s")
    lost.guests.start()
    lost.keepers[0].start()
    stores.meet()
    assert {"0/node", other} <= holders(stores, cid)


def test_put__own_peer_killed__kept_and_said_and_copied_later(stores: Stores, store: ClusterStore) -> None:
    # given
    peer = stores.members[0].peer
    peer.kill()

    # when
    alone = put(store, LARGE + b"while the peer is dead")
    fault = store.lacking[alone]
    with store_of(stores.members[1]) as another_members:
        theirs = put(another_members, LARGE + b"of one whose peer lives")
        eventually(lambda: len(at_peers(another_members, theirs)) == 2)
    with pytest.raises(ClusterUnreachable):
        store.unpin(alone)

    # then
    assert str(fault) == (
        f"The IPFS Cluster peer at {store.peer} does not answer (Connection refused); "
        "check that it runs there, then try again."
    )
    assert holders(stores, alone) == {"0/node"}

    # and its state is back after a start, and the next file brings the copies of the last
    before = time.monotonic()
    peer.start()
    stores.meet()
    print(f"peer back after {time.monotonic() - before:.1f} s")
    put(store, b"the next one")
    assert store.lacking == {}
    eventually(lambda: len(at_peers(store, alone)) == 2)


def test_peer__killed_right_after_a_put__still_knows_what_to_unpin(stores: Stores, store: ClusterStore) -> None:
    # given
    peer = stores.members[0].peer
    cid = put(store, LARGE + b"the last before the kill")
    peer.kill()

    # when
    peer.start()
    stores.meet()
    eventually(lambda: len(at_peers(store, cid)) == 2)
    store.unpin(cid)

    # then
    eventually(lambda: holders(stores, cid) == set())


@pytest.mark.heavy
def test_peer__that_lost_its_folder__claims_no_unpin_and_learns_from_a_keeper(
    stores: Stores, store: ClusterStore
) -> None:
    # given
    peer, keepers = stores.members[0].peer, stores.cluster(0)[1:]
    cid = put(store, LARGE + b"forgotten by the peer that ordered it")
    eventually(lambda: len(at_peers(store, cid)) == 2)
    peer.kill()
    shutil.rmtree(peer.folder / "leveldb")
    peer.start()
    stores.meet()

    # when
    with pytest.raises(ClusterFailed) as refused:
        store.unpin(cid)
    at_first = holders(stores, cid)
    peer.stop()
    others = [each.swarm for each in keepers]
    peer.knows(others, owners=[peer.id, *(each.id for each in keepers)])
    peer.start()
    stores.meet()
    took = eventually(lambda: command(peer, f"allocations/{cid}", "GET")[0] == 200)
    peer.stop()
    peer.knows(others, owners=[peer.id])
    peer.start()
    stores.meet()
    store.unpin(cid)

    # then
    print(f"its pins are back after {took:.1f} s")
    assert "no pin known, but own node, member-" in str(refused.value)
    assert len(at_first) == 2
    eventually(lambda: holders(stores, cid) == set())


@pytest.mark.heavy
def test_put__no_keeper_runs__kept_and_repaired_later(stores: Stores, store: ClusterStore) -> None:
    # given
    for keeper in stores.cluster(0)[1:]:
        keeper.kill()
    eventually(lambda: stores.members[0].peer.met() == {stores.members[0].peer.id})

    # when
    cid = put(store, LARGE + b"nobody to copy it")
    [found] = [each for each in store.copies() if each.cid == str(cid)]
    fault = store.lacking[cid]
    for keeper in stores.cluster(0)[1:]:
        keeper.start()
    stores.meet()
    repaired = [each.cid for each in store.repair()]

    # then
    assert (found.at, found.enough) == ((OWN,), False)
    assert "not enough peers to allocate" in str(fault)
    assert str(cid) in repaired
    eventually(lambda: len(at_peers(store, cid)) == 2)


def test_own_node__lost_with_its_disk__filled_again_from_the_copies(stores: Stores, store: ClusterStore) -> None:
    # given
    member = stores.members[0]
    cid = put(store, LARGE + b"on a disk that dies")
    eventually(lambda: len(at_peers(store, cid)) == 2)
    member.node.kill()
    for path in (*member.node.folder.glob("blocks/*/*.data"), *member.node.folder.glob("datastore/*")):
        path.unlink()
    member.node.start()
    stores.meet()
    before = store.has(cid)

    # when
    [found] = [each for each in store.copies() if each.cid == str(cid)]
    for _ in store.repair():
        pass

    # then
    assert before is False
    assert found.faults == {OWN: "not pinned"}
    assert "0/node" in holders(stores, cid)
    assert store.get(cid).read() == LARGE + b"on a disk that dies"


# -- a hostile member ------------------------------------------------------------------------------------------------


def test_keeper__that_unpins_in_its_own_peer__removes_its_own_copy_alone(stores: Stores, store: ClusterStore) -> None:
    # given a record whose copy is at a member that turns hostile, and which has all that a keeper has
    cid = put(store, LARGE + b"wanted gone by another")
    eventually(lambda: len(at_peers(store, cid)) == 2)
    [where] = holders(stores, cid) - {"0/node"}
    hostile = stores.members[int(where[0])].keepers[0]

    # when
    status, _ = command(hostile, f"pins/ipfs/{cid}", "DELETE")
    eventually(lambda: where not in holders(stores, cid))
    time.sleep(3 * PULSE)

    # then: the owner's pins stand, its node has the record, and it sees what is missing and has it back
    [found] = [each for each in store.copies() if each.cid == str(cid)]
    assert status == 200
    assert "0/node" in holders(stores, cid)
    assert not found.enough
    assert str(cid) in [each.cid for each in store.repair()]
    eventually(lambda: len(at_peers(store, cid)) == 2)


def test_member__that_pins_and_unpins_anothers_record__reaches_no_own_node(stores: Stores, store: ClusterStore) -> None:
    # given a record of the first member with a copy among the guests of another
    cid = put(store, LARGE + b"pinned by a foreign Cluster")
    eventually(lambda: len(at_peers(store, cid)) == 2)

    # when the second member, in whose Cluster the others are keepers, pins it everywhere and unpins it
    hostile = stores.members[1].peer
    command(hostile, f"pins/ipfs/{cid}?replication-min=-1&replication-max=-1", "POST")
    time.sleep(2 * PULSE)
    status, _ = command(hostile, f"pins/ipfs/{cid}", "DELETE")
    command(hostile, "ipfs/gc", "POST")
    time.sleep(2 * PULSE)
    left = holders(stores, cid)
    for _ in store.repair():
        pass

    # then: a copy among guests may go, which is seen and mended; the own node is out of its reach
    print(f"left: {sorted(left)}")
    assert status == 200
    assert "0/node" in left
    eventually(lambda: len(at_peers(store, cid)) == 2)
    assert len(holders(stores, cid)) == 2


def test_keeper__that_has_every_node_clear_up__reaches_no_own_node(stores: Stores, store: ClusterStore) -> None:
    # given something at the owner's node that is not pinned
    cid = put(store, LARGE + b"not pinned any more")
    store.unpin(cid)
    with KuboStore(stores.members[0].node.api, timeout=PATIENCE) as own:
        eventually(lambda: str(cid) not in own.pinned())

        # when
        command(stores.members[1].keepers[0], "ipfs/gc", "POST")

        # then
        assert own.has(cid) is True


# -- bytes that are wrong, nodes that are late -----------------------------------------------------------------------


def test_get__rotten_block_at_the_own_node__refused_then_healed_from_a_copy(
    stores: Stores, store: ClusterStore
) -> None:
    # given
    content = sample(3 * MIB)[::-1]
    cid = put(store, content)
    eventually(lambda: len(at_peers(store, cid)) == 2)
    rot(stores.members[0].node, content[:MIB])
    with pytest.raises(WrongBytes) as refused:
        store.get(cid).read()

    # when: putting it again changes nothing at a node
    put(store, content)
    with pytest.raises(WrongBytes):
        store.get(cid).read()
    before = time.monotonic()
    healed = store.heal()

    # then
    print(f"healed in {time.monotonic() - before:.2f} s")
    leaf = compute(io.BytesIO(content[:MIB]))
    assert "store repair --verify" in str(refused.value)
    assert (healed.rotten, healed.lost) == ((str(leaf),), ())
    assert hashlib.sha256(store.get(cid).read()).digest() == hashlib.sha256(content).digest()
    assert "0/node" in holders(stores, cid)


@pytest.mark.heavy
def test_get__rotten_copy__does_not_reach_a_reader(stores: Stores, store: ClusterStore) -> None:
    # given a copy that rots while the own node is away
    content = sample(4000)[::-1]
    cid = put(store, content)
    eventually(lambda: len(at_peers(store, cid)) == 2)
    [where] = holders(stores, cid) - {"0/node"}
    rot(stores.members[int(where[0])].guests, content)
    stores.members[0].node.kill()
    with KuboStore(stores.members[2].node.api, timeout=PATIENCE) as other:
        # when
        with pytest.raises(NotStored):
            other.get(cid)
        stores.members[0].node.start()
        stores.meet()

        # then: it comes from the sound one
        def read() -> bool:
            try:
                return other.get(cid).read() == content
            except NotStored:
                return False

        print(f"read from the sound node after {eventually(read):.1f} s")


def test_any__node_that_stands_still__ends_in_a_sentence_and_goes_on_later(stores: Stores, store: ClusterStore) -> None:
    # given
    cid = put(store, LARGE + b"at a node that is late")
    node = stores.members[0].node
    node.daemon.suspend()
    before = time.monotonic()

    # when
    try:
        with pytest.raises(NotStored):
            store.get(cid)
        with pytest.raises(NodeUnreachable) as refused:
            put(store, b"too late")
        waited = time.monotonic() - before
    finally:
        node.daemon.resume()

    # then
    assert "silent for 3 s" in str(refused.value)
    assert waited < 4 * PATIENCE.total_seconds()
    assert store.get(cid).read() == LARGE + b"at a node that is late"
    assert store.has(put(store, b"too late"))


class Deadly(io.BytesIO):
    """A file during whose reading something happens."""

    def __init__(self, content: bytes, then: object) -> None:
        super().__init__(content)
        self._then = then

    def read(self, count: int | None = -1) -> bytes:
        if self.tell() > 4 * MIB:
            self._then()  # type: ignore[operator]
        return super().read(count)


def test_put__node_killed_in_the_middle__nothing_half_pinned_and_put_again(stores: Stores, store: ClusterStore) -> None:
    # given
    content = sample(20 * MIB)
    node = stores.members[0].node

    # when
    with pytest.raises(NodeUnreachable) as refused:
        store.put(Deadly(content, node.kill))
    before = time.monotonic()
    node.start()
    back = time.monotonic() - before
    pinned = list(store.pinned())
    cid = put(store, content)

    # then
    print(f"node back after {back:.2f} s")
    stores.meet()
    assert "check that it runs there, then try again" in str(refused.value)
    assert str(cid) not in pinned
    eventually(lambda: len(at_peers(store, cid)) == 2)
    assert hashlib.sha256(store.get(cid).read()).digest() == hashlib.sha256(content).digest()


# -- through the proxy -----------------------------------------------------------------------------------------------


@pytest.fixture
def proxy(stores: Stores) -> Iterator[KuboStore]:
    with KuboStore(stores.members[0].peer.proxy, timeout=PATIENCE) as proxy:
        yield proxy


def test_proxy__keeps_what_a_store_promises(stores: Stores, store: ClusterStore, proxy: KuboStore) -> None:
    # when
    cid = put(proxy, LARGE + b"through the proxy")
    at_once = proxy.has(cid)
    eventually(lambda: len(holders(stores, cid)) == 2)

    # then: on the node behind the proxy too, in the same form, and gone everywhere once unpinned
    assert at_once is True
    assert "0/guests" in holders(stores, cid)
    assert proxy.get(cid).read() == LARGE + b"through the proxy"
    proxy.unpin(cid)
    proxy.unpin(cid)
    eventually(lambda: holders(stores, cid) == set())
    assert proxy.has(cid) is False


def test_proxy__pins_what_can_be_had_and_nothing_else(stores: Stores, proxy: KuboStore) -> None:
    # given
    nowhere = compute(io.BytesIO(b"nobody has this"))
    with store_of(stores.members[1]) as other:
        cid = put(other, LARGE + b"pinned through the proxy")

    # when
    proxy.pin(cid)
    with pytest.raises(NotStored):
        proxy.pin(nowhere)

    # then
    assert proxy.has(cid) is True
    assert command(stores.members[0].peer, f"allocations/{nowhere}", "GET")[0] == 404


def test_proxy__has_tells_of_the_own_node_and_not_of_the_cluster(
    stores: Stores, store: ClusterStore, proxy: KuboStore
) -> None:
    # given something that the Cluster is asked to pin and nobody has
    nowhere = compute(io.BytesIO(b"the Cluster waits for this"))
    command(stores.members[0].peer, f"pins/ipfs/{nowhere}", "POST")

    # then
    assert proxy.has(nowhere) is False
    store.unpin(nowhere)


@pytest.mark.heavy
def test_proxy__file_that_it_cuts_otherwise__refused_and_not_pinned(stores: Stores, proxy: KuboStore) -> None:
    # given: more leaves than the proxy has links in a node
    before = set(proxy.pinned())

    # when
    with pytest.raises(CutByProxy) as refused:
        proxy.put(keystream("cut", 175 * MIB))

    # then
    assert "name the node and its peer instead of the proxy" in str(refused.value)
    assert set(proxy.pinned()) == before


@pytest.mark.heavy
def test_put__file_that_the_proxy_cuts_otherwise__keeps_its_identifier(store: ClusterStore) -> None:
    # when
    cid = store.put(keystream("cut", 175 * MIB))

    # then
    assert cid == compute(keystream("cut", 175 * MIB))
    eventually(lambda: len(at_peers(store, cid)) == 2)
    store.unpin(cid)


# -- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["", "127.0.0.1:9094", "/ip4/127.0.0.1", "/ip4/127.0.0.1/udp/9094"])
def test_store__address_that_is_none(address: str) -> None:
    with pytest.raises(BadNodeAddress):
        ClusterStore("/ip4/127.0.0.1/tcp/5001", address)


def test_put__peer_that_commands_the_own_node__is_refused(stores: Stores) -> None:
    # given
    member = stores.members[0]

    # then
    with ClusterStore(member.guests.api, member.peer.api) as wrong, pytest.raises(SameNode):
        put(wrong, b"kept, and to be put elsewhere")


def test_peers__listen_on_loopback_and_tell_nobody(stores: Stores, tmp_path: Path) -> None:
    # when
    peers = [peer.ask("id")[0] for peer in stores.peers]

    # then
    assert all(address.startswith("/ip4/127.0.0.1/tcp/") for peer in peers for address in peer["addresses"])
    for peer in stores.peers:
        assert (peer.folder / "service.json").stat().st_mode & 0o077 == 0
        assert not any(
            "secret" in argument.lower()
            for argument in Path(f"/proc/{peer.daemon.pid}/cmdline").read_text().split("\0")
        )

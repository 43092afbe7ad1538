"""A cable is pulled between members' machines, which are network namespaces, and plugged in again."""

import os
from collections.abc import Iterator

import pytest
from store_members import BUILT, MISSING, PATIENCE, PULSE, at_peers, eventually, put, store_of, swarm_peers
from store_networks import Cables
from store_streams import sample

from engines.cluster.peer import Stores
from theriac.errors import NotStored
from theriac.store.cluster import OWN
from theriac.store.kubo import KuboStore

pytestmark = [pytest.mark.engine, pytest.mark.heavy, pytest.mark.skipif(not BUILT, reason=MISSING)]

RECORD = sample((2 << 20) + 100)


@pytest.fixture(scope="module")
def cables() -> Iterator[Cables]:
    if os.geteuid() != 0 or not Cables.can():
        pytest.skip("network namespaces need root and the program ip: run the tests with sudo on Linux")
    with Cables(3) as cables:
        yield cables


@pytest.fixture(scope="module")
def stores(cables: Cables, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    stores = Stores(tmp_path_factory.mktemp("stores"), members=3, owners=[0], pulse=PULSE, hosts=cables.hosts)
    stores.found()
    try:
        for number, member in enumerate(stores.members):
            with cables.at(number):
                for node in member.kubos:
                    node.start()
                for peer in (peer for peer in member.peers if peer in stores.peers):
                    peer.start()
        for number in range(3):
            with cables.at(number):
                connect(stores, number)
        with cables.at(0):
            eventually(lambda: len(stores.members[0].peer.met()) == 3)
        yield stores
    finally:
        stores.stop()


def connect(stores: Stores, number: int) -> None:
    for node in stores.members[number].kubos:
        node.meet()


def test_partition__reading_ends_in_a_sentence_writing_goes_on_and_it_heals(cables: Cables, stores: Stores) -> None:
    first, last = stores.members[0], stores.members[2]
    with cables.at(0), store_of(first) as store, cables.at(2), KuboStore(last.node.api, timeout=PATIENCE) as reader:
        # given a record that nobody but its own member has, since its keepers' cables are out
        cables.pull(1)
        cables.pull(2)
        with cables.at(0):
            eventually(lambda: stores.members[0].peer.met() == {first.peer.id})
            cid = put(store, RECORD)
            fault = str(store.lacking[cid])

        # when
        with cables.at(2), pytest.raises(NotStored) as refused:
            reader.get(cid)
        for number in (1, 2):
            cables.plug(number)

        # then: what was written meanwhile is read and copied
        assert str(refused.value) == (
            f"{refused.value.cid} is not to be had from {last.node.api}; ask for it where it was put, then try again."
        )
        assert "not enough peers" in fault

        def read() -> bool:
            try:
                return reader.get(cid).read() == RECORD
            except NotStored:
                return False

        with cables.at(2):
            connected = eventually(lambda: len(swarm_peers(last.node)) == len(stores.nodes) - 1, seconds=120)
            took = eventually(read)
        print(f"connected again after {connected:.1f} s, read after {took:.1f} s more")
        with cables.at(0):
            eventually(lambda: len(stores.members[0].peer.met()) == 3)
            asked = [each.cid for each in store.repair()]
            copied = eventually(lambda: len(at_peers(store, cid)) == 2)
        print(f"copied {copied:.1f} s later")
        assert str(cid) in asked


def test_partition__the_keeper_is_cut_off__copied_elsewhere(cables: Cables, stores: Stores) -> None:
    with cables.at(0), store_of(stores.members[0]) as store:
        # given
        cid = put(store, RECORD[::-1])
        eventually(lambda: len(at_peers(store, cid)) == 2)
        [name] = set(at_peers(store, cid)) - {OWN}
        cut = int(name[-1])

        # when
        cables.pull(cut)
        took = eventually(lambda: f"member-{3 - cut}" in at_peers(store, cid))
        cables.plug(cut)

        # then
        print(f"copied elsewhere {took:.1f} s after the cable was out")
        eventually(lambda: at_peers(store, cid) == (OWN, f"member-{3 - cut}"))
        eventually(lambda: len(stores.members[0].peer.met()) == 3, seconds=120)

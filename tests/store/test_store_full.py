"""Disks that are full for real: small file systems in memory, of which the tests use all."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_members import BUILT, MISSING, PATIENCE, PULSE, at_peers, collect, eventually, put, store_of
from store_streams import keystream, sample

from engines.cluster.peer import Stores
from engines.kubo.node import BINARY, KuboNode
from engines.kubo.node import MISSING as NO_KUBO
from theriac.errors import NodeFull, StoreFull
from theriac.store import LocalStore
from theriac.store.cluster import OWN
from theriac.store.kubo import KuboStore

MIB = 1 << 20
BEFORE = sample(2 * MIB + 100)
AFTER = sample(4 * MIB)[::-1]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MiB, of which 10 MiB are taken by a file that can go."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root: run the tests with sudo")
    (folder / "filler").write_bytes(bytes(10 * MIB))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="mounting needs root and Linux")


def make_room(folder: Path) -> None:
    (folder / "filler").unlink()


def test_local__full_disk__said_and_nothing_lost_and_goes_on(small: Path) -> None:
    # given
    store = LocalStore(small / "store")
    before = put(store, BEFORE)  # type: ignore[arg-type]

    # when
    for _ in range(3):
        with pytest.raises(StoreFull) as refused:
            store.put(keystream("large", 60 * MIB))

    # then
    assert str(refused.value) == (
        f"There is no room left for {small / 'store'}; free some space and put the file again, nothing was lost."
    )
    assert refused.value.exit_code == 6
    assert store.get(before).read() == BEFORE
    assert list(store.pins()) == [before]
    make_room(small)
    assert store.get(store.put(keystream("large", 30 * MIB))).read(10) == keystream("large", 10).read()


@pytest.mark.engine
@pytest.mark.skipif(not BINARY.exists(), reason=NO_KUBO)
def test_node__full_disk__said_and_nothing_lost_and_goes_on(small: Path) -> None:
    # given
    with KuboNode(small / "node") as node, KuboStore(node.api, timeout=PATIENCE) as store:
        before = put(store, BEFORE)
        pinned = set(store.pinned())

        # when
        for _ in range(3):
            with pytest.raises(NodeFull) as refused:
                store.put(keystream("large", 60 * MIB))

        # then
        assert str(refused.value) == (
            f"There is no room left at the IPFS node at {store.place}; free some space there, 'ipfs repo gc' removes "
            "what is not pinned, and put the file again: nothing was lost."
        )
        assert refused.value.exit_code == 6
        assert set(store.pinned()) == pinned
        assert store.get(before).read() == BEFORE
        make_room(small)
        collect(node)
        assert store.get(put(store, AFTER)).read() == AFTER
        assert store.has(before)


@pytest.mark.engine
@pytest.mark.heavy
@pytest.mark.skipif(not BUILT, reason=MISSING)
def test_copy__full_disk_at_the_keeper__seen_and_copied_once_there_is_room(small: Path, tmp_path: Path) -> None:
    # given a member whose one keeper has little room
    stores = Stores(tmp_path / "stores", members=2, owners=[0], pulse=PULSE)
    guests = stores.members[1].guests.folder
    shutil.move(guests, small / "guests")
    guests.symlink_to(small / "guests")
    with stores, store_of(stores.members[0]) as store:
        # when
        cid = store.put(keystream("large", 38 * MIB))
        eventually(
            lambda: any(
                each.cid == str(cid) and "member-1" in each.faults and "error" in each.faults["member-1"]
                for each in store.copies()
            )
        )
        [found] = [each for each in store.copies() if each.cid == str(cid)]
        alone = at_peers(store, cid)

        # then
        print(found.faults)
        assert alone == (OWN,)
        assert store.has(cid)
        make_room(small)
        collect(stores.members[1].guests)
        assert str(cid) in [each.cid for each in store.repair()]
        took = eventually(lambda: at_peers(store, cid) == (OWN, "member-1"))
        print(f"copied {took:.1f} s after there was room")

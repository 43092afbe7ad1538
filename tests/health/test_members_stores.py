"""A clinic, a patient and a doctor whose stores are different members' real nodes, with a Cluster for each member."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from health_world import LAB, MENTAL, TREAT, HealthWorld, publish_profile, quick_lock, register, write
from store_members import MISSING, PULSE, eventually, holders

from engines.cluster.peer import BINARY as CLUSTER
from engines.cluster.peer import Stores
from engines.kubo.node import BINARY as KUBO
from theriac.errors import ClusterUnreachable, NodeUnreachable
from theriac.health.erasure import UnpinReceipt
from theriac.health.unpinning import Unpinner
from theriac.store import Cid
from theriac.store.cluster import ClusterStore

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not (CLUSTER.exists() and KUBO.exists()), reason=MISSING),
]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    with Stores(tmp_path_factory.mktemp("stores"), members=3, owners=[0, 1], pulse=PULSE) as stores:
        yield stores


@pytest.fixture
def worlds(world: HealthWorld, stores: Stores) -> Iterator[tuple[HealthWorld, HealthWorld]]:
    """The consortium as the clinic sees it, with the first member's store, and as the hospital does, with its own."""
    with ExitStack() as closing:
        seen = []
        for member in stores.members[:2]:
            store = closing.enter_context(ClusterStore(*member.addresses, timeout=timedelta(seconds=5)))
            seen.append(replace(world, store=store))  # type: ignore[arg-type]
        clinic, hospital = seen
        publish_profile(clinic, world.clinic)
        publish_profile(hospital, world.hospital)
        publish_profile(hospital, world.doctor)
        yield clinic, hospital


def whole(store: Any, digest: str) -> Cid:
    cid: Cid = store.resolve(bytes.fromhex(digest))
    return cid


def copied(stores: Stores, cid: Cid, own: str) -> bool:
    found = holders(stores, cid)
    return own in found and len(found) >= 2


def test_record__of_one_member__read_at_anothers_and_erased_everywhere(
    worlds: tuple[HealthWorld, HealthWorld], stores: Stores
) -> None:
    # given a patient whose client uses the hospital's node, and a clinic that writes at its own
    clinic_side, hospital_side = worlds
    patient, clinic = hospital_side.patient(), clinic_side.writer(clinic_side.clinic)
    desk = register(patient, clinic)
    kept = write(clinic, desk, b"a result", cls=LAB)
    gone = write(clinic, desk, b"a therapy session", cls=MENTAL)
    cids = [whole(clinic.store, digest) for digest in (kept, gone)]
    for cid in cids:
        eventually(lambda cid=cid: copied(stores, cid, "0/node"))  # type: ignore[misc]

    # when a doctor of the hospital is granted and reads at the hospital's node
    patient.watch()
    patient.grant(hospital_side.doctor.address, classes=[LAB, MENTAL], purpose=TREAT, end=hospital_side.in_days(30))
    doctor = hospital_side.reader(hospital_side.doctor, "doctor")
    granted = patient.vault.account_for(f"reader:{hospital_side.doctor.address}")
    assert granted is not None
    doctor.learn(granted.pseudonym)
    opened = doctor.open(granted.pseudonym, kept, purpose=TREAT)

    # then
    assert opened.content.read() == b"a result"

    # when she erases the class, and the clinic gives up what she asks
    patient.erase([MENTAL], lock=quick_lock())
    members = Unpinner(clinic, folder=clinic_side.folder / "clinic")
    [request] = members.requests()
    receipt = members.unpin(request)
    patient.watch()
    [ask] = patient.vault.erasures[-1].asks

    # then no node has the record, all have cleared up, and the other one is where it was
    took = eventually(lambda: holders(stores, cids[1]) == set())
    print(f"erased everywhere after {took:.2f} s")
    assert gone in receipt.unpinned
    assert UnpinReceipt.of(ask.receipt) == receipt
    assert copied(stores, cids[0], "0/node")


@pytest.mark.heavy
def test_write__node_killed_between_anchor_and_put__written_again_by_resume(
    worlds: tuple[HealthWorld, HealthWorld], stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    clinic_side, hospital_side = worlds
    patient, clinic = hospital_side.patient(), clinic_side.writer(clinic_side.clinic)
    desk = register(patient, clinic)
    node = stores.members[0].node
    anchored = clinic._anchor

    def anchor_then_kill(*arguments: Any) -> None:
        anchored(*arguments)
        node.kill()

    monkeypatch.setattr(clinic, "_anchor", anchor_then_kill)

    # when
    with pytest.raises(NodeUnreachable) as refused:
        write(clinic, desk, b"a result", cls=LAB)
    left = len(clinic.unfinished())
    monkeypatch.undo()
    node.start()
    stores.meet()
    [written] = clinic.resume()

    # then
    assert "check that it runs there, then try again" in str(refused.value)
    assert left == 1
    assert clinic.unfinished() == []
    assert [entry.digest for entry in patient.vault.listed()] == []
    patient.watch()
    assert written.digest in [entry.digest for entry in patient.vault.listed()]
    eventually(lambda: copied(stores, whole(clinic.store, written.digest), "0/node"))


@pytest.mark.heavy
def test_unpin__own_peer_is_dead__no_receipt_until_every_copy_can_be_reached(
    worlds: tuple[HealthWorld, HealthWorld], stores: Stores
) -> None:
    # given
    clinic_side, hospital_side = worlds
    patient, clinic = hospital_side.patient(), clinic_side.writer(clinic_side.clinic)
    gone = write(clinic, register(patient, clinic), b"a therapy session", cls=MENTAL)
    cid = whole(clinic.store, gone)
    eventually(lambda: copied(stores, cid, "0/node"))
    patient.watch()
    patient.erase([MENTAL], lock=quick_lock())
    members = Unpinner(clinic, folder=clinic_side.folder / "clinic")
    [request] = members.requests()
    peer = stores.members[0].peer
    peer.kill()

    # when
    with pytest.raises(ClusterUnreachable):
        members.unpin(request)
    still = [each.letter for each in members.requests()]
    peer.start()
    stores.meet()
    receipt = members.unpin(request)

    # then
    assert still == [request.letter]
    assert gone in receipt.unpinned
    eventually(lambda: holders(stores, cid) == set())

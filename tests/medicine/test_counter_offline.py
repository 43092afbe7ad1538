"""Dispensing while the chain is out of reach: nothing is lost and nothing is done twice, whatever dies in between."""

import os
import random
from collections import Counter as Counted
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from counter_town import colleague, device, killed, raw, stocked, stopped
from depot_town import PRODUCT, Town, order, town
from real_anvil import person
from web3 import HTTPProvider, Web3

from theriac.errors import ChainSilent
from theriac.ledger.contracts import Contracts
from theriac.ledger.sender import Sender
from theriac.medicine.chain import Chain
from theriac.medicine.counter import Counter, Refusal, Standing
from theriac.medicine.depot import Depot
from theriac.medicine.packid import gtin_check_digit
from theriac.medicine.packs import Product
from theriac.medicine.scanner import Cause
from theriac.medicine.shelf import Shelf
from theriac.medicine.tree import node_of

PACKS = 60
KILLS = 40
HANDED_OUT = datetime(2030, 1, 7, 10, 0, tzinfo=UTC)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as found:
        yield found


def offline(place: Town, folder: Path, uri: str) -> Depot:
    """The pharmacy's own files, opened anew, as a process that starts finds them."""
    first = place["pharmacy"]
    web3 = Web3(HTTPProvider(uri))
    contracts = Contracts(web3, place.contracts.deployment)
    return Depot(
        member=first.member,
        signer=first.signer,
        sender=None,
        chain=Chain(web3, contracts, index=folder / "index.db"),
        store=first.store,
        shelf=Shelf(folder / "shelf.db"),
        counter=Counter(folder / "counter.db"),
        identities=[place.identities["pharmacy"]],
        recipient=place.identities["pharmacy"].recipient,
    )


def uri_of(place: Town) -> str:
    return str(place.anvil.web3.provider.endpoint_uri)


def dispensed_on_chain(place: Town, batch: bytes) -> Counted[int]:
    """How often the events say that each pack of a batch was dispensed."""
    place["maker"].sync()
    events = place["maker"].chain.index.events("Batches", "Dispensed", where={"batch": batch})
    return Counted(event.arguments["index"] for event in events)


def test_counter__killed_at_random_while_the_chain_is_stopped__none_lost_and_none_twice(
    place: Town, tmp_path: Path
) -> None:
    # given: a pharmacy with stock, and a chain that takes connections and answers nothing
    batch = stocked(place, order(PACKS))
    folder, uri = tmp_path / "pharmacy", uri_of(place)
    draw = random.Random(8)
    handed_out: set[int] = set()

    def work(pipe: int) -> None:
        depot = offline(place, folder, uri)
        scanner = depot.scanner()
        for number in range(PACKS):
            verdict = scanner.scan(raw(number))
            if verdict.cause is Cause.GENUINE and verdict.pack is not None:
                depot.write_dispense(verdict.pack, at=HANDED_OUT)
                # The pharmacist gets to see it only now, and hands the pack out.
                os.write(pipe, b"%c" % number)

    # when: the process that dispenses is killed again and again
    with stopped(uri):
        for _ in range(KILLS):
            handed_out.update(killed(work, after=draw.randrange(4), seconds=draw.uniform(0.0, 0.01)))

    # then: all that was handed out is written down once, and signed
    written = place["pharmacy"].counter.dispenses()
    labels = Counted(each.label for each in written)
    assert len(handed_out) > KILLS / 2
    assert set(labels.values()) == {1}
    assert {f"{PRODUCT.code} SN{number:08d}" for number in handed_out} <= labels.keys()
    assert all(each.is_signed and each.standing is Standing.WAITING for each in written)

    # when: the chain is back, and what settles is killed at random moments too
    def settle(pipe: int) -> None:
        depot = offline(place, folder, uri)
        with Sender(depot.chain.web3, depot.signer, outbox=folder / "outbox.db") as sender:
            os.write(pipe, b"s")
            depot.counter.settle(sender, depot.chain.contracts, follow=depot.chain.sync)

    place["pharmacy"]._sending().close()
    for turn in range(KILLS // 4):
        killed(settle, after=1, seconds=draw.uniform(0.0, 0.1 * turn))
    last = offline(place, folder, uri)
    with Sender(last.chain.web3, last.signer, outbox=folder / "outbox.db") as sender:
        settlement = last.counter.settle(sender, last.chain.contracts, follow=last.chain.sync)

    # then: each is on the chain once, and no other
    assert (settlement.conflicts, settlement.waiting) == ((), ())
    assert {each.standing for each in last.counter.dispenses()} == {Standing.SETTLED}
    assert dispensed_on_chain(place, batch) == Counted(each.pack.index for each in written)


def test_settle__chain_stopped__raises_and_keeps_all_waiting(place: Town, tmp_path: Path) -> None:
    # given
    stocked(place, order(10))
    depot = offline(place, tmp_path / "pharmacy", uri_of(place))
    for number in (0, 1):
        verdict = depot.scanner().scan(raw(number))
        assert verdict.pack is not None
        depot.write_dispense(verdict.pack, at=HANDED_OUT)
    slow = Web3(HTTPProvider(uri_of(place)))
    with (
        Sender(slow, depot.signer, outbox=tmp_path / "other.db", node_timeout=timedelta(seconds=0.3)) as sender,
        stopped(uri_of(place)),
        pytest.raises(ChainSilent),
    ):
        # when
        depot.counter.settle(sender, depot.chain.contracts)

    # then
    assert [each.standing for each in depot.counter.dispenses()] == [Standing.WAITING, Standing.WAITING]


def test_settle__conflicts__each_with_its_reason_and_the_others_settled(place: Town, tmp_path: Path) -> None:
    # given: packs that two devices and a colleague hand out while the chain is out of reach
    digits = "0301234567890"
    other = Product(digits + gtin_check_digit(digits), "L99", date(2031, 6, 30))
    batch, recalled = stocked(place, order(20)), stocked(place, order(10, product=other))
    pharmacy = place["pharmacy"]
    colleague_account = colleague(place, "somebody who leaves")
    second = device(place, tmp_path / "second", account=colleague(place, "somebody else"))
    leaver = device(place, tmp_path / "leaver", account=colleague_account)
    scanner = pharmacy.scanner()

    def write(depot: Depot, number: int, product: Product = PRODUCT) -> None:
        verdict = depot.scanner().scan(raw(number, product=product))
        assert verdict.pack is not None, verdict
        depot.write_dispense(verdict.pack, at=HANDED_OUT)

    for number in (0, 1, 2):
        write(pharmacy, number)
    write(pharmacy, 5, other)
    write(leaver, 3)
    write(second, 0)

    # when: meanwhile one pack is dispensed by the other device, a batch recalled, a case kept, somebody dismissed
    assert [each.standing for each in second.settle().settled] == [Standing.SETTLED]
    place["maker"].recall(recalled, reason=1)
    [known] = pharmacy.shelf.find(PRODUCT.code, "SN00000001")
    second.quarantine(batch, node_of(known.index), reason=4)
    place.anvil.send(
        person("pharmacy's office"), place.contracts.Consortium.functions.dismiss(colleague_account.address)
    )
    settlement = pharmacy.settle()
    left = leaver.settle()

    # then
    assert [(each.label[-10:], each.refusal) for each in settlement.conflicts] == [
        ("SN00000000", Refusal.DISPENSED),
        ("SN00000001", Refusal.QUARANTINED),
        ("SN00000005", Refusal.RECALLED),
    ]
    assert ["WrongStatus" in each.detail or "IsBlocked" in each.detail for each in settlement.conflicts] == [True] * 3
    assert [each.label[-10:] for each in settlement.settled] == ["SN00000002"]
    assert [each.refusal for each in left.conflicts] == [Refusal.NO_STANDING]
    assert dispensed_on_chain(place, batch).total() == 2
    assert scanner.scan(raw(0)).cause is Cause.DISPENSED_HERE
    assert scanner.scan(raw(1)).cause is Cause.QUARANTINED

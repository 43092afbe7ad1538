"""Several processes with one index: what one of them follows, the others know; what the chain takes back, none does."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from counter_town import colleague, device, raw, stocked
from depot_town import Town, order, town

from theriac.ledger.sender import Intent, Outcome, Sender
from theriac.ledger.signer import KeySigner
from theriac.medicine.chain import Chain
from theriac.medicine.counter import Counter, Refusal
from theriac.medicine.scanner import Cause, Scanner
from theriac.medicine.shelf import Shelf


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as found:
        yield found


def beside(place: Town, folder: Path) -> Scanner:
    """A scan that runs beside the pharmacy's other commands, in files that they share; it asks no chain."""
    chain = Chain(place.anvil.web3, place.contracts, index=folder / "index.db")
    counter = Counter(folder / "counter.db")
    return Scanner(
        member=place["pharmacy"].member,
        shelf=Shelf(folder / "shelf.db"),
        states=chain.state,
        queued=counter.is_waiting,
    )


def dispense(place: Town, number: int) -> None:
    pharmacy = place["pharmacy"]
    verdict = pharmacy.scanner().scan(raw(number))
    assert verdict.pack is not None
    pharmacy.write_dispense(verdict.pack, at=datetime.fromtimestamp(place.anvil.now(), UTC))
    pharmacy.settle()


def test_state__followed_by_another_process__known_at_once(place: Town, tmp_path: Path) -> None:
    # given
    batch = stocked(place, order(20))
    scanner = beside(place, tmp_path / "pharmacy")
    before = [scanner.scan(raw(number)).cause for number in (0, 1)]

    # when
    dispense(place, 0)
    dispensed = [scanner.scan(raw(number)).cause for number in (0, 1)]
    place["maker"].recall(batch)
    place["pharmacy"].sync()
    recalled = [scanner.scan(raw(number)).cause for number in (0, 1)]

    # then
    assert before == [Cause.GENUINE, Cause.GENUINE]
    assert dispensed == [Cause.DISPENSED_HERE, Cause.GENUINE]
    assert recalled == [Cause.DISPENSED_HERE, Cause.RECALLED]


def test_state__taken_back_by_the_chain__known_at_once(place: Town, tmp_path: Path) -> None:
    # given: a scan that has read of a recall and of a dispense
    batch = stocked(place, order(20))
    scanner = beside(place, tmp_path / "pharmacy")
    with place.anvil.undone():
        dispense(place, 0)
        place["maker"].recall(batch)
        place["pharmacy"].sync()
        before = [scanner.scan(raw(number)).cause for number in (0, 1)]

    # when: another chain took the place of that one, and another process follows it
    place.anvil.ask("evm_mine")
    place.anvil.ask("evm_mine")
    place["pharmacy"].sync()

    # then
    assert before == [Cause.DISPENSED_HERE, Cause.RECALLED]
    assert [scanner.scan(raw(number)).cause for number in (0, 1)] == [Cause.GENUINE, Cause.GENUINE]


def test_settle__no_moment_in_which_a_scan_finds_the_pack_in_stock(place: Town, tmp_path: Path) -> None:
    # given: a scan in another process, asked whenever the counter closes a dispense or the chain was followed
    stocked(place, order(20))
    pharmacy, scanner = place["pharmacy"], beside(place, tmp_path / "pharmacy")
    verdict = scanner.scan(raw(0))
    assert verdict.pack is not None
    pharmacy.write_dispense(verdict.pack, at=datetime.fromtimestamp(place.anvil.now(), UTC))
    found = [scanner.scan(raw(0)).cause]

    def follow() -> None:
        found.append(scanner.scan(raw(0)).cause)
        pharmacy.chain.sync()
        found.append(scanner.scan(raw(0)).cause)

    # when
    pharmacy.counter.settle(
        pharmacy._sending(),
        pharmacy.chain.contracts,
        follow=follow,
        report=lambda dispense: found.append(scanner.scan(raw(0)).cause),
    )

    # then
    assert found == [Cause.DISPENSED_HERE] * 4


def test_settle__what_a_colleague_sent_before_being_killed__is_settled_and_no_conflict(
    place: Town, tmp_path: Path
) -> None:
    # given: a dispense that is on the chain, by a process that was killed before it was told so
    batch = stocked(place, order(20))
    pharmacy = place["pharmacy"]
    pack = pharmacy.scanner().scan(raw(0)).pack
    assert pack is not None
    written = pharmacy.write_dispense(pack, at=datetime.fromtimestamp(place.anvil.now(), UTC))
    sender = pharmacy._sending()

    class Killed:
        address = sender.address

        def send_all(self, intents: Iterable[Intent]) -> Iterator[Outcome]:
            for each in intents:
                sender.submit(each.call, intent=each.name)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pharmacy.counter.settle(Killed(), pharmacy.chain.contracts)

    # when: a colleague settles, through an account of its own
    other = KeySigner(colleague(place, "who comes after"))
    chain = pharmacy.chain
    with Sender(place.anvil.web3, other, outbox=tmp_path / "other.db") as theirs:
        settlement = pharmacy.counter.settle(theirs, chain.contracts, follow=chain.sync, landed=chain.last_dispense)

    # then
    [landed] = [event for event in chain.history(batch) if event.name == "Dispensed"]
    assert settlement.conflicts == settlement.waiting == ()
    assert [(each.number, each.detail) for each in settlement.settled] == [(written.number, landed.transaction)]


def test_settle__what_a_colleague_dispensed_by_another_device__is_a_conflict(place: Town, tmp_path: Path) -> None:
    # given: a dispense that a colleague was to send and could not, and the same pack dispensed by that one elsewhere
    stocked(place, order(20))
    pharmacy, account = place["pharmacy"], colleague(place, "who works at two tills")
    elsewhere = device(place, tmp_path / "elsewhere", account=account)
    pack = pharmacy.scanner().scan(raw(0)).pack
    assert pack is not None
    for depot in (pharmacy, elsewhere):
        depot.write_dispense(pack, at=datetime.fromtimestamp(place.anvil.now(), UTC))
    elsewhere.settle()

    # when
    settlement = pharmacy.settle()

    # then
    assert [each.refusal for each in settlement.conflicts] == [Refusal.DISPENSED]


def test_settle__dispensed_taken_back_and_dispensed_again_in_one_second__both_on_the_chain(place: Town) -> None:
    # given: a device whose clock shows one second all the while
    batch = stocked(place, order(20))
    pharmacy = place["pharmacy"]
    pack = pharmacy.scanner().scan(raw(0)).pack
    assert pack is not None
    at = datetime.fromtimestamp(place.anvil.now(), UTC)
    pharmacy.write_dispense(pack, at=at)
    pharmacy.settle()
    pharmacy.undo(pack)
    pharmacy.sync()

    # when
    second = pharmacy.write_dispense(pack, at=at)
    settled = pharmacy.settle().settled

    # then
    assert [each.number for each in settled] == [second.number]
    assert pharmacy.scanner().scan(raw(0)).cause is Cause.DISPENSED_HERE
    told = [event.arguments["index"] for event in pharmacy.chain.history(batch) if event.name == "Dispensed"]
    assert told == [pack.index, pack.index]

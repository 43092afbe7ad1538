"""Reports of loggers on a real chain: what they block, for whom, and what the chain refuses."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from depot_town import ROLES, YEAR, Town, order, town
from eth_account.signers.local import LocalAccount
from real_anvil import BOARD, person

from theriac.consortium import Join, Role
from theriac.errors import NoLimit, Reverted
from theriac.ledger.sender import Sender
from theriac.ledger.signer import KeySigner
from theriac.ledger.typed import Domain
from theriac.medicine.coldchain import (
    Blocked,
    ColdChain,
    Limit,
    Log,
    Reading,
    SignedReadings,
    Verdict,
    check_report,
    report_each,
)
from theriac.medicine.messages import Goods
from theriac.medicine.state import Block
from theriac.medicine.tree import node_of

LIMIT = Limit(low=200, high=800, longest=30, kinetic=700)


@dataclass
class Road:
    """A batch with its maker, a case of it at the pharmacy, and loggers of both."""

    town: Town
    batch: bytes
    case: int
    kept: int

    def cold(self, role: str) -> ColdChain:
        depot = self.town[role]
        return ColdChain(depot.chain, sender=depot._sending(), store=depot.store)

    def logger(self, role: str) -> LocalAccount:
        return person(f"{role}'s logger")

    def log(self, role: str, *centidegrees: int, every: int = 600, ago: timedelta = timedelta()) -> Log:
        end = datetime.fromtimestamp(self.town.anvil.now(), UTC) - ago
        start = end - timedelta(seconds=every * (len(centidegrees) - 1))
        found = [Reading(start + timedelta(seconds=every * place), each) for place, each in enumerate(centidegrees)]
        return Log.of(self.logger(role).address, found)

    def signed(self, role: str, log: Log, *goods: Goods) -> SignedReadings:
        cold = self.cold(role)
        [message] = cold.messages(log, goods, to=[self.town.identities["maker"].recipient])
        signer = KeySigner(self.logger(role))
        return SignedReadings.sign(message, signer=signer, domain=self.town[role].chain.domain("ColdChain"))

    def blocks(self, node: int) -> Block:
        return Block(int(self.town["maker"].chain.place(self.batch, node)["blocks"]))


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with town(tmp_path_factory.mktemp("cold")) as found:
        consortium = found.contracts.Consortium
        domain = Domain.of(consortium)
        for role in ("maker", "pharmacy"):
            number = list(ROLES).index(role) + 1
            roles = ROLES[role] | Role.DEVICE
            until = found.anvil.now() + 3 * YEAR
            found.anvil.send(BOARD, consortium.functions.renew(number, int(roles), 1, until))
            device = person(f"{role}'s logger")
            join = Join(device.address, number, Role.DEVICE, 0, found.anvil.now() + 3600)
            signature = bytes(device.sign_message(join.signable(domain)).signature)
            office = person(f"{role}'s office")
            found.anvil.send(office, consortium.functions.join(join.terms(), signature))
            address = found.contracts.ColdChain.address
            found.anvil.send(office, consortium.functions.setOperator(address, 4))
        found.sync()
        maker, pharmacy = found["maker"], found["pharmacy"]
        batch = maker.commission(order())
        found.sync()
        cases = [node_of(maker.shelf.find(order().product.code, f"SN{number:08d}")[0].index, 4) for number in (0, 10)]
        offer = maker.signed_offer(batch, cases[0], to=3, recipient=found.identities["pharmacy"].recipient)
        pharmacy.accept_signed(offer)
        road = Road(found, batch, cases[0], cases[1])
        road.cold("maker").set_limit(batch, LIMIT)
        yield road


@pytest.fixture
def road(laid: Road) -> Iterator[Road]:
    """The same road for every test: what a test does to the chain is undone, and nothing is followed."""
    with laid.town.anvil.undone():
        yield laid


def test_report__beyond_the_limit__blocks_what_that_member_holds_and_no_other(road: Road) -> None:
    # given: forty minutes outside, where thirty are borne
    log = road.log("pharmacy", 500, 500, 190, 190, 190, 500)
    signed = road.signed("pharmacy", log, Goods(road.batch, road.case))

    # when
    reported = road.cold("pharmacy").carry(signed)

    # then
    assert reported.blocked == (Blocked(road.batch, road.case, 1),)
    assert reported.verdict.minutes == 40
    assert [road.blocks(node) for node in (road.case, road.kept)] == [Block.EXCURSION, Block(0)]


def test_report__within_the_limit__blocks_nothing_and_can_be_checked_by_its_reader(road: Road) -> None:
    # given: exactly as long outside as is borne
    log = road.log("pharmacy", 500, 500, 190, 190, 500)
    signed = road.signed("pharmacy", log, Goods(road.batch, road.case))

    # when
    reported = road.cold("pharmacy").carry(signed)

    # then
    assert (reported.blocked, reported.verdict.minutes) == ((), LIMIT.longest)
    [event] = road.town.contracts.events(reported.receipt)
    told = event.arguments
    opened = road.cold("maker").opened(told["readings"], identities=[road.town.identities["maker"]])
    assert opened == log
    checked = check_report(opened, logger=told["logger"], root=told["root"], verdict=told["verdict"])
    assert checked == reported.verdict


@pytest.mark.parametrize(("kinetic", "blocks"), [(690, False), (700, False), (701, True)])
def test_report__the_contract_reads_the_mean_kinetic_temperature_as_it_is_packed(
    road: Road, kinetic: int, blocks: bool
) -> None:
    log = road.log("pharmacy", kinetic, kinetic, kinetic)

    reported = road.cold("pharmacy").carry(road.signed("pharmacy", log, Goods(road.batch, road.case)))

    assert reported.blocked == ((Blocked(road.batch, road.case, 2),) if blocks else ())


def test_report__limits_below_zero__are_the_same_here_and_on_the_chain(road: Road) -> None:
    # given: a frozen batch, and a logger that read what is too warm by a hundredth in the mean
    road.cold("maker").set_limit(road.batch, Limit(low=-2500, high=-1500, longest=0, kinetic=-1600))
    held = road.signed("pharmacy", road.log("pharmacy", -1600, -1600), Goods(road.batch, road.case))
    warm = road.signed("pharmacy", road.log("pharmacy", -1599, -1599), Goods(road.batch, road.case))

    # when
    found = [road.cold("pharmacy").carry(each).blocked for each in (held, warm)]

    # then
    assert found == [(), (Blocked(road.batch, road.case, 2),)]


def test_report__by_a_logger_of_another_member__blocks_nothing_here(road: Road) -> None:
    log = road.log("maker", 3000, 3000, 3000, 3000, 3000)
    signed = road.signed("maker", log, Goods(road.batch, road.case))

    with pytest.raises(Reverted) as refused:
        road.cold("maker").carry(signed)

    assert refused.value.error == "NotTheHolder"
    assert road.blocks(road.case) == Block(0)


def test_report__after_the_maker_cleared_it__cannot_block_again(road: Road) -> None:
    # given
    log = road.log("pharmacy", 3000, 3000, 3000, 3000, 3000)
    signed = road.signed("pharmacy", log, Goods(road.batch, road.case))
    road.cold("pharmacy").carry(signed)

    # when
    road.town["maker"].release(road.batch, road.case, block=Block.EXCURSION)

    # then
    assert road.blocks(road.case) == Block(0)
    with pytest.raises(Reverted) as refused:
        road.cold("pharmacy").carry(signed)
    assert refused.value.error == "AlreadyReported"


def test_release__of_an_excursion_by_its_holder__is_refused(road: Road) -> None:
    log = road.log("pharmacy", 3000, 3000, 3000, 3000, 3000)
    road.cold("pharmacy").carry(road.signed("pharmacy", log, Goods(road.batch, road.case)))

    with pytest.raises(Reverted) as refused:
        road.town["pharmacy"].release(road.batch, road.case, block=Block.EXCURSION)

    assert refused.value.error == "NotTheMaker"


def test_report__of_more_than_a_week_ago__is_refused_with_the_end_that_was_packed(road: Road) -> None:
    log = road.log("pharmacy", 500, 500, ago=timedelta(days=7, minutes=1))
    signed = road.signed("pharmacy", log, Goods(road.batch, road.case))

    with pytest.raises(Reverted) as refused:
        road.cold("pharmacy").carry(signed)

    end = Verdict.unpack(signed.message.verdict).end
    assert (refused.value.error, refused.value.arguments["end"]) == ("WrongTime", int(end.timestamp()))


def test_report__of_a_logger_that_slept__counts_the_gap(road: Road) -> None:
    log = road.log("pharmacy", 500, 500, every=3 * 3600)

    reported = road.cold("pharmacy").carry(road.signed("pharmacy", log, Goods(road.batch, road.case)))

    assert (reported.verdict.minutes, reported.blocked) == (180, (Blocked(road.batch, road.case, 1),))


def test_report__with_goods_left_out_after_signing__is_refused(road: Road) -> None:
    log = road.log("pharmacy", 3000, 3000, 3000, 3000, 3000)
    signed = road.signed("pharmacy", log, Goods(road.batch, road.case))
    spared = replace(signed, message=replace(signed.message, goods=()))

    with pytest.raises(Reverted) as refused:
        road.cold("pharmacy").carry(spared)

    assert refused.value.error == "WrongSignature"


def test_report__by_the_loggers_own_account(road: Road, tmp_path: Path) -> None:
    logger = KeySigner(road.logger("pharmacy"))
    depot = road.town["pharmacy"]
    sender = Sender(road.town.anvil.web3, logger, outbox=tmp_path / "outbox.db")
    cold = ColdChain(depot.chain, sender=sender, store=depot.store)
    log = road.log("pharmacy", 3000, 3000, 3000, 3000, 3000)
    [message] = cold.messages(log, [Goods(road.batch, road.case)], to=[road.town.identities["maker"].recipient])

    reported = cold.report(message)

    assert reported.blocked == (Blocked(road.batch, road.case, 2),)


def test_messages__of_goods_with_two_ranges__are_two_and_of_goods_without_a_limit_none(road: Road) -> None:
    # given
    maker = road.town["maker"]
    frozen = maker.commission(order(4))
    cold = road.cold("maker")
    goods = [Goods(road.batch, road.kept), Goods(frozen, 1)]
    log = road.log("maker", 500, 500)
    with pytest.raises(NoLimit):
        cold.messages(log, goods, to=[road.town.identities["maker"].recipient])
    cold.set_limit(frozen, Limit(-2500, -1500, 0, -1500))

    # when
    found = cold.messages(log, goods, to=[road.town.identities["maker"].recipient])

    # then
    assert [(each.goods, Verdict.unpack(each.verdict).low) for each in found] == [
        ((goods[0],), LIMIT.low),
        ((goods[1],), -2500),
    ]


def test_messages__of_many_goods__so_many_at_once_and_each_once(road: Road) -> None:
    cold = road.cold("maker")
    goods = [Goods(road.batch, 1 << 20 | place) for place in range(120)]

    found = cold.messages(road.log("maker", 500, 500), goods, to=[road.town.identities["maker"].recipient])

    assert [len(each.goods) for each in found] == [50, 50, 20]
    assert [goods for each in found for goods in each.goods] == goods
    assert len({(each.root, each.readings, each.verdict) for each in found}) == 1


def test_report_each__of_goods_that_somebody_else_holds__the_others_are_blocked(road: Road) -> None:
    # given: what the maker holds, and beside it a case of the pharmacy
    cold, mine, other = road.cold("maker"), Goods(road.batch, road.kept), Goods(road.batch, road.case)
    log, signer = road.log("maker", 3000, 3000, 3000, 3000, 3000), KeySigner(road.logger("maker"))
    domain = road.town["maker"].chain.domain("ColdChain")
    messages = cold.messages(log, [other, mine], to=[road.town.identities["maker"].recipient])

    # when
    found = report_each(messages, send=lambda each: cold.carry(SignedReadings.sign(each, signer=signer, domain=domain)))

    # then
    assert [each.blocked for each in found.reported] == [(Blocked(road.batch, road.kept, 2),)]
    assert [each.goods for each in found.refused] == [other]
    assert road.blocks(road.kept) == Block.EXCURSION


def test_allow__lets_the_contract_act_and_takes_it_back(road: Road) -> None:
    # given: the member's own account, which alone may
    depot = road.town["pharmacy"]
    office = KeySigner(person("pharmacy's office"))
    sender = Sender(road.town.anvil.web3, office, outbox=None)
    cold = ColdChain(depot.chain, sender=sender, store=depot.store)

    # when
    found = [cold.is_allowed(3)]
    cold.allow(mask=0)
    found.append(cold.is_allowed(3))

    # then
    assert found == [True, False]

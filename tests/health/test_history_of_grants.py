"""The history of grants that is told from events, against what the contract itself said at each moment."""

import random
from contextlib import suppress
from dataclasses import dataclass

from health_world import DAY, HOUR, LAB, TREAT, HealthWorld, Person

from theriac.consortium import Role
from theriac.errors import Reverted
from theriac.health.history import Affiliations, History
from theriac.health.messages import member_address
from theriac.health.scope import PURPOSES, REFERRAL, bit_of
from theriac.ledger.sender import Sender

BITS = (bit_of(LAB), 3)
READERS = ("doctor", "colleague", "member")


@dataclass(frozen=True)
class Said:
    """What the contract said at a time: who was let in, for which bit."""

    time: int
    reader: str
    bit: int
    allowed: bool


def test_history__says_what_the_contract_said(world: HealthWorld) -> None:
    """Random grants, ends, eras, parents, referrals and dismissals of one pseudonym, and questions after each."""
    # given
    # property L6
    random_ = random.Random(26)
    patient = world.person(publish=False)
    guest = world.join(world.person(publish=False), world.hospital, Role.CLINICIAN)
    me, sender = patient.address, Sender(world.web3, patient.signer, outbox=None)
    chain = world.chain("history")
    grants, keys = world.contracts.Grants.functions, world.contracts.Keys.functions
    holders = {
        "doctor": world.doctor.address,
        "colleague": world.colleague.address,
        "member": member_address(world.clinic.member),
    }
    referrer, said, referred = Sender(world.web3, world.doctor.signer, outbox=None), list[Said](), list[int]()

    def act() -> None:
        holder, scope = random_.choice(list(holders.values())), random_.choice((1 << BITS[0], 1 << BITS[1], 40))
        scope |= random_.choice((0, 1 << REFERRAL))
        start = world.now() // HOUR * HOUR + random_.choice((0, 0, 2)) * HOUR
        expiry = start + random_.choice((3, 30)) * HOUR
        live = chain.grant(me, holder, TREAT)
        match random_.choice(acts):
            case "grant":
                parent = chain.contracts.call(grants.parentOf(me, 1))
                by = 1 if parent["expiry"] >= expiry and random_.random() < 0.6 else 0
                sender.send(grants.grant((me, holder, TREAT.number, scope, start, expiry, by)))
            case "narrow" if live["scope"] & scope == scope and live["expiry"] > world.now() + 2 * HOUR:
                if live["era"] == chain.authority(me).era and live["start"] < live["expiry"] - HOUR:
                    sender.send(grants.narrow(me, holder, TREAT.number, scope, live["expiry"] - HOUR))
            case "refer":
                if random_.random() < 0.6:
                    may = 1 << REFERRAL | 1 << BITS[0] | 1 << BITS[1]
                    sender.send(grants.grant((me, world.doctor.address, TREAT.number, may, 0, expiry, 0)))
                to = (me, guest.address, TREAT.number, scope & ~(1 << REFERRAL), 0, start + 3 * HOUR, 0)
                with suppress(Reverted):
                    referrer.send(grants.refer(to, world.doctor.address))
                    referred.append(world.now())
            case "revoke":
                sender.send(grants.revoke(me, holder, TREAT.number))
            case "era" if random_.random() < 0.4:
                sender.send(keys.raiseEra(me))
            case "parent":
                sender.send(grants.setParent(me, 1, world.colleague.address, world.now() // HOUR * HOUR + 2 * DAY))
            case "end parent" if random_.random() < 0.5:
                sender.send(grants.setParent(me, 1, world.colleague.address, 0))

    def ask() -> None:
        for person in (world.doctor, world.colleague, guest):
            for bit in BITS:
                allowed = not chain.explain(me, person.address, 1 << bit, TREAT)
                said.append(Said(world.now(), person.address, bit, allowed))

    # when
    acts = ("grant", "grant", "grant", "refer", "refer", "narrow", "revoke", "era", "parent", "end parent", "leave")
    for _ in range(60):
        act()
        ask()
        world.travel(random_.choice((60, HOUR, 5 * HOUR)))
        ask()

    # then
    history, affiliations = History(chain, me), Affiliations(chain)
    windows = history.windows()
    for each in said:
        member = member_address(affiliations.at(each.reader, each.time))
        told = [history.granted(holder, TREAT.number, each.bit, each.time) for holder in (each.reader, member)]
        seen = [
            window
            for window in windows
            if window.reader in (each.reader, member)
            and window.scope >> each.bit & 1
            and window.start <= each.time < window.end
        ]

        assert (any(told), bool(seen)) == (each.allowed, each.allowed), each
    assert len(referred) > 2
    assert any(each.allowed and each.reader == guest.address for each in said)
    assert 20 < sum(each.allowed for each in said) < len(said) - 20
    assert {window.purpose for window in windows} <= {purpose.number for purpose in PURPOSES}


def test_affiliations__of_who_joined_left_and_was_replaced(world: HealthWorld) -> None:
    # given
    chain, clinic = world.chain("staff"), Sender(world.web3, world.clinic.signer, outbox=None)
    consortium = world.contracts.Consortium.functions
    joined, successor = world.now(), Person(world.person(publish=False).signer)

    # when
    world.travel(HOUR)
    clinic.send(consortium.dismiss(world.doctor.address))
    left = world.now()
    world.travel(HOUR)
    clinic.send(consortium.replaceAccount(world.clinic.member, successor.address))
    replaced = world.now()

    # then
    found = Affiliations(chain)
    assert [found.at(world.doctor.address, time) for time in (0, joined, left - 1, left)] == [0, 1, 1, 0]
    assert [found.at(world.clinic.address, time) for time in (joined, replaced - 1, replaced)] == [1, 1, 0]
    assert (found.at(successor.address, replaced - 1), found.now(successor.address)) == (0, 1)
    assert found.now("0x" + "11" * 20) == 0

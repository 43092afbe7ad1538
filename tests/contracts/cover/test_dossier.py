"""A claim's dossier: made from a real chain, verified without one, and refused with anything changed."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from counting_house import ODD, SHOT, VISIT, Covered
from real_anvil import person

from theriac.cover.claiming import Cover, Status
from theriac.cover.dossier import Dossier, dossier_of, slots_of
from theriac.cover.messages import Line
from theriac.cover.rules import Reason
from theriac.errors import BadDossier, NotRecomputed, Tampered
from theriac.ledger.contracts import Contracts
from theriac.ledger.deployment import Deployment
from theriac.ledger.node import Node
from theriac.ledger.signer import KeySigner


@pytest.fixture
def cover(covered: Covered, tmp_path: Path) -> Iterator[Cover]:
    """The contracts as the package sees them."""
    web3 = covered.house.chain.web3
    deployment = Deployment.of(web3, network="house", depth=0, lasting=False)
    for name, contract in covered.house.contracts.by_name.items():
        deployment = deployment.with_contract(web3, name, contract.address, block=0)
    cover = Cover(web3, Contracts(web3, deployment), index=tmp_path / "cover.db")
    yield cover
    cover.close()


def made(covered: Covered, cover: Cover, claim: bytes) -> Dossier:
    cover.sync()
    found = dossier_of(cover, Node(covered.house.chain.web3), cover.claimed(claim))
    return found.sealed(KeySigner(person("arbiter")))


def decided(covered: Covered, *lines: Line) -> bytes:
    """A claim of the hospital's that was decided, after another that used a part of the deductible."""
    house, plan = covered.house, covered.plan
    house.submit(house.claim(plan, house.encounter("earlier"), Line(VISIT.service, 1001, 1, 9_000)))
    claim = house.claim(plan, house.encounter("visit"), *lines)
    return house.submit(claim).id


LINES = (Line(VISIT.service, 1005, 1, 25_000), Line(SHOT.service, 1005, 2, 4_000), Line(SHOT.service, 1006, 1, 2_000))
"""A visit above its price, two shots, and one more than a year may have."""


def test_dossier__of_a_decided_claim__is_proven_under_its_block(covered: Covered, cover: Cover) -> None:
    # given
    claim = decided(covered, *LINES)
    # when
    dossier = made(covered, cover, claim)
    # then
    assert dossier.proof is not None
    block = covered.house.chain.web3.eth.get_block(dossier.proof.number)
    assert dossier.proof.block_hash == bytes(block["hash"])
    read = Dossier.decode(dossier.encode())
    assert read == dossier
    assert read.verify(claim, block_hash=bytes(block["hash"])).startswith("Proven under block")
    assert read.decision.outcomes[2].reasons == Reason.FREQUENCY


def test_dossier__of_goods__is_proven(covered: Covered, cover: Cover) -> None:
    # given
    house = covered.house
    house.stock()
    lines = house.prescribed()
    terms = house.prescribe(lines)
    settled = house.dispense(house.claim_for(covered.plan, terms), house.goods(terms, lines, 0))
    # when
    dossier = made(covered, cover, settled.id)
    # then
    assert (dossier.batch, dossier.index) == (house.batch, 0)
    assert dossier.verify(settled.id).startswith("Proven, if block")


def test_dossier__of_a_reversed_claim__says_what_was_decided(covered: Covered, cover: Cover) -> None:
    # given
    house = covered.house
    claim = house.claim(covered.plan, house.encounter("visit"), *LINES[:2])
    settled = house.submit(claim)
    house.send("doctor", "Claims", "reverse", settled.tuple, bytes(32), 0)
    # when
    dossier = made(covered, cover, claim.id)
    # then
    assert dossier.kept.status == Status.REVERSED
    assert dossier.verify(claim.id)


def test_dossier__of_a_granted_appeal__shows_what_was_set_aside(covered: Covered, cover: Cover) -> None:
    # given
    house = covered.house
    house.submit(house.claim(covered.plan, house.encounter("shots"), Line(SHOT.service, 1001, 2, 5_000)))
    claim = house.claim(covered.plan, house.encounter("a third"), Line(SHOT.service, 1002, 1, 2_000))
    settled = house.submit(claim)
    house.send("doctor", "Appeals", "appeal", claim.terms(), b"\1" * 32)
    house.send("adjuster", "Appeals", "answer", settled.tuple, [int(Reason.FREQUENCY)], True, b"\2" * 32)
    # when
    dossier = made(covered, cover, claim.id)
    # then
    assert dossier.items[0].waived == Reason.FREQUENCY
    assert dossier.decision.paid == 2_000
    assert dossier.verify(claim.id)


def test_dossier__of_a_pended_claim__there_is_none(covered: Covered, cover: Cover) -> None:
    # given
    house = covered.house
    claim = house.claim(covered.plan, house.encounter("odd"), Line(ODD.service, 1001, 1, 2_000))
    house.submit(claim)
    # when, then
    with pytest.raises(NotRecomputed):
        made(covered, cover, claim.id)


def test_slots__are_those_of_the_contract(covered: Covered, cover: Cover) -> None:
    # given
    claim = decided(covered, *LINES)
    cover.sync()
    # when
    web3, address = covered.house.chain.web3, covered.house.contracts.claims.address
    words = [int.from_bytes(web3.eth.get_storage_at(address, slot), "big") for slot in slots_of(claim)]
    # then
    dossier = made(covered, cover, claim)
    assert words == list(dossier.kept.words)


def _more_paid(told: Any) -> None:
    told["decision"][0][0][6] = str(int(told["decision"][0][0][6]) + 1)


def _more_paid_and_kept(told: Any) -> None:
    outcomes, *_, paid, _share = told["decision"]
    outcomes[0][6], outcomes[0][2] = str(int(outcomes[0][6]) + 1), str(int(outcomes[0][2]) - 1)
    told["decision"][3], told["kept"][6] = str(int(paid) + 1), str(int(paid) + 1)


def _waived(told: Any) -> None:
    told["items"][2][-1] = str(int(Reason.DUPLICATE))


CHANGES: dict[str, tuple[int, Callable[[Any], None]]] = {
    "a day": (1, lambda told: told["claim"]["lines"][0].update(day=1006)),
    "an amount": (1, lambda told: told["claim"]["lines"][0].update(charged=24_999)),
    "the patient's signature": (2, lambda told: told.update(signature=told["signature"][:-4] + "1c1b")),
    "the controller": (2, lambda told: told.update(controller="0x" + "11" * 20)),
    "the chain": (2, lambda told: told["domain"].update(chain_id="1")),
    "a term of the plan": (3, lambda told: told["plan"].update(filingDays=1)),
    "the contract that the plan names": (3, lambda told: told["plan"].update(adjudicator="0x" + "11" * 20)),
    "a limit": (3, lambda told: told["plan"]["limits"].update(deductible=0)),
    "a row's price": (3, lambda told: told["rows"][0][0].__setitem__(3, "10001")),
    "what an item was charged": (4, lambda told: told["items"][0].__setitem__(3, "24999")),
    "what had been used": (4, lambda told: told["person"].__setitem__(0, "0")),
    "what was paid": (4, _more_paid),
    "what was paid, everywhere": (4, _more_paid_and_kept),
    "what was set aside": (4, _waived),
    "the kept hash": (5, lambda told: told["kept"].__setitem__(8, "0x" + "22" * 32)),
    "the kept amount": (5, lambda told: told["kept"].__setitem__(6, "1")),
    "the kept time": (6, lambda told: told["kept"].__setitem__(4, "1")),
    "a node of the proof": (6, lambda told: told["proof"]["account"].pop(0)),
    "the block": (6, lambda told: told["proof"]["header"].__setitem__(8, "ff")),
}


@pytest.mark.parametrize("what", CHANGES)
def test_dossier__with_one_thing_changed__is_refused_at_its_step(covered: Covered, cover: Cover, what: str) -> None:
    # given
    claim = decided(covered, *LINES)
    dossier = made(covered, cover, claim)
    assert dossier.proof is not None
    trusted = dossier.proof.block_hash
    told = json.loads(dossier.encode())
    step, change = CHANGES[what]
    # when
    change(told)
    changed = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    # then whoever changes it and signs it anew is refused all the same
    with pytest.raises(Tampered) as refused:
        Dossier.decode(changed).sealed(KeySigner(person("forger"))).verify(claim, block_hash=trusted)
    assert getattr(refused.value, "step", 6) == step


def test_dossier__of_another_claim__is_refused(covered: Covered, cover: Cover) -> None:
    # given
    dossier = made(covered, cover, decided(covered, *LINES))
    # when, then
    with pytest.raises(BadDossier):
        dossier.verify(b"\7" * 32)


def test_dossier__with_any_byte_changed__is_refused(covered: Covered, cover: Cover) -> None:
    # given
    claim = decided(covered, *LINES)
    data = made(covered, cover, claim).encode()
    # when, then
    for place in range(3, len(data), 97):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(Tampered):
            Dossier.decode(changed).verify(claim)


@pytest.mark.parametrize(("part", "step"), [("seal", 0), ("signature", 2)])
def test_dossier__with_a_signature_of_no_point_of_the_curve__is_refused(
    covered: Covered, cover: Cover, part: str, step: int
) -> None:
    # given: no point has the x of 5, since 5^3 + 7 is no square
    claim = decided(covered, *LINES)
    nobodys = (5).to_bytes(32, "big") + (1).to_bytes(32, "big") + b"\x1b"
    dossier = replace(made(covered, cover, claim), **{part: nobodys})
    if part != "seal":
        dossier = dossier.sealed(KeySigner(person("forger")))
    # when, then
    with pytest.raises(BadDossier) as refused:
        dossier.verify(claim)
    assert refused.value.step == step


def test_dossier__of_a_contract_of_somebodys_own__is_refused_by_who_knows_the_consortiums(
    covered: Covered, cover: Cover
) -> None:
    # given
    claim = decided(covered, *LINES)
    dossier = made(covered, cover, claim)
    # when, then
    assert dossier.verify(claim, contract=covered.house.contracts.claims.address)
    with pytest.raises(BadDossier):
        dossier.verify(claim, contract="0x" + "11" * 20)

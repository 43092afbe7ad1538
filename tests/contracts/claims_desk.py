"""What the contracts tell of claims, and what the tests of claims do again and again at the counting house."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from counting_house import DAY, NO_LIMIT, NUMBERS, VISIT, Covered, House, Plan, Settled, digest
from eth_abi import encode
from eth_utils import keccak
from signature_cases import Event

from theriac.cover.messages import NONE, Claim, Line
from theriac.medicine.messages import Line as Prescribed
from theriac.medicine.messages import Terms

NONE_USED = (0, 0, 0, 0)

ENTRIES, FROZEN_BIT = 2, 224
"""Where `Keys` keeps its entries, and whether one is frozen."""

# -- what the contracts tell -----------------------------------------------------------------------------------------


def submitted(claim: Claim, *, batch: bytes = NONE, index: int = 0) -> Event:
    told = {
        "claim": claim.id,
        "plan": claim.plan,
        "pseudonym": claim.pseudonym,
        "provider": claim.provider,
        "evidence": claim.evidence,
        "primary": claim.primary,
        "batch": batch,
        "index": index,
    }
    return Event("Submitted", told)


def assessed(
    claim: Claim, outcomes: Sequence[tuple[int, ...]], person: Sequence[int], family: Sequence[int] = NONE_USED
) -> Event:
    told = {"claim": claim.id, "outcomes": list(outcomes), "person": list(person), "family": list(family)}
    return Event("Assessed", told)


def decided(claim: Claim, paid: int, share: int) -> Event:
    return Event("Decided", {"claim": claim.id, "paid": paid, "share": share})


def pended(claim: Claim, missing: int) -> Event:
    return Event("ClaimPended", {"claim": claim.id, "missing": missing})


def was_reversed(claim: Claim, paid: int) -> Event:
    return Event("Reversed", {"claim": claim.id, "paid": paid})


def unused(claim: Claim, person: Sequence[int] = NONE_USED, family: Sequence[int] = NONE_USED) -> Event:
    return Event("Unused", {"claim": claim.id, "person": list(person), "family": list(family)})


def paid(plan: bytes, member: str, amount: int, *, repaid: int = 0, withheld: int = 0) -> Event:
    told = {"plan": plan, "member": NUMBERS[member], "amount": amount, "repaid": repaid, "withheld": withheld}
    return Event("Paid", told)


def taken_back(plan: bytes, member: str, amount: int) -> Event:
    return Event("TakenBack", {"plan": plan, "member": NUMBERS[member], "amount": amount})


def credited(house: House, member: str, amount: int) -> Event:
    told = {"token": house.coin.address, "to": house.address(member), "amount": amount, "failed": False}
    return Event("Credited", told)


# -- what is done again and again ------------------------------------------------------------------------------------


def visit(covered: Covered, day: int, *, charged: int = 10_000, name: str = "", **other: Any) -> Claim:
    """A visit of the hospital's on a day, with an encounter of its own."""
    evidence = covered.house.encounter(name or f"visit of day {day}")
    return covered.house.claim(covered.plan, evidence, Line(VISIT.service, day, 1, charged), **other)


def resume(house: House, claim: Claim, *, least: int = 0, batch: bytes = NONE, index: int = 0) -> tuple[Any, ...]:
    """What `Claims.resume` is called with."""
    return (claim.terms(), house.rows(claim), batch, index, least)


def review(house: House, claim: Claim, agreed: bool, *, batch: bytes = NONE, index: int = 0) -> tuple[Any, ...]:
    """What `Claims.review` is called with."""
    return (claim.terms(), house.rows(claim), batch, index, agreed)


def adjustment(house: House, old: Settled, claim: Claim, *, least: int = 0) -> tuple[Any, ...]:
    """What `Claims.adjust` is called with, the patient's consent too."""
    return (old.tuple, claim.terms(), house.rows(claim), least, house.signature(claim, "patient"))


def coordination(house: House, claim: Claim, primary: Settled, *, least: int = 0) -> tuple[Any, ...]:
    """What `Claims.coordinate` is called with, the patient's consent too."""
    return (claim.terms(), house.rows(claim), primary.tuple, least, house.signature(claim, "patient"))


def dispensing(house: House, claim: Claim, goods: tuple[Any, ...], *, least: int = 0) -> tuple[Any, ...]:
    """What `Claims.dispense` is called with, the patient's consent too."""
    return (claim.terms(), house.rows(claim), goods, least, house.signature(claim, "patient"))


def pended_as(house: House, claim: Claim, **other: Any) -> Settled:
    """A pended claim as the contracts want it shown: nothing was decided."""
    return Settled(claim, (), (), **other)


def second_plan(house: House, **other: Any) -> Plan:
    """A plan of another insurer with money behind it, in which the patient is enrolled too."""
    house.send("mutual", "Consortium", "setOperator", house.contract("Episodes").address, 0)
    plan = house.plan(insurer=NUMBERS["mutual"], document=digest("second plan"), **other)
    house.publish(plan, by="actuary")
    house.fund(plan.id, 10_000_000, by="mutual")
    house.enrol(plan.id, by="actuary")
    return plan


def freeze(house: House, who: str) -> None:
    """Freezes a pseudonym, which only a contract of recovery may: its word is written where the contract keeps it."""
    keys, pseudonym = house.contract("Keys").address, house.address(who)
    place = "0x" + keccak(encode(["address", "uint256"], [pseudonym, ENTRIES])).hex()
    house.chain.ask("anvil_setStorageAt", keys, place, "0x" + (1 << FROZEN_BIT).to_bytes(32, "big").hex())
    assert house.ask("Keys", "authorityOf", pseudonym) == (pseudonym, 0, 0, True)


def query(claim: Claim, time: int, *, is_goods: bool = False, funds: int = 10_000_000) -> tuple[Any, ...]:
    """What `Benefits.quote` is asked with."""
    return (claim.id, time, is_goods, False, False, NO_LIMIT, funds)


def later(house: House, days: int) -> None:
    house.chain.at(house.chain.now() + days * DAY)


def again(claim: Claim, name: str, **other: Any) -> Claim:
    """The same claim once more, under another salt."""
    return replace(claim, salt=digest(name), **other)


class Counter:
    """A pharmacy's counter with a batch in stock and a prescription of one line."""

    def __init__(self, covered: Covered, quantity: int = 3) -> None:
        self.house, self.plan = covered.house, covered.plan
        self.house.stock()
        self.lines: tuple[Prescribed, ...] = self.house.prescribed(quantity)
        self.terms: Terms = self.house.prescribe(self.lines)

    def claim(self, **other: Any) -> Claim:
        return self.house.claim_for(self.plan, self.terms, **other)

    def goods(self, index: int = 0, **other: Any) -> tuple[Any, ...]:
        return self.house.goods(self.terms, self.lines, index, **other)

    def dispense(self, claim: Claim, index: int = 0, **other: Any) -> Settled:
        return self.house.dispense(claim, self.goods(index, **other))

    def refusal(self, claim: Claim, goods: tuple[Any, ...], *, least: int = 0, by: str = "pharmacist") -> Any:
        return self.house.refusal(by, "Claims", "dispense", *dispensing(self.house, claim, goods, least=least))

    def filled(self) -> int:
        """How many units of the line were given."""
        return int(self.house.ask("Prescriptions", "lineOf", self.terms.id, 0)[0])

    def is_in_stock(self, index: int = 0) -> bool:
        house = self.house
        return bool(house.ask("Batches", "statusOf", house.batch, index) == 0)

"""Tokens that misbehave: refused when a plan is published, or harmless to everyone who did not choose them.

`Odd` is a token that changes its ways when the test says so. Beside the plan that is looked at, another insurer's has
money in the same token: whatever happens, the escrow owes no more than it has, and the neighbour's money is there.
"""

from dataclasses import dataclass
from typing import Any

import pytest
from counting_house import (
    DAY,
    DECIDED,
    DISPUTED,
    FIRST,
    FUNDS,
    NUMBERS,
    PANEL,
    PENDED,
    REVERSED,
    VISIT,
    ZERO,
    Event,
    House,
    Plan,
    Refusal,
    Settled,
    error,
)
from eth_abi import encode
from eth_utils import keccak
from real_anvil import encoded

from theriac.consortium import Join, Role
from theriac.cover.messages import Claim, Line

NONE, FEE, ON_TOP, SILENT, UNTRUE, REVERTING, CALLING = range(7)
"""How the token behaves; see `OddToken`."""

MONEY, NEIGHBOUR = 1_000_000, 500_000
PRICE, SHARE = 6_000, 10_000
HOSPITAL = NUMBERS["hospital"]


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


# -- when a plan is published ----------------------------------------------------------------------------------------

DECIMALS = {
    "seven": word(7),
    "eighteen": word(18),
    "more than a byte holds": word(256 + 6),
    "as many as a word holds": word(2**256 - 1),
    "a text": encode(["string"], ["six"]),
    "too short a word": word(6)[1:],
    "a byte": b"\x06",
    "nothing at all": b"",
}


@pytest.mark.parametrize("said", DECIMALS)
def test_published__with_decimals_that_are_too_many_or_nonsense(house: House, said: str) -> None:
    # given
    token = house.chain.deploy("OddToken", DECIMALS[said]).address

    # then
    refused = house.refusal("adjuster", "Policies", "publish", house.plan(token=token).tuple)
    assert refused == error("WrongToken", token=token)


@pytest.mark.parametrize("what", ["an account", "nobody", "another contract"])
def test_published__with_what_is_no_token(house: House, what: str) -> None:
    # given
    contract = house.contracts.carrier.address
    token = {"an account": house.address("stranger"), "nobody": ZERO, "another contract": contract}[what]

    # then
    refused = house.refusal("adjuster", "Policies", "publish", house.plan(token=token).tuple)
    assert refused == error("WrongToken", token=token)


@pytest.mark.parametrize("decimals", [0, 2, 6])
def test_published__with_few_decimals(house: House, decimals: int) -> None:
    # given
    token = house.chain.deploy("OddToken", word(decimals) + b"and something behind").address

    # then
    assert house.refusal("adjuster", "Policies", "publish", house.plan(token=token).tuple) is None


# -- afterwards ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Odd:
    """The house with a plan in an odd token, that has money, and a neighbour in the same token."""

    house: House
    plan: bytes
    neighbour: bytes

    @property
    def token(self) -> str:
        return str(self.house.contract("Odd").address)

    def turns(self, oddity: int) -> None:
        self.house.send("stranger", "Odd", "setOddity", oddity)

    def mint(self, who: str, amount: int) -> None:
        self.house.send(who, "Odd", "mint", self.house.address(who), amount)
        self.house.send(who, "Odd", "approve", self.house.contracts.escrow.address, 2**256 - 1)

    def coins(self, who: str) -> int:
        return int(self.house.ask("Odd", "balanceOf", self.house.address(who)))

    def credit(self, who: str) -> int:
        return int(self.house.ask("Escrow", "creditOf", self.token, self.house.address(who)))

    def push(self, payee: str = "hospital") -> None:
        """From now on what the hospital gets is sent."""
        self.house.send("hospital", "Escrow", "setPayout", HOSPITAL, self.house.address(payee), True)

    def claim(self, name: str = "panel", day: int = FIRST) -> Claim:
        lines = (Line(PANEL.service, day, 1, PRICE), Line(VISIT.service, day, 1, SHARE))
        return self.house.claim(self.plan, self.house.encounter(name), *lines)

    def paid(self, name: str = "panel", day: int = FIRST) -> Settled:
        """A claim that was paid with 6,000, and of which the patient owes 10,000."""
        settled = self.house.submit(self.claim(name, day))
        state = self.house.state(settled.id)
        assert (state["status"], state["paid"], state["share"]) == (DECIDED, PRICE, SHARE)
        return settled

    def sound(self) -> None:
        """The escrow owes what it has, the neighbour's money is there, and the provider got what was decided."""
        self.house.solvent()
        assert self.house.balance(self.neighbour) == NEIGHBOUR

    def wrong(self, arrived: int, amount: int) -> Refusal:
        return error("WrongTransfer", token=self.token, arrived=arrived, amount=amount)


@pytest.fixture
def odd(house: House) -> Odd:
    token = house.others["Odd"] = house.chain.deploy("OddToken", word(6))
    plan: Plan = house.plan(token=token.address)
    neighbour: Plan = house.plan(token=token.address, insurer=NUMBERS["mutual"])
    house.publish(plan)
    house.publish(neighbour, by="actuary")
    found = Odd(house, plan.id, neighbour.id)
    for who, each, amount in (("insurer", plan.id, MONEY), ("mutual", neighbour.id, NEIGHBOUR)):
        found.mint(who, amount)
        house.send(who, "Escrow", "deposit", each, amount)
    house.enrol(plan.id)
    return found


def deposit(who: str, odd: Odd) -> tuple[Any, ...]:
    return (who, "Escrow", "deposit", odd.plan, 1_000)


def drain(odd: Odd) -> tuple[Any, ...]:
    return ("insurer", "Escrow", "drain", odd.plan, 1_000, odd.house.address("insurer"))


def withdraw(odd: Odd, to: str = "hospital") -> tuple[Any, ...]:
    return ("hospital", "Escrow", "withdraw", odd.token, odd.house.address(to))


def pay_share(odd: Odd, settled: Settled) -> tuple[Any, ...]:
    return ("friend", "Escrow", "payShare", odd.plan, settled.claim.content, SHARE)


def reverse(settled: Settled, by: str = "doctor") -> tuple[Any, ...]:
    return (by, "Claims", "reverse", settled.tuple, bytes(32), 0)


def test_fee__is_refused_at_the_deposit_and_claims_wait(house: House) -> None:
    # given: a token that never did otherwise
    house.others["Odd"] = house.chain.deploy("OddToken", word(6))
    plan = house.plan(token=house.contract("Odd").address)
    house.publish(plan)
    house.enrol(plan.id)
    odd = Odd(house, plan.id, plan.id)
    odd.turns(FEE)
    odd.mint("insurer", 1_000)

    # when
    refused = house.refusal(*deposit("insurer", odd))
    claim = odd.claim()
    house.submit(claim)

    # then
    assert refused == odd.wrong(990, 1_000)
    assert (house.state(claim.id)["status"], house.state(claim.id)["missing"]) == (PENDED, FUNDS)
    assert (odd.coins("insurer"), house.balance(plan.id)) == (1_000, 0)


def test_fee__later__is_the_payee_s_who_withdraws(odd: Odd) -> None:
    # given
    odd.paid()
    odd.turns(FEE)

    # when
    odd.house.send(*withdraw(odd))

    # then
    assert (odd.coins("hospital"), odd.credit("hospital")) == (PRICE - 60, 0)
    odd.sound()


def test_fee__later__nothing_is_sent_that_would_not_arrive(odd: Odd) -> None:
    # given
    odd.push()
    odd.turns(FEE)

    # when
    odd.paid()

    # then
    assert (odd.coins("hospital"), odd.credit("hospital")) == (0, PRICE)
    odd.sound()


def test_fee__later__no_share_is_paid_in_part(odd: Odd) -> None:
    # given
    settled = odd.paid()
    odd.mint("friend", SHARE)
    odd.turns(FEE)

    # when
    refused = odd.house.refusal(*pay_share(odd, settled))

    # then
    assert refused == odd.wrong(SHARE - 100, SHARE)
    assert odd.house.state(settled.id)["share"] == SHARE


def test_fee__later__nothing_is_reversed_in_part(odd: Odd) -> None:
    # given
    odd.push()
    settled = odd.paid()
    odd.mint("hospital", 0)
    odd.turns(FEE)

    # when
    refused = odd.house.refusal(*reverse(settled))

    # then
    assert refused == odd.wrong(PRICE - 60, PRICE)
    assert odd.house.state(settled.id)["status"] == DECIDED
    odd.sound()


def test_on_top__nothing_leaves_that_others_would_pay_for(odd: Odd) -> None:
    # given
    odd.push()
    odd.turns(ON_TOP)

    # when
    odd.paid()

    # then
    assert (odd.coins("hospital"), odd.credit("hospital")) == (0, PRICE)
    assert odd.house.refusal(*withdraw(odd)) == odd.wrong(PRICE + 60, PRICE)
    assert odd.house.refusal(*drain(odd)) == odd.wrong(1_010, 1_000)
    odd.sound()
    odd.turns(NONE)
    odd.house.send(*withdraw(odd))
    assert odd.coins("hospital") == PRICE
    odd.sound()


def test_silent__all_goes_as_with_any_other(odd: Odd) -> None:
    # given: as the most used of all dollars does
    odd.turns(SILENT)
    odd.push()
    odd.mint("insurer", 1_000)
    odd.mint("friend", SHARE)
    odd.house.send(*deposit("insurer", odd))

    # when
    settled = odd.paid()
    odd.house.send(*pay_share(odd, settled))

    # then
    assert odd.coins("hospital") == PRICE + SHARE
    odd.mint("hospital", 0)
    odd.house.send(*reverse(settled))
    odd.house.send("friend", "Escrow", "withdraw", odd.token, odd.house.address("friend"))
    odd.house.send(*drain(odd))
    assert (odd.coins("hospital"), odd.coins("friend"), odd.coins("insurer")) == (0, SHARE, 1_000)
    assert odd.house.balance(odd.plan) == MONEY
    odd.sound()


@pytest.mark.parametrize("oddity", [UNTRUE, REVERTING], ids=["untrue", "reverting"])
def test_failing__what_cannot_be_sent_is_credited_until_it_can(odd: Odd, oddity: int) -> None:
    # given
    odd.push()
    odd.turns(oddity)

    # when
    claim = odd.claim()
    told = odd.house.send("doctor", "Claims", "submit", *odd.house.submission(claim))

    # then
    facts = {"token": odd.token, "to": odd.house.address("hospital"), "amount": PRICE, "failed": True}
    assert told[-1] == Event("Credited", facts)
    odd.sound()
    odd.turns(NONE)
    odd.house.send(*withdraw(odd))
    assert (odd.coins("hospital"), odd.credit("hospital")) == (PRICE, 0)
    odd.sound()


@pytest.mark.parametrize("oddity", [UNTRUE, REVERTING], ids=["untrue", "reverting"])
def test_failing__whatever_else_moves_money_is_refused(odd: Odd, oddity: int) -> None:
    # given
    settled = odd.paid()
    odd.house.send(*withdraw(odd))
    odd.paid("another", FIRST + 1)
    for who in ("insurer", "friend", "hospital"):
        odd.mint(who, SHARE)
    odd.turns(oddity)

    # when
    calls = [deposit("insurer", odd), drain(odd), withdraw(odd), pay_share(odd, settled)]
    refused = [odd.house.refusal(*call) for call in calls]

    # then
    untrue = error("SafeERC20FailedOperation", token=odd.token)
    whom = [odd.house.contracts.escrow.address, *map(odd.house.address, ("insurer", "hospital"))]
    reverting = [error("Refused", account=account) for account in (*whom, whom[0])]
    assert refused == ([untrue] * 4 if oddity == UNTRUE else reverting)
    odd.sound()


def test_blacklisted__payee__is_credited_and_withdraws_elsewhere(odd: Odd) -> None:
    # given
    odd.push()
    odd.house.send("stranger", "Odd", "setRefused", odd.house.address("hospital"), True)

    # when
    odd.paid()

    # then
    assert odd.credit("hospital") == PRICE
    assert odd.house.refusal(*withdraw(odd)) == error("Refused", account=odd.house.address("hospital"))
    odd.house.send(*withdraw(odd, to="treasury"))
    assert (odd.coins("treasury"), odd.credit("hospital")) == (PRICE, 0)
    odd.sound()


def test_blacklisted__payer__does_not_keep_a_claim_from_being_reversed(odd: Odd) -> None:
    # given
    settled = odd.paid()
    odd.mint("friend", SHARE)
    odd.house.send(*pay_share(odd, settled))
    odd.house.send("stranger", "Odd", "setRefused", odd.house.address("friend"), True)

    # when
    odd.house.send(*reverse(settled))

    # then
    assert odd.house.state(settled.id)["status"] == REVERSED
    assert odd.credit("friend") == SHARE
    odd.sound()


def test_blacklisted__escrow__nothing_comes_in_and_all_can_leave(odd: Odd) -> None:
    # given
    settled = odd.paid()
    for who in ("insurer", "friend"):
        odd.mint(who, SHARE)
    escrow = odd.house.contracts.escrow.address
    odd.house.send("stranger", "Odd", "setRefused", escrow, True)

    # then
    refused = error("Refused", account=escrow)
    assert odd.house.refusal(*deposit("insurer", odd)) == refused
    assert odd.house.refusal(*pay_share(odd, settled)) == refused
    odd.house.send(*withdraw(odd))
    odd.house.send(*drain(odd))
    odd.sound()


def test_decimals__that_change_later__change_no_amount(odd: Odd) -> None:
    # given
    odd.house.send("stranger", "Odd", "setDecimals", word(18))

    # when
    odd.paid()

    # then
    assert odd.credit("hospital") == PRICE
    odd.sound()


@pytest.mark.parametrize("oddity", [FEE, UNTRUE, REVERTING], ids=["fee", "untrue", "reverting"])
def test_premium__covers_nothing_where_it_does_not_arrive(house: House, oddity: int) -> None:
    # given
    house.others["Odd"] = house.chain.deploy("OddToken", word(6))
    plan = house.plan(token=house.contract("Odd").address, premium=500, premium_days=30)
    house.publish(plan)
    house.enrol(plan.id)
    house.send("friend", "Odd", "mint", house.address("friend"), 500)
    house.send("friend", "Odd", "approve", house.contracts.policies.address, 500)
    house.send("stranger", "Odd", "setOddity", oddity)

    # when
    refused = house.refusal("friend", "Policies", "payPremium", plan.id, house.address("patient"), 1)

    # then
    assert (
        refused
        == {
            FEE: error("WrongTransfer", token=plan.token, arrived=495, amount=500),
            UNTRUE: error("SafeERC20FailedOperation", token=plan.token),
            REVERTING: error("Refused", account=house.address("insurer")),
        }[oddity]
    )


@pytest.mark.parametrize("push", [False, True], ids=["pull", "push"])
@pytest.mark.parametrize("oddity", [FEE, ON_TOP, SILENT, UNTRUE, REVERTING])
def test_whatever_it_does__nobody_loses_what_others_have(odd: Odd, oddity: int, push: bool) -> None:
    # given
    house = odd.house
    if push:
        odd.push()
    for who in ("insurer", "friend", "hospital"):
        odd.mint(who, 2 * SHARE)
    before = odd.paid()
    odd.turns(oddity)

    # when: whatever goes is done
    now = odd.paid("while it is odd", FIRST + 1)
    acts = [
        deposit("insurer", odd),
        pay_share(odd, before),
        pay_share(odd, now),
        reverse(before),
        withdraw(odd),
        drain(odd),
        reverse(now),
    ]
    for act in acts:
        if house.refusal(*act) is None:
            house.send(*act)

    # then: a claim's money is where its status says
    states = [house.state(settled.id) for settled in (before, now)]
    shares = sum(house.ask("Escrow", "shareOf", odd.plan, settled.id) for settled in (before, now))
    received = house.ask("Escrow", "accountOf", odd.plan, HOSPITAL)[0]
    assert received == shares + sum(state["paid"] for state in states)
    assert all(state["paid"] == (PRICE if state["status"] == DECIDED else 0) for state in states)
    odd.sound()


# -- calling back ----------------------------------------------------------------------------------------------------

REENTERED = "0x" + keccak(text="ReentrancyGuardReentrantCall()")[:4].hex()


@pytest.fixture
def caller(odd: Odd) -> Odd:
    """The token is a clinician of the hospital's, whose money is sent; it has coins of its own and something coming."""
    house = odd.house
    join = Join(odd.token, HOSPITAL, Role.CLINICIAN, 0, house.soon)
    house.send("hospital", "Consortium", "join", *join.arguments(b"any"))
    odd.house.send("stranger", "Odd", "mint", odd.token, 50_000)
    approve = house.contract("Odd").functions.approve(house.contracts.escrow.address, 2**256 - 1)
    house.send("stranger", "Odd", "act", odd.token, encoded(approve))
    for who in ("insurer", "friend", "hospital"):
        odd.mint(who, 2 * SHARE)
    return odd


def calls(odd: Odd, contract: str, function: str, *arguments: Any) -> None:
    """From now on it calls that whenever it moves something."""
    call = odd.house.contract(contract).functions[function](*arguments)
    odd.house.send("stranger", "Odd", "setCall", call.address, encoded(call))
    odd.turns(CALLING)


def answer(odd: Odd) -> tuple[bool, str]:
    """Whether its call was answered, and the first bytes of how."""
    said = bytes(odd.house.ask("Odd", "answer"))
    return bool(odd.house.ask("Odd", "answered")), "0x" + said[:4].hex()


@pytest.mark.parametrize("function", ["deposit", "withdraw", "release", "hold", "payShare"])
def test_calling__the_escrow_while_it_pays(caller: Odd, function: str) -> None:
    # given
    house = caller.house
    caller.push()
    other = caller.paid("before")
    arguments = {
        "deposit": (caller.plan, 100),
        "withdraw": (caller.token, caller.token),
        "release": (caller.plan, HOSPITAL, 1),
        "hold": (caller.plan, 1),
        "payShare": (caller.plan, other.claim.content, SHARE),
    }[function]
    calls(caller, "Escrow", function, *arguments)

    # when
    caller.paid("now", FIRST + 1)

    # then
    assert answer(caller) == (False, REENTERED)
    assert house.state(other.id)["share"] == SHARE
    caller.sound()


def test_calling__for_the_same_claim_to_be_reversed_while_it_is_paid(caller: Odd) -> None:
    # given: it knows what will be decided
    caller.push()
    claim = caller.claim()
    outcomes = ((0, PRICE, 0, 0, 0, 0, PRICE), (0, 10_000, 9_000, 1_000, 0, 0, 0))
    settled = Settled(claim, (PANEL, VISIT), outcomes)
    calls(caller, "Claims", "reverse", settled.tuple, bytes(32), 0)

    # when
    caller.house.submit(claim)

    # then
    assert answer(caller) == (False, REENTERED)
    assert caller.house.state(claim.id)["status"] == DECIDED
    assert caller.house.state(claim.id)["paid"] == PRICE
    caller.sound()


def test_calling__with_another_claim_while_one_is_paid(caller: Odd) -> None:
    # given
    caller.push()
    claim, other = caller.claim(), caller.claim("another", FIRST + 1)
    calls(caller, "Claims", "submit", *caller.house.submission(other))

    # when
    caller.house.submit(claim)

    # then
    assert answer(caller) == (False, REENTERED)
    assert [caller.house.state(each.id)["paid"] for each in (claim, other)] == [PRICE, 0]
    caller.sound()


def test_calling__with_the_same_claim_while_it_is_paid(caller: Odd) -> None:
    # given
    caller.push()
    claim = caller.claim()
    calls(caller, "Claims", "submit", *caller.house.submission(claim))

    # when
    caller.house.submit(claim)

    # then: it is decided already
    assert answer(caller) == (False, "0x" + keccak(text="WrongStatus(bytes32,uint8)")[:4].hex())
    assert caller.house.state(claim.id)["paid"] == PRICE
    caller.sound()


def test_calling__that_a_share_was_received_while_it_is_paid(caller: Odd) -> None:
    # given
    settled = caller.paid()
    calls(caller, "Claims", "receiveShare", caller.plan, settled.claim.content)

    # when
    caller.house.send(*pay_share(caller, settled))

    # then
    assert answer(caller) == (False, "0x" + keccak(text="NothingDue(bytes32)")[:4].hex())
    assert caller.credit("hospital") == PRICE + SHARE
    caller.sound()


def test_calling__with_a_new_claim_for_the_evidence_of_one_that_is_being_reversed(caller: Odd) -> None:
    # given
    caller.push()
    settled = caller.paid()
    again = caller.house.claim(caller.plan, settled.claim.evidence, *settled.claim.lines, salt=word(2))
    calls(caller, "Claims", "submit", *caller.house.submission(again))

    # when: it is collected from the hospital's account
    caller.house.send(*reverse(settled))

    # then
    assert answer(caller) == (False, REENTERED)
    assert caller.house.state(settled.id)["status"] == REVERSED
    assert (caller.coins("hospital"), caller.house.balance(caller.plan)) == (2 * SHARE, MONEY)
    caller.sound()


@pytest.mark.parametrize("function", ["withdraw", "drain"])
def test_calling__for_more_of_the_same_while_something_leaves(caller: Odd, function: str) -> None:
    # given
    caller.paid()
    act = withdraw(caller) if function == "withdraw" else drain(caller)
    calls(caller, *act[1:])

    # when
    caller.house.send(*act)

    # then
    assert answer(caller) == (False, REENTERED)
    caller.sound()


def test_calling__with_the_claim_that_takes_the_place_of_another(caller: Odd) -> None:
    # given: a share that was paid and spent, and is collected from the hospital's account where the claim is adjusted
    caller.push()
    house = caller.house
    visit = Line(VISIT.service, FIRST, 1, SHARE)
    settled = house.submit(house.claim(caller.plan, house.encounter("visit"), visit))
    house.send(*pay_share(caller, settled))
    right = house.claim(caller.plan, settled.claim.evidence, visit, salt=word(2))
    calls(caller, "Claims", "submit", *house.submission(right))

    # when
    consent = house.signature(right, "patient")
    house.send("doctor", "Claims", "adjust", settled.tuple, right.terms(), house.rows(right), 0, consent)

    # then: it was written before any money moved
    assert answer(caller) == (False, "0x" + keccak(text="WrongStatus(bytes32,uint8)")[:4].hex())
    assert house.state(right.id)["share"] == SHARE
    caller.sound()


def test_calling__to_reverse_what_only_the_patient_paid_while_another_is_paid(caller: Odd) -> None:
    # given: a claim for which no plan paid, so that all that moves is the share
    caller.push()
    house = caller.house
    visit = Line(VISIT.service, FIRST, 1, SHARE)
    settled = house.submit(house.claim(caller.plan, house.encounter("visit"), visit))
    house.send(*pay_share(caller, settled))
    calls(caller, "Claims", "reverse", settled.tuple, bytes(32), 0)

    # when
    caller.paid("now", FIRST + 1)

    # then
    assert answer(caller) == (False, REENTERED)
    assert (house.state(settled.id)["status"], house.state(settled.id)["paid"]) == (DECIDED, 0)
    caller.sound()


@pytest.fixture
def insurers(odd: Odd) -> Odd:
    """The token is an adjuster of the insurer's."""
    join = Join(odd.token, NUMBERS["insurer"], Role.INSURER, 0, odd.house.soon)
    odd.house.send("insurer", "Consortium", "join", *join.arguments(b"any"))
    odd.push()
    return odd


def test_calling__to_dispute_a_claim_while_another_is_paid(insurers: Odd) -> None:
    # given
    other = insurers.paid("before")
    calls(insurers, "Appeals", "refute", other.tuple, 1, word(1))

    # when
    insurers.paid("now", FIRST + 1)

    # then
    assert answer(insurers) == (False, REENTERED)
    assert insurers.house.state(other.id)["status"] == DECIDED
    insurers.sound()


def test_calling__to_end_a_dispute_while_money_is_put_in(insurers: Odd) -> None:
    # given: a dispute that the arbiter has let lapse, which anybody may say
    house = insurers.house
    other = insurers.paid("before")
    house.send("adjuster", "Appeals", "refute", other.tuple, 1, word(1))
    house.chain.at(house.chain.now() + (house.plan().appeal_days + 1) * DAY)
    insurers.mint("insurer", 1_000)
    calls(insurers, "Appeals", "lapse", other.tuple)

    # when
    house.send(*deposit("insurer", insurers))

    # then
    assert answer(insurers) == (False, REENTERED)
    assert house.state(other.id)["status"] == DISPUTED
    insurers.sound()

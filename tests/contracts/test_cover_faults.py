"""What the contracts of cover hold to: each test is the shortest way to see it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from real_anvil import encoded
from signature_cast import digest
from signature_cover import PAID, ROWS, SHARE, claim, enrolling, plan, settled, terms_of_plan
from signature_stage import (
    DOCTOR,
    FUNDS,
    HOSPITAL,
    HOSPITAL_NUMBER,
    INSURER,
    RELAYER,
    STRANGER,
    Stage,
    open_stage,
)
from web3.contract import Contract

from theriac.cover.messages import NONE

DAY = 24 * 3600


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with open_stage() as stage:
        yield stage


@pytest.fixture
def acting(stage: Stage) -> Iterator[Stage]:
    with stage.chain.undone():
        yield stage


def coin(stage: Stage) -> Contract:
    kind = stage.contracts.escrow.w3.eth.contract
    declared = [
        {"type": "function", "name": name, "stateMutability": mutability, "inputs": inputs, "outputs": outputs}
        for name, mutability, inputs, outputs in (
            ("balanceOf", "view", [{"name": "account", "type": "address"}], [{"name": "", "type": "uint256"}]),
            ("mint", "nonpayable", [{"name": "to", "type": "address"}, {"name": "amount", "type": "uint256"}], []),
            ("approve", "nonpayable", [{"name": "s", "type": "address"}, {"name": "v", "type": "uint256"}], []),
        )
    ]
    return kind(address=stage.cast.contracts["Coin"], abi=declared)


def credit(stage: Stage, account: str) -> int:
    return int(stage.contracts.escrow.functions.creditOf(stage.cast.contracts["Coin"], account).call())


def anchored(stage: Stage, what: str) -> bytes:
    stage.anchor(DOCTOR, digest(what))
    return digest(what)


def test_reverse__takes_the_money_back_from_who_got_it(acting: Stage) -> None:
    # given a hospital that was paid and has withdrawn, and an insurer that lets the escrow take its deposits
    escrow, money = acting.contracts.escrow.functions, coin(acting)
    acting.chain.send(HOSPITAL, escrow.withdraw(money.address, HOSPITAL.address))
    acting.chain.send(INSURER, money.functions.mint(INSURER.address, PAID))
    acting.chain.send(INSURER, money.functions.approve(acting.contracts.escrow.address, PAID))

    # when it names the insurer's account as its own payee, and takes a claim back
    acting.chain.send(HOSPITAL, escrow.setPayout(HOSPITAL_NUMBER, INSURER.address, False))
    reverse = acting.contracts.claims.functions.reverse(settled(claim(acting.cast, "adjusted")), NONE, 0)
    acting.chain.transact(DOCTOR, {"to": reverse.address, "data": encoded(reverse)})

    # then nobody else has paid for that
    assert money.functions.balanceOf(INSURER.address).call() == PAID


def test_reverse__of_who_has_no_family(acting: Stage) -> None:
    # given a policy without a family, and a claim under it
    terms = replace(enrolling(acting.cast, "new cover"), family=0)
    signers = (acting.signers["underwriter"], acting.signers["controller"])
    acting.carry(terms, *acting.sign(terms, *signers))
    made = claim(acting.cast, "new", of="new cover", evidence=anchored(acting, "later"))
    acting.carry(made, *acting.sign(made, signers[1]))

    # when
    reverse = acting.contracts.claims.functions.reverse(settled(made), NONE, 0)

    # then
    assert acting.refusal_of_call(reverse, sender=DOCTOR) is None


def of_carrier(stage: Stage) -> bytes:
    """A plan whose adjudicator the insurer chose for itself: here the carrier, which does what anyone says."""
    terms = list(terms_of_plan(stage.cast, "bad cover"))
    terms[0] = stage.contracts.carrier.address
    policies, money = stage.contracts.policies.functions, coin(stage)
    number = policies.idOf(tuple(terms)).call()
    stage.chain.send(INSURER, policies.publish(tuple(terms)))
    stage.chain.send(INSURER, money.functions.mint(INSURER.address, 100))
    stage.chain.send(INSURER, money.functions.approve(stage.contracts.escrow.address, 100))
    stage.chain.send(INSURER, stage.contracts.escrow.functions.deposit(number, 100))
    return bytes(number)


def carry(stage: Stage, call: Any) -> int:
    carried = stage.contracts.carrier.functions.carry([(call.address, encoded(call))])
    return stage.chain.transact(STRANGER, {"to": carried.address, "data": encoded(carried)})["status"]


def test_dispute__keeps_no_more_than_was_paid_under_the_plan(acting: Stage) -> None:
    # given a hospital with money coming to it, and another plan that paid it a hundred
    escrow, number = acting.contracts.escrow.functions, of_carrier(acting)
    assert carry(acting, escrow.pay(number, HOSPITAL_NUMBER, 100)) == 1
    before = credit(acting, HOSPITAL.address)

    # when that plan's adjudicator disputes the same hundred three times
    for _ in range(3):
        carry(acting, escrow.dispute(number, HOSPITAL_NUMBER, 100))

    # then
    assert credit(acting, HOSPITAL.address) == before - 100


def test_take_back__leaves_what_is_disputed(acting: Stage) -> None:
    # given
    escrow, number = acting.contracts.escrow.functions, of_carrier(acting)
    assert carry(acting, escrow.pay(number, HOSPITAL_NUMBER, 100)) == 1
    before = credit(acting, HOSPITAL.address)

    # when what is withheld already is taken back once more
    carry(acting, escrow.dispute(number, HOSPITAL_NUMBER, 100))
    carry(acting, escrow.takeBack(number, HOSPITAL_NUMBER, 100))

    # then
    assert credit(acting, HOSPITAL.address) == before - 100


def test_conclude__pays_nothing_out_while_the_provider_owes(acting: Stage) -> None:
    # given two refuted claims of a hospital that has withdrawn, so that only the first is withheld
    cast, contracts = acting.cast, acting.contracts
    acting.chain.send(HOSPITAL, contracts.escrow.functions.withdraw(cast.contracts["Coin"], HOSPITAL.address))
    second = settled(claim(cast, "appealed"))
    acting.chain.send(INSURER, contracts.appeals.functions.refute(second, 1, digest("openings")))

    # when the arbiter rules for the insurer about one, and for the provider about the other
    refuted = settled(claim(cast, "refuted"))
    arbiter = acting.signers["arbiter"]
    acting.chain.send(arbiter, contracts.appeals.functions.rule(refuted, digest("openings"), True))
    acting.chain.send(arbiter, contracts.appeals.functions.rule(second, digest("openings"), False))

    # then the provider has either the money or a debt
    account = contracts.escrow.functions.accountOf(plan(cast, "cover"), HOSPITAL_NUMBER).call()
    assert 0 in (credit(acting, HOSPITAL.address), account[3])


def paid_for(stage: Stage, number: bytes) -> None:
    money, policies = coin(stage), stage.contracts.policies
    stage.chain.send(RELAYER, money.functions.mint(RELAYER.address, 1))
    stage.chain.send(RELAYER, money.functions.approve(policies.address, 1))
    stage.chain.send(RELAYER, policies.functions.payPremium(number, stage.cast.pseudonym, 1))


def lapsing(stage: Stage) -> bytes:
    """A plan with premiums, and a policy of it that lasts twenty days."""
    cast = stage.cast
    terms = list(terms_of_plan(cast, "lapsing cover"))
    terms[2], terms[3], terms[11] = 20, 5, 1
    policies = stage.contracts.policies.functions
    number = bytes(policies.idOf(tuple(terms)).call())
    stage.chain.send(INSURER, policies.publish(tuple(terms)))
    enrol = replace(enrolling(cast, "new cover"), plan=number)
    stage.carry(enrol, *stage.sign(enrol, stage.signers["underwriter"], stage.signers["controller"]))
    paid_for(stage, number)
    return number


def test_reinstate__leaves_what_was_covered_before(acting: Stage) -> None:
    # given what was done while the policy lasted
    number, evidence = lapsing(acting), anchored(acting, "while it lasted")
    acting.chain.at(acting.chain.now() + 31 * DAY)
    made = replace(claim(acting.cast, "new", evidence=evidence), plan=number)
    query = (made.id, acting.chain.now(), False, False, False, 2**64 - 1, FUNDS)
    quote = acting.contracts.benefits.functions.quote(made.terms(), ROWS, query)
    _, before, _ = quote.call()

    # when the policy, which lapsed, is taken up again
    acting.chain.send(INSURER, acting.contracts.policies.functions.reinstate(number, acting.cast.pseudonym))
    _, after, _ = quote.call()

    # then it is covered as before
    assert (before[3], after[3]) == (PAID, PAID)


def test_reinstate__leaves_goods_that_wait_decidable(acting: Stage) -> None:
    # given a claim for goods that was submitted while the policy lasted
    number = lapsing(acting)
    made = replace(claim(acting.cast, "goods"), plan=number, deadline=2**40 - 1)
    query = (made.id, acting.chain.now(), True, False, False, 2**64 - 1, FUNDS)
    quote = acting.contracts.benefits.functions.quote(made.terms(), ROWS, query)
    assert acting.refusal_of_call(quote, sender=STRANGER) is None

    # when the policy lapses and is taken up again
    acting.chain.at(acting.chain.now() + 31 * DAY)
    acting.chain.send(INSURER, acting.contracts.policies.functions.reinstate(number, acting.cast.pseudonym))

    # then
    assert acting.refusal_of_call(quote, sender=STRANGER) is None


def test_consent__of_who_handed_over__is_none(acting: Stage) -> None:
    # given a consent that was sent, and a pseudonym that another wallet controls since
    made = acting.table["Claim"].message
    acting.chain.send(acting.signers["controller"], acting.contracts.claims.functions.consent(made.terms()))
    acting.send("HandOver keeping the grants")

    # then it counts no more, as a signature does
    assert acting.refusal("Claim") == acting.refusal("Claim", b"")


def test_adjust__counts_the_share_that_the_provider_has_got(acting: Stage) -> None:
    # given
    old = claim(acting.cast, "adjusted")
    acting.chain.send(DOCTOR, acting.contracts.claims.functions.receiveShare(old.plan, old.content))

    # when
    acting.send("Claim in another's place")

    # then
    new = acting.table["Claim in another's place"].message
    state = acting.contracts.claims.functions.stateOf(new.id).call()
    assert state[7] == 2 * SHARE - SHARE


def test_conclude__for_the_insurer__gives_the_patient_her_share_back(acting: Stage) -> None:
    # given a share that was paid, of a claim that an arbiter then rules against
    cast, contracts, money = acting.cast, acting.contracts, coin(acting)
    refuted = claim(cast, "appealed")
    acting.chain.send(STRANGER, money.functions.mint(STRANGER.address, SHARE))
    acting.chain.send(STRANGER, money.functions.approve(contracts.escrow.address, SHARE))
    acting.chain.send(STRANGER, contracts.escrow.functions.payShare(refuted.plan, refuted.content, SHARE))
    acting.chain.send(INSURER, contracts.appeals.functions.refute(settled(refuted), 1, digest("openings")))

    # when
    rule = contracts.appeals.functions.rule(settled(refuted), digest("openings"), True)
    acting.chain.send(acting.signers["arbiter"], rule)

    # then
    assert credit(acting, STRANGER.address) == SHARE


def test_conclude__for_the_insurer__leaves_the_evidence_claimed(acting: Stage) -> None:
    # given a claim that an arbiter ruled against
    cast, contracts = acting.cast, acting.contracts
    refuted = claim(cast, "refuted")
    rule = contracts.appeals.functions.rule(settled(refuted), digest("openings"), True)
    acting.chain.send(acting.signers["arbiter"], rule)

    # when the same is claimed once more
    again = replace(refuted, salt=digest("once more"))
    acting.carry(again, *acting.sign(again, acting.signers["controller"]))

    # then it is not paid again
    assert contracts.claims.functions.stateOf(again.id).call()[6] == 0

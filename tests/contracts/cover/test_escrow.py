"""Who moves what of a plan's money: in, out, to providers and back, patients' shares, and what others hold."""

from random import Random
from typing import Any

import pytest
from counting_house import (
    DISPENSE_FOR,
    FILL_FOR,
    FIRST,
    HOLD_FOR,
    NEW,
    NUMBERS,
    PANEL,
    VISIT,
    ZERO,
    Covered,
    Event,
    House,
    Plan,
    Refusal,
    Settled,
    digest,
    error,
)
from real_anvil import encoded

from theriac.cover.messages import Line

FUNDS, PRICE, SHARE = 10_000_000, 6_000, 10_000
HOSPITAL, CLINIC, INSURER = NUMBERS["hospital"], NUMBERS["clinic"], NUMBERS["insurer"]
NOWHERE = digest("no plan")


# -- what happens to money -------------------------------------------------------------------------------------------


def paid(covered: Covered, name: str = "panel", day: int = FIRST) -> Settled:
    """A claim of the hospital's that was paid with 6,000."""
    house = covered.house
    return house.submit(house.claim(covered.plan, house.encounter(name), Line(PANEL.service, day, 1, PRICE)))


def shared(covered: Covered, name: str = "visit", day: int = FIRST) -> Settled:
    """A claim of the hospital's for which the plan paid 6,000, and of which the patient owes 10,000."""
    house = covered.house
    lines = (Line(PANEL.service, day, 1, PRICE), Line(VISIT.service, day, 1, SHARE))
    return house.submit(house.claim(covered.plan, house.encounter(name), *lines))


def reverse(settled: Settled) -> tuple[Any, ...]:
    return ("doctor", "Claims", "reverse", settled.tuple, bytes(32), 0)


def pay_share(settled: Settled, most: int = SHARE, by: str = "friend") -> tuple[Any, ...]:
    return (by, "Escrow", "payShare", settled.claim.plan, settled.claim.content, most)


def moved(house: House, source: str, to: str, amount: int) -> Event:
    """What the coin tells; the escrow by its contract's name."""
    return Event("Transfer", {"from": where(house, source), "to": where(house, to), "value": amount})


def where(house: House, who: str) -> str:
    return str(house.contract(who).address if who[0].isupper() else house.address(who))


def credited(house: House, to: str, amount: int, failed: bool = False) -> Event:
    return Event("Credited", {"token": house.coin.address, "to": house.address(to), "amount": amount, "failed": failed})


def answer(house: House) -> None:
    """The hospital's account agrees to give back what is reversed, and lets the escrow take it."""
    house.mint("hospital", 0)
    house.send("hospital", "Escrow", "setPayout", HOSPITAL, house.address("hospital"), False)


def account(covered: Covered, member: int = HOSPITAL) -> tuple[int, ...]:
    """What was received, is disputed, is withheld and is owed."""
    return tuple(covered.house.ask("Escrow", "accountOf", covered.plan, member))


def not_received(covered: Covered, amount: int, received: int, member: int = HOSPITAL) -> Refusal:
    return error("NotReceived", plan=covered.plan, member=member, amount=amount, received=received)


# -- putting in and taking out ---------------------------------------------------------------------------------------


def test_deposit__by_anyone(covered: Covered) -> None:
    # given
    house, plan = covered.house, covered.plan
    house.mint("friend", 700)

    # when
    told = house.send("friend", "Escrow", "deposit", plan, 500)

    # then
    deposited = Event("Deposited", {"plan": plan, "from": house.address("friend"), "amount": 500})
    assert told == [deposited, moved(house, "friend", "Escrow", 500)]
    assert house.balance(plan) == FUNDS + 500
    house.solvent()


def test_deposit__of_nothing_or_for_no_plan(covered: Covered) -> None:
    assert covered.house.refusal("insurer", "Escrow", "deposit", covered.plan, 0) == error("NothingToMove")
    assert covered.house.refusal("insurer", "Escrow", "deposit", NOWHERE, 1) == error("NothingToMove")


def test_deposit__of_what_the_sender_does_not_give(covered: Covered) -> None:
    # given
    house = covered.house
    escrow = house.contracts.escrow.address

    # when
    refused = house.refusal("stranger", "Escrow", "deposit", covered.plan, 1)

    # then
    assert refused == error("ERC20InsufficientAllowance", spender=escrow, allowance=0, needed=1)


def test_drain__by_the_insurer_s_account(covered: Covered) -> None:
    # given
    house, plan = covered.house, covered.plan
    paid(covered)

    # when
    told = house.send("insurer", "Escrow", "drain", plan, FUNDS - PRICE, house.address("treasury"))

    # then: what the hospital has coming stays
    drained = {"plan": plan, "to": house.address("treasury"), "amount": FUNDS - PRICE}
    assert told == [Event("Drained", drained), moved(house, "Escrow", "treasury", FUNDS - PRICE)]
    assert (house.balance(plan), house.coins("treasury"), house.credit("hospital")) == (0, FUNDS - PRICE, PRICE)
    house.solvent()


@pytest.mark.parametrize("who", ["adjuster", "mutual", "hospital", "stranger"])
def test_drain__by_another(covered: Covered, who: str) -> None:
    # given
    house = covered.house

    # when
    refused = house.refusal(who, "Escrow", "drain", covered.plan, 1, house.address(who))

    # then
    assert refused == error("NotTheMember", sender=house.address(who), member=INSURER)


def test_drain__by_a_suspended_insurer_or_of_no_plan(covered: Covered) -> None:
    # given
    house, insurer = covered.house, covered.house.address("insurer")
    nobody = house.refusal("insurer", "Escrow", "drain", NOWHERE, 1, insurer)
    house.suspend("insurer")

    # when
    suspended = house.refusal("insurer", "Escrow", "drain", covered.plan, 1, insurer)

    # then
    assert nobody == error("NotTheMember", sender=insurer, member=0)
    assert suspended == error("NotTheMember", sender=insurer, member=INSURER)


def test_drain__nothing_to_nobody_or_more_than_there_is(covered: Covered) -> None:
    house, plan, insurer = covered.house, covered.plan, covered.house.address("insurer")

    assert house.refusal("insurer", "Escrow", "drain", plan, 0, insurer) == error("NothingToMove")
    assert house.refusal("insurer", "Escrow", "drain", plan, 1, ZERO) == error("NothingToMove")
    short = error("EscrowShort", plan=plan, amount=FUNDS + 1, balance=FUNDS)
    assert house.refusal("insurer", "Escrow", "drain", plan, FUNDS + 1, insurer) == short


def test_drain__into_the_escrow_itself(covered: Covered) -> None:
    # given: it would be nobody's there
    house, escrow = covered.house, covered.house.contracts.escrow.address

    # when
    refused = house.refusal("insurer", "Escrow", "drain", covered.plan, 5, escrow)

    # then
    assert refused == error("WrongTransfer", token=house.coin.address, arrived=0, amount=5)


def test_drain__of_another_insurer_s_plan_in_the_same_coin(covered: Covered) -> None:
    # given
    house = covered.house
    other = house.plan(insurer=NUMBERS["mutual"])
    house.publish(other, by="actuary")
    house.fund(other.id, 100, by="mutual")

    # when
    refused = house.refusal("mutual", "Escrow", "drain", other.id, 101, house.address("mutual"))

    # then
    assert refused == error("EscrowShort", plan=other.id, amount=101, balance=100)


# -- being paid ------------------------------------------------------------------------------------------------------


def payment(covered: Covered, *ways: Event) -> list[Event]:
    told = {"plan": covered.plan, "member": HOSPITAL, "amount": PRICE, "repaid": 0, "withheld": 0}
    return [Event("Paid", told), *ways]


def told_of_payment(covered: Covered) -> list[Event]:
    """What is told of a payment of 6,000 once its claim was decided."""
    house = covered.house
    claim = house.claim(covered.plan, house.encounter("panel"), Line(PANEL.service, FIRST, 1, PRICE))
    told = house.send("doctor", "Claims", "submit", *house.submission(claim))
    return told[[event.name for event in told].index("Decided") + 1 :]


def test_paid__by_default_the_member_s_account_is_credited(covered: Covered) -> None:
    assert told_of_payment(covered) == payment(covered, credited(covered.house, "hospital", PRICE))
    assert account(covered) == (PRICE, 0, 0, 0)
    assert covered.house.balance(covered.plan) == FUNDS - PRICE
    covered.house.solvent()


def test_paid__a_payee_is_credited_instead(covered: Covered) -> None:
    # given
    house, treasury = covered.house, covered.house.address("treasury")

    # when
    told = house.send("hospital", "Escrow", "setPayout", HOSPITAL, treasury, False)

    # then
    assert told == [Event("PayoutSet", {"member": HOSPITAL, "payee": treasury, "push": False})]
    assert house.ask("Escrow", "payoutOf", HOSPITAL) == (treasury, False, False)
    assert told_of_payment(covered) == payment(covered, credited(house, "treasury", PRICE))
    assert house.credit("hospital") == 0


@pytest.mark.parametrize("payee", ["", "treasury"], ids=["the account", "a payee"])
def test_paid__sent_at_once(covered: Covered, payee: str) -> None:
    # given
    house, to = covered.house, payee or "hospital"
    house.send("hospital", "Escrow", "setPayout", HOSPITAL, house.address(payee) if payee else ZERO, True)

    # when
    told = told_of_payment(covered)

    # then
    pushed = {"token": house.coin.address, "to": house.address(to), "amount": PRICE}
    assert told == payment(covered, moved(house, "Escrow", to, PRICE), Event("Pushed", pushed))
    assert (house.coins(to), house.credit(to)) == (PRICE, 0)
    house.solvent()


@pytest.mark.parametrize("who", ["doctor", "clinic", "stranger"])
def test_payout__set_by_another(covered: Covered, who: str) -> None:
    house = covered.house
    refused = house.refusal(who, "Escrow", "setPayout", HOSPITAL, house.address(who), True)

    assert refused == error("NotTheMember", sender=house.address(who), member=HOSPITAL)


def test_payout__set_by_a_suspended_member_or_for_none(covered: Covered) -> None:
    # given
    house, hospital = covered.house, covered.house.address("hospital")
    nobody = house.refusal("hospital", "Escrow", "setPayout", 0, hospital, True)
    house.suspend("hospital")

    # when
    suspended = house.refusal("hospital", "Escrow", "setPayout", HOSPITAL, hospital, True)

    # then
    assert nobody == error("NotTheMember", sender=hospital, member=0)
    assert suspended == error("NotTheMember", sender=hospital, member=HOSPITAL)


def test_push__only_by_itself(covered: Covered) -> None:
    # given
    house = covered.house

    # when
    refused = house.refusal("insurer", "Escrow", "push", house.coin.address, house.address("insurer"), 1)

    # then
    assert refused == error("OnlySelf", sender=house.address("insurer"))


def test_withdraw__once_to_wherever_its_owner_wants(covered: Covered) -> None:
    # given
    house, coin, treasury = covered.house, covered.house.coin.address, covered.house.address("treasury")
    paid(covered)

    # when
    told = house.send("hospital", "Escrow", "withdraw", coin, treasury)

    # then
    withdrawn = {"token": coin, "from": house.address("hospital"), "to": treasury, "amount": PRICE}
    assert told == [Event("Withdrawn", withdrawn), moved(house, "Escrow", "treasury", PRICE)]
    assert (house.coins("treasury"), house.credit("hospital")) == (PRICE, 0)
    assert house.refusal("hospital", "Escrow", "withdraw", coin, treasury) == error("NothingToMove")
    house.solvent()


@pytest.mark.parametrize("who", ["doctor", "insurer", "stranger"])
def test_withdraw__by_another(covered: Covered, who: str) -> None:
    # given
    house = covered.house
    paid(covered)

    # then
    assert house.refusal(who, "Escrow", "withdraw", house.coin.address, house.address(who)) == error("NothingToMove")


def test_withdraw__to_nobody(covered: Covered) -> None:
    # given
    paid(covered)

    # then
    refused = covered.house.refusal("hospital", "Escrow", "withdraw", covered.house.coin.address, ZERO)
    assert refused == error("NothingToMove")


# -- giving back -----------------------------------------------------------------------------------------------------


def test_reversed__from_what_it_has_coming(covered: Covered) -> None:
    # given
    house = covered.house
    settled = paid(covered)

    # when
    told = house.send(*reverse(settled))

    # then
    assert told[-1] == Event("TakenBack", {"plan": covered.plan, "member": HOSPITAL, "amount": PRICE})
    assert (house.balance(covered.plan), house.credit("hospital")) == (FUNDS, 0)
    assert account(covered) == (0, 0, 0, 0)
    house.solvent()


def test_reversed__from_its_account_what_it_has_withdrawn(covered: Covered) -> None:
    # given: 6,000 withdrawn, and 6,000 of another claim
    house = covered.house
    first = shared(covered)
    house.send("hospital", "Escrow", "withdraw", house.coin.address, house.address("hospital"))
    paid(covered, "another", FIRST + 1)
    house.mint("friend", SHARE)
    house.send(*pay_share(first))
    assert house.credit("hospital") == PRICE + SHARE
    house.send("hospital", "Escrow", "withdraw", house.coin.address, house.address("hospital"))
    answer(house)

    # when
    house.send(*reverse(first))

    # then
    assert (house.coins("hospital"), house.credit("hospital")) == (PRICE, 0)
    assert (house.balance(covered.plan), house.credit("friend")) == (FUNDS - PRICE, SHARE)
    house.solvent()


def test_reversed__by_a_provider_that_lets_nothing_be_taken(covered: Covered) -> None:
    # given: it agreed to answer, and gives no leave
    house = covered.house
    house.send("hospital", "Escrow", "setPayout", HOSPITAL, house.address("hospital"), False)
    settled = paid(covered)
    house.send("hospital", "Escrow", "withdraw", house.coin.address, house.address("hospital"))

    # when
    refused = house.refusal(*reverse(settled))

    # then
    escrow = house.contracts.escrow.address
    assert refused == error("ERC20InsufficientAllowance", spender=escrow, allowance=0, needed=PRICE)


def test_reversed__where_nobody_answers(covered: Covered) -> None:
    # given: leave alone is not enough
    house = covered.house
    settled = paid(covered)
    house.mint("hospital", PRICE)
    house.send("hospital", "Escrow", "withdraw", house.coin.address, house.address("hospital"))

    # when
    refused = house.refusal(*reverse(settled))

    # then
    assert refused == error("NobodyAnswers", member=HOSPITAL)


def test_reversed__never_from_who_was_made_the_member_s_account(covered: Covered) -> None:
    # given: who lets the escrow take shares that it pays, and did not agree to act for anybody
    house = covered.house
    house.mint("friend", 50_000)
    settled = paid(covered)
    house.send("hospital", "Escrow", "withdraw", house.coin.address, house.address("accomplice"))

    # when
    house.send("hospital", "Consortium", "replaceAccount", HOSPITAL, house.address("friend"))

    # then
    assert house.refusal(*reverse(settled)) == error("NobodyAnswers", member=HOSPITAL)


def test_reversed__never_from_an_account_that_the_provider_has_only_named(covered: Covered) -> None:
    # given: who lets the escrow take what it wants, and has something coming
    house, friend = covered.house, covered.house.address("friend")
    house.mint("friend", 50_000)
    house.send("clinic", "Escrow", "setPayout", CLINIC, friend, False)
    other = house.claim(
        covered.plan,
        house.encounter("other", by="colleague"),
        Line(PANEL.service, FIRST + 9, 1, PRICE),
        provider=CLINIC,
    )
    house.submit(other, by="colleague")
    settled = paid(covered)
    house.send("hospital", "Escrow", "withdraw", house.coin.address, house.address("hospital"))

    # when: the hospital kept the money, and names the friend
    house.send("hospital", "Escrow", "setPayout", HOSPITAL, friend, False)

    # then
    assert house.refusal(*reverse(settled)) == error("NobodyAnswers", member=HOSPITAL)
    answer(house)
    house.send(*reverse(settled))
    assert (house.coins("friend"), house.credit("friend")) == (50_000, PRICE)
    house.solvent()


def test_reversed__from_a_payee_that_agreed(covered: Covered) -> None:
    # given
    house, treasury = covered.house, covered.house.address("treasury")
    house.send("hospital", "Escrow", "setPayout", HOSPITAL, treasury, False)
    settled = paid(covered)

    # when
    told = house.send("treasury", "Escrow", "answerFor", HOSPITAL, True)
    house.send(*reverse(settled))

    # then
    assert told == [Event("Answering", {"member": HOSPITAL, "payee": treasury, "answers": True})]
    assert (house.credit("treasury"), house.balance(covered.plan)) == (0, FUNDS)
    house.solvent()


def test_answer__by_who_is_not_the_payee(covered: Covered) -> None:
    # given
    house, treasury = covered.house, covered.house.address("treasury")
    house.send("hospital", "Escrow", "setPayout", HOSPITAL, treasury, False)

    # then
    for who in ("hospital", "friend"):
        refused = house.refusal(who, "Escrow", "answerFor", HOSPITAL, True)
        assert refused == error("NotThePayee", sender=house.address(who), payee=treasury)


@pytest.mark.parametrize("end", ["by the payee", "by the member"])
def test_answer__no_more(covered: Covered, end: str) -> None:
    # given
    house, treasury = covered.house, covered.house.address("treasury")
    payout = ("hospital", "Escrow", "setPayout", HOSPITAL, treasury, False)
    house.send(*payout)
    house.send("treasury", "Escrow", "answerFor", HOSPITAL, True)

    # when
    if end == "by the payee":
        house.send("treasury", "Escrow", "answerFor", HOSPITAL, False)
    else:
        house.send(*payout)

    # then
    assert house.ask("Escrow", "payoutOf", HOSPITAL) == (treasury, False, False)
    assert house.refusal(*reverse(paid(covered))) == error("NobodyAnswers", member=HOSPITAL)


# -- the patient's share ---------------------------------------------------------------------------------------------


def test_share__paid_by_anyone(covered: Covered) -> None:
    # given
    house = covered.house
    settled = shared(covered)
    house.mint("friend", SHARE)

    # when
    told = house.send(*pay_share(settled))

    # then
    payer = {"plan": covered.plan, "claim": settled.id, "payer": house.address("friend")}
    assert told == [
        Event("SharePaid", {**payer, "member": HOSPITAL, "amount": SHARE}),
        moved(house, "friend", "Escrow", SHARE),
        credited(house, "hospital", SHARE),
    ]
    assert house.state(settled.id)["share"] == 0
    assert house.ask("Escrow", "shareOf", covered.plan, settled.id) == SHARE
    assert account(covered) == (PRICE + SHARE, 0, 0, 0)
    house.solvent()


def test_share__paid_once(covered: Covered) -> None:
    # given
    house = covered.house
    settled = shared(covered)
    house.mint("friend", 2 * SHARE)
    house.send(*pay_share(settled))

    # then
    assert house.refusal(*pay_share(settled)) == error("NothingDue", claim=settled.id)
    cash = house.refusal("doctor", "Claims", "receiveShare", covered.plan, settled.claim.content)
    assert cash == error("NothingDue", claim=settled.id)


def test_share__of_more_than_the_payer_wants(covered: Covered) -> None:
    # given
    settled = shared(covered)

    # when
    refused = covered.house.refusal(*pay_share(settled, most=SHARE - 1))

    # then
    assert refused == error("ShareIsMore", share=SHARE, most=SHARE - 1)


def test_share__of_no_claim_of_a_reversed_one_or_of_no_plan(covered: Covered) -> None:
    # given
    house = covered.house
    settled = shared(covered)
    claim = house.claim(covered.plan, digest("nothing"), Line(VISIT.service, FIRST, 1, SHARE))
    never = house.refusal("friend", "Escrow", "payShare", covered.plan, claim.content, SHARE)
    house.send(*reverse(settled))

    # then
    assert never == error("WrongStatus", claim=claim.id, status=NEW)
    assert house.refusal(*pay_share(settled)) == error("WrongStatus", claim=settled.id, status=4)
    assert house.refusal("friend", "Escrow", "payShare", NOWHERE, claim.content, SHARE) == error("NothingToMove")


def test_share__goes_back_to_who_paid_it(covered: Covered) -> None:
    # given
    house = covered.house
    settled = shared(covered)
    house.mint("friend", SHARE)
    house.send(*pay_share(settled))

    # when
    told = house.send(*reverse(settled))

    # then
    refunded = {"plan": covered.plan, "claim": settled.id, "payer": house.address("friend"), "amount": SHARE}
    assert told[-1] == Event("ShareRefunded", refunded)
    assert (house.credit("friend"), house.credit("hospital")) == (SHARE, 0)
    assert house.ask("Escrow", "shareOf", covered.plan, settled.id) == 0
    house.solvent()


def test_share__paid_by_the_provider_for_its_patient_and_refunded(covered: Covered) -> None:
    # given
    house = covered.house
    settled = shared(covered)
    house.mint("hospital", SHARE)
    house.send(*pay_share(settled, by="hospital"))

    # when
    house.send(*reverse(settled))

    # then: it is as if it had not been
    assert house.credit("hospital") + house.coins("hospital") == SHARE
    assert house.balance(covered.plan) == FUNDS
    house.solvent()


def test_share__received_in_cash(covered: Covered) -> None:
    # given
    house = covered.house
    settled = shared(covered)
    house.mint("friend", SHARE)

    # when
    told = house.send("doctor", "Claims", "receiveShare", covered.plan, settled.claim.content)

    # then: it is not owed any more, and what the escrow never had it does not refund
    assert told == [Event("ShareReceived", {"claim": settled.id, "amount": SHARE})]
    assert house.refusal(*pay_share(settled)) == error("NothingDue", claim=settled.id)
    house.send(*reverse(settled))
    assert (house.credit("friend"), house.balance(covered.plan)) == (0, FUNDS)
    house.solvent()


def test_share__received_by_who_does_not_claim(covered: Covered) -> None:
    # given
    house = covered.house
    settled = shared(covered)
    call = ("Claims", "receiveShare", covered.plan, settled.claim.content)

    # then
    assert house.refusal("insurer", *call) == error("NoStanding", account=house.address("insurer"))
    assert house.refusal("colleague", *call) == error("NotTheProvider", member=CLINIC, provider=HOSPITAL)


def test_settle_share__only_by_the_escrow(covered: Covered) -> None:
    # given
    house = covered.house
    settled = shared(covered)

    # when
    refused = house.refusal("hospital", "Claims", "settleShare", covered.plan, settled.claim.content)

    # then
    assert refused == error("NotTheEscrow", sender=house.address("hospital"))


# -- only the adjudicator --------------------------------------------------------------------------------------------

MOVES = {
    "pay": (HOSPITAL, 1),
    "takeBack": (HOSPITAL, 1),
    "refundShare": (digest("claim"), HOSPITAL),
    "dispute": (HOSPITAL, 1),
    "conclude": (HOSPITAL, 1, True),
}


@pytest.mark.parametrize("who", ["insurer", "adjuster", "hospital", "stranger"])
@pytest.mark.parametrize("function", MOVES)
def test_moved__by_no_adjudicator(covered: Covered, function: str, who: str) -> None:
    house = covered.house
    refused = house.refusal(who, "Escrow", function, covered.plan, *MOVES[function])

    assert refused == error("NotTheAdjudicator", sender=house.address(who), adjudicator=house.contracts.claims.address)


@pytest.fixture
def loose(covered: Covered) -> Covered:
    """Another insurer's plan with 1,000, in the same coin, whose adjudicator does what anyone wants."""
    house = covered.house
    house.others["Loose"] = house.chain.deploy("LooseAdjudicator")
    plan = house.plan(insurer=NUMBERS["mutual"], adjudicator=house.contract("Loose").address)
    house.publish(plan, by="actuary")
    house.fund(plan.id, 1_000, by="mutual")
    return Covered(house, plan)


def act(covered: Covered, function: str, *arguments: Any, by: str = "stranger") -> tuple[Any, ...]:
    """What the loose contract does with the escrow; about its own plan, where no other is named."""
    house = covered.house
    if not isinstance(arguments[0], bytes):
        arguments = (covered.plan, *arguments)
    call = house.contracts.escrow.functions[function](*arguments)
    return (by, "Loose", "act", call.address, encoded(call))


@pytest.mark.parametrize("function", MOVES)
def test_moved__by_another_plan_s_adjudicator(loose: Covered, covered: Covered, function: str) -> None:
    # given
    house = loose.house

    # when
    refused = house.refusal(*act(loose, function, covered.plan, *MOVES[function]))

    # then
    facts = {"sender": house.contract("Loose").address, "adjudicator": house.contracts.claims.address}
    assert refused == error("NotTheAdjudicator", **facts)


def test_loose__pays_what_its_plan_has_and_no_more(loose: Covered) -> None:
    # when
    loose.house.send(*act(loose, "pay", HOSPITAL, 999))

    # then
    refused = loose.house.refusal(*act(loose, "pay", HOSPITAL, 2))
    assert refused == error("EscrowShort", plan=loose.plan, amount=2, balance=1)
    assert loose.house.refusal(*act(loose, "pay", 99, 1)) == error("NothingToMove")
    loose.house.solvent()


def test_loose__takes_back_what_it_has_paid_and_no_more(loose: Covered, covered: Covered) -> None:
    # given: the hospital has something coming from elsewhere, and lets the escrow take what it wants
    house = loose.house
    paid(covered)
    house.mint("hospital", 50_000)
    answer(house)
    house.send(*act(loose, "pay", HOSPITAL, 100))

    # then
    assert house.refusal(*act(loose, "takeBack", HOSPITAL, 101)) == not_received(loose, 101, 100)
    assert house.refusal(*act(loose, "dispute", HOSPITAL, 101)) == not_received(loose, 101, 100)
    assert house.refusal(*act(loose, "takeBack", CLINIC, 1)) == not_received(loose, 1, 0, CLINIC)
    house.send(*act(loose, "takeBack", HOSPITAL, 100))
    assert house.refusal(*act(loose, "takeBack", HOSPITAL, 1)) == not_received(loose, 1, 0)
    assert (house.coins("hospital"), house.credit("hospital")) == (50_000, PRICE)
    house.solvent()


def test_loose__disputes_what_it_has_paid_once(loose: Covered, covered: Covered) -> None:
    # given
    house = loose.house
    paid(covered)
    house.send(*act(loose, "pay", HOSPITAL, 100))

    # when
    house.send(*act(loose, "dispute", HOSPITAL, 60))

    # then: neither again nor taken back beside
    assert account(loose) == (100, 60, 60, 0)
    assert house.refusal(*act(loose, "dispute", HOSPITAL, 41)) == not_received(loose, 41, 40)
    assert house.refusal(*act(loose, "takeBack", HOSPITAL, 41)) == not_received(loose, 41, 40)
    assert house.credit("hospital") == PRICE + 40
    house.solvent()


def test_loose__whatever_it_does_the_provider_keeps_what_others_paid(loose: Covered, covered: Covered) -> None:
    # given
    house = loose.house
    paid(covered)
    house.mint("hospital", 50_000)
    answer(house)
    house.send(*act(loose, "pay", HOSPITAL, 100))
    acts = [("dispute", HOSPITAL, 100), ("takeBack", HOSPITAL, 100), ("conclude", HOSPITAL, 100, True)]

    # when: each as often as it goes
    for move in acts * 3:
        if house.refusal(*act(loose, *move)) is None:
            house.send(*act(loose, *move))

    # then
    assert (house.coins("hospital"), house.credit("hospital")) == (50_000, PRICE)
    house.solvent()


def test_loose__never_takes_from_an_account_that_a_provider_has_named(loose: Covered) -> None:
    # given: the clinic is in league with it, and the insurer lets the escrow take what it wants
    house = loose.house
    house.send(*act(loose, "pay", CLINIC, 1_000))
    house.send("clinic", "Escrow", "withdraw", house.coin.address, house.address("accomplice"))
    house.mint("insurer", 5_000)
    house.send("clinic", "Escrow", "setPayout", CLINIC, house.address("insurer"), True)

    # when
    refused = house.refusal(*act(loose, "takeBack", CLINIC, 1_000))

    # then
    assert refused == error("NobodyAnswers", member=CLINIC)
    assert house.coins("insurer") == 5_000


def test_loose__a_share_that_it_makes_up_costs_the_payer_no_more_than_it_wants(loose: Covered) -> None:
    # given
    house = loose.house
    house.mint("friend", 1_000)
    house.send("relayer", "Loose", "setShare", digest("claim"), CLINIC, 300)
    pay = ("friend", "Escrow", "payShare", loose.plan, digest("content"))

    # then
    assert house.refusal(*pay, 299) == error("ShareIsMore", share=300, most=299)
    house.send(*pay, 300)
    assert (house.coins("friend"), house.credit("clinic")) == (700, 300)
    house.send("relayer", "Loose", "setShare", digest("claim"), 99, 300)
    assert house.refusal(*pay, 300) == error("NothingToMove")


def test_loose__refunds_a_share_once_and_not_from_who_got_nothing(loose: Covered, covered: Covered) -> None:
    # given
    house = loose.house
    paid(covered)
    house.mint("friend", 1_000)
    house.send("relayer", "Loose", "setShare", digest("claim"), CLINIC, 300)
    house.send("friend", "Escrow", "payShare", loose.plan, digest("content"), 300)

    # when
    from_another = house.refusal(*act(loose, "refundShare", loose.plan, digest("claim"), HOSPITAL))

    # then
    assert from_another == not_received(loose, 300, 0)
    house.send(*act(loose, "refundShare", loose.plan, digest("claim"), CLINIC))
    house.send(*act(loose, "refundShare", loose.plan, digest("claim"), CLINIC))
    assert (house.credit("friend"), house.credit("clinic")) == (300, 0)
    house.solvent()


@pytest.mark.parametrize("seed", range(3))
def test_loose__no_way_at_all_to_what_others_paid(loose: Covered, covered: Covered, seed: int) -> None:
    # given: 6,000 of a claim, 50,000 of its own, and leave to take them
    house, chance = loose.house, Random(seed)
    paid(covered)
    house.mint("hospital", 50_000)
    answer(house)
    house.mint("friend", 5_000)
    house.let("mutual", "Loose", HOLD_FOR)
    treasury, coin = house.address("treasury"), house.coin.address

    def some_act() -> tuple[Any, ...]:
        amount = chance.choice((1, 40, 100, 101, 300))
        return chance.choice(
            [
                act(loose, "pay", HOSPITAL, amount),
                act(loose, "takeBack", HOSPITAL, amount),
                act(loose, "dispute", HOSPITAL, amount),
                act(loose, "conclude", HOSPITAL, amount, chance.random() < 0.5),
                act(loose, "refundShare", loose.plan, digest("claim"), HOSPITAL),
                act(loose, "hold", amount),
                act(loose, "release", chance.choice((0, HOSPITAL)), amount),
                ("stranger", "Loose", "setShare", digest("claim"), HOSPITAL, amount),
                ("friend", "Escrow", "payShare", loose.plan, digest("content"), 100),
                ("hospital", "Escrow", "withdraw", coin, house.address("hospital")),
                ("hospital", "Escrow", "setPayout", HOSPITAL, chance.choice((ZERO, treasury)), chance.random() < 0.5),
                ("treasury", "Escrow", "answerFor", HOSPITAL, True),
            ]
        )

    # when
    for _ in range(40):
        step = some_act()
        if house.refusal(*step) is None:
            house.send(*step)

    # then
    has = sum(house.coins(who) + house.credit(who) for who in ("hospital", "treasury"))
    assert has >= 50_000 + PRICE
    assert house.balance(covered.plan) == FUNDS - PRICE
    house.solvent()


# -- disputes --------------------------------------------------------------------------------------------------------


def move(covered: Covered, *moves: tuple[Any, ...]) -> list[Event]:
    """What the last of some moves tells."""
    return [covered.house.send(*act(covered, *each)) for each in moves][-1]


def concluded(covered: Covered, *, returned: int = 0, owed: int = 0, released: int = 0) -> Event:
    facts = {"plan": covered.plan, "member": HOSPITAL, "returned": returned, "owed": owed, "released": released}
    return Event("Concluded", facts)


def test_dispute__keeps_what_the_provider_has_coming(loose: Covered) -> None:
    # when
    told = move(loose, ("pay", HOSPITAL, 100), ("dispute", HOSPITAL, 70))

    # then
    disputed = {"plan": loose.plan, "member": HOSPITAL, "amount": 70, "withheld": 70}
    assert told == [Event("Disputed", disputed)]
    assert (account(loose), loose.house.credit("hospital")) == ((100, 70, 70, 0), 30)
    loose.house.solvent()


def test_dispute__of_what_was_withdrawn__keeps_later_payments(loose: Covered) -> None:
    # given
    house = loose.house
    move(loose, ("pay", HOSPITAL, 100))
    house.send("hospital", "Escrow", "withdraw", house.coin.address, house.address("hospital"))
    move(loose, ("dispute", HOSPITAL, 100))

    # when
    told = move(loose, ("pay", HOSPITAL, 60)) + move(loose, ("pay", HOSPITAL, 60))

    # then
    paid_ = {"plan": loose.plan, "member": HOSPITAL, "amount": 60, "repaid": 0}
    assert told == [
        Event("Paid", {**paid_, "withheld": 60}),
        Event("Paid", {**paid_, "withheld": 40}),
        credited(house, "hospital", 20),
    ]
    assert account(loose) == (220, 100, 100, 0)
    house.solvent()


def test_conclude__for_the_insurer(loose: Covered) -> None:
    # when
    told = move(loose, ("pay", HOSPITAL, 100), ("dispute", HOSPITAL, 70), ("conclude", HOSPITAL, 70, True))

    # then
    assert told == [concluded(loose, returned=70)]
    assert (account(loose), loose.house.balance(loose.plan)) == ((30, 0, 0, 0), 970)
    loose.house.solvent()


def test_conclude__for_the_insurer__what_was_withdrawn_is_owed_and_kept_from_later_payments(loose: Covered) -> None:
    # given
    house = loose.house
    move(loose, ("pay", HOSPITAL, 100))
    house.send("hospital", "Escrow", "withdraw", house.coin.address, house.address("hospital"))

    # when
    told = move(loose, ("dispute", HOSPITAL, 100), ("conclude", HOSPITAL, 100, True))
    later = move(loose, ("pay", HOSPITAL, 130))

    # then
    assert told == [concluded(loose, owed=100)]
    paid_ = {"plan": loose.plan, "member": HOSPITAL, "amount": 130, "repaid": 100, "withheld": 0}
    assert later == [Event("Paid", paid_), credited(house, "hospital", 30)]
    assert (account(loose), house.balance(loose.plan)) == ((130, 0, 0, 0), 1_000 - 100 - 130 + 100)
    house.solvent()


def test_conclude__for_the_provider(loose: Covered) -> None:
    # when
    told = move(loose, ("pay", HOSPITAL, 100), ("dispute", HOSPITAL, 70), ("conclude", HOSPITAL, 70, False))

    # then
    assert told == [concluded(loose, released=70), credited(loose.house, "hospital", 70)]
    assert (account(loose), loose.house.credit("hospital")) == ((100, 0, 0, 0), 100)
    loose.house.solvent()


def test_conclude__of_two__what_is_released_pays_what_is_owed_first(loose: Covered) -> None:
    # given: two disputes of 100, of which 150 are withheld
    house = loose.house
    move(loose, ("pay", HOSPITAL, 200))
    house.send("hospital", "Escrow", "withdraw", house.coin.address, house.address("hospital"))
    move(loose, ("dispute", HOSPITAL, 100), ("dispute", HOSPITAL, 100), ("pay", HOSPITAL, 150))

    # when: what is withheld stays for what is disputed still
    lost = move(loose, ("conclude", HOSPITAL, 100, True))
    won = move(loose, ("conclude", HOSPITAL, 100, False))

    # then
    assert lost == [concluded(loose, returned=50, owed=50)]
    assert won == [concluded(loose, returned=50, released=50), credited(house, "hospital", 50)]
    assert (account(loose), house.balance(loose.plan)) == ((250, 0, 0, 0), 1_000 - 200 - 150 + 100)
    house.solvent()


# -- what others hold ------------------------------------------------------------------------------------------------


@pytest.fixture
def held(covered: Covered) -> Covered:
    """The house where a contract holds 1,000 of the plan's money."""
    house = covered.house
    house.others["Loose"] = house.chain.deploy("LooseAdjudicator")
    house.let("insurer", "Loose", HOLD_FOR)
    house.send(*act(covered, "hold", 1_000))
    return covered


def released(covered: Covered, member: int, amount: int) -> Event:
    holder = covered.house.contract("Loose").address
    return Event("Released", {"plan": covered.plan, "holder": holder, "member": member, "amount": amount})


def test_hold__by_a_contract_that_the_insurer_lets(held: Covered) -> None:
    # given
    house, holder = held.house, held.house.contract("Loose").address

    # when
    told = house.send(*act(held, "hold", 5))

    # then
    assert told == [Event("Held", {"plan": held.plan, "holder": holder, "amount": 5})]
    assert house.ask("Escrow", "heldBy", holder, held.plan) == 1_005
    assert house.balance(held.plan) == FUNDS - 1_005
    house.solvent()


def test_hold__by_others(covered: Covered) -> None:
    # given
    house = covered.house
    house.others["Loose"] = house.chain.deploy("LooseAdjudicator")
    house.let("insurer", "Loose", DISPENSE_FOR | FILL_FOR)
    house.let("mutual", "Loose", HOLD_FOR)

    # then
    for who in ("insurer", "adjuster", "stranger"):
        refused = house.refusal(who, "Escrow", "hold", covered.plan, 1)
        assert refused == error("NotAnOperator", sender=house.address(who), member=INSURER)
    holder = house.contract("Loose").address
    assert house.refusal(*act(covered, "hold", 1)) == error("NotAnOperator", sender=holder, member=INSURER)


def test_hold__for_a_suspended_insurer__what_is_held_is_still_released(held: Covered) -> None:
    # given
    house, holder = held.house, held.house.contract("Loose").address
    house.suspend("insurer")

    # when
    refused = house.refusal(*act(held, "hold", 1))

    # then
    assert refused == error("NotAnOperator", sender=holder, member=INSURER)
    assert house.refusal(*act(held, "release", HOSPITAL, 1_000)) is None


def test_hold__nothing_or_more_than_there_is(held: Covered) -> None:
    short = error("EscrowShort", plan=held.plan, amount=FUNDS, balance=FUNDS - 1_000)

    assert held.house.refusal(*act(held, "hold", 0)) == error("NothingToMove")
    assert held.house.refusal(*act(held, "hold", FUNDS)) == short


def test_release__to_a_provider(held: Covered) -> None:
    # when
    told = held.house.send(*act(held, "release", HOSPITAL, 400))

    # then
    paid_ = {"plan": held.plan, "member": HOSPITAL, "amount": 400, "repaid": 0, "withheld": 0}
    assert told == [released(held, HOSPITAL, 400), Event("Paid", paid_), credited(held.house, "hospital", 400)]
    held.house.solvent()


def test_release__to_the_plan(held: Covered) -> None:
    # when
    told = held.house.send(*act(held, "release", 0, 1_000))

    # then
    assert told == [released(held, 0, 1_000)]
    assert held.house.balance(held.plan) == FUNDS
    held.house.solvent()


def test_release__nothing_to_nobody_or_more_than_is_held(held: Covered) -> None:
    assert held.house.refusal(*act(held, "release", HOSPITAL, 0)) == error("NothingToMove")
    assert held.house.refusal(*act(held, "release", 99, 1)) == error("NothingToMove")
    short = error("HeldShort", plan=held.plan, amount=1_001, held=1_000)
    assert held.house.refusal(*act(held, "release", HOSPITAL, 1_001)) == short


@pytest.mark.parametrize("who", ["insurer", "hospital", "stranger"])
def test_release__by_who_holds_nothing(held: Covered, who: str) -> None:
    refused = held.house.refusal(who, "Escrow", "release", held.plan, HOSPITAL, 1)

    assert refused == error("HeldShort", plan=held.plan, amount=1, held=0)
    assert held.house.refusal(who, "Escrow", "release", held.plan, HOSPITAL, 0) == error("NothingToMove")


def test_release__of_another_plan_s_money(held: Covered) -> None:
    # given
    house = held.house
    other: Plan = house.plan(document=digest("another"))
    house.publish(other)
    house.fund(other.id, 1_000)

    # when
    refused = house.refusal(*act(held, "release", other.id, HOSPITAL, 1))

    # then
    assert refused == error("HeldShort", plan=other.id, amount=1, held=0)

"""The whole way once: a pack prescribed, dispensed and paid in one transaction; a visit, its share and its reversal."""

from counting_house import DECIDED, REVERSED, VISIT, Covered

from theriac.cover.messages import Line


def test_pharmacy__prescribed_dispensed_and_paid_in_one_transaction(covered: Covered) -> None:
    # given
    house, plan = covered.house, covered.plan
    house.stock()
    lines = house.prescribed()
    terms = house.prescribe(lines)
    claim = house.claim_for(plan, terms)
    # when
    settled = house.dispense(claim, house.goods(terms, lines, 0), least=2_500)
    # then the pack costs 3,000, of which the patient pays a copay of 500
    assert settled.outcomes == ((0, 3_000, 0, 500, 0, 0, 2_500),)
    state = house.state(claim.id)
    assert (state["status"], state["paid"], state["share"]) == (DECIDED, 2_500, 500)
    assert house.credit("pharmacy") == 2_500
    assert house.balance(plan) == 10_000_000 - 2_500


def test_visit__paid_shared_and_reversed(covered: Covered) -> None:
    # given
    house, plan = covered.house, covered.plan
    claim = house.claim(plan, house.encounter("visit 1"), Line(VISIT.service, 1005, 1, 12_000))
    before = house.used(plan)
    # when
    settled = house.submit(claim)
    # then 10,000 are allowed: 1,000 copay, and the other 9,000 go to the deductible of 20,000
    assert settled.outcomes == ((0, 10_000, 9_000, 1_000, 0, 0, 0),)
    # when
    house.mint("friend", 10_000)
    house.send("friend", "Escrow", "payShare", plan, claim.content, 10_000)
    # then
    assert house.credit("hospital") == 10_000
    assert house.state(claim.id)["share"] == 0
    # when
    house.send("doctor", "Claims", "reverse", settled.tuple, bytes(32), 0)
    # then
    assert house.state(claim.id)["status"] == REVERSED
    assert house.used(plan) == before
    assert (house.credit("hospital"), house.credit("friend")) == (0, 10_000)

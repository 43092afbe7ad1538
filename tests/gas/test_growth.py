"""What an act costs stays what it was, however much there is of what it does not name."""

import pytest
from growth import COUNTS, LINES, Curve, Point, measure_growth
from real_anvil import GAS

OF_PSEUDONYMS = (
    *(
        f"{act}/{over}"
        for over in ("grants of a pseudonym", "grants of a reader")
        for act in ("grant", "revoke", "allowed")
    ),
    *(f"{act}/{over}" for over in ("members", "staff") for act in ("grant", "revoke", "allowed", "anchor")),
    "anchor/records",
    "letter/letters",
    "log receipts/readings",
)
OF_GOODS = (
    *(f"{act}/{over}" for over in ("batches", "handoffs") for act in ("handoff", "dispense", "recall")),
    "dispense/packs",
)
OF_CLAIMS = "claim/claims"
BY_LINES = "claim/lines"


@pytest.fixture(scope="module")
def curves() -> dict[str, Curve]:
    return {curve.key: curve for curve in measure_growth()}


@pytest.mark.parametrize("key", OF_PSEUDONYMS)
def test_growth__of_grants_members_staff_records_letters_and_readings__costs_nothing(
    curves: dict[str, Curve], key: str
) -> None:
    # property F1
    assert len({point.work for point in curves[key].points}) == 1


@pytest.mark.parametrize("key", OF_GOODS)
def test_growth__of_batches_packs_and_handoffs__costs_nothing(curves: dict[str, Curve], key: str) -> None:
    # property F2
    assert len({point.work for point in curves[key].points}) == 1


def test_growth__of_claims_of_a_policy__costs_nothing(curves: dict[str, Curve]) -> None:
    # property F3
    assert len({point.work for point in curves[OF_CLAIMS].points}) == 1


def test_growth__of_the_lines_of_a_claim__costs_little_more_for_the_last_than_for_the_second(
    curves: dict[str, Curve],
) -> None:
    # given
    gas = {point.count: point.gas for point in curves[BY_LINES].points}

    # when
    second, last = gas[2] - gas[1], (gas[32] - gas[16]) / 16

    # then: what is compared with every line before is memory only
    # property F4
    assert second < last < 1.2 * second


def test_growth__of_the_lines_of_a_claim__leaves_room_in_a_block_for_ten_of_the_largest(
    curves: dict[str, Curve],
) -> None:
    # property F4
    assert 10 * curves[BY_LINES].points[-1].gas < GAS


def test_growth__is_measured_at_these_counts(curves: dict[str, Curve]) -> None:
    assert [point.count for point in curves["allowed/grants of a pseudonym"].points] == list(COUNTS)
    assert [point.count for point in curves[BY_LINES].points] == list(LINES)


def test_growth__every_curve_is_held(curves: dict[str, Curve]) -> None:
    assert set(curves) == {*OF_PSEUDONYMS, *OF_GOODS, OF_CLAIMS, BY_LINES}


def test_curve__with_one_unit_more_somewhere__is_not_flat() -> None:
    points = (Point(0, 40_000, 20_000), Point(1, 40_012, 20_000), Point(10, 40_012, 20_001))

    assert Curve("a/b", "a", "b", points[:2]).is_flat
    assert not Curve("a/b", "a", "b", points).is_flat

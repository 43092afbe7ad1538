"""Floors: that they leave what the acts leave, to the byte, and how far the acts are above them."""

import gas_emergencies  # noqa: F401 - it adds its acts to the table
import gas_goods  # noqa: F401
import gas_prescriptions  # noqa: F401
import pytest
from counting_house import open_house
from floors import Compared, WatchedChain, compare, floors_of
from gas_acts import ACTS, World
from gas_cover import COVER, Metered, prepared
from gas_reach import ABOVE, FLOORED, FLOORED_COVER, MISSED, REACH
from real_anvil import Contracts, anvil

# The most that an act may cost for each gas of its floor, but for a few that say why.
MOST = 1.2

# No floor is made for a parent that is checked, so there something else is left.
ANOTHER = "grant under a parent by signature"


@pytest.fixture(scope="module")
def compared() -> dict[str, Compared]:
    """Every act that has a floor, and one that its floor is not made for."""
    with anvil(hardfork="cancun") as chain:
        watched = WatchedChain(chain.web3)
        world = World(watched, Contracts.deploy(watched))
        floors = floors_of(watched, world.contracts)
        found = {
            words: compare(watched, words, lambda words=words: ACTS[words](world), floors)  # type: ignore[misc]
            for words in (*FLOORED, ANOTHER)
            if words in ACTS
        }
    with open_house(Metered) as house:
        watched = house.chain = WatchedChain(house.chain.web3)
        plan = prepared(house)
        floors = floors_of(watched, house.contracts)
        for words in FLOORED_COVER:
            found[words] = compare(watched, words, lambda words=words: COVER[words](house, plan), floors)  # type: ignore[misc]
    return found


@pytest.mark.parametrize("words", FLOORED)
def test_floor__leaves_the_storage_and_the_events_of_the_act__to_the_byte(
    compared: dict[str, Compared], words: str
) -> None:
    act, floor = compared[words].act, compared[words].floor

    assert [each.data for each in floor] == [each.data for each in act]
    assert [each.effects for each in floor] == [each.effects for each in act]
    assert [each.answer for each in floor] == [each.answer for each in act]


@pytest.mark.parametrize("words", [words for words in FLOORED if not words.startswith("allowed")])
def test_floor__of_an_act__has_something_to_leave(compared: dict[str, Compared], words: str) -> None:
    assert all(each.effects.events for each in compared[words].floor)


def test_floor__that_leaves_something_else__is_seen(compared: dict[str, Compared]) -> None:
    (act,), (floor,) = compared[ANOTHER].act, compared[ANOTHER].floor

    assert act.effects.events == floor.effects.events
    assert act.effects.after != floor.effects.after


@pytest.mark.parametrize("words", FLOORED)
def test_floor__is_below_the_act__and_not_below_what_its_effects_cost(
    compared: dict[str, Compared], words: str
) -> None:
    each = compared[words]

    assert each.bare <= each.floor_gas < each.gas


@pytest.mark.parametrize("words", [words for words in FLOORED if words not in ABOVE])
def test_act__costs_at_most_a_fifth_more_than_its_floor(compared: dict[str, Compared], words: str) -> None:
    assert compared[words].gas <= MOST * compared[words].floor_gas


@pytest.mark.parametrize("words", ABOVE)
def test_act__that_costs_more_than_a_fifth_more__stays_below_its_own_bound(
    compared: dict[str, Compared], words: str
) -> None:
    share = compared[words].gas / compared[words].floor_gas

    assert ABOVE[words] - 0.02 < share <= ABOVE[words]
    assert share > MOST


def test_floor__is_there_for_every_act_of_the_designs_table__but_a_delegates_reading() -> None:
    assert set(REACH) - set(FLOORED) == {"allowed by a delegate, with the call"}


def test_reach__of_a_recall_and_of_readings__is_below_what_there_is_to_do(compared: dict[str, Compared]) -> None:
    below = {words for words in MISSED if words in FLOORED and REACH[words] < compared[words].floor_gas}

    assert below == {"recall a batch", "log readings, any number"}

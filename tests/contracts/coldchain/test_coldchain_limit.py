"""What a batch bears: its maker says."""

import pytest
from batches_depot import MAKER, Depot, digest, error
from signature_cases import Event

LIMIT = (200, 800, 60, 900)


def refusal(depot: Depot, who: str, limit: tuple[int, int, int, int] = LIMIT) -> object:
    return depot.refused(who, "ColdChain", "setLimit", depot.batch, limit)


def test_set_limit__tells(depot: Depot) -> None:
    # when
    told = depot.send("packer", "ColdChain", "setLimit", depot.batch, LIMIT)

    # then
    arguments = {"batch": depot.batch, "low": 200, "high": 800, "longest": 60, "kinetic": 900}
    assert told == [Event("LimitSet", arguments)]
    assert depot.ask("limitOf", depot.batch, contract="ColdChain") == LIMIT
    assert depot.ask("limitOf", digest("no batch"), contract="ColdChain") == (0, 0, 0, 0)


def test_set_limit__below_zero_and_again(depot: Depot) -> None:
    # given
    depot.send("maker", "ColdChain", "setLimit", depot.batch, LIMIT)
    frozen = (-(2**15), -1500, 2**32 - 1, 2**15 - 1)

    # when
    depot.send("maker", "ColdChain", "setLimit", depot.batch, frozen)

    # then
    assert depot.ask("limitOf", depot.batch, contract="ColdChain") == frozen


@pytest.mark.parametrize("who", ["copycat", "wholesaler", "pharmacist", "logger", "agency", "stranger"])
def test_set_limit__by_another_than_its_maker(depot: Depot, who: str) -> None:
    # given a holder among them
    depot.hand("maker", 1, "wholesaler")

    refused = error("NotTheMaker", batch=depot.batch, account=depot.address(who), maker=MAKER)
    assert refusal(depot, who, (0, 0, 0, 0)) == refused


@pytest.mark.parametrize("who", ["maker", "stranger"])
def test_set_limit__of_no_batch(depot: Depot, who: str) -> None:
    # given
    nothing = digest("no batch")

    # when
    refused = depot.refused(who, "ColdChain", "setLimit", nothing, LIMIT)

    # then
    assert refused == error("NotTheMaker", batch=nothing, account=depot.address(who), maker=0)


def test_set_limit__by_a_maker_out_of_standing(depot: Depot) -> None:
    # given
    depot.send("board", "Consortium", "suspend", MAKER, 1)

    # then
    refused = error("NotTheMaker", batch=depot.batch, account=depot.address("maker"), maker=MAKER)
    assert refusal(depot, "maker") == refused


@pytest.mark.parametrize(("low", "high"), [(800, 800), (801, 800), (1, -1), (0, 0)])
def test_set_limit__that_is_no_range(depot: Depot, low: int, high: int) -> None:
    assert refusal(depot, "maker", (low, high, 60, 900)) == error("WrongLimit", low=low, high=high)

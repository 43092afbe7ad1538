"""A counting house for each test: members, then a plan, then a patient who is enrolled in it."""

from collections.abc import Iterator

import pytest
from counting_house import Covered, House, open_house


@pytest.fixture(scope="session")
def _house() -> Iterator[House]:
    with open_house(House) as house:
        yield house


@pytest.fixture
def house(_house: House) -> Iterator[House]:
    """The members, and no plan; what a test does is undone after it."""
    with _house.chain.undone():
        yield _house


@pytest.fixture
def covered(house: House) -> Covered:
    plan = house.plan()
    house.publish(plan)
    house.fund(plan.id, 10_000_000)
    house.enrol(plan.id)
    return Covered(house, plan)

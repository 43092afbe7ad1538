"""A counting house for each test: members, then a plan, then a patient who is enrolled in it."""

from collections.abc import Iterator
from dataclasses import replace

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
        yield replace(_house, others=dict(_house.others))


@pytest.fixture(scope="session")
def _covered() -> Iterator[Covered]:
    """On a chain of its own, so that it need not be set up for each test."""
    with open_house(House) as house:
        plan = house.plan()
        house.publish(plan)
        house.fund(plan.id, 10_000_000)
        house.enrol(plan.id)
        yield Covered(house, plan)


@pytest.fixture
def covered(_covered: Covered) -> Iterator[Covered]:
    """The members, a plan with money, and the patient in it; what a test does is undone after it."""
    house = _covered.house
    with house.chain.undone():
        yield replace(_covered, house=replace(house, others=dict(house.others)))

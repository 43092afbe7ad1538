"""Accounts by the role of who holds them, and the contracts on Ape's embedded chain.

The world is founded once; Ape sets the chain back to that moment before each test. Whatever is not the world itself is
a fixture of its test: Ape founds everything anew when another fixture of the session comes later.
"""

from collections.abc import Callable
from typing import Any

import pytest
from ape.api import TestAccountAPI
from ape.contracts import ContractInstance
from contracts_world import MEMBERS, PEOPLE, Clock, Members, Way, World, found


def _person(name: str) -> Any:
    @pytest.fixture(name=name)
    def account(people: dict[str, TestAccountAPI]) -> TestAccountAPI:
        return people[name]

    return account


# One fixture for each of PEOPLE, where it is said who they are.
for _name in PEOPLE:
    globals()[f"_{_name}"] = _person(_name)


@pytest.fixture(scope="session")
def people(accounts: Any) -> dict[str, TestAccountAPI]:
    """Everyone's account by name."""
    return {name: accounts[index] for index, name in enumerate(PEOPLE)}


@pytest.fixture(scope="session")
def world(people: dict[str, TestAccountAPI]) -> World:
    """The contracts with four members and their staff."""
    return found(people)


@pytest.fixture
def members() -> Members:
    """The members' numbers."""
    return MEMBERS


@pytest.fixture
def clock(world: World) -> Clock:
    """The chain's time."""
    return world.clock


@pytest.fixture
def sign(world: World) -> Callable[..., bytes]:
    """`sign(message, by=patient)`: the signature in the domain of the contract that takes the message."""
    return world.sign


@pytest.fixture(params=["direct", "by_signature"])
def way(request: pytest.FixtureRequest, world: World) -> Way:
    """Each way in, in turn: `way.do(message, by=patient)`."""
    return Way(world, signed=request.param == "by_signature")


@pytest.fixture
def consortium(world: World) -> ContractInstance:
    return world.consortium


@pytest.fixture
def keys(world: World) -> ContractInstance:
    return world.keys


@pytest.fixture
def records(world: World) -> ContractInstance:
    return world.records


@pytest.fixture
def grants(world: World) -> ContractInstance:
    return world.grants


@pytest.fixture
def delegations(world: World) -> ContractInstance:
    return world.delegations


@pytest.fixture
def letters(world: World) -> ContractInstance:
    return world.letters


@pytest.fixture
def accesslog(world: World) -> ContractInstance:
    return world.accesslog


@pytest.fixture
def emergencies(world: World) -> ContractInstance:
    return world.emergencies


@pytest.fixture
def carrier(world: World) -> ContractInstance:
    return world.carrier


@pytest.fixture
def questions(world: World) -> ContractInstance:
    """Asks a contract many questions in one call."""
    return world.questions

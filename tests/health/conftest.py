"""A chain with a consortium on it, founded once, and set back to that moment after each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from health_world import HealthWorld, found_world, renewed
from real_anvil import anvil
from relay_world import RelayWorld
from relay_world import founded as founded_relays


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HealthWorld]:
    """A consortium with a clinic and a hospital, their staff, a relay and a store."""
    with anvil(hardfork="cancun") as chain:
        yield found_world(chain, tmp_path_factory.mktemp("founded"))


@pytest.fixture
def world(founded: HealthWorld, tmp_path: Path) -> Iterator[HealthWorld]:
    """The same, for one test."""
    with renewed(founded, tmp_path) as found:
        yield found


@pytest.fixture(scope="session")
def relays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayWorld]:
    """A real chain of its own for relayers, with two members that vouch."""
    with founded_relays(tmp_path_factory.mktemp("relays")) as found:
        yield found

"""The embedded chain with a consortium on it, founded once; Ape sets it back to that moment before each test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from health_world import HealthWorld, found_world, renewed
from relay_world import RelayWorld
from relay_world import founded as founded_relays


@pytest.fixture(scope="session")
def founded(accounts: Any, project: Any, chain: Any, tmp_path_factory: pytest.TempPathFactory) -> HealthWorld:
    """A consortium with a clinic and a hospital, their staff, a relay and a store."""
    return found_world(accounts, project, tmp_path_factory.mktemp("founded"))


@pytest.fixture
def world(founded: HealthWorld, accounts: Any, tmp_path: Path) -> HealthWorld:
    """The same, for one test."""
    return renewed(founded, accounts, tmp_path)


@pytest.fixture(scope="session")
def relays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayWorld]:
    """A real chain of its own for relayers, with two members that vouch."""
    with founded_relays(tmp_path_factory.mktemp("relays")) as found:
        yield found

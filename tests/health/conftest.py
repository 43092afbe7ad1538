"""A chain with a consortium on it, founded once, and set back to that moment before each test.

Ape does that with its embedded chain. Another engine (`pytest --engine`) is set back by the fixture `world`, but for
Kaia, on which nothing is undone: there each test finds what those before it did, and begins with patients of its own.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from compiling import compile_if_changed
from elsewhere import chosen
from health_world import HealthWorld, found_world, renewed
from relay_world import RelayWorld
from relay_world import founded as founded_relays

from engines.devnet import devnet


@pytest.fixture(scope="session")
def founded(accounts: Any, project: Any, chain: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HealthWorld]:
    """A consortium with a clinic and a hospital, their staff, a relay and a store."""
    compile_if_changed()
    with devnet(chosen(), tmp_path_factory.mktemp("engine")) as net:
        yield found_world(net, tmp_path_factory.mktemp("founded"))


@pytest.fixture(autouse=True)
def _undone(request: pytest.FixtureRequest) -> Iterator[None]:
    """What Ape does for its own chain alone."""
    if chosen() == "local" or "founded" not in request.fixturenames:
        yield
        return
    net = request.getfixturevalue("founded").net
    with net.undone() if net.undoable else nullcontext():
        yield


@pytest.fixture
def world(founded: HealthWorld, tmp_path: Path) -> HealthWorld:
    """The same, for one test."""
    return renewed(founded, tmp_path)


@pytest.fixture(scope="session")
def relays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayWorld]:
    """A real chain of its own for relayers, with two members that vouch."""
    with founded_relays(tmp_path_factory.mktemp("relays")) as found:
        yield found

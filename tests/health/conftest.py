"""The embedded chain with a consortium on it, founded once; Ape sets it back to that moment before each test."""

from pathlib import Path
from typing import Any

import pytest
from health_world import HealthWorld, found_world, renewed


@pytest.fixture(scope="session")
def founded(accounts: Any, project: Any, chain: Any, tmp_path_factory: pytest.TempPathFactory) -> HealthWorld:
    """A consortium with a clinic and a hospital, their staff, a relay and a store."""
    return found_world(accounts, project, tmp_path_factory.mktemp("founded"))


@pytest.fixture
def world(founded: HealthWorld, accounts: Any, tmp_path: Path) -> HealthWorld:
    """The same, for one test."""
    return renewed(founded, accounts, tmp_path)

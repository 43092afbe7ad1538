"""The embedded chain with a consortium on it, set back by Ape before each test."""

from pathlib import Path
from typing import Any

import pytest
from health_world import HealthWorld, found_world


@pytest.fixture
def world(accounts: Any, project: Any, chain: Any, tmp_path: Path) -> HealthWorld:
    """A consortium with a clinic and a hospital, their staff, a relay and a store."""
    return found_world(accounts, project, tmp_path)

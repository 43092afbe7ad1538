"""What the tests of the rules share: the contract on an anvil of its own."""

from collections.abc import Iterator

import pytest
from compiling import compile_if_changed
from real_anvil import anvil
from rules_stage import Stage


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    compile_if_changed()
    with anvil(hardfork="cancun") as chain:
        yield Stage(chain)

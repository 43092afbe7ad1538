"""A desk for each test: prescribers, pharmacies, and a prescription that was prescribed."""

from collections.abc import Iterator

import pytest
from prescriptions_desk import Desk, open_desk


@pytest.fixture(scope="session")
def _desk() -> Iterator[Desk]:
    with open_desk() as desk:
        yield desk


@pytest.fixture
def empty(_desk: Desk) -> Iterator[Desk]:
    """The members, and nothing prescribed; what a test does is undone after it."""
    with _desk.chain.undone():
        yield _desk


@pytest.fixture
def desk(empty: Desk) -> Desk:
    """The same with the prescription on the chain."""
    empty.prescribe()
    return empty

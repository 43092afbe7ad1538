"""A depot for each test: the members that handle goods, and a batch that its maker holds."""

from collections.abc import Iterator

import pytest
from batches_depot import Depot, open_depot


@pytest.fixture(scope="session")
def _depot() -> Iterator[Depot]:
    with open_depot() as depot:
        yield depot


@pytest.fixture
def depot(_depot: Depot) -> Iterator[Depot]:
    """The members and the batch; what a test does is undone after it."""
    with _depot.chain.undone():
        yield _depot

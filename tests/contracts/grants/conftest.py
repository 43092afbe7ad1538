"""Makes granting short where it is not what a test is about."""

import pytest
from contracts_world import Way
from grants_terms import a_grant


@pytest.fixture
def give(world, clock):
    """`give(patient, doctor, scope=...)` grants by a direct call and returns the grant."""

    def give(pseudonym, reader, **changes):
        grant = a_grant(pseudonym, reader, clock, **changes)
        Way(world, signed=False).do(grant, by=pseudonym)
        return grant

    return give

"""What the tests of records share."""

import pytest
from contracts_world import digest


@pytest.fixture(scope="module")
def published(world, people):
    """The patient's third bundle is the current one; its version."""
    keys, patient = world.keys, people["patient"]
    for version in (1, 2, 3):
        keys.publish(patient, version, digest(f"bundle {version}"), sender=patient)
    return 3


@pytest.fixture
def before(clock):
    """A second before which every row still counts."""
    return clock.hour(12)

"""A desk does not believe a chain that is ahead of its own clock."""

from dataclasses import dataclass

from health_world import HealthWorld, piece, register


@dataclass
class Slow:
    """A clock that an hour was taken from."""

    world: HealthWorld

    def __call__(self) -> float:
        return self.world.now() - 3600.0


def test_write__the_chain_is_far_ahead__goes_to_the_inbox(world: HealthWorld) -> None:
    patient = world.patient()
    clinic = world.writer(world.clinic)
    desk = register(patient, clinic)
    clinic._clock = Slow(world)

    [written] = clinic.write(desk, [piece(b"what would be sealed to a later hour")])

    assert written.inbox
    [entry] = patient.watch().filed
    assert patient.open(entry).read() == b"what would be sealed to a later hour"

"""Level V is never sealed to a classic recipient."""

import io

import pytest
from health_world import LAB, MENTAL, TREAT, HealthWorld, register, write

from theriac.crypto.recipients import X25519Identity
from theriac.errors import TooWeak
from theriac.health.bundle import profile, strong_enough
from theriac.health.scope import KeyClass
from theriac.ledger.sender import Sender

VERY = KeyClass.parse("mental-health/V")


def test_strong_enough__only_level_v_asks_for_a_post_quantum_key() -> None:
    classic = str(X25519Identity.generate().recipient)
    assert [strong_enough(classic, str(cls)) for cls in (LAB, MENTAL, VERY)] == [True, True, False]


def test_share_record__very_restricted_to_a_classic_reader__is_refused(world: HealthWorld) -> None:
    # given a very restricted record, and a doctor whose profile names a classic key
    patient = world.patient(classes=(VERY,))
    clinic = world.writer(world.clinic)
    digest = write(clinic, register(patient, clinic), b"a note", cls=VERY)
    patient.watch()
    document = profile(world.doctor.address, name="old", recipient=X25519Identity.generate().recipient)
    published = world.store.put(io.BytesIO(document)).digest
    call = world.contracts.Keys.functions.publish(world.doctor.address, 2, published)
    Sender(world.web3, world.doctor.signer, outbox=None).send(call)

    # when it is shared alone, then it is refused, and nothing was granted
    with pytest.raises(TooWeak):
        patient.share_record(digest, world.doctor.address, purpose=TREAT, end=world.in_days(2))
    assert patient.vault.singles == []

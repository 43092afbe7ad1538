"""Requests for access: a member asks in its own name."""

import io

import pytest
from health_world import HealthWorld, Person, register

from theriac.crypto.recipients import parse_recipient
from theriac.health import documents
from theriac.health.messages import member_address
from theriac.health.requests import Request
from theriac.ledger.sender import Sender


def request(pseudonym: str, member: int) -> Request:
    return Request(
        pseudonym=pseudonym,
        member=member,
        reader=member_address(member),
        name="The hospital",
        classes=("laboratory/N",),
        purpose="TREAT",
        end="2040-01-01T00:00:00+00:00",
        history=True,
        reason="A check-up",
    )


@pytest.mark.parametrize("asker", ["clinic", "doctor", "hospital", "colleague"])
def test_requests__in_the_name_of_another_member__are_not_shown(world: HealthWorld, asker: str) -> None:
    # given: a letter to the patient's inbox that says it is from member 2, the hospital
    patient = world.patient()
    registered = register(patient, world.writer(world.clinic))
    person: Person = getattr(world, asker)
    wanted = request(registered.pseudonym, world.hospital.member)
    inbox = parse_recipient(registered.inboxes.recipients["N"])
    digest = world.store.put(io.BytesIO(documents.seal(wanted.encode(), to=inbox))).digest
    send = world.contracts.Letters.functions.send(person.address, registered.pseudonym, digest)

    # when
    Sender(world.web3, person.signer, outbox=None).send(send)

    # then: only the hospital and its staff speak for it
    shown = [each.letter for each in patient.requests()]
    assert shown == ([digest.hex()] if asker in ("hospital", "colleague") else [])

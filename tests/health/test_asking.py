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


def test_requests__beside_letters_that_are_no_letters__are_shown(world: HealthWorld) -> None:
    # given letters of a stranger: of nothing that is stored, noise, sealed noise, another document, another's request
    patient = world.patient()
    registered = register(patient, world.writer(world.clinic))
    inbox = parse_recipient(registered.inboxes.recipients["N"])
    other = request("0x" + "11" * 20, world.hospital.member)
    stored = (
        b"noise",
        documents.seal(b"noise", to=inbox),
        documents.seal(documents.encode("answer", {}), to=inbox),
        documents.seal(documents.encode("request", {"pseudonym": registered.pseudonym}), to=inbox),
        documents.seal(other.encode(), to=inbox),
    )
    digests = [bytes(range(32)), *(world.store.put(io.BytesIO(each)).digest for each in stored)]
    wanted = request(registered.pseudonym, world.hospital.member)
    true = world.store.put(io.BytesIO(documents.seal(wanted.encode(), to=inbox))).digest
    stranger = world.person(publish=False)

    # when they are sent before the hospital's request, and once more after it
    for person, letters in ((stranger, digests), (world.hospital, [true]), (stranger, digests)):
        sender = Sender(world.web3, person.signer, outbox=None)
        for each in letters:
            sender.send(world.contracts.Letters.functions.send(person.address, registered.pseudonym, each))

    # then
    assert [each.letter for each in patient.requests()] == [true.hex()]

"""History is there for whoever is granted it, and for nobody else."""

import pytest
from health_world import LAB, MENTAL, TREAT, HealthWorld, piece, register, write

from theriac.errors import NoMatchingIdentity, NotOpened, NotStored, UnknownRecord
from theriac.health import records
from theriac.health.patient import Patient
from theriac.health.reader import Reader


def opened(reader: Reader, pseudonym: str, digests: list[str]) -> list[bool]:
    """Which of these a reader opens with everything it has, whatever the chain says."""
    found = []
    for digest in digests:
        try:
            found.append(bool(reader.unsafe_try(pseudonym, digest).read()))
        except (NotOpened, UnknownRecord):
            found.append(by_bytes(reader, pseudonym, digest))
    return found


def by_bytes(reader: Reader, pseudonym: str, digest: str) -> bool:
    """Whether any node that the reader holds opens a file, at any hour of these days."""
    hour = reader.chain.hour()
    for opening in reader._load(pseudonym).openings.values():
        for identity in filter(None, (opening.nodes.identity(each) for each in range(hour - 6, hour + 2))):
            try:
                records.open_(reader.store.get_digest(bytes.fromhex(digest)), identities=[identity])
                return True
            except NoMatchingIdentity:
                continue
            except NotStored:
                return False
    return False


def present(patient: Patient, digests: list[str]) -> list[str]:
    """Where records lie now that were first anchored under these digests."""
    resealed = {entry.resealed_from: entry.digest for entry in patient.vault.entries.values()}
    for _ in range(3):
        digests = [resealed.get(digest, digest) for digest in digests]
    return digests


# property H7
def test_grant__after_rotations_refiling_and_rewriting__opens_all_or_nothing_before(world: HealthWorld) -> None:
    # given records of three generations, one of them refiled from the inbox, all of one class
    patient, clinic = world.patient(), world.writer(world.clinic)
    desk = register(patient, clinic)
    first = write(clinic, desk, b"first")
    draft = clinic._draft(desk, piece(b"by the inbox"))
    [inbox] = [each.digest for each in clinic._write_to_inbox(desk, [draft], [clinic._keep(draft)])]
    patient.watch()
    patient.rotate()
    second = write(clinic, desk, b"second")
    patient.watch()
    patient.rotate()
    third = write(clinic, desk, b"third")
    patient.watch()
    old = [first, inbox, second, third]

    # when one reader is granted the history and another from now on, and the old records are sealed anew
    doctor, colleague = world.reader(world.doctor, "doctor"), world.reader(world.colleague, "colleague")
    whole = patient.grant(world.doctor.address, classes=[LAB], purpose=TREAT, end=world.in_days(30)).pseudonym
    part = patient.grant(
        world.colleague.address, classes=[LAB], purpose=TREAT, end=world.in_days(30), history=False
    ).pseudonym
    world.next_hour()
    doctor.learn(whole)
    colleague.learn(part)
    assert opened(doctor, whole, old) == [True] * 4
    assert opened(colleague, part, old) == [False] * 4
    patient.rotate(rewrite=True)
    fresh = write(clinic, desk, b"fresh")
    patient.watch()
    doctor.learn(whole)
    colleague.learn(part)

    # then the first opens everything and the second nothing from before, resealed or not
    anew = present(patient, old)
    assert set(anew).isdisjoint(old)
    assert opened(doctor, whole, [*anew, fresh]) == [True] * 5
    assert opened(colleague, part, [*anew, *old, fresh]) == [False] * 8 + [True]
    assert {each.digest for each in doctor.listed(whole, purpose=TREAT)} == {*anew, fresh}
    assert {each.digest for each in colleague.listed(part, purpose=TREAT)} == {fresh}

    # and a lost old bundle loses nothing: a new device learns from the present one alone
    device = world.reader(world.doctor, "new device")
    device.learn(whole)
    assert opened(device, whole, [*anew, fresh]) == [True] * 5


# property H8
def test_share_record__its_sibling_stays_shut(world: HealthWorld) -> None:
    patient, clinic = world.patient(), world.writer(world.clinic)
    desk = register(patient, clinic)
    shared, sibling, other = [
        each.digest
        for each in clinic.write(desk, [piece(b"this one"), piece(b"its sibling"), piece(b"a talk", cls=MENTAL)])
    ]
    patient.watch()
    doctor = world.reader(world.doctor, "doctor")

    single = patient.share_record(shared, world.doctor.address, purpose=TREAT, end=world.in_days(5))
    doctor.learn(single.pseudonym)

    assert doctor.open(single.pseudonym, shared, purpose=TREAT).read() == b"this one"
    for digest in (sibling, other):
        with pytest.raises((NotOpened, UnknownRecord)):
            doctor.unsafe_try(single.pseudonym, digest)

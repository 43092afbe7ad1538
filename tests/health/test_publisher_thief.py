"""A thief of a publisher key reads what is written until the key is replaced, and gets no further."""

import base64
import io
from dataclasses import replace
from typing import Any

import pytest
from health_world import LAB, TREAT, HealthWorld, register, write

from theriac.crypto.recipients import HybridIdentity
from theriac.errors import NoMatchingIdentity, Reverted, TheriacError
from theriac.health import documents, records
from theriac.health.bundle import Opening, compose
from theriac.health.chain import Signed, sign
from theriac.health.hours import Nodes, root
from theriac.health.messages import Freshness, Grant, Publish, Rotate
from theriac.health.vault import Vault
from theriac.ledger.signer import KeySigner
from theriac.store.cid import compute


def test_thief_of_a_publisher_key__gets_what_is_written_and_no_more(world: HealthWorld) -> None:
    # given a reader with history, and a thief with the publisher key of the clinic's pseudonym
    patient, clinic = world.patient(), world.writer(world.clinic)
    desk = register(patient, clinic)
    before = write(clinic, desk, b"before")
    patient.watch()
    granted = patient.grant(world.doctor.address, classes=[LAB], purpose=TREAT, end=world.in_days(30)).pseudonym
    account = patient.vault.accounts[desk.pseudonym]
    stolen = KeySigner(patient.vault.publisher(account))
    chain = patient.chain
    deadline = world.now() + 900

    # when it signs a grant, or a publisher of its own
    freshness = Freshness(chain.grant_nonce(desk.pseudonym, world.colleague.address, TREAT), 0, deadline)
    hour = world.now() // 3600 * 3600
    grant = Grant(desk.pseudonym, world.colleague.address, TREAT, 1 << 5, hour, hour + 7200, freshness)
    rotation = Rotate(desk.pseudonym, account.version + 1, bytes(32), stolen.address, 1, 0, deadline)

    # then the chain refuses both
    for message in (grant, rotation):
        with pytest.raises(Reverted):
            world.relay.carry(sign(chain, message, stolen))

    # when it publishes rows and inboxes of its own, as far as the chain lets it
    forged, keys = rows_of_a_thief(patient.vault, desk.pseudonym, clinic=world.clinic.identity, hour=chain.hour())
    world.store.put(io.BytesIO(forged))
    publication = Publish(desk.pseudonym, account.version + 1, compute_digest(forged), 0, deadline)
    world.relay.carry(Signed(publication, (stolen.sign_message(publication.signable(chain.domain("Keys"))),)))
    taken = write(clinic, desk, b"while it lasts")

    # then it opens what is written now, not what was, and the client raises an alarm and does not publish over it
    identity = HybridIdentity.from_seed(keys)
    assert thief_opens(world, taken, identity) == b"while it lasts"
    assert thief_opens(world, before, identity) is None
    watched = patient.watch()
    assert [alarm.pseudonym for alarm in watched.alarms] == [desk.pseudonym]
    assert taken in watched.waiting

    # when the patient replaces the publisher
    patient.replace_publisher(account)

    # then the stolen key publishes nothing, new records are not the thief's, and the desk seals again what was taken
    again = Publish(desk.pseudonym, account.version + 1, bytes(32), 0, deadline)
    with pytest.raises(Reverted):
        world.relay.carry(Signed(again, (stolen.sign_message(again.signable(chain.domain("Keys"))),)))
    assert thief_opens(world, write(clinic, desk, b"after"), identity) is None
    sealed_again = {each.digest for each in clinic.seal_again(clinic.patient(desk.pseudonym))}
    filed = {entry.digest for entry in patient.watch().filed}
    assert sealed_again <= filed
    contents = {patient.open(entry).read() for entry in patient.vault.listed(source=desk.pseudonym)}
    assert contents == {b"before", b"while it lasts", b"after"}

    # and the reader with history opens all of it, on a new device too
    doctor = world.reader(world.doctor, "new device")
    doctor.learn(granted)
    listed = doctor.listed(granted, purpose=TREAT)
    assert {doctor.open(granted, each.digest, purpose=TREAT).read() for each in listed} == contents


@pytest.mark.parametrize("by", ["the thief", "nobody", "its own publisher"])
def test_opening__under_another_pseudonym__counts_by_its_own_publisher_only(world: HealthWorld, by: str) -> None:
    # given a reader, and a thief with the publisher key of the pseudonym that granted, but not of the desk's
    patient, clinic = world.patient(), world.writer(world.clinic)
    desk = register(patient, clinic)
    granted = patient.grant(world.doctor.address, classes=[LAB], purpose=TREAT, end=world.in_days(30)).pseudonym
    account, source = patient.vault.accounts[granted], patient.vault.accounts[desk.pseudonym]
    stolen = patient.vault.publisher(account)
    signer = {"the thief": stolen, "its own publisher": patient.vault.publisher(source)}.get(by)

    # when it publishes an opening of the desk's pseudonym with nodes of its own
    document = documents.decode("bundle", compose(patient.vault, account, hour=patient.chain.hour()).document)
    doctor = world.doctor.identity
    opened = [opened_by(base64.b64decode(each), doctor) for each in document["files"]]
    [capsule] = [each for each in opened if each]
    values = documents.decode("capsule", capsule)
    hour = patient.chain.hour()
    forged = Opening(desk.pseudonym, str(LAB), 7, hour, Nodes((root(b"\x66" * 32),)))
    signature = bytes(signer.sign_message(forged.signable()).signature).hex() if signer else ""
    values["openings"] = [replace(forged, signature=signature).values()]
    del values["kind"], values["format"], document["kind"], document["format"]
    anew = documents.seal(documents.encode("capsule", values), to=doctor.recipient)
    document["files"] = [base64.b64encode(anew).decode()]
    bundle = documents.encode("bundle", document)
    world.store.put(io.BytesIO(bundle))
    thief = KeySigner(stolen)
    publication = Publish(granted, account.version + 1, compute_digest(bundle), 0, world.now() + 900)
    signed = thief.sign_message(publication.signable(patient.chain.domain("Keys")))
    world.relay.carry(Signed(publication, (signed,)))
    reader = world.reader(world.doctor, "new device")
    reader.learn(granted)

    # then
    taken = [each.generation for each in reader._load(granted).openings.values()]
    assert taken == ([7] if by == "its own publisher" else [])


def opened_by(file: bytes, identity: HybridIdentity) -> bytes:
    try:
        return documents.open_(file, identities=[identity])
    except TheriacError:
        return b""


def rows_of_a_thief(vault: Vault, pseudonym: str, *, clinic: HybridIdentity, hour: int) -> tuple[bytes, bytes]:
    """A bundle with a row for the clinic that the thief opens, and the inboxes as they were; and the thief's seed."""
    account = vault.accounts[pseudonym]
    real = documents.decode("bundle", compose(vault, account, hour=hour).document)
    seed = b"\x66" * 32
    row = {
        "cls": str(LAB),
        "generation": 1,
        "first": hour,
        "until": hour + 48,
        "recipient": str(HybridIdentity.from_seed(seed).recipient),
    }
    rows = documents.encode("rows", {"pseudonym": pseudonym, "rows": [row], "receipts": []})
    real["files"] = [base64.b64encode(documents.seal(rows, to=clinic.recipient)).decode()]
    del real["kind"], real["format"]
    return documents.encode("bundle", real), seed


def compute_digest(document: bytes) -> bytes:
    return compute(io.BytesIO(document)).digest


def thief_opens(world: HealthWorld, digest: str, identity: HybridIdentity) -> Any:
    try:
        return records.open_(world.store.get_digest(bytes.fromhex(digest)), identities=[identity]).read()
    except NoMatchingIdentity:
        return None

"""An erasure at the members that wrote: what they are asked, what they give up, what they sign. On a real chain."""

import io
from dataclasses import replace
from typing import Any

import pytest
from health_world import LAB, MENTAL, HealthWorld, quick_lock, register, write

from theriac.errors import BadUnpinRequest, NotStored
from theriac.health import documents
from theriac.health.chain import sign
from theriac.health.erasure import UnpinReceipt, UnpinRequest
from theriac.health.messages import Letter, Publish, member_address
from theriac.health.patient import Patient
from theriac.health.unpinning import Unpinner
from theriac.health.writer import Writer


def unpinner(world: HealthWorld, clinic: Writer) -> Unpinner:
    return Unpinner(clinic, folder=world.folder / "clinic")


def here(world: HealthWorld, digest: str) -> bool:
    """Whether the store still has a file once it has cleared up."""
    world.store.collect_garbage()
    try:
        return bool(world.store.get_digest(bytes.fromhex(digest)))
    except NotStored:
        return False


def asked(patient: Patient) -> Any:
    [ask] = patient.vault.erasures[-1].asks
    return ask


def test_unpin__gives_up_the_record_its_copy_and_signs_it(world: HealthWorld) -> None:
    # given: a record, of which the desk keeps a copy until the patient says that she filed it
    patient, clinic = world.patient(), world.writer(world.clinic)
    desk = register(patient, clinic)
    gone, kept = write(clinic, desk, b"a therapy session", cls=MENTAL), write(clinic, desk, b"a result")
    patient.watch()
    members = unpinner(world, clinic)
    assert members.requests() == []

    # when
    patient.erase([MENTAL], lock=quick_lock())
    [request] = members.requests()
    receipt = members.unpin(members.request(request.letter[:12]))

    # then
    assert gone in receipt.unpinned
    assert receipt.kept == ()
    assert receipt.time == pytest.approx(world.now(), abs=600)
    assert (here(world, gone), here(world, kept)) == (False, True)
    assert not (world.folder / "clinic" / "spool" / f"{gone}.written").exists()
    assert (world.folder / "clinic" / "spool" / f"{kept}.written").exists()

    # and the patient has it in writing, by the inbox that she has now; it is asked and answered once
    patient.watch()
    assert UnpinReceipt.of(asked(patient).receipt) == receipt
    assert members.requests() == []
    assert len(list(patient.letters())) == 1


def test_unpin__kept_by_law__says_so(world: HealthWorld) -> None:
    # given
    patient, clinic = world.patient(), world.writer(world.clinic)
    gone = write(clinic, register(patient, clinic), b"a therapy session", cls=MENTAL)
    patient.watch()
    patient.erase([MENTAL], lock=quick_lock())
    members = unpinner(world, clinic)

    # when
    [request] = members.requests()
    members.unpin(request, keep=True, reason="to be kept for ten years")
    patient.watch()

    # then: who keeps what is known; that nobody opens it is another matter
    receipt = UnpinReceipt.of(asked(patient).receipt)
    assert (receipt.unpinned, receipt.reason) == ((), "to be kept for ten years")
    assert gone in receipt.kept


def forged(world: HealthWorld, patient: Patient, digests: tuple[str, ...], **changes: Any) -> None:
    """A request that a patient's own client would not make, sent from her pseudonym at the clinic."""
    account = patient.vault.account_for("writer:1")
    assert account is not None
    signer = patient._signer(account)
    unsigned = UnpinRequest(account.pseudonym, 1, digests, world.now())
    request = replace(unsigned, signature=signer.sign_message(unsigned.message()).hex())
    request = replace(request, **changes)
    sealed = documents.seal(request.encode(), to=world.clinic.identity.recipient)
    letter = world.store.put(io.BytesIO(sealed)).digest
    nonce = patient.chain.letter_nonce(account.pseudonym)
    receiver = patient.chain.member_account(1)
    message = Letter(account.pseudonym, receiver, letter, nonce, 0, world.now() + 900)
    world.relay.carry(sign(patient.chain, message, signer))


# property U9
def test_unpin__what_is_another_patients__is_kept(world: HealthWorld) -> None:
    # given: two patients of one clinic
    ann, bob, clinic = world.patient("ann"), world.patient("bob"), world.writer(world.clinic)
    register(ann, clinic, name="ann")
    his = register(bob, clinic, name="bob")
    record = write(clinic, his, b"a result", cls=LAB)
    bob.watch()
    hers = ann.vault.account_for("writer:1")
    assert hers is not None

    # when: one asks for the other's record and bundle, and names the record as a bundle of her own on the chain
    bundle = bob.chain.digest(his.pseudonym).hex()
    publication = Publish(hers.pseudonym, hers.version + 1, bytes.fromhex(record), 0, world.now() + 900)
    world.relay.carry(sign(ann.chain, publication, ann._signer(hers)))
    second = Publish(hers.pseudonym, hers.version + 2, bytes(31) + b"\x01", 0, world.now() + 900)
    world.relay.carry(sign(ann.chain, second, ann._signer(hers)))
    forged(world, ann, (record, bundle))
    members = unpinner(world, clinic)
    [request] = members.requests()
    receipt = members.unpin(request)

    # then
    assert (receipt.unpinned, receipt.kept) == ((), (record, bundle))
    assert here(world, record)
    assert here(world, bundle)


def test_unpin__of_the_bundle_that_stands__is_kept(world: HealthWorld) -> None:
    # given
    patient, clinic = world.patient(), world.writer(world.clinic)
    desk = register(patient, clinic)
    current = patient.chain.digest(desk.pseudonym).hex()

    # when
    forged(world, patient, (current,))
    [request] = unpinner(world, clinic).requests()

    # then
    assert unpinner(world, clinic).hers(request) == ()


def test_requests__that_the_patient_did_not_sign_or_for_another_member__are_not_listed(world: HealthWorld) -> None:
    # given
    patient, clinic = world.patient(), world.writer(world.clinic)
    desk = register(patient, clinic)
    record = write(clinic, desk, b"a result")

    # when
    forged(world, patient, (record,), signature="11" * 65)
    forged(world, patient, (record,), member=2)
    forged(world, patient, (record,), time=1)
    forged(world, patient, (record,), pseudonym=world.doctor.address)

    # then
    members = unpinner(world, clinic)
    assert members.requests() == []
    with pytest.raises(BadUnpinRequest):
        members.request("")


def test_requests__of_who_is_not_registered__are_not_listed(world: HealthWorld) -> None:
    # given: a pseudonym that this desk never took in
    patient, clinic = world.patient(), world.writer(world.clinic)
    patient.introduce(1)

    # when
    forged(world, patient, ("11" * 32,))

    # then
    assert unpinner(world, clinic).requests() == []
    assert member_address(1) != patient.chain.member_account(1)

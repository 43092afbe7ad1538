"""Delegates, quorums, guardians and programmes on a real chain: what they grant opens, and ends with them."""

from typing import Any

import pytest
from eth_account import Account
from health_world import HOUR, LAB, MENTAL, TREAT, VITALS, HealthWorld, register, write
from key_hunt import Hunt

from theriac.crypto.recipients import HybridIdentity
from theriac.errors import BadDocument, BadWindow, NotOpened, UnknownMandate, UnknownRecord
from theriac.health.delegate import mandates_document
from theriac.health.delegations import DelegatedGrant, DelegatedNarrow, Quorum, commitment
from theriac.health.hours import HOURS, hour_at, seconds_of, time_of
from theriac.health.messages import Freshness, member_address
from theriac.health.others import guardians_end
from theriac.health.patient import Patient
from theriac.health.programmes import Note, Programme, Step, standing
from theriac.health.scope import mask_of
from theriac.health.vault import Mandate, Vault
from theriac.ledger.signer import KeySigner

ACCOUNTS = [KeySigner(Account.from_key(bytes([number]) * 32)) for number in range(1, 7)]


def granted_by(world: HealthWorld, patient: Patient, mandate: Mandate, *signers: KeySigner, **changes: Any) -> str:
    """What a delegate grants to the doctor, signed by it and carried by anyone; the pseudonym."""
    terms = {"classes": (LAB,), "expiry": hour_at(world.in_days(20)), "nonce": 0} | changes
    fresh = Freshness(terms["nonce"], 0, world.now() + 1200)
    grant = DelegatedGrant(
        mandate.pseudonym,
        world.doctor.address,
        TREAT,
        mask_of(terms["classes"]),
        0,
        seconds_of(terms["expiry"]),
        fresh,
        mandate.by,
    )
    signed(world, patient, mandate, grant, *signers)
    return mandate.pseudonym


def signed(world: HealthWorld, patient: Patient, mandate: Mandate, message: Any, *signers: KeySigner) -> None:
    signable = message.signable(patient.chain.domain("Delegations"))
    signatures = {signer.address: signer.sign_message(signable) for signer in signers}
    signature = next(iter(signatures.values()))
    if mandate.threshold:
        quorum = Quorum(mandate.pseudonym, bytes.fromhex(mandate.salt), mandate.members, mandate.threshold)
        signature = quorum.proof(signatures)
    call = world.contracts.Delegations.functions[message.FUNCTION](*message.arguments(signature))
    world.relay._sender.send(call)


@pytest.fixture
def begun(world: HealthWorld) -> tuple[Patient, Any, Any]:
    patient = world.patient()
    desk = world.writer(world.clinic, "clinic")
    return patient, desk, register(patient, desk)


# properties G10, G11
def test_delegate__what_it_grants_opens_and_ends_with_it(world: HealthWorld, begun: Any) -> None:
    # given a delegate for laboratory and mental health, under two pseudonyms, and records
    patient, desk, known = begun
    old, secret = write(desk, known, b"old"), write(desk, known, b"secret", cls=MENTAL)
    patient.watch()
    mandates = patient.others.appoint(
        [each.address for each in ACCOUNTS[:2]],
        name="daughter",
        classes=(LAB, MENTAL),
        purposes=[TREAT],
        end=world.in_days(30),
    )
    assert len({each.pseudonym for each in mandates}) == len({each.holder for each in mandates}) == 2

    # when it grants laboratory results, and the patient's client looks
    pseudonym = granted_by(world, patient, mandates[0], ACCOUNTS[0])
    patient.watch()
    doctor = world.reader(world.doctor, "doctor")
    doctor.learn(pseudonym)

    # then
    with doctor.open(pseudonym, old, purpose=TREAT).content as content:
        assert content.read() == b"old"
    with pytest.raises(NotOpened):
        doctor.unsafe_try(pseudonym, secret)
    [sharing] = [each for each in patient.vault.sharings if each.by]
    assert sharing.end == hour_at(world.in_days(20)) <= mandates[0].end
    assert patient.vault.accounts[pseudonym].counterparty == f"reader:{world.doctor.address}"

    # when it takes half of the time back, and then the patient ends it
    fresh = Freshness(1, 0, world.now() + 1200)
    narrow = DelegatedNarrow(
        pseudonym, world.doctor.address, TREAT, mask_of((LAB,)), seconds_of(sharing.end - 48), fresh
    )
    signed(world, patient, mandates[0], narrow, ACCOUNTS[0])
    patient.watch()
    assert [each.end for each in patient.vault.sharings if each.by] == [sharing.end - 48]
    patient.others.end(mandates[0])
    doctor.learn(pseudonym)
    new = write(desk, known, b"new")

    # then
    with pytest.raises(NotOpened):
        doctor.unsafe_try(pseudonym, new)
    assert doctor.chain.explain(pseudonym, doctor.account, mask_of((LAB,)), TREAT).name == "PARENT_ENDED"
    assert patient.others.mandates("daughter") == [mandates[1]]
    assert Vault.decode(patient.vault.encode()).mandates == [mandates[1]]


def test_delegate__with_its_mandates_and_every_byte__opens_no_record(world: HealthWorld, begun: Any) -> None:
    # given a delegate that has granted, and all that it was ever handed
    patient, desk, known = begun
    records = {write(desk, known, b"old"), write(desk, known, b"secret", cls=MENTAL)}
    patient.watch()
    delegate = HybridIdentity.generate()
    mandates = patient.others.appoint(
        [ACCOUNTS[0].address],
        name="daughter",
        classes=(LAB, MENTAL),
        purposes=[TREAT],
        end=world.in_days(30),
        recipient=str(delegate.recipient),
    )
    granted_by(world, patient, mandates[0], ACCOUNTS[0])
    patient.watch()
    stored = {cid.digest.hex(): world.store.get(cid).read() for cid in world.store.pins()}
    hours = range(patient.chain.hour() - 2, patient.chain.hour() + 2)

    # when
    found = Hunt(stored.values(), hours=hours, digests=stored).take(delegate, mandates_document("ann", mandates))

    # then
    assert records <= set(stored)
    assert [found.opens(stored[digest]) for digest in sorted(records)] == [False, False]
    # and the same adversary with the vault opens both
    found.take(patient.vault.encode())
    assert [found.opens(stored[digest]) for digest in sorted(records)] == [True, True]


@pytest.mark.parametrize("everything", [False, True])
def test_revoke__ends_what_a_delegate_granted_to_the_same_reader(
    world: HealthWorld, begun: Any, everything: bool
) -> None:
    """Under two pseudonyms: one that the patient granted by, one of the delegate."""
    patient, desk, known = begun
    patient.grant(world.doctor.address, classes=(LAB,), purpose=TREAT, end=world.in_days(9))
    [mandate] = patient.others.appoint(
        [ACCOUNTS[0].address], name="son", classes=(LAB,), purposes=[TREAT], end=world.in_days(30)
    )
    granted_by(world, patient, mandate, ACCOUNTS[0])
    patient.watch()
    doctor = world.reader(world.doctor, "doctor")
    pseudonyms = {each.pseudonym for each in doctor.grants()}
    assert len(pseudonyms) == 2

    if everything:
        patient.revoke_all()
    else:
        patient.revoke(world.doctor.address, purpose=TREAT)
    for pseudonym in pseudonyms:
        doctor.learn(pseudonym)
    new = write(desk, known, b"new")

    assert patient.vault.sharings == []
    assert patient.vault.mandates == ([] if everything else [mandate])
    for pseudonym in pseudonyms:
        with pytest.raises((NotOpened, UnknownRecord)):
            doctor.unsafe_try(pseudonym, new)


# property G10
def test_delegate__its_end_locks_out_with_the_phone_off(world: HealthWorld, begun: Any) -> None:
    patient, desk, known = begun
    [mandate] = patient.others.appoint(
        [ACCOUNTS[0].address], name="son", classes=(LAB,), purposes=[TREAT], end=world.in_days(3)
    )
    pseudonym = granted_by(world, patient, mandate, ACCOUNTS[0], expiry=mandate.end)
    patient.watch()
    doctor = world.reader(world.doctor, "doctor")
    doctor.learn(pseudonym)

    world.travel((mandate.end - patient.chain.hour()) * HOUR)
    late = write(desk, known, b"late")

    with pytest.raises(NotOpened):
        doctor.unsafe_try(pseudonym, late)


def test_quorum__two_of_three_grant(world: HealthWorld, begun: Any) -> None:
    patient, desk, known = begun
    old = write(desk, known, b"old")
    patient.watch()
    [mandate] = patient.others.appoint_quorum(
        [[each.address] for each in ACCOUNTS[:3]],
        threshold=2,
        name="family",
        classes=(LAB,),
        purposes=[TREAT],
        end=world.in_days(30),
    )

    pseudonym = granted_by(world, patient, mandate, ACCOUNTS[0], ACCOUNTS[2])
    patient.watch()

    doctor = world.reader(world.doctor, "doctor")
    doctor.learn(pseudonym)
    doctor.open(pseudonym, old, purpose=TREAT).content.close()
    with pytest.raises(BadWindow):
        patient.others.appoint_quorum(
            [[ACCOUNTS[0].address]], threshold=2, name="x", classes=(LAB,), purposes=[TREAT], end=world.in_days(3)
        )


def test_guardian__is_renewed_for_a_year_at_most_and_ages_out(world: HealthWorld, begun: Any) -> None:
    # given a guardian of a child who comes of age in 500 days
    patient, _, _ = begun
    ages = world.in_days(500)
    for days, end in ((400, world.in_days(400)), (200, world.in_days(501))):
        with pytest.raises(BadWindow):
            patient.others.appoint(
                [ACCOUNTS[0].address],
                name="mother",
                classes=(LAB,),
                purposes=[TREAT],
                end=end,
                ages=ages if days == 400 else world.in_days(100),
            )
    [first] = patient.others.appoint(
        [ACCOUNTS[0].address], name="mother", classes=(LAB,), purposes=[TREAT], end=world.in_days(300), ages=ages
    )
    assert patient.others.renew_guardians() == []

    # when her year nears its end
    world.travel(290 * 24 * HOUR)
    [second] = patient.others.renew_guardians()

    # then once, to a midnight that is not the birthday; and at the coming of age nobody is left
    assert patient.others.renew_guardians() == []
    assert first.end < second.end <= hour_at(ages)
    assert second.end % 24 == 0
    assert patient.others.age_out() == [first, second]
    assert patient.vault.mandates == []
    for each in (first, second):
        assert patient.chain.parent(each.pseudonym, each.by)["expiry"] == 0


def test_guardians_end__is_drawn_and_never_beyond() -> None:
    hour, ages = 52_000 * 1, 52_000 + 500 * 24

    ends = {guardians_end(hour, ages) for _ in range(200)}

    assert len(ends) > 20
    assert all(hour < end <= hour + 365 * 24 and end % 24 == 0 for end in ends)
    assert all(guardians_end(ages - 48, ages) <= ages for _ in range(50))
    assert ages < HOURS


# -- programmes ------------------------------------------------------------------------------------------------------

STEPS = (
    Step("checkup", "Check-up", "health centre", 30),
    Step("result", "Result told", "health centre", 14, after="checkup"),
    Step("referral", "Seen at the hospital", "hospital", 28, after="checkup", optional=True),
    Step("back", "Back at the health centre", "health centre", 14, after="referral"),
)


def programme_of(world: HealthWorld) -> Programme:
    person = world.clinic
    return Programme(
        "Check-up 2031", person.member, person.address, "TREAT", ("laboratory/N", "vitals/N"), STEPS
    ).signed(person.signer)


def test_programme__its_team_reads_until_it_ends(world: HealthWorld, begun: Any) -> None:
    # given
    patient, desk, known = begun
    programme = programme_of(world)
    old = write(desk, known, b"old")
    patient.watch()
    team = member_address(world.clinic.member)

    # when
    enrolment = patient.others.enrol(
        programme.encode(), team, name="team", classes=(LAB, VITALS), purpose=TREAT, end=world.in_days(200)
    )
    gateway = world.reader(world.clinic, "gateway")
    gateway.learn(enrolment.pseudonym)

    # then what stands on the chain is the document's, and says so to nobody without the salt
    gateway.open(enrolment.pseudonym, old, purpose=TREAT).content.close()
    parent = patient.chain.parent(enrolment.pseudonym, enrolment.by)
    assert parent["holder"] == commitment(programme.encode(), salt=bytes.fromhex(enrolment.salt))
    assert Vault.decode(patient.vault.encode()).programmes == [enrolment]

    # when
    patient.others.leave(enrolment)
    gateway.learn(enrolment.pseudonym)
    new = write(desk, known, b"new")

    # then
    with pytest.raises(NotOpened):
        gateway.unsafe_try(enrolment.pseudonym, new)
    refusal = gateway.chain.explain(enrolment.pseudonym, world.clinic.address, mask_of((LAB,)), TREAT)
    assert refusal.name == "PARENT_ENDED"


def test_programme__signed_or_not_at_all(world: HealthWorld) -> None:
    programme = programme_of(world)

    assert Programme.decode(programme.encode()) == programme
    with pytest.raises(BadDocument):
        Programme.decode(programme.encode().replace(b"Check-up 2031", b"Check-up 2032"))
    with pytest.raises(BadDocument):
        Programme("x", 1, world.clinic.address, "TREAT", ("laboratory/N",), (Step("a", "A", "", 1, after="b"),))


def test_standing__who_was_lost_on_the_way(world: HealthWorld) -> None:
    programme, start = programme_of(world), 52_000
    person = "0x" + "11" * 20

    def states(now: int, *notes: Note) -> list[str]:
        return [each.state for each in standing(programme, notes, start=start, now=now)]

    done = Note(person, 1, "checkup", start + 24)
    needed = Note(person, 1, "referral", start + 24, needed=True)
    told = Note(person, 1, "result", start + 48)
    seen = Note(person, 1, "referral", start + 240)
    assert states(start) == ["due", "not due", "not due", "not due"]
    assert states(start + 30 * 24 - 1) == ["due", "not due", "not due", "not due"]
    assert states(start + 30 * 24) == ["lost", "not due", "not due", "not due"]
    assert states(start + 300, done) == ["done", "due", "not due", "not due"]
    assert states(start + 24 + 28 * 24, done, told, needed) == ["done", "done", "lost", "not due"]
    assert states(start + 240 + 14 * 24, done, told, needed, seen) == ["done", "done", "done", "lost"]


def test_mandates__of_nobody(begun: Any) -> None:
    with pytest.raises(UnknownMandate):
        begun[0].others.mandates("nobody")
    assert time_of(0).year == 2020

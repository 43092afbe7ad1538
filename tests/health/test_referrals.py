"""Referrals on a real chain: bytes decide who opens what, with the patient's phone on and off."""

import shutil
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from health_world import HOUR, LAB, TREAT, VITALS, HealthWorld, copied, piece, register, renewed, write

from theriac.errors import CannotRefer, NotGranted, NotOpened
from theriac.health import referrals
from theriac.health.hours import time_of
from theriac.health.messages import member_address
from theriac.ledger.sender import Sender


class Case:
    """A patient of a health centre (the clinic) whose doctor may refer; and a hospital that knows nothing of her."""

    def __init__(self, world: HealthWorld, *, referable: bool = True, days: int = 60) -> None:
        self.world = world
        self.patient = world.patient()
        self.desk = world.writer(world.clinic, "clinic")
        self.known = register(self.patient, self.desk)
        self.old = write(self.desk, self.known, b"before")
        self.vital = write(self.desk, self.known, b"a pulse", cls=VITALS)
        self.patient.watch()
        self.patient.grant(
            world.doctor.address,
            classes=(LAB, VITALS),
            purpose=TREAT,
            end=world.in_days(days),
            referable=referable,
        )
        self.doctor = world.reader(world.doctor, "doctor")
        self.pseudonym = self.doctor.grants()[-1].pseudonym
        self.doctor.learn(self.pseudonym)
        self.colleague = world.reader(world.colleague, "colleague")

    def refer(self, **changes: Any) -> referrals.Referral:
        terms = {
            "pseudonym": self.pseudonym,
            "to": self.world.colleague.address,
            "purpose": TREAT,
            "classes": (LAB,),
            "end": time_of(self.monday()),
            "reason": "please look at her liver",
        }
        sender = Sender(self.world.web3, self.world.doctor.signer, outbox=None)
        return referrals.refer(self.doctor, sender, **terms | changes)

    def monday(self, number: int = 0) -> int:
        through = self.world.doctor.address
        return referrals.ends_of(self.doctor, self.pseudonym, through=through, purpose=TREAT)[number]

    def opens(self, digest: str) -> bool:
        """Whether the colleague can open a record with all it ever received, whatever the chain says."""
        try:
            self.colleague.unsafe_try(self.pseudonym, digest).content.close()
        except NotOpened:
            return False
        return True


@pytest.fixture(scope="module")
def begun(founded: HealthWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """The same beginning for all tests; what each changes outside of the chain is its own."""
    with renewed(founded, tmp_path_factory.mktemp("begun")) as world:
        yield Case(world)


@pytest.fixture
def case(begun: Case, tmp_path: Path) -> Iterator[Case]:
    shutil.copytree(begun.world.folder, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("index*"))
    with copied(begun.world, tmp_path) as world:
        yield _in(world, begun)


def _in(world: HealthWorld, begun: Case) -> Case:
    case = copy(begun)
    case.world, case.patient = world, world.same_patient(begun.patient)
    case.desk = world.writer(world.clinic, "clinic")
    case.doctor, case.colleague = world.reader(world.doctor, "doctor"), world.reader(world.colleague, "colleague")
    return case


# property G9
def test_referral__opens_with_the_phone_off_and_nothing_more(case: Case) -> None:
    # given
    case.refer()

    # when
    [letter] = referrals.taken(case.colleague)

    # then history and what is written now, of this class alone
    new = write(case.desk, case.known, b"after")
    assert letter.reason == "please look at her liver"
    with case.colleague.open(case.pseudonym, case.old, purpose=TREAT).content as content:
        assert content.read() == b"before"
    assert [each.digest for each in case.colleague.listed(case.pseudonym, purpose=TREAT)] == [case.old]
    assert case.opens(new)
    assert not case.opens(case.vital)
    assert case.colleague.unconfirmed(case.pseudonym) >= {case.known.pseudonym}


# property G9
def test_referral__ends_by_its_keys_with_the_phone_off(case: Case) -> None:
    # given a referral to next Monday
    letter = case.refer()
    referrals.taken(case.colleague)

    # when
    case.world.travel((letter.end - case.doctor.chain.hour()) * HOUR)
    late = write(case.desk, case.known, b"on Monday")

    # then
    assert not case.opens(late)
    assert case.opens(case.old)
    with pytest.raises(NotGranted):
        case.colleague.open(case.pseudonym, case.old, purpose=TREAT)


def test_referral__is_taken_into_the_vault_and_follows_a_rotation(case: Case) -> None:
    case.refer()
    referrals.taken(case.colleague)

    # when the phone is on, every key is made new, and the phone is off again
    case.patient.watch()
    case.patient.rotate()
    case.colleague.learn(case.pseudonym)
    new = write(case.desk, case.known, b"after the rotation")

    # then
    assert [each.through for each in case.patient.vault.sharings if each.through] == [case.world.doctor.address]
    assert case.opens(new)
    assert case.colleague.unconfirmed(case.pseudonym) == frozenset()


# property G9
@pytest.mark.parametrize("how", ["revoked", "narrowed", "replaced", "the referral alone"])
def test_referral__locked_out_with_its_parent(case: Case, how: str) -> None:
    # given a referral that the patient's client knows of
    case.refer()
    referrals.taken(case.colleague)
    case.patient.watch()
    reader, patient = case.world.doctor.address, case.patient
    sharing = patient.vault.sharing(case.pseudonym, reader, TREAT.code)

    # when
    match how:
        case "revoked":
            patient.revoke(reader, purpose=TREAT)
        case "narrowed":
            patient.narrow(sharing, classes=(LAB,))
        case "replaced":
            patient.grant(reader, classes=(LAB, VITALS), purpose=TREAT, end=time_of(sharing.end), referable=True)
        case "the referral alone":
            patient.others.revoke_referral(case.world.colleague.address, purpose=TREAT)
    case.colleague.learn(case.pseudonym)
    new = write(case.desk, case.known, b"after")

    # then
    assert not case.opens(new)
    assert not any(each.through for each in patient.vault.sharings)
    if how == "the referral alone":
        case.doctor.learn(case.pseudonym)
        case.doctor.open(case.pseudonym, new, purpose=TREAT).content.close()


def test_referral__unknown_to_the_vault__is_locked_out_with_its_parent(case: Case) -> None:
    """The phone was off while it was referred, and on only to revoke."""
    case.refer()
    referrals.taken(case.colleague)

    case.patient.revoke(case.world.doctor.address, purpose=TREAT)
    case.colleague.learn(case.pseudonym)

    assert not case.opens(write(case.desk, case.known, b"after"))


def test_refer__what_may_not_be(world: HealthWorld) -> None:
    case = Case(world, referable=False)

    with pytest.raises(NotGranted) as told:
        case.refer(end=world.in_days(60))
    assert "did not say that it may be referred on" in str(told.value)


def test_refer__to_an_end_where_no_row_splits(case: Case) -> None:
    with pytest.raises(CannotRefer):
        case.refer(end=time_of(case.monday()) + timedelta(hours=5))


def test_refer__a_referral(case: Case) -> None:
    case.refer()
    referrals.taken(case.colleague)
    case.patient.watch()
    case.colleague.learn(case.pseudonym)
    third = case.world.person()

    sender = Sender(case.world.web3, case.world.colleague.signer, outbox=None)
    with pytest.raises(NotGranted):
        referrals.refer(
            case.colleague,
            sender,
            pseudonym=case.pseudonym,
            to=third.address,
            purpose=TREAT,
            classes=(LAB,),
            end=time_of(case.monday()),
            reason="",
        )


def test_refer__never_beyond_its_own_hours(world: HealthWorld) -> None:
    # given a doctor who reads from now on only
    case = Case(world)
    case.patient.grant(
        world.doctor.address, classes=(LAB,), purpose=TREAT, end=world.in_days(60), history=False, referable=True
    )
    world.next_hour()
    case.patient.watch()
    fresh = world.reader(world.doctor, "another device")
    fresh.learn(case.pseudonym)
    case.doctor = fresh
    begin = case.patient.vault.sharing(case.pseudonym, world.doctor.address, TREAT.code).since

    # when
    letter = case.refer()

    # then
    hours = [node.hours for opening in letter.openings for node in opening.nodes.nodes]
    assert min(each.start for each in hours) >= begin
    assert max(each.stop for each in hours) <= letter.end
    referrals.taken(case.colleague)
    assert not case.opens(case.old)


# property G9
def test_refer__what_only_a_former_grant_gave__is_not_passed_on(world: HealthWorld) -> None:
    # given a doctor who could read all, and reads from now on only since, on the same device
    case = Case(world)
    case.patient.grant(
        world.doctor.address, classes=(LAB,), purpose=TREAT, end=world.in_days(60), history=False, referable=True
    )
    world.next_hour()
    case.patient.watch()
    case.doctor.learn(case.pseudonym)

    # when
    case.refer()
    referrals.taken(case.colleague)

    # then
    assert not case.opens(case.old)
    assert case.opens(write(case.desk, case.known, b"after"))


# property G9
def test_referral__of_some_hours__stays_so_when_her_client_takes_it_in(case: Case) -> None:
    case.world.next_hour()
    since = case.doctor.chain.hour()
    case.refer(since=time_of(since))
    referrals.taken(case.colleague)

    case.patient.watch()
    case.colleague.learn(case.pseudonym)

    assert [(each.classes, each.since) for each in case.patient.others.referrals()] == [((str(LAB),), since)]
    assert not case.opens(case.old)


# property G9
def test_referral__unknown_to_the_vault__is_locked_out_when_its_parent_is_narrowed(case: Case) -> None:
    """Of another class: what was referred stays within what is left, and ends on the chain all the same."""
    case.refer()
    referrals.taken(case.colleague)
    sharing = case.patient.vault.sharing(case.pseudonym, case.world.doctor.address, TREAT.code)

    case.patient.narrow(sharing, classes=(LAB,))
    case.colleague.learn(case.pseudonym)

    assert not case.opens(write(case.desk, case.known, b"after"))


@pytest.mark.parametrize("lie", ["from a stranger", "a class more", "hours more", "another referrer", "a false index"])
def test_taken__what_the_chain_does_not_bear_out(case: Case, lie: str) -> None:
    # given a true referral, and a letter that says more
    true = case.refer()
    world = case.world
    openings, indexes, _ = case.doctor.held(case.pseudonym)
    whole = tuple(replace(each, signature="") for each in openings)
    told, sender = true, world.doctor
    match lie:
        case "from a stranger":
            sender = world.clinic
            told = replace(true, through=world.clinic.address)
        case "a class more":
            told = replace(true, classes=(str(LAB), str(VITALS)), openings=whole)
        case "hours more":
            told = replace(true, end=true.end + 500, openings=tuple(each for each in whole if each.cls == str(LAB)))
        case "another referrer":
            told = replace(true, through=member_address(world.clinic.member))
        case "a false index":
            told = replace(true, indexes=tuple(replace(each, digest="77" * 32) for each in indexes))
    profile = case.doctor.chain.profile(world.colleague.address, world.store)
    outbox = Sender(world.web3, sender.signer, outbox=None)
    other = world.reader(world.colleague, "another device of the colleague")
    referrals.send_letter(
        case.doctor.chain,
        outbox,
        told.encode(),
        to=world.colleague.address,
        recipient=profile.recipient,
        reader=case.doctor,
    )

    # when
    letters = referrals.taken(other)

    # then
    if lie in ("from a stranger", "another referrer"):
        assert [each.letter for each in letters] == [true.letter]
        return
    assert len(letters) == 2
    held, files, _ = other.held(case.pseudonym)
    assert {each.cls for each in held} == {str(LAB)}
    assert max(node.hours.stop for each in held for node in each.nodes.nodes) <= true.end
    assert {file.digest for file in files} <= {file.digest for file in indexes}


def test_report__comes_back_to_who_referred(case: Case) -> None:
    """The hospital writes into the inbox, the patient's client files it, the doctor reads it; then to a row."""
    # given
    case.refer()
    referrals.taken(case.colleague)
    hospital = case.world.writer(case.world.hospital, "hospital")
    referred = hospital.register_referred(case.pseudonym, name="sent by the health centre")

    # when it reports before her phone was on, and after
    [first] = hospital.write(referred, [piece(b"all is well", cls=LAB)])
    found = case.patient.watch()
    [second] = hospital.write(referred, [piece(b"come again in a year", cls=LAB)])
    again = case.patient.watch()

    # then
    assert (first.inbox, second.inbox) == (True, False)
    assert [each.digest for each in (*found.filed, *again.filed)] == [first.digest, second.digest]
    case.doctor.learn(case.pseudonym)
    for written, content in ((first, b"all is well"), (second, b"come again in a year")):
        with case.doctor.open(case.pseudonym, written.digest, purpose=TREAT).content as opened:
            assert opened.read() == content
    case.colleague.learn(case.pseudonym)
    case.colleague.open(case.pseudonym, first.digest, purpose=TREAT).content.close()


def test_report__by_a_member_that_nothing_was_referred_to(case: Case) -> None:
    hospital = case.world.writer(case.world.hospital, "hospital")
    stranger = hospital.register_referred(case.pseudonym, name="nobody sent her")

    [written] = hospital.write(stranger, [piece(b"buy this", cls=LAB)])

    found = case.patient.watch()
    assert found.filed == ()
    assert [each.rpartition("/")[2] for each in found.unsolicited] == [written.digest]


def test_withdraw__locks_out_at_the_next_look_of_the_patients_client(case: Case) -> None:
    case.refer()
    referrals.taken(case.colleague)
    case.patient.watch()

    sender = Sender(case.world.web3, case.world.doctor.signer, outbox=None)
    referrals.withdraw(
        case.doctor.chain, sender, pseudonym=case.pseudonym, reader=case.world.colleague.address, purpose=TREAT
    )
    case.patient.watch()
    case.colleague.learn(case.pseudonym)

    assert not case.opens(write(case.desk, case.known, b"after"))

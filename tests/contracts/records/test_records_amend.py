"""Disowning, superseding and correcting: by the author only, one way only."""

from dataclasses import replace

import pytest
from contracts_world import HOUR, NOTHING, digest, refused, refused_without_reason
from records_marks import PATIENT, Marks, Status

from theriac.health.messages import ACTS, CORRECT, DISOWN, SUPERSEDE, Amend

OLD, NEW, THIRD = digest("old"), digest("new"), digest("third")
FUNCTIONS = {SUPERSEDE: "supersede", CORRECT: "correct", DISOWN: "disown"}


@pytest.fixture
def written(records, published, before, patient, technician):
    """Three records by the hospital; when."""
    return records.anchorMany(patient, [OLD, NEW, THIRD], published, before, sender=technician).timestamp


@pytest.fixture
def reported(records, published, before, patient):
    """Three records of the patient's own, with the digests of the hospital's; when."""
    return records.report(patient, [OLD, NEW, THIRD], published, before, sender=patient).timestamp


def amendment(patient, act, clock, *, old=OLD, new=NEW):
    """What the patient signs to do `act` to her own record."""
    return Amend(patient.address, act, old, NOTHING if act == DISOWN else new, era=0, deadline=clock.soon())


def amend(records, act, patient, sender, *, old=OLD, new=NEW):
    """What a member's writer does to the member's own record."""
    arguments = (patient, old) if act == DISOWN else (patient, old, new)
    return getattr(records, FUNCTIONS[act]), arguments, {"sender": sender}


# -- by a member -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", FUNCTIONS, ids=ACTS.get)
def test_amend__by_the_member(records, written, published, patient, technician, members, act):
    function, arguments, sender = amend(records, act, patient, technician)

    receipt = function(*arguments, **sender)

    assert receipt.events == [records.Amended(patient, members.hospital, act, OLD, NOTHING if act == DISOWN else NEW)]
    assert records.recordOf(patient, members.hospital, OLD) == (
        written,
        published,
        members.hospital,
        act,
        Marks.FILED,
    )
    assert records.recordOf(patient, members.hospital, NEW).status == Status.CURRENT


@pytest.mark.parametrize("act", FUNCTIONS, ids=ACTS.get)
def test_amend__by_another_writer_of_the_member(records, written, patient, nurse, members, act):
    function, arguments, sender = amend(records, act, patient, nurse)

    receipt = function(*arguments, **sender)

    assert [event.author for event in receipt.events] == [members.hospital]


# property H16
@pytest.mark.parametrize("act", FUNCTIONS, ids=ACTS.get)
def test_amend__by_another_member(records, written, patient, colleague, members, act):
    function, arguments, sender = amend(records, act, patient, colleague)

    with refused(records.NotAnchored, pseudonym=patient, author=members.clinic, digest=OLD):
        function.call(*arguments, **sender)


@pytest.mark.parametrize("act", FUNCTIONS, ids=ACTS.get)
def test_amend__by_who_does_not_write(records, written, patient, clerk, act):
    function, arguments, sender = amend(records, act, patient, clerk)

    with refused(records.NotAWriter, sender=clerk):
        function.call(*arguments, **sender)


@pytest.mark.parametrize("act", FUNCTIONS, ids=ACTS.get)
def test_amend__of_a_suspended_member(records, consortium, written, patient, board, technician, members, act):
    consortium.suspend(members.hospital, 0, sender=board)
    function, arguments, sender = amend(records, act, patient, technician)

    with refused(records.NotAWriter, sender=technician):
        function.call(*arguments, **sender)


def test_amend__leaves_the_other_places(records, written, reported, patient, technician, members):
    records.disown(patient, OLD, sender=technician)

    assert records.recordOf(patient, members.hospital, OLD).status == Status.DISOWNED
    assert records.recordOf(patient, PATIENT, OLD).status == Status.CURRENT


# -- by the patient --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", FUNCTIONS, ids=ACTS.get)
def test_amend__by_the_patient(records, way, reported, published, patient, clock, act):
    receipt = way.do(amendment(patient, act, clock), by=patient)

    assert receipt.events == [records.Amended(patient, PATIENT, act, OLD, NOTHING if act == DISOWN else NEW)]
    assert records.recordOf(patient, PATIENT, OLD) == (reported, published, PATIENT, act, Marks.REPORTED)


# property H16
@pytest.mark.parametrize("act", FUNCTIONS, ids=ACTS.get)
def test_amend__a_members_record_by_the_patient(records, way, written, patient, clock, act):
    with refused(records.NotAnchored, pseudonym=patient, author=PATIENT, digest=OLD):
        way.attempt(amendment(patient, act, clock), by=patient)


@pytest.mark.parametrize("act", FUNCTIONS, ids=ACTS.get)
def test_amend__a_members_record_that_the_patient_sealed_anew(
    records, way, written, published, before, patient, members, clock, act
):
    """The copy in the patient's place is still the member's word."""
    resealed = digest("resealed")
    records.report(patient, [NEW], published, before, sender=patient)
    records.reseal(patient, [(members.hospital, OLD, resealed)], published, before, sender=patient)

    with refused(records.NotTheAuthor, pseudonym=patient, author=members.hospital, digest=resealed):
        way.attempt(amendment(patient, act, clock, old=resealed), by=patient)


def test_amend__her_own_record_that_she_sealed_anew(records, way, reported, published, before, patient, clock):
    resealed = digest("resealed")
    records.reseal(patient, [(PATIENT, OLD, resealed)], published, before, sender=patient)

    way.do(amendment(patient, SUPERSEDE, clock, old=resealed), by=patient)

    assert records.recordOf(patient, PATIENT, resealed).status == Status.SUPERSEDED


def test_amend__a_patient_who_is_a_clinician_acts_as_the_patient(records, keys, doctor, before, members):
    """Under her own pseudonym a clinician's direct call is the patient's, whatever her member wrote there."""
    keys.publish(doctor, 1, digest("bundle"), sender=doctor)
    records.anchor(doctor, OLD, 1, before, sender=doctor)

    with refused(records.NotAnchored, pseudonym=doctor, author=PATIENT, digest=OLD):
        records.disown.call(doctor, OLD, sender=doctor)


# -- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", [SUPERSEDE, CORRECT], ids=ACTS.get)
def test_amend__refuses_in_the_order_of_its_checks(records, written, patient, technician, members, act):
    records.disown(patient, THIRD, sender=technician)

    def attempt(old, new):
        function, arguments, sender = amend(records, act, patient, technician, old=old, new=new)
        return function.call(*arguments, **sender)

    missing, hospital = digest("missing"), members.hospital
    with refused(records.NotAnchored, pseudonym=patient, author=hospital, digest=missing):
        attempt(missing, missing)
    with refused(records.SameRecord, digest=OLD):
        attempt(OLD, OLD)
    with refused(records.NotAnchored, pseudonym=patient, author=hospital, digest=missing):
        attempt(OLD, missing)
    with refused(records.NotAnchored, pseudonym=patient, author=hospital, digest=NOTHING):
        attempt(OLD, NOTHING)
    with refused(records.WrongStatus, digest=THIRD, status=Status.DISOWNED, wanted=Status.CURRENT):
        attempt(OLD, THIRD)
    with refused(records.WrongStatus, digest=THIRD, status=Status.DISOWNED, wanted=act):
        attempt(THIRD, NEW)


@pytest.mark.parametrize("act", FUNCTIONS, ids=ACTS.get)
def test_amend__while_frozen(records, keys, reported, patient, recovery, way, clock, act):
    keys.setFrozen(patient, True, sender=recovery)

    with refused(records.Frozen, pseudonym=patient):
        way.attempt(amendment(patient, act, clock), by=patient)


def test_amend__by_what_stands_in_another_place(records, written, published, before, patient, technician, clock, way):
    """A member's record does not take the place of the patient's, and the other way round."""
    own, theirs = digest("own"), digest("theirs")
    records.report(patient, [own], published, before, sender=patient)
    records.anchor(patient, theirs, published, before, sender=technician)

    with refused(records.NotAnchored, pseudonym=patient, author=PATIENT, digest=theirs):
        way.attempt(amendment(patient, SUPERSEDE, clock, old=own, new=theirs), by=patient)
    with refused(records.NotAnchored, pseudonym=patient, author=1, digest=own):
        records.supersede.call(patient, theirs, own, sender=technician)


ALLOWED = {
    (Status.CURRENT, Status.SUPERSEDED),
    (Status.CURRENT, Status.CORRECTED),
    (Status.CURRENT, Status.DISOWNED),
    (Status.SUPERSEDED, Status.DISOWNED),
    (Status.CORRECTED, Status.DISOWNED),
}


# property H15
@pytest.mark.parametrize("status", Status, ids=lambda status: status.name.lower())
def test_statuses__every_move_from_every_status(world, records, reported, sign, patient, relayer, clock, status):
    old = OLD if status != Status.NONE else digest("missing")
    match status:
        case Status.SUPERSEDED:
            records.supersede(patient, OLD, THIRD, sender=patient)
        case Status.CORRECTED:
            records.correct(patient, OLD, THIRD, sender=patient)
        case Status.DISOWNED:
            records.disown(patient, OLD, sender=patient)

    for wanted in Status:
        # A wallet has no word for the acts that are none, and the contract takes the hash of nothing for them.
        message = amendment(patient, wanted, clock, old=old)
        signature = sign(message, by=patient) if wanted in ACTS else bytes(65)
        if (status, wanted) in ALLOWED:
            world.try_sending(message, signature, sender=relayer)
        elif wanted not in ACTS:
            with refused(records.WrongSignature, signer=patient):
                world.try_sending(message, signature, sender=relayer)
        elif status == Status.NONE:
            with refused(records.NotAnchored, pseudonym=patient, author=PATIENT, digest=old):
                world.try_sending(message, signature, sender=relayer)
        else:
            with refused(records.WrongStatus, digest=old, status=status, wanted=wanted):
                world.try_sending(message, signature, sender=relayer)


def test_amend_by_sig__refuses_in_the_order_of_its_checks(world, records, reported, sign, patient, stranger, clock):
    message = amendment(patient, DISOWN, clock)
    wrong = replace(message, old=digest("missing"), era=7, deadline=clock.now - 1)
    signature = sign(message, by=patient)

    def attempt(message):
        return world.try_sending(message, signature, sender=stranger)

    with refused(records.SignatureExpired, deadline=wrong.deadline):
        attempt(wrong)
    with refused(records.DeadlineTooFar, deadline=clock.hour(2), latest=clock.now + HOUR):
        attempt(replace(wrong, deadline=clock.hour(2)))
    with refused(records.WrongEra, era=7, current=0):
        attempt(wrong := replace(wrong, deadline=clock.soon()))
    with refused(records.WrongSignature, signer=patient):
        attempt(wrong := replace(wrong, era=0))
    signature = sign(wrong, by=patient)
    with refused(records.NotAnchored, pseudonym=patient, author=PATIENT, digest=wrong.old):
        attempt(wrong)


def test_amend_by_sig__to_disown_and_name_another(world, records, reported, sign, patient, relayer, clock):
    message = replace(amendment(patient, DISOWN, clock), digest=NEW)

    with refused(records.SameRecord, digest=NEW):
        world.try_sending(message, sign(message, by=patient), sender=relayer)


def test_amend_by_sig__another_act_than_was_signed(world, records, reported, sign, patient, relayer, clock):
    signature = sign(amendment(patient, SUPERSEDE, clock), by=patient)

    with refused(records.WrongSignature, signer=patient):
        world.try_sending(amendment(patient, CORRECT, clock), signature, sender=relayer)


def test_amend_by_sig__an_act_that_does_not_exist(world, records, reported, patient, relayer, clock):
    message = amendment(patient, 5, clock)

    with refused_without_reason():
        world.try_sending(message, bytes(65), sender=relayer)


def test_amend_by_sig__a_second_time(world, records, reported, sign, patient, relayer, clock):
    message = amendment(patient, DISOWN, clock)
    signature = sign(message, by=patient)
    world.send(message, signature, sender=relayer)

    with refused(records.WrongStatus, digest=OLD, status=Status.DISOWNED, wanted=Status.DISOWNED):
        world.try_sending(message, signature, sender=relayer)

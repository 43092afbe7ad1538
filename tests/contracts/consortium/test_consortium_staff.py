"""Staff and devices: how they join, leave and are dismissed; which contracts may act for a member."""

from dataclasses import replace

import pytest
from contracts_world import DAY, LICENCES, ZERO, borrow_code, refused

from theriac.consortium import Join, Leave, Role


@pytest.fixture
def offer(newcomer, members, clock):
    """What the newcomer signs to join the hospital."""
    return Join(newcomer.address, members.hospital, Role.CLINICIAN, nonce=0, deadline=clock.soon())


@pytest.fixture
def notice(doctor, members, clock):
    """What the doctor signs to leave the hospital."""
    return Leave(doctor.address, members.hospital, nonce=1, deadline=clock.soon())


# -- join ------------------------------------------------------------------------------------------------------------


def test_join__takes_on_who_signed(world, consortium, offer, sign, newcomer, hospital, members):
    receipt = world.send(offer, sign(offer, by=newcomer), sender=hospital)

    assert receipt.events == [consortium.Joined(members.hospital, newcomer, Role.CLINICIAN)]
    assert consortium.affiliationOf(newcomer) == (members.hospital, Role.CLINICIAN, 1)
    assert consortium.standing(newcomer, Role.CLINICIAN) == members.hospital


def test_join__in_every_role_of_the_licence(world, consortium, offer, sign, newcomer, hospital, members):
    offer = replace(offer, roles=LICENCES["hospital"])

    world.send(offer, sign(offer, by=newcomer), sender=hospital)

    assert consortium.affiliationOf(newcomer) == (members.hospital, LICENCES["hospital"], 1)


# properties B3, B4
def test_join__refuses_in_the_order_of_its_checks(
    world, consortium, board, offer, sign, newcomer, doctor, stranger, hospital, members, clock
):
    licence = LICENCES["hospital"]
    wrong = Join(doctor.address, members.hospital, Role(0), nonce=9, deadline=clock.now - 1)
    signature = sign(offer, by=stranger)

    def attempt(offer, sender=hospital):
        return world.try_sending(offer, signature, sender=sender)

    consortium.suspend(members.hospital, 0, sender=board)
    with refused(consortium.NotTheMember, sender=stranger, member=members.hospital, account=hospital):
        attempt(wrong, stranger)
    with refused(consortium.MemberNotInStanding, member=members.hospital):
        attempt(wrong)
    consortium.reinstate(members.hospital, sender=board)
    with refused(consortium.WrongRoles, roles=0, possible=licence):
        attempt(wrong)
    with refused(consortium.SignatureExpired, deadline=wrong.deadline):
        attempt(wrong := replace(wrong, roles=Role.CLINICIAN))
    with refused(consortium.DeadlineTooFar, deadline=clock.day(8), latest=clock.now + 7 * DAY):
        attempt(replace(wrong, deadline=clock.day(8)))
    with refused(consortium.WrongNonce, nonce=9, current=1):
        attempt(wrong := replace(wrong, deadline=clock.soon()))
    with refused(consortium.WrongSignature, signer=doctor):
        attempt(wrong := replace(wrong, nonce=1))
    signature = sign(wrong, by=doctor)
    with refused(consortium.AlreadyAffiliated, account=doctor, member=members.hospital):
        attempt(wrong)


@pytest.mark.parametrize("member", [0, 9])
def test_join__a_member_that_does_not_exist(world, consortium, offer, sign, newcomer, hospital, member):
    offer = replace(offer, member=member)

    with refused(consortium.NotTheMember, sender=hospital, member=member, account=ZERO):
        world.try_sending(offer, sign(offer, by=newcomer), sender=hospital)


def test_join__a_removed_member(world, consortium, offer, sign, newcomer, hospital, board, members):
    consortium.remove(members.hospital, 0, sender=board)

    with refused(consortium.MemberNotInStanding, member=members.hospital):
        world.try_sending(offer, sign(offer, by=newcomer), sender=hospital)


def test_join__a_member_whose_licence_ran_out(world, consortium, offer, sign, newcomer, hospital, members, clock):
    offer = replace(offer, deadline=world.licence_expiry)

    clock.travel(to=world.licence_expiry - 1)
    world.try_sending(offer, sign(offer, by=newcomer), sender=hospital)
    clock.travel(to=world.licence_expiry)
    with refused(consortium.MemberNotInStanding, member=members.hospital):
        world.try_sending(offer, sign(offer, by=newcomer), sender=hospital)


# property B4
@pytest.mark.parametrize("roles", [Role.MAKER, Role.CLINICIAN | Role.INSURER], ids=str)
def test_join__beyond_the_licence(world, consortium, offer, sign, newcomer, hospital, roles):
    offer = replace(offer, roles=roles)

    with refused(consortium.WrongRoles, roles=roles, possible=LICENCES["hospital"]):
        world.try_sending(offer, sign(offer, by=newcomer), sender=hospital)


def test_join__as_something_else_than_was_signed(world, consortium, offer, sign, newcomer, hospital):
    signature = sign(offer, by=newcomer)

    with refused(consortium.WrongSignature, signer=newcomer):
        world.try_sending(replace(offer, roles=Role.CLINICIAN | Role.GATEWAY), signature, sender=hospital)


# property B4
def test_join__another_member_than_was_signed(world, consortium, offer, sign, newcomer, clinic, members):
    signature = sign(offer, by=newcomer)

    with refused(consortium.WrongSignature, signer=newcomer):
        world.try_sending(replace(offer, member=members.clinic), signature, sender=clinic)


def test_join__nobody(world, consortium, offer, sign, newcomer, hospital):
    offer = replace(offer, account=ZERO)

    with refused(consortium.WrongSignature, signer=ZERO):
        world.try_sending(offer, sign(offer, by=newcomer), sender=hospital)


def test_join__from_the_first_to_the_last_second_of_the_deadline(
    world, consortium, offer, sign, newcomer, hospital, clock
):
    offer = replace(offer, deadline=clock.start + 7 * DAY)
    signature = sign(offer, by=newcomer)

    world.try_sending(offer, signature, sender=hospital)
    clock.travel(to=offer.deadline)
    world.try_sending(offer, signature, sender=hospital)
    clock.travel(to=offer.deadline + 1)
    with refused(consortium.SignatureExpired, deadline=offer.deadline):
        world.try_sending(offer, signature, sender=hospital)


def test_join__with_a_deadline_a_second_beyond_seven_days(world, consortium, offer, sign, newcomer, hospital, clock):
    offer = replace(offer, deadline=clock.now + 7 * DAY + 1)

    with refused(consortium.DeadlineTooFar, deadline=offer.deadline, latest=clock.now + 7 * DAY):
        world.try_sending(offer, sign(offer, by=newcomer), sender=hospital)


def test_join__with_a_signature_that_was_used(world, consortium, offer, sign, newcomer, hospital):
    signature = sign(offer, by=newcomer)
    world.send(offer, signature, sender=hospital)
    consortium.dismiss(newcomer, sender=hospital)

    with refused(consortium.WrongNonce, nonce=0, current=2):
        world.try_sending(offer, signature, sender=hospital)


# property B3
def test_join__another_member_after_leaving(world, consortium, sign, doctor, clinic, members, clock):
    consortium.leave(sender=doctor)
    offer = Join(doctor.address, members.clinic, Role.CLINICIAN, nonce=2, deadline=clock.soon())

    world.send(offer, sign(offer, by=doctor), sender=clinic)

    assert consortium.affiliationOf(doctor) == (members.clinic, Role.CLINICIAN, 3)


# -- joinMany --------------------------------------------------------------------------------------------------------


@pytest.fixture
def offers(newcomer, stranger, sibling, members, clock):
    """What three people sign to join the hospital, in their order."""
    return [
        Join(person.address, members.hospital, Role.CLINICIAN, nonce=0, deadline=clock.soon())
        for person in (newcomer, stranger, sibling)
    ]


def test_join_many__takes_on_all(consortium, offers, sign, newcomer, stranger, sibling, hospital, members):
    people = (newcomer, stranger, sibling)
    signatures = [sign(offer, by=person) for offer, person in zip(offers, people, strict=True)]

    receipt = consortium.joinMany([offer.terms() for offer in offers], signatures, sender=hospital)

    assert receipt.events == [consortium.Joined(members.hospital, person, Role.CLINICIAN) for person in people]
    assert [consortium.affiliationOf(person) for person in people] == [(members.hospital, Role.CLINICIAN, 1)] * 3


def test_join_many__one_wrong_signature_refuses_all(consortium, offers, sign, newcomer, stranger, hospital):
    signatures = [sign(offers[0], by=newcomer), sign(offers[1], by=stranger), sign(offers[2], by=stranger)]

    with refused(consortium.WrongSignature, signer=offers[2].account):
        consortium.joinMany.call([offer.terms() for offer in offers], signatures, sender=hospital)


def test_join_many__one_person_twice(consortium, offers, sign, newcomer, hospital):
    signature = sign(offers[0], by=newcomer)

    with refused(consortium.WrongNonce, nonce=0, current=1):
        consortium.joinMany.call([offers[0].terms()] * 2, [signature] * 2, sender=hospital)


@pytest.mark.parametrize(("messages", "signatures"), [(3, 2), (2, 3), (0, 1), (1, 0)])
def test_join_many__lists_of_different_lengths(consortium, offers, sign, newcomer, hospital, messages, signatures):
    signature = sign(offers[0], by=newcomer)

    with refused(consortium.LengthsDiffer, messages=messages, signatures=signatures):
        consortium.joinMany.call(
            [offer.terms() for offer in offers[:messages]], [signature] * signatures, sender=hospital
        )


# -- leave -----------------------------------------------------------------------------------------------------------


def test_leave__ends_the_place(consortium, way, notice, doctor, members):
    receipt = way.do(notice, by=doctor)

    assert receipt.events == [consortium.Left(members.hospital, doctor)]
    assert consortium.affiliationOf(doctor) == (0, 0, 2)
    assert consortium.standing(doctor, Role.CLINICIAN) == 0


# property B4
def test_leave__while_the_member_is_suspended(consortium, way, notice, board, doctor, members):
    consortium.suspend(members.hospital, 0, sender=board)

    receipt = way.do(notice, by=doctor)

    assert receipt.events == [consortium.Left(members.hospital, doctor)]


def test_leave__who_belongs_nowhere(consortium, stranger):
    with refused(consortium.NotAffiliated, account=stranger, member=0):
        consortium.leave.call(sender=stranger)


@pytest.mark.parametrize("suspended", [False, True])
def test_leave__who_acts_for_the_member(consortium, way, notice, board, hospital, members, suspended):
    if suspended:
        consortium.suspend(members.hospital, 0, sender=board)

    with refused(consortium.ActsForMember, account=hospital, member=members.hospital):
        way.attempt(replace(notice, account=hospital.address), by=hospital)


def test_leave__who_acted_for_a_removed_member(consortium, way, notice, board, hospital, members):
    consortium.remove(members.hospital, 0, sender=board)

    receipt = way.do(replace(notice, account=hospital.address), by=hospital)

    assert receipt.events == [consortium.Left(members.hospital, hospital)]


def test_leave_by_sig__refuses_in_the_order_of_its_checks(
    world, consortium, notice, sign, doctor, stranger, relayer, members, clock
):
    wrong = replace(notice, member=members.clinic, nonce=0, deadline=clock.now - 1)
    signature = sign(notice, by=stranger)

    def attempt(notice):
        return world.try_sending(notice, signature, sender=relayer)

    with refused(consortium.SignatureExpired, deadline=wrong.deadline):
        attempt(wrong)
    with refused(consortium.DeadlineTooFar, deadline=clock.day(8), latest=clock.now + 7 * DAY):
        attempt(replace(wrong, deadline=clock.day(8)))
    with refused(consortium.WrongNonce, nonce=0, current=1):
        attempt(wrong := replace(wrong, deadline=clock.soon()))
    with refused(consortium.WrongSignature, signer=doctor):
        attempt(wrong := replace(wrong, nonce=1))
    signature = sign(wrong, by=doctor)
    with refused(consortium.NotAffiliated, account=doctor, member=members.clinic):
        attempt(wrong)


def test_leave_by_sig__who_belongs_nowhere(world, consortium, sign, stranger, relayer, clock):
    notice = Leave(stranger.address, 0, nonce=0, deadline=clock.soon())

    with refused(consortium.NotAffiliated, account=stranger, member=0):
        world.try_sending(notice, sign(notice, by=stranger), sender=relayer)


def test_leave_by_sig__a_second_time(world, consortium, notice, sign, doctor, relayer):
    signature = sign(notice, by=doctor)
    world.send(notice, signature, sender=relayer)

    with refused(consortium.WrongNonce, nonce=1, current=2):
        world.try_sending(notice, signature, sender=relayer)


def test_leave_by_sig__with_a_signature_to_join(world, consortium, offer, sign, newcomer, relayer, members):
    notice = Leave(newcomer.address, members.hospital, nonce=offer.nonce, deadline=offer.deadline)

    with refused(consortium.WrongSignature, signer=newcomer):
        world.try_sending(notice, sign(offer, by=newcomer), sender=relayer)


# -- dismiss ---------------------------------------------------------------------------------------------------------


def test_dismiss__ends_the_place(consortium, doctor, hospital, members):
    receipt = consortium.dismiss(doctor, sender=hospital)

    assert receipt.events == [consortium.Left(members.hospital, doctor)]
    assert consortium.affiliationOf(doctor) == (0, 0, 2)
    assert consortium.standing(doctor, Role.CLINICIAN) == 0


@pytest.mark.parametrize("act", ["suspend", "remove"])
def test_dismiss__by_a_member_out_of_standing(consortium, board, doctor, hospital, members, act):
    getattr(consortium, act)(members.hospital, 0, sender=board)

    receipt = consortium.dismiss(doctor, sender=hospital)

    assert receipt.events == [consortium.Left(members.hospital, doctor)]


def test_dismiss__the_staff_of_another_member(consortium, colleague, hospital, clinic, members):
    with refused(consortium.NotTheMember, sender=hospital, member=members.clinic, account=clinic):
        consortium.dismiss.call(colleague, sender=hospital)


def test_dismiss__who_belongs_nowhere(consortium, stranger, hospital):
    with refused(consortium.NotTheMember, sender=hospital, member=0, account=ZERO):
        consortium.dismiss.call(stranger, sender=hospital)


def test_dismiss__itself(consortium, hospital, members):
    with refused(consortium.ActsForMember, account=hospital, member=members.hospital):
        consortium.dismiss.call(hospital, sender=hospital)


# -- setOperator -----------------------------------------------------------------------------------------------------


def test_set_operator__keeps_the_mask(consortium, carrier, hospital, members):
    receipt = consortium.setOperator(carrier, 0b101, sender=hospital)

    assert receipt.events == [consortium.OperatorSet(members.hospital, carrier, 0b101)]
    assert consortium.operatorOf(members.hospital, carrier) == 0b101
    assert consortium.operatorOf(members.clinic, carrier) == 0


def test_set_operator__zero_takes_it_back(consortium, carrier, hospital, members):
    consortium.setOperator(carrier, 255, sender=hospital)

    receipt = consortium.setOperator(carrier, 0, sender=hospital)

    assert receipt.events == [consortium.OperatorSet(members.hospital, carrier, 0)]
    assert consortium.operatorOf(members.hospital, carrier) == 0


# property B8
def test_set_operator__refuses_in_the_order_of_its_checks(consortium, stranger, doctor, hospital, members):
    with refused(consortium.NotTheMember, sender=stranger, member=0, account=ZERO):
        consortium.setOperator.call(doctor, 1, sender=stranger)
    with refused(consortium.NotTheMember, sender=doctor, member=members.hospital, account=hospital):
        consortium.setOperator.call(doctor, 1, sender=doctor)
    with refused(consortium.NotAContract, operator=doctor):
        consortium.setOperator.call(doctor, 1, sender=hospital)


# property B8
def test_set_operator__a_key_that_borrows_code(consortium, carrier, newcomer, relayer, hospital):
    borrow_code(newcomer, carrier, payer=relayer)

    with refused(consortium.NotAContract, operator=newcomer):
        consortium.setOperator.call(newcomer, 1, sender=hospital)


def test_set_operator__takes_back_from_a_key(consortium, newcomer, hospital, members):
    receipt = consortium.setOperator(newcomer, 0, sender=hospital)

    assert receipt.events == [consortium.OperatorSet(members.hospital, newcomer, 0)]


def test_affiliation_of__who_never_belonged(consortium, stranger):
    assert consortium.affiliationOf(stranger) == (0, 0, 0)

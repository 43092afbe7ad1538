"""Membership: admitting, renewing, suspending, reinstating, removing, and the account that acts for a member."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import pytest
from contracts_world import LICENCES, TIER, ZERO, refused

from theriac.consortium import Role

EVERY_ROLE = sum(Role)


class Status(IntEnum):
    """The statuses of a membership, as the contract numbers them."""

    NONE = 0
    ADMITTED = 1
    SUSPENDED = 2
    REMOVED = 3


@pytest.fixture
def pharmacy(consortium, newcomer, board, clock):
    """A member without staff; its number."""
    consortium.admit(newcomer, Role.PHARMACIST, 1, clock.day(10), sender=board)
    return consortium.memberCount()


def brought(consortium, board, member, status):
    """Brings a member that was just admitted to a status; gives a number that nobody has for NONE."""
    match status:
        case Status.NONE:
            return member + 1
        case Status.SUSPENDED:
            consortium.suspend(member, 0, sender=board)
        case Status.REMOVED:
            consortium.remove(member, 0, sender=board)
    return member


# -- admit -----------------------------------------------------------------------------------------------------------


def test_admit__numbers_the_member_and_keeps_its_licence(consortium, board, newcomer, clock):
    licence = Role.PHARMACIST | Role.CLINICIAN

    receipt = consortium.admit(newcomer, licence, 7, clock.day(30), sender=board)

    assert receipt.events == [consortium.Admitted(5, newcomer, licence, 7, clock.day(30))]
    assert consortium.memberCount() == 5
    assert consortium.memberOf(5) == (newcomer, licence, clock.day(30), 7, Status.ADMITTED)
    assert consortium.affiliationOf(newcomer) == (5, EVERY_ROLE, 1)
    assert consortium.inStanding(5)


def test_admit__returns_the_number(consortium, board, newcomer, clock):
    assert consortium.admit.call(newcomer, Role.MAKER, 0, clock.day(1), sender=board) == 5


def test_admit__keeps_the_largest_licence(consortium, board, newcomer):
    latest = 2**40 - 1

    consortium.admit(newcomer, EVERY_ROLE, 255, latest, sender=board)

    assert consortium.memberOf(5) == (newcomer, EVERY_ROLE, latest, 255, Status.ADMITTED)


def test_admit__refuses_in_the_order_of_its_checks(consortium, board, stranger, doctor, members, clock):
    call = consortium.admit.call

    with refused(consortium.NotTheBoard, sender=stranger, board=board):
        call(ZERO, 0, 1, clock.now, sender=stranger)
    with refused(consortium.NoAccount):
        call(ZERO, 0, 1, clock.now, sender=board)
    with refused(consortium.WrongRoles, roles=0, possible=EVERY_ROLE):
        call(doctor, 0, 1, clock.now, sender=board)
    with refused(consortium.ExpiryPassed, expiry=clock.now):
        call(doctor, Role.MAKER, 1, clock.now, sender=board)
    with refused(consortium.AlreadyAffiliated, account=doctor, member=members.hospital):
        call(doctor, Role.MAKER, 1, clock.now + 1, sender=board)


@pytest.mark.parametrize("roles", [1 << 12, EVERY_ROLE + (1 << 12), 1 << 31, 2**32 - 1])
def test_admit__as_something_that_does_not_exist(consortium, board, newcomer, clock, roles):
    with refused(consortium.WrongRoles, roles=roles, possible=EVERY_ROLE):
        consortium.admit.call(newcomer, roles, 1, clock.day(1), sender=board)


# property B3
def test_admit__an_account_that_acts_for_a_member(consortium, board, clinic, members, clock):
    with refused(consortium.AlreadyAffiliated, account=clinic, member=members.clinic):
        consortium.admit.call(clinic, Role.MAKER, 1, clock.day(1), sender=board)


# properties B5, B6
def test_admit__again_after_the_removal(consortium, board, clinic, members, clock):
    consortium.remove(members.clinic, 0, sender=board)
    consortium.leave(sender=clinic)

    consortium.admit(clinic, Role.CLINICIAN, 1, clock.day(1), sender=board)

    assert consortium.standing(clinic, Role.CLINICIAN) == 5
    assert consortium.memberOf(members.clinic).status == Status.REMOVED


# -- renew -----------------------------------------------------------------------------------------------------------


def test_renew__changes_the_licence_and_nothing_else(consortium, board, hospital, members, clock):
    receipt = consortium.renew(members.hospital, Role.CLINICIAN, 9, clock.day(800), sender=board)

    assert receipt.events == [consortium.Renewed(members.hospital, Role.CLINICIAN, 9, clock.day(800))]
    assert consortium.memberOf(members.hospital) == (hospital, Role.CLINICIAN, clock.day(800), 9, Status.ADMITTED)


def test_renew__a_suspension_stays(consortium, board, hospital, members, clock):
    consortium.suspend(members.hospital, 1, sender=board)

    consortium.renew(members.hospital, Role.CLINICIAN, 9, clock.day(800), sender=board)

    assert consortium.memberOf(members.hospital) == (hospital, Role.CLINICIAN, clock.day(800), 9, Status.SUSPENDED)
    assert not consortium.inStanding(members.hospital)


def test_renew__revives_a_licence_that_ran_out(consortium, board, members, world, clock):
    clock.travel(to=world.licence_expiry)
    assert not consortium.inStanding(members.hospital)

    consortium.renew(members.hospital, Role.CLINICIAN, TIER, clock.now + 10, sender=board)

    assert consortium.inStanding(members.hospital)


def test_renew__refuses_in_the_order_of_its_checks(consortium, board, stranger, members, clock):
    call = consortium.renew.call

    with refused(consortium.NotTheBoard, sender=stranger, board=board):
        call(9, 0, 1, clock.now, sender=stranger)
    with refused(consortium.WrongStatus, member=9, status=Status.NONE):
        call(9, 0, 1, clock.now, sender=board)
    with refused(consortium.WrongRoles, roles=0, possible=EVERY_ROLE):
        call(members.clinic, 0, 1, clock.now, sender=board)
    with refused(consortium.ExpiryPassed, expiry=clock.now):
        call(members.clinic, Role.CLINICIAN, 1, clock.now, sender=board)
    call(members.clinic, Role.CLINICIAN, 1, clock.now + 1, sender=board)


# -- statuses --------------------------------------------------------------------------------------------------------


def test_suspend__tells_why(consortium, board, clinic, members, world):
    receipt = consortium.suspend(members.clinic, 17, sender=board)

    assert receipt.events == [consortium.Suspended(members.clinic, 17)]
    assert consortium.memberOf(members.clinic) == (
        clinic,
        LICENCES["clinic"],
        world.licence_expiry,
        TIER,
        Status.SUSPENDED,
    )


def test_reinstate__gives_the_standing_back(consortium, board, colleague, members):
    consortium.suspend(members.clinic, 17, sender=board)

    receipt = consortium.reinstate(members.clinic, sender=board)

    assert receipt.events == [consortium.Reinstated(members.clinic)]
    assert consortium.memberOf(members.clinic).status == Status.ADMITTED
    assert consortium.standing(colleague, Role.CLINICIAN) == members.clinic


@pytest.mark.parametrize("status", [Status.ADMITTED, Status.SUSPENDED])
def test_remove__is_told(consortium, board, pharmacy, status):
    brought(consortium, board, pharmacy, status)

    receipt = consortium.remove(pharmacy, 65_535, sender=board)

    assert receipt.events == [consortium.Removed(pharmacy, 65_535)]
    assert consortium.memberOf(pharmacy).status == Status.REMOVED


@dataclass(frozen=True)
class Act:
    """A function that moves a membership or asks for one that lasts; what it is called with after the number."""

    function: str
    arguments: tuple[Any, ...]
    allowed: frozenset[Status]


LASTING = frozenset({Status.ADMITTED, Status.SUSPENDED})

ACTS = (
    Act("suspend", (1,), frozenset({Status.ADMITTED})),
    Act("reinstate", (), frozenset({Status.SUSPENDED})),
    Act("remove", (1,), LASTING),
    Act("renew", (Role.PHARMACIST, 1, 2**40 - 1), LASTING),
    Act("replaceAccount", ("stranger",), LASTING),
)


# property B5
@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.function)
@pytest.mark.parametrize("status", Status, ids=lambda status: status.name.lower())
def test_statuses__every_act_in_every_status(consortium, board, pharmacy, people, act, status):
    member = brought(consortium, board, pharmacy, status)
    call = getattr(consortium, act.function).call
    arguments = tuple(people[each].address if each in people else each for each in act.arguments)

    if status in act.allowed:
        call(member, *arguments, sender=board)
    else:
        with refused(consortium.WrongStatus, member=member, status=status):
            call(member, *arguments, sender=board)


# -- replaceAccount --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("actor", ["board", "hospital"])
def test_replace_account__by_the_board_or_the_member(consortium, people, hospital, newcomer, members, world, actor):
    receipt = consortium.replaceAccount(members.hospital, newcomer, sender=people[actor])

    assert receipt.events == [consortium.AccountReplaced(members.hospital, newcomer, hospital)]
    assert consortium.memberOf(members.hospital) == (
        newcomer,
        LICENCES["hospital"],
        world.licence_expiry,
        TIER,
        Status.ADMITTED,
    )
    assert consortium.affiliationOf(newcomer) == (members.hospital, EVERY_ROLE, 1)
    assert consortium.affiliationOf(hospital) == (0, 0, 2)


def test_replace_account__leaves_the_staff_and_takes_the_former_accounts_powers(
    consortium, hospital, newcomer, doctor, members
):
    consortium.replaceAccount(members.hospital, newcomer, sender=hospital)

    assert consortium.standing(doctor, Role.CLINICIAN) == members.hospital
    assert consortium.standing(newcomer, Role.CLINICIAN) == members.hospital
    assert consortium.standing(hospital, EVERY_ROLE) == 0
    with refused(consortium.NotTheMember, sender=hospital, member=members.hospital, account=newcomer):
        consortium.dismiss.call(doctor, sender=hospital)
    with refused(consortium.NotTheMember, sender=hospital, member=members.hospital, account=newcomer):
        consortium.replaceAccount.call(members.hospital, hospital, sender=hospital)


# property B2
def test_replace_account__of_a_suspended_member_gives_no_standing(consortium, board, hospital, newcomer, members):
    consortium.suspend(members.hospital, 0, sender=board)

    consortium.replaceAccount(members.hospital, newcomer, sender=hospital)

    assert consortium.memberOf(members.hospital).status == Status.SUSPENDED
    assert consortium.standing(newcomer, EVERY_ROLE) == 0


def test_replace_account__refuses_in_the_order_of_its_checks(consortium, board, stranger, hospital, doctor, members):
    call = consortium.replaceAccount.call

    with refused(consortium.WrongStatus, member=9, status=Status.NONE):
        call(9, ZERO, sender=stranger)
    with refused(consortium.NotTheMember, sender=stranger, member=members.hospital, account=hospital):
        call(members.hospital, ZERO, sender=stranger)
    with refused(consortium.NoAccount):
        call(members.hospital, ZERO, sender=hospital)
    with refused(consortium.AlreadyAffiliated, account=doctor, member=members.hospital):
        call(members.hospital, doctor, sender=hospital)


def test_replace_account__by_itself(consortium, board, hospital, members):
    with refused(consortium.AlreadyAffiliated, account=hospital, member=members.hospital):
        consortium.replaceAccount.call(members.hospital, hospital, sender=board)


def test_member_of__a_number_that_nobody_has(consortium):
    assert consortium.memberOf(9) == (ZERO, 0, 0, 0, Status.NONE)
    assert not consortium.inStanding(9)

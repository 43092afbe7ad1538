"""Who may read: standing first, then the reader's own grant, then its member's; and which rule says no."""

from dataclasses import dataclass
from itertools import product

import pytest
from contracts_world import LICENCES, ZERO, ask
from grants_terms import (
    ALLERGIES,
    FAMILY,
    LABORATORY,
    MEDICATIONS,
    PAYMENT,
    RESTRICTED,
    SINGLE_RECORDS,
    TREAT,
    VERY_RESTRICTED,
    Refusal,
    a_grant,
)

from theriac.consortium import Join, Role
from theriac.health.messages import member_address
from theriac.health.scope import PURPOSES

BOTH = ALLERGIES | LABORATORY


@pytest.fixture
def explained(grants):
    """`explained(patient, doctor, scope, purpose)`: which rule says no; `allowed` must agree."""

    def explained(pseudonym, reader, scope=ALLERGIES, purpose=TREAT):
        number = getattr(purpose, "number", purpose)
        refusal = Refusal(grants.explain(pseudonym, reader, scope, number))
        assert grants.allowed(pseudonym, reader, scope, number) == (refusal == Refusal.NONE)
        return refusal

    return explained


# -- windows ---------------------------------------------------------------------------------------------------------


# property H1
@pytest.mark.parametrize("to", ["a person", "a member"])
def test_allowed__from_the_first_to_the_last_second(explained, give, patient, doctor, members, clock, to):
    start, expiry = clock.hour(2), clock.hour(5)
    give(patient, doctor if to == "a person" else members.hospital, start=start, expiry=expiry)

    answers = {}
    for moment in (start - 1, start, expiry - 1, expiry):
        clock.travel(to=moment)
        answers[moment] = explained(patient, doctor)

    assert answers == {
        start - 1: Refusal.NOT_STARTED,
        start: Refusal.NONE,
        expiry - 1: Refusal.NONE,
        expiry: Refusal.EXPIRED,
    }


def test_allowed__to_the_last_second_of_a_narrowed_grant(explained, grants, give, patient, doctor, clock):
    give(patient, doctor, start=0, expiry=clock.hour(9))
    grants.narrow(patient, doctor, TREAT.number, ALLERGIES, clock.hour(2), sender=patient)

    clock.travel(to=clock.hour(2) - 1)
    assert explained(patient, doctor) == Refusal.NONE
    clock.travel(to=clock.hour(2))
    assert explained(patient, doctor) == Refusal.EXPIRED


# -- classes ---------------------------------------------------------------------------------------------------------


# property H1
@pytest.mark.parametrize(
    ("granted", "asked", "refusal"),
    [
        (BOTH, ALLERGIES, Refusal.NONE),
        (BOTH, BOTH, Refusal.NONE),
        (BOTH, MEDICATIONS, Refusal.OUT_OF_SCOPE),
        (BOTH, ALLERGIES | MEDICATIONS, Refusal.OUT_OF_SCOPE),
        (BOTH, RESTRICTED, Refusal.OUT_OF_SCOPE),
        (RESTRICTED, VERY_RESTRICTED, Refusal.OUT_OF_SCOPE),
        (VERY_RESTRICTED, RESTRICTED, Refusal.OUT_OF_SCOPE),
        (BOTH, SINGLE_RECORDS, Refusal.OUT_OF_SCOPE),
        (SINGLE_RECORDS, SINGLE_RECORDS, Refusal.NONE),
        (SINGLE_RECORDS, ALLERGIES, Refusal.OUT_OF_SCOPE),
        (BOTH, 1 << 63, Refusal.OUT_OF_SCOPE),
        (BOTH, 1 << 17, Refusal.OUT_OF_SCOPE),
        (BOTH, 2**64 - 1, Refusal.OUT_OF_SCOPE),
        (BOTH, 0, Refusal.EMPTY_SCOPE),
    ],
)
def test_allowed__exactly_what_was_granted(explained, give, patient, doctor, granted, asked, refusal):
    # property D4
    give(patient, doctor, start=0, scope=granted)

    assert explained(patient, doctor, asked) == refusal


def test_allowed__after_narrowing(explained, grants, give, patient, doctor, clock):
    give(patient, doctor, start=0)
    grants.narrow(patient, doctor, TREAT.number, ALLERGIES, clock.day(30), sender=patient)

    assert explained(patient, doctor, ALLERGIES) == Refusal.NONE
    assert explained(patient, doctor, LABORATORY) == Refusal.OUT_OF_SCOPE


# property H2
def test_allowed__two_grants_do_not_add_up(explained, give, patient, doctor, members):
    """The reader's grant and its member's each cover a class; a question for both is answered by neither."""
    give(patient, doctor, start=0, scope=ALLERGIES)
    give(patient, members.hospital, start=0, scope=LABORATORY)

    assert explained(patient, doctor, ALLERGIES) == Refusal.NONE
    assert explained(patient, doctor, LABORATORY) == Refusal.NONE
    assert explained(patient, doctor, BOTH) == Refusal.OUT_OF_SCOPE


# -- purposes and roles ----------------------------------------------------------------------------------------------


# property H1
@pytest.mark.parametrize("purpose", PURPOSES, ids=lambda purpose: purpose.code)
def test_allowed__each_purpose_asks_for_its_role(grants, questions, give, people, patient, purpose):
    """Everyone is granted; only who holds the role reads, and everyone for what a patient asks for herself."""
    roles = {
        "doctor": Role.CLINICIAN | Role.PRESCRIBER,
        "clerk": Role.GATEWAY,
        "adjuster": Role.INSURER,
        "auditor": Role.AUDITOR,
        "authority": LICENCES["authority"],
        "stranger": Role(0),
    }
    for name in roles:
        give(patient, people[name], start=0, purpose=purpose)

    asked = [grants.explain.encode_input(patient, people[name], ALLERGIES, purpose.number) for name in roles]

    assert dict(zip(roles, ask(questions, grants, asked), strict=True)) == {
        name: Refusal.NONE if purpose.role == 0 or role & purpose.role else Refusal.NO_STANDING
        for name, role in roles.items()
    }


# property H1
def test_allowed__for_another_purpose(explained, give, patient, doctor):
    give(patient, doctor, start=0)

    assert explained(patient, doctor, purpose=PURPOSES[1]) == Refusal.NO_GRANT


@pytest.mark.parametrize("number", [0, 13, 255])
def test_allowed__for_no_purpose(explained, give, patient, doctor, number):
    give(patient, doctor, start=0)

    assert explained(patient, doctor, purpose=number) == Refusal.UNKNOWN_PURPOSE


# -- members ---------------------------------------------------------------------------------------------------------


def test_allowed__a_member_and_so_its_staff_of_that_role(grants, questions, give, people, patient, members):
    give(patient, members.hospital, start=0)
    readers = ("hospital", "doctor", "nurse", "technician", "clerk", "colleague", "clinic", "stranger")

    asked = [grants.explain.encode_input(patient, people[name], ALLERGIES, TREAT.number) for name in readers]

    assert dict(zip(readers, ask(questions, grants, asked), strict=True)) == {
        "hospital": Refusal.NONE,
        "doctor": Refusal.NONE,
        "nurse": Refusal.NONE,
        "technician": Refusal.NO_STANDING,
        "clerk": Refusal.NO_STANDING,
        "colleague": Refusal.NO_GRANT,
        "clinic": Refusal.NO_GRANT,
        "stranger": Refusal.NO_STANDING,
    }


def test_allowed__a_member_for_payment(explained, give, patient, adjuster, doctor, members):
    give(patient, members.insurer, start=0, purpose=PAYMENT)

    assert explained(patient, adjuster, purpose=PAYMENT) == Refusal.NONE
    assert explained(patient, doctor, purpose=PAYMENT) == Refusal.NO_STANDING


def test_allowed__a_member_for_a_family_reaches_no_staff(explained, give, patient, doctor, members):
    """What needs no role has no staff: nobody is asked for standing, so nobody is taken for a member's staff."""
    give(patient, members.hospital, start=0, purpose=FAMILY)

    assert explained(patient, doctor, purpose=FAMILY) == Refusal.NO_GRANT


def test_allowed__the_members_address_itself(explained, give, patient, members):
    give(patient, members.hospital, start=0)

    assert explained(patient, member_address(members.hospital)) == Refusal.NO_STANDING


def test_allowed__who_changed_to_the_member(
    explained, consortium, world, sign, give, patient, colleague, hospital, members
):
    give(patient, members.hospital, start=0)
    assert explained(patient, colleague) == Refusal.NO_GRANT

    consortium.leave(sender=colleague)
    join = Join(colleague.address, members.hospital, Role.CLINICIAN, nonce=2, deadline=world.clock.soon())
    world.send(join, sign(join, by=colleague), sender=hospital)

    assert explained(patient, colleague) == Refusal.NONE


def test_allowed__nobody(explained, give, patient, doctor):
    give(patient, doctor, start=0)

    assert explained(patient, ZERO) == Refusal.NO_STANDING
    assert explained(patient, ZERO, purpose=FAMILY) == Refusal.NO_GRANT
    assert explained(ZERO, doctor) == Refusal.NO_GRANT


def test_allowed__the_patient_herself_needs_no_grant_and_has_none(explained, patient):
    assert explained(patient, patient, purpose=FAMILY) == Refusal.NO_GRANT


# -- standing that is lost -------------------------------------------------------------------------------------------


# property H1
@pytest.mark.parametrize("to", ["a person", "a member"])
@pytest.mark.parametrize(
    "loss", ["suspended", "removed", "expired", "dismissed", "left", "fewer roles", "account replaced"]
)
def test_allowed__who_lost_its_standing(
    explained, consortium, grants, give, patient, people, board, members, world, clock, to, loss
):
    reader = people["hospital" if loss == "account replaced" else "doctor"]
    grantee = reader if to == "a person" else members.hospital
    give(patient, grantee, start=0, expiry=clock.day(400))
    assert explained(patient, reader) == Refusal.NONE
    standing = grants.grantOf(patient, getattr(grantee, "address", member_address(members.hospital)), TREAT.number)

    match loss:
        case "suspended":
            consortium.suspend(members.hospital, 0, sender=board)
        case "removed":
            consortium.remove(members.hospital, 0, sender=board)
        case "expired":
            clock.travel(to=world.licence_expiry)
        case "dismissed":
            consortium.dismiss(reader, sender=people["hospital"])
        case "left":
            consortium.leave(sender=reader)
        case "fewer roles":
            consortium.renew(members.hospital, Role.LABORATORY, 1, world.licence_expiry, sender=board)
        case "account replaced":
            consortium.replaceAccount(members.hospital, people["newcomer"], sender=board)

    assert explained(patient, reader) == Refusal.NO_STANDING
    assert standing.nonce == 1
    after = grants.grantOf(patient, getattr(grantee, "address", member_address(members.hospital)), TREAT.number)
    assert after == standing


def test_allowed__to_the_last_second_of_the_licence(explained, give, patient, doctor, world, clock):
    give(patient, doctor, start=0, expiry=clock.day(400))

    clock.travel(to=world.licence_expiry - 1)
    assert explained(patient, doctor) == Refusal.NONE
    clock.travel(to=world.licence_expiry)
    assert explained(patient, doctor) == Refusal.NO_STANDING


def test_allowed__again_when_the_standing_comes_back(explained, consortium, board, give, patient, doctor, members):
    give(patient, doctor, start=0)
    consortium.suspend(members.hospital, 0, sender=board)

    consortium.reinstate(members.hospital, sender=board)

    assert explained(patient, doctor) == Refusal.NONE


def test_allowed__a_family_needs_no_standing(explained, consortium, board, give, patient, doctor, members):
    give(patient, doctor, start=0, purpose=FAMILY)

    consortium.remove(members.hospital, 0, sender=board)

    assert explained(patient, doctor, purpose=FAMILY) == Refusal.NONE


# -- which rule ------------------------------------------------------------------------------------------------------


def test_explain__in_the_order_of_its_rules(
    explained, grants, keys, give, patient, sibling, doctor, clerk, stranger, nurse, clock
):
    everyone = {"purpose": TREAT, "scope": LABORATORY, "start": clock.hour(2), "expiry": clock.hour(3)}
    for parent in (patient, sibling):
        grants.setParent(parent, 7, stranger, clock.day(40), sender=parent)
    give(patient, doctor, **everyone, by=7)
    give(patient, clerk, **everyone, by=7)
    give(sibling, doctor, **everyone, by=7)
    give(sibling, nurse, **everyone)
    for parent in (patient, sibling):
        grants.setParent(parent, 7, stranger, 0, sender=parent)
    keys.raiseEra(patient, sender=patient)

    assert explained(patient, clerk, 0, 13) == Refusal.UNKNOWN_PURPOSE
    assert explained(patient, clerk, 0) == Refusal.EMPTY_SCOPE
    assert explained(patient, clerk) == Refusal.NO_STANDING
    assert explained(patient, nurse) == Refusal.NO_GRANT
    assert explained(patient, doctor) == Refusal.ERA_RAISED
    assert explained(sibling, doctor) == Refusal.PARENT_ENDED
    assert explained(sibling, nurse) == Refusal.NOT_STARTED
    clock.travel(to=clock.hour(2))
    assert explained(sibling, nurse) == Refusal.OUT_OF_SCOPE
    clock.travel(to=clock.hour(3))
    assert explained(sibling, nurse) == Refusal.EXPIRED


@dataclass(frozen=True)
class State:
    """How a grant stands that is asked about at hour 3, and the rule that refuses it."""

    refusal: Refusal
    terms: dict[str, int]


def states(clock):
    """One grant for each rule that can refuse it, one that counts, and none at all."""
    return [
        State(Refusal.NO_GRANT, {}),
        State(Refusal.ERA_RAISED, {"start": 0}),
        State(Refusal.PARENT_ENDED, {"start": 0, "by": 7}),
        State(Refusal.NOT_STARTED, {"start": clock.hour(9)}),
        State(Refusal.EXPIRED, {"start": 0, "expiry": clock.hour(3)}),
        State(Refusal.OUT_OF_SCOPE, {"start": 0, "scope": MEDICATIONS}),
        State(Refusal.NONE, {"start": 0}),
    ]


def expected(own, members):
    """The reader's own grant is asked first; its member's counts where the own one does not."""
    if Refusal.NONE in (own, members):
        return Refusal.NONE
    return members if own == Refusal.NO_GRANT else own


def test_explain__every_pair_of_an_own_grant_and_the_members(
    world, consortium, grants, keys, questions, sign, give, people, patient, sibling, stranger, hospital, members, clock
):
    """Seven of the hospital's staff, each with another grant of its own, ask beside each kind of the hospital's."""
    clinicians = [people[name] for name in ("doctor", "nurse", "hospital")]
    for name in ("newcomer", "relayer", "board", "recovery"):
        join = Join(people[name].address, members.hospital, Role.CLINICIAN, nonce=0, deadline=clock.soon())
        world.send(join, sign(join, by=people[name]), sender=hospital)
        clinicians.append(people[name])
    readers = (
        dict(zip(states(clock), clinicians, strict=True))
        if False
        else list(zip(states(clock), clinicians, strict=True))
    )
    places = list(product((patient, sibling), PURPOSES[:4]))[:7]
    shared = list(zip(states(clock), places, strict=True))
    given = [(state, place, reader) for place in places for state, reader in readers]
    given += [(state, place, members.hospital) for state, place in shared]
    for pseudonym in (patient, sibling):
        grants.setParent(pseudonym, 7, stranger, clock.day(40), sender=pseudonym)

    def give_all(before_the_era):
        for state, (pseudonym, purpose), reader in given:
            if state.terms and (state.refusal == Refusal.ERA_RAISED) == before_the_era:
                give(pseudonym, reader, purpose=purpose, **state.terms)

    give_all(before_the_era=True)
    for pseudonym in (patient, sibling):
        keys.raiseEra(pseudonym, sender=pseudonym)
    give_all(before_the_era=False)
    for pseudonym in (patient, sibling):
        grants.setParent(pseudonym, 7, stranger, 0, sender=pseudonym)
    clock.travel(to=clock.hour(3))

    pairs = [(own, reader, common, place) for own, reader in readers for common, place in shared]
    asked = [(place[0].address, reader.address, ALLERGIES, place[1].number) for _, reader, _, place in pairs]
    explained = ask(questions, grants, [grants.explain.encode_input(*each) for each in asked])
    allowed = ask(questions, grants, [grants.allowed.encode_input(*each) for each in asked])

    assert [
        (own.refusal, common.refusal, Refusal(said)) for (own, _, common, _), said in zip(pairs, explained, strict=True)
    ] == [(own.refusal, common.refusal, expected(own.refusal, common.refusal)) for own, _, common, _ in pairs]
    assert allowed == [answer == Refusal.NONE for answer in explained]


def test_explain__a_grant_by_signature_counts_as_much(world, explained, way, patient, doctor, clock):
    way.do(a_grant(patient, doctor, clock, start=0), by=patient)

    assert explained(patient, doctor) == Refusal.NONE

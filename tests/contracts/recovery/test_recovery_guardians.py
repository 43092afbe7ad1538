"""Which guardians count, and from when: a thief of the wallet cannot change them in time."""

from dataclasses import replace

import pytest
from contracts_world import DAY, HOUR, ZERO, digest, refused, sign

from theriac.health.guardians import GuardianSet, SetGuardians
from theriac.health.messages import HandOver

NONE = bytes(32)


@pytest.fixture
def others(guarded, accounts):
    """Four other guardians."""
    return guarded.set_of([accounts[number] for number in (20, 21, 22, 23)], threshold=2)


def test_deploy__makes_the_keys(recovery, keys):
    assert keys.recovery() == recovery
    assert recovery.keys() == keys


def test_hash_of__is_what_the_package_finds(recovery, guarded):
    assert recovery.hashOf(guarded.set.terms) == guarded.set.hash


# property V2
def test_set_guardians__of_a_pseudonym_without_a_document__count_at_once(recovery, sibling, others):
    # when
    receipt = recovery.setGuardians(sibling, others.hash, sender=sibling)

    # then
    assert receipt.events == [recovery.GuardiansSet(sibling, others.hash, receipt.timestamp)]
    assert recovery.guardOf(sibling) == (others.hash, NONE, 0, 1, 0)


# property V2
def test_set_guardians__of_a_pseudonym_without_a_document__the_second_ones_wait(recovery, sibling, others, guarded):
    recovery.setGuardians(sibling, others.hash, sender=sibling)

    receipt = recovery.setGuardians(sibling, guarded.set.hash, sender=sibling)

    since = receipt.timestamp + 30 * DAY
    assert recovery.guardOf(sibling) == (others.hash, guarded.set.hash, since, 2, 0)


# property V2
def test_set_guardians__the_first_ones_of_a_pseudonym_in_use__count_after_thirty_days(
    recovery, keys, sibling, others, clock
):
    # given
    keys.publish(sibling, 1, digest("bundle"), sender=sibling)

    # when
    receipt = recovery.setGuardians(sibling, others.hash, sender=sibling)

    # then
    since = receipt.timestamp + 30 * DAY
    assert receipt.events == [recovery.GuardiansSet(sibling, others.hash, since)]
    assert recovery.guardOf(sibling) == (NONE, others.hash, since, 1, 0)

    clock.travel(to=since - 1)
    assert recovery.guardOf(sibling).guardians == NONE
    clock.travel(to=since)
    assert recovery.guardOf(sibling) == (others.hash, NONE, 0, 1, 0)


# properties V2, V9
def test_set_guardians__those_of_before_count_until_then(recovery, guarded, others):
    # given a thief of the wallet who names guardians of his own
    recovery.setGuardians(guarded.patient, others.hash, sender=guarded.patient)
    guarded.after(29)

    # when
    guarded.start(0, 1, 2)
    guarded.after(14)
    recovery.finish(guarded.patient, sender=guarded.people[0])

    # then his never count
    assert guarded.keys.authorityOf(guarded.patient).controller == guarded.new_phone
    guarded.after(300)
    assert recovery.guardOf(guarded.patient)[:3] == (guarded.set.hash, NONE, 0)


def test_set_guardians__again__starts_the_thirty_days_anew(recovery, guarded, others):
    # given
    recovery.setGuardians(guarded.patient, others.hash, sender=guarded.patient)
    guarded.after(29)

    # when the patient, who has her wallet, names hers again
    recovery.setGuardians(guarded.patient, guarded.set.hash, sender=guarded.patient)
    guarded.after(29)

    # then
    assert recovery.guardOf(guarded.patient).guardians == guarded.set.hash


def test_set_guardians__to_none__takes_thirty_days_too(recovery, guarded):
    recovery.setGuardians(guarded.patient, NONE, sender=guarded.patient)

    guarded.after(29)
    assert recovery.guardOf(guarded.patient).guardians == guarded.set.hash
    guarded.after(1)
    assert recovery.guardOf(guarded.patient).guardians == NONE
    with refused(recovery.WrongGuardians, shown=guarded.set.hash, guardians=NONE):
        guarded.try_starting(0, 1, 2)


def test_set_guardians__go_along_when_the_pseudonym_is_handed_over(recovery, keys, guarded, stranger):
    # given a thief who gave the pseudonym to a wallet of his own
    move = HandOver(guarded.patient.address, stranger.address, ZERO, True, 0, 0, guarded.world.clock.soon())
    signatures = [sign(move, by=each, contract=keys) for each in (guarded.patient, stranger)]
    keys.handOver(*move.arguments(*signatures), sender=stranger)

    # when
    guarded.start(0, 1, 2)
    recovery.object(guarded.patient, sender=stranger)
    guarded.confirm(3)
    guarded.after(14)
    recovery.finish(guarded.patient, sender=stranger)

    # then the guardians took it back
    assert keys.authorityOf(guarded.patient).controller == guarded.new_phone


# property V1
def test_set_guardians__by_a_stranger(recovery, guarded, others, stranger):
    with refused(recovery.NotTheController, sender=stranger, controller=guarded.patient):
        recovery.setGuardians.call(guarded.patient, others.hash, sender=stranger)


# property V1
def test_set_guardians__while_frozen(recovery, keys, guarded, others):
    # given
    guarded.start(0, 1, 2)

    # then
    with refused(recovery.Frozen, pseudonym=guarded.patient):
        recovery.setGuardians.call(guarded.patient, others.hash, sender=guarded.patient)
    message = SetGuardians(guarded.patient.address, others.hash, 1, 0, guarded.world.clock.soon())
    with refused(recovery.Frozen, pseudonym=guarded.patient):
        recovery.setGuardiansBySig.call(
            *message.arguments(guarded.sign(message, guarded.patient)), sender=guarded.patient
        )


def test_set_guardians_by_sig__refuses_in_the_order_of_its_checks(recovery, keys, guarded, others, stranger, clock):
    right = SetGuardians(guarded.patient.address, others.hash, 1, 0, clock.soon())

    def attempt(message, by):
        return recovery.setGuardiansBySig.call(*message.arguments(guarded.sign(message, by)), sender=stranger)

    with refused(recovery.SignatureExpired, deadline=clock.now - 1):
        attempt(replace(right, deadline=clock.now - 1, era=5, nonce=7), stranger)
    with refused(recovery.DeadlineTooFar, deadline=clock.now + HOUR + 1, latest=clock.now + HOUR):
        attempt(replace(right, deadline=clock.now + HOUR + 1, era=5, nonce=7), stranger)
    with refused(recovery.WrongEra, era=5, current=0):
        attempt(replace(right, era=5, nonce=7), stranger)
    with refused(recovery.WrongSignature, signer=guarded.patient):
        attempt(replace(right, nonce=7), stranger)
    with refused(recovery.WrongNonce, nonce=7, current=1):
        attempt(replace(right, nonce=7), guarded.patient)
    attempt(right, guarded.patient)


def test_set_guardians_by_sig__once(recovery, keys, guarded, others, relayer, clock):
    # given
    message = SetGuardians(guarded.patient.address, others.hash, 1, 0, clock.soon())
    arguments = message.arguments(guarded.sign(message, guarded.patient))

    # when
    receipt = recovery.setGuardiansBySig(*arguments, sender=relayer)

    # then
    assert receipt.events == [recovery.GuardiansSet(guarded.patient, others.hash, receipt.timestamp + 30 * DAY)]
    with refused(recovery.WrongNonce, nonce=1, current=2):
        recovery.setGuardiansBySig.call(*arguments, sender=relayer)


# property V3
def test_a_set__of_two_pseudonyms_is_never_the_same_hash(guarded):
    people = guarded.set.accounts

    assert GuardianSet.of(people, threshold=3).hash != GuardianSet.of(people, threshold=3).hash


# -- sets that could recover nothing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("threshold", "size"), [(0, 3), (3, 3), (2, 2), (1, 1), (3, 4), (4, 5), (5, 5), (2, 17), (255, 16), (1, 0)]
)
def test_start__with_a_threshold_that_an_objection_would_not_raise(recovery, sibling, threshold, size, clock):
    # given a set that should not have been made
    accounts = tuple(f"0x{number:040x}" for number in range(1, size + 1))
    wrong = GuardianSet(bytes(31) + b"\x01", threshold, accounts)
    recovery.setGuardians(sibling, wrong.hash, sender=sibling)
    clock.travel(to=clock.now + 30 * DAY)

    # then
    with refused(recovery.WrongThreshold, threshold=threshold, size=size):
        recovery.start.call((sibling, ZERO, 1, clock.now), wrong.terms, 0, [], b"", sender=sibling)


def test_start__with_guardians_from_the_lowest_address_on__asks_for_their_signatures(recovery, sibling, clock):
    # given
    right = GuardianSet(bytes(32), 1, tuple(f"0x{number:040x}" for number in (1, 2, 3)))
    recovery.setGuardians(sibling, right.hash, sender=sibling)
    clock.travel(to=clock.now + 30 * DAY)

    # then
    with refused(recovery.TooFew, guardians=0, needed=1):
        recovery.start.call((sibling, ZERO, 1, clock.now), right.terms, 0, [], b"", sender=sibling)


@pytest.mark.parametrize("order", ["one twice", "descending", "nobody first"])
def test_start__with_a_set_that_does_not_ascend(recovery, sibling, guarded, order, clock):
    # given
    one, two, three = guarded.set.accounts[:3]
    accounts, culprit = {
        "one twice": ((one, one, two), one),
        "descending": ((two, one, three), one),
        "nobody first": ((ZERO, one, two), ZERO),
    }[order]
    wrong = GuardianSet(bytes(32), 1, accounts)
    recovery.setGuardians(sibling, wrong.hash, sender=sibling)
    clock.travel(to=clock.now + 30 * DAY)

    # then
    with refused(recovery.NotAscending, account=culprit):
        recovery.start.call((sibling, ZERO, 1, clock.now), wrong.terms, 0, [], b"", sender=sibling)

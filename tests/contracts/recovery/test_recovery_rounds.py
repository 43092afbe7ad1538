"""A recovery from its start to its end: who wins against whom, and how long a pseudonym stays frozen at most."""

from dataclasses import replace

import ape
import pytest
from contracts_world import DAY, NOTHING, ZERO, borrow_code, digest, refused, sign

from theriac.health.guardians import Confirm, GuardianSet, Object
from theriac.health.messages import Freshness, Grant
from theriac.health.scope import Purpose

WEEK = 7 * DAY
TREAT = Purpose.parse("TREAT")


# -- a wallet is lost ------------------------------------------------------------------------------------------------


# property V6
def test_start__freezes_the_pseudonym(recovery, keys, guarded):
    # when
    receipt = guarded.start(0, 2, 4)

    # then
    ends = receipt.timestamp + 14 * DAY
    assert receipt.events == [
        recovery.Started(guarded.patient, guarded.new_phone, 1, ends),
        recovery.Confirmed(guarded.patient, 1, 0b10101),
        keys.FrozenSet(guarded.patient, True),
    ]
    assert keys.authorityOf(guarded.patient) == (guarded.patient, 0, 0, True)
    assert recovery.pendingOf(guarded.patient) == (
        guarded.new_phone,
        1,
        ends,
        receipt.timestamp + 28 * DAY,
        0b10101,
        0,
        3,
        False,
    )


# property V6
def test_finish__gives_the_pseudonym_to_the_new_wallet(recovery, keys, guarded, stranger):
    # given
    guarded.start(0, 1, 2)
    guarded.after(14)

    # when
    receipt = recovery.finish(guarded.patient, sender=stranger)

    # then
    assert receipt.events == [
        recovery.Finished(guarded.patient, 1),
        keys.FrozenSet(guarded.patient, False),
        keys.EraRaised(guarded.patient, 1),
        keys.HandedOver(guarded.patient, guarded.new_phone, guarded.patient),
    ]
    assert keys.authorityOf(guarded.patient) == (guarded.new_phone, 1, 0, False)
    assert recovery.pendingOf(guarded.patient) == (ZERO, 1, 0, 0, 0, 0, 0, False)


# property V8
def test_finish__a_second_before_the_time_to_object_is_over(recovery, guarded, stranger):
    # given
    ends = guarded.start(0, 1, 2).timestamp + 14 * DAY
    guarded.world.clock.travel(to=ends - 1)

    # then
    with refused(recovery.TooEarly, earliest=ends):
        recovery.finish.call(guarded.patient, sender=stranger)
    guarded.world.clock.travel(to=ends)
    recovery.finish.call(guarded.patient, sender=stranger)


def test_finish__twice(recovery, guarded, stranger):
    guarded.start(0, 1, 2)
    guarded.after(14)
    recovery.finish(guarded.patient, sender=stranger)

    with refused(recovery.NothingPending, pseudonym=guarded.patient):
        recovery.finish.call(guarded.patient, sender=stranger)


def test_finish__takes_everything_from_the_wallet_of_before(recovery, keys, guarded, stranger):
    # given what the former wallet signed
    grants = ape.project.Grants.deploy(guarded.world.consortium, keys, sender=stranger)
    guarded.start(0, 1, 2)
    guarded.after(14)
    terms = Grant(
        guarded.patient.address,
        stranger.address,
        TREAT,
        1,
        0,
        guarded.world.clock.day(100),
        Freshness(0, 0, guarded.world.clock.soon()),
    )
    signature = sign(terms, by=guarded.patient, contract=grants)

    # when
    recovery.finish(guarded.patient, sender=stranger)

    # then
    with refused(grants.WrongEra, era=0, current=1):
        grants.grantBySig.call(*terms.arguments(signature), sender=stranger)
    with refused(keys.NotTheController, sender=guarded.patient, controller=guarded.new_phone):
        keys.raiseEra.call(guarded.patient, sender=guarded.patient)


# -- a thief has the wallet ------------------------------------------------------------------------------------------


def test_object__asks_for_all_but_one(recovery, guarded):
    # given
    guarded.start(0, 1, 2)

    # when
    receipt = recovery.object(guarded.patient, sender=guarded.patient)

    # then
    assert receipt.events == [recovery.Objected(guarded.patient, 1, 4)]
    assert recovery.pendingOf(guarded.patient)[6:] == (4, True)


# properties V7, V8
@pytest.mark.parametrize(("size", "threshold", "needed"), [(3, 2, 3), (4, 2, 3), (5, 3, 4), (16, 9, 15)])
def test_object__asks_for_all_of_three_and_all_but_one_of_more(
    recovery, guarded, sibling, accounts, size, threshold, needed, clock
):
    # given
    people = [accounts[number] for number in range(20, 20 + size)]
    chosen = GuardianSet.of([each.address for each in people], threshold=threshold)
    recovery.setGuardians(sibling, chosen.hash, sender=sibling)
    clock.travel(to=clock.now + 30 * DAY)
    by_place = tuple(accounts[each] for each in chosen.accounts)
    theirs = replace(guarded, patient=sibling, people=by_place, set=chosen)
    theirs.start(*range(threshold))

    # when
    recovery.object(sibling, sender=sibling)

    # then one less is too few, and so many are enough
    assert recovery.pendingOf(sibling).needed == needed
    if needed - 1 > threshold:
        theirs.confirm(*range(threshold, needed - 1))
    theirs.after(14)
    with refused(recovery.TooFew, guardians=needed - 1, needed=needed):
        recovery.finish.call(sibling, sender=sibling)
    theirs.confirm(needed - 1)
    recovery.finish(sibling, sender=people[0])
    assert guarded.keys.authorityOf(sibling).controller == guarded.new_phone


# properties V7, V9
def test_object__a_thief_who_objects_for_ever_loses(recovery, keys, guarded, stranger):
    # given a thief who objects in the first minute, and again, and raises the era again and again
    guarded.start(0, 1, 2)
    recovery.object(guarded.patient, sender=guarded.patient)
    with refused(recovery.AlreadyObjected, pseudonym=guarded.patient, round=1):
        recovery.object.call(guarded.patient, sender=guarded.patient)
    for _ in range(3):
        keys.raiseEra(guarded.patient, sender=guarded.patient)

    # when one more guardian is for it
    guarded.confirm(4)
    guarded.after(14)
    recovery.finish(guarded.patient, sender=stranger)

    # then
    assert keys.authorityOf(guarded.patient) == (guarded.new_phone, 4, 0, False)


# properties V6, V8, V10
def test_object__k_guardians_against_a_present_patient_lose(recovery, keys, guarded, stranger):
    # given three guardians who conspire, and a patient who objects
    started = guarded.start(0, 1, 2).timestamp
    recovery.object(guarded.patient, sender=guarded.patient)

    # then they cannot finish it, however long they wait
    guarded.after(14)
    with refused(recovery.TooFew, guardians=3, needed=4):
        recovery.finish.call(guarded.patient, sender=stranger)
    guarded.after(14)
    with refused(recovery.TooFew, guardians=3, needed=4):
        recovery.finish.call(guarded.patient, sender=stranger)

    # and anyone ends it
    receipt = recovery.lapse(guarded.patient, sender=stranger)
    assert receipt.events == [recovery.Ended(guarded.patient, 1), keys.FrozenSet(guarded.patient, False)]
    assert keys.authorityOf(guarded.patient) == (guarded.patient, 0, 0, False)
    assert receipt.timestamp - started >= 28 * DAY


# property V7
def test_object__in_the_last_second_and_a_second_later(recovery, guarded):
    # given
    ends = guarded.start(0, 1, 2).timestamp + 14 * DAY

    # then
    guarded.world.clock.travel(to=ends - 1)
    recovery.object.call(guarded.patient, sender=guarded.patient)
    guarded.world.clock.travel(to=ends)
    with refused(recovery.TooLate, ends=ends):
        recovery.object.call(guarded.patient, sender=guarded.patient)


def test_object__in_the_last_second__leaves_the_guardians_fourteen_days(recovery, keys, guarded, stranger):
    # given
    ends = guarded.start(0, 1, 2).timestamp + 14 * DAY
    guarded.world.clock.next(at=ends - 1)
    recovery.object(guarded.patient, sender=guarded.patient)

    # when
    guarded.world.clock.travel(to=ends + 14 * DAY - 2)
    guarded.confirm(3)
    recovery.finish(guarded.patient, sender=stranger)

    # then
    assert keys.authorityOf(guarded.patient).controller == guarded.new_phone


def test_object__by_who_does_not_control_it(recovery, keys, guarded):
    guarded.start(0, 1, 2)

    for who in (guarded.new_phone, guarded.people[0]):
        with refused(recovery.NotTheController, sender=who, controller=guarded.patient):
            recovery.object.call(guarded.patient, sender=who)


def test_object__where_nothing_is_pending(recovery, guarded):
    with refused(recovery.NothingPending, pseudonym=guarded.patient):
        recovery.object.call(guarded.patient, sender=guarded.patient)


def test_object_by_sig__counts_for_one_round_and_no_other(recovery, guarded, relayer):
    # given an objection to the first round, which never arrived
    guarded.start(0, 1, 2)
    first = Object(guarded.patient.address, 1, 0, guarded.world.clock.soon())
    signature = guarded.sign(first, guarded.patient)
    guarded.withdraw(0)
    guarded.start(0, 1, 2, round=2)

    # then
    with refused(recovery.WrongRound, round=1, current=2):
        recovery.objectBySig.call(*first.arguments(signature), sender=relayer)
    second = replace(first, round=2)
    receipt = recovery.objectBySig(*second.arguments(guarded.sign(second, guarded.patient)), sender=relayer)
    assert receipt.events == [recovery.Objected(guarded.patient, 2, 4)]


# -- what guardians sign ---------------------------------------------------------------------------------------------


# property V4
def test_start__refuses_in_the_order_of_its_checks(recovery, keys, guarded, stranger, clock):
    other = GuardianSet.of([each.address for each in guarded.people], threshold=2)
    wrong = {"round": 5, "guardians": other, "controller": guarded.patient.address}

    with refused(recovery.SignatureExpired, deadline=clock.now - 1):
        guarded.try_starting(0, deadline=clock.now - 1, **wrong)
    with refused(recovery.DeadlineTooFar, deadline=clock.now + WEEK + 1, latest=clock.now + WEEK):
        guarded.try_starting(0, deadline=clock.now + WEEK + 1, **wrong)
    for round in (0, 2, 5):
        with refused(recovery.WrongRound, round=round, current=1):
            guarded.try_starting(0, **{**wrong, "round": round})
    del wrong["round"]
    with refused(recovery.WrongGuardians, shown=other.hash, guardians=guarded.set.hash):
        guarded.try_starting(0, **wrong)
    del wrong["guardians"]
    terms, shown, signers, signatures, acceptance = guarded.signed(guarded.terms(**wrong), 0)

    def attempt(signers, signatures):
        return recovery.start.call(terms, shown, signers, signatures, acceptance, sender=stranger)

    with refused(recovery.WrongSigners, signers=0b11, signatures=1):
        attempt(0b11, signatures)
    with refused(recovery.WrongSigners, signers=1 << 5, signatures=1):
        attempt(1 << 5, signatures)
    with refused(recovery.WrongSigners, signers=1, signatures=2):
        attempt(1, signatures * 2)
    with refused(recovery.WrongSignature, signer=guarded.people[1]):
        attempt(0b10, signatures)
    with refused(recovery.TooFew, guardians=1, needed=3):
        attempt(signers, signatures)
    with refused(recovery.WrongController, controller=guarded.patient):
        guarded.try_starting(0, 1, 2, **wrong)


# property V4
def test_start__without_the_new_controllers_signature(recovery, keys, guarded, stranger):
    *arguments, _ = guarded.signed(guarded.terms(), 0, 1, 2)
    by_guardian = guarded.sign(guarded.terms(), guarded.people[0])

    for acceptance in (b"", by_guardian, NOTHING + NOTHING + b"\x1b"):
        with refused(recovery.WrongSignature, signer=guarded.new_phone):
            recovery.start.call(*arguments, acceptance, sender=stranger)


def test_start__to_nobody(recovery, keys, guarded, stranger):
    terms = replace(guarded.terms(controller=ZERO), signers=0b111)
    signatures = [guarded.sign(terms, each) for each in guarded.people[:3]]

    with refused(recovery.WrongSignature, signer=ZERO):
        recovery.start.call(*terms.arguments(*signatures, NOTHING + NOTHING + b"\x1b"), sender=stranger)


# property V5
def test_start__for_another_pseudonym_with_the_same_guardians(recovery, keys, guarded, sibling, stranger):
    # given
    recovery.setGuardians(sibling, guarded.set.hash, sender=sibling)
    guarded.after(30)
    terms, *rest = guarded.signed(guarded.terms(), 0, 1, 2)

    # then what they signed for one is not for the other
    with refused(recovery.WrongSignature, signer=guarded.people[0]):
        recovery.start.call((sibling, *terms[1:]), *rest, sender=stranger)


# property V5
def test_start__again_with_what_was_signed_for_the_round_before(recovery, guarded, relayer):
    # given
    arguments = guarded.signed(guarded.terms(), 0, 1, 2)
    recovery.start(*arguments, sender=relayer)
    guarded.withdraw(1)

    # then
    with refused(recovery.WrongRound, round=1, current=2):
        recovery.start.call(*arguments, sender=relayer)


def test_start__two_at_once(recovery, guarded, accounts):
    # given
    guarded.start(0, 1, 2)

    # then other guardians who want something else have to wait
    with refused(recovery.AlreadyPending, pseudonym=guarded.patient, round=1):
        guarded.try_starting(2, 3, 4, round=2)


def test_start__by_a_guardian_that_is_a_contract(recovery, keys, guarded, sibling, accounts, clock):
    # given a guardian whose wallet is a contract
    wallet = ape.project.Wallet1271.deploy(guarded.people[0], sender=accounts[0])
    chosen = GuardianSet.of([wallet.address, *(each.address for each in guarded.people[1:])], threshold=3)
    recovery.setGuardians(sibling, chosen.hash, sender=sibling)
    clock.travel(to=clock.now + 30 * DAY)
    owners = tuple(guarded.people[0] if each == wallet.address else accounts[each] for each in chosen.accounts)
    theirs = replace(guarded, patient=sibling, people=owners, set=chosen)
    place = chosen.accounts.index(wallet.address)

    # when
    receipt = theirs.start(*sorted({place, 0, 1, 2})[:4])

    # then
    assert keys.FrozenSet(sibling, True) in receipt.events


def test_start__by_a_guardian_who_borrowed_code(recovery, keys, guarded, accounts):
    wallet = ape.project.Wallet1271.deploy(accounts[0], sender=accounts[0])
    borrow_code(guarded.people[0], wallet, payer=accounts[0])

    assert keys.FrozenSet(guarded.patient, True) in guarded.start(0, 1, 2).events


def test_start__ends_if_a_guardians_wallet_burns_gas(recovery, keys, guarded, sibling, accounts, clock):
    burner = ape.project.GasBurningWallet.deploy(sender=accounts[0])
    chosen = GuardianSet.of([burner.address, *(each.address for each in guarded.people)], threshold=2)
    recovery.setGuardians(sibling, chosen.hash, sender=sibling)
    clock.travel(to=clock.now + 30 * DAY)
    people = tuple(guarded.people[0] if each == burner.address else accounts[each] for each in chosen.accounts)
    theirs = replace(guarded, patient=sibling, people=people, set=chosen)
    place = chosen.accounts.index(burner.address)
    rest = [other for other in range(6) if other != place][:2]

    # then it is refused with it, and nobody needs it
    with refused(recovery.WrongSignature, signer=burner):
        theirs.try_starting(place, rest[0])
    theirs.start(*rest)


# -- more guardians --------------------------------------------------------------------------------------------------


def test_confirm__is_told(recovery, guarded):
    guarded.start(0, 1, 2)

    receipt = guarded.confirm(3, 4)

    assert receipt.events == [recovery.Confirmed(guarded.patient, 1, 0b11000)]
    assert recovery.pendingOf(guarded.patient).confirmed == 0b11111


def test_confirm__refuses_in_the_order_of_its_checks(recovery, keys, guarded, stranger, clock):
    def attempt(*who, **terms):
        return recovery.confirm.call(*guarded.confirming(*who, **terms), sender=stranger)

    with refused(recovery.NothingPending, pseudonym=guarded.patient):
        attempt(3)
    guarded.start(0, 1, 2)
    wrong = {"round": 2, "controller": stranger.address, "guardians": replace(guarded.set, salt=bytes(32))}
    with refused(recovery.SignatureExpired, deadline=clock.now - 1):
        attempt(2, deadline=clock.now - 1, **wrong)
    with refused(recovery.WrongRound, round=2, current=1):
        attempt(2, **wrong)
    del wrong["round"]
    with refused(recovery.WrongController, controller=stranger):
        attempt(2, **wrong)
    del wrong["controller"]
    with refused(recovery.AlreadyAnswered, signers=0b100):
        attempt(2, 3, **wrong)
    with refused(recovery.WrongGuardians, shown=wrong["guardians"].hash, guardians=guarded.set.hash):
        attempt(3, **wrong)
    terms, shown, _, signatures = guarded.confirming(3)
    with refused(recovery.WrongSignature, signer=guarded.people[4]):
        recovery.confirm.call(terms, shown, 1 << 4, signatures, sender=stranger)
    with refused(recovery.WrongSigners, signers=0, signatures=1):
        recovery.confirm.call(terms, shown, 0, signatures, sender=stranger)
    attempt(3)


def test_confirm__with_what_was_signed_to_start_it(recovery, guarded, relayer):
    # given a guardian whose signature for the start came too late for it
    terms = guarded.terms()
    late = guarded.sign(terms, guarded.people[3])
    guarded.start(0, 1, 2)

    # when
    confirming = Confirm(**{**vars(terms), "signers": 1 << 3})
    receipt = recovery.confirm(*confirming.arguments(late), sender=relayer)

    # then
    assert receipt.events == [recovery.Confirmed(guarded.patient, 1, 1 << 3)]


# -- guardians who change their mind ---------------------------------------------------------------------------------


# property V6
def test_withdraw__with_fewer_than_the_threshold_it_ends(recovery, keys, guarded):
    # given
    guarded.start(0, 1, 2)

    # when
    receipt = guarded.withdraw(1)

    # then
    assert receipt.events == [
        recovery.Withdrawn(guarded.patient, 1, guarded.people[1]),
        recovery.Ended(guarded.patient, 1),
        keys.FrozenSet(guarded.patient, False),
    ]
    assert recovery.pendingOf(guarded.patient) == (ZERO, 1, 0, 0, 0, 0, 0, False)
    assert keys.authorityOf(guarded.patient) == (guarded.patient, 0, 0, False)


def test_withdraw__with_enough_left_it_goes_on(recovery, guarded):
    guarded.start(0, 1, 2, 3)

    receipt = guarded.withdraw(1)

    assert receipt.events == [recovery.Withdrawn(guarded.patient, 1, guarded.people[1])]
    assert recovery.pendingOf(guarded.patient)[4:6] == (0b1101, 0b10)


# property V12
def test_withdraw__nobody_sends_the_confirmation_again(recovery, guarded, relayer):
    # given
    guarded.start(0, 1, 2)
    confirming = guarded.confirming(3)
    recovery.confirm(*confirming, sender=relayer)
    guarded.withdraw(3)

    # then
    with refused(recovery.AlreadyAnswered, signers=1 << 3):
        recovery.confirm.call(*confirming, sender=relayer)


# property V12
def test_withdraw__two_guardians_cannot_end_what_three_others_started(recovery, guarded, stranger):
    guarded.start(0, 1, 2)

    for place in (3, 4):
        message = guarded.withdrawal(place)
        with refused(recovery.NotConfirmed, guardian=guarded.people[place]):
            arguments = message.arguments(guarded.sign(message, guarded.people[place]))
            recovery.withdraw.call(*arguments, sender=stranger)


def test_withdraw__refuses_in_the_order_of_its_checks(recovery, keys, guarded, stranger, clock):
    def attempt(by=stranger, **other):
        message = guarded.withdrawal(0, **other)
        return recovery.withdraw.call(*message.arguments(guarded.sign(message, by)), sender=stranger)

    with refused(recovery.NothingPending, pseudonym=guarded.patient):
        attempt()
    guarded.start(0, 1, 2)
    wrong = {"round": 2, "guardians": replace(guarded.set, salt=bytes(32)), "guardian": stranger.address}
    with refused(recovery.SignatureExpired, deadline=clock.now - 1):
        attempt(deadline=clock.now - 1, **wrong)
    with refused(recovery.DeadlineTooFar, deadline=clock.now + WEEK + 1, latest=clock.now + WEEK):
        attempt(deadline=clock.now + WEEK + 1, **wrong)
    with refused(recovery.WrongRound, round=2, current=1):
        attempt(**wrong)
    del wrong["round"]
    with refused(recovery.WrongGuardians, shown=wrong["guardians"].hash, guardians=guarded.set.hash):
        attempt(**wrong)
    del wrong["guardians"]
    with refused(recovery.NotConfirmed, guardian=stranger):
        attempt(**wrong)
    with refused(recovery.WrongSignature, signer=guarded.people[0]):
        attempt()
    attempt(by=guarded.people[0])


# -- how long it can be frozen ---------------------------------------------------------------------------------------


def test_lapse__a_second_before_its_time(recovery, guarded, stranger):
    lapses = guarded.start(0, 1, 2).timestamp + 28 * DAY
    guarded.world.clock.travel(to=lapses - 1)

    with refused(recovery.TooEarly, earliest=lapses):
        recovery.lapse.call(guarded.patient, sender=stranger)


def test_lapse__where_nothing_is_pending(recovery, guarded, stranger):
    with refused(recovery.NothingPending, pseudonym=guarded.patient):
        recovery.lapse.call(guarded.patient, sender=stranger)


# property V11
def test_start__the_same_guardians_keep_it_frozen_for_42_days_at_most(recovery, keys, guarded, stranger):
    # given guardians who start, give up, and start again on the last day on which they can
    opened = guarded.start(0, 1, 2).timestamp
    guarded.withdraw(0)
    guarded.world.clock.next(at=opened + 14 * DAY - 1)
    guarded.start(0, 1, 2, round=2)

    # when it is over
    guarded.world.clock.travel(to=opened + 42 * DAY - 1)
    recovery.lapse(guarded.patient, sender=stranger)

    # then they rest, and the patient has 38 days for others to count instead
    earliest = opened + 80 * DAY
    with refused(recovery.TooSoon, pseudonym=guarded.patient, earliest=earliest):
        guarded.try_starting(0, 1, 2, round=3)
    others = guarded.set_of(guarded.people[:4], threshold=2)
    recovery.setGuardians(guarded.patient, others.hash, sender=guarded.patient)
    guarded.world.clock.travel(to=earliest)
    with refused(recovery.WrongGuardians, shown=guarded.set.hash, guardians=others.hash):
        guarded.try_starting(0, 1, 2, round=3)


def test_start__the_same_guardians_again_after_their_rest(recovery, keys, guarded, stranger):
    # given
    opened = guarded.start(0, 1, 2).timestamp
    guarded.after(28)
    recovery.lapse(guarded.patient, sender=stranger)

    # when
    guarded.world.clock.travel(to=opened + 80 * DAY - 1)
    with refused(recovery.TooSoon, pseudonym=guarded.patient, earliest=opened + 80 * DAY):
        guarded.try_starting(0, 1, 2, round=2)
    guarded.world.clock.travel(to=opened + 80 * DAY)

    # then
    assert keys.FrozenSet(guarded.patient, True) in guarded.start(0, 1, 2, round=2).events


def test_start__again_after_it_was_finished(recovery, keys, guarded, sibling, stranger):
    # given guardians who gave the pseudonym to its new wallet
    opened = guarded.start(0, 1, 2).timestamp
    guarded.after(14)
    recovery.finish(guarded.patient, sender=stranger)

    # then they do not freeze it again at once
    with refused(recovery.TooSoon, pseudonym=guarded.patient, earliest=opened + 80 * DAY):
        guarded.try_starting(0, 1, 2, round=2, controller=sibling.address)


def test_start__other_guardians_need_not_rest(recovery, keys, guarded, accounts, stranger):
    # given a set that counts since the one of before was used
    guarded.start(0, 1, 2)
    guarded.withdraw(0)
    people = sorted((accounts[number] for number in range(20, 24)), key=lambda each: int(str(each.address), 16))
    others = guarded.set_of(people, threshold=2)
    recovery.setGuardians(guarded.patient, others.hash, sender=guarded.patient)
    guarded.after(30)

    # when
    theirs = replace(guarded, people=tuple(people), set=others)
    receipt = theirs.start(0, 1, round=2)

    # then
    assert keys.FrozenSet(guarded.patient, True) in receipt.events


def test_start__guardians_whose_time_came_meanwhile_do_not_take_over_a_recovery(recovery, guarded, accounts, stranger):
    # given guardians of a thief's that would count in the middle of the recovery
    thief = guarded.set_of([accounts[number] for number in range(20, 24)], threshold=2)
    recovery.setGuardians(guarded.patient, thief.hash, sender=guarded.patient)
    guarded.after(25)
    guarded.start(0, 1, 2)
    recovery.object(guarded.patient, sender=guarded.patient)
    guarded.after(10)

    # then those who started it go on with it
    assert recovery.guardOf(guarded.patient).guardians == guarded.set.hash
    guarded.confirm(3)
    guarded.after(4)
    recovery.finish(guarded.patient, sender=stranger)
    assert guarded.keys.authorityOf(guarded.patient).controller == guarded.new_phone


def test_finish__while_the_publisher_goes_on_publishing(recovery, keys, guarded, publisher, stranger):
    # given
    keys.rotate(guarded.patient, 1, digest("bundle"), publisher, sender=guarded.patient)
    guarded.start(0, 1, 2)

    # when
    keys.publish(guarded.patient, 2, digest("next"), sender=publisher)
    guarded.after(14)
    recovery.finish(guarded.patient, sender=stranger)

    # then
    assert keys.authorityOf(guarded.patient) == (guarded.new_phone, 1, 2, False)
    assert keys.publisherOf(guarded.patient) == (ZERO, 2)

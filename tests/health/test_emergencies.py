"""Break-glass on a real chain and store: who gets in, who does not, and what becomes of the key afterwards."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from emergency_world import Ward, again, broken, custodian, opened, ward
from health_world import DAY, HOUR, LAB, MENTAL, TREAT, VITALS, HealthWorld, renewed, write

from theriac.consortium import Role
from theriac.crypto import shares
from theriac.crypto.recipients import HybridIdentity
from theriac.errors import (
    NoEmergency,
    NotGranted,
    NotOpened,
    Reverted,
)
from theriac.health import documents
from theriac.health.chain import Chain, SenderRelay, Signed
from theriac.health.custody import Limits
from theriac.health.emergencies import ETREAT, EmergencyReader, Status, WrongShare
from theriac.health.escrow import identity_of
from theriac.health.messages import JUSTIFIED, SANCTIONED
from theriac.health.vault import ESCROW_STEP, Vault
from theriac.ledger.contracts import Contracts, Receipt


class Killed(Exception):
    """The machine went down here."""


@pytest.fixture(scope="module")
def standing(founded: HealthWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    """A patient with a record of each class and an escrow of one, made once."""
    with renewed(founded, tmp_path_factory.mktemp("standing") / "world") as world:
        yield ward(world, content={LAB: b"potassium 5.9", VITALS: b"pulse", MENTAL: b"therapy"})


@pytest.fixture
def place(standing: Ward, tmp_path: Path) -> Iterator[Ward]:
    """The same for one test."""
    shutil.copytree(standing.world.folder / "clinic", tmp_path / "clinic")
    with renewed(standing.world, tmp_path) as world:
        yield again(standing, world)


@pytest.fixture
def world(place: Ward) -> HealthWorld:
    """Where the ward of the test is."""
    return place.world


# -- the key arrives -------------------------------------------------------------------------------------------------


# property E2
def test_break_glass__what_was_written_since_and_is_in_no_index__opens_too(place: Ward, world: HealthWorld) -> None:

    newer = place.write(LAB, b"potassium 6.4")
    reader = broken(place)

    assert opened(place, reader, newer) == b"potassium 6.4"


def test_break_glass__what_went_to_an_inbox__opens_only_in_the_escrows_classes(place: Ward, world: HealthWorld) -> None:
    # given a store that has no bundle for the clinic's desk, so that it seals to the inbox
    account = place.patient.vault.account_for("writer:1")
    assert account is not None
    bundle = world.store.resolve(bytes.fromhex(account.publications[-1].digest))
    world.store.unpin(bundle)
    world.store.collect_garbage()
    lab, vitals = place.write(LAB, b"to the inbox"), place.write(VITALS, b"pulse 40")

    # when
    reader = broken(place)

    # then
    assert opened(place, reader, lab) == b"to the inbox"
    with pytest.raises(NotOpened):
        opened(place, reader, vitals)


# property E2
def test_break_glass__classes_outside_of_the_escrow__stay_shut(place: Ward) -> None:
    # given
    # when
    reader = broken(place)

    # then not by the rule, nor by any key that the clinician received
    assert [each.cls for each in reader.listed(place.pseudonym, purpose=ETREAT)] == [str(LAB)]
    for cls in (VITALS, MENTAL):
        digest = place.records[str(cls)]
        with pytest.raises(NotOpened):
            reader.open(place.pseudonym, digest, purpose=ETREAT)
        with pytest.raises(NotOpened):
            reader.unsafe_try(place.pseudonym, digest)


def test_break_glass__the_window_closes(place: Ward, world: HealthWorld) -> None:
    # given
    reader = broken(place)

    # when
    world.travel(24 * HOUR)

    # then
    assert reader.listed(place.pseudonym, purpose=ETREAT) == []
    with pytest.raises(NotGranted, match="24 hours are over"):
        reader.open(place.pseudonym, place.records[str(LAB)], purpose=ETREAT)


def test_break_glass__each_opening_of_each_emergency__is_receipted_under_one_count(
    place: Ward, world: HealthWorld
) -> None:
    # given a record that is opened in an emergency, and again in the next one, a day later
    first = broken(place)
    opened(place, first, place.records[str(LAB)])
    place.patient.watch()
    [case] = place.patient.emergencies()
    place.patient.review(case.number, verdict=JUSTIFIED)
    place.patient.watch()
    world.travel(25 * HOUR)
    second = broken(place)
    opened(place, second, place.records[str(LAB)])

    # when
    first.book.send(place.sender(world.doctor), world.store)
    looked = place.patient.looked()

    # then
    seen = [
        (each.receipt.number, each.receipt.reader, each.receipt.rule, each.receipt.purpose) for each in looked.readings
    ]
    assert seen == [(number, world.doctor.address, "emergency", "ETREAT") for number in (2, 1)]
    assert [each.faults for each in looked.readings] == [(), ()]
    assert (looked.gaps, looked.doubles, looked.strangers) == ((), (), {})


def test_break_glass__a_card_without_an_escrow__opens_no_case(place: Ward, world: HealthWorld) -> None:

    place.patient.end_emergency()

    with pytest.raises(NoEmergency):
        place.responder(world.doctor).open(
            place.patient.vault.account_for("emergency").pseudonym,  # type: ignore[union-attr]
            reason=1,  # type: ignore[arg-type]
            words="",
            sender=place.sender(world.doctor),
        )


# -- who is refused --------------------------------------------------------------------------------------------------


# property E7
def test_release__clinician_suspended_between_case_and_release(place: Ward, world: HealthWorld) -> None:
    # given
    case = place.open(world.doctor)
    place.suspend(world.doctor)

    # when
    [decision] = place.custody(0).serve_once()

    # then the custodian says why, and one that does not ask is refused by the chain
    assert decision.reason == "the clinician is not with the same member in standing"
    with pytest.raises(Reverted, match="NoStanding"):
        place.sender(place.custodians[0]).send(world.contracts.Emergencies.functions.release(case.number, b"\x01" * 32))


def test_open__clinician_with_an_unreviewed_emergency(place: Ward, world: HealthWorld) -> None:
    place.open(world.doctor)

    with pytest.raises(Reverted, match="Unreviewed"):
        place.open(world.doctor)


def test_open__who_is_no_clinician(place: Ward, world: HealthWorld) -> None:

    with pytest.raises(Reverted, match="NotAClinician"):
        place.open(place.custodians[0])


def test_review__by_the_patient__lets_the_clinician_go_on_and_closes_the_case(place: Ward, world: HealthWorld) -> None:
    # given
    reader = broken(place)
    [case] = place.patient.emergencies()

    # when
    place.patient.review(case.number, verdict=JUSTIFIED)

    # then
    with pytest.raises(NotGranted, match="reviewed"):
        opened(place, reader, place.records[str(LAB)])
    place.patient.watch()
    assert place.open(world.doctor).number == case.number + 1


def test_review__sanctioned__the_clinician_is_barred_until_the_board_clears_it(place: Ward, world: HealthWorld) -> None:
    # given
    case = place.open(world.doctor)

    # when
    place.patient.review(case.number, verdict=SANCTIONED, barred_until=world.now() + 29 * DAY)

    # then
    with pytest.raises(Reverted, match="Barred"):
        place.open(world.doctor)
    board = place.sender(replace(world.doctor, signer=world.board))
    board.send(world.contracts.Emergencies.functions.clear(world.doctor.address))
    place.open(world.doctor)


# property E10
def test_patient_who_never_reviews__blocks_nobody_for_ever(place: Ward, world: HealthWorld) -> None:
    # given
    first = place.open(world.doctor)

    # when two weeks go by
    world.travel(14 * DAY)

    # then the clinician may open another, the custodians release, and the first can still be reviewed
    second = place.open(world.doctor)
    assert place.release(0) == [True]
    place.patient.review(first.number, verdict=SANCTIONED, barred_until=world.now() + DAY)
    assert {each.number: each.status for each in place.patient.emergencies()} == {
        second.number: Status.OPEN,
        first.number: Status.SANCTIONED,
    }


def test_custodian__a_clinician_who_asks_too_often(place: Ward, world: HealthWorld) -> None:
    # given a custodian that releases once in seven days for a clinician
    place.limits = Limits(clinician=1)
    first = place.open(world.doctor)
    assert place.release(0) == [True]
    place.patient.review(first.number, verdict=JUSTIFIED)
    place.patient.watch()

    # when
    place.open(world.doctor)

    # then
    [decision] = place.custody(0).serve_once()
    assert decision.reason == "1 shares were released for this clinician in 7 days"


def test_custodian__a_case_that_the_chain_may_still_take_back__is_not_seen(place: Ward, world: HealthWorld) -> None:
    # given a network with a depth of three blocks
    deployment = replace(world.contracts.deployment, depth=3)
    deep = Chain(world.web3, Contracts(world.web3, deployment), index=world.folder / "deep" / "index.sqlite")
    place.open(world.doctor)

    # when
    early = place.custody(0, chain=deep).serve_once()
    for _ in range(3):
        world.travel(1)
    late = place.custody(0, chain=deep).serve_once()

    # then
    assert (early, [each.released for each in late]) == ([], [True])


def test_custodian__a_case_that_cannot_be_served__keeps_no_other_waiting(place: Ward, world: HealthWorld) -> None:
    # given a clinician without a profile, whose case is the first
    nameless = world.join(world.person(publish=False), world.clinic, Role.CLINICIAN)
    place.open(nameless)
    place.open(world.doctor)

    # when
    decisions = place.custody(0).serve_once()

    # then
    assert [(each.clinician, each.released) for each in decisions] == [
        (nameless.address, False),
        (world.doctor.address, True),
    ]
    assert decisions[0].reason == "the clinician has published no profile to seal to"


def test_custodian__says_a_refusal_once_and_writes_it_down(place: Ward, world: HealthWorld) -> None:
    # given
    place.open(world.doctor)
    place.suspend(world.doctor)
    custody = place.custody(0)

    # when it looks three times, and the member is reinstated before the last
    rounds = [custody.serve_once(), custody.serve_once()]
    place.by_board("reinstate", world.doctor.member)
    rounds.append(custody.serve_once())

    # then
    log = (world.folder / "custodian-0" / "log.jsonl").read_text().splitlines()
    assert [len(each) for each in rounds] == [1, 0, 1]
    assert [json.loads(line)["released"] for line in log] == [False, True]


# -- lying custodians ------------------------------------------------------------------------------------------------


# property E8
def test_lying_custodian__is_named_and_worked_around(place: Ward, world: HealthWorld) -> None:
    # given a custodian that seals another's words under its own number
    case = place.open(world.doctor)
    liar = place.custodians[0]
    bundle = place.patient.chain.bundle(place.pseudonym, world.store)
    assert bundle.escrow is not None
    true = bundle.escrow.share(liar.identity)
    assert true is not None
    false = replace(true, words=shares.split(bytes(32), k=2, n=3)[0])
    release(place, 0, case.number, documents.seal(false.encode(), to=world.doctor.identity.recipient))

    # when only one other releases, and then the last
    place.release(1)
    before = place.responder(world.doctor).collect(case.number)
    place.release(2)
    after = place.responder(world.doctor).collect(case.number)

    # then
    lie = WrongShare(liar.member, "it is not what the patient committed to")
    assert (before.wrong, before.good, before.opened) == ((lie,), (place.custodians[1].member,), False)
    assert (after.wrong, after.opened) == ((lie,), True)
    reader = place.responder(world.doctor).reader(case.number)
    assert opened(place, reader, place.records[str(LAB)]) == b"potassium 5.9"


def test_lying_custodian__while_the_phone_is_on__is_worked_around_all_the_same(place: Ward, world: HealthWorld) -> None:
    # given as many releases as are needed, of which one is a lie
    case = place.open(world.doctor)
    release(place, 0, case.number, b"rubbish")
    place.release(1)

    # when the patient's client takes that for a use, and the last custodian releases only then
    place.patient.watch()
    newer = place.write(LAB, b"the next result")
    place.release(2)

    # then the clinician has the key, and it is that of a used escrow already
    reader = place.responder(world.doctor).reader(case.number)
    assert opened(place, reader, place.records[str(LAB)]) == b"potassium 5.9"
    with pytest.raises(NotOpened):
        reader.unsafe_try(place.pseudonym, newer)

    # and the next escrow comes with the next look
    assert place.patient.vault.escrow_reader() == ""
    place.patient.watch()
    second = place.open(world.colleague)
    place.release(1, 2)
    assert opened(place, place.responder(world.colleague).reader(second.number), newer) == b"the next result"


def test_used_escrow__the_next_one_waits_an_hour_for_late_shares_and_no_longer(place: Ward, world: HealthWorld) -> None:
    # given two releases of three
    broken(place, custodians=(0, 1))
    version = place.patient.chain.authority(place.pseudonym).version
    place.patient.watch()
    assert place.patient.chain.authority(place.pseudonym).version == version

    # when
    world.travel(HOUR)
    place.patient.watch()

    # then
    assert place.patient.chain.authority(place.pseudonym).version == version + 1
    assert place.patient.vault.escrow_reader() != ""


def release(place: Ward, who: int, number: int, sealed: bytes) -> None:
    import io

    digest = place.world.store.put(io.BytesIO(sealed)).digest
    call = place.world.contracts.Emergencies.functions.release(number, digest)
    place.sender(place.custodians[who]).send(call)


# property E8
@pytest.mark.parametrize("what", ["rubbish", "sealed to somebody else", "of another version", "not stored"])
def test_lying_custodian__whatever_it_releases(place: Ward, world: HealthWorld, what: str) -> None:
    # given
    case = place.open(world.doctor)
    bundle = place.patient.chain.bundle(place.pseudonym, world.store)
    assert bundle.escrow is not None
    share = bundle.escrow.share(place.custodians[0].identity)
    assert share is not None
    doctor = world.doctor.identity.recipient
    sealed = {
        "rubbish": b"rubbish",
        "sealed to somebody else": documents.seal(share.encode(), to=HybridIdentity.generate().recipient),
        "of another version": documents.seal(replace(share, version=share.version + 1).encode(), to=doctor),
        "not stored": b"",
    }[what]
    if sealed:
        release(place, 0, case.number, sealed)
    else:
        call = world.contracts.Emergencies.functions.release(case.number, b"\x07" * 32)
        place.sender(place.custodians[0]).send(call)

    # when
    place.release(1, 2)
    found = place.responder(world.doctor).collect(case.number)

    # then
    liar = place.custodians[0].member
    assert found.waiting == (() if sealed else (liar,))
    assert [each.member for each in found.wrong] == ([liar] if sealed else [])
    assert found.opened


def test_stranger_among_custodians__its_noise_voids_no_escrow(place: Ward, world: HealthWorld) -> None:
    # given two custodians that the patient did not choose, who release something for a case
    case = place.open(world.doctor)
    for _ in range(2):
        place.custodians.append(custodian(world))
        release(place, -1, case.number, b"noise")
    version = place.patient.chain.authority(place.pseudonym).version

    # when
    place.patient.watch()

    # then the escrow that is being asked for is still there
    assert place.patient.chain.authority(place.pseudonym).version == version
    assert all(place.release(0, 1))


# -- after it was used -----------------------------------------------------------------------------------------------


def test_used_escrow__the_inboxes_of_level_n_are_new_and_the_controller_signed_them(
    place: Ward, world: HealthWorld
) -> None:
    # given
    account = place.patient.vault.account_for("writer:1")
    assert account is not None
    former, serial = dict(account.inboxes), account.inbox_serial
    reader = broken(place)

    # when
    place.patient.watch()
    newer = write(place.writer, place.registered, b"another", cls=LAB)

    # then the clinic took them without a question, and the key of the former one opens nothing new
    account = place.patient.vault.account_for("writer:1")
    assert account is not None
    assert (account.inboxes["N"] != former["N"], account.inboxes["R"] == former["R"]) == (True, True)
    assert account.inbox_serial == serial + 1
    place.patient.watch()
    assert place.patient.open(place.patient.entry(newer)).content.read() == b"another"
    with pytest.raises(NotOpened):
        reader.unsafe_try(place.pseudonym, newer)


class DyingRelay:
    """A relay that goes down before the act of this number."""

    def __init__(self, relay: SenderRelay, acts: int) -> None:
        self._relay, self._left = relay, acts

    def carry(self, *signed: Signed) -> Receipt:
        if not self._left:
            raise Killed
        self._left -= 1
        return self._relay.carry(*signed)


# property E3
@pytest.mark.parametrize("acts", [0, 2])
def test_used_escrow__phone_dies_while_it_changes_the_keys__goes_on_at_the_next_look(
    place: Ward, world: HealthWorld, acts: int
) -> None:
    # given
    reader = broken(place)
    place.patient._relay = DyingRelay(world.relay, acts)
    with pytest.raises(Killed):
        place.patient.watch()

    # when it is on again
    place.patient._relay = world.relay
    place.patient.watch()
    newer = place.write(LAB, b"the next result")

    # then
    reader.learn(place.pseudonym)
    with pytest.raises(NotOpened):
        reader.unsafe_try(place.pseudonym, newer)
    case = place.open(world.colleague)
    place.release(1, 2)
    assert opened(place, place.responder(world.colleague).reader(case.number), newer) == b"the next result"


def test_used_escrow__the_next_one_opens_for_the_next_clinician(place: Ward, world: HealthWorld) -> None:
    # given
    broken(place)
    place.patient.watch()
    newer = place.write(LAB, b"the next result")

    # when
    case = place.open(world.colleague)
    place.release(1, 2)
    reader = place.responder(world.colleague).reader(case.number)

    # then
    assert opened(place, reader, newer) == b"the next result"
    assert opened(place, reader, place.records[str(LAB)]) == b"potassium 5.9"


def test_watch__while_shares_are_being_asked_for__voids_nothing(place: Ward, world: HealthWorld) -> None:
    # given a case with one share of two, something new to file, and a phone that is on
    case = place.open(world.doctor)
    place.release(0)
    newer = place.write(LAB, b"in the ambulance")

    # when
    watched = place.patient.watch()
    place.release(1)

    # then
    [alarm] = watched.emergencies
    assert (alarm.number, alarm.clinician, alarm.releases) == (case.number, world.doctor.address, 1)
    reader = place.responder(world.doctor).reader(case.number)
    assert opened(place, reader, newer) == b"in the ambulance"


def test_watch__a_case_of_which_nothing_was_released__changes_no_key(place: Ward, world: HealthWorld) -> None:
    place.open(world.doctor)
    generations = {cls: tree.newest.number for cls, tree in place.patient.vault.own().trees.items()}

    world.travel(25 * HOUR)
    place.patient.watch()

    assert {cls: tree.newest.number for cls, tree in place.patient.vault.own().trees.items()} == generations


# property E7
def test_custodian__a_case_of_a_version_that_was_replaced(place: Ward, world: HealthWorld) -> None:
    # given a case, and a patient who chooses other classes meanwhile
    case = place.open(world.doctor)
    place.patient.set_emergency([each.member for each in place.custodians], need=2, classes=[LAB, VITALS])

    # when
    [decision] = place.custody(0).serve_once()

    # then
    assert decision.reason.endswith(f"took the place of version {case.version} of the bundle")
    assert place.responder(world.doctor).glass.releases(case.number) == []


# property E5
def test_custodians__who_were_chosen_no_more__open_nothing_that_is_written_then(
    place: Ward, world: HealthWorld
) -> None:
    # given all three old custodians, who keep every byte and put the key together without any case
    old = place.patient.chain.bundle(place.pseudonym, world.store)
    assert old.escrow is not None
    held = [old.escrow.share(each.identity) for each in place.custodians]
    key = identity_of(shares.join(each.words for each in held if each is not None))
    assert old.capsule(key) is not None

    # when the patient chooses others
    others = [custodian(world).member for _ in range(2)]
    place.patient.set_emergency(others, need=2, classes=[LAB])
    newer = place.write(LAB, b"the next result")

    # then
    capsule = old.capsule(key)
    assert capsule is not None
    reader = EmergencyReader(
        account=world.doctor.address,
        identity=key,
        book=world.doctor.book(world.folder / "thieves", chain=world.chain("thieves")),
        recipient=key.recipient,
        chain=world.chain("thieves"),
        store=world.store,
        folder=world.folder / "thieves",
    )
    reader.begin(old)
    with pytest.raises(NotOpened):
        reader.unsafe_try(place.pseudonym, newer)


def test_set_emergency__with_a_new_card__the_former_one_opens_nothing(place: Ward, world: HealthWorld) -> None:
    # given a case under the card that was lost
    former, members = place.pseudonym, [each.member for each in place.custodians]
    place.open(world.doctor)

    # when
    place.patient.set_emergency(members, need=2, classes=[LAB], new_card=True)

    # then the patient still hears of it, nobody releases, and only the new card is one
    [alarm] = place.patient.broken_glass()
    assert alarm.clinician == world.doctor.address
    assert place.release(0) == [False]
    with pytest.raises(NoEmergency):
        place.open(world.colleague, pseudonym=former)
    case = place.open(world.colleague)
    place.release(0, 1)
    reader = place.responder(world.colleague).reader(case.number)
    assert (case.pseudonym != former, opened(place, reader, place.records[str(LAB)])) == (True, b"potassium 5.9")


# -- beside other readers --------------------------------------------------------------------------------------------


# property E11
def test_revoke__with_an_escrow__locks_the_reader_out_and_the_emergency_in(place: Ward, world: HealthWorld) -> None:
    # given a doctor who is granted what the escrow holds
    place.patient.grant(world.doctor.address, classes=[LAB], purpose=TREAT, end=world.in_days(30))
    granted = place.patient.vault.sharings[0].pseudonym
    doctor = world.reader(world.doctor, "doctor")
    doctor.learn(granted)

    # when
    place.patient.revoke(world.doctor.address, purpose=TREAT)
    newer = place.write(LAB, b"the next result")

    # then
    with pytest.raises(NotOpened):
        doctor.unsafe_try(granted, newer)
    case = place.open(world.colleague)
    place.release(0, 2)
    assert opened(place, place.responder(world.colleague).reader(case.number), newer) == b"the next result"


# property E11
def test_expiry__with_an_escrow__locks_the_reader_out_with_the_phone_off(place: Ward, world: HealthWorld) -> None:
    # given
    place.patient.grant(world.doctor.address, classes=[LAB], purpose=TREAT, end=world.in_hours(2))
    granted = place.patient.vault.sharings[0].pseudonym
    doctor = world.reader(world.doctor, "doctor")
    doctor.learn(granted)

    # when
    world.travel(3 * HOUR)
    newer = place.write(LAB, b"the next result")

    # then
    with pytest.raises(NotOpened):
        doctor.unsafe_try(granted, newer)
    assert opened(place, broken(place), newer) == b"the next result"


# property E4
def test_escrow__opens_no_further_than_its_end__where_rows_split(place: Ward, world: HealthWorld) -> None:
    # given what k custodians could put together today
    account = place.patient.vault.accounts[place.pseudonym]
    end = account.publications[-1].escrow_end
    reader = broken(place)
    hour = place.patient.chain.hour()

    # when the phone stays off until then
    source = place.patient.vault.account_for("writer:1")
    assert source is not None
    starts = source.publications[-1].starts

    # then
    assert end % ESCROW_STEP == 0
    assert hour + 60 * 24 <= end <= source.publications[-1].until
    assert end in starts or end == source.publications[-1].until
    openings = [each for each in reader._load(place.pseudonym).openings.values() if each.source == source.pseudonym]
    assert openings
    assert not any(each.nodes.covers(end) for each in openings)
    assert any(each.nodes.covers(end - 1) for each in openings)


# -- what is kept ----------------------------------------------------------------------------------------------------


def test_vault__with_an_emergency__comes_back_from_a_document(place: Ward, world: HealthWorld) -> None:
    broken(place)
    place.patient.watch()

    again = Vault.decode(place.patient.vault.encode())

    assert again.emergency == place.patient.vault.emergency
    assert again.emergency is not None
    assert again.emergency.handled == (1,)
    assert again.escrow_reader() == place.patient.vault.escrow_reader()


# property E12
def test_restore__the_escrow_is_sealed_anew_to_the_same_custodians(place: Ward, world: HealthWorld) -> None:
    # given a vault as the backup has it, after the phone was lost
    decided = place.patient.vault.emergency
    place.patient.vault = Vault.decode(place.patient.vault.encode())
    place.patient._filing._vault = place.patient.vault
    before = place.patient.vault.escrow_reader()

    # when
    place.patient.recover()
    newer = place.write(LAB, b"after the restore")

    # then
    assert place.patient.vault.emergency == decided
    assert place.patient.vault.escrow_reader() not in ("", before)
    assert opened(place, broken(place), newer) == b"after the restore"


def test_revoke_all__voids_the_case_and_makes_a_new_escrow(place: Ward, world: HealthWorld) -> None:
    # given
    reader = broken(place)

    # when
    place.patient.revoke_all()
    newer = place.write(LAB, b"the next result")

    # then
    with pytest.raises(NotGranted, match="revoked everything"):
        opened(place, reader, place.records[str(LAB)])
    with pytest.raises(NotOpened):
        reader.unsafe_try(place.pseudonym, newer)
    case = place.open(world.colleague)
    place.release(0, 1)
    assert opened(place, place.responder(world.colleague).reader(case.number), newer) == b"the next result"


# -- a custodian that is killed --------------------------------------------------------------------------------------


# property E6
def test_custodian__killed_before_it_sends__releases_once_what_it_wrote_down(place: Ward, world: HealthWorld) -> None:
    # given
    case = place.open(world.doctor)

    class Dead:
        def send(self, *_: object, **__: object) -> None:
            raise Killed

    with pytest.raises(Killed):
        place.custody(0, sender=Dead()).serve_once()
    [kept] = (world.folder / "custodian-0").glob("*.share")
    sealed = kept.read_bytes()

    # when
    assert place.release(0) == [True]
    assert place.release(0) == [False]

    # then it is the very file that was written down, and there is one release
    [release] = place.responder(world.doctor).glass.releases(case.number)
    assert world.store.get_digest(release.share).read() == sealed
    assert list((world.folder / "custodian-0").glob("*.share")) == []


def test_custodian__killed_before_it_hands_out__does_so_at_its_next_start(place: Ward, world: HealthWorld) -> None:
    # given
    case = place.open(world.doctor)

    class Lost:
        def __getattr__(self, name: str) -> object:
            if name == "put":
                raise Killed
            return getattr(world.store, name)

    with pytest.raises(Killed):
        place.custody(0, store=Lost()).serve_once()
    waiting = place.responder(world.doctor).collect(case.number)

    # when
    place.release(0, 1)

    # then
    assert (waiting.good, waiting.waiting) == ((), (place.custodians[0].member,))
    assert len(place.responder(world.doctor).glass.releases(case.number)) == 2
    assert place.responder(world.doctor).collect(case.number).opened


# property E6
def test_withdraw__a_share_is_nowhere_before_the_chain_has_its_release(place: Ward, world: HealthWorld) -> None:
    # given a custodian that is about to send, and a clinician who sees it coming and takes the case back
    case = place.open(world.doctor)
    seen: list[bool] = []

    class Slow:
        def send(self, call: object, **_: object) -> None:
            seen.append(any(world.store.get(cid).read().startswith(b"age-") for cid in fresh()))
            place.responder(world.doctor).withdraw(case.number, sender=place.sender(world.doctor))
            place.sender(place.custodians[0]).send(call)  # type: ignore[arg-type]

    before = set(world.store.pins())

    def fresh() -> set[object]:
        return set(world.store.pins()) - before

    # when
    [decision] = place.custody(0, sender=Slow()).serve_once()

    # then nothing was handed out, and nothing is kept
    assert seen == [False]
    assert not decision.released
    assert fresh() == set()
    assert list((world.folder / "custodian-0").glob("*.share")) == []


def test_withdraw__once_a_share_was_released__is_refused(place: Ward, world: HealthWorld) -> None:
    case = place.open(world.doctor)
    place.release(0)

    with pytest.raises(Reverted, match="HasReleases"):
        place.responder(world.doctor).withdraw(case.number, sender=place.sender(world.doctor))

"""Recovery with guardians: wallet lost, vault lost, both; who is refused, and what reads on."""

import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from health_world import DAY, LAB, MENTAL, TREAT, VITALS, HealthWorld, register, renewed, write
from recovery_world import Helper, approvals, client, guarded, helpers, new_wallet, restored, saved

from theriac.errors import (
    BadGuardians,
    BadShare,
    NoGuardians,
    NoMatchingIdentity,
    NoMove,
    NotOpened,
    NotYours,
    Reverted,
    TooFewShares,
    UnknownRecord,
)
from theriac.health import bundle as bundles
from theriac.health import records
from theriac.health.backup import backups, home_of, open_by_shares, sealed_backup
from theriac.health.chain import Refusal, Signed, sign
from theriac.health.guardians import Object, SetGuardians
from theriac.health.hours import seconds_of
from theriac.health.keystore import share_in
from theriac.health.messages import Freshness, Grant, HandOver, Publish, RevokeEverything
from theriac.health.patient import Patient
from theriac.health.pleas import Plea
from theriac.health.scope import REFERRAL, bit_of
from theriac.health.vault import Sharing, Vault
from theriac.health.wallet import SingleWallet
from theriac.health.writer import Registered, Writer
from theriac.ledger.signer import KeySigner

NOBODY = "0x" + "00" * 20


@dataclass
class Life:
    """A patient with records by a clinic, a doctor who reads some of them, and four guardians; two are enough."""

    world: HealthWorld
    patient: Patient
    clinic: Writer
    desk: Registered
    people: list[Helper]
    granted: Sharing
    before: str
    one: str
    end: datetime

    @property
    def home(self) -> str:
        return self.patient.vault.home().pseudonym

    def recover(self, lost: Patient, *, who: int = 2) -> list[str]:
        """Guardians help a client's new wallet to the pseudonyms; which it then has."""
        lost.start_recovery(approvals(self.world, lost, self.people[:who]))
        self.world.travel(14 * DAY)
        return lost.finish_recovery()

    def doctor_opens(self, digest: str) -> bytes:
        doctor = self.world.reader(self.world.doctor, "the doctor's device")
        doctor.learn(self.granted.pseudonym)
        return doctor.open(self.granted.pseudonym, digest, purpose=TREAT).read()

    def doctor_reads_on(self, patient: Patient) -> None:
        """The doctor's grant stands in the same window, and opens what was."""
        grant = patient.chain.grant(self.granted.pseudonym, self.world.doctor.address, TREAT)
        assert grant["era"] == patient.chain.authority(self.granted.pseudonym).era
        assert (grant["start"], grant["expiry"]) == (seconds_of(self.granted.start), int(self.end.timestamp()))
        assert patient.watch().alarms == ()
        assert self.doctor_opens(self.before) == b"before"

    def everything_reads_on(self, patient: Patient) -> None:
        """The same grants in the same windows open what was and what comes; the desk writes on; new keys everywhere."""
        doctor, colleague = self.world.doctor.address, self.world.colleague.address
        single = next(each.pseudonym for each in patient.vault.singles)
        chain = patient.chain
        assert chain.explain(self.granted.pseudonym, doctor, 1 << bit_of(LAB), TREAT) is Refusal.NONE
        assert chain.grant(self.granted.pseudonym, doctor, TREAT)["start"] == seconds_of(self.granted.start)
        assert chain.grant(self.granted.pseudonym, doctor, TREAT)["expiry"] == int(self.end.timestamp())
        after = write(self.clinic, self.clinic.patient(self.desk.pseudonym), b"after")
        found = patient.watch()
        assert found.alarms == ()
        assert after in {each.digest for each in found.filed}
        assert self.doctor_opens(self.before) == b"before"
        assert self.doctor_opens(after) == b"after"
        with pytest.raises(NotOpened):
            self.doctor_opens(self.one)
        reader = self.world.reader(self.world.colleague, "the colleague's device")
        reader.learn(single)
        assert reader.open(single, self.one, purpose=TREAT).read() == b"one record"
        assert colleague != doctor


def begun(world: HealthWorld) -> Life:
    patient, clinic, people = world.patient(), world.writer(world.clinic), helpers()
    desk = register(patient, clinic)
    guarded(world, patient, people)
    before = write(clinic, desk, b"before")
    patient.watch()
    end = world.in_days(60)
    granted = patient.grant(world.doctor.address, classes=[LAB], purpose=TREAT, end=end)
    one = write(clinic, desk, b"one record", cls=MENTAL)
    patient.watch()
    patient.share_record(one, world.colleague.address, purpose=TREAT, end=world.in_days(50))
    patient.watch()
    return Life(world, patient, clinic, desk, people, granted, before, one, end)


@pytest.fixture(scope="module")
def few_dummies() -> Iterator[None]:
    # Dummies cost most of the time and hold nothing.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundles, "_CROWD", 1)
        yield


@pytest.fixture(scope="module")
def begun_life(founded: HealthWorld, tmp_path_factory: Any, few_dummies: None) -> Iterator[Life]:
    """The same for all tests of this file; each gets a copy."""
    with renewed(founded, tmp_path_factory.mktemp("begun")) as world:
        yield begun(world)


@pytest.fixture
def world(begun_life: Life, tmp_path: Path) -> Iterator[HealthWorld]:
    shutil.copytree(begun_life.world.folder / "clinic", tmp_path / "clinic")
    with renewed(begun_life.world, tmp_path) as found:
        yield found


@pytest.fixture
def life(begun_life: Life, world: HealthWorld) -> Life:
    vault = Vault.decode(begun_life.patient.vault.encode())
    patient = client(world, vault, begun_life.patient._wallet, name="patient")
    return replace(begun_life, world=world, patient=patient, clinic=world.writer(world.clinic))


def seeds_of(vault: Vault) -> set[bytes]:
    """Everything secret that can be sealed to or signed with."""
    found = {vault.publisher(account).key for account in vault.accounts.values()}
    for account in vault.accounts.values():
        found |= set(account.inboxes.values())
        found |= {tree.newest.seed for tree in account.trees.values()}
        found |= {tree.following for tree in account.trees.values()}
    return found


# -- the three cases -------------------------------------------------------------------------------------------------


# properties V14, V15
def test_recovery__wallet_lost__every_pseudonym_gets_a_new_wallet_and_new_keys(world: HealthWorld, life: Life) -> None:
    # given the vault, and no words any more
    former, secrets = life.patient.vault.encode(), seeds_of(life.patient.vault)
    lost = client(world, Vault.decode(former), new_wallet())
    lost.begin_recovery(from_backup=False)

    # when
    done = life.recover(lost)

    # then
    assert set(done) == set(lost.vault.accounts)
    assert lost.vault.moving is None
    for account in lost.vault.accounts.values():
        authority = lost.chain.authority(account.pseudonym)
        assert authority.controller == lost._signer(account).address != account.pseudonym
        assert (authority.era, authority.frozen) == (1, False)
        assert lost.chain.publisher(account.pseudonym)[0] == lost.vault.publisher(account).address
        assert lost.chain.digest(account.pseudonym).hex() == account.publications[-1].digest
    assert not seeds_of(lost.vault) & secrets
    life.everything_reads_on(lost)


def test_recovery__vault_lost__guardians_shares_bring_it_back(world: HealthWorld, life: Life) -> None:
    # given the words, and a forgotten passphrase
    wallet, secrets = life.patient._wallet, seeds_of(life.patient.vault)
    home = home_of(world.chain("new device"), str(wallet.signer(0).address))

    # when
    back = client(world, restored(world, life.people[1:3], home), wallet)
    back.recover()

    # then
    assert home == life.home
    assert back.vault.moving is None
    assert not seeds_of(back.vault) & secrets
    assert back.chain.authority(home).era == 0
    life.doctor_reads_on(back)


def test_recovery__both_lost__from_the_name_of_her_home_alone(world: HealthWorld, life: Life) -> None:
    # given nothing but what each guardian keeps: its words, its identity and the address of her home
    secrets = seeds_of(life.patient.vault)
    lost = client(world, restored(world, life.people[2:], life.home), new_wallet())
    lost.begin_recovery(from_backup=True)

    # when
    done = life.recover(lost, who=3)

    # then
    assert set(done) == set(lost.vault.accounts)
    assert not seeds_of(lost.vault) & secrets
    life.everything_reads_on(lost)
    contents = {lost.open(entry).read() for entry in lost.vault.listed()}
    assert contents == {b"before", b"one record", b"after"}


def test_recovery__with_one_account_for_everything(world: HealthWorld) -> None:
    # given a hardware wallet that is broken
    patient, clinic, people = world.patient(single=True), world.writer(world.clinic), helpers()
    desk = register(patient, clinic)
    guarded(world, patient, people)
    patient.grant(world.doctor.address, classes=[LAB], purpose=TREAT, end=world.in_days(60))
    lost = client(world, Vault.decode(patient.vault.encode()), SingleWallet(KeySigner(Account.create())))
    lost.begin_recovery(from_backup=False)

    # when
    lost.start_recovery(approvals(world, lost, people[:2]))
    world.travel(14 * DAY)
    done = lost.finish_recovery()

    # then
    assert done == [desk.pseudonym]
    digest = write(clinic, clinic.patient(desk.pseudonym), b"after")
    lost.watch()
    doctor = world.reader(world.doctor, "doctor")
    doctor.learn(desk.pseudonym)
    assert doctor.open(desk.pseudonym, digest, purpose=TREAT).read() == b"after"


def test_recovery__afterwards_everything_works_by_the_new_wallet(world: HealthWorld, life: Life) -> None:
    # given a pseudonym whose controller is another account
    lost = client(world, Vault.decode(life.patient.vault.encode()), new_wallet())
    lost.begin_recovery(from_backup=False)
    life.recover(lost)

    assert life.doctor_opens(life.before) == b"before"

    # then she is introduced anew, reports, narrows, revokes, grants, rotates and revokes all
    desk = register(lost, life.clinic)
    hospital = world.writer(world.hospital, "hospital")
    other = register(lost, hospital)
    assert desk.pseudonym == life.desk.pseudonym
    assert lost.chain.authority(other.pseudonym).controller == other.pseudonym
    manifest = records.Manifest("", str(LAB), "text/plain", 0, "", 0, "", title="diary")
    own = lost.add(io.BytesIO(b"of my own"), manifest)
    assert lost.open(own).read() == b"of my own"
    lost.narrow(lost.vault.sharings[0], end=world.in_days(20))
    lost.revoke(world.doctor.address, purpose=TREAT)
    shut = write(life.clinic, desk, b"shut")
    lost.watch()
    with pytest.raises(NotOpened):
        world.reader(world.doctor, "the doctor's device").unsafe_try(life.granted.pseudonym, shut)
    lost.grant(world.doctor.address, classes=[VITALS], purpose=TREAT, end=world.in_days(30))
    lost.rotate(rewrite=True)
    lost.revoke_all()
    account = lost.vault.accounts[desk.pseudonym]
    lost.replace_publisher(account)
    assert lost.watch().alarms == ()

    # and the new words alone find home again
    assert home_of(lost.chain, str(lost._wallet.signer(0).address)) == life.home


# -- what does not work ----------------------------------------------------------------------------------------------


# property V13
def test_shares__one_too_few_open_nothing(world: HealthWorld, life: Life) -> None:
    with pytest.raises(TooFewShares) as refusal:
        restored(world, life.people[:1], life.home)

    assert (refusal.value.given, refusal.value.needed) == (1, 2)


# property V13
def test_shares__of_a_stranger_and_of_somebody_elses_guardian(world: HealthWorld, life: Life) -> None:
    with pytest.raises(NoMatchingIdentity):
        Helper("stranger").keeper(world, life.home).words()

    # given somebody else with guardians of her own
    other, theirs = world.patient("other"), helpers()
    other.set_guardians([each.card() for each in theirs], threshold=2)
    words = [each.keeper(world, other.vault.home().pseudonym).words()[0] for each in theirs[:2]]
    with pytest.raises(BadShare):
        open_by_shares(backups(other.chain, world.store, life.home), words)


# property V17
def test_approve__what_is_not_the_guardians(world: HealthWorld, life: Life) -> None:
    # given a thief who asks for the patient's pseudonyms in the name of her guardians
    lost = client(world, Vault.decode(life.patient.vault.encode()), new_wallet())
    lost.begin_recovery(from_backup=False)
    plea = next(each for each in lost.pleas() if each.guardian == life.people[0].name)
    keeper = life.people[0].keeper(world, life.home)
    item = plea.items[0]
    made_up = replace(item.terms.guardians, threshold=3)
    wrong: dict[str, Plea] = {
        "it is the home of somebody else": replace(plea, home=life.desk.pseudonym),
        "the account that is to sign is not yours": replace(
            plea, items=(replace(item, account=str(life.people[1].signer(item.place).address)),)
        ),
        "the guardians named are not those": replace(
            plea, items=(replace(item, terms=replace(item.terms, guardians=made_up)),)
        ),
        "another recovery": replace(plea, items=(replace(item, terms=replace(item.terms, round=2)),)),
        "its time is over": replace(plea, items=(replace(item, terms=replace(item.terms, deadline=world.now())),)),
    }

    # then
    for fault, changed in wrong.items():
        with pytest.raises(NotYours) as refusal:
            keeper.approve(changed)
        assert fault in refusal.value.fault
    with pytest.raises(NotYours):
        life.people[1].keeper(world, life.home).approve(plea)
    keeper.approve(plea)


# property V4
def test_start__with_one_guardian_and_with_what_others_signed(world: HealthWorld, life: Life) -> None:
    # given a guardian who signs, and another whose signatures were made by a stranger
    lost = client(world, Vault.decode(life.patient.vault.encode()), new_wallet())
    lost.begin_recovery(from_backup=False)
    right, other = approvals(world, lost, life.people[:2])
    forged = replace(other, items=tuple(replace(each, signature=bytes(65)) for each in other.items))

    # then nothing starts
    assert lost.start_recovery([right]) == []
    assert lost.start_recovery([right, forged]) == []
    assert not lost.chain.authority(life.home).frozen
    assert set(lost.start_recovery([right, other])) == set(lost.vault.accounts)


# properties V9, V14
def test_finish__a_thief_with_the_wallet_objects_and_loses(world: HealthWorld, life: Life) -> None:
    # given a thief who has the words: he hands a pseudonym to himself, raises eras, and objects to everything
    thief = client(world, Vault.decode(life.patient.vault.encode()), life.patient._wallet, name="thief")
    lost = client(world, Vault.decode(life.patient.vault.encode()), new_wallet())
    own, account = KeySigner(Account.create()), thief.vault.accounts[life.desk.pseudonym]
    move = HandOver(account.pseudonym, own.address, NOBODY, True, 1, 0, world.now() + 900)
    world.relay.carry(sign(thief.chain, move, thief._signer(account), own))
    lost.begin_recovery(from_backup=False)
    lost.start_recovery(approvals(world, lost, life.people[:2]))
    objection = Object(account.pseudonym, 1, 0, world.now() + 900)
    world.relay.carry(sign(thief.chain, objection, own))
    objected = thief.object_to_recovery()
    assert set(objected) == set(lost.vault.accounts) - {account.pseudonym}
    assert thief.object_to_recovery() == []

    # when two are too few then, and a third one helps
    world.travel(14 * DAY)
    assert lost.finish_recovery() == []
    assert set(lost.start_recovery(approvals(world, lost, life.people[2:3]))) == set(lost.vault.accounts)
    done = lost.finish_recovery()

    # then the thief has nothing left: neither the wallet nor his own, nor the vault's publishers
    assert set(done) == set(lost.vault.accounts)
    for each in thief.vault.accounts.values():
        publication = Publish(
            each.pseudonym, lost.chain.authority(each.pseudonym).version + 1, bytes([1]) * 32, 1, world.now() + 900
        )
        each.publisher_serial += 1
        for signer in (thief._signer(each), own, KeySigner(thief.vault.publisher(each))):
            with pytest.raises(Reverted):
                world.relay.carry(sign(lost.chain, publication, signer))
    life.doctor_reads_on(lost)


# property V10
def test_finish__guardians_against_a_present_patient_lose(world: HealthWorld, life: Life) -> None:
    # given two guardians who conspire with a thief of the vault
    thief = client(world, Vault.decode(life.patient.vault.encode()), new_wallet(), name="thief")
    thief.begin_recovery(from_backup=False)
    thief.start_recovery(approvals(world, thief, life.people[:2]))

    # when the patient looks
    alarms = life.patient.watch().alarms
    assert {each.pseudonym for each in alarms} == set(life.patient.vault.accounts)
    assert set(life.patient.object_to_recovery()) == set(life.patient.vault.accounts)
    world.travel(28 * DAY)
    assert thief.finish_recovery() == []

    # then it is over, and she goes on as before
    assert set(life.patient.lapse_recoveries()) == set(life.patient.vault.accounts)
    assert life.patient.watch().alarms == ()
    life.patient.revoke(world.doctor.address, purpose=TREAT)


def test_withdraw__guardians_who_were_deceived_take_it_back(world: HealthWorld, life: Life) -> None:
    # given
    thief = client(world, Vault.decode(life.patient.vault.encode()), new_wallet(), name="thief")
    thief.begin_recovery(from_backup=False)
    plea = next(each for each in thief.pleas() if each.guardian == life.people[0].name)
    thief.start_recovery(approvals(world, thief, life.people[:2]))

    # when
    for message, signature in life.people[0].keeper(world, life.home).withdrawals(plea):
        world.relay.carry(Signed(message, (signature,)))

    # then
    assert not any(life.patient.chain.pending(each).controller for each in life.patient.vault.accounts)
    assert life.people[0].keeper(world, life.home).withdrawals(plea) == []


# property V15
def test_recovery__what_a_thief_granted_meanwhile_is_not_granted_again(world: HealthWorld, life: Life) -> None:
    # given a thief who revokes the doctor's grant on the chain and grants to a friend
    wallet = life.patient._wallet
    account = life.patient.vault.accounts[life.granted.pseudonym]
    chain, friend = life.patient.chain, world.hospital.address
    end = int(world.in_days(40).timestamp())
    grant = Grant(account.pseudonym, friend, TREAT, 1 << bit_of(LAB), 0, end, Freshness(0, 0, world.now() + 900))
    world.relay.carry(sign(chain, grant, wallet.signer(account.place)))
    lost = client(world, Vault.decode(life.patient.vault.encode()), new_wallet())
    lost.begin_recovery(from_backup=False)

    # when
    life.recover(lost)

    # then
    assert chain.explain(account.pseudonym, friend, 1 << bit_of(LAB), TREAT) is Refusal.ERA_RAISED
    life.doctor_reads_on(lost)


# property V19
@pytest.mark.parametrize("how", ["restore", "recovery"])
@pytest.mark.parametrize("change", ["revoked", "narrowed", "all revoked", "single revoked"])
def test_recovery__from_a_backup_of_before_a_grant_was_changed__does_not_grant_it_again(
    world: HealthWorld, life: Life, change: str, how: str
) -> None:
    # given a backup, after which something was revoked, and then the phone was lost, or everything
    backup, patient = Vault.decode(life.patient.vault.encode()), life.patient
    doctor, colleague = world.doctor.address, world.colleague.address
    single = next(each.pseudonym for each in patient.vault.singles)
    {
        "revoked": lambda: patient.revoke(doctor, purpose=TREAT),
        "narrowed": lambda: patient.grant(doctor, classes=[LAB], purpose=TREAT, end=life.end, history=False),
        "all revoked": patient.revoke_all,
        "single revoked": lambda: patient.revoke(colleague, purpose=TREAT),
    }[change]()
    lost = client(world, backup, new_wallet() if how == "recovery" else patient._wallet, name="another phone")

    # when she has her pseudonyms again, by guardians or by her words
    if how == "recovery":
        lost.begin_recovery(from_backup=True)
        life.recover(lost)
    else:
        lost.recover()
    after = write(life.clinic, life.clinic.patient(life.desk.pseudonym), b"after")
    assert after in {each.digest for each in lost.watch().filed}

    # then who lost something still has not got it, and who did not reads on
    readers = {each.reader for each in [*lost.vault.sharings, *lost.vault.singles]}
    gone = {"all revoked": {doctor, colleague}, "single revoked": {colleague}}.get(change, {doctor})
    assert readers == {doctor, colleague} - gone
    if doctor in gone:
        refusal = lost.chain.explain(life.granted.pseudonym, doctor, 1 << bit_of(LAB), TREAT)
        # The chain cannot say since when history may be read, so that a grant from now on is left as it stands.
        assert (refusal is not Refusal.NONE) or (change, how) == ("narrowed", "restore")
        device = world.reader(world.doctor, "the doctor's device")
        device.learn(life.granted.pseudonym)
        for digest in (life.before, after):
            with pytest.raises((NotOpened, UnknownRecord)):
                device.unsafe_try(life.granted.pseudonym, digest)
    else:
        assert life.doctor_opens(life.before) == b"before"
    device = world.reader(world.colleague, "the colleague's device")
    device.learn(single)
    if colleague in gone:
        with pytest.raises((NotOpened, UnknownRecord)):
            device.unsafe_try(single, life.one)
    else:
        assert device.open(single, life.one, purpose=TREAT).read() == b"one record"


# property V18
def test_shares__a_thief_who_names_another_backup_or_none_hides_nothing(world: HealthWorld, life: Life) -> None:
    # given a thief of the wallet who has home name a vault of his own, sealed to the same guardians, and then none
    thief = client(world, Vault.decode(life.patient.vault.encode()), life.patient._wallet, name="thief")
    before = {entry.digest for entry in thief.vault.listed()}
    home = thief.vault.home()
    thief.vault.entries = {}
    thief._take(replace(thief._guardianship(), serial=2))
    thief._publish(home)
    home.backup = ""
    thief._publish(home)
    assert not thief.chain.bundle(life.home, world.store).backup

    # when guardians give the shares of all backups that they find
    words = [share for each in life.people[:2] for share in each.keeper(world, life.home).words()]
    found = [open_by_shares(backups(thief.chain, world.store, life.home), words, skip=skip) for skip in (0, 1)]

    # then hers is among what they open
    assert [{entry.digest for entry in vault.listed()} for vault in found] == [set(), before]


def test_begin__another_change_of_keys_does_not_forget_the_first(world: HealthWorld, life: Life) -> None:
    lost = client(world, Vault.decode(life.patient.vault.encode()), new_wallet())
    lost.begin_recovery(from_backup=False)

    for act in (
        lambda: lost.set_guardians([each.card() for each in helpers()], threshold=2),
        lost.drop_guardians,
        lost.hand_over,
    ):
        with pytest.raises(NoMove):
            act()


def test_watch__tells_of_a_wallet_that_took_over(world: HealthWorld, life: Life) -> None:
    account, other = life.patient.vault.own(), KeySigner(Account.create())
    move = HandOver(account.pseudonym, other.address, NOBODY, True, 1, 0, world.now() + 900)
    world.relay.carry(sign(life.patient.chain, move, life.patient._signer(account), other))

    alarms = life.patient.guardian_alarms()

    assert [(each.pseudonym, each.what) for each in alarms] == [(account.pseudonym, "Another wallet was made to rule")]


# -- guardians that change -------------------------------------------------------------------------------------------


def test_set_guardians__who_cannot_be(world: HealthWorld, life: Life) -> None:
    cards = [each.card() for each in helpers(5)]

    for threshold, chosen in ((1, cards), (4, cards), (2, cards[:2]), (3, cards[:3]), (2, [*cards[:2], cards[0]])):
        with pytest.raises(BadGuardians):
            life.patient.set_guardians(chosen, threshold=threshold)
    assert life.patient.vault.guardians is not None
    assert len(life.patient.vault.guardians.guardians) == 4


# properties V13, V14
def test_set_guardians__others__the_former_shares_open_only_former_backups(world: HealthWorld, life: Life) -> None:
    # given
    home, secrets = life.home, seeds_of(life.patient.vault)
    old = sealed_backup(life.patient.chain, world.store, home)
    words = [each.keeper(world, home).words()[0] for each in life.people[:2]]

    # when
    others = helpers(3)
    life.patient.set_guardians([each.card() for each in others], threshold=2)

    # then what they open holds no key that is used any more
    new = sealed_backup(life.patient.chain, world.store, home)
    assert seeds_of(open_by_shares([old], words)) == secrets
    with pytest.raises(BadShare):
        open_by_shares([new], words)
    with pytest.raises(NoMatchingIdentity):
        share_in(new, [life.people[0].identity], home=home)
    assert not seeds_of(restored(world, others[:2], home)) & secrets
    life.doctor_reads_on(life.patient)

    # and on the chain they count until the others do
    counts = {each.pseudonym: each for each in life.patient.standings()}
    assert all(each.guarded and each.since > world.now() + 29 * DAY for each in counts.values())


def test_set_guardians__a_new_pseudonym_is_guarded_too(world: HealthWorld, life: Life) -> None:
    hospital = world.writer(world.hospital, "hospital")
    desk = register(life.patient, hospital)

    guard = life.patient.chain.guard(desk.pseudonym)
    assert guard.guardians == life.patient.vault.accounts[desk.pseudonym].guarding[-1].set.hash
    assert all(each.guarded for each in life.patient.standings())


# property V3
def test_set_guardians__of_two_pseudonyms_have_nothing_in_common(world: HealthWorld, life: Life) -> None:
    # given what the chain has, and what would be shown
    accounts = list(life.patient.vault.accounts.values())
    hashes = [life.patient.chain.guard(each.pseudonym).guardians for each in accounts]
    shown = [account for each in accounts for account in each.guarding[-1].set.accounts]
    salts = [each.guarding[-1].salt for each in accounts]

    # then
    assert len(accounts) > 3
    assert len(set(hashes)) == len(accounts)
    assert len(set(shown)) == 4 * len(accounts)
    assert len(set(salts)) == len(accounts)
    times = {each.arguments["since"] for each in life.patient.chain.index.events("Recovery", "GuardiansSet")}
    assert len(times) == len(accounts)


def test_set_guardians__on_paper_and_with_a_plain_account(world: HealthWorld) -> None:
    # given two guardians without a computer, and one with an account of its own
    patient = world.patient()
    people = [
        Helper("paper 1", paper=True),
        Helper("paper 2", paper=True),
        Helper("c", plain=KeySigner(Account.create())),
    ]
    printed = {each.name: each.words for each in patient.set_guardians([each.card() for each in people], threshold=2)}
    world.travel(30 * DAY)
    home = patient.vault.home().pseudonym

    # when
    words = [printed["paper 1"], people[2].keeper(world, home).words()[0]]
    lost = client(world, open_by_shares(backups(patient.chain, world.store, home), words), new_wallet())
    lost.begin_recovery(from_backup=True)
    lost.start_recovery(approvals(world, lost, people[1:]))
    world.travel(14 * DAY)

    # then the new device is theirs to open again, by the same paper: nobody has printed another
    assert set(lost.finish_recovery()) == set(lost.vault.accounts)
    newest = sealed_backup(patient.chain, world.store, home)
    again = open_by_shares([newest], [printed["paper 1"], printed["paper 2"]])
    assert seeds_of(again) == seeds_of(lost.vault)


def test_drop_guardians__nobody_opens_it_any_more(world: HealthWorld, life: Life) -> None:
    life.patient.drop_guardians()

    with pytest.raises(NoMatchingIdentity):
        share_in(sealed_backup(life.patient.chain, world.store, life.home), [life.people[0].identity], home=life.home)
    world.travel(30 * DAY)
    assert not any(each.guarded for each in life.patient.standings())
    assert life.patient.watch().alarms == ()
    with pytest.raises(NoGuardians):
        life.patient.renew_guardians()


def test_watch__tells_of_guardians_that_a_thief_set(world: HealthWorld, life: Life) -> None:
    # given
    account = life.patient.vault.own()
    message = SetGuardians(account.pseudonym, bytes([7]) * 32, 1, 0, world.now() + 900)
    world.relay.carry(sign(life.patient.chain, message, life.patient._signer(account)))

    # then she is told, and her own are named again at once
    alarms = life.patient.guardian_alarms()
    assert [(each.pseudonym, each.what) for each in alarms] == [(account.pseudonym, "Other guardians were set")]
    life.patient.guard_accounts()
    assert life.patient.guardian_alarms() == ()
    world.travel(30 * DAY)
    assert all(each.guarded for each in life.patient.standings())


# -- a wallet that hands over ----------------------------------------------------------------------------------------


# property V14
@pytest.mark.parametrize("keep", [True, False], ids=["grants kept", "grants ended"])
def test_hand_over__every_key_is_new(world: HealthWorld, life: Life, keep: bool) -> None:
    # given a child who comes of age: who held the words and the vault holds them on
    parent = Vault.decode(life.patient.vault.encode())
    assert life.doctor_opens(life.before) == b"before"
    [mother] = life.patient.others.appoint(
        [Account.create().address],
        name="mother",
        classes=(LAB,),
        purposes=[TREAT],
        end=world.in_days(100),
        ages=world.in_days(500),
    )
    old_backup = sealed_backup(life.patient.chain, world.store, life.home)
    secrets = seeds_of(parent)
    grown = client(world, Vault.decode(life.patient.vault.encode()), new_wallet(), former=life.patient._wallet)

    # when
    grown.hand_over(keep_grants=keep, keep_guardians=keep)

    # then nothing that the former wallet or the former vault holds is worth anything, and nobody acts for her
    assert grown.vault.moving is None
    assert grown.vault.mandates == []
    assert grown.chain.parent(mother.pseudonym, mother.by)["expiry"] == 0
    assert not seeds_of(grown.vault) & secrets
    eras = {grown.chain.authority(each).era for each in grown.vault.accounts}
    assert eras == ({0} if keep else {1})
    signer = life.patient._signer(life.patient.vault.home())
    move = HandOver(life.home, signer.address, NOBODY, True, 2, eras.pop(), world.now() + 900)
    with pytest.raises(Reverted):
        world.relay.carry(sign(grown.chain, move, signer, signer))
    new_backup = sealed_backup(grown.chain, world.store, life.home)
    assert new_backup != old_backup
    if keep:
        life.everything_reads_on(grown)
        assert restored(world, life.people[:2], life.home).accounts.keys() == grown.vault.accounts.keys()
    else:
        assert grown.vault.sharings == []
        after = write(life.clinic, life.clinic.patient(life.desk.pseudonym), b"after")
        grown.watch()
        with pytest.raises(NotOpened):
            world.reader(world.doctor, "the doctor's device").unsafe_try(life.granted.pseudonym, after)
        with pytest.raises(NoMatchingIdentity):
            share_in(new_backup, [life.people[0].identity], home=life.home)


# property V15
def test_recovery__grants_again_what_stood_alone_and_as_it_was(world: HealthWorld, life: Life) -> None:
    # given a grant that may be referred on, and grants of others that stand under it and under a delegate
    patient = life.patient
    [own] = [each for each in patient.vault.sharings if each.granted]
    account, stranger = patient.vault.accounts[own.pseudonym], Account.create().address
    patient.vault.sharings = [
        replace(own, referable=True),
        replace(own, reader=stranger, through=own.reader),
        replace(own, reader=world.clinic.address, by=7),
    ]

    # when the era was raised, as a recovery raises it
    era = patient.chain.authority(account.pseudonym).era
    raised = RevokeEverything(account.pseudonym, era, world.now() + 900)
    world.relay.carry(sign(patient.chain, raised, patient._signer(account)))
    again = [each.message for each in patient._lacking_grants(account)]

    # then
    assert [(each.reader, each.scope >> REFERRAL & 1, each.by) for each in again] == [(own.reader, 1, 0)]
    assert [(each.start, each.expiry) for each in again] == [(seconds_of(own.start), seconds_of(own.end))]


def test_hand_over__from_nobody(world: HealthWorld, life: Life) -> None:
    with pytest.raises(NoMove):
        life.patient.hand_over()


# -- crashes ---------------------------------------------------------------------------------------------------------


class DyingRelay:
    """Dies after so many carries, before the last one lands or after."""

    def __init__(self, relay: Any, *, lives: int, lands: bool) -> None:
        self._relay, self._lives, self._lands = relay, lives, lands

    def carry(self, *signed: Signed) -> Any:
        if self._lives == 0 and not self._lands:
            raise TimeoutError
        receipt = self._relay.carry(*signed)
        if self._lives == 0:
            raise TimeoutError
        self._lives -= 1
        return receipt


# property V16
@pytest.mark.parametrize(("lives", "lands"), [(0, True), (4, False)])
def test_recovery__phone_dies_on_the_way__goes_on(world: HealthWorld, life: Life, lives: int, lands: bool) -> None:
    # given a recovery that can be finished, and a phone that dies at some point of it
    wallet = new_wallet()
    lost = client(world, Vault.decode(life.patient.vault.encode()), wallet)
    lost.begin_recovery(from_backup=False)
    lost.start_recovery(approvals(world, lost, life.people[:2]))
    world.travel(14 * DAY)
    lost._relay = DyingRelay(world.relay, lives=lives, lands=lands)
    with pytest.raises(TimeoutError):
        lost.finish_recovery()

    # when it is switched on again, from what it had saved
    again = client(world, saved(lost), wallet, name="again")
    again.resume()
    if again.vault.moving is not None:
        again.finish_recovery()

    # then
    assert again.vault.moving is None
    life.doctor_reads_on(again)


def test_recovery__some_pseudonyms_later_than_others(world: HealthWorld, life: Life) -> None:
    # given guardians who signed for home and the desk first
    lost = client(world, Vault.decode(life.patient.vault.encode()), new_wallet())
    lost.begin_recovery(from_backup=False)
    signed = approvals(world, lost, life.people[:2])
    first = {life.home, life.desk.pseudonym}
    some = [replace(each, items=tuple(item for item in each.items if item.pseudonym in first)) for each in signed]
    assert set(lost.start_recovery(some)) == first
    world.travel(5 * DAY)
    assert set(lost.start_recovery(signed)) == set(lost.vault.accounts) - first

    # when
    world.travel(9 * DAY)
    assert set(lost.finish_recovery()) == first
    lost.watch()
    world.travel(5 * DAY)
    done = lost.finish_recovery()

    # then
    assert set(done) == set(lost.vault.accounts)
    life.everything_reads_on(lost)

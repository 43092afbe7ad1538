"""A phone that dies on the way: it locks nobody out, and what it began is finished when it is switched on again."""

import pytest
from access_lives import LOCK_IDENTITY
from health_world import LAB, MENTAL
from paper_chain import HOUR
from test_access_machine import Access, SingleAccess

from theriac.errors import ChainSilent
from theriac.health import bundle as bundles
from theriac.health import keystore
from theriac.health.vault import Vault

DOCTOR, COLLEAGUE = 0, 1
KINDS = pytest.mark.parametrize("kind", [Access, SingleAccess], ids=["one a counterparty", "one pseudonym"])
DEATHS = pytest.mark.parametrize(
    ("lives", "lands"), [(0, False), (0, True), (1, False), (2, True), (3, False)], ids=lambda each: str(each)
)


@pytest.fixture(autouse=True)
def few_dummies(monkeypatch: pytest.MonkeyPatch) -> None:
    # Dummies cost most of the time and hold nothing.
    monkeypatch.setattr(bundles, "_CROWD", 1)


def begun(kind: type[Access]) -> Access:
    """A patient with two clinics that wrote once each, and a colleague who reads everything."""
    life = kind()
    life.introduce()
    life.write(0, LAB, False)
    life.write(1, MENTAL, False)
    life.watch()
    life.grant(COLLEAGUE, (LAB, MENTAL), "all", 0, 40, None, False)
    return life


def stands(life: Access, number: int) -> bool:
    reader = life.readers[number].address
    return any(grant["scope"] for (_, who, _), grant in life.chain.grants.items() if who == reader)


@KINDS
@DEATHS
def test_revoke__phone_dies_on_the_way__finishes_and_locks_nobody_else_out(
    kind: type[Access], lives: int, lands: bool
) -> None:
    # given a doctor and a colleague with all the history
    life = begun(kind)
    life.grant(DOCTOR, (LAB, MENTAL), "all", 0, 40, None, False)

    # when the phone dies while it revokes the doctor's grant, and the clinics write on before it is mended
    life.revoke(DOCTOR, lives, lands)
    life.write(0, LAB, False)
    life.write(1, LAB, False)
    life.nobody_opens_more()
    colleague = life.readers[COLLEAGUE]
    between = [life.opens(colleague, record.digest, {record.first}) for record in life.records]

    # then the colleague opens all of it at once, and after the mending the doctor has nothing of what follows
    assert between == [True] * 4
    life.watch()
    assert not stands(life, DOCTOR)
    life.write(0, LAB, False)
    life.write(1, MENTAL, False)
    life.everyone_granted_opens()
    life.nobody_opens_more()


@KINDS
@DEATHS
def test_grant__phone_dies_on_the_way__ends_when_it_would_have_ended(
    kind: type[Access], lives: int, lands: bool
) -> None:
    # given a grant for a day, which the phone dies over while it makes it longer
    life = begun(kind)
    life.grant(DOCTOR, (LAB,), "all", 0, 3, None, False)

    life.grant(DOCTOR, (LAB,), "all", 0, 5, lives, lands)
    life.watch()

    # then the doctor opens nothing written after the later end, with no phone on since
    life.pass_time(5 * 8, False)
    life.write(0, LAB, False)
    life.nobody_opens_more()
    assert not life.opens(life.readers[DOCTOR], life.records[-1].digest, {life.records[-1].first})
    life.everyone_granted_opens()


@KINDS
@pytest.mark.parametrize("lives", [0, 1])
@pytest.mark.parametrize("lands", [False, True])
def test_found__phone_dies_on_the_way__goes_on(kind: type[Access], lives: int, lands: bool) -> None:
    life = kind()
    life.relay.lives, life.relay.lands = lives, lands
    dead = True
    try:
        life.patient.found()
        dead = False
    except ChainSilent:
        life.relay.lives = None
        life.patient = life.phone(Vault.decode(life.keystore.saved))

    life.patient.found()

    assert dead or lives == 1
    accounts = life.patient.vault.accounts.values()
    assert {account.pseudonym: account.version for account in accounts} == life.chain.versions
    assert sum(account.home for account in accounts) == sum(account.own for account in accounts) == 1
    assert life.patient.watch().alarms == ()


def test_resume__publication_that_landed_unseen__is_adopted() -> None:
    life = begun(Access)
    account = life.patient.vault.own()
    version = account.version

    life.act(lambda: life.patient.rotate(), lives=0, lands=True)
    found = life.patient.watch()

    assert found.alarms == ()
    assert life.patient.vault.own().version == life.chain.versions[account.pseudonym] >= version


def test_recover__after_a_rotation_that_the_backup_did_not_see__loses_no_record() -> None:
    # given a backup, then a revoke whose seed the backup held in advance, and a record written to it
    life = begun(SingleAccess)
    life.grant(DOCTOR, (LAB,), "all", 0, 40, None, False)
    life.watch()
    account = life.patient.vault.home()
    sealed = life.store.get_digest(bytes.fromhex(account.backup)).read()
    life.revoke(DOCTOR, None, False)
    life.chain.seconds += HOUR
    life.write(0, LAB, False)

    # when the phone is lost and another starts from that backup
    vault = Vault.decode(keystore.unseal(sealed, lambda _: LOCK_IDENTITY, path="backup").secret)
    life.patient = life.phone(vault)
    life.patient.recover()
    found = life.patient.watch()

    # then the record is filed, and the doctor is as locked out as before
    assert life.records[-1].digest.hex() in {entry.digest for entry in found.filed}
    life.write(0, LAB, False)
    life.nobody_opens_more()


def test_revoke__with_one_pseudonym__ends_the_named_readers_grant_alone() -> None:
    life = begun(SingleAccess)
    life.grant(DOCTOR, (LAB,), "all", 0, 40, None, False)

    life.revoke(DOCTOR, None, False)

    assert not stands(life, DOCTOR)
    assert stands(life, COLLEAGUE)

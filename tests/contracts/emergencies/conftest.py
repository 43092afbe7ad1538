"""A case that the doctor opened about the patient, and who keeps shares."""

from typing import Any

import pytest
from ape.api import TestAccountAPI
from contracts_world import STAFF, TIER, World, digest

from theriac.consortium import Role

CANNOT_BE_ASKED = 1


@pytest.fixture
def keeper(world: World, accounts: Any) -> TestAccountAPI:
    """Acts for member 5: a custodian."""
    account: TestAccountAPI = accounts[30]
    licence = int(Role.CUSTODIAN)
    world.consortium.admit(account, licence, TIER, world.licence_expiry, sender=world.people["board"])
    return account


@pytest.fixture
def published(world: World, patient: TestAccountAPI) -> TestAccountAPI:
    """The patient with a bundle."""
    world.keys.publish(patient, 1, digest("bundle"), sender=patient)
    return patient


@pytest.fixture
def opened(world: World, published: TestAccountAPI, doctor: TestAccountAPI) -> int:
    """The number of the doctor's case about the patient."""
    world.emergencies.open(published, 1, CANNOT_BE_ASKED, digest("words"), sender=doctor)
    return int(world.emergencies.caseCount())


@pytest.fixture
def house_auditor(world: World, accounts: Any, sign: Any) -> TestAccountAPI:
    """An auditor whom the doctor's own member has taken on, now that it is licensed for it."""
    from theriac.consortium import Join

    number, _ = STAFF["doctor"]
    member, account = world.consortium.memberOf(number), accounts[31]
    roles = member.roles | int(Role.AUDITOR)
    world.consortium.renew(number, roles, TIER, world.licence_expiry, sender=world.people["board"])
    join = Join(account.address, number, Role.AUDITOR, 0, world.clock.soon())
    world.send(join, sign(join, by=account), sender=world.people["hospital"])
    return account

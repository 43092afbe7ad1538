"""What emergencies cost: a case, a release, a review, and the question whether one may read."""

from gas_acts import DAY, DOCTOR, LABORATORY, PATIENT, World, act, digest
from real_anvil import BOARD, person

from theriac.consortium import Role
from theriac.health.messages import JUSTIFIED, SANCTIONED, Review

CUSTODIAN, ANOTHER = person("custodian"), person("another custodian")

CANNOT_BE_ASKED = 1
CASE = 1


def _open(world: World) -> int:
    terms = (PATIENT.address, 1, CANNOT_BE_ASKED, digest("sealed words"))
    return world.send(DOCTOR, world.contracts.emergencies.functions.open(*terms))


def _sanction(world: World) -> int:
    until = world.chain.now() + 20 * DAY
    return world.send(PATIENT, world.contracts.emergencies.functions.review(CASE, SANCTIONED, until))


@act("state a clinician's first emergency")
def _(world: World) -> int:
    return _open(world)


@act("state an emergency")
def _(world: World) -> int:
    _open(world)
    world.send(PATIENT, world.contracts.emergencies.functions.review(CASE, JUSTIFIED, 0))
    return _open(world)


@act("release a share")
def _(world: World) -> int:
    expiry = world.midnight(365)
    for keeper in (CUSTODIAN, ANOTHER):
        world.send(BOARD, world.consortium.functions.admit(keeper.address, int(Role.CUSTODIAN), 1, expiry))
    _open(world)
    world.send(ANOTHER, world.contracts.emergencies.functions.release(CASE, digest("another share")))
    return world.send(CUSTODIAN, world.contracts.emergencies.functions.release(CASE, digest("a share")))


@act("take an emergency back")
def _(world: World) -> int:
    _open(world)
    return world.send(DOCTOR, world.contracts.emergencies.functions.withdraw(CASE))


@act("sanction an emergency")
def _(world: World) -> int:
    _open(world)
    return _sanction(world)


@act("sanction an emergency by signature")
def _(world: World) -> int:
    _open(world)
    until = world.chain.now() + 20 * DAY
    return world.by_signature(Review(PATIENT.address, CASE, SANCTIONED, until, 0, world.soon()), PATIENT)


@act("clear a clinician")
def _(world: World) -> int:
    _open(world)
    _sanction(world)
    return world.send(BOARD, world.contracts.emergencies.functions.clear(DOCTOR.address))


@act("allowed in an emergency, with the call")
def _(world: World) -> int:
    _open(world)
    call = world.contracts.emergencies.functions.allowed(PATIENT.address, DOCTOR.address, LABORATORY)
    return world.send(DOCTOR, call)

"""What those who act beside a patient cost: delegates, a quorum, referrals. Importing it puts the acts in the table."""

from eth_account.signers.local import LocalAccount
from gas_acts import ASKED, CLINIC_NUMBER, DOCTOR, FAMILY, LABORATORY, PATIENT, TREATMENT, World, act
from real_anvil import RELAYER, person

from theriac.health.delegations import (
    Appoint,
    DelegatedGrant,
    DelegatedNarrow,
    DelegatedRevoke,
    Quorum,
    mask_of_purposes,
)
from theriac.health.messages import Grant, member_address
from theriac.health.scope import REFERRAL
from theriac.ledger.typed import Domain, Message

DELEGATE = person("delegate")
RELATIVES = [person(f"relative {number}") for number in range(3)]
NUMBER = 1

# What the design sets out to reach, whoever of a patient's delegates granted.
REACH_OF_DELEGATES = {"allowed by a delegate, with the call": 42_683}
PURPOSES = mask_of_purposes([TREATMENT, FAMILY])


def appointment(world: World, holder: str = DELEGATE.address, threshold: int = 0) -> Appoint:
    return Appoint(PATIENT.address, NUMBER, holder, ASKED, PURPOSES, threshold, world.midnight(90), world.fresh())


def granting(world: World, nonce: int = 0) -> DelegatedGrant:
    until, fresh = world.midnight(30), world.fresh(nonce=nonce)
    return DelegatedGrant(PATIENT.address, DOCTOR.address, TREATMENT, ASKED, 0, until, fresh, NUMBER)


def delegated(world: World) -> None:
    """A delegate, and what it granted."""
    world.by_signature(appointment(world), PATIENT)
    world.by_signature(granting(world), DELEGATE)


def referable(world: World) -> None:
    """What the doctor may pass on."""
    scope, until = ASKED | 1 << REFERRAL, world.midnight(60)
    grant = Grant(PATIENT.address, DOCTOR.address, TREATMENT, scope, 0, until, world.fresh())
    world.by_signature(grant, PATIENT)


def referred(world: World) -> int:
    terms = (PATIENT.address, member_address(CLINIC_NUMBER), TREATMENT.number, LABORATORY, 0, world.midnight(7), 0)
    return world.send(DOCTOR, world.grants.functions.refer(terms, DOCTOR.address))


@act("appoint a delegate")
def _(world: World) -> int:
    return world.send(PATIENT, world.contracts.delegations.functions.appoint(appointment(world).terms()))


@act("appoint a delegate by signature")
def _(world: World) -> int:
    return world.by_signature(appointment(world), PATIENT)


@act("grant by a delegate")
def _(world: World) -> int:
    world.by_signature(appointment(world), PATIENT)
    return world.send(DELEGATE, world.contracts.delegations.functions.grant(granting(world).terms()))


@act("grant by a delegate's signature")
def _(world: World) -> int:
    world.by_signature(appointment(world), PATIENT)
    return world.by_signature(granting(world), DELEGATE)


@act("grant by 2 of 3")
def _(world: World) -> int:
    quorum = Quorum(PATIENT.address, b"\x07" * 32, tuple(each.address for each in RELATIVES), 2)
    world.by_signature(appointment(world, quorum.holder, 2), PATIENT)
    message = granting(world)
    proof = quorum.proof(dict(signed(world, message, each) for each in RELATIVES[:2]))
    return world.send(RELAYER, world.contracts.delegations.functions.grantBySig(*message.arguments(proof)))


def signed(world: World, message: Message, by: LocalAccount) -> tuple[str, bytes]:
    signable = message.signable(Domain.of(world.contracts.delegations))
    return by.address, bytes(by.sign_message(signable).signature)


@act("narrow by a delegate")
def _(world: World) -> int:
    delegated(world)
    terms = (PATIENT.address, DOCTOR.address, TREATMENT.number, LABORATORY, world.midnight(10))
    return world.send(DELEGATE, world.contracts.delegations.functions.narrow(*terms))


@act("narrow by a delegate's signature")
def _(world: World) -> int:
    delegated(world)
    fresh = world.fresh(nonce=1)
    terms = DelegatedNarrow(PATIENT.address, DOCTOR.address, TREATMENT, LABORATORY, world.midnight(10), fresh)
    return world.by_signature(terms, DELEGATE)


@act("revoke by a delegate")
def _(world: World) -> int:
    delegated(world)
    terms = (PATIENT.address, DOCTOR.address, TREATMENT.number)
    return world.send(DELEGATE, world.contracts.delegations.functions.revoke(*terms))


@act("revoke by a delegate's signature")
def _(world: World) -> int:
    delegated(world)
    return world.by_signature(
        DelegatedRevoke(PATIENT.address, DOCTOR.address, TREATMENT, world.fresh(nonce=1)), DELEGATE
    )


@act("allowed by a delegate, with the call")
def _(world: World) -> int:
    delegated(world)
    return world.asked(DOCTOR)


@act("refer")
def _(world: World) -> int:
    referable(world)
    return referred(world)


@act("withdraw a referral")
def _(world: World) -> int:
    referable(world)
    referred(world)
    terms = (PATIENT.address, member_address(CLINIC_NUMBER), TREATMENT.number)
    return world.send(DOCTOR, world.grants.functions.withdraw(*terms))


@act("allowed by a referral, with the call")
def _(world: World) -> int:
    nurse = person("nurse of the clinic")
    world.join([nurse])
    referable(world)
    referred(world)
    return world.asked(nurse)

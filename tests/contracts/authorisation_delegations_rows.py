"""Who may call what of delegates and referrals, as `authorisation_rows.py` has it of the others."""

from collections.abc import Iterator
from typing import Any

from authorisation_cast import Cast, Outcome
from authorisation_rows import (
    MOVED,
    SENDERS,
    Row,
    Rule,
    SignedRow,
    anyone,
    called_with,
    day,
    fresh,
    not_the_controller,
    only,
    the,
)
from contracts_world import ZERO

from theriac.health.delegations import Appoint, DelegatedGrant, DelegatedNarrow, DelegatedRevoke
from theriac.health.scope import Purpose
from theriac.ledger.typed import Message

TREAT, FAMILY, COORDINATION = (Purpose.parse(code) for code in ("TREAT", "FAMRQT", "COC"))
BOTH = 1 << TREAT.number | 1 << FAMILY.number

# A delegate's number, the next one, and the bit by which a grant may be referred on.
NUMBER, NEXT, REFERRAL = 3, 4, 1 << 63


def let_others_act(cast: Cast) -> None:
    """A nurse is the patient's delegate and has granted to the auditor; a hospital's doctor may refer, and has."""
    world, account = cast.world, cast.accounts
    patient = account["patient"]
    until = world.clock.day(60)
    mandate = (patient.address, NUMBER, account["nurse"].address, 1, BOTH, 0, until)
    world.delegations.appoint(mandate, sender=patient)
    terms = (patient.address, account["auditor"].address, FAMILY.number, 1, 0, until, NUMBER)
    world.delegations.grant(terms, sender=account["nurse"])
    to_doctor = (patient.address, account["doctor"].address, COORDINATION.number, 1 | REFERRAL, 0, until, 0)
    world.grants.grant(to_doctor, sender=patient)
    referral = (patient.address, account["clinic"].address, COORDINATION.number, 1, 0, until, 0)
    world.grants.refer(referral, account["doctor"].address, sender=account["doctor"])


def not_the_delegate(cast: Cast, asking: str) -> Outcome:
    return Outcome("NotTheDelegate", (cast.address(asking), cast.address("nurse")))


def not_the_reader(cast: Cast, asking: str) -> Outcome:
    return Outcome("NotTheReader", (cast.address(asking), cast.address("doctor")))


def not_delegations(cast: Cast, asking: str) -> Outcome:
    return Outcome("NotDelegations", (cast.address(asking), cast.world.delegations.address))


def direct_rows() -> Iterator[Row]:
    def row(contract: str, function: str, rule: Rule, *arguments: Any, about: str = "") -> Row:
        return Row(contract, function, about, called_with(*arguments), rule)

    def terms(reader: str, by: int, purpose: Purpose = TREAT) -> Any:
        return lambda cast: (
            cast.address("patient"),
            cast.address(reader),
            purpose.number,
            1,
            0,
            cast.world.clock.day(50),
            by,
        )

    patient, auditor, delegate = the("patient"), the("auditor"), only("nurse", not_the_delegate)
    for pseudonym, controller in (("patient", "patient"), MOVED):
        yield row(
            "Delegations",
            "appoint",
            only(controller, not_the_controller(controller)),
            lambda cast, me=pseudonym: (cast.address(me), NEXT, cast.address("nurse"), 1, BOTH, 0, day(50)(cast)),
            about="" if pseudonym == "patient" else "a pseudonym that moved",
        )
    yield row("Delegations", "grant", delegate, terms("colleague", NUMBER))
    yield row("Delegations", "narrow", delegate, patient, auditor, FAMILY.number, 1, day(50))
    yield row("Delegations", "revoke", delegate, patient, auditor, FAMILY.number)

    nobody: Rule = lambda cast, asking: Outcome("NotTheDelegate", (cast.address(asking), ZERO))  # noqa: E731
    yield row("Delegations", "grant", nobody, terms("colleague", 0), about="under no number")
    doctor = the("doctor")
    yield row("Delegations", "revoke", nobody, patient, doctor, TREAT.number, about="what the patient granted")

    for_others: Rule = not_delegations
    yield row("Grants", "setParentFor", for_others, patient, NEXT, doctor, day(50))
    yield row("Grants", "grantFor", for_others, terms("colleague", NUMBER), 0)
    yield row("Grants", "narrowFor", for_others, terms("auditor", NUMBER), 0)
    yield row("Grants", "revokeFor", for_others, patient, auditor, FAMILY.number)

    refers = only("doctor", not_the_reader)
    yield row("Grants", "refer", refers, terms("colleague", 0, COORDINATION), doctor)
    yield row("Grants", "withdraw", refers, patient, the("clinic"), COORDINATION.number)


def signed_rows() -> Iterator[SignedRow]:
    def row(kind: type[Message], *rest: Any, signers: tuple[str, ...], pseudonym: str = "patient") -> SignedRow:
        def build(cast: Cast) -> Message:
            return kind(cast.address(pseudonym), *(each(cast) if callable(each) else each for each in rest))

        return SignedRow(kind, build, signers, "" if pseudonym == "patient" else "a pseudonym that moved")

    for pseudonym, controller in (("patient", "patient"), MOVED):
        terms = (NEXT, the("nurse"), 1, BOTH, 0, day(50), fresh(0))
        yield row(Appoint, *terms, signers=(controller,), pseudonym=pseudonym)
    nurse = ("nurse",)
    yield row(DelegatedGrant, the("colleague"), TREAT, 1, 0, day(50), fresh(0), NUMBER, signers=nurse)
    yield row(DelegatedNarrow, the("auditor"), FAMILY, 1, day(50), fresh(1), signers=nurse)
    yield row(DelegatedRevoke, the("auditor"), FAMILY, fresh(1), signers=nurse)


SIGNED = tuple(signed_rows())
ROWS = (
    *direct_rows(),
    *(
        Row(each.type.CONTRACT, each.type.FUNCTION, "", each.arguments, anyone, SENDERS)
        for each in SIGNED
        if not each.about
    ),
)

"""Whoever may do something, but not this, not now or not here: a frozen pseudonym, a delegate beyond its mandate, a
contract that another member let act for it.
"""

from collections.abc import Iterator
from typing import Any

from authorisation_cast import ACCEPTED, BATCH, CARRIER, HELD, RIVAL, Cast, Outcome, filling, proof
from authorisation_delegations_rows import BOTH, COORDINATION, FAMILY, NUMBER, TREAT, not_the_delegate
from authorisation_recovery_rows import PENDING
from authorisation_rows import Row, Rule, SignedRow, called_with, day, not_the_controller, soon, the
from contracts_world import ZERO, digest

FROZEN_KINDS = (
    PENDING,
    "stranger",
    "board",
    "recovery",
    "doctor",
    "nurse",
    "clerk",
    "suspended member",
    "relayer",
    CARRIER,
)
"""Who is tried about a pseudonym whose recovery is pending: its controller, guardians of its, and others."""

DELEGATES_KINDS = ("nurse", "patient", "publisher", "stranger", "board", "doctor", "suspended member", CARRIER)
OPERATORS_KINDS = (CARRIER, "rival pharmacy", "pharmacy", "pharmacist", "stranger", "board", "suspended member")


def freeze(cast: Cast) -> None:
    """The account that stands for the recovery in Keys freezes the same pseudonym as the contract has pending."""
    cast.world.keys.setFrozen(cast.address(PENDING), True, sender=cast.accounts["recovery"])


def frozen(cast: Cast, asking: str) -> Outcome:
    """Not even the controller, while a recovery is pending."""
    if asking == PENDING:
        return Outcome("Frozen", (cast.address(PENDING),))
    return not_the_controller(PENDING)(cast, asking)


def though_frozen(cast: Cast, asking: str) -> Outcome:
    return ACCEPTED if asking == PENDING else not_the_controller(PENDING)(cast, asking)


def publishes_though_frozen(cast: Cast, asking: str) -> Outcome:
    return ACCEPTED if asking == PENDING else Outcome("NotThePublisher", (cast.address(asking), ZERO))


def frozen_rows() -> Iterator[Row]:
    me, doctor = the(PENDING), the("doctor")

    def row(contract: str, function: str, rule: Rule, *arguments: Any) -> Row:
        return Row(contract, function, "a frozen pseudonym", called_with(*arguments), rule, FROZEN_KINDS)

    def terms(cast: Cast) -> tuple[Any, ...]:
        return (me(cast), doctor(cast), TREAT.number, 1, 0, day(50)(cast), 0)

    yield row("Keys", "publish", publishes_though_frozen, me, 1, digest("first"))
    yield row("Keys", "raiseEra", though_frozen, me)
    yield row("Grants", "revoke", though_frozen, me, doctor, TREAT.number)
    yield row("Keys", "rotate", frozen, me, 1, digest("first"), ZERO)
    yield row("Keys", "setPublisher", frozen, me, doctor)
    yield row("Grants", "grant", frozen, terms)
    yield row("Grants", "narrow", frozen, me, doctor, TREAT.number, 1, day(50))
    yield row("Grants", "setParent", frozen, me, 1, doctor, day(50))
    yield row("Records", "report", frozen, me, [digest("more")], 1, soon)
    yield row("Letters", "send", frozen, me, doctor, digest("letter"))
    yield row("Recovery", "setGuardians", frozen, me, digest("others"))
    yield row(
        "Delegations",
        "appoint",
        frozen,
        lambda cast: (me(cast), 1, cast.address("nurse"), 1, BOTH, 0, day(50)(cast)),
    )


def delegate_rows() -> Iterator[Row]:
    """The delegate may grant the first class for two purposes, for sixty days."""

    def row(about: str, refusal: Any, *, scope: int = 1, purpose: Any = TREAT, last: int = 50) -> Row:
        def terms(cast: Cast) -> tuple[Any, ...]:
            reader = cast.address("colleague")
            return ((cast.address("patient"), reader, purpose.number, scope, 0, day(last)(cast), NUMBER),)

        def rule(cast: Cast, asking: str) -> Outcome:
            return refusal(cast) if asking == "nurse" else not_the_delegate(cast, asking)

        return Row("Delegations", "grant", about, terms, rule, DELEGATES_KINDS)

    def beyond(scope: int, purpose: Any) -> Any:
        return lambda cast: Outcome("BeyondMandate", (scope, 1, purpose.number, BOTH))

    yield row("a class beyond the mandate", beyond(2, TREAT), scope=2)
    yield row("a purpose beyond the mandate", beyond(1, COORDINATION), purpose=COORDINATION)
    until = lambda cast: Outcome("WrongParent", (NUMBER, day(60)(cast)))  # noqa: E731
    yield row("a day beyond the mandate", until, last=61)

    elsewhere: Rule = lambda cast, asking: Outcome("NotTheDelegate", (cast.address(asking), ZERO))  # noqa: E731
    yield Row(
        "Delegations",
        "grant",
        "under another's pseudonym",
        lambda cast: (
            (
                *(cast.address("pseudonym that moved away"), cast.address("colleague"), FAMILY.number),
                *(1, 0, day(50)(cast), NUMBER),
            ),
        ),
        elsewhere,
        DELEGATES_KINDS,
    )


def operator_rows() -> Iterator[Row]:
    """The carrier may dispense and fill for the pharmacy, and for no other."""
    refused: Rule = lambda cast, asking: Outcome("NotAnOperator", (cast.address(asking), RIVAL))  # noqa: E731
    rival, about = the("rival pharmacy"), "for another member"
    yield Row("Batches", "dispenseFor", about, called_with(rival, BATCH, *proof(0)), refused, OPERATORS_KINDS)
    filled = called_with(rival, lambda cast: filling(cast, HELD))
    yield Row("Prescriptions", "fillFor", about, filled, refused, OPERATORS_KINDS)


ROWS = (*frozen_rows(), *delegate_rows(), *operator_rows())
SIGNED: tuple[SignedRow, ...] = ()

"""Who may call what of the recovery: controllers name guardians and object; what guardians signed anyone brings."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from authorisation_cast import Cast
from authorisation_rows import Row, SignedRow, anyone, called_with, not_the_controller, only, soon, the
from contracts_world import DAY, digest

from theriac.health.guardians import Confirm, GuardianSet, Object, SetGuardians, TakeOver, Withdraw

GUARDIANS = ("nurse", "technician", "clerk", "colleague")
PENDING, OVERDUE, GUARDED = "bearer", "logger", "wholesaler"
"""Pseudonyms: one whose recovery is pending, one whose recovery could be finished or ended, one without any."""


def guardians(cast: Cast) -> GuardianSet:
    """Any two of the four are enough."""
    accounts = sorted((cast.address(each) for each in GUARDIANS), key=lambda each: int(each, 16))
    return GuardianSet(digest("salt"), 2, tuple(accounts))


def by_place(cast: Cast) -> list[str]:
    """The guardians by their places."""
    return sorted(GUARDIANS, key=lambda each: int(cast.address(each), 16))


def taking(cast: Cast, pseudonym: str) -> TakeOver:
    chosen = guardians(cast)
    deadline = cast.world.clock.now + DAY
    return TakeOver(cast.address(pseudonym), cast.address("nobody yet"), 1, deadline, chosen, signers=0b11)


def starting(pseudonym: str) -> Any:
    def arguments(cast: Cast) -> tuple[Any, ...]:
        message = taking(cast, pseudonym)
        signers = [*by_place(cast)[:2], "nobody yet"]
        return message.arguments(*[cast.sign(message, each) for each in signers])

    return arguments


def confirming(cast: Cast) -> tuple[Any, ...]:
    message = Confirm(**vars(replace(taking(cast, PENDING), signers=0b100)))
    return message.arguments(cast.sign(message, by_place(cast)[2]))


def begin_recoveries(cast: Cast) -> None:
    """Names guardians for the three pseudonyms, and starts the recovery that is overdue a month later."""
    recovery = cast.world.recovery
    for kind in (PENDING, OVERDUE, GUARDED):
        recovery.setGuardians(cast.address(kind), guardians(cast).hash, sender=cast.accounts[kind])
    recovery.start(*starting(OVERDUE)(cast), sender=cast.accounts["stranger"])


def go_on_with_recoveries(cast: Cast) -> None:
    """Starts the recovery that is pending."""
    cast.world.recovery.start(*starting(PENDING)(cast), sender=cast.accounts["stranger"])


def naming(cast: Cast) -> SetGuardians:
    return SetGuardians(cast.address(GUARDED), digest("others"), 1, 0, soon(cast))


def objecting(cast: Cast) -> Object:
    return Object(cast.address(PENDING), 1, 0, soon(cast))


def withdrawing(kind: str) -> Any:
    def message(cast: Cast) -> Withdraw:
        deadline = cast.world.clock.now + DAY
        return Withdraw(cast.address(PENDING), cast.address(kind), 1, deadline, guardians(cast))

    return message


FIRST = "clerk"
"""The guardian at the first place; whose account it is depends on the addresses of Ape's test accounts."""

SIGNED = (
    SignedRow(SetGuardians, naming, (GUARDED,)),
    SignedRow(Object, objecting, (PENDING,)),
    SignedRow(Withdraw, withdrawing(FIRST), (FIRST,)),
)


def recovery_rows() -> Iterator[Row]:
    def row(function: str, rule: Any, arguments: Any) -> Row:
        return Row("Recovery", function, "", arguments, rule)

    yield row("setGuardians", only(GUARDED, not_the_controller(GUARDED)), called_with(the(GUARDED), digest("others")))
    yield row("object", only(PENDING, not_the_controller(PENDING)), called_with(the(PENDING)))
    yield row("start", anyone, starting(GUARDED))
    yield row("confirm", anyone, confirming)
    yield row("finish", anyone, called_with(the(OVERDUE)))
    yield row("lapse", anyone, called_with(the(OVERDUE)))
    for signed in SIGNED:
        yield Row("Recovery", signed.type.FUNCTION, "", signed.arguments, anyone)


ROWS = tuple(recovery_rows())

"""The rows of the table of messages that are about recovery: what guardians sign, and who names them or objects.

The recovery is of other pseudonyms than the table's own, which would be frozen: the bearer's is pending, the joiner's
is about to begin.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from eth_abi import encode
from eth_utils import keccak
from signature_cast import Case, Cast, Event, Signed, digest

from theriac.health.guardians import Confirm, GuardianSet, Object, SetGuardians, TakeOver, Withdraw
from theriac.ledger.typed import Message

GUARDIANS = ("giver", "prescriber", "therapist", "underwriter")
NEEDED, RAISED = 2, 3
NOTICE, DELAY = 30 * 24 * 3600, 14 * 24 * 3600

RECOVERY = ("TakeOver", "TakeOver confirmed", "Object", "Withdraw")
"""The rows that are not about the table's pseudonym."""


def guardians(cast: Cast) -> GuardianSet:
    """Who guards both."""
    accounts = [getattr(cast, each) for each in GUARDIANS]
    return GuardianSet(digest("salt of the guardians"), NEEDED, tuple(sorted(accounts, key=lambda each: int(each, 16))))


def by_place(cast: Cast) -> list[str]:
    """The guardians' names in the order of their places."""
    return sorted(GUARDIANS, key=lambda each: int(getattr(cast, each), 16))


def taking(cast: Cast, pseudonym: str, controller: str, *, signers: int = 0b11) -> TakeOver:
    return TakeOver(pseudonym, controller, 1, cast.deadline, guardians(cast), signers)


def recovery_preparation(cast: Cast) -> list[Signed]:
    """Guardians for both pseudonyms, and the recovery of the bearer's."""
    chosen = guardians(cast).hash
    return [
        *(
            Signed(SetGuardians(getattr(cast, each), chosen, 0, 0, cast.deadline), (each,))
            for each in ("bearer", "joiner")
        ),
        Signed(taking(cast, cast.bearer, cast.leaver), (*by_place(cast)[:2], "leaver")),
    ]


def recovery_cases(cast: Cast) -> dict[str, Case]:
    """The rows, by the type and what it is for."""
    first, second, third, _ = by_place(cast)
    others, round_ = digest("other guardians"), {"round": 1}
    confirming = Confirm(**vars(taking(cast, cast.bearer, cast.leaver, signers=0b100)))
    started = {"pseudonym": cast.joiner, "controller": cast.successor, **round_, "ends": DELAY}
    guardian = getattr(cast, first)
    return {
        "SetGuardians": Case(
            SetGuardians(cast.pseudonym, others, 0, 0, cast.deadline),
            ("controller",),
            [Event("GuardiansSet", {"pseudonym": cast.pseudonym, "guardians": others, "since": NOTICE})],
        ),
        "TakeOver": Case(
            taking(cast, cast.joiner, cast.successor),
            (first, second, "successor"),
            [
                Event("Started", started),
                Event("Confirmed", {"pseudonym": cast.joiner, **round_, "guardians": 0b11}),
                Event("FrozenSet", {"pseudonym": cast.joiner, "frozen": True}),
            ],
        ),
        "TakeOver confirmed": Case(
            confirming,
            (third,),
            [Event("Confirmed", {"pseudonym": cast.bearer, **round_, "guardians": 0b100})],
        ),
        "Object": Case(
            Object(cast.bearer, 1, 0, cast.deadline),
            ("bearer",),
            [Event("Objected", {"pseudonym": cast.bearer, **round_, "needed": RAISED})],
        ),
        "Withdraw": Case(
            Withdraw(cast.bearer, guardian, 1, cast.deadline, guardians(cast)),
            (first,),
            [
                Event("Withdrawn", {"pseudonym": cast.bearer, **round_, "guardian": guardian}),
                Event("Ended", {"pseudonym": cast.bearer, **round_}),
                Event("FrozenSet", {"pseudonym": cast.bearer, "frozen": False}),
            ],
        ),
    }


# -- by which errors they are refused --------------------------------------------------------------------------------

Error = tuple[str, Mapping[str, Any]]


def error_of_replay(cast: Cast) -> dict[str, Error]:
    """The second time."""
    return {
        "SetGuardians": ("WrongNonce", {"nonce": 0, "current": 1}),
        "TakeOver": ("AlreadyPending", {"pseudonym": cast.joiner, "round": 1}),
        "TakeOver confirmed": ("AlreadyAnswered", {"signers": 0b100}),
        "Object": ("AlreadyObjected", {"pseudonym": cast.bearer, "round": 1}),
        "Withdraw": ("NothingPending", {"pseudonym": cast.bearer}),
    }


def error_of_account(message: Message, address: str) -> Error | None:
    """Where another account stands in the place of who signs; None where it is its signature that is wrong."""
    match message:
        case Confirm():
            return "WrongController", {"controller": address}
        case TakeOver():
            return "WrongSignature", {"signer": message.guardians.accounts[0]}
        case Withdraw():
            return "NotConfirmed", {"guardian": address}
    return None


def of_other_account(message: Message, address: str) -> Message | None:
    """The same message with another account in that place; None where it is no message of guardians."""
    match message:
        case TakeOver():
            return replace(message, controller=address)
        case Withdraw():
            return replace(message, guardian=address)
    return None


def error_of_flip(name: str, words: str, arguments: tuple[Any, ...], flip: Any, cast: Cast) -> Error | None:
    """Where a bit of a field was changed; None where the signature is wrong for it."""
    starts = name == "TakeOver"
    match words:
        case "signers":
            return "AlreadyAnswered", {"signers": 1}
        case "terms.pseudonym" if starts:
            return "WrongGuardians", {"shown": guardians(cast).hash, "guardians": bytes(32)}
        case "terms.pseudonym" if name != "Object":
            return "NothingPending", {"pseudonym": flip}
        case "terms.pseudonym":
            return "WrongSignature", {"signer": flip}
        case "terms.era":
            return "WrongEra", {"era": flip, "current": 0}
        case "terms.round" if name != "Object":
            return "WrongRound", {"round": flip, "current": 1}
        case "terms.controller" if not starts:
            return "WrongController", {"controller": flip}
        case "terms.guardian":
            return "NotConfirmed", {"guardian": flip}
    if words.startswith("guardians."):
        salt, threshold, accounts = arguments[1]
        shown = keccak(encode(["(bytes32,uint8,address[])"], [(salt, threshold, accounts)]))
        return "WrongGuardians", {"shown": shown, "guardians": guardians(cast).hash}
    return None

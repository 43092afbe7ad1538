"""Appeals, refutations and authorizations, as those who ask about them see them."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from theriac.cover.claiming import Cover


class AppealStatus(IntEnum):
    """Where an appeal stands (`IAppeals.AppealStatus`)."""

    NONE = 0
    OPEN = 1
    DISMISSED = 2
    GRANTED = 3
    CLOSED = 4

    @property
    def word(self) -> str:
        return self.name.lower()


class RefutationStatus(IntEnum):
    """Where a refutation stands (`IAppeals.RefutationStatus`)."""

    NONE = 0
    OPEN = 1
    UPHELD = 2
    REJECTED = 3

    @property
    def word(self) -> str:
        return self.name.lower()


AUTHORIZATIONS = ("none", "requested", "pended", "approved", "refused")
"""Where a request stands (`IAuthorizations.AuthorizationStatus`)."""

WRONG_GOODS, OPENING_MISSING, NOT_DONE = 1, 2, 3
"""Grounds of a refutation: the pack is not what was prescribed; what was sealed does not open; it was never done."""


@dataclass(frozen=True)
class Appeal:
    """An appeal; `time` is when it came to where it stands, in seconds since 1970."""

    status: AppealStatus
    time: int


@dataclass(frozen=True)
class Refutation:
    """A refutation; `openings` is the digest of what was sealed to the arbiter."""

    status: RefutationStatus
    time: int
    openings: bytes


def appeal_of(cover: Cover, claim: bytes) -> Appeal:
    """The appeal against a claim's decision."""
    told = cover.contracts.call(cover.contracts.Appeals.functions.appealOf(claim))
    return Appeal(AppealStatus(told["status"]), int(told["time"]))


def refutation_of(cover: Cover, claim: bytes) -> Refutation:
    """The refutation of a claim."""
    told = cover.contracts.call(cover.contracts.Appeals.functions.refutationOf(claim))
    return Refutation(RefutationStatus(told["status"]), int(told["time"]), bytes(told["openings"]))


def authorization_of(cover: Cover, authorization: bytes) -> dict[str, Any]:
    """A request for an authorization, as the chain has it."""
    return dict(cover.contracts.call(cover.contracts.Authorizations.functions.authorizationOf(authorization)))

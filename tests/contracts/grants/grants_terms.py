"""What the tests of grants share: purposes, scopes, and a grant that they vary."""

from enum import IntEnum
from typing import Any

from ape.api import TestAccountAPI
from contracts_world import Clock

from theriac.health.messages import Freshness, Grant, member_address
from theriac.health.scope import Purpose

TREAT, PAYMENT, FAMILY = Purpose.parse("TREAT"), Purpose.parse("HPAYMT"), Purpose.parse("FAMRQT")

ALLERGIES, MEDICATIONS, LABORATORY = 1 << 0, 1 << 2, 1 << 4
RESTRICTED, VERY_RESTRICTED, SINGLE_RECORDS, REFERRAL = 1 << 60, 1 << 61, 1 << 62, 1 << 63
CLASSES = (1 << 17) - 1 | RESTRICTED | VERY_RESTRICTED | SINGLE_RECORDS
KNOWN = CLASSES | REFERRAL


class Refusal(IntEnum):
    """Which rule said no, as the contract numbers them."""

    NONE = 0
    UNKNOWN_PURPOSE = 1
    EMPTY_SCOPE = 2
    NO_STANDING = 3
    NO_GRANT = 4
    ERA_RAISED = 5
    PARENT_ENDED = 6
    NOT_STARTED = 7
    EXPIRED = 8
    OUT_OF_SCOPE = 9


def a_grant(pseudonym: TestAccountAPI, reader: TestAccountAPI | str | int, clock: Clock, **changes: Any) -> Grant:
    """Allergies and laboratory results for treatment, for thirty days from the next hour on, unless changed.

    `reader` is an account, an address, or a member's number. `nonce`, `era` and `deadline` change the freshness.
    """
    fresh = {"nonce": 0, "era": 0, "deadline": clock.soon()}
    fresh |= {name: changes.pop(name) for name in fresh.keys() & changes.keys()}
    terms: dict[str, Any] = {
        "purpose": TREAT,
        "scope": ALLERGIES | LABORATORY,
        "start": clock.hour(1),
        "expiry": clock.day(30),
        "by": 0,
    }
    if isinstance(reader, int):
        reader = member_address(reader)
    address = getattr(reader, "address", reader)
    return Grant(pseudonym.address, address, freshness=Freshness(**fresh), **terms | changes)

"""Statuses and marks of records, as the contract numbers them."""

from enum import IntEnum, IntFlag

PATIENT = 0
"""Who anchored, where it was the patient; members count from one."""


class Status(IntEnum):
    """What became of a record."""

    NONE = 0
    CURRENT = 1
    SUPERSEDED = 2
    CORRECTED = 3
    DISOWNED = 4


class Marks(IntFlag):
    """What is special about a record."""

    FILED = 0
    INBOX = 1
    REPORTED = 2
    RESEALED = 4


NO_RECORD = (0, 0, 0, Status.NONE, Marks.FILED)

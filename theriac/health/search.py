"""Where to look for the interval that a record was sealed to, when no index says it."""

from collections.abc import Iterable
from functools import lru_cache

ROW_REACH = 91 * 24
"""Rows reach 90 days ahead, so no interval begins earlier than this before the anchoring."""


@lru_cache(maxsize=64)
def hours_back(hour: int) -> tuple[int, ...]:
    """The hours in which the interval of a record anchored in `hour` can have begun: midnights first, as most do."""
    span = range(hour, max(hour - ROW_REACH, -1), -1)
    midnights = [each for each in span if each % 24 == 0]
    return tuple(_unique([*midnights, *span]))


def _unique(hours: Iterable[int]) -> Iterable[int]:
    return dict.fromkeys(hours)

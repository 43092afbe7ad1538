"""What people type: dates, classes, readers."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from scripts._accounts import address_of
from scripts._cli import Failure
from theriac.health.messages import member_address
from theriac.health.scope import ALL_CLASSES, KeyClass
from theriac.ledger.codec import shown_moment

DAYS = 30
"""How long a grant lasts unless said."""


def moment(text: str) -> datetime:
    """A day, which begins at UTC midnight, or a full hour such as 2031-05-04T15:00."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Failure(f"{text[:60]!r} is no date; write it like 2031-05-04, or 2031-05-04T15:00 for an hour.") from None
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    if (found.minute, found.second, found.microsecond) != (0, 0, 0):
        raise Failure(f"{text[:60]!r} is no full hour; a window begins and ends on one.")
    return found


def end_of(until: str | None, days: int | None, *, now: int) -> datetime:
    """When a window ends: the day given, or the first UTC midnight after so many days."""
    if until is not None and days is not None:
        raise Failure("Give --until or --days, not both.")
    if until is not None:
        return moment(until)
    later = datetime.fromtimestamp(now, UTC) + timedelta(days=DAYS if days is None else days)
    return later.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def classes_of(texts: Iterable[str]) -> tuple[KeyClass, ...]:
    """Classes such as laboratory/N, several with commas between; `all` for every one."""
    words = [word.strip() for text in texts for word in text.split(",") if word.strip()]
    if "all" in words:
        return ALL_CLASSES
    return tuple(dict.fromkeys(KeyClass.parse(word) for word in words))


def reader_of(text: str, *, play: bool) -> str:
    """An account, or `member:2` for whoever acts for that member."""
    kind, _, number = text.rpartition(":")
    if kind == "member":
        if not number.isdecimal() or not 0 < int(number) < 1 << 32:
            raise Failure(f"{text[:60]!r} names no member; write it like member:2.")
        return member_address(int(number))
    return address_of(text, play=play)


def shown_reader(reader: str) -> str:
    number = int(reader, 16)
    return f"member:{number}" if number < 1 << 32 else reader


def day(seconds: int) -> str:
    return shown_moment(seconds).strftime("%Y-%m-%d %H:%M")

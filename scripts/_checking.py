"""What a prescriber is told before signing: what was granted to be seen, and what was not, which is not known."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from scripts._cli import printable
from scripts._member import Desk
from theriac.errors import NotGranted
from theriac.health.reader import Listed, Reader
from theriac.health.scope import Category, KeyClass, Level, Purpose
from theriac.medicine.medication import codes_in
from theriac.medicine.prescriptions import Item

_MOST = 20


@dataclass(frozen=True)
class Checked:
    """Sentences for the prescriber; `warns` where something speaks against prescribing."""

    sentences: tuple[str, ...]
    warns: bool


def checked(desk: Desk, patient: str, items: Sequence[Item], *, purpose: Purpose) -> Checked:
    """What the patient's records say of allergies, and of the same substance. Raises NotIntroduced."""
    try:
        reader, pseudonym = desk.learned(patient, purpose)
    except NotGranted:
        return Checked(
            (f"Allergies: not known, {patient} let this desk see none.", _unknown_substances(patient)), False
        )
    allergies = _seen(reader, pseudonym, Category.ALLERGIES, purpose)
    medicines = _seen(reader, pseudonym, Category.MEDICATIONS, purpose)
    same = [
        f"{item.name[:60]}: prescribed before, as {_title(listed)}."
        for item in items
        for listed in medicines.listed
        if _is_same(item, listed)
    ]
    sentences = [
        *_told("Allergies", allergies, "none in what was granted"),
        *_told_of_substances(same, medicines, patient),
        *_gaps("Medicines", medicines),
    ]
    return Checked(tuple(printable(sentence) for sentence in sentences), bool(same or allergies.listed))


@dataclass(frozen=True)
class _Seen:
    """What can be seen of a category: its classes, each with since when (None: from the beginning), and its records."""

    category: Category
    classes: dict[KeyClass, datetime | None]
    listed: list[Listed]


def _seen(reader: Reader, pseudonym: str, category: Category, purpose: Purpose) -> _Seen:
    reach = reader.reach(pseudonym, purpose=purpose, classes=[KeyClass(category, level) for level in Level])
    listed = reader.listed(pseudonym, purpose=purpose, classes=list(reach)) if reach else []
    return _Seen(category, reach, [each for each in listed if each.cls])


def _told(word: str, seen: _Seen, nothing: str) -> Iterator[str]:
    if not seen.classes:
        yield f"{word}: not known, no class of them was granted."
        return
    titles = [_title(each) for each in seen.listed[:_MOST]]
    more = len(seen.listed) - len(titles)
    yield f"{word}: {', '.join(titles) or nothing}{f', and {more} more' if more else ''}."
    yield from _gaps(word, seen)


def _told_of_substances(same: Sequence[str], medicines: _Seen, patient: str) -> Sequence[str]:
    if not medicines.classes:
        return [_unknown_substances(patient)]
    return same or ["The same substance: not in what was granted."]


def _gaps(word: str, seen: _Seen) -> Iterator[str]:
    """What was not granted of a category that is granted in part."""
    if not seen.classes:
        return
    for level in Level:
        cls = KeyClass(seen.category, level)
        if cls not in seen.classes:
            yield f"{word} at level {level.name}: not known."
        elif since := seen.classes[cls]:
            yield f"{word} at level {level.name} before {since:%Y-%m-%d}: not known."


def _unknown_substances(patient: str) -> str:
    return f"The same substance: not known, {patient} let this desk see no medicines."


def _is_same(item: Item, listed: Listed) -> bool:
    codes = {f"{system}|{code}" for system, code in codes_in(item.resource.value)}
    return any(str(code).split(" ")[0] in codes for code in listed.summary.get("codes", ()))


def _title(listed: Listed) -> str:
    """What a record is of, without the name of its FHIR resource."""
    title, day = str(listed.summary.get("title", "")), str(listed.summary.get("date", ""))[:10]
    kind, colon, rest = title.partition(": ")
    shown = (rest if colon and kind.isalpha() else title) or listed.digest[:16]
    return f"{shown} ({day})" if day else shown

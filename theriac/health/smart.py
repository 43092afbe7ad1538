"""What a grant is in SMART on FHIR v2 scopes: `patient/Observation.rs?category=...`.

An authorization server turns scopes into a token. Scopes here say a grant's classes or fewer: what no scope can say
without saying more is left out and told. They rely on a server's security labels, and ask for `meta.security` N by
name: what bears no label is not reached. Where a server labels with key classes, `labels` is exact.
`docs/protocol/consents.md` has the table, and a test holds the two equal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from theriac.health.consents import KEY_CLASS
from theriac.health.scope import (
    ACT_CODE,
    ALL_CLASSES,
    CODES,
    CONFIDENTIALITY,
    LABELS,
    SENSITIVE,
    TYPES,
    Category,
    KeyClass,
    Level,
)

BY_CATEGORY = ("DiagnosticReport", "DocumentReference", "Observation")
"""Types whose class a category says, and that can be searched by it."""

TWO_CATEGORIES = "a record that bears two categories is reached by either, and its key class is that of the first"
"""What a search by category cannot rule out but by `:not`, which SMART calls experimental."""

_NOT_ORDINARY = "restricted records of this category cannot be told from sensitive ones by a search"
_NOT_ONE = "a search cannot leave out records that are of another sensitive category too"
_NO_SEARCH = {
    Category.PATIENT_REPORTED: "no search says who reported",
    Category.MIXED: "no search says that a record spans categories",
    Category.UNSORTED: "no search says that nothing is known of a record",
}


@dataclass(frozen=True)
class Scopes:
    """SMART scopes, and what of the classes they leave out, one sentence each."""

    scopes: tuple[str, ...]
    told: tuple[str, ...]


def scopes_of(classes: Sequence[KeyClass], *, labels: bool = False) -> Scopes:
    """The scopes of classes.

    :param labels: for a server that labels each record with its key class: exact, and of no use to any other.
    """
    if labels:
        return Scopes(tuple(f"patient/*.rs?_security={KEY_CLASS}|{cls}" for cls in classes), ())
    scopes: list[str] = []
    told: list[str] = []
    left = list(classes)
    for level in Level:
        whole = [each for each in ALL_CLASSES if each.level is level]
        if set(whole) <= set(left):
            scopes.append(f"patient/*.rs?{_level(level)}")
            left = [each for each in left if each.level is not level]
    for cls in left:
        found = of_class(cls)
        scopes += found
        if reason := why_not(cls):
            told.append(f"{cls}: {reason}")
        elif any("?category=" in each for each in found):
            told.append(f"{cls}: {TWO_CATEGORIES}")
    return Scopes(tuple(dict.fromkeys(scopes)), tuple(told))


def why_not(cls: KeyClass) -> str:
    """Why a class has no scope of its own, or nothing."""
    if cls.category in _NO_SEARCH:
        return _NO_SEARCH[cls.category]
    if cls.category in SENSITIVE and cls.level is Level.V:
        return _NOT_ONE
    if cls.category not in SENSITIVE and cls.level is not Level.N:
        return _NOT_ORDINARY
    return ""


def of_class(cls: KeyClass) -> list[str]:
    """The scopes of one class; none where none says it."""
    if why_not(cls):
        return []
    if cls.category in SENSITIVE:
        return [f"patient/*.rs?{_level(cls.level)}&_security={_sensitive_labels(cls)}"]
    by_type = [f"patient/{name}.rs?{_level(cls.level)}" for name in TYPES.get(cls.category, "").split()]
    return by_type + [scope for name in BY_CATEGORY if (scope := _by_category(name, cls))]


def _by_category(name: str, cls: KeyClass) -> str:
    own = _categories(cls.category)
    return f"patient/{name}.rs?category={','.join(own)}&{_level(cls.level)}" if own else ""


def _categories(category: Category) -> list[str]:
    return [f"{system}|{code}" for system, found in CODES.items() for code in found.get(category, "").split()]


def _level(level: Level) -> str:
    return f"_security={CONFIDENTIALITY}|{level.name}"


def _sensitive_labels(cls: KeyClass) -> str:
    codes = [
        code for (_, category), found in LABELS[ACT_CODE].items() if category is cls.category for code in found.split()
    ]
    return ",".join(f"{ACT_CODE}|{code}" for code in codes)

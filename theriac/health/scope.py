"""What a record is: its class, the chain's bit for it, and the purpose it may be asked for.

A class is a category of records at a confidentiality level, written `laboratory/N`. Keys are kept for each class. The
chain knows less: every class of level N has a bit of its own, all of level R share one, all of level V another, so a
grant on the chain never says which sensitive category it is about. `docs/scopes.md` holds the same tables, and a test
holds the two equal. Bits, purposes and their words stand in the contracts too: what is here never changes its number.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum, unique

from theriac.errors import UnknownClass, UnknownPurpose, UnknownScope


@unique
class Level(IntEnum):
    """The levels of HL7 v3 Confidentiality that keys are kept for; U, L and M of that code system count as N."""

    N = 0
    R = 1
    V = 2


@unique
class Category(Enum):
    """The categories of records. The first seventeen have classes of every level, in the order of their bits."""

    ALLERGIES = "allergies"
    CONDITIONS = "conditions"
    MEDICATIONS = "medications"
    IMMUNIZATIONS = "immunizations"
    LABORATORY = "laboratory"
    IMAGING = "imaging"
    PROCEDURES = "procedures"
    ENCOUNTERS = "encounters"
    VITALS = "vitals"
    CHECKUPS = "checkups"
    FAMILY_HISTORY = "family-history"
    PATIENT_REPORTED = "patient-reported"
    CLAIMS = "claims"
    ADMINISTRATIVE = "administrative"
    CARE_PLANS = "care-plans"
    DOCUMENTS = "documents"
    SOCIAL_HISTORY = "social-history"
    GENOMICS = "genomics"
    MENTAL_HEALTH = "mental-health"
    SUBSTANCE_USE = "substance-use"
    SEXUAL_HEALTH = "sexual-health"
    MIXED = "mixed"
    UNSORTED = "unsorted"


SENSITIVE = frozenset({Category.GENOMICS, Category.MENTAL_HEALTH, Category.SUBSTANCE_USE, Category.SEXUAL_HEALTH})
"""Categories whose very name says something that can hurt: never at level N."""

_LOWEST = dict.fromkeys(Category, Level.N) | {
    **dict.fromkeys(SENSITIVE, Level.R),
    Category.MIXED: Level.R,
    Category.UNSORTED: Level.V,
}


@dataclass(frozen=True)
class KeyClass:
    """A category at a level: what one tree of keys opens.

    :raises UnknownClass: the category has no class at this level (`genomics/N`, `unsorted/R`).
    """

    category: Category
    level: Level

    def __post_init__(self) -> None:
        if self.level < _LOWEST[self.category]:
            raise UnknownClass(text=str(self))

    def __str__(self) -> str:
        return f"{self.category.value}/{self.level.name}"

    @classmethod
    def parse(cls, text: str) -> "KeyClass":
        """The class that `text`, such as `laboratory/N`, names.

        :raises UnknownClass: no class is written like that, letter by letter.
        """
        if text not in _CLASS_OF:
            raise UnknownClass(text=text)
        return _CLASS_OF[text]


ALL_CLASSES: tuple[KeyClass, ...] = tuple(
    KeyClass(category, level) for category in Category for level in Level if level >= _LOWEST[category]
)
"""Every class there is, by category and then by level."""

_CLASS_OF = {str(each): each for each in ALL_CLASSES}

UNSORTED = KeyClass(Category.UNSORTED, Level.V)
"""The most restrictive class: what cannot be classed waits here until the patient says what it is."""


# -- the chain's bits ------------------------------------------------------------------------------------------------

RESTRICTED = 60
VERY_RESTRICTED = 61
SINGLE_RECORDS = 62

WORDS_OF_BIT: dict[int, str] = {
    0: "allergies",
    1: "conditions",
    2: "medications",
    3: "immunizations",
    4: "laboratory",
    5: "imaging",
    6: "procedures",
    7: "encounters and notes",
    8: "vitals and devices",
    9: "checkups",
    10: "family history",
    11: "patient reported",
    12: "claims",
    13: "personal details",
    14: "care plans",
    15: "documents",
    16: "social history",
    RESTRICTED: "restricted",
    VERY_RESTRICTED: "very restricted",
    SINGLE_RECORDS: "single records",
}
"""What a wallet shows for each bit of a grant's scope, by ascending bit."""

_BIT_OF_CATEGORY = {category: bit for bit, category in enumerate(Category) if _LOWEST[category] is Level.N}


def bit_of(cls: KeyClass) -> int:
    """The number, 0 to 61, of the chain's bit for this class."""
    if cls.level is Level.V:
        return VERY_RESTRICTED
    if cls.level is Level.R:
        return RESTRICTED
    return _BIT_OF_CATEGORY[cls.category]


def mask_of(classes: Iterable[KeyClass]) -> int:
    """The uint64 scope that a grant of these classes carries on the chain."""
    mask = 0
    for cls in classes:
        mask |= 1 << bit_of(cls)
    return mask


def words_of(mask: int) -> list[str]:
    """The words a wallet shows for this scope, by ascending bit.

    :raises UnknownScope: the mask has a bit that means nothing, or is no uint64.
    """
    if mask < 0 or mask & ~sum(1 << bit for bit in WORDS_OF_BIT):
        raise UnknownScope(mask=mask)
    return [words for bit, words in WORDS_OF_BIT.items() if mask >> bit & 1]


# -- purposes --------------------------------------------------------------------------------------------------------

CLINICIAN = 1 << 0
INSURER = 1 << 5
REGULATOR = 1 << 6
AUDITOR = 1 << 7
NO_ROLE = 0


@dataclass(frozen=True)
class Purpose:
    """Why a reader asks: a code of HL7 v3 PurposeOfUse.

    :param number: what the chain stores, a uint8.
    :param words: what a wallet shows.
    :param role: the bit of the consortium role that a reader for this purpose must have; zero means none.
    """

    number: int
    code: str
    words: str
    role: int

    @classmethod
    def parse(cls, code: str) -> "Purpose":
        """The purpose with this HL7 code.

        :raises UnknownPurpose: the consortium knows no such purpose.
        """
        for purpose in PURPOSES:
            if purpose.code == code:
                return purpose
        raise UnknownPurpose(code=code)


PURPOSES: tuple[Purpose, ...] = (
    Purpose(1, "TREAT", "treatment", CLINICIAN),
    Purpose(2, "ETREAT", "emergency treatment", CLINICIAN),
    Purpose(3, "CAREMGT", "care management", CLINICIAN),
    Purpose(4, "COC", "coordination of care", CLINICIAN),
    Purpose(5, "HPAYMT", "payment", INSURER),
    Purpose(6, "COVERAGE", "coverage under policy", INSURER),
    Purpose(7, "CLMATTCH", "claim attachment", INSURER),
    Purpose(8, "PUBHLTH", "public health", REGULATOR),
    Purpose(9, "HQUALIMP", "quality improvement", AUDITOR),
    Purpose(10, "FAMRQT", "family requested", NO_ROLE),
    Purpose(11, "PATRQT", "patient requested", NO_ROLE),
    Purpose(12, "PWATRNY", "power of attorney", NO_ROLE),
)
"""Every purpose, by number. Zero is no purpose."""

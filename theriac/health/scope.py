"""What a record is: its class, the chain's bit for it, and the purpose it may be asked for.

A class is a category of records at a confidentiality level, written `laboratory/N`. Keys are kept for each class. The
chain knows less: every class of level N has a bit of its own, all of level R share one, all of level V another, so a
grant on the chain never says which sensitive category it is about. `docs/scopes.md` holds the same tables, and a test
holds the two equal. Bits, purposes and their words stand in the contracts too: what is here never changes its number.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, IntEnum, unique
from typing import TypeGuard, TypeVar

from theriac import fhir
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
REFERRAL = 63

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
    REFERRAL: "may be referred on",
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


# -- what resource goes where ----------------------------------------------------------------------------------------

TYPES: dict[Category, str] = {
    Category.ALLERGIES: "AllergyIntolerance",
    Category.CONDITIONS: "AdverseEvent BodyStructure Condition DetectedIssue Flag",
    Category.MEDICATIONS: (
        "Medication MedicationAdministration MedicationDispense MedicationRequest MedicationStatement"
    ),
    Category.IMMUNIZATIONS: "Immunization ImmunizationEvaluation ImmunizationRecommendation",
    Category.LABORATORY: "Specimen",
    Category.IMAGING: "ImagingStudy Media",
    Category.PROCEDURES: "Procedure ServiceRequest",
    Category.ENCOUNTERS: (
        "Appointment AppointmentResponse ClinicalImpression Communication CommunicationRequest Encounter EpisodeOfCare"
    ),
    Category.VITALS: (
        "Device DeviceMetric DeviceRequest DeviceUseStatement SupplyDelivery SupplyRequest VisionPrescription"
    ),
    Category.CHECKUPS: "RiskAssessment",
    Category.FAMILY_HISTORY: "FamilyMemberHistory",
    Category.CLAIMS: (
        "Account ChargeItem Claim ClaimResponse CoverageEligibilityRequest CoverageEligibilityResponse "
        "EnrollmentRequest EnrollmentResponse ExplanationOfBenefit Invoice PaymentNotice PaymentReconciliation"
    ),
    Category.ADMINISTRATIVE: (
        "Coverage Endpoint HealthcareService InsurancePlan Location Organization OrganizationAffiliation Patient "
        "Person Practitioner PractitionerRole RelatedPerson Schedule Slot"
    ),
    Category.CARE_PLANS: "CarePlan CareTeam Goal NutritionOrder Task",
    Category.DOCUMENTS: "Consent Contract",
    Category.GENOMICS: "MolecularSequence",
}
"""Types whose category the type alone says. What is in none of these tables cannot be classed by its type."""

CODED = ("Composition", "DiagnosticReport", "DocumentReference", "List", "Observation")
"""Types whose category a code says: in `category`, `type` or `code`, by `CODES`."""

POINTERS = ("AuditEvent", "Composition", "DocumentManifest", "Linkage", "List", "MessageHeader", "Provenance")
"""Types that are about other resources: where no code says more, they go where those go."""

OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
US_CORE_CATEGORY = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category"
US_CORE_DOCUMENT = "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category"
DIAGNOSTIC_SERVICE = "http://terminology.hl7.org/CodeSystem/v2-0074"
LOINC = "http://loinc.org"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
ATC = "http://www.whocc.no/atc"
CONFIDENTIALITY = fhir.CONFIDENTIALITY
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
OBSERVATION_VALUE = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"

ALIASES: dict[str, str] = {
    "http://hl7.org/fhir/observation-category": OBSERVATION_CATEGORY,
    "http://hl7.org/fhir/v2/0074": DIAGNOSTIC_SERVICE,
    "urn:oid:2.16.840.1.113883.6.1": LOINC,
    "http://hl7.org/fhir/sid/icd-10-cm": ICD_10,
    "http://hl7.org/fhir/sid/icd-10-us": ICD_10,
    "http://fhir.de/CodeSystem/bfarm/icd-10-gm": ICD_10,
    "urn:oid:2.16.840.1.113883.6.3": ICD_10,
    "urn:oid:2.16.840.1.113883.6.90": ICD_10,
    "urn:oid:2.16.840.1.113883.6.73": ATC,
    "http://hl7.org/fhir/v3/Confidentiality": CONFIDENTIALITY,
    "urn:oid:2.16.840.1.113883.5.25": CONFIDENTIALITY,
    "http://hl7.org/fhir/v3/ActCode": ACT_CODE,
    "urn:oid:2.16.840.1.113883.5.4": ACT_CODE,
    "http://hl7.org/fhir/v3/ActReason": ACT_REASON,
    "http://hl7.org/fhir/v3/ObservationValue": OBSERVATION_VALUE,
}
"""Other names under which the same code systems travel."""

CODES: dict[str, dict[Category, str]] = {
    OBSERVATION_CATEGORY: {
        Category.LABORATORY: "laboratory",
        Category.IMAGING: "imaging",
        Category.PROCEDURES: "procedure therapy",
        Category.VITALS: "activity vital-signs",
        Category.CHECKUPS: "exam survey",
        Category.SOCIAL_HISTORY: "social-history",
    },
    US_CORE_CATEGORY: {
        Category.CHECKUPS: "disability-status functional-status",
        Category.SOCIAL_HISTORY: "sdoh",
    },
    US_CORE_DOCUMENT: {Category.ENCOUNTERS: "clinical-note"},
    DIAGNOSTIC_SERVICE: {
        Category.LABORATORY: "BG BLB CH CP HM IMM LAB MB MCB MYC OSL PAR PAT SP SR URN VR",
        Category.IMAGING: "CT CUS NMR NMS RAD RUS RX VUS XRC",
        Category.PROCEDURES: "CTH EC EN OT PF PT RC RT",
        Category.MEDICATIONS: "PHR",
        Category.ENCOUNTERS: "PHY",
        Category.VITALS: "ICU NRS",
        Category.CHECKUPS: "AU",
    },
    LOINC: {
        Category.ALLERGIES: "48765-2",
        Category.CONDITIONS: "11450-4",
        Category.MEDICATIONS: "10160-0",
        Category.IMMUNIZATIONS: "11369-6",
        Category.LABORATORY: "11502-2 30954-2 LP7839-6",
        Category.IMAGING: "18748-4 LP29684-5",
        Category.PROCEDURES: "11504-8 28570-0 47519-4 LP29708-2",
        Category.ENCOUNTERS: "11488-4 11506-3 18842-5 34111-5 34117-2 46240-8 57133-1",
        Category.VITALS: "8716-3",
        Category.FAMILY_HISTORY: "10157-6",
        Category.SOCIAL_HISTORY: "29762-2",
        Category.CARE_PLANS: "18776-5",
        Category.DOCUMENTS: "34133-9 42348-3 59284-0 60591-5",
    },
}
"""Codes that say the category of a `CODED` resource."""

SENSITIVE_CODES: dict[str, dict[Category, str]] = {
    US_CORE_CATEGORY: {Category.MENTAL_HEALTH: "cognitive-status"},
    DIAGNOSTIC_SERVICE: {
        Category.GENOMICS: "CG GE",
        Category.SUBSTANCE_USE: "TX",
        Category.SEXUAL_HEALTH: "OUS",
    },
    LOINC: {
        Category.GENOMICS: "51969-4",
        Category.MENTAL_HEALTH: "34788-0 44249-1 44261-6 55757-9 55758-7 69737-5 70274-6",
        Category.SUBSTANCE_USE: "72109-2 75624-7 75626-2 82667-7",
        Category.SEXUAL_HEALTH: "55277-8 76690-7 76691-5 82810-3",
    },
}
"""Codes that make any resource sensitive, wherever in it they stand: genetics reports and service sections, scores of
the PHQ, GAD, AUDIT and DAST questionnaires, HIV status, sexual orientation, gender identity, pregnancy."""

SENSITIVE_PREFIXES: dict[str, dict[Category | None, str]] = {
    ICD_10: {
        Category.GENOMICS: "D57 Q9 Z137 Z14 Z15",
        Category.MENTAL_HEALTH: "F R4585 T1491 X6 X7 X80 X81 X82 X83 X84",
        Category.SUBSTANCE_USE: "F10 F11 F12 F13 F14 F15 F16 F18 F19 K70 T40 Y90 Y91 Z714 Z715",
        Category.SEXUAL_HEALTH: (
            "A50 A51 A52 A53 A54 A55 A56 A57 A58 A59 A60 A61 A62 A63 A64 B20 B21 B22 B23 B24 "
            "F52 F64 F65 F66 N46 N52 N97 O T742 T762 Z21 Z3 Z725"
        ),
        None: "F17",
    },
    ATC: {
        Category.MENTAL_HEALTH: "N05A N06A N06BA N06D",
        Category.SUBSTANCE_USE: "N07BB N07BC",
        Category.SEXUAL_HEALTH: "G02B G03A G03G G04BE J05AE J05AG J05AJ J05AR",
    },
}
"""The same by the beginning of a code, dots left out, the longest beginning first; None is an exception (tobacco)."""

LABELS: dict[str, dict[tuple[Level, Category | None], str]] = {
    CONFIDENTIALITY: {
        (Level.N, None): "U L M N",
        (Level.R, None): "R",
        (Level.V, None): "V",
    },
    ACT_CODE: {
        (Level.R, Category.SUBSTANCE_USE): "ETH ETHUD OPIOIDUD SUD",
        (Level.R, Category.MENTAL_HEALTH): "BH COGN DVD EMOTDIS MH PSY",
        (Level.V, Category.MENTAL_HEALTH): "PSYTHPN",
        (Level.R, Category.SEXUAL_HEALTH): "HIV SEX STD",
        (Level.V, Category.SEXUAL_HEALTH): "MST SDV",
        (Level.R, Category.GENOMICS): "GDIS SCA SICKLE",
        (Level.V, None): "PRS TBOO VIO",
        (Level.R, None): (
            "ADOL B CEL DEMO DIA DOB DRGIS EMP EMPL GENDER IDS LIVARG LOCIS MARST PDS PHY RACE REL SPI SSP "
            "ACOCOMPT COMPT CTCOMPT FMCOMPT HRCOMPT LRCOMPT PACOMPT RESCOMPT RMGTCOMPT "
            "ANONY AOD AUDIT AUDTR CPLYCC CPLYCD CPLYJPP CPLYOPP CPLYOSP CPLYPOL DEID DELAU ENCRYPT ENCRYPTR "
            "ENCRYPTT ENCRYPTU HUAPRV LABEL MASK MINEC PERSISTLABEL PRIVMARK PROCESSINLINELABEL PSEUD REDACT "
            "NOAUTH NOCOLLECT NODSCLCD NODSCLCDS NOINTEGRATE NOLIST NOMOU NOORGPOL NOPAT NOPERSISTP NORDSCLCD "
            "NORDSCLCDS NORDSCLW NORELINK NOREUSE NOVIP ORCON"
        ),
    },
    ACT_REASON: {
        (Level.N, None): "HTEST",
        (Level.R, None): (
            "BIORCH BTG CAREMGT CLINTRCH CLINTRCHNPC CLINTRCHPC CLINTRL CLMATTCH COC COVAUTH COVERAGE DISASTER DONAT "
            "DSRCH ELIGDTRM ELIGVER ENROLLM ERTREAT ETREAT FAMRQT FRAUD GOV HACCRED HCOMPL HDECD HDIRECT HDM HLEGAL "
            "HMARKT HOPERAT HOUTCOMS HPAYMT HPRGRP HQUALIMP HRESCH HSYSADMIN LABELING MEMADMIN METAMGT MILCDM "
            "MILDCRG PATADMIN PATRQT PATSFTY PERFMSR POARCH POPHLTH PRECLINTRCH PUBHLTH PWATRNY RECORDMGT REMITADV "
            "SUPNWK SYSDEV THREAT TRAIN TRANSRCH TREAT"
        ),
    },
    OBSERVATION_VALUE: {
        (Level.N, None): (
            "ABSTRED AGGRED ANONYED MAPPED MASKED PSEUDED REDACTED SUBSETTED SYNTAC TRSLT VERSIONED CRYTOHASH DIGSIG "
            "HRELIABLE RELIABLE UNCERTREL UNRELIABLE CLINAST DEVAST HCPAST PACQAST PATAST PAYAST PROAST SDMAST "
            "CLINRPT DEVRPT HCPRPT PACQRPT PATRPT PAYRPT PRORPT SDMRPT"
        ),
    },
}
"""Security labels of FHIR R4's value set security-labels: the level below which the resource may not stand, and the
category it belongs to. Any other label, and a malformed one, sends the resource to `unsorted/V`."""

_Key = tuple[str, str]
_Meaning = TypeVar("_Meaning")

_CATEGORY_OF_TYPE = {name: category for category, names in TYPES.items() for name in names.split()}


def _by_code(table: dict[str, dict[_Meaning, str]]) -> dict[_Key, _Meaning]:
    return {
        (system, code): meaning
        for system, meanings in table.items()
        for meaning, codes in meanings.items()
        for code in codes.split()
    }


_CATEGORY_OF_CODE = _by_code(CODES)
_SENSITIVE_OF_CODE = _by_code(SENSITIVE_CODES)
_SENSITIVE_OF_PREFIX = _by_code(SENSITIVE_PREFIXES)
_MEANING_OF_LABEL = _by_code(LABELS)
_LONGEST_PREFIX = max(len(code) for _, code in _SENSITIVE_OF_PREFIX)

_PEOPLE_AND_PLACES = frozenset({*TYPES[Category.ADMINISTRATIVE].split(), "Device"})
_CONTEXT = _PEOPLE_AND_PLACES | {"Appointment", "Encounter", "EpisodeOfCare"}


# -- classing one resource -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Classified:
    """The class of a resource and why.

    :param certain: false where nothing says what the resource is; such are listed, so that the patient decides.
    """

    cls: KeyClass
    reason: str
    certain: bool


@dataclass(frozen=True)
class _Finding:
    """What is known of a resource. It only grows, so that the order of looking does not matter.

    :param categories: all it belongs to; a single one where all is plain.
    :param level: at least this level, by labels.
    :param doubt: why it cannot be classed whatever else is known, or nothing.
    """

    categories: frozenset[Category] = frozenset()
    level: Level = Level.N
    doubt: str = ""
    why: tuple[str, ...] = ()

    def joined(self, other: "_Finding") -> "_Finding":
        grown = replace(
            self,
            categories=self.categories | other.categories,
            level=max(self.level, other.level),
            doubt=self.doubt or other.doubt,
        )
        return self if grown == self else replace(grown, why=tuple(dict.fromkeys(self.why + other.why))[:_REASONS])

    def seen_through(self, type_: str) -> "_Finding":
        """What of this a resource takes over that refers to it without being about it."""
        sensitive = self.categories & SENSITIVE
        level = max(self.level, Level.R if sensitive else Level.N)
        return _Finding(sensitive, level, why=(f"refers to {type_}",))

    def decided(self) -> Classified:
        if self.doubt or not self.categories:
            return Classified(UNSORTED, self.doubt or _NOTHING_SAYS, certain=False)
        sensitive = self.categories & SENSITIVE
        relevant = sensitive or self.categories
        category = next(iter(relevant)) if len(relevant) == 1 else Category.MIXED
        level = Level.V if len(sensitive) > 1 else max(self.level, _LOWEST[category])
        return Classified(KeyClass(category, level), ", ".join(self.why), certain=True)


_NOTHING_SAYS = "nothing says what it is"
_NO_FINDING = _Finding()
_REASONS = 8


def classify(resource: fhir.Resource) -> Classified:
    """The class of one resource that stands alone, by its type, its category and its security labels.

    A resource that holds others takes the most restrictive of what it holds. Nothing is raised.
    """
    return _classify_all([fhir.Part("", None, resource)], inherited=())[0]


_TypeOf = Callable[[fhir.Reference], str]


def _look(value: fhir.Object, outline: fhir.Outline, *, inherited: tuple[fhir.Code, ...], type_of: _TypeOf) -> _Finding:
    """What a resource and those within it say of themselves."""
    finding = _by_type(value, type_of)
    labels = outline.labels
    if not any(_key(label)[0] == CONFIDENTIALITY for label in outline.labels):
        labels += inherited
    for label in labels:
        finding = finding.joined(_by_label(label))
    for coding in outline.codings:
        finding = finding.joined(_by_coding(coding))
    for inner in outline.embedded:
        within = _look(inner, fhir.outline_of(inner), inherited=(), type_of=type_of)
        finding = finding.joined(_held(within, by=value.get("resourceType")))
    return finding


def _held(within: _Finding, *, by: fhir.Json) -> _Finding:
    """What the holder takes over. A bundle is nothing but what it holds; other types only become more restricted."""
    if by == "Bundle":
        gap = "" if within.categories else f"of something in it, {_NOTHING_SAYS}"
        return replace(within, doubt=within.doubt or gap)
    return replace(within, categories=within.categories & SENSITIVE, why=tuple(f"holds {why}" for why in within.why))


def _by_type(value: fhir.Object, type_of: _TypeOf) -> _Finding:
    name = value.get("resourceType")
    if not isinstance(name, str) or not name:
        return _Finding(doubt="it has no resourceType")
    if category := _CATEGORY_OF_TYPE.get(name):
        return _Finding(frozenset({category}), why=(f"type {name}",))
    if name in CODED:
        return _by_category(value)
    if name == "QuestionnaireResponse":
        return _by_source(value, type_of)
    if name in POINTERS or name in ("Binary", "Bundle"):
        return _NO_FINDING
    return _Finding(doubt=f"type {name[:80]} has no class")


def _by_category(value: fhir.Object) -> _Finding:
    for field in ("category", "type", "code"):
        for code in fhir.codes_of(value.get(field)):
            if category := _CATEGORY_OF_CODE.get(_key(code)):
                return _Finding(frozenset({category}), why=(f"{field} {code.code}",))
    return _NO_FINDING


def _by_source(value: fhir.Object, type_of: _TypeOf) -> _Finding:
    for field in ("source", "author"):
        reference = fhir.reference_of(value.get(field))
        source = type_of(reference) if reference else ""
        if source in ("Patient", "RelatedPerson"):
            return _Finding(frozenset({Category.PATIENT_REPORTED}), why=(f"{field} {source}",))
        if source in ("Practitioner", "PractitionerRole"):
            return _Finding(frozenset({Category.CHECKUPS}), why=(f"{field} {source}",))
    return _NO_FINDING


def _by_label(label: fhir.Code) -> _Finding:
    meaning = _MEANING_OF_LABEL.get(_key(label))
    if not (label.system and label.code):
        return _Finding(level=Level.V, doubt="one of its security labels is malformed")
    if meaning is None:
        return _Finding(level=Level.V, doubt=f"its security label {str(label)[:80]} is not known here")
    level, category = meaning
    return _Finding(frozenset({category} if category else ()), level, why=(f"label {label.code}",))


def _by_coding(coding: fhir.Code) -> _Finding:
    system, code = key = _key(coding)
    sensitive = _SENSITIVE_OF_CODE.get(key) or _by_prefix(system, code.replace(".", "").strip().upper())
    if sensitive:
        return _Finding(frozenset({sensitive}), Level.R, why=(f"code {code}",))

    # A label where this module expects none still counts, if it can be nothing else: ActCode has hundreds of codes
    # that are no labels.
    level, category = _MEANING_OF_LABEL.get(key, (Level.N, None))
    if category or (system == CONFIDENTIALITY and level > Level.N):
        return _by_label(coding)
    return _NO_FINDING


def _by_prefix(system: str, code: str) -> Category | None:
    if system not in SENSITIVE_PREFIXES:
        return None
    prefixes = ((system, code[:length]) for length in range(_LONGEST_PREFIX, 0, -1))
    return next((_SENSITIVE_OF_PREFIX[prefix] for prefix in prefixes if prefix in _SENSITIVE_OF_PREFIX), None)


def _key(code: fhir.Code) -> _Key:
    system = code.system or ""
    return ALIASES.get(system, system), code.code or ""


# -- classing the resources of a bundle ------------------------------------------------------------------------------


class _Neighbours:
    """Which of a bundle's resources a reference means: by full URL, or by type and id, whatever the server.

    Resources of one name are twins: two versions of one thing, each as restricted as the other.
    """

    def __init__(self, parts: Sequence[fhir.Part]) -> None:
        self._types = [part.resource.type for part in parts]
        self._positions: dict[str, int] = {}
        self.twins: list[tuple[int, int]] = []
        for position, part in enumerate(parts):
            for name in _names(part):
                first = self._positions.setdefault(name, position)
                if first != position:
                    self.twins.append((first, position))

    def find(self, text: str) -> int | None:
        """The position of the resource that a reference or a link names."""
        plain = text.split("/_history/")[0]
        position = self._positions.get(plain)
        return self._positions.get("/".join(plain.rsplit("/", 2)[-2:])) if position is None else position

    def type_of(self, reference: fhir.Reference) -> str:
        """The type of what is referred to, or nothing where neither the bundle nor the reference says."""
        position = self.find(reference.text)
        if position is not None:
            return self._types[position]
        named = _TYPE_IN_REFERENCE.search(reference.text)
        return named[1] if named else reference.type or ""


_TYPE_IN_REFERENCE = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)(?:\?|/[^/?]+(?:/_history/[^/]+)?$)")


def _names(part: fhir.Part) -> set[str]:
    full_url = (part.full_url or "").split("/_history/")[0]
    own = part.resource.value.get("id")
    if not isinstance(own, str):
        return {full_url} if full_url else set()
    return {full_url or f"urn:uuid:{own}", f"{part.resource.type}/{own}"}


def _classify_all(parts: Sequence[fhir.Part], *, inherited: tuple[fhir.Code, ...]) -> list[Classified]:
    """The class of each resource among its neighbours; `inherited` are labels for those who have none."""
    neighbours = _Neighbours(parts)
    links = _Links(
        types=[part.resource.type for part in parts],
        findings=[
            _look(part.resource.value, part.resource.outline, inherited=inherited, type_of=neighbours.type_of)
            for part in parts
        ],
    )
    for position, part in enumerate(parts):
        links.add(position, part.resource, neighbours)
    for one, other in neighbours.twins:
        links.watch(one, other)
        links.watch(other, one)
    links.spread()
    return [finding.decided() for finding in links.findings]


class _Links:
    """Findings of a bundle's resources, and the ways by which one becomes another's too."""

    def __init__(self, types: list[str], findings: list[_Finding]) -> None:
        self.findings = findings
        self._types = types
        self._watchers: list[list[int]] = [[] for _ in types]
        self._sharers: list[list[int]] = [[] for _ in types]

    def watch(self, source: int, target: int) -> None:
        """Let `source`, which refers to `target`, become as restricted."""
        self._watchers[target].append(source)

    def share(self, source: int, target: int) -> None:
        """Let `source`, which is about `target`, belong wherever `target` belongs."""
        self._sharers[target].append(source)

    def add(self, source: int, resource: fhir.Resource, neighbours: _Neighbours) -> None:
        """Follow a resource's references, and its links to Binaries."""
        outlines = list(_outlines(resource.outline))
        references = [each for outline in outlines for each in outline.references if not each.text.startswith("#")]
        if resource.type in POINTERS and not self.findings[source].categories:
            self._add_pointer(source, references, neighbours)
        else:
            self._add_references(source, references, neighbours)

        links = (link for outline in outlines for link in outline.links)
        for target in filter(_found, map(neighbours.find, links)):
            if self._types[target] == "Binary":
                self.share(target, source)
                self.watch(source, target)

    def _add_pointer(self, source: int, references: list[fhir.Reference], neighbours: _Neighbours) -> None:
        if any(
            neighbours.find(each.text) is None and neighbours.type_of(each) not in _PEOPLE_AND_PLACES
            for each in references
        ):
            self._doubt(source, "it is about something that did not come along")
        targets = [target for each in references if _found(target := neighbours.find(each.text))]
        things = [target for target in targets if self._types[target] not in _PEOPLE_AND_PLACES]
        for target in targets:
            self.watch(source, target)
        for target in things or targets:
            self.share(source, target)

    def _add_references(self, source: int, references: list[fhir.Reference], neighbours: _Neighbours) -> None:
        own = self._types[source]
        strict = own in POINTERS or _CATEGORY_OF_TYPE.get(own) is Category.CLAIMS
        for target in filter(_found, (neighbours.find(each.text) for each in references)):
            if own == "Binary":
                self.share(source, target)
            elif strict or self._types[target] not in _CONTEXT:
                self.watch(source, target)

    def spread(self) -> None:
        """Pass findings on until nothing grows. They grow only, and seldom, so this ends."""
        waiting = deque(range(len(self.findings)))
        while waiting:
            while waiting:
                waiting.extend(self._pass_on(waiting.popleft()))
            waiting.extend(self._pass_on_gaps())

    def _pass_on(self, target: int) -> list[int]:
        finding = self.findings[target]
        seen = finding.seen_through(self._types[target])
        return [source for source in self._watchers[target] if self._grow(source, seen)] + [
            source for source in self._sharers[target] if self._grow(source, finding)
        ]

    def _pass_on_gaps(self) -> list[int]:
        """Doubt what is about a resource of which still nothing is known."""
        gaps = [target for target, each in enumerate(self.findings) if not (each.categories or each.doubt)]
        return [
            source
            for target in gaps
            for source in self._sharers[target]
            if self._doubt(source, f"it is about {self._types[target]}, of which {_NOTHING_SAYS}")
        ]

    def _grow(self, position: int, other: _Finding) -> bool:
        before = self.findings[position]
        self.findings[position] = before.joined(other)
        return self.findings[position] is not before

    def _doubt(self, position: int, doubt: str) -> bool:
        return self._grow(position, _Finding(doubt=doubt))


def _found(position: int | None) -> TypeGuard[int]:
    return position is not None


def _outlines(outline: fhir.Outline) -> Iterator[fhir.Outline]:
    """The outline of a resource and those of all that it holds."""
    yield outline
    for inner in outline.embedded:
        yield from _outlines(fhir.outline_of(inner))


# -- from a document to records --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FhirRecord:
    """What becomes one sealed record.

    :param content: the bytes to seal, as they came.
    :param facts: for the index; an envelope has none.
    :param tag: under which the envelope of its bundle knows it; an envelope and a single resource have none.
    """

    content: bytes
    classified: Classified
    facts: fhir.Facts | None
    tag: str | None


@dataclass(frozen=True)
class FhirRecords:
    """All records of one FHIR document.

    :param resources: each resource in its class, in the order of the document.
    :param envelope: what is left of a bundle, a record too; `fhir.rejoin` needs it. A single resource has none.
    """

    resources: tuple[FhirRecord, ...]
    envelope: FhirRecord | None

    @property
    def uncertain(self) -> tuple[FhirRecord, ...]:
        """Those that nothing says the class of: they are in the most restrictive one until the patient decides."""
        return tuple(record for record in self.resources if not record.classified.certain)


def records_of(document: fhir.Resource) -> FhirRecords:
    """Each resource of a bundle as a record in its class, and the envelope; of anything else, that one record.

    The labels of the bundle, and of the Composition of a document, count for each resource that has no label itself.
    An envelope tells its reader types, ids, order and requests, so it is `mixed`: at V where a resource or a label of
    the bundle is at V or a resource is sensitive, else at R.

    :raises BrokenBundle: a bundle that cannot be taken apart.
    """
    if document.type != "Bundle":
        return FhirRecords((FhirRecord(document.content, classify(document), fhir.facts_of(document), None),), None)

    bundle = fhir.split(document)
    labels = document.outline.labels
    if document.value.get("type") == "document":
        labels += tuple(each for part in bundle.parts[:1] for each in part.resource.outline.labels)
    classes = _classify_all(bundle.parts, inherited=labels)
    records = tuple(
        FhirRecord(part.resource.content, classified, fhir.facts_of(part.resource), part.tag)
        for part, classified in zip(bundle.parts, classes, strict=True)
    )
    strict = any(each.cls.level is Level.V or each.cls.category in SENSITIVE for each in classes)
    level = Level.V if strict else max(Level.R, _level_of_rest(document, bundle))
    envelope = Classified(KeyClass(Category.MIXED, level), "envelope of a bundle", certain=True)
    return FhirRecords(records, FhirRecord(bundle.envelope.to_bytes(), envelope, None, None))


def _level_of_rest(document: fhir.Resource, bundle: fhir.Split) -> Level:
    """The level by labels of the bundle itself and of resources that stay in its envelope, such as outcomes."""
    taken = {id(part.resource.value) for part in bundle.parts}
    rest = replace(
        document.outline, embedded=tuple(each for each in document.outline.embedded if id(each) not in taken)
    )
    return max((_by_label(label).level for outline in _outlines(rest) for label in outline.labels), default=Level.N)

"""A grant as a FHIR R4 Consent that follows IHE Privacy Consent on FHIR (PCF).

A Consent is a statement of a grant, not the grant: who may read is decided by the chain and by keys. So each carries
which grant of which contract it states (`Stated`), by which anyone can hold it against the chain (`check`). It states
exactly the grant's terms or fewer. `theriac.health.provisions` reads Consents; docs/protocol/consents.md tells both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from html import escape
from typing import Any

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from theriac import fhir
from theriac.errors import BadConsent, NotStated
from theriac.health.scope import ACT_REASON, ALL_CLASSES, CONFIDENTIALITY, LOINC, KeyClass, Level, Purpose, mask_of

PCF = "https://profiles.ihe.net/ITI/PCF"
CONSENT_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
CONSENT_DOCUMENT = "59284-0"

KEY_CLASS = "urn:theriac:key-class"
"""The code system of classes, as security labels: `laboratory/N`."""

POLICY = "urn:theriac:policy:granted-classes"
"""The overarching policy: what the provision names may be read, of every class where it names none, with keys alone."""

ACCOUNT, MEMBER = "urn:theriac:account", "urn:theriac:member"
GRANT, LEDGER_GRANT = "urn:theriac:grant", "urn:theriac:ledger-grant"
"""Systems of identifiers of accounts (CAIP-10), members (consortium and number) and grants (digest); the extension."""

ALL_NORMAL = f"{PCF}/Policy-all-normal"
BASIC_PURPOSES = ("TREAT", "HPAYMT", "HOPERAT")

NOTICE = (
    "This is a statement of a grant, not the grant itself. Who may read is decided by the contract named here and by "
    "keys: check it there before you rely on it."
)


class Option(Enum):
    """The options of PCF, each with its profile."""

    BASIC = "Basic"
    INTERMEDIATE = "Intermediate"
    ADVANCED = "Advanced"

    @property
    def profile(self) -> str:
        return f"{PCF}/StructureDefinition/IHE.PCF.consent{self.value}"


@dataclass(frozen=True)
class Ledger:
    """A chain and the contracts on it that a Consent speaks of."""

    chain_id: int
    grants: str
    consortium: str

    def name_of(self, account: str) -> dict[str, str]:
        """The FHIR Identifier of an account, or of a member where it is a member's number as an address."""
        number = int(account, 16)
        if number < 1 << 32:
            return {"system": MEMBER, "value": f"eip155:{self.chain_id}:{self.consortium}/{number}"}
        return {"system": ACCOUNT, "value": f"eip155:{self.chain_id}:{to_checksum_address(account)}"}

    def account_of(self, system: str, value: str) -> str | None:
        """The account that an Identifier names on this chain, or None. Another chain's is none."""
        begin = f"eip155:{self.chain_id}:"
        if system == ACCOUNT and value.startswith(begin):
            return _address(value.removeprefix(begin))
        begin = f"{begin}{self.consortium}/"
        number = value.removeprefix(begin)
        if system == MEMBER and value.startswith(begin) and number.isascii() and number.isdecimal():
            return f"0x{int(number):040x}" if len(number) <= 10 and 0 < int(number) < 1 << 32 else None
        return None


def _address(text: str) -> str | None:
    try:
        # A member stands as a number, never as an account: nothing else has so small an address.
        return to_checksum_address(text) if len(text) == 42 and int(text, 16) >= 1 << 32 else None
    except ValueError:
        return None


@dataclass(frozen=True)
class Terms:
    """What a grant says: who, why, which classes, since when, in which window. Times are full hours, UTC.

    :param since: history from then on; None for all of it.
    :param start: when the window opens; None for at once.
    """

    reader: str
    purpose: Purpose
    classes: tuple[KeyClass, ...]
    since: datetime | None
    start: datetime | None
    end: datetime


@dataclass(frozen=True)
class Stated:
    """Which grant on the chain a Consent states, as `Grants.grantOf` has it; times in seconds since 1970."""

    ledger: Ledger
    pseudonym: str
    reader: str
    purpose: Purpose
    scope: int
    start: int
    expiry: int
    nonce: int
    era: int
    by: int = 0
    generation: int = 0

    @classmethod
    def of(cls, ledger: Ledger, grant: Mapping[str, Any], *, pseudonym: str, reader: str, purpose: Purpose) -> "Stated":
        values = {name: int(grant[name]) for name in ("scope", "start", "expiry", "nonce", "era", "by", "generation")}
        return cls(ledger, to_checksum_address(pseudonym), to_checksum_address(reader), purpose, **values)

    @property
    def digest(self) -> str:
        """keccak256 of chain, contract, parties and the slot, ABI-encoded, which anyone computes from `grantOf`."""
        kinds = ["uint256", "address", "address", "address", "uint8"]
        kinds += ["uint64", "uint40", "uint40", "uint32", "uint32", "uint16", "uint32"]
        parties = (self.ledger.chain_id, self.ledger.grants, self.pseudonym, self.reader, self.purpose.number)
        slot = (self.scope, self.start, self.expiry, self.nonce, self.era, self.by, self.generation)
        return "0x" + keccak(encode(kinds, (*parties, *slot))).hex()

    def extension(self) -> dict[str, Any]:
        """The FHIR extension that carries it."""
        numbers = {"nonce": self.nonce, "era": self.era}
        return {
            "url": LEDGER_GRANT,
            "extension": [
                {"url": "chainId", "valueString": str(self.ledger.chain_id)},
                {"url": "contract", "valueString": self.ledger.grants},
                {"url": "pseudonym", "valueString": self.pseudonym},
                {"url": "reader", "valueString": self.reader},
                {"url": "purpose", "valueString": self.purpose.code},
                *({"url": name, "valueString": str(number)} for name, number in numbers.items()),
                {"url": "digest", "valueString": self.digest},
                {"url": "notice", "valueString": NOTICE},
            ],
        }


# -- out -------------------------------------------------------------------------------------------------------------


def option_of(terms: Terms) -> Option:
    """The simplest option of PCF that says these terms: labels need Advanced, a data period Intermediate."""
    if set(terms.classes) != set(ALL_CLASSES):
        return Option.ADVANCED
    if terms.since is not None or terms.purpose.code not in BASIC_PURPOSES:
        return Option.INTERMEDIATE
    return Option.BASIC


def consent_of(terms: Terms, stated: Stated, *, name: str, now: datetime, era: int) -> dict[str, Any]:
    """The Consent that states a grant.

    :param terms: with a `start`; what the patient's client knows, which is finer than the chain's bits.
    :param name: what the reader calls itself.
    :param now: the chain's time, and `era` the pseudonym's era then; a grant that is over, or that the chain does not
        have as widely, becomes an inactive Consent.
    """
    start = terms.start or datetime.fromtimestamp(stated.start, UTC)
    asked = mask_of(terms.classes)
    holds = stated.era == era and stated.scope & asked == asked and int(terms.end.timestamp()) <= stated.expiry
    ledger, option = stated.ledger, option_of(terms)
    patient = {"type": "Patient", "identifier": ledger.name_of(stated.pseudonym)}
    return {
        "resourceType": "Consent",
        "meta": {"profile": [option.profile]},
        "text": {"status": "generated", "div": _narrative(terms, start, name)},
        "extension": [stated.extension()],
        "identifier": [{"system": GRANT, "value": stated.digest}],
        "status": "active" if holds and now < terms.end else "inactive",
        "scope": {"coding": [{"system": CONSENT_SCOPE, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": LOINC, "code": CONSENT_DOCUMENT, "display": "Consent Document"}]}],
        "patient": patient,
        "dateTime": _instant(now),
        "performer": [patient],
        "organization": [
            {
                "type": "Organization",
                "identifier": {"system": ACCOUNT, "value": f"eip155:{ledger.chain_id}:{ledger.consortium}"},
                "display": "The consortium of this ledger; what enforces the grant is keys",
            }
        ],
        "sourceReference": {
            "type": "DocumentReference",
            "identifier": {"system": GRANT, "value": stated.digest},
            "display": "The grant on the ledger",
        },
        "policy": [{"uri": ALL_NORMAL}, {"uri": POLICY}],
        "provision": _provision(terms, start, ledger=ledger, name=name),
    }


def _provision(terms: Terms, start: datetime, *, ledger: Ledger, name: str) -> dict[str, Any]:
    provision: dict[str, Any] = {
        "type": "permit",
        # The end of a FHIR period is within it.
        "period": {"start": _instant(start), "end": _instant(terms.end - timedelta(seconds=1))},
        "actor": [
            {
                "role": {"coding": [{"system": PARTICIPATION, "code": "IRCP", "display": "information recipient"}]},
                "reference": {
                    "type": "Organization" if int(terms.reader, 16) < 1 << 32 else "Practitioner",
                    "identifier": ledger.name_of(terms.reader),
                    **({"display": name} if name else {}),
                },
            }
        ],
        "purpose": [{"system": ACT_REASON, "code": terms.purpose.code, "display": terms.purpose.words}],
    }
    if option_of(terms) is Option.ADVANCED:
        provision["securityLabel"] = labels_of(terms.classes)
    if terms.since is not None:
        provision["dataPeriod"] = {"start": _instant(terms.since)}
    return provision


def labels_of(classes: Sequence[KeyClass]) -> list[dict[str, str]]:
    """Security labels, of which a record needs one: a level where all its classes are there, else each class."""
    found, labels = set(classes), []
    for level in Level:
        whole = [each for each in ALL_CLASSES if each.level is level]
        if found.issuperset(whole):
            labels.append({"system": CONFIDENTIALITY, "code": level.name})
            found.difference_update(whole)
    return labels + [{"system": KEY_CLASS, "code": str(each)} for each in ALL_CLASSES if each in found]


def _instant(time: datetime) -> str:
    return time.astimezone(UTC).strftime(_INSTANT)


_INSTANT = "%Y-%m-%dT%H:%M:%SZ"


def _narrative(terms: Terms, start: datetime, name: str) -> str:
    which = "every class" if option_of(terms) is not Option.ADVANCED else ", ".join(map(str, terms.classes))
    before = "all of history" if terms.since is None else f"what was recorded since {_instant(terms.since)}"
    lines = [
        f"{name or terms.reader} may read {which}, {before}, for {terms.purpose.words}, "
        f"from {_instant(start)} until before {_instant(terms.end)}.",
        NOTICE,
    ]
    paragraphs = "".join(f"<p>{escape(each)}</p>" for each in lines)
    return f'<div xmlns="http://www.w3.org/1999/xhtml">{paragraphs}</div>'


# -- against the chain -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claimed:
    """Which grant a Consent says that it states."""

    chain_id: int
    contract: str
    pseudonym: str
    reader: str
    purpose: Purpose
    nonce: int
    era: int
    digest: str


def claimed_by(consent: fhir.Resource) -> Claimed:
    """Reads the extension; :raises BadConsent: the Consent states no grant."""
    found = [each for each in _dicts(consent.value.get("extension")) if each.get("url") == LEDGER_GRANT]
    if len(found) != 1:
        raise BadConsent(fault="it does not say which grant on the chain it states")
    parts = {str(each.get("url")): str(each.get("valueString", "")) for each in _dicts(found[0].get("extension"))}
    try:
        pseudonym, reader = (to_checksum_address(parts[name]) for name in ("pseudonym", "reader"))
        numbers = {name: int(parts[name]) for name in ("chainId", "nonce", "era") if parts[name].isascii()}
        return Claimed(
            numbers["chainId"],
            to_checksum_address(parts["contract"]),
            pseudonym,
            reader,
            Purpose.parse(parts["purpose"]),
            numbers["nonce"],
            numbers["era"],
            parts["digest"],
        )
    except (KeyError, ValueError):
        raise BadConsent(fault="what it says of the grant on the chain is broken") from None


def check(consent: fhir.Resource, stated: Stated, *, era: int, now: int) -> Terms:
    """Holds a Consent against the chain: its every word is what `consent_of` says of the grant that stands there.

    :param stated: what the chain has for the parties that the Consent names; `era` the pseudonym's now.
    :raises NotStated: another chain or contract, a grant that was changed, revoked or is over, or an altered Consent.
    """
    claimed = claimed_by(consent)
    if (claimed.chain_id, claimed.contract) != (stated.ledger.chain_id, stated.ledger.grants):
        raise NotStated(fault="it is about another chain or another contract")
    if claimed.nonce != stated.nonce:
        raise NotStated(fault=f"the grant was changed since, it stands at {stated.nonce} and not at {claimed.nonce}")
    if claimed.era != era or stated.era != era:
        raise NotStated(fault="the patient revoked everything since")
    if claimed.digest != stated.digest:
        raise NotStated(fault="the grant has another digest")
    if not stated.scope or now >= stated.expiry:
        raise NotStated(fault="the grant is revoked or over")
    terms, name = _said_of(consent.value, stated)
    said = _moment(consent.value.get("dateTime"))
    if consent_of(terms, stated, name=name, now=said, era=era) != consent.value:
        raise NotStated(fault="it was altered, or was not written by this program")
    if mask_of(terms.classes) & ~stated.scope or int(terms.end.timestamp()) > stated.expiry:
        raise NotStated(fault="it permits more than the grant")
    if terms.start is None or int(terms.start.timestamp()) < stated.start:
        raise NotStated(fault="it begins before the grant")
    return terms


def _said_of(value: fhir.Object, stated: Stated) -> tuple[Terms, str]:
    """What a Consent of `consent_of` says, and what it calls the reader."""
    provision = _dict(value.get("provision"))
    period, data = _dict(provision.get("period")), _dict(provision.get("dataPeriod"))
    labels = _dicts(provision.get("securityLabel"))
    actors = _dicts(provision.get("actor"))
    name = str(_dict(actors[0].get("reference")).get("display", "")) if actors else ""
    classes = ALL_CLASSES if "securityLabel" not in provision else _classes_of(labels)
    since = _moment(data["start"]) if "start" in data else None
    end = _moment(period.get("end")) + timedelta(seconds=1)
    return Terms(stated.reader, stated.purpose, classes, since, _moment(period.get("start")), end), name


def _classes_of(labels: Sequence[fhir.Object]) -> tuple[KeyClass, ...]:
    codes = {(str(each.get("system")), str(each.get("code"))) for each in labels}
    return tuple(each for each in ALL_CLASSES if codes & {(KEY_CLASS, str(each)), (CONFIDENTIALITY, each.level.name)})


def _moment(value: fhir.Json) -> datetime:
    try:
        return datetime.strptime(str(value), _INSTANT).replace(tzinfo=UTC)
    except ValueError:
        raise NotStated(fault="one of its times was altered, or was not written by this program") from None


def _dict(value: fhir.Json) -> fhir.Object:
    return value if isinstance(value, dict) else {}


def _dicts(value: fhir.Json) -> list[fhir.Object]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []

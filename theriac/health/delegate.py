"""The delegate's client: an account for each pseudonym it acts under, and no key of any record.

A mandate comes sealed from the patient. What the delegate grants is signed by the account that she appointed under that
pseudonym; her own client sees it on the chain and gives the reader its keys.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from eth_utils.address import to_checksum_address

from theriac.crypto.recipients import parse_recipient
from theriac.errors import (
    BadDocument,
    BadRecipient,
    BadWindow,
    BeyondMandate,
    UnknownClass,
    UnknownMandate,
    UnknownPurpose,
)
from theriac.health import documents
from theriac.health.chain import Chain, Relay, Signed
from theriac.health.delegations import DelegatedGrant, DelegatedNarrow, DelegatedRevoke, Quorum
from theriac.health.hours import HOURS, hour_at, seconds_of
from theriac.health.messages import Freshness
from theriac.health.scope import KeyClass, Purpose, mask_of
from theriac.health.vault import Mandate, classes_of
from theriac.health.wallet import Wallet
from theriac.ledger.typed import Message

_WINDOW = 3000
_LISTS = ("classes", "purposes", "members")


@dataclass(frozen=True)
class Offer:
    """What a delegate hands to a patient: a name, what to seal to, and accounts that it never used."""

    name: str
    recipient: str
    accounts: tuple[str, ...]

    def encode(self) -> bytes:
        return documents.encode("delegate", asdict(self) | {"accounts": list(self.accounts)})

    @classmethod
    def decode(cls, data: bytes) -> "Offer":
        """:raises BadDocument: no delegate's offer."""
        values = documents.decode("delegate", data.strip())
        try:
            accounts = tuple(str(to_checksum_address(each)) for each in values["accounts"])
            parse_recipient(str(values["recipient"]))
            found = cls(str(values["name"]), str(values["recipient"]), accounts)
        except (KeyError, TypeError, ValueError, BadRecipient):
            raise BadDocument(kind="delegate's offer", fault="a part of it is missing or broken") from None
        return documents.as_written("delegate's offer", found, data)


def mandates_document(patient: str, mandates: Sequence[Mandate]) -> bytes:
    """What the patient hands to a delegate, sealed to it: under which pseudonyms and numbers it acts, and how far."""
    return documents.encode("mandate", {"patient": patient, "mandates": [_values(each) for each in mandates]})


def _values(mandate: Mandate) -> dict[str, Any]:
    lists = {name: list(getattr(mandate, name)) for name in _LISTS}
    return asdict(mandate) | lists


def mandates_from(data: bytes) -> tuple[str, tuple[Mandate, ...]]:
    """:raises BadDocument: no mandate."""
    values = documents.decode("mandate", data)
    try:
        found = tuple(
            Mandate(**{**each, **{name: tuple(each[name]) for name in _LISTS}}) for each in values["mandates"]
        )
        patient = values["patient"]
    except (KeyError, TypeError, ValueError):
        raise BadDocument(kind="mandate", fault="a part of it is missing or broken") from None
    if type(patient) is not str or not all(_fits(each) for each in found):
        raise BadDocument(kind="mandate", fault="a part of it is not what belongs there")
    if mandates_document(patient, found) != data:
        raise BadDocument(kind="mandate", fault="it is not written as such a document is")
    return patient, found


def _fits(mandate: Mandate) -> bool:
    """Whether each field is of its type, and its hours and numbers are some that there are."""
    texts = (mandate.pseudonym, mandate.name, mandate.holder, mandate.salt, mandate.recipient)
    numbers = (mandate.by, mandate.since, mandate.end, mandate.ages, mandate.threshold)
    if not all(type(each) is str for each in (*texts, *mandate.classes, *mandate.purposes, *mandate.members)):
        return False
    if not all(type(each) is int for each in numbers):
        return False
    hours = (mandate.since, mandate.end, mandate.ages)
    return 0 < mandate.by < 1 << 16 and all(0 <= each <= HOURS for each in hours) and 0 <= mandate.threshold < 1 << 8


@dataclass(frozen=True)
class Drafted:
    """An act of a quorum on its way from member to member: what it says, and who signed so far."""

    mandate: Mandate
    act: Mapping[str, Any]
    signatures: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def message(self) -> Message:
        return _message(self.mandate, self.act)

    @property
    def missing(self) -> int:
        return max(max(self.mandate.threshold, 1) - len(self.signatures), 0)

    def encode(self) -> bytes:
        signatures = {account: signature.hex() for account, signature in self.signatures.items()}
        values = {"mandate": _values(self.mandate), "act": dict(self.act), "signatures": signatures}
        return documents.encode("quorum", values)

    @classmethod
    def decode(cls, data: bytes) -> "Drafted":
        """:raises BadDocument: no act of a quorum."""
        values = documents.decode("quorum", data.strip())
        try:
            [mandate] = mandates_from(documents.encode("mandate", {"patient": "", "mandates": [values["mandate"]]}))[1]
            signatures = {str(name): bytes.fromhex(each) for name, each in values["signatures"].items()}
            drafted = cls(mandate, json.loads(json.dumps(values["act"])), signatures)
            _message(mandate, drafted.act)
        except (KeyError, TypeError, ValueError, AttributeError, UnknownClass, UnknownPurpose):
            raise BadDocument(kind="act of a quorum", fault="a part of it is missing or broken") from None
        return documents.as_written("act of a quorum", drafted, data)


def _message(mandate: Mandate, act: Mapping[str, Any]) -> Message:
    reader, purpose = str(act["reader"]), Purpose.parse(str(act["purpose"]))
    fresh = Freshness(int(act["nonce"]), int(act["era"]), int(act["deadline"]))
    if act["kind"] == "revoke":
        return DelegatedRevoke(mandate.pseudonym, reader, purpose, fresh)
    scope, expiry = mask_of(classes_of(act["classes"])), int(act["expiry"])
    if act["kind"] == "narrow":
        return DelegatedNarrow(mandate.pseudonym, reader, purpose, scope, expiry, fresh)
    return DelegatedGrant(mandate.pseudonym, reader, purpose, scope, 0, expiry, fresh, mandate.by)


class Delegate:
    """Acts for patients by their mandates, with an account of its own under each pseudonym."""

    def __init__(self, *, wallet: Wallet, accounts: int, chain: Chain, relay: Relay) -> None:
        """`accounts` is how many places of the wallet were offered so far."""
        self.chain = chain
        self._relay = relay
        self._signers = {str(wallet.signer(place).address): wallet.signer(place) for place in range(accounts)}

    def mine(self, mandate: Mandate) -> str:
        """The account by which this delegate acts under a mandate.

        :raises UnknownMandate: none of its accounts was appointed.
        """
        for account in self._signers:
            if account == mandate.holder or account in mandate.members:
                return account
        raise UnknownMandate(name=mandate.name)

    def lives(self, mandate: Mandate) -> bool:
        """Whether the chain lets it act now."""
        parent = self.chain.parent(mandate.pseudonym, mandate.by)
        kept = self.chain.mandate(mandate.pseudonym, mandate.by)
        era = self.chain.authority(mandate.pseudonym).era
        same = kept["generation"] == parent["generation"] and kept["era"] == era
        return bool(same and parent["holder"] == mandate.holder and parent["expiry"] > self.chain.time())

    def granted(self, mandates: Iterable[Mandate]) -> dict[tuple[str, int], list[tuple[str, str]]]:
        """To whom, for what, something stands under each mandate's pseudonym and number."""
        found: dict[tuple[str, int], list[tuple[str, str]]] = {(each.pseudonym, each.by): [] for each in mandates}
        purposes = {Purpose.parse(code).number: code for each in mandates for code in each.purposes}
        for event in self.chain.index.events("Grants", "Granted"):
            values = event.arguments
            place = (str(values["pseudonym"]), int(values["by"]))
            if place not in found or int(values["purpose"]) not in purposes:
                continue
            code, reader = purposes[int(values["purpose"])], str(values["reader"])
            grant = self.chain.grant(place[0], reader, Purpose.parse(code))
            if grant["scope"] and grant["by"] == place[1] and grant["expiry"] > self.chain.time():
                found[place] = [*(each for each in found[place] if each != (reader, code)), (reader, code)]
        return found

    def place_for(self, mandates: Sequence[Mandate], reader: str) -> Mandate:
        """The mandate by which a reader is granted to: one that has this reader already, or one that has nobody yet.

        Each pseudonym is for one reader, so that no two of them learn that they treat the same patient.

        :raises BeyondMandate: all are used for others.
        """
        live = [each for each in mandates if self.lives(each)]
        granted = self.granted(live)
        for each in live:
            if any(one == reader for one, _ in granted[each.pseudonym, each.by]):
                return each
        for each in live:
            if not granted[each.pseudonym, each.by]:
                return each
        raise BeyondMandate(fault="each of its pseudonyms is used for another reader, or all have ended")

    # -- acts --------------------------------------------------------------------------------------------------------

    def grant(
        self, mandate: Mandate, reader: str, *, classes: Sequence[KeyClass], purpose: Purpose, end: datetime
    ) -> Drafted:
        """What grants, signed by this delegate.

        :raises BeyondMandate: by classes, purpose or time.
        """
        names = tuple(str(cls) for cls in classes)
        beyond = sorted(set(names) - set(mandate.classes))
        if beyond or purpose.code not in mandate.purposes:
            raise BeyondMandate(fault=f"it names {', '.join(beyond) or purpose.code} not")
        if hour_at(end) > mandate.end:
            raise BeyondMandate(fault="it ends before that")
        if hour_at(end) <= self.chain.hour():
            raise BadWindow(fault="it has ended already")
        act = {"kind": "grant", "classes": list(names), "expiry": seconds_of(hour_at(end))}
        return self._drafted(mandate, reader, purpose, act)

    def narrow(
        self, mandate: Mandate, reader: str, *, classes: Sequence[KeyClass], purpose: Purpose, end: datetime
    ) -> Drafted:
        """What takes classes or time back, signed by this delegate."""
        names = [str(cls) for cls in classes]
        act = {"kind": "narrow", "classes": names, "expiry": seconds_of(hour_at(end))}
        return self._drafted(mandate, reader, purpose, act)

    def revoke(self, mandate: Mandate, reader: str, *, purpose: Purpose) -> Drafted:
        """What ends a grant, signed by this delegate."""
        return self._drafted(mandate, reader, purpose, {"kind": "revoke"})

    def _drafted(self, mandate: Mandate, reader: str, purpose: Purpose, act: Mapping[str, Any]) -> Drafted:
        reader = to_checksum_address(reader)
        values = {
            **act,
            "reader": reader,
            "purpose": purpose.code,
            "nonce": self.chain.grant_nonce(mandate.pseudonym, reader, purpose),
            "era": self.chain.authority(mandate.pseudonym).era,
            "deadline": self.chain.time() + _WINDOW,
        }
        return self.sign(Drafted(mandate, values))

    def sign(self, drafted: Drafted) -> Drafted:
        """Adds this delegate's signature."""
        account = self.mine(drafted.mandate)
        signable = drafted.message.signable(self.chain.domain("Delegations"))
        signature = bytes(self._signers[account].sign_message(signable))
        return Drafted(drafted.mandate, drafted.act, {**drafted.signatures, account: signature})

    def send(self, drafted: Drafted) -> None:
        """Carries an act that enough have signed.

        :raises BeyondMandate: they have not.
        """
        if drafted.missing:
            raise BeyondMandate(fault=f"{drafted.missing} more of the group must sign this")
        mandate = drafted.mandate
        signature = next(iter(drafted.signatures.values()))
        if mandate.threshold:
            quorum = Quorum(mandate.pseudonym, bytes.fromhex(mandate.salt), mandate.members, mandate.threshold)
            signature = quorum.proof(drafted.signatures)
        self._relay.carry(Signed(drafted.message, (signature,)))

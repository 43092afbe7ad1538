"""What goes to and fro between who recovers and her guardians, as files: cards, pleas and what answers them.

A file can be written by anyone who knows of a guardian. So a guardian speaks with who asks, and both read out the code
of the file; and the keeper checks that what is asked for is what the chain says it guards.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from eth_utils.address import is_checksum_address

from theriac.crypto.recipients import HybridIdentity, HybridRecipient, parse_recipient
from theriac.errors import BadDocument, BadExtendedKey, BadRecipient, NoMatchingIdentity, NotYours
from theriac.health import documents
from theriac.health.backup import backups
from theriac.health.chain import Chain
from theriac.health.guardians import ExtendedKey, Guardian, GuardianSet, TakeOver, Withdraw
from theriac.health.keystore import share_in
from theriac.ledger.signer import Signer
from theriac.store import Store

_SHARES = 8
"""Shares of so many backups are given at once."""

_LATER = 24 * 3600
"""Seconds that a withdrawal may take to arrive."""


def code_of(document: bytes) -> str:
    """What two people read out to each other: 60 bits of a file's digest."""
    text = base64.b32encode(hashlib.sha256(b"theriac/v1/plea" + document).digest()).decode()
    return "-".join((text[:4], text[4:8], text[8:12]))


# -- a guardian's card -----------------------------------------------------------------------------------------------


def encode_card(guardian: Guardian) -> bytes:
    """What a guardian hands over to be named."""
    return documents.encode("guardian", asdict(guardian))


def decode_card(data: bytes) -> Guardian:
    """:raises BadDocument: it is no card, or one that nothing can be sealed to or derived of."""
    values = documents.decode("guardian", data.strip())
    del values["kind"], values["format"]
    try:
        guardian = Guardian(**values)
        if not all(isinstance(each, str) for each in values.values()) or not guardian.name.strip():
            raise TypeError
        if guardian.recipient and not isinstance(parse_recipient(guardian.recipient), HybridRecipient):
            raise BadDocument(kind="guardian's card", fault="its recipient is a classic one")
        if guardian.account:
            if not is_checksum_address(guardian.account):
                raise ValueError
        else:
            ExtendedKey.of(bytes.fromhex(guardian.point), bytes.fromhex(guardian.chain_code))
    except (TypeError, ValueError, BadRecipient, BadExtendedKey):
        raise BadDocument(kind="guardian's card", fault="a part of it is missing or broken") from None
    return guardian


# -- pleas -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pleaded:
    """One pseudonym that a guardian is asked to help to a new wallet: by which account, at which place of its key."""

    terms: TakeOver
    account: str
    place: int

    def values(self) -> dict[str, Any]:
        chosen = self.terms.guardians
        guardians = {"salt": chosen.salt.hex(), "threshold": chosen.threshold, "accounts": list(chosen.accounts)}
        return {**self.terms.values(), **guardians, "account": self.account, "place": self.place}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Pleaded":
        accounts = [*values["accounts"], values["account"], values["pseudonym"], values["controller"]]
        if not all(is_checksum_address(each) for each in accounts):
            raise ValueError
        salt = bytes.fromhex(values["salt"])
        chosen = GuardianSet(salt.rjust(32, b"\0")[-32:], int(values["threshold"]), tuple(values["accounts"]))
        number, deadline = int(values["round"]), int(values["deadline"])
        terms = TakeOver(values["pseudonym"], values["controller"], number, deadline, chosen)
        return cls(terms, values["account"], int(values["place"]))


@dataclass(frozen=True)
class Plea:
    """What one guardian is asked to sign; `home` tells it whose it is."""

    guardian: str
    home: str
    items: tuple[Pleaded, ...]

    def encode(self) -> bytes:
        items = [each.values() for each in self.items]
        return documents.encode("plea", {"guardian": self.guardian, "home": self.home, "items": items})

    @classmethod
    def decode(cls, data: bytes) -> "Plea":
        """:raises BadDocument: it is no plea."""
        values = documents.decode("plea", data.strip())
        try:
            items = tuple(Pleaded.of(each) for each in values["items"])
            found = cls(str(values["guardian"]), str(values["home"]), items)
        except (KeyError, TypeError, ValueError):
            raise BadDocument(kind="plea", fault="a part of it is missing or broken") from None
        return documents.as_written("plea", found, data)


@dataclass(frozen=True)
class Approved:
    """One pseudonym with a guardian's signature."""

    pseudonym: str
    account: str
    signature: bytes


@dataclass(frozen=True)
class Approval:
    """What a guardian answers to a plea."""

    guardian: str
    items: tuple[Approved, ...]

    def encode(self) -> bytes:
        items = [{**vars(each), "signature": each.signature.hex()} for each in self.items]
        return documents.encode("approval", {"guardian": self.guardian, "items": items})

    @classmethod
    def decode(cls, data: bytes) -> "Approval":
        """:raises BadDocument: it is no answer to a plea."""
        values = documents.decode("approval", data.strip())
        try:
            items = tuple(
                Approved(str(each["pseudonym"]), str(each["account"]), bytes.fromhex(each["signature"]))
                for each in values["items"]
            )
            found = cls(str(values["guardian"]), items)
        except (KeyError, TypeError, ValueError):
            raise BadDocument(kind="approval", fault="a part of it is missing or broken") from None
        return documents.as_written("approval", found, data)


@dataclass(frozen=True)
class Call:
    """A cry for shares: of whose backup, and what to seal them to. It holds nothing secret."""

    home: str
    recipient: str

    def encode(self) -> bytes:
        return documents.encode("call", asdict(self))

    @classmethod
    def decode(cls, data: bytes) -> "Call":
        """:raises BadDocument: it is no call, or there is nothing good enough to seal to."""
        values = documents.decode("call", data.strip())
        try:
            found = cls(str(values["home"]), str(values["recipient"]))
            if not is_checksum_address(found.home) or not isinstance(parse_recipient(found.recipient), HybridRecipient):
                raise ValueError
        except (KeyError, ValueError, BadRecipient):
            raise BadDocument(kind="call", fault="a part of it is missing or broken") from None
        return documents.as_written("call", found, data)


def seal_words(words: Sequence[str], *, to: Call) -> bytes:
    """A guardian's shares for who called, and for nobody else."""
    share = documents.encode("shares", {"home": to.home, "words": list(words)})
    return documents.seal(share, to=parse_recipient(to.recipient))


def open_words(sealed: bytes, *, identity: HybridIdentity, home: str) -> list[str]:
    """:raises BadDocument: it is no share of this home. Raises NoMatchingIdentity where it is for somebody else."""
    values = documents.decode("shares", documents.open_(sealed, identities=[identity]))
    words = values.get("words")
    if values.get("home") != home or not isinstance(words, list) or not all(isinstance(each, str) for each in words):
        raise BadDocument(kind="share", fault="it is of another home")
    return list(words)


# -- the guardian's side ---------------------------------------------------------------------------------------------


class Keeper:
    """A guardian of one patient: finds its share, signs what it is asked for, takes it back."""

    def __init__(
        self, *, chain: Chain, store: Store, identity: HybridIdentity, signer: Callable[[int], Signer], home: str
    ) -> None:
        """`signer` gives the key at a place; `home` is the patient's, as she gave it."""
        self.chain = chain
        self._store = store
        self._identity = identity
        self._signer = signer
        self._home = home

    def words(self) -> list[str]:
        """This guardian's share of each backup that is found, the newest first.

        :raises NoMatchingIdentity: none holds one for this guardian.
        """
        found: dict[str, None] = {}
        for sealed in backups(self.chain, self._store, self._home):
            try:
                found[share_in(sealed, [self._identity], home=self._home)] = None
            except (NoMatchingIdentity, BadDocument):
                continue
        if not found:
            raise NoMatchingIdentity(tried=1)
        return list(found)[:_SHARES]

    def check(self, plea: Plea) -> None:
        """:raises NotYours: this guardian is asked for what it does not guard, or what the chain would not take."""
        if plea.home != self._home:
            raise NotYours(pseudonym=plea.home, fault="it is the home of somebody else than you guard by this name")
        for item in plea.items:
            pseudonym, chosen = item.terms.pseudonym, item.terms.guardians
            # (1) the account is this guardian's
            if item.account not in chosen.accounts or self._signer(item.place).address != item.account:
                raise NotYours(pseudonym=pseudonym, fault="the account that is to sign is not yours")
            # (2) its set is the one that counts
            if self.chain.guard(pseudonym).guardians != chosen.hash:
                raise NotYours(pseudonym=pseudonym, fault="the guardians named are not those that count on the chain")
            # (3) it is for the recovery that is pending, or for the next one
            pending = self.chain.pending(pseudonym)
            if item.terms.round != (pending.round if pending.controller else pending.round + 1):
                raise NotYours(pseudonym=pseudonym, fault="it is for another recovery than the one to come")
            if pending.controller and pending.controller != item.terms.controller:
                raise NotYours(pseudonym=pseudonym, fault="a recovery to another wallet is pending")
            # (4) it still counts
            if item.terms.deadline <= self.chain.time():
                raise NotYours(pseudonym=pseudonym, fault="its time is over")

    def approve(self, plea: Plea) -> Approval:
        """Signs all that a plea asks for. Raises NotYours, and then nothing is signed."""
        self.check(plea)
        domain = self.chain.domain("Recovery")
        items = [
            Approved(
                each.terms.pseudonym,
                each.account,
                bytes(self._signer(each.place).sign_message(each.terms.signable(domain))),
            )
            for each in plea.items
        ]
        return Approval(plea.guardian, tuple(items))

    def withdrawals(self, plea: Plea) -> list[tuple[Withdraw, bytes]]:
        """What takes back everything that was approved of a plea and still counts, signed."""
        found = []
        for each in plea.items:
            terms, chosen = each.terms, each.terms.guardians
            pending = self.chain.pending(terms.pseudonym)
            mine = each.account in chosen.members(pending.confirmed)
            if pending.controller and pending.round == terms.round and mine:
                message = Withdraw(terms.pseudonym, each.account, terms.round, self.chain.time() + _LATER, chosen)
                signable = message.signable(self.chain.domain("Recovery"))
                found.append((message, bytes(self._signer(each.place).sign_message(signable))))
        return found

"""Referrals: a reader passes its grant on, and hands the next one the keys of just those hours, in a sealed letter.

It works while the patient's phone is off. The next reader believes of the letter what the chain says (who referred,
what, until when), and of the keys what opens what the patient published; which pseudonyms are one patient's it has
from the referrer alone until her own client says so.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from eth_utils.address import to_checksum_address

from theriac.crypto.recipients import parse_recipient
from theriac.errors import (
    BadDocument,
    BadNodes,
    CannotRefer,
    NotGranted,
    TheriacError,
    TooWeak,
    UnknownClass,
    UnknownPurpose,
)
from theriac.health import documents
from theriac.health.bundle import IndexFile, Opening, strong_enough
from theriac.health.chain import Chain, Refusal
from theriac.health.delegations import REFERRED
from theriac.health.hours import hour_at, hour_of_seconds, mondays_after, seconds_of, time_of
from theriac.health.letters import letters_to
from theriac.health.messages import member_address
from theriac.health.reader import Reader
from theriac.health.scope import REFERRAL, KeyClass, Level, Purpose, bit_of, mask_of
from theriac.health.vault import Account
from theriac.ledger.sender import Sender
from theriac.store import Store


@dataclass(frozen=True)
class Referral:
    """The letter that goes with a referral.

    :param pseudonym: the patient's, which granted; `through` the reader whose grant is passed on, `reader` to whom.
    :param end: the hour that it ends with; `openings` reach no further.
    :param reason: what the referrer asks; it is sealed to the next reader.
    :param letter: the digest of the letter that brought it; `sender` the account that sent it.
    """

    pseudonym: str
    through: str
    reader: str
    purpose: str
    classes: tuple[str, ...]
    end: int
    reason: str
    openings: tuple[Opening, ...]
    indexes: tuple[IndexFile, ...]
    letter: str = ""
    sender: str = ""

    def encode(self) -> bytes:
        values = vars(self) | {
            "classes": list(self.classes),
            "openings": [opening.values() for opening in self.openings],
            "indexes": [vars(file) for file in self.indexes],
        }
        del values["letter"], values["sender"]
        return documents.encode("referral", values)

    @classmethod
    def decode(cls, data: bytes, *, letter: str, sender: str) -> "Referral":
        """:raises BadDocument: no referral."""
        values = documents.decode("referral", data)
        try:
            found = cls(
                pseudonym=str(values["pseudonym"]),
                through=str(values["through"]),
                reader=str(values["reader"]),
                purpose=Purpose.parse(str(values["purpose"])).code,
                classes=tuple(str(KeyClass.parse(name)) for name in values["classes"]),
                end=int(values["end"]),
                reason=str(values["reason"]),
                openings=tuple(Opening.of(each) for each in values["openings"]),
                indexes=tuple(IndexFile.of(each) for each in values["indexes"]),
                letter=letter,
                sender=sender,
            )
        except (KeyError, TypeError, ValueError, BadNodes, UnknownClass, UnknownPurpose):
            raise BadDocument(kind="referral", fault="a part of it is missing or broken") from None
        return documents.as_written("referral", found, data)


@dataclass(frozen=True)
class Referred:
    """What the patient's client is told of a referral, since the chain has no class behind a bit, and no history.

    :param since: the hour from which on history is passed on, zero for all that the referrer has.
    :param nonce: of the grant that it is about.
    """

    pseudonym: str
    reader: str
    purpose: str
    classes: tuple[str, ...]
    since: int
    nonce: int

    @classmethod
    def of(cls, letter: Referral, *, since: int, nonce: int) -> "Referred":
        return cls(letter.pseudonym, letter.reader, letter.purpose, letter.classes, since, nonce)

    def encode(self) -> bytes:
        return documents.encode("referred", vars(self) | {"classes": list(self.classes)})

    @classmethod
    def decode(cls, data: bytes) -> "Referred":
        """:raises BadDocument: nothing of a referral."""
        values = documents.decode("referred", data)
        try:
            found = cls(
                pseudonym=str(to_checksum_address(values["pseudonym"])),
                reader=str(to_checksum_address(values["reader"])),
                purpose=Purpose.parse(str(values["purpose"])).code,
                classes=tuple(str(KeyClass.parse(name)) for name in values["classes"]),
                since=int(values["since"]),
                nonce=int(values["nonce"]),
            )
        except (KeyError, TypeError, ValueError, UnknownClass, UnknownPurpose):
            raise BadDocument(kind="referred", fault="a part of it is missing or broken") from None
        if found.since < 0 or found.nonce < 0:
            raise BadDocument(kind="referred", fault="an hour or a nonce in it is below zero")
        return documents.as_written("referred", found, data)


def _tell_the_patient(reader: Reader, sender: Sender, referred: Referred) -> None:
    """Before the referral itself, so that there is none of which her client knows only what the chain says.

    :raises CannotRefer: the bundle's inboxes are not signed by whoever controls the pseudonym.
    """
    chain, pseudonym = reader.chain, referred.pseudonym
    inboxes = chain.bundle(pseudonym, reader.store).inboxes
    if not chain.signed(inboxes.message(), inboxes.signature, chain.authority(pseudonym).controller):
        raise CannotRefer(fault="the bundle's inboxes are not signed by the patient")
    recipient = inboxes.recipients[Level.V.name]
    send_letter(chain, sender, referred.encode(), to=pseudonym, recipient=recipient, reader=reader)


def told_of(
    chain: Chain, store: Store, account: Account, *, through: str, referral: tuple[str, str, int]
) -> Referred | None:
    """What the referrer told the patient of a referral of its grant: to whom, for which purpose, with which nonce."""
    through = to_checksum_address(through)
    for letter in letters_to(chain, [account.pseudonym]):
        if through not in (letter.sender, to_checksum_address(member_address(chain.member_of(letter.sender)))):
            continue
        try:
            found = Referred.decode(documents.open_(letter.sealed(store), identities=account.all_inboxes()))
        except TheriacError:
            # Anybody can send a letter; one that is none of these is nobody's business.
            continue
        if (found.pseudonym, (found.reader, found.purpose, found.nonce)) == (account.pseudonym, referral):
            return found
    return None


@dataclass(frozen=True)
class Returned:
    """What comes back to who referred: which records answer it, and a word."""

    referral: str
    pseudonym: str
    records: tuple[str, ...]
    note: str
    sender: str = ""

    def encode(self) -> bytes:
        values = {"referral": self.referral, "pseudonym": self.pseudonym, "records": list(self.records)}
        return documents.encode("returned", {**values, "note": self.note})

    @classmethod
    def decode(cls, data: bytes, *, sender: str) -> "Returned":
        """:raises BadDocument: nothing that comes back."""
        values = documents.decode("returned", data)
        try:
            records = tuple(str(each) for each in values["records"])
            found = cls(str(values["referral"]), str(values["pseudonym"]), records, str(values["note"]), sender)
        except (KeyError, TypeError):
            raise BadDocument(kind="returned", fault="a part of it is missing or broken") from None
        return documents.as_written("returned", found, data)


def refer_back(reader: Reader, sender: Sender, letter: Referral, *, records: Sequence[str], note: str) -> str:
    """Tells who referred what was written, so that the patient can go on there; the letter's digest."""
    profile = reader.chain.profile(letter.sender, reader.store)
    returned = Returned(letter.letter, letter.pseudonym, tuple(records), note)
    to, recipient = profile.account, profile.recipient
    return send_letter(reader.chain, sender, returned.encode(), to=to, recipient=recipient, reader=reader)


def returned(reader: Reader) -> list[Returned]:
    """What came back to this reader, the latest first, from those whom something of that pseudonym was referred to."""
    chain, found = reader.chain, []
    for letter in letters_to(chain, [reader.account]):
        try:
            told = Returned.decode(reader.opened_by(letter.sealed(reader.store)), sender=letter.sender)
        except TheriacError:
            continue
        if _was_referred(chain, told):
            found.append(told)
    return found


def _was_referred(chain: Chain, letter: Returned) -> bool:
    readers = {letter.sender, to_checksum_address(member_address(chain.member_of(letter.sender)))}
    return any(
        event.arguments["pseudonym"] == letter.pseudonym
        and event.arguments["by"] == REFERRED
        and event.arguments["reader"] in readers
        for event in chain.index.events("Grants", "Granted")
    )


def ends_of(reader: Reader, pseudonym: str, *, through: str, purpose: Purpose) -> list[int]:
    """The hours at which a referral may end: where the patient's rows split, so that it ends with her phone off."""
    grant = reader.chain.grant(pseudonym, through, purpose)
    last, now = hour_of_seconds(grant["expiry"]), reader.chain.hour()
    _, _, referable = reader.held(pseudonym)
    return [*(hour for hour in mondays_after(now) if hour <= min(referable, last - 1)), last]


def refer(
    reader: Reader,
    sender: Sender,
    *,
    pseudonym: str,
    to: str,
    purpose: Purpose,
    classes: Sequence[KeyClass],
    end: datetime,
    reason: str,
    since: datetime | None = None,
) -> Referral:
    """Passes a grant on: first on the chain, then the keys of these classes and hours in a sealed letter.

    :param end: one of `ends_of`.
    :raises NotGranted: the chain does not let this reader pass these classes on.
    :raises CannotRefer: the end is no hour at which rows split, or nothing is held of a class.
    :raises TooWeak: a class of level V, to a reader with only a classic recipient.
    """
    chain, to = reader.chain, to_checksum_address(to)
    profile = chain.profile(to, reader.store)
    for cls in classes:
        if not strong_enough(profile.recipient, str(cls)):
            raise TooWeak(reader=to, wanted=str(cls))
    scope = mask_of(classes)
    through = _through(reader, pseudonym, scope, purpose)
    ends, until = ends_of(reader, pseudonym, through=through, purpose=purpose), hour_at(end)
    if until not in ends:
        wanted = ", ".join(time_of(each).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") for each in ends)
        raise CannotRefer(fault=f"it can end at {wanted}, where the patient's keys change")

    # What a former grant gave is not passed on: not its classes, nor its history.
    openings, indexes, _ = reader.given(pseudonym)
    begin = hour_at(since) if since is not None else 0
    names = {str(cls) for cls in classes}
    handed = tuple(
        replace(opening, nodes=nodes, signature="")
        for opening in openings
        if opening.cls in names and (nodes := opening.nodes.clipped(since=begin, end=until)).nodes
    )
    if not handed:
        raise CannotRefer(fault="the patient's bundle has no key of these classes for this reader")
    kept = tuple(file for file in indexes if file.cls in names)
    letter = Referral(
        pseudonym, through, to, purpose.code, tuple(sorted(names)), until, reason, handed, kept, sender=sender.address
    )

    referred = Referred.of(letter, since=begin, nonce=chain.grant_nonce(pseudonym, to, purpose) + 1)
    _tell_the_patient(reader, sender, referred)
    terms = (pseudonym, to, purpose.number, scope, 0, seconds_of(until), 0)
    sender.send(chain.contracts.Grants.functions.refer(terms, through))
    digest = send_letter(chain, sender, letter.encode(), to=profile.account, recipient=profile.recipient, reader=reader)
    return replace(letter, letter=digest)


def withdraw(chain: Chain, sender: Sender, *, pseudonym: str, reader: str, purpose: Purpose) -> None:
    """Takes a referral back on the chain; its keys end with it, or when the patient's client renews them."""
    sender.send(chain.contracts.Grants.functions.withdraw(pseudonym, to_checksum_address(reader), purpose.number))


def send_letter(chain: Chain, sender: Sender, document: bytes, *, to: str, recipient: str, reader: Any) -> str:
    """Seals a document to its reader, stores it, and tells on the chain that it waits; its digest."""
    sealed = documents.seal(document, to=parse_recipient(recipient))
    digest = reader.store.put(io.BytesIO(sealed)).digest
    sender.send(chain.contracts.Letters.functions.send(sender.address, to_checksum_address(to), digest))
    return str(digest.hex())


def _through(reader: Reader, pseudonym: str, scope: int, purpose: Purpose) -> str:
    """Whose grant is passed on: this reader's own, or its member's."""
    chain = reader.chain
    refusal = chain.explain(pseudonym, reader.account, scope | 1 << REFERRAL, purpose)
    if refusal is not Refusal.NONE:
        told = refusal.sentence
        if refusal is Refusal.OUT_OF_SCOPE and not chain.explain(pseudonym, reader.account, scope, purpose):
            told = "the patient did not say that it may be referred on"
        raise NotGranted(reader=reader.account, wanted="what was to be referred on", rule=told)
    own = chain.grant(pseudonym, reader.account, purpose)
    wanted = scope | 1 << REFERRAL
    mine = own["scope"] & wanted == wanted and own["expiry"] > chain.time()
    return reader.account if mine else member_address(chain.member_of(reader.account))


def taken(reader: Reader) -> list[Referral]:
    """Takes over what was referred to this reader or its member, the latest first.

    A letter counts for what the chain says: (1) its grant is a referral, (2) from that reader's grant, (3) the letter
    was sent by that reader or for it, (4) no class and (5) no hour beyond the grant's.
    """
    chain = reader.chain
    member = chain.member_of(reader.account)
    accounts = {reader.account, chain.member_account(member) if member else reader.account}
    names = {reader.account, to_checksum_address(member_address(member))}
    found = []
    for letter in letters_to(chain, accounts):
        try:
            document = reader.opened_by(letter.sealed(reader.store))
            referral = Referral.decode(document, letter=letter.digest.hex(), sender=letter.sender)
            if to_checksum_address(referral.reader) not in names:
                continue
            referral = _checked(chain, referral)
        except TheriacError:
            # Anybody can send a letter; one that is no referral of the chain's is nobody's business.
            continue
        reader.take_over(referral.pseudonym, referral.openings, referral.indexes)
        found.append(referral)
    return found


def _checked(chain: Chain, letter: Referral) -> Referral:
    """The letter as far as the chain bears it out.

    :raises CannotRefer: it does not.
    """
    purpose = Purpose.parse(letter.purpose)
    grant = chain.grant(letter.pseudonym, letter.reader, purpose)
    if grant["by"] != REFERRED or not grant["scope"] or not grant["expiry"]:
        raise CannotRefer(fault="the chain knows of no such referral")
    if to_checksum_address(chain.referrer(letter.pseudonym, letter.reader, purpose)) != to_checksum_address(
        letter.through
    ):
        raise CannotRefer(fault="the chain names another referrer")
    through = to_checksum_address(letter.through)
    if through not in (letter.sender, to_checksum_address(member_address(chain.member_of(letter.sender)))):
        raise CannotRefer(fault="the letter is not from the referrer")
    end = min(letter.end, hour_of_seconds(grant["expiry"]) if grant["expiry"] else 0)
    names = {name for name in letter.classes if int(grant["scope"]) >> bit_of(KeyClass.parse(name)) & 1}
    openings = tuple(
        replace(opening, nodes=nodes)
        for opening in letter.openings
        if opening.cls in names and (nodes := opening.nodes.clipped(since=0, end=end)).nodes
    )
    indexes = tuple(file for file in letter.indexes if file.cls in names)
    return replace(letter, classes=tuple(sorted(names)), end=end, openings=openings, indexes=indexes)

"""Break-glass: what the chain says of emergencies, the card that names where to begin, and the clinician's side.

A clinician states a reason on the chain, custodians whom the patient chose release shares of the escrow's key, and so
many of them together open the capsule that the patient's bundle carries. `docs/protocol/emergencies.md` has the steps.
"""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any

from eth_utils.address import is_address, is_checksum_address, to_checksum_address
from eth_utils.crypto import keccak

from theriac.crypto import age, shares
from theriac.crypto.recipients import HybridIdentity, Identity, Recipient, parse_identity, parse_recipient
from theriac.errors import (
    BadCard,
    BadDocument,
    BadReason,
    BadShare,
    NoBundle,
    NoCase,
    NoEmergency,
    NoMatchingIdentity,
    NotGranted,
    NotOpened,
    NotStored,
    NotYetOpen,
    TheriacError,
    TooFewShares,
)
from theriac.health import documents, escrow, records
from theriac.health.accesslog import Book
from theriac.health.bundle import Bundle, Opening
from theriac.health.chain import Chain, Moment
from theriac.health.escrow import Share
from theriac.health.keystore import write_private
from theriac.health.reader import Reader
from theriac.health.receipts import Rule
from theriac.health.scope import Category, KeyClass, Level, Purpose
from theriac.ledger.contracts import Event
from theriac.ledger.sender import Sender
from theriac.store import Store

WINDOW, PATIENTS_OWN, LAPSE = 24 * 3600, 3 * 24 * 3600, 14 * 24 * 3600
"""Seconds from the opening of a case: until when it may be read, the patient alone reviews, it stands in the way."""

LONGEST_BAR = 30
"""Days for which a patient may bar a clinician."""

ETREAT = Purpose.parse("ETREAT")

USUAL = tuple(
    KeyClass(category, Level.N)
    for category in (
        Category.ALLERGIES,
        Category.CONDITIONS,
        Category.MEDICATIONS,
        Category.IMMUNIZATIONS,
        Category.LABORATORY,
        Category.PROCEDURES,
        Category.VITALS,
        Category.DOCUMENTS,
    )
)
"""What an emergency opens unless the patient says otherwise."""

_LONGEST_WORDS = 4000
_NUMBER = re.compile(r"[1-9][0-9]{0,19}")


class Reason(IntEnum):
    """Why a patient is not asked. Nothing finer is on the chain; the words are sealed to her."""

    CANNOT_BE_ASKED = 1
    CANNOT_WAIT = 2
    OTHERS_IN_DANGER = 3

    @classmethod
    def parse(cls, text: str) -> "Reason":
        """:raises BadReason: no such reason."""
        try:
            return cls[text.upper().replace("-", "_")]
        except KeyError:
            raise BadReason(given=text, known=[each.word for each in cls]) from None

    @property
    def word(self) -> str:
        return self.name.lower().replace("_", "-")


class Status(IntEnum):
    """Where a case stands on the chain."""

    NONE = 0
    OPEN = 1
    WITHDRAWN = 2
    SANCTIONED = 3
    JUSTIFIED = 4


class EmergencyRefusal(IntEnum):
    """Why `Emergencies.explain` says no."""

    NONE = 0
    EMPTY_SCOPE = 1
    NO_CASE = 2
    CLOSED = 3
    NO_STANDING = 4
    ERA_RAISED = 5
    WINDOW_OVER = 6
    OUT_OF_SCOPE = 7

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    EmergencyRefusal.NONE: "it is allowed",
    EmergencyRefusal.EMPTY_SCOPE: "no class was asked for",
    EmergencyRefusal.NO_CASE: "this clinician's latest emergency is not about this patient",
    EmergencyRefusal.CLOSED: "the emergency was reviewed or taken back",
    EmergencyRefusal.NO_STANDING: "the clinician is no longer with the same member in standing",
    EmergencyRefusal.ERA_RAISED: "the patient revoked everything",
    EmergencyRefusal.WINDOW_OVER: "the emergency's 24 hours are over",
    EmergencyRefusal.OUT_OF_SCOPE: "no emergency opens this class",
}


# -- on the chain ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """An emergency on the chain; `opened` in seconds since 1970, `words` the digest of what was said of it."""

    number: int
    clinician: str
    member: int
    opened: int
    status: Status
    reason: int
    releases: int
    pseudonym: str
    version: int
    era: int
    words: bytes = b""

    @property
    def ends(self) -> int:
        return self.opened + WINDOW

    @property
    def is_open(self) -> bool:
        """Whether it waits for a review."""
        return self.status is Status.OPEN

    def lasts(self, now: int) -> bool:
        """Whether it is open and its window is not over."""
        return self.is_open and now < self.ends

    def stands_in_the_way(self, now: int) -> bool:
        """Whether its clinician has to wait for the review before another."""
        return self.is_open and now < self.opened + LAPSE


@dataclass(frozen=True)
class Release:
    """A custodian's release; `share` is the digest of what it sealed to the clinician."""

    number: int
    member: int
    custodian: str
    share: bytes
    block: int


class Glass:
    """What the chain says of emergencies."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def let_in(self, clinician: str, pseudonym: str, *, time: int) -> bool:
        """Whether a case of this clinician's for this pseudonym lasted at a time, and something was released for it."""
        return any(
            case.pseudonym == pseudonym and case.opened <= time < case.ends and case.releases > 0
            for case in self.by(clinician)
        )

    def case(self, number: int, *, words: bytes = b"") -> Case:
        """A case as it stands now. :raises NoCase: there is none of this number."""
        contracts = self._chain.contracts
        found = contracts.call(contracts.Emergencies.functions.caseOf(number))
        if not found["status"]:
            raise NoCase(number=number)
        return Case(
            number,
            str(found["clinician"]),
            found["member"],
            found["opened"],
            Status(found["status"]),
            found["reason"],
            found["releases"],
            str(found["pseudonym"]),
            found["version"],
            found["era"],
            words,
        )

    def _opened(self, *, settled: bool = False) -> Iterable[Event]:
        return self._chain.index.events("Emergencies", "Opened", settled=settled, newest_first=True)

    def of(self, pseudonym: str) -> list[Case]:
        """The cases of a patient, the latest first."""
        return [self._case_of(event) for event in self._opened() if event.arguments["pseudonym"] == pseudonym]

    def by(self, clinician: str) -> list[Case]:
        """The cases of a clinician, the latest first."""
        return [self._case_of(event) for event in self._opened() if event.arguments["clinician"] == clinician]

    def settled(self) -> Iterator[Case]:
        """The cases whose opening the chain can no longer take back, the latest first, each asked for as it comes."""
        for event in self._opened(settled=True):
            yield self._case_of(event)

    def _case_of(self, event: Event) -> Case:
        return self.case(event.arguments["number"], words=event.arguments["words"])

    def releases(self, number: int | None = None, *, settled: bool = False) -> list[Release]:
        """The releases for one case or for all, in the order of the chain."""
        return [
            Release(
                event.arguments["number"],
                event.arguments["member"],
                str(event.arguments["custodian"]),
                event.arguments["share"],
                event.block,
            )
            for event in self._chain.index.events("Emergencies", "Released", settled=settled)
            if number is None or event.arguments["number"] == number
        ]

    def last_release(self, number: int) -> int:
        """The second of the latest release for a case; zero before the first."""
        found = self.releases(number)
        return self._chain.time_of_block(found[-1].block) if found else 0

    def is_released(self, number: int, member: int) -> bool:
        contracts = self._chain.contracts
        return bool(contracts.call(contracts.Emergencies.functions.isReleased(number, member)))

    def barred_until(self, clinician: str) -> int:
        contracts = self._chain.contracts
        return int(contracts.call(contracts.Emergencies.functions.conductOf(clinician))["barredUntil"])

    def explain(
        self, pseudonym: str, reader: str, scope: int, purpose: Purpose, *, block: int | str = "latest"
    ) -> EmergencyRefusal:
        """The rule by which a clinician may read now, in the place of a grant's."""
        contracts = self._chain.contracts
        call = contracts.Emergencies.functions.explain(pseudonym, reader, scope)
        return EmergencyRefusal(contracts.call(call, block=block))

    @staticmethod
    def words(case: Case, *, store: Store, identities: Sequence[Identity]) -> str:
        """What was said of a case; nothing where it was not stored, or is no words."""
        try:
            with store.get_digest(case.words) as stream:
                sealed = documents.read_at_most(stream, 1 << 20)
            values = documents.decode("emergency", documents.open_(sealed, identities=identities))
        except TheriacError:
            return ""
        return str(values.get("words", ""))[:_LONGEST_WORDS] if values.get("pseudonym") == case.pseudonym else ""


# -- the card --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Card:
    """What a patient carries: on which chain, and under which pseudonym. It opens nothing by itself."""

    chain_id: int
    pseudonym: str

    def encode(self) -> str:
        """In capital letters, which a square code packs tightly; the address is checked by its digits' own sum."""
        # An address in one case has no checksum of its own, so the card has a short one.
        address = self.pseudonym[2:].upper()
        return f"THERIAC-EMERGENCY:1:{self.chain_id}:{address}:{_sum(self.chain_id, address)}"

    @classmethod
    def parse(cls, text: str, *, chain_id: int) -> "Card":
        """A card's text, or the bare pseudonym with its checksum as somebody typed it.

        :raises BadCard: neither, or of another chain.
        """
        text = text.strip()
        if is_address(text) and is_checksum_address(text):
            return cls(chain_id, to_checksum_address(text))
        parts = text.upper().split(":")
        if len(parts) != 5 or parts[:2] != ["THERIAC-EMERGENCY", "1"] or not _NUMBER.fullmatch(parts[2]):
            raise BadCard(fault="it does not begin as one does")
        if not is_address("0x" + parts[3]) or parts[4] != _sum(int(parts[2]), parts[3]):
            raise BadCard(fault="a letter of it was read wrongly")
        if int(parts[2]) != chain_id:
            raise BadCard(fault=f"it is of the network with the id {int(parts[2])}, and this one has {chain_id}")
        return cls(chain_id, to_checksum_address("0x" + parts[3]))


def _sum(chain_id: int, address: str) -> str:
    return keccak(text=f"theriac/v1/card/{chain_id}/{address}").hex()[:6].upper()


# -- the clinician ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WrongShare:
    """A share that is not what the patient committed to, and the member that released it."""

    member: int
    fault: str


@dataclass(frozen=True)
class Collected:
    """What the custodians of a case have come to.

    :param good: the members whose share fits its commitment; `need` of them open it, None while none did.
    :param waiting: the members that released and whose file is not in the store yet.
    """

    good: tuple[int, ...] = ()
    need: int | None = None
    wrong: tuple[WrongShare, ...] = ()
    waiting: tuple[int, ...] = ()
    opened: bool = False


class Responder:
    """A clinician who breaks the glass: opens a case, collects shares, reads within the window."""

    def __init__(
        self,
        *,
        account: str,
        identity: Identity,
        recipient: Recipient,
        book: Book,
        chain: Chain,
        store: Store,
        folder: Path,
    ) -> None:
        """`recipient` is what this clinician's own notes are sealed to, `folder` where they lie; `book` takes the
        receipts of emergencies beside those of other readings.
        """
        self.account = account
        self.book = book
        self.glass = Glass(chain)
        self._identity = identity
        self._recipient = recipient
        self._chain = chain
        self._store = store
        self._folder = folder

    # -- opening -----------------------------------------------------------------------------------------------------

    def open(self, pseudonym: str, *, reason: Reason, words: str, sender: Sender) -> Case:
        """States an emergency.

        The bundle is kept, since its escrow is the one that the shares will be of, whatever is published meanwhile.

        :raises NoEmergency: the patient prepared nothing.
        :raises Reverted: the chain refuses, and says by which rule.
        """
        data, version = self._chain.document(pseudonym, self._store)
        bundle = _decoded(data, pseudonym=pseudonym, version=version)
        if bundle.escrow is None:
            raise NoEmergency(pseudonym=pseudonym)
        said = documents.encode("emergency", {"pseudonym": pseudonym, "words": words[:_LONGEST_WORDS]})
        sealed = documents.seal(said, to=parse_recipient(bundle.inboxes.recipients["V"]))
        digest = self._store.put(io.BytesIO(sealed)).digest

        functions = self._chain.contracts.Emergencies.functions
        receipt = sender.send(functions.open(pseudonym, version, int(reason), digest))
        [event] = [each for each in self._chain.contracts.events(receipt) if each.name == "Opened"]
        number = int(event.arguments["number"])
        self._keep(number, "bundle", data)
        return self.glass.case(number, words=digest)

    def cases(self) -> list[Case]:
        """This clinician's emergencies, the latest first."""
        return self.glass.by(self.account)

    def own(self, number: int) -> Case:
        """:raises NoCase: it is not this clinician's."""
        case = self.glass.case(number)
        if case.clinician != self.account:
            raise NoCase(number=number)
        return case

    def check(self, number: int) -> Case:
        """A case of this clinician's that may be read now.

        :raises NotGranted: the chain says no, and by which rule.
        """
        case = self.own(number)
        refusal = self.glass.explain(case.pseudonym, self.account, 1, ETREAT)
        if refusal:
            raise NotGranted(reader=self.account, wanted=f"what emergency {number} opens", rule=refusal.sentence)
        return case

    def withdraw(self, number: int, *, sender: Sender) -> None:
        """Takes a case back of which nothing was released."""
        sender.send(self._chain.contracts.Emergencies.functions.withdraw(self.own(number).number))

    # -- collecting --------------------------------------------------------------------------------------------------

    def collect(self, number: int) -> Collected:
        """Looks at what was released, and puts the key together once enough shares are what the patient committed to.

        Whoever released anything else is named, and what it released is left aside.
        """
        case = self.own(number)
        bundle = self._bundle(case)
        if bundle.escrow is None:
            raise NoEmergency(pseudonym=case.pseudonym)
        good: dict[int, tuple[int, Share]] = {}
        wrong, waiting = [], []
        for release in self.glass.releases(number):
            try:
                share = self._share(release.share)
                fault = bundle.escrow.fault(share, pseudonym=case.pseudonym, version=case.version)
            except NotStored:
                waiting.append(release.member)
                continue
            except (BadDocument, TheriacError) as trouble:
                fault = _fault_of(trouble)
            if fault:
                wrong.append(WrongShare(release.member, fault))
            else:
                good.setdefault(share.number, (release.member, share))
        members = tuple(member for member, _ in good.values())
        need = None
        if good:
            held = [share for _, share in good.values()]
            need = shares.needed(held[0].words)
            with suppress(TooFewShares):
                self._keep(number, "key", escrow.join(held).unsafe_export_secret().encode())
        opened = self._path(number, "key").exists()
        return Collected(members, need, tuple(wrong), tuple(waiting), opened)

    def _share(self, digest: bytes) -> Share:
        with self._store.get_digest(digest) as stream:
            sealed = documents.read_at_most(stream, 1 << 20)
        return Share.decode(documents.open_(sealed, identities=[self._identity]))

    def _bundle(self, case: Case) -> Bundle:
        """The bundle of the case's version: as it was kept, else as it is, where nothing was published since."""
        path = self._path(case.number, "bundle")
        if path.exists():
            data = documents.open_(path.read_bytes(), identities=[self._identity])
        else:
            data, version = self._chain.document(case.pseudonym, self._store)
            if version != case.version:
                raise NoBundle(pseudonym=case.pseudonym, fault="another was published since the case was opened")
        return _decoded(data, pseudonym=case.pseudonym, version=case.version)

    # -- reading -----------------------------------------------------------------------------------------------------

    def reader(self, number: int) -> "EmergencyReader":
        """Reads what the escrow of a case opens, by the rule of the emergency and for no other purpose.

        :raises NotYetOpen: the key is not together.
        """
        case, path = self.own(number), self._path(number, "key")
        if not path.exists():
            found = self.collect(number)
            if not found.opened:
                raise NotYetOpen(number=number, good=len(found.good), needed=found.need or 0)
        secret = documents.open_(path.read_bytes(), identities=[self._identity]).decode()
        identity = parse_identity(secret)
        assert isinstance(identity, HybridIdentity)
        reader = EmergencyReader(
            account=self.account,
            identity=identity,
            recipient=identity.recipient,
            book=self.book,
            chain=self._chain,
            store=self._store,
            folder=self._path(number, "known"),
            gate=self.glass,
        )
        reader.begin(self._bundle(case))
        return reader

    # -- what is kept ------------------------------------------------------------------------------------------------

    def _path(self, number: int, name: str) -> Path:
        return self._folder / str(number) / name

    def _keep(self, number: int, name: str, data: bytes) -> None:
        write_private(self._path(number, name), documents.seal(data, to=self._recipient))


class EmergencyReader(Reader):
    """A reader whose identity is the escrow's key, and whose right to look is a case on the chain."""

    _bundle: Bundle

    def _rule(self, moment: Moment, pseudonym: str, bit: int, purpose: Purpose) -> Rule:
        return Rule.EMERGENCY

    def begin(self, bundle: Bundle) -> None:
        """Takes what the escrow of this bundle opens, and what the sources' bundles hold for the same key by now."""
        self._bundle = bundle
        self.learn(bundle.pseudonym)

    def learn(self, pseudonym: str) -> None:
        """As any reader does, but from the bundle that the case names."""
        known = self._load(pseudonym)
        capsule = self._bundle.capsule(self._identity)
        self._take(known, self._bundle, capsule)
        for source in sorted({opening.source for opening in known.openings.values()} - {pseudonym}):
            with suppress(NoBundle, NotStored):
                other = self.chain.bundle(source, self.store)
                self._take(known, other, other.capsule(self._identity))
        self._save(pseudonym, known)

    def _search(self, known: Any, digest: str, openings: Iterable[Opening]) -> records.Opened:
        """Where a record went to an inbox, by its key; of another class than the escrow is for it stays shut."""
        source, author, _ = self._anchored(known, digest)
        if not self.chain.anchor(source, author, bytes.fromhex(digest)).inbox:
            return super()._search(known, digest, openings)
        capsule = self._bundle.capsule(self._identity)
        seeds = [bytes.fromhex(each.seed) for each in capsule.inboxes if each.source == source] if capsule else []
        try:
            with self._fetch(digest) as stream:
                key = age.file_key_of(stream, identities=[HybridIdentity.from_seed(seed) for seed in seeds])
        except NoMatchingIdentity:
            raise NotOpened(digest=digest) from None
        opened = records.open_(self._fetch(digest), file_key=key)
        if opened.manifest.cls not in {opening.cls for opening in openings if opening.source == source}:
            opened.content.close()
            raise NotOpened(digest=digest)
        return opened


def _decoded(data: bytes, *, pseudonym: str, version: int) -> Bundle:
    try:
        return Bundle.decode(data, pseudonym=pseudonym, version=version)
    except BadDocument as fault:
        raise NoBundle(pseudonym=pseudonym, fault=fault.fault) from None


def _fault_of(trouble: TheriacError) -> str:
    if isinstance(trouble, NoMatchingIdentity):
        return "it is not sealed to this clinician"
    if isinstance(trouble, BadDocument | BadShare):
        return trouble.fault
    return "it is no sealed share"


def closes(case: Case) -> datetime:
    """When the window of a case is over."""
    return datetime.fromtimestamp(case.ends, UTC)

"""What a scan comes to: may this pack be handed out, and if not, is it the pack or the scanner.

A verdict is made from what is known here: the sheets that were received, and the events that were followed. A pack that
no sheet told of is `unknown here`; only somebody who knows every pack of a batch can call one false, and only while the
chain is followed: a batch that was commissioned since may hold it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum, unique
from itertools import chain

from theriac.errors import BadCode
from theriac.medicine import wedge
from theriac.medicine.packid import PackCode, is_cut
from theriac.medicine.packs import tag_of
from theriac.medicine.shelf import KnownPack, Shelf
from theriac.medicine.state import BatchState, Block, End, PackStatus, Place
from theriac.medicine.tree import CAPACITY
from theriac.medicine.wedge import ScannerCause


@unique
class Cause(Enum):
    """Why a pack may or may not be handed out; the value is for programs, `sentence` for people."""

    GENUINE = "genuine"
    DISPENSED_HERE = "dispensed-here"
    DISPENSED_ELSEWHERE = "dispensed-elsewhere"
    EXPORTED = "exported"
    SAMPLED = "sampled"
    DESTROYED = "destroyed"
    STOLEN = "stolen"
    RETURNED = "returned"
    RECALLED = "recalled"
    EXPIRED = "expired"
    QUARANTINED = "quarantined"
    EXCURSION = "excursion"
    FOREIGN = "foreign"
    OFFERED = "offered"
    ALTERED = "altered"
    SERIAL_TWICE = "serial-twice"
    FALSE = "false"
    CLONED = "cloned"
    UNKNOWN_HERE = "unknown-here"
    SCANNER = "scanner"
    NO_CODE = "no-code"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]

    @property
    def is_alarm(self) -> bool:
        """Whether the pack itself is suspect: set it aside and tell the authority."""
        return self in _ALARMS


_SENTENCES = {
    Cause.GENUINE: "Genuine, in date, not recalled, yours, not dispensed.",
    Cause.DISPENSED_HERE: "Already dispensed here. Do not dispense it again; undo it if it came back unopened.",
    Cause.DISPENSED_ELSEWHERE: "Already dispensed at another place. Set it aside and ask its maker.",
    Cause.EXPORTED: "Ended as exported. Set it aside.",
    Cause.SAMPLED: "Ended as a sample. Set it aside.",
    Cause.DESTROYED: "Ended as destroyed. Set it aside and tell the authority.",
    Cause.STOLEN: "Reported stolen. Set it aside and tell the authority.",
    Cause.RETURNED: "Ended as returned. Set it aside.",
    Cause.RECALLED: "Recalled. Do not dispense it; give it back towards its maker.",
    Cause.EXPIRED: "Expired. Do not dispense it; give it back or destroy it.",
    Cause.QUARANTINED: "In quarantine. Do not dispense it before it is released.",
    Cause.EXCURSION: "Was too warm or too cold for too long. Do not dispense it before its maker clears it.",
    Cause.FOREIGN: "Held by another member. Accept it first, or ask who sent it.",
    Cause.OFFERED: "Under an offer. Withdraw the offer first.",
    Cause.ALTERED: "The serial is known, its lot or expiry is another. Set it aside and tell the authority.",
    Cause.SERIAL_TWICE: "The serial was given to two packs. Set it aside and ask its maker.",
    Cause.FALSE: "Its maker never made a pack with this serial. Set it aside and tell the authority.",
    Cause.CLONED: "Another pack with this serial was scanned elsewhere. Set it aside and tell the authority.",
    Cause.UNKNOWN_HERE: "Unknown here: no sheet told of it. Ask its maker before you judge it.",
    Cause.SCANNER: "The scanner is set wrong; nothing is said about the pack.",
    Cause.NO_CODE: "This is no code of a pack; scan again.",
}

_ALARMS = frozenset(
    {
        Cause.DISPENSED_ELSEWHERE,
        Cause.DESTROYED,
        Cause.STOLEN,
        Cause.ALTERED,
        Cause.SERIAL_TWICE,
        Cause.FALSE,
        Cause.CLONED,
    }
)

_SUSPECT = frozenset({Cause.UNKNOWN_HERE, Cause.ALTERED, Cause.SERIAL_TWICE, Cause.FALSE})
"""What a garbled code can look like; nothing else is said of a pack that was not found as the code names it."""

_ENDED = {
    End.EXPORTED: Cause.EXPORTED,
    End.SAMPLED: Cause.SAMPLED,
    End.DESTROYED: Cause.DESTROYED,
    End.STOLEN: Cause.STOLEN,
    End.RETURNED: Cause.RETURNED,
}


@dataclass(frozen=True)
class Verdict:
    """What a scan came to.

    `code` is what the pack's code says, None where it could not be told; `pack` where it lies, if that is known here;
    `scanner` what is set wrong at the scanner, the first to mend first; `holder` the member that holds it, or zero;
    `batches` those commissioned for the code's product and lot, for a pack that is unknown here, and `elsewhere` those
    of which nothing here tells what they are of: no sheet, nor a key for their tag.
    """

    cause: Cause
    code: PackCode | None = None
    pack: KnownPack | None = None
    scanner: tuple[ScannerCause, ...] = ()
    holder: int = 0
    batches: tuple[bytes, ...] = ()
    elsewhere: tuple[bytes, ...] = ()

    @property
    def may_be_dispensed(self) -> bool:
        return self.cause is Cause.GENUINE

    @property
    def sentence(self) -> str:
        """What to do, for a person."""
        if self.cause is Cause.SCANNER and self.scanner:
            return f"{self.cause.sentence} {self.scanner[0].advice}"
        if self.cause is Cause.FOREIGN and self.holder:
            return f"Held by member {self.holder}. Accept it first, or ask who sent it."
        return self.cause.sentence


States = Callable[[bytes], BatchState | None]
"""The state of a batch by its number, such as `Chain.state`."""


class Scanner:
    """Makes verdicts for one member. It asks nobody: neither the chain nor another member."""

    def __init__(
        self,
        *,
        member: int,
        shelf: Shelf,
        states: States,
        tags: Callable[[bytes], Sequence[bytes]] = lambda tag: (),
        keys: Mapping[int, bytes] | None = None,
        others: Callable[[Collection[int]], Sequence[bytes]] = lambda keys: (),
        queued: Callable[[KnownPack], bool] = lambda pack: False,
        is_current: Callable[[], bool] = lambda: True,
    ) -> None:
        """`tags` finds batches by their tag, `keys` are the consortium's keys by number, `others` finds batches whose
        tag was made with none of some keys, `queued` says whether a dispense of a pack waits to be settled, and
        `is_current` whether the batches are known that there are: one that is not may hold what no other does.
        """
        self._member = member
        self._shelf = shelf
        self._states = states
        self._tags = tags
        self._keys = keys or {}
        self._others = others
        self._queued = queued
        self._is_current = is_current

    def scan(self, raw: str | bytes, *, now: datetime | None = None) -> Verdict:
        """The verdict on one line of a scanner. Raises nothing but what a broken file raises."""
        moment = now or datetime.now(UTC)
        reading = wedge.diagnose(raw, today=moment.date())
        if reading.code is None:
            if reading.causes:
                known = self._known_variant(raw, moment.date())
                return Verdict(Cause.SCANNER, code=known, scanner=reading.causes)
            return Verdict(Cause.NO_CODE)

        verdict = self.judge(reading.code, now=moment)
        if verdict.cause in _SUSPECT:
            # Well-formed and not what is known here: before the pack is suspected, the scanner is.
            for variant in wedge.variants(raw, today=moment.date()):
                if self._is_known(variant.code):
                    return Verdict(Cause.SCANNER, code=variant.code, scanner=variant.causes)
            if whole := self._whole_of(reading.code):
                return Verdict(Cause.SCANNER, code=whole, scanner=(ScannerCause.CUT_SHORT,))
        if reading.causes:
            return self._through_faulty_scanner(verdict, reading.causes)
        return verdict

    def _through_faulty_scanner(self, verdict: Verdict, causes: tuple[ScannerCause, ...]) -> Verdict:
        """What came garbled is never held against the pack, and never handed out on the strength of a repair."""
        return Verdict(Cause.SCANNER, code=verdict.code, pack=verdict.pack, scanner=causes, holder=verdict.holder)

    def judge(self, code: PackCode, *, now: datetime | None = None) -> Verdict:
        """The verdict on a code that was read well."""
        moment = now or datetime.now(UTC)
        found = self._shelf.find(code.product, code.serial)
        if not found:
            return self._unknown(code)
        mine = [pack for pack in found if self._fits(code, pack)]
        if not mine:
            return Verdict(Cause.ALTERED, code=code, pack=found[0])
        if len(mine) > 1:
            return Verdict(Cause.SERIAL_TWICE, code=code, pack=mine[0])
        return self._judge_known(code, mine[0], int(moment.timestamp()))

    def _judge_known(self, code: PackCode, pack: KnownPack, now: int) -> Verdict:
        # Asked before the state: a dispense ends to wait only after the chain's word on it can be read.
        queued = self._queued(pack)
        state = self._states(pack.batch)
        if state is None:
            return Verdict(Cause.UNKNOWN_HERE, code=code, pack=pack)
        place = state.place(CAPACITY | pack.index, now=now)
        cause = _cause_at(place, state, pack.index, member=self._member, now=now)
        if queued and state.status(pack.index) is PackStatus.IN_STOCK:
            cause = Cause.DISPENSED_HERE
        return Verdict(cause, code=code, pack=pack, holder=place.holder)

    def _fits(self, code: PackCode, pack: KnownPack) -> bool:
        product = self._shelf.batch(pack.batch).product
        said_lot = code.lot is None or code.lot == product.lot
        return said_lot and (code.expiry is None or code.expiry == product.expiry)

    def _is_known(self, code: PackCode) -> bool:
        return any(self._fits(code, pack) for pack in self._shelf.find(code.product, code.serial))

    def _known_variant(self, raw: str | bytes, today: date) -> PackCode | None:
        for variant in wedge.variants(raw, today=today):
            if self._is_known(variant.code):
                return variant.code
        return None

    def _whole_of(self, code: PackCode) -> PackCode | None:
        """A known pack's code that this may be the beginning of; well-formed as it is, only the shelf can tell."""
        same = [(code.serial, self._shelf.batch(pack.batch)) for pack in self._shelf.find(code.product, code.serial)]
        for serial, batch in chain(same, self._shelf.going_on(code.product, code.serial)):
            lot, expiry = batch.product.lot or None, batch.product.expiry
            try:
                whole = PackCode(code.scheme, code.product, serial, lot=lot, expiry=expiry)
            except BadCode:
                # A maker may have made a pack that no code can name.
                continue
            if is_cut(code, whole=whole):
                return whole
        return None

    def _unknown(self, code: PackCode) -> Verdict:
        # Asked before the batches are looked up, which are then at least as new.
        is_current = self._is_current()
        batches, elsewhere = self._tagged(code), self._elsewhere()
        if is_current and batches and all(self._knows_whole(batch) for batch in batches) and not elsewhere:
            return Verdict(Cause.FALSE, code=code, batches=batches)
        return Verdict(Cause.UNKNOWN_HERE, code=code, batches=batches, elsewhere=elsewhere)

    def _tagged(self, code: PackCode) -> tuple[bytes, ...]:
        strings = code.strings()
        found: list[bytes] = []
        for key in self._keys.values():
            found += self._tags(tag_of(key, strings.product, strings.lot))
        return tuple(dict.fromkeys(found))

    def _elsewhere(self) -> tuple[bytes, ...]:
        """The batches of which nothing here tells what they are of: no sheet, nor a key for their tag."""
        known = {each.batch for each in self._shelf.batches()}
        return tuple(batch for batch in self._others(self._keys) if batch not in known)

    def _knows_whole(self, batch: bytes) -> bool:
        return self._shelf.knows_whole(batch)


def cause_on_chain(state: BatchState, index: int, *, member: int, now: int) -> Cause:
    """What the chain says of a pack to a member that has it in hand at the second `now`."""
    return _cause_at(state.place(CAPACITY | index, now=now), state, index, member=member, now=now)


def _cause_at(place: Place, state: BatchState, index: int, *, member: int, now: int) -> Cause:
    match state.status(index):
        case PackStatus.DISPENSED:
            return Cause.DISPENSED_HERE if place.holder == member else Cause.DISPENSED_ELSEWHERE
        case PackStatus.ENDED:
            return _ENDED[state.ended.get(index, End.DESTROYED)]
        case PackStatus.IN_STOCK:
            return _cause_of(state, place, member=member, now=now)


def _cause_of(state: BatchState, place: Place, *, member: int, now: int) -> Cause:
    """In the order in which it matters to who holds the pack in hand."""
    if Block.RECALL in place.blocks:
        return Cause.RECALLED
    if state.is_expired(now):
        return Cause.EXPIRED
    if place.holder != member:
        return Cause.FOREIGN
    if Block.EXCURSION in place.blocks:
        return Cause.EXCURSION
    if place.blocks:
        return Cause.QUARANTINED
    return Cause.OFFERED if place.offered_to else Cause.GENUINE

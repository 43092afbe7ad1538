"""What happens at a pharmacy's counter: verdicts, dispenses, and taking them back."""

import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import FrameType

from scripts._cli import Failure
from scripts._following import Follower, lost_sentence, may_not_dispense
from scripts._goods import Goods
from scripts._handing import Piece
from scripts._handing import shown as shown_piece
from scripts._scanning import Read, Saying, from_words, shown
from scripts._verifying import asked_makers, kept_clone, noted_scan, scan_book
from theriac.consortium import Role
from theriac.errors import AlreadyQueued, BadScan, Unavailable
from theriac.medicine.clones import CloneReport, ScanBook
from theriac.medicine.counter import Dispense, Standing
from theriac.medicine.scanner import Cause, Scanner, Verdict
from theriac.medicine.shelf import KnownPack
from theriac.medicine.state import NO_BLOCK, UNDO_DAYS
from theriac.medicine.tree import CAPACITY, is_below, node_of

_ASKED_WITHIN = 3.0
_KEYS_EVERY = 5.0


@dataclass(frozen=True)
class Judged:
    """A code as it was read and what it came to; no verdict where a file gave no code."""

    read: Read
    verdict: Verdict | None

    @property
    def pack(self) -> KnownPack:
        """The pack of a verdict that found one."""
        if self.verdict is None:
            raise Failure(self.read.trouble)
        if self.verdict.pack is None:
            raise Failure(_refusal(self.verdict), _exit_code(self.verdict))
        return self.verdict.pack


def _refusal(verdict: Verdict) -> str:
    code = shown(verdict)
    return f"{code}: {verdict.sentence}" if code else verdict.sentence


def _exit_code(verdict: Verdict) -> int:
    return 2 if verdict.cause in (Cause.SCANNER, Cause.NO_CODE) else 3


# -- a scanner that runs ---------------------------------------------------------------------------------------------


@contextmanager
def until_stopped() -> Iterator[None]:
    """Ctrl-C, and what a service is stopped with, end what is inside in order."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {}
    # Only the main thread may ask for signals. Ape ends a program at Ctrl-C on its own.
    with suppress(ValueError):
        before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@dataclass
class Counterwork:
    """Takes codes one by one, says the verdict on each, and dispenses what is genuine if it is to."""

    goods: Goods
    saying: Saying
    follower: Follower
    dispenses: bool
    place: str | None = None
    _scanner: Scanner | None = None
    _made: float = 0.0
    _book: ScanBook | None = field(default=None)

    def take(self, read: Read) -> None:
        """One code. Raises Failure where the account may not dispense, LedgerFileBroken where nothing can be kept."""
        if read.trouble:
            self.saying.verdict(read, None, online=self.goods.online)
            return
        now = datetime.now(UTC)
        verdict = self._current_scanner().scan(read.raw, now=now)
        if self.place is not None and self.goods.online:
            verdict = self._looked_into(verdict, self.place)
        dispensed = False
        if self.dispenses and verdict.may_be_dispensed and verdict.pack is not None:
            if self.follower.refused:
                raise Failure(self.follower.refused, 3)
            try:
                self.goods.depot.write_dispense(verdict.pack, at=now)
                dispensed = True
            except AlreadyQueued:
                # Another process of this pharmacy was faster by a blink.
                verdict = replace(verdict, cause=Cause.DISPENSED_HERE)
        self.saying.verdict(read, verdict, online=self.goods.online, dispensed=dispensed)
        if dispensed:
            self.follower.wake()

    def close(self) -> None:
        """Says what waits, if this scan was to dispense or settle."""
        if self._book is not None:
            self._book.close()
        if self.dispenses or self.follower.settles:
            say_waiting(self.goods, self.saying)

    def _current_scanner(self) -> Scanner:
        """One that knows the consortium's latest keys."""
        if self._scanner is None or time.monotonic() - self._made > _KEYS_EVERY:
            self._scanner, self._made = self.goods.depot.scanner(), time.monotonic()
        return self._scanner

    def _looked_into(self, verdict: Verdict, place: str) -> Verdict:
        """The verdict after its makers were asked, or after other scans of the pack at this pharmacy were looked at."""
        report: CloneReport | None = None
        if verdict.cause is Cause.UNKNOWN_HERE:
            explained = asked_makers(self.goods, verdict, place=place, timeout=_ASKED_WITHIN)
            verdict, report = explained.verdict, explained.clone
        else:
            if self._book is None:
                self._book = scan_book(self.goods)
            with suppress(Unavailable, BadScan):
                report = noted_scan(self.goods, self._book, verdict, place=place)
            if report is not None:
                verdict = replace(verdict, cause=Cause.CLONED)
        if report is not None:
            self.saying.note(f"{report.kind.sentence} The report is in {kept_clone(self.goods.person.folder, report)}.")
        return verdict


# -- dispensing ------------------------------------------------------------------------------------------------------


def judged(goods: Goods, words: Iterable[str]) -> list[Judged]:
    """The verdicts on codes and pictures. Raises Failure where there is none."""
    scanner = goods.depot.scanner()
    found = [Judged(read, None if read.trouble else scanner.scan(read.raw)) for read in from_words(words)]
    if not found:
        raise Failure("No code was given; scan one, or name a picture of one.")
    return found


def check_may_dispense(goods: Goods) -> None:
    """Raises Failure where the chain says that the account is no pharmacist; out of reach, it cannot be asked."""
    if not goods.online:
        return
    address = str(goods.depot.signer.address)
    if goods.depot.chain.standing(address, int(Role.PHARMACIST)) != goods.depot.member:
        raise Failure(may_not_dispense(address, goods.depot.member), 3)


def all_genuine(packs: Sequence[Judged], saying: Saying, *, online: bool) -> bool:
    """Whether each may be dispensed; where one may not, all verdicts are said. Raises Failure for one named twice."""
    if not all(each.verdict is not None and each.verdict.may_be_dispensed for each in packs):
        for each in packs:
            saying.verdict(each.read, each.verdict, online=online)
        return False
    if len({each.pack for each in packs}) != len(packs):
        raise Failure("One pack was named twice; name each once. Nothing was dispensed.")
    return True


def dispensed(goods: Goods, packs: Sequence[Judged], saying: Saying) -> list[Dispense]:
    """Writes dispenses down, says so, and sends them if the chain is there; each as it stands then."""
    if not packs:
        return []
    at = datetime.now(UTC)
    written = []
    for each in packs:
        written.append(goods.depot.write_dispense(each.pack, at=at))
        saying.verdict(each.read, each.verdict, online=goods.online, dispensed=True)
    try:
        if goods.online:
            goods.depot.settle(report=lambda each: saying.closed(each, quiet=True))
        else:
            saying.note(lost_sentence(goods.person.folder))
        say_waiting(goods, saying)
    except Unavailable as silent:
        saying.note(f"They are written down and wait: {silent}")
    return [goods.depot.counter[each.number] for each in written]


def say_waiting(goods: Goods, saying: Saying) -> None:
    """Says how many dispenses wait, if any do."""
    waiting = len(goods.depot.counter.dispenses(Standing.WAITING))
    if waiting:
        many = "1 dispense waits" if waiting == 1 else f"{waiting} dispenses wait"
        saying.note(f"{many} for the chain; 'ape run pharmacy settle' sends them.")


def mask_of(goods: Goods, packs: Sequence[Judged]) -> tuple[list[Judged], list[Judged]]:
    """Those that go by a mask over their case, and those that cannot: they stand apart from it, or are in none."""
    together: list[Judged] = []
    alone: list[Judged] = []
    for each in packs:
        state = goods.depot.state(each.pack.batch)
        apart = state.shape.case_bits == 0 or each.pack.index in state.apart
        (alone if apart else together).append(each)
    return together, alone


def dispensed_many(goods: Goods, packs: Sequence[Judged], saying: Saying) -> None:
    """Dispenses packs of one case after the other, and says so after each."""
    cases: dict[tuple[bytes, int], list[Judged]] = {}
    for each in packs:
        bits = goods.depot.state(each.pack.batch).shape.case_bits
        cases.setdefault((each.pack.batch, node_of(each.pack.index, bits)), []).append(each)
    for some in cases.values():
        goods.depot.dispense_many([each.pack for each in some])
        for each in some:
            saying.verdict(each.read, each.verdict, online=True, dispensed=True)


# -- taking back -----------------------------------------------------------------------------------------------------


def undone(goods: Goods, judged_: Judged) -> None:
    """Takes a dispensed pack back into stock. Raises Failure where it was not dispensed here, or too long ago."""
    pack, verdict = judged_.pack, judged_.verdict
    assert verdict is not None
    if verdict.cause is Cause.GENUINE:
        raise Failure(f"{shown(verdict)} was not dispensed; it is in stock.", 3)
    if verdict.cause is not Cause.DISPENSED_HERE:
        raise Failure(_refusal(verdict), _exit_code(verdict))
    if goods.depot.counter.is_waiting(pack):
        _settle_before(goods, pack)
    last = _dispensed_at(goods, pack)
    now = datetime.fromtimestamp(goods.depot.chain.time(), UTC)
    end = last + timedelta(days=UNDO_DAYS)
    if now > end:
        raise Failure(
            f"{shown(verdict)} was dispensed at {last:%Y-%m-%d %H:%M} UTC and could be taken back until "
            f"{end:%Y-%m-%d %H:%M} UTC; it cannot come into stock any more.",
            3,
        )
    contracts = goods.depot.chain.contracts
    operator = contracts.call(contracts.Batches.functions.claimedBy(pack.batch, pack.index))
    if int(operator, 16):
        raise Failure(
            f"{shown(verdict)} was dispensed for a claim; 'reverse' that claim, which gives back what was paid too.", 3
        )
    state = goods.depot.state(pack.batch)
    if state.place(CAPACITY | pack.index, now=int(now.timestamp())).blocks != NO_BLOCK:
        raise Failure(f"{shown(verdict)} is blocked or recalled meanwhile; it cannot come into stock any more.", 3)
    goods.depot.undo(pack)


def _settle_before(goods: Goods, pack: KnownPack) -> None:
    """What is to be taken back must be on the chain first."""
    refused: list[Dispense] = [each for each in goods.depot.settle().conflicts if each.pack == pack]
    if refused and refused[0].refusal is not None:
        raise Failure(f"Its dispense was refused: {refused[0].refusal.sentence} There is nothing to take back.", 3)


def _dispensed_at(goods: Goods, pack: KnownPack) -> datetime:
    """When a pack was last dispensed, by the time of the block."""
    index, batch = goods.depot.chain.index, {"batch": pack.batch}
    found = [
        (event.block, event.index)
        for event in index.events(
            "Batches", "Dispensed", where={**batch, "index": pack.index}, newest_first=True, limit=1
        )
    ]
    where = {**batch, "word": pack.index >> 8}
    for event in index.events("Batches", "DispensedMany", where=where, newest_first=True):
        if event.arguments["mask"] >> (pack.index & 0xFF) & 1:
            found.append((event.block, event.index))
            break
    if not found:
        raise Failure("Nothing on the chain says that this pack was dispensed; follow it with 'list' and try again.", 3)
    when = goods.depot.chain.time_of(max(found)[0])
    if when is None:
        raise Failure("The chain has the block no longer in which this pack was dispensed; try another node.", 4)
    return when


# -- goods -----------------------------------------------------------------------------------------------------------


def check_can_move(goods: Goods, piece: Piece) -> int:
    """Who gave these goods, zero for not known. Raises Failure where they cannot be given back as they are."""
    state = goods.depot.state(piece.batch)
    place = state.place(piece.node, now=goods.depot.chain.time())
    what = shown_piece(goods, piece)
    if place.holder != goods.depot.member:
        raise Failure(f"The {what} is held by member {place.holder}, not by this pharmacy.", 3)
    node = state.nodes.get(piece.node)
    if piece.node < CAPACITY and node is not None and node.opened:
        raise Failure(f"Something was dispensed out of the {what}; give its packs back one by one.", 3)
    for each in goods.depot.counter.dispenses(Standing.WAITING):
        if each.pack.batch == piece.batch and is_below(CAPACITY | each.pack.index, piece.node):
            raise Failure(f"A dispense out of the {what} waits for the chain; send it with 'settle' first.", 3)
    return place.giver


_MAY_END = frozenset({Cause.GENUINE, Cause.RECALLED, Cause.EXPIRED, Cause.QUARANTINED, Cause.EXCURSION})


def to_end(goods: Goods, words: Iterable[str], *, exported: bool) -> list[KnownPack]:
    """The packs of codes, each held here and in stock. Raises Failure where one is not."""
    found: dict[KnownPack, None] = {}
    for each in judged(goods, words):
        pack, verdict = each.pack, each.verdict
        assert verdict is not None
        if verdict.cause not in _MAY_END or verdict.holder != goods.depot.member:
            raise Failure(_refusal(verdict), _exit_code(verdict))
        if exported and verdict.cause is not Cause.GENUINE:
            raise Failure(f"{_refusal(verdict)} It cannot be exported.", 3)
        found[pack] = None
    return list(found)

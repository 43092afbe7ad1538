"""Headers that are proven: the newest, those of a number, and stretches of them linked by their parents' hashes."""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from theriac.errors import StaleChain, Unproven
from theriac.ledger.light.anchor import Anchor
from theriac.ledger.light.faults import Lie, Strangers, Unable
from theriac.ledger.light.kaia import EMPTY_ROOT, Header, number_of
from theriac.ledger.light.kept import Kept
from theriac.ledger.light.passed import WINDOW, Passed
from theriac.ledger.light.peers import Peer, Peers

# How old the newest block may be by this machine's clock, and how far ahead of it, in seconds. Clocks disagree by a
# minute, and a chain that loses a validator pauses for some seconds.
OLDEST, AHEAD = 180.0, 120.0

# How long a newest block is good for, in seconds; how long a block is waited for that another has seen.
_FRESH = 0.2
_PATIENCE = 3.0
_GRACE = 0.05

_REMEMBERED = 2048


class Headers:
    """The chain of headers as far as it is proven. For one thread at a time."""

    def __init__(
        self, anchor: Anchor, peers: Peers, *, passed: Passed, mark: Path | None, clock: Callable[[], float]
    ) -> None:
        """`mark` is a small file that keeps the newest block ever seen, so that none older counts as newest again.

        `clock` tells the seconds since 1970.
        """
        self._clock = clock
        self._passed = passed
        self._anchor = anchor
        self._peers = peers
        self._validators = anchor.addresses
        self._mark_path = mark
        self._mark: tuple[int, str] = self._read_mark()
        self._kept: Kept[int, Header] = Kept(_REMEMBERED)
        self._head: tuple[float, Header] | None = None
        # Hashes of old blocks that lead to the checkpoint.
        self._led: dict[int, bytes] = {}
        if anchor.checkpoint is not None:
            self._led[anchor.checkpoint.number] = bytes.fromhex(anchor.checkpoint.hash[2:])

    # -- the newest --------------------------------------------------------------------------------------------------

    def head(self, *, anew: bool = False) -> Header:
        """The newest block that a node proves, and no older one than was ever seen; `anew` asks in any case.

        Raises StaleChain, Unproven, OtherValidators, ChainSilent, Unable.
        """
        least = self._mark[0]
        if not anew and self._head is not None and time.monotonic() - self._head[0] < _FRESH:
            return self._head[1]
        patience = time.monotonic() + min(_PATIENCE, self._peers.left / 2)
        while True:
            newest = self._newest()
            if newest.number >= least:
                break
            if time.monotonic() >= patience:
                raise self._stale(newest, f"block {least} has been seen before")
            time.sleep(0.1)
        self._check_fresh(newest)
        self._advance(newest)
        self._head = (time.monotonic(), newest)
        return newest

    def _newest(self) -> Header:
        answers = self._peers.each(self._ask_head, grace=_GRACE)
        proven = [(each.value, each.peer) for each in answers if each.trouble is None]
        if not proven:
            raise self._peers.why(answers)
        newest: Header = max(proven, key=lambda each: each[0].number)[0]
        self._check_one(proven)
        return newest

    def _ask_head(self, peer: Peer, within: float) -> Header:
        asked: list[tuple[str, Sequence[object]]] = [("kaia_getHeaderByNumber", ["latest"])]
        if not peer.known:
            asked += [("eth_chainId", []), ("kaia_getHeaderByNumber", ["0x0"])]
        answers = peer.ask_many(asked, within=within)
        for answer in answers:
            if isinstance(answer, Unable):
                raise answer
        if not peer.known:
            self._acquaint(peer, *answers[1:])
        header = Header.from_json(answers[0])
        self._check(header)
        return header

    def _acquaint(self, peer: Peer, chain_id: object, first: object) -> None:
        """That a node is of the anchor's chain: what it says of itself proves nothing, but tells a mistake."""
        if number_of(chain_id, "chain id") != self._anchor.chain_id:
            raise Lie(f"it is a node of another chain: its id is {chain_id}, not {self._anchor.chain_id}")
        begun = Header.from_json(first).hash.hex()
        if "0x" + begun != self._anchor.genesis:
            raise Lie(f"it is a node of another chain: its first block is 0x{begun}, not {self._anchor.genesis}")
        peer.known = True

    def _check_one(self, proven: Sequence[tuple[Header, Peer]]) -> None:
        """That no two blocks of one number are sealed: then the validators themselves have failed."""
        seen = {self._mark[0]: bytes.fromhex(self._mark[1][2:])} if self._mark[0] else {}
        for header, peer in proven:
            kept = self._kept.get(header.number)
            other = seen.setdefault(header.number, header.hash)
            if other != header.hash or (kept is not None and kept.hash != header.hash):
                fault = f"two blocks of number {header.number} are sealed, so more than a third of the validators lie"
                raise Unproven(faults={peer.endpoint: fault})

    def _check_fresh(self, header: Header) -> None:
        age = self._clock() - header.time
        if age > OLDEST:
            raise self._stale(
                header, f"it is {age / 60:.0f} minutes old" if age < 36_000 else f"it is {age / 3600:.0f} hours old"
            )
        if -age > AHEAD:
            raise self._stale(header, f"its time is {-age / 60:.0f} minutes ahead")

    def _stale(self, header: Header, fault: str) -> StaleChain:
        return StaleChain(endpoint=self._peers.endpoint, block=header.number, fault=fault)

    # -- of a number -------------------------------------------------------------------------------------------------

    def at(self, number: int) -> Header:
        """The block of a number that is not above the newest. Raises as `head` does."""
        kept = self._kept.get(number)
        if kept is not None:
            return kept
        if self._head is not None and self._head[1].number == number:
            return self._head[1]
        header = self._peers.first(lambda peer, within: self._ask_one(peer, number, within))
        self._kept.put(number, header)
        return header

    def _ask_one(self, peer: Peer, number: int, within: float) -> Header:
        header = self._of_number(peer.ask("kaia_getHeaderByNumber", hex(number), within=within), number)
        self._check_past(peer, header, within)
        return header

    def _of_number(self, answer: object, number: int) -> Header:
        header = Header.from_json(answer)
        if header.number != number:
            raise Lie(f"asked for block {number}, it gave block {header.number}")
        return header

    def _check(self, header: Header) -> None:
        """A header stands by its own seals; block 0 by its hash alone."""
        if header.number == 0:
            if "0x" + header.hash.hex() != self._anchor.genesis:
                raise Lie("its block 0 is not that of the anchor's chain")
            return
        header.check_sealed(self._validators)

    def _check_past(self, peer: Peer, header: Header, within: float) -> None:
        """The same of a block that may stand before the anchor's checkpoint, which others may have sealed."""
        led = self._led.get(header.number)
        if led is not None:
            if header.hash != led:
                raise Lie(f"its block {header.number} does not lead to the anchor's checkpoint")
            return
        try:
            self._check(header)
        except Strangers:
            checkpoint = self._anchor.checkpoint
            if checkpoint is None or header.number > checkpoint.number:
                raise
            self._lead(peer, header, within)

    def _lead(self, peer: Peer, header: Header, within: float) -> None:
        """Walks back from the nearest block that is known to lead to the checkpoint, and remembers the way."""
        deadline = time.monotonic() + within
        start = min(number for number in self._led if number >= header.number)
        expected = self._led[start]
        for last in range(start, header.number - 1, -WINDOW):
            first = max(last - WINDOW + 1, header.number)
            part = self._ask_stretch(peer, first, last, deadline - time.monotonic())
            if part[-1].hash != expected:
                raise Lie(f"its block {last} does not lead to the anchor's checkpoint")
            expected = part[0].parent
            self._led[first] = part[0].hash
        if part[0].hash != header.hash:
            raise Lie(f"its block {header.number} does not lead to the anchor's checkpoint")

    # -- stretches ---------------------------------------------------------------------------------------------------

    def busy(self, start: int, end: int) -> Iterator[list[tuple[int, int]]]:
        """Those blocks from `start` to `end`, both with, that have receipts: their numbers and blooms, in parts.

        Each part is linked by its parents' hashes to a block that is proven, so that none is left out.
        """
        first = start
        while first <= end:
            window = first // WINDOW
            last = min((window + 1) * WINDOW - 1, end)
            whole = first == window * WINDOW and last == first + WINDOW - 1
            if self._passed.has(window):
                yield self._passed.busy(first, last)
            else:
                part = self._part(first, last)
                busy = [(each.number, each.bloom) for each in part if each.receipts_root != EMPTY_ROOT]
                if whole:
                    self._passed.add(window, busy)
                yield [(number, int.from_bytes(bloom, "big")) for number, bloom in busy]
            first = last + 1

    def several(self, numbers: Sequence[int]) -> list[Header]:
        """The blocks of some numbers."""
        return [self.at(number) for number in numbers]

    def _part(self, first: int, last: int) -> list[Header]:
        part: list[Header] = []
        while first + len(part) <= last and (kept := self._kept.get(first + len(part))) is not None:
            part.append(kept)
        if first + len(part) > last:
            return part

        def ask(peer: Peer, within: float) -> list[Header]:
            more = self._ask_stretch(peer, first + len(part), last, within)
            if part and more[0].parent != part[-1].hash:
                raise Lie(f"its block {more[0].number} does not stand on its block {part[-1].number}")
            self._check_past(peer, more[-1], within)
            return more

        more = self._peers.first(ask)
        for header in more:
            self._kept.put(header.number, header)
        return part + more

    def _ask_stretch(self, peer: Peer, first: int, last: int, within: float) -> list[Header]:
        asked = [("kaia_getHeaderByNumber", [hex(number)]) for number in range(first, last + 1)]
        answers = peer.ask_many(asked, within=within)
        part: list[Header] = []
        for number, answer in enumerate(answers, first):
            if isinstance(answer, Unable):
                raise answer
            header = self._of_number(answer, number)
            if part and header.parent != part[-1].hash:
                raise Lie(f"its block {number} does not stand on its block {number - 1}")
            part.append(header)
        return part

    # -- the mark ----------------------------------------------------------------------------------------------------

    def _advance(self, header: Header) -> None:
        if header.number <= self._mark[0]:
            return
        self._kept.put(header.number, header)
        self._mark = (header.number, "0x" + header.hash.hex())
        if self._mark_path is None:
            return
        other = self._read_mark()
        if other[0] >= header.number:
            # Another process has seen more.
            self._mark = other
            return
        draft = self._mark_path.with_name(f".{self._mark_path.name}.{os.getpid()}")
        try:
            draft.write_text(json.dumps({"number": self._mark[0], "hash": self._mark[1]}))
            os.replace(draft, self._mark_path)
        except OSError:
            # It is one check more, and no reason to stop: the seals and the clock are looked at all the same.
            draft.unlink(missing_ok=True)

    def _read_mark(self) -> tuple[int, str]:
        if self._mark_path is None:
            return (0, "")
        try:
            told = json.loads(self._mark_path.read_bytes())
            number, hash_ = told["number"], told["hash"]
            if isinstance(number, int) and number > 0 and len(bytes.fromhex(hash_[2:])) == 32:
                return number, hash_
        except (OSError, ValueError, TypeError, KeyError):
            pass
        return (0, "")

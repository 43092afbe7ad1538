"""What was granted at any time, told from the events alone: for whoever has a node and no key.

It plays the rules of `Grants.explain` through for a moment of the past: a grant's classes and window, the pseudonym's
era, what a grant stands under, which member an account belonged to. Roles and the standing of members are not played
through: a reader out of standing shows here as let in.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from eth_utils.address import to_checksum_address

from theriac.health.chain import Chain
from theriac.health.messages import member_address
from theriac.health.receipts import Receipt, Rule
from theriac.health.scope import SINGLE_RECORDS, KeyClass, Purpose, bit_of
from theriac.ledger.contracts import Event

FOREVER = 1 << 40
"""After every time that the chain knows."""


@dataclass(frozen=True)
class Window:
    """Somebody could read classes in [start, end), in seconds since 1970, as far as the grants say.

    :param reader: an account, or a member's number as an address; `by` is the parent that the grant stands under, zero
        for none; `scope` the bits of its classes.
    """

    pseudonym: str
    reader: str
    purpose: int
    scope: int
    start: int
    end: int
    by: int


@dataclass
class _Line:
    """How something stood, by the second from which it did."""

    times: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, time: int, value: Any) -> None:
        self.times.append(time)
        self.values.append(value)

    def at(self, time: int, otherwise: Any = None) -> Any:
        place = bisect_right(self.times, time)
        return self.values[place - 1] if place else otherwise


@dataclass(frozen=True)
class _State:
    """A grant as it was last written.

    :param through: the reader whose referral it is, and `change` how often that reader's own grant had changed then.
    """

    scope: int
    start: int
    expiry: int
    by: int
    generation: int
    era: int
    through: str = ""
    change: int = 0


class Affiliations:
    """Which account belonged to which member, through time; asked of no node, however many accounts there are."""

    def __init__(self, chain: Chain) -> None:
        self._lines: dict[str, _Line] = {}
        index = chain.index
        names = ("Admitted", "Joined", "Left", "AccountReplaced")
        found = [event for name in names for event in index.events("Consortium", name)]
        for event in sorted(found, key=lambda event: (event.block, event.index)):
            told, time = event.arguments, chain.time_of(event)
            if event.name == "AccountReplaced":
                self._lines.setdefault(told["replaced"], _Line()).add(time, 0)
            member = 0 if event.name == "Left" else told["member"]
            self._lines.setdefault(told["account"], _Line()).add(time, member)

    def at(self, account: str, time: int) -> int:
        """The member that an account belonged to at that time; zero for none."""
        return int(self._lines.get(account, _Line()).at(time, 0))

    def now(self, account: str) -> int:
        return self.at(account, FOREVER)


class History:
    """The grants of one pseudonym through time."""

    def __init__(self, chain: Chain, pseudonym: str, *, affiliations: Affiliations | None = None) -> None:
        self.pseudonym = pseudonym
        self._affiliations = affiliations if affiliations is not None else Affiliations(chain)
        self._grants: dict[tuple[str, int], _Line] = {}
        self._eras = _Line()
        self._parents: dict[int, _Line] = {}
        self._granted_members: set[int] | None = None
        for event in _events_of(chain, pseudonym):
            self._take(event, chain.time_of(event))

    def _take(self, event: Event, time: int) -> None:
        told = event.arguments
        if event.name == "EraRaised":
            self._eras.add(time, told["era"])
            return
        if event.name == "ParentSet":
            self._parents.setdefault(told["by"], _Line()).add(time, (told["generation"], told["expiry"]))
            return
        line = self._grants.setdefault((told["reader"], told["purpose"]), _Line())
        if event.name == "Referred":
            change = len(self._grants.get((told["from"], told["purpose"]), _Line()).times)
            line.values[-1] = replace(line.values[-1], through=told["from"], change=change)
            return
        if event.name == "Granted":
            generation = self._parents.get(told["by"], _Line()).at(time, (0, 0))[0]
            era = self._eras.at(time, 0)
            line.add(time, _State(told["scope"], told["start"], told["expiry"], told["by"], generation, era))
        elif event.name == "Narrowed" and line.values:
            line.add(time, replace(line.values[-1], scope=told["scope"], expiry=told["expiry"]))
        elif event.name == "Revoked":
            line.add(time, _State(0, 0, 0, 0, 0, 0))

    # -- asking ------------------------------------------------------------------------------------------------------

    def granted(self, reader: str, purpose: int, bit: int, time: int) -> bool:
        """Whether the grant to this reader itself let it read at that time."""
        state = self._grants.get((reader, purpose), _Line()).at(time)
        if state is None or not state.scope >> bit & 1 or state.era != self._eras.at(time, 0):
            return False
        if state.through:
            # It stands as long as the referrer's own grant is the one that it was passed on from.
            own = self._grants.get((state.through, purpose), _Line())
            if bisect_right(own.times, time) != state.change:
                return False
        elif state.by:
            generation, expiry = self._parents.get(state.by, _Line()).at(time, (0, 0))
            if generation != state.generation or time >= expiry:
                return False
        return bool(state.start <= time < state.expiry)

    def let_in(self, receipt: Receipt) -> bool:
        """Whether a grant let the reader of a receipt in, at its time, for its class or as a single record."""
        bit = SINGLE_RECORDS if receipt.rule == Rule.SINGLE else bit_of(KeyClass.parse(receipt.cls))
        purpose = Purpose.parse(receipt.purpose).number
        if self.granted(receipt.reader, purpose, bit, receipt.time):
            return True
        member = self._affiliations.at(receipt.reader, receipt.time)
        return member != 0 and self.granted(_holder(member), purpose, bit, receipt.time)

    def knows(self, account: str) -> bool:
        """Whether this pseudonym ever granted anything to an account, to its present member or to one of its staff."""
        member = self._affiliations.now(account)
        return account in self.holders or (member != 0 and member in self._members())

    @property
    def holders(self) -> set[str]:
        """Everyone who was ever granted anything: accounts, and members by their numbers as addresses."""
        return {holder for holder, _ in self._grants}

    def _members(self) -> set[int]:
        """The members that were granted something, or whose staff was."""
        if self._granted_members is None:
            numbers = {holder: int(holder, 16) for holder in self.holders}
            staff = self._affiliations
            found = {number if number < 1 << 32 else staff.now(holder) for holder, number in numbers.items()}
            self._granted_members = found
        return self._granted_members

    def windows(self) -> list[Window]:
        """Who could read what and when, as it came to be: from each change to the next one that concerns it."""
        found = [
            window
            for (reader, purpose), line in self._grants.items()
            for window in self._windows(reader, purpose, line)
            if window.start < window.end
        ]
        return sorted(found, key=lambda each: (each.start, each.reader, each.purpose))

    def _windows(self, reader: str, purpose: int, line: _Line) -> Iterator[Window]:
        for place, (time, state) in enumerate(zip(line.times, line.values, strict=True)):
            if not state.scope:
                continue
            ends = [
                state.expiry,
                *line.times[place + 1 : place + 2],
                *self._eras.times[self._later(self._eras, time) :],
            ]
            if state.through:
                ends += self._grants.get((state.through, purpose), _Line()).times[state.change : state.change + 1]
            elif state.by:
                parent = self._parents.get(state.by, _Line())
                ends += [parent.at(time, (0, 0))[1], *parent.times[self._later(parent, time) :]]
            start = max(time, state.start)
            yield Window(self.pseudonym, reader, purpose, state.scope, start, min(ends), state.by)

    @staticmethod
    def _later(line: _Line, time: int) -> int:
        return bisect_right(line.times, time)


def _events_of(chain: Chain, pseudonym: str) -> Iterable[Event]:
    """The events that concern what a pseudonym grants, in the order of the chain."""
    names = (
        *(("Grants", name) for name in ("Granted", "Referred", "Narrowed", "Revoked", "ParentSet")),
        ("Keys", "EraRaised"),
    )
    index = chain.index
    found = [event for name in names for event in index.events(*name, where={"pseudonym": pseudonym})]
    return sorted(found, key=lambda event: (event.block, event.index))


def _holder(member: int) -> str:
    return str(to_checksum_address(member_address(member)))

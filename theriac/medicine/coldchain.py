"""What a temperature logger measured: its file, its root, its verdict, and the report that blocks goods.

How it counts, said once. The time between two readings counts as outside of [low, high] where either reading is, and
where they are more than an hour apart, since nobody knows what happened while a logger slept: a file says less than
the truth only if it begins late or ends early. Seconds outside are added up and rounded up to minutes. The mean kinetic
temperature weighs each reading by half the time to each of its neighbours; for readings at equal times these are USP
<1079.2>'s equal periods, with the first and the last one halved.
"""

import csv
import io
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation, localcontext
from hmac import digest as hmac_digest
from itertools import pairwise
from typing import Any

from theriac.crypto import age
from theriac.crypto.recipients import Identity, Recipient
from theriac.errors import BadReadings, NoLimit, Reverted, WrongReport
from theriac.ledger.codec import canonical_json, parse_json
from theriac.ledger.contracts import Receipt
from theriac.ledger.sender import Sender
from theriac.ledger.signer import Signer
from theriac.ledger.typed import Domain
from theriac.medicine.chain import Chain
from theriac.medicine.messages import Goods, Readings
from theriac.medicine.tree import keccak
from theriac.store import Store

LARGEST = 64 * 1024 * 1024
"""No file of readings is read beyond this many bytes; a reading a minute takes 14 MB a year."""

LONGEST_GAP = timedelta(hours=1)
"""Beyond this the time between two readings counts as outside, whatever they say."""

REPORT_EXCURSION_FOR = 1 << 2
"""The bit of the mask by which a member lets ColdChain block its goods (contracts/types/Operations.sol)."""

GOODS_AT_ONCE = 50
"""So many goods are reported in one transaction: blocking all of them stays far below what a block has room for."""

_COLDEST, _WARMEST = -27_315, 32_767
_LAST_SECOND = 1 << 40
_SECRET = 32


# -- readings --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reading:
    """A temperature in hundredths of a degree Celsius, and when it was measured, to the second."""

    at: datetime
    centidegrees: int

    def line(self) -> str:
        """As it stands in a file: UTC, and degrees with two decimals."""
        return f"{self.at.strftime('%Y-%m-%dT%H:%M:%SZ')} {_degrees(self.centidegrees)}"


def _degrees(centidegrees: int) -> str:
    sign = "-" if centidegrees < 0 else ""
    return f"{sign}{abs(centidegrees) // 100}.{abs(centidegrees) % 100:02d}"


def from_csv(data: bytes) -> tuple[Reading, ...]:
    """The readings of a CSV file: a time with its zone (ISO 8601), a comma, degrees Celsius with a point.

    A first line of names and further columns are passed over. Hundredths are rounded half to even. The times may not
    be equal; their order does not matter.

    :raises BadReadings: a line is none, or there are fewer than two.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadReadings(fault="it is not UTF-8") from None
    found: list[Reading] = []
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text)), start=1):
            if not row or (number == 1 and not any(letter.isdigit() for letter in "".join(row[:2]))):
                continue
            if len(row) < 2:
                raise BadReadings(fault="a time and a temperature with a comma between are missing", line=number)
            found.append(Reading(_moment(row[0], number), _centidegrees(row[1], number)))
    except csv.Error as fault:
        raise BadReadings(fault=str(fault)) from None
    return in_order(found)


def in_order(readings: Iterable[Reading]) -> tuple[Reading, ...]:
    """The readings by time. Raises BadReadings where two are of one time, or there are fewer than two."""
    found = tuple(sorted(readings, key=lambda reading: reading.at))
    if len(found) < 2:
        raise BadReadings(fault="two readings are the least that cover a span of time")
    for earlier, later in pairwise(found):
        if earlier.at == later.at:
            raise BadReadings(fault=f"two readings are of {later.line().split(' ')[0]}")
    return found


def _moment(text: str, line: int) -> datetime:
    try:
        found = datetime.fromisoformat(text.strip())
        moment = found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadReadings(fault=f"{text[:40]!r} is no time like 2030-01-07T09:00:00Z", line=line) from None
    if found.tzinfo is None:
        raise BadReadings(fault=f"{text[:40]!r} does not say its zone, such as Z or +01:00", line=line)
    if moment.microsecond:
        raise BadReadings(fault=f"{text[:40]!r} has parts of a second", line=line)
    if not 0 < moment.timestamp() < _LAST_SECOND:
        raise BadReadings(fault=f"{text[:40]!r} is before 1970", line=line)
    return moment


def _centidegrees(text: str, line: int) -> int:
    try:
        value = Decimal(text.strip())
        # Compared as it is: its absolute value is rounded, which fails for an exponent beyond every other.
        if not value.is_finite() or not -1000 <= value <= 1000:
            raise InvalidOperation
    except InvalidOperation:
        raise BadReadings(fault=f"{text[:40]!r} is no temperature like 5.25", line=line) from None
    found = int((value * 100).to_integral_value(ROUND_HALF_EVEN))
    if not _COLDEST <= found <= _WARMEST:
        raise BadReadings(fault=f"{text[:40]!r} is no temperature in degrees Celsius", line=line)
    return found


# -- the verdict -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """What readings say against a range; the word of contracts/types/Verdict.sol.

    `low` and `high` are hundredths of a degree Celsius, and belong to the range; `minutes` are those outside of it;
    `kinetic` is the mean kinetic temperature in hundredths, rounded up.
    """

    start: datetime
    end: datetime
    low: int
    high: int
    minutes: int
    kinetic: int

    def pack(self) -> int:
        """start 40 | end 40 | low 16 | high 16 | minutes 32 | kinetic 16, lowest bits first."""
        word = int(self.start.timestamp())
        word |= int(self.end.timestamp()) << 40
        word |= (self.low & 0xFFFF) << 80
        word |= (self.high & 0xFFFF) << 96
        word |= self.minutes << 112
        return word | (self.kinetic & 0xFFFF) << 144

    @classmethod
    def unpack(cls, word: int) -> "Verdict":
        """Raises BadReadings for a word that the contract would refuse."""
        low, high, kinetic = (_signed(word >> shift & 0xFFFF) for shift in (80, 96, 144))
        start, end = word & (1 << 40) - 1, word >> 40 & (1 << 40) - 1
        if word >> 160 or start >= end or low >= high:
            raise BadReadings(fault="its verdict is no span of time, or no range")
        try:
            first, last = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
        except (ValueError, OverflowError, OSError):
            raise BadReadings(fault="its verdict is of no time that can be written") from None
        return cls(first, last, low, high, word >> 112 & (1 << 32) - 1, kinetic)

    def __str__(self) -> str:
        return (
            f"{self.minutes} minutes outside {_degrees(self.low)} to {_degrees(self.high)} °C, "
            f"mean kinetic temperature {_degrees(self.kinetic)} °C, "
            f"{self.start:%Y-%m-%d %H:%M:%S} to {self.end:%Y-%m-%d %H:%M:%S} UTC"
        )


def _signed(bits: int) -> int:
    return bits - (1 << 16) if bits >> 15 else bits


def verdict_of(readings: Sequence[Reading], *, low: int, high: int) -> Verdict:
    """What readings in order say against [low, high], as the module counts. Raises BadReadings for no range."""
    if not -(1 << 15) <= low < high < 1 << 15:
        raise BadReadings(fault=f"{low} to {high} is no range of hundredths of a degree")
    return Verdict(
        start=readings[0].at,
        end=readings[-1].at,
        low=low,
        high=high,
        minutes=min(minutes_outside(readings, low=low, high=high), (1 << 32) - 1),
        kinetic=kinetic_of(readings),
    )


def minutes_outside(readings: Sequence[Reading], *, low: int, high: int) -> int:
    """The minutes outside [low, high], as the module counts: never fewer than there were."""
    outside = timedelta()
    for earlier, later in pairwise(readings):
        inside = low <= earlier.centidegrees <= high and low <= later.centidegrees <= high
        if not inside or later.at - earlier.at > LONGEST_GAP:
            outside += later.at - earlier.at
    return -(-outside // timedelta(minutes=1))


def kinetic_of(readings: Sequence[Reading]) -> int:
    """The mean kinetic temperature of readings, in hundredths of a degree Celsius, rounded up."""
    weights: defaultdict[int, int] = defaultdict(int)
    for earlier, later in pairwise(readings):
        seconds = int((later.at - earlier.at).total_seconds())
        weights[earlier.centidegrees] += seconds
        weights[later.centidegrees] += seconds
    return mean_kinetic_temperature(weights)


_HAYNES = Decimal(10_000)
_ZERO = Decimal("273.15")
_DIGITS = Context(prec=40)


def mean_kinetic_temperature(weights: Mapping[int, int]) -> int:
    """The mean kinetic temperature of temperatures with weights, both in hundredths of a degree Celsius, rounded up.

    USP <1079.2>, after Haynes (1971): T = (dH/R) / -ln(mean of exp(-dH/(R T))), with dH = 83.144 kJ/mol and
    R = 8.3144 J/(mol K), so that dH/R is 10,000 K. Computed to 40 digits, so that everyone gets the same; what is
    within 10^-10 of a hundredth is that hundredth, and anything above it the next.
    """
    with localcontext(_DIGITS):
        total = Decimal(sum(weights.values()))
        warmest = _kelvin(max(weights))
        # The warmest is taken out of the sum, as usual with sums of exponentials.
        parts = sum(
            (weight * (_HAYNES / warmest - _HAYNES / _kelvin(each)).exp() for each, weight in weights.items()),
            start=Decimal(0),
        )
        kelvin = _HAYNES / (_HAYNES / warmest - (parts / total).ln())
        exact = ((kelvin - _ZERO) * 100).quantize(Decimal(1).scaleb(-10), ROUND_HALF_EVEN)
        return int(exact.to_integral_value(ROUND_CEILING))


def _kelvin(centidegrees: int) -> Decimal:
    # Nothing is colder than this in any logger's file, and zero kelvin has no exponential.
    return max(Decimal(centidegrees) / 100 + _ZERO, Decimal("0.01"))


# -- the file and its root -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Proof:
    """That one reading is in a log: its place, its salt, and the nodes beside its way to the root, lowest first."""

    index: int
    count: int
    salt: bytes = field(repr=False)
    siblings: tuple[bytes, ...]

    def root(self, reading: Reading) -> bytes:
        """The root that the log has if the reading is in it."""
        node, index, last = _leaf(self.salt, self.index, reading), self.index, self.count - 1
        siblings = list(self.siblings)
        while last:
            if index % 2 or index < last:
                if not siblings:
                    return b""
                other = siblings.pop(0)
                node = _node(other, node) if index % 2 else _node(node, other)
            index, last = index // 2, last // 2
        return b"" if siblings or not 0 <= self.index < self.count else _root(self.count, node)


@dataclass(frozen=True)
class Log:
    """What one logger measured, in order. `secret`, 32 random bytes, salts the leaves: the root tells nothing."""

    logger: str
    readings: tuple[Reading, ...]
    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, logger: str, readings: Iterable[Reading]) -> "Log":
        """Raises BadReadings."""
        return cls(logger, in_order(readings), secrets.token_bytes(_SECRET))

    @property
    def root(self) -> bytes:
        """The Merkle root; leaves, nodes and the root are hashed apart from one another (RFC 6962's shape)."""
        return _root(len(self.readings), self._levels()[-1][0])

    def proof(self, index: int) -> Proof:
        """The proof of one reading, by its place from 0. Raises BadReadings."""
        if not 0 <= index < len(self.readings):
            raise BadReadings(fault=f"there is no reading {index}")
        siblings: list[bytes] = []
        place = index
        for level in self._levels()[:-1]:
            if place ^ 1 < len(level):
                siblings.append(level[place ^ 1])
            place //= 2
        return Proof(index, len(self.readings), self._salt(index), tuple(siblings))

    def _levels(self) -> list[list[bytes]]:
        """A node without a neighbour goes up as it is."""
        levels = [[_leaf(self._salt(place), place, each) for place, each in enumerate(self.readings)]]
        while len(levels[-1]) > 1:
            lower = levels[-1]
            upper = [_node(lower[at], lower[at + 1]) for at in range(0, len(lower) - 1, 2)]
            levels.append(upper + lower[len(lower) & ~1 :])
        return levels

    def _salt(self, index: int) -> bytes:
        return hmac_digest(self.secret, b"reading\0" + index.to_bytes(8, "big"), "sha256")

    # -- bytes -------------------------------------------------------------------------------------------------------

    def encode(self) -> bytes:
        """A line of canonical JSON, then a line a reading."""
        head: dict[str, Any] = {"kind": "readings", "format": 1, "logger": self.logger, "secret": self.secret.hex()}
        return b"\n".join([canonical_json(head), *(each.line().encode() for each in self.readings)]) + b"\n"

    @classmethod
    def decode(cls, data: bytes) -> "Log":
        """Raises BadReadings, for any other spelling than that of `encode` too."""
        head, _, lines = data.partition(b"\n")
        try:
            values = parse_json(head)
            if values["kind"] != "readings" or values["format"] != 1:
                raise BadReadings(fault="it is another kind of document")
            found = cls(str(values["logger"]), _read(lines.decode()), bytes.fromhex(values["secret"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BadReadings(fault="it is no file of readings") from None
        if len(found.secret) != _SECRET or found.encode() != data:
            raise BadReadings(fault="it is not written as such files are")
        return found

    def seal(self, *, to: Sequence[Recipient]) -> bytes:
        """An age file of the log. Raises MixedRecipients, NoRecipients."""
        return age.seal_bytes(self.encode(), to=to)

    @classmethod
    def open_(cls, sealed: bytes, *, identities: Sequence[Identity]) -> "Log":
        """Raises NoMatchingIdentity, BadReadings, and what a damaged age file raises."""
        return cls.decode(age.open_bytes(sealed, identities=identities))


def _read(lines: str) -> tuple[Reading, ...]:
    found = []
    for number, line in enumerate(lines.splitlines(), start=2):
        time, _, degrees = line.partition(" ")
        found.append(Reading(_moment(time, number), _centidegrees(degrees, number)))
    return in_order(found)


def _leaf(salt: bytes, index: int, reading: Reading) -> bytes:
    seconds = int(reading.at.timestamp())
    return keccak(
        b"\0"
        + salt
        + index.to_bytes(8, "big")
        + seconds.to_bytes(8, "big")
        + reading.centidegrees.to_bytes(4, "big", signed=True)
    )


def _node(left: bytes, right: bytes) -> bytes:
    return keccak(b"\1" + left + right)


def _root(count: int, top: bytes) -> bytes:
    return keccak(b"\2" + count.to_bytes(8, "big") + top)


# -- reports ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Limit:
    """What a batch bears: hundredths of a degree, minutes outside of them, and the highest mean kinetic temperature."""

    low: int
    high: int
    longest: int
    kinetic: int

    def broken_by(self, verdict: Verdict) -> bool:
        """Whether the contract blocks goods for this verdict."""
        return verdict.minutes > self.longest or verdict.kinetic > self.kinetic


@dataclass(frozen=True)
class SignedReadings:
    """A report that a logger signed, for anyone to carry to the chain."""

    message: Readings
    signature: bytes

    @classmethod
    def sign(cls, message: Readings, *, signer: Signer, domain: Domain) -> "SignedReadings":
        """`domain` is that of the contract ColdChain."""
        return cls(message, signer.sign_message(message.signable(domain)))


@dataclass(frozen=True)
class Blocked:
    """Goods that a report blocked: for too long outside (1) or too high a mean kinetic temperature (2)."""

    batch: bytes
    node: int
    reason: int

    @property
    def sentence(self) -> str:
        return "too long outside its limits" if self.reason == 1 else "too high a mean kinetic temperature"


@dataclass(frozen=True)
class Reported:
    """A report that is on the chain, and the goods that it blocked."""

    verdict: Verdict
    receipt: Receipt
    blocked: tuple[Blocked, ...]


@dataclass(frozen=True)
class NotReported:
    """Goods that the chain would not take a report about, and why."""

    goods: Goods
    refusal: Reverted


@dataclass(frozen=True)
class Reports:
    """What became of several reports."""

    reported: tuple[Reported, ...]
    refused: tuple[NotReported, ...]


def report_each(messages: Iterable[Readings], *, send: Callable[[Readings], Reported]) -> Reports:
    """Sends reports one after the other. Where the chain refuses one, its goods are halved until those that it takes
    are reported: what somebody else holds meanwhile keeps nothing else from being blocked.
    """
    reported: list[Reported] = []
    refused: list[NotReported] = []
    waiting = list(messages)
    while waiting:
        message = waiting.pop(0)
        try:
            reported.append(send(message))
        except Reverted as refusal:
            half = len(message.goods) // 2
            if half:
                parts = (message.goods[:half], message.goods[half:])
                waiting[:0] = [replace(message, goods=part) for part in parts]
            else:
                refused += [NotReported(each, refusal) for each in message.goods]
    return Reports(tuple(reported), tuple(refused))


def _batched(goods: Sequence[Goods]) -> Iterator[Sequence[Goods]]:
    for start in range(0, len(goods), GOODS_AT_ONCE):
        yield goods[start : start + GOODS_AT_ONCE]


class ColdChain:
    """The contract ColdChain for one member, and the store that its readings go into."""

    def __init__(self, chain: Chain, *, sender: Sender, store: Store) -> None:
        self._chain = chain
        self._sender = sender
        self._store = store

    def limit(self, batch: bytes) -> Limit | None:
        """What a batch bears, as its maker said on the chain; None where it said nothing."""
        functions = self._chain.contracts.ColdChain.functions
        found = self._chain.contracts.call(functions.limitOf(batch))
        limit = Limit(int(found["low"]), int(found["high"]), int(found["longest"]), int(found["kinetic"]))
        return limit if limit.low < limit.high else None

    def set_limit(self, batch: bytes, limit: Limit) -> Receipt:
        """Says what a batch bears, as its maker."""
        terms = (limit.low, limit.high, limit.longest, limit.kinetic)
        return self._sender.send(self._chain.contracts.ColdChain.functions.setLimit(batch, terms))

    def allow(self, *, mask: int = REPORT_EXCURSION_FOR) -> Receipt:
        """Lets the contract block what this member holds; by the account that acts for the member."""
        contracts = self._chain.contracts
        return self._sender.send(contracts.Consortium.functions.setOperator(contracts.ColdChain.address, mask))

    def is_allowed(self, member: int) -> bool:
        """Whether the contract may block what a member holds."""
        contracts = self._chain.contracts
        mask = contracts.call(contracts.Consortium.functions.operatorOf(member, contracts.ColdChain.address))
        return bool(int(mask) & REPORT_EXCURSION_FOR)

    def messages(self, log: Log, goods: Sequence[Goods], *, to: Sequence[Recipient]) -> list[Readings]:
        """Seals the readings to the recipients, puts them into the store, and makes what is to be reported: one message
        for each range of temperatures among the goods' limits, since a verdict counts against one range, and for each
        fifty goods, since a block has no room for all of them. They are reports of one root over different goods.

        :raises NoLimit: a batch has none.
        """
        ranges: defaultdict[tuple[int, int], list[Goods]] = defaultdict(list)
        for each in dict.fromkeys(goods):
            limit = self.limit(each.batch)
            if limit is None:
                raise NoLimit(batch=each.batch.hex())
            ranges[limit.low, limit.high].append(each)
        digest = self._store.put(io.BytesIO(log.seal(to=to))).digest
        root = log.root
        return [
            Readings(log.logger, root, digest, verdict_of(log.readings, low=low, high=high).pack(), tuple(some))
            for (low, high), beside in ranges.items()
            for some in _batched(beside)
        ]

    def report(self, message: Readings) -> Reported:
        """Reports, sent by the logger's own account."""
        goods = [(each.batch, each.node) for each in message.goods]
        report = (message.root, message.readings, message.verdict)
        return self._reported(message, self._chain.contracts.ColdChain.functions.log(report, goods))

    def carry(self, signed: SignedReadings) -> Reported:
        """Reports what a logger signed; any account may."""
        functions = self._chain.contracts.ColdChain.functions
        return self._reported(signed.message, functions.logBySig(*signed.message.arguments(signed.signature)))

    def _reported(self, message: Readings, call: Any) -> Reported:
        receipt = self._sender.send(call)
        blocked = tuple(
            Blocked(bytes(event.arguments["batch"]), int(event.arguments["node"]), int(event.arguments["reason"]))
            for event in self._chain.contracts.events(receipt)
            if event.name == "Exceeded"
        )
        return Reported(Verdict.unpack(message.verdict), receipt, blocked)

    def opened(self, digest: bytes, *, identities: Sequence[Identity]) -> Log:
        """The log whose sealed file has this digest. Raises NotStored, NoMatchingIdentity, BadReadings."""
        with self._store.get_digest(digest) as stream:
            return Log.open_(stream.read(LARGEST + 1), identities=identities)


def check_report(log: Log, *, logger: str, root: bytes, verdict: int) -> Verdict:
    """What a `Logged` event of the chain said, after it was found to be what the readings say.

    Anyone with the file can do so. That a logger measured what it wrote is the logger's word, and its member's.

    :raises WrongReport: the logger, the root or the verdict is another.
    """
    if log.logger != logger:
        raise WrongReport(what="logger", reported=logger, computed=log.logger)
    if log.root != root:
        raise WrongReport(what="root", reported=root.hex(), computed=log.root.hex())
    reported = Verdict.unpack(verdict)
    computed = verdict_of(log.readings, low=reported.low, high=reported.high)
    if computed != reported:
        raise WrongReport(what="verdict", reported=str(reported), computed=str(computed))
    return computed

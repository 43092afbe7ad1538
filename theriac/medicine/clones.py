"""Two scans of one serial that cannot be of one pack: found, reported with both signatures, checked by anyone.

A report proves that two accounts said, each with its signature, that they had this pack at two places, and that nothing
on the chain brings it from the one to the other. It does not prove which of the two packs is the true one, nor that who
signed tells the truth; a liar is named by its own signature. What times prove is in docs/protocol/verification.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, unique
from hashlib import sha256
from pathlib import Path
from typing import Any

from eth_account.messages import SignableMessage

from theriac.errors import BadScan, FalseReport, NoBlock, NotAClone, NotOnTheShelf
from theriac.ledger.codec import canonical_json, parse_json
from theriac.ledger.database import Database
from theriac.ledger.signer import Signer
from theriac.ledger.typed import Domain
from theriac.medicine.chain import Chain
from theriac.medicine.scans import (
    PackProof,
    Scan,
    SignedScan,
    account_of,
    as_written,
    bytes_of,
    document,
    domain_of,
    is_signed_by,
    moment_of,
    number_of,
    text_of,
    typed,
)
from theriac.medicine.shelf import KnownPack, Shelf
from theriac.medicine.state import BatchState, PackStatus
from theriac.medicine.tree import is_below, node_of

SKEW = timedelta(minutes=5)
"""How far a scanner's clock may be off. Two scans that are no further apart have no order."""

GRACE = timedelta(days=2)
"""Goods are scanned when they arrive and accepted later: a handoff that the chain has by then explains a scan."""

TRAVEL = timedelta(minutes=15)
"""A member moves its packs between its own places without telling anyone, but not faster than this."""

LARGEST = 32 * 1024
"""No report is read beyond this many bytes."""

_PLACES_COMPARED = 4
_KEPT_OF_A_MEMBER = 20


# -- the pack's way --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stay:
    """From when, and from which block on, a member holds the pack."""

    member: int
    since: datetime
    block: int


@dataclass(frozen=True)
class Promise:
    """The pack, or what carries it, was offered to a member."""

    to: int
    since: datetime
    until: datetime


@dataclass(frozen=True)
class PackWay:
    """What the chain has of one pack: who held it when, to whom it was offered, and where it was dispensed, if so."""

    maker: int
    stays: tuple[Stay, ...]
    promises: tuple[Promise, ...]
    dispensed: Stay | None
    block: int

    def spans(self) -> Iterator[tuple[Stay, datetime]]:
        """Each stay and when it ended; the last has not."""
        ends = [stay.since for stay in self.stays[1:]] + [datetime.max.replace(tzinfo=UTC)]
        yield from zip(self.stays, ends, strict=True)


def way_of(chain: Chain, batch: bytes, index: int) -> PackWay:
    """The way of a pack as far as the chain was followed.

    :raises NotOnTheShelf: the chain has no such batch.
    :raises NoBlock: the node does not have a block that was followed; another one may.
    """
    node = node_of(index)
    state: BatchState | None = None
    stays: list[Stay] = []
    promises: list[Promise] = []
    dispensed: Stay | None = None
    for event in chain.history(batch):
        if state is None:
            state = BatchState.commissioned(event.arguments)
        else:
            state.apply(event.name, event.arguments)
        if event.name == "Offered" and is_below(node, event.arguments["node"]):
            until = datetime.fromtimestamp(event.arguments["ends"], UTC)
            promises.append(Promise(event.arguments["to"], _time(chain, event.block), until))
        holder = state.place(node, now=0).holder
        if not stays or stays[-1].member != holder:
            stays.append(Stay(holder, _time(chain, event.block), event.block))
        is_dispensed = state.status(index) is PackStatus.DISPENSED
        if is_dispensed and dispensed is None:
            dispensed = Stay(holder, _time(chain, event.block), event.block)
        elif not is_dispensed:
            dispensed = None
    if state is None:
        raise NotOnTheShelf(what=f"batch {batch.hex()[:16]}")
    return PackWay(state.maker, tuple(stays), tuple(promises), dispensed, chain.index.progress().block)


def _time(chain: Chain, block: int) -> datetime:
    found = chain.time_of(block)
    if found is None:
        raise NoBlock(block=block)
    return found


# -- the rule --------------------------------------------------------------------------------------------------------


@unique
class CloneKind(Enum):
    """Why scans cannot be of one pack."""

    TWO_MEMBERS = "two-members"
    TWO_PLACES = "two-places"
    AFTER_DISPENSE = "after-dispense"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    CloneKind.TWO_MEMBERS: "Two members had this serial, and no handoff brings the pack from the one to the other.",
    CloneKind.TWO_PLACES: "One member had this serial at two places within minutes.",
    CloneKind.AFTER_DISPENSE: "This serial was seen after the pack was dispensed by another member.",
}


def judge(scans: Sequence[SignedScan], way: PackWay) -> CloneKind | None:
    """Why one or two scans of a serial cannot be of the pack that went this way; None where they can."""
    if len(scans) == 1:
        gone, scan = way.dispensed, scans[0].scan
        elsewhere = gone is not None and gone.member != scan.member and scan.time > gone.since + SKEW
        return CloneKind.AFTER_DISPENSE if elsewhere else None

    first, second = (each.scan for each in sorted(scans, key=lambda each: each.scan.time))
    if first.where == second.where:
        return None
    if first.member == second.member:
        return CloneKind.TWO_PLACES if second.time - first.time < TRAVEL else None
    explained = _leads(way, (first.member, first.time), (second.member, second.time))
    if second.time - first.time <= SKEW:
        explained = explained or _leads(way, (second.member, second.time), (first.member, first.time))
    return None if explained else CloneKind.TWO_MEMBERS


def _leads(way: PackWay, first: tuple[int, datetime], second: tuple[int, datetime]) -> bool:
    """Whether the chain has the pack with the first member around the one time, and afterwards, or by an offer that was
    open, with the second around the other.
    """
    spans = list(way.spans())
    promised = any(each.to == second[0] and each.since - SKEW <= second[1] < each.until + SKEW for each in way.promises)
    for place, (stay, end) in enumerate(spans):
        if stay.member != first[0] or not _around(stay, end, first[1]):
            continue
        if promised or any(
            later.member == second[0] and _around(later, until, second[1]) for later, until in spans[place + 1 :]
        ):
            return True
    return False


def _around(stay: Stay, end: datetime, time: datetime) -> bool:
    return stay.since <= time + GRACE and end >= time - SKEW


# -- reports ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CloneReport:
    """What somebody who keeps signed scans found.

    `scans` are one or two, in the order in which they were received, at the times `received`; `proof` says where the
    pack lies; `held` are the member and block of each change of holder, and `dispensed` those of a dispense (0, 0 for
    none), as the chain had them at `block`. `reporter` is an account of the pack's maker, or of the member of all
    scans.
    """

    kind: CloneKind
    scans: tuple[SignedScan, ...]
    received: tuple[datetime, ...]
    proof: PackProof
    held: tuple[tuple[int, int], ...]
    dispensed: tuple[int, int]
    block: int
    reporter: str
    member: int
    signature: bytes = b""

    @property
    def first(self) -> SignedScan:
        """The scan that was there first."""
        return self.scans[0]

    @property
    def last(self) -> SignedScan:
        """The scan that made the report."""
        return self.scans[-1]

    def content(self) -> bytes:
        """All that the reporter signs, as canonical JSON."""
        values: dict[str, Any] = {
            "kind": "clone",
            "format": 1,
            "why": self.kind.value,
            "scans": [each.values() for each in self.scans],
            "received": [int(each.timestamp()) for each in self.received],
            "proof": self.proof.values(),
            "held": [list(each) for each in self.held],
            "dispensed": list(self.dispensed),
            "block": self.block,
            "reporter": self.reporter,
            "member": self.member,
        }
        return canonical_json(values)

    def signable(self, domain: Domain) -> SignableMessage:
        """What the reporter signs; `domain` is `domain_of` the contract."""
        values = {"reporter": self.reporter, "member": self.member, "content": sha256(self.content()).digest()}
        return typed(domain, "CloneReport", "address reporter,uint32 member,bytes32 content", values)

    def encode(self) -> bytes:
        """The report as a file."""
        return canonical_json({**parse_json(self.content()), "signature": self.signature.hex()})

    @classmethod
    def decode(cls, data: bytes) -> "CloneReport":
        """Raises BadScan for anything but what `encode` writes."""
        if len(data) > LARGEST:
            raise BadScan(kind="report of a clone", fault=f"it has more than {LARGEST} bytes")
        return as_written("report of a clone", cls.of(document(data, "clone")), data)

    @classmethod
    def of(cls, values: Any) -> "CloneReport":
        """Raises BadScan."""
        try:
            scans = tuple(SignedScan.of(each) for each in values["scans"])
            received = tuple(moment_of({"at": each}, "at") for each in values["received"])
            held = tuple(_pair(each) for each in values["held"])
            if not 1 <= len(scans) <= 2 or len(received) != len(scans):
                raise BadScan(kind="report of a clone", fault="it has not one or two scans")
            return cls(
                kind=CloneKind(text_of(values, "why")),
                scans=scans,
                received=received,
                proof=PackProof.of(values["proof"]),
                held=held,
                dispensed=_pair(values["dispensed"]),
                block=number_of(values, "block", below=1 << 53),
                reporter=account_of(values, "reporter"),
                member=number_of(values, "member", below=1 << 32),
                signature=bytes_of(values, "signature", size=65),
            )
        except (KeyError, TypeError, ValueError) as fault:
            raise BadScan(kind="report of a clone", fault=f"{type(fault).__name__} in one of its parts") from None


def _pair(value: Any) -> tuple[int, int]:
    member, block = value
    return (
        number_of({"member": member}, "member", below=1 << 32),
        number_of({"block": block}, "block", below=1 << 53),
    )


@dataclass(frozen=True)
class CheckedClone:
    """What a report that holds comes to: why, where the scans were, and the pack's way as the chain has it now.

    `by_maker` says that the maker received the scans, so that they were signed no later than it says; a member that
    reports scans of its own is only its own witness.
    """

    kind: CloneKind
    scans: tuple[SignedScan, ...]
    way: PackWay
    by_maker: bool


def verify(report: CloneReport, chain: Chain) -> CheckedClone:
    """Checks a report against the chain, as far as it was followed, without trusting who made it.

    :raises FalseReport: a signature, an account, the proof or a time of it is wrong.
    :raises NotAClone: it is genuine, and a handoff explains it, maybe one that came after the report.
    """
    domain = domain_of(chain.domain())
    # (1) each scan was signed by the account that it names, for this deployment, and they are different scans
    for signed in report.scans:
        if not signed.is_signed(domain):
            raise FalseReport(fault=f"a scan was not signed by {signed.scan.account}")
    if len({each.scan.digest(domain) for each in report.scans}) != len(report.scans):
        raise FalseReport(fault="it has one scan twice")
    # (2) they name one product and serial, which is at this place of a batch that the chain has
    if len({each.scan.pack for each in report.scans}) != 1:
        raise FalseReport(fault="its scans are of different packs")
    state = chain.state(report.proof.batch)
    if state is None:
        raise FalseReport(fault="the chain has no such batch")
    if not all(report.proof.proves(each.scan, maker=state.maker) for each in report.scans):
        raise FalseReport(fault="the pack is not at this place of the batch")
    # (3) each account belonged to the member that it names
    for signed in report.scans:
        _check_belongs(chain, signed.scan.account, signed.scan.member, signed.scan.time)
    # (4) who reports is the pack's maker, or the member of every scan, and received them when they say they were made
    if not is_signed_by(report.signable(domain), report.signature, report.reporter):
        raise FalseReport(fault=f"it was not signed by {report.reporter}")
    _check_belongs(chain, report.reporter, report.member, report.received[-1])
    by_maker = report.member == state.maker
    if not by_maker and any(each.scan.member != report.member for each in report.scans):
        raise FalseReport(fault="who reports it is neither the maker nor the member of its scans")
    for signed, received in zip(report.scans, report.received, strict=True):
        if abs(signed.scan.time - received) > SKEW:
            raise FalseReport(fault="a scan was not received when it says that it was made")
    if list(report.received) != sorted(report.received):
        raise FalseReport(fault="its scans are not in the order in which they were received")
    # (5) nothing on the chain, up to now, explains them
    way = way_of(chain, report.proof.batch, report.proof.index)
    kind = judge(report.scans, way)
    if any(chain.only_looks(each.scan.member) for each in report.scans):
        raise NotAClone(reason="a regulator looked at the pack where somebody else has it")
    if kind is None:
        raise NotAClone(reason="the chain says how one pack came to be where it was scanned")
    if kind is not report.kind:
        raise FalseReport(fault=f"it says {report.kind.value}, and its scans say {kind.value}")
    return CheckedClone(kind, report.scans, way, by_maker)


def _check_belongs(chain: Chain, account: str, member: int, time: datetime) -> None:
    """By the events, since people leave; a clock that is off by SKEW is forgiven."""
    if member == 0 or member not in {chain.member_at(account, time), chain.member_at(account, time + SKEW)}:
        raise FalseReport(fault=f"{account} was not with member {member} then")


# -- keeping scans ---------------------------------------------------------------------------------------------------

_KIND = 0x54_48_53_43
_SCHEMA = """
CREATE TABLE scans (
    digest BLOB PRIMARY KEY,
    product TEXT NOT NULL,
    serial TEXT NOT NULL,
    member INTEGER NOT NULL,
    account TEXT NOT NULL,
    place TEXT NOT NULL,
    received INTEGER NOT NULL,
    known INTEGER NOT NULL,
    document BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX scans_of_pack ON scans (product, serial, received);
CREATE INDEX scans_unknown ON scans (received) WHERE known = 0;
CREATE TABLE reports (number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, document BLOB NOT NULL)
"""


@dataclass(frozen=True)
class Kept:
    """A signed scan and when it was received."""

    signed: SignedScan
    received: datetime


class ScanBook:
    """Signed scans and reports in a file that survives a loss of power. One thread at a time."""

    def __init__(self, path: Path | None) -> None:
        """`path` None keeps everything in memory."""
        self._database = Database(path, kind=_KIND, version=1, schema=_SCHEMA, durable=True)

    def close(self) -> None:
        self._database.close()

    def add(self, signed: SignedScan, *, digest: bytes, received: datetime, known: bool) -> bool:
        """Keeps a scan; whether it is new. `known` says whether the pack is; others are kept until `forget`."""
        scan = signed.scan
        values = (
            *(digest, scan.product, scan.serial, scan.member, scan.account, scan.where[1]),
            *(int(received.timestamp()), known, signed.encode()),
        )
        with self._database.transaction():
            added = self._database.run("INSERT OR IGNORE INTO scans VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values) == 1
            if added and known:
                self._thin_out(scan, before=int((received - 3 * SKEW).timestamp()))
        return added

    def _thin_out(self, scan: Scan, *, before: int) -> None:
        """Of what one member says of one pack, the first scan and the latest are kept, so that nobody fills a disk."""
        where = "product = ? AND serial = ? AND member = ? AND known = 1"
        about = (scan.product, scan.serial, scan.member)
        self._database.run(
            f"DELETE FROM scans WHERE {where} AND received < ? "
            f"AND digest NOT IN (SELECT digest FROM scans WHERE {where} ORDER BY received, digest LIMIT 1) "
            f"AND digest NOT IN (SELECT digest FROM scans WHERE {where} ORDER BY received DESC, digest LIMIT ?)",
            (*about, before, *about, *about, _KEPT_OF_A_MEMBER),
        )

    def has(self, digest: bytes) -> bool:
        return bool(self._database.rows("SELECT 1 FROM scans WHERE digest = ?", (digest,)))

    def of_pack(self, product: str, serial: str) -> list[Kept]:
        """The scans of a serial, oldest first: of each member the latest of a few places, and its very first.

        So nobody can ask so often that what others said is no longer looked at.
        """
        rows = self._database.rows(
            "SELECT document, received FROM (SELECT *, "
            "ROW_NUMBER() OVER (PARTITION BY member ORDER BY latest_here, received DESC, digest) AS late, "
            "ROW_NUMBER() OVER (PARTITION BY member ORDER BY received, digest) AS early FROM (SELECT *, "
            "ROW_NUMBER() OVER (PARTITION BY member, place ORDER BY received DESC, digest) AS latest_here FROM scans "
            "WHERE product = ? AND serial = ? AND known = 1)) "
            "WHERE (latest_here = 1 AND late <= ?) OR early = 1 ORDER BY received DESC, digest",
            (product, serial, _PLACES_COMPARED),
        )
        return [
            Kept(SignedScan.decode(row["document"]), datetime.fromtimestamp(row["received"], UTC))
            for row in reversed(rows)
        ]

    def misses(self, *, since: datetime, account: str | None = None, member: int | None = None) -> list[datetime]:
        """When packs were asked about that nobody knows, by an account or a member, oldest first."""
        column, value = ("account", account) if account is not None else ("member", str(member))
        rows = self._database.rows(
            f"SELECT received FROM scans WHERE known = 0 AND received > ? AND {column} = ? ORDER BY received",
            (int(since.timestamp()), value),
        )
        return [datetime.fromtimestamp(row["received"], UTC) for row in rows]

    def forget(self, *, before: datetime) -> None:
        """Drops scans of packs that are unknown."""
        self._database.run("DELETE FROM scans WHERE known = 0 AND received <= ?", (int(before.timestamp()),))

    def keep_report(self, report: CloneReport) -> bool:
        """Keeps a report; whether it is new."""
        data = report.encode()
        row = (sha256(data).digest(), data)
        return self._database.run("INSERT OR IGNORE INTO reports (digest, document) VALUES (?, ?)", row) == 1

    def reports(self) -> list[CloneReport]:
        """Every report, oldest first."""
        rows = self._database.rows("SELECT document FROM reports ORDER BY number")
        return [CloneReport.decode(row["document"]) for row in rows]


class CloneWatch:
    """Compares each scan with those that are kept: at a maker's verify service, or at a member with several places."""

    def __init__(self, *, book: ScanBook, chain: Chain, signer: Signer, member: int) -> None:
        self._book = book
        self._chain = chain
        self._signer = signer
        self._member = member

    def note(self, signed: SignedScan, *, proof: PackProof, received: datetime) -> CloneReport | None:
        """Keeps a scan of a known pack; the report, where it cannot be of the pack that another scan was of.

        The caller has checked the signature. Raises what a chain can raise; the scan is kept all the same.
        """
        domain = domain_of(self._chain.domain())
        digest = signed.scan.digest(domain)
        others = [each for each in self._book.of_pack(*signed.scan.pack) if each.signed.scan.digest(domain) != digest]
        self._book.add(signed, digest=digest, received=received, known=True)
        way = way_of(self._chain, proof.batch, proof.index)
        now = Kept(signed, received.astimezone(UTC).replace(microsecond=0))
        for kept in [*([other, now] for other in others), [now]]:
            kind = judge([each.signed for each in kept], way)
            if kind is None or any(self._chain.only_looks(each.signed.scan.member) for each in kept):
                continue
            if proof.proves(kept[0].signed.scan, maker=way.maker):
                return self._report(kind, kept, proof, way, domain)
        return None

    def _report(
        self, kind: CloneKind, kept: Sequence[Kept], proof: PackProof, way: PackWay, domain: Domain
    ) -> CloneReport:
        values: dict[str, Any] = {
            "kind": kind,
            "scans": tuple(each.signed for each in kept),
            "received": tuple(each.received for each in kept),
            "proof": proof,
            "held": tuple((stay.member, stay.block) for stay in way.stays),
            "dispensed": (way.dispensed.member, way.dispensed.block) if way.dispensed else (0, 0),
            "block": way.block,
            "reporter": str(self._signer.address),
            "member": self._member,
        }
        signature = self._signer.sign_message(CloneReport(**values).signable(domain))
        report = CloneReport(**values, signature=signature)
        self._book.keep_report(report)
        return report


def proof_of(shelf: Shelf, pack: KnownPack, serial: str) -> PackProof:
    """The proof of a pack that a sheet told of. Raises NotOnTheShelf."""
    known = shelf.batch(pack.batch)
    return PackProof.make(
        batch=pack.batch,
        index=pack.index,
        key=known.key,
        product=known.product,
        serial=serial,
        siblings=shelf.proof(pack),
    )

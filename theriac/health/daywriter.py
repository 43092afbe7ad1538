"""The desk of a clinic with many patients a day: one root anchors some hundred patients' records.

The order is the writer's: read each bundle, seal to the row of this hour, anchor, wait for the network's depth, and
only then store. Until then what is sealed waits in a folder of its own in the spool, with a plan that is sealed to this
desk. A run that breaks off is taken up from the plan: what the chain has is stored, what it has not is anchored again
or, after the rows ran out, sealed anew. A row that the chain refuses, since the patient's client published meanwhile,
is written by itself.
"""

import io
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from theriac.crypto.recipients import parse_recipient
from theriac.errors import (
    BadDocument,
    BadRecipient,
    DamagedSpool,
    DayNotDeep,
    InboxChanged,
    NoBundle,
    NoRow,
    Reverted,
    SpoolFull,
    StaleBundle,
)
from theriac.health import days, documents, records
from theriac.health.bundle import Bundle, WriterFile
from theriac.health.days import DayRow
from theriac.health.hours import midnight_after, seconds_of
from theriac.health.intake import Piece
from theriac.health.keystore import write_private
from theriac.health.scope import KeyClass
from theriac.health.writer import Registered, Writer, Written
from theriac.store import compute

ROWS = 500
"""Rows below one root: some 3.5 million gas, so that a block holds it and others' transactions."""

BYTES = 2 << 30
"""Sealed bytes that wait for one root, at most by one record more."""

_TRIES = 3
_PLAN = "plan"


@dataclass(frozen=True)
class _Record:
    """A sealed record: its digest, the file of its bytes, the copy in the spool, and what is told of it."""

    digest: str
    file: str
    job: str
    title: str


@dataclass
class _Row:
    """The records of one patient that are sealed to one row of her bundle."""

    pseudonym: str
    cls: str
    version: int
    until: int
    recipient: str
    records: list[_Record] = field(default_factory=list)


@dataclass(frozen=True)
class _Planned:
    """A row as it will be anchored: `proofs` is the digest of its sealed proofs, which lie in the file `file`."""

    pseudonym: str
    cls: str
    version: int
    proofs: str
    file: str
    records: tuple[_Record, ...]


@dataclass(frozen=True)
class _Plan:
    """What is anchored by one root, and stored once it is."""

    root: str
    before: int
    rows: tuple[_Planned, ...]

    def encode(self) -> bytes:
        rows = [{**vars(row), "records": [vars(record) for record in row.records]} for row in self.rows]
        return documents.encode("day", {"root": self.root, "before": self.before, "rows": rows})

    @classmethod
    def decode(cls, data: bytes) -> "_Plan":
        values = documents.decode("day", data)
        rows = tuple(
            _Planned(**{**row, "records": tuple(_Record(**record) for record in row["records"])})
            for row in values["rows"]
        )
        return cls(values["root"], values["before"], rows)


class _Part:
    """What is sealed for one root, as it grows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: dict[tuple[str, str, str], _Row] = {}
        self.bundles: dict[tuple[str, int], tuple[Bundle, WriterFile | None]] = {}
        self.files = 0
        self.size = 0

    @property
    def full(self) -> bool:
        return len(self.rows) >= ROWS or self.size >= BYTES

    def next_file(self) -> Path:
        self.files += 1
        return self.folder / str(self.files)


class DayWriter(Writer):
    """A desk that anchors the records of many patients by one root."""

    def write_day(self, pieces: Iterable[tuple[Registered, Piece]]) -> Iterator[Written]:
        """Seals records of many patients, anchors some hundred patients' at a time by one root, and stores them.

        No record is refused: what fits no row goes to the inbox of its level, and what the root could not take is
        written by itself. Each piece's content is closed.
        """
        part: _Part | None = None
        for patient, piece in pieces:
            draft = self._draft(patient, piece)
            job = self._keep(draft)
            part = part if part is not None else self._begin_part()
            yield from self._take(part, patient, draft, job)
            draft.content.close()
            if part.full:
                yield from self._finish(part)
                part = None
        if part is not None:
            yield from self._finish(part)

    def _begin_part(self) -> _Part:
        folder = self._spool_folder() / f"{secrets.token_hex(16)}.day"
        try:
            folder.mkdir(mode=0o700)
        except OSError as fault:
            raise SpoolFull(path=str(self._spool), fault=fault.strerror or "it cannot be written") from None
        return _Part(folder)

    def _take(self, part: _Part, patient: Registered, draft: records.Draft, job: Path) -> Iterator[Written]:
        """Seals a record to its row and lays it by; where there is none, writes it by itself."""
        try:
            row = self._row_for(part, patient, draft.manifest.cls)
        except (NoBundle, NoRow, InboxChanged, BadDocument, BadRecipient):
            yield from self._write_kept(patient, [draft], [job])
            return
        path = part.next_file()
        try:
            with path.open("w+b") as file:
                sealed = records.seal(draft, to=parse_recipient(row.recipient), spool=cast(BinaryIO, file))
                part.size += file.seek(0, io.SEEK_END)
        except OSError as fault:
            raise SpoolFull(path=str(self._spool), fault=fault.strerror or "it cannot be written") from None
        row.records.append(_Record(sealed.cid.digest.hex(), path.name, job.name, draft.manifest.title))

    def _row_for(self, part: _Part, patient: Registered, cls: str) -> _Row:
        """The row of a patient's class at this hour, by the bundle as it was when her first record was taken."""
        hour = self._hour(patient)
        place = (patient.pseudonym, hour)
        if place not in part.bundles:
            bundle = self.chain.bundle(patient.pseudonym, self.store)
            self._check_inboxes(patient, bundle)
            part.bundles[place] = (bundle, bundle.writer_file(self._identity))
        bundle, mine = part.bundles[place]
        row = mine.row(KeyClass.parse(cls), hour) if mine is not None else None
        if row is None:
            raise NoRow(pseudonym=patient.pseudonym, wanted=cls)
        parse_recipient(row.recipient)
        until = min(seconds_of(row.until), seconds_of(midnight_after(hour)))
        fresh = _Row(patient.pseudonym, cls, bundle.version, until, row.recipient)
        return part.rows.setdefault((patient.pseudonym, cls, row.recipient), fresh)

    # -- anchoring ---------------------------------------------------------------------------------------------------

    def _finish(self, part: _Part, tries: int = _TRIES) -> Iterator[Written]:
        if not part.rows:
            part.folder.rmdir()
            return
        try:
            plan = self._lay_down(part)
            yield from self._carry_out(part.folder, plan)
        except StaleBundle:
            # An hour or the day went by meanwhile: the same records, to the rows of now.
            yield from self._once_more(part.folder, [each.job for row in plan.rows for each in row.records], tries - 1)

    def _lay_down(self, part: _Part) -> _Plan:
        """The tree, the sealed proofs, and the plan, which is written last: a folder without one was not anchored."""
        rows = list(part.rows.values())
        unproven = [days.Row(each.pseudonym, each.cls, tuple(one.digest for one in each.records)) for each in rows]
        root, proofs = days.prove(self.member, unproven)
        planned = []
        try:
            for row, proof in zip(rows, proofs, strict=True):
                sealed = documents.seal(proof.encode(), to=parse_recipient(row.recipient))
                path = part.next_file()
                path.write_bytes(sealed)
                digest = compute(io.BytesIO(sealed)).digest.hex()
                planned.append(_Planned(row.pseudonym, row.cls, row.version, digest, path.name, tuple(row.records)))
        except OSError as fault:
            raise SpoolFull(path=str(self._spool), fault=fault.strerror or "it cannot be written") from None
        plan = _Plan(root.hex(), min(each.until for each in rows), tuple(planned))
        write_private(part.folder / _PLAN, documents.seal(plan.encode(), to=self._identity.recipient))
        return plan

    def _carry_out(self, folder: Path, plan: _Plan) -> Iterator[Written]:
        """Anchors what is planned, if the chain does not have it yet, and stores what counts.

        :raises StaleBundle: the time ran out, and nothing was anchored.
        """
        counted = {(each.pseudonym, each.version, each.proofs.hex()) for each in self._anchor_day(plan)}
        refused: list[tuple[str, Path]] = []
        for row in plan.rows:
            if (row.pseudonym, row.version, row.proofs) in counted:
                yield from self._store_row(folder, row)
            else:
                refused += [(row.pseudonym, self._spool / each.job) for each in row.records]
        # What is refused stays in the spool as any record does that was not written yet.
        kept = self._days / f"{plan.root}.day"
        self._days.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / _PLAN).rename(kept)
        shutil.rmtree(folder)
        for pseudonym, job in refused:
            yield from self._write_again(self.patient(pseudonym), job)

    def _anchor_day(self, plan: _Plan) -> list[DayRow]:
        """The rows that count, once they are at depth."""
        root = bytes.fromhex(plan.root)
        rows = [(row.pseudonym, row.version, bytes.fromhex(row.proofs)) for row in plan.rows]
        call = self.chain.contracts.Records.functions.anchorDay(root, plan.before, rows)
        try:
            receipt = self._sender.send(call, intent=f"day {plan.root}")
        except Reverted as refused:
            if refused.error == "TooLate":
                raise StaleBundle(pseudonym="of a day", tries=_TRIES) from None
            if refused.error != "AlreadyAnchored":
                raise
            return self._anchored_before(plan)
        self.receipts.append(receipt)
        return [
            DayRow(told["pseudonym"], told["author"], told["version"], told["root"], told["proofs"], event.block)
            for event in self.chain.contracts.events(receipt)
            if (told := event.arguments) and (event.contract, event.name) == ("Records", "RowAnchored")
        ]

    def _anchored_before(self, plan: _Plan) -> list[DayRow]:
        """The rows that count of a root that a run without a memory of it anchored."""
        root = bytes.fromhex(plan.root)
        counted = self.chain.rows_of_day(self.member, root, settled=True)
        refused = self.chain.index.events("Records", "RowRefused", where={"root": root}, settled=True)
        told = len(counted) + sum(each.arguments["author"] == self.member for each in refused)
        if told < len(plan.rows):
            raise DayNotDeep(root=plan.root)
        return counted

    def _store_row(self, folder: Path, row: _Planned) -> Iterator[Written]:
        with (folder / row.file).open("rb") as proofs:
            self.store.put(cast(BinaryIO, proofs))
        for each in row.records:
            with (folder / each.file).open("rb") as sealed:
                self.store.put(cast(BinaryIO, sealed))
            job = self._spool / each.job
            if job.exists():
                job.rename(job.with_name(f"{each.digest}.written"))
            yield Written(each.digest, row.cls, each.title, inbox=False)

    # -- what broke off ----------------------------------------------------------------------------------------------

    def resume(self) -> Iterator[Written]:
        """Writes what an earlier run left unfinished, days first."""
        unplanned = False
        for folder in sorted(self._spool.glob("*.day")):
            path = folder / _PLAN
            if not path.exists():
                # It was never anchored: the records are in the spool, and are a day's still.
                shutil.rmtree(folder)
                unplanned = True
                continue
            plan = self._read_plan(path)
            try:
                yield from self._carry_out(folder, plan)
            except StaleBundle:
                jobs = [each.job for row in plan.rows for each in row.records]
                yield from self._once_more(folder, jobs, _TRIES - 1)
        if unplanned:
            yield from self._seal_anew(sorted(self._spool.glob("*.spooled")), _TRIES)
        yield from super().resume()

    def _once_more(self, folder: Path, jobs: Iterable[str], tries: int) -> Iterator[Written]:
        """Drops what was sealed for a root that was not anchored, and seals the same records anew."""
        shutil.rmtree(folder)
        yield from self._seal_anew([path for job in jobs if (path := self._spool / job).exists()], tries)

    def _seal_anew(self, jobs: Iterable[Path], tries: int) -> Iterator[Written]:
        """Seals records from the spool for roots again; after too many tries each is written by itself."""
        part: _Part | None = None
        for path in jobs:
            if not tries:
                with path.open("rb") as file:
                    pseudonym = records.open_(file, identities=[self._identity]).manifest.pseudonym
                yield from self._write_again(self.patient(pseudonym), path)
                continue
            part = part if part is not None else self._begin_part()
            with path.open("rb") as file, tempfile.SpooledTemporaryFile(max_size=8 << 20) as plain:
                opened = records.open_(cast(BinaryIO, file), identities=[self._identity])
                opened.copy_to(cast(BinaryIO, plain))
                draft = records.Draft(opened.manifest, cast(BinaryIO, plain))
                yield from self._take(part, self.patient(opened.manifest.pseudonym), draft, path)
            if part.full:
                yield from self._finish(part, tries)
                part = None
        if part is not None:
            yield from self._finish(part, tries)

    def _read_plan(self, path: Path) -> _Plan:
        try:
            return _Plan.decode(documents.open_(path.read_bytes(), identities=[self._identity]))
        except (BadDocument, KeyError, TypeError):
            raise DamagedSpool(path=str(path)) from None

    # -- what was anchored -------------------------------------------------------------------------------------------

    @property
    def _days(self) -> Path:
        return self._spool.with_name("days")

    def anchored_on_a_day(self, pseudonym: str, digest: str) -> bool:
        """Whether this desk anchored a record, or the proofs of some, below a day's root."""
        roots = {each.root.hex() for each in self.chain.day_rows([pseudonym]) if each.author == self.member}
        for root in roots:
            path = self._days / f"{root}.day"
            if not path.exists():
                continue
            for row in self._read_plan(path).rows:
                if row.pseudonym == pseudonym and digest in (row.proofs, *(each.digest for each in row.records)):
                    return True
        return False

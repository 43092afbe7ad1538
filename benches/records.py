"""Records from a clinic's desk to a reader's list, and the sealed index that a list is read from."""

import io
import json
import os
from collections.abc import Iterator
from typing import Any

from benches.figures import Bars, Better, Figure, Run, Section, Table
from benches.profiling import profiled
from benches.timing import Effort, in_turns, seconds, told
from benches.world import LABORATORY, bundle, laboratory, world
from theriac.crypto import age
from theriac.crypto.recipients import HybridIdentity
from theriac.health import intake
from theriac.health.bundle import IndexFile, Opening, compose, read_index
from theriac.health.hours import HOURS, Nodes
from theriac.health.scope import ALL_CLASSES, Purpose
from theriac.health.vault import Account, Entry, Vault
from theriac.store import compute

INDEXED = 10_000
TOGETHER = 100
SIZE = 4 << 10
RESOURCES = 200
TREAT = Purpose.parse("TREAT")
ONCE = "each sealed once to one key"
AGAIN = "each opened once by its key"

PROSE = """
*Written*: a clinic's desk takes records of 4 KiB in, a hundred at a time: each framed with a signed manifest, kept in
the desk's spool sealed to itself, sealed to the patient's row of the hour, all anchored in one transaction and
stored. *Filed*: her client finds them on the chain, opens and checks each, and publishes sealed indexes. *Listed*: a
reader with a grant reads her bundle and the indexes anew and lists everything. *Opened*: the reader asks the chain,
fetches, opens and signs a receipt for each. *A bundle* is a FHIR bundle of 200 resources from the desk to the
reader's list, all of these but the last. The chain is an anvil on this machine with a block for each transaction; all
files are in memory where the machine has such a file system. Beside stands the least that any such system does with
as many files of the same sizes: a post-quantum file sealed once, or opened once. The index of 10,000 records is
written, read and searched without a chain, beside the plain JSON of the same entries.
"""


def measure(effort: Effort) -> Section:
    figures, tables = list(_index(effort)), []
    if not effort.small:
        with world("anvil") as story:
            figures += _records(story, effort)
            tables += _profiles(story)
    bars = tuple(
        (label, key)
        for label, key in (
            ("written", "records/written"),
            ("filed", "records/filed"),
            ("listed", "records/listed"),
            ("opened", "records/opened"),
            ("a bundle of 200, to the list", "records/bundle"),
        )
        if key in {figure.key for figure in figures}
    )
    charts = (Bars("records", "Records of 4 KiB", f"share of: {ONCE}, or opened once", bars),) if bars else ()
    return Section("records", "Records", PROSE, tuple(figures), charts=charts, tables=tuple(tables))


# -- at a desk, on a chain ---------------------------------------------------------------------------------------------


def _records(story: Any, effort: Effort) -> Iterator[Figure]:
    everyday = [cls for cls in ALL_CLASSES if cls.level is LABORATORY.level]
    story.patient.watch()
    granted = story.patient.grant(story.doctor.address, classes=everyday, purpose=TREAT, end=story.midnight(30))
    rounds = [_round(story, granted.pseudonym, turn) for turn in range(min(effort.runs, 5))]
    for name, beside in (("written", ONCE), ("filed", AGAIN), ("listed", AGAIN), ("opened", AGAIN)):
        runs = tuple(each[name] for each in rounds)
        yield Figure(f"records/{name}", f"records of 4 KiB {name}", "a second", beside, runs, better=Better.MORE)
    runs = tuple(_bundle(story, granted.pseudonym, turn) for turn in range(min(effort.runs, 3)))
    what = f"a FHIR bundle of {RESOURCES} resources, from the desk to a reader's list"
    yield Figure("records/bundle", what, "s", ONCE, runs)


def _round(story: Any, pseudonym: str, turn: int) -> dict[str, Run]:
    """A hundred records on their way, each act as a rate."""
    identity = HybridIdentity.generate()
    contents = [os.urandom(SIZE) for _ in range(TOGETHER)]
    sealed, once = told(lambda: [age.seal_bytes(each, to=[identity.recipient]) for each in contents])
    _, again = told(lambda: [age.open_bytes(each, identities=[identity]) for each in sealed])

    pieces = [laboratory(content, number) for number, content in enumerate(contents)]
    written, writing = told(lambda: list(story.writer.write(story.desk, pieces)))
    watched, filing = told(story.patient.watch)
    assert {each.digest for each in watched.filed} == {each.digest for each in written}

    reader = story.reader(story.doctor, f"doctor {turn}")
    listed, listing = told(lambda: _listed(reader, pseudonym))
    assert {each.digest for each in written} <= {each.digest for each in listed}
    opened, opening = told(lambda: [reader.open(pseudonym, each.digest, purpose=TREAT).read() for each in written])
    assert opened == contents
    return {
        "written": Run(TOGETHER / writing, TOGETHER / once),
        "filed": Run(TOGETHER / filing, TOGETHER / again),
        "listed": Run(len(listed) / listing, TOGETHER / again),
        "opened": Run(TOGETHER / opening, TOGETHER / again),
    }


def _listed(reader: Any, pseudonym: str) -> list[Any]:
    reader.learn(pseudonym)
    return list(reader.listed(pseudonym, purpose=TREAT))


def _bundle(story: Any, pseudonym: str, turn: int) -> Run:
    data, identity = bundle(RESOURCES), HybridIdentity.generate()
    contents = [piece.content.read() for piece in intake.from_fhir(data)]
    assert len(contents) == RESOURCES + 1
    reader = story.reader(story.doctor, f"doctor of bundle {turn}")

    def end_to_end() -> tuple[list[Any], list[Any]]:
        written = list(story.writer.write(story.desk, intake.from_fhir(data)))
        story.patient.watch()
        return written, _listed(reader, pseudonym)

    (written, listed), took = told(end_to_end)
    everyday = {each.digest for each in written if each.cls.endswith("/N")}
    assert everyday <= {each.digest for each in listed}
    return Run(took, seconds(lambda: [age.seal_bytes(each, to=[identity.recipient]) for each in contents]))


def _profiles(story: Any) -> list[Table]:
    pieces = [laboratory(bytes([number]) * SIZE, number) for number in range(TOGETHER)]
    written: list[Any] = []
    found = [profiled(f"{TOGETHER} records written", lambda: written.extend(story.writer.write(story.desk, pieces)))]
    found.append(profiled(f"{TOGETHER} records filed", story.patient.watch))
    granted = next(each for each in story.patient.vault.sharings if each.reader == story.doctor.address)
    reader = story.reader(story.doctor, "doctor of the profile")
    reader.learn(granted.pseudonym)

    def open_all() -> None:
        for each in written:
            reader.open(granted.pseudonym, each.digest, purpose=TREAT).read()

    return [*found, profiled(f"{TOGETHER} records opened", open_all)]


# -- an index ----------------------------------------------------------------------------------------------------------


def _index(effort: Effort) -> Iterator[Figure]:
    """The index of many records, published and listed, and one code looked up in it."""
    count = 200 if effort.small else INDEXED
    hour, vault, cls = 60_000, Vault(), str(LABORATORY)
    account = vault.open_account(Account("0x" + "11" * 20, 0, home=True, own=True), classes=[cls], hour=hour)
    summaries = [
        {"title": f"Result {number}", "date": "2026-01-01", "codes": [f"http://loinc.org|{number}-1"]}
        for number in range(count)
    ]
    for number, summary in enumerate(summaries):
        vault.add(Entry(account.pseudonym, f"{number:064x}", 1, cls, 1, hour, hour * 3600 + number, summary))
    plain = [{"digest": f"{number:064x}", "anchored": number, **summary} for number, summary in enumerate(summaries)]
    text = json.dumps(plain)
    composed = compose(vault, account, hour=hour)
    tree = account.trees[cls].newest
    opening = Opening(account.pseudonym, cls, 1, hour, Nodes.covering(tree.seed, [(0, HOURS)]))
    digest = composed.publication.indexes[cls]
    sealed = next(blob for blob in composed.files if compute(io.BytesIO(blob)).digest.hex() == digest)
    file = IndexFile(account.pseudonym, cls, digest, hour)

    def found(code: str) -> list[Any]:
        return [each for each in read_index(sealed, file, [opening]) if code in str(each.summary["codes"])]

    assert len(found("|77-1")) == 1
    assert len(read_index(sealed, file, [opening])) == count
    for key, what, beside, act, other in (
        (
            "published",
            "written and sealed",
            "its entries as plain JSON, written",
            lambda: compose(vault, account, hour=hour),
            lambda: json.dumps(plain),
        ),
        (
            "listed",
            "opened and listed",
            "its entries as plain JSON, read",
            lambda: read_index(sealed, file, [opening]),
            lambda: json.loads(text),
        ),
        (
            "searched",
            "opened and searched for a code",
            "its entries as plain JSON, read",
            lambda: found("|77-1"),
            lambda: json.loads(text),
        ),
    ):
        runs = in_turns(act, other, effort=effort)
        yield Figure(f"records/index/{key}", f"an index of {count:,} records {what}", "s", beside, runs)

"""What a patient's grant and her rotation take, by the number of her readers."""

import os
from collections.abc import Iterator
from typing import Any

from benches.figures import Curves, Figure, Run, Section, Table
from benches.profiling import profiled
from benches.timing import Effort, quantile, seconds, told
from benches.world import LABORATORY, Doctor, laboratory, world
from engines.kaia.network import BINARY as KAIA
from engines.process import EngineError
from theriac.crypto import age
from theriac.crypto.recipients import HybridIdentity
from theriac.health.scope import Purpose
from theriac.ledger.contracts import Call

READERS = (1, 10, 100)
TREAT = Purpose.parse("TREAT")
BARE = "one bare transaction, sent and waited for"
NAMES = {"local": "the embedded chain", "kaia": "Kaia, four validators"}

PROSE = """
*From a grant to bytes*: a patient signs a grant to a reader who was never granted anything; her client publishes the
bundle in which the reader finds its keys, a relay carries all of it; the reader reads the bundle and opens a record
that was written before, with its receipt signed. It is measured on the embedded chain of this process and on four
validators of Kaia, founded for it, with a block a second. Beside it stands one bare transaction, signed, sent and
waited for: what the chain alone takes. *A rotation* starts the next generation of every class and publishes anew for
every reader, who each know the patient by another pseudonym, on an anvil; beside it stands one small post-quantum
file sealed for each reader.
"""


def measure(effort: Effort) -> Section:
    figures: list[Figure] = []
    skipped: list[str] = []
    tables: list[Table] = []
    with world() as story:
        if effort.small:
            figures += _rotations(story, effort)
        figures += _grants(story, "local", 1 if effort.small else 20)
    if not effort.small:
        try:
            with world("anvil") as story:
                figures += _rotations(story, effort)
                tables.append(profiled(f"a rotation with {READERS[-1]} readers", story.patient.rotate))
        except EngineError as error:
            skipped.append(f"rotations: {error}")
        if os.access(KAIA, os.X_OK):
            try:
                with world("kaia") as story:
                    figures += _grants(story, "kaia", 8)
            except EngineError as error:
                skipped.append(f"grants on Kaia: {error}")
        else:
            skipped.append("grants on Kaia: build it with `make engine-kaia`, which needs Go 1.26.")
    points = tuple((each.key.rpartition("/")[2], each.key) for each in figures if "/rotation/" in each.key)
    curve = ("rotation", tuple((float(number), key) for number, key in points))
    chart = Curves("access", "A rotation by the number of readers", "readers", "seconds", (curve,))
    return Section(
        *("access", "Grants and rotations", PROSE, tuple(figures)),
        charts=(chart,),
        tables=tuple(tables),
        skipped=tuple(skipped),
    )


# -- grants ------------------------------------------------------------------------------------------------------------


def _grants(story: Any, engine: str, count: int) -> Iterator[Figure]:
    content = os.urandom(4096)
    [written] = story.writer.write(story.desk, [laboratory(content, 0)])
    story.patient.watch()
    runs = [_granted(story, f"{engine} {number}", written.digest, content) for number in range(count)]
    what = f"from a grant to readable bytes on {NAMES[engine]}"
    yield Figure(f"access/{engine}/grant/p50", f"{what}, p50", "s", BARE, tuple(runs))
    p95 = Run(quantile([run.value for run in runs], 0.95), quantile([run.beside for run in runs], 0.95))
    yield Figure(f"access/{engine}/grant/p95", f"{what}, p95", "s", f"{BARE}, p95", (p95,))


def _granted(story: Any, name: str, digest: str, content: bytes) -> Run:
    doctor = Doctor(story, name)
    reader = story.reader(doctor.person, name)

    def opened() -> bytes:
        granted = story.patient.grant(doctor.address, classes=[LABORATORY], purpose=TREAT, end=story.midnight(30))
        reader.learn(granted.pseudonym)
        found: bytes = reader.open(granted.pseudonym, digest, purpose=TREAT).read()
        return found

    found, took = told(opened)
    assert found == content
    sender = story.relay_account.sender
    return Run(took, seconds(lambda: sender.send(Call(to=story.relay_account.address, data=b""))))


# -- rotation ----------------------------------------------------------------------------------------------------------


def _rotations(story: Any, effort: Effort) -> Iterator[Figure]:
    identity = HybridIdentity.generate()
    for wanted in READERS[:1] if effort.small else READERS:
        for number in range(len(story.patient.vault.sharings), wanted):
            doctor = Doctor(story, f"reader {number}")
            story.patient.grant(doctor.address, classes=[LABORATORY], purpose=TREAT, end=story.midnight(30))
        content = os.urandom(1024)

        def rotated(wanted: int = wanted, content: bytes = content) -> Run:
            took = seconds(story.patient.rotate)
            return Run(took, seconds(lambda: [age.seal_bytes(content, to=[identity.recipient]) for _ in range(wanted)]))

        before = _generation(story)
        runs = [rotated() for _ in range(1 if effort.small or wanted > 10 else min(effort.runs, 3))]
        assert _generation(story) == before + len(runs)
        what = f"a rotation with {wanted} {'reader' if wanted == 1 else 'readers'}"
        yield Figure(f"access/rotation/{wanted}", what, "s", "one small file sealed for each", tuple(runs))


def _generation(story: Any) -> int:
    account = next(each for each in story.patient.vault.written() if str(LABORATORY) in each.trees)
    return int(account.trees[str(LABORATORY)].newest.number)

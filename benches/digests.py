"""An index over millions of anchored digests: how fast it is followed, how large it is, how soon it answers.

    python -m benches.digests DIGESTS

The chain is made up by `benches.made_chain`, in a process of its own and over HTTP; what follows it is the health
clients' index as it is, again in a process of its own, so that its memory is its own.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from eth_utils.address import to_checksum_address
from rich.table import Table
from web3 import HTTPProvider, Web3

from benches.made_chain import EACH, MadeChain
from benches.timing import peak_memory
from theriac.health.chain import Anchoring, Chain
from theriac.ledger.contracts import Contracts
from theriac.ledger.deployment import Deployed, Deployment
from theriac.ledger.index import Progress
from theriac.ledger.node import Node

ADDRESS = to_checksum_address("0x" + "ab" * 20)
DEPTH = 12
LOOKUPS = 2_000
SHALLOW, DEEP = 100, 1_500
"""How many blocks the reorganisations take back: the second more than the index remembers the ends of."""


@dataclass
class Followed:
    """What was measured. Seconds, bytes and mebibytes; the ends of look-ups are p50, p95, p99 in milliseconds."""

    events: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    made: float = 0.0
    at_rest: float = 0.0
    peak: float = 0.0
    disk: int = 0
    rates: list[float] = field(default_factory=list)
    by_digest: tuple[float, ...] = ()
    by_pseudonym: tuple[float, ...] = ()
    absent: tuple[float, ...] = ()
    asked: tuple[float, ...] = ()
    resumed: float = 0.0
    undone: dict[str, float] = field(default_factory=dict)


def deployment_at(web3: Web3) -> Deployment:
    """A network on which Records stands and nothing else."""
    node = Node(web3)
    stands = Deployed(address=ADDRESS, block=1, code_hash=node.genesis())
    return Deployment("made", node.chain_id(), node.genesis(), DEPTH, False, {"Records": stands})


def chain_at(url: str, index: Path) -> Chain:
    """The health client's view of a chain, with its index in a file."""
    web3 = Web3(HTTPProvider(url))
    return Chain(web3, Contracts(web3, deployment_at(web3)), index=index)


def expected(made: MadeChain, block: int, place: int) -> Anchoring:
    """What an index must say of the event at a place."""
    digest = made.digest(block, place)
    patient = made.patient_of(digest)
    pseudonym = to_checksum_address(made.pseudonym(patient))
    return Anchoring(pseudonym, made.author(patient), digest, block)


def follow(url: str, folder: Path, *, blocks: int, each: int, lookups: int = LOOKUPS) -> Followed:
    """Follows the chain at `url` into an empty folder, asks, restarts and lives through reorganisations.

    Every answer is compared with what the formula says.
    """
    found, made = Followed(), MadeChain(ADDRESS, blocks=blocks, each=each)
    path, dice = folder / "index.sqlite", random.Random(1)
    chain = chain_at(url, path)
    control = Node(chain.web3)
    found.at_rest = peak_memory()

    # (1) all of it, the rate of each tenth kept
    begun = last = time.perf_counter()
    worked = time.process_time()
    reached = [0]

    def report(progress: Progress) -> None:
        nonlocal last
        if progress.events - reached[-1] >= max(blocks * each // 10, 1):
            now = time.perf_counter()
            found.rates.append((progress.events - reached[-1]) / (now - last))
            reached.append(progress.events)
            last = now

    index = chain.unsynced_index
    progress = index.sync(report=report)
    found.seconds, found.events = time.perf_counter() - begun, progress.events
    found.cpu = time.process_time() - worked
    found.peak = peak_memory()
    [held] = index.query("SELECT COUNT(*) AS held FROM anchors")
    assert (progress.events, held["held"]) == (blocks * each, blocks * each), (progress, held)
    begun = time.perf_counter()
    sample = min(20, blocks)
    for _ in made.logs(1, sample):
        pass
    found.made = (time.perf_counter() - begun) / sample * blocks

    # (2) look-ups, each compared with the formula
    places = [(dice.randint(1, blocks), dice.randrange(each)) for _ in range(lookups)]
    wanted = [expected(made, *place) for place in places]
    found.by_digest = _timed(lambda one: chain.anchored(one.digest, asking=False) == [one], wanted)
    found.asked = _timed(lambda one: chain.anchored(one.digest) == [one], wanted[: lookups // 10])
    found.by_pseudonym = _timed(lambda one: one in chain.anchored_under([one.pseudonym], asking=False), wanted)
    strangers = [bytes([255]) * 28 + dice.randbytes(4) for _ in range(lookups)]
    found.absent = _timed(lambda digest: chain.anchored(digest, asking=False) == [], strangers)

    # (3) closed, so that all is in one file, and opened again
    chain.close()
    found.disk = sum(each.stat().st_size for each in folder.iterdir())
    begun = time.perf_counter()
    chain = chain_at(url, path)
    assert chain.index.progress().block == blocks
    found.resumed = time.perf_counter() - begun

    # (4) the chain goes another way
    for depth in (SHALLOW, DEEP):
        if depth >= blocks:
            continue
        fork = blocks - depth + 1
        control.request("made_fork", [fork])
        lost = expected(made, blocks, 0)
        made.fork(fork)
        begun = time.perf_counter()
        undone = chain.unsynced_index.sync(to=fork - 1).undone
        found.undone[f"{depth:,} blocks, {depth * each:,} events"] = time.perf_counter() - begun
        assert undone >= depth, undone
        assert chain.anchored(lost.digest) == []
        assert chain.anchored(expected(made, blocks, 0).digest) == [expected(made, blocks, 0)]
        [held] = chain.index.query("SELECT COUNT(*) AS held FROM anchors WHERE block >= ?", (fork,))
        assert held["held"] == depth * each
    found.peak = max(found.peak, peak_memory())
    chain.close()
    return found


def _timed(act: Callable[..., bool], wanted: Sequence[object]) -> tuple[float, ...]:
    """p50, p95 and p99 in milliseconds of acts that each say whether their answer was right."""
    took = []
    for one in wanted:
        begun = time.perf_counter()
        right = act(one)
        took.append((time.perf_counter() - begun) * 1e3)
        assert right, one
    took.sort()
    return tuple(took[min(int(len(took) * share), len(took) - 1)] for share in (0.5, 0.95, 0.99))


@contextmanager
def made_chain(blocks: int, each: int) -> Iterator[str]:
    """Where a made chain of its own process listens."""
    command = [sys.executable, "-m", "benches.made_chain", ADDRESS, str(blocks), str(each)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.communicate()


def measured(digests: int, folder: Path, *, each: int = EACH) -> Followed:
    """So many digests, followed in a process of its own."""
    blocks = digests // each
    with made_chain(blocks, each) as url:
        command = [sys.executable, "-m", "benches.digests", "--follow", url, str(folder), str(blocks), str(each)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Followed(**json.loads(done.stdout.splitlines()[-1]))


def table(found: Followed) -> Table:
    """The figures laid out."""
    shown = Table("an index over anchored digests", "", title=f"{found.events:,} digests, {EACH} a block")
    for what, figure in (
        ("followed", f"{found.seconds:,.0f} s, {found.events / found.seconds:,.0f} events/s"),
        ("of that worked", f"{found.cpu:,.0f} s, {found.events / found.cpu:,.0f} events a second of one core"),
        ("making the events alone", f"{found.made:,.0f} s, {found.events / found.made:,.0f} events/s"),
        ("rate of the first and the last tenth", f"{found.rates[0]:,.0f} and {found.rates[-1]:,.0f} events/s"),
        ("memory at rest and at most", f"{found.at_rest:.0f} and {found.peak:.0f} MiB"),
        ("disk", f"{found.disk / 2**30:.2f} GiB, {found.disk / found.events:.0f} bytes an event"),
        ("look-up by digest, p50 p95 p99", _shown(found.by_digest)),
        ("look-up by pseudonym", _shown(found.by_pseudonym)),
        ("look-up of a digest that is not there", _shown(found.absent)),
        ("look-up by digest, the node asked first", _shown(found.asked)),
        ("opened again", f"{found.resumed:.2f} s"),
        *((f"undone: {what}", f"{seconds:.2f} s") for what, seconds in found.undone.items()),
    ):
        shown.add_row(what, figure)
    return shown


def _shown(ends: Sequence[float]) -> str:
    return ", ".join(f"{each:.2f}" for each in ends) + " ms"


if __name__ == "__main__":
    if sys.argv[1] == "--follow":
        url, name, blocks, each = sys.argv[2:]
        print(json.dumps(asdict(follow(url, Path(name), blocks=int(blocks), each=int(each)))))
    else:
        from rich.console import Console

        with tempfile.TemporaryDirectory(prefix="theriac-bench-") as name:
            Console().print(table(measured(int(sys.argv[1]), Path(name))))

"""Tells the demo's story on several engines and compares all that they say of it: `python -m benches.engines`.

    python -m benches.engines [--engines local,anvil,geth,kaia] [--bundle FILE] [--write]

The story is made repeatable (`benches/steady.py`) and told in a process of its own for each engine, from the same
second of the same day, to a chain with the same number. Compared are, to the byte: every transaction (its sender,
nonce, recipient and data), every event of every contract (its place, topics and data, times in it as full hours), the
identifier of every file that was stored, and every line that was told; and to the unit: the gas. On Kaia the gas is
another, and is taken apart.

Kaia's story puts its files into a real Kubo node, where one is built, and the others' into a folder.

Ends with 1 where two engines disagree on anything but Kaia's gas. `--write` puts the tables into docs/engines.md.
"""

import argparse
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from engines.devnet import ENGINES, Devnet, devnet
from engines.kubo.node import BINARY as KUBO
from engines.process import EngineError

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "engines.md"
START = datetime(2030, 1, 7, 9, 0, 5, tzinfo=UTC)
SEED = "one story, told on every engine"

YEAR = 366 * 24 * 3600

EQUAL = ("transactions", "events", "cids", "told")
"""What must be the same everywhere."""

# Gas of calldata: of a zero byte and of another one on Ethereum since EIP-2028; of any byte on Kaia.
ZERO, OTHER, ON_KAIA = 4, 16, 100


@dataclass
class Telling:
    """What an engine made of the story. Transactions, events and lines are in the order of the chain."""

    engine: str
    version: str
    store: str
    seconds: float
    missed: int
    steps: list[dict[str, Any]]
    transactions: list[str] = field(default_factory=list)
    gas: list[int] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    cids: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def digest(self, what: str) -> str:
        return hashlib.sha256("\n".join(getattr(self, what)).encode()).hexdigest()


class Noted:
    """A store that notes the identifier of each file that is put into it."""

    def __init__(self, store: Any, cids: list[str]) -> None:
        self._store = store
        self._cids = cids

    def put(self, stream: BinaryIO) -> Any:
        cid = self._store.put(stream)
        self._cids.append(str(cid))
        return cid

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


# -- one engine ------------------------------------------------------------------------------------------------------


def tell(engine: str, *, tape: Path, bundle: Path, store: str) -> Telling:
    """The story on an engine. Raises EngineError, and what the story raises."""
    import ape
    from rich.console import Console

    from benches.steady import Tape, steady
    from scripts._demo import Story, _tell
    from theriac.store import LocalStore

    kept, cids = Tape(tape), list[str]()
    with ExitStack() as open_, tempfile.TemporaryDirectory(prefix="theriac-") as temporary:
        folder = Path(temporary)
        open_.enter_context(ape.networks.parse_network_choice("ethereum:local:test"))
        net = open_.enter_context(devnet(engine, folder, begun=int(START.timestamp())))
        place: Any = LocalStore(folder / "store")
        if store == "kubo":
            from engines.kubo.node import KuboNode
            from theriac.store.kubo import KuboStore

            place = open_.enter_context(KuboStore(open_.enter_context(KuboNode(folder / "kubo")).api))
        begun = time.perf_counter()
        with steady(seed=SEED, tape=kept):
            story = Story(folder / "story", console=Console(file=io.StringIO()), net=net, store=Noted(place, cids))
            _tell(story, bundle.read_bytes())
        telling = Telling(
            engine,
            _version(net),
            store,
            time.perf_counter() - begun,
            kept.missed,
            [asdict(step) for step in story.steps],
            cids=cids,
            told=[_alike(line) for step in story.steps for line in (step.title, *step.told)],
        )
        names = {each.address: name for name, each in story.contracts.deployment.contracts.items()}
        for transaction, receipt in _transactions(net, story.begun):
            to = str(transaction["to"] or "")
            to = names.get(to, to) if len(to) > 2 else f"makes {receipt['contractAddress']}"
            data = bytes(transaction["input"] if "input" in transaction else transaction["data"])
            telling.transactions.append(
                f"{transaction['from']} {transaction['nonce']} {to} {data.hex()} status {receipt['status']}"
            )
            telling.gas.append(int(receipt["gasUsed"]))
            telling.data.append(data.hex())
            telling.events += [
                f"{names.get(log['address'], log['address'])} {[bytes(each).hex() for each in log['topics']]} "
                f"{_by_the_hour(bytes(log['data']))}"
                for log in receipt["logs"]
            ]
    return telling


def _alike(line: str) -> str:
    """A line that was told, without what is the engine's own: the gas of a step, and how far a dossier proves itself.

    A proof names a block of its chain; the embedded chain and Kaia give none that the format knows.
    """
    if re.match(r"Proven, if block \d+ |The decision follows from the terms; whoever made this gave no proof", line):
        return "The dossier holds."
    return re.sub(r"[\d,]+ gas", "gas", line)


def _by_the_hour(data: bytes) -> str:
    """An event's data, with times of the story's year as full hours: contracts make some of them of their block's."""
    words = [data[at : at + 32] for at in range(0, len(data), 32)]
    begun = int(START.timestamp())
    told = []
    for word in words:
        number = int.from_bytes(word, "big")
        is_time = begun <= number < begun + YEAR
        told.append((number - number % 3600).to_bytes(32, "big").hex() if is_time else word.hex())
    return "".join(told)


def _version(net: Devnet) -> str:
    return str(net.ask("web3_clientVersion")) if net.url else _embedded_version()


def _embedded_version() -> str:
    from importlib.metadata import version

    return f"py-evm/v{version('py-evm')} in this process"


def _transactions(net: Devnet, first: int) -> Iterator[tuple[Any, Any]]:
    """Every transaction from a block on, with its receipt."""
    for number in range(first, net.web3.eth.block_number + 1):
        for transaction in net.web3.eth.get_block(number, full_transactions=True)["transactions"]:
            yield transaction, net.web3.eth.get_transaction_receipt(transaction["hash"])  # type: ignore[index]


# -- all of them -----------------------------------------------------------------------------------------------------


def told_by(engines: Sequence[str], *, bundle: Path) -> list[Telling]:
    """The story told on each engine, one after the other, by a process each. Raises EngineError."""
    tellings = []
    with tempfile.TemporaryDirectory(prefix="theriac-") as temporary:
        for engine in engines:
            out = Path(temporary, f"{engine}.json")
            words = ["--tell", engine, "--tape", str(Path(temporary, "tape.json")), "--out", str(out)]
            store = "kubo" if engine == "kaia" and os.access(KUBO, os.X_OK) else "folder"
            # Sets are gone through in the order of hashes, which Python else draws for each process.
            environment = {**os.environ, "PYTHONHASHSEED": "0"}
            command = [sys.executable, "-m", "benches.engines", *words, "--bundle", str(bundle), "--store", store]
            done = subprocess.run(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
            if done.returncode:
                raise EngineError(f"On {engine}: {done.stderr.strip().splitlines()[-1]}")
            tellings.append(Telling(**json.loads(out.read_text())))
            print(f"{engine}: {tellings[-1].version}, {tellings[-1].seconds:.0f} s", file=sys.stderr, flush=True)
    return tellings


def disagreements(tellings: Sequence[Telling]) -> list[str]:
    """Everything that an engine says otherwise than the first one, in sentences."""
    first, found = tellings[0], []
    for other in tellings[1:]:
        for what in EQUAL:
            ours, theirs = getattr(first, what), getattr(other, what)
            if ours != theirs:
                place = next(
                    (at for at, (one, two) in enumerate(zip(ours, theirs, strict=False)) if one != two),
                    min(len(ours), len(theirs)),
                )
                found.append(
                    f"{other.engine} has {len(theirs)} {what}, {first.engine} {len(ours)}; number {place} is the first "
                    f"that differs:\n    {[*ours, 'nothing'][place][:300]}\n    {[*theirs, 'nothing'][place][:300]}"
                )
        if "kaia" not in (first.engine, other.engine) and first.gas != other.gas:
            place = next(at for at, (one, two) in enumerate(zip(first.gas, other.gas, strict=False)) if one != two)
            found.append(
                f"Transaction {place} took {other.gas[place]:,} gas on {other.engine} and {first.gas[place]:,} on "
                f"{first.engine}: {first.transactions[place][:160]}"
            )
    return found


# -- what is written -------------------------------------------------------------------------------------------------

NAMES = {"local": "embedded", "anvil": "anvil", "geth": "geth", "kaia": "Kaia"}


def tables(tellings: Sequence[Telling]) -> str:
    """What the engines made of the story, as two tables."""
    lines = [
        "| engine | program | files in | seconds | transactions | events | sha256 of all events | files | "
        "sha256 of all identifiers | gas |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for each in tellings:
        lines.append(
            f"| {NAMES[each.engine]} | {each.version} | {each.store} | {each.seconds:.0f} | {len(each.transactions)} | "
            f"{len(each.events)} | `{each.digest('events')[:16]}` | {len(each.cids)} | `{each.digest('cids')[:16]}` | "
            f"{sum(each.gas):,} |"
        )
    plain = [each for each in tellings if each.engine != "kaia"]
    kaia = next((each for each in tellings if each.engine == "kaia"), None)
    head = ["", "act", "transactions"]
    head += [f"gas on {', '.join(NAMES[each.engine] for each in plain)}"] if plain else []
    head += ["gas on Kaia", "of it for calldata", "otherwise"] if kaia else []
    head += [f"s, {NAMES[each.engine]}" for each in tellings]
    lines += ["", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    place = 0
    for number, step in enumerate(tellings[0].steps):
        count = len(step["gas"])
        row = [str(number + 1), step["title"], str(count or "")]
        if plain:
            gas = {sum(each.steps[number]["gas"]) for each in plain}
            row.append(" / ".join(f"{each:,}" for each in sorted(gas)) if count else "")
        if kaia:
            dear, data = sum(kaia.steps[number]["gas"]), kaia.data[place : place + count]
            more = sum(_dearer(bytes.fromhex(each)) for each in data)
            rest = dear - sum(plain[0].steps[number]["gas"]) - more if plain else 0
            row += [f"{dear:,}", f"+{more:,}", f"{rest:+,}"] if count else ["", "", ""]
        row += [f"{each.steps[number]['seconds']:.1f}" for each in tellings]
        lines.append(f"| {' | '.join(row)} |")
        place += count
    return "\n".join(lines)


def _dearer(data: bytes) -> int:
    """How much more gas calldata takes on Kaia than elsewhere."""
    zeros = data.count(0)
    return ON_KAIA * len(data) - ZERO * zeros - OTHER * (len(data) - zeros)


def write(text: str) -> None:
    """Puts the tables into the document, between its two marks."""
    document = DOCUMENT.read_text()
    begin, end = "<!-- tables: begin -->\n", "<!-- tables: end -->"
    before, _, rest = document.partition(begin)
    _, _, after = rest.partition(end)
    DOCUMENT.write_text(f"{before}{begin}\n{text}\n\n{end}{after}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Tell the demo's story on several engines and compare.")
    parser.add_argument("--engines", default=",".join(ENGINES), help="which, separated by commas")
    parser.add_argument("--bundle", type=Path, default=ROOT / "tests" / "fixtures" / "fhir" / "labelled.json")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/engines.md")
    parser.add_argument("--tell", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--tape", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--store", default="folder", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    try:
        if asked.tell:
            told = tell(asked.tell, tape=asked.tape, bundle=asked.bundle, store=asked.store)
            asked.out.write_text(json.dumps(asdict(told)))
            return 0
        tellings = told_by(asked.engines.split(","), bundle=asked.bundle)
    except EngineError as error:
        print(error, file=sys.stderr)
        return 6
    found = disagreements(tellings)
    text = tables(tellings)
    if asked.write and not found:
        write(text)
    print(text)
    for each in found:
        print(f"\n{each}")
    if not found:
        print(f"\nEqual on {', '.join(asked.engines.split(','))}: all transactions, events, files and lines.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

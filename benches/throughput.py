"""How many acts a second four validators of a Kaia network take through `ledger.sender`, beside their bare rate.

    python -m benches.throughput [--acts 2000] [--senders 1 4 16] [--write]

The network is founded for the run and runs on this machine, beside the senders. A grant is signed by its patient and
carried by a relayer; a record is anchored by a clinician; a pack is dispensed by a pharmacist with its proof; a claim
is submitted by a clinician with the patient's consent, decided and paid by the contract. The calls, with the patients'
signatures in them, are made before the clock starts. What is timed is all that the sender does with an act: simulate,
sign, keep on disk, send, and follow until its block is final.

The bare rate is what the same network does in the same run with transactions that only write one slot, signed before
the clock starts and given to the nodes in JSON-RPC batches of 200.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_TESTS = (ROOT, ROOT / "tests", ROOT / "tests" / "contracts")
sys.path[:0] = [str(path) for path in _TESTS if str(path) not in sys.path]

from counting_house import (  # noqa: E402
    LICENCES,
    NO_LIMIT,
    NUMBERS,
    PHYSIO,
    House,
    digest,
)
from eth_account.signers.local import LocalAccount  # noqa: E402
from eth_utils import keccak  # noqa: E402
from pack_tree import Tree, pack  # noqa: E402
from real_anvil import BOARD, CHAIN_ID, Chain, Contracts, encoded, person  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from web3 import HTTPProvider, Web3  # noqa: E402

from engines.kaia.network import KaiaNetwork  # noqa: E402
from theriac.consortium import Join, Role  # noqa: E402
from theriac.cover.messages import Line  # noqa: E402
from theriac.health.messages import Freshness, Grant, Publish  # noqa: E402
from theriac.health.scope import Category, KeyClass, Level, Purpose, mask_of  # noqa: E402
from theriac.ledger.contracts import Call  # noqa: E402
from theriac.ledger.sender import Intent, Sender  # noqa: E402
from theriac.ledger.signer import KeySigner  # noqa: E402

DAY = 24 * 3600
BATCH = 200
PATIENTS = 20
PROOF_GROUP = 100
OPEN = 1024
"""So many acts are open at once, of all senders together."""

# A contract that sets the slot that its calldata names, and the code that makes it.
ONE_SLOT = bytes.fromhex("666001600035550060005260076019f3")
WRITE = "one slot, bare"
ALONE = "grant by signature, one at a time"


@dataclass(frozen=True)
class Run:
    """So many acts by so many accounts in so many seconds; `waits` are those of each act until it was final.

    `validators` and `client` are the processor seconds of the four nodes together and of whoever sends.
    """

    act: str
    senders: int
    acts: int
    seconds: float
    validators: float
    client: float
    waits: Sequence[float] = ()

    @property
    def rate(self) -> float:
        return self.acts / self.seconds

    def percentile(self, hundredth: int) -> float | None:
        return statistics.quantiles(self.waits, n=100)[hundredth - 1] if len(self.waits) > 1 else None


class Hall(House):
    """The counting house of the contracts' tests on a Kaia network, with the nodes that each sender speaks to."""

    urls: Sequence[str]
    network: KaiaNetwork

    @classmethod
    @contextmanager
    def on(cls, network: KaiaNetwork) -> "Iterator[Hall]":
        chain = Chain(Web3(HTTPProvider(network.url)))
        contracts = Contracts.deploy(chain)
        hall = cls(chain, contracts, chain.deploy("Coin", 6))
        hall.others["Coin"] = hall.coin
        hall.network = network
        hall.urls = [node.url for node in network.nodes]
        expiry = hall.midnight(2000)
        for name, roles in LICENCES.items():
            chain.send(BOARD, contracts.consortium.functions.admit(person(name).address, int(roles), 1, expiry))
        chain.send(BOARD, contracts.consortium.functions.renewKey(digest("consortium key")))
        hall.join("insurer", ["adjuster"], Role.INSURER)
        yield hall

    def midnight(self, days: int) -> int:
        return (self.chain.now() // DAY + days) * DAY

    @property
    def soon(self) -> int:
        return self.chain.now() + 3000

    def join(self, member: str, names: Sequence[str], role: Role) -> None:
        """Has a member take on people in one transaction."""
        joins = [Join(person(name).address, NUMBERS[member], role, 0, self.soon) for name in names]
        signatures = [self.signature(join, name) for join, name in zip(joins, names, strict=True)]
        self.send(member, "Consortium", "joinMany", [join.terms() for join in joins], signatures)

    def call(self, contract: str, function: str, *arguments: Any) -> Call:
        made = self.contract(contract).functions[function](*arguments)
        return Call(to=made.address, data=encoded(made))

    def run(self, calls: Sequence[Call], by: str = "relayer") -> None:
        """Sends what a measurement needs before it."""
        with Sender(self.chain.web3, KeySigner(person(by)), outbox=None, limit=OPEN, zero_fee=True) as sender:
            for outcome in sender.send_all(Intent(call) for call in calls):
                if outcome.error is not None:
                    raise outcome.error


# -- the acts: for each account that sends, the calls that it makes ----------------------------------------------------

Acts = dict[str, list[Call]]


def shared(names: Sequence[str], count: int) -> Iterator[tuple[str, int]]:
    """Which account makes which act."""
    return ((names[number % len(names)], number) for number in range(count))


def collected(pairs: Iterator[tuple[str, Call]]) -> Acts:
    acts: Acts = {}
    for name, call in pairs:
        acts.setdefault(name, []).append(call)
    return acts


def grants(hall: Hall, mark: str, senders: int, count: int) -> Acts:
    """Each by another patient to one doctor, signed; relayers carry them."""
    terms = mask_of(KeyClass(each, Level.N) for each in (Category.ALLERGIES, Category.LABORATORY))
    purpose, until, soon = Purpose.parse("TREAT"), hall.midnight(30), hall.soon

    def carried(number: int) -> Call:
        patient = f"patient {mark} {number}"
        grant = Grant(hall.address(patient), hall.address("doctor"), purpose, terms, 0, until, Freshness(0, 0, soon), 0)
        return hall.call("Grants", grant.FUNCTION, *grant.arguments(hall.signature(grant, patient)))

    relayers = [f"relayer {mark} {number}" for number in range(senders)]
    return collected((name, carried(number)) for name, number in shared(relayers, count))


def records(hall: Hall, mark: str, senders: int, count: int) -> Acts:
    """Anchored one by one under a patient's pseudonym, against the version of her bundle."""
    patient, names = f"patient {mark}", [f"doctor {mark} {number}" for number in range(senders)]
    hall.join("hospital", names, Role.CLINICIAN)
    first = Publish(hall.address(patient), 1, digest("a bundle"), 0, hall.soon)
    hall.run([hall.call("Keys", first.FUNCTION, *first.arguments(hall.signature(first, patient)))])
    before = hall.midnight(1)

    def anchored(number: int) -> Call:
        return hall.call("Records", "anchorMany", hall.address(patient), [digest(f"{mark} {number}")], 1, before)

    return collected((name, anchored(number)) for name, number in shared(names, count))


def dispenses(hall: Hall, mark: str, senders: int, count: int) -> Acts:
    """Packs of one batch that the pharmacy holds, each with its proof."""
    names = [f"pharmacist {mark} {number}" for number in range(senders)]
    hall.join("pharmacy", names, Role.PHARMACIST)
    tree = Tree({index: pack(f"{mark} {index}") for index in range(count)})
    batch = keccak(NUMBERS["maker"].to_bytes(32, "big") + tree.root)
    facts = [digest(name) for name in ("product", f"lot {mark}", "tag")]
    key = hall.ask("Consortium", "keyNumber")
    hall.send("maker", "Batches", "commission", (tree.root, *facts, key, digest("manifest"), hall.midnight(900), 12, 8))
    hall.send("maker", "Batches", "offer", batch, 1, NUMBERS["pharmacy"], hall.midnight(2), digest("sheet"))
    hall.send(names[0], "Batches", "accept", batch, 1, [])

    def given(index: int) -> Call:
        return hall.call("Batches", "dispense", batch, index, pack(f"{mark} {index}"), tree.siblings(index))

    return collected((name, given(number)) for name, number in shared(names, count))


def claims(hall: Hall, mark: str, senders: int, count: int) -> Acts:
    """Of one line each, for an encounter that is on the chain, with the patient's consent; paid by the plan at once."""
    names = [f"physician {mark} {number}" for number in range(senders)]
    hall.join("hospital", names, Role.CLINICIAN)
    plan = hall.plan(document=digest(f"plan {mark}"), limits=(NO_LIMIT,) * 7)
    hall.publish(plan)
    hall.fund(plan.id, 10_000 * count)
    patients = [f"insured {mark} {number}" for number in range(PATIENTS)]
    enrolments = [hall.enrolment(plan.id, who) for who in patients]
    hall.run(
        [
            hall.call(
                "Policies",
                terms.FUNCTION,
                *terms.arguments(hall.signature(terms, "adjuster"), hall.signature(terms, who)),
            )
            for terms, who in zip(enrolments, patients, strict=True)
        ]
    )
    for number, who in enumerate(patients):
        seen = [digest(f"{mark} {visit}") for visit in range(number, count, PATIENTS)]
        parts = [seen[at : at + PROOF_GROUP] for at in range(0, len(seen), PROOF_GROUP)]
        hall.run([hall.call("Records", "anchorInbox", hall.address(who), part) for part in parts], by=names[0])

    def submitted(number: int) -> Call:
        who = patients[number % PATIENTS]
        claim = hall.claim(plan.id, digest(f"{mark} {number}"), Line(PHYSIO.service, 1100, 1, 3_000), who=who)
        return hall.call("Claims", "submit", *hall.submission(claim, who=who))

    return collected((name, submitted(number)) for name, number in shared(names, count))


ACTS: dict[str, Callable[[Hall, str, int, int], Acts]] = {
    "grant by signature": grants,
    "anchored record": records,
    "dispense": dispenses,
    "claim": claims,
}


class Meter:
    """Seconds by the clock and by the processors since it was made: a busy machine changes the one, not the others."""

    def __init__(self, hall: Hall) -> None:
        self._nodes = [node.daemon.pid for node in hall.network.nodes]
        self._begun = (time.perf_counter(), self._used(), time.process_time())

    def _used(self) -> float:
        """What the validators have used, in seconds."""
        stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self._nodes]
        return sum(int(fields[11]) + int(fields[12]) for fields in stats) / os.sysconf("SC_CLK_TCK")

    def read(self) -> tuple[float, float, float]:
        """Seconds, the validators' processor seconds, this process's."""
        now = (time.perf_counter(), self._used(), time.process_time())
        seconds, validators, client = (end - begun for end, begun in zip(now, self._begun, strict=True))
        return seconds, validators, client


# -- measuring -------------------------------------------------------------------------------------------------------


def through_senders(hall: Hall, act: str, acts: Acts, folder: Path) -> Run:
    """All accounts side by side, each with its own outbox on disk, at the nodes in turn."""
    waits: list[float] = []
    lock = threading.Lock()
    ready = threading.Barrier(len(acts) + 1)

    def work(place: int, name: str) -> None:
        web3 = Web3(HTTPProvider(hall.urls[place % len(hall.urls)]))
        signer, outbox = KeySigner(person(name)), folder / f"{person(name).address}.sqlite"
        taken: dict[str, float] = {}

        def intents() -> Iterator[Intent]:
            for number, call in enumerate(acts[name]):
                taken[f"act {number}"] = time.perf_counter()
                yield Intent(call, f"act {number}")

        with Sender(web3, signer, outbox=outbox, limit=OPEN // len(acts), timeout=timedelta(minutes=5)) as sender:
            try:
                # The first question finds out what network it is.
                sender.simulate(acts[name][0])
            except BaseException:
                ready.abort()
                raise
            ready.wait()
            for outcome in sender.send_all(intents()):
                if outcome.receipt is None:
                    raise outcome.error or RuntimeError("an act without a receipt")
                with lock:
                    waits.append(time.perf_counter() - taken.pop(outcome.intent))

    with ThreadPoolExecutor(len(acts)) as threads:
        working = [threads.submit(work, place, name) for place, name in enumerate(acts)]
        with suppress(threading.BrokenBarrierError):
            ready.wait()
        meter = Meter(hall)
        for each in working:
            each.result()
        measured = meter.read()
    return Run(act, len(acts), sum(map(len, acts.values())), *measured, waits)


def bare(hall: Hall, mark: str, senders: int, count: int) -> Run:
    """One-slot writes, signed beforehand, in batches, followed by their accounts' nonces."""
    made = hall.chain.transact(person("maker of the slot"), {"data": "0x" + ONE_SLOT.hex()})
    signed: dict[str, list[str]] = {}
    for name, number in shared([f"writer {mark} {number}" for number in range(senders)], count):
        mine = signed.setdefault(name, [])
        mine.append(_written(person(name), made["contractAddress"], keccak(text=f"{mark} {number}"), len(mine)))

    def work(place: int, name: str) -> None:
        url = hall.urls[place % len(hall.urls)]
        for at in range(0, len(signed[name]), BATCH):
            part = signed[name][at : at + BATCH]
            told = _post(url, [_asked(number, "eth_sendRawTransaction", raw) for number, raw in enumerate(part)])
            refused = [each["error"] for each in told if "error" in each]
            if refused:
                raise RuntimeError(f"the node refused {len(refused)} of {len(part)}: {refused[0]}")
        while int(_post(url, _asked(1, "eth_getTransactionCount", person(name).address, "latest"))["result"], 16) < len(
            signed[name]
        ):
            time.sleep(0.05)

    with ThreadPoolExecutor(senders) as threads:
        meter = Meter(hall)
        for each in [threads.submit(work, place, name) for place, name in enumerate(signed)]:
            each.result()
        return Run(WRITE, senders, count, *meter.read())


def _written(account: LocalAccount, contract: str, slot: bytes, nonce: int) -> str:
    transaction = {
        "to": contract,
        "data": "0x" + slot.hex(),
        "nonce": nonce,
        "gas": 100_000,
        "gasPrice": 0,
        "value": 0,
        "chainId": CHAIN_ID,
    }
    return "0x" + bytes(account.sign_transaction(transaction).raw_transaction).hex()


def _asked(number: int, method: str, *parameters: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(parameters)}


def _post(url: str, asked: Any) -> Any:
    request = urllib.request.Request(url, json.dumps(asked).encode(), headers={"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
        return json.load(answer)


def alone(hall: Hall, folder: Path) -> Run:
    """Grants one after another: what somebody waits who sends one."""
    ((name, calls),) = grants(hall, "alone", 1, 20).items()
    waits = []
    meter = Meter(hall)
    with Sender(hall.chain.web3, KeySigner(person(name)), outbox=folder / "alone.sqlite") as sender:
        for call in calls:
            begun = time.perf_counter()
            sender.send(call)
            waits.append(time.perf_counter() - begun)
    return Run(ALONE, 1, len(calls), *meter.read(), waits)


def measure(folder: Path, *, acts: int, senders: Sequence[int], wanted: Sequence[str], told: Console) -> list[Run]:
    runs: list[Run] = []
    with KaiaNetwork(folder / "network", chain_id=CHAIN_ID) as network, Hall.on(network) as hall:
        runs.append(alone(hall, folder))
        for number in senders:
            runs.append(bare(hall, f"bare {number}", number, 2 * acts))
            told.print(_line(runs[-1]))
            for act in wanted:
                calls = ACTS[act](hall, f"{act} {number}", number, acts)
                outboxes = folder / f"outboxes {act} {number}"
                runs.append(through_senders(hall, act, calls, outboxes))
                told.print(_line(runs[-1]))
    return runs


def _line(run: Run) -> str:
    return f"{run.act}, {run.senders} senders: {run.rate:.0f} a second"


def rows(runs: Sequence[Run]) -> Iterator[tuple[str, ...]]:
    bares = {run.senders: run for run in runs if run.act == WRITE}
    for run in runs:
        bare_run = bares[run.senders]
        compared = run.act not in (WRITE, ALONE)
        used = (run.validators + run.client) / run.acts
        bare_used = (bare_run.validators + bare_run.client) / bare_run.acts
        seconds = [run.percentile(hundredth) for hundredth in (50, 95)]
        yield (
            run.act,
            str(run.senders),
            f"{run.acts:,}",
            f"{run.rate:.0f}" if run.rate >= 10 else f"{run.rate:.1f}",
            f"{run.rate / bare_run.rate:.2f}" if compared else "",
            f"{1e3 * run.validators / run.acts:.1f}",
            f"{1e3 * run.client / run.acts:.1f}",
            f"{bare_used / used:.2f}" if compared else "",
            *("" if each is None else f"{each:.1f}" for each in seconds),
        )


HEADINGS = (
    "act",
    "senders",
    "acts",
    "acts a second",
    "of the bare rate",
    "validators' processors, ms an act",
    "the sender's, ms",
    "ratio by processor time",
    "final after, p50 (s)",
    "p95 (s)",
)
PAGE = ROOT / "docs" / "throughput.md"
_BEGIN, _END = "<!-- measured -->\n", "<!-- /measured -->\n"


def write(runs: Sequence[Run]) -> None:
    """Puts the figures into the page."""
    text = PAGE.read_text()
    before, rest = text.split(_BEGIN)
    table = ["| " + " | ".join(HEADINGS) + " |", "|---|" + "---:|" * (len(HEADINGS) - 1)]
    table += ["| " + " | ".join(row) + " |" for row in rows(runs)]
    PAGE.write_text(before + _BEGIN + "\n" + "\n".join(table) + "\n\n" + _END + rest.split(_END)[1])


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="Acts a second on four validators, beside their bare rate.")
    parser.add_argument("--acts", type=int, default=2000, help="of each kind in each run; 2000 unless said")
    parser.add_argument("--senders", type=int, nargs="+", default=[1, 4, 16], help="how many accounts send")
    parser.add_argument("--only", choices=list(ACTS), action="append", help="measure only this kind of act")
    parser.add_argument("--folder", type=Path, default=None, help="where the network and the outboxes are meanwhile")
    parser.add_argument("--write", action="store_true", help=f"write the figures into {PAGE.relative_to(ROOT)}")
    asked = parser.parse_args()

    console = Console()
    folder = Path(tempfile.mkdtemp(prefix="theriac-throughput-", dir=asked.folder))
    try:
        wanted = asked.only or list(ACTS)
        runs = measure(folder, acts=asked.acts, senders=asked.senders, wanted=wanted, told=console)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    table = Table(*HEADINGS)
    for row in rows(runs):
        table.add_row(*row)
    console.print(table)
    if asked.write:
        write(runs)


if __name__ == "__main__":
    main()

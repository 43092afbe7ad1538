"""How long a maker waits for a batch, from a CSV file to a confirmed transaction, and in how much memory."""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benches.figures import Figure, Run, Section
from benches.timing import Effort, memory_folder, peak_memory

ROOT = Path(__file__).resolve().parent.parent
ANVIL = ROOT / "node_modules" / ".bin" / "anvil"
SIZES = (16, 20)
PER_CASE, PER_PALLET = 64, 64
HASHES_A_PACK = 3
MAKER = "TEST::1"

PROSE = """
How long a maker waits for a batch, from a CSV file to a confirmed transaction on an anvil of this run, through the
maker's own command: serials read and checked, placed in cases and on pallets, salted, hashed into a tree, kept, and
the root sent. Each batch is made in a process of its own, so that its peak memory is its own. Beside it stand as many
bare keccak-256 as the tree has, in the same process: a commitment, a leaf and a node a pack.
"""


@dataclass(frozen=True)
class Commissioned:
    """One run: 2^bits packs; seconds and mebibytes, `at_rest` before it began."""

    bits: int
    seconds: float
    keccak: float
    at_rest: float
    peak: float
    gas: int


def write_packs(path: Path, count: int) -> None:
    """A list of packs with serials that nobody can guess, in full cases on full pallets."""
    with path.open("w") as file:
        file.write("gtin,lot,expiry,serial,case,pallet\n")
        for number in range(count):
            case = number // PER_CASE
            serial = f"{secrets.token_hex(6).upper()}{number:07d}"
            file.write(f"04150123456782,L{count},2040-06-30,{serial},C{case},P{case // PER_PALLET}\n")


@contextmanager
def chain() -> Iterator[str]:
    """Where an anvil of its own listens."""
    process = subprocess.Popen(
        [str(ANVIL), "--port", "0", "--chain-id", "8437422", "--hardfork", "cancun", "--prune-history", "256"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"Listening on (\S+)", line):
                yield f"http://{found[1]}"
                return
        raise RuntimeError("anvil did not start: run 'make setup' and try again.")
    finally:
        process.kill()
        process.wait()


def found_maker(settings: Mapping[str, str]) -> None:
    """A consortium whose only member is a maker that has its key."""
    for words in (
        ("deploy", "--account", "TEST::0"),
        ("board", "admit", MAKER, "--roles", "maker", "--until", "2045-01-01"),
        ("maker", "setup", "--account", MAKER, "--name", "Bench"),
        ("board", "renew-key"),
    ):
        ape = str(Path(sys.executable).parent / "ape")
        subprocess.run([ape, "run", *words], check=True, cwd=ROOT, env=settings, stdout=subprocess.DEVNULL)


def measured(bits: int, folder: Path, settings: Mapping[str, str]) -> Commissioned:
    """One size, in a process of its own."""
    path = folder / f"packs-{bits}.csv"
    write_packs(path, 1 << bits)
    command = [sys.executable, "-m", "benches.commissioning", str(bits), str(path)]
    done = subprocess.run(command, check=True, cwd=ROOT, env=settings, stdout=subprocess.PIPE, text=True)
    return Commissioned(**json.loads(done.stdout.splitlines()[-1]))


def commission(bits: int, path: str) -> Commissioned:
    """In this process: the maker's command, and keccak alone."""
    from click.testing import CliRunner

    from scripts.maker import cli
    from theriac.medicine.tree import keccak

    # What Ape itself loads is no part of it.
    said = CliRunner(mix_stderr=False).invoke(cli, ["list", "--json"])
    assert said.exit_code == 0, said.stderr
    at_rest = peak_memory()

    begun = time.perf_counter()
    said = CliRunner(mix_stderr=False).invoke(cli, ["commission", path, "--json"])
    seconds = time.perf_counter() - begun
    assert said.exit_code == 0, said.stderr
    [batch] = json.loads(said.stdout)["batches"]
    assert batch["packs"] == 1 << bits
    peak = peak_memory()

    word = bytes(64)
    begun = time.perf_counter()
    for _ in range(HASHES_A_PACK << bits):
        keccak(word)
    return Commissioned(bits, seconds, time.perf_counter() - begun, at_rest, peak, _gas(batch["batch"]))


def _gas(batch: str) -> int:
    """What the transaction cost that commissioned a batch."""
    from web3 import HTTPProvider, Web3

    web3 = Web3(HTTPProvider(os.environ["THERIAC_NETWORK"].partition(":dev:")[2]))
    [log] = web3.eth.get_logs({"fromBlock": 0, "topics": [None, "0x" + batch]})
    return int(web3.eth.get_transaction_receipt(log["transactionHash"])["gasUsed"])


def measure(effort: Effort) -> Section:
    if not ANVIL.exists() or shutil.which("node") is None:
        skipped = ("commissioning: run `make setup`, which installs anvil from npm.",)
        return Section("commissioning", "Commissioning", PROSE, (), skipped=skipped)
    if effort.small:
        return Section("commissioning", "Commissioning", PROSE, (), skipped=("commissioning: it takes a minute.",))
    figures: list[Figure] = []
    with TemporaryDirectory(prefix="theriac-bench-", dir=memory_folder(1 << 30)) as name, chain() as url:
        folder = Path(name)
        settings = {
            **os.environ,
            "THERIAC_HOME": str(folder / "home"),
            "THERIAC_NETWORK": f"ethereum:dev:{url}",
            "THERIAC_PASSPHRASE": "only for the bench",
        }
        found_maker(settings)
        for bits in SIZES:
            made = [measured(bits, folder, settings) for _ in range(min(effort.runs, 5) if bits < 20 else 1)]
            what = f"2^{bits} packs from a file to a confirmed transaction"
            keccaks, imported = f"keccak-256 alone, {HASHES_A_PACK} a pack", "of the same before it"
            figures += [
                Figure(
                    f"commissioning/{bits}", what, "s", keccaks, tuple(Run(each.seconds, each.keccak) for each in made)
                ),
                Figure(
                    *(f"commissioning/{bits}/memory", f"peak memory of 2^{bits}", "MiB", imported),
                    tuple(Run(each.peak, each.at_rest) for each in made),
                ),
            ]
            assert len({each.gas // 1000 for each in made}) == 1
    return Section("commissioning", "Commissioning", PROSE, tuple(figures))


if __name__ == "__main__":
    print(json.dumps(commission(int(sys.argv[1]), sys.argv[2]).__dict__))

"""Proves the properties in proof/symbolic with halmos, for every input there is: `python -m tools.prove`.

A proof is a function `check_...` that says under which assumptions what holds. halmos runs the compiled contracts with
symbols for values, and a solver looks for values that break an assertion on any path. Found none on all paths: proven.
Everything else is a failure and told by name: values that break it, a solver that ran out of time or said nothing, a
path that halmos could not follow, a loop that was cut off, a check whose assumptions nothing meets.

`--quick` leaves out the contracts that take minutes, `--only WORDS` runs the checks whose names contain one of them,
`--write` writes what comes of them into docs/proofs.md, and `--planted` puts each fault of proof/symbolic/planted.toml
into a copy of the contracts and demands that the checks it names find values that break them.

Exit codes: 0 all is proven (or every fault found), 1 something is not, 2 the provers are not installed or cannot build.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.check_properties import MARK, SLASHES
from tools.foundry import program

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path("proof") / "symbolic"
FAULTS = FOLDER / "planted.toml"
PAGE = Path("docs") / "proofs.md"
BUILT = Path(".build") / "halmos"
HALMOS = Path(".venv-proof") / "bin" / "halmos"

# What halmos may take for what it runs in one go, and a solver to answer one question of it.
RUN_SECONDS = 1800
QUESTION_SECONDS = 600
# What it may take to see that a branch cannot be taken. One of which it does not is followed, which only costs time.
BRANCHING = "200ms"
# More than any loop of the proofs needs. A loop that is cut off all the same makes its check a failure.
LOOPS = 70

PROVEN = "proven"
RESULTS = {
    0: PROVEN,
    1: "broken",
    2: "out of time",
    3: "not followed to its end",
    4: "met by nothing",
    5: "the solver failed",
}
"""What halmos says of a check, in the order of its exit codes."""

NOT_RUN = "not run"
CUT_OFF = "cut off in a loop"

CONTRACT = re.compile(r"^contract (\w+)", re.MULTILINE)
CHECK = re.compile(r"^\s*function (check_\w+)\(")
BOUND = re.compile(r"^\s*///? @dev Bound: (.+)$")
SLOW = re.compile(r"^/// @custom:takes minutes$", re.MULTILINE)


@dataclass(frozen=True)
class Check:
    """A proof as its source says it: what it is about, and to what inputs it keeps, if not to all."""

    file: str
    contract: str
    name: str
    properties: tuple[str, ...]
    bound: str
    slow: bool


@dataclass(frozen=True)
class Outcome:
    """What came of a check. `values` are those that break it."""

    result: str
    paths: int = 0
    seconds: float = 0.0
    values: str = ""


@dataclass(frozen=True)
class Fault:
    """A change of one place in a file, and the checks that have to find it."""

    file: str
    old: str
    new: str
    checks: tuple[str, ...]


class CannotProve(Exception):
    """The provers are missing, or what they read cannot be built."""


# -- what there is to prove --------------------------------------------------------------------------------------------


def checks(root: Path) -> Iterator[Check]:
    """The proofs under a root, by file and place."""
    for path in sorted((root / FOLDER).glob("*.t.sol")):
        yield from checks_of(path.read_text(encoding="utf-8"), path.name)


def checks_of(text: str, file: str) -> Iterator[Check]:
    """The proofs in a file: each has its numbers, and its bound, in the comments right above it."""
    [contract] = CONTRACT.findall(text)
    numbers: list[str] = []
    bound: list[str] = []
    for line in text.splitlines():
        if match := CHECK.match(line):
            yield Check(file, contract, match[1], tuple(numbers), " ".join(bound), bool(SLOW.search(text)))
        elif line.strip().startswith("//"):
            if (words := SLASHES.search(line)) and (mark := MARK.match(words[1].strip())):
                numbers += (mark[1] or mark[2]).split(", ")
            if match := BOUND.match(line):
                bound.append(match[1])
            continue
        numbers, bound = [], []


def faults(root: Path) -> list[Fault]:
    """The faults that are planted under a root."""
    told = tomllib.loads((root / FAULTS).read_text(encoding="utf-8"))
    return [Fault(each["file"], each["old"], each["new"], tuple(each["checks"])) for each in told["fault"]]


# -- running halmos ----------------------------------------------------------------------------------------------------


def prove(root: Path, wanted: Sequence[Check], *, early: bool = False) -> Iterator[tuple[Check, Outcome]]:
    """Runs checks under a root and yields what comes of each; `early` ends one with the first values that break it."""
    build(root)
    for group in groups(wanted):
        yield from zip(group, _run(root, group, early=early), strict=True)


def groups(wanted: Sequence[Check]) -> Iterator[list[Check]]:
    """The checks that halmos runs in one go: those of a contract, but each by itself where they take minutes."""
    for contract in dict.fromkeys(each.contract for each in wanted):
        ours = [each for each in wanted if each.contract == contract]
        if ours[0].slow:
            yield from ([each] for each in ours)
        else:
            yield ours


def build(root: Path) -> None:
    """Compiles the proofs and what they are about. halmos asks for the same and finds it done."""
    command = ["forge", "build", "--ast", "--extra-output", "storageLayout", "metadata"]
    said = subprocess.run(command, cwd=root, env=_environment(), capture_output=True, text=True)
    if said.returncode:
        raise CannotProve(f"forge cannot build the proofs: {said.stderr.strip() or said.stdout.strip()}")


def _environment() -> dict[str, str]:
    paths = (program("forge").parent, ROOT / ".venv-proof" / "bin")
    path = os.pathsep.join([*map(str, paths), os.environ.get("PATH", "")])
    return os.environ | {"FOUNDRY_PROFILE": "symbolic", "PATH": path, "NO_COLOR": "1"}


def _run(root: Path, group: Sequence[Check], *, early: bool) -> list[Outcome]:
    report = root / BUILT / f"report-{os.getpid()}.json"
    names = "|".join(each.name for each in group)
    words = [
        *(str(ROOT / HALMOS), "--root", str(root), "--forge-build-out", str(BUILT / "out"), "--no-status"),
        *("--contract", group[0].contract, "--match-test", f"^({names})\\(", "--loop", str(LOOPS)),
        *("--solver-timeout-assertion", f"{QUESTION_SECONDS}s", "--solver-timeout-branching", BRANCHING),
        *("--json-output", str(report)),
        *(["--early-exit"] if early else []),
    ]
    began = time.monotonic()
    process = subprocess.Popen(
        words, cwd=root, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        process.communicate(timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        # Its solvers are processes of the same session.
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return [Outcome(RESULTS[2], seconds=time.monotonic() - began) for _ in group]
    told = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
    report.unlink(missing_ok=True)
    return [outcome_of(told, check) for check in group]


def outcome_of(report: Mapping[str, Any], check: Check) -> Outcome:
    """What halmos' report says of a check; that there is none is told too, for silence proves nothing."""
    for path, results in (report.get("test_results") or {}).items():
        for each in results:
            if not path.endswith(f":{check.contract}") or each["name"].partition("(")[0] != check.name:
                continue
            result = RESULTS.get(each["exitcode"], NOT_RUN)
            if result == PROVEN and each.get("num_bounded_loops") != 0:
                result = CUT_OFF
            paths, *_ = each.get("num_paths") or [0]
            seconds, *_ = each.get("time") or [0.0]
            values = "; ".join(str(model) for model in each.get("models") or [])
            return Outcome(result, paths, seconds, values)
    return Outcome(NOT_RUN)


# -- planted faults ----------------------------------------------------------------------------------------------------


def plant(root: Path, fault: Fault, wanted: Sequence[Check], copy: Path) -> None:
    """Puts a fault into a copy of what is under a root, in which all else is as it is there, but for other proofs."""
    files = {each.file for each in wanted}
    for folder in (Path("contracts"), FOLDER):
        for path in (root / folder).rglob("*"):
            name = path.relative_to(root)
            if path.name.endswith(".t.sol") and path.name not in files:
                (copy / name).unlink(missing_ok=True)
            elif path.suffix == ".sol" and ".cache" not in name.parts and name != Path(fault.file):
                _keep(copy / name, path.read_bytes())
    _keep(copy / "foundry.toml", (root / "foundry.toml").read_bytes())
    for link in ("node_modules", ".build/solcx"):
        (copy / link).parent.mkdir(parents=True, exist_ok=True)
        if not (copy / link).is_symlink():
            (copy / link).symlink_to((root / link).resolve())
    text = (root / fault.file).read_text(encoding="utf-8")
    _keep(copy / fault.file, planted(text, fault).encode())


def planted(text: str, fault: Fault) -> str:
    """A file's text with the fault in it. It must have one place in it, or nobody knows what was tried."""
    if text.count(fault.old) != 1:
        raise CannotProve(f"{fault.file} has {text.count(fault.old)} places for the fault {fault.old!r}; it needs one.")
    return text.replace(fault.old, fault.new)


def _keep(path: Path, content: bytes) -> None:
    """Writes a file unless it is so already: forge compiles anew what was written."""
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def find_faults(root: Path, wanted: Sequence[Check]) -> Iterator[tuple[Fault, Check, Outcome]]:
    """Plants the faults that the wanted checks have to find, one after the other, and yields what each comes to."""
    named = {each.name: each for each in wanted}
    with tempfile.TemporaryDirectory(dir=root / ".build", prefix="planted-") as folder:
        for fault in faults(root):
            ours = [named[name] for name in fault.checks if name in named]
            if ours:
                plant(root, fault, ours, Path(folder))
                for check, outcome in prove(Path(folder), ours, early=True):
                    yield fault, check, outcome


# -- telling -----------------------------------------------------------------------------------------------------------

_BEGIN, _END = "<!-- proven -->\n", "<!-- /proven -->\n"


ROW = re.compile(r"^\| [A-Z0-9, ]+ \| `(\w+\.\w+)` \| .*\|$", re.MULTILINE)


def row(check: Check, outcome: Outcome) -> str:
    """The row of a check in the table of docs/proofs.md."""
    words = f"`{check.contract}.{check.name}`"
    cells = (", ".join(check.properties), words, outcome.result, f"{outcome.paths:,}", f"{outcome.seconds:.1f}")
    return f"| {' | '.join(cells)} | {check.bound or 'all inputs'} |"


def page(text: str, every: Sequence[Check], outcomes: Sequence[tuple[Check, Outcome]]) -> str:
    """The page with these outcomes in its table. It keeps the rows of checks that were not run, and are there still."""
    before, rest = text.split(_BEGIN)
    told, after = rest.split(_END)
    rows = {match[1]: match[0] for match in ROW.finditer(told)}
    rows |= {f"{check.contract}.{check.name}": row(check, outcome) for check, outcome in outcomes}
    names = [f"{check.contract}.{check.name}" for check in every]
    head = ["| property | what was shown | result | paths | seconds | for |", "|---|---|---|---:|---:|---|"]
    return before + _BEGIN + "\n".join(["", *head, *(rows[each] for each in names if each in rows), "", _END]) + after


def chosen(every: Sequence[Check], *, quick: bool, only: Sequence[str]) -> list[Check]:
    """The checks that somebody asked for."""
    return [
        each
        for each in every
        if not (quick and each.slow) and (not only or any(word in f"{each.contract}.{each.name}" for word in only))
    ]


def _find(wanted: Sequence[Check]) -> int:
    missed = 0
    for fault, check, outcome in find_faults(ROOT, wanted):
        found = outcome.result == RESULTS[1]
        missed += not found
        told = "finds" if found else f"does not find ({outcome.result})"
        print(f"{check.contract}.{check.name} {told} {fault.new!r} in {fault.file}.", flush=True)
    print(f"{missed} planted faults were not found." if missed else "Every planted fault was found.")
    return 1 if missed else 0


def _prove(wanted: Sequence[Check], *, to_page: bool) -> int:
    outcomes = []
    for check, outcome in prove(ROOT, wanted):
        outcomes.append((check, outcome))
        print(
            f"{', '.join(check.properties)}: {check.contract}.{check.name}: {outcome.result}"
            f" ({outcome.paths:,} paths, {outcome.seconds:.1f} s{f'; {check.bound}' if check.bound else ''})",
            flush=True,
        )
        if outcome.values:
            print(f"    {outcome.values}", flush=True)
    failed = [each for each, outcome in outcomes if outcome.result != PROVEN]
    if to_page:
        text = (ROOT / PAGE).read_text(encoding="utf-8")
        (ROOT / PAGE).write_text(page(text, list(checks(ROOT)), outcomes), encoding="utf-8")
    seconds = sum(outcome.seconds for _, outcome in outcomes)
    print(f"{len(outcomes) - len(failed)} of {len(outcomes)} checks are proven, in {seconds:.0f} seconds.")
    return 1 if failed else 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="prove", description="Proves the properties in proof/symbolic with halmos.")
    parser.add_argument("--quick", action="store_true", help="leave out the contracts that take minutes")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="WORD", help="the checks with one of these in their name"
    )
    parser.add_argument("--write", action="store_true", help=f"write what comes of them into {PAGE}")
    parser.add_argument("--planted", action="store_true", help="plant the faults that the checks have to find")
    asked = parser.parse_args()

    wanted = chosen(list(checks(ROOT)), quick=asked.quick, only=asked.only)
    if not wanted:
        sys.exit("No check is named so: `--only` takes a part of a name in proof/symbolic.")
    if asked.write and asked.planted:
        parser.error("--write is for what is proven, --planted for what has to be found")
    try:
        if not (ROOT / HALMOS).exists():
            raise CannotProve("halmos is not installed: run 'make provers'.")
        sys.exit(_find(wanted) if asked.planted else _prove(wanted, to_page=asked.write))
    except CannotProve as reason:
        print(reason, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()

"""Puts small faults into the contracts and sees whether a test fails: `python -m tools.mutate_contracts`.

A fault that no test notices is a hole in the tests. `tools/mutants.py` says which faults there are; of them a sample is
drawn by a seed, in proportion from each contract, and in an order in which every beginning is a sample, too. Each is
compiled by itself. One whose code is the same is no fault and counts for nothing, nor does one that does not compile.
The others meet the tests that reach them, the quick and near ones first, until one fails (`tests/mutant_runner.py`).

What was measured is kept in .build/mutants: it goes on where it was stopped. `--write` writes docs/mutation.md from it
and from proof/mutants.json, where a person has said of each survivor why it survives.
"""

import argparse
import json
import math
import os
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from tools import contracts
from tools.contracts import ROOT
from tools.mutants import Mutant, Sources, mutants, read_sources
from tools.options import positive

FOLDER = Path(".build") / "mutants"
SURVIVORS = Path("proof") / "mutants.json"
PAGE = Path("docs") / "mutation.md"
TESTS = ("tests/contracts", "tests/cover/test_rules_differential.py")

SEED = 20
SAMPLE = 400
BUDGET, WHOLE = 20.0, 200.0
"""Seconds of work that the tests of one fault may take at first, and where it is tried again, as they were measured
without it."""

WIDE = frozenset(
    f"tests/contracts/{name}.py"
    for name in (
        *("grants/test_grants_model", "test_authorisation", "test_core_lives", "test_cover_faults", "test_signatures"),
        *("test_signatures_delegated", "test_signatures_vectors", "test_signatures_wallets"),
    )
)
"""Files that found much, and are about every contract: they come last."""

MOST_CONTRACTS = 4
"""A fault in a library that many contracts share is put into so many of them."""

METADATA = re.compile(r"a2646970667358221220[0-9a-f]{64}64736f6c6343[0-9a-f]{6}0033")


class Unusable(Exception):
    """What keeps the faults from being tried, in a sentence."""


@dataclass(frozen=True)
class Code:
    """A contract's code, and where in it the values of its immutables lie, in the order of their declaration."""

    creation: str
    runtime: str
    places: list[list[tuple[int, int]]] = field(default_factory=list)

    @property
    def plain(self) -> tuple[str, str]:
        """The code without the digest of the source."""
        return METADATA.sub("", self.creation), METADATA.sub("", self.runtime)


class Compiler:
    """npm's compiler, loaded once."""

    def __init__(self, sources: Sources, root: Path = ROOT) -> None:
        if not (root / "node_modules" / "solc").exists():
            raise Unusable("npm's Solidity compiler is not installed: run 'make setup'.")
        self._sources = sources
        self._settings = contracts.standard_input()["settings"]
        command = ["node", str(root / "tools" / "solc-server"), str(root)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def codes(self, names: Iterable[str], changed: Mapping[str, str]) -> dict[str, Code] | None:
        """The code of some contracts where some sources are changed; None where it does not compile."""
        own = self._sources.deployed()
        paths = {name: own[name] for name in names}
        texts = {path: self._sources.texts[path] for path in paths.values()} | dict(changed)
        outputs = ["evm.bytecode.object", "evm.deployedBytecode.object", "evm.deployedBytecode.immutableReferences"]
        asked = {
            "language": "Solidity",
            "sources": {path: {"content": text} for path, text in texts.items()},
            "settings": self._settings | {"outputSelection": {path: {n: outputs} for n, path in paths.items()}},
        }
        answer = self._ask(asked)
        if any(each["severity"] == "error" for each in answer.get("errors", [])):
            return None

        return {name: _code(answer["contracts"][path][name]["evm"]) for name, path in paths.items()}

    def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def _code(evm: dict[str, Any]) -> Code:
    references = evm["deployedBytecode"].get("immutableReferences", {})
    places = [
        [(place["start"], place["length"]) for place in references[number]] for number in sorted(references, key=int)
    ]
    return Code(evm["bytecode"]["object"], evm["deployedBytecode"]["object"], places)


@dataclass(frozen=True)
class Measured:
    """A test as it was measured without a fault: how long it works, what it calls, and which errors it names."""

    name: str
    work: float
    calls: frozenset[str]
    words: frozenset[str]

    @property
    def file(self) -> str:
        return self.name.partition("::")[0]


def read_tests(path: Path) -> list[Measured]:
    """What `tests/mutant_recorder.py` wrote down."""
    lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return [Measured(each["test"], each["work"], frozenset(each["calls"]), frozenset(each["words"])) for each in lines]


def choose_tests(
    mutant: Mutant, names: Sequence[str], reached_by: Mapping[str, int], tests: Iterable[Measured], budget: float
) -> list[Measured]:
    """The tests that call what leads to the fault, the quick and near ones first, as many as the budget allows."""
    folders = tuple(f"tests/contracts/{name.lower()}/" for name in names)

    def rank(test: Measured) -> float:
        near = min(reached_by[each] for each in test.calls & reached_by.keys())
        return (test.work + 0.01) * (1 + near) / (2 if test.name.startswith(folders) else 1)

    def tier(test: Measured) -> int:
        if test.file in WIDE:
            return 2
        return 0 if test.words & set(mutant.words) else 1

    reaching = [test for test in tests if test.calls & reached_by.keys()]
    # A file's tests stay together: what it founds is founded once.
    of_file: dict[tuple[int, str], float] = {}
    for test in reaching:
        place = (tier(test), test.file)
        of_file[place] = min(rank(test), of_file.get(place, math.inf))
    chosen, work = [], 0.0
    for test in sorted(reaching, key=lambda test: (tier(test), of_file[tier(test), test.file], test.file, rank(test))):
        work += test.work
        if work <= budget:
            chosen.append(test)
    return chosen


def stratum(path: str) -> str:
    """What a source is counted with: a contract by itself, libraries and types together."""
    folder = path.split("/")[1]
    return folder if folder in ("libraries", "types") else Path(path).stem


def sample(found: Sequence[Mutant], size: int, seed: int) -> list[Mutant]:
    """So many of them, each part in proportion, in an order in which every beginning is such a sample, too."""
    chance = random.Random(seed)
    parts: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in found:
        parts[stratum(mutant.path)].append(mutant)
    placed = []
    for _, part in sorted(parts.items()):
        chance.shuffle(part)
        # Each part is spread evenly over the whole, from a place of its own by chance.
        first = chance.random()
        placed += [((number + first) / len(part), mutant) for number, mutant in enumerate(part)]
    return [mutant for _, mutant in sorted(placed, key=lambda each: each[0])[:size]]


def interval(killed: int, counted: int) -> tuple[float, float]:
    """The share's 95 % interval, after Wilson."""
    if counted == 0:
        return 0.0, 1.0
    z, share = 1.96, killed / counted
    middle = (share + z * z / (2 * counted)) / (1 + z * z / counted)
    half = z * math.sqrt(share * (1 - share) / counted + z * z / (4 * counted**2)) / (1 + z * z / counted)
    return middle - half, middle + half


class Runner:
    """A process of pytest that has all worlds founded, and tries one fault after the other in a child."""

    def __init__(self, tests: Sequence[str] = TESTS, *, ignored: Iterable[str] = (), root: Path = ROOT) -> None:
        jobs, self._jobs = os.pipe()
        self._results, results = os.pipe()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        environment = os.environ | {"THERIAC_MUTANT_JOBS": str(jobs), "THERIAC_MUTANT_RESULTS": str(results)}
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "mutant_runner", *tests),
                *(f"--ignore={path}" for path in sorted(ignored)),
            ],
            cwd=root,
            env=environment | {"PYTHONPATH": str(root)},
            pass_fds=(jobs, results),
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        os.close(jobs)
        os.close(results)
        self._answers: IO[str] = os.fdopen(self._results)
        self._told()

    def _told(self) -> dict[str, Any]:
        line = self._answers.readline()
        if not line:
            # It says why after it has closed its end.
            self._process.wait()
            self._log.seek(0)
            raise Unusable(f"The tests stopped: {self._log.read().decode(errors='replace')[-3000:]}")
        told: dict[str, Any] = json.loads(line)
        return told

    def outcome(self, job: dict[str, Any]) -> dict[str, Any]:
        os.write(self._jobs, json.dumps(job).encode() + b"\n")
        return self._told()

    def close(self) -> None:
        os.close(self._jobs)
        self._process.wait()


def founded(job: dict[str, Any], root: Path = ROOT) -> dict[str, Any]:
    """What becomes of a fault where everything is founded by the faulty contract, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job.json"
        path.write_text(json.dumps(job), encoding="utf-8")
        files = sorted({test.partition("::")[0] for test in job["tests"]})
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:xdist", "-p", "mutant_runner", *files],
            cwd=root,
            env=os.environ | {"THERIAC_MUTANT_JOB": str(path), "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
        )
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", ended.stdout, re.MULTILINE)
    if ended.returncode == 1 and failed:
        return {"outcome": "killed", "by": failed[0], "founded": True}
    if ended.returncode == 0:
        return {"outcome": "survived", "founded": True}
    raise Unusable(f"The tests stopped: {ended.stdout[-2000:]}{ended.stderr[-1000:]}")


def key(mutant: Mutant) -> dict[str, str | int]:
    """What a fault is known by in files."""
    return {name: value for name, value in asdict(mutant).items() if name not in ("function_id", "words")}


class Campaign:
    """Everything that is known of the faults by now, and how to know more."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = ROOT / folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self.sources = read_sources()
        self.all = mutants(self.sources)
        self._originals: dict[str, Code] = {}

    @property
    def results(self) -> Path:
        return self._folder / "results.jsonl"

    @property
    def recorded(self) -> Path:
        return self._folder / "tests.jsonl"

    def known(self, chosen: Iterable[Mutant]) -> list[dict[str, Any]]:
        """The last result of each of the faults that were drawn."""
        if not self.results.exists():
            return []
        lines = (json.loads(line) for line in self.results.read_text(encoding="utf-8").splitlines())
        last = {(each["path"], each["start"], each["old"], each["new"]): each for each in lines}
        places = ((each.path, each.start, each.old, each.new) for each in chosen)
        return [last[place] for place in places if place in last]

    def record(self) -> None:
        """Measures the tests without a fault."""
        self.recorded.unlink(missing_ok=True)
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "mutant_recorder", *TESTS],
            cwd=ROOT,
            env=os.environ | {"THERIAC_MUTANT_TESTS": str(self.recorded), "PYTHONPATH": str(ROOT)},
            check=True,
        )

    def try_all(self, chosen: Sequence[Mutant], tests: Sequence[Measured], *, again: bool) -> None:
        """Tries one after the other."""
        few = [test for test in tests if test.file not in WIDE]
        with ExitStack() as stack:
            compiler = stack.enter_context(closing(Compiler(self.sources)))
            runner = stack.enter_context(closing(Runner(ignored=() if again else WIDE)))
            for number, mutant in enumerate(chosen, start=1):
                result = key(mutant) | {"line": mutant.line(self.sources.texts[mutant.path])}
                result |= self.tried(mutant, compiler, runner, few if not again else tests, WHOLE if again else BUDGET)
                with self.results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(result) + "\n")
                place = f"{mutant.path}:{result['line']} {mutant.old[:40]!r} -> {mutant.new[:40]!r}"
                print(f"{number}/{len(chosen)} {result['outcome']} {place}", flush=True)

    def tried(
        self, mutant: Mutant, compiler: Compiler, runner: Runner, tests: Sequence[Measured], budget: float
    ) -> dict[str, Any]:
        """What becomes of one fault."""
        changed = {mutant.path: mutant.applied(self.sources.texts[mutant.path])}
        differing = self._differing(mutant, compiler, changed)
        if differing is None:
            return {"outcome": "uncompilable"}
        if not differing:
            return {"outcome": "equivalent"}
        names = list(differing)
        job = self._job(differing)
        is_constructors = all(code.plain[1] == self._originals[name].plain[1] for name, code in differing.items())
        reached_by = self.sources.reaching(mutant.function_id)
        if is_constructors:
            reached_by = {selector: 1 for name in names for selector in self.sources.selectors_of(name)}
        selected = choose_tests(mutant, names, reached_by, tests, budget)
        if not selected:
            return {"outcome": "survived", "ran": 0}
        job |= {"tests": [test.name for test in selected], "timeout": 120 + 15 * sum(test.work for test in selected)}
        # What only a constructor does is done before a child has the fault.
        outcome = founded(job) if is_constructors else runner.outcome(job)
        return {name: value for name, value in outcome.items() if name != "id"}

    def control(self, tests: Sequence[Measured]) -> dict[str, Any]:
        """What becomes of every contract without a fault, put in the place of the same: the tests must all pass."""
        with ExitStack() as stack:
            compiler = stack.enter_context(closing(Compiler(self.sources)))
            runner = stack.enter_context(closing(Runner()))
            self._originals = compiler.codes(self.sources.deployed(), {}) or {}
            job = self._job(self._originals) | {"tests": [each.name for each in tests], "timeout": 7200}
            return runner.outcome(job)

    def _job(self, codes: Mapping[str, Code]) -> dict[str, Any]:
        """These codes in the place of the contracts, for a runner."""
        return {
            "id": 0,
            "contracts": {
                name: {
                    "creation": code.creation,
                    "runtime": code.runtime,
                    "places": self._originals[name].places,
                    "faulty_places": code.places,
                }
                for name, code in codes.items()
            },
        }

    def _differing(self, mutant: Mutant, compiler: Compiler, changed: Mapping[str, str]) -> dict[str, Code] | None:
        """The contracts whose code a fault changes, at most a few, drawn by chance; None where it does not compile."""
        names = sorted(self.sources.dependents(mutant.path))
        random.Random(repr(key(mutant))).shuffle(names)
        differing: dict[str, Code] = {}
        # To compile all that share a library takes longer than the tests do.
        for first in range(0, len(names), MOST_CONTRACTS):
            few = names[first : first + MOST_CONTRACTS]
            codes = compiler.codes(few, changed)
            if codes is None:
                return None

            for name in few:
                if name not in self._originals:
                    self._originals |= compiler.codes([name], {}) or {}
                if len(differing) < MOST_CONTRACTS and codes[name].plain != self._originals[name].plain:
                    differing[name] = codes[name]
            if len(differing) == MOST_CONTRACTS:
                break
        return differing


Place = tuple[str, str, str, str, int]
"""Which fault it is, so that lines above it may be added: path, function, old, new and number among the same."""


def places(found: Iterable[Mutant]) -> dict[tuple[str, int, str, str], Place]:
    """The place of every fault, by what a result has."""
    same: Counter[tuple[str, str, str, str]] = Counter()
    placed = {}
    for each in sorted(found):
        what = (each.path, each.function, each.old, each.new)
        same[what] += 1
        placed[each.path, each.start, each.old, each.new] = (*what, same[what])
    return placed


@dataclass(frozen=True)
class Survivor:
    """A fault that no test noticed when it was drawn, and what a person made of it.

    `which` counts the same changes in the same function, which otherwise nothing would tell apart.
    """

    path: str
    function: str
    old: str
    new: str
    verdict: str
    why: str
    which: int = 1

    @property
    def place(self) -> Place:
        return self.path, self.function, self.old, self.new, self.which


VERDICTS = {"same": "does the same", "test": "a test was added", "open": "survives"}


@dataclass(frozen=True)
class Count:
    """How many faults a part has, and what became of those that were drawn."""

    part: str
    all: int
    uncompilable: int = 0
    equivalent: int = 0
    killed: int = 0
    timeout: int = 0
    survived: int = 0
    same: int = 0
    tested: int = 0


def kept(text: str) -> tuple[dict[str, Any], list[Count], list[Survivor]]:
    """What proof/mutants.json has: how it was measured, what came out, and the survivors."""
    found = json.loads(text)
    return (
        found["measured"],
        [Count(**each) for each in found["parts"]],
        [Survivor(**each) for each in found["survivors"]],
    )


def counts(campaign: Campaign, known: Iterable[dict[str, Any]], survivors: Iterable[Survivor]) -> list[Count]:
    """What is known by now of each part, and how many of those that were drawn do the same or have a test by now."""
    verdicts = {each.place: each.verdict for each in survivors}
    placed = places(campaign.all)
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    for each in known:
        outcome, part = each["outcome"], outcomes[stratum(each["path"])]
        part[outcome] += 1
        match verdicts.get(placed[_found(each)]):
            case "same" if outcome == "survived":
                part["same"] += 1
            case "test" if outcome in ("killed", "timeout"):
                part["tested"] += 1
    sizes = Counter(stratum(mutant.path) for mutant in campaign.all)
    names = {"uncompilable", "equivalent", "killed", "timeout", "survived", "same", "tested"}
    return [
        Count(part, size, **{name: number for name, number in outcomes[part].items() if name in names})
        for part, size in sorted(sizes.items())
    ]


def _found(result: Mapping[str, Any]) -> tuple[str, int, str, str]:
    return result["path"], result["start"], result["old"], result["new"]


def keep(campaign: Campaign, known: Sequence[dict[str, Any]], seed: int) -> str:
    """proof/mutants.json as it should be by now. Who survives anew has no reason yet; who is no fault any more goes."""
    path = ROOT / SURVIVORS
    placed = places(campaign.all)
    survivors = kept(path.read_text(encoding="utf-8"))[2] if path.exists() else []
    possible = set(placed.values())
    survivors = [each for each in survivors if each.place in possible]
    explained = {each.place for each in survivors}
    for each in known:
        place = placed[_found(each)]
        if each["outcome"] == "survived" and place not in explained:
            survivors.append(Survivor(*place[:4], verdict="open", why="", which=place[4]))
    content = {
        "measured": {"seed": seed, "budget": BUDGET},
        "parts": [asdict(each) for each in counts(campaign, known, survivors)],
        "survivors": [asdict(each) for each in sorted(survivors, key=lambda each: each.place)],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


HEAD = """# Mutation testing

<!-- Written by `make mutants ARGS=--write`. -->

How good are the tests of the contracts? A small fault is put into a contract, `>=` for `>` say, or a check, an event or
a modifier left out, and the tests that reach it run until one fails. What no test notices is a hole in the tests.

`make mutants` draws a sample of all such faults by a seed, in proportion from each contract and in an order in which
every beginning is a sample, too; it goes on where it was stopped, and `ARGS="--sample 1000"` draws more of the same.
Which faults there are says `tools/mutants.py`; assembly is left as it is. What has the same bytecode is no fault, and
counts for nothing; nor does what does not compile, nor the few of which is shown below that they do the same.

A fault meets the contracts' own tests that call what leads to it, those that name its error first, and not those of the
clients, the pages or the commands, which would notice more. The tests of all signatures and of all authorisations are
tried with what survived the others (`--again`). What a test stands on is founded by contracts without the fault, but
where the fault is a constructor's. A fault in a library that changes many contracts is put into four of them. That a
test does not fail for another reason shows `ARGS=--control`: with each contract in the place of itself all must pass.
"""


def page(text: str) -> str:
    """docs/mutation.md."""
    measured, parts, survivors = kept(text)
    rows, total = [], Counter[str]()
    for each in parts:
        drawn = each.uncompilable + each.equivalent + each.killed + each.timeout + each.survived
        counted = each.killed + each.timeout + each.survived - each.same
        now = each.killed + each.timeout
        row = Counter(all=each.all, drawn=drawn, counted=counted, now=now, first=now - each.tested)
        total += row
        rows.append(_row(each.part, row))
    noticed = [_share(total[name], total["counted"]) for name in ("first", "now")]
    lines = [
        HEAD,
        f"{total['drawn']} of {total['all']:,} faults were drawn (seed {measured['seed']}); {total['counted']} count. "
        f"The tests noticed {noticed[0]} of them when they were drawn, and notice {noticed[1]} now (with 95 % "
        "intervals, after Wilson).\n",
        "| part | faults | drawn | count | noticed at first | noticed now |",
        "|---|---|---|---|---|---|",
        *rows,
        _row("all", total),
        "\n## What survived\n",
        "Of this sample and of earlier ones, as long as the fault can still be made.\n",
        "| where | fault | verdict | why |",
        "|---|---|---|---|",
    ]
    for survivor in survivors:
        fault = f"{_code_of(survivor.old)} → {_code_of(survivor.new)}"
        where = survivor.function + (f", no. {survivor.which}" if survivor.which > 1 else "")
        lines.append(f"| {where} | {fault} | {VERDICTS[survivor.verdict]} | {survivor.why} |")
    return "\n".join(lines) + "\n"


def _row(part: str, row: Counter[str]) -> str:
    return f"| {part} | {row['all']:,} | {row['drawn']} | {row['counted']} | {row['first']} | {row['now']} |"


def _share(killed: int, counted: int) -> str:
    low, high = interval(killed, counted)
    return f"{killed} ({killed / max(counted, 1):.0%}, {low:.0%} to {high:.0%})"


def _code_of(text: str) -> str:
    short = " ".join(text.split())
    short = short if len(short) <= 70 else f"{short[:67]}..."
    return f"`{short.replace('|', chr(92) + '|')}`" if short else "nothing"


def _part(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9][0-9]?)/([1-9][0-9]?)", text)
    if not found or int(found[1]) > int(found[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is no part such as 1/2")
    return int(found[1]), int(found[2])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.mutate_contracts", description=__doc__)
    parser.add_argument(
        "--sample", type=positive(int), default=SAMPLE, help=f"how many faults to draw; {SAMPLE} unless said"
    )
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--record", action="store_true", help="measure the tests without a fault anew")
    parser.add_argument("--only", help="only faults in sources whose path has this in it")
    parser.add_argument(
        "--part", type=_part, default=(1, 1), help="which part of the sample, for several processes: 1/2 and 2/2"
    )
    parser.add_argument("--again", action="store_true", help="try again those that survived")
    parser.add_argument("--control", action="store_true", help="try the contracts without a fault, which must pass")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE} and what {SURVIVORS} counts anew")
    options = parser.parse_args(arguments)

    campaign = Campaign()
    chosen = sample(campaign.all, options.sample, options.seed)
    known = campaign.known(chosen)
    if options.write:
        (ROOT / SURVIVORS).write_text(keep(campaign, known, options.seed), encoding="utf-8")
        (ROOT / PAGE).write_text(page((ROOT / SURVIVORS).read_text(encoding="utf-8")), encoding="utf-8")
        return

    if options.record or not campaign.recorded.exists():
        campaign.record()
    tests = read_tests(campaign.recorded)
    if options.control:
        outcome = campaign.control(tests)
        if outcome["outcome"] != "survived":
            sys.exit(f"A test fails without a fault: {outcome.get('by', outcome['outcome'])}. {outcome.get('why', '')}")
        print(
            f"{outcome['ran']:,} tests passed in {outcome['seconds']:.0f} s with every contract in the place of itself."
        )
        return

    if options.only:
        chosen = [mutant for mutant in chosen if options.only in mutant.path]
        if not chosen:
            parser.error(
                f"no fault of the sample is in a path with '{options.only}'; draw more by --sample, or name another"
            )
    outcomes = {(each["path"], each["start"], each["old"], each["new"]): each["outcome"] for each in known}
    part, of = options.part
    wanted = (None, "survived", "broken")
    left = [
        mutant
        for number, mutant in enumerate(chosen)
        if number % of == part - 1
        and outcomes.get((mutant.path, mutant.start, mutant.old, mutant.new)) in (wanted if options.again else (None,))
    ]
    try:
        campaign.try_all(left, tests, again=options.again)
    except Unusable as fault:
        sys.exit(str(fault))
    print(Counter(each["outcome"] for each in campaign.known(chosen)))


if __name__ == "__main__":
    main()

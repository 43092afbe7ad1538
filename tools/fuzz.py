"""Fuzzes all contracts together by the handlers in proof/: `python -m tools.fuzz`, or `make fuzz`.

forge and medusa choose the acts of the same handlers, and ask after each act for every property of each handler; medusa
a second time with fewer questions and so more acts. What ends as it should is told in a table. What breaks is written
into .build/fuzz with the command that plays it again. docs/fuzzing.md says what was found and how far was gone.

Exit codes: 0 everything held, 2 the handlers are not written as they should be, 3 a property broke or an act never
succeeded, 6 an engine could not do its work; where medusa is not built, forge has run all the same.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.foundry import program
from tools.options import positive

ROOT = Path(__file__).resolve().parent.parent
FORGE = program("forge")
MEDUSA = Path(".build") / "engines" / "medusa" / "bin" / "medusa"
PROVERS = Path(".venv-proof") / "bin"
COMPILED = Path(".build") / "forge" / "out"
FAILURES = Path(".build") / "forge" / "failures"
HOME = Path(".build") / "fuzz"
CORPUS = Path("proof") / "corpus.txt"

MISWRITTEN, BROKEN, NO_ENGINE = 2, 3, 6

# How long a story is. Recoveries take weeks, and there are hundreds of acts to choose from.
DEPTH = 500
SEQUENCE = 100

# An act that was tried so often and never succeeded is a fault of its handler.
ENOUGH = 200

TRANSACTION_GAS = 2_000_000_000
DEPLOYER = "0x30000"
SENDER = "0x10000"

SHARE = re.compile(r"^\| (\w+)\s+\| (\w+)\s+\| (\d+)\s+\| (\d+)\s+\| (\d+)\s+\|$", re.MULTILINE)
RUNS = re.compile(r"\(runs: (\d+), calls: (\d+), reverts: (\d+)\)")
TOLD = re.compile(r"\[(PASSED|FAILED)\] (Property|Assertion) Test: (\w+)\.(\w+)\(")
CALLS = re.compile(r"calls:\s+(\d+)")
STRING = re.compile(r'"(property_\w+\(\))"')


class Failure(Exception):
    """What cannot be done, in a sentence, and the exit code."""

    def __init__(self, sentence: str, code: int) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True)
class Handler:
    """A handler as it was compiled: its acts with the types they take, and its properties."""

    name: str
    acts: tuple[str, ...]
    properties: tuple[str, ...]


@dataclass
class Played:
    """What an engine has done: how many calls, which properties held, how often each act was tried and done."""

    engine: str
    calls: int = 0
    seconds: float = 0
    held: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    tried: dict[str, tuple[int, int]] = field(default_factory=dict)
    again: str = ""

    @property
    def idle(self) -> list[str]:
        """The acts that were tried often enough and never succeeded."""
        return sorted(act for act, (tried, done) in self.tried.items() if tried >= ENOUGH and done == 0)


def compile_proofs(*, for_medusa: bool) -> None:
    """Compiles the contracts and the proofs into .build/forge, unless nothing has changed since.

    Medusa reads how everything was compiled, and forge writes that only of what it compiles: so for medusa all is.
    """
    mark, now = ROOT / HOME / "compiled", _digest_of_sources()
    built = COMPILED / "build-info"
    command = [str(FORGE), "build", "--skip", "contracts/.cache/**", "proof/symbolic/**"]
    if for_medusa:
        if mark.exists() and mark.read_text(encoding="utf-8") == now and (ROOT / built).exists():
            return
        shutil.rmtree(ROOT / built, ignore_errors=True)
        command += ["--build-info", "--force"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"The proofs do not compile:\n{done.stdout}{done.stderr}", MISWRITTEN)
    if for_medusa:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(now, encoding="utf-8")


def _digest_of_sources() -> str:
    digest = hashlib.sha256((ROOT / "foundry.toml").read_bytes())
    for folder in ("contracts", "proof"):
        for path in sorted((ROOT / folder).rglob("*.sol")):
            if ".cache" not in path.parts and "symbolic" not in path.parts:
                digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def handlers() -> list[Handler]:
    """The handlers in proof/handlers, which must tell forge the properties that medusa finds, and be registered."""
    registered = (ROOT / "proof" / "Invariants.t.sol").read_text(encoding="utf-8")
    found: list[Handler] = []
    for path in sorted((ROOT / "proof" / "handlers").glob("*Handler.sol")):
        name = path.stem
        compiled = json.loads((ROOT / COMPILED / path.name / f"{name}.json").read_text(encoding="utf-8"))
        functions = [each for each in compiled["abi"] if each["type"] == "function"]
        properties = tuple(f"{each['name']}()" for each in functions if each["name"].startswith("property_"))
        acts = tuple(_signature(each) for each in functions if each["stateMutability"] not in ("view", "pure"))
        told = STRING.findall(path.read_text(encoding="utf-8"))
        if sorted(told) != sorted(properties):
            wrong = ", ".join(sorted(set(told) ^ set(properties))) or "one of them twice"
            raise Failure(f"{name}.properties() does not tell what there is: {wrong}.", MISWRITTEN)
        if f"type({name}).name" not in registered:
            raise Failure(f"proof/Invariants.t.sol does not register {name}.", MISWRITTEN)
        found.append(Handler(name, tuple(each for each in acts if each != "judge()"), properties))
    return found


def _spoken(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def has_medusa() -> bool:
    """Whether medusa is built, and what it compiles with is installed."""
    return (ROOT / MEDUSA).exists() and (ROOT / PROVERS / "crytic-compile").exists()


def _signature(function: dict[str, Any]) -> str:
    return f"{function['name']}({','.join(each['type'] for each in function['inputs'])})"


def play_forge(every: Sequence[Handler], *, calls: int, seconds: int, seed: int | None) -> Played:
    """Lets forge act, for so many calls or seconds."""
    wanted = {
        "FOUNDRY_INVARIANT_DEPTH": str(DEPTH),
        "FOUNDRY_INVARIANT_RUNS": str(-(-calls // DEPTH) if calls else 1_000_000),
        **({"FOUNDRY_INVARIANT_TIMEOUT": str(seconds)} if not calls else {}),
    }
    arguments = ["test", "--match-path", "proof/Invariants.t.sol", "--code-size-limit", "1000000"]
    arguments += [] if seed is None else ["--fuzz-seed", hex(seed)]
    # What broke before would be played again instead of anything new.
    shutil.rmtree(ROOT / FAILURES, ignore_errors=True)
    start = time.monotonic()
    done = subprocess.run(
        [str(FORGE), *arguments],
        cwd=ROOT,
        env={**os.environ, **wanted, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    played = told_by_forge(done.stdout, every)
    played.seconds = time.monotonic() - start
    if played.broken:
        spoken = " ".join(f"{name}={value}" for name, value in wanted.items())
        played.again = f"{spoken} {_spoken(FORGE)} {' '.join(arguments)}"
        _write("forge.txt", f"{played.again}\n\n{done.stdout}")
    elif not RUNS.search(done.stdout):
        raise Failure(f"forge did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}", NO_ENGINE)
    return played


def told_by_forge(output: str, every: Sequence[Handler]) -> Played:
    """What forge's words come to."""
    played = Played("forge")
    names = [f"{handler.name}.{name}" for handler in every for name in handler.properties]
    if match := RUNS.search(output):
        played.calls = int(match[2])
    for contract, act, tried, refused, _ in SHARE.findall(output):
        played.tried[f"{contract}.{act}"] = (int(tried), int(tried) - int(refused))
    if "[FAIL" in output:
        told = set(re.findall(r'Broken\("(\w+\(\))"\)', output))
        played.broken = [name for name in names if name.partition(".")[2] in told] or ["invariant_everything"]
    played.held = [name for name in names if name not in played.broken]
    return played


def play_medusa(every: Sequence[Handler], *, calls: int, seconds: int, properties: bool, workers: int) -> Played:
    """Lets medusa act: asking for every property after every act, or only where an act asks for all of its handler."""
    mode = "properties" if properties else "assertions"
    home = ROOT / HOME / mode
    # A run begins with what is kept: hundreds of stories of runs before it take minutes to play again, and then most of
    # what is played is a change of few of them.
    shutil.rmtree(home / "call_sequences", ignore_errors=True)
    home.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(home / "test_results", ignore_errors=True)
    unpack_corpus(every, home / "call_sequences")
    config = home / "medusa.json"
    wanted = configuration(every, home, calls=calls, seconds=seconds, properties=properties, workers=workers)
    config.write_text(json.dumps(wanted, indent=2), encoding="utf-8")
    paths = os.pathsep.join([str(ROOT / PROVERS), str(FORGE.parent), os.environ.get("PATH", "")])
    command = [str(ROOT / MEDUSA), "fuzz", "--config", str(config)]
    start = time.monotonic()
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PATH": paths}, capture_output=True, text=True, check=False
    )
    output = done.stdout + done.stderr
    played = told_by_medusa(output, mode, every)
    played.seconds = time.monotonic() - start
    report = home / "coverage" / "revert_report.json"
    if report.exists():
        played.tried = _shares(json.loads(report.read_text(encoding="utf-8")))
    if played.broken:
        played.again = f"PATH={PROVERS}:{_spoken(FORGE.parent)}:$PATH {MEDUSA} fuzz --config {config.relative_to(ROOT)}"
        _write(f"medusa-{mode}.txt", f"{played.again}\n\n{output}")
    elif not played.held:
        raise Failure(f"medusa did not run:\n{output[-3000:]}", NO_ENGINE)
    return played


def told_by_medusa(output: str, mode: str, every: Sequence[Handler]) -> Played:
    """What medusa's words come to."""
    played = Played(f"medusa, {mode}")
    played.calls = max((int(count) for count in CALLS.findall(output)), default=0)
    told = {f"{contract}.{name}": result for result, _, contract, name in TOLD.findall(output)}
    played.broken = sorted(name for name, result in told.items() if result == "FAILED")
    if mode == "properties":
        names = [f"{handler.name}.{name}" for handler in every for name in handler.properties]
    else:
        names = [f"{handler.name}.judge()" for handler in every]
    bare = {name: name.removesuffix("()") for name in names}
    played.held = [name for name in names if told.get(bare[name]) == "PASSED"]
    return played


def _shares(report: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {
        f"{contract}.{act}": (found["totalCalls"], found["totalCalls"] - found["totalReverts"])
        for contract, metrics in report["contractRevertMetrics"].items()
        for act, found in metrics["functionRevertMetrics"].items()
        if not act.startswith("property_")
    }


def configuration(
    every: Sequence[Handler], home: Path, *, calls: int, seconds: int, properties: bool, workers: int
) -> dict[str, Any]:
    """What medusa is told."""
    names = [handler.name for handler in every]
    return {
        "fuzzing": {
            "workers": workers,
            "workerResetLimit": 50,
            "timeout": 0 if calls else seconds,
            "testLimit": calls,
            "shrinkLimit": 500,
            "callSequenceLength": SEQUENCE,
            "pruneFrequency": 5,
            "corpusDirectory": str(home),
            "coverageEnabled": True,
            "coverageFormats": ["lcov"],
            "revertReporterEnabled": True,
            "targetContracts": ["World", *names],
            "constructorArgs": {name: {"world_": "DeployedContract:World"} for name in names},
            "deployerAddress": DEPLOYER,
            "senderAddresses": [SENDER],
            "blockNumberDelayMax": 1,
            "blockTimestampDelayMax": 1,
            "transactionGasLimit": TRANSACTION_GAS,
            "testing": {
                "stopOnFailedTest": False,
                "stopOnFailedContractMatching": True,
                "stopOnNoTests": True,
                "testAllContracts": False,
                "testViewMethods": False,
                "verbosity": 1,
                "assertionTesting": {"enabled": True, "panicCodeConfig": {"failOnAssertion": True}},
                "propertyTesting": {"enabled": properties, "testPrefixes": ["property_"]},
                "optimizationTesting": {"enabled": False, "testPrefixes": ["optimize_"]},
                "excludeFunctionSignatures": [f"{name}.judge()" for name in names] if properties else [],
            },
            "chainConfig": {
                "codeSizeCheckDisabled": True,
                "cheatCodes": {"cheatCodesEnabled": True, "enableFFI": False},
                "skipAccountChecks": True,
            },
        },
        "compilation": {
            "platform": "crytic-compile",
            "platformConfig": {
                "target": str(ROOT),
                "exportDirectory": str(ROOT / HOME / "export"),
                "args": ["--foundry-ignore-compile", "--foundry-out-directory", str(COMPILED)],
            },
        },
        "slither": {"useSlither": False},
        "logging": {"level": "info", "noColor": True},
    }


# The corpus is kept as names and numbers, a line a call and an empty line between stories: medusa's own files name
# addresses, which change with each handler, and are ten times as long.


def pack_corpus(every: Sequence[Handler], folder: Path, *, most: int = 1_900_000) -> str:
    """What medusa found worth keeping, the shortest stories first, as far as it goes into so many characters."""
    names = {address.lower(): name for name, address in addresses(every).items()}
    stories: list[str] = []
    for path in sorted(folder.glob("*.json")):
        lines: list[str] = []
        for element in json.loads(path.read_text(encoding="utf-8")):
            values = element["call"]["dataAbiValues"]
            name = names.get((element["call"]["to"] or "").lower())
            if name is None or values is None:
                break
            lines.append(" ".join([f"{name}.{values['methodSignature']}", *map(str, values["inputValues"])]))
        else:
            stories.append("\n".join(lines))
    # Medusa keeps a story at each of its acts that reached something new: the longest tells all of it.
    ordered = sorted(set(stories))
    whole = [story for story, later in zip(ordered, [*ordered[1:], ""], strict=True) if not later.startswith(story)]
    kept, length = [], 0
    for story in sorted(whole, key=lambda each: (len(each), each)):
        length += len(story) + 2
        if length > most:
            break
        kept.append(story)
    return "\n\n".join(kept) + "\n"


def unpack_corpus(every: Sequence[Handler], folder: Path) -> int:
    """Writes what was kept as medusa's own files, as far as there still are such acts; says how many stories."""
    corpus = ROOT / CORPUS
    if not corpus.exists():
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    known = {f"{handler.name}.{act}" for handler in every for act in handler.acts}
    known |= {f"World.{act}(uint256)" for act in ("passMinutes", "passHours", "passDays", "passWeeks")}
    places = addresses(every)
    count = 0
    for index, story in enumerate(corpus.read_text(encoding="utf-8").split("\n\n")):
        lines = [line.split(" ") for line in story.splitlines()]
        calls = [
            _element(places[act.partition(".")[0]], act.partition(".")[2], values, nonce)
            for nonce, (act, *values) in enumerate(lines)
            if act in known
        ]
        if calls:
            (folder / f"kept-{index}.json").write_text(json.dumps(calls), encoding="utf-8")
            count += 1
    return count


def _element(to: str, signature: str, values: Sequence[str], nonce: int) -> dict[str, Any]:
    call = {
        "from": f"0x{int(SENDER, 16):040x}",
        "to": to,
        "nonce": nonce,
        "value": "0x0",
        "gasLimit": TRANSACTION_GAS,
        "gasPrice": "0x1",
        "gasFeeCap": "0x0",
        "gasTipCap": "0x0",
        "dataAbiValues": {"methodSignature": signature, "inputValues": list(values)},
        "AccessList": None,
        "SkipNonceChecks": True,
        "SkipFromEOACheck": True,
    }
    return {"call": call, "blockNumberDelay": 0, "blockTimestampDelay": 1}


def addresses(every: Sequence[Handler]) -> dict[str, str]:
    """Where medusa deploys: the world first, then the handlers, by one account's nonces."""
    from eth_utils.crypto import keccak

    sender = int(DEPLOYER, 16).to_bytes(20)
    return {
        name: "0x" + keccak(bytes([0xD6, 0x94]) + sender + (bytes([nonce]) if nonce else b"\x80"))[12:].hex()
        for nonce, name in enumerate(["World", *(handler.name for handler in every)])
    }


def coverage(report: str) -> dict[str, tuple[int, int]]:
    """Of each contract of ours, how many lines there are to reach, and how many were, by medusa's lcov report."""
    found: dict[str, tuple[int, int]] = {}
    for record in report.split("end_of_record"):
        match = re.search(r"SF:(.*?)(contracts/.*\.sol)", record)
        if match is None or re.search(r"node_modules|/test/|/\.cache/", match[1] + match[2]):
            continue
        counts = [int(count) for count in re.findall(r"^DA:\d+,(\d+)", record, re.MULTILINE)]
        if counts:
            found[match[2]] = (len(counts), sum(1 for count in counts if count))
    return found


def table(every: Sequence[Handler], played: Sequence[Played]) -> Iterator[str]:
    """Each property and what became of it: a column an engine."""
    width = max(len(f"{handler.name}.{name}") for handler in every for name in handler.properties)
    yield f"{'property':{width}}  " + "  ".join(f"{each.engine:>18}" for each in played)
    for handler in every:
        for name in handler.properties:
            full = f"{handler.name}.{name}"
            yield f"{full:{width}}  " + "  ".join(f"{_became(each, handler, full):>18}" for each in played)
    yield f"{'calls':{width}}  " + "  ".join(f"{each.calls:>18,}" for each in played)
    yield f"{'seconds':{width}}  " + "  ".join(f"{each.seconds:>18.0f}" for each in played)


def _became(played: Played, handler: Handler, full: str) -> str:
    asked = full if full in played.held else f"{handler.name}.judge()"
    if full in played.broken or full.removesuffix("()") in played.broken or f"{handler.name}.judge" in played.broken:
        return "BROKEN"
    return "held" if asked in played.held else "-"


def shares(played: Sequence[Played]) -> Iterator[str]:
    """Of each act, how often it was tried and which share of that succeeded, over all engines."""
    tried: dict[str, tuple[int, int]] = {}
    for each in played:
        for act, (calls, done) in each.tried.items():
            before = tried.get(act, (0, 0))
            tried[act] = (before[0] + calls, before[1] + done)
    for act, (calls, done) in sorted(tried.items()):
        if not act.endswith(".judge"):
            yield f"{act:44} {calls:>10,} {done / max(calls, 1):>7.0%}"
    honest = [found for act, found in tried.items() if ".hostile" not in act and not act.startswith("World.")]
    calls, done = sum(found[0] for found in honest), sum(found[1] for found in honest)
    yield f"{'all but the hostile ones':44} {calls:>10,} {done / max(calls, 1):>7.0%}"


def _write(name: str, text: str) -> None:
    path = ROOT / HOME / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def run(arguments: argparse.Namespace) -> int:
    """Plays all that was asked for, tells it, and says how it ended."""
    if not FORGE.exists():
        raise Failure("forge is not installed: run 'make setup'.", NO_ENGINE)
    compile_proofs(for_medusa=arguments.engine != "forge" and has_medusa())
    every = handlers()
    calls, seconds = arguments.calls, int(arguments.minutes * 60)
    engines = ("forge", "properties", "assertions") if arguments.engine == "all" else (arguments.engine,)
    played: list[Played] = []
    missing = ""
    for engine in engines:
        if engine == "forge":
            played.append(play_forge(every, calls=calls, seconds=seconds // len(engines), seed=arguments.seed))
        elif not has_medusa():
            missing = "medusa is not built: run 'make engine-medusa provers' (it needs Go 1.26)."
        else:
            properties = engine == "properties"
            share = seconds // len(engines)
            played.append(
                play_medusa(every, calls=calls, seconds=share, properties=properties, workers=arguments.workers)
            )
    if played:
        print("\n".join([*table(every, played), "", *shares(played)]))
    if arguments.keep and any(each.engine == "medusa, properties" for each in played):
        (ROOT / CORPUS).write_text(pack_corpus(every, ROOT / HOME / "properties" / "call_sequences"), encoding="utf-8")
    if arguments.coverage:
        report = (ROOT / HOME / "properties" / "coverage" / "lcov.info").read_text(encoding="utf-8")
        for name, (lines, reached) in sorted(coverage(report).items()):
            print(f"{name:44} {reached:>5} of {lines:>5} lines")
    for each in played:
        if each.again:
            print(f"\n{each.engine} broke {', '.join(each.broken)}. Again by:\n{each.again}", file=sys.stderr)
        for act in each.idle:
            print(f"{each.engine}: {act} never succeeded.", file=sys.stderr)
    if any(each.broken or each.idle for each in played):
        return BROKEN
    if missing:
        print(missing, file=sys.stderr)
        return NO_ENGINE
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="fuzz", description="Fuzzes all contracts together.")
    parser.add_argument("--minutes", type=positive(float), default=10, help="for how long, over all engines (10)")
    parser.add_argument(
        "--calls", type=positive(int), default=0, help="how many calls each engine makes, instead of minutes"
    )
    parser.add_argument("--engine", choices=("all", "forge", "properties", "assertions"), default="all")
    parser.add_argument(
        "--workers", type=positive(int), default=2, help="how many of medusa's chains act beside each other (2)"
    )
    parser.add_argument("--seed", type=int, default=None, help="what forge begins with, to have the same again")
    parser.add_argument("--keep", action="store_true", help=f"write what medusa found worth keeping into {CORPUS}")
    parser.add_argument("--coverage", action="store_true", help="print the lines of each contract that medusa reached")
    try:
        sys.exit(run(parser.parse_args()))
    except Failure as failure:
        print(failure, file=sys.stderr)
        sys.exit(failure.code)


if __name__ == "__main__":
    main()

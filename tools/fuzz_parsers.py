"""Feeds what takes bytes from strangers with worse, for a given time: `python -m tools.fuzz_parsers --seconds 60`.

Each target (docs/parsers.md) is fed in a process of its own, for so many seconds of the processor. What is found is
kept in .build/fuzz/<target>/fault-*; the tool then fails. `--write` puts the numbers of executions into
docs/parsers.md, `--table` prints the table of entry points that stands there. `--resume` goes on with a run that was
broken off: a target that was fed for so long already is taken as it came out then.
"""

import argparse
import importlib.util
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fuzz.targets import Target, all_targets
from tools.options import positive

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "parsers.md"
FOLDER = ROOT / ".build" / "fuzz"

_REPORT = "report.json"

_SLOWER = 60
"""How many times as long as its time of the processor a target may take by the clock, before it counts as hanging."""


@dataclass(frozen=True)
class Fed:
    """What came of one target."""

    target: str
    executions: int
    seconds: float
    faults: tuple[str, ...]


def fed(target: Target, *, seconds: float, engine: str, resume: bool = False) -> Fed:
    folder = FOLDER / target.name
    if resume and (before := fed_before(target, seconds=seconds)):
        return before
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    words = [sys.executable, "-m", "fuzz.run", target.name, str(seconds), str(folder), engine]
    with (folder / "said").open("wb") as said:
        try:
            code = subprocess.run(words, cwd=ROOT, stdout=said, stderr=said, timeout=_SLOWER * seconds + 600).returncode
        except subprocess.TimeoutExpired:
            code = -signal.SIGALRM
    report = folder / _REPORT
    nothing = {"executions": 0, "seconds": 0.0, "faults": []}
    told: dict[str, Any] = json.loads(report.read_text()) if report.exists() else nothing
    faults = list(told["faults"])
    if code:
        shutil.copy(folder / "at-hand", folder / "fault-end")
        how = "does not end" if code == -signal.SIGALRM else f"ends with {code}"
        report.write_text(json.dumps(told | {"ended": code}))
        faults.append(f"{target.name}: the process {how}; see {(folder / 'said').relative_to(ROOT)}")
    return Fed(target.name, told["executions"], told["seconds"], tuple(faults))


def fed_before(target: Target, *, seconds: float) -> Fed | None:
    """What came of a target in an earlier run, if it was fed to the end and for as long."""
    try:
        told = json.loads((FOLDER / target.name / _REPORT).read_text())
        found = Fed(target.name, told["executions"], told["seconds"], tuple(told["faults"]))
        is_whole = "ended" not in told and found.seconds >= seconds
    except (OSError, ValueError, KeyError):
        return None
    # A report is also written whenever something is found, before the time is over.
    return found if is_whole else None


def table() -> str:
    """Every entry point: what it may raise, and what bounds it."""
    rows = ["| target | entry point | may raise | limits |", "|---|---|---|---|"]
    for each in all_targets().values():
        name = each.entry.replace(":", ".").removeprefix("theriac.")
        rows.append(f"| {each.name} | `{name}` | {each.raises or 'nothing'} | {each.limit} |")
    return "\n".join(rows) + "\n"


def figures(found: Sequence[Fed]) -> str:
    rows = ["| target | executions | seconds | open faults |", "|---|---|---|---|"]
    rows += [f"| {each.target} | {each.executions:,} | {each.seconds:.0f} | {len(each.faults)} |" for each in found]
    total = sum(each.executions for each in found)
    rows.append(f"| all {len(found)} | {total:,} | {sum(each.seconds for each in found):,.0f} | {_faults(found)} |")
    return "\n".join(rows) + "\n"


def _faults(found: Sequence[Fed]) -> int:
    return sum(len(each.faults) for each in found)


def placed(page: str, name: str, text: str) -> str:
    """The page with what stands between two marks put anew."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    return pattern.sub(lambda match: match[1] + "\n" + text + "\n" + match[2], page)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz_parsers", description=__doc__.partition("\n")[0])
    parser.add_argument("targets", nargs="*", help="which of them; all, if none is named")
    parser.add_argument("--seconds", type=positive(float), default=60, help="of the processor, for each")
    parser.add_argument("--jobs", type=positive(int), default=2)
    parser.add_argument("--engine", choices=("atheris", "plain"), default=_engine())
    parser.add_argument("--write", action="store_true", help=f"put the figures into {PAGE.name}")
    parser.add_argument("--table", action="store_true", help="print the table of entry points, and feed nothing")
    parser.add_argument("--resume", action="store_true", help="feed only what was not fed for so long already")
    told = parser.parse_args(words)
    targets = all_targets()
    if told.table:
        print(table(), end="")
        return
    if unknown := [name for name in told.targets if name not in targets]:
        parser.error(f"there is no target {unknown[0]}; --table lists them")

    chosen = [targets[name] for name in told.targets or targets]
    found = list(_fed(chosen, told.seconds, told.engine, told.jobs, told.resume))
    print(figures(found), end="")
    if told.write:
        page = placed(PAGE.read_text(encoding="utf-8"), "figures", figures(found))
        PAGE.write_text(placed(page, "table", table()), encoding="utf-8")
    if _faults(found):
        sys.exit(f"{_faults(found)} faults; the inputs are in {FOLDER.relative_to(ROOT)}/<target>/fault-*.")


def _fed(chosen: Sequence[Target], seconds: float, engine: str, jobs: int, resume: bool) -> Iterator[Fed]:
    with ThreadPoolExecutor(jobs) as pool:
        for each in pool.map(lambda target: fed(target, seconds=seconds, engine=engine, resume=resume), chosen):
            for fault in each.faults:
                print(fault, file=sys.stderr, flush=True)
            yield each


def _engine() -> str:
    return "atheris" if importlib.util.find_spec("atheris") else "plain"


if __name__ == "__main__":
    main()

"""Measures, section by section, and writes docs/bench: `python -m benches [--only sealing,gas] [--write]`."""

import argparse
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benches import page
from benches.figures import NotFigures, Results, Section
from benches.timing import Effort
from theriac.store.cid import CORES
from tools.options import positive

SECTIONS = (
    "sealing",
    "records",
    "access",
    "sending",
    "scanning",
    "commissioning",
    "index",
    "adjudication",
    "gas",
)
"""The modules of this folder that have a `measure(effort)`, in the order of the page."""


def measured(key: str, effort: Effort) -> Section:
    """One section, with the seconds that it took."""
    begun = time.perf_counter()
    section = import_module(f"benches.{key}").measure(effort)
    assert section.key == key, f"benches/{key}.py calls its section {section.key}"
    strangers = [figure.key for figure in section.figures if not figure.key.startswith(f"{key}/")]
    assert not strangers, f"figures of {key} are called {strangers}"
    return replace(section, seconds=round(time.perf_counter() - begun, 1))


def machine() -> str:
    """Where and beside what this is measured, in a few words."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    return (
        f"{CORES} cores of {model}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.release().split('-')[0]}, load {os.getloadavg()[0]:.1f} before"
    )


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def printed(section: Section, console: Console) -> None:
    """A section as a table on the terminal."""
    shown = Table("what", "value", "beside", "its value", "share", "asked", title=section.title)
    for figure in section.figures:
        asked = "" if figure.reach is None else ("" if figure.reached else "not ") + f"reached {figure.reach:g}"
        values = (page.shown(each, figure.unit) for each in (figure.value, figure.beside_value))
        value, beside = values
        shown.add_row(figure.what, value, figure.beside, beside, f"{figure.share:.2f}", asked)
    console.print(shown)
    for sentence in section.skipped:
        console.print(f"Not measured: {sentence}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints. Ends with 2 where it is asked for a section that there is not."""
    parser = argparse.ArgumentParser(prog="python -m benches", description="Measure how long things take.")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, with commas: " + ", ".join(SECTIONS))
    parser.add_argument(
        "--runs", type=positive(int), default=Effort().runs, help="of each figure; %(default)s unless said"
    )
    parser.add_argument("--write", action="store_true", help="write docs/bench; what is not measured stays as it was")
    parser.add_argument("--json", type=Path, default=None, help="keep the figures of this run in a file as well")
    asked = parser.parse_args(arguments)
    wanted = asked.only.split(",")
    unknown = [each for each in wanted if each not in SECTIONS]
    if unknown:
        print(f"There is no section {unknown[0]!r}; there are {', '.join(SECTIONS)}.", file=sys.stderr)
        return 2
    if asked.runs < 1:
        print("--runs must be 1 or more.", file=sys.stderr)
        return 2
    try:
        kept = Results.load(page.FIGURES) if asked.write and page.FIGURES.exists() else Results()
    except NotFigures as error:
        print(error, file=sys.stderr)
        return 2

    console, found = Console(), Results()
    for key in wanted:
        found.machines[key] = machine()
        found.sections[key] = measured(key, Effort(runs=asked.runs))
        printed(found.sections[key], console)
    if asked.json is not None:
        asked.json.write_text(found.encode())
    if asked.write:
        page.write(merged(kept, found))
    return 0


def merged(kept: Results, found: Results) -> Results:
    """What was measured now, and else what stood there, in the order of the page."""
    order = [key for key in SECTIONS if key in found.sections or key in kept.sections]
    return Results(
        {key: found.sections.get(key) or kept.sections[key] for key in order},
        {key: found.machines.get(key) or kept.machines.get(key, "") for key in order},
    )


if __name__ == "__main__":
    sys.exit(main())

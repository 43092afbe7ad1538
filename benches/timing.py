"""How things are timed: in turns with what stands beside them, so that a busy machine slows both."""

import os
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import TypeVar

from benches.figures import Run

Act = Callable[[], object]
T = TypeVar("T")
_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Effort:
    """How much is done: `runs` of a figure, each at least `least` seconds long. `small` is for tests: the least sizes
    and no engines.
    """

    runs: int = 7
    least: float = 0.1
    small: bool = False

    @staticmethod
    def tiny() -> "Effort":
        return Effort(runs=1, least=0.0, small=True)


def in_turns(
    act: Act, beside: Act, *, effort: Effort, runs: int | None = None, after: Act = lambda: None
) -> tuple[Run, ...]:
    """Seconds of one act and of what stands beside it, in turns; short acts are repeated until they can be measured.

    Each goes first in every other run. Both are done once before, which counts for neither. `after` tidies up after
    each turn, and counts for nothing.
    """
    acts = [act, beside]
    often = [_often(each, effort.least) for each in acts]
    after()
    found = []
    for number in range(runs or effort.runs):
        took = [0.0, 0.0]
        for place in ((0, 1), (1, 0))[number % 2]:
            took[place] = seconds(acts[place], often[place])
            after()
        found.append(Run(*took))
    return tuple(found)


def memory_folder(room: int) -> Path:
    """A folder that is in memory where the machine has one with so much room, else the usual one: what is measured
    there is the program, not the disk.
    """
    there = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > room
    return _MEMORY if there else Path(gettempdir())


def peak_memory() -> float:
    """The most memory that this process ever had, in mebibytes.

    The kernel's `ru_maxrss` would count what the process that started this one had, up to its exec.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status names no peak memory")


def seconds(act: Act, often: int = 1) -> float:
    """How long one of so many acts in a row took."""
    begun = time.perf_counter()
    for _ in range(often):
        act()
    # A clock's tick is more than nothing, and a figure is divided by.
    return max(time.perf_counter() - begun, 1e-9) / often


def told(act: Callable[[], T]) -> tuple[T, float]:
    """What an act gives, and how long it took."""
    begun = time.perf_counter()
    given = act()
    return given, max(time.perf_counter() - begun, 1e-9)


def each_of(acts: Sequence[Act]) -> list[float]:
    """How long each took by itself."""
    return [seconds(act) for act in acts]


def quantile(took: Sequence[float], share: float) -> float:
    """The time within which this share of the acts was done."""
    ordered = sorted(took)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def middle(took: Sequence[float]) -> float:
    return statistics.median(took)


def _often(act: Act, least: float) -> int:
    took = seconds(act)
    # A first time is a slow time: once more where it seems to be enough already.
    if took < least:
        took = seconds(act)
    return max(1, min(100_000, round(least / took)))

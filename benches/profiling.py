"""Where the time of an act goes, as a short table."""

import cProfile
import pstats
from collections.abc import Callable
from pathlib import Path

from benches.figures import Table

ROWS = 8


def profiled(title: str, act: Callable[[], object]) -> Table:
    """Runs an act and tells the functions that took the most time themselves, what they call not counted."""
    profile = cProfile.Profile()
    profile.enable()
    try:
        act()
    finally:
        profile.disable()
    found = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total = sum(own for _, _, own, _, _ in found.values())
    slowest = sorted(found.items(), key=lambda each: each[1][2], reverse=True)[:ROWS]
    rows = [
        (f"`{_named(place)}`", f"{calls:,}", f"{own * 1e3:,.0f}", f"{own / total:.0%}", f"{through * 1e3:,.0f}")
        for place, (_, calls, own, through, _) in slowest
    ]
    head = ("function", "calls", "ms of its own", "of all", "ms with what it calls")
    return Table(f"{title}: {total:.2f} s under the profiler", head, tuple(rows))


def _named(place: tuple[str, int, str]) -> str:
    """A function by its module and name; the path of an installation says nothing."""
    path, _, name = place
    if path == "~":
        return name.strip("<>").replace("built-in method ", "").replace("|", "/")
    return f"{'/'.join(Path(path).parts[-2:])} {name}".replace("|", "/")

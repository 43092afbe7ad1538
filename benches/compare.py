"""Says what got worse from one file of figures to another: `python -m benches.compare BASE [NEW]`.

Shares are compared, never seconds: how fast a machine is and what else it does changes both sides of a share. A figure
is worse where its share, the middle of its runs, fell by more than the noise. The noise is read off the runs of both
files: how far apart they lie once the least and the greatest of five or more are left out, of the file where that is
more, and never less than a twentieth, as two processes differ by that in ways in which runs of one do not.

What is exact, such as gas, has no noise: one more is worse.

Ends with 0 where nothing got worse, 3 where something did, 2 where a file holds no figures.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benches.figures import Better, Figure, NotFigures, Results
from benches.page import FIGURES, shown

LEAST = 0.05
WORSE, UNREADABLE = 3, 2


@dataclass(frozen=True)
class Change:
    """A figure in both files. `change` is what its share or exact value grew by (a negative number is worse), as is
    `noise` a part of the base's.
    """

    base: Figure
    new: Figure
    change: float
    noise: float

    @property
    def worse(self) -> bool:
        return self.change < 0 and -self.change > self.noise

    @property
    def better(self) -> bool:
        return self.change > self.noise

    def told(self) -> str:
        """In one sentence."""
        if self.new.exact:
            values = f"{shown(self.base.value, self.base.unit)} before, {shown(self.new.value, self.new.unit)} now"
            return f"{self.new.key}: {self.new.what}: {values}."
        return (
            f"{self.new.key}: {self.new.what}: {self.base.share:.3g} of {self.base.beside} before, "
            f"{self.new.share:.3g} now: {self.change:+.0%}, where runs differ by {self.noise:.0%}."
        )


def compared(base: Results, new: Results) -> list[Change]:
    """Every figure that is in both, in the new order."""
    before = base.figures()
    return [change_of(before[key], figure) for key, figure in new.figures().items() if key in before]


def change_of(base: Figure, new: Figure) -> Change:
    if new.exact or base.exact:
        grown = new.value / base.value - 1
        return Change(base, new, grown if new.better is Better.MORE else -grown, 0.0)
    return Change(base, new, new.share / base.share - 1, max(spread(base.shares), spread(new.shares), LEAST))


def spread(shares: Sequence[float]) -> float:
    """How far apart the runs of a figure are, as a part of them."""
    ordered = sorted(math.log(share) for share in shares)
    kept = ordered[1:-1] if len(ordered) >= 5 else ordered
    return math.expm1(kept[-1] - kept[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Compares and prints."""
    parser = argparse.ArgumentParser(prog="python -m benches.compare", description="Say what got worse.")
    parser.add_argument("base", type=Path, help="figures.json of another day")
    parser.add_argument("new", type=Path, nargs="?", default=FIGURES, help="docs/bench/figures.json unless named")
    asked = parser.parse_args(arguments)
    try:
        base, new = Results.load(asked.base), Results.load(asked.new)
    except NotFigures as error:
        print(error, file=sys.stderr)
        return UNREADABLE

    changes = compared(base, new)
    gone, come = base.figures().keys() - new.figures().keys(), new.figures().keys() - base.figures().keys()
    for title, some in (
        ("Worse", [change.told() for change in changes if change.worse]),
        ("Better", [change.told() for change in changes if change.better]),
        ("Only in the first", sorted(gone)),
        ("Only in the second", sorted(come)),
    ):
        if some:
            print(f"{title}:", *(f"  {line}" for line in some), sep="\n")
    if not changes:
        print(f"{asked.base} and {asked.new} have no figure in common.", file=sys.stderr)
        return UNREADABLE
    worse = sum(change.worse for change in changes)
    better = sum(change.better for change in changes)
    print(f"{len(changes)} figures compared: {worse} worse, {better} better, {len(changes) - worse - better} alike.")
    return WORSE if worse else 0


if __name__ == "__main__":
    sys.exit(main())

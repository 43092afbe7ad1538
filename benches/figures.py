"""What a bench hands back: sections of figures, each with what was measured beside it in the same runs.

A speed says as much of the machine as of the program. So a figure keeps pairs: of each run its own value, and the value
of something that the same process did right before or after, such as a bare hash over the same bytes. Its `share` is
how much of the speed of that it reaches: 1 is as good, and more is better, whatever is measured. Shares are compared
from run to run and from machine to machine; values are shown. What is exact, such as gas, has one run and is compared
as it is.
"""

import json
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

__all__ = ["Bars", "Better", "Chart", "Curves", "Figure", "NotFigures", "Results", "Run", "Section", "Table"]


_PAIR = re.compile(r"\[\s+([-+.e\d]+,\s+[-+.e\d]+)\s+\]")


class Better(StrEnum):
    """Which values are better ones."""

    LESS = "less"
    MORE = "more"


class NotFigures(Exception):
    """A file does not hold what `make bench` writes. The message is one sentence that says so."""


@dataclass(frozen=True)
class Run:
    """One measurement, and that of what stands beside it."""

    value: float
    beside: float


@dataclass(frozen=True)
class Figure:
    """One thing that was measured some times.

    `key` never changes, as later figures are compared under it: "section/what". `beside` says what the second values
    are of. `reach` is the least share that the design asks for; of an exact figure, the value.
    """

    key: str
    what: str
    unit: str
    beside: str
    runs: tuple[Run, ...]
    better: Better = Better.LESS
    reach: float | None = None
    exact: bool = False

    @property
    def value(self) -> float:
        """The middle one."""
        return statistics.median(run.value for run in self.runs)

    @property
    def beside_value(self) -> float:
        return statistics.median(run.beside for run in self.runs)

    @property
    def shares(self) -> list[float]:
        """Of each run, how much of the speed of what stands beside it."""
        if self.better is Better.MORE:
            return [run.value / run.beside for run in self.runs]
        return [run.beside / run.value for run in self.runs]

    @property
    def share(self) -> float:
        return statistics.median(self.shares)

    @property
    def reached(self) -> bool | None:
        """Whether it is what the design asks for; None where it asks for nothing."""
        if self.reach is None:
            return None
        if self.exact:
            return self.value >= self.reach if self.better is Better.MORE else self.value <= self.reach
        return self.share >= self.reach


@dataclass(frozen=True)
class Bars:
    """A chart of one bar a figure, by its share or its value. `bars` pairs a label with a figure's key."""

    name: str
    title: str
    axis: str
    bars: tuple[tuple[str, str], ...]
    of: str = "share"
    beside: str = ""
    """Where set, a mark shows the value beside each, and this is what the legend calls it."""


@dataclass(frozen=True)
class Curves:
    """A chart of values over a number. `curves` pairs a label with pairs of a number and a figure's key."""

    name: str
    title: str
    across: str
    axis: str
    curves: tuple[tuple[str, tuple[tuple[float, str], ...]], ...]
    of: str = "value"


Chart = Bars | Curves


@dataclass(frozen=True)
class Table:
    """A table of words, for what is no figure: a profile, sizes, gas of acts nobody set a reach for."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """What one bench found. `prose` says what is measured and how to read it; `skipped` are sentences of what was not
    measured and how to have it measured.
    """

    key: str
    title: str
    prose: str
    figures: tuple[Figure, ...]
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    skipped: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Results:
    """All sections of one or more runs, by key, and where each was measured."""

    sections: dict[str, Section] = field(default_factory=dict)
    machines: dict[str, str] = field(default_factory=dict)

    def figure(self, key: str) -> Figure:
        return self.figures()[key]

    def figures(self) -> dict[str, Figure]:
        return {figure.key: figure for section in self.sections.values() for figure in section.figures}

    def encode(self) -> str:
        """As JSON, a run a line, so that a change reads well."""
        told = {
            "machines": self.machines,
            "sections": {key: _plain(section) for key, section in self.sections.items()},
        }
        text = json.dumps(told, indent=1, ensure_ascii=False)
        return _PAIR.sub(lambda pair: f"[{' '.join(pair[1].split())}]", text) + "\n"

    @staticmethod
    def decode(text: str, *, place: str = "it") -> "Results":
        """What `encode` wrote. Raises NotFigures."""
        try:
            told = json.loads(text)
            sections = {key: _section(each) for key, each in told["sections"].items()}
            machines = {str(key): str(each) for key, each in told["machines"].items()}
        except (ValueError, TypeError, KeyError, AttributeError):
            raise NotFigures(f"{place} holds no figures of 'make bench'.") from None
        return Results(sections, machines)

    @staticmethod
    def load(path: Path) -> "Results":
        """What a file holds. Raises NotFigures."""
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            fault = error.strerror if isinstance(error, OSError) else "it is no text"
            raise NotFigures(f"{path} cannot be read: {fault}.") from None
        return Results.decode(text, place=str(path))


def _plain(section: Section) -> dict[str, Any]:
    told = asdict(section)
    for figure in told["figures"]:
        # Pairs instead of objects: a figure has up to a dozen of them.
        figure["runs"] = [[_short(run["value"]), _short(run["beside"])] for run in figure["runs"]]
    told["charts"] = [{"kind": type(chart).__name__, **asdict(chart)} for chart in section.charts]
    return told


def _short(value: float) -> float:
    """Six digits: no clock has more to say."""
    return value if isinstance(value, int) else float(f"{value:.6g}")


def _section(told: Mapping[str, Any]) -> Section:
    made = {name: told[name] for name in _names(Section)}
    made["figures"] = tuple(_figure(each) for each in told["figures"])
    made["charts"] = tuple(_chart(each) for each in told["charts"])
    made["tables"] = tuple(
        Table(each["title"], tuple(each["head"]), tuple(tuple(row) for row in each["rows"])) for each in told["tables"]
    )
    made["skipped"] = tuple(told["skipped"])
    return Section(**made)


def _figure(told: Mapping[str, Any]) -> Figure:
    made = {name: told[name] for name in _names(Figure)}
    made["runs"] = tuple(Run(_positive(value), _positive(beside)) for value, beside in told["runs"])
    made["better"] = Better(told["better"])
    if not made["runs"]:
        raise ValueError("a figure without a run")
    return Figure(**made)


def _positive(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError("a measurement is a number above zero")
    return value


def _chart(told: Mapping[str, Any]) -> Chart:
    kind = {"Bars": Bars, "Curves": Curves}[told["kind"]]
    return kind(**{name: _tuples(told[name]) for name in _names(kind)})


def _tuples(told: Any) -> Any:
    return tuple(_tuples(each) for each in told) if isinstance(told, list) else told


def _names(kind: type) -> Sequence[str]:
    return [each.name for each in fields(kind)]

"""The page docs/bench/README.md and its charts, made from the figures alone: the same figures make the same bytes."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from benches.figures import Bars, Chart, Curves, Figure, Results, Section, Table

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "bench"
FIGURES = FOLDER / "figures.json"

_HEAD = """\
# How fast, and beside what

`make bench` measures all of this and writes this page, its charts and [figures.json](figures.json), which keeps every
run; `python -m benches --only sealing` measures one section again. `make bench-compare BASE=file` compares with the
figures of another day and ends with 3 where something got worse ([how](../../benches/README.md)).

**Reading a figure.** The seconds of a machine that others use as well are noise. So each figure stands beside
something that the same process did in turns with it, mostly the work that nothing can do without: the bare cipher
over the same bytes, the bare hash of as many leaves, transactions signed before and given to the same node. *Share*
is how much of its speed was reached: 1 is as fast, more is better. Values are the middle of the runs, and the share
is the middle of the runs' shares; *from, to* are the least and the greatest share of the runs. Where the design asks
for a share, it is under *asked*.
"""

_PLOT = {
    "svg.hashsalt": "theriac",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.autolayout": True,
    "axes.prop_cycle": "cycler('color', ['#2b6777', '#c8553d', '#7a9e7e', '#8d6b94', '#d9a441'])",
}


def pages(results: Results) -> dict[str, str]:
    """Every file of the folder by name, but for the figures themselves."""
    made = {"README.md": page(results)}
    for section in results.sections.values():
        for chart in section.charts:
            made[f"{chart.name}.svg"] = drawn(chart, results)
    return made


def write(results: Results, folder: Path = FOLDER) -> None:
    """Writes the figures, the page and the charts, and removes charts that nothing draws any more."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {**pages(results), "figures.json": results.encode()}
    for old in folder.glob("*.svg"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (folder / name).write_text(text)


# -- the page --------------------------------------------------------------------------------------------------------


def page(results: Results) -> str:
    """The page as Markdown."""
    parts = [_HEAD]
    short = [figure for figure in results.figures().values() if figure.reached is False]
    if short:
        parts.append("## What is not reached\n")
        parts.append(_of(short))
    for section in results.sections.values():
        parts.append(_told(section, results.machines.get(section.key, "")))
    return "\n".join(parts)


def _told(section: Section, machine: str) -> str:
    parts = [f"## {section.title}\n", section.prose.strip() + "\n"]
    if section.figures:
        parts.append(_of(section.figures))
    parts += [f"![{chart.title}]({chart.name}.svg)\n" for chart in section.charts]
    parts += [_table(table) for table in section.tables]
    parts += [f"Not measured: {sentence}\n" for sentence in section.skipped]
    parts.append(f"*{section.seconds:.0f} s{', ' if machine else ''}{machine}.*\n")
    return "\n".join(parts)


def _of(figures: Sequence[Figure]) -> str:
    """A table of figures."""
    rows = [tuple(_row(figure)) for figure in figures]
    head = ("what", "value", "beside", "its value", "share", "from, to", "asked", "runs")
    used = [place for place in range(len(head)) if any(row[place] for row in rows)]
    lines = [[head[place] for place in used], ["---" if place in (0, 2) else "---:" for place in used]]
    lines += [[row[place] for place in used] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _row(figure: Figure) -> Iterator[str]:
    yield figure.what
    yield shown(figure.value, figure.unit)
    yield figure.beside
    yield shown(figure.beside_value, figure.unit)
    yield _part(figure.share)
    several = len(figure.runs) > 1
    yield f"{_part(min(figure.shares))}, {_part(max(figure.shares))}" if several else ""
    if figure.reach is None:
        yield ""
    else:
        asked = shown(figure.reach, figure.unit) if figure.exact else f"{figure.reach:.2f}"
        yield asked if figure.reached else f"**{asked}**"
    yield str(len(figure.runs)) if several else ""


def _part(share: float) -> str:
    """A share with two digits that say something."""
    return f"{share:.2f}" if share >= 0.1 else f"{share:.2g}"


def _table(table: Table) -> str:
    lines = [table.head, ("---",) * len(table.head), *table.rows]
    return f"**{table.title}**\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


_SECONDS = ((1, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def shown(value: float, unit: str) -> str:
    """A value in a size that reads well, with three digits; whole numbers whole."""
    if unit == "s":
        scale, unit = next(((scale, name) for scale, name in _SECONDS if value >= scale), _SECONDS[-1])
        value /= scale
    if float(value).is_integer() or value >= 100:
        return f"{value:,.0f} {unit}"
    return f"{value:.3g} {unit}"


# -- charts ----------------------------------------------------------------------------------------------------------


def drawn(chart: Chart, results: Results) -> str:
    """A chart as SVG, the same bytes for the same figures."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    with pyplot.rc_context(_PLOT):
        height = 1.2 + 0.32 * len(chart.bars) if isinstance(chart, Bars) else 3.6
        sheet, axes = pyplot.subplots(figsize=(8, height))
        (_bars if isinstance(chart, Bars) else _curves)(axes, chart, results)
        axes.set_title(chart.title, loc="left")
        out = io.StringIO()
        # A date would make every drawing another one; the creator names matplotlib's version.
        sheet.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
        pyplot.close(sheet)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _bars(axes, chart: Bars, results: Results) -> None:  # type: ignore[no-untyped-def]
    figures = [results.figure(key) for _, key in chart.bars]
    values = [figure.share if chart.of == "share" else figure.value for figure in figures]
    places = range(len(figures))
    colours = ["#c8553d" if figure.reached is False else "#2b6777" for figure in figures]
    axes.barh(places, values, color=colours, height=0.62)
    if chart.of == "share":
        for place, figure in zip(places, figures, strict=True):
            if len(figure.runs) > 1:
                axes.plot([min(figure.shares), max(figure.shares)], [place] * 2, color="#1b1b1b", linewidth=1.2)
            if figure.reach is not None:
                axes.plot([figure.reach] * 2, [place - 0.42, place + 0.42], color="#d9a441", linewidth=2.5)
        axes.axvline(1, color="#8a8a8a", linewidth=0.8, linestyle=":")
    elif chart.beside:
        marks = [figure.beside_value for figure in figures]
        axes.plot(marks, list(places), linestyle="", marker="|", markersize=12, color="#1b1b1b", label=chart.beside)
        axes.legend(frameon=False)
    axes.set_yticks(list(places), [label for label, _ in chart.bars])
    axes.invert_yaxis()
    axes.set_xlabel(chart.axis)
    axes.set_xlim(left=0)


def _curves(axes, chart: Curves, results: Results) -> None:  # type: ignore[no-untyped-def]
    ticks = sorted({number for _, points in chart.curves for number, _ in points})
    for label, points in chart.curves:
        figures = [results.figure(key) for _, key in points]
        values = [figure.share if chart.of == "share" else figure.value for figure in figures]
        axes.plot([number for number, _ in points], values, marker="o", label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel(chart.across)
    axes.set_ylabel(chart.axis)
    axes.legend(frameon=False)

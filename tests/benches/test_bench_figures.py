"""What `make bench` writes, and what `make bench-compare` says of it, from figures that were made up."""

from dataclasses import replace
from pathlib import Path

import pytest

from benches import compare, page
from benches.__main__ import main as bench
from benches.__main__ import merged
from benches.figures import Bars, Better, Curves, Figure, NotFigures, Results, Run, Section, Table


def figure(key: str = "made/seal", *, values: tuple[float, ...] = (2.0, 2.0, 2.0), **changes: object) -> Figure:
    """Seconds beside one second each."""
    made = Figure(key, "seal it", "s", "a bare hash", tuple(Run(value, 1.0) for value in values))
    return replace(made, **changes)


def results(*figures: Figure) -> Results:
    names = sorted({each.key.partition("/")[0] for each in figures})
    return Results(
        {
            name: Section(name, name.title(), "What it is.", tuple(f for f in figures if f.key.startswith(name + "/")))
            for name in names
        },
        dict.fromkeys(names, "2 cores"),
    )


def written(folder: Path, name: str, *figures: Figure) -> str:
    path = folder / name
    path.write_text(results(*figures).encode())
    return str(path)


# -- a figure --------------------------------------------------------------------------------------------------------


def test_share__of_seconds__is_how_much_of_the_speed_beside_it_is_reached() -> None:
    assert figure(values=(2.0, 4.0, 5.0)).shares == [0.5, 0.25, 0.2]
    assert figure(values=(2.0, 4.0, 5.0)).share == 0.25


def test_share__of_a_rate__is_part_of_the_rate_beside_it() -> None:
    rate = Figure("made/rate", "send", "a second", "bare", (Run(30, 60), Run(45, 60)), better=Better.MORE)

    assert rate.share == pytest.approx(0.625)


@pytest.mark.parametrize(
    ("made", "reached"),
    [
        (figure(reach=0.5), True),
        (figure(reach=0.51), False),
        (figure(), None),
        (figure(exact=True, values=(100,), reach=100), True),
        (figure(exact=True, values=(101,), reach=100), False),
    ],
    ids=["a share as asked", "a share below", "nothing asked", "a value as asked", "a value above"],
)
def test_reached__beside_what_is_asked__says_whether(made: Figure, reached: bool | None) -> None:
    assert made.reached is reached


def test_decode__what_was_encoded__is_the_same() -> None:
    section = Section(
        "made",
        "Made",
        "What it is.",
        (figure(reach=0.7), figure("made/gas", values=(21_000,), exact=True)),
        charts=(
            Bars("made", "Bars", "share", (("seal", "made/seal"),)),
            Curves("made-over", "Curves", "readers", "s", (("rotation", ((1, "made/seal"), (10, "made/gas"))),)),
        ),
        tables=(Table("Slowest", ("what", "s"), (("a", "1"),)),),
        skipped=("Kaia is not built: run 'make engine-kaia'.",),
        seconds=1.5,
    )
    kept = Results({"made": section}, {"made": "2 cores"})

    assert Results.decode(kept.encode()) == kept


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"machines": {}, "sections": {"made": {}}}', '{"machines": 1, "sections": {}}'],
    ids=["nothing", "a list", "an empty object", "a section without figures", "machines that are a number"],
)
def test_decode__something_else__is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(NotFigures, match=r"^base\.json holds no figures of 'make bench'\.$"):
        Results.decode(text, place="base.json")


@pytest.mark.parametrize("run", ["[0, 1]", "[1, -1]", "[1, NaN]", '["1", 1]', "[1]", "[true, 1]"])
def test_decode__a_run_that_is_no_measurement__is_refused(run: str) -> None:
    good = results(figure(values=(2.0,))).encode()
    text = good.replace("[2.0, 1.0]", run)
    assert text != good

    with pytest.raises(NotFigures):
        Results.decode(text)


# -- the page --------------------------------------------------------------------------------------------------------


def test_page__of_the_figures_kept__is_the_page_kept() -> None:
    kept = Results.load(page.FIGURES)

    made = page.pages(kept)

    # A chart's bytes depend on matplotlib's version, which is locked; its name and the page do not.
    assert {path.name for path in page.FOLDER.iterdir()} == {"figures.json", *made}
    assert (page.FOLDER / "README.md").read_text() == made["README.md"]


def test_page__of_the_same_figures__is_the_same_bytes() -> None:
    chart = Bars("made", "Bars", "share", (("seal", "made/seal"),))
    kept = results(figure(reach=0.7))
    kept = Results({"made": replace(kept.sections["made"], charts=(chart,))}, kept.machines)

    first, second = page.pages(kept), page.pages(kept)

    assert first == second
    assert set(first) == {"README.md", "made.svg"}


def test_page__where_something_is_not_reached__begins_with_it() -> None:
    made = page.page(results(figure(reach=0.7), figure("made/open", what="open it", reach=0.5)))

    begun, _, rest = made.partition("## Made")
    assert "## What is not reached" in begun
    assert "seal it" in begun
    assert "open it" not in begun
    assert "open it" in rest


def test_write__again_with_fewer_charts__removes_what_nothing_draws(tmp_path: Path) -> None:
    kept = results(figure())
    (tmp_path / "gone.svg").write_text("<svg/>")

    page.write(kept, tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "figures.json"]
    assert Results.load(tmp_path / "figures.json") == kept


def test_merged__one_section_measured_again__keeps_the_others_in_the_pages_order() -> None:
    kept, found = results(figure("gas/grant"), figure("sealing/seal")), results(figure("sealing/seal", values=(3.0,)))

    made = merged(kept, found)

    assert list(made.sections) == ["sealing", "gas"]
    assert made.figure("sealing/seal").value == 3.0


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0000012, "s", "1.2 µs"),
        (0.5, "s", "500 ms"),
        (61.234, "s", "61.2 s"),
        (1234.5, "a second", "1,234 a second"),
        (21_000, "gas", "21,000 gas"),
    ],
)
def test_shown__a_value__is_short(value: float, unit: str, text: str) -> None:
    assert page.shown(value, unit) == text


# -- comparing -------------------------------------------------------------------------------------------------------


def judged(base: Figure, new: Figure) -> str:
    change = compare.change_of(base, new)
    return "worse" if change.worse else "better" if change.better else "alike"


NOISY = (2.0, 2.3, 1.8, 2.1, 1.9)


@pytest.mark.parametrize(
    ("base", "new", "judgement"),
    [
        (figure(), figure(), "alike"),
        (figure(), figure(values=(2.05, 2.06, 2.04)), "alike"),
        (figure(), figure(values=(2.3, 2.3, 2.3)), "worse"),
        (figure(), figure(values=(1.7, 1.7, 1.7)), "better"),
        # The same fall is no news where runs are as far apart themselves, in either file.
        (figure(values=NOISY), figure(values=(2.2, 2.2, 2.2)), "alike"),
        (figure(), figure(values=(1.9, 2.2, 2.3)), "alike"),
        (figure(values=NOISY), figure(values=tuple(2 * value for value in NOISY)), "worse"),
        # One run of five that the machine slept through is left out.
        (figure(values=(2.0, 2.0, 2.0, 2.0, 9.0)), figure(values=(2.3, 2.3, 2.3)), "worse"),
    ],
    ids=["same", "a fortieth", "a seventh", "faster", "base noisy", "new noisy", "beyond noise", "one slept"],
)
def test_change__of_a_share__is_news_beyond_the_noise(base: Figure, new: Figure, judgement: str) -> None:
    assert judged(base, new) == judgement


def test_change__on_a_machine_twice_as_fast__is_none() -> None:
    fast = figure(runs=tuple(Run(1.0, 0.5) for _ in range(3)))

    assert judged(figure(), fast) == "alike"


@pytest.mark.parametrize(
    ("values", "judgement"), [((21_000,), "alike"), ((21_001,), "worse"), ((20_999,), "better")], ids=str
)
def test_change__of_gas__is_exact(values: tuple[int, ...], judgement: str) -> None:
    base = figure("gas/grant", values=(21_000,), exact=True)

    assert judged(base, replace(base, runs=tuple(Run(value, 1) for value in values))) == judgement


def test_compare__something_worse__names_it_and_ends_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = written(tmp_path, "base.json", figure(), figure("made/open", what="open it"), figure("made/gone"))
    new = written(tmp_path, "new.json", figure(values=(4.0,) * 3), figure("made/open", what="open it"))

    code = compare.main([base, new])

    assert code == 3
    assert capsys.readouterr().out.splitlines() == [
        "Worse:",
        "  made/seal: seal it: 0.5 of a bare hash before, 0.25 now: -50%, where runs differ by 5%.",
        "Only in the first:",
        "  made/gone",
        "2 figures compared: 1 worse, 0 better, 1 alike.",
    ]


def test_compare__nothing_worse__ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, new = (written(tmp_path, name, figure()) for name in ("base.json", "new.json"))

    assert compare.main([base, new]) == 0
    assert capsys.readouterr().out == "1 figures compared: 0 worse, 0 better, 1 alike.\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "base.json cannot be read: No such file or directory.\n"),
        (b"{}", "base.json holds no figures of 'make bench'.\n"),
        (b"\xff", "base.json cannot be read: it is no text.\n"),
    ],
    ids=["no file", "another JSON", "no text"],
)
def test_compare__bad_input__says_so_in_a_sentence_and_ends_with_2(
    content: bytes | None, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, new = tmp_path / "base.json", written(tmp_path, "new.json", figure())
    if content is not None:
        base.write_bytes(content)

    code = compare.main([str(base), new])

    told = capsys.readouterr()
    assert (code, told.out) == (2, "")
    assert told.err == f"{tmp_path}/{sentence}"


def test_compare__nothing_in_common__says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, new = written(tmp_path, "base.json", figure()), written(tmp_path, "new.json", figure("made/other"))

    assert compare.main([base, new]) == 2
    assert capsys.readouterr().err == f"{base} and {new} have no figure in common.\n"


# -- the command -----------------------------------------------------------------------------------------------------


def test_bench__a_section_that_there_is_not__says_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(["--only", "sealing,speed"]) == 2
    assert capsys.readouterr().err.startswith("There is no section 'speed'; there are sealing, ")

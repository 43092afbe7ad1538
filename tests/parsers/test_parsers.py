"""What takes bytes from strangers raises what it says, ends soon, takes little room, and reads one spelling.

A short run of what `make fuzz-parsers` does for as long as it is told (docs/parsers.md): every input that is kept, and
some changes of each that are the same at every run.
"""

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.changes import change, swapped
from fuzz.relayer import posted
from fuzz.targets import CORPUS, Target, all_targets
from fuzz.watch import fault_of, mistyped
from theriac.errors import BadDocument
from theriac.health.escrow import Share
from tools import fuzz_parsers
from tools.fuzz_parsers import fed_before, table

ROOT = Path(__file__).resolve().parents[2]
TARGETS = all_targets()

WITHOUT_A_WHOLE_ONE = {"record"}
"""Targets that no kept input satisfies: the content of a record would have to fit its manifest's digest."""

WITHOUT_SEEDS = {"dossier", "dossier-verified"}
"""A dossier is made by a chain that keeps a claim; its reader is fed from nothing."""


def _id(target: Target) -> str:
    return target.name


@pytest.mark.parametrize("target", TARGETS.values(), ids=_id)
def test_parser__what_is_kept__is_read_as_it_should(target: Target) -> None:
    assert [str(fault) for data in target.seeds() if (fault := fault_of(target, data))] == []


@pytest.mark.parametrize("target", TARGETS.values(), ids=_id)
def test_parser__some_of_what_is_kept__is_accepted(target: Target) -> None:
    # given that what is only refused teaches nothing about what lies behind the first check
    accepted = 0
    for data in target.seeds():
        try:
            target.read(data)
        except target.may:
            continue
        accepted += 1

    # then
    assert (accepted > 0) == (target.name not in WITHOUT_A_WHOLE_ONE | WITHOUT_SEEDS)


# A name for each target: Hypothesis shrinks what it draws, and draws the same at each run.
@pytest.mark.parametrize("target", TARGETS.values(), ids=_id)
def test_parser__what_is_kept_and_changed__is_read_as_it_should(target: Target) -> None:
    seeds = target.seeds() or [b"{}"]

    @settings(max_examples=6, derandomize=True, database=None)
    @given(st.sampled_from(seeds), st.integers(0, 2**32))
    def changed(data: bytes, number: int) -> None:
        draw = random.Random(number)
        assert fault_of(target, change(data, draw.randrange, seeds, target.words, 4096), memory=number % 4 == 0) is None

    changed()


@pytest.mark.parametrize("target", TARGETS.values(), ids=_id)
def test_parser__what_is_kept_with_another_value__is_read_as_it_should(target: Target) -> None:
    # given of each some of what a longer run feeds all of
    changed = [data for seed in target.seeds() if len(seed) < 4_000 for data in swapped(seed)]
    some = changed[:: max(1, len(changed) // 50)]

    # when, then
    assert [(data, str(fault)) for data in some if (fault := fault_of(target, data, memory=False))] == []


# -- the fuzzing itself ------------------------------------------------------------------------------------------------


def _target(read: object, **options: object) -> Target:
    return Target(name="made up", entry="tests:made_up", read=read, may=(BadDocument,), **options)  # type: ignore[arg-type]


def _forever(data: bytes) -> None:
    while True:
        pass


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        pytest.param(_target(lambda data: {}["missing"]), "KeyError", id="another error"),
        pytest.param(_target(_forever, seconds=0.2), "hang", id="no end"),
        pytest.param(_target(lambda data: len(bytes(64 << 20))), "memory", id="much room"),
        pytest.param(
            _target(lambda data: data[:1], write=lambda read: read), "accepted in another spelling", id="spelling"
        ),
        pytest.param(
            _target(lambda data: Share("a", "1", 1, "", "", False)),  # type: ignore[arg-type]
            "a value of another type",
            id="type",
        ),
    ],
)
def test_fault_of__what_is_wrong__is_said(target: Target, kind: str) -> None:
    fault = fault_of(target, b"input")

    assert fault is not None
    assert fault.kind == kind


@pytest.mark.parametrize(
    "called",
    [
        pytest.param("changes._json(data, lambda below: 0, [])", id="a change"),
        pytest.param("targets.told(data, 'reader')", id="a field of the input"),
    ],
)
def test_fuzzing__deep_nesting_in_an_input__does_not_end_the_process(called: str) -> None:
    # given what a library that embeds a chain does to the limit, and an input that a fuzzer comes to by itself
    script = "import sys; from fuzz import changes, targets; sys.setrecursionlimit(10**7); data = b'[' * 10**6;"

    done = subprocess.run([sys.executable, "-c", script + called], cwd=ROOT, capture_output=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("data", [b"{}", b"GET /v1/relayer HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /v1/groups/00\r\n\r\n"])
def test_posted__an_answer_that_the_protocol_has_not__is_a_fault(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    posted(data)

    # when no status is one of the protocol's
    monkeypatch.setattr("fuzz.relayer.ANSWERS", ())

    # then
    with pytest.raises(AssertionError, match="the relayer answers"):
        posted(data)


def test_fault_of__an_error_that_may_be__is_none() -> None:
    def refusing(data: bytes) -> None:
        raise BadDocument(kind="any", fault="it is none")

    assert fault_of(_target(refusing), b"input") is None


def test_mistyped__what_is_of_its_types__is_none() -> None:
    assert mistyped(Share("a", 1, 1, "", "", False)) == ""


def test_corpus__is_small_and_of_targets_alone() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]

    assert sum(path.stat().st_size for path in files) < 1 << 20
    assert {path.parent.name for path in files} <= set(TARGETS)


def test_swapped__each_value_in_turn_is_another_and_all_else_stays() -> None:
    # given
    data = b'{"a":[1,"x"],"b":{}}'

    # when
    found = list(swapped(data))

    # then
    assert {
        b'{"a":[1,"x"]}',
        b'{"a":[1],"b":{}}',
        b'{"a":["x"],"b":{}}',
        b'{"a":[true,"x"],"b":{}}',
        b'{"a":[1,7],"b":{}}',
        b'{"a":[1,"x"],"b":{"more":7}}',
        b'{"a":[1,"x"],"b":{},"more":7}',
        b'{"a":"7","b":{}}',
    } <= set(found)
    assert len({data, *found}) == len(found) + 1
    assert list(swapped(b"no JSON")) == []
    assert list(swapped(b"[1]\n[2]"))[-1] == b"[1]\n[]"


@pytest.mark.parametrize(
    ("told", "is_done"),
    [
        pytest.param({"executions": 7, "seconds": 60.2, "faults": ["one"]}, True, id="to its end"),
        pytest.param({"executions": 7, "seconds": 12.0, "faults": ["one"]}, False, id="broken off"),
        pytest.param({"executions": 7, "seconds": 60.2, "faults": [], "ended": -9}, False, id="killed"),
        pytest.param({"executions": 7}, False, id="half a report"),
    ],
)
def test_fed_before__only_what_was_fed_to_the_end__is_not_fed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: dict[str, object], is_done: bool
) -> None:
    monkeypatch.setattr(fuzz_parsers, "FOLDER", tmp_path)
    target = _target(len)
    assert fed_before(target, seconds=60) is None

    (tmp_path / target.name).mkdir()
    (tmp_path / target.name / "report.json").write_text(json.dumps(told))

    found = fed_before(target, seconds=60)
    assert (found is not None) == is_done
    assert found is None or (found.executions, found.faults) == (7, ("one",))


def test_page__lists_every_entry_point_as_it_is() -> None:
    page = (ROOT / "docs" / "parsers.md").read_text(encoding="utf-8")

    assert re.search(r"<!-- table -->\n\n(.*?)\n<!-- end -->", page, re.DOTALL)[1] == table()  # type: ignore[index]

"""What `make prove` calls proven is proven, each proof is of a property and can fail, and the page lists them all."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools import check_properties, prove

ROOT = Path(__file__).resolve().parents[2]
CHECK = prove.Check("Slots.t.sol", "SlotProofs", "check_it", ("D1",), "", slow=False)


@pytest.fixture(scope="module")
def checks() -> list[prove.Check]:
    return list(prove.checks(ROOT))


def report(**changes: Any) -> dict[str, Any]:
    """What halmos writes of a check that is proven, but for some of it."""
    result = {
        "name": "check_it(uint256)",
        "exitcode": 0,
        "num_models": 0,
        "models": [],
        "num_paths": [7, 3, 0],
        "time": [1.5, 1.0, 0.5],
        "num_bounded_loops": 0,
    }
    return {"exitcode": 0, "test_results": {"proof/symbolic/Slots.t.sol:SlotProofs": [result | changes]}}


def test_outcome__of_what_is_proven__has_its_paths_and_seconds() -> None:
    assert prove.outcome_of(report(), CHECK) == prove.Outcome(prove.PROVEN, 7, 1.5)


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({"exitcode": 1}, "broken"),
        ({"exitcode": 2}, "out of time"),
        ({"exitcode": 3}, "not followed to its end"),
        ({"exitcode": 4}, "met by nothing"),
        ({"exitcode": 5}, "the solver failed"),
        ({"exitcode": 127}, "not run"),
        ({"num_bounded_loops": 1}, "cut off in a loop"),
        ({"num_bounded_loops": None}, "cut off in a loop"),
        ({"name": "check_it_too(uint256)"}, "not run"),
    ],
)
def test_outcome__of_all_else__is_no_proof(changes: dict[str, Any], result: str) -> None:
    assert prove.outcome_of(report(**changes), CHECK).result == result


def test_outcome__without_a_report__is_no_proof() -> None:
    assert prove.outcome_of({}, CHECK).result == "not run"


def test_checks_of__a_file__have_their_numbers_and_bounds() -> None:
    text = """
/// @custom:takes minutes
contract SomeProofs {
    // property D1
    // properties D2, M14
    /// @dev Bound: lists of three
    /// @custom:halmos --solver z3
    function check_one(uint256 word) external pure {}

    function check_other(
        uint256 word
    ) external pure {}
}
"""

    assert list(prove.checks_of(text, "Some.t.sol")) == [
        prove.Check("Some.t.sol", "SomeProofs", "check_one", ("D1", "D2", "M14"), "lists of three", slow=True),
        prove.Check("Some.t.sol", "SomeProofs", "check_other", (), "", slow=True),
    ]


def test_checks__each_is_of_a_property_that_there_is_and_has_a_name_of_its_own(checks: list[prove.Check]) -> None:
    there = set(check_properties.numbers((ROOT / check_properties.PAGE).read_text(encoding="utf-8")))

    assert len(checks) >= 60
    assert [each.name for each in checks if not each.properties or not set(each.properties) <= there] == []
    assert len({each.name for each in checks}) == len(checks)


def test_planted__each_check_has_a_fault_to_find(checks: list[prove.Check]) -> None:
    named = {name for fault in prove.faults(ROOT) for name in fault.checks}

    assert named == {each.name for each in checks}


def test_planted__each_fault_has_one_place() -> None:
    for fault in prove.faults(ROOT):
        text = (ROOT / fault.file).read_text(encoding="utf-8")

        assert prove.planted(text, fault) != text


@pytest.mark.parametrize("text", ["nothing of it", "a fault and a fault"])
def test_planted__a_fault_with_no_place_or_two__is_refused(text: str) -> None:
    with pytest.raises(prove.CannotProve, match=r"A\.sol has [02] places for the fault 'a fault'; it needs one"):
        prove.planted(text, prove.Fault("A.sol", "a fault", "another", ("check_it",)))


def test_page__keeps_the_rows_of_what_was_not_run_and_of_nothing_that_is_gone() -> None:
    other, gone = (prove.Check("Slots.t.sol", "SlotProofs", f"check_{name}", ("D1",), "", slow=False) for name in "ab")
    begin, end = "<!-- proven -->\n", "<!-- /proven -->\n"
    text = prove.page(
        f"# Proofs\n{begin}{end}the end\n",
        [other, gone],
        [(other, prove.Outcome("broken")), (gone, prove.Outcome("proven"))],
    )

    found = prove.page(text, [CHECK, other], [(CHECK, prove.Outcome("proven", 1234, 5.67))])

    assert found == (
        "# Proofs\n<!-- proven -->\n\n"
        "| property | what was shown | result | paths | seconds | for |\n|---|---|---|---:|---:|---|\n"
        "| D1 | `SlotProofs.check_it` | proven | 1,234 | 5.7 | all inputs |\n"
        "| D1 | `SlotProofs.check_a` | broken | 0 | 0.0 | all inputs |\n"
        "\n<!-- /proven -->\nthe end\n"
    )


def test_page__lists_every_check_and_each_as_proven(checks: list[prove.Check]) -> None:
    text = (ROOT / prove.PAGE).read_text(encoding="utf-8")

    rows = re.findall(r"^\| ([A-Z0-9, ]+) \| `(\w+)\.(\w+)` \| ([a-z ]+) \| [0-9,]+ \| [0-9.]+ \| (.+) \|$", text, re.M)
    assert rows == [
        (", ".join(each.properties), each.contract, each.name, prove.PROVEN, each.bound or "all inputs")
        for each in checks
    ]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--only", "no_such_check"], 1, "No check is named so"),
        (["--write", "--planted"], 2, "--write is for what is proven"),
    ],
)
def test_prove__asked_for_what_there_is_not__says_so(words: list[str], code: int, told: str) -> None:
    said = subprocess.run([sys.executable, "-m", "tools.prove", *words], cwd=ROOT, capture_output=True, text=True)

    assert (said.returncode, told in said.stderr, "Traceback" in said.stderr) == (code, True, False)

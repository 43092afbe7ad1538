"""What is put into the contracts is one fault at a time, and whether a test notices it is told truly."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tools import contracts, mutants
from tools.mutants import Mutant, Sources
from tools.mutate_contracts import (
    PAGE,
    SURVIVORS,
    VERDICTS,
    Campaign,
    Compiler,
    Measured,
    Runner,
    Survivor,
    choose_tests,
    counts,
    founded,
    interval,
    kept,
    main,
    page,
    places,
    sample,
)

ROOT = Path(__file__).resolve().parents[2]

SOURCE = """// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

uint256 constant MOST = 7;

contract Till {
    error TooMuch(uint256 amount);
    event Paid(uint256 amount);

    uint256 private _paid;

    modifier once() {
        if (_paid != 0) revert TooMuch(_paid);
        _;
    }

    function pay(uint256 amount) external once {
        _check(amount);
        _paid += amount;
        emit Paid(amount);
    }

    function half(bool up) external view returns (uint256) {
        return up ? _paid : _paid / 2;
    }

    function _check(uint256 amount) private pure {
        if (amount > MOST || amount == 0) revert TooMuch(amount);
    }
}
"""


@pytest.fixture(scope="module")
def till() -> Sources:
    """One contract that has something of every kind."""
    path = "contracts/Till.sol"
    asked = contracts.standard_input() | {"sources": {path: {"content": SOURCE}}}
    asked["settings"]["outputSelection"] = {"*": {"": ["ast"]}}
    output = contracts.run_compiler(contracts.compiler_path(contracts.compiler_version()), asked)
    return Sources({path: SOURCE}, {path: output["sources"][path]["ast"]})


@pytest.fixture(scope="module")
def sources() -> Sources:
    return mutants.read_sources()


@pytest.fixture(scope="module")
def compiler(sources: Sources) -> Iterator[Compiler]:
    with closing(Compiler(sources)) as compiler:
        yield compiler


def test_mutants__are_every_change_of_one_place(till: Sources) -> None:
    found = {(each.function, each.kind, each.old, each.new) for each in mutants.mutants(till)}

    assert found == {
        ("MOST", "number", "7", "8"),
        ("MOST", "number", "7", "6"),
        ("Till.once", "condition", "_paid != 0", "false"),
        ("Till.once", "comparison", "!=", "=="),
        ("Till.once", "number", "0", "1"),
        ("Till.pay", "modifier", "once", ""),
        ("Till.pay", "statement", "_check(amount);", "{}"),
        ("Till.pay", "statement", "_paid += amount;", "{}"),
        ("Till.pay", "arithmetic", "+=", "-="),
        ("Till.pay", "event", "emit Paid(amount);", "{}"),
        ("Till.half", "condition", "_paid : _paid / 2", "_paid / 2 : _paid"),
        ("Till.half", "arithmetic", "/", "*"),
        ("Till.half", "number", "2", "3"),
        ("Till.half", "number", "2", "1"),
        ("Till._check", "condition", "amount > MOST || amount == 0", "false"),
        ("Till._check", "logic", "||", "&&"),
        ("Till._check", "comparison", ">", ">="),
        ("Till._check", "comparison", ">", "<="),
        ("Till._check", "comparison", "==", "!="),
        ("Till._check", "number", "0", "1"),
    }


def test_reaching__names_the_functions_that_lead_to_a_check(till: Sources) -> None:
    check = next(each for each in mutants.mutants(till) if each.function == "Till._check")
    most = next(each for each in mutants.mutants(till) if each.function == "MOST")
    names = {node["functionSelector"]: node["name"] for node in till.by_id.values() if "functionSelector" in node}

    reached_by = {names[selector]: over for selector, over in till.reaching(check.function_id).items()}

    assert (check.words, reached_by) == (("TooMuch",), {"pay": 1})
    assert {names[selector] for selector in till.reaching(most.function_id)} == {"pay"}


def test_chosen_tests__reach_the_fault_and_those_that_name_its_error_come_first() -> None:
    mutant = Mutant("contracts/Till.sol", 0, "", "", "condition", "Till._check", 1, ("TooMuch",))

    def test(name: str, work: float, calls: str, *words: str) -> Measured:
        return Measured(f"tests/contracts/{name}.py::test", work, frozenset(calls), frozenset(words))

    near, far = test("till/test_near", 0.1, "a"), test("till/test_far", 0.1, "b")
    slow, named = test("till/test_slow", 9.0, "a"), test("other/test_named", 1.0, "b", "TooMuch")
    other = test("till/test_other", 0.1, "c")

    chosen = choose_tests(mutant, ["Till"], {"a": 0, "b": 3}, [slow, far, other, named, near], budget=5)

    assert chosen == [named, near, far]


def test_sample__of_fewer_is_the_beginning_of_one_of_more_and_takes_from_every_part() -> None:
    found = [
        Mutant(f"contracts/{part}.sol", start, "1", "2", "number", part, 1)
        for part, size in (("Large", 300), ("Small", 30))
        for start in range(size)
    ]

    more, fewer = sample(found, 110, seed=1), sample(found, 33, seed=1)

    assert fewer == more[:33]
    assert sum(each.path == "contracts/Small.sol" for each in fewer) == 3
    assert sample(found, 33, seed=2) != fewer
    assert sorted(sample(found, 330, seed=1)) == sorted(found)


@pytest.mark.parametrize(
    ("killed", "counted", "low", "high"),
    # From the formula, by hand: with none of ten missed, 1 / (1 + 1.96² / 10); of no measurement nothing is known.
    [(10, 10, 0.7225, 1.0), (0, 10, 0.0, 0.2775), (50, 100, 0.4038, 0.5962), (0, 0, 0.0, 1.0)],
)
def test_interval__is_wilsons(killed: int, counted: int, low: float, high: float) -> None:
    assert interval(killed, counted) == pytest.approx((low, high), abs=5e-5)


def test_places__tell_the_same_change_in_one_function_apart__and_stay_where_lines_come_above() -> None:
    def found(function: str, *starts: int) -> list[Mutant]:
        return [Mutant("contracts/Till.sol", start, "0", "1", "number", f"Till.{function}", 1) for start in starts]

    now, later = (
        places([*found("pay", 30, 20), *found("half", 50)]),
        places([*found("pay", 31, 21), *found("half", 52)]),
    )

    assert now["contracts/Till.sol", 20, "0", "1"] == ("contracts/Till.sol", "Till.pay", "0", "1", 1)
    assert now["contracts/Till.sol", 30, "0", "1"] == ("contracts/Till.sol", "Till.pay", "0", "1", 2)
    assert sorted(now.values()) == sorted(later.values())


def test_counts__a_reason_is_for_one_fault_and_only_of_what_was_drawn() -> None:
    # given
    path = "contracts/Till.sol"
    starts = range(10, 60, 10)
    campaign = SimpleNamespace(all=[Mutant(path, start, "0", "1", "number", "Till.pay", 1) for start in starts])
    outcomes = ["survived", "survived", "killed", "killed"]
    known = [
        {"path": path, "start": start, "old": "0", "new": "1", "outcome": outcome}
        for start, outcome in zip(starts, outcomes, strict=False)
    ]
    verdicts = {1: "same", 3: "test", 5: "test"}
    survivors = [Survivor(path, "Till.pay", "0", "1", verdict, "", which) for which, verdict in verdicts.items()]

    # when
    (till,) = counts(cast(Campaign, campaign), known, survivors)

    # then
    assert (till.all, till.killed, till.survived, till.same, till.tested) == (5, 2, 2, 1, 1)


def letters(sources: Sources, old: str, new: str) -> dict[str, str]:
    path = "contracts/health/Letters.sol"
    assert sources.texts[path].count(old) == 1
    return {path: sources.texts[path].replace(old, new)}


def test_code__of_a_change_that_changes_nothing__is_the_same(sources: Sources, compiler: Compiler) -> None:
    original = compiler.codes(["Letters"], {})
    same = compiler.codes(["Letters"], letters(sources, "contract Letters", "/* the same */ contract Letters"))
    wrong = compiler.codes(["Letters"], letters(sources, "contract Letters", "contract contract Letters"))

    assert original
    assert same
    assert same["Letters"].plain == original["Letters"].plain
    assert same["Letters"].runtime != original["Letters"].runtime
    assert wrong is None


def test_planted_fault__is_noticed_and_a_contract_without_one_passes(sources: Sources, compiler: Compiler) -> None:
    # given
    folder = "tests/contracts/letters"
    tests = [f"{folder}/test_letters_send.py::test_send__a_direct_letter_is_not_counted"]
    tests.append(f"{folder}/test_letters_send.py::test_send_many__one_that_is_empty__refuses_all")
    original = compiler.codes(["Letters"], {})
    faulty = compiler.codes(["Letters"], letters(sources, "to == address(0) ||", "to == address(0) &&"))
    assert original
    assert faulty

    def job(code: dict) -> dict:
        of = original["Letters"]
        swapped = {"creation": code["Letters"].creation, "runtime": code["Letters"].runtime}
        swapped |= {"places": of.places, "faulty_places": code["Letters"].places}
        return {"id": 0, "contracts": {"Letters": swapped}, "tests": tests, "timeout": 300}

    # when
    with closing(Runner(tests=[folder])) as runner:
        outcomes = [runner.outcome(job(code)) for code in (original, faulty, original)]

    # then
    assert [each["outcome"] for each in outcomes] == ["survived", "killed", "survived"]
    assert outcomes[1]["by"] == tests[1]
    assert founded(job(faulty)) == {"outcome": "killed", "by": tests[1], "founded": True}


def test_page__is_what_was_kept_and_each_survivor_has_a_reason() -> None:
    text = (ROOT / SURVIVORS).read_text(encoding="utf-8")

    assert (ROOT / PAGE).read_text(encoding="utf-8") == page(text), "make mutants ARGS=--write writes it anew"
    assert [each.place for each in kept(text)[2] if each.verdict not in VERDICTS or not each.why.endswith(".")] == []


@pytest.mark.parametrize("part", ["3/2", "0/1", "half"])
def test_part__that_is_none__is_refused_in_a_sentence(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--part", part])

    assert ended.value.code == 2
    assert f"'{part}' is no part such as 1/2" in capsys.readouterr().err

"""Each sentence of docs/properties.md has a test, and the check that says so finds what it is for."""

from pathlib import Path

import pytest

from tools import check_properties

PAGE = """# Properties

| | chapter | how many | about |
|---|---|---|---|
| H | [Reading](#reading) | 2 | who |
| M | [Packs](#packs) | 1 | where |

## Reading

- **H1** A reader reads.
- **H2** Nobody else does, as [H1] says
  - **H3** is no number here.

## Packs

- **M1** A pack lies somewhere.
"""

HELD = """
from helpers import holds


# property H1
@mark.parametrize("x", [1])
def test_read__by_a_reader(x):
    assert x


def test_read__by_others():
    # property H2: nobody
    with raises(ValueError):
        read()
    holds()
"""

HELPER = """
def holds():
    # property M1
    assert places()
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A page of three sentences, each with a test, one of them in what a test imports."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "tests" / "health").mkdir(parents=True)
    (tmp_path / "docs" / "properties.md").write_text(PAGE, encoding="utf-8")
    (tmp_path / "tests" / "health" / "test_reading.py").write_text(HELD, encoding="utf-8")
    (tmp_path / "tests" / "helpers.py").write_text(HELPER, encoding="utf-8")
    return tmp_path


def changed(root: Path, path: str, old: str, new: str) -> list[str]:
    """What is complained of once some words of a file are others."""
    file = root / path
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    return check_properties.complaints(root)


def test_properties__of_this_repository__each_has_a_test() -> None:
    assert check_properties.complaints(check_properties.ROOT) == []


def test_properties__are_many() -> None:
    page = (check_properties.ROOT / check_properties.PAGE).read_text(encoding="utf-8")

    assert len(set(check_properties.numbers(page))) > 200
    assert f": {len(check_properties.numbers(page))} of them." in page


def test_complaints__all_held__there_are_none(root: Path) -> None:
    assert check_properties.complaints(root) == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("- **M1** A", "- **M1** A\n- **M2** B", "the table has 1 of M, the page 2."),
        ("| 2 | who |", "| 3 | who |", "the table has 3 of H, the page 2."),
        ("| M | [Packs](#packs) | 1 | where |\n", "", "the table has none of M, the page 1."),
        ("- **H2** Nobody", "- **H1** Nobody", "H1 is given 2 times."),
        ("- **H2** Nobody", "- **H4** Nobody", "the numbers of H are not H1 to H2 in this order."),
        ("- **M1** A", "- **M1** A\n- **Mx** B", "Mx is no number: one capital letter, then digits."),
    ],
)
def test_complaints__of_the_page__are_named(root: Path, old: str, new: str, complaint: str) -> None:
    assert f"docs/properties.md: {complaint}" in changed(root, "docs/properties.md", old, new)


def test_complaints__a_number_without_a_test__is_named(root: Path) -> None:
    found = changed(root, "tests/health/test_reading.py", "# property H1\n", "")

    assert found == ["docs/properties.md: H1 has no test."]


def test_complaints__a_mark_of_no_number__is_named(root: Path) -> None:
    found = changed(root, "tests/health/test_reading.py", "# property H1\n", "# properties H1, Q7\n")

    assert found == ["tests/health/test_reading.py:5: docs/properties.md has no Q7."]


@pytest.mark.parametrize(
    ("path", "old", "new", "fault"),
    [
        ("tests/health/test_reading.py", "    assert x\n", "    print(x)\n", "test_read__by_a_reader asserts nothing"),
        ("tests/health/test_reading.py", "def test_read__by_a", "def rest_read__by_a", ""),
        ("tests/health/test_reading.py", "# property H1\n", "# property H1\n\n", "it belongs to no function"),
        ("tests/health/test_reading.py", "mark.parametrize", "mark.heavy", "CI leaves this test out"),
        ("tests/health/test_reading.py", "mark.parametrize", "mark.skip", "CI leaves this test out"),
        (
            "tests/health/test_reading.py",
            "from helpers import holds\n",
            "pytestmark = mark.heavy\n",
            "CI leaves this test out",
        ),
        ("tests/health/test_reading.py", "from helpers import holds\n", "", "no test runs it"),
        ("tests/helpers.py", "assert places()", "places()", "holds asserts nothing"),
    ],
)
def test_complaints__a_mark_that_no_test_backs__counts_for_nothing(
    root: Path, path: str, old: str, new: str, fault: str
) -> None:
    found = changed(root, path, old, new)

    assert any(f"counts for nothing here: {fault}." in each for each in found) == bool(fault)
    # A function with a decorator is a fixture or a rule, and may be run by others: it is left alone.
    assert any("has no test." in each for each in found) == bool(fault)


@pytest.mark.parametrize(
    "mark",
    [
        "# Property H1",
        "# property H1, H2",
        "# properties H1 to H2",
        "# property: H1",
        "# then: property H1",
        "# property H1 is held",
    ],
)
def test_complaints__a_mark_that_would_not_be_read__is_named(root: Path, mark: str) -> None:
    found = changed(root, "tests/health/test_reading.py", "# property H1\n", f"{mark}\n")

    assert "tests/health/test_reading.py:5: write it as `# property M3` or `# properties M3, M4`." in found


@pytest.mark.parametrize("words", ["H1. A reader reads.", "H1, H2: both.", "H1 to H2: both."])
def test_complaints__a_number_in_a_docstring__is_named(root: Path, words: str) -> None:
    found = changed(root, "tests/health/test_reading.py", "    assert x\n", f'    """{words}"""\n    assert x\n')

    assert len(found) == 1
    assert "stands in a docstring" in found[0]


def test_marks__in_solidity_and_javascript__count(root: Path) -> None:
    (root / "contracts" / "test").mkdir(parents=True)
    (root / "contracts" / "test" / "Lives.t.sol").write_text(
        "contract Lives {\n    // property M1\n    function invariant_one() public {}\n}\n", encoding="utf-8"
    )
    (root / "tests" / "page.mjs").write_text("// property H2: x\ncheck();\n", encoding="utf-8")

    found, faults = check_properties.marks(root)

    assert faults == []
    assert {(each.number, each.path, each.fault) for each in found} >= {
        ("M1", "contracts/test/Lives.t.sol", ""),
        ("H2", "tests/page.mjs", ""),
    }


def test_list__names_the_tests_of_a_number(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["check_properties", "--list", "K1"])

    check_properties.main()

    assert "tests/contracts/keys/test_keys_publish.py:test_publish__versions_grow_by_one" in capsys.readouterr().out


def test_list__of_a_number_that_there_is_not__says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["check_properties", "--list", "K99"])

    with pytest.raises(SystemExit, match=r"docs/properties.md has no K99\."):
        check_properties.main()


HANDLER = """
contract Lives is Handler {
    function live(uint256 seed) external acting {
        // property H1: it lives
        _must(seed != 0, "H1");
    }

    function rest(uint256 seed)
        external
        acting
    {
        // property H2
        ++seed;
    }

    /// property M1
    function property_M1_it_lies_somewhere() external view looking returns (bool) {
        return true;
    }

    // property M1
    function _helper() private {}
}
"""


def _with_handler(root: Path, invariants: str) -> list[tuple[str, int, str, str]]:
    (root / "proof" / "handlers").mkdir(parents=True)
    (root / "proof" / "handlers" / "LivesHandler.sol").write_text(HANDLER, encoding="utf-8")
    (root / "proof" / "Invariants.t.sol").write_text(invariants, encoding="utf-8")
    found, _ = check_properties.marks(root)
    return [(each.number, each.line, each.function, each.fault) for each in found if each.path.startswith("proof")]


def test_marks__in_a_handler_that_is_fuzzed__are_those_of_properties_and_of_what_judges(root: Path) -> None:
    # when
    found = _with_handler(root, "_add(type(LivesHandler).name, world);")

    # then
    assert found == [
        ("H1", 4, "live", ""),
        ("H2", 12, "rest", "rest judges nothing"),
        ("M1", 16, "property_M1_it_lies_somewhere", ""),
        ("M1", 21, "_helper", "_helper judges nothing"),
    ]


def test_marks__in_a_handler_that_no_fuzzer_plays__count_for_nothing(root: Path) -> None:
    # when
    found = _with_handler(root, "_add(type(OthersHandler).name, world);")

    # then
    assert {fault for *_, fault in found} == {"no fuzzer plays this handler"}

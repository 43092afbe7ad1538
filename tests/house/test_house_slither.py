"""What slither finds in the contracts is explained, finding by finding, and nothing else is."""

import json
from pathlib import Path
from typing import Any

import pytest

from tools import check_slither
from tools.check_slither import Finding, Reason

ROOT = Path(__file__).resolve().parents[2]

FINDING = Finding("timestamp", "Grants._grant", ("terms.expiry <= block.timestamp",))
REASON = Reason("timestamp", "Whoever makes a block can shift its time by seconds.", (FINDING,))


def element(kind: str, name: str, parent: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": kind, "name": name, "type_specific_fields": {"parent": parent} if parent else {}}


def report(*findings: tuple[str, list[dict[str, Any]]]) -> dict[str, Any]:
    detectors = [{"check": name, "elements": named, "description": "told"} for name, named in findings]
    return {"success": True, "results": {"detectors": detectors}}


def test_finding__is_known_by_what_it_names_and_not_by_its_line() -> None:
    function = element("function", "_grant", element("contract", "Grants"))
    comparison = element("node", "terms.expiry <= block.timestamp", function)
    # Two ways lead to the same comparison.
    said = report(("timestamp", [function, comparison]), ("timestamp", [function, comparison, comparison]))

    found = check_slither.parse_findings(said)

    assert found == [FINDING]


def test_finding__of_a_variable__names_its_function_and_contract() -> None:
    function = element("function", "_undo", element("contract", "Claims"))

    found = check_slither.parse_findings(report(("uninitialized-local", [element("variable", "query", function)])))

    assert found == [Finding("uninitialized-local", "Claims._undo.query")]


def test_findings__each_explained_once__pass() -> None:
    assert list(check_slither.complaints([FINDING], [REASON])) == []


@pytest.mark.parametrize(
    ("found", "reasons", "complaint"),
    [
        ([FINDING], [], "proof/slither.json does not explain timestamp in Grants._grant"),
        ([], [REASON], "proof/slither.json explains what slither does not find: timestamp in Grants._grant"),
        ([FINDING], [REASON, REASON], "proof/slither.json explains twice timestamp in Grants._grant"),
        (
            [Finding("timestamp", "Grants._grant", ("terms.start < terms.expiry",))],
            [REASON],
            "proof/slither.json does not explain timestamp in Grants._grant\n    terms.start < terms.expiry",
        ),
        (
            [FINDING],
            [Reason("timestamp", "later", (FINDING,))],
            "proof/slither.json has an explanation of timestamp that is no sentence",
        ),
    ],
)
def test_finding__and_its_reason__have_to_match(found: list[Finding], reasons: list[Reason], complaint: str) -> None:
    complaints = list(check_slither.complaints(found, reasons))

    assert complaints[0].startswith(complaint)


def test_comment__that_silences_a_detector__fails(tmp_path: Path) -> None:
    silent = tmp_path / "Silent.sol"
    silent.write_text("// slither-disable-next-line timestamp\n", encoding="utf-8")

    assert list(check_slither.silenced([silent])) == [
        f"{silent} silences slither by a comment; say why in proof/slither.json."
    ]


def test_slither__that_is_not_installed__says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(check_slither.Unusable, match="run 'make provers'"):
        check_slither.run_slither(tmp_path)


def test_page__is_what_the_reasons_say() -> None:
    reasons = check_slither.parse_reasons((ROOT / check_slither.REASONS).read_text(encoding="utf-8"))

    assert (ROOT / check_slither.PAGE).read_text(encoding="utf-8") == check_slither.page(reasons)


@pytest.mark.engine
@pytest.mark.skipif(not (ROOT / check_slither.SLITHER).exists(), reason="needs slither: run 'make provers'")
def test_slither__finds_what_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    check_slither.main([])

    count = sum(len(each["where"]) for each in json.loads((ROOT / check_slither.REASONS).read_text(encoding="utf-8")))
    assert capsys.readouterr().out == (
        f"slither finds {count} things in the contracts, and each is explained in proof/slither.json.\n"
    )

"""Runs slither over the contracts and holds what it finds against proof/slither.json: `python -m tools.check_slither`.

Each finding has a reason in that file, found by the detector, by the function or variable it is about, and by the
expressions it names, never by a line. A finding without a reason fails, and so does a reason without a finding.
`--write` writes docs/static-analysis.md anew, and without it the page has to be what would be written.

The contracts are read as the compiler reads them, from `ape-config.yaml`'s settings; those that only tests deploy and
OpenZeppelin's are left out. No comment in a source can silence a detector: one that tries fails the check.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import contracts
from tools.check_contracts import TEST_FOLDER
from tools.contracts import ROOT

SLITHER = Path(".venv-proof") / "bin" / "slither"
REASONS = Path("proof") / "slither.json"
PAGE = Path("docs") / "static-analysis.md"

HEAD = """# Static analysis

<!-- Written by `make slither ARGS=--write`. -->

[slither](https://github.com/crytic/slither) reads the contracts and looks for patterns that were holes elsewhere.
`make slither` runs all of its detectors over `contracts/`, without the contracts that only tests deploy. What was found
and was right is mended. For the rest a person has said why it is no fault, in `proof/slither.json`: a finding that is
not explained there fails the check, and so does an explanation that no longer matches a finding. Explanations name
functions and expressions, so that a finding in the same function that is about something else has none.

A pattern is no proof. What must hold is said in [properties.md](properties.md), and tested.
"""


@dataclass(frozen=True, order=True)
class Finding:
    """What slither says, without the lines: the detector, what it is about, and the expressions it names."""

    detector: str
    place: str
    expressions: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.detector} in {self.place}" + "".join(f"\n    {each}" for each in self.expressions)


@dataclass(frozen=True)
class Reason:
    """Why some findings of one detector are no faults."""

    detector: str
    why: str
    findings: tuple[Finding, ...]


class Unusable(Exception):
    """What keeps the check from being made, in a sentence."""


def parse_findings(report: dict[str, Any]) -> list[Finding]:
    """The findings of slither's JSON report. One that differs from another in nothing but the way there is the same."""
    found = {
        Finding(
            detector=each["check"],
            place=_name(each["elements"][0]) if each["elements"] else each["description"].strip(),
            expressions=tuple(sorted({one["name"] for one in each["elements"][1:] if one["type"] == "node"} - {""})),
        )
        for each in report["results"].get("detectors", [])
    }
    return sorted(found)


def _name(element: dict[str, Any]) -> str:
    """`Contract.function`, or `Contract.function.variable`."""
    parent = element.get("type_specific_fields", {}).get("parent")
    own = str(element["name"])
    return f"{_name(parent)}.{own}" if parent and parent["type"] in ("contract", "function", "struct") else own


def parse_reasons(text: str) -> list[Reason]:
    """The explanations in proof/slither.json."""
    reasons = []
    for each in json.loads(text):
        findings = (Finding(each["detector"], place, tuple(sorted(named))) for place, *named in each["where"])
        reasons.append(Reason(each["detector"], each["why"], tuple(findings)))
    return reasons


def complaints(found: Iterable[Finding], reasons: Iterable[Reason]) -> Iterator[str]:
    """What is not explained, what explains nothing, and what is explained twice or by no sentence."""
    explained = Counter(finding for reason in reasons for finding in reason.findings)
    known = set(found)

    for finding in sorted(known - explained.keys()):
        yield f"{REASONS} does not explain {finding}"
    for finding in sorted(explained.keys() - known):
        yield f"{REASONS} explains what slither does not find: {finding}"
    for finding, times in sorted(explained.items()):
        if times > 1:
            yield f"{REASONS} explains twice {finding}"
    for reason in reasons:
        if not reason.why.endswith(".") or not reason.findings:
            yield f"{REASONS} has an explanation of {reason.detector} that is no sentence or is about nothing."


def silenced(sources: Iterable[Path]) -> Iterator[str]:
    """The comments that would silence a detector."""
    for path in sources:
        if "slither-disable" in path.read_text(encoding="utf-8"):
            yield f"{path} silences slither by a comment; say why in {REASONS}."


def page(reasons: Sequence[Reason]) -> str:
    """docs/static-analysis.md."""
    count = sum(len(reason.findings) for reason in reasons)
    lines = [
        HEAD,
        f"{count} findings are explained, by {len(reasons)} reasons:\n",
        "| detector | findings | where | why it is no fault |",
        "|---|---|---|---|",
    ]
    for reason in reasons:
        places = Counter(finding.place.split(".")[0] for finding in reason.findings)
        where = ", ".join(f"{name} {times}" for name, times in sorted(places.items()))
        lines.append(f"| `{reason.detector}` | {len(reason.findings)} | {where} | {reason.why} |")
    return "\n".join(lines) + "\n"


def run_slither(root: Path = ROOT) -> list[Finding]:
    """What slither finds in the contracts."""
    slither = root / SLITHER
    if not slither.exists():
        raise Unusable("slither is not installed: run 'make provers'.")

    with tempfile.TemporaryDirectory() as folder:
        # Slither tells by the name of a file what it is.
        archive, report = Path(folder) / "contracts_export.json", Path(folder) / "report.json"
        archive.write_text(json.dumps(_archive(root)), encoding="utf-8")
        command = [str(slither), str(archive), "--json", str(report), "--exclude-dependencies"]
        # It ends with another code than zero where it finds anything.
        ended = subprocess.run([*command, "--filter-paths", "@openzeppelin"], cwd=root, capture_output=True, text=True)
        if not report.exists() or not (said := json.loads(report.read_text(encoding="utf-8")))["success"]:
            raise Unusable(f"slither stopped: {ended.stderr.strip()}")

    return parse_findings(said)


def _archive(root: Path) -> dict[str, Any]:
    """What the compiler makes of the sources, in crytic-compile's own format. Slither needs no bytecode."""
    asked = contracts.standard_input()
    asked["sources"] = {path: source for path, source in asked["sources"].items() if not path.startswith(TEST_FOLDER)}
    asked["settings"]["outputSelection"] = {"*": {"*": ["abi", "devdoc", "userdoc"], "": ["ast"]}}
    version = contracts.compiler_version()
    output = contracts.run_compiler(contracts.compiler_path(version), asked)
    if errors := [each["formattedMessage"] for each in output.get("errors", []) if each["severity"] == "error"]:
        raise Unusable("\n".join(errors))

    units = {
        path: {
            "ast": source["ast"],
            "contracts": {
                name: {
                    "abi": compiled["abi"],
                    "bin": "",
                    "bin-runtime": "",
                    "srcmap": "",
                    "srcmap-runtime": "",
                    "filenames": _filenames(root, path),
                    "libraries": {},
                    "is_dependency": not path.startswith("contracts/"),
                    "userdoc": compiled.get("userdoc", {}),
                    "devdoc": compiled.get("devdoc", {}),
                }
                for name, compiled in output["contracts"].get(path, {}).items()
            },
        }
        for path, source in output["sources"].items()
    }
    unit = {
        "compiler": {"compiler": "solc", "version": version, "optimized": True},
        "source_units": units,
        "filenames": [_filenames(root, path) for path in units],
    }
    return {
        "compilation_units": {"contracts": unit},
        "package": None,
        "working_dir": str(root),
        "type": 1,
        "unit_tests": [],
        "crytic_version": "0.0.2",
    }


def _filenames(root: Path, path: str) -> dict[str, str]:
    absolute = root / path if path.startswith("contracts/") else root / "node_modules" / path
    return {"absolute": str(absolute), "used": path, "short": path, "relative": path}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.check_slither", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE} anew")
    parser.add_argument("--list", action="store_true", help="print what slither finds, as proof/slither.json has it")
    options = parser.parse_args(arguments)

    try:
        found = run_slither()
    except Unusable as fault:
        sys.exit(str(fault))
    if options.list:
        print(json.dumps([[each.detector, each.place, *each.expressions] for each in found], indent=2))
        return

    reasons = parse_reasons((ROOT / REASONS).read_text(encoding="utf-8"))
    wrong = list(complaints(found, reasons))
    wrong += silenced(path for path in (ROOT / "contracts").rglob("*.sol") if ".cache" not in path.parts)
    if options.write:
        (ROOT / PAGE).write_text(page(reasons), encoding="utf-8")
    elif not (ROOT / PAGE).exists() or (ROOT / PAGE).read_text(encoding="utf-8") != page(reasons):
        wrong.append(f"{PAGE} does not say what {REASONS} says: run 'make slither ARGS=--write'.")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"slither finds {len(found)} things in the contracts, and each is explained in {REASONS}.")


if __name__ == "__main__":
    main()

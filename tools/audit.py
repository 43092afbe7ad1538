"""Asks the registries which of the locked packages have known vulnerabilities: `python -m tools.audit`.

Python's by pip-audit, which is installed into .build/audit, a place of its own; npm's by `npm audit`. Both ask the
registry that pip and npm are set to. It is no part of what CI runs: what is known changes by the day, and many
registries and mirrors answer no such question. Where one does not, that is said: silence is never taken for health.

Exit codes: 0 nothing is known, 3 something is, 4 somebody did not answer.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".build" / "audit"
PIP_AUDIT = "pip-audit==2.10.1"
LOCKS = ("requirements.lock", "requirements-build.lock")
PROOF_LOCK = "requirements-proof.lock"
FIRST = "cryptography"
SECONDS = 600

FOUND, SILENT = 3, 4


@dataclass(frozen=True)
class Answer:
    """What somebody was asked about: `known` are sentences; `silent` says why nobody answered, or is empty."""

    of: str
    packages: int = 0
    known: tuple[str, ...] = ()
    silent: str = ""
    unasked: tuple[str, ...] = field(default=())


def of_pip_audit(report: dict[str, Any], of: str = "Python") -> Answer:
    """What pip-audit's JSON says. A package that it skipped was not looked at, though it calls the whole healthy."""
    every = report["dependencies"]
    unasked = tuple(each["name"] for each in every if "skip_reason" in each)
    known = tuple(
        f"{each['name']} {each['version']}: {vuln['id']}, mended in {', '.join(vuln['fix_versions']) or 'no version'}."
        for each in every
        for vuln in each.get("vulns", ())
    )
    silent = "the registry answers no questions about vulnerabilities" if every and len(unasked) == len(every) else ""
    return Answer(of, len(every), known, silent, unasked)


def of_npm_audit(report: dict[str, Any], packages: int) -> Answer:
    """What `npm audit --json` says, or why it says nothing."""
    if "vulnerabilities" not in report:
        error = report.get("error")
        said = str(report.get("message") or (error.get("summary") if isinstance(error, dict) else error) or "nothing")
        status = re.search(r"\b[45]\d\d [A-Z][A-Za-z ]+", said)
        return Answer("npm", packages, silent=f"the registry answers {(status[0] if status else said).strip()}")
    known = tuple(
        f"{name} {each['range']}: {each['severity']}." for name, each in sorted(report["vulnerabilities"].items())
    )
    return Answer("npm", packages, known)


def sentences(answer: Answer) -> list[str]:
    """What to tell of an answer."""
    if answer.silent:
        return [f"{answer.of}: not checked, since {answer.silent}. Ask where one does, by the same command."]
    told = [f"{answer.of}: {each}" for each in answer.known]
    if answer.unasked:
        told.append(f"{answer.of}: not checked: {', '.join(answer.unasked)}.")
    asked = answer.packages - len(answer.unasked)
    return told or [f"{answer.of}: nothing is known against {asked} locked packages."]


def code(answers: list[Answer]) -> int:
    if any(each.known for each in answers):
        return FOUND
    return SILENT if any(each.silent or each.unasked for each in answers) else 0


# -- asking ------------------------------------------------------------------------------------------------------------


def ask_python() -> list[Answer]:
    """What is known of the locks, and of the provers' lock, which has other versions of what the others have too."""
    program = HOME / "bin" / "pip-audit"
    if not program.exists():
        venv.create(HOME, with_pip=True)
        pip = [str(HOME / "bin" / "python"), "-m", "pip", "install", "--quiet", PIP_AUDIT]
        if subprocess.run(pip, timeout=SECONDS).returncode:
            return [Answer("Python", silent=f"{PIP_AUDIT} cannot be installed")]
    locked = "".join((ROOT / each).read_text(encoding="utf-8") for each in LOCKS)
    # One package first: a registry that knows nothing of it is not asked about all the others.
    alone = re.search(rf"^{FIRST}==(?:.*\\\n)*.*\n", locked, re.MULTILINE)
    first = _pip_audit(program, alone[0] if alone else locked)
    if first.silent:
        return [first]
    proof = (ROOT / PROOF_LOCK).read_text(encoding="utf-8")
    return [_pip_audit(program, locked), _pip_audit(program, proof, "Provers")]


def _pip_audit(program: Path, locked: str, of: str = "Python") -> Answer:
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(locked)
        file.flush()
        words = ["--requirement", file.name, "--disable-pip", "--format", "json", "--progress-spinner", "off"]
        said = subprocess.run([program, *words], capture_output=True, text=True, timeout=SECONDS)
    try:
        return of_pip_audit(json.loads(said.stdout), of)
    except ValueError:
        return Answer(of, silent=f"pip-audit says: {(said.stderr.strip().splitlines() or ['nothing'])[-1]}")


def ask_npm() -> Answer:
    packages = len(json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]) - 1
    words = ["npm", "audit", "--json", "--package-lock-only"]
    quiet = os.environ | {"npm_config_loglevel": "silent"}
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, env=quiet)
    try:
        return of_npm_audit(json.loads(said.stdout), packages)
    except ValueError:
        return Answer("npm", packages, silent=f"npm says: {(said.stderr.strip().splitlines() or ['nothing'])[-1]}")


def main() -> None:
    answers = [*ask_python(), ask_npm()]
    for each in answers:
        print("\n".join(sentences(each)))
    print("Go: `govulncheck ./...` in a folder of engines/ asks about that engine.")
    sys.exit(code(answers))


if __name__ == "__main__":
    main()

"""Holds docs/erc7730 against the messages and the ABIs, and lints it: `python -m tools.check_descriptors`.

The published linter (LedgerHQ's erc7730) runs on Python 3.12 alone and wants other versions of what the package uses,
so it has an environment of its own, made when it is first needed. Where it cannot be had, one line says so; the tests
hold the descriptors against a schema of their own in any case.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from eth_typing import HexStr
from eth_utils.address import to_checksum_address

from theriac.ledger.deployment import Deployed, Deployment
from tools.contracts import PUBLISHED, ROOT
from tools.descriptors import differing, texts, write

LOCK = ROOT / "requirements-descriptors.lock"
LINTER = ROOT / "tools" / "lint-descriptors"
ENVIRONMENT = ROOT / ".build" / "descriptors"

# Seconds for making the environment, with its downloads, and for the linter itself.
MAKING, LINTING = 300, 120


class NoLinterError(Exception):
    """The published linter cannot be had on this machine; the text says why."""


def example() -> Deployment:
    """A deployment at addresses that nothing has, since the linter takes no descriptor without one."""
    nothing = HexStr("0x" + "00" * 32)
    contracts = {
        name: Deployed(to_checksum_address(number.to_bytes(20, "big")), 1, nothing)
        for number, name in enumerate(PUBLISHED, start=1)
    }
    return Deployment("example", 8437422, nothing, 0, False, contracts)


def find_python() -> str:
    """A Python 3.12. Each candidate is run, since a name on the PATH proves nothing. Raises NoLinterError."""
    question = "import sys, venv, ensurepip; print(sys.executable if sys.version_info[:2] == (3, 12) else '')"
    installed = sorted(Path.home().glob(".pyenv/versions/3.12*/bin/python"))
    for candidate in (sys.executable, "python3.12", *map(str, installed)):
        try:
            answer = subprocess.run([candidate, "-I", "-c", question], capture_output=True, text=True, timeout=30)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if answer.returncode == 0 and answer.stdout.strip():
            return answer.stdout.strip()
    raise NoLinterError("it needs Python 3.12")


def environment() -> Path:
    """The Python of the linter's environment, which is made anew when its lock has changed. Raises NoLinterError."""
    python, mark = ENVIRONMENT / "bin" / "python", ENVIRONMENT / "lock.sha256"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if mark.exists() and mark.read_text() == wanted:
        return python

    base = find_python()
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:"]
    try:
        subprocess.run([base, "-m", "venv", str(ENVIRONMENT)], check=True, capture_output=True, timeout=MAKING)
        subprocess.run([*install, "--no-deps", "-r", str(LOCK)], check=True, capture_output=True, timeout=MAKING)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        raise NoLinterError("its packages could not be downloaded") from None
    mark.write_text(wanted)
    return python


def lint() -> list[str]:
    """What the published linter finds in the descriptors of a deployment. Raises NoLinterError."""
    python = environment()
    # The linter keeps a cache of what it downloads, beside which it must not write outside the repository.
    surroundings = {**os.environ, "XDG_CACHE_HOME": str(ROOT / ".cache" / "xdg")}
    with tempfile.TemporaryDirectory() as folder:
        write(texts(example()), Path(folder))
        command = [str(python), "-I", str(LINTER), folder]
        found = subprocess.run(command, capture_output=True, text=True, timeout=LINTING, env=surroundings)
    if found.returncode != 0 and not found.stdout:
        sys.exit(f"The linter of descriptors stopped: {found.stderr.strip()[-500:]}")
    return found.stdout.splitlines()


def main() -> None:
    wanted = texts()
    if stale := differing(wanted):
        sys.exit(
            f"Not made from the messages and ABIs as they are: {', '.join(stale)}. Run python -m tools.descriptors."
        )

    try:
        complaints = lint()
    except NoLinterError as reason:
        print(f"{len(wanted)} descriptors are up to date; the published linter did not run ({reason}).")
        return
    if complaints:
        sys.exit("\n".join(complaints))
    print(f"{len(wanted)} descriptors are up to date, and the published linter takes them.")


if __name__ == "__main__":
    main()

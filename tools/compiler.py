"""Places the Solidity compiler where py-solc-x and Ape look for it, and says in one line which one it is.

The native compiler is downloaded by py-solc-x where its host answers within a few seconds. Where it does not, or
where what came does not run on this machine, the same version from npm takes its place behind `tools/solc`.
THERIAC_SOLC=native or THERIAC_SOLC=npm decides it instead.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import requests
from solcx import install

from tools.contracts import ROOT, compiler_path, compiler_version

STAND_IN = ROOT / "tools" / "solc"

# Seconds for a connection, for an answer, and for the whole download.
CONNECT, ANSWER, DOWNLOAD = 3, 5, 180


class NoNativeCompilerError(Exception):
    """The native compiler cannot be had on this machine; the text says why."""


def download_native(version: str, destination: Path) -> None:
    """Downloads the native compiler to `destination`, which changes only if it runs. Raises NoNativeCompilerError."""
    try:
        # py-solc-x waits for its host without a limit, so the host is asked first.
        listing = install.BINARY_DOWNLOAD_BASE.format(install._get_os_name(), "list.json")
        requests.get(listing, timeout=(CONNECT, ANSWER)).raise_for_status()
    except (requests.RequestException, OSError):
        raise NoNativeCompilerError("its download host cannot be reached") from None

    with tempfile.TemporaryDirectory(dir=destination.parent) as folder:
        environment = {**os.environ, "SOLCX_BINARY_PATH": folder, "TMPDIR": folder}
        command = [sys.executable, "-m", "solcx.install", version]
        try:
            subprocess.run(command, env=environment, capture_output=True, check=True, timeout=DOWNLOAD)
        except subprocess.TimeoutExpired:
            raise NoNativeCompilerError(f"its download took longer than {DOWNLOAD} seconds") from None
        except subprocess.CalledProcessError:
            raise NoNativeCompilerError("it could not be downloaded or does not run on this machine") from None

        Path(folder, destination.name).replace(destination)


def is_native(compiler: Path, version: str) -> bool:
    """Whether a native compiler of that version is in its place and runs."""
    if compiler.is_symlink() or not compiler.exists():
        return False
    try:
        answer = subprocess.run([compiler, "--version"], capture_output=True, text=True)
    except OSError:
        return False
    return f"Version: {version}+" in answer.stdout


def place_stand_in(destination: Path) -> None:
    """Links `destination` to the compiler of npm."""
    destination.unlink(missing_ok=True)
    destination.symlink_to(os.path.relpath(STAND_IN, destination.parent))


def place(version: str, destination: Path, choice: str) -> str:
    """Places the compiler that `choice` ('', 'native' or 'npm') asks for, and returns the line that says which."""
    destination.parent.mkdir(parents=True, exist_ok=True)

    if choice != "npm" and is_native(destination, version):
        return f"Solidity {version}: the native compiler, which is here already."
    if choice == "npm":
        place_stand_in(destination)
        return f"Solidity {version}: from npm, as asked."
    try:
        download_native(version, destination)
        return f"Solidity {version}: the native compiler."
    except NoNativeCompilerError as reason:
        if choice == "native":
            sys.exit(f"The native Solidity compiler cannot be had: {reason}. Leave THERIAC_SOLC unset to use npm's.")
        place_stand_in(destination)
        return f"Solidity {version}: from npm, since the native compiler is out of reach ({reason})."


def main() -> None:
    version = compiler_version()
    choice = os.environ.get("THERIAC_SOLC", "")
    if choice not in ("", "native", "npm"):
        sys.exit(f"THERIAC_SOLC is '{choice}': say 'native' or 'npm', or leave it unset.")

    print(place(version, compiler_path(version), choice))


if __name__ == "__main__":
    main()

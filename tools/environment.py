"""Keeps what the tools write inside the repository.

Set-up copies this file into the virtual environment, which then runs it at every start of Python. So caches, Ape's
data and the compiler are found in the repository also when `.venv/bin/ape` or `.venv/bin/pytest` is called without
make. What the caller has set already is left alone.
"""

import os
import sys
import sysconfig
from pathlib import Path

MODULE = "theriac_environment"


def folders(root: Path) -> dict[str, Path]:
    """Names the folder that each environment variable points to, for a repository at `root`."""
    cache = root / ".cache"
    return {
        "APE_DATA_FOLDER": root / ".ape",
        "SOLCX_BINARY_PATH": root / ".build" / "solcx",
        "HYPOTHESIS_STORAGE_DIRECTORY": cache / "hypothesis",
        "IPYTHONDIR": cache / "ipython",
        "MPLCONFIGDIR": cache / "matplotlib",
        "MYPY_CACHE_DIR": cache / "mypy",
        "PIP_CACHE_DIR": cache / "pip",
        "PYTHON_EGG_CACHE": cache / "eggs",
        "RUFF_CACHE_DIR": cache / "ruff",
        "XDG_CACHE_HOME": cache / "xdg",
        "npm_config_cache": cache / "npm",
    }


def apply(root: Path) -> None:
    """Sets each variable that is not set."""
    for name, folder in folders(root).items():
        os.environ.setdefault(name, str(folder))


def install() -> None:
    """Copies this file into the running virtual environment, with the line that makes Python run it at its start."""
    if sys.prefix == sys.base_prefix:
        sys.exit("tools/environment.py belongs into a virtual environment: run 'make setup'.")

    packages = Path(sysconfig.get_path("purelib"))
    (packages / f"{MODULE}.py").write_text(Path(__file__).read_text(encoding="utf-8"), encoding="utf-8")
    (packages / f"{MODULE}.pth").write_text(f"import {MODULE}\n", encoding="utf-8")


if __name__ == "__main__":
    install()
elif __name__ == MODULE:
    # The virtual environment is the folder .venv of the repository.
    apply(Path(sys.prefix).parent)

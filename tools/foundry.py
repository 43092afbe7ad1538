"""Where the programs of Foundry are, which npm brings."""

from pathlib import Path

PACKAGES = Path(__file__).resolve().parent.parent / "node_modules" / "@foundry-rs"


def program(name: str) -> Path:
    """The program itself, `anvil` or `forge`, whose folder belongs on the PATH of what calls it by name.

    npm's script around it would be stopped or killed in its place, and ends with 0 where what was to be compiled has an
    error. The path leads nowhere before `make setup`.
    """
    return next(PACKAGES.glob(f"{name}-*/bin/{name}"), PACKAGES / name / "bin" / name)

"""Where forge is."""

from pathlib import Path

PACKAGES = Path(__file__).resolve().parent.parent / "node_modules" / "@foundry-rs"


def forge() -> Path:
    """The program itself, whose folder belongs on the PATH of what calls it by name.

    npm's script around it ends with 0 where what was to be compiled has an error.
    """
    return next(PACKAGES.glob("forge-*/bin/forge"), PACKAGES / "forge" / "bin" / "forge")

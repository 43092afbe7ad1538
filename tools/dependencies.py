"""Lays the Solidity packages out where Ape looks for them, sources alone: `python -m tools.dependencies`.

Ape copies a whole package into contracts/.cache unless it is there, and reads at most 500 files below contracts/.
With the artifacts that OpenZeppelin's package brings, sources of our own would be left out, by chance of their order.
"""

import shutil
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent

MOST_FILES = 500
"""How many files below the contracts' folder Ape looks at."""


def lay_out(root: Path = ROOT) -> None:
    """Makes contracts/.cache anew from node_modules."""
    config = yaml.safe_load((root / "ape-config.yaml").read_text(encoding="utf-8"))
    cache = root / "contracts" / ".cache"
    shutil.rmtree(cache, ignore_errors=True)
    for package in config["dependencies"]:
        source = root / "node_modules" / package["npm"]
        for path in source.rglob("*.sol"):
            target = cache / package["name"] / str(package["version"]) / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


if __name__ == "__main__":
    lay_out()

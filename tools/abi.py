"""Writes the ABIs that the package carries, or checks that they are those of the contracts.

python -m tools.abi write     writes theriac/abi/<Contract>.json
python -m tools.abi check     exits with a sentence where a file differs
"""

import json
import sys
from pathlib import Path

from tools.contracts import PUBLISHED, ROOT, Compilation, compile_contracts

FOLDER = ROOT / "theriac" / "abi"


def texts(compilation: Compilation) -> dict[str, str]:
    """The text of each ABI file, by its name."""
    return {
        f"{name}.json": json.dumps(compilation.contract(name).abi, indent=1) + "\n"
        for name in PUBLISHED
    }


def write(wanted: dict[str, str], folder: Path = FOLDER) -> list[str]:
    """Writes the files that differ, removes those of contracts that are gone, and returns the names of both."""
    changed = differing(wanted, folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in changed:
        if name in wanted:
            (folder / name).write_text(wanted[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return changed


def differing(wanted: dict[str, str], folder: Path = FOLDER) -> list[str]:
    """The names of files that are missing, differ, or belong to no contract."""
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))


def main(arguments: list[str]) -> None:
    if arguments not in (["write"], ["check"]):
        sys.exit("Say 'write' or 'check'.")

    wanted = texts(compile_contracts())
    if arguments == ["write"]:
        changed = write(wanted)
        print(f"ABIs written: {', '.join(changed)}." if changed else "The ABIs are those of the contracts already.")
    elif changed := differing(wanted):
        sys.exit(f"ABIs that are not those of the contracts: {', '.join(changed)}. Run 'make abi'.")


if __name__ == "__main__":
    main(sys.argv[1:])

"""The ABIs that the package carries, one file a contract, and what the contracts' errors mean: `python -m tools.abi`
writes them."""

import json
from pathlib import Path

from tools.contracts import PUBLISHED, ROOT, Compilation, compile_contracts

FOLDER = ROOT / "theriac" / "abi"
NOTICES = ROOT / "theriac" / "notices"


def texts(compilation: Compilation) -> dict[str, str]:
    """The text of each ABI file, by its name."""
    return {f"{name}.json": json.dumps(compilation.contract(name).abi, indent=1) + "\n" for name in PUBLISHED}


def notices(compilation: Compilation) -> dict[str, str]:
    """The text of each file of what a contract's errors mean, by its name: their `@notice`, by signature."""
    told = {name: compilation.contract(name).notices for name in PUBLISHED}
    return {f"{name}.json": json.dumps(each, indent=1, sort_keys=True) + "\n" for name, each in told.items()}


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


def main() -> None:
    compilation = compile_contracts()
    changed = write(texts(compilation)) + write(notices(compilation), NOTICES)
    print(f"ABIs written: {', '.join(changed)}." if changed else "The ABIs are those of the contracts already.")


if __name__ == "__main__":
    main()

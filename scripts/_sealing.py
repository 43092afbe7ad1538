"""From what is named on a command line to records."""

from collections.abc import Iterable
from pathlib import Path

from scripts._cli import Failure, failure_of
from theriac.errors import BadInput
from theriac.health.intake import Piece, from_file
from theriac.health.scope import KeyClass


def files_in(paths: Iterable[str]) -> list[Path]:
    """The files that are named, and those in the folders that are, without hidden ones."""
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = (each for each in sorted(path.rglob("*")) if each.is_file())
            found += [each for each in inside if not any(part.startswith(".") for part in each.relative_to(path).parts)]
        else:
            found.append(path)
    if not found:
        raise Failure("There is no file in what was named.")
    return found


def pieces_of(files: Iterable[Path], *, cls: KeyClass | None, place: str) -> list[Piece]:
    """All records of all files. One bad file stops everything before anything is sealed, and is named."""
    pieces: list[Piece] = []
    for path in files:
        try:
            pieces += from_file(path, cls=cls, place=place)
        except BadInput as fault:
            raise Failure(f"{path}: {failure_of(fault).message}", fault.exit_code) from None
    return pieces

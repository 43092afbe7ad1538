"""`ape run clinic seal-day`: the records of many patients, anchored by few roots."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts._cli import Failure, as_option, example, failure_of, json_option, network_options, print_json, table

if TYPE_CHECKING:
    from theriac.health.intake import Piece
    from theriac.health.scope import KeyClass
    from theriac.health.writer import Registered, Writer

_Line = tuple["Registered", Path, "KeyClass | None"]


def add_day(cli: click.Group) -> None:
    """`seal-day`."""

    @cli.command("seal-day", epilog=example("clinic seal-day today.csv", "clinic seal-day today.csv --json"))
    @click.argument("list_", metavar="LIST", type=click.Path(exists=True, dir_okay=False))
    @click.option("--place", default=None, help="Where it was done; this desk's name unless said.")
    @as_option("clinic")
    @network_options
    @json_option
    def seal_day(list_: str, place: str | None, who: str, network: str, store: str | None, as_json: bool) -> None:
        """Seal a day's files for many patients, and anchor some hundred patients' at a time by one root.

        LIST is a CSV file with the columns patient and file, and class where files do not say it; a patient is named as
        this desk calls her, a file from where the list is. All of it is checked before the first file is sealed. A run
        that breaks off is finished by `clinic resume`.
        """
        from scripts._member import desk_of
        from scripts._progress import counted, working

        with desk_of(who, network=network, store=store) as desk:
            writer = desk.writer()
            where = place or desk.person.settings.get("name", "")
            with working("Checking the files"):
                lines = _lines(Path(list_), writer)
                found = [_facts(each) for line in lines for each in _pieces(line, where)]
            pieces = ((line[0], each) for line in lines for each in _pieces(line, where))
            written = list(counted(writer.write_day(pieces), "Sealing", total=len(found)))
            gas = sum(receipt.gas_used for receipt in writer.receipts)
            sent = len(writer.receipts)
        inbox = sum(each.inbox for each in written)
        doubtful = [each for each in found if each["why"]]
        if as_json:
            print_json(
                {
                    "gas": gas,
                    "transactions": sent,
                    "patients": len({line[0].pseudonym for line in lines}),
                    "records": [
                        {"digest": each.digest, "class": each.cls, "title": each.title, "inbox": each.inbox}
                        for each in written
                    ],
                    "unsure": doubtful,
                }
            )
            return
        counts: dict[str, int] = {}
        for one in written:
            counts[one.cls] = counts.get(one.cls, 0) + 1
        table(sorted(counts.items()), "class", "records", empty="Nothing was sealed.")
        told = f", {inbox} into the inbox" if inbox else ""
        click.echo(f"Sealed {len(written)} records in {sent} transactions for {gas:,} gas{told}.")
        for each in doubtful:
            click.echo(f"In the most restrictive class: {each['title']} ({each['why']}).")


def _lines(path: Path, writer: "Writer") -> list[_Line]:
    """The patients, files and classes that a list names."""
    import csv
    import io

    from scripts._options import classes_of
    from theriac.errors import TheriacError

    try:
        # Spreadsheets put a mark in front of UTF-8.
        rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""), strict=True)
        heads = [head.strip().lower() for head in next(rows, [])]
        listed = [(rows.line_num, row) for row in rows if any(row)]
    except UnicodeDecodeError:
        raise Failure(f"{path} is not UTF-8; save it as UTF-8 and try again.") from None
    except csv.Error as fault:
        raise Failure(f"{path} cannot be read as CSV ({fault}); mend it and try again.") from None
    if not {"patient", "file"} <= set(heads):
        raise Failure(f"Line 1 of {path} must name the columns patient and file, with commas between.")
    if not listed:
        raise Failure(f"{path} names no file.")
    patients = {name: each for each in writer.patients() for name in (each.pseudonym, each.name)}
    found: list[_Line] = []
    seen: dict[Path, int] = {}
    for line, row in listed:
        if len(row) != len(heads):
            raise Failure(f"Line {line} of {path} has {len(row)} columns, and line 1 has {len(heads)}.")
        told = dict(zip(heads, (each.strip() for each in row), strict=True))
        patient, file = patients.get(told["patient"]), path.parent / told["file"]
        if patient is None:
            raise Failure(f"Line {line} of {path}: nobody is registered here as {told['patient'][:80]!r}.", 3)
        if not file.is_file():
            raise Failure(f"Line {line} of {path}: there is no file {file}.")
        if (first := seen.setdefault(file.resolve(), line)) != line:
            raise Failure(f"Line {line} of {path} names {file}, as line {first} does; remove one of them.")
        try:
            [cls] = classes_of([told["class"]]) if told.get("class") else [None]
        except TheriacError as fault:
            raise Failure(f"Line {line} of {path}: {failure_of(fault).message}", fault.exit_code) from None
        found.append((patient, file, cls))
    return found


def _pieces(line: _Line, place: str) -> Iterator["Piece"]:
    from scripts._sealing import pieces_of

    _, file, cls = line
    yield from pieces_of([file], cls=cls, place=place)


def _facts(piece: "Piece") -> dict[str, Any]:
    """What is told of a piece after it is closed; `why` only where its class is not sure."""
    piece.content.close()
    why = "" if piece.classified.certain else piece.classified.reason
    return {"title": piece.manifest.title, "why": why}

"""What an auditor tells of readings, with a node and without a key."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts._cli import Failure, example, json_option, network_options, plural, print_json, table

if TYPE_CHECKING:
    from scripts._site import Site
    from theriac.health.chain import Chain
    from theriac.health.flow import Flow
    from theriac.health.looked import Looked, Reading
    from theriac.health.receipts import Proof

_LARGEST = 64 << 20


def add_readings(cli: click.Group) -> None:
    """Adds the commands about readings."""
    cli.add_command(_reading)
    cli.add_command(_flow)


@contextmanager
def _looking(network: str, store: str | None) -> Iterator[tuple["Site", "Chain"]]:
    """The chain, for whoever has no folder here."""
    from scripts._site import connected

    with connected(network, store) as site:
        folder = site.folder / "auditor"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        yield site, site.chain(folder)


def _disclosed(files: tuple[str, ...]) -> list["Proof"]:
    from theriac.health.flow import decode_disclosure

    found = []
    for file in files:
        data = Path(file).read_bytes()
        if len(data) > _LARGEST:
            raise Failure(f"{file} is longer than a disclosure is; ask for it record by record.")
        found += decode_disclosure(data.strip())
    return found


@click.command("reading", epilog=example("auditor reading readings.json"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@network_options
@json_option
def _reading(file: str, network: str, store: str | None, as_json: bool) -> None:
    """Check the readings in FILE: signatures, the chain's roots, whom grants let in; exit code 5 if one does not hold.

    What a disclosure leaves out is not seen, but for how much of each root it shows.
    """
    from scripts._receipts import names_in, shown
    from theriac.health.flow import shares_of
    from theriac.health.looked import Examiner

    proofs = _disclosed((file,))
    with _looking(network, store) as (site, chain):
        found = Examiner(chain).examine(proofs, whole=False)
        readings = _all(found)
        name_of = names_in(chain, site.store)
        rows = [shown(each, name=name_of(each.receipt.reader)) for each in readings]
    roots: list[dict[str, Any]] = [
        {"root": share.root, "shown": share.shown, "leaves": share.leaves}
        for share in shares_of(each.proof for each in readings if each.log is not None)
    ]
    doubles = [{"reader": each.first.receipt.reader, "number": each.first.receipt.number} for each in found.doubles]
    if as_json:
        print_json({"readings": rows, "roots": roots, "doubles": doubles, "forged": found.forged})
    else:
        _print(rows)
        for root in roots:
            click.echo(f"Root {root['root'][:16]}: {root['shown']} of {plural(root['leaves'], 'receipt')} are shown.")
        for double in doubles:
            click.echo(f"LIED: {double['reader']} signed two readings as number {double['number']}.")
    wrong = found.forged + sum(bool(row["faults"]) for row in rows)
    if wrong:
        raise Failure(f"{plural(wrong, 'reading')} of {len(rows) + found.forged} do not hold.", 5)


def _print(rows: list[dict[str, Any]]) -> None:
    table(
        [
            (
                row["time"],
                row["name"] or row["reader"],
                row["purpose"],
                row["rule"],
                row["act"],
                row["class"],
                row["record"][:16],
                row["logged"] or "-",
                "; ".join(row["faults"]) or "holds",
            )
            for row in rows
        ],
        *("time (UTC)", "who", "purpose", "let in by", "act", "class", "record", "logged", "receipt"),
        empty="No reading that its reader signed.",
    )


@click.command("flow", epilog=example("auditor flow 3f9a2c...d7", "auditor flow 3f9a2c...d7 readings.json"))
@click.argument("record")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False))
@network_options
@json_option
def _flow(record: str, files: tuple[str, ...], network: str, store: str | None, as_json: bool) -> None:
    """Tell the flow of a RECORD, by its digest of 64 digits: who sealed it, whom grants let in, who opened it.

    The chain has no key and no name of a patient, and neither has this. A record and the grants to read it stand under
    different pseudonyms of one patient; what joins them are readings in FILES that she or a member discloses.
    """
    from scripts._receipts import names_in, shown
    from theriac.health.flow import flow_of

    digest = record.lower().removeprefix("0x")
    if len(digest) != 64 or any(letter not in "0123456789abcdef" for letter in digest):
        raise Failure(f"{record[:64]!r} is no digest of a record; write its 64 hexadecimal digits.")
    proofs = _disclosed(files)
    with _looking(network, store) as (site, chain):
        flow = flow_of(chain, digest, proofs)
        name_of = names_in(chain, site.store)
        rows = [shown(each, name=name_of(each.receipt.reader)) for each in _all(flow.readings)]
        steps = _steps(flow, rows, name_of)
    if as_json:
        print_json({"record": digest, "steps": steps, "forged": flow.readings.forged})
        return
    table(
        [(step["time"], step["what"], step["who"], step["how"]) for step in steps],
        *("time (UTC)", "what", "who", "how"),
        empty="",
    )
    if flow.readings.forged:
        click.echo(f"{plural(flow.readings.forged, 'receipt')} of the files are signed by nobody, and left out.")


def _steps(flow: "Flow", rows: list[dict[str, Any]], name_of: "Callable[[str], str]") -> list[dict[str, str]]:
    """Everything that happened to a record, in its order."""
    from scripts._options import day, shown_reader
    from theriac.health.messages import member_address
    from theriac.health.scope import PURPOSES, words_of

    def member(number: int) -> str:
        return f"{name_of(member_address(number)) or 'a member'} (member:{number})" if number else "the patient"

    codes = {purpose.number: purpose.code for purpose in PURPOSES}
    steps: list[tuple[int, dict[str, str]]] = []

    def step(time: int, what: str, who: str, how: str) -> None:
        steps.append((time, {"time": day(time), "what": what, "who": who, "how": how}))

    for each in flow.sealed:
        where = f"under version {each.version}" if each.version else "to the inbox"
        step(each.time, "sealed", member(each.author), f"{where} of {each.pseudonym}")
    for change in flow.became:
        step(change.time, change.act, member(change.author), f"now {change.digest[:16]}" if change.digest else "")
    for window in flow.windows:
        under = f", under parent {window.by}" if window.by else ""
        how = f"{codes.get(window.purpose, '?')} until {day(window.end)}: {', '.join(words_of(window.scope))}{under}"
        who = f"{name_of(window.reader) or '-'} ({shown_reader(window.reader)})"
        step(window.start, "let in", who, f"{how}; granted by {window.pseudonym}")
    for reading, row in zip(_all(flow.readings), rows, strict=True):
        to = f" to {row['to']}" if row["to"] else ""
        how = f"{row['purpose']}, {row['class']}, by {row['rule']}; {'; '.join(row['faults']) or 'proved'}"
        step(reading.receipt.time, f"{row['act']}{to}", f"{row['name'] or '-'} ({row['reader']})", how)
    return [told for _, told in sorted(steps, key=lambda each: each[0])]


def _all(found: "Looked") -> "list[Reading]":
    """Every reading that its reader signed, of those too who were granted nothing."""
    return [*found.readings, *(each for theirs in found.strangers.values() for each in theirs)]

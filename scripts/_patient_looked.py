"""Who looked: the receipted readings of a patient's records, shown, exported and disclosed."""

import json
from typing import TYPE_CHECKING, Any

import click

from scripts._cli import as_option, check_out, example, json_option, network_options, print_json, table, write_file

if TYPE_CHECKING:
    from theriac.health.looked import Looked, Reading

_WHO = as_option("patient")


def add_looked(cli: click.Group) -> None:
    """Adds what a patient asks of who looked."""
    cli.add_command(_looked)
    cli.add_command(_disclose)


@click.command(
    "looked", epilog=example("patient looked", "patient looked --record 3f9a2c", "patient looked --fhir audit.json")
)
@click.option("--record", default="", help="Only readings of the records whose names begin so.")
@click.option("--strangers", is_flag=True, help="Also what those say of themselves who were never granted anything.")
@click.option("--fhir", type=click.Path(dir_okay=False), default=None, help="Write FHIR AuditEvents (IHE BALP) here.")
@_WHO
@network_options
@json_option
def _looked(
    record: str, strangers: bool, fhir: str | None, who: str, network: str, store: str | None, as_json: bool
) -> None:
    """Who read what, when, for which purpose and by which grant, as far as receipts tell; and what is wrong with them.

    A receipt is signed before a record opens, so it can also stand for an opening that failed. Who has keys can read
    without a receipt: a missing number is seen, a reading that was never numbered is not.
    """
    from scripts._patients import patient_of
    from scripts._progress import working
    from scripts._receipts import names_in, shown
    from theriac.health.auditevents import audit_events

    if fhir is not None:
        check_out(fhir)
    with patient_of(who, network=network, store=store) as (patient, site):
        with working("Looking"):
            found = patient.looked()
        readings = [each for each in found.readings if each.receipt.record.startswith(record.lower())]
        if strangers:
            readings += [each for theirs in found.strangers.values() for each in theirs]
        chain = patient.chain
        name_of = names_in(chain, site.store)
        names = {each.receipt.reader: name_of(each.receipt.reader) for each in readings}
        titles = {entry.digest: str(entry.summary.get("title", "")) for entry in patient.vault.entries.values()}
        rows = [
            shown(each, name=names[each.receipt.reader], title=titles.get(each.receipt.record, "")) for each in readings
        ]
        chain_id = chain.domain("AccessLog").chain_id
    if fhir is not None:
        bundle = audit_events(readings, chain_id=chain_id, name_of=lambda account: names[account])
        write_file(fhir, (json.dumps(bundle, indent=2, ensure_ascii=False) + "\n").encode())
    _print(found, rows, as_json=as_json)
    if fhir is not None:
        click.echo(f"Wrote {len(readings)} AuditEvents to {fhir}; they are not sealed.", err=True)


def _print(found: "Looked", rows: list[dict[str, Any]], *, as_json: bool) -> None:
    gaps = [
        {"reader": gap.reader, "granted by": gap.pseudonym, "first": gap.first, "last": gap.last} for gap in found.gaps
    ]
    doubles = [{"reader": each.first.receipt.reader, "number": each.first.receipt.number} for each in found.doubles]
    if as_json:
        print_json(
            {
                "readings": rows,
                "gaps": gaps,
                "doubles": doubles,
                "strangers": {reader: len(theirs) for reader, theirs in found.strangers.items()},
                "forged": found.forged,
                "unread": found.unread,
                "missing": found.missing,
            }
        )
        return
    table(
        [
            (
                row["time"],
                row["name"] or row["reader"],
                row["purpose"],
                row["act"],
                row["class"],
                row["record"][:16],
                row["title"],
                "; ".join(row["faults"]) or "ok",
            )
            for row in rows
        ],
        *("time (UTC)", "who", "purpose", "act", "class", "record", "title", "receipt"),
        empty="No receipt of a reading is here.",
    )
    for gap in gaps:
        numbers = str(gap["first"]) if gap["first"] == gap["last"] else f"{gap['first']} to {gap['last']}"
        click.echo(f"MISSING: receipt {numbers} of {gap['reader']}; ask it, or its member, what was read.")
    for double in doubles:
        click.echo(
            f"LIED: {double['reader']} signed two readings as number {double['number']}; "
            "'patient disclose' writes the proof."
        )
    for reader, theirs in found.strangers.items():
        click.echo(f"{len(theirs)} receipts of {reader}, who was never granted anything; --strangers shows them.")
    for count, what in (
        (found.forged, "receipts are not signed by the reader they name, and count for nothing"),
        (found.missing, "letters of readers are not in the store"),
        (found.unread, "letters of strangers wait for the next look"),
    ):
        if count:
            click.echo(f"{count} {what}.")


@click.command(
    "disclose", epilog=example("patient disclose -o readings.json", "patient disclose --record 3f9a2c -o record.json")
)
@click.option("--record", default="", help="Only readings of the records whose names begin so.")
@click.option("--reader", default="", help="Only readings of this account.")
@click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The file to write.")
@_WHO
@network_options
def _disclose(record: str, reader: str, out: str, who: str, network: str, store: str | None) -> None:
    """Write readings with their proofs, which anybody with a node can check ('auditor reading FILE').

    The file is not sealed. It says who read which record for what, and that the pseudonyms in it are one person's.
    """
    from scripts._patients import patient_of
    from scripts._receipts import write_disclosure

    check_out(out)
    with patient_of(who, network=network, store=store) as (patient, _):
        readings = patient.looked().readings
    chosen: list[Reading] = [
        each
        for each in readings
        if each.receipt.record.startswith(record.lower()) and reader.lower() in ("", each.receipt.reader.lower())
    ]
    write_disclosure([each.proof for each in chosen], out)

"""A patient's erasures: a class is given up for good, under a new lock, and members are asked to give it up too."""

import os
from datetime import UTC, datetime
from typing import Any

import click

from scripts._cli import (
    Failure,
    as_option,
    confirmed,
    example,
    json_option,
    network_options,
    payer_option,
    plural,
    print_json,
    table,
    yes_option,
)

_WHO = as_option("patient")

SPREAD = click.option(
    "--spread",
    default=None,
    metavar="HOURS",
    help="Let what can wait go out at random times, such as 6h; `watch` sends it.",
)
"""The option of every act whose publications can wait."""


def seconds_of_spread(text: str | None) -> int:
    """Seconds in 90m, 6h or 2d; none for no text."""
    if text is None:
        return 0
    number, unit = text[:-1], {"m": 60, "h": 3600, "d": 86400}.get(text[-1:])
    if unit is None or not number.isascii() or not number.isdecimal() or not 0 < int(number) * unit <= 30 * 86400:
        raise Failure(f"{text[:60]!r} is no time to spread over; write it like 90m, 6h or 2d, at most 30d.")
    return int(number) * unit


def add_erasure(cli: click.Group) -> None:
    """`erase` and `erasure`."""
    cli.add_command(erase)
    cli.add_command(erasure)


@click.command(epilog=example("patient erase mental-health/R", "patient erase genomics/V claims/N --spread 6h"))
@click.argument("classes", metavar="CLASS...", nargs=-1, required=True)
@click.option("--despite-waiting", is_flag=True, help="Though records wait that came by an inbox and would be lost.")
@SPREAD
@payer_option
@_WHO
@network_options
@yes_option
def erase(
    classes: tuple[str, ...],
    despite_waiting: bool,
    spread: str | None,
    payer: str | None,
    who: str,
    network: str,
    store: str | None,
    yes: bool,
) -> None:
    """Give up classes for good: their keys are dropped, and whoever wrote to them is asked to give up the files.

    Your keys are locked anew. A passphrase is replaced by another, from THERIAC_NEW_PASSPHRASE or asked for: forget the
    old one, which opens every earlier backup that somebody may have kept. Who read a record, and who wrote it, may keep
    what they have.
    """
    from scripts._options import classes_of
    from scripts._patients import opened_person, relocked
    from scripts._progress import working

    wanted, seconds = classes_of(classes), seconds_of_spread(spread)
    with opened_person(who, network=network, store=store, payer=payer) as (patient, person, opener):
        names = "everything" if len(wanted) > 40 else ", ".join(map(str, wanted))
        confirmed(f"Erase {names} for good? No backup will hold its keys any more.", yes=yes)
        new = relocked(patient, person, opener, new=lambda: new_passphrase(person.who))
        with new as lock, working(f"Erasing {names}"):
            done = patient.erase(wanted, lock=lock, despite_waiting=despite_waiting, spread=seconds)
        by_wallet = lock.parameters.get("by") == "wallet"
    asked = plural(len(done.asks), "member")
    click.echo(f"Erased. {plural(done.unpinned, 'file')} unpinned here; {asked} asked, see 'patient erasure status'.")
    if by_wallet:
        click.echo("Your wallet still opens earlier backups, where somebody kept one; a passphrase could be forgotten.")
    else:
        click.echo(
            "Your passphrase is the new one now. Forget the old one: it opens backups that somebody may have kept."
        )


def new_passphrase(who: str) -> str:
    """A passphrase that is not the present one: THERIAC_NEW_PASSPHRASE, or asked for twice."""
    given = os.environ.get("THERIAC_NEW_PASSPHRASE") or click.prompt(
        f"New passphrase of {who}", hide_input=True, confirmation_prompt=True, err=True
    )
    if given == os.environ.get("THERIAC_PASSPHRASE"):
        raise Failure("The new passphrase is the old one, which opens every earlier backup; choose another.")
    return str(given)


@click.group(epilog=example("patient erasure status"))
def erasure() -> None:
    """What became of erasures."""


@erasure.command(epilog=example("patient erasure status", "patient erasure status --json"))
@_WHO
@network_options
@json_option
def status(who: str, network: str, store: str | None, as_json: bool) -> None:
    """Who has confirmed that it gave up what was erased; `watch` first, to read what members signed."""
    from scripts._patients import patient_of

    with patient_of(who, network=network, store=store) as (patient, _):
        rows = [row for each in patient.vault.erasures for row in _rows(each)]
    if as_json:
        print_json(rows)
        return
    table(
        [(each["begun"], each["where"], each["files"], each["state"], each["reason"]) for each in rows],
        *("erased", "where", "files", "state", "reason"),
        empty="Nothing was erased.",
    )


def _rows(erasure: Any) -> list[dict[str, Any]]:
    def said(second: int) -> str:
        return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M")

    here = "under way" if erasure.digests or erasure.publish else "unpinned"
    count = len(erasure.digests) or erasure.unpinned
    rows = [
        {"begun": said(erasure.begun), "where": "here", "files": count, "state": here, "reason": "", "receipt": None}
    ]
    for each in erasure.asks:
        receipt = each.receipt
        state = "to be asked" if not each.letter else "asked"
        if receipt:
            kept = len(receipt["kept"])
            state = f"{'keeps ' + str(kept) if kept else 'unpinned'}, signed {said(receipt['time'])}"
        rows.append(
            {
                "begun": said(erasure.begun),
                "where": f"{each.name} (member:{each.member})",
                "files": len(each.digests),
                "state": state,
                "reason": receipt.get("reason", ""),
                "receipt": dict(receipt) or None,
            }
        )
    return rows

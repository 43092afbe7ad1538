"""`ape run custodian`: keeps shares of patients' emergency keys, and releases them where every check says yes."""

from typing import Any

import click

from scripts._beginning import add_beginnings
from scripts._cli import Actor, Failure, as_option, example, json_option, network_options, print_json, table


@click.group(
    cls=Actor,
    epilog=example(
        'custodian setup --account TEST::5 --name "Custody North"', "custodian serve", "custodian serve --once --json"
    ),
)
def cli() -> None:
    """Watch for emergencies, and release shares of the keys of patients who chose this member."""


_WHO = as_option("custodian")

add_beginnings(cli, "custodian", name="Custody North", roles="custodian", meets="patients")


@cli.command(epilog=example("custodian serve", "custodian serve --once", "custodian serve --per-clinician 1 --days 30"))
@click.option("--once", is_flag=True, help="One round, and no more.")
@click.option("--every", type=click.FloatRange(0.2, 3600), default=5, show_default=True, help="Seconds between rounds.")
@click.option("--per-clinician", type=click.IntRange(1), default=3, show_default=True, help="Releases at most.")
@click.option("--per-patient", type=click.IntRange(1), default=3, show_default=True, help="Releases at most.")
@click.option("--per-member", type=click.IntRange(1), default=20, show_default=True, help="For a clinician's member.")
@click.option("--days", type=click.IntRange(1, 365), default=7, show_default=True, help="In so many days.")
@_WHO
@network_options
@json_option
def serve(
    once: bool,
    every: float,
    per_clinician: int,
    per_patient: int,
    per_member: int,
    days: int,
    who: str,
    network: str,
    store: str | None,
    as_json: bool,
) -> None:
    """Decide each emergency: release this member's share, sealed to the clinician, or say in the log why not.

    It can be stopped at any moment; nothing is released twice.
    """
    import time

    from scripts._cli import failure_of
    from scripts._member import desk_of
    from theriac.health.custody import DAY, Custody, Limits

    limits = Limits(seconds=days * DAY, clinician=per_clinician, patient=per_patient, member=per_member)
    with desk_of(who, network=network, store=store) as desk:
        if not desk.member:
            raise Failure(f"{desk.address} belongs to no member; have the board admit it as a custodian.", 3)
        custody = Custody(
            member=desk.member,
            identity=desk.identity,
            chain=desk.chain,
            store=desk.site.store,
            sender=desk.site.sender(desk.alias),
            folder=desk.person.folder / "custody",
            limits=limits,
        )
        while True:
            try:
                decided = custody.serve_once()
            except Exception as trouble:
                failure = trouble if isinstance(trouble, Failure) else failure_of(trouble)
                # A chain that is away for a while is no reason to stop watching.
                if once or failure.exit_code != 4:
                    raise
                click.echo(failure.message, err=True)
            else:
                _tell(decided, as_json=as_json, quiet=not once)
            if once:
                return
            time.sleep(every)


def _tell(decided: list[Any], *, as_json: bool, quiet: bool) -> None:
    from dataclasses import asdict

    if as_json:
        if decided or not quiet:
            print_json([asdict(each) for each in decided])
        return
    for each in decided:
        what = "released" if each.released else "not released"
        click.echo(f"Case {each.number}, {each.clinician} of member {each.member}: {what}, {each.reason}.")
    if not decided and not quiet:
        click.echo("Nothing to decide.")


@cli.command(epilog=example("custodian log", "custodian log --json"))
@_WHO
@network_options
@json_option
def log(who: str, network: str, store: str | None, as_json: bool) -> None:
    """What this custodian decided so far."""
    import json

    from scripts._site import connected

    with connected(network, store) as site, site.person(who, shared=True) as person:
        path = person.folder / "custody" / "log.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines]
    if as_json:
        print_json(rows)
        return
    heads = ("time", "number", "clinician", "member", "released", "reason")
    table([[row[head] for head in heads] for row in rows], *heads, empty="Nothing was decided yet.")

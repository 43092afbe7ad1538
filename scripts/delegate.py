"""`ape run delegate`: who grants for a patient, by her mandate, without a key to any record."""

from typing import Any

import click

from scripts._cli import (
    Actor,
    as_option,
    check_out,
    confirmed,
    days_option,
    example,
    json_option,
    network_options,
    print_json,
    purpose_option,
    table,
    until_option,
    write_file,
    yes_option,
)


@click.group(
    cls=Actor,
    epilog=example(
        "delegate init --name Bea --payer TEST::8",
        "delegate offer -o bea.offer",
        "delegate accept bea.mandate",
        "delegate grant ann member:1 --class laboratory/N --days 20",
    ),
)
def cli() -> None:
    """Grant, narrow and end for a patient who appointed you, within classes, purposes and time.

    You get no key to her records. The passphrase comes from THERIAC_PASSPHRASE or is asked for.
    """


_WHO = as_option("delegate")
_PATIENT = click.argument("patient")
_READER = click.argument("reader")
_CLASSES = click.option("--class", "classes", multiple=True, required=True, help="Such as laboratory/N; more than one.")
_OUT = click.option(
    "-o", "--out", default=None, type=click.Path(dir_okay=False), help="For a group: the file that the others sign."
)


@cli.command(epilog=example("delegate init --name Bea --payer TEST::8"))
@click.option("--name", required=True, help="What patients call you.")
@click.option("--payer", envvar="THERIAC_PAYER", required=True, help="The account of Ape that pays; remembered.")
@_WHO
@network_options
def init(name: str, payer: str, who: str, network: str, store: str | None) -> None:
    """Make accounts for acting, one for each pseudonym, and an identity that mandates are sealed to."""
    from scripts._delegate import begin
    from scripts._site import connected

    with connected(network, store) as site, site.person(who, new=True) as person:
        site.signer(payer)
        words = begin(person, name=name, payer=payer)
    click.echo(f"Write these words down and keep them apart from the passphrase:\n\n  {words}\n")


@cli.command(epilog=example("delegate offer --accounts 3 -o bea.offer"))
@click.option("--accounts", type=click.IntRange(1, 20), default=3, show_default=True, help="For how many readers.")
@click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The file to hand to the patient.")
@_WHO
@network_options
def offer(accounts: int, out: str, who: str, network: str, store: str | None) -> None:
    """Offer a patient to act for her: accounts that were never used, since each is for one pseudonym alone."""
    from scripts._delegate import delegate_of

    check_out(out)
    with delegate_of(who, network=network, store=store) as acting:
        write_file(out, acting.offer(accounts).encode())
    click.echo(f"Written to {out}; hand it to one patient only.")


@cli.command(epilog=example("delegate accept bea.mandate --patient ann"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--patient", default=None, help="What you call her; what she calls herself unless said.")
@_WHO
@network_options
def accept(file: str, patient: str | None, who: str, network: str, store: str | None) -> None:
    """Take the mandate that a patient wrote."""
    from pathlib import Path

    from scripts._delegate import delegate_of

    with delegate_of(who, network=network, store=store) as acting:
        name, count = acting.accept(Path(file).read_bytes(), called=patient)
    click.echo(f"You act for {name}, for up to {count} readers.")


@cli.command("list", epilog=example("delegate list"))
@_WHO
@network_options
@json_option
def list_(who: str, network: str, store: str | None, as_json: bool) -> None:
    """For whom you act, how far and until when, and what stands under your mandates."""
    from scripts._delegate import delegate_of

    with delegate_of(who, network=network, store=store) as acting:
        rows: list[dict[str, Any]] = acting.rows()
    if as_json:
        print_json(rows)
        return
    table(
        [
            (row["patient"], row["until"], row["now"], ", ".join(row["purposes"]), ", ".join(row["readers"]) or "-")
            for row in rows
        ],
        *("patient", "until", "now", "purposes", "readers"),
        empty="You act for nobody.",
    )


@cli.command(epilog=example("delegate grant ann member:1 --class laboratory/N --days 20"))
@_PATIENT
@_READER
@_CLASSES
@purpose_option
@until_option
@days_option
@_OUT
@_WHO
@network_options
@yes_option
def grant(
    patient: str,
    reader: str,
    classes: tuple[str, ...],
    purpose: str,
    until: str | None,
    days: int | None,
    out: str | None,
    who: str,
    network: str,
    store: str | None,
    yes: bool,
) -> None:
    """Let a reader read, within your mandate. The patient's own client gives it the keys when it looks next."""
    from scripts._delegate import delegate_of
    from scripts._options import classes_of, end_of, reader_of
    from theriac.health.scope import Purpose

    wanted, why = classes_of(classes), Purpose.parse(purpose)
    with delegate_of(who, network=network, store=store) as acting:
        to = reader_of(reader, play=acting.site.play)
        end = end_of(until, days, now=acting.chain.time())
        mandate = acting.client.place_for(acting.mandates(patient), to)
        confirmed(
            f"Let {reader} read {', '.join(map(str, wanted))} of {patient} until {end:%Y-%m-%d %H:%M} UTC?", yes=yes
        )
        said = acting.carry(acting.client.grant(mandate, to, classes=wanted, purpose=why, end=end), out)
    click.echo(said or f"Granted until {end:%Y-%m-%d %H:%M} UTC; the keys follow when {patient}'s client looks.")


@cli.command(epilog=example("delegate narrow ann member:1 --class laboratory/N --days 5"))
@_PATIENT
@_READER
@_CLASSES
@purpose_option
@until_option
@days_option
@_OUT
@_WHO
@network_options
def narrow(
    patient: str,
    reader: str,
    classes: tuple[str, ...],
    purpose: str,
    until: str | None,
    days: int | None,
    out: str | None,
    who: str,
    network: str,
    store: str | None,
) -> None:
    """Take classes or time from what you granted; name the classes that stay."""
    from scripts._delegate import delegate_of
    from scripts._options import classes_of, end_of, reader_of
    from theriac.health.scope import Purpose

    wanted, why = classes_of(classes), Purpose.parse(purpose)
    with delegate_of(who, network=network, store=store) as acting:
        to = reader_of(reader, play=acting.site.play)
        end = end_of(until, days, now=acting.chain.time())
        mandate = acting.standing(patient, to, why)
        said = acting.carry(acting.client.narrow(mandate, to, classes=wanted, purpose=why, end=end), out)
    click.echo(said or "Narrowed on the chain; the keys end when the patient's client looks.")


@cli.command(epilog=example("delegate revoke ann member:1"))
@_PATIENT
@_READER
@purpose_option
@_OUT
@_WHO
@network_options
def revoke(patient: str, reader: str, purpose: str, out: str | None, who: str, network: str, store: str | None) -> None:
    """End what you granted. The keys end when the patient's client looks next; it alone can make new ones."""
    from scripts._delegate import delegate_of
    from scripts._options import reader_of
    from theriac.health.scope import Purpose

    why = Purpose.parse(purpose)
    with delegate_of(who, network=network, store=store) as acting:
        to = reader_of(reader, play=acting.site.play)
        mandate = acting.standing(patient, to, why)
        said = acting.carry(acting.client.revoke(mandate, to, purpose=why), out)
    click.echo(said or "Ended on the chain; the keys end when the patient's client looks.")


@cli.command(epilog=example("delegate sign grant.quorum"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@_WHO
@network_options
@yes_option
def sign(file: str, who: str, network: str, store: str | None, yes: bool) -> None:
    """Sign what another of your group drafted, and carry it once enough of you have."""
    from pathlib import Path

    from scripts._delegate import delegate_of
    from theriac.health.delegate import Drafted

    with delegate_of(who, network=network, store=store) as acting:
        drafted = Drafted.decode(Path(file).read_bytes())
        patient = acting.known(drafted.mandate)
        act = drafted.act
        what = f"{', '.join(act['classes'])}" if "classes" in act else "everything"
        confirmed(
            f"{str(act['kind']).capitalize()} {what} to {act['reader']} of {patient} for {act['purpose']}?", yes=yes
        )
        said = acting.carry(acting.client.sign(drafted), file)
    click.echo(said or "Signed by enough, and carried.")

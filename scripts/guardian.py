"""`ape run guardian`: help somebody you know back to her keys, and nobody else."""

from pathlib import Path
from typing import Any

import click

from scripts._cli import (
    Actor,
    Failure,
    as_option,
    check_out,
    confirmed,
    example,
    json_option,
    network_options,
    print_json,
    printable,
    table,
    write_file,
    yes_option,
)


@click.group(
    cls=Actor,
    epilog=example('guardian setup --name "Aunt Bo"', "guardian card ann -o bo.card", "guardian list"),
)
def cli() -> None:
    """Guard the keys of people you know: you alone can open and move nothing.

    Speak with who asks, always: whoever has enough guardians has her keys.
    """


_WHO = as_option("guardian")
_NAME = click.argument("name")
_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False))
_OUT = click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The file to write.")


@cli.command(epilog=example('guardian setup --name "Aunt Bo"', "guardian setup --as dr-lin --name Lin --account lin"))
@click.option("--name", required=True, help="The name by which those you guard know you.")
@click.option(
    "--account", default=None, help="An account of Ape signs instead of one for each pseudonym: less private, said so."
)
@_WHO
@network_options
def setup(name: str, account: str | None, who: str, network: str, store: str | None) -> None:
    """Make the words and the identity that you guard with. Write the words down."""
    from scripts._guarding import begin
    from scripts._site import connected

    with connected(network, store) as site, site.person(who, new=True) as person:
        words = begin(site, person, name=name, account=account)
    click.echo(f"Write these words down and keep them apart from the passphrase:\n\n  {words}\n")
    if account:
        click.echo(
            "One account signs for every pseudonym: where it is used, everybody sees that they are one person's."
        )


@cli.command(epilog=example("guardian card ann -o bo.card", "guardian card ann --paper -o bo.card"))
@_NAME
@click.option("--paper", is_flag=True, help="Your share comes as words on paper, and is in no file.")
@_OUT
@_WHO
@network_options
def card(name: str, paper: bool, out: str, who: str, network: str, store: str | None) -> None:
    """Write what NAME needs to name you as her guardian: a public key that you give nobody else."""
    from scripts._guarding import guardian_of
    from theriac.health.pleas import encode_card

    check_out(out)
    with guardian_of(who, network=network, store=store) as guarding:
        write_file(out, encode_card(guarding.card(name, paper=paper)))
    click.echo(f"Wrote {out} for {name}. It is not secret, but for {name} alone.")


@cli.command(epilog=example("guardian keep ann --home 0x1234..."))
@_NAME
@click.option("--home", required=True, help="The address that she gives her guardians.")
@_WHO
@network_options
def keep(name: str, home: str, who: str, network: str, store: str | None) -> None:
    """Remember where NAME is at home: with it you find her sealed backup, and your share in it."""
    from eth_utils.address import is_address, to_checksum_address

    from scripts._guarding import Ward, guardian_of
    from theriac.errors import NoMatchingIdentity

    if not is_address(home):
        raise Failure(f"{home[:60]} is no address: it has 40 hexadecimal digits after 0x.")
    with guardian_of(who, network=network, store=store) as guarding:
        guarding.keep(name, Ward(guarding.ward(name).number, to_checksum_address(home)))
        try:
            guarding.keeper(name).words()
            found = "Your share is in her backup."
        except NoMatchingIdentity:
            found = "No share for you is in her backup: if yours is not on paper, ask her whether she has named you."
    click.echo(f"Kept. {found}")


@cli.command("list", epilog=example("guardian list"))
@_WHO
@network_options
@json_option
def list_(who: str, network: str, store: str | None, as_json: bool) -> None:
    """Whom you guard, whether your share is there, and whether a recovery is pending."""
    from scripts._guarding import guardian_of

    with guardian_of(who, network=network, store=store) as guarding:
        rows = [_row(guarding, name) for name in sorted(guarding.wards)]
    if as_json:
        print_json(rows)
        return
    table(
        [(each["name"], each["home"], each["share"], each["recovery"]) for each in rows],
        *("name", "home", "share", "recovery"),
        empty="You guard nobody yet; 'guardian card' makes what somebody needs to name you.",
    )


def _row(guarding: Any, name: str) -> dict[str, Any]:
    from datetime import UTC, datetime

    from theriac.errors import TheriacError

    row = {"name": name, "home": guarding.ward(name).home, "share": "not known", "recovery": ""}
    if not row["home"]:
        return row
    keeper = guarding.keeper(name)
    try:
        keeper.words()
        row["share"] = "in her backup"
    except TheriacError:
        row["share"] = "not in her backup"
    pending = keeper.chain.pending(row["home"])
    if pending.controller:
        ends = datetime.fromtimestamp(pending.ends, UTC)
        objected = ", she objected" if pending.objected else ""
        row["recovery"] = f"to {pending.controller}, until {ends:%Y-%m-%d %H:%M} UTC{objected}"
    return row


@cli.command(epilog=example("guardian share ann.call --for ann -o bo.share"))
@_FILE
@click.option("--for", "name", required=True, help="Whom you guard by this name.")
@_OUT
@_WHO
@network_options
@yes_option
def share(file: str, name: str, out: str, who: str, network: str, store: str | None, yes: bool) -> None:
    """Answer a call for shares: yours, sealed for who called. With enough of them all her records open."""
    from scripts._guarding import guardian_of
    from theriac.health.pleas import Call, code_of, seal_words

    check_out(out)
    data = Path(file).read_bytes().strip()
    call = Call.decode(data)
    with guardian_of(who, network=network, store=store) as guarding:
        keeper = guarding.keeper(name)
        if call.home != guarding.ward(name).home:
            raise Failure(f"This call is not of {name}: her home is another one. Nothing was given.", 3)
        words = keeper.words()
        click.echo(f"The code of this call is {code_of(data)}.")
        confirmed(f"Did {name} herself read this code to you, so that you know her voice?", yes=yes)
        write_file(out, seal_words(words, to=call))
    click.echo(f"Wrote {out} for {name}.")


@cli.command(epilog=example("guardian sign bo.plea --for ann -o bo.signed"))
@_FILE
@click.option("--for", "name", required=True, help="Whom you guard by this name.")
@_OUT
@_WHO
@network_options
@yes_option
def sign(file: str, name: str, out: str, who: str, network: str, store: str | None, yes: bool) -> None:
    """Sign that NAME's pseudonyms go to her new wallet, after a look whether they are those that you guard."""
    from scripts._guarding import guardian_of
    from theriac.health.pleas import Plea, code_of

    check_out(out)
    data = Path(file).read_bytes().strip()
    plea = Plea.decode(data)
    with guardian_of(who, network=network, store=store) as guarding:
        keeper = guarding.keeper(name)
        keeper.check(plea)
        table(
            [(each.terms.pseudonym, each.terms.controller) for each in plea.items],
            *("pseudonym", "goes to"),
            empty="Nothing is asked for.",
        )
        click.echo(f"The code of this file is {code_of(data)}.")
        confirmed(f"Did {name} herself read this code to you, so that you know her voice?", yes=yes)
        write_file(out, keeper.approve(plea).encode())
    click.echo(f"Signed: {out} is for {printable(name)}, within six days.")


@cli.command(epilog=example("guardian withdraw bo.plea --for ann --payer TEST::9"))
@_FILE
@click.option("--for", "name", required=True, help="Whom you guard by this name.")
@click.option("--payer", envvar="THERIAC_PAYER", required=True, help="The account of Ape that pays.")
@_WHO
@network_options
@yes_option
def withdraw(file: str, name: str, payer: str, who: str, network: str, store: str | None, yes: bool) -> None:
    """Take back what you signed of a plea, as long as the recovery is pending."""
    from scripts._guarding import guardian_of
    from theriac.health.chain import SenderRelay, Signed
    from theriac.health.pleas import Plea

    plea = Plea.decode(Path(file).read_bytes())
    with guardian_of(who, network=network, store=store) as guarding:
        relay = SenderRelay(guarding.site.sender(payer), guarding.site.contracts)
        back = guarding.keeper(name).withdrawals(plea)
        if not back:
            raise Failure("Nothing that you signed of this is pending.", 3)
        confirmed(f"Withdraw from {len(back)} recoveries? You cannot join them again.", yes=yes)
        for message, signature in back:
            relay.carry(Signed(message, (signature,)))
    click.echo(f"Withdrawn from {len(back)} recoveries.")

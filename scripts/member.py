"""`ape run member`: an organisation's own nodes, how it enters a consortium, and what it does for others that enter."""

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
    table,
    write_file,
    yes_option,
)


@click.group(
    cls=Actor,
    epilog=example(
        'member request --nodes /srv/lakeside --name lakeside --title "Lakeside Hospice" --host 192.0.2.7 '
        "--roles clinician,gateway -o lakeside.request",
        "member join --nodes /srv/lakeside --invitation lakeside.invitation --board 0x...",
    ),
)
def cli() -> None:
    """Enter a consortium with nodes of your own, run them, and take in those that enter later."""


_NODES = click.option(
    "--nodes",
    envvar="THERIAC_NODES",
    required=True,
    type=click.Path(file_okay=False),
    help="The organisation's folder, with its nodes and keys.",
)
_ACTORS = click.Choice(["clinic", "pharmacy", "insurer", "maker", "distributor", "auditor", "custodian"])


@cli.command(
    epilog=example(
        'member request --nodes /srv/lakeside --name lakeside --title "Lakeside Hospice" --host 192.0.2.7 '
        "--roles clinician,gateway -o lakeside.request"
    )
)
@_NODES
@click.option("--name", required=True, help="A short name for folders and peers: a-z, 0-9 and '-'.")
@click.option("--title", required=True, help="The name that others see. It is public.")
@click.option("--host", required=True, help="The IPv4 address at which others reach this machine.")
@click.option("--roles", required=True, help="The licence that is asked for, such as clinician,gateway.")
@click.option("--actor", type=_ACTORS, default="clinic", show_default=True, help="Whose commands it will use.")
@click.option("--no-store", is_flag=True, help="Run no store here, only a node of the chain.")
@click.option("--free-ports", is_flag=True, help="Take any free ports: where the usual ones are in use.")
@click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The file to hand to the board.")
def request(
    nodes: str,
    name: str,
    title: str,
    host: str,
    roles: str,
    actor: str,
    no_store: bool,
    free_ports: bool,
    out: str,
) -> None:
    """Make every key of an organisation here, and write what it asks the board with.

    The passphrase comes from THERIAC_PASSPHRASE or is asked for; it opens the account and the identity.
    """
    from ipaddress import IPv4Address
    from pathlib import Path

    from engines.organisation import Ports
    from scripts import _entering
    from scripts._cli import passphrase
    from theriac.consortium import Role

    check_out(out)
    words = ",".join(Role.parse(roles).words())
    try:
        IPv4Address(host)
    except ValueError:
        raise Failure(f"{host[:60]!r} is no IPv4 address; write it like 192.0.2.7.") from None
    asked = _entering.request(
        Path(nodes),
        name=name,
        title=title,
        actor=actor,
        host=host,
        ports=Ports.near(32323, host) if free_ports else Ports(),
        store=not no_store,
        roles=words,
        out_of=passphrase(new=True, whose=name),
    )
    write_file(out, (Path(nodes) / "request.json").read_bytes())
    click.echo(f"{title} will act by {asked.account}. Hand {out} to the board; nothing in it is secret.")
    click.echo(f"Tell the board by another way, so that it knows the file is yours: {asked.digest[:16]}")


@cli.command(
    epilog=example("member join --nodes /srv/lakeside --invitation lakeside.invitation --board 0x70997970C51812dc...")
)
@_NODES
@click.option("--invitation", required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--board", default=None, help="The board's account, as you were told it by another way than this file.")
@click.option("--wait", "seconds", type=click.IntRange(1, 86400), default=600, show_default=True, help="Seconds.")
@json_option
def join(nodes: str, invitation: str, board: str | None, seconds: int, as_json: bool) -> None:
    """Join by the board's invitation: check it, run the nodes, sync, wait for standing, publish.

    Run again, it goes on where it stopped.
    """
    from pathlib import Path

    from scripts import _entering
    from scripts._inviting import read_file

    def told(signer: str) -> str:
        if board is not None:
            return board
        confirmed(f"The invitation is signed by {signer}. Is that the board, as you know from elsewhere?", yes=False)
        return signer

    joined = _entering.join(
        Path(nodes).absolute(),
        read_file(invitation),
        board=told,
        seconds=seconds,
        tell=lambda what: click.echo(f"{what} ...", err=True),
    )
    organisation, entrance = joined.organisation, joined.entrance
    if as_json:
        print_json(
            {
                "member": joined.member,
                "network": organisation.network,
                "store": organisation.place,
                "file": str(entrance.file),
                "units": [str(each) for each in joined.units],
            }
        )
        return
    click.echo(f"{organisation.name} is member {joined.member}, in sync and published.")
    click.echo(f"  --network {organisation.network}\n  --store   {organisation.place or 'none of its own'}")
    click.echo(f"A shell that reads {entrance.file} works as it; the passphrase is asked for.")
    click.echo(f"Its nodes run now. On a machine that lasts, {joined.units[0].parent} has units for systemd.")


@cli.command(epilog=example("member welcome lakeside.invitation"))
@click.argument("invitation", type=click.Path(exists=True, dir_okay=False))
@click.option("--no-start", is_flag=True, help="Start nothing: units of systemd run the nodes. Write them anew.")
@_NODES
@as_option("clinic")
@network_options
def welcome(invitation: str, no_start: bool, nodes: str, who: str, network: str, store: str | None) -> None:
    """Take in the nodes of a new member, by the board's invitation to it; keep copies for it if the board asks that."""
    from pathlib import Path

    from engines.organisation import Organisation
    from scripts import _inviting
    from scripts._member import desk_of
    from theriac.consortium.invitation import Invitation

    read = Invitation.read(_inviting.read_file(invitation))
    with desk_of(who, network=network, store=store) as desk, _inviting.in_sentences():
        organisation = Organisation(Path(nodes))
        done = _inviting.welcome(desk.site, organisation, read, desk.identity, start=not no_start)
        if no_start:
            from engines.units import write_units

            write_units(organisation)
    click.echo(f"{done.card.name} is taken in" + (", and copies are kept for it here." if done.keeps else "."))
    if no_start:
        click.echo(f"Install {Path(nodes) / 'units'} anew, and have systemd start what is new.")


@cli.command(epilog=example("member forget lakeside"))
@click.argument("name")
@_NODES
@yes_option
def forget(name: str, nodes: str, yes: bool) -> None:
    """Forget the nodes of an organisation that left; copies are kept for it no longer."""
    from pathlib import Path

    from engines.organisation import Organisation
    from engines.units import write_units
    from scripts._inviting import in_sentences

    with in_sentences():
        organisation = Organisation(Path(nodes))
        if name not in {each.name for each in organisation.peers()}:
            raise Failure(f"{organisation.name} knows no organisation called {name}.")
        confirmed(f"Forget {name}, and what is kept for it?", yes=yes)
        for what, daemon in organisation.daemons().items():
            if what == f"keeper of {name}":
                daemon.stop()
        organisation.forgets(name)
        write_units(organisation)
    click.echo(f"{name} is forgotten; the other nodes leave it alone from their next start on.")


@cli.command(epilog=example("member start"))
@_NODES
def start(nodes: str) -> None:
    """Run the nodes in the background."""
    _run(nodes, "start")


@cli.command(epilog=example("member stop"))
@_NODES
def stop(nodes: str) -> None:
    """End the nodes; what they hold stays."""
    _run(nodes, "stop")


@cli.command(epilog=example("member status"))
@_NODES
@json_option
def status(nodes: str, as_json: bool) -> None:
    """Show what runs, how far the chain is, and who seals its blocks."""
    _run(nodes, "status", as_json=as_json)


def _run(nodes: str, act: str, *, as_json: bool = False) -> None:
    from pathlib import Path

    from engines.organisation import Organisation
    from scripts._inviting import in_sentences, validator_of, validators

    with in_sentences():
        organisation = Organisation(Path(nodes))
        if act == "start":
            organisation.start()
        elif act == "stop":
            organisation.stop()
        running = {name: each.running for name, each in organisation.daemons().items()}
        facts: dict[str, Any] = {"name": organisation.name, "running": running}
        if running["chain"]:
            sealing = validators(organisation)
            facts |= {
                "height": organisation.kaia.height(),
                "peers": organisation.kaia.peers(),
                "validators": sealing,
                "validates": validator_of(organisation.card) in sealing,
            }
    if as_json:
        print_json(facts)
        return
    table(
        [(name, "runs" if each else "does not run") for name, each in running.items()],
        *(organisation.name, "state"),
        empty="No node.",
    )
    if running["chain"]:
        click.echo(f"block {facts['height']:,}, {facts['peers']} peers, {len(facts['validators'])} validators")


@cli.command(epilog=example("member vote lakeside", "member vote lakeside --out"))
@click.argument("name")
@click.option("--out", is_flag=True, help="Out of the validators, not into them.")
@_NODES
@yes_option
def vote(name: str, out: bool, nodes: str, yes: bool) -> None:
    """Vote another organisation's node into the validators: more than half of them must.

    The vote goes out with the next block that this node proposes.
    """
    from pathlib import Path

    from engines.organisation import Organisation
    from scripts import _inviting

    confirmed(f"Vote {name} {'out of' if out else 'into'} the validators?", yes=yes)
    with _inviting.in_sentences():
        address = _inviting.vote(Organisation(Path(nodes)), name, out=out)
    click.echo(f"This node votes for {address} to {'leave' if out else 'join'} the validators.")


@cli.command(epilog=example("member validate"))
@_NODES
@yes_option
def validate(nodes: str, yes: bool) -> None:
    """Have the own node seal blocks, once the validators have voted it in."""
    from pathlib import Path

    from engines.organisation import Organisation
    from engines.units import write_units
    from scripts._inviting import in_sentences, validator_of, validators

    with in_sentences():
        organisation = Organisation(Path(nodes))
        sealing = validators(organisation)
        if validator_of(organisation.card) not in sealing:
            raise Failure(
                f"{organisation.name} is not among the {len(sealing)} validators that its running node knows; "
                f"others vote it in by 'member vote {organisation.name}'.",
                3,
            )
        confirmed("Start the node of the chain anew, as a validator?", yes=yes)
        organisation.kaia.stop()
        organisation = organisation.settle(validates=True)
        organisation.start_chain()
        write_units(organisation)
    click.echo(f"{organisation.name} seals blocks.")

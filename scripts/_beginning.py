"""How each actor with an account begins: an identity of its own, and staff that join its member.

Imports nothing but click and `_cli`, as the scripts that use it.
"""

import click

from scripts._cli import (
    Actor,
    Failure,
    account_option,
    as_option,
    confirmed,
    example,
    network_options,
    write_file,
    yes_option,
)


def add_beginnings(cli: Actor, who: str, *, name: str, roles: str, meets: str = "others") -> None:
    """Adds `setup`, `join-request`, `take-on` and `dismiss` to an actor's commands.

    `who` is the folder used unless `--as` names another, and the actor's word in examples; `name` a name for examples,
    `roles` what its staff join as, `meets` who sees its name.
    """
    cli.add_command(_setup(who, name=name, meets=meets))
    cli.add_command(_join_request(who, roles=roles))
    cli.add_command(_take_on(who))
    cli.add_command(_dismiss(who))


def _setup(actor: str, *, name: str, meets: str) -> click.Command:
    @click.command(
        "setup",
        epilog=example(
            f'{actor} setup --account TEST::1 --name "{name}"',
            f'{actor} setup --as jones --account TEST::3 --name "Jones"',
        ),
    )
    @click.option("--name", required=True, help=f"The name that {meets} see. It is public.")
    @as_option(actor)
    @account_option(f"Who acts for the {actor}, or the person")
    @network_options
    def setup(name: str, who: str, account: str | None, network: str, store: str | None) -> None:
        """Make an identity to be sealed to and publish it; again to change the name or the account."""
        from scripts._member import found_desk
        from scripts._progress import working
        from scripts._site import connected

        with connected(network, store) as site, site.person(who, new=True) as person:
            alias = account or person.settings.get("account")
            if alias is None:
                raise Failure("Name the account that signs with --account; 'ape accounts list' shows them.")
            with working("Publishing"):
                desk, published = found_desk(site, person, alias=alias, name=name)
            member = desk.member
        click.echo(f"{name} is {desk.address}" + (f", of member {member}." if member else ", of no member yet."))
        said = "is published." if published else "was published before; nothing was changed."
        click.echo(f"Its profile {said}")

    return setup


def _join_request(actor: str, *, roles: str) -> click.Command:
    @click.command(
        "join-request", epilog=example(f"{actor} join-request --as jones --member 1 --roles {roles} -o jones.join")
    )
    @click.option("--member", required=True, type=click.IntRange(1, (1 << 32) - 1))
    @click.option("--roles", required=True, help=f"Such as {roles}.")
    @click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The file to write.")
    @as_option(actor)
    @account_option("Who joins")
    @network_options
    def join_request(
        member: int, roles: str, out: str, who: str, account: str | None, network: str, store: str | None
    ) -> None:
        """Sign that you join a member; it takes you on with that file within 7 days."""
        from scripts._joining import request
        from scripts._site import connected
        from theriac.consortium import Role

        wanted = Role.parse(roles)
        with connected(network, store) as site:
            alias = account or site.account_of(who)
            write_file(out, request(site, alias, member=member, roles=wanted))
        click.echo(f"Signed to join member {member} as {', '.join(wanted.words())}; hand in {out} within 7 days.")

    return join_request


def _take_on(actor: str) -> click.Command:
    @click.command("take-on", epilog=example(f"{actor} take-on jones.join"))
    @click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
    @as_option(actor)
    @account_option("Who acts for the member")
    @network_options
    def take_on(files: tuple[str, ...], who: str, account: str | None, network: str, store: str | None) -> None:
        """Take on those who signed to join."""
        from scripts._joining import take_on
        from scripts._site import connected

        with connected(network, store) as site:
            for message in take_on(site, account or site.account_of(who), files):
                click.echo(f"{message.account} joined member {message.member} as {', '.join(message.roles.words())}.")

    return take_on


def _dismiss(actor: str) -> click.Command:
    @click.command("dismiss", epilog=example(f"{actor} dismiss TEST::3"))
    @click.argument("staff")
    @as_option(actor)
    @account_option("Who acts for the member")
    @network_options
    @yes_option
    def dismiss(staff: str, who: str, account: str | None, network: str, store: str | None, yes: bool) -> None:
        """End somebody's place with the member: she reads and writes nothing more for it."""
        from scripts._accounts import address_of
        from scripts._site import connected

        confirmed(f"Dismiss {staff}?", yes=yes)
        with connected(network, store) as site:
            call = site.contracts.Consortium.functions.dismiss(address_of(staff, play=site.play))
            site.sender(account or site.account_of(who)).send(call)
        click.echo(f"{staff} is dismissed.")

    return dismiss

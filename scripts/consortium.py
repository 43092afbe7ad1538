"""`ape run consortium`: a small consortium on this machine, with a chain and stores of its own."""

from typing import Any

import click

from scripts._cli import Actor, Failure, confirmed, example, json_option, print_json, table, yes_option


@click.group(cls=Actor, epilog=example("consortium up", "consortium story", "consortium down"))
def cli() -> None:
    """Bring up four organisations whose nodes validate one chain, three of them with stores, and end them again.

    Everything lies in .theriac/consortium. The engines are built by `make engines`.
    """


@cli.command(epilog=example("consortium up"))
@json_option
def up(as_json: bool) -> None:
    """Run all nodes; found the consortium the first time, and go on where that was interrupted."""
    from scripts._world import World

    world = World()
    world.up(lambda what: click.echo(f"{what} ...", err=True))
    _show(world.told(), as_json=as_json)


@cli.command(epilog=example("consortium down"))
def down() -> None:
    """End all nodes; what they hold stays."""
    from scripts._world import World

    left = World().down()
    if left:
        raise Failure(f"Something still runs or listens: {', '.join(left)}; end it and run this again.", 6)
    click.echo("Nothing runs any more; what the nodes hold stays.")


@cli.command(epilog=example("consortium status"))
@json_option
def status(as_json: bool) -> None:
    """Show what runs, and how to talk to it."""
    from scripts._world import World

    _show(World().told(), as_json=as_json)


@cli.command(epilog=example("consortium story"))
def story() -> None:
    """Tell a grant between two organisations' nodes, command by command."""
    from scripts._story import tell

    tell()


@cli.command(epilog=example("consortium forget"))
@yes_option
def forget(yes: bool) -> None:
    """End all nodes and delete the consortium: its chain, its stores and all keys."""
    import shutil

    from scripts._world import World, shown

    world = World()
    confirmed(f"Delete {shown(world.folder)} with its chain, stores and keys?", yes=yes)
    left = world.down()
    if left:
        raise Failure(f"Something still runs or listens: {', '.join(left)}; end it and run this again.", 6)
    shutil.rmtree(world.folder, ignore_errors=True)
    click.echo("The consortium is deleted.")


def _show(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    rows = []
    for each in told["organisations"]:
        down = [what for what, running in each["running"].items() if not running]
        state = f"down: {', '.join(down)}" if down else "runs"
        height = "" if each["height"] is None else f"{each['height']:,}"
        rows.append((each["name"], state, height, each["peers"] or 0, each["network"], each["store"] or "none"))
    table(rows, "organisation", "state", "block", "peers", "--network", "--store", empty="No organisation.")
    click.echo("\nA shell that reads one of these files works as the one it is named for:\n")
    for each in told["places"]:
        click.echo(f"  . {each['file']}")
    click.echo("\nThen `ape run clinic patients`, for example. `ape run consortium story` shows a grant work.")

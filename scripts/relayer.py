"""`ape run relayer`: brings to the chain what patients signed, and pays for it."""

from typing import Any

import click

from scripts._cli import (
    Actor,
    Failure,
    account_option,
    as_option,
    example,
    json_option,
    network_options,
    print_json,
    printable,
    table,
)

LISTEN = "127.0.0.1:8546"


@click.group(
    cls=Actor,
    epilog=example("relayer serve --account TEST::8", "relayer status http://127.0.0.1:8546"),
)
def cli() -> None:
    """Bring signed messages to the chain and pay for them, for those that a member vouches for.

    A relayer can delay what it is given, and neither forge nor change it. Anybody can run one.
    """


@cli.command(
    epilog=example("relayer serve --account TEST::8", "relayer serve --account payer --member 1 --listen 0.0.0.0:8546")
)
@click.option("--listen", default=LISTEN, show_default=True, help="Host and port; port 0 takes any free one.")
@click.option(
    "--member",
    "members",
    multiple=True,
    type=click.IntRange(1, (1 << 32) - 1),
    help="Whose vouchers count; all's else.",
)
@click.option("--policy", default=None, type=click.Path(exists=True, dir_okay=False), help="A JSON file of limits.")
@as_option("relayer")
@account_option("Who pays; no other command should use it")
@network_options
def serve(
    listen: str,
    members: tuple[int, ...],
    policy: str | None,
    who: str,
    account: str | None,
    network: str,
    store: str | None,
) -> None:
    """Take what patients signed and bring it to the chain, until it is stopped.

    What was taken on goes on after a restart. Put a proxy with TLS in front where others than this machine ask; let it
    write down no addresses.
    """
    from scripts._relaying import listening_at, policy_of, serving
    from scripts._site import connected

    host, port = listening_at(listen)
    limits = policy_of(policy, members)
    with connected(network, store) as site, site.person(who, new=True) as person:
        serving(site, person, alias=site.alias(account), host=host, port=port, policy=limits)
    click.echo("Stopped.")


@cli.command(epilog=example("relayer status", "relayer status https://relay.example.org --json"))
@click.argument("url", default=f"http://{LISTEN}")
@json_option
def status(url: str, as_json: bool) -> None:
    """What a relayer says of itself: who pays, on which chain, what is waiting, what its limits are."""
    from theriac.health.relay import about

    told: dict[str, Any] = about(url)
    if as_json:
        print_json(told)
        return
    limits = told.get("policy", {})
    if not isinstance(limits, dict):
        raise Failure(f"What answers at {url[:80]} is no relayer.", 4)
    rows = [(name, told.get(name, "")) for name in ("relayer", "chain", "carrier", "waiting", "trouble")]
    rows += [(f"limit: {name}", value) for name, value in limits.items()]
    table([(printable(str(name)), value) for name, value in rows], "what", "value", empty="")

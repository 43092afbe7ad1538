"""`ape run deploy`: puts the contracts on a network, once."""

import click

from scripts._cli import Act, account_option, confirmed, example, json_option, network_options, print_json, yes_option


@click.command(
    cls=Act,
    epilog=example("deploy --account TEST::0", "deploy --network ethereum:sepolia:node --account mine --depth 12"),
)
@network_options
@account_option("Who deploys and pays")
@click.option("--board", default=None, help="The board of the consortium: an address or alias; --account unless said.")
@click.option("--depth", type=click.IntRange(0, 10_000), default=None, help="Blocks until a block counts as final.")
@click.option("--anew", is_flag=True, help="Set the network's file aside and deploy again: after its chain was reset.")
@json_option
@yes_option
def cli(
    network: str,
    store: str | None,
    account: str | None,
    board: str | None,
    depth: int | None,
    anew: bool,
    as_json: bool,
    yes: bool,
) -> None:
    """Deploy the contracts to a network and write down where they stand.

    The file is .theriac/deployments/<network>.json. Running this again changes nothing; what an interrupted run left
    out is added.
    """
    from scripts._deploying import deploy
    from scripts._site import connected

    if anew:
        confirmed("Set the file of this network aside, and with it what stands on its chain?", yes=yes)
    with connected(network, store) as site:
        done = deploy(site, account=account, board=board, depth=depth, anew=anew)
    if as_json:
        print_json(
            {
                "network": done.deployment.network,
                "file": str(done.path),
                "deployed": list(done.deployed),
                "contracts": {name: each.address for name, each in done.deployment.contracts.items()},
                "gas": done.gas,
            }
        )
        return
    for name, each in done.deployment.contracts.items():
        click.echo(f"{name:<12}{each.address}{'  new' if name in done.deployed else ''}")
    if done.deployed:
        click.echo(f"Deployed {len(done.deployed)} contracts for {done.gas:,} gas; written to {done.path}.")
    else:
        click.echo(f"Everything stands on {done.deployment.network} as {done.path} says; nothing was changed.")

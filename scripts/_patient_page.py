"""`ape run patient page`: the patient's page in a browser. Imports nothing but click and `_cli`, as its callers."""

from typing import TYPE_CHECKING

import click

from scripts._cli import Actor, Failure, as_option, example, network_options

if TYPE_CHECKING:
    pass


def add_page(cli: Actor) -> None:
    """Adds the command that serves the patient's page."""
    cli.add_command(_page)


@click.command("page", epilog=example("patient page", "patient page --wallet one --payer TEST::9"))
@click.option(
    "--wallet",
    type=click.Choice(["one", "many"]),
    default=None,
    help="Begin a vault with a wallet in the browser: one account for everything, or one for each counterparty.",
)
@click.option("--payer", envvar="THERIAC_PAYER", default=None, help="The account of Ape that pays; remembered.")
@as_option("patient")
@network_options
def _page(wallet: str | None, payer: str | None, who: str, network: str, store: str | None) -> None:
    """See who may read what, answer who asks, grant and revoke in a browser, where your wallet signs.

    The page is served to this machine alone, by a link that counts once; press Enter for another. Your keys stay in
    this process. It ends with Ctrl-C.

    With --wallet many, the words of your wallet are asked for once, or taken from THERIAC_MNEMONIC, to learn which
    accounts they make; they are not kept.
    """
    from scripts._pages import serve
    from scripts._patients import VAULT, prepare
    from scripts._site import connected
    from scripts._wallet_page import PatientPage

    with connected(network, store) as site, site.person(who, new=wallet is not None) as person:
        known = (person.folder / VAULT).exists()
        if known and wallet is not None:
            raise Failure(f"{who} has keys here already; leave --wallet out.")
        if not known and wallet is None:
            raise Failure(f"{who} has no keys here yet; say with --wallet which accounts of yours are to sign.")
        if payer is not None:
            site.signer(payer)
            person.remember(payer=payer)
        locked = None if known else prepare(person, many=wallet == "many")
        page = PatientPage(site, person, locked=locked, payer=site.alias(payer) if not known else "")
        page.open()
        serve(page.pages, page.run)

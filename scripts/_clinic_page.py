"""`ape run clinic page`: a reader's page in a browser. Imports nothing but click and `_cli`, as its callers."""

import click

from scripts._cli import Actor, as_option, example, network_options


def add_page(cli: Actor) -> None:
    """Adds the command that serves a reader's page."""
    cli.add_command(_page)


@click.command("page", epilog=example("clinic page", "clinic page --as jones"))
@as_option("clinic")
@network_options
def _page(who: str, network: str, store: str | None) -> None:
    """Read in a browser what patients granted: results as text, images, documents.

    The page is served to this machine alone, by a link that counts once; press Enter for another. The identity stays in
    this process, which opens the records and signs a receipt for each. It ends with Ctrl-C.
    """
    from scripts._member import desk_of
    from scripts._pages import serve
    from scripts._reader_page import ReaderPage

    with desk_of(who, network=network, store=store) as desk:
        page = ReaderPage(desk)
        serve(page.pages, page.run)

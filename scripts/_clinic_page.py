"""`ape run clinic page`: a reader's page in a browser. Imports nothing but click and `_cli`, as its callers."""

import click

from scripts._cli import Actor, as_option, example, network_options


def add_page(cli: Actor) -> None:
    """Adds the command that serves a reader's page."""
    cli.add_command(_page)


@click.command("page", epilog=example("clinic page", "clinic page --as dr-lee --open"))
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser of this machine.")
@as_option("clinic")
@network_options
def _page(opens: bool, who: str, network: str, store: str | None) -> None:
    """Read in a browser what patients granted: results as text, images, documents.

    The page is served to this machine alone, by a link that counts once; press Enter for another. The identity stays in
    this process, which opens the records and signs a receipt for each. It ends with Ctrl-C.
    """
    import webbrowser

    from scripts._member import desk_of
    from scripts._pages import served_links
    from scripts._reader_page import ReaderPage

    with desk_of(who, network=network, store=store) as desk:
        page = ReaderPage(desk)
        with page.pages.serving(), served_links(page.pages) as link:
            if opens:
                webbrowser.open(link)
            page.run()

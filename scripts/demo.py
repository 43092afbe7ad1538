"""The main job from beginning to end, on the embedded chain and a folder: no server, nothing to set up.

    make demo
    make demo BUNDLE=my-fhir-bundle.json
    make demo ENGINE=kaia STORE=kubo

A consortium is founded. A clinic seals a patient's records, she adds one of her own, grants them with a signature that
costs her nothing, and a doctor opens exactly that. She revokes, and the doctor cannot open the next one. An engine (see
engines/README.md) is started for the story alone and stopped after it.
"""

from pathlib import Path

import click
from ape.cli import ConnectedProviderCommand

from engines.devnet import ENGINES


@click.command(cls=ConnectedProviderCommand)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    envvar="BUNDLE",
    help="A FHIR R4 bundle of your own instead of the example's. Example: --bundle my-bundle.json",
)
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="local",
    show_default=True,
    help="The chain: embedded, or an engine that is started for the story. Example: --engine kaia",
)
@click.option(
    "--store",
    metavar="kubo|MULTIADDRESS",
    help="An IPFS node instead of a folder: one started for the story, or one that runs. Example: --store kubo",
)
@click.option("--keep", type=click.Path(path_type=Path), help="Keep the sealed store and all state in this folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the steps with gas and seconds as JSON.")
def cli(bundle: Path | None, engine: str, store: str | None, keep: Path | None, as_json: bool) -> None:
    """Tell the story of a record that only the granted can open, on the embedded chain or another.

    Example: ape run demo --network ethereum:local:test --engine geth --bundle my-bundle.json
    """
    from rich.console import Console

    from scripts._demo import tell

    console = Console(stderr=as_json, soft_wrap=True)
    tell(bundle, keep=keep, console=console, as_json=as_json, engine=engine, store=store)

"""The main job from beginning to end, on the embedded chain and a folder: no server, nothing to set up.

    make demo
    make demo BUNDLE=my-fhir-bundle.json

A consortium is founded. A clinic seals a patient's records, she adds one of her own, grants them with a signature that
costs her nothing, and a doctor opens exactly that. She revokes, and the doctor cannot open the next one.
"""

from pathlib import Path

import click
from ape.cli import ConnectedProviderCommand


@click.command(cls=ConnectedProviderCommand)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    envvar="BUNDLE",
    help="A FHIR R4 bundle of your own instead of the example's. Example: --bundle my-bundle.json",
)
@click.option("--keep", type=click.Path(path_type=Path), help="Keep the sealed store and all state in this folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the steps with gas and seconds as JSON.")
def cli(bundle: Path | None, keep: Path | None, as_json: bool) -> None:
    """Tell the story of a record that only the granted can open, on the embedded chain.

    Example: ape run demo --network ethereum:local:test --bundle my-bundle.json
    """
    from rich.console import Console

    from scripts._demo import tell

    tell(bundle, keep=keep, console=Console(stderr=as_json, soft_wrap=True), as_json=as_json)

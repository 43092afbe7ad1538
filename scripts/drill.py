"""Recovery from beginning to end, on the embedded chain and a folder: no server, nothing to set up.

    ape run drill --network ethereum:local:test

A patient names guardians. She loses her wallet, then her vault, then both while a thief has her words and objects.
"""

import click
from ape.cli import ConnectedProviderCommand


@click.command(cls=ConnectedProviderCommand)
def cli() -> None:
    """Lose the wallet, the vault and both, and tell what guardians brought back, on the embedded chain.

    Example: ape run drill --network ethereum:local:test
    """
    from rich.console import Console

    from scripts._drill import play

    play(console=Console(soft_wrap=True))

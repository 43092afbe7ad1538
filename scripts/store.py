"""`ape run store`: where the files of a member are, how many copies there are, and the mending of what is missing."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import click

from scripts._cli import Actor, Failure, example, json_option, plural, print_json, table

if TYPE_CHECKING:
    from theriac.store.cluster import ClusterStore, Copies
    from theriac.store.kubo import KuboStore

_PLACE = "/ip4/127.0.0.1/tcp/5001,/ip4/127.0.0.1/tcp/9094"

_store_option = click.option(
    "--store",
    envvar="THERIAC_STORE",
    default=None,
    show_envvar=True,
    help=f"An IPFS node and its Cluster peer, such as {_PLACE}.",
)


@click.group(cls=Actor, epilog=example("store status", "store repair"))
def cli() -> None:
    """Tell where a member's files are kept, and mend what is missing. Nothing of it needs the chain."""


@cli.command(epilog=example(f"store status --store {_PLACE}", "store status --all"))
@click.option("--all", "everything", is_flag=True, help="List every file, not only those that lack a copy.")
@_store_option
@json_option
def status(everything: bool, store: str | None, as_json: bool) -> None:
    """List the files that have too few copies, and where each is. Ends with 4 where there are any."""
    from theriac.store.cluster import ClusterStore

    with _opened(store) as found:
        if not isinstance(found, ClusterStore):
            raise Failure(
                "Nobody keeps copies for this store; name a node and its Cluster peer with --store NODE,PEER."
            )
        found.check_peer()
        count = lacking = 0
        shown = []
        for each in found.copies():
            count += 1
            lacking += not each.enough
            if everything or not each.enough or each.faults:
                shown.append(each)
    if as_json:
        print_json({"files": count, "lacking": lacking, "listed": [_values(each) for each in shown]})
    else:
        if shown:
            rows = [(each.cid, f"{len(each.at)} of {each.wanted}", ", ".join(each.at), _faults(each)) for each in shown]
            table(rows, "file", "copies", "at", "not at", empty="")
            click.echo()
        click.echo(f"{plural(count, 'file')}, {lacking} with too few copies.")
    if lacking:
        raise Failure("Copies are missing; run 'ape run store repair' once the other members' peers run.", 4)


@cli.command(epilog=example("store repair", "store repair --verify"))
@click.option("--verify", is_flag=True, help="Read every block too, and fetch what rotted from other members.")
@_store_option
def repair(verify: bool, store: str | None) -> None:
    """Ask again for the copies that are missing, and fetch what the own node lost.

    With --verify, which takes as long as reading the node's whole disk, blocks that rotted are replaced too.
    """
    from theriac.store.cluster import ClusterStore

    with _opened(store) as found:
        if isinstance(found, ClusterStore):
            found.check_peer()
        elif not verify:
            raise Failure("Nobody keeps copies for this store; name NODE,PEER, or --verify to mend the node itself.")
        lost = _verified(found) if verify else ()
        if isinstance(found, ClusterStore):
            _asked(found)
    if lost:
        raise Failure(f"No other node gave {', '.join(lost[:3])}; try again when more members run.", 4)


def _verified(store: "KuboStore") -> tuple[str, ...]:
    healed = store.heal()
    click.echo(f"{plural(len(healed.rotten), 'block')} had rotted, {len(healed.lost)} could not be replaced.")
    return healed.lost


def _asked(store: "ClusterStore") -> None:
    tried = len(list(store.repair()))
    faults = list(store.lacking.values())
    click.echo(
        f"Asked for copies of {plural(tried - len(faults), 'file')}; 'ape run store status' tells when they came."
    )
    if faults:
        # What is said here need not be said again when the command ends.
        store.lacking.clear()
        raise Failure(f"{plural(len(faults), 'file')} cannot be copied now. {faults[-1]}", 4)


@contextmanager
def _opened(place: str | None) -> "Iterator[KuboStore]":
    from scripts._site import opened
    from theriac.store.kubo import KuboStore

    if place is None:
        raise Failure(f"Say which store: --store {_PLACE}, or THERIAC_STORE.")
    with ExitStack() as closing:
        found = opened(place, closing)
        if not isinstance(found, KuboStore):
            raise Failure(
                f"{place} is a folder of this machine, which has no copies and needs no mending of this kind."
            )
        yield found


def _faults(copies: "Copies") -> str:
    return ", ".join(f"{name} ({fault})" for name, fault in copies.faults.items()) or "-"


def _values(copies: "Copies") -> dict[str, Any]:
    return {"file": copies.cid, "copies": len(copies.at), "at": copies.at, "not_at": copies.faults}

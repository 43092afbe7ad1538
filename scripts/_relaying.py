"""A relayer as its command runs it."""

import json
import signal
import threading
from dataclasses import fields, replace
from pathlib import Path

import click

from scripts._cli import Failure, printable
from scripts._site import Person, Site
from theriac.health.relayer import Policy, Relayer
from theriac.health.relayer_http import Server


def listening_at(text: str) -> tuple[str, int]:
    """Host and port, such as 127.0.0.1:8546 or [::1]:0."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise Failure(f"{text[:60]!r} is no place to listen at; write it like 127.0.0.1:8546.")
    return host.strip("[]"), int(port)


def policy_of(path: str | None, members: tuple[int, ...]) -> Policy:
    """The limits: those of a file, where one is given, in place of the usual ones."""
    limits = Policy()
    if path is not None:
        try:
            values = json.loads(Path(path).read_bytes())
        except (OSError, ValueError):
            raise Failure(f'{path} is no JSON file; write an object of limits, such as {{"free_keys": 2}}.') from None
        kinds = {field.name: field.type for field in fields(Policy) if field.name != "members"}
        if not isinstance(values, dict) or not set(values) <= set(kinds):
            raise Failure(f"{path} names a limit that there is not; there are {', '.join(kinds)}.")
        for name, value in values.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1 << 53:
                raise Failure(f"{path}: {name} is no number from 0 on.")
            if kinds[name] is int and not isinstance(value, int):
                raise Failure(f"{path}: {name} is no whole number.")
        limits = replace(limits, **values)
    return replace(limits, members=members)


def serving(site: Site, person: Person, *, alias: str, host: str, port: int, policy: Policy) -> None:
    """Listens until somebody stops it, by Ctrl-C or as a service is stopped."""
    person.remember(kind="relayer", account=alias)
    genesis = site.contracts.deployment.genesis
    # The sender comes first: its outbox keeps a second relayer of this account out.
    sender = site.sender(alias)
    relayer = Relayer(
        chain=site.chain(person.folder),
        sender=sender,
        store=site.store,
        journal=person.folder / f"journal-{genesis[2:10]}.sqlite",
        policy=policy,
    )
    site._open.callback(relayer.close)
    stopped = threading.Event()
    before = {each: signal.signal(each, lambda *_: stopped.set()) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Server(relayer, host=host, port=port) as server:
            click.echo(f"Relaying at {server.url}, paid by {relayer.address}.")
            # In pieces: a signal only wakes a wait that ends.
            told = ""
            while not stopped.wait(0.5):
                if relayer.trouble != told:
                    told = relayer.trouble
                    click.echo(printable(told) if told else "It goes on.", err=True)
    except OSError as fault:
        raise Failure(f"{host}:{port} cannot be listened at: {fault.strerror}; name another --listen.", 4) from None
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)

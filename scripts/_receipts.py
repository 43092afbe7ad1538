"""What a desk does with the receipts of its readings: sends them, takes in those of its staff, shows them."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts._cli import (
    Failure,
    as_option,
    check_out,
    example,
    json_option,
    network_options,
    plural,
    print_json,
    write_file,
)

if TYPE_CHECKING:
    from scripts._member import Desk
    from theriac.health.accesslog import Sent
    from theriac.health.chain import Chain
    from theriac.health.receipts import Proof
    from theriac.store import Store

_LARGEST = 64 << 20


def add_log(cli: click.Group) -> None:
    """Adds the commands of a desk's receipts."""
    cli.add_command(_log)
    cli.add_command(_disclose)


def send_receipts(desk: "Desk") -> "Sent":
    """Logs and sends what waits in the desk's book."""
    return desk.reader().book.send(desk.site.sender(desk.alias), desk.site.store)


def sent_or_kept(desk: "Desk") -> None:
    """The same after an opening, which is done whatever becomes of it."""
    from theriac.errors import TheriacError

    try:
        send_receipts(desk)
    except TheriacError as trouble:
        click.echo(f"The receipt waits here ({trouble}) Send it with 'clinic log'.", err=True)


@click.command("log", epilog=example("clinic log", "clinic log jones.receipts", "clinic log --hand-in jones.receipts"))
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--hand-in", "out", type=click.Path(dir_okay=False), default=None, help="Write what waits, sealed to the member."
)
@click.option("--again", is_flag=True, help="With --hand-in: also what was handed in before.")
@as_option("clinic")
@network_options
@json_option
def _log(
    files: tuple[str, ...], out: str | None, again: bool, who: str, network: str, store: str | None, as_json: bool
) -> None:
    """Send the receipts of what was read here to the patients, and log one root over them.

    FILES are receipts that staff handed in, to be logged with the desk's own. Where somebody has no account that pays,
    --hand-in writes such a file instead.
    """
    from scripts._member import desk_of
    from scripts._progress import working

    if out is not None and files:
        raise Failure("Give FILES to take in, or --hand-in, not both.")
    if again and out is None:
        raise Failure("--again goes with --hand-in.")
    with desk_of(who, network=network, store=store) as desk:
        if out is not None:
            _hand_in(desk, out, again=again, as_json=as_json)
            return
        book = desk.reader().book
        taken = sum(book.take_in(_read(file)) for file in files)
        with working("Sending"):
            sent = send_receipts(desk)
    if as_json:
        print_json(
            {
                "taken": taken,
                "logged": sent.logged,
                "letters": sent.letters,
                "roots": list(sent.roots),
                "waiting": list(sent.waiting),
                "gas": sent.gas,
            }
        )
        return
    if not (sent.logged or sent.letters or sent.waiting):
        click.echo("Nothing was left to send.")
        return
    click.echo(f"Logged {plural(sent.logged, 'receipt')}, sent {plural(sent.letters, 'letter')}, for {sent.gas:,} gas.")
    for pseudonym in sent.waiting:
        click.echo(f"Waits, since its inbox cannot be had: {pseudonym}")


def _hand_in(desk: "Desk", out: str, *, again: bool, as_json: bool) -> None:
    from theriac.crypto.recipients import parse_recipient
    from theriac.health.messages import member_address

    check_out(out)
    if not desk.member:
        raise Failure(f"{desk.address} belongs to no member; send its receipts with 'clinic log'.", 3)
    profile = desk.chain.profile(member_address(desk.member), desk.site.store)
    if profile.account == desk.address:
        raise Failure("This desk acts for the member itself; send its receipts with 'clinic log'.")
    book = desk.reader().book
    if not again and not book.waiting():
        raise Failure("No receipt waits here, so nothing was written; --again hands in once more what was.", 3)
    count = book.hand_in(lambda data: write_file(out, data), to=parse_recipient(profile.recipient), again=again)
    if as_json:
        print_json({"handed in": count, "file": out})
        return
    click.echo(f"Wrote {out} for {profile.name}, with {plural(count, 'receipt')}; hand it in there.")


@click.command(
    "disclose",
    epilog=example("clinic disclose --record 3f9a2c... -o readings.json", "clinic disclose --root 7be1 -o all.json"),
)
@click.option("--record", default=None, help="Only the readings of this record, by its digest of 64 digits.")
@click.option("--root", default=None, help="All below one logged root, so that nothing below it is held back.")
@click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The file to write.")
@as_option("clinic")
@network_options
def _disclose(record: str | None, root: str | None, out: str, who: str, network: str, store: str | None) -> None:
    """Write readings of this desk with their proofs, for an auditor. The file is not sealed: it says who read what."""
    from scripts._member import desk_of

    check_out(out)
    with desk_of(who, network=network, store=store) as desk:
        proofs = desk.reader().book.proofs(record=record.lower() if record is not None else None)
    if root is not None:
        proofs = [proof for proof in proofs if proof.root.startswith(root.lower())]
    write_disclosure(proofs, out)


def write_disclosure(proofs: "Sequence[Proof]", out: str) -> None:
    from theriac.health.flow import encode_disclosure

    if not proofs:
        raise Failure("There is no such reading to disclose; nothing was written.", 3)
    write_file(out, encode_disclosure(proofs))
    click.echo(f"Wrote {plural(len(proofs), 'reading')} to {out}; whoever gets it learns what it says.")


def _read(path: str) -> bytes:
    data = Path(path).read_bytes()
    if len(data) > _LARGEST:
        raise Failure(f"{path} is longer than receipts are; give the file that was handed in.")
    return data


def shown(reading: Any, *, name: str, title: str = "") -> dict[str, Any]:
    """A reading as lists and programs show it."""
    from scripts._options import day

    receipt = reading.receipt
    return {
        "time": day(receipt.time),
        "reader": receipt.reader,
        "name": name,
        "member": receipt.member,
        "number": receipt.number,
        "record": receipt.record,
        "title": title,
        "class": receipt.cls,
        "purpose": receipt.purpose,
        "rule": receipt.rule,
        "act": receipt.act,
        "to": receipt.to if int(receipt.to, 16) else "",
        "granted by": receipt.pseudonym,
        "logged": day(reading.log.time) if reading.log is not None else "",
        "root": reading.log.root if reading.log is not None else "",
        "faults": [str(fault) for fault in reading.faults],
    }


def names_in(chain: "Chain", store: "Store") -> "Callable[[str], str]":
    """Gives the name that an account published of itself, or nothing; asked once for each."""
    from theriac.errors import TheriacError

    @cache
    def name_of(account: str) -> str:
        try:
            return str(chain.profile(account, store).name)
        except TheriacError:
            return ""

    return name_of

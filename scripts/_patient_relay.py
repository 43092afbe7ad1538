"""A patient's commands about relayers: which she asks, and what entitles her to be carried.

Imports nothing but click and `_cli`, as the scripts that use it.
"""

import click

from scripts._cli import (
    Actor,
    Failure,
    as_option,
    check_out,
    example,
    json_option,
    network_options,
    print_json,
    table,
    write_file,
)

_WHO = as_option("patient")


def add_relay(cli: Actor) -> None:
    """Adds a patient's commands about relayers."""
    cli.add_command(_relayers)
    cli.add_command(_vouchers)


@click.command(
    "relayers", epilog=example("patient relayers", "patient relayers https://one.example https://two.example")
)
@click.argument("urls", nargs=-1)
@click.option("--none", "none", is_flag=True, help="Ask no relayer any more; the payer pays.")
@click.option("--jitter", type=click.IntRange(0, 3600), default=None, help="Longest pause between pseudonyms, in s.")
@_WHO
@network_options
@json_option
def _relayers(
    urls: tuple[str, ...],
    none: bool,
    jitter: int | None,
    who: str,
    network: str,
    store: str | None,
    as_json: bool,
) -> None:
    """Show which relayers are asked, in their order, or name others.

    One is asked after the other where one refuses or is late. With --jitter, a random pause stands between what is sent
    for one pseudonym and for the next, so that times say less of what belongs together.
    """
    from scripts._site import connected
    from theriac.health.relay import address_of

    if urls and none:
        raise Failure("Name relayers or give --none, not both.")
    for url in urls:
        address_of(url)
    with connected(network, store) as site, site.person(who) as person:
        if person.settings.get("kind") != "patient":
            raise Failure(f"{who} is a desk here; name a patient with --as.")
        if urls or none:
            person.remember(relayers=" ".join(urls))
        if jitter is not None:
            person.remember(jitter=str(jitter))
        named = person.settings.get("relayers", "").split()
    if as_json:
        print_json(named)
        return
    table([(each,) for each in named], "relayer", empty="No relayer is asked.")


@click.group(
    "voucher", cls=Actor, epilog=example("patient voucher ask --from 1 --relayer http://127.0.0.1:8546 -o ann.asked")
)
def _vouchers() -> None:
    """What relayers carry for: vouchers that a desk signed for a pseudonym, and blank ones."""


@_vouchers.command(epilog=example("patient voucher ask --from 1 --relayer http://127.0.0.1:8546 -o ann.asked"))
@click.option("--from", "member", required=True, type=click.IntRange(1, (1 << 32) - 1), help="The member's number.")
@click.option("--relayer", required=True, help="The relayer's address on the web; they count there alone.")
@click.option("--count", type=click.IntRange(1, 64), default=8, show_default=True, help="One for each pseudonym.")
@click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The file to hand in at the desk.")
@_WHO
@network_options
def ask(member: int, relayer: str, count: int, out: str, who: str, network: str, store: str | None) -> None:
    """Ask a desk for blank vouchers: it signs them without seeing them, so nobody learns which pseudonyms are yours."""
    from eth_utils.address import is_address, to_checksum_address

    from scripts._patients import patient_of, purse_of
    from theriac.health.messages import member_address
    from theriac.health.relay import about
    from theriac.health.vouchers import BlankKey, ask_document

    check_out(out)
    named = str(about(relayer).get("relayer"))
    if not is_address(named):
        raise Failure(f"What answers at {relayer[:80]} is no relayer.", 4)
    with patient_of(who, network=network, store=store) as (patient, _):
        key = BlankKey.of(patient.chain.profile(member_address(member), patient.store))
        if key is None or key.until <= patient.chain.time():
            raise Failure(f"Member {member} signs no blank vouchers now; ask its desk, or another member.", 3)
        asked = purse_of(patient).ask(member=member, relayer=to_checksum_address(named), key=key, count=count)
        write_file(out, ask_document(member, asked))
    click.echo(f"Written to {out}; hand it in at the desk of member {member}, and add what comes back.")


@_vouchers.command(epilog=example("patient voucher add ann.signed", "patient voucher add ann.voucher"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@_WHO
@network_options
def add(file: str, who: str, network: str, store: str | None) -> None:
    """Add a voucher, or the blank ones that a desk signed."""
    from pathlib import Path

    from scripts._patients import patient_of, purse_of
    from theriac.errors import BadVoucher
    from theriac.health.messages import member_address
    from theriac.health.vouchers import LARGEST_FILE, BlankKey, Voucher
    from theriac.ledger.codec import parse_json

    with Path(file).open("rb") as handle:
        data = handle.read(LARGEST_FILE + 1).strip()
    try:
        values = parse_json(data)
        kind, member = values["kind"], int(values["member"])
    except (ValueError, KeyError, TypeError):
        raise BadVoucher(fault="the file is none") from None
    with patient_of(who, network=network, store=store) as (patient, _):
        purse = purse_of(patient)
        if kind == "voucher":
            voucher = Voucher.decode(data)
            if voucher.pseudonym not in patient.vault.accounts:
                raise Failure("This voucher is for a pseudonym that is not yours; ask the desk for another.", 3)
            purse.add(voucher)
            said = f"Added: {voucher.acts} acts a day at the relayer {voucher.relayer}."
        else:
            key = BlankKey.of(patient.chain.profile(member_address(member), patient.store))
            if key is None:
                raise Failure(f"Member {member} names no key for blank vouchers; ask its desk for new ones.", 3)
            said = f"Added {purse.receive(data, key=key)} blank vouchers."
    click.echo(said)


@_vouchers.command("list", epilog=example("patient voucher list"))
@_WHO
@network_options
@json_option
def list_(who: str, network: str, store: str | None, as_json: bool) -> None:
    """List vouchers, and how many blank ones are left."""
    from datetime import UTC, datetime

    from scripts._patients import patient_of, purse_of

    with patient_of(who, network=network, store=store) as (patient, _):
        purse = purse_of(patient)
        rows = [
            {
                "kind": "voucher",
                "member": each.member,
                "relayer": each.relayer,
                "for": each.pseudonym,
                "until": datetime.fromtimestamp(each.expiry, UTC).isoformat(),
            }
            for each in purse.vouchers
        ]
        rows += [
            {"kind": "blank", "member": blank.member, "relayer": blank.relayer, "for": by, "until": ""}
            for blank, by in purse.blanks
        ]
    if as_json:
        print_json(rows)
        return
    table(
        [(each["kind"], each["member"], each["relayer"], each["for"] or "-", each["until"]) for each in rows],
        *("kind", "member", "relayer", "used by", "until"),
        empty="There are none.",
    )

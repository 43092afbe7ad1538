"""`ape run board`: who is a member of the consortium."""

from datetime import UTC
from typing import Any

import click

from scripts._cli import (
    Actor,
    Failure,
    account_option,
    confirmed,
    example,
    json_option,
    network_options,
    print_json,
    table,
    yes_option,
)


@click.group(cls=Actor, epilog=example("board admit TEST::1 --roles clinician,gateway --until 2030-01-01"))
def cli() -> None:
    """Decide who is a member, licensed as what, until when."""


def _sent(network: str, store: str | None, account: str | None, call: Any, said: str) -> None:
    """Sends one call of the consortium's contract. `call` makes it from the contract's functions and the site."""
    from scripts._progress import working
    from scripts._site import connected

    with connected(network, store) as site, working("Sending"):
        functions = site.contracts.Consortium.functions
        receipt = site.sender(site.alias(account)).send(call(functions, site))
        events = {key: value for each in site.contracts.events(receipt) for key, value in each.arguments.items()}
    click.echo(said.format(**events))


_MEMBER = click.argument("member", type=click.IntRange(1, (1 << 32) - 1))
_REASON = click.option(
    "--reason", type=click.IntRange(0, 65535), default=0, help="A number that the board's rules name."
)
_ROLES = click.option("--roles", required=True, help="Such as clinician,laboratory,gateway.")
_TIER = click.option("--tier", type=click.IntRange(0, 255), default=1, show_default=True)
_UNTIL = click.option("--until", required=True, help="The licence ends on this day at 00:00 UTC.")


def _licence(roles: str, until: str) -> tuple[int, int]:
    from scripts._options import moment
    from theriac.consortium import Role

    return int(Role.parse(roles)), int(moment(until).timestamp())


@cli.command(epilog=example("board admit TEST::1 --roles clinician,gateway --until 2030-01-01"))
@click.argument("member_account")
@_ROLES
@_TIER
@_UNTIL
@network_options
@account_option("The board")
def admit(
    member_account: str, roles: str, tier: int, until: str, network: str, store: str | None, account: str | None
) -> None:
    """Admit a member, by the account that acts for it."""
    from scripts._accounts import address_of

    bits, expiry = _licence(roles, until)
    _sent(
        network,
        store,
        account,
        lambda functions, site: functions.admit(address_of(member_account, play=site.play), bits, tier, expiry),
        "Admitted as member {member}.",
    )


@cli.command(
    epilog=example(
        "board invite lakeside.request --until 2030-01-01 --keeper 1 -o lakeside.invitation --nodes /srv/north"
    )
)
@click.argument("request", type=click.Path(exists=True, dir_okay=False))
@click.option("--roles", default=None, help="The licence that is given; what the request asks for unless said.")
@_TIER
@_UNTIL
@click.option("--keeper", "keepers", multiple=True, type=click.IntRange(1, (1 << 32) - 1), help="Keeps copies for it.")
@click.option("--days", type=click.IntRange(1, 90), default=14, show_default=True, help="How long it counts.")
@click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The file to hand out.")
@click.option(
    "--nodes",
    envvar="THERIAC_NODES",
    required=True,
    type=click.Path(file_okay=False),
    help="The folder of an organisation whose nodes know the chain and the others.",
)
@network_options
@account_option("The board")
@yes_option
def invite(
    request: str,
    roles: str | None,
    tier: int,
    until: str,
    keepers: tuple[int, ...],
    days: int,
    out: str,
    nodes: str,
    network: str,
    store: str | None,
    account: str | None,
    yes: bool,
) -> None:
    """Admit an organisation that asks to enter, and write the invitation with which its one command joins.

    The file is for that request alone. Members that keep copies need it too: `ape run member welcome`.
    """
    from pathlib import Path

    from engines.organisation import Organisation
    from scripts import _inviting
    from scripts._cli import check_out, printable, write_file
    from scripts._site import connected
    from theriac.consortium.invitation import Request

    check_out(out)
    asked = Request.read(_inviting.read_file(request))
    bits, expiry = _licence(roles or asked.roles, until)
    click.echo(
        f"{printable(asked.title)}, to be called {asked.card.name}, asks by {asked.account}: {asked.digest[:16]}"
    )
    confirmed(f"Admit it as {roles or asked.roles} until {until}, and invite its nodes?", yes=yes)
    with connected(network, store) as site, _inviting.in_sentences():
        done = _inviting.invite(
            site,
            Organisation(Path(nodes)),
            asked,
            alias=site.alias(account),
            roles=bits,
            tier=tier,
            until=expiry,
            keepers=keepers,
            seconds=days * 24 * 3600,
        )
    write_file(out, done.file)
    click.echo(f"{'Admitted as' if done.admitted else 'It is'} member {done.member}; the invitation is in {out}.")
    click.echo(f"Tell it by another way that the board is {done.invitation.signer}.")


@cli.command(epilog=example("board renew 1 --roles clinician,gateway --until 2032-01-01"))
@_MEMBER
@_ROLES
@_TIER
@_UNTIL
@network_options
@account_option("The board")
def renew(member: int, roles: str, tier: int, until: str, network: str, store: str | None, account: str | None) -> None:
    """Renew or change a member's licence; a suspension stays."""
    bits, expiry = _licence(roles, until)
    call = lambda functions, site: functions.renew(member, bits, tier, expiry)  # noqa: E731
    _sent(network, store, account, call, "Renewed member {member}.")


@cli.command(epilog=example("board suspend 1 --reason 7"))
@_MEMBER
@_REASON
@network_options
@account_option("The board")
@yes_option
def suspend(member: int, reason: int, network: str, store: str | None, account: str | None, yes: bool) -> None:
    """Suspend a member and with it all its staff, at once."""
    confirmed(f"Suspend member {member}? None of its staff can read or write from then on.", yes=yes)
    call = lambda functions, site: functions.suspend(member, reason)  # noqa: E731
    _sent(network, store, account, call, "Suspended member {member} and all its staff.")


@cli.command(epilog=example("board reinstate 1"))
@_MEMBER
@network_options
@account_option("The board")
def reinstate(member: int, network: str, store: str | None, account: str | None) -> None:
    """End a suspension."""
    call = lambda functions, site: functions.reinstate(member)  # noqa: E731
    _sent(network, store, account, call, "Reinstated member {member}.")


@cli.command(epilog=example("board remove 1 --reason 7"))
@_MEMBER
@_REASON
@network_options
@account_option("The board")
@yes_option
def remove(member: int, reason: int, network: str, store: str | None, account: str | None, yes: bool) -> None:
    """Remove a member for good."""
    confirmed(f"Remove member {member} for good? It can only come back under a new number.", yes=yes)
    call = lambda functions, site: functions.remove(member, reason)  # noqa: E731
    _sent(network, store, account, call, "Removed member {member}.")


@cli.command("renew-key", epilog=example("board renew-key"))
@network_options
@account_option("The board")
def renew_key(network: str, store: str | None, account: str | None) -> None:
    """Draw a new key for the directory of batches and seal it to each member in standing.

    Do so after members joined and after each suspension: who has the key can tell which products are on the chain.
    """
    import io

    from scripts._progress import working
    from scripts._site import connected
    from theriac.medicine.keys import new_key, sealed_to

    with connected(network, store) as site:
        functions = site.contracts.Consortium.functions
        recipients, keyless = _recipients(site)
        if not recipients:
            raise Failure("No member in standing has published a key; each begins with 'setup'.", 3)
        with working("Sealing and sending"):
            digest = site.store.put(io.BytesIO(sealed_to(new_key(), recipients))).digest
            receipt = site.sender(site.alias(account)).send(functions.renewKey(digest))
            [event] = site.contracts.events(receipt)
    click.echo(f"Key {event.arguments['number']} is sealed to {len(recipients)} members.")
    if keyless:
        click.echo(f"Members {', '.join(map(str, keyless))} have published no key and cannot open it.")


def _recipients(site: Any) -> tuple[list[Any], list[int]]:
    """What the members in standing are sealed to, and the numbers of those that published nothing."""
    from theriac.crypto.recipients import parse_recipient
    from theriac.errors import NoProfile
    from theriac.health.messages import member_address

    functions, chain = site.contracts.Consortium.functions, site.chain(site.folder)
    found, keyless = [], []
    for number in range(1, site.contracts.call(functions.memberCount()) + 1):
        if not site.contracts.call(functions.inStanding(number)):
            continue
        try:
            found.append(parse_recipient(chain.profile(member_address(number), site.store).recipient))
        except NoProfile:
            keyless.append(number)
    return found, keyless


@cli.command("replace-account", epilog=example("board replace-account 1 TEST::8"))
@_MEMBER
@click.argument("new_account")
@network_options
@account_option("The board or the member")
@yes_option
def replace_account(
    member: int, new_account: str, network: str, store: str | None, account: str | None, yes: bool
) -> None:
    """Let another account act for a member: when a key is lost, or staff change."""
    from scripts._accounts import address_of

    confirmed(f"Let {new_account} act for member {member} from now on?", yes=yes)
    _sent(
        network,
        store,
        account,
        lambda functions, site: functions.replaceAccount(member, address_of(new_account, play=site.play)),
        "{account} acts for member {member} now.",
    )


@cli.command("offer", epilog=example("board offer TEST::7"))
@click.argument("next_board")
@network_options
@account_option("The board")
@yes_option
def offer(next_board: str, network: str, store: str | None, account: str | None, yes: bool) -> None:
    """Hand the board's seat over, first step: offer it. It changes hands when the other side accepts."""
    from scripts._accounts import address_of

    confirmed(f"Offer the seat of the board to {next_board}?", yes=yes)
    _sent(
        network,
        store,
        account,
        lambda functions, site: functions.offerBoard(address_of(next_board, play=site.play)),
        "Offered the board's seat to {offered}.",
    )


@cli.command("accept", epilog=example("board accept --account TEST::7"))
@network_options
@account_option("Who was offered the seat")
def accept(network: str, store: str | None, account: str | None) -> None:
    """Hand the board's seat over, second step: accept it."""
    call = lambda functions, site: functions.acceptBoard()  # noqa: E731
    _sent(network, store, account, call, "{board} is the board now.")


@cli.command("pardon", epilog=example("board pardon TEST::4"))
@click.argument("clinician")
@network_options
@account_option("Who acts for the board")
@yes_option
def pardon(clinician: str, network: str, store: str | None, account: str | None, yes: bool) -> None:
    """End a CLINICIAN's bar from breaking the glass before its time."""
    from scripts._accounts import address_of

    confirmed(f"Let {clinician} break the glass again?", yes=yes)
    _sent(
        network,
        store,
        account,
        lambda _, site: site.contracts.Emergencies.functions.clear(address_of(clinician, play=site.play)),
        "{clinician} may break the glass again.",
    )


@cli.command("list", epilog=example("board list", "board list --keyless --json"))
@click.option("--keyless", is_flag=True, help="Only members that have published no key, to whom nothing can be sealed.")
@network_options
@json_option
def list_(keyless: bool, network: str, store: str | None, as_json: bool) -> None:
    """List the members."""
    from datetime import datetime

    from scripts._site import connected
    from theriac.consortium import Role
    from theriac.errors import NoProfile
    from theriac.health.messages import member_address

    status = ("none", "admitted", "suspended", "removed")
    found = []
    with connected(network, store) as site:
        contracts, functions = site.contracts, site.contracts.Consortium.functions
        chain = site.chain(site.folder)
        for number in range(1, contracts.call(functions.memberCount()) + 1):
            member = contracts.call(functions.memberOf(number))
            try:
                name = chain.profile(member_address(number), site.store).name
            except NoProfile:
                name = ""
            found.append(
                {
                    "member": number,
                    "name": name,
                    "account": member["account"],
                    "roles": Role(member["roles"]).words(),
                    "tier": member["tier"],
                    "until": datetime.fromtimestamp(member["expiry"], UTC).date().isoformat(),
                    "status": status[member["status"]],
                    "standing": bool(contracts.call(functions.inStanding(number))),
                    "key": bool(name),
                }
            )
    found = [each for each in found if not (keyless and each["key"])]
    if as_json:
        print_json(found)
        return
    table(
        [
            (
                each["member"],
                each["name"] or "(no key)",
                each["account"],
                ",".join(each["roles"]),
                each["until"],
                each["status"] if each["standing"] or each["status"] != "admitted" else "run out",
            )
            for each in found
        ],
        *("member", "name", "account", "roles", "until", "status"),
        empty="No member.",
    )

"""A patient's commands about guardians, recovery and other wallets.

Imports nothing but click and `_cli`, as the scripts that use it.
"""

from pathlib import Path
from typing import Any

import click

from scripts._cli import (
    Actor,
    Failure,
    as_option,
    check_out,
    confirmed,
    example,
    json_option,
    network_options,
    payer_option,
    plural,
    print_json,
    table,
    write_file,
    yes_option,
)

_WHO = as_option("patient")
_ACCOUNT = click.option("--account", default=None, help="One account of Ape signs everything.")
_MNEMONIC = click.option("--mnemonic", is_flag=True, help="Ask for words, or take them from THERIAC_MNEMONIC.")
_PRINT = click.option(
    "--print",
    "folder",
    type=click.Path(file_okay=False),
    default=None,
    help="A folder for everybody's share in words, to be printed and deleted. Who has no file needs its own.",
)


@click.group("guardians", cls=Actor)
def _guardians() -> None:
    """Name people who together bring your keys back."""


@click.group("recover", cls=Actor)
def _recover() -> None:
    """Come back to your keys with your guardians' help: wallet lost, vault lost, or both."""


def add_recovery(cli: Actor) -> None:
    """Adds a patient's commands about guardians, recovery and other wallets."""
    for command in (_set, _show, _renew, _drop):
        _guardians.add_command(command)
    for command in (_call, _open, _begin, _ask, _start, _finish, _state):
        _recover.add_command(command)
    for each in (_guardians, _recover, _object, _hand_over):
        cli.add_command(each)


# -- guardians -------------------------------------------------------------------------------------------------------


@click.command("set", epilog=example("patient guardians set bo.card lin.card kim.card --threshold 2"))
@click.argument("cards", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--threshold", required=True, type=click.IntRange(2, 15), help="How many of them are enough together.")
@_PRINT
@payer_option
@_WHO
@network_options
@yes_option
def _set(
    cards: tuple[str, ...],
    threshold: int,
    folder: str | None,
    payer: str | None,
    who: str,
    network: str,
    store: str | None,
    yes: bool,
) -> None:
    """Name guardians by the CARDS that they gave you. New ones count after 30 days, those of before until then."""
    from scripts._patients import patient_of
    from scripts._progress import working
    from theriac.health.guardians import check_threshold
    from theriac.health.pleas import decode_card

    chosen = [decode_card(Path(card).read_bytes()) for card in cards]
    check_threshold(threshold, len(chosen))
    paper = [each.name for each in chosen if not each.recipient]
    _check_print(folder, paper)
    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        names = ", ".join(each.name for each in chosen)
        confirmed(f"Let any {threshold} of {names} open all your records and move your pseudonyms together?", yes=yes)
        with working("Sealing a backup to them, and naming them for each pseudonym"):
            printed = patient.set_guardians(chosen, threshold=threshold)
        home = patient.vault.home().pseudonym
    _write_printed(folder, printed, home)
    click.echo(f"Named. They count in 30 days. Tell each of them your home, and write it down:\n\n  {home}\n")
    plain = [each.name for each in chosen if each.account]
    if plain:
        click.echo(f"{', '.join(plain)}: one account for all your pseudonyms, which links them where it is used.")


def _check_print(folder: str | None, paper: list[str]) -> None:
    if paper and folder is None:
        raise Failure(f"{', '.join(paper)} keep their share on paper: name a folder for it with --print.")
    if folder is not None and Path(folder).exists() and any(Path(folder).iterdir()):
        raise Failure(f"The folder {folder} is not empty; name a new one.")


def _write_printed(folder: str | None, printed: Any, home: str) -> None:
    if folder is None:
        return
    for number, each in enumerate(printed, start=1):
        text = f"A share of a backup, for {each.name}\nhome {home}\n\n{each.words}\n"
        write_file(str(Path(folder) / f"share-{number}.txt"), text.encode())
    click.echo(f"Print what is in {folder}, give each guardian its own, and delete the folder.")


@click.command("show", epilog=example("patient guardians show"))
@_WHO
@network_options
@json_option
def _show(who: str, network: str, store: str | None, as_json: bool) -> None:
    """Who guards you, and how each pseudonym stands on the chain."""
    from scripts._patients import patient_of

    with patient_of(who, network=network, store=store) as (patient, _):
        found, rows = patient.vault.guardians, [_standing(each) for each in patient.standings()]
        alarms = [str(each) for each in patient.guardian_alarms()]
        home = patient.vault.home().pseudonym
    for alarm in alarms:
        click.echo(f"ALARM: {alarm}", err=True)
    names = [each.name for each in found.guardians] if found is not None else []
    if as_json:
        said = {"home": home, "guardians": names, "threshold": found.threshold if found is not None else 0}
        print_json({**said, "pseudonyms": rows, "alarms": alarms})
        return
    if found is None:
        click.echo("Nobody guards you; 'patient guardians set' names people who do.")
    else:
        click.echo(f"{found.threshold} of {', '.join(names)} together. Your home: {home}")
    _print_standings(rows)


def _standing(each: Any) -> dict[str, Any]:
    pending = each.pending
    return {
        "pseudonym": each.pseudonym,
        "home": each.home,
        "guarded": each.guarded,
        "others": _time(each.since),
        "yours": each.controlled,
        "recovery": ("to your new wallet" if each.ours else "to another wallet") if pending.controller else "",
        "until": _time(pending.ends),
        "guardians": pending.confirmed.bit_count(),
        "needed": pending.needed,
        "objected": pending.objected,
    }


def _time(seconds: int) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC" if seconds else ""


def _print_standings(rows: list[dict[str, Any]]) -> None:
    table(
        [
            (
                each["pseudonym"],
                "yes" if each["yours"] else "no",
                "yes" if each["guarded"] else "no",
                each["others"],
                each["recovery"] and f"{each['recovery']}: {each['guardians']} of {each['needed']}",
                each["until"] + (", objected" if each["objected"] else ""),
            )
            for each in rows
        ],
        *("pseudonym", "yours", "guarded", "others count", "recovery", "until"),
        empty="There is no pseudonym.",
    )


@click.command("renew", epilog=example("patient guardians renew", "patient guardians renew --print shares"))
@_PRINT
@payer_option
@_WHO
@network_options
@yes_option
def _renew(folder: str | None, payer: str | None, who: str, network: str, store: str | None, yes: bool) -> None:
    """New shares for the same guardians; every key is made new, so that shares of before open nothing that follows."""
    from scripts._patients import patient_of
    from scripts._progress import working
    from theriac.errors import NoGuardians

    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        if patient.vault.guardians is None:
            raise NoGuardians(fault="none are set")
        _check_print(folder, [each.name for each in patient.vault.guardians.guardians if not each.recipient])
        confirmed("Make every key and every share new?", yes=yes)
        with working("Making new keys and shares"):
            printed = patient.renew_guardians()
        home = patient.vault.home().pseudonym
    _write_printed(folder, printed, home)
    click.echo("New keys and shares are in your backup.")


@click.command("drop", epilog=example("patient guardians drop"))
@payer_option
@_WHO
@network_options
@yes_option
def _drop(payer: str | None, who: str, network: str, store: str | None, yes: bool) -> None:
    """Have nobody guard you: their shares open no backup any more; on the chain they count for 30 days yet."""
    from scripts._patients import patient_of
    from scripts._progress import working

    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        confirmed("Have nobody guard you? Then only your words or your passphrase bring your keys back.", yes=yes)
        with working("Making new keys"):
            patient.drop_guardians()
    click.echo("Nobody guards you from now on; on the chain it ends in 30 days.")


@click.command("object", epilog=example("patient object"))
@payer_option
@_WHO
@network_options
def _object(payer: str | None, who: str, network: str, store: str | None) -> None:
    """Object to a recovery that you did not ask for; end those whose time is over."""
    from scripts._patients import patient_of

    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        ended = patient.lapse_recoveries()
        objected = patient.object_to_recovery()
    click.echo(f"Objections: {len(objected)}. Ended, since their time was over: {len(ended)}.")
    if objected:
        click.echo("Now all but one of your guardians are needed. It ends after 28 days: run this again then.")


# -- recovering ------------------------------------------------------------------------------------------------------


@click.command("call", epilog=example("patient recover call --as ann2 --home 0x1234... -o ann.call"))
@click.option("--home", required=True, help="The address that your guardians keep.")
@click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The file for your guardians.")
@_WHO
@network_options
def _call(home: str, out: str, who: str, network: str, store: str | None) -> None:
    """Your vault is lost: write a call for shares, for all guardians alike, and read its code to each of them."""
    from eth_utils.address import is_address, to_checksum_address

    from scripts._recovering import call
    from scripts._site import connected
    from theriac.health.pleas import code_of

    check_out(out)
    if not is_address(home):
        raise Failure(f"{home[:60]} is no address: it has 40 hexadecimal digits after 0x.")
    with connected(network, store) as site, site.person(who, new=True) as person:
        data = call(person, home=to_checksum_address(home)).encode()
        write_file(out, data)
    click.echo(f"Give {out} to your guardians and read them this code: {code_of(data)}")


@click.command("open", epilog=example("patient recover open bo.share lin.share --as ann2 --payer TEST::9"))
@click.argument("shares", nargs=-1, type=click.Path(exists=True, dir_okay=False))
@click.option("--words", "printed", multiple=True, help="A share from paper, in quotation marks; more than one.")
@_MNEMONIC
@_ACCOUNT
@click.option("--new-account", default=None, help="Your account is lost too: this one takes its place.")
@click.option(
    "--skip",
    type=click.IntRange(0, 100),
    default=0,
    help="Pass over so many of the newest backups: a thief may have named them. Try it where records are missing.",
)
@payer_option
@_WHO
@network_options
def _open(
    shares: tuple[str, ...],
    printed: tuple[str, ...],
    mnemonic: bool,
    account: str | None,
    new_account: str | None,
    skip: int,
    payer: str | None,
    who: str,
    network: str,
    store: str | None,
) -> None:
    """Open your backup with guardians' SHARES.

    With --mnemonic or --account, whichever your keys are made from, you are back at once. Without, new words are made:
    then go on with 'patient recover ask'.
    """
    from scripts._patients import asked_words
    from scripts._progress import working
    from scripts._recovering import open_shares
    from scripts._site import connected
    from theriac.health.wallet import new_mnemonic

    if sum(map(bool, (mnemonic, account, new_account))) > 1:
        raise Failure("Give one of --mnemonic, --account and --new-account.")
    lost = not mnemonic and account is None
    words = asked_words() if mnemonic else new_mnemonic() if lost and new_account is None else None
    with connected(network, store) as site, site.person(who) as person:
        with working("Opening your backup"):
            patient = open_shares(
                site,
                person,
                shares,
                printed,
                words=words,
                account=account or new_account,
                lost=lost,
                payer=site.alias(payer),
                skip=skip,
            )
        count = len(patient.vault.entries)
    click.echo(f"Your vault is back with {plural(count, 'record')}.")
    if lost:
        _told_of_wallet(words)
    else:
        click.echo("New keys are published.")


def _told_of_wallet(words: str | None) -> None:
    if words is not None:
        click.echo(f"Write these words down and keep them apart from the passphrase:\n\n  {words}\n")
    click.echo("Your guardians have to give your pseudonyms to it: go on with 'patient recover ask'.")


@click.command("begin", epilog=example("patient recover begin", "patient recover begin --account ledger2"))
@_MNEMONIC
@_ACCOUNT
@_WHO
@network_options
@yes_option
def _begin(mnemonic: bool, account: str | None, who: str, network: str, store: str | None, yes: bool) -> None:
    """Your wallet is lost and your vault is here: new words are made, or --account takes its place."""
    from scripts._patients import asked_words
    from scripts._recovering import begin
    from scripts._site import connected
    from theriac.health.wallet import new_mnemonic

    if mnemonic and account:
        raise Failure("Give --account or --mnemonic, not both.")
    with connected(network, store) as site, site.person(who) as person:
        confirmed("Is your wallet lost? The words or the account of before sign nothing here from now on.", yes=yes)
        words = asked_words() if mnemonic else None if account else new_mnemonic()
        begin(site, person, words=words, account=account)
    _told_of_wallet(None if mnemonic else words)


@click.command("ask", epilog=example("patient recover ask -o pleas"))
@click.option("-o", "--out", "folder", required=True, type=click.Path(file_okay=False), help="A folder for the files.")
@_WHO
@network_options
def _ask(folder: str, who: str, network: str, store: str | None) -> None:
    """Write for each guardian what to sign. They have six days; after an objection ask those who did not sign."""
    from scripts._patients import patient_of
    from theriac.health.pleas import code_of

    with patient_of(who, network=network, store=store) as (patient, _):
        written = []
        for number, plea in enumerate(patient.pleas(), start=1):
            data, path = plea.encode(), str(Path(folder) / f"{number}.plea")
            write_file(path, data)
            written.append((plea.guardian, path, plural(len(plea.items), "pseudonym"), code_of(data)))
    table(written, *("guardian", "file", "asks for", "code to read out"), empty="Nobody is to be asked.")


@click.command("start", epilog=example("patient recover start bo.signed lin.signed"))
@click.argument("signed", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@payer_option
@_WHO
@network_options
def _start(signed: tuple[str, ...], payer: str | None, who: str, network: str, store: str | None) -> None:
    """Bring what guardians SIGNED to the chain: it starts recoveries, or adds guardians to those that are pending."""
    from scripts._patients import patient_of
    from scripts._progress import working
    from theriac.health.pleas import Approval

    approvals = [Approval.decode(Path(file).read_bytes()) for file in signed]
    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        with working("Starting"):
            brought = patient.start_recovery(approvals)
        rows = [_standing(each) for each in patient.standings()]
    if not brought:
        raise Failure("Nothing could be brought: these signatures are too few, too old, or there already.", 3)
    _print_standings(rows)
    click.echo("Finish it with 'patient recover finish' when the time is over: within 14 days from then.")


@click.command("finish", epilog=example("patient recover finish"))
@payer_option
@_WHO
@network_options
def _finish(payer: str | None, who: str, network: str, store: str | None) -> None:
    """Take over what can be by now: what was granted goes on, and every key is made new."""
    from scripts._patients import patient_of
    from scripts._progress import working

    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        if patient.vault.moving is None:
            click.echo("Everything is yours already.")
            return
        with working("Taking over and making every key new"):
            done = patient.finish_recovery()
        left = list(patient.vault.moving.left) if patient.vault.moving is not None else []
        if not left:
            patient.watch()
        guardians = patient.vault.guardians
    click.echo(f"{plural(len(done), 'pseudonym')} yours, {len(left)} still to come.")
    if left and not done:
        raise Failure("Nothing can be finished yet; 'patient recover show' tells what each waits for.", 3)
    if not left and guardians is not None and not all(each.recipient for each in guardians.guardians):
        click.echo("Shares on paper are those of before: 'patient guardians renew --print' makes new ones.")


@click.command("show", epilog=example("patient recover show"))
@_WHO
@network_options
@json_option
def _state(who: str, network: str, store: str | None, as_json: bool) -> None:
    """How far each pseudonym is."""
    from scripts._patients import patient_of

    with patient_of(who, network=network, store=store) as (patient, _):
        rows = [_standing(each) for each in patient.standings()]
    if as_json:
        print_json(rows)
        return
    _print_standings(rows)


# -- another wallet --------------------------------------------------------------------------------------------------


@click.command("hand-over", epilog=example("patient hand-over --as kim --to kim-grown --drop-guardians"))
@click.option("--to", "taker", required=True, help="A new folder, with a passphrase of its own.")
@click.option("--drop-grants", is_flag=True, help="End everything that was granted.")
@click.option("--drop-guardians", is_flag=True, help="Have nobody guard it; name others afterwards.")
@_MNEMONIC
@_ACCOUNT
@payer_option
@_WHO
@network_options
@yes_option
def _hand_over(
    taker: str,
    drop_grants: bool,
    drop_guardians: bool,
    mnemonic: bool,
    account: str | None,
    payer: str | None,
    who: str,
    network: str,
    store: str | None,
    yes: bool,
) -> None:
    """Change the wallet, or give a child its keys when it comes of age: one command makes every key new.

    The folder of before is emptied. Do it on the device of who takes over: what another device kept opens what was
    written until now.
    """
    from scripts._patients import asked_words
    from scripts._progress import working
    from scripts._recovering import hand_over
    from scripts._site import connected
    from theriac.health.wallet import new_mnemonic

    if mnemonic and account:
        raise Failure("Give --account or --mnemonic, not both.")
    if taker == who:
        raise Failure("Name another folder with --to; this one is emptied.")
    with connected(network, store) as site, site.person(who) as person, site.person(taker, new=True) as other:
        if payer is not None:
            site.signer(payer)
            person.remember(payer=payer)
        confirmed(f"Give everything of {who} to {taker}, by a new wallet and new keys? It is not undone.", yes=yes)
        begun = (other.folder / "vault").exists()
        words = None if account or begun else asked_words() if mnemonic else new_mnemonic()
        with working("Handing over and making every key new"):
            patient = hand_over(
                site,
                person,
                other,
                words=words,
                account=account,
                keep_grants=not drop_grants,
                keep_guardians=not drop_guardians,
            )
        count = len(patient.vault.accounts)
        guarded = drop_guardians and any(each.guarded for each in patient.standings())
    if words is not None and not mnemonic:
        click.echo(f"Write these words down and keep them apart from the passphrase:\n\n  {words}\n")
    click.echo(f"{plural(count, 'pseudonym')} of {who} are {taker}'s now, with new keys.")
    if guarded:
        click.echo("The guardians of before can start a recovery for 30 days yet: watch, and object.")

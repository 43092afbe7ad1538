"""`ape run patient`: keys, own records, and who may read what."""

from typing import Any

import click

from scripts._cli import (
    Actor,
    Failure,
    as_option,
    check_out,
    confirmed,
    days_option,
    example,
    json_option,
    network_options,
    payer_option,
    print_json,
    purpose_option,
    table,
    until_option,
    write_file,
    write_out,
    yes_option,
)
from scripts._patient_delegates import add_delegates
from scripts._patient_emergency import add_emergency
from scripts._patient_erasure import SPREAD, add_erasure, seconds_of_spread
from scripts._patient_looked import add_looked
from scripts._patient_page import add_page
from scripts._patient_recovery import add_recovery
from scripts._patient_relay import add_relay
from scripts._patient_same import add_sameness
from scripts._patient_standards import add_standards
from scripts._policies import add_cover


@click.group(
    cls=Actor,
    epilog=example("patient init --payer TEST::9", "patient introduce --to 1 -o ann.introduction", "patient requests"),
)
def cli() -> None:
    """Keep your keys, add records, decide who may read what.

    The passphrase comes from THERIAC_PASSPHRASE or is asked for.
    """


_WHO = as_option("patient")
_RELAYERS = click.option(
    "--relayer", "relayers", multiple=True, help="Where a relayer listens, which pays; remembered. More than one."
)
_CLASSES = click.option("--class", "classes", multiple=True, help="Such as laboratory/N; more than one, or `all`.")
_SIGNS = (
    click.option("--account", default=None, help="One account of Ape signs everything: a hardware or smart wallet."),
    click.option("--mnemonic", is_flag=True, help="Ask for the mnemonic, or take it from THERIAC_MNEMONIC."),
)


# -- keys ------------------------------------------------------------------------------------------------------------


@cli.command(
    epilog=example(
        "patient init --payer TEST::9",
        "patient init --account TEST::5 --lock wallet --payer TEST::9",
        "patient init --relayer http://127.0.0.1:8546",
    )
)
@_SIGNS[0]
@_SIGNS[1]
@click.option("--lock", type=click.Choice(["passphrase", "wallet"]), default="passphrase", show_default=True)
@payer_option
@_RELAYERS
@_WHO
@network_options
@json_option
def init(
    account: str | None,
    mnemonic: bool,
    lock: str,
    payer: str | None,
    relayers: tuple[str, ...],
    who: str,
    network: str,
    store: str | None,
    as_json: bool,
) -> None:
    """Make your keys: a pseudonym for each counterparty, all from twelve words, or one account for everything.

    Write the words down: with the passphrase they bring everything back. You never need ether; a relayer or the payer
    carries what you sign. A relayer wants blank vouchers of a desk ('patient voucher ask'): then run this again.
    """
    from scripts._patients import VAULT, asked_words, begin
    from scripts._progress import working
    from scripts._site import connected
    from theriac.errors import TheriacError
    from theriac.health.relay import address_of
    from theriac.health.wallet import new_mnemonic

    if account and mnemonic:
        raise Failure("Give --account or --mnemonic, not both.")
    for url in relayers:
        address_of(url)
    with connected(network, store) as site, site.person(who, new=True) as person:
        known = (person.folder / VAULT).exists()
        # Relayers stand in for a payer; with both, the payer pays where they do not.
        paying = "" if known or (relayers and payer is None) else site.alias(payer)
        words = None if account or known else asked_words() if mnemonic else new_mnemonic()
        made = words if words is not None and not mnemonic else None
        try:
            with working("Making and publishing your keys"):
                patient, new = begin(
                    site, person, words=words, account=account, payer=paying, lock=lock, relayers=relayers
                )
        except TheriacError:
            # What is not published yet has its words already, and they are shown only once.
            if made and (person.folder / VAULT).exists():
                _show_words(made, as_json=as_json)
            raise
        home = patient.vault.home().pseudonym
    if as_json:
        print_json({"home": home, "new": new, "words": made, "single": bool(account)})
        return
    click.echo("Your keys are published." if new else "You have keys already; nothing was changed.")
    if made:
        _show_words(made, as_json=False)
    if account:
        click.echo("One account signs everything, so all counterparties see the same pseudonym.")


def _show_words(words: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"home": None, "new": False, "words": words, "single": False})
    else:
        click.echo(f"Write these words down and keep them apart from the passphrase:\n\n  {words}\n")


@cli.command(epilog=example("patient restore --as ann2 --mnemonic --payer TEST::9"))
@_SIGNS[0]
@_SIGNS[1]
@click.option("--lock", type=click.Choice(["keep", "passphrase", "wallet"]), default="keep", show_default=True)
@payer_option
@_RELAYERS
@_WHO
@network_options
def restore(
    account: str | None,
    mnemonic: bool,
    lock: str,
    payer: str | None,
    relayers: tuple[str, ...],
    who: str,
    network: str,
    store: str | None,
) -> None:
    """Bring your keys back from the sealed backup, on a new device; every class gets new keys."""
    from scripts._patients import asked_words
    from scripts._patients import restore as restored
    from scripts._progress import working
    from scripts._site import connected

    if bool(account) == mnemonic:
        raise Failure("Give --mnemonic or --account, whichever your keys are made from.")
    with connected(network, store) as site, site.person(who, new=True) as person:
        words = asked_words() if mnemonic else None
        with working("Restoring"):
            paying = "" if relayers and payer is None else site.alias(payer)
            patient = restored(site, person, words=words, account=account, payer=paying, lock=lock, relayers=relayers)
        count = len(patient.vault.entries)
    click.echo(f"Restored {count} records; new keys are published.")


@cli.command(epilog=example("patient introduce --to 1 -o ann.introduction"))
@click.option("--to", "member", required=True, type=click.IntRange(1, (1 << 32) - 1), help="The member's number.")
@_CLASSES
@click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The file to hand in at the desk.")
@payer_option
@_WHO
@network_options
def introduce(
    member: int, classes: tuple[str, ...], out: str, payer: str | None, who: str, network: str, store: str | None
) -> None:
    """Let a member write: a pseudonym for it alone, and a signed file to hand in at its desk."""
    from scripts._options import classes_of
    from scripts._patients import patient_of
    from scripts._progress import working

    check_out(out)
    wanted = classes_of(classes)
    with patient_of(who, network=network, store=store, payer=payer) as (patient, _), working("Publishing"):
        write_file(out, patient.introduce(member, classes=wanted or None).encode())
    click.echo(f"Written to {out}; hand it in at the desk of member {member}.")


# -- records ---------------------------------------------------------------------------------------------------------


@cli.command(epilog=example('patient add diary.txt --class patient-reported/N --title "Headaches in May"'))
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--class", "cls", default="patient-reported/N", show_default=True, help="For files that do not say it.")
@click.option("--title", default=None, help="What lists show; the file's own facts unless said.")
@click.option("--date", default=None, help="When it happened, such as 2031-05-04.")
@payer_option
@_WHO
@network_options
def add(
    files: tuple[str, ...],
    cls: str,
    title: str | None,
    date: str | None,
    payer: str | None,
    who: str,
    network: str,
    store: str | None,
) -> None:
    """Add records of your own; they are marked as reported by you."""
    from dataclasses import replace

    from scripts._options import classes_of, moment
    from scripts._patients import patient_of
    from scripts._progress import counted, working
    from scripts._sealing import files_in, pieces_of

    if date is not None:
        moment(date)
    [chosen] = classes_of([cls])
    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        with working("Checking the files"):
            pieces = pieces_of(files_in(files), cls=chosen, place="")
        for piece in counted(pieces, "Sealing", total=len(pieces)):
            manifest = replace(piece.manifest, title=title or piece.manifest.title, date=date or piece.manifest.date)
            entry = patient.add(piece.content, manifest)
            click.echo(f"{entry.digest[:16]}  {entry.cls}  {manifest.title}")


def _shown(patient: Any, entry: Any) -> dict[str, Any]:
    from datetime import UTC, datetime

    anchored = datetime.fromtimestamp(entry.anchored, UTC)
    names = {writer.member: writer.name for account in patient.vault.accounts.values() for writer in account.writers}
    return {
        "digest": entry.digest,
        "class": entry.cls,
        "date": str(entry.summary.get("date", ""))[:10] or anchored.date().isoformat(),
        "title": entry.summary.get("title", ""),
        "by": names.get(entry.author, f"member {entry.author}") if entry.author else "you",
        "codes": list(entry.summary.get("codes", ())),
        "type": entry.summary.get("type", ""),
        "size": entry.summary.get("size", 0),
        "anchored": anchored.isoformat(),
    }


@cli.command(epilog=example("patient records --class laboratory/N"))
@_CLASSES
@_WHO
@network_options
@json_option
def records(classes: tuple[str, ...], who: str, network: str, store: str | None, as_json: bool) -> None:
    """List your records; `watch` first, to file what was written since."""
    from scripts._options import classes_of
    from scripts._patients import patient_of

    wanted = {str(each) for each in classes_of(classes)}
    with patient_of(who, network=network, store=store) as (patient, _):
        rows = [_shown(patient, each) for each in patient.vault.listed() if not wanted or each.cls in wanted]
    if as_json:
        print_json(rows)
        return
    table(
        [(each["digest"][:16], each["date"], each["class"], each["title"], each["by"]) for each in rows],
        *("record", "date", "class", "title", "by"),
        empty="No record is filed.",
    )


@cli.command("open", epilog=example("patient open 3f9a2c -o result.json"))
@click.argument("record")
@click.option("-o", "--out", required=True, help="The file to write, or - for standard output.")
@_WHO
@network_options
def open_(record: str, out: str, who: str, network: str, store: str | None) -> None:
    """Open one of your records by the beginning of its name."""
    from scripts._patients import patient_of
    from scripts._progress import working

    with patient_of(who, network=network, store=store) as (patient, _), working("Opening"):
        entry = patient.entry(record)
        opened = patient.open(entry)
        opened.check_author(digest=entry.digest)
        write_out(opened, out)
    click.echo(f"{opened.manifest.title or opened.manifest.type}, {opened.manifest.size:,} bytes.", err=True)


@cli.command(epilog=example("patient export my-records"))
@click.argument("folder", type=click.Path(file_okay=False))
@_WHO
@network_options
def export(folder: str, who: str, network: str, store: str | None) -> None:
    """Write all your records, opened, into a folder, with index.json; bundles are put together again."""
    from pathlib import Path

    from scripts._exporting import export as exported
    from scripts._patients import patient_of

    target = Path(folder)
    if target.exists() and any(target.iterdir()):
        raise Failure(f"The folder {folder} is not empty; name a new one.")
    with patient_of(who, network=network, store=store) as (patient, _):
        done = exported(patient, target, shown=lambda entry: _shown(patient, entry))
    click.echo(
        f"Exported {done.records} records and {done.bundles} whole bundles to {folder}; they are not sealed there."
    )


@cli.command(epilog=example("patient watch", "patient watch --every 60"))
@click.option("--every", type=click.IntRange(1, 86400), default=None, help="Go on, with so many seconds between.")
@SPREAD
@payer_option
@_WHO
@network_options
@json_option
def watch(
    every: int | None,
    spread: str | None,
    payer: str | None,
    who: str,
    network: str,
    store: str | None,
    as_json: bool,
) -> None:
    """File what was written for you, renew keys, and tell of what is not as it should be.

    With --every, what can wait is spread over 6 hours unless --spread says otherwise.
    """
    import time

    from scripts._cli import failure_of
    from scripts._patients import patient_of
    from scripts._progress import working

    seconds = seconds_of_spread(spread or ("6h" if every is not None else None))
    while True:
        try:
            with patient_of(who, network=network, store=store, payer=payer) as (patient, _), working("Looking"):
                found = patient.watch(spread=seconds)
        except Exception as trouble:
            failure = trouble if isinstance(trouble, Failure) else failure_of(trouble)
            # A chain that is away for a while is no reason to stop watching.
            if every is None or failure.exit_code != 4:
                raise
            click.echo(failure.message, err=True)
        else:
            _tell(found, as_json=as_json)
        if every is None:
            return
        time.sleep(every)


def _tell(found: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "filed": [each.digest for each in found.filed],
                "waiting": list(found.waiting),
                "rejected": list(found.rejected),
                "unsolicited": list(found.unsolicited),
                "published": len(found.published),
                "alarms": [str(each) for each in found.alarms],
                "emergencies": [str(each) for each in found.emergencies],
            }
        )
        return
    from theriac.errors import StrangeGuardians

    for alarm in found.alarms:
        # What was published from elsewhere was told before this.
        if isinstance(alarm, StrangeGuardians):
            click.echo(f"ALARM: {alarm}", err=True)
    click.echo(f"Filed {len(found.filed)} new records, published {len(found.published)} times.")
    for digest in found.waiting:
        click.echo(f"Waits for its bytes or its key: {digest[:16]}")
    for digest in found.rejected:
        click.echo(f"Rejected: {digest[:16]}")
    for name in found.unsolicited:
        _, author, digest = name.split("/")
        click.echo(f"Unsolicited, by member {author}: {digest[:16]}")


# -- requests --------------------------------------------------------------------------------------------------------


@cli.command(epilog=example("patient requests"))
@_WHO
@network_options
@json_option
def requests(who: str, network: str, store: str | None, as_json: bool) -> None:
    """Who asks for access, to what, why and until when; the latest first."""
    from scripts._options import shown_reader
    from scripts._patients import patient_of

    with patient_of(who, network=network, store=store) as (patient, _):
        rows: list[dict[str, Any]] = [
            {
                "letter": each.letter,
                "member": each.member,
                "name": each.name,
                "reader": shown_reader(each.reader),
                "classes": list(each.classes),
                "purpose": each.purpose,
                "until": each.end,
                "history": each.history,
                "reason": each.reason,
            }
            for each in patient.requests()
        ]
    if as_json:
        print_json(rows)
        return
    table(
        [
            (
                each["letter"][:16],
                each["name"],
                each["purpose"],
                each["until"][:16],
                ",".join(each["classes"]),
                each["reason"],
            )
            for each in rows
        ],
        *("letter", "from", "purpose", "until", "classes", "reason"),
        empty="Nobody asks.",
    )


def _request(patient: Any, letter: str) -> Any:
    found = [each for each in patient.requests() if letter and each.letter.startswith(letter.lower())]
    if len(found) != 1:
        raise Failure(f"No request, or more than one, begins with {letter[:64]!r}; 'patient requests' lists them.")
    return found[0]


@cli.command(
    epilog=example("patient answer 3f9a2c", "patient answer 3f9a2c --class laboratory/N --days 7 --from-now-on")
)
@click.argument("letter")
@_CLASSES
@until_option
@days_option
@click.option("--from-now-on", is_flag=True, help="Only what is written from the next full hour on.")
@payer_option
@_WHO
@network_options
@yes_option
def answer(
    letter: str,
    classes: tuple[str, ...],
    until: str | None,
    days: int | None,
    from_now_on: bool,
    payer: str | None,
    who: str,
    network: str,
    store: str | None,
    yes: bool,
) -> None:
    """Grant what a request asks for, or less of it, and tell who asked."""
    from scripts._options import classes_of, end_of, moment, shown_reader
    from scripts._patients import patient_of
    from scripts._progress import working
    from theriac.health.scope import Purpose

    chosen = classes_of(classes)
    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        request = _request(patient, letter)
        asked = classes_of(request.classes)
        wanted = chosen or asked
        if beyond := [str(each) for each in wanted if each not in asked]:
            raise Failure(f"{', '.join(beyond)} was not asked for; use 'patient grant' to give more than was asked.")
        end = moment(request.end) if until is None and days is None else end_of(until, days, now=patient.chain.time())
        end = min(end, moment(request.end))
        history = request.history and not from_now_on
        confirmed(_question(shown_reader(request.reader), request.name, wanted, request.purpose, end, history), yes=yes)
        with working("Publishing and granting"):
            patient.grant(
                request.reader, classes=wanted, purpose=Purpose.parse(request.purpose), end=end, history=history
            )
            patient.answer(request, granted=True)
    click.echo(f"Granted until {end:%Y-%m-%d %H:%M} UTC, and told {request.name}.")


@cli.command(epilog=example('patient refuse 3f9a2c --reason "Please ask my doctor"'))
@click.argument("letter")
@click.option("--reason", default="", help="What who asked reads. It is sealed.")
@payer_option
@_WHO
@network_options
def refuse(letter: str, reason: str, payer: str | None, who: str, network: str, store: str | None) -> None:
    """Tell who asked that the answer is no."""
    from scripts._patients import patient_of

    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        request = _request(patient, letter)
        patient.refuse(request, reason=reason)
    click.echo(f"Told {request.name} no.")


def _question(reader: str, name: str, classes: Any, purpose: str, end: Any, history: bool) -> str:
    which = "everything" if len(classes) > 40 else ", ".join(map(str, classes))
    what = "with what was written before" if history else "only from the next full hour on"
    called = f"{name} ({reader})" if name else reader
    return f"Let {called} read {which}, {what}, for {purpose}, until {end:%Y-%m-%d %H:%M} UTC?"


# -- granting and ending ---------------------------------------------------------------------------------------------


@cli.command(epilog=example("patient grant member:1 --class laboratory/N --class imaging/N --days 30"))
@click.argument("reader")
@_CLASSES
@purpose_option
@until_option
@days_option
@click.option("--start", default=None, help="Begins on this day at 00:00 UTC; now unless said.")
@click.option("--from-now-on", is_flag=True, help="Only what is written from the next full hour on.")
@click.option("--since", default=None, help="History only since this day.")
@click.option(
    "--may-refer", is_flag=True, help="The reader may pass it on for a referral: one hop, never more than this."
)
@payer_option
@_WHO
@network_options
@yes_option
def grant(
    reader: str,
    classes: tuple[str, ...],
    purpose: str,
    until: str | None,
    days: int | None,
    start: str | None,
    from_now_on: bool,
    since: str | None,
    may_refer: bool,
    payer: str | None,
    who: str,
    network: str,
    store: str | None,
    yes: bool,
) -> None:
    """Let an account, or all of a member's staff (member:NUMBER), read classes of your records."""
    from scripts._options import classes_of, end_of, moment, reader_of, shown_reader
    from scripts._patients import patient_of
    from scripts._progress import working
    from theriac.health.scope import Purpose

    wanted, why = classes_of(classes), Purpose.parse(purpose)
    if not wanted:
        raise Failure("Name what may be read with --class, such as --class laboratory/N.")
    if since and from_now_on:
        raise Failure("Give --since or --from-now-on, not both.")
    with patient_of(who, network=network, store=store, payer=payer) as (patient, site):
        to = reader_of(reader, play=site.play)
        if int(to, 16) < 1 << 32 and not why.role:
            # A purpose that asks for no role asks for no member either, so none of its staff could read.
            raise Failure(
                f"For the purpose {why.code} nobody reads as a member's staff; name the account that is to read."
            )
        end = end_of(until, days, now=patient.chain.time())
        name = patient.chain.profile(to, patient.store).name
        question = _question(shown_reader(to), name, wanted, why.code, end, not from_now_on)
        confirmed(question.replace("?", " and refer on within that?") if may_refer else question, yes=yes)
        with working("Publishing and granting"):
            patient.grant(
                to,
                classes=wanted,
                purpose=why,
                end=end,
                start=moment(start) if start else None,
                history=not from_now_on,
                since=moment(since) if since else None,
                referable=may_refer,
            )
    click.echo(f"{name} may read until {end:%Y-%m-%d %H:%M} UTC.")


def _sharing(patient: Any, reader: str, purpose: str) -> Any:
    from theriac.errors import UnknownGrant

    for each in patient.vault.sharings:
        if (each.reader, each.purpose) == (reader, purpose):
            return each
    raise UnknownGrant(reader=reader, purpose=purpose)


@cli.command(epilog=example("patient narrow member:1 --class laboratory/N --until 2031-05-04"))
@click.argument("reader")
@click.option("--class", "classes", multiple=True, help="What remains; all that was granted unless said.")
@purpose_option
@until_option
@days_option
@payer_option
@_WHO
@network_options
@yes_option
def narrow(
    reader: str,
    classes: tuple[str, ...],
    purpose: str,
    until: str | None,
    days: int | None,
    payer: str | None,
    who: str,
    network: str,
    store: str | None,
    yes: bool,
) -> None:
    """Take classes or time from a grant."""
    from scripts._options import classes_of, end_of, reader_of
    from scripts._patients import patient_of
    from scripts._progress import working
    from theriac.health.scope import Purpose

    wanted, why = classes_of(classes), Purpose.parse(purpose)
    if not wanted and until is None and days is None:
        raise Failure("Say what remains: --class, --until or --days.")
    with patient_of(who, network=network, store=store, payer=payer) as (patient, site):
        sharing = _sharing(patient, reader_of(reader, play=site.play), why.code)
        end = None if until is None and days is None else end_of(until, days, now=patient.chain.time())
        confirmed(f"Take from {sharing.name} what is not named?", yes=yes)
        with working("Locking and narrowing"):
            left = patient.narrow(sharing, classes=wanted or None, end=end)
    click.echo(f"{sharing.name} may read {', '.join(left.classes)}.")


@cli.command("share-record", epilog=example("patient share-record 3f9a2c TEST::3 --days 7"))
@click.argument("record")
@click.argument("reader")
@purpose_option
@until_option
@days_option
@payer_option
@_WHO
@network_options
@yes_option
def share_record(
    record: str,
    reader: str,
    purpose: str,
    until: str | None,
    days: int | None,
    payer: str | None,
    who: str,
    network: str,
    store: str | None,
    yes: bool,
) -> None:
    """Let somebody read one record and no other."""
    from scripts._options import end_of, reader_of
    from scripts._patients import patient_of
    from scripts._progress import working
    from theriac.health.scope import Purpose

    why = Purpose.parse(purpose)
    with patient_of(who, network=network, store=store, payer=payer) as (patient, site):
        to, entry = reader_of(reader, play=site.play), patient.entry(record)
        end = end_of(until, days, now=patient.chain.time())
        title = entry.summary.get("title", "") or entry.digest[:16]
        confirmed(f"Let {reader} read {title} until {end:%Y-%m-%d %H:%M} UTC?", yes=yes)
        with working("Publishing and granting"):
            shared = patient.share_record(entry.digest, to, purpose=why, end=end)
    click.echo(f"{shared.name} may read {title} until {end:%Y-%m-%d %H:%M} UTC.")


@cli.command(epilog=example("patient revoke member:1"))
@click.argument("reader")
@purpose_option
@SPREAD
@payer_option
@_WHO
@network_options
@yes_option
def revoke(
    reader: str,
    purpose: str,
    spread: str | None,
    payer: str | None,
    who: str,
    network: str,
    store: str | None,
    yes: bool,
) -> None:
    """End a grant: the reader cannot open the next record. What was read stays read.

    The revoke is sent at once. With --spread the capsules of the readers who remain are sent later.
    """
    from scripts._options import reader_of
    from scripts._patients import patient_of
    from scripts._progress import working
    from theriac.health.scope import Purpose

    why, seconds = Purpose.parse(purpose), seconds_of_spread(spread)
    with patient_of(who, network=network, store=store, payer=payer) as (patient, site):
        to = reader_of(reader, play=site.play)
        confirmed(f"Revoke what {reader} may read for {why.code}?", yes=yes)
        with working("Locking and revoking"):
            patient.revoke(to, purpose=why, spread=seconds)
    click.echo(f"Revoked: {reader} cannot open what is written from now on.")


@cli.command("revoke-all", epilog=example("patient revoke-all"))
@payer_option
@_WHO
@network_options
@yes_option
def revoke_all(payer: str | None, who: str, network: str, store: str | None, yes: bool) -> None:
    """End every grant at once and make every key new: after a theft, or to begin again."""
    from scripts._patients import patient_of
    from scripts._progress import working

    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        confirmed("Revoke everything you ever granted, and make every key new?", yes=yes)
        with working("Revoking everything"):
            patient.revoke_all()
    click.echo("Everything is revoked, and every key is new.")


@cli.command(epilog=example("patient rotate", "patient rotate --rewrite", "patient rotate --spread 6h"))
@click.option("--rewrite", is_flag=True, help="Also seal the old records anew and give up their old files.")
@SPREAD
@payer_option
@_WHO
@network_options
@yes_option
def rotate(
    rewrite: bool, spread: str | None, payer: str | None, who: str, network: str, store: str | None, yes: bool
) -> None:
    """Begin new keys for every class; who is granted a class keeps reading it.

    Published at once, they show everybody which of your pseudonyms belong together. With --spread each is published at
    a time of its own, by 'patient watch --every 300'.
    """
    from scripts._patients import patient_of
    from scripts._progress import working

    seconds = seconds_of_spread(spread)
    if rewrite and seconds:
        raise Failure("Give --rewrite or --spread, not both: what is sealed anew is published at once.")
    if seconds:
        with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
            patient.rotate_later(within=seconds)
        click.echo(
            f"Each pseudonym gets new keys within {spread}; keep 'patient watch --every 300' running until then."
        )
        return
    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        if rewrite:
            confirmed("Seal all your records anew and give up the old files?", yes=yes)
        with working("Making new keys"):
            patient.rotate(rewrite=rewrite)
    click.echo("New keys are published" + (", and the old records are sealed to them." if rewrite else "."))


@cli.command("replace-publisher", epilog=example("patient replace-publisher"))
@payer_option
@_WHO
@network_options
@yes_option
def replace_publisher(payer: str | None, who: str, network: str, store: str | None, yes: bool) -> None:
    """After an alarm: a new publisher, new keys and new inboxes for what was published from elsewhere."""
    from scripts._patients import patient_of
    from scripts._progress import working

    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        alarms = patient.resume()
        if not alarms:
            click.echo("Every publication is from here; nothing was changed.")
            return
        confirmed(f"Replace the publisher of {len(alarms)} pseudonyms and make their keys new?", yes=yes)
        for alarm in alarms:
            with working(f"Replacing the publisher of {alarm.pseudonym}"):
                patient.replace_publisher(patient.vault.accounts[alarm.pseudonym])
    click.echo("Done. Ask your clinics to seal again what they wrote since the alarm: clinic seal-again.")


# -- looking ---------------------------------------------------------------------------------------------------------


@cli.command(epilog=example("patient shared"))
@_WHO
@network_options
@json_option
def shared(who: str, network: str, store: str | None, as_json: bool) -> None:
    """What is shared with whom, for what and until when."""
    from scripts._patients import patient_of

    with patient_of(who, network=network, store=store) as (patient, _):
        rows = [_grant_row(patient, each) for each in patient.vault.sharings] + _single_rows(patient)
    _print_grants(rows, as_json=as_json)


@cli.command(epilog=example("patient who laboratory/N"))
@click.argument("cls", metavar="CLASS")
@_WHO
@network_options
@json_option
def who(cls: str, who: str, network: str, store: str | None, as_json: bool) -> None:
    """Who may read a class now."""
    from scripts._options import classes_of
    from scripts._patients import patient_of

    wanted = classes_of([cls])
    if len(wanted) != 1:
        raise Failure("Name one class, such as laboratory/N.")
    with patient_of(who, network=network, store=store) as (patient, _):
        singles = [each for each in _single_rows(patient) if each["of"] == str(wanted[0])]
        rows = [_grant_row(patient, each) for each in patient.who_may_read(wanted[0])] + singles
    _print_grants(rows, as_json=as_json)


def _grant_row(patient: Any, sharing: Any) -> dict[str, Any]:
    from scripts._options import shown_reader
    from theriac.health.patient import in_words

    hour = patient.chain.hour()
    state = "over" if hour >= sharing.end else "open" if hour >= sharing.start else "not begun"
    return {
        "reader": shown_reader(sharing.reader),
        "name": sharing.name,
        "purpose": sharing.purpose,
        "classes": list(sharing.classes),
        "history": "all" if sharing.since == 0 else f"since {in_words(sharing.since)}",
        "from": in_words(sharing.start),
        "until": in_words(sharing.end),
        "now": state,
    }


def _single_rows(patient: Any) -> list[dict[str, Any]]:
    from scripts._options import shown_reader
    from theriac.health.patient import in_words

    classes = {each.digest: each.cls for each in patient.vault.listed()}
    return [
        {
            "reader": shown_reader(each.reader),
            "name": each.name,
            "purpose": "one record",
            "classes": [f"record {each.digest[:16]}"],
            "of": classes.get(each.digest, ""),
            "history": "",
            "from": "",
            "until": in_words(each.end),
            "now": "over" if patient.chain.hour() >= each.end else "open",
        }
        for each in patient.vault.singles
    ]


def _print_grants(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    table(
        [
            (each["name"], each["reader"], each["purpose"], each["until"], each["now"], ", ".join(each["classes"]))
            for each in rows
        ],
        *("name", "reader", "purpose", "until", "now", "classes"),
        empty="Nothing is shared.",
    )


# -- prescriptions ---------------------------------------------------------------------------------------------------


_TICKET = click.argument("code")
_LINE = click.option(
    "--line", "numbers", type=click.IntRange(1, 32), multiple=True, help="Which line; all unless said."
)


@cli.command(epilog=example("patient prescription photo.jpg"))
@_TICKET
@network_options
@json_option
def prescription(code: str, network: str, store: str | None, as_json: bool) -> None:
    """Show what a prescription allows and what became of it, by its CODE, a picture of it, or - to type it."""
    from scripts._prescribing import HEADS, client, columns_of, rows_of, shown_by
    from scripts._site import connected

    with connected(network, store) as site:
        shown, contract = shown_by(code, site), client(site)
        rows = rows_of(shown, contract.states(shown.prescription, shown.terms))
    if as_json:
        print_json({"prescription": shown.terms.id.hex(), "lines": rows})
        return
    table(columns_of(rows), *HEADS, empty="")


@cli.command("pass", epilog=example("patient pass photo.jpg --to member:4 -o pass.png"))
@_TICKET
@click.option("--to", "pharmacy", required=True, help="The pharmacy, such as member:4.")
@_LINE
@click.option("-o", "--out", required=True, help="The picture to show: a .png or a .pdf, or a .txt for a program.")
@network_options
def pass_(code: str, pharmacy: str, numbers: tuple[int, ...], out: str, network: str, store: str | None) -> None:
    """Let one pharmacy have lines of a prescription, within the hour, without showing it the prescription's own code.

    Where another pharmacy holds them, they change hands. Whoever sees the pass can read the prescription; only the
    pharmacy that it names can take it.
    """
    from scripts._handing import member_named
    from scripts._prescribing import WORD, check_paper, client, shown_by, write_secret
    from scripts._site import connected
    from theriac.medicine.prescribing import chosen

    check_paper(out)
    to = member_named(pharmacy)
    with connected(network, store) as site:
        shown, contract = shown_by(code, site), client(site)
        lines = chosen(numbers, len(shown.prescription.lines))
        states = contract.states(shown.prescription, shown.terms)
        word = contract.word(shown.ticket, shown.terms, states, to=to, lines=lines, deadline=contract.now() + WORD)
    names = [shown.prescription.items[line].name[:60] for line in lines]
    write_secret(word.encode(), [*names, f"For member {to}, within 50 minutes."], out)
    click.echo(f"Show {out} to member {to} within 50 minutes.")


@cli.command("cancel-prescription", epilog=example("patient cancel-prescription photo.jpg --line 2 --payer TEST::9"))
@_TICKET
@_LINE
@click.option("--payer", envvar="THERIAC_PAYER", required=True, help="The account of Ape that pays.")
@network_options
@yes_option
def cancel_prescription(
    code: str, numbers: tuple[int, ...], payer: str, network: str, store: str | None, yes: bool
) -> None:
    """Cancel lines of a prescription for good. What was given stays given."""
    from scripts._prescribing import WORD, client, shown_by
    from scripts._site import connected
    from theriac.medicine.prescribing import chosen

    with connected(network, store) as site:
        shown, contract = shown_by(code, site), client(site, site.sender(site.alias(payer)))
        states = contract.states(shown.prescription, shown.terms)
        open_ = [line for line, state in enumerate(states) if not state.cancelled]
        lines = chosen(numbers, len(states)) if numbers else open_
        if not lines or not set(lines) <= set(open_):
            raise Failure("These lines are cancelled already.", 3)
        confirmed(f"Cancel {len(lines)} lines? Nothing takes it back.", yes=yes)
        contract.cancel_by(shown.ticket, shown.terms, lines=lines, deadline=contract.now() + WORD)
    click.echo("Cancelled.")


# -- who looked ------------------------------------------------------------------------------------------------------

add_looked(cli)


# -- the page --------------------------------------------------------------------------------------------------------

add_page(cli)


# -- cover -----------------------------------------------------------------------------------------------------------

add_cover(cli)


# -- standards -------------------------------------------------------------------------------------------------------

add_standards(cli)


# -- who pays --------------------------------------------------------------------------------------------------------

add_relay(cli)


# -- erasing, and proving that pseudonyms are one person's ------------------------------------------------------------

add_erasure(cli)
add_sameness(cli)
# -- emergencies -----------------------------------------------------------------------------------------------------

add_emergency(cli)
add_recovery(cli)
# -- those who act beside her ----------------------------------------------------------------------------------------

add_delegates(cli)

"""`ape run clinic`: a clinic's desk and its staff."""

from typing import Any

import click

from scripts._beginning import add_beginnings
from scripts._claims import add_claims, add_services, resumed
from scripts._cli import (
    Actor,
    Failure,
    as_option,
    check_out,
    confirmed,
    example,
    json_option,
    network_options,
    print_json,
    purpose_option,
    table,
    write_out,
    yes_option,
)
from scripts._clinic_day import add_day
from scripts._clinic_emergency import add_clinic_emergency
from scripts._clinic_page import add_page
from scripts._clinic_patients import add_patients
from scripts._clinic_referrals import add_programmes, add_referrals
from scripts._receipts import add_log
from scripts._vouching import add_vouching


@click.group(
    cls=Actor,
    epilog=example(
        'clinic setup --account TEST::1 --name "North Clinic"', "clinic seal ann bundle.json", "clinic list ann"
    ),
)
def cli() -> None:
    """Register patients, seal their records, ask for access, read what was granted."""


_WHO = as_option("clinic")
_CLASSES = click.option("--class", "classes", multiple=True, help="Such as laboratory/N; more than one, or `all`.")

add_beginnings(cli, "clinic", name="North Clinic", roles="clinician,prescriber", meets="patients")
add_vouching(cli, "clinic")


# -- patients --------------------------------------------------------------------------------------------------------


@cli.command(epilog=example("clinic register ann.introduction --name ann"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--name", required=True, help="What this desk calls her. It never leaves this desk.")
@_WHO
@network_options
def register(file: str, name: str, who: str, network: str, store: str | None) -> None:
    """Take a patient in by the introduction that she signed."""
    from pathlib import Path

    from scripts._member import desk_of
    from theriac.health.introduction import Introduction

    with desk_of(who, network=network, store=store) as desk:
        writer = desk.writer()
        introduction = Introduction.decode(Path(file).read_bytes(), member=desk.member)
        taken = [each for each in writer.patients() if each.name == name and each.pseudonym != introduction.pseudonym]
        if taken:
            raise Failure(f"Somebody else is called {name} here already; choose another name.")
        writer.register(introduction, name=name)
    click.echo(f"Registered {name}.")


@cli.command(epilog=example("clinic patients"))
@_WHO
@network_options
@json_option
def patients(who: str, network: str, store: str | None, as_json: bool) -> None:
    """List who is registered here, and who granted something to this desk."""
    from scripts._member import desk_of
    from scripts._options import day, shown_reader
    from theriac.health.scope import words_of

    with desk_of(who, network=network, store=store) as desk:
        registered: list[dict[str, Any]] = [
            {"name": each.name, "pseudonym": each.pseudonym} for each in desk.writer().patients()
        ]
        grants: list[dict[str, Any]] = [
            {
                "pseudonym": each.pseudonym,
                "to": shown_reader(each.reader),
                "purpose": each.purpose.code,
                "classes": words_of(each.scope),
                # A grant that was revoked has no times on the chain any more.
                "from": day(each.start) if each.expiry else None,
                "until": day(each.expiry) if each.expiry else None,
                "now": each.refusal.sentence if each.refusal else "open",
            }
            for each in desk.reader().grants()
        ]
    if as_json:
        print_json({"registered": registered, "grants": grants})
        return
    table(
        [(each["name"], each["pseudonym"]) for each in registered], "name", "pseudonym", empty="Nobody is registered."
    )
    click.echo()
    table(
        [
            (each["pseudonym"], each["purpose"], ", ".join(each["classes"]) or "-", each["until"] or "-", each["now"])
            for each in grants
        ],
        *("granted by", "purpose", "classes", "until", "now"),
        empty="Nothing was granted.",
    )


# -- prescribing -----------------------------------------------------------------------------------------------------


@cli.command(
    epilog=example("clinic prescribe request.json -o prescription.pdf", "clinic prescribe a.json b.json -o rx.png")
)
@click.argument("requests", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("-o", "--out", required=True, help="The paper to write: a .pdf or a .png, or a .txt for a program.")
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=28,
    show_default=True,
    help="How long a line may be filled whose request does not say it.",
)
@click.option(
    "--quantity", type=click.IntRange(1, 65535), default=None, help="How much to give where a request does not say it."
)
@click.option("--for", "patient", default=None, help="A patient of this desk: her records are looked at first.")
@click.option("--account", default=None, help="Who prescribes: an account of Ape; the desk's own unless said.")
@purpose_option
@_WHO
@network_options
@yes_option
@json_option
def prescribe(
    requests: tuple[str, ...],
    out: str,
    days: int,
    quantity: int | None,
    patient: str | None,
    account: str | None,
    purpose: str,
    who: str,
    network: str,
    store: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Prescribe what FHIR MedicationRequests say, a line each, and write the paper with its key.

    No patient is on the chain: whoever has the code on the paper can have it filled. What is prescribed is sealed into
    a file that only this code opens. How much, how often and when is in `dispenseRequest`; units are whatever its
    quantity counts, best whole packs.

    With --for it is said first what her records tell of allergies and of the same substance, as far as she let this
    desk see them; what she did not is not known. Where something speaks against it, it is asked before going on.
    """
    from datetime import UTC, datetime

    from scripts._checking import checked
    from scripts._member import desk_of
    from scripts._prescribing import HEADS, check_paper, client, columns_of, items_of, prescribed, rows_of
    from theriac.health.scope import Purpose

    check_paper(out)
    why = Purpose.parse(purpose)
    told: tuple[str, ...] = ()
    with desk_of(who, network=network, store=store, account=account) as desk:
        contract = client(desk.site)
        today = datetime.fromtimestamp(contract.now(), UTC).date()
        items = items_of(requests, today=today, days=days, quantity=quantity)
        if patient is not None:
            found = checked(desk, patient, items, purpose=why)
            told = found.sentences
            for sentence in told:
                click.echo(sentence, err=True)
            if found.warns:
                confirmed("Prescribe all the same?", yes=yes)
        shown = prescribed(desk, items, out=out)
        rows = rows_of(shown, contract.states(shown.prescription, shown.terms))
    if as_json:
        print_json({"prescription": shown.terms.id.hex(), "lines": rows, "checked": list(told)})
        return
    table(columns_of(rows), *HEADS, empty="")
    click.echo(f"Prescribed as {shown.terms.id.hex()[:16]}; the paper is {out}. Cancel it by the number and --line.")


@cli.command("cancel-prescription", epilog=example("clinic cancel-prescription 3f9a2c...d7 --line 1"))
@click.argument("prescription")
@click.option(
    "--line", "numbers", type=click.IntRange(1, 32), multiple=True, required=True, help="Which line; more than one."
)
@click.option("--account", default=None, help="Who cancels: an account of Ape; the desk's own unless said.")
@_WHO
@network_options
@yes_option
def cancel_prescription(
    prescription: str,
    numbers: tuple[int, ...],
    account: str | None,
    who: str,
    network: str,
    store: str | None,
    yes: bool,
) -> None:
    """Cancel lines of a PRESCRIPTION, by its number of 64 digits, for good. What was given stays given."""
    from scripts._member import desk_of
    from scripts._prescribing import client, numbered

    number = numbered(prescription)
    lines = sorted({each - 1 for each in numbers})
    with desk_of(who, network=network, store=store, account=account) as desk:
        contract = client(desk.site, desk.site.sender(desk.alias))
        contract.prescriber_of(number)
        confirmed(f"Cancel {len(lines)} lines of {prescription[:16]}? Nothing takes it back.", yes=yes)
        contract.cancel(number, lines)
    click.echo("Cancelled.")


# -- writing ---------------------------------------------------------------------------------------------------------


@cli.command(
    epilog=example("clinic seal ann examples/fhir/synthea-r4-a.json", "clinic seal ann letter.pdf --class documents/N")
)
@click.argument("patient")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--class", "cls", default=None, help="The class of files that do not say it, such as documents/N.")
@click.option("--place", default=None, help="Where it was done; this desk's name unless said.")
@_WHO
@network_options
@json_option
def seal(
    patient: str,
    paths: tuple[str, ...],
    cls: str | None,
    place: str | None,
    who: str,
    network: str,
    store: str | None,
    as_json: bool,
) -> None:
    """Seal files, folders, FHIR bundles or DICOM images for a patient, each record in its class.

    All files are checked before the first is sealed. What nothing says the class of goes into the most restrictive
    one and is listed.
    """
    from scripts._member import desk_of
    from scripts._options import classes_of
    from scripts._progress import counted, working
    from scripts._sealing import files_in, pieces_of

    [chosen] = classes_of([cls]) if cls else [None]
    with desk_of(who, network=network, store=store) as desk:
        writer = desk.writer()
        registered = writer.patient(patient)
        with working("Checking the files"):
            pieces = pieces_of(files_in(paths), cls=chosen, place=place or desk.person.settings.get("name", ""))
        written = list(counted(writer.write(registered, pieces), "Sealing", total=len(pieces)))
        gas = sum(receipt.gas_used for receipt in writer.receipts)
    doubtful = [piece for piece in pieces if not piece.classified.certain]
    if as_json:
        print_json(
            {
                "gas": gas,
                "records": [
                    {"digest": each.digest, "class": each.cls, "title": each.title, "inbox": each.inbox}
                    for each in written
                ],
                "unsure": [{"title": each.manifest.title, "why": each.classified.reason} for each in doubtful],
            }
        )
        return
    counts: dict[str, int] = {}
    for each in written:
        counts[each.cls] = counts.get(each.cls, 0) + 1
    table(sorted(counts.items()), "class", "records", empty="Nothing was sealed.")
    inbox = sum(each.inbox for each in written)
    click.echo(f"Sealed {len(written)} records for {gas:,} gas{f', {inbox} into the inbox' if inbox else ''}.")
    for piece in doubtful:
        click.echo(f"In the most restrictive class: {piece.manifest.title} ({piece.classified.reason}).")


@cli.command(epilog=example("clinic resume", "clinic resume 7be1"))
@click.argument("claim", required=False)
@_WHO
@network_options
def resume(claim: str | None, who: str, network: str, store: str | None) -> None:
    """Seal what an interrupted run took in and did not finish; or have a pended CLAIM decided.

    A claim is decided once what it waited for is there, such as its evidence or money in the insurer's escrow.
    """
    from scripts._member import desk_of
    from scripts._progress import counted

    if claim is not None:
        resumed(claim, who=who, account=None, network=network, store=store)
        return
    with desk_of(who, network=network, store=store) as desk:
        done = len(list(counted(desk.writer().resume(), "Sealing")))
    click.echo(f"Sealed {done} records that were left over." if done else "Nothing was left over.")


@cli.command(epilog=example("clinic settle"))
@_WHO
@network_options
def settle(who: str, network: str, store: str | None) -> None:
    """Drop the copies of what patients say they have filed."""
    from scripts._member import desk_of

    with desk_of(who, network=network, store=store) as desk:
        filed = desk.writer().settle()
    click.echo(f"{len(filed)} records are filed by their patients; their copies are dropped.")


@cli.command("seal-again", epilog=example("clinic seal-again ann"))
@click.argument("patient")
@_WHO
@network_options
def seal_again(patient: str, who: str, network: str, store: str | None) -> None:
    """Seal once more what a patient's client has not filed: after the key that publishes for her was stolen."""
    from scripts._member import desk_of
    from scripts._progress import counted

    with desk_of(who, network=network, store=store) as desk:
        writer = desk.writer()
        done = len(list(counted(writer.seal_again(writer.patient(patient)), "Sealing")))
    click.echo(f"Sealed {done} records again." if done else "Nothing was left to seal again.")


add_day(cli)


# -- asking ----------------------------------------------------------------------------------------------------------


@cli.command(epilog=example('clinic ask ann --class laboratory/N --days 30 --reason "Your appointment in May"'))
@click.argument("patient")
@_CLASSES
@purpose_option
@click.option("--until", default=None, help="The window ends on this day at 00:00 UTC, or at a full hour.")
@click.option("--days", type=click.IntRange(1, 3650), default=None, help="The window ends so many days ahead.")
@click.option("--no-history", is_flag=True, help="Only what is written from now on.")
@click.option("--for", "reader", default=None, help="Who is to read: an account; the whole member unless said.")
@click.option("--reason", required=True, help="What the patient reads. It is sealed to her.")
@_WHO
@network_options
def ask(
    patient: str,
    classes: tuple[str, ...],
    purpose: str,
    until: str | None,
    days: int | None,
    no_history: bool,
    reader: str | None,
    reason: str,
    who: str,
    network: str,
    store: str | None,
) -> None:
    """Ask a patient for access, in a sealed letter."""
    from scripts._member import desk_of
    from scripts._options import classes_of, end_of, reader_of
    from theriac.health.messages import member_address
    from theriac.health.requests import Request
    from theriac.health.scope import Purpose

    wanted = classes_of(classes)
    if not wanted:
        raise Failure("Name the classes that are asked for with --class, such as --class laboratory/N.")
    code = Purpose.parse(purpose).code
    with desk_of(who, network=network, store=store) as desk:
        writer = desk.writer()
        registered = writer.patient(patient)
        letter = writer.ask(
            registered,
            Request(
                pseudonym=registered.pseudonym,
                member=desk.member,
                reader=reader_of(reader, play=desk.site.play) if reader else member_address(desk.member),
                name=desk.person.settings.get("name", ""),
                classes=tuple(str(each) for each in wanted),
                purpose=code,
                end=end_of(until, days, now=desk.chain.time()).isoformat(),
                history=not no_history,
                reason=reason,
            ),
        )
    click.echo(f"Asked {patient}; the letter is {letter[:16]}.")


@cli.command(epilog=example("clinic answers"))
@_WHO
@network_options
@json_option
def answers(who: str, network: str, store: str | None, as_json: bool) -> None:
    """What patients answered, the latest first."""
    from scripts._member import desk_of

    with desk_of(who, network=network, store=store) as desk:
        writer = desk.writer()
        names = {each.pseudonym: each.name for each in writer.patients()}
        found: list[dict[str, Any]] = [
            {
                "patient": names.get(each.pseudonym, each.pseudonym),
                "letter": each.request,
                "granted": each.granted,
                "reason": each.reason,
            }
            for each in writer.answers()
        ]
    if as_json:
        print_json(found)
        return
    table(
        [(each["patient"], each["letter"][:16], "yes" if each["granted"] else "no", each["reason"]) for each in found],
        *("patient", "letter", "granted", "reason"),
        empty="No answer.",
    )


# -- reading ---------------------------------------------------------------------------------------------------------


def _row(desk: Any, listed: Any) -> dict[str, Any]:
    return {
        "digest": listed.digest,
        "class": listed.cls,
        "date": str(listed.summary.get("date", ""))[:10] or listed.time.date().isoformat(),
        "title": listed.summary.get("title", ""),
        "place": desk.place_of(listed),
        "codes": list(listed.summary.get("codes", ())),
        "reported": bool(listed.summary.get("reported")),
        "type": listed.summary.get("type", ""),
        "filed": listed.filed,
    }


@cli.command("list", epilog=example("clinic list ann --class laboratory/N"))
@click.argument("patient")
@_CLASSES
@purpose_option
@click.option("--new", is_flag=True, help="Also what stands in no index yet, and may be for others.")
@_WHO
@network_options
@json_option
def list_(
    patient: str,
    classes: tuple[str, ...],
    purpose: str,
    new: bool,
    who: str,
    network: str,
    store: str | None,
    as_json: bool,
) -> None:
    """List the records of a patient that were granted; nothing is fetched but the index."""
    from scripts._member import desk_of
    from scripts._options import classes_of
    from theriac.health.scope import Purpose

    wanted, why = classes_of(classes), Purpose.parse(purpose)
    with desk_of(who, network=network, store=store) as desk:
        reader, pseudonym = desk.learned(patient, why)
        listed = reader.listed(pseudonym, purpose=why, classes=wanted or None)
        if new:
            listed += reader.unfiled(pseudonym)
        rows = [_row(desk, each) for each in listed]
    if as_json:
        print_json(rows)
        return
    table(
        [
            (each["digest"][:16], each["date"], each["class"] or "(not filed)", each["title"], each["place"])
            for each in rows
        ],
        *("record", "date", "class", "title", "place"),
        empty="Nothing can be read.",
    )


@cli.command(epilog=example("clinic history ann --code 4548-4 --days 90"))
@click.argument("patient")
@click.option("--code", required=True, help="A code or a word of it, such as the LOINC code 4548-4.")
@click.option("--days", type=click.IntRange(1, 36500), default=90, show_default=True)
@purpose_option
@_WHO
@network_options
@json_option
def history(
    patient: str, code: str, days: int, purpose: str, who: str, network: str, store: str | None, as_json: bool
) -> None:
    """Say whether an examination was done lately, before it is ordered again."""
    from datetime import UTC, date, datetime, timedelta

    from scripts._member import desk_of
    from theriac.health.scope import Purpose

    why = Purpose.parse(purpose)
    with desk_of(who, network=network, store=store) as desk:
        reader, pseudonym = desk.learned(patient, why)
        found = reader.listed(pseudonym, purpose=why, code=code, within=timedelta(days=days))
        today = datetime.fromtimestamp(desk.chain.time(), UTC).date()
        rows: list[dict[str, Any]] = []
        for each in found:
            row = _row(desk, each)
            try:
                row["days"] = (today - date.fromisoformat(row["date"])).days
            except ValueError:
                row["days"] = (today - each.time.date()).days
            rows.append(row)
        rows.sort(key=lambda row: row["days"])
    if as_json:
        print_json(rows)
        return
    for row in rows:
        when = {0: "today", 1: "yesterday"}.get(row["days"], f"{row['days']} days ago")
        click.echo(f"{row['title']}: done {when} at {row['place']} (record {row['digest'][:16]})")
    if not rows:
        click.echo(f"Nothing with {code} in the last {days} days among what was granted.")


@cli.command("open", epilog=example("clinic open ann 3f9a2c -o result.json", "clinic open ann 3f9a2c -o - | jq ."))
@click.argument("patient")
@click.argument("record")
@click.option("-o", "--out", required=True, help="The file to write, or - for standard output.")
@click.option("--export", "exported", is_flag=True, help="Say in the receipt that it leaves this desk.")
@click.option("--later", is_flag=True, help="Keep the receipt; 'clinic log' sends it.")
@purpose_option
@_WHO
@network_options
def open_(
    patient: str,
    record: str,
    out: str,
    exported: bool,
    later: bool,
    purpose: str,
    who: str,
    network: str,
    store: str | None,
) -> None:
    """Open a record by the beginning of its name.

    Before it opens, this desk's account signs a receipt, which is sent to the patient.
    """
    from scripts._member import desk_of
    from scripts._progress import working
    from scripts._receipts import sent_or_kept
    from theriac.errors import UnknownRecord
    from theriac.health.receipts import Act
    from theriac.health.scope import Purpose

    why = Purpose.parse(purpose)
    if out != "-":
        check_out(out)
    with desk_of(who, network=network, store=store) as desk, working("Opening"):
        reader, pseudonym = desk.learned(patient, why)
        known = [*reader.listed(pseudonym, purpose=why), *reader.unfiled(pseudonym)]
        named = {each.digest for each in known if each.digest.startswith(record.lower())}
        if len(named) != 1 and len(record) != 64:
            raise UnknownRecord(digest=record)
        digest = named.pop() if len(named) == 1 else record.lower()
        opened = reader.open(pseudonym, digest, purpose=why, act=Act.EXPORT if exported else Act.OPEN)
        write_out(opened, out)
        if not later:
            sent_or_kept(desk)
    click.echo(f"{opened.manifest.title or opened.manifest.type}, {opened.manifest.size:,} bytes.", err=True)


# -- what else patients ask, and are asked ----------------------------------------------------------------------------

add_patients(cli, "clinic")
add_log(cli)


# -- cover -----------------------------------------------------------------------------------------------------------

add_services(cli)
add_claims(cli, "clinic", resumes=False)

# -- emergencies -----------------------------------------------------------------------------------------------------

add_clinic_emergency(cli)
# -- referring -------------------------------------------------------------------------------------------------------

add_referrals(cli)
add_programmes(cli)
add_page(cli)

"""`ape run clinic refer`, what comes of it, and `clinic programme`.

Imports nothing but click and `_cli`, as the scripts that use it.
"""

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
    print_json,
    purpose_option,
    table,
    write_file,
    yes_option,
)

_WHO = as_option("clinic")
_PATIENT = click.argument("patient")


def add_referrals(cli: Actor) -> None:
    """Adds what a clinician does to pass a patient on, and what comes back."""
    for command in (refer, withdraw, referrals, referred, refer_back, returned):
        cli.add_command(command)


def add_programmes(cli: Actor) -> None:
    """Adds what a programme's team does."""
    cli.add_command(programme)


@click.command("refer", epilog=example('clinic refer ann --to member:2 --class laboratory/N --reason "Liver values"'))
@_PATIENT
@click.option("--to", required=True, help="A member, such as member:2, or an account.")
@click.option("--class", "classes", multiple=True, required=True, help="Such as laboratory/N; more than one.")
@click.option(
    "--until", default=None, help="A Monday, or the end of your own grant; the last Monday that can be, unless said."
)
@click.option("--since", default=None, help="History only since this day.")
@click.option("--reason", required=True, help="What you ask. It is sealed to who is referred to.")
@purpose_option
@_WHO
@network_options
@yes_option
def refer(
    patient: str,
    to: str,
    classes: tuple[str, ...],
    until: str | None,
    since: str | None,
    reason: str,
    purpose: str,
    who: str,
    network: str,
    store: str | None,
    yes: bool,
) -> None:
    """Pass on what you may read, for a referral: never more or longer than you have, and it ends with that.

    It works while the patient's phone is off. She must have said that you may refer on, and can end it alone.
    """
    from scripts._member import desk_of
    from scripts._options import classes_of, moment, reader_of
    from scripts._progress import working
    from theriac.health import referrals as passing
    from theriac.health.hours import time_of
    from theriac.health.scope import Purpose

    wanted, why = classes_of(classes), Purpose.parse(purpose)
    with desk_of(who, network=network, store=store) as desk:
        reader, pseudonym = desk.learned(patient, why)
        target = reader_of(to, play=desk.site.play)
        granted = next(each for each in desk.granted(patient, why) if each.pseudonym == pseudonym)
        ends = passing.ends_of(reader, pseudonym, through=granted.reader, purpose=why)
        end = moment(until) if until else time_of(ends[-2] if len(ends) > 1 else ends[-1])
        named = ", ".join(map(str, wanted))
        confirmed(f"Refer {patient} to {to} with {named} until {end:%Y-%m-%d %H:%M} UTC?", yes=yes)
        with working("Referring"):
            letter = passing.refer(
                reader,
                desk.site.sender(desk.alias),
                pseudonym=pseudonym,
                to=target,
                purpose=why,
                classes=wanted,
                end=end,
                reason=reason,
                since=moment(since) if since else None,
            )
    click.echo(f"Referred until {end:%Y-%m-%d %H:%M} UTC; the letter is {letter.letter[:16]}.")


@click.command("withdraw-referral", epilog=example("clinic withdraw-referral ann --to member:2"))
@_PATIENT
@click.option("--to", required=True, help="Who was referred to.")
@purpose_option
@_WHO
@network_options
def withdraw(patient: str, to: str, purpose: str, who: str, network: str, store: str | None) -> None:
    """Take a referral back. Its keys end when the patient's client looks next, or with the referral's own end."""
    from scripts._member import desk_of
    from scripts._options import reader_of
    from theriac.health import referrals as passing
    from theriac.health.scope import Purpose

    why = Purpose.parse(purpose)
    with desk_of(who, network=network, store=store) as desk:
        _, pseudonym = desk.learned(patient, why)
        target = reader_of(to, play=desk.site.play)
        sender = desk.site.sender(desk.alias)
        passing.withdraw(desk.chain, sender, pseudonym=pseudonym, reader=target, purpose=why)
    click.echo(f"Taken back from {to}.")


@click.command("referrals", epilog=example("clinic referrals"))
@_WHO
@network_options
@json_option
def referrals(who: str, network: str, store: str | None, as_json: bool) -> None:
    """Who was referred to this desk, by whom, why and until when; their keys are taken over."""
    from scripts._member import desk_of
    from scripts._options import shown_reader
    from theriac.health import referrals as passing
    from theriac.health.patient import in_words

    with desk_of(who, network=network, store=store) as desk:
        reader = desk.reader()
        names = {each.pseudonym: each.name for each in desk.writer().patients()} if desk.member else {}
        rows: list[dict[str, Any]] = [
            {
                "letter": each.letter,
                "pseudonym": each.pseudonym,
                "name": names.get(each.pseudonym, ""),
                "by": shown_reader(each.through),
                "from": desk.name_of(desk.chain.member_of(each.sender)),
                "purpose": each.purpose,
                "classes": list(each.classes),
                "until": in_words(each.end),
                "reason": each.reason,
                "confirmed": not reader.unconfirmed(each.pseudonym),
            }
            for each in passing.taken(reader)
        ]
    if as_json:
        print_json(rows)
        return
    table(
        [
            (
                row["letter"][:16],
                row["name"],
                row["from"],
                row["until"],
                ", ".join(row["classes"]),
                "yes" if row["confirmed"] else "by the referrer alone",
                row["reason"],
            )
            for row in rows
        ],
        *("letter", "name", "from", "until", "classes", "confirmed", "reason"),
        empty="Nobody was referred.",
    )


def _letter(desk: Any, letter: str) -> Any:
    from theriac.health import referrals as passing

    found = [each for each in passing.taken(desk.reader()) if letter and each.letter.startswith(letter.lower())]
    if len(found) != 1:
        raise Failure(f"No referral, or more than one, begins with {letter[:64]!r}; 'clinic referrals' lists them.")
    return found[0]


@click.command("referred", epilog=example("clinic referred 3f9a2c --name ann"))
@click.argument("letter")
@click.option("--name", required=True, help="What this desk calls her. It never leaves this desk.")
@_WHO
@network_options
def referred(letter: str, name: str, who: str, network: str, store: str | None) -> None:
    """Register a patient who was referred, so that the report can be sealed for her and comes back."""
    from scripts._member import desk_of

    with desk_of(who, network=network, store=store) as desk:
        writer, found = desk.writer(), _letter(desk, letter)
        taken = [each for each in writer.patients() if each.name == name and each.pseudonym != found.pseudonym]
        if taken:
            raise Failure(f"Somebody else is called {name} here already; choose another name.")
        writer.register_referred(found.pseudonym, name=name)
    click.echo(f"Registered {name}.")


@click.command("refer-back", epilog=example('clinic refer-back 3f9a2c --record 7be1 --note "All is well"'))
@click.argument("letter")
@click.option("--record", "records", multiple=True, help="The beginning of a record that answers it; more than one.")
@click.option("--note", default="", help="What who referred reads. It is sealed.")
@_WHO
@network_options
def refer_back(letter: str, records: tuple[str, ...], note: str, who: str, network: str, store: str | None) -> None:
    """Send a patient back to who referred her, with the records that answer the referral."""
    from scripts._member import desk_of
    from theriac.health import referrals as passing

    with desk_of(who, network=network, store=store) as desk:
        found = _letter(desk, letter)
        sender = desk.site.sender(desk.alias)
        digest = passing.refer_back(desk.reader(), sender, found, records=records, note=note)
    click.echo(f"Sent back; the letter is {digest[:16]}.")


@click.command("returned", epilog=example("clinic returned"))
@_WHO
@network_options
@json_option
def returned(who: str, network: str, store: str | None, as_json: bool) -> None:
    """Whom those that you referred to sent back, with what they wrote; the latest first."""
    from scripts._member import desk_of
    from theriac.health import referrals as passing

    with desk_of(who, network=network, store=store) as desk:
        rows: list[dict[str, Any]] = [
            {
                "pseudonym": each.pseudonym,
                "from": desk.name_of(desk.chain.member_of(each.sender)),
                "records": list(each.records),
                "note": each.note,
            }
            for each in passing.returned(desk.reader())
        ]
    if as_json:
        print_json(rows)
        return
    table(
        [(row["pseudonym"], row["from"], ", ".join(each[:16] for each in row["records"]), row["note"]) for row in rows],
        *("granted by", "from", "records", "note"),
        empty="Nobody came back.",
    )


# -- programmes ------------------------------------------------------------------------------------------------------


@click.group("programme", cls=Actor, epilog=example("clinic programme sign checkup.json -o checkup.programme"))
def programme() -> None:
    """Screening and chronic care: offer a programme, note its steps, find who was lost on the way."""


def _team(desk: Any) -> Any:
    from theriac.health.programmes import Team

    return Team(desk.person.folder / "programme", identity=desk.identity)


@programme.command("sign", epilog=example("clinic programme sign checkup.json -o checkup.programme"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The file that patients take.")
@_WHO
@network_options
def sign(file: str, out: str, who: str, network: str, store: str | None) -> None:
    """Sign a programme: JSON with name, purpose, classes and steps (name, title, role, days, after, optional)."""
    from pathlib import Path

    from scripts._member import desk_of
    from theriac.errors import BadDocument
    from theriac.health.programmes import Programme
    from theriac.ledger.codec import parse_json

    check_out(out)
    try:
        values = parse_json(Path(file).read_bytes())
    except ValueError:
        raise BadDocument(kind="programme", fault="it is not JSON") from None
    if not isinstance(values, dict):
        raise BadDocument(kind="programme", fault="it is no object")
    with desk_of(who, network=network, store=store) as desk:
        offered = Programme.of({**values, "member": desk.member, "account": desk.address, "signature": ""})
        write_file(out, offered.signed(desk.site.signer(desk.alias)).encode())
    click.echo(f"Signed {offered.name} of {len(offered.steps)} steps; hand {out} to those who take part.")


@programme.command("enrol", epilog=example("clinic programme enrol checkup.programme ann.enrolment --name ann"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.argument("enrolment", type=click.Path(exists=True, dir_okay=False))
@click.option("--name", required=True, help="What this team calls her. It never leaves this desk.")
@_WHO
@network_options
def enrol(file: str, enrolment: str, name: str, who: str, network: str, store: str | None) -> None:
    """Take in who takes part, by the file that she brought."""
    from pathlib import Path

    from scripts._member import desk_of
    from theriac.errors import CannotRefer
    from theriac.health.delegations import commitment
    from theriac.health.programmes import Programme, Taken

    offered = Programme.decode(Path(file).read_bytes())
    taken = Taken.decode(Path(enrolment).read_bytes())
    with desk_of(who, network=network, store=store) as desk:
        document = Path(file).read_bytes().strip()
        parent = desk.chain.parent(taken.pseudonym, taken.by)
        if parent["holder"] != commitment(document, salt=bytes.fromhex(taken.salt)):
            raise CannotRefer(fault="what stands on the chain is another programme, or none")
        _team(desk).enrol(taken, offered, name=name)
    click.echo(f"{name} takes part in {offered.name}.")


def _noted(patient: str, step: str, *, needed: bool, reason: str, who: str, network: str, store: str | None) -> str:
    import io

    from scripts._member import desk_of
    from theriac.crypto.recipients import parse_recipient
    from theriac.health import documents
    from theriac.health.programmes import Note

    with desk_of(who, network=network, store=store) as desk:
        team = _team(desk)
        member = team.member(patient)
        taken = member.taken
        note = Note(taken.pseudonym, taken.by, step, desk.chain.hour(), needed, reason)
        team.note(member, note)
        inboxes = desk.chain.bundle(taken.pseudonym, desk.site.store).inboxes
        sealed = documents.seal(note.encode(), to=parse_recipient(inboxes.recipients["R"]))
        digest = desk.site.store.put(io.BytesIO(sealed)).digest
        send = desk.site.contracts.Letters.functions.send(desk.address, taken.pseudonym, digest)
        desk.site.sender(desk.alias).send(send)
    return str(member.name)


@programme.command("done", epilog=example("clinic programme done ann checkup"))
@_PATIENT
@click.argument("step")
@click.option("--note", "reason", default="", help="What she reads. It is sealed to her.")
@_WHO
@network_options
def done(patient: str, step: str, reason: str, who: str, network: str, store: str | None) -> None:
    """Note that a step was done, here and sealed to the patient."""
    name = _noted(patient, step, needed=False, reason=reason, who=who, network=network, store=store)
    click.echo(f"{step} of {name} is done.")


@programme.command("need", epilog=example('clinic programme need ann referral --note "Liver values"'))
@_PATIENT
@click.argument("step")
@click.option("--note", "reason", default="", help="What she reads. It is sealed to her.")
@_WHO
@network_options
def need(patient: str, step: str, reason: str, who: str, network: str, store: str | None) -> None:
    """Note that a step that only some need is due from now on, such as a referral."""
    name = _noted(patient, step, needed=True, reason=reason, who=who, network=network, store=store)
    click.echo(f"{step} of {name} is due.")


@programme.command("list", epilog=example("clinic programme list", "clinic programme list --lost"))
@click.option("--lost", is_flag=True, help="Only those who were lost on the way.")
@_WHO
@network_options
@json_option
def list_(lost: bool, who: str, network: str, store: str | None, as_json: bool) -> None:
    """Who takes part and stands where, with how many at each step; --lost lists who missed a step's time."""
    from scripts._member import desk_of
    from theriac.health.hours import time_of

    with desk_of(who, network=network, store=store) as desk:
        now = desk.chain.hour()
        rows: list[dict[str, Any]] = [
            {
                "name": member.name,
                "programme": member.programme.name,
                "step": each.step.name,
                "title": each.step.title,
                "role": each.step.role,
                "state": each.state,
                "by": "" if each.due is None else f"{time_of(each.due):%Y-%m-%d}",
            }
            for member in _team(desk).everyone()
            for each in member.standing(now)
        ]
    chosen = [row for row in rows if row["state"] == "lost"] if lost else rows
    if as_json:
        print_json(chosen)
        return
    if lost:
        table(
            [(row["name"], row["title"], row["role"], row["by"]) for row in chosen],
            *("name", "lost before", "role", "was due by"),
            empty="Nobody was lost on the way.",
        )
        return
    titles = list(dict.fromkeys((row["programme"], row["title"]) for row in rows))
    table(
        [
            (
                *place,
                *(
                    sum((row["programme"], row["title"], row["state"]) == (*place, state) for row in rows)
                    for state in ("done", "due", "lost")
                ),
            )
            for place in titles
        ],
        *("programme", "step", "done", "due", "lost"),
        empty="Nobody takes part.",
    )

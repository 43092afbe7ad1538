"""`ape run patient delegate`, `referral` and `programme`: who acts beside the patient.

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
    days_option,
    example,
    json_option,
    network_options,
    payer_option,
    print_json,
    table,
    until_option,
    write_file,
    yes_option,
)

_WHO = as_option("patient")
_CLASSES = click.option("--class", "classes", multiple=True, required=True, help="Such as laboratory/N; more than one.")
_PURPOSES = click.option(
    "--purpose", "purposes", multiple=True, default=("TREAT",), show_default=True, help="A code; more than one."
)


def add_delegates(cli: Actor) -> None:
    """Adds what a patient does about those who act beside her."""
    cli.add_command(delegate)
    cli.add_command(referral)
    cli.add_command(programme)


@click.group(
    "delegate",
    cls=Actor,
    epilog=example("patient delegate add bea.offer --name Bea --class laboratory/N --days 90 -o bea.mandate"),
)
def delegate() -> None:
    """Let somebody grant for you, within classes, purposes and time."""


@delegate.command(
    "add",
    epilog=example(
        "patient delegate add bea.offer --name Bea --class laboratory/N --days 90 -o bea.mandate",
        "patient delegate add a.offer b.offer c.offer --quorum 2 --name family --class all --days 90 -o family",
        "patient delegate add mum.offer --name Mum --class all --days 300 --of-age 2041-05-04 -o mum.mandate",
    ),
)
@click.argument("offers", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--name", required=True, help="What you call her, him or the group.")
@_CLASSES
@_PURPOSES
@until_option
@days_option
@click.option("--quorum", type=click.IntRange(1, 16), default=None, help="How many of the group must sign.")
@click.option("--from-now-on", is_flag=True, help="Who is granted to reads only what is written from now on.")
@click.option("--of-age", default=None, help="For a guardian: the day on which the child comes of age.")
@click.option("-o", "--out", required=True, help="The file to hand to the delegate; for a group one each, numbered.")
@payer_option
@_WHO
@network_options
@yes_option
def add(
    offers: tuple[str, ...],
    name: str,
    classes: tuple[str, ...],
    purposes: tuple[str, ...],
    until: str | None,
    days: int | None,
    quorum: int | None,
    from_now_on: bool,
    of_age: str | None,
    out: str,
    payer: str | None,
    who: str,
    network: str,
    store: str | None,
    yes: bool,
) -> None:
    """Appoint a delegate by its OFFER, or a group by the offers of all; each account acts under a pseudonym of its own.

    It grants, narrows and ends within what you say here, has no keys, appoints nobody, and
    what it granted ends with it.
    """
    from pathlib import Path

    from scripts._options import classes_of, end_of, moment
    from scripts._patients import patient_of
    from scripts._progress import working
    from theriac.crypto.recipients import parse_recipient
    from theriac.health import documents
    from theriac.health.delegate import Offer, mandates_document
    from theriac.health.scope import Purpose

    found = [Offer.decode(Path(file).read_bytes()) for file in offers]
    if len(found) > 1 and quorum is None:
        raise Failure("Several offers are a group; say with --quorum how many of it must sign.")
    outs = [out] if len(found) == 1 else [f"{out}.{number}" for number in range(1, len(found) + 1)]
    for file in outs:
        check_out(file)
    wanted, why = classes_of(classes), [Purpose.parse(code) for code in purposes]
    ages = moment(of_age) if of_age else None
    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        if any(each.name == name for each in patient.vault.mandates):
            raise Failure(f"Somebody called {name} acts for you already; end that first, or choose another name.")
        end = end_of(until, days, now=patient.chain.time())
        what = "everything" if len(wanted) > 40 else ", ".join(map(str, wanted))
        confirmed(f"Let {name} grant {what} to others for you, until {end:%Y-%m-%d %H:%M} UTC?", yes=yes)
        terms: dict[str, Any] = {
            "name": name,
            "classes": wanted,
            "purposes": why,
            "end": end,
            "history": not from_now_on,
            "ages": ages,
        }
        with working("Publishing and appointing"):
            if quorum is None:
                recipient = found[0].recipient
                mandates = patient.others.appoint(found[0].accounts, recipient=recipient, **terms)
            else:
                mandates = patient.others.appoint_quorum([each.accounts for each in found], threshold=quorum, **terms)
    document = mandates_document(who, mandates)
    for each, file in zip(found, outs, strict=True):
        write_file(file, documents.seal(document, to=parse_recipient(each.recipient)))
    click.echo(f"{name} may grant to {len(mandates)} readers for you; hand over {', '.join(outs)}.")


@delegate.command("list", epilog=example("patient delegate list"))
@_WHO
@network_options
@json_option
def list_(who: str, network: str, store: str | None, as_json: bool) -> None:
    """Who may grant for you, how far, until when, and what stands by it."""
    from scripts._options import shown_reader
    from scripts._patients import patient_of
    from theriac.health.patient import in_words

    with patient_of(who, network=network, store=store) as (patient, _):
        hour = patient.chain.hour()
        rows: list[dict[str, Any]] = [
            {
                "name": each.name,
                "pseudonym": each.pseudonym,
                "classes": list(each.classes),
                "purposes": list(each.purposes),
                "until": in_words(each.end),
                "now": "open" if hour < each.end else "over",
                "must sign": each.threshold or 1,
                "guardian": bool(each.ages),
                "readers": [
                    shown_reader(one.reader)
                    for one in patient.vault.sharings
                    if (one.pseudonym, one.by) == (each.pseudonym, each.by)
                ],
            }
            for each in patient.vault.mandates
        ]
    if as_json:
        print_json(rows)
        return
    table(
        [
            (row["name"], row["until"], row["now"], ", ".join(row["purposes"]), ", ".join(row["readers"]) or "-")
            for row in rows
        ],
        *("name", "until", "now", "purposes", "readers"),
        empty="Nobody grants for you.",
    )


@delegate.command("end", epilog=example("patient delegate end Bea"))
@click.argument("name")
@payer_option
@_WHO
@network_options
@yes_option
def end(name: str, payer: str | None, who: str, network: str, store: str | None, yes: bool) -> None:
    """End a delegate and all that it granted: first the keys, then on the chain."""
    from scripts._patients import patient_of
    from scripts._progress import working

    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        mandates = patient.others.mandates(name)
        confirmed(f"End {name}, and everything that {name} granted?", yes=yes)
        for mandate in mandates:
            with working("Ending"):
                patient.others.end(mandate)
    click.echo(f"{name} grants no more, and what {name} granted has ended.")


@delegate.command("renew", epilog=example("patient delegate renew -o mandates"))
@click.option("-o", "--out", required=True, type=click.Path(file_okay=False), help="A folder for the new mandates.")
@payer_option
@_WHO
@network_options
def renew(out: str, payer: str | None, who: str, network: str, store: str | None) -> None:
    """Appoint guardians anew whose year runs out, until days of chance before the child comes of age."""
    from pathlib import Path

    from scripts._patients import patient_of
    from theriac.crypto.recipients import parse_recipient
    from theriac.health import documents
    from theriac.health.delegate import mandates_document
    from theriac.health.patient import in_words

    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        renewed = patient.others.renew_guardians()
    for each in renewed:
        file = Path(out) / f"{each.name}-{each.by}-{each.pseudonym[2:8]}.mandate"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_file(str(file), documents.seal(mandates_document(who, [each]), to=parse_recipient(each.recipient)))
        click.echo(f"{each.name} until {in_words(each.end)}; hand over {file}.")
    if not renewed:
        click.echo("No guardian is to be renewed now.")


@delegate.command("age-out", epilog=example("patient delegate age-out"))
@payer_option
@_WHO
@network_options
@yes_option
def age_out(payer: str | None, who: str, network: str, store: str | None, yes: bool) -> None:
    """End all guardians, at the coming of age; the wallet and all keys are made new by handing over."""
    from scripts._patients import patient_of
    from scripts._progress import working

    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        confirmed("End every guardian, and everything that they granted?", yes=yes)
        with working("Ending"):
            ended = patient.others.age_out()
    names = sorted({each.name for each in ended})
    click.echo(f"{', '.join(names)} act for you no more." if names else "You have no guardian.")


# -- referrals -------------------------------------------------------------------------------------------------------


@click.group("referral", cls=Actor, epilog=example("patient referral list", "patient referral end member:2"))
def referral() -> None:
    """What readers passed on of what you let them read."""


@referral.command("list", epilog=example("patient referral list"))
@_WHO
@network_options
@json_option
def referrals(who: str, network: str, store: str | None, as_json: bool) -> None:
    """Who was referred to, by whom, for what and until when; `watch` first, to see the latest."""
    from scripts._options import shown_reader
    from scripts._patients import patient_of
    from theriac.health.patient import in_words

    with patient_of(who, network=network, store=store) as (patient, _):
        rows: list[dict[str, Any]] = [
            {
                "to": shown_reader(each.reader),
                "name": each.name,
                "by": shown_reader(each.through),
                "purpose": each.purpose,
                "classes": list(each.classes),
                "until": in_words(each.end),
            }
            for each in patient.others.referrals()
            if each.live(patient.chain.hour())
        ]
    if as_json:
        print_json(rows)
        return
    table(
        [(row["name"], row["to"], row["by"], row["purpose"], row["until"], ", ".join(row["classes"])) for row in rows],
        *("name", "to", "by", "purpose", "until", "classes"),
        empty="Nothing was referred.",
    )


@referral.command("end", epilog=example("patient referral end member:2"))
@click.argument("reader")
@click.option("--purpose", default="TREAT", show_default=True, help="A code of HL7 v3 PurposeOfUse.")
@payer_option
@_WHO
@network_options
@yes_option
def end_referral(
    reader: str, purpose: str, payer: str | None, who: str, network: str, store: str | None, yes: bool
) -> None:
    """End a referral alone; who referred reads on, and cannot refer there again."""
    from scripts._options import reader_of
    from scripts._patients import patient_of
    from scripts._progress import working
    from theriac.health.scope import Purpose

    why = Purpose.parse(purpose)
    with patient_of(who, network=network, store=store, payer=payer) as (patient, site):
        to = reader_of(reader, play=site.play)
        confirmed(f"End what was referred to {reader}?", yes=yes)
        with working("Ending"):
            patient.others.revoke_referral(to, purpose=why)
    click.echo(f"Ended; {reader} cannot read the next record.")


# -- programmes ------------------------------------------------------------------------------------------------------


@click.group(
    "programme", cls=Actor, epilog=example("patient programme join checkup.programme --days 365 -o ann.enrolment")
)
def programme() -> None:
    """Screening and chronic care: steps, who does them, by when."""


@programme.command("join", epilog=example("patient programme join checkup.programme --days 365 -o ann.enrolment"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@until_option
@days_option
@click.option("--no-referral", is_flag=True, help="The team may not pass on what it reads.")
@click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The file to hand to the team.")
@payer_option
@_WHO
@network_options
@yes_option
def join(
    file: str,
    until: str | None,
    days: int | None,
    no_referral: bool,
    out: str,
    payer: str | None,
    who: str,
    network: str,
    store: str | None,
    yes: bool,
) -> None:
    """Take part in a programme: its team reads what it names until you leave, or until its end."""
    from pathlib import Path

    from scripts._options import classes_of, end_of
    from scripts._patients import patient_of
    from scripts._progress import working
    from theriac.errors import BadDocument
    from theriac.health.messages import member_address
    from theriac.health.programmes import Programme, Taken
    from theriac.health.scope import Purpose

    check_out(out)
    data = Path(file).read_bytes().strip()
    offered = Programme.decode(data)
    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        if patient.chain.member_of(offered.account) != offered.member:
            raise BadDocument(kind="programme", fault="who signed it does not act for the member that it names")
        end = end_of(until, days, now=patient.chain.time())
        may = "" if no_referral else ", and refer on"
        confirmed(
            f"Let member {offered.member} read {', '.join(offered.classes)} for {offered.name}{may}, "
            f"until {end:%Y-%m-%d %H:%M} UTC?",
            yes=yes,
        )
        with working("Publishing and granting"):
            enrolment = patient.others.enrol(
                data,
                member_address(offered.member),
                name=offered.name,
                classes=classes_of(offered.classes),
                purpose=Purpose.parse(offered.purpose),
                end=end,
                referable=not no_referral,
            )
    taken = Taken(enrolment.pseudonym, enrolment.by, enrolment.salt, enrolment.start, enrolment.end)
    write_file(out, taken.encode())
    click.echo(f"You take part in {offered.name}; hand {out} to the team.")


@programme.command("list", epilog=example("patient programme list"))
@_WHO
@network_options
@json_option
def programmes(who: str, network: str, store: str | None, as_json: bool) -> None:
    """Where you stand: what is done, what is due, and where you were lost on the way."""
    from scripts._patients import patient_of

    with patient_of(who, network=network, store=store) as (patient, _):
        rows: list[dict[str, Any]] = [
            {"programme": name, "step": each.step.name, "title": each.step.title, "state": each.state, "by": due}
            for name, steps in patient.others.standing()
            for each in steps
            for due in [_day(each.due)]
        ]
    if as_json:
        print_json(rows)
        return
    table(
        [(row["programme"], row["title"], row["state"], row["by"]) for row in rows],
        *("programme", "step", "state", "by"),
        empty="You take part in none.",
    )


def _day(hour: int | None) -> str:
    from theriac.health.hours import time_of

    return "" if hour is None else f"{time_of(hour):%Y-%m-%d}"


@programme.command("leave", epilog=example('patient programme leave "Check-up 2031"'))
@click.argument("name")
@payer_option
@_WHO
@network_options
@yes_option
def leave(name: str, payer: str | None, who: str, network: str, store: str | None, yes: bool) -> None:
    """Leave a programme: its team reads no more, nor does whom it referred to."""
    from scripts._patients import patient_of
    from scripts._progress import working

    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        enrolment = patient.others.enrolment(name)
        confirmed(f"Leave {name}?", yes=yes)
        with working("Leaving"):
            patient.others.leave(enrolment)
    click.echo(f"You left {name}.")

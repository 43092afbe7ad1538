"""A patient's commands about emergencies: who keeps the key, the card, who broke the glass, the review.

Imports nothing but click and `_cli`, as the scripts that use it.
"""

from typing import TYPE_CHECKING, Any

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
    print_json,
    table,
    write_file,
    yes_option,
)

if TYPE_CHECKING:
    from theriac.health.emergencies import Card

_WHO = as_option("patient")


def add_emergency(cli: Actor) -> None:
    """Adds a patient's commands about emergencies."""
    cli.add_command(_emergency)


@click.group(
    "emergency",
    cls=Actor,
    epilog=example(
        "patient emergency set --custodian 3 --custodian 4 --custodian 5 --need 2",
        "patient emergency card -o card.png",
        "patient emergency cases",
    ),
)
def _emergency() -> None:
    """Let a clinician in when you cannot be asked: custodians whom you choose open what you chose, together."""


@_emergency.command(
    "set",
    epilog=example(
        "patient emergency set --custodian 3 --custodian 4 --custodian 5 --need 2",
        "patient emergency set --custodian 3 --custodian 4 --need 2 --class allergies/N --class medications/N",
    ),
)
@click.option(
    "--custodian", "members", multiple=True, required=True, type=click.IntRange(1, (1 << 32) - 1), help="A member."
)
@click.option("--need", required=True, type=click.IntRange(1, 16), help="So many of them open it; fewer nothing.")
@click.option("--class", "classes", multiple=True, help="What they open; what treatment usually needs, unless said.")
@click.option("--insist", is_flag=True, help="Also classes that are restricted or very restricted.")
@click.option("--new-card", is_flag=True, help="Under another pseudonym: the card of before opens nothing more.")
@click.option("--without-inbox", is_flag=True, help="Not what went to your inboxes of level N, of whatever class.")
@payer_option
@_WHO
@network_options
@yes_option
def _set(
    members: tuple[int, ...],
    need: int,
    classes: tuple[str, ...],
    insist: bool,
    new_card: bool,
    without_inbox: bool,
    payer: str | None,
    who: str,
    network: str,
    store: str | None,
    yes: bool,
) -> None:
    """Choose who keeps the shares of your emergency key, how many of them open it, and what it opens.

    Whoever of them work together open it without an emergency as well: choose some that are independent of each other
    and of your clinics. Choosing anew ends what was chosen before.
    """
    from scripts._options import classes_of
    from scripts._patients import patient_of
    from scripts._progress import working
    from theriac.health.emergencies import USUAL
    from theriac.health.scope import Level

    wanted = classes_of(classes) or USUAL
    beyond = [str(each) for each in wanted if each.level is not Level.N]
    if beyond and not insist:
        raise Failure(f"{', '.join(beyond[:5])} is restricted; say --insist if an emergency is to open it too.")
    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        which = ", ".join(map(str, members))
        confirmed(f"Let any {need} of the members {which} open {len(wanted)} classes in an emergency?", yes=yes)
        with working("Publishing the escrow"):
            patient.set_emergency(members, need=need, classes=wanted, inbox=not without_inbox, new_card=new_card)
    click.echo(f"Any {need} of {len(members)} custodians open it. Write a card: patient emergency card -o card.png")


@_emergency.command("off", epilog=example("patient emergency off"))
@payer_option
@_WHO
@network_options
@yes_option
def _off(payer: str | None, who: str, network: str, store: str | None, yes: bool) -> None:
    """Let nobody in any more; your card opens nothing from then on."""
    from scripts._patients import patient_of
    from scripts._progress import working

    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        if patient.vault.emergency is None:
            click.echo("Nothing was prepared for an emergency; nothing was changed.")
            return
        confirmed("Let nobody break the glass any more?", yes=yes)
        with working("Making new keys"):
            patient.end_emergency()
    click.echo("No custodian opens anything that is written from now on. Throw your card away.")


@_emergency.command("show", epilog=example("patient emergency show"))
@_WHO
@network_options
@json_option
def _show(who: str, network: str, store: str | None, as_json: bool) -> None:
    """What you decided, and which custodians no longer have the key that their share is sealed to."""
    from scripts._patients import patient_of
    from theriac.errors import NoProfile
    from theriac.health.messages import member_address

    with patient_of(who, network=network, store=store) as (patient, _):
        emergency = patient.vault.emergency
        rows = []
        for each in emergency.custodians if emergency is not None else ():
            try:
                same = patient.chain.profile(member_address(each.member), patient.store).recipient == each.recipient
            except NoProfile:
                same = False
            rows.append({"member": each.member, "name": each.name, "key": "the same" if same else "changed: set anew"})
        classes = list(emergency.classes) if emergency is not None else []
        need = emergency.need if emergency is not None else 0
    if as_json:
        print_json({"need": need, "custodians": rows, "classes": classes})
        return
    table(
        [tuple(row.values()) for row in rows],
        *("member", "name", "key"),
        empty="Nothing is prepared; 'patient emergency set' chooses custodians.",
    )
    if rows:
        click.echo(f"Any {need} of them open {', '.join(classes)}.")


@_emergency.command("card", epilog=example("patient emergency card -o card.png", "patient emergency card -o card.txt"))
@click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="A .png, a .pdf or a .txt.")
@_WHO
@network_options
def _card(out: str, who: str, network: str, store: str | None) -> None:
    """Write the card to carry: a square code and how it is used.

    It opens nothing by itself, and says nothing of you; whoever finds it can see on the chain that you prepared for an
    emergency, and every emergency of yours.
    """
    from pathlib import Path

    from scripts._patients import patient_of
    from theriac.health.emergencies import Card

    suffix = Path(out).suffix.lower()
    if suffix not in (".png", ".pdf", ".txt"):
        raise Failure(f"{out[:80]!r} is no name of a card; write a .png, a .pdf or a .txt.")
    check_out(out)
    with patient_of(who, network=network, store=store) as (patient, site):
        if patient.vault.emergency is None:
            raise Failure("Nothing is prepared for an emergency; choose custodians first: patient emergency set.", 3)
        card = Card(site.web3.eth.chain_id, patient.vault.emergency.pseudonym)
    write_file(out, card_file(card, suffix))
    click.echo(f"Wrote {out}. Carry it where somebody looks who finds you; it opens nothing by itself.")


def card_file(card: "Card", suffix: str) -> bytes:
    """The card as a file of its kind."""
    from theriac.medicine.symbols import write_paper

    lines = (
        "EMERGENCY CARD",
        "For licensed clinicians: scan the code, or type",
        card.pseudonym,
        'ape run clinic emergency open CARD --reason "..."',
        "The patient is told, and reviews it.",
    )
    if suffix == ".txt":
        return "\n".join([*lines, card.encode(), ""]).encode()
    return write_paper(card.encode(), lines, pdf=suffix == ".pdf")


@_emergency.command("cases", epilog=example("patient emergency cases", "patient emergency cases --json"))
@_WHO
@network_options
@json_option
def _cases(who: str, network: str, store: str | None, as_json: bool) -> None:
    """Who broke the glass, when, why, and what became of it; the latest first."""
    from scripts._options import day
    from scripts._patients import patient_of
    from theriac.errors import NoProfile
    from theriac.health.emergencies import Reason

    rows: list[dict[str, Any]] = []
    with patient_of(who, network=network, store=store) as (patient, _):
        for case in patient.emergencies():
            try:
                name = patient.chain.profile(case.clinician, patient.store).name
            except NoProfile:
                name = ""
            rows.append(
                {
                    "case": case.number,
                    "clinician": case.clinician,
                    "name": name,
                    "member": case.member,
                    "opened": day(case.opened),
                    "ends": day(case.ends),
                    "why": Reason(case.reason).word,
                    "words": patient.words_of(case),
                    "released": [each.member for each in patient.releases_of(case)],
                    "status": case.status.name.lower(),
                }
            )
    if as_json:
        print_json(rows)
        return
    heads = ("case", "name", "member", "opened", "why", "words", "status")
    table([[row[head] for head in heads] for row in rows], *heads, empty="Nobody broke the glass.")


@_emergency.command(
    "review",
    epilog=example("patient emergency review 7 --justified", "patient emergency review 7 --sanction --days 14"),
)
@click.argument("case", type=click.IntRange(1))
@click.option("--justified/--sanction", "justified", default=None, help="What you say of it.")
@click.option("--days", type=click.IntRange(1, 29), default=29, show_default=True, help="How long a sanction bars.")
@payer_option
@_WHO
@network_options
@yes_option
def _review(
    case: int,
    justified: bool | None,
    days: int,
    payer: str | None,
    who: str,
    network: str,
    store: str | None,
    yes: bool,
) -> None:
    """Close a CASE: it was right, or it was not and the clinician breaks no glass for some days."""
    from scripts._patients import patient_of
    from scripts._progress import working
    from theriac.health.messages import JUSTIFIED, SANCTIONED

    if justified is None:
        raise Failure("Say --justified or --sanction.")
    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        until = 0 if justified else patient.chain.time() + days * 24 * 3600
        confirmed(f"Say that case {case} was {'justified' if justified else 'not'}? Nothing takes it back.", yes=yes)
        with working("Reviewing"):
            patient.review(case, verdict=JUSTIFIED if justified else SANCTIONED, barred_until=until)
    click.echo(
        f"Case {case} is closed." if justified else f"Case {case} is closed; the clinician is barred {days} days."
    )

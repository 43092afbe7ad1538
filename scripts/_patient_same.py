"""A patient's answer to the question whether two of her pseudonyms are one person's."""

from typing import Any

import click

from scripts._cli import (
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

_WHO = as_option("patient")


def add_sameness(cli: click.Group) -> None:
    """`same`."""
    cli.add_command(same)


@click.group(epilog=example("patient same show", "patient same answer 3f9a2c"))
def same() -> None:
    """Prove to one reader that two of your pseudonyms are yours; it can prove it to nobody else."""


@same.command(epilog=example("patient same show"))
@_WHO
@network_options
@json_option
def show(who: str, network: str, store: str | None, as_json: bool) -> None:
    """Who asks whether two of your pseudonyms belong together, why, and until when."""
    from scripts._options import day
    from scripts._patients import patient_of
    from theriac.health.sameness import questions

    with patient_of(who, network=network, store=store) as (patient, _):
        rows: list[dict[str, Any]] = [
            {
                "letter": each.letter,
                "reader": each.question.reader,
                "name": _name(patient, each.question.reader),
                "reason": each.question.reason,
                "until": day(each.question.until),
                "pseudonyms": [
                    {"pseudonym": pseudonym, "known_to": _known_to(patient, pseudonym)}
                    for pseudonym in each.question.pseudonyms
                ],
            }
            for each in questions(patient)
        ]
    if as_json:
        print_json(rows)
        return
    table(
        [
            (
                each["letter"][:16],
                f"{each['name']} ({each['reader']})",
                each["until"],
                " and ".join(one["known_to"] for one in each["pseudonyms"]),
                each["reason"],
            )
            for each in rows
        ],
        *("letter", "who asks", "until", "would know that you are one", "reason"),
        empty="Nobody asks.",
    )


def _name(patient: Any, reader: str) -> str:
    from theriac.errors import NoProfile

    try:
        return str(patient.chain.profile(reader, patient.store).name)
    except NoProfile:
        return "somebody without a profile"


def _known_to(patient: Any, pseudonym: str) -> str:
    """For whom a pseudonym is, in her own words."""
    account = patient.vault.accounts[pseudonym]
    names = [writer.name for writer in account.writers]
    names += [each.name for each in patient.vault.sharings if each.pseudonym == pseudonym]
    return " or ".join(dict.fromkeys(names)) or account.counterparty or pseudonym


@same.command(epilog=example("patient same answer 3f9a2c", "patient same answer 3f9a2c -o answer.sealed"))
@click.argument("letter")
@click.option("-o", "--out", default=None, help="Write the answer into this file, to hand it over; else it is sent.")
@payer_option
@_WHO
@network_options
@yes_option
def answer(
    letter: str, out: str | None, payer: str | None, who: str, network: str, store: str | None, yes: bool
) -> None:
    """Answer a question by the beginning of its LETTER. Whoever does not answer says nothing, not even no."""
    from scripts._patients import patient_of
    from scripts._progress import working
    from theriac.health.sameness import answered, questions

    if out is not None:
        check_out(out)
    with patient_of(who, network=network, store=store, payer=payer) as (patient, _):
        found = [each for each in questions(patient) if letter and each.letter.startswith(letter.lower())]
        if len(found) != 1:
            raise Failure(
                f"No question, or more than one, begins with {letter[:64]!r}; 'patient same show' lists them."
            )
        question = found[0].question
        reader = f"{_name(patient, question.reader)} ({question.reader})"
        both = " and by ".join(_known_to(patient, each) for each in question.pseudonyms)
        why = question.reason or "gives no reason"
        confirmed(f"Prove to {reader} that who is known by {both} is one person? It says why: {why}", yes=yes)
        sealed = answered(patient, found[0])
        if out is not None:
            write_file(out, sealed)
        else:
            with working("Sending"):
                patient.send_once(question.reader, sealed)
    told = f"Written to {out}; hand it over" if out is not None else "Sent, from an account that is nobody's"
    click.echo(f"{told}. {_capital(reader)} can prove it to nobody.")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

"""A patient's commands about standards: a grant as a FHIR Consent, as SMART scopes, as a page; a summary of records.

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
    payer_option,
    print_json,
    printable,
    write_file,
    yes_option,
)

_WHO = as_option("patient")
_LANGUAGE = click.option("--language", type=click.Choice(["en", "zh"]), default="en", show_default=True)
_OUT = click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The file to write.")
_ONLY = click.option("--purpose", default=None, help="Only what is granted for this purpose, such as TREAT.")


class _Consents(Actor):
    """`consent FILE` is for a claim, as it always was; the other commands are about Consents of FHIR."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["claim", *args]
        return super().parse_args(ctx, args)


def add_standards(cli: Actor) -> None:
    """Adds the commands; `consent`, which is there for claims, becomes a group that goes on doing that."""
    group = _Consents(
        "consent",
        help="Consent to a claim, by its file; or a grant as a Consent of FHIR (export, import, check, show).",
        epilog=example("patient consent export member:1 -o consent.json", "patient consent visit.request -o a.consent"),
    )
    claim = cli.commands["consent"]
    claim.epilog = example("patient consent claim visit.request -o a.consent")
    group.add_command(claim, "claim")
    for command in (_export, _import, _check, _show):
        group.add_command(command)
    for command in (group, _scopes, _summary):
        cli.add_command(command)


# -- consents --------------------------------------------------------------------------------------------------------


@click.command("export", epilog=example("patient consent export member:1 -o consent.json"))
@click.argument("reader")
@click.option("--purpose", default="TREAT", show_default=True, help="A code of HL7 v3 PurposeOfUse.")
@_OUT
@_WHO
@network_options
def _export(reader: str, purpose: str, out: str, who: str, network: str, store: str | None) -> None:
    """Write a grant as a FHIR R4 Consent of IHE PCF. It is a statement; who may read is decided by chain and keys.

    Whoever has the file knows that the pseudonym in it is you.
    """
    import json

    from scripts._options import reader_of
    from scripts._patients import patient_of
    from scripts._standards import granted_to, now_of, shown
    from theriac.health.consents import consent_of
    from theriac.health.scope import Purpose

    check_out(out)
    why = Purpose.parse(purpose)
    with patient_of(who, network=network, store=store) as (patient, site):
        [sharing] = granted_to(patient, reader_of(reader, play=site.play), why.code)
        found, now = shown(patient, sharing), now_of(patient.chain)
        era = patient.chain.authority(sharing.pseudonym).era
        consent = consent_of(found.terms, found.stated, name=found.name, now=now, era=era)
    write_file(out, (json.dumps(consent, indent=2, ensure_ascii=False) + "\n").encode())
    click.echo(f"Written to {out}, {consent['status']}; 'patient consent check {out}' holds it against the chain.")


@click.command(
    "import",
    epilog=example(
        "patient consent import consent.json", "patient consent import c.json --recipient Organization/north=member:1"
    ),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--recipient", "recipients", multiple=True, help="Whom a reference means, such as Organization/north=member:1."
)
@click.option("--me", "patients", multiple=True, help="A reference, or system|value, by which the Consent means you.")
@click.option("--policy", "policies", multiple=True, help="The URI of a policy that you know and agree with.")
@click.option("--purpose", default="TREAT", show_default=True, help="Which one, where the Consent is for any.")
@click.option("--until", default=None, help="Ends on this day at 00:00 UTC, or at a full hour, if not earlier.")
@click.option("--days", type=click.IntRange(1, 3650), default=None, help="Ends so many days ahead, if not earlier; 30.")
@payer_option
@_WHO
@network_options
@yes_option
def _import(
    file: str,
    recipients: tuple[str, ...],
    patients: tuple[str, ...],
    policies: tuple[str, ...],
    purpose: str,
    until: str | None,
    days: int | None,
    payer: str | None,
    who: str,
    network: str,
    store: str | None,
    yes: bool,
) -> None:
    """Grant what a FHIR R4 Consent of IHE PCF permits, where a grant can say it, and never more."""
    from scripts._options import end_of, reader_of
    from scripts._patients import patient_of
    from scripts._progress import working
    from scripts._standards import ledger_of, now_of, pairs_of, read_resource
    from theriac.health.provisions import Circumstances, read
    from theriac.health.scope import Purpose

    consent, pairs, why = read_resource(file), pairs_of(recipients), Purpose.parse(purpose)
    with patient_of(who, network=network, store=store, payer=payer) as (patient, site):
        circumstances = Circumstances(
            ledger=ledger_of(patient.chain),
            pseudonyms=tuple(patient.vault.accounts),
            now=now_of(patient.chain),
            until=end_of(until, days, now=patient.chain.time()),
            recipients={reference: reader_of(reader, play=site.play) for reference, reader in pairs},
            patients=patients,
            policies=policies,
            purpose=why,
        )
        reading = read(consent, circumstances)
        names = {each.reader: patient.chain.profile(each.reader, patient.store).name for each in reading.terms}
        for each in reading.terms:
            click.echo(_sentence(patient, each, names[each.reader]), err=True)
        for sentence in reading.told:
            click.echo(f"Not all of it: {printable(sentence)}.", err=True)
        confirmed(f"Grant this ({reading.option.value} Consent, {len(reading.terms)} grants)?", yes=yes)
        for each in reading.terms:
            with working("Publishing and granting"):
                patient.grant(
                    each.reader,
                    classes=each.classes,
                    purpose=each.purpose,
                    end=each.end,
                    start=each.start,
                    since=each.since,
                )
            click.echo(f"{printable(names[each.reader])} may read until {each.end:%Y-%m-%d %H:%M} UTC.")


def _sentence(patient: Any, terms: Any, name: str) -> str:
    from scripts._options import shown_reader

    which = ", ".join(map(str, terms.classes))
    since = "all of history" if terms.since is None else f"what was recorded since {terms.since:%Y-%m-%d %H:%M} UTC"
    start = "now" if terms.start is None else f"{terms.start:%Y-%m-%d %H:%M} UTC"
    place = (terms.reader.lower(), terms.purpose.code)
    replaced = any((each.reader.lower(), each.purpose) == place and each.granted for each in patient.vault.sharings)
    return (
        f"{printable(name)} ({shown_reader(terms.reader)}) may read {which}; {since}; for {terms.purpose.code}; "
        f"from {start} until {terms.end:%Y-%m-%d %H:%M} UTC"
        + ("; this takes the place of what is granted now." if replaced else ".")
    )


@click.command("check", epilog=example("patient consent check consent.json"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@network_options
def _check(file: str, network: str, store: str | None) -> None:
    """Hold an exported Consent against the chain. It needs no keys: anyone who was given the file can do it."""
    import tempfile
    from pathlib import Path

    from scripts._site import connected
    from scripts._standards import ledger_of, now_of, parent_holds, stated_of
    from scripts._standards import read_resource as resource
    from theriac.errors import NotStated
    from theriac.health.consents import check, claimed_by

    consent = resource(file)
    claimed = claimed_by(consent)
    with connected(network, store) as site, tempfile.TemporaryDirectory() as folder:
        chain = site.chain(Path(folder))
        if (claimed.chain_id, claimed.contract) != (ledger_of(chain).chain_id, ledger_of(chain).grants):
            raise NotStated(fault="it is about another chain or another contract")
        stated = stated_of(chain, pseudonym=claimed.pseudonym, reader=claimed.reader, purpose=claimed.purpose)
        era, now = chain.authority(claimed.pseudonym).era, int(now_of(chain).timestamp())
        terms = check(consent, stated, era=era, now=now)
        if not parent_holds(chain, stated):
            raise NotStated(fault="what the grant stood under has ended")
    click.echo(f"The chain has this grant until {terms.end:%Y-%m-%d %H:%M} UTC.")


@click.command(
    "show", epilog=example("patient consent show", "patient consent show member:1 -o page.html --language zh")
)
@click.argument("reader", required=False)
@_ONLY
@click.option(
    "-o", "--out", default=None, type=click.Path(dir_okay=False), help="A page to write; else text is printed."
)
@_LANGUAGE
@_WHO
@network_options
def _show(
    reader: str | None, purpose: str | None, out: str | None, language: str, who: str, network: str, store: str | None
) -> None:
    """What is granted, in words, in English or Chinese: as text, or as a page that loads nothing."""
    from scripts._options import reader_of
    from scripts._patients import patient_of
    from scripts._standards import granted_to, now_of, shown
    from theriac.health.readable import grants_page, grants_text
    from theriac.health.scope import Purpose

    if out is not None:
        check_out(out)
    why = Purpose.parse(purpose).code if purpose else None
    with patient_of(who, network=network, store=store) as (patient, site):
        to = reader_of(reader, play=site.play) if reader else None
        found = [shown(patient, each) for each in granted_to(patient, to, why)]
        now = now_of(patient.chain)
    if out is None:
        click.echo(grants_text(found, language=language), nl=False)
        return
    write_file(out, grants_page(found, language=language, now=now).encode())
    click.echo(f"Written to {out}.")


# -- scopes ----------------------------------------------------------------------------------------------------------


@click.command("scopes", epilog=example("patient scopes member:1", "patient scopes --class laboratory/N"))
@click.argument("reader", required=False)
@click.option("--purpose", default="TREAT", show_default=True, help="A code of HL7 v3 PurposeOfUse.")
@click.option("--class", "classes", multiple=True, help="Classes instead of a grant, such as laboratory/N.")
@click.option("--labels", is_flag=True, help="For a server that labels records with their key class; exact.")
@_WHO
@network_options
@json_option
def _scopes(
    reader: str | None,
    purpose: str,
    classes: tuple[str, ...],
    labels: bool,
    who: str,
    network: str,
    store: str | None,
    as_json: bool,
) -> None:
    """A grant as SMART on FHIR v2 scopes: its classes or fewer. They have no end and no history; the grant has."""
    from scripts._options import classes_of, reader_of
    from scripts._patients import patient_of
    from scripts._standards import granted_to, terms_of
    from theriac.health.scope import Purpose
    from theriac.health.smart import scopes_of

    wanted, why = classes_of(classes), Purpose.parse(purpose)
    if bool(reader) == bool(wanted):
        raise Failure("Name a reader, or classes with --class, and not both.")
    if reader:
        with patient_of(who, network=network, store=store) as (patient, site):
            [sharing] = granted_to(patient, reader_of(reader, play=site.play), why.code)
            wanted = terms_of(sharing).classes
    found = scopes_of(wanted, labels=labels)
    if as_json:
        print_json({"scope": " ".join(found.scopes), "told": list(found.told)})
        return
    for scope in found.scopes:
        click.echo(scope)
    for sentence in found.told:
        click.echo(f"Narrower, or to know: {sentence}.", err=True)


# -- summary ---------------------------------------------------------------------------------------------------------


@click.command(
    "summary",
    epilog=example("patient summary -o ips.json --html summary.html", "patient summary -o ips.json --class all"),
)
@_OUT
@click.option(
    "--class", "classes", multiple=True, help="Only these classes, or `all`; every class of level N unless said."
)
@click.option("--html", "page", default=None, type=click.Path(dir_okay=False), help="Also write a page to read.")
@_LANGUAGE
@click.option("--without-digests", is_flag=True, help="Name sources by member and day, not by record and second.")
@_WHO
@network_options
def _summary(
    out: str,
    classes: tuple[str, ...],
    page: str | None,
    language: str,
    without_digests: bool,
    who: str,
    network: str,
    store: str | None,
) -> None:
    """Your records as an International Patient Summary (HL7 IPS), across clinics, each line with its source.

    It is not sealed. By the records' digests whoever has it can tell which pseudonyms are yours; --without-digests
    leaves them out.
    """
    from scripts._options import classes_of
    from scripts._patients import patient_of
    from scripts._standards import ledger_of, now_of, sources_of
    from theriac.health.ips import summary
    from theriac.health.readable import summary_page
    from theriac.health.scope import ALL_CLASSES, Level

    for target in filter(None, (out, page)):
        check_out(target)
    wanted = classes_of(classes) or tuple(each for each in ALL_CLASSES if each.level is Level.N)
    with patient_of(who, network=network, store=store) as (patient, _):
        sources, told = sources_of(patient, classes=wanted)
        made = summary(
            sources,
            classes=wanted,
            ledger=ledger_of(patient.chain),
            now=now_of(patient.chain),
            digests=not without_digests,
        )
    write_file(out, made.encode())
    if page:
        write_file(page, summary_page(made, language=language, digests=not without_digests).encode())
    for sentence in (*told, *made.told):
        click.echo(printable(sentence), err=True)
    lines = sum(len(each.lines) for each in made.sections)
    click.echo(f"Written to {out}: {lines} lines from {len(sources)} records; it is not sealed there.")

"""What a clinic answers and asks its patients beside their records: files to give up, pseudonyms that may be one."""

from typing import Any

import click

from scripts._cli import (
    Failure,
    as_option,
    confirmed,
    example,
    json_option,
    network_options,
    plural,
    print_json,
    table,
    yes_option,
)


def add_patients(cli: click.Group, who: str) -> None:
    """`unpin` and `same`."""
    folder = as_option(who)

    @cli.command(epilog=example("clinic unpin", "clinic unpin 3f9a2c", 'clinic unpin 3f9a2c --keep --reason "by law"'))
    @click.argument("letter", required=False)
    @click.option("--keep", is_flag=True, help="Give up nothing, and say so.")
    @click.option("--reason", default="", help="What the patient reads. It is sealed to her.")
    @folder
    @network_options
    @yes_option
    @json_option
    def unpin(
        letter: str | None,
        keep: bool,
        reason: str,
        who: str,
        network: str,
        store: str | None,
        yes: bool,
        as_json: bool,
    ) -> None:
        """List what patients who erased records ask to give up; with a LETTER, do so and sign a receipt for it.

        Only files that are surely that patient's are unpinned here. Copies elsewhere, in your own books and backups,
        are yours to see to.
        """
        from scripts._member import desk_of
        from scripts._options import day
        from theriac.health.unpinning import Unpinner

        if keep and not reason:
            raise Failure("Say why it is kept with --reason; the patient reads it.")
        with desk_of(who, network=network, store=store) as desk:
            writer = desk.writer()
            unpinner = Unpinner(writer, folder=desk.person.folder)
            if letter is None:
                rows: list[dict[str, Any]] = [
                    {
                        "letter": each.letter,
                        "patient": writer.patient(each.pseudonym).name,
                        "asked": day(each.time),
                        "files": len(each.digests),
                        "hers": len(unpinner.hers(each)),
                    }
                    for each in unpinner.requests()
                ]
                if as_json:
                    print_json(rows)
                    return
                table(
                    [
                        (each["letter"][:16], each["patient"], each["asked"], each["files"], each["hers"])
                        for each in rows
                    ],
                    *("letter", "patient", "asked", "files", "surely hers"),
                    empty="Nobody asks.",
                )
                return
            request = unpinner.request(letter)
            name = writer.patient(request.pseudonym).name
            what = (
                f"Keep {plural(len(request.digests), 'file')}"
                if keep
                else (f"Give up {plural(len(unpinner.hers(request)), 'file')}")
            )
            confirmed(f"{what} of {name}, and sign that to her?", yes=yes)
            receipt = unpinner.unpin(request, keep=keep, reason=reason)
        if as_json:
            print_json(receipt.values())
            return
        click.echo(
            f"Unpinned {plural(len(receipt.unpinned), 'file')}, kept {len(receipt.kept)}; {name} has it in writing."
        )

    @cli.group(epilog=example("clinic same ask ann 0x7099...79C8 --reason 'One file for both'", "clinic same check"))
    def same() -> None:
        """Ask a patient to prove that two pseudonyms are hers. You are convinced, and can convince nobody else."""

    @same.command(epilog=example('clinic same ask ann 0x7099...79C8 --reason "One file for both"'))
    @click.argument("patient")
    @click.argument("other")
    @click.option("--reason", required=True, help="What the patient reads. It is sealed to her.")
    @click.option(
        "--days", type=click.IntRange(1, 30), default=7, show_default=True, help="How long it can be answered."
    )
    @folder
    @network_options
    def ask(patient: str, other: str, reason: str, days: int, who: str, network: str, store: str | None) -> None:
        """Ask whether PATIENT and OTHER are one person: names of this desk, or pseudonyms that `patients` lists.

        One letter goes to the first; nothing on the chain names the second.
        """
        from scripts._member import desk_of
        from theriac.health.sameness import LONGEST

        with desk_of(who, network=network, store=store) as desk:
            first, second = (_pseudonym(desk, each) for each in (patient, other))
            if first == second:
                raise Failure("These two are the same pseudonym already.")
            until = desk.chain.time() + min(days * 86400, LONGEST)
            _, sealed = _asking(desk).ask(first, second, reason=reason, until=until)
            _post(desk, first, sealed)
        click.echo(f"Asked; she has {plural(days, 'day')}. Look for the answer with 'clinic same check'.")

    @same.command(epilog=example("clinic same check", "clinic same check answer.sealed"))
    @click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False))
    @folder
    @network_options
    @json_option
    def check(file: str | None, who: str, network: str, store: str | None, as_json: bool) -> None:
        """Look for answers among the letters here, or in a FILE that was handed over; each counts once."""
        from pathlib import Path

        from scripts._member import desk_of
        from theriac.errors import NotTheSame

        with desk_of(who, network=network, store=store) as desk:
            asking = _asking(desk)
            if file is not None:
                found = [asking.check(Path(file).read_bytes())]
            else:
                found = []
                for sealed in asking.answers():
                    try:
                        found.append(asking.check(sealed))
                    except NotTheSame:
                        continue
            rows = [{"first": each.first, "second": each.second, "reason": each.reason} for each in found]
            waiting = len(asking.open_questions())
        if as_json:
            print_json({"proven": rows, "open": waiting})
            return
        for each in rows:
            click.echo(f"{each['first']} and {each['second']} are one person's.")
        click.echo(f"{plural(waiting, 'question')} not answered." if waiting or not rows else "Nothing else was asked.")


def _pseudonym(desk: Any, name: str) -> str:
    """The pseudonym of somebody registered here, or of somebody who granted to this desk."""
    from theriac.errors import NotIntroduced

    granted = {each.pseudonym for each in desk.reader().grants()}
    for pseudonym in granted:
        if pseudonym.lower() == name.lower():
            return str(pseudonym)
    if not desk.member:
        raise NotIntroduced(patient=name)
    return str(desk.writer().patient(name).pseudonym)


def _asking(desk: Any) -> Any:
    from theriac.health.sameness import Asking

    return Asking(
        account=desk.address,
        identity=desk.identity,
        chain=desk.chain,
        store=desk.site.store,
        folder=desk.person.folder,
    )


def _post(desk: Any, pseudonym: str, sealed: bytes) -> None:
    import io

    digest = desk.site.store.put(io.BytesIO(sealed)).digest
    functions = desk.site.contracts.Letters.functions
    desk.site.sender(desk.alias).send(functions.send(desk.address, pseudonym, digest))

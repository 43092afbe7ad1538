"""A clinician's commands in an emergency, an auditor's review and the board's pardon.

Imports nothing but click and `_cli`, as the scripts that use it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from scripts._cli import (
    Actor,
    Failure,
    account_option,
    as_option,
    confirmed,
    example,
    json_option,
    network_options,
    print_json,
    table,
    write_out,
    yes_option,
)

if TYPE_CHECKING:
    from scripts._member import Desk
    from theriac.health.emergencies import Card, Collected, Responder

_WHO = as_option("clinic")
_CASE = click.argument("case", type=click.IntRange(1))


def add_clinic_emergency(cli: Actor) -> None:
    """Adds `emergency` to the clinic's commands."""
    cli.add_command(_emergency)


def add_review(cli: Actor, who: str) -> None:
    """Adds `review-emergency` to an auditor's commands."""
    cli.add_command(_review_by_auditor(who))


@contextmanager
def _responder(who: str, *, network: str, store: str | None) -> "Iterator[tuple[Responder, Desk]]":
    from scripts._member import desk_of
    from theriac.health.emergencies import Responder

    with desk_of(who, network=network, store=store) as desk:
        responder = Responder(
            account=desk.address,
            identity=desk.identity,
            recipient=desk.identity.recipient,
            book=desk.book(),
            chain=desk.chain,
            store=desk.site.store,
            folder=desk.person.folder / "emergencies",
        )
        yield responder, desk


@click.group(
    "emergency",
    cls=Actor,
    epilog=example(
        'clinic emergency open card.png --reason "Found unconscious"',
        "clinic emergency wait 7",
        "clinic emergency list 7",
        "clinic emergency read 7 3f9a2c -o allergies.json",
    ),
)
def _emergency() -> None:
    """Break the glass for a patient who cannot be asked. She is told, and what you state is reviewed."""


@_emergency.command(
    "open",
    epilog=example(
        'clinic emergency open card.png --reason "Found unconscious"',
        'clinic emergency open 0x5B38...C4 --why cannot-wait --reason "Anaphylaxis"',
    ),
)
@click.argument("card")
@click.option("--reason", required=True, help="What happened, in words. It is sealed to the patient.")
@click.option(
    "--why",
    default="cannot-be-asked",
    show_default=True,
    help="Why she is not asked, public: cannot-be-asked, cannot-wait or others-in-danger.",
)
@_WHO
@network_options
@yes_option
@json_option
def _open(
    card: str, reason: str, why: str, who: str, network: str, store: str | None, yes: bool, as_json: bool
) -> None:
    """State an emergency by the patient's CARD: a picture of it, its text, or the pseudonym that stands on it.

    You can state the next one when this one was reviewed, or after 14 days.
    """
    from theriac.health.emergencies import Reason

    if not reason.strip():
        raise Failure("Say in a few words what happened.")
    code = Reason.parse(why)
    with _responder(who, network=network, store=store) as (responder, desk):
        read = card_of(card, chain_id=desk.site.web3.eth.chain_id)
        confirmed(f"State an emergency about {read.pseudonym}? She is told, and it is reviewed.", yes=yes)
        case = responder.open(read.pseudonym, reason=code, words=reason.strip(), sender=desk.site.sender(desk.alias))
    if as_json:
        print_json({"case": case.number, "pseudonym": case.pseudonym, "ends": case.ends})
        return
    click.echo(f"Case {case.number} is open for 24 hours. Wait for its custodians: clinic emergency wait {case.number}")


def card_of(text: str, *, chain_id: int) -> "Card":
    """A card by a picture of it, a file with its text, or the text itself."""
    from pathlib import Path

    from theriac.errors import BadCard
    from theriac.health.emergencies import Card
    from theriac.medicine.symbols import read_symbols

    path = Path(text)
    try:
        is_file = path.is_file()
    except OSError:
        is_file = False
    if not is_file:
        return Card.parse(text, chain_id=chain_id)
    if path.suffix.lower() == ".txt":
        found = [line for line in path.read_text(errors="replace").split() if line.startswith("THERIAC-EMERGENCY")]
    else:
        found = [each.removeprefix("]Q1") for each in read_symbols(path)]
    if not found:
        raise BadCard(fault="there is no code on it")
    return Card.parse(found[0], chain_id=chain_id)


@_emergency.command("cases", epilog=example("clinic emergency cases"))
@_WHO
@network_options
@json_option
def _cases(who: str, network: str, store: str | None, as_json: bool) -> None:
    """Your emergencies, the latest first."""
    from scripts._options import day

    with _responder(who, network=network, store=store) as (responder, _):
        rows: list[dict[str, Any]] = [
            {
                "case": each.number,
                "pseudonym": each.pseudonym,
                "opened": day(each.opened),
                "ends": day(each.ends),
                "releases": each.releases,
                "status": each.status.name.lower(),
            }
            for each in responder.cases()
        ]
    if as_json:
        print_json(rows)
        return
    heads = ("case", "pseudonym", "opened", "ends", "releases", "status")
    table([[row[head] for head in heads] for row in rows], *heads, empty="You broke no glass.")


@_emergency.command("collect", epilog=example("clinic emergency collect 7"))
@_CASE
@_WHO
@network_options
@json_option
def _collect(case: int, who: str, network: str, store: str | None, as_json: bool) -> None:
    """Take what the custodians of a CASE have released so far; 4 is the exit code while it is not enough."""
    with _responder(who, network=network, store=store) as (responder, _):
        found = responder.collect(case)
    _tell(case, found, as_json=as_json)


@_emergency.command("wait", epilog=example("clinic emergency wait 7 --minutes 10"))
@_CASE
@click.option("--minutes", type=click.FloatRange(0, 1440), default=30, show_default=True, help="How long at most.")
@_WHO
@network_options
@json_option
def _wait(case: int, minutes: float, who: str, network: str, store: str | None, as_json: bool) -> None:
    """Wait until enough custodians of a CASE have released."""
    import time

    until = time.monotonic() + minutes * 60
    with _responder(who, network=network, store=store) as (responder, _):
        found = responder.collect(case)
        while not found.opened and time.monotonic() < until:
            time.sleep(1)
            found = responder.collect(case)
    _tell(case, found, as_json=as_json)


def _tell(case: int, found: "Collected", *, as_json: bool) -> None:
    from theriac.errors import NotYetOpen

    for wrong in found.wrong:
        click.echo(f"Member {wrong.member} released a wrong share: {wrong.fault}.", err=True)
    for member in found.waiting:
        click.echo(f"Member {member} released a share that the store does not have yet.", err=True)
    if as_json:
        print_json(
            {
                "opened": found.opened,
                "good": list(found.good),
                "need": found.need,
                "wrong": {each.member: each.fault for each in found.wrong},
                "waiting": list(found.waiting),
            }
        )
    elif found.opened:
        click.echo(f"It is open: clinic emergency list {case}")
    if not found.opened:
        raise NotYetOpen(number=case, good=len(found.good), needed=found.need or 0)


@_emergency.command("list", epilog=example("clinic emergency list 7", "clinic emergency list 7 --new"))
@_CASE
@click.option("--new", is_flag=True, help="Also what stands in no index yet, and may be of other classes.")
@_WHO
@network_options
@json_option
def _list(case: int, new: bool, who: str, network: str, store: str | None, as_json: bool) -> None:
    """List the records that the CASE opens."""
    from theriac.health.emergencies import ETREAT

    with _responder(who, network=network, store=store) as (responder, desk):
        pseudonym, reader = responder.check(case).pseudonym, responder.reader(case)
        listed = reader.listed(pseudonym, purpose=ETREAT)
        if new:
            listed += reader.unfiled(pseudonym)
        rows: list[dict[str, Any]] = [
            {
                "record": each.digest,
                "date": str(each.summary.get("date", ""))[:10] or each.time.date().isoformat(),
                "class": each.cls,
                "title": each.summary.get("title", ""),
                "place": desk.place_of(each),
            }
            for each in listed
        ]
    if as_json:
        print_json(rows)
        return
    table(
        [(row["record"][:16], row["date"], row["class"] or "(not filed)", row["title"], row["place"]) for row in rows],
        *("record", "date", "class", "title", "place"),
        empty="Nothing can be read.",
    )


@_emergency.command("read", epilog=example("clinic emergency read 7 3f9a2c -o allergies.json"))
@_CASE
@click.argument("record")
@click.option("-o", "--out", required=True, help="The file to write, or - for standard output.")
@_WHO
@network_options
def _read(case: int, record: str, out: str, who: str, network: str, store: str | None) -> None:
    """Open a record of the CASE by the beginning of its name."""
    from theriac.errors import UnknownRecord
    from theriac.health.emergencies import ETREAT

    with _responder(who, network=network, store=store) as (responder, _):
        pseudonym, reader = responder.check(case).pseudonym, responder.reader(case)
        known = [*reader.listed(pseudonym, purpose=ETREAT), *reader.unfiled(pseudonym)]
        named = {each.digest for each in known if each.digest.startswith(record.lower())}
        if len(named) != 1 and len(record) != 64:
            raise UnknownRecord(digest=record)
        opened = reader.open(pseudonym, named.pop() if len(named) == 1 else record.lower(), purpose=ETREAT)
        write_out(opened, out)
    click.echo(f"{opened.manifest.title or opened.manifest.type}, {opened.manifest.size:,} bytes.", err=True)


@_emergency.command("withdraw", epilog=example("clinic emergency withdraw 7"))
@_CASE
@_WHO
@network_options
def _withdraw(case: int, who: str, network: str, store: str | None) -> None:
    """Take a CASE back, as long as no share was released for it."""
    with _responder(who, network=network, store=store) as (responder, desk):
        responder.withdraw(case, sender=desk.site.sender(desk.alias))
    click.echo(f"Case {case} is taken back.")


def _review_by_auditor(actor: str) -> click.Command:
    @click.command(
        "review-emergency",
        epilog=example(f"{actor} review-emergency 7 --justified", f"{actor} review-emergency 7 --sanction --days 90"),
    )
    @_CASE
    @click.option("--justified/--sanction", "justified", default=None, help="What is said of it.")
    @click.option(
        "--days", type=click.IntRange(1, 364), default=90, show_default=True, help="How long a sanction bars."
    )
    @as_option(actor)
    @account_option("Who reviews")
    @network_options
    @yes_option
    def review(
        case: int,
        justified: bool | None,
        days: int,
        who: str,
        account: str | None,
        network: str,
        store: str | None,
        yes: bool,
    ) -> None:
        """Close an emergency that the patient has not reviewed in three days; not one of your own member's."""
        from scripts._member import desk_of
        from theriac.health.messages import JUSTIFIED, SANCTIONED

        if justified is None:
            raise Failure("Say --justified or --sanction.")
        with desk_of(who, network=network, store=store, account=account) as desk:
            until = 0 if justified else desk.chain.time() + days * 24 * 3600
            confirmed(f"Close case {case}? Nothing takes it back.", yes=yes)
            verdict = JUSTIFIED if justified else SANCTIONED
            functions = desk.site.contracts.Emergencies.functions
            desk.site.sender(desk.alias).send(functions.review(case, verdict, until))
        click.echo(f"Case {case} is closed" + ("." if justified else f"; its clinician is barred for {days} days."))

    return review

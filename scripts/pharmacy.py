"""`ape run pharmacy`: scans packs, takes goods over, dispenses each pack once, gives goods back."""

from typing import TYPE_CHECKING, Any

import click

from scripts._beginning import add_beginnings
from scripts._claims import add_claims, add_goods
from scripts._cli import (
    Actor,
    Failure,
    account_option,
    as_option,
    cleaned,
    confirmed,
    example,
    json_option,
    network_options,
    plural,
    print_json,
    printable,
    table,
    yes_option,
)
from scripts._epcis import add_epcis
from scripts._handing import GOODS, add_blocking, add_list, add_receiving, days_option
from scripts._logging import add_log
from scripts._tracing import add_disclose, add_trace

if TYPE_CHECKING:
    from scripts._dispensing import Judged
    from theriac.medicine.scanner import Verdict


@click.group(
    cls=Actor,
    epilog=example(
        'pharmacy setup --account TEST::4 --name "Market Pharmacy"',
        "pharmacy receive",
        "pharmacy scan --dispense",
        "pharmacy settle",
    ),
)
def cli() -> None:
    """Scan packs, take goods over, dispense each pack once, give goods back."""


_WHO = as_option("pharmacy")
_ACCOUNT = account_option("Who dispenses")
_LINE = click.option(
    "--line", "numbers", type=click.IntRange(1, 32), multiple=True, help="Which line; all that matter unless said."
)
_UNITS = click.option(
    "--units", type=click.IntRange(1, 65535), default=1, show_default=True, help="How many are given."
)
_PLACE = click.option(
    "--place",
    default=None,
    help="Where this scanner stands, a GLN or a text. Makers are then asked about packs that are unknown here, and "
    "signed scans are kept, so that clones are found.",
)

add_beginnings(cli, "pharmacy", name="Market Pharmacy", roles="pharmacist")


# -- scanning --------------------------------------------------------------------------------------------------------


@cli.command(
    epilog=example(
        "pharmacy scan",
        "pharmacy scan photo.jpg label.png",
        "pharmacy scan --watch /srv/scans --json",
        "pharmacy scan --dispense",
    )
)
@click.argument("pictures", nargs=-1, type=click.Path(dir_okay=False))
@click.option(
    "--watch",
    type=click.Path(exists=True, file_okay=False),
    default=None,
    help="A folder that fills with pictures: each is read once, as soon as it is whole.",
)
@click.option(
    "--idle", type=click.FloatRange(min=0), default=None, help="With --watch: end after so many seconds without a file."
)
@click.option("--dispense", "dispenses", is_flag=True, help="Dispense each genuine pack as it is scanned.")
@click.option("--settle", "settles", is_flag=True, help="Send dispenses that wait whenever the chain is there.")
@_PLACE
@_WHO
@_ACCOUNT
@network_options
@json_option
def scan(
    pictures: tuple[str, ...],
    watch: str | None,
    idle: float | None,
    dispenses: bool,
    settles: bool,
    place: str | None,
    who: str,
    account: str | None,
    network: str,
    store: str | None,
    as_json: bool,
) -> None:
    """Say of each pack whether it may be dispensed: one line a code, from a scanner, pictures, or a folder.

    Without PICTURES and --watch, codes come from standard input, one a line, as a keyboard-wedge scanner types them;
    Ctrl-D or Ctrl-C ends it. --json prints one JSON object a line: a verdict with a `cause`, or, with --dispense or
    --settle, a dispense that the chain took or refused, with a `standing`.

    Verdicts are made from this pharmacy's own files, which follow the chain in the background; while it is out of
    reach that is said once, and scans go on.

    Exit code, the worst of all scans: 0 each pack is genuine and may be dispensed; 2 a code could not be read, or the
    scanner is set wrong; 3 a pack must not be dispensed, or the chain refused a dispense.
    """
    from scripts._dispensing import Counterwork, until_stopped
    from scripts._following import Follower, post_of
    from scripts._scanning import Saying, from_folder, from_scanner, from_words

    if watch is not None and pictures:
        raise Failure("Name pictures or a folder with --watch, not both.")
    if idle is not None and watch is None:
        raise Failure("--idle is for --watch; standard input ends by itself.")
    if place is not None:
        _check_place(place)
    saying = Saying(as_json)
    with post_of(who, network=network, store=store, account=account) as goods:
        follower = Follower(goods, saying, settles=dispenses or settles, quiet=dispenses and not settles)
        work = Counterwork(goods, saying, follower, dispenses=dispenses, place=place)
        from pathlib import Path

        with until_stopped():
            try:
                follower.begin()
                if watch is not None:
                    reads = from_folder(Path(watch), idle=idle)
                elif pictures:
                    reads = from_words(pictures)
                else:
                    reads = from_scanner(click.get_binary_stream("stdin"))
                for read in reads:
                    work.take(read)
            finally:
                follower.end()
        work.close()
    raise click.exceptions.Exit(saying.worst)


def _check_place(place: str) -> None:
    from theriac.errors import BadScan
    from theriac.medicine.scans import LONGEST_PLACE, place_of

    try:
        place_of(place)
    except BadScan:
        raise Failure(f"--place is a GLN or a text of 1 to {LONGEST_PLACE} printable characters.") from None


# -- dispensing ------------------------------------------------------------------------------------------------------


@cli.command(
    epilog=example(
        "pharmacy dispense '(01)04150123456782(21)SN00000007'",
        "pharmacy dispense photo.jpg",
        "pharmacy dispense --many -",
        "pharmacy dispense photo.jpg --prescription paper.jpg --line 1",
        "pharmacy dispense photo.jpg --prescription paper.jpg --claim pack.request --consent pack.consent",
    )
)
@click.argument("codes", nargs=-1, required=True)
@click.option(
    "--many",
    is_flag=True,
    help="Many packs of a case in one transaction, without a proof of each; only while the chain is there.",
)
@click.option("--prescription", "paper", default=None, help="The code, a picture of it, or - : a line of it is filled.")
@_LINE
@click.option(
    "--units", type=click.IntRange(1, 65535), default=None, help="How many units these packs are; one each unless said."
)
@click.option(
    "--claim",
    "request",
    type=click.Path(exists=True, dir_okay=False),
    default=None,
    help="What 'claim' wrote: dispensed, filled, decided and paid in one transaction.",
)
@click.option(
    "--consent", type=click.Path(exists=True, dir_okay=False), default=None, help="The patient's consent to that claim."
)
@click.option("--least", default="0", help="Below this amount nothing is done, unless the claim pends.")
@_WHO
@_ACCOUNT
@network_options
@json_option
def dispense(
    codes: tuple[str, ...],
    many: bool,
    paper: str | None,
    numbers: tuple[int, ...],
    units: int | None,
    request: str | None,
    consent: str | None,
    least: str,
    who: str,
    account: str | None,
    network: str,
    store: str | None,
    as_json: bool,
) -> None:
    """Dispense packs, by CODES, pictures of them, or - for codes on standard input.

    All of them or none: each must be genuine. A dispense is written down, signed, before it is sent; while the chain is
    out of reach it waits, and 'settle' sends it. Exit code 3 where a pack must not be dispensed, 2 where a code could
    not be read; nothing is dispensed then.

    With --prescription the line is taken first and filled last, so that nothing is dispensed that may not be filled.
    Whether the pack is what was prescribed is for the pharmacist to see.

    With --claim and --consent, one pack is dispensed, its line filled, and the claim decided and paid in the same
    transaction, or none of it. Where the claim pends or is denied, the pack and the line stand.
    """
    from scripts._dispensing import all_genuine, check_may_dispense, dispensed, dispensed_many, judged, mask_of
    from scripts._filling import dispensed_by_claim, dispensed_for
    from scripts._handing import at_work
    from scripts._scanning import Saying

    if paper is None and (numbers or units):
        raise Failure("--line and --units are of a prescription; name it with --prescription.")
    if paper is not None and many:
        raise Failure("--many is for packs without a prescription; leave it out.")
    if (request is None) != (consent is None):
        raise Failure("--claim and --consent go together: what 'claim' wrote, and what the patient signed of it.")
    if request is not None and (paper is None or numbers or units):
        raise Failure("--claim says which line and how many; give --prescription with it, and not --line or --units.")
    saying = Saying(as_json)
    offline = not many and paper is None
    with at_work(who, network=network, store=store, account=account, offline=offline) as goods:
        check_may_dispense(goods)
        packs = judged(goods, codes)
        if not all_genuine(packs, saying, online=goods.online):
            saying.note("Nothing was dispensed.")
            raise click.exceptions.Exit(saying.worst)
        if paper is not None and request is not None and consent is not None:
            papers = (paper, request, consent)
            dispensed_by_claim(goods, packs, saying, papers=papers, least=least, as_json=as_json)
        elif paper is not None:
            dispensed_for(goods, packs, saying, code=paper, numbers=numbers, units=units or len(packs))
        elif many:
            together, alone = mask_of(goods, packs)
            dispensed_many(goods, together, saying)
            dispensed(goods, alone, saying)
        else:
            dispensed(goods, packs, saying)
    raise click.exceptions.Exit(saying.worst)


# -- prescriptions ---------------------------------------------------------------------------------------------------


@cli.command(epilog=example("pharmacy prescription photo.jpg", "pharmacy prescription -"))
@click.argument("code")
@_WHO
@network_options
@json_option
def prescription(code: str, who: str, network: str, store: str | None, as_json: bool) -> None:
    """Show what a prescription or a pass allows and what became of it, by its CODE, a picture, or - to scan it."""
    from scripts._goods import goods_of
    from scripts._prescribing import HEADS, client, columns_of, rows_of, shown_by

    with goods_of(who, network=network, store=store) as goods:
        shown = shown_by(code, goods.site)
        contract = client(goods.site)
        rows = rows_of(shown, contract.states(shown.prescription, shown.terms))
        prescriber = goods.name_of(contract.prescriber_of(shown.terms.id))
    if as_json:
        print_json({"prescription": shown.terms.id.hex(), "prescriber": prescriber, "lines": rows})
        return
    click.echo(f"Prescription {shown.terms.id.hex()[:16]} by {prescriber}.")
    table(columns_of(rows), *HEADS, empty="")


@cli.command(epilog=example("pharmacy take photo.jpg", "pharmacy take photo.jpg --line 2"))
@click.argument("code")
@_LINE
@_WHO
@_ACCOUNT
@network_options
def take(code: str, numbers: tuple[int, ...], who: str, account: str | None, network: str, store: str | None) -> None:
    """Take lines of a prescription for a day, so that no other pharmacy fills them meanwhile."""
    from scripts._dispensing import check_may_dispense
    from scripts._filling import sender_of, taken
    from scripts._handing import at_work
    from scripts._prescribing import shown_by

    with at_work(who, network=network, store=store, account=account) as goods:
        check_may_dispense(goods)
        shown = shown_by(code, goods.site)
        lines = taken(goods, shown, numbers, sender=sender_of(goods))
    click.echo(f"Held for this pharmacy until tomorrow: line {', '.join(str(line + 1) for line in lines)}.")


@cli.command("give-back", epilog=example("pharmacy give-back photo.jpg --line 2"))
@click.argument("code")
@_LINE
@_WHO
@_ACCOUNT
@network_options
def give_back(
    code: str, numbers: tuple[int, ...], who: str, account: str | None, network: str, store: str | None
) -> None:
    """Let go of lines of a prescription, so that another pharmacy can take them."""
    from scripts._filling import sender_of
    from scripts._handing import at_work
    from scripts._prescribing import client, shown_by
    from theriac.medicine.prescribing import chosen

    with at_work(who, network=network, store=store, account=account) as goods:
        shown = shown_by(code, goods.site)
        contract = client(goods.site, sender_of(goods))
        states = contract.states(shown.prescription, shown.terms)
        held = [line for line, state in enumerate(states) if state.holder == goods.depot.member]
        lines = chosen(numbers, len(states)) if numbers else held
        if not lines or not set(lines) <= set(held):
            raise Failure("This pharmacy does not hold that; 'prescription' shows who does.", 3)
        contract.give_back(shown.terms.id, lines)
    click.echo(f"Given back: line {', '.join(str(line + 1) for line in lines)}.")


@cli.command(epilog=example("pharmacy fill photo.jpg --line 1 --units 1 --product 04150123456782"))
@click.argument("code")
@_LINE
@_UNITS
@click.option("--product", required=True, help="What is given, by its GTIN or in words.")
@_WHO
@_ACCOUNT
@network_options
def fill(
    code: str,
    numbers: tuple[int, ...],
    units: int,
    product: str,
    who: str,
    account: str | None,
    network: str,
    store: str | None,
) -> None:
    """Fill a line with what has no pack here; 'dispense --prescription' fills it with a pack."""
    from scripts._dispensing import check_may_dispense
    from scripts._filling import check_left, filled, one_line, sender_of, taken
    from scripts._handing import at_work
    from scripts._prescribing import shown_by

    with at_work(who, network=network, store=store, account=account) as goods:
        check_may_dispense(goods)
        shown = shown_by(code, goods.site)
        line = one_line(shown, numbers)
        check_left(goods, shown, line, units)
        taken(goods, shown, [line + 1], sender=sender_of(goods))
        filled(goods, shown, line=line, units=units, product=product, sender=sender_of(goods))
    click.echo(f"Filled: {units} of line {line + 1}.")


@cli.command(epilog=example("pharmacy unfill photo.jpg --line 1"))
@click.argument("code")
@_LINE
@_WHO
@_ACCOUNT
@network_options
@yes_option
def unfill(
    code: str, numbers: tuple[int, ...], who: str, account: str | None, network: str, store: str | None, yes: bool
) -> None:
    """Take back what this pharmacy filled last of a line, within ten days: it may be filled again."""
    from scripts._filling import one_line, sender_of
    from scripts._handing import at_work
    from scripts._prescribing import client, shown_by

    with at_work(who, network=network, store=store, account=account) as goods:
        shown = shown_by(code, goods.site)
        line = one_line(shown, numbers)
        confirmed(f"Take back what was filled last of line {line + 1}?", yes=yes)
        client(goods.site, sender_of(goods)).unfill(shown.terms.id, line)
    click.echo(f"Taken back: the last filling of line {line + 1}.")


# -- taking back -----------------------------------------------------------------------------------------------------


@cli.command(epilog=example("pharmacy undo '(01)04150123456782(21)SN00000007'"))
@click.argument("code")
@_WHO
@_ACCOUNT
@network_options
def undo(code: str, who: str, account: str | None, network: str, store: str | None) -> None:
    """Take a dispensed pack back into stock, within ten days, as long as it never left the pharmacy's hands."""
    from scripts._dispensing import judged, undone
    from scripts._handing import at_work
    from scripts._scanning import shown

    with at_work(who, network=network, store=store, account=account) as goods:
        [pack, *others] = judged(goods, [code])
        if others:
            raise Failure(f"There are {len(others) + 1} codes in {code[:60]!r}; undo one pack at a time.")
        undone(goods, pack)
    click.echo(f"In stock again: {shown(_verdict(pack))}.")


def _verdict(pack: "Judged") -> "Verdict":
    if pack.verdict is None:
        raise Failure(pack.read.trouble)
    return pack.verdict


@cli.command(epilog=example("pharmacy settle"))
@_WHO
@_ACCOUNT
@network_options
@json_option
def settle(who: str, account: str | None, network: str, store: str | None, as_json: bool) -> None:
    """Send the dispenses that wait, and say which of them the chain refused and why.

    Exit code 3 where one was refused, 4 where the chain is out of reach: all of them wait on then.
    """
    from scripts._handing import at_work
    from scripts._progress import working
    from scripts._scanning import settled

    with at_work(who, network=network, store=store, account=account) as goods, working("Settling"):
        found = goods.depot.settle()
    closed = [*found.settled, *found.conflicts]
    if as_json:
        print_json([settled(each) for each in (*closed, *found.waiting)])
    else:
        table(
            [
                (each.label, f"{each.at:%Y-%m-%d %H:%M}", each.refusal.value if each.refusal else each.standing.value)
                for each in (*closed, *found.waiting)
            ],
            *("pack", "dispensed", "standing"),
            empty="Nothing waits.",
        )
        for each in found.conflicts:
            if each.refusal is not None:
                click.echo(f"{printable(each.label)}: {each.refusal.sentence} ({cleaned(each.detail)})", err=True)
    if found.conflicts:
        raise click.exceptions.Exit(3)


@cli.command(
    epilog=example("pharmacy dispenses", "pharmacy dispenses --standing conflict", "pharmacy dispenses --json")
)
@click.option(
    "--standing", type=click.Choice(("waiting", "settled", "conflict")), default=None, help="Only those of one kind."
)
@_WHO
@_ACCOUNT
@network_options
@json_option
def dispenses(
    standing: str | None, who: str, account: str | None, network: str, store: str | None, as_json: bool
) -> None:
    """List what was dispensed here one by one: when, by whom, and what the chain made of it. Asks no chain."""
    from scripts._following import post_of
    from scripts._scanning import settled
    from theriac.medicine.counter import Standing

    with post_of(who, network=network, store=store, account=account) as goods:
        found = goods.depot.counter.dispenses(Standing(standing) if standing else None)
        undone = goods.depot.chain.undone()
        rows = [
            {
                **settled(each),
                "undone": (each.pack.batch, each.pack.index, each.detail) in undone,
                "mark": each.mark.hex(),
                "signature": each.signature.hex(),
                "signed": each.is_signed,
            }
            for each in found
        ]
    if as_json:
        print_json(rows)
        return
    table(
        [(row["pack"], str(row["at"])[:16], row["account"], _standing(row)) for row in rows],
        *("pack", "dispensed", "by", "standing"),
        empty="Nothing was dispensed here.",
    )


def _standing(row: dict[str, Any]) -> str:
    return "undone" if row["undone"] else str(row["refusal"] or row["standing"])


# -- goods -----------------------------------------------------------------------------------------------------------

add_receiving(cli, "pharmacy")
add_blocking(cli, "pharmacy", block="BY_HOLDER", whose="what this pharmacy holds")
add_list(cli, "pharmacy")
add_log(cli, "pharmacy")
add_trace(cli, "pharmacy")
add_disclose(cli, "pharmacy")
add_epcis(cli, "pharmacy")


@cli.command(
    "return",
    help=f"Offer goods back to who gave them, or to their maker. Blocked and expired goods can go too.\n\n{GOODS}",
    epilog=example("pharmacy return case:photo.jpg", "pharmacy return L42A/70880"),
)
@click.argument("goods_", metavar="GOODS...", nargs=-1, required=True)
@click.option("--to-maker", is_flag=True, help="To their maker, whoever gave them.")
@days_option
@_WHO
@_ACCOUNT
@network_options
def return_(
    goods_: tuple[str, ...],
    to_maker: bool,
    days: int,
    who: str,
    account: str | None,
    network: str,
    store: str | None,
) -> None:
    from scripts._dispensing import check_can_move
    from scripts._handing import at_work, offered, pieces_named, print_offered

    with at_work(who, network=network, store=store, account=account) as goods:
        pieces = pieces_named(goods, goods_)
        givers = [check_can_move(goods, each) for each in pieces]
        done = []
        for piece, giver in zip(pieces, givers, strict=True):
            maker = goods.depot.state(piece.batch).maker
            done.append(offered(goods, piece, to=maker if to_maker else giver or maker, days=days))
        print_offered(goods, done)


_HOW = ("destroyed", "sampled", "stolen", "exported", "returned")


@cli.command(epilog=example("pharmacy end photo.jpg --how destroyed"))
@click.argument("codes", nargs=-1, required=True)
@click.option("--how", "kind", type=click.Choice(_HOW), required=True, help="What became of the packs.")
@_WHO
@_ACCOUNT
@network_options
@yes_option
def end(
    codes: tuple[str, ...], kind: str, who: str, account: str | None, network: str, store: str | None, yes: bool
) -> None:
    """End packs for good, by CODES, pictures, or - for codes on standard input. Nothing takes it back."""
    from scripts._dispensing import to_end
    from scripts._handing import at_work

    with at_work(who, network=network, store=store, account=account) as goods:
        packs = to_end(goods, codes, exported=kind == "exported")
        if "-" not in codes:
            confirmed(f"End {plural(len(packs), 'pack')} as {kind}? Nothing takes it back.", yes=yes)
        elif not yes:
            raise Failure("Codes come from standard input, where a question cannot be answered; add --yes.")
        from theriac.medicine.state import End

        goods.depot.end(packs, End[kind.upper()])
    click.echo(f"Ended as {kind}: {plural(len(packs), 'pack')}.")


# -- cover -----------------------------------------------------------------------------------------------------------

add_goods(cli)
add_claims(cli, "pharmacy")

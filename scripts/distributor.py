"""`ape run distributor`: who takes goods over, hands them on in parts, and takes them back."""

from typing import TYPE_CHECKING, Any

import click

from scripts._beginning import add_beginnings
from scripts._cli import (
    Actor,
    Failure,
    account_option,
    as_option,
    check_out,
    example,
    json_option,
    network_options,
    plural,
    print_json,
    table,
)
from scripts._epcis import add_epcis
from scripts._handing import GOODS, add_blocking, add_list, add_offering, add_receiving, days_option
from scripts._logging import add_log
from scripts._tracing import add_disclose, add_trace

if TYPE_CHECKING:
    from pathlib import Path

    from scripts._goods import Goods
    from scripts._handing import Piece


@click.group(
    cls=Actor,
    epilog=example(
        'distributor setup --account TEST::5 --name "River Wholesale"',
        "distributor receive",
        "distributor offer L42A/70880 --to member:3",
    ),
)
def cli() -> None:
    """Take goods over, check what is in a case, hand parts on, take returns, keep them cold."""


add_beginnings(cli, "distributor", name="River Wholesale", roles="distributor")
add_receiving(cli, "distributor")
add_offering(cli, "distributor")


@cli.command(epilog=example("distributor split plan.csv", "distributor split plan.csv --dry-run"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@days_option
@click.option("--dry-run", is_flag=True, help="Only show what would be offered to whom.")
@as_option("distributor")
@account_option("Who signs")
@network_options
@json_option
def split(
    file: str,
    days: int,
    dry_run: bool,
    who: str,
    account: str | None,
    network: str,
    store: str | None,
    as_json: bool,
) -> None:
    """Offer parts to several receivers in one go, by a CSV file with the columns goods and to.

    All of it is checked before the first offer is made. Run it again after a crash: what was offered is not offered
    twice.
    """
    from pathlib import Path

    from scripts._handing import at_work, offered, print_offered, shown
    from scripts._progress import counted

    with at_work(who, network=network, store=store, account=account) as goods:
        wanted = _plan(goods, Path(file))
        recipients = {to: goods.recipient_of(to) for to in {to for _, to in wanted}}
        found = []
        if not dry_run:
            for piece, to in counted(wanted, "Offering", total=len(wanted)):
                found.append(offered(goods, piece, to=to, days=days, recipient=recipients[to]))
        if as_json:
            print_json(
                [
                    {"batch": piece.batch.hex(), "node": piece.node, "to": to, "offered": not dry_run}
                    for piece, to in wanted
                ]
            )
        elif dry_run:
            rows = [(shown(goods, piece), f"{goods.name_of(to)} (member {to})") for piece, to in wanted]
            table(rows, "goods", "to", empty="Nothing.")
        else:
            print_offered(goods, found)


def _plan(goods: "Goods", path: "Path") -> "list[tuple[Piece, int]]":
    """Goods and receivers. No goods twice, nothing inside of something else, nothing that another holds."""
    import csv
    import io

    from scripts._commissioning import DELIMITERS
    from scripts._handing import member_named, piece_named, shown
    from theriac.medicine.tree import is_below

    try:
        text = path.read_text(encoding="utf-8-sig")
        first = text.partition("\n")[0]
        delimiter = max(DELIMITERS, key=first.count)
        # A code may hold characters that other readers of lines take for a line's end.
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        heads = [head.strip().lower() for head in next(rows, [])]
        listed = [(rows.line_num, row) for row in rows]
    except UnicodeDecodeError:
        raise Failure(f"{path} is not UTF-8; save it as UTF-8 and try again.") from None
    except csv.Error as fault:
        raise Failure(f"{path} cannot be read as CSV ({fault}); mend it and try again.") from None
    if "goods" not in heads or "to" not in heads:
        raise Failure(f"Line 1 of {path} must name the columns goods and to.")
    found: list[tuple[Piece, int]] = []
    for line, row in listed:
        if not any(row):
            continue
        try:
            if len(row) != len(heads):
                raise Failure(f"it has {len(row)} columns, and line 1 has {len(heads)}.")
            piece = piece_named(goods, row[heads.index("goods")].strip())
            to = member_named(row[heads.index("to")])
            holder = goods.depot.state(piece.batch).place(piece.node, now=0).holder
            if holder != goods.depot.member:
                raise Failure(f"{shown(goods, piece)} is held by member {holder}.", 3)
            for other, _ in found:
                if other.batch == piece.batch and (
                    is_below(other.node, piece.node) or is_below(piece.node, other.node)
                ):
                    raise Failure(f"{shown(goods, piece)} stands twice in this file; name it once.")
        except Failure as fault:
            raise Failure(f"Line {line} of {path}: {fault.message}", fault.exit_code) from None
        found.append((piece, to))
    if not found:
        raise Failure(f"{path} names no goods below its first line.")
    return found


@cli.command(
    epilog=example(
        "distributor aggregate case:scan.png",
        "distributor aggregate L42A/70880 --scanned scans.txt --epcis packed.json",
    )
)
@click.argument("case")
@click.option(
    "--scanned", multiple=True, help="What is in it: a code, a picture, a file of codes, - for standard input."
)
@click.option("--epcis", type=click.Path(dir_okay=False), help="Write what is in it as an EPCIS packing event.")
@as_option("distributor")
@account_option("Who works here")
@network_options
@json_option
def aggregate(
    case: str,
    scanned: tuple[str, ...],
    epcis: str | None,
    who: str,
    account: str | None,
    network: str,
    store: str | None,
    as_json: bool,
) -> None:
    """Show which packs are in a case or on a pallet, and check what was scanned against it.

    The ledger fixes what is in a case when its batch is commissioned. A pack that was taken out stays known as one of
    it, with its own holder. Ends with the exit code 3 where something is missing or foreign.
    """
    from scripts._goods import goods_of
    from scripts._handing import piece_named, shown

    if epcis is not None:
        check_out(epcis)
    with goods_of(who, network=network, store=store, account=account, offline=True) as goods:
        piece = piece_named(goods, case)
        rows, foreign = _inside(goods, piece, scanned)
        name = shown(goods, piece)
        if epcis is not None:
            _write_packing(goods, piece, rows, epcis, checked=bool(scanned))
    missing = [row["serial"] for row in rows if row["found"] == "missing"]
    if as_json:
        print_json({"case": name, "packs": rows, "missing": missing, "foreign": foreign})
    else:
        table(
            [(row["serial"], row["place"], row["holder"], row["status"], row["found"]) for row in rows],
            *("serial", "place", "holder", "status", ""),
            empty="Nothing is known of what is in it.",
        )
        for each in foreign:
            click.echo(f"Does not belong in it: {each}")
    if missing or foreign:
        less, more = plural(len(missing), "pack"), plural(len(foreign), "pack")
        raise Failure(f"Missing of {name}: {less}; not belonging in it: {more}.", 3)


def _inside(goods: "Goods", piece: "Piece", scanned: tuple[str, ...]) -> tuple[list[dict[str, Any]], list[str]]:
    """The packs of a case with what is known of each, and the codes that were scanned and are not of it."""
    from scripts._handing import code_on, fits, lines_of
    from theriac.medicine.tree import indexes_of, node_of

    known, state = goods.depot.shelf.batch(piece.batch), goods.depot.state(piece.batch)
    serials = goods.depot.shelf.serials(piece.batch, piece.node)
    places = {serial: index for index, serial in serials.rows()}
    seen, foreign = set[str](), list[str]()
    for line in lines_of(scanned):
        code = code_on(line)
        if code.serial in places and fits(code, known.product):
            seen.add(code.serial)
        else:
            foreign.append(f"{code.product} {code.serial}")
    goes = state.goes_with(piece.node)
    first = indexes_of(piece.node).start
    rows: list[dict[str, Any]] = []
    for index, serial in serials.rows():
        found = "" if not scanned else "found" if serial in seen else "missing" if goes[index - first] else "taken out"
        rows.append(
            {
                "serial": serial,
                "place": node_of(index),
                "holder": state.place(node_of(index), now=0).holder,
                "status": state.status(index).value,
                "found": found,
            }
        )
    return rows, foreign


def _write_packing(goods: "Goods", piece: "Piece", rows: list[dict[str, Any]], out: str, *, checked: bool) -> None:
    """What is in a case, as it was found or as it is known, in EPCIS's words."""
    from datetime import UTC, datetime

    from scripts._epcis import _checked, _write, glns_of
    from theriac.medicine import epcis
    from theriac.medicine.journal import container_of
    from theriac.medicine.state import PackStatus

    known = goods.depot.shelf.batch(piece.batch)
    if len(known.product.code) != 14:
        raise Failure("Only packs with a GTIN have a name in EPCIS.", 3)
    inside = [row["serial"] for row in rows if row["found"] == "found"]
    if not checked:
        inside = [row["serial"] for row in rows if row["status"] == PackStatus.IN_STOCK.value]
    step = epcis.Packing(
        time=datetime.now(UTC),
        place=glns_of(goods).get(goods.depot.member),
        container=container_of(known, piece.node),
        items=epcis.packs(known.product.code, inside),
    )
    written = epcis.document([step], created=datetime.now(UTC))
    _checked(written)
    _write(out, written)


@cli.command(
    "return",
    help=f"Offer goods back to who gave them, or to their maker.\n\n{GOODS}",
    epilog=example("distributor return L42A/70880", "distributor return pack.png --to-maker"),
)
@click.argument("goods_", metavar="GOODS...", nargs=-1, required=True)
@click.option("--to-maker", is_flag=True, help="To the maker, also where another gave them.")
@days_option
@as_option("distributor")
@account_option("Who signs")
@network_options
def return_(
    goods_: tuple[str, ...], to_maker: bool, days: int, who: str, account: str | None, network: str, store: str | None
) -> None:
    from scripts._handing import at_work, offered, pieces_named, print_offered

    with at_work(who, network=network, store=store, account=account) as goods:
        found = []
        for piece in pieces_named(goods, goods_):
            state = goods.depot.state(piece.batch)
            giver = state.place(piece.node, now=0).giver
            to = state.maker if to_maker or not giver else giver
            if to == goods.depot.member:
                raise Failure("These goods were made here; there is nobody to give them back to.", 3)
            found.append(offered(goods, piece, to=to, days=days))
        print_offered(goods, found)


add_blocking(cli, "distributor", block="BY_HOLDER", whose="what is held here")
add_list(cli, "distributor")
add_log(cli, "distributor")
add_trace(cli, "distributor")
add_disclose(cli, "distributor")
add_epcis(cli, "distributor")

"""`ape run maker`: who makes packs, gives them their serials, hands them on and recalls them."""

from typing import TYPE_CHECKING, Any

import click

from scripts._beginning import add_beginnings
from scripts._cli import (
    Actor,
    Failure,
    account_option,
    as_option,
    check_out,
    confirmed,
    example,
    json_option,
    network_options,
    plural,
    print_json,
    table,
    yes_option,
)
from scripts._epcis import add_epcis
from scripts._handing import GOODS, add_blocking, add_list, add_offering, add_receiving, reason_option
from scripts._logging import add_limit
from scripts._tracing import add_disclose, add_trace
from scripts._verifying import add_verify_service

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from scripts._commissioning import Lot
    from scripts._goods import Goods


@click.group(
    cls=Actor,
    epilog=example(
        'maker setup --account TEST::4 --name "Alpine Pharma"',
        "maker commission packs.csv -o placed.csv",
        "maker offer L42A --to member:2",
    ),
)
def cli() -> None:
    """Commission batches, print labels, hand goods on, block and recall them."""


add_beginnings(cli, "maker", name="Alpine Pharma", roles="maker")


# -- commissioning ---------------------------------------------------------------------------------------------------


@cli.command(
    epilog=example(
        "maker commission packs.csv -o placed.csv",
        "maker commission --count 10000 --gtin 04150123456782 --lot L42A --expiry 2031-06-30 --case 48 --pallet 40 "
        "-o placed.csv",
    )
)
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False))
@click.option("--count", type=click.IntRange(1, 1 << 22), help="Draw so many serials that nobody can guess.")
@click.option("--gtin", help="With --count: the product, a GTIN of 14 digits, or a PPN.")
@click.option("--lot", help="With --count.")
@click.option("--expiry", help="With --count: the last day, such as 2031-06-30.")
@click.option("--case", type=click.IntRange(1, 1 << 20), help="With --count: packs in a case.")
@click.option("--pallet", type=click.IntRange(1, 1 << 20), help="With --count: cases on a pallet, or packs without.")
@click.option("--length", type=click.IntRange(12, 20), default=16, show_default=True, help="Of drawn serials.")
@click.option("--case-bits", type=click.IntRange(0, 20), help="Room in a case: 2^bits packs; what fits unless said.")
@click.option("--pallet-bits", type=click.IntRange(0, 20), help="Room on a pallet; what fits unless said.")
@click.option("-o", "--out", type=click.Path(dir_okay=False), help="Where each pack lies, as CSV or .json.")
@as_option("maker")
@account_option("Who acts for the maker")
@network_options
@json_option
def commission(
    file: str | None,
    count: int | None,
    gtin: str | None,
    lot: str | None,
    expiry: str | None,
    case: int | None,
    pallet: int | None,
    length: int,
    case_bits: int | None,
    pallet_bits: int | None,
    out: str | None,
    who: str,
    account: str | None,
    network: str,
    store: str | None,
    as_json: bool,
) -> None:
    """Give packs their place on the ledger: a transaction for up to a million.

    FILE is CSV with the columns gtin, lot, expiry, serial, and case and pallet where there are any. After a crash run
    the same command again: what was commissioned is recognised, and the rest is done.
    """
    from pathlib import Path

    from scripts._commissioning import lots_in, write_placed
    from scripts._handing import at_work
    from scripts._progress import working

    if (file is None) == (count is None):
        raise Failure("Give a file of packs, or --count with --gtin, --lot and --expiry.")
    if file is not None and any((gtin, lot, expiry, case, pallet)):
        raise Failure("A file says all of its packs; leave --gtin, --lot, --expiry, --case and --pallet away.")
    if out is not None:
        check_out(out)
    with working("Reading"):
        listed = lots_in(Path(file)) if file else []
    with at_work(who, network=network, store=store, account=account) as goods:
        resumed = _resume(goods)
        drawn = None
        if file is None:
            drawn = _drawn(goods, count or 0, gtin, lot, expiry, case or 0, pallet or 0, length)
        lots = lots_in(drawn) if drawn else listed
        _check_in_date(goods, lots)
        rows = [
            row for each in lots for row in _commission_lot(goods, each, case_bits=case_bits, pallet_bits=pallet_bits)
        ]
        if out is not None:
            with working("Writing where each pack lies"):
                write_placed(Path(out), lots, goods.depot.shelf)
        if drawn is not None:
            # Only now: until here the same command goes on with the serials that it drew.
            drawn.unlink()
    if as_json:
        print_json({"resumed": resumed, "batches": rows})
        return
    table(
        [(row["batch"][:16], row["product"], row["lot"], row["packs"], row["said"]) for row in rows],
        *("batch", "product", "lot", "packs", ""),
        empty="Nothing was commissioned.",
    )
    if out is not None:
        click.echo(f"{out} says where each pack lies.")


def _resume(goods: "Goods") -> list[str]:
    """Brings what an interrupted run left to the chain, or forgets it."""
    done = []
    for batch in goods.depot.drafts():
        if goods.depot.resume(batch):
            done.append(batch.hex())
            click.echo(f"Batch {batch.hex()[:16]} of an interrupted run is on the chain now.", err=True)
        else:
            click.echo(f"Batch {batch.hex()[:16]} of an interrupted run was refused and is forgotten.", err=True)
    return done


def _drawn(
    goods: "Goods",
    count: int,
    gtin: str | None,
    lot: str | None,
    expiry: str | None,
    case: int,
    pallet: int,
    length: int,
) -> "Path":
    """A list of drawn serials, kept until all of it is commissioned: the same command after a crash goes on with it."""
    import os
    from hashlib import sha256

    from scripts._commissioning import check_product, expiry_of, write_drawn

    if not gtin or not lot or not expiry:
        raise Failure("With --count give --gtin, --lot and --expiry too.")
    day = expiry_of(expiry)
    check_product(gtin, lot, day)
    wish = f"{gtin} {lot} {day} {count} {case} {pallet} {length}"
    path = goods.person.folder / f"drawn-{sha256(wish.encode()).hexdigest()[:16]}.csv"
    if path.exists():
        click.echo("Going on with the serials that an interrupted run drew.", err=True)
        return path
    if _is_over(goods, day):
        raise _over(day)
    # Under another name until it is whole: a list that was cut short must not be gone on with.
    draft = path.with_suffix(".draft")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        write_drawn(file, gtin=gtin, lot=lot, expiry=day, count=count, length=length, case=case, pallet=pallet)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return path


def _check_in_date(goods: "Goods", lots: "list[Lot]") -> None:
    """The chain takes no batch whose last day is over; said before any lot of a list is commissioned."""
    from scripts._commissioning import new_packs

    for lot in lots:
        if _is_over(goods, lot.expiry) and new_packs(lot, goods.depot.shelf):
            raise _over(lot.expiry)


def _is_over(goods: "Goods", day: "date") -> bool:
    from datetime import UTC, datetime

    return day < datetime.fromtimestamp(goods.depot.chain.time(), UTC).date()


def _over(day: "date") -> Failure:
    return Failure(f"The expiry {day} is over; packs are commissioned by their last day.")


def _commission_lot(
    goods: "Goods", lot: "Lot", *, case_bits: int | None, pallet_bits: int | None
) -> list[dict[str, Any]]:
    from scripts._commissioning import new_packs, orders_of, shape_of
    from scripts._progress import working

    row = {"product": lot.product.code, "lot": lot.product.lot}
    rows: list[dict[str, Any]] = []
    new = new_packs(lot, goods.depot.shelf)
    if known := len(lot.serials) - len(new):
        rows.append({"batch": "", **row, "packs": known, "said": "commissioned before"})
    if not new:
        return rows
    shape = shape_of(lot, case_bits=case_bits, pallet_bits=pallet_bits)
    for order in orders_of(lot, new, shape):
        with working(f"Commissioning {plural(len(order.serials), 'pack')}"):
            batch = goods.depot.commission(order)
        rows.append({"batch": batch.hex(), **row, "packs": len(order.serials), "said": "commissioned"})
    return rows


@cli.command(
    help=f"Write the packs' labels as pictures: a DataMatrix and its elements in words.\n\n{GOODS}",
    epilog=example("maker labels L42A/70880 -o labels", "maker labels L42A --sheet -o print"),
)
@click.argument("goods_", metavar="GOODS...", nargs=-1, required=True)
@click.option("-o", "--out", required=True, type=click.Path(file_okay=False), help="The folder to write into.")
@click.option("--sheet", is_flag=True, help="Sheets to print, not a file a pack.")
@click.option("--columns", type=click.IntRange(1, 50), default=5, show_default=True, help="Of a sheet.")
@click.option("--rows", type=click.IntRange(1, 50), default=8, show_default=True, help="Of a sheet.")
@click.option("--module", type=click.IntRange(1, 40), default=8, show_default=True, help="Pixels of a module.")
@click.option("--qr", is_flag=True, help="QR codes, not DataMatrix.")
@as_option("maker")
@account_option("Who works here")
@network_options
def labels(
    goods_: tuple[str, ...],
    out: str,
    sheet: bool,
    columns: int,
    rows: int,
    module: int,
    qr: bool,
    who: str,
    account: str | None,
    network: str,
    store: str | None,
) -> None:
    from pathlib import Path

    from scripts._goods import goods_of
    from scripts._handing import pieces_named
    from scripts._labels import labels_of, write_labels, write_sheets
    from scripts._progress import counted
    from theriac.medicine.symbols import Symbology

    symbology = Symbology.QR if qr else Symbology.DATAMATRIX
    with goods_of(who, network=network, store=store, account=account, offline=True) as goods:
        pieces = pieces_named(goods, goods_)
        total = sum(len(goods.depot.shelf.serials(piece.batch, piece.node)) for piece in pieces)
        found = counted(labels_of(goods, pieces), "Drawing", total=total)
        if sheet:
            written = write_sheets(found, Path(out), columns=columns, rows=rows, symbology=symbology, module=module)
        else:
            written = write_labels(found, Path(out), symbology=symbology, module=module)
        files = sum(1 for _ in written)
    click.echo(f"{plural(total, 'label')} in {plural(files, 'file')} in {out}.")


# -- recalling -------------------------------------------------------------------------------------------------------


@cli.command(
    help=f"Recall goods, whoever holds them; only a regulator lifts a recall.\n\n{GOODS}",
    epilog=example("maker recall L42A --reason 2", "maker recall case:scan.png --reason 3"),
)
@click.argument("goods_", metavar="GOODS...", nargs=-1, required=True)
@reason_option
@as_option("maker")
@account_option("Who acts for the maker")
@network_options
@yes_option
def recall(
    goods_: tuple[str, ...], reason: int, who: str, account: str | None, network: str, store: str | None, yes: bool
) -> None:
    from scripts._handing import at_work, pieces_named, shown

    with at_work(who, network=network, store=store, account=account) as goods:
        pieces = pieces_named(goods, goods_)
        names = ", ".join(shown(goods, piece) for piece in pieces[:10])
        confirmed(f"Recall {names}? You cannot lift it yourself.", yes=yes)
        for piece in pieces:
            goods.depot.recall(piece.batch, piece.node, reason=reason)
            click.echo(f"Recalled: {shown(goods, piece)}.")


add_offering(cli, "maker")
add_receiving(cli, "maker")
add_blocking(cli, "maker", block="BY_MAKER", whose="what this maker made, wherever it is")
add_list(cli, "maker")
add_trace(cli, "maker")
add_disclose(cli, "maker")
add_limit(cli, "maker")
add_epcis(cli, "maker")
add_verify_service(cli, "maker")

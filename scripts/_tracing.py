"""A pack's way in commands: as a table, a drawing, JSON and EPCIS; and what lets an authority follow it.

Imports nothing but click and `_cli`, as the scripts that use it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from scripts._cli import (
    Actor,
    Failure,
    account_option,
    as_option,
    check_out,
    example,
    json_option,
    network_options,
    print_json,
    printable,
    table,
    write_file,
)

if TYPE_CHECKING:
    from scripts._goods import Goods
    from theriac.medicine.shelf import KnownBatch, KnownPack
    from theriac.medicine.trace import Step, Trace


def add_trace(cli: Actor, who_: str) -> None:
    """Adds `trace`; `who_` is the actor's word and its folder unless `--as` names another."""

    @cli.command(
        "trace",
        epilog=example(
            f'{who_} trace "(01)04150123456782(21)K7PX2M9QWTRA"',
            f"{who_} trace pack.png --sheet pack.sheet --svg way.svg",
        ),
    )
    @click.argument("code")
    @click.option(
        "--sheet",
        type=click.Path(exists=True, dir_okay=False),
        help="What a holder disclosed of the pack, sealed to this member.",
    )
    @click.option("--svg", type=click.Path(dir_okay=False), help="Draw it into this file.")
    @click.option("--png", type=click.Path(dir_okay=False), help="Draw it into this file.")
    @click.option("--epcis", type=click.Path(dir_okay=False), help="Write it as EPCIS 2.0 events.")
    @click.option("--gln", "glns", multiple=True, help="With --epcis: a member's GLN, such as 2=4012345000009.")
    @as_option(who_)
    @account_option("Who works here")
    @network_options
    @json_option
    def trace(
        code: str,
        sheet: str | None,
        svg: str | None,
        png: str | None,
        epcis: str | None,
        glns: tuple[str, ...],
        who: str,
        account: str | None,
        network: str,
        store: str | None,
        as_json: bool,
    ) -> None:
        """Follow a pack from its commissioning to now. CODE is what is printed on it, or a picture of it."""
        from scripts._goods import goods_of

        for out in (svg, png, epcis):
            if out is not None:
                check_out(out)
        with goods_of(who, network=network, store=store, account=account, offline=True) as goods:
            if not goods.online:
                click.echo("The chain is out of reach; this is what was known last, without times.", err=True)
            pack = _traced_pack(goods, code, sheet)
            found = trace_of(goods, pack)
            title = _title(goods, pack)
            names = {member: goods.name_of(member) for member in found.members}
            known = goods.depot.shelf.batch(pack.batch)
            if epcis is not None:
                _write_epcis(goods, found, pack, epcis, glns)
        _draw(found, title, names, svg=svg, png=png)
        if as_json:
            print_json(_json(found, known, title, names))
            return
        click.echo(printable(title))
        table(
            [_row(found, step, names) for step in found.steps],
            *("time", "act", "from", "to", "place", "", "transaction"),
            empty="",
        )
        from theriac.medicine.trace import standing_of

        click.echo(f"Now: {standing_of(found)}; last with {names.get(found.holder, f'member {found.holder}')}.")


def add_disclose(cli: Actor, who_: str) -> None:
    """Adds `disclose`; `who_` is the actor's word and its folder unless `--as` names another."""

    @cli.command(
        "disclose",
        epilog=example(f"{who_} disclose scan.png --to member:5 -o pack.sheet"),
    )
    @click.argument("code")
    @click.option("--to", "to_", required=True, help="The member that may follow the pack, such as member:5.")
    @click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The file to write.")
    @as_option(who_)
    @account_option("Who works here")
    @network_options
    def disclose(code: str, to_: str, out: str, who: str, account: str | None, network: str, store: str | None) -> None:
        """Seal to a member what it needs to follow one pack: to an auditor or an authority.

        With it goes the key of the batch: the receiver can recognise any other serial of it that it knows.
        """
        from scripts._goods import goods_of
        from scripts._handing import member_named

        to = member_named(to_)
        check_out(out)
        with goods_of(who, network=network, store=store, account=account) as goods:
            pack = _traced_pack(goods, code, None)
            write_file(out, disclosed(goods, pack, to=to))
            name = goods.name_of(to)
        click.echo(f"{out} lets {name} (member {to}) follow this pack, and nobody else.")


def disclosed(goods: "Goods", pack: "KnownPack", *, to: int) -> bytes:
    """The sheet of a single pack, sealed to a member."""
    from theriac.medicine.tree import node_of

    return goods.depot.shelf.sheet(pack.batch, node_of(pack.index)).seal(to=goods.recipient_of(to))


def trace_of(goods: "Goods", pack: "KnownPack") -> "Trace":
    """The way of a pack that is known here; without times where the chain is out of reach."""
    from theriac.errors import Unavailable
    from theriac.medicine.trace import trace

    def time_of(block: int) -> Any:
        try:
            return goods.depot.chain.time_of(block) if goods.online else None
        except Unavailable:
            return None

    return trace(goods.depot.chain.history(pack.batch), pack.index, time_of=time_of)


def _traced_pack(goods: "Goods", code: str, sheet: str | None) -> "KnownPack":
    from scripts._handing import lines_of, pack_named

    if sheet is not None:
        _take_in(goods, sheet)
    found = list(lines_of([code]))
    if len(found) != 1:
        raise Failure(f"{code[:60]!r} has {len(found)} codes; name one pack by its code.")
    return pack_named(goods, found[0].raw)


def _take_in(goods: "Goods", path: str) -> None:
    """Takes in a sheet that was disclosed, once the chain says that it is true."""
    from theriac.errors import NoMatchingIdentity, SheetDoesNotFit
    from theriac.medicine.depot import checked
    from theriac.medicine.sheets import Sheet

    if goods.desk is None:
        raise Failure("The chain is out of reach, and a sheet is believed only on its word; try again later.", 4)
    try:
        with open(path, "rb") as file:
            sheet = Sheet.open_(file, identities=[goods.desk.identity])
    except NoMatchingIdentity:
        raise Failure(
            f"{path} is sealed to another member; ask who disclosed it for one to this member, by 'disclose' with "
            f"--to member:{goods.depot.member}.",
            3,
        ) from None
    batch = sheet.batch()
    state = goods.depot.chain.state(batch)
    if state is None:
        raise SheetDoesNotFit(batch=batch.hex())
    goods.depot.shelf.add(sheet, batch=batch, tree=checked(sheet, state))


def _title(goods: "Goods", pack: "KnownPack") -> str:
    from theriac.medicine.tree import node_of

    known = goods.depot.shelf.batch(pack.batch)
    serial = goods.depot.shelf.serials(pack.batch, node_of(pack.index))[pack.index]
    product = known.product
    words = [f"{product.code} {serial}"]
    words += [f"lot {product.lot}"] if product.lot else []
    words += [f"expiry {product.expiry}"] if product.expiry else []
    return ", ".join(words)


def _row(found: "Trace", step: "Step", names: dict[int, str]) -> tuple[str, ...]:
    return (
        step.at.strftime("%Y-%m-%d %H:%M:%S") if step.at else f"block {step.block}",
        step.act.value,
        names.get(step.by, ""),
        names.get(step.to, ""),
        f"{found.place_name(step)} {step.node}",
        step.detail,
        step.transaction,
    )


def _json(found: "Trace", known: "KnownBatch", title: str, names: dict[int, str]) -> dict[str, Any]:
    from theriac.medicine.trace import standing_of

    return {
        "pack": title,
        "product": known.product.code,
        "lot": known.product.lot,
        "batch": found.batch.hex(),
        "index": found.index,
        "maker": found.maker,
        "holder": found.holder,
        "standing": standing_of(found),
        "members": {str(number): name for number, name in names.items()},
        "steps": [
            {
                "time": step.at.isoformat() if step.at else None,
                "act": step.act.value,
                "from": step.by,
                "to": step.to or None,
                "place": found.place_name(step),
                "node": step.node,
                "detail": step.detail,
                "holder": step.holder,
                "status": step.status.value,
                "transaction": step.transaction,
                "block": step.block,
            }
            for step in found.steps
        ],
    }


def _draw(found: "Trace", title: str, names: dict[int, str], *, svg: str | None, png: str | None) -> None:
    from theriac.medicine.drawing import drawing_of

    if svg is None and png is None:
        return
    drawing = drawing_of(found, title=title, name_of=lambda member: names.get(member, f"member {member}"))
    # It says which pack is where: nobody else's business on a shared machine.
    if svg is not None:
        write_file(svg, drawing.svg())
    if png is not None:
        write_file(png, drawing.png())


# -- EPCIS -----------------------------------------------------------------------------------------------------------


def _write_epcis(goods: "Goods", found: "Trace", pack: "KnownPack", out: str, glns: tuple[str, ...]) -> None:
    from datetime import UTC, datetime

    from scripts._epcis import _checked, _write, glns_of
    from scripts._handing import member_named
    from theriac.medicine.epcis import document

    known = glns_of(goods)
    for pair in glns:
        member, _, gln = pair.partition("=")
        known[member_named(member)] = gln.strip()
    steps = list(_epcis_steps(goods, found, pack, known))
    written = document(steps, created=datetime.now(UTC))
    _checked(written)
    _write(out, written)
    click.echo(f"{len(steps)} events in {out}.", err=True)


def _epcis_steps(goods: "Goods", found: "Trace", pack: "KnownPack", glns: dict[int, str]) -> Iterator[Any]:
    """The steps that EPCIS has a word for. Blocks but recalls, and offers that came to nothing, are this ledger's."""
    from theriac.medicine import epcis
    from theriac.medicine.journal import offer_name
    from theriac.medicine.trace import Act
    from theriac.medicine.tree import node_of

    known = goods.depot.shelf.batch(pack.batch)
    if len(known.product.code) != 14:
        raise Failure("Only packs with a GTIN have a name in EPCIS.", 3)
    serial = goods.depot.shelf.serials(pack.batch, node_of(pack.index))[pack.index]
    items = epcis.packs(known.product.code, [serial])
    dispensed: Any = None
    for step in found.steps:
        if step.at is None:
            raise Failure("An EPCIS event needs its time, and the chain that knows it is out of reach.", 4)

        def gln(member: int) -> str:
            if member not in glns:
                raise Failure(f"The GLN of member {member} is not known here; give it by --gln {member}=<13 digits>.")
            return glns[member]

        fields: dict[str, Any] = {"time": step.at, "place": glns.get(step.by), "items": items}
        match step.act:
            case Act.COMMISSIONED:
                yield epcis.Commissioning(**fields, lot=known.product.lot or None, expiry=known.product.expiry)
            case Act.OFFERED:
                offer = offer_name(found.batch, step.node)
                yield epcis.Shipping(**fields, giver=gln(step.by), receiver=gln(step.to), offer=offer)
            case Act.HANDED_OVER | Act.GIVEN_BACK:
                fields["place"] = glns.get(step.to)
                back = step.act is Act.GIVEN_BACK
                offer = offer_name(found.batch, step.node)
                yield epcis.Receiving(**fields, giver=gln(step.by), receiver=gln(step.to), offer=offer, returning=back)
            case Act.WITHDRAWN:
                yield epcis.VoidShipping(**fields)
            case Act.DISPENSED:
                dispensed = epcis.Dispensing(**fields)
                yield dispensed
            case Act.UNDONE if dispensed is not None:
                yield epcis.ErrorDeclaration(step=dispensed, declared=step.at, reason=epcis.Reason.DID_NOT_OCCUR)
            case Act.ENDED:
                yield epcis.Ending(**fields, end=epcis.End(step.detail))
            case Act.RECALLED | Act.RECALL_LIFTED:
                yield epcis.Recall(**fields, lifted=step.act is Act.RECALL_LIFTED)

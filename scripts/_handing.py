"""Handing goods on and taking them over: what makers, distributors and pharmacies do alike.

Imports nothing but click and `_cli`, as the scripts that use it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from scripts._cli import (
    Actor,
    Failure,
    account_option,
    as_option,
    check_out,
    cleaned,
    confirmed,
    example,
    json_option,
    network_options,
    plural,
    print_json,
    printable,
    table,
    write_file,
    yes_option,
)

if TYPE_CHECKING:
    from datetime import datetime

    from scripts._goods import Goods
    from theriac.crypto.recipients import Recipient
    from theriac.medicine.chain import OpenOffer
    from theriac.medicine.depot import SignedOffer
    from theriac.medicine.packid import PackCode
    from theriac.medicine.sheets import Sheet
    from theriac.medicine.shelf import KnownPack
    from theriac.medicine.state import Block

GOODS = (
    "GOODS: LOT or a batch's number, LOT/NODE as 'list' shows it, case:CODE, pallet:CODE, or a pack's CODE or picture."
)

_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".gif")
_TEXTS = (".txt", ".csv")
_SHORTEST_CODE = 14
_LARGEST = 64 * 1024 * 1024


@dataclass(frozen=True)
class Piece:
    """Goods that were named: a batch, or a part of one."""

    batch: bytes
    node: int


@contextmanager
def at_work(
    who: str, *, network: str, store: str | None, account: str | None, offline: bool = False
) -> Iterator["Goods"]:
    """A member's depot, once what an interrupted run left under way is done: for every command that sends.

    With `offline`, a chain that is out of reach is no failure.
    """
    from scripts._goods import goods_of
    from theriac.errors import Unavailable

    with goods_of(who, network=network, store=store, account=account, offline=offline) as goods:
        if goods.online:
            try:
                goods.depot.finish()
            except Unavailable:
                if not offline:
                    raise
                goods.online = False
        yield goods


# -- naming ----------------------------------------------------------------------------------------------------------


def member_named(text: str) -> int:
    """A member by its number, also written like `member:5`."""
    number = text.strip().removeprefix("member:")
    if not number.isdecimal() or not 0 < int(number) < 1 << 32:
        raise Failure(f"{text[:60]!r} names no member; write it like member:5.")
    return int(number)


@dataclass(frozen=True)
class Line:
    """A code as it was read, and where: empty where somebody typed it."""

    raw: str
    at: str = ""


def lines_of(words: Iterable[str]) -> Iterator[Line]:
    """What was scanned: codes as they are, those in pictures, the lines of text files and, for `-`, standard input."""
    from pathlib import Path

    from theriac.errors import NotAnImage
    from theriac.medicine.symbols import read_symbols

    for word in words:
        if word == "-":
            yield from _lines(click.get_text_stream("stdin", errors="replace"), "standard input")
        elif word.lower().endswith(_PICTURES):
            found = read_symbols(Path(word))
            if not found:
                raise NotAnImage(source=word, fault="no square code is on it")
            yield from (Line(raw, word) for raw in found)
        elif len(word) < 200 and "\0" not in word and Path(word).is_file():
            data = Path(word).read_bytes()
            if len(data) > _LARGEST:
                raise Failure(f"{word} is larger than 64 MiB; split it and try again.")
            yield from _lines(data.decode("utf-8-sig", errors="replace").split("\n"), word)
        elif word.lower().endswith(_TEXTS) or (len(word) < 200 and "\0" not in word and Path(word).is_dir()):
            raise Failure(f"There is no file {word}; name a file of codes, a line each, a picture, or a code.")
        else:
            yield Line(word.strip("\r\n"))


def _lines(lines: Iterable[str], source: str) -> Iterator[Line]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield Line(line.strip("\r\n"), f"line {number} of {source}")


def code_on(line: Line) -> "PackCode":
    """The code of a pack on a line; a fault says which line it was."""
    try:
        return code_in(line.raw)
    except Failure as fault:
        at = f"{line.at[0].upper()}{line.at[1:]}: " if line.at.startswith("line ") else ""
        raise Failure(f"{at}{fault.message}", fault.exit_code) from None


def code_in(raw: str) -> "PackCode":
    """The code of a pack in what a scanner or a person typed; a scanner that is set wrong is told of."""
    from theriac.medicine.wedge import diagnose

    reading = diagnose(raw)
    if reading.causes:
        click.echo(f"The scanner is set wrong: {reading.causes[0].advice}", err=True)
    if reading.code is None:
        fault = str(reading.fault) if reading.fault else "This is no code of a pack; scan it again."
        raise Failure(fault if not reading.causes else "The scanner garbled this code; mend that and scan it again.", 2)
    return reading.code


def pack_named(goods: "Goods", raw: str) -> "KnownPack":
    """The pack that a code stands for, by what is known here."""
    code = code_in(raw)
    shelf = goods.depot.shelf
    found = shelf.find(code.product, code.serial)
    fitting = [pack for pack in found if fits(code, shelf.batch(pack.batch).product)]
    if len(fitting) == 1:
        return fitting[0]
    if found and not fitting:
        product = shelf.batch(found[0].batch).product
        raise Failure(
            f"{code.product} {code.serial} is known with lot {product.lot} and expiry {product.expiry}, and this code "
            "says otherwise; set the pack aside and tell the authority.",
            3,
        )
    if fitting:
        raise Failure(f"{code.product} {code.serial} was given to two packs; set them aside and ask their maker.", 3)
    raise Failure(f"{code.product} {code.serial} is unknown here: no sheet told of it; ask its maker about it.", 3)


def fits(code: "PackCode", product: Any) -> bool:
    """Whether a code says nothing else than what a product's packs have printed on them."""
    lot = code.lot is None or code.lot == product.lot
    return lot and code.product == product.code and (code.expiry is None or code.expiry == product.expiry)


def piece_named(goods: "Goods", word: str) -> Piece:
    """The goods that a person means."""
    from scripts._goods import batch_named
    from theriac.medicine.tree import BATCH, node_of

    for prefix in ("case", "pallet"):
        if word.startswith(f"{prefix}:"):
            pack = pack_named(goods, _only_code(word.removeprefix(f"{prefix}:")))
            shape = goods.depot.shelf.batch(pack.batch).shape
            bits = shape.case_bits if prefix == "case" else shape.pallet_bits
            if not 0 < bits < 20:
                raise Failure(f"The packs of this batch are in no {prefix}.")
            return Piece(pack.batch, node_of(pack.index, bits))
    text, _, number = word.partition("/")
    try:
        batch = batch_named(goods.depot, text)
    except Failure as unknown:
        if len(word) < _SHORTEST_CODE and not word.lower().endswith(_PICTURES):
            raise unknown from None
        pack = pack_named(goods, _only_code(word))
        return Piece(pack.batch, node_of(pack.index))
    if not number:
        return Piece(batch, BATCH)
    if not number.isdecimal() or not 0 < int(number) < 1 << 21:
        raise Failure(f"{number[:40]!r} is no place; write it like {text}/70880, as 'list' shows it.")
    goods.depot.shelf.batch(batch).shape.name_of(int(number))
    return Piece(batch, int(number))


def _only_code(word: str) -> str:
    found = list(lines_of([word]))
    if len(found) != 1:
        raise Failure(f"{word[:60]!r} has {len(found)} codes; name one pack by its code.")
    return found[0].raw


def pieces_named(goods: "Goods", words: Iterable[str]) -> list[Piece]:
    """Each of them once; a lot stands for all its batches, a text file for its lines."""
    from theriac.medicine.tree import BATCH

    found: list[Piece] = []
    for line in (line for word in words for line in _words_of(word)):
        lots = [each.batch for each in goods.depot.shelf.batches() if line and each.product.lot == line]
        found += [Piece(batch, BATCH) for batch in lots] or [piece_named(goods, line)]
    if not found:
        raise Failure(f"Name the goods. {GOODS}")
    return list(dict.fromkeys(found))


def _words_of(word: str) -> Iterable[str]:
    if word == "-" or word.lower().endswith(_TEXTS):
        return (line.raw for line in lines_of([word]))
    return [word]


def shown(goods: "Goods", piece: Piece) -> str:
    """Goods in words."""
    from theriac.errors import NotOnTheShelf

    try:
        known = goods.depot.shelf.batch(piece.batch)
    except NotOnTheShelf:
        state = goods.depot.state(piece.batch)
        return f"{state.shape.name_of(piece.node)} {piece.node} of batch {piece.batch.hex()[:12]}"
    name = known.shape.name_of(piece.node)
    lot = printable(known.product.lot) or piece.batch.hex()[:12]
    return f"batch {lot}" if name == "batch" else f"{name} {lot}/{piece.node}"


# -- offering --------------------------------------------------------------------------------------------------------

days_option = click.option(
    "--days", type=click.IntRange(1, 30), default=3, show_default=True, help="How long the offer stands."
)


def end_in(goods: "Goods", days: int) -> "datetime":
    from datetime import UTC, datetime, timedelta

    return datetime.fromtimestamp(goods.depot.chain.time(), UTC) + timedelta(days=days)


@dataclass(frozen=True)
class Offered:
    """Goods under an offer; `before` says that an earlier run had made it."""

    piece: Piece
    to: int
    before: bool


def offered(goods: "Goods", piece: Piece, *, to: int, days: int, recipient: "Recipient | None" = None) -> Offered:
    """Offers goods, unless they are offered to this member already, as after a run that broke off."""
    now = goods.depot.chain.time()
    for each in goods.depot.chain.open_offers(to=to, giver=goods.depot.member, now=now):
        if (each.batch, each.node) == (piece.batch, piece.node):
            return Offered(piece, to, True)
    sealed_to = recipient or goods.recipient_of(to)
    goods.depot.offer(piece.batch, piece.node, to=to, recipient=sealed_to, ends=end_in(goods, days))
    return Offered(piece, to, False)


def print_offered(goods: "Goods", found: Iterable[Offered]) -> None:
    for each in found:
        said = "is offered already to" if each.before else "is offered to"
        what = shown(goods, each.piece)
        click.echo(f"{what[0].upper()}{what[1:]} {said} {goods.name_of(each.to)} (member {each.to}).")


def add_offering(cli: Actor, who_: str) -> None:
    """Adds `offer` and `withdraw`; `who_` is the actor's word and its folder unless `--as` names another."""

    @cli.command(
        "offer",
        help=f"Offer goods to a member; the packs' serials are sealed to it.\n\n{GOODS}",
        epilog=example(
            f"{who_} offer L42A --to member:2", f"{who_} offer L42A/70880 --to member:3 --signed case.offer"
        ),
    )
    @click.argument("goods_", metavar="GOODS...", nargs=-1, required=True)
    @click.option("--to", "to_", required=True, help="The receiver, such as member:2.")
    @days_option
    @click.option(
        "--signed",
        type=click.Path(dir_okay=False),
        help="Send nothing: write an offer, signed, that the receiver brings. For one piece.",
    )
    @as_option(who_)
    @account_option("Who signs")
    @network_options
    def offer(
        goods_: tuple[str, ...],
        to_: str,
        days: int,
        signed: str | None,
        who: str,
        account: str | None,
        network: str,
        store: str | None,
    ) -> None:
        from scripts._progress import counted, working

        to = member_named(to_)
        if signed is not None:
            check_out(signed)
        with at_work(who, network=network, store=store, account=account) as goods:
            pieces = pieces_named(goods, goods_)
            if signed is None:
                print_offered(
                    goods,
                    [offered(goods, each, to=to, days=days) for each in counted(pieces, "Offering", total=len(pieces))],
                )
                return
            if len(pieces) != 1:
                raise Failure("A signed offer is for one piece; write a file for each.")
            [piece] = pieces
            with working("Sealing"):
                made = goods.depot.signed_offer(
                    piece.batch, piece.node, to=to, recipient=goods.recipient_of(to), ends=end_in(goods, days)
                )
            write_file(signed, made.encode())
            click.echo(f"Signed; member {to} brings {signed} within {days} days, and it can be withdrawn until then.")

    @cli.command(
        "withdraw",
        help=f"Take every offer of goods back, signed ones too.\n\n{GOODS}",
        epilog=example(f"{who_} withdraw L42A/70880"),
    )
    @click.argument("goods_", metavar="GOODS...", nargs=-1, required=True)
    @as_option(who_)
    @account_option("Who signs")
    @network_options
    def withdraw(goods_: tuple[str, ...], who: str, account: str | None, network: str, store: str | None) -> None:
        with at_work(who, network=network, store=store, account=account) as goods:
            for piece in pieces_named(goods, goods_):
                goods.depot.withdraw(piece.batch, piece.node)
                click.echo(f"No offer of {shown(goods, piece)} stands any more.")


# -- receiving -------------------------------------------------------------------------------------------------------


def add_receiving(cli: Actor, who_: str) -> None:
    """Adds `receive`; `who_` is the actor's word and its folder unless `--as` names another."""

    @cli.command(
        "receive",
        epilog=example(
            f"{who_} receive",
            f"{who_} receive 3fa2b1c9 --scanned scans.txt",
            f"{who_} receive case.offer",
            f"{who_} receive 3fa2b1c9 --reject",
        ),
    )
    @click.argument("offer", required=False)
    @click.option(
        "--scanned",
        multiple=True,
        help="What arrived: a code, a picture, a file of codes, or - for standard input; the rest is missing.",
    )
    @click.option("--missing", "absent", multiple=True, help="What did not arrive: a code, a picture, a file of codes.")
    @click.option("--reject", is_flag=True, help="Do not take it.")
    @click.option("--not-a-return", is_flag=True, help="Take goods from a pharmacy that never went out from here.")
    @as_option(who_)
    @account_option("Who signs")
    @network_options
    @yes_option
    @json_option
    def receive(
        offer: str | None,
        scanned: tuple[str, ...],
        absent: tuple[str, ...],
        reject: bool,
        not_a_return: bool,
        who: str,
        account: str | None,
        network: str,
        store: str | None,
        yes: bool,
        as_json: bool,
    ) -> None:
        """List what is offered; or take over an OFFER, by its name or a signed offer's file.

        What is missing stays with the giver under its own name. A return is taken only for packs that went out from
        here and were not dispensed.
        """
        with at_work(who, network=network, store=store, account=account) as goods:
            if offer is None:
                _list_offers(goods, as_json=as_json)
                return
            wanted = _wanted(goods, offer)
            if reject:
                _reject(goods, wanted)
                return
            sheet = goods.depot.open_sheet(wanted.open.sheet, batch=wanted.open.batch, node=wanted.open.node)
            if not not_a_return:
                _check_return(goods, wanted.open, sheet)
            _tell_difference(goods, wanted.open, sheet)
            missing = _missing(sheet, scanned, absent)
            _accept(goods, wanted, sheet, missing, yes=yes)


@dataclass(frozen=True)
class _Wanted:
    """An offer that is to be answered, on the chain or in a file."""

    open: "OpenOffer"
    signed: "SignedOffer | None"


def _wanted(goods: "Goods", name: str) -> _Wanted:
    from datetime import UTC, datetime
    from pathlib import Path

    from theriac.medicine.chain import OpenOffer
    from theriac.medicine.depot import SignedOffer, offer_name

    if Path(name).is_file():
        signed = SignedOffer.decode(Path(name).read_bytes()[: 1 << 16])
        terms = signed.terms
        if terms.to != goods.depot.member:
            raise Failure(f"This offer is to member {terms.to}, and this is member {goods.depot.member}.", 3)
        place = goods.depot.state(terms.batch).place(terms.node, now=0)
        if place.holder == goods.depot.member:
            raise Failure("These goods are held here already; 'list' shows them.", 3)
        ends = datetime.fromtimestamp(terms.deadline, UTC)
        return _Wanted(OpenOffer(terms.batch, terms.node, place.holder, terms.to, ends, terms.sheet), signed)
    found = [each for each in goods.depot.offers() if offer_name(each).startswith(name.lower())]
    if len(found) != 1:
        many = f"{len(found)} offers are" if found else "No open offer is"
        raise Failure(f"{many} called {name[:40]}; 'receive' alone lists them, and 'list' what is held already.", 3)
    return _Wanted(found[0], None)


def _list_offers(goods: "Goods", *, as_json: bool) -> None:
    from theriac.errors import BadInput, NotStored, Refused, Tampered
    from theriac.medicine.depot import offer_name

    rows: list[dict[str, Any]] = []
    for each in goods.depot.offers():
        row: dict[str, Any] = {
            "offer": offer_name(each),
            "from": each.giver,
            "name": goods.name_of(each.giver),
            "batch": each.batch.hex(),
            "node": each.node,
            "what": goods.depot.state(each.batch).shape.name_of(each.node),
            "until": each.ends.isoformat(),
            "product": "",
            "lot": "",
            "packs": 0,
            "fault": "",
        }
        try:
            sheet = goods.depot.open_sheet(each.sheet, batch=each.batch, node=each.node)
            row |= {"product": sheet.product.code, "lot": sheet.product.lot, "packs": len(sheet.serials)}
        except (BadInput, NotStored, Refused, Tampered) as fault:
            row["fault"] = str(fault)
        rows.append(row)
    if as_json:
        print_json(rows)
        return
    table(
        [
            (each["offer"], each["name"], each["what"], each["product"], each["lot"], each["packs"], each["until"][:16])
            for each in rows
        ],
        *("offer", "from", "what", "product", "lot", "packs", "until"),
        empty="Nothing is offered.",
    )
    for row in rows:
        if row["fault"]:
            click.echo(f"{row['offer']}: {cleaned(row['fault'])}", err=True)


def _reject(goods: "Goods", wanted: _Wanted) -> None:
    if wanted.signed is not None:
        raise Failure("An offer in a file is refused by not bringing it; nothing was sent.", 3)
    goods.depot.reject(wanted.open)
    click.echo("Refused; the goods stay with their giver.")


def _missing(sheet: "Sheet", scanned: tuple[str, ...], absent: tuple[str, ...]) -> list[int]:
    """The nodes that did not arrive, by what was scanned or by what was said to be missing."""
    from theriac.medicine.depot import missing_nodes

    if not scanned and not absent:
        return []
    if scanned and absent:
        raise Failure("Give what was scanned or what is missing, not both.")
    told = {serial: index for index, serial in sheet.serials.items()}
    found, foreign = set[int](), list[str]()
    for line in lines_of(scanned or absent):
        code = code_on(line)
        if code.serial in told and fits(code, sheet.product):
            found.add(told[code.serial])
        else:
            foreign.append(f"{code.product} {code.serial}")
    for each in foreign:
        click.echo(f"Not of this delivery: {each}; set it aside.", err=True)
    if absent and foreign:
        raise Failure("What is not of this delivery cannot be missing from it; nothing was sent.")
    seen = found if scanned else set(sheet.serials) - found
    if not seen:
        raise Failure("Nothing of it arrived; refuse it with --reject.", 3)
    return missing_nodes(sheet, seen)


def _accept(goods: "Goods", wanted: _Wanted, sheet: "Sheet", missing: list[int], *, yes: bool) -> None:
    from scripts._progress import working
    from theriac.medicine.tree import indexes_of

    gone = sum(sum(index in indexes_of(node) for index in sheet.serials) for node in missing)
    if missing:
        names = ", ".join(f"{sheet.shape.name_of(node)} {node}" for node in missing[:10])
        confirmed(f"{gone} of {plural(len(sheet.serials), 'pack')} missing ({names}). Take over the others?", yes=yes)
    with working("Taking over"):
        if wanted.signed is not None:
            goods.depot.accept_signed(wanted.signed, missing=missing)
        else:
            goods.depot.accept(wanted.open, missing=missing)
    piece = Piece(wanted.open.batch, wanted.open.node)
    stay = f"; {gone} that are missing stay with member {wanted.open.giver}" if missing else ""
    click.echo(f"Took over {shown(goods, piece)}: {plural(len(sheet.serials) - gone, 'pack')}{stay}.")


def _tell_difference(goods: "Goods", offer: "OpenOffer", sheet: "Sheet") -> None:
    """The giver wrote the sheet, and the chain says what changes hands: where the two differ, the receiver is told."""
    from theriac.medicine.tree import indexes_of

    goes, first = goods.depot.state(offer.batch).goes_with(offer.node), indexes_of(offer.node).start
    stays = [serial for index, serial in sheet.serials.items() if not goes[index - first]]
    unnamed = sum(goes[index - first] for index in sheet.hidden)
    if stays:
        click.echo(
            f"Not changing hands, though the giver names it: {plural(len(stays), 'pack')}, such as "
            f"{printable(stays[0])}.",
            err=True,
        )
    if unnamed:
        click.echo(
            f"Changing hands, though the giver did not name it: {plural(unnamed, 'pack')}; ask for the sheet.", err=True
        )


def _check_return(goods: "Goods", offer: "OpenOffer", sheet: "Sheet") -> None:
    """Goods that come back must have gone out from here, and none of them may have been dispensed."""
    state = goods.depot.state(offer.batch)
    place = state.place(offer.node, now=0)
    back = goods.depot.member in (state.maker, place.giver)
    if not back and not _only_dispenses(goods, offer.giver):
        return
    dispensed = [serial for index, serial in sheet.serials.items() if index in state.gone]
    if dispensed:
        raise Failure(
            f"{len(dispensed)} of these packs were dispensed or ended, such as {dispensed[0]}; a return is taken only "
            "for packs that were not. Refuse it with --reject.",
            3,
        )
    out = _went_out(goods, offer.batch)
    strange = [serial for index, serial in sheet.serials.items() if not out[index]]
    if strange:
        raise Failure(
            f"{len(strange)} of these packs never went out from here, such as {strange[0]}, so they cannot come back. "
            "Refuse them with --reject; --not-a-return takes them all the same.",
            3,
        )


def _only_dispenses(goods: "Goods", member: int) -> bool:
    """Whether a member's business is to dispense, so that what it hands on is a return."""
    from theriac.consortium import Role

    contracts = goods.depot.chain.contracts
    roles = Role(contracts.call(contracts.Consortium.functions.memberOf(member))["roles"])
    return Role.PHARMACIST in roles and not roles & (Role.MAKER | Role.DISTRIBUTOR)


def _went_out(goods: "Goods", batch: bytes) -> bytearray:
    """One byte for each place of a batch: 1 where this member handed it over to somebody once."""
    from theriac.medicine.tree import CAPACITY, indexes_of

    found = bytearray(CAPACITY)
    for event in goods.depot.chain.history(batch):
        told = event.arguments
        if event.name != "HandedOver" or told["from"] != goods.depot.member:
            continue
        places = [indexes_of(node) for node in (told["node"], *told["missing"])]
        stayed = [(each, bytes(found[each.start : each.stop])) for each in places[1:]]
        found[places[0].start : places[0].stop] = b"\x01" * len(places[0])
        for each, before in stayed:
            found[each.start : each.stop] = before
    return found


# -- blocking --------------------------------------------------------------------------------------------------------

reason_option = click.option(
    "--reason", type=click.IntRange(0, 65535), default=0, help="A number of docs/protocol/medicine.md."
)


def add_blocking(cli: Actor, who_: str, *, block: str, whose: str) -> None:
    """Adds `quarantine` and `release`.

    `block` is the name of a Block, `whose` what may be named; `who_` the actor's word and its folder unless `--as`
    names another.
    """

    @cli.command(
        "quarantine",
        help=f"Keep goods from going on: {whose}. They can still go back, or end.\n\n{GOODS}",
        epilog=example(f"{who_} quarantine L42A/70880 --reason 1"),
    )
    @click.argument("goods_", metavar="GOODS...", nargs=-1, required=True)
    @reason_option
    @as_option(who_)
    @account_option("Who signs")
    @network_options
    def quarantine(
        goods_: tuple[str, ...], reason: int, who: str, account: str | None, network: str, store: str | None
    ) -> None:
        with at_work(who, network=network, store=store, account=account) as goods:
            for piece in pieces_named(goods, goods_):
                goods.depot.quarantine(piece.batch, piece.node, block=_block(block), reason=reason)
                click.echo(f"In quarantine: {shown(goods, piece)}.")
                if block == "BY_HOLDER":
                    _tell_apart(goods, piece)

    @cli.command(
        "release",
        help=f"Let goods go on that the same party kept.\n\n{GOODS}",
        epilog=example(f"{who_} release L42A/70880"),
    )
    @click.argument("goods_", metavar="GOODS...", nargs=-1, required=True)
    @click.option("--excursion", is_flag=True, help="Clear what a logger blocked: only the maker.")
    @reason_option
    @as_option(who_)
    @account_option("Who signs")
    @network_options
    def release(
        goods_: tuple[str, ...],
        excursion: bool,
        reason: int,
        who: str,
        account: str | None,
        network: str,
        store: str | None,
    ) -> None:
        chosen = "EXCURSION" if excursion else block
        with at_work(who, network=network, store=store, account=account) as goods:
            for piece in pieces_named(goods, goods_):
                goods.depot.release(piece.batch, piece.node, block=_block(chosen), reason=reason)
                click.echo(f"Released: {shown(goods, piece)}.")


def _tell_apart(goods: "Goods", piece: Piece) -> None:
    """What a holder says of goods concerns only what goes with them."""
    from theriac.medicine.chain import parts_of

    state = goods.depot.state(piece.batch)
    apart = [node for node in parts_of(state, piece.node) if state.holds(goods.depot.member, node)]
    if apart:
        one = len(apart) == 1
        many = "1 part of it goes its own way and is" if one else f"{len(apart)} parts of it go their own way and are"
        first = shown(goods, Piece(piece.batch, apart[0]))
        click.echo(f"{many} not in it, such as {first}; name what should be too.", err=True)


def _block(name: str) -> "Block":
    from theriac.medicine.state import Block

    return Block[name]


# -- listing ---------------------------------------------------------------------------------------------------------


def add_list(cli: Actor, who_: str) -> None:
    """Adds `list`; `who_` is the actor's word and its folder unless `--as` names another."""

    @cli.command("list", epilog=example(f"{who_} list", f"{who_} list L42A", f"{who_} list L42A --packs"))
    @click.argument("batch", required=False)
    @click.option("--packs", is_flag=True, help="Each pack, not each case.")
    @as_option(who_)
    @account_option("Who works here")
    @network_options
    @json_option
    def list_(
        batch: str | None, packs: bool, who: str, account: str | None, network: str, store: str | None, as_json: bool
    ) -> None:
        """List the batches that are known here, or the pallets and cases or packs of one."""
        from scripts._goods import batch_named, goods_of

        with goods_of(who, network=network, store=store, account=account, offline=True) as goods:
            if not goods.online:
                click.echo("The chain is out of reach; this is what was known last.", err=True)
            if batch is None:
                rows = [_batch_row(goods, each.batch) for each in goods.depot.shelf.batches()]
            else:
                number = batch_named(goods.depot, batch)
                rows = list(_pack_rows(goods, number) if packs else _part_rows(goods, number))
            if as_json:
                print_json(rows)
                return
            members = {row.get(head) or 0 for row in rows for head in _MEMBERS} - {0}
            names = {member: goods.name_of(member) for member in members}
        heads = list(rows[0]) if rows else ["batch"]
        table([list(_brief(row, names)) for row in rows], *heads, empty="Nothing is known here yet.")


_MEMBERS = ("holder", "offered to")
"""What of a listed row is a member's number; there is none of goods that are not on the chain or not offered."""


def _brief(row: dict[str, Any], names: dict[int, str]) -> Iterator[Any]:
    for name, value in row.items():
        if name in _MEMBERS:
            yield names.get(value, "")
        else:
            yield value[:12] if name == "batch" else value


def _batch_row(goods: "Goods", batch: bytes) -> dict[str, Any]:
    from theriac.medicine.trace import words_of
    from theriac.medicine.tree import BATCH

    known, state = goods.depot.shelf.batch(batch), goods.depot.chain.state(batch)
    row: dict[str, Any] = {
        "batch": batch.hex(),
        "product": known.product.code,
        "lot": known.product.lot,
        "last day": state.last_day.isoformat() if state else str(known.product.expiry or ""),
        "packs": 0,
        "held here": 0,
        "holder": None,
        "standing": "not on the chain yet",
    }
    serials = goods.depot.shelf.serials(batch, BATCH)
    row["packs"] = len(serials)
    if state is not None:
        held, place = state.held_by(goods.depot.member, BATCH), state.place(BATCH, now=0)
        row["held here"] = sum(held[index] for index in serials)
        row["holder"] = place.holder
        row["standing"] = words_of(place.blocks)
    return row


def _part_rows(goods: "Goods", batch: bytes) -> Iterator[dict[str, Any]]:
    """The pallets and cases; where there are none, the packs."""
    from collections import Counter

    from theriac.medicine.tree import BATCH, node_of

    known = goods.depot.shelf.batch(batch)
    serials = goods.depot.shelf.serials(batch, BATCH)
    now = _now(goods)
    heights = [height for height in known.shape.heights[::-1] if 0 < height < 20]
    if not heights:
        yield from _pack_rows(goods, batch)
        return
    for height in heights:
        counts = Counter(node_of(index, height) for index in serials)
        for node, count in sorted(counts.items()):
            yield {"place": f"{_lot(known)}/{node}", "what": known.shape.name_of(node), "packs": count} | _stands(
                goods, batch, node, now=now
            )


def _pack_rows(goods: "Goods", batch: bytes) -> Iterator[dict[str, Any]]:
    from theriac.medicine.tree import BATCH, node_of

    known, state, now = goods.depot.shelf.batch(batch), goods.depot.chain.state(batch), _now(goods)
    for index, serial in goods.depot.shelf.serials(batch, BATCH).rows():
        node = node_of(index)
        row = {"place": f"{_lot(known)}/{node}", "serial": serial, "case": ""}
        if known.shape.case_bits:
            row["case"] = str(node_of(index, known.shape.case_bits))
        row |= _stands(goods, batch, node, now=now)
        if state is not None:
            row["status"] = state.status(index).value
        yield row


def _now(goods: "Goods") -> int:
    """By the chain, whose time decides how long an offer stands; by this machine while it is out of reach."""
    from datetime import UTC, datetime

    return goods.depot.chain.time() if goods.online else int(datetime.now(UTC).timestamp())


def _stands(goods: "Goods", batch: bytes, node: int, *, now: int) -> dict[str, Any]:
    from theriac.medicine.trace import words_of

    state = goods.depot.chain.state(batch)
    if state is None:
        return {"holder": None, "offered to": None, "standing": "not on the chain yet"}
    place = state.place(node, now=now)
    return {"holder": place.holder, "offered to": place.offered_to or None, "standing": words_of(place.blocks)}


def _lot(known: Any) -> str:
    return str(known.product.lot or known.batch.hex()[:12])

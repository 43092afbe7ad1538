"""`ape run auditor`: who follows a pack's way, and a regulator who recalls and blocks."""

from typing import TYPE_CHECKING, Any

import click

from scripts._auditor_readings import add_readings
from scripts._beginning import add_beginnings
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
    yes_option,
)
from scripts._clinic_emergency import add_review
from scripts._handing import reason_option
from scripts._tracing import add_trace
from scripts._verifying import add_check_clone

if TYPE_CHECKING:
    from collections.abc import Callable

    from scripts._goods import Goods
    from scripts._handing import Piece

_GOODS = (
    "GOODS: a batch's number or the beginning of it, NUMBER/NODE for a part, or the CODE or picture of a pack that was "
    "disclosed to this member."
)


@click.group(
    cls=Actor,
    epilog=example(
        'auditor setup --account TEST::6 --name "Medicines Agency"',
        "auditor trace pack.png --sheet pack.sheet --svg way.svg",
        "auditor recall 3fa2b1c9 --reason 1",
    ),
)
def cli() -> None:
    """Follow packs that were disclosed; as a regulator, recall and block goods, whoever holds them.

    Tell the flow of a record, and check who read it, without any key.
    """


add_beginnings(cli, "auditor", name="Medicines Agency", roles="regulator")
add_trace(cli, "auditor")
add_check_clone(cli)
add_readings(cli)
add_review(cli, "auditor")


@cli.command("list", epilog=example("auditor list", "auditor list --maker 1 --json"))
@click.option("--maker", type=click.IntRange(1), help="Only what this member made.")
@as_option("auditor")
@account_option("Who works here")
@network_options
@json_option
def list_(maker: int | None, who: str, account: str | None, network: str, store: str | None, as_json: bool) -> None:
    """List the batches on the ledger: who made them, their last day, what blocks them. What they are is sealed."""
    from scripts._goods import goods_of
    from theriac.medicine.trace import words_of
    from theriac.medicine.tree import BATCH

    rows: list[dict[str, Any]] = []
    with goods_of(who, network=network, store=store, account=account, offline=True) as goods:
        for event in goods.depot.chain.index.events("Batches", "Commissioned"):
            state = goods.depot.state(event.arguments["batch"])
            if maker in (None, state.maker):
                place = state.place(BATCH, now=0)
                rows.append(
                    {
                        "batch": state.batch.hex(),
                        "maker": state.maker,
                        "name": goods.name_of(state.maker),
                        "last day": state.last_day.isoformat(),
                        "holder": place.holder,
                        "standing": words_of(place.blocks),
                    }
                )
    if as_json:
        print_json(rows)
        return
    table(
        [(row["batch"][:16], row["name"], row["last day"], row["holder"], row["standing"]) for row in rows],
        *("batch", "maker", "last day", "holder", "standing"),
        empty="No batch was commissioned yet." if maker is None else f"Member {maker} has commissioned no batch.",
    )


# -- a regulator's acts ----------------------------------------------------------------------------------------------


def _piece(goods: "Goods", word: str) -> "Piece":
    """Goods by a batch's number on the chain, since a regulator holds no sheets; or a pack that was disclosed."""
    from scripts._handing import Piece, lines_of, pack_named
    from theriac.medicine.tree import BATCH, node_of

    text, _, number = word.partition("/")
    wanted = text.lower().removeprefix("0x")
    batches = [bytes(each.arguments["batch"]) for each in goods.depot.chain.index.events("Batches", "Commissioned")]
    found = [batch for batch in batches if len(wanted) >= 4 and batch.hex().startswith(wanted)]
    if len(found) == 1:
        return Piece(found[0], _node(goods, found[0], number) if number else BATCH)
    if found:
        raise Failure(f"{len(found)} batches begin with {wanted[:60]}; give more digits of the number.")
    codes = list(lines_of([word])) if len(word) > 12 or "." in word else []
    if len(codes) != 1:
        raise Failure(f"{word[:60]!r} names no batch and no pack; give a batch's number as 'auditor list' shows it.")
    pack = pack_named(goods, codes[0].raw)
    return Piece(pack.batch, node_of(pack.index))


def _node(goods: "Goods", batch: bytes, number: str) -> int:
    """A part of a batch by its place."""
    from theriac.errors import NoSuchPlace

    node = int(number) if number.isdecimal() and len(number) < 8 else 0
    try:
        goods.depot.state(batch).shape.name_of(node)
    except NoSuchPlace:
        raise Failure(
            f"{number[:40]!r} is no part of batch {batch.hex()[:12]}; write its place, as 'list' shows it to who holds "
            "it, or leave it away for the whole batch."
        ) from None
    return node


def _act(
    goods_: tuple[str, ...],
    question: str,
    said: str,
    act: "Callable[[Goods, Piece], object]",
    *,
    who: str,
    account: str | None,
    network: str,
    store: str | None,
    yes: bool,
) -> None:
    from scripts._handing import at_work, shown

    with at_work(who, network=network, store=store, account=account) as goods:
        pieces = list(dict.fromkeys(_piece(goods, word) for word in goods_))
        names = ", ".join(shown(goods, piece) for piece in pieces[:10])
        confirmed(question.format(names), yes=yes)
        for piece in pieces:
            act(goods, piece)
            click.echo(said.format(shown(goods, piece)))


_ARGUMENT = click.argument("goods_", metavar="GOODS...", nargs=-1, required=True)


@cli.command(
    help=f"Recall goods as a regulator, whoever holds them.\n\n{_GOODS}",
    epilog=example("auditor recall 3fa2b1c9 --reason 1"),
)
@_ARGUMENT
@reason_option
@as_option("auditor")
@account_option("Who acts for the regulator")
@network_options
@yes_option
def recall(
    goods_: tuple[str, ...], reason: int, who: str, account: str | None, network: str, store: str | None, yes: bool
) -> None:
    _act(
        goods_,
        "Recall {}?",
        "Recalled: {}.",
        lambda goods, piece: goods.depot.recall(piece.batch, piece.node, reason=reason),
        who=who,
        account=account,
        network=network,
        store=store,
        yes=yes,
    )


@cli.command(
    "lift-recall",
    help=f"Lift a recall of exactly these goods.\n\n{_GOODS}",
    epilog=example("auditor lift-recall 3fa2b1c9"),
)
@_ARGUMENT
@reason_option
@as_option("auditor")
@account_option("Who acts for the regulator")
@network_options
@yes_option
def lift_recall(
    goods_: tuple[str, ...], reason: int, who: str, account: str | None, network: str, store: str | None, yes: bool
) -> None:
    _act(
        goods_,
        "Lift the recall of {}?",
        "No longer recalled: {}.",
        lambda goods, piece: goods.depot.lift_recall(piece.batch, piece.node, reason=reason),
        who=who,
        account=account,
        network=network,
        store=store,
        yes=yes,
    )


@cli.command(
    help=f"Keep goods from going on, as a regulator.\n\n{_GOODS}",
    epilog=example("auditor quarantine 3fa2b1c9/70880 --reason 1"),
)
@_ARGUMENT
@reason_option
@as_option("auditor")
@account_option("Who acts for the regulator")
@network_options
@yes_option
def quarantine(
    goods_: tuple[str, ...], reason: int, who: str, account: str | None, network: str, store: str | None, yes: bool
) -> None:
    from theriac.medicine.state import Block

    _act(
        goods_,
        "Put {} into quarantine?",
        "In quarantine: {}.",
        lambda goods, piece: goods.depot.quarantine(piece.batch, piece.node, block=Block.BY_REGULATOR, reason=reason),
        who=who,
        account=account,
        network=network,
        store=store,
        yes=yes,
    )


@cli.command(
    help=f"Let goods go on that a regulator kept.\n\n{_GOODS}", epilog=example("auditor release 3fa2b1c9/70880")
)
@_ARGUMENT
@reason_option
@as_option("auditor")
@account_option("Who acts for the regulator")
@network_options
@yes_option
def release(
    goods_: tuple[str, ...], reason: int, who: str, account: str | None, network: str, store: str | None, yes: bool
) -> None:
    from theriac.medicine.state import Block

    _act(
        goods_,
        "Release {}?",
        "Released: {}.",
        lambda goods, piece: goods.depot.release(piece.batch, piece.node, block=Block.BY_REGULATOR, reason=reason),
        who=who,
        account=account,
        network=network,
        store=store,
        yes=yes,
    )


@cli.command(
    help=f"List what a recall touches: packs that were dispensed, and the claims for them by pseudonym.\n\n{_GOODS}",
    epilog=example("auditor touched 3fa2b1c9", "auditor touched 3fa2b1c9/70880 --json"),
)
@click.argument("goods_", metavar="GOODS")
@as_option("auditor")
@account_option("Who works here")
@network_options
@json_option
def touched(goods_: str, who: str, account: str | None, network: str, store: str | None, as_json: bool) -> None:
    from scripts._covering import cover_of
    from scripts._goods import goods_of
    from theriac.cover.recalling import touched as dispensed

    with (
        goods_of(who, network=network, store=store, account=account) as goods,
        cover_of(goods.site, goods.person.folder) as cover,
    ):
        piece = _piece(goods, goods_)
        rows = [
            {
                "pack": each.index,
                "member": each.member,
                "name": goods.name_of(each.member),
                "claims": [{"claim": claim.id.hex(), "pseudonym": claim.claim.pseudonym} for claim in each.claims],
            }
            for each in dispensed(goods.depot.chain, cover, piece.batch, piece.node)
        ]
    if as_json:
        print_json(rows)
        return
    table(
        [
            (row["pack"], row["name"], ", ".join(claim["pseudonym"] for claim in row["claims"]) or "no claim")
            for row in rows
        ],
        *("pack", "dispensed by", "claimed under"),
        empty="Nothing of it was dispensed.",
    )


# -- claims ----------------------------------------------------------------------------------------------------------


@cli.command(epilog=example("auditor claim 7be1 -o claim.json"))
@click.argument("claim")
@click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The file to write.")
@as_option("auditor")
@account_option("Who works here")
@network_options
def claim(claim: str, out: str, who: str, account: str | None, network: str, store: str | None) -> None:
    """Write the dossier of a CLAIM: terms, consent, the decision step by step, and proofs that the chain keeps it.

    Codes and names are not in it: it has what the chain has. Whoever gets it checks it with 'verify-claim', offline.
    """
    from scripts._cli import check_out, write_file
    from scripts._judging import dossier
    from scripts._member import desk_of

    check_out(out)
    with desk_of(who, network=network, store=store, account=account) as desk:
        made, number = dossier(desk, claim)
    write_file(out, made.encode())
    click.echo(f"Wrote {out}, the dossier of claim {number.hex()}.")
    if made.proof is not None:
        click.echo(f"It stands under block {made.proof.number}, 0x{made.proof.block_hash.hex()}.")


@cli.command("verify-claim", epilog=example("auditor verify-claim claim.json --claim 7be1... --block-hash 0x4f2c..."))
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--claim", "number", required=True, help="The claim's number of 64 digits: what the dossier is to be about."
)
@click.option("--block-hash", default=None, help="The hash of its block, from a source that you trust.")
@click.option("--contract", default=None, help="The address of the consortium's contract Claims, as you know it.")
def verify_claim(file: str, number: str, block_hash: str | None, contract: str | None) -> None:
    """Check a claim's dossier in FILE without a chain, step by step; exit code 5 where it does not hold."""
    from eth_utils.address import is_address, to_checksum_address

    from scripts._covering import read
    from scripts._prescribing import numbered
    from theriac.cover.dossier import Dossier

    if contract is not None and not is_address(contract):
        raise Failure(f"{contract[:60]!r} is no address of a contract.")
    dossier = Dossier.decode(read(file))
    trusted = numbered(block_hash) if block_hash is not None else None
    known = to_checksum_address(contract) if contract is not None else None
    click.echo(dossier.verify(numbered(number), block_hash=trusted, contract=known))
    click.echo(f"Kept by the contract {dossier.domain.contract}; made and signed by {dossier.author}.")


@cli.command(epilog=example("auditor refutations"))
@as_option("auditor")
@account_option("Who works here")
@network_options
@json_option
def refutations(who: str, account: str | None, network: str, store: str | None, as_json: bool) -> None:
    """List what insurers refuted whose plans name this member as their arbiter."""
    from scripts._judging import refutations as refuted
    from scripts._member import desk_of

    with desk_of(who, network=network, store=store, account=account) as desk:
        rows = [(each.id.hex(), each.state.provider, status.word) for each, status in refuted(desk)]
    if as_json:
        print_json([{"claim": number, "provider": provider, "stands": word} for number, provider, word in rows])
        return
    table(
        [(number[:16], f"member {provider}", word) for number, provider, word in rows],
        *("claim", "provider", "stands"),
        empty="Nothing was refuted.",
    )


@cli.command("read-refutation", epilog=example("auditor read-refutation 7be1"))
@click.argument("claim")
@as_option("auditor")
@account_option("Who works here")
@network_options
def read_refutation(claim: str, who: str, account: str | None, network: str, store: str | None) -> None:
    """Print what an insurer sealed to this arbiter about a refuted CLAIM, as JSON."""
    from scripts._judging import read_refutation as read_sealed
    from scripts._member import desk_of

    with desk_of(who, network=network, store=store, account=account) as desk:
        print_json(read_sealed(desk, claim))


@cli.command(epilog=example("auditor rule 7be1 --for insurer"))
@click.argument("claim")
@click.option("--for", "side", required=True, type=click.Choice(["insurer", "provider"]), help="Who is right.")
@as_option("auditor")
@account_option("Who rules")
@network_options
@yes_option
def rule(claim: str, side: str, who: str, account: str | None, network: str, store: str | None, yes: bool) -> None:
    """Rule about a refuted CLAIM: the amount that is withheld goes back to the plan, or to the provider."""
    from scripts._judging import ruled
    from scripts._member import desk_of

    with desk_of(who, network=network, store=store, account=account) as desk:
        confirmed(f"Rule for the {side}? It is final.", yes=yes)
        ruled(desk, claim, for_insurer=side == "insurer")
    click.echo(f"Ruled for the {side}.")

"""What a logger's report blocks of what a pharmacy holds."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from pharmacy_town import PRODUCT, Market, code

from theriac.medicine.state import Block
from theriac.medicine.tree import node_of


def test_log__of_a_lot__blocks_what_stands_apart_too_and_stumbles_over_nothing_that_is_gone(
    market: Market, folder: Path
) -> None:
    town = market
    # given: a case, two packs that were kept by themselves and released, and one of these dispensed
    for number in (0, 1):
        town.done("pharmacy", "quarantine", code(number), "--as", "north")
        town.done("pharmacy", "release", code(number), "--as", "north")
    town.done("pharmacy", "dispense", code(1), "--as", "north")
    town.done("maker", "set-limit", "L42A", "--low", "2", "--high", "8", "--minutes", "30", "--kinetic", "8")
    town.done("board", "renew", "2", "--roles", "pharmacist,device", "--until", "2040-01-01")
    out = str(folder / "logger.join")
    town.done(
        *("pharmacy", "join-request", "--as", "north", "--account", "TEST::8", "--member", "2", "--roles", "device"),
        *("-o", out),
    )
    town.done("pharmacy", "take-on", "--as", "north", out)
    town.done("pharmacy", "allow-cold-chain", "--as", "north", "--yes")
    now = datetime.fromtimestamp(town.chain.now(), UTC)
    readings = [f"{(now - timedelta(minutes=10 * each)).isoformat()},12.5" for each in range(6)]
    (folder / "fridge.csv").write_text("\n".join(readings) + "\n")

    # when
    words = ("log", str(folder / "fridge.csv"), "--goods", PRODUCT.lot, "--logger", "TEST::8", "--as", "north")
    said = town.done("pharmacy", *words)

    # then
    assert said.out.count("Blocked: ") == 2
    with town.goods("north") as goods:
        chain = goods.depot.chain
        found = [chain.place(town.batch, node_of(town.place(number)))["blocks"] for number in range(10)]
    assert [found[0], *found[2:]] == [Block.EXCURSION] * 9

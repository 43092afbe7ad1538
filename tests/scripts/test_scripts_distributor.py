"""`ape run distributor`: taking over with what was scanned, splitting, checking cases, returns."""

import json
from collections.abc import Iterator
from datetime import date
from itertools import count
from pathlib import Path

import pytest
from goods_town import EXPIRY, GTIN, code, packs_csv, serial
from scripts_town import Town

from theriac.medicine import gs1
from theriac.medicine.packid import PackCode, Scheme

LOTS = count(3)

OFFERED, HELD = "W1", "W2"


@pytest.fixture(scope="module")
def stocked(wholesale: Town) -> Town:
    """Two lots of twelve packs, four in a case, that the maker offered to the distributor; it took the second over."""
    for name in (OFFERED, HELD):
        packs = packs_csv(wholesale.folder / "packs.csv", lot=name)
        wholesale.done("maker", "commission", packs)
        wholesale.done("maker", "offer", name, "--to", "member:2")
    wholesale.done("distributor", "receive", offer_of(wholesale, HELD))
    return wholesale


@pytest.fixture
def town(stocked: Town) -> Iterator[Town]:
    with stocked.undone():
        yield stocked


@pytest.fixture
def lot(town: Town) -> str:
    """What is offered to the distributor."""
    return OFFERED


@pytest.fixture
def held(town: Town) -> str:
    """What the distributor took over."""
    return HELD


def offer_of(town: Town, lot: str, who: str = "distributor") -> str:
    """The name of the latest offer of a lot to a member."""
    rows = town.done("distributor", "receive", "--as", who, "--json").json
    return [row["offer"] for row in rows if row["lot"] == lot][-1]


def holders(town: Town, lot: str, who: str = "maker") -> dict[str, int]:
    """Who holds each pack, by serial."""
    rows = town.done("distributor", "list", lot, "--packs", "--as", who, "--json").json
    return {row["serial"]: row["holder"] for row in rows}


def case(lot: str, number: int) -> str:
    """The case in which a pack lies."""
    return f"case:{code(lot, number)}"


# -- receiving -------------------------------------------------------------------------------------------------------


def test_receive__lists_what_is_offered_and_what_it_is(town: Town, lot: str) -> None:
    rows = [row for row in town.done("distributor", "receive", "--json").json if row["lot"] == lot]

    [row] = rows
    assert (row["from"], row["name"], row["what"], row["product"], row["packs"]) == (
        1,
        "Alpine Pharma",
        "batch",
        GTIN,
        12,
    )


def test_receive__all_of_it(town: Town, lot: str) -> None:
    said = town.done("distributor", "receive", offer_of(town, lot))

    assert said.out == f"Took over batch {lot}: 12 packs.\n"
    assert set(holders(town, lot).values()) == {2}


def test_receive__what_was_not_scanned_is_missing_as_whole_cases_and_packs(town: Town, lot: str, folder: Path) -> None:
    # given: scans of the first case but for a pack, nothing of the second, all of the third, and one of nobody
    numbers = [0, 1, 3, *range(8, 12)]
    lines = [code(lot, number) for number in numbers] + [f"(01){GTIN}(21)STRANGER(10){lot}"]
    (folder / "scans.txt").write_text("\n".join(lines))

    said = town.done("distributor", "receive", offer_of(town, lot), "--scanned", str(folder / "scans.txt"), "--yes")

    assert said.out == f"Took over batch {lot}: 7 packs; 5 that are missing stay with member 1.\n"
    assert said.err == f"Not of this delivery: {GTIN} STRANGER; set it aside.\n"
    found = holders(town, lot)
    assert {name for name, holder in found.items() if holder == 2} == {serial(lot, number) for number in numbers}
    assert set(found.values()) == {1, 2}


def test_receive__asks_before_it_takes_over_less(town: Town, lot: str) -> None:
    before = town.chain.web3.eth.block_number

    said = town.run("distributor", "receive", offer_of(town, lot), "--missing", code(lot, 0))

    assert (said.code, town.chain.web3.eth.block_number) == (1, before)


@pytest.mark.parametrize(
    ("words", "exit_code", "sentence"),
    [
        (("--scanned", "{other}"), 3, "Nothing of it arrived"),
        (("--missing", "{other}"), 2, "cannot be missing from it"),
        (("--missing", "{mine}", "--scanned", "{mine}"), 2, "not both"),
        (("--scanned", "scribble"), 2, "scan"),
        (("--scanned", "scans.txt"), 2, "There is no file scans.txt"),
        (("--scanned", "docs"), 2, "There is no file docs"),
        (("--scanned", "{file}"), 2, "Line 3 of {file}: "),
    ],
    ids=["nothing", "a foreign one missing", "both", "no code", "no file", "a folder", "a bad line"],
)
def test_receive__what_cannot_be_meant_sends_nothing(
    town: Town, folder: Path, lot: str, words: tuple[str, ...], exit_code: int, sentence: str
) -> None:
    (folder / "scans.txt").write_text(f"\ufeff{code(lot, 0)}\r\n\r\nscribble\r\n")
    offer, before = offer_of(town, lot), town.chain.web3.eth.block_number
    filled = [word.format(mine=code(lot, 0), other=code("ELSEWHERE", 0), file=folder / "scans.txt") for word in words]

    said = town.run("distributor", "receive", offer, *filled, "--yes")

    assert (said.code, sentence.format(file=folder / "scans.txt") in said.err) == (exit_code, True), said.err
    assert town.chain.web3.eth.block_number == before


def test_receive__a_rejected_offer_is_gone(town: Town, lot: str) -> None:
    offer = offer_of(town, lot)

    town.done("distributor", "receive", offer, "--reject")

    again = town.run("distributor", "receive", offer)
    assert (again.code, "No open offer is called" in again.err) == (3, True)
    assert set(holders(town, lot).values()) == {1}


def test_receive__a_signed_offer_is_brought_by_its_receiver(town: Town, held: str, folder: Path) -> None:
    file = str(folder / "case.offer")
    town.done("distributor", "offer", case(held, 0), "--to", "3", "--signed", file)

    other = town.run("distributor", "receive", file, "--as", "other")
    said = town.done("distributor", "receive", file, "--as", "pharmacy")
    again = town.run("distributor", "receive", file, "--as", "pharmacy")

    assert (other.code, "This offer is to member 3" in other.err) == (3, True)
    assert "4 packs" in said.out
    assert (again.code, again.sentences) == (3, ["These goods are held here already; 'list' shows them."])


def test_receive__a_file_that_is_no_offer_is_refused(town: Town, folder: Path) -> None:
    (folder / "no.offer").write_text("hello")

    said = town.run("distributor", "receive", str(folder / "no.offer"))

    assert (said.code, len(said.sentences)) == (2, 1)


def test_withdraw__ends_a_signed_offer_too(town: Town, held: str, folder: Path) -> None:
    file = str(folder / "case.offer")
    town.done("distributor", "offer", case(held, 0), "--to", "3", "--signed", file)
    town.done("distributor", "withdraw", case(held, 0))

    said = town.run("distributor", "receive", file, "--as", "pharmacy")

    assert (said.code, "WrongMoves" in said.err) == (3, True)


# -- splitting -------------------------------------------------------------------------------------------------------


def plan(folder: Path, *rows: tuple[str, str]) -> str:
    path = folder / "plan.csv"
    path.write_text("\n".join(["to;goods", *(f"{to};{goods}" for goods, to in rows)]))
    return str(path)


def test_split__offers_each_part_to_its_receiver_once(town: Town, held: str, folder: Path) -> None:
    path = plan(folder, (case(held, 0), "member:3"), (case(held, 4), "5"), (code(held, 8), "3"))

    town.done("distributor", "split", path)
    before = town.chain.web3.eth.block_number
    again = town.done("distributor", "split", path)

    assert (again.out.count("is offered already"), town.chain.web3.eth.block_number) == (3, before)
    assert [
        row["packs"]
        for row in town.done("distributor", "receive", "--as", "other", "--json").json
        if row["lot"] == held
    ] == [4]
    rows = town.done("distributor", "receive", "--as", "pharmacy", "--json").json
    assert sorted(row["packs"] for row in rows if row["lot"] == held) == [1, 4]


def test_split__is_checked_as_a_whole_before_anything_is_offered(town: Town, held: str, folder: Path) -> None:
    before = town.chain.web3.eth.block_number
    bad = {
        "stands twice": [(case(held, 0), "3"), (code(held, 1), "5")],
        "Line 3": [(case(held, 0), "3"), ("NOLOT", "5")],
        "names no member": [(case(held, 0), "somebody")],
        "has 3 columns": [(case(held, 0), "3;x")],
    }
    for sentence, rows in bad.items():
        # The goods stand last in a line: what follows them is a column more.
        path = plan(folder, *[(goods, to.partition(";")[0]) for goods, to in rows])
        if sentence == "has 3 columns":
            Path(path).write_text(Path(path).read_text() + ";x")
        said = town.run("distributor", "split", path)
        assert (said.code in (2, 3), sentence in said.err) == (True, True), said.err
    (folder / "empty.csv").write_text("")
    assert town.run("distributor", "split", str(folder / "empty.csv")).code == 2
    assert town.chain.web3.eth.block_number == before


def test_split__reads_what_a_spreadsheet_writes_and_codes_as_they_are_scanned(
    town: Town, held: str, folder: Path
) -> None:
    product = PackCode(Scheme.GTIN, GTIN, serial(held, 4), lot=held, expiry=date.fromisoformat(EXPIRY))
    rows = ['"goods";"to"', f'"{case(held, 0)}";"3"', f"{gs1.write(product)};5"]
    (folder / "plan.csv").write_bytes("\ufeff".encode() + "\r\n".join(rows).encode())

    said = town.done("distributor", "split", str(folder / "plan.csv"), "--dry-run", "--json").json

    assert [row["to"] for row in said] == [3, 5]


def test_split__a_field_that_never_ends_is_refused_in_a_sentence(town: Town, held: str, folder: Path) -> None:
    (folder / "plan.csv").write_text("goods,to\n" + "A" * 200_000 + ",3\n")

    said = town.run("distributor", "split", str(folder / "plan.csv"))

    assert (said.code, len(said.sentences), "cannot be read as CSV" in said.err) == (2, 1, True), said.err


def test_split__a_quote_that_never_ends_is_refused(town: Town, held: str, folder: Path) -> None:
    (folder / "plan.csv").write_text(f'goods,to\n{held},"3')

    said = town.run("distributor", "split", str(folder / "plan.csv"), "--dry-run")

    assert (said.code, len(said.sentences), "cannot be read as CSV" in said.err) == (2, 1, True), said.err


def test_split__of_what_another_holds_is_refused(town: Town, held: str, folder: Path) -> None:
    town.done("distributor", "offer", case(held, 0), "--to", "5")
    town.done("distributor", "receive", offer_of(town, held, "other"), "--as", "other")

    said = town.run("distributor", "split", plan(folder, (case(held, 0), "3")))

    assert (said.code, "is held by member 5" in said.err) == (3, True)


# -- listing ---------------------------------------------------------------------------------------------------------


def test_list__names_holders_and_receivers_and_no_member_where_nothing_is_offered(town: Town, held: str) -> None:
    town.done("distributor", "offer", case(held, 0), "--to", "3")

    shown = town.done("distributor", "list", held).out.splitlines()
    rows = town.done("distributor", "list", held, "--json").json

    cases = [line.split("  ") for line in shown if " case " in line]
    assert sorted([cell.strip() for cell in line if cell][3:] for line in cases) == [
        ["River Wholesale"],
        ["River Wholesale"],
        ["River Wholesale", "Corner Pharmacy"],
    ]
    offered = [row["offered to"] for row in rows if row["what"] == "case"]
    assert sorted(offered, key=str) == [3, None, None]
    assert {row["holder"] for row in rows} == {2}


def test_list__an_offer_that_is_over_by_the_chains_time_is_none(town: Town, held: str) -> None:
    town.done("distributor", "offer", case(held, 0), "--to", "3", "--days", "1")
    with town.chain.undone():
        town.chain.at(town.chain.now() + 2 * 86_400)
        rows = town.done("distributor", "list", held, "--json").json

    assert {row["offered to"] for row in rows} == {None}


# -- what is in a case -----------------------------------------------------------------------------------------------


def test_aggregate__says_what_is_missing_foreign_and_taken_out(town: Town, held: str, folder: Path) -> None:
    # given: a case from which one pack went to the pharmacy
    town.done("distributor", "offer", code(held, 3), "--to", "3")
    town.done("distributor", "receive", offer_of(town, held, "pharmacy"), "--as", "pharmacy")
    scans = ["--scanned", code(held, 0), "--scanned", code(held, 1), "--scanned", code(held, 4)]

    said = town.run("distributor", "aggregate", case(held, 0), *scans, "--json")

    found = json.loads(said.out)
    assert said.code == 3
    assert {row["serial"]: row["found"] for row in found["packs"]} == {
        serial(held, 0): "found",
        serial(held, 1): "found",
        serial(held, 2): "missing",
        serial(held, 3): "taken out",
    }
    assert (found["missing"], found["foreign"]) == ([serial(held, 2)], [f"{GTIN} {serial(held, 4)}"])


def test_aggregate__writes_a_packing_event_that_others_read(town: Town, held: str, folder: Path) -> None:
    from theriac.medicine.epcis import Packing
    from theriac.medicine.epcis_read import read

    town.done("distributor", "aggregate", case(held, 0), "--epcis", str(folder / "packed.json"))

    [step] = read((folder / "packed.json").read_bytes()).steps
    assert isinstance(step, Packing)
    assert sorted(item.serial for item in step.items) == [serial(held, number) for number in range(4)]


def test_aggregate__a_file_that_cannot_be_written_is_told_before_anything_is_asked(town: Town, folder: Path) -> None:
    (folder / "file").write_text("")

    said = town.run("distributor", "aggregate", "case:nothing", "--epcis", str(folder / "file" / "packed.json"))

    assert (said.code, said.sentences) == (
        2,
        [f"{folder}/file/packed.json cannot be written: {folder}/file is no folder; name another file."],
    )


@pytest.mark.parametrize(
    "words",
    [("epcis", "anchor", "-o"), ("offer", "{lot}", "--to", "3", "--signed")],
    ids=["proofs", "a signed offer"],
)
def test_out__that_cannot_be_written__sends_and_stores_nothing(
    town: Town, held: str, folder: Path, words: tuple[str, ...]
) -> None:
    def kept() -> tuple[int, int]:
        home = Path(town.settings["THERIAC_HOME"])
        stored = sum(1 for path in home.rglob("*") if path.is_file() and "store" in path.parts)
        return town.chain.web3.eth.block_number, stored

    (folder / "file").write_text("")
    before = kept()

    said = town.run("distributor", *[word.format(lot=held) for word in words], str(folder / "file" / "out"))

    assert (said.code, len(said.sentences), "cannot be written" in said.err, kept()) == (2, 1, True, before)


# -- returns ---------------------------------------------------------------------------------------------------------


def test_return__goes_to_who_gave_it_and_is_taken_back(town: Town, held: str) -> None:
    town.done("distributor", "offer", case(held, 0), "--to", "3")
    town.done("distributor", "receive", offer_of(town, held, "pharmacy"), "--as", "pharmacy")

    said = town.done("distributor", "return", code(held, 0), "--as", "pharmacy")
    town.done("distributor", "receive", offer_of(town, held))

    assert "River Wholesale (member 2)" in said.out
    assert holders(town, held)[serial(held, 0)] == 2


def test_return__to_the_maker_past_the_giver(town: Town, held: str) -> None:
    town.done("distributor", "offer", case(held, 0), "--to", "3")
    town.done("distributor", "receive", offer_of(town, held, "pharmacy"), "--as", "pharmacy")

    town.done("distributor", "return", code(held, 0), "--to-maker", "--as", "pharmacy")
    town.done("maker", "receive", offer_of(town, held, "maker"))

    assert holders(town, held)[serial(held, 0)] == 1


def test_receive__a_pack_that_never_went_out_from_here_is_no_return(town: Town, held: str) -> None:
    # given: a pharmacy that got a case from the first wholesaler, and offers a pack of it to the second
    town.done("distributor", "offer", case(held, 0), "--to", "3")
    town.done("distributor", "receive", offer_of(town, held, "pharmacy"), "--as", "pharmacy")
    town.done("distributor", "offer", code(held, 0), "--to", "5", "--as", "pharmacy")
    offer = offer_of(town, held, "other")

    refused = town.run("distributor", "receive", offer, "--as", "other")
    taken = town.done("distributor", "receive", offer, "--as", "other", "--not-a-return")

    assert (refused.code, "never went out from here" in refused.err) == (3, True)
    assert taken.out.endswith(": 1 pack.\n")


def test_receive__a_dispensed_pack_is_no_return(town: Town, held: str) -> None:
    """A giver whose sheet tells a pack as if it were in stock is not believed."""
    import os

    from scripts._goods import goods_of
    from theriac.medicine.tree import node_of

    # given: a pharmacy that dispensed one pack of a case and signs an offer of the case with all of it in its sheet
    town.done("distributor", "offer", case(held, 0), "--to", "3")
    town.done("distributor", "receive", offer_of(town, held, "pharmacy"), "--as", "pharmacy")
    before = dict(os.environ)
    os.environ.update(town.settings)
    try:
        with goods_of("pharmacy", network=town.settings["THERIAC_NETWORK"], store=None) as goods:
            depot = goods.depot
            [pack] = depot.shelf.find(GTIN, serial(held, 0))
            node = node_of(pack.index, depot.shelf.batch(pack.batch).shape.case_bits)
            depot.state(pack.batch).gone.clear()
            offer = depot.signed_offer(pack.batch, node, to=2, recipient=goods.recipient_of(2))
            depot.dispense_many([pack])
    finally:
        os.environ.clear()
        os.environ.update(before)
    path = town.folder / "lying.offer"
    path.write_bytes(offer.encode())

    # then
    said = town.run("distributor", "receive", str(path))
    assert (said.code, "were dispensed or ended" in said.err) == (3, True), said.err


def test_receive__what_a_maker_wrote_to_steer_a_terminal__is_not_shown(town: Town) -> None:
    # given: a maker with a client of its own, whose lot and serials are commands of a terminal
    from datetime import UTC, date, datetime, timedelta

    from scripts._goods import goods_of
    from theriac.medicine.depot import Order
    from theriac.medicine.packs import Product, cases_of
    from theriac.medicine.state import End
    from theriac.medicine.tree import BATCH, Shape

    title = "\x1b]0;all is well\x07"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in town.settings.items():
            patch.setenv(name, value)
        with goods_of("maker", network=town.settings["THERIAC_NETWORK"], store=None) as goods:
            depot, shape = goods.depot, Shape(2, 2)
            product = Product(GTIN, f"{title}{next(LOTS)}", date(2040, 6, 30))
            serials = [f"{title}{number}" for number in range(4)]
            batch = depot.commission(Order(product, shape, cases_of(4, shape), serials, date(2040, 6, 30)))
            pack = depot.shelf.find(GTIN, serials[0])[0]
            ends = datetime.fromtimestamp(depot.chain.time(), UTC) + timedelta(days=1)
            # Its sheet names a pack that does not go along, so that this is said with its serial.
            sheet = depot.store.put(depot.shelf.sheet(batch, BATCH).sealing_reader(to=goods.recipient_of(2))).digest
            depot.end([pack], End.DESTROYED)
            depot._send("offer", batch, BATCH, 2, int(ends.timestamp()), sheet)

    # when
    name = next(row["offer"] for row in town.done("distributor", "receive", "--json").json if title in row["lot"])
    said = [
        town.run("distributor", "receive"),
        town.run("distributor", "receive", name),
        town.run("distributor", "quarantine", batch.hex()),
    ]

    # then
    assert [each for each in said if "\x1b" in each.out + each.err or "\x07" in each.out + each.err] == []
    assert "Not changing hands, though the giver names it: 1 pack, such as" in said[1].err
    assert "In quarantine" in said[2].out


# -- blocking --------------------------------------------------------------------------------------------------------


def test_quarantine__keeps_goods_until_they_are_released(town: Town, held: str) -> None:
    town.done("distributor", "quarantine", case(held, 0), "--reason", "2")

    refused = town.run("distributor", "offer", case(held, 0), "--to", "3")
    town.done("distributor", "release", case(held, 0))
    town.done("distributor", "offer", case(held, 0), "--to", "3")

    assert (refused.code, "IsBlocked" in refused.err) == (3, True)


def test_quarantine__of_a_lot__tells_what_of_it_goes_its_own_way(town: Town, held: str) -> None:
    # given: a pack that was kept once, and so has a holder of its own since
    town.done("distributor", "quarantine", code(held, 0))
    town.done("distributor", "release", code(held, 0))

    # when
    said = town.done("distributor", "quarantine", held)
    whole = town.done("distributor", "quarantine", code(held, 0))

    # then
    assert (said.out, said.err.count("1 part of it goes its own way")) == (f"In quarantine: batch {held}.\n", 1)
    assert f"pack {held}/" in said.err
    assert whole.err == ""


def test_quarantine__of_what_another_holds_is_refused(town: Town, held: str) -> None:
    town.done("distributor", "offer", case(held, 0), "--to", "3")
    town.done("distributor", "receive", offer_of(town, held, "pharmacy"), "--as", "pharmacy")

    said = town.run("distributor", "quarantine", case(held, 0))

    assert (said.code, "NotTheHolder" in said.err) == (3, True)


def test_offer__what_a_lot_is_not_known_of_says_so(town: Town) -> None:
    said = town.run("distributor", "offer", f"(01){GTIN}(21)X1(17){EXPIRY[2:].replace('-', '')}", "--to", "3")

    assert (said.code, "is unknown here" in said.err) == (3, True)


def test_offer__to_a_member_that_there_is_not_says_so(town: Town, held: str) -> None:
    said = town.run("distributor", "offer", case(held, 0), "--to", "member:77")

    assert (said.code, said.sentences) == (2, ["There is no member 77; 'board list' shows those that there are."])

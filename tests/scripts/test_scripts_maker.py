"""`ape run maker`: commissioning from lists and counts, again after a crash, labels, recalls."""

import csv
import json
import os
import signal
from pathlib import Path

import pytest
from goods_town import EXPIRY, GTIN, code, packs_csv, serial
from ready_python import Started
from scripts_town import Town

from theriac.medicine import gs1
from theriac.medicine.symbols import read_symbols


@pytest.fixture(scope="module")
def town(wholesale: Town) -> Town:
    return wholesale


def batches(town: Town, lot: str) -> list[str]:
    """The batches of a lot that are on the chain."""
    rows = town.done("maker", "list", "--json").json
    return [row["batch"] for row in rows if row["lot"] == lot and row["standing"] != "not on the chain yet"]


def rows_of(path: str) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


# -- from a list -----------------------------------------------------------------------------------------------------


def test_commission__says_where_each_pack_of_a_list_lies(town: Town, folder: Path) -> None:
    path = packs_csv(folder / "packs.csv", lot="LIST", count=12, case=4)

    said = town.done("maker", "commission", path, "-o", str(folder / "placed.csv"), "--json").json

    [row] = said["batches"]
    placed = rows_of(str(folder / "placed.csv"))
    assert (row["packs"], row["said"], batches(town, "LIST")) == (12, "commissioned", [row["batch"]])
    assert [each["serial"] for each in placed] == [serial("LIST", number) for number in range(12)]
    assert {each["batch"] for each in placed} == {row["batch"]}
    cases = {each["case"]: {other["case node"] for other in placed if other["case"] == each["case"]} for each in placed}
    assert list(cases) == ["C0", "C1", "C2"]
    assert all(len(nodes) == 1 for nodes in cases.values())
    assert len(set.union(*cases.values())) == 3
    assert {each["pallet node"] for each in placed[:8]} != {each["pallet node"] for each in placed[8:]}


def test_commission__the_same_list_again_commissions_nothing(town: Town, folder: Path) -> None:
    path = packs_csv(folder / "packs.csv", lot="TWICE")
    town.done("maker", "commission", path)
    before = town.chain.web3.eth.block_number

    said = town.done("maker", "commission", path, "--json").json

    assert [(row["packs"], row["said"]) for row in said["batches"]] == [(12, "commissioned before")]
    assert town.chain.web3.eth.block_number == before


def test_commission__what_was_added_to_a_list_is_commissioned_alone(town: Town, folder: Path) -> None:
    town.done("maker", "commission", packs_csv(folder / "packs.csv", lot="MORE", count=8))
    longer = packs_csv(folder / "packs.csv", lot="MORE", count=16)

    said = town.done("maker", "commission", longer, "-o", str(folder / "placed.json"), "--json").json

    assert [(row["packs"], row["said"]) for row in said["batches"]] == [
        (8, "commissioned before"),
        (8, "commissioned"),
    ]
    placed = json.loads((folder / "placed.json").read_text())
    assert (len(placed), len({row["batch"] for row in placed})) == (16, 2)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"], ids=["comma", "semicolon", "tab", "bar"])
def test_commission__finds_out_how_a_list_is_written(town: Town, folder: Path, delimiter: str) -> None:
    lot = f"D{ord(delimiter)}"
    path = Path(packs_csv(folder / "packs.csv", lot=lot, delimiter=delimiter))
    path.write_text("\ufeff" + path.read_text().replace("\n", "\r\n") + delimiter * 5 + "\r\n\r\n")

    said = town.done("maker", "commission", str(path), "--json").json

    assert [row["packs"] for row in said["batches"]] == [12]


def test_commission__several_lots_in_a_list_are_a_batch_each(town: Town, folder: Path) -> None:
    first = Path(packs_csv(folder / "a.csv", lot="MIX1"))
    second = Path(packs_csv(folder / "b.csv", lot="MIX2", count=4))
    first.write_text(first.read_text() + second.read_text().partition("\n")[2])

    said = town.done("maker", "commission", str(first), "--json").json

    assert [(row["lot"], row["packs"]) for row in said["batches"]] == [("MIX1", 12), ("MIX2", 4)]


def test_commission__packs_without_cases_lie_anywhere_alone(town: Town, folder: Path) -> None:
    lines = [f"{GTIN},LOOSE,{EXPIRY},{serial('LOOSE', number)}" for number in range(3)]
    (folder / "packs.csv").write_text("\n".join(["gtin,lot,expiry,serial", *lines]))

    town.done("maker", "commission", str(folder / "packs.csv"), "-o", str(folder / "placed.csv"))

    assert [row["case node"] for row in rows_of(str(folder / "placed.csv"))] == ["", "", ""]
    assert [row["what"] for row in town.done("maker", "list", "LOOSE", "--json").json if "what" in row] == []
    assert len(town.done("maker", "list", "LOOSE", "--json").json) == 3


GOOD = f"{GTIN},BAD,{EXPIRY},SN1,C1,P1"
HEAD = "gtin,lot,expiry,serial,case,pallet"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("gtin,lot,serial\n", "Line 1 of"),
        (f"{HEAD},lot\n{GOOD},x", "names the column lot twice"),
        (HEAD, "names no pack"),
        (f"{HEAD}\n{GOOD}\n{GOOD},x\n", "Line 3 of"),
        (f"{HEAD}\n{GOOD}\n\n{GOOD}\n", "Line 4 of"),
        (f"{HEAD}\n{GOOD.replace(GTIN, '04150123456783')}\n", "Line 2 of"),
        (f"{HEAD}\n{GOOD.replace(EXPIRY, '2040-13-01')}\n", "is no expiry"),
        (f"{HEAD}\n{GOOD}\n{GOOD.replace(EXPIRY, '2020-06-30').replace('SN1', 'SN2')}\n", "2020-06-30 is over"),
        (f"{HEAD}\n{GOOD.replace('SN1', 'S N')}\n", "Line 2 of"),
        (f"{HEAD}\n{GOOD}\n{GOOD.replace('SN1', 'Ü')}\n", "Line 3 of"),
        (f"{HEAD}\n{GOOD}\n{GOOD.replace('SN1', 'X' * 21)}\n", "Line 3 of"),
        (f"{HEAD}\n{GOOD}\n{GOOD.replace('SN1', '')}\n", "Line 3 of"),
        (f"{HEAD}\n{GOOD}\n{GOOD.replace('BAD', ' ')}\n", "Line 3 of {path} is no pack: It has no lot"),
        (f'{HEAD}\n{GOOD}\n\n{GOOD.replace("P1", "")}"P1\n', "Line 4 of {path} cannot be read as CSV"),
        (f"{HEAD}\n{GOOD.replace('SN1', chr(34) + 'SN1' + chr(34) + 'x')}\n", "Line 2 of {path} cannot be read as CSV"),
        (f'{HEAD},"note\n{GOOD}\n', "Line 1 of {path} cannot be read as CSV"),
        (f"{HEAD}\n{GOOD}\n{GOOD.replace('SN1,C1', 'SN2,')}\n", "give all a case"),
        (f"{HEAD}\n{GOOD}\n{GOOD.replace('SN1', 'SN2').replace('P1', '')}\n", "give all a pallet"),
        (f"{HEAD}\n{GOOD}\n{GOOD.replace('SN1', 'SN2').replace('P1', 'P2')}\n", "on another pallet"),
    ],
    ids=[
        *("empty", "a column missing", "a column twice", "no pack", "too long a line", "a serial twice"),
        *(
            "a wrong GTIN",
            "no day",
            "a day that is over",
            "a space",
            "a foreign letter",
            "a serial too long",
            "no serial",
            "no lot",
            "a quote that never ends",
            "a quote inside",
            "a quote in line 1",
        ),
        *("no case", "no pallet", "a case on two pallets"),
    ],
)
def test_commission__a_bad_list_is_refused_with_its_line_and_sends_nothing(
    town: Town, folder: Path, text: str, sentence: str
) -> None:
    (folder / "packs.csv").write_text(text)
    before = town.chain.web3.eth.block_number

    said = town.run("maker", "commission", str(folder / "packs.csv"))

    assert (said.code, len(said.sentences)) == (2, 1)
    assert sentence.format(path=folder / "packs.csv") in said.err
    assert town.chain.web3.eth.block_number == before


def test_commission__a_list_that_is_no_text_is_refused(town: Town, folder: Path) -> None:
    (folder / "packs.csv").write_bytes(b"gtin,lot,expiry,serial\n\xff\xfe\n")

    said = town.run("maker", "commission", str(folder / "packs.csv"))

    assert (said.code, said.sentences) == (2, [f"{folder / 'packs.csv'} is not UTF-8; save it as UTF-8 and try again."])


def test_commission__a_place_that_cannot_be_written_is_told_before_anything_is_sent(town: Town, folder: Path) -> None:
    path = packs_csv(folder / "packs.csv", lot="NOWHERE")
    before = town.chain.web3.eth.block_number

    said = town.run("maker", "commission", path, "-o", f"{path}/placed.csv")

    assert (said.code, said.sentences) == (
        2,
        [f"{path}/placed.csv cannot be written: {path} is no folder; name another file."],
    )
    assert town.chain.web3.eth.block_number == before


def test_commission__a_serial_of_another_lot_of_the_product_is_refused(town: Town, folder: Path) -> None:
    town.done("maker", "commission", packs_csv(folder / "a.csv", lot="ONE"))
    path = Path(packs_csv(folder / "b.csv", lot="TWO"))
    path.write_text(path.read_text().replace("TWOSN", "ONESN"))

    said = town.run("maker", "commission", str(path))

    assert (said.code, "was commissioned before with lot ONE" in said.err) == (3, True)


def test_commission__nothing_is_added_to_a_case(town: Town, folder: Path) -> None:
    town.done("maker", "commission", packs_csv(folder / "a.csv", lot="FULL", count=3, case=4))

    said = town.run("maker", "commission", packs_csv(folder / "a.csv", lot="FULL", count=4, case=4))

    assert (said.code, "Line 5: case 'C0'" in said.err) == (3, True)


def test_commission__a_lot_that_one_tree_has_no_room_for_is_several_batches(town: Town, folder: Path) -> None:
    # given: pallets that take a quarter of the tree each
    path = packs_csv(folder / "packs.csv", lot="LARGE", count=40, case=4)

    said = town.done("maker", "commission", path, "--case-bits", "4", "--pallet-bits", "18", "--json").json

    assert [row["packs"] for row in said["batches"]] == [32, 8]
    town.done("maker", "recall", "LARGE", "--yes")
    rows = [row for row in town.done("maker", "list", "--json").json if row["lot"] == "LARGE"]
    assert [row["standing"] for row in rows] == ["recalled", "recalled"]


def test_commission__sizes_that_cannot_be_are_refused(town: Town, folder: Path) -> None:
    path = packs_csv(folder / "packs.csv", lot="SIZES", count=40, case=8)

    for words, sentence in (
        (("--case-bits", "2"), "needs --case-bits 3"),
        (("--pallet-bits", "3"), "Pallets need 2^4"),
        (("--case-bits", "20"), "Pallets need 2^21"),
    ):
        said = town.run("maker", "commission", path, *words)
        assert (said.code, sentence in said.err) == (2, True), said.err


# -- from a count ----------------------------------------------------------------------------------------------------

COUNT = ("commission", "--count", "60", "--gtin", GTIN, "--expiry", EXPIRY, "--case", "8", "--pallet", "3")


def test_commission__a_count_draws_serials_that_nobody_guesses(town: Town, folder: Path) -> None:
    town.done("maker", *COUNT, "--lot", "DRAWN", "-o", str(folder / "placed.csv"))

    serials = [row["serial"] for row in rows_of(str(folder / "placed.csv"))]
    assert (len(serials), len(set(serials)), {len(each) for each in serials}) == (60, 60, {16})
    # Letters at every place come from all of the alphabet: neither a counter nor a common beginning.
    assert all(len({each[place] for each in serials}) > 10 for place in range(16))
    assert serials != sorted(serials)


def test_commission__a_count_needs_what_the_packs_are(town: Town) -> None:
    said = town.run("maker", "commission", "--count", "5", "--gtin", GTIN)

    assert (said.code, "--lot and --expiry" in said.err) == (2, True)


@pytest.mark.parametrize(
    ("gtin", "lot", "expiry", "sentence"),
    [
        ("04150123456783", "DRAWN", EXPIRY, "should end in 2."),
        (GTIN, " ", EXPIRY, "It has no lot"),
        (GTIN, "Xé", EXPIRY, "No pack can have this --gtin and --lot"),
        ("8123456", "DRAWN", EXPIRY, "commission a file of them"),
        (GTIN, "DRAWN", "2020-06-30", "The expiry 2020-06-30 is over"),
    ],
    ids=["a wrong GTIN", "no lot", "a foreign letter", "a code of China", "an expiry that is over"],
)
def test_commission__a_count_of_what_cannot_be_draws_nothing(
    town: Town, gtin: str, lot: str, expiry: str, sentence: str
) -> None:
    words = ("--count", "3", "--gtin", gtin, "--lot", lot, "--expiry", expiry)

    said = town.run("maker", "commission", *words)

    assert (said.code, len(said.sentences), sentence in said.err) == (2, 1, True), said.err
    assert list((Path(town.settings["THERIAC_HOME"]) / "dev" / "maker").glob("drawn-*")) == []


def test_commission__a_file_and_a_count_are_not_both(town: Town, folder: Path) -> None:
    path = packs_csv(folder / "packs.csv", lot="BOTH")

    for words in (("commission",), ("commission", path, "--count", "5"), ("commission", path, "--lot", "X")):
        assert town.run("maker", *words).code == 2


CHILD = """
import os, signal, sys
from theriac.medicine.depot import Depot
done = Depot.commission
def commission(self, order):
    done(self, order) if sys.argv[1] == "after" else None
    os.kill(os.getpid(), signal.SIGKILL)
Depot.commission = commission
from scripts.maker import cli
cli(sys.argv[2:])
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_commission__a_count_that_was_killed_goes_on_with_the_same_serials(
    town: Town, folder: Path, moment: str
) -> None:
    # given
    words = [*COUNT, "--lot", f"KILLED-{moment}", "-o", str(folder / "placed.csv")]
    killed = Started(CHILD, [moment, *words], env={**os.environ, **town.settings}, text=True)
    _, err = killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL, err

    # when
    said = town.done("maker", *words)

    # then
    assert "Going on with the serials" in said.err
    assert len(batches(town, f"KILLED-{moment}")) == 1
    assert len(rows_of(str(folder / "placed.csv"))) == 60
    again = town.done("maker", *words)
    assert ("Going on" in again.err, len(batches(town, f"KILLED-{moment}"))) == (False, 2)


# -- labels ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labelled(town: Town) -> str:
    town.done("maker", "commission", packs_csv(town.folder / "labels.csv", lot="LABEL"))
    return "LABEL"


def test_labels__read_back_as_the_packs(town: Town, folder: Path, labelled: str) -> None:
    town.done("maker", "labels", f"case:{code(labelled, 0)}", "-o", str(folder / "out"))

    read = [gs1.parse(text) for path in sorted((folder / "out").iterdir()) for text in read_symbols(path)]
    assert sorted((each.product, each.serial, each.lot) for each in read) == [
        (GTIN, serial(labelled, number), labelled) for number in range(4)
    ]
    assert {str(each.expiry) for each in read} == {EXPIRY}


@pytest.mark.parametrize("words", [(), ("--sheet",)], ids=["a file a pack", "sheets"])
def test_labels__only_their_owner_reads_them(town: Town, folder: Path, labelled: str, words: tuple[str, ...]) -> None:
    town.done("maker", "labels", f"case:{code(labelled, 0)}", *words, "-o", str(folder / "out"))

    assert {path.stat().st_mode & 0o777 for path in (folder / "out").iterdir()} == {0o600}


def test_labels__on_sheets_are_all_there(town: Town, folder: Path, labelled: str) -> None:
    words = ("--sheet", "--columns", "2", "--rows", "3", "--qr")
    town.done("maker", "labels", labelled, *words, "-o", str(folder / "out"))

    pages = sorted((folder / "out").iterdir())
    read = [gs1.parse(text).serial for page in pages for text in read_symbols(page)]
    assert (len(pages), sorted(read)) == (2, [serial(labelled, number) for number in range(12)])


def test_goods__are_named_by_a_picture_too(town: Town, folder: Path, labelled: str) -> None:
    said = town.done("maker", "labels", code(labelled, 5), "-o", str(folder / "out"))
    assert said.out == f"1 label in 1 file in {folder / 'out'}.\n"
    [picture] = (folder / "out").iterdir()

    town.done("maker", "quarantine", str(picture))

    rows = town.done("maker", "list", labelled, "--packs", "--json").json
    assert [row["serial"] for row in rows if row["standing"]] == [serial(labelled, 5)]
    town.done("maker", "release", str(picture))


def test_offer__what_is_no_ordinary_file_is_not_replaced(town: Town, folder: Path, labelled: str) -> None:
    os.mkfifo(folder / "pipe")

    said = town.run("maker", "offer", labelled, "--to", "2", "--signed", str(folder / "pipe"))

    assert (said.code, said.sentences) == (
        2,
        [f"{folder / 'pipe'} cannot be written: it is no ordinary file; name another file."],
    )
    assert (folder / "pipe").is_fifo()


@pytest.mark.parametrize(
    ("goods", "sentence"),
    [
        ("NOSUCHLOT", "No batch that is known here"),
        ("LABEL/3", "no pack, case, pallet or batch"),
        ("LABEL/x", "is no place"),
        (f"(01){GTIN}(21)NOBODYKNOWS1", "is unknown here"),
        (f"(01){GTIN}(21)LABELSN00000000(10)OTHER", "with lot LABEL"),
        ("(01)04150123456783(21)X", "should end in"),
        ("missing.png", "missing.png"),
    ],
    ids=["no lot", "no place", "no number", "unknown", "altered", "a wrong code", "no picture"],
)
def test_goods__that_are_none_are_refused_in_a_sentence(town: Town, labelled: str, goods: str, sentence: str) -> None:
    said = town.run("maker", "quarantine", goods)

    assert (said.code in (2, 3), len(said.sentences), sentence in said.err) == (True, 1, True), said.err


# -- recalling -------------------------------------------------------------------------------------------------------


def test_recall__of_a_case_reaches_its_packs_and_only_a_regulator_lifts_it(town: Town, folder: Path) -> None:
    town.done("maker", "commission", packs_csv(folder / "packs.csv", lot="RECALL"))

    town.done("maker", "recall", f"case:{code('RECALL', 0)}", "--reason", "2", "--yes")

    rows = town.done("maker", "list", "RECALL", "--packs", "--json").json
    assert sorted(row["serial"] for row in rows if row["standing"] == "recalled") == [
        serial("RECALL", number) for number in range(4)
    ]
    refused = town.run("maker", "release", f"case:{code('RECALL', 0)}")
    assert refused.code == 3


def test_recall__asks_first(town: Town, labelled: str) -> None:
    before = town.chain.web3.eth.block_number

    said = town.run("maker", "recall", labelled)

    assert (said.code, town.chain.web3.eth.block_number) == (1, before)

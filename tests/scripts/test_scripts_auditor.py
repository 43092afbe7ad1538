"""`ape run auditor`: a pack's way for who holds no sheets, and a regulator's acts."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from goods_town import GTIN, code, packs_csv, serial
from PIL import Image
from scripts_town import Town

from theriac.medicine.epcis import Commissioning, Receiving, Shipping
from theriac.medicine.epcis_read import read

LOT = "AUDIT"


@pytest.fixture(scope="module")
def town(wholesale: Town) -> Town:
    """A lot that went to the distributor, and a case of it on to the pharmacy."""
    found = wholesale
    found.done("maker", "commission", packs_csv(found.folder / "packs.csv", lot=LOT))
    found.done("maker", "offer", LOT, "--to", "2")
    [offer] = found.done("distributor", "receive", "--json").json
    found.done("distributor", "receive", offer["offer"])
    found.done("distributor", "offer", f"case:{code(LOT, 0)}", "--to", "3", "--signed", found.path("case.offer"))
    found.done("distributor", "receive", found.path("case.offer"), "--as", "pharmacy")
    return found


@pytest.fixture(scope="module")
def sheet(town: Town) -> str:
    """What the maker disclosed of one pack."""
    town.done("maker", "disclose", code(LOT, 0), "--to", "member:4", "-o", town.path("pack.sheet"))
    return town.path("pack.sheet")


@pytest.fixture(scope="module")
def batch(town: Town) -> str:
    [row] = town.done("auditor", "list", "--json").json
    return str(row["batch"])


WAY = [
    ("commissioned", "Alpine Pharma", None, "batch"),
    ("offered", "Alpine Pharma", "River Wholesale", "batch"),
    ("handed over", "Alpine Pharma", "River Wholesale", "batch"),
    ("handed over", "River Wholesale", "Corner Pharmacy", "case"),
]


def way(found: dict[str, object]) -> list[tuple[object, ...]]:
    names = found["members"]
    assert isinstance(names, dict)
    assert isinstance(found["steps"], list)
    return [
        (step["act"], names[str(step["from"])], names.get(str(step["to"])), step["place"]) for step in found["steps"]
    ]


def test_trace__of_a_pack_that_nobody_disclosed_is_refused(town: Town) -> None:
    said = town.run("auditor", "trace", code(LOT, 7))

    assert (said.code, "is unknown here" in said.err) == (3, True)


def test_trace__of_a_disclosed_pack_is_its_whole_way(town: Town, sheet: str) -> None:
    found = town.done("auditor", "trace", code(LOT, 0), "--sheet", sheet, "--json").json

    assert way(found) == WAY
    assert (found["holder"], found["standing"], found["lot"], found["maker"]) == (3, "in stock", LOT, 1)
    times = [step["time"] for step in found["steps"]]
    assert times == sorted(times)
    for step in found["steps"]:
        assert town.chain.web3.eth.get_transaction_receipt(step["transaction"])["blockNumber"] == step["block"]


def test_trace__says_the_same_to_whoever_knows_the_pack(town: Town, sheet: str) -> None:
    town.done("auditor", "trace", code(LOT, 0), "--sheet", sheet)
    said = [
        town.done(script, "trace", code(LOT, 0), "--as", who, "--json").json
        for script, who in (("maker", "maker"), ("distributor", "pharmacy"), ("auditor", "auditor"))
    ]

    assert said[0]["steps"] == said[1]["steps"] == said[2]["steps"]


def test_trace__a_sheet_for_another_member_does_not_open(town: Town) -> None:
    town.done("maker", "disclose", code(LOT, 1), "--to", "5", "-o", town.path("other.sheet"))

    said = town.run("auditor", "trace", code(LOT, 1), "--sheet", town.path("other.sheet"))

    assert (said.code, said.sentences) == (
        3,
        [
            f"{town.path('other.sheet')} is sealed to another member; ask who disclosed it for one to this member, by "
            "'disclose' with --to member:4."
        ],
    )


def test_trace__a_file_that_is_no_sheet_is_refused(town: Town, folder: Path) -> None:
    (folder / "no.sheet").write_text("hello")

    said = town.run("auditor", "trace", code(LOT, 1), "--sheet", str(folder / "no.sheet"))

    assert (said.code, len(said.sentences)) == (2, 1)


def test_trace__a_sheet_of_a_batch_that_was_never_commissioned_is_not_believed(town: Town, folder: Path) -> None:
    from datetime import date

    from scripts._goods import goods_of
    from theriac.medicine.packs import BatchKey, Product
    from theriac.medicine.sheets import Sheet
    from theriac.medicine.tree import CAPACITY, Shape

    with pytest.MonkeyPatch.context() as patch:
        for name, value in town.settings.items():
            patch.setenv(name, value)
        with goods_of("maker", network=town.settings["THERIAC_NETWORK"], store=None) as goods:
            made_up = Sheet(
                1,
                BatchKey(bytes(32)),
                Product(GTIN, "MADEUP", date(2040, 6, 30)),
                Shape(8, 4),
                CAPACITY | 5,
                {5: serial("MADEUP", 0)},
                [bytes(32)] * 20,
            )
            (folder / "made-up.sheet").write_bytes(made_up.seal(to=goods.recipient_of(4)))

    said = town.run("auditor", "trace", code("MADEUP", 0), "--sheet", str(folder / "made-up.sheet"))

    assert (said.code, len(said.sentences)) == (5, 1)


def test_trace__is_drawn(town: Town, sheet: str, folder: Path) -> None:
    drawn = ("--svg", str(folder / "way.svg"), "--png", str(folder / "way.png"))

    town.done("auditor", "trace", code(LOT, 0), "--sheet", sheet, *drawn)

    root = ElementTree.parse(folder / "way.svg").getroot()
    texts = [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Alpine Pharma", "River Wholesale", "Corner Pharmacy"} <= set(texts)
    assert "Now: in stock, held by Corner Pharmacy" in texts
    image = Image.open(folder / "way.png")
    assert (str(image.width), str(image.height)) == (root.get("width"), root.get("height"))


def test_trace__reads_a_picture_of_the_pack(town: Town, sheet: str, folder: Path) -> None:
    town.done("maker", "labels", code(LOT, 0), "-o", str(folder / "labels"))
    [picture] = (folder / "labels").iterdir()

    found = town.done("auditor", "trace", str(picture), "--sheet", sheet, "--json").json

    assert way(found) == WAY


GLNS = ["--gln", "1=4012345000009", "--gln", "2=4012345000016", "--gln", "3=4012345000023"]


def test_trace__as_epcis_is_read_back(town: Town, sheet: str, folder: Path) -> None:
    out = str(folder / "way.json")

    town.done("auditor", "trace", code(LOT, 0), "--sheet", sheet, "--epcis", out, *GLNS)

    steps = read(Path(out).read_bytes()).steps
    assert [type(step) for step in steps] == [Commissioning, Shipping, Receiving, Receiving]
    assert [(step.giver, step.receiver) for step in steps if isinstance(step, Receiving)] == [
        ("4012345000009", "4012345000016"),
        ("4012345000016", "4012345000023"),
    ]


def test_trace__as_epcis_needs_the_members_numbers(town: Town, sheet: str, folder: Path) -> None:
    out = folder / "way.json"

    said = town.run("auditor", "trace", code(LOT, 0), "--sheet", sheet, "--epcis", str(out), *GLNS[:2])

    assert (said.code, "give it by --gln 2=" in said.err, out.exists()) == (2, True, False)


def test_trace__knows_without_the_chain_what_was_followed(town: Town, sheet: str) -> None:
    town.done("auditor", "trace", code(LOT, 0), "--sheet", sheet)

    said = town.run("auditor", "trace", code(LOT, 0), "--json", THERIAC_NETWORK="ethereum:dev:http://127.0.0.1:9")

    assert said.code == 0, said.err
    assert "out of reach" in said.err
    found = json.loads(said.out)
    assert [step["act"] for step in found["steps"]] == [act for act, *_ in WAY]
    assert {step["time"] for step in found["steps"]} == {None}


# -- a regulator -----------------------------------------------------------------------------------------------------


def test_regulator__recalls_and_lifts_what_no_holder_can(town: Town, batch: str) -> None:
    with town.chain.undone():
        town.done("auditor", "recall", batch[:10], "--reason", "1", "--yes")
        recalled = town.done("maker", "list", "--json").json[0]["standing"]
        refused = town.run("distributor", "offer", f"case:{code(LOT, 4)}", "--to", "3")

        town.done("auditor", "lift-recall", batch[:10], "--yes")
        lifted = town.done("maker", "list", "--json").json[0]["standing"]

    assert (recalled, refused.code, lifted) == ("recalled", 3, "")


def test_regulator__blocks_a_part_by_its_number(town: Town, batch: str) -> None:
    [row] = [
        row for row in town.done("maker", "list", LOT, "--packs", "--json").json if row["serial"] == serial(LOT, 9)
    ]
    node = row["place"].partition("/")[2]

    with town.chain.undone():
        town.done("auditor", "quarantine", f"{batch}/{node}", "--yes")
        blocked = town.done("maker", "list", LOT, "--packs", "--json").json
        town.done("auditor", "release", f"{batch}/{node}", "--yes")

    assert [each["serial"] for each in blocked if each["standing"]] == [serial(LOT, 9)]


@pytest.mark.parametrize("goods", ["abc", "zzzz", "0000000000", "{batch}/x", "{batch}/3", "{batch}/99999999"])
def test_regulator__names_that_are_none_send_nothing(town: Town, batch: str, goods: str) -> None:
    before = town.chain.web3.eth.block_number

    said = town.run("auditor", "recall", goods.format(batch=batch), "--yes")

    assert (said.code, len(said.sentences), town.chain.web3.eth.block_number) == (2, 1, before)


def test_regulator__a_part_that_is_none_is_told_without_a_sheet(town: Town, batch: str) -> None:
    said = [town.run("auditor", "recall", f"{batch}/{part}", "--yes") for part in ("xyz", "3")]

    assert [each.sentences for each in said] == [
        [
            f"'{part}' is no part of batch {batch[:12]}; write its place, as 'list' shows it to who holds it, or leave "
            "it away for the whole batch."
        ]
        for part in ("xyz", "3")
    ]


def test_list__of_one_maker__says_whose_batches_there_are_none(town: Town, batch: str) -> None:
    said = [town.done("auditor", "list", "--maker", maker).out for maker in ("1", "99")]

    assert batch[:16] in said[0]
    assert said[1] == "Member 99 has commissioned no batch.\n"


def test_regulator__is_no_maker(town: Town, batch: str) -> None:
    said = town.run("distributor", "quarantine", LOT, "--as", "other")

    assert said.code in (2, 3)

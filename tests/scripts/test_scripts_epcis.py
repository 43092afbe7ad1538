"""The commands that write, anchor, check and import EPCIS events, on a real chain."""

import json
from pathlib import Path

import pytest
from goods_town import GTIN, LOT, MEMBERS, code, packs_csv, serial
from scripts_town import Town

from scripts._goods import goods_of
from theriac.medicine.epcis_read import read
from theriac.medicine.journal import tree_of_events
from theriac.medicine.tree import node_of

RAW = "04012345000016"
GLNS = {"maker": "4012345000009", "distributor": "4054321000009", "pharmacy": "4000001000005"}


@pytest.fixture(scope="module")
def made(wholesale: Town) -> Town:
    """A maker that commissioned twelve packs in three cases, and anchored what it did."""
    town = wholesale
    packs = packs_csv(town.folder / "packs.csv", lot=LOT)
    town.done("maker", "commission", packs, "-o", str(town.folder / "at.csv"))
    for number, who in enumerate(MEMBERS, start=1):
        if who in GLNS:
            town.done("maker", "epcis", "gln", str(number), GLNS[who])
    town.done("maker", "epcis", "export", "-o", str(town.folder / "events.json"))
    town.done("maker", "epcis", "anchor", "-o", str(town.folder / "proofs.json"))
    return town


def test_check__of_what_was_exported_and_anchored__finds_all(made: Town) -> None:
    said = made.done(
        "maker", "epcis", "check", str(made.folder / "events.json"), "--proofs", str(made.folder / "proofs.json")
    )
    assert said.out == "4 of 4 events are anchored on the chain by member 1.\n"


@pytest.mark.parametrize("altered", [(LOT, "L43A"), (serial(LOT, 3), serial(LOT, 99))])
def test_check__of_an_altered_document__says_which_are_not_anchored(made: Town, altered: tuple[str, str]) -> None:
    forged = made.folder / "forged.json"
    forged.write_text((made.folder / "events.json").read_text().replace(*altered))

    said = made.run("maker", "epcis", "check", str(forged), "--proofs", str(made.folder / "proofs.json"))

    assert said.code == 5
    assert " of 4 events are anchored" in said.out
    assert not said.out.startswith("4 of")


def test_check__by_another_members_proofs__says_whose_they_are(made: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    # given: a pharmacy that anchors an event of its own, which says what the maker did
    forged = made.folder / "said-of-another.json"
    document = json.loads((made.folder / "events.json").read_text())
    document["epcisBody"]["eventList"] = [
        event for event in document["epcisBody"]["eventList"] if event["bizStep"] == "commissioning"
    ]
    forged.write_text(json.dumps(document).replace(serial(LOT, 3), serial(LOT, 99)))
    [entry] = read(forged.read_bytes()).entries
    tree = tree_of_events([entry.digest])
    with monkeypatch.context() as here:
        for name, value in made.settings.items():
            here.setenv(name, value)
        with goods_of("pharmacy", network=made.settings["THERIAC_NETWORK"], store=None) as goods:
            goods.depot.anchor_events(tree.root)
    siblings = [each.hex() for each in tree.siblings(node_of(0))]
    proofs = {"member": 3, "events": [{"digest": entry.digest.hex(), "index": 0, "siblings": siblings}]}
    (made.folder / "their-proofs.json").write_text(json.dumps(proofs))

    # when
    said = made.done("maker", "epcis", "check", str(forged), "--proofs", str(made.folder / "their-proofs.json"))

    # then
    assert said.out == "1 of 1 events are anchored on the chain by member 3.\n"


def test_check__with_events_that_are_not_understood__is_no_proof_of_them(made: Town) -> None:
    # given: beside the anchored events one of a kind that is not read, and in the second document nothing else
    document = json.loads((made.folder / "events.json").read_text())
    events = document["epcisBody"]["eventList"]
    foreign = {
        "type": "ObjectEvent",
        "eventTime": "2030-01-07T12:00:00.000Z",
        "eventTimeZoneOffset": "+00:00",
        "action": "OBSERVE",
        "bizStep": "inspecting",
        "epcList": [f"https://id.gs1.org/01/{GTIN}/21/{serial(LOT, 0)}"],
    }
    found = []
    for kept in ([*events, foreign], [foreign]):
        document["epcisBody"]["eventList"] = kept
        (made.folder / "foreign.json").write_text(json.dumps(document))

        # when
        proofs = ("--proofs", str(made.folder / "proofs.json"))
        found.append(made.run("maker", "epcis", "check", str(made.folder / "foreign.json"), *proofs))

    # then
    assert [said.code for said in found] == [5, 5]
    assert [said.out.split(" events")[0] for said in found] == ["4 of 5", "0 of 1"]


def test_check__of_a_document_that_breaks_the_schema__is_refused(made: Town) -> None:
    broken = made.folder / "broken.json"
    document = json.loads((made.folder / "events.json").read_text())
    del document["epcisBody"]["eventList"][0]["eventTime"]
    broken.write_text(json.dumps(document))

    said = made.run("maker", "epcis", "check", str(broken))

    assert (said.code, said.out) == (2, "")
    assert said.err.count("\n") == 1


def test_raw_lot__lists_the_packs_made_of_it(made: Town) -> None:
    made.done("maker", "epcis", "made-of", LOT, "--raw", RAW, "RAW17", "-o", str(made.folder / "made.json"))

    said = made.done("maker", "epcis", "raw-lot", RAW, "RAW17", str(made.folder / "made.json"))
    other = made.done("maker", "epcis", "raw-lot", RAW, "RAW18", str(made.folder / "made.json"))

    assert [line.split() for line in said.out.splitlines()[1:]] == [[GTIN, serial(LOT, n)] for n in range(12)]
    assert other.out == "No pack was made of it, as far as these documents tell.\n"


def write_shipping(made: Town, path: Path, *, lot: str, to: str) -> None:
    """A warehouse's shipping of a case and of a pack that stands apart, from the maker."""
    document = json.loads((made.folder / "events.json").read_text())
    document["epcisBody"]["eventList"] = [
        {
            "type": "ObjectEvent",
            "eventTime": "2030-01-07T12:00:00.000Z",
            "eventTimeZoneOffset": "+00:00",
            "action": "OBSERVE",
            "bizStep": "shipping",
            "epcList": [f"https://id.gs1.org/01/{GTIN}/21/{serial(lot, number)}" for number in (0, 1, 2, 3, 5)],
            "sourceList": [{"type": "possessing_party", "source": f"https://id.gs1.org/417/{GLNS['maker']}"}],
            "destinationList": [{"type": "possessing_party", "destination": f"https://id.gs1.org/417/{GLNS[to]}"}],
        }
    ]
    path.write_text(json.dumps(document))


def test_import__of_a_warehouses_shipping__becomes_offers(made: Town) -> None:
    shipped = made.folder / "shipped.json"
    write_shipping(made, shipped, lot=LOT, to="distributor")

    shown = made.done("maker", "epcis", "import", str(shipped))
    waiting = made.done("distributor", "receive", "--json")
    made.done("maker", "epcis", "import", str(shipped), "--offer")
    offered = made.done("distributor", "receive", "--json")

    # then: a whole case and a single pack, and nothing before it was asked for
    assert [line.split()[-1] for line in shown.out.splitlines()[1:-1]] == ["4", "1"]
    assert json.loads(waiting.out) == []
    assert sorted(each["packs"] for each in json.loads(offered.out)) == [1, 4]


def test_import__again_after_it_broke_off__makes_the_offers_that_are_missing(made: Town) -> None:
    # given: a shipping of a case and a pack, of which the case was offered before something broke
    made.done("maker", "commission", packs_csv(made.folder / "more.csv", lot="L44A"), "-o", str(made.folder / "m.csv"))
    shipped = made.folder / "shipped-again.json"
    write_shipping(made, shipped, lot="L44A", to="pharmacy")
    made.done("maker", "offer", f"case:{code('L44A', 0)}", "--to", "member:3")

    # when
    made.done("maker", "epcis", "import", str(shipped), "--offer")

    # then
    offered = made.done("distributor", "receive", "--as", "pharmacy", "--json")
    assert sorted(each["packs"] for each in json.loads(offered.out)) == [1, 4]


def test_export__without_a_gln__says_which_is_missing(made: Town) -> None:
    made.done("maker", "offer", LOT, "--to", "member:5")
    said = made.run("maker", "epcis", "export", "-o", str(made.folder / "none.json"))
    made.done("maker", "withdraw", LOT)

    assert said.code == 2
    assert "GLN of member 5" in said.err
    assert not (made.folder / "none.json").exists()

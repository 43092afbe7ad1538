"""Prescriptions by the commands of a clinic, a patient and two pharmacies, on a real chain."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pharmacy_town import Market, code
from scripts_town import Said

from scripts._cli import Failure
from scripts._dispensing import judged
from scripts._filling import dispensed_for
from scripts._scanning import Saying
from theriac.medicine.prescriptions import Pass, Ticket, parse
from theriac.medicine.symbols import read_symbols

AMOXICILLIN = {"text": "Amoxicillin 250 mg, 20 capsules"}


@pytest.fixture
def town(market: Market) -> Iterator[Market]:
    """The two pharmacies with a case each, and a surgery."""
    with market.undone():
        yield market


def request(folder: Path, name: str = "request.json", **asked: Any) -> str:
    """A file with a FHIR MedicationRequest."""
    values = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": AMOXICILLIN,
        "subject": {"display": "Ann Example"},
        "dispenseRequest": {"quantity": {"value": 1}, **asked},
    }
    (folder / name).write_text(json.dumps(values), encoding="utf-8")
    return str(folder / name)


def prescribed(town: Market, folder: Path, *requests: str, out: str = "rx.png") -> str:
    """The paper of a new prescription."""
    town.done("clinic", "prescribe", *(requests or (request(folder),)), "-o", str(folder / out))
    return str(folder / out)


def lines(said: Said) -> list[tuple[Any, ...]]:
    assert said.code == 0, said.err
    return [(row["given"], row["left"], row["holder"], row["why"]) for row in said.json["lines"]]


def looked(town: Market, paper: str, who: str = "north") -> list[tuple[Any, ...]]:
    return lines(town.run("pharmacy", "prescription", paper, "--as", who, "--json"))


# -- prescribing -----------------------------------------------------------------------------------------------------


def test_prescribe__tells_what_is_prescribed_and_writes_the_paper(town: Market, folder: Path) -> None:
    # when
    asked = [
        request(folder, "a.json", numberOfRepeatsAllowed=2, dispenseInterval={"value": 4, "code": "wk"}),
        request(folder),
    ]
    said = town.done("clinic", "prescribe", *asked, "-o", str(folder / "rx.png"), "--json").json

    # then
    assert [(row["medicine"], row["quantity"], row["refills"], row["left"]) for row in said["lines"]] == [
        (AMOXICILLIN["text"], 1, 2, 1),
        (AMOXICILLIN["text"], 1, 0, 1),
    ]
    [text] = read_symbols(folder / "rx.png")
    assert isinstance(parse(text), Ticket)
    assert (folder / "rx.png").stat().st_mode & 0o777 == 0o600


def test_prescribe__leaves_nothing_of_medicine_or_patient_on_the_chain(town: Market, folder: Path) -> None:
    # given
    begin = town.chain.web3.eth.block_number + 1
    paper = prescribed(town, folder)
    town.done("pharmacy", "dispense", code(0), "--prescription", paper, "--as", "north")

    # when: everything that the blocks since then have
    said = b""
    for number in range(begin, town.chain.web3.eth.block_number + 1):
        for transaction in town.chain.web3.eth.get_block(number, full_transactions=True)["transactions"]:
            said += bytes(transaction["input"])
    said += b"".join(
        bytes(log["data"]) + b"".join(map(bytes, log["topics"]))
        for log in town.chain.web3.eth.get_logs({"fromBlock": begin, "toBlock": "latest"})
    )

    # then
    assert said
    for word in ("Amoxicillin", "Ann", "capsules", "04150123456782", "SN000000", "L42A", "MedicationRequest"):
        assert word.encode() not in said


@pytest.mark.parametrize("out", ["rx.pdf", "rx.txt"])
def test_prescribe__other_papers(town: Market, folder: Path, out: str) -> None:
    made = Path(prescribed(town, folder, out=out)).read_bytes()

    assert made.startswith(b"%PDF-" if out == "rx.pdf" else b"TRX1")


@pytest.mark.parametrize(
    ("words", "code_", "sentence"),
    [
        (["patient.json", "-o", "rx.png"], 2, "is a Patient"),
        (["broken.json", "-o", "rx.png"], 2, ""),
        (["request.json", "-o", "rx.doc"], 2, "no name of a paper"),
        (["request.json", "-o", "nowhere/rx.png"], 2, "cannot be written"),
        (["request.json", "-o", "request.json.png"], 2, "is there already"),
        (["stopped.json", "-o", "rx.png"], 2, "status"),
        (["vague.json", "-o", "rx.png"], 2, "says no amount"),
        (["request.json", "-o", "rx.png", "--account", "TEST::2"], 3, "is no prescriber"),
    ],
    ids=["no request", "broken", "suffix", "folder", "there", "stopped", "no amount", "no prescriber"],
)
def test_prescribe__what_cannot_be__one_sentence_and_no_paper(
    town: Market, folder: Path, words: list[str], code_: int, sentence: str
) -> None:
    # given
    request(folder)
    values = json.loads((folder / "request.json").read_text())
    (folder / "patient.json").write_text('{"resourceType":"Patient"}')
    (folder / "broken.json").write_text('{"resourceType":')
    (folder / "request.json.png").write_text("somebody's")
    (folder / "stopped.json").write_text(json.dumps({**values, "status": "stopped"}))
    (folder / "vague.json").write_text(json.dumps({**values, "dispenseRequest": {}}))
    there = town.chain.web3.eth.block_number

    # when
    named = [str(folder / word) if "." in word and not word.startswith("-") else word for word in words]
    said = town.run("clinic", "prescribe", *named)

    # then
    assert (said.code, len(said.sentences), said.out) == (code_, 1, "")
    assert sentence in said.err
    assert town.chain.web3.eth.block_number == there
    assert not (folder / "rx.png").exists()


# -- what the prescriber is told before ------------------------------------------------------------------------------

RXNORM = {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "308182", "display": "Amoxicillin 250 MG"}


def patient(town: Market, folder: Path, who: str, *records: dict[str, Any]) -> None:
    """Somebody with records at the surgery, who granted nothing yet."""
    town.done("patient", "init", "--as", who, "--payer", "TEST::9")
    town.done("patient", "introduce", "--as", who, "--to", "4", "-o", str(folder / f"{who}.introduction"))
    town.done("clinic", "register", str(folder / f"{who}.introduction"), "--name", who)
    for number, record in enumerate(records):
        (folder / f"{number}.json").write_text(json.dumps(record), encoding="utf-8")
        town.done("clinic", "seal", who, str(folder / f"{number}.json"))
    town.done("patient", "watch", "--as", who)


def coded(folder: Path) -> str:
    path = request(folder, "coded.json")
    values = json.loads(Path(path).read_text(encoding="utf-8"))
    values["medicationCodeableConcept"] = {"coding": [RXNORM], "text": "Amoxicillin 250 mg"}
    Path(path).write_text(json.dumps(values), encoding="utf-8")
    return path


def test_prescribe__for_a_patient__says_what_was_granted_and_what_is_not_known(town: Market, folder: Path) -> None:
    # given: an allergy and the same medicine of a month ago, and a patient who shows nothing yet
    allergy = {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "code": {
            "coding": [{"system": "http://snomed.info/sct", "code": "91936005", "display": "Allergy to penicillin"}]
        },
        "patient": {"display": "Ann"},
        "recordedDate": "2030-01-02",
    }
    medicine = json.loads(Path(coded(folder)).read_text(encoding="utf-8"))
    patient(town, folder, "ann", allergy, medicine)
    before = town.done("clinic", "prescribe", coded(folder), "--for", "ann", "-o", str(folder / "one.png"))

    # when: she grants the usual level of both
    classes = ["--class", "allergies/N", "--class", "medications/N"]
    town.done("patient", "grant", "member:4", "--as", "ann", *classes, "--yes")
    refused = town.run("clinic", "prescribe", coded(folder), "--for", "ann", "-o", str(folder / "two.png"))
    after = town.done("clinic", "prescribe", coded(folder), "--for", "ann", "-o", str(folder / "two.png"), "--yes")

    # then
    assert before.sentences == [
        "Allergies: not known, ann let this desk see none.",
        "The same substance: not known, ann let this desk see no medicines.",
    ]
    assert after.sentences[0].startswith("Allergies: Allergy to penicillin (2030-01-02")
    assert after.sentences[1:3] == ["Allergies at level R: not known.", "Allergies at level V: not known."]
    assert after.sentences[3].startswith("Amoxicillin 250 mg: prescribed before, as ")
    assert after.sentences[4:] == ["Medicines at level R: not known.", "Medicines at level V: not known."]
    assert refused.code == 1
    assert refused.err.splitlines()[: len(after.sentences)] == after.sentences


def test_prescribe__for_a_patient__from_now_on_is_not_from_the_beginning(town: Market, folder: Path) -> None:
    # given: a grant without history
    patient(town, folder, "ben")
    words = ["--class", "allergies/N", "--class", "medications/N", "--from-now-on", "--yes"]
    town.done("patient", "grant", "member:4", "--as", "ben", *words)
    town.chain.at(town.chain.now() + 2 * 3600)
    town.done("patient", "watch", "--as", "ben")

    # when
    said = town.done("clinic", "prescribe", coded(folder), "--for", "ben", "-o", str(folder / "rx.png"))

    # then: nothing was found, and that is not called none
    assert said.sentences[0] == "Allergies: none in what was granted."
    assert said.sentences[1].startswith("Allergies at level N before 20")
    assert said.sentences[1].endswith(": not known.")
    assert "The same substance: not in what was granted." in said.sentences


def test_prescribe__for_nobody_who_is_known__one_sentence(town: Market, folder: Path) -> None:
    said = town.run("clinic", "prescribe", coded(folder), "--for", "nobody", "-o", str(folder / "rx.png"))

    assert (said.code in (2, 3), len(said.sentences), (folder / "rx.png").exists()) == (True, 1, False)


# -- filling ---------------------------------------------------------------------------------------------------------


def test_dispense__for_a_prescription__once(town: Market, folder: Path) -> None:
    # given
    paper = prescribed(town, folder)

    # when
    said = town.done("pharmacy", "dispense", code(1), "--prescription", paper, "--as", "north")
    again = town.run("pharmacy", "dispense", code(2), "--prescription", paper, "--as", "north")
    elsewhere = town.run("pharmacy", "dispense", code(10), "--prescription", paper, "--as", "south")

    # then
    assert said.out.startswith("dispensed")
    assert said.err == "Filled: 1 of line 1.\n"
    assert looked(town, paper) == [(1, 0, None, "all given")]
    for refused in (again, elsewhere):
        assert (refused.code, refused.sentences) == (3, ["1 of line 1 cannot be given: all given."])
    assert town.scan(code(2)).out.startswith("genuine")


def test_dispense__for_a_prescription__pack_that_may_not__the_line_stays_open(town: Market, folder: Path) -> None:
    # given
    paper = prescribed(town, folder)

    # when
    said = town.run("pharmacy", "dispense", code(11), "--prescription", paper, "--as", "north")

    # then
    assert (said.code, said.sentences[-1]) == (3, "Nothing was dispensed.")
    assert looked(town, paper) == [(0, 1, None, "")]


def test_dispense__for_a_prescription__pack_that_another_device_dispensed_meanwhile__the_line_stays_unfilled(
    town: Market, folder: Path
) -> None:
    # given: another device of the pharmacy, and a pack that was scanned here as genuine
    paper = prescribed(town, folder)
    shutil.copytree(town.folder / "home", folder / "home")
    with town.goods("north") as goods:
        packs = judged(goods, [code(4)])
        town.done("pharmacy", "dispense", code(4), "--as", "north", THERIAC_HOME=str(folder / "home"))

        # when
        with pytest.raises(Failure) as refused:
            dispensed_for(goods, packs, Saying(False), code=paper, numbers=[1], units=1)

    # then
    assert refused.value.message == "Line 1 is not filled, since not every pack is dispensed; settle, then use 'fill'."
    assert looked(town, paper) == [(0, 1, 2, "")]


def test_take__held_for_one_pharmacy_until_it_is_given_back(town: Market, folder: Path) -> None:
    # given
    paper = prescribed(town, folder, request(folder), request(folder, "b.json"))
    taken = town.done("pharmacy", "take", paper, "--line", "1", "--as", "north")

    # when
    there = looked(town, paper, "south")
    refused = town.run("pharmacy", "give-back", paper, "--as", "south")
    town.done("pharmacy", "give-back", paper, "--as", "north")

    # then
    assert taken.out == "Held for this pharmacy until tomorrow: line 1.\n"
    assert there == [(0, 1, 2, ""), (0, 1, None, "")]
    assert (refused.code, len(refused.sentences)) == (3, 1)
    assert looked(town, paper) == [(0, 1, None, "")] * 2


def test_take__with_the_paper_what_another_holds__changes_hands(town: Market, folder: Path) -> None:
    # given
    paper = prescribed(town, folder)
    town.done("pharmacy", "take", paper, "--as", "north")

    # when: whoever has the paper decides
    town.done("pharmacy", "take", paper, "--as", "south")

    # then
    assert looked(town, paper) == [(0, 1, 3, "")]


def test_fill_and_unfill__what_has_no_pack(town: Market, folder: Path) -> None:
    # given
    paper = prescribed(town, folder)

    # when
    town.done("pharmacy", "fill", paper, "--product", "made here", "--as", "north")
    given = looked(town, paper)
    refused = town.run("pharmacy", "unfill", paper, "--as", "south", "--yes")
    town.done("pharmacy", "unfill", paper, "--as", "north", "--yes")

    # then
    assert given == [(1, 0, None, "all given")]
    assert (refused.code, len(refused.sentences)) == (3, 1)
    assert looked(town, paper) == [(0, 1, None, "")]


# -- the patient's phone ---------------------------------------------------------------------------------------------


def test_pass__for_one_pharmacy__which_never_sees_the_code(town: Market, folder: Path) -> None:
    # given
    paper, shown = prescribed(town, folder), str(folder / "pass.png")
    town.done("patient", "pass", paper, "--to", "member:2", "-o", shown)
    [text] = read_symbols(Path(shown))

    # when
    stranger = town.run("pharmacy", "take", shown, "--as", "south")
    town.done("pharmacy", "dispense", code(3), "--prescription", shown, "--as", "north")
    again = town.run("pharmacy", "take", shown, "--as", "north")

    # then
    assert isinstance(parse(text), Pass)
    assert (stranger.code, len(stranger.sentences)) == (3, 1)
    assert "for member 2" in stranger.err
    assert (again.code, len(again.sentences)) == (3, 1)
    assert lines(town.run("patient", "prescription", paper, "--json")) == [(1, 0, None, "all given")]


def test_pass__cannot_be_made_from_a_pass(town: Market, folder: Path) -> None:
    # given
    paper, shown = prescribed(town, folder), str(folder / "pass.txt")
    town.done("patient", "pass", paper, "--to", "member:2", "-o", shown)

    # when
    said = town.run("patient", "pass", shown, "--to", "member:3", "-o", str(folder / "other.png"))

    # then
    assert (said.code, len(said.sentences), (folder / "other.png").exists()) == (3, 1, False)


def test_cancel__by_the_patient_and_by_the_prescriber(town: Market, folder: Path) -> None:
    # given
    paper = prescribed(town, folder, request(folder), request(folder, "b.json"))
    number = town.run("patient", "prescription", paper, "--json").json["prescription"]

    # when
    town.done("patient", "cancel-prescription", paper, "--line", "1", "--payer", "TEST::9", "--yes")
    again = town.run("patient", "cancel-prescription", paper, "--line", "1", "--payer", "TEST::9", "--yes")
    town.done("clinic", "cancel-prescription", number, "--line", "2", "--yes")
    refused = town.run("pharmacy", "take", paper, "--line", "2", "--as", "north")
    stranger = town.run("clinic", "cancel-prescription", "00" * 32, "--line", "1", "--yes")
    wrong = town.run("clinic", "cancel-prescription", number[:20], "--line", "1", "--yes")

    # then
    assert looked(town, paper) == [(0, 0, None, "cancelled")] * 2
    assert [(each.code, len(each.sentences)) for each in (again, refused, stranger, wrong)] == [
        (3, 1),
        (3, 1),
        (3, 1),
        (2, 1),
    ]


@pytest.mark.parametrize("shown", ["hello", "TRX1AAAA", "missing.png", "empty.png", "pack.png", "request.json"])
def test_take__what_is_no_prescription__one_sentence(town: Market, folder: Path, shown: str) -> None:
    # given
    request(folder)
    (folder / "empty.png").write_bytes(b"")
    from theriac.medicine.packid import PackCode, Scheme
    from theriac.medicine.symbols import write_symbol

    (folder / "pack.png").write_bytes(write_symbol(PackCode(Scheme.GTIN, "04150123456782", "SN1")))

    # when
    said = town.run("pharmacy", "take", str(folder / shown) if "." in shown else shown, "--as", "north")

    # then
    assert (said.code, len(said.sentences), said.out) == (2, 1, "")

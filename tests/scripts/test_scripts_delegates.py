"""The commands of those who act beside a patient: delegates, who refers and who is referred to, a programme's team."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from real_anvil import anvil
from scripts_town import ROOT, Town, remembered_passphrases

LOINC = "http://loinc.org"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def result(folder: Path, name: str, display: str) -> str:
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": _CATEGORY, "code": "laboratory"}]}],
        "code": {"coding": [{"system": LOINC, "code": "1742-6", "display": display}]},
    }
    (folder / f"{name}.json").write_text(json.dumps(observation))
    return str(folder / f"{name}.json")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A town of its own, for weeks pass in it."""
    with remembered_passphrases(), anvil(hardfork="cancun") as chain:
        town = Town(chain, tmp_path_factory.mktemp("town"))
        town.found()
        yield town


@pytest.fixture(scope="module")
def hospital(town: Town) -> str:
    """A second member, which nobody was introduced to; its number as a reader."""
    town.done("board", "admit", "TEST::2", "--roles", "clinician,gateway", "--until", "2040-01-01")
    town.done("clinic", "setup", "--as", "hospital", "--account", "TEST::2", "--name", "Lake Hospital")
    return "member:2"


def test_delegate__grants_within_its_mandate_and_ends(town: Town, folder: Path, hospital: str) -> None:
    # given a patient with a result, and a daughter who acts for her
    town.patient("gil", payer="TEST::7")
    town.seal("gil", result(folder, "alt", "ALT"))
    town.done("patient", "watch", "--as", "gil")
    offer, mandate = str(folder / "bea.offer"), str(folder / "bea.mandate")
    town.done("delegate", "init", "--as", "bea", "--name", "Bea", "--payer", "TEST::6")
    town.done("delegate", "offer", "--as", "bea", "--accounts", "2", "-o", offer)
    words = ("--name", "Bea", "--class", "laboratory/N", "--days", "60", "-o", mandate, "--as", "gil", "--yes")
    town.done("patient", "delegate", "add", offer, *words)
    town.done("delegate", "accept", mandate, "--as", "bea", "--patient", "mother")

    # when
    grant = ("delegate", "grant", "mother", hospital, "--days", "20", "--as", "bea", "--yes")
    beyond = town.run(*grant, "--class", "imaging/N")
    town.done(*grant, "--class", "laboratory/N")
    town.done("patient", "watch", "--as", "gil")

    # then
    assert (beyond.code, len(beyond.sentences)) == (3, 1)
    [row] = [each for each in town.done("delegate", "list", "--as", "bea", "--json").json if each["readers"]]
    assert (row["readers"], row["now"]) == ([hospital], "open")
    listed = town.done("clinic", "list", row["pseudonym"], "--as", "hospital", "--json").json
    assert [each["title"] for each in listed] == ["Observation: ALT"]
    assert [each["readers"] for each in town.done("patient", "delegate", "list", "--as", "gil", "--json").json] == [
        [hospital],
        [],
    ]

    # when she narrows and revokes, and the patient ends her
    narrow = ("--class", "laboratory/N", "--days", "5", "--as", "bea")
    town.done("delegate", "narrow", "mother", hospital, *narrow)
    town.done("delegate", "revoke", "mother", hospital, "--as", "bea")
    town.done("patient", "watch", "--as", "gil")
    refused = town.run("clinic", "list", row["pseudonym"], "--as", "hospital")
    town.done("patient", "delegate", "end", "Bea", "--as", "gil", "--yes")
    after = town.run(*grant, "--class", "laboratory/N")

    # then
    assert (refused.code, after.code, len(after.sentences)) == (3, 3, 1)
    assert town.done("patient", "delegate", "list", "--as", "gil").out.strip() == "Nobody grants for you."


def test_delegate__two_of_a_family(town: Town, folder: Path, hospital: str) -> None:
    # given
    town.patient("hal", payer="TEST::7")
    offers = []
    for name in ("ida", "jon", "kim"):
        town.done("delegate", "init", "--as", name, "--name", name, "--payer", "TEST::6")
        offers.append(str(folder / f"{name}.offer"))
        town.done("delegate", "offer", "--as", name, "--accounts", "1", "-o", offers[-1])
    out = str(folder / "family")
    words = ("--name", "family", "--class", "laboratory/N", "--days", "60", "-o", out, "--as", "hal", "--yes")
    assert town.run("patient", "delegate", "add", *offers, *words).code == 2
    town.done("patient", "delegate", "add", *offers, "--quorum", "2", *words)
    for number, name in enumerate(("ida", "jon", "kim"), start=1):
        town.done("delegate", "accept", f"{out}.{number}", "--as", name, "--patient", "hal")

    # when one drafts and another signs
    draft = str(folder / "grant.quorum")
    grant = ("delegate", "grant", "hal", hospital, "--class", "laboratory/N", "--as", "ida", "--yes")
    alone = town.run(*grant)
    town.done(*grant, "-o", draft)
    town.done("delegate", "sign", draft, "--as", "kim", "--yes")
    town.done("patient", "watch", "--as", "hal")

    # then
    assert (alone.code, len(alone.sentences)) == (2, 1)
    assert [each["reader"] for each in town.done("patient", "shared", "--as", "hal", "--json").json] == [hospital]


def test_referral__up_and_back_down(town: Town, folder: Path, hospital: str) -> None:
    # given a check-up at the clinic, which may refer
    town.patient("lea", payer="TEST::7")
    town.seal("lea", result(folder, "liver", "ALT, much too high"))
    town.done("patient", "watch", "--as", "lea")
    grant = ("patient", "grant", "member:1", "--class", "laboratory/N", "--days", "90", "--as", "lea", "--yes")
    town.done(*grant)
    words = ("clinic", "refer", "lea", "--to", hospital, "--class", "laboratory/N", "--reason", "liver", "--yes")
    forbidden = town.run(*words)
    town.done(*grant, "--may-refer")
    wrong = town.run(*words, "--until", "2031-01-01")

    # when it refers, with the phone off, and the hospital reads, writes and sends her back
    town.done(*words)
    [letter] = town.done("clinic", "referrals", "--as", "hospital", "--json").json
    town.done("clinic", "referred", letter["letter"], "--name", "lea of the clinic", "--as", "hospital")
    listed = town.done("clinic", "list", "lea of the clinic", "--as", "hospital", "--json").json
    report = town.seal("lea of the clinic", result(folder, "report", "Gallstone"), THERIAC_AS="hospital").json
    town.done("patient", "watch", "--as", "lea")
    record = report["records"][0]["digest"]
    back = ("clinic", "refer-back", letter["letter"], "--record", record, "--note", "treated", "--as", "hospital")
    town.done(*back)

    # then
    assert (forbidden.code, wrong.code) == (3, 3)
    assert "did not say that it may be referred on" in forbidden.sentences[0]
    assert (letter["reason"], letter["confirmed"], letter["from"]) == ("liver", False, "North Clinic")
    assert [each["title"] for each in listed] == ["Observation: ALT, much too high"]
    [returned] = town.done("clinic", "returned", "--json").json
    assert (returned["records"], returned["note"], returned["from"]) == ([record], "treated", "Lake Hospital")
    assert "Observation: Gallstone" in {each["title"] for each in town.done("clinic", "list", "lea", "--json").json}
    [shown] = town.done("patient", "referral", "list", "--as", "lea", "--json").json
    assert (shown["to"], shown["by"]) == (hospital, "member:1")

    # when she ends it alone
    town.done("patient", "referral", "end", hospital, "--as", "lea", "--yes")

    # then
    assert town.run("clinic", "list", "lea of the clinic", "--as", "hospital").code == 3
    assert town.run(*words).code == 3
    town.done("clinic", "list", "lea")


def test_programme__noted_lost_and_left(town: Town, folder: Path) -> None:
    # given
    town.patient("mia", payer="TEST::7")
    signed, taken = str(folder / "checkup.programme"), str(folder / "mia.enrolment")
    town.done("clinic", "programme", "sign", str(ROOT / "examples" / "checkup-programme.json"), "-o", signed)
    town.done("patient", "programme", "join", signed, "--days", "200", "-o", taken, "--as", "mia", "--yes")
    town.done("clinic", "programme", "enrol", signed, taken, "--name", "mia")

    # when the check-up is done, and she needs a hospital and does not get there
    town.done("clinic", "programme", "done", "mia", "checkup")
    town.done("clinic", "programme", "need", "mia", "hospital", "--note", "liver values")
    town.chain.at(town.chain.now() + 40 * 24 * 3600)

    # then both see it
    rows: list[dict[str, Any]] = town.done("clinic", "programme", "list", "--lost", "--json").json
    assert [(each["name"], each["step"]) for each in rows] == [("mia", "told"), ("mia", "hospital")]
    mine = town.done("patient", "programme", "list", "--as", "mia", "--json").json
    assert [(each["step"], each["state"]) for each in mine] == [
        ("checkup", "done"),
        ("told", "lost"),
        ("hospital", "lost"),
        ("back", "not due"),
    ]
    assert "Seen at the hospital" in town.done("clinic", "programme", "list").out

    # when
    town.done("patient", "programme", "leave", "Yearly check-up", "--as", "mia", "--yes")

    # then
    assert town.run("clinic", "list", "mia").code == 3
    assert town.run("clinic", "programme", "done", "mia", "no such step").code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("patient", "delegate", "end", "nobody", "--as", "mia", "--yes"),
        ("patient", "referral", "end", "member:9", "--as", "mia", "--yes"),
        ("patient", "programme", "leave", "nothing", "--as", "mia", "--yes"),
        ("clinic", "referred", "3f9a", "--name", "x"),
        ("clinic", "programme", "done", "nobody", "checkup"),
        ("delegate", "list", "--as", "mia"),
        ("delegate", "list", "--as", "nobody"),
    ],
    ids=" ".join,
)
def test_bad_input__is_one_sentence(town: Town, words: tuple[str, ...]) -> None:
    said = town.run(*words)

    assert (said.code, len(said.sentences)) == (2, 1)


def test_files__that_are_none(town: Town, folder: Path) -> None:
    wrong = folder / "wrong"
    wrong.write_text('{"kind":"something","format":1}')
    out = ("-o", str(folder / "out"))
    for words in (
        ("patient", "delegate", "add", str(wrong), "--name", "x", "--class", "all", *out, "--as", "mia", "--yes"),
        ("patient", "programme", "join", str(wrong), *out, "--as", "mia", "--yes"),
        ("clinic", "programme", "sign", str(wrong), *out),
        ("delegate", "sign", str(wrong), "--as", "bea", "--yes"),
    ):
        said = town.run(*words)
        assert (said.code, len(said.sentences)) == (2, 1), said

"""The commands about who looked: a clinic's openings, the patient's list, an auditor without a key."""

import json
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from fhir.resources.R4B.bundle import Bundle
from scripts_town import BUNDLE, IMAGE, Town


@pytest.fixture(scope="module")
def ivy(town: Town) -> dict[str, str]:
    """A patient for the tests that need no fresh one; her records by class."""
    return admitted(town, "ivy")


def admitted(town: Town, who: str) -> dict[str, str]:
    """A patient who granted her images and conditions to the whole clinic; her records by class."""
    town.patient(who, payer="TEST::8")
    sealed = town.seal(who, BUNDLE, IMAGE).json["records"]
    town.done("patient", "watch", "--as", who)
    town.done("patient", "grant", "member:1", "--as", who, "--class", "imaging/N,conditions/N", "--yes")
    return {each["class"]: each["digest"] for each in sealed}


def looked(town: Town, who: str, *words: str) -> Any:
    return town.done("patient", "looked", "--as", who, "--json", *words).json


def test_looked__story(town: Town, folder: Path) -> None:
    # given: the clinic opens an image, whose receipt goes out at once, and a finding, whose receipt it keeps
    records = admitted(town, "iris")
    image, finding = records["imaging/N"], records["conditions/N"]
    town.done("clinic", "open", "iris", image[:12], "-o", str(folder / "image.dcm"))
    town.done("clinic", "open", "iris", finding[:12], "-o", str(folder / "finding.json"), "--export", "--later")
    assert [each["record"] for each in looked(town, "iris")["readings"]] == [image]

    # when
    sent = town.done("clinic", "log", "--json").json

    # then: she sees who looked, for what, and that all of it is proved
    assert (sent["logged"], sent["letters"], sent["waiting"], len(sent["roots"])) == (1, 1, [], 1)
    found = looked(town, "iris")
    assert [
        (each["name"], each["number"], each["record"], each["class"], each["act"], each["rule"], each["faults"])
        for each in found["readings"]
    ] == [
        ("North Clinic", 2, finding, "conditions/N", "export", "grant to the member", []),
        ("North Clinic", 1, image, "imaging/N", "open", "grant to the member", []),
    ]
    assert (found["gaps"], found["doubles"], found["strangers"], found["forged"]) == ([], [], {}, 0)
    assert "Nothing was left to send." in town.done("clinic", "log").out
    said = town.done("patient", "looked", "--as", "iris", "--record", image[:10]).out
    assert ("North Clinic" in said, "TREAT" in said, finding[:16] in said) == (True, True, False)

    # and the readings are FHIR AuditEvents
    audit = folder / "audit.json"
    looked(town, "iris", "--fhir", str(audit))
    bundle = Bundle.model_validate_json(audit.read_text())
    assert [type(each.resource) for each in bundle.entry] == [AuditEvent, AuditEvent]

    # when: she discloses the reading of the image, and an auditor without any key looks at it
    disclosed = str(folder / "readings.json")
    town.done("patient", "disclose", "--as", "iris", "--record", image[:12], "-o", disclosed)
    checked = town.done("auditor", "reading", disclosed, "--json").json
    flow = town.done("auditor", "flow", image, disclosed, "--json").json
    bare = town.done("auditor", "flow", image, "--json").json

    # then
    assert [(each["record"], each["faults"]) for each in checked["readings"]] == [(image, [])]
    assert [(each["shown"], each["leaves"]) for each in checked["roots"]] == [(1, 1)]
    assert [(step["what"], step["who"].split(" (")[0]) for step in flow["steps"]] == [
        ("sealed", "North Clinic"),
        ("let in", "North Clinic"),
        ("open", "North Clinic"),
    ]
    assert flow["steps"][-1]["how"].endswith("proved")
    assert [step["what"] for step in bare["steps"]] == ["sealed"], "the chain alone does not join the two pseudonyms"
    assert "holds" in town.done("auditor", "reading", disclosed).out
    assert "let in" in town.done("auditor", "flow", image, disclosed).out

    # and the member shows that below its root there is nothing else
    [root] = sent["roots"]
    town.done("clinic", "disclose", "--root", root[:12], "-o", str(folder / "all.json"))
    roots = town.done("auditor", "reading", str(folder / "all.json"), "--json").json["roots"]
    assert [(each["root"], each["shown"], each["leaves"]) for each in roots] == [(root, 1, 1)]


def test_reading__altered__is_told_apart(town: Town, ivy: dict[str, str], folder: Path) -> None:
    # given
    town.done("clinic", "open", "ivy", ivy["imaging/N"][:12], "-o", str(folder / "image.dcm"))
    disclosed = folder / "readings.json"
    town.done("clinic", "disclose", "--record", ivy["imaging/N"], "-o", str(disclosed))
    whole = json.loads(disclosed.read_text())
    proof = whole["proofs"][-1]

    def checked(**changes: Any) -> Any:
        receipt = {**proof["receipt"], **changes.pop("receipt", {})}
        altered = {**whole, "proofs": [{**proof, **changes, "receipt": receipt}]}
        disclosed.write_text(json.dumps(altered, separators=(",", ":"), sort_keys=True))
        return town.run("auditor", "reading", str(disclosed), "--json")

    # then: another reader, another time, another root
    for said in (
        checked(receipt={"purpose": "FAMRQT"}),
        checked(receipt={"time": proof["receipt"]["time"] - 3600}),
        checked(receipt={"signature": ""}),
    ):
        assert (said.code, said.json["readings"], said.json["forged"], len(said.sentences)) == (5, [], 1, 1)
    elsewhere = checked(root="ab" * 32)
    assert (elsewhere.code, elsewhere.json["readings"][0]["faults"]) == (5, ["it was never logged"])
    assert checked().code == 0


def test_log__staff_hand_in__the_desk_sends(town: Town, ivy: dict[str, str], folder: Path) -> None:
    # given: a colleague of the clinic who opens by its grant to her, and pays for nothing
    town.done("clinic", "setup", "--as", "ruiz", "--account", "TEST::2", "--name", "Dr Ruiz")
    wish, receipts = town.path("ruiz.join"), town.path("ruiz.receipts")
    town.done("clinic", "join-request", "--as", "ruiz", "--member", "1", "--roles", "clinician", "-o", wish)
    town.done("clinic", "take-on", wish)
    town.done("patient", "share-record", ivy["imaging/N"][:16], "TEST::2", "--as", "ivy", "--yes")
    grants = town.done("clinic", "patients", "--as", "ruiz", "--json").json["grants"]
    [hers] = [each["pseudonym"] for each in grants if each["classes"] == ["single records"]]
    town.done("clinic", "open", hers, ivy["imaging/N"], "--as", "ruiz", "-o", str(folder / "image.dcm"), "--later")

    # when
    said = town.done("clinic", "log", "--as", "ruiz", "--hand-in", receipts)
    sent = town.done("clinic", "log", receipts, "--json").json

    # then
    assert "with 1 receipt;" in said.out
    assert (sent["taken"], sent["logged"], sent["letters"]) == (1, 1, 1)
    [reading] = [each for each in looked(town, "ivy")["readings"] if each["name"] == "Dr Ruiz"]
    assert (reading["rule"], reading["member"], reading["granted by"], reading["faults"]) == (
        *("single record", 1, hers),
        [],
    )
    assert town.run("clinic", "log", receipts, "--json").json["taken"] == 0
    assert "Nothing was left" in town.done("clinic", "log", "--as", "ruiz").out

    # and: what is not for the desk is refused in one sentence
    at_the_desk = town.run("clinic", "log", "--hand-in", str(folder / "x"))
    to_ruiz = town.run("clinic", "log", receipts, "--as", "ruiz")
    assert (at_the_desk.code, to_ruiz.code) == (2, 3)
    town.done("clinic", "dismiss", "TEST::2", "--yes")


def test_looked__bad_input(town: Town, ivy: dict[str, str], folder: Path) -> None:
    (folder / "no.json").write_text("{}")
    (folder / "text.json").write_text("no json")
    cases = [
        (("auditor", "reading", str(folder / "no.json")), 2),
        (("auditor", "reading", str(folder / "text.json")), 2),
        (("auditor", "flow", "12ab"), 2),
        (("auditor", "flow", "ab" * 32), 2),
        (("auditor", "flow", ivy["imaging/N"], str(folder / "no.json")), 2),
        (("patient", "disclose", "--as", "ivy", "--record", "ffff", "-o", str(folder / "out")), 3),
        (("patient", "disclose", "--as", "ivy", "-o", str(folder / "no.json" / "x")), 2),
        (("patient", "looked", "--as", "clinic"), 2),
        (("clinic", "disclose", "--record", "zz", "-o", str(folder / "out")), 3),
        (("clinic", "log", str(folder / "no.json")), 2),
        (("clinic", "log", str(folder / "no.json"), "--hand-in", str(folder / "out")), 2),
        (("clinic", "log", "--again"), 2),
        (("clinic", "open", "ivy", ivy["imaging/N"], "-o", str(folder / "no.json" / "x")), 2),
    ]
    before = looked(town, "ivy")

    for words, code in cases:
        said = town.run(*words)

        assert (said.code, len(said.sentences)) == (code, 1), (words, said)
    town.done("clinic", "log")
    assert looked(town, "ivy") == before, "nothing was opened, so nothing was signed"

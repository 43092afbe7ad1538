"""The commands, end to end: what a clinic and a patient do with each other."""

import json
import os
import subprocess
import sys
from pathlib import Path

from scripts_town import BUNDLE, IMAGE, ROOT, Town


def test_deploy__again__changes_nothing_and_says_so(town: Town) -> None:
    # given
    file = Path(town.settings["THERIAC_HOME"]) / "deployments" / "dev.json"
    written, block = file.read_bytes(), town.chain.web3.eth.block_number

    # when
    said = town.done("deploy", "--json")

    # then
    assert (said.json["deployed"], said.json["gas"]) == ([], 0)
    assert (file.read_bytes(), town.chain.web3.eth.block_number) == (written, block)
    assert "nothing was changed" in town.done("deploy").out


def test_deploy__half_done__completes_and_keeps_what_stands(town: Town, folder: Path) -> None:
    # given
    whole = json.loads((Path(town.settings["THERIAC_HOME"]) / "deployments" / "dev.json").read_text())
    names = ("Consortium", "Recovery", "Records")
    half = {**whole, "contracts": {name: whole["contracts"][name] for name in names}}
    (folder / "deployments").mkdir()
    (folder / "deployments" / "dev.json").write_text(json.dumps(half, indent=2) + "\n")

    # when
    said = town.done("deploy", "--json", THERIAC_HOME=str(folder))

    # then
    of_cover = ["Policies", "Rules", "Authorizations", "Escrow", "Benefits", "Claims", "Appeals", "Episodes"]
    of_goods = ["Batches", "ColdChain", "Prescriptions"]
    of_health = ["Keys", "Grants", "Delegations", "Letters", "AccessLog"]
    assert said.json["deployed"] == [*of_health, "Carrier", *of_goods, *of_cover, "Emergencies"]
    assert {name: said.json["contracts"][name] for name in half["contracts"]} == {
        name: each["address"] for name, each in half["contracts"].items()
    }


def test_ape__runs_the_scripts_themselves(town: Town) -> None:
    # given
    ape = Path(sys.executable).with_name("ape")
    environment = {**os.environ, **town.settings, "PYTHONPROFILEIMPORTTIME": "1"}

    # when
    called = subprocess.run(
        [ape, "run", "board", "list", "--json"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )

    # then
    read, said = [], []
    for line in called.stderr.splitlines():
        (read if line.startswith("import time:") else said).append(line)
    assert (called.returncode, said) == (0, [])
    assert [(each["member"], each["name"], each["status"]) for each in json.loads(called.stdout)][:1] == [
        (1, "North Clinic", "admitted")
    ]

    # then: nothing was read that most commands need not, and that takes long
    modules = {line.rpartition("|")[2].strip() for line in read}
    assert "scripts._site" in modules
    assert not {"eth", "eth_tester", "pydicom", "zxingcpp", "fhir.resources"} & modules


def test_story__asked_granted_read_revoked_refused(town: Town, folder: Path) -> None:
    # given: a patient with sealed records, a request for some classes of them
    town.patient("eve", payer="TEST::8")
    sealed = town.seal("eve", BUNDLE, IMAGE).json["records"]
    town.done("patient", "watch", "--as", "eve")
    asked = ["--class", "imaging/N", "--class", "laboratory/N", "--class", "conditions/N", "--reason", "Your visit"]
    town.done("clinic", "ask", "eve", *asked)

    # when: she looks at it and says yes to less of it
    [request] = town.done("patient", "requests", "--as", "eve", "--json").json
    town.done(
        *("patient", "answer", request["letter"], "--as", "eve", "--class", "imaging/N,laboratory/N", "--yes"),
    )

    # then: the clinic reads exactly that
    assert [each["granted"] for each in town.done("clinic", "answers", "--json").json] == [True]
    listed = town.done("clinic", "list", "eve", "--json").json
    assert {each["digest"] for each in listed} == {
        each["digest"] for each in sealed if each["class"] in ("imaging/N", "laboratory/N")
    }
    image = next(each["digest"] for each in listed if each["type"] == "application/dicom")
    town.done("clinic", "open", "eve", image[:12], "-o", str(folder / "image.dcm"))
    assert (folder / "image.dcm").read_bytes() == IMAGE.read_bytes()
    outside = next(each["digest"] for each in sealed if each["class"] == "conditions/N")
    refused = town.run("clinic", "open", "eve", outside, "-o", str(folder / "condition.json"))
    assert (refused.code, len(refused.sentences), (folder / "condition.json").exists()) == (3, 1, False)

    # when: she revokes
    [grant] = town.done("patient", "shared", "--as", "eve", "--json").json
    assert (grant["reader"], grant["classes"]) == ("member:1", ["imaging/N", "laboratory/N"])
    town.done("patient", "revoke", "member:1", "--as", "eve", "--yes")

    # then
    after = town.run("clinic", "open", "eve", image, "-o", str(folder / "again.dcm"))
    assert (after.code, len(after.sentences), (folder / "again.dcm").exists()) == (3, 1, False)
    assert town.done("patient", "shared", "--as", "eve", "--json").json == []
    standing = [each for each in town.done("clinic", "patients", "--json").json["grants"] if each["until"] is None]
    assert [(each["from"], each["now"]) for each in standing] == [(None, "nothing is granted")]


def test_history__says_how_long_ago_and_where(town: Town, folder: Path) -> None:
    # given: an examination twelve days before the chain's day
    from datetime import UTC, datetime, timedelta

    done = datetime.fromtimestamp(town.chain.now(), UTC).date() - timedelta(days=12)
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": _CATEGORY, "code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "4548-4", "display": "Hemoglobin A1c"}]},
        "effectiveDateTime": done.isoformat(),
    }
    (folder / "a1c.json").write_text(json.dumps(observation))
    town.patient("flo", payer="TEST::7")
    assert town.seal("flo", folder / "a1c.json").code == 0
    town.done("patient", "watch", "--as", "flo")
    town.done("patient", "grant", "member:1", "--as", "flo", "--class", "laboratory/N", "--yes")

    # when
    found = town.done("clinic", "history", "flo", "--code", "4548-4", "--days", "90").out
    too_old = town.done("clinic", "history", "flo", "--code", "4548-4", "--days", "5", "--json").json

    # then
    assert found.startswith("Observation: Hemoglobin A1c: done 12 days ago at North Clinic ")
    assert too_old == []


_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def test_staff__joins_reads_one_record_and_is_dismissed(town: Town, folder: Path) -> None:
    # given
    town.done("clinic", "setup", "--as", "jones", "--account", "TEST::3", "--name", "Dr Jones")
    wish = town.path("jones.join")
    town.done("clinic", "join-request", "--as", "jones", "--member", "1", "--roles", "clinician", "-o", wish)
    town.done("clinic", "take-on", wish)
    (folder / "diary.txt").write_text("a headache")
    town.done("patient", "add", str(folder / "diary.txt"), "--as", "ann", "--title", "Diary")
    [diary] = town.done("patient", "records", "--as", "ann", "--class", "patient-reported/N", "--json").json

    # when
    town.done("patient", "share-record", diary["digest"][:16], "TEST::3", "--as", "ann", "--yes")

    # then: that record and no other
    grants = town.done("clinic", "patients", "--as", "jones", "--json").json["grants"]
    [hers] = [each["pseudonym"] for each in grants if each["classes"] == ["single records"]]
    opened = town.done("clinic", "open", hers, diary["digest"], "--as", "jones", "-o", "-")
    assert (opened.out, diary["by"]) == ("a headache", "you")
    other = next(
        each["digest"]
        for each in town.done("patient", "records", "--as", "ann", "--json").json
        if each["digest"] != diary["digest"]
    )
    assert town.run("clinic", "open", hers, other, "--as", "jones", "-o", "-").code == 3

    # when
    town.done("clinic", "dismiss", "TEST::3", "--yes")

    # then
    assert town.run("clinic", "open", hers, diary["digest"], "--as", "jones", "-o", "-").code == 3


def test_export__gives_the_bundle_back_as_it_came(town: Town, folder: Path) -> None:
    # when
    town.done("patient", "export", str(folder / "mine"), "--as", "ann")

    # then
    [whole] = (folder / "mine").glob("bundle-*.json")
    assert whole.read_bytes() == BUNDLE.read_bytes()
    index = json.loads((folder / "mine" / "index.json").read_text())
    assert all((folder / "mine" / each["file"]).exists() for each in index)


def test_restore__brings_everything_back_from_words_and_passphrase(town: Town, folder: Path) -> None:
    # given
    made = town.done("patient", "init", "--as", "gil", "--payer", "TEST::6", "--json").json
    (folder / "note.txt").write_text("a note")
    town.done("patient", "introduce", "--as", "gil", "--to", "1", "-o", town.path("gil.introduction"))
    town.done("clinic", "register", town.path("gil.introduction"), "--name", "gil")
    assert town.seal("gil", folder / "note.txt").code == 0
    town.done("patient", "watch", "--as", "gil")
    before = town.done("patient", "records", "--as", "gil", "--json").json

    # when
    words = {"THERIAC_MNEMONIC": made["words"]}
    town.done("patient", "restore", "--as", "gil-again", "--mnemonic", "--payer", "TEST::6", **words)

    # then: the record is hers again, and what is written next as well
    after = town.done("patient", "records", "--as", "gil-again", "--json").json
    assert [each["digest"] for each in after] == [each["digest"] for each in before]
    assert town.done("patient", "open", before[0]["digest"], "--as", "gil-again", "-o", "-").out == "a note"
    (folder / "next.txt").write_text("another note")
    assert town.seal("gil", folder / "next.txt").code == 0
    town.done("patient", "watch", "--as", "gil-again")
    assert len(town.done("patient", "records", "--as", "gil-again", "--json").json) == 2


def test_patient__one_account_and_wallet_lock__needs_no_passphrase(town: Town, folder: Path) -> None:
    # given
    single = ["--account", "TEST::5", "--lock", "wallet", "--payer", "TEST::4"]
    silent = {"THERIAC_PASSPHRASE": None}
    paid = town.chain.web3.eth.get_transaction_count("0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc")

    # when
    town.done("patient", "init", "--as", "hal", *single, **silent)
    (folder / "diary.txt").write_text("well")
    town.done("patient", "add", str(folder / "diary.txt"), "--as", "hal", **silent)

    # then
    [record] = town.done("patient", "records", "--as", "hal", "--json", **silent).json
    assert town.done("patient", "open", record["digest"], "--as", "hal", "-o", "-", **silent).out == "well"
    after = town.chain.web3.eth.get_transaction_count("0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc")
    assert after == paid, "the account signs and never sends"


def test_board__hands_over_in_two_steps(town: Town, folder: Path) -> None:
    # given: a consortium of its own
    home = {"THERIAC_HOME": str(folder)}
    town.done("deploy", "--account", "TEST::0", **home)

    # when
    town.done("board", "offer", "TEST::2", "--yes", **home)
    before = town.run(
        "board", "admit", "TEST::1", "--roles", "clinician", "--until", "2040-01-01", "--account", "TEST::2", **home
    )
    town.done("board", "accept", "--account", "TEST::2", **home)
    town.done(
        "board", "admit", "TEST::1", "--roles", "clinician", "--until", "2040-01-01", "--account", "TEST::2", **home
    )

    # then
    assert (before.code, len(before.sentences)) == (3, 1)
    assert [each["member"] for each in town.done("board", "list", "--keyless", "--json", **home).json] == [1]
    for act, status in (("suspend", "suspended"), ("reinstate", "admitted"), ("remove", "removed")):
        yes = [] if act == "reinstate" else ["--yes"]
        town.done("board", act, "1", "--account", "TEST::2", *yes, **home)
        assert [each["status"] for each in town.done("board", "list", "--json", **home).json] == [status]

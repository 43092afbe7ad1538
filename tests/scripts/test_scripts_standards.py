"""A patient's commands about standards: Consents out and in, scopes, pages, a summary."""

import json
from pathlib import Path
from typing import Any

import pytest
from scripts_town import BUNDLE, Town


@pytest.fixture(scope="module")
def granted(town: Town) -> Town:
    """A patient of two clinics who lets the first read two classes."""
    town.patient("mia", payer="TEST::8")
    assert town.seal("mia", BUNDLE).code == 0
    town.done("patient", "watch", "--as", "mia")
    town.done("patient", "grant", "member:1", "--class", "laboratory/N,vitals/N", "--yes", "--as", "mia")
    return town


def exported(town: Town, folder: Path) -> dict[str, Any]:
    out = folder / "consent.json"
    town.done("patient", "consent", "export", "member:1", "-o", str(out), "--as", "mia")
    return json.loads(out.read_text())


def test_consent__out_checked_in_again__grants_the_same(granted: Town, folder: Path) -> None:
    # given
    town = granted
    before = town.done("patient", "shared", "--as", "mia", "--json").json

    # when
    consent = exported(town, folder)
    checked = town.done("patient", "consent", "check", str(folder / "consent.json"))
    said = town.done(
        "patient", "consent", "import", str(folder / "consent.json"), "--days", "3650", "--yes", "--as", "mia"
    )

    # then
    assert consent["status"] == "active"
    assert checked.out.startswith("The chain has this grant until")
    assert "may read laboratory/N, vitals/N; all of history; for TREAT" in said.err
    assert "this takes the place of what is granted now" in said.err
    assert town.done("patient", "shared", "--as", "mia", "--json").json == before

    # and: the chain counts the change, so the first statement no longer counts
    again = town.run("patient", "consent", "check", str(folder / "consent.json"))
    assert (again.code, len(again.sentences)) == (3, 1)
    assert "the grant was changed since" in again.err


def test_consent_import__unless_she_agrees__grants_nothing(granted: Town, folder: Path) -> None:
    # given
    town = granted
    exported(town, folder)
    kept = town.kept()

    # when
    said = town.run("patient", "consent", "import", str(folder / "consent.json"), "--as", "mia")

    # then
    assert (said.code, town.kept() == kept) == (1, True)


def _faulty(consent: dict[str, Any], folder: Path) -> dict[str, tuple[list[str], int]]:
    def file(name: str, data: bytes | dict[str, Any]) -> str:
        path = folder / name
        path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
        return str(path)

    act = ["patient", "consent", "import"]
    return {
        "huge": ([*act, file("huge", b" " * (1 << 20) + b"{}")], 2),
        "broken": ([*act, file("broken", b"{")], 2),
        "deep": ([*act, file("deep", b"[" * 5000)], 2),
        "another_resource": ([*act, file("other", {"resourceType": "Patient"})], 2),
        "inactive": ([*act, file("inactive", {**consent, "status": "inactive"})], 2),
        "modifier": ([*act, file("modifier", {**consent, "modifierExtension": [{"url": "urn:x"}]})], 2),
        "another_patient": ([*act, file("patient", {**consent, "patient": {"reference": "Patient/1"}})], 2),
        "recipient": ([*act, file("whole", consent), "--recipient", "nobody"], 2),
        "missing": ([*act, str(folder / "missing")], 2),
        "check_states_nothing": (
            ["patient", "consent", "check", file("plain", {**consent, "extension": [{"url": "urn:x"}]})],
            2,
        ),
        "export_nothing": (
            ["patient", "consent", "export", "member:1", "--purpose", "HPAYMT", "-o", str(folder / "o")],
            2,
        ),
        "scopes_of_nothing": (["patient", "scopes"], 2),
        "summary_into_a_folder": (["patient", "summary", "-o", str(folder)], 2),
    }


def test_standards__bad_input__is_one_sentence_and_changes_nothing(granted: Town, folder: Path) -> None:
    # given
    town = granted
    cases = _faulty(exported(town, folder), folder)
    kept = town.kept()

    for name, (words, code) in cases.items():
        # when
        asks = [] if words[2:3] == ["check"] else ["--as", "mia"]
        said = town.run(*words, *asks)

        # then
        sentence = said.sentences[-1] if name in ("missing", "summary_into_a_folder") else said.err.strip()
        assert (name, said.code) == (name, code)
        assert "Traceback" not in said.err
        assert "\n" not in sentence, (name, said.err)
    assert town.kept() == kept


def test_consent_show__as_text_and_as_a_page(granted: Town, folder: Path) -> None:
    # when
    text = granted.done("patient", "consent", "show", "--as", "mia").out
    page = folder / "page.html"
    granted.done("patient", "consent", "show", "member:1", "-o", str(page), "--language", "zh", "--as", "mia")

    # then
    assert "Reader: North Clinic (member 1)" in text
    assert "What: laboratory (normal confidentiality), vitals and devices (normal confidentiality)" in text
    written = page.read_text(encoding="utf-8")
    assert "检验 (普通)、生命体征与器械 (普通)" in written
    assert "<script" not in written


def test_scopes__of_a_grant(granted: Town) -> None:
    # when
    said = granted.done("patient", "scopes", "member:1", "--as", "mia", "--json").json
    exact = granted.done("patient", "scopes", "--class", "imaging/R", "--labels", "--json").json

    # then
    assert "patient/Specimen.rs?_security=http://terminology.hl7.org/CodeSystem/v3-Confidentiality|N" in said["scope"]
    assert exact["scope"] == "patient/*.rs?_security=urn:theriac:key-class|imaging/R"


def test_summary__across_her_records(granted: Town, folder: Path) -> None:
    # when
    out, page = folder / "ips.json", folder / "ips.html"
    said = granted.done("patient", "summary", "-o", str(out), "--html", str(page), "--as", "mia")

    # then
    bundle = json.loads(out.read_text())
    records = {each["digest"]: each for each in granted.done("patient", "records", "--as", "mia", "--json").json}
    named = {
        each["resource"]["entity"][0]["what"]["identifier"]["value"]
        for each in bundle["entry"]
        if each["resource"]["resourceType"] == "Provenance"
    }
    assert bundle["type"] == "document"
    assert named
    assert named <= {digest for digest, each in records.items() if each["class"].endswith("/N")}
    assert "North Clinic" in page.read_text(encoding="utf-8")
    assert "it is not sealed there" in said.out


def test_consent__of_a_claim__is_still_asked_by_its_file_alone(granted: Town, folder: Path) -> None:
    # given
    (folder / "junk").write_text("no request")

    # when
    plain = granted.run("patient", "consent", str(folder / "junk"), "-o", str(folder / "new"), "--as", "mia")
    first = granted.run("patient", "consent", "-o", str(folder / "new"), str(folder / "junk"), "--as", "mia")

    # then
    assert (plain.code, first.code, plain.err) == (2, 2, first.err)
    assert "request" in plain.err

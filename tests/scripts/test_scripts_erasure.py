"""Erasing by command, members that are asked to give up files, and the proof that two pseudonyms are one person's."""

from pathlib import Path

import pytest
from scripts_town import PASSPHRASE, Said, Town

NEW = {"THERIAC_NEW_PASSPHRASE": "another passphrase of the tests"}
SINCE = {"THERIAC_PASSPHRASE": "another passphrase of the tests"}


def refused(said: Said, code: int) -> None:
    """One sentence, an exit code, no traceback."""
    assert (said.code, len(said.sentences), said.out) == (code, 1, ""), (said.code, said.err, said.out)
    assert "Traceback" not in said.err


def test_erase__asks_the_clinic_which_gives_up_the_file_and_signs_it(town: Town, folder: Path) -> None:
    # given: a patient with a record in each of two classes
    town.patient("ida", payer="TEST::7")
    (folder / "a.txt").write_text("a session")
    (folder / "b.txt").write_text("a letter")
    [gone] = town.run("clinic", "seal", "ida", str(folder / "a.txt"), "--class", "mental-health/R", "--json").json[
        "records"
    ]
    [kept] = town.run("clinic", "seal", "ida", str(folder / "b.txt"), "--class", "documents/N", "--json").json[
        "records"
    ]
    town.done("patient", "watch", "--as", "ida")

    words = Path(town.settings["THERIAC_HOME"]) / "dev" / "ida" / "words"
    former = words.read_bytes()

    # when
    said = town.done("patient", "erase", "mental-health/R", "--as", "ida", "--yes", **NEW)

    # then: the old passphrase opens nothing any more, the new one the rest
    assert "Forget the old one" in said.out
    refused(town.run("patient", "records", "--as", "ida"), 3)
    listed = town.done("patient", "records", "--as", "ida", "--json", **SINCE).json
    assert [each["digest"] for each in listed] == [kept["digest"]]
    assert town.done("patient", "open", kept["digest"], "--as", "ida", "-o", "-", **SINCE).out == "a letter"

    # when: the clinic looks, and does as it was asked
    [asked] = town.done("clinic", "unpin", "--json").json
    assert (asked["patient"], asked["files"]) == ("ida", asked["hers"])
    receipt = town.done("clinic", "unpin", asked["letter"][:12], "--yes", "--json").json
    assert gone["digest"] in receipt["unpinned"]
    assert town.done("clinic", "unpin").out.strip() == "Nobody asks."

    # then: she has it in writing
    town.done("patient", "watch", "--as", "ida", **SINCE)
    here, there = town.done("patient", "erasure", "status", "--as", "ida", "--json", **SINCE).json
    assert (here["where"], here["state"]) == ("here", "unpinned")
    assert (there["where"], there["receipt"]) == ("North Clinic (member:1)", receipt)
    assert "signed" in town.done("patient", "erasure", "status", "--as", "ida", **SINCE).out

    # and had the power gone between the vault and the words, the words that wait would have opened
    words.rename(words.with_name("words.next"))
    words.write_bytes(former)
    assert town.done("patient", "records", "--as", "ida", "--json", **SINCE).json == listed
    assert [each.name for each in sorted(words.parent.glob("words*"))] == ["words"]


def test_erase__refused__says_why_and_changes_nothing(town: Town) -> None:
    before = town.kept()

    refused(town.run("patient", "erase", "mental-health", "--as", "ann", "--yes", **NEW), 2)
    refused(town.run("patient", "erase", "genomics/V", "--as", "ann", "--yes", "--spread", "six", **NEW), 2)
    same = {"THERIAC_NEW_PASSPHRASE": PASSPHRASE}
    refused(town.run("patient", "erase", "genomics/V", "--as", "ann", "--yes", **same), 2)

    assert town.kept() == before
    assert town.done("patient", "records", "--as", "ann", "--json").json


def test_unpin__refused__says_why(town: Town) -> None:
    refused(town.run("clinic", "unpin", "3f9a2c", "--yes"), 3)
    refused(town.run("clinic", "unpin", "3f9a2c", "--keep", "--yes"), 2)


def test_same__asked_shown_answered_and_checked(town: Town, folder: Path) -> None:
    # given: a patient who is registered here, and granted to this clinic under another pseudonym
    town.patient("joy", payer="TEST::6")
    (folder / "c.txt").write_text("a letter")
    town.run("clinic", "seal", "joy", str(folder / "c.txt"), "--class", "documents/N")
    town.done("patient", "watch", "--as", "joy")
    known = {each["pseudonym"] for each in town.done("clinic", "patients", "--json").json["grants"]}
    town.done("patient", "grant", "member:1", "--as", "joy", "--class", "documents/N", "--yes")
    [other] = {each["pseudonym"] for each in town.done("clinic", "patients", "--json").json["grants"]} - known

    # when
    town.done("clinic", "same", "ask", "joy", other, "--reason", "One file for both")
    [asked] = town.done("patient", "same", "show", "--as", "joy", "--json").json

    # then: she sees who asks, why, and what it would come to know
    assert (asked["name"], asked["reason"]) == ("North Clinic", "One file for both")
    assert [each["known_to"] for each in asked["pseudonyms"]] == ["North Clinic", "North Clinic"]
    assert town.done("clinic", "same", "check", "--json").json == {"proven": [], "open": 1}

    # when: she hands the answer over, and the clinic looks at it, twice
    answer = str(folder / "answer.sealed")
    town.done("patient", "same", "answer", asked["letter"][:12], "--as", "joy", "-o", answer, "--yes")
    said = town.done("clinic", "same", "check", answer)

    # then
    assert f"{other} are one person's." in said.out
    refused(town.run("clinic", "same", "check", answer), 3)

    # when: once more, by letter
    town.done("clinic", "same", "ask", "joy", other, "--reason", "Again")
    letter = next(
        each["letter"]
        for each in town.done("patient", "same", "show", "--as", "joy", "--json").json
        if each["reason"] == "Again"
    )
    town.done("patient", "same", "answer", letter, "--as", "joy", "--yes")

    # then
    found = town.done("clinic", "same", "check", "--json").json
    assert [(each["second"], each["reason"]) for each in found["proven"]] == [(other, "Again")]


def test_same__refused__says_why(town: Town) -> None:
    refused(town.run("clinic", "same", "ask", "ann", "nobody", "--reason", "x"), 3)
    refused(town.run("clinic", "same", "ask", "ann", "ann", "--reason", "x"), 2)
    refused(town.run("patient", "same", "answer", "3f9a2c", "--as", "ann", "--yes"), 2)
    refused(town.run("clinic", "same", "check", __file__), 3)


def test_rotate__spread__is_sent_by_watch_when_it_is_due(town: Town) -> None:
    # given
    town.done("patient", "init", "--as", "kim", "--payer", "TEST::5")
    before = len(town.kept())

    # when: nothing is due yet
    said = town.done("patient", "rotate", "--as", "kim", "--spread", "30d")

    # then
    assert "within 30d" in said.out
    town.done("patient", "watch", "--as", "kim", "--spread", "30d")
    assert len(town.kept()) == before
    refused(town.run("patient", "rotate", "--as", "kim", "--rewrite", "--spread", "6h", "--yes"), 2)


@pytest.mark.parametrize("spread", ["6", "h", "-1h", "0h", "31d", "1.5h", "६h"])
def test_spread__that_is_none__one_sentence(town: Town, spread: str) -> None:
    refused(town.run("patient", "rotate", "--as", "ann", f"--spread={spread}"), 2)

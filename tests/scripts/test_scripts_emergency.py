"""The commands of an emergency, end to end: a card, a case, three custodians of whom one lies, a review."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scripts_town import BUNDLE, ROOT, Town

CUSTODIANS = ("keeper-a", "keeper-b", "keeper-c")


@pytest.fixture(scope="module")
def numbers(town: Town) -> list[str]:
    """The members that keep shares; two clinicians, and bob, whose records lie at the clinic."""
    found = []
    for place, who in enumerate(CUSTODIANS, start=30):
        account = f"TEST::{place}"
        said = town.done("board", "admit", account, "--roles", "custodian", "--until", "2040-01-01")
        found.append(said.out.split("member ")[1].split()[0].rstrip(".,:"))
        town.done("custodian", "setup", "--as", who, "--account", account, "--name", who)
    for account, who in (("TEST::33", "jones"), ("TEST::34", "smith")):
        file = town.path(f"{who}.join")
        town.done("clinic", "setup", "--as", who, "--account", account, "--name", who)
        town.done("clinic", "join-request", "--as", who, "--member", "1", "--roles", "clinician", "-o", file)
        town.done("clinic", "take-on", file)
    town.patient("bob", payer="TEST::9")
    assert town.seal("bob", BUNDLE).code == 0
    town.done("patient", "watch", "--as", "bob")
    return found


def chosen(numbers: list[str], *more: str) -> list[str]:
    each = [word for number in numbers for word in ("--custodian", number)]
    return ["patient", "emergency", "set", "--as", "bob", *each, "--need", "2", "--yes", *more]


def test_emergency__from_the_card_to_the_review(town: Town, numbers: list[str], folder: Path) -> None:
    # given a card, as a picture
    card = str(folder / "card.png")
    town.done(*chosen(numbers))
    town.done("patient", "emergency", "card", "--as", "bob", "-o", card)

    # when a clinician scans it, and two custodians look, one of them twice
    jones = ["--as", "jones"]
    words = ["clinic", "emergency", "open", card, *jones, "--reason", "Found on the stairs", "--yes", "--json"]
    case = str(town.done(*words).json["case"])
    early = town.run("clinic", "emergency", "list", case, *jones)
    first = [town.done("custodian", "serve", "--as", "keeper-a", "--once", "--json").json for _ in range(2)]
    half = town.run("clinic", "emergency", "collect", case, *jones, "--json")
    town.done("custodian", "serve", "--as", "keeper-b", "--once")
    whole = town.done("clinic", "emergency", "wait", case, *jones, "--minutes", "1", "--json")

    # then the first look says what is missing, and a custodian releases once
    sentence = f"Emergency {case} is not open yet: no share of its key is here; wait, or call a custodian."
    assert (early.code, early.sentences) == (4, [sentence])
    assert [[each["released"] for each in decided] for decided in first] == [[True], []]
    assert (half.code, half.json["opened"], half.json["need"]) == (4, False, 2)
    assert (whole.json["opened"], sorted(whole.json["good"])) == (True, sorted(map(int, numbers[:2])))

    # and what treatment needs can be listed and read, and nothing else
    listed = town.done("clinic", "emergency", "list", case, *jones, "--json").json
    assert {each["class"].split("/")[1] for each in listed} == {"N"}
    out = str(folder / "record.json")
    town.done("clinic", "emergency", "read", case, *jones, listed[0]["record"][:16], "-o", out)
    assert json.loads(Path(out).read_text())["resourceType"]

    # and the patient hears of it with whatever she does next, and says what she thinks of it
    told = town.done("patient", "records", "--as", "bob")
    assert any(line.startswith(f"ALARM: Emergency {case}:") for line in told.sentences)
    town.done("patient", "watch", "--as", "bob")
    [row] = town.done("patient", "emergency", "cases", "--as", "bob", "--json").json
    assert (row["words"], row["status"], len(row["released"])) == ("Found on the stairs", "open", 2)
    town.done("patient", "emergency", "review", case, "--as", "bob", "--sanction", "--days", "3", "--yes")
    shut = town.run("clinic", "emergency", "read", case, *jones, listed[0]["record"][:16], "-o", out)
    assert (shut.code, "reviewed" in shut.err) == (3, True)
    barred = town.run(*words)
    assert (barred.code, "sanctioned" in barred.err) == (3, True)
    town.done("board", "pardon", "TEST::33", "--account", "TEST::0", "--yes")
    again = str(town.done(*words).json["case"])
    town.done("clinic", "emergency", "withdraw", again, *jones)
    log = town.done("custodian", "log", "--as", "keeper-a", "--json").json
    assert [each["released"] for each in log] == [True]


def test_custodian_serve__killed_at_any_moment__releases_once(town: Town, numbers: list[str], folder: Path) -> None:
    # given a service that runs by itself
    card = str(folder / "card.txt")
    town.done(*chosen(numbers))
    town.done("patient", "emergency", "card", "--as", "bob", "-o", card)
    ape = Path(sys.executable).with_name("ape")
    command = [ape, "run", "custodian", "serve", "--as", "keeper-c", "--every", "0.2"]
    service = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **town.settings}, stdout=subprocess.DEVNULL)
    words = ["clinic", "emergency", "open", card, "--as", "smith", "--reason", "x", "--yes", "--json"]
    case = str(town.done(*words).json["case"])

    # when it is killed as soon as it has begun, and starts again twice
    kept = Path(town.settings["THERIAC_HOME"]) / "dev" / "keeper-c" / "custody"
    until = time.monotonic() + 60
    while not kept.exists() and time.monotonic() < until:
        time.sleep(0.01)
    service.send_signal(signal.SIGKILL)
    service.wait(10)
    for _ in range(2):
        town.done("custodian", "serve", "--as", "keeper-c", "--once")

    # then there is one release, and what it names can be had
    found = town.run("clinic", "emergency", "collect", case, "--as", "smith", "--json")
    [row] = town.done("clinic", "emergency", "cases", "--as", "smith", "--json").json
    assert (row["releases"], found.json["good"], found.json["waiting"]) == (1, [int(numbers[2])], [])
    assert list(kept.glob("*.share")) == []


def test_emergency_set__what_is_restricted__only_who_insists(town: Town, numbers: list[str]) -> None:
    said = town.run(*chosen(numbers, "--class", "mental-health/R"))

    assert (said.code, said.sentences) == (
        2,
        ["mental-health/R is restricted; say --insist if an emergency is to open it too."],
    )


def test_emergency_set__who_is_no_custodian(town: Town, numbers: list[str]) -> None:
    said = town.run(*chosen(["1", numbers[0]]))

    assert said.code == 2
    assert said.sentences[-1] == (
        "These custodians cannot keep your emergency key: member 1 is no custodian in standing."
    )


def test_emergency_open__what_is_no_card(town: Town, numbers: list[str], folder: Path) -> None:
    # given
    (folder / "card.txt").write_text("nothing of interest")
    (folder / "card.png").write_bytes(b"no picture")
    card = str(folder / "whole.txt")
    town.done(*chosen(numbers))
    town.done("patient", "emergency", "card", "--as", "bob", "-o", card)
    [code] = [line for line in Path(card).read_text().split() if line.startswith("THERIAC")]

    # when
    said = [
        town.run("clinic", "emergency", "open", text, "--reason", "x", "--yes")
        for text in (
            *("ann", str(folder / "card.txt"), str(folder / "card.png"), code.replace("0", "1", 1).replace("A", "B")),
            code.replace(":1:", ":2:"),
        )
    ]

    # then
    assert [each.code for each in said] == [2] * 5
    assert [len(each.sentences) for each in said] == [1] * 5


def test_emergency_open__without_words_or_a_known_reason(town: Town, numbers: list[str]) -> None:
    for more in (("--reason", " "), ("--reason", "x", "--why", "because")):
        said = town.run("clinic", "emergency", "open", "0x" + "0" * 40, *more, "--yes")

        assert (said.code, len(said.sentences)) == (2, 1)


def test_emergency__a_case_that_is_not_ones_own(town: Town, numbers: list[str]) -> None:
    for words in (("collect", "99"), ("list", "99"), ("withdraw", "99")):
        said = town.run("clinic", "emergency", *words)

        assert (said.code, said.sentences) == (
            2,
            ["Case 99 is none of yours; 'emergency cases' lists those that are."],
        )


def test_emergency_off__the_card_opens_no_case(town: Town, numbers: list[str], folder: Path) -> None:
    # given
    card = str(folder / "card.txt")
    town.done(*chosen(numbers))
    town.done("patient", "emergency", "card", "--as", "bob", "-o", card)

    # when
    town.done("patient", "emergency", "off", "--as", "bob", "--yes")

    # then
    said = town.run("clinic", "emergency", "open", card, "--reason", "x", "--yes")
    assert (said.code, "no escrow" in said.err) == (3, True)
    assert "Nothing was prepared" in town.done("patient", "emergency", "off", "--as", "bob", "--yes").out
    assert town.run("patient", "emergency", "card", "--as", "bob", "-o", card).code == 3

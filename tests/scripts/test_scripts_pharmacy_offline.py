"""A pharmacy whose chain is out of reach: it goes on, loses nothing, and settles when the chain is back."""

import json
import os
import shutil
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from listening import process_at
from pharmacy_town import Market, code
from ready_python import Started
from small_files import small_files
from wire import Wire

from scripts import _following

# Looks at the chain more often than a pharmacy does, and waits a second for it, not four.
HURRY = """
from datetime import timedelta
from scripts import _following
_following.EVERY, _following._ANSWER = 0.1, timedelta(seconds=1)
"""


@pytest.fixture(scope="module")
def place(market: Market) -> Iterator[tuple[Market, Wire]]:
    """A pharmacy that reaches its node by a wire."""
    wire = Wire(str(market.chain.web3.provider.endpoint_uri))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(market.settings, "THERIAC_NETWORK", f"ethereum:dev:{wire.uri}")
        patch.setattr(_following, "AT_START", 1.0)
        for who in ("north", "south"):
            market.done("pharmacy", "list", "--as", who)
        yield market, wire
    wire.cut()


def dispensed(town: Market, number: int) -> int:
    """How often the chain says that a pack was dispensed."""
    with town.goods("maker") as maker:
        events = maker.depot.chain.index.events("Batches", "Dispensed")
        return Counter(event.arguments["index"] for event in events)[town.place(number)]


def causes(out: str) -> list[str]:
    return [json.loads(line)["cause"] for line in out.splitlines()]


def said_line(process: Started, raw: str) -> Any:
    """Types a code at a running scan; the verdict that it prints. What it prints of dispenses is passed over."""
    assert process.stdin is not None
    process.stdin.write(raw.encode() + b"\n")
    process.stdin.flush()
    return next(line for line in map(json.loads, process.stdout) if "cause" in line)


def test_offline__scans_and_dispenses_from_the_index__and_settles_after(place: tuple[Market, Wire]) -> None:
    town, wire = place
    with wire.down():
        # when: scans and dispenses without a chain
        scanned = town.scan(code(0), code(11), words=("--json",))
        first = town.run("pharmacy", "dispense", code(0), code(1), "--as", "north")
        second = town.scan(code(0), code(2), words=("--dispense", "--json"))
        many = town.run("pharmacy", "dispense", "--many", code(3), "--as", "north")
        settle = town.run("pharmacy", "settle", "--as", "north")
        listed = town.run("pharmacy", "list", "--as", "north")

        # then: verdicts come, and it is said once how old that is what they are made from
        assert (scanned.code, causes(scanned.out), len(scanned.sentences)) == (3, ["genuine", "unknown-here"], 1)
        assert scanned.err.startswith("The chain is out of reach; verdicts are made from what was known at 20")
        assert [json.loads(line)["online"] for line in scanned.out.splitlines()] == [False, False]

        # then: dispenses wait, which is no failure; what needs the chain says so
        assert (first.code, [line.split()[0] for line in first.out.splitlines()]) == (0, ["dispensed"] * 2)
        assert first.sentences[-1] == "2 dispenses wait for the chain; 'ape run pharmacy settle' sends them."
        assert (second.code, causes(second.out)) == (3, ["dispensed-here", "genuine"])
        assert [(said.code, len(said.sentences), said.out) for said in (many, settle)] == [(4, 1, "")] * 2
        assert (listed.code, len(listed.sentences)) == (0, 1)

    # when
    settled = town.done("pharmacy", "settle", "--as", "north")
    again = town.done("pharmacy", "settle", "--as", "north")

    # then
    assert [line.split()[-1] for line in settled.out.splitlines()] == ["standing", "settled", "settled", "settled"]
    assert again.out == "Nothing waits.\n"
    assert [dispensed(town, number) for number in (0, 1, 2, 3)] == [1, 1, 1, 0]


def test_offline__a_node_that_answers_nothing__delays_no_verdict(place: tuple[Market, Wire]) -> None:
    # given: a scan that runs while its node stops to answer
    town, _ = place
    node = process_at(str(town.chain.web3.provider.endpoint_uri))
    process = town.started("scan", "--as", "south", "--json", hurry=HURRY)
    known = [said_line(process, code(number))["cause"] for number in (10, 11, 12)]
    os.kill(node, signal.SIGSTOP)
    try:
        time.sleep(1)

        # when
        began = time.monotonic()
        verdicts = [said_line(process, code(number))["cause"] for number in (10, 11, 12)]
        took = time.monotonic() - began
        late = town.scan(code(10), words=("--json",), who="south")
    finally:
        os.kill(node, signal.SIGCONT)
    process.communicate(timeout=60)

    # then: had the scan asked the node, each would have waited for its ten seconds
    assert verdicts == known
    assert took < 8
    assert (causes(late.out), len(late.sentences)) == ([known[0]], 1)


def test_offline__running_scan__says_once_that_the_chain_is_gone_and_once_that_it_is_back(
    place: tuple[Market, Wire],
) -> None:
    # given
    town, wire = place
    process = town.started("scan", "--as", "south", "--json", "--dispense", hurry=HURRY)
    online = said_line(process, code(10))
    _wait_for(town, "south", "settled", 1)

    # when
    with wire.down():
        gone = process.stderr.readline()
        offline = [said_line(process, code(number)) for number in (11, 10, 11)]
        time.sleep(2.5)
    returned = process.stderr.readline()
    _wait_for(town, "south", "settled", 2)
    back = said_line(process, code(12))
    _, err = process.communicate(timeout=120)

    # then
    assert (online["online"], online["dispensed"]) == (True, True)
    assert [(each["cause"], each["online"], each["dispensed"]) for each in offline] == [
        ("genuine", False, True),
        ("dispensed-here", False, False),
        ("dispensed-here", False, False),
    ]
    assert (back["cause"], back["online"], back["dispensed"]) == ("genuine", True, True)
    assert gone.startswith(b"The chain is out of reach; verdicts are made from what was known at 20")
    assert (returned, err) == (b"The chain is back.\n", b"")
    assert process.returncode == 3
    assert [dispensed(town, number) for number in (10, 11, 12)] == [1, 1, 1]


def _wait_for(town: Market, who: str, standing: str, count: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        path = next((town.folder / "home").glob(f"*/{who}/counter.sqlite"))
        with sqlite3.connect(path) as database:
            [[found]] = database.execute("SELECT count(*) FROM dispenses WHERE standing = ?", (standing,))
        if found >= count:
            return
        time.sleep(0.1)
    raise AssertionError(f"there are not {count} that are {standing}")


def test_offline__killed_while_it_dispenses__nothing_is_lost_and_nothing_is_done_twice(
    place: tuple[Market, Wire],
) -> None:
    # given
    town, wire = place
    handed_out: list[int] = []

    # when: the scan is killed as soon as it said that a pack was dispensed, and begun anew with all of them
    with wire.down():
        for stop in (13, 15):
            process = town.started("scan", "--as", "south", "--json", "--dispense")
            for number in range(13, stop + 1):
                if said_line(process, code(number))["dispensed"]:
                    handed_out.append(number)
            process.kill()
            process.communicate()
    town.done("pharmacy", "settle", "--as", "south")

    # then
    assert handed_out == [13, 14, 15]
    assert [dispensed(town, number) for number in (13, 14, 15)] == [1, 1, 1]


def test_settle__dispensed_meanwhile_by_another_device__conflict_with_its_reason(
    place: tuple[Market, Wire], folder: Path
) -> None:
    # given: two devices of one pharmacy with one account; one of them is cut off
    town, wire = place
    shutil.copytree(town.folder / "home", folder / "home")
    with wire.down():
        town.done("pharmacy", "dispense", code(4), "--as", "north")
    town.done("pharmacy", "dispense", code(4), "--as", "north", THERIAC_HOME=str(folder / "home"))

    # when
    said = town.run("pharmacy", "settle", "--as", "north", "--json")
    shown = town.done("pharmacy", "dispenses", "--standing", "conflict", "--as", "north")

    # then
    [row] = said.json
    assert said.code == 3
    assert (row["standing"], row["refusal"], row["pack"]) == (
        "conflict",
        "dispensed-meanwhile",
        "04150123456782 SN000004",
    )
    assert "WrongStatus" in row["detail"]
    assert shown.out.splitlines()[1].endswith("dispensed-meanwhile")
    assert dispensed(town, 4) == 1


@pytest.mark.parametrize("words", [("dispense", "-"), ("scan", "--dispense")], ids=["dispense", "scan"])
def test_dispense__full_disk__one_sentence_and_no_dispense_is_claimed(
    place: tuple[Market, Wire], words: tuple[str, ...]
) -> None:
    # given
    town, wire = place
    raw = code(5).encode() + b"\n"

    # when
    with wire.down():
        with small_files(1000):
            said = town.typed(raw, *words, "--as", "north")
        again = town.scan(code(5), words=("--json",))

    # then
    assert (said.code, said.out) == (6, "")
    assert "free space" in said.sentences[-1]
    assert "Traceback" not in said.err
    assert causes(again.out) == ["genuine"]


def test_dispense__counter_that_cannot_be_written__one_sentence_and_no_dispense_is_claimed(
    place: tuple[Market, Wire],
) -> None:
    # given: a file that says to whoever opens it that it is for reading only (SQLite's file format, 1.3.3)
    town, wire = place
    path = next((town.folder / "home").glob("*/north/counter.sqlite"))
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode = DELETE")
    database.close()
    before = path.read_bytes()
    path.write_bytes(before[:18] + b"\x03" + before[19:])

    # when
    try:
        with wire.down():
            said = town.run("pharmacy", "dispense", code(5), "--as", "north")
    finally:
        path.write_bytes(before)

    # then
    assert (said.code, len(said.sentences), said.out) == (6, 1, "")
    assert causes(town.scan(code(5), words=("--json",)).out) == ["genuine"]


def test_offline__never_here_before__one_sentence(place: tuple[Market, Wire], folder: Path) -> None:
    town, wire = place
    with wire.down():
        said = town.run("pharmacy", "scan", "--as", "north", THERIAC_HOME=str(folder))

    assert (said.code, len(said.sentences), said.out) == (4, 1, "")

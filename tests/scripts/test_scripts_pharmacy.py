"""The commands of a pharmacy on a real chain: scans, dispenses, and taking back."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pharmacy_town import PRODUCT, SCRIPT, Market, code
from scripts_town import Said

from theriac.medicine.packid import PackCode, Scheme
from theriac.medicine.symbols import Symbology, write_symbol

# Gives a picture up that stays half of one for a second, not for two.
HURRY = "from scripts import _scanning; _scanning._GIVEN_UP_AFTER = 1.0\n"


@pytest.fixture
def town(market: Market) -> Iterator[Market]:
    with market.undone():
        yield market


def rows(said: Said) -> list[Any]:
    """The lines of JSON that a command printed."""
    return [json.loads(line) for line in said.out.splitlines()]


def words(said: Said) -> list[str]:
    """The first word of each line."""
    return [line.split()[0] for line in said.out.splitlines()]


def picture(number: int, *, symbology: Symbology = Symbology.DATAMATRIX) -> bytes:
    pack = PackCode(Scheme.GTIN, PRODUCT.code, f"SN{number:06d}", lot=PRODUCT.lot, expiry=PRODUCT.expiry)
    return write_symbol(pack, symbology=symbology)


# -- scanning --------------------------------------------------------------------------------------------------------


def test_scan__lines_of_a_scanner__one_verdict_each_and_the_worst_exit_code(town: Market) -> None:
    said = town.scan(code(0), code(11), code(1, lot="OTHER"), "hello", code(2).replace("\x1d", ""))

    assert words(said) == ["genuine", "unknown-here", "altered", "no-code", "scanner"]
    assert (said.code, said.err) == (3, "")
    assert said.out.splitlines()[0] == (
        "genuine              04150123456782 SN000000 (lot L42A, expires 2035-06-30): "
        "Genuine, in date, not recalled, yours, not dispensed."
    )


@pytest.mark.parametrize(
    ("lines", "exit_code"),
    [
        ((code(0), code(1)), 0),
        ((code(0), "hello"), 2),
        ((code(0), code(1).replace("\x1d", "<GS>")), 2),
        (("hello", code(11)), 3),
        ((), 0),
    ],
    ids=["genuine", "no-code", "scanner", "unknown", "nothing"],
)
def test_scan__exit_code__the_worst_of_all(town: Market, lines: tuple[str, ...], exit_code: int) -> None:
    assert town.scan(*lines).code == exit_code


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b"\n\n", b""])
def test_scan__whatever_end_a_scanner_sends__no_fault_of_it(town: Market, end: bytes) -> None:
    said = town.scan(code(0).encode() + end)

    assert (words(said), said.code) == (["genuine"], 0)


def test_scan__json__one_object_a_line(town: Market) -> None:
    said = town.scan(code(0), "\x1b[2J", words=("--json",))

    assert rows(said) == [
        {
            "cause": "genuine",
            "sentence": "Genuine, in date, not recalled, yours, not dispensed.",
            "may_be_dispensed": True,
            "is_alarm": False,
            "scanner": [],
            "scheme": "gtin",
            "product": "04150123456782",
            "serial": "SN000000",
            "lot": "L42A",
            "expiry": "2035-06-30",
            "batch": town.batch.hex(),
            "index": town.place(0),
            "holder": 2,
            "source": None,
            "online": True,
            "dispensed": False,
        },
        {
            "cause": "no-code",
            "sentence": "This is no code of a pack; scan again.",
            "may_be_dispensed": False,
            "is_alarm": False,
            "scanner": [],
            **dict.fromkeys(("scheme", "product", "serial", "lot", "expiry", "batch", "index", "holder", "source")),
            "online": True,
            "dispensed": False,
        },
    ]


def test_scan__pictures__codes_and_what_has_none(town: Market, folder: Path) -> None:
    # given
    (folder / "pack.png").write_bytes(picture(0))
    (folder / "qr.png").write_bytes(picture(1, symbology=Symbology.QR))
    (folder / "broken.png").write_bytes(picture(2)[:300])
    (folder / "text.jpg").write_text("no picture")
    names = [str(folder / name) for name in ("pack.png", "qr.png", "broken.png", "text.jpg", "missing.png")]

    # when
    said = town.scan(words=(*names, "--json"))

    # then
    found = rows(said)
    assert [(each["cause"], each["source"]) for each in found] == [
        ("genuine", names[0]),
        ("genuine", names[1]),
        ("no-code", names[2]),
        ("no-code", names[3]),
        ("no-code", names[4]),
    ]
    assert all(each["source"] in each["sentence"] for each in found[2:])
    assert (said.code, said.err) == (2, "")


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b[2J\x1b]0;owned\x07",
        "]d2\x1b[31mred",
        f"01{PRODUCT.code}21\x1b[2J",
        "(01)04150123456782(21)\u202eSN",
        "\x9b2J",
        "\0" * 30,
        "x" * 200_000,
    ],
    ids=["escape", "prefix", "serial", "direction", "c1", "zeros", "long"],
)
def test_scan__hostile_code__cannot_steer_a_terminal(town: Market, hostile: str) -> None:
    said = town.scan(hostile, code(0))

    assert words(said)[-1] == "genuine"
    assert (said.code, len(said.out.splitlines())) == (2, 2)
    assert all(letter.isprintable() or letter == "\n" for letter in said.out)


def test_scan__several_words_that_do_not_go_together__one_sentence(town: Market, folder: Path) -> None:
    both = town.scan(words=("a.png", "--watch", str(folder)))
    idle = town.scan(words=("--idle", "3"))
    nobody = town.scan(who="nobody")
    name = town.scan(who="../north")

    assert [(said.code, len(said.sentences), said.out) for said in (both, idle, nobody, name)] == [(2, 1, "")] * 4


@pytest.mark.parametrize("place", ["", "  ", "x" * 81, "Till\x1b[2J", "\udc80"], ids=ascii)
def test_scan__place_that_no_scan_can_name__refused_before_anything_is_scanned(town: Market, place: str) -> None:
    said = town.scan(code(0), words=("--place", place))

    assert (said.code, said.out) == (2, "")
    assert said.sentences == ["--place is a GLN or a text of 1 to 80 printable characters."]


def test_scan__watched_folder__each_picture_once_and_only_when_it_is_whole(town: Market, folder: Path) -> None:
    # given: one picture there, one that arrives, one that is written slowly, one that is never whole, and other files
    watched = folder / "scans"
    watched.mkdir()
    (watched / "a.png").write_bytes(picture(0))
    (watched / ".hidden.png").write_bytes(picture(1))
    (watched / "notes.txt").write_text(code(2))
    process = town.started("scan", "--as", "north", "--watch", str(watched), "--json", "--idle", "2", hurry=HURRY)
    lines = [json.loads(process.stdout.readline())]

    # when
    (watched / "b.png").write_bytes(picture(1))
    lines.append(json.loads(process.stdout.readline()))
    slow = picture(5)
    with (watched / "c.png").open("wb") as file:
        for start in range(0, len(slow), len(slow) // 3 + 1):
            file.write(slow[start : start + len(slow) // 3 + 1])
            file.flush()
            time.sleep(0.3)
    (watched / "d.png").write_bytes(slow[:200])
    out, err = process.communicate(timeout=60)
    lines += [json.loads(line) for line in out.splitlines()]

    # then
    assert [(Path(each["source"]).name, each["cause"]) for each in lines] == [
        ("a.png", "genuine"),
        ("b.png", "genuine"),
        ("c.png", "genuine"),
        ("d.png", "no-code"),
    ]
    assert (process.returncode, err) == (2, b"")


def test_scan__stopped_by_ctrl_c__ends_in_order_with_the_worst_exit_code(town: Market) -> None:
    # given
    process = town.started("scan", "--as", "north", "--json")
    assert process.stdin is not None
    process.stdin.write(code(11).encode() + b"\n")
    process.stdin.flush()
    first = json.loads(process.stdout.readline())

    # when
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    # then
    assert (first["cause"], process.returncode, out, err) == ("unknown-here", 3, b"", b"")


def test_scan__terminal__control_characters_of_a_code_pass_and_colours_are_there(town: Market) -> None:
    # given: a scanner that types a PPN's envelope, whose end is a terminal's end of input, and keys that mean signals
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "scan", "--as", "north"],
        env={**os.environ, **town.settings},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    envelope = "[)>\x1e06\x1d9N110375286414\x1dSQZ48Y77\x1e\x04"
    _until(ours, b"Ctrl-D ends it.", 60)

    # when
    os.write(ours, envelope.encode() + b"\r")
    first = _until(ours, b"Ask its maker", 20)
    os.write(ours, b"01041501234567821\x7fxx\x1c\x1a\r")
    second = _until(ours, b"scan again", 20)
    os.write(ours, code(0).encode() + b"\r")
    third = _until(ours, b"not dispensed.", 20)
    os.write(ours, b"\x04")
    process.wait(30)
    os.close(ours)

    # then
    assert b"110375286414 QZ48Y77" in first
    assert b"no-code" in second
    assert b"\x1b[32m" in third
    assert process.returncode == 3


def _until(handle: int, wanted: bytes, seconds: float) -> bytes:
    """What a terminal shows until something stands there."""
    shown, deadline = b"", time.monotonic() + seconds
    while time.monotonic() < deadline and wanted not in shown:
        if select.select([handle], [], [], 0.2)[0]:
            shown += os.read(handle, 4096)
    assert wanted in shown, shown
    return shown


def test_scan__runs_beside_other_commands_of_the_pharmacy(town: Market) -> None:
    # given
    process = town.started("scan", "--as", "south", "--json")

    def asked(line: str) -> str:
        process.stdin.write(line.encode() + b"\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        return str(json.loads(process.stdout.readline())["cause"])  # type: ignore[union-attr]

    before = asked(code(10))

    # when
    town.done("pharmacy", "dispense", code(10), "--as", "south")
    after = asked(code(10))
    process.communicate(timeout=60)

    # then
    assert (before, after) == ("genuine", "dispensed-here")


# -- dispensing ------------------------------------------------------------------------------------------------------


def test_scan__dispense__each_genuine_pack_once(town: Market) -> None:
    said = town.scan(code(3), code(3), code(4), code(11), words=("--dispense",))
    again = town.scan(code(3), code(4))

    assert words(said) == ["dispensed", "dispensed-here", "dispensed", "unknown-here"]
    assert (said.code, said.err) == (3, "")
    assert words(again) == ["dispensed-here", "dispensed-here"]
    kept = town.done("pharmacy", "dispenses", "--as", "north", "--json").json
    assert [(each["standing"], each["signed"]) for each in kept if each["pack"][-1] in "34"] == [("settled", True)] * 2


def test_dispense__some_pack_that_may_not__none_of_them(town: Market) -> None:
    # when
    said = town.run("pharmacy", "dispense", code(5), code(11), "--as", "north")

    # then
    assert (said.code, words(said)) == (3, ["genuine", "unknown-here"])
    assert said.err == "Nothing was dispensed.\n"
    assert words(town.scan(code(5))) == ["genuine"]


@pytest.mark.parametrize(
    ("codes", "exit_code"),
    [((code(5), code(5)), 2), (("hello",), 2), (("missing.png",), 2), (("-",), 2)],
    ids=["twice", "no-code", "no-file", "nothing"],
)
def test_dispense__codes_that_cannot_be__nothing_is_dispensed(
    town: Market, codes: tuple[str, ...], exit_code: int
) -> None:
    said = town.typed(b"", "dispense", *codes, "--as", "north")

    assert said.code == exit_code
    assert "Traceback" not in said.err
    assert words(town.scan(code(5))) == ["genuine"]


def test_dispense__account_that_is_no_pharmacist__refused_before_anything_is_written(town: Market) -> None:
    # given: the maker's account at the pharmacy's counter
    said = town.run("pharmacy", "dispense", code(5), "--as", "maker")

    assert (said.code, len(said.sentences), said.out) == (3, 1, "")
    assert "no pharmacist" in said.err


def test_dispense__many__whole_case_and_a_pack_that_stands_apart(town: Market) -> None:
    # given: a pack of the case that was blocked once by itself, which no mask takes along
    town.done("pharmacy", "quarantine", f"L42A/{1 << 20 | town.place(6)}", "--as", "north", "--reason", "1")
    blocked = town.scan(code(6))
    town.done("pharmacy", "release", f"L42A/{1 << 20 | town.place(6)}", "--as", "north")

    # when
    lines = "".join(code(number) + "\n" for number in (6, 7, 8, 9))
    said = town.typed(lines.encode(), "dispense", "--many", "-", "--as", "north")

    # then
    assert words(blocked) == ["quarantined"]
    assert (said.code, words(said)) == (0, ["dispensed"] * 4)
    assert words(town.scan(*[code(number) for number in (6, 7, 8, 9)])) == ["dispensed-here"] * 4


@pytest.mark.parametrize(("number", "many"), [(17, ["--many"]), (18, [])], ids=["many", "each"])
def test_dispense__after_a_run_that_was_interrupted_while_it_sent__is_told_what_became_of_it(
    town: Market, number: int, many: list[str]
) -> None:
    # given: a run that sent a mask and ended, and a chain that takes its time
    town.chain.ask("evm_setAutomine", False)
    with town.goods("south") as goods:
        verdict = goods.depot.scanner().scan(code(number))
        assert verdict.pack is not None
        [(batch, case, word, mask)] = goods.depot._masks([verdict.pack])
        call = goods.depot.chain.contracts.Batches.functions.dispenseMany(batch, case, word, mask)
        goods.depot._sending().submit(call)
    miner = threading.Timer(1.5, lambda: town.chain.ask("evm_setAutomine", True) or town.chain.ask("evm_mine"))
    miner.start()

    # when
    said = town.run("pharmacy", "dispense", *many, code(number), "--as", "south")
    miner.join()

    # then
    assert (said.code, words(said)) == (3, ["dispensed-here"]), said.err
    assert said.err == "Nothing was dispensed.\n"


def test_scan__dispense_with_an_account_that_is_no_pharmacist__stops_before_anything_is_written(town: Market) -> None:
    # given: a pack that the maker holds itself
    said = town.scan(code(45), words=("--dispense",), who="maker")

    assert (said.code, len(said.sentences), said.out) == (3, 1, "")
    assert "no pharmacist" in said.err
    assert town.done("pharmacy", "dispenses", "--as", "maker").out == "Nothing was dispensed here.\n"


def test_scan__after_a_command_with_an_account_of_another_member__judges_as_before(town: Market) -> None:
    # given
    before = words(town.scan(code(7)))

    # when
    refused = town.run("pharmacy", "dispense", code(7), "--as", "north", "--account", "TEST::3")

    # then
    assert (refused.code, words(town.scan(code(7)))) == (3, before)


def test_scan__two_tills_that_dispense_the_same_packs__each_pack_once(town: Market) -> None:
    # given
    town.give(20, "south")
    processes = [town.started("scan", "--as", "south", "--json", "--dispense") for _ in range(2)]
    lines = "".join(code(number) + "\n" for number in range(20, 30)).encode()

    # when
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(lines)
        process.stdin.close()
        process.stdin = None
    ended = [process.communicate(timeout=120) for process in processes]

    # then
    assert [err for _, err in ended] == [b"", b""]
    told = [json.loads(line) for out, _ in ended for line in out.splitlines()]
    handed_out = [each["serial"] for each in told if each.get("dispensed")]
    assert sorted(handed_out) == [f"SN{number:06d}" for number in range(20, 30)]
    with town.goods("maker") as maker:
        events = [event.arguments["index"] for event in maker.depot.chain.index.events("Batches", "Dispensed")]
    assert [events.count(town.place(number)) for number in range(20, 30)] == [1] * 10


def test_scan__one_serial_at_two_places__a_clone_with_a_report(town: Market) -> None:
    # when
    first = town.scan(code(16), words=("--place", "Main Street"), who="south")
    town.chain.at(town.chain.now() + 60)
    second = town.scan(code(16), words=("--place", "Station"), who="south")

    # then
    assert (words(first), first.err) == (["genuine"], "")
    assert (words(second), second.code) == (["cloned"], 3)
    [report] = (town.folder / "home").glob("*/south/clones/*.json")
    assert str(report) in second.err


# -- taking back -----------------------------------------------------------------------------------------------------


def test_undo__within_ten_days_and_not_later(town: Market) -> None:
    # given: two packs that were dispensed, the second five days after the first
    with town.chain.undone():
        town.done("pharmacy", "dispense", code(12), "--as", "south")
        first = town.chain.now()
        town.done("pharmacy", "undo", code(12), "--as", "south")
        again = words(town.scan(code(12), who="south"))
        town.done("pharmacy", "dispense", code(12), "--as", "south")
        first = town.chain.now()
        town.chain.at(first + 5 * 86_400)
        town.done("pharmacy", "dispense", code(13), "--as", "south")

        # when: the case's window is open still, the first pack's own is not
        town.chain.at(first + 10 * 86_400 + 10)
        late = town.run("pharmacy", "undo", code(12), "--as", "south")
        intime = town.run("pharmacy", "undo", code(13), "--as", "south")
    town.scan(who="south")

    # then
    assert again == ["genuine"]
    assert (late.code, len(late.sentences)) == (3, 1)
    assert "could be taken back until 20" in late.err
    assert intime.code == 0


def test_dispenses__pack_that_was_taken_back__says_so_of_that_dispense_alone(town: Market) -> None:
    # given: a pack that was dispensed, taken back and dispensed again
    town.done("pharmacy", "dispense", code(16), "--as", "south")
    town.done("pharmacy", "undo", code(16), "--as", "south")
    town.done("pharmacy", "dispense", code(16), "--as", "south")

    # when
    said = town.done("pharmacy", "dispenses", "--as", "south").out.splitlines()
    kept = town.done("pharmacy", "dispenses", "--as", "south", "--json").json

    # then
    assert [line.split()[-1] for line in said if "SN000016" in line] == ["undone", "settled"]
    found = [(each["standing"], each["undone"]) for each in kept if "SN000016" in each["pack"]]
    assert found == [("settled", True), ("settled", False)]


@pytest.mark.parametrize(
    ("number", "who", "said_"),
    [(14, "south", "was not dispensed"), (0, "south", "Unknown here"), (3, "south", "Unknown here")],
)
def test_undo__pack_that_was_not_dispensed_here__refused(town: Market, number: int, who: str, said_: str) -> None:
    said = town.run("pharmacy", "undo", code(number), "--as", who)

    assert (said.code, len(said.sentences)) == (3, 1)
    assert said_ in said.err


# -- goods -----------------------------------------------------------------------------------------------------------


def test_return__case_to_its_giver__and_an_opened_case_not(town: Market) -> None:
    # given
    town.give(30, "north")
    town.done("pharmacy", "dispense", code(2), "--as", "north")

    # when
    said = town.done("pharmacy", "return", f"case:{code(30)}", "--as", "north")
    opened = town.run("pharmacy", "return", f"case:{code(2)}", "--as", "north")
    offers = town.done("pharmacy", "receive", "--as", "maker", "--json").json

    # then
    assert said.out == f"Case L42A/{town.case(30)} is offered to Maker (member 1).\n"
    assert words(town.scan(code(30))) == ["offered"]
    assert [each["node"] for each in offers] == [town.case(30)]
    assert (opened.code, len(opened.sentences)) == (3, 1)
    assert "give its packs back one by one" in opened.err


def test_end__destroyed__for_good(town: Market) -> None:
    # when
    unsure = town.typed(b"n\n", "end", code(15), "--how", "destroyed", "--as", "south")
    said = town.done("pharmacy", "end", code(15), "--how", "destroyed", "--as", "south", "--yes")
    again = town.run("pharmacy", "end", code(15), "--how", "stolen", "--as", "south", "--yes")
    foreign = town.run("pharmacy", "end", code(0), "--how", "stolen", "--as", "south", "--yes")

    # then
    assert unsure.code == 1
    assert said.out == "Ended as destroyed: 1 pack.\n"
    assert words(town.scan(code(15), who="south")) == ["destroyed"]
    assert [(each.code, len(each.sentences)) for each in (again, foreign)] == [(3, 1), (3, 1)]

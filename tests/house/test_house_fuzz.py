"""`make fuzz`: what the engines say is understood, what was kept is played again, and each end has an exit code."""

import argparse
import json
from pathlib import Path

import pytest

from tools import fuzz, fuzz_faults
from tools.fuzz import Handler, Played

KEYS = Handler(
    "KeysHandler",
    acts=("publish(uint256,uint256)", "finish(uint256)"),
    properties=("property_K1_it_grows()", "property_K2_nobody_else()"),
)
LETTERS = Handler("LettersHandler", acts=("send(uint256,uint256)",), properties=("property_T5_told_once()",))

FORGE_HELD = """
[PASS] invariant_everything() (runs: 4, calls: 2000, reverts: 306)

| Contract    | Selector         | Calls | Reverts | Discards |
+=============================================================+
| KeysHandler | finish           | 250   | 250     | 0        |
|-------------+------------------+-------+---------+----------|
| KeysHandler | publish          | 100   | 25      | 0        |
"""

FORGE_BROKEN = """
[FAIL: Broken("property_K2_nobody_else()")]
	[Sequence] (original: 305, shrunk: 5)
 invariant_everything() (runs: 1, calls: 305, reverts: 3)
"""

MEDUSA = """
⇾ fuzz: elapsed:       9s, calls:        767 (   111/sec), seq/s:      1, failures: 0/7
⇾ fuzz: elapsed:      12s, calls:       1174 (   133/sec), seq/s:      1, failures: 0/11
⇾ [PASSED] Assertion Test: KeysHandler.publish(uint256,uint256)
⇾ [PASSED] Property Test: KeysHandler.property_K1_it_grows()
⇾ [FAILED] Property Test: KeysHandler.property_K2_nobody_else()
⇾ [PASSED] Property Test: LettersHandler.property_T5_told_once()
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a handler that was compiled, and nothing else."""
    monkeypatch.setattr(fuzz, "ROOT", tmp_path)
    (tmp_path / "proof" / "handlers").mkdir(parents=True)
    (tmp_path / "proof" / "handlers" / "KeysHandler.sol").write_text(
        'all[0] = "property_K1_it_grows()";\nall[1] = "property_K2_nobody_else()";\n', encoding="utf-8"
    )
    (tmp_path / "proof" / "Invariants.t.sol").write_text("_add(type(KeysHandler).name, world);", encoding="utf-8")
    compiled = tmp_path / fuzz.COMPILED / "KeysHandler.sol"
    compiled.mkdir(parents=True)
    seed = {"type": "uint256"}
    functions = [
        {"type": "function", "name": "publish", "inputs": [seed, seed], "stateMutability": "nonpayable"},
        {"type": "function", "name": "finish", "inputs": [seed], "stateMutability": "nonpayable"},
        {"type": "function", "name": "judge", "inputs": [], "stateMutability": "nonpayable"},
        {"type": "function", "name": "property_K1_it_grows", "inputs": [], "stateMutability": "view"},
        {"type": "function", "name": "property_K2_nobody_else", "inputs": [], "stateMutability": "view"},
    ]
    (compiled / "KeysHandler.json").write_text(json.dumps({"abi": functions}), encoding="utf-8")
    return tmp_path


def test_handlers__as_they_were_compiled__have_their_acts_and_properties(root: Path) -> None:
    assert fuzz.handlers() == [KEYS]


def test_handlers__that_do_not_tell_forge_a_property__are_refused(root: Path) -> None:
    # given
    (root / "proof" / "handlers" / "KeysHandler.sol").write_text('all[0] = "property_K1_it_grows()";', encoding="utf-8")

    # when
    with pytest.raises(fuzz.Failure, match="property_K2_nobody_else") as refused:
        fuzz.handlers()

    # then
    assert refused.value.code == fuzz.MISWRITTEN


def test_handlers__that_forge_is_not_told_of__are_refused(root: Path) -> None:
    # given
    (root / "proof" / "Invariants.t.sol").write_text("", encoding="utf-8")

    # then
    with pytest.raises(fuzz.Failure, match="does not register KeysHandler"):
        fuzz.handlers()


def test_told_by_forge__when_all_holds__has_calls_shares_and_what_never_succeeded() -> None:
    # when
    played = fuzz.told_by_forge(FORGE_HELD, [KEYS])

    # then
    assert (played.calls, played.broken) == (2000, [])
    assert played.held == ["KeysHandler.property_K1_it_grows()", "KeysHandler.property_K2_nobody_else()"]
    assert played.tried == {"KeysHandler.finish": (250, 0), "KeysHandler.publish": (100, 75)}
    assert played.idle == ["KeysHandler.finish"]


def test_told_by_forge__when_a_property_breaks__names_it_alone() -> None:
    # when
    played = fuzz.told_by_forge(FORGE_BROKEN, [KEYS, LETTERS])

    # then
    assert played.broken == ["KeysHandler.property_K2_nobody_else()"]
    assert played.held == ["KeysHandler.property_K1_it_grows()", "LettersHandler.property_T5_told_once()"]


def test_told_by_medusa__when_a_property_breaks__names_it_and_the_calls_of_the_end() -> None:
    # when
    played = fuzz.told_by_medusa(MEDUSA, "properties", [KEYS, LETTERS])

    # then
    assert (played.calls, played.broken) == (1174, ["KeysHandler.property_K2_nobody_else"])
    assert played.held == ["KeysHandler.property_K1_it_grows()", "LettersHandler.property_T5_told_once()"]


def test_table__of_two_engines__says_of_each_property_what_became_of_it() -> None:
    # given
    forge = fuzz.told_by_forge(FORGE_HELD, [KEYS])
    medusa = fuzz.told_by_medusa(MEDUSA, "properties", [KEYS])

    # when
    rows = [" ".join(row.split()) for row in fuzz.table([KEYS], [forge, medusa])]

    # then
    assert rows == [
        "property forge medusa, properties",
        "KeysHandler.property_K1_it_grows() held held",
        "KeysHandler.property_K2_nobody_else() held BROKEN",
        "calls 2,000 1,174",
        "seconds 0 0",
    ]


def test_shares__leave_the_hostile_acts_out_of_the_whole() -> None:
    # given
    played = Played("forge", tried={"KeysHandler.publish": (10, 9), "KeysHandler.hostileActor": (90, 1)})

    # then
    assert list(fuzz.shares([played]))[-1].split()[-2:] == ["10", "90%"]


def test_corpus__packed_and_unpacked__is_the_same_story_at_the_same_places(root: Path) -> None:
    # given
    told = "KeysHandler.publish(uint256,uint256) 3 4\nWorld.passDays(uint256) 9\n"
    (root / fuzz.CORPUS).write_text(told, encoding="utf-8")
    folder = root / "call_sequences"

    # when
    assert fuzz.unpack_corpus([KEYS], folder) == 1

    # then
    assert fuzz.pack_corpus([KEYS], folder) == told
    [story] = [json.loads(path.read_text(encoding="utf-8")) for path in folder.iterdir()]
    places = fuzz.addresses([KEYS])
    assert [call["call"]["to"] for call in story] == [places["KeysHandler"], places["World"]]
    assert story[0]["call"]["dataAbiValues"] == {
        "methodSignature": "publish(uint256,uint256)",
        "inputValues": ["3", "4"],
    }


@pytest.mark.parametrize("properties", [True, False])
def test_play_medusa__after_another_run__begins_with_what_is_kept_alone(root: Path, properties: bool) -> None:
    # given a medusa that only says what came of it, a story that is kept, and one that a run before left
    (root / "told").write_text(MEDUSA, encoding="utf-8")
    medusa = root / fuzz.MEDUSA
    medusa.parent.mkdir(parents=True)
    medusa.write_text(f"#!/bin/sh\ncat {root / 'told'}\n", encoding="utf-8")
    medusa.chmod(0o700)
    (root / fuzz.CORPUS).write_text("KeysHandler.finish(uint256) 5\n", encoding="utf-8")
    stories = root / fuzz.HOME / ("properties" if properties else "assertions") / "call_sequences"
    stories.mkdir(parents=True)
    (stories / "left.json").write_text("[]", encoding="utf-8")

    # when
    fuzz.play_medusa([KEYS, LETTERS], calls=10, seconds=0, properties=properties, workers=1)

    # then
    assert [each.name for each in stories.iterdir()] == ["kept-0.json"]


def test_corpus__with_a_story_that_goes_on_in_another__keeps_the_longer_one(root: Path) -> None:
    # given
    longer = "KeysHandler.finish(uint256) 5\nKeysHandler.finish(uint256) 6\n"
    (root / fuzz.CORPUS).write_text("KeysHandler.finish(uint256) 5\n\n" + longer, encoding="utf-8")

    # when
    assert fuzz.unpack_corpus([KEYS], root / "call_sequences") == 2

    # then
    assert fuzz.pack_corpus([KEYS], root / "call_sequences") == longer


def test_corpus__with_an_act_that_is_no_more__leaves_that_out(root: Path) -> None:
    # given
    (root / fuzz.CORPUS).write_text("KeysHandler.gone(uint256) 3\nKeysHandler.finish(uint256) 5\n", encoding="utf-8")

    # when
    fuzz.unpack_corpus([KEYS], root / "call_sequences")

    # then
    assert fuzz.pack_corpus([KEYS], root / "call_sequences") == "KeysHandler.finish(uint256) 5\n"


def test_addresses__are_those_of_the_deployers_nonces() -> None:
    # The first was seen in medusa's own corpus, where KeysHandler followed the world.
    assert fuzz.addresses([KEYS])["KeysHandler"] == "0x9bafd307270677a3c3654b40f3f43a043b81f284"


def test_coverage__counts_the_lines_of_our_contracts() -> None:
    # given
    report = (
        "SF:/x/contracts/health/Keys.sol\nDA:1,4\nDA:2,0\nDA:3,1\nend_of_record\n"
        "SF:/x/contracts/test/Coin.sol\nDA:1,1\nend_of_record\n"
        "SF:/x/contracts/.cache/openzeppelin/5.6.1/proxy/Proxy.sol\nDA:1,1\nend_of_record\n"
        "SF:/x/node_modules/@openzeppelin/contracts/utils/Address.sol\nDA:1,1\nend_of_record\n"
    )

    # then
    assert fuzz.coverage(report) == {"contracts/health/Keys.sol": (3, 2)}


@pytest.fixture
def playing(root: Path, monkeypatch: pytest.MonkeyPatch) -> argparse.Namespace:
    """forge is there and holds; medusa is not built."""
    monkeypatch.setattr(fuzz, "FORGE", root / "forge")
    fuzz.FORGE.touch()
    monkeypatch.setattr(fuzz, "compile_proofs", lambda **_: None)
    held = Played("forge", calls=500, held=[f"KeysHandler.{name}" for name in KEYS.properties])
    monkeypatch.setattr(fuzz, "play_forge", lambda *_, **__: held)
    wanted = {"engine": "all", "calls": 500, "minutes": 1, "seed": None, "workers": 2, "keep": False, "coverage": False}
    return argparse.Namespace(**wanted)


def test_run__without_medusa__plays_forge_and_says_how_to_build_it(
    playing: argparse.Namespace, capsys: pytest.CaptureFixture[str]
) -> None:
    # when
    code = fuzz.run(playing)

    # then
    said = capsys.readouterr()
    assert code == 6
    assert "property_K1_it_grows() " in said.out
    assert said.err == "medusa is not built: run 'make engine-medusa provers' (it needs Go 1.26).\n"


def test_run__with_an_act_that_never_succeeds__fails(
    playing: argparse.Namespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # given
    monkeypatch.setattr(fuzz, "play_forge", lambda *_, **__: fuzz.told_by_forge(FORGE_HELD, [KEYS]))
    playing.engine = "forge"

    # when
    code = fuzz.run(playing)

    # then
    assert code == fuzz.BROKEN
    assert capsys.readouterr().err == "forge: KeysHandler.finish never succeeded.\n"


def test_run__with_a_property_that_broke__fails_and_says_how_to_play_it_again(
    playing: argparse.Namespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # given
    broken = Played("forge", broken=["KeysHandler.property_K2_nobody_else()"], again="forge test --once")
    monkeypatch.setattr(fuzz, "play_forge", lambda *_, **__: broken)
    playing.engine = "forge"

    # when
    code = fuzz.run(playing)

    # then
    assert code == fuzz.BROKEN
    assert (
        "forge broke KeysHandler.property_K2_nobody_else(). Again by:\nforge test --once\n" in capsys.readouterr().err
    )


@pytest.mark.parametrize("file", sorted({fault.file for fault in fuzz_faults.faults()}))
def test_faults__of_a_contract__are_each_about_what_stands_in_it(file: str) -> None:
    every = [fault for fault in fuzz_faults.faults() if fault.file == file]

    switched = fuzz_faults.with_faults(file, every)

    assert [fault.number for fault in every if f"Faults.on({fault.number})" not in switched] == []


@pytest.mark.parametrize("option", ["--minutes", "--calls", "--workers"])
@pytest.mark.parametrize("word", ["abc", "0", "-5", "nan", "1e999"])
def test_fuzz__of_no_number__runs_nothing_and_says_so(
    option: str, word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["fuzz", option, word])

    with pytest.raises(SystemExit) as ended:
        fuzz.main()

    assert ended.value.code == 2
    assert f"argument {option}: '{word}' is no " in capsys.readouterr().err

"""What the commands say to bad input of each kind: one sentence, an exit code, and nothing is lost."""

import http.server
import importlib
import io
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from scripts_town import BUNDLE, Said, Town
from small_files import small_files

from scripts._cli import Failure, confirmed

FIXTURES = BUNDLE.parent / "broken"
SCRIPTS = ("deploy", "board", "clinic", "patient")


def assert_sentence(said: Said, code: int) -> None:
    """One sentence on standard error, nothing on standard output, the exit code of its kind."""
    assert (said.code, len(said.sentences), said.out) == (code, 1, ""), (said.code, said.err, said.out)
    assert "Traceback" not in said.err
    assert said.err.rstrip()[-1] in ".?'", said.err


# This one is broken only as a bundle: it is a whole resource of another type, and is sealed as it came.
WHOLE = "bundle_of_another_type.json"


@pytest.mark.parametrize("name", sorted(path.name for path in FIXTURES.glob("*.json") if path.name != WHOLE))
def test_seal__broken_document__one_sentence_and_nothing_is_sealed(town: Town, folder: Path, name: str) -> None:
    # given: a good file before the bad one
    (folder / "a.txt").write_text("good")
    shutil.copy(FIXTURES / name, folder / "b.json")
    before = town.kept()

    # when
    said = town.run("clinic", "seal", "ann", str(folder))

    # then
    assert_sentence(said, 2)
    assert str(folder / "b.json") in said.err
    assert town.kept() == before


def test_seal__empty_file__one_sentence(town: Town, folder: Path) -> None:
    # given
    (folder / "empty.txt").write_bytes(b"")

    # when
    said = town.run("clinic", "seal", "ann", str(folder / "empty.txt"))

    # then
    assert_sentence(said, 2)


def test_seal__cut_image__one_sentence(town: Town, folder: Path) -> None:
    # given
    from scripts_town import IMAGE

    (folder / "cut.dcm").write_bytes(IMAGE.read_bytes()[:-100])

    # when
    said = town.run("clinic", "seal", "ann", str(folder / "cut.dcm"))

    # then
    assert_sentence(said, 2)


def test_seal__unknown_patient__one_sentence(town: Town) -> None:
    assert_sentence(town.run("clinic", "seal", "nobody", str(BUNDLE)), 3)


def test_seal__unknown_class__one_sentence(town: Town, folder: Path) -> None:
    # given
    (folder / "a.txt").write_text("good")

    # when
    said = town.run("clinic", "seal", "ann", str(folder / "a.txt"), "--class", "genomics/N")

    # then
    assert_sentence(said, 2)


@pytest.mark.parametrize("words", [("clinic", "patients"), ("patient", "records", "--as", "ann")])
def test_unlock__wrong_passphrase__refused(town: Town, words: tuple[str, ...]) -> None:
    assert_sentence(town.run(*words, THERIAC_PASSPHRASE="another"), 3)


def test_init__wrong_words__one_sentence_and_no_vault(town: Town) -> None:
    # when
    said = town.run(
        "patient", "init", "--as", "ida", "--mnemonic", "--payer", "TEST::9", THERIAC_MNEMONIC="not a mnemonic"
    )

    # then
    assert_sentence(said, 2)
    assert "not a mnemonic" not in said.err
    town.done("patient", "init", "--as", "ida", "--payer", "TEST::9")


@pytest.mark.parametrize("account", ["nobody", "TEST::99", "TEST::x"])
def test_account__unknown__one_sentence(town: Town, account: str) -> None:
    assert_sentence(town.run("clinic", "setup", "--as", "new", "--account", account, "--name", "New"), 2)


def test_open__store_that_returns_other_bytes__tampered_and_no_file(town: Town, folder: Path) -> None:
    # given: the town's store with a bit of every block flipped
    store = folder / "store"
    shutil.copytree(Path(town.settings["THERIAC_HOME"]) / "dev" / "store", store)
    for block in (path for path in (store / "blocks").rglob("*") if path.is_file()):
        content = bytearray(block.read_bytes())
        content[len(content) // 2] ^= 1
        block.chmod(0o600)
        block.write_bytes(content)
    record = town.done("patient", "records", "--as", "ann", "--json").json[0]["digest"]

    # when
    said = town.run("patient", "open", record, "--as", "ann", "-o", str(folder / "out"), THERIAC_STORE=str(store))

    # then
    assert_sentence(said, 5)
    assert not (folder / "out").exists()
    town.done("patient", "open", record, "--as", "ann", "-o", str(folder / "out"))


def test_open__store_that_has_nothing__try_again(town: Town, folder: Path) -> None:
    # given
    record = town.done("patient", "records", "--as", "ann", "--json").json[0]["digest"]

    # when
    said = town.run("patient", "open", record, "--as", "ann", "-o", "-", THERIAC_STORE=str(folder / "empty"))

    # then
    assert_sentence(said, 4)


def test_seal__full_disk__nothing_is_anchored_and_the_next_try_works(town: Town, folder: Path) -> None:
    # given
    (folder / "scan.bin").write_bytes(bytes(range(256)) * 24 * 1024)
    before = town.kept()

    # when
    with small_files(5 << 20):
        said = town.run("clinic", "seal", "ann", str(folder / "scan.bin"))

    # then
    assert_sentence(said, 6)
    assert town.kept() == before
    town.done("clinic", "seal", "ann", str(folder / "scan.bin"))
    assert len(town.kept()) == len(before) + 1


@pytest.mark.parametrize(
    "words",
    [
        ("deploy",),
        ("board", "list"),
        ("clinic", "patients"),
        ("clinic", "seal", "ann", str(BUNDLE)),
        ("patient", "records", "--as", "ann"),
        ("patient", "watch", "--as", "ann"),
    ],
)
def test_chain__does_not_answer__try_again(town: Town, words: tuple[str, ...]) -> None:
    assert_sentence(town.run(*words, THERIAC_NETWORK="ethereum:dev:http://127.0.0.1:9"), 4)


class _Nonsense(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>not a node</html>")

    def log_message(self, *_: object) -> None:
        pass


def test_chain__answers_nonsense__try_again(town: Town) -> None:
    # given
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Nonsense)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    # when
    try:
        network = f"ethereum:dev:http://127.0.0.1:{server.server_port}"
        said = town.run("board", "list", THERIAC_NETWORK=network)
    finally:
        server.shutdown()

    # then
    assert_sentence(said, 4)


@pytest.mark.parametrize("network", ["ethereum:nowhere:node", "nowhere", "ethereum:dev:nobody"])
def test_network__unknown__one_sentence(town: Town, network: str) -> None:
    assert_sentence(town.run("board", "list", THERIAC_NETWORK=network), 2)


def test_deployment__of_another_chain__one_sentence(town: Town, folder: Path) -> None:
    # given
    file = Path(town.settings["THERIAC_HOME"]) / "deployments" / "dev.json"
    (folder / "deployments").mkdir()
    genesis = json.loads(file.read_text())["genesis"]
    (folder / "deployments" / "dev.json").write_text(file.read_text().replace(genesis, "0x" + "ab" * 32))

    # when
    said = town.run("deploy", THERIAC_HOME=str(folder))

    # then
    assert_sentence(said, 2)


def test_person__at_work_already__try_again(town: Town) -> None:
    # given
    import fcntl

    with (Path(town.settings["THERIAC_HOME"]) / "dev" / "ann" / "lock").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        # when
        said = town.run("patient", "records", "--as", "ann")

    # then
    assert_sentence(said, 4)


@pytest.mark.parametrize("who", ["../ann", "store", "Ann", ""])
def test_person__bad_name__one_sentence(town: Town, who: str) -> None:
    assert_sentence(town.run("patient", "init", "--as", who, "--payer", "TEST::9"), 2)


@pytest.mark.parametrize(
    "words",
    [
        ("revoke", "member:1", "--yes"),
        ("revoke", "member:x", "--yes"),
        ("revoke", "0x12", "--yes"),
        ("grant", "member:1", "--class", "laboratory/N", "--until", "tomorrow", "--yes"),
        ("grant", "member:1", "--class", "laboratory/N", "--until", "2031-01-01T10:30", "--yes"),
        ("grant", "member:1", "--class", "laboratory/N", "--until", "2020-02-01", "--yes"),
        ("grant", "member:1", "--yes"),
        ("grant", "member:1", "--class", "laboratory/N", "--purpose", "FUN", "--yes"),
        ("grant", "member:1", "--class", "laboratory/N", "--purpose", "FAMRQT", "--yes"),
        ("narrow", "member:1", "--class", "laboratory/N", "--yes"),
        ("answer", "abc", "--yes"),
        ("open", "", "-o", "-"),
        ("open", "zz", "-o", "-"),
        ("who", "nothing"),
    ],
)
def test_patient__nonsense__one_sentence(town: Town, words: tuple[str, ...]) -> None:
    # given
    before = town.kept()

    # when
    said = town.run("patient", *words, "--as", "ann")

    # then
    assert_sentence(said, 2)
    assert town.kept() == before


def test_revoke_all__without_a_yes__does_nothing(town: Town) -> None:
    # given
    before = town.kept()

    # when
    said = town.run("patient", "revoke-all", "--as", "ann")

    # then
    assert (said.code, town.kept()) == (1, before)


def test_confirmed__nobody_is_there_to_answer__says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.setattr("sys.stdin", io.StringIO(""))

    # when
    with pytest.raises(Failure) as said:
        confirmed("Go on?", yes=False)

    # then
    assert (said.value.exit_code, said.value.message) == (
        1,
        "Nothing was done, since nobody answered; --yes goes on without asking.",
    )


def _commands(command: click.Command, *above: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from _commands(each, *above, name)
    else:
        yield above, command


@pytest.mark.parametrize("script", SCRIPTS)
def test_help__shows_an_example_of_every_command(script: str) -> None:
    # given
    cli = importlib.import_module(f"scripts.{script}").cli

    # when
    examples = {words: command.epilog or "" for words, command in _commands(cli, script)}

    # then
    assert [words for words, text in examples.items() if f"ape run {' '.join(words)}" not in text] == []

"""No secret is in what a command prints, logs or writes in the clear, nor in what a list of processes shows.

The secrets are known beforehand or read out of the keystores afterwards: passphrases, words, private keys, the seeds of
the vault, identities, file keys. They are looked for as bytes, in hexadecimal, in base64, as decimal numbers, and in
the form that age writes identities in.
"""

import importlib
import json
import logging
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest
from eth_account import Account
from real_anvil import ROOT, anvil
from scripts_town import BUNDLE, IMAGE, Said, Town, remembered_passphrases

from theriac.crypto.recipients import HybridIdentity
from theriac.health import keystore
from theriac.health.keystore import Keystore, by_passphrase
from theriac.health.vault import Vault
from theriac.health.wallet import PATH, new_mnemonic

PASSPHRASE = "grüße-horse-battery-staple-9471"
NEXT_PASSPHRASE = "another-horse-battery-staple-1749"
MAKES_WORDS = ("guardian", "setup", "--as", "bo", "--name", "Bo")
ACTORS = sorted(path.stem for path in (ROOT / "scripts").glob("[a-z]*.py") if path.stem not in ("demo", "drill"))


@cache
def forms(secret: bytes | str) -> dict[str, bytes]:
    """How a secret can stand in bytes."""
    if isinstance(secret, str):
        plain = secret.encode()
        return {"plain": plain, "escaped": json.dumps(secret)[1:-1].encode(), "base64": b64encode(plain).rstrip(b"=")}
    found = {
        "raw": secret,
        "hexadecimal": secret.hex().encode(),
        "capitals": secret.hex().upper().encode(),
        "base64": b64encode(secret).rstrip(b"="),
        "base64url": urlsafe_b64encode(secret).rstrip(b"="),
        "decimal": str(int.from_bytes(secret)).encode(),
        "representation": repr(secret)[2:-1].encode(),
    }
    if len(secret) == 32:
        found["age"] = HybridIdentity.from_seed(secret).unsafe_export_secret().encode()
    return found


def found_in(data: bytes, secrets: dict[str, bytes | str]) -> list[str]:
    """Which secrets stand in some bytes, and in which form."""
    return [
        f"{name}, {form}"
        for name, secret in secrets.items()
        for form, text in forms(secret).items()
        if len(text) >= 8 and text in data
    ]


def test_found_in__finds_each_form() -> None:
    secret = bytes(range(60, 92))

    for form, text in forms(secret).items():
        assert f"seed, {form}" in found_in(b"before " + text + b" after", {"seed": secret})
    assert found_in(PASSPHRASE.encode(), {"passphrase": PASSPHRASE}) != []
    assert found_in(json.dumps({"x": PASSPHRASE}).encode(), {"passphrase": PASSPHRASE}) != []
    assert found_in(b"nothing of it", {"seed": secret, "passphrase": PASSPHRASE}) == []


class Watched:
    """A town whose commands are written down: what they said, and everything that was logged."""

    def __init__(self, town: Town, log: list[str]) -> None:
        self.town, self.log = town, log
        self.said: list[tuple[tuple[str, ...], Said]] = []
        self.mnemonic = new_mnemonic()

    def do(self, *words: str, code: int = 0, **settings: str) -> Said:
        said = self.town.run(*words, **settings)
        assert said.code == code, (words, said.err)
        self.said.append((words, said))
        return said

    def secrets(self) -> dict[str, bytes | str]:
        """All secrets of ann, the clinic and the guardian, under their names."""
        found: dict[str, bytes | str] = {
            "the passphrase": PASSPHRASE,
            "the next passphrase": NEXT_PASSPHRASE,
            "ann's words": self.mnemonic,
            "half of ann's words": " ".join(self.mnemonic.split()[:6]),
        }
        for place in range(6):
            path = PATH.format(place=place)
            found[f"ann's key {place}"] = bytes(Account.from_mnemonic(self.mnemonic, account_path=path).key)
        home = self.town.folder / "home" / "dev"
        vault = Vault.decode(opened(home / "ann" / "vault", NEXT_PASSPHRASE))
        found["the vault's secret"] = vault.secret
        for pseudonym, account in vault.accounts.items():
            found |= {f"inbox {level} of {pseudonym}": seed for level, seed in account.inboxes.items()}
            found[f"publisher of {pseudonym}"] = bytes(vault.publisher(account).key)
            for cls, tree in account.trees.items():
                found[f"next seed of {cls} of {pseudonym}"] = tree.following
                found |= {f"seed {each.number} of {cls} of {pseudonym}": each.seed for each in tree.generations}
        for entry in vault.entries.values():
            if entry.key:
                found[f"file key of {entry.digest}"] = bytes.fromhex(entry.key)
        for who in ("clinic", "bo"):
            found[f"identity of {who}"] = opened(home / who / "identity", PASSPHRASE)
        found["bo's words"] = opened(home / "bo" / "words", PASSPHRASE).decode()
        return {name: secret for name, secret in found.items() if secret}


def opened(path: Path, passphrase: str) -> bytes:
    return Keystore.unlock(path, by_passphrase(passphrase))[1]


class Memory(logging.Handler):
    """Keeps every record of every logger as a text, its arguments and its traceback with it."""

    def __init__(self, into: list[str]) -> None:
        super().__init__(0)
        self.into = into
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.into.append(self.format(record) + repr(record.args))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Commands of a patient, her clinic and a guardian, good ones and refused ones, by somebody whose umask is open."""
    log: list[str] = []
    memory, root = Memory(log), logging.getLogger()
    level, mask = root.level, os.umask(0)
    root.addHandler(memory)
    root.setLevel(0)
    try:
        with anvil(hardfork="cancun") as chain, remembered_passphrases():
            town = Town(chain, tmp_path_factory.mktemp("town"))
            town.settings["THERIAC_PASSPHRASE"] = PASSPHRASE
            watched = Watched(town, log)
            lived(watched)
            yield watched
    finally:
        root.removeHandler(memory)
        root.setLevel(level)
        os.umask(mask)


def lived(watched: Watched) -> None:
    do, path = watched.do, watched.town.path
    watched.town.found()
    do("patient", "init", "--as", "ann", "--mnemonic", "--payer", "TEST::9", THERIAC_MNEMONIC=watched.mnemonic)
    do("patient", "introduce", "--as", "ann", "--to", "1", "-o", path("ann.introduction"))
    do("clinic", "register", path("ann.introduction"), "--name", "ann")
    do("clinic", "seal", "ann", str(BUNDLE), str(IMAGE))
    do("patient", "watch", "--as", "ann")
    do("clinic", "ask", "ann", "--class", "laboratory/N", "--class", "imaging/N", "--reason", "Your visit")
    [request] = do("patient", "requests", "--as", "ann", "--json").json
    do("patient", "answer", request["letter"], "--as", "ann", "--class", "laboratory/N,imaging/N", "--yes")
    do("clinic", "answers")
    listed = do("clinic", "list", "ann", "--json").json
    do("clinic", "open", "ann", listed[0]["digest"], "-o", path("opened.json"))
    do("patient", "rotate", "--rewrite", "--as", "ann", "--yes")
    do(*MAKES_WORDS)
    do("guardian", "card", "ann", "--as", "bo", "-o", path("bo.card"))
    do("patient", "export", path("exported"), "--as", "ann")
    do("patient", "revoke", "member:1", "--as", "ann", "--yes")
    do("patient", "erase", "mental-health/R", "--as", "ann", "--yes", THERIAC_NEW_PASSPHRASE=NEXT_PASSPHRASE)

    # and what is refused, which says why
    wrong = PASSPHRASE + "!"
    words = " ".join([*watched.mnemonic.split()[:-1], "zzzz"])
    do("patient", "records", "--as", "ann", code=3, THERIAC_PASSPHRASE=wrong)
    do("clinic", "list", "ann", code=3, THERIAC_PASSPHRASE=wrong)
    do("patient", "init", "--as", "eve", "--mnemonic", "--payer", "TEST::9", code=2, THERIAC_MNEMONIC=words)
    do("patient", "restore", "--as", "eve", "--mnemonic", "--payer", "TEST::9", code=2, THERIAC_MNEMONIC=words)


# -- what is said, logged, written -----------------------------------------------------------------------------------


def test_secrets__of_real_commands__are_in_nothing_that_is_printed(watched: Watched) -> None:
    secrets = watched.secrets()
    assert len(secrets) > 60

    said = {words: found_in((said.out + said.err).encode(), secrets) for words, said in watched.said}

    # Words are shown once, by the command that makes them, to be written down.
    assert {each.partition(",")[0] for each in said.pop(MAKES_WORDS)} == {"bo's words"}
    assert {words: found for words, found in said.items() if found} == {}


def test_secrets__of_real_commands__are_in_no_log(watched: Watched) -> None:
    assert len(watched.log) > 100

    assert found_in("\n".join(watched.log).encode(), watched.secrets()) == []


def test_secrets__of_real_commands__are_in_no_file(watched: Watched) -> None:
    """Keystores among them: what is in them is sealed."""
    secrets, wrong = watched.secrets(), {}
    files = [path for path in watched.town.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 50

    for path in files:
        if found := found_in(path.read_bytes(), secrets):
            wrong[str(path.relative_to(watched.town.folder))] = found

    assert wrong == {}


def test_files__of_real_commands__are_for_their_owner_alone__whatever_the_umask(watched: Watched) -> None:
    wrong = {
        str(path.relative_to(watched.town.folder)): oct(mode)
        for path in watched.town.folder.rglob("*")
        if (mode := stat.S_IMODE(path.lstat().st_mode)) & 0o077 and not path.is_symlink()
    }

    assert wrong == {}


# -- what a list of processes shows ----------------------------------------------------------------------------------

MAY_HOLD_SECRETS = {"THERIAC_PASSPHRASE", "THERIAC_MNEMONIC", "THERIAC_NEW_PASSPHRASE"}


def test_secrets__of_a_running_command__are_in_no_process_but_in_the_environment_that_was_given(
    watched: Watched, tmp_path: Path
) -> None:
    # given
    secrets = watched.secrets()
    home = shutil.copytree(watched.town.folder / "home", tmp_path / "home")
    settings = watched.town.settings | {"THERIAC_PASSPHRASE": NEXT_PASSPHRASE, "THERIAC_HOME": str(home)}
    command = [str(Path(sys.executable).with_name("ape")), "run", "patient", "watch", "--as", "ann"]

    # when it runs as a process of its own, its processes are looked at until it ends
    lines, names, seen = set[bytes](), set[str](), set[bytes]()
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while process.poll() is None:
        for number in processes_of(process.pid):
            lines |= {shown(number, "cmdline"), shown(number, "comm")}
            for each in set(shown(number, "environ").split(b"\0")) - seen:
                seen.add(each)
                if found_in(each, secrets):
                    names.add(each.partition(b"=")[0].decode())
        time.sleep(0.02)
    out, err = process.communicate()

    # then
    assert process.returncode == 0, err
    assert any(b"watch" in line for line in lines)
    assert found_in(b"\n".join(lines), secrets) == []
    assert names == {"THERIAC_PASSPHRASE"}
    assert found_in(out + err, secrets) == []


def processes_of(parent: int) -> list[int]:
    """A process and all that it began, which still run."""
    found = [parent]
    for number in found:
        for children in Path(f"/proc/{number}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:
                continue
    return found


def shown(number: int, what: str) -> bytes:
    try:
        return Path(f"/proc/{number}/{what}").read_bytes()
    except OSError:
        return b""


NAMED_LIKE_SECRETS = re.compile(r"passphrase|password|mnemonic|words|secret|private|seed|pin$")


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    for word, each in getattr(command, "commands", {}).items():
        yield from commands(each, f"{name} {word}")


@pytest.mark.parametrize("actor", ACTORS)
def test_options__none_takes_a_secret_as_a_word_of_the_command(actor: str) -> None:
    script = importlib.import_module(f"scripts.{actor}")

    wrong = [
        (name, option.name)
        for name, command in commands(script.cli, actor)
        for option in command.params
        if NAMED_LIKE_SECRETS.search(str(option.name)) and not getattr(option, "is_flag", False)
        # A reason in words, and files, which are named and not given.
        if not isinstance(option.type, click.Path) and (name, option.name) not in NO_SECRETS
    ]

    assert wrong == []


NO_SECRETS = {
    ("clinic emergency open", "words"),  # the reason, in words
}


def test_environment__that_may_hold_secrets__is_documented() -> None:
    text = (ROOT / "docs" / "using.md").read_text(encoding="utf-8")

    assert [name for name in MAY_HOLD_SECRETS if name not in text] == []
    read = {
        name
        for path in (ROOT / "scripts").glob("*.py")
        for name in re.findall(r"THERIAC_[A-Z_]*(?:PASSPHRASE|MNEMONIC|SECRET|KEY|WORDS)", path.read_text("utf-8"))
    }
    assert read == MAY_HOLD_SECRETS


# -- as much work for a wrong passphrase -----------------------------------------------------------------------------


def test_unlock__by_commands__derives_once_for_each_keystore_right_or_wrong(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    derived: list[str] = []
    whole = keystore._by_passphrase

    def counted(passphrase: str, parameters: dict[str, object]) -> HybridIdentity:
        derived.append(passphrase)
        return whole(passphrase, parameters)

    monkeypatch.setattr(keystore, "_by_passphrase", counted)

    right = watched.town.run("patient", "records", "--as", "ann", THERIAC_PASSPHRASE=NEXT_PASSPHRASE)
    assert right.code == 0, right.err
    opened_by, work = right.code, len(derived)
    derived.clear()
    wrong = watched.town.run("patient", "records", "--as", "ann", THERIAC_PASSPHRASE="wrong")

    # A right one goes on to the words, which are a keystore of their own.
    assert (opened_by, wrong.code) == (0, 3)
    assert len(derived) == 1 <= work

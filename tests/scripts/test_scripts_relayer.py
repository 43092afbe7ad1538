"""The commands about relayers: one that runs as a process of its own, a desk that vouches, a patient without ether."""

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from eth_account import Account
from ready_python import Started
from real_anvil import anvil
from scripts_town import BUNDLE, Town, remembered_passphrases

SERVE = "from scripts.relayer import cli; cli()"
PAYER = "TEST::6"


@contextmanager
def serving(town: Town, account: str, *words: str) -> Iterator[Started]:
    """`ape run relayer serve` on a free port unless told otherwise; groups do not wait for others."""
    policy = town.folder / "policy.json"
    policy.write_text('{"patience": 0}')
    said = ["serve", "--account", account, "--policy", policy, *words]
    process = Started(SERVE, said, env={**os.environ, **town.settings}, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def url_of(process: Started) -> str:
    found = re.match(r"Relaying at (http://127\.0\.0\.1:\d+), paid by 0x", process.stdout.readline())
    assert found, process.communicate()[1]
    return found.group(1)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with remembered_passphrases(), anvil(hardfork="cancun") as chain:
        town = Town(chain, tmp_path_factory.mktemp("relaying"))
        town.found()
        yield town


@dataclass
class Relaying:
    """A relayer that runs as a process of its own, and can be killed and started again at the same place."""

    town: Town
    stack: ExitStack = field(default_factory=ExitStack)
    url: str = "http://127.0.0.1:0"

    def start(self) -> None:
        listen = self.url.removeprefix("http://")
        self.process = self.stack.enter_context(serving(self.town, PAYER, "--listen", listen))
        self.url = url_of(self.process)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def relaying(town: Town) -> Iterator[Relaying]:
    """A relayer that runs, and a desk that has keys to vouch with in its profile."""
    town.done("clinic", "blanks")
    relaying = Relaying(town)
    with relaying.stack:
        relaying.start()
        yield relaying
        relaying.process.send_signal(signal.SIGTERM)
        assert relaying.process.wait(timeout=30) == 0


def ask_for_blanks(town: Town, who: str, url: str, *, count: int = 8) -> None:
    asked, signed = town.path(f"{who}.asked"), town.path(f"{who}.signed")
    town.done(
        "patient", "voucher", "ask", "--as", who, "--from", "1", "--relayer", url, "-o", asked, "--count", str(count)
    )
    town.done("clinic", "blanks", asked, "-o", signed)
    town.done("patient", "voucher", "add", signed, "--as", who)


def transactions_of(town: Town, addresses: set[str]) -> set[str]:
    return {each for each in addresses if town.chain.web3.eth.get_transaction_count(each)}


def test_story__a_patient_without_ether__by_blanks_and_a_voucher(town: Town, relaying: Relaying) -> None:
    # given
    url = relaying.url
    relayer = town.done("relayer", "status", url, "--json").json["relayer"]

    # when: she begins, and the relayer wants to know who vouches for her
    first = town.run("patient", "init", "--as", "ivy", "--relayer", url)
    # then
    assert first.code == 3
    assert "patient voucher ask" in first.sentences[-1]
    assert len(first.out.split("\n\n")[1].split()) == 12

    # when: the desk signs blanks that it does not see
    ask_for_blanks(town, "ivy", url)
    town.done("patient", "init", "--as", "ivy")
    # the relayer is killed and started again on the way
    relaying.kill()
    alone = town.run("patient", "introduce", "--as", "ivy", "--to", "1", "-o", town.path("ivy.introduction"))
    relaying.start()
    assert (alone.code, "No relayer carried it" in alone.sentences[-1]) == (4, True)
    town.done("patient", "introduce", "--as", "ivy", "--to", "1", "-o", town.path("ivy.introduction"))
    town.done("clinic", "register", town.path("ivy.introduction"), "--name", "ivy")
    town.done("clinic", "voucher", "ivy", "--relayer", url, "-o", town.path("ivy.voucher"))
    town.done("patient", "voucher", "add", town.path("ivy.voucher"), "--as", "ivy")
    assert town.seal("ivy", BUNDLE).code == 0
    town.done("patient", "watch", "--as", "ivy")
    town.done("patient", "grant", "member:1", "--as", "ivy", "--class", "all", "--yes")

    # then: the desk reads; each pseudonym used one blank, the relayer paid, and nobody of hers sent anything
    assert town.done("clinic", "list", "ivy", "--json").json
    kept = town.done("patient", "voucher", "list", "--as", "ivy", "--json").json
    used = [each["for"] for each in kept if each["kind"] == "blank" and each["for"]]
    assert len(used) == len(set(used)) == 4
    assert [each["relayer"] for each in kept] == [relayer] * 9
    assert transactions_of(town, {*used, relayer}) == {relayer}

    # when
    town.done("patient", "revoke", "member:1", "--as", "ivy", "--yes")
    # then
    assert town.run("clinic", "list", "ivy").code == 3


def test_serve__beside_another__is_refused(town: Town, relaying: Relaying) -> None:
    # the same folder, then the same account, then the same port
    same = town.run("relayer", "serve", "--account", "TEST::4", "--listen", "127.0.0.1:0")
    account = town.run("relayer", "serve", "--account", PAYER, "--as", "other", "--listen", "127.0.0.1:0")
    port = town.run(
        "relayer", "serve", "--account", "TEST::4", "--as", "third", "--listen", relaying.url.removeprefix("http://")
    )

    assert [(each.code, len(each.sentences)) for each in (same, account, port)] == [(4, 1)] * 3


def test_init__with_a_relayer_and_a_payer__the_payer_steps_in(town: Town) -> None:
    done = town.done(
        "patient", "init", "--as", "kim", "--relayer", "http://127.0.0.1:9", "--payer", "TEST::5", "--json"
    )

    assert done.json["new"] is True
    assert "http://127.0.0.1:9" in done.err
    assert town.done("patient", "relayers", "--as", "kim", "--json").json == ["http://127.0.0.1:9"]
    town.done("patient", "relayers", "--as", "kim", "--none")
    assert town.done("patient", "relayers", "--as", "kim", "--json").json == []


def test_bad_input__one_sentence_each(town: Town, folder: Path) -> None:
    town.patient("lee", payer="TEST::9")
    town.done("clinic", "voucher", "lee", "--relayer", Account.create().address, "-o", town.path("lee.voucher"))
    town.patient("max", payer="TEST::9")
    broken = folder / "broken.json"
    broken.write_text("[")
    policy = folder / "policy.json"
    policy.write_text(json.dumps({"free_keys": "many"}))
    unknown = folder / "unknown.json"
    unknown.write_text(json.dumps({"free_lunch": 1}))
    out = str(folder / "out")
    cases = {
        ("relayer", "serve", "--listen", "nowhere"): 2,
        ("relayer", "serve", "--policy", str(policy), "--account", PAYER): 2,
        ("relayer", "serve", "--policy", str(unknown), "--account", PAYER): 2,
        ("relayer", "serve", "--policy", str(broken), "--account", PAYER): 2,
        ("relayer", "status", "http://127.0.0.1:9"): 4,
        ("relayer", "status", "no address"): 4,
        ("relayer", "status", town.settings["THERIAC_NETWORK"].split(":", 2)[2]): 4,
        ("patient", "init", "--as", "nan", "--relayer", "ftp://example.org"): 4,
        ("patient", "voucher", "add", str(broken), "--as", "lee"): 2,
        ("patient", "voucher", "add", town.path("lee.voucher"), "--as", "max"): 3,
        ("clinic", "voucher", Account.create().address, "--relayer", Account.create().address, "-o", out): 3,
        ("clinic", "voucher", "lee", "--relayer", "http://127.0.0.1:9", "-o", out): 4,
        ("clinic", "blanks", str(broken), "-o", out): 2,
        ("clinic", "blanks", str(broken)): 2,
        ("patient", "voucher", "ask", "--as", "lee", "--from", "1", "--relayer", "http://127.0.0.1:9", "-o", out): 4,
    }
    for words, code in cases.items():
        said = town.run(*words)
        assert (said.code, len(said.sentences)) == (code, 1), (words, said)
    assert not Path(out).exists()

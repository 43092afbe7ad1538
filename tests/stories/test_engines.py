"""The demo's story on real engines: the same to the byte; and a choice of tests, the same as on anvil."""

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from real_anvil import ROOT
from rich.console import Console

from benches import engines as comparison
from engines.devnet import addresses, devnet, key
from engines.geth.node import GethNode
from engines.process import EngineError
from scripts._demo import tell

SMALL = ROOT / "tests" / "fixtures" / "fhir" / "labelled.json"
SIXTY_DAYS = 60 * 24 * 3600

CHOSEN = (
    "tests/health/test_lockout.py",
    "tests/health/test_flow.py",
    "tests/medicine/test_depot_story.py",
    "tests/medicine/test_journal.py",
)
"""A revoke that locks out, an end with the phone off, goods from maker to patient."""


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    """A command of the project as a person runs it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("THERIAC_ENGINE", None)
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.engine
def test_story__on_anvil_geth_and_kaia__is_the_same_to_the_byte() -> None:
    told = run("benches.engines", "--engines", "anvil,geth,kaia", "--bundle", str(SMALL))

    assert told.returncode == 0, told.stdout[-3000:] + told.stderr[-1000:]
    assert "Equal on anvil, geth, kaia: all transactions, events, files and lines." in told.stdout


@pytest.mark.engine
@pytest.mark.parametrize("engine", ["geth", pytest.param("kaia", marks=pytest.mark.heavy)])
def test_chosen_tests__pass_on(engine: str) -> None:
    told = run("pytest", *CHOSEN, "-q", "-n0", "--engine", engine)

    assert told.returncode == 0, told.stdout[-3000:]
    passed = re.search(r"(\d+) passed", told.stdout)
    assert passed
    assert int(passed.group(1)) >= 15


# -- a chain by its engine's name ------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["anvil", pytest.param("geth", marks=pytest.mark.engine)])
def test_devnet__time_that_passes_is_exact_and_what_is_done_is_undone(engine: str, tmp_path: Path) -> None:
    # given
    begun = 1_893_488_400
    with devnet(engine, tmp_path, begun=begun) as net:
        was, mark = net.now(), net.web3.eth.block_number

        # when
        with net.undone():
            net.travel(SIXTY_DAYS)
            later = net.now()
            one = _give(net.web3, nonce=0)
        back = net.web3.eth.get_transaction_count(addresses()[0])

        # then
        assert begun <= was <= begun + 5
        assert later == was + SIXTY_DAYS
        assert one == 1
        assert back == 0
        assert net.web3.eth.block_number <= mark + 1
        assert net.web3.eth.get_balance(addresses()[39]) > 0


def _give(web3, *, nonce: int) -> int:  # type: ignore[no-untyped-def]
    """Sends a transaction that costs nothing; its status."""
    from eth_account import Account

    fields = {"to": addresses()[1], "value": 1, "gas": 21_000, "gasPrice": 0, "nonce": nonce, "chainId": 1337}
    sent = web3.eth.send_raw_transaction(Account.sign_transaction(fields, key(0)).raw_transaction)
    return int(web3.eth.wait_for_transaction_receipt(sent, timeout=30, poll_latency=0.01)["status"])


@pytest.mark.engine
def test_devnet__kaia_goes_to_another_day_and_not_back(tmp_path: Path) -> None:
    with devnet("kaia", tmp_path, begun=1_893_488_400) as net:
        was = net.now()
        net.travel(SIXTY_DAYS)

        assert was + SIXTY_DAYS <= net.now() <= was + SIXTY_DAYS + 30
        with pytest.raises(EngineError, match="do not go back in time"):
            net.at(was)
        with pytest.raises(EngineError, match="Nothing is undone on Kaia"), net.undone():
            pass
        # A zero fee and no ether: nobody needs any.
        assert net.web3.eth.get_balance(addresses()[0]) == 0


def test_devnet__accounts_are_those_that_ape_and_anvil_know() -> None:
    import ape

    known = [str(account.address) for account in ape.accounts.test_accounts]

    assert list(addresses()) == known[: len(addresses())]


def test_devnet__of_another_name__says_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="'besu' is no engine; name one of local, anvil, geth, kaia"):
        devnet("besu", tmp_path).__enter__()


# -- the command -----------------------------------------------------------------------------------------------------


def told(**asked: str) -> click.ClickException:
    """How the demo ends where it cannot begin."""
    with pytest.raises(click.ClickException) as refused:
        tell(None, keep=None, console=Console(file=io.StringIO()), **asked)
    return refused.value


def test_demo__engine_that_is_not_built__says_how_to_build_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(GethNode.__init__.__kwdefaults__, "binary", tmp_path / "geth")

    refused = told(engine="geth")

    assert refused.exit_code == 6
    assert refused.message == "geth is not built; run `make engine-geth`, which needs Go 1.26."


def test_demo__store_that_does_not_answer__is_one_sentence() -> None:
    refused = told(store="/ip4/127.0.0.1/tcp/9")

    assert refused.exit_code == 4
    assert "/ip4/127.0.0.1/tcp/9" in refused.message


def test_demo__engine_of_another_name__is_refused() -> None:
    from scripts import demo

    said = CliRunner(mix_stderr=False).invoke(demo.cli, ["--engine", "besu"])

    assert said.exit_code == 2
    assert "'local', 'anvil', 'geth', 'kaia'" in said.stderr


# -- what the comparison finds ---------------------------------------------------------------------------------------


def telling(engine: str, **changes: object) -> comparison.Telling:
    made = comparison.Telling(
        engine, "v1", "folder", 1.0, 0, [{"title": "one", "told": [], "gas": [30], "seconds": 1.0}]
    )
    made.transactions, made.gas, made.data = ["0xa 0 Keys 00 status 1"], [30], ["0001"]
    made.events, made.cids, made.told = ["Keys [] 00"], ["bafy1", "bafy2"], ["one"]
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"events": ["Keys [] 01"]}, "geth has 1 events, local 1; number 0 is the first that differs"),
        ({"events": []}, "geth has 0 events, local 1; number 0"),
        ({"cids": ["bafy1"]}, "geth has 1 cids, local 2; number 1"),
        ({"cids": ["bafy1", "bafy2", "bafy3"]}, "geth has 3 cids, local 2; number 2"),
        ({"transactions": ["0xa 0 Keys 00 status 0"]}, "geth has 1 transactions, local 1; number 0"),
        ({"told": ["another"]}, "geth has 1 told, local 1; number 0"),
        ({"gas": [31]}, "Transaction 0 took 31 gas on geth and 30 on local"),
    ],
)
def test_comparison__whatever_differs__is_told(changes: dict[str, object], said: str) -> None:
    [found] = comparison.disagreements([telling("local"), telling("geth", **changes)])

    assert found.startswith(said)


def test_comparison__gas_of_kaia_is_its_own_and_is_taken_apart() -> None:
    # Two bytes of calldata, 0 and 1: 200 there, 20 elsewhere.
    tellings = [telling("local"), telling("kaia", gas=[215], steps=[{"title": "one", "gas": [215], "seconds": 2.0}])]

    assert comparison.disagreements(tellings) == []
    assert "| 1 | one | 1 | 30 | 215 | +180 | +5 | 1.0 | 2.0 |" in comparison.tables(tellings)


def test_comparison__a_time_is_read_as_its_hour_and_nothing_else_is() -> None:
    # given an amount, a time of the story and a digest, as an event has them
    begun = int(comparison.START.timestamp())
    hour = begun - begun % 3600

    def event(amount: int, moment: int, digest: int) -> bytes:
        return b"".join(each.to_bytes(32, "big") for each in (amount, moment, digest))

    # when
    one = comparison._by_the_hour(event(12_400_000, begun + 7, 1 << 255))
    later = comparison._by_the_hour(event(12_400_000, begun + 1900, 1 << 255))

    # then
    assert one == later == event(12_400_000, hour, 1 << 255).hex()
    assert comparison._by_the_hour(event(12_400_001, begun + 7, 1 << 255)) != one
    assert comparison._by_the_hour(event(12_400_000, begun + 3600, 1 << 255)) != one


def test_steady__draws_the_same_for_each_module_whatever_others_draw() -> None:
    # given
    from benches.steady import Draws

    one, other = Draws("seed"), Draws("seed")

    # when
    first = [one(32) for _ in range(3)]
    exec("draw(8)", {"draw": other, "__name__": "somebody.else"})
    second = [other(32) for _ in range(3)]

    # then
    assert first == second
    assert len(set(first)) == 3
    assert Draws("another")(32) not in first


# -- what is written -------------------------------------------------------------------------------------------------


def rows(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("|---"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def test_document__tells_of_every_engine_and_every_step_the_same() -> None:
    # given
    text = comparison.DOCUMENT.read_text()
    within = text[text.index("<!-- tables: begin -->") : text.index("<!-- tables: end -->")]

    # when
    table = list(rows(within))
    engines = {row[0]: row for row in table if row[0] in comparison.NAMES.values()}
    steps = [row for row in table if row[0].isdigit()]

    # then
    assert set(engines) == set(comparison.NAMES.values())
    # Transactions, events with their digest, files with theirs.
    assert len({tuple(row[4:9]) for row in engines.values()}) == 1
    assert [int(row[0]) for row in steps] == list(range(1, 30))
    assert all("/" not in row[3] for row in steps)
    # Calldata is all that costs more on Kaia.
    assert {row[6] for row in steps} == {"+0", ""}
    assert sum(int(row[3].replace(",", "")) for row in steps if row[3]) == int(engines["geth"][9].replace(",", ""))


@contextmanager
def _document(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = folder / "engines.md"
    path.write_text("before\n<!-- tables: begin -->\nold\n<!-- tables: end -->\nafter\n")
    monkeypatch.setattr(comparison, "DOCUMENT", path)
    yield path


def test_write__replaces_the_tables_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _document(tmp_path, monkeypatch) as path:
        comparison.write("new")
        comparison.write("newer")

        assert path.read_text() == ("before\n<!-- tables: begin -->\n\nnewer\n\n<!-- tables: end -->\nafter\n")

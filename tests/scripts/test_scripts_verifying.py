"""The commands of a verify service, of clones and of temperature readings, on a real chain."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from ready_python import Started
from real_anvil import anvil
from scripts_town import Said, Town

from scripts._beginning import add_beginnings
from scripts._cli import Actor
from scripts._logging import add_limit, add_log
from scripts._verifying import add_check_clone, add_verify_service

SERVICE = """
import click
from scripts._cli import Actor
from scripts._verifying import add_verify_service
cli = click.Group(); add_verify_service(cli); cli()
"""


def commands() -> click.Group:
    """An actor with everything that these scripts add."""
    cli = Actor()
    add_beginnings(cli, "maker", name="Maker", roles="maker,device")
    add_verify_service(cli)
    add_limit(cli)
    add_log(cli, "maker")
    add_check_clone(cli)
    return cli


def run(town: Town, *words: str) -> Said:
    called = CliRunner(mix_stderr=False, env=town.settings).invoke(commands(), list(words))
    assert called.exception is None or isinstance(called.exception, SystemExit), called.exception
    return Said(called.exit_code, called.stdout, called.stderr)


def done(town: Town, *words: str) -> str:
    said = run(town, *words)
    assert said.code == 0, (words, said.err)
    return said.out


@contextmanager
def goods(town: Town, who: str) -> Iterator[Any]:
    """A member's goods as a command opens them."""
    from scripts._goods import goods_of

    before = dict(os.environ)
    os.environ.update(town.settings)
    try:
        with goods_of(who, network=town.settings["THERIAC_NETWORK"], store=None) as found:
            yield found
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A maker with a batch of lot L1, and two pharmacies, each set up."""
    from theriac.medicine.depot import Order
    from theriac.medicine.packs import Product, cases_of
    from theriac.medicine.tree import Shape

    with anvil(hardfork="cancun") as chain:
        town = Town(chain, tmp_path_factory.mktemp("market"))
        town.done("deploy", "--account", "TEST::0")
        for place, (who, roles) in enumerate(
            [("maker", "maker,device"), ("north", "pharmacist"), ("south", "pharmacist")], start=1
        ):
            town.done("board", "admit", f"TEST::{place}", "--roles", roles, "--until", "2040-01-01")
            done(town, "setup", "--as", who, "--account", f"TEST::{place}", "--name", who.title())
        town.done("board", "renew-key")
        shape = Shape(4, 2)
        expiry = date(2035, 6, 30)
        product = Product("04150123456782", "L1", expiry)
        order = Order(product, shape, cases_of(8, shape), [f"S{number}" for number in range(8)], expiry)
        with goods(town, "maker") as found:
            found.depot.commission(order)
        yield town


@contextmanager
def serving(town: Town) -> Iterator[Started]:
    environment = {**os.environ, **town.settings}
    process = Started(SERVICE, ["verify-service", "--port", "0"], env=environment, text=True)
    try:
        assert process.stdout.readline().startswith("Answering at http://127.0.0.1:")
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_verify_service__published_asked_by_two_pharmacies__reports_a_clone(market: Town, folder: Path) -> None:
    from scripts._verifying import asked_makers, kept_clone
    from theriac.medicine.packid import PackCode, Scheme
    from theriac.medicine.scanner import Cause

    code = PackCode(Scheme.GTIN, "04150123456782", "S1", lot="L1", expiry=date(2035, 6, 30))
    false = PackCode(Scheme.GTIN, "04150123456782", "S99", lot="L1", expiry=date(2035, 6, 30))
    with serving(market) as process:
        # when: two pharmacies ask about one serial, one of them about a false one too
        found = []
        for who, of in (("north", code), ("south", code), ("south", false)):
            with goods(market, who) as site:
                verdict = site.depot.scanner().judge(of)
                assert verdict.cause is Cause.UNKNOWN_HERE
                found.append(asked_makers(site, verdict, place=who.title()))
                if found[-1].clone is not None:
                    path = kept_clone(folder, found[-1].clone)

        # then
        assert [each.silent for each in found] == [{}, {}, {}]
        assert [each.verdict.cause for each in found] == [Cause.FOREIGN, Cause.CLONED, Cause.FALSE]

        # and: the maker's other commands work meanwhile, and it stops when it is told to
        done(market, "setup", "--as", "maker", "--account", "TEST::1", "--name", "Maker & Sons")
        with goods(market, "north") as site:
            profile = site.desk.chain.profile("0x" + "0" * 39 + "1", site.site.store)
        assert (profile.name, list(profile.endpoints)) == ("Maker & Sons", ["verify"])
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, "Two members had this serial" in out, err) == (0, True, "")

    # and: anyone checks the report
    said = run(market, "check-clone", str(path), "--json")
    assert (said.code, said.json["why"], [each["place"] for each in said.json["scans"]]) == (
        0,
        "two-members",
        ["North", "South"],
    )
    assert "The report holds." in done(market, "check-clone", str(path))


def test_check_clone__a_forged_file__is_told_in_a_sentence(market: Town, folder: Path) -> None:
    (folder / "forged.json").write_text('{"kind":"clone","format":1}')

    said = run(market, "check-clone", str(folder / "forged.json"))

    assert (said.code, len(said.sentences)) == (2, 1)


def test_verify_service__of_a_pharmacy__is_refused(market: Town) -> None:
    said = run(market, "verify-service", "--as", "north", "--port", "0")

    assert (said.code, len(said.sentences), "maker in standing" in said.err) == (3, 1, True)


def test_log__beyond_the_limit__blocks_what_is_held(market: Town, folder: Path) -> None:
    # given: a logger of the maker, which lets the contract act, and a limit
    out = str(folder / "logger.join")
    done(
        market, "join-request", "--as", "maker", "--account", "TEST::7", "--member", "1", "--roles", "device", "-o", out
    )
    done(market, "take-on", "--as", "maker", out)
    now = datetime.fromtimestamp(market.chain.now(), UTC)
    lines = [f"{(now - timedelta(minutes=10 * each)).isoformat()},{9.5 if each < 4 else 5.0}" for each in range(6)]
    file = folder / "fridge.csv"
    file.write_text("time,celsius\n" + "\n".join(lines) + "\n")
    unlimited = run(market, "log", str(file), "--goods", "L1", "--logger", "TEST::7")
    done(market, "set-limit", "L1", "--low", "2", "--high", "8", "--minutes", "30", "--kinetic", "8")
    forbidden = run(market, "log", str(file), "--goods", "L1", "--logger", "TEST::7")
    done(market, "allow-cold-chain", "--as", "maker", "--yes")

    # when
    said = run(market, "log", str(file), "--goods", "L1", "--logger", "TEST::7", "--json")
    again = run(market, "log", str(file), "--goods", "L1/1", "--logger", "TEST::7")

    # then
    assert (unlimited.code, "set-limit" in unlimited.err) == (3, True)
    assert (forbidden.code, "allow-cold-chain" in forbidden.err) == (3, True)
    assert said.code == 0, said.err
    [report] = said.json
    assert (report["minutes"], [each["node"] for each in report["blocked"]]) == (40, [1])
    assert again.code == 0
    with goods(market, "maker") as found:
        [batch] = [each.batch for each in found.depot.shelf.batches()]
        assert found.depot.chain.place(batch, 1)["blocks"] == 8


@pytest.mark.parametrize(
    ("lines", "code"),
    [("now,5\n", 2), ("2030-01-01T00:00:00Z,5\n", 2), ("2029-01-01T00:00:00Z,5\n2029-01-01T01:00:00Z,5\n", 3)],
)
def test_log__what_cannot_be_reported__is_told_in_a_sentence(market: Town, folder: Path, lines: str, code: int) -> None:
    file = folder / "fridge.csv"
    file.write_text(lines)

    said = run(market, "log", str(file), "--goods", "L1", "--logger", "TEST::7")

    assert (said.code, len(said.sentences)) == (code, 1)

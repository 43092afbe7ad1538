"""Whatever happens to an index, its disk, its process or its chain: nothing is lost, nothing twice, and it goes on."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from ledger_chains import Chain
from ledger_meddling import Ask, meddled
from ledger_notes import dump, index_of
from ledger_solidity import compiled
from small_files import small_files
from web3.contract import Contract

from benches.digests import chain_at, expected
from benches.made_chain import MadeChain, serving, url_of
from theriac.errors import ChainRefused, LedgerFileBroken, WrongChain
from theriac.health import chain as health_chain
from theriac.ledger import index as index_module
from theriac.ledger import node
from theriac.ledger.database import Database
from theriac.ledger.index import Index
from theriac.ledger.sender import Sender
from theriac.ledger.signer import KeySigner

FOLLOWED = Path(__file__).with_name("followed_index.py")
MADE = "0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB"


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


@pytest.fixture
def busy(anvil: Chain) -> Contract:
    """An emitter with events in several blocks."""
    emitter, payer = anvil.emitter(), anvil.account()
    sender = Sender(anvil.web3, payer, outbox=None)
    for n in range(6):
        sender.send(emitter.functions.noteMany(payer.address, key(n), n + 1))
    sender.send(emitter.functions.measure("ward", (9, -40, [key(2), key(3)]), True))
    return emitter


@contextmanager
def made(blocks: int, each: int) -> Iterator[tuple[MadeChain, str]]:
    """A chain of so many blocks that is made up, and where it is served."""
    chain = MadeChain(MADE, blocks=blocks, each=each)
    server = serving(chain)
    try:
        yield chain, url_of(server)
    finally:
        server.shutdown()
        server.server_close()


def whole(index: Index, chain: MadeChain) -> None:
    """An index holds exactly what the chain has."""
    rows = index.query("SELECT block, log_index, author, pseudonym, digest FROM anchors ORDER BY block, log_index")
    events = index.query("SELECT block, log_index FROM events ORDER BY block, log_index")
    places = [(block, place) for block in range(1, chain.head + 1) for place in range(chain.each)]
    assert [(row["block"], row["log_index"]) for row in events] == places
    for row, (block, place) in zip(rows, places, strict=True):
        wanted = expected(chain, block, place)
        told = (row["author"], "0x" + row["pseudonym"].hex(), row["digest"], row["block"])  # type: ignore[union-attr]
        assert told == (wanted.author, wanted.pseudonym.lower(), wanted.digest, wanted.block)


# -- a burst ---------------------------------------------------------------------------------------------------------


def test_sync__answers_longer_than_the_limit__the_range_is_halved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a node that answers whatever it is asked for, 70 KiB a block, and a limit of 256 KiB
    monkeypatch.setattr(index_module, "_LONGEST_RANGE", 2**18)
    with made(blocks=40, each=100) as (chain, url):
        asked: list[int] = []
        answer = chain.answer
        chain.answer = lambda method, params: _noted(asked, method, params, answer)  # type: ignore[method-assign]
        index = chain_at(url, tmp_path / "index").unsynced_index

        # when it is followed
        progress = index.sync()

        # then wide questions were given up until they fitted, and all is there
        assert progress.events == 4000
        assert asked[0] == 40
        assert asked[:5] == [40, 20, 10, 5, 2]
        assert max(asked[5:]) <= 6
        whole(index, chain)


def _noted(asked: list[int], method: str, params: Any, answer: Callable[[str, Any], str]) -> str:
    if method == "eth_getLogs":
        asked.append(int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1)
    return answer(method, params)


def test_sync__one_block_longer_than_the_limit__is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "_LONGEST_RANGE", 2**16)
    with made(blocks=3, each=1500) as (chain, url):
        index = chain_at(url, tmp_path / "index").unsynced_index

        assert index.sync().events == 4500

        whole(index, chain)


def test_sync__an_answer_without_end__is_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a single block that is longer than any answer may be
    monkeypatch.setattr(node, "_LONGEST", 2**20)
    with made(blocks=1, each=4000) as (_, url), pytest.raises(ChainRefused, match="more than 1 MiB"):
        chain_at(url, tmp_path / "index").unsynced_index.sync()


@pytest.mark.heavy
def test_sync__a_block_of_a_hundred_thousand_events__in_bounded_memory(
    own_anvil: Callable[..., Chain], tmp_path: Path
) -> None:
    # given a real chain with 100,000 events in one block, and some around it
    chain = own_anvil("--gas-limit", "2000000000", "--no-mining", "--hardfork", "cancun")
    owner = Account.from_key(chain.keys[-1])
    nonce = iter(range(100))

    def send(transaction: dict[str, Any]) -> Any:
        filled = {**transaction, "nonce": next(nonce), "gasPrice": 10**10, "chainId": chain.web3.eth.chain_id}
        return chain.web3.eth.send_raw_transaction(owner.sign_transaction(filled).raw_transaction)

    code = compiled("contracts/test/Emitter.sol", "Emitter")
    blank = chain.web3.eth.contract(abi=code.abi, bytecode=code.bytecode)
    sent = send({"gas": 3_000_000, "data": blank.constructor(10).data_in_transaction})
    chain.mine()
    address = chain.web3.eth.get_transaction_receipt(sent)["contractAddress"]
    emitter = chain.web3.eth.contract(address=address, abi=code.abi)
    for times in (1, *[5_000] * 20):
        data = emitter.encode_abi("noteMany", [owner.address, key(times), times])
        send({"gas": 60_000_000, "to": address, "data": data})
        if times == 1:
            chain.mine()
    chain.mine(3)
    assert len(chain.web3.eth.get_block(3)["transactions"]) == 20

    # when a process follows it
    done = subprocess.run(
        [sys.executable, str(FOLLOWED), chain.url, str(tmp_path / "index"), address],
        env={**os.environ, "PYTHONPATH": f"{FOLLOWED.parents[2]}{os.pathsep}{FOLLOWED.parent}"},
        stdout=subprocess.PIPE,
        check=True,
        timeout=300,
    )
    said = json.loads(done.stdout)

    # then all is there; what the answer itself takes is the bound: 70 MB of JSON, read and taken apart
    assert said["events"] == 100_001
    assert said["peak"] - said["before"] < 450, said
    print(f"a block of 100,000 events: {said}")


# -- a slow and a full disk ------------------------------------------------------------------------------------------


def test_sync__the_file_is_held_by_another__asks_the_node_for_nothing_more(
    anvil: Chain, busy: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given an index whose disk takes nothing for a second, since another process writes
    monkeypatch.setattr(index_module, "_FIRST_RANGE", 1)
    monkeypatch.setattr(index_module, "_WIDEST_RANGE", 1)
    asked: list[float] = []

    def watched(ask: Ask, method: str, params: Any) -> Any:
        if method == "eth_getLogs":
            asked.append(time.monotonic())
        return ask(method, params)

    index = index_of(tmp_path / "index", meddled(anvil, watched), busy)
    index.sync(to=anvil.web3.eth.block_number - 4)
    index.close()
    asked.clear()
    holder = sqlite3.connect(tmp_path / "index", isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    held = time.monotonic()
    threading.Timer(1.0, lambda: holder.execute("ROLLBACK")).start()

    # when it follows on
    with _opened(tmp_path, meddled(anvil, watched), busy) as index:
        index.sync()
        freed = held + 1.0

        # then it asked for no more than it could write, and everything is there
        assert sum(at < freed for at in asked) <= 1
        assert len(asked) >= 3
        assert dump(index) == _fresh(anvil, busy, tmp_path)


@contextmanager
def _opened(folder: Path, web3: Any, emitter: Contract) -> Iterator[Index]:
    with index_of(folder / "index", web3, emitter) as index:
        yield index


def _fresh(chain: Chain, emitter: Contract, folder: Path) -> dict[str, list[Any]]:
    """What an index that was made now says."""
    path = folder / f"fresh {time.monotonic_ns()}"
    with index_of(path, chain.web3, emitter) as index:
        index.sync()
        return dump(index)


def test_sync__no_room_for_the_next_range__says_so_and_goes_on_with_room(tmp_path: Path) -> None:
    with made(blocks=60, each=200) as (chain, url):
        # given an index that is followed for a while, and a disk without room for the rest
        index = chain_at(url, tmp_path / "index").unsynced_index
        index.sync(to=10)
        with small_files(3 * 2**20), pytest.raises(LedgerFileBroken, match=r"free space or restore it, then try again"):
            index.sync()

        # then what it says it has it has whole
        reached = index.progress().block
        [held] = index.query("SELECT COUNT(*) AS held, MAX(block) AS last FROM anchors")
        assert (held["held"], held["last"]) == (reached * 200, reached)
        assert 10 <= reached < 60

        # and with room, the same object goes on
        index.sync()
        whole(index, chain)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for a few MiB."""
    if os.geteuid() != 0:
        pytest.skip("needs the right to mount: run it as root, on a machine of yours.")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount: run it as root, outside of a container without that right.")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.heavy
@pytest.mark.parametrize("ballast", [0, 3, 6, 9, 11], ids="{} MiB are taken".format)
def test_sync__on_a_disk_that_is_full__says_so_loses_nothing_and_goes_on(small_disk: Path, ballast: int) -> None:
    # given a disk of 12 MiB, of which something else takes a part, and events of more than is left
    (small_disk / "ballast").write_bytes(bytes(ballast << 20))
    folder = small_disk / "index"
    with made(blocks=150, each=200) as (chain, url):
        reached, client = -1, chain_at(url, folder / "index.sqlite")
        with pytest.raises(LedgerFileBroken, match="free space or restore it, then try again"):
            client.index.sync()
        if client._index is not None:
            reached = client.unsynced_index.progress().block
            [held] = client.unsynced_index.query("SELECT COUNT(*) AS held FROM anchors")
            assert held["held"] == max(reached, 0) * 200
            client.close()

        # when there is room, and another process opens it
        (small_disk / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
        begun = time.perf_counter()
        again = chain_at(url, folder / "index.sqlite").unsynced_index
        again.sync()
        print(f"full at block {reached}, whole {time.perf_counter() - begun:.2f} s after there was room")

        # then it is whole
        whole(again, chain)
        again.close()


# -- death -----------------------------------------------------------------------------------------------------------


def _in_a_child(work: Callable[[], None]) -> int:
    """Runs something in a process of its own; by which signal it died, 0 where it ended."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def _dying_at(step: int) -> None:
    """This process dies before the step: a statement to the file, or a question to the node."""
    left = [step]

    def counted(method: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return method(*arguments, **named)

        return run

    Database.run = counted(Database.run)  # type: ignore[method-assign]
    Database.run_many = counted(Database.run_many)  # type: ignore[method-assign]
    index_module.Node.request = counted(index_module.Node.request)  # type: ignore[method-assign]


def test_sync__killed_before_each_of_its_steps__holds_the_same(anvil: Chain, busy: Contract, tmp_path: Path) -> None:
    # given what an index of this chain holds
    wanted = _fresh(anvil, busy, tmp_path)
    assert len(wanted["events"]) == 22

    def follow(path: Path, step: int) -> None:
        _dying_at(step)
        index_module._FIRST_RANGE = index_module._WIDEST_RANGE = 4
        index_of(path, anvil.web3, busy).sync()

    # when a process dies before its first, second, ... step, until one gets through
    step = 1
    while True:
        path = tmp_path / f"killed {step}"
        died = _in_a_child(lambda path=path, step=step: follow(path, step))
        if not died:
            break
        assert died == signal.SIGKILL

        # then the next one holds the same
        with index_of(path, anvil.web3, busy) as index:
            index.sync()
            assert dump(index) == wanted, step
        step += 1
    assert step > 40


def test_sync__killed_before_each_step_of_an_undoing__holds_the_same(
    own_anvil: Callable[..., Chain], tmp_path: Path
) -> None:
    # given an index of a chain that then goes another way
    chain = own_anvil()
    emitter, payer = chain.emitter(), KeySigner(chain.keys[0])
    sender = Sender(chain.web3, payer, outbox=None)
    for n in range(6):
        sender.send(emitter.functions.noteMany(payer.address, key(n), 3))
    with index_of(tmp_path / "before", chain.web3, emitter) as index:
        index.sync()
    chain.ask("anvil_reorg", 4, [])
    sender = Sender(chain.web3, payer, outbox=None)
    sender.send(emitter.functions.noteMany(payer.address, key(9), 2))
    wanted = _fresh(chain, emitter, tmp_path)
    assert len(wanted["events"]) == 8

    def follow(path: Path, step: int) -> None:
        _dying_at(step)
        index_of(path, chain.web3, emitter).sync()

    step, content = 1, (tmp_path / "before").read_bytes()
    while True:
        path = tmp_path / f"killed {step}"
        path.write_bytes(content)
        if not _in_a_child(lambda path=path, step=step: follow(path, step)):
            break
        with index_of(path, chain.web3, emitter) as index:
            index.sync()
            assert dump(index) == wanted, step
        step += 1
    assert step > 20


def _killed_until_done(url: str, path: Path, dice: random.Random) -> int:
    """Processes that follow a chain, each killed after a random while, until one ends; how many were killed."""
    for killed in range(200):
        child = os.fork()
        if child == 0:
            try:
                chain_at(url, path).unsynced_index.sync()
                os._exit(0)
            except BaseException:
                os._exit(1)
        if dice.random() < 0.97:
            time.sleep(dice.uniform(0.02, 0.3))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            return killed
    raise AssertionError("never done")


@pytest.mark.parametrize(
    ("blocks", "seed"),
    [(60, 1), pytest.param(1500, 2, marks=pytest.mark.heavy), pytest.param(1500, 3, marks=pytest.mark.heavy)],
)
def test_sync__killed_at_random_again_and_again__holds_everything_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: int, seed: int
) -> None:
    monkeypatch.setattr(index_module, "_FIRST_RANGE", 4)
    monkeypatch.setattr(index_module, "_EVENTS_WANTED", 800)
    with made(blocks=blocks, each=100) as (chain, url):
        killed = _killed_until_done(url, tmp_path / "index", random.Random(seed))

        index = chain_at(url, tmp_path / "index").unsynced_index
        assert index.sync().events == 0
        whole(index, chain)
        assert killed >= 2


# -- another chain ---------------------------------------------------------------------------------------------------


def test_sync__the_chain_was_reset__is_refused_until_it_is_back(
    own_anvil: Callable[..., Chain], tmp_path: Path
) -> None:
    # given an index of a chain that keeps its state in a file
    state = tmp_path / "state.json"
    chain = own_anvil("--state", str(state), "--timestamp", "1900000000")
    port = int(chain.url.rpartition(":")[2])
    emitter, payer = chain.emitter(), KeySigner(chain.keys[0])
    sender = Sender(chain.web3, payer, outbox=None)
    for n in range(3):
        sender.send(emitter.functions.note(payer.address, key(n), n, ""))
    with index_of(tmp_path / "index", chain.web3, emitter) as index:
        index.sync()
        wanted = dump(index)
    assert chain.process is not None
    chain.process.terminate()
    chain.process.wait()

    # when at the same address a chain of the same id begins anew, and it is followed
    other = own_anvil("--timestamp", "1900000001", port=port)
    assert other.web3.eth.chain_id == 31337
    with index_of(tmp_path / "index", other.web3, emitter) as index:
        with pytest.raises(WrongChain, match="first block"):
            index.sync()

        # then nothing was touched
        assert dump(index) == wanted
    other.end()

    # and where the old chain is back, it goes on
    back = own_anvil("--state", str(state), "--timestamp", "1900000000", port=port)
    Sender(back.web3, payer, outbox=None).send(emitter.functions.note(payer.address, key(7), 7, ""))
    with index_of(tmp_path / "index", back.web3, emitter) as index:
        assert (index.sync().events, index.progress().block) == (1, back.web3.eth.block_number)
        assert dump(index)["events"][:-1] == wanted["events"]


@pytest.mark.parametrize("lost", [2, 5, 9])
def test_sync__a_reorganisation_around_the_depth__leaves_settled_only_what_stands(
    own_anvil: Callable[..., Chain], tmp_path: Path, lost: int
) -> None:
    # given an index for which three blocks must stand on an event before it counts, over twelve events
    chain = own_anvil()
    emitter, payer = chain.emitter(), KeySigner(chain.keys[0])
    sender = Sender(chain.web3, payer, outbox=None)
    for n in range(12):
        sender.send(emitter.functions.note(payer.address, key(n), n, ""))
    index = index_of(tmp_path / "index", chain.web3, emitter, depth=3)
    index.sync()
    settled = [event.arguments["amount"] for event in index.events(settled=True)]
    assert settled == list(range(9))

    # when the chain takes back its last blocks, which may be more than that, and goes another way
    chain.ask("anvil_reorg", lost, [])
    undone = index.sync().undone
    assert [event.arguments["amount"] for event in index.events(settled=True)] == list(range(min(9, 12 - lost)))
    again = Sender(chain.web3, payer, outbox=None)
    for n in range(100, 104):
        again.send(emitter.functions.note(payer.address, key(n), n, ""))
    index.sync()

    # then only what stands is told, settled or not
    kept = list(range(12 - lost))
    assert undone == lost
    assert [event.arguments["amount"] for event in index.events()] == [*kept, *range(100, 104)]
    assert [event.arguments["amount"] for event in index.events(settled=True)] == [*kept, 100]
    assert dump(index) == _fresh(chain, emitter, tmp_path)


@pytest.mark.parametrize("lost", [1, 30, 59])
def test_sync__a_made_chain_forks__rows_of_all_tables_are_of_the_new_one(tmp_path: Path, lost: int) -> None:
    with made(blocks=60, each=50) as (chain, url):
        client = chain_at(url, tmp_path / "index")
        index = client.unsynced_index
        index.sync()
        former = expected(chain, 60, 7)

        chain.fork(61 - lost)
        progress = index.sync()

        assert progress.undone >= lost
        assert client.anchored(former.digest) == []
        assert client.anchored(expected(chain, 60, 7).digest) == [expected(chain, 60, 7)]
        whole(index, chain)


# -- files of before -------------------------------------------------------------------------------------------------


def test_index__a_file_of_an_older_form__is_made_anew(anvil: Chain, busy: Contract, tmp_path: Path) -> None:
    # given a file as the first form was
    path = tmp_path / "index"
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE position (chain_id INTEGER, genesis TEXT)")
        old.execute("CREATE TABLE events (block INTEGER, name TEXT)")
        old.execute("INSERT INTO events VALUES (1, 'Old')")
        old.execute(f"PRAGMA application_id = {0x54484958}")
        old.execute("PRAGMA user_version = 1")
    old.close()

    with index_of(path, anvil.web3, busy) as index:
        index.sync()

        assert dump(index) == _fresh(anvil, busy, tmp_path)


def test_index__a_file_of_a_newer_form__is_left_alone(anvil: Chain, busy: Contract, tmp_path: Path) -> None:
    path = tmp_path / "index"
    with sqlite3.connect(path) as newer:
        newer.execute("CREATE TABLE position (chain_id INTEGER)")
        newer.execute(f"PRAGMA application_id = {0x54484958}")
        newer.execute("PRAGMA user_version = 99")
    newer.close()

    with pytest.raises(LedgerFileBroken, match="version 99"):
        index_of(path, anvil.web3, busy)

    assert sqlite3.connect(path).execute("PRAGMA user_version").fetchone() == (99,)


# -- look-ups --------------------------------------------------------------------------------------------------------


def test_anchored__among_many__is_found_by_an_index_of_the_file(tmp_path: Path) -> None:
    with made(blocks=20, each=100) as (chain, url):
        chain.patients = 50
        client = chain_at(url, tmp_path / "index")
        everyone = [expected(chain, block, place) for block in range(1, 21) for place in range(100)]
        mine = [each for each in everyone if each.pseudonym == everyone[0].pseudonym]
        assert len(mine) > 10

        assert client.anchored(everyone[77].digest) == [everyone[77]]
        assert client.anchored(bytes(32)) == []
        assert client.anchored_under([mine[0].pseudonym]) == mine
        assert client.anchored_under([mine[0].pseudonym], since=10) == [each for each in mine if each.block >= 10]
        # of a made chain of twenty blocks eight are at a depth of twelve
        settled = [each for each in mine if each.block <= 8]
        assert client.anchored_under([mine[0].pseudonym], settled=True) == settled

        # and no look-up reads the whole file
        for select, column in (
            (health_chain._SELECT_ANCHORS, "digest"),
            (health_chain._SELECT_ANCHORS, "pseudonym"),
            (health_chain._SELECT_ROWS, "pseudonym"),
            (health_chain._SELECT_ROWS, "root"),
        ):
            plan = client.unsynced_index.query(f"EXPLAIN QUERY PLAN {select} WHERE {column} = ?", (b"",))
            assert all("USING INDEX" in str(step["detail"]) for step in plan), plan

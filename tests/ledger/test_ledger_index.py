"""An index holds what the chain has emitted, no more and no less, and goes on where it was."""

import signal
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak
from ledger_chains import Chain
from ledger_meddling import Ask, altered, meddled, refused
from ledger_notes import NOTES, dump, handlers, index_of, note_rows
from ready_python import Started, file
from web3.contract import Contract

from theriac.errors import BadHandler, ChainLied, ChainRefused, ChainSilent, LedgerFileBroken, WrongChain
from theriac.ledger.contracts import Call, Contracts, Event, call_of
from theriac.ledger.deployment import Deployment
from theriac.ledger.index import Handler, Index, Progress, Table
from theriac.ledger.sender import Sender
from theriac.ledger.signer import KeySigner

LOGS = "eth_getLogs"
SCRIPT = Path(__file__).with_name("killed_index.py")


@pytest.fixture
def sender(chain: Chain, payer: KeySigner) -> Sender:
    return Sender(chain.web3, payer, outbox=None)


@pytest.fixture
def index(chain: Chain, emitter: Contract, tmp_path: Path) -> Iterator[Index]:
    with index_of(tmp_path / "index", chain.web3, emitter, start_block=chain.web3.eth.block_number) as made:
        yield made


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


# -- following -------------------------------------------------------------------------------------------------------


def test_sync__events_of_every_shape__are_values(
    index: Index, sender: Sender, emitter: Contract, payer: KeySigner
) -> None:
    noted = sender.send(emitter.functions.note(payer.address, key(1), 2**200, "zwölf"))
    measured = sender.send(emitter.functions.measure("ward", (9, -40, [key(2), key(3)]), True))
    ticked = sender.send(emitter.functions.tick())

    progress = index.sync()

    def event(name: str, receipt: Any, **arguments: Any) -> Event:
        return Event(
            contract="Emitter",
            name=name,
            arguments=arguments,
            block=receipt.block,
            block_hash=receipt.block_hash,
            transaction=receipt.transaction,
            index=0,
        )

    assert list(index.events()) == [
        event("Noted", noted, subject=payer.address, key=key(1), amount=2**200, remark="zwölf"),
        event(
            "Measured",
            measured,
            place=keccak(text="ward"),
            reading={"time": 9, "celsius": -40, "sensors": (key(2), key(3))},
            alarm=True,
        ),
        event("Ticked", ticked, count=1),
    ]
    assert progress == Progress(block=ticked.block, settled=ticked.block, head=ticked.block, events=3, undone=0)


def test_sync__rows_of_the_handlers__stand_in_their_tables(
    index: Index, sender: Sender, emitter: Contract, payer: KeySigner
) -> None:
    noted = sender.send(emitter.functions.noteMany(payer.address, key(1), 2))
    measured = sender.send(emitter.functions.measure("ward", (9, -40, [key(2), key(3)]), True))

    index.sync()

    assert index.query("SELECT * FROM notes ORDER BY log_index") == [
        {"block": noted.block, "log_index": n, "subject": payer.address, "key": key(1), "amount": str(n)}
        for n in range(2)
    ]
    assert index.query("SELECT * FROM sensors ORDER BY sensor") == [
        {"block": measured.block, "log_index": 0, "sensor": key(n), "celsius": -40} for n in (2, 3)
    ]


def test_sync__again__adds_only_what_is_new(index: Index, sender: Sender, emitter: Contract) -> None:
    sender.send(emitter.functions.tick())
    first = index.sync()
    idle = index.sync()
    sender.send(emitter.functions.tick())
    second = index.sync()

    assert [first.events, idle.events, second.events] == [1, 0, 1]
    assert [event.arguments["count"] for event in index.events()] == [1, 2]


def test_sync__up_to_a_block__stops_there(index: Index, sender: Sender, emitter: Contract) -> None:
    blocks = [sender.send(emitter.functions.tick()).block for _ in range(3)]

    progress = index.sync(blocks[1])

    assert (progress.block, progress.head) == (blocks[1], blocks[2])
    assert [event.block for event in index.events()] == blocks[:2]


def test_sync__tells_how_far_it_is(
    chain: Chain, sender: Sender, emitter: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("theriac.ledger.index._FIRST_RANGE", 2)
    start = chain.web3.eth.block_number + 1
    for _ in range(5):
        sender.send(emitter.functions.tick())
    reports: list[Progress] = []

    index_of(tmp_path / "index", chain.web3, emitter, start_block=start).sync(report=reports.append)

    assert [(report.block - start, report.events) for report in reports] == [(1, 2), (4, 5)]


def test_sync__before_its_first_block_is_made__has_nothing(chain: Chain, emitter: Contract, tmp_path: Path) -> None:
    index = index_of(tmp_path / "index", chain.web3, emitter, start_block=10**6)

    progress = index.sync()

    assert (progress.block, progress.events) == (10**6 - 1, 0)


def test_sync__text_that_is_no_utf8__is_shown(
    index: Index, sender: Sender, emitter: Contract, payer: KeySigner
) -> None:
    good = call_of(emitter.functions.note(payer.address, key(1), 1, "??"))
    sender.send(Call(to=good.to, data=good.data.replace(b"??", b"\xff\xfe")))

    index.sync()

    assert [event.arguments["remark"] for event in index.events()] == ["\\xff\\xfe"]


def test_sync__an_event_of_a_stranger_with_the_same_topic__is_left_out(
    chain: Chain, index: Index, sender: Sender
) -> None:
    sender.send(chain.emitter().functions.tick())

    assert index.sync().events == 0


# -- asking ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """An index with ten notes, in turn of two keys, and a tick."""
    emitter, payer = chain.emitter(), chain.account()
    sender = Sender(chain.web3, payer, outbox=None)
    start = chain.web3.eth.block_number
    for n in range(10):
        sender.send(emitter.functions.note(payer.address, key(n % 2), n if n else 2**255, ""))
    sender.send(emitter.functions.tick())
    with index_of(tmp_path_factory.mktemp("told") / "index", chain.web3, emitter, start_block=start) as index:
        index.sync()
        yield index


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({"name": "Ticked"}, [None]),
        ({"contract": "Emitter", "name": "Noted"}, [2**255, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ({"contract": "Other"}, []),
        ({"where": {"key": key(1)}}, [1, 3, 5, 7, 9]),
        ({"where": {"key": key(1), "amount": 5}}, [5]),
        ({"where": {"amount": 2**255}}, [2**255]),
        ({"where": {"nothing": 1}}, []),
        ({"name": "Noted", "newest_first": True, "limit": 3}, [9, 8, 7]),
    ],
    ids=["name", "contract", "other", "where", "two", "large", "unknown", "newest"],
)
def test_events__asked_for_some__gives_these(told: Index, question: dict[str, Any], expected: list[Any]) -> None:
    assert [event.arguments.get("amount") for event in told.events(**question)] == expected


def test_events__between_blocks__are_inclusive(told: Index) -> None:
    blocks = [event.block for event in told.events()]

    assert [event.block for event in told.events(since=blocks[2], until=blocks[4])] == blocks[2:5]


def test_events__settled__leaves_out_what_is_not_at_depth(
    chain: Chain, sender: Sender, emitter: Contract, tmp_path: Path
) -> None:
    start = chain.web3.eth.block_number + 1
    blocks = [sender.send(emitter.functions.tick()).block for _ in range(4)]
    index = index_of(tmp_path / "index", chain.web3, emitter, start_block=start, depth=2)

    progress = index.sync()

    assert progress.settled == index.progress().settled == blocks[1]
    assert [event.block for event in index.events(settled=True)] == blocks[:2]
    assert [event.block for event in index.events()] == blocks


@pytest.mark.parametrize("argument", ["a b", "x') --", "", "$"])
def test_events__of_what_is_no_argument__is_refused(told: Index, argument: str) -> None:
    with pytest.raises(BadHandler):
        list(told.events(where={argument: 1}))


@pytest.mark.parametrize("statement", ["DELETE FROM notes", "DROP TABLE notes", "UPDATE position SET next = 0"])
def test_query__that_would_write__is_refused(told: Index, statement: str) -> None:
    before = dump(told)

    with pytest.raises(LedgerFileBroken):
        told.query(statement)

    assert dump(told) == before


# -- other handlers, other chains ------------------------------------------------------------------------------------


def test_handler_of__a_deployed_contract__is_the_same_as_by_hand(chain: Chain, emitter: Contract) -> None:
    empty = Deployment.of(chain.web3, network="here", depth=0, lasting=False)
    deployment = empty.with_contract(chain.web3, "Emitter", emitter.address, block=1)
    contracts = Contracts(chain.web3, deployment, abis={"Emitter": emitter.abi})

    made = Handler.of(contracts, "Emitter", "Noted", table=NOTES, rows=note_rows)

    assert made == handlers(emitter)[0]


def test_index__opened_with_the_same_handlers__keeps_its_rows(
    chain: Chain, index: Index, sender: Sender, emitter: Contract, tmp_path: Path
) -> None:
    start = index.progress().block + 1
    sender.send(emitter.functions.tick())
    index.sync()
    before = dump(index)
    index.close()

    with index_of(tmp_path / "index", chain.web3, emitter, start_block=start) as again:
        assert dump(again) == before
        assert again.sync().events == 0


@pytest.mark.parametrize("change", ["fewer", "version", "table", "start"])
def test_index__opened_with_other_handlers__begins_anew(
    chain: Chain, index: Index, sender: Sender, emitter: Contract, payer: KeySigner, tmp_path: Path, change: str
) -> None:
    start = index.progress().block + 1
    sender.send(emitter.functions.note(payer.address, key(1), 1, ""))
    index.sync()
    index.close()
    others = handlers(emitter)
    if change == "fewer":
        others = others[:1]
    elif change == "version":
        others[0] = replace(others[0], version=2)
    elif change == "table":
        others[0] = replace(others[0], table=replace(NOTES, name="notes_again"))
    else:
        start -= 1

    with Index(tmp_path / "index", chain.web3, handlers=others, start_block=start) as again:
        assert list(again.events()) == []
        assert again.sync().events == 1
        tables = {row["name"] for row in again.query("SELECT name FROM sqlite_master WHERE type = 'table'")}

    wanted = {handler.table.name for handler in others if handler.table is not None}
    assert tables - {"kinds", "logged", "passed", "position"} == wanted


def test_sync__of_another_chain__is_refused(own_anvil: Callable[..., Chain], tmp_path: Path) -> None:
    first, second = own_anvil(), own_anvil("--timestamp", "1700000000")
    emitter = first.emitter()
    with index_of(tmp_path / "index", first.web3, emitter) as index:
        index.sync()

    with index_of(tmp_path / "index", second.web3, emitter) as index, pytest.raises(WrongChain):
        index.sync()


def test_index__a_damaged_file__is_broken(chain: Chain, emitter: Contract, tmp_path: Path) -> None:
    (tmp_path / "index").write_bytes(b"this is no database " * 100)

    with pytest.raises(LedgerFileBroken):
        index_of(tmp_path / "index", chain.web3, emitter)


def test_index__the_file_of_an_outbox__is_refused_and_left_alone(
    chain: Chain, emitter: Contract, payer: KeySigner, tmp_path: Path
) -> None:
    with Sender(chain.web3, payer, outbox=tmp_path / "file") as sender:
        sender.send(emitter.functions.tick(), intent="tick")

    with pytest.raises(LedgerFileBroken, match="another kind of file"):
        index_of(tmp_path / "file", chain.web3, emitter)

    with sqlite3.connect(tmp_path / "file") as database:
        assert database.execute("SELECT name FROM intents").fetchall() == [("tick",)]


ABI_EVENT = {"type": "event", "name": "E", "inputs": [{"name": "x", "type": "uint256", "indexed": False}]}
ADDRESS = "0x00000000000000000000000000000000000000AA"
GOOD = Handler("C", ADDRESS, ABI_EVENT, table=NOTES, rows=note_rows)


@pytest.mark.parametrize(
    "bad",
    [
        [replace(GOOD, event={**ABI_EVENT, "anonymous": True})],
        [replace(GOOD, event={**ABI_EVENT, "type": "function"})],
        [replace(GOOD, rows=None)],
        [replace(GOOD, table=None)],
        [GOOD, replace(GOOD, address="0x00000000000000000000000000000000000000bB")],
        [GOOD, replace(GOOD, event={**ABI_EVENT, "inputs": []})],
        [GOOD, replace(GOOD, table=Table("notes", {"other": "TEXT"}))],
        [replace(GOOD, table=Table("events", {"x": "TEXT"}))],
        [replace(GOOD, table=Table("sqlite_notes", {"x": "TEXT"}))],
        [replace(GOOD, table=Table("notes; DROP TABLE events", {"x": "TEXT"}))],
        [replace(GOOD, table=Table("notes", {"block": "INTEGER"}))],
        [replace(GOOD, table=Table("notes", {"x": "TEXT DEFAULT (1)"}))],
        [replace(GOOD, table=Table("notes", {"x": "TEXT"}, indexes=(("y",),)))],
        [replace(GOOD, table=Table("notes", {"x": "TEXT"}, indexes=((),)))],
    ],
    ids=[
        *("anonymous", "function", "no_rows", "no_table", "two_addresses", "two_events", "two_tables", "own_table"),
        *("sqlite", "injected", "own_column", "default", "index", "empty_index"),
    ],
)
def test_index__handlers_that_cannot_work__are_refused(anvil: Chain, tmp_path: Path, bad: list[Handler]) -> None:
    with pytest.raises(BadHandler):
        Index(tmp_path / "index", anvil.web3, handlers=bad)


@pytest.mark.parametrize(
    "row",
    [{}, {"subject": "x"}, {"subject": "x", "key": b"", "amount": 2**63}, {"subject": "x", "key": b"", "amount": 1.5}],
    ids=["none", "missing", "too_large", "float"],
)
def test_sync__a_handler_that_gives_other_rows__is_refused_and_nothing_is_written(
    chain: Chain, sender: Sender, emitter: Contract, payer: KeySigner, tmp_path: Path, row: dict[str, Any]
) -> None:
    start = chain.web3.eth.block_number
    sender.send(emitter.functions.note(payer.address, key(1), 1, ""))
    wrong = replace(handlers(emitter)[0], rows=lambda _: [row])

    with Index(tmp_path / "index", chain.web3, handlers=[wrong], start_block=start) as index:
        with pytest.raises(BadHandler):
            index.sync()

        assert list(index.events()) == []
        assert index.progress().block == start - 1


# -- forks -----------------------------------------------------------------------------------------------------------


def set_point(chain: Chain) -> Any:
    return chain.ask("evm_snapshot") if chain.process else chain.web3.provider.ethereum_tester.take_snapshot()


def set_back(chain: Chain, point: Any) -> None:
    if chain.process:
        chain.ask("evm_revert", point)
    else:
        chain.web3.provider.ethereum_tester.revert_to_snapshot(point)


def fresh(chain: Chain, emitter: Contract, folder: Path, start: int) -> dict[str, list[Any]]:
    """What an index holds that is made now."""
    with index_of(folder / "fresh", chain.web3, emitter, start_block=start) as index:
        index.sync()
        return dump(index)


def test_sync__the_chain_was_set_back__rows_of_lost_blocks_are_gone(
    chain: Chain, index: Index, sender: Sender, emitter: Contract, payer: KeySigner
) -> None:
    kept = sender.send(emitter.functions.note(payer.address, key(1), 1, ""))
    index.sync()
    before = dump(index)
    point = set_point(chain)
    sender.send(emitter.functions.noteMany(payer.address, key(2), 3))
    sender.send(emitter.functions.measure("ward", (1, 1, [key(3)]), False))
    index.sync()
    set_back(chain, point)

    progress = index.sync()

    assert (progress.block, progress.undone) == (kept.block, 2)
    assert dump(index) == before


def test_sync__the_chain_went_another_way__holds_only_that(
    chain: Chain, index: Index, sender: Sender, emitter: Contract, payer: KeySigner, tmp_path: Path
) -> None:
    start = index.progress().block + 1
    sender.send(emitter.functions.tick())
    point = set_point(chain)
    for n in range(4):
        sender.send(emitter.functions.note(payer.address, key(n), n, "lost"))
        index.sync()
    set_back(chain, point)
    for n in range(6):
        sender.send(emitter.functions.note(payer.address, key(n), n, "kept"))

    progress = index.sync()

    assert progress.undone == 4
    assert {event.arguments.get("remark") for event in index.events(name="Noted")} == {"kept"}
    assert dump(index) == fresh(chain, emitter, tmp_path, start)


def test_sync__a_fork_deeper_than_what_is_remembered__is_undone_by_the_blocks_of_events(
    chain: Chain,
    index: Index,
    sender: Sender,
    emitter: Contract,
    payer: KeySigner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("theriac.ledger.index._REMEMBERED", 2)
    start = index.progress().block + 1
    sender.send(emitter.functions.tick())
    point = set_point(chain)
    for n in range(8):
        sender.send(
            emitter.functions.note(payer.address, key(n), n, "lost") if n % 3 else emitter.functions.setClosed(False)
        )
        index.sync()
    set_back(chain, point)
    sender.send(emitter.functions.note(payer.address, key(1), 1, "kept"))

    index.sync()

    assert dump(index) == fresh(chain, emitter, tmp_path, start)


def test_sync__everything_was_undone__begins_at_the_start(
    chain: Chain, sender: Sender, emitter: Contract, payer: KeySigner, tmp_path: Path
) -> None:
    point = set_point(chain)
    start = chain.web3.eth.block_number + 1
    index = index_of(tmp_path / "index", chain.web3, emitter, start_block=start)
    for n in range(3):
        sender.send(emitter.functions.note(payer.address, key(n), n, "lost"))
        index.sync()
    set_back(chain, point)

    progress = index.sync()

    assert (progress.block, progress.undone) == (start - 1, 3)
    assert list(index.events()) == []


def test_sync__a_reorganisation_of_anvil__is_undone(own_anvil: Callable[..., Chain], tmp_path: Path) -> None:
    chain = own_anvil()
    emitter, payer = chain.emitter(), KeySigner(chain.keys[0])
    sender = Sender(chain.web3, payer, outbox=None)
    index = index_of(tmp_path / "index", chain.web3, emitter)
    for n in range(5):
        sender.send(emitter.functions.note(payer.address, key(n), n, ""))
    index.sync()
    chain.ask("anvil_reorg", 3, [])

    progress = index.sync()

    assert (progress.undone, progress.block) == (3, chain.web3.eth.block_number)
    assert [event.arguments["amount"] for event in index.events()] == [0, 1]
    assert dump(index) == fresh(chain, emitter, tmp_path, 0)


# -- death and company -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "count"), [(LOGS, 1), (LOGS, 3), ("eth_getBlockByNumber", 7), ("eth_getBlockByNumber", 10)]
)
def test_sync__killed_and_started_again__holds_the_same(anvil: Chain, tmp_path: Path, method: str, count: int) -> None:
    emitter, payer = anvil.emitter(), anvil.account()
    sender = Sender(anvil.web3, payer, outbox=None)
    for n in range(6):
        sender.send(emitter.functions.noteMany(payer.address, key(n), 3))
    killed = Started(file(SCRIPT), [anvil.url, tmp_path / "index", emitter.address, method, count])
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL

    with index_of(tmp_path / "index", anvil.web3, emitter) as index:
        index.sync()
        assert dump(index) == fresh(anvil, emitter, tmp_path, 0)


def test_sync__two_on_one_file__write_everything_once(
    chain: Chain, sender: Sender, emitter: Contract, payer: KeySigner, tmp_path: Path
) -> None:
    start = chain.web3.eth.block_number + 1
    first, second = (index_of(tmp_path / "index", chain.web3, emitter, start_block=start) for _ in range(2))
    for n in range(6):
        sender.send(emitter.functions.note(payer.address, key(n), n, ""))
        (first if n % 2 else second).sync()
        (second if n % 3 else first).sync()

    assert dump(first) == dump(second) == fresh(chain, emitter, tmp_path, start)


def test_sync__another_process_was_faster__writes_nothing_twice(anvil: Chain, busy: Contract, tmp_path: Path) -> None:
    def overtaken(ask: Ask, method: str, params: Any) -> Any:
        answer = ask(method, params)
        if method == LOGS:
            with index_of(tmp_path / "index", anvil.web3, busy) as faster:
                faster.sync()
        return answer

    with index_of(tmp_path / "index", meddled(anvil, overtaken), busy) as index:
        progress = index.sync()

        assert progress.events == 0
        assert dump(index) == fresh(anvil, busy, tmp_path, 0)


# -- nodes that refuse, stop or lie ----------------------------------------------------------------------------------


@pytest.fixture
def busy(anvil: Chain) -> Contract:
    """An emitter with some events, the newest in the latest block."""
    emitter, payer = anvil.emitter(), anvil.account()
    sender = Sender(anvil.web3, payer, outbox=None)
    for n in range(4):
        sender.send(emitter.functions.noteMany(payer.address, key(n), n + 1))
    return emitter


@pytest.mark.parametrize("widest", [1, 3])
def test_sync__a_node_that_refuses_wide_ranges__is_asked_for_narrow_ones(
    anvil: Chain, busy: Contract, tmp_path: Path, widest: int
) -> None:
    def narrow(ask: Ask, method: str, params: Any) -> Any:
        if method == LOGS and int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) >= widest:
            return {"jsonrpc": "2.0", "id": 1, "error": {"code": -32005, "message": "query returned too many results"}}
        return ask(method, params)

    with index_of(tmp_path / "index", meddled(anvil, narrow), busy) as index:
        index.sync()
        assert dump(index) == fresh(anvil, busy, tmp_path, 0)


def test_sync__a_node_that_refuses_every_range__says_why(anvil: Chain, busy: Contract, tmp_path: Path) -> None:
    web3 = meddled(anvil, refused(LOGS, "the logs are gone"))

    with index_of(tmp_path / "index", web3, busy) as index, pytest.raises(ChainRefused, match="the logs are gone"):
        index.sync()


def test_sync__a_chain_that_stops__says_so_in_time_and_goes_on_later(
    anvil: Chain, busy: Contract, tmp_path: Path
) -> None:
    index = index_of(tmp_path / "index", anvil.web3, busy, timeout=timedelta(seconds=0.3))
    index.sync(anvil.web3.eth.block_number - 2)
    anvil.stop_answering()
    try:
        with pytest.raises(ChainSilent):
            index.sync()
    finally:
        anvil.go_on()

    index.sync()
    assert dump(index) == fresh(anvil, busy, tmp_path, 0)


LIES: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "twice": lambda logs: [*logs, logs[-1]],
    "later_block": lambda logs: [{**logs[0], "blockNumber": hex(10**6)}, *logs[1:]],
    "two_blocks_of_a_number": lambda logs: [*logs[:-1], {**logs[-1], "blockHash": "0x" + "ab" * 32}],
    "removed": lambda logs: [{**logs[0], "removed": True}, *logs[1:]],
    "not_asked_for": lambda logs: [{**logs[0], "address": "0x" + "ab" * 20}, *logs[1:]],
    "data_too_short": lambda logs: [{**logs[0], "data": "0x"}, *logs[1:]],
    "topics_missing": lambda logs: [{**logs[0], "topics": logs[0]["topics"][:1]}, *logs[1:]],
    "no_list": lambda _: {"0": 1},
    "nothing": lambda _: None,
    "no_hash": lambda logs: [{**logs[0], "transactionHash": None}, *logs[1:]],
}


@pytest.mark.parametrize("lie", LIES)
def test_sync__a_node_that_contradicts_itself__is_not_believed(
    anvil: Chain, busy: Contract, tmp_path: Path, lie: str
) -> None:
    with index_of(tmp_path / "index", meddled(anvil, altered(LOGS, LIES[lie], times=1)), busy) as index:
        with pytest.raises(ChainLied):
            index.sync()
        assert list(index.events()) == []

        index.sync()
        assert dump(index) == fresh(anvil, busy, tmp_path, 0)


def test_sync__events_of_a_block_that_the_chain_has_not__are_asked_for_again(
    anvil: Chain, busy: Contract, tmp_path: Path
) -> None:
    def of_another_fork(logs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        first = logs[0]["blockNumber"]
        return [{**log, "blockHash": "0x" + "ab" * 32} if log["blockNumber"] == first else log for log in logs]

    web3 = meddled(anvil, altered(LOGS, of_another_fork, times=2))

    with index_of(tmp_path / "index", web3, busy, depth=100) as index:
        index.sync()
        assert dump(index) == fresh(anvil, busy, tmp_path, 0)


def test_sync__a_chain_that_is_another_each_time__is_not_asked_for_ever(
    anvil: Chain, busy: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("theriac.ledger.index._RESTLESS", 3)
    count = iter(range(1, 10**6))

    def another(block: dict[str, Any]) -> dict[str, Any]:
        return block if block["number"] == "0x0" else {**block, "hash": "0x" + f"{next(count):064x}"}

    web3 = meddled(anvil, altered("eth_getBlockByNumber", another))

    with index_of(tmp_path / "index", web3, busy) as index, pytest.raises(ChainLied, match="each time"):
        index.sync()


def test_sync__headers_with_the_long_extra_data_of_a_consortium__are_read(
    anvil: Chain, busy: Contract, tmp_path: Path
) -> None:
    web3 = meddled(anvil, altered("eth_getBlockByNumber", lambda block: {**block, "extraData": "0x" + "00" * 300}))

    with index_of(tmp_path / "index", web3, busy) as index:
        index.sync()
        assert dump(index) == fresh(anvil, busy, tmp_path, 0)

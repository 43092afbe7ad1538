"""What KuboStore makes of a node that lies, fails or falls silent: a real HTTP server with hostile answers."""

import gzip
import io
import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlparse

import pytest
from quiet_server import QuietHandler, Served
from store_streams import sample

from theriac.errors import (
    BadBlock,
    BadNodeAddress,
    NodeFailed,
    NodeFull,
    NodeUnreachable,
    NotStored,
    TheriacError,
    Unavailable,
    WrongBytes,
    WrongCid,
)
from theriac.store import Cid, Store, compute
from theriac.store.kubo import KuboStore

MIB = 1 << 20
SMALL = b"a sealed file"
CID = compute(io.BytesIO(SMALL))

Answer = Callable[[BaseHTTPRequestHandler], None]


class Liar(Served):
    """An HTTP server that gives `answer` to every call, and remembers what it was asked and sent."""

    def __init__(self) -> None:
        self.answer: Answer = body(b"")
        self.calls: list[tuple[str, dict[str, list[str]]]] = []
        self.received: list[bytes] = []
        super().__init__(self._handler())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        liar = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:  # noqa: N802
                asked = urlparse(self.path)
                liar.calls.append((asked.path.removeprefix("/api/v0/"), parse_qs(asked.query)))
                liar.received.append(read_chunks(self.rfile) if self.headers.get("Transfer-Encoding") else b"")
                liar.answer(self)

        return Handler


def read_chunks(stream: io.BufferedIOBase) -> bytes:
    """A body as far as it comes: a client whose own source fails ends it early."""
    content = b""
    while size := int(stream.readline() or b"0", 16):
        content += stream.read(size)
        stream.readline()
    stream.readline()
    return content


def body(content: bytes, *, code: int = 200, **headers: str) -> Answer:
    def answer(call: BaseHTTPRequestHandler) -> None:
        call.send_response(code)
        for name, value in ({"Content_Length": str(len(content))} | headers).items():
            call.send_header(name.replace("_", "-"), value)
        call.end_headers()
        call.wfile.write(content)

    return answer


def error(message: str) -> Answer:
    return body(json.dumps({"Message": message, "Code": 0, "Type": "error"}).encode(), code=500)


def added(name: str) -> Answer:
    return body(json.dumps({"Name": "", "Hash": name, "Size": "13"}).encode())


def silent(call: BaseHTTPRequestHandler) -> None:
    time.sleep(2)
    call.close_connection = True


def cut_off(call: BaseHTTPRequestHandler) -> None:
    body(SMALL[:5], Content_Length=str(len(SMALL)))(call)
    call.close_connection = True


def stands_still(call: BaseHTTPRequestHandler) -> None:
    body(SMALL[:5], Content_Length=str(len(SMALL)))(call)
    silent(call)


def hung_up(call: BaseHTTPRequestHandler) -> None:
    call.close_connection = True


def endless(call: BaseHTTPRequestHandler) -> None:
    call.send_response(200)
    call.send_header("Content-Length", str(1 << 40))
    call.end_headers()
    try:
        while True:
            call.wfile.write(bytes(MIB))
    except OSError:
        call.close_connection = True


@pytest.fixture
def liar() -> Iterator[Liar]:
    liar = Liar()
    yield liar
    liar.stop()


@pytest.fixture
def store(liar: Liar) -> Iterator[KuboStore]:
    with KuboStore(liar.address, timeout=timedelta(seconds=0.8)) as store:
        yield store


def test_kubo_store__is_a_store(store: KuboStore) -> None:
    kept: Store = store

    assert kept is store


@pytest.mark.parametrize(
    "address",
    ["", "127.0.0.1:5001", "http://127.0.0.1:5001", "/ip4/127.0.0.1", "/ip4/300.0.0.1/tcp/1", "/ip4/1.1.1.1/tcp/x"],
)
def test_kubo_store__no_address(address: str) -> None:
    with pytest.raises(BadNodeAddress) as refused:
        KuboStore(address)

    assert refused.value.address == address


# -- getting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(body(b"other bytes"), WrongBytes, id="other_bytes"),
        pytest.param(body(b""), WrongBytes, id="no_bytes"),
        pytest.param(body(SMALL + b"!"), WrongBytes, id="a_byte_more"),
        pytest.param(body(bytes(MIB + 1)), BadBlock, id="more_than_a_block"),
        pytest.param(endless, BadBlock, id="endless"),
        pytest.param(body(gzip.compress(bytes(64 * MIB)), Content_Encoding="gzip"), BadBlock, id="gzip_bomb"),
        pytest.param(body(b"\x00" * 50, Content_Encoding="gzip"), NodeUnreachable, id="no_gzip"),
        pytest.param(cut_off, NodeUnreachable, id="cut_off"),
        pytest.param(hung_up, NodeUnreachable, id="hung_up"),
        pytest.param(silent, NotStored, id="silent"),
        pytest.param(stands_still, NotStored, id="stands_still_in_the_middle"),
        pytest.param(error("block was not found locally (offline)"), NotStored, id="not_found"),
        pytest.param(error("the disk is on fire"), NodeFailed, id="error"),
        pytest.param(body(b"<html>", code=404), NodeFailed, id="not_kubo"),
        pytest.param(body(b"[" * 100_000, code=500), NodeFailed, id="deep_json"),
        pytest.param(body(b"", code=403), NodeFailed, id="forbidden"),
        pytest.param(body(b"", code=307, Location="/"), NodeFailed, id="redirect"),
        pytest.param(body(SMALL, code=206), NodeFailed, id="part_of_it"),
    ],
)
def test_get__hostile_answer(liar: Liar, store: KuboStore, answer: Answer, error: type[TheriacError]) -> None:
    # given
    liar.answer = answer

    # then
    with pytest.raises(error):
        store.get(CID)


def test_get__endless_answer_in_little_memory(liar: Liar, store: KuboStore) -> None:
    # given
    liar.answer = endless
    tracemalloc.start()

    # when
    with pytest.raises(BadBlock):
        store.get(CID)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    # then
    assert peak < 8 * MIB


def test_get__true_answer(liar: Liar, store: KuboStore) -> None:
    # given
    liar.answer = body(SMALL)

    # then
    assert store.get(CID).read() == SMALL


def test_get__not_through_a_proxy_of_the_environment(liar: Liar, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    liar.answer = body(SMALL)

    # when
    with KuboStore(liar.address) as store:
        content = store.get(CID).read()

    # then
    assert content == SMALL


@pytest.mark.filterwarnings("error")
def test_get__warns_of_nothing(liar: Liar, store: KuboStore) -> None:
    # given
    liar.answer = body(SMALL)

    # then
    assert store.get(CID).read() == SMALL


def test_node_failed__repeats_no_control_letters(liar: Liar, store: KuboStore) -> None:
    # given
    liar.answer = error("\x1b[2Jcleared\r\n" + "x" * 1000)

    # when
    with pytest.raises(NodeFailed) as refused:
        store.get(CID)

    # then
    assert refused.value.answer == " [2Jcleared  " + "x" * 187


# -- putting ---------------------------------------------------------------------------------------------------------


def test_put__spells_out_every_option(liar: Liar, store: KuboStore) -> None:
    # given
    liar.answer = added(str(CID))

    # when
    cid = store.put(io.BytesIO(SMALL))

    # then
    (_, (command, options)) = liar.calls
    assert (cid, command) == (CID, "add")
    assert {name: value.lower() for name, (value,) in options.items()} == {
        "chunker": "size-1048576",
        "cid-version": "1",
        "hash": "sha2-256",
        "max-file-links": "1024",
        "raw-leaves": "true",
        "trickle": "false",
        "inline": "false",
        "wrap-with-directory": "false",
        "only-hash": "false",
        "nocopy": "false",
        "fscache": "false",
        "preserve-mode": "false",
        "preserve-mtime": "false",
        "fast-provide-root": "false",
        "fast-provide-dag": "false",
        "progress": "false",
        "pin": "true",
        "stream-channels": "true",
    }


def test_put__tells_no_file_name(liar: Liar, store: KuboStore, tmp_path_factory: pytest.TempPathFactory) -> None:
    # given
    path = tmp_path_factory.mktemp("Jane_Doe") / "hiv-test.pdf"
    path.write_bytes(SMALL)
    liar.answer = added(str(CID))

    # when
    with path.open("rb") as file:
        store.put(file)

    # then
    sent = b"".join(liar.received)
    assert SMALL in sent
    assert b"Jane" not in sent
    assert b"hiv" not in sent


def test_put__file_of_many_leaves__is_named_as_the_node_names_it(liar: Liar, store: KuboStore) -> None:
    content = sample(5 * MIB + 1)
    cid = compute(io.BytesIO(content))
    liar.answer = added(str(cid))

    assert store.put(io.BytesIO(content)) == cid
    assert content in b"".join(liar.received)


@pytest.mark.parametrize("reported", [str(compute(io.BytesIO(b"another"))), str(CID).upper(), "Qm", "", "\x1b[2J"])
def test_put__node_reports_another_identifier(liar: Liar, store: KuboStore, reported: str) -> None:
    # given
    liar.answer = added(reported)

    # when
    with pytest.raises(WrongCid) as refused:
        store.put(io.BytesIO(SMALL))

    # then
    assert refused.value.computed == str(CID)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(body(b""), NodeFailed, id="nothing"),
        pytest.param(body(b"{}"), WrongCid, id="empty_object"),
        pytest.param(body(b"[]"), NodeFailed, id="list"),
        pytest.param(body(b"null"), NodeFailed, id="null"),
        pytest.param(body(b"not json"), NodeFailed, id="not_json"),
        pytest.param(body(b"\xff\xfe"), NodeFailed, id="not_text"),
        pytest.param(body(b'{"Hash": "a"}\n{"Hash": "b"}\n'), WrongCid, id="two_answers"),
        pytest.param(body(b" " * MIB), NodeFailed, id="long_line"),
        pytest.param(body(b'{"Type": "error", "Message": "late"}\n'), NodeFailed, id="late_error"),
        pytest.param(body(b'{"a":' * 100_000), NodeFailed, id="deep_json"),
        pytest.param(body(b"[" * 4096), NodeFailed, id="deep_json_in_a_short_line"),
        pytest.param(error("no space left on device"), NodeFull, id="full"),
        pytest.param(silent, NodeUnreachable, id="silent"),
        pytest.param(stands_still, NodeUnreachable, id="stands_still_in_the_middle"),
        pytest.param(hung_up, NodeUnreachable, id="hung_up"),
    ],
)
def test_put__hostile_answer(liar: Liar, store: KuboStore, answer: Answer, error: type[TheriacError]) -> None:
    # given
    liar.answer = answer

    # then
    with pytest.raises(error):
        store.put(io.BytesIO(SMALL))


@pytest.mark.parametrize("answer", [silent, stands_still], ids=["before_it_answers", "in_the_middle"])
def test_put__node_falls_silent__says_for_how_long(liar: Liar, store: KuboStore, answer: Answer) -> None:
    # given
    liar.answer = answer

    # then
    with pytest.raises(NodeUnreachable, match=r"silent for 0\.8 s"):
        store.put(io.BytesIO(SMALL))


@pytest.mark.parametrize(
    "fault",
    [OSError("disk"), BrokenPipeError(), TimeoutError(), ValueError("shut"), WrongBytes(cid="a", store="b")],
    ids=repr,
)
def test_put__the_error_of_the_stream_comes_out_as_it_is(liar: Liar, store: KuboStore, fault: Exception) -> None:
    # given
    class Failing(io.BytesIO):
        def read(self, count: int | None = -1) -> bytes:
            if self.tell():
                raise fault
            return super().read(count)

    # when
    with pytest.raises(type(fault)) as raised:
        store.put(Failing(sample(2 * MIB)))

    # then
    assert raised.value is fault


def test_put__stream_that_has_nothing_yet_is_not_taken_to_end(liar: Liar, store: KuboStore) -> None:
    # given
    class Waiting(io.BytesIO):
        def read(self, count: int | None = -1) -> bytes | None:  # type: ignore[override]
            return None if self.tell() else super().read(count)

    # then
    with pytest.raises(BlockingIOError, match="the source must block"):
        store.put(Waiting(sample(2 * MIB)))


def test_get__after_close(liar: Liar) -> None:
    # given
    liar.answer = body(SMALL)
    with KuboStore(liar.address) as store:
        reader = store.get(CID)

    # then: what was fetched is read, and nothing more is fetched
    assert reader.read() == SMALL
    with pytest.raises(ValueError, match="closed"):
        store.get(CID)


# -- the rest --------------------------------------------------------------------------------------------------------


def test_unpin__what_is_not_pinned(liar: Liar, store: KuboStore) -> None:
    # given
    liar.answer = error("not pinned or pinned indirectly")

    # when
    store.unpin(CID)

    # then
    assert liar.calls == [("pin/rm", {"stream-channels": ["true"], "recursive": ["true"], "arg": [str(CID)]})]


def test_unpin__other_error(liar: Liar, store: KuboStore) -> None:
    # given
    liar.answer = error("the pin store is locked")

    # then
    with pytest.raises(NodeFailed) as refused:
        store.unpin(CID)

    assert refused.value.answer == "the pin store is locked"


def test_pin__node_that_stands_still(liar: Liar, store: KuboStore) -> None:
    # given: it says twice a second that it got no further
    def standing(call: BaseHTTPRequestHandler) -> None:
        if "block/get" in call.path:
            return body(SMALL)(call)
        call.send_response(200)
        call.send_header("Transfer-Encoding", "chunked")
        call.end_headers()
        try:
            for _ in range(100):
                call.wfile.write(b'10\r\n{"Progress": 1}\n\r\n')
                time.sleep(0.1)
        except OSError:
            call.close_connection = True
        return None

    liar.answer = standing
    started = time.monotonic()

    # when
    with pytest.raises(NotStored):
        store.pin(CID)

    # then
    assert time.monotonic() - started < 3


def test_pin__answer_that_ends_before_the_pin(liar: Liar, store: KuboStore) -> None:
    # given
    liar.answer = lambda call: body(SMALL if "block/get" in call.path else b'{"Progress": 1}\n')(call)

    # then
    with pytest.raises(Unavailable):
        store.pin(CID)


def test_pin__a_tree_that_put_does_not_make(liar: Liar, store: KuboStore) -> None:
    # given
    liar.answer = body(SMALL)

    # when
    with pytest.raises(BadBlock):
        store.pin(Cid.dag(CID.digest))

    # then
    assert [command for command, _ in liar.calls] == ["block/get"]


def test_has__node_that_does_not_answer(liar: Liar) -> None:
    # given
    liar.stop()

    # when
    with pytest.raises(NodeUnreachable) as refused:
        KuboStore(liar.address).has(CID)

    # then
    assert (refused.value.address, refused.value.fault) == (liar.address, "Connection refused")

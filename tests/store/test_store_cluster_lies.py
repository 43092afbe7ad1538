"""What ClusterStore makes of a peer that is none, lies, fails or falls silent: a real HTTP server with such answers."""

import io
import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler

import pytest
from quiet_server import QuietHandler, Served

from theriac.errors import ClusterFailed, ClusterUnreachable, TheriacError
from theriac.store import Cid, compute
from theriac.store.cluster import ClusterStore

CID = compute(io.BytesIO(b"a sealed file"))
PATIENCE = timedelta(seconds=0.5)


class Pretender(Served):
    """Answers as an honest node would, and as a peer what `answers` has for a path."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {"/id": (200, json.dumps({"ipfs": {"id": "another"}}).encode())}
        self.asked: list[str] = []
        self.silent = False
        pretender = self

        class Handler(QuietHandler):
            def answer(self) -> None:
                path = self.path.partition("?")[0]
                pretender.asked.append(f"{self.command} {path}")
                if path.startswith("/api/v0/"):
                    code, body = 200, node_says(path.removeprefix("/api/v0/"), self)
                else:
                    if pretender.silent:
                        time.sleep(5)
                    code, body = pretender.answers.get(path, (200, b"{}"))
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        for verb in ("GET", "POST", "DELETE"):
            setattr(Handler, f"do_{verb}", Handler.answer)
        super().__init__(Handler)


def node_says(command: str, call: BaseHTTPRequestHandler) -> bytes:
    if command == "add":
        while size := int(call.rfile.readline() or b"0", 16):
            call.rfile.read(size)
            call.rfile.readline()
        call.rfile.readline()
        return json.dumps({"Hash": str(CID)}).encode()
    return json.dumps({"id": {"ID": "node"}, "pin/ls": {"Cid": str(CID)}}.get(command, {})).encode()


@pytest.fixture
def peer() -> Iterator[Pretender]:
    peer = Pretender()
    yield peer
    peer.stop()


@pytest.fixture
def store(peer: Pretender) -> Iterator[ClusterStore]:
    with ClusterStore(peer.address, peer.address, timeout=PATIENCE) as store:
        yield store


ORDER = f"/pins/ipfs/{CID}"
NONSENSE = [
    b"<html>not a peer</html>",
    b"[1, 2]",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"x" * (1 << 20),
    b'{"cid": "%s", "peer_map": 7}' % str(CID).encode(),
    b'{"cid": "%s", "peer_map": {"a": 7}}' % str(CID).encode(),
    b'{"cid": "%s"}' % str(CID).encode(),
]


@pytest.mark.parametrize("answer", NONSENSE, ids=range(len(NONSENSE)))
def test_copies__of_what_is_no_peer__is_a_sentence(peer: Pretender, store: ClusterStore, answer: bytes) -> None:
    # given
    peer.answers["/pins"] = (200, answer)

    # then
    with pytest.raises(ClusterFailed, match="something that no Cluster peer answers"):
        list(store.copies())


@pytest.mark.parametrize("answer", [b"", b"{}", b'{"ipfs": 3}', *NONSENSE[:5]], ids=range(8))
def test_put__beside_what_is_no_peer__is_kept_and_said(peer: Pretender, store: ClusterStore, answer: bytes) -> None:
    # given
    peer.answers["/id"] = (200, answer)

    # when
    cid = store.put(io.BytesIO(b"a sealed file"))

    # then
    assert cid == CID
    assert "something that no Cluster peer answers" in str(store.lacking[cid])
    assert f"POST {ORDER}" not in peer.asked


@pytest.mark.parametrize(
    ("code", "answer", "said"),
    [
        (500, b'{"code": 500, "message": "disk\\u001b[31m on fire"}', "disk [31m on fire"),
        (500, b"", "HTTP 500"),
        (401, b"who are you", "HTTP 401"),
        (302, b"", "HTTP 302"),
        (500, b'{"message": "' + b"long " * 500 + b'"}', "long long"),
    ],
)
def test_unpin__refused_by_the_peer__unpins_nothing(
    peer: Pretender, store: ClusterStore, code: int, answer: bytes, said: str
) -> None:
    # given
    peer.answers[ORDER] = (code, answer)

    # when
    with pytest.raises(ClusterFailed) as refused:
        store.unpin(CID)

    # then
    assert said in str(refused.value)
    assert len(str(refused.value)) < 500
    assert str(refused.value).isprintable()
    assert not any("pin/rm" in asked for asked in peer.asked)


@pytest.mark.parametrize("act", [lambda store: store.unpin(CID), lambda store: list(store.copies())])
def test_any__peer_that_is_silent(
    peer: Pretender, store: ClusterStore, act: Callable[[ClusterStore], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setattr("theriac.store.cluster._ASKING_SECONDS", 0.5)
    peer.silent = True

    # then
    with pytest.raises(ClusterUnreachable, match=r"silent for 0\.5 s"):
        act(store)


def test_put__many_that_lack_a_copy__asks_for_some_of_them_each_time(peer: Pretender, store: ClusterStore) -> None:
    # given a peer that could copy nothing for a long time
    others = [Cid.raw(number.to_bytes(32, "big")) for number in range(1000)]
    fault = ClusterFailed(address=store.peer, answer="not enough peers")
    store.lacking.update(dict.fromkeys(others, fault))
    peer.answers[ORDER] = (500, b'{"message": "not enough peers"}')

    # when
    store.put(io.BytesIO(b"a sealed file"))
    while_refused = [asked for asked in peer.asked if asked.startswith("POST /pins")]
    del peer.answers[ORDER]
    peer.asked.clear()
    store.put(io.BytesIO(b"a sealed file"))
    while_taken = [asked for asked in peer.asked if asked.startswith("POST /pins")]

    # then
    assert while_refused == [f"POST {ORDER}"]
    assert len(while_taken) == 21
    assert CID not in store.lacking
    assert len(store.lacking) == 980


def test_unpin__what_the_peer_forgot_and_others_keep(
    peer: Pretender, store: ClusterStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    monkeypatch.setattr("theriac.store.cluster._LATE_SECONDS", 0.3)
    peer.answers[ORDER] = (404, b'{"code": 404, "message": "pin is not part of the pinset"}')
    told = {"cid": str(CID), "peer_map": {"a": {"peername": "member-1", "status": "pinned", "error": ""}}}
    peer.answers["/pins"] = (200, json.dumps(told).encode())

    # when
    with pytest.raises(TheriacError) as refused:
        store.unpin(CID)

    # then
    assert "no pin known, but member-1 keep a copy" in str(refused.value)
    assert not any("pin/rm" in asked for asked in peer.asked)

"""What stands between a light client and its nodes in a test: a real proxy that rewrites what a node says."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from requests import Session

Answer = dict[str, Any]
Source = Callable[[list[Answer]], list[Answer]]
Lie = Callable[[str, list[Any], Answer], Answer]
"""What a lying node makes of the true answer to a request: method, parameters, answer."""


@dataclass(frozen=True)
class Happened:
    """What was done in a world, by name, so that it can be asked for."""

    pseudonym: str
    patient_only: str
    record: str
    doctor: str
    colleague: str
    transactions: Mapping[str, str]
    contracts: Mapping[str, str]


class Between:
    """A node as a member sees it who does not run it: a real one, behind a proxy that rewrites what it says."""

    def __init__(self, source: str | Source) -> None:
        """`source` is a node's address, or what answers requests in its place."""
        self.lies: list[Lie] = []
        self.silent = False
        self.seen: list[str] = []
        answering = source if callable(source) else asking(source)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if outer.silent:
                    self.close_connection = True
                    return
                questions = asked if isinstance(asked, list) else [asked]
                told = [outer._told(each, answer) for each, answer in zip(questions, answering(questions), strict=True)]
                body = json.dumps(told if isinstance(asked, list) else told[0]).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.uri = f"http://127.0.0.1:{self._server.server_port}"

    def _told(self, asked: Mapping[str, Any], answer: Answer) -> Answer:
        self.seen.append(asked["method"])
        for lie in self.lies:
            answer = lie(asked["method"], asked["params"], answer)
        return answer

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def asking(uri: str) -> Source:
    upstream = Session()
    upstream.trust_env = False

    def ask(questions: list[Answer]) -> list[Answer]:
        answers = upstream.post(uri, json=questions, timeout=30).json()
        by_id = {each["id"]: each for each in answers}
        return [by_id[each["id"]] for each in questions]

    return ask


@contextmanager
def between(*sources: str | Source) -> Iterator[list[Between]]:
    """A proxy before each node."""
    proxies = [Between(source) for source in sources]
    try:
        yield proxies
    finally:
        for each in proxies:
            each.close()


def rewriting(method: str, change: Callable[[Any], Any], *, when: Callable[[list[Any]], bool] = lambda _: True) -> Lie:
    """A lie about one method: `change` makes another result of the true one."""

    def lie(asked: str, parameters: list[Any], answer: Answer) -> Answer:
        if asked != method or "result" not in answer or answer["result"] is None or not when(parameters):
            return answer
        return {**answer, "result": change(json.loads(json.dumps(answer["result"])))}

    return lie


def instead(method: str, result: Any = None, *, error: str = "") -> Lie:
    """A lie about one method: always the same answer."""

    def lie(asked: str, parameters: list[Any], answer: Answer) -> Answer:
        if asked != method:
            return answer
        common = {"jsonrpc": "2.0", "id": answer["id"]}
        return {**common, "error": {"code": -32000, "message": error}} if error else {**common, "result": result}

    return lie

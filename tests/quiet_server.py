"""A real HTTP server of a test, in threads of its own, that says nothing of clients who hang up."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is what the tests want."""


class QuietHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: object) -> None:
        pass


class Served:
    """A server on loopback from its making until `stop`."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = QuietServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def address(self) -> str:
        """As IPFS writes it."""
        return f"/ip4/127.0.0.1/tcp/{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class NoAnswer(Exception):
    """What was asked is answered with a status alone, or where that is 0, by hanging up."""

    def __init__(self, status: int = 0) -> None:
        self.status = status


def answering_json(answer: Callable[[Any], Any]) -> type[BaseHTTPRequestHandler]:
    """Answers each POST with what `answer` makes of its JSON; it may raise NoAnswer."""

    class Handler(QuietHandler):
        # An answer leaves in one piece: in two, each would wait for the other side to say that it has the first.
        wbufsize = 2**20

        def do_POST(self) -> None:
            try:
                told = answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            except NoAnswer as none:
                if none.status:
                    self.send_error(none.status)
                else:
                    self.close_connection = True
                return
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler

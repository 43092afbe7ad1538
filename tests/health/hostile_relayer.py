"""A relayer that speaks the protocol and means ill. It can do what anybody can who was given signed messages."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from real_anvil import person
from relay_world import RelayWorld

from theriac.health.groups import Group, decode_group
from theriac.health.relayer import Relayer


@dataclass
class Hostile:
    """What it does with a group is one word; what it was given, and over which connections, it remembers."""

    relays: RelayWorld
    honest: Relayer
    does: str
    groups: list[Group] = field(default_factory=list)
    connections: list[tuple[Any, str]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def send(self, group: Group, *numbers: int) -> bool:
        """Brings some messages of a group to the chain, in an order of its own; whether the chain took them."""
        items = [group.items[number] for number in numbers] if numbers else list(group.items)
        calls = [(each.call.to, each.call.data) for each in items]
        try:
            self.relays.anvil.send(person("hostile"), self.relays.contracts.Carrier.functions.carry(calls))
        except Exception:
            return False
        return True

    def answer(self, body: bytes) -> tuple[int, Any]:
        group = decode_group(body, self.relays.contracts)
        self.groups.append(group)
        self.sizes.append(len(body))
        taken = {"id": group.id, "state": "queued", "transaction": "", "block": 0, "code": "", "reason": ""}
        match self.does:
            case "drop":
                return 202, taken
            case "lie":
                return 200, {**taken, "state": "done", "transaction": "0x" + "ab" * 32, "block": 1}
            case "first half":
                self.send(group, 0)
                return 202, taken
            case "second half":
                self.send(group, len(group.items) - 1)
                return 202, taken
            case "silently":
                self.send(group)
                return 202, taken
            case "refuse":
                return 403, {"code": "reverted", "reason": "the contract \x1b[31mrefuses"}
            case "want vouchers":
                return 403, {"code": "no-voucher", "reason": "pay first"}
            case "refuse later":
                return 200, {**taken, "state": "refused", "code": "failed", "reason": "no luck"}
            case "busy":
                return 503, {"code": "busy", "reason": "later"}
            case "nonsense":
                return 200, b"<html>"
            case "endless":
                return 200, b" " * (1 << 20)
            case "redirect":
                return 302, {}
        raise AssertionError(self.does)


@contextmanager
def hostile(relays: RelayWorld, does: str) -> Iterator[Hostile]:
    """Listens, as long as the block lasts."""
    mind = Hostile(relays, relays.relayer(), does)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/v1/relayer":
                self.reply(200, mind.honest.info())
            else:
                self.reply(200, {"state": "queued"})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            mind.headers.append(dict(self.headers))
            status, value = mind.answer(body)
            mind.connections.append((self.client_address, mind.groups[-1].pseudonym))
            self.reply(status, value)

        def reply(self, status: int, value: Any) -> None:
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            if status == 302:
                self.send_header("Location", "http://127.0.0.1:9/")
            if status == 503:
                self.send_header("Retry-After", "1")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    mind.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield mind
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

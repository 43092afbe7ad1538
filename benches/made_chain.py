"""A node that makes up its chain, over HTTP, for an index to follow more events than a real chain holds in our time.

    python -m benches.made_chain ADDRESS BLOCKS EACH

prints where it listens. Every block has `EACH` events `Records.Anchored`, all computed from their places: the same
question has the same answer, and whoever knows the formula can check what an index found. Nothing is sealed and nobody
signed: what is measured is the index, which reads it as it reads any node.
"""

import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from eth_utils.crypto import keccak

CHAIN_ID = 8437422
MEMBERS = 330
EACH = 200
"""Events a block, unless told otherwise."""

ANCHORED = "0x" + keccak(text="Anchored(address,uint32,bytes32)").hex()

_START = 1_900_000_000
"""Second of block 0; a block a second."""


class MadeChain:
    """The chain as numbers. `fork` is the first block that a reorganisation changed, and `era` how many there were."""

    def __init__(self, address: str, *, blocks: int, each: int = EACH, patients: int = 1_000_000) -> None:
        """`blocks` after block 0 with `each` events, of so many patients."""
        self.address = address
        self.head = blocks
        self.each = each
        self.patients = patients
        self.widest = 1 << 62
        self._forks: list[int] = []

    def fork(self, block: int) -> None:
        """From this block on the chain is another one."""
        self._forks.append(block)

    def _era(self, block: int) -> int:
        return sum(block >= fork for fork in self._forks)

    def hash(self, block: int) -> str:
        return "0x" + hashlib.sha256(b"block %d %d" % (self._era(block), block)).hexdigest()

    def digest(self, block: int, place: int) -> bytes:
        """The digest that an event anchors."""
        return hashlib.sha256(b"digest %d %d %d" % (self._era(block), block, place)).digest()

    def patient_of(self, digest: bytes) -> int:
        return int.from_bytes(digest[:8], "big") % self.patients

    @staticmethod
    def pseudonym(patient: int) -> bytes:
        """The 20 bytes of a patient's account."""
        return hashlib.sha256(b"patient %d" % patient).digest()[:20]

    @staticmethod
    def author(patient: int) -> int:
        """The member that writes for a patient."""
        return patient % MEMBERS + 1

    def header(self, number: int) -> dict[str, str] | None:
        if not 0 <= number <= self.head:
            return None
        return {
            "number": hex(number),
            "hash": self.hash(number),
            "parentHash": self.hash(number - 1) if number else "0x" + "00" * 32,
            "timestamp": hex(_START + number),
            "gasLimit": "0x1c9c380",
        }

    def logs(self, start: int, end: int) -> Iterator[str]:
        """The events of some blocks, each as JSON."""
        for block in range(max(start, 1), min(end, self.head) + 1):
            of_block = f'"blockNumber":"{hex(block)}","blockHash":"{self.hash(block)}","removed":false}}'
            head = f'{{"address":"{self.address}","topics":["{ANCHORED}","0x000000000000000000000000'
            for place in range(self.each):
                digest = self.digest(block, place)
                patient = self.patient_of(digest)
                number = hex(place)
                yield (
                    f'{head}{self.pseudonym(patient).hex()}"],"data":"0x{self.author(patient):064x}{digest.hex()}",'
                    f'"transactionHash":"0x{block:032x}{place:032x}","transactionIndex":"{number}",'
                    f'"logIndex":"{number}",{of_block}'
                )

    def answer(self, method: str, parameters: Any) -> str:
        """The result as JSON, or an error object where it is refused."""
        if method == "eth_chainId":
            return json.dumps(hex(CHAIN_ID))
        if method == "eth_getBlockByNumber":
            asked = parameters[0]
            return json.dumps(self.header(self.head if asked == "latest" else int(asked, 16)))
        if method == "eth_getLogs":
            start, end = (int(parameters[0][name], 16) for name in ("fromBlock", "toBlock"))
            if (end - start + 1) * self.each > self.widest:
                raise ValueError("query returned more than the limit of results")
            return "[" + ",".join(self.logs(start, end)) + "]"
        if method == "made_grow":
            self.head += int(parameters[0])
            return "true"
        if method == "made_fork":
            self.fork(int(parameters[0]))
            return "true"
        raise ValueError(f"the method {method} does not exist")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A whole answer goes out at once: a node that waits for more to send is slower than any index.
    disable_nagle_algorithm = True
    wbufsize = -1
    chain: MadeChain

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        try:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        except ValueError:
            # Whoever asked died over it.
            return
        try:
            told = f'"result":{self.chain.answer(asked["method"], asked["params"])}'
        except ValueError as refused:
            told = f'"error":{json.dumps({"code": -32005, "message": str(refused)})}'
        body = f'{{"jsonrpc":"2.0","id":{asked["id"]},{told}}}'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        # Whoever asked may hang up in the middle of an answer that is too long.
        with suppress(OSError):
            self.wfile.write(body)
            self.wfile.flush()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def serving(chain: MadeChain) -> ThreadingHTTPServer:
    """A server of a chain on a free port, in a thread of its own until `shutdown`."""
    handler = type("Handler", (_Handler,), {"chain": chain})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


def url_of(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


if __name__ == "__main__":
    server = serving(MadeChain(sys.argv[1], blocks=int(sys.argv[2]), each=int(sys.argv[3])))
    print(f"Listening on {url_of(server)}", flush=True)
    # Whoever started it holds its input open as long as it is needed.
    sys.stdin.read()

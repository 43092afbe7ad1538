"""A relayer to ask: its parser, the real server over a real connection, and a server that lies to the client."""

import socket
import threading
from contextlib import suppress
from errno import ENOTCONN
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric import rsa
from eth_utils.crypto import keccak
from web3 import Web3

from theriac.crypto import blind
from theriac.errors import RelayRefused
from theriac.health import relay
from theriac.health.groups import Group, decode_group
from theriac.health.relayer import Policy, Relayer
from theriac.health.relayer_http import Server
from theriac.ledger.codec import checksummed
from theriac.ledger.contracts import Contracts, packaged
from theriac.ledger.deployment import Deployed, Deployment

ANSWERS = frozenset({200, 202, 400, 403, 404, 405, 408, 413, 429, 503})
"""What the protocol says. 500 stands for an error that nobody expected."""


_HASH: Any = "0x" + "00" * 32


@cache
def contracts() -> Contracts:
    """Every contract of the package at an address of its own, on a chain that nobody asks."""
    places = {name: Deployed(checksummed(keccak(text=name)[12:]), 1, _HASH) for name in packaged()}
    deployment = Deployment(network="paper", chain_id=31337, genesis=_HASH, depth=0, lasting=False, contracts=places)
    return Contracts(Web3(), deployment)


def group(data: bytes) -> Group:
    return decode_group(data, contracts())


class _Paper:
    """As much of a relayer as listens: what it takes on it refuses, since there is no chain."""

    def __init__(self) -> None:
        self.policy = Policy()
        self.contracts = contracts()

    def info(self) -> dict[str, Any]:
        return {"kind": "relayer", "format": 1}

    def accept(self, asked: Group) -> Any:
        raise RelayRefused(code="no-voucher", reason=f"there is no chain for {asked.id}")

    def status(self, id_: str) -> Any:
        return None

    def run(self, stop: threading.Event) -> None:
        stop.wait()


_PATIENCE = 0.1
"""Seconds by the clock until a relayer that says nothing is taken to wait for more."""

_VERSIONS = (b"HTTP/0.9 ", b"HTTP/1.0 ", b"HTTP/1.1 ", b"HTTP/2.0 ")


@cache
def _server() -> Server:
    return Server(cast(Relayer, _Paper()))


def posted(data: bytes) -> None:
    """What the relayer answers to these bytes on a connection: one of the protocol's answers, or none at all.

    Bytes that do not begin as a request are sent as the body of one.
    """
    if not data.startswith((b"POST ", b"GET ", b"PUT ", b"HEAD ", b"OPTIONS ")):
        data = b"POST /v1/groups HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(data), data)
    with socket.create_connection(("127.0.0.1", _server().port), timeout=10) as line:
        answer = b""
        try:
            line.sendall(data)
            # Who hangs up first is not answered any more, and what is no whole request would be waited for.
            line.settimeout(_PATIENCE)
            with suppress(TimeoutError):
                answer = line.recv(1 << 16)
            line.settimeout(10)
            line.shutdown(socket.SHUT_WR)
            while part := line.recv(1 << 16):
                answer += part
        except ConnectionError:
            pass
        except OSError as error:
            # Its end was closed already.
            if error.errno != ENOTCONN:
                raise
    if not answer:
        return
    # It answers in the version in which it was asked: whoever says HTTP/0.9 gets a status all the same.
    status = answer.split(b" ", 2)[1] if answer.startswith(_VERSIONS) else b""
    if not status.isdigit() or int(status) not in ANSWERS:
        raise AssertionError(f"the relayer answers {answer[:80]!r}")


class _Liar(BaseHTTPRequestHandler):
    """Gives the input as its answer: the first byte chooses the status."""

    said = b""
    timeout = 5

    def do_GET(self) -> None:
        status = (200, 202, 400, 404, 429, 503, 500, 301)[self.said[0] % 8] if self.said else 200
        self.send_response(status)
        self.send_header("Content-Length", str(len(self.said[1:])))
        self.send_header("Location", "/")
        self.send_header("Retry-After", "7")
        self.end_headers()
        self.wfile.write(self.said[1:])

    def log_message(self, *_: object) -> None:
        pass


@cache
def _liar() -> HTTPServer:
    server = HTTPServer(("127.0.0.1", 0), _Liar)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


def answered(data: bytes) -> Any:
    """What the client makes of a relayer's answer."""
    liar = _liar()
    _Liar.said = data
    return relay.about(f"http://127.0.0.1:{liar.server_port}")


@cache
def blank_key() -> rsa.RSAPrivateKey:
    """A key of a desk; making one takes half a second."""
    return blind.generate()

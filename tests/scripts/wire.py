"""A wire to a node that can be cut and mended: behind it the node goes on."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class Wire:
    """Listens at a port of its own and passes everything on. While it is cut, nobody listens there."""

    def __init__(self, uri: str) -> None:
        parts = urlsplit(uri)
        self._to = (str(parts.hostname), int(parts.port or 0))
        self._port = 0
        self._open: list[socket.socket] = []
        self.mend()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def mend(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    @contextmanager
    def down(self) -> Iterator[None]:
        self.cut()
        try:
            yield
        finally:
            self.mend()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._to)
                for each in (near, far):
                    # A question comes in two parts, and the second would wait until the node has noticed the first.
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open += [near, far]
                threading.Thread(target=self._pass_on, args=(near, far), daemon=True).start()

    def _pass_on(self, near: socket.socket, far: socket.socket) -> None:
        other = {near: far, far: near}
        with suppress(OSError, ValueError), near, far:
            while True:
                for each in select.select([near, far], [], [])[0]:
                    part = each.recv(1 << 16)
                    if not part:
                        return
                    other[each].sendall(part)

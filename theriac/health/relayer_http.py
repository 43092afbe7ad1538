"""How a relayer is asked: three paths, JSON, a connection for each question. `docs/protocol/relayer.md` describes them.

No address of whoever asks is written down or kept: to bound how often one asks, a keyed hash of it stays in memory for
a minute, under a key that is drawn anew at each start. TLS is the business of a proxy in front.
"""

import asyncio
import hashlib
import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address, ip_network
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from theriac.errors import BadGroup, BadInput, RelayBusy, RelayRefused, TheriacError, Unavailable
from theriac.health.groups import INFO, PATH, decode_group
from theriac.health.relayer import Relayer

_AT_ONCE = 16
_READ_WITHIN = 20.0
_PEERS = 4096
_STATUS = {"used-up": 429}


class Door:
    """How often one address may ask, a minute. `exempt` may always: behind a proxy, everybody comes from there."""

    def __init__(
        self, *, posts: int, gets: int, clock: Callable[[], float], exempt: Sequence[str] = ("127.0.0.1", "::1")
    ) -> None:
        self._limits = {"POST": posts, "GET": gets}
        self._exempt = frozenset(exempt)
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._asked: OrderedDict[bytes, tuple[int, int]] = OrderedDict()

    def lets_in(self, peer: str, method: str) -> bool:
        if peer in self._exempt:
            return True
        minute = int(self._clock() // 60)
        name = hashlib.blake2b(f"{method} {_network(peer)}".encode(), key=self._key, digest_size=16).digest()
        since, count = self._asked.pop(name, (minute, 0))
        count = count + 1 if since == minute else 1
        self._asked[name] = (minute, count)
        while len(self._asked) > _PEERS or self._oldest() < minute - 1:
            self._asked.popitem(last=False)
        return count <= self._limits.get(method, 0)

    def _oldest(self) -> int:
        return next(iter(self._asked.values()))[0]


def _network(peer: str) -> str:
    """An address, or where one person has very many of them, what they have in common."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    return str(ip_network((address, 64), strict=False)) if address.version == 6 else peer


def application(relayer: Relayer, *, door: Door | None = None) -> web.Application:
    """The relayer's paths."""
    entrance = door if door is not None else Door(posts=120, gets=1200, clock=asyncio.get_event_loop().time)
    busy = asyncio.Semaphore(_AT_ONCE)

    async def info(_: web.Request) -> web.Response:
        return _answer(200, await asyncio.to_thread(relayer.info))

    async def take(request: web.Request) -> web.Response:
        if busy.locked():
            raise RelayBusy(reason="too many ask at once", seconds=2)
        async with busy:
            try:
                body = await asyncio.wait_for(request.read(), _READ_WITHIN)
            except TimeoutError:
                return _answer(408, {"code": "slow", "reason": "the request did not come in time"})
            status = await asyncio.to_thread(lambda: relayer.accept(decode_group(body, relayer.contracts)))
        return _answer(200 if status.state in ("done", "refused") else 202, status.values())

    async def tell(request: web.Request) -> web.Response:
        status = await asyncio.to_thread(relayer.status, request.match_info["id"])
        if status is None:
            return _answer(404, {"code": "unknown", "reason": "no such group was taken on here"})
        return _answer(200, status.values())

    @web.middleware
    async def errors(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            if not entrance.lets_in(request.remote or "", request.method):
                raise RelayBusy(reason="you ask too often", seconds=60, status=429)
            return await handler(request)
        except web.HTTPException as refused:
            return _answer(refused.status, {"code": "http", "reason": refused.reason})
        except TheriacError as trouble:
            return _refusal(trouble)
        except Exception:
            # What would be logged of it has the address of who asked.
            return _answer(500, {"code": "broken", "reason": "it cannot go on; ask another"})

    app = web.Application(middlewares=[errors], client_max_size=relayer.policy.body)
    app.router.add_get(INFO, info)
    app.router.add_post(PATH, take)
    app.router.add_get(PATH + "/{id:[0-9a-f]{64}}", tell)
    return app


def _refusal(trouble: TheriacError) -> web.Response:
    if isinstance(trouble, RelayBusy):
        return _answer(trouble.status, {"code": "busy", "reason": trouble.reason}, seconds=trouble.seconds)
    if isinstance(trouble, RelayRefused):
        told = {"code": trouble.code, "reason": trouble.reason}
        return _answer(_STATUS.get(trouble.code, 403), told, seconds=trouble.seconds)
    if isinstance(trouble, BadGroup):
        return _answer(trouble.status, {"code": "bad-group", "reason": trouble.fault})
    if isinstance(trouble, BadInput):
        return _answer(400, {"code": "bad-voucher", "reason": str(trouble)})
    if isinstance(trouble, Unavailable):
        # What it is that does not answer is the relayer's own business.
        return _answer(503, {"code": "busy", "reason": "its chain or its store does not answer"}, seconds=10)
    return _answer(500, {"code": "broken", "reason": "it cannot go on; ask another"})


def _answer(status: int, values: dict[str, Any], *, seconds: int = 0) -> web.Response:
    response = web.json_response(values, status=status)
    response.headers["Cache-Control"] = "no-store"
    # One connection carries one pseudonym: nothing may follow on this one.
    response.force_close()
    if seconds:
        response.headers["Retry-After"] = str(seconds)
    return response


def _silent() -> logging.Logger:
    """For what the library says of requests that are none: it names who sent them."""
    logger = logging.getLogger("theriac.relayer.unheard")
    logger.propagate, logger.disabled = False, True
    return logger


class Server:
    """A relayer that listens, and brings what it takes on to the chain, in two threads of its own."""

    def __init__(self, relayer: Relayer, *, host: str = "127.0.0.1", port: int = 0, door: Door | None = None) -> None:
        """Raises OSError where it cannot listen there."""
        self._relayer = relayer
        self._stop = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._bringing = threading.Thread(target=relayer.run, args=(self._stop,), daemon=True)
        self._listening.start()
        try:
            self._runner, self.port = self._in_loop(self._listen(host, port, door))
        except BaseException:
            self._loop.call_soon_threadsafe(self._loop.stop)
            raise
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.port}"
        self._bringing.start()

    async def _listen(self, host: str, port: int, door: Door | None) -> tuple[web.AppRunner, int]:
        app = application(self._relayer, door=door)
        runner = web.AppRunner(app, access_log=None, logger=_silent(), keepalive_timeout=5, handle_signals=False)
        await runner.setup()
        site = web.TCPSite(runner, host, port)
        await site.start()
        return runner, int(runner.addresses[0][1])

    def close(self) -> None:
        """Takes nothing more; what was taken on stays in the journal."""
        self._stop.set()
        self._relayer.wake()
        self._in_loop(self._runner.cleanup())
        self._bringing.join()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._listening.join()
        self._loop.close()

    def _in_loop(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

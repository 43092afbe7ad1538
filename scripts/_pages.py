"""A local page's server: files from `pages/`, and an interface of JSON that only the one who has the link can use.

It listens on 127.0.0.1 alone. The link carries a token that counts once; the page trades it for a session that it sends
as a header: a cookie would go to every other port of this machine (docs/adr/0033). Other web sites are refused by the
Host, the Origin and the Sec-Fetch-Site that browsers send and pages cannot forge.
"""

import asyncio
import hashlib
import hmac
import json
import mimetypes
import os
import re
import secrets
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from scripts._cli import Failure
from scripts._site import PROJECT

PAGES = PROJECT / "pages"
FONTS = PROJECT / "node_modules" / "@fontsource" / "noto-sans-sc"
WEIGHTS = ("400", "600")

LARGEST = 64 << 10
"""Bytes that a request may have; what a page sends has some hundred."""

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "font-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}

_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_TYPES = {".js": "text/javascript", ".json": "application/json", ".woff2": "font/woff2"}
_FONT = re.compile(rf"noto-sans-sc-[a-z0-9-]+-({'|'.join(WEIGHTS)})-normal\.woff2")

Handler = Callable[[Mapping[str, Any]], Awaitable[Any]]
"""Answers what a page sent, an object of JSON, with what becomes JSON, or with a response."""


class Unfit(Exception):
    """What a page sent cannot be used; `code` names the fault in the catalogue."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code


class Pages:
    """The server of one page. It runs in a thread of its own, so that the command's own work stays in the main one.

    :param page: the file in `pages/` that `/` shows.
    :param api: what answers a POST to `/api/<name>`, for whoever has a session.
    :param policy: additions to the Content-Security-Policy, such as `{"img-src": "'self' blob:"}`.
    """

    def __init__(self, page: str, api: Mapping[str, Handler], *, policy: Mapping[str, str] | None = None) -> None:
        self._api = dict(api)
        self._headers = {**_HEADERS, "Content-Security-Policy": _policy({**_POLICY, **(policy or {})})}
        self._files = _files(page)
        self._tokens: set[bytes] = set()
        self._sessions: set[bytes] = set()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def link(self) -> str:
        """A new link. It opens the page once; the token stands behind the #, which no browser sends or logs."""
        token = secrets.token_urlsafe(32)
        self._tokens.add(_hashed(token))
        return f"{self.origin}/#{token}"

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serves in a thread until the end of the block."""
        loop = asyncio.new_event_loop()
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.1)

        async def start() -> None:
            await runner.setup()
            await web.SockSite(runner, self._socket).start()

        thread = threading.Thread(target=loop.run_forever, name="pages", daemon=True)
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(start(), loop).result(10)
            yield
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()
            self._socket.close()

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._guarded], client_max_size=LARGEST)
        application.router.add_route("*", "/{path:.*}", self._answer)
        return application

    # -- what every request passes ------------------------------------------------------------------------------------

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Callable[[web.Request], Awaitable[Any]]) -> Any:
        try:
            self._check_place(request)
            response = await handler(request)
        except Unfit as fault:
            response = _problem(fault.status, fault.code, str(fault))
        except web.HTTPRequestEntityTooLarge:
            response = _problem(413, "too-large", f"A request has at most {LARGEST >> 10} KiB.")
        except web.HTTPException as fault:
            response = _problem(fault.status, "not-found", "There is nothing here.")
        for name, value in self._headers.items():
            response.headers[name] = value
        return response

    def _check_place(self, request: web.Request) -> None:
        """Refuses what another web site makes a browser send, and names that only point at this machine."""
        # (1) the name is this machine's own: one that was made to point here would bring its own pages' requests
        if f"http://{request.headers.get('Host', '')}" != self.origin:
            raise Unfit(421, "wrong-host", f"This page is only at {self.origin}.")
        # (2) no other site, and no other port of this machine, asked for it
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise Unfit(403, "other-site", "Another site asked for this; open the link from the terminal.")
        origin = request.headers.get("Origin")
        if origin != self.origin and (origin is not None or request.method != "GET"):
            raise Unfit(403, "other-site", "Another site asked for this; open the link from the terminal.")

    # -- answers -----------------------------------------------------------------------------------------------------

    async def _answer(self, request: web.Request) -> web.Response:
        path = request.path
        if path.startswith("/api/"):
            if request.method != "POST":
                raise Unfit(405, "wrong-method", "The page's own interface is asked by POST.")
            return await self._answer_api(path.removeprefix("/api/"), request)
        if request.method != "GET":
            raise Unfit(405, "wrong-method", "Files are only read.")
        if path in self._files:
            return _file(path, self._files[path])
        if path.startswith("/fonts/files/") and _FONT.fullmatch(path.removeprefix("/fonts/files/")):
            font = FONTS / "files" / path.removeprefix("/fonts/files/")
            if font.is_file():
                return _file(path, font.read_bytes())
        raise Unfit(404, "not-found", "There is nothing here.")

    async def _answer_api(self, name: str, request: web.Request) -> web.Response:
        if name == "session":
            return web.json_response({"session": self._begin(await _body(request))})
        self._check_session(request)
        if name not in self._api:
            raise Unfit(404, "not-found", "There is nothing here.")
        answer = await self._api[name](await _body(request))
        return answer if isinstance(answer, web.Response) else web.json_response(answer)

    def _begin(self, body: Mapping[str, Any]) -> str:
        """Trades a link's token for a session; the token is spent."""
        given = _hashed(str(body.get("token", "")))
        found = next((token for token in tuple(self._tokens) if hmac.compare_digest(token, given)), None)
        if found is None:
            raise Unfit(401, "no-session", "This link was used or is not from here; press Enter in the terminal.")
        self._tokens.remove(found)
        session = secrets.token_urlsafe(32)
        self._sessions.add(_hashed(session))
        return session

    def _check_session(self, request: web.Request) -> None:
        kind, _, session = request.headers.get("Authorization", "").partition(" ")
        given = _hashed(session)
        if kind != "Bearer" or not any(hmac.compare_digest(each, given) for each in tuple(self._sessions)):
            raise Unfit(401, "no-session", "Open the page by its link; press Enter in the terminal for a new one.")


def serve(pages: Pages, run: Callable[[], None]) -> None:
    """Serves a page and prints its link, until Ctrl-C ends `run`; another link for each Enter in the terminal."""
    import click

    with pages.serving():
        # No browser is started with it: what a command is called with can be seen by everybody on the machine.
        click.echo("Open this in the browser of this machine; it counts once. Enter makes another, Ctrl-C ends.\n")
        click.echo(f"  {pages.link()}\n")
        threading.Thread(target=_more_links, args=(pages,), daemon=True).start()
        # Ape's own handler would end the process here and now.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            run()
        except KeyboardInterrupt:
            click.echo("The page is closed.")


def _more_links(pages: Pages) -> None:
    """Reads without Python's buffer, which this thread would still hold when the command ends."""
    import click

    while os.read(0, 4096):
        click.echo(f"  {pages.link()}\n")


def _policy(directives: Mapping[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def _files(page: str) -> dict[str, bytes]:
    """Everything that is served, by its path: read once, so that no path in a request ever names a file."""
    if not (PAGES / page).is_file():
        raise Failure(f"The page {page} is missing; get the project's folder {PAGES} again.", 6)
    files = {f"/{path.relative_to(PAGES)}": path.read_bytes() for path in PAGES.rglob("*") if path.is_file()}
    files["/"] = files[f"/{page}"]
    for weight in WEIGHTS:
        sheet = FONTS / f"{weight}.css"
        files[f"/fonts/{weight}.css"] = sheet.read_bytes() if sheet.is_file() else b""
    return files


def _file(path: str, data: bytes) -> web.Response:
    suffix = Path(path).suffix or ".html"
    kind = _TYPES.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")
    text = kind.startswith("text/") or kind == "application/json"
    return web.Response(body=data, content_type=kind, charset="utf-8" if text else None)


def _problem(status: int, code: str, sentence: str) -> web.Response:
    return web.json_response({"code": code, "sentence": sentence}, status=status)


def _hashed(secret: str) -> bytes:
    """What is kept of a token: its length and its letters show in no comparison's time."""
    return hashlib.sha256(secret.encode()).digest()


async def _body(request: web.Request) -> dict[str, Any]:
    if request.content_type != "application/json":
        raise Unfit(415, "no-json", "What a page sends is JSON.")
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise Unfit(400, "no-json", "What a page sends is JSON.") from None
    if not isinstance(body, dict):
        raise Unfit(400, "no-json", "What a page sends is an object of JSON.")
    return body

"""Who else may ask a local page's server for something: nobody."""

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from scripts._desk import Desk
from scripts._pages import LARGEST, PAGES, Pages


@dataclass
class Asked:
    """What the server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["code"])


@dataclass
class Place:
    """A served page with an act that counts how often it was done."""

    pages: Pages
    desk: Desk
    done: list[Any]

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Asked:
        host, port = self.pages.origin.removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        answer = Asked(response.status, dict(response.getheaders()), response.read())
        connection.close()
        return answer

    def post(self, name: str, body: Any, **headers: str) -> Asked:
        given = {"Content_Type": "application/json", "Origin": self.pages.origin, **headers}
        return self.ask("POST", f"/api/{name}", json.dumps(body).encode(), **given)

    def session(self) -> str:
        answer = self.post("session", {"token": self.pages.link().split("#")[1]})
        return str(json.loads(answer.body)["session"])


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    done: list[Any] = []
    desk = Desk({"count": done.append})
    pages = Pages("wallet.html", {"news": desk.news, "act": desk.ask})
    with pages.serving():
        yield Place(pages, desk, done)


# property W5
def test_link__used_once__begins_one_session(place: Place) -> None:
    # given
    token = place.pages.link().split("#")[1]

    # when
    first, second = (place.post("session", {"token": token}) for _ in range(2))

    # then
    assert (first.status, second.status, second.code) == (200, 401, "no-session")


@pytest.mark.parametrize("body", [{}, {"token": ""}, {"token": "x" * 43}, {"token": None}, {"token": ["a"]}])
def test_session__without_a_token__is_refused(place: Place, body: Any) -> None:
    assert place.post("session", body).code == "no-session"


# property W5
@pytest.mark.parametrize("name", ["news", "act", "unknown"])
@pytest.mark.parametrize("given", [None, "Bearer ", "Bearer x", "Basic {session}", "{session}", "Bearer {session}x"])
def test_api__without_the_session__is_refused(place: Place, name: str, given: str | None) -> None:
    # given
    headers = {} if given is None else {"Authorization": given.format(session=place.session())}

    # then
    assert (place.post(name, {}, **headers).status, place.post(name, {}, **headers).code) == (401, "no-session")


def test_api__with_a_cookie_instead__is_refused(place: Place) -> None:
    assert place.post("news", {}, Cookie=f"session={place.session()}").code == "no-session"


# property W6
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1:{port}.evil.example",
        "[::1]:{port}",
        "",
    ],
)
def test_host__another_name__is_refused_everywhere(place: Place, host: str) -> None:
    # given: a name that somebody made point to this machine (DNS rebinding)
    port = place.pages.origin.split(":")[2]
    headers = {"Host": host.format(port=port), "Authorization": f"Bearer {place.session()}"}

    # then
    assert place.ask("GET", "/", **headers).code == "wrong-host"
    assert place.post("news", {"after": -1}, **headers).code == "wrong-host"


# property W6
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_origin__another_site__is_refused_even_with_the_session(place: Place, headers: dict[str, str]) -> None:
    # given
    known = {"Authorization": f"Bearer {place.session()}", **headers}

    # then
    assert place.post("act", {"id": "a-name-of-it", "act": "count"}, **known).code == "other-site"
    assert place.ask("GET", "/", **headers).code == "other-site"
    assert place.done == []


def test_origin__none_at_all__may_read_files_and_ask_nothing(place: Place) -> None:
    # given
    headers = {"Content_Type": "application/json", "Authorization": f"Bearer {place.session()}"}

    # then
    assert place.ask("GET", "/").status == 200
    assert place.ask("POST", "/api/news", b"{}", **headers).code == "other-site"


@pytest.mark.parametrize(
    "path",
    [
        "/../scripts/_pages.py",
        "/..%2fscripts%2f_pages.py",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/fonts/files/../../../../package.json",
        "/fonts/files/..%2f400.css",
        "/fonts/files/noto-sans-sc-4-400-normal.woff2%00.js",
        "/fonts/files/",
        "/wallet.html/",
        "/.",
        "/session",
        "/api",
    ],
)
def test_files__a_path_out_of_the_folder__is_not_there(place: Place, path: str) -> None:
    assert place.ask("GET", path).status in (400, 404)


def test_files__every_file_of_the_page__is_there_with_its_type(place: Place) -> None:
    # given
    kinds = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".json": "application/json"}

    # then
    for path in PAGES.iterdir():
        answer = place.ask("GET", f"/{path.name}")
        assert (answer.status, answer.body) == (200, path.read_bytes())
        assert answer.headers["Content-Type"].startswith(kinds.get(path.suffix, "image/svg+xml"))


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"])
def test_method__other_than_the_pages_own__is_refused(place: Place, method: str) -> None:
    # given: what a browser asks before it sends across sites is among them
    headers = {"Origin": place.pages.origin, "Authorization": f"Bearer {place.session()}"}

    # then
    for path in ("/", "/api/act"):
        answer = place.ask(method, path, **headers)
        assert answer.status == 405
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_api__by_get__is_refused(place: Place) -> None:
    assert place.ask("GET", "/api/news", Authorization=f"Bearer {place.session()}").status == 405


# property W6
@pytest.mark.parametrize("path", ["/", "/wallet.js", "/nothing", "/api/news"])
def test_headers__of_every_answer__let_nothing_in(place: Place, path: str) -> None:
    # when
    headers = place.ask("GET", path).headers

    # then
    policy = dict(each.split(" ", 1) for each in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert {policy[each] for each in ("script-src", "style-src", "connect-src", "font-src")} == {"'self'"}
    assert "unsafe" not in headers["Content-Security-Policy"]
    wanted = {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    assert {name: headers[name] for name in wanted} == wanted
    assert "Set-Cookie" not in headers
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"{", "application/json", "no-json"),
        (b"[]", "application/json", "no-json"),
        (b"\xff\xfe", "application/json", "no-json"),
        (b"[" * 50_000, "application/json", "no-json"),
        (b"{}", "text/plain", "no-json"),
        (b"a=b", "application/x-www-form-urlencoded", "no-json"),
        (b'"' + b"x" * LARGEST + b'"', "application/json", "too-large"),
    ],
)
def test_body__of_another_form__is_refused_in_a_sentence(place: Place, body: bytes, kind: str, code: str) -> None:
    # given
    headers = {"Content_Type": kind, "Origin": place.pages.origin, "Authorization": f"Bearer {place.session()}"}

    # then
    assert place.ask("POST", "/api/act", body, **headers).code == code


@pytest.mark.parametrize(
    "asked",
    [{}, {"act": "count"}, {"id": "a-name-of-it"}, {"id": "a-name-of-it", "act": "other"}, {"id": "x", "act": "count"}],
)
def test_act__without_a_name_or_unknown__is_refused(place: Place, asked: dict[str, Any]) -> None:
    assert place.post("act", asked, Authorization=f"Bearer {place.session()}").code == "unknown-act"
    assert place.done == []


def test_files__of_the_pages__have_no_inline_code_and_build_no_markup() -> None:
    # given
    sources = {path.name: path.read_text() for path in PAGES.iterdir() if path.suffix in (".js", ".html")}

    # then
    for name, source in sources.items():
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "document.write",
            "eval(",
            "new Function",
            "style=",
            "://",
        ):
            allowed = word == "://" and name.endswith(".svg")
            assert allowed or word not in source, (name, word)
        if name.endswith(".html"):
            assert source.count("<script") == source.count('<script type="module" src=')
            assert " onclick" not in source

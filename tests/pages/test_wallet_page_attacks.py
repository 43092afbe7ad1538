"""What hostile clinics write, what other sites try, and what must never be told to a browser."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from chromium import Browser, Page
from pages_town import Served, Town, give, look, sign_all
from scripts_town import PASSPHRASE

from theriac.health.keystore import Keystore, by_passphrase
from theriac.health.vault import Vault

HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>\u202e\u0007{name}`${window.hit=1}`'
SHOWN = '<img src=x onerror="window.hit=1"><script>window.hit=1</script> {name}`${window.hit=1}`'


def folder(town: Town, who: str) -> Path:
    """Where somebody's secrets lie."""
    [found] = Path(town.settings["THERIAC_HOME"]).glob(f"*/{who}")
    return found


@pytest.fixture
def hostile_clinic(town: Town) -> Iterator[None]:
    """The North Clinic, while it calls itself by something that is meant to be run."""
    path = folder(town, "clinic") / "settings.json"
    before = path.read_text()
    path.write_text(json.dumps({**json.loads(before), "name": HOSTILE}))
    yield
    path.write_text(before)


# property W4
@pytest.mark.usefixtures("hostile_clinic")
def test_request__hostile_name_and_reason__are_text(page: Page, town: Town) -> None:
    # given
    words = ("--class", "imaging/N", "--purpose", "PUBHLTH", "--days", "9")
    town.done("clinic", "ask", "eve", *words, "--reason", HOSTILE)
    town.done("clinic", "ask", "eve", *words, "--reason", "long " * 2000)

    # when
    look(page)
    card = page.css("#requests li.card").with_text("onerror").css("nth=0")
    shown = card.read()
    card.button("Look and answer yes…").click()
    page.css("#form").button("Cancel").click()

    # then
    assert shown.count(SHOWN) == 1
    assert page.css("#requests li.card").with_text("public health").count() == 2
    assert page.evaluate("() => [window.hit ?? null, document.images.length, document.scripts.length]") == [None, 0, 1]
    assert [each for each in page.said() if not each.startswith("log")] == []

    # then: what it would read as, and whom the chain knows, stand apart
    assert "Member 1 asks" in shown
    assert "It calls itself" in shown


@contextmanager
def another_site(html: str) -> Iterator[str]:
    """A web site of somebody else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://localhost:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


# property W6
def test_another_site__cannot_frame_ask_or_read(eve: Served, browser: Browser) -> None:
    # given: a site that frames the page, and sends what the page would send
    with another_site(f'<iframe src="{eve.origin}/"></iframe>') as site:
        page = browser.open(site)

        # when
        tried = page.evaluate(
            """async (origin) => {
              const tries = {
                read: () => fetch(`${origin}/api/news`, { method: "POST", body: "{}" }),
                simple: () => fetch(`${origin}/api/act`, { method: "POST", mode: "no-cors", body: "{}" }),
                json: () => fetch(`${origin}/api/act`, { method: "POST", body: "{}",
                  headers: { "Content-Type": "application/json", Authorization: "Bearer x" } }),
                script: () => new Promise((done, fail) => {
                  const script = Object.assign(document.createElement("script"), { src: `${origin}/text.js` });
                  Object.assign(script, { onload: done, onerror: fail });
                  document.head.append(script);
                }),
              };
              const outcome = {};
              for (const [name, attempt] of Object.entries(tries))
                outcome[name] = await attempt().then(() => "through", () => "stopped");
              return outcome;
            }""",
            eve.origin,
        )

        # then
        assert tried == {"read": "stopped", "simple": "stopped", "json": "stopped", "script": "stopped"}
        assert page.evaluate("() => { try { return frames[0].document.title } catch { return 'shut' } }") == "shut"
        refused = [
            each for each in page.said() if "frame-ancestors" in each or "X-Frame-Options" in each or "403" in each
        ]
        assert refused
        page.close()


def test_link__used_before_or_none__says_how_to_get_another(eve: Served, browser: Browser) -> None:
    # given
    link = eve.another_link()
    first = browser.open(link)
    first.css("#board").seen()

    # when
    second, third = browser.open(link), browser.open(eve.origin)

    # then
    for page in (second, third):
        page.css("#notice").with_text("Press Enter there for a new one.").seen()
        assert page.css("#board h1").count() == 1
        page.css("#board").gone()
        page.close()
    # then: the token is in no address any more, and a reload goes on
    assert first.evaluate("() => location.href") == f"{eve.origin}/"
    first.chain(["reload"])
    first.css("#board").seen()
    first.close()


# property W3
def test_secrets__of_the_vault__are_in_nothing_that_a_browser_is_told(page: Page, town: Town) -> None:
    # when
    look(page)
    give(page, purpose="PATRQT", classes=("immunizations/N",))
    sign_all(page)

    # then
    told = "\n".join([*page.bodies(), json.dumps(page.asked())])
    secrets = secrets_of(folder(town, "eve"))
    assert len(secrets) > 60
    assert len(told) > 20_000
    assert [name for name, secret in secrets for each in spellings(secret) if each in told] == []
    assert PASSPHRASE not in told


def secrets_of(folder: Path) -> list[tuple[str, bytes]]:
    """Every secret that a patient's vault holds, with a name."""
    _, data = Keystore.unlock(folder / "vault", by_passphrase(PASSPHRASE))
    vault = Vault.decode(data)
    found = [("secret", vault.secret)]
    for account in vault.accounts.values():
        found.append(("publisher", bytes(vault.publisher(account).key)))
        found += [("inbox", seed) for seed in (*account.inboxes.values(), *account.former_inboxes)]
        for name, tree in account.trees.items():
            found += [(name, each.seed) for each in tree.generations] + [(name, tree.following)]
    found += [("file", bytes.fromhex(each.key)) for each in vault.entries.values() if each.key]
    return found


def spellings(secret: bytes) -> list[str]:
    return [secret.hex(), base64.b64encode(secret).decode().rstrip("="), base64.urlsafe_b64encode(secret).decode()[:40]]

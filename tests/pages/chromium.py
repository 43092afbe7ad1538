"""A real Chromium for tests: pages that a test opens, reads and uses as a person does."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


class Browser:
    """One Chromium; the process ends with the block that opened it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._count = 0

    def do(self, command: str, **values: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": command, **values}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "The browser's driver ended."
        answer = json.loads(line)
        assert "fault" not in answer, answer["fault"]
        return answer["value"]

    def open(self, url: str, **values: Any) -> "Page":
        """A page in a context of its own: `wallets`, `legacy`, `options` of Playwright's context, `storage`."""
        self._count += 1
        page = Page(self, f"page{self._count}")
        self.do("open", name=page.name, url=url, **values)
        return page


@dataclass(frozen=True)
class Page:
    """An open page."""

    browser: Browser
    name: str

    def chain(self, *calls: list[Any]) -> Any:
        return self.browser.do("chain", name=self.name, calls=list(calls))

    def css(self, selector: str) -> "Part":
        return Part(self, (["locator", selector],))

    def button(self, name: str) -> "Part":
        return Part(self, (["getByRole", "button", {"name": name, "exact": True}],))

    def text(self, text: str) -> "Part":
        return Part(self, (["getByText", text],))

    def field(self, label: str) -> "Part":
        return Part(self, (["getByLabel", label],))

    def press(self, *keys: str) -> None:
        for key in keys:
            self.browser.do("press", name=self.name, key=key)

    def download(self, button: str, path: Path) -> None:
        """Presses the button that begins with this name, and keeps the file that comes."""
        self.browser.do("download", name=self.name, button=button, path=str(path))

    def evaluate(self, script: str, value: Any = None) -> Any:
        return self.browser.do("evaluate", name=self.name, script=script, value=value)

    def change(self, *, number: int = 0, emit: bool = False, **settings: Any) -> None:
        """Changes what a wallet does from now on; `emit` tells the page that its accounts changed."""
        self.browser.do("change", name=self.name, number=number, settings=settings, emit=emit)

    def asked(self, number: int = 0) -> list[dict[str, Any]]:
        """What a wallet was asked."""
        return list(self.browser.do("asked", name=self.name, number=number))

    def said(self) -> list[str]:
        """What the page wrote into its console, errors of scripts among it."""
        return list(self.browser.do("said", name=self.name))

    def bodies(self) -> list[str]:
        """Everything the page was answered."""
        return list(self.browser.do("bodies", name=self.name))

    def picture(self, path: Path, *, full: bool = False) -> None:
        self.browser.do("picture", name=self.name, path=str(path), full=full)

    def close(self) -> None:
        self.browser.do("close", name=self.name)


@dataclass(frozen=True)
class Part:
    """A part of a page, which is waited for."""

    page: Page
    path: tuple[list[Any], ...]

    def _call(self, *call: Any) -> Any:
        return self.page.chain(*self.path, list(call))

    def css(self, selector: str) -> "Part":
        return Part(self.page, (*self.path, ["locator", selector]))

    def button(self, name: str) -> "Part":
        return Part(self.page, (*self.path, ["getByRole", "button", {"name": name, "exact": True}]))

    def with_text(self, text: str) -> "Part":
        return Part(self.page, (*self.path, ["filter", {"hasText": text}]))

    def click(self) -> None:
        self._call("click")

    def fill(self, text: str) -> None:
        self._call("fill", text)

    def choose(self, value: str) -> None:
        self._call("selectOption", value)

    def check(self, checked: bool = True) -> None:
        self._call("setChecked", checked)

    def read(self) -> str:
        return str(self._call("innerText"))

    def attribute(self, name: str) -> str | None:
        found: str | None = self._call("getAttribute", name)
        return found

    def count(self) -> int:
        return int(self._call("count"))

    def seen(self) -> "Part":
        """Waits until it is there and can be seen."""
        self._call("waitFor")
        return self

    def gone(self) -> None:
        self._call("waitFor", {"state": "hidden"})

    def press(self, key: str) -> None:
        self._call("press", key)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A Chromium from npm; nothing else is installed."""
    if shutil.which("node") is None or not (ROOT / "node_modules" / "@sparticuz" / "chromium").is_dir():
        pytest.skip("Chromium from npm is missing: run 'make setup' (Node 20 or newer) and try again.")
    process = subprocess.Popen(
        ["node", str(HERE / "driver.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        yield Browser(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()

"""A town whose patients have pages: a real anvil, a real store, and each page a command in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))

from chromium import ROOT, Browser, Page
from scripts_town import Town

COMMAND = "import sys; from scripts.patient import cli; cli(sys.argv[1:], prog_name='patient')"


@dataclass
class Served:
    """A page that is served, and the links that open it."""

    process: "subprocess.Popen[str]"
    link: str

    @property
    def origin(self) -> str:
        return self.link.split("/#")[0]

    def another_link(self) -> str:
        """What a press of Enter in its terminal gives."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return _link_in(self.process)

    def open(self, browser: Browser, **values: Any) -> Page:
        """Opens it in a browser of its own, by a link of its own."""
        return browser.open(self.another_link(), **values)


@contextmanager
def served(town: Town, *words: str, **settings: str) -> Iterator[Served]:
    """`ape run patient page` with these words."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "page", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **town.settings, **settings, "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield Served(process, _link_in(process))
    finally:
        process.terminate()
        process.wait(20)


def _link_in(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if "http://127.0.0.1:" in line:
            return line.strip()
    raise AssertionError("The page's command ended without a link.")

"""What all tests share: where they may write, and the marks of tests that need more than a set-up machine."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# What a skipped test says: what it needs, and how to get it.
MARKS = {
    "engine": "needs real engines: run 'make engines' (it needs Go 1.26), then 'make test-engines'",
    "heavy": "needs minutes and gigabytes of disk: run 'make test-heavy'",
}


# Where the tests' temporary folders go. A disk can take milliseconds to remove one, and the tests make a hundred
# thousand: so into memory where there is plenty of it, else into the repository, as everything does.
MEMORY = Path("/dev/shm")
PLENTY = 4 << 30
TEMPORARY = Path(__file__).resolve().parent.parent / ".cache" / "tmp"

# Containers often forbid Python to keep what it compiled. Each process of the tests, and each one that a test starts,
# would compile thousands of files anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# On a busy machine a slow example is no fault of what it tests. Tests choose how many examples they try, some hundreds;
# THERIAC_EXAMPLES=20 has them try twenty times as many.
TIMES = int(os.environ.get("THERIAC_EXAMPLES", "1"))
settings.register_profile("theriac", deadline=None, max_examples=100 * TIMES)
settings.load_profile("theriac")


def pytest_addoption(parser: pytest.Parser) -> None:
    names = ("local", "anvil", "geth", "kaia")
    what = "what the tests that go through a chain run on; see docs/engines.md. local: as always"
    parser.addoption("--engine", choices=names, default=os.environ.get("THERIAC_ENGINE", "local"), help=what)


def pytest_configure(config: pytest.Config) -> None:
    in_memory = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= PLENTY
    temporary = os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY if in_memory else TEMPORARY))
    Path(temporary).mkdir(parents=True, exist_ok=True)
    for name, sentence in MARKS.items():
        config.addinivalue_line("markers", f"{name}: {sentence}")

    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    # No test cuts the power, so none can tell what is on the disk from what is on its way there; a process that is
    # killed loses nothing. Waiting for the disk, ten thousand times, takes a minute.
    patch.setattr(os, "fsync", lambda handle: None)
    patch.setenv("THERIAC_ENGINE", config.getoption("engine"))
    if config.getoption("engine") == "geth":
        from theriac.ledger.sender import Sender

        # geth never says that gas costs nothing, though on this one nobody needs to pay.
        patch.setitem(Sender.__init__.__kwdefaults__, "zero_fee", True)
    if TIMES > 1:
        patch.setattr(settings, "__init__", _trying_more(settings.__init__))
    # Ape is missing where pytest is told to load no plugins.
    if config.pluginmanager.hasplugin("ape_test"):
        from quick_ape import quicken

        quicken(patch)


def _trying_more(initialise: Callable[..., None]) -> Callable[..., None]:
    """Settings of Hypothesis that ask for so many times as many examples as they are told."""

    def more(chosen: settings, parent: settings | None = None, **values: Any) -> None:
        if "max_examples" in values:
            values["max_examples"] *= TIMES
        initialise(chosen, parent, **values)

    return more


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("engine") != "local":
        from elsewhere import choose

        choose(config, items)
    # Whoever names a mark with -m has decided.
    asked = config.getoption("markexpr")
    for item in items:
        for name, sentence in MARKS.items():
            if name not in asked and item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=sentence))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    # A file's whole content makes no name for a test.
    if isinstance(val, bytes | str) and len(val) > 120:
        return f"{argname} of {len(val)}"
    return None

"""A plugin of pytest that writes down what each test calls and how long it works: `-p mutant_recorder`.

By it a mutant meets those tests first that reach it, and of them the quick ones. A line of JSON a test goes to the file
that THERIAC_MUTANT_TESTS names.
"""

import inspect
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth.vm.forks.cancun.state import CancunTransactionExecutor
from web3 import HTTPProvider

from tools.mutants import selectors

OUTER = ("act", "ask", "carry", "carryEach", "setCall")
"""Functions that carry other calls inside of their data."""

FILE = "THERIAC_MUTANT_TESTS"


class Recorder:
    """What the test that runs has called."""

    def __init__(self, path: Path, known: dict[str, str]) -> None:
        self._path = path
        self._known = set(known)
        self._outer = {selector for selector, name in known.items() if name in OUTER}
        self.called: set[str] = set()

    def note(self, data: bytes) -> None:
        """One call's data, and where it carries others those too."""
        selector = data[:4].hex()
        self.called.add(selector)
        if selector in self._outer:
            text = data.hex()
            self.called.update(each for each in self._known if each in text)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.called = set()
        wall, work = time.monotonic(), time.process_time()
        result = yield
        line = {
            "test": item.nodeid,
            "seconds": time.monotonic() - wall,
            "work": time.process_time() - work,
            "calls": sorted(self.called & self._known),
            "words": _words(item),
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return result


def _words(item: pytest.Item) -> list[str]:
    """The errors and events that a test may be about: names with a capital in its source and in its parameters."""
    try:
        source = inspect.getsource(item.function)  # type: ignore[attr-defined]
    except OSError:
        source = ""
    return sorted(set(re.findall(r"\b[A-Z][a-z]+[A-Za-z]*\b", source + item.nodeid)))


def pytest_configure(config: pytest.Config) -> None:
    recorder = Recorder(Path(os.environ[FILE]), selectors())
    config.pluginmanager.register(recorder)
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    build, request = CancunTransactionExecutor.build_evm_message, HTTPProvider.make_request

    def build_evm_message(executor: Any, transaction: Any) -> Any:
        recorder.note(bytes(transaction.data))
        return build(executor, transaction)

    def make_request(provider: Any, method: Any, parameters: Any) -> Any:
        if method in ("eth_call", "eth_estimateGas"):
            data = parameters[0].get("data") or parameters[0].get("input") or "0x"
            recorder.note(bytes.fromhex(data[2:]) if isinstance(data, str) else bytes(data))
        elif method == "eth_sendRawTransaction":
            raw = parameters[0]
            recorder.note(_data_of(bytes.fromhex(raw[2:]) if isinstance(raw, str) else bytes(raw)))
        return request(provider, method, parameters)

    patch.setattr(CancunTransactionExecutor, "build_evm_message", build_evm_message)
    patch.setattr(HTTPProvider, "make_request", make_request)


def _data_of(raw: bytes) -> bytes:
    """The data of a signed transaction."""
    import rlp

    if raw[0] < 0x80:
        fields = rlp.decode(raw[1:])
        place = {1: 6, 2: 7, 3: 7, 4: 7}[raw[0]]
    else:
        fields, place = rlp.decode(raw), 5
    return bytes(fields[place])

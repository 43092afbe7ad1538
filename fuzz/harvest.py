"""Inputs to begin with, out of what the package's own tests hand in: a plugin of pytest.

    THERIAC_HARVEST=.build/harvest .venv/bin/pytest -p fuzz.harvest tests/health tests/medicine ...

keeps there what each entry point accepted. `python -m fuzz.seeds` chooses from that, and makes the rest.
"""

import functools
import hashlib
import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzz.targets import Target, all_targets

LONGEST = 1 << 15


def pytest_configure() -> None:
    folder = os.environ.get("THERIAC_HARVEST")
    if folder:
        for target in all_targets().values():
            _listen(target, Path(folder).resolve() / target.name)


def _listen(target: Target, folder: Path) -> None:
    module, _, name = target.entry.partition(":")
    owner: Any = importlib.import_module(module)
    *classes, last = name.split(".")
    for each in classes:
        owner = getattr(owner, each)
    found = vars(owner)[last]
    if isinstance(found, type):
        return
    if isinstance(found, classmethod):
        setattr(owner, last, classmethod(_listening(found.__func__, folder, skip=1)))
    elif isinstance(found, staticmethod):
        setattr(owner, last, staticmethod(_listening(found.__func__, folder, skip=0)))
    else:
        setattr(owner, last, _listening(found, folder, skip=1 if classes else 0))


def _listening(function: Callable[..., Any], folder: Path, *, skip: int) -> Callable[..., Any]:
    @functools.wraps(function)
    def listening(*arguments: Any, **named: Any) -> Any:
        value = function(*arguments, **named)
        if len(arguments) > skip and (data := _bytes(arguments[skip])) is not None and 0 < len(data) <= LONGEST:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{len(data):06}-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)
        return value

    return listening


def _bytes(value: Any) -> bytes | None:
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if isinstance(getattr(value, "text", None), str):
        return str(value.text).encode()
    try:
        return (
            json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
            if isinstance(value, dict | list)
            else None
        )
    except (TypeError, ValueError):
        return None

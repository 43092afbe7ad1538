"""Compile a Solidity file of this repository with the compiler that npm installed."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMPILER = ROOT / "node_modules" / "solc" / "solc.js"


@dataclass(frozen=True)
class Compiled:
    abi: list[dict[str, Any]]
    bytecode: str


@cache
def compiled(path: str, name: str) -> Compiled:
    """The ABI and the creation code of contract `name` in `path`, which is relative to the repository."""
    node = shutil.which("node")
    if node is None or not COMPILER.exists():
        pytest.skip("The Solidity compiler from npm is missing: run `npm ci` (Node 20 or newer) and try again.")

    request = {
        "language": "Solidity",
        "sources": {path: {"content": (ROOT / path).read_text()}},
        "settings": {
            "evmVersion": "cancun",
            "optimizer": {"enabled": True, "runs": 200},
            "outputSelection": {path: {name: ["abi", "evm.bytecode.object"]}},
        },
    }
    asked = json.dumps([request, json.loads((COMPILER.parent / "package.json").read_text())["version"]])
    kept = ROOT / ".cache" / "tests" / f"{name}-{sha256(asked.encode()).hexdigest()[:16]}.json"
    if not kept.exists():
        answer = _answer(node, request)
        assert [error["formattedMessage"] for error in answer.get("errors", [])] == []
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft = kept.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(answer["contracts"][path][name]))
        draft.replace(kept)
    contract = json.loads(kept.read_text())
    return Compiled(abi=contract["abi"], bytecode="0x" + contract["evm"]["bytecode"]["object"])


def _answer(node: str, request: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [node, str(COMPILER), "--standard-json"], input=json.dumps(request), capture_output=True, text=True, check=True
    )
    # The JavaScript compiler may print a line of its own before the JSON.
    answer: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    return answer

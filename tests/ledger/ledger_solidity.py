"""Compile a Solidity file of this repository with the compiler that npm installed."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
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
    done = subprocess.run(
        [node, str(COMPILER), "--standard-json"], input=json.dumps(request), capture_output=True, text=True, check=True
    )
    # The JavaScript compiler may print a line of its own before the JSON.
    answer = json.loads(done.stdout[done.stdout.index("{") :])
    problems = [error["formattedMessage"] for error in answer.get("errors", [])]
    assert problems == []
    contract = answer["contracts"][path][name]
    return Compiled(abi=contract["abi"], bytecode="0x" + contract["evm"]["bytecode"]["object"])

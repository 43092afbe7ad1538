"""Compiles the contracts as Ape does, and says what Ape does not: warnings, sizes and missing documentation.

Settings come from `ape-config.yaml`, so that there is one place for them. The compiler is the one that set-up chose.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from eth_typing import ABIError
from eth_utils.abi import abi_to_signature

ROOT = Path(__file__).resolve().parent.parent

# The contracts that the package talks to: their ABIs are package data.
PUBLISHED = (
    *(
        "AccessLog",
        "Appeals",
        "Authorizations",
        "Batches",
        "Benefits",
        "Carrier",
        "Claims",
        "ColdChain",
        "Consortium",
        "Episodes",
    ),
    *("Escrow", "Grants", "Keys", "Letters", "Policies", "Prescriptions", "Records", "Rules"),
)

# EIP-170 and EIP-3860 bound the deployed code and the code that deploys it, in bytes.
DEPLOYED_LIMIT = 24_576
CREATION_LIMIT = 49_152

# What the errors of libraries mean that a contract can meet, by their signatures: no comment of theirs says it.
OF_LIBRARIES = {
    "ReentrancyGuardReentrantCall()": "The token called back in the middle of a payment.",
    "SafeERC20FailedOperation(address)": "The token did not move the money.",
}

OUTPUTS = ["abi", "devdoc", "userdoc", "evm.bytecode.object", "evm.deployedBytecode.object"]


@dataclass(frozen=True)
class Compiled:
    """One contract, interface or library: where it stands, and the compiler's output for it."""

    source: str
    name: str
    output: dict[str, Any]

    @property
    def abi(self) -> list[dict[str, Any]]:
        """The ABI in a stable order: by kind, then by name, then by inputs."""
        return sorted(self.output["abi"], key=lambda entry: (entry["type"], entry.get("name", ""), json.dumps(entry)))

    @property
    def notices(self) -> dict[str, str]:
        """What each of its errors means, by the error's signature."""
        errors = self.output["userdoc"].get("errors", {})
        own = {signature: " ".join(each["notice"] for each in told) for signature, told in errors.items()}
        known = {abi_to_signature(cast(ABIError, entry)) for entry in self.abi if entry["type"] == "error"}
        return own | {signature: meant for signature, meant in OF_LIBRARIES.items() if signature in known}

    @property
    def deployed_size(self) -> int:
        """Bytes of the deployed code; zero for an interface or an abstract contract."""
        return len(self.output["evm"]["deployedBytecode"]["object"]) // 2

    @property
    def creation_size(self) -> int:
        """Bytes of the code that deploys it, without the constructor's arguments."""
        return len(self.output["evm"]["bytecode"]["object"]) // 2


@dataclass(frozen=True)
class Compilation:
    """All contracts of the project, and every message of the compiler about them; none about libraries of others."""

    contracts: tuple[Compiled, ...]
    messages: tuple[str, ...]

    def contract(self, name: str) -> Compiled:
        """The one contract of that name."""
        (found,) = [contract for contract in self.contracts if contract.name == name]
        return found


def compiler_path(version: str) -> Path:
    """The compiler that set-up placed."""
    folder = Path(os.environ.get("SOLCX_BINARY_PATH", ROOT / ".build" / "solcx"))
    return folder / f"solc-v{version}"


def compiler_version() -> str:
    """The version of the compiler that `ape-config.yaml` pins."""
    return str(_settings()["version"])


def _settings() -> dict[str, Any]:
    config = yaml.safe_load((ROOT / "ape-config.yaml").read_text(encoding="utf-8"))
    settings: dict[str, Any] = config["solidity"]
    return settings


def standard_input() -> dict[str, Any]:
    """The compiler's input for every source under `contracts/`, by its path in the repository."""
    settings = _settings()
    files = sorted(path for path in (ROOT / "contracts").rglob("*.sol") if ".cache" not in path.parts)
    return {
        "language": "Solidity",
        "sources": {path.relative_to(ROOT).as_posix(): {"content": path.read_text(encoding="utf-8")} for path in files},
        "settings": {
            "evmVersion": settings["evm_version"],
            "optimizer": {"enabled": settings["optimize"], "runs": settings["optimization_runs"]},
            "outputSelection": {"*": {"*": OUTPUTS}},
        },
    }


def run_compiler(compiler: Path, standard_json: dict[str, Any]) -> dict[str, Any]:
    """Runs a compiler on a standard JSON input, with imports from `node_modules`."""
    command = [str(compiler), "--standard-json", "--base-path", str(ROOT), "--include-path", str(ROOT / "node_modules")]
    answer = subprocess.run(command, input=json.dumps(standard_json), capture_output=True, text=True)
    if answer.returncode != 0:
        sys.exit(f"The compiler stopped: {answer.stderr.strip()}")

    output: dict[str, Any] = json.loads(answer.stdout)
    return output


def compile_contracts() -> Compilation:
    """Compiles everything under `contracts/`. Exits with the compiler's messages where there is an error."""
    compiler = compiler_path(compiler_version())
    if not compiler.exists():
        sys.exit("The Solidity compiler is not set up: run 'make setup'.")

    output = run_compiler(compiler, standard_input())
    messages = output.get("errors", [])
    if any(message["severity"] == "error" for message in messages):
        sys.exit("\n".join(message["formattedMessage"] for message in messages))

    contracts = tuple(
        Compiled(source=source, name=name, output=compiled)
        for source, found in sorted(output.get("contracts", {}).items())
        if source.startswith("contracts/")
        for name, compiled in sorted(found.items())
    )
    # What the compiler says about a library is for the library's authors.
    own = [
        each for each in messages if each.get("sourceLocation", {}).get("file", "contracts/").startswith("contracts/")
    ]
    return Compilation(contracts=contracts, messages=tuple(message["formattedMessage"] for message in own))

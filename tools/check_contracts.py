"""Checks what is asked of the contracts and no linter says: `python -m tools.check_contracts`.

They compile without a warning, fit the chain's limits, say what they are in NatSpec, and their ABIs are those that
the package carries. An interface documents every function, event and error: that is where a reader looks.
"""

import sys
from collections.abc import Iterator
from typing import Any

from tools import abi
from tools.contracts import CREATION_LIMIT, DEPLOYED_LIMIT, Compilation, Compiled, compile_contracts

# Contracts that only tests deploy.
TEST_FOLDER = "contracts/test/"
INTERFACE_FOLDER = "contracts/interfaces/"


def signature(entry: dict[str, Any]) -> str:
    """The canonical signature of an ABI entry, with structs spelled out as tuples."""
    return f"{entry['name']}({','.join(_type(value) for value in entry['inputs'])})"


def _type(value: dict[str, Any]) -> str:
    if not value["type"].startswith("tuple"):
        return str(value["type"])

    fields = ",".join(_type(component) for component in value["components"])
    return f"({fields}){value['type'].removeprefix('tuple')}"


def undocumented(compiled: Compiled) -> Iterator[str]:
    """What lacks its NatSpec, in words. Files for tests are left alone."""
    if compiled.source.startswith(TEST_FOLDER):
        return

    user, developer = compiled.output["userdoc"], compiled.output["devdoc"]
    if not developer.get("title"):
        yield f"{compiled.source}: {compiled.name} has no @title."
    if not user.get("notice"):
        yield f"{compiled.source}: {compiled.name} has no @notice."
    if not compiled.source.startswith(INTERFACE_FOLDER):
        return

    for entry in compiled.abi:
        documented = user.get({"function": "methods", "event": "events", "error": "errors"}[entry["type"]], {})
        text = documented.get(signature(entry))
        # Errors may be overloaded by argument names, so the compiler lists theirs.
        notices = text if isinstance(text, list) else [text or {}]
        if not any(notice.get("notice") for notice in notices):
            yield f"{compiled.source}: {entry['type']} {signature(entry)} has no @notice."


def oversized(compiled: Compiled) -> Iterator[str]:
    """The limits of the chain that a contract breaks, in words."""
    for size, limit, what in (
        (compiled.deployed_size, DEPLOYED_LIMIT, "deployed code"),
        (compiled.creation_size, CREATION_LIMIT, "creation code"),
    ):
        if size > limit:
            yield f"{compiled.source}: the {what} of {compiled.name} is {size:,} bytes; a chain takes {limit:,}."


def complaints(compilation: Compilation) -> Iterator[str]:
    """Everything that is wrong, in words."""
    yield from compilation.messages
    for compiled in compilation.contracts:
        yield from undocumented(compiled)
        yield from oversized(compiled)
    for name in abi.differing(abi.texts(compilation)):
        yield f"theriac/abi/{name} is not the ABI of its contract: run 'make abi'."
    for name in abi.differing(abi.notices(compilation), abi.NOTICES):
        yield f"theriac/notices/{name} does not say what its contract's errors mean: run 'make abi'."


def main() -> None:
    compilation = compile_contracts()
    if found := list(complaints(compilation)):
        sys.exit("\n".join(found))

    largest = max(compilation.contracts, key=lambda compiled: compiled.deployed_size)
    print(
        f"{len(compilation.contracts)} contracts, libraries and interfaces compile without a warning; "
        f"the largest, {largest.name}, is {largest.deployed_size:,} of {DEPLOYED_LIMIT:,} bytes."
    )


if __name__ == "__main__":
    main()

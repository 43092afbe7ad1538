"""Keeps what Ape compiled up to date, for tests that deploy contracts."""

import fcntl
import hashlib
from functools import cache
from pathlib import Path

import ape


@cache
def compile_if_changed() -> None:
    """Compiles all contracts anew when any source changed since the tests last did; looks once in a process.

    Ape compares a contract's own file only, so that a change in an interface, a library or a type would leave the
    contract as it was before, and the tests would be about code that is no longer there. Of several processes that
    test at the same time one compiles, and the others wait for it and read what it compiled.
    """
    build = Path(ape.project.path, ".build")
    stamp = build / "tested-contracts.sha256"
    with (build / "tested-contracts.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_of_now(stamp):
            return
        ape.project.load_manifest()
        if _is_of_now(stamp):
            return
        ape.project.load_contracts(use_cache=False)
        stamp.write_text(_fingerprint())


def _is_of_now(stamp: Path) -> bool:
    return stamp.exists() and stamp.read_text() == _fingerprint()


def _fingerprint() -> str:
    """A digest of the sources and of what Ape holds as compiled from them."""
    root = Path(ape.project.path)
    sources = sorted(path for path in (root / "contracts").rglob("*.sol") if ".cache" not in path.parts)
    lines = [f"{path.relative_to(root)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in sources]
    for name, compiled in sorted((ape.project.manifest.contract_types or {}).items()):
        lines.append(f"{name} {hashlib.sha256(compiled.model_dump_json().encode()).hexdigest()}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()

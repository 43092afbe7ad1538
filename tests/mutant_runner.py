"""A plugin of pytest that runs tests against faulty contracts, one fault after the other: `-p mutant_runner`.

Everything is founded once. For each job a child of this process has the fault's code in the place of the contract's,
wherever it was deployed before and is deployed from then on, and runs the job's tests until one fails. Jobs come as
lines of JSON through one pipe, and what became of them goes through another (`tools/mutate_contracts.py` has the other
ends).

What was founded is founded by the contracts without a fault. With THERIAC_MUTANT_JOB, a file with one job, the tests
run as they always do, on a world that is founded by the faulty contract.
"""

import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

import ape
import pytest
import real_anvil
from _pytest.runner import runtestprotocol
from compiling import compile_if_changed
from eth.vm.state import BaseState
from web3 import HTTPProvider

JOBS, RESULTS, JOB = "THERIAC_MUTANT_JOBS", "THERIAC_MUTANT_RESULTS", "THERIAC_MUTANT_JOB"

Places = list[list[tuple[int, int]]]


class Swap:
    """One contract's code, and the faulty code in its place. What is `immutable` keeps its value."""

    def __init__(self, name: str, faulty: dict[str, Any]) -> None:
        kind = getattr(ape.project, name).contract_type
        self._name, self._faulty, self._kind = name, faulty, kind
        self._runtime = bytes.fromhex(kind.runtime_bytecode.bytecode.removeprefix("0x"))
        self._places: Places = faulty["places"]
        holes = sorted(tuple(place) for places in self._places for place in places)
        self._solid, end = [], 0
        for start, length in [*holes, (len(self._runtime), 0)]:
            self._solid.append(slice(end, start))
            end = start + length
        self._known: dict[bytes, bytes] = {}

    def code(self, code: bytes) -> bytes:
        """The faulty code if it is this contract's, else the same."""
        if len(code) != len(self._runtime):
            return code
        if code not in self._known:
            same = all(code[part] == self._runtime[part] for part in self._solid)
            self._known[code] = self._filled(code) if same else code
        return self._known[code]

    def _filled(self, code: bytes) -> bytes:
        filled = bytearray.fromhex(self._faulty["runtime"])
        for own, others in zip(self._places, self._faulty["faulty_places"], strict=False):
            start, length = own[0]
            for place, size in others:
                assert size == length
                filled[place : place + size] = code[start : start + length]
        return bytes(filled)

    def deploy_from_now_on(self) -> None:
        """Has whoever deploys the contract by its name deploy the faulty one."""
        self._kind.deployment_bytecode.bytecode = "0x" + self._faulty["creation"]


class Chains:
    """Every anvil that was started so far, and the contracts on it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._places: dict[int, tuple[real_anvil.Chain, set[str]]] = {}
        self._snapshots: dict[int, str] = {}
        for name in ("deploy", "at_address", "made"):
            patch.setattr(real_anvil.Chain, name, self._noting(getattr(real_anvil.Chain, name)))

    def _noting(self, method: Any) -> Any:
        def noted(chain: real_anvil.Chain, *arguments: Any, **named: Any) -> Any:
            contract = method(chain, *arguments, **named)
            self._places.setdefault(id(chain), (chain, set()))[1].add(contract.address)
            return contract

        return noted

    def remember(self) -> None:
        """What `take_back` takes back to."""
        # One whose test has ended is gone.
        self._places = {number: each for number, each in self._places.items() if _answers(each[0])}
        self._snapshots = {number: chain.ask("evm_snapshot") for number, (chain, _) in self._places.items()}

    def take_back(self) -> None:
        for number, (chain, _) in self._places.items():
            chain.back(self._snapshots[number])

    def swap(self, swaps: list[Swap]) -> None:
        """In a child: puts the faulty code into the place of each contract."""
        for chain, addresses in self._places.values():
            old = chain.web3.provider
            session = real_anvil._session()
            chain.web3.provider = HTTPProvider(old.endpoint_uri, {"timeout": 60}, session=session)
            for address in addresses:
                code = bytes(chain.web3.eth.get_code(address))
                for swap in swaps:
                    if (other := swap.code(code)) is not code:
                        chain.ask("anvil_setCode", address, "0x" + other.hex())


def _answers(chain: real_anvil.Chain) -> bool:
    try:
        chain.ask("eth_chainId")
    except Exception:
        return False
    return True


def pytest_configure(config: pytest.Config) -> None:
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    if JOB not in os.environ:
        config.pluginmanager.register(Runner(patch))
        return

    config.pluginmanager.register(Founder(json.loads(Path(os.environ[JOB]).read_text(encoding="utf-8"))))


class Founder:
    """Has the tests found everything by the faulty contract, and runs those of the job in its order."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._job = job

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        by_name = {item.nodeid: item for item in items}
        items[:] = [by_name[test] for test in self._job["tests"] if test in by_name]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> None:
        compile_if_changed()
        for name, faulty in self._job["contracts"].items():
            Swap(name, faulty).deploy_from_now_on()


class Runner:
    """Takes the place of pytest's own loop over the tests."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self._chains = Chains(patch)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        compile_if_changed()
        items = {item.nodeid: item for item in session.items}
        self._found(session)
        with os.fdopen(int(os.environ[JOBS])) as jobs, os.fdopen(int(os.environ[RESULTS]), "w") as results:
            print(json.dumps({"ready": len(items)}), file=results, flush=True)
            for line in jobs:
                print(json.dumps(self._result(session, items, json.loads(line))), file=results, flush=True)
        return True

    def _found(self, session: pytest.Session) -> None:
        """Runs a few tests, so that everything that is founded for the whole session is there."""
        founded: set[Any] = set()
        few = []
        for item in session.items:
            definitions = (each[-1] for each in item._fixtureinfo.name2fixturedefs.values() if each)
            needed = {each for each in definitions if each.scope == "session"}
            if needed - founded:
                founded |= needed
                few.append(item)
        # Another test is named as the one that comes after the last, so that all of the last is undone.
        other = next(item for item in session.items if item is not few[-1])
        for item, after in zip(few, [*few[1:], other], strict=True):
            reports = runtestprotocol(item, log=False, nextitem=after)
            assert not any(report.failed for report in reports), [str(report.longrepr) for report in reports]

    def _result(self, session: pytest.Session, items: dict[str, pytest.Item], job: dict[str, Any]) -> dict[str, Any]:
        began = time.monotonic()
        swaps = [Swap(name, faulty) for name, faulty in job["contracts"].items()]
        chosen = [items[test] for test in job["tests"] if test in items]
        self._chains.remember()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self._live(session, swaps, chosen, writing)
        os.close(writing)
        told = _read(reading, job["timeout"])
        if told is None:
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        self._chains.take_back()
        outcome = json.loads(told) if told else {"outcome": "timeout" if told is None else "broken"}
        return {"id": job["id"], "seconds": round(time.monotonic() - began, 2), **outcome}

    def _live(self, session: pytest.Session, swaps: list[Swap], chosen: list[pytest.Item], writing: int) -> None:
        """The child's whole life."""
        outcome: dict[str, Any] = {"outcome": "broken"}
        try:
            self._chains.swap(swaps)
            for swap in swaps:
                swap.deploy_from_now_on()
            self._patch.setattr(BaseState, "get_code", _swapping(BaseState.get_code, swaps))
            session._setupstate.teardown_exact(chosen[0])
            outcome = _run(chosen)
        except BaseException as fault:
            outcome = {"outcome": "broken", "why": repr(fault)}
        finally:
            os.write(writing, json.dumps(outcome).encode())
            sys.stdout.flush()
            os._exit(0)


def _run(chosen: list[pytest.Item]) -> dict[str, Any]:
    for number, (item, after) in enumerate(zip(chosen, [*chosen[1:], chosen[-1]], strict=True), start=1):
        for report in runtestprotocol(item, log=False, nextitem=after):
            if report.failed:
                return {"outcome": "killed", "by": item.nodeid, "ran": number, "why": str(report.longrepr)[-300:]}
    return {"outcome": "survived", "ran": len(chosen)}


def _swapping(get_code: Any, swaps: list[Swap]) -> Any:
    def swapped(state: BaseState, address: bytes) -> bytes:
        code: bytes = get_code(state, address)
        for swap in swaps:
            code = swap.code(code)
        return code

    return swapped


def _read(pipe: int, timeout: float) -> bytes | None:
    """What the child says before it ends, or None if it takes too long."""
    deadline, told = time.monotonic() + timeout, b""
    try:
        while (left := deadline - time.monotonic()) > 0:
            if select.select([pipe], [], [], left)[0]:
                if not (part := os.read(pipe, 65536)):
                    return told
                told += part
        return None
    finally:
        os.close(pipe)

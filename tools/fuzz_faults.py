"""Plants faults into a copy of the contracts, one at a time, and looks whether the properties in proof/ find them.

`python -m tools.fuzz_faults` takes each fault of proof/faults.toml: a piece of a contract, what is put in its place,
the handler whose acts meet it and the property that has to break. The copy is compiled once, with all faults in it and
each behind a switch, so that forge tries one after the other without compiling anything anew.

Exit codes: 0 each fault was found, 2 a fault fits no contract, 3 one was not found, 6 forge could not do its work.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.foundry import program
from tools.options import positive

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "proof" / "faults.toml"
COPY = ROOT / ".build" / "fuzz-faults"
FORGE = program("forge")
COPIED = ("contracts", "proof", "tools")

MISFIT, MISSED, NO_FORGE = 2, 3, 6

BROKEN = re.compile(r'Broken\("property_([A-Z][0-9]+)_')

SWITCH = """// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @dev Which fault is on: as many bytes of code lie at an address that nobody has.
library Faults {
    function on(uint256 number) internal pure returns (bool) {
        function(uint256) internal view returns (bool) asks = _on;
        function(uint256) internal pure returns (bool) told;
        assembly ("memory-safe") {
            told := asks
        }
        return told(number);
    }

    function _on(uint256 number) private view returns (bool) {
        return address(0xFA0175).code.length == number;
    }
}
"""

TEST = """// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Deployer} from "./Deployer.sol";
import {Handler} from "./Handler.sol";
import {VM} from "./Vm.sol";
import {World} from "./World.sol";
%(imports)s

interface Switches {
    function etch(address account, bytes calldata code) external;
    function envUint(string calldata name) external view returns (uint256);
    function envString(string calldata name) external view returns (string memory);
}

contract FaultsTest is Deployer {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    address[] private _targets;
    Handler private _handler;

    error Broken(string property);

    function setUp() external {
        Switches switches = Switches(address(VM));
        switches.etch(address(0xFA0175), new bytes(switches.envUint("FAULT")));
        address world = _deploy("World", "");
        _handler = Handler(_deploy(switches.envString("HANDLER"), abi.encode(world)));
        _targets.push(world);
        _targets.push(address(_handler));
        string memory beside = switches.envString("BESIDE");
        if (keccak256(bytes(beside)) == keccak256("nobody")) return;
        _targets.push(_deploy(beside, abi.encode(world)));
    }

    function invariant_everything() external view {
        string[] memory names = _handler.properties();
        string memory wanted = Switches(address(VM)).envString("PROPERTY");
        for (uint256 i = 0; i < names.length; ++i) {
            if (!_begins(names[i], wanted)) continue;
            (bool done, bytes memory answer) = address(_handler).staticcall(abi.encodeWithSignature(names[i]));
            if (!done || !abi.decode(answer, (bool))) revert Broken(names[i]);
        }
    }

    function targetContracts() external view returns (address[] memory) {
        return _targets;
    }

    /// @dev That asks for every property, and forge would stop at another than the wanted one.
    function excludeSelectors() external view returns (FuzzSelector[] memory excluded) {
        excluded = new FuzzSelector[](_targets.length - 1);
        for (uint256 i = 0; i < excluded.length; ++i) {
            excluded[i].addr = _targets[i + 1];
            excluded[i].selectors = new bytes4[](1);
            excluded[i].selectors[0] = Handler.judge.selector;
        }
    }

    function _begins(string memory name, string memory wanted) private pure returns (bool) {
        bytes memory head = abi.encodePacked("property_", wanted, "_");
        if (bytes(name).length < head.length) return false;
        for (uint256 i = 0; i < head.length; ++i) {
            if (bytes(name)[i] != head[i]) return false;
        }
        return true;
    }
}
"""


class Failure(Exception):
    """What cannot be done, in a sentence, and the exit code."""

    def __init__(self, sentence: str, code: int) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True)
class Fault:
    """A piece of a contract and what is put in its place. `beside` is a handler that has to act, too."""

    number: int
    file: str
    handler: str
    property: str
    old: str
    new: str
    within: str
    beside: str

    def __str__(self) -> str:
        place = f" in {self.within.removeprefix('function ').rstrip('(')}" if self.within else ""
        return f"{self.number:3} {self.property:4} {Path(self.file).stem}{place}: {' '.join(self.old.split())}"


def faults() -> list[Fault]:
    """The faults of the list, numbered from one."""
    told = tomllib.loads(LIST.read_text())["fault"]
    return [Fault(number=number, **{"within": "", "beside": "", **each}) for number, each in enumerate(told, start=1)]


def planted(text: str, fault: Fault) -> str:
    """A file with a fault behind its switch."""
    start = text.find(fault.within)
    at = text.find(fault.old, start)
    if start < 0 or at < 0 or (not fault.within and text.count(fault.old) > 1):
        raise Failure(f"{fault.file} has not, or not once: {fault.old}", MISFIT)
    switched = f"if (Faults.on({fault.number})) {{ {fault.new} }} else {{ {fault.old} }}"
    return text[:at] + switched + text[at + len(fault.old) :]


def with_faults(file: str, every: Sequence[Fault]) -> str:
    """A file of the contracts with its faults behind their switches. Raises Failure where one has no place in it."""
    text = (ROOT / file).read_text()
    for fault in every:
        if fault.file == file:
            text = planted(text, fault)
    return text


def copy(every: Sequence[Fault]) -> None:
    """Lays the copy out. What forge compiled there before stays, as far as it is the same."""
    for folder in COPIED:
        _copy_folder(folder)
    shutil.copy2(ROOT / "foundry.toml", COPY)
    (COPY / ".build" / "solcx").mkdir(parents=True, exist_ok=True)
    for link, target in ((COPY / "node_modules", ROOT / "node_modules"), *_compilers()):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    (COPY / "contracts" / "Faults.sol").write_text(SWITCH)
    for file in sorted({fault.file for fault in every}):
        text = with_faults(file, every)
        up = "../" * (len(Path(file).parts) - 2) or "./"
        lines = text.split("\n")
        at = next(number for number, line in enumerate(lines) if line.startswith("pragma"))
        lines.insert(at + 1, f'import {{Faults}} from "{up}Faults.sol";')
        (COPY / file).write_text("\n".join(lines))
    handlers = sorted({name for fault in every for name in (fault.handler, fault.beside) if name})
    for path in (COPY / "proof" / "handlers").iterdir():
        if path.stem not in handlers:
            path.unlink()
    imports = "\n".join(f'import {{{name}}} from "./handlers/{name}.sol";' for name in handlers)
    (COPY / "proof" / "Faults.t.sol").write_text(TEST % {"imports": imports})


def _copy_folder(folder: str) -> None:
    shutil.rmtree(COPY / folder, ignore_errors=True)
    shutil.copytree(ROOT / folder, COPY / folder, ignore=shutil.ignore_patterns("__pycache__", "*.t.sol"))


def _compilers() -> Iterator[tuple[Path, Path]]:
    """Forge's compiler, beside the tool that it is a link to."""
    for compiler in (ROOT / ".build" / "solcx").iterdir():
        yield COPY / ".build" / "solcx" / compiler.name, COPY / "tools" / compiler.resolve().name


def found(fault: Fault, *, runs: int, depth: int) -> tuple[str, float]:
    """The property that the fault broke, empty where none did, and the seconds of that."""
    environment = {
        **os.environ,
        "FAULT": str(fault.number),
        "HANDLER": fault.handler,
        "BESIDE": fault.beside or "nobody",
        "PROPERTY": fault.property,
        "FOUNDRY_INVARIANT_RUNS": str(runs),
        "FOUNDRY_INVARIANT_DEPTH": str(depth),
        "FOUNDRY_INVARIANT_SHRINK_RUN_LIMIT": "0",
    }
    # What broke before is another fault's: forge would play it again instead of looking for this one's.
    shutil.rmtree(COPY / ".build" / "forge" / "failures", ignore_errors=True)
    start = time.monotonic()
    told = _forge("test", "--match-contract", "FaultsTest", environment=environment)
    took = time.monotonic() - start
    hit = BROKEN.search(told)
    if hit is None and "invariant_everything() (runs:" not in told:
        raise Failure(f"forge could not try fault {fault.number}: {told[-600:]}", NO_FORGE)
    return (hit.group(1) if hit else "", took)


def _forge(*arguments: str, environment: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            [FORGE, *arguments], cwd=COPY, env=environment, capture_output=True, text=True, check=False
        )
    except OSError as fault:
        raise Failure(f"forge cannot be started: {fault}. `make setup` installs it.", NO_FORGE) from fault
    return done.stdout + done.stderr


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz_faults", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default="", help="the faults of one handler, or of one property")
    parser.add_argument(
        "--runs", type=positive(int), default=12, help="how many stories forge tells for each fault (12)"
    )
    parser.add_argument("--depth", type=positive(int), default=250, help="how many acts a story has (250)")
    options = parser.parse_args(arguments)
    try:
        every = faults()
        chosen = [fault for fault in every if options.only in ("", fault.handler, fault.property)]
        if not chosen:
            raise Failure(f"No fault is for {options.only}.", MISFIT)
        copy(every)
        built = _forge("build")
        if "Compiler run successful" not in built and "No files changed" not in built:
            raise Failure(f"The copy does not compile: {built[-1000:]}", NO_FORGE)
        missed = 0
        for fault in chosen:
            number, seconds = found(fault, runs=options.runs, depth=options.depth)
            missed += not number
            print(f"{'found ' if number else 'MISSED'} {seconds:6.1f} s {fault}", flush=True)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return failure.code
    print(f"{len(chosen) - missed} of {len(chosen)} faults were found.")
    return MISSED if missed else 0


if __name__ == "__main__":
    sys.exit(main())

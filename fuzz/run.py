"""Feeds one target, in a process of its own: `python -m fuzz.run TARGET SECONDS FOLDER ENGINE`.

FOLDER gets what was found (fault-...), the input at hand (at-hand), and report.json. ENGINE is atheris, which reads
what code an input reached and goes on from what reached more, or plain, which only changes what is kept.
"""

import hashlib
import json
import os
import random
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOM = 6 << 30
"""Bytes of address space for the whole process, libraries included."""


class Run:
    """What is counted and found while a target is fed."""

    def __init__(self, target: Any, seconds: float, folder: Path) -> None:
        self.target = target
        self._seconds = seconds
        self._folder = folder
        self._hand = os.open(folder / "at-hand", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        self._found: dict[Any, bytes] = {}
        self.executions = 0
        self._began = time.process_time()

    @property
    def is_over(self) -> bool:
        return self.is_past(1)

    def is_past(self, share: float) -> bool:
        """Whether so much of the time is over."""
        return time.process_time() - self._began >= share * self._seconds

    def feed(self, data: bytes) -> None:
        from fuzz.watch import fault_of

        # What ends the process is found by who started it.
        os.pwrite(self._hand, data, 0)
        os.ftruncate(self._hand, len(data))
        fault = fault_of(self.target, data, memory=self.executions % 16 == 0)
        self.executions += 1
        if fault is not None and len(data) < len(self._found.get(fault, data + b"x")):
            self._found[fault] = data
            name = hashlib.sha256(str((fault.kind, fault.place)).encode()).hexdigest()[:8]
            (self._folder / f"fault-{name}").write_bytes(data)
            self.report()

    def report(self) -> None:
        told = {
            "target": self.target.name,
            "executions": self.executions,
            "seconds": time.process_time() - self._began,
            "faults": [str(each) for each in self._found],
        }
        path = self._folder / "report.json"
        path.with_suffix(".new").write_text(json.dumps(told))
        path.with_suffix(".new").replace(path)


def _feed_in_order(run: Run, seeds: Sequence[bytes]) -> None:
    """What is kept, then every value of it in turn as others: chance has at least half of the time."""
    from fuzz.changes import swapped

    for seed in seeds:
        run.feed(seed)
    for seed in sorted(seeds, key=len):
        for data in swapped(seed):
            if run.is_past(0.5):
                return
            run.feed(data)


def _plain(name: str, seconds: float, folder: Path) -> None:
    from fuzz.changes import change
    from fuzz.targets import target_named

    target = target_named(name)
    seeds = target.seeds() or [b""]
    run = Run(target, seconds, folder)
    draw = random.Random(name)
    _feed_in_order(run, seeds)
    while not run.is_over:
        for _ in range(50):
            run.feed(change(draw.choice(seeds), draw.randrange, seeds, target.words, target.longest))
    run.report()


def _atheris(name: str, seconds: float, folder: Path) -> None:
    import atheris

    with atheris.instrument_imports(include=["theriac", "rlp", "biip", "shamir_mnemonic"]):
        from fuzz.targets import target_named

        target = target_named(name)
    from fuzz.changes import change

    seeds = target.seeds() or [b""]
    run = Run(target, seconds, folder)
    _feed_in_order(run, seeds)

    def one(data: bytes) -> None:
        run.feed(data)
        if run.executions % 50 == 0 and run.is_over:
            run.report()
            os._exit(0)

    def mutated(data: bytes, longest: int, number: int) -> bytes:
        draw = random.Random(number)
        if draw.random() < 0.3:
            return bytes(atheris.Mutate(data, longest))
        return change(data, draw.randrange, seeds, target.words, min(longest, target.longest))[:longest]

    grown = folder / "corpus"
    grown.mkdir(exist_ok=True)
    words = [
        str(grown),
        # Of a folder that is not there it makes an error, and there is none where nothing is kept.
        *([str(target.folder)] if target.folder.exists() else []),
        f"-max_len={target.longest}",
        "-timeout=86400",
        f"-artifact_prefix={folder}/",
        "-rss_limit_mb=0",
        "-verbosity=0",
    ]
    atheris.Setup([sys.argv[0], *words, "-seed=1", "-print_final_stats=0"], one, custom_mutator=mutated)
    atheris.Fuzz()


def main() -> None:
    name, seconds, folder, engine = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    (_atheris if engine == "atheris" else _plain)(name, float(seconds), Path(folder))


if __name__ == "__main__":
    main()

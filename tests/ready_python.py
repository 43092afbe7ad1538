"""Python processes that have read their modules before they begin.

Reading Ape, web3 and what stands on them takes a process more than a second, and what most tests have it do takes a
tenth of that. Here one process reads them, once, and every other one is forked off it: with a memory, files, signals
and an environment of its own, as any process.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
PLACES = [str(ROOT), str(ROOT / "tests")]


class Started:
    """A Python program that runs, to be used as a `subprocess.Popen` with a pipe for each of its streams.

    `program` is what `python -c` would be given, `words` what stands behind it.
    """

    def __init__(
        self, program: str, words: Sequence[object] = (), *, env: Mapping[str, str] | None = None, text: bool = False
    ) -> None:
        (their_in, our_in), (our_out, their_out), (our_err, their_err) = os.pipe(), os.pipe(), os.pipe()
        theirs = [
            Connection(their_in, writable=False),
            Connection(their_out, readable=False),
            Connection(their_err, readable=False),
        ]
        told = (program, [str(word) for word in words], dict(os.environ if env is None else env), theirs)
        self._process = _forking().Process(target=_run, args=told, daemon=True)
        self._process.start()
        for end in theirs:
            end.close()
        mode = "" if text else "b"
        self.stdin: IO[Any] | None = os.fdopen(our_in, "w" + mode)
        self.stdout: IO[Any] = os.fdopen(our_out, "r" + mode)
        self.stderr: IO[Any] = os.fdopen(our_err, "r" + mode)
        self._readers: list[threading.Thread] = []
        self._said: dict[int, Any] = {}

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("python", timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[Any, Any]:
        """Ends its input, and waits until it has ended; what it printed, and what it printed as errors."""
        if self.stdin is not None and not self.stdin.closed:
            self.stdin.close()
        if not self._readers:
            self._readers = [threading.Thread(target=self._read, args=(number,), daemon=True) for number in (0, 1)]
            for reader in self._readers:
                reader.start()
        self.wait(timeout)
        for reader in self._readers:
            reader.join()
        return self._said[0], self._said[1]

    def _read(self, number: int) -> None:
        with (self.stdout, self.stderr)[number] as stream:
            self._said[number] = stream.read()


def file(path: Path) -> str:
    """The program that stands in a file."""
    return f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')"


@cache
def _forking() -> Any:
    """What starts such processes."""
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ready_modules"])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([*PLACES, *filter(None, [before])])
    try:
        from multiprocessing.forkserver import ensure_running

        ensure_running()
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
    return context


def _run(program: str, words: list[str], environment: dict[str, str], ends: list[Connection]) -> None:
    """Is the program, in its process."""
    for number, end in enumerate(ends):
        os.dup2(end.fileno(), number)
        end.close()
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["-c", *words]
    exec(compile(program, "<program>", "exec"), {"__name__": "__main__"})

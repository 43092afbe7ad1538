"""A program that runs in the background and is found again: by the file with its number, beside what it keeps."""

import ctypes
import errno
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

LOOPBACK = "127.0.0.1"

_STOP_SECONDS = 30.0
_SECRET = ("_PASSPHRASE", "_MNEMONIC")
_STANDING = {"T", "t", "Z", "X"}
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


class EngineError(Exception):
    """An engine cannot be had, or does not do what it should: one sentence."""


class Daemon:
    """One program with its log and its number in `folder`.

    `lasting` lets it outlive whoever starts it; else the kernel ends it with the thread that did. `command` may begin
    with a way to run it elsewhere, such as `ip netns exec NAME`.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        name: str,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        lasting: bool = False,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.command = [str(part) for part in command]
        self._folder = folder
        self._environment = _without_secrets(os.environ) | dict(environment or {})
        self._lasting = lasting
        self._number = folder / f"{name}.pid"
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its number in the system, if it runs."""
        if self._child is not None:
            return self._child.pid if self._child.poll() is None else None
        try:
            noted, begun = self._number.read_text().split()
        except (OSError, ValueError):
            return None
        # A number is given to another program in time; the moment it was started tells them apart.
        return int(noted) if begun == _begun(int(noted)) else None

    @property
    def running(self) -> bool:
        return self.pid is not None

    def start(self) -> None:
        """Starts it unless it runs."""
        if self.running:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        parent = os.getpid()

        def bound() -> None:
            ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

        with open(self.log, "ab") as log:
            # In a session of its own: an interrupt at the terminal does not reach it.
            self._child = subprocess.Popen(
                self.command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=None if self._lasting else bound,
            )
        self._number.write_text(f"{self._child.pid} {_begun(self._child.pid)}")

    def wait(self, answers: Callable[[], bool], *, seconds: float) -> None:
        """Waits until `answers` is true. Raises EngineError where it ends or does not answer in time."""
        deadline = time.monotonic() + seconds
        while self.running:
            with suppress(OSError, EngineError):
                if answers():
                    return
            if time.monotonic() > deadline:
                raise EngineError(f"{self.name} does not answer after {seconds:g} s: {self.said()}")
            time.sleep(0.05)
        raise EngineError(f"{self.name} ended at once: {self.said()}")

    def said(self) -> str:
        """The last line of its log."""
        with suppress(OSError):
            lines = self.log.read_bytes()[-4000:].decode(errors="replace").strip().splitlines()
            return lines[-1] if lines else "it says nothing"
        return "it says nothing"

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self._signal(signal.SIGKILL)
        self._gone(_STOP_SECONDS)

    def stop(self) -> None:
        """Ends it, by force where it does not end by itself."""
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGTERM)
        if not self._gone(_STOP_SECONDS):
            self.kill()
        self._number.unlink(missing_ok=True)

    def suspend(self) -> None:
        """Has it answer nothing, while its connections stay."""
        self._signal(signal.SIGSTOP)
        # A thread of it that runs on another core stops a moment later, and could answer until then.
        deadline = time.monotonic() + _STOP_SECONDS
        while (pid := self.pid) is not None and set(_states(pid)) - _STANDING:
            if time.monotonic() > deadline:
                raise EngineError(f"{self.name} does not stand still after {_STOP_SECONDS:g} s.")
            time.sleep(0.01)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        pid = self.pid
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _gone(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.running:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


class Engine:
    """Something that runs, as long as a `with` lasts or from `start` to `stop`."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError


class Node(Engine):
    """An engine that is one program."""

    daemon: Daemon

    @property
    def running(self) -> bool:
        return self.daemon.running

    def stop(self) -> None:
        """Ends it, by force where it does not end by itself."""
        self.daemon.stop()

    def kill(self) -> None:
        """Ends it as a power cut would; `start` runs it again."""
        self.daemon.kill()


class ChainNode(Node):
    """A node of a chain, asked over HTTP."""

    @property
    def url(self) -> str:
        raise NotImplementedError

    def ask(self, method: str, *parameters: Any, seconds: float = 10.0) -> Any:
        """What it answers. Raises EngineError, OSError."""
        return ask(self.url, method, *parameters, seconds=seconds)

    def height(self) -> int:
        return int(self.ask("eth_blockNumber"), 16)


class _Running(Protocol):
    @property
    def running(self) -> bool: ...


_R = TypeVar("_R", bound=_Running)


def serve(engine: AbstractContextManager[_R], told: Callable[[_R], Iterable[str]]) -> int:
    """Runs an engine for a command line until it ends or is interrupted, and prints what is `told` of it once it runs.

    Returns the exit code.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with engine as ready:
            print("\n".join(told(ready)), flush=True)
            while ready.running:
                time.sleep(1)
    except KeyboardInterrupt:
        return 0
    except EngineError as error:
        print(error, file=sys.stderr)
    return 6


def side_by_side(works: Iterable[Callable[[], object]]) -> None:
    """Does all of it at once, and raises the first fault when all have ended."""
    faults: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as fault:
            faults.append(fault)

    running = [threading.Thread(target=run, args=(work,)) for work in works]
    for each in running:
        each.start()
    for each in running:
        each.join()
    for fault in faults:
        raise fault


def _without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """What a program needs of the environment: not what opens the keys of whoever happens to start it."""
    return {name: each for name, each in environment.items() if not name.endswith(_SECRET)}


def _begun(pid: int) -> str:
    """When a program was started, in the kernel's ticks since it was; empty where it is gone or only not yet reaped."""
    fields = _status(Path(f"/proc/{pid}/stat"))
    return "" if not fields or fields[0] == "Z" else fields[19]


def _states(pid: int) -> list[str]:
    """The state of each thread of a program, in the letters of proc(5)."""
    found = (_status(task) for task in Path(f"/proc/{pid}/task").glob("*/stat"))
    return [fields[0] for fields in found if fields]


def _status(path: Path) -> list[str]:
    """What the kernel says of a program or a thread from its state on, see proc(5); nothing where it is gone."""
    with suppress(OSError):
        return path.read_text().rpartition(")")[2].split()
    return []


_given: set[int] = set()


def free_port(host: str = LOOPBACK) -> int:
    """A TCP port that nobody listens on now, and that the system will give to no outgoing connection."""
    while True:
        # The system takes 32768 to 60999 for those; a port that is kept for later must not be one of them.
        port = secrets.randbelow(22_000) + 10_000
        if port in _given:
            continue
        with socket.socket() as listener:
            try:
                listener.bind((host, port))
            except OSError as taken:
                if taken.errno != errno.EADDRINUSE:
                    raise
                continue
        _given.add(port)
        return port


def built(engine: str, program: str) -> Path:
    """Where `build.sh` leaves a program of an engine."""
    return Path(__file__).resolve().parents[1] / ".build" / "engines" / engine / "bin" / program


def need(binary: Path, *, engine: str) -> None:
    """Raises EngineError where a program is not built."""
    if not os.access(binary, os.X_OK):
        raise EngineError(f"{engine} is not built; run `make engine-{engine}`, which needs Go 1.26.")


def answer_of(request: urllib.request.Request, *, seconds: float = 10.0) -> bytes:
    """What a program on this machine answers, asked without a proxy that the environment may name. Raises OSError."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=seconds) as answer:
        return bytes(answer.read())


def ask(url: str, method: str, *parameters: Any, seconds: float = 10.0) -> Any:
    """What a chain's node answers to a JSON-RPC request. Raises EngineError where it refuses, OSError."""
    asked = urllib.request.Request(url, _question(method, parameters), headers={"Content-Type": "application/json"})
    return _result(method, json.loads(answer_of(asked, seconds=seconds)))


def ask_socket(path: Path, method: str, *parameters: Any, seconds: float = 10.0) -> Any:
    """The same at a socket in the file system. Raises EngineError where it refuses or falls silent, OSError."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(seconds)
        line.connect(str(path))
        line.sendall(_question(method, parameters) + b"\n")
        heard = b""
        while part := line.recv(1 << 16):
            heard += part
            with suppress(ValueError):
                return _result(method, json.loads(heard))
    raise EngineError(f"{method}: {path} closed before it answered.")


def _question(method: str, parameters: Sequence[Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()


def _result(method: str, told: Any) -> Any:
    if "error" in told:
        raise EngineError(f"{method}: {told['error'].get('message')}")
    return told["result"]

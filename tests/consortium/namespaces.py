"""Machines of their own on this one: network namespaces at a bridge, each with an address and a loopback of its own.

They need root and `ip` of iproute2. Commands run in them by `Inside`, a process in the namespace that works like a
shell: it keeps Python and its packages loaded.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType

from said import Said

ROOT = Path(__file__).resolve().parents[2]

MISSING = "needs root and `ip netns` (iproute2), to give each organisation a network of its own"

# 198.18.0.0/15 is for tests of networks (RFC 2544): nobody's machine is there.
_NET = "198.18"

_MADE = count()


def can_make() -> bool:
    """Whether namespaces can be made here."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"th{os.getpid()}x"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True)
    subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return made.returncode == 0


class Inside:
    """A process in a namespace that runs commands there, with the environment that a shell would have."""

    def __init__(self, namespace: str, settings: Mapping[str, str]) -> None:
        self.namespace = namespace
        self.settings = dict(settings)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, sys.executable, __file__],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._one = threading.Lock()

    def run(self, *words: str, **settings: str) -> Said:
        """`ape run` with these words, in the namespace."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._one:
            asked = {"words": words, "settings": {**self.settings, **settings}}
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            return Said(**json.loads(self._process.stdout.readline()))

    def done(self, *words: str, **settings: str) -> Said:
        """The same where it must succeed."""
        said = self.run(*words, **settings)
        assert said.code == 0, (self.namespace, words, said.err)
        return said

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Namespaces:
    """Namespaces named after a test's process, each with its address at one bridge. Always taken away again."""

    def __init__(self, names: Sequence[str]) -> None:
        # The kernel takes names of links up to 15 letters.
        self._mark = f"th{os.getpid() % 100_000}{chr(ord('a') + next(_MADE) % 26)}"
        self.names = list(names)
        self._net = f"{_NET}.{os.getpid() % 200 + 20}"
        self._inside: list[Inside] = []

    def host(self, name: str) -> str:
        return f"{self._net}.{self.names.index(name) + 10}"

    def namespace(self, name: str) -> str:
        return f"{self._mark}-{name}"

    def __enter__(self) -> "Namespaces":
        try:
            _ip("link", "add", self._bridge, "type", "bridge")
            _ip("link", "set", self._bridge, "up")
            for place, name in enumerate(self.names):
                space, near, far = self.namespace(name), f"{self._mark}n{place}", f"{self._mark}f{place}"
                _ip("netns", "add", space)
                _ip("link", "add", near, "type", "veth", "peer", "name", far)
                _ip("link", "set", near, "master", self._bridge, "up")
                _ip("link", "set", far, "netns", space)
                _ip("-n", space, "addr", "add", f"{self.host(name)}/24", "dev", far)
                _ip("-n", space, "link", "set", far, "up")
                _ip("-n", space, "link", "set", "lo", "up")
        except BaseException:
            self._clear()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for each in self._inside:
            each.close()
        self._clear()

    def inside(self, name: str, settings: Mapping[str, str]) -> Inside:
        """A process that runs commands in a namespace."""
        made = Inside(self.namespace(name), settings)
        self._inside.append(made)
        return made

    def cut(self, name: str) -> None:
        """Takes a machine off the net, as if its cable were drawn."""
        _ip("link", "set", f"{self._mark}n{self.names.index(name)}", "down")

    def mend(self, name: str) -> None:
        _ip("link", "set", f"{self._mark}n{self.names.index(name)}", "up")

    @property
    def _bridge(self) -> str:
        return f"{self._mark}br"

    def _clear(self) -> None:
        for name in self.names:
            # What still runs inside, whoever started it, would keep the namespace alive.
            listed = subprocess.run(["ip", "netns", "pids", self.namespace(name)], capture_output=True, text=True)
            for pid in listed.stdout.split():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), 9)
            subprocess.run(["ip", "netns", "del", self.namespace(name)], capture_output=True)
        for place in range(len(self.names)):
            subprocess.run(["ip", "link", "del", f"{self._mark}n{place}"], capture_output=True)
        subprocess.run(["ip", "link", "del", self._bridge], capture_output=True)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stderr)


def _serve() -> None:
    """Runs each command that comes as a line of JSON, and answers with a line."""
    import importlib

    from click.testing import CliRunner

    for line in sys.stdin:
        asked = json.loads(line)
        words = asked["words"]
        script = importlib.import_module(f"scripts.{words[0]}")
        called = CliRunner(mix_stderr=False, env=asked["settings"]).invoke(script.cli, words[1:])
        answer = {"code": called.exit_code, "out": called.stdout, "err": called.stderr}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve()

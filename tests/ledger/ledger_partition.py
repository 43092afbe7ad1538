"""Network namespaces on one bridge, between which the way can be cut: machines of their own, as far as nodes see."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Machines:
    """Namespaces by name, each with one address; this machine reaches them all, whatever is cut between them."""

    names: Sequence[str]
    hosts: Sequence[str]

    @property
    def prefixes(self) -> list[tuple[str, ...]]:
        """What runs a command on each."""
        return [("ip", "netns", "exec", name) for name in self.names]

    def part(self, one: Sequence[int], other: Sequence[int]) -> None:
        """Cuts every way between two groups. What is sent into the cut is lost without an answer."""
        self._ways("add", one, other)

    def heal(self, one: Sequence[int], other: Sequence[int]) -> None:
        self._ways("del", one, other)

    def _ways(self, change: str, one: Sequence[int], other: Sequence[int]) -> None:
        for here, there in [(a, b) for a in one for b in other] + [(b, a) for a in one for b in other]:
            _ip("-n", self.names[here], "route", change, "blackhole", f"{self.hosts[there]}/32")


@contextmanager
def machines(count: int) -> Iterator[Machines]:
    """So many, for as long as the block lasts. Skips where namespaces cannot be made: that takes root."""
    if os.geteuid() or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and the command 'ip' (iproute2): run this test as root.")
    # The number of this process keeps several runs on one machine apart; the net is one that is for tests (RFC 2544).
    mark, part = os.getpid() % 100_000, os.getpid() % 250
    names = [f"th{mark}n{number}" for number in range(count)]
    hosts = [f"198.18.{part}.{number + 10}" for number in range(count)]
    bridge = f"th{mark}b"
    try:
        _ip("link", "add", bridge, "type", "bridge")
        _ip("address", "add", f"198.18.{part}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for number, (name, host) in enumerate(zip(names, hosts, strict=True)):
            _ip("netns", "add", name)
            near, far = f"th{mark}v{number}", f"th{mark}p{number}"
            _ip("link", "add", near, "type", "veth", "peer", "name", far)
            _ip("link", "set", far, "netns", name)
            _ip("link", "set", near, "master", bridge, "up")
            _ip("-n", name, "address", "add", f"{host}/24", "dev", far)
            _ip("-n", name, "link", "set", "lo", "up")
            _ip("-n", name, "link", "set", far, "up")
        yield Machines(names, hosts)
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", bridge], capture_output=True, check=False)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"network namespaces cannot be made here ({done.stderr.strip()}): run this test where they can.")

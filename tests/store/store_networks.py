"""Machines that are network namespaces of this one, on a switch whose cables can be pulled."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_NEWNET = 0x40000000  # CLONE_NEWNET of setns(2)


class Cables:
    """`count` namespaces with an IPv4 address each, all on one switch, which is in a namespace of its own."""

    def __init__(self, count: int) -> None:
        self._hub = f"thub{os.getpid()}"
        self.names = [f"th{os.getpid()}n{number}" for number in range(count)]
        self.hosts = [f"10.213.0.{number + 1}" for number in range(count)]

    @staticmethod
    def can() -> bool:
        """Whether this machine lets us make namespaces with cables."""
        probe = f"thprobe{os.getpid()}"
        try:
            subprocess.run(["ip", "netns", "add", probe], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return False
        try:
            made = subprocess.run(["ip", "-n", probe, "link", "add", "hub", "type", "bridge"], capture_output=True)
            return made.returncode == 0
        finally:
            subprocess.run(["ip", "netns", "del", probe], check=True)

    def __enter__(self) -> "Cables":
        _ip("netns", "add", self._hub)
        _ip("-n", self._hub, "link", "add", "hub", "type", "bridge")
        _ip("-n", self._hub, "link", "set", "hub", "up")
        for number, (name, host) in enumerate(zip(self.names, self.hosts, strict=True)):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", f"port{number}", "netns", self._hub)
            _ip("-n", name, "addr", "add", f"{host}/24", "dev", "eth0")
            for each in ("lo", "eth0"):
                _ip("-n", name, "link", "set", each, "up")
            _ip("-n", self._hub, "link", "set", f"port{number}", "master", "hub", "up")
        return self

    def __exit__(self, *_: object) -> None:
        for name in (*self.names, self._hub):
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "del", name)

    def pull(self, number: int) -> None:
        _ip("-n", self._hub, "link", "set", f"port{number}", "down")

    def plug(self, number: int) -> None:
        _ip("-n", self._hub, "link", "set", f"port{number}", "up")

    @contextmanager
    def at(self, number: int) -> Iterator[None]:
        """What this thread opens or starts meanwhile is on that machine."""
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.names[number]}", os.O_RDONLY)
        try:
            _enter(there)
            yield
        finally:
            _enter(here)
            os.close(here)
            os.close(there)


def _enter(handle: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(handle, _NEWNET):
        raise OSError(ctypes.get_errno(), "cannot enter the network namespace")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)

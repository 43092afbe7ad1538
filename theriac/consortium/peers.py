"""Where an organisation's nodes are, as one tells others. What comes from others is checked: it names whom to call."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from ipaddress import IPv4Address
from typing import Any

from theriac.errors import BadPeer

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_HOST = r"(?P<host>[0-9]{1,3}(?:\.[0-9]{1,3}){3})"
_PORT = r"(?P<port>[1-9][0-9]{0,4})"
_CHAIN = re.compile(rf"kni://(?P<key>[0-9a-f]{{128}})@{_HOST}:{_PORT}\?discport=0&ntype=cn")
_STORE = re.compile(rf"/ip4/{_HOST}/tcp/{_PORT}/p2p/(?P<key>[1-9A-HJ-NP-Za-km-z]{{40,64}})")


@dataclass(frozen=True)
class Card:
    """What others need to reach an organisation's nodes; nothing in it is secret.

    `chain` is its node's address as Kaia writes it; `store`, `guests` and `cluster` are multiaddresses with the peer's
    name, empty where it has none. `validates` says that its node seals blocks.
    """

    name: str
    validates: bool
    chain: str
    store: str = ""
    guests: str = ""
    cluster: str = ""

    @classmethod
    def parse(cls, values: Any) -> "Card":
        """A card that somebody gave. Raises BadPeer."""
        names = {each.name for each in fields(cls)}
        if not isinstance(values, Mapping) or set(values) != names:
            raise BadPeer(name="?", fault=f"it must have exactly the fields {', '.join(sorted(names))}")
        name = values["name"]
        if not is_name(name):
            raise BadPeer(name=str(name)[:60], fault="a name has a-z, 0-9 and '-', 40 at most")
        if not isinstance(values["validates"], bool):
            raise BadPeer(name=name, fault="whether it validates must be true or false")
        addresses = {each: values[each] for each in ("chain", "store", "guests", "cluster")}
        if not all(isinstance(each, str) for each in addresses.values()):
            raise BadPeer(name=name, fault="its addresses must be texts")
        _host(_CHAIN, addresses["chain"], name=name)
        for each in ("store", "guests", "cluster"):
            if addresses[each]:
                _host(_STORE, addresses[each], name=name)
        if len({bool(addresses[each]) for each in ("store", "guests", "cluster")}) > 1:
            raise BadPeer(name=name, fault="it has a store, a node for guests and a Cluster peer, or none of them")
        return cls(name, values["validates"], **addresses)

    @property
    def hosts(self) -> set[str]:
        """The addresses of the machines that it names."""
        found = {_match(_CHAIN, self.chain)["host"]}
        return found | {_match(_STORE, each)["host"] for each in (self.store, self.guests, self.cluster) if each}

    @property
    def keys(self) -> set[str]:
        """What its nodes prove to be: the chain node's public key, and the names of the others."""
        found = {_match(_CHAIN, self.chain)["key"]}
        return found | {_match(_STORE, each)["key"] for each in (self.store, self.guests, self.cluster) if each}

    def check_beside(self, others: Iterable["Card"]) -> None:
        """Raises BadPeer where it stands in another's place, or names a machine that others cannot mean."""
        others = [each for each in others if each != self]
        for each in others:
            if each.name == self.name:
                raise BadPeer(name=self.name, fault="another organisation has this name")
            if each.keys & self.keys:
                raise BadPeer(name=self.name, fault=f"one of its nodes is already that of {each.name}")
        elsewhere = [host for each in others for host in each.hosts if not IPv4Address(host).is_loopback]
        if elsewhere and any(IPv4Address(host).is_loopback for host in self.hosts):
            raise BadPeer(name=self.name, fault="its nodes are on loopback, where others cannot reach them")


def is_name(value: Any) -> bool:
    """Whether a value can name an organisation: in folders, in files, between peers."""
    return isinstance(value, str) and bool(_NAME.fullmatch(value))


def _match(pattern: re.Pattern[str], address: str) -> re.Match[str]:
    found = pattern.fullmatch(address)
    assert found is not None, "a card is checked where it is made"
    return found


def _host(pattern: re.Pattern[str], address: str, *, name: str) -> None:
    found = pattern.fullmatch(address)
    if found is None or int(found["port"]) > 65535:
        raise BadPeer(name=name, fault=f"{address[:80]!r} is no address of a node")
    try:
        host = IPv4Address(found["host"])
    except ValueError:
        raise BadPeer(name=name, fault=f"{found['host']} is no address of a machine") from None
    if host.is_unspecified or host.is_multicast or int(host) == 2**32 - 1:
        raise BadPeer(name=name, fault=f"{host} is the address of no single machine")

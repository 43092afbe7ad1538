"""A plan's benefit schedule: rows under salted numbers, their Merkle tree, and the document that tells the codes.

A service's number is made under a secret that is new each plan year, so that the chain does not say what was done. The
document is sealed to those who have to know it: the insurer, whoever is enrolled, who claims. Each of them can tell the
services of every claim of that year.

The tree is that of OpenZeppelin's merkle-tree for JavaScript (StandardMerkleTree): leaves are hashed twice and sorted,
the nodes of a complete tree lie in one array, and a node is the hash of its two children in ascending order.
"""

import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from theriac.cover.policies import MOST_AMOUNT, Plan, Service
from theriac.cover.rules import NONE, Benefit, Kind
from theriac.errors import BadDocument, BadSchedule
from theriac.health import documents
from theriac.health.scope import Category, Level

SECRET = 32

BENEFIT_TYPE = "(bytes32,bytes32,uint8,uint64,uint64,uint16,bool,bool,bool,uint16,uint16,uint16,uint8)"
"""IRules.Benefit, as the ABI writes it."""

_KIND = "schedule"


def new_secret() -> bytes:
    """The secret of a plan year."""
    return secrets.token_bytes(SECRET)


def service_id(secret: bytes, canonical: str) -> bytes:
    """The salted number of a service: HMAC-SHA256 of `system|code`."""
    return hmac.digest(secret, canonical.encode(), sha256)


def bundle_id(secret: bytes, name: str) -> bytes:
    """The salted number of a bundle. No service is written with a zero in front, so that it is no service's."""
    return hmac.digest(secret, b"\0bundle|" + name.encode(), sha256) if name else NONE


def leaf_of(benefit: Benefit) -> bytes:
    """What the tree has of a row."""
    return keccak(keccak(encode([BENEFIT_TYPE], [benefit.as_tuple()])))


@dataclass(frozen=True)
class Tree:
    """Nodes from the root on, those of a level from left to right; the children of node i are 2i + 1 and 2i + 2."""

    nodes: tuple[bytes, ...]

    @classmethod
    def of(cls, leaves: Iterable[bytes]) -> "Tree":
        ascending = sorted(leaves)
        nodes = [b""] * (len(ascending) - 1) + ascending[::-1]
        for at in reversed(range(len(ascending) - 1)):
            nodes[at] = parent_of(nodes[2 * at + 1], nodes[2 * at + 2])
        return cls(tuple(nodes))

    @property
    def root(self) -> bytes:
        return self.nodes[0]

    def proof(self, leaf: bytes) -> list[bytes]:
        """The nodes beside a leaf's path, lowest first."""
        at = self._places[leaf]
        proof = []
        while at:
            proof.append(self.nodes[at - 1 if at % 2 == 0 else at + 1])
            at = (at - 1) // 2
        return proof

    @cached_property
    def _places(self) -> dict[bytes, int]:
        return {node: at for at, node in enumerate(self.nodes)}


def parent_of(one: bytes, other: bytes) -> bytes:
    """A node from its two children, which it does not tell apart."""
    return keccak(min(one, other) + max(one, other))


@dataclass(frozen=True)
class Entry:
    """A service and its row."""

    service: Service
    benefit: Benefit


@dataclass(frozen=True)
class Schedule:
    """What the rows of a plan year stand for; with `secret` everyone can check their numbers."""

    name: str
    year: int
    decimals: int
    currency: str
    secret: bytes = field(repr=False)
    entries: tuple[Entry, ...]

    def __repr__(self) -> str:
        return f"Schedule({self.name!r}, {self.year}, ...)"

    @classmethod
    def of(cls, plan: Plan, secret: bytes) -> "Schedule":
        """The schedule of a plan, its services in the order of their codes."""
        services = sorted(plan.services, key=lambda service: service.canonical)
        return cls._of(plan.name, plan.year, plan.decimals, plan.currency, secret, services)

    @classmethod
    def _of(
        cls, name: str, year: int, decimals: int, currency: str, secret: bytes, services: Sequence[Service]
    ) -> "Schedule":
        entries = (
            Entry(each, each.benefit(service_id(secret, each.canonical), bundle_id(secret, each.bundle)))
            for each in services
        )
        return cls(name, year, decimals, currency, secret, tuple(entries))

    @cached_property
    def tree(self) -> Tree:
        return Tree.of(leaf_of(entry.benefit) for entry in self.entries)

    @property
    def root(self) -> bytes:
        """What the plan's terms name."""
        return self.tree.root

    def entry(self, service: bytes) -> Entry | None:
        """What a salted number stands for."""
        return self._by_number.get(service)

    def find(self, system: str, code: str) -> Entry | None:
        return self._by_number.get(service_id(self.secret, f"{system}|{code}"))

    def row(self, service: bytes) -> tuple[tuple[Any, ...], list[bytes]]:
        """A service's row and proof, as the contracts take them. Raises KeyError for one that is not listed."""
        benefit = self._by_number[service].benefit
        return benefit.as_tuple(), self.tree.proof(leaf_of(benefit))

    @cached_property
    def _by_number(self) -> dict[bytes, Entry]:
        return {entry.benefit.service: entry for entry in self.entries}

    # -- as a document -----------------------------------------------------------------------------------------------

    def encode(self) -> bytes:
        """The document, as canonical JSON (RFC 8785). It is for those who may know, sealed (`documents.seal`)."""
        return documents.encode(
            _KIND,
            {
                "name": self.name,
                "year": self.year,
                "decimals": self.decimals,
                "currency": self.currency,
                "secret": self.secret.hex(),
                "services": [_told(entry) for entry in self.entries],
            },
        )

    @classmethod
    def decode(cls, data: bytes, *, root: bytes | None = None) -> "Schedule":
        """Reads what `encode` wrote; `root` is what the plan's terms on the chain name. Raises BadSchedule."""
        try:
            told = documents.decode(_KIND, data)
            found = cls._of(
                str(told["name"]),
                _number(told["year"], 16),
                _number(told["decimals"], 8),
                str(told["currency"]),
                bytes.fromhex(told["secret"]),
                [_service(each) for each in told["services"]],
            )
            is_same = found.encode() == data
        except BadDocument as error:
            raise BadSchedule(fault=error.fault) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BadSchedule(fault="it is not written as such a document is") from None
        order = [entry.service.canonical for entry in found.entries]
        if not is_same or len(found.secret) != SECRET or not order or any(a >= b for a, b in pairwise(order)):
            raise BadSchedule(fault="it is not written as such a document is")
        if root is not None and found.root != root:
            raise BadSchedule(fault="its root is another than the plan's terms name")
        return found


def _told(entry: Entry) -> dict[str, Any]:
    service, benefit = entry.service, entry.benefit
    return {
        **vars(service),
        "service": benefit.service.hex(),
        "level": service.level.name,
        "category": service.category.value if service.category else "",
        "kind": int(service.kind),
    }


def _service(told: Mapping[str, Any]) -> Service:
    return Service(
        system=str(told["system"]),
        code=str(told["code"]),
        display=str(told["display"]),
        level=Level[told["level"]],
        category=Category(told["category"]) if told["category"] else None,
        goods=_flag(told["goods"]),
        kind=Kind(told["kind"]),
        bundle=str(told["bundle"]),
        price=_amount(told["price"]),
        copay=_amount(told["copay"]),
        coinsurance=_number(told["coinsurance"], 16),
        deductible=_flag(told["deductible"]),
        authorization=_flag(told["authorization"]),
        review=_flag(told["review"]),
        waiting_days=_number(told["waiting_days"], 16),
        most_units=_number(told["most_units"], 16),
        yearly_units=_number(told["yearly_units"], 16),
        grade=_number(told["grade"], 8),
    )


def _number(value: Any, bits: int) -> int:
    if type(value) is not int or value < 0 or value >> bits:
        raise ValueError(f"is no number of {bits} bits")
    return value


def _amount(value: Any) -> int:
    if _number(value, 64) >= MOST_AMOUNT:
        raise ValueError("is too large an amount")
    return int(value)


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("is neither true nor false")
    return value

"""Targets of theriac.ledger: JSON, ABI, deployments, what nodes answer, headers and proofs for the light client."""

import json
from functools import cache
from typing import Any

import rlp
from web3 import Web3
from web3.providers.base import BaseProvider

from fuzz.targets import ACCOUNT, Target
from theriac.errors import BadAnchor, BadDeployment, ChainLied, ChainRefused, ChainSilent, DevelopmentChain
from theriac.ledger import codec
from theriac.ledger.codec import Undecodable, parse_json
from theriac.ledger.contracts import Reverts, packaged
from theriac.ledger.deployment import Deployment
from theriac.ledger.light import kaia, proofs
from theriac.ledger.light.anchor import Anchor
from theriac.ledger.light.faults import Lie
from theriac.ledger.light.machine import question_of
from theriac.ledger.node import CallFailed, Node

WORDS = (b'"\\u', b"\\", b'"', b"[", b"{", b"1e400", b"NaN", b"-0", b"\xef\xbb\xbf", b"\x00", b"0x", b'":')

NODE = (ChainLied, ChainRefused, ChainSilent, CallFailed)


def _json(data: bytes) -> Any:
    """What a node's JSON-RPC client makes of an answer."""
    try:
        return parse_json(data)
    except ValueError:
        return None


@cache
def _functions() -> list[Any]:
    return [part["inputs"] for abi in packaged().values() for part in abi if part["type"] == "function"]


def _abi(data: bytes) -> Any:
    """The arguments of the function that the first two bytes choose."""
    functions = _functions()
    return codec.decode(functions[int.from_bytes(data[:2], "big") % len(functions)], data[2:])


@cache
def _reverts() -> Reverts:
    return Reverts(packaged(), addresses={})


class _Canned(BaseProvider):
    """A node that gives one answer to every question."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self._answer = answer

    def make_request(self, method: Any, params: Any) -> Any:
        return {"jsonrpc": "2.0", "id": 1, "result": self._answer}


_HASH: Any = "0x" + "ab" * 32


def _answered(data: bytes) -> Any:
    answer = _json(data)
    node = Node(Web3(_Canned(answer)))
    said: list[Any] = []
    for ask in (
        *(lambda: node.header(1), lambda: node.landed(_HASH), lambda: node.chain_id(), node.gas_price),
        *(lambda: node.call({"to": ACCOUNT}), lambda: node.placed_log(answer)),
    ):
        try:
            said.append(ask())
        except NODE:
            continue
    return said


def _proof(data: bytes) -> bytes:
    """A root, an address, and nodes in RLP."""
    nodes = kaia.decoded(data[52:], "proof")
    if not isinstance(nodes, list) or not all(isinstance(each, bytes) for each in nodes):
        raise Lie("no list of nodes")
    return proofs.proven(data[:32], data[32:52], nodes, "an account")


def _account(data: bytes) -> kaia.Account:
    return kaia.Account.from_leaf(data)


LIE = (Lie,)

TARGETS = [
    Target(
        name="json",
        entry="theriac.ledger.codec:parse_json",
        read=parse_json,
        may=(ValueError,),
        limit="64 levels; UTF-8",
        words=WORDS,
        longest=1 << 18,
    ),
    Target(
        name="abi",
        entry="theriac.ledger.codec:decode",
        read=_abi,
        may=(Undecodable,),
        limit="what a node's answer may have; no offset twice as far",
        words=(bytes(31) + b"\x20", b"\xff" * 32, bytes(28) + b"\x7f\xff\xff\xff"),
    ),
    Target(
        name="revert",
        entry="theriac.ledger.contracts:Reverts.refusal",
        read=lambda data: _reverts().refusal(data, to=None) and None,
        may=(),
        limit="eight errors in each other",
        words=(bytes.fromhex("08c379a0"), bytes.fromhex("4e487b71"), bytes(31) + b"\x20"),
    ),
    Target(
        name="deployment",
        entry="theriac.ledger.deployment:Deployment.read",
        read=lambda data: Deployment.read(data, source="an input"),
        may=(BadDeployment, DevelopmentChain),
        limit="64 levels of JSON",
        words=WORDS,
    ),
    Target(
        name="anchor",
        entry="theriac.ledger.light.anchor:Anchor.from_json",
        read=lambda data: Anchor.from_json(_json(data)),
        write=lambda read: json.dumps(read.to_json(), sort_keys=True, separators=(",", ":")).encode(),
        may=(BadAnchor,),
        limit="an invitation's",
        words=WORDS,
    ),
    Target(
        name="node",
        entry="theriac.ledger.node:Node.header",
        read=_answered,
        may=NODE,
        limit="64 MiB, by the length of an answer",
        words=WORDS,
    ),
    Target(
        name="light-header",
        entry="theriac.ledger.light.kaia:Header.from_json",
        read=lambda data: (header := kaia.Header.from_json(_json(data))).hash and kaia.Seals.of(header.extra),
        may=LIE,
        limit="256 KiB for each piece of data",
        words=(b"0x", b"0X", b"_", b"-0x1", b"null"),
    ),
    Target(
        name="light-extra",
        entry="theriac.ledger.light.kaia:Seals.of",
        read=kaia.Seals.of,
        write=lambda read: read.vanity + rlp.encode([list(read.validators), read.proposer, list(read.committed)]),
        may=LIE,
        limit="256 KiB",
        words=(b"\xf8", b"\xc0", b"\x80", b"\xb8\xff", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
    ),
    Target(
        name="light-receipt",
        entry="theriac.ledger.light.kaia:Receipt.from_json",
        read=lambda data: kaia.Receipt.from_json(_json(data)),
        may=LIE,
        limit="256 KiB for each piece of data",
        words=(b"0x", b"0X", b"_", b"-0x1", b"null"),
    ),
    Target(
        name="light-transaction",
        entry="theriac.ledger.light.kaia:Transaction.from_raw",
        read=kaia.Transaction.from_raw,
        may=LIE,
        limit="a block's",
        words=(b"\x78", b"\xf8", b"\xc0", b"\x80", b"\xb8\xff"),
    ),
    Target(
        name="light-account",
        entry="theriac.ledger.light.kaia:Account.from_leaf",
        read=_account,
        may=LIE,
        limit="a node of a trie",
        words=(b"\x01", b"\x02", b"\xf8", b"\xc0", b"\x80"),
    ),
    Target(
        name="light-proof",
        entry="theriac.ledger.light.proofs:proven",
        read=_proof,
        may=LIE,
        limit="a proof's nodes, by number and length",
        words=(b"\xf8", b"\xc0", b"\x80", b"\xa0", b"\x20"),
    ),
    Target(
        name="light-question",
        entry="theriac.ledger.light.machine:question_of",
        read=lambda data: question_of(dict(_json(data) or {})),
        may=(ValueError, TypeError),
        limit="the caller's own call",
        words=(b"0x", b"-"),
    ),
]

"""Chains that a test seals itself, with as many validators as it likes, and a node that shows them.

Headers are encoded here once more, from Kaia's blockchain/types/block.go, so that the package is not its own judge.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import rlp
from coincurve import PrivateKey
from eth_utils import keccak, to_checksum_address
from light_between import Answer

from theriac.ledger.light.anchor import Anchor, Checkpoint

EMPTY = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
CHAIN_ID = 77
BEGUN = 1_900_000_000

_ORDER = [
    *("parentHash", "reward", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom", "blockScore", "number"),
    *("gasUsed", "timestamp", "timestampFoS", "extraData", "governanceData", "voteData", "baseFeePerGas"),
]
_NUMBERS = ("blockScore", "number", "gasUsed", "timestamp", "timestampFoS", "baseFeePerGas")


def key(number: int) -> PrivateKey:
    return PrivateKey(keccak(text=f"theriac paper validator {number}"))


def address(of: PrivateKey) -> bytes:
    return keccak(of.public_key.format(compressed=False)[1:])[12:]


def _digest(header: Answer, extra: bytes) -> bytes:
    told = {**header, "extraData": "0x" + extra.hex()}
    fields = [int(told[name], 16) if name in _NUMBERS else bytes.fromhex(told[name][2:]) for name in _ORDER]
    return keccak(rlp.encode(fields))


def sealed(
    header: Answer,
    *,
    validators: Sequence[PrivateKey],
    proposer: PrivateKey | None = None,
    committed: Sequence[PrivateKey] | None = None,
    named: Sequence[bytes] | None = None,
    round_: int = 0,
) -> Answer:
    """A header with its seals: by all the validators, unless others are named for a part."""
    names = sorted(named if named is not None else [address(each) for each in validators])
    vanity = bytes(31)
    without = vanity + b"\0" + rlp.encode([names, b"", []])
    by = proposer if proposer is not None else validators[0]
    seal = by.sign_recoverable(keccak(_digest(header, without)), hasher=None)
    hashed = vanity + b"\0" + rlp.encode([names, seal, []])
    hash_ = _digest(header, hashed)
    commit = keccak(hash_ + b"\2")
    signers = validators if committed is None else committed
    seals = [each.sign_recoverable(commit, hasher=None) for each in signers]
    extra = vanity + bytes([round_]) + rlp.encode([names, seal, seals])
    return {**header, "extraData": "0x" + extra.hex(), "hash": "0x" + hash_.hex()}


def plain(number: int, parent: str, *, time: int = 0) -> Answer:
    """A block with nothing in it."""
    return {
        "parentHash": parent,
        "reward": "0x" + "00" * 20,
        "stateRoot": EMPTY,
        "transactionsRoot": EMPTY,
        "receiptsRoot": EMPTY,
        "logsBloom": "0x" + "00" * 256,
        "blockScore": "0x1",
        "number": hex(number),
        "gasUsed": "0x0",
        "timestamp": hex(time or BEGUN + number),
        "timestampFoS": "0x0",
        "governanceData": "0x",
        "voteData": "0x",
        "baseFeePerGas": "0x0",
    }


@dataclass
class Paper:
    """A chain of blocks, and a node that shows them."""

    blocks: list[Answer] = field(default_factory=list)

    @classmethod
    def of(cls, *reigns: tuple[int, Sequence[PrivateKey]]) -> "Paper":
        """So many blocks sealed by these, then so many by those; block 0 by nobody."""
        paper = cls()
        parent = "0x" + "00" * 32
        for count, validators in reigns:
            for _ in range(count):
                number = len(paper.blocks)
                block = sealed(plain(number, parent), validators=validators, committed=[] if number == 0 else None)
                paper.blocks.append(block)
                parent = block["hash"]
        return paper

    @property
    def head(self) -> int:
        return len(self.blocks) - 1

    @property
    def now(self) -> float:
        return BEGUN + self.head

    def anchor(self, validators: Sequence[PrivateKey], *, checkpoint: int | None = None) -> Anchor:
        return Anchor(
            chain_id=CHAIN_ID,
            genesis=self.blocks[0]["hash"],
            validators=tuple(to_checksum_address(each) for each in sorted(address(key) for key in validators)),
            checkpoint=None if checkpoint is None else Checkpoint(checkpoint, self.blocks[checkpoint]["hash"]),
        )

    def __call__(self, asked: Sequence[Answer]) -> list[Answer]:
        return [{"jsonrpc": "2.0", "id": each["id"], **self._answer(each["method"], each["params"])} for each in asked]

    def _answer(self, method: str, parameters: list[Any]) -> Answer:
        if method == "eth_chainId":
            return {"result": hex(CHAIN_ID)}
        number = self.head if parameters[0] == "latest" else int(parameters[0], 16)
        if method != "kaia_getHeaderByNumber" or number > self.head:
            return {"error": {"code": -32000, "message": f"the header does not exist (block number: {number})"}}
        return {"result": json.loads(json.dumps(self.blocks[number]))}

"""What a light client trusts: which chain it is, and who seals its blocks. It comes with the board's invitation."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from eth_typing import ChecksumAddress, HexStr
from eth_utils.address import is_checksum_address, to_checksum_address
from web3 import HTTPProvider, Web3

from theriac.errors import BadAnchor, ChainLied, ChainRefused, ChainSilent
from theriac.ledger.codec import parse_json
from theriac.ledger.light.faults import Lie, Silent, Unable
from theriac.ledger.light.kaia import Header, number_of
from theriac.ledger.light.peers import Peer

VERSION = 1
ISTANBUL = "istanbul"

_WORD = re.compile(r"0x[0-9a-f]{64}")
_FIELDS = "version consensus chain_id genesis validators checkpoint"
_SECONDS = 10.0


@dataclass(frozen=True)
class Checkpoint:
    """A block that is in the chain for certain: its number and its hash."""

    number: int
    hash: HexStr


@dataclass(frozen=True)
class Anchor:
    """A chain, by its id and the hash of its block 0, and who seals its blocks.

    `consensus` says how headers are encoded and sealed: "istanbul" is Kaia's Istanbul BFT. `validators` are all of
    them, sorted. What stands before the checkpoint may have been sealed by others: it is led to it from block to block.
    """

    chain_id: int
    genesis: HexStr
    validators: tuple[ChecksumAddress, ...]
    checkpoint: Checkpoint | None = None
    consensus: str = ISTANBUL

    @classmethod
    def of(cls, web3: Web3) -> "Anchor":
        """The anchor that a node shows whom one trusts: one's own. Raises ChainSilent, ChainRefused, ChainLied."""
        if not isinstance(web3.provider, HTTPProvider):
            raise BadAnchor(source="the chain", field="", fault="it is not reached over HTTP, as a validator is")
        peer = Peer(str(web3.provider.endpoint_uri))
        asked = [("eth_chainId", []), *(("kaia_getHeaderByNumber", [block]) for block in ("0x0", "latest"))]
        try:
            answers = peer.ask_many(asked, within=_SECONDS)
            for each in answers:
                if isinstance(each, Unable):
                    raise each
            chain_id = number_of(answers[0], "chain id", bits=63)
            genesis, head = Header.from_json(answers[1]), Header.from_json(answers[2])
            validators = sorted(head.seals.validators)
            if head.number > 0:
                # An anchor by which no block could be proven is never given out.
                head.check_sealed(validators)
        except Silent as silent:
            raise ChainSilent(endpoint=peer.endpoint, seconds=_SECONDS, reason=str(silent)) from None
        except Unable as unable:
            raise ChainRefused(endpoint=peer.endpoint, method="kaia_getHeaderByNumber", reason=str(unable)) from None
        except Lie as lie:
            raise ChainLied(endpoint=peer.endpoint, fault=lie.fault) from None
        return cls(
            chain_id=chain_id,
            genesis=HexStr("0x" + genesis.hash.hex()),
            validators=tuple(to_checksum_address(each) for each in validators),
            checkpoint=Checkpoint(head.number, HexStr("0x" + head.hash.hex())) if head.number else None,
        )

    @property
    def addresses(self) -> tuple[bytes, ...]:
        """The validators' addresses as 20 bytes each."""
        return tuple(bytes.fromhex(each[2:]) for each in self.validators)

    def to_json(self) -> dict[str, Any]:
        """As the object that stands in an invitation."""
        checkpoint = self.checkpoint
        return {
            "version": VERSION,
            "consensus": self.consensus,
            "chain_id": self.chain_id,
            "genesis": self.genesis,
            "validators": list(self.validators),
            "checkpoint": None if checkpoint is None else {"number": checkpoint.number, "hash": checkpoint.hash},
        }

    @classmethod
    def from_json(cls, value: Any, *, source: str = "the invitation") -> "Anchor":
        """The anchor that `to_json` gave; no field more, none less. Raises BadAnchor."""
        return _Reader(source).anchor(value)

    @classmethod
    def load(cls, path: Path) -> "Anchor":
        """Reads a file that holds an anchor, alone or under "anchor" as in an invitation. Raises BadAnchor."""
        reader = _Reader(str(path))
        try:
            text = path.read_bytes()
        except OSError as trouble:
            reader.bad("", trouble.strerror or "it cannot be read")
        if len(text) > 2**24:
            reader.bad("", "it is far too long")
        try:
            value = parse_json(text, object_pairs_hook=reader.once)
        except ValueError:
            reader.bad("", "it is not JSON")
        if isinstance(value, dict) and "validators" not in value and "anchor" in value:
            value = value["anchor"]
        return reader.anchor(value)

    def save(self, path: Path) -> None:
        """Writes it to a file of its own."""
        path.write_text(json.dumps(self.to_json(), indent=2) + "\n")


class _Reader:
    """Reads an anchor and nothing else."""

    def __init__(self, source: str) -> None:
        self._source = source

    def anchor(self, value: Any) -> Anchor:
        told = self._fields(value, "", _FIELDS)
        if told["version"] != VERSION or isinstance(told["version"], bool):
            self.bad("version", f"it is {str(told['version'])[:20]}, and this program reads {VERSION}")
        if told["consensus"] != ISTANBUL:
            self.bad("consensus", f"it is {str(told['consensus'])[:40]!r}, and this program knows {ISTANBUL!r} alone")
        listed = told["validators"]
        if not isinstance(listed, list) or not listed:
            self.bad("validators", "it must be a list of addresses")
        if not all(isinstance(each, str) and is_checksum_address(each) for each in listed):
            self.bad("validators", "each must be an address with its checksum")
        if sorted(set(listed), key=lambda each: bytes.fromhex(each[2:])) != listed:
            self.bad("validators", "they must be sorted, and each stand there once")
        return Anchor(
            chain_id=self._number(told["chain_id"], "chain_id", least=1),
            genesis=self._word(told["genesis"], "genesis"),
            validators=tuple(to_checksum_address(each) for each in listed),
            checkpoint=self._checkpoint(told["checkpoint"]),
        )

    def _checkpoint(self, value: Any) -> Checkpoint | None:
        if value is None:
            return None
        told = self._fields(value, "checkpoint", "number hash")
        return Checkpoint(
            number=self._number(told["number"], "checkpoint.number", least=1),
            hash=self._word(told["hash"], "checkpoint.hash"),
        )

    def _fields(self, value: Any, where: str, names: str) -> Mapping[str, Any]:
        if not isinstance(value, dict) or set(value) != set(names.split()):
            self.bad(where, f"it must have exactly the fields {', '.join(names.split())}")
        return value

    def _word(self, value: Any, where: str) -> HexStr:
        if not isinstance(value, str) or not _WORD.fullmatch(value):
            self.bad(where, "it must be 32 bytes in lower-case hex")
        return HexStr(value)

    def _number(self, value: Any, where: str, *, least: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**63:
            self.bad(where, f"it must be an integer from {least}")
        return value

    def once(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            self.bad("", "a field stands there twice")
        return found

    def bad(self, where: str, fault: str) -> NoReturn:
        raise BadAnchor(source=self._source, field=where, fault=fault)

"""What is deployed where: one JSON file a network, kept in the project.

The file names a chain by its id and by the hash of its first block, and each contract by its address and by the hash
of the code that was put there, so that a program can tell that it talks to the chain it means.
"""

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from eth_typing import ChecksumAddress, HexStr
from eth_utils.address import is_checksum_address, to_checksum_address
from eth_utils.crypto import keccak
from web3 import Web3

from theriac.errors import BadDeployment, DevelopmentChain, LedgerFileBroken, NotDeployed, WrongChain, WrongCode
from theriac.ledger.codec import parse_json
from theriac.ledger.node import Node

VERSION = 1
DEVELOPMENT_CHAINS = frozenset({1337, 31337})

Argument = str | int | bool | list["Argument"]

_NETWORK = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_CONTRACT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_WORD = re.compile(r"0x[0-9a-f]{64}")


@dataclass(frozen=True)
class Deployed:
    """One contract: where, since which block, the keccak-256 of its code there, and what its constructor was given."""

    address: ChecksumAddress
    block: int
    code_hash: HexStr
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True)
class Deployment:
    """A network and what is deployed on it.

    `depth` is how many blocks must stand on the one that holds a transaction before anything is done because of it;
    0 where a block is final at once. `lasting` says that the network outlives the test it is used in.
    """

    network: str
    chain_id: int
    genesis: HexStr
    depth: int
    lasting: bool
    contracts: Mapping[str, Deployed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises DevelopmentChain for a lasting network with a chain id that is not its own."""
        object.__setattr__(self, "contracts", MappingProxyType(dict(sorted(self.contracts.items()))))
        if self.lasting and self.chain_id in DEVELOPMENT_CHAINS:
            raise DevelopmentChain(network=self.network, chain_id=self.chain_id)

    @classmethod
    def of(cls, web3: Web3, *, network: str, depth: int, lasting: bool) -> "Deployment":
        """A network with nothing deployed yet, as the chain at `web3` describes itself. Raises DevelopmentChain."""
        node = Node(web3)
        return cls(network=network, chain_id=node.chain_id(), genesis=node.genesis(), depth=depth, lasting=lasting)

    @property
    def first_block(self) -> int:
        """The block before which no contract of the network stood."""
        return min((deployed.block for deployed in self.contracts.values()), default=0)

    def __getitem__(self, contract: str) -> Deployed:
        """Raises NotDeployed."""
        if contract not in self.contracts:
            raise NotDeployed(contract=contract, network=self.network)
        return self.contracts[contract]

    def with_contract(
        self,
        web3: Web3,
        name: str,
        address: ChecksumAddress,
        *,
        block: int,
        arguments: tuple[Argument, ...] = (),
    ) -> "Deployment":
        """The same with one contract more, its code hashed as it stands on the chain. Raises NotDeployed."""
        code = Node(web3).code(address)
        if not code:
            raise NotDeployed(contract=name, network=self.network)
        deployed = Deployed(address=address, block=block, code_hash=_hash(code), arguments=arguments)
        return replace(self, contracts={**self.contracts, name: deployed})

    def verify(self, web3: Web3) -> None:
        """Checks that the chain at `web3` is this network and that the contracts stand there, unchanged.

        Raises WrongChain, NotDeployed, WrongCode.
        """
        node = Node(web3)
        source = f"The file of the network {self.network}"

        # (1) the chain's id
        found_id = node.chain_id()
        if found_id != self.chain_id:
            raise WrongChain(source=source, what="chain id", written=str(self.chain_id), found=str(found_id))

        # (2) its first block: development chains share ids, never this
        genesis = node.genesis()
        if genesis != self.genesis:
            raise WrongChain(source=source, what="first block", written=self.genesis, found=genesis)

        # (3) the code at each address
        codes = node.codes([deployed.address for deployed in self.contracts.values()])
        for (name, deployed), code in zip(self.contracts.items(), codes, strict=True):
            if not code:
                raise NotDeployed(contract=name, network=self.network)
            if _hash(code) != deployed.code_hash:
                raise WrongCode(
                    network=self.network,
                    contract=name,
                    address=deployed.address,
                    written=deployed.code_hash,
                    found=_hash(code),
                )

    # -- the file ----------------------------------------------------------------------------------------------------

    @classmethod
    def path(cls, folder: Path, network: str) -> Path:
        """Where the file of a network stands in a folder. Raises BadDeployment for what is no network's name."""
        if not _NETWORK.fullmatch(network):
            raise BadDeployment(
                source=repr(network[:80]), field="", fault="a network's name has a-z, 0-9, '.', '_', '-'"
            )
        return folder / f"{network}.json"

    @classmethod
    def load(cls, path: Path) -> "Deployment":
        """Reads the file of a network. Raises NotDeployed, BadDeployment, DevelopmentChain, LedgerFileBroken."""
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            raise NotDeployed(contract="Theriac", network=path.stem) from None
        except OSError as trouble:
            raise LedgerFileBroken(path=str(path), reason=trouble.strerror or str(trouble)) from trouble
        deployment = _Reader(str(path)).deployment(text)
        if deployment.network != path.stem:
            raise BadDeployment(source=str(path), field="network", fault=f"it is the file of {deployment.network!r}")
        return deployment

    @classmethod
    def read(cls, text: bytes, *, source: str) -> "Deployment":
        """Reads what `to_json` wrote and somebody sent. Raises BadDeployment, DevelopmentChain."""
        return _Reader(source).deployment(text)

    def save(self, folder: Path) -> Path:
        """Writes the file of the network, whole or not at all. Raises BadDeployment, LedgerFileBroken."""
        path = self.path(folder, self.network)
        text = self.to_json().encode()
        # What cannot be read back is never written.
        _Reader(str(path)).deployment(text)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with open(draft, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
            _sync_folder(folder)
        except OSError as trouble:
            with suppress(OSError):
                draft.unlink()
            raise LedgerFileBroken(path=str(path), reason=trouble.strerror or str(trouble)) from trouble
        return path

    def to_json(self) -> str:
        """The text of the file: the same for the same deployment, to the byte."""
        contracts = {
            name: {
                "address": deployed.address,
                "block": deployed.block,
                "code_hash": deployed.code_hash,
                "arguments": list(deployed.arguments),
            }
            for name, deployed in self.contracts.items()
        }
        written = {
            "version": VERSION,
            "network": self.network,
            "lasting": self.lasting,
            "chain_id": self.chain_id,
            "genesis": self.genesis,
            "depth": self.depth,
            "contracts": contracts,
        }
        return json.dumps(written, indent=2, ensure_ascii=False) + "\n"


class _Reader:
    """Reads a deployment and nothing else: no field more, none less, none twice."""

    def __init__(self, source: str) -> None:
        self._source = source

    def deployment(self, text: bytes) -> Deployment:
        try:
            parsed = parse_json(
                text, object_pairs_hook=self._once, parse_float=self._no_float, parse_constant=self._no_float
            )
        except ValueError:
            self._bad("", "it is not JSON")
        top = self._fields(parsed, "", "version network lasting chain_id genesis depth contracts")
        if top["version"] != VERSION:
            self._bad("version", f"it is {str(top['version'])[:20]}, and this program reads {VERSION}")
        if not isinstance(top["lasting"], bool):
            self._bad("lasting", "it must be true or false")
        if not isinstance(top["contracts"], dict):
            self._bad("contracts", "it must map names to contracts")
        return Deployment(
            network=self._text(top["network"], "network", _NETWORK, "a name of a-z, 0-9, '.', '_', '-'"),
            chain_id=self._number(top["chain_id"], "chain_id", least=1),
            genesis=HexStr(self._text(top["genesis"], "genesis", _WORD, "32 bytes in lower-case hex")),
            depth=self._number(top["depth"], "depth"),
            lasting=top["lasting"],
            contracts={
                self._text(name, "contracts", _CONTRACT, "names of contracts"): self._deployed(value, name)
                for name, value in top["contracts"].items()
            },
        )

    def _deployed(self, value: Any, name: str) -> Deployed:
        where = f"contracts.{name}"
        fields = self._fields(value, where, "address block code_hash arguments")
        address = fields["address"]
        if not isinstance(address, str) or not is_checksum_address(address):
            self._bad(f"{where}.address", "it must be an address with its checksum")
        if not isinstance(fields["arguments"], list):
            self._bad(f"{where}.arguments", "it must be a list")
        return Deployed(
            address=to_checksum_address(address),
            block=self._number(fields["block"], f"{where}.block"),
            code_hash=HexStr(
                self._text(fields["code_hash"], f"{where}.code_hash", _WORD, "32 bytes in lower-case hex")
            ),
            arguments=tuple(self._argument(part, f"{where}.arguments") for part in fields["arguments"]),
        )

    def _argument(self, value: Any, where: str) -> Argument:
        if isinstance(value, list):
            return [self._argument(part, where) for part in value]
        if not isinstance(value, str | int | bool):
            self._bad(where, "an argument is a text, an integer, true, false, or a list of these")
        return value

    def _fields(self, value: Any, where: str, names: str) -> dict[str, Any]:
        if not isinstance(value, dict) or set(value) != set(names.split()):
            self._bad(where, f"it must have exactly the fields {', '.join(names.split())}")
        return value

    def _text(self, value: Any, where: str, pattern: re.Pattern[str], wanted: str) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self._bad(where, f"it must be {wanted}")
        return value

    def _number(self, value: Any, where: str, *, least: int = 0) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**63:
            self._bad(where, f"it must be an integer from {least}")
        return value

    def _once(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            self._bad("", "a field stands there twice")
        return found

    def _no_float(self, text: str) -> NoReturn:
        self._bad("", f"{text[:20]} is not an integer")

    def _bad(self, where: str, fault: str) -> NoReturn:
        raise BadDeployment(source=self._source, field=where, fault=fault)


def _hash(code: bytes) -> HexStr:
    return HexStr("0x" + keccak(code).hex())


def _sync_folder(folder: Path) -> None:
    """Makes the new name itself survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

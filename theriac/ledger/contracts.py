"""The contracts of a network: their ABIs, calls that are read, refusals that have a name, events of a receipt."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, cached_property
from importlib import resources
from typing import Any, cast

from eth_typing import ABI, ABIComponent, ABIElement, ChecksumAddress, HexStr
from eth_utils.abi import abi_to_signature
from eth_utils.address import is_checksum_address
from eth_utils.crypto import keccak
from web3 import Web3
from web3.contract import Contract
from web3.contract.contract import ContractConstructor, ContractFunction
from web3.exceptions import Web3Exception

from theriac.errors import BadCall, NoAbi, NotDeployed, Reverted
from theriac.ledger.codec import Undecodable, decode, name_of
from theriac.ledger.deployment import Deployment
from theriac.ledger.node import CallFailed, Log, Node, PlacedLog, call_failed

# The two errors that every contract has.
_BUILT_IN: dict[bytes, Mapping[str, Any]] = {
    bytes.fromhex("08c379a0"): {"name": "Error", "inputs": [{"name": "message", "type": "string"}]},
    bytes.fromhex("4e487b71"): {"name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
}

# A refusal can hold another, and a hostile contract could go on for ever.
_DEEPEST = 4

# Everything that would otherwise be asked of the chain to fill a transaction up.
_OFFLINE: Any = {"gas": 0, "gasPrice": 0, "nonce": 0, "chainId": 1, "value": 0}


@cache
def abi(name: str) -> ABI:
    """The ABI of one of the project's contracts, from the package. Raises NoAbi."""
    source = resources.files("theriac").joinpath("abi", f"{name}.json")
    if not name.isidentifier() or not source.is_file():
        raise NoAbi(name=name)
    return cast(ABI, json.loads(source.read_text()))


@cache
def notices(name: str) -> Mapping[str, str]:
    """What the errors of one of the project's contracts mean, by their signatures; empty for another contract."""
    source = resources.files("theriac").joinpath("notices", f"{name}.json")
    if not name.isidentifier() or not source.is_file():
        return {}
    return cast(Mapping[str, str], json.loads(source.read_text()))


def packaged() -> dict[str, ABI]:
    """Every ABI in the package, by the contract's name."""
    folder = resources.files("theriac").joinpath("abi")
    if not folder.is_dir():
        return {}
    names = sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))
    return {name: abi(name) for name in names}


# -- calls -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """What a transaction does: data sent to a contract (to none: a contract is made), with a value in wei."""

    to: ChecksumAddress | None
    data: bytes
    value: int = 0


_UNSIGNED = {f"uint{bits}": 1 << bits for bits in range(8, 264, 8)}


@cache
def _words_of(signature: str) -> tuple[bytes, tuple[str, ...]] | None:
    """The selector of a function and the types of its arguments, where each of them is a single word; else None."""
    kinds = tuple(filter(None, signature[signature.index("(") + 1 : -1].split(",")))
    if not all(kind in _UNSIGNED or kind in ("address", "bytes32") for kind in kinds):
        return None
    return keccak(text=signature)[:4], kinds


def _word(kind: str, value: Any) -> bytes | None:
    """A value in its word, where it is plainly of its type; else None."""
    if kind == "address":
        plain = type(value) is str and len(value) == 42 and is_checksum_address(value)
        return bytes(12) + bytes.fromhex(value[2:]) if plain else None
    if kind == "bytes32":
        return value if type(value) is bytes and len(value) == 32 else None
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _UNSIGNED[kind]
    return int(value).to_bytes(32, "big") if fits else None


def _encoded_here(made: ContractFunction) -> Call | None:
    """A call whose arguments are plain words, as most are: web3 takes ten times as long to find out what they mean."""
    known = _words_of(made.signature) if made.arguments is not None and not made.kwargs else None
    if known is None or len(known[1]) != len(made.arguments):
        return None
    words = [_word(kind, value) for kind, value in zip(known[1], made.arguments, strict=True)]
    plain = [word for word in words if word is not None]
    return Call(to=made.address, data=known[0] + b"".join(plain)) if len(plain) == len(words) else None


def call_of(made: "Call | ContractFunction | ContractConstructor", *, value: int = 0) -> Call:
    """The call that a contract's function with its arguments stands for. Raises BadCall."""
    if isinstance(made, Call):
        return made
    if isinstance(made, ContractFunction) and not value and (here := _encoded_here(made)) is not None:
        return here
    try:
        built = made.build_transaction(_OFFLINE)
    except (Web3Exception, ValueError, TypeError) as fault:
        raise BadCall(call=str(getattr(made, "fn_name", "A constructor")), fault=str(fault)) from fault
    to = made.address if isinstance(made, ContractFunction) else None
    return Call(to=to, data=bytes.fromhex(str(built["data"]).removeprefix("0x")), value=value)


@dataclass(frozen=True)
class Receipt:
    """A transaction that is in the chain and did what it was to do.

    `intent` is the name it was sent under, `gas_price` what a unit of gas cost in wei, `contract` the address of the
    contract that it made, if it made one.
    """

    intent: str
    transaction: HexStr
    block: int
    block_hash: HexStr
    gas_used: int
    gas_price: int
    contract: ChecksumAddress | None
    logs: tuple[Log, ...]


# -- events ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """An event of a contract, decoded. Indexed texts, arrays and structs are the keccak-256 that the chain keeps."""

    contract: str
    name: str
    arguments: Mapping[str, Any]
    block: int
    block_hash: HexStr
    transaction: HexStr
    index: int


class EventType:
    """An event that a contract declares: its topic, and how its logs are read."""

    def __init__(self, declared: Mapping[str, Any]) -> None:
        """`declared` is the event's element of an ABI. Raises NoAbi for an anonymous event, which has no topic."""
        if declared.get("type") != "event" or declared.get("anonymous"):
            raise NoAbi(name=f"an event that can be told by its topic, like {declared.get('name')}")
        self.name: str = declared["name"]
        self.signature = abi_to_signature(cast(ABIElement, declared))
        self.topic = keccak(text=self.signature)
        self.parameters: tuple[ABIComponent, ...] = tuple(
            cast(ABIComponent, {**_as_in_a_topic(part), "name": name_of(part, place)})
            for place, part in enumerate(declared["inputs"])
        )
        told = list(zip(self.parameters, declared["inputs"], strict=True))
        self._indexed = [part for part, written in told if written.get("indexed")]
        self._plain = [part for part, written in told if not written.get("indexed")]

    def arguments(self, log: Log) -> dict[str, Any]:
        """The values of the event by name, in the order of its declaration. Raises Undecodable."""
        if len(log.topics) != 1 + len(self._indexed) or log.topics[0] != self.topic:
            raise Undecodable(f"its topics are not those of {self.signature}")
        found = decode(self._plain, log.data) | decode(self._indexed, b"".join(log.topics[1:]))
        return {part["name"]: found[part["name"]] for part in self.parameters}


def _as_in_a_topic(parameter: Mapping[str, Any]) -> Mapping[str, Any]:
    """Topics are words: of what does not fit into one, the chain keeps only the hash."""
    kind = parameter["type"]
    hashed = parameter.get("indexed") and (kind in ("string", "bytes", "tuple") or kind.endswith("]"))
    return {**parameter, "type": "bytes32"} if hashed else parameter


def event_types(declared: ABI) -> dict[bytes, EventType]:
    """The events of an ABI by topic."""
    types = [EventType(part) for part in declared if part["type"] == "event" and not part.get("anonymous")]
    return {kind.topic: kind for kind in types}


# -- refusals --------------------------------------------------------------------------------------------------------


class Reverts:
    """Gives the refusals of contracts their names."""

    def __init__(self, abis: Mapping[str, ABI], *, addresses: Mapping[ChecksumAddress, str] | None = None) -> None:
        """`abis` by the contract's name; `addresses` says which contract stands where."""
        self._abis = dict(abis)
        self._addresses = dict(addresses or {})

    @cached_property
    def _errors(self) -> dict[bytes, dict[str, Mapping[str, Any]]]:
        """The errors by their selectors, and by the contracts that declare them. Most programs are never refused."""
        found: dict[bytes, dict[str, Mapping[str, Any]]] = {}
        for name, declared in self._abis.items():
            for part in declared:
                if part["type"] == "error":
                    found.setdefault(keccak(text=abi_to_signature(part))[:4], {})[name] = part
        return found

    def knowing(self, name: str, declared: ABI) -> "Reverts":
        """The same with one ABI more."""
        both = [*self._abis.get(name, ()), *declared]
        return Reverts({**self._abis, name: both}, addresses=self._addresses)

    def name(self, address: ChecksumAddress | None) -> str:
        """How the contract at an address is called in a sentence."""
        return "A contract" if address is None else self._addresses.get(address, str(address))

    def refusal(self, data: bytes, *, to: ChecksumAddress | None, reason: str = "", depth: int = _DEEPEST) -> Reverted:
        """The refusal that `data` stands for, when `to` was called; `reason` is what the node said of it."""
        called = self.name(to)
        if not data:
            told = {"reason": reason} if reason and "reverted" not in reason.lower() else {}
            return Reverted(contract=called, error="", arguments=told)

        selector, rest = data[:4], data[4:]
        known = self._errors.get(selector, {})
        # An error that the called contract does not declare came from further in.
        contract = called if called in known else next(iter(known), called)
        error = _BUILT_IN.get(selector) or known.get(contract)
        if error is None:
            return Reverted(contract=called, error="0x" + selector.hex(), arguments={"data": data})
        try:
            arguments = decode(error["inputs"], rest)
        except Undecodable:
            # A carrier cuts long reasons off: the name is still known.
            return Reverted(contract=contract, error=error["name"], arguments={"data": data})
        inner = self._inner(arguments, depth=depth - 1) if depth else None
        # Where it is not known which contract stands at an address, any that has the error says what it means.
        signature = abi_to_signature(cast(ABIElement, {"type": "error", **error}))
        notice = next((meant for name in (contract, *known) if (meant := notices(name).get(signature, ""))), "")
        return Reverted(contract=contract, error=error["name"], arguments=arguments, inner=inner, notice=notice)

    def of(self, trouble: BaseException, *, to: ChecksumAddress | None = None) -> Reverted | None:
        """The refusal in what web3 raised for a call, an estimate or a transaction; None where it is something else."""
        failed = trouble if isinstance(trouble, CallFailed) else call_failed(trouble)
        return None if failed is None else self.refusal(failed.data, to=to, reason=failed.reason)

    def _inner(self, arguments: Mapping[str, Any], *, depth: int) -> Reverted | None:
        """A contract that carries calls hands on what the carried one said."""
        for value in arguments.values():
            if isinstance(value, bytes) and (value[:4] in self._errors or value[:4] in _BUILT_IN):
                return self.refusal(value, to=None, depth=depth)
        return None


# -- the contracts ---------------------------------------------------------------------------------------------------


class Contracts:
    """The contracts of a deployment as web3 objects: `contracts.Grants`, or `contracts["Grants"]`."""

    def __init__(
        self,
        web3: Web3,
        deployment: Deployment,
        *,
        abis: Mapping[str, ABI] | None = None,
        timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        """`abis` stands in for those of the package."""
        self.deployment = deployment
        self._web3 = web3
        self._node = Node(web3, timeout=timeout)
        self._abis = dict(abis) if abis is not None else packaged()
        self._names = {deployed.address: name for name, deployed in deployment.contracts.items()}
        self._contracts: dict[str, Contract] = {}
        self._events: dict[str, dict[bytes, EventType]] = {}
        self.reverts = Reverts(self._abis, addresses=self._names)

    def __getitem__(self, name: str) -> Contract:
        """Raises NoAbi, NotDeployed."""
        if name not in self._contracts:
            declared = self.abi(name)
            self._contracts[name] = self._web3.eth.contract(address=self.deployment[name].address, abi=declared)
        return self._contracts[name]

    def __getattr__(self, name: str) -> Contract:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def abi(self, name: str) -> ABI:
        """Raises NoAbi."""
        if name not in self._abis:
            raise NoAbi(name=name)
        return self._abis[name]

    def event(self, contract: str, name: str) -> Mapping[str, Any]:
        """An event's element of a contract's ABI. Raises NoAbi."""
        for part in self.abi(contract):
            if part["type"] == "event" and part["name"] == name:
                return part
        raise NoAbi(name=f"{contract}.{name}")

    def call(
        self, function: ContractFunction, *, sender: ChecksumAddress | None = None, block: int | str = "latest"
    ) -> Any:
        """What a function returns: its value, or a dict by name where it returns several or a struct.

        Raises Reverted, NotDeployed, BadCall, and what a chain can raise.
        """
        call = call_of(function)
        asked = {"to": call.to, "data": "0x" + call.data.hex()} | ({"from": sender} if sender else {})
        tag = hex(block) if isinstance(block, int) else block
        try:
            data = self._node.call(asked, block=tag)
        except CallFailed as failed:
            raise self.reverts.refusal(failed.data, to=call.to, reason=failed.reason) from None
        return self._returned(function, data)

    def calls(self, functions: Sequence[ContractFunction]) -> list[Any]:
        """What several functions return at the latest block, asked of a node at one go. Raises as `call` does."""
        calls = [call_of(function) for function in functions]
        asked = [{"to": call.to, "data": "0x" + call.data.hex()} for call in calls]
        found = []
        for function, call, data in zip(functions, calls, self._node.calls(asked), strict=True):
            if isinstance(data, CallFailed):
                raise self.reverts.refusal(data.data, to=call.to, reason=data.reason)
            found.append(self._returned(function, data))
        return found

    def _returned(self, function: ContractFunction, data: bytes) -> Any:
        """What a function's returned bytes say."""
        outputs: Sequence[ABIComponent] = function.abi.get("outputs", ())
        try:
            values = decode(outputs, data)
        except Undecodable as fault:
            if not data:
                name = self.reverts.name(function.address)
                raise NotDeployed(contract=name, network=self.deployment.network) from None
            self._node.lied(f"{function.fn_name} returned what its ABI does not allow: {fault}")
        if len(outputs) == 1:
            return next(iter(values.values()))
        return values or None

    def events(self, receipt: Receipt) -> tuple[Event, ...]:
        """The events of the deployment's contracts in a receipt; those of others are left out. Raises ChainLied."""
        return tuple(self._decoded(receipt))

    def head(self) -> int:
        """The number of the latest block."""
        return self._node.head().number

    def logs(self, contract: str, *, start: int, topics: Sequence[bytes | None] = ()) -> tuple[PlacedLog, ...]:
        """What a contract logged from a block on, by topics where they are given; not yet understood."""
        wanted = [None if topic is None else "0x" + topic.hex() for topic in topics]
        address = self.deployment[contract].address
        asked = {"fromBlock": hex(max(start, 0)), "toBlock": "latest", "address": address}
        found = self._node.request("eth_getLogs", [asked | ({"topics": wanted} if wanted else {})])
        return tuple(self._node.placed_log(each) for each in found)

    def _events_of(self, contract: str) -> dict[bytes, EventType]:
        """The events of a contract by topic, read out of its ABI when the first one comes."""
        if contract not in self._events:
            self._events[contract] = event_types(self._abis.get(contract, []))
        return self._events[contract]

    def _decoded(self, receipt: Receipt) -> Iterator[Event]:
        for log in receipt.logs:
            contract = self._names.get(log.address, "")
            kind = self._events_of(contract).get(log.topics[0] if log.topics else b"")
            if kind is None:
                continue
            try:
                arguments = kind.arguments(log)
            except Undecodable as fault:
                self._node.lied(f"an event of {contract} in {receipt.transaction} does not fit its ABI: {fault}")
            yield Event(
                contract=contract,
                name=kind.name,
                arguments=arguments,
                block=receipt.block,
                block_hash=receipt.block_hash,
                transaction=receipt.transaction,
                index=log.index,
            )

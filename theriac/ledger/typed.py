"""Messages that a wallet signs: EIP-712 typed data with named fields, and the call that carries them to the chain."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from eth_account.messages import SignableMessage, encode_typed_data
from web3.contract import Contract

_DOMAIN_TYPE = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]


@dataclass(frozen=True)
class Domain:
    """Where a signature counts (EIP-712, domainSeparator): one contract on one chain."""

    name: str
    version: str
    chain_id: int
    contract: str

    @classmethod
    def of(cls, contract: Contract) -> "Domain":
        """The domain that the contract itself names (ERC-5267)."""
        _, name, version, chain_id, address, _, _ = contract.functions.eip712Domain().call()
        return cls(name, version, chain_id, address)


class Typed(SignableMessage):
    """Typed data to sign that still holds its fields, for a wallet that shows them.

    What is signed is the hash of `full`, the JSON that `eth_signTypedData_v4` takes, and of nothing else.
    """

    full: Mapping[str, Any]

    @classmethod
    def of(cls, full: dict[str, Any]) -> "Typed":
        typed = cls(*encode_typed_data(full_message=full))
        typed.full = full
        return typed


@dataclass(frozen=True)
class Message:
    """A message that one of the contracts takes by signature.

    A subclass names the contract and the function that take it, and its EIP-712 type. Its own fields stand in the order
    of that type; where a wallet shows a word for a number, it says itself what the fields are.
    """

    CONTRACT: ClassVar[str]
    FUNCTION: ClassVar[str]
    TYPE: ClassVar[str]
    FIELDS: ClassVar[tuple[tuple[str, str], ...]]
    NESTED: ClassVar[Mapping[str, tuple[tuple[str, str], ...]]] = {}

    def values(self) -> dict[str, Any]:
        """The fields of the signed message by name, words as words."""
        names = (name for _, name in self.FIELDS)
        values = (getattr(self, own.name) for own in dataclasses.fields(self))
        return {name: _listed(value) for name, value in zip(names, values, strict=True)}

    def arguments(self, *signatures: bytes) -> tuple[Any, ...]:
        """What the contract's function is called with."""
        return (tuple(self.values().values()), *signatures)

    def full(self, domain: Domain) -> dict[str, Any]:
        """The JSON that `eth_signTypedData_v4` takes."""
        types = {"EIP712Domain": _DOMAIN_TYPE, self.TYPE: _fields(self.FIELDS)}
        types |= {name: _fields(fields) for name, fields in self.NESTED.items()}
        return {
            "types": types,
            "primaryType": self.TYPE,
            "domain": {
                "name": domain.name,
                "version": domain.version,
                "chainId": domain.chain_id,
                "verifyingContract": domain.contract,
            },
            "message": self.values(),
        }

    def signable(self, domain: Domain) -> Typed:
        """What a key signs."""
        return Typed.of(self.full(domain))


def _listed(value: Any) -> Any:
    """Arrays are lists to those who encode them."""
    return list(value) if isinstance(value, tuple) else value


def _fields(fields: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for kind, name in fields]


def fields(text: str) -> tuple[tuple[str, str], ...]:
    """The fields of a type written as EIP-712 encodes it: `"address pseudonym,uint32 version"`."""
    pairs = (field.split(" ") for field in text.split(","))
    return tuple((kind, name) for kind, name in pairs)

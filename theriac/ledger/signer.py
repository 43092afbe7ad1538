"""Who signs: anything that can sign transactions and messages for one account.

The package never asks where a key lives. A script hands in a signer: this module's `KeySigner`, or an adapter around a
wallet, a hardware device or an account of Ape.
"""

from collections.abc import Mapping
from typing import Any, NoReturn, Protocol

import rlp
from eth_account import Account
from eth_account.messages import SignableMessage
from eth_account.signers.local import LocalAccount
from eth_keys.datatypes import PrivateKey
from eth_typing import ChecksumAddress
from eth_utils.crypto import keccak

from theriac.errors import BadKey

_NUMBERS = ("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas", "value")


class Signer(Protocol):
    """One account that can sign."""

    @property
    def address(self) -> ChecksumAddress: ...

    def sign_transaction(self, transaction: Mapping[str, Any]) -> bytes:
        """The raw signed transaction, ready for `eth_sendRawTransaction`. The fields are named as in JSON-RPC."""
        ...

    def sign_message(self, message: SignableMessage) -> bytes:
        """A signature of 65 bytes: r, s, then v as 27 or 28."""
        ...


class KeySigner:
    """A signer with its private key in memory. The key shows in no representation, and cannot be pickled."""

    __slots__ = ("_account",)

    def __init__(self, key: bytes | LocalAccount) -> None:
        """`key` is 32 bytes, big-endian, or an account of eth-account. Raises BadKey."""
        if isinstance(key, LocalAccount):
            self._account = key
            return
        try:
            self._account = Account.from_key(bytes(key))
        except (ValueError, TypeError):
            # The cause may quote the key, so it is not passed on.
            raise BadKey from None

    @property
    def address(self) -> ChecksumAddress:
        return self._account.address

    def sign_transaction(self, transaction: Mapping[str, Any]) -> bytes:
        if transaction.keys() - {"to"} == {*_NUMBERS, "type", "data"} and transaction["type"] == 2:
            return self._signed(transaction)
        return bytes(self._account.sign_transaction(dict(transaction)).raw_transaction)

    def _signed(self, transaction: Mapping[str, Any]) -> bytes:
        """A transaction with two prices (EIP-1559), of which eth-account takes ten times as long to look at."""
        chain_id, nonce, tip, price, gas, value = (int(transaction[name]) for name in _NUMBERS)
        to = bytes.fromhex(transaction["to"][2:]) if "to" in transaction else b""
        data = bytes.fromhex(transaction["data"][2:])
        items = [chain_id, nonce, tip, price, gas, to, value, data, []]
        signature = PrivateKey(bytes(self._account.key)).sign_msg_hash(keccak(b"\x02" + rlp.encode(items)))
        return b"\x02" + bytes(rlp.encode([*items, *signature.vrs]))

    def sign_message(self, message: SignableMessage) -> bytes:
        return bytes(self._account.sign_message(message).signature)

    def __repr__(self) -> str:
        return f"KeySigner({self.address})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A signer holds a private key and is never written out.")

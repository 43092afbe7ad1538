"""Who signs: anything that can sign transactions and messages for one account.

The package never asks where a key lives. A script hands in a signer: this module's `KeySigner`, or an adapter around a
wallet, a hardware device or an account of Ape.
"""

from collections.abc import Mapping
from typing import Any, NoReturn, Protocol

from coincurve import PrivateKey
from eth_account import Account
from eth_account.messages import SignableMessage
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress

from theriac.errors import BadKey
from theriac.ledger.transactions import PRICED, item, keccak, listed, with_two_prices

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Of the group of secp256k1 (SEC 2, section 2.4.1)."""

HIGHEST_S = ORDER // 2
"""Of s and the order less s, which sign the same, contracts take the lower (EIP-2)."""


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

    __slots__ = ("_account", "_key")

    def __init__(self, key: bytes | LocalAccount) -> None:
        """`key` is 32 bytes, big-endian, or an account of eth-account. Raises BadKey."""
        try:
            self._account = key if isinstance(key, LocalAccount) else Account.from_key(bytes(key))
        except (ValueError, TypeError):
            # The cause may quote the key, so it is not passed on.
            raise BadKey from None
        # Made once: from it, every signature would derive the public key anew.
        self._key = PrivateKey(bytes(self._account.key))

    @property
    def address(self) -> ChecksumAddress:
        return self._account.address

    def sign_transaction(self, transaction: Mapping[str, Any]) -> bytes:
        if transaction.keys() - {"to"} == {*PRICED, "value", "type", "data"} and transaction["type"] == 2:
            return self._signed(transaction)
        return bytes(self._account.sign_transaction(dict(transaction)).raw_transaction)

    def _signed(self, transaction: Mapping[str, Any]) -> bytes:
        """A transaction with two prices (EIP-1559), of which eth-account takes ten times as long to look at."""
        items = with_two_prices(transaction)
        signature = self._key.sign_recoverable(keccak(b"\x02" + listed(items)), hasher=None)
        numbers = (signature[64:], signature[:32], signature[32:64])
        return b"\x02" + listed(items + b"".join(item(each.lstrip(b"\0")) for each in numbers))

    def sign_message(self, message: SignableMessage) -> bytes:
        return bytes(self._account.sign_message(message).signature)

    def __repr__(self) -> str:
        return f"KeySigner({self.address})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A signer holds a private key and is never written out.")

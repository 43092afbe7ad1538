"""A wallet in a browser, as the patient's client sees it: it hands each message to the page and waits for a signature.

The page and the wallet are not believed: who signed is recovered from the signature and compared with the account that
was asked, before anything goes out.
"""

import queue
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from eth_account import Account
from eth_account.messages import SignableMessage
from eth_typing import ChecksumAddress
from eth_utils.address import is_address, to_checksum_address

from scripts._cli import Failure
from scripts._desk import Desk
from scripts._pages import Unfit
from theriac.errors import WalletElsewhere, WalletRefused, WalletSilent
from theriac.health.chain import Chain
from theriac.ledger.typed import Typed

PATIENCE = 25 * 60
"""Seconds that a message waits for its signature. What a patient signs counts for 30 minutes at least."""


@dataclass
class Question:
    """One message that waits for a signature; `number` tells it from those before it."""

    number: int
    account: str
    place: int
    message: SignableMessage
    answers: "queue.Queue[bytes | None]" = field(default_factory=queue.Queue)

    def shown(self) -> dict[str, Any]:
        """What the page needs to show it and to ask the wallet for it."""
        shown = {"number": self.number, "account": self.account, "place": self.place}
        if isinstance(self.message, Typed):
            return {**shown, "typed": _json(self.message.full)}
        return {**shown, "text": self.message.body.decode()}


def _json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json(each) for each in value]
    return f"0x{value.hex()}" if isinstance(value, bytes) else value


class Signing:
    """Asks the page for signatures, one at a time."""

    def __init__(self, desk: Desk, *, patience: float = PATIENCE) -> None:
        self._desk = desk
        self._patience = patience
        self._number = 0
        self._open: Question | None = None

    def ask(self, account: str, place: int, message: SignableMessage, *, fits: Callable[[bytes], bool]) -> bytes:
        """The signature of an account, once one that fits has come.

        :raises WalletRefused: the patient or her wallet said no.
        :raises WalletSilent: nobody answered while the message counted.
        """
        self._number += 1
        question = Question(self._number, account, place, message)
        self._open = question
        self._desk.show(question=question.shown())
        deadline = time.monotonic() + self._patience
        try:
            while True:
                answer = question.answers.get(timeout=max(0.0, deadline - time.monotonic()))
                if answer is None:
                    raise WalletRefused(account=account)
                if (signer := _signer_of(message, answer)) == account or fits(answer):
                    return answer
                problem = {"code": "other-signer", "signer": signer, "at": time.monotonic()}
                self._desk.show(question={**question.shown(), "problem": problem})
        except queue.Empty:
            raise WalletSilent(account=account, minutes=int(self._patience // 60)) from None
        finally:
            self._open = None
            self._desk.show(question=None)

    async def answer(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Takes what the page sent: `{"number": ..., "signature": "0x..."}`, or `{"number": ..., "refused": true}`."""
        question = self._open
        if question is None or given.get("number") != question.number:
            raise Unfit(409, "not-asked", "This signature is not asked for any more.")
        if given.get("refused") is True:
            question.answers.put(None)
            return {}
        try:
            signature = bytes.fromhex(str(given.get("signature", "")).removeprefix("0x"))
        except ValueError:
            raise Unfit(400, "no-signature", "What the wallet gave is no signature.") from None
        question.answers.put(signature)
        return {}


def _signer_of(message: SignableMessage, signature: bytes) -> str | None:
    """The account whose key made a signature, or None where it is no key's."""
    try:
        return str(Account.recover_message(message, signature=signature))
    except Exception:
        # Whatever a library makes of a malformed signature, it is nobody's.
        return None


class BrowserSigner:
    """One account of a wallet in a browser."""

    def __init__(self, wallet: "BrowserWallet", place: int, address: ChecksumAddress) -> None:
        self._wallet = wallet
        self._place = place
        self.address = address

    def sign_message(self, message: SignableMessage) -> bytes:
        signature = self._wallet.signature(self.address, self._place, message)
        if len(signature) == 65 and signature[64] < 27:
            # Some wallets count v from zero.
            return signature[:64] + bytes([signature[64] + 27])
        return signature

    def sign_transaction(self, transaction: Mapping[str, Any]) -> NoReturn:
        raise WalletElsewhere(account=self.address)


class BrowserWallet:
    """Accounts of a wallet in a browser by their place; `single` where one account signs everything.

    Without `signing` it knows the accounts, and says where to go for a signature.
    """

    def __init__(
        self, addresses: Mapping[int, str], *, single: bool, signing: Signing | None = None, chain: Chain | None = None
    ) -> None:
        self.single = single
        self._addresses = dict(addresses)
        self._signing = signing
        self._chain = chain

    def signer(self, place: int) -> BrowserSigner:
        known = self._addresses.get(0 if self.single else place)
        if known is None:
            raise Failure(f"All {len(self._addresses)} accounts that this vault knows are in use.", 6)
        return BrowserSigner(self, place, to_checksum_address(known))

    def signature(self, account: str, place: int, message: SignableMessage) -> bytes:
        if self._signing is None:
            raise WalletElsewhere(account=account)
        return self._signing.ask(account, place, message, fits=lambda given: self._accepts(account, message, given))

    def _accepts(self, account: str, message: SignableMessage, signature: bytes) -> bool:
        """A wallet that is a contract decides itself (ERC-1271)."""
        return self._chain is not None and self._chain.accepts(account, message, signature)


def account_named(given: Any) -> ChecksumAddress:
    """:raises Unfit: it is no account."""
    if not isinstance(given, str) or not is_address(given):
        raise Unfit(400, "no-account", "What the wallet gave is no account.")
    return to_checksum_address(given)

"""Secrets in a person's folder, each in a keystore file of its own."""

from collections.abc import Callable
from typing import Any

from scripts._cli import Failure, passphrase
from theriac.crypto.recipients import HybridIdentity
from theriac.errors import WrongPassphrase
from theriac.health.keystore import Key, by_passphrase, by_wallet
from theriac.ledger.signer import Signer


def key(*, whose: str, wallet: Callable[[], Signer] | None = None) -> Key:
    """Finds what opens a lock: a wallet's signature where the lock says so, else the passphrase, asked for once.

    Several files of a person can have the same lock, which takes some tenths of a second to open.
    """
    found: dict[str, HybridIdentity] = {}

    def open_(parameters: dict[str, Any]) -> HybridIdentity:
        name = repr(sorted(parameters.items()))
        if name not in found:
            if parameters.get("by") == "wallet":
                if wallet is None:
                    raise Failure(f"The keys of {whose} are locked by a wallet; name it with --account.")
                signer = wallet()
                if signer.address != parameters.get("pseudonym"):
                    raise WrongPassphrase(path=f"the keys of {whose}")
                found[name] = by_wallet(signer)(parameters)
            else:
                found[name] = by_passphrase(passphrase(whose=whose))(parameters)
        return found[name]

    return open_

"""Accounts of Ape as signers of the package: keystores, hardware wallets, and the test accounts."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eth_account.messages import SignableMessage
from eth_typing import ChecksumAddress
from eth_utils.address import is_address, to_checksum_address

from scripts._cli import Failure

_TEST = "TEST::"


class ApeSigner:
    """One account of Ape. A keystore's passphrase is asked for once, or comes from APE_ACCOUNTS_<alias>_PASSPHRASE."""

    def __init__(self, account: Any, *, ecosystem: Any, alias: str) -> None:
        self._account = account
        self._ecosystem = ecosystem
        self._alias = alias
        self._unlocked = False

    @property
    def address(self) -> ChecksumAddress:
        return to_checksum_address(str(self._account.address))

    def sign_transaction(self, transaction: Mapping[str, Any]) -> bytes:
        self._unlock()
        wanted = self._ecosystem.create_transaction(**dict(transaction))
        with _quietly():
            signed = self._account.sign_transaction(wanted)
        if signed is None or signed.signature is None:
            raise Failure(f"The account {self._alias} did not sign the transaction; nothing was sent.", 3)
        return bytes(signed.serialize_transaction())

    def sign_message(self, message: SignableMessage) -> bytes:
        self._unlock()
        with _quietly():
            signature = self._account.sign_message(message)
        if signature is None:
            raise Failure(f"The account {self._alias} did not sign the message; nothing was done.", 3)
        v = int(signature.v)
        return bytes(signature.r).rjust(32, b"\0") + bytes(signature.s).rjust(32, b"\0") + bytes([v + 27 * (v < 27)])

    def _unlock(self) -> None:
        """A keystore would ask at every signature; the commands themselves have asked by then."""
        if self._unlocked or not hasattr(self._account, "set_autosign") or self._alias.upper().startswith(_TEST):
            return
        with _quietly():
            self._account.set_autosign(True)
        self._unlocked = True


@contextmanager
def _quietly() -> Iterator[None]:
    """Ape warns at every signature that an unlocked account signs; that is what it was unlocked for."""
    from ape.logging import logger

    level = logger.level
    logger.set_level(logging.ERROR)
    try:
        yield
    finally:
        logger.set_level(level)


def find(alias: str, *, play: bool) -> Any:
    """The account of Ape with an alias. Test accounts, whose keys everybody knows, only where nothing lasts."""
    import ape

    if alias.upper().startswith(_TEST):
        number = alias[len(_TEST) :]
        if not play:
            raise Failure(f"{alias} has a key that everybody knows; use an account of your own on this network.", 3)
        if not number.isdecimal() or int(number) >= 40:
            raise Failure(f"There is no test account {alias}; they are TEST::0 to TEST::39.")
        return ape.accounts.test_accounts[int(number)]
    if alias.endswith(".json"):
        return _kept_in(Path(alias))
    try:
        return ape.accounts.load(alias)
    except (KeyError, IndexError):
        raise Failure(f"There is no account {alias}; 'ape accounts list' shows those that there are.") from None


def _kept_in(path: Path) -> Any:
    """The account of a keystore's file, which need not lie where Ape keeps its own."""
    from ape_accounts.accounts import KeyfileAccount

    try:
        address = json.loads(path.read_bytes())["address"]
    except OSError as fault:
        raise Failure(f"The keystore {path} cannot be read: {fault.strerror}; name another with --account.") from None
    except (ValueError, KeyError, TypeError):
        address = ""
    if not isinstance(address, str) or not is_address(address):
        raise Failure(f"{path} is no keystore of an account; name another with --account.")
    return KeyfileAccount(keyfile_path=path.absolute())


def address_of(text: str, *, play: bool) -> ChecksumAddress:
    """An address, or that of an account of Ape by its alias."""
    if is_address(text):
        return to_checksum_address(text)
    if text.lower().startswith("0x"):
        raise Failure(f"{text[:60]} is no address: it has 40 hexadecimal digits after 0x.")
    return to_checksum_address(str(find(text, play=play).address))

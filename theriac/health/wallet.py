"""Where a patient's pseudonyms come from: one mnemonic with an account for each counterparty, or a single account."""

from typing import Protocol

from eth_account import Account
from eth_account.hdaccount import generate_mnemonic, key_from_seed, seed_from_mnemonic

from theriac.errors import BadMnemonic
from theriac.ledger.signer import KeySigner, Signer

PATH = "m/44'/60'/0'/0/{place}"
"""BIP-44 for Ethereum; the place is the last number."""

Account.enable_unaudited_hdwallet_features()


class Wallet(Protocol):
    """Signs for the pseudonym at a place. `single` says that every place is the same account."""

    single: bool

    def signer(self, place: int) -> Signer: ...


class MnemonicWallet:
    """A pseudonym for each counterparty, all from one mnemonic (BIP-39)."""

    single = False

    def __init__(self, mnemonic: str) -> None:
        """:raises BadMnemonic: the words are no mnemonic."""
        try:
            # Once for all accounts: it looks through the words of ten languages, and hashes 2,048 times.
            self._seed = seed_from_mnemonic(mnemonic, "")
        except Exception:
            # The library raises errors of many kinds, some of which repeat the words.
            raise BadMnemonic() from None
        self._signers: dict[int, KeySigner] = {}

    def signer(self, place: int) -> Signer:
        if place not in self._signers:
            self._signers[place] = KeySigner(key_from_seed(self._seed, PATH.format(place=place)))
        return self._signers[place]

    def __repr__(self) -> str:
        return "MnemonicWallet(secret)"


class SingleWallet:
    """One account for everything: a hardware or a smart wallet. The same code with less privacy."""

    single = True

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def signer(self, place: int) -> Signer:
        return self._signer


def new_mnemonic() -> str:
    """Twelve words (BIP-39, English)."""
    return generate_mnemonic(12, "english")

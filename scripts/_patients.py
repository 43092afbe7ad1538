"""A patient's client as a command works with it: her words or wallet, her vault, who pays."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click

from scripts._cli import Failure, passphrase
from scripts._keys import key
from scripts._site import Person, Site, connected
from theriac.errors import DamagedKeystore
from theriac.health.backup import home_of, sealed_backup
from theriac.health.chain import Chain, SenderRelay
from theriac.health.keystore import Key, Keystore, Lock, passphrase_lock, unseal, wallet_lock
from theriac.health.patient import Patient
from theriac.health.vault import Vault
from theriac.health.wallet import MnemonicWallet, SingleWallet, Wallet
from theriac.ledger.signer import Signer

WORDS, VAULT = "words", "vault"


def asked_words() -> str:
    """A mnemonic, from THERIAC_MNEMONIC or asked for on the terminal."""
    given: str = os.environ.get("THERIAC_MNEMONIC") or click.prompt("Mnemonic", hide_input=True, err=True)
    return " ".join(given.split())


def begin(
    site: Site, person: Person, *, words: str | None, account: str | None, payer: str, lock: str
) -> tuple[Patient, bool]:
    """Makes a vault, or goes on with one whose beginning was interrupted; whether it is new."""
    if (person.folder / VAULT).exists():
        patient = _opened(site, person, account=None)
        new = not all(each.publications for each in patient.vault.accounts.values())
        patient.found()
        patient.watch()
        return patient, new

    wallet = _kept_wallet(site, person, words=words, account=account)
    chosen = _lock(site, person, wallet, lock)
    person.remember(kind="patient", account=account or "", payer=payer)
    if words is not None:
        # The words are never locked by a signature that is made with them.
        by_words = chosen if lock == "passphrase" else passphrase_lock(passphrase(new=True, whose=person.who))
        Keystore.create(person.folder / WORDS, words.encode(), by_words)
    vault = Vault()
    keystore = Keystore.create(person.folder / VAULT, vault.encode(), chosen)
    patient = _client(site, person, vault, keystore, wallet, payer)
    patient.found()
    return patient, True


def _kept_wallet(site: Site, person: Person, *, words: str | None, account: str | None) -> Wallet:
    if words is not None:
        return MnemonicWallet(words)
    if account is not None:
        return SingleWallet(site.signer(account))
    raise Failure(f"Nothing signs for {person.who}; give --mnemonic or --account.")


def _lock(site: Site, person: Person, wallet: Wallet, kind: str) -> Lock:
    if kind == "wallet":
        return wallet_lock(wallet.signer(0), serial=1, web3=site.web3)
    return passphrase_lock(passphrase(new=True, whose=person.who))


def _client(
    site: Site,
    person: Person,
    vault: Vault,
    keystore: Keystore,
    wallet: Wallet,
    payer: str,
    chain: Chain | None = None,
    *,
    former: Wallet | None = None,
) -> Patient:
    return Patient(
        vault,
        keystore,
        wallet=wallet,
        chain=chain or site.chain(person.folder),
        relay=SenderRelay(site.sender(payer), site.contracts),
        store=site.store,
        former=former,
    )


def _opened(site: Site, person: Person, *, account: str | None) -> Patient:
    settings = person.settings
    if settings.get("kind") != "patient":
        raise Failure(f"{person.who} is a desk here; name a patient with --as.")
    wallets: list[Wallet] = []

    def wallet() -> Wallet:
        if not wallets:
            alias = account or settings["account"]
            wallets.append(SingleWallet(site.signer(alias)) if alias else MnemonicWallet(_words(person, opener)))
        return wallets[0]

    def signer() -> Signer:
        return wallet().signer(0)

    opener = key(whose=person.who, wallet=signer)
    keystore, secret = Keystore.unlock(person.folder / VAULT, opener)
    return _client(site, person, Vault.decode(secret), keystore, wallet(), settings["payer"])


def _words(person: Person, opener: Key) -> str:
    path = person.folder / WORDS
    _, secret = Keystore.unlock(path, opener)
    try:
        return secret.decode()
    except UnicodeDecodeError:
        raise DamagedKeystore(path=str(path), fault="it holds no words") from None


@contextmanager
def patient_of(
    who: str, *, network: str, store: str | None, payer: str | None = None
) -> Iterator[tuple[Patient, Site]]:
    """Opens what `patient init` made, and first settles what an interrupted command left open."""
    with connected(network, store) as site, site.person(who) as person:
        if payer is not None:
            site.signer(payer)
            person.remember(payer=payer)
        patient = _opened(site, person, account=None)
        for alarm in patient.resume():
            click.echo(f"ALARM: {alarm}", err=True)
        yield patient, site


def restore(site: Site, person: Person, *, words: str | None, account: str | None, payer: str, lock: str) -> Patient:
    """The vault as its newest sealed backup has it, under a new lock; then every key is changed.

    Whoever has the lost device has the keys that were on it, so the next generation of every class begins.
    """
    if (person.folder / VAULT).exists():
        raise Failure(f"{person.who} has a vault here already; restore under another name with --as.")
    wallet = _kept_wallet(site, person, words=words, account=account)
    chain = site.chain(person.folder)
    home = home_of(chain, str(wallet.signer(0).address))
    sealed = sealed_backup(chain, site.store, home)
    opener = key(whose=f"the backup of {person.who}", wallet=lambda: wallet.signer(0))
    unlocked = unseal(sealed, opener, path="the backup")
    vault = Vault.decode(unlocked.secret)

    person.remember(kind="patient", account=account or "", payer=payer)
    if words is not None:
        by_words = (
            unlocked.lock
            if unlocked.lock.parameters.get("by") == "passphrase"
            else passphrase_lock(passphrase(new=True, whose=person.who))
        )
        Keystore.create(person.folder / WORDS, words.encode(), by_words)
    chosen = unlocked.lock if lock == "keep" else _lock(site, person, wallet, lock)
    keystore = Keystore.create(person.folder / VAULT, vault.encode(), chosen)
    patient = _client(site, person, vault, keystore, wallet, payer, chain)
    patient.recover()
    patient.watch()
    return patient

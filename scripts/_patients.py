"""A patient's client as a command works with it: her words or wallet, her vault, who pays."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import click

from scripts._cli import Failure, passphrase, printable
from scripts._keys import key
from scripts._site import Person, Site, connected
from scripts._wallets import BrowserWallet, Signing
from theriac.errors import DamagedKeystore, WrongPassphrase
from theriac.health.backup import home_of, sealed_backup
from theriac.health.chain import Chain, Relay, SenderRelay
from theriac.health.keystore import Key, Keystore, Lock, passphrase_lock, unseal, wallet_lock
from theriac.health.patient import Patient
from theriac.health.relay import FirstRelay, HttpRelay
from theriac.health.vault import Vault
from theriac.health.vouchers import Purse
from theriac.health.wallet import MnemonicWallet, SingleWallet, Wallet
from theriac.ledger.node import Node
from theriac.ledger.signer import Signer

WORDS, VAULT, ACCOUNTS = "words", "vault", "accounts"

_NEXT = ".next"
"""Ends the name of a file that waits for the vault to get the same new lock."""

Relaying = Callable[[Relay], Relay]
"""Stands before the relay, such as to tell what is on its way."""

_PREPARED = 100
"""The accounts of a browser's wallet that a vault learns at its beginning: one for each counterparty."""


def asked_words() -> str:
    """A mnemonic, from THERIAC_MNEMONIC or asked for on the terminal."""
    given: str = os.environ.get("THERIAC_MNEMONIC") or click.prompt("Mnemonic", hide_input=True, err=True)
    return " ".join(given.split())


def begin(
    site: Site,
    person: Person,
    *,
    words: str | None,
    account: str | None,
    payer: str,
    lock: str,
    relayers: Sequence[str] = (),
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
    person.remember(kind="patient", account=account or "", payer=payer, relayers=" ".join(relayers))
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
    tell: Relaying | None = None,
    former: Wallet | None = None,
) -> Patient:
    relay = _relay(site, person, vault, keystore, payer)
    return Patient(
        vault,
        keystore,
        wallet=wallet,
        chain=chain or site.chain(person.folder),
        relay=relay if tell is None else tell(relay),
        store=site.store,
        former=former,
    )


def _relay(site: Site, person: Person, vault: Vault, keystore: Keystore, payer: str) -> Relay:
    """The relayers that are remembered, then the account that pays, whichever there are."""
    settings = person.settings
    urls = settings.get("relayers", "").split()
    payers = [SenderRelay(site.sender(payer), site.contracts)] if payer or not urls else []
    if not urls:
        return payers[0]
    relay = HttpRelay(
        urls,
        site.contracts,
        Node(site.web3),
        purse=Purse(vault, save=lambda: keystore.save(vault.encode())),
        store=site.store,
        jitter=timedelta(seconds=int(settings.get("jitter") or 0)),
        tell=lambda sentence: click.echo(printable(sentence), err=True),
    )
    return FirstRelay([relay, *payers]) if payers else relay


def purse_of(patient: Patient) -> Purse:
    """The vouchers in a patient's vault."""
    return Purse(patient.vault, save=patient.save)


def _opened(site: Site, person: Person, *, account: str | None) -> Patient:
    return _opened_with(site, person, account=account)[0]


def _opened_with(
    site: Site, person: Person, *, account: str | None, signing: Signing | None = None, tell: Relaying | None = None
) -> tuple[Patient, Key]:
    settings = person.settings
    if settings.get("kind") != "patient":
        raise Failure(f"{person.who} is a desk here; name a patient with --as.")
    wallets: list[Wallet] = []
    chain = site.chain(person.folder)

    def wallet() -> Wallet:
        if not wallets:
            alias = account or settings["account"]
            if kind := settings.get("browser"):
                wallets.append(_browser_wallet(person, kind, opener, signing, chain))
            else:
                wallets.append(SingleWallet(site.signer(alias)) if alias else MnemonicWallet(_words(person, opener)))
        return wallets[0]

    def signer() -> Signer:
        return wallet().signer(0)

    opener = key(whose=person.who, wallet=signer)
    keystore, secret = Keystore.unlock(person.folder / VAULT, opener)
    patient = _client(site, person, Vault.decode(secret), keystore, wallet(), settings["payer"], chain, tell=tell)
    return patient, opener


@contextmanager
def opened_person(
    who: str, *, network: str, store: str | None, payer: str | None = None
) -> Iterator[tuple[Patient, Person, Key]]:
    """As `patient_of`, with her folder and what opens the files in it."""
    with connected(network, store) as site, site.person(who) as person:
        if payer is not None:
            site.signer(payer)
            person.remember(payer=payer)
        patient, opener = _opened_with(site, person, account=None)
        _settle(patient, person)
        yield patient, person, opener


def _settle(patient: Patient, person: Person) -> None:
    """Goes on with what an interrupted command left open, as far as somebody can sign it here."""
    here = not person.settings.get("browser")
    for alarm in patient.resume(finish=here):
        click.echo(f"ALARM: {alarm}", err=True)
    if patient.vault.revoking and not here:
        click.echo("A revoke waits for a signature of your browser's wallet; run 'patient page'.", err=True)


@contextmanager
def relocked(patient: Patient, person: Person, opener: Key, *, new: Callable[[], str]) -> Iterator[Lock]:
    """A new lock for the vault, and for what lies beside it: another passphrase, or the wallet's next signature.

    Words and accounts wait under the new lock in files of their own until the vault has it too. Whatever breaks off,
    one of the two files opens with what opens the vault.
    """
    if patient.lock.parameters.get("by") == "wallet":
        yield patient.next_wallet_lock()
        return
    lock = passphrase_lock(new())
    beside = [person.folder / name for name in (WORDS, ACCOUNTS) if (person.folder / name).exists()]
    for path in beside:
        Keystore.create(_next(path), _kept(path, opener), lock)
    try:
        yield lock
    finally:
        for path in beside:
            if patient.lock != lock:
                _next(path).unlink(missing_ok=True)
            elif _next(path).exists():
                _next(path).replace(path)


def _next(path: Path) -> Path:
    return path.with_name(path.name + _NEXT)


def _kept(path: Path, opener: Key) -> bytes:
    """The secret of a file beside the vault."""
    try:
        return Keystore.unlock(path, opener)[1]
    except WrongPassphrase:
        if not _next(path).exists():
            raise
        # The vault was locked anew, and the power went before this file was.
        _, secret = Keystore.unlock(_next(path), opener)
        _next(path).replace(path)
        return secret


def _words(person: Person, opener: Key) -> str:
    path = person.folder / WORDS
    try:
        return _kept(path, opener).decode()
    except UnicodeDecodeError:
        raise DamagedKeystore(path=str(path), fault="it holds no words") from None


# -- a wallet in a browser -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Locked:
    """A vault that is to be begun: what it will be locked with, and the accounts of the wallet, where it has many."""

    lock: Lock
    accounts: tuple[str, ...] = ()


def prepare(person: Person, *, many: bool) -> Locked:
    """What the terminal is asked for before the page opens: a passphrase, and the words for the accounts' addresses.

    The words are forgotten again: they are in the wallet, and only the addresses that they make are kept.
    """
    words = asked_words() if many else ""
    wallet = MnemonicWallet(words) if many else None
    accounts = tuple(str(wallet.signer(place).address) for place in range(_PREPARED)) if wallet is not None else ()
    return Locked(passphrase_lock(passphrase(new=True, whose=person.who)), accounts)


def begin_with_browser(
    site: Site, person: Person, locked: Locked, *, account: str, payer: str, signing: Signing, tell: Relaying
) -> Patient:
    """Makes a vault for a wallet in a browser; `account` is the one that signs everything, or the first of many."""
    chain = site.chain(person.folder)
    if locked.accounts:
        Keystore.create(person.folder / ACCOUNTS, json.dumps(locked.accounts).encode(), locked.lock)
    kind = "many" if locked.accounts else account
    addresses = dict(enumerate(locked.accounts or (account,)))
    wallet = BrowserWallet(addresses, single=not locked.accounts, signing=signing, chain=chain)
    person.remember(kind="patient", account="", browser=kind, payer=payer)
    vault = Vault()
    keystore = Keystore.create(person.folder / VAULT, vault.encode(), locked.lock)
    return _client(site, person, vault, keystore, wallet, payer, chain, tell=tell)


def _browser_wallet(person: Person, kind: str, opener: Key, signing: Signing | None, chain: Chain) -> BrowserWallet:
    if kind != "many":
        return BrowserWallet({0: kind}, single=True, signing=signing, chain=chain)
    path = person.folder / ACCOUNTS
    try:
        addresses = [str(each) for each in json.loads(_kept(path, opener))]
    except (ValueError, TypeError):
        raise DamagedKeystore(path=str(path), fault="it holds no accounts") from None
    return BrowserWallet(dict(enumerate(addresses)), single=False, signing=signing, chain=chain)


def open_for_page(site: Site, person: Person, *, signing: Signing, tell: Relaying) -> Patient:
    """The vault as the page works with it."""
    return _opened_with(site, person, account=None, signing=signing, tell=tell)[0]


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
        _settle(patient, person)
        for broken in patient.broken_glass():
            click.echo(f"ALARM: {broken}", err=True)
        yield patient, site


def restore(
    site: Site,
    person: Person,
    *,
    words: str | None,
    account: str | None,
    payer: str,
    lock: str,
    relayers: Sequence[str] = (),
) -> Patient:
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

    person.remember(kind="patient", account=account or "", payer=payer, relayers=" ".join(relayers))
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

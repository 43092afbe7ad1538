"""A patient's keys that come from elsewhere: guardians' shares, a new wallet, a wallet that hands over."""

from collections.abc import Sequence
from pathlib import Path

from scripts._cli import Failure, passphrase
from scripts._keys import key
from scripts._patients import VAULT, WORDS, _client, _kept_wallet, _opened
from scripts._site import Person, Site
from theriac.crypto.recipients import HybridIdentity, parse_identity
from theriac.errors import BadIdentity, DamagedKeystore
from theriac.health.backup import backups, open_by_shares
from theriac.health.keystore import Keystore, passphrase_lock
from theriac.health.patient import Patient
from theriac.health.pleas import Call, open_words
from theriac.health.vault import Vault
from theriac.health.wallet import MnemonicWallet, SingleWallet, Wallet

CALLING, FORMER = "calling", "words-of-before"


def call(person: Person, *, home: str) -> Call:
    """A call for shares that this folder can open; the same one until they are opened."""
    path = person.folder / CALLING
    if (person.folder / VAULT).exists():
        raise Failure(f"{person.who} has a vault here already; call under another name with --as.")
    if path.exists():
        found = _calling(person)
        if found.home != home:
            raise Failure(f"{person.who} called for the shares of {found.home} already; call under another name.", 3)
        return found
    identity = HybridIdentity.generate()
    lock = passphrase_lock(passphrase(new=True, whose=person.who))
    Keystore.create(path, f"{home}\n{identity.unsafe_export_secret()}".encode(), lock)
    person.remember(kind="calling")
    return Call(home, str(identity.recipient))


def _caller(person: Person) -> tuple[str, HybridIdentity]:
    path = person.folder / CALLING
    if not path.exists():
        raise Failure(f"Nobody called {person.who} has called for shares here; begin with 'patient recover call'.")
    _, secret = Keystore.unlock(path, key(whose=person.who))
    try:
        home, text = secret.decode().split("\n")
        identity = parse_identity(text)
    except (BadIdentity, ValueError):
        raise DamagedKeystore(path=str(path), fault="it holds no call") from None
    if not isinstance(identity, HybridIdentity):
        raise DamagedKeystore(path=str(path), fault="it holds no call")
    return home, identity


def _calling(person: Person) -> Call:
    home, identity = _caller(person)
    return Call(home, str(identity.recipient))


def open_shares(
    site: Site,
    person: Person,
    files: Sequence[str],
    printed: Sequence[str],
    *,
    words: str | None,
    account: str | None,
    lost: bool,
    payer: str,
    skip: int = 0,
) -> Patient:
    """The vault from guardians' shares, sealed or on paper; where the wallet is `lost` too, for a new one."""
    home, identity = _caller(person)
    if (person.folder / VAULT).exists():
        raise Failure(f"{person.who} has a vault here already; nothing was changed.", 3)
    shares = [each for file in files for each in open_words(Path(file).read_bytes(), identity=identity, home=home)]
    chain = site.chain(person.folder)
    vault = open_by_shares(backups(chain, site.store, home), [*shares, *printed], skip=skip)

    wallet = _kept_wallet(site, person, words=words, account=account)
    if not lost and not _rules(wallet, vault, controller=chain.authority(home).controller):
        raise Failure(
            "These words or this account do not control what the backup is of; leave them out for new ones.", 3
        )
    keystore = _keep(site, person, vault, words=words, account=account, payer=payer)
    patient = _client(site, person, vault, keystore, wallet, payer, chain)
    if lost:
        patient.begin_recovery(from_backup=True)
    else:
        patient.recover()
        patient.watch()
    (person.folder / CALLING).unlink()
    return patient


def _rules(wallet: Wallet, vault: Vault, *, controller: str) -> bool:
    return str(wallet.signer(vault.home().place).address) == controller


def _keep(site: Site, person: Person, vault: Vault, *, words: str | None, account: str | None, payer: str) -> Keystore:
    site.signer(payer)
    lock = passphrase_lock(passphrase(new=True, whose=person.who))
    person.remember(kind="patient", account=account or "", payer=payer)
    if words is not None:
        Keystore.create(person.folder / WORDS, words.encode(), lock)
    return Keystore.create(person.folder / VAULT, vault.encode(), lock)


def begin(site: Site, person: Person, *, words: str | None, account: str | None) -> Patient:
    """The vault is here and its wallet is lost: another one takes its place, as soon as guardians say so."""
    if person.settings.get("kind") != "patient":
        raise Failure(
            f"{person.who} has no vault here; name a patient with --as, or begin with 'patient recover call'."
        )
    wallet = _kept_wallet(site, person, words=words, account=account)
    keystore, secret = Keystore.unlock(person.folder / VAULT, key(whose=person.who))
    vault = Vault.decode(secret)
    path = person.folder / WORDS
    if path.exists():
        path.rename(person.folder / FORMER)
    if words is not None:
        Keystore.create(path, words.encode(), keystore.lock)
    person.remember(account=account or "")
    patient = _client(site, person, vault, keystore, wallet, person.settings["payer"])
    patient.begin_recovery(from_backup=False)
    return patient


def hand_over(
    site: Site,
    person: Person,
    taker: Person,
    *,
    words: str | None,
    account: str | None,
    keep_grants: bool,
    keep_guardians: bool,
) -> Patient:
    """Gives everything to a new folder with a wallet and a passphrase of its own; this one has nothing then."""
    former = _opened(site, person, account=None)
    payer = person.settings["payer"]
    if (taker.folder / VAULT).exists():
        opener = key(whose=taker.who)
        keystore, secret = Keystore.unlock(taker.folder / VAULT, opener)
        vault, own = Vault.decode(secret), taker.settings["account"]
        if vault.moving is None or not vault.moving.how.startswith("hand-over"):
            raise Failure(f"{taker.who} has a vault here already; hand over to another name with --to.", 3)
        kept = Keystore.unlock(taker.folder / WORDS, opener)[1].decode() if not own else ""
        wallet: Wallet = SingleWallet(site.signer(own)) if own else MnemonicWallet(kept)
    else:
        former.watch()
        vault = Vault.decode(former.vault.encode())
        wallet = _kept_wallet(site, taker, words=words, account=account)
        keystore = _keep(site, taker, vault, words=words, account=account, payer=payer)
    patient = _client(site, taker, vault, keystore, wallet, payer, former=former.wallet)
    if vault.moving is not None:
        patient.resume()
    else:
        patient.hand_over(keep_grants=keep_grants, keep_guardians=keep_guardians)
    for name in (VAULT, WORDS):
        (person.folder / name).unlink(missing_ok=True)
    person.remember(kind="handed over")
    return patient

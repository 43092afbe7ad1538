"""A guardian as a command works for it: its words and identity, whom it guards, and what it is asked for."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from scripts._cli import Failure, passphrase
from scripts._keys import key
from scripts._site import Person, Site, connected
from theriac.crypto.recipients import HybridIdentity, parse_identity
from theriac.errors import BadIdentity, DamagedKeystore
from theriac.health.guardians import NO_PLACE, Guardian, PrivateExtendedKey, ward_path
from theriac.health.keystore import Keystore, passphrase_lock, write_private
from theriac.health.pleas import Keeper
from theriac.health.wallet import new_mnemonic
from theriac.ledger.signer import KeySigner, Signer

WORDS, IDENTITY, WARDS = "words", "identity", "wards.json"


@dataclass(frozen=True)
class Ward:
    """Somebody who is guarded: by the key of which number, and where her home is, once it is known."""

    number: int
    home: str = ""


@dataclass
class Guarding:
    """A guardian's folder, opened."""

    site: Site
    person: Person
    mnemonic: str
    identity: HybridIdentity

    @property
    def wards(self) -> dict[str, Ward]:
        path = self.person.folder / WARDS
        if not path.exists():
            return {}
        try:
            return {str(name): Ward(**each) for name, each in json.loads(path.read_bytes()).items()}
        except (OSError, ValueError, TypeError, AttributeError):
            raise DamagedKeystore(path=str(path), fault="it is not what was written") from None

    def keep(self, name: str, ward: Ward) -> None:
        wards = {**self.wards, name: ward}
        text = json.dumps({name: asdict(each) for name, each in wards.items()}, indent=2) + "\n"
        write_private(self.person.folder / WARDS, text.encode())

    def ward(self, name: str) -> Ward:
        """Raises Failure where nobody by that name is guarded."""
        if name not in self.wards:
            raise Failure(f"You guard nobody called {name[:60]!r}; 'guardian list' shows whom you do.")
        return self.wards[name]

    def card(self, name: str, *, paper: bool) -> Guardian:
        """What is handed to somebody who wants to be guarded; the same when it is asked for again."""
        ward = self.wards.get(name) or Ward(max((each.number for each in self.wards.values()), default=0) + 1)
        self.keep(name, ward)
        recipient = "" if paper else str(self.identity.recipient)
        called, account = self.person.settings["name"], self.person.settings.get("account")
        if account:
            return Guardian(called, recipient, account=str(self.site.signer(account).address))
        public = PrivateExtendedKey.of_mnemonic(self.mnemonic, *ward_path(ward.number)).public
        return Guardian(called, recipient, public.point.hex(), public.chain_code.hex())

    def keeper(self, name: str) -> Keeper:
        """What answers for one of them. Raises Failure where her home is not known."""
        ward = self.ward(name)
        if not ward.home:
            raise Failure(f"Where {name} is at home is not known here; tell it with 'guardian keep {name} --home'.")

        def signer(place: int) -> Signer:
            account = self.person.settings.get("account")
            if place == NO_PLACE and account:
                return self.site.signer(account)
            own = PrivateExtendedKey.of_mnemonic(self.mnemonic, *ward_path(ward.number))
            return KeySigner(own.child(max(place, 0)).secret)

        return Keeper(
            chain=self.site.chain(self.person.folder),
            store=self.site.store,
            identity=self.identity,
            signer=signer,
            home=ward.home,
        )


def begin(site: Site, person: Person, *, name: str, account: str | None) -> str:
    """Makes words and an identity, both under one passphrase; the words. Raises Failure where there are some."""
    if (person.folder / WORDS).exists():
        raise Failure(f"{person.who} is a guardian here already; nothing was changed.", 3)
    words, identity = new_mnemonic(), HybridIdentity.generate()
    lock = passphrase_lock(passphrase(new=True, whose=person.who))
    if account:
        site.signer(account)
    person.remember(kind="guardian", name=name, account=account or "")
    Keystore.create(person.folder / IDENTITY, identity.unsafe_export_secret().encode(), lock)
    Keystore.create(person.folder / WORDS, words.encode(), lock)
    return words


@contextmanager
def guardian_of(who: str, *, network: str, store: str | None) -> Iterator[Guarding]:
    """Opens what `guardian setup` made."""
    with connected(network, store) as site, site.person(who) as person:
        if person.settings.get("kind") != "guardian":
            raise Failure(f"{who} is no guardian here; name one with --as.")
        opener = key(whose=who)
        _, words = Keystore.unlock(person.folder / WORDS, opener)
        _, secret = Keystore.unlock(person.folder / IDENTITY, opener)
        try:
            identity: Any = parse_identity(secret.decode())
        except (BadIdentity, UnicodeDecodeError):
            identity = None
        if not isinstance(identity, HybridIdentity):
            raise DamagedKeystore(path=str(person.folder / IDENTITY), fault="it holds no identity")
        yield Guarding(site, person, words.decode(), identity)

"""A delegate's folder: its words, its identity, and the mandates that patients sealed to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from scripts._cli import Failure, passphrase, write_file
from scripts._keys import key
from scripts._options import shown_reader
from scripts._site import Person, Site, connected
from theriac.crypto.recipients import HybridIdentity, parse_identity
from theriac.errors import DamagedKeystore, UnknownMandate
from theriac.health import documents
from theriac.health.chain import Chain, SenderRelay
from theriac.health.delegate import Delegate, Drafted, Offer, mandates_document, mandates_from
from theriac.health.keystore import Keystore, passphrase_lock, write_private
from theriac.health.patient import in_words
from theriac.health.scope import Purpose
from theriac.health.vault import Mandate
from theriac.health.wallet import MnemonicWallet, new_mnemonic

SECRETS = "secrets"


def begin(person: Person, *, name: str, payer: str) -> str:
    """Makes words and an identity; the words."""
    if (person.folder / SECRETS).exists():
        raise Failure(f"{person.who} acts for others already; nothing was changed.")
    words, identity = new_mnemonic(), HybridIdentity.generate()
    lock = passphrase_lock(passphrase(new=True, whose=person.who))
    secret = documents.encode("acting", {"words": words, "identity": str(identity.unsafe_export_secret())})
    person.remember(kind="delegate", name=name, payer=payer, accounts="0")
    Keystore.create(person.folder / SECRETS, secret, lock)
    return words


@dataclass
class Acting:
    """A delegate at work."""

    site: Site
    person: Person
    chain: Chain
    words: str
    identity: HybridIdentity

    @cached_property
    def client(self) -> Delegate:
        settings = self.person.settings
        relay = SenderRelay(self.site.sender(settings["payer"]), self.site.contracts)
        return Delegate(
            wallet=MnemonicWallet(self.words), accounts=int(settings["accounts"]), chain=self.chain, relay=relay
        )

    def offer(self, count: int) -> Offer:
        settings, wallet = self.person.settings, MnemonicWallet(self.words)
        first = int(settings["accounts"])
        accounts = tuple(str(wallet.signer(place).address) for place in range(first, first + count))
        self.person.remember(accounts=str(first + count))
        return Offer(settings["name"], str(self.identity.recipient), accounts)

    # -- mandates ----------------------------------------------------------------------------------------------------

    def _path(self, name: str) -> Path:
        return self.person.folder / "mandates" / f"{name.encode().hex()}.sealed"

    def accept(self, sealed: bytes, *, called: str | None) -> tuple[str, int]:
        document = documents.open_(sealed, identities=[self.identity])
        name, mandates = mandates_from(document)
        name = called or name
        for mandate in mandates:
            self.client.mine(mandate)
        known = self.mandates(name) if self._path(name).exists() else ()
        merged = [*(each for each in known if each not in mandates), *mandates]
        kept = documents.seal(mandates_document(name, merged), to=self.identity.recipient)
        write_private(self._path(name), kept)
        return name, len(mandates)

    def mandates(self, patient: str) -> tuple[Mandate, ...]:
        path = self._path(patient)
        if not path.exists():
            raise UnknownMandate(name=patient)
        return mandates_from(documents.open_(path.read_bytes(), identities=[self.identity]))[1]

    def patients(self) -> list[str]:
        return sorted(bytes.fromhex(path.stem).decode() for path in (self.person.folder / "mandates").glob("*.sealed"))

    def known(self, mandate: Mandate) -> str:
        """Whose mandate it is; one that no patient gave this delegate is not signed for."""
        for patient in self.patients():
            for each in self.mandates(patient):
                if (each.pseudonym, each.by, each.holder) == (mandate.pseudonym, mandate.by, mandate.holder):
                    return patient
        raise UnknownMandate(name=mandate.name)

    def standing(self, patient: str, reader: str, purpose: Purpose) -> Mandate:
        """The mandate under which a reader was granted to."""
        mandates = [each for each in self.mandates(patient) if self.client.lives(each)]
        granted = self.client.granted(mandates)
        for each in mandates:
            if (reader, purpose.code) in granted[each.pseudonym, each.by]:
                return each
        raise Failure(
            f"Nothing that you granted to {shown_reader(reader)} for {purpose.code} stands; see 'delegate list'."
        )

    def rows(self) -> list[dict[str, Any]]:
        rows = []
        for patient in self.patients():
            mandates = self.mandates(patient)
            granted = self.client.granted(mandates)
            for each in mandates:
                rows.append(
                    {
                        "patient": patient,
                        "pseudonym": each.pseudonym,
                        "classes": list(each.classes),
                        "purposes": list(each.purposes),
                        "until": in_words(each.end),
                        "now": "open" if self.client.lives(each) else "over",
                        "must sign": each.threshold or 1,
                        "readers": [shown_reader(reader) for reader, _ in granted[each.pseudonym, each.by]],
                    }
                )
        return rows

    def carry(self, drafted: Drafted, out: str | None) -> str:
        """Carries an act, or writes it down for the others to sign; what to say of that."""
        if not drafted.missing:
            self.client.send(drafted)
            return ""
        if out is None:
            raise Failure(f"{drafted.missing} more of your group must sign; name a file for them with -o.")
        write_file(out, drafted.encode())
        return f"Written to {out}; {drafted.missing} more must sign it within 50 minutes: delegate sign {out}"


@contextmanager
def delegate_of(who: str, *, network: str, store: str | None) -> Iterator[Acting]:
    """Opens what `delegate init` made."""
    with connected(network, store) as site, site.person(who) as person:
        if person.settings.get("kind") != "delegate":
            raise Failure(f"{person.who} is no delegate here; name one with --as.")
        _, secret = Keystore.unlock(person.folder / SECRETS, key(whose=person.who))
        values = documents.decode("acting", secret)
        identity = parse_identity(str(values["identity"]))
        if not isinstance(identity, HybridIdentity):
            raise DamagedKeystore(path=str(person.folder / SECRETS), fault="its identity is of another kind")
        yield Acting(site, person, site.chain(person.folder), str(values["words"]), identity)

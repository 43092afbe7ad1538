"""A member's desk, or one of its staff, as a command works for it."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from scripts._cli import Failure, passphrase
from scripts._keys import key
from scripts._site import Person, Site, connected
from theriac.crypto.recipients import HybridIdentity, parse_identity
from theriac.errors import BadIdentity, DamagedKeystore, NoBundle, NoProfile, NotGranted, NotIntroduced
from theriac.health.accesslog import Book
from theriac.health.bundle import profile
from theriac.health.chain import Chain, Refusal
from theriac.health.daywriter import DayWriter
from theriac.health.keystore import Keystore, passphrase_lock
from theriac.health.messages import member_address
from theriac.health.reader import Granted, Listed, Reader
from theriac.health.scope import Purpose


@dataclass
class Desk:
    """Somebody with an account at a member, and an identity to be sealed to."""

    site: Site
    person: Person
    chain: Chain
    alias: str
    identity: HybridIdentity

    @property
    def address(self) -> str:
        return str(self.site.signer(self.alias).address)

    @property
    def member(self) -> int:
        return self.chain.member_of(self.address)

    def writer(self) -> DayWriter:
        if not self.member:
            raise Failure(f"{self.address} belongs to no member; have the board admit it or a member take it on.", 3)
        return DayWriter(
            member=self.member,
            identity=self.identity,
            author=self.site.signer(self.alias),
            sender=self.site.sender(self.alias),
            chain=self.chain,
            store=self.site.store,
            folder=self.person.folder,
        )

    def reader(self) -> Reader:
        return Reader(
            account=self.address,
            identity=self.identity,
            book=self.book(),
            chain=self.chain,
            store=self.site.store,
            folder=self.person.folder / "known",
            recipient=self.identity.recipient,
        )

    def book(self) -> Book:
        """The receipts of whatever this account opens here."""
        return Book(
            self.person.folder / "known",
            account=self.address,
            signer=self.site.signer(self.alias),
            chain=self.chain,
            identity=self.identity,
            recipient=self.identity.recipient,
        )

    # -- patients ----------------------------------------------------------------------------------------------------

    def granted(self, patient: str, purpose: Purpose) -> list[Granted]:
        """The grants of a patient for a purpose, by a pseudonym that granted or by her name or pseudonym at this desk.

        She grants under another pseudonym than the one that this desk writes under; only what she sealed for this
        desk says that they are one person.

        :raises NotIntroduced: nobody by that name.
        """
        mine = [each for each in self.reader().grants() if each.purpose == purpose]
        named = [each for each in mine if each.pseudonym.lower() == patient.lower()]
        if named:
            return named
        registered = self.writer().patient(patient) if self.member else None
        if registered is None:
            raise NotIntroduced(patient=patient)
        return [each for each in mine if registered.pseudonym in {each.pseudonym, *self._sources(each.pseudonym)}]

    def _sources(self, pseudonym: str) -> set[str]:
        try:
            capsule = self.chain.bundle(pseudonym, self.site.store).capsule(self.identity)
        except NoBundle:
            return set()
        return {opening.source for opening in capsule.openings} if capsule is not None else set()

    def learned(self, patient: str, purpose: Purpose) -> tuple[Reader, str]:
        """A reader that has read the patient's bundles, and the pseudonym that granted to it.

        :raises NotGranted: by the rule that the chain names.
        """
        grants = self.granted(patient, purpose)
        standing = [each for each in grants if each.refusal is Refusal.NONE]
        reader = self.reader()
        if not standing:
            rule = grants[0].refusal if grants else Refusal.NO_GRANT
            raise NotGranted(reader=self.address, wanted=f"records of {patient}", rule=rule.sentence)
        pseudonym = standing[0].pseudonym
        reader.learn(pseudonym)
        return reader, pseudonym

    def place_of(self, listed: Listed) -> str:
        """Where a record was made: as it says itself, else the member that wrote it."""
        if place := str(listed.summary.get("place", "")):
            return place
        return self.name_of(listed.author)

    def name_of(self, member: int) -> str:
        if not member:
            return "the patient"
        try:
            return self.chain.profile(member_address(member), self.site.store).name
        except NoProfile:
            return f"member {member}"


def found_desk(site: Site, person: Person, *, alias: str, name: str) -> tuple[Desk, bool]:
    """Makes an identity where there is none, and publishes it with a name; whether anything was published."""
    path = person.folder / "identity"
    if path.exists():
        _, secret = Keystore.unlock(path, key(whose=person.who))
        identity = _identity(secret, str(path))
    else:
        identity = HybridIdentity.generate()
        lock = passphrase_lock(passphrase(new=True, whose=person.who))
        Keystore.create(path, str(identity.unsafe_export_secret()).encode(), lock)
    person.remember(kind="desk", account=alias, name=name)
    desk = Desk(site, person, site.chain(person.folder), alias, identity)
    return desk, _publish(desk, name)


def _publish(desk: Desk, name: str) -> bool:
    document = profile(desk.address, name=name, recipient=desk.identity.recipient, endpoints=_endpoints(desk))
    cid = desk.site.store.put(io.BytesIO(document))
    if desk.chain.digest(desk.address) == cid.digest:
        return False
    version = desk.chain.authority(desk.address).version + 1
    functions = desk.site.contracts.Keys.functions
    desk.site.sender(desk.alias).send(functions.publish(desk.address, version, cid.digest))
    return True


def _endpoints(desk: Desk) -> Mapping[str, str]:
    """The addresses in the profile so far, which a new name does not change."""
    try:
        return desk.chain.profile(desk.address, desk.site.store).endpoints
    except NoProfile:
        return {}


def _identity(secret: bytes, path: str) -> HybridIdentity:
    try:
        identity = parse_identity(secret.decode())
    except (BadIdentity, UnicodeDecodeError):
        raise DamagedKeystore(path=path, fault="it holds no identity") from None
    if not isinstance(identity, HybridIdentity):
        raise DamagedKeystore(path=path, fault="its identity is of another kind")
    return identity


@contextmanager
def desk_of(who: str, *, network: str, store: str | None, account: str | None = None) -> Iterator[Desk]:
    """Opens what `clinic setup` made."""
    with connected(network, store) as site, site.person(who) as person:
        yield desk_at(site, person, account=account)


def desk_at(site: Site, person: Person, *, account: str | None = None) -> Desk:
    """The same where the folder is open already; asks no chain."""
    settings = person.settings
    if settings.get("kind") != "desk":
        raise Failure(f"{person.who} is a patient here; name a desk with --as.")
    path = person.folder / "identity"
    _, secret = Keystore.unlock(path, key(whose=person.who))
    chain = site.chain(person.folder)
    return Desk(site, person, chain, account or settings["account"], _identity(secret, str(path)))

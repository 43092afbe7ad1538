"""What the health tests stand on: a consortium on a real anvil, and clients with folders of their own.

The embedded chain, on which the demo runs, takes ten times as long for every call and transaction.
"""

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from compiling import compile_if_changed
from eth_account import Account
from real_anvil import BOARD
from real_anvil import Chain as Anvil
from real_anvil import person as key_of
from web3 import Web3

from theriac.consortium import Join, Role
from theriac.crypto.recipients import HybridIdentity
from theriac.health import records
from theriac.health.accesslog import Book
from theriac.health.bundle import profile
from theriac.health.chain import Chain, SenderRelay
from theriac.health.daywriter import DayWriter
from theriac.health.intake import Piece
from theriac.health.keystore import Keystore, Lock
from theriac.health.patient import Patient
from theriac.health.reader import Reader
from theriac.health.scope import Classified, KeyClass, Purpose
from theriac.health.vault import Vault
from theriac.health.wallet import MnemonicWallet, SingleWallet, Wallet, new_mnemonic
from theriac.health.writer import Registered, Writer
from theriac.ledger.contracts import Contracts
from theriac.ledger.deployment import Deployment
from theriac.ledger.sender import Sender
from theriac.ledger.signer import KeySigner
from theriac.ledger.typed import Domain
from theriac.store import LocalStore

HOUR, DAY = 3600, 24 * 3600
LAB, VITALS, MENTAL = KeyClass.parse("laboratory/N"), KeyClass.parse("vitals/N"), KeyClass.parse("mental-health/R")
CLASSES = (LAB, VITALS, MENTAL)
TREAT = Purpose.parse("TREAT")


@dataclass
class Person:
    """Somebody with a key on the chain and an identity to seal to."""

    signer: KeySigner
    identity: HybridIdentity = field(default_factory=HybridIdentity.generate)
    member: int = 0

    @property
    def address(self) -> str:
        return str(self.signer.address)

    def book(self, folder: Path, *, chain: Chain) -> Book:
        """The receipts of this person's readings."""
        return Book(
            folder,
            account=self.address,
            signer=self.signer,
            chain=chain,
            identity=self.identity,
            recipient=self.identity.recipient,
        )


@dataclass
class HealthWorld:
    """A consortium with a clinic and a hospital, their staff, a relay that pays for patients, one store."""

    anvil: Anvil
    contracts: Contracts
    store: LocalStore
    folder: Path
    relay: SenderRelay
    clinic: Person
    hospital: Person
    doctor: Person
    colleague: Person
    board: KeySigner

    @property
    def web3(self) -> Web3:
        return self.anvil.web3

    # -- time --------------------------------------------------------------------------------------------------------

    def now(self) -> int:
        return self.anvil.now()

    def travel(self, seconds: int) -> None:
        """Mines a block that much later."""
        self.anvil.at(self.now() + seconds)

    def next_hour(self, *, plus: int = 60) -> None:
        """Goes to the next full hour and a little beyond."""
        self.travel(HOUR - self.now() % HOUR + plus)

    def in_days(self, days: int) -> datetime:
        """The UTC midnight that lies at least so many days ahead."""
        midnight = datetime.fromtimestamp(self.now(), UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + timedelta(days=days + 1)

    def in_hours(self, hours: int) -> datetime:
        """The full hour that many hours after the current one."""
        start = datetime.fromtimestamp(self.now(), UTC).replace(minute=0, second=0, microsecond=0)
        return start + timedelta(hours=hours)

    # -- people ------------------------------------------------------------------------------------------------------

    def chain(self, name: str) -> Chain:
        return Chain(self.web3, self.contracts, index=self.folder / name / "index.sqlite")

    def patient(
        self, name: str = "patient", *, single: bool = False, classes: tuple[KeyClass, ...] = CLASSES
    ) -> Patient:
        wallet: Wallet = SingleWallet(KeySigner(Account.create())) if single else MnemonicWallet(new_mnemonic())
        vault = Vault()
        keystore = Keystore.create(self.folder / name / "vault", vault.encode(), quick_lock())
        patient = Patient(
            vault,
            keystore,
            wallet=wallet,
            chain=self.chain(name),
            relay=self.relay,
            store=self.store,
            classes=classes,
        )
        patient.found()
        return patient

    def same_patient(self, patient: Patient, name: str = "patient") -> Patient:
        """The same patient's client in this world's folder, from what its vault holds now."""
        vault = Vault.decode(patient.vault.encode())
        keystore = Keystore.create(self.folder / name / "vault", vault.encode(), quick_lock())
        return Patient(
            vault,
            keystore,
            wallet=patient._wallet,
            chain=self.chain(name),
            relay=self.relay,
            store=self.store,
            classes=[KeyClass.parse(name) for name in patient._classes],
        )

    def writer(self, person: Person, name: str = "clinic") -> DayWriter:
        return DayWriter(
            member=person.member,
            identity=person.identity,
            author=person.signer,
            sender=Sender(self.web3, person.signer, outbox=None),
            chain=self.chain(name),
            store=self.store,
            folder=self.folder / name,
            clock=self.now,
        )

    def reader(self, person: Person, name: str) -> Reader:
        chain, folder = self.chain(name), self.folder / name
        return Reader(
            account=person.address,
            identity=person.identity,
            book=person.book(folder, chain=chain),
            recipient=person.identity.recipient,
            chain=chain,
            store=self.store,
            folder=folder,
        )

    def person(self, *, publish: bool = True) -> Person:
        """Somebody new with a key and, unless told otherwise, a published profile."""
        found = Person(KeySigner(Account.create()))
        if publish:
            publish_profile(self, found)
        return found

    def join(self, person: Person, member: Person, roles: Role) -> Person:
        """Has a person join a member."""
        nonce = self.contracts.Consortium.functions.affiliationOf(person.address).call()[2]
        message = Join(person.address, member.member, roles, nonce, self.now() + HOUR)
        signature = person.signer.sign_message(message.signable(Domain.of(self.contracts.Consortium)))
        call = self.contracts.Consortium.functions.join(*message.arguments(signature))
        Sender(self.web3, member.signer, outbox=None).send(call)
        person.member = member.member
        return person


def quick_lock() -> Lock:
    """A lock without a passphrase: what the passphrase costs is tested with the keystore."""
    return Lock(HybridIdentity.generate().recipient, {"by": "test"})


def publish_profile(world: HealthWorld, person: Person) -> None:
    document = profile(person.address, name="somebody", recipient=person.identity.recipient)
    digest = world.store.put(io.BytesIO(document)).digest
    version = world.contracts.Keys.functions.versionOf(person.address).call() + 1
    call = world.contracts.Keys.functions.publish(person.address, version, digest)
    Sender(world.web3, person.signer, outbox=None).send(call)


def found_world(anvil: Anvil, folder: Path) -> HealthWorld:
    """Deploys the contracts, admits two members and lets their staff join."""
    compile_if_changed()
    consortium = anvil.deploy("Consortium", BOARD.address)
    recovery = anvil.deploy("Recovery")
    keys = anvil.made("Keys", recovery.functions.keys().call())
    grants = anvil.deploy("Grants", consortium.address, keys.address)
    deployed = {
        "Consortium": consortium,
        "Recovery": recovery,
        "Keys": keys,
        "Records": anvil.deploy("Records", consortium.address, keys.address),
        "Grants": grants,
        "Delegations": anvil.made("Delegations", grants.functions.delegations().call()),
        "Letters": anvil.deploy("Letters", keys.address),
        "AccessLog": anvil.deploy("AccessLog", consortium.address),
        "Carrier": anvil.deploy("Carrier"),
        "Emergencies": anvil.deploy("Emergencies", consortium.address, keys.address),
    }
    deployment = Deployment.of(anvil.web3, network="health", depth=0, lasting=False)
    for name, contract in deployed.items():
        deployment = deployment.with_contract(anvil.web3, name, contract.address, block=1)
    contracts = Contracts(anvil.web3, deployment)
    store, relay = LocalStore(folder / "store"), relay_of(contracts, anvil)
    members = [Person(KeySigner(key_of(name))) for name in ("the clinic", "the hospital")]
    people = [Person(KeySigner(key_of(name))) for name in ("the doctor", "the colleague")]
    world = HealthWorld(anvil, contracts, store, folder, relay, *members, *people, KeySigner(BOARD))
    for number, member in enumerate(members, start=1):
        roles = Role.CLINICIAN | Role.LABORATORY | Role.GATEWAY
        anvil.send(BOARD, consortium.functions.admit(member.address, roles, 1, world.now() + 3650 * DAY))
        member.member = number
        publish_profile(world, member)
    for person, member in zip(people, members, strict=True):
        world.join(person, member, Role.CLINICIAN)
        publish_profile(world, person)
    return world


def relay_of(contracts: Contracts, anvil: Anvil) -> SenderRelay:
    """The relay that pays for patients."""
    return SenderRelay(Sender(anvil.web3, KeySigner(key_of("the relay")), outbox=None), contracts)


@contextmanager
def renewed(world: HealthWorld, folder: Path) -> Iterator[HealthWorld]:
    """The world as it is now, with files of its own. What happens inside is taken back on the chain."""
    shutil.copytree(world.folder / "store", folder / "store")
    with copied(world, folder) as found:
        yield found


@contextmanager
def copied(world: HealthWorld, folder: Path) -> Iterator[HealthWorld]:
    """The same over a folder that holds a copy of the world's files already."""
    with world.anvil.undone():
        yield _over(world, folder)


def _over(world: HealthWorld, folder: Path) -> HealthWorld:
    contracts = Contracts(world.web3, world.contracts.deployment)
    return replace(
        world,
        contracts=contracts,
        store=LocalStore(folder / "store"),
        folder=folder,
        relay=relay_of(contracts, world.anvil),
        clinic=replace(world.clinic),
        hospital=replace(world.hospital),
        doctor=replace(world.doctor),
        colleague=replace(world.colleague),
    )


def piece(content: bytes, *, cls: KeyClass = LAB, title: str = "a result", **facts: Any) -> Piece:
    """Something to write."""
    manifest = records.Manifest("", "", "text/plain", 0, "", 0, "", title=title, **facts)
    return Piece(Classified(cls, "", True), io.BytesIO(content), manifest)


def register(patient: Patient, writer: Writer, *, name: str = "Ms A") -> Registered:
    """A patient introduces herself at a desk."""
    return writer.register(patient.introduce(writer.member), name=name)


def write(writer: Writer, patient: Registered, content: bytes, **facts: Any) -> str:
    """Writes one record; its digest."""
    [written] = writer.write(patient, [piece(content, **facts)])
    return written.digest

"""What the tests of emergencies stand on: custodians of the consortium's, a patient who chose them, a clinician."""

from dataclasses import dataclass, field
from typing import Any

from eth_account import Account
from health_world import CLASSES, DAY, LAB, HealthWorld, Person, publish_profile, quick_lock, register, write

from theriac.consortium import Role
from theriac.health.chain import Chain
from theriac.health.custody import Custody, Limits
from theriac.health.emergencies import ETREAT, Case, EmergencyReader, Reason, Responder
from theriac.health.keystore import Keystore
from theriac.health.patient import Patient
from theriac.health.scope import KeyClass
from theriac.health.vault import Vault
from theriac.health.writer import Registered, Writer
from theriac.ledger.sender import Sender
from theriac.ledger.signer import KeySigner


@dataclass
class Ward:
    """A patient with a record of each class, custodians, and who treats her."""

    world: HealthWorld
    patient: Patient
    writer: Writer
    registered: Registered
    custodians: list[Person]
    records: dict[str, str] = field(default_factory=dict)
    limits: Limits | None = None
    senders: dict[int, Sender] = field(default_factory=dict)
    followed: list[Chain] = field(default_factory=list)

    @property
    def pseudonym(self) -> str:
        emergency = self.patient.vault.emergency
        assert emergency is not None
        return emergency.pseudonym

    @property
    def chain(self) -> Chain:
        """What clinicians and custodians see; following the events once is enough for all of them."""
        if not self.followed:
            self.followed.append(self.world.chain("onlookers"))
        return self.followed[0]

    def write(self, cls: KeyClass, content: bytes) -> str:
        return write(self.writer, self.registered, content, cls=cls)

    # -- who treats --------------------------------------------------------------------------------------------------

    def responder(self, person: Person) -> Responder:
        return Responder(
            account=person.address,
            identity=person.identity,
            recipient=person.identity.recipient,
            book=person.book(self.world.folder / f"responder-{person.address}", chain=self.chain),
            chain=self.chain,
            store=self.world.store,
            folder=self.world.folder / f"responder-{person.address}",
        )

    def open(self, person: Person, *, pseudonym: str | None = None) -> Case:
        """A clinician states an emergency about the patient, or about somebody else."""
        return self.responder(person).open(
            pseudonym or self.pseudonym,
            reason=Reason.CANNOT_BE_ASKED,
            words="found on the stairs",
            sender=self.sender(person),
        )

    def sender(self, person: Person) -> Sender:
        return Sender(self.world.web3, person.signer, outbox=None)

    def suspend(self, person: Person) -> None:
        """The board suspends a person's member."""
        self.by_board("suspend", person.member, 1)

    def by_board(self, function: str, *arguments: Any) -> None:
        by_board(self.world, function, *arguments)

    # -- who keeps shares --------------------------------------------------------------------------------------------

    def custody(self, place: int, **parts: Any) -> Custody:
        """The service of one of the custodians; each call is a new start of it."""
        person, folder = self.custodians[place], self.world.folder / f"custodian-{place}"
        if place in self.senders:
            self.senders[place].close()
        self.senders[place] = Sender(self.world.web3, person.signer, outbox=folder / "outbox.sqlite")
        given = {
            "member": person.member,
            "identity": person.identity,
            "chain": self.chain,
            "store": self.world.store,
            "sender": self.senders[place],
            "folder": folder,
            "limits": self.limits,
        }
        return Custody(**{**given, **parts})

    def release(self, *places: int) -> list[bool]:
        """A round of each of these custodians; whether each released."""
        return [any(each.released for each in self.custody(place).serve_once()) for place in places]


def again(standing: Ward, world: HealthWorld) -> Ward:
    """The same ward for one test, in a world with files of its own."""
    former = standing.patient
    patient = Patient(
        Vault.decode(former.vault.encode()),
        Keystore.create(world.folder / "patient" / "vault", b"", quick_lock()),
        wallet=former._wallet,
        chain=world.chain("patient"),
        relay=world.relay,
        store=world.store,
        classes=CLASSES,
    )
    return Ward(
        world, patient, world.writer(world.clinic), standing.registered, [*standing.custodians], standing.records
    )


def by_board(world: HealthWorld, function: str, *arguments: Any) -> None:
    Sender(world.web3, world.board, outbox=None).send(world.contracts.Consortium.functions[function](*arguments))


def custodian(world: HealthWorld) -> Person:
    """A new member that keeps shares."""
    person = Person(KeySigner(Account.create()))
    by_board(world, "admit", person.address, int(Role.CUSTODIAN), 1, world.now() + 3650 * DAY)
    person.member = world.contracts.Consortium.functions.memberCount().call()
    publish_profile(world, person)
    return person


def ward(
    world: HealthWorld,
    *,
    need: int = 2,
    count: int = 3,
    classes: tuple[KeyClass, ...] = (LAB,),
    single: bool = False,
    content: dict[KeyClass, bytes] | None = None,
) -> Ward:
    """A patient at the clinic whose records are filed, with an escrow at new custodians."""
    patient, writer = world.patient(single=single), world.writer(world.clinic)
    registered = register(patient, writer)
    found = Ward(world, patient, writer, registered, [custodian(world) for _ in range(count)])
    for cls, text in (content or {LAB: b"potassium 5.9"}).items():
        found.records[str(cls)] = found.write(cls, text)
    patient.watch()
    patient.set_emergency([each.member for each in found.custodians], need=need, classes=classes)
    return found


def opened(place: Ward, reader: EmergencyReader, digest: str) -> bytes:
    """What is in a record, as a clinician opens it in an emergency."""
    return reader.open(place.pseudonym, digest, purpose=ETREAT).content.read()


def broken(place: Ward, *, custodians: tuple[int, ...] = (0, 1, 2)) -> EmergencyReader:
    """The doctor breaks the glass, and these custodians release."""
    case = place.open(place.world.doctor)
    assert all(place.release(*custodians))
    return place.responder(place.world.doctor).reader(case.number)

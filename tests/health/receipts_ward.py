"""A ward where somebody looks: a patient whose clinic wrote two results and a session, her doctor, and the desk."""

from dataclasses import dataclass, replace

from health_world import LAB, MENTAL, TREAT, VITALS, HealthWorld, Person, register, write

from theriac.crypto import merkle
from theriac.health.accesslog import Book
from theriac.health.chain import Chain
from theriac.health.messages import member_address
from theriac.health.patient import Patient
from theriac.health.receipts import NOBODY, NOTHING, Act, Proof, Receipt, Rule, new_salt, signed
from theriac.ledger.sender import Sender


@dataclass
class Ward:
    """The patient with her records; `by_doctor` and `by_desk` are the pseudonyms that granted to each."""

    world: HealthWorld
    patient: Patient
    lab: str
    vitals: str
    session: str
    by_doctor: str
    by_desk: str

    @property
    def chain(self) -> Chain:
        return self.patient.chain

    def sender(self, person: Person) -> Sender:
        return Sender(self.world.web3, person.signer, outbox=None)

    def send(self, book: Book, person: Person) -> None:
        book.send(self.sender(person), self.world.store)

    def receipt(self, by: Person, **facts: object) -> Receipt:
        """The first receipt of a reader for the doctor's pseudonym, as it would sign it now, but for these facts."""
        unsigned = Receipt(
            reader=by.address,
            member=by.member,
            pseudonym=self.by_doctor,
            number=1,
            previous=NOTHING,
            record=self.lab,
            cls=str(LAB),
            purpose=TREAT.code,
            rule=Rule.GRANT.value,
            act=Act.OPEN.value,
            to=NOBODY,
            time=self.world.now(),
            salt=new_salt(),
        )
        return self.signed(replace(unsigned, **facts), by)  # type: ignore[arg-type]

    def signed(self, receipt: Receipt, by: Person) -> Receipt:
        return signed(receipt, by.signer.sign_message(receipt.signable(self.chain.domain("AccessLog"))))

    def after(self, receipt: Receipt) -> str:
        """What the next one names."""
        return receipt.digest(self.chain.domain("AccessLog"))

    def log(self, *receipts: Receipt, by: Person) -> list[Proof]:
        """Logs one tree over the receipts; their proofs."""
        tree = merkle.Tree([receipt.leaf for receipt in receipts])
        self.sender(by).send(self.world.contracts.AccessLog.functions.log(tree.root, len(receipts)))
        return [
            Proof(receipt, tree.root.hex(), len(receipts), place, tuple(node.hex() for node in tree.path(place)))
            for place, receipt in enumerate(receipts)
        ]


def open_ward(world: HealthWorld, *, name: str = "patient") -> Ward:
    """Writes, files and grants: the doctor reads results and vitals for 30 days, the whole clinic results."""
    patient = world.patient(name)
    clinic = world.writer(world.clinic)
    desk = register(patient, clinic)
    lab = write(clinic, desk, b"a result")
    vitals = write(clinic, desk, b"a pulse", cls=VITALS)
    session = write(clinic, desk, b"a session", cls=MENTAL)
    patient.watch()
    end = world.in_days(30)
    doctor = patient.grant(world.doctor.address, classes=[LAB, VITALS], purpose=TREAT, end=end)
    member = patient.grant(member_address(1), classes=[LAB], purpose=TREAT, end=end)
    return Ward(world, patient, lab, vitals, session, doctor.pseudonym, member.pseudonym)

"""Every act of the contracts as one transaction, measured on a chain where nothing else happened.

An act is a function of the world that sends one transaction and returns its receipt's gas; what it needs is prepared by
the world or by transactions before. Accounts and digests are hashes of names: the same at every run, and as dense in
calldata as real ones are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil

from eth_account.signers.local import LocalAccount
from eth_utils import keccak
from real_anvil import BOARD, RELAYER, Chain, Contracts, encoded, person
from web3.contract import Contract
from web3.contract.contract import ContractFunction

from theriac.consortium import Join, Leave, Role
from theriac.health.guardians import (
    DELAY,
    LASTS,
    NOTICE,
    Confirm,
    GuardianSet,
    Object,
    SetGuardians,
    TakeOver,
    Withdraw,
)
from theriac.health.messages import (
    CORRECT,
    Amend,
    Freshness,
    Grant,
    HandOver,
    Letter,
    Narrow,
    Publish,
    Report,
    Reseal,
    Resealing,
    Revoke,
    RevokeEverything,
    Rotate,
    SetParent,
    SetPublisher,
    member_address,
)
from theriac.health.scope import Category, KeyClass, Level, Purpose, mask_of
from theriac.ledger.typed import Domain, Message

DAY = 24 * 3600
TREATMENT = Purpose.parse("TREAT")
FAMILY = Purpose.parse("FAMRQT")
HUNDRED = 100

PATIENT = person("patient")
PUBLISHER = person("publisher")
DOCTOR = person("doctor")
DAUGHTER = person("daughter")
CLINIC = person("clinic")
INSURER = person("insurer")
NEW_WALLET = person("new wallet")
RECOVERY = person("recovery")
STRANGER = person("stranger")

# The first two members, in the order of their admission.
CLINIC_NUMBER, INSURER_NUMBER = 1, 2

LABORATORY = mask_of([KeyClass(Category.LABORATORY, Level.N)])
ASKED = mask_of(
    KeyClass(category, Level.N)
    for category in (Category.ALLERGIES, Category.CONDITIONS, Category.MEDICATIONS, Category.LABORATORY)
)


def digest(name: str) -> bytes:
    """The digest of a document or a file in a test."""
    return keccak(text=f"theriac test: {name}")


def digests(name: str, count: int = HUNDRED) -> list[bytes]:
    return [digest(f"{name} {number}") for number in range(count)]


@dataclass
class World:
    """A consortium with a clinic and its doctor, and a patient with a bundle, a publisher and a record of each kind."""

    chain: Chain
    contracts: Contracts
    sent: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        clinic, insurer = Role.CLINICIAN | Role.LABORATORY | Role.DEVICE | Role.GATEWAY, Role.INSURER
        self.send(BOARD, self.consortium.functions.admit(CLINIC.address, int(clinic), 3, self.midnight(365)))
        self.send(BOARD, self.consortium.functions.admit(INSURER.address, int(insurer), 3, self.midnight(365)))
        self.join([DOCTOR])
        self.by_signature(Rotate(PATIENT.address, 1, digest("bundle 1"), PUBLISHER.address, 0, 0, self.soon()), PATIENT)
        self.anchor("record", "newer record")
        self.report("own record", "newer own record")

    @property
    def consortium(self) -> Contract:
        return self.contracts.consortium

    @property
    def keys(self) -> Contract:
        return self.contracts.keys

    @property
    def recovery(self) -> Contract:
        return self.contracts.recovery

    @property
    def records(self) -> Contract:
        return self.contracts.records

    @property
    def grants(self) -> Contract:
        return self.contracts.grants

    @property
    def letters(self) -> Contract:
        return self.contracts.letters

    @property
    def accesslog(self) -> Contract:
        return self.contracts.accesslog

    @property
    def carrier(self) -> Contract:
        return self.contracts.carrier

    def midnight(self, days: int) -> int:
        """The UTC midnight that many days ahead; one day ahead is the next."""
        return (self.chain.now() // DAY + days) * DAY

    def soon(self) -> int:
        """A deadline that every message may carry."""
        return self.chain.now() + 1800

    def fresh(self, *, nonce: int = 0, era: int = 0) -> Freshness:
        return Freshness(nonce, era, self.soon())

    def send(self, sender: LocalAccount, call: ContractFunction) -> int:
        """Sends a call, remembers the function, and returns what the transaction used."""
        named = self.contracts.by_name.items()
        self.sent.add((next(name for name, contract in named if contract.abi == call.contract_abi), call.fn_name))
        return int(self.chain.send(sender, call)["gasUsed"])

    def signed(self, message: Message, *signers: LocalAccount, at: Contract | None = None) -> ContractFunction:
        """The call that carries a message with its signatures, to `at` where there is more than one such contract."""
        contract: Contract = at or vars(self.contracts)[message.CONTRACT.lower()]
        signable = message.signable(Domain.of(contract))
        signatures = (bytes(signer.sign_message(signable).signature) for signer in signers)
        return contract.functions[message.FUNCTION](*message.arguments(*signatures))

    def by_signature(self, message: Message, *signers: LocalAccount) -> int:
        """Has the relayer carry a message."""
        return self.send(RELAYER, self.signed(message, *signers))

    # -- what acts need before them ----------------------------------------------------------------------------------

    def join(self, staff: Sequence[LocalAccount], *, roles: Role = Role.CLINICIAN) -> int:
        """Has the clinic take on people in one transaction."""
        domain, deadline = Domain.of(self.consortium), self.soon()
        joins = [Join(each.address, CLINIC_NUMBER, roles, 0, deadline) for each in staff]
        signatures = [
            bytes(each.sign_message(join.signable(domain)).signature) for each, join in zip(staff, joins, strict=True)
        ]
        call = self.consortium.functions.joinMany([join.terms() for join in joins], signatures)
        return self.send(CLINIC, call)

    def grant(self, *, to: str = DOCTOR.address, purpose: Purpose = TREATMENT, by: int = 0) -> Grant:
        """The patient's grant of four classes for thirty days; not sent yet."""
        return Grant(PATIENT.address, to, purpose, ASKED, 0, self.midnight(30), self.fresh(), by)

    def granted(self, *, to: str = DOCTOR.address, purpose: Purpose = TREATMENT) -> None:
        self.by_signature(self.grant(to=to, purpose=purpose), PATIENT)

    def revocation(self, *, nonce: int) -> Revoke:
        return Revoke(PATIENT.address, DOCTOR.address, TREATMENT, self.fresh(nonce=nonce))

    def publication(self, version: int = 2) -> Publish:
        return Publish(PATIENT.address, version, digest(f"bundle {version}"), 0, self.soon())

    def patients(self, count: int) -> list[LocalAccount]:
        """That many more patients, each with a first bundle."""
        patients = [person(f"patient {number}") for number in range(count)]
        domain, deadline = Domain.of(self.keys), self.soon()
        calls = []
        for patient in patients:
            first = Publish(patient.address, 1, digest("a bundle"), 0, deadline)
            signature = bytes(patient.sign_message(first.signable(domain)).signature)
            call = self.keys.functions.publishBySig(*first.arguments(signature))
            calls.append((self.keys.address, encoded(call)))
        self.send(RELAYER, self.carrier.functions.carry(calls))
        return patients

    def anchor(self, *names: str, by: LocalAccount = DOCTOR) -> int:
        files = [digest(name) for name in names]
        return self.send(by, self.records.functions.anchorMany(PATIENT.address, files, 1, self.midnight(1)))

    def anchor_one(self, name: str) -> int:
        return self.send(DOCTOR, self.records.functions.anchor(PATIENT.address, digest(name), 1, self.midnight(1)))

    def report(self, *names: str) -> int:
        files = [digest(name) for name in names]
        return self.send(PATIENT, self.records.functions.report(PATIENT.address, files, 1, self.midnight(1)))

    def asked(self, reader: LocalAccount, *, purpose: Purpose = TREATMENT, scope: int = LABORATORY) -> int:
        call = self.grants.functions.allowed(PATIENT.address, reader.address, scope, purpose.number)
        return self.send(reader, call)


Act = Callable[[World], int]
ACTS: dict[str, Act] = {}


def act(words: str) -> Callable[[Act], Act]:
    """Puts an act into the table under these words."""

    def put(measure: Act) -> Act:
        assert words not in ACTS
        ACTS[words] = measure
        return measure

    return put


def each(gas: int, count: int = HUNDRED) -> int:
    """One part of a transaction that does many, rounded up."""
    return ceil(gas / count)


# -- members ---------------------------------------------------------------------------------------------------------


@act("admit a member")
def _(world: World) -> int:
    roles = Role.PHARMACIST | Role.GATEWAY
    return world.send(BOARD, world.consortium.functions.admit(STRANGER.address, int(roles), 2, world.midnight(365)))


@act("renew a licence")
def _(world: World) -> int:
    return world.send(
        BOARD, world.consortium.functions.renew(CLINIC_NUMBER, int(Role.CLINICIAN), 4, world.midnight(730))
    )


@act("suspend a member")
def suspend(world: World) -> int:
    return world.send(BOARD, world.consortium.functions.suspend(CLINIC_NUMBER, 7))


@act("suspend a member with 3,000 staff")
def _(world: World) -> int:
    for hundred in range(30):
        world.join([person(f"nurse {hundred}.{number}") for number in range(HUNDRED)])
    return suspend(world)


@act("reinstate a member")
def _(world: World) -> int:
    suspend(world)
    return world.send(BOARD, world.consortium.functions.reinstate(CLINIC_NUMBER))


@act("remove a member")
def _(world: World) -> int:
    return world.send(BOARD, world.consortium.functions.remove(CLINIC_NUMBER, 7))


@act("replace a member's account")
def _(world: World) -> int:
    return world.send(CLINIC, world.consortium.functions.replaceAccount(CLINIC_NUMBER, NEW_WALLET.address))


@act("join")
def _(world: World) -> int:
    nurse = person("nurse")
    terms = Join(nurse.address, CLINIC_NUMBER, Role.CLINICIAN, 0, world.soon())
    return world.send(CLINIC, world.signed(terms, nurse))


@act("join, each of 100")
def _(world: World) -> int:
    return each(world.join([person(f"nurse {number}") for number in range(HUNDRED)]))


@act("leave")
def _(world: World) -> int:
    return world.send(DOCTOR, world.consortium.functions.leave())


@act("leave by signature")
def _(world: World) -> int:
    return world.by_signature(Leave(DOCTOR.address, CLINIC_NUMBER, 1, world.soon()), DOCTOR)


@act("dismiss")
def _(world: World) -> int:
    return world.send(CLINIC, world.consortium.functions.dismiss(DOCTOR.address))


@act("name an operator")
def _(world: World) -> int:
    return world.send(CLINIC, world.consortium.functions.setOperator(world.carrier.address, 3))


@act("renew the consortium's key")
def _(world: World) -> int:
    world.send(BOARD, world.consortium.functions.renewKey(digest("first key")))
    return world.send(BOARD, world.consortium.functions.renewKey(digest("second key")))


@act("offer the board's seat")
def offer_board(world: World) -> int:
    return world.send(BOARD, world.consortium.functions.offerBoard(STRANGER.address))


@act("take the board's seat")
def _(world: World) -> int:
    offer_board(world)
    return world.send(STRANGER, world.consortium.functions.acceptBoard())


# -- keys ------------------------------------------------------------------------------------------------------------


@act("publish the first bundle")
def _(world: World) -> int:
    other = person("another patient")
    return world.send(other, world.keys.functions.publish(other.address, 1, digest("a bundle")))


@act("publish the first bundle, with a publisher, by signature")
def _(world: World) -> int:
    other = person("another patient")
    first = Rotate(other.address, 1, digest("a bundle"), PUBLISHER.address, 0, 0, world.soon())
    return world.by_signature(first, other)


@act("publish a bundle")
def _(world: World) -> int:
    return world.by_signature(world.publication(), PUBLISHER)


@act("publish a bundle by the controller's signature")
def _(world: World) -> int:
    return world.by_signature(world.publication(), PATIENT)


@act("publish a bundle directly")
def _(world: World) -> int:
    return world.send(PUBLISHER, world.keys.functions.publish(PATIENT.address, 2, digest("bundle 2")))


@act("rotate")
def _(world: World) -> int:
    call = world.keys.functions.rotate(PATIENT.address, 2, digest("bundle 2"), person("next publisher").address)
    return world.send(PATIENT, call)


@act("rotate by signature")
def _(world: World) -> int:
    publisher = person("next publisher").address
    return world.by_signature(Rotate(PATIENT.address, 2, digest("bundle 2"), publisher, 1, 0, world.soon()), PATIENT)


@act("change the publisher")
def _(world: World) -> int:
    return world.send(PATIENT, world.keys.functions.setPublisher(PATIENT.address, person("next publisher").address))


@act("change the publisher by signature")
def _(world: World) -> int:
    publisher = person("next publisher").address
    return world.by_signature(SetPublisher(PATIENT.address, publisher, 1, 0, world.soon()), PATIENT)


@act("raise the era")
def _(world: World) -> int:
    return world.send(PATIENT, world.keys.functions.raiseEra(PATIENT.address))


@act("raise the era by signature")
def _(world: World) -> int:
    return world.by_signature(RevokeEverything(PATIENT.address, 0, world.soon()), PATIENT)


def hand_over(world: World, *, keep_grants: bool) -> int:
    publisher = person("next publisher").address
    terms = HandOver(PATIENT.address, NEW_WALLET.address, publisher, keep_grants, 1, 0, world.soon())
    return world.by_signature(terms, PATIENT, NEW_WALLET)


@act("hand over")
def _(world: World) -> int:
    return hand_over(world, keep_grants=False)


@act("hand over, keeping the grants")
def _(world: World) -> int:
    return hand_over(world, keep_grants=True)


def recoverable(world: World) -> Contract:
    """Keys with a recovery, which the world's have not, and the patient's first bundle there."""
    keys = world.chain.deploy("Keys", RECOVERY.address)
    world.send(PATIENT, keys.functions.rotate(PATIENT.address, 1, digest("bundle 1"), PUBLISHER.address))
    return keys


@act("freeze")
def _(world: World) -> int:
    return world.send(RECOVERY, recoverable(world).functions.setFrozen(PATIENT.address, True))


@act("recover")
def _(world: World) -> int:
    keys = recoverable(world)
    world.send(RECOVERY, keys.functions.setFrozen(PATIENT.address, True))
    return world.send(RECOVERY, keys.functions.recover(PATIENT.address, NEW_WALLET.address))


# -- recovery --------------------------------------------------------------------------------------------------------

GUARDIANS = tuple(sorted((person(f"guardian {number}") for number in range(5)), key=lambda each: int(each.address, 16)))
GUARDED = GuardianSet(digest("salt of the guardians"), 3, tuple(each.address for each in GUARDIANS))


def name_guardians(world: World) -> int:
    terms = SetGuardians(PATIENT.address, GUARDED.hash, 0, 0, world.soon())
    return world.by_signature(terms, PATIENT)


def started(world: World) -> int:
    """Three of the patient's five guardians start a recovery."""
    name_guardians(world)
    world.chain.at(world.chain.now() + NOTICE)
    terms = TakeOver(PATIENT.address, NEW_WALLET.address, 1, world.soon(), GUARDED, signers=0b111)
    return world.by_signature(terms, *GUARDIANS[:3], NEW_WALLET)


@act("name guardians")
def _(world: World) -> int:
    return world.send(PATIENT, world.recovery.functions.setGuardians(PATIENT.address, GUARDED.hash))


@act("name guardians by signature")
def _(world: World) -> int:
    return name_guardians(world)


@act("start a recovery, three of five")
def _(world: World) -> int:
    return started(world)


@act("confirm a recovery, one more")
def _(world: World) -> int:
    started(world)
    terms = Confirm(PATIENT.address, NEW_WALLET.address, 1, world.soon(), GUARDED, signers=0b1000)
    return world.by_signature(terms, GUARDIANS[3])


@act("object")
def _(world: World) -> int:
    started(world)
    return world.send(PATIENT, world.recovery.functions.object(PATIENT.address))


@act("object by signature")
def _(world: World) -> int:
    started(world)
    return world.by_signature(Object(PATIENT.address, 1, 0, world.soon()), PATIENT)


@act("withdraw from a recovery")
def _(world: World) -> int:
    started(world)
    guardian = GUARDIANS[0]
    return world.by_signature(Withdraw(PATIENT.address, guardian.address, 1, world.soon(), GUARDED), guardian)


@act("finish a recovery")
def _(world: World) -> int:
    started(world)
    world.chain.at(world.chain.now() + DELAY)
    return world.send(STRANGER, world.recovery.functions.finish(PATIENT.address))


@act("end an overdue recovery")
def _(world: World) -> int:
    started(world)
    world.chain.at(world.chain.now() + LASTS)
    return world.send(STRANGER, world.recovery.functions.lapse(PATIENT.address))


# -- records ---------------------------------------------------------------------------------------------------------


@act("anchor a record")
def _(world: World) -> int:
    return world.anchor_one("blood count")


@act("anchor a record, each of 100")
def _(world: World) -> int:
    return each(world.anchor(*(f"slice {number}" for number in range(HUNDRED))))


@act("anchor a record to the inbox")
def _(world: World) -> int:
    return world.send(DOCTOR, world.records.functions.anchorInbox(PATIENT.address, [digest("blood count")]))


@act("anchor a record to the inbox, each of 100")
def _(world: World) -> int:
    return each(world.send(DOCTOR, world.records.functions.anchorInbox(PATIENT.address, digests("slice"))))


@act("anchor a day of 100 rows, each row")
def _(world: World) -> int:
    pairs = zip(world.patients(HUNDRED), digests("proofs"), strict=True)
    rows = [(patient.address, 1, proofs) for patient, proofs in pairs]
    call = world.records.functions.anchorDay(digest("root of the day"), world.midnight(1), rows)
    return each(world.send(DOCTOR, call))


@act("report")
def _(world: World) -> int:
    return world.report("diary")


@act("report by signature")
def _(world: World) -> int:
    terms = Report(PATIENT.address, [digest("diary")], 1, world.midnight(1), 0, world.soon())
    return world.by_signature(terms, PATIENT)


def resealing(name: str) -> Resealing:
    return Resealing(CLINIC_NUMBER, digest(name), digest(f"{name}, sealed anew"))


@act("reseal")
def _(world: World) -> int:
    terms = Reseal(PATIENT.address, [resealing("record")], 1, world.midnight(1), 0, 0)
    call = world.records.functions.reseal(terms.pseudonym, terms.rows(), terms.version, terms.before)
    return world.send(PATIENT, call)


@act("reseal by signature")
def _(world: World) -> int:
    terms = Reseal(PATIENT.address, [resealing("record")], 1, world.midnight(1), 0, world.soon())
    return world.by_signature(terms, PATIENT)


@act("reseal by signature, each of 100")
def _(world: World) -> int:
    names = [f"slice {number}" for number in range(HUNDRED)]
    world.anchor(*names)
    records = [resealing(name) for name in names]
    return each(world.by_signature(Reseal(PATIENT.address, records, 1, world.midnight(1), 0, world.soon()), PATIENT))


@act("disown a record")
def _(world: World) -> int:
    return world.send(DOCTOR, world.records.functions.disown(PATIENT.address, digest("record")))


@act("supersede a record")
def _(world: World) -> int:
    call = world.records.functions.supersede(PATIENT.address, digest("record"), digest("newer record"))
    return world.send(DOCTOR, call)


@act("correct a record")
def _(world: World) -> int:
    call = world.records.functions.correct(PATIENT.address, digest("record"), digest("newer record"))
    return world.send(DOCTOR, call)


@act("correct an own record by signature")
def _(world: World) -> int:
    terms = Amend(PATIENT.address, CORRECT, digest("own record"), digest("newer own record"), 0, world.soon())
    return world.by_signature(terms, PATIENT)


# -- grants ----------------------------------------------------------------------------------------------------------


@act("grant")
def _(world: World) -> int:
    return world.send(PATIENT, world.grants.functions.grant(world.grant().terms()))


@act("grant by signature")
def _(world: World) -> int:
    return world.by_signature(world.grant(), PATIENT)


@act("grant to a member by signature")
def _(world: World) -> int:
    return world.by_signature(world.grant(to=member_address(CLINIC_NUMBER)), PATIENT)


@act("grant again by signature")
def _(world: World) -> int:
    world.granted()
    again = Grant(PATIENT.address, DOCTOR.address, TREATMENT, ASKED, 0, world.midnight(60), world.fresh(nonce=1))
    return world.by_signature(again, PATIENT)


@act("grant under a parent by signature")
def _(world: World) -> int:
    world.by_signature(SetParent(PATIENT.address, 1, DAUGHTER.address, world.midnight(90), world.fresh()), PATIENT)
    return world.by_signature(world.grant(by=1), PATIENT)


@act("narrow")
def _(world: World) -> int:
    world.granted()
    call = world.grants.functions.narrow(
        PATIENT.address, DOCTOR.address, TREATMENT.number, LABORATORY, world.midnight(10)
    )
    return world.send(PATIENT, call)


@act("narrow by signature")
def _(world: World) -> int:
    world.granted()
    terms = Narrow(PATIENT.address, DOCTOR.address, TREATMENT, LABORATORY, world.midnight(10), world.fresh(nonce=1))
    return world.by_signature(terms, PATIENT)


@act("revoke")
def _(world: World) -> int:
    world.granted()
    return world.send(PATIENT, world.grants.functions.revoke(PATIENT.address, DOCTOR.address, TREATMENT.number))


@act("revoke by signature")
def _(world: World) -> int:
    world.granted()
    return world.by_signature(world.revocation(nonce=1), PATIENT)


@act("revoke by signature what was not sent yet")
def _(world: World) -> int:
    return world.by_signature(world.revocation(nonce=0), PATIENT)


@act("appoint a parent")
def _(world: World) -> int:
    call = world.grants.functions.setParent(PATIENT.address, 1, DAUGHTER.address, world.midnight(90))
    return world.send(PATIENT, call)


@act("appoint a parent by signature")
def _(world: World) -> int:
    terms = SetParent(PATIENT.address, 1, DAUGHTER.address, world.midnight(90), world.fresh())
    return world.by_signature(terms, PATIENT)


@act("allowed, with the call")
def _(world: World) -> int:
    world.granted()
    return world.asked(DOCTOR)


@act("allowed by member, with the call")
def _(world: World) -> int:
    world.granted(to=member_address(CLINIC_NUMBER))
    return world.asked(DOCTOR)


@act("allowed under a parent, with the call")
def _(world: World) -> int:
    world.by_signature(SetParent(PATIENT.address, 1, DAUGHTER.address, world.midnight(90), world.fresh()), PATIENT)
    world.by_signature(world.grant(by=1), PATIENT)
    return world.asked(DOCTOR)


@act("allowed to family, with the call")
def _(world: World) -> int:
    world.granted(to=DAUGHTER.address, purpose=FAMILY)
    return world.asked(DAUGHTER, purpose=FAMILY)


@act("refused a stranger, with the call")
def _(world: World) -> int:
    world.granted()
    return world.asked(STRANGER)


# -- letters ---------------------------------------------------------------------------------------------------------


@act("letter")
def _(world: World) -> int:
    return world.send(DOCTOR, world.letters.functions.send(DOCTOR.address, PATIENT.address, digest("request")))


@act("letter, each of 50")
def _(world: World) -> int:
    letters = [(person(f"patient {number}").address, digest(f"receipts {number}")) for number in range(50)]
    return ceil(world.send(DOCTOR, world.letters.functions.sendMany(DOCTOR.address, letters)) / 50)


@act("letter by signature")
def _(world: World) -> int:
    first = Letter(PATIENT.address, DOCTOR.address, digest("answer"), 0, 0, world.soon())
    world.by_signature(first, PATIENT)
    return world.by_signature(Letter(PATIENT.address, DOCTOR.address, digest("share"), 1, 0, world.soon()), PATIENT)


# -- receipts --------------------------------------------------------------------------------------------------------


@act("log receipts of readings, any number")
def _(world: World) -> int:
    return world.send(CLINIC, world.accesslog.functions.log(digest("root of receipts"), 4096))


@act("log receipts of readings, by who belongs to no member")
def _(world: World) -> int:
    return world.send(DAUGHTER, world.accesslog.functions.log(digest("root of receipts"), 1))


# -- carried ---------------------------------------------------------------------------------------------------------


def carried(world: World, message: Message, *signers: LocalAccount) -> tuple[str, str]:
    """A message as one of the carrier's calls."""
    call = world.signed(message, *signers)
    return (call.address, encoded(call))


@act("revoke and publish in one")
def _(world: World) -> int:
    world.granted()
    calls = [
        carried(world, world.revocation(nonce=1), PATIENT),
        carried(world, world.publication(), PUBLISHER),
    ]
    return world.send(RELAYER, world.carrier.functions.carry(calls))


@act("publish a bundle, of 1 patient carried alone")
def _(world: World) -> int:
    return world.send(RELAYER, world.carrier.functions.carryEach(publications(world, 1)))


@act("publish a bundle, each of 10 patients carried together")
def _(world: World) -> int:
    return each(world.send(RELAYER, world.carrier.functions.carryEach(publications(world, 10))), 10)


def publications(world: World, count: int) -> list[tuple[int, list[tuple[str, bytes]]]]:
    """The next versions of so many patients, a group each."""
    groups = []
    for patient in world.patients(count):
        next_version = Publish(patient.address, 2, digest("the next bundle"), 0, world.soon())
        groups.append((0, [carried(world, next_version, patient)]))
    return groups

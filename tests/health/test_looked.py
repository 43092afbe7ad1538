"""Who looked: a receipt before each opening, sent and logged, and what the patient makes of every lie about it.

The numbers in `# property` are those of docs/properties.md.
"""

import io
import os
from dataclasses import replace
from threading import Thread
from typing import Any

import pytest
from health_world import DAY, LAB, TREAT, VITALS, HealthWorld
from receipts_ward import Ward, open_ward

from theriac.crypto.recipients import parse_recipient
from theriac.errors import ChainSilent, NoMatchingIdentity, NotGranted, NotHandedIn, NotReceipted
from theriac.health import documents, looked
from theriac.health.accesslog import encode_letter, logs
from theriac.health.bundle import compose
from theriac.health.chain import Signed
from theriac.health.looked import Double, Examiner, Fault, Gap, Looked, Reading
from theriac.health.messages import Publish, member_address
from theriac.health.receipts import Act, Proof, Receipt, Rule
from theriac.health.scope import Level


@pytest.fixture
def ward(world: HealthWorld) -> Ward:
    return open_ward(world)


def told(readings: tuple[Reading, ...]) -> list[tuple[Any, ...]]:
    """What a list shows of readings, the oldest first."""
    found = []
    for reading in reversed(readings):
        receipt = reading.receipt
        facts = (receipt.reader, receipt.number, receipt.record, receipt.cls, receipt.rule, receipt.act)
        found.append((*facts, reading.faults))
    return found


def test_open__is_receipted_sent_logged_and_seen_by_the_patient(ward: Ward) -> None:
    # given a doctor who opens three times, and a desk that hands one record's key to the doctor
    # properties L1, L2, L8
    world, patient = ward.world, ward.patient
    doctor, desk = world.reader(world.doctor, "doctor"), world.reader(world.clinic, "clinic")
    doctor.learn(ward.by_doctor)
    desk.learn(ward.by_desk)
    for record in (ward.lab, ward.vitals, ward.lab):
        doctor.open(ward.by_doctor, record, purpose=TREAT)
        world.travel(60)
    desk.file_key(ward.by_desk, ward.lab, purpose=TREAT, to=world.doctor.address)
    assert patient.looked() == Looked(), "nothing is known before it is sent"

    # when the doctor hands in at the desk, which logs and sends all
    handed: list[bytes] = []
    with pytest.raises(OSError, match="full"):
        doctor.book.hand_in(full_disk, to=world.clinic.identity.recipient)
    assert doctor.book.hand_in(handed.append, to=world.clinic.identity.recipient) == 3
    assert (desk.book.take_in(handed[0]), doctor.book.waiting(), desk.book.waiting()) == (3, 0, 4)
    sent = desk.book.send(ward.sender(world.clinic), world.store)

    # then one root, a letter for each of the two pseudonyms, and the patient sees each reading
    assert (sent.logged, sent.letters, len(sent.receipts), sent.waiting) == (4, 2, 2, ())
    [log] = logs(patient.chain, member=1)
    assert (log.root, log.by, log.leaves) == (sent.roots[0], world.clinic.address, 4)
    found = patient.looked()
    assert told(found.readings) == [
        (world.doctor.address, 1, ward.lab, str(LAB), "own grant", "open", ()),
        (world.doctor.address, 2, ward.vitals, str(VITALS), "own grant", "open", ()),
        (world.doctor.address, 3, ward.lab, str(LAB), "own grant", "open", ()),
        (world.clinic.address, 1, ward.lab, str(LAB), "grant to the member", "hand to staff", ()),
    ]
    assert [each.receipt.to for each in found.readings if each.receipt.act == Act.HAND] == [world.doctor.address]
    assert {each.log for each in found.readings} == {log}
    assert (found.gaps, found.doubles, found.strangers, found.forged, found.missing) == ((), (), {}, 0, 0)

    # and what she has read she keeps, though every store forgets the letters
    for event in patient.chain.index.events("Letters", "Sent"):
        world.store.unpin(world.store.resolve(event.arguments["letter"]))
    assert patient.looked() == found

    # and the clinic shows that there is nothing else below its root
    assert desk.book.whole(log.root) == [each.receipt for each in desk.book.proofs()]
    assert len(desk.book.whole(log.root)) == log.leaves


def full_disk(_: bytes) -> None:
    raise OSError(28, "the disk is full")


def test_open__after_a_revoke__leaves_no_receipt(ward: Ward) -> None:
    doctor = ward.world.reader(ward.world.doctor, "doctor")
    doctor.learn(ward.by_doctor)
    ward.patient.revoke(ward.world.doctor.address, purpose=TREAT)

    with pytest.raises(NotGranted):
        doctor.open(ward.by_doctor, ward.lab, purpose=TREAT)

    assert doctor.book.waiting() == 0


def test_open__a_single_record__names_its_rule(ward: Ward) -> None:
    world = ward.world
    share = ward.patient.share_record(ward.session, world.colleague.address, purpose=TREAT, end=world.in_days(3))
    colleague = world.reader(world.colleague, "colleague")
    colleague.learn(share.pseudonym)

    colleague.open(share.pseudonym, ward.session, purpose=TREAT, act=Act.EXPORT)
    ward.send(colleague.book, world.colleague)

    [reading] = ward.patient.looked().readings
    assert (reading.receipt.rule, reading.receipt.act, reading.faults) == (Rule.SINGLE, Act.EXPORT, ())


class Refusing:
    """A wallet whose owner says no, as long as `no` is set; or that signs something else."""

    def __init__(self, signer: Any) -> None:
        self.signer, self.address, self.no, self.other = signer, signer.address, True, False

    def sign_message(self, message: Any) -> bytes:
        if self.no:
            raise NotReceipted(reader=self.address)
        return bytes(65) if self.other else bytes(self.signer.sign_message(message))


def test_open__without_a_signature__opens_nothing_and_uses_no_number_twice(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    # properties L1, L3
    doctor = ward.world.reader(ward.world.doctor, "doctor")
    doctor.learn(ward.by_doctor)
    wallet = Refusing(ward.world.doctor.signer)
    doctor.book._signer = wallet  # type: ignore[assignment]

    # when the wallet says no, then signs something else, then the disk fails after a signature
    with pytest.raises(NotReceipted):
        doctor.open(ward.by_doctor, ward.lab, purpose=TREAT)
    wallet.no, wallet.other = False, True
    with pytest.raises(NotReceipted):
        doctor.open(ward.by_doctor, ward.vitals, purpose=TREAT)
    wallet.other = False
    seen: list[bytes] = []
    keep = type(doctor.book)._keep

    def full(self: Any, book: Any, receipt: Any, digest: str) -> int:
        seen.append(receipt.digest(ward.chain.domain("AccessLog")))
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(type(doctor.book), "_keep", full)
        with pytest.raises(OSError, match="No space"):
            doctor.open(ward.by_doctor, ward.vitals, purpose=TREAT)
    assert doctor.book.waiting() == 0

    # then the first number stands for the first attempt, whatever was opened next
    assert type(doctor.book)._keep is keep
    doctor.open(ward.by_doctor, ward.vitals, purpose=TREAT)
    ward.send(doctor.book, ward.world.doctor)
    found = ward.patient.looked()
    assert [(each.receipt.number, each.receipt.record) for each in reversed(found.readings)] == [
        (1, ward.lab),
        (2, ward.vitals),
    ]
    assert seen == [found.readings[1].receipt.digest(ward.chain.domain("AccessLog"))]
    assert (found.doubles, found.gaps, [each.faults for each in found.readings]) == ((), (), [(), ()])


def test_send__broken_off_anywhere__does_nothing_twice(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    # property L4
    world = ward.world
    doctor = world.reader(world.doctor, "doctor")
    doctor.learn(ward.by_doctor)
    doctor.open(ward.by_doctor, ward.lab, purpose=TREAT)
    sender = ward.sender(world.doctor)

    # when the chain goes away before the root, and then after it
    with monkeypatch.context() as patch:
        patch.setattr(sender, "send", silent)
        with pytest.raises(ChainSilent):
            doctor.book.send(sender, world.store)
    with monkeypatch.context() as patch:
        patch.setattr(type(doctor.book), "_post", silent)
        with pytest.raises(ChainSilent):
            doctor.book.send(sender, world.store)
    doctor.open(ward.by_doctor, ward.vitals, purpose=TREAT)
    doctor.book.send(sender, world.store)
    again = doctor.book.send(sender, world.store)

    # then each root is logged once, each letter sent once, and nothing is missing
    assert (again.logged, again.letters) == (0, 0)
    assert [log.leaves for log in logs(ward.chain)] == [1, 1]
    assert len(list(ward.chain.index.events("Letters", "Sent"))) == 2
    assert [each.receipt.number for each in ward.patient.looked().readings] == [2, 1]


def silent(*_: Any, **__: Any) -> Any:
    raise ChainSilent(endpoint="the node", seconds=1, reason="gone")


def test_take_in__of_others__is_refused(ward: Ward) -> None:
    world = ward.world
    desk, colleague = world.reader(world.clinic, "clinic"), world.reader(world.colleague, "colleague")
    colleague.book.issue(ward.by_doctor, record=ward.lab, cls=str(LAB), purpose=TREAT, rule=Rule.GRANT, act=Act.OPEN)
    handed: list[bytes] = []
    colleague.book.hand_in(handed.append, to=world.clinic.identity.recipient)
    unsigned = replace(ward.receipt(world.doctor), number=2)
    values = {"reader": world.doctor.address, "receipts": [unsigned.values()]}
    forged = documents.seal(documents.encode("handed-in receipts", values), to=world.clinic.identity.recipient)
    colleague.book.hand_in(handed.append, to=world.hospital.identity.recipient, again=True)

    for sealed in (handed[0], forged):
        with pytest.raises(NotHandedIn):
            desk.book.take_in(sealed)
    with pytest.raises(NoMatchingIdentity):
        desk.book.take_in(handed[1])
    assert desk.book.waiting() == 0


# -- lies ------------------------------------------------------------------------------------------------------------


def test_examine__each_lie__is_named(ward: Ward) -> None:
    # properties L2, L3, L5, L6, L7
    world, doctor, colleague = ward.world, ward.world.doctor, ward.world.colleague
    granted_at = world.now()
    first = ward.receipt(doctor)
    world.travel(3600)
    second = ward.receipt(doctor, number=2, previous=ward.after(first), record=ward.vitals, cls=str(VITALS))
    world.travel(3600)
    third = ward.receipt(doctor, number=3, previous=ward.after(second))
    another_second = ward.receipt(doctor, number=2, previous=ward.after(first))
    honest = ward.log(first, second, third, by=doctor)
    [other] = ward.log(another_second, by=doctor)
    examiner = Examiner(ward.chain)

    def faults(*proofs: Proof) -> list[tuple[Fault, ...]]:
        return [each.faults for each in reversed(examiner.examine(proofs).readings)]

    def lone(receipt: Any, *, logged: bool = True, by: Any = doctor) -> tuple[Fault, ...]:
        [proof] = ward.log(receipt, by=by) if logged else [replace(honest[0], receipt=receipt)]
        [found] = Examiner(ward.chain).examine([proof]).readings
        return found.faults

    # an honest series
    assert faults(*honest) == [(), (), ()]

    # a forged one, by a stranger's key, or altered afterwards: nobody's
    forgeries = [
        ward.signed(first, colleague),
        replace(first, record=ward.session),
        replace(first, signature=""),
        replace(first, signature="zz" * 0 + "00" * 65),
        replace(first, signature=high_s(first.signature)),
    ]
    assert examiner.examine([replace(honest[0], receipt=each) for each in forgeries]) == Looked(forged=5)

    # the middle one deleted: a gap, and nothing can be said of the chain across it
    without = examiner.examine([honest[0], honest[2]])
    assert without.gaps == (Gap(doctor.address, ward.by_doctor, 2, 2),)
    assert examiner.examine([honest[1]]).gaps == (Gap(doctor.address, ward.by_doctor, 1, 1),)
    assert examiner.examine([honest[0], honest[2]], whole=False).gaps == ()

    # one number for two readings: proof that its signer lied
    doubled = examiner.examine([*honest, other])
    assert doubled.doubles == (Double(honest[1], other),)
    assert [each.faults for each in doubled.readings if each.receipt.number == 2] == [(Fault.TWICE,)] * 2

    # renumbered over a reading that was left out
    closed_up = ward.receipt(doctor, number=2, previous=ward.after(third))
    [proof] = ward.log(closed_up, by=doctor)
    assert faults(honest[0], proof) == [(), (Fault.CHAIN,)]
    assert lone(ward.receipt(doctor, previous="11" * 32)) == (Fault.CHAIN,)

    # a root that was never logged, another root than was logged, another place, another number of leaves
    assert lone(first, logged=False) == ()
    [log] = [each for each in logs(ward.chain) if each.root == honest[0].root]
    for broken in (
        replace(honest[0], root="22" * 32),
        replace(honest[0], root=other.root, leaves=1, path=()),
        replace(honest[0], place=1),
        replace(honest[0], leaves=4),
        replace(honest[0], path=()),
    ):
        assert Examiner(ward.chain).examine([broken]).readings == (Reading(broken, None, (Fault.NOT_LOGGED,)),)
    # and a broken proof beside one that holds takes nothing away
    assert examiner.examine([replace(honest[0], path=()), honest[0]]).readings == (Reading(honest[0], log),)

    # times: backdated after a later number, after the log, long before it
    backdated = ward.receipt(doctor, number=3, previous=ward.after(second), time=granted_at)
    [proof] = ward.log(backdated, by=doctor)
    assert (
        Fault.BACKDATED
        in examiner.examine([*honest[:2], proof]).readings[-1].faults
        + examiner.examine([*honest[:2], proof]).readings[-2].faults
    )
    assert lone(ward.receipt(doctor, time=world.now() + 3600)) == (Fault.AHEAD,)
    old = ward.receipt(doctor)
    world.travel(8 * DAY)
    assert lone(old) == (Fault.LATE,)

    # what the grant does not name, and what a member's grant does not reach
    assert lone(ward.receipt(doctor, record=ward.session, cls="mental-health/R")) == (Fault.NO_GRANT,)
    assert lone(ward.receipt(doctor, purpose="PUBHLTH")) == (Fault.NO_GRANT,)
    assert lone(ward.receipt(doctor, rule=Rule.SINGLE.value)) == (Fault.NO_GRANT,)
    assert lone(ward.receipt(doctor, rule=Rule.EMERGENCY.value)) == (Fault.NO_GRANT,)
    by_clinic = ward.receipt(world.clinic, pseudonym=ward.by_desk, rule=Rule.MEMBER.value)
    assert lone(by_clinic, by=world.clinic) == ()
    assert lone(ward.receipt(doctor, pseudonym=ward.by_desk, rule=Rule.MEMBER.value)) == ()

    # a member that is not its own
    assert lone(ward.receipt(doctor, member=2)) == (Fault.OTHER_MEMBER,)

    # before the grant, and after the revoke
    assert lone(ward.receipt(doctor, member=0, time=granted_at - 30 * DAY)) == (Fault.NO_GRANT, Fault.LATE)
    ward.patient.revoke(doctor.address, purpose=TREAT)
    assert lone(ward.receipt(doctor, time=world.now() + 1)) == (Fault.NO_GRANT,)
    assert lone(ward.receipt(doctor, time=world.now() - 600)) == ()


def test_examine__an_emergency_that_the_chain_does_not_know__is_no_rule(ward: Ward) -> None:
    # given a clinician of another member, who was granted nothing
    # property L7
    colleague = ward.world.colleague
    [proof] = ward.log(ward.receipt(colleague, rule=Rule.EMERGENCY.value, purpose="ETREAT"), by=colleague)

    # when
    unknown = Examiner(ward.chain).examine([proof])

    # then
    assert (unknown.readings, [each.faults for each in unknown.strangers[colleague.address]]) == (
        (),
        [(Fault.NO_GRANT,)],
    )


def high_s(signature: str) -> str:
    """The other spelling of a signature, which anybody can make."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    raw = bytes.fromhex(signature)
    s = order - int.from_bytes(raw[32:64], "big")
    return (raw[:32] + s.to_bytes(32, "big") + bytes([55 - raw[64]])).hex()


def test_looked__letters_of_strangers__do_not_bury_what_counts(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a stranger who sends letters of every kind before the doctor sends one
    # property L9
    world, patient = ward.world, ward.patient
    stranger = world.person()
    inbox = inbox_of(ward, ward.by_doctor)
    confession = ward.log(ward.receipt(stranger), by=stranger)
    replayed = ward.log(ward.receipt(world.doctor, pseudonym=ward.by_desk), by=stranger)
    junk = [
        documents.seal(encode_letter(ward.by_doctor, replayed), to=inbox),
        documents.seal(encode_letter(ward.by_desk, replayed), to=inbox),
        documents.seal(b"nonsense", to=inbox),
        os.urandom(1000),
    ]
    last = documents.seal(encode_letter(ward.by_doctor, confession), to=inbox)
    digests = [world.store.put(io.BytesIO(each)).digest for each in junk]
    digests += [*(os.urandom(32) for _ in range(40)), world.store.put(io.BytesIO(last)).digest]
    functions = world.contracts.Letters.functions
    send = functions.sendMany(stranger.address, [(ward.by_doctor, digest) for digest in digests])
    ward.sender(stranger).send(send)
    doctor = world.reader(world.doctor, "doctor")
    doctor.learn(ward.by_doctor)
    doctor.open(ward.by_doctor, ward.lab, purpose=TREAT)
    ward.send(doctor.book, world.doctor)
    monkeypatch.setattr(looked, "TIER_LIMITS", (None, 5, 5))

    # when she looks, then the doctor's receipt is there at once, and the stranger's letters come a few at a time
    found = patient.looked()
    assert [each.receipt.reader for each in found.readings] == [world.doctor.address]
    assert (found.unread, found.missing, found.forged, found.strangers) == (40, 0, 1, {})

    # and none of them is lost behind those that are nowhere; what a stranger says of itself stands apart
    for _ in range(8):
        found = patient.looked()
    assert {reader: [each.faults for each in theirs] for reader, theirs in found.strangers.items()} == {
        stranger.address: [(Fault.NO_GRANT,)]
    }
    assert [each.receipt.reader for each in found.readings] == [world.doctor.address]


def inbox_of(ward: Ward, pseudonym: str) -> Any:
    return parse_recipient(str(ward.patient.vault.accounts[pseudonym].inbox(Level.N).recipient))


def test_looked__what_only_the_patient_knows(ward: Ward) -> None:
    # given receipts that a granted doctor signed, of no record of hers, in another class, before the record was there
    # property L7
    world, doctor = ward.world, ward.world.doctor
    anchored = ward.patient.entry(ward.lab).anchored
    unknown = ward.receipt(doctor, record="33" * 32)
    other = ward.receipt(doctor, number=2, previous=ward.after(unknown), cls=str(VITALS))
    world.travel(60)
    right = ward.receipt(doctor, number=3, previous=ward.after(other))
    proofs = ward.log(unknown, other, right, by=doctor)
    sealed = documents.seal(encode_letter(ward.by_doctor, proofs), to=inbox_of(ward, ward.by_doctor))
    digest = world.store.put(io.BytesIO(sealed)).digest
    ward.sender(doctor).send(world.contracts.Letters.functions.send(doctor.address, ward.by_doctor, digest))

    # when
    found = ward.patient.looked()

    # then
    by_number = {each.receipt.number: each.faults for each in found.readings}
    assert by_number == {1: (Fault.UNKNOWN,), 2: (Fault.OTHER_CLASS,), 3: ()}
    assert anchored < right.time


def test_send__to_who_published_nothing__logs_and_waits(ward: Ward) -> None:
    world = ward.world
    doctor, nobody = world.reader(world.doctor, "doctor"), world.person(publish=False)
    facts = {"record": ward.lab, "cls": str(LAB), "purpose": TREAT, "rule": Rule.EMERGENCY, "act": Act.OPEN}
    doctor.book.issue(nobody.address, **facts)  # type: ignore[arg-type]
    doctor.learn(ward.by_doctor)
    doctor.open(ward.by_doctor, ward.lab, purpose=TREAT)

    sent = doctor.book.send(ward.sender(world.doctor), world.store)

    assert (sent.logged, sent.letters, sent.waiting) == (2, 1, (nobody.address,))
    assert doctor.book.send(ward.sender(world.doctor), world.store).waiting == (nobody.address,)
    assert len(ward.patient.looked().readings) == 1
    assert member_address(1) != nobody.address


def test_book__of_two_at_once__uses_each_number_once(ward: Ward) -> None:
    # given two programs with the book of one account
    # properties L2, L3
    books = [ward.world.reader(ward.world.doctor, "doctor").book for _ in range(2)]
    for book in books:
        book.chain.domain("AccessLog")
    facts = {"record": ward.lab, "cls": str(LAB), "purpose": TREAT, "rule": Rule.GRANT, "act": Act.OPEN, "time": 7}
    issued: list[Receipt] = []

    # when
    def issue(book: Any) -> None:
        for _ in range(5):
            issued.append(book.issue(ward.by_doctor, **facts))

    threads = [Thread(target=issue, args=[book]) for book in books]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # then
    numbered = sorted(issued, key=lambda receipt: receipt.number)
    assert [receipt.number for receipt in numbered] == list(range(1, 11))
    assert [each.previous for each in numbered[1:]] == [ward.after(each) for each in numbered[:-1]]


@pytest.mark.parametrize("inbox", ["a thief's", "none at all"])
def test_send__to_inboxes_that_only_the_publisher_named__waits(ward: Ward, inbox: str) -> None:
    # given a thief of the publisher key, who publishes inboxes of its own, or nonsense; and another patient's receipt
    world, patient = ward.world, ward.patient
    account = patient.vault.accounts[ward.by_doctor]
    desk = world.reader(world.clinic, "clinic")
    desk.learn(ward.by_desk)
    desk.open(ward.by_desk, ward.lab, purpose=TREAT)
    facts = {"record": ward.lab, "cls": str(LAB), "purpose": TREAT, "rule": Rule.GRANT, "act": Act.OPEN}
    desk.book.issue(ward.by_doctor, **facts)  # type: ignore[arg-type]
    stolen = replace(account, inboxes={level.name: os.urandom(32) for level in Level})
    forged = compose(patient.vault, stolen, hour=patient.chain.hour()).document
    if inbox == "none at all":
        forged = forged.replace(str(stolen.inbox(Level.N).recipient).encode(), b"age1nonsense")
    digest = world.store.put(io.BytesIO(forged)).digest
    message = Publish(ward.by_doctor, account.version + 1, digest, 0, world.now() + 900)
    signature = patient.vault.publisher(account).sign_message(message.signable(patient.chain.domain("Keys")))
    world.relay.carry(Signed(message, (bytes(signature.signature),)))

    # when
    sent = desk.book.send(ward.sender(world.clinic), world.store)

    # then that receipt is logged and waits, the other is sent; once the patient is back, so is the first
    assert (sent.logged, sent.letters, sent.waiting) == (2, 1, (ward.by_doctor,))
    patient.replace_publisher(account)
    assert desk.book.send(ward.sender(world.clinic), world.store).letters == 1
    assert len(patient.looked().readings) == 2

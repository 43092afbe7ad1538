"""Erasure: what is left of a class when its seeds are dropped, against a holder of everything that was ever stored."""

import copy
import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

import pytest
from access_lives import CLINIC_KEY, CLINICS, LOCK, LOCK_IDENTITY, READERS
from eth_account import Account
from health_world import LAB, MENTAL, TREAT
from key_hunt import Hunt
from paper_chain import HOUR, PaperStore
from test_access_machine import Access, SingleAccess

from theriac.crypto.recipients import HybridIdentity
from theriac.errors import ErasureRefused, NothingToErase, RecordsWait, SameLock, TheriacError, UnknownRecord
from theriac.health import bundle as bundles
from theriac.health import documents, keystore, records
from theriac.health.bundle import Profile
from theriac.health.erasure import UnpinReceipt, UnpinRequest, standing
from theriac.health.hours import time_of
from theriac.health.keystore import Lock
from theriac.health.messages import member_address
from theriac.health.vault import Vault
from theriac.ledger.signer import KeySigner
from theriac.store.cid import Cid

DOCTOR, COLLEAGUE, FRIEND = 0, 1, 2
NEW_IDENTITY = HybridIdentity.from_seed(b"\x06" * 32)
NEW_LOCK = Lock(NEW_IDENTITY.recipient, {"by": "test", "serial": 2})
THIRD_LOCK = Lock(HybridIdentity.from_seed(b"\x07" * 32).recipient, {"by": "test", "serial": 3})
KINDS = pytest.mark.parametrize("kind", [Access, SingleAccess], ids=["one a counterparty", "one pseudonym"])


class PinningStore(PaperStore):
    """A store that forgets nothing, and remembers what is pinned."""

    def __init__(self) -> None:
        super().__init__()
        self.pins: set[str] = set()

    def put(self, stream: BinaryIO) -> Cid:
        cid = super().put(stream)
        self.pins.add(cid.digest.hex())
        return cid

    def unpin(self, cid: Cid) -> None:
        self.pins.discard(cid.digest.hex())


@pytest.fixture(autouse=True)
def few_dummies(monkeypatch: pytest.MonkeyPatch) -> None:
    # Dummies cost most of the time and hold nothing.
    monkeypatch.setattr(bundles, "_CROWD", 1)


def lived(kind: type[Access] = Access) -> Access:
    """A patient whose mental health records came by rows, by an inbox and by herself, were rewritten, read and shared;
    and whose laboratory records a colleague reads, who was never granted the others."""
    life = kind()
    life.store = PinningStore()
    life.patient.store = life.store
    life.patient._filing._store = life.store
    for number, clinic in enumerate(life.clinics, start=1):
        life.chain.members[clinic.signer.address] = number
    life.introduce()
    life.write(0, LAB, False)
    life.write(0, MENTAL, False)
    life.write(1, MENTAL, False)
    life.write(0, MENTAL, True)
    life.write(0, LAB, True)
    life.watch()
    life.grant(DOCTOR, (LAB, MENTAL), "all", 0, 40, None, False)
    life.grant(COLLEAGUE, (LAB,), "all", 0, 40, None, False)
    own = records.Manifest("", str(MENTAL), "text/plain", 0, "", 0, "")
    life.patient.add(io.BytesIO(b"a diary"), own)
    shared = next(each for each in life.patient.vault.listed(cls=str(MENTAL)) if each.author == 1)
    life.patient.share_record(shared.digest, life.readers[FRIEND].address, purpose=TREAT, end=time_of(52_100))
    life.patient.rotate(rewrite=True)
    life.chain.seconds += HOUR
    life.write(0, MENTAL, False)
    life.write(1, LAB, False)
    life.watch()
    return life


@pytest.fixture(scope="module")
def told() -> Access:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundles, "_CROWD", 1)
        return lived()


@pytest.fixture
def life(told: Access) -> Access:
    return copied(told)


def copied(life: Access) -> Access:
    """The same life once more, from here on another. Signers are not copied: they hold keys and change nothing."""
    return copy.deepcopy(life, {id(each): each for each in (life.wallet, CLINIC_KEY)})


def digests_of(life: Access, cls: Any) -> set[str]:
    """All the digests that the records of a class ever had."""
    first = {each.digest.hex() for each in life.records if each.cls == str(cls)}
    now = life.patient.vault.listed(cls=str(cls))
    return first | {each.digest for each in now} | {each.resealed_from for each in now if each.resealed_from}


def hunt(life: Access, some: list[bytes] | None = None) -> Hunt:
    """An adversary with every blob, or with some, and no key yet."""
    hours = {each.first for each in life.records} | {each.hour for each in life.records} | {life.chain.hour()}
    known = {digest.hex() for digest in life.store.blobs}
    return Hunt(life.store.blobs.values() if some is None else some, hours=hours, digests=known)


def backups(life: Access) -> list[bytes]:
    return [blob for blob in life.store.blobs.values() if b'"kind":"keystore"' in blob]


def blobs(life: Access, digests: set[str]) -> list[bytes]:
    return [life.store.blobs[bytes.fromhex(digest)] for digest in sorted(digests)]


# -- nobody opens it -------------------------------------------------------------------------------------------------


# properties U6, U7
def test_erase__whoever_has_all_bytes_and_all_remaining_keys_opens_nothing_of_it(life: Access) -> None:
    # given: everything was readable to who has the keys of before
    gone, kept = digests_of(life, MENTAL), digests_of(life, LAB)
    assert len(gone) >= 9
    every = blobs(life, gone | kept)
    assert all(map(hunt(life, every).take(life.patient.vault.encode()).opens, every))

    # when
    life.patient.erase([MENTAL], lock=NEW_LOCK)

    # then: the vault, its lock, its backups, the reader without the class and both clinics open the rest and none of it
    found = hunt(life).take(NEW_IDENTITY, READERS[COLLEAGUE], *CLINICS).take(life.patient.vault.encode())
    assert [found.opens(blob) for blob in blobs(life, gone)] == [False] * len(gone)
    assert all(map(found.opens, blobs(life, kept)))

    # and no list that opens names them: neither an index nor a part of one, of whatever version
    listed = [plain for plain in found.opened.values() if b'"kind":"part"' in plain or b'"kind":"index"' in plain]
    assert listed
    assert [digest for digest in gone if any(digest.encode() in plain for plain in listed)] == []


def test_erase__an_earlier_lock_opens_earlier_backups_and_no_later_one(life: Access) -> None:
    # given
    gone, former = digests_of(life, MENTAL), set(life.store.blobs)

    # when
    life.patient.erase([MENTAL], lock=NEW_LOCK)
    life.write(0, LAB, False)
    life.watch()

    # then: nothing that was stored since is sealed to the earlier lock
    later = {digest: blob for digest, blob in life.store.blobs.items() if digest not in former}
    assert Hunt(later.values(), hours=[], digests=[]).take(LOCK_IDENTITY).opened == {}

    # and who kept that lock, or its passphrase, and earlier bytes, still opens what was erased: it must be forgotten
    hers = blobs(life, gone)
    assert all(map(hunt(life, [*hers, *backups(life)]).take(LOCK_IDENTITY).opens, hers))


def test_clinics__with_every_byte_that_was_stored_and_all_their_keys__open_no_record(life: Access) -> None:
    every = blobs(life, digests_of(life, MENTAL) | digests_of(life, LAB))

    # when both put together what they hold
    found = hunt(life).take(*CLINICS)

    # then their own rows open, and no record, be it one that they wrote
    assert any(b'"kind":"rows"' in plain for plain in found.opened.values())
    assert [found.opens(blob) for blob in every] == [False] * len(every)


def test_erase__former_readers_keep_what_they_held(life: Access) -> None:
    # given
    held = digests_of(life, MENTAL)
    life.patient.erase([MENTAL], lock=NEW_LOCK)

    # then: an erasure calls nothing back
    assert any(map(hunt(life).take(READERS[DOCTOR]).opens, blobs(life, held)))


# -- everybody else reads on -----------------------------------------------------------------------------------------


# property U7
@KINDS
def test_erase__leaves_all_other_classes_to_all_readers(kind: type[Access]) -> None:
    # given
    life = lived(kind)

    # when
    life.patient.erase([MENTAL], lock=NEW_LOCK)
    life.records = [each for each in life.records if each.cls == str(LAB)]
    life.singles = {}

    # then: the readers of before read the rest, and what is written next in either class
    life.everyone_granted_opens()
    life.write(0, MENTAL, False)
    life.write(1, MENTAL, True)
    life.write(0, LAB, False)
    life.everyone_granted_opens()
    assert {str(each.summary["type"]) for each in life.patient.vault.listed(cls=str(MENTAL))} == {"text/plain"}
    for entry in life.patient.vault.listed():
        assert life.patient.open(entry).read() == b"what was found"


def test_erase__of_a_single_record__takes_its_key_out_of_the_readers_capsule(life: Access) -> None:
    # given
    friend = life.patient.vault.account_for(f"reader:{life.readers[FRIEND].address}")
    assert friend is not None
    assert life.chain.bundle(friend.pseudonym, life.store).capsule(READERS[FRIEND]) is not None

    # when
    life.patient.erase([MENTAL], lock=NEW_LOCK)

    # then
    assert life.chain.bundle(friend.pseudonym, life.store).capsule(READERS[FRIEND]) is None
    assert life.patient.vault.singles == []


def test_erase__is_filed_never_again__not_even_after_a_restore(life: Access) -> None:
    # given
    gone = digests_of(life, MENTAL)
    life.patient.erase([MENTAL], lock=NEW_LOCK)
    backup = life.chain.bundle(life.patient.vault.home().pseudonym, life.store).backup
    sealed = life.store.get_digest(bytes.fromhex(backup)).read()

    # when: the phone is lost, and another files everything from the beginning
    life.patient = life.phone(Vault.decode(keystore.unseal(sealed, lambda _: NEW_IDENTITY, path="backup").secret))
    life.patient.vault.cursor = 0
    life.patient.recover()
    found = life.patient.watch()

    # then
    assert [each.digest for each in found.filed if each.digest in gone] == []
    assert {*found.waiting, *found.rejected} & gone == set()
    for digest in gone:
        with pytest.raises(UnknownRecord):
            life.patient.entry(digest)


def test_erase__twice__and_another_class(life: Access) -> None:
    # given
    first, second = digests_of(life, MENTAL), digests_of(life, LAB)
    life.patient.erase([MENTAL], lock=NEW_LOCK)
    life.write(0, MENTAL, False)
    life.watch()
    again = digests_of(life, MENTAL) - first

    # when
    life.patient.erase([MENTAL, LAB], lock=THIRD_LOCK)

    # then
    gone = blobs(life, first | second | again)
    left = hunt(life, [*gone, *backups(life)]).take(life.patient.vault.encode())
    assert [left.opens(blob) for blob in gone] == [False] * len(gone)
    # The lock in between opens the backups in between, which hold what was erased last and not what was erased first.
    left.take(NEW_IDENTITY)
    assert [left.opens(blob) for blob in blobs(life, first)] == [False] * len(first)
    assert all(map(left.opens, blobs(life, again)))
    assert life.patient.vault.listed() == []


# -- what goes from the stores ---------------------------------------------------------------------------------------


def needed(life: Access) -> set[str]:
    """What may stay pinned: what stands, and letters, of which one may have been stored and not sent."""
    letters = {digest.hex() for digest, blob in life.store.blobs.items() if _opens(blob, *CLINICS)}
    return standing(life.patient.vault, life.store) | letters


def _opens(blob: bytes, *identities: HybridIdentity) -> bool:
    try:
        documents.open_(blob, identities=identities)
    except TheriacError:
        return False
    return True


def test_erase__unpins_every_file_that_nothing_needs_any_more(life: Access) -> None:
    # given: a bundle that was stored and never published, when the phone died
    life.act(lambda: life.patient.rotate(), lives=0, lands=False)
    life.watch()

    # when
    life.patient.erase([MENTAL], lock=NEW_LOCK)

    # then
    assert life.store.pins <= needed(life)
    assert standing(life.patient.vault, life.store) <= life.store.pins
    [erasure] = life.patient.vault.erasures
    assert (erasure.digests, erasure.publish) == ((), ())
    assert erasure.unpinned > 9


class PowerCutError(Exception):
    """The phone is dead."""


@dataclass
class Power:
    """Counts what leaves a trace: saves, puts, unpins, carries. Before the last it is cut."""

    left: int
    used: int = 0
    saved: list[tuple[bytes, Lock]] = field(default_factory=list)

    def around(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def acted(*arguments: Any) -> Any:
            if self.used == self.left:
                raise PowerCutError
            self.used += 1
            return act(*arguments)

        return acted

    def wire(self, life: Access) -> None:
        life.store.put = self.around(life.store.put)  # type: ignore[method-assign]
        life.store.unpin = self.around(life.store.unpin)  # type: ignore[method-assign]
        life.relay.carry = self.around(life.relay.carry)  # type: ignore[method-assign]
        save = life.keystore.save

        def saving(secret: bytes) -> bytes:
            self.saved = [(save(secret), life.keystore.lock)]
            return secret

        life.keystore.save = self.around(saving)  # type: ignore[method-assign]

    @staticmethod
    def unwire(life: Access) -> None:
        for part, names in ((life.store, ("put", "unpin")), (life.relay, ("carry",)), (life.keystore, ("save",))):
            for name in names:
                part.__dict__.pop(name, None)


# property U8
@pytest.mark.parametrize("every", [25, pytest.param(1, marks=pytest.mark.heavy)])
def test_erase__cut_off_before_any_step__is_finished_or_never_began(life: Access, every: int) -> None:
    # given: how many steps an erasure has
    gone, kept = digests_of(life, MENTAL), digests_of(life, LAB)
    whole = copied(life)
    power = Power(left=1_000_000)
    power.wire(whole)
    whole.patient.erase([MENTAL], lock=NEW_LOCK)
    assert power.used > 40

    for left in [each for each in range(power.used) if each < 6 or each % every == 0]:
        # when: it is cut off before one of them, and the phone is switched on again
        cut = copied(life)
        saved = (cut.patient.vault.encode(), LOCK)
        power = Power(left=left, saved=[saved])
        power.wire(cut)
        with pytest.raises(PowerCutError):
            cut.patient.erase([MENTAL], lock=NEW_LOCK)
        power.unwire(cut)
        [(secret, cut.keystore.lock)] = power.saved
        cut.patient = cut.phone(Vault.decode(secret))
        cut.patient.watch()

        # then: it is finished, or never began and can be done now
        if cut.keystore.lock == LOCK:
            assert digests_of(cut, MENTAL) == gone
            cut.patient.erase([MENTAL], lock=NEW_LOCK)
        vault = cut.patient.vault
        assert [each.digest for each in vault.listed(cls=str(MENTAL))] == [], left
        assert cut.store.pins <= needed(cut), left
        assert [(each.digests, each.publish) for each in vault.erasures] == [((), ())], left
        assert all(asked.letter for asked in vault.erasures[-1].asks), left
        backup = cut.chain.bundle(vault.home().pseudonym, cut.store).backup
        sealed = cut.store.get_digest(bytes.fromhex(backup)).read()
        restored = Vault.decode(keystore.unseal(sealed, lambda _: NEW_IDENTITY, path="backup").secret)
        assert gone <= {*restored.erased}, left
        assert {each.digest for each in vault.listed()} <= kept, left
        cut.records = [each for each in cut.records if each.cls == str(LAB)]
        for entry in vault.listed():
            assert cut.patient.open(entry).read() == b"what was found"


# -- refused ---------------------------------------------------------------------------------------------------------


def test_erase__under_the_lock_of_before__is_refused_and_changes_nothing(life: Access) -> None:
    before = life.patient.vault.encode()

    with pytest.raises(SameLock):
        life.patient.erase([MENTAL], lock=replace(LOCK, parameters={"by": "another name for it"}))

    assert life.patient.vault.encode() == before


def test_erase__of_what_is_not_there__is_refused(life: Access) -> None:
    from theriac.health.scope import KeyClass

    with pytest.raises(NothingToErase):
        life.patient.erase([KeyClass.parse("genomics/V")], lock=NEW_LOCK)

    assert life.keystore.lock == LOCK


def test_erase__while_a_record_waits__is_refused_unless_told(life: Access) -> None:
    # given: a record that was anchored into an inbox, and whose bytes never came
    life.write(0, LAB, True)
    waiting = life.store.blobs.pop(life.records[-1].digest)

    # when
    with pytest.raises(RecordsWait) as refused:
        life.patient.erase([MENTAL], lock=NEW_LOCK)

    # then
    assert refused.value.count == 1
    life.store.blobs[life.records[-1].digest] = waiting
    life.patient.erase([MENTAL], lock=NEW_LOCK)
    assert life.records[-1].digest.hex() in digests_of(life, LAB)


def test_erase__behind_a_publication_of_somebody_else__is_refused(life: Access) -> None:
    life.chain.versions[life.sources[0]] += 1
    life.chain.digests[life.sources[0]] = b"\x01" * 32

    with pytest.raises(ErasureRefused) as refused:
        life.patient.erase([MENTAL], lock=NEW_LOCK)

    assert refused.value.pseudonym == life.sources[0]
    assert digests_of(life, MENTAL)


def test_merge__with_a_device_that_has_not_heard_of_it__brings_nothing_back(life: Access) -> None:
    # given: another device, which has published since
    other = Vault.decode(life.patient.vault.encode())
    gone = digests_of(life, MENTAL)
    life.patient.erase([MENTAL], lock=NEW_LOCK)
    for account in other.accounts.values():
        account.publications.append(replace(account.publications[-1], version=account.version + 10))

    # when: either takes over what the other knows
    ours, theirs = Vault.decode(life.patient.vault.encode()), other
    ours.merge(Vault.decode(theirs.encode()))
    theirs.merge(Vault.decode(life.patient.vault.encode()))

    # then
    for merged in (ours, theirs):
        assert hunt(life, blobs(life, gone)).take(merged.encode()).opened == {}
        assert merged.listed(cls=str(MENTAL)) == []


# -- what members are asked ------------------------------------------------------------------------------------------


def letter_to(life: Access, number: int) -> tuple[UnpinRequest, str]:
    """The request that lies at a clinic, and from which pseudonym it came."""
    [event] = [each for each in life.chain.events("Letters", "Sent") if each.arguments["to"] == member_address(number)]
    sealed = life.store.get_digest(event.arguments["letter"]).read()
    document = documents.open_(sealed, identities=[CLINICS[number - 1]])
    return UnpinRequest.decode(document, letter=event.arguments["letter"].hex()), event.arguments["from"]


# property U9
def test_ask__names_what_that_member_wrote_and_nothing_of_another_pseudonym(life: Access) -> None:
    # given
    gone = digests_of(life, MENTAL)
    written = {
        number: {each.digest for each in life.patient.vault.listed(cls=str(MENTAL)) if each.author == number}
        for number in (1, 2)
    }

    # when
    life.patient.erase([MENTAL], lock=NEW_LOCK)

    # then
    asked = {number: letter_to(life, number) for number in (1, 2)}
    assert [sender for _, sender in asked.values()] == life.sources
    for number, (request, sender) in asked.items():
        bundled = {
            each.arguments["bundle"].hex()
            for each in life.chain.events("Keys", "Published")
            if each.arguments["pseudonym"] == sender
        }
        assert written[number] <= {*request.digests}
        assert {*request.digests} <= gone | bundled
    assert not {*asked[1][0].digests} & {*asked[2][0].digests}


def receipt(asked: UnpinRequest, *, number: int, signer: KeySigner = CLINIC_KEY, **changes: Any) -> UnpinReceipt:
    unsigned = UnpinReceipt(asked.pseudonym, number, asked.letter, asked.digests, (), "", 1_900_000_000, signer.address)
    unsigned = replace(unsigned, **changes)
    return replace(unsigned, signature=signer.sign_message(unsigned.message()).hex())


def send(life: Access, receipt: UnpinReceipt, pseudonym: str) -> None:
    account = life.patient.vault.accounts[pseudonym]
    recipient = next(iter(account.all_inboxes())).recipient
    letter = life.store.put(io.BytesIO(documents.seal(receipt.encode(), to=recipient))).digest
    life.chain.tell("Sent", **{"from": receipt.account, "to": pseudonym, "letter": letter})


def test_receipt__of_the_member_that_was_asked__counts(life: Access) -> None:
    # given
    life.chain.members = {CLINIC_KEY.address: 1}
    life.patient.erase([MENTAL], lock=NEW_LOCK)
    request, pseudonym = letter_to(life, 1)

    # when
    signed = receipt(request, number=1, unpinned=request.digests[:-1], kept=request.digests[-1:], reason="ten years")
    send(life, signed, pseudonym)
    life.patient.watch()

    # then: it is kept, and outlives the phone
    [erasure] = Vault.decode(life.keystore.saved).erasures
    assert [UnpinReceipt.of(each.receipt) if each.receipt else None for each in erasure.asks] == [signed, None]


STRANGER = KeySigner(Account.from_key(b"\x0e" * 32))
FORGED: dict[str, Callable[[UnpinRequest], UnpinReceipt]] = {
    "by nobody of the member": lambda request: receipt(request, number=1, signer=STRANGER),
    "in another's name": lambda request: receipt(request, number=1, signer=STRANGER, account=CLINIC_KEY.address),
    "for another member": lambda request: receipt(request, number=2),
    "to another request": lambda request: receipt(request, number=1, request="00" * 32),
    "about less than was asked": lambda request: receipt(request, number=1, unpinned=request.digests[1:]),
    "about more than was asked": lambda request: receipt(request, number=1, kept=("11" * 32,)),
    "both unpinned and kept": lambda request: receipt(request, number=1, kept=request.digests[:1]),
    "changed after it was signed": lambda request: replace(receipt(request, number=1), time=1),
    "with half a signature": lambda request: replace(receipt(request, number=1), signature="00" * 30),
}


def test_receipt__forged__does_not_count(life: Access) -> None:
    # given
    life.chain.members = {CLINIC_KEY.address: 1}
    life.patient.erase([MENTAL], lock=NEW_LOCK)
    request, pseudonym = letter_to(life, 1)

    for name, forge in FORGED.items():
        # when
        send(life, forge(request), pseudonym)
        life.patient.watch()

        # then
        assert all(not each.receipt for each in life.patient.vault.erasures[0].asks), name


def test_ask__of_a_member_without_a_profile__waits_until_it_has_one(life: Access) -> None:
    # given
    profile: Profile = life.chain.profiles.pop(member_address(2))

    # when
    life.patient.erase([MENTAL], lock=NEW_LOCK)

    # then: the erasure is done for all the rest
    assert [bool(each.letter) for each in life.patient.vault.erasures[0].asks] == [True, False]
    life.chain.profiles[member_address(2)] = profile
    life.patient.watch()
    assert [bool(each.letter) for each in life.patient.vault.erasures[0].asks] == [True, True]


def test_ask__spread__goes_out_when_it_is_due(life: Access) -> None:
    # when
    life.patient.erase([MENTAL], lock=NEW_LOCK, spread=6 * HOUR)
    first = [each.letter for each in life.patient.vault.erasures[0].asks]
    life.chain.seconds += 6 * HOUR
    life.patient.watch()

    # then
    assert first == ["", ""]
    assert all(each.letter for each in life.patient.vault.erasures[0].asks)

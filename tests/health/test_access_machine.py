"""Who can open what, over many lives of a patient, against a plain model. Bytes decide, not flags.

(1) A reader opens every filed record that its standing grant names, from the bundles that the chain names now.
(2) A reader never opens a record that no grant of its gave it while it stood, with everything that was ever stored.
(3) So nothing that happens to one reader changes what another opens: (1) and (2) know nothing of others.
"""

import io
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from eth_account import Account
from health_world import LAB, MENTAL, TREAT
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from paper_chain import HOUR, PaperChain, PaperClinic, PaperRelay, PaperStore, capsules

from theriac.crypto import age
from theriac.crypto.recipients import FileKey, HybridIdentity
from theriac.errors import BadWindow, ChainSilent, NoMatchingIdentity, TheriacError, UnknownGrant
from theriac.health import bundle as bundles
from theriac.health import keystore
from theriac.health.bundle import Profile, read_index
from theriac.health.hours import identity_of, seconds_of, time_of
from theriac.health.patient import Patient
from theriac.health.scope import KeyClass
from theriac.health.vault import Vault
from theriac.health.wallet import MnemonicWallet, SingleWallet, Wallet
from theriac.ledger.signer import KeySigner

MNEMONIC = "test test test test test test test test test test test junk"
CLASSES = (LAB, MENTAL)
BEGIN = 52_000
NEVER = 1 << 60


class PaperKeystore:
    """What the phone would find after it broke: the last save."""

    def __init__(self, lock: keystore.Lock) -> None:
        self.lock = lock
        self.saved = b""

    def save(self, secret: bytes) -> bytes:
        self.saved = secret
        return secret


@dataclass
class Reading:
    """A reader, and all that it ever took from the store."""

    address: str
    identity: HybridIdentity
    seen: int = 0
    nodes: dict[tuple[int, int, bytes], Any] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    tried: dict[bytes, set[Any]] = field(default_factory=dict)
    opened: set[bytes] = field(default_factory=set)


@dataclass(frozen=True)
class Record:
    """A record as the model has it: `order` counts acts, `hour` is when it was anchored, `first` its interval's."""

    digest: bytes
    source: str
    cls: str
    hour: int
    first: int
    order: int


@dataclass(frozen=True)
class Given:
    """What a reader was given in one act, until another act took it: the acts' numbers are `given` and `taken`.

    `surely` says that the act was carried out; else it may or may not have been.
    """

    reader: int
    classes: frozenset[str]
    since: int
    start: int
    end: int
    given: int
    taken: int = NEVER
    surely: bool = True


class Access(RuleBasedStateMachine):
    """The lives of one patient, with two clinics and three readers."""

    single = False

    def __init__(self) -> None:
        super().__init__()
        self.chain = PaperChain(seconds=seconds_of(BEGIN) + 60)
        self.store = PaperStore()
        self.relay = PaperRelay(self.chain)
        self.keystore = PaperKeystore(LOCK)
        signer = KeySigner(Account.from_key(b"\x01" * 32))
        self.wallet: Wallet = SingleWallet(signer) if self.single else MnemonicWallet(MNEMONIC)
        self.clinics = [PaperClinic(number, CLINIC_KEY, CLINICS[number - 1]) for number in (1, 2)]
        self.readers = [Reading(Account.from_key(bytes([9 + n]) * 32).address, READERS[n]) for n in range(3)]
        self.records: list[Record] = []
        self.given: list[Given] = []
        self.singles: dict[tuple[int, bytes], int] = {}
        self.order = 0
        self.dirty = False
        self.shared_ever: set[tuple[int, bytes]] = set()
        self.resealed: dict[str, str] = {}
        for number, clinic in enumerate(self.clinics, start=1):
            address = "0x" + f"{number:040x}"
            recipient = str(clinic.identity.recipient)
            self.chain.profiles[address] = Profile(address, f"clinic {number}", recipient, {})
        for reading in self.readers:
            recipient = str(reading.identity.recipient)
            self.chain.profiles[reading.address] = Profile(reading.address, "reader", recipient, {})
        self.patient = self.phone(Vault())

    def phone(self, vault: Vault) -> Patient:
        return Patient(
            vault,
            self.keystore,  # type: ignore[arg-type]
            wallet=self.wallet,
            chain=self.chain,  # type: ignore[arg-type]
            relay=self.relay,
            store=self.store,
            classes=CLASSES,
        )

    @initialize()
    def introduce(self) -> None:
        self.patient.found()
        self.sources = [self.patient.introduce(number, name="clinic").pseudonym for number in (1, 2)]

    # -- acts --------------------------------------------------------------------------------------------------------

    def act(self, do: Any, *, lives: int | None = None, lands: bool = False) -> bool:
        """Does something, with a phone that may die on the way; whether it was done."""
        self.order += 1
        self.relay.lives, self.relay.lands = lives, lands
        try:
            do()
            return True
        except (BadWindow, UnknownGrant):
            return False
        except ChainSilent:
            self.patient = self.phone(Vault.decode(self.keystore.saved))
            self.dirty = True
            return False
        finally:
            self.relay.lives = None

    @rule(
        number=st.integers(0, 2),
        classes=st.sampled_from([(LAB,), (MENTAL,), (LAB, MENTAL)]),
        since=st.sampled_from(["all", "past", "now"]),
        later=st.sampled_from([0, 0, 3]),
        days=st.integers(1, 40),
        lives=st.sampled_from([None, None, None, 0, 1, 2]),
        lands=st.booleans(),
    )
    def grant(
        self,
        number: int,
        classes: tuple[KeyClass, ...],
        since: str,
        later: int,
        days: int,
        lives: int | None,
        lands: bool,
    ) -> None:
        hour = self.chain.hour()
        start, end = hour + later, hour + days * 8
        begins = {"all": 0, "past": hour - 5, "now": max(start, hour + 1)}[since]
        opens = max(start, begins) if since == "now" else start
        names = frozenset(str(cls) for cls in classes)

        def do() -> None:
            self.patient.grant(
                self.readers[number].address,
                classes=classes,
                purpose=TREAT,
                end=time_of(end),
                start=time_of(start) if later else None,
                history=since != "now",
                since=time_of(begins) if since == "past" else None,
            )

        done = self.act(do, lives=lives, lands=lands)
        if done:
            self.take(number)
        elif self.dirty:
            self.doubt(number)
        if done or self.dirty:
            self.given.append(Given(number, names, begins, opens, end, self.order, surely=done))

    @rule(number=st.integers(0, 2), keep=st.sampled_from(CLASSES), shorter=st.booleans())
    def narrow(self, number: int, keep: KeyClass, shorter: bool) -> None:
        standing = [each for each in self.given if each.reader == number and each.taken == NEVER and each.surely]
        if not standing or self.dirty or str(keep) not in standing[-1].classes:
            return
        former, hour = standing[-1], self.chain.hour()
        end = min(former.end, hour + 6) if shorter else former.end
        if end <= max(hour, former.start):
            return
        reader = self.readers[number].address
        account = self.patient.vault.home() if self.single else self.patient.vault.account_for(f"reader:{reader}")
        assert account is not None
        sharing = self.patient.vault.sharing(account.pseudonym, reader, TREAT.code)
        if self.act(lambda: self.patient.narrow(sharing, classes=(keep,), end=time_of(end))):
            self.take(number)
            narrowed = replace(former, classes=frozenset({str(keep)}), end=end, given=self.order, taken=NEVER)
            self.given.append(narrowed)

    @rule(number=st.integers(0, 2), lives=st.sampled_from([None, None, 0, 1, 2]), lands=st.booleans())
    def revoke(self, number: int, lives: int | None, lands: bool) -> None:
        reader = self.readers[number].address
        if self.act(lambda: self.patient.revoke(reader, purpose=TREAT), lives=lives, lands=lands):
            self.take(number)
            self.singles = {place: end for place, end in self.singles.items() if place[0] != number}
        elif self.dirty:
            self.doubt(number)

    @precondition(lambda self: self.records and not self.dirty)
    @rule(number=st.integers(0, 2), which=st.integers(0, 99))
    def share_record(self, number: int, which: int) -> None:
        entries = self.patient.vault.listed()
        if not entries:
            return
        entry = entries[which % len(entries)]
        end, reader = self.chain.hour() + 48, self.readers[number].address
        if self.act(lambda: self.patient.share_record(entry.digest, reader, purpose=TREAT, end=time_of(end))):
            place = (number, bytes.fromhex(self.first_of(entry.digest)))
            self.singles[place] = end
            self.shared_ever.add(place)

    @rule(hours=st.sampled_from([1, 1, 5, 24, 70]), awake=st.booleans())
    def pass_time(self, hours: int, awake: bool) -> None:
        self.chain.seconds += hours * HOUR
        if awake:
            self.watch()

    @rule(which=st.integers(0, 1), cls=st.sampled_from(CLASSES), inbox=st.sampled_from([False, False, True]))
    def write(self, which: int, cls: KeyClass, inbox: bool) -> None:
        self.order += 1
        source = self.sources[which]
        digest, first = self.clinics[which].write(self.chain, self.store, source, cls, inbox=inbox)
        self.records.append(Record(digest, source, str(cls), self.chain.hour(), first, self.order))

    @rule(rewrite=st.booleans())
    def rotate(self, rewrite: bool) -> None:
        if not self.dirty:
            self.act(lambda: self.patient.rotate(rewrite=rewrite))

    @rule()
    def watch(self) -> None:
        """Also what a phone does when it is switched on again: it finishes what it began."""
        revoking = {each.reader for each in self.patient.vault.revoking}
        assert self.act(self.patient.watch)
        assert self.patient.vault.revoking == []
        self.dirty = False
        for number, reading in enumerate(self.readers):
            if reading.address in revoking:
                self.take(number)
                self.singles = {place: end for place, end in self.singles.items() if place[0] != number}

    @rule()
    def restore(self) -> None:
        """The phone is lost, and another one starts from the backup that home names."""
        [home] = [each.pseudonym for each in self.patient.vault.accounts.values() if each.home]
        backup = self.chain.bundle(home, self.store).backup
        sealed = self.store.get_digest(bytes.fromhex(backup)).read()
        vault = Vault.decode(keystore.unseal(sealed, lambda _: LOCK_IDENTITY, path="backup").secret)
        self.patient = self.phone(vault)

        def recover() -> None:
            self.patient.recover()
            self.patient.watch()

        assert self.act(recover)
        # A clinic that the backup did not know of yet is introduced again, under the pseudonym that it writes to.
        for number, source in enumerate(self.sources, start=1):
            if source not in {each.pseudonym for each in vault.written()}:
                assert self.act(lambda number=number: self.patient.introduce(number, name="clinic"))
        self.watch()
        self.dirty = False
        known = {
            (each.reader, frozenset(each.classes), each.since, each.end) for each in vault.sharings if each.granted
        }
        for at, each in enumerate(self.given):
            place = (self.readers[each.reader].address, each.classes, each.since, each.end)
            if each.taken == NEVER and place not in known:
                # What the backup did not know of is granted no more: the new seeds go to nobody else.
                self.given[at] = replace(each, taken=self.order)
        shared = {(each.reader, each.digest) for each in vault.singles}
        self.singles = {
            (number, digest): end
            for (number, digest), end in self.singles.items()
            if (self.readers[number].address, digest.hex()) in shared
        }

    # -- the model ---------------------------------------------------------------------------------------------------

    def take(self, number: int) -> None:
        """Everything that a reader was given before now is taken."""
        self.given = [
            replace(each, taken=self.order) if each.reader == number and each.taken == NEVER else each
            for each in self.given
        ]

    def doubt(self, number: int) -> None:
        """An act broke off: what the reader held may be taken or not."""
        self.given = [
            replace(each, surely=False) if each.reader == number and each.taken == NEVER else each
            for each in self.given
        ]

    def may_open(self, number: int, record: Record) -> bool:
        if any(place == (number, record.digest) for place in self.shared_ever):
            return True
        return any(
            each.reader == number
            and record.cls in each.classes
            and each.since <= record.hour < each.end
            and record.order < each.taken
            for each in self.given
        )

    def must_open(self, number: int, record: Record) -> bool:
        hour = self.chain.hour()
        if self.singles.get((number, record.digest), 0) > hour:
            return True
        return any(
            each.reader == number
            and each.surely
            and each.taken == NEVER
            and record.cls in each.classes
            and each.since <= record.first
            and record.hour < each.end
            and each.start <= hour < each.end
            for each in self.given
        )

    # -- what must hold ----------------------------------------------------------------------------------------------

    # properties H3, H4, H5, H6, H7, H8
    @invariant()
    def nobody_opens_more(self) -> None:
        stored = list(self.store.blobs)
        for number, reading in enumerate(self.readers):
            self.learn(reading, stored)
            for record in self.records:
                if self.opens(reading, record.digest, {record.first, record.hour}):
                    assert self.may_open(number, record), (number, record)
            for entry in self.patient.vault.entries.values():
                if entry.resealed_from and self.opens(reading, bytes.fromhex(entry.digest), {entry.first}):
                    [record] = [each for each in self.records if each.digest.hex() == self.first_of(entry.digest)]
                    assert self.may_open(number, record), (number, record, "resealed")

    def learn(self, reading: Reading, seen: list[bytes]) -> None:
        found = capsules(self.store, seen[reading.seen :], reading.identity)
        reading.seen = len(seen)
        for capsule in found:
            for opening in capsule.openings:
                for node in opening.nodes.nodes:
                    reading.nodes[node.depth, node.index, node.key] = node
            reading.keys |= {each.key for each in capsule.keys}
            for file in capsule.indexes:
                try:
                    sealed = self.store.blobs[bytes.fromhex(file.digest)]
                    entries = read_index(sealed, file, capsule.openings)
                except (NoMatchingIdentity, KeyError):
                    continue
                reading.keys |= {entry.key for entry in entries if entry.key}

    def opens(self, reading: Reading, digest: bytes, hours: set[int]) -> bool:
        """Tries all keys of the reader's on a record's bytes that it has not tried before."""
        if digest in reading.opened:
            return True
        tried = reading.tried.setdefault(digest, set())
        blob = self.store.blobs[digest]
        for node in reading.nodes.values():
            for hour in hours:
                if hour not in node.hours or (leaf := node.leaf(hour)) in tried:
                    continue
                tried.add(leaf)
                if self.fits(blob, identity=identity_of(leaf)):
                    reading.opened.add(digest)
                    return True
        for key in reading.keys - tried:
            tried.add(key)
            if self.fits(blob, key=key):
                reading.opened.add(digest)
                return True
        return False

    @staticmethod
    def fits(blob: bytes, *, identity: Any = None, key: str = "") -> bool:
        try:
            if key:
                age.open_with_file_key(io.BytesIO(blob), file_key=FileKey(bytes.fromhex(key))).read(1)
            else:
                age.file_key_of(io.BytesIO(blob), identities=[identity])
        except TheriacError:
            return False
        return True

    # properties H6, H7, H9
    @rule()
    def everyone_granted_opens(self) -> None:
        """A new device of a reader, with the identity alone and the chain's bundles of now, when the phone was on."""
        if self.dirty:
            return
        self.watch()
        for number, reading in enumerate(self.readers):
            found = self.discover(reading)
            for record in self.records:
                if self.must_open(number, record):
                    assert record.digest.hex() in found, (number, record)

    def discover(self, reading: Reading) -> set[str]:
        """The records that the present bundles list for a reader and that open with what they say."""
        openings, found, files = [], set(), []
        for pseudonym in self.chain.versions:
            capsule = self.chain.bundle(pseudonym, self.store).capsule(reading.identity)
            if capsule is not None:
                openings += capsule.openings
                files += capsule.indexes
                for each in capsule.keys:
                    if self.fits(self.store.blobs[bytes.fromhex(each.digest)], key=each.key):
                        found.add(self.first_of(each.digest))
        for file in files:
            try:
                entries = read_index(self.store.blobs[bytes.fromhex(file.digest)], file, openings)
            except NoMatchingIdentity:
                continue
            for entry in entries:
                blob = self.store.blobs[bytes.fromhex(entry.digest)]
                identities = [
                    opening.nodes.identity(entry.first)
                    for opening in openings
                    if (opening.source, opening.cls, opening.generation) == (entry.source, entry.cls, entry.generation)
                ]
                if (
                    self.fits(blob, key=entry.key)
                    if entry.key
                    else any(identity is not None and self.fits(blob, identity=identity) for identity in identities)
                ):
                    found.add(self.first_of(entry.digest))
        return found

    def first_of(self, digest: str) -> str:
        """The digest under which a record was first anchored."""
        for entry in self.patient.vault.entries.values():
            if entry.resealed_from:
                self.resealed[entry.digest] = entry.resealed_from
        while digest in self.resealed:
            digest = self.resealed[digest]
        return digest


class SingleAccess(Access):
    """The same with one pseudonym for everything."""

    single = True


LOCK_IDENTITY = HybridIdentity.from_seed(b"\x05" * 32)
LOCK = keystore.Lock(LOCK_IDENTITY.recipient, {"by": "test"})
CLINIC_KEY = KeySigner(Account.from_key(b"\x02" * 32))
CLINICS = [HybridIdentity.from_seed(bytes([20 + n]) * 32) for n in range(2)]
READERS = [HybridIdentity.from_seed(bytes([30 + n]) * 32) for n in range(3)]


@pytest.mark.parametrize("machine", [Access, SingleAccess], ids=["one a counterparty", "one pseudonym"])
def test_access__over_many_lives__is_what_the_model_says(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Dummies cost most of the time and hold nothing.
    monkeypatch.setattr(bundles, "_CROWD", 1)
    calm = settings(
        max_examples=5,
        stateful_step_count=12,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )

    run_state_machine_as_test(machine, settings=calm)

"""What the machines of patients' lives share: the stage, a plain model of who may open what, and a hunter of keys.

(1) A reader opens every filed record that its standing grant names, from the bundles that the chain names now.
(2) A reader never opens a record that no grant of its gave it while it stood, with everything that was ever stored.
(3) So nothing that happens to one reader changes what another opens: (1) and (2) know nothing of others.
"""

import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, ClassVar

import pytest
from eth_account import Account
from health_world import LAB, MENTAL
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from key_hunt import Hunt
from paper_chain import PaperChain, PaperClinic, PaperRelay, PaperStore, capsules
from random_lives import live
from whole_chain import WholeChain, WholeRelay

from theriac.crypto import age
from theriac.crypto.recipients import FileKey, HybridIdentity
from theriac.errors import BadWindow, ChainSilent, NoMatchingIdentity, Reverted, TheriacError, UnknownGrant
from theriac.health import bundle as bundles
from theriac.health import keystore
from theriac.health.bundle import Profile, read_index
from theriac.health.hours import identity_of, root, seconds_of
from theriac.health.patient import Patient
from theriac.health.scope import KeyClass
from theriac.health.vault import Vault
from theriac.health.wallet import MnemonicWallet, SingleWallet, Wallet
from theriac.ledger.signer import KeySigner

MNEMONIC = "test test test test test test test test test test test junk"
BEGIN = 52_000
NEVER = 1 << 60

LOCK_IDENTITY = HybridIdentity.from_seed(b"\x05" * 32)
LOCK = keystore.Lock(LOCK_IDENTITY.recipient, {"by": "test"})
CLINIC_KEY = KeySigner(Account.from_key(b"\x02" * 32))
CLINICS = [HybridIdentity.from_seed(bytes([20 + n]) * 32) for n in range(2)]
READERS = [HybridIdentity.from_seed(bytes([30 + n]) * 32) for n in range(3)]


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
    """A reader, and all that it ever took from the store.

    `seeds` are of inboxes, `secrets` whatever looks like 32 bytes in what it found, and may be anything.
    """

    address: str
    identity: HybridIdentity
    seen: int = 0
    nodes: dict[tuple[int, int, bytes], Any] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    seeds: set[str] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set)
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
    inbox: bool = False


@dataclass(frozen=True)
class Given:
    """What a reader was given in one act, until another act took it: the acts' numbers are `given` and `taken`.

    `surely` says that the act was carried out; else it may or may not have been. `under` is what it stands under, and
    `inboxes` that it opens what lies in the inboxes of level N as well.
    """

    reader: int
    classes: frozenset[str]
    since: int
    start: int
    end: int
    given: int
    taken: int = NEVER
    surely: bool = True
    under: Any = ""
    inboxes: bool = False

    def opens(self, record: Record) -> bool:
        """Whether a record is within it."""
        if record.order >= self.taken:
            return False
        if self.inboxes and record.inbox and record.cls.endswith("/N"):
            # An inbox has no hours.
            return True
        return record.cls in self.classes and self.since <= record.hour < self.end


def deed(**drawn: st.SearchStrategy[Any]) -> Callable[[Any], Any]:
    """Something that happens in a life, with what it is drawn from: as `rule` of Hypothesis, and see `Lives`."""

    def mark(function: Any) -> Any:
        function.drawn = drawn
        return function

    return mark


def when(condition: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A deed that can happen only then: as `precondition` of Hypothesis."""

    def mark(function: Any) -> Any:
        function.when = condition
        return function

    return mark


@cache
def deeds_of(machine: type) -> tuple[str, ...]:
    """The names of all deeds of a machine."""
    return tuple(name for name in sorted(dir(machine)) if hasattr(getattr(machine, name), "drawn"))


class Lives(RuleBasedStateMachine):
    """A patient with two clinics and three readers.

    Its deeds are drawn in one rule. Of many rules Hypothesis leaves out some in each life altogether (swarm testing),
    and most deeds come to something after others only; there is no setting against it.
    """

    single = False
    classes: ClassVar[tuple[KeyClass, ...]] = (LAB, MENTAL)
    told: ClassVar[Counter[tuple[str, bool]]] = Counter()
    """How often each act was done, and not."""
    lived: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.chain = self.new_chain()
        self.store = PaperStore()
        self.relay = self.new_relay()
        self.keystore = PaperKeystore(LOCK)
        self.lock_identity = LOCK_IDENTITY
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
        self.sources: list[str] = []
        for number, clinic in enumerate(self.clinics, start=1):
            self.profile("0x" + f"{number:040x}", clinic.identity)
        for reading in self.readers:
            self.profile(reading.address, reading.identity)
        self.patient = self.phone(Vault())

    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        """One deed of those that can happen now."""
        deeds = {name: getattr(self, name) for name in deeds_of(type(self))}
        ready = [name for name, each in deeds.items() if not hasattr(each, "when") or each.when(self)]
        chosen = deeds[data.draw(st.sampled_from(ready), label="deed")]
        chosen(**{name: data.draw(each, label=name) for name, each in chosen.drawn.items()})

    def new_chain(self) -> PaperChain:
        return PaperChain(seconds=seconds_of(BEGIN) + 60)

    def new_relay(self) -> PaperRelay:
        return PaperRelay(self.chain)

    def profile(self, address: str, identity: HybridIdentity) -> None:
        """Somebody says what to seal to."""
        self.chain.profiles[address] = Profile(address, "somebody", str(identity.recipient), {})

    def phone(self, vault: Vault, **parts: Any) -> Patient:
        return Patient(
            vault,
            self.keystore,  # type: ignore[arg-type]
            **{"wallet": self.wallet, **parts},
            chain=self.chain,  # type: ignore[arg-type]
            relay=self.relay,
            store=self.store,
            classes=self.classes,
        )

    def introduce_all(self) -> None:
        self.patient.found()
        self.sources = [self.patient.introduce(number, name="clinic").pseudonym for number in (1, 2)]

    # -- acts --------------------------------------------------------------------------------------------------------

    def act(self, do: Callable[[], Any], *, lives: int | None = None, lands: bool = False) -> bool:
        """Does something, with a phone that may die on the way; whether it was done."""
        self.order += 1
        self.relay.lives, self.relay.lands = lives, lands
        done = False
        try:
            do()
            done = True
        except (BadWindow, UnknownGrant):
            pass
        except ChainSilent:
            self.patient = self.phone(Vault.decode(self.keystore.saved))
            self.dirty = True
        finally:
            self.relay.lives = None
        self.tell(do, done)
        return done

    def asks(self, do: Callable[[], Any], *refusals: type[TheriacError]) -> bool:
        """Somebody else than the patient does something, which the chain or its own client may refuse; whether it was
        done."""
        self.order += 1
        done = False
        with suppress(Reverted, *refusals):
            do()
            done = True
        self.tell(do, done)
        return done

    def tell(self, do: Callable[[], Any], done: bool) -> None:
        """Counts an act, named after the rule that it stands in."""
        self.told[do.__qualname__.split(".")[1], done] += 1

    def writes(self, clinic: PaperClinic, source: str, cls: KeyClass, *, inbox: bool) -> Record:
        """A clinic writes a record, filed by the patient's client or not."""
        self.order += 1
        digest, first = clinic.write(self.chain, self.store, source, cls, inbox=inbox)
        kept = self.chain.anchor(source, clinic.member, digest)
        record = Record(digest, source, str(cls), self.chain.hour(), first, self.order, kept.inbox)
        self.records.append(record)
        return record

    # -- the model ---------------------------------------------------------------------------------------------------

    def take(self, number: int, *, under: Any = None) -> None:
        """Everything that a reader was given before now is taken, or what it was given under something."""
        self.change(lambda each: each.reader == number and under in (None, each.under), taken=self.order)

    def doubt(self, number: int) -> None:
        """An act broke off: what the reader held may be taken or not."""
        self.change(lambda each: each.reader == number, surely=False)

    def change(self, chosen: Callable[[Given], bool], **changes: Any) -> None:
        """Changes what stands."""
        self.given = [replace(each, **changes) if each.taken == NEVER and chosen(each) else each for each in self.given]

    def standing(self, chosen: Callable[[Given], bool] = lambda _: True) -> list[Given]:
        return [each for each in self.given if each.taken == NEVER and chosen(each)]

    def may_open(self, number: int, record: Record) -> bool:
        if any(place == (number, record.digest) for place in self.shared_ever):
            return True
        return any(each.reader == number and each.opens(record) for each in self.given)

    def must_open(self, number: int, record: Record) -> bool:
        hour = self.chain.hour()
        if self.singles.get((number, record.digest), 0) > hour:
            return True
        return any(
            each.reader == number
            and each.surely
            and each.opens(record)
            and each.since <= record.first
            and each.start <= hour < each.end
            for each in self.standing()
        )

    # -- what must hold ----------------------------------------------------------------------------------------------

    def check_nobody_opens_more(self) -> None:
        self.note_resealed()
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

    def teardown(self) -> None:
        """One life in eight ends with a second adversary in a reader's place, which takes a thousand times as long: it
        knows of the formats nothing but what keys look like, and tries all on everything.
        """
        self.lived["lives"] += 1
        if self.lived["lives"] % 8 == 4:
            self.hunt(self.lived["lives"] // 8 % len(self.readers))

    def hunt(self, number: int) -> None:
        reading = self.readers[number]
        hours = {hour for each in self.records for hour in (each.first, each.hour)}
        known = {digest.hex() for digest in self.store.blobs}
        hunt = Hunt(self.store.blobs.values(), hours=hours, digests=known).take(reading.identity)
        for record in self.records:
            if hunt.opens(self.store.blobs[record.digest]):
                assert self.may_open(number, record), (number, record, "hunted")

    def check_everyone_granted_opens(self) -> None:
        """A new device of a reader, with the identity alone and the chain's bundles of now."""
        for number, reading in enumerate(self.readers):
            found = self.discover(reading)
            for record in self.records:
                if self.must_open(number, record):
                    assert record.digest.hex() in found, (number, record)

    def learn(self, reading: Reading, seen: list[bytes]) -> None:
        found = capsules(self.store, seen[reading.seen :], reading.identity)
        reading.seen = len(seen)
        for capsule in found:
            self.take_in(reading, capsule.openings, capsule.indexes)
            reading.keys |= {each.key for each in capsule.keys}
            reading.seeds |= {each.seed for each in capsule.inboxes}

    def take_in(self, reading: Reading, openings: Sequence[Any], indexes: Iterable[Any]) -> None:
        """Keeps nodes, and what class files say by them."""
        for opening in openings:
            for node in opening.nodes.nodes:
                reading.nodes[node.depth, node.index, node.key] = node
        for file in indexes:
            try:
                sealed = self.store.blobs[bytes.fromhex(file.digest)]
                entries = read_index(sealed, file, openings)
            except (NoMatchingIdentity, KeyError):
                continue
            reading.keys |= {entry.key for entry in entries if entry.key}

    def opens(self, reading: Reading, digest: bytes, hours: set[int]) -> bool:
        """Tries all keys of the reader's on a record's bytes that it has not tried before."""
        if digest in reading.opened:
            return True
        tried = reading.tried.setdefault(digest, set())
        blob = self.store.blobs[digest]
        for place, identity in self.identities(reading, hours):
            if place not in tried:
                tried.add(place)
                if self.fits(blob, identity=identity()):
                    reading.opened.add(digest)
                    return True
        for key in reading.keys - tried:
            tried.add(key)
            if self.fits(blob, key=key):
                reading.opened.add(digest)
                return True
        return False

    @staticmethod
    def identities(reading: Reading, hours: set[int]) -> Iterator[tuple[Any, Callable[[], Any]]]:
        """What a reader can make of its nodes for some hours, and of the seeds of inboxes."""
        for node in reading.nodes.values():
            for hour in hours:
                if hour in node.hours:
                    leaf = node.leaf(hour)
                    yield leaf, lambda leaf=leaf: identity_of(leaf)
        for seed in reading.seeds:
            yield seed, lambda seed=seed: HybridIdentity.from_seed(bytes.fromhex(seed))
        for secret in reading.secrets:
            top = root(bytes.fromhex(secret))
            yield (secret, "identity"), lambda top=top: HybridIdentity.from_seed(top.key)
            yield (secret, "leaf"), lambda top=top: identity_of(top.key)
            for hour in hours:
                yield (secret, hour), lambda top=top, hour=hour: identity_of(top.leaf(hour))

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
        self.note_resealed()
        while digest in self.resealed:
            digest = self.resealed[digest]
        return digest

    def note_resealed(self) -> None:
        """An entry knows the digest before it alone, and may be sealed anew twice before anybody asks."""
        for entry in self.patient.vault.entries.values():
            if entry.resealed_from:
                self.resealed[entry.digest] = entry.resealed_from

    # -- restoring ---------------------------------------------------------------------------------------------------

    def newest_backup(self) -> Vault:
        """What home's bundle names now, opened."""
        [home] = [each.pseudonym for each in self.patient.vault.accounts.values() if each.home]
        backup = self.chain.bundle(home, self.store).backup
        sealed = self.store.get_digest(bytes.fromhex(backup)).read()
        return Vault.decode(keystore.unseal(sealed, lambda _: self.lock_identity, path="backup").secret)

    def come_back(self) -> None:
        """The phone is lost, and another one starts from the backup that home names."""
        self.patient = self.phone(self.newest_backup())

        def restore() -> None:
            self.patient.recover()
            self.patient.watch()

        assert self.act(restore)
        # A clinic that the backup did not know of yet is introduced again, under the pseudonym that it writes to.
        for number, source in enumerate(self.sources, start=1):
            if source not in {each.pseudonym for each in self.patient.vault.written()}:
                assert self.act(lambda number=number: self.patient.introduce(number, name="clinic"))

    def take_what_is_unknown(self) -> None:
        """What the backup did not know of is granted no more: the new seeds go to nobody else."""
        known = {
            (each.reader, frozenset(each.classes), each.since, each.end)
            for each in self.patient.vault.sharings
            if each.granted
        }
        self.change(
            lambda each: (self.readers[each.reader].address, each.classes, each.since, each.end) not in known,
            taken=self.order,
        )


class WholeLives(Lives):
    """Lives on a chain that knows parents, cases and recoveries too."""

    chain: WholeChain

    def new_chain(self) -> WholeChain:
        return WholeChain(**vars(super().new_chain()))

    def new_relay(self) -> WholeRelay:
        return WholeRelay(self.chain)


def words_in(document: bytes, size: int) -> set[str]:
    """Whatever looks like so many bytes in a plain document."""

    def parts(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for each in value.values():
                yield from parts(each)
        elif isinstance(value, list):
            for each in value:
                yield from parts(each)
        elif isinstance(value, str) and len(value) == 2 * size and not set(value) - set("0123456789abcdef"):
            yield value

    return set(parts(json.loads(document)))


def live_lives(machine: type[Lives], monkeypatch: pytest.MonkeyPatch, *, steps: int, life: int) -> None:
    """Lives of a patient: so many steps, or as many as THERIAC_FUZZ_STEPS says."""
    # Dummies cost most of the time and hold nothing.
    monkeypatch.setattr(bundles, "_CROWD", 1)
    live(machine, steps=int(os.environ.get("THERIAC_FUZZ_STEPS", steps)), life=life)

"""Who can open what where the glass may be broken at any time, by whomever of two clinicians and three custodians.

The model and what must hold are in `access_lives.py`. `THERIAC_FUZZ_STEPS=2000` takes that many steps, others each
time.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from access_lives import NEVER, Given, Lives, Reading, WholeLives, deed, live_lives, when
from eth_account import Account
from health_world import LAB, MENTAL, TREAT, VITALS
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant
from paper_chain import HOUR
from whole_chain import WholeSender

from theriac.consortium import Role
from theriac.crypto.recipients import HybridIdentity, parse_identity
from theriac.errors import NoBundle, NoEmergency
from theriac.health import documents
from theriac.health.custody import Custody, Limits
from theriac.health.emergencies import Reason, Responder, Status
from theriac.health.hours import HOURS, hour_of_seconds, time_of
from theriac.health.messages import JUSTIFIED, SANCTIONED, member_address
from theriac.health.scope import KeyClass
from theriac.health.vault import ESCROW_STEP

CLASSES = (LAB, VITALS, MENTAL)
CUSTODIANS, CLINICIANS = (6, 7, 8), (9, 10)
"""The members that keep shares, and those of which one clinician each breaks the glass."""

NEED = 2
OFTEN = Limits(clinician=99, patient=99, member=99)

choice = st.integers(0, 99)
some_classes = st.lists(st.sampled_from(CLASSES), min_size=1, max_size=3, unique=True)


@dataclass(frozen=True)
class Decision:
    """What the patient decided: what may be opened, and by which custodians."""

    classes: frozenset[str]
    members: tuple[int, ...]
    inbox: bool


@dataclass
class Escrow:
    """The key of one version of her bundle, in shares: what it stands for, and the act from which on it is void."""

    decision: Decision
    taken: int = NEVER
    end: int = 0


class Emergencies(WholeLives):
    """A patient who chooses custodians, and clinicians who break the glass."""

    classes = CLASSES

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.secrets = {}
        for number in (*CUSTODIANS, *CLINICIANS):
            identity = HybridIdentity.from_seed(bytes([60 + number]) * 32)
            account = str(Account.from_key(bytes([60 + number]) * 32).address)
            self.secrets[number] = identity
            self.chain.admit(number, account, Role.CUSTODIAN if number in CUSTODIANS else Role.CLINICIAN)
            for address in (account, member_address(number)):
                self.profile(address, identity)
            # What a custodian or a clinician has by itself opens nothing.
            self.readers.append(Reading(account, identity))
        self.decision: Decision | None = None
        self.escrows: dict[tuple[str, int], Escrow] = {}
        self.handled: set[int] = set()
        self.keys: dict[int, int] = {}
        self.before: set[tuple[str, int]] = set()

    @initialize(classes=some_classes, inbox=st.booleans())
    def introduce(self, classes: Sequence[KeyClass], inbox: bool) -> None:
        """There is a record of each class, and an escrow."""
        self.introduce_all()
        for cls in CLASSES:
            self.write(0, cls, False)
        self.watch()
        self.decide(classes, list(CUSTODIANS), inbox, None)

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()

    def place(self, number: int) -> Path:
        return Path(self.folder.name, str(number))

    # -- the patient -------------------------------------------------------------------------------------------------

    @deed(
        classes=some_classes,
        members=st.lists(st.sampled_from(CUSTODIANS), min_size=NEED, max_size=3, unique=True),
        inbox=st.booleans(),
        lives=st.sampled_from([None, None, None, 0, 1, 2]),
    )
    def decide(self, classes: Sequence[KeyClass], members: Sequence[int], inbox: bool, lives: int | None) -> None:
        wanted = Decision(frozenset(map(str, classes)), tuple(members), inbox)
        emergency = self.patient.vault.emergency
        changes = emergency is None or wanted != self.decision or emergency.classes != tuple(map(str, classes))

        def do() -> None:
            self.patient.set_emergency(members, need=NEED, classes=classes, inbox=inbox)

        done = self.act(do, lives=lives)
        if done or self.dirty:
            if changes:
                self.decision = wanted
            if changes and done:
                self.void()

    @deed(lives=st.sampled_from([None, None, 0, 1]))
    def end_emergency(self, lives: int | None) -> None:
        if self.act(self.patient.end_emergency, lives=lives):
            self.void()
            self.decision = None
        elif self.dirty:
            self.decision = None

    @deed(which=choice, sanction=st.booleans())
    def review(self, which: int, sanction: bool) -> None:
        cases = [each for each in self.patient.emergencies() if each.is_open]
        if cases and not self.dirty:
            case, now = cases[which % len(cases)], self.chain.seconds
            verdict, until = (SANCTIONED, now + 6 * HOUR) if sanction else (JUSTIFIED, 0)
            self.act(lambda: self.patient.review(case.number, verdict=verdict, barred_until=until))

    @deed(number=st.integers(0, 2), classes=some_classes, history=st.booleans(), days=st.integers(1, 60))
    def grant(self, number: int, classes: Sequence[KeyClass], history: bool, days: int) -> None:
        hour = self.chain.hour()
        begins, end = 0 if history else hour + 1, hour + days * 24
        reader = self.readers[number].address
        if not self.dirty and self.act(
            lambda: self.patient.grant(reader, classes=classes, purpose=TREAT, end=time_of(end), history=history)
        ):
            self.take(number)
            names = frozenset(map(str, classes))
            self.given.append(Given(number, names, begins, max(hour, begins), end, self.order))

    @deed(which=choice)
    def revoke(self, which: int) -> None:
        held = sorted({each.reader for each in self.standing()}) or [0]
        number = held[which % len(held)]
        reader = self.readers[number].address
        if not self.dirty and self.act(lambda: self.patient.revoke(reader, purpose=TREAT)):
            self.take(number)

    @deed(rewrite=st.booleans())
    def rotate(self, rewrite: bool) -> None:
        if not self.dirty:
            self.act(lambda: self.patient.rotate(rewrite=rewrite))

    @deed(hours=st.sampled_from([1, 1, 1, 5, 25, 24 * 31]), awake=st.booleans())
    def pass_time(self, hours: int, awake: bool) -> None:
        self.chain.seconds += hours * HOUR
        if awake:
            self.watch()

    @deed()
    def watch(self) -> None:
        """Also what a phone does when it is switched on again. An escrow that was used is a revoke."""
        void = self.dirty or self.was_used()
        assert self.act(self.patient.watch)
        self.dirty = False
        if void:
            self.void()

    @deed()
    def restore(self) -> None:
        """The phone is lost, and another one starts from the backup that home names."""
        self.come_back()
        self.void()
        emergency = self.patient.vault.emergency
        if emergency is None:
            self.decision = None
        else:
            members = tuple(each.member for each in emergency.custodians)
            self.decision = Decision(frozenset(emergency.classes), members, emergency.inbox)
        self.dirty = False
        self.watch()
        self.take_what_is_unknown()

    # -- who breaks the glass ----------------------------------------------------------------------------------------

    def responder(self, member: int) -> Responder:
        identity = self.secrets[member]
        return Responder(
            account=self.chain.accounts[member],
            identity=identity,
            recipient=identity.recipient,
            book=None,  # type: ignore[arg-type]
            chain=self.chain,  # type: ignore[arg-type]
            store=self.store,
            folder=self.place(member),
        )

    def sender(self, member: int) -> Any:
        return WholeSender(self.chain, self.chain.accounts[member])

    @when(lambda self: self.card())
    @deed(clinician=st.sampled_from(CLINICIANS))
    def break_glass(self, clinician: int) -> None:
        self.asks(
            lambda: self.responder(clinician).open(
                self.card(), reason=Reason.CANNOT_WAIT, words="", sender=self.sender(clinician)
            ),
            NoEmergency,
        )

    def card(self) -> str:
        """The pseudonym that her card names; nothing where she never had one."""
        if self.single:
            return self.patient.vault.home().pseudonym
        account = self.patient.vault.account_for("emergency")
        return account.pseudonym if account is not None else ""

    @when(lambda self: self.chain.cases)
    @deed(custodians=st.sampled_from([(6, 7), (7, 8), (8, 6), (6, 7, 8), (6,), (8,)]), collected=st.booleans())
    def release(self, custodians: Sequence[int], collected: bool) -> None:
        for member in custodians:
            service = Custody(
                member=member,
                identity=self.secrets[member],
                chain=self.chain,  # type: ignore[arg-type]
                store=self.store,
                sender=self.sender(member),
                folder=self.place(member),
                limits=OFTEN,
            )
            released = [each.released for each in service.serve_once()]
            self.told["release", any(released)] += 1
        if collected:
            self.collect()

    @when(lambda self: self.chain.cases)
    @deed(which=choice)
    def withdraw(self, which: int) -> None:
        number = which % len(self.chain.cases) + 1
        clinician = self.chain.members[self.chain.cases[number]["clinician"]]
        self.asks(lambda: self.responder(clinician).withdraw(number, sender=self.sender(clinician)))

    @when(lambda self: self.chain.cases)
    @deed()
    def collect(self) -> None:
        """The clinicians look at what was released, and put the key together where it is enough."""
        for number, kept in self.chain.cases.items():
            member = self.chain.members[kept["clinician"]]
            responder = self.responder(member)
            escrow = self.escrows.get((kept["pseudonym"], kept["version"]))
            if number in self.keys or escrow is None:
                continue
            try:
                found = responder.collect(number)
            except NoBundle:
                continue
            chosen = set(escrow.decision.members) & self.chain.released.get(number, set())
            # property E2
            assert found.opened == (len(chosen) >= NEED), (number, found)
            if found.opened:
                sealed = (self.place(member) / str(number) / "key").read_bytes()
                identity = parse_identity(documents.open_(sealed, identities=[self.secrets[member]]).decode())
                assert isinstance(identity, HybridIdentity)
                self.readers.append(Reading(f"the key of case {number}", identity))
                self.keys[number] = len(self.readers) - 1
                self.told["collect", True] += 1
                self.learn(self.readers[-1], list(self.store.blobs))

    # -- records -----------------------------------------------------------------------------------------------------

    @deed(which=st.integers(0, 1), cls=st.sampled_from(CLASSES), inbox=st.booleans())
    def write(self, which: int, cls: KeyClass, inbox: bool) -> None:
        self.writes(self.clinics[which], self.sources[which], cls, inbox=inbox)

    # -- the model ---------------------------------------------------------------------------------------------------

    def void(self) -> None:
        """No escrow that was published before opens what is sealed from now on."""
        self.note_escrows()
        current = (self.card(), self.chain.versions.get(self.card(), 0))
        for place, escrow in self.escrows.items():
            # What the act that voids the others has published stands.
            if place != current or place in self.before:
                escrow.taken = min(escrow.taken, self.order)

    def was_used(self) -> bool:
        """Whether her client finds a case that is over and of which somebody whom she chose released a share."""
        used = False
        for number, case in self.chain.cases.items():
            chosen = set(self.decision.members) if self.decision is not None else set()
            shares = len(chosen & self.chain.released.get(number, set()))
            lasts = case["status"] == Status.OPEN and self.chain.seconds < case["opened"] + 24 * HOUR
            if self.decision is None or number in self.handled or (lasts and shares < NEED):
                continue
            self.handled.add(number)
            used = used or shares > 0
        return used

    def note_escrows(self) -> None:
        """Which versions of her bundle carry an escrow, and what it stands for."""
        for place in [(self.card(), version) for version in [self.chain.versions.get(self.card(), 0)]]:
            if place not in self.escrows and self.decision is not None and place[1]:
                bundle = self.chain.bundle(place[0], self.store)
                if bundle.escrow is not None:
                    self.escrows[place] = Escrow(self.decision)
        # What a key opens ends with the bundles that were sealed for it, however much later it is now.
        hour = hour_of_seconds(self.chain.events("Keys", "Published", newest_first=True)[0].seconds)
        for escrow in self.escrows.values():
            if escrow.taken == NEVER:
                escrow.end = min((hour // ESCROW_STEP + 3) * ESCROW_STEP, HOURS)

    def note_keys(self) -> None:
        """Whoever has a key of an escrow was given what that stands for."""
        self.note_escrows()
        self.before = set(self.escrows)
        for case, number in self.keys.items():
            kept = self.chain.cases[case]
            escrow = self.escrows[kept["pseudonym"], kept["version"]]
            decision = escrow.decision
            given = Given(number, decision.classes, 0, 0, escrow.end, 0, escrow.taken, False, "escrow", decision.inbox)
            self.given = [*(each for each in self.given if each.reader != number), given]

    # -- what must hold ----------------------------------------------------------------------------------------------

    # properties E1, E2, E3, E4, E5, E11
    @invariant()
    def nobody_opens_more(self) -> None:
        self.note_keys()
        self.check_nobody_opens_more()

    # property E2
    @invariant()
    def a_key_opens_all_of_its_classes(self) -> None:
        """While no other escrow took its place, and her client has not looked."""
        self.note_keys()
        for case, number in self.keys.items():
            kept = self.chain.cases[case]
            place = (kept["pseudonym"], kept["version"])
            escrow = self.escrows[place]
            if escrow.taken != NEVER or self.chain.versions[place[0]] != place[1] or self.dirty:
                continue
            reading = self.readers[number]
            self.learn(reading, list(self.store.blobs))
            for record in self.records:
                plain = not record.inbox or (escrow.decision.inbox and record.cls.endswith("/N"))
                if record.cls in escrow.decision.classes and plain and record.hour < escrow.end:
                    assert self.opens(reading, record.digest, {record.first, record.hour}), (case, record)

    # properties H6, H9, E11
    @deed()
    def everyone_granted_opens(self) -> None:
        """When the phone was on, and nothing waits for the shares of a case."""
        if not self.dirty:
            self.watch()
            waits = any(each.lasts(self.chain.seconds) for each in self.patient.emergencies())
            if not (self.single and waits):
                self.check_everyone_granted_opens()


class SingleEmergencies(Emergencies):
    """The same with one pseudonym for everything."""

    single = True


@pytest.mark.parametrize("machine", [Emergencies, SingleEmergencies], ids=["one a counterparty", "one pseudonym"])
def test_emergencies__over_many_lives__open_what_the_model_says(
    machine: type[Lives], monkeypatch: pytest.MonkeyPatch
) -> None:
    live_lives(machine, monkeypatch, steps=50, life=25)

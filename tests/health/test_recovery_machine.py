"""Who can open what where phones and wallets are lost, restored, handed over and recovered, and classes are erased.

Whoever finds the lost phone has every secret of its vault. The model and what must hold are in `access_lives.py`.
`THERIAC_FUZZ_STEPS=2000` takes that many steps, others each time.
"""

from collections.abc import Sequence
from functools import cache

import pytest
from access_lives import Given, Lives, Reading, Record, WholeLives, deed, live_lives, when, words_in
from health_world import LAB, MENTAL, TREAT
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant
from paper_chain import HOUR
from recovery_world import Helper

from theriac.crypto.recipients import HybridIdentity
from theriac.errors import NoGuardians, NothingToErase, TooFewShares
from theriac.health import keystore
from theriac.health.backup import backups, open_by_shares
from theriac.health.guardians import DELAY, Guardian
from theriac.health.hours import HOURS, time_of
from theriac.health.pleas import Keeper
from theriac.health.scope import KeyClass
from theriac.health.vault import Vault
from theriac.health.wallet import MnemonicWallet, new_mnemonic

CLASSES = (LAB, MENTAL)
DAY = 24 * HOUR
THRESHOLD = 2

choice = st.integers(0, 99)
some_classes = st.lists(st.sampled_from(CLASSES), min_size=1, max_size=2, unique=True)


@cache
def helpers() -> tuple[tuple[Helper, Guardian], ...]:
    """Four guardians, and what each handed over; made once, since deriving keys takes long."""
    people = [Helper(f"guardian {number}") for number in range(1, 5)]
    return tuple((each, each.card()) for each in people)


class Recoveries(WholeLives):
    """A patient who loses what she has, and who finds it."""

    classes = CLASSES

    def __init__(self) -> None:
        super().__init__()
        self.finders: set[int] = set()
        self.gone: set[bytes] = set()
        self.cannot: dict[int, set[bytes]] = {}
        self.locks = 0

    @initialize(classes=some_classes, guarded=st.booleans())
    def introduce(self, classes: Sequence[KeyClass], guarded: bool) -> None:
        """There is a record of each class, a reader, and often guardians that count."""
        self.introduce_all()
        for cls in CLASSES:
            self.write(0, cls, False)
        self.watch()
        self.grant(0, classes, True, 60)
        if guarded:
            self.guard()
            self.pass_time(31 * 24, True)

    # -- everyday life -----------------------------------------------------------------------------------------------

    @when(lambda self: not self.dirty)
    @deed(number=st.integers(0, 2), classes=some_classes, history=st.booleans(), days=st.integers(3, 80))
    def grant(self, number: int, classes: Sequence[KeyClass], history: bool, days: int) -> None:
        hour = self.chain.hour()
        begins, end = 0 if history else hour + 1, hour + days * 24
        reader = self.readers[number].address
        if self.act(
            lambda: self.patient.grant(reader, classes=classes, purpose=TREAT, end=time_of(end), history=history)
        ):
            self.take(number)
            names = frozenset(map(str, classes))
            self.given.append(Given(number, names, begins, max(hour, begins), end, self.order))

    @deed(which=choice, lives=st.sampled_from([None, None, 0, 1]), lands=st.booleans())
    def revoke(self, which: int, lives: int | None, lands: bool) -> None:
        held = sorted({each.reader for each in self.standing() if each.reader not in self.finders}) or [0]
        number = held[which % len(held)]
        reader = self.readers[number].address
        if self.act(lambda: self.patient.revoke(reader, purpose=TREAT), lives=lives, lands=lands):
            self.take(number)
        elif self.dirty:
            self.doubt(number)

    @deed(which=st.integers(0, 1), cls=st.sampled_from(CLASSES), inbox=st.sampled_from([False, False, True]))
    def write(self, which: int, cls: KeyClass, inbox: bool) -> None:
        self.writes(self.clinics[which], self.sources[which], cls, inbox=inbox)

    @deed(rewrite=st.booleans())
    def rotate(self, rewrite: bool) -> None:
        if not self.dirty:
            self.act(lambda: self.patient.rotate(rewrite=rewrite))

    @deed(hours=st.sampled_from([1, 1, 5, 24, 300]), awake=st.booleans())
    def pass_time(self, hours: int, awake: bool) -> None:
        self.chain.seconds += hours * HOUR
        if awake:
            self.watch()

    @deed()
    def watch(self) -> None:
        """Also what a phone does when it is switched on again: it finishes what it began."""
        revoking = {each.reader for each in self.patient.vault.revoking}
        assert self.act(self.patient.watch)
        assert self.patient.vault.moving is None
        was_dirty, self.dirty = self.dirty, False
        for number, reading in enumerate(self.readers):
            if reading.address in revoking:
                self.take(number)
        if was_dirty:
            self.take_what_is_unknown()
            self.take_from_finders()

    # -- what is lost ------------------------------------------------------------------------------------------------

    @deed()
    def lose_the_phone(self) -> None:
        """Another one starts from the backup that home names; somebody finds the phone."""
        self.found(self.patient.vault.encode())
        self.come_back()
        self.dirty = False
        self.take_from_finders()
        self.watch()
        self.take_what_is_unknown()

    # property V14
    @when(lambda self: not self.dirty)
    @deed(keep=st.booleans(), lives=st.sampled_from([None, None, None, 0, 1, 3]), lands=st.booleans())
    def hand_over(self, keep: bool, lives: int | None, lands: bool) -> None:
        """To another wallet, with another lock; the phone of before falls into somebody's hands."""
        former, vault = self.wallet, self.patient.vault.encode()
        self.found(vault)
        self.wallet = MnemonicWallet(new_mnemonic())
        self.new_lock()
        self.former = former
        self.patient = self.phone(Vault.decode(vault), former=former)
        done = self.act(lambda: self.patient.hand_over(keep_grants=keep), lives=lives, lands=lands)
        if self.dirty:
            self.patient = self.phone(self.patient.vault, former=former)
            done = self.act(self.patient.resume)
            self.dirty = False
        assert done
        self.take_from_finders()
        self.watch()
        if not keep:
            self.change(lambda each: each.reader not in self.finders, taken=self.order)

    # property V14
    @when(lambda self: not self.dirty)
    @deed()
    def revoke_everything(self) -> None:
        self.found(self.patient.vault.encode())
        assert self.act(self.patient.revoke_all)
        self.change(lambda each: True, taken=self.order)

    @when(lambda self: not self.dirty)
    @deed()
    def guard(self) -> None:
        """Names guardians, or the same by new shares: those of before open backups of before alone."""
        cards = [card for _, card in helpers()]
        before = self.shares()[:THRESHOLD] if self.patient.vault.guardians is not None else []
        if self.act(lambda: self.patient.set_guardians(cards, threshold=THRESHOLD)) and before:
            home = self.patient.vault.home().pseudonym
            sealed = list(backups(self.chain, self.store, home))  # type: ignore[arg-type]
            self.found(open_by_shares(sealed, [word for each in before for word in each]).encode())
            self.take_from_finders()

    def shares(self) -> list[list[str]]:
        """What each guardian finds of its own in the backups."""
        home = self.patient.vault.home().pseudonym
        keepers = [
            Keeper(
                chain=self.chain,  # type: ignore[arg-type]
                store=self.store,
                identity=each.identity,
                signer=each.signer,
                home=home,
            )
            for each, _ in helpers()
        ]
        self.keepers = keepers
        return [each.words() for each in keepers]

    # properties V13, V14, V15
    @when(lambda self: not self.dirty and self.patient.vault.guardians is not None)
    @deed(written=st.booleans())
    def recover_by_guardians(self, written: bool) -> None:
        """Phone and wallet are lost. Guardians open the backup, and give her pseudonyms to another wallet."""
        home = self.patient.vault.home().pseudonym
        shares, sealed = self.shares(), list(backups(self.chain, self.store, home))  # type: ignore[arg-type]
        with pytest.raises(TooFewShares):
            open_by_shares(sealed, shares[0])
        counting = [
            account
            for account in self.patient.vault.accounts.values()
            if self.chain.guard(account.pseudonym).guardians in {each.set.hash for each in account.guarding}
        ]
        if len(counting) < len(self.patient.vault.accounts):
            return
        self.found(self.patient.vault.encode())
        vault = open_by_shares(sealed, [word for each in shares[:THRESHOLD] for word in each])
        if {*vault.accounts} != {*self.patient.vault.accounts}:
            # What the backup knows as a spare has no guardians that count.
            return
        self.wallet = MnemonicWallet(new_mnemonic())
        self.new_lock()
        self.patient = self.phone(vault)
        self.patient.begin_recovery(from_backup=True)
        try:
            pleas = {each.guardian: each for each in self.patient.pleas()}
        except NoGuardians:
            raise AssertionError("guardians count and are not asked") from None
        approvals = [
            keeper.approve(pleas[each.name])
            for keeper, (each, _) in list(zip(self.keepers, helpers(), strict=True))[:3]
        ]
        started = self.patient.start_recovery(approvals)
        assert len(started) == len(self.patient.vault.accounts)
        if written:
            self.write(0, LAB, False)
        self.chain.seconds += DELAY
        assert self.act(self.patient.finish_recovery)
        assert self.patient.vault.moving is None
        self.take_from_finders()
        for number, source in enumerate(self.sources, start=1):
            if source not in {each.pseudonym for each in self.patient.vault.written()}:
                assert self.act(lambda number=number: self.patient.introduce(number, name="clinic"))
        self.watch()
        self.take_what_is_unknown()

    # property U6
    @when(lambda self: not self.dirty)
    @deed(classes=st.sampled_from([(LAB,), (MENTAL,)]), lives=st.sampled_from([None, None, 1, 2]))
    def erase(self, classes: Sequence[KeyClass], lives: int | None) -> None:
        """Whoever finds the phone afterwards, with its lock, opens no record of the class from before."""
        self.watch()
        lock = self.new_lock(taken=False)
        try:
            done = self.act(lambda: self.patient.erase(classes, lock=lock, despite_waiting=True), lives=lives)
        except NothingToErase:
            return
        self.lock_identity = self.next_identity
        if self.dirty:
            self.watch()
        names = {str(cls) for cls in classes}
        self.gone |= {each.digest for each in self.records if each.cls in names}
        self.found(self.patient.vault.encode())
        assert done or not self.dirty

    # -- the model ---------------------------------------------------------------------------------------------------

    def new_lock(self, *, taken: bool = True) -> keystore.Lock:
        self.locks += 1
        self.next_identity = HybridIdentity.from_seed(bytes([100 + self.locks]) * 32)
        lock = keystore.Lock(self.next_identity.recipient, {"by": "test", "serial": self.locks})
        if taken:
            self.keystore.lock, self.lock_identity = lock, self.next_identity
        return lock

    def found(self, vault: bytes) -> None:
        """Somebody has a vault, and reads on until every key is new; what was erased before is gone for it too."""
        finder = Reading(f"who found phone {len(self.readers)}", HybridIdentity.generate())
        finder.secrets, finder.keys = words_of(vault)
        self.readers.append(finder)
        number = len(self.readers) - 1
        self.finders.add(number)
        names = frozenset(map(str, CLASSES))
        self.given.append(Given(number, names, 0, 0, HOURS, self.order, surely=False, under="found"))
        self.cannot[number] = set(self.gone)

    def take_from_finders(self) -> None:
        self.change(lambda each: each.reader in self.finders, taken=self.order)

    def may_open(self, number: int, record: Record) -> bool:
        return record.digest not in self.cannot.get(number, set()) and super().may_open(number, record)

    def must_open(self, number: int, record: Record) -> bool:
        return record.digest not in self.gone and super().must_open(number, record)

    # -- what must hold ----------------------------------------------------------------------------------------------

    # properties H3, H4, H6, V13, V14, V15, U6, U7
    @invariant()
    def nobody_opens_more(self) -> None:
        self.check_nobody_opens_more()

    # properties H6, H9, V15, U7
    @deed()
    def everyone_granted_opens(self) -> None:
        """When the phone was on."""
        if not self.dirty:
            self.watch()
            self.check_everyone_granted_opens()


def words_of(vault: bytes) -> tuple[set[str], set[str]]:
    """Whatever can be a seed in a vault, and whatever can be a file's key."""
    return words_in(vault, 32), words_in(vault, 16)


@pytest.mark.parametrize("machine", [Recoveries], ids=["one a counterparty"])
def test_recoveries__over_many_lives__open_what_the_model_says(
    machine: type[Lives], monkeypatch: pytest.MonkeyPatch
) -> None:
    live_lives(machine, monkeypatch, steps=30, life=15)

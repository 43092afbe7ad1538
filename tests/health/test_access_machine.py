"""Who can open what, over many lives of a patient, against a plain model. Bytes decide, not flags.

The model and what must hold are in `access_lives.py`. `THERIAC_FUZZ_STEPS=2000` takes that many steps, others each
time.
"""

from dataclasses import replace

import pytest
from access_lives import NEVER, Given, Lives, deed, live_lives, when
from health_world import LAB, MENTAL, TREAT
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant
from paper_chain import HOUR

from theriac.health.hours import time_of
from theriac.health.scope import KeyClass

CLASSES = (LAB, MENTAL)


class Access(Lives):
    """Grants of all kinds, single records, revokes and a phone that dies."""

    @initialize()
    def introduce(self) -> None:
        self.introduce_all()

    @deed(
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

    @deed(number=st.integers(0, 2), keep=st.sampled_from(CLASSES), shorter=st.booleans())
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

    @deed(number=st.integers(0, 2), lives=st.sampled_from([None, None, 0, 1, 2]), lands=st.booleans())
    def revoke(self, number: int, lives: int | None, lands: bool) -> None:
        reader = self.readers[number].address
        if self.act(lambda: self.patient.revoke(reader, purpose=TREAT), lives=lives, lands=lands):
            self.take(number)
            self.singles = {place: end for place, end in self.singles.items() if place[0] != number}
        elif self.dirty:
            self.doubt(number)

    @when(lambda self: self.records and not self.dirty)
    @deed(number=st.integers(0, 2), which=st.integers(0, 99))
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

    @deed(hours=st.sampled_from([1, 1, 5, 24, 70]), awake=st.booleans())
    def pass_time(self, hours: int, awake: bool) -> None:
        self.chain.seconds += hours * HOUR
        if awake:
            self.watch()

    @deed(which=st.integers(0, 1), cls=st.sampled_from(CLASSES), inbox=st.sampled_from([False, False, True]))
    def write(self, which: int, cls: KeyClass, inbox: bool) -> None:
        self.writes(self.clinics[which], self.sources[which], cls, inbox=inbox)

    @deed(rewrite=st.booleans())
    def rotate(self, rewrite: bool) -> None:
        if not self.dirty:
            self.act(lambda: self.patient.rotate(rewrite=rewrite))

    @deed()
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

    @deed()
    def restore(self) -> None:
        """The phone is lost, and another one starts from the backup that home names."""
        self.come_back()
        self.watch()
        self.take_what_is_unknown()
        shared = {(each.reader, each.digest) for each in self.patient.vault.singles}
        self.singles = {
            (number, digest): end
            for (number, digest), end in self.singles.items()
            if (self.readers[number].address, digest.hex()) in shared
        }

    # -- what must hold ----------------------------------------------------------------------------------------------

    # properties H3, H4, H5, H6, H7, H8
    @invariant()
    def nobody_opens_more(self) -> None:
        self.check_nobody_opens_more()

    # properties H6, H7, H9
    @deed()
    def everyone_granted_opens(self) -> None:
        """When the phone was on."""
        if not self.dirty:
            self.watch()
            self.check_everyone_granted_opens()


class SingleAccess(Access):
    """The same with one pseudonym for everything."""

    single = True


@pytest.mark.parametrize("machine", [Access, SingleAccess], ids=["one a counterparty", "one pseudonym"])
def test_access__over_many_lives__is_what_the_model_says(machine: type[Lives], monkeypatch: pytest.MonkeyPatch) -> None:
    live_lives(machine, monkeypatch, steps=60, life=12)

"""Who can open what where others act for a patient: delegates that grant, readers that refer on, teams, members' staff.

The model and what must hold are in `access_lives.py`. `THERIAC_FUZZ_STEPS=2000` takes that many steps, others each
time.
"""

import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import pytest
from access_lives import CLINIC_KEY, Given, Lives, Reading, Record, WholeLives, deed, live_lives, when
from eth_utils.address import to_checksum_address
from health_world import LAB, MENTAL, TREAT
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant
from paper_chain import HOUR, PaperClinic
from whole_chain import WholeRelay, WholeSender

from theriac.consortium import Role
from theriac.crypto import age
from theriac.crypto.recipients import HybridIdentity
from theriac.errors import BadWindow, BeyondMandate, CannotRefer, NotGranted, UnknownMandate
from theriac.health import referrals
from theriac.health.delegate import Delegate
from theriac.health.delegations import REFERRED
from theriac.health.hours import hour_of_seconds, time_of
from theriac.health.messages import member_address
from theriac.health.reader import Reader
from theriac.health.scope import REFERRAL, KeyClass, bit_of
from theriac.health.vault import Mandate
from theriac.health.wallet import MnemonicWallet

DELEGATES = MnemonicWallet("legal winner thank year wave sausage worth useful legal winner thank yellow")
SUBSTANCE = KeyClass.parse("substance-use/R")
CLASSES = (LAB, MENTAL, SUBSTANCE)
"""The last two stand behind one bit of the chain's."""

GATEWAY, STAFF = 2, (3, 4)
"""The readers' numbers: the third is a member, which opens records for two of its staff."""

OF_MEMBERS = (3, 4, 5)
"""The members that the three readers are of, or are."""

choice = st.integers(0, 99)
some_classes = st.lists(st.sampled_from(CLASSES), min_size=1, max_size=3, unique=True)


class Under(NamedTuple):
    """The place of a grant, and what it stands under: nothing, a parent's number, or another's grant."""

    pseudonym: str
    by: int = 0
    through: int = -1


@dataclass(frozen=True)
class Promised:
    """What another than the patient granted on the chain, as her client is to take it in when it looks next."""

    under: Under
    classes: frozenset[str]
    since: int
    end: int
    taken_in: bool = False


class Others(WholeLives):
    """A patient with delegates, two clinicians of two members, and a member with staff."""

    classes = CLASSES

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.readers[GATEWAY].address = to_checksum_address(member_address(OF_MEMBERS[GATEWAY]))
        self.readers += [Reading(f"staff {number}", HybridIdentity.generate()) for number in STAFF]
        self.reporters = {}
        for number, member in enumerate(OF_MEMBERS):
            identity = self.readers[number].identity
            self.chain.join(member, self.readers[number].address, Role.CLINICIAN)
            for address in (member_address(member), self.readers[number].address):
                self.profile(address, identity)
            self.reporters[member] = PaperClinic(member, CLINIC_KEY, identity)
        self.desks = [self.desk(number) for number in range(2)]
        self.offered = 0
        self.promised: dict[tuple[str, int], Promised] = {}

    def desk(self, number: int) -> Reader:
        reading = self.readers[number]
        return Reader(
            account=reading.address,
            identity=reading.identity,
            book=None,  # type: ignore[arg-type]
            chain=self.chain,  # type: ignore[arg-type]
            store=self.store,
            folder=Path(self.folder.name, str(number)),
            recipient=reading.identity.recipient,
        )

    @initialize(first=some_classes, second=some_classes, days=st.integers(20, 60))
    def introduce(self, first: Sequence[KeyClass], second: Sequence[KeyClass], days: int) -> None:
        """There is a record of each class, a reader that may refer on, and a delegate."""
        self.introduce_all()
        for cls in CLASSES:
            self.write(0, cls, False)
        self.watch()
        self.grant(0, first, True, days, True, None, False)
        self.appoint(second, days, True, None, False)

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()

    # -- the patient -------------------------------------------------------------------------------------------------

    @deed(
        number=st.integers(0, 2),
        classes=some_classes,
        history=st.booleans(),
        days=st.integers(1, 90),
        referable=st.sampled_from([True, True, False]),
        lives=st.sampled_from([None, None, None, 0, 1, 2]),
        lands=st.booleans(),
    )
    def grant(
        self,
        number: int,
        classes: Sequence[KeyClass],
        history: bool,
        days: int,
        referable: bool,
        lives: int | None,
        lands: bool,
    ) -> None:
        hour, places = self.chain.hour(), []
        end, begins = hour + days * 24, 0 if history else hour + 1

        def do() -> None:
            sharing = self.patient.grant(
                self.readers[number].address,
                classes=classes,
                purpose=TREAT,
                end=time_of(end),
                history=history,
                referable=referable,
            )
            places.append(sharing.pseudonym)

        done = self.act(do, lives=lives, lands=lands)
        names = frozenset(map(str, classes))
        given = Given(number, names, begins, max(hour, begins), end, self.order)
        if done:
            self.replace_at(places[0], number, given)
        elif self.dirty:
            self.doubt_all(number)
            self.given.append(replace(given, surely=False, under=Under("?")))

    @deed(which=choice, lives=st.sampled_from([None, None, 0, 1, 2]), lands=st.booleans())
    def revoke(self, which: int, lives: int | None, lands: bool) -> None:
        held = sorted({each.reader for each in self.standing()}) or [0]
        number = held[which % len(held)]
        reader = self.readers[number].address
        if self.act(lambda: self.patient.revoke(reader, purpose=TREAT), lives=lives, lands=lands):
            self.end_all_known(number)
        elif self.dirty:
            self.doubt_all(number)

    @deed(which=choice, keep=st.sampled_from(CLASSES), shorter=st.booleans())
    def narrow(self, which: int, keep: KeyClass, shorter: bool) -> None:
        own = self.standing(lambda each: each.surely and each.under.by == 0 and str(keep) in each.classes)
        if self.dirty or not own:
            return
        former, hour = own[which % len(own)], self.chain.hour()
        number = former.reader
        end = min(former.end, hour + 6) if shorter else former.end
        if end <= max(hour, former.start) or former.end <= hour:
            return
        sharing = self.patient.vault.sharing(former.under.pseudonym, self.readers[number].address, TREAT.code)
        if self.act(lambda: self.patient.narrow(sharing, classes=(keep,), end=time_of(end))):
            narrowed = replace(former, classes=frozenset({str(keep)}), end=end, given=self.order)
            self.replace_at(former.under.pseudonym, number, narrowed)

    @when(lambda self: not self.dirty)
    @deed(
        number=st.integers(0, 2),
        classes=some_classes,
        days=st.integers(2, 60),
        lives=st.sampled_from([None, None, None, 1, 2]),
    )
    def enrol(self, number: int, classes: Sequence[KeyClass], days: int, lives: int | None) -> None:
        """In a programme, whose team is a reader."""
        hour, reader = self.chain.hour(), self.readers[number].address
        end, found = hour + days * 24, []

        def do() -> None:
            enrolment = self.patient.others.enrol(
                b"a programme", reader, name="a team", classes=classes, purpose=TREAT, end=time_of(end)
            )
            found.append(enrolment)

        done = self.act(do, lives=lives)
        given = Given(number, frozenset(map(str, classes)), 0, hour, end, self.order)
        if done:
            self.replace_at(found[0].pseudonym, number, given, by=found[0].by)
        elif self.dirty:
            self.doubt_all(number)
            self.given.append(replace(given, surely=False, under=Under("?")))

    @when(lambda self: self.patient.vault.programmes and not self.dirty)
    @deed(which=choice)
    def leave(self, which: int) -> None:
        enrolment = self.patient.vault.programmes[which % len(self.patient.vault.programmes)]
        if self.act(lambda: self.patient.others.leave(enrolment)):
            self.end_under(enrolment.pseudonym, enrolment.by)

    @deed(rewrite=st.booleans())
    def rotate(self, rewrite: bool) -> None:
        if not self.dirty:
            self.act(lambda: self.patient.rotate(rewrite=rewrite))

    @deed(hours=st.sampled_from([1, 1, 1, 5, 24, 100, 400]), awake=st.booleans())
    def pass_time(self, hours: int, awake: bool) -> None:
        self.chain.seconds += hours * HOUR
        if awake:
            self.watch()

    @deed()
    def watch(self) -> None:
        """Also what a phone does when it is switched on again: it finishes what it began."""
        revoking = [(each.pseudonym, each.reader) for each in self.patient.vault.revoking]
        assert self.act(self.patient.watch)
        assert self.patient.vault.revoking == []
        self.dirty = False
        for pseudonym, reader in revoking:
            [number] = [place for place, each in enumerate(self.readers) if each.address == reader]
            self.end_at(pseudonym, number)
        self.take_in_what_others_granted()

    @deed()
    def restore(self) -> None:
        """The phone is lost, and another one starts from the backup that home names."""
        self.come_back()
        known = {(each.pseudonym, each.by) for each in self.patient.vault.mandates}
        self.promised = {
            place: each
            for place, each in self.promised.items()
            if each.under.by == REFERRED or (each.under.pseudonym, each.under.by) in known
        }
        self.watch()
        self.take_what_is_unknown()

    # -- delegates ---------------------------------------------------------------------------------------------------

    @when(lambda self: not self.dirty and self.offered < 6)
    @deed(
        classes=some_classes,
        days=st.integers(2, 60),
        history=st.booleans(),
        lives=st.sampled_from([None, None, None, 0, 1]),
        lands=st.booleans(),
    )
    def appoint(self, classes: Sequence[KeyClass], days: int, history: bool, lives: int | None, lands: bool) -> None:
        holders = [DELEGATES.signer(self.offered + place).address for place in range(2)]
        self.offered += 2
        end = time_of(self.chain.hour() + days * 24)
        self.act(
            lambda: self.patient.others.appoint(
                holders, name="her sister", classes=classes, purposes=[TREAT], end=end, history=history
            ),
            lives=lives,
            lands=lands,
        )

    @when(lambda self: self.patient.vault.mandates and not self.dirty)
    @deed(which=choice, lives=st.sampled_from([None, None, 0, 1]))
    def end_delegate(self, which: int, lives: int | None) -> None:
        mandate = self.patient.vault.mandates[which % len(self.patient.vault.mandates)]
        if self.act(lambda: self.patient.others.end(mandate), lives=lives):
            self.end_under(mandate.pseudonym, mandate.by)
        elif self.dirty:
            self.change(lambda each: each.under.pseudonym == mandate.pseudonym, surely=False)

    @when(lambda self: self.patient.vault.mandates)
    @deed(number=st.integers(0, 2), which=choice, classes=some_classes, days=st.integers(1, 60))
    def grant_for_her(self, number: int, which: int, classes: Sequence[KeyClass], days: int) -> None:
        sister, reader = self.sister(), self.readers[number].address
        mandate = self.patient.vault.mandates[which % len(self.patient.vault.mandates)]
        end = min(self.chain.hour() + days * 24, mandate.end)

        def do() -> None:
            draft = sister.grant(mandate, reader, classes=classes, purpose=TREAT, end=time_of(end))
            sister.send(draft)

        if self.asks(do, BeyondMandate, BadWindow, UnknownMandate):
            self.note_granted_for_her(mandate, number, classes, end)

    @deed(which=choice, keep=st.sampled_from(CLASSES), shorter=st.booleans(), whole=st.booleans())
    def take_back_for_her(self, which: int, keep: KeyClass, shorter: bool, whole: bool) -> None:
        """A delegate narrows or revokes what it granted."""
        places = [place for place, each in self.promised.items() if each.under.by != REFERRED]
        if not places:
            return
        place = places[which % len(places)]
        promise, reader = self.promised[place], self.readers[place[1]].address
        found = [each for each in self.patient.vault.mandates if (each.pseudonym, each.by) == promise.under[:2]]
        sister = self.sister()
        end = min(promise.end, self.chain.hour() + 5) if shorter else promise.end

        def do() -> None:
            [mandate] = found
            if whole:
                sister.send(sister.revoke(mandate, reader, purpose=TREAT))
            else:
                sister.send(sister.narrow(mandate, reader, classes=(keep,), purpose=TREAT, end=time_of(end)))

        if found and self.asks(do, BadWindow):
            self.change(lambda each: each.reader == place[1] and each.under == promise.under, surely=False)
            if not whole:
                self.note_granted_for_her(found[0], place[1], (keep,), end)

    def sister(self) -> Delegate:
        relay = WholeRelay(self.chain)
        return Delegate(wallet=DELEGATES, accounts=self.offered, chain=self.chain, relay=relay)  # type: ignore[arg-type]

    def note_granted_for_her(self, mandate: Mandate, number: int, classes: Sequence[KeyClass], end: int) -> None:
        """Her client reads a grant of a delegate's as what the mandate has behind its bits."""
        bits = {bit_of(cls) for cls in classes}
        names = frozenset(name for name in mandate.classes if bit_of(KeyClass.parse(name)) in bits)
        place, under = (mandate.pseudonym, number), Under(mandate.pseudonym, mandate.by)
        former = self.promised.get(place)
        self.promised[place] = Promised(under, names, mandate.since, end, former is not None and former.taken_in)

    # -- referrers ---------------------------------------------------------------------------------------------------

    @deed(which=choice, step=st.integers(1, 2), classes=some_classes, back=st.sampled_from([None, None, 5, 100]))
    def refer(self, which: int, step: int, classes: Sequence[KeyClass], back: int | None) -> None:
        marked = [
            (number, pseudonym)
            for (pseudonym, reader, _), grant in self.chain.grants.items()
            for number in range(len(self.desks))
            if reader == self.readers[number].address and grant["scope"] >> REFERRAL & 1
        ]
        if not marked:
            return
        number, pseudonym = marked[which % len(marked)]
        desk, reader, to = self.desks[number], self.readers[number].address, (number + step) % 3
        found = []

        def do() -> None:
            desk.learn(pseudonym)
            ends = referrals.ends_of(desk, pseudonym, through=reader, purpose=TREAT)
            letter = referrals.refer(
                desk,
                WholeSender(self.chain, reader),  # type: ignore[arg-type]
                pseudonym=pseudonym,
                to=self.readers[to].address,
                purpose=TREAT,
                classes=classes,
                end=time_of(ends[which % len(ends)]),
                reason="please look",
                since=time_of(self.chain.hour() - back) if back is not None else None,
            )
            found.append(letter)

        if self.asks(do, NotGranted, CannotRefer):
            [letter] = found
            self.take_over(to, letter)
            parents = self.standing(lambda each: each.reader == number and each.under.pseudonym in (pseudonym, "?"))
            since = max(min(each.since for each in parents), self.chain.hour() - back if back is not None else 0)
            names, under = frozenset(map(str, classes)), Under(pseudonym, REFERRED, number)
            self.promised[pseudonym, to] = Promised(under, names, since, letter.end)
            given = Given(to, names, since, self.chain.hour(), letter.end, self.order, surely=False, under=under)
            self.given.append(given)

    def take_over(self, number: int, letter: referrals.Referral) -> None:
        """Whoever gets a letter of a referrer has the keys in it."""
        self.take_in(self.readers[number], letter.openings, letter.indexes)

    @deed(which=choice)
    def withdraw(self, which: int) -> None:
        places = [place for place, each in self.promised.items() if each.under.by == REFERRED]
        if places:
            pseudonym, to = places[which % len(places)]
            sender = WholeSender(self.chain, self.readers[self.promised[pseudonym, to].under.through].address)
            reader = self.readers[to].address
            if self.asks(
                lambda: referrals.withdraw(
                    self.chain,  # type: ignore[arg-type]
                    sender,  # type: ignore[arg-type]
                    pseudonym=pseudonym,
                    reader=reader,
                    purpose=TREAT,
                )
            ):
                self.change(lambda each: each.reader == to and each.under.pseudonym == pseudonym, surely=False)

    @when(lambda self: self.patient.others.referrals() and not self.dirty)
    @deed(which=choice)
    def revoke_referral(self, which: int) -> None:
        """The patient ends what was referred to a reader, by whomever, and nothing else."""
        standing = self.patient.others.referrals()
        reader = standing[which % len(standing)].reader
        [number] = [place for place, each in enumerate(self.readers) if each.address == reader]
        if self.act(lambda: self.patient.others.revoke_referral(reader, purpose=TREAT)):
            for (pseudonym, to), each in list(self.promised.items()):
                if to == number and each.under.by == REFERRED and each.taken_in:
                    self.end_at(pseudonym, to)

    # -- records -----------------------------------------------------------------------------------------------------

    @deed(which=st.integers(0, 1), cls=st.sampled_from(CLASSES), inbox=st.sampled_from([False, False, True]))
    def write(self, which: int, cls: KeyClass, inbox: bool) -> None:
        self.writes(self.clinics[which], self.sources[which], cls, inbox=inbox)

    @deed(which=choice, cls=st.sampled_from(CLASSES))
    def report(self, which: int, cls: KeyClass) -> None:
        """The member of a reader that was referred to, or of a team, writes under the pseudonym that it reads by."""
        places = [
            (account.pseudonym, writer.member)
            for account in self.patient.vault.accounts.values()
            for writer in account.writers
            if writer.member in self.reporters and account.version
        ]
        if places and not self.dirty:
            pseudonym, member = places[which % len(places)]
            self.writes(self.reporters[member], pseudonym, cls, inbox=False)

    @deed(which=choice, staff=st.sampled_from(STAFF))
    def hand_to_staff(self, which: int, staff: int) -> None:
        """The member's gateway gives the key of one record's file to somebody of its staff."""
        opened = [each for each in self.records if each.digest in self.readers[GATEWAY].opened]
        if opened:
            record = opened[which % len(opened)]
            self.readers[staff].keys.add(self.file_key(record))
            self.shared_ever.add((staff, record.digest))

    def file_key(self, record: Record) -> str:
        gateway, blob = self.readers[GATEWAY], self.store.blobs[record.digest]
        for _, identity in self.identities(gateway, {record.first, record.hour}):
            if self.fits(blob, identity=identity()):
                return age.file_key_of(io.BytesIO(blob), identities=[identity()]).unsafe_export_secret().hex()
        return next(each for each in gateway.keys if self.fits(blob, key=each))

    # -- the model ---------------------------------------------------------------------------------------------------

    def replace_at(self, pseudonym: str, number: int, given: Given, *, by: int = 0) -> None:
        """What the patient granted takes the place of what stood there, and ends what was passed on of that."""
        self.end_at(pseudonym, number)
        self.given.append(replace(given, under=Under(pseudonym, by)))

    def end_at(self, pseudonym: str, number: int) -> None:
        """A place is emptied, and what was passed on of it ends."""
        promise = self.promised.pop((pseudonym, number), None)
        unknown = promise.under if promise is not None and not promise.taken_in else None
        self.change(
            lambda each: each.reader == number and each.under.pseudonym in (pseudonym, "?") and each.under != unknown,
            taken=self.order,
        )
        passed_on = Under(pseudonym, REFERRED, number)
        self.change(lambda each: each.under == passed_on, taken=self.order)
        self.promised = {place: each for place, each in self.promised.items() if each.under != passed_on}

    def end_under(self, pseudonym: str, by: int) -> None:
        """A parent ends, and all under it."""
        under = {each.reader for each in self.standing() if each.under[:2] == (pseudonym, by)}
        for place, promise in list(self.promised.items()):
            if promise.under[:2] == (pseudonym, by):
                del self.promised[place]
        passed_on = {Under(pseudonym, REFERRED, number) for number in under}
        self.change(lambda each: each.under[:2] == (pseudonym, by) or each.under in passed_on, taken=self.order)

    def end_all_known(self, number: int) -> None:
        """The patient revokes all that a reader has from her and, as far as her client knows, from others."""
        account = self.patient.vault.home() if self.single else None
        own = {each.under.pseudonym for each in self.standing(lambda each: each.reader == number) if each.under.by == 0}
        others = {pseudonym for (pseudonym, to), each in self.promised.items() if to == number and each.taken_in}
        programmes = {
            each.under.pseudonym
            for each in self.standing(lambda each: each.reader == number and 0 < each.under.by < REFERRED)
        }
        for pseudonym in own | others | programmes | ({account.pseudonym} if account is not None else set()):
            self.end_at(pseudonym, number)

    def doubt_all(self, number: int) -> None:
        """An act about a reader broke off."""
        self.doubt(number)
        self.change(lambda each: each.under.through == number, surely=False)

    def take_in_what_others_granted(self) -> None:
        """What her client does at a look: it gives keys to what stands, and takes them from what does not."""
        hour = self.chain.hour()
        for (pseudonym, number), promise in list(self.promised.items()):
            reader = self.readers[number].address
            mine = lambda each, number=number, promise=promise: (each.reader, each.under) == (number, promise.under)  # noqa: E731
            grant = self.chain.grant(pseudonym, reader, TREAT)
            if grant["by"] != promise.under.by or not self.chain.is_live(pseudonym, reader, TREAT):
                if promise.taken_in:
                    self.change(mine, taken=self.order)
                del self.promised[pseudonym, number]
                continue
            end = min(promise.end, hour_of_seconds(grant["expiry"]))
            facts = (promise.classes, promise.since, end)
            if any(each.surely and (each.classes, each.since, each.end) == facts for each in self.standing(mine)):
                continue
            if end <= hour or not promise.classes:
                continue
            self.change(mine, taken=self.order)
            self.given.append(Given(number, *facts[:2], hour, end, self.order, under=promise.under))
            self.promised[pseudonym, number] = replace(promise, taken_in=True)

    # -- what must hold ----------------------------------------------------------------------------------------------

    # properties H3, H4, H5, H6, H7, G9, G10
    @invariant()
    def nobody_opens_more(self) -> None:
        self.check_nobody_opens_more()

    # properties H6, H7, H9, G10
    @deed()
    def everyone_granted_opens(self) -> None:
        """When the phone was on."""
        if not self.dirty:
            self.watch()
            self.check_everyone_granted_opens()


class SingleOthers(Others):
    """The same with one pseudonym for everything."""

    single = True


@pytest.mark.parametrize("machine", [Others, SingleOthers], ids=["one a counterparty", "one pseudonym"])
def test_others__over_many_lives__open_what_the_model_says(
    machine: type[Lives], monkeypatch: pytest.MonkeyPatch
) -> None:
    live_lives(machine, monkeypatch, steps=50, life=25)

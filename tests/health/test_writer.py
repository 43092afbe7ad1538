"""A desk stores nothing before the chain took it, and refuses no record."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from health_world import DAY, LAB, HealthWorld, piece, register, write

from theriac.errors import InboxChanged, NotStored
from theriac.health import records
from theriac.health.bundle import Bundle
from theriac.health.chain import Authority, Chain
from theriac.health.hours import seconds_of
from theriac.health.writer import Registered, Writer


class LyingChain(Chain):
    """A node that answers as it did before: with an old version and digest, or an old time."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.old: dict[str, Any] = {}

    def remember(self, pseudonym: str) -> None:
        self.old = {"authority": super().authority(pseudonym), "digest": super().digest(pseudonym)}

    def authority(self, pseudonym: str) -> Authority:
        found: Authority = self.old.get("authority") or super().authority(pseudonym)
        return found

    def digest(self, pseudonym: str) -> bytes:
        found: bytes = self.old.get("digest") or super().digest(pseudonym)
        return found

    def time(self) -> int:
        return int(self.old.get("time") or super().time())


def lying(world: HealthWorld, writer: Writer) -> LyingChain:
    chain = LyingChain(world.web3, world.contracts, index=world.folder / "lying" / "index.sqlite")
    writer.chain = chain
    return chain


def stored(world: HealthWorld) -> set[str]:
    """The names of all blocks in the store."""
    return {str(path) for path in (world.folder / "store").rglob("*") if path.is_file()}


class Watching:
    """A store that notes what was put, with whether the chain had it by then."""

    def __init__(self, world: HealthWorld, desk: Registered) -> None:
        self._world, self._desk = world, desk
        self.early: list[str] = []

    def put(self, stream: Any) -> Any:
        cid = self._world.store.put(stream)
        call = self._world.contracts.Records.functions.recordOf(self._desk.pseudonym, 1, cid.digest)
        if call.call()[0] == 0:
            self.early.append(cid.digest.hex())
        return cid

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.store, name)


def entry_of(patient: Any, digest: str) -> Any:
    patient.watch()
    return patient.entry(digest)


# property H17
def test_write__behind_a_lying_node__goes_to_the_inbox_and_stores_nothing_before(world: HealthWorld) -> None:
    # given a desk whose node keeps to an old version after a rotation
    patient, clinic = world.patient(), world.writer(world.clinic)
    desk = register(patient, clinic)
    chain = lying(world, clinic)
    chain.remember(desk.pseudonym)
    patient.rotate()
    watching = Watching(world, desk)
    clinic.store = watching  # type: ignore[assignment]

    # when it writes
    [stale] = clinic.write(desk, [piece(b"old version")])
    chain.old = {}

    # and with a node that lies about the time: a row and a midnight that are over
    chain.old = {"time": world.now()}
    world.travel(2 * DAY)
    [late] = clinic.write(desk, [piece(b"old time")])

    # then the contract refused both, so each went to the inbox, nothing was stored early, and all is filed
    assert (stale.inbox, late.inbox) == (True, True)
    assert watching.early == []
    chain.old = {}
    assert patient.open(entry_of(patient, stale.digest)).read() == b"old version"
    assert patient.open(entry_of(patient, late.digest)).read() == b"old time"


# property H17
def test_write__with_a_row_that_ran_out__goes_to_the_inbox(world: HealthWorld) -> None:
    patient, clinic = world.patient(), world.writer(world.clinic)
    desk = register(patient, clinic)
    until = patient.vault.accounts[desk.pseudonym].publications[-1].until
    world.travel(seconds_of(until) - world.now() + 1)

    [written] = clinic.write(desk, [piece(b"after ninety days")])

    assert written.inbox
    assert patient.open(entry_of(patient, written.digest)).read() == b"after ninety days"
    assert not [each for each in clinic.write(desk, [piece(b"with new rows")]) if each.inbox]


# property H18
def test_write__when_the_store_is_full__keeps_it_in_the_spool_until_a_receipt(world: HealthWorld) -> None:
    # given a desk whose store takes nothing
    patient, clinic = world.patient(), world.writer(world.clinic)
    desk = register(patient, clinic)
    before = stored(world)

    class Full:
        def put(self, stream: Any) -> Any:
            raise NotStored(cid="x", store="full")

        def __getattr__(self, name: str) -> Any:
            return getattr(world.store, name)

    clinic.store = Full()  # type: ignore[assignment]
    with pytest.raises(NotStored):
        list(clinic.write(desk, [piece(b"the same"), piece(b"the same")]))
    assert stored(world) == before
    assert [manifest.size for manifest, _ in clinic.unfinished()] == [8, 8]

    # when the store is there again
    again = world.writer(world.clinic)
    written = list(again.resume())

    # then both are written, kept until the vault says that it filed them, and then dropped
    assert len({each.digest for each in written}) == 2
    assert again.unfinished() == []
    assert again.settle() == []
    patient.watch()
    assert set(again.settle()) == {each.digest for each in written}
    assert list((world.folder / "clinic" / "spool").iterdir()) == []


def test_check_inboxes__changed_without_the_controllers_signature__is_refused(world: HealthWorld) -> None:
    patient, clinic = world.patient(), world.writer(world.clinic)
    desk = register(patient, clinic)
    bundle = clinic.chain.bundle(desk.pseudonym, world.store)
    other = dict(zip("NRV", reversed(list(bundle.inboxes.recipients.values())), strict=True))

    for inboxes in (
        replace(bundle.inboxes, recipients=other),
        replace(bundle.inboxes, recipients=other, serial=bundle.inboxes.serial + 1),
        replace(bundle.inboxes, recipients=other, serial=bundle.inboxes.serial + 1, signature="00" * 65),
    ):
        with pytest.raises(InboxChanged):
            clinic._check_inboxes(desk, replace(bundle, inboxes=inboxes))

    # and the record goes to the inboxes that she did sign
    class Changed(Chain):
        def bundle(self, pseudonym: str, store: Any) -> Bundle:
            return replace(bundle, inboxes=replace(bundle.inboxes, recipients=other))

    clinic.chain = Changed(world.web3, world.contracts, index=Path(world.folder / "c" / "index.sqlite"))
    [written] = clinic.write(desk, [piece(b"not lost")])
    assert written.inbox
    assert patient.open(entry_of(patient, written.digest)).read() == b"not lost"


# property H19
def test_watch__bad_and_unsolicited_records__are_listed_and_block_nothing(world: HealthWorld) -> None:
    # given a desk that writes what is for another patient, forged, or no record at all
    patient, clinic = world.patient(), world.writer(world.clinic)
    desk = register(patient, clinic)
    bad: list[str] = []

    def forge(**facts: Any) -> None:
        draft = clinic._draft(desk, piece(b"bad"))
        forged = records.Draft(replace(draft.manifest, **facts), draft.content)
        bad.extend(each.digest for each in clinic._write_to_rows(desk, [forged], [clinic._keep(draft)]))

    forge(title="changed after it was signed")
    forge(details=[1])
    other = records.draft(
        piece(b"x").content,
        records.Manifest(world.doctor.address, str(LAB), "text/plain", 0, "", 1, ""),
        signer=world.clinic.signer,
    )
    bad += [each.digest for each in clinic._write_to_rows(desk, [other], [clinic._keep(other)])]
    # and a hospital that nobody introduced
    hospital = world.writer(world.hospital, "hospital")
    draft = hospital._draft(desk, piece(b"unasked"))
    [unasked] = [each.digest for each in hospital._write_to_inbox(desk, [draft], [hospital._keep(draft)])]
    good = write(clinic, desk, b"good")

    # when the patient's client looks
    found = patient.watch()

    # then the good one is filed and the others are listed
    assert [entry.digest for entry in found.filed] == [good]
    assert set(found.rejected) == set(bad)
    assert {each.rsplit("/", 1)[1] for each in found.unsolicited} == {*bad, unasked}
    assert len(bad) == 3

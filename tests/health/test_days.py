"""A day's root anchors many patients' records, each proven to its patient alone; nothing is lost, nothing is twice."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from health_world import DAY, HOUR, LAB, MENTAL, TREAT, VITALS, HealthWorld, piece, register
from hypothesis import given
from hypothesis import strategies as st

from theriac.errors import (
    BadDocument,
    ChainSilent,
    DayNotDeep,
    NotGranted,
    NotOnThatDay,
    NotOpened,
    NotStored,
    UnknownRecord,
)
from theriac.health import daywriter
from theriac.health.days import DayRow, Proofs, Row, prove
from theriac.health.daywriter import DayWriter
from theriac.health.patient import Patient
from theriac.health.scope import KeyClass
from theriac.health.writer import Registered, Written

IMAGING = KeyClass.parse("imaging/N")
CLASSES = (LAB, VITALS, MENTAL, IMAGING)
ANN, BEA = "0x" + "0a" * 20, "0x" + "0b" * 20


def digest(number: int) -> str:
    return f"{number:064x}"


def row_of(proofs: Proofs, root: bytes, **other: Any) -> DayRow:
    """The row on the chain that the proofs are of."""
    return replace(DayRow(proofs.pseudonym, proofs.member, 1, root, bytes(32), 1), **other)


# -- proofs ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 5), min_size=1, max_size=40))
def test_prove__each_row__leads_to_the_root_and_to_no_other(counts: list[int]) -> None:
    rows = [
        Row("0x" + f"{at + 1:040x}", "imaging/N", tuple(digest(at * 10 + place) for place in range(count)))
        for at, count in enumerate(counts)
    ]

    root, proofs = prove(7, rows)
    other, _ = prove(7, rows)

    assert [Proofs.decode(each.encode()) for each in proofs] == proofs
    assert [each.root() for each in proofs] == [root] * len(rows)
    assert [(each.pseudonym, each.cls, each.records) for each in proofs] == [
        (row.pseudonym, row.cls, row.records) for row in rows
    ]
    assert sorted(each.place for each in proofs) == list(range(len(rows)))
    # the salts are drawn anew, so that nobody recognises a day's records by its root
    assert other != root


THREE = [
    Row(ANN, "imaging/N", (digest(1), digest(2))),
    Row(BEA, "imaging/N", (digest(3),)),
    Row(ANN, "laboratory/N", (digest(4),)),
]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"pseudonym": BEA}, "another pseudonym"),
        ({"member": 8}, "another member"),
        ({"place": 3}, "another root"),
        ({"rows": 4}, "another root"),
        ({"rows": 2}, "another root"),
        ({"salt": digest(9)}, "another root"),
        ({"cls": "imaging/V"}, "another root"),
        ({"siblings": ()}, "another root"),
        ({"records": (digest(1),)}, "another root"),
        ({"records": (digest(2), digest(1))}, "another root"),
        ({"records": (digest(1), digest(2), digest(3))}, "another root"),
        ({"records": (digest(1), digest(3))}, "another root"),
    ],
    ids=lambda each: str(each)[:40],
)
def test_check__proofs_with_something_else_in_them__do_not_hold(change: dict[str, Any], fault: str) -> None:
    root, [proofs, *_] = prove(7, THREE)
    proofs.check(row_of(proofs, root))

    with pytest.raises(NotOnThatDay, match=fault):
        replace(proofs, **change).check(row_of(proofs, root))


def test_check__proofs_at_each_other_place__do_not_hold() -> None:
    root, [proofs, *_] = prove(7, THREE)

    for place in set(range(4)) - {proofs.place}:
        with pytest.raises(NotOnThatDay, match="another root"):
            replace(proofs, place=place).check(row_of(proofs, root))


def test_check__of_another_day__does_not_hold() -> None:
    _, [proofs, *_] = prove(7, THREE)
    root, _ = prove(7, THREE)

    with pytest.raises(NotOnThatDay, match="another root"):
        proofs.check(row_of(proofs, root))


@pytest.mark.parametrize(
    "change",
    [
        {"member": -1},
        {"place": True},
        {"rows": 1.0},
        {"rows": 2**32},
        {"salt": "00"},
        {"salt": "zz" * 32},
        {"siblings": ["00"]},
        {"siblings": "00"},
        {"records": []},
        {"records": [1]},
        {"records": [digest(1), digest(1)]},
        {"cls": "imaging"},
        {"cls": 3},
        {"pseudonym": "ann"},
        {"more": 1},
    ],
    ids=str,
)
def test_decode__what_no_proofs_can_be__is_refused(change: dict[str, Any]) -> None:
    _, [proofs, *_] = prove(7, THREE)
    values = {**vars(proofs), "siblings": list(proofs.siblings), "records": list(proofs.records)}
    assert Proofs.of(values) == proofs

    with pytest.raises(BadDocument):
        Proofs.of({**values, **change})


# -- a day at a desk -------------------------------------------------------------------------------------------------


class Desk:
    """A clinic with some patients, and what it writes of them."""

    def __init__(self, world: HealthWorld, count: int) -> None:
        self.world = world
        self.clinic = world.writer(world.clinic)
        self.patients = [world.patient(f"patient {number}", classes=CLASSES) for number in range(count)]
        self.registered = [register(each, self.clinic, name=f"no {n}") for n, each in enumerate(self.patients)]

    def pieces(self, *contents: Sequence[bytes], cls: KeyClass = IMAGING) -> Iterator[tuple[Registered, Any]]:
        """For each patient in turn her contents."""
        for registered, each in zip(self.registered, contents, strict=False):
            for content in each:
                yield registered, piece(content, cls=cls)

    def write(self, *contents: Sequence[bytes], cls: KeyClass = IMAGING) -> list[Written]:
        return list(self.clinic.write_day(self.pieces(*contents, cls=cls)))

    def again(self) -> DayWriter:
        """The desk after its process ended."""
        self.clinic = self.world.writer(self.world.clinic)
        return self.clinic

    def rows(self) -> list[DayRow]:
        return self.clinic.chain.day_rows([each.pseudonym for each in self.registered])

    def spool(self) -> list[str]:
        return sorted(path.name for path in (self.world.folder / "clinic" / "spool").iterdir())


def contents_of(patient: Patient) -> list[bytes]:
    """All that a patient's client has filed, opened."""
    patient.watch()
    return sorted(patient.open(entry).read() for entry in patient.vault.listed())


def receipts_of(world: HealthWorld, name: str) -> int:
    """How many events of a name Records ever emitted."""
    return len(world.contracts.Records.events[name].get_logs(from_block=0))


def test_write_day__of_three_patients__is_one_transaction_and_filed_by_each(world: HealthWorld) -> None:
    desk = Desk(world, 3)

    written = desk.write([b"CT 1", b"CT 2"], [b"MR"], [b"US"])

    # then one root anchors all, and each patient files what is hers with a proof that holds
    assert len(desk.clinic.receipts) == 1
    assert [each.inbox for each in written] == [False] * 4
    assert len({(row.root, row.author) for row in desk.rows()}) == 1
    assert [contents_of(each) for each in desk.patients] == [[b"CT 1", b"CT 2"], [b"MR"], [b"US"]]
    [root] = {row.root for row in desk.rows()}
    time = desk.clinic.chain.day(1, root)
    for patient in desk.patients:
        assert {entry.anchored for entry in patient.vault.listed()} == {time}
        assert {entry.cls for entry in patient.vault.listed()} == {"imaging/N"}
    # and nothing on the chain names a record
    assert receipts_of(world, "Anchored") == receipts_of(world, "AnchoredMany") == 0
    assert [desk.patients[0].watch().filed, desk.patients[0].watch().waiting] == [(), ()]


def test_write_day__of_several_classes__has_a_row_for_each(world: HealthWorld) -> None:
    desk = Desk(world, 1)
    [ann] = desk.registered

    list(desk.clinic.write_day([(ann, piece(b"image", cls=IMAGING)), (ann, piece(b"note", cls=MENTAL))]))

    # then who may read images opens the images' proofs and not the others
    assert len(desk.rows()) == 2
    reader = world.reader(world.doctor, "doctor")
    [patient] = desk.patients
    patient.grant(world.doctor.address, classes=[IMAGING], purpose=TREAT, end=world.in_days(3))
    account = patient.vault.account_for(f"reader:{world.doctor.address}")
    assert account is not None
    reader.learn(account.pseudonym)
    [image] = reader.unfiled(account.pseudonym)
    assert reader.open(account.pseudonym, image.digest, purpose=TREAT).read() == b"image"
    row, proofs = reader.proofs(account.pseudonym, image.digest)
    assert (proofs.records, proofs.root()) == ((image.digest,), row.root)
    note = next(digest for digest in _digests(patient) if digest != image.digest)
    with pytest.raises(UnknownRecord):
        reader.proofs(account.pseudonym, note)
    with pytest.raises((NotOpened, NotGranted, UnknownRecord)):
        reader.open(account.pseudonym, note, purpose=TREAT)


def _digests(patient: Patient) -> list[str]:
    patient.watch()
    return [entry.digest for entry in patient.vault.listed()]


def test_open__filed_from_a_day__by_a_reader__is_proven_by_the_index(world: HealthWorld) -> None:
    # given a record of a day that the patient has filed and published, and a reader of her images
    desk = Desk(world, 2)
    [first, second] = desk.write([b"CT"], [b"MR"])
    ann, bea = desk.patients
    ann.watch()
    ann.grant(world.doctor.address, classes=[IMAGING], purpose=TREAT, end=world.in_days(3))
    reader = world.reader(world.doctor, "doctor")
    account = ann.vault.account_for(f"reader:{world.doctor.address}")
    assert account is not None

    # when the reader looks
    reader.learn(account.pseudonym)
    [listed] = reader.listed(account.pseudonym, purpose=TREAT)

    # then it opens hers, proves it by the chain, and learns nothing of the other
    assert (listed.digest, listed.filed) == (first.digest, True)
    assert reader.unfiled(account.pseudonym) == []
    assert reader.open(account.pseudonym, first.digest, purpose=TREAT).read() == b"CT"
    row, proofs = reader.proofs(account.pseudonym, first.digest)
    assert (row.author, proofs.member, proofs.records) == (1, 1, (first.digest,))
    with pytest.raises(UnknownRecord):
        reader.proofs(account.pseudonym, second.digest)
    assert contents_of(bea) == [b"MR"]


def test_write_day__a_patient_who_published_meanwhile__is_written_by_herself(
    world: HealthWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a desk whose second patient publishes between sealing and anchoring
    desk = Desk(world, 3)
    anchor = DayWriter._anchor_day

    def later(self: DayWriter, plan: Any) -> Any:
        if not receipts_of(world, "RowRefused"):
            desk.patients[1].rotate()
        return anchor(self, plan)

    monkeypatch.setattr(DayWriter, "_anchor_day", later)

    # when it writes
    written = desk.write([b"a"], [b"b"], [b"c"])

    # then the chain refused her row alone, and all are written, sealed to keys of now
    assert receipts_of(world, "RowRefused") == 1
    assert [row.pseudonym for row in desk.rows()] == [desk.registered[at].pseudonym for at in (0, 2)]
    assert len({each.digest for each in written}) == 3
    assert [contents_of(each) for each in desk.patients] == [[b"a"], [b"b"], [b"c"]]
    assert desk.clinic.unfinished() == []
    entry = desk.patients[1].vault.listed()[0]
    assert (entry.generation, entry.proofs) == (2, "")


def test_write_day__a_patient_without_rows__goes_to_the_inbox_and_stops_nobody(world: HealthWorld) -> None:
    desk = Desk(world, 2)
    ann = desk.patients[0]
    until = ann.vault.accounts[desk.registered[0].pseudonym].publications[-1].until
    world.travel(until * HOUR + 1577836800 - world.now() + 1)
    desk.patients[1].rotate()

    written = desk.write([b"late"], [b"in time"])

    assert {each.inbox for each in written} == {True, False}
    assert [contents_of(each) for each in desk.patients] == [[b"late"], [b"in time"]]


def test_write_day__the_day_ended_meanwhile__is_sealed_to_the_rows_of_now(
    world: HealthWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a desk for which midnight comes between sealing and anchoring, once
    desk = Desk(world, 2)
    anchor, seen = DayWriter._anchor_day, []

    def later(self: DayWriter, plan: Any) -> Any:
        if not seen:
            world.travel(DAY)
        seen.append(plan.root)
        return anchor(self, plan)

    monkeypatch.setattr(DayWriter, "_anchor_day", later)

    # when it writes
    written = desk.write([b"a"], [b"b"])

    # then the first root was refused, the second holds all, and nothing of the first was stored
    assert len(set(seen)) == 2
    assert [desk.clinic.chain.day(1, bytes.fromhex(root)) > 0 for root in seen] == [False, True]
    assert len(written) == 2
    assert [contents_of(each) for each in desk.patients] == [[b"a"], [b"b"]]
    assert desk.spool() == sorted(f"{each.digest}.written" for each in written)


def test_write_day__every_time_too_late__goes_singly_and_loses_nothing(
    world: HealthWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(world, 2)
    anchor = DayWriter._anchor_day

    def later(self: DayWriter, plan: Any) -> Any:
        world.travel(DAY)
        return anchor(self, plan)

    monkeypatch.setattr(DayWriter, "_anchor_day", later)

    written = desk.write([b"a"], [b"b"])

    assert receipts_of(world, "DayAnchored") == 0
    assert len(written) == 2
    assert [contents_of(each) for each in desk.patients] == [[b"a"], [b"b"]]


def test_write_day__more_patients_than_a_root_takes__has_several_roots(
    world: HealthWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daywriter, "ROWS", 2)
    desk = Desk(world, 3)

    desk.write([b"a", b"b"], [b"c"], [b"d"])

    assert len({row.root for row in desk.rows()}) == 2
    assert [contents_of(each) for each in desk.patients] == [[b"a", b"b"], [b"c"], [b"d"]]


def test_anchor_day__the_same_root_again__is_refused_by_the_chain_and_stored_once(world: HealthWorld) -> None:
    # given a day that was anchored by a process whose memory of it is gone, before it stored anything
    desk = Desk(world, 2)
    desk.clinic._carry_out = lambda folder, plan: iter(desk.clinic._anchor_day(plan) and ())  # type: ignore[method-assign]
    assert desk.write([b"a"], [b"b"]) == []
    for patient in desk.patients:
        found = patient.watch()
        assert (len(found.filed), len(found.waiting)) == (0, 1)

    # when another process takes it up
    written = list(desk.again().resume())

    # then there is one root still, and each record once
    assert receipts_of(world, "DayAnchored") == 1
    assert len({each.digest for each in written}) == 2
    assert [contents_of(each) for each in desk.patients] == [[b"a"], [b"b"]]
    assert list(desk.clinic.resume()) == []


class Dies(Exception):
    """The process ends here."""


STEPS = ("_keep", "_begin_part", "_take", "_lay_down", "_anchor_day", "_store_row")


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_write_day__the_process_ends_around_any_step__nothing_is_lost_and_nothing_twice(
    world: HealthWorld, monkeypatch: pytest.MonkeyPatch, step: str, moment: str
) -> None:
    # given a desk that dies at its second passage of a step, or at the first where there is one only
    desk = Desk(world, 2)
    method, left = getattr(DayWriter, step), [1 if step in ("_begin_part", "_lay_down", "_anchor_day") else 2]

    def deadly(self: DayWriter, *arguments: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0] == 0 and moment == "before":
            raise Dies
        result = method(self, *arguments, **named)
        if isinstance(result, Iterator):
            result = iter(list(result))
        if left[0] == 0:
            raise Dies
        return result

    with monkeypatch.context() as patch:
        patch.setattr(DayWriter, step, deadly)
        with pytest.raises(Dies):
            desk.write([b"a", b"b"], [b"c"])
    taken_in = {"_keep": {"before": 1, "after": 2}}.get(step, {}).get(moment)

    # when another process resumes, and then writes what had not been taken in
    resumed = list(desk.again().resume())

    # then every record that was taken in is there once, by one anchoring
    expected = {"a", "b", "c"} if taken_in is None else set(list("abc")[:taken_in])
    if taken_in is None and step in ("_begin_part", "_take"):
        expected = {"_begin_part": {"a"}, "_take": {"a", "b"}}[step]
    held = [content for patient in desk.patients for content in contents_of(patient)]
    assert sorted(content.decode() for content in held) == sorted(expected)
    assert list(desk.clinic.resume()) == []
    assert desk.clinic.unfinished() == []
    assert not [name for name in desk.spool() if not name.endswith(".written")]
    assert len(resumed) <= len(expected)
    assert receipts_of(world, "DayAnchored") <= 1
    for patient in desk.patients:
        assert patient.watch().waiting == ()


def test_resume__of_a_day_that_was_not_planned_yet__anchors_by_a_root(
    world: HealthWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a desk that died before it had planned, with three records of two patients in the spool
    desk = Desk(world, 2)

    def deadly(self: DayWriter, part: Any) -> Any:
        raise Dies

    with monkeypatch.context() as patch:
        patch.setattr(DayWriter, "_lay_down", deadly)
        with pytest.raises(Dies):
            desk.write([b"a", b"b"], [b"c"])

    resumed = list(desk.again().resume())

    assert len(resumed) == 3
    assert (receipts_of(world, "DayAnchored"), len(desk.clinic.receipts)) == (1, 1)
    assert [contents_of(each) for each in desk.patients] == [[b"a", b"b"], [b"c"]]


def test_resume__the_chain_is_silent__keeps_all_for_later(world: HealthWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(world, 1)

    def silent(*arguments: Any, **named: Any) -> Any:
        raise ChainSilent(endpoint="http://127.0.0.1:1", seconds=1, reason="no connection")

    monkeypatch.setattr(desk.clinic._sender, "send", silent)
    with pytest.raises(ChainSilent):
        desk.write([b"a"])

    assert [each.inbox for each in desk.again().resume()] == [False]
    assert contents_of(desk.patients[0]) == [b"a"]


def test_write_day__the_store_is_full__is_stored_when_there_is_room(world: HealthWorld) -> None:
    desk = Desk(world, 1)

    class Full:
        def put(self, stream: Any) -> Any:
            raise NotStored(cid="x", store="full")

        def __getattr__(self, name: str) -> Any:
            return getattr(world.store, name)

    desk.clinic.store = Full()  # type: ignore[assignment]
    with pytest.raises(NotStored):
        desk.write([b"a"])
    [patient] = desk.patients
    assert len(patient.watch().waiting) == 1

    [written] = desk.again().resume()

    assert contents_of(patient) == [b"a"]
    assert desk.rows()[0].proofs.hex() == patient.entry(written.digest).proofs


def test_resume__at_a_depth_that_is_not_reached__says_so_and_stores_nothing(
    world: HealthWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a root that is anchored, of which this process has no memory, on a network that waits for three blocks
    desk = Desk(world, 1)
    desk.clinic._carry_out = lambda folder, plan: iter(desk.clinic._anchor_day(plan) and ())  # type: ignore[method-assign]
    desk.write([b"a"])
    deep = replace(world.contracts.deployment, depth=3)
    before = {str(path) for path in (world.folder / "store").rglob("*")}
    again = desk.again()
    again.chain = type(again.chain)(
        world.web3, type(world.contracts)(world.web3, deep), index=world.folder / "deep" / "index.sqlite"
    )

    # when it resumes too early
    with pytest.raises(DayNotDeep, match="resume"):
        list(again.resume())
    assert {str(path) for path in (world.folder / "store").rglob("*")} == before

    # and when the blocks have come
    for _ in range(3):
        world.travel(1)
    assert len(list(again.resume())) == 1
    assert contents_of(desk.patients[0]) == [b"a"]


# -- who means ill ---------------------------------------------------------------------------------------------------


def anchored_row(world: HealthWorld, desk: Desk, proofs: bytes, root: bytes, *, by: Any = None) -> None:
    """A member anchors whatever it likes under the first patient's pseudonym."""
    from theriac.ledger.sender import Sender

    pseudonym = desk.registered[0].pseudonym
    version = desk.clinic.chain.authority(pseudonym).version
    rows = [(pseudonym, version, proofs)]
    call = world.contracts.Records.functions.anchorDay(root, world.now() + HOUR, rows)
    Sender(world.web3, (by or world.clinic).signer, outbox=None).send(call)


def sealed_to_her(world: HealthWorld, desk: Desk, document: bytes) -> bytes:
    """Puts a document that is sealed to the first patient's imaging row; its digest."""
    from theriac.crypto.recipients import parse_recipient
    from theriac.health import documents

    bundle = desk.clinic.chain.bundle(desk.registered[0].pseudonym, world.store)
    mine = bundle.writer_file(world.clinic.identity)
    assert mine is not None
    row = mine.row(IMAGING, desk.clinic.chain.hour())
    assert row is not None
    return world.store.put(io.BytesIO(documents.seal(document, to=parse_recipient(row.recipient)))).digest


@pytest.mark.parametrize("fault", ["pseudonym", "day", "member", "junk"])
def test_watch__proofs_that_do_not_hold__are_listed_and_file_nothing(world: HealthWorld, fault: str) -> None:
    # given a clinic that anchors a row whose proofs are another's, of another day, of another member, or none
    desk = Desk(world, 1)
    [written] = desk.write([b"good"])
    her = desk.registered[0].pseudonym
    row = Row(BEA if fault == "pseudonym" else her, "imaging/N", (digest(5),))
    root, [proofs] = prove(2 if fault == "member" else 1, [row])
    if fault == "day":
        root, _ = prove(1, [row])
    document = proofs.encode() if fault != "junk" else b"no proofs"
    anchored_row(world, desk, sealed_to_her(world, desk, document), root)

    # when her client looks
    [patient] = desk.patients
    found = patient.watch()

    # then the good record is filed, and the other is told of
    assert [entry.digest for entry in found.filed] == [written.digest]
    assert len(found.rejected) == 1
    assert contents_of(patient) == [b"good"]
    assert patient.watch().waiting == ()


def test_watch__another_members_copy_of_a_row__is_nobodys(world: HealthWorld) -> None:
    # given a hospital that anchors the clinic's root and row once more, as its own
    desk = Desk(world, 1)
    desk.write([b"image"])
    [row] = desk.rows()
    anchored_row(world, desk, row.proofs, row.root, by=world.hospital)

    # when her client looks, before and after she was introduced there
    [patient] = desk.patients
    assert len(patient.watch().unsolicited) == 1
    patient.introduce(2)
    patient.vault.cursor = 0
    found = patient.watch()

    # then the record counts once, as the clinic's
    assert found.filed == ()
    assert [entry.author for entry in patient.vault.listed()] == [1]


def test_unfiled__proofs_that_do_not_hold__show_a_reader_nothing(world: HealthWorld) -> None:
    desk = Desk(world, 1)
    [patient] = desk.patients
    patient.grant(world.doctor.address, classes=[IMAGING], purpose=TREAT, end=world.in_days(3))
    account = patient.vault.account_for(f"reader:{world.doctor.address}")
    assert account is not None
    root, [proofs] = prove(1, [Row(BEA, "imaging/N", (digest(5),))])
    anchored_row(world, desk, sealed_to_her(world, desk, proofs.encode()), root)
    reader = world.reader(world.doctor, "doctor")
    reader.learn(account.pseudonym)

    assert reader.unfiled(account.pseudonym) == []
    with pytest.raises(UnknownRecord):
        reader.open(account.pseudonym, digest(5), purpose=TREAT)


def test_watch__a_row_whose_file_is_another_patients__is_rejected(world: HealthWorld) -> None:
    # given a clinic that proves to Ann a record that it sealed to her row but wrote for Bea
    desk = Desk(world, 2)
    ann, bea = desk.registered
    draft = desk.clinic._draft(bea, piece(b"of Bea", cls=IMAGING))
    digest_ = sealed_to_her_record(world, desk, draft)
    root, [proofs] = prove(1, [Row(ann.pseudonym, "imaging/N", (digest_.hex(),))])
    anchored_row(world, desk, sealed_to_her(world, desk, proofs.encode()), root)

    found = desk.patients[0].watch()

    assert found.filed == ()
    assert found.rejected == (digest_.hex(),)
    assert "another patient" in " ".join(desk.patients[0].vault.unsolicited.values())


def sealed_to_her_record(world: HealthWorld, desk: Desk, draft: Any) -> bytes:
    from theriac.crypto import age
    from theriac.crypto.recipients import parse_recipient

    bundle = desk.clinic.chain.bundle(desk.registered[0].pseudonym, world.store)
    mine = bundle.writer_file(world.clinic.identity)
    assert mine is not None
    row = mine.row(IMAGING, desk.clinic.chain.hour())
    assert row is not None
    return world.store.put(age.sealing_reader(draft.framed(), to=[parse_recipient(row.recipient)])).digest


# -- beside ----------------------------------------------------------------------------------------------------------


def test_settle__of_a_day__drops_the_copies_that_are_filed(world: HealthWorld) -> None:
    desk = Desk(world, 2)
    [first, second] = desk.write([b"a"], [b"b"])
    desk.patients[0].watch()

    assert desk.clinic.settle() == [first.digest]
    assert desk.spool() == [f"{second.digest}.written"]


def test_anchored_on_a_day__tells_whose_a_record_is(world: HealthWorld) -> None:
    desk = Desk(world, 2)
    [first, second] = desk.write([b"a"], [b"b"])
    ann, bea = (each.pseudonym for each in desk.registered)
    rows = {row.pseudonym: row.proofs.hex() for row in desk.rows()}

    again = desk.again()

    assert again.anchored_on_a_day(ann, first.digest)
    assert again.anchored_on_a_day(ann, rows[ann])
    assert not again.anchored_on_a_day(ann, second.digest)
    assert not again.anchored_on_a_day(ann, rows[bea])


def test_rotate_rewrite__of_a_day__leaves_its_records_as_they_are(world: HealthWorld) -> None:
    desk = Desk(world, 1)
    [written] = desk.write([b"image"])
    [patient] = desk.patients
    patient.watch()

    patient.rotate(rewrite=True)

    assert [entry.digest for entry in patient.vault.listed()] == [written.digest]
    assert contents_of(patient) == [b"image"]


def test_restore__with_a_row_that_waits__files_it_later(world: HealthWorld, tmp_path: Path) -> None:
    # given a row whose record the store does not have yet
    desk = Desk(world, 1)
    put, kept = world.store.put, []

    class Slow:
        def put(self, stream: Any) -> Any:
            data = stream.read()
            kept.append(data)
            # The proofs come first, and arrive; the record does not.
            return put(io.BytesIO(data)) if len(kept) == 1 else None

        def __getattr__(self, name: str) -> Any:
            return getattr(world.store, name)

    desk.clinic.store = Slow()  # type: ignore[assignment]
    desk.write([b"image"])
    [patient] = desk.patients
    assert len(patient.watch().waiting) == 1

    # when her client comes from its vault as it was written down, and the record arrives
    again = world.same_patient(patient, "again")
    for data in kept:
        put(io.BytesIO(data))

    # then it is filed
    assert contents_of(again) == [b"image"]

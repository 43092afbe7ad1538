"""The counter's file: what is written, what is refused, and what happens where nothing can be written."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from real_anvil import person
from small_files import small_files
from spellings import other_signatures

from theriac.errors import AlreadyQueued, CounterBusy, LedgerFileBroken, Reverted
from theriac.ledger.signer import KeySigner
from theriac.medicine.counter import Counter, Dispense, Refusal, Standing, refusal_of
from theriac.medicine.shelf import KnownPack

PACK = KnownPack(b"b" * 32, 7)
AT = datetime(2030, 1, 7, 10, 0, tzinfo=UTC)


def write(counter: Counter, pack: KnownPack = PACK) -> Dispense:
    return counter.write(
        pack,
        commitment=b"c" * 32,
        siblings=[bytes([level]) * 32 for level in range(20)],
        label=f"04150123456782 SN{pack.index}",
        at=AT,
        signer=KeySigner(person("pharmacist")),
    )


def test_write__survives_its_process_and_is_signed(tmp_path: Path) -> None:
    # given
    first = Counter(tmp_path / "counter.db")
    written = write(first)
    first.close()

    # when
    found = Counter(tmp_path / "counter.db").dispenses()

    # then
    assert found == [written]
    assert written == Dispense(
        number=1,
        pack=PACK,
        commitment=b"c" * 32,
        siblings=tuple(bytes([level]) * 32 for level in range(20)),
        label="04150123456782 SN7",
        at=AT,
        mark=written.mark,
        account=person("pharmacist").address,
        signature=written.signature,
        handed=(),
        standing=Standing.WAITING,
        refusal=None,
        detail="",
    )
    assert written.is_signed


@pytest.mark.parametrize(
    "change",
    [
        {"pack": KnownPack(b"b" * 32, 8)},
        {"label": "04150123456782 SN8"},
        {"at": datetime(2030, 1, 7, 10, 1, tzinfo=UTC)},
        {"mark": b"m" * 16},
        {"account": person("somebody else").address},
        {"signature": b"\0" * 65},
        {"signature": b""},
    ],
    ids=lambda change: next(iter(change)),
)
def test_is_signed__anything_changed__no(change: dict[str, object]) -> None:
    assert not replace(write(Counter(None)), **change).is_signed  # type: ignore[arg-type]


def test_is_signed__the_same_signature_in_another_spelling__no() -> None:
    # given
    dispense = write(Counter(None))

    # then
    assert dispense.is_signed
    for other in other_signatures(dispense.signature):
        assert not replace(dispense, signature=other).is_signed


def test_write__pack_that_waits__refused(tmp_path: Path) -> None:
    # given: two processes of one pharmacy
    first, second = Counter(tmp_path / "counter.db"), Counter(tmp_path / "counter.db")
    write(first)

    # when, then
    with pytest.raises(AlreadyQueued):
        write(second)
    assert len(first.dispenses()) == 1
    assert second.is_waiting(PACK)
    assert not second.is_waiting(KnownPack(PACK.batch, 8))


def test_export__lines_of_json_with_signatures() -> None:
    # given
    counter = Counter(None)
    written = write(counter)

    # when
    [line] = counter.export()

    # then
    assert json.loads(line) == {
        "batch": "62" * 32,
        "index": 7,
        "label": "04150123456782 SN7",
        "at": "2030-01-07T10:00:00+00:00",
        "mark": written.mark.hex(),
        "account": person("pharmacist").address,
        "signature": written.signature.hex(),
        "standing": "waiting",
        "refusal": "",
        "detail": "",
    }


def test_write__full_disk__says_so_and_nothing_is_written(tmp_path: Path) -> None:
    # given
    counter = Counter(tmp_path / "counter.db")
    write(counter)
    limit = (tmp_path / "counter.db-wal").stat().st_size

    # when
    with small_files(limit), pytest.raises(LedgerFileBroken, match="free space"):
        write(counter, KnownPack(PACK.batch, 8))

    # then: neither here nor in another process, and the next try works
    assert [each.pack.index for each in counter.dispenses()] == [7]
    assert not Counter(tmp_path / "counter.db").is_waiting(KnownPack(PACK.batch, 8))
    assert write(counter, KnownPack(PACK.batch, 8)).number == 2


def test_write__file_that_cannot_be_written__says_so(tmp_path: Path) -> None:
    # given: a file that says to whoever opens it that it is for reading only (SQLite's file format, 1.3.3)
    path = tmp_path / "counter.db"
    first = Counter(path)
    write(first)
    first.close()
    content = bytearray(path.read_bytes())
    content[18] = 3
    path.write_bytes(content)

    # when, then
    with pytest.raises(LedgerFileBroken, match="readonly"):
        write(Counter(path), KnownPack(PACK.batch, 8))


def test_settle__while_another_process_settles__refused(tmp_path: Path) -> None:
    # given
    first, second = Counter(tmp_path / "counter.db"), Counter(tmp_path / "counter.db")

    # when, then
    with first._alone(), pytest.raises(CounterBusy):
        second.settle(None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "arguments", "refusal"),
    [
        ("WrongStatus", {"status": 1}, Refusal.DISPENSED),
        ("WrongStatus", {"status": 2}, Refusal.ENDED),
        ("WrongStatus", {"status": 0}, Refusal.OTHER),
        ("IsBlocked", {"blocks": 16}, Refusal.RECALLED),
        ("IsBlocked", {"blocks": 31}, Refusal.RECALLED),
        ("IsBlocked", {"blocks": 8}, Refusal.EXCURSION),
        ("IsBlocked", {"blocks": 9}, Refusal.EXCURSION),
        ("IsBlocked", {"blocks": 4}, Refusal.QUARANTINED),
        ("IsExpired", {"expiry": 1}, Refusal.EXPIRED),
        ("NotTheHolder", {"holder": 3}, Refusal.NOT_HELD),
        ("UnderOffer", {}, Refusal.OFFERED),
        ("NoStanding", {}, Refusal.NO_STANDING),
        ("WrongProof", {}, Refusal.OTHER),
        ("", {}, Refusal.OTHER),
    ],
)
def test_refusal_of__each_error_of_the_contract(error: str, arguments: dict[str, object], refusal: Refusal) -> None:
    assert refusal_of(Reverted(contract="Batches", error=error, arguments=arguments)) is refusal


def test_refusal__each_has_a_sentence() -> None:
    assert all(each.sentence.endswith(".") for each in Refusal)

"""The sealed file of a prescription, its ticket and its passes: what they tell, and what cannot be made of them."""

import io
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_anvil import person

from theriac import fhir
from theriac.crypto import age
from theriac.crypto.recipients import HybridIdentity
from theriac.errors import BadPrescription, BadTicket, CodeTooLong, NotStored
from theriac.ledger.typed import Domain
from theriac.medicine.medication import Unsaid, allowed
from theriac.medicine.messages import Take
from theriac.medicine.prescriptions import Item, Pass, Prescription, Ticket, bearer_of, commitment, issue, parse, sealed
from theriac.medicine.symbols import read_symbols, write_paper
from theriac.store import LocalStore

DOCTOR = person("doctor").address
DOMAIN = Domain("Theriac Prescriptions", "1", 8437422, person("contract").address)
REQUEST = json.dumps(
    {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "Amoxicillin 250 mg"},
        "subject": {"display": "Ann Example of Ward Seven"},
        "dispenseRequest": {"quantity": {"value": 1.0}},
    }
)


def item(text: str = REQUEST) -> Item:
    request = fhir.parse(text.encode())
    return Item.of(request, allowed(request, Unsaid(date(2031, 5, 4))))


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def issued(store: LocalStore) -> tuple[Ticket, Prescription]:
    return issue(DOCTOR, [item(), item()], store)


# -- the file --------------------------------------------------------------------------------------------------------


def test_issue__the_ticket_opens_what_was_prescribed(store: LocalStore, issued: tuple[Ticket, Prescription]) -> None:
    # when
    ticket, prescription = issued
    found = ticket.open(store)

    # then
    assert found == prescription
    assert [each.name for each in found.items] == ["Amoxicillin 250 mg"] * 2
    assert found.items[0].request == REQUEST
    assert (found.prescriber, found.bearer) == (DOCTOR, ticket.bearer.address)
    assert found.terms(ticket.file).file == ticket.file


def test_issue__the_same_request_twice__nothing_is_equal(store: LocalStore) -> None:
    # when
    (one, first), (other, second) = issue(DOCTOR, [item()], store), issue(DOCTOR, [item()], store)

    # then
    assert first.bearer != second.bearer
    assert first.lines[0].item != second.lines[0].item
    assert one.file != other.file
    assert first.terms(one.file).id != second.terms(other.file).id


def test_store__says_nothing_of_the_medicine(store: LocalStore, issued: tuple[Ticket, Prescription]) -> None:
    with store.get_digest(issued[0].file) as stream:
        kept = stream.read()

    assert b"Amoxicillin" not in kept
    assert b"Ann Example" not in kept


def test_open__another_s_ticket(store: LocalStore, issued: tuple[Ticket, Prescription]) -> None:
    # given: the file of one prescription and the secret of another
    other, _ = issue(DOCTOR, [item()], store)
    mixed = replace(other, file=issued[0].file)

    with pytest.raises(BadPrescription):
        mixed.open(store)


def test_open__no_such_file(store: LocalStore, issued: tuple[Ticket, Prescription]) -> None:
    with pytest.raises(NotStored):
        replace(issued[0], file=bytes(32)).open(store)


def put(store: LocalStore, secret: bytes, document: bytes) -> Ticket:
    """A ticket of a file that says anything."""
    opener = HybridIdentity.from_seed(Ticket(secret, bytes(32)).opener)
    return Ticket(secret, store.put(io.BytesIO(age.seal_bytes(document, to=[opener.recipient]))).digest)


def changed(prescription: Prescription, **changes: object) -> bytes:
    values = json.loads(prescription.encode())
    values["items"][0].update({name: value for name, value in changes.items() if name in values["items"][0]})
    values.update({name: value for name, value in changes.items() if name in values})
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


HOSTILE = {
    "another request": {"request": REQUEST.replace("250", "500")},
    "another salt": {"salt": "00" * 32},
    "quantity too large": {"quantity": 2**16},
    "quantity below zero": {"quantity": -1},
    "quantity no number": {"quantity": "1"},
    "quantity true": {"quantity": True},
    "end too large": {"latest": 2**40},
    "no items": {"items": []},
    "too many items": {"items": [{}] * 33},
    "bearer is none": {"bearer": "0x00"},
    "prescriber is none": {"prescriber": "the doctor"},
    "another kind": {"kind": "sheet"},
    "another format": {"format": 2},
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_open__a_file_that_lies(store: LocalStore, issued: tuple[Ticket, Prescription], fault: str) -> None:
    # given
    ticket, prescription = issued
    assert changed(prescription) == prescription.encode()

    # when, then
    with pytest.raises(BadPrescription):
        put(store, ticket.secret, changed(prescription, **HOSTILE[fault])).open(store)


@pytest.mark.parametrize(
    "document", [b"", b"{}", b"[" * 100_000, b"\xff", b'{"kind":"prescription","format":1}', b"x" * 600_000]
)
def test_open__a_file_that_is_none(store: LocalStore, document: bytes) -> None:
    with pytest.raises(BadPrescription):
        put(store, b"s" * 32, document).open(store)


def test_open__a_file_whose_bearer_is_another(store: LocalStore, issued: tuple[Ticket, Prescription]) -> None:
    # given: a prescriber who keeps the bearer's key, and gives a ticket of another
    _, prescription = issued
    ticket = put(store, b"s" * 32, prescription.encode())

    with pytest.raises(BadPrescription) as refused:
        ticket.open(store)
    assert refused.value.fault == "its bearer has another key"


def test_open__a_request_that_is_no_fhir(store: LocalStore) -> None:
    # given
    text, salt = "no fhir", b"s" * 32
    line = replace(item().line, item=commitment(text, salt))
    prescription = Prescription(DOCTOR, str(bearer_of(b"t" * 32).address), (Item(text, salt, line),))
    file = store.put(io.BytesIO(sealed(prescription, b"t" * 32))).digest

    # when
    found = Ticket(b"t" * 32, file).open(store)

    # then
    with pytest.raises(BadPrescription):
        _ = found.items[0].name


# -- tickets and passes ----------------------------------------------------------------------------------------------


def allowing(ticket: Ticket, prescription: Prescription, *, to: int = 3) -> Pass:
    return ticket.allow(Take(prescription.terms(ticket.file), 0b1, 0, to, 0, 1_900_000_000), DOMAIN)


@given(secret=st.binary(min_size=32, max_size=32), file=st.binary(min_size=32, max_size=32))
def test_ticket__is_read_as_it_was_written(secret: bytes, file: bytes) -> None:
    ticket = Ticket(secret, file)

    for text in (ticket.encode(), ticket.encode().lower(), f"]Q1{ticket.encode()}", f" {ticket.encode()}\r\n"):
        assert parse(text) == ticket


def test_pass__is_read_as_it_was_written_and_opens_the_file(
    store: LocalStore, issued: tuple[Ticket, Prescription]
) -> None:
    # given
    ticket, prescription = issued
    shown = allowing(ticket, prescription)

    # when
    found = parse(shown.encode())

    # then: the pharmacy has what it needs to take, and the bearer's signature over just that
    assert isinstance(found, Pass)
    assert found == shown
    assert found.open(store) == prescription
    take = found.take(prescription)
    assert take == Take(prescription.terms(ticket.file), 0b1, 0, 3, 0, 1_900_000_000)
    assert ticket.bearer.sign_message(take.signable(DOMAIN)) == found.signature


def test_pass__cannot_sign(issued: tuple[Ticket, Prescription]) -> None:
    # given: a pharmacy that tries what a pass tells as the secret
    ticket, prescription = issued
    shown = allowing(ticket, prescription)

    # then
    assert bearer_of(shown.opener).address != ticket.bearer.address
    assert ticket.secret not in (shown.opener, shown.file)


@pytest.mark.parametrize("kind", ["ticket", "pass"])
def test_decode__any_one_character_wrong__is_told(issued: tuple[Ticket, Prescription], kind: str) -> None:
    ticket, prescription = issued
    text = ticket.encode() if kind == "ticket" else allowing(ticket, prescription).encode()

    for place, right in enumerate(text):
        for wrong in {*"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"} - {right}:
            with pytest.raises(BadTicket):
                parse(text[:place] + wrong + text[place + 1 :])


@pytest.mark.parametrize(
    "text", ["", "TRX1", "TRP1", "TRX1" + "A" * 109, "TRX2" + "A" * 109, "hello", "TRX1!", "TRX1é"]
)
def test_decode__what_is_none(text: str) -> None:
    with pytest.raises(BadTicket):
        parse(text)


def test_repr__tells_no_secret(issued: tuple[Ticket, Prescription]) -> None:
    ticket, prescription = issued

    assert repr(ticket) == "Ticket(...)"
    assert repr(allowing(ticket, prescription)) == "Pass(...)"


# -- paper -----------------------------------------------------------------------------------------------------------


def test_paper__a_picture_is_read_by_a_camera(issued: tuple[Ticket, Prescription]) -> None:
    # given
    ticket, prescription = issued
    for text in (ticket.encode(), allowing(ticket, prescription).encode()):
        # when
        [found] = read_symbols(write_paper(text, ["Amoxicillin 250 mg", "valid until 2031-05-31"], pdf=False))

        # then
        assert parse(found) == parse(text)


def test_paper__as_pdf__one_page(issued: tuple[Ticket, Prescription]) -> None:
    made = write_paper(issued[0].encode(), ["Amoxicillin 250 mg"], pdf=True)

    assert made.startswith(b"%PDF-")
    assert made.count(b"/Type /Page\n") + made.count(b"/Type /Page ") == 1


def test_paper__more_than_a_symbol_holds() -> None:
    with pytest.raises(CodeTooLong):
        write_paper("A" * 5000, [], pdf=False)

"""Targets of theriac.medicine: codes of packs, what scanners type, sheets, EPCIS, prescriptions, readings."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from io import BytesIO
from typing import Any

from fuzz.crypto import SEALED
from fuzz.targets import HYBRID, Errors, Target, text, told
from theriac import fhir
from theriac.errors import (
    BadCode,
    BadPrescription,
    BadReadings,
    BadRequest,
    BadScan,
    BadSheet,
    BadTicket,
    DuplicateKey,
    EmptyDocument,
    HalfCharacter,
    ImageTooLarge,
    NoConsortiumKey,
    NoResourceType,
    NotAnImage,
    NotEpcis,
    NotHashable,
    NothingOffered,
    NotJson,
    NotUtf8,
    TooDeep,
)
from theriac.medicine import (
    clones,
    coldchain,
    depot,
    epcis_hash,
    epcis_read,
    gs1,
    keys,
    medication,
    prescriptions,
    scans,
    sheets,
    symbols,
    verification,
    wedge,
)

FHIR = (EmptyDocument, NotUtf8, TooDeep, NotJson, DuplicateKey, HalfCharacter, NoResourceType)
TODAY = date(2031, 3, 10)

GS = (
    *(
        b"\x1d",
        b"]d2",
        b"]C1",
        b"01",
        b"21",
        b"10",
        b"17",
        b"(01)",
        b"(21)",
        b"https://id.gs1.org/01/",
        b"%1D",
        b"[)>\x1e06",
    ),
    *(b"\x1e\x04", b"9N", b"1T", b"D", b"S", b"F1", b"\\x1d", b"^", b"\xd9\xa1", b"\xc3\x9f"),
)
WORDS = (b'"\\u', b"\\", b'"', b"[", b"{", b"1e400", b"NaN", b"true", b"0x", b'":')
EPCIS = (
    *(*WORDS, b'"eventTime"', b"urn:epc:id:sgtin:", b"https://id.gs1.org/01/", b"+00:00", b"ni:///sha-256;", b"%2F"),
    *(b"9999-12-31T23:59:59.999999Z", b"0001-01-01T00:00:00+14:00", b"@context", b"1e999", b'"ilmd":'),
)


def _paper(
    name: str,
    entry: str,
    read: Callable[[bytes], Any],
    may: Errors,
    *,
    write: Callable[[Any], bytes] | None = None,
    limit: str = "64 levels of JSON; the caller's file",
    words: tuple[bytes, ...] = WORDS,
    typed: bool = True,
) -> Target:
    where = f"theriac.medicine.{entry}"
    return Target(name=name, entry=where, read=read, may=may, write=write, limit=limit, words=words, typed=typed)


def _encoded(read: Any) -> bytes:
    return bytes(read.encode())


def _said(read: Any) -> bytes:
    return str(read.encode()).encode()


def _bytes_or_text(data: bytes) -> str | bytes:
    """Half of the scanners give bytes, half are keyboards."""
    return data if len(data) % 2 else text(data)


def _sealed_sheet(data: bytes) -> Any:
    """A sheet whose seal is right: the input is its framing."""
    from theriac.crypto import age

    return sheets.Sheet.open_(BytesIO(age.seal_bytes(data, to=[HYBRID.recipient])), identities=[HYBRID])


def _event(data: bytes) -> Any:
    event = told(b'{"event":' + data + b"}", "event", {})
    found = epcis_hash.event_hash(event if isinstance(event, dict) else {})
    return epcis_hash.id_of(found)


def _time(data: bytes) -> datetime:
    return epcis_hash.parse_time(text(data))


def _request(data: bytes) -> Any:
    resource = fhir.parse(data)
    found = medication.allowed(resource, medication.Unsaid(today=TODAY))
    medication.codes_in(resource.value)
    at = datetime(2031, 3, 10, tzinfo=UTC)
    return found, medication.dispensed(
        resource.value, prescription=bytes(32), line=0, units=1, at=at, pharmacy="Corner", product="04012345678901"
    )


TARGETS = [
    _paper(
        "gs1",
        "gs1:parse",
        lambda data: gs1.parse(_bytes_or_text(data), today=TODAY),
        (BadCode,),
        limit="a code's letters",
        words=GS,
    ),
    _paper(
        "gs1-elements",
        "gs1:elements",
        lambda data: gs1.elements(_bytes_or_text(data)),
        (BadCode,),
        limit="a code's letters",
        words=GS,
    ),
    _paper(
        "wedge",
        "wedge:diagnose",
        lambda data: (
            wedge.diagnose(_bytes_or_text(data), today=TODAY),
            wedge.variants(_bytes_or_text(data), today=TODAY),
        ),
        (),
        limit="a line's letters; as many variants as `MOST_VARIANTS`",
        words=GS,
        typed=False,
    ),
    _paper(
        "picture-of-codes",
        "symbols:read_symbols",
        symbols.read_symbols,
        (NotAnImage, ImageTooLarge),
        limit="`MOST_BYTES`, `MOST_PIXELS`",
        words=(b"\x89PNG\r\n\x1a\n", b"IHDR", b"IDAT", b"BM", b"GIF89a", b"\xff\xd8\xff", b"II*\0"),
    ),
    _paper("sheet", "sheets:Sheet.decode", sheets.Sheet.decode, (BadSheet,), limit="512 MiB", typed=False),
    _paper("sealed-sheet", "sheets:Sheet.open_", _sealed_sheet, (BadSheet, *SEALED), limit="512 MiB", typed=False),
    _paper(
        "consortium-key",
        "keys:opened",
        lambda data: keys.opened(data, number=1, identities=[HYBRID]),
        (BadSheet, NoConsortiumKey, *SEALED),
    ),
    _paper(
        "readings-csv",
        "coldchain:from_csv",
        coldchain.from_csv,
        (BadReadings,),
        words=(b",", b'"', b"T", b"Z", b"\r\n"),
    ),
    _paper("readings-log", "coldchain:Log.decode", coldchain.Log.decode, (BadReadings,), write=_encoded),
    _paper("offer", "depot:SignedOffer.decode", depot.SignedOffer.decode, (NothingOffered,), write=_encoded),
    _paper("scan", "scans:SignedScan.decode", scans.SignedScan.decode, (BadScan,), write=_encoded),
    _paper("verify-answer", "verification:Answer.decode", verification.Answer.decode, (BadScan,), write=_encoded),
    _paper("clone-report", "clones:CloneReport.decode", clones.CloneReport.decode, (BadScan,), write=_encoded),
    _paper(
        "prescription",
        "prescriptions:Prescription.decode",
        prescriptions.Prescription.decode,
        (BadPrescription,),
        write=_encoded,
    ),
    _paper(
        "ticket",
        "prescriptions:Ticket.decode",
        lambda data: prescriptions.Ticket.decode(text(data)),
        (BadTicket,),
        limit="a QR code's letters",
        words=(b"THERIAC", b":", b"-", b" "),
    ),
    _paper(
        "pass",
        "prescriptions:Pass.decode",
        lambda data: prescriptions.Pass.decode(text(data)),
        (BadTicket,),
        limit="a QR code's letters",
        words=(b"THERIAC", b":", b"-", b" "),
    ),
    _paper(
        "epcis",
        "epcis_read:read",
        epcis_read.read,
        (NotEpcis,),
        limit="64 levels; what one file holds",
        words=EPCIS,
        typed=False,
    ),
    _paper("epcis-hash", "epcis_hash:event_hash", _event, (NotHashable,), words=EPCIS),
    _paper(
        "epcis-time",
        "epcis_hash:parse_time",
        _time,
        (ValueError,),
        words=(b"+14:00", b"-00:00", b"Z", b".9999999", b"9999-12-31T23:59:59", b"0001-01-01T00:00:00"),
    ),
    _paper("medication-request", "medication:allowed", _request, (*FHIR, BadRequest), limit="200 levels"),
]

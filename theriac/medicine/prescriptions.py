"""Prescriptions as people hold them: the sealed file, the ticket that is their key, a pass for one pharmacy.

A ticket is a secret and the digest of the file. Two keys come of the secret, and none of them tells the other: one
signs as the bearer, one opens the file. Paper shows the ticket, since paper cannot sign; whoever has it can do what the
bearer can. A phone keeps the ticket and shows a pass: the key of the file, and the bearer's word for one pharmacy.
"""

import base64
import binascii
import hmac
import io
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from eth_utils.address import is_checksum_address

from theriac import fhir
from theriac.crypto import age
from theriac.crypto.recipients import HybridIdentity
from theriac.errors import BadInput, BadPrescription, BadTicket, NoMatchingIdentity, Tampered
from theriac.ledger.codec import canonical_json, parse_json
from theriac.ledger.signer import KeySigner
from theriac.ledger.typed import Domain
from theriac.medicine.medication import Allowed, name_of
from theriac.medicine.messages import MOST_LINES, Cancel, Line, Take, Terms, hash_of
from theriac.store import Store

LARGEST = 512 * 1024
"""No file of a prescription is read beyond this many bytes; thirty-two long requests take a fifth of it."""

_TICKET, _PASS = "TRX1", "TRP1"
_SECRET = 32
_CHECK = 4
_SIGNATURE = 65
_BITS = {"quantity": 16, "refills": 8, "interval": 16, "earliest": 40, "latest": 40}


@dataclass(frozen=True)
class Item:
    """Something that is prescribed: the FHIR MedicationRequest as its text, a salt, and how much may be given when."""

    request: str
    salt: bytes = field(repr=False)
    line: Line

    @classmethod
    def of(cls, request: fhir.Resource, allowed: Allowed) -> "Item":
        """A new one, with a salt of its own."""
        salt = secrets.token_bytes(_SECRET)
        line = Line(
            item=commitment(request.text, salt),
            quantity=allowed.quantity,
            refills=allowed.refills,
            interval=allowed.interval,
            earliest=allowed.earliest,
            latest=allowed.latest,
        )
        return cls(request.text, salt, line)

    @cached_property
    def resource(self) -> fhir.Resource:
        """The request, read. Raises BadPrescription."""
        try:
            return fhir.parse(self.request.encode())
        except BadInput:
            raise BadPrescription(fault="a request in it is no FHIR") from None

    @property
    def name(self) -> str:
        """What a person calls it."""
        return name_of(self.resource.value)


def commitment(request: str, salt: bytes) -> bytes:
    """What the chain has of a request: HMAC-SHA256 of its text under the salt, so that nobody can try medicines."""
    return hmac.digest(salt, request.encode(), sha256)


@dataclass(frozen=True)
class Prescription:
    """What the sealed file of a prescription says."""

    prescriber: str
    bearer: str
    items: tuple[Item, ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        return tuple(item.line for item in self.items)

    def terms(self, file: bytes) -> Terms:
        """What the chain knows it by; `file` is the digest of the sealed file."""
        return Terms(self.prescriber, self.bearer, hash_of(self.lines), file)

    def encode(self) -> bytes:
        """The document as canonical JSON (RFC 8785)."""
        return canonical_json(
            {
                "kind": "prescription",
                "format": 1,
                "prescriber": self.prescriber,
                "bearer": self.bearer,
                "items": [
                    {
                        **item.line.values(),
                        "item": item.line.item.hex(),
                        "salt": item.salt.hex(),
                        "request": item.request,
                    }
                    for item in self.items
                ],
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> "Prescription":
        """Raises BadPrescription for anything but what `encode` writes, and for a line of another request."""
        try:
            told = parse_json(data)
            if (told["kind"], told["format"]) != ("prescription", 1):
                raise BadPrescription(fault="it is another kind of document")
            found = cls(str(told["prescriber"]), str(told["bearer"]), tuple(map(_item, told["items"])))
            same = found.encode() == data
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BadPrescription(fault="it is no such document") from None
        known = is_checksum_address(found.prescriber) and is_checksum_address(found.bearer)
        if not same or not known or not 0 < len(found.items) <= MOST_LINES:
            raise BadPrescription(fault="it is not written as such a document is")
        if any(commitment(item.request, item.salt) != item.line.item for item in found.items):
            raise BadPrescription(fault="a line in it is of another request")
        return found


def _item(told: Mapping[str, Any]) -> Item:
    for name, bits in _BITS.items():
        if type(told[name]) is not int or told[name] >> bits:
            raise ValueError(f"{name} is no number of {bits} bits")
    line = Line(bytes.fromhex(told["item"]), *(told[name] for name in _BITS))
    return Item(str(told["request"]), bytes.fromhex(told["salt"]), line)


@dataclass(frozen=True)
class Ticket:
    """The key of a prescription and the digest of its file. Whoever has it is the bearer."""

    secret: bytes = field(repr=False)
    file: bytes

    def __repr__(self) -> str:
        return "Ticket(...)"

    @property
    def bearer(self) -> KeySigner:
        """Who signs for the prescription. It is used for nothing else."""
        return bearer_of(self.secret)

    @property
    def opener(self) -> bytes:
        """The seed of the key that opens the file."""
        return _derived(self.secret, b"theriac prescription file")

    def encode(self) -> str:
        """The text of its QR code: letters and digits that such a code packs tightly (ISO/IEC 18004, 7.4.4)."""
        return _written(_TICKET, self.secret + self.file)

    @classmethod
    def decode(cls, text: str) -> "Ticket":
        """Raises BadTicket."""
        data = _read(_TICKET, text, size=2 * _SECRET)
        return cls(data[:_SECRET], data[_SECRET:])

    def open(self, store: Store) -> Prescription:
        """The prescription, as its file says. Raises BadPrescription, and what a store can raise."""
        found = _opened(store, self.file, self.opener)
        if found.bearer != self.bearer.address:
            raise BadPrescription(fault="its bearer has another key")
        return found

    def allow(self, take: Take, domain: Domain) -> "Pass":
        """The bearer's word for one pharmacy, to be shown by a phone."""
        signature = self.bearer.sign_message(take.signable(domain))
        return Pass(self.opener, self.file, take.lines, take.giver, take.to, take.nonce, take.deadline, signature)

    def cancel(self, cancel: Cancel, domain: Domain) -> bytes:
        """The bearer's signature that lines are filled no more."""
        return self.bearer.sign_message(cancel.signable(domain))


def bearer_of(secret: bytes) -> KeySigner:
    """The bearer that a ticket's secret makes."""
    return KeySigner(_derived(secret, b"theriac prescription bearer"))


def sealed(prescription: Prescription, secret: bytes) -> bytes:
    """The file of a prescription, for whoever has its ticket."""
    opener = HybridIdentity.from_seed(_derived(secret, b"theriac prescription file"))
    return age.seal_bytes(prescription.encode(), to=[opener.recipient])


def issue(prescriber: str, items: Sequence[Item], store: Store) -> tuple[Ticket, Prescription]:
    """A new prescription whose file is in the store; it counts once its terms are on the chain."""
    secret = secrets.token_bytes(_SECRET)
    prescription = Prescription(prescriber, str(bearer_of(secret).address), tuple(items))
    file = store.put(io.BytesIO(sealed(prescription, secret))).digest
    return Ticket(secret, file), prescription


@dataclass(frozen=True)
class Pass:
    """What a phone shows one pharmacy: the file's key and the bearer's word. It cannot sign anything else."""

    opener: bytes
    file: bytes
    lines: int
    giver: int
    to: int
    nonce: int
    deadline: int
    signature: bytes

    def __repr__(self) -> str:
        return "Pass(...)"

    def encode(self) -> str:
        """The text of its QR code."""
        numbers = b"".join(each.to_bytes(4, "big") for each in (self.lines, self.giver, self.to, self.nonce))
        return _written(_PASS, self.opener + self.file + numbers + self.deadline.to_bytes(5, "big") + self.signature)

    @classmethod
    def decode(cls, text: str) -> "Pass":
        """Raises BadTicket."""
        data = io.BytesIO(_read(_PASS, text, size=2 * _SECRET + 21 + _SIGNATURE))
        opener, file = data.read(_SECRET), data.read(_SECRET)
        lines, giver, to, nonce, deadline = (int.from_bytes(data.read(size), "big") for size in (4, 4, 4, 4, 5))
        return cls(opener, file, lines, giver, to, nonce, deadline, signature=data.read())

    def open(self, store: Store) -> Prescription:
        """The prescription, as its file says. Raises BadPrescription, and what a store can raise."""
        return _opened(store, self.file, self.opener)

    def take(self, prescription: Prescription) -> Take:
        """What the bearer signed."""
        terms = prescription.terms(self.file)
        return Take(terms, self.lines, self.giver, self.to, self.nonce, self.deadline)


def parse(text: str) -> Ticket | Pass:
    """What was scanned or typed. Raises BadTicket."""
    return Pass.decode(text) if _plain(text).startswith(_PASS) else Ticket.decode(text)


def _opened(store: Store, file: bytes, opener: bytes) -> Prescription:
    with store.get_digest(file) as stream:
        data = stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise BadPrescription(fault="it is too large")
    try:
        document = age.open_bytes(data, identities=[HybridIdentity.from_seed(opener)])
    except (NoMatchingIdentity, BadInput, Tampered):
        raise BadPrescription(fault="its key does not open it") from None
    return Prescription.decode(document)


def _derived(secret: bytes, purpose: bytes) -> bytes:
    """A key of 32 bytes from a ticket's secret (HKDF, RFC 5869, with SHA-256)."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret)


def _written(kind: str, data: bytes) -> str:
    return kind + base64.b32encode(data + _check(kind, data)).decode("ascii").rstrip("=")


def _read(kind: str, text: str, *, size: int) -> bytes:
    plain = _plain(text)
    if not plain.startswith(kind):
        raise BadTicket(fault="it begins otherwise")
    body = plain.removeprefix(kind)
    try:
        data = base64.b32decode(body + "=" * (-len(body) % 8))
    except (binascii.Error, ValueError):
        raise BadTicket(fault="it has characters that none has") from None
    if len(data) != size + _CHECK:
        raise BadTicket(fault="it is too short or too long")
    # The last letter has bits that say nothing, so the whole text is compared and not the check alone.
    if _written(kind, data[:size]) != plain:
        raise BadTicket(fault="a character of it is wrong")
    return data[:size]


def _plain(text: str) -> str:
    """The text as it was written: scanners put a symbology identifier before it, and people spaces and lower case."""
    plain = "".join(text.split()).upper()
    return plain[3:] if plain.startswith("]Q") else plain


def _check(kind: str, data: bytes) -> bytes:
    return sha256(kind.encode() + data).digest()[:_CHECK]

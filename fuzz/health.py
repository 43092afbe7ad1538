"""Targets of theriac.health and theriac.fhir: documents, records, what patients and relayers are handed."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from fuzz import relayer
from fuzz.crypto import SEALED
from fuzz.targets import ACCOUNT, HYBRID, Errors, Target, text, told
from theriac import fhir
from theriac.errors import (
    BadBlinding,
    BadCard,
    BadConsent,
    BadDocument,
    BadExtendedKey,
    BadGroup,
    BadIntroduction,
    BadNodes,
    BadReason,
    BadRecord,
    BadShare,
    BadVoucher,
    BrokenBundle,
    DamagedDicom,
    DamagedKeystore,
    DuplicateKey,
    EmptyDocument,
    HalfCharacter,
    NoDicomIds,
    NoMatchingIdentity,
    NoPicture,
    NoResourceType,
    NotAnEnvelope,
    NotDicom,
    NotJson,
    NotUtf8,
    RelayBusy,
    RelayRefused,
    RelaySilent,
    TooDeep,
    TooFewShares,
    TruncatedDicom,
    UnknownClass,
    UnknownPurpose,
    WrongPassphrase,
)
from theriac.health import (
    accesslog,
    bundle,
    consents,
    days,
    delegate,
    dicom,
    documents,
    emergencies,
    erasure,
    escrow,
    flow,
    guardians,
    hours,
    intake,
    introduction,
    keystore,
    legible,
    pictures,
    pleas,
    programmes,
    provisions,
    receipts,
    records,
    referrals,
    requests,
    sameness,
    scope,
    vault,
    vouchers,
)
from theriac.health.consents import Ledger
from theriac.ledger.codec import parse_json

FHIR = (EmptyDocument, NotUtf8, TooDeep, NotJson, DuplicateKey, HalfCharacter, NoResourceType)
DICOM = (NotDicom, TruncatedDicom, DamagedDicom, NoDicomIds)
PAPER = "256 MiB; 64 levels of JSON"
WORDS = (b'"\\u', b"\\", b'"', b"[", b"{", b"1e400", b"NaN", b"true", b"0x", b'":')

NOW = datetime(2031, 3, 10, 10, 20, tzinfo=UTC)
LEDGER = Ledger(31, "0x" + "5" * 40, "0x" + "6" * 40)
PATIENT = "0x" + "1" * 40


def _document(
    name: str,
    entry: str,
    read: Callable[[bytes], Any],
    may: Errors = (BadDocument,),
    *,
    write: Callable[[Any], bytes] | None = None,
    limit: str = PAPER,
) -> Target:
    return Target(name=name, entry=f"theriac.health.{entry}", read=read, may=may, write=write, limit=limit, words=WORDS)


def _encoded(read: Any) -> bytes:
    return bytes(read.encode())


_SEED, _HOUR = b"\7" * 32, 98_000
_NODES = hours.Nodes(hours.cover(_SEED, since=_HOUR - 10, end=_HOUR + 10))


def _index(data: bytes) -> Any:
    """A class file whose seals are right: the input is what is inside, first of the file, then of its one part."""
    reader = _NODES.identity(_HOUR)
    assert reader is not None
    opening = bundle.Opening(ACCOUNT, "laboratory/N", 0, _HOUR - 10, _NODES, "")
    file = bundle.IndexFile(ACCOUNT, "laboratory/N", "00" * 32, _HOUR)
    outer, _, inner = data.partition(b"\n")
    part = base64.b64encode(documents.seal(inner, to=reader.recipient))
    sealed = documents.seal(outer.replace(b"THE PART", part), to=reader.recipient)
    return bundle.read_index(sealed, file, [opening])


def _bundle(data: bytes) -> bundle.Bundle:
    """A bundle with one file in it whose seal is right: the input is what is inside."""
    account = told(data, "pseudonym")
    sealed = documents.seal(data, to=HYBRID.recipient)
    return bundle.Bundle(account, 1, bundle.Inboxes(account, {}, 1, ""), (sealed,), (), "")


def _unsealed(data: bytes) -> Any:
    return keystore.unseal(data, lambda parameters: HYBRID, path="an input")


def _record(data: bytes) -> Any:
    """A record whose seal is right: the input is what is inside."""
    from theriac.crypto import age

    found = records.open_(BytesIO(age.seal_bytes(data, to=[HYBRID.recipient])), identities=[HYBRID])
    found.copy_to(BytesIO())
    return found.manifest


def _framed(data: bytes) -> bytes:
    """A sealed document whose seal is right: the input is the framing inside."""
    from theriac.crypto import age

    return documents.open_(age.seal_bytes(data, to=[HYBRID.recipient]), identities=[HYBRID])


def _vault(data: bytes) -> None:
    """Its own client wrote it and sealed it: that it can be read is all that is asked."""
    vault.Vault.decode(data)


def _letter(data: bytes) -> Any:
    pseudonym = told(data, "pseudonym")
    return pseudonym, accesslog.decode_letter(data, pseudonym=pseudonym)


def _words(data: bytes) -> list[str]:
    sealed = documents.seal(data, to=HYBRID.recipient)
    return pleas.open_words(sealed, identity=HYBRID, home=told(data, "home"))


def _terms(data: bytes) -> Any:
    """A programme whose signature is right: the input is what was signed."""
    return documents.as_written("programme", programmes.Programme.of(documents.decode("programme", data)), data)


def _dicom(data: bytes) -> Any:
    found = dicom.open_dicom(BytesIO(data))
    while found.content.read(1 << 16):
        pass
    return found.facts


def _consent(data: bytes) -> Any:
    around = provisions.Circumstances(
        ledger=LEDGER,
        pseudonyms=[PATIENT],
        now=NOW,
        until=datetime(2031, 6, 1, tzinfo=UTC),
        recipients={"Practitioner/ben": "0x" + "2" * 40},
    )
    return provisions.read(fhir.parse(data), around)


def _legible(data: bytes) -> Any:
    return legible.legible(fhir.parse(data))


def _parts(data: bytes) -> Any:
    """A bundle cut into its resources and joined again."""
    pieces = intake.from_fhir(data)
    opened = [(piece.manifest, piece.content.read()) for piece in pieces]
    if any(manifest.type == intake.ENVELOPE_TYPE for manifest, _ in opened):
        return intake.rejoin(opened)
    return opened[0][1] if len(opened) == 1 else b""


def _nodes(data: bytes) -> Any:
    return hours.Nodes.of(parse_json(data))


def _question(data: bytes) -> Any:
    return sameness.Question.of(documents.decode("same question", data))


TARGETS = [
    _document("document", "documents:decode", lambda data: documents.decode(told(data, "kind", "bundle"), data)),
    _document("framing", "documents:open_", _framed),
    _document(
        "bundle",
        "bundle:Bundle.decode",
        lambda data: bundle.Bundle.decode(data, pseudonym=told(data, "pseudonym"), version=told(data, "version", 1)),
    ),
    _document("capsule", "bundle:Bundle.capsule", lambda data: _bundle(data).capsule(HYBRID)),
    _document("rows", "bundle:Bundle.writer_file", lambda data: _bundle(data).writer_file(HYBRID)),
    _document("index", "bundle:read_index", _index, (BadDocument, *SEALED)),
    _document(
        "profile", "bundle:Profile.decode", lambda data: bundle.Profile.decode(data, account=told(data, "account"))
    ),
    _document("vault", "vault:Vault.decode", _vault),
    _document(
        "keystore",
        "keystore:unseal",
        _unsealed,
        (WrongPassphrase, BadShare, TooFewShares, DamagedKeystore),
    ),
    _document(
        "share-in-backup",
        "keystore:share_in",
        lambda data: keystore.share_in(data, [HYBRID], home=ACCOUNT),
        (NoMatchingIdentity, BadDocument, *SEALED),
    ),
    _document("manifest", "records:Manifest.decode", records.Manifest.decode, (BadRecord,), limit="60 KiB"),
    _document("record", "records:open_", _record, (BadRecord,), limit="a manifest of 60 KiB; a chunk at a time"),
    _document("day-proofs", "days:Proofs.decode", days.Proofs.decode, write=_encoded),
    _document(
        "introduction",
        "introduction:Introduction.decode",
        lambda data: introduction.Introduction.decode(data, member=told(data, "member", 1)),
        (BadDocument, BadIntroduction),
    ),
    _document(
        "request",
        "requests:Request.decode",
        lambda data: requests.Request.decode(data, pseudonym=told(data, "pseudonym"), letter="00" * 32),
        write=_encoded,
    ),
    _document("answer", "requests:Answer.decode", requests.Answer.decode, write=_encoded),
    _document(
        "referral",
        "referrals:Referral.decode",
        lambda data: referrals.Referral.decode(data, letter="00" * 32, sender=ACCOUNT),
        write=_encoded,
    ),
    _document("referred", "referrals:Referred.decode", referrals.Referred.decode, write=_encoded),
    _document(
        "returned",
        "referrals:Returned.decode",
        lambda data: referrals.Returned.decode(data, sender=ACCOUNT),
        write=_encoded,
    ),
    _document("receipt", "receipts:Receipt.decode", receipts.Receipt.decode, write=_encoded),
    _document(
        "receipts-letter",
        "accesslog:decode_letter",
        _letter,
        write=lambda read: accesslog.encode_letter(*read),
    ),
    _document("disclosure", "flow:decode_disclosure", flow.decode_disclosure, write=flow.encode_disclosure),
    _document("escrow-share", "escrow:Share.decode", escrow.Share.decode, write=_encoded),
    _document("guardian-card", "pleas:decode_card", pleas.decode_card),
    _document("plea", "pleas:Plea.decode", pleas.Plea.decode, write=_encoded),
    _document("approval", "pleas:Approval.decode", pleas.Approval.decode, write=_encoded),
    _document("call", "pleas:Call.decode", pleas.Call.decode, write=_encoded),
    _document("words", "pleas:open_words", _words),
    _document("programme", "programmes:Programme.decode", programmes.Programme.decode, write=_encoded),
    _document(
        "programme-terms",
        "programmes:Programme.of",
        _terms,
        write=_encoded,
    ),
    _document("enrolment", "programmes:Taken.decode", programmes.Taken.decode, write=_encoded),
    _document("step", "programmes:Note.decode", programmes.Note.decode, write=_encoded),
    _document(
        "unpin-request",
        "erasure:UnpinRequest.decode",
        lambda data: erasure.UnpinRequest.decode(data, letter="00" * 32),
        write=_encoded,
    ),
    _document("unpin-receipt", "erasure:UnpinReceipt.decode", erasure.UnpinReceipt.decode, write=_encoded),
    _document("delegate-offer", "delegate:Offer.decode", delegate.Offer.decode, write=_encoded),
    _document("mandate", "delegate:mandates_from", delegate.mandates_from),
    _document("quorum", "delegate:Drafted.decode", delegate.Drafted.decode, write=_encoded),
    _document("voucher", "vouchers:Voucher.decode", vouchers.Voucher.decode, (BadVoucher,), write=_encoded),
    _document(
        "blanks-asked",
        "vouchers:sign_blanks",
        lambda data: vouchers.sign_blanks(data, member=told(data, "member", 1), key=relayer.blank_key(), most=2),
        (BadVoucher, BadBlinding),
    ),
    _document("nodes", "hours:Nodes.of", _nodes, (BadNodes, ValueError)),
    _document("group", "groups:decode_group", relayer.group, (BadGroup, BadVoucher), limit="16 MiB; 16 calls"),
    Target(
        name="relayer-http",
        entry="theriac.health.relayer_http:Server",
        read=relayer.posted,
        may=(),
        limit="16 MiB of a body; 16 at once; 20 s",
        words=(
            b"POST ",
            b" HTTP/1.1\r\n",
            b"Content-Length: ",
            b"Transfer-Encoding: chunked\r\n",
            b"\r\n\r\n",
            b"0\r\n",
        ),
        seconds=5.0,
    ),
    _document(
        "relay-answer",
        "relay:about",
        relayer.answered,
        (RelaySilent, RelayBusy, RelayRefused),
        limit="64 KiB of an answer",
    ),
    Target(
        name="emergency-card",
        entry="theriac.health.emergencies:Card.parse",
        read=lambda data: emergencies.Card.parse(text(data), chain_id=31337),
        may=(BadCard,),
        limit="a line",
        words=(b"THERIAC-EMERGENCY:1:", b":", b"0x", b"\xd9\xa1"),
    ),
    Target(
        name="reason",
        entry="theriac.health.emergencies:Reason.parse",
        read=lambda data: emergencies.Reason.parse(text(data)),
        may=(BadReason,),
        limit="a word",
    ),
    Target(
        name="key-class",
        entry="theriac.health.scope:KeyClass.parse",
        read=lambda data: scope.KeyClass.parse(text(data)),
        write=lambda read: str(read).encode(),
        may=(UnknownClass,),
        limit="a word",
        words=(b"/N", b"/R", b"/V"),
    ),
    Target(
        name="purpose",
        entry="theriac.health.scope:Purpose.parse",
        read=lambda data: scope.Purpose.parse(text(data)),
        may=(UnknownPurpose,),
        limit="a word",
    ),
    Target(
        name="extended-key",
        entry="theriac.health.guardians:ExtendedKey.parse",
        read=lambda data: guardians.ExtendedKey.parse(text(data)),
        may=(BadExtendedKey,),
        limit="111 letters",
        words=(b"xpub", b"1", b"z"),
    ),
    Target(
        name="fhir",
        entry="theriac.fhir:parse",
        read=fhir.parse,
        may=FHIR,
        limit="200 levels; UTF-8; the caller's file",
        words=WORDS,
        typed=False,
    ),
    Target(
        name="fhir-bundle",
        entry="theriac.health.intake:from_fhir",
        read=_parts,
        write=lambda read: bytes(read),
        may=(*FHIR, BrokenBundle),
        limit="as above",
        words=(*WORDS, b'"resourceType"', b'"contained"', b'"#a"'),
    ),
    Target(
        name="fhir-envelope",
        entry="theriac.fhir:Envelope.from_bytes",
        read=fhir.Envelope.from_bytes,
        write=lambda read: bytes(read.to_bytes()),
        may=(NotAnEnvelope,),
        limit="as above",
        words=WORDS,
    ),
    Target(
        name="fhir-rows",
        entry="theriac.health.legible:legible",
        read=_legible,
        may=FHIR,
        limit="as many rows as a page shows",
        words=(*WORDS, b"<div>", b"&#x0;", b"<![CDATA[", b"<!", b"<?"),
    ),
    Target(
        name="consent",
        entry="theriac.health.provisions:read",
        read=_consent,
        may=(*FHIR, BadConsent),
        limit="256 KiB; 64 grants",
        words=(*WORDS, b"0000-00-00", b"9999-12-31", b"T24:00:00Z"),
        typed=False,
    ),
    Target(
        name="consent-claimed",
        entry="theriac.health.consents:claimed_by",
        read=lambda data: consents.claimed_by(fhir.parse(data)),
        may=(*FHIR, BadConsent, UnknownPurpose),
        limit="256 KiB",
        words=WORDS,
        typed=False,
    ),
    Target(
        name="dicom",
        entry="theriac.health.dicom:open_dicom",
        read=_dicom,
        may=DICOM,
        limit="facts within the head's limit; a chunk at a time",
        words=(
            b"DICM",
            b"\x02\x00\x10\x00UI",
            b"\xff\xff\xff\xff",
            b"\xfe\xff\x00\xe0",
            b"SQ\x00\x00",
            b"\xfe\xff\xdd\xe0",
        ),
        typed=False,
    ),
    Target(
        name="picture",
        entry="theriac.health.pictures:picture",
        read=pictures.picture,
        may=(NoPicture,),
        limit="`MOST_PIXELS`, 33 million",
        words=(b"DICM", b"\x28\x00\x10\x00US\x02\x00", b"\xff\xff\xff\xff", b"\xe0\x7f\x10\x00OW"),
    ),
    _document("same-question", "sameness:Question.of", _question),
]

"""What a patient's commands about standards work with: her grants as terms, her opened records as sources."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scripts._cli import Failure
from scripts._progress import counted
from theriac import fhir
from theriac.errors import TheriacError, UnknownGrant
from theriac.health.chain import Chain
from theriac.health.consents import Ledger, Stated, Terms
from theriac.health.hours import time_of
from theriac.health.intake import FHIR_TYPE
from theriac.health.ips import Source
from theriac.health.patient import Patient
from theriac.health.provisions import LARGEST
from theriac.health.readable import Shown
from theriac.health.scope import KeyClass, Purpose, mask_of
from theriac.health.vault import Sharing, classes_of

_CURRENT = 1


def ledger_of(chain: Chain) -> Ledger:
    contracts = chain.contracts
    return Ledger(int(chain.web3.eth.chain_id), str(contracts.Grants.address), str(contracts.Consortium.address))


def now_of(chain: Chain) -> datetime:
    return datetime.fromtimestamp(chain.time(), UTC)


def stated_of(chain: Chain, *, pseudonym: str, reader: str, purpose: Purpose) -> Stated:
    """The grant as the chain has it now."""
    found = chain.grant(pseudonym, reader, purpose)
    return Stated.of(ledger_of(chain), found, pseudonym=pseudonym, reader=reader, purpose=purpose)


def parent_holds(chain: Chain, stated: Stated) -> bool:
    """Whether what a grant stands under, a delegate or a referral, has not ended; true where it stands by itself."""
    if not stated.by:
        return True
    parent = chain.contracts.call(chain.contracts.Grants.functions.parentOf(stated.pseudonym, stated.by))
    return int(parent["generation"]) == stated.generation and chain.time() < int(parent["expiry"])


def terms_of(sharing: Sharing) -> Terms:
    since = time_of(sharing.since) if sharing.since else None
    purpose = Purpose.parse(sharing.purpose)
    classes = tuple(classes_of(sharing.classes))
    return Terms(sharing.reader, purpose, classes, since, time_of(sharing.start), time_of(sharing.end))


def granted_to(patient: Patient, reader: str | None, purpose: str | None) -> list[Sharing]:
    """What the chain has of a patient's grants, to one reader or for one purpose where these are named.

    :raises UnknownGrant: a reader is named, and nothing is granted.
    """
    found = [
        each
        for each in patient.vault.sharings
        if each.granted and reader in (None, each.reader) and purpose in (None, each.purpose)
    ]
    if reader is not None and not found:
        raise UnknownGrant(reader=reader, purpose=purpose or "any purpose")
    return found


def shown(patient: Patient, sharing: Sharing) -> Shown:
    """A grant, held against the chain."""
    terms = terms_of(sharing)
    stated = stated_of(patient.chain, pseudonym=sharing.pseudonym, reader=sharing.reader, purpose=terms.purpose)
    era, asked, now = patient.chain.authority(sharing.pseudonym).era, mask_of(terms.classes), now_of(patient.chain)
    state = "over" if now >= terms.end else "open" if terms.start is None or now >= terms.start else "not begun"
    lost = stated.era != era or not parent_holds(patient.chain, stated)
    if lost or stated.scope & asked != asked or stated.expiry < int(terms.end.timestamp()):
        state = "gone"
    return Shown(terms, stated, sharing.name, state)


def read_resource(path: str) -> fhir.Resource:
    """A file with one Consent; more than one may have is not read."""
    with Path(path).open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise Failure(f"{path} has more than {LARGEST >> 10} KiB, which no Consent has; name another file.")
    return fhir.parse(data)


def pairs_of(texts: Sequence[str]) -> list[tuple[str, str]]:
    """`Organization/north=member:1` taken apart."""
    pairs = []
    for text in texts:
        reference, found, reader = text.rpartition("=")
        if not found or not reference or not reader:
            raise Failure(f"{text[:60]!r} says no recipient; write it like Organization/north=member:1.")
        pairs.append((reference, reader))
    return pairs


def sources_of(patient: Patient, *, classes: Sequence[KeyClass]) -> tuple[list[Source], list[str]]:
    """The opened FHIR records of these classes, and a sentence for each that could not be taken."""
    names = {writer.member: writer.name for account in patient.vault.accounts.values() for writer in account.writers}
    wanted = {str(each) for each in classes}
    entries = [
        each for each in patient.vault.listed() if each.cls in wanted and str(each.summary.get("type", "")) == FHIR_TYPE
    ]
    sources, told = [], []
    for entry in counted(entries, "Opening", total=len(entries)):
        try:
            status = _status(patient, entry)
            if status != _CURRENT:
                told.append(
                    f"Record {entry.digest[:16]} is left out: its author took it back or put another in its place."
                )
                continue
            opened = patient.open(entry)
            opened.check_author(digest=entry.digest)
            content = opened.read()
        except TheriacError as fault:
            told.append(f"Record {entry.digest[:16]} is left out: {fault}")
            continue
        manifest = opened.manifest
        sources.append(
            Source(
                entry.digest,
                entry.author,
                names.get(entry.author, ""),
                datetime.fromtimestamp(entry.anchored, UTC),
                KeyClass.parse(entry.cls),
                content,
                str(manifest.details.get("bundle", "")),
                manifest.corrects,
            )
        )
    return sources, told


def _status(patient: Patient, entry: Any) -> int:
    if entry.proofs:
        # What a day's root anchored cannot be amended.
        return 1
    digest = bytes.fromhex(entry.digest)
    anchors = [patient.chain.anchor(entry.source, author, digest) for author in dict.fromkeys((entry.author, 0))]
    return next((each.status for each in anchors if each.time), 0)

"""Prescriptions as the commands of prescribers, pharmacies and patients work with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts._cli import Failure, check_out, write_file
from scripts._site import Site
from theriac.consortium import Role
from theriac.errors import BadInput, BadTicket, NotAnImage, Refused
from theriac.fhir import parse as parse_fhir
from theriac.ledger.codec import shown_moment
from theriac.ledger.node import Node
from theriac.ledger.sender import Sender
from theriac.medicine.medication import Unsaid, allowed
from theriac.medicine.messages import MOST_LINES, Terms
from theriac.medicine.prescribing import LineState, Prescriptions
from theriac.medicine.prescriptions import Item, Pass, Prescription, Ticket, issue, parse
from theriac.medicine.symbols import read_symbols, write_paper

if TYPE_CHECKING:
    from scripts._member import Desk

# A word of the bearer may count for an hour; the chain's clock may be a little ahead.
WORD = 50 * 60


def client(site: Site, sender: Sender | None = None) -> Prescriptions:
    """The contract of a network."""
    return Prescriptions(site.contracts, Node(site.web3), sender=sender)


@dataclass(frozen=True)
class Shown:
    """A ticket or a pass that somebody showed, and what it opens."""

    key: Ticket | Pass
    prescription: Prescription
    terms: Terms

    @property
    def ticket(self) -> Ticket:
        """Raises Failure for a pass, which can sign nothing."""
        if isinstance(self.key, Ticket):
            return self.key
        raise Failure("This is a pass for one pharmacy; the prescription's own code is needed for this.", 3)


def shown_by(text: str, site: Site) -> Shown:
    """What a code opens: as it was typed or scanned, in a picture, or for - on standard input. Raises BadTicket."""
    key = _read(click.get_text_stream("stdin").readline() if text == "-" else text)
    prescription = key.open(site.store)
    return Shown(key, prescription, prescription.terms(key.file))


def _read(text: str) -> Ticket | Pass:
    if not Path(text).is_file():
        return parse(text)
    if Path(text).suffix.lower() in (".txt", ""):
        return parse(Path(text).read_text(encoding="utf-8", errors="replace")[:4096])
    try:
        found = read_symbols(Path(text))
    except NotAnImage as trouble:
        raise Failure(str(trouble)) from None
    for each in found:
        try:
            return parse(each)
        except BadTicket:
            continue
    raise Failure(f"{text} shows no code of a prescription; take the picture again, nearer and in good light.")


# -- prescribing -----------------------------------------------------------------------------------------------------


def items_of(paths: Sequence[str], *, today: date, days: int, quantity: int | None) -> list[Item]:
    """A line for each MedicationRequest in files. Raises Failure, BadRequest, and what reading FHIR can raise."""
    found = []
    for path in paths:
        request = parse_fhir(Path(path).read_bytes())
        found.append(Item.of(request, allowed(request, Unsaid(today, days=days, quantity=quantity))))
    if len(found) > MOST_LINES:
        raise Failure(f"A prescription has at most {MOST_LINES} lines, and these are {len(found)}; make two of them.")
    return found


def prescribed(desk: "Desk", items: Sequence[Item], *, out: str) -> Shown:
    """Seals a prescription, writes its paper, and brings it to the chain; without the last there is no paper.

    Raises Failure where the account is no prescriber's.
    """
    standing = desk.site.contracts.Consortium.functions.standing(desk.address, int(Role.PRESCRIBER))
    if not desk.site.contracts.call(standing):
        raise Failure(f"{desk.address} is no prescriber of a member in standing; have its member take it on as one.", 3)
    ticket, prescription = issue(desk.address, items, desk.site.store)
    shown = Shown(ticket, prescription, prescription.terms(ticket.file))
    write_secret(ticket.encode(), on_paper(shown), out)
    try:
        client(desk.site, desk.site.sender(desk.alias)).prescribe(shown.terms)
    except (Refused, BadInput):
        Path(out).unlink(missing_ok=True)
        raise
    return shown


def check_paper(out: str) -> None:
    """Raises Failure where nothing new can be written there, before anything was prescribed."""
    target = Path(out)
    if target.exists():
        raise Failure(f"{out[:80]!r} is there already, and may be somebody's prescription; name another file.")
    if target.suffix.lower() not in (".pdf", ".png", ".txt"):
        raise Failure(f"{out[:80]!r} is no name of a paper; write a .pdf, a .png, or a .txt for another program.")
    if not target.absolute().parent.is_dir():
        raise Failure(f"{out[:80]!r} cannot be written; name a file in a folder that is there.")
    check_out(out)


def write_secret(text: str, lines: Sequence[str], out: str) -> None:
    """Writes a code that opens something, so that nobody else of this machine can read it."""
    suffix = Path(out).suffix.lower()
    write_file(out, f"{text}\n".encode() if suffix == ".txt" else write_paper(text, lines, pdf=suffix == ".pdf"))


def on_paper(shown: Shown) -> list[str]:
    """What stands below the code on paper, for people."""
    until = max(line.latest for line in shown.prescription.lines)
    return [
        *(f"{number}. {item.name[:60]}" for number, item in enumerate(shown.prescription.items, start=1)),
        f"Until {_day(until - 1)}. Prescription {shown.terms.id.hex()[:16]}.",
        "Whoever has this code can have it filled. Show it to your pharmacy only.",
    ]


def numbered(text: str) -> bytes:
    """A prescription by its number in hexadecimal. Raises Failure."""
    plain = text.strip().lower().removeprefix("0x")
    try:
        number = bytes.fromhex(plain)
    except ValueError:
        number = b""
    if len(number) != 32:
        raise Failure(
            f"{text[:60]!r} is no number of a prescription; give all 64 digits, as 'prescribe --json' prints."
        )
    return number


# -- what became of it -----------------------------------------------------------------------------------------------


def rows_of(shown: Shown, states: Sequence[LineState]) -> list[dict[str, Any]]:
    """A row a line, for programs."""
    return [
        {
            "line": number,
            "medicine": item.name,
            "quantity": state.line.quantity,
            "refills": state.line.refills,
            "interval": state.line.interval,
            "from": _day(state.line.earliest),
            "until": _day(state.line.latest - 1),
            "given": state.given,
            "left": state.left,
            "holder": state.holder or None,
            "held_until": state.held_until.isoformat() if state.held_until else None,
            "why": state.why_nothing,
        }
        for number, (item, state) in enumerate(zip(shown.prescription.items, states, strict=True), start=1)
    ]


def columns_of(rows: Sequence[dict[str, Any]]) -> list[tuple[object, ...]]:
    """The same for people."""
    return [
        (
            row["line"],
            row["medicine"],
            f"{row['given']} of {row['quantity'] * (row['refills'] + 1)}",
            row["left"] or row["why"],
            f"{row['from']} to {row['until']}",
            f"member {row['holder']} until {row['held_until'][:16]}" if row["holder"] else "",
        )
        for row in rows
    ]


HEADS = ("line", "medicine", "given", "left now", "may be filled", "held by")


def _day(moment: int) -> str:
    return f"{shown_moment(moment):%Y-%m-%d}"

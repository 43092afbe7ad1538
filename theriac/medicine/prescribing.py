"""Prescriptions on the chain, as who prescribes, fills or bears them sees it."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from theriac.errors import NoSender, NotPrescribed, WrongSelection
from theriac.ledger.codec import shown_moment
from theriac.ledger.contracts import Contracts, Receipt
from theriac.ledger.node import Node
from theriac.ledger.sender import Sender
from theriac.ledger.typed import Domain
from theriac.medicine.messages import Cancel, Line, Take, Terms
from theriac.medicine.prescriptions import Pass, Prescription, Ticket
from theriac.store import Store


@dataclass(frozen=True)
class LineState:
    """What had become of a line by the second `at`: units `given`, who holds it (zero for nobody) and until when.

    `last` is the member that filled it last, zero for none or where that was taken back.
    """

    line: Line
    at: int
    given: int
    holder: int
    held_until: datetime | None
    last: int
    cancelled: bool

    @property
    def left(self) -> int:
        """How many units could be given then."""
        return 0 if self.cancelled else max(self.line.due(self.at) - self.given, 0)

    @property
    def why_nothing(self) -> str:
        """Why nothing was left; empty where something was."""
        if self.cancelled:
            return "cancelled"
        if self.at < self.line.earliest:
            return f"not before {shown_moment(self.line.earliest):%Y-%m-%d}"
        if self.at >= self.line.latest:
            return "its time is over"
        if self.left:
            return ""
        return "all given" if self.given >= self.whole else "the next refill is not due yet"

    @property
    def whole(self) -> int:
        """How many units are given in all, with every refill."""
        return min(self.line.quantity * (self.line.refills + 1), 2**16 - 1)


class Prescriptions:
    """The contract Prescriptions for one member's account, or for a bearer who only asks (`sender` None)."""

    def __init__(self, contracts: Contracts, node: Node, *, sender: Sender | None = None) -> None:
        self._contracts = contracts
        self._node = node
        self._sender = sender

    # -- asking ------------------------------------------------------------------------------------------------------

    def now(self) -> int:
        """The second of the latest block."""
        return int(self._node.head().time.timestamp())

    def domain(self) -> Domain:
        """Where signatures count, as the contract says itself."""
        named = self._contracts.call(self._contracts.Prescriptions.functions.eip712Domain())
        return Domain(named["name"], named["version"], named["chainId"], named["verifyingContract"])

    def prescriber_of(self, prescription: bytes) -> int:
        """The member that prescribed it. Raises NotPrescribed."""
        return int(self._known(prescription)["member"])

    def nonce_of(self, prescription: bytes) -> int:
        """How often the bearer's word was used. Raises NotPrescribed."""
        return int(self._known(prescription)["nonce"])

    def states(self, prescription: Prescription, terms: Terms) -> list[LineState]:
        """What became of each line, as the latest block says. Raises NotPrescribed."""
        now, cancelled = self.now(), int(self._known(terms.id)["cancelled"])
        found = []
        for number, line in enumerate(prescription.lines):
            told = self._contracts.call(self._contracts.Prescriptions.functions.lineOf(terms.id, number))
            held = now < told["holdEnds"]
            found.append(
                LineState(
                    line=line,
                    at=now,
                    given=int(told["filled"]),
                    holder=int(told["holder"]) if held else 0,
                    held_until=datetime.fromtimestamp(told["holdEnds"], UTC) if held else None,
                    last=int(told["filler"]),
                    cancelled=bool(cancelled >> number & 1),
                )
            )
        return found

    def _known(self, prescription: bytes) -> dict[str, Any]:
        told = self._contracts.call(self._contracts.Prescriptions.functions.prescriptionOf(prescription))
        if not told["member"]:
            raise NotPrescribed(prescription=prescription.hex())
        return dict(told)

    # -- the bearer's word -------------------------------------------------------------------------------------------

    def word(
        self,
        ticket: Ticket,
        terms: Terms,
        states: Sequence[LineState],
        *,
        to: int,
        lines: Iterable[int],
        deadline: int,
    ) -> Pass:
        """The bearer's word that a pharmacy may have lines; whoever holds them all now gives them up.

        `states` are those of every line. Raises NotPrescribed, and WrongSelection where one pharmacy holds some of the
        lines and not all.
        """
        numbers = sorted(set(lines))
        holders = {states[number].holder for number in numbers}
        if len(holders) != 1:
            raise WrongSelection(fault="they are not all held by one pharmacy; name them one by one")
        [giver] = holders
        take = Take(terms, mask_of(numbers), giver, to, self.nonce_of(terms.id), deadline)
        return ticket.allow(take, self.domain())

    # -- acting ------------------------------------------------------------------------------------------------------

    def prescribe(self, terms: Terms) -> Receipt:
        """Prescribes; the account is the prescriber. Run again it is the same act."""
        return self._send("prescribe", terms.bearer, terms.lines, terms.file, intent=f"prescribe {terms.id.hex()}")

    def take(self, shown: Pass, prescription: Prescription) -> Receipt:
        """Holds lines for a day, by the bearer's word."""
        return self._send("take", *shown.take(prescription).arguments(shown.signature))

    def give_back(self, prescription: bytes, lines: Iterable[int]) -> Receipt:
        """Lets go of lines."""
        return self._send("giveBack", prescription, mask_of(lines))

    def fill(
        self, prescription: Prescription, terms: Terms, *, line: int, units: int, evidence: bytes, store: Store
    ) -> Receipt:
        """Fills a line that the member holds. `evidence` is a sealed MedicationDispense; it goes into the store."""
        digest = store.put(io.BytesIO(evidence)).digest
        opened = prescription.lines[line]
        filling = (
            terms.tuple,
            [each.hash for each in prescription.lines],
            line,
            tuple(opened.values().values()),
            units,
            digest,
        )
        return self._send("fill", filling)

    def unfill(self, prescription: bytes, line: int) -> Receipt:
        """Takes back what the member filled last."""
        return self._send("unfill", prescription, line)

    def cancel(self, prescription: bytes, lines: Iterable[int]) -> Receipt:
        """Cancels lines, for the member that prescribed."""
        return self._send("cancel", prescription, mask_of(lines))

    def cancel_by(self, ticket: Ticket, terms: Terms, *, lines: Iterable[int], deadline: int) -> Receipt:
        """Cancels lines by the bearer's word; the account only pays."""
        cancel = Cancel(terms, mask_of(lines), self.nonce_of(terms.id), deadline)
        return self._send("cancelBySig", *cancel.arguments(ticket.cancel(cancel, self.domain())))

    def _send(self, function: str, *arguments: Any, intent: str | None = None) -> Receipt:
        if self._sender is None:
            raise NoSender
        return self._sender.send(self._contracts.Prescriptions.functions[function](*arguments), intent=intent)


def mask_of(lines: Iterable[int]) -> int:
    """Line numbers, from zero, as a mask: bit i is line i."""
    return sum(1 << line for line in set(lines))


def chosen(lines: Sequence[int], count: int) -> list[int]:
    """The lines that a person names, who counts from one; all where none is named. Raises WrongSelection."""
    wrong = [number for number in lines if not 1 <= number <= count]
    if wrong:
        raise WrongSelection(fault=f"there is no line {wrong[0]}, there are {count}")
    return sorted({number - 1 for number in lines}) or list(range(count))

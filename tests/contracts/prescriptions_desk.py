"""Prescribers, pharmacies and a prescription on a real anvil, for the tests of what becomes of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils import keccak
from real_anvil import BOARD, GAS, Chain, Contracts, anvil, encoded, person
from signature_cases import Event
from signature_stage import Refusal, event_of, refusal_in
from web3.contract import Contract

from theriac.consortium import Join, Role
from theriac.ledger.typed import Domain, Message
from theriac.medicine.messages import Cancel, Line, Prescribe, Take, Terms, hash_of

DAY = 24 * 3600
HOUR = 3600

LICENCES = {
    "surgery": Role.PRESCRIBER,
    "hospital": Role.PRESCRIBER | Role.PHARMACIST,
    "pharmacy": Role.PHARMACIST | Role.GATEWAY,
    "rival": Role.PHARMACIST,
}
"""The members in the order of their admission."""

STAFF = {
    "doctor": ("surgery", Role.PRESCRIBER),
    "colleague": ("surgery", Role.PRESCRIBER),
    "pharmacist": ("pharmacy", Role.PHARMACIST),
    "clerk": ("pharmacy", Role.GATEWAY),
}
NUMBERS = {name: number for number, name in enumerate(LICENCES, start=1)}
"""The members' numbers by name."""

DISPENSE_FOR, FILL_FOR = 1, 2

ONCE, WEEKLY, ANY_TIME = range(3)
"""The lines of the prescription: given once, again every week, and again at any time."""


def digest(name: str) -> bytes:
    """The digest of a document in a test."""
    return keccak(text=f"theriac test: {name}")


EVIDENCE = digest("what was given")


def error(name: str, **facts: Any) -> Refusal:
    return Refusal(name, facts)


@dataclass(frozen=True)
class State:
    """A line, as `lineOf` has it."""

    filled: int = 0
    holder: int = 0
    hold_ends: int = 0
    filler: int = 0
    units: int = 0
    time: int = 0
    operator: int = 0


@dataclass(frozen=True)
class Desk:
    """A chain with members, and a prescription of the doctor's for a bearer."""

    chain: Chain
    contracts: Contracts
    lines: tuple[Line, ...]
    bearer: str = "bearer"

    @property
    def terms(self) -> Terms:
        return Terms(self.address("doctor"), self.address(self.bearer), hash_of(self.lines), digest("sealed file"))

    @property
    def id(self) -> bytes:
        return self.terms.id

    @property
    def deadline(self) -> int:
        return self.chain.now() + HOUR // 2

    def account(self, who: str) -> LocalAccount:
        return person(who)

    def address(self, who: str) -> str:
        return person(who).address

    # -- saying something --------------------------------------------------------------------------------------------

    def send(self, who: str, function: str, *arguments: Any, contract: str = "Prescriptions") -> list[Event]:
        """Sends what must count; what the contracts told."""
        receipt = self.chain.send(self.account(who), self.contracts.by_name[contract].functions[function](*arguments))
        known: dict[str, Contract] = {each.address: each for each in self.contracts.by_name.values()}
        return [event_of(known[log["address"]], log) for log in receipt["logs"]]

    def refusal(self, who: str, function: str, *arguments: Any, contract: str = "Prescriptions") -> Refusal | None:
        """By what error it would be refused; nothing where it would count."""
        return self.refused_from(self.address(who), function, *arguments, contract=contract)

    def refused_from(
        self, address: str, function: str, *arguments: Any, contract: str = "Prescriptions"
    ) -> Refusal | None:
        """The same for a call from an address, which may be a contract's."""
        call = self.contracts.by_name[contract].functions[function](*arguments)
        asked = {"from": address, "to": call.address, "data": "0x" + encoded(call).hex(), "gas": hex(GAS)}
        answer = self.chain.web3.provider.make_request("eth_call", [asked, "latest"])  # type: ignore[arg-type]
        return refusal_in(call.contract_abi, answer["error"]) if "error" in answer else None

    def ask(self, function: str, *arguments: Any) -> Any:
        return self.contracts.by_name["Prescriptions"].functions[function](*arguments).call()

    def carried(self, function: str, *arguments: Any) -> list[Event]:
        """What a contract does for a member that lets it."""
        call = self.contracts.by_name["Prescriptions"].functions[function](*arguments)
        return self.send("relayer", "carry", [(call.address, encoded(call))], contract="Carrier")

    # -- looking -----------------------------------------------------------------------------------------------------

    def line(self, line: int) -> State:
        return State(*self.ask("lineOf", self.id, line))

    @property
    def nonce(self) -> int:
        return int(self.ask("prescriptionOf", self.id)[2])

    # -- what is signed ----------------------------------------------------------------------------------------------

    def signature(self, message: Message, by: str) -> bytes:
        domain = Domain.of(self.contracts.by_name[message.CONTRACT])
        return bytes(self.account(by).sign_message(message.signable(domain)).signature)

    def word(self, to: str, *lines: int, giver: str | None = None, **other: Any) -> tuple[Any, ...]:
        """The bearer's word for a pharmacy, as the contract takes it."""
        mask = sum(1 << line for line in lines)
        take = Take(self.terms, mask, NUMBERS[giver] if giver else 0, NUMBERS[to], self.nonce, self.deadline)
        take = replace(take, **other)
        return take.arguments(self.signature(take, self.bearer))

    def word_to_cancel(self, *lines: int, **other: Any) -> tuple[Any, ...]:
        cancel = replace(Cancel(self.terms, sum(1 << line for line in lines), self.nonce, self.deadline), **other)
        return cancel.arguments(self.signature(cancel, self.bearer))

    def signed(self, by: str = "doctor", **other: Any) -> tuple[Any, ...]:
        """The prescription as its prescriber signs it."""
        terms = self.terms
        message = Prescribe(terms.prescriber, terms.bearer, self.lines, terms.file, self.deadline)
        message = replace(message, **other)
        return message.arguments(self.signature(message, by))

    # -- what it goes through ----------------------------------------------------------------------------------------

    def prescribe(self, who: str = "doctor") -> list[Event]:
        return self.send(who, "prescribe", self.address(self.bearer), hash_of(self.lines), self.terms.file)

    def take(self, who: str, to: str, *lines: int, giver: str | None = None) -> list[Event]:
        return self.send(who, "take", *self.word(to, *lines, giver=giver))

    def filling(self, line: int, units: int, **other: Any) -> tuple[Any, ...]:
        """A line that is opened to be filled, as the contract takes it."""
        values = {
            "terms": self.terms.tuple,
            "hashes": [each.hash for each in self.lines],
            "line": line,
            "opened": tuple(self.lines[line % len(self.lines)].values().values()),
            "units": units,
            "evidence": EVIDENCE,
            **other,
        }
        return tuple(values.values())

    def fill(self, who: str, line: int, units: int) -> list[Event]:
        return self.send(who, "fill", self.filling(line, units))

    def let(self, member: str, operator: str, operations: int) -> None:
        """Lets a contract act for a member."""
        self.send(member, "setOperator", operator, operations, contract="Consortium")


def lines_from(now: int) -> tuple[Line, ...]:
    """The lines of the tests' prescription, from midnight on."""
    midnight = (now // DAY + 1) * DAY
    return (
        Line(digest("item 1"), 3, 0, 0, midnight, midnight + 28 * DAY),
        Line(digest("item 2"), 2, 3, 7, midnight, midnight + 90 * DAY),
        Line(digest("item 3"), 10, 2, 0, midnight, midnight + 365 * DAY),
    )


@contextmanager
def open_desk() -> Iterator[Desk]:
    """Members with their staff, in the hour after the prescription's lines begin; nothing is prescribed yet."""
    with anvil(hardfork="cancun") as chain:
        contracts = Contracts.deploy(chain)
        desk = Desk(chain, contracts, lines_from(chain.now()))
        for name, roles in LICENCES.items():
            admit = contracts.consortium.functions.admit(
                person(name).address, int(roles), 1, chain.now() // DAY * DAY + 1000 * DAY
            )
            chain.send(BOARD, admit)
        for name, (member, role) in STAFF.items():
            join = Join(person(name).address, NUMBERS[member], role, 0, desk.deadline)
            signature = desk.signature(join, name)
            chain.send(person(member), contracts.consortium.functions.join(*join.arguments(signature)))
        chain.at(desk.lines[0].earliest + HOUR)
        yield desk

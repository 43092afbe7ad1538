"""A consortium with prescriptions on an anvil, spoken to in few words, and what its chain says of each prescription."""

from collections.abc import Mapping
from typing import Any

from compiling import compile_if_changed
from eth_abi import decode, encode
from eth_utils import keccak
from eth_utils.abi import (
    collapse_if_tuple,
    event_abi_to_log_topic,
    function_abi_to_4byte_selector,
    get_abi_input_types,
)
from pack_model import DAY, DISPENSE_FOR, FILL_FOR, Person
from prescription_model import LineSight, Prescription, Sight
from random_lives import Event, Outcome
from real_anvil import BOARD, GAS, Chain, person
from web3.contract import Contract

from theriac.consortium import Join, Role
from theriac.ledger.typed import Domain, Message

LONG = 10**9
"""A licence that outlives every test, in seconds."""

LICENCES = {
    1: Role.PRESCRIBER,
    2: Role.PRESCRIBER | Role.PHARMACIST,
    3: Role.PHARMACIST | Role.GATEWAY,
    4: Role.PHARMACIST,
}
NAMES = ("surgery", "hospital", "pharmacy", "rival")
PRESCRIBING, PHARMACIES = (1, 2), (2, 3, 4)

EVERY_ROLE = Role((1 << 12) - 1)

STAFF = {
    "doctor": (1, Role.PRESCRIBER),
    "colleague": (1, Role.PRESCRIBER),
    "consultant": (2, Role.PRESCRIBER),
    "dispenser": (2, Role.PHARMACIST),
    "pharmacist": (3, Role.PHARMACIST),
    "clerk": (3, Role.GATEWAY),
}

PEOPLE = (
    *(Person(name, person(name).address, number, EVERY_ROLE) for number, name in enumerate(NAMES, start=1)),
    *(Person(name, person(name).address, member, role) for name, (member, role) in STAFF.items()),
    Person("stranger", person("stranger").address),
)

# What members let the two contracts do that may fill for them.
OPERATIONS = {
    ("till", 2): FILL_FOR,
    ("till", 3): FILL_FOR | DISPENSE_FOR,
    ("till", 4): 0xFF ^ FILL_FOR,
    ("kiosk", 3): FILL_FOR,
    ("kiosk", 4): FILL_FOR,
}


class Stage:
    """An anvil with the consortium's members on it, spoken to in as few words as possible."""

    def __init__(self, chain: Chain) -> None:
        compile_if_changed()
        self.chain = chain
        self.consortium = chain.deploy("Consortium", BOARD.address)
        self.prescriptions = chain.deploy("Prescriptions", self.consortium.address)
        self.questions = chain.deploy("Questions")
        carriers = {name: chain.deploy("Carrier") for name in ("till", "kiosk")}
        self.contracts = tuple(Person(name, carrier.address) for name, carrier in carriers.items())
        self.domain = Domain.of(self.prescriptions)
        self.errors = _named(self.prescriptions, "error")
        self._events = {
            event_abi_to_log_topic(each): each for each in self.prescriptions.abi if each["type"] == "event"
        }
        self._functions = {
            entry["name"]: (function_abi_to_4byte_selector(entry), get_abi_input_types(entry))
            for contract in (self.prescriptions, self.consortium, self.questions, *carriers.values())
            for entry in contract.abi
            if entry["type"] == "function"
        }
        (self._call_failed,) = (
            selector for selector, name in _named(carriers["till"], "error").items() if name == "CallFailed"
        )
        self.request = chain.wire.request
        self._admit()
        self.snapshot = chain.ask("evm_snapshot")

    def _admit(self) -> None:
        admit, now = self.consortium.functions, self.chain.now()
        self.licence = now + LONG
        for number, roles in LICENCES.items():
            self.chain.send(BOARD, admit.admit(PEOPLE[number - 1].address, int(roles), 1, self.licence))
        domain = Domain.of(self.consortium)
        for name, (member, role) in STAFF.items():
            terms = Join(person(name).address, member, role, 0, now + DAY)
            signature = person(name).sign_message(terms.signable(domain)).signature
            self.chain.send(person(NAMES[member - 1]), admit.join(*terms.arguments(signature)))
        address = {contract.name: contract.address for contract in self.contracts}
        self.operators = {(member, address[name]): mask for (name, member), mask in OPERATIONS.items()}
        for (member, operator), mask in self.operators.items():
            self.chain.send(person(NAMES[member - 1]), admit.setOperator(operator, mask))
        self.chain.ask("anvil_autoImpersonateAccount", True)

    def anew(self) -> int:
        """The chain as it was before the first prescription; the second that it shows."""
        self.chain.back(self.snapshot)
        self.snapshot = self.chain.ask("evm_snapshot")
        return self.chain.now()

    def send(self, sender: str, to: str, function: str, *arguments: Any, at: int) -> Outcome:
        """Sends a transaction that is mined in the second `at`."""
        call = {"from": sender, "to": to, "gas": hex(GAS), "gasPrice": "0x0"}
        data = "0x" + self._data(function, *arguments).hex()
        receipt = self.request("eth_sendTransactionSync", {**call, "data": data})
        assert int(str(receipt["blockTimestamp"]), 0) == at
        logs = [log for log in receipt["logs"] if log["address"].lower() == self.prescriptions.address.lower()]
        told = [self._event(log) for log in logs]
        if receipt["status"] == "0x1":
            return Outcome(None, told)
        trace = self.request("debug_traceTransaction", receipt["transactionHash"], {"tracer": "callTracer"})
        return Outcome(self._reason(bytes.fromhex(trace.get("output", "0x")[2:])), told)

    def say(self, sender: str, function: str, *arguments: Any, at: int, through: Person | None) -> Outcome:
        """Says something to Prescriptions, by itself or through a contract that carries it."""
        if through in self.contracts:
            call = (self.prescriptions.address, self._data(function, *arguments))
            return self.send(sender, through.address, "carry", [call], at=at)
        return self.send(sender, self.prescriptions.address, function, *arguments, at=at)

    def look(self, prescription: Prescription) -> Sight:
        """Everything that the chain says of a prescription."""
        id_, lines = prescription.terms.id, prescription.watched
        asked = [
            self._data("prescriptionOf", id_),
            *(self._data("lineOf", id_, line) for line in lines),
        ]
        call = {"to": self.questions.address, "data": "0x" + self._data("ask", self.prescriptions.address, asked).hex()}
        (answers,) = decode(["bytes[]"], bytes.fromhex(self.request("eth_call", call, "latest")[2:]))
        (member, time, nonce, cancelled), *states = (_words(answer) for answer in answers)
        sights = {line: LineSight(*state) for line, state in zip(lines, states, strict=True)}
        return Sight(member, time, nonce, frozenset(bit for bit in range(32) if cancelled >> bit & 1), sights)

    def sign(self, message: Message, by: Person) -> bytes:
        return bytes(person(by.name).sign_message(message.signable(self.domain)).signature)

    def _data(self, function: str, *arguments: Any) -> bytes:
        selector, types = self._functions[function]
        return selector + encode(types, arguments)

    def _reason(self, output: bytes) -> str:
        if output[:4] == self._call_failed:
            _, output = decode(["uint256", "bytes"], output[4:])
        return self.errors.get(output[:4], output.hex() or "no reason")

    def _event(self, log: Mapping[str, Any]) -> Event:
        topic, *topics = (bytes.fromhex(each[2:]) for each in log["topics"])
        entry = self._events[topic]
        indexed = [part for part in entry["inputs"] if part["indexed"]]
        plain = [part for part in entry["inputs"] if not part["indexed"]]
        facts = {}
        for parts, data in ((indexed, b"".join(topics)), (plain, bytes.fromhex(log["data"][2:]))):
            values = decode([collapse_if_tuple(part) for part in parts], data)
            facts |= dict(zip((part["name"] for part in parts), values, strict=True))
        return Event(entry["name"], facts)


def digest(name: str) -> bytes:
    """The digest of a document in a test."""
    return keccak(text=f"theriac test: {name}")


def mask(lines: frozenset[int]) -> int:
    return sum(1 << line for line in lines)


def _words(answer: bytes) -> list[int]:
    return [int.from_bytes(answer[at : at + 32], "big") for at in range(0, len(answer), 32)]


def _named(contract: Contract, kind: str) -> dict[bytes, str]:
    """The names of a contract's errors by their selectors."""
    return {function_abi_to_4byte_selector(each): each["name"] for each in contract.abi if each["type"] == kind}

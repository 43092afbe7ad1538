"""The table of messages on a real anvil: who signs, who sends, what a contract tells and by which error it refuses.

A thousand signatures that are to be refused are asked for in calls, which leave no trace; anvil answers one in a few
milliseconds.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from eth_abi import decode
from eth_account.signers.local import LocalAccount
from eth_utils import to_checksum_address
from eth_utils.abi import collapse_if_tuple, event_abi_to_log_topic, function_abi_to_4byte_selector
from real_anvil import BOARD, GAS, RELAYER, START, Chain, Contracts, anvil, encoded, person
from signature_cases import (
    CASE_BITS,
    LIMIT,
    PALLET_BITS,
    ROOT,
    Case,
    Cast,
    Event,
    cases,
    digest,
    preparation,
    prescriptions,
)
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.types import TxReceipt

from theriac.consortium import Join, Role
from theriac.ledger.typed import Domain, Message
from theriac.medicine.messages import Handoff, Take

LICENCE = Role.CLINICIAN | Role.PRESCRIBER | Role.LABORATORY | Role.DEVICE | Role.GATEWAY
HOSPITAL = person("hospital")
DOCTOR = person("doctor")
STRANGER = person("stranger")

MAKER, WHOLESALER = person("maker"), person("wholesaler")
PHARMACY, PHARMACIST = person("pharmacy"), person("pharmacist")

# The members, in the order in which the board admits them.
HOSPITAL_NUMBER, CLINIC_NUMBER, MAKER_NUMBER, WHOLESALER_NUMBER, PHARMACY_NUMBER = 1, 2, 3, 4, 5
CLINIC = person("clinic")

EMPLOYERS = {HOSPITAL_NUMBER: HOSPITAL, MAKER_NUMBER: MAKER, PHARMACY_NUMBER: PHARMACY}

# What the maker lets the cold chain do for it.
REPORT_EXCURSION_FOR = 4

SIGNERS = {
    "controller": person("patient"),
    "publisher": person("publisher"),
    "successor": person("new wallet"),
    "joiner": person("newcomer"),
    "leaver": person("nurse"),
    "giver": person("packer"),
    "logger": person("logger"),
    "prescriber": person("prescriber"),
    "bearer": person("bearer"),
}
"""Whose keys sign for the names of the cast."""


@dataclass(frozen=True)
class Refusal:
    """The error by which a contract refuses, with its facts."""

    error: str
    facts: Mapping[str, Any]


def wrong_signature(signer: str) -> Refusal:
    return Refusal("WrongSignature", {"signer": signer})


@dataclass(frozen=True)
class Stage:
    """A chain on which every row of the table counts now, if nothing is wrong with it."""

    chain: Chain
    contracts: Contracts
    domains: Mapping[str, Domain]
    cast: Cast
    table: Mapping[str, Case]
    signers: Mapping[str, LocalAccount]

    def contract(self, message: Message) -> Contract:
        """The contract that takes the message."""
        found: Contract = getattr(self.contracts, message.CONTRACT.lower())
        return found

    def sign(self, message: Message, *signers: LocalAccount, domain: Domain | None = None) -> tuple[bytes, ...]:
        """Their signatures over a message, in the domain of the contract that takes it or in another."""
        signable = message.signable(domain or self.domains[message.CONTRACT])
        return tuple(bytes(signer.sign_message(signable).signature) for signer in signers)

    def signatures(
        self, name: str, *, message: Message | None = None, domain: Domain | None = None
    ) -> tuple[bytes, ...]:
        """The signatures that a row of the table asks for, over its message or another."""
        case = self.table[name]
        return self.sign(message or case.message, *(self.signers[each] for each in case.signers), domain=domain)

    def send(self, name: str, *signatures: bytes) -> list[Event]:
        """Carries a row's message with these signatures or the right ones; returns what the contracts told."""
        message = self.table[name].message
        return self.told(self.carry(message, *(signatures or self.signatures(name))))

    def refusal(self, name: str, *signatures: bytes, message: Message | None = None) -> Refusal | None:
        """By what error a row's message, or another instead, would be refused; nothing where it would count."""
        asked = message or self.table[name].message
        return self.refusal_of(asked, *asked.arguments(*(signatures or self.signatures(name, message=asked))))

    def refusal_of(self, message: Message, *arguments: Any, sender: LocalAccount | None = None) -> Refusal | None:
        """The same for a call of the message's function with any arguments."""
        call = self.contract(message).functions[message.FUNCTION](*arguments)
        return self.refusal_of_call(call, sender=sender or self.sender(message))

    def refusal_of_call(self, call: ContractFunction, *, sender: LocalAccount) -> Refusal | None:
        """The same for any call."""
        data = "0x" + encoded(call).hex()
        asked = {"from": sender.address, "to": call.address, "data": data, "gas": hex(GAS)}
        answer = self.chain.web3.provider.make_request("eth_call", [asked, "latest"])
        return refusal_in(call.contract_abi, answer["error"]) if "error" in answer else None

    def carry(self, message: Message, *signatures: bytes, sender: LocalAccount | None = None) -> TxReceipt:
        """Sends a message that must count. Members take on staff and take over goods themselves, and a pharmacist takes
        prescriptions; anyone carries the rest.
        """
        call = self.contract(message).functions[message.FUNCTION](*message.arguments(*signatures))
        return self.chain.send(sender or self.sender(message), call)

    def told(self, receipt: TxReceipt) -> list[Event]:
        """What the project's contracts told in a transaction; the end of a hold in seconds from then."""
        contracts = {contract.address: contract for contract in vars(self.contracts).values()}
        told = [event_of(contracts[log["address"]], log) for log in receipt["logs"] if log["address"] in contracts]
        for event in told:
            if event.name == "Taken":
                event.arguments["ends"] -= self.chain.web3.eth.get_block(receipt["blockNumber"])["timestamp"]
        return told

    def sender(self, message: Message) -> LocalAccount:
        match message:
            case Join(member=member):
                return EMPLOYERS[member]
            case Handoff():
                return WHOLESALER
            case Take():
                return PHARMACIST
        return RELAYER

    def who(self, name: str, place: int = 0) -> str:
        """Whose signature the contract finds wrong: for a publication always the controller's."""
        signer = "controller" if name.startswith("Publish") else self.table[name].signers[place]
        return str(getattr(self.cast, signer))

    def played_by(self, cast: Cast, signers: Mapping[str, LocalAccount], *, prepared: bool = True) -> "Stage":
        """The same stage with another cast; unless it is prepared already, the preparation is carried for it."""
        other = replace(self, cast=cast, table=cases(cast), signers=signers)
        if not prepared:
            other.prepare()
        return other

    def prepare(self) -> None:
        """Carries what must come before the table, and takes on those whom it finds taken on."""
        for name, member, role in (
            ("leaver", self.cast.member, Role.CLINICIAN),
            ("giver", self.cast.maker, Role.MAKER),
            ("logger", self.cast.maker, Role.DEVICE),
            ("prescriber", self.cast.member, Role.PRESCRIBER),
        ):
            employ = Join(getattr(self.cast, name), member, role, 0, self.cast.deadline)
            self.carry(employ, *self.sign(employ, self.signers[name]))
        for signed in preparation(self.cast):
            self.carry(signed.message, *self.sign(signed.message, *(self.signers[each] for each in signed.signers)))
        record = (self.cast.pseudonym, digest("record"), 1, self.cast.midnight(1))
        self.chain.send(DOCTOR, self.contracts.records.functions.anchor(*record))

    def prescribe_for(self, bearer: str) -> None:
        """Has the prescriber prescribe for another bearer what the table's bearer may take and cancel."""
        for prescription in prescriptions(self.cast):
            _, _, lines, file = prescription.terms.tuple
            prescribe = self.contracts.prescriptions.functions.prescribe(bearer, lines, file)
            self.chain.send(self.signers["prescriber"], prescribe)


@contextmanager
def open_stage(*, hardfork: str = "prague") -> Iterator[Stage]:
    """A stage of its own where everyone's account is a key."""
    with anvil(hardfork=hardfork) as chain:
        contracts = Contracts.deploy(chain)
        yield found(chain, contracts)


def found(chain: Chain, contracts: Contracts) -> Stage:
    """Admits the members, takes on the doctor and prepares the table for people with keys."""
    people = {name: account.address for name, account in SIGNERS.items()}
    cast = Cast(
        pseudonym=SIGNERS["controller"].address,
        reader=DOCTOR.address,
        daughter=person("daughter").address,
        member=HOSPITAL_NUMBER,
        now=START,
        **people,
    )
    domains = {name: Domain.of(contract) for name, contract in contracts.by_name.items() if name != "Carrier"}
    stage = Stage(chain, contracts, domains, cast, cases(cast), SIGNERS)

    admit = contracts.consortium.functions.admit
    chain.send(BOARD, admit(HOSPITAL.address, int(LICENCE), 3, cast.midnight(365)))
    chain.send(BOARD, admit(CLINIC.address, int(Role.CLINICIAN), 3, cast.midnight(365)))
    chain.send(BOARD, admit(MAKER.address, int(Role.MAKER | Role.DEVICE), 3, cast.midnight(365)))
    chain.send(BOARD, admit(WHOLESALER.address, int(Role.DISTRIBUTOR), 3, cast.midnight(365)))
    chain.send(BOARD, admit(PHARMACY.address, int(Role.PHARMACIST), 3, cast.midnight(365)))
    commission(chain, contracts, cast)
    for account, member, role in (
        (DOCTOR, HOSPITAL_NUMBER, Role.CLINICIAN),
        (PHARMACIST, PHARMACY_NUMBER, Role.PHARMACIST),
    ):
        employ = Join(account.address, member, role, 0, cast.deadline)
        stage.carry(employ, *stage.sign(employ, account))
    stage.prepare()
    return stage


def commission(chain: Chain, contracts: Contracts, cast: Cast) -> None:
    """Has the maker commission a batch, say what it bears, and let the cold chain block for it."""
    words = (digest("product"), digest("lot"), digest("tag"))
    terms = (ROOT, *words, 0, digest("manifest"), cast.midnight(700), PALLET_BITS, CASE_BITS)
    coldchain = contracts.coldchain
    chain.send(MAKER, contracts.batches.functions.commission(terms))
    chain.send(MAKER, coldchain.functions.setLimit(cast.batch, LIMIT))
    chain.send(MAKER, contracts.consortium.functions.setOperator(coldchain.address, REPORT_EXCURSION_FOR))


def refusal_in(abi: Sequence[Any], answer: Mapping[str, Any]) -> Refusal:
    """The error of the ABI that a node's answer holds; the node's own words where it holds none."""
    data = bytes.fromhex(str(answer.get("data") or "0x").removeprefix("0x"))
    for entry in abi:
        if entry["type"] == "error" and function_abi_to_4byte_selector(entry) == data[:4]:
            return Refusal(entry["name"], _named(entry["inputs"], data[4:]))
    return Refusal("", {"message": answer["message"], "data": data})


def event_of(contract: Contract, log: Mapping[str, Any]) -> Event:
    """A log as the event of the contract's ABI. No event here indexes what the chain would keep as a hash."""
    (entry,) = (
        entry
        for entry in contract.abi
        if entry["type"] == "event" and event_abi_to_log_topic(entry) == bytes(log["topics"][0])
    )
    indexed = [part for part in entry["inputs"] if part["indexed"]]
    plain = [part for part in entry["inputs"] if not part["indexed"]]
    topics = b"".join(bytes(topic) for topic in log["topics"][1:])
    values = _named(indexed, topics) | _named(plain, bytes(log["data"]))
    return Event(entry["name"], {part["name"]: values[part["name"]] for part in entry["inputs"]})


def _named(parts: Any, data: bytes) -> dict[str, Any]:
    values = decode([collapse_if_tuple(part) for part in parts], data)
    return {part["name"]: _plain(part["type"], value) for part, value in zip(parts, values, strict=True)}


def _plain(kind: str, value: Any) -> Any:
    if kind == "address":
        return to_checksum_address(value)
    return list(value) if isinstance(value, tuple) else value

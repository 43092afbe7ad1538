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
from signature_cases import CASE_BITS, LIMIT, PALLET_BITS, cases, preparation, prescriptions
from signature_cast import ROOT, Case, Cast, Event, Signed, digest
from signature_cover import (
    OBSERVATION,
    PLANS,
    STOCK,
    agreement,
    claim,
    claims_before,
    encounters,
    episode,
    plan,
    settled,
    stock,
    terms_of_plan,
)
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.types import TxReceipt

from theriac.consortium import Join, Role
from theriac.cover.messages import Agreement, Claim
from theriac.ledger.typed import Domain, Message
from theriac.medicine.messages import Handoff, Take

# The node of a whole batch.
WHOLE = 1

# Why an emergency is stated, as the chain numbers it.
CANNOT_BE_ASKED = 1

LICENCE = Role.CLINICIAN | Role.PRESCRIBER | Role.LABORATORY | Role.DEVICE | Role.GATEWAY
HOSPITAL = person("hospital")
DOCTOR = person("doctor")
STRANGER = person("stranger")

MAKER, WHOLESALER = person("maker"), person("wholesaler")
PHARMACY, PHARMACIST = person("pharmacy"), person("pharmacist")

# The members, in the order in which the board admits them.
HOSPITAL_NUMBER, CLINIC_NUMBER, MAKER_NUMBER, WHOLESALER_NUMBER, PHARMACY_NUMBER = 1, 2, 3, 4, 5
INSURER_NUMBER, AUTHORITY_NUMBER = 6, 7
CLINIC, INSURER, AUTHORITY = person("clinic"), person("insurer"), person("authority")

EMPLOYERS = {
    HOSPITAL_NUMBER: HOSPITAL,
    CLINIC_NUMBER: CLINIC,
    MAKER_NUMBER: MAKER,
    WHOLESALER_NUMBER: WHOLESALER,
    PHARMACY_NUMBER: PHARMACY,
    INSURER_NUMBER: INSURER,
    AUTHORITY_NUMBER: AUTHORITY,
}
"""The members' own accounts."""

# What members let contracts do for them: report excursions, dispense and fill, hold money.
REPORT_EXCURSION_FOR, DISPENSE_AND_FILL_FOR, HOLD_FOR = 4, 1 | 2, 8

COUNTED = {"Taken": "ends", "GuardiansSet": "since", "Started": "ends"}
"""What the contracts tell of times to come, by event."""

# What the insurer puts aside for each plan.
FUNDS = 10**12

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
    "therapist": person("therapist"),
    "underwriter": person("underwriter"),
    "arbiter": person("arbiter"),
    "assessor": person("assessor"),
    "delegate": person("delegate"),
}
"""Whose keys sign for the names of the cast."""


@dataclass(frozen=True)
class Refusal:
    """The error by which a contract refuses, with its facts."""

    error: str
    facts: Mapping[str, Any]


def wrong_signature(signer: str, *, to: Message | None = None) -> Refusal:
    """What says that this account did not sign; a claim is refused for want of its consent."""
    if isinstance(to, Claim):
        return Refusal("NoConsent", {"controller": signer})
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
        """Sends a message that must count. Members take on staff and take over goods themselves, a pharmacist takes
        prescriptions, providers claim and an insurer opens episodes; anyone carries the rest.
        """
        call = self.contract(message).functions[message.FUNCTION](*message.arguments(*signatures))
        return self.chain.send(sender or self.sender(message), call)

    def told(self, receipt: TxReceipt) -> list[Event]:
        """What the project's contracts told in a transaction; what begins or ends later in seconds from then."""
        contracts = {contract.address: contract for contract in vars(self.contracts).values()}
        told = [event_of(contracts[log["address"]], log) for log in receipt["logs"] if log["address"] in contracts]
        for event in told:
            if event.name in COUNTED:
                event.arguments[COUNTED[event.name]] -= self.chain.web3.eth.get_block(receipt["blockNumber"])[
                    "timestamp"
                ]
        return told

    def sender(self, message: Message) -> LocalAccount:
        match message:
            case Join(member=member):
                return EMPLOYERS[member]
            case Handoff():
                return WHOLESALER
            case Take():
                return PHARMACIST
            case Claim(provider=member):
                return PHARMACIST if member == PHARMACY_NUMBER else DOCTOR
            case Agreement():
                return INSURER
        return RELAYER

    def who(self, name: str, place: int | None = None) -> str:
        """Whose signature the contract finds wrong: for a publication always the controller's. Where no place is named
        it is the first that the contract looks at.
        """
        case = self.table[name]
        signer = "controller" if name.startswith("Publish") else case.signers[case.first if place is None else place]
        return str(getattr(self.cast, signer))

    def wrong(self, name: str, place: int | None = None) -> Refusal:
        """By which error the contract says so."""
        return wrong_signature(self.who(name, place), to=self.table[name].message)

    def played_by(self, cast: Cast, signers: Mapping[str, LocalAccount], *, prepared: bool = True) -> "Stage":
        """The same stage with another cast; unless it is prepared already, the preparation is carried for it."""
        if not prepared:
            opened = self.contracts.emergencies.functions.caseCount().call()
            cast = replace(cast, emergency=opened + 1, clinician=clinician_of(cast).address)
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
            ("therapist", self.cast.member, Role.CLINICIAN),
            ("underwriter", self.cast.insurer, Role.INSURER),
            ("arbiter", self.cast.authority, Role.REGULATOR),
            ("assessor", self.cast.clinic, Role.CLINICIAN),
        ):
            employ = Join(getattr(self.cast, name), member, role, 0, self.cast.deadline)
            self.carry(employ, *self.sign(employ, self.signers[name]))
        self._carry_signed(preparation(self.cast))
        self.anchor(DOCTOR, digest("record"), *encounters(self.cast))
        self.anchor(CLINIC, OBSERVATION)
        self._carry_signed(claims_before(self.cast))

        refuted, delivered = claim(self.cast, "refuted"), episode(agreement(self.cast, "delivered"))
        refute = self.contracts.appeals.functions.refute(settled(refuted), 1, digest("openings"))
        self.chain.send(INSURER, refute)
        deliver = self.contracts.episodes.functions.deliver(delivered, digest("encounter, delivered"))
        self.chain.send(DOCTOR, deliver)
        self.break_glass()

    def break_glass(self) -> None:
        """Has a clinician of the cast's own state an emergency about the pseudonym."""
        clinician = clinician_of(self.cast)
        employ = Join(clinician.address, self.cast.member, Role.CLINICIAN, 0, self.cast.deadline)
        self.carry(employ, *self.sign(employ, clinician))
        terms = (self.cast.pseudonym, 1, CANNOT_BE_ASKED, digest("sealed words"))
        self.chain.send(clinician, self.contracts.emergencies.functions.open(*terms))

    def _carry_signed(self, messages: Sequence[Signed]) -> None:
        for signed in messages:
            self.carry(signed.message, *self.sign(signed.message, *(self.signers[each] for each in signed.signers)))

    def anchor(self, writer: LocalAccount, *digests: bytes) -> None:
        """Has a writer anchor records under the pseudonym."""
        terms = (self.cast.pseudonym, list(digests), 1, self.cast.midnight(1))
        self.chain.send(writer, self.contracts.records.functions.anchorMany(*terms))

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


def clinician_of(cast: Cast) -> LocalAccount:
    """Who breaks the glass for the cast's pseudonym."""
    return person(f"clinician in an emergency of {cast.pseudonym}")


def found(chain: Chain, contracts: Contracts) -> Stage:
    """Admits the members, takes on the doctor and prepares the table for people with keys."""
    coin = chain.deploy("Coin", 6)
    people = {name: account.address for name, account in SIGNERS.items()}
    cast = Cast(
        pseudonym=SIGNERS["controller"].address,
        reader=DOCTOR.address,
        daughter=person("daughter").address,
        member=HOSPITAL_NUMBER,
        now=START,
        accounts={member: account.address for member, account in EMPLOYERS.items()},
        contracts={name: each.address for name, each in contracts.by_name.items()} | {"Coin": coin.address},
        **people,
    )
    cast = replace(cast, clinician=clinician_of(cast).address)
    domains = {name: Domain.of(each) for name, each in contracts.by_name.items() if takes_signatures(each)}
    stage = Stage(chain, contracts, domains, cast, cases(cast), SIGNERS)

    admit = contracts.consortium.functions.admit
    for member, roles in (
        (HOSPITAL, LICENCE),
        (CLINIC, Role.CLINICIAN),
        (MAKER, Role.MAKER | Role.DEVICE),
        (WHOLESALER, Role.DISTRIBUTOR),
        (PHARMACY, Role.PHARMACIST),
        (INSURER, Role.INSURER),
        (AUTHORITY, Role.REGULATOR),
    ):
        chain.send(BOARD, admit(member.address, int(roles), 3, cast.midnight(365)))
    for account, number, role in (
        (DOCTOR, HOSPITAL_NUMBER, Role.CLINICIAN),
        (PHARMACIST, PHARMACY_NUMBER, Role.PHARMACIST),
    ):
        employ = Join(account.address, number, role, 0, cast.deadline)
        stage.carry(employ, *stage.sign(employ, account))
    commission(chain, contracts, cast)
    insure(chain, contracts, cast, coin)
    stage.prepare()
    return stage


def takes_signatures(contract: Contract) -> bool:
    """Whether the contract has a domain (ERC-5267)."""
    return any(entry.get("name") == "eip712Domain" for entry in contract.abi)


def commission(chain: Chain, contracts: Contracts, cast: Cast) -> None:
    """Has the maker commission two batches, of which the pharmacy gets one, say what the other bears, and let the cold
    chain block for it.
    """
    words = (digest("product"), digest("lot"), digest("tag"))
    coldchain, batches, consortium = contracts.coldchain, contracts.batches, contracts.consortium
    for root in (ROOT, STOCK.root):
        terms = (root, *words, 0, digest("manifest"), cast.midnight(700), PALLET_BITS, CASE_BITS)
        chain.send(MAKER, batches.functions.commission(terms))
    offer = batches.functions.offer(stock(cast), WHOLE, cast.pharmacy, cast.midnight(1), digest("sheet"))
    chain.send(MAKER, offer)
    chain.send(PHARMACIST, batches.functions.accept(stock(cast), WHOLE, []))
    chain.send(MAKER, coldchain.functions.setLimit(cast.batch, LIMIT))
    chain.send(MAKER, consortium.functions.setOperator(coldchain.address, REPORT_EXCURSION_FOR))


def insure(chain: Chain, contracts: Contracts, cast: Cast, coin: Contract) -> None:
    """Has the insurer publish its plans and put money aside for them, and lets the contracts act for their members."""
    escrow, consortium = contracts.escrow, contracts.consortium
    chain.send(INSURER, coin.functions.mint(INSURER.address, len(PLANS) * FUNDS))
    chain.send(INSURER, coin.functions.approve(escrow.address, len(PLANS) * FUNDS))
    for name in PLANS:
        chain.send(INSURER, contracts.policies.functions.publish(terms_of_plan(cast, name)))
        chain.send(INSURER, escrow.functions.deposit(plan(cast, name), FUNDS))
    chain.send(INSURER, consortium.functions.setOperator(contracts.episodes.address, HOLD_FOR))
    chain.send(PHARMACY, consortium.functions.setOperator(contracts.claims.address, DISPENSE_AND_FILL_FOR))


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

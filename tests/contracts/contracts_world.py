"""What the contracts' tests stand on: people by their roles, the contracts they use, time in full hours, signatures."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import ape
from ape.api import ReceiptAPI, TestAccountAPI
from ape.contracts import ContractInstance
from ape.exceptions import ContractLogicError, CustomError
from compiling import compile_if_changed
from eth_account import Account
from eth_utils import keccak

from theriac.consortium import JOIN_WINDOW, Join, Leave, Role
from theriac.health import messages
from theriac.ledger.typed import Domain, Message

HOUR, DAY = 3600, 24 * 3600

ZERO = "0x" + "00" * 20
"""The address of nobody."""

NOTHING = bytes(32)
"""The digest of nothing."""

PEOPLE = (
    "board",  # decides who is a member
    "recovery",  # stands where the recovery contract will: it may freeze a pseudonym and give it to another account
    "relayer",  # sends what others signed; belongs to no member
    "stranger",  # belongs to nothing
    "hospital",  # acts for member 1
    "clinic",  # acts for member 2
    "insurer",  # acts for member 3
    "authority",  # acts for member 4
    "doctor",  # of the hospital: clinician and prescriber
    "nurse",  # of the hospital: clinician
    "technician",  # of the hospital: laboratory, so she writes and does not treat
    "clerk",  # of the hospital: gateway, so she neither writes nor treats
    "colleague",  # of the clinic: clinician
    "adjuster",  # of the insurer: insurer
    "auditor",  # of the authority: auditor
    "patient",  # a pseudonym that controls itself
    "sibling",  # another pseudonym
    "publisher",  # the key that may publish for the patient once it is appointed
    "new_phone",  # the wallet that the patient moves to
    "newcomer",  # a person who is about to join a member
)
"""Who has an account in every test, in the order of Ape's test accounts."""


@dataclass(frozen=True)
class Members:
    """The numbers of the members that the board admitted, and what they are licensed as."""

    hospital: int = 1
    clinic: int = 2
    insurer: int = 3
    authority: int = 4


MEMBERS = Members()

LICENCES = {
    "hospital": Role.CLINICIAN | Role.PRESCRIBER | Role.LABORATORY | Role.DEVICE | Role.GATEWAY,
    "clinic": Role.CLINICIAN | Role.PHARMACIST,
    "insurer": Role.INSURER,
    "authority": Role.REGULATOR | Role.AUDITOR,
}

STAFF = {
    "doctor": (MEMBERS.hospital, Role.CLINICIAN | Role.PRESCRIBER),
    "nurse": (MEMBERS.hospital, Role.CLINICIAN),
    "technician": (MEMBERS.hospital, Role.LABORATORY),
    "clerk": (MEMBERS.hospital, Role.GATEWAY),
    "colleague": (MEMBERS.clinic, Role.CLINICIAN),
    "adjuster": (MEMBERS.insurer, Role.INSURER),
    "auditor": (MEMBERS.authority, Role.AUDITOR),
}

TIER = 3
LICENCE_DAYS = 365


@dataclass(frozen=True)
class Clock:
    """The chain's time, in whole seconds since 1970. Tests begin within seconds of `start`, a full hour."""

    start: int

    @property
    def now(self) -> int:
        """The time of the latest block, which is what a call sees. A transaction comes a second later."""
        return ape.chain.blocks.head.timestamp

    def hour(self, number: int) -> int:
        """The full hour that lies `number` hours after the start."""
        return self.start + number * HOUR

    def day(self, number: int) -> int:
        """The full hour that lies `number` days after the start."""
        return self.start + number * DAY

    def travel(self, to: int) -> None:
        """Mines an empty block at `to`, so that calls see that time."""
        ape.chain.pending_timestamp = to + 1
        assert self.now == to

    def next(self, at: int) -> None:
        """Lets the next transaction be mined at `at`."""
        ape.chain.pending_timestamp = at

    def soon(self) -> int:
        """A deadline that every message takes: ten minutes ahead."""
        return self.now + 600


@dataclass(frozen=True)
class World:
    """The contracts, the people by name, and the licences' common end."""

    consortium: ContractInstance
    keys: ContractInstance
    records: ContractInstance
    grants: ContractInstance
    letters: ContractInstance
    accesslog: ContractInstance
    carrier: ContractInstance
    batches: ContractInstance
    coldchain: ContractInstance
    prescriptions: ContractInstance
    policies: ContractInstance
    rules: ContractInstance
    authorizations: ContractInstance
    escrow: ContractInstance
    benefits: ContractInstance
    claims: ContractInstance
    appeals: ContractInstance
    episodes: ContractInstance
    questions: ContractInstance
    people: dict[str, TestAccountAPI]
    clock: Clock
    licence_expiry: int

    def contract(self, name: str) -> ContractInstance:
        """The contract of that name, `Keys` say."""
        found: ContractInstance = getattr(self, name.lower())
        return found

    def sign(self, message: Message, *, by: TestAccountAPI, contract: ContractInstance | None = None) -> bytes:
        """The signature of an account's key over the message, in the domain of the contract that takes it."""
        return sign(message, by=by, contract=contract or self.contract(message.CONTRACT))

    def send(self, message: Message, *signatures: bytes, sender: TestAccountAPI) -> ReceiptAPI:
        """Carries a signed message to its contract."""
        return self._function(message)(*message.arguments(*signatures), sender=sender)

    def try_sending(self, message: Message, *signatures: bytes, sender: TestAccountAPI) -> Any:
        """The same as a call, which leaves no trace: for what is refused."""
        return self._function(message).call(*message.arguments(*signatures), sender=sender)

    def _function(self, message: Message) -> Any:
        return getattr(self.contract(message.CONTRACT), message.FUNCTION)


@dataclass(frozen=True)
class Way:
    """One of the two ways in: the controller sends the act itself, or signs it and the relayer sends it."""

    world: World
    signed: bool

    def do(self, message: Message, *, by: TestAccountAPI) -> ReceiptAPI:
        """Does what the message says, by the account's will."""
        receipt: ReceiptAPI = self._prepared(message, by)(lambda function: function)
        return receipt

    def attempt(self, message: Message, *, by: TestAccountAPI) -> Any:
        """The same as a call, which leaves no trace: for what is refused."""
        return self._prepared(message, by)(lambda function: function.call)

    def _prepared(self, message: Message, by: TestAccountAPI) -> Any:
        contract = self.world.contract(message.CONTRACT)
        if self.signed:
            name, arguments = message.FUNCTION, message.arguments(self.world.sign(message, by=by))
            sender = self.world.people["relayer"]
        else:
            name, arguments = directly(message)
            sender = by
        return lambda how: how(getattr(contract, name))(*arguments, sender=sender)


def directly(message: Message) -> tuple[str, tuple[Any, ...]]:
    """The function that its controller calls instead of signing the message, and what it is called with."""
    match message:
        case Leave():
            return "leave", ()
        case messages.Publish(pseudonym, version, bundle):
            return "publish", (pseudonym, version, bundle)
        case messages.Rotate(pseudonym, version, bundle, publisher):
            return "rotate", (pseudonym, version, bundle, publisher)
        case messages.SetPublisher(pseudonym, publisher):
            return "setPublisher", (pseudonym, publisher)
        case messages.RevokeEverything(pseudonym):
            return "raiseEra", (pseudonym,)
        case messages.Grant():
            return "grant", (message.terms(),)
        case messages.Narrow(pseudonym, reader, purpose, scope, expiry):
            return "narrow", (pseudonym, reader, purpose.number, scope, expiry)
        case messages.Revoke(pseudonym, reader, purpose):
            return "revoke", (pseudonym, reader, purpose.number)
        case messages.SetParent(pseudonym, by, holder, expiry):
            return "setParent", (pseudonym, by, holder, expiry)
        case messages.Report(pseudonym, digests, version, before):
            return "report", (pseudonym, digests, version, before)
        case messages.Reseal(pseudonym, _, version, before):
            return "reseal", (pseudonym, message.rows(), version, before)
        case messages.Amend(pseudonym, messages.DISOWN, old, _):
            return "disown", (pseudonym, old)
        case messages.Amend(pseudonym, act, old, new):
            return ("supersede" if act == messages.SUPERSEDE else "correct"), (pseudonym, old, new)
        case messages.Letter(sender, to, letter):
            return "send", (sender, to, letter)
    raise AssertionError(f"{message.TYPE} has no direct call")


def sign(message: Message, *, by: TestAccountAPI, contract: ContractInstance) -> bytes:
    """The signature of an account's key over the message, in the contract's domain."""
    signed = Account.from_key(by.private_key).sign_message(message.signable(domain_of(contract)))
    return bytes(signed.signature)


@cache
def _domain(address: str) -> Domain:
    named = ape.Contract(address).eip712Domain()
    return Domain(named.name, named.version, named.chainId, named.verifyingContract)


def domain_of(contract: ContractInstance) -> Domain:
    """The EIP-712 domain that the contract itself names."""
    return _domain(contract.address)


def ask(questions: ContractInstance, target: ContractInstance, asked: list[bytes], *, at_once: int = 300) -> list[int]:
    """The answers of `target` to encoded questions, each a number, in few calls."""
    answers: list[bytes] = []
    for first in range(0, len(asked), at_once):
        answers += questions.ask(target, asked[first : first + at_once])
    return [int.from_bytes(answer) for answer in answers]


def borrow_code(account: TestAccountAPI, lender: ContractInstance, *, payer: TestAccountAPI) -> None:
    """Lets an account with a key borrow a contract's code (EIP-7702); the payer sends the transaction.

    Ape knows no such transactions, so this one goes to the embedded chain past it.
    """
    web3, chain = ape.chain.provider.web3, ape.chain.provider.tester.ethereum_tester
    permission = Account.from_key(account.private_key).sign_authorization(
        {"chainId": web3.eth.chain_id, "address": lender.address, "nonce": account.nonce}
    )
    transaction = {
        "chainId": web3.eth.chain_id,
        "nonce": payer.nonce,
        "gas": 100_000,
        "maxFeePerGas": 10**10,
        "maxPriorityFeePerGas": 0,
        "to": account.address,
        "value": 0,
        "data": b"",
        "authorizationList": [permission],
    }
    signed = Account.from_key(payer.private_key).sign_transaction(transaction)
    chain.backend.send_raw_transaction(signed.raw_transaction)
    chain.mine_block()
    assert web3.eth.get_code(account.address) == bytes.fromhex("ef0100" + lender.address[2:])


@contextmanager
def refused(error: type[CustomError], **facts: Any) -> Iterator[None]:
    """Expects exactly this error with exactly these facts.

    `ape.reverts` alone lets pass a failure without an error of the contract's (out of gas, a panic), one that it
    cannot read, and a fact that the error does not have or that the test does not name.
    """
    with ape.reverts(error) as info:
        yield
    expected = {name: _plain(fact) for name, fact in facts.items()}
    if isinstance(info.value, error):
        assert info.value.inputs == expected
    else:
        assert _unread(info.value, error) == expected, f"expected {error.__name__}, got {info.value!r}"


def _unread(raised: ContractLogicError, error: type[CustomError]) -> dict[str, Any] | None:
    """The facts of an error that Ape left unread: it stumbles over those with a quotation mark among their bytes."""
    message = raised.revert_message or ""
    data = ast.literal_eval(message) if message.startswith('b"') else b""
    if isinstance(raised, CustomError) or data[:4] != keccak(text=error.abi.selector)[:4]:
        return None

    facts: dict[str, Any] = ape.networks.ethereum.decode_calldata(error.abi, data[4:])
    return facts


@contextmanager
def refused_without_reason() -> Iterator[None]:
    """Expects a revert that names no error of the contract's."""
    with ape.reverts() as info:
        yield
    assert isinstance(info.value, ContractLogicError)
    assert not isinstance(info.value, CustomError), f"expected no named error, got {info.value!r}"


def _plain(fact: Any) -> Any:
    return getattr(fact, "address", fact)


def digest(text: str) -> bytes:
    """32 bytes that stand for the digest of a sealed document."""
    return bytes(keccak(text=text))


def found(people: dict[str, TestAccountAPI]) -> World:
    """Deploys the contracts, admits the members and takes on their staff; the start is the next full hour."""
    compile_if_changed()
    board, deployer = people["board"], people["relayer"]
    dawn = (ape.chain.blocks.head.timestamp // HOUR + 2) * HOUR
    clock = Clock(start=dawn + HOUR)
    clock.next(at=dawn)

    consortium = ape.project.Consortium.deploy(board, sender=deployer)
    keys = ape.project.Keys.deploy(people["recovery"], sender=deployer)
    records = ape.project.Records.deploy(consortium, keys, sender=deployer)
    batches = ape.project.Batches.deploy(consortium, sender=deployer)
    prescriptions = ape.project.Prescriptions.deploy(consortium, sender=deployer)
    policies = ape.project.Policies.deploy(consortium, keys, sender=deployer)
    rules = ape.project.Rules.deploy(sender=deployer)
    authorizations = ape.project.Authorizations.deploy(consortium, policies, sender=deployer)
    escrow = ape.project.Escrow.deploy(consortium, policies, sender=deployer)
    benefits = ape.project.Benefits.deploy(consortium, records, policies, rules, authorizations, sender=deployer)
    of_claims = (consortium, keys, batches, prescriptions, policies, benefits, escrow)
    claims = ape.project.Claims.deploy(*of_claims, sender=deployer)
    world = World(
        consortium=consortium,
        keys=keys,
        records=records,
        grants=ape.project.Grants.deploy(consortium, keys, sender=deployer),
        letters=ape.project.Letters.deploy(keys, sender=deployer),
        accesslog=ape.project.AccessLog.deploy(consortium, sender=deployer),
        carrier=ape.project.Carrier.deploy(sender=deployer),
        batches=batches,
        coldchain=ape.project.ColdChain.deploy(consortium, batches, sender=deployer),
        prescriptions=prescriptions,
        policies=policies,
        rules=rules,
        authorizations=authorizations,
        escrow=escrow,
        benefits=benefits,
        claims=claims,
        appeals=ape.project.Appeals.deploy(consortium, keys, policies, claims, sender=deployer),
        episodes=ape.project.Episodes.deploy(consortium, keys, records, policies, escrow, sender=deployer),
        questions=ape.project.Questions.deploy(sender=deployer),
        people=people,
        clock=clock,
        licence_expiry=clock.day(LICENCE_DAYS),
    )

    for name, licence in LICENCES.items():
        consortium.admit(people[name], int(licence), TIER, world.licence_expiry, sender=board)
    for name, (member, roles) in STAFF.items():
        join = Join(people[name].address, member, roles, 0, dawn + JOIN_WINDOW)
        employer = consortium.memberOf(member).account
        world.send(join, world.sign(join, by=people[name]), sender=ape.accounts.test_accounts[employer])

    clock.travel(to=clock.start)
    return world

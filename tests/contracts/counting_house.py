"""An insurer's counting house on a real anvil: members, a plan with money behind it, a patient, packs, prescriptions.

What is to be refused is asked for in calls, which leave no trace. Schedules are trees that this file makes itself, from
the contracts' words alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, TypeVar

from eth_abi import encode
from eth_account.signers.local import LocalAccount
from eth_utils import keccak
from pack_tree import PACKS, Tree, pack
from real_anvil import BOARD, GAS, Chain, Contracts, anvil, encoded, person
from signature_cases import Event
from signature_stage import Refusal, event_of, refusal_in
from web3.contract import Contract

from theriac.consortium import Join, Role
from theriac.cover.messages import NONE, Claim, Enrol, Line, evidence_of
from theriac.ledger.typed import Domain, Message
from theriac.medicine.messages import Line as Prescribed
from theriac.medicine.messages import Take, Terms, hash_of

DAY, HOUR = 24 * 3600, 3600
NO_LIMIT = 2**64 - 1
ZERO = f"0x{0:040x}"

LICENCES = {
    "hospital": Role.CLINICIAN | Role.PRESCRIBER | Role.LABORATORY,
    "clinic": Role.CLINICIAN | Role.LABORATORY,
    "pharmacy": Role.PHARMACIST,
    "rival": Role.PHARMACIST,
    "insurer": Role.INSURER,
    "mutual": Role.INSURER,
    "authority": Role.AUDITOR | Role.REGULATOR,
    "maker": Role.MAKER,
}
"""The members in the order of their admission."""

TIERS = {"hospital": 3, "clinic": 1, "pharmacy": 1, "rival": 1}
"""Their grades; the others have 1."""

STAFF = {
    "doctor": ("hospital", Role.CLINICIAN | Role.PRESCRIBER),
    "colleague": ("clinic", Role.CLINICIAN),
    "chemist": ("hospital", Role.LABORATORY),
    "pharmacist": ("pharmacy", Role.PHARMACIST),
    "competitor": ("rival", Role.PHARMACIST),
    "adjuster": ("insurer", Role.INSURER),
    "reviewer": ("insurer", Role.INSURER),
    "actuary": ("mutual", Role.INSURER),
    "arbiter": ("authority", Role.AUDITOR),
}
NUMBERS = {name: number for number, name in enumerate(LICENCES, start=1)}
"""The members' numbers by name."""

DISPENSE_FOR, FILL_FOR, HOLD_FOR = 1, 2, 8

COVERED, NOT_COVERED, EXCLUDED, GOODS = range(4)
NOTHING, EVIDENCE, REVIEW, FUNDS = range(4)
NEW, PENDED, DECIDED, DISPUTED, REVERSED = range(5)

FIRST, LAST = 1000, 1364
"""The policy year's days."""


def digest(name: str) -> bytes:
    """The digest of a document in a test."""
    return keccak(text=f"theriac test: {name}")


def error(name: str, **facts: Any) -> Refusal:
    return Refusal(name, facts)


@dataclass(frozen=True)
class Benefit:
    """A row of a schedule, in the order of the contract."""

    service: bytes
    bundle: bytes = NONE
    kind: int = COVERED
    price: int = 100
    copay: int = 0
    coinsurance: int = 0
    deductible: bool = False
    authorization: bool = False
    review: bool = False
    waiting_days: int = 0
    most_units: int = 0
    yearly_units: int = 0
    grade: int = 0

    @property
    def tuple(self) -> tuple[Any, ...]:
        return tuple(vars(self).values())

    @property
    def leaf(self) -> bytes:
        kinds = ["bytes32", "bytes32", "uint8", "uint64", "uint64", "uint16", *["bool"] * 3, *["uint16"] * 3, "uint8"]
        return keccak(keccak(encode(kinds, list(self.tuple))))


VISIT = Benefit(digest("visit"), price=10_000, copay=1_000, coinsurance=2_000, deductible=True)
SCAN = Benefit(digest("scan"), price=40_000, coinsurance=1_500, authorization=True)
SHOT = Benefit(digest("shot"), price=2_500, yearly_units=2)
PANEL = Benefit(digest("panel"), bundle=digest("panels"), price=6_000)
PART = Benefit(digest("part of the panel"), bundle=digest("panels"), price=2_000)
SPA = Benefit(digest("spa"), kind=EXCLUDED)
WIG = Benefit(digest("wig"), kind=NOT_COVERED)
CROWN = Benefit(digest("crown"), price=50_000, waiting_days=90, coinsurance=5_000)
MAJOR = Benefit(digest("major surgery"), price=900_000, grade=3)
ODD = Benefit(digest("by report"), price=20_000, review=True)
PILLS = Benefit(digest("pills"), kind=GOODS, price=3_000, copay=500, most_units=2)
CREAM = Benefit(digest("cream"), kind=GOODS, price=6_000)
INFUSION = Benefit(digest("infusion"), kind=GOODS, price=20_000, review=True)
BRACE = Benefit(digest("brace"), kind=GOODS, price=50_000, waiting_days=90, coinsurance=5_000)
PHYSIO = Benefit(digest("physiotherapy"), price=3_000, copay=500, most_units=2)

SERVICES = (VISIT, SCAN, SHOT, PANEL, PART, SPA, WIG, CROWN, MAJOR, ODD, PILLS, CREAM, INFUSION, BRACE, PHYSIO)


class Schedule:
    """A tree over rows: leaves sorted, twice hashed, pairs sorted; an odd one goes up alone."""

    def __init__(self, rows: Sequence[Benefit]) -> None:
        self._levels = [sorted(row.leaf for row in rows)]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            pairs = [keccak(b"".join(sorted(below[i : i + 2]))) for i in range(0, len(below) - 1, 2)]
            self._levels.append(pairs + below[len(below) & ~1 :])

    @property
    def root(self) -> bytes:
        return self._levels[-1][0]

    def row(self, benefit: Benefit) -> tuple[Any, ...]:
        """The row with its proof, as the contracts take it."""
        place, proof = self._levels[0].index(benefit.leaf), []
        for level, _ in pairwise(self._levels):
            if place ^ 1 < len(level):
                proof.append(level[place ^ 1])
            place >>= 1
        return (benefit.tuple, proof)


@dataclass(frozen=True)
class Plan:
    """A plan in the order of the contract."""

    adjudicator: str
    insurer: int
    premium_days: int
    grace_days: int
    filing_days: int
    refute_days: int
    token: str
    arbiter: int
    appeal_days: int
    reversal_days: int
    appeals: str
    premium: int
    schedule: bytes
    document: bytes
    limits: tuple[int, ...] = (20_000, 30_000, 100_000, 150_000, NO_LIMIT, NO_LIMIT, NO_LIMIT)

    _KINDS = "(address,uint32,uint16,uint16,uint16,uint16,address,uint32,uint16,uint16,address,uint64,bytes32,bytes32,"
    _KINDS += "(uint64,uint64,uint64,uint64,uint64,uint64,uint64))"

    @property
    def tuple(self) -> tuple[Any, ...]:
        return tuple(vars(self).values())

    @property
    def id(self) -> bytes:
        return keccak(encode([self._KINDS], [self.tuple]))


@dataclass(frozen=True)
class Settled:
    """A claim as it was decided, as the contracts want it shown."""

    claim: Claim
    benefits: tuple[Benefit, ...]
    outcomes: tuple[tuple[int, ...], ...]
    batch: bytes = NONE
    index: int = 0

    @property
    def id(self) -> bytes:
        return self.claim.id

    @property
    def tuple(self) -> tuple[Any, ...]:
        rows = [benefit.tuple for benefit in self.benefits]
        return (self.claim.terms(), self.batch, self.index, rows, list(self.outcomes))


@dataclass
class House:
    """A chain with members, a coin, and what the tests do with them."""

    chain: Chain
    contracts: Contracts
    coin: Contract
    schedule: Schedule = field(default_factory=lambda: Schedule(SERVICES))
    others: dict[str, Contract] = field(default_factory=dict)
    domains: dict[str, Domain] = field(default_factory=dict)

    # -- saying something --------------------------------------------------------------------------------------------

    def account(self, who: str) -> LocalAccount:
        return person(who)

    def address(self, who: str) -> str:
        return person(who).address

    def contract(self, name: str) -> Contract:
        found: Contract = self.others[name] if name in self.others else self.contracts.by_name[name]
        return found

    def send(self, who: str, contract: str, function: str, *arguments: Any) -> list[Event]:
        """Sends what must count; what the contracts told."""
        receipt = self.chain.send(self.account(who), self.contract(contract).functions[function](*arguments))
        known = {each.address: each for each in (*self.contracts.by_name.values(), *self.others.values())}
        return [event_of(known[log["address"]], log) for log in receipt["logs"] if log["address"] in known]

    def refusal(self, who: str, contract: str, function: str, *arguments: Any) -> Refusal | None:
        """By what error it would be refused, of whatever contract; nothing where it would count."""
        call = self.contract(contract).functions[function](*arguments)
        asked = {"from": self.address(who), "to": call.address, "data": "0x" + encoded(call).hex(), "gas": hex(GAS)}
        answer = self.chain.web3.provider.make_request("eth_call", [asked, "latest"])  # type: ignore[arg-type]
        if "error" not in answer:
            return None
        # Several contracts have an error of the same words about different things: who is asked says which, or a claim.
        contracts = (
            self.contract(contract),
            self.contracts.claims,
            *reversed(self.contracts.by_name.values()),
            *self.others.values(),
        )
        abis = [entry for each in contracts for entry in each.abi if entry["type"] == "error"]
        return refusal_in(abis, answer["error"])

    def ask(self, contract: str, function: str, *arguments: Any) -> Any:
        return self.contract(contract).functions[function](*arguments).call()

    def signature(self, message: Message, by: str) -> bytes:
        if message.CONTRACT not in self.domains:
            self.domains[message.CONTRACT] = Domain.of(self.contracts.by_name[message.CONTRACT])
        signable = message.signable(self.domains[message.CONTRACT])
        return bytes(self.account(by).sign_message(signable).signature)

    @property
    def soon(self) -> int:
        return self.chain.now() + HOUR // 2

    def let(self, member: str, contract: str, operations: int) -> None:
        """Lets a contract act for a member."""
        self.send(member, "Consortium", "setOperator", self.contract(contract).address, operations)

    def freeze(self, who: str) -> None:
        """Freezes a pseudonym as a recovery would; here is none, so it is written to where `Keys` keeps it."""
        place = "0x" + keccak(encode(["address", "uint256"], [self.address(who), 2])).hex()
        keys = self.contracts.keys.address
        entry = int(self.chain.ask("eth_getStorageAt", keys, place, "latest"), 16) | 1 << 224
        self.chain.ask("anvil_setStorageAt", keys, place, f"0x{entry:064x}")
        assert self.ask("Keys", "authorityOf", self.address(who))[3] is True

    def suspend(self, member: str) -> None:
        self.chain.send(BOARD, self.contracts.consortium.functions.suspend(NUMBERS[member], 1))

    # -- plans and policies ------------------------------------------------------------------------------------------

    def plan(self, **other: Any) -> Plan:
        """The tests' plan, or another."""
        usual = Plan(
            adjudicator=self.contracts.claims.address,
            insurer=NUMBERS["insurer"],
            premium_days=0,
            grace_days=10,
            filing_days=90,
            refute_days=30,
            token=self.coin.address,
            arbiter=NUMBERS["authority"],
            appeal_days=60,
            reversal_days=30,
            appeals=self.contracts.appeals.address,
            premium=0,
            schedule=self.schedule.root,
            document=digest("plan"),
        )
        return replace(usual, **other)

    def publish(self, plan: Plan, by: str = "adjuster") -> bytes:
        self.send(by, "Policies", "publish", plan.tuple)
        return plan.id

    def enrolment(self, plan: bytes, who: str = "patient", **other: Any) -> Enrol:
        """What the patient and the insurer's adjuster agree on, or something else."""
        usual = Enrol(
            pseudonym=self.address(who),
            plan=plan,
            family=0,
            first=FIRST,
            last=LAST,
            ends=self.chain.now() // DAY * DAY + 365 * DAY,
            lifetime=0,
            underwriter=self.address("adjuster"),
            era=0,
            deadline=self.soon,
        )
        return replace(usual, **other)

    def enrol(self, plan: bytes, who: str = "patient", by: str = "adjuster", **other: Any) -> list[Event]:
        terms = self.enrolment(plan, who, **{"underwriter": self.address(by), **other})
        signatures = (self.signature(terms, by), self.signature(terms, who))
        return self.send("relayer", "Policies", "enrolBySig", *terms.arguments(*signatures))

    def used(self, plan: bytes, who: str = "patient") -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What was used of the person's and the family's limits."""
        person_, family = self.ask("Benefits", "usedOf", plan, self.address(who))
        return tuple(person_), tuple(family)

    # -- money -------------------------------------------------------------------------------------------------------

    def mint(self, who: str, amount: int) -> None:
        """Gives somebody coins, and the escrow leave to collect them."""
        self.chain.send(self.account(who), self.coin.functions.mint(self.address(who), amount))
        self.chain.send(self.account(who), self.coin.functions.approve(self.contracts.escrow.address, 2**256 - 1))

    def coins(self, who: str) -> int:
        return int(self.coin.functions.balanceOf(self.address(who)).call())

    def credit(self, who: str) -> int:
        """What somebody may withdraw."""
        return int(self.ask("Escrow", "creditOf", self.coin.address, self.address(who)))

    def fund(self, plan: bytes, amount: int, by: str = "insurer") -> None:
        self.mint(by, amount)
        self.send(by, "Escrow", "deposit", plan, amount)

    def balance(self, plan: bytes) -> int:
        return int(self.ask("Escrow", "balanceOf", plan))

    def told(self, contract: str) -> list[Event]:
        """All that a contract has told so far."""
        asked = {"address": self.contract(contract).address, "fromBlock": 0}
        return [event_of(self.contract(contract), log) for log in self.chain.web3.eth.get_logs(asked)]  # type: ignore[arg-type]

    def owed(self) -> dict[str, int]:
        """By token, what the escrow owes: to plans, to those who hold their money, to providers, to whoever has credit.

        Whom it owes something is known from what it has told.
        """
        told = self.told("Escrow")
        plans = [event.arguments["plan"] for event in self.told("Policies") if event.name == "PlanPublished"]
        token_of = {plan: self.ask("Policies", "moneyOf", plan)[0] for plan in plans}
        owed = dict.fromkeys(token_of.values(), 0)
        for plan, token in token_of.items():
            owed[token] += self.balance(plan)
        for plan, member in _said(told, "plan", "member"):
            owed[token_of[plan]] += self.ask("Escrow", "accountOf", plan, member)[2]
        for plan, holder in _said(told, "plan", "holder"):
            owed[token_of[plan]] += self.ask("Escrow", "heldBy", holder, plan)
        credited = _said(told, "token", "to")
        credited |= {(token_of[plan], payer) for plan, payer in _said(told, "plan", "payer")}
        for token, account in credited:
            owed[token] += self.ask("Escrow", "creditOf", token, account)
        return owed

    def solvent(self) -> None:
        """Asserts that the escrow has of each token exactly what it owes: for tests that end with it."""
        read = self.coin.abi
        for token, owed in self.owed().items():
            coin = self.chain.web3.eth.contract(address=token, abi=read)
            has = coin.functions.balanceOf(self.contracts.escrow.address).call()
            assert has == owed, f"the escrow has {has} of {token}, and owes {owed}"

    # -- services ----------------------------------------------------------------------------------------------------

    def encounter(self, name: str, by: str = "doctor", who: str = "patient") -> bytes:
        """An encounter that a provider anchored under the pseudonym."""
        self.send(by, "Records", "anchorInbox", self.address(who), [digest(name)])
        return digest(name)

    def claim(self, plan: bytes, evidence: bytes, *lines: Line, who: str = "patient", **other: Any) -> Claim:
        """A claim of the hospital's, or something else."""
        usual = Claim(
            pseudonym=self.address(who),
            plan=plan,
            provider=NUMBERS["hospital"],
            evidence=evidence,
            primary=NONE,
            lines=lines,
            salt=digest("salt"),
            era=0,
            deadline=self.soon,
        )
        return replace(usual, **other)

    def rows(self, claim: Claim) -> list[tuple[Any, ...]]:
        return [self.schedule.row(benefit) for benefit in self.benefits(claim)]

    def benefits(self, claim: Claim) -> tuple[Benefit, ...]:
        known = {benefit.service: benefit for benefit in SERVICES}
        return tuple(known[line.service] for line in claim.lines)

    def submission(self, claim: Claim, *, least: int = 0, who: str = "patient") -> tuple[Any, ...]:
        """What `Claims.submit` is called with, the patient's consent too."""
        return claim.arguments(self.signature(claim, who), rows=self.rows(claim), least=least)

    def submit(self, claim: Claim, by: str = "doctor", *, least: int = 0, who: str = "patient") -> Settled:
        """Submits a claim that must count; what was decided, without outcomes where it pends."""
        events = self.send(by, "Claims", "submit", *self.submission(claim, least=least, who=who))
        return self.settled(claim, events)

    def settled(self, claim: Claim, events: Sequence[Event], **other: Any) -> Settled:
        """A claim as the chain told that it was decided."""
        told: Sequence[Mapping[str, Any]] = [each.arguments for each in events if each.name == "Assessed"]
        outcomes = tuple(tuple(_values(each)) for each in told[-1]["outcomes"]) if told else ()
        return Settled(claim, self.benefits(claim), outcomes, **other)

    def state(self, claim: bytes) -> dict[str, Any]:
        """What is known of a claim, by name."""
        names = ["status", "missing", "marks", "provider", "time", "decided", "paid", "share", "facts"]
        return dict(zip(names, self.ask("Claims", "stateOf", claim), strict=True))

    # -- goods -------------------------------------------------------------------------------------------------------

    @property
    def tree(self) -> Tree:
        return Tree({index: pack(index) for index in range(4)})

    @property
    def batch(self) -> bytes:
        return keccak(NUMBERS["maker"].to_bytes(32, "big") + self.tree.root)

    def stock(self, *, case_bits: int = 0) -> None:
        """A batch of four packs that the maker handed to the pharmacy, in cases of 2^case_bits."""
        expiry = self.chain.now() // DAY * DAY + 1000 * DAY
        facts = [digest(name) for name in ("product", "lot", "tag")]
        terms = (
            self.tree.root,
            *facts,
            self.ask("Consortium", "keyNumber"),
            digest("manifest"),
            expiry,
            case_bits,
            case_bits,
        )
        self.send("maker", "Batches", "commission", terms)
        whole = PACKS >> max(case_bits, 2) if case_bits else 1
        offer = (self.batch, whole, NUMBERS["pharmacy"], self.chain.now() + DAY, digest("sheet"))
        self.send("maker", "Batches", "offer", *offer)
        self.send("pharmacist", "Batches", "accept", self.batch, whole, [])

    def prescribed(self, quantity: int = 3) -> tuple[Prescribed, ...]:
        midnight = self.chain.now() // DAY * DAY
        return (Prescribed(digest("item"), quantity, 0, 0, midnight, midnight + 90 * DAY),)

    def prescribe(self, lines: Sequence[Prescribed], name: str = "prescription") -> Terms:
        terms = Terms(self.address("doctor"), self.address("bearer"), hash_of(lines), digest(name))
        self.send("doctor", "Prescriptions", "prescribe", terms.bearer, terms.lines, terms.file)
        return terms

    def goods(
        self, terms: Terms, lines: Sequence[Prescribed], index: int, *, units: int = 1, nonce: int = 0, **other: Any
    ) -> tuple[Any, ...]:
        """A pack for the first line, as `Claims.dispense` takes it, with the bearer's word."""
        take = Take(terms, 1, 0, NUMBERS["pharmacy"], nonce, self.soon)
        filling = (terms.tuple, [line.hash for line in lines], 0, tuple(lines[0].values().values()), units)
        values = {
            "batch": self.batch,
            "index": index,
            "pack": pack(index),
            "siblings": self.tree.siblings(index),
            "take": (terms.tuple, 1, 0, nonce, take.deadline),
            "word": self.signature(take, "bearer"),
            "filling": (*filling, digest("what was given")),
            **other,
        }
        return tuple(values.values())

    def claim_for(self, plan: bytes, terms: Terms, charged: int = 3_000, units: int = 1, **other: Any) -> Claim:
        """A claim of the pharmacy's for the first line of a prescription."""
        line = Line(PILLS.service, 0, units, charged)
        return self.claim(plan, evidence_of(terms.id, 0), line, **{"provider": NUMBERS["pharmacy"], **other})

    def dispense(self, claim: Claim, goods: tuple[Any, ...], *, least: int = 0, by: str = "pharmacist") -> Settled:
        """Dispenses, fills and claims in one transaction."""
        arguments = (claim.terms(), self.rows(claim), goods, least, self.signature(claim, "patient"))
        events = self.send(by, "Claims", "dispense", *arguments)
        return self.settled(claim, events, batch=self.batch, index=goods[1])


@dataclass(frozen=True)
class Covered:
    """The house with a published plan that has money, and a patient enrolled in it."""

    house: House
    terms: Plan

    @property
    def plan(self) -> bytes:
        return self.terms.id


Kind = TypeVar("Kind", bound=House)


def _said(told: Sequence[Event], *names: str) -> set[tuple[Any, ...]]:
    """What events that have all these arguments say of them."""
    having = [event.arguments for event in told if set(names) <= set(event.arguments)]
    return {tuple(arguments[name] for name in names) for arguments in having}


def _values(told: Any) -> Sequence[Any]:
    return list(told.values()) if isinstance(told, Mapping) else list(told)


@contextmanager
def open_house(kind: type[Kind]) -> Iterator[Kind]:
    """Members with their staff; nothing is published yet."""
    with anvil(hardfork="cancun") as chain:
        contracts = Contracts.deploy(chain)
        house = kind(chain, contracts, chain.deploy("Coin", 6))
        house.others["Coin"] = house.coin
        expiry = chain.now() // DAY * DAY + 2000 * DAY
        for name, roles in LICENCES.items():
            admit = contracts.consortium.functions.admit(person(name).address, int(roles), TIERS.get(name, 1), expiry)
            chain.send(BOARD, admit)
        chain.send(BOARD, contracts.consortium.functions.renewKey(digest("consortium key")))
        for name, (member, role) in STAFF.items():
            join = Join(person(name).address, NUMBERS[member], role, 0, house.soon)
            house.send(member, "Consortium", "join", *join.arguments(house.signature(join, name)))
        house.let("pharmacy", "Claims", DISPENSE_FOR | FILL_FOR)
        yield house

"""A counting house with two insurers on an anvil, spoken to in few words, and what its chain says of everything."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from counting_house import (
    DAY,
    HOLD_FOR,
    NO_LIMIT,
    NUMBERS,
    SERVICES,
    House,
    Schedule,
    digest,
    pack,
)
from cover_model import Model, Money, Policy, Scheme
from eth_abi import decode, encode
from eth_utils import keccak
from eth_utils.abi import (
    collapse_if_tuple,
    event_abi_to_log_topic,
    function_abi_to_4byte_selector,
    get_abi_input_types,
)
from pack_tree import Tree
from random_lives import Event, Outcome
from real_anvil import GAS, person

from theriac.cover.messages import NONE
from theriac.ledger.typed import Domain, Message
from theriac.medicine.messages import Line as Prescribed
from theriac.medicine.messages import Take, Terms, hash_of

PATIENTS = {
    "silver": {"patient": (7, 0), "sibling": (7, 90_000), "loner": (0, 0)},
    "golden": {"patient": (0, 0), "sibling": (9, 0), "loner": (9, 40_000)},
}
"""Who is enrolled in what plan, with the family and what was paid under earlier policies."""

LIMITS = {
    "silver": (12_000, 20_000, 40_000, 55_000, 160_000, 240_000, 200_000),
    "golden": (5_000, NO_LIMIT, 30_000, NO_LIMIT, NO_LIMIT, 260_000, 300_000),
}
FUNDS = {"silver": 400_000, "golden": 150_000}
INSURERS = {"silver": "insurer", "golden": "mutual"}
UNDERWRITERS = {"silver": "adjuster", "golden": "actuary"}

PEOPLE = (
    *("patient", "sibling", "loner", "friend", "bank", "stranger"),
    *("doctor", "colleague", "pharmacist", "adjuster", "reviewer", "actuary", "arbiter"),
    *("hospital", "clinic", "pharmacy", "insurer", "mutual", "authority"),
)
"""Whoever says something, and whoever may have money."""

COINS = {"friend": 300_000, "hospital": 400_000, "pharmacy": 20_000, "insurer": 900_000, "mutual": 900_000}
COINS |= {"clinic": 50_000, "bank": 200_000, "patient": 30_000}
APPROVING = frozenset({"friend", "hospital", "pharmacy", "insurer", "mutual", "bank", "patient"})
"""Who lets the escrow and the policies collect; of the clinic nothing is collected."""

PACKS_IN_STOCK = 12
QUANTITY = 4


class Sight(dict[tuple[Any, ...], tuple[int, ...]]):
    """What the chain says, by what was asked: words."""

    def items_of(self, kind: str) -> Iterator[tuple[tuple[Any, ...], tuple[int, ...]]]:
        """What was asked of a kind, without its name, and the words."""
        return ((key[1:], words) for key, words in self.items() if key[0] == kind)


@dataclass
class Stage(House):
    """The house with plans, policies, goods in stock and prescriptions, as each life finds it."""

    schemes: dict[str, Scheme] = field(default_factory=dict)
    prescriptions: list[Terms] = field(default_factory=list)
    questions: dict[tuple[Any, ...], tuple[str, bytes]] = field(default_factory=dict)
    snapshot: str = ""
    start: int = 0

    # -- before the first life ---------------------------------------------------------------------------------------

    def found(self) -> None:
        """Everything that is there before anything is claimed."""
        for who in PEOPLE:
            if COINS.get(who):
                self.chain.send(person(who), self.coin.functions.mint(self.address(who), COINS[who]))
            if who in APPROVING:
                for spender in ("Escrow", "Policies"):
                    approve = self.coin.functions.approve(self.contract(spender).address, 2**256 - 1)
                    self.chain.send(person(who), approve)
        for name, insurer in INSURERS.items():
            self._publish(name, insurer)
            self.let(insurer, "Episodes", HOLD_FOR)
        for name, enrolled in PATIENTS.items():
            for who, (family, lifetime) in enrolled.items():
                terms = {"family": family, "lifetime": lifetime}
                self.enrol(self.schemes[name].id, who, by=UNDERWRITERS[name], **terms)
        self.stock()
        for number in range(2):
            lines = self.lines
            terms = Terms(self.address("doctor"), self.address("bearer"), hash_of(lines), digest(f"file {number}"))
            self.send("doctor", "Prescriptions", "prescribe", terms.bearer, terms.lines, terms.file)
            self.prescriptions.append(terms)
        self._asked()
        self.domains = {
            name: Domain.of(self.contract(name)) for name in ("Claims", "Appeals", "Episodes", "Prescriptions")
        }
        self.wire = self.chain.wire
        self.chain.ask("anvil_autoImpersonateAccount", True)
        self.start = self.chain.now()
        self.snapshot = self.chain.ask("evm_snapshot")

    def _publish(self, name: str, insurer: str) -> None:
        price = 1 if name == "silver" else 2
        rows = tuple(
            replace(row, service=digest(f"{name}: {row.service.hex()}"), price=_price(row.price, price))
            for row in SERVICES
        )
        schedule = Schedule(rows)
        premium = {"premium": 5_000, "premium_days": 30} if name == "golden" else {}
        terms = self.plan(
            insurer=NUMBERS[insurer],
            schedule=schedule.root,
            document=digest(name),
            limits=LIMITS[name],
            filing_days=20,
            refute_days=10,
            appeal_days=12,
            reversal_days=15,
            **premium,
        )
        self.publish(terms, by=UNDERWRITERS[name])
        self.schemes[name] = Scheme(name, terms, insurer, {row.service: row for row in rows}, schedule)
        self.send(insurer, "Escrow", "deposit", terms.id, FUNDS[name])

    @cached_property
    def tree(self) -> Tree:  # type: ignore[override]
        return Tree({index: pack(index) for index in range(PACKS_IN_STOCK)})

    @cached_property
    def lines(self) -> tuple[Prescribed, ...]:
        midnight = self.chain.now() // DAY * DAY
        return (Prescribed(digest("item"), QUANTITY, 20, 3, midnight, midnight + 300 * DAY),)

    def due(self, now: int) -> int:
        line = self.lines[0]
        return line.due(now) if line.earliest <= now < line.latest else 0

    def model(self) -> Model:
        """What is there before anything is claimed, as the model has it."""
        coins = {who: int(self.coin.functions.balanceOf(self.address(who)).call()) for who in PEOPLE}
        policies = {}
        for name, enrolled in PATIENTS.items():
            for who, (family, lifetime) in enrolled.items():
                terms = self.ask("Policies", "policyOf", self.schemes[name].id, self.address(who))
                policies[name, who] = Policy(*terms[1:4], family=family, lifetime=lifetime)
        money = Money(coins, APPROVING, dict(FUNDS))
        return Model(self.start, self.schemes, policies, money, {terms.id: [] for terms in self.prescriptions})

    # -- lives -------------------------------------------------------------------------------------------------------

    def anew(self) -> Model:
        self.chain.back(self.snapshot)
        self.snapshot = self.chain.ask("evm_snapshot")
        return self.model()

    def wait_until(self, moment: int) -> None:
        self.wire.request("evm_setNextBlockTimestamp", moment)
        self.wire.request("evm_mine")

    def say(self, who: str, contract: str, function: str, *arguments: Any, at: int) -> Outcome:
        """Sends a transaction that is mined in the second `at`."""
        selector, types = self._functions[contract, function]
        data = "0x" + (selector + encode(types, arguments)).hex()
        call = {"from": self.address(who), "to": self.contract(contract).address, "gas": hex(GAS), "gasPrice": "0x0"}
        receipt = self.wire.request("eth_sendTransactionSync", {**call, "data": data})
        assert int(str(receipt["blockTimestamp"]), 0) == at
        told = [event for log in receipt["logs"] if (event := self._event(log)) is not None]
        if receipt["status"] == "0x1":
            return Outcome(None, told)
        trace = self.wire.request("debug_traceTransaction", receipt["transactionHash"], {"tracer": "callTracer"})
        output = bytes.fromhex(trace.get("output", "0x")[2:])
        return Outcome(self._errors.get(output[:4], output.hex() or "no reason"), told)

    def sign(self, message: Message, by: str) -> bytes:
        return bytes(person(by).sign_message(message.signable(self.domains[message.CONTRACT])).signature)

    def look(self, keys: Iterable[tuple[Any, ...]]) -> Sight:
        """What the chain says."""
        asked: dict[str, list[tuple[Any, ...]]] = {}
        for key in keys:
            asked.setdefault(self._question(key)[0], []).append(key)
        selector, types = self._functions["Questions", "ask"]
        calls = [
            (self.asker.address, selector + encode(types, [to, [self.questions[key][1] for key in each]]))
            for to, each in asked.items()
        ]
        sight = Sight()
        for each, answer in zip(asked.values(), self.wire.calls(calls), strict=True):
            (answers,) = decode(["bytes[]"], answer)
            sight.update((key, _words(words)) for key, words in zip(each, answers, strict=True))
        return sight

    def _question(self, key: tuple[Any, ...]) -> tuple[str, bytes]:
        if key not in self.questions:
            contract, function, arguments = self._asking(key)
            selector, types = self._functions[contract, function]
            self.questions[key] = (self.contract(contract).address, selector + encode(types, arguments))
        return self.questions[key]

    def _asking(self, key: tuple[Any, ...]) -> tuple[str, str, tuple[Any, ...]]:
        """Which function answers what is asked."""
        kind, *rest = key
        if kind in ("claim", "appeal", "refutation"):
            contract, function = {
                "claim": ("Claims", "stateOf"),
                "appeal": ("Appeals", "appealOf"),
                "refutation": ("Appeals", "refutationOf"),
            }[kind]
            return contract, function, (rest[0],)
        if kind in ("coins", "credit"):
            address = self.contracts.escrow.address if rest[0] == "escrow" else self.address(rest[0])
            if kind == "coins":
                return "Coin", "balanceOf", (address,)
            return "Escrow", "creditOf", (self.coin.address, address)
        if kind == "used by":
            return "Benefits", "usedBy", (rest[0],)
        if kind == "authorization":
            return "Authorizations", "authorizationOf", (rest[0],)
        if kind == "episode":
            return "Episodes", "episodeOf", (rest[0],)
        if kind == "payout":
            return "Escrow", "payoutOf", (rest[0],)
        if kind in ("pack", "claimer"):
            return "Batches", {"pack": "statusOf", "claimer": "claimedBy"}[kind], (self.batch, rest[0])
        if kind == "line":
            return "Prescriptions", "lineOf", (rest[0], 0)

        plan, *rest = rest
        id_ = self.schemes[plan].id
        if kind == "balance":
            return "Escrow", "balanceOf", (id_,)
        if kind == "held":
            return "Escrow", "heldBy", (self.contracts.episodes.address, id_)
        if kind == "account":
            return "Escrow", "accountOf", (id_, rest[0])
        if kind == "share":
            return "Escrow", "shareOf", (id_, rest[0])
        function = {"used": "usedOf", "claimed": "isClaimed", "units": "unitsOf", "days": "daysOf"}.get(kind)
        if function is not None:
            return "Benefits", function, (id_, self.address(rest[0]), *rest[1:])
        assert kind in ("policy", "former")
        return "Policies", f"{kind}Of", (id_, self.address(rest[0]))

    # -- words for the wire ------------------------------------------------------------------------------------------

    def _asked(self) -> None:
        self.asker = self.chain.deploy("Questions")
        named = {**self.contracts.by_name, "Coin": self.coin, "Questions": self.asker}
        self._functions = {
            (name, entry["name"]): (function_abi_to_4byte_selector(entry), get_abi_input_types(entry))
            for name, contract in named.items()
            for entry in contract.abi
            if entry["type"] == "function"
        }
        self._errors = {
            function_abi_to_4byte_selector(entry): entry["name"]
            for contract in named.values()
            for entry in contract.abi
            if entry["type"] == "error"
        }
        self._events = {
            (named[name].address.lower(), event_abi_to_log_topic(entry)): entry
            for name in ("Escrow", "Claims", "Benefits", "Appeals", "Episodes")
            for entry in named[name].abi
            if entry["type"] == "event"
        }

    def _event(self, log: Mapping[str, Any]) -> Event | None:
        topic, *topics = (bytes.fromhex(each[2:]) for each in log["topics"])
        entry = self._events.get((log["address"].lower(), topic))
        if entry is None:
            return None
        facts = {}
        for is_indexed, data in ((True, b"".join(topics)), (False, bytes.fromhex(log["data"][2:]))):
            parts = [part for part in entry["inputs"] if part["indexed"] == is_indexed]
            values = decode([collapse_if_tuple(part) for part in parts], data)
            facts |= dict(zip((part["name"] for part in parts), values, strict=True))
        return Event(entry["name"], facts)

    # -- goods -------------------------------------------------------------------------------------------------------

    def given(self, terms: Terms, index: int, *, units: int, nonce: int, signer: str, deadline: int) -> tuple[Any, ...]:
        """A pack for a prescription's line, as `Claims.dispense` takes it, with somebody's word."""
        lines = self.lines
        take = Take(terms, 1, 0, NUMBERS["pharmacy"], nonce, deadline)
        filling = (terms.tuple, [line.hash for line in lines], 0, tuple(lines[0].values().values()), units)
        return (
            self.batch,
            index,
            pack(index),
            self.siblings[index],
            (terms.tuple, 1, 0, nonce, deadline),
            self.sign(take, signer),
            (*filling, digest("what was given")),
        )

    @cached_property
    def siblings(self) -> dict[int, Any]:
        return {index: self.tree.siblings(index) for index in range(PACKS_IN_STOCK)}

    @cached_property
    def batch(self) -> bytes:  # type: ignore[override]
        return keccak(NUMBERS["maker"].to_bytes(32, "big") + self.tree.root)


def _price(price: int, factor: int) -> int:
    return min(price, 90_000) if factor == 1 else min(price, 90_000) + 500


def _words(answer: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(answer[at : at + 32], "big") for at in range(0, len(answer), 32))


def _number(value: bytes | str) -> int:
    return int(value, 16) if isinstance(value, str) else int.from_bytes(value, "big")


WORDS = (3, 4)
"""The words of days that are looked at: 768 to 1279."""


def expected(model: Model, stage: Stage) -> Sight:
    """What the chain must say."""
    money, sight = model.money, Sight()
    for plan in model.schemes:
        sight["balance", plan] = (money.balance[plan],)
        sight["held", plan] = (money.held.get(plan, 0),)
        for member in (1, 2, 3):
            sight["account", plan, member] = (
                tuple(vars(money.accounts[plan, member]).values())
                if (
                    plan,
                    member,
                )
                in money.accounts
                else (0, 0, 0, 0)
            )
        for who in PATIENTS[plan]:
            person_, family = model.used(plan, who)
            sight["used", plan, who] = (*person_.as_tuple(), *family.as_tuple())
            policy = model.policies[plan, who]
            terms = (policy.family, policy.since, policy.until, policy.ends, 1000, 1364, int(policy.ended))
            sight["policy", plan, who] = terms
            sight["former", plan, who] = policy.former
    for who in PEOPLE:
        sight["coins", who] = (money.coins[who],)
        sight["credit", who] = (money.credit.get(who, 0),)
    for member in (1, 2, 3):
        payout = money.payouts.get(member)
        payee = _number(stage.address(payout.payee)) if payout else 0
        sight["payout", member] = (payee, int(payout.push), int(payout.answers)) if payout else (0, 0, 0)
    owed = sum(money.balance.values()) + sum(money.held.values()) + sum(money.credit.values())
    owed += sum(account.withheld for account in money.accounts.values())
    sight["coins", "escrow"] = (owed,)

    _expect_claims(model, sight)
    for number, asked in model.authorizations.items():
        sight["used by", number] = (_number(model.used_by(number)),)
        kinds = ["bytes32", "address", "uint32", "bytes32"]
        subject = (asked.scheme.id, stage.address(asked.who), asked.provider, asked.service)
        told = (keccak(encode(kinds, subject)), asked.status, asked.provider, asked.units, asked.amount, asked.expiry)
        sight["authorization", number] = (_number(told[0]), *map(int, told[1:]))
    for number, episode in model.episodes.items():
        terms = episode.terms
        sight["episode", number] = (
            int(episode.status),
            *(terms.provider, terms.assessor, episode.opened, terms.ends, terms.price, terms.withheld),
            *(_number(terms.pseudonym), _number(terms.plan)),
        )
    claims = _number(stage.contracts.claims.address)
    for index in range(PACKS_IN_STOCK):
        sight["pack", index] = (int(index in model.packs),)
        sight["claimer", index] = (claims if index in model.packs else 0,)
    for prescription, fillings in model.pharmacy_lines.items():
        filled = sum(filling.units for filling in fillings)
        last = fillings[-1] if fillings and fillings[-1].is_last else None
        told = (NUMBERS["pharmacy"], last.units, last.time, claims & (2**96 - 1)) if last else (0, 0, 0, 0)
        sight["line", prescription] = (filled, 0, 0, *told)
    return sight


def _expect_claims(model: Model, sight: Sight) -> None:
    used: set[tuple[str, str, bytes, bytes]] = set()
    for id_, told in model.claims.items():
        plan, who = told.scheme.name, told.who
        sight["claim", id_] = (
            *(int(told.status), int(told.missing), told.marks, told.claim.provider, told.time, told.decided),
            *(told.paid, told.share, _number(told.facts)),
        )
        sight["appeal", id_] = tuple(map(int, told.appeal))
        status, time, openings = told.refutation
        sight["refutation", id_] = (int(status), time, _number(openings))
        sight["share", plan, id_] = (sum(amount for _, amount in told.payments),)
        if not told.is_goods:
            sight["claimed", plan, who, told.claim.evidence] = (int(model.is_claimed(plan, who, told.claim.evidence)),)
        used |= {(plan, who, row.service, row.service if row.bundle == NONE else row.bundle) for row in told.benefits}
    for plan, who, service, key in used:
        sight["units", plan, who, service] = (model.units(plan, who, service),)
        days = model.days(plan, who, key)
        for word in WORDS:
            bits = sum(1 << (day & 255) for day in days if day >> 8 == word)
            sight["days", plan, who, key, word] = (bits,)

"""Claims on the chain, as providers, insurers, patients and auditors see them.

What was decided is in the events. What was claimed is in the transaction that submitted it: whoever reads one has all
that the contracts had.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from eth_typing import ABI, ChecksumAddress
from eth_utils.abi import function_abi_to_4byte_selector
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.contract import Contract

from theriac.cover.messages import NONE, Claim, Line
from theriac.cover.rules import NO_LIMIT, Benefit, Decision, Item, Kind, Limits, Outcome, Reason, Used
from theriac.errors import NoSender, NotClaimed, NotSubmitted, UnknownPlan
from theriac.ledger.codec import decode
from theriac.ledger.contracts import Contracts, Event, Receipt
from theriac.ledger.index import Handler, Index, Progress
from theriac.ledger.node import Node
from theriac.ledger.sender import Sender
from theriac.ledger.typed import Domain, Message
from theriac.medicine.messages import Terms

FOLLOWED: Mapping[str, tuple[str, ...]] = {
    "Policies": ("PlanPublished", "PlanClosed", "Enrolled", "PremiumPaid", "Reinstated", "PolicyEnded"),
    "Claims": (
        *("Submitted", "Consented", "ClaimPended", "Decided", "Reviewed", "Reversed", "Withheld", "Ruled"),
        "ShareReceived",
    ),
    "Benefits": ("Assessed", "Unused"),
    "Authorizations": ("Requested", "Pended", "Completed", "Approved", "Refused"),
    "Appeals": ("Appealed", "Answered", "Refuted", "RefutationEnded"),
    "Escrow": (
        "Deposited",
        "Drained",
        "Paid",
        "TakenBack",
        "Concluded",
        "SharePaid",
        "ShareRefunded",
        "Held",
        "Released",
    ),
    "Episodes": ("Opened", "Delivered", "Assessed", "Expired"),
}
"""The events of cover. Everyone follows all of them: a question about one policy would tell it."""

_SUBMITTING = ("submit", "dispense", "coordinate", "adjust")

_ERC_20: ABI = [
    {
        "type": "function",
        "name": name,
        "stateMutability": "view" if kind else "nonpayable",
        "inputs": [{"name": each, "type": type_} for each, type_ in inputs],
        "outputs": [{"name": "", "type": kind or "bool"}],
    }
    for name, inputs, kind in (
        ("decimals", [], "uint8"),
        ("balanceOf", [("account", "address")], "uint256"),
        ("allowance", [("owner", "address"), ("spender", "address")], "uint256"),
        ("approve", [("spender", "address"), ("amount", "uint256")], ""),
    )
]


class Status(IntEnum):
    """Where a claim stands (`IClaims.ClaimStatus`)."""

    NONE = 0
    PENDED = 1
    DECIDED = 2
    DISPUTED = 3
    REVERSED = 4


class Missing(IntEnum):
    """What a pended claim waits for (`IBenefits.Missing`)."""

    NOTHING = 0
    EVIDENCE = 1
    REVIEW = 2
    FUNDS = 3

    @property
    def sentence(self) -> str:
        return _MISSING[self]


_MISSING = {
    Missing.NOTHING: "nothing is missing",
    Missing.EVIDENCE: "the provider has not anchored the encounter under this policy, or does not stand by it",
    Missing.REVIEW: "the insurer's reviewer has to decide",
    Missing.FUNDS: "the plan's escrow cannot pay it",
}

HAS_SECONDARY, IS_GOODS, AGREED, REFUSED = 1, 2, 4, 8
"""The marks of a claim."""


@dataclass(frozen=True)
class State:
    """A claim as `Claims.stateOf` has it; times in seconds since 1970."""

    status: Status
    missing: Missing
    marks: int
    provider: int
    time: int
    decided: int
    paid: int
    share: int
    facts: bytes


@dataclass(frozen=True)
class Claimed:
    """A claim with what became of it.

    `rows` are the schedule's rows that were shown for its lines, each with its proof; `outcomes` are empty where it
    was not decided; `signature` is the patient's consent, empty where she gave it by a transaction.
    """

    claim: Claim
    rows: tuple[tuple[Benefit, tuple[bytes, ...]], ...]
    signature: bytes
    batch: bytes
    index: int
    outcomes: tuple[Outcome, ...]
    state: State
    submitted: Event

    @property
    def id(self) -> bytes:
        return self.claim.id

    @property
    def benefits(self) -> tuple[Benefit, ...]:
        return tuple(benefit for benefit, _ in self.rows)

    @property
    def is_goods(self) -> bool:
        return self.batch != NONE

    @property
    def settled(self) -> tuple[Any, ...]:
        """The claim as it was decided, as the contracts want it shown."""
        rows = [benefit.as_tuple() for benefit in self.benefits]
        return (self.claim.terms(), self.batch, self.index, rows, [each.as_tuple() for each in self.outcomes])

    @property
    def shown(self) -> list[tuple[Any, ...]]:
        """The rows, as the contracts want them shown."""
        return [(benefit.as_tuple(), list(proof)) for benefit, proof in self.rows]

    @property
    def reasons(self) -> Reason:
        """Everything that was said against a line."""
        found = Reason(0)
        for outcome in self.outcomes:
            found |= outcome.reasons
        return found


@dataclass(frozen=True)
class Quote:
    """What a claim would come to now, the lines that were decided about, and what would be missing."""

    items: tuple[Item, ...]
    decision: Decision
    missing: Missing


class Cover:
    """The contracts of cover for one account, or for somebody who only looks (`sender` None)."""

    def __init__(self, web3: Web3, contracts: Contracts, *, index: Path, sender: Sender | None = None) -> None:
        """`index` is the file that events are followed into."""
        self.contracts = contracts
        self._web3 = web3
        self._node = Node(web3)
        self._sender = sender
        handlers = [Handler.of(contracts, contract, event) for contract, events in FOLLOWED.items() for event in events]
        deployment = contracts.deployment
        index.parent.mkdir(parents=True, exist_ok=True)
        self.index = Index(index, web3, handlers=handlers, start_block=deployment.first_block, depth=deployment.depth)

    def close(self) -> None:
        self.index.close()

    def sync(self, *, report: Callable[[Progress], None] | None = None) -> Progress:
        """Follows the chain to its head. Raises ChainSilent."""
        return self.index.sync(report=report)

    # -- asking ------------------------------------------------------------------------------------------------------

    def now(self) -> int:
        """The second of the latest block."""
        return int(self._node.head().time.timestamp())

    def domain(self, contract: str) -> Domain:
        """Where signatures for a contract count, as the contract says itself."""
        named = self._call(contract, "eip712Domain")
        return Domain(named["name"], named["version"], named["chainId"], named["verifyingContract"])

    def era(self, pseudonym: str) -> int:
        return int(self._call("Keys", "authorityOf", pseudonym)["era"])

    def member_of(self, account: str) -> int:
        """The number of the member that an account belongs to; zero for none."""
        return int(self._call("Consortium", "affiliationOf", account)["member"])

    def standing(self, account: str, roles: int) -> int:
        return int(self._call("Consortium", "standing", account, roles))

    def plan(self, plan: bytes) -> dict[str, Any]:
        """A plan's terms as the chain has them. Raises UnknownPlan."""
        found = dict(self._call("Policies", "planOf", plan))
        if not found["insurer"]:
            raise UnknownPlan(plan=plan.hex())
        return found

    def policy(self, plan: bytes, pseudonym: str) -> dict[str, Any]:
        """A policy as the chain has it; all zero where there is none."""
        return dict(self._call("Policies", "policyOf", plan, pseudonym))

    def used(self, plan: bytes, pseudonym: str) -> tuple[Used, Used]:
        """What was used of the person's limits, and of the family's."""
        told = self._call("Benefits", "usedOf", plan, pseudonym)
        return _used(told["person"]), _used(told["family"])

    def balance(self, plan: bytes) -> int:
        """What the plan's escrow can pay."""
        return int(self._call("Escrow", "balanceOf", plan))

    def credit(self, token: str, account: str) -> int:
        """What an account may withdraw of a token."""
        return int(self._call("Escrow", "creditOf", to_checksum_address(token), to_checksum_address(account)))

    def decimals(self, token: str) -> int:
        return int(self.contracts.call(self.token(token).functions.decimals()))

    def coins(self, token: str, account: str) -> int:
        """What an account has of a token."""
        return int(self.contracts.call(self.token(token).functions.balanceOf(to_checksum_address(account))))

    def token(self, address: str) -> Contract:
        return self._web3.eth.contract(address=to_checksum_address(address), abi=_ERC_20)

    def state(self, claim: bytes) -> State:
        """A claim's state. Raises NotClaimed."""
        told = self._call("Claims", "stateOf", claim)
        if not told["status"]:
            raise NotClaimed(claim=claim.hex())
        return State(Status(told["status"]), Missing(told["missing"]), *list(told.values())[2:])

    def claimed(self, claim: bytes) -> Claimed:
        """A claim, as far as the chain was followed. Raises NotClaimed."""
        for event in self.index.events("Claims", "Submitted", where={"claim": claim}):
            return self._claimed(event)
        raise NotClaimed(claim=claim.hex())

    def named(self, beginning: str) -> bytes:
        """The one claim whose number begins so. Raises NotClaimed."""
        plain = beginning.strip().lower().removeprefix("0x")
        found = {
            bytes(event.arguments["claim"])
            for event in self.index.events("Claims", "Submitted")
            if event.arguments["claim"].hex().startswith(plain)
        }
        if len(found) != 1 or len(plain) < 4:
            raise NotClaimed(claim=beginning, several=len(found))
        return found.pop()

    def claims(self, **where: Any) -> list[Claimed]:
        """The claims of a `plan`, a `pseudonym` or a `provider`, in the order of their submission.

        What went to the chain through another contract cannot be read, and is left out.
        """
        found = []
        for event in self.index.events("Claims", "Submitted", where=where):
            with suppress(NotSubmitted):
                found.append(self._claimed(event))
        return found

    def story(self, claim: bytes) -> list[Event]:
        """Every event that names a claim, in the order of the chain."""
        rows = self.index.query(
            "SELECT block, log_index FROM events WHERE json_extract(arguments, '$.claim') = ?", ("0x" + claim.hex(),)
        )
        wanted = {(row["block"], row["log_index"]) for row in rows}
        return [event for event in self.index.events() if (event.block, event.index) in wanted]

    def assessed(self, claim: bytes) -> Event | None:
        """The last decision about a claim's lines; None before the first."""
        found = self.index.events("Benefits", "Assessed", where={"claim": claim}, newest_first=True, limit=1)
        return next(found, None)

    def controller(self, pseudonym: str) -> str:
        return str(self._call("Keys", "authorityOf", pseudonym)["controller"])

    def most(self, claimed: Claimed) -> int:
        """The most that a claim may be paid: what an earlier payer had left when it was submitted."""
        if claimed.claim.primary == NONE:
            return NO_LIMIT
        state = self.contracts.Claims.functions.stateOf(claimed.claim.primary)
        return int(self.contracts.call(state, block=claimed.submitted.block - 1)["share"])

    def items(self, claimed: Claimed) -> tuple[Item, ...]:
        """The lines with what the chain knew of them when they were first decided about."""
        first = next(self.index.events("Benefits", "Assessed", where={"claim": claimed.id}, limit=1))
        query = (claimed.id, claimed.state.time, claimed.is_goods, False, False, NO_LIMIT, 0)
        quote = self.contracts.Benefits.functions.quote(claimed.claim.terms(), claimed.shown, query)
        told = self.contracts.call(quote, block=first.block - 1)
        return tuple(_item(each) for each in told["items"])

    def filling(self, claimed: Claimed) -> bytes:
        """The digest of what a pharmacy sealed when it filled the line of a claim for goods. Raises NotSubmitted."""
        return bytes(self._filling(claimed)["evidence"])

    def filled_line(self, claimed: Claimed) -> tuple[bytes, int]:
        """The prescription that a claim for goods filled, and which line of it, from zero. Raises NotSubmitted."""
        told = self._filling(claimed)
        return Terms(*told["terms"].values()).id, int(told["line"])

    def _filling(self, claimed: Claimed) -> Mapping[str, Any]:
        told = self._submission(claimed.submitted)
        if "goods" not in told:
            raise NotSubmitted(claim=claimed.id.hex())
        return dict(told["goods"]["filling"])

    def quote(self, claim: Claim, rows: Sequence[tuple[Benefit, Sequence[bytes]]], *, is_goods: bool) -> Quote:
        """What a claim would come to if it were submitted now."""
        shown = [(benefit.as_tuple(), list(proof)) for benefit, proof in rows]
        query = (claim.id, self.now(), is_goods, False, False, NO_LIMIT, self.balance(claim.plan))
        told = self._call("Benefits", "quote", claim.terms(), shown, query)
        return Quote(
            items=tuple(_item(each) for each in told["items"]),
            decision=_decision(told["decision"]),
            missing=Missing(told["missing"]),
        )

    def _claimed(self, event: Event) -> Claimed:
        told = self._submission(event)
        number = bytes(event.arguments["claim"])
        outcomes: tuple[Outcome, ...] = ()
        if assessed := self.assessed(number):
            outcomes = tuple(_outcome(each) for each in assessed.arguments["outcomes"])
        return Claimed(
            claim=claim_from(told["claim"]),
            rows=tuple((_benefit(row["benefit"]), tuple(row["proof"])) for row in told["rows"]),
            signature=bytes(told["signature"]),
            batch=bytes(event.arguments["batch"]),
            index=int(event.arguments["index"]),
            outcomes=outcomes,
            state=self.state(number),
            submitted=event,
        )

    def _submission(self, event: Event) -> dict[str, Any]:
        """What the transaction of a submission was called with. Raises NotSubmitted for one that went a way around."""
        found = self._node.request("eth_getTransactionByHash", [event.transaction])
        data = bytes.fromhex(str((found or {}).get("input", "0x"))[2:])
        for name in _SUBMITTING:
            part = self.contracts.Claims.get_function_by_name(name).abi
            if data[:4] != function_abi_to_4byte_selector(part):
                continue
            told = decode(part["inputs"], data[4:])
            if claim_from(told["claim"]).id == event.arguments["claim"]:
                return told
        raise NotSubmitted(claim=event.arguments["claim"].hex())

    def _call(self, contract: str, function: str, *arguments: Any) -> Any:
        return self.contracts.call(self.contracts[contract].functions[function](*arguments))

    # -- acting ------------------------------------------------------------------------------------------------------

    @property
    def account(self) -> ChecksumAddress:
        """Whose transactions these are. Raises NoSender."""
        return self._sending().address

    def send(self, contract: str, function: str, *arguments: Any, intent: str | None = None) -> Receipt:
        """Sends an act of the account's. Raises NoSender, Reverted."""
        return self._sending().send(self.contracts[contract].functions[function](*arguments), intent=intent)

    def carry(self, message: Message, *signatures: bytes) -> Receipt:
        """Carries what others signed to the contract that takes it."""
        return self.send(message.CONTRACT, message.FUNCTION, *message.arguments(*signatures))

    def let_collect(self, token: str, spender: str, amount: int) -> None:
        """Lets a contract collect so much of the account's tokens, unless it may already."""
        coin = self.token(token)
        allowed = self.contracts.call(coin.functions.allowance(self.account, to_checksum_address(spender)))
        if allowed < amount:
            self._sending().send(coin.functions.approve(to_checksum_address(spender), amount))

    def deposit(self, plan: bytes, amount: int) -> Receipt:
        """Puts money into a plan's escrow."""
        self.let_collect(self.plan(plan)["token"], self.contracts.Escrow.address, amount)
        return self.send("Escrow", "deposit", plan, amount)

    def pay_share(self, claim: Claim, amount: int) -> Receipt:
        """Pays what is due of a patient's share, if that is `amount`, from the account."""
        self.let_collect(self.plan(claim.plan)["token"], self.contracts.Escrow.address, amount)
        return self.send("Escrow", "payShare", claim.plan, claim.content, amount)

    def pay_premium(self, plan: bytes, pseudonym: str, periods: int) -> Receipt:
        terms = self.plan(plan)
        self.let_collect(terms["token"], self.contracts.Policies.address, terms["premium"] * periods)
        return self.send("Policies", "payPremium", plan, pseudonym, periods)

    def _sending(self) -> Sender:
        if self._sender is None:
            raise NoSender
        return self._sender


def claim_from(told: Mapping[str, Any]) -> Claim:
    """A claim from what the contracts were called with."""
    lines = tuple(Line(*each.values()) for each in told["lines"])
    return Claim(**{**told, "lines": lines})


def limits_from(told: Mapping[str, Any]) -> Limits:
    """A plan's limits as the chain has them."""
    return Limits(*told.values())


def _benefit(told: Mapping[str, Any]) -> Benefit:
    service, bundle, kind, *rest = told.values()
    return Benefit(service, bundle, Kind(kind), *rest)


def _outcome(told: Mapping[str, Any]) -> Outcome:
    reasons, *amounts = told.values()
    return Outcome(Reason(reasons), *amounts)


def _item(told: Mapping[str, Any]) -> Item:
    reasons = {name: Reason(told[name]) for name in ("found", "waived")}
    return Item(*{**told, **reasons, "benefit": _benefit(told["benefit"])}.values())


def _used(told: Mapping[str, Any]) -> Used:
    return Used(*told.values())


def _decision(told: Mapping[str, Any]) -> Decision:
    outcomes, person, family, paid, share = told.values()
    return Decision(tuple(_outcome(each) for each in outcomes), _used(person), _used(family), int(paid), int(share))

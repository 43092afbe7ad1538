"""A claim as one document that a third party verifies offline: terms, consent, decision step by step, proofs.

Whoever made it signs it, so that nothing in it changes unseen. What `verify` checks beyond that:

1. The claim has the number that the dossier is about: every line, amount and day is in it.
2. The patient consented to it: her signature is that of the pseudonym's controller, for this chain and contract.
3. The plan's terms have the plan's number and name this contract, and the rows of the lines are in its schedule.
4. The published rules give this decision from the limits, from what had been used, and from what the chain knew.
5. The decision is what the chain keeps of the claim: the hash of claim, goods, rows and outcomes, and the amount paid.
6. That stands under a block whose hash the verifier trusts, by proofs out of the block's state.

Without a block's hash, or from a node that gives no proofs, the sixth is left open, and the verdict says so; as it does
where consent was given by a transaction. Whether the contract is the consortium's own, the verifier has to know:
anybody can deploy another, and publish a plan that names it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import SignableMessage, encode_defunct
from eth_utils.crypto import keccak

from theriac.cover.claiming import Claimed, Cover, State, Status, claim_from
from theriac.cover.messages import Claim, Line
from theriac.cover.policies import PLAN_TYPE
from theriac.cover.proofs import StorageProof, storage_proof
from theriac.cover.rules import (
    WAIVABLE,
    Benefit,
    Decision,
    Item,
    Kind,
    Limits,
    Outcome,
    Reason,
    Used,
    decide,
)
from theriac.cover.schedule import BENEFIT_TYPE, leaf_of, parent_of
from theriac.errors import BadDocument, BadDossier, NotRecomputed
from theriac.health import documents
from theriac.ledger.node import Node
from theriac.ledger.signer import Signer
from theriac.ledger.typed import Domain

_KIND = "claim dossier"
_OUTCOME_TYPE = "(uint32,uint64,uint64,uint64,uint64,uint64,uint64)"

STATES = 3
"""The storage slot of `Claims._stateOf`, from which the slots of a claim are told (Solidity, layout of mappings)."""


@dataclass(frozen=True)
class Kept:
    """What the chain keeps of a claim: `Claims.State`, as two slots hold it."""

    status: int
    missing: int
    marks: int
    provider: int
    time: int
    decided: int
    paid: int
    share: int
    facts: bytes

    _BITS = (8, 8, 8, 32, 32, 32, 64, 64)

    @classmethod
    def of(cls, state: State) -> "Kept":
        """As the chain told it."""
        return cls(**{**vars(state), "status": int(state.status), "missing": int(state.missing)})

    @property
    def words(self) -> tuple[int, int]:
        """The two slots."""
        word = shift = 0
        for value, bits in zip(vars(self).values(), self._BITS, strict=False):
            word |= int(value) << shift
            shift += bits
        return word, int.from_bytes(self.facts, "big")


def slots_of(claim: bytes) -> tuple[int, int]:
    """Where the chain keeps a claim."""
    first = int.from_bytes(keccak(claim + STATES.to_bytes(32, "big")), "big")
    return first, first + 1


@dataclass(frozen=True)
class Dossier:
    """Everything about a decided claim. Amounts are in the token's smallest unit."""

    domain: Domain
    plan: Mapping[str, Any]
    claim: Claim
    signature: bytes
    controller: str
    batch: bytes
    index: int
    rows: tuple[tuple[Benefit, tuple[bytes, ...]], ...]
    items: tuple[Item, ...]
    person: Used
    family: Used
    most: int
    decision: Decision
    kept: Kept
    block: int
    proof: StorageProof | None
    author: str = ""
    seal: bytes = b""

    def sealed(self, signer: Signer) -> "Dossier":
        """Signed by whoever made it."""
        unsealed = replace(self, author=str(signer.address), seal=b"")
        return replace(unsealed, seal=signer.sign_message(unsealed._message()))

    def _message(self) -> SignableMessage:
        """What its author signs (EIP-191): the dossier without its seal."""
        return encode_defunct(primitive=b"Theriac claim dossier\n" + replace(self, seal=b"").encode())

    # -- as a document -----------------------------------------------------------------------------------------------

    def encode(self) -> bytes:
        domain = {name: str(value) for name, value in vars(self.domain).items()}
        told = {
            "domain": domain,
            "plan": _jsonable(self.plan),
            "claim": _jsonable(self.claim.values()),
            "signature": self.signature.hex(),
            "controller": self.controller,
            "batch": self.batch.hex(),
            "index": self.index,
            "rows": [[_told(benefit.as_tuple()), [each.hex() for each in proof]] for benefit, proof in self.rows],
            "items": [_told(item.as_tuple()) for item in self.items],
            "person": _told(self.person.as_tuple()),
            "family": _told(self.family.as_tuple()),
            "most": str(self.most),
            "decision": _told(self.decision.as_tuple()),
            "kept": _told(tuple(vars(self.kept).values())),
            "block": self.block,
            "proof": self.proof.told() if self.proof else None,
            "author": self.author,
            "seal": self.seal.hex(),
        }
        return documents.encode(_KIND, told)

    @classmethod
    def decode(cls, data: bytes) -> "Dossier":
        """Raises BadDossier."""
        try:
            told = documents.decode(_KIND, data.strip())
            domain = told["domain"]
            kept = _read(told["kept"])
            return cls(
                domain=Domain(domain["name"], domain["version"], int(domain["chain_id"]), domain["contract"]),
                plan=_plan_from(told["plan"]),
                claim=_claim_from(told["claim"]),
                signature=bytes.fromhex(told["signature"]),
                controller=str(told["controller"]),
                batch=bytes.fromhex(told["batch"]),
                index=int(told["index"]),
                rows=tuple(
                    (_benefit(_read(row)), tuple(bytes.fromhex(each) for each in proof)) for row, proof in told["rows"]
                ),
                items=tuple(_item(_read(each)) for each in told["items"]),
                person=Used(*_read(told["person"])),
                family=Used(*_read(told["family"])),
                most=int(told["most"]),
                decision=Decision.of(_read(told["decision"])),
                kept=Kept(*kept),
                block=int(told["block"]),
                proof=StorageProof.read(told["proof"]) if told["proof"] else None,
                author=str(told["author"]),
                seal=bytes.fromhex(told["seal"]),
            )
        except BadDocument as trouble:
            raise BadDossier(step=0, fault=trouble.fault) from None
        except (KeyError, TypeError, ValueError, AttributeError):
            raise BadDossier(step=0, fault="a part of it is missing or broken") from None

    # -- verifying ---------------------------------------------------------------------------------------------------

    def verify(self, claim: bytes, *, block_hash: bytes | None = None, contract: str | None = None) -> str:
        """What is proven. `contract` is the one that the verifier knows to decide the consortium's claims, and
        `block_hash` that of a block it trusts. Raises BadDossier, which names the step that failed.
        """
        try:
            author = Account.recover_message(self._message(), signature=self.seal)
        except Exception:
            # Whatever a library makes of a malformed signature, it is nobody's.
            author = ""
        if author != self.author or not author:
            raise BadDossier(step=0, fault="it was changed since its author signed it")
        if contract is not None and contract != self.domain.contract:
            raise BadDossier(step=0, fault=f"another contract keeps its claim, {self.domain.contract}")
        # (1) the claim has the number that the dossier is about
        if self.claim.id != claim:
            raise BadDossier(step=1, fault="its claim has another number")
        # (2) the patient consented
        self._check_consent()
        # (3) the plan and its rows
        limits = self._check_plan()
        # (4) the rules give this decision
        self._check_decision(limits)
        # (5) the decision is what the chain keeps
        self._check_kept()
        # (6) that stands under a trusted block
        return self._check_block(block_hash)

    def _check_consent(self) -> None:
        if not self.signature:
            return
        try:
            signer = Account.recover_message(self.claim.signable(self.domain), signature=self.signature)
        except Exception:
            raise BadDossier(step=2, fault="its consent is no signature") from None
        if signer != self.controller:
            raise BadDossier(step=2, fault="its consent was signed by another account than the pseudonym's controller")

    def _check_plan(self) -> Limits:
        *fields, limits = self.plan.values()
        terms = Limits(*limits.values())
        if keccak(encode([PLAN_TYPE], [(*fields, terms.as_tuple())])) != self.claim.plan:
            raise BadDossier(step=3, fault="its plan has another number")
        if self.plan["adjudicator"] != self.domain.contract:
            raise BadDossier(step=3, fault="its plan names another contract")
        if len(self.rows) != len(self.claim.lines):
            raise BadDossier(step=3, fault="it does not have a row for each line")
        for (benefit, proof), line in zip(self.rows, self.claim.lines, strict=True):
            node = leaf_of(benefit)
            for beside in proof:
                node = parent_of(node, beside)
            if node != self.plan["schedule"] or benefit.service != line.service:
                raise BadDossier(step=3, fault="one of its rows is not in the plan's schedule")
        return terms

    def _check_decision(self, limits: Limits) -> None:
        shown = [
            (benefit, line.day, line.units, line.charged, line.authorization) for (benefit, _), line in self._pairs
        ]
        told = [(each.benefit, each.day, each.units, each.charged, each.authorization) for each in self.items]
        if shown != told:
            raise BadDossier(step=4, fault="what was decided about is not what was claimed")
        if any(item.waived & ~WAIVABLE for item in self.items):
            raise BadDossier(step=4, fault="it sets aside what no appeal can")
        decision = decide(limits, self.person, self.family, self.items, self.most)
        if decision != self.decision:
            raise BadDossier(step=4, fault="the published rules decide otherwise")

    def _check_kept(self) -> None:
        rows = [benefit.as_tuple() for benefit, _ in self.rows]
        outcomes = [outcome.as_tuple() for outcome in self.decision.outcomes]
        decided = keccak(encode([f"{BENEFIT_TYPE}[]", f"{_OUTCOME_TYPE}[]"], [rows, outcomes]))
        facts = keccak(
            encode(["bytes32", "bytes32", "uint32", "bytes32"], [self.claim.content, self.batch, self.index, decided])
        )
        if facts != self.kept.facts:
            raise BadDossier(step=5, fault="the chain keeps another decision")
        if self.kept.status != Status.REVERSED and self.kept.paid != self.decision.paid:
            raise BadDossier(step=5, fault="the chain keeps another amount")

    def _check_block(self, block_hash: bytes | None) -> str:
        consent = "" if self.signature else " Consent was given by a transaction, which this does not show."
        if self.proof is None:
            return f"The decision follows from the terms; whoever made this gave no proof that it stands.{consent}"
        values = self.proof.values(self.domain.contract)
        if [values.get(slot) for slot in slots_of(self.claim.id)] != list(self.kept.words):
            raise BadDossier(step=6, fault="the block's state keeps something else of this claim")
        number, its = self.proof.number, self.proof.block_hash
        if block_hash is None:
            return f"Proven, if block {number} of chain {self.domain.chain_id} has the hash 0x{its.hex()}.{consent}"
        if its != block_hash:
            raise BadDossier(
                step=6, fault=f"its block {number} has the hash 0x{its.hex()}, which is not the trusted one"
            )
        return f"Proven under block {number}, whose hash is the trusted one.{consent}"

    @property
    def _pairs(self) -> list[tuple[tuple[Benefit, tuple[bytes, ...]], Line]]:
        return list(zip(self.rows, self.claim.lines, strict=True))


# -- making one ------------------------------------------------------------------------------------------------------


def dossier_of(cover: Cover, node: Node, claimed: Claimed) -> Dossier:
    """The dossier of a claim that was decided. Raises NotRecomputed where the chain's history does not give it back."""
    assessed = cover.assessed(claimed.id)
    if assessed is None:
        raise NotRecomputed(claim=claimed.id.hex(), fault="it is not decided")
    outcomes = claimed.outcomes
    person, family = (_before(_used(assessed.arguments[name]), outcomes) for name in ("person", "family"))
    has_family = bool(cover.policy(claimed.claim.plan, claimed.claim.pseudonym)["family"])
    family = replace(family, lifetime=0) if has_family else Used()
    plan = cover.plan(claimed.claim.plan)
    limits = Limits(*plan["limits"].values())
    most = cover.most(claimed)
    items = _as_decided(cover.items(claimed), outcomes)
    decision = decide(limits, person, family, items, most)
    if decision.outcomes != outcomes:
        raise NotRecomputed(claim=claimed.id.hex(), fault="the node no longer tells the state that it was decided in")
    block = node.head().number
    return Dossier(
        domain=cover.domain("Claims"),
        plan=plan,
        claim=claimed.claim,
        signature=claimed.signature,
        controller=cover.controller(claimed.claim.pseudonym),
        batch=claimed.batch,
        index=claimed.index,
        rows=claimed.rows,
        items=items,
        person=person,
        family=family,
        most=most,
        decision=decision,
        kept=Kept.of(cover.state(claimed.id)),
        block=block,
        proof=storage_proof(node, cover.contracts.Claims.address, slots_of(claimed.id), block=block),
    )


def _as_decided(items: Sequence[Item], outcomes: Sequence[Outcome]) -> tuple[Item, ...]:
    """The lines with what an appeal set aside: what spoke against them, could be, and is not in the decision."""
    found = []
    for item, outcome in zip(items, outcomes, strict=True):
        spoke = item.found | _rules_against(item)
        found.append(replace(item, waived=spoke & WAIVABLE & ~outcome.reasons))
    return tuple(found)


def _rules_against(item: Item) -> Reason:
    alone = decide(Limits(), Used(), Used(), [item]).outcomes[0].reasons
    return alone & Reason(0xFFFF)


def _before(after: Used, outcomes: Sequence[Outcome]) -> Used:
    """What had been used before these outcomes."""
    return Used(
        deductible=after.deductible - sum(each.deductible for each in outcomes),
        out_of_pocket=after.out_of_pocket - sum(each.borne for each in outcomes),
        paid=after.paid - sum(each.paid for each in outcomes),
        lifetime=after.lifetime - sum(each.paid for each in outcomes),
    )


# -- reading and writing ---------------------------------------------------------------------------------------------


def _jsonable(value: Any) -> Any:
    """Names with their values: bytes in hexadecimal, numbers that not every reader keeps as texts."""
    match value:
        case Mapping():
            return {name: _jsonable(each) for name, each in value.items()}
        case bytes():
            return f"0x{value.hex()}"
        case list() | tuple():
            return [_jsonable(each) for each in value]
        case int() if value >= 2**53:
            return str(value)
    return value


def _told(values: Sequence[Any]) -> list[Any]:
    """Tuples as lists, bytes in hexadecimal, numbers as texts."""
    told: list[Any] = []
    for value in values:
        match value:
            case bytes():
                told.append(f"0x{value.hex()}")
            case bool():
                told.append(value)
            case int():
                told.append(str(int(value)))
            case _:
                told.append(_told(value))
    return told


def _read(told: Sequence[Any]) -> list[Any]:
    values: list[Any] = []
    for value in told:
        match value:
            case bool():
                values.append(value)
            case str():
                values.append(bytes.fromhex(value[2:]) if value.startswith("0x") else int(value))
            case list():
                values.append(_read(value))
            case _:
                raise ValueError("is no value of a dossier")
    return values


def _benefit(values: Sequence[Any]) -> Benefit:
    service, bundle, kind, *rest = values
    return Benefit(service, bundle, Kind(kind), *rest)


def _item(values: Sequence[Any]) -> Item:
    benefit, *facts = values
    return Item(_benefit(benefit), *facts[:-2], *(Reason(each) for each in facts[-2:]))


def _used(told: Mapping[str, Any]) -> Used:
    return Used(*told.values())


def _claim_from(told: Mapping[str, Any]) -> Claim:
    lines = [{name: _field(kind, each[name]) for kind, name in Claim.NESTED["Line"]} for each in told["lines"]]
    values = {name: _field(kind, told[name]) for kind, name in Claim.FIELDS if kind != "Line[]"}
    return claim_from({name: {**values, "lines": lines}[name] for _, name in Claim.FIELDS})


def _field(kind: str, value: Any) -> Any:
    if kind == "bytes32":
        return bytes.fromhex(str(value).removeprefix("0x"))
    return str(value) if kind == "address" else int(value)


_LIMITS = ("deductible", "familyDeductible", "outOfPocket", "familyOutOfPocket", "annual", "familyAnnual", "lifetime")
_PLAN = (
    *("adjudicator", "insurer", "premiumDays", "graceDays", "filingDays", "refuteDays", "token", "arbiter"),
    *("appealDays", "reversalDays", "appeals", "premium", "schedule", "document"),
)
"""The fields of a plan and of its limits in the contract's order, which canonical JSON does not keep."""


def _plan_from(told: Mapping[str, Any]) -> dict[str, Any]:
    plan = {name: _plain(told[name]) for name in _PLAN}
    return {**plan, "limits": {name: int(told["limits"][name]) for name in _LIMITS}}


def _plain(value: Any) -> Any:
    """A number, 32 bytes, or the text of an address."""
    text = str(value)
    if len(text) == 66:
        return bytes.fromhex(text.removeprefix("0x"))
    return text if text.startswith("0x") else int(text)

"""The chain on paper with those who act beside a patient: delegates, referrers, custodians, guardians, other wallets.

It keeps the rules of the contracts by which acts are refused, as far as the machines of patients' lives come to them;
that the contracts keep them is tested on the contracts. What a signature says is believed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eth_utils.address import to_checksum_address
from paper_chain import NOBODY, PaperChain, PaperRelay

from theriac.consortium import Role
from theriac.errors import Reverted
from theriac.health.chain import Authority, Chain, Guard, Pending, Refusal
from theriac.health.delegations import REFERRED, Appoint, DelegatedGrant, DelegatedNarrow, DelegatedRevoke
from theriac.health.emergencies import LAPSE, WINDOW, EmergencyRefusal, Status
from theriac.health.guardians import (
    DELAY,
    LASTS,
    NOTICE,
    Confirm,
    Finish,
    GuardianSet,
    Lapse,
    Object,
    SetGuardians,
    TakeOver,
    raised,
)
from theriac.health.messages import Grant, HandOver, Narrow, Review, Revoke, RevokeEverything, SetParent, member_address
from theriac.health.scope import PURPOSES, REFERRAL, Purpose

_ZERO = bytes(32)
_NO_GRANT = {"scope": 0, "start": 0, "expiry": 0, "nonce": 0, "era": 0, "by": 0, "generation": 0}


@dataclass
class Attempt:
    """A recovery that is pending."""

    controller: str
    set: GuardianSet
    begun: int
    confirmed: int
    objected: bool = False

    @property
    def needed(self) -> int:
        return raised(len(self.set.accounts)) if self.objected else self.set.threshold


@dataclass
class WholeChain(PaperChain):
    """What `Chain` answers of these contracts too. `roles` has who belongs to which member, as what."""

    controllers: dict[str, str] = field(default_factory=dict)
    roles: dict[str, tuple[int, Role]] = field(default_factory=dict)
    accounts: dict[int, str] = field(default_factory=dict)
    parents: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    mandates: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    referrers: dict[tuple[str, str, int], str] = field(default_factory=dict)
    cases: dict[int, dict[str, Any]] = field(default_factory=dict)
    released: dict[int, set[int]] = field(default_factory=dict)
    barred: dict[str, int] = field(default_factory=dict)
    guards: dict[str, Guard] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)
    attempts: dict[str, Attempt] = field(default_factory=dict)

    @property
    def contracts(self) -> "WholeContracts":
        return WholeContracts(self)

    def time_of_block(self, number: int) -> int:
        return self.log[number].seconds

    # -- members -----------------------------------------------------------------------------------------------------

    def admit(self, number: int, account: str, roles: Role) -> None:
        """A member, and the account that acts for it."""
        self.accounts[number] = account
        self.join(number, account, roles)

    def join(self, number: int, account: str, roles: Role) -> None:
        """Somebody of a member's staff."""
        self.members[account], self.roles[account] = number, (number, roles)

    def member_of(self, account: str, *, block: Any = None) -> int:
        return self.members.get(account, 0)

    def member_account(self, number: int) -> str:
        return self.accounts.get(number, member_address(number))

    def standing(self, account: str, roles: int) -> int:
        number, held = self.roles.get(account, (0, Role(0)))
        return number if int(held) & roles else 0

    # -- keys --------------------------------------------------------------------------------------------------------

    def authority(self, pseudonym: str) -> Authority:
        controller = self.controllers.get(pseudonym, pseudonym)
        era, version = self.eras.get(pseudonym, 0), self.versions.get(pseudonym, 0)
        return Authority(to_checksum_address(controller), era, version, pseudonym in self.attempts)

    def signed(self, message: Any, signature: str, account: str) -> bool:
        return Chain.signed(self, message, signature, account)  # type: ignore[arg-type]

    def raise_era(self, pseudonym: str) -> None:
        self.eras[pseudonym] = self.eras.get(pseudonym, 0) + 1
        self.publishers[pseudonym] = (NOBODY, self.publisher(pseudonym)[1] + 1)

    def move(self, pseudonym: str, controller: str) -> None:
        self.controllers[pseudonym] = controller
        self.tell("HandedOver", pseudonym=pseudonym, controller=controller)

    # -- grants ------------------------------------------------------------------------------------------------------

    def grant(self, pseudonym: str, reader: str, purpose: Purpose, *, block: Any = None) -> dict[str, int]:
        return self.grants.get((pseudonym, to_checksum_address(reader), purpose.number), dict(_NO_GRANT))

    def parent(self, pseudonym: str, by: int) -> dict[str, Any]:
        return self.parents.get((pseudonym, by), {"holder": NOBODY, "generation": 0, "expiry": 0})

    def mandate(self, pseudonym: str, by: int) -> dict[str, Any]:
        none = {"scope": 0, "purposes": 0, "threshold": 0, "generation": 0, "era": 0}
        return self.mandates.get((pseudonym, by), none)

    def referrer(self, pseudonym: str, reader: str, purpose: Purpose) -> str:
        return self.referrers.get((pseudonym, to_checksum_address(reader), purpose.number), NOBODY)

    def explain(self, pseudonym: str, reader: str, scope: int, purpose: Purpose, *, block: Any = None) -> Refusal:
        member = self.standing(reader, int(Role.CLINICIAN))
        if not member:
            return Refusal.NO_STANDING
        own = self._explain_grant(pseudonym, reader, scope, purpose)
        if own is Refusal.NONE:
            return own
        members = self._explain_grant(pseudonym, member_address(member), scope, purpose)
        return members if own is Refusal.NO_GRANT or members is Refusal.NONE else own

    def _explain_grant(self, pseudonym: str, reader: str, scope: int, purpose: Purpose) -> Refusal:
        found = self.grant(pseudonym, reader, purpose)
        if not found["scope"]:
            return Refusal.NO_GRANT
        if found["era"] != self.eras.get(pseudonym, 0):
            return Refusal.ERA_RAISED
        if found["by"] and not self._parent_stands(pseudonym, reader, purpose, found):
            return Refusal.PARENT_ENDED
        if self.seconds < found["start"]:
            return Refusal.NOT_STARTED
        if self.seconds >= found["expiry"]:
            return Refusal.EXPIRED
        return Refusal.NONE if found["scope"] & scope == scope else Refusal.OUT_OF_SCOPE

    def _parent_stands(self, pseudonym: str, reader: str, purpose: Purpose, found: Mapping[str, int]) -> bool:
        if found["by"] != REFERRED:
            return self._lives(pseudonym, found)
        referrers = self.grant(pseudonym, self.referrer(pseudonym, reader, purpose), purpose)
        if referrers["nonce"] != found["generation"] or self.seconds >= referrers["expiry"]:
            return False
        return not referrers["by"] or self._lives(pseudonym, referrers)

    def _lives(self, pseudonym: str, found: Mapping[str, int]) -> bool:
        parent = self.parent(pseudonym, found["by"])
        return bool(parent["generation"] == found["generation"] and self.seconds < parent["expiry"])

    def is_live(self, pseudonym: str, reader: str, purpose: Purpose) -> bool:
        """Whether a grant stands."""
        found = self.grant(pseudonym, reader, purpose)
        if not found["scope"] or found["era"] != self.eras.get(pseudonym, 0) or self.seconds >= found["expiry"]:
            return False
        return not found["by"] or self._parent_stands(pseudonym, reader, purpose, found)

    def write_grant(self, message: Grant, *, by: int, generation: int) -> None:
        place = (message.pseudonym, to_checksum_address(message.reader), message.purpose.number)
        former = self.grant(message.pseudonym, message.reader, message.purpose)
        self.grants[place] = {
            "scope": message.scope,
            "start": message.start,
            "expiry": message.expiry,
            "nonce": former["nonce"] + 1,
            "era": self.eras.get(message.pseudonym, 0),
            "by": by,
            "generation": generation,
        }
        self.tell("Granted", pseudonym=place[0], reader=place[1], purpose=place[2], scope=message.scope, by=by)

    def set_parent(self, pseudonym: str, by: int, holder: str, expiry: int) -> int:
        generation = int(self.parent(pseudonym, by)["generation"]) + 1
        self.parents[pseudonym, by] = {"holder": holder, "generation": generation, "expiry": expiry}
        return generation

    # -- recovery ----------------------------------------------------------------------------------------------------

    def guard(self, pseudonym: str) -> Guard:
        found = self.guards.get(pseudonym, Guard(_ZERO, _ZERO, 0, 0))
        return Guard(found.successor, _ZERO, 0, found.nonce) if 0 < found.since <= self.seconds else found

    def pending(self, pseudonym: str) -> Pending:
        number, found = self.rounds.get(pseudonym, 0), self.attempts.get(pseudonym)
        if found is None:
            return Pending("", number, 0, 0, 0, 0, 0, False)
        ends, lapses = found.begun + DELAY, found.begun + LASTS
        return Pending(found.controller, number, ends, lapses, found.confirmed, 0, found.needed, found.objected)


def refused(contract: str, error: str) -> Reverted:
    return Reverted(contract=contract, error=error, arguments={})


class WholeRelay(PaperRelay):
    """Applies what was signed for these contracts too."""

    _chain: WholeChain

    def _apply(self, message: Any) -> None:
        match message:
            case DelegatedGrant() | DelegatedNarrow() | DelegatedRevoke():
                self._for_a_delegate(message)
            case Appoint():
                self._check_fresh(message.freshness, self._chain.parent(message.pseudonym, message.by)["generation"])
                self._appoint(message)
            case SetParent():
                self._check_fresh(message.freshness, self._chain.parent(message.pseudonym, message.by)["generation"])
                self._chain.set_parent(message.pseudonym, message.by, message.holder, message.expiry)
            case RevokeEverything():
                self._chain.raise_era(message.pseudonym)
            case HandOver():
                if not message.keep_grants:
                    self._chain.raise_era(message.pseudonym)
                nonce = self._chain.publisher(message.pseudonym)[1] + 1
                self._chain.publishers[message.pseudonym] = (message.publisher, nonce)
                self._chain.move(message.pseudonym, message.controller)
            case Review():
                self._review(message)
            case SetGuardians() | TakeOver() | Object() | Finish():
                self._recover(message)
            case _:
                super()._apply(message)

    def _change(self, message: Grant | Narrow | Revoke) -> None:
        former = self._chain.grant(message.pseudonym, message.reader, message.purpose)
        self._check_fresh(message.freshness, former["nonce"])
        self._write(message)

    def _write(self, message: Grant | Narrow | Revoke) -> None:
        chain = self._chain
        place = (message.pseudonym, to_checksum_address(message.reader), message.purpose.number)
        former = chain.grant(message.pseudonym, message.reader, message.purpose)
        if isinstance(message, Grant):
            generation = 0
            if message.by:
                parent = chain.parent(message.pseudonym, message.by)
                if chain.seconds >= parent["expiry"] or message.expiry > parent["expiry"]:
                    raise refused("Grants", "WrongParent")
                generation = parent["generation"]
            chain.write_grant(message, by=message.by, generation=generation)
        elif isinstance(message, Narrow):
            if not former["scope"] or former["era"] != chain.eras.get(message.pseudonym, 0):
                raise refused("Grants", "NotGranted")
            if message.scope & ~former["scope"] or message.expiry > former["expiry"]:
                raise refused("Grants", "Wider")
            nonce = former["nonce"] + 1
            chain.grants[place] = {**former, "scope": message.scope, "expiry": message.expiry, "nonce": nonce}
        else:
            chain.grants[place] = {**_NO_GRANT, "nonce": former["nonce"] + 1}

    @staticmethod
    def _check_fresh(freshness: Any, nonce: int) -> None:
        if freshness.nonce != nonce:
            raise refused("Grants", "WrongNonce")

    # -- delegates ---------------------------------------------------------------------------------------------------

    def _appoint(self, message: Appoint) -> None:
        chain = self._chain
        generation = chain.set_parent(message.pseudonym, message.by, message.holder, message.expiry)
        chain.mandates[message.pseudonym, message.by] = {
            "scope": message.scope,
            "purposes": message.purposes,
            "threshold": message.threshold,
            "generation": generation,
            "era": chain.eras.get(message.pseudonym, 0),
        }

    def _for_a_delegate(self, message: DelegatedGrant | DelegatedNarrow | DelegatedRevoke) -> None:
        chain, purpose = self._chain, message.purpose
        current = chain.grant(message.pseudonym, message.reader, purpose)
        by = message.by if isinstance(message, DelegatedGrant) else current["by"]
        mandate, parent = chain.mandate(message.pseudonym, by), chain.parent(message.pseudonym, by)
        lives = mandate["generation"] == parent["generation"] and chain.seconds < parent["expiry"]
        if not by or not lives or mandate["era"] != chain.eras.get(message.pseudonym, 0):
            raise refused("Delegations", "WrongSignature")
        self._check_fresh(message.freshness, current["nonce"])
        if isinstance(message, DelegatedGrant):
            if message.scope & ~mandate["scope"] or not mandate["purposes"] >> purpose.number & 1:
                raise refused("Delegations", "BeyondMandate")
            if chain.is_live(message.pseudonym, message.reader, purpose) and current["by"] != by:
                raise refused("Grants", "Occupied")
        self._write(message)

    # -- emergencies -------------------------------------------------------------------------------------------------

    def _review(self, message: Review) -> None:
        case = self._chain.cases[message.number]
        if case["status"] != Status.OPEN:
            raise refused("Emergencies", "WrongStatus")
        case["status"] = Status(message.verdict)
        barred = self._chain.barred.get(case["clinician"], 0)
        self._chain.barred[case["clinician"]] = max(barred, message.barred_until)

    # -- recovery ----------------------------------------------------------------------------------------------------

    def _recover(self, message: Any) -> None:
        chain, pseudonym = self._chain, message.pseudonym
        attempt, now = chain.attempts.get(pseudonym), chain.seconds
        match message:
            case SetGuardians():
                if attempt is not None:
                    raise refused("Keys", "Frozen")
                guard, first = chain.guard(pseudonym), not chain.versions.get(pseudonym, 0)
                at_once = first and guard.guardians == _ZERO
                chain.guards[pseudonym] = (
                    Guard(message.guardians, _ZERO, 0, guard.nonce + 1)
                    if at_once
                    else Guard(guard.guardians, message.guardians, now + NOTICE, guard.nonce + 1)
                )
                chain.tell("GuardiansSet", pseudonym=pseudonym, guardians=message.guardians)
            case Confirm():
                if attempt is None:
                    raise refused("Recovery", "NotPending")
                attempt.confirmed |= message.signers
            case TakeOver():
                if attempt is not None or chain.guard(pseudonym).guardians != message.guardians.hash:
                    raise refused("Recovery", "WrongGuardians")
                if message.signers.bit_count() < message.guardians.threshold:
                    raise refused("Recovery", "TooFew")
                chain.rounds[pseudonym] = chain.rounds.get(pseudonym, 0) + 1
                chain.attempts[pseudonym] = Attempt(message.controller, message.guardians, now, message.signers)
                chain.tell("Started", pseudonym=pseudonym)
            case Object():
                if attempt is None or attempt.objected:
                    raise refused("Recovery", "NotPending")
                attempt.objected = True
            case Lapse():
                if attempt is None or now < attempt.begun + LASTS:
                    raise refused("Recovery", "TooEarly")
                del chain.attempts[pseudonym]
            case Finish():
                if attempt is None or now < attempt.begun + DELAY or attempt.confirmed.bit_count() < attempt.needed:
                    raise refused("Recovery", "TooEarly")
                del chain.attempts[pseudonym]
                chain.raise_era(pseudonym)
                chain.move(pseudonym, attempt.controller)


# -- what others send themselves -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A call of a contract's function."""

    function: str
    arguments: tuple[Any, ...]


class WholeContracts:
    """Contracts as web3 shows them: `contracts.Grants.functions.refer(...)`."""

    def __init__(self, chain: WholeChain) -> None:
        self._chain = chain

    def __getattr__(self, contract: str) -> "_Functions":
        return _Functions(contract)

    def call(self, asked: Asked, *, block: Any = None) -> Any:
        """What a view answers."""
        chain = self._chain
        match asked.function, asked.arguments:
            case "Emergencies.caseOf", (number,):
                return chain.cases.get(number, {"status": 0})
            case "Emergencies.conductOf", (clinician,):
                return {"barredUntil": chain.barred.get(clinician, 0)}
            case "Emergencies.isReleased", (number, member):
                return member in chain.released.get(number, set())
            case "Emergencies.explain", (pseudonym, reader, _):
                mine = [each for each in chain.cases.values() if each["clinician"] == reader]
                if not mine or mine[-1]["pseudonym"] != pseudonym:
                    return EmergencyRefusal.NO_CASE
                if mine[-1]["status"] != Status.OPEN:
                    return EmergencyRefusal.CLOSED
                over = chain.seconds >= mine[-1]["opened"] + WINDOW
                return EmergencyRefusal.WINDOW_OVER if over else EmergencyRefusal.NONE
        raise AssertionError(asked)

    @staticmethod
    def events(receipt: list[Any]) -> list[Any]:
        return receipt


class _Functions:
    def __init__(self, contract: str) -> None:
        self._contract = contract

    @property
    def functions(self) -> "_Functions":
        return self

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: Asked(f"{self._contract}.{name}", arguments)


@dataclass(frozen=True)
class WholeSender:
    """Somebody who pays for its own transactions."""

    chain: WholeChain
    address: str

    def send(self, asked: Asked, *, intent: str = "") -> list[Any]:
        """What was told meanwhile."""
        before = len(self.chain.log)
        match asked.function, asked.arguments:
            case "Grants.refer", (terms, through):
                self._refer(Grant(*terms[:2], PURPOSES_BY_NUMBER[terms[2]], *terms[3:6], None), str(through))  # type: ignore[arg-type]
            case "Grants.withdraw", (pseudonym, reader, number):
                self._withdraw(pseudonym, reader, PURPOSES_BY_NUMBER[number])
            case "Letters.send", (sender, to, digest):
                self.chain.tell("Sent", **{"from": sender, "to": to, "letter": digest})
            case "Emergencies.open", (pseudonym, version, reason, words):
                self._open(pseudonym, version, reason, words)
            case "Emergencies.withdraw", (number,):
                if self.chain.cases[number]["releases"] or self.chain.cases[number]["status"] != Status.OPEN:
                    raise refused("Emergencies", "HasReleases")
                self.chain.cases[number]["status"] = Status.WITHDRAWN
            case "Emergencies.release", (number, share):
                self._release(number, share)
            case _:
                raise AssertionError(asked)
        return self.chain.log[before:]

    def _refer(self, terms: Grant, through: str) -> None:
        chain, wanted = self.chain, terms.scope | 1 << REFERRAL
        through = to_checksum_address(through)
        member = chain.standing(self.address, int(Role.CLINICIAN))
        if not member or through not in (self.address, to_checksum_address(member_address(member))):
            raise refused("Grants", "NotTheReader")
        if chain._explain_grant(terms.pseudonym, through, wanted, terms.purpose):
            raise refused("Grants", "MayNotRefer")
        if terms.reader in (through, self.address, terms.pseudonym):
            raise refused("Grants", "WrongReader")
        parent = chain.grant(terms.pseudonym, through, terms.purpose)
        if terms.scope >> REFERRAL & 1 or terms.expiry > parent["expiry"]:
            raise refused("Grants", "Wider")
        current = chain.grant(terms.pseudonym, terms.reader, terms.purpose)
        own = chain.referrer(terms.pseudonym, terms.reader, terms.purpose) == through and current["by"] == REFERRED
        taken = not own and chain.is_live(terms.pseudonym, terms.reader, terms.purpose)
        if current["nonce"] and (taken or not current["scope"]):
            raise refused("Grants", "Occupied")
        chain.write_grant(terms, by=REFERRED, generation=parent["nonce"])
        chain.referrers[terms.pseudonym, to_checksum_address(terms.reader), terms.purpose.number] = through

    def _withdraw(self, pseudonym: str, reader: str, purpose: Purpose) -> None:
        found = self.chain.grant(pseudonym, reader, purpose)
        if found["by"] != REFERRED or not found["scope"]:
            raise refused("Grants", "NotGranted")
        if self.chain.referrer(pseudonym, reader, purpose) != self.address:
            raise refused("Grants", "NotTheReader")
        place = (pseudonym, to_checksum_address(reader), purpose.number)
        # The classes stay, for an emptied place is one that the patient revoked.
        self.chain.grants[place] = {**found, "nonce": found["nonce"] + 1, "expiry": 0}

    def _open(self, pseudonym: str, version: int, reason: int, words: bytes) -> None:
        chain = self.chain
        member = chain.standing(self.address, int(Role.CLINICIAN))
        if not member or version != chain.versions.get(pseudonym, 0):
            raise refused("Emergencies", "StaleVersion")
        mine = [each for each in chain.cases.values() if each["clinician"] == self.address]
        if chain.seconds < chain.barred.get(self.address, 0):
            raise refused("Emergencies", "Barred")
        if mine and mine[-1]["status"] == Status.OPEN and chain.seconds < mine[-1]["opened"] + LAPSE:
            raise refused("Emergencies", "Unreviewed")
        number = len(chain.cases) + 1
        chain.cases[number] = {
            "clinician": self.address,
            "member": member,
            "opened": chain.seconds,
            "status": Status.OPEN,
            "reason": reason,
            "releases": 0,
            "pseudonym": pseudonym,
            "version": version,
            "era": chain.eras.get(pseudonym, 0),
        }
        chain.tell("Opened", number=number, pseudonym=pseudonym, clinician=self.address, words=words)

    def _release(self, number: int, share: bytes) -> None:
        chain, case = self.chain, self.chain.cases[number]
        member = chain.standing(self.address, int(Role.CUSTODIAN))
        released = chain.released.setdefault(number, set())
        if not member or member in released or case["status"] != Status.OPEN:
            raise refused("Emergencies", "NotReleasable")
        stale = case["version"] != chain.versions[case["pseudonym"]] or case["era"] != chain.eras.get(
            case["pseudonym"], 0
        )
        if stale or chain.seconds >= case["opened"] + WINDOW:
            raise refused("Emergencies", "StaleVersion")
        released.add(member)
        case["releases"] += 1
        chain.tell("Released", number=number, member=member, custodian=self.address, share=share)


PURPOSES_BY_NUMBER = {purpose.number: purpose for purpose in PURPOSES}

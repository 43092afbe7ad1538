"""A patient's cover: offers that she signs, claims that she consents to, what became of them, what she owes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

from scripts._cli import Failure, printable
from scripts._covering import Money, check_contracts, cover_of, day, row_of, shown_rows
from scripts._patients import patient_of
from scripts._site import Person, Site
from theriac.consortium import Role
from theriac.cover.claiming import Claimed, Cover, Quote, Status, limits_from
from theriac.cover.claims import Settlement, explanation
from theriac.cover.messages import Appeal, EndPolicy
from theriac.cover.papers import Card, Consent, Enrolment, Offer, Request, seal_opening, until, words_of
from theriac.cover.policies import plain
from theriac.cover.rules import NO_LIMIT, Kind, Limits
from theriac.cover.schedule import Schedule
from theriac.crypto.recipients import parse_recipient
from theriac.errors import BadDocument, NoProfile, NotClaimed
from theriac.health import documents
from theriac.health.keystore import write_private
from theriac.health.messages import member_address
from theriac.health.patient import Patient
from theriac.health.vault import Account
from theriac.ledger.codec import shown_moment
from theriac.ledger.contracts import Receipt

ENROLMENT = 30 * 24 * 3600
"""For how many seconds an insurer may bring an enrolment to the chain."""

WORD = 50 * 60
"""A message of a pseudonym's may count for an hour; the chain's clock may be a little ahead."""

_KEPT = "kept policy"

NO_LIMITS = "no limit"


@dataclass(frozen=True)
class Kept:
    """A policy as her folder has it: what was offered, and the pseudonym that she took it under."""

    offer: Offer
    pseudonym: str

    @property
    def plan(self) -> bytes:
        return self.offer.plan

    @property
    def schedule(self) -> Schedule:
        return self.offer.schedule

    @property
    def money(self) -> Money:
        return Money(self.schedule.decimals, self.schedule.currency)

    @property
    def first(self) -> date:
        return self.offer.year.day(self.offer.year.first)

    @property
    def last(self) -> date:
        return self.offer.year.day(self.offer.year.last)

    @property
    def title(self) -> str:
        return printable(f"{self.schedule.name} {self.schedule.year}")

    def encode(self) -> bytes:
        return documents.encode(_KEPT, {"offer": self.offer.encode().decode(), "pseudonym": self.pseudonym})

    @classmethod
    def decode(cls, data: bytes) -> "Kept":
        """Raises BadDocument."""
        told = documents.decode(_KEPT, data)
        try:
            return cls(Offer.decode(str(told["offer"]).encode()), str(told["pseudonym"]))
        except KeyError:
            raise BadDocument(kind=_KEPT, fault="a part of it is missing") from None


@dataclass
class Insured:
    """A patient's client with the contracts of cover; `account` pays for what is sent."""

    patient: Patient
    site: Site
    cover: Cover
    folder: Path
    account: str

    # -- policies ----------------------------------------------------------------------------------------------------

    @cached_property
    def policies(self) -> list[Kept]:
        """The policies that are kept here, by their first day."""
        kept = [Kept.decode(path.read_bytes()) for path in sorted((self.folder / "policies").glob("*.json"))]
        found = {(each.plan, each.pseudonym): each for each in kept if self._is_of_chain(each)}
        return sorted(found.values(), key=lambda each: (each.first, each.plan))

    def _is_of_chain(self, kept: Kept) -> bool:
        """Whether an offer is the one that was brought to the chain, or that none was yet."""
        policy, year = self.cover.policy(kept.plan, kept.pseudonym), kept.offer.year
        return not policy["since"] or (policy["first"], policy["last"]) == (year.first, year.last)

    def named(self, text: str) -> Kept:
        """The one policy whose plan's number begins so, or whose plan is called so. Raises Failure."""
        wanted = text.strip().lower().removeprefix("0x")
        found = [
            kept
            for kept in self.policies
            if wanted and (kept.plan.hex().startswith(wanted) or kept.schedule.name.lower() == wanted)
        ]
        if len(found) != 1:
            many = f"{len(found)} of your policies are" if found else "None of your policies is"
            raise Failure(f"{many} called {text[:60]!r}; give more digits of a plan's number that 'policies' lists.")
        return found[0]

    def name_of(self, member: int) -> str:
        """A member's name as it published it, or its number."""
        try:
            return printable(self.patient.chain.profile(member_address(member), self.site.store).name)
        except NoProfile:
            return f"member {member}"

    def account_of(self, kept: Kept) -> Account:
        """The pseudonym of a policy. Raises Failure where these keys are not of it."""
        found = self.patient.vault.accounts.get(kept.pseudonym)
        if found is None:
            raise Failure("This policy is under a pseudonym that these keys do not have; restore the right ones.", 3)
        return found

    def check_offer(self, offer: Offer) -> dict[str, Any]:
        """The terms of an offer's plan. Raises Failure where the offer is not what the chain has."""
        terms, name, now = self.cover.plan(offer.plan), "", self.cover.now()
        if terms["schedule"] != offer.schedule.root:
            raise Failure("The schedule in this offer is not that of its plan; do not sign it, and ask the insurer.", 5)
        check_contracts(self.cover, terms)
        name = self.name_of(terms["insurer"])
        if offer.insurer != name:
            raise Failure(
                f"This offer says that it is of {offer.insurer[:60]}, and the plan is of {name}; do not sign it.", 5
            )
        if self.cover.standing(offer.underwriter, int(Role.INSURER)) != terms["insurer"]:
            raise Failure("The account that is to sign for the insurer is not the insurer's; do not sign it.", 5)
        if not offer.year.ends_in_time():
            raise Failure("This offer ends at another time than after its last day; do not sign it.", 5)
        if offer.year.ends <= now:
            raise Failure(f"This offer is of a year that was over on {day(offer.year.ends)}; ask for another.", 3)
        if self.cover.contracts.call(self.cover.contracts.Policies.functions.isClosed(offer.plan)):
            raise Failure("This plan takes nobody any more; ask the insurer for another.", 3)
        return terms

    def enrolled(self, offer: Offer, beside: Kept | None) -> bool:
        """Whether the chain has her policy already: by this offer, which is kept then. Raises Failure for another."""
        counterparty = self.patient.vault.account_for(_year(offer)) or self._single()
        pseudonym = beside.pseudonym if beside else counterparty.pseudonym if counterparty else ""
        if not pseudonym or not self.cover.policy(offer.plan, pseudonym)["since"]:
            return False
        if not self._is_of_chain(Kept(offer, pseudonym)):
            raise Failure("You are enrolled in this plan by another offer; nothing was signed.", 3)
        self.keep(Kept(offer, pseudonym))
        return True

    def _single(self) -> Account | None:
        """The one account that signs everything, for who has no pseudonyms."""
        accounts = list(self.patient.vault.accounts.values())
        return accounts[0] if len(accounts) == 1 else None

    def enrol(self, offer: Offer, beside: Kept | None) -> Enrolment:
        """Signs an offer under the pseudonym of its policy year, or under that of another policy, and keeps it."""
        account = self.account_of(beside) if beside else self.patient.pseudonym_for(_year(offer))
        terms = offer.enrol(
            account.pseudonym, era=self.cover.era(account.pseudonym), deadline=self.cover.now() + ENROLMENT
        )
        signature = self.patient.sign_as(account, terms)
        self.keep(Kept(offer, account.pseudonym))
        return Enrolment(terms, signature)

    def keep(self, kept: Kept) -> None:
        """Keeps an offer that she signed, beside others of the same plan until the chain has one of them."""
        write_private(self.folder / "policies" / f"{kept.plan.hex()}-{kept.offer.year.first}.json", kept.encode())
        self.__dict__.pop("policies", None)

    def card(self, kept: Kept) -> Card:
        """Raises Failure where the insurer has not brought the enrolment to the chain."""
        if not self.cover.policy(kept.plan, kept.pseudonym)["since"]:
            raise Failure("The insurer has not brought your enrolment to the chain yet; ask it to.", 3)
        return kept.offer.card(kept.pseudonym)

    def row(self, kept: Kept) -> dict[str, Any]:
        """A policy, for programs."""
        policy, money = self.cover.policy(kept.plan, kept.pseudonym), kept.money
        terms = self.cover.plan(kept.plan)
        person, family = self.cover.used(kept.plan, kept.pseudonym)
        limits = limits_from(terms["limits"])
        rows: dict[str, Any] = {
            "plan": kept.plan.hex(),
            "name": kept.title,
            "insurer": self.name_of(terms["insurer"]),
            "pseudonym": kept.pseudonym,
            "first": kept.first.isoformat(),
            "last": kept.last.isoformat(),
            "stands": self._standing(policy),
            "until": day(policy["until"]) if policy["since"] else None,
            "deductible": _used(person.deductible, limits.deductible, money),
            "out_of_pocket": _used(person.out_of_pocket, limits.out_of_pocket, money),
            "paid": _used(person.paid, limits.annual, money),
        }
        if policy["family"]:
            rows["family"] = {
                "deductible": _used(family.deductible, limits.family_deductible, money),
                "out_of_pocket": _used(family.out_of_pocket, limits.family_out_of_pocket, money),
                "paid": _used(family.paid, limits.family_annual, money),
            }
        return rows

    def _standing(self, policy: Mapping[str, Any]) -> str:
        now = self.cover.now()
        if not policy["since"]:
            return "not enrolled yet"
        if policy["ended"]:
            return f"ended {day(policy['ends'])}"
        if now >= policy["ends"]:
            return f"over since {day(policy['ends'])}"
        if now >= policy["until"]:
            return f"lapsed since {day(policy['until'])}"
        return f"until {day(policy['until'])}"

    def end(self, kept: Kept) -> None:
        account = self.account_of(kept)
        message = EndPolicy(kept.pseudonym, kept.plan, self.cover.era(kept.pseudonym), self.cover.now() + WORD)
        self.cover.carry(message, self.patient.sign_as(account, message))

    # -- consent -----------------------------------------------------------------------------------------------------

    def asked(self, request: Request) -> Kept:
        """The policy that a claim is under, after a look at all that she is to consent to. Raises Failure."""
        claim = request.claim
        found = [kept for kept in self.policies if (kept.plan, kept.pseudonym) == (claim.plan, claim.pseudonym)]
        if not found:
            raise Failure("This claim is under no policy of yours; nothing was signed.", 3)
        [kept] = found
        if claim.deadline <= self.cover.now():
            raise Failure(f"This claim waited for consent until {_minute(claim.deadline)}; have it made anew.", 3)
        if claim.era != self.cover.era(claim.pseudonym):
            raise Failure("This claim was made before your keys were renewed; have it made anew.", 3)
        name = self.name_of(claim.provider)
        if request.provider != name:
            raise Failure(
                f"This claim says that it is {printable(request.provider)}'s, and it is {name}'s; nothing was signed.",
                5,
            )
        words = words_of(claim.lines, kept.schedule, kept.offer.year)
        for number, (said, known) in enumerate(zip(request.words, words, strict=True), start=1):
            if said != known:
                raise Failure(
                    f"Line {number} is called {printable(f'{said.display} {said.day}')}, and in your plan it is "
                    f"{printable(f'{known.display} {known.day}')}; nothing was signed.",
                    5,
                )
        return kept

    def quote(self, request: Request, kept: Kept) -> Quote:
        """What a claim would come to now."""
        claim = request.claim
        is_goods = all(line.day == 0 for line in claim.lines)
        return self.cover.quote(claim, shown_rows(kept.schedule, claim.lines), is_goods=is_goods)

    def consent(self, request: Request, kept: Kept, *, hours: int | None) -> Consent:
        """Signs a claim; `hours` is for how long that counts, as long as was asked for unless said."""
        claim = request.claim
        if hours is not None:
            claim = until(claim, self.cover.now() + hours * 3600)
        signature = self.patient.sign_as(self.account_of(kept), claim)
        kept_request = Request(claim, request.words, request.provider)
        write_private(self.folder / "requests" / f"{claim.id.hex()}.json", kept_request.encode())
        return Consent(claim.id, claim.deadline, signature)

    # -- claims ------------------------------------------------------------------------------------------------------

    def claims(self) -> list[tuple[Kept, Claimed]]:
        """Every claim under her policies, in the order of their submission."""
        found = [
            (kept, claimed)
            for kept in self.policies
            for claimed in self.cover.claims(plan=kept.plan, pseudonym=kept.pseudonym)
        ]
        return sorted(found, key=lambda each: (each[1].submitted.block, each[1].submitted.index))

    def waiting(self) -> list[tuple[Kept, Request]]:
        """What she consented to, and nobody has submitted yet."""
        known = {claimed.id for _, claimed in self.claims()}
        found = [Request.decode(path.read_bytes()) for path in sorted((self.folder / "requests").glob("*.json"))]
        policies = {(kept.plan, kept.pseudonym): kept for kept in self.policies}
        return [
            (policies[each.claim.plan, each.claim.pseudonym], each)
            for each in found
            if each.claim.id not in known and (each.claim.plan, each.claim.pseudonym) in policies
        ]

    def claim(self, beginning: str) -> tuple[Kept, Claimed]:
        """The one claim of hers whose number begins so. Raises NotClaimed."""
        wanted = beginning.strip().lower().removeprefix("0x")
        found = [each for each in self.claims() if len(wanted) >= 4 and each[1].id.hex().startswith(wanted)]
        if len(found) != 1:
            raise NotClaimed(claim=beginning, several=len(found))
        return found[0]

    def claim_row(self, kept: Kept, claimed: Claimed) -> dict[str, Any]:
        """A claim, for programs."""
        words = words_of(claimed.claim.lines, kept.schedule, kept.offer.year)
        return {
            **row_of(claimed, kept.money),
            "name": self.name_of(claimed.state.provider),
            "currency": kept.schedule.currency,
            "services": [vars(each) for each in words],
        }

    def waiting_row(self, kept: Kept, request: Request) -> dict[str, Any]:
        """The same of what nobody has submitted yet."""
        claim, money = request.claim, kept.money
        is_over = claim.deadline < self.cover.now()
        return {
            "claim": claim.id.hex(),
            "plan": claim.plan.hex(),
            "provider": claim.provider,
            "day": "",
            "standing": "never submitted" if is_over else "not submitted yet",
            "charged": str(plain(sum(line.charged for line in claim.lines), money.decimals)),
            "paid": str(plain(0, money.decimals)),
            "share": str(plain(0, money.decimals)),
            "why": [] if is_over else [f"Your consent counts until {_minute(claim.deadline)} UTC."],
            "lines": [],
            "name": printable(request.provider),
            "currency": kept.schedule.currency,
            "services": [vars(each) for each in request.words],
        }

    def explain(self, kept: Kept, claimed: Claimed) -> bytes:
        """A FHIR ExplanationOfBenefit."""
        settlement = Settlement.of(claimed, insurer=int(self.cover.plan(kept.plan)["insurer"]))
        return explanation(settlement, kept.schedule, origin=kept.offer.year.origin)

    def pay(self, kept: Kept, claimed: Claimed) -> dict[str, Any]:
        """Pays what is due of a claim, from the account; the receipt."""
        share = claimed.state.share
        receipt = self.cover.pay_share(claimed.claim, share)
        return {
            "claim": claimed.id.hex(),
            "plan": claimed.claim.plan.hex(),
            "provider": claimed.state.provider,
            "name": self.name_of(claimed.state.provider),
            "amount": str(plain(share, kept.money.decimals)),
            "currency": kept.schedule.currency,
            "payer": str(self.cover.account),
            "day": day(self.cover.now()),
            "transaction": receipt.transaction,
        }

    def due(self, kept: Kept, claimed: Claimed) -> int:
        """What is due of a claim, which the account can pay. Raises Failure where nothing is, or it cannot."""
        state, number = claimed.state, claimed.id.hex()[:16]
        if state.status != Status.DECIDED:
            raise Failure(f"Claim {number} is not decided, so that nothing is due.", 3)
        if not state.share:
            raise Failure(f"Nothing is due of claim {number}: there is no share of yours, or it is paid.", 3)
        self.check_coins(kept, state.share)
        return state.share

    def check_coins(self, kept: Kept, amount: int) -> None:
        """Raises Failure where the account has less of the plan's token."""
        has = self.cover.coins(self.cover.plan(kept.plan)["token"], str(self.cover.account))
        if has < amount:
            raise Failure(f"{self.account} has {kept.money(has)}, and this is {kept.money(amount)}.", 3)

    def appeal(self, kept: Kept, claimed: Claimed, why: str) -> Receipt:
        """Appeals; the reasons are sealed to the insurer and to the plan's arbiter."""
        terms = self.cover.plan(claimed.claim.plan)
        to = [self._recipient(int(terms[each])) for each in ("insurer", "arbiter")]
        sealed = seal_opening({"claim": claimed.id.hex(), "by": "patient", "why": why}, to=to)
        digest = self.site.store.put(BytesIO(sealed)).digest
        pseudonym = claimed.claim.pseudonym
        message = Appeal(pseudonym, claimed.id, digest, self.cover.era(pseudonym), self.cover.now() + WORD)
        signature = self.patient.sign_as(self.account_of(kept), message)
        return self.cover.send("Appeals", "appealBySig", claimed.claim.terms(), *message.arguments(signature))

    def _recipient(self, member: int) -> Any:
        try:
            return parse_recipient(self.patient.chain.profile(member_address(member), self.site.store).recipient)
        except NoProfile:
            raise Failure(
                f"Member {member} has published nothing to seal to, and has to hear this; ask it to.", 3
            ) from None


@contextmanager
def insured(
    who: str, *, network: str, store: str | None, payer: str | None = None, account: str | None = None
) -> Iterator[Insured]:
    """A patient's client, followed to the chain's head; `account` sends for this once, else who pays always."""
    with patient_of(who, network=network, store=store, payer=payer) as (patient, site):
        person = Person(who, site.folder / who)
        alias = account or person.settings["payer"]
        with cover_of(site, person.folder, site.sender(alias)) as cover:
            yield Insured(patient, site, cover, person.folder / "cover", alias)


def _year(offer: Offer) -> str:
    return f"policy:{offer.plan.hex()}"


def _minute(moment: int) -> str:
    return f"{shown_moment(moment):%Y-%m-%d %H:%M}"


def _used(used: int, limit: int, money: Money) -> dict[str, str | None]:
    return {
        "used": str(plain(used, money.decimals)),
        "of": None if limit == NO_LIMIT else str(plain(limit, money.decimals)),
    }


def told_of_offer(offer: Offer, terms: Mapping[str, Any]) -> list[str]:
    """What an offer is, in sentences."""
    schedule, money = offer.schedule, Money(offer.schedule.decimals, offer.schedule.currency)
    first, last = (offer.year.day(number) for number in (offer.year.first, offer.year.last))
    kinds = [entry.service.kind for entry in schedule.entries]
    told = [
        f"{schedule.name} {schedule.year} of {offer.insurer} (member {terms['insurer']}), {first} to {last}.",
        *_limit_sentences(limits_from(terms["limits"]), money, family=bool(offer.family)),
        f"{kinds.count(Kind.COVERED)} services are covered, {len(kinds) - kinds.count(Kind.COVERED)} are not.",
    ]
    if terms["premium"]:
        grace = f", {terms['graceDays']} days of grace" if terms["graceDays"] else ""
        told.append(f"Premium: {money(terms['premium'])} for {terms['premiumDays']} days{grace}.")
    else:
        told.append("Premium: none.")
    if offer.lifetime:
        told.append(f"Paid under earlier policies: {money(offer.lifetime)}.")
    return [printable(each) for each in told]


def _limit_sentences(limits: Limits, money: Money, *, family: bool) -> list[str]:
    names = ("deductible", "out_of_pocket", "annual")
    told = [_limit_sentence(name, getattr(limits, name), money) for name in (*names, "lifetime")]
    if family:
        told += [_limit_sentence(f"{name}_of_the_family", getattr(limits, f"family_{name}"), money) for name in names]
    return told


_LIMITS = {
    "deductible": "You pay first, a year",
    "out_of_pocket": "You pay at most, a year",
    "annual": "The plan pays at most, a year",
    "lifetime": "The plan pays at most, in all years",
    "deductible_of_the_family": "Your family pays first, a year",
    "out_of_pocket_of_the_family": "Your family pays at most, a year",
    "annual_of_the_family": "The plan pays your family at most, a year",
}


def _limit_sentence(name: str, limit: int, money: Money) -> str:
    return f"{_LIMITS[name]}: {NO_LIMITS if limit == NO_LIMIT else money(limit)}."

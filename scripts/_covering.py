"""Policies and claims as the commands of insurers, providers and patients work with them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts._cli import Failure, check_out, plural, printable, write_file
from scripts._site import Site
from theriac.cover.claiming import Claimed, Cover, Missing, Quote, Status
from theriac.cover.messages import NONE
from theriac.cover.papers import Card, Consent, Request, Words, new_claim, open_opening, seal_opening, until
from theriac.cover.policies import plain, whole
from theriac.cover.rules import Outcome, Reason
from theriac.cover.schedule import Schedule
from theriac.crypto.recipients import Recipient, parse_recipient
from theriac.errors import BadDocument, NoMatchingIdentity, NoProfile, NotStored
from theriac.health.messages import member_address
from theriac.ledger.codec import shown_moment
from theriac.ledger.sender import Sender

if TYPE_CHECKING:
    from scripts._member import Desk
    from theriac.cover.messages import Claim, Line

CONSENT = 24 * 3600
"""For how many seconds a consent is asked unless said."""


@contextmanager
def cover_of(site: Site, folder: Path, sender: Sender | None = None) -> Iterator[Cover]:
    """The contracts of cover, followed to the chain's head."""
    genesis = site.contracts.deployment.genesis
    cover = Cover(site.web3, site.contracts, index=folder / f"cover-{genesis[2:10]}.sqlite", sender=sender)
    try:
        cover.sync()
        yield cover
    finally:
        cover.close()


def sending(desk: "Desk") -> Sender:
    return desk.site.sender(desk.alias)


# -- amounts and days ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Money:
    """How amounts of a plan are written."""

    decimals: int
    currency: str

    def __call__(self, amount: int) -> str:
        return f"{plain(amount, self.decimals)} {self.currency}".strip()

    def whole(self, text: str) -> int:
        """How many of the token's smallest units a written amount is. Raises Failure."""
        try:
            return whole(text, self.decimals)
        except ValueError as fault:
            raise Failure(f"{text[:40]!r} {fault}.") from None


def day_of(text: str) -> date:
    """A day such as 2031-05-04. Raises Failure."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Failure(f"{text[:40]!r} is no day such as 2031-05-04.") from None


def day(moment: int) -> str:
    return f"{shown_moment(moment):%Y-%m-%d}"


# -- files -----------------------------------------------------------------------------------------------------------


def read(path: str) -> bytes:
    """A document that somebody handed over; longer ones than any of these are none. Raises Failure."""
    with Path(path).open("rb") as file:
        data = file.read((8 << 20) + 1)
    if len(data) > 8 << 20:
        raise Failure(f"{path} is too long for such a document; name another file.")
    return data


def write_paper(out: str, data: bytes) -> None:
    write_file(out, data + b"\n")


def check_new(out: str) -> None:
    """Raises Failure where a file is there already, which may be somebody else's."""
    if Path(out).exists():
        raise Failure(f"{out[:80]!r} is there already; name another file.")
    check_out(out)


# -- who -------------------------------------------------------------------------------------------------------------


def recipient_of(desk: "Desk", member: int) -> Recipient:
    """What is sealed to a member. Raises Failure where it published nothing to seal to."""
    try:
        return parse_recipient(desk.chain.profile(member_address(member), desk.site.store).recipient)
    except NoProfile:
        raise Failure(f"Member {member} has published no profile to seal to; have it run 'setup' first.", 3) from None


def check_contracts(cover: Cover, plan: Mapping[str, Any]) -> None:
    """Raises Failure where other contracts than the network's own decide a plan's claims and its appeals."""
    own = (cover.contracts.Claims.address, cover.contracts.Appeals.address)
    if (plan["adjudicator"], plan["appeals"]) != own:
        raise Failure("Contracts of somebody's own decide this plan's claims or appeals; keep away from it.", 3)


def check_card(cover: Cover, card: Card) -> dict[str, Any]:
    """The plan of a card, as the chain has it. Raises Failure where the card is not of this chain's plan."""
    plan = cover.plan(card.plan)
    check_contracts(cover, plan)
    if plan["schedule"] != card.schedule.root:
        raise Failure("The schedule on this card is not that of its plan; ask the patient for a new card.", 5)
    if not cover.policy(card.plan, card.pseudonym)["since"]:
        raise Failure("Nobody is enrolled by this card; the insurer has to bring the enrolment to the chain first.", 3)
    return plan


# -- claims ----------------------------------------------------------------------------------------------------------


def shown_rows(schedule: Schedule, lines: Sequence["Line"]) -> list[tuple[Any, tuple[bytes, ...]]]:
    """The schedule's rows of a claim's lines, with their proofs. Raises Failure for one that is not in it."""
    found = []
    for line in lines:
        entry = schedule.entry(line.service)
        if entry is None:
            raise Failure("A line of this claim is of another plan's schedule; make the claim anew with this card.", 3)
        _, proof = schedule.row(line.service)
        found.append((entry.benefit, tuple(proof)))
    return found


def as_shown(rows: Sequence[tuple[Any, Sequence[bytes]]]) -> list[tuple[Any, ...]]:
    """The same, as the contracts take them."""
    return [(benefit.as_tuple(), list(proof)) for benefit, proof in rows]


def requested(
    cover: Cover,
    card: Card,
    *,
    provider: int,
    name: str,
    evidence: bytes,
    lines: Sequence["Line"],
    words: Sequence[Words],
    seconds: int,
    primary: bytes = NONE,
) -> Request:
    """A claim for the patient to consent to; `primary` is an earlier payer's, if there is one."""
    claim = new_claim(
        card,
        provider=provider,
        evidence=evidence,
        lines=lines,
        era=cover.era(card.pseudonym),
        deadline=cover.now() + seconds,
        primary=primary,
    )
    return Request(claim, tuple(words), name)


def consented(path: str, claim: "Claim") -> tuple["Claim", bytes]:
    """The claim that a consent is to, and the signature: this claim, as long as she lets it count. Raises Failure."""
    consent = Consent.decode(read(path))
    found = until(claim, consent.deadline)
    if consent.claim != found.id:
        raise Failure(f"{path} is the consent to another claim; ask the patient for the one to this.", 3)
    return found, consent.signature


def opening_digest(desk: "Desk", told: Mapping[str, Any], *, insurer: int) -> bytes:
    """Seals what a claim's evidence is to the insurer and to this desk, and puts it into the store; its digest."""
    sealed = seal_opening(told, to=[recipient_of(desk, insurer), desk.identity.recipient])
    return desk.site.store.put(BytesIO(sealed)).digest


def opened(desk: "Desk", digest: bytes) -> dict[str, Any]:
    """What a provider sealed about a claim. Raises Failure where this desk cannot open it."""
    try:
        with desk.site.store.get_digest(digest) as stream:
            return open_opening(stream.read((8 << 20) + 1), [desk.identity])
    except NotStored:
        raise Failure(
            "The store does not have what the provider sealed; that is a ground to refute the claim.", 3
        ) from None
    except (NoMatchingIdentity, BadDocument):
        raise Failure("What the provider sealed does not open here; that is a ground to refute the claim.", 3) from None


# -- what became of it -----------------------------------------------------------------------------------------------


STANDINGS = {
    Status.NONE: "none",
    Status.PENDED: "pended",
    Status.DECIDED: "decided",
    Status.DISPUTED: "disputed",
    Status.REVERSED: "reversed",
}


def why(outcomes: Sequence[Outcome], missing: Missing) -> list[str]:
    """What is told of a claim beside amounts, a sentence for each reason with its code."""
    if missing:
        return [f"Pended: {missing.sentence}."]
    told = []
    for number, outcome in enumerate(outcomes, start=1):
        told += [f"Line {number}, CARC {each.carc}: {each.sentence}" for each in Reason(outcome.reasons)]
    return told


def row_of(claimed: Claimed, money: Money) -> dict[str, Any]:
    """A claim, for programs."""
    state = claimed.state
    return {
        "claim": claimed.id.hex(),
        "plan": claimed.claim.plan.hex(),
        "provider": state.provider,
        "day": day(state.time),
        "standing": STANDINGS[state.status],
        "charged": str(plain(sum(line.charged for line in claimed.claim.lines), money.decimals)),
        "paid": str(plain(state.paid, money.decimals)),
        "share": str(plain(state.share, money.decimals)),
        "why": why(claimed.outcomes if state.status != Status.PENDED else (), state.missing),
        "lines": [
            {
                "charged": str(plain(line.charged, money.decimals)),
                "units": line.units,
                **{name: str(plain(value, money.decimals)) for name, value in _amounts(outcome).items()},
                "codes": [each.carc for each in Reason(outcome.reasons)],
            }
            for line, outcome in zip(claimed.claim.lines, claimed.outcomes, strict=False)
        ],
    }


def _amounts(outcome: Outcome) -> dict[str, int]:
    return {name: value for name, value in vars(outcome).items() if name != "reasons"}


HEADS = ("claim", "day", "provider", "standing", "charged", "paid", "still owed", "why")


def rows_of(found: Iterable[Claimed], money: Callable[[Claimed], Money], *, pended: bool) -> list[dict[str, Any]]:
    """Claims, for programs; only those that wait for something if `pended`."""
    return [row_of(each, money(each)) for each in found if not pended or each.state.status == Status.PENDED]


def columns_of(rows: Sequence[Mapping[str, Any]]) -> list[tuple[object, ...]]:
    """The same for people."""
    return [
        (
            row["claim"][:16],
            row["day"],
            f"member {row['provider']}",
            row["standing"],
            row["charged"],
            row["paid"],
            row["share"],
            printable(" ".join(row["why"])),
        )
        for row in rows
    ]


def told_of(claimed: Claimed, money: Money) -> str:
    """What became of a claim just now, in a sentence."""
    state = claimed.state
    number = claimed.id.hex()[:16]
    if state.status == Status.PENDED:
        return f"Claim {number} is pended: {state.missing.sentence}."
    told = f"Claim {number}: paid {money(state.paid)}, the patient owes {money(state.share)}."
    return " ".join([told, *why(claimed.outcomes, state.missing)])


def told_of_quote(quote: Quote, money: Money) -> str:
    """What a claim would come to, in a sentence."""
    told = f"Would be paid {money(quote.decision.paid)}; the patient would owe {money(quote.decision.share)}."
    return " ".join([told, *why(quote.decision.outcomes, quote.missing)])


def counted(claims: Sequence[object]) -> str:
    return plural(len(claims), "claim")

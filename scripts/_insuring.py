"""What an insurer's commands do: plans and their schedules, policies, the queue, appeals, refutations, the report."""

import csv
import json
import secrets
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address

from scripts._cli import Failure
from scripts._covering import Money, cover_of, day, opened, recipient_of, sending
from scripts._deploying import compiled
from scripts._member import Desk, desk_of
from scripts._site import Site
from theriac.cover import policies
from theriac.cover.claiming import Claimed, Cover, Status
from theriac.cover.messages import Enrol
from theriac.cover.papers import Enrolment, Offer, Year, seal_opening
from theriac.cover.policies import Plan, Terms
from theriac.cover.rules import WAIVABLE, Reason
from theriac.cover.schedule import Schedule, new_secret
from theriac.errors import BadSchedule
from theriac.health.keystore import write_private
from theriac.ledger.typed import Message


@dataclass
class House:
    """An insurer's desk with the contracts of cover."""

    desk: Desk
    cover: Cover

    @property
    def folder(self) -> Path:
        return self.desk.person.folder / "plans"

    @property
    def member(self) -> int:
        return self.desk.member

    def sign(self, message: Message) -> bytes:
        """The signature of the desk's account."""
        signer = self.desk.site.signer(self.desk.alias)
        return signer.sign_message(message.signable(self.cover.domain(message.CONTRACT)))

    # -- plans -------------------------------------------------------------------------------------------------------

    def publish(self, file: bytes, *, token: str, arbiter: int) -> tuple[bytes, Plan, bool]:
        """Publishes a plan's file, under the secret of an earlier attempt if there was one; whether it was new.

        Raises BadPlan, UnsafePlan.
        """
        plan = policies.parse(file)
        policies.validate(plan).check()
        if self.cover.decimals(token) != plan.decimals:
            raise Failure(f"The token has {self.cover.decimals(token)} decimals, and the plan says {plan.decimals}.")
        document = self.desk.site.store.put(BytesIO(file)).digest
        contracts = self.cover.contracts
        schedule = self._schedule_like(plan)
        terms = Terms.of(
            plan,
            schedule=schedule.root,
            document=document,
            insurer=self.member,
            arbiter=arbiter,
            token=token,
            adjudicator=contracts.Claims.address,
            appeals=contracts.Appeals.address,
        )
        write_private(self.folder / f"{terms.id.hex()}.schedule", schedule.encode())
        if self.cover.contracts.call(contracts.Policies.functions.planOf(terms.id))["insurer"]:
            return terms.id, plan, False
        self.cover.send("Policies", "publish", terms.as_tuple(), intent=f"publish {terms.id.hex()}")
        return terms.id, plan, True

    def _schedule_like(self, plan: Plan) -> Schedule:
        """The schedule of a plan; that of an earlier attempt to publish the same one."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in sorted(self.folder.glob("*.schedule")):
            kept = Schedule.decode(path.read_bytes())
            made = Schedule.of(plan, kept.secret)
            if made.encode() == kept.encode():
                return made
        return Schedule.of(plan, new_secret())

    def plans(self) -> list[bytes]:
        """The plans of this insurer, oldest first."""
        events = self.cover.index.events("Policies", "PlanPublished", where={"insurer": self.member})
        return [bytes(event.arguments["plan"]) for event in events]

    def named(self, text: str) -> bytes:
        """The one plan of this insurer's whose number begins so, or whose name it is. Raises Failure."""
        plain = text.strip().lower().removeprefix("0x")
        found = [
            plan for plan in self.plans() if plan.hex().startswith(plain) or self.schedule(plan).name.lower() == plain
        ]
        if len(found) != 1:
            many = f"{len(found)} plans are" if found else "No plan of this insurer is"
            raise Failure(f"{many} called {text[:60]!r}; give more digits of a number that 'plans' lists.")
        return found[0]

    def schedule(self, plan: bytes) -> Schedule:
        """Raises Failure where this folder does not have it."""
        try:
            return Schedule.decode((self.folder / f"{plan.hex()}.schedule").read_bytes())
        except FileNotFoundError:
            raise Failure(f"The schedule of plan {plan.hex()[:16]} is not in this folder; copy it here.", 6) from None
        except BadSchedule as fault:
            raise Failure(f"The schedule of plan {plan.hex()[:16]} is damaged: {fault}", 6) from None

    def money(self, plan: bytes) -> Money:
        schedule = self.schedule(plan)
        return Money(schedule.decimals, schedule.currency)

    # -- policies ----------------------------------------------------------------------------------------------------

    def offer(self, plan: bytes, *, first: date, last: date, family: str | None, lifetime: int) -> Offer:
        """Raises Failure where the year is none."""
        try:
            year = Year.of(first, last)
        except ValueError as fault:
            raise Failure(f"These are no days of a policy: {fault}.") from None
        return Offer(
            plan=plan,
            insurer=self.desk.person.settings.get("name", f"member {self.member}"),
            schedule=self.schedule(plan),
            year=year,
            family=self._family(plan, family) if family else 0,
            lifetime=lifetime,
            underwriter=self.desk.address,
        )

    def _family(self, plan: bytes, name: str) -> int:
        """The random number of a family under a plan; what it is called never leaves this folder."""
        path = self.folder / "families.json"
        known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        key = f"{plan.hex()}/{name}"
        if key not in known:
            known[key] = secrets.token_hex(12)
            write_private(path, json.dumps(known, indent=1).encode())
        return int(known[key], 16)

    def enrol(self, paper: Enrolment) -> Enrol:
        """Signs what a patient signed, and brings it to the chain. Raises Failure where it is not for this desk."""
        terms = paper.terms
        if terms.underwriter != self.desk.address:
            raise Failure(f"This enrolment is for {terms.underwriter} to sign; use its account.", 3)
        if terms.plan not in self.plans():
            raise Failure("This enrolment is in another insurer's plan.", 3)
        self.cover.carry(terms, self.sign(terms), paper.signature)
        return terms

    # -- claims ------------------------------------------------------------------------------------------------------

    def claims(self, plan: bytes | None = None) -> list[Claimed]:
        return [each for one in ([plan] if plan else self.plans()) for each in self.cover.claims(plan=one)]

    def claim(self, number: str) -> Claimed:
        """A claim on one of this insurer's plans. Raises Failure, NotClaimed."""
        claimed = self.cover.claimed(self.cover.named(number))
        if claimed.claim.plan not in self.plans():
            raise Failure("This claim is on another insurer's plan.", 3)
        return claimed

    def opening(self, claimed: Claimed) -> dict[str, Any]:
        """What the provider sealed for this insurer. Raises Failure."""
        return opened(self.desk, self.evidence(claimed))

    def evidence(self, claimed: Claimed) -> bytes:
        """The digest of what the provider sealed: its encounter's, or for goods the filling's."""
        return claimed.claim.evidence if not claimed.is_goods else self.cover.filling(claimed)

    def review(self, claimed: Claimed, *, agreed: bool) -> Claimed:
        self.cover.send("Claims", "review", claimed.claim.terms(), claimed.shown, claimed.batch, claimed.index, agreed)
        return self._again(claimed)

    def answer(self, claimed: Claimed, *, waived: Reason, granted: bool, document: bytes) -> Claimed:
        """Answers an appeal; `waived` is set aside on every line."""
        each = [int(waived) if granted else 0] * len(claimed.claim.lines)
        self.cover.send("Appeals", "answer", claimed.settled, each, granted, document)
        return self._again(claimed)

    def refute(self, claimed: Claimed, *, ground: int, why: str) -> Claimed:
        """Seals what the provider told and why it is refuted to the arbiter, and refutes."""
        arbiter = int(self.cover.plan(claimed.claim.plan)["arbiter"])
        try:
            opening = self.opening(claimed)
        except Failure:
            opening = {}
        digest = self.told(arbiter, {"why": why, "claim": claimed.id.hex(), "opening": opening})
        self.cover.send("Appeals", "refute", claimed.settled, ground, digest)
        return self._again(claimed)

    def told(self, member: int, document: Mapping[str, Any]) -> bytes:
        """Seals a document to a member, and puts it into the store; its digest."""
        sealed = seal_opening(document, to=[recipient_of(self.desk, member), self.desk.identity.recipient])
        return self.desk.site.store.put(BytesIO(sealed)).digest

    def midnight_after(self, last: date) -> int:
        """The second at which a day is over, UTC."""
        return int(datetime.combine(last + timedelta(days=1), time(), UTC).timestamp())

    def _again(self, claimed: Claimed) -> Claimed:
        self.cover.sync()
        return self.cover.claimed(claimed.id)


@contextmanager
def house_of(who: str, *, network: str, store: str | None, account: str | None) -> Iterator[House]:
    """An insurer's desk, followed to the chain's head."""
    with (
        desk_of(who, network=network, store=store, account=account) as desk,
        cover_of(desk.site, desk.person.folder, sending(desk)) as cover,
    ):
        yield House(desk, cover)


def waivers_of(words: Sequence[str], claimed: Claimed) -> Reason:
    """The reasons that an answer sets aside: those named, or all of the claim's that can be. Raises Failure."""
    names = {each.name.lower().replace("_", "-"): each for each in Reason if each.name}
    found = Reason(0)
    for word in words:
        if word not in names:
            raise Failure(f"{word[:40]!r} is no reason; they are {', '.join(names)}.")
        found |= names[word]
    found = found or claimed.reasons & WAIVABLE
    if not found or found & ~WAIVABLE:
        raise Failure("An appeal cannot set this aside: no plan pays what it does not cover, nor the same twice.", 3)
    return found


# -- the report ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Report:
    """A plan's year in figures; amounts in the token's smallest unit."""

    plan: bytes
    premiums: int
    claims: int
    standings: Mapping[str, int]
    charged: int
    allowed: int
    paid: int
    shares: int
    escrow: int
    denials: Mapping[Reason, int]
    flags: tuple[str, ...]

    @property
    def loss_ratio(self) -> float | None:
        """What was paid for claims over what was paid in premiums; None without premiums."""
        return self.paid / self.premiums if self.premiums else None


def report_of(house: House, plan: bytes, people: Sequence[Mapping[str, str]]) -> Report:
    """What became of a plan's claims, and what only the insurer's own data tell."""
    claims = house.claims(plan)
    counted = [each for each in claims if each.state.status in (Status.DECIDED, Status.DISPUTED)]
    premiums = house.cover.index.events("Policies", "PremiumPaid", where={"plan": plan})
    denials: Counter[Reason] = Counter()
    for each in counted:
        for outcome in each.outcomes:
            denials.update(Reason(outcome.reasons))
    return Report(
        plan=plan,
        premiums=sum(int(event.arguments["amount"]) for event in premiums),
        claims=len(claims),
        standings=Counter(each.state.status.name.lower() for each in claims),
        charged=sum(line.charged for each in counted for line in each.claim.lines),
        allowed=sum(outcome.allowed for each in counted for outcome in each.outcomes),
        paid=sum(each.state.paid for each in counted),
        shares=sum(outcome.borne for each in counted for outcome in each.outcomes),
        escrow=house.cover.balance(plan),
        denials=denials,
        flags=tuple(_flags(house, counted, people)),
    )


def people_in(path: str) -> list[dict[str, str]]:
    """The insurer's own list: pseudonym, person, and where known the member she works for and the day she died."""
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(StringIO(file.read(1 << 24))))
    if not rows or not {"pseudonym", "person"} <= set(rows[0]):
        raise Failure(f"{path} has no columns 'pseudonym' and 'person' in its first line.")
    return [{str(name): str(value or "").strip() for name, value in row.items()} for row in rows]


def _flags(house: House, claims: Sequence[Claimed], people: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """What the chain cannot see by design: whom pseudonyms belong to, who treats herself, who is dead."""
    known = {row["pseudonym"].lower(): row for row in people}
    for each in claims:
        row = known.get(each.claim.pseudonym.lower())
        if row is None:
            continue
        number = each.id.hex()[:16]
        if row.get("member") and row["member"] == str(each.state.provider):
            yield f"{row['person']}: claim {number} is of the provider that she belongs to"
        if row.get("died") and day(each.state.time) > row["died"]:
            yield f"{row['person']}: claim {number} was submitted after her death on {row['died']}"
    pseudonyms: dict[str, set[str]] = defaultdict(set)
    for row in people:
        pseudonyms[row["person"]].add(row["pseudonym"].lower())
    for person, several in pseudonyms.items():
        if len(several) > 1:
            yield f"{person}: {len(several)} pseudonyms, whose claims the chain does not compare"


def chart(report: Report, money: Money) -> bytes:
    """The report as a picture (SVG): what became of what was charged, and why lines were denied or limited."""
    bars = [
        ("charged", report.charged),
        ("allowed", report.allowed),
        ("paid", report.paid),
        ("patients' part", report.shares),
    ]
    reasons = sorted(report.denials.items(), key=lambda each: -each[1])
    height = 40 + 26 * (len(bars) + len(reasons) + 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{height}"',
        ' font-family="sans-serif" font-size="13">',
        f'<text x="10" y="22" font-size="15">Plan {report.plan.hex()[:16]}</text>',
    ]
    at = 48
    most = max(1, *(value for _, value in bars))
    for name, value in bars:
        parts += _bar(at, name, value / most, money(value), "#2a6f97")
        at += 26
    at += 26
    largest = max([1, *(count for _, count in reasons)])
    for reason, count in reasons:
        label = f"CARC {reason.carc} {(reason.name or '').lower().replace('_', ' ')}"
        parts += _bar(at, label, count / largest, str(count), "#a23b3b")
        at += 26
    return "\n".join([*parts, "</svg>", ""]).encode()


def _bar(at: int, name: str, part: float, told: str, colour: str) -> list[str]:
    width = round(360 * part, 1)
    return [
        f'<text x="10" y="{at + 13}">{name}</text>',
        f'<rect x="230" y="{at}" width="{width}" height="17" fill="{colour}"/>',
        f'<text x="{240 + width}" y="{at + 13}">{told}</text>',
    ]


# -- play money ------------------------------------------------------------------------------------------------------


def play_money(site: Site, alias: str, to: str, amount: str) -> tuple[str, str]:
    """Mints play money of six decimals to an account, where nothing lasts; the token and what the account has.

    Raises Failure on a network that lasts.
    """
    if not site.play:
        raise Failure(f"There is no play money on {site.name}; a plan there pays in a token of some worth.", 3)
    many = Money(6, "")
    sender, path = site.sender(alias), site.folder / "play-money"
    kind = compiled("Coin")
    if not path.exists() or not site.web3.eth.get_code(to_checksum_address(path.read_text().strip())):
        contract = site.web3.eth.contract(abi=kind["abi"], bytecode=kind["code"])
        receipt = sender.send(contract.constructor(6), intent=f"play money {secrets.token_hex(8)}")
        write_private(path, str(receipt.contract).encode())
    coin = site.web3.eth.contract(address=to_checksum_address(path.read_text().strip()), abi=kind["abi"])
    sender.send(coin.functions.mint(to_checksum_address(to), many.whole(amount)))
    return str(coin.address), many(int(coin.functions.balanceOf(to_checksum_address(to)).call()))

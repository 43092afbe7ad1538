"""What providers do with cover: claim what was done, have it authorized, submit, resume, reverse, appeal, be paid."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_utils.address import is_address, to_checksum_address
from eth_utils.crypto import keccak

from scripts._cli import Failure
from scripts._covering import (
    Money,
    as_shown,
    check_card,
    consented,
    cover_of,
    day,
    opened,
    opening_digest,
    read,
    recipient_of,
    requested,
    sending,
    shown_rows,
)
from scripts._member import Desk, desk_of
from theriac import fhir
from theriac.cover.appealing import AUTHORIZATIONS, authorization_of
from theriac.cover.claiming import Claimed, Cover, Quote, Status
from theriac.cover.claims import Draft, Settlement, explanation, from_fhir
from theriac.cover.messages import NONE, Claim, Line, evidence_of
from theriac.cover.papers import Card, Request, seal_opening, words_of
from theriac.cover.schedule import Entry
from theriac.errors import BadDocument, NotClaimed
from theriac.health import documents
from theriac.health.keystore import write_private

_KEPT = "kept claim"


@dataclass(frozen=True)
class Kept:
    """A claim that was asked for here. For goods, the prescription and its line, counted from zero."""

    request: Request
    prescription: bytes = NONE
    line: int = 0

    def encode(self) -> bytes:
        told = {"request": self.request.encode().decode(), "prescription": self.prescription.hex(), "line": self.line}
        return documents.encode(_KEPT, told)

    @classmethod
    def decode(cls, data: bytes) -> "Kept":
        """Raises BadDocument."""
        told = documents.decode(_KEPT, data)
        try:
            request = Request.decode(str(told["request"]).encode())
            return cls(request, bytes.fromhex(told["prescription"]), int(told["line"]))
        except (KeyError, TypeError, ValueError):
            raise BadDocument(kind=_KEPT, fault="a part of it is missing or broken") from None


@dataclass
class Provider:
    """A provider's desk with the contracts of cover, and what it keeps of its claims."""

    desk: Desk
    cover: Cover
    member: int

    @property
    def folder(self) -> Path:
        return self.desk.person.folder / "claims"

    # -- what is kept ------------------------------------------------------------------------------------------------

    def keep(self, kept: Kept) -> Kept:
        write_private(self.folder / f"{kept.request.claim.id.hex()}.json", kept.encode())
        return kept

    def kept(self, claim: bytes) -> Kept | None:
        return self._kept_at(self.folder / f"{claim.hex()}.json")

    def _kept_at(self, path: Path) -> Kept | None:
        return Kept.decode(path.read_bytes()) if path.is_file() else None

    def keep_card(self, card: Card) -> None:
        write_private(self._card_path(card.plan, card.pseudonym), card.encode())

    def card(self, claim: Claim) -> Card:
        """The card that a claim was made with. Raises Failure where it is not in this folder."""
        path = self._card_path(claim.plan, claim.pseudonym)
        if not path.is_file():
            raise Failure("The card of this claim is not in this folder; make the claim where it was made before.", 6)
        return Card.decode(path.read_bytes())

    def _card_path(self, plan: bytes, pseudonym: str) -> Path:
        return self.folder / "cards" / f"{sha256(plan + pseudonym.lower().encode()).hexdigest()[:32]}.json"

    def money(self, claim: Claim) -> Money:
        """How amounts of a claim are written: without a currency where the card is not here."""
        try:
            schedule = self.card(claim).schedule
        except Failure:
            return Money(self.cover.decimals(self.cover.plan(claim.plan)["token"]), "")
        return Money(schedule.decimals, schedule.currency)

    # -- claiming ----------------------------------------------------------------------------------------------------

    def services(
        self, card: Card, file: bytes, encounter: bytes | None, *, authorizations: Sequence[bytes], seconds: int
    ) -> Request:
        """The claim in a FHIR Claim, its evidence anchored under the card's pseudonym.

        The same files are anchored once, and as long as it waits for consent the same claim is asked for. Raises
        Failure, BadClaim, NotInSchedule.
        """
        plan = check_card(self.cover, card)
        self.keep_card(card)
        draft = _draft(card, file, encounter, self.authorized(card, authorizations))
        lines, words = draft.lines(), words_of(draft.lines(), card.schedule, card.year)
        source = _Source(self.folder / "sources", [card.plan, card.pseudonym.encode(), file, encounter or b""])
        evidence = source.evidence
        if evidence is None:
            told = _opening(card, lines, file, encounter)
            evidence = source.keep(opening_digest(self.desk, told, insurer=plan["insurer"]))
        self._anchor(card.pseudonym, evidence)

        for each in self._asked(evidence):
            if each.claim.lines == lines and self._may_wait(each.claim):
                return each
        return self._ask(card, evidence=evidence, lines=lines, seconds=seconds, words=words).request

    def _asked(self, evidence: bytes) -> Iterator[Request]:
        """What was asked for before with this evidence."""
        for path in sorted(self.folder.glob("*.json")):
            kept = self._kept_at(path)
            if kept is not None and kept.request.claim.evidence == evidence:
                yield kept.request

    def _may_wait(self, claim: Claim) -> bool:
        """Whether a claim can still be consented to, under the same era."""
        return claim.deadline > self.cover.now() and claim.era == self.cover.era(claim.pseudonym)

    def _ask(
        self,
        card: Card,
        *,
        evidence: bytes,
        lines: Sequence[Line],
        words: Sequence[Any],
        seconds: int,
        primary: bytes = NONE,
        prescription: bytes = NONE,
        line: int = 0,
    ) -> Kept:
        request = requested(
            self.cover,
            card,
            provider=self.member,
            name=self.desk.name_of(self.member),
            evidence=evidence,
            lines=lines,
            words=words,
            seconds=seconds,
            primary=primary,
        )
        return self.keep(Kept(request, prescription, line))

    def goods(self, card: Card, entry: Entry, line: Line, *, prescription: bytes, number: int, seconds: int) -> Request:
        """The claim for a line of a prescription, which is its own evidence; `number` counts from zero."""
        check_card(self.cover, card)
        self.keep_card(card)
        words = words_of([line], card.schedule, card.year)
        evidence = evidence_of(prescription, number)
        asked = self._ask(
            card,
            evidence=evidence,
            lines=[line],
            words=words,
            seconds=seconds,
            prescription=prescription,
            line=number,
        )
        return asked.request

    def after(self, card: Card, claimed: Claimed, *, seconds: int) -> Request:
        """The claim to a second insurer for what a first has left. Raises Failure."""
        check_card(self.cover, card)
        if card.pseudonym != claimed.claim.pseudonym:
            raise Failure(
                "The second policy is under another pseudonym, and nothing says that both are one person's; a patient "
                "enrols with --with for this.",
                3,
            )
        self.keep_card(card)
        first = self.card(claimed.claim)
        lines = []
        for line in claimed.claim.lines:
            known = first.schedule.entry(line.service)
            entry = known and card.schedule.find(known.service.system, known.service.code)
            if known is None or entry is None:
                named = known.service.display if known else "a line"
                raise Failure(f"The second plan does not list {named[:60]}; it cannot pay what the first left.", 3)
            day = card.year.number(first.year.day(line.day)) if line.day else 0
            lines.append(Line(entry.benefit.service, day, line.units, line.charged))
        words = words_of(lines, card.schedule, card.year)
        kept = self.kept(claimed.id)
        asked = self._ask(
            card,
            evidence=claimed.claim.evidence,
            lines=lines,
            words=words,
            seconds=seconds,
            primary=claimed.id,
            prescription=kept.prescription if kept else NONE,
            line=kept.line if kept else 0,
        )
        return asked.request

    def _anchor(self, pseudonym: str, evidence: bytes) -> None:
        """Anchors evidence under a pseudonym, unless it is."""
        records = self.cover.contracts.Records.functions
        if not self.cover.contracts.call(records.recordOf(pseudonym, self.member, evidence))["status"]:
            self.cover.send("Records", "anchorInbox", pseudonym, [evidence])

    def quote(self, request: Request) -> Quote:
        """What a claim would come to now."""
        claim = request.claim
        rows = shown_rows(self.card(claim).schedule, claim.lines)
        return self.cover.quote(claim, rows, is_goods=all(line.day == 0 for line in claim.lines))

    def consented(self, request: str, consent: str) -> tuple[Claim, bytes]:
        """A claim with its consent, from their files. Raises Failure."""
        asked = Request.decode(read(request))
        claim, signature = consented(consent, asked.claim)
        if claim.provider != self.member:
            raise Failure(f"This claim is member {claim.provider}'s; that member submits it.", 3)
        kept = self.kept(asked.claim.id)
        if kept is not None and claim.id != asked.claim.id:
            self.keep(Kept(Request(claim, asked.words, asked.provider), kept.prescription, kept.line))
        return claim, signature

    def check_consent(self, claim: Claim) -> None:
        """Raises Failure where a consent counts no more."""
        if claim.deadline < self.cover.now():
            until = datetime.fromtimestamp(claim.deadline, UTC)
            raise Failure(f"The consent counted until {until:%Y-%m-%d %H:%M} UTC; ask the patient for another.", 3)

    def is_submitted(self, claim: bytes) -> bool:
        return bool(self.cover.contracts.call(self.cover.contracts.Claims.functions.stateOf(claim))["status"])

    def submit(self, claim: Claim, signature: bytes, *, least: int) -> Claimed:
        """Submits a claim for services, or to a second insurer; one that was submitted is told of again."""
        if not self.is_submitted(claim.id):
            self.check_consent(claim)
            rows = as_shown(shown_rows(self.card(claim).schedule, claim.lines))
            if claim.primary != NONE:
                primary = self.cover.claimed(claim.primary).settled
                self.cover.send("Claims", "coordinate", claim.terms(), rows, primary, least, signature)
            elif claim.lines[0].day == 0:
                raise Failure("This claim is for goods; 'pharmacy dispense --claim' submits it with the pack.")
            else:
                self.cover.send("Claims", "submit", claim.terms(), rows, least, signature)
        return self.again(claim.id)

    def again(self, claim: bytes) -> Claimed:
        """A claim as it stands now."""
        self.cover.sync()
        return self.cover.claimed(claim)

    # -- afterwards --------------------------------------------------------------------------------------------------

    def claims(self) -> list[Claimed]:
        """What this member claimed, in the order of submission."""
        return self.cover.claims(provider=self.member)

    def claim(self, beginning: str) -> Claimed:
        """The one claim of this member's whose number begins so. Raises NotClaimed."""
        wanted = beginning.strip().lower().removeprefix("0x")
        events = self.cover.index.events("Claims", "Submitted", where={"provider": self.member})
        found = {bytes(event.arguments["claim"]) for event in events}
        named = [each for each in found if len(wanted) >= 4 and each.hex().startswith(wanted)]
        if len(named) != 1:
            raise NotClaimed(claim=beginning, several=len(named))
        return self.cover.claimed(named[0])

    def resume(self, claimed: Claimed) -> Claimed:
        """Decides a pended claim again. Raises Failure for one that waits for nothing."""
        if claimed.state.status != Status.PENDED:
            raise Failure(f"Claim {claimed.id.hex()[:16]} is not pended; 'claims' says where it stands.", 3)
        self.cover.send("Claims", "resume", claimed.claim.terms(), claimed.shown, claimed.batch, claimed.index, 0)
        return self.again(claimed.id)

    def reverse(self, claimed: Claimed, *, keep_goods: bool) -> Claimed:
        """Reverses a claim and gives back what was paid; a pack comes into stock again unless its goods stay given."""
        if claimed.state.status not in (Status.PENDED, Status.DECIDED):
            raise Failure(f"Claim {claimed.id.hex()[:16]} cannot be reversed; 'claims' says where it stands.", 3)
        prescription, line = NONE, 0
        if claimed.is_goods and not keep_goods and claimed.claim.primary == NONE:
            prescription, line = self.filled_line(claimed)
        settled = claimed.settled
        if claimed.state.status == Status.PENDED:
            settled = (claimed.claim.terms(), claimed.batch, claimed.index, [], [])
        self._let_take_back(claimed)
        self.cover.send("Claims", "reverse", settled, prescription, line)
        return self.again(claimed.id)

    def filled_line(self, claimed: Claimed) -> tuple[bytes, int]:
        """The prescription and the line that a claim for goods filled."""
        kept = self.kept(claimed.id)
        if kept is not None and kept.prescription != NONE:
            return kept.prescription, kept.line
        return self.cover.filled_line(claimed)

    def _let_take_back(self, claimed: Claimed) -> None:
        """What is given back comes from what the member has coming, else from a payee that agreed to answer for it."""
        claim, contracts = claimed.claim, self.cover.contracts
        token, payout, main = self.cover.plan(claim.plan)["token"], self._payout(), self._main()
        answerer = to_checksum_address(str(payout["payee"])) if payout["answers"] else main
        shares = int(contracts.call(contracts.Escrow.functions.shareOf(claim.plan, claimed.id)))
        missing = claimed.state.paid + shares - self.cover.credit(token, answerer)
        if missing <= 0:
            return
        money, own = self.money(claim), str(self.cover.account)
        if not payout["answers"]:
            if self.payee() != own or main != own:
                raise Failure(
                    f"{money(missing)} went to {self.payee()}, which has to 'answer-for' this member first.", 3
                )
            self.cover.send("Escrow", "setPayout", self.member, own, payout["push"])
        if answerer == own:
            if self.cover.coins(token, own) < missing:
                raise Failure(f"This account has less than the {money(missing)} that are to be given back.", 3)
            self.cover.let_collect(token, contracts.Escrow.address, missing)
            return
        allowed = contracts.call(self.cover.token(token).functions.allowance(answerer, contracts.Escrow.address))
        if allowed < missing:
            raise Failure(f"{money(missing)} come from {answerer}, which has to let the escrow collect them first.", 3)

    def appeal(self, claimed: Claimed, why: str) -> None:
        """Appeals; the reasons and what was sealed before are sealed to insurer, arbiter and this desk."""
        told: dict[str, Any] = {"claim": claimed.id.hex(), "by": "provider", "why": why}
        try:
            told["opening"] = opened(self.desk, self._sealed(claimed))
        except Failure:
            # What cannot be opened here any more is no reason to be silent.
            told["opening"] = {}
        terms = self.cover.plan(claimed.claim.plan)
        digest = self._seal(told, int(terms["insurer"]), int(terms["arbiter"]))
        self.cover.send("Appeals", "appeal", claimed.claim.terms(), digest)

    def _sealed(self, claimed: Claimed) -> bytes:
        return self.cover.filling(claimed) if claimed.is_goods else claimed.claim.evidence

    def _seal(self, told: Mapping[str, Any], *members: int) -> bytes:
        """Seals something to members and this desk, and puts it into the store; its digest."""
        to = [*(recipient_of(self.desk, member) for member in members), self.desk.identity.recipient]
        return self.desk.site.store.put(BytesIO(seal_opening(told, to=to))).digest

    def remittance(self, claimed: Claimed) -> bytes:
        """A FHIR ExplanationOfBenefit."""
        card = self.card(claimed.claim)
        settlement = Settlement.of(claimed, insurer=int(self.cover.plan(claimed.claim.plan)["insurer"]))
        return explanation(settlement, card.schedule, origin=card.year.origin)

    # -- money -------------------------------------------------------------------------------------------------------

    def payout(self) -> tuple[str, bool]:
        """The account that is paid, and whether it is paid at once."""
        return self.payee(), bool(self._payout()["push"])

    def _payout(self) -> dict[str, Any]:
        contracts = self.cover.contracts
        return dict(contracts.call(contracts.Escrow.functions.payoutOf(self.member)))

    def payee(self) -> str:
        named = str(self._payout()["payee"])
        return to_checksum_address(named) if int(named, 16) else self._main()

    def _main(self) -> str:
        return to_checksum_address(str(self.desk.chain.member_account(self.member)))

    def check_main(self) -> None:
        """Raises Failure where the account is not the one that acts for the member."""
        if self._main() != str(self.cover.account):
            raise Failure(f"Only {self._main()} acts for member {self.member} in this; name it with --account.", 3)

    # -- authorizations ----------------------------------------------------------------------------------------------

    def authorize(self, card: Card, code: str, *, units: int, why: bytes) -> bytes:
        """Asks for an authorization; its number. Raises Failure."""
        plan = check_card(self.cover, card)
        self.keep_card(card)
        entry = entry_called(card, code)
        if not entry.service.authorization:
            raise Failure(f"{entry.service.display[:60]} needs no authorization under this plan.", 3)
        told = {"code": entry.service.code, "display": entry.service.display, "units": units, "why": _text(why)}
        document = self._seal(told, int(plan["insurer"]))
        asked = (card.plan, card.pseudonym, entry.benefit.service, units, document)
        contracts = self.cover.contracts
        number = bytes(contracts.call(contracts.Authorizations.functions.idOf(asked, self.member)))
        self.cover.send("Authorizations", "request", asked)
        write_private(self.folder / "authorizations" / f"{number.hex()}.json", json.dumps(told).encode())
        return number

    def complete(self, authorization: bytes, why: bytes) -> None:
        """Brings what an insurer missed."""
        for event in self.cover.index.events("Authorizations", "Requested", where={"authorization": authorization}):
            insurer = int(self.cover.plan(event.arguments["plan"])["insurer"])
            document = self._seal({"authorization": authorization.hex(), "why": _text(why)}, insurer)
            self.cover.send("Authorizations", "complete", authorization, document)
            return
        raise Failure("Nobody asked for this authorization; 'authorizations' lists those of this desk.")

    def authorizations(self) -> list[dict[str, Any]]:
        """What was asked for by this member, and where it stands."""
        rows = []
        for event in self.cover.index.events("Authorizations", "Requested", where={"provider": self.member}):
            number = bytes(event.arguments["authorization"])
            told = authorization_of(self.cover, number)
            known = self._known_authorization(number)
            contracts = self.cover.contracts
            used = bytes(contracts.call(contracts.Benefits.functions.usedBy(number)))
            rows.append(
                {
                    "authorization": number.hex(),
                    "plan": event.arguments["plan"].hex(),
                    "pseudonym": event.arguments["pseudonym"],
                    "code": known.get("code"),
                    "service": known.get("display"),
                    "units": told["units"],
                    "most": told["amount"] or None,
                    "until": day(told["expiry"]) if told["expiry"] else None,
                    "stands": "used" if any(used) else AUTHORIZATIONS[told["status"]],
                    "claim": used.hex() if any(used) else None,
                }
            )
        return rows

    def _known_authorization(self, number: bytes) -> dict[str, Any]:
        path = self.folder / "authorizations" / f"{number.hex()}.json"
        return dict(json.loads(path.read_bytes())) if path.is_file() else {}

    def authorization_named(self, beginning: str) -> bytes:
        """The one authorization of this desk's whose number begins so. Raises Failure."""
        wanted = beginning.strip().lower().removeprefix("0x")
        found = [each["authorization"] for each in self.authorizations()]
        named = [each for each in found if len(wanted) >= 4 and each.startswith(wanted)]
        if len(named) != 1:
            raise Failure(f"No authorization, or several, begin with {beginning[:64]!r}; 'authorizations' lists them.")
        return bytes.fromhex(named[0])

    def authorized(self, card: Card, numbers: Sequence[bytes]) -> dict[bytes, bytes]:
        """Authorizations by the service they are for. Raises Failure for one that is for none under this card."""
        subjects = {bytes(authorization_of(self.cover, number)["subject"]): number for number in numbers}
        found = {}
        for entry in card.schedule.entries:
            if number := subjects.pop(self._subject(card, entry), None):
                found[entry.benefit.service] = number
        for number in subjects.values():
            raise Failure(f"Authorization {number.hex()[:16]} is for no service under this card.", 3)
        return found

    def _subject(self, card: Card, entry: Entry) -> bytes:
        """What an authorization is for, as the contract hashes it."""
        kinds = ["bytes32", "address", "uint32", "bytes32"]
        return keccak(encode(kinds, [card.plan, card.pseudonym, self.member, entry.benefit.service]))


@contextmanager
def provider_of(who: str, *, network: str, store: str | None, account: str | None) -> Iterator[Provider]:
    """A provider's desk, followed to the chain's head, once what an interrupted run left under way is done."""
    with desk_of(who, network=network, store=store, account=account) as desk, provider_at(desk) as provider:
        yield provider


@contextmanager
def provider_at(desk: Desk) -> Iterator[Provider]:
    """The same where the desk is open already. Raises Failure where its account is no member's."""
    member = desk.member
    if not member:
        raise Failure(f"{desk.address} belongs to no member; have the board admit it or a member take it on.", 3)
    sender = sending(desk)
    if sender.open():
        sender.resume()
    with cover_of(desk.site, desk.person.folder, sender) as cover:
        yield Provider(desk, cover, member)


@dataclass(frozen=True)
class _Source:
    """What a claim was made from, and the digest of what was sealed of it."""

    folder: Path
    parts: Sequence[bytes]

    @property
    def path(self) -> Path:
        told = b"".join(sha256(part).digest() for part in self.parts)
        return self.folder / sha256(told).hexdigest()[:32]

    @property
    def evidence(self) -> bytes | None:
        return bytes.fromhex(self.path.read_text()) if self.path.is_file() else None

    def keep(self, evidence: bytes) -> bytes:
        write_private(self.path, evidence.hex().encode())
        return evidence


def token_named(cover: Cover, text: str) -> str:
    """A token by its address, or by the beginning of the number of a plan that pays in it. Raises Failure."""
    if is_address(text):
        return to_checksum_address(text)
    wanted = text.strip().lower().removeprefix("0x")
    plans = (bytes(event.arguments["plan"]) for event in cover.index.events("Policies", "PlanPublished"))
    found = [plan for plan in plans if len(wanted) >= 4 and plan.hex().startswith(wanted)]
    if len(found) != 1:
        raise Failure(f"{text[:60]!r} is no address of a token, nor the beginning of one plan's number.")
    return str(cover.plan(found[0])["token"])


def entry_called(card: Card, code: str) -> Entry:
    """The service of a card's plan that a person means: its code, or system|code. Raises Failure."""
    found = [entry for entry in card.schedule.entries if code in (entry.service.code, entry.service.canonical)]
    if len(found) != 1:
        many = f"{len(found)} services are" if found else "No service of this plan is"
        raise Failure(f"{many} called {code[:60]!r}; give the code, or system|code.")
    return found[0]


def _draft(card: Card, file: bytes, encounter: bytes | None, authorized: Mapping[bytes, bytes]) -> Draft:
    """What a FHIR Claim comes to under a card, with its authorizations by service."""
    told = fhir.parse(file)
    met = _encounters(encounter)
    draft = from_fhir(told, card.schedule, origin=card.year.origin, encounters=met)
    if draft.goods:
        raise Failure("This is a pharmacy's claim; 'pharmacy claim' makes one from a prescription.")
    if not authorized:
        return draft
    numbers = {each.sequence: authorized.get(each.line.service, NONE) for each in draft.listed}
    return from_fhir(told, card.schedule, origin=card.year.origin, encounters=met, authorizations=numbers)


def _encounters(encounter: bytes | None) -> dict[str, Mapping[str, Any]]:
    """An Encounter by the references that a Claim may have to it. Raises Failure for what is none."""
    if encounter is None:
        return {}
    told = fhir.parse(encounter)
    if told.type != "Encounter":
        raise Failure(f"The encounter is a {told.type[:40]}; give a FHIR Encounter.")
    number = told.value.get("id")
    return {f"{start}{number}": told.value for start in ("Encounter/", "urn:uuid:")} if isinstance(number, str) else {}


def _opening(card: Card, lines: Sequence[Line], file: bytes, encounter: bytes | None) -> dict[str, Any]:
    """What is sealed to the insurer of a claim for services: what was done when, and the files as they came."""
    words = words_of(lines, card.schedule, card.year)
    return {
        "lines": [
            {**vars(said), "units": line.units, "charged": line.charged}
            for said, line in zip(words, lines, strict=True)
        ],
        "claim": _text(file),
        "encounter": _text(encounter) if encounter is not None else "",
    }


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise Failure(f"This file is no UTF-8 at byte {fault.start}; write it anew.") from None

"""The third part of the story: a plan with money behind it, and claims that are paid at once and only once."""

import io
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from web3.contract.contract import ContractFunction

from scripts._founding import deploy_other
from theriac import fhir
from theriac.consortium import Role
from theriac.cover import policies
from theriac.cover.claiming import Claimed, Cover
from theriac.cover.dossier import Dossier, dossier_of
from theriac.cover.messages import Claim, Line, evidence_of
from theriac.cover.papers import Card, Offer, Year, new_claim, seal_opening
from theriac.cover.policies import Terms
from theriac.cover.recalling import Touched, touched
from theriac.cover.rules import Reason
from theriac.cover.schedule import Schedule, new_secret
from theriac.errors import BadDossier, Reverted, TheriacError
from theriac.ledger.node import Node
from theriac.medicine import medication
from theriac.medicine.chain import Chain
from theriac.medicine.medication import Unsaid, allowed
from theriac.medicine.prescriptions import Item, issue
from theriac.medicine.scanner import Cause, Verdict
from theriac.medicine.tree import BATCH, node_of

if TYPE_CHECKING:
    from scripts._demo import Person, Story
    from scripts._demo_medicine import Goods

DAY = 24 * 3600
PLAN = Path(__file__).resolve().parent.parent / "examples" / "plan.yaml"
RXNORM, SNOMED = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://snomed.info/sct"
CAPSULES, COLONOSCOPY, VISIT = (RXNORM, "308182"), (SNOMED, "73761001"), (SNOMED, "185347001")
DISPENSE_FOR, FILL_FOR = 1, 2
CONTRACTS = ("Policies", "Rules", "Authorizations", "Escrow", "Benefits", "Claims", "Appeals", "Episodes")
WHY = "Bleeding; there was no time to ask before."


@dataclass
class Pharmacys:
    """A pharmacy's claim, and what is needed to take it back."""

    claimed: Claimed
    prescription: bytes
    verdict: Verdict
    again: ContractFunction


class Insurance:
    """An insurer, its plan, and the patient's policy, on the chain of the first two parts."""

    def __init__(self, story: "Story", goods: "Goods") -> None:
        self.story = story
        self.goods = goods

    def tell(self) -> None:
        self.publish()
        self.enrol()
        self.pay_at_once()
        self.refuse_again()
        self.deny_and_appeal()
        self.pay_share()
        self.reverse()
        self.verify()

    # -- the steps ---------------------------------------------------------------------------------------------------

    def publish(self) -> None:
        with self.story.step("An insurer publishes a plan, and puts money behind it") as step:
            self.story.deploy(*CONTRACTS)
            self._play = deploy_other(self.story.web3, self.story.board.sender, "Coin", 6)
            self.coin = str(self._play.address)
            consortium = self.story.contracts.Consortium.functions
            self.insurer, self.agency = self.story.person(10), self.story.person(11)
            licences = []
            for number, (person, role) in enumerate(((self.insurer, Role.INSURER), (self.agency, Role.AUDITOR)), 6):
                licences.append(consortium.admit(person.address, int(role), 1, self.story.now() + 365 * DAY))
                person.member = number
            self.story.send_all(*((self.story.board, licence) for licence in licences))
            file = PLAN.read_bytes()
            plan = policies.parse(file)
            report = policies.validate(plan)
            report.check()
            self.money = plan.shown
            self.schedule = Schedule.of(plan, new_secret())
            self.cover = self._cover(self.insurer, "insurer")
            terms = Terms.of(
                plan,
                schedule=self.schedule.root,
                document=self.story.store.put(io.BytesIO(file)).digest,
                insurer=self.insurer.member,
                arbiter=self.agency.member,
                token=self.coin,
                adjudicator=self.story.contracts.Claims.address,
                appeals=self.story.contracts.Appeals.address,
            )
            self.plan = terms.id
            self.cover.send("Policies", "publish", terms.as_tuple())
            self._mint(self.insurer, 100_000_000_000)
            self.cover.deposit(self.plan, 100_000_000_000)
            sensitive = sum(len(group.sensitive) for group in report.groups)
            step.told += [
                f"{len(plan.services)} services under salted numbers, of them {sensitive} sensitive, each alike to at "
                f"least {policies.FEWEST_ALIKE - 1} others in all that the chain shows",
                f"in escrow: {self.money(self.cover.balance(self.plan))}",
            ]

    def enrol(self) -> None:
        with self.story.step("The patient takes a policy by a signature, and pays a premium") as step:
            first = self._today() - timedelta(days=30)
            offer = Offer(
                plan=self.plan,
                insurer="Harbour Insurance",
                schedule=self.schedule,
                year=Year.of(first, first + timedelta(days=364)),
                family=0,
                lifetime=0,
                underwriter=self.insurer.address,
            )
            patient = self.story.patient
            patient.chain.contracts = self.story.contracts
            self.account = patient.pseudonym_for(f"policy:{self.plan.hex()}")
            message = offer.enrol(self.account.pseudonym, era=0, deadline=self.story.now() + DAY)
            signatures = (self._signed(message, self.insurer), patient.sign_as(self.account, message))
            self.relay = self._cover(self.story.relay_account, "relay")
            self.relay.carry(message, *signatures)
            self.card = Card.decode(offer.card(self.account.pseudonym).encode())
            self._mint(self.story.relay_account, 10_000_000_000)
            self.relay.pay_premium(self.plan, self.account.pseudonym, 2)
            step.told += [
                f"a pseudonym for this policy year alone: {self.account.pseudonym}",
                "days are counted from a secret origin; somebody else pays her premium, and her account holds nothing",
            ]

    def pay_at_once(self) -> None:
        with self.story.step("A pack is dispensed, its line filled and the pharmacy paid, in one transaction") as step:
            self.pharmacy = self.goods.people["pharmacy"]
            self.counter = self._cover(self.pharmacy, "counter")
            operator = (self.story.contracts.Claims.address, DISPENSE_FOR | FILL_FOR)
            self.counter.send("Consortium", "setOperator", *operator)
            self.paid = self._dispensed(self.goods.labelled(3))
            [outcome] = self.paid.claimed.outcomes
            step.told += [
                f"allowed {self.money(outcome.allowed)}: paid {self.money(outcome.paid)}, "
                f"she owes {self.money(outcome.borne)}; what she pays is recomputed from published rules",
                f"the pharmacy may withdraw {self.money(self.counter.credit(self.coin, self.pharmacy.address))}",
            ]

    def refuse_again(self) -> None:
        with self.story.step("Nothing is paid twice") as step:
            step.told.append("the same claim again: " + self._refusal(self.pharmacy, self.paid.again))
            line = self._line(VISIT, self._today(), 95_000_000)
            first = self._submitted(self._encounter("a visit"), line)
            assert not first.reasons
            second = self._submitted(self._encounter("the same visit, told again"), line)
            step.told.append(f"the same service, the same day, another encounter: {self._codes(second)}")
            phantom = self._submitted(b"\x11" * 32, self._line(VISIT, self._today() - timedelta(days=1), 95_000_000))
            step.told.append(f"a visit that nobody wrote about: pended, {phantom.state.missing.sentence}")

    def deny_and_appeal(self) -> None:
        with self.story.step("A claim is denied with a code, appealed and paid") as step:
            self.scan = self._submitted(self._encounter("a scan"), self._line(COLONOSCOPY, self._today(), 950_000_000))
            step.told.append(f"denied: {self._codes(self.scan)}")
            desk = self._cover(self.story.clinic, "billing")
            told = self._sealed({"why": WHY}, self.insurer, self.story.clinic)
            desk.send("Appeals", "appeal", self.scan.claim.terms(), told)
            waived = [int(Reason.UNAUTHORIZED)]
            self.cover.send("Appeals", "answer", self.scan.settled, waived, True, self._sealed({}, self.story.clinic))
            self.scan = self._again(self.scan)
            step.told.append(f"appealed and granted: paid {self.money(self.scan.state.paid)}")

    def pay_share(self) -> None:
        with self.story.step("She owes the exact rest, and somebody pays it, once") as step:
            share = self.scan.state.share
            [outcome] = self.scan.outcomes
            step.told.append(
                f"{self.money(share)}: deductible {self.money(outcome.deductible)}, coinsurance "
                f"{self.money(outcome.coinsurance)}"
            )
            self.relay.pay_share(self.scan.claim, share)
            self.scan = self._again(self.scan)
            assert self.scan.state.share == 0
            again = self.story.contracts.Escrow.functions.payShare(self.plan, self.scan.claim.content, share)
            step.told.append("paid by somebody else; again: " + self._refusal(self.story.relay_account, again))

    def reverse(self) -> None:
        with self.story.step("The pack comes back, and everything is as before") as step:
            before = self.cover.balance(self.plan)
            claimed = self.paid.claimed
            self.counter.send("Claims", "reverse", claimed.settled, self.paid.prescription, 0)
            assert self.cover.balance(self.plan) == before + claimed.state.paid
            assert self.counter.credit(self.coin, self.pharmacy.address) == 0
            self.goods.pharmacy.sync()
            scanned = self.goods.read(self.goods.labelled(3), Cause.GENUINE)
            step.told.append(
                f"{self.money(claimed.state.paid)} are in escrow again; the pack, scanned: {scanned.sentence}"
            )
            again = self._dispensed(self.goods.labelled(3))
            step.told.append(f"dispensed to her again, and paid: {self.money(again.claimed.state.paid)}")

    def verify(self) -> None:
        with self.story.step("An auditor's dossier of the claim is checked by a third party, offline") as step:
            made = dossier_of(self.cover, Node(self.story.web3), self._again(self.scan)).sealed(self.agency.signer)
            data = made.encode()
            step.told.append(Dossier.decode(data).verify(self.scan.id))
            place = data.index(str(self.scan.state.paid).encode())
            changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
            try:
                Dossier.decode(changed).verify(self.scan.id)
            except BadDossier as refused:
                step.told.append(f"with one byte changed: {refused}")
            else:
                raise AssertionError("a changed dossier was taken for a true one")

    def touched(self, chain: Chain, batch: bytes) -> list[Touched]:
        """What a recall of a batch has to tell somebody about."""
        self.cover.sync()
        return touched(chain, self.cover, batch, BATCH)

    # -- what the steps are made of ----------------------------------------------------------------------------------

    def _mint(self, person: "Person", amount: int) -> None:
        self.story.board.sender.send(self._play.functions.mint(person.address, amount))

    def _cover(self, person: "Person", name: str) -> Cover:
        path = self.story.folder / name / "cover.sqlite"
        return Cover(self.story.web3, self.story.contracts, index=path, sender=person.sender)

    def _signed(self, message: Any, person: "Person") -> bytes:
        return person.signer.sign_message(message.signable(self.cover.domain(message.CONTRACT)))

    def _sealed(self, told: dict[str, Any], *people: "Person") -> bytes:
        sealed = seal_opening(told, to=[person.identity.recipient for person in people])
        return self.story.store.put(io.BytesIO(sealed)).digest

    def _line(self, service: tuple[str, str], day: date | None, charged: int) -> Line:
        entry = self.schedule.find(*service)
        assert entry is not None
        return Line(entry.benefit.service, self.card.year.number(day) if day else 0, 1, charged)

    def _claim(self, provider: int, evidence: bytes, line: Line) -> tuple[Claim, bytes]:
        """A claim with the patient's consent to it."""
        deadline = self.story.now() + DAY
        claim = new_claim(self.card, provider=provider, evidence=evidence, lines=[line], era=0, deadline=deadline)
        return claim, self.story.patient.sign_as(self.account, claim)

    def _rows(self, claim: Claim) -> list[Any]:
        return [self.schedule.row(line.service) for line in claim.lines]

    def _encounter(self, what: str) -> bytes:
        """An encounter, sealed to the insurer and anchored by the clinic under the policy's pseudonym."""
        evidence = self._sealed({"encounter": what}, self.insurer, self.story.clinic)
        records = self.story.contracts.Records.functions
        self.story.clinic.sender.send(records.anchorInbox(self.account.pseudonym, [evidence]))
        return evidence

    def _submitted(self, evidence: bytes, line: Line) -> Claimed:
        claim, consent = self._claim(self.story.clinic.member, evidence, line)
        claims = self.story.contracts.Claims.functions
        self.story.clinic.sender.send(claims.submit(claim.terms(), self._rows(claim), 0, consent))
        self.cover.sync()
        return self.cover.claimed(claim.id)

    def _dispensed(self, label: bytes) -> Pharmacys:
        """Prescribed, and then taken, dispensed, filled and claimed in one transaction."""
        from scripts._demo_medicine import GTIN, REQUEST

        request = fhir.parse(REQUEST.read_bytes())
        item = Item.of(request, allowed(request, Unsaid(self._today())))
        clinic = self.goods.prescriptions(self.story.clinic)
        ticket, prescription = issue(self.story.clinic.address, [item], self.story.store)
        terms = prescription.terms(ticket.file)
        clinic.prescribe(terms)
        verdict = self.goods.read(label, Cause.GENUINE)
        assert verdict.pack is not None
        depot, pack = self.goods.pharmacy, verdict.pack
        known = depot.shelf.batch(pack.batch)
        serial = depot.shelf.serials(pack.batch, node_of(pack.index))[pack.index]
        opening = {
            "dispensed": medication.dispensed(
                item.resource.value,
                prescription=terms.id,
                line=1,
                units=1,
                at=self._now(),
                pharmacy="the pharmacy",
                product=GTIN,
            ).decode(),
            "prescribed": {"request": item.request, "salt": item.salt.hex()},
        }
        evidence = self._sealed(opening, self.insurer, self.pharmacy)
        claim, consent = self._claim(
            self.pharmacy.member, evidence_of(terms.id, 0), self._line(CAPSULES, None, 12_400_000)
        )
        states, deadline = clinic.states(prescription, terms), self.story.now() + 1800
        word = clinic.word(ticket, terms, states, to=self.pharmacy.member, lines=[0], deadline=deadline)
        take, signature = word.take(prescription).arguments(word.signature)
        opened = tuple(prescription.lines[0].values().values())
        goods = (
            pack.batch,
            pack.index,
            known.key.committer(known.product).commitment(serial),
            depot.shelf.proof(pack),
            take,
            signature,
            (terms.tuple, [each.hash for each in prescription.lines], 0, opened, 1, evidence),
        )
        call = self.story.contracts.Claims.functions.dispense(claim.terms(), self._rows(claim), goods, 0, consent)
        self.pharmacy.sender.send(call)
        depot.sync()
        self.cover.sync()
        return Pharmacys(self.cover.claimed(claim.id), terms.id, verdict, call)

    def _again(self, claimed: Claimed) -> Claimed:
        self.cover.sync()
        return self.cover.claimed(claimed.id)

    @staticmethod
    def _codes(claimed: Claimed) -> str:
        return ", ".join(f"CARC {each.carc}, {each.sentence}" for each in claimed.reasons)

    def _refusal(self, person: "Person", call: ContractFunction) -> str:
        try:
            self.story.contracts.call(call, sender=person.signer.address)
        except Reverted as refused:
            return f"{refused.notice} ({refused.error})"
        except TheriacError as refused:
            return str(refused)
        raise AssertionError("something was paid twice")

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.story.now(), UTC)

    def _today(self) -> date:
        return self._now().date()

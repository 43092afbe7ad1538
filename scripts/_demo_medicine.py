"""The second part of the story: packs of a medicine from their maker to a patient, and what becomes of false ones."""

import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from web3.contract.contract import ContractFunction

from theriac import fhir
from theriac.consortium import Role
from theriac.crypto import age
from theriac.errors import Reverted, TheriacError
from theriac.ledger.node import Node
from theriac.medicine import medication, symbols
from theriac.medicine.chain import Chain
from theriac.medicine.counter import Counter, Settlement
from theriac.medicine.depot import Depot, Order, missing_nodes
from theriac.medicine.keys import new_key, sealed_to
from theriac.medicine.medication import Unsaid, allowed
from theriac.medicine.packid import PackCode, Scheme
from theriac.medicine.packs import Product, cases_of
from theriac.medicine.prescribing import Prescriptions
from theriac.medicine.prescriptions import Item, Pass, Ticket, issue
from theriac.medicine.scanner import Cause, Verdict
from theriac.medicine.shelf import KnownPack, Shelf
from theriac.medicine.symbols import write_paper
from theriac.medicine.tree import BATCH, Shape, node_of

if TYPE_CHECKING:
    from scripts._demo import Person, Story
    from scripts._demo_cover import Insurance

DAY = 24 * 3600

GTIN = "04150123456782"
REQUEST = Path(__file__).resolve().parent.parent / "examples" / "fhir" / "medication-request.json"
PACKS, PER_CASE, PER_PALLET = 240, 10, 8
SHAPE = Shape(pallet_bits=8, case_bits=4)


class Goods:
    """The members that handle goods, each with a depot of its own, on the chain of the first part."""

    def __init__(self, story: "Story") -> None:
        self.story = story

    def tell(self) -> None:
        self.join()
        self.commission()
        self.hand_over()
        self.scan()
        self.dispense()
        self.prescribe()

    def tell_end(self, cover: "Insurance") -> None:
        """What becomes of the packs in the end, once some were paid for."""
        self.expire()
        self.recall(cover)

    # -- the steps ---------------------------------------------------------------------------------------------------

    def join(self) -> None:
        with self.story.step("A maker, a distributor and two pharmacies join") as step:
            self.story.deploy("Batches", "Prescriptions", "ColdChain")
            roles = {
                "maker": Role.MAKER,
                "distributor": Role.DISTRIBUTOR,
                "pharmacy": Role.PHARMACIST,
                "other pharmacy": Role.PHARMACIST,
            }
            consortium = self.story.contracts.Consortium.functions
            self.people: dict[str, Person] = {}
            licences = []
            for place, (name, role) in enumerate(roles.items()):
                person = self.story.person(6 + place)
                licences.append(consortium.admit(person.address, int(role), 1, self.story.now() + 365 * DAY))
                person.member = 2 + place
                self.people[name] = person
            self.story.send_all(*((self.story.board, licence) for licence in licences))
            recipients = [person.identity.recipient for person in self.people.values()]
            digest = self.story.store.put(io.BytesIO(sealed_to(new_key(), recipients))).digest
            self.story.board.sender.send(consortium.renewKey(digest))
            self.maker, self.distributor, self.pharmacy, self.other = (self._depot(name) for name in roles)
            step.told.append("members 2 to 5; the consortium's key for the directory of batches is sealed to each")

    def commission(self) -> None:
        with self.story.step(f"The maker commissions a batch of {PACKS} packs in one transaction") as step:
            self.product = Product(GTIN, "K7-2201", self._today() + timedelta(days=700))
            self.batch = self.maker.commission(self._order(self.product, PACKS, "AB"))
            self.soon = Product(GTIN, "K7-2104", self._today() + timedelta(days=1))
            self.old = self.maker.commission(self._order(self.soon, PER_CASE, "OL"))
            self.labels = {
                serial: symbols.write_symbol(self._code(self.product, serial))
                for serial in (self._serial("AB", number) for number in range(2 * PER_CASE))
            }
            step.told += [
                f"a root, salted commitments, a day: nothing says which medicine, which lot or how many of 2^20 "
                f"places are taken; {len(self.labels)} labels are drawn as DataMatrix",
                "and another batch, of one case, that ends tomorrow",
            ]

    def hand_over(self) -> None:
        with self.story.step("The distributor takes it over, and a case of it goes to a pharmacy") as step:
            self._hand(self.maker, self.distributor, self.batch, BATCH)
            self._hand(self.maker, self.pharmacy, self.old, BATCH)
            first, second = self._case(0), self._case(PER_CASE)
            self.story.travel(60)
            signed = self.distributor.signed_offer(
                self.batch,
                first,
                to=self.pharmacy.member,
                recipient=self.people["pharmacy"].identity.recipient,
            )
            self._sync()
            sheet = self.pharmacy.open_sheet(signed.terms.sheet, batch=self.batch, node=first)
            arrived = [index for index, serial in sheet.serials.items() if serial != self._serial("AB", 9)]
            missing = missing_nodes(sheet, arrived)
            self.pharmacy.accept_signed(signed, missing=missing)
            self._hand(self.distributor, self.other, self.batch, second)
            step.told += [
                f"the pharmacy brought the distributor's signed offer and accepted {len(arrived)} packs of "
                f"{len(sheet.serials)}: the missing one stays the distributor's, by name",
                "the other pharmacy accepted the next case whole",
            ]

    def scan(self) -> None:
        with self.story.step("The pharmacy scans labels, and asks nobody") as step:
            mine, theirs = self.labels[self._serial("AB", 0)], self.labels[self._serial("AB", PER_CASE)]
            unknown = symbols.write_symbol(self._code(self.product, "AB99999999XQ"))
            altered = symbols.write_symbol(
                self._code(Product(GTIN, "K7-2201", date(self._today().year + 5, 1, 31)), self._serial("AB", 1))
            )
            garbled = symbols.read_symbols(mine)[0].replace("\x1d", "").swapcase()
            verdicts = {
                "its own": self._read(self.pharmacy, mine, Cause.GENUINE),
                "one of the other pharmacy": self._read(self.pharmacy, theirs, Cause.UNKNOWN_HERE),
                "a serial nobody made, as the maker sees it": self._read(self.maker, unknown, Cause.FALSE),
                "the same, here": self._read(self.pharmacy, unknown, Cause.UNKNOWN_HERE),
                "a later expiry printed over it": self._read(self.pharmacy, altered, Cause.ALTERED),
                "its own, with caps lock on": self.pharmacy.scanner().scan(garbled, now=self._now()),
            }
            assert verdicts["its own, with caps lock on"].cause is Cause.SCANNER
            step.told += [f"{what}: {verdict.cause.value}" for what, verdict in verdicts.items()]

    def dispense(self) -> None:
        with self.story.step("It dispenses a pack, once") as step:
            label = self.labels[self._serial("AB", 0)]
            settlement = self._dispensed(self.pharmacy, self._read(self.pharmacy, label, Cause.GENUINE))
            assert len(settlement.settled) == 1
            self._sync()
            again = self._read(self.pharmacy, label, Cause.DISPENSED_HERE)
            step.told.append(f"scanned again: {again.sentence}")
            copied = self._read(self.distributor, label, Cause.DISPENSED_ELSEWHERE)
            step.told.append(f"a copy of its label, scanned at the distributor: {copied.sentence}")
            assert again.pack is not None
            step.told.append("the chain, asked to dispense it again: " + self._refusal(self.pharmacy, again.pack))

    def prescribe(self) -> None:
        with self.story.step("The clinic prescribes, and one pharmacy fills it, once") as step:
            request = fhir.parse(REQUEST.read_bytes())
            item = Item.of(request, allowed(request, Unsaid(self._today())))
            clinic = self.prescriptions(self.story.clinic)
            ticket, prescription = issue(self.story.clinic.address, [item], self.story.store)
            terms = prescription.terms(ticket.file)
            clinic.prescribe(terms)
            paper = write_paper(ticket.encode(), [item.name], pdf=False)
            step.told.append(f"on paper: {item.name}, and a QR symbol; on the chain: a hash, a key used once, a digest")

            [code] = symbols.read_symbols(paper)
            deadline = self.story.now() + 1800
            states, to = clinic.states(prescription, terms), self.pharmacy.member
            shown = clinic.word(Ticket.decode(code), terms, states, to=to, lines=[0], deadline=deadline)
            step.told.append("a phone shows a pass for the pharmacy; the chain to another: " + self._taken(shown))

            here = self.prescriptions(self.people["pharmacy"])
            here.take(shown, prescription)
            verdict = self._read(self.pharmacy, self.labels[self._serial("AB", 2)], Cause.GENUINE)
            self._dispensed(self.pharmacy, verdict)
            self._sync()
            evidence = medication.dispensed(
                item.resource.value,
                prescription=terms.id,
                line=1,
                units=1,
                at=self._now(),
                pharmacy="the pharmacy",
                product=GTIN,
            )
            sealed = age.seal_bytes(evidence, to=[self.people["pharmacy"].identity.recipient])
            here.fill(prescription, terms, line=0, units=1, evidence=sealed, store=self.story.store)
            [state] = here.states(prescription, terms)
            step.told.append(f"taken, a pack dispensed, filled; left: {state.left}, {state.why_nothing}")

    def expire(self) -> None:
        with self.story.step("Two days later the old batch is over") as step:
            label = symbols.write_symbol(self._code(self.soon, self._serial("OL", 0)))
            self._read(self.pharmacy, label, Cause.GENUINE)
            self.story.travel(2 * DAY)
            verdict = self._read(self.pharmacy, label, Cause.EXPIRED)
            assert verdict.pack is not None
            step.told.append(f"scanned: {verdict.sentence}")
            step.told.append("the chain: " + self._refusal(self.pharmacy, verdict.pack))

    def recall(self, cover: "Insurance") -> None:
        with self.story.step("The maker recalls the batch") as step:
            receipt = self.maker.recall(self.batch, reason=1)
            self._sync()
            for name, depot, serial in (
                ("the pharmacy", self.pharmacy, self._serial("AB", 1)),
                ("the other pharmacy", self.other, self._serial("AB", PER_CASE)),
            ):
                verdict = self._read(depot, self.labels[serial], Cause.RECALLED)
                assert verdict.pack is not None
                step.told.append(f"{name}: {verdict.sentence}")
            step.told.append("the chain: " + self._refusal(self.other, verdict.pack))
            step.told.append(f"{receipt.gas_used:,} gas, whether the batch has ten packs or a million")
            given = cover.touched(self.maker.chain, self.batch)
            claimed = [claim for each in given for claim in each.claims]
            step.told.append(
                f"it touches {len(given)} packs that were dispensed, of them {len(claimed)} claimed under "
                + ", ".join(claim.claim.pseudonym for claim in claimed)
            )

    # -- what the steps are made of ----------------------------------------------------------------------------------

    def _depot(self, name: str) -> Depot:
        person, folder = self.people[name], self.story.folder / name.replace(" ", "-")
        depot = Depot(
            member=person.member,
            signer=person.signer,
            sender=person.sender,
            chain=Chain(self.story.web3, self.story.contracts, index=folder / "goods.sqlite"),
            store=self.story.store,
            shelf=Shelf(folder / "shelf.sqlite"),
            counter=Counter(folder / "counter.sqlite"),
            identities=[person.identity],
            recipient=person.identity.recipient,
        )
        depot.sync()
        return depot

    def _sync(self) -> None:
        for depot in (self.maker, self.distributor, self.pharmacy, self.other):
            depot.sync()

    def _order(self, product: Product, count: int, prefix: str) -> Order:
        assert product.expiry is not None
        cases = cases_of(count, SHAPE, case=PER_CASE, pallet=PER_PALLET)
        serials = [self._serial(prefix, number) for number in range(count)]
        return Order(product, SHAPE, cases, serials, product.expiry)

    @staticmethod
    def _serial(prefix: str, number: int) -> str:
        return f"{prefix}{number:04d}{number * 7919 % 10007:05d}Yz"

    def _code(self, product: Product, serial: str) -> PackCode:
        return PackCode(Scheme.GTIN, product.code, serial, lot=product.lot, expiry=product.expiry)

    def _case(self, number: int) -> int:
        """The case that the pack with this number lies in."""
        [known] = self.maker.shelf.find(GTIN, self._serial("AB", number))
        return node_of(known.index, SHAPE.case_bits)

    def _hand(self, giver: Depot, receiver: Depot, batch: bytes, node: int) -> None:
        recipient = self._person(receiver).identity.recipient
        giver.offer(batch, node, to=receiver.member, recipient=recipient, ends=self._now() + timedelta(days=3))
        receiver.sync()
        [offer] = [each for each in receiver.offers() if (each.batch, each.node) == (batch, node)]
        receiver.accept(offer)
        self._sync()

    def labelled(self, number: int) -> bytes:
        """The label of a pack of the batch."""
        return self.labels[self._serial("AB", number)]

    def read(self, label: bytes, expected: Cause) -> Verdict:
        """What the pharmacy's scanner says."""
        return self._read(self.pharmacy, label, expected)

    def _read(self, depot: Depot, label: bytes, expected: Cause) -> Verdict:
        [text] = symbols.read_symbols(label)
        verdict = depot.scanner().scan(text, now=self._now())
        assert verdict.cause is expected, f"{verdict.cause} instead of {expected}"
        return verdict

    def _dispensed(self, depot: Depot, verdict: Verdict) -> Settlement:
        assert verdict.pack is not None
        depot.write_dispense(verdict.pack, at=self._now())
        return depot.settle()

    def prescriptions(self, person: "Person") -> Prescriptions:
        return Prescriptions(self.story.contracts, Node(self.story.web3), sender=person.sender)

    def _taken(self, shown: Pass) -> str:
        """What the contract says to a pharmacy that brings the pass of another."""
        take = shown.take(shown.open(self.story.store))
        call = self.story.contracts.Prescriptions.functions.take(*take.arguments(shown.signature))
        return self._refused(self.other, call)

    def _refusal(self, depot: Depot, pack: KnownPack) -> str:
        """What the contract says to a pharmacy that dispenses all the same."""
        known = depot.shelf.batch(pack.batch)
        serial = depot.shelf.serials(pack.batch, node_of(pack.index))[pack.index]
        commitment = known.key.committer(known.product).commitment(serial)
        call = depot.chain.contracts.Batches.functions.dispense(
            pack.batch, pack.index, commitment, depot.shelf.proof(pack)
        )
        return self._refused(depot, call)

    def _refused(self, depot: Depot, call: ContractFunction) -> str:
        try:
            self.story.contracts.call(call, sender=self._person(depot).signer.address)
        except Reverted as refused:
            return f"{refused.notice} ({refused.error})"
        except TheriacError as refused:
            return str(refused)
        raise AssertionError("something was done that must not be")

    def _person(self, depot: Depot) -> "Person":
        return next(person for person in self.people.values() if person.member == depot.member)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.story.now(), UTC)

    def _today(self) -> date:
        return self._now().date()

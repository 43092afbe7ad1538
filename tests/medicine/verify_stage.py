"""A maker's verify service in a town, and members that ask it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

from depot_town import Town, order, town

from theriac.ledger.typed import Domain
from theriac.medicine.clones import CloneReport, ScanBook
from theriac.medicine.packid import PackCode, Scheme
from theriac.medicine.scanner import Verdict
from theriac.medicine.scans import Scan, SignedScan, domain_of
from theriac.medicine.shelf import Shelf
from theriac.medicine.tree import BATCH, node_of
from theriac.medicine.verification import Answer, Answered, Explained, Inquirer, checked
from theriac.medicine.verifier import Doors, Limits, Verifier, VerifyServer

MAKER, DISTRIBUTOR, PHARMACY, OTHER = 1, 2, 3, 4
PLACES = {"distributor": "Hall 3", "pharmacy": "4012345000009", "other pharmacy": "Corner Shop", "regulator": "Office"}


def code(number: int, *, lot: str | None = "L42A", serial: str | None = None) -> PackCode:
    """The code of one of the batch's packs, or of one that was never made."""
    product = order().product
    return PackCode(Scheme.GTIN, product.code, serial or f"SN{number:08d}", lot=lot, expiry=product.expiry)


@dataclass
class Stage:
    """A batch of a hundred packs: the distributor holds it but for the first ten, which the pharmacy holds."""

    town: Town
    batch: bytes
    domain: Domain
    later: timedelta = timedelta()
    told: list[CloneReport] = field(default_factory=list)

    def now(self) -> datetime:
        """The chain's time, and how far a test has turned the clock."""
        return datetime.fromtimestamp(self.town.anvil.now(), UTC) + self.later

    def verifier(
        self, *, limits: Limits | None = None, book: ScanBook | None = None, shelf: Shelf | None = None
    ) -> Verifier:
        depot = self.town["maker"]
        return Verifier(
            member=depot.member,
            signer=depot.signer,
            chain=depot.chain,
            shelf=shelf or depot.shelf,
            book=book or ScanBook(None),
            keys=depot.consortium_keys,
            clock=self.now,
            limits=limits,
            report=self.told.append,
        )

    def scan(self, role: str, of: PackCode, *, place: str | None = None, ago: timedelta = timedelta()) -> SignedScan:
        """A scan that a member signs now, or says to have made before."""
        depot = self.town[role]
        scan = Scan.of(
            of,
            member=depot.member,
            account=str(depot.signer.address),
            place=place or PLACES[role],
            time=self.now() - ago,
            maker=MAKER,
        )
        return SignedScan.sign(scan, signer=depot.signer, domain=self.domain)

    def check(self, role: str, answer: Answer, question: SignedScan) -> Answered:
        depot = self.town[role]
        depot.chain.sync()
        return checked(answer, question, chain=depot.chain, now=self.now())

    def explain(self, role: str, verdict: Verdict, url: str | None) -> Explained:
        depot = self.town[role]
        inquirer = Inquirer(
            member=depot.member, signer=depot.signer, chain=depot.chain, place=PLACES[role], timeout=5.0
        )
        return inquirer.explain(verdict, url_of=lambda maker: url, now=self.now())


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    with town(folder) as found:
        found.sync()
        maker, pharmacy = found["maker"], found["pharmacy"]
        batch = maker.commission(order())
        found.sync()
        whole = maker.signed_offer(batch, BATCH, to=DISTRIBUTOR, recipient=found.identities["distributor"].recipient)
        found["distributor"].accept_signed(whole)
        found.sync()
        case = node_of(maker.shelf.find(order().product.code, "SN00000000")[0].index, 4)
        part = found["distributor"].signed_offer(
            batch, case, to=PHARMACY, recipient=found.identities["pharmacy"].recipient
        )
        pharmacy.accept_signed(part)
        found.sync()
        yield Stage(found, batch, domain_of(maker.chain.domain()))


@contextmanager
def serving(verifier: Verifier, *, doors: Doors | None = None) -> Iterator[VerifyServer]:
    """The service at a free port of this machine."""
    server = VerifyServer(("127.0.0.1", 0), verifier, doors=doors)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

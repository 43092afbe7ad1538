"""A maker, a distributor, two pharmacies and a regulator on a real anvil, each with its depot."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from eth_account.signers.local import LocalAccount
from real_anvil import BOARD, anvil, person
from real_anvil import Chain as Anvil
from real_anvil import Contracts as Deployed

from theriac.consortium import Join, Role
from theriac.crypto.recipients import HybridIdentity
from theriac.ledger.contracts import Contracts
from theriac.ledger.deployment import Deployment
from theriac.ledger.sender import Sender
from theriac.ledger.signer import KeySigner
from theriac.ledger.typed import Domain
from theriac.medicine.chain import Chain
from theriac.medicine.counter import Counter
from theriac.medicine.depot import Depot, Order
from theriac.medicine.keys import new_key, sealed_to
from theriac.medicine.packs import Product, cases_of
from theriac.medicine.shelf import Shelf
from theriac.medicine.tree import Shape
from theriac.store import LocalStore

YEAR = 365 * 24 * 3600
ROLES = {
    "maker": Role.MAKER,
    "distributor": Role.DISTRIBUTOR,
    "pharmacy": Role.PHARMACIST,
    "other pharmacy": Role.PHARMACIST,
    "regulator": Role.REGULATOR,
}
"""Who is a member, in the order of admission: numbers from 1."""

PRODUCT = Product("04150123456782", "L42A", date(2031, 6, 30))


def order(count: int = 100, *, product: Product = PRODUCT, shape: Shape | None = None, case: int = 10) -> Order:
    """A batch of packs with serials that are their numbers."""
    packed = shape or Shape(8, 4)
    serials = [f"SN{number:08d}" for number in range(count)]
    expiry = product.expiry or date(2031, 6, 30)
    return Order(product, packed, cases_of(count, packed, case=case, pallet=4), serials, expiry)


@dataclass
class Town:
    """The members' depots by role, and the chain they are on."""

    anvil: Anvil
    contracts: Contracts
    depots: dict[str, Depot]
    staff: dict[str, LocalAccount]
    identities: dict[str, HybridIdentity]

    def __getitem__(self, role: str) -> Depot:
        return self.depots[role]

    def sync(self) -> None:
        for depot in self.depots.values():
            depot.sync()


@contextmanager
def town(folder: Path) -> Iterator[Town]:
    """A town on a chain of its own, with the consortium's first key sealed to everyone."""
    with anvil(hardfork="cancun") as chain:
        deployed = Deployed.deploy(chain)
        batches = getattr(deployed, "batches", None) or chain.deploy("Batches", deployed.consortium.address)
        coldchain = getattr(deployed, "coldchain", None) or chain.deploy(
            "ColdChain", deployed.consortium.address, batches.address
        )
        deployment = Deployment.of(chain.web3, network="town", depth=0, lasting=False)
        for name, contract in (
            ("Consortium", deployed.consortium),
            ("Batches", batches),
            ("ColdChain", coldchain),
        ):
            deployment = deployment.with_contract(chain.web3, name, contract.address, block=0, arguments=())
        contracts = Contracts(chain.web3, deployment)
        store = LocalStore(folder / "store")
        found = Town(chain, contracts, {}, {}, {})
        domain = Domain.of(deployed.consortium)
        for number, (role, roles) in enumerate(ROLES.items(), start=1):
            office, staff = person(f"{role}'s office"), person(f"{role}'s staff")
            chain.send(
                BOARD, deployed.consortium.functions.admit(office.address, int(roles), 1, chain.now() + 3 * YEAR)
            )
            join = Join(staff.address, number, roles, 0, chain.now() + 3600)
            signature = bytes(staff.sign_message(join.signable(domain)).signature)
            chain.send(office, deployed.consortium.functions.join(join.terms(), signature))
            found.staff[role], found.identities[role] = staff, HybridIdentity.generate()
        document = sealed_to(new_key(), [identity.recipient for identity in found.identities.values()])
        digest = store.put(io.BytesIO(document)).digest
        chain.send(BOARD, deployed.consortium.functions.renewKey(digest))
        for number, role in enumerate(ROLES, start=1):
            place = folder / role.replace(" ", "-")
            signer = KeySigner(found.staff[role])
            found.depots[role] = Depot(
                member=number,
                signer=signer,
                sender=Sender(chain.web3, signer, outbox=place / "outbox.db"),
                chain=Chain(chain.web3, contracts, index=place / "index.db"),
                store=store,
                shelf=Shelf(place / "shelf.db"),
                counter=Counter(place / "counter.db"),
                identities=[found.identities[role]],
                recipient=found.identities[role].recipient,
            )
        yield found

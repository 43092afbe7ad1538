"""The acts of medicine, for the table of gas_acts.py: batches, handoffs, dispensing, blocks, the cold chain.

A batch's size cannot be seen by the contracts, so its acts must cost the same whatever it is; acts that the design
holds to that are measured on batches of 2^4, 2^12 and 2^20 packs. Of the largest only one path is built: the nodes
beside it are digests of names, as the contracts know no others either.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils import keccak
from gas_acts import DAY, World, act, digest
from pack_tree import BATCH, DEPTH, Tree, above, pack, root_above
from real_anvil import BOARD, RELAYER, encoded, person
from web3.contract import Contract

from theriac.consortium import Join, Role
from theriac.ledger.typed import Domain
from theriac.medicine.messages import Goods as Lot
from theriac.medicine.messages import Handoff, Readings

MAKER, WHOLESALER, PHARMACY, AGENCY = (person(name) for name in ("maker", "wholesaler", "pharmacy", "agency"))
PHARMACIST, LOGGER = person("pharmacist"), person("logger")
MAKER_NUMBER, WHOLESALER_NUMBER, PHARMACY_NUMBER, AGENCY_NUMBER = 3, 4, 5, 6

PALLET_BITS, CASE_BITS = 12, 8
INDEX = 5
"""The pack that acts are about; its case, its pallet and its word of 256 are the first ones."""

PALLET, CASE, PACK = above(INDEX, PALLET_BITS), above(INDEX, CASE_BITS), above(INDEX, 0)
NEXT_PACK = INDEX + 1

SIZES = (4, 12, 20)
"""Batches of 2^4, 2^12 and 2^20 packs."""

DISPENSE_FOR, REPORT_EXCURSION_FOR = 1, 4
BY_HOLDER, BY_MAKER, EXCURSION = 1, 2, 8
STOLEN = 3


def dense(name: str) -> bytes:
    """A digest without a byte of zero, so that calldata costs the same wherever it stands."""
    found = digest(name)
    while 0 in found:
        found = keccak(found)
    return found


@dataclass(frozen=True)
class Batch:
    """What the maker knows of a batch: its root and the way to two of its packs."""

    root: bytes
    siblings: dict[int, Sequence[bytes]]

    @classmethod
    def of(cls, bits: int) -> "Batch":
        """A batch of 2^bits packs."""
        if bits < DEPTH:
            tree = Tree({index: pack(index) for index in range(1 << bits)})
            return cls(tree.root, {index: tree.siblings(index) for index in (INDEX, NEXT_PACK)})
        beside = Tree({index: pack(index) for index in range(16)})
        # Only the packs near by are built; what lies beyond them are digests of names.
        siblings = {
            index: [*beside.siblings(index)[:4], *(dense(f"node at {level}") for level in range(4, DEPTH))]
            for index in (INDEX, NEXT_PACK)
        }
        return cls(root_above(INDEX, pack(INDEX), siblings[INDEX]), siblings)


@dataclass
class Shelf:
    """Members that handle goods, and a batch of 2^bits packs."""

    world: World
    bits: int = 20

    def __post_init__(self) -> None:
        self.known = Batch.of(self.bits)
        self.id = keccak(MAKER_NUMBER.to_bytes(32, "big") + self.known.root)
        for account, licence in (
            (MAKER, Role.MAKER),
            (WHOLESALER, Role.DISTRIBUTOR),
            (PHARMACY, Role.PHARMACIST | Role.DEVICE),
            (AGENCY, Role.REGULATOR),
        ):
            admit = self.world.consortium.functions.admit(account.address, int(licence), 1, self.world.midnight(365))
            self.world.send(BOARD, admit)
        for account, role in ((PHARMACIST, Role.PHARMACIST), (LOGGER, Role.DEVICE)):
            join = Join(account.address, PHARMACY_NUMBER, role, 0, self.world.soon())
            self.world.send(PHARMACY, self.world.signed(join, account))

    @property
    def batches(self) -> Contract:
        return self.world.contracts.batches

    @property
    def coldchain(self) -> Contract:
        return self.world.contracts.coldchain

    def send(self, sender: LocalAccount, function: str, *arguments: Any, at: Contract | None = None) -> int:
        """Sends an act about the batch, or one at another contract."""
        if at is not None:
            return self.world.send(sender, at.functions[function](*arguments))
        return self.world.send(sender, self.batches.functions[function](self.id, *arguments))

    # -- a batch's way -----------------------------------------------------------------------------------------------

    def commission(self) -> int:
        terms = (
            self.known.root,
            dense("product"),
            dense("lot"),
            dense("tag"),
            0,
            dense("manifest"),
            self.world.midnight(700),
            PALLET_BITS,
            CASE_BITS,
        )
        return self.send(MAKER, "commission", terms, at=self.batches)

    def offer(self, sender: LocalAccount, node: int, to: int) -> int:
        return self.send(sender, "offer", node, to, self.world.midnight(8), dense("sheet"))

    def accept(self, sender: LocalAccount, node: int, *missing: int) -> int:
        return self.send(sender, "accept", node, list(missing))

    def hand(self, node: int, *, giver: LocalAccount = MAKER, to: tuple[LocalAccount, int]) -> int:
        """Both steps of a handoff."""
        account, number = to
        return self.offer(giver, node, number) + self.accept(account, node)

    def at_pharmacy(self, node: int = CASE) -> "Shelf":
        """The batch, of which the pharmacy has taken over a node from the maker."""
        self.commission()
        self.hand(node, to=(PHARMACIST, PHARMACY_NUMBER))
        return self

    def signed_handoff(self, node: int, *, signer: LocalAccount, sender: LocalAccount, to: int) -> int:
        """The sender brings an offer, signed for the first time that the node moves."""
        domain, number = Domain.of(self.batches), 0
        signature = bytes(1)
        while 0 in signature:
            number += 1
            sheet, deadline = dense(f"sheet {number}"), self.world.soon()
            terms = Handoff(self.id, node, signer.address, to, 0, sheet, deadline)
            signature = bytes(signer.sign_message(terms.signable(domain)).signature)
        return self.send(sender, "acceptBySig", *terms.arguments(signature), at=self.batches)

    def dispense(self, index: int = INDEX, *, sender: LocalAccount = PHARMACIST) -> int:
        return self.send(sender, "dispense", index, pack(index), self.known.siblings[index])

    def report(self, *, end: int = 0, minutes: int = 0) -> tuple[bytes, bytes, int]:
        """A week's readings between 2 and 8 degrees, sealed; `minutes` of them outside."""
        end = end or self.world.chain.now()
        verdict = (end - 7 * DAY) | end << 40 | 200 << 80 | 800 << 96 | minutes << 112 | 512 << 144
        return dense("root of readings"), dense("sealed readings"), verdict


Measure = Callable[[Shelf], int]
EVERY_SIZE: dict[str, list[str]] = {}
"""The acts that are measured at every size, and the names of the same act at each."""


def on_shelf(words: str, *, every_size: bool = False) -> Callable[[Measure], Measure]:
    """Puts an act about a batch of 2^20 packs into the table, and the same about smaller ones."""

    def put(measure: Measure) -> Measure:
        names = EVERY_SIZE.setdefault(words, []) if every_size else []
        for bits in reversed(SIZES if every_size else SIZES[-1:]):
            name = words.replace("2^20", f"2^{bits}") if "2^20" in words else words
            name = name if bits == SIZES[-1] or name != words else f"{words}, of a batch of 2^{bits}"
            names.append(name)
            act(name)(lambda world, bits=bits: measure(Shelf(world, bits)))
        return measure

    return put


# -- batches ---------------------------------------------------------------------------------------------------------


@on_shelf("commission 2^20 packs", every_size=True)
def _(shelf: Shelf) -> int:
    return shelf.commission()


@on_shelf("handoff in two steps", every_size=True)
def _(shelf: Shelf) -> int:
    shelf.commission()
    return shelf.hand(PALLET, to=(WHOLESALER, WHOLESALER_NUMBER))


@on_shelf("handoff in two steps, of a batch as a whole")
def _(shelf: Shelf) -> int:
    shelf.commission()
    return shelf.hand(BATCH, to=(WHOLESALER, WHOLESALER_NUMBER))


@on_shelf("handoff in two steps, of a case out of a pallet")
def _(shelf: Shelf) -> int:
    shelf.commission()
    shelf.hand(PALLET, to=(WHOLESALER, WHOLESALER_NUMBER))
    return shelf.hand(CASE, giver=WHOLESALER, to=(PHARMACIST, PHARMACY_NUMBER))


@on_shelf("handoff in two steps, of a pack out of a case")
def _(shelf: Shelf) -> int:
    shelf.commission()
    shelf.hand(CASE, to=(WHOLESALER, WHOLESALER_NUMBER))
    return shelf.hand(PACK, giver=WHOLESALER, to=(PHARMACIST, PHARMACY_NUMBER))


@on_shelf("handoff by signed offer", every_size=True)
def _(shelf: Shelf) -> int:
    shelf.commission()
    return shelf.signed_handoff(PALLET, signer=MAKER, sender=WHOLESALER, to=WHOLESALER_NUMBER)


@on_shelf("offer")
def _(shelf: Shelf) -> int:
    shelf.commission()
    return shelf.offer(MAKER, PALLET, WHOLESALER_NUMBER)


@on_shelf("accept an offer")
def _(shelf: Shelf) -> int:
    shelf.commission()
    shelf.offer(MAKER, PALLET, WHOLESALER_NUMBER)
    return shelf.accept(WHOLESALER, PALLET)


@on_shelf("accept an offer, but for a case that was missing")
def _(shelf: Shelf) -> int:
    shelf.commission()
    shelf.offer(MAKER, PALLET, WHOLESALER_NUMBER)
    return shelf.accept(WHOLESALER, PALLET, CASE)


@on_shelf("reject an offer")
def _(shelf: Shelf) -> int:
    shelf.commission()
    shelf.offer(MAKER, PALLET, WHOLESALER_NUMBER)
    return shelf.send(WHOLESALER, "reject", PALLET)


@on_shelf("withdraw an offer")
def _(shelf: Shelf) -> int:
    shelf.commission()
    shelf.offer(MAKER, PALLET, WHOLESALER_NUMBER)
    return shelf.send(MAKER, "withdraw", PALLET)


@on_shelf("give back in two steps")
def _(shelf: Shelf) -> int:
    shelf.commission()
    shelf.hand(PALLET, to=(WHOLESALER, WHOLESALER_NUMBER))
    return shelf.hand(PALLET, giver=WHOLESALER, to=(MAKER, MAKER_NUMBER))


# -- packs -----------------------------------------------------------------------------------------------------------


@on_shelf("dispense the next of a case", every_size=True)
def _(shelf: Shelf) -> int:
    shelf.at_pharmacy().dispense()
    return shelf.dispense(NEXT_PACK)


@on_shelf("dispense the first of a case", every_size=True)
def _(shelf: Shelf) -> int:
    return shelf.at_pharmacy().dispense()


@on_shelf("dispense the first of a case out of a pallet")
def _(shelf: Shelf) -> int:
    return shelf.at_pharmacy(PALLET).dispense()


@on_shelf("dispense the next of a case on another day")
def _(shelf: Shelf) -> int:
    shelf.at_pharmacy().dispense()
    shelf.world.chain.at(shelf.world.midnight(1))
    return shelf.dispense(NEXT_PACK)


@on_shelf("dispense by mask each of 256", every_size=True)
def _(shelf: Shelf) -> int:
    shelf.at_pharmacy()
    return ceil(shelf.send(PHARMACIST, "dispenseMany", CASE, 0, 2**256 - 1) / 256)


@on_shelf("undo")
def _(shelf: Shelf) -> int:
    shelf.at_pharmacy().dispense()
    return shelf.send(PHARMACIST, "undo", INDEX)


def through_the_carrier(shelf: Shelf) -> None:
    """Lets a contract dispense for the pharmacy; the carrier stands for the one that adjudicates."""
    operator = shelf.world.carrier.address
    shelf.send(PHARMACY, "setOperator", operator, DISPENSE_FOR, at=shelf.world.consortium)


def carried(shelf: Shelf, function: str, *arguments: Any) -> int:
    call = shelf.batches.functions[function](*arguments)
    shelf.world.sent.add(("Batches", function))
    data = encoded(call)
    return shelf.world.send(RELAYER, shelf.world.carrier.functions.carry([(shelf.batches.address, data)]))


@on_shelf("dispense for a pharmacist, through a contract")
def dispense_for(shelf: Shelf) -> int:
    through_the_carrier(shelf.at_pharmacy())
    way = shelf.known.siblings[INDEX]
    return carried(shelf, "dispenseFor", PHARMACIST.address, shelf.id, INDEX, pack(INDEX), way)


@on_shelf("undo for a pharmacist, through a contract")
def _(shelf: Shelf) -> int:
    dispense_for(shelf)
    return carried(shelf, "undoFor", PHARMACIST.address, shelf.id, INDEX)


@on_shelf("end a pack")
def _(shelf: Shelf) -> int:
    return shelf.at_pharmacy().send(PHARMACIST, "end", INDEX, STOLEN)


@on_shelf("end by mask each of 256")
def _(shelf: Shelf) -> int:
    return ceil(shelf.at_pharmacy().send(PHARMACIST, "endMany", CASE, 0, 2**256 - 1, STOLEN) / 256)


# -- blocks ----------------------------------------------------------------------------------------------------------


@on_shelf("quarantine a case")
def _(shelf: Shelf) -> int:
    return shelf.at_pharmacy().send(PHARMACIST, "quarantine", CASE, BY_HOLDER, 1)


@on_shelf("release a case")
def _(shelf: Shelf) -> int:
    shelf.at_pharmacy().send(PHARMACIST, "quarantine", CASE, BY_HOLDER, 1)
    return shelf.send(PHARMACIST, "release", CASE, BY_HOLDER, 1)


@on_shelf("recall a batch", every_size=True)
def recall(shelf: Shelf) -> int:
    shelf.commission()
    return shelf.send(MAKER, "recall", BATCH, 1)


@on_shelf("recall a pack")
def _(shelf: Shelf) -> int:
    return shelf.at_pharmacy().send(MAKER, "recall", PACK, 1)


@on_shelf("lift a recall")
def _(shelf: Shelf) -> int:
    recall(shelf)
    return shelf.send(AGENCY, "liftRecall", BATCH, 1)


@on_shelf("anchor events")
def _(shelf: Shelf) -> int:
    return shelf.send(MAKER, "anchorEvents", dense("root of events"), at=shelf.batches)


# -- the cold chain --------------------------------------------------------------------------------------------------


def limit(shelf: Shelf) -> int:
    return shelf.send(MAKER, "setLimit", shelf.id, (200, 800, 60, 800), at=shelf.coldchain)


@on_shelf("set a batch's limit")
def _(shelf: Shelf) -> int:
    shelf.commission()
    return limit(shelf)


@on_shelf("log readings, any number")
def _(shelf: Shelf) -> int:
    return shelf.send(LOGGER, "log", shelf.report(), [], at=shelf.coldchain)


def with_operator(shelf: Shelf) -> None:
    """A batch with a limit, and a pharmacy that lets the cold chain block for it."""
    limit(shelf.at_pharmacy())
    operator = shelf.coldchain.address
    shelf.send(PHARMACY, "setOperator", operator, REPORT_EXCURSION_FOR, at=shelf.world.consortium)


@on_shelf("log readings of a case that bore them")
def _(shelf: Shelf) -> int:
    with_operator(shelf)
    return shelf.send(LOGGER, "log", shelf.report(), [(shelf.id, CASE)], at=shelf.coldchain)


@on_shelf("log an excursion of a case")
def _(shelf: Shelf) -> int:
    with_operator(shelf)
    shelf.world.sent.add(("Batches", "reportExcursion"))
    return shelf.send(LOGGER, "log", shelf.report(minutes=61), [(shelf.id, CASE)], at=shelf.coldchain)


@on_shelf("log readings by signature")
def _(shelf: Shelf) -> int:
    with_operator(shelf)
    message = Readings(LOGGER.address, *shelf.report(), [Lot(shelf.id, CASE)])
    signature = LOGGER.sign_message(message.signable(Domain.of(shelf.coldchain))).signature
    return shelf.send(RELAYER, "logBySig", *message.arguments(bytes(signature)), at=shelf.coldchain)

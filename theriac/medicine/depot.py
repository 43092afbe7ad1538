"""A member that handles goods: it commissions, offers, accepts, dispenses, blocks and recalls, its sheets in order."""

import io
import secrets
from collections import Counter as Counted
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import rfc8785
from web3.contract.contract import ContractFunction

from theriac.crypto.recipients import Identity, Recipient
from theriac.errors import (
    NoConsortiumKey,
    NoSender,
    NothingOffered,
    NotOnTheShelf,
    NotStored,
    SheetDoesNotFit,
    Unavailable,
    WrongPack,
)
from theriac.ledger.codec import parse_json
from theriac.ledger.contracts import Receipt
from theriac.ledger.sender import Sender
from theriac.ledger.signer import Signer
from theriac.medicine.chain import Chain, OpenOffer
from theriac.medicine.counter import Counter, Dispense, Settlement
from theriac.medicine.keys import opened
from theriac.medicine.messages import OFFER_WINDOW, Handoff
from theriac.medicine.packs import BatchKey, Case, Product, places, tag_of
from theriac.medicine.scanner import Scanner
from theriac.medicine.sheets import LARGEST, Sheet
from theriac.medicine.shelf import KnownPack, Shelf
from theriac.medicine.state import BatchState, Block, End, PackStatus
from theriac.medicine.tree import BATCH, CAPACITY, Shape, height_of, node_of
from theriac.store import Store


@dataclass(frozen=True)
class Order:
    """What a maker commissions as one batch: a product, how it is packed, and the serials case after case."""

    product: Product
    shape: Shape
    cases: Sequence[Case]
    serials: Sequence[str]
    expiry: date


@dataclass(frozen=True)
class SignedOffer:
    """An offer that its receiver brings, as a file."""

    terms: Handoff
    signature: bytes

    def encode(self) -> bytes:
        """The offer as JSON."""
        terms: dict[str, Any] = {
            "batch": self.terms.batch.hex(),
            "node": self.terms.node,
            "by": self.terms.by,
            "to": self.terms.to,
            "moves": self.terms.moves,
            "sheet": self.terms.sheet.hex(),
            "deadline": self.terms.deadline,
        }
        return rfc8785.dumps({"kind": "offer", "format": 1, "terms": terms, "signature": self.signature.hex()})

    @classmethod
    def decode(cls, data: bytes) -> "SignedOffer":
        """Raises NothingOffered where the file is no offer."""
        try:
            values = parse_json(data)
            terms = values["terms"]
            if values["kind"] != "offer" or values["format"] != 1:
                raise NothingOffered(what="in this file")
            return cls(
                Handoff(
                    batch=bytes.fromhex(terms["batch"]),
                    node=int(terms["node"]),
                    by=str(terms["by"]),
                    to=int(terms["to"]),
                    moves=int(terms["moves"]),
                    sheet=bytes.fromhex(terms["sheet"]),
                    deadline=int(terms["deadline"]),
                ),
                bytes.fromhex(values["signature"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise NothingOffered(what="in this file") from None


class Depot:
    """One account of a member, and what the member knows of goods."""

    def __init__(
        self,
        *,
        member: int,
        signer: Signer,
        sender: Sender | None,
        chain: Chain,
        store: Store,
        shelf: Shelf,
        counter: Counter,
        identities: Sequence[Identity],
        recipient: Recipient,
    ) -> None:
        """`sender` may be None where nothing is to be sent; `recipient` is this member's own."""
        self.member = member
        self.signer = signer
        self.chain = chain
        self.store = store
        self.shelf = shelf
        self.counter = counter
        self._sender = sender
        self._identities = identities
        self._recipient = recipient
        self._keys: dict[int, bytes] = {}

    # -- following ---------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Follows the chain, and takes in the sheets of what was handed over to this member.

        Raises ChainSilent where the chain is out of reach; what is known stays.
        """
        self.chain.sync()
        for event in self.chain.index.events("Batches", "HandedOver"):
            told = event.arguments
            if told["to"] == self.member:
                self._collect(told["batch"], told["node"], told["sheet"] or self._offered_sheet(told, event.block))

    def _offered_sheet(self, told: Mapping[str, Any], block: int) -> bytes:
        """The sheet of the last offer before the handoff."""
        for event in self.chain.index.events("Batches", "Offered", until=block, newest_first=True):
            offered = event.arguments
            if (offered["batch"], offered["node"], offered["to"]) == (told["batch"], told["node"], self.member):
                return bytes(offered["sheet"])
        return b""

    def _collect(self, batch: bytes, node: int, digest: bytes) -> None:
        if not any(digest) or self.shelf.has_sheet(digest):
            return
        try:
            sheet = self.open_sheet(digest, batch=batch, node=node)
        except (NotStored, SheetDoesNotFit):
            # The goods are this member's whatever became of the sheet; it can still be asked for.
            return
        self.shelf.add(sheet, batch=batch, digest=digest)

    def open_sheet(self, digest: bytes, *, batch: bytes, node: int) -> Sheet:
        """A sheet that was sealed to this member, checked against the chain's batch and node.

        :raises SheetDoesNotFit: it is of other goods.
        :raises NotStored, NoMatchingIdentity, BadSheet: it cannot be had or read.
        """
        with self.store.get_digest(digest) as stream:
            sealed = stream.read(LARGEST + 1)
        sheet = Sheet.open_(sealed, identities=self._identities)
        if sheet.node != node or sheet.batch() != batch:
            raise SheetDoesNotFit(batch=batch.hex())
        return sheet

    def consortium_keys(self) -> dict[int, bytes]:
        """The consortium's keys that were sealed to this member, by number."""
        for event in self.chain.index.events("Consortium", "KeyRenewed"):
            number = int(event.arguments["number"])
            if number in self._keys:
                continue
            try:
                with self.store.get_digest(event.arguments["digest"]) as stream:
                    document = stream.read(1 << 22)
                self._keys[number] = opened(document, number=number, identities=self._identities)
            except (NoConsortiumKey, NotStored):
                continue
        return self._keys

    def scanner(self) -> Scanner:
        """Makes verdicts from what is known here."""
        return Scanner(
            member=self.member,
            shelf=self.shelf,
            states=self.chain.state,
            tags=self.chain.batches_tagged,
            keys=self.consortium_keys(),
            queued=self.counter.is_waiting,
        )

    def state(self, batch: bytes) -> BatchState:
        """Raises NotOnTheShelf for a batch that the chain does not have."""
        state = self.chain.state(batch)
        if state is None:
            raise NotOnTheShelf(what=f"batch {batch.hex()[:16]}")
        return state

    # -- making ------------------------------------------------------------------------------------------------------

    def commission(self, order: Order) -> bytes:
        """Commissions a batch; its number. The sheet of the whole batch is sealed to this member and kept.

        :raises NoConsortiumKey: the consortium's current key was not sealed to this member.
        :raises BatchTooLarge, WrongPack: it cannot be one batch.
        """
        key = BatchKey(secrets.token_bytes(32))
        if len(order.serials) != sum(case.packs for case in order.cases):
            raise WrongPack(text="The list of serials", fault="has another length than the cases")
        if len(set(order.serials)) != len(order.serials):
            raise WrongPack(text="The list of serials", fault="has a serial twice")
        number = self.chain.key_number()
        keys = self.consortium_keys()
        if number not in keys:
            raise NoConsortiumKey(number=number)
        serials = dict(zip(places(order.cases, order.shape, key=key), order.serials, strict=True))
        sheet = Sheet(self.member, key, order.product, order.shape, BATCH, serials, ())
        tree = sheet.tree()
        batch = sheet.batch(tree)
        manifest = self._put(sheet.seal(to=self._recipient))
        terms = (
            tree.root,
            key.product_commitment(order.product),
            key.lot_commitment(order.product),
            tag_of(keys[number], order.product.code, order.product.lot),
            number,
            manifest,
            int(datetime(order.expiry.year, order.expiry.month, order.expiry.day, tzinfo=UTC).timestamp()) + 86_400,
            order.shape.pallet_bits,
            order.shape.case_bits,
        )
        # Known before it is sent: a batch whose key was lost could never be handed on.
        self.shelf.add(sheet, batch=batch, digest=manifest, tree=tree)
        self._send("commission", terms, intent=f"commission {batch.hex()[:24]}")
        return batch

    # -- handing on --------------------------------------------------------------------------------------------------

    def offer(self, batch: bytes, node: int, *, to: int, recipient: Recipient, ends: datetime) -> Receipt:
        """Offers goods, with a sheet sealed to the receiver, until `ends`."""
        sheet = self._seal_part(batch, node, recipient)
        return self._send("offer", batch, node, to, int(ends.timestamp()), sheet)

    def signed_offer(
        self, batch: bytes, node: int, *, to: int, recipient: Recipient, ends: datetime | None = None
    ) -> SignedOffer:
        """An offer that the receiver brings to the chain by itself."""
        sheet = self._seal_part(batch, node, recipient)
        deadline = int(ends.timestamp()) if ends else self.chain.time() + OFFER_WINDOW - 3600
        moves = int(self.chain.place(batch, node)["moves"])
        terms = Handoff(batch, node, str(self.signer.address), to, moves, sheet, deadline)
        return SignedOffer(terms, self.signer.sign_message(terms.signable(self.chain.domain())))

    def give_back(self, batch: bytes, node: int, *, recipient: Callable[[int], Recipient], ends: datetime) -> int:
        """Offers goods to who gave them, or to their maker where that is not known; to which member."""
        place = self.state(batch).place(node, now=self.chain.time())
        to = place.giver or self.state(batch).maker
        self.offer(batch, node, to=to, recipient=recipient(to), ends=ends)
        return to

    def _seal_part(self, batch: bytes, node: int, recipient: Recipient) -> bytes:
        """The sheet of what this member holds of a node, in the store; packs of others are in it as hashes alone."""
        whole = self.shelf.sheet(batch, node)
        state = self.state(batch)
        now = self.chain.time()
        others = {
            index
            for index in whole.serials
            if state.status(index) is not PackStatus.IN_STOCK
            or state.place(CAPACITY | index, now=now).holder != self.member
        }
        part = whole.part(node, whole.tree(), without=others)
        return self._put(part.seal(to=recipient))

    def withdraw(self, batch: bytes, node: int) -> Receipt:
        """Takes every offer of a node back, signed ones too."""
        return self._send("withdraw", batch, node)

    def offers(self) -> list[OpenOffer]:
        """What is offered to this member and waits for an answer."""
        return self.chain.open_offers(to=self.member, now=self.chain.time())

    def accept(self, offer: OpenOffer, *, missing: Collection[int] = ()) -> Sheet:
        """Accepts what was offered, but for the nodes that are missing, after its sheet was found to be true."""
        sheet = self.open_sheet(offer.sheet, batch=offer.batch, node=offer.node)
        self._send("accept", offer.batch, offer.node, sorted(missing))
        self.shelf.add(sheet, batch=offer.batch, digest=offer.sheet)
        return sheet

    def accept_signed(self, offer: SignedOffer, *, missing: Collection[int] = ()) -> Sheet:
        """Accepts a signed offer, which this member brings."""
        terms = offer.terms
        if terms.to != self.member:
            raise NothingOffered(what=f"to member {self.member} in this file")
        sheet = self.open_sheet(terms.sheet, batch=terms.batch, node=terms.node)
        values = tuple(terms.values().values())
        self._send("acceptBySig", values, sorted(missing), offer.signature)
        self.shelf.add(sheet, batch=terms.batch, digest=terms.sheet)
        return sheet

    def reject(self, offer: OpenOffer) -> Receipt:
        """Refuses what was offered."""
        return self._send("reject", offer.batch, offer.node)

    # -- dispensing --------------------------------------------------------------------------------------------------

    def write_dispense(self, pack: KnownPack, *, at: datetime) -> Dispense:
        """Writes a dispense down, to be settled; the caller has made the verdict. Raises AlreadyQueued."""
        known = self.shelf.batch(pack.batch)
        serial = self.shelf.serials(pack.batch, node_of(pack.index))[pack.index]
        return self.counter.write(
            pack,
            commitment=known.key.committer(known.product).commitment(serial),
            siblings=self.shelf.proof(pack),
            label=f"{known.product.code} {serial}",
            at=at,
            signer=self.signer,
        )

    def settle(self, *, report: Callable[[Dispense], None] = lambda dispense: None) -> Settlement:
        """Sends the dispenses that wait. Raises ChainSilent where the chain is out of reach; nothing is lost."""
        return self.counter.settle(self._sending(), self.chain.contracts, report=report)

    def dispense_many(self, packs: Collection[KnownPack]) -> list[Receipt]:
        """Dispenses packs of whole cases by mask: one transaction for each case and word of 256 places."""
        return [self._send("dispenseMany", batch, case, word, mask) for batch, case, word, mask in self._masks(packs)]

    def undo(self, pack: KnownPack) -> Receipt:
        """Takes a dispensed pack back into stock."""
        return self._send("undo", pack.batch, pack.index)

    def end(self, packs: Collection[KnownPack], kind: End) -> list[Receipt]:
        """Ends packs for good."""
        return [self._send("end", pack.batch, pack.index, int(kind)) for pack in packs]

    def _masks(self, packs: Collection[KnownPack]) -> Iterator[tuple[bytes, int, int, int]]:
        found: dict[tuple[bytes, int, int], int] = {}
        for pack in packs:
            case = node_of(pack.index, self.shelf.batch(pack.batch).shape.case_bits)
            place = (pack.batch, case, pack.index >> 8)
            found[place] = found.get(place, 0) | 1 << (pack.index & 0xFF)
        for (batch, case, word), mask in sorted(found.items()):
            yield batch, case, word, mask

    # -- blocking ----------------------------------------------------------------------------------------------------

    def quarantine(self, batch: bytes, node: int, *, block: Block = Block.BY_HOLDER, reason: int = 0) -> Receipt:
        """Blocks goods, as holder, maker or regulator."""
        return self._send("quarantine", batch, node, int(block), reason)

    def release(self, batch: bytes, node: int, *, block: Block = Block.BY_HOLDER, reason: int = 0) -> Receipt:
        """Takes a block of one's own back; a maker also an excursion."""
        return self._send("release", batch, node, int(block), reason)

    def recall(self, batch: bytes, node: int = BATCH, *, reason: int = 0) -> Receipt:
        """Recalls goods, whoever holds them."""
        return self._send("recall", batch, node, reason)

    def lift_recall(self, batch: bytes, node: int = BATCH, *, reason: int = 0) -> Receipt:
        """Lifts a recall, as a regulator."""
        return self._send("liftRecall", batch, node, reason)

    def anchor_events(self, root: bytes) -> Receipt:
        """Anchors the root of the hashes of EPCIS events."""
        return self._send("anchorEvents", root)

    # -- sending -----------------------------------------------------------------------------------------------------

    def _send(self, function: str, *arguments: Any, intent: str | None = None) -> Receipt:
        call: ContractFunction = self.chain.contracts.Batches.functions[function](*arguments)
        receipt = self._sending().send(call, intent=intent)
        with suppress(Unavailable):
            # What was just done is known here at once; where the chain fell silent, the next sync tells.
            self.chain.sync()
        return receipt

    def _sending(self) -> Sender:
        if self._sender is None:
            raise NoSender
        return self._sender

    def _put(self, sealed: bytes) -> bytes:
        return self.store.put(io.BytesIO(sealed)).digest


def missing_nodes(sheet: Sheet, seen: Collection[int]) -> list[int]:
    """The nodes that are missing where only the packs at the indexes `seen` arrived, as few and high as can be.

    Where nothing of a case or a pallet arrived, it is missing as a whole.
    """
    absent = set(sheet.serials) - set(seen)
    found: list[int] = []
    for height in sorted(sheet.shape.heights, reverse=True):
        if height >= height_of(sheet.node) and height != 0:
            continue
        all_in = Counted(node_of(index, height) for index in sheet.serials)
        none_of = Counted(node_of(index, height) for index in absent)
        whole = {node for node, count in none_of.items() if count == all_in[node]}
        found += sorted(whole)
        absent = {index for index in absent if node_of(index, height) not in whole}
    return found


def next_offer_end(now: datetime, *, days: int = 3) -> datetime:
    """When an offer made now ends, unless somebody wants it otherwise."""
    return now + timedelta(days=days)


def offer_name(offer: OpenOffer) -> str:
    """A short name of an open offer, for people to point at."""
    return sha256(offer.batch + offer.node.to_bytes(4, "big")).hexdigest()[:8]

"""A member that handles goods: it commissions, offers, accepts, dispenses, blocks and recalls, its sheets in order."""

import secrets
from collections import Counter as Counted
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

from web3.contract.contract import ContractFunction

from theriac.crypto.recipients import Identity, Recipient
from theriac.errors import (
    BadInput,
    NoConsortiumKey,
    NoSender,
    NothingOffered,
    NotOnTheShelf,
    Refused,
    Reverted,
    SheetDoesNotFit,
    Tampered,
    Unavailable,
    WrongPack,
)
from theriac.ledger.codec import canonical_json, parse_json
from theriac.ledger.contracts import Receipt
from theriac.ledger.sender import Sender
from theriac.ledger.signer import Signer
from theriac.medicine.chain import Chain, OpenOffer
from theriac.medicine.counter import Counter, Dispense, Settlement
from theriac.medicine.keys import opened
from theriac.medicine.messages import OFFER_WINDOW, Handoff
from theriac.medicine.packs import KEY_SIZE, BatchKey, Case, Product, places, tag_of
from theriac.medicine.placed import Serials
from theriac.medicine.scanner import Scanner
from theriac.medicine.scans import account_of, bytes_of, is_as_written, moment_of, number_of
from theriac.medicine.sheets import GRAIN, Sheet
from theriac.medicine.shelf import KnownPack, Shelf, WantedSheet
from theriac.medicine.state import BatchState, Block, End
from theriac.medicine.tree import BATCH, Shape, Tree, height_of, indexes_of, node_of
from theriac.store import Store

# What is read of a document of the consortium's key: 3,400 bytes for each member.
_LARGEST_KEY = 1 << 26


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
        return canonical_json({"kind": "offer", "format": 1, "terms": terms, "signature": self.signature.hex()})

    @classmethod
    def decode(cls, data: bytes) -> "SignedOffer":
        """Raises NothingOffered where the file is not what `encode` writes, white space around it aside."""
        try:
            values = parse_json(data)
            terms = values["terms"]
            if values["kind"] != "offer" or values["format"] != 1:
                raise NothingOffered(what="in this file")
            found = cls(
                Handoff(
                    batch=bytes_of(terms, "batch"),
                    node=number_of(terms, "node", below=1 << 32),
                    by=account_of(terms, "by"),
                    to=number_of(terms, "to", below=1 << 32),
                    moves=number_of(terms, "moves", below=1 << 32),
                    sheet=bytes_of(terms, "sheet"),
                    deadline=int(moment_of(terms, "deadline").timestamp()),
                ),
                bytes.fromhex(values["signature"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise NothingOffered(what="in this file") from None
        if not is_as_written(found, data):
            raise NothingOffered(what="in this file as an offer is written (RFC 8785)")
        return found


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
        progress = self.chain.sync()
        # What is not at depth yet is looked at again, since the chain may still take it back.
        since = self.shelf.followed + 1 if self.shelf.followed <= progress.head else 0
        self.shelf.want(self._given(since))
        if progress.settled >= since:
            self.shelf.followed = progress.settled
        for wanted in self.shelf.wanted():
            self._collect(wanted)
        for batch in self.shelf.drafts():
            if self.chain.state(batch) is not None:
                self.shelf.landed(batch)

    def finish(self) -> None:
        """Waits for what an interrupted run left under way, and follows the chain."""
        if self._sending().open():
            self._sending().resume()
        self.sync()

    def _given(self, since: int) -> Iterator[WantedSheet]:
        """The sheets of what this member was handed over or commissioned, and does not have."""
        for event in self.chain.index.events("Batches", "HandedOver", where={"to": self.member}, since=since):
            told = event.arguments
            digest = told["sheet"]
            if not any(digest):
                digest = self.chain.sheet_offered(told["batch"], told["node"], to=self.member, until=event.block)
            if any(digest) and not self.shelf.has_sheet(digest):
                yield WantedSheet(told["batch"], told["node"], digest)
        mine = {"maker": self.member}
        for event in self.chain.index.events("Batches", "Commissioned", where=mine, since=since):
            told = event.arguments
            if not self.shelf.has_sheet(told["manifest"]):
                yield WantedSheet(told["batch"], BATCH, told["manifest"])

    def _collect(self, wanted: WantedSheet) -> None:
        try:
            sheet, tree = self._opened(wanted.digest, batch=wanted.batch, node=wanted.node)
        except (Unavailable, Refused, BadInput, Tampered):
            # The goods are this member's whatever became of the sheet; it can still be asked for.
            return
        self.shelf.add(sheet, batch=wanted.batch, digest=wanted.digest, tree=tree)

    def open_sheet(self, digest: bytes, *, batch: bytes, node: int) -> Sheet:
        """A sheet that was sealed to this member, checked against the chain's batch and node.

        :raises SheetDoesNotFit: it is of other goods.
        :raises NotStored, NoMatchingIdentity, BadSheet: it cannot be had or read.
        """
        return self._opened(digest, batch=batch, node=node)[0]

    def _opened(self, digest: bytes, *, batch: bytes, node: int) -> tuple[Sheet, Tree]:
        with self.store.get_digest(digest) as stream:
            sheet = Sheet.open_(stream, identities=self._identities)
        if sheet.node != node:
            raise SheetDoesNotFit(batch=batch.hex())
        return sheet, checked(sheet, self.state(batch))

    def consortium_keys(self) -> dict[int, bytes]:
        """The consortium's keys that were sealed to this member, by number."""
        for event in self.chain.index.events("Consortium", "KeyRenewed"):
            number = int(event.arguments["number"])
            if number in self._keys:
                continue
            try:
                with self.store.get_digest(event.arguments["digest"]) as stream:
                    document = stream.read(_LARGEST_KEY)
                self._keys[number] = opened(document, number=number, identities=self._identities)
            except (Unavailable, Refused, BadInput, Tampered):
                # Without a key fewer batches are found by their tags; scans go on.
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
            others=self.chain.batches_under_others,
            queued=self.counter.is_waiting,
            is_current=self.chain.is_current,
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

        A run that breaks off leaves nothing, or a batch among the `drafts`, which `resume` brings to the chain.

        :raises NoConsortiumKey: the consortium's current key was not sealed to this member.
        :raises BatchTooLarge, WrongPack: it cannot be one batch.
        :raises Reverted: the chain refused it, and nothing of it is left.
        """
        key = BatchKey(secrets.token_bytes(KEY_SIZE))
        if len(order.serials) != sum(case.packs for case in order.cases):
            raise WrongPack(text="The list of serials", fault="has another length than the cases")
        if len(set(order.serials)) != len(order.serials):
            raise WrongPack(text="The list of serials", fault="has a serial twice")
        # Asked first: where it is not there, nothing is left behind.
        self._current_key()
        sheet = Sheet(self.member, key, order.product, order.shape, BATCH, _placed(order, key), ())
        tree = sheet.tree(floor=GRAIN)
        batch = sheet.batch(tree)
        manifest = self.store.put(sheet.sealing_reader(to=self._recipient)).digest
        # Known before it is sent: a batch whose key was lost could never be handed on.
        draft = {"expiry": order.expiry.isoformat()}
        self.shelf.add(sheet, batch=batch, digest=manifest, tree=tree, draft=draft)
        try:
            self._send_commission(batch, order.expiry)
        except Reverted:
            self.forget(batch)
            raise
        return batch

    def drafts(self) -> list[bytes]:
        """The batches that were made here and are not known to be on the chain: a run was interrupted."""
        return list(self.shelf.drafts())

    def resume(self, batch: bytes) -> bool:
        """Brings a batch to the chain that an interrupted run made; whether it is there now.

        Where the chain refuses it, it is forgotten: its serials are free for another.
        """
        draft = self.shelf.drafts()[batch]
        # What is under way may be this batch, under an earlier key.
        self.finish()
        try:
            if self.chain.state(batch) is None:
                self._send_commission(batch, date.fromisoformat(draft["expiry"]))
        except Reverted:
            return not self.forget(batch)
        self.shelf.landed(batch)
        return True

    def forget(self, batch: bytes) -> bool:
        """Forgets a batch that never reached the chain; False where it did after all, and it is kept.

        What is under way is given up first, so that nothing lands whose key is gone.
        """
        for intent in self._sending().open():
            if intent.startswith(_commission_intent(batch)):
                self._sending().abandon(intent)
        self.chain.sync()
        if self.chain.state(batch) is not None:
            self.shelf.landed(batch)
            return False
        self.shelf.forget(batch)
        return True

    def _current_key(self) -> int:
        """The number of the consortium's current key, which is known here. Raises NoConsortiumKey."""
        number = self.chain.key_number()
        if number not in self.consortium_keys():
            raise NoConsortiumKey(number=number)
        return number

    def _send_commission(self, batch: bytes, expiry: date) -> None:
        known, number = self.shelf.batch(batch), self._current_key()
        terms = (
            self.shelf.root(batch),
            known.key.product_commitment(known.product),
            known.key.lot_commitment(known.product),
            tag_of(self._keys[number], known.product.code, known.product.lot),
            number,
            self.shelf.manifest(batch),
            int(datetime(expiry.year, expiry.month, expiry.day, tzinfo=UTC).timestamp()) + 86_400,
            known.shape.pallet_bits,
            known.shape.case_bits,
        )
        # Named by the key too: one that was renewed meanwhile makes it another call.
        self._send("commission", terms, intent=f"{_commission_intent(batch)} {number}")
        self.shelf.landed(batch)

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
        """The sheet of a node, in the store; packs that do not go along with it are in it as hashes alone."""
        sheet = self.shelf.sheet(batch, node)
        goes = self.state(batch).goes_with(node)
        if not all(goes):
            first = indexes_of(node).start
            sheet = sheet.without({index for index in sheet.serials if not goes[index - first]})
        return self.store.put(sheet.sealing_reader(to=recipient)).digest

    def withdraw(self, batch: bytes, node: int) -> Receipt:
        """Takes every offer of a node back, signed ones too."""
        return self._send("withdraw", batch, node)

    def offers(self) -> list[OpenOffer]:
        """What is offered to this member and waits for an answer."""
        return self.chain.open_offers(to=self.member, now=self.chain.time())

    def accept(self, offer: OpenOffer, *, missing: Collection[int] = ()) -> Sheet:
        """Accepts what was offered, but for the nodes that are missing, after its sheet was found to be true."""
        sheet, tree = self._opened(offer.sheet, batch=offer.batch, node=offer.node)
        self._send("accept", offer.batch, offer.node, sorted(missing))
        self.shelf.add(sheet, batch=offer.batch, digest=offer.sheet, tree=tree)
        return sheet

    def accept_signed(self, offer: SignedOffer, *, missing: Collection[int] = ()) -> Sheet:
        """Accepts a signed offer, which this member brings."""
        terms = offer.terms
        if terms.to != self.member:
            raise NothingOffered(what=f"to member {self.member} in this file")
        sheet, tree = self._opened(terms.sheet, batch=terms.batch, node=terms.node)
        values = tuple(terms.values().values())
        self._send("acceptBySig", values, sorted(missing), offer.signature)
        self.shelf.add(sheet, batch=terms.batch, digest=terms.sheet, tree=tree)
        return sheet

    def reject(self, offer: OpenOffer) -> Receipt:
        """Refuses what was offered."""
        return self._send("reject", offer.batch, offer.node)

    # -- dispensing --------------------------------------------------------------------------------------------------

    def write_dispense(self, pack: KnownPack, *, at: datetime) -> Dispense:
        """Writes a dispense down, to be settled; the caller has made the verdict. Raises AlreadyQueued."""
        return self.counter.write(pack, at=at, signer=self.signer, **self._proof(pack))

    def note_dispense(self, pack: KnownPack, *, at: datetime, transaction: str) -> Dispense:
        """Writes down a dispense that a contract did for this member, and follows the chain to it."""
        with suppress(Unavailable):
            self.chain.sync()
        return self.counter.note(pack, at=at, signer=self.signer, transaction=transaction, **self._proof(pack))

    def _proof(self, pack: KnownPack) -> dict[str, Any]:
        """What a counter writes down of a pack beside its place."""
        known = self.shelf.batch(pack.batch)
        serial = self.shelf.serials(pack.batch, node_of(pack.index))[pack.index]
        return {
            "commitment": known.key.committer(known.product).commitment(serial),
            "siblings": self.shelf.proof(pack),
            "label": f"{known.product.code} {serial}",
        }

    def settle(self, *, report: Callable[[Dispense], None] = lambda dispense: None) -> Settlement:
        """Sends the dispenses that wait. Raises ChainSilent where the chain is out of reach; nothing is lost."""
        return self.counter.settle(
            self._sending(),
            self.chain.contracts,
            follow=self.chain.sync,
            landed=self.chain.last_dispense,
            report=report,
        )

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


def _placed(order: Order, key: BatchKey) -> Serials:
    """The serials of an order at their places, which are drawn."""
    drawn = enumerate(places(order.cases, order.shape, key=key))
    serials, ordered = Serials(), sorted(index << 32 | number for number, index in drawn)
    for both in ordered:
        serials.append(both >> 32, order.serials[both & 0xFFFFFFFF].encode())
    return serials


def _commission_intent(batch: bytes) -> str:
    return f"commission {batch.hex()[:24]}"


def checked(sheet: Sheet, state: BatchState) -> Tree:
    """The sheet's tree, after all that it says was found to be what the chain has of the batch.

    The root holds the packs. It does not hold how they are packed, nor what a sheet of nothing but hashes says of them.

    :raises SheetDoesNotFit: it is not.
    """
    product, lot = sheet.key.product_commitment(sheet.product), sheet.key.lot_commitment(sheet.product)
    if (sheet.shape, product, lot) != (state.shape, state.product, state.lot):
        raise SheetDoesNotFit(batch=state.batch.hex())
    return sheet.check(state.batch)


def missing_nodes(sheet: Sheet, seen: Collection[int]) -> list[int]:
    """The nodes that are missing where only the packs at the indexes `seen` arrived, as few and high as can be.

    Where nothing of a case or a pallet arrived, it is missing as a whole.
    """
    absent = set(sheet.serials) - set(seen)
    found: list[int] = []
    for height in sorted(sheet.shape.heights, reverse=True):
        if not absent or (height >= height_of(sheet.node) and height != 0):
            continue
        none_of = Counted(node_of(index, height) for index in absent)
        all_in = Counted(node for index in sheet.serials if (node := node_of(index, height)) in none_of)
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

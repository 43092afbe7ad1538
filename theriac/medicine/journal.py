"""What a member did with goods, as EPCIS events: from the chain's facts and the sheets it was given.

The journal is made anew each time from what the chain has, so the same acts give the same events and the same hashes,
on whichever machine. Events of packs whose code is no GTIN have no name in EPCIS and are left out.
"""

import hmac
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from theriac.errors import NoBlock, NoGln
from theriac.ledger.contracts import Event
from theriac.medicine import epcis
from theriac.medicine.chain import Chain
from theriac.medicine.epcis import Step
from theriac.medicine.epcis_names import Pack, check_digit
from theriac.medicine.shelf import KnownBatch, Shelf
from theriac.medicine.state import Block, End, indexes_in
from theriac.medicine.tree import BATCH, CAPACITY, Tree, indexes_of, is_below, leaf

_ENDS = {
    End.EXPORTED: epcis.End.EXPORTED,
    End.SAMPLED: epcis.End.SAMPLED,
    End.DESTROYED: epcis.End.DESTROYED,
    End.STOLEN: epcis.End.STOLEN,
    End.RETURNED: epcis.End.RETURNED,
}

_GTIN_DIGITS = 14


@dataclass(frozen=True)
class Entry:
    """An EPCIS event of this member, and the chain's event that it tells of: block, index of the log, transaction."""

    step: Step | epcis.ErrorDeclaration
    block: int
    log: int
    transaction: str

    @property
    def digest(self) -> bytes | None:
        """The hash to anchor; None for an error declaration, which has that of the event it takes back."""
        return self.step.digest if isinstance(self.step, Step) else None


class Journal:
    """The acts of one member."""

    def __init__(
        self, *, member: int, chain: Chain, shelf: Shelf, glns: Mapping[int, str], hours: timedelta = timedelta()
    ) -> None:
        """`glns` are the members' Global Location Numbers by number; `hours` the offset of this place from UTC."""
        self._member = member
        self._chain = chain
        self._shelf = shelf
        self._glns = glns
        self._hours = hours
        self._times: dict[int, datetime] = {}

    def entries(self) -> Iterator[Entry]:
        """All events, batch by batch in the order of the chain. Raises NoGln, ChainSilent."""
        for known in self._shelf.batches():
            if len(known.product.code) == _GTIN_DIGITS:
                yield from self._of_batch(known)

    def _of_batch(self, known: KnownBatch) -> Iterator[Entry]:
        offered: dict[int, Event] = {}
        dispensed: dict[int, Step] = {}
        for event in self._chain.history(known.batch):
            told = event.arguments
            for step in self._steps(event, known, offered, dispensed):
                yield Entry(step, event.block, event.index, event.transaction)
            if event.name == "Offered":
                offered[int(told["node"])] = event
            if event.name in ("Withdrawn", "Rejected", "HandedOver"):
                offered.pop(int(told["node"]), None)

    def _steps(
        self, event: Event, known: KnownBatch, offered: Mapping[int, Event], dispensed: dict[int, Step]
    ) -> Iterator[Step | epcis.ErrorDeclaration]:
        told = event.arguments
        match event.name:
            case "Commissioned" if told["maker"] == self._member:
                yield from self._commissioned(event, known)
            case "Offered" if told["from"] == self._member:
                yield from self._transferred(epcis.Shipping, event, known, giver=told["from"], receiver=told["to"])
            case "Withdrawn" if told["from"] == self._member and int(told["node"]) in offered:
                yield from self._about(epcis.VoidShipping, event, known, indexes_of(int(told["node"])))
            case "HandedOver" if told["to"] == self._member:
                yield from self._transferred(
                    epcis.Receiving,
                    event,
                    known,
                    giver=told["from"],
                    receiver=told["to"],
                    without=told["missing"],
                    returning=bool(told["back"]),
                )
            case "Dispensed" if told["member"] == self._member:
                for step in self._about(epcis.Dispensing, event, known, [int(told["index"])]):
                    dispensed[int(told["index"])] = step
                    yield step
            case "DispensedMany" if told["member"] == self._member:
                # Each on its own, so that each can be taken back on its own.
                for index in indexes_in(int(told["word"]), int(told["mask"])):
                    for step in self._about(epcis.Dispensing, event, known, [index]):
                        dispensed[index] = step
                        yield step
            case "Undone" if told["member"] == self._member and int(told["index"]) in dispensed:
                step = dispensed.pop(int(told["index"]))
                yield epcis.ErrorDeclaration(
                    step=step, declared=self._time(event.block), reason=epcis.Reason.DID_NOT_OCCUR
                )
            case "Ended" if told["member"] == self._member:
                indexes = indexes_in(int(told["word"]), int(told["mask"]))
                yield from self._about(epcis.Ending, event, known, indexes, end=_ENDS[End(int(told["end"]))])
            case "Blocked" | "Released" if told["member"] == self._member and int(told["block_"]) == Block.RECALL:
                lifted = event.name == "Released"
                yield from self._about(epcis.Recall, event, known, indexes_of(int(told["node"])), lifted=lifted)

    def _commissioned(self, event: Event, known: KnownBatch) -> Iterator[Step]:
        product = known.product
        yield from self._about(
            epcis.Commissioning, event, known, indexes_of(BATCH), lot=product.lot or None, expiry=product.expiry
        )
        if not 0 < known.shape.case_bits < 20:
            return
        serials = self._shelf.serials(known.batch, BATCH)
        cases: dict[int, list[str]] = {}
        for index in sorted(serials):
            cases.setdefault((CAPACITY | index) >> known.shape.case_bits, []).append(serials[index])
        for case, inside in cases.items():
            yield epcis.Packing(
                time=self._time(event.block),
                place=self._gln(self._member),
                salt=self._salt(known, event, case),
                container=container_of(known, case),
                items=epcis.packs(product.code, inside),
            )

    def _transferred(
        self,
        kind: type[epcis.Shipping] | type[epcis.Receiving],
        event: Event,
        known: KnownBatch,
        *,
        giver: int,
        receiver: int,
        without: Collection[int] = (),
        returning: bool = False,
    ) -> Iterator[Step]:
        node = int(event.arguments["node"])
        yield from self._about(
            kind,
            event,
            known,
            [index for index in indexes_below(self._shelf, known, node) if not _is_in(index, without)],
            giver=self._gln(giver),
            receiver=self._gln(receiver),
            offer=offer_name(known.batch, node),
            returning=returning,
        )

    def _about(
        self, kind: Callable[..., Step], event: Event, known: KnownBatch, indexes: Iterable[int], **fields: object
    ) -> Iterator[Step]:
        """The step about the packs that are known here; none where none is."""
        serials = self._serials(known, indexes)
        if serials:
            yield kind(
                time=self._time(event.block),
                place=self._gln(self._member),
                salt=self._salt(known, event, min(serials)),
                items=epcis.packs(known.product.code, (serials[index] for index in sorted(serials))),
                **fields,
            )

    def _serials(self, known: KnownBatch, indexes: Iterable[int]) -> dict[int, str]:
        if isinstance(indexes, range):
            height = (len(indexes) - 1).bit_length()
            return dict(self._shelf.serials(known.batch, (CAPACITY | indexes.start) >> height))
        found: dict[int, str] = {}
        for index in indexes:
            found.update(self._shelf.serials(known.batch, CAPACITY | index))
        return found

    def _salt(self, known: KnownBatch, event: Event, about: int) -> bytes:
        """Known to who has the batch's key, so that a receiver can check the hash and nobody else can guess it."""
        place = f"{self._member} {event.transaction} {event.index} {about}".encode()
        return hmac.digest(known.key.secret, b"epcis\0" + place, "sha256")

    def _time(self, block: int) -> datetime:
        if block not in self._times:
            found = self._chain.time_of(block)
            if found is None:
                raise NoBlock(block=block)
            self._times[block] = found
        return self._times[block]

    def _gln(self, member: int) -> str:
        if member not in self._glns:
            raise NoGln(member=member)
        return self._glns[member]


def indexes_below(shelf: Shelf, known: KnownBatch, node: int) -> Sequence[int]:
    """The indexes below a node whose serials are known here."""
    return sorted(shelf.serials(known.batch, node))


def container_of(known: KnownBatch, case: int) -> Pack:
    """A case as EPCIS names it: the product's GTIN with indicator 1, and a serial made of batch and node."""
    digits = "1" + known.product.code[1:13]
    return Pack(digits + check_digit(digits), f"{known.batch.hex()[:12]}-{case:x}")


def offer_name(batch: bytes, node: int) -> str:
    """An offer as EPCIS names it."""
    return f"{batch.hex()[:24]}-{node:x}"


def _is_in(index: int, nodes: Collection[int]) -> bool:
    return any(is_below(CAPACITY | index, node) for node in nodes)


# -- anchoring -------------------------------------------------------------------------------------------------------


def root_of_events(digests: Sequence[bytes]) -> bytes:
    """The root that is anchored: the tree of protocol/medicine.md over the events' hashes, in their order."""
    return tree_of_events(digests).root


def tree_of_events(digests: Sequence[bytes]) -> Tree:
    """The tree of events' hashes, from the left."""
    return Tree((place, leaf(digest)) for place, digest in enumerate(digests))

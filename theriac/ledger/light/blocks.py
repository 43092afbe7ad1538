"""Whole blocks: their transactions and receipts, proven by the roots in a header; and the logs of many blocks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from theriac.ledger.light.faults import Lie, Unable
from theriac.ledger.light.headers import Headers
from theriac.ledger.light.kaia import (
    EMPTY_ROOT,
    Header,
    LogEntry,
    Receipt,
    Transaction,
    bloom_bits,
    bytes_of,
    list_of,
)
from theriac.ledger.light.kept import Kept
from theriac.ledger.light.peers import Peer, Peers
from theriac.ledger.light.proofs import root_of

_REMEMBERED = 64
_AT_A_TIME = 16
_MOST = 2**16


@dataclass(frozen=True)
class Block:
    """A header with all that stands in its block."""

    header: Header
    transactions: tuple[Transaction, ...]
    receipts: tuple[Receipt, ...]

    def first_log(self, place: int) -> int:
        """The number in the block of the first log of a transaction."""
        return sum(len(receipt.logs) for receipt in self.receipts[:place])

    def place_of(self, transaction: bytes) -> int | None:
        """Which of its transactions has this hash."""
        return next((place for place, each in enumerate(self.transactions) if each.hash == transaction), None)


@dataclass(frozen=True)
class Found:
    """A log, with where it stands: its number in the block, and the transaction's."""

    block: Block
    place: int
    index: int
    log: LogEntry


class Blocks:
    """The blocks of a chain. For one thread at a time."""

    def __init__(self, headers: Headers, peers: Peers) -> None:
        self._headers = headers
        self._peers = peers
        self._kept: Kept[bytes, Block] = Kept(_REMEMBERED)

    def of(self, headers: Sequence[Header]) -> list[Block]:
        """The blocks of some headers, with what they hold. Raises Unable, Unproven, ChainSilent."""
        blocks: dict[bytes, Block] = {}
        for header in headers:
            kept = self._kept.get(header.hash)
            if kept is None and header.receipts_root == EMPTY_ROOT and header.transactions_root == EMPTY_ROOT:
                kept = Block(header, (), ())
            if kept is not None:
                blocks[header.hash] = kept
        missing = [header for header in headers if header.hash not in blocks]
        for start in range(0, len(missing), _AT_A_TIME):
            part = missing[start : start + _AT_A_TIME]
            for block in self._peers.first(lambda peer, within, part=part: self._ask(peer, part, within)):  # type: ignore[misc]
                blocks[block.header.hash] = block
                self._kept.put(block.header.hash, block)
        return [blocks[header.hash] for header in headers]

    def logs(
        self, start: int, end: int, *, addresses: Sequence[bytes], topics: Sequence[Sequence[bytes] | None]
    ) -> Iterator[Found]:
        """All logs from block `start` to `end`, both with, of some addresses (of any, where none is named).

        `topics` names what may stand at each place, None for anything. That none is left out follows from the headers:
        each has a bloom of what its block logged, and every block whose bloom allows for one is looked at whole.
        """
        asked = [[bloom_bits(each) for each in addresses]]
        asked += [[bloom_bits(each) for each in choice] for choice in topics if choice is not None]
        wanted = [choice for choice in asked if choice]
        for part in self._headers.busy(start, end):
            may = [number for number, bloom in part if _may_hold(bloom, wanted)]
            for begin in range(0, len(may), _AT_A_TIME):
                for block in self.of(self._headers.several(may[begin : begin + _AT_A_TIME])):
                    yield from _matching(block, addresses, topics)

    def _ask(self, peer: Peer, headers: Sequence[Header], within: float) -> list[Block]:
        answers = peer.ask_many([("kaia_getBlockReceipts", [hex(each.number)]) for each in headers], within=within)
        receipts: list[tuple[Receipt, ...]] = []
        for header, answer in zip(headers, answers, strict=True):
            if isinstance(answer, Unable):
                raise answer
            told = list_of(answer, "receipts")
            if len(told) > _MOST:
                raise Lie(f"it gives {len(told)} receipts of one block")
            found = tuple(Receipt.from_json(each) for each in told)
            if root_of([each.encoded() for each in found]) != header.receipts_root:
                raise Lie(f"its receipts of block {header.number} are not those that the block was sealed with")
            receipts.append(found)

        places = [
            (header, place) for header, found in zip(headers, receipts, strict=True) for place in range(len(found))
        ]
        raws = peer.ask_many(
            [("kaia_getRawTransactionByBlockNumberAndIndex", [hex(each.number), hex(place)]) for each, place in places],
            within=within,
        )
        blocks: list[Block] = []
        given = iter(raws)
        for header, found in zip(headers, receipts, strict=True):
            items: list[bytes] = []
            for _ in found:
                raw = next(given)
                if isinstance(raw, Unable):
                    raise raw
                items.append(bytes_of(raw, "transaction"))
            if root_of(items) != header.transactions_root:
                raise Lie(f"its transactions of block {header.number} are not those that the block was sealed with")
            blocks.append(Block(header, tuple(Transaction.from_raw(item) for item in items), found))
        return blocks


def _may_hold(bloom: int, wanted: Sequence[Sequence[int]]) -> bool:
    return all(any(bloom & bits == bits for bits in choice) for choice in wanted)


def _matching(block: Block, addresses: Sequence[bytes], topics: Sequence[Sequence[bytes] | None]) -> Iterator[Found]:
    index = 0
    for place, receipt in enumerate(block.receipts):
        for log in receipt.logs:
            if (not addresses or log.address in addresses) and _has(log, topics):
                yield Found(block, place, index, log)
            index += 1


def _has(log: LogEntry, topics: Sequence[Sequence[bytes] | None]) -> bool:
    if len(topics) > len(log.topics):
        return False
    return all(choice is None or topic in choice for topic, choice in zip(log.topics, topics, strict=False))

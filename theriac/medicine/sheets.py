"""Sheets: what a receiver is told of the goods it takes over, sealed to it.

A sheet is the part of a batch below one node: its packs' serials and places, the batch's key, and the nodes beside the
way up to the root. From it anyone recomputes the batch's number, so a sheet cannot lie about what the chain has; and it
can be cut into sheets of the parts, for the next receiver. A pack that is not handed on is in it as a hash alone.
"""

import heapq
import io
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, BinaryIO

from theriac.crypto import age
from theriac.crypto.recipients import Identity, Recipient
from theriac.errors import BadSheet, NoSuchPlace, SheetDoesNotFit, WrongPack, WrongShape
from theriac.ledger.codec import canonical_json, parse_json
from theriac.medicine.packs import BatchKey, Product
from theriac.medicine.placed import Leaves, Serials
from theriac.medicine.tree import DEPTH, EMPTY_AT, Shape, Tree, height_of, indexes_of, is_below, keccak, leaf

LARGEST = 128 * 1024 * 1024
"""No sheet is read beyond this many bytes; one of 2^20 packs with the longest serials takes 30 MB."""

_HEAD = 1 << 16
_PIECE = 1 << 20

GRAIN = 8
"""Nodes above so many levels are kept, and what lies below is hashed again: 256 packs in a millisecond."""


def batch_id(maker: int, root: bytes) -> bytes:
    """The number of a batch on the chain: keccak256(abi.encode(maker, root))."""
    return keccak(maker.to_bytes(32, "big") + root)


@dataclass(frozen=True)
class Sheet:
    """The part of a batch below one node.

    `serials` are those of the packs by index; `hidden` the leaves of the packs that are not told, by index; `upper` the
    nodes beside the way from `node` to the root, lowest first, 20 less the node's height of them.
    """

    maker: int
    key: BatchKey
    product: Product
    shape: Shape
    node: int
    serials: Mapping[int, str]
    upper: Sequence[bytes]
    hidden: Mapping[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "serials", Serials.of(self.serials))
        object.__setattr__(self, "upper", tuple(self.upper))
        object.__setattr__(self, "hidden", Leaves.of(self.hidden))

    def tree(self, *, floor: int = 0) -> Tree:
        """The nodes below the sheet's; none of them below the height `floor`."""
        return Tree(self._leaves(), top=self.node, floor=floor)

    def _leaves(self) -> Iterator[tuple[int, bytes]]:
        commitment_of = self.key.committer(self.product).commitment_of
        told = ((index, keccak(commitment_of(serial))) for index, serial in Serials.of(self.serials).pairs())
        return heapq.merge(told, Leaves.of(self.hidden).pairs()) if self.hidden else told

    def batch(self, tree: Tree | None = None) -> bytes:
        """The number of the batch that this sheet is a part of."""
        node, number = (tree or self.tree(floor=GRAIN)).root, self.node
        for sibling in self.upper:
            node = keccak(sibling + node if number & 1 else node + sibling)
            number >>= 1
        return batch_id(self.maker, node)

    def check(self, batch: bytes) -> Tree:
        """The sheet's tree from the height `GRAIN` on, after it was found to belong to the batch.

        :raises SheetDoesNotFit: it does not.
        """
        tree = self.tree(floor=GRAIN)
        if self.batch(tree) != batch:
            raise SheetDoesNotFit(batch=batch.hex())
        return tree

    def siblings(self, index: int, tree: Tree) -> list[bytes]:
        """The proof of the pack at an index, 20 nodes, lowest first; `tree` is the sheet's with every node."""
        return tree.siblings(1 << DEPTH | index) + list(self.upper)

    def part(self, node: int, tree: Tree, *, without: Container[int] = ()) -> "Sheet":
        """The sheet of a node below this one; the packs at the indexes of `without` are in it as hashes alone."""
        if not is_below(node, self.node):
            raise SheetDoesNotFit(batch=self.batch().hex())
        below = indexes_of(node)
        part = replace(
            self,
            node=node,
            serials={index: serial for index, serial in Serials.of(self.serials).rows() if index in below},
            upper=tree.siblings(node) + list(self.upper),
            hidden={index: hash_ for index, hash_ in Leaves.of(self.hidden).pairs() if index in below},
        )
        return part.without(without)

    def without(self, indexes: Container[int]) -> "Sheet":
        """The same sheet with the packs at these indexes as hashes alone."""
        committer = self.key.committer(self.product)
        serials, hidden = Serials(), dict(Leaves.of(self.hidden).pairs())
        for index, serial in Serials.of(self.serials).pairs():
            if index in indexes:
                hidden[index] = leaf(committer.commitment_of(serial))
            else:
                serials.append(index, serial)
        return replace(self, serials=serials, hidden=hidden)

    # -- bytes -------------------------------------------------------------------------------------------------------

    def encode(self) -> bytes:
        """A line of canonical JSON, then a line a pack: its index, and its serial or `=` and its leaf."""
        head: dict[str, Any] = {
            "kind": "sheet",
            "format": 1,
            "maker": self.maker,
            "key": self.key.secret.hex(),
            "product": self.product.code,
            "lot": self.product.lot,
            "expiry": self.product.expiry.isoformat() if self.product.expiry else "",
            "palletBits": self.shape.pallet_bits,
            "caseBits": self.shape.case_bits,
            "node": self.node,
            "upper": [sibling.hex() for sibling in self.upper],
        }
        data = bytearray(canonical_json(head) + b"\n")
        for line in self._lines():
            data += line
        return bytes(data)

    def _lines(self) -> Iterator[bytes]:
        """Raises WrongPack for a serial that would break its line."""
        told = ((index, b"/" + serial) for index, serial in Serials.of(self.serials).pairs())
        kept = ((index, b"=" + hash_.hex().encode()) for index, hash_ in Leaves.of(self.hidden).pairs())
        for index, text in heapq.merge(told, kept) if self.hidden else told:
            if b"\n" in text:
                raise WrongPack(text=text[1:40].decode(), fault="has more than one line")
            yield b"%d %b\n" % (index, text)

    @classmethod
    def decode(cls, data: bytes) -> "Sheet":
        """Raises BadSheet."""
        stream = io.BytesIO(data)
        try:
            return cls._decoded(parse_json(stream.readline(_HEAD).removesuffix(b"\n")), stream)
        except (ValueError, OverflowError, KeyError, TypeError, AttributeError) as fault:
            raise BadSheet(fault=f"{type(fault).__name__} in its head or a line") from None
        except (NoSuchPlace, WrongPack, WrongShape) as fault:
            raise BadSheet(fault=str(fault).partition(";")[0]) from None

    @classmethod
    def _decoded(cls, head: Any, lines: BinaryIO) -> "Sheet":
        if head["kind"] != "sheet" or head["format"] != 1:
            raise BadSheet(fault="it is another kind of document")
        shape = Shape(int(head["palletBits"]), int(head["caseBits"]))
        node = int(head["node"])
        below = indexes_of(node)
        upper = [bytes.fromhex(text) for text in head["upper"]]
        if len(upper) != DEPTH - height_of(node) or any(len(sibling) != 32 for sibling in upper):
            raise BadSheet(fault="the way to the root is not whole")
        product = Product(
            str(head["product"]),
            str(head["lot"]),
            date.fromisoformat(head["expiry"]) if head["expiry"] else None,
        )
        product.encoded()
        maker = int(head["maker"])
        if not 0 < maker < 1 << 32:
            raise BadSheet(fault="its maker is no member")
        serials, hidden = _read_lines(lines, below)
        return cls(
            maker=maker,
            key=BatchKey(bytes.fromhex(head["key"])),
            product=product,
            shape=shape,
            node=node,
            serials=serials,
            upper=upper,
            hidden=hidden,
        )

    def seal(self, *, to: Recipient) -> bytes:
        """An age file of the sheet, padded (Padmé) so that its length does not tell how many packs there are."""
        return self.sealing_reader(to=to).read()

    def sealing_reader(self, *, to: Recipient) -> BinaryIO:
        """The same, to be read piece by piece."""
        return age.sealing_reader(io.BytesIO(self._framed()), to=[to])

    def _framed(self) -> bytes:
        data = self.encode()
        size = 4 + len(data)
        return b"".join((len(data).to_bytes(4, "big"), data, bytes(_padded(size) - size)))

    @classmethod
    def open_(cls, sealed: bytes | BinaryIO, *, identities: Sequence[Identity]) -> "Sheet":
        """Raises NoMatchingIdentity, BadSheet, and what a damaged age file raises."""
        stream = age.open_(io.BytesIO(sealed) if isinstance(sealed, bytes) else sealed, identities=identities)
        size = int.from_bytes(stream.read(4), "big")
        if size > LARGEST:
            raise BadSheet(fault=f"it has more than {LARGEST} bytes")
        # In pieces: Python makes room at once for as much as it is asked to read, and the size is a stranger's word.
        pieces: list[bytes] = []
        left = size
        while left and (piece := stream.read(min(left, _PIECE))):
            pieces.append(piece)
            left -= len(piece)
        if left:
            raise BadSheet(fault="it ends too early")
        return cls.decode(b"".join(pieces))


def _read_lines(lines: BinaryIO, below: range) -> tuple[Serials, Leaves]:
    """Raises NoSuchPlace, BadSheet, ValueError."""
    serials, hidden = Serials(), Leaves()
    last = -1
    for line in lines:
        number, _, text = line.removesuffix(b"\n").partition(b" ")
        index = int(number)
        if index not in below or index <= last:
            raise BadSheet(fault=f"the place {index} is not its own, or is told twice")
        last = index
        if text.startswith(b"/") and 1 < len(text) <= 256:
            text.decode()
            serials.append(index, text[1:])
        elif text.startswith(b"=") and len(text) == 65 and (hash_ := bytes.fromhex(text[1:].decode())) != EMPTY_AT[0]:
            hidden.append(index, hash_)
        else:
            raise BadSheet(fault=f"the place {index} has neither serial nor leaf")
    return serials, hidden


def _padded(size: int) -> int:
    """The length to pad to: 4 KiB at least, then Padmé (Nikitin et al., PETS 2019)."""
    size = max(size, 4096)
    exponent = size.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (size + mask) & ~mask

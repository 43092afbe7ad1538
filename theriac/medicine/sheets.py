"""Sheets: what a receiver is told of the goods it takes over, sealed to it.

A sheet is the part of a batch below one node: its packs' serials and places, the batch's key, and the nodes beside the
way up to the root. From it anyone recomputes the batch's number, so a sheet cannot lie about what the chain has; and it
can be cut into sheets of the parts, for the next receiver. A pack that is not handed on is in it as a hash alone.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import rfc8785

from theriac.crypto import age
from theriac.crypto.recipients import Identity, Recipient
from theriac.errors import BadSheet, SheetDoesNotFit
from theriac.ledger.codec import parse_json
from theriac.medicine.packs import BatchKey, Product
from theriac.medicine.tree import DEPTH, EMPTY_AT, Shape, Tree, height_of, indexes_of, is_below, keccak, leaf

LARGEST = 128 * 1024 * 1024
"""No sheet is read beyond this many bytes; one of 2^20 packs with the longest serials takes 30 MB."""

_HEAD = 1 << 16


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

    def tree(self) -> Tree:
        """The nodes below the sheet's."""
        committer = self.key.committer(self.product)
        told = {index: leaf(committer.commitment(serial)) for index, serial in self.serials.items()}
        told.update(self.hidden)
        return Tree(((index, told[index]) for index in sorted(told)), top=self.node)

    def batch(self, tree: Tree | None = None) -> bytes:
        """The number of the batch that this sheet is a part of."""
        node, number = (tree or self.tree()).root, self.node
        for sibling in self.upper:
            node = keccak(sibling + node if number & 1 else node + sibling)
            number >>= 1
        return batch_id(self.maker, node)

    def check(self, batch: bytes) -> Tree:
        """The sheet's tree, after it was found to belong to the batch. Raises SheetDoesNotFit."""
        tree = self.tree()
        if self.batch(tree) != batch:
            raise SheetDoesNotFit(batch=batch.hex())
        return tree

    def siblings(self, index: int, tree: Tree) -> list[bytes]:
        """The proof of the pack at an index, 20 nodes, lowest first."""
        return tree.siblings(1 << DEPTH | index) + list(self.upper)

    def part(self, node: int, tree: Tree, *, without: Collection[int] = ()) -> "Sheet":
        """The sheet of a node below this one; the packs at the indexes of `without` are in it as hashes alone."""
        if not is_below(node, self.node):
            raise SheetDoesNotFit(batch=self.batch(tree).hex())
        below = indexes_of(node)
        told = _within(self.serials, below)
        hidden = {index: tree.node(1 << DEPTH | index) for index in told if index in without}
        hidden.update(_within(self.hidden, below))
        return Sheet(
            maker=self.maker,
            key=self.key,
            product=self.product,
            shape=self.shape,
            node=node,
            serials={index: serial for index, serial in told.items() if index not in without},
            upper=tree.siblings(node) + list(self.upper),
            hidden=hidden,
        )

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
        return b"\n".join([rfc8785.dumps(head), *self._lines()]) + b"\n"

    def _lines(self) -> Iterator[bytes]:
        for index in sorted({*self.serials, *self.hidden}):
            if index in self.hidden:
                yield f"{index} ={self.hidden[index].hex()}".encode()
            else:
                yield f"{index} /{self.serials[index]}".encode()

    @classmethod
    def decode(cls, data: bytes) -> "Sheet":
        """Raises BadSheet."""
        head, _, lines = data.partition(b"\n")
        try:
            return cls._decoded(parse_json(head[:_HEAD]), lines)
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            raise BadSheet(fault=f"{type(fault).__name__} in its head or a line") from None

    @classmethod
    def _decoded(cls, head: Any, lines: bytes) -> "Sheet":
        if head["kind"] != "sheet" or head["format"] != 1:
            raise BadSheet(fault="it is another kind of document")
        shape = Shape(int(head["palletBits"]), int(head["caseBits"]))
        node = int(head["node"])
        below = indexes_of(node)
        upper = [bytes.fromhex(text) for text in head["upper"]]
        if len(upper) != DEPTH - height_of(node) or any(len(sibling) != 32 for sibling in upper):
            raise BadSheet(fault="the way to the root is not whole")
        serials: dict[int, str] = {}
        hidden: dict[int, bytes] = {}
        for line in lines.splitlines():
            number, _, rest = line.decode().partition(" ")
            index = int(number)
            if index not in below or index in serials or index in hidden:
                raise BadSheet(fault=f"the place {number} is not its own, or is told twice")
            if rest.startswith("="):
                hidden[index] = bytes.fromhex(rest[1:])
                if len(hidden[index]) != 32 or hidden[index] == EMPTY_AT[0]:
                    raise BadSheet(fault=f"the place {number} has no leaf")
            else:
                serials[index] = rest.removeprefix("/")
        return cls(
            maker=int(head["maker"]),
            key=BatchKey(bytes.fromhex(head["key"])),
            product=Product(
                str(head["product"]),
                str(head["lot"]),
                date.fromisoformat(head["expiry"]) if head["expiry"] else None,
            ),
            shape=shape,
            node=node,
            serials=serials,
            upper=upper,
            hidden=hidden,
        )

    def seal(self, *, to: Recipient) -> bytes:
        """An age file of the sheet, padded (Padmé) so that its length does not tell how many packs there are."""
        data = self.encode()
        framed = len(data).to_bytes(4, "big") + data
        return age.seal_bytes(framed.ljust(_padded(len(framed)), b"\0"), to=[to])

    @classmethod
    def open_(cls, sealed: bytes, *, identities: Sequence[Identity]) -> "Sheet":
        """Raises NoMatchingIdentity, BadSheet, and what a damaged age file raises."""
        framed = age.open_bytes(sealed, identities=identities)
        size = int.from_bytes(framed[:4], "big")
        if len(framed) < 4 + size:
            raise BadSheet(fault="it ends too early")
        return cls.decode(framed[4 : 4 + size])


def _within(values: Mapping[int, Any], below: range) -> dict[int, Any]:
    return {index: value for index, value in values.items() if index in below}


def _padded(size: int) -> int:
    """The length to pad to: 4 KiB at least, then Padmé (Nikitin et al., PETS 2019)."""
    size = max(size, 4096)
    exponent = size.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (size + mask) & ~mask
